//! What the elementary functions are, to about 100 bits, by identities that cancel nothing.

use nablac::ops::scalar::ScalarOp;

use crate::double::{Double, LN2, ONE};
use crate::points::exact_form;

/// `value * 2^exponent`, where the power may be too small for a number.
#[derive(Copy, Clone)]
pub struct Scaled {
    pub value: Double,
    pub exponent: i32,
}

impl From<Double> for Scaled {
    fn from(value: Double) -> Scaled {
        Scaled { value, exponent: 0 }
    }
}

impl Scaled {
    fn of((value, exponent): (Double, i32)) -> Scaled {
        Scaled { value, exponent }
    }

    fn with_sign(self, of: f64) -> Scaled {
        if of < 0.0 { Scaled { value: -self.value, ..self } } else { self }
    }

    /// The difference of a number from this one, in units in the last place of this one.
    pub fn error_of(self, found: f64) -> f64 {
        let rounded = libm::ldexp(self.value.0, self.exponent);
        if !rounded.is_finite() || !found.is_finite() {
            return if found == rounded { 0.0 } else { f64::INFINITY };
        }
        let (_, exponent) = libm::frexp(rounded);
        let unit = if rounded == 0.0 { -1074 } else { (exponent - 53).max(-1074) };
        let exact = self.value.scaled(self.exponent - unit);
        (Double::from(libm::ldexp(found, -unit)) - exact).abs().0
    }
}

/// Of arguments below this only the first term of a series is felt.
const TINY: f64 = 1e-60;
/// Above this 1 is not felt in the square of an argument.
const HUGE: f64 = 1e17;

/// The value at arguments where it is a number other than zero.
pub fn exact(op: ScalarOp, a: f64, b: f64) -> Scaled {
    use ScalarOp as S;
    let op = exact_form(op);
    let (x, y) = (Double::from(a), Double::from(b));
    if a.abs() < TINY {
        match op {
            S::Expm1 | S::Sinh | S::Tanh | S::Log1p | S::Asinh | S::Atanh => return x.into(),
            S::Sin | S::Tan | S::Asin | S::Atan => return x.into(),
            S::Erf => {
                return Scaled {
                    value: Double::from(libm::ldexp(a, 400)).erf_tiny(),
                    exponent: -400,
                };
            }
            _ => {}
        }
    }
    let size = x.abs();
    match op {
        S::Exp => Scaled::of(x.exp_scaled()),
        S::Expm1 if a < -80.0 => (-ONE).into(),
        S::Expm1 if a > 80.0 => Scaled::of(x.exp_scaled()),
        S::Expm1 => x.expm1().into(),
        S::Sinh | S::Cosh => hyperbolic(op, size).with_sign(if op == S::Sinh { a } else { 1.0 }),
        S::Tanh if a.abs() > 100.0 => Scaled::from(ONE).with_sign(a),
        S::Tanh => {
            let e = size.scaled(1).expm1();
            Scaled::from(e / (e + ONE.scaled(1))).with_sign(a)
        }
        S::Sigmoid if a > 100.0 => ONE.into(),
        S::Sigmoid => {
            let (e, n) = (-size).exp_scaled();
            let below = ONE + e.scaled(n);
            if a < 0.0 { Scaled::of((e / below, n)) } else { (ONE / below).into() }
        }
        S::Softplus if a > 200.0 => x.into(),
        S::Softplus if a < -200.0 => Scaled::of(x.exp_scaled()),
        S::Softplus => {
            let log = (-size).exp().log1p();
            (if a > 0.0 { log + x } else { log }).into()
        }
        S::Log => x.log().into(),
        S::Log1p => x.log1p().into(),
        S::Log2 => (x.log() / LN2).into(),
        S::Log10 => (x.log() / Double::from(10.0).log()).into(),
        S::Asinh if a.abs() > HUGE => Scaled::from(size.log() + LN2).with_sign(a),
        S::Asinh => {
            let square = size * size;
            let more = size + square / (ONE + (ONE + square).sqrt());
            Scaled::from(more.log1p()).with_sign(a)
        }
        S::Acosh if a > HUGE => (x.log() + LN2).into(),
        S::Acosh => {
            let above = x - ONE;
            (above + (above * (above + ONE.scaled(1))).sqrt()).log1p().into()
        }
        S::Atanh => {
            let log = (size.scaled(1) / (ONE - size)).log1p();
            Scaled::from(log.scaled(-1)).with_sign(a)
        }
        S::Sin => x.sin_cos().0.into(),
        S::Cos => x.sin_cos().1.into(),
        S::Tan => {
            let (sine, cosine) = x.sin_cos();
            (sine / cosine).into()
        }
        S::Asin => x.angle(((ONE - x) * (ONE + x)).sqrt()).into(),
        S::Acos => ((ONE - x) * (ONE + x)).sqrt().angle(x).into(),
        S::Atan => x.angle(ONE).into(),
        S::Atan2 => angle(a, b),
        S::Cbrt => {
            let n = libm::frexp(a).1.div_euclid(3);
            Scaled::of((x.scaled(-3 * n).cbrt(), n))
        }
        S::Hypot => {
            let n = libm::frexp(a.abs().max(b.abs())).1;
            let (x, y) = (x.scaled(-n), y.scaled(-n));
            Scaled::of(((x * x + y * y).sqrt(), n))
        }
        S::Pow => {
            let is_odd = (0.5 * b).floor() != 0.5 * b;
            let power = Scaled::of((y * size.log()).exp_scaled());
            power.with_sign(if is_odd { a } else { 1.0 })
        }
        S::Erf if a.abs() > 8.0 => Scaled::from(ONE).with_sign(a),
        S::Erf => x.erf().into(),
        S::Erfc if a < -10.0 => ONE.scaled(1).into(),
        S::Erfc => Scaled::of(x.erfc_scaled()),
        _ => unreachable!("no elementary function"),
    }
}

fn hyperbolic(op: ScalarOp, size: Double) -> Scaled {
    if size.0 > 40.0 {
        let (power, n) = size.exp_scaled();
        return Scaled::of((power, n - 1));
    }
    let e = size.expm1();
    let quotient = e / (e + ONE);
    match op {
        ScalarOp::Sinh => (e + quotient).scaled(-1).into(),
        _ => (ONE + (e * quotient).scaled(-1)).into(),
    }
}

fn angle(y: f64, x: f64) -> Scaled {
    let (below, n_below) = libm::frexp(x);
    let (above, n_above) = libm::frexp(y);
    if x > 0.0 && n_above < n_below - 200 {
        return Scaled::of((Double::from(above) / Double::from(below), n_above - n_below));
    }
    let n = n_above.max(n_below);
    Double::from(y).scaled(-n).angle(Double::from(x).scaled(-n)).into()
}
