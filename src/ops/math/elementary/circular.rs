//! Circular functions.

use super::{Way, quick_sum, select, two_sum};

/// Half of pi in parts; each of the first two times a whole number up to 2^20 is exact.
const HALF_PI: [f64; 3] = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21];

/// Whether x is less than 2^20 quarters of a turn; not if it is NaN.
#[inline(always)]
pub fn is_near(x: f64) -> bool {
    x.abs() <= 1.6e6
}

/// Sums with this are whole numbers, above which the lowest bits hold them.
pub const WHOLE_SIGNED: f64 = 6755399441055744.0;

/// What is left of x without quarters of a turn, what that lacks, and the number of quarters in
/// the lowest bits.
#[inline(always)]
fn reduced<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> (f64, f64, u64) {
    let shifted = way.mul_add(x, std::f64::consts::FRAC_2_PI, WHOLE_SIGNED);
    let n = shifted - WHOLE_SIGNED;
    let first = way.mul_add(-n, HALF_PI[0], x);
    let (second, lost) = two_sum(first, -(n * HALF_PI[1]));
    let low = way.mul_add(-n, HALF_PI[2], lost);
    let y = second + low;
    (y, (second - y) + low, shifted.to_bits())
}

/// Tangent, or minus its inverse in odd quarters; 1.4 ulp.
#[inline(always)]
pub fn tan<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
    let (y, low, quadrant) = reduced(way, x);
    let z = y * y;
    // (tan(y) - y) / y^3
    let tail = way.polynomial(
        z,
        [
            0.3333333333333278,
            0.13333333333414404,
            0.053968253926772215,
            0.02186948960652713,
            0.008863219198658042,
            0.003592288773040361,
            0.001454759793623631,
            0.0005950571860047636,
            0.00022240179773972687,
            0.0001364806306593486,
            -2.6323160688288927e-05,
            8.939456905478218e-05,
            -4.484540331979626e-05,
            2.0855766277424766e-05,
        ],
    );
    let tail = z * y * tail;
    let slope = y + tail;
    let (tangent, lost) = quick_sum(y, way.mul_add(low, way.mul_add(slope, slope, 1.0), tail));
    let inverse = || {
        let inverse = 1.0 / tangent;
        let error = way.mul_add(-lost, inverse, way.rest(1.0, inverse, tangent));
        -way.mul_add(inverse, error, inverse)
    };
    let value = way.either(quadrant & 1 == 0, || tangent, inverse);
    // Keeps the sign of a zero.
    select(x.abs() < 1e-9, x, value)
}
