//! Names of C functions: which are taken, and fresh ones for what is not exported.

use std::collections::HashSet;

use super::text::{identifier, is_identifier};
use super::{CFunction, EmitError};

/// What follows the name of an exported function in the names of its companions.
pub const COMPANIONS: [&str; 13] = [
    "",
    "_checkout",
    "_release",
    "_incref",
    "_decref",
    "_n_in",
    "_n_out",
    "_default_in",
    "_name_in",
    "_name_out",
    "_sparsity_in",
    "_sparsity_out",
    "_work",
];

/// The symbols of one C file.
#[derive(Default)]
pub struct Names {
    taken: HashSet<String>,
}

impl Names {
    /// Reserves the symbols of the exported functions.
    pub fn new(functions: &[CFunction]) -> Result<Names, EmitError> {
        let mut names = Names::default();
        for function in functions {
            check(&function.name)?;
            for companion in COMPANIONS {
                let symbol = format!("{}{companion}", function.name);
                if !names.taken.insert(symbol.clone()) {
                    return Err(EmitError::Duplicate { symbol });
                }
            }
        }
        Ok(names)
    }

    /// Reserves the name of an external function; the same external may come again.
    pub fn external(&mut self, name: &str) -> Result<(), EmitError> {
        check(name)?;
        if !self.taken.insert(name.to_string()) {
            return Err(EmitError::Duplicate { symbol: name.to_string() });
        }
        Ok(())
    }

    /// A name that nothing else has, made from `base`.
    pub fn fresh(&mut self, base: &str) -> String {
        let base = identifier(base);
        let mut name = base.clone();
        let mut count = 1;
        while !self.taken.insert(name.clone()) {
            count += 1;
            name = format!("{base}_{count}");
        }
        name
    }
}

/// Refuses names that are no identifier or mean something in C, C++ or the headers we include.
fn check(name: &str) -> Result<(), EmitError> {
    let reserved = name.starts_with("nablac_")
        || name.starts_with("casadi_")
        || name.starts_with("__")
        || KEYWORDS.split_whitespace().any(|word| word == name)
        || LIBRARY.split_whitespace().any(|word| {
            // the float and long double variants are reserved too
            word == name || name.strip_suffix(['f', 'l']) == Some(word)
        });
    if reserved || !is_identifier(name) {
        return Err(EmitError::BadName { name: name.to_string() });
    }
    Ok(())
}

const KEYWORDS: &str = "
    auto break case char const continue default do double else enum extern float for goto if inline
    int long register restrict return short signed sizeof static struct switch typedef union
    unsigned void volatile while alignas alignof and and_eq asm bitand bitor bool catch char16_t
    char32_t class compl const_cast constexpr decltype delete dynamic_cast explicit export false
    friend mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected
    public reinterpret_cast static_assert static_cast template this thread_local throw true try
    typeid typename using virtual wchar_t xor xor_eq main";

const LIBRARY: &str = "
    acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh drem erf erfc exp exp2 exp10
    expm1 fabs fdim finite floor fma fmax fmin fmod frexp gamma gamma_r hypot ilogb infinity isinf
    isnan isfinite isnormal isgreater isless signbit j0 j1 jn ldexp lgamma lgamma_r llrint llround
    log log10 log1p log2 logb lrint lround modf nan NAN INFINITY HUGE_VAL nearbyint nextafter
    nexttoward pow pow10 remainder remquo rint round scalb scalbln scalbn signgam significand sin
    sincos sinh sqrt tan tanh tgamma trunc y0 y1 yn fpclassify isunordered";
