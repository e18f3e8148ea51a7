//! Inverse circular functions.

use super::{Way, quick_sum, select, two_sum};

const PI: [f64; 2] = [std::f64::consts::PI, 1.2246467991473532e-16];
const HALF_PI: [f64; 2] = [std::f64::consts::FRAC_PI_2, 6.123233995736766e-17];
const QUARTER_PI: [f64; 2] = [std::f64::consts::FRAC_PI_4, 3.061616997868383e-17];

/// `(asin(x) - x) / x^3` by x^2, for x up to one half.
pub const ASIN: [f64; 13] = [
    0.16666666666666763,
    0.07499999999970262,
    0.04464285717511996,
    0.03038194268367241,
    0.022372215658365453,
    0.017351600133357833,
    0.013980960875591492,
    0.011397781305002559,
    0.010786496086134412,
    0.003683177519717618,
    0.021763144807716635,
    -0.021076759022296467,
    0.03267653822165938,
];

/// `a` if the condition holds, else `b`.
#[inline(always)]
fn select_both(condition: bool, a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [select(condition, a[0], b[0]), select(condition, a[1], b[1])]
}

/// `asin(x) = root + root_low + tail` for |x| up to one half, else half of what acos(|x|) is.
struct Arc {
    is_far: bool,
    root: f64,
    root_low: f64,
    tail: f64,
}

#[inline(always)]
fn arc<const F: bool, const J: bool>(way: Way<F, J>, size: f64) -> Arc {
    let is_far = size > 0.5;
    let (z_far, z_near) = (0.5 * (1.0 - size), size * size);
    let far = || way.root(z_far, 0.0);
    let (z, root, root_low) = match (J, is_far) {
        (true, true) => (z_far, far().0, far().1),
        (true, false) => (z_near, size, 0.0),
        (false, _) => {
            let (root, root_low) = far();
            let root_low = select(is_far, root_low, 0.0);
            (select(is_far, z_far, z_near), select(is_far, root, size), root_low)
        }
    };
    let tail = way.polynomial(z, ASIN);
    Arc { is_far, root, root_low, tail: root * z * tail }
}

/// 0.8 ulp.
#[inline(always)]
pub fn asin<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
    let arc = arc(way, x.abs());
    let [base, base_low] = select_both(arc.is_far, HALF_PI, [0.0; 2]);
    let times = select(arc.is_far, -2.0, 1.0);
    let (sum, lost) = quick_sum(base, times * arc.root);
    (sum + (lost + way.mul_add(times, arc.root_low + arc.tail, base_low))).copysign(x)
}

/// 0.8 ulp.
#[inline(always)]
pub fn acos<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
    let arc = arc(way, x.abs());
    let [base, base_low] = select_both(x < 0.0, PI, [0.0; 2]);
    let [base, base_low] = select_both(arc.is_far, [base, base_low], HALF_PI);
    let times = select(arc.is_far, 2.0, -1.0) * 1f64.copysign(x);
    let (sum, lost) = quick_sum(base, times * arc.root);
    sum + (lost + way.mul_add(times, arc.root_low + arc.tail, base_low))
}

/// The angle of (b, a), or with `is_left` of (-b, a), for numbers that are not negative. One
/// quotient is small: a/b, (a - b) / (a + b) or -b/a.
#[inline(always)]
fn angle<const F: bool, const J: bool>(way: Way<F, J>, a: f64, b: f64, is_left: bool) -> f64 {
    const TAN_PI_8: f64 = std::f64::consts::SQRT_2 - 1.0;
    let is_low = a < b * TAN_PI_8;
    let is_high = a * TAN_PI_8 > b;
    let (difference, difference_low) = two_sum(a, -b);
    let (sum, sum_low) = two_sum(a, b);
    let above = select(is_low, a, select(is_high, -b, difference));
    let below = select(is_low, b, select(is_high, a, sum));
    let is_outer = is_low | is_high;
    let above_low = select(is_outer, 0.0, difference_low);
    let below_low = select(is_outer, 0.0, sum_low);
    let inverse = 1.0 / below;
    let t = above * inverse;
    let rest = way.rest(above, t, below) + way.mul_add(-t, below_low, above_low);
    let z = t * t;
    // (atan(t) - t) / t^3
    let tail = way.polynomial(
        z,
        [
            -0.333333333333332,
            0.19999999999954043,
            -0.14285714280244266,
            0.11111110785915428,
            -0.0909089782979707,
            0.07692061514711307,
            -0.06663118950238253,
            0.0584799820087085,
            -0.05039796039956431,
            0.03807703571206563,
            -0.01792084256810569,
        ],
    );
    let tail = way.mul_add(t * z, tail, rest * inverse);
    const THREE_QUARTERS: [f64; 2] = [2.356194490192345, 9.184850993605148e-17];
    let zero = select_both(is_left, PI, [0.0; 2]);
    let middle = select_both(is_left, THREE_QUARTERS, QUARTER_PI);
    let [base, base_low] = select_both(is_low, zero, select_both(is_high, HALF_PI, middle));
    let sign = select(is_left, -1.0, 1.0);
    let (sum, lost) = quick_sum(base, sign * t);
    sum + (lost + way.mul_add(sign, tail, base_low))
}

/// 0.8 ulp.
#[inline(always)]
pub fn atan<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
    let size = x.abs();
    let bounded = select(size > 1e18, 1e18, size);
    angle(way, bounded, 1.0, false).copysign(x)
}

/// 1 ulp.
#[inline(always)]
pub fn atan2<const F: bool, const J: bool>(way: Way<F, J>, y: f64, x: f64) -> f64 {
    let (a, b) = (y.abs(), x.abs());
    let larger = select(a > b, a, b);
    let scale = select(larger < 2f64.powi(-900), 2f64.powi(200), 1.0);
    let scale = select(larger > 2f64.powi(900), 2f64.powi(-60), scale);
    let is_infinite = larger == f64::INFINITY;
    let of = |size: f64| {
        let one = select(size == f64::INFINITY, 1.0, 0.0);
        select(is_infinite, one, size * scale)
    };
    let b = of(b);
    // Zeros have the angle 0 or pi.
    let value = angle(way, of(a), select(larger == 0.0, 1.0, b), x.is_sign_negative());
    select(x.is_nan() | y.is_nan(), f64::NAN, value).copysign(y)
}
