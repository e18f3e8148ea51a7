//! Elementary functions that do the same operations, in the same order, on one number and on each
//! lane of a vector, so that both give the same bits.
//!
//! Arguments are reduced as in W. J. Cody, W. Waite, "Software Manual for the Elementary
//! Functions" (1980), with the errors of the reduction kept (T. J. Dekker, "A floating-point
//! technique for extending the available precision", 1971). The polynomials are the best ones on
//! the reduced ranges in the relative error of the result, found by Remez's algorithm with 50
//! digits or more. Multiplications are fused with additions where the machine does that, so bits
//! may differ between machines. Each body states its error in units in the last place;
//! `tests/accuracy` measures them.

mod circular;
mod common;
mod errors;
mod exponential;
mod inverse;
mod lanes;
mod logarithms;
mod powers;
mod table;

#[cfg(target_arch = "x86_64")]
use lanes::eight;
use lanes::{four, fused, plain};
use multiversion::multiversion;
use multiversion::target::{match_target, target_cfg_f};

/// Calls that code without vectors of its own makes together.
pub const LANES: usize = 4;

/// Forms of a function for machine code; on x86-64 they need AVX2 and FMA.
#[derive(Copy, Clone)]
pub struct Wide {
    #[cfg(target_arch = "x86_64")]
    pub on_four: Form<four::F>,
    /// Needs AVX-512 F, DQ and VL besides.
    #[cfg(target_arch = "x86_64")]
    pub on_eight: Form<eight::F>,
    /// The last argument of the forms for vectors, in all lanes for this operation: one call of
    /// [`Wide::together`] serves several operations at once.
    pub tag: Option<f64>,
    pub on_one: Form<f64>,
    /// For functions of one argument: takes four numbers, and in the lowest bits of the fifth
    /// argument whether each is to be treated as one with a tag other than 0.
    pub together: Option<Together>,
}

impl Wide {
    /// The address of the form for vectors of four or of eight numbers in registers, where there
    /// are such vectors.
    pub fn on_vectors(&self, lanes: usize) -> Option<usize> {
        #[cfg(target_arch = "x86_64")]
        match lanes {
            4 => return Some(self.on_four.address()),
            8 => return Some(self.on_eight.address()),
            _ => {}
        }
        let _ = lanes;
        None
    }
}

/// A function for machine code of as many numbers, or vectors of them, as it has arguments.
#[derive(Copy, Clone)]
pub enum Form<V> {
    F1(unsafe extern "C" fn(V) -> V),
    F2(unsafe extern "C" fn(V, V) -> V),
}

impl<V> Form<V> {
    pub fn address(self) -> usize {
        match self {
            Form::F1(f) => f as *const () as usize,
            Form::F2(f) => f as *const () as usize,
        }
    }
}

pub type Together = unsafe extern "C" fn(f64, f64, f64, f64, u64, &mut [f64; LANES]);

/// The forms for vectors of a function, which `$four` and `$eight` compute.
macro_rules! on_vectors {
    (($($x:ident),*) $four:expr, $eight:expr) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        #[expect(improper_ctypes_definitions, reason = "vectors pass in registers")]
        pub extern "C" fn on_four($($x: four::F),*) -> four::F {
            $four
        }

        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512dq,avx512vl,fma")]
        #[expect(improper_ctypes_definitions, reason = "vectors pass in registers")]
        pub extern "C" fn on_eight($($x: eight::F),*) -> eight::F {
            $eight
        }
    };
}

/// The table entry of the functions in a module.
macro_rules! wide {
    ($name:ident, $form:ident, together: $together:expr) => {
        Wide {
            #[cfg(target_arch = "x86_64")]
            on_four: Form::$form($name::on_four),
            #[cfg(target_arch = "x86_64")]
            on_eight: Form::$form($name::on_eight),
            tag: None,
            on_one: Form::$form($name::on_one),
            together: $together,
        }
    };
}

/// For each function a form that suits any machine, and those for machine code. Arguments that
/// are not `near` go to another function, one by one.
macro_rules! elementary {
    ($($name:ident $wide:ident = $of:path $(, near $is_near:path, else $far:path)?;)*) => {$(
        pub extern "C" fn $name(x: f64) -> f64 {
            $name::on_any(x)
        }

        mod $name {
            use super::*;

            #[multiversion(targets("x86_64+avx2+fma"))]
            pub fn on_any(x: f64) -> f64 {
                $(if !$is_near(x) {
                    return $far(x);
                })?
                if target_cfg_f!(target_feature = "fma") {
                    $of(Way::<true, true>, x)
                } else {
                    $of(Way::<FUSES, true>, x)
                }
            }

            #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma"))]
            pub extern "C" fn on_one(x: f64) -> f64 {
                $(if !$is_near(x) {
                    return $far(x);
                })?
                $of(Way::<IN_CODE, true>, x)
            }

            #[inline(always)]
            fn each<const N: usize>(x: [f64; N]) -> [f64; N] {
                let mut y = x;
                for lane in 0..N {
                    y[lane] = $of(Way::<IN_CODE, false>, x[lane]);
                }
                $(if !x.iter().all(|&x| $is_near(x)) {
                    for lane in (0..N).filter(|&lane| !$is_near(x[lane])) {
                        y[lane] = $far(x[lane]);
                    }
                })?
                y
            }

            on_vectors! { (x) four::load(each(four::store(x))), eight::load(each(eight::store(x))) }

            #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma"))]
            pub extern "C" fn together(
                a: f64,
                b: f64,
                c: f64,
                d: f64,
                _: u64,
                y: &mut [f64; LANES],
            ) {
                *y = each([a, b, c, d]);
            }
        }

        pub const $wide: Wide = wide!($name, F1, together: Some($name::together));
    )*};
}

elementary! {
    sinh SINH = exponential::sinh;
    cosh COSH = exponential::cosh;
    softplus SOFTPLUS = logarithms::softplus;
    log1p LOG1P = logarithms::log1p;
    log2 LOG2 = logarithms::log2;
    log10 LOG10 = logarithms::log10;
    asinh ASINH = logarithms::asinh;
    acosh ACOSH = logarithms::acosh;
    atanh ATANH = logarithms::atanh;
    tan TAN = circular::tan, near circular::is_near, else libm::tan;
    asin ASIN = inverse::asin;
    acos ACOS = inverse::acos;
    atan ATAN = inverse::atan;
    cbrt CBRT = powers::cbrt;
    erf ERF = errors::erf;
    erfc ERFC = errors::erfc;
}

/// The same for functions that are operations on lanes.
macro_rules! on_lanes {
    ($($name:ident $wide:ident;)*) => {$(
        pub extern "C" fn $name(x: f64) -> f64 {
            $name::on_any(x)
        }

        mod $name {
            use super::*;

            #[multiversion(targets("x86_64+avx2+fma"))]
            pub fn on_any(x: f64) -> f64 {
                match_target! {
                    "x86_64+avx2+fma" => fused::$name(x),
                    _ => plain::$name(x),
                }
            }

            #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma"))]
            pub extern "C" fn on_one(x: f64) -> f64 {
                fused::$name(x)
            }

            on_vectors! { (x) four::$name(x), eight::$name(x) }

            #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma"))]
            pub extern "C" fn together(
                a: f64,
                b: f64,
                c: f64,
                d: f64,
                _: u64,
                y: &mut [f64; LANES],
            ) {
                *y = four::store(four::$name(four::load([a, b, c, d])));
            }
        }

        pub const $wide: Wide = wide!($name, F1, together: Some($name::together));
    )*};
}

on_lanes! {
    exp EXP;
    expm1 EXPM1;
    tanh TANH;
    sigmoid SIGMOID;
    log LOG;
    sin SIN_ALONE;
    cos COS_ALONE;
    fast_sin FAST_SIN_ALONE;
    fast_cos FAST_COS_ALONE;
    fast_tan FAST_TAN;
    fast_log2 FAST_LOG2;
    fast_log10 FAST_LOG10;
    fast_log1p FAST_LOG1P;
    fast_tanh FAST_TANH;
    fast_softplus FAST_SOFTPLUS;
    fast_atan FAST_ATAN;
    fast_asin FAST_ASIN;
    fast_acos FAST_ACOS;
}

/// The same for functions of two arguments.
macro_rules! elementary_2 {
    ($($name:ident $wide:ident = $of:path;)*) => {$(
        pub extern "C" fn $name(a: f64, b: f64) -> f64 {
            $name::on_any(a, b)
        }

        mod $name {
            use super::*;

            #[multiversion(targets("x86_64+avx2+fma"))]
            pub fn on_any(a: f64, b: f64) -> f64 {
                if target_cfg_f!(target_feature = "fma") {
                    $of(Way::<true, true>, a, b)
                } else {
                    $of(Way::<FUSES, true>, a, b)
                }
            }

            #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma"))]
            pub extern "C" fn on_one(a: f64, b: f64) -> f64 {
                $of(Way::<IN_CODE, true>, a, b)
            }

            #[cfg(target_arch = "x86_64")]
            #[inline(always)]
            fn each<const N: usize>(mut a: [f64; N], b: [f64; N]) -> [f64; N] {
                for lane in 0..N {
                    a[lane] = $of(Way::<IN_CODE, false>, a[lane], b[lane]);
                }
                a
            }

            on_vectors! {
                (a, b) four::load(each(four::store(a), four::store(b))),
                eight::load(each(eight::store(a), eight::store(b)))
            }
        }

        pub const $wide: Wide = wide!($name, F2, together: None);
    )*};
}

elementary_2! {
    pow POW = powers::pow;
    hypot HYPOT = powers::hypot;
    atan2 ATAN2 = inverse::atan2;
}

/// Functions whose forms for vectors serve two operations, told apart by tags.
macro_rules! tagged {
    ($($name:ident: $first:ident = $first_alone:ident, $second:ident = $second_alone:ident;)*) => {$(
        mod $name {
            use super::*;

            on_vectors! { (x, tags) four::$name(x, tags), eight::$name(x, tags) }

            #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma"))]
            pub extern "C" fn together(
                a: f64,
                b: f64,
                c: f64,
                d: f64,
                tags: u64,
                y: &mut [f64; LANES],
            ) {
                let tag = |lane: u64| ((tags >> lane & 1) as f64) * 0.5;
                let tags = four::load([tag(0), tag(1), tag(2), tag(3)]);
                *y = four::store(four::$name(four::load([a, b, c, d]), tags));
            }
        }

        pub const $first: Wide = Wide {
            #[cfg(target_arch = "x86_64")]
            on_four: Form::F2($name::on_four),
            #[cfg(target_arch = "x86_64")]
            on_eight: Form::F2($name::on_eight),
            tag: Some(0.0),
            together: Some($name::together),
            ..$first_alone
        };
        pub const $second: Wide = Wide { tag: Some(0.5), on_one: $second_alone.on_one, ..$first };
    )*};
}

// The tags are halves of a turn.
tagged! {
    sine_or_cosine: SIN = SIN_ALONE, COS = COS_ALONE;
    fast_sine_or_cosine: FAST_SIN = FAST_SIN_ALONE, FAST_COS = FAST_COS_ALONE;
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

    /// The rounded product and its error, if nothing overflows or underflows. Without fusing by
    /// halves: G. W. Veltkamp, as Dekker (1971) gives it.
    #[inline(always)]
    fn two_product(self, a: f64, b: f64) -> (f64, f64) {
        let product = a * b;
        if FUSED {
            return (product, a.mul_add(b, -product));
        }
        let halves = |x: f64| {
            let scaled = x * 134217729.0;
            let high = scaled - (scaled - x);
            (high, x - high)
        };
        let ((a, a_low), (b, b_low)) = (halves(a), halves(b));
        (product, ((a * b - product) + a * b_low + a_low * b) + a_low * b_low)
    }

    /// `c - a * b`, where these are close to one another.
    #[inline(always)]
    fn rest(self, c: f64, a: f64, b: f64) -> f64 {
        if FUSED {
            return (-a).mul_add(b, c);
        }
        let (product, lost) = self.two_product(a, b);
        (c - product) - lost
    }

    /// The square root of a sum of two numbers, the second one small.
    #[inline(always)]
    fn root(self, high: f64, low: f64) -> (f64, f64) {
        let root = high.sqrt();
        let double = select(root == 0.0, 1.0, 2.0 * root);
        (root, (self.rest(high, root, root) + low) / double)
    }

    /// The value of a polynomial of at most 24 coefficients, lowest first, by neighbours in pairs,
    /// then pairs in pairs and so on, so that few operations wait for one another. G. Estrin
    /// (1960).
    #[inline(always)]
    fn polynomial<const N: usize>(self, x: f64, c: [f64; N]) -> f64 {
        let x2 = x * x;
        let x4 = x2 * x2;
        let x8 = x4 * x4;
        let two = |k: usize| if k + 1 < N { self.mul_add(x, c[k + 1], c[k]) } else { c[k] };
        let four = |k: usize| {
            if k + 2 < N { self.mul_add(x2, two(k + 2), two(k)) } else { two(k) }
        };
        let eight = |k: usize| {
            if k + 4 < N { self.mul_add(x4, four(k + 4), four(k)) } else { four(k) }
        };
        match N {
            ..=8 => eight(0),
            9..=16 => self.mul_add(x8, eight(8), eight(0)),
            _ => self.mul_add(x8, self.mul_add(x8, eight(16), eight(8)), eight(0)),
        }
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
pub(super) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    let a_part = sum - b_part;
    (sum, (a - a_part) + (b - b_part))
}

/// The same for a first number that is zero or not smaller than the second one. Dekker (1971).
#[inline(always)]
pub(super) fn quick_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    (sum, b - (sum - a))
}
