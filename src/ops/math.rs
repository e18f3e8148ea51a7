//! Numerical meaning of the elementwise operations: one function each, called by the interpreter
//! and by compiled code alike, so that both give the same bits.
//!
//! The functions of [`elementary`] are ours and run on vectors too; the gamma functions come from
//! the `libm` crate, polygamma from [`polygamma`].

mod elementary;
mod polygamma;

pub use elementary::{
    ACOS, ACOSH, ASIN, ASINH, ATAN, ATAN2, ATANH, CBRT, COS, COSH, ERF, ERFC, EXP, EXPM1,
    FAST_ACOS, FAST_ASIN, FAST_ATAN, FAST_COS, FAST_LOG1P, FAST_LOG2, FAST_LOG10, FAST_SIN,
    FAST_SOFTPLUS, FAST_TAN, FAST_TANH, HYPOT, LANES, LOG, LOG1P, LOG2, LOG10, POW, SIGMOID, SIN,
    SINH, SOFTPLUS, TAN, TANH, Wide, acos, acosh, asin, asinh, atan, atan2, atanh, cbrt, cos, cosh,
    erf, erfc, exp, expm1, fast_acos, fast_asin, fast_atan, fast_cos, fast_log1p, fast_log2,
    fast_log10, fast_sin, fast_softplus, fast_tan, fast_tanh, hypot, log, log1p, log2, log10, pow,
    sigmoid, sin, sinh, softplus, tan, tanh,
};
pub use polygamma::polygamma;

/// Names functions of one argument as `extern "C"` functions.
macro_rules! unary {
    ($($name:ident = |$a:ident| $value:expr;)*) => {
        $(pub extern "C" fn $name($a: f64) -> f64 { $value })*
    };
}

/// Names functions of two arguments as `extern "C"` functions.
macro_rules! binary {
    ($($name:ident = |$a:ident, $b:ident| $value:expr;)*) => {
        $(pub extern "C" fn $name($a: f64, $b: f64) -> f64 { $value })*
    };
}

binary! {
    add = |a, b| a + b;
    sub = |a, b| a - b;
    mul = |a, b| a * b;
    div = |a, b| a / b;
    copysign = |a, b| a.copysign(b);
    rem = |a, b| a % b;
    remainder = |a, b| libm::remainder(a, b);
    lt = |a, b| truth(a < b);
    le = |a, b| truth(a <= b);
    gt = |a, b| truth(a > b);
    ge = |a, b| truth(a >= b);
    eq = |a, b| truth(a == b);
    ne = |a, b| truth(a != b);
    and = |a, b| truth(a != 0.0 && b != 0.0);
    or = |a, b| truth(a != 0.0 || b != 0.0);
}

unary! {
    neg = |a| -a;
    sqrt = |a| a.sqrt();
    abs = |a| a.abs();
    floor = |a| a.floor();
    ceil = |a| a.ceil();
    round = |a| a.round();
    gamma = |a| libm::tgamma(a);
    lgamma = |a| libm::lgamma(a);
    not = |a| truth(a == 0.0);
    step = |a| truth(a >= 0.0);
    identity = |a| a;
}

/// The smaller argument, NaN if either is NaN, -0 below 0.
pub extern "C" fn min(a: f64, b: f64) -> f64 {
    if a < b {
        a
    } else if b < a {
        b
    } else if a == b {
        if a.is_sign_negative() { a } else { b }
    } else {
        a + b
    }
}

/// The larger argument, NaN if either is NaN, 0 above -0.
pub extern "C" fn max(a: f64, b: f64) -> f64 {
    if a > b {
        a
    } else if b > a {
        b
    } else if a == b {
        if a.is_sign_negative() { b } else { a }
    } else {
        a + b
    }
}

/// -1 below 0, 1 above 0, else the argument itself.
pub extern "C" fn sign(a: f64) -> f64 {
    if a < 0.0 {
        -1.0
    } else if a > 0.0 {
        1.0
    } else {
        a
    }
}

/// `a - b * floor(a / b)` without rounding of the quotient; a zero has the sign of `b`.
///
/// `modulo(a, inf)` is `a` for `a >= 0` and infinite below.
pub extern "C" fn modulo(a: f64, b: f64) -> f64 {
    let r = a % b;
    if r == 0.0 {
        r.copysign(b)
    } else if (r < 0.0) != (b < 0.0) {
        r + b
    } else {
        r
    }
}

/// `a` if `condition` is not 0, else `b`.
pub extern "C" fn select(condition: f64, a: f64, b: f64) -> f64 {
    if condition != 0.0 { a } else { b }
}

/// `a * b + c`, rounded once.
pub extern "C" fn fma(a: f64, b: f64, c: f64) -> f64 {
    a.mul_add(b, c)
}

fn truth(condition: bool) -> f64 {
    if condition { 1.0 } else { 0.0 }
}
