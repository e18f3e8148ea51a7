//! Logarithms.

use super::exponential::{LN2, exp_of_sum};
use super::table::{BINARY, START, TABLE};
use super::{Way, quick_sum, select, two_sum};

const MANTISSA: u64 = (1 << 52) - 1;

/// A positive normal number as 2^n m: n, m, and the place of m in the tables.
#[inline(always)]
fn split(x: f64) -> (f64, f64, usize) {
    let shifted = x.to_bits().wrapping_add(1f64.to_bits() - START);
    let fraction = shifted & MANTISSA;
    let n = f64::from_bits(0x4330 << 48 | shifted >> 52) - (4503599627370496.0 + 1023.0);
    (n, f64::from_bits(fraction + START), (fraction >> 45) as usize & 127)
}

/// The logarithm of a sum of two numbers, the first one positive and normal and the second one at
/// most half of its last place, plus a number of ln 2: a sum of two numbers, the second one below
/// 2^-16 of the first. Its error is below 2^-67 of it, or without the square's error below 2^-61.
/// Anything for infinity.
///
/// The first number is 2^n m, and m close to a number c whose logarithm is in a table, so that
/// what is left is the logarithm of a number close to 1. P. T. P. Tang, "Table-driven
/// implementation of the logarithm function in IEEE floating-point arithmetic" (1990).
#[inline(always)]
pub fn log_of_sum<const F: bool, const J: bool>(
    way: Way<F, J>,
    x: f64,
    low: Option<f64>,
    n_more: f64,
    with_error: bool,
) -> (f64, f64) {
    let (n, m, index) = split(x);
    let n = n + n_more;
    let [inverse, log_high, log_low] = TABLE[index];
    let (product, lost) = way.two_product(m, inverse);
    let lost = match low {
        Some(low) => {
            // 2^(1 - n), as there is one more exponent above than below.
            let exponent = x.to_bits().wrapping_add(1f64.to_bits() - START) >> 52;
            let scale = f64::from_bits(2047u64.wrapping_sub(exponent) << 52);
            way.mul_add(0.5 * (low * scale), inverse, lost)
        }
        None => lost,
    };
    let (r, r_low) = quick_sum(product - 1.0, lost);
    // r - r^2/2 + r^3 times the polynomial, r^2 with its error.
    let (square, lost) = if with_error { way.two_product(r, r) } else { (r * r, 0.0) };
    let cubic = way.polynomial(
        r,
        [
            0.3333333333333334,
            -0.25000000000000017,
            0.19999999997137274,
            -0.16666666662699675,
            0.14286039323106664,
            -0.1250035204243233,
        ],
    );
    // Exact: whole multiples of 2^-42.
    let first = way.mul_add(n, LN2[0], log_high);
    let (second, first_lost) = quick_sum(first, r);
    let (third, second_lost) = quick_sum(second, -0.5 * square);
    // (r + r_low)^2 / 2 without the square's half.
    let more = way.mul_add(r, r_low, 0.5 * lost);
    let rest = way.mul_add(n, LN2[1], log_low) + (r_low - more);
    let rest = way.mul_add(r * square, cubic, rest + (first_lost + second_lost));
    (third, rest)
}

/// Whether a number is positive, finite and not subnormal.
#[inline(always)]
pub fn is_normal(x: f64) -> bool {
    (f64::MIN_POSITIVE..f64::INFINITY).contains(&x)
}

/// A number as a normal one, and the power of two by which that is larger.
#[inline(always)]
pub fn normal(x: f64) -> (f64, f64) {
    let is_small = x < f64::MIN_POSITIVE;
    (select(is_small, x * 18014398509481984.0, x), select(is_small, 54.0, 0.0))
}

/// Puts in what a logarithm is at the ends of its range and beyond.
#[inline(always)]
fn with_ends(x: f64, value: f64) -> f64 {
    let value = select(x < f64::INFINITY, value, x);
    let value = select(x == 0.0, f64::NEG_INFINITY, value);
    select(x < 0.0, f64::NAN, value)
}

/// 0.6 ulp.
#[inline(always)]
pub fn log1p<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
    let (sum, lost) = two_sum(1.0, x);
    let (high, low) = log_of_sum(way, sum, Some(lost), 0.0, false);
    if J && sum > 0.0 && x != 0.0 && x < f64::INFINITY {
        return high + low;
    }
    // Keeps the sign of a zero.
    select(x == 0.0, x, with_ends(sum, high + low))
}

const INVERSE_LN10: [f64; 2] = [std::f64::consts::LOG10_E, 1.098319650216765e-17];

/// 0.6 ulp; exact for powers of two.
#[inline(always)]
pub fn log2<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
    if J && is_normal(x) {
        return normal_log2(way, x, 0.0);
    }
    let (scaled, by) = normal(x);
    with_ends(x, normal_log2(way, scaled, -by))
}

const INVERSE_LN2: [f64; 2] = [std::f64::consts::LOG2_E, 2.0355273740931033e-17];

/// As [`log_of_sum`], but to base 2 from the table on.
#[inline(always)]
fn normal_log2<const F: bool, const J: bool>(way: Way<F, J>, x: f64, n_more: f64) -> f64 {
    let (n, m, index) = split(x);
    let [inverse, log_high, log_low] = BINARY[index];
    let (product, lost) = way.two_product(m, inverse);
    let whole = product - 1.0;
    let r = whole + lost;
    // (log2(1 + r) - r / ln 2) / r^2
    let square = way.polynomial(
        r,
        [
            -0.7213475204444818,
            0.480898346962988,
            -0.3606737601860514,
            0.2885390081229146,
            -0.24045396566766336,
            0.20610460684671147,
        ],
    );
    let (linear, linear_lost) = way.two_product(whole, INVERSE_LN2[0]);
    let low = way.mul_add(lost, INVERSE_LN2[0], linear_lost + log_low);
    let low = way.mul_add(whole, INVERSE_LN2[1], low);
    let (sum, sum_lost) = quick_sum(n + n_more + log_high, linear);
    sum + way.mul_add(r * r, square, low + sum_lost)
}

/// 0.6 ulp; exact for powers of ten.
#[inline(always)]
pub fn log10<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
    let of = |x: f64, n_more: f64| {
        let (high, low) = log_of_sum(way, x, None, n_more, false);
        let (product, lost) = way.two_product(high, INVERSE_LN10[0]);
        product + way.mul_add(low, INVERSE_LN10[0], way.mul_add(high, INVERSE_LN10[1], lost))
    };
    if J && is_normal(x) {
        return of(x, 0.0);
    }
    let (scaled, by) = normal(x);
    with_ends(x, of(scaled, -by))
}

/// `log(1 + exp(x))` without overflow; 1 ulp, 1.5 where the result is subnormal.
#[inline(always)]
pub fn softplus<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
    let size = x.abs();
    let (sum, rest, [first, second]) = exp_of_sum(way, -select(size > 746.0, 746.0, size), 0.0);
    let (power, power_low) = quick_sum(sum, rest);
    let (power, power_low) = (power * first * second, power_low * first * second);
    let (above, lost) = quick_sum(1.0, power);
    let (high, low) = log_of_sum(way, above, Some(lost + power_low), 0.0, false);
    let (sum, lost) = two_sum(select(x > 0.0, x, 0.0), high);
    select(x > 1e3, x, sum + (lost + low))
}

/// From here on the square of a number hides a 1.
const LARGE: f64 = 1152921504606846976.0;

/// `log(x + sqrt(x^2 + 1))`; 0.6 ulp.
#[inline(always)]
pub fn asinh<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
    let size = x.abs();
    let bounded = select(size > LARGE, LARGE, size);
    let (square, lost) = way.two_product(bounded, bounded);
    let (high, low) = two_sum(1.0, square);
    let (root, root_low) = way.root(high, low + lost);
    let value = log_of_more(way, size, root, root_low);
    select(size < 1e-200, size, value).copysign(x)
}

/// `log(x + sqrt(x^2 - 1))`; 0.6 ulp.
#[inline(always)]
pub fn acosh<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
    let bounded = select(x > LARGE, LARGE, x);
    let (square, lost) = way.two_product(bounded, bounded);
    let (high, low) = two_sum(square, -1.0);
    let (high, low) = two_sum(high, low + lost);
    let (root, root_low) = way.root(high, low);
    let value = log_of_more(way, x, root, root_low);
    select(x < 1.0, f64::NAN, value)
}

/// `log(x + root)`, where the root is about x if x is large.
#[inline(always)]
fn log_of_more<const F: bool, const J: bool>(
    way: Way<F, J>,
    x: f64,
    root: f64,
    root_low: f64,
) -> f64 {
    let is_large = x > LARGE;
    let (sum, lost) = two_sum(select(is_large, LARGE, x), root);
    let (sum, lost) = quick_sum(sum, lost + root_low);
    let low = select(is_large, 0.0, lost);
    let n_more = select(is_large, 1.0, 0.0);
    let (high, low) = log_of_sum(way, select(is_large, x, sum), Some(low), n_more, false);
    select(x < f64::INFINITY, high + low, x)
}

/// Half of `log((1 + x) / (1 - x))`; 1.1 ulp.
#[inline(always)]
pub fn atanh<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
    let size = x.abs();
    let (above, above_low) = quick_sum(1.0, size);
    let (below, below_low) = quick_sum(1.0, -size);
    let inverse = 1.0 / below;
    let quotient = above * inverse;
    let rest = way.rest(above, quotient, below) + way.mul_add(-quotient, below_low, above_low);
    let (quotient, lost) = quick_sum(quotient, rest * inverse);
    let (high, low) = log_of_sum(way, quotient, Some(lost), 0.0, false);
    let value = 0.5 * (high + low);
    let value = select(size < 1e-200, size, value);
    let value = select(size == 1.0, f64::INFINITY, value);
    select(size > 1.0, f64::NAN, value).copysign(x)
}
