//! What rows of the table share: defaults by kind of operation, domains, points for tests.

use super::{Counter, Domain, Eval, Interval, Jit, Monotone, Row, ScalarOp, Syntax, precedence};
use crate::ops::math;

pub(super) const INF: f64 = f64::INFINITY;
pub(super) const NAN: f64 = f64::NAN;

pub(super) const REAL: Domain = Domain::Interval(Interval::REAL);
pub(super) const POSITIVE: Domain = Domain::Interval(Interval::open(0.0, INF));
pub(super) const NON_NEGATIVE: Domain = Domain::Interval(Interval::closed(0.0, INF));
pub(super) const TRUTH: Interval = Interval::closed(0.0, 1.0);

/// A function of one argument, called by name.
pub(super) const FUNCTION: Row = Row {
    op: ScalarOp::Neg,
    name: "",
    doc: "",
    eval: Eval::F1(math::neg),
    wide: None,
    fast: None,
    jit: Jit::Call,
    partials: &["0"],
    zero_sets: &[],
    domain: &[REAL],
    range: Interval::REAL,
    monotone: &[Monotone::Neither],
    c: "",
    c_helper: "",
    syntax: Syntax::Call,
    function: true,
    latex: "",
    cost: 20,
    counter: Counter::Call,
    commutative: false,
    samples: &[&[0.3], &[-0.7], &[1.9]],
    edges: &[&[0.0], &[-0.0], &[INF], &[-INF], &[NAN]],
};

/// A function of two arguments, called by name.
pub(super) const FUNCTION_2: Row = Row {
    partials: &["0", "0"],
    domain: &[REAL, REAL],
    monotone: &[Monotone::Neither, Monotone::Neither],
    samples: &[&[0.3, 1.2], &[-0.7, 2.5], &[1.9, -0.4], &[-2.2, -3.1]],
    edges: &EDGES_2,
    ..FUNCTION
};

/// An operator between two arguments.
pub(super) const OPERATOR: Row = Row { function: false, cost: 1, ..FUNCTION_2 };

/// A comparison or logical operator.
pub(super) const TEST: Row = Row {
    range: TRUTH,
    counter: Counter::Other,
    syntax: infix("<", precedence::COMPARISON),
    ..OPERATOR
};

/// Result and each argument in {0, 1, -1, inf, NaN, ...}, with ties and signed zeros.
pub(super) const EDGES_2: [&[f64]; 24] = [
    &[0.0, 0.0],
    &[-0.0, 0.0],
    &[0.0, -0.0],
    &[-0.0, -0.0],
    &[1.0, 1.0],
    &[-1.0, -1.0],
    &[1.0, 0.0],
    &[1.0, -0.0],
    &[-1.0, 0.0],
    &[-1.0, -0.0],
    &[0.0, 1.0],
    &[-0.0, 1.0],
    &[0.0, -1.0],
    &[-0.0, -1.0],
    &[NAN, 1.0],
    &[1.0, NAN],
    &[NAN, NAN],
    &[INF, 1.0],
    &[1.0, INF],
    &[-1.0, INF],
    &[1.0, -INF],
    &[INF, INF],
    &[INF, -INF],
    &[-INF, 2.0],
];

pub(super) const fn infix(symbol: &'static str, precedence: u8) -> Syntax {
    Syntax::Infix { symbol, elementwise: symbol, precedence, right_associative: false }
}

pub(super) const ROUNDING_EDGES: &[&[f64]] = &[
    &[0.0],
    &[-0.0],
    &[0.5],
    &[-0.5],
    &[1.5],
    &[2.5],
    &[-2.5],
    &[0.49999999999999994],
    &[1.0],
    &[4503599627370497.5],
    &[9007199254740993.0],
    &[INF],
    &[-INF],
    &[NAN],
];

pub(super) const REMAINDER_SAMPLES: &[&[f64]] =
    &[&[7.3, 2.0], &[-7.3, 2.0], &[7.3, -2.0], &[-7.3, -2.0], &[0.4, 1.5], &[123.4, 0.7]];

pub(super) const GAMMA_SAMPLES: &[&[f64]] = &[&[0.3], &[1.2], &[2.5], &[12.5], &[-0.4], &[-2.3]];

pub(super) const GAMMA_EDGES: &[&[f64]] =
    &[&[1.0], &[2.0], &[0.0], &[-0.0], &[-1.0], &[-2.0], &[200.0], &[INF], &[-INF], &[NAN]];

/// `softplus` in C.
pub(super) const SOFTPLUS_IN_C: &str = "\
static double nablac_softplus(double a) {
  return (a > 0.0 ? a : 0.0) + log1p(exp(-fabs(a)));
}
";
