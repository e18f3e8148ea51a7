//! Powers and roots.

use super::circular::WHOLE_SIGNED;
use super::exponential::exp_of_sum;
use super::logarithms::{is_normal, log_of_sum, normal};
use super::{Way, quick_sum, select};

/// The exponential of the product with the logarithm, both with more digits than a number; 0.7
/// ulp, 1.2 where the result is subnormal.
#[inline(always)]
pub fn pow<const F: bool, const J: bool>(way: Way<F, J>, x: f64, y: f64) -> f64 {
    if J && is_normal(x) && y.abs() < LARGE {
        return exp_of_product(way, y, log_of_sum(way, x, None, 0.0, true));
    }
    let size = x.abs();
    let (scaled, by) = normal(size);
    let (high, low) = log_of_sum(way, scaled, None, -by, true);
    let high = select(size < f64::INFINITY, high, size);
    let high = select(size == 0.0, f64::NEG_INFINITY, high);
    let bounded = select(y > LARGE, LARGE, y);
    let bounded = select(bounded < -LARGE, -LARGE, bounded);
    let value = exp_of_product(way, bounded, (high, low));
    // Negative numbers have powers with whole exponents.
    let half = 0.5 * y;
    let is_whole = y.floor() == y;
    let is_odd = is_whole & (half.floor() != half);
    let value = select(is_odd, value.copysign(x), value);
    let value = select((x < 0.0) & (x > f64::NEG_INFINITY) & !is_whole, f64::NAN, value);
    select((x == 1.0) | (y == 0.0), 1.0, value)
}

/// 2^70: powers with larger exponents overflow or underflow, or are 1.
const LARGE: f64 = 1180591620717411303424.0;

#[inline(always)]
fn exp_of_product<const F: bool, const J: bool>(way: Way<F, J>, y: f64, log: (f64, f64)) -> f64 {
    let (product, lost) = way.two_product(y, log.0);
    let (sum, lost) = quick_sum(product, way.mul_add(y, log.1, lost));
    // The sum has no number where the product is infinite.
    let (is_over, is_under) = (product > 710.0, product < -746.0);
    let bounded = select(is_over, 710.0, select(is_under, -746.0, sum));
    let lost = select(is_over | is_under, 0.0, lost);
    let (sum, rest, [first, second]) = exp_of_sum(way, bounded, lost);
    (sum + rest) * first * second
}

/// The root of the sum of squares, with the errors of all three; 0.6 ulp, 1 where the result is
/// subnormal.
#[inline(always)]
pub fn hypot<const F: bool, const J: bool>(way: Way<F, J>, x: f64, y: f64) -> f64 {
    let (x, y) = (x.abs(), y.abs());
    let is_swapped = x < y;
    let (large, small) = (select(is_swapped, y, x), select(is_swapped, x, y));
    let (is_huge, is_tiny) = (large > 1e150, large < 1e-135);
    // 2^-600 and 2^600.
    let (down, up) = (2.409919865102884e-181, 4.149515568880993e180);
    let scale = select(is_huge, down, select(is_tiny, up, 1.0));
    let back = select(is_huge, up, select(is_tiny, down, 1.0));
    let (a, b) = (large * scale, small * scale);
    let ((a, a_low), (b, b_low)) = (way.two_product(a, a), way.two_product(b, b));
    let (sum, lost) = quick_sum(a, b);
    let (root, rest) = way.root(sum, lost + (a_low + b_low));
    let value = (root + rest) * back;
    let is_infinite = (x == f64::INFINITY) | (y == f64::INFINITY);
    select(is_infinite, f64::INFINITY, value)
}

/// A polynomial for the inverse of the root, then two steps of Newton's method, the second one
/// with the error of the first; 0.6 ulp.
#[inline(always)]
pub fn cbrt<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
    let size = x.abs();
    let (scaled, by) = normal(size);
    let bits = scaled.to_bits();
    let m = f64::from_bits(bits & ((1 << 52) - 1) | 1f64.to_bits());
    let exponent = f64::from_bits(0x4330 << 48 | bits >> 52) - (4503599627370496.0 + 1023.0);
    // The exponent is 3 k + j with j from 0 to 2.
    let shifted = way.mul_add(exponent - 1.0, 1.0 / 3.0, WHOLE_SIGNED);
    let k = shifted - WHOLE_SIGNED;
    let j = way.mul_add(-3.0, k, exponent);
    let (is_one, is_two) = (j == 1.0, j == 2.0);
    // Roots of 1/2 and 1/4.
    let root = select(is_one, 0.7937005259840998, 1.0);
    let root = select(is_two, 0.6299605249474366, root);
    let m_inverse = way.polynomial(
        m,
        [
            1.879781123533384,
            -1.9853766728467723,
            1.9769825280113822,
            -1.2733553205596206,
            0.5019875750105726,
            -0.110408524434978,
            0.01038839829807543,
        ],
    );
    let m = m * select(is_one, 2.0, select(is_two, 4.0, 1.0));
    let inverse = m_inverse * root;
    let square = inverse * inverse;
    let error = way.mul_add(-(m * square), inverse, 1.0);
    let y = m * square;
    let y = way.mul_add(y * error, 2.0 / 3.0, y);
    let (y_square, lost) = way.two_product(y, y);
    let rest = way.rest(m, y_square, y) - lost * y;
    let slope = way.mul_add(square * error, 2.0 / 3.0, square) * (1.0 / 3.0);
    let value = way.mul_add(rest, slope, y);
    // 54 / 3 = 18.
    let power = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    let value = value * power * select(by == 0.0, 1.0, 3.814697265625e-06);
    select((size > 0.0) & (size < f64::INFINITY), value, size).copysign(x)
}
