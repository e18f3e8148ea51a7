//! The table of elementwise operations.
//!
//! Partial derivatives at kinks: 0 for `abs` and `copysign` at 0 and for all steps, one half to
//! each side for `min` and `max` at a tie. Comparisons are IEEE 754's and give 0 or 1; `and`,
//! `or`, `not` and `select` read every number but 0 as true, NaN included.

use std::f64::consts::{FRAC_PI_2, PI};

use super::Comparison::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
use super::Eval::{F1, F2, F3};
use super::Monotone::{Decreasing as FALLS, Increasing as RISES, Neither};
use super::defaults::*;
use super::{Counter, Domain, Inst, Interval, Jit, Row, Syntax, precedence};
use crate::ops::math;

/// Makes the enum, its look-ups and the rows from one list.
macro_rules! table {
    ($($(#[doc = $doc:literal])+ $op:ident $name:literal { $($field:tt)* })*) => {
        /// An elementwise operation; its properties are in its [`Row`].
        #[repr(u8)]
        #[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
        pub enum ScalarOp {
            $($(#[doc = $doc])+ $op,)*
        }

        impl ScalarOp {
            /// Every operation, in the order of the table.
            pub const ALL: &[ScalarOp] = &[$(ScalarOp::$op,)*];

            /// The operation of that name.
            ///
            /// ```
            /// use nablac::ops::scalar::{Interval, ScalarOp};
            /// let sqrt = ScalarOp::from_name("sqrt").unwrap();
            /// assert_eq!((sqrt.name(), sqrt.arity()), ("sqrt", 1));
            /// assert!(sqrt.row().function && ScalarOp::from_name("square_root").is_none());
            /// assert!(Interval::closed(0.0, 1.0).contains(1.0) && !Interval::open(0.0, 1.0).contains(1.0));
            /// ```
            pub fn from_name(name: &str) -> Option<ScalarOp> {
                match name {
                    $($name => Some(ScalarOp::$op),)*
                    _ => None,
                }
            }
        }

        pub(super) static ROWS: &[Row] = &[$(Row {
            op: ScalarOp::$op,
            name: $name,
            doc: concat!($($doc),+).trim_ascii(),
            $($field)*
        },)*];
    };
}

table! {
    /// Sum.
    Add "add" {
        eval: F2(math::add), jit: Jit::Inst(Inst::Add), partials: &["1", "1"],
        zero_sets: &[0b11], monotone: &[RISES, RISES], c: "({a} + {b})",
        syntax: infix("+", precedence::SUM), latex: "{a} + {b}", counter: Counter::Add,
        commutative: true, ..OPERATOR
    }

    /// Difference.
    Sub "sub" {
        eval: F2(math::sub), jit: Jit::Inst(Inst::Sub), partials: &["1", "-1"],
        zero_sets: &[0b11], monotone: &[RISES, FALLS], c: "({a} - {b})",
        syntax: infix("-", precedence::SUM), latex: "{a} - {b}", counter: Counter::Add,
        ..OPERATOR
    }

    /// Product.
    Mul "mul" {
        eval: F2(math::mul), jit: Jit::Inst(Inst::Mul), partials: &["b", "a"],
        zero_sets: &[0b01, 0b10], c: "({a} * {b})",
        syntax: Syntax::Infix {
            symbol: "*",
            elementwise: ".*",
            precedence: precedence::PRODUCT,
            right_associative: false,
        },
        latex: "{a} \\, {b}", counter: Counter::Mul, commutative: true, ..OPERATOR
    }

    /// Quotient.
    Div "div" {
        eval: F2(math::div), jit: Jit::Inst(Inst::Div), partials: &["1 / b", "-y / b"],
        zero_sets: &[0b01], domain: &[REAL, Domain::NonZero], c: "({a} / {b})",
        syntax: Syntax::Infix {
            symbol: "/",
            elementwise: "./",
            precedence: precedence::PRODUCT,
            right_associative: false,
        },
        latex: "\\frac{{a}}{{b}}", cost: 4, counter: Counter::Div, ..OPERATOR
    }

    /// Negation.
    Neg "neg" {
        eval: F1(math::neg), jit: Jit::Inst(Inst::Neg), partials: &["-1"], zero_sets: &[0b1],
        monotone: &[FALLS], c: "(- {a})",
        syntax: Syntax::Prefix { symbol: "-", precedence: precedence::NEGATION },
        function: false, latex: "-{a}", cost: 1, counter: Counter::Free, ..FUNCTION
    }

    /// Power, as C's `pow`; 0^0 is 1. By the exponent, the derivative at base 0 is 0 while the
    /// value is, and higher derivatives that mix base and exponent are NaN there.
    Pow "pow" {
        eval: F2(math::pow), wide: Some(math::POW),
        // The infinite slope of sqrt keeps derivatives by `a` from being wrong but finite where
        // the result is 0, while the logarithm there is that of 1.
        partials: &["b * pow(a, b - 1)", "y * log(select(y == 0, 1 + sqrt(a), a))"],
        domain: &[POSITIVE, REAL], c: "pow({a}, {b})",
        syntax: Syntax::Infix {
            symbol: "^",
            elementwise: ".^",
            precedence: precedence::POWER,
            right_associative: true,
        },
        function: true, latex: "{{a}}^{{b}}", cost: 25, counter: Counter::Call,
        samples: &[&[2.3, 1.7], &[0.4, -2.5], &[0.9, 0.5], &[7.0, 3.0]], ..OPERATOR
    }

    /// Square root.
    Sqrt "sqrt" {
        eval: F1(math::sqrt), jit: Jit::Inst(Inst::Sqrt), partials: &["0.5 / y"],
        zero_sets: &[0b1], domain: &[NON_NEGATIVE], range: Interval::closed(0.0, INF),
        monotone: &[RISES], c: "sqrt({a})", latex: "\\sqrt{{a}}", cost: 4,
        counter: Counter::Sqrt, samples: &[&[0.3], &[4.0], &[17.5]],
        edges: &[&[0.0], &[-0.0], &[-1.0], &[INF], &[-INF], &[NAN]], ..FUNCTION
    }

    /// Cube root, of negative numbers too.
    Cbrt "cbrt" {
        eval: F1(math::cbrt), wide: Some(math::CBRT),
        partials: &["1 / (3 * y * y)"], zero_sets: &[0b1],
        monotone: &[RISES], c: "cbrt({a})", latex: "\\sqrt[3]{{a}}", ..FUNCTION
    }

    /// Length of the hypotenuse, without overflow; its derivatives at the origin are NaN.
    Hypot "hypot" {
        eval: F2(math::hypot), wide: Some(math::HYPOT),
        partials: &["a / y", "b / y"], zero_sets: &[0b11],
        range: Interval::closed(0.0, INF), c: "hypot({a}, {b})",
        latex: "\\operatorname{hypot}\\left({a}, {b}\\right)", commutative: true, ..FUNCTION_2
    }

    /// Exponential function.
    Exp "exp" {
        eval: F1(math::exp), wide: Some(math::EXP),
        partials: &["y"], range: Interval::open(0.0, INF),
        monotone: &[RISES], c: "exp({a})", latex: "\\exp\\left({a}\\right)", ..FUNCTION
    }

    /// `exp(x) - 1`, accurate near 0.
    Expm1 "expm1" {
        eval: F1(math::expm1), wide: Some(math::EXPM1), partials: &["exp(a)"], zero_sets: &[0b1],
        range: Interval::open(-1.0, INF), monotone: &[RISES], c: "expm1({a})",
        latex: "\\operatorname{expm1}\\left({a}\\right)", samples: &[&[1e-10], &[-0.7], &[1.9]],
        ..FUNCTION
    }

    /// Natural logarithm.
    Log "log" {
        eval: F1(math::log), wide: Some(math::LOG),
        partials: &["1 / a"], domain: &[POSITIVE], monotone: &[RISES],
        c: "log({a})", latex: "\\log\\left({a}\\right)", samples: &[&[0.3], &[1.0], &[50.0]],
        edges: &[&[0.0], &[-0.0], &[-1.0], &[INF], &[-INF], &[NAN]], ..FUNCTION
    }

    /// `log(1 + x)`, accurate near 0.
    Log1p "log1p" {
        eval: F1(math::log1p), wide: Some(math::LOG1P), fast: Some(ScalarOp::FastLog1p),
        partials: &["1 / (1 + a)"], zero_sets: &[0b1],
        domain: &[Domain::Interval(Interval::open(-1.0, INF))], monotone: &[RISES],
        c: "log1p({a})", latex: "\\operatorname{log1p}\\left({a}\\right)",
        samples: &[&[1e-10], &[-0.7], &[1.9]],
        edges: &[&[0.0], &[-0.0], &[-1.0], &[-2.0], &[INF], &[-INF], &[NAN]], ..FUNCTION
    }

    /// Logarithm to base 2.
    Log2 "log2" {
        eval: F1(math::log2), wide: Some(math::LOG2), fast: Some(ScalarOp::FastLog2),
        partials: &["1.4426950408889634 / a"], domain: &[POSITIVE],
        monotone: &[RISES], c: "log2({a})", latex: "\\log_{2}\\left({a}\\right)",
        samples: &[&[0.3], &[1.0], &[50.0]],
        edges: &[&[0.0], &[-0.0], &[-1.0], &[INF], &[-INF], &[NAN]], ..FUNCTION
    }

    /// Logarithm to base 10.
    Log10 "log10" {
        eval: F1(math::log10), wide: Some(math::LOG10), fast: Some(ScalarOp::FastLog10),
        partials: &["0.4342944819032518 / a"], domain: &[POSITIVE],
        monotone: &[RISES], c: "log10({a})", latex: "\\log_{10}\\left({a}\\right)",
        samples: &[&[0.3], &[1.0], &[50.0]],
        edges: &[&[0.0], &[-0.0], &[-1.0], &[INF], &[-INF], &[NAN]], ..FUNCTION
    }

    /// Sine.
    Sin "sin" {
        eval: F1(math::sin), wide: Some(math::SIN), fast: Some(ScalarOp::FastSin), partials: &["cos(a)"], zero_sets: &[0b1],
        range: Interval::closed(-1.0, 1.0), c: "sin({a})", latex: "\\sin\\left({a}\\right)",
        ..FUNCTION
    }

    /// Cosine.
    Cos "cos" {
        eval: F1(math::cos), wide: Some(math::COS), fast: Some(ScalarOp::FastCos),
        partials: &["-sin(a)"], range: Interval::closed(-1.0, 1.0),
        c: "cos({a})", latex: "\\cos\\left({a}\\right)", ..FUNCTION
    }

    /// Tangent.
    Tan "tan" {
        eval: F1(math::tan), wide: Some(math::TAN), fast: Some(ScalarOp::FastTan),
        partials: &["1 + y * y"], zero_sets: &[0b1], c: "tan({a})",
        latex: "\\tan\\left({a}\\right)", ..FUNCTION
    }

    /// Inverse sine.
    Asin "asin" {
        eval: F1(math::asin), wide: Some(math::ASIN), fast: Some(ScalarOp::FastAsin),
        partials: &["1 / sqrt((1 - a) * (1 + a))"], zero_sets: &[0b1],
        domain: &[Domain::Interval(Interval::closed(-1.0, 1.0))],
        range: Interval::closed(-FRAC_PI_2, FRAC_PI_2), monotone: &[RISES], c: "asin({a})",
        latex: "\\arcsin\\left({a}\\right)", samples: &[&[0.5], &[-0.7], &[0.9]],
        edges: &[&[0.0], &[-0.0], &[1.0], &[-1.0], &[1.5], &[INF], &[NAN]], ..FUNCTION
    }

    /// Inverse cosine.
    Acos "acos" {
        eval: F1(math::acos), wide: Some(math::ACOS), fast: Some(ScalarOp::FastAcos), partials: &["-1 / sqrt((1 - a) * (1 + a))"],
        domain: &[Domain::Interval(Interval::closed(-1.0, 1.0))],
        range: Interval::closed(0.0, PI), monotone: &[FALLS], c: "acos({a})",
        latex: "\\arccos\\left({a}\\right)", samples: &[&[0.5], &[-0.7], &[0.9]],
        edges: &[&[0.0], &[-0.0], &[1.0], &[-1.0], &[1.5], &[INF], &[NAN]], ..FUNCTION
    }

    /// Inverse tangent.
    Atan "atan" {
        eval: F1(math::atan), wide: Some(math::ATAN), fast: Some(ScalarOp::FastAtan),
        partials: &["1 / (1 + a * a)"], zero_sets: &[0b1],
        range: Interval::closed(-FRAC_PI_2, FRAC_PI_2), monotone: &[RISES], c: "atan({a})",
        latex: "\\arctan\\left({a}\\right)", ..FUNCTION
    }

    /// Angle of the point (x, y) = (b, a).
    Atan2 "atan2" {
        eval: F2(math::atan2), wide: Some(math::ATAN2),
        partials: &["b / (a * a + b * b)", "-a / (a * a + b * b)"],
        zero_sets: &[0b11], range: Interval::closed(-PI, PI), c: "atan2({a}, {b})",
        latex: "\\operatorname{atan2}\\left({a}, {b}\\right)", ..FUNCTION_2
    }

    /// Hyperbolic sine.
    Sinh "sinh" {
        eval: F1(math::sinh), wide: Some(math::SINH),
        partials: &["cosh(a)"], zero_sets: &[0b1], monotone: &[RISES],
        c: "sinh({a})", latex: "\\sinh\\left({a}\\right)", ..FUNCTION
    }

    /// Hyperbolic cosine.
    Cosh "cosh" {
        eval: F1(math::cosh), wide: Some(math::COSH),
        partials: &["sinh(a)"], range: Interval::closed(1.0, INF),
        c: "cosh({a})", latex: "\\cosh\\left({a}\\right)", ..FUNCTION
    }

    /// Hyperbolic tangent.
    Tanh "tanh" {
        eval: F1(math::tanh), wide: Some(math::TANH), fast: Some(ScalarOp::FastTanh), partials: &["1 - y * y"], zero_sets: &[0b1],
        range: Interval::open(-1.0, 1.0), monotone: &[RISES], c: "tanh({a})",
        latex: "\\tanh\\left({a}\\right)", ..FUNCTION
    }

    /// Inverse hyperbolic sine.
    Asinh "asinh" {
        eval: F1(math::asinh), wide: Some(math::ASINH),
        partials: &["1 / sqrt(1 + a * a)"], zero_sets: &[0b1],
        monotone: &[RISES], c: "asinh({a})", latex: "\\operatorname{arsinh}\\left({a}\\right)",
        ..FUNCTION
    }

    /// Inverse hyperbolic cosine.
    Acosh "acosh" {
        eval: F1(math::acosh), wide: Some(math::ACOSH),
        // Two roots: one of the product would be real below -1, where acosh is not.
        partials: &["1 / (sqrt(a - 1) * sqrt(a + 1))"],
        domain: &[Domain::Interval(Interval::closed(1.0, INF))],
        range: Interval::closed(0.0, INF), monotone: &[RISES], c: "acosh({a})",
        latex: "\\operatorname{arcosh}\\left({a}\\right)", samples: &[&[1.2], &[2.0], &[9.5]],
        edges: &[&[1.0], &[0.5], &[-2.0], &[INF], &[-INF], &[NAN]], ..FUNCTION
    }

    /// Inverse hyperbolic tangent.
    Atanh "atanh" {
        eval: F1(math::atanh), wide: Some(math::ATANH),
        partials: &["1 / ((1 - a) * (1 + a))"], zero_sets: &[0b1],
        domain: &[Domain::Interval(Interval::open(-1.0, 1.0))], monotone: &[RISES],
        c: "atanh({a})", latex: "\\operatorname{artanh}\\left({a}\\right)",
        samples: &[&[0.5], &[-0.7], &[0.9]],
        edges: &[&[0.0], &[-0.0], &[1.0], &[-1.0], &[1.5], &[INF], &[NAN]], ..FUNCTION
    }

    /// Absolute value; its derivative at 0 is 0.
    Abs "abs" {
        eval: F1(math::abs), jit: Jit::Inst(Inst::Abs), partials: &["sign(a)"],
        zero_sets: &[0b1], range: Interval::closed(0.0, INF), c: "fabs({a})",
        latex: "\\left|{a}\\right|", cost: 1, counter: Counter::Other, ..FUNCTION
    }

    /// Sign: -1, 1, or the argument itself if that is 0 or NaN; derivative 0.
    Sign "sign" {
        eval: F1(math::sign), jit: Jit::Inst(Inst::Sign), zero_sets: &[0b1],
        range: Interval::closed(-1.0, 1.0), monotone: &[RISES], c: "nablac_sign({a})",
        c_helper: "\
static double nablac_sign(double a) {
  return a < 0.0 ? -1.0 : a > 0.0 ? 1.0 : a;
}
",
        latex: "\\operatorname{sign}\\left({a}\\right)", cost: 2, counter: Counter::Other,
        ..FUNCTION
    }

    /// Magnitude of the first argument with the sign of the second; derivative 0 where the first
    /// is 0.
    Copysign "copysign" {
        eval: F2(math::copysign), jit: Jit::Inst(Inst::Copysign),
        partials: &["sign(a) * copysign(1, b)", "0"], zero_sets: &[0b01],
        c: "copysign({a}, {b})", latex: "\\operatorname{copysign}\\left({a}, {b}\\right)",
        cost: 1, counter: Counter::Other, ..FUNCTION_2
    }

    /// Largest integer not above the argument; derivative 0.
    Floor "floor" {
        eval: F1(math::floor), jit: Jit::Inst(Inst::Floor), zero_sets: &[0b1],
        monotone: &[RISES], c: "floor({a})", latex: "\\left\\lfloor {a} \\right\\rfloor",
        cost: 1, counter: Counter::Other, edges: ROUNDING_EDGES, ..FUNCTION
    }

    /// Smallest integer not below the argument; derivative 0.
    Ceil "ceil" {
        eval: F1(math::ceil), jit: Jit::Inst(Inst::Ceil), zero_sets: &[0b1], monotone: &[RISES],
        c: "ceil({a})", latex: "\\left\\lceil {a} \\right\\rceil", cost: 1,
        counter: Counter::Other, edges: ROUNDING_EDGES, ..FUNCTION
    }

    /// Nearest integer, halves away from zero; derivative 0.
    Round "round" {
        eval: F1(math::round), zero_sets: &[0b1], monotone: &[RISES], c: "round({a})",
        latex: "\\operatorname{round}\\left({a}\\right)", cost: 4, counter: Counter::Other,
        edges: ROUNDING_EDGES, ..FUNCTION
    }

    /// Floored remainder: has the sign of the divisor.
    Mod "mod" {
        eval: F2(math::modulo), partials: &["1", "-round((a - y) / b)"], zero_sets: &[0b01],
        domain: &[REAL, Domain::NonZero], c: "nablac_mod({a}, {b})",
        c_helper: "\
static double nablac_mod(double a, double b) {
  const double r = fmod(a, b);
  if (r == 0.0) return copysign(r, b);
  return (r < 0.0) != (b < 0.0) ? r + b : r;
}
",
        latex: "{a} \\bmod {b}", cost: 10, counter: Counter::Other, samples: REMAINDER_SAMPLES,
        ..FUNCTION_2
    }

    /// Truncated remainder, C's `fmod`: has the sign of the dividend.
    Rem "rem" {
        eval: F2(math::rem), partials: &["1", "-round((a - y) / b)"], zero_sets: &[0b01],
        domain: &[REAL, Domain::NonZero], c: "fmod({a}, {b})",
        latex: "\\operatorname{rem}\\left({a}, {b}\\right)", cost: 10, counter: Counter::Other,
        samples: REMAINDER_SAMPLES, ..FUNCTION_2
    }

    /// IEEE 754 remainder: the quotient is rounded to the nearest integer, halves to even.
    Remainder "remainder" {
        eval: F2(math::remainder), partials: &["1", "-round((a - y) / b)"], zero_sets: &[0b01],
        domain: &[REAL, Domain::NonZero], c: "remainder({a}, {b})",
        latex: "\\operatorname{remainder}\\left({a}, {b}\\right)", cost: 10,
        counter: Counter::Other, samples: REMAINDER_SAMPLES, ..FUNCTION_2
    }

    /// Error function.
    Erf "erf" {
        eval: F1(math::erf), wide: Some(math::ERF),
        partials: &["1.1283791670955126 * exp(-(a * a))"],
        zero_sets: &[0b1], range: Interval::open(-1.0, 1.0), monotone: &[RISES], c: "erf({a})",
        latex: "\\operatorname{erf}\\left({a}\\right)", cost: 25, ..FUNCTION
    }

    /// Complementary error function, `1 - erf(x)`.
    Erfc "erfc" {
        eval: F1(math::erfc), wide: Some(math::ERFC),
        partials: &["-1.1283791670955126 * exp(-(a * a))"],
        range: Interval::open(0.0, 2.0), monotone: &[FALLS], c: "erfc({a})",
        latex: "\\operatorname{erfc}\\left({a}\\right)", cost: 25, ..FUNCTION
    }

    /// Gamma function.
    Gamma "gamma" {
        eval: F1(math::gamma), partials: &["y * polygamma(0, a)"],
        domain: &[Domain::NotNonPositiveInteger], c: "tgamma({a})",
        latex: "\\Gamma\\left({a}\\right)", cost: 40, samples: GAMMA_SAMPLES,
        edges: GAMMA_EDGES, ..FUNCTION
    }

    /// Logarithm of the absolute value of the gamma function.
    Lgamma "lgamma" {
        eval: F1(math::lgamma), partials: &["polygamma(0, a)"],
        domain: &[Domain::NotNonPositiveInteger], c: "lgamma({a})",
        latex: "\\log\\left|\\Gamma\\left({a}\\right)\\right|", cost: 40,
        samples: GAMMA_SAMPLES, edges: GAMMA_EDGES, ..FUNCTION
    }

    /// Polygamma function of `x`, the second argument; the order is the first, an integer from 0
    /// (the digamma function) to 500.
    Polygamma "polygamma" {
        eval: F2(math::polygamma), partials: &["0", "polygamma(a + 1, b)"],
        domain: &[Domain::NonNegativeInteger, Domain::NotNonPositiveInteger],
        c: "nablac_polygamma({a}, {b})",
        c_helper: include_str!("polygamma.c"),
        latex: "\\psi^{({a})}\\left({b}\\right)", cost: 80,
        samples: &[
            &[0.0, 0.3], &[0.0, 1.5], &[0.0, 12.5], &[0.0, -1.7], &[1.0, 0.6], &[1.0, -0.4],
            &[2.0, 3.3], &[2.0, -2.6], &[5.0, 1.1], &[20.0, 8.0],
        ],
        edges: &[
            &[0.0, 0.0], &[0.0, -0.0], &[0.0, -1.0], &[1.0, 0.0], &[1.0, -3.0], &[2.0, 0.0],
            &[2.0, -0.0], &[2.0, -1.0], &[0.0, INF], &[0.0, -INF], &[3.0, INF], &[1.0, -INF],
            &[-1.0, 2.0], &[0.5, 2.0], &[NAN, 2.0], &[0.0, NAN], &[501.0, 2.0], &[1e300, 2.0],
        ],
        ..FUNCTION_2
    }

    /// Logistic function `1 / (1 + exp(-x))`, without overflow.
    Sigmoid "sigmoid" {
        eval: F1(math::sigmoid), wide: Some(math::SIGMOID),
        partials: &["y * (1 - y)"], range: Interval::open(0.0, 1.0),
        monotone: &[RISES], c: "nablac_sigmoid({a})",
        c_helper: "\
static double nablac_sigmoid(double a) {
  const double t = exp(-fabs(a));
  return a >= 0.0 ? 1.0 / (1.0 + t) : t / (1.0 + t);
}
",
        latex: "\\sigma\\left({a}\\right)", cost: 25,
        edges: &[&[0.0], &[-0.0], &[800.0], &[-800.0], &[INF], &[-INF], &[NAN]], ..FUNCTION
    }

    /// `log(1 + exp(x))`, without overflow.
    Softplus "softplus" {
        eval: F1(math::softplus), wide: Some(math::SOFTPLUS), fast: Some(ScalarOp::FastSoftplus),
        partials: &["sigmoid(a)"], range: Interval::open(0.0, INF),
        monotone: &[RISES], c: "nablac_softplus({a})",
        c_helper: SOFTPLUS_IN_C,
        latex: "\\operatorname{softplus}\\left({a}\\right)", cost: 40,
        edges: &[&[0.0], &[-0.0], &[800.0], &[-800.0], &[INF], &[-INF], &[NAN]], ..FUNCTION
    }

    /// 1 from 0 on, else 0; derivative 0.
    Step "step" {
        eval: F1(math::step), jit: Jit::Inst(Inst::Step), range: TRUTH, monotone: &[RISES],
        c: "({a} >= 0.0 ? 1.0 : 0.0)", latex: "\\operatorname{step}\\left({a}\\right)", cost: 1,
        counter: Counter::Other, ..FUNCTION
    }

    /// The smaller argument, NaN if either is, -0 below 0; at a tie each has half the derivative.
    Min "min" {
        eval: F2(math::min), jit: Jit::Inst(Inst::Min),
        partials: &["0.5 * ((a < b) + (a <= b))", "0.5 * ((b < a) + (b <= a))"],
        zero_sets: &[0b11], monotone: &[RISES, RISES], c: "nablac_min({a}, {b})",
        c_helper: "\
static double nablac_min(double a, double b) {
  if (a < b) return a;
  if (b < a) return b;
  if (a == b) return copysign(1.0, a) < 0.0 ? a : b;
  return a + b;
}
",
        latex: "\\min\\left({a}, {b}\\right)", cost: 1, counter: Counter::Other,
        commutative: true, ..FUNCTION_2
    }

    /// The larger argument, NaN if either is, 0 above -0; at a tie each has half the derivative.
    Max "max" {
        eval: F2(math::max), jit: Jit::Inst(Inst::Max),
        partials: &["0.5 * ((a > b) + (a >= b))", "0.5 * ((b > a) + (b >= a))"],
        zero_sets: &[0b11], monotone: &[RISES, RISES], c: "nablac_max({a}, {b})",
        c_helper: "\
static double nablac_max(double a, double b) {
  if (a > b) return a;
  if (b > a) return b;
  if (a == b) return copysign(1.0, a) < 0.0 ? b : a;
  return a + b;
}
",
        latex: "\\max\\left({a}, {b}\\right)", cost: 1, counter: Counter::Other,
        commutative: true, ..FUNCTION_2
    }

    /// Less than.
    Lt "lt" {
        eval: F2(math::lt), jit: Jit::Inst(Inst::Compare(Less)), zero_sets: &[0b11],
        monotone: &[FALLS, RISES], c: "({a} < {b} ? 1.0 : 0.0)",
        syntax: infix("<", precedence::COMPARISON), latex: "{a} < {b}", ..TEST
    }

    /// Less than or equal.
    Le "le" {
        eval: F2(math::le), jit: Jit::Inst(Inst::Compare(LessEqual)), monotone: &[FALLS, RISES],
        c: "({a} <= {b} ? 1.0 : 0.0)", syntax: infix("<=", precedence::COMPARISON),
        latex: "{a} \\le {b}", ..TEST
    }

    /// Greater than.
    Gt "gt" {
        eval: F2(math::gt), jit: Jit::Inst(Inst::Compare(Greater)), zero_sets: &[0b11],
        monotone: &[RISES, FALLS], c: "({a} > {b} ? 1.0 : 0.0)",
        syntax: infix(">", precedence::COMPARISON), latex: "{a} > {b}", ..TEST
    }

    /// Greater than or equal.
    Ge "ge" {
        eval: F2(math::ge), jit: Jit::Inst(Inst::Compare(GreaterEqual)),
        monotone: &[RISES, FALLS], c: "({a} >= {b} ? 1.0 : 0.0)",
        syntax: infix(">=", precedence::COMPARISON), latex: "{a} \\ge {b}", ..TEST
    }

    /// Equal; -0 equals 0.
    Eq "eq" {
        eval: F2(math::eq), jit: Jit::Inst(Inst::Compare(Equal)), c: "({a} == {b} ? 1.0 : 0.0)",
        syntax: infix("==", precedence::COMPARISON), latex: "{a} = {b}", commutative: true,
        ..TEST
    }

    /// Unequal; true if either argument is NaN.
    Ne "ne" {
        eval: F2(math::ne), jit: Jit::Inst(Inst::Compare(NotEqual)), zero_sets: &[0b11],
        c: "({a} != {b} ? 1.0 : 0.0)", syntax: infix("!=", precedence::COMPARISON),
        latex: "{a} \\ne {b}", commutative: true, ..TEST
    }

    /// Both arguments are true (unequal to 0).
    And "and" {
        eval: F2(math::and), jit: Jit::Inst(Inst::And), zero_sets: &[0b01, 0b10],
        c: "({a} != 0.0 && {b} != 0.0 ? 1.0 : 0.0)", syntax: infix("and", precedence::AND),
        latex: "{a} \\land {b}", commutative: true, ..TEST
    }

    /// At least one argument is true (unequal to 0).
    Or "or" {
        eval: F2(math::or), jit: Jit::Inst(Inst::Or), zero_sets: &[0b11],
        c: "({a} != 0.0 || {b} != 0.0 ? 1.0 : 0.0)", syntax: infix("or", precedence::OR),
        latex: "{a} \\lor {b}", commutative: true, ..TEST
    }

    /// The argument is false (equals 0).
    Not "not" {
        eval: F1(math::not), jit: Jit::Inst(Inst::Not), range: TRUTH,
        c: "({a} == 0.0 ? 1.0 : 0.0)",
        syntax: Syntax::Prefix { symbol: "not", precedence: precedence::NOT }, function: false,
        latex: "\\lnot {a}", cost: 1, counter: Counter::Other, ..FUNCTION
    }

    /// The second argument if the first is true (unequal to 0), else the third; all three are
    /// evaluated.
    Select "select" {
        eval: F3(math::select), jit: Jit::Inst(Inst::Select),
        partials: &["0", "select(a, 1, 0)", "select(a, 0, 1)"], zero_sets: &[0b101, 0b110],
        domain: &[REAL, REAL, REAL], monotone: &[Neither, RISES, RISES],
        c: "({a} != 0.0 ? {b} : {c})",
        latex: "\\operatorname{select}\\left({a}, {b}, {c}\\right)", cost: 1,
        counter: Counter::Other, samples: &[&[1.0, 2.5, -3.0], &[2.0, -1.5, 4.0]],
        edges: &[
            &[0.0, 2.5, -3.0], &[-0.0, 2.5, -3.0], &[NAN, 2.5, -3.0], &[1.0, NAN, -3.0],
            &[1.0, 2.5, NAN], &[0.0, INF, -0.0], &[1.0, -0.0, INF],
        ],
        ..FUNCTION
    }

    /// The argument itself, as a constant to differentiation.
    StopGradient "stop_gradient" {
        eval: F1(math::identity), jit: Jit::Inst(Inst::Identity), zero_sets: &[0b1],
        monotone: &[RISES], c: "{a}",
        latex: "\\operatorname{stop\\_gradient}\\left({a}\\right)", cost: 0,
        counter: Counter::Free, ..FUNCTION
    }

    /// `a * b + c`, rounded once.
    Fma "fma" {
        eval: F3(math::fma), jit: Jit::Inst(Inst::Fma), partials: &["b", "a", "1"],
        zero_sets: &[0b101, 0b110], domain: &[REAL, REAL, REAL],
        monotone: &[Neither, Neither, RISES], c: "fma({a}, {b}, {c})",
        latex: "\\operatorname{fma}\\left({a}, {b}, {c}\\right)", cost: 2,
        counter: Counter::Fused,
        samples: &[
            &[1.3, 2.5, -3.0], &[-0.7, 1.9, 0.4], &[1.0000000000000002, 0.9999999999999998, -1.0],
        ],
        edges: &[
            &[0.0, -2.5, 0.0], &[0.0, -2.5, -0.0], &[-0.0, 2.5, -0.0], &[2.0, 3.0, -6.0],
            &[0.0, INF, 1.0], &[INF, 0.0, 1.0], &[INF, 2.0, -INF], &[-INF, 2.0, 5.0],
            &[1e200, 1e200, -INF], &[1e300, 1e10, -1e300], &[0.1, 10.0, -1.0],
            &[NAN, 1.0, 1.0], &[1.0, NAN, 1.0], &[1.0, 1.0, NAN], &[5e-324, 0.5, 0.0],
        ],
        ..FUNCTION
    }

    /// Sine, within 4 units in the last place.
    FastSin "fast_sin" {
        eval: F1(math::fast_sin), wide: Some(math::FAST_SIN), partials: &["cos(a)"],
        zero_sets: &[0b1], range: Interval::closed(-1.0, 1.0), c: "sin({a})",
        latex: "\\sin\\left({a}\\right)", ..FUNCTION
    }

    /// Cosine, within 4 units in the last place.
    FastCos "fast_cos" {
        eval: F1(math::fast_cos), wide: Some(math::FAST_COS), partials: &["-sin(a)"],
        range: Interval::closed(-1.0, 1.0), c: "cos({a})",
        latex: "\\cos\\left({a}\\right)", ..FUNCTION
    }

    /// Tangent, within 4 units in the last place.
    FastTan "fast_tan" {
        eval: F1(math::fast_tan), wide: Some(math::FAST_TAN), partials: &["1 + y * y"],
        zero_sets: &[0b1], c: "tan({a})", latex: "\\tan\\left({a}\\right)", ..FUNCTION
    }

    /// `log(1 + x)`, within 4 units in the last place.
    FastLog1p "fast_log1p" {
        eval: F1(math::fast_log1p), wide: Some(math::FAST_LOG1P), partials: &["1 / (1 + a)"],
        zero_sets: &[0b1], domain: &[Domain::Interval(Interval::open(-1.0, INF))],
        monotone: &[RISES], c: "log1p({a})",
        latex: "\\operatorname{log1p}\\left({a}\\right)", samples: &[&[1e-10], &[-0.7], &[1.9]],
        edges: &[&[0.0], &[-0.0], &[-1.0], &[-2.0], &[INF], &[-INF], &[NAN]], ..FUNCTION
    }

    /// Logarithm to base 2, within 4 units in the last place.
    FastLog2 "fast_log2" {
        eval: F1(math::fast_log2), wide: Some(math::FAST_LOG2),
        partials: &["1.4426950408889634 / a"], domain: &[POSITIVE], monotone: &[RISES],
        c: "log2({a})", latex: "\\log_{2}\\left({a}\\right)",
        samples: &[&[0.3], &[1.0], &[50.0]],
        edges: &[&[0.0], &[-0.0], &[-1.0], &[INF], &[-INF], &[NAN]], ..FUNCTION
    }

    /// Logarithm to base 10, within 4 units in the last place.
    FastLog10 "fast_log10" {
        eval: F1(math::fast_log10), wide: Some(math::FAST_LOG10),
        partials: &["0.4342944819032518 / a"], domain: &[POSITIVE], monotone: &[RISES],
        c: "log10({a})", latex: "\\log_{10}\\left({a}\\right)",
        samples: &[&[0.3], &[1.0], &[50.0]],
        edges: &[&[0.0], &[-0.0], &[-1.0], &[INF], &[-INF], &[NAN]], ..FUNCTION
    }

    /// Hyperbolic tangent, within 4 units in the last place.
    FastTanh "fast_tanh" {
        eval: F1(math::fast_tanh), wide: Some(math::FAST_TANH), partials: &["1 - y * y"],
        zero_sets: &[0b1], range: Interval::open(-1.0, 1.0), monotone: &[RISES],
        c: "tanh({a})", latex: "\\tanh\\left({a}\\right)", ..FUNCTION
    }

    /// `log(1 + exp(x))`, within 4 units in the last place.
    FastSoftplus "fast_softplus" {
        eval: F1(math::fast_softplus), wide: Some(math::FAST_SOFTPLUS),
        partials: &["sigmoid(a)"], range: Interval::open(0.0, INF), monotone: &[RISES],
        c: "nablac_softplus({a})",
        c_helper: SOFTPLUS_IN_C,
        latex: "\\operatorname{softplus}\\left({a}\\right)",
        edges: &[&[0.0], &[-0.0], &[800.0], &[-800.0], &[INF], &[-INF], &[NAN]], ..FUNCTION
    }

    /// Inverse tangent, within 4 units in the last place.
    FastAtan "fast_atan" {
        eval: F1(math::fast_atan), wide: Some(math::FAST_ATAN), partials: &["1 / (1 + a * a)"],
        zero_sets: &[0b1], range: Interval::closed(-FRAC_PI_2, FRAC_PI_2), monotone: &[RISES],
        c: "atan({a})", latex: "\\arctan\\left({a}\\right)", ..FUNCTION
    }

    /// Inverse sine, within 4 units in the last place.
    FastAsin "fast_asin" {
        eval: F1(math::fast_asin), wide: Some(math::FAST_ASIN),
        partials: &["1 / sqrt((1 - a) * (1 + a))"], zero_sets: &[0b1],
        domain: &[Domain::Interval(Interval::closed(-1.0, 1.0))],
        range: Interval::closed(-FRAC_PI_2, FRAC_PI_2), monotone: &[RISES], c: "asin({a})",
        latex: "\\arcsin\\left({a}\\right)", samples: &[&[0.5], &[-0.7], &[0.9]],
        edges: &[&[0.0], &[-0.0], &[1.0], &[-1.0], &[1.5], &[INF], &[NAN]], ..FUNCTION
    }

    /// Inverse cosine, within 4 units in the last place.
    FastAcos "fast_acos" {
        eval: F1(math::fast_acos), wide: Some(math::FAST_ACOS),
        partials: &["-1 / sqrt((1 - a) * (1 + a))"],
        domain: &[Domain::Interval(Interval::closed(-1.0, 1.0))],
        range: Interval::closed(0.0, PI), monotone: &[FALLS], c: "acos({a})",
        latex: "\\arccos\\left({a}\\right)", samples: &[&[0.5], &[-0.7], &[0.9]],
        edges: &[&[0.0], &[-0.0], &[1.0], &[-1.0], &[1.5], &[INF], &[NAN]], ..FUNCTION
    }
}
