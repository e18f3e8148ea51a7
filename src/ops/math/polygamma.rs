//! Polygamma function of integer order m for real x: the digamma function for m = 0, else its
//! m-th derivative. The same algorithm in C is `src/ops/scalar/polygamma.c`; keep them alike.
//!
//! For x > 0: upward recurrence, then the asymptotic series (Abramowitz & Stegun 6.3.18, 6.4.11),
//! and near the positive zero of digamma its Taylor series there. For x < 0: digamma, and order 2
//! about halfway between poles, where the zeros of even orders are, by the reflection formula
//! (6.3.7, 6.4.7); else by splitting the sum over 1 / (x + j)^(m + 1) at the sign change of x + j
//! into sums with positive terms, which cancels less. Even orders from 4 on have the largest terms
//! in twice the digits about halfway between poles.

use std::f64::consts::PI;

use super::elementary::{quick_sum, two_sum};

/// Orders beyond this give NaN; values are then beyond the range of f64 except for large x.
const MAX_ORDER: f64 = 500.0;

/// Bernoulli numbers B_2k / (2k)!, k = 1, 2, ...
const BERNOULLI_BY_FACTORIAL: [f64; 12] = [
    0.08333333333333333,
    -0.001388888888888889,
    0.00003306878306878307,
    -8.267195767195768e-7,
    2.08767569878681e-8,
    -5.284190138687493e-10,
    1.3382536530684679e-11,
    -3.3896802963225827e-13,
    8.586062056277845e-15,
    -2.174868698558062e-16,
    5.5090028283602295e-18,
    -1.3954464685812522e-19,
];

/// Bernoulli numbers B_2k / 2k, k = 1, 2, ...
const BERNOULLI_BY_INDEX: [f64; 8] = [
    0.08333333333333333,
    -0.008333333333333333,
    0.003968253968253968,
    -0.004166666666666667,
    0.007575757575757576,
    -0.021092796092796094,
    0.08333333333333333,
    -0.4432598039215686,
];

/// The positive zero of digamma, in two parts.
const ZERO_HI: f64 = 1.4616321449683622;
const ZERO_LO: f64 = 9.549995429965697e-17;

/// Taylor coefficients of digamma at its positive zero, from the linear term on.
const TAYLOR_AT_ZERO: [f64; 22] = [
    0.9676722454476212,
    -0.44276316898359214,
    0.258499760955651,
    -0.16394270544240652,
    0.10782405069126237,
    -0.07219956125645471,
    0.04880428816414311,
    -0.03316112647484736,
    0.022597648232218105,
    -0.01542476590494896,
    0.010538791616612175,
    -0.007204534386356868,
    0.004926781395729853,
    -0.003369801655439328,
    0.002305126326734928,
    -0.0015769367714301972,
    0.0010788252019162967,
    -0.0007380709389960052,
    0.000504953265834602,
    -0.0003454680251063077,
    0.00023635601564027053,
    -0.00016170622091974803,
];

/// Polygamma function of order `m` at `x`. NaN unless `m` is one of 0, 1, ..., 500. At the poles
/// 0, -1, -2, ...: infinity for odd `m`; for even `m` the limit from the side that the sign of a
/// zero `x` tells, else NaN.
pub extern "C" fn polygamma(m: f64, x: f64) -> f64 {
    if !(0.0..=MAX_ORDER).contains(&m) || m.floor() != m || x.is_nan() || x == f64::NEG_INFINITY {
        return f64::NAN;
    }
    let odd = m % 2.0 != 0.0;
    if x <= 0.0 && x.floor() == x {
        return if odd {
            f64::INFINITY
        } else if x == 0.0 {
            f64::INFINITY.copysign(-x)
        } else {
            f64::NAN
        };
    }
    if m == 0.0 {
        return digamma(x);
    }
    let magnitude = if x > 0.0 {
        zeta_times_factorial(m, x)
    } else if !odd && (x - x.floor() - 0.5).abs() <= 0.25 {
        if m == 2.0 {
            // pi^3 times the second derivative of the cotangent.
            let cotangent = pi_cotangent(x);
            let reflected = 2.0 * cotangent * (PI * PI + cotangent * cotangent);
            zeta_times_factorial(m, 1.0 - x) + reflected
        } else {
            between_poles(m, x)
        }
    } else {
        let above = zeta_times_factorial(m, x - x.floor());
        let below = zeta_times_factorial(m, x.ceil() - x) - zeta_times_factorial(m, 1.0 - x);
        if odd { above + below } else { above - below }
    };
    if odd { magnitude } else { -magnitude }
}

/// `pi / tan(pi x)` for numbers below 0. About halfway between poles the tangent of the distance
/// from there has the digits that the cotangent would lose.
fn pi_cotangent(x: f64) -> f64 {
    let above_floor = x - x.floor();
    // Without rounding about there, unlike what lies above the floor.
    let from_middle = x - (x.floor() + 0.5);
    if from_middle.abs() <= 0.25 {
        -PI * (PI * from_middle).tan()
    } else if from_middle < 0.0 {
        PI / (PI * above_floor).tan()
    } else {
        -PI / (PI * (x.ceil() - x)).tan()
    }
}

/// A sum with what its roundings lost.
#[derive(Clone, Copy, Default)]
struct Sum {
    high: f64,
    low: f64,
}

impl Sum {
    fn add(&mut self, term: f64) {
        let (sum, lost) = two_sum(self.high, term);
        self.low += lost;
        self.high = sum;
    }
}

fn digamma(x: f64) -> f64 {
    let mut sum = Sum::default();
    let mut shifted = x;
    if x < 0.0 {
        sum.add(-pi_cotangent(x));
        shifted = 1.0 - x;
    }
    if shifted == f64::INFINITY {
        return shifted;
    }
    if (shifted - ZERO_HI).abs() < 0.25 {
        let distance = (shifted - ZERO_HI) - ZERO_LO;
        let series = TAYLOR_AT_ZERO.iter().rev();
        sum.add(distance * series.fold(0.0, |sum, coefficient| sum * distance + coefficient));
        return sum.high + sum.low;
    }
    while shifted < 10.0 {
        sum.add(-1.0 / shifted);
        shifted += 1.0;
    }
    let inverse_square = 1.0 / (shifted * shifted);
    let series = BERNOULLI_BY_INDEX.iter().rev();
    let series = series.fold(0.0, |sum, coefficient| (sum + coefficient) * inverse_square);
    sum.add(shifted.ln());
    sum.add(-0.5 / shifted);
    sum.add(-series);
    sum.high + sum.low
}

/// m! * zeta(m + 1, x), the Hurwitz zeta function, for integer m > 0 and x > 0.
fn zeta_times_factorial(m: f64, x: f64) -> f64 {
    if x == f64::INFINITY {
        return 0.0;
    }
    // The first term m! / x^(m + 1) is the scale; all others are smaller.
    let mut scale = 1.0 / x;
    let mut factor = 1.0;
    while factor <= m {
        scale *= factor / x;
        factor += 1.0;
    }
    let mut sum = 0.0;
    let mut shifted = x;
    while shifted < m + 10.0 {
        sum += (x / shifted).powf(m + 1.0);
        shifted += 1.0;
    }
    scale * (sum + (x / shifted).powf(m + 1.0) * rest(m, shifted))
}

/// The sum over j >= 0 of `x^(m + 1) / (x + j)^(m + 1)` for large x (Euler, Maclaurin).
fn rest(m: f64, x: f64) -> f64 {
    let mut rising = 1.0;
    let mut series = x / m + 0.5;
    let mut k = 0.0;
    for coefficient in BERNOULLI_BY_FACTORIAL {
        rising *= (m + 2.0 * k + 1.0) / x;
        series += coefficient * rising;
        rising *= (m + 2.0 * k + 2.0) / x;
        k += 1.0;
    }
    series
}

/// Terms of numbers from here on are so small beside those about halfway between poles that one
/// part has their digits.
const FAR: f64 = 4.0;

/// m! times the sum over all j of `1 / (x + j)^(m + 1)`, for even m from 4 on and x < 0 about
/// halfway between poles. The numbers on both sides of 0 come in pairs, which may cancel; those
/// above that are left over begin at `1 - x`.
fn between_poles(m: f64, x: f64) -> f64 {
    // All terms are those of twice the numbers, whose powers are nearer to 1.
    let term = |number: f64, (high, low): (f64, f64)| {
        let (number, lost) = two_sum(number, high);
        let twice = Double { high: 2.0 * number, low: 2.0 * (lost + low) };
        twice.inverse().power(m as u32 + 1)
    };
    let middle = two_sum(x, -(x.floor() + 0.5));
    let left_over = 1.0 - x;
    if middle.0 == 0.0 {
        return zeta_times_factorial(m, left_over);
    }
    let mut sum = Sum::default();
    let mut number = 0.5;
    while number < FAR {
        let above = term(number, middle);
        let below = term(number, (-middle.0, -middle.1));
        sum.add(above.high);
        sum.add(-below.high);
        sum.add(above.low - below.low);
        number += 1.0;
    }
    sum.add(far_terms(m, number + middle.0) - far_terms(m, number - middle.0));
    if left_over >= FAR {
        let paired = times_factorial(m, sum);
        let others = zeta_times_factorial(m, left_over);
        return if paired.is_infinite() { paired } else { paired + others };
    }
    let mut number = 1.0;
    while number - x < FAR {
        let above = term(number, (-x, 0.0));
        sum.add(above.high);
        sum.add(above.low);
        number += 1.0;
    }
    sum.add(far_terms(m, number - x));
    times_factorial(m, sum)
}

/// The sum over j >= 0 of `1 / (2 x + 2 j)^(m + 1)`.
fn far_terms(m: f64, x: f64) -> f64 {
    let mut sum = 0.0;
    let mut shifted = x;
    while shifted < m + 10.0 {
        sum += (0.5 / shifted).powf(m + 1.0);
        shifted += 1.0;
    }
    sum + (0.5 / shifted).powf(m + 1.0) * rest(m, shifted)
}

/// A sum times `2^(m + 1) m!`.
fn times_factorial(m: f64, sum: Sum) -> f64 {
    let mut value = 2.0 * (sum.high + sum.low);
    let mut factor = 1.0;
    while factor <= m {
        value *= 2.0 * factor;
        factor += 1.0;
    }
    value
}

/// A number in two parts (T. J. Dekker, "A floating-point technique for extending the available
/// precision", Numerische Mathematik 18, 1971).
#[derive(Clone, Copy)]
struct Double {
    high: f64,
    low: f64,
}

impl Double {
    /// With a second part that may overlap the first one a little.
    fn of(high: f64, low: f64) -> Double {
        let (high, low) = quick_sum(high, low);
        Double { high, low }
    }

    fn times(self, other: Double) -> Double {
        let product = self.high * other.high;
        let lost = self.high.mul_add(other.high, -product);
        Double::of(product, lost + (self.high * other.low + self.low * other.high))
    }

    fn inverse(self) -> Double {
        let inverse = 1.0 / self.high;
        let missing = (-inverse).mul_add(self.high, 1.0) - inverse * self.low;
        Double::of(inverse, inverse * missing)
    }

    fn power(self, mut n: u32) -> Double {
        let (mut square, mut power) = (self, Double { high: 1.0, low: 0.0 });
        while n > 0 {
            if n % 2 == 1 {
                power = power.times(square);
            }
            square = square.times(square);
            n /= 2;
        }
        power
    }
}
