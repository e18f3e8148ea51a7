//! Elementary functions that do the same operations, in the same order, on one number and on each
//! lane of a vector, so that both give the same bits.
//!
//! Arguments are reduced as in W. J. Cody, W. Waite, "Software Manual for the Elementary
//! Functions" (1980), with the errors of the reduction kept (T. J. Dekker, "A floating-point
//! technique for extending the available precision", 1971). The polynomials are the best ones on
//! the reduced ranges in the relative error of the result, found by Remez's algorithm with 60
//! digits. Multiplications are fused with additions where the machine does that, so bits may
//! differ between machines. Errors are at most 1 ulp, 1.1 for `tanh`, 2.1 for `sigmoid`:
//! `tests/accuracy.rs` measures them.

use multiversion::multiversion;
use multiversion::target::target_cfg_f;

/// Numbers in a vector.
pub const LANES: usize = 4;

/// Up to three vectors of arguments, then one for the results.
pub type Area = [[f64; LANES]; 4];

/// Forms of a function for machine code; on x86-64 they need AVX2 and FMA.
#[derive(Copy, Clone)]
pub struct Wide {
    /// Takes the first vector of an [`Area`].
    pub on_lanes: unsafe extern "C" fn(&mut Area),
    /// What the second vector holds in lanes for this operation: one call serves several
    /// operations at once.
    pub tag: f64,
    pub on_one: unsafe extern "C" fn(f64) -> f64,
    /// Takes four numbers, and in the lowest bits of the fifth argument whether each is to be
    /// treated as one with a tag.
    pub on_four: unsafe extern "C" fn(f64, f64, f64, f64, u64, &mut [f64; LANES]),
}

/// For each function a form that suits any machine, and those for machine code.
macro_rules! elementary {
    ($($name:ident, $any:ident, $on_one:ident, $on_four:ident, $on_lanes:ident, $wide:ident = $of:ident;)*) => {$(
        pub extern "C" fn $name(x: f64) -> f64 {
            $any(x)
        }

        #[multiversion(targets("x86_64+avx2+fma"))]
        fn $any(x: f64) -> f64 {
            if target_cfg_f!(target_feature = "fma") {
                $of(Way::<true, true>, x)
            } else {
                $of(Way::<FUSES, true>, x)
            }
        }

        #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma"))]
        extern "C" fn $on_one(x: f64) -> f64 {
            $of(Way::<IN_CODE, true>, x)
        }

        #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma"))]
        extern "C" fn $on_lanes(area: &mut Area) {
            let x = area[0];
            let mut y = [0.0; LANES];
            for lane in 0..LANES {
                y[lane] = $of(Way::<IN_CODE, false>, x[lane]);
            }
            area[3] = y;
        }

        #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma"))]
        extern "C" fn $on_four(a: f64, b: f64, c: f64, d: f64, _: u64, y: &mut [f64; LANES]) {
            let x = [a, b, c, d];
            for lane in 0..LANES {
                y[lane] = $of(Way::<IN_CODE, false>, x[lane]);
            }
        }

        pub const $wide: Wide =
            Wide { on_lanes: $on_lanes, tag: 0.0, on_one: $on_one, on_four: $on_four };
    )*};
}

elementary! {
    exp, exp_on_any, exp_on_one, exp_on_four, exp_on_lanes, EXP = exp_of;
    expm1, expm1_on_any, expm1_on_one, expm1_on_four, expm1_on_lanes, EXPM1 = expm1_of;
    log, log_on_any, log_on_one, log_on_four, log_on_lanes, LOG = log_of;
    tanh, tanh_on_any, tanh_on_one, tanh_on_four, tanh_on_lanes, TANH = tanh_of;
    sigmoid, sigmoid_on_any, sigmoid_on_one, sigmoid_on_four, sigmoid_on_lanes, SIGMOID = sigmoid_of;
    sin, sin_on_any, sin_on_one, sin_on_four, sin_on_lanes, SIN_ALONE = sin_of;
    cos, cos_on_any, cos_on_one, cos_on_four, cos_on_lanes, COS_ALONE = cos_of;
}

/// Sines and cosines; the tags are quarters of a turn in the bits of a number.
pub const SIN: Wide = Wide {
    on_lanes: sines_on_lanes,
    tag: f64::from_bits(0),
    on_one: SIN_ALONE.on_one,
    on_four: sines_on_four,
};
pub const COS: Wide = Wide { tag: f64::from_bits(1), on_one: COS_ALONE.on_one, ..SIN };

#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma"))]
extern "C" fn sines_on_lanes(area: &mut Area) {
    let [x, quarters, .., y] = area;
    sines(x, &quarters.map(f64::to_bits), y);
}

#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma"))]
extern "C" fn sines_on_four(a: f64, b: f64, c: f64, d: f64, tags: u64, y: &mut [f64; LANES]) {
    sines(&[a, b, c, d], &[tags & 1, tags >> 1 & 1, tags >> 2 & 1, tags >> 3 & 1], y);
}

#[inline(always)]
fn sines(x: &[f64; LANES], quarters: &[u64; LANES], y: &mut [f64; LANES]) {
    for lane in 0..LANES {
        y[lane] = sine_of(Way::<IN_CODE, false>, x[lane], quarters[lane]);
    }
    if !x.iter().all(|&x| is_near(x)) {
        for lane in (0..LANES).filter(|&lane| !is_near(x[lane])) {
            y[lane] = if quarters[lane] == 0 { libm::sin(x[lane]) } else { libm::cos(x[lane]) };
        }
    }
}

/// Whether the machine always fuses multiplications with additions.
const FUSES: bool = cfg!(target_arch = "aarch64");
/// Whether the forms for machine code do.
const IN_CODE: bool = FUSES || cfg!(target_arch = "x86_64");

/// How operations are done: multiplications fused with additions or not, and with jumps where only
/// one of two values is needed or without, as different lanes may need different ones.
#[derive(Copy, Clone)]
struct Way<const FUSED: bool, const JUMPS: bool>;

impl<const FUSED: bool, const JUMPS: bool> Way<FUSED, JUMPS> {
    /// `a * b + c`.
    #[inline(always)]
    fn mul_add(self, a: f64, b: f64, c: f64) -> f64 {
        if FUSED { a.mul_add(b, c) } else { a * b + c }
    }

    #[inline(always)]
    fn either(self, condition: bool, a: impl Fn() -> f64, b: impl Fn() -> f64) -> f64 {
        match (JUMPS, condition) {
            (false, _) => select(condition, a(), b()),
            (true, true) => a(),
            (true, false) => b(),
        }
    }

    /// The value of a polynomial of at most 16 coefficients, lowest first, by neighbours in pairs,
    /// then pairs in pairs and so on, so that few operations wait for one another. G. Estrin
    /// (1960).
    #[inline(always)]
    fn polynomial<const N: usize>(self, x: f64, c: [f64; N]) -> f64 {
        let x2 = x * x;
        let x4 = x2 * x2;
        let two = |k: usize| if k + 1 < N { self.mul_add(x, c[k + 1], c[k]) } else { c[k] };
        let four = |k: usize| {
            if k + 2 < N { self.mul_add(x2, two(k + 2), two(k)) } else { two(k) }
        };
        let eight = |k: usize| {
            if k + 4 < N { self.mul_add(x4, four(k + 4), four(k)) } else { four(k) }
        };
        if N > 8 { self.mul_add(x4 * x4, eight(8), eight(0)) } else { eight(0) }
    }
}

/// `a` if the condition holds, else `b`; never a jump.
#[inline(always)]
fn select(condition: bool, a: f64, b: f64) -> f64 {
    let mask = u64::from(condition).wrapping_neg();
    f64::from_bits(a.to_bits() & mask | b.to_bits() & !mask)
}

/// The rounded sum and its error. D. E. Knuth, "The Art of Computer Programming", volume 2,
/// section 4.2.2.
#[inline(always)]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    let a_part = sum - b_part;
    (sum, (a - a_part) + (b - b_part))
}

/// ln 2 in two parts; the first one times a whole number up to 2^21 is exact.
const LN2: [f64; 2] = [0.6931471803691238, 1.9082149292705877e-10];
const LOG2_E: f64 = std::f64::consts::LOG2_E;

/// Sums with this are whole numbers, above which the lowest 12 bits hold them with 2048 added.
const WHOLE: f64 = 4503599627370496.0 + 2048.0;

/// `exp(x) = 2^n (1 + r + rest)`: r, the rest, and 2^n as a product.
struct Reduced {
    r: f64,
    rest: f64,
    powers: [f64; 2],
}

/// For x between -746 and 710, or NaN.
#[inline(always)]
fn reduced<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> Reduced {
    let shifted = way.mul_add(x, LOG2_E, WHOLE);
    let n = shifted - WHOLE;
    let high = way.mul_add(-n, LN2[0], x);
    let r = way.mul_add(-n, LN2[1], high);
    let lost = way.mul_add(-n, LN2[1], high - r);
    // (exp(r) - 1 - r - r^2/2) / r^3
    let cubic = way.polynomial(
        r,
        [
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
        ],
    );
    let rest = way.mul_add(r * r, way.mul_add(r, cubic, 0.5), lost);
    let both = shifted.to_bits() & 0xfff;
    let first = both >> 1;
    let power = |n: u64| f64::from_bits(n.wrapping_sub(1) << 52);
    Reduced { r, rest, powers: [power(first), power(both - first)] }
}

#[inline(always)]
fn exp_of<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
    let x = select(x > 710.0, 710.0, x);
    let x = select(x < -746.0, -746.0, x);
    let parts = reduced(way, x);
    let (sum, lost) = two_sum(1.0, parts.r);
    (sum + (lost + parts.rest)) * parts.powers[0] * parts.powers[1]
}

/// `exp(x) - 1` as a sum of two numbers, where `2^n` is finite.
#[inline(always)]
fn expm1_parts<const F: bool, const J: bool>(way: Way<F, J>, x: &Reduced) -> (f64, f64) {
    let power = x.powers[0] * x.powers[1];
    let (sum, lost) = two_sum(power - 1.0, power * x.r);
    (sum, way.mul_add(power, x.rest, lost))
}

#[inline(always)]
fn expm1_of<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
    let bounded = select(x > 710.0, 710.0, x);
    let bounded = select(bounded < -40.0, -40.0, bounded);
    let parts = reduced(way, bounded);
    let near = || {
        let (sum, rest) = expm1_parts(way, &parts);
        sum + rest
    };
    let far = || (1.0 + (parts.r + parts.rest)) * parts.powers[0] * parts.powers[1];
    // Keeps the sign of a zero.
    select(x == 0.0, x, way.either(x > 40.0, far, near))
}

/// `e / (e + 2)` with `e = exp(2 |x|) - 1`, corrected by what e and the sum lack.
#[inline(always)]
fn tanh_of<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
    let size = x.abs();
    let size = select(size > 22.0, 22.0, size);
    let (sum, rest) = expm1_parts(way, &reduced(way, 2.0 * size));
    let (e, lost) = two_sum(sum, rest);
    let (below, lost_below) = two_sum(2.0, e);
    let inverse = 1.0 / below;
    let quotient = e / below;
    let correction = way.mul_add(2.0 * lost, inverse, -(quotient * lost_below)) * inverse;
    (quotient + correction).copysign(x)
}

#[inline(always)]
fn sigmoid_of<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
    let e = exp_of(way, -x.abs());
    select(x >= 0.0, 1.0, e) / (1.0 + e)
}

/// Bits of the square root of one half.
const SQRT_HALF: u64 = 0x3fe6a09e667f3bcd;
const MANTISSA: u64 = (1 << 52) - 1;

#[inline(always)]
fn log_of<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
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

/// Half of pi in parts; each of the first two times a whole number up to 2^20 is exact.
const HALF_PI: [f64; 3] = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21];

/// Whether x is less than 2^20 quarters of a turn; not if it is NaN.
#[inline(always)]
fn is_near(x: f64) -> bool {
    x.abs() <= 1.6e6
}

/// Sums with this are whole numbers, above which the lowest bits hold them.
const WHOLE_SIGNED: f64 = 6755399441055744.0;

#[inline(always)]
fn sin_of<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
    if is_near(x) { sine_of(way, x, 0) } else { libm::sin(x) }
}

#[inline(always)]
fn cos_of<const F: bool, const J: bool>(way: Way<F, J>, x: f64) -> f64 {
    if is_near(x) { sine_of(way, x, 1) } else { libm::cos(x) }
}

/// Sine, or cosine: sine one quarter of a turn further on.
#[inline(always)]
fn sine_of<const F: bool, const J: bool>(way: Way<F, J>, x: f64, quarters: u64) -> f64 {
    let shifted = way.mul_add(x, std::f64::consts::FRAC_2_PI, WHOLE_SIGNED);
    let n = shifted - WHOLE_SIGNED;
    let quadrant = shifted.to_bits().wrapping_add(quarters);
    // The rest of x and what it lacks.
    let first = way.mul_add(-n, HALF_PI[0], x);
    let (second, lost) = two_sum(first, -(n * HALF_PI[1]));
    let low = way.mul_add(-n, HALF_PI[2], lost);
    let y = second + low;
    let low = (second - y) + low;
    let z = y * y;
    let sine = || {
        let tail = way.polynomial(
            z,
            [
                0.008333333333333323,
                -0.00019841269841255118,
                2.7557319214218036e-06,
                -2.5052104919001173e-08,
                1.6058367596970276e-10,
                -7.578747054276369e-13,
            ],
        );
        let cube = z * y;
        let rest = way.mul_add(z, way.mul_add(-cube, tail, 0.5 * low), -low);
        y - way.mul_add(cube, 0.16666666666666666, rest)
    };
    let cosine = || {
        let tail = way.polynomial(
            z,
            [
                0.041666666666666664,
                -0.0013888888888888874,
                2.4801587301571523e-05,
                -2.755731921538784e-07,
                2.08767543688554e-09,
                -1.1470293571207977e-11,
                4.7381227433643e-14,
            ],
        );
        let half = 0.5 * z;
        let first = 1.0 - half;
        first + (((1.0 - first) - half) + way.mul_add(-y, low, z * (z * tail)))
    };
    let value = way.either(quadrant & 1 == 0, sine, cosine);
    let value = f64::from_bits(value.to_bits() ^ (quadrant & 2) << 62);
    // Keeps the sign of a zero.
    select((x.abs() < 1e-9) & (quarters == 0), x, value)
}
