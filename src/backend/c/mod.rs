//! The C engine and the C exporter.
//!
//! Takes kernels with their named inputs and outputs and gives C99 in CasADi's calling
//! convention: [`emit`] writes a source file and its header, [`CEngine`] compiles and loads one.

mod body;
mod engine;
mod header;
mod names;
mod plan;
mod source;
mod symbols;
mod text;

use std::sync::Arc;

pub use engine::{CEngine, CEngineError};

use crate::kernel::ir::Kernel;
use crate::sparsity::Pattern;

/// A function to export.
#[derive(Clone, Debug)]
pub struct CFunction {
    /// Name of the C function, and the beginning of the names of its companions.
    pub name: String,
    /// One for each argument of the kernel.
    pub inputs: Vec<CPort>,
    /// One for each result of the kernel.
    pub outputs: Vec<CPort>,
    pub kernel: Arc<Kernel>,
}

/// An input or output of a [`CFunction`].
#[derive(Clone, Debug)]
pub struct CPort {
    pub name: String,
    pub pattern: Pattern,
    /// Value of each nonzero when the caller gives none; only of inputs.
    pub default: Option<Vec<f64>>,
    /// Physical unit, for the comment in the header.
    pub unit: Option<String>,
}

/// What the C text may depend on.
#[derive(Clone, Debug, Default)]
pub struct COptions {
    pub int_type: IntType,
    /// For a library that this program loads itself: externals and the cancel flag are reached
    /// through exported pointers that the loader sets. Otherwise externals are declared `extern`
    /// for the linker to find, and nothing can be cancelled.
    pub hosted: bool,
}

/// The C type that stands for `casadi_int`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IntType {
    /// `long long int`, as CasADi has it.
    #[default]
    LongLong,
    /// `int`, as acados wants it.
    Int,
}

/// The text of a generated pair of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CFiles {
    /// Text of `file_base.c`, complete without the header.
    pub source: String,
    /// Text of `file_base.h`.
    pub header: String,
}

/// Why functions cannot be written in C.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmitError {
    /// The name is not an identifier, or C or its library has it already.
    BadName { name: String },
    /// Two functions of the file would define or declare the same symbol.
    Duplicate { symbol: String },
    /// A size does not fit the integer type.
    TooLarge { function: String, size: usize, limit: usize },
    /// Ports and kernel do not match: an internal error.
    Mismatch { function: String },
}

impl std::fmt::Display for EmitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EmitError::BadName { name } => {
                write!(f, "`{name}` cannot be the name of a C function; choose another")
            }
            EmitError::Duplicate { symbol } => {
                write!(f, "two functions of the C file would define `{symbol}`")
            }
            EmitError::TooLarge { function, size, limit } => write!(
                f,
                "`{function}` needs arrays of {size} numbers, more than the {limit} that the \
                 integer type can index"
            ),
            EmitError::Mismatch { function } => {
                write!(f, "internal error: the ports of `{function}` do not fit its kernel")
            }
        }
    }
}

impl std::error::Error for EmitError {}

/// Writes `functions` as C99 source `file_base.c` and header `file_base.h`.
///
/// For each function `f` the source defines `f`, `f_work`, `f_n_in`, `f_name_in`,
/// `f_sparsity_in`, `f_default_in`, the same for `out`, and `f_checkout`, `f_release`,
/// `f_incref`, `f_decref`, as `casadi.external` looks them up.
///
/// ```
/// use std::sync::Arc;
/// use nablac::backend::c::{CFunction, COptions, CPort, emit};
/// let f = nablac::model::Model::parse("f.nab", "input x\noutput y = x * x").function()?;
/// let port = |name: &str| CPort {
///     name: name.to_owned(),
///     pattern: nablac::sparsity::Pattern::scalar(),
///     default: None,
///     unit: None,
/// };
/// let function = CFunction {
///     name: "square".to_owned(),
///     inputs: vec![port("x")],
///     outputs: vec![port("y")],
///     kernel: Arc::new(nablac::kernel::build(f.func())),
/// };
/// let files = emit("square", &[function], &COptions::default())?;
/// assert!(files.header.contains("int square("));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn emit(
    file_base: &str,
    functions: &[CFunction],
    options: &COptions,
) -> Result<CFiles, EmitError> {
    let source = source::write(file_base, functions, options)?;
    let header = header::write(file_base, functions, &source);
    Ok(CFiles { source: source.text, header })
}
