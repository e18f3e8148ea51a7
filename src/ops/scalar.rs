//! Elementwise operations: what a row of the table says, and look-up in it.
//!
//! An operation is one [`Row`] of `table.rs`; the enum [`ScalarOp`], parsing, printing, sparsity,
//! derivatives, interval facts, simplification, the engines and the tests all read it from there.

mod defaults;
mod table;

pub use table::ScalarOp;

use crate::ops::math::Wide;

/// All that is known about one elementwise operation.
pub struct Row {
    /// The operation this row describes.
    pub op: ScalarOp,
    /// Name in the language, in rules and in formulas; unique.
    pub name: &'static str,
    /// One line for the reference page; also says what happens at kinks and corner cases.
    pub doc: &'static str,
    /// Meaning, and the address that compiled code calls.
    pub eval: Eval,
    /// The same on vectors, for operations that compiled code calls.
    pub wide: Option<Wide>,
    /// What `--math fast` takes in its place: the same within 4 units in the last place.
    pub fast: Option<ScalarOp>,
    /// How the just-in-time compiler makes it.
    pub jit: Jit,
    /// Partial derivative by each argument, as formulas over the arguments `a`, `b`, `c` and the
    /// result `y`; `"0"` means structurally none.
    pub partials: &'static [&'static str],
    /// Minimal sets of arguments (bit 0 is the first) whose being structural zeros makes the
    /// result one.
    pub zero_sets: &'static [u8],
    /// Where each argument may be for the result to be real and finite (overflow aside). A
    /// sufficient condition: operations such as `pow` are defined at more points.
    pub domain: &'static [Domain],
    /// Interval that holds the result, in real arithmetic; rounding may reach an open end.
    pub range: Interval,
    /// Direction in which the result moves with each argument over the whole domain.
    pub monotone: &'static [Monotone],
    /// C99 expression with `{a}`, `{b}`, `{c}` in place of the arguments (each used once unless
    /// the expression is cheap), safe in any context.
    pub c: &'static str,
    /// C99 definition that the expression needs once per file, or empty.
    pub c_helper: &'static str,
    /// How the language writes it.
    pub syntax: Syntax,
    /// Whether a program may call it by name.
    pub function: bool,
    /// LaTeX with `{a}`, `{b}`, `{c}` in place of the arguments.
    pub latex: &'static str,
    /// Cost relative to one addition.
    pub cost: u32,
    /// Under which heading operation counts list it.
    pub counter: Counter,
    /// Whether the first two arguments may be exchanged without changing a bit.
    pub commutative: bool,
    /// Points in the interior of the domain where the operation is smooth.
    pub samples: &'static [&'static [f64]],
    /// Ties, signed zeros, poles, infinities, NaN.
    pub edges: &'static [&'static [f64]],
}

/// The function that computes an operation; every engine calls the same one.
#[derive(Copy, Clone)]
pub enum Eval {
    F1(extern "C" fn(f64) -> f64),
    F2(extern "C" fn(f64, f64) -> f64),
    F3(extern "C" fn(f64, f64, f64) -> f64),
}

/// How the just-in-time compiler makes an operation.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Jit {
    /// A few machine instructions with the same bits as [`Row::eval`].
    Inst(Inst),
    /// A call of the address in [`Row::eval`].
    Call,
}

/// Operations that are a few machine instructions.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Inst {
    Add,
    Sub,
    Mul,
    Div,
    Neg,
    Abs,
    Sqrt,
    Floor,
    Ceil,
    /// NaN if either argument is, `min(-0, 0) = -0`.
    Min,
    /// NaN if either argument is, `max(-0, 0) = 0`.
    Max,
    Copysign,
    /// 1 or 0; unordered arguments give 0, except for [`Comparison::NotEqual`].
    Compare(Comparison),
    /// 1 if both arguments are unequal to 0 (NaN is), else 0.
    And,
    /// 1 if either argument is unequal to 0 (NaN is), else 0.
    Or,
    /// 1 if the argument equals 0, else 0.
    Not,
    /// The second argument if the first is unequal to 0 (NaN is), else the third.
    Select,
    /// The product of the first two arguments plus the third, rounded once.
    Fma,
    /// -1 below 0, 1 above 0, else the argument itself (zeros keep their sign, NaN stays).
    Sign,
    /// 1 if the argument is at least 0, else 0 (NaN too).
    Step,
    /// The argument itself.
    Identity,
}

/// IEEE 754 comparison.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Comparison {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
}

/// Heading of an operation in operation counts.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Counter {
    Add,
    Mul,
    /// An addition and a multiplication: counted as both.
    Fused,
    Div,
    Sqrt,
    /// Mathematical functions.
    Call,
    /// Comparison, selection, rounding and the like.
    Other,
    /// Not counted.
    Free,
}

/// How an operation is written in the language.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Syntax {
    /// `name(a, b)`.
    Call,
    /// `symbol a`.
    Prefix { symbol: &'static str, precedence: u8 },
    /// `a symbol b`; on matrices the operator is `elementwise`.
    Infix {
        symbol: &'static str,
        elementwise: &'static str,
        precedence: u8,
        right_associative: bool,
    },
}

/// Binding strength of the operators of the language, loosest first.
pub mod precedence {
    pub const OR: u8 = 1;
    pub const AND: u8 = 2;
    pub const NOT: u8 = 3;
    pub const COMPARISON: u8 = 4;
    pub const SUM: u8 = 5;
    pub const PRODUCT: u8 = 6;
    pub const NEGATION: u8 = 7;
    pub const POWER: u8 = 8;
    /// Names, numbers, calls, bracketed and postfix expressions.
    pub const ATOM: u8 = 9;
}

/// Direction of a result as one argument grows.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Monotone {
    /// Never falls.
    Increasing,
    /// Never rises.
    Decreasing,
    /// Not known to be either.
    Neither,
}

/// An interval of real numbers; infinite ends are always open.
#[derive(Copy, Clone, PartialEq, Debug)]
pub struct Interval {
    pub lo: f64,
    pub hi: f64,
    pub lo_open: bool,
    pub hi_open: bool,
}

impl Interval {
    pub const REAL: Interval = Interval::open(f64::NEG_INFINITY, f64::INFINITY);

    pub const fn open(lo: f64, hi: f64) -> Interval {
        Interval { lo, hi, lo_open: true, hi_open: true }
    }

    /// Ends included where they are finite.
    pub const fn closed(lo: f64, hi: f64) -> Interval {
        Interval { lo, hi, lo_open: lo == f64::NEG_INFINITY, hi_open: hi == f64::INFINITY }
    }

    pub fn contains(&self, value: f64) -> bool {
        (value > self.lo || value == self.lo && !self.lo_open)
            && (value < self.hi || value == self.hi && !self.hi_open)
    }
}

/// A set of arguments for which an operation is real and finite.
#[derive(Copy, Clone, PartialEq, Debug)]
pub enum Domain {
    Interval(Interval),
    /// All real numbers but 0.
    NonZero,
    /// 0, 1, 2, ...
    NonNegativeInteger,
    /// All real numbers but 0, -1, -2, ... (the poles of the gamma function).
    NotNonPositiveInteger,
}

impl Domain {
    pub fn contains(&self, value: f64) -> bool {
        match self {
            Domain::Interval(interval) => interval.contains(value),
            Domain::NonZero => value.is_finite() && value != 0.0,
            Domain::NonNegativeInteger => {
                value.is_finite() && value >= 0.0 && value.floor() == value
            }
            Domain::NotNonPositiveInteger => {
                value.is_finite() && (value > 0.0 || value.floor() != value)
            }
        }
    }
}

impl ScalarOp {
    /// The row that describes the operation.
    pub fn row(self) -> &'static Row {
        &table::ROWS[self as usize]
    }

    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Number of arguments, 1 to 3.
    pub fn arity(self) -> usize {
        match self.row().eval {
            Eval::F1(_) => 1,
            Eval::F2(_) => 2,
            Eval::F3(_) => 3,
        }
    }

    /// Value of the operation; NaN if `args` does not hold [`ScalarOp::arity`] numbers.
    ///
    /// ```
    /// use nablac::ops::scalar::ScalarOp;
    /// assert_eq!(ScalarOp::Mod.eval(&[-1.0, 3.0]), 2.0);
    /// ```
    pub fn eval(self, args: &[f64]) -> f64 {
        match (self.row().eval, args) {
            (Eval::F1(f), &[a]) => f(a),
            (Eval::F2(f), &[a, b]) => f(a, b),
            (Eval::F3(f), &[a, b, c]) => f(a, b, c),
            _ => f64::NAN,
        }
    }

    /// Whether the result is a structural zero when the arguments in `zero_args` (bit 0 is the
    /// first argument) are.
    ///
    /// ```
    /// use nablac::ops::scalar::ScalarOp;
    /// assert!(ScalarOp::Mul.is_structural_zero(0b01));
    /// assert!(!ScalarOp::Add.is_structural_zero(0b01));
    /// ```
    pub fn is_structural_zero(self, zero_args: u8) -> bool {
        let sets = self.row().zero_sets;
        sets.iter().any(|set| set & zero_args == *set)
    }
}
