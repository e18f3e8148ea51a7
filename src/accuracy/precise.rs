//! Real numbers of many digits, and how they come from and go to `f64`.

use astro_float::{BigFloat, Consts, RoundingMode, Sign};

/// Bits of results: 115 decimal digits.
pub const BITS: usize = 384;
/// Bits beyond them in the middle of a calculation.
pub const GUARD: usize = 64;
const MODE: RoundingMode = RoundingMode::ToEven;

/// Arithmetic on numbers of many digits, with the constants it needs.
pub struct Precise {
    constants: Consts,
    /// The Bernoulli numbers B2, B4, ..., once they are needed.
    pub(super) bernoulli: Vec<BigFloat>,
}

impl Precise {
    /// `None` if there is no memory for the constants.
    pub fn new() -> Option<Precise> {
        Some(Precise { constants: Consts::new().ok()?, bernoulli: Vec::new() })
    }

    /// `f` with the rounding and the constants that functions of the library take.
    pub(super) fn with(
        &mut self,
        f: impl FnOnce(RoundingMode, &mut Consts) -> BigFloat,
    ) -> BigFloat {
        // Correct rounding takes very long where a result is close to a number of few bits.
        f(RoundingMode::None, &mut self.constants)
    }

    pub(super) fn pi(&mut self, bits: usize) -> BigFloat {
        self.constants.pi(bits, MODE)
    }
}

pub(super) fn add(a: &BigFloat, b: &BigFloat, bits: usize) -> BigFloat {
    a.add(b, bits, MODE)
}

pub(super) fn sub(a: &BigFloat, b: &BigFloat, bits: usize) -> BigFloat {
    a.sub(b, bits, MODE)
}

pub(super) fn mul(a: &BigFloat, b: &BigFloat, bits: usize) -> BigFloat {
    a.mul(b, bits, MODE)
}

pub(super) fn div(a: &BigFloat, b: &BigFloat, bits: usize) -> BigFloat {
    a.div(b, bits, MODE)
}

pub(super) fn sqrt(a: &BigFloat, bits: usize) -> BigFloat {
    a.sqrt(bits, MODE)
}

/// The number itself.
pub fn from_f64(x: f64) -> BigFloat {
    if x.is_finite() && x != 0.0 && !x.is_normal() {
        // The library takes subnormal numbers for other ones.
        let mut number = BigFloat::from_f64(x * 2f64.powi(200), BITS);
        if let Some(exponent) = number.exponent() {
            number.set_exponent(exponent - 200);
        }
        return number;
    }
    let mut number = BigFloat::from_f64(x, BITS);
    if x == 0.0 && x.is_sign_negative() {
        number.set_sign(Sign::Neg);
    }
    number
}

/// The nearest `f64`, halves to even.
pub fn to_f64(x: &BigFloat) -> f64 {
    let sign = if x.is_negative() { -1.0 } else { 1.0 };
    if x.is_nan() {
        return f64::NAN;
    }
    if x.is_inf() {
        return sign * f64::INFINITY;
    }
    let Some((words, _, of, exponent, _)) = x.as_raw_parts() else { return f64::NAN };
    let sign = if of == Sign::Neg { -1.0 } else { sign };
    let Some((&top, rest)) = words.split_last().filter(|_| !x.is_zero()) else {
        return sign * 0.0;
    };
    // The value is 0.top... * 2^exponent.
    if exponent > 1024 {
        return sign * f64::INFINITY;
    }
    let n_bits = (exponent + 1074).min(53);
    let (kept, cut) = match n_bits {
        ..0 => return sign * 0.0,
        0 => (0, top),
        n => (top >> (64 - n), top << n),
    };
    let half = 1 << 63;
    let is_more = rest.iter().any(|&word| word != 0);
    let up = cut > half || cut == half && (is_more || kept & 1 == 1);
    sign * libm::ldexp((kept + u64::from(up)) as f64, exponent - n_bits)
}

/// The decimal digits that an approximation has lost, of the 16 that an `f64` has: the logarithm
/// of its relative error in units of 2^-53.
pub fn digits_lost(approximation: f64, exact: &BigFloat) -> f64 {
    const ALL: f64 = 15.95;
    let rounded = to_f64(exact);
    if approximation == rounded || approximation.is_nan() && rounded.is_nan() {
        return 0.0;
    }
    if !approximation.is_finite() || !rounded.is_finite() || exact.is_zero() {
        return ALL;
    }
    let error = div(&sub(&from_f64(approximation), exact, 64), exact, 64);
    let lost = (to_f64(&error).abs() * 2f64.powi(53)).log10();
    // Below the normal numbers fewer digits are there to be lost.
    let spacing = f64::MIN_POSITIVE / rounded.abs();
    (lost - spacing.log10().max(0.0)).clamp(0.0, ALL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let tiny = 5e-324;
        for x in [0.0, -0.0, 1.0, -1.5, tiny, -3.0 * tiny, f64::MIN_POSITIVE, f64::MAX, 0.1] {
            assert_eq!(to_f64(&from_f64(x)).to_bits(), x.to_bits(), "{x:e}");
        }
        assert!(to_f64(&from_f64(f64::NAN)).is_nan());
        assert_eq!(to_f64(&from_f64(f64::NEG_INFINITY)), f64::NEG_INFINITY);
        let halves =
            |x: f64, n: i32| (0..n).fold(from_f64(x), |x, _| div(&x, &from_f64(2.0), BITS));
        assert_eq!(to_f64(&halves(tiny, 1)), 0.0);
        assert_eq!(to_f64(&halves(1.5 * f64::MIN_POSITIVE, 52)), 2.0 * tiny);
        assert_eq!(to_f64(&halves(3.0 * tiny, 2)), tiny);
        assert_eq!(to_f64(&mul(&from_f64(f64::MAX), &from_f64(1.0 + 1e-15), BITS)), f64::INFINITY);
        let third = div(&from_f64(1.0), &from_f64(3.0), BITS);
        assert_eq!(to_f64(&third), 1.0 / 3.0);
    }

    #[test]
    fn digits_are_counted() {
        let third = div(&from_f64(1.0), &from_f64(3.0), BITS);
        assert_eq!(digits_lost(1.0 / 3.0, &third), 0.0);
        let lost = digits_lost(1.0 / 3.0 + 1e-10, &third);
        assert!((lost - (3e-10 * 2f64.powi(53)).log10()).abs() < 0.01);
        assert!(digits_lost(f64::INFINITY, &third) > 15.0);
        assert!(digits_lost(1e-300, &from_f64(0.0)) > 15.0);
    }
}
