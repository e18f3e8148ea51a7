//! Error functions.

use super::exponential::exp_of_sum;
use super::{Way, select};

/// `1 - erf(x)` for x from 0 on: `exp(-x^2) / (1 + 2 x)` times a polynomial of
/// `(x - 3.75) / (x + 3.75)`. M. M. Shepherd, J. G. Laframboise, "Chebyshev approximation of
/// (1 + 2 x) exp(x^2) erfc x in 0 <= x < infinity" (1981).
#[inline(always)]
fn complement<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
    let x = select(x > 28.0, 28.0, x);
    let (left, right) = (x + 3.75, way.mul_add(2.0, x, 1.0));
    let inverse = 1.0 / (left * right);
    let t = (x - 3.75) * (right * inverse);
    let factor = way.polynomial(
        t,
        [
            1.2375126308378277,
            -0.14024059858554605,
            0.0035854154854426776,
            0.08227673849004521,
            -0.10880393014060881,
            0.0923043211637599,
            -0.0586933986125324,
            0.028362277364311364,
            -0.009746579327788343,
            0.0017556263530700807,
            0.00029371236393964975,
            -0.00029015688949372506,
            5.165340196254235e-05,
            2.239425679641306e-05,
            -1.1452169971123373e-05,
            -9.963116567838812e-07,
            1.7582551415050317e-06,
            -2.5310177746810712e-08,
            -2.562993900267375e-07,
            -2.0652406407392908e-09,
            2.98944884948295e-08,
            5.222643717577156e-09,
        ],
    );
    let (square, lost) = way.two_product(x, x);
    let is_over = square > 746.0;
    let (sum, rest, [first, second]) = exp_of_sum(way, -select(is_over, 746.0, square), -lost);
    (sum + rest) * (factor * (left * inverse)) * first * second
}

/// For numbers from 0 to 1.
#[inline(always)]
fn near_zero<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
    // erf(x) / x - 1
    let above_1 = way.polynomial(
        x * x,
        [
            0.1283791670955126,
            -0.3761263890318375,
            0.11283791670954857,
            -0.026866170645072896,
            0.0052239776247808645,
            -0.0008548326978742146,
            0.00012055331036900732,
            -1.4925593507001092e-05,
            1.6460972820169291e-06,
            -1.6350025270045473e-07,
            1.4657880250211125e-08,
            -1.1365667857551452e-09,
            5.94526544605522e-11,
        ],
    );
    way.mul_add(x, above_1, x)
}

/// 1.3 ulp.
#[inline(always)]
pub fn erf<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
    let size = x.abs();
    let far = || 1.0 - complement(way, size);
    way.either(size < 1.0, || near_zero(way, size), far).copysign(x)
}

/// 3e-15 of the result; less than two last places where that is subnormal.
#[inline(always)]
pub fn erfc<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
    let size = x.abs();
    let near = || 1.0 - near_zero(way, size).copysign(x);
    let far = || {
        let value = complement(way, size);
        select(x < 0.0, 2.0 - value, value)
    };
    way.either(size < 0.75, near, far)
}
