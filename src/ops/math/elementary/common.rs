//! The functions that formulas call most, as operations that [`super::lanes`] has on one number
//! and on vectors. Arguments that are all usual take a path with less work; other arguments take
//! one that gives usual arguments the same bits.
//!
//! The forms that `--math fast` takes are here too: 4 units in the last place.

/// Makes the functions of the operations where it is called.
macro_rules! functions {
    ($make:ident) => {
        use super::super::common::*;

        $make! {
            /// The value of a polynomial of at most 24 coefficients, lowest first, by neighbours
            /// in pairs and pairs of pairs, so that few operations wait for one another. G. Estrin
            /// (1960).
            pub fn polynomial<const N: usize>(x: F, c: [f64; N]) -> F {
                let x2 = mul(x, x);
                let x4 = mul(x2, x2);
                let two = |k: usize| match N - k {
                    1 => same(c[k]),
                    _ => mul_add(x, same(c[k + 1]), same(c[k])),
                };
                let four = |k: usize| match N - k {
                    1 | 2 => two(k),
                    _ => mul_add(x2, two(k + 2), two(k)),
                };
                let eight = |k: usize| match N - k {
                    1..=4 => four(k),
                    _ => mul_add(x4, four(k + 4), four(k)),
                };
                match N {
                    ..=8 => eight(0),
                    9..=12 => mul_add(x4, eight(4), four(0)),
                    13..=16 => mul_add(mul(x4, x4), eight(8), eight(0)),
                    _ => {
                        let x8 = mul(x4, x4);
                        mul_add(x8, mul_add(x8, eight(16), eight(8)), eight(0))
                    }
                }
            }

            /// The rounded sum and its error, for a first number that is zero or not smaller than
            /// the second one. T. J. Dekker (1971).
            pub fn quick_sum(a: F, b: F) -> (F, F) {
                let sum = add(a, b);
                (sum, sub(b, sub(sum, a)))
            }

            /// The rounded sum and its error. D. E. Knuth, "The Art of Computer Programming",
            /// volume 2, section 4.2.2.
            pub fn two_sum(a: F, b: F) -> (F, F) {
                let sum = add(a, b);
                let b_part = sub(sum, a);
                (sum, add(sub(a, sub(sum, b_part)), sub(b, b_part)))
            }

            /// What the rounded product lacks; nothing without fused operations.
            pub fn product_error(a: F, b: F, product: F) -> F {
                if FUSED { mul_add(a, b, negative(product)) } else { same(0.0) }
            }

            pub fn negative(a: F) -> F { number(xor(bits(a), whole(SIGN))) }

            /// `exp(x) = 2^n (1 + high + tail)`: with whole n in the lowest bits of the first
            /// result, and `high` without an error. For numbers whose n is small, or NaN.
            pub fn split(x: F) -> (U, F, F) {
                let (shifted, high, low) = parts(x);
                let r = add(high, low);
                (shifted, high, mul_add(mul(r, r), polynomial(r, EXP_SQUARE), low))
            }

            /// `x = n ln 2 + high + low`: n in the lowest bits, and `high` without an error.
            pub fn parts(x: F) -> (U, F, F) {
                let shifted = mul_add(x, same(LOG2_E), same(WHOLE));
                let n = sub(shifted, same(WHOLE));
                (bits(shifted), mul_add(n, same(-LN2[0]), x), mul(n, same(-LN2[1])))
            }

            /// `exp(x)`, where that is a normal number.
            pub fn normal_exp(x: F) -> F {
                let (shifted, high, tail) = split(x);
                let power = add(same(1.0), add(high, tail));
                number(plus(bits(power), left::<52>(shifted)))
            }

            /// Whether the exponential is a normal number.
            pub fn is_usual_power(x: F) -> M { is_at_most(abs(x), same(708.0)) }

            /// 0.9 ulp.
            pub fn exp(x: F) -> F {
                if all(is_usual_power(x)) { normal_exp(x) } else { any_exp(x) }
            }

            /// The same with results that may be subnormal, zero or infinite.
            pub fn any_exp(x: F) -> F {
                let x = select(is_below(same(710.0), x), same(710.0), x);
                let x = select(is_below(x, same(-746.0)), same(-746.0), x);
                let (shifted, high, tail) = split(x);
                // 2^n as a product.
                let n = and(plus(shifted, whole(2048)), whole(0xfff));
                let half = right::<1>(n);
                let power = |n: U| number(left::<52>(minus(n, whole(1))));
                let value = add(same(1.0), add(high, tail));
                mul(mul(value, power(half)), power(minus(n, half)))
            }

            /// `exp(x) - 1` as a sum of two numbers, for numbers from -40 to 700.
            pub fn expm1_parts(x: F) -> (F, F) {
                let (shifted, high, low) = parts(x);
                let r = add(high, low);
                let square = mul(r, r);
                // Half of the square keeps its errors, as it may be a large part of the result.
                let lost = add(sub(high, r), low);
                let low = mul_add(same(0.5), product_error(r, r, square), mul_add(r, lost, low));
                let tail = mul_add(mul(square, r), polynomial(r, EXP_CUBIC), low);
                let power = number(plus(whole(ONE), left::<52>(shifted)));
                let below = sub(power, same(1.0));
                // Powers above 2^53 and below 2^-53 lose a part of the difference.
                let lost_below = sub(sub(power, below), same(1.0));
                let (sum, lost) = quick_sum(below, mul(power, high));
                let rest = mul_add(power, mul(same(0.5), square), add(lost, lost_below));
                (sum, mul_add(power, tail, rest))
            }

            /// 0.8 ulp.
            pub fn expm1(x: F) -> F {
                let is_usual = is_at_most(x, same(700.0));
                // Below -40 it is -1.
                let bounded = select(is_below(x, same(-40.0)), same(-40.0), x);
                if all(is_usual) {
                    let (sum, rest) = expm1_parts(bounded);
                    // Keeps the sign of a zero.
                    return with_sign(add(sum, rest), x);
                }
                let bounded = select(is_below(same(700.0), x), same(700.0), bounded);
                let (sum, rest) = expm1_parts(bounded);
                let near = with_sign(add(sum, rest), x);
                select(is_below(same(700.0), x), any_exp(x), near)
            }

            /// `e / (e + 2)` with `e = exp(2 |x|) - 1`, corrected by what e and the sum lack; 0.8
            /// ulp, 1.5 without fused operations.
            pub fn tanh(x: F) -> F {
                let size = abs(x);
                let size = select(is_below(same(22.0), size), same(22.0), size);
                let (sum, rest) = expm1_parts(add(size, size));
                let (e, lost) = quick_sum(sum, rest);
                let (below, lost_below) = two_sum(e, same(2.0));
                let inverse = div(same(1.0), below);
                let quotient = mul(e, inverse);
                let rest = mul_add(negative(quotient), below, e);
                let rest = mul_add(negative(quotient), add(lost_below, lost), add(rest, lost));
                with_sign(mul_add(rest, inverse, quotient), x)
            }

            /// 2.2 ulp.
            pub fn sigmoid(x: F) -> F {
                let e = exp(negative(abs(x)));
                let is_positive = is_at_most(same(0.0), x);
                div(select(is_positive, same(1.0), e), add(same(1.0), e))
            }

            /// Whether a number is positive, finite and not subnormal.
            pub fn is_normal(x: F) -> M {
                both(is_at_most(same(f64::MIN_POSITIVE), x), is_below(x, same(f64::INFINITY)))
            }

            /// A positive normal number as 2^n m with m from the square root of one half to that
            /// of two: n and m.
            pub fn exponent_and_fraction(x: F) -> (F, F) {
                let shifted = plus(bits(x), whole(ONE - SQRT_HALF));
                let m = number(plus(and(shifted, whole(MANTISSA)), whole(SQRT_HALF)));
                let n = number(or(right::<52>(shifted), whole(0x4330 << 48)));
                (sub(n, same(4503599627370496.0 + 1023.0)), m)
            }

            /// What `f` lacks to `log(1 + f)`, but for `f`, as a sum of a number that is to be
            /// subtracted and one that is to be added.
            pub fn log_rest<const N: usize>(f: F, c: [f64; N]) -> (F, F) {
                let s = div(f, add(same(2.0), f));
                let z = mul(s, s);
                let half = mul(mul(same(0.5), f), f);
                (half, mul(s, mul_add(z, polynomial(z, c), half)))
            }

            /// 0.8 ulp.
            pub fn log(x: F) -> F {
                let is_usual = all(is_normal(x));
                let is_small = is_below(x, same(f64::MIN_POSITIVE));
                let scaled = if is_usual {
                    x
                } else {
                    select(is_small, mul(x, same(18014398509481984.0)), x)
                };
                let (n, m) = exponent_and_fraction(scaled);
                let n = if is_usual { n } else { sub(n, select(is_small, same(54.0), same(0.0))) };
                let f = sub(m, same(1.0));
                let (half, rest) = log_rest(f, LOG_CUBIC);
                let low = mul_add(n, same(LN2[1]), rest);
                let value = mul_add(n, same(LN2[0]), sub(f, sub(half, low)));
                if is_usual { value } else { with_ends(x, value) }
            }

            /// Puts in what a logarithm is at the ends of its range and beyond.
            pub fn with_ends(x: F, value: F) -> F {
                let value = select(is_below(x, same(f64::INFINITY)), value, x);
                let is_zero = is_at_most(abs(x), same(0.0));
                let value = select(is_zero, same(f64::NEG_INFINITY), value);
                select(is_below(x, same(0.0)), same(f64::NAN), value)
            }

            /// What is left of x without quarters of a turn, what that lacks, and the number of
            /// quarters in the lowest bits.
            pub fn quarters_off(x: F) -> (F, F, U) {
                let shifted = mul_add(x, same(std::f64::consts::FRAC_2_PI), same(WHOLE));
                // A zero keeps its sign, as zero times what is negative is -0.
                let n = sub(shifted, same(WHOLE));
                if FUSED {
                    // A multiple of 2^-53 below 1, or x: exact.
                    let first = mul_add(n, same(-HALF_PI_FUSED[0]), x);
                    // The product is a multiple of 2^-87 below 2^-34: either the first part is
                    // larger or the difference is exact, so that no rounding hides what is lost.
                    let y = mul_add(n, same(-HALF_PI_FUSED[1]), first);
                    let lost = mul_add(n, same(-HALF_PI_FUSED[1]), sub(first, y));
                    return (y, mul_add(n, same(-HALF_PI_FUSED[2]), lost), bits(shifted));
                }
                let first = mul_add(n, same(-HALF_PI[0]), x);
                let (second, lost) = two_sum(first, mul(n, same(-HALF_PI[1])));
                let low = mul_add(n, same(-HALF_PI[2]), lost);
                let y = add(second, low);
                (y, add(sub(second, y), low), bits(shifted))
            }

            /// Whether x is less than 2^20 quarters of a turn; not if it is NaN.
            pub fn is_near(x: F) -> M { is_at_most(abs(x), same(NEAR)) }

            /// The sine of the sum of two numbers, the first one at most an eighth of a turn and
            /// the second one small.
            pub fn sine_near_0(y: F, low: F) -> F {
                let z = mul(y, y);
                let sine = add(y, mul_add(mul(z, y), polynomial(z, SINE_CUBIC), low));
                // Keeps the sign of a zero.
                number(or(bits(sine), and(bits(y), whole(SIGN))))
            }

            /// Its cosine.
            pub fn cosine_near_0(y: F, low: F) -> F {
                let z = mul(y, y);
                let first = mul_add(same(-0.5), z, same(1.0));
                let lost = mul_add(same(-0.5), z, sub(same(1.0), first));
                let lost = mul_add(negative(y), low, lost);
                add(first, mul_add(mul(z, z), polynomial(z, COSINE_QUARTIC), lost))
            }

            /// Sine, or cosine: sine one quarter of a turn further on; 0.9 ulp.
            pub fn sine_of(x: F, quarters: U) -> F {
                let (y, low, quadrant) = quarters_off(x);
                let quadrant = plus(quadrant, quarters);
                // No jump even for one number: quadrants are hard to foresee.
                let is_cosine = is_odd(quadrant);
                let value = select(is_cosine, cosine_near_0(y, low), sine_near_0(y, low));
                let sign = left::<62>(and(quadrant, whole(2)));
                number(xor(bits(value), sign))
            }

            /// Whether it is one number, and at most so large. Of several one is mostly larger.
            pub fn is_alone_below(x: F, most: f64) -> bool {
                ALONE && all(is_at_most(abs(x), same(most)))
            }

            pub fn sin(x: F) -> F {
                if is_alone_below(x, EIGHTH) {
                    return sine_near_0(x, same(0.0));
                }
                or_else(is_near(x), sine_of(x, whole(0)), x, libm::sin)
            }

            pub fn cos(x: F) -> F {
                if is_alone_below(x, EIGHTH) {
                    return cosine_near_0(x, same(0.0));
                }
                or_else(is_near(x), sine_of(x, whole(1)), x, libm::cos)
            }

            /// Sine, or where `halves` is one half cosine.
            pub fn sine_or_cosine(x: F, halves: F) -> F {
                // The lowest bit of the exponent of one half is not zero.
                let value = sine_of(x, and(right::<53>(bits(halves)), whole(1)));
                or_else_2(is_near(x), value, x, halves, far_sine_or_cosine)
            }

            pub fn fast_sine_or_cosine(x: F, halves: F) -> F {
                or_else_2(is_near(x), fast_sine_of(x, halves), x, halves, far_sine_or_cosine)
            }

            /// Sine of a number and so many halves of a turn, without whole halves; 3.2 ulp.
            pub fn fast_sine_of(x: F, halves: F) -> F {
                let turns = mul_add(x, same(std::f64::consts::FRAC_1_PI), halves);
                let shifted = add(turns, same(WHOLE));
                let n = sub(sub(shifted, same(WHOLE)), halves);
                let y = mul_add(n, same(-PI[0]), x);
                let y = mul_add(n, same(-PI[1]), y);
                let y = mul_add(n, same(-PI[2]), y);
                number(xor(bits(fast_sine_near_0(y)), left::<63>(bits(shifted))))
            }

            /// Sine, up to a quarter of a turn.
            pub fn fast_sine_near_0(y: F) -> F {
                let z = mul(y, y);
                mul(y, mul_add(z, polynomial(z, FAST_SINE), same(1.0)))
            }

            pub fn fast_sin(x: F) -> F {
                if is_alone_below(x, QUARTER) {
                    return fast_sine_near_0(x);
                }
                or_else(is_near(x), fast_sine_of(x, same(0.0)), x, libm::sin)
            }

            pub fn fast_cos(x: F) -> F {
                or_else(is_near(x), fast_sine_of(x, same(0.5)), x, libm::cos)
            }

            /// A quotient of polynomials, by the continued fraction of J. H. Lambert (1761); 3.9
            /// ulp.
            pub fn fast_tan(x: F) -> F {
                let (y, low, quadrant) = quarters_off(x);
                let z = mul(y, y);
                let above = mul_add(y, polynomial(z, FAST_TAN_ABOVE), low);
                let below = polynomial(z, FAST_TAN_BELOW);
                let turned = is_odd(quadrant);
                let value = div(select(turned, below, above), select(turned, above, below));
                let value = number(xor(bits(value), left::<63>(quadrant)));
                // Keeps the sign of a zero.
                let value = select(is_below(abs(x), same(1e-9)), x, value);
                or_else(is_near(x), value, x, libm::tan)
            }

            /// The logarithm of a positive normal number without its exponent, and that; 2 ulp.
            pub fn fast_log_parts(x: F) -> (F, F) {
                let (n, m) = exponent_and_fraction(x);
                let f = sub(m, same(1.0));
                let (half, rest) = log_rest(f, LOG_CUBIC);
                (sub(f, sub(half, rest)), n)
            }

            /// 2 ulp.
            pub fn fast_log2(x: F) -> F {
                let (log, n) = fast_log_parts(x);
                or_else(is_normal(x), mul_add(log, same(LOG2_E), n), x, |x| super::super::log2(x))
            }

            /// 2 ulp.
            pub fn fast_log10(x: F) -> F {
                let (log, n) = fast_log_parts(x);
                let tens = mul(n, same(std::f64::consts::LOG10_2));
                let value = mul_add(log, same(std::f64::consts::LOG10_E), tens);
                or_else(is_normal(x), value, x, |x| super::super::log10(x))
            }

            /// 2 ulp.
            pub fn fast_log1p(x: F) -> F {
                let is_usual = both(is_below(same(-1.0), x), is_below(x, same(1e300)));
                let (sum, lost) = two_sum(same(1.0), x);
                let (n, m) = exponent_and_fraction(sum);
                // 2^-n
                let exponent = right::<52>(plus(bits(sum), whole(ONE - SQRT_HALF)));
                let scale = number(left::<52>(minus(whole(2046), exponent)));
                let f = mul_add(lost, scale, sub(m, same(1.0)));
                let (half, rest) = log_rest(f, LOG_CUBIC);
                let low = mul_add(n, same(LN2[1]), rest);
                let value = mul_add(n, same(LN2[0]), sub(f, sub(half, low)));
                or_else(is_usual, with_sign(value, x), x, |x| super::super::log1p(x))
            }

            /// `e / (e + 2)` with `e = exp(2 |x|) - 1`; 2.3 ulp.
            pub fn fast_tanh(x: F) -> F {
                let size = abs(x);
                let size = select(is_below(same(22.0), size), same(22.0), size);
                let (sum, rest) = expm1_parts(add(size, size));
                let e = add(sum, rest);
                with_sign(div(e, add(e, same(2.0))), x)
            }

            /// 2.4 ulp.
            pub fn fast_softplus(x: F) -> F {
                let e = exp(negative(abs(x)));
                let (half, rest) = log_rest(e, LOG_TO_TWO);
                add(select(is_below(same(0.0), x), x, same(0.0)), sub(e, sub(half, rest)))
            }

            /// 2 ulp.
            pub fn fast_atan(x: F) -> F {
                let size = abs(x);
                let is_large = is_below(same(1.0), size);
                let above = select(is_large, same(-1.0), size);
                let t = div(above, select(is_large, size, same(1.0)));
                let z = mul(t, t);
                let value = mul_add(mul(t, z), polynomial(z, FAST_ATAN), t);
                let base = select(is_large, same(std::f64::consts::FRAC_PI_2), same(0.0));
                with_sign(add(base, value), x)
            }

            /// `asin(y)` for `y = x` up to one half, else for the sine of half of the angle whose
            /// cosine is x, and whether x is above one half; of numbers that are not negative.
            pub fn fast_arc(x: F) -> (F, M) {
                let is_far = is_below(same(0.5), x);
                let half = mul(same(0.5), sub(same(1.0), x));
                let z = select(is_far, half, mul(x, x));
                let y = select(is_far, sqrt(half), x);
                (mul_add(mul(y, z), polynomial(z, ASIN), y), is_far)
            }

            /// 3 ulp.
            pub fn fast_asin(x: F) -> F {
                let (arc, is_far) = fast_arc(abs(x));
                let far = mul_add(same(-2.0), arc, same(std::f64::consts::FRAC_PI_2));
                with_sign(select(is_far, far, arc), x)
            }

            /// 2 ulp.
            pub fn fast_acos(x: F) -> F {
                let (arc, is_far) = fast_arc(abs(x));
                let near = sub(same(std::f64::consts::FRAC_PI_2), with_sign(arc, x));
                let twice = add(arc, arc);
                let is_left = is_below(x, same(0.0));
                let left = sub(same(std::f64::consts::PI), twice);
                select(is_far, select(is_left, left, twice), near)
            }
        }
    };
}
pub(super) use functions;

/// Sine, or where `halves` is one half cosine, of a number of any size.
pub fn far_sine_or_cosine(x: f64, halves: f64) -> f64 {
    if halves == 0.0 { libm::sin(x) } else { libm::cos(x) }
}

pub const SIGN: u64 = 1 << 63;
/// Bits of 1.
pub const ONE: u64 = 0x3ff0000000000000;
/// Bits of the square root of one half.
pub const SQRT_HALF: u64 = 0x3fe6a09e667f3bcd;
pub const MANTISSA: u64 = (1 << 52) - 1;

/// Sums with this are whole numbers, which their lowest bits hold.
pub const WHOLE: f64 = 6755399441055744.0;
pub use super::exponential::LN2;
pub const LOG2_E: f64 = std::f64::consts::LOG2_E;

/// `(exp(r) - 1 - r) / r^2` for r up to half of ln 2.
pub const EXP_SQUARE: [f64; 10] = [
    0.5000000000000006,
    0.16666666666666588,
    0.04166666666657676,
    0.008333333333389556,
    0.0013888888931565507,
    0.000198412697189909,
    2.480150527288116e-05,
    2.755740755998062e-06,
    2.762603827218125e-07,
    2.5053769202833236e-08,
];

/// `(exp(r) - 1 - r - r^2 / 2) / r^3` for r up to half of ln 2.
pub const EXP_CUBIC: [f64; 10] = [
    0.16666666666666682,
    0.0416666666666667,
    0.008333333333316857,
    0.0013888888888865167,
    0.0001984126989682348,
    2.4801587365123853e-05,
    2.7557234434109196e-06,
    2.755723864488153e-07,
    2.5112180472673767e-08,
    2.092569194959931e-09,
];

/// `(log((1 + s) / (1 - s)) - 2 s) / s^3` by s^2.
pub const LOG_CUBIC: [f64; 7] = [
    0.6666666666666734,
    0.3999999999941476,
    0.28571428742391586,
    0.22222198571066673,
    0.1818356450930635,
    0.153140442541745,
    0.14796027030412492,
];

/// The same for s up to one third.
pub const LOG_TO_TWO: [f64; 10] = [
    0.6666666666666666,
    0.40000000000014585,
    0.2857142856710876,
    0.22222222717427864,
    0.18181789436132859,
    0.15385570064958623,
    0.13314144209654935,
    0.12001072809590713,
    0.08800738486144674,
    0.1616404561194353,
];

/// Half of pi in parts; each of the first two times a whole number up to 2^20 is exact.
pub const HALF_PI: [f64; 3] = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21];
/// The same where products are not rounded: the second part has 33 bits.
pub const HALF_PI_FUSED: [f64; 3] =
    [std::f64::consts::FRAC_PI_2, 6.12323399538461e-17, 3.5215598651832e-27];
/// The whole of it, likewise.
pub const PI: [f64; 3] = [2.0 * HALF_PI[0], 2.0 * HALF_PI[1], 2.0 * HALF_PI[2]];
/// Up to here arguments are reduced here.
pub const NEAR: f64 = 1.6e6;
/// A bit less than an eighth of a turn.
pub const EIGHTH: f64 = 0.785;
/// A bit less than a quarter.
pub const QUARTER: f64 = 1.57;

/// `(sin(y) - y) / y^3` by y^2, for y up to a quarter of pi.
pub const SINE_CUBIC: [f64; 6] = [
    -0.1666666666666663,
    0.008333333333322108,
    -0.00019841269829580272,
    2.755731361803362e-06,
    -2.5050747218777102e-08,
    1.5896197593464988e-10,
];

/// `(cos(y) - 1 + y^2 / 2) / y^4` by y^2, for y up to a quarter of pi.
pub const COSINE_QUARTIC: [f64; 6] = [
    0.0416666666666666,
    -0.0013888888888874125,
    2.4801587289482967e-05,
    -2.7557314352532866e-07,
    2.087572329787829e-09,
    -1.1359648978984292e-11,
];

/// `(sin(y) - y) / y^3` by y^2, for y up to half of pi.
pub const FAST_SINE: [f64; 8] = [
    -0.16666666666666666,
    0.008333333333333194,
    -0.00019841269841209145,
    2.7557319211124362e-06,
    -2.5052106871589556e-08,
    1.6058939643449812e-10,
    -7.642989826839398e-13,
    2.7211570801879066e-15,
];

/// Numerator and denominator of `tan(y) / y` by y^2, for y up to a quarter of pi.
pub const FAST_TAN_ABOVE: [f64; 5] = [
    1.0,
    -0.13725490196078433,
    0.00392156862745098,
    -2.8729440494146376e-05,
    2.901963686277412e-08,
];
pub const FAST_TAN_BELOW: [f64; 5] = [
    1.0,
    -0.47058823529411764,
    0.027450980392156862,
    -0.00040221216691804925,
    1.3058836588248353e-06,
];

/// `(atan(t) - t) / t^3` by t^2, for t up to 1.
pub const FAST_ATAN: [f64; 19] = [
    -0.3333333333333186,
    0.19999999999755205,
    -0.14285714271341488,
    0.11111110678868064,
    -0.09090901236607826,
    0.07692212937853064,
    -0.06665860385965278,
    0.05877307763667215,
    -0.05239232561072987,
    0.04673947278303515,
    -0.04092630944465461,
    0.034067653880817804,
    -0.025826551524534433,
    0.01697775505380317,
    -0.009184325030980676,
    0.003855836209100855,
    -0.0011640164150855073,
    0.0002230090491510365,
    -2.02570814455868e-05,
];
pub use super::inverse::ASIN;
