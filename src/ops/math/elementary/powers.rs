//! Roots.

use super::circular::WHOLE_SIGNED;
use super::logarithms::normal;
use super::{Way, select};

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
