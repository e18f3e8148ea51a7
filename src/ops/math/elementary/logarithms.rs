//! Logarithms.

use super::exponential::LN2;
use super::{Way, select};

/// Bits of the square root of one half.
const SQRT_HALF: u64 = 0x3fe6a09e667f3bcd;
const MANTISSA: u64 = (1 << 52) - 1;

#[inline(always)]
pub fn log<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
    let is_small = x < f64::MIN_POSITIVE;
    let normal = select(is_small, x * 18014398509481984.0, x);
    let further = select(is_small, 54.0, 0.0);
    // x = 2^n m with m from the square root of one half to that of two.
    let shifted = normal.to_bits().wrapping_add(1f64.to_bits() - SQRT_HALF);
    let m = f64::from_bits((shifted & MANTISSA) + SQRT_HALF);
    let n = f64::from_bits(0x4330 << 48 | shifted >> 52) - (4503599627370496.0 + 1023.0) - further;
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    // (log((1 + s) / (1 - s)) - 2 s) / s
    let tail = z * way.polynomial(
        z,
        [
            0.6666666666666666,
            0.40000000000006286,
            0.2857142856907296,
            0.22222222648750675,
            0.18181775508525494,
            0.15387097650878437,
            0.1324996201734541,
            0.13252755017812293,
        ],
    );
    let half = 0.5 * f * f;
    let low = way.mul_add(s, half + tail, n * LN2[1]);
    let value = way.mul_add(n, LN2[0], f - (half - low));
    let value = select(x < f64::INFINITY, value, x);
    let value = select(x == 0.0, f64::NEG_INFINITY, value);
    select(x < 0.0, f64::NAN, value)
}
