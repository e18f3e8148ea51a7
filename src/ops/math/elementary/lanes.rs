//! Operations on one number, on four and on eight by the same names, and in each of these modules the
//! functions of [`super::common`], made of them: in vectors that do not depend on what a compiler
//! makes of loops.
//!
//! `F` are numbers, `U` their bits or whole numbers, `M` conditions. `ALONE` says whether it is one
//! number, whose case a jump can choose.

/// Operations on one number.
macro_rules! one_number {
    ($make:ident) => {
        pub type F = f64;
        pub type U = u64;
        pub type M = bool;
        pub const ALONE: bool = true;

        $make! {
            pub fn same(a: f64) -> F { a }
            pub fn whole(a: u64) -> U { a }
            pub fn add(a: F, b: F) -> F { a + b }
            pub fn sub(a: F, b: F) -> F { a - b }
            pub fn mul(a: F, b: F) -> F { a * b }
            pub fn div(a: F, b: F) -> F { a / b }
            pub fn mul_add(a: F, b: F, c: F) -> F {
                if FUSED { a.mul_add(b, c) } else { a * b + c }
            }
            pub fn sqrt(a: F) -> F { a.sqrt() }
            pub fn abs(a: F) -> F { a.abs() }
            pub fn with_sign(a: F, of: F) -> F { a.copysign(of) }
            pub fn bits(a: F) -> U { a.to_bits() }
            pub fn number(a: U) -> F { f64::from_bits(a) }
            pub fn plus(a: U, b: U) -> U { a.wrapping_add(b) }
            pub fn minus(a: U, b: U) -> U { a.wrapping_sub(b) }
            pub fn and(a: U, b: U) -> U { a & b }
            pub fn or(a: U, b: U) -> U { a | b }
            pub fn xor(a: U, b: U) -> U { a ^ b }
            pub fn left<const N: i32>(a: U) -> U { a << N }
            pub fn right<const N: i32>(a: U) -> U { a >> N }
            pub fn is_below(a: F, b: F) -> M { a < b }
            pub fn is_at_most(a: F, b: F) -> M { a <= b }
            pub fn is_odd(a: U) -> M { a & 1 != 0 }
            pub fn both(a: M, b: M) -> M { a & b }
            pub fn all(a: M) -> bool { a }
            pub fn select(which: M, a: F, b: F) -> F { one_of(which, a, b) }
            /// `y`, or where it does not hold a function of `x`.
            pub fn or_else(holds: M, y: F, x: F, f: impl Fn(f64) -> f64) -> F {
                if holds { y } else { f(x) }
            }
            /// The same for functions of two arguments.
            pub fn or_else_2(holds: M, y: F, a: F, b: F, f: impl Fn(f64, f64) -> f64) -> F {
                if holds { y } else { f(a, b) }
            }
        }
    };
}

/// One number without fused operations, but on machines that always fuse.
#[allow(dead_code)] // vectors use more of it
pub mod plain {
    use super::super::{FUSES as FUSED, select as one_of};

    macro_rules! make {
        ($($item:item)*) => { $(#[inline] $item)* };
    }
    one_number! { make }
    super::super::common::functions! { make }
}

/// One number with fused operations; on x86-64 it needs AVX2 and FMA.
#[allow(dead_code)] // vectors use more of it
pub mod fused {
    use super::super::{IN_CODE as FUSED, select as one_of};

    macro_rules! make {
        ($($item:item)*) => { $(
            #[inline]
            #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma"))]
            $item
        )* };
    }
    one_number! { make }
    super::super::common::functions! { make }
}

/// Four numbers; needs AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
pub mod four {
    use std::arch::x86_64::*;

    pub const ALONE: bool = false;
    pub const FUSED: bool = true;
    pub type F = __m256d;
    pub type U = __m256i;
    pub type M = __m256d;

    macro_rules! make {
        ($($item:item)*) => { $(
            #[inline]
            #[target_feature(enable = "avx2,fma")]
            $item
        )* };
    }

    make! {
        pub fn load(x: [f64; 4]) -> F { zerocopy::transmute!(x) }
        pub fn store(a: F) -> [f64; 4] { zerocopy::transmute!(a) }
        pub fn same(a: f64) -> F { _mm256_set1_pd(a) }
        pub fn whole(a: u64) -> U { _mm256_set1_epi64x(a as i64) }
        pub fn add(a: F, b: F) -> F { _mm256_add_pd(a, b) }
        pub fn sub(a: F, b: F) -> F { _mm256_sub_pd(a, b) }
        pub fn mul(a: F, b: F) -> F { _mm256_mul_pd(a, b) }
        pub fn div(a: F, b: F) -> F { _mm256_div_pd(a, b) }
        pub fn mul_add(a: F, b: F, c: F) -> F { _mm256_fmadd_pd(a, b, c) }
        pub fn sqrt(a: F) -> F { _mm256_sqrt_pd(a) }
        pub fn abs(a: F) -> F { _mm256_andnot_pd(same(-0.0), a) }
        pub fn with_sign(a: F, of: F) -> F {
            _mm256_or_pd(_mm256_andnot_pd(same(-0.0), a), _mm256_and_pd(same(-0.0), of))
        }
        pub fn bits(a: F) -> U { _mm256_castpd_si256(a) }
        pub fn number(a: U) -> F { _mm256_castsi256_pd(a) }
        pub fn plus(a: U, b: U) -> U { _mm256_add_epi64(a, b) }
        pub fn minus(a: U, b: U) -> U { _mm256_sub_epi64(a, b) }
        pub fn and(a: U, b: U) -> U { _mm256_and_si256(a, b) }
        pub fn or(a: U, b: U) -> U { _mm256_or_si256(a, b) }
        pub fn xor(a: U, b: U) -> U { _mm256_xor_si256(a, b) }
        pub fn left<const N: i32>(a: U) -> U { _mm256_slli_epi64::<N>(a) }
        pub fn right<const N: i32>(a: U) -> U { _mm256_srli_epi64::<N>(a) }
        pub fn is_below(a: F, b: F) -> M { _mm256_cmp_pd::<_CMP_LT_OQ>(a, b) }
        pub fn is_at_most(a: F, b: F) -> M { _mm256_cmp_pd::<_CMP_LE_OQ>(a, b) }
        /// By the highest bit, as [`select`] and [`all`] look at no other.
        pub fn is_odd(a: U) -> M { number(left::<63>(a)) }
        pub fn both(a: M, b: M) -> M { _mm256_and_pd(a, b) }
        pub fn all(a: M) -> bool { _mm256_movemask_pd(a) == 15 }
        pub fn select(which: M, a: F, b: F) -> F { _mm256_blendv_pd(b, a, which) }
        pub fn or_else(holds: M, y: F, x: F, f: impl Fn(f64) -> f64) -> F {
            if all(holds) { y } else { one_by_one(holds, y, x, x, |x, _| f(x)) }
        }
        pub fn or_else_2(holds: M, y: F, a: F, b: F, f: impl Fn(f64, f64) -> f64) -> F {
            if all(holds) { y } else { one_by_one(holds, y, a, b, f) }
        }
    }

    #[cold]
    #[inline(never)]
    #[target_feature(enable = "avx2,fma")]
    fn one_by_one(holds: M, y: F, a: F, b: F, f: impl Fn(f64, f64) -> f64) -> F {
        let which = _mm256_movemask_pd(holds);
        let (mut values, a, b) = (store(y), store(a), store(b));
        for lane in (0..4).filter(|lane| which >> lane & 1 == 0) {
            values[lane] = f(a[lane], b[lane]);
        }
        load(values)
    }
    super::super::common::functions! { make }
}

/// Eight numbers; needs AVX-512 F, DQ and VL.
#[cfg(target_arch = "x86_64")]
pub mod eight {
    use std::arch::x86_64::*;

    pub const ALONE: bool = false;
    pub const FUSED: bool = true;
    pub type F = __m512d;
    pub type U = __m512i;
    pub type M = __mmask8;

    macro_rules! make {
        ($($item:item)*) => { $(
            #[inline]
            #[target_feature(enable = "avx512f,avx512dq,avx512vl,fma")]
            $item
        )* };
    }

    make! {
        pub fn load(x: [f64; 8]) -> F { zerocopy::transmute!(x) }
        pub fn store(a: F) -> [f64; 8] { zerocopy::transmute!(a) }
        pub fn same(a: f64) -> F { _mm512_set1_pd(a) }
        pub fn whole(a: u64) -> U { _mm512_set1_epi64(a as i64) }
        pub fn add(a: F, b: F) -> F { _mm512_add_pd(a, b) }
        pub fn sub(a: F, b: F) -> F { _mm512_sub_pd(a, b) }
        pub fn mul(a: F, b: F) -> F { _mm512_mul_pd(a, b) }
        pub fn div(a: F, b: F) -> F { _mm512_div_pd(a, b) }
        pub fn mul_add(a: F, b: F, c: F) -> F { _mm512_fmadd_pd(a, b, c) }
        pub fn sqrt(a: F) -> F { _mm512_sqrt_pd(a) }
        pub fn abs(a: F) -> F { _mm512_andnot_pd(same(-0.0), a) }
        pub fn with_sign(a: F, of: F) -> F {
            _mm512_or_pd(_mm512_andnot_pd(same(-0.0), a), _mm512_and_pd(same(-0.0), of))
        }
        pub fn bits(a: F) -> U { _mm512_castpd_si512(a) }
        pub fn number(a: U) -> F { _mm512_castsi512_pd(a) }
        pub fn plus(a: U, b: U) -> U { _mm512_add_epi64(a, b) }
        pub fn minus(a: U, b: U) -> U { _mm512_sub_epi64(a, b) }
        pub fn and(a: U, b: U) -> U { _mm512_and_si512(a, b) }
        pub fn or(a: U, b: U) -> U { _mm512_or_si512(a, b) }
        pub fn xor(a: U, b: U) -> U { _mm512_xor_si512(a, b) }
        pub fn left<const N: u32>(a: U) -> U { _mm512_slli_epi64::<N>(a) }
        pub fn right<const N: u32>(a: U) -> U { _mm512_srli_epi64::<N>(a) }
        pub fn is_below(a: F, b: F) -> M { _mm512_cmp_pd_mask::<_CMP_LT_OQ>(a, b) }
        pub fn is_at_most(a: F, b: F) -> M { _mm512_cmp_pd_mask::<_CMP_LE_OQ>(a, b) }
        pub fn is_odd(a: U) -> M { _mm512_test_epi64_mask(a, whole(1)) }
        pub fn both(a: M, b: M) -> M { a & b }
        pub fn all(a: M) -> bool { a == 0xff }
        pub fn select(which: M, a: F, b: F) -> F { _mm512_mask_blend_pd(which, b, a) }
        pub fn or_else(holds: M, y: F, x: F, f: impl Fn(f64) -> f64) -> F {
            if all(holds) { y } else { one_by_one(holds, y, x, x, |x, _| f(x)) }
        }
        pub fn or_else_2(holds: M, y: F, a: F, b: F, f: impl Fn(f64, f64) -> f64) -> F {
            if all(holds) { y } else { one_by_one(holds, y, a, b, f) }
        }
    }

    #[cold]
    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,fma")]
    fn one_by_one(holds: M, y: F, a: F, b: F, f: impl Fn(f64, f64) -> f64) -> F {
        let (mut values, a, b) = (store(y), store(a), store(b));
        for lane in (0..8).filter(|lane| holds >> lane & 1 == 0) {
            values[lane] = f(a[lane], b[lane]);
        }
        load(values)
    }
    super::super::common::functions! { make }
}

/// Four numbers on machines whose vectors the compiler is left to use.
#[cfg(not(target_arch = "x86_64"))]
pub mod four {
    use super::super::{IN_CODE as FUSED, select as one_of};
    use std::array::from_fn;

    pub const ALONE: bool = false;
    pub type F = [f64; 4];
    pub type U = [u64; 4];
    pub type M = [bool; 4];

    macro_rules! make {
        ($($item:item)*) => { $(#[inline] $item)* };
    }

    make! {
        pub fn load(x: [f64; 4]) -> F { x }
        pub fn store(a: F) -> [f64; 4] { a }
        pub fn same(a: f64) -> F { [a; 4] }
        pub fn whole(a: u64) -> U { [a; 4] }
        pub fn add(a: F, b: F) -> F { from_fn(|k| a[k] + b[k]) }
        pub fn sub(a: F, b: F) -> F { from_fn(|k| a[k] - b[k]) }
        pub fn mul(a: F, b: F) -> F { from_fn(|k| a[k] * b[k]) }
        pub fn div(a: F, b: F) -> F { from_fn(|k| a[k] / b[k]) }
        pub fn mul_add(a: F, b: F, c: F) -> F {
            from_fn(|k| if FUSED { a[k].mul_add(b[k], c[k]) } else { a[k] * b[k] + c[k] })
        }
        pub fn sqrt(a: F) -> F { a.map(f64::sqrt) }
        pub fn abs(a: F) -> F { a.map(f64::abs) }
        pub fn with_sign(a: F, of: F) -> F { from_fn(|k| a[k].copysign(of[k])) }
        pub fn bits(a: F) -> U { a.map(f64::to_bits) }
        pub fn number(a: U) -> F { a.map(f64::from_bits) }
        pub fn plus(a: U, b: U) -> U { from_fn(|k| a[k].wrapping_add(b[k])) }
        pub fn minus(a: U, b: U) -> U { from_fn(|k| a[k].wrapping_sub(b[k])) }
        pub fn and(a: U, b: U) -> U { from_fn(|k| a[k] & b[k]) }
        pub fn or(a: U, b: U) -> U { from_fn(|k| a[k] | b[k]) }
        pub fn xor(a: U, b: U) -> U { from_fn(|k| a[k] ^ b[k]) }
        pub fn left<const N: i32>(a: U) -> U { a.map(|a| a << N) }
        pub fn right<const N: i32>(a: U) -> U { a.map(|a| a >> N) }
        pub fn is_below(a: F, b: F) -> M { from_fn(|k| a[k] < b[k]) }
        pub fn is_at_most(a: F, b: F) -> M { from_fn(|k| a[k] <= b[k]) }
        pub fn is_odd(a: U) -> M { a.map(|a| a & 1 != 0) }
        pub fn both(a: M, b: M) -> M { from_fn(|k| a[k] & b[k]) }
        pub fn all(a: M) -> bool { a == [true; 4] }
        pub fn select(which: M, a: F, b: F) -> F { from_fn(|k| one_of(which[k], a[k], b[k])) }
        pub fn or_else(holds: M, y: F, x: F, f: impl Fn(f64) -> f64) -> F {
            from_fn(|k| if holds[k] { y[k] } else { f(x[k]) })
        }
        pub fn or_else_2(holds: M, y: F, a: F, b: F, f: impl Fn(f64, f64) -> f64) -> F {
            from_fn(|k| if holds[k] { y[k] } else { f(a[k], b[k]) })
        }
    }
    super::super::common::functions! { make }
}
