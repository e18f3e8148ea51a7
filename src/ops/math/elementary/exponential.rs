//! Exponentials and what is made of them.

use super::common::EXP_CUBIC;
use super::{Way, quick_sum, select, two_sum};

/// ln 2 in two parts; the first one times a whole number up to 2^21 is exact.
pub const LN2: [f64; 2] = [0.6931471803691238, 1.9082149292705877e-10];
const LOG2_E: f64 = std::f64::consts::LOG2_E;

/// Sums with this are whole numbers, above which the lowest 12 bits hold them with 2048 added.
const WHOLE: f64 = 4503599627370496.0 + 2048.0;

/// `x = n ln 2 + r + lost` with whole n, in the lowest 12 bits of `shifted` with 2048 added.
struct Shifted {
    shifted: f64,
    r: f64,
    lost: f64,
}

impl Shifted {
    /// 2^n as a product.
    #[inline(always)]
    fn powers(&self) -> [f64; 2] {
        let both = self.shifted.to_bits() & 0xfff;
        let first = both >> 1;
        let power = |n: u64| f64::from_bits(n.wrapping_sub(1) << 52);
        [power(first), power(both - first)]
    }
}

/// For x between -746 and 712, or NaN.
#[inline(always)]
fn shifted<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> Shifted {
    let shifted = way.mul_add(x, LOG2_E, WHOLE);
    let n = shifted - WHOLE;
    let high = way.mul_add(-n, LN2[0], x);
    let r = way.mul_add(-n, LN2[1], high);
    let lost = way.mul_add(-n, LN2[1], high - r);
    Shifted { shifted, r, lost }
}

/// `exp(x) = 2^n (1 + r + rest)`: r, the rest, and 2^n as a product.
struct Reduced {
    r: f64,
    rest: f64,
    powers: [f64; 2],
}

/// For x between -746 and 710, or NaN.
#[inline(always)]
fn reduced<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> Reduced {
    let parts = shifted(way, x);
    let (r, lost) = (parts.r, parts.lost);
    let cubic = way.polynomial(r, EXP_CUBIC);
    let rest = way.mul_add(r * r, way.mul_add(r, cubic, 0.5), lost);
    Reduced { r, rest, powers: parts.powers() }
}

/// The exponential of a sum of two numbers, the second one small: a sum of two numbers, to be
/// multiplied by both powers. Its error is below 2^-55 of it. For sums between -746 and 710.
#[inline(always)]
pub fn exp_of_sum<const F: bool, const J: bool>(
    way: Way<F, J>,
    x: f64,
    low: f64,
) -> (f64, f64, [f64; 2]) {
    let parts = reduced(way, x);
    let (sum, lost) = quick_sum(1.0, parts.r);
    let rest = lost + parts.rest;
    (sum, way.mul_add(low, sum + rest, rest), parts.powers)
}

/// 1.3 ulp.
#[inline(always)]
pub fn sinh<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
    hyperbolic(way, x.abs(), true).copysign(x)
}

/// 1.3 ulp.
#[inline(always)]
pub fn cosh<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
    hyperbolic(way, x.abs(), false)
}

/// `2^(n - 1) ((1 - w) cosh(r) + (1 + w) sinh(r))` with `w = 2^(-2 n)`, which is the sine, or the
/// same with the other signs of w, which is the cosine.
#[inline(always)]
fn hyperbolic<const F: bool, const J: bool>(way: Way<F, J>, x: f64, is_sine: bool) -> f64 {
    let parts = shifted(way, select(x > 711.0, 711.0, x));
    let (r, lost) = (parts.r, parts.lost);
    let z = r * r;
    // (cosh(r) - 1 - r^2/2) / r^4
    let quartic = way.polynomial(
        z,
        [
            0.041666666666666685,
            0.0013888888888873422,
            2.4801587348881532e-05,
            2.755725212217725e-07,
            2.0921669103365594e-09,
        ],
    );
    // (sinh(r) - r) / r^3
    let cubic = way.polynomial(
        z,
        [
            0.16666666666666677,
            0.008333333333321577,
            0.00019841269886268067,
            2.755724406012531e-06,
            2.5109091019453487e-08,
        ],
    );
    // From n = 27 on w is lost in the sums with 1.
    let n = (parts.shifted.to_bits() & 0xfff).wrapping_sub(2048);
    let w = f64::from_bits(1023u64.wrapping_sub(n << 1) << 52);
    let w = select(n < 27, w, 0.0);
    let (even, odd) = if is_sine { (1.0 - w, 1.0 + w) } else { (1.0 + w, 1.0 - w) };
    let (product, product_lost) = way.two_product(odd, r);
    let (sum, sum_lost) = two_sum(even, product);
    let above_1 = way.mul_add(z, way.mul_add(z, quartic, 0.5), r * lost);
    let above_r = way.mul_add(r * z, cubic, lost);
    let rest = way.mul_add(even, above_1, way.mul_add(odd, above_r, product_lost + sum_lost));
    let [first, second] = parts.powers();
    0.5 * (sum + rest) * first * second
}
