//! How many digits an evaluation loses, and where: every operation of a kernel is done as engines
//! do it and on real numbers of 115 digits side by side.

mod blame;
mod functions;
mod precise;
mod run;

use std::fmt;
use std::rc::Rc;

pub use astro_float::BigFloat;
pub use blame::Step;
pub use precise::{Precise, digits_lost, from_f64, to_f64};
pub use run::run;

/// A number as engines compute it, and what it is.
#[derive(Clone)]
pub struct Twin {
    pub found: f64,
    pub exact: BigFloat,
    /// Decimal digits that `found` has lost, see [`digits_lost`].
    pub lost: f64,
    /// The operation that lost most of them, and how many of those it lost are missing here.
    pub(self) blame: Option<(f64, Rc<Step>)>,
}

impl Twin {
    /// A number that is what it is.
    pub fn new(value: f64) -> Twin {
        Twin { found: value, exact: from_f64(value), lost: 0.0, blame: None }
    }

    /// The operation that lost most digits, if any got lost.
    pub fn step(&self) -> Option<&Step> {
        self.blame.as_ref().map(|(_, step)| &**step)
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq)]
pub enum AccuracyError {
    /// The kernel does more operations than [`MAX_OPERATIONS`].
    TooLong(u64),
    /// A value is out of its declared range: function, input, value.
    Range(String, String, f64),
    /// An external function failed.
    External(String),
    Cancelled,
    NoMemory,
}

/// Most operations of one evaluation that are followed.
pub const MAX_OPERATIONS: u64 = 100_000_000;

impl fmt::Display for AccuracyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AccuracyError::TooLong(n) => write!(
                f,
                "one evaluation takes about {n} operations; at most {MAX_OPERATIONS} are followed \
                 in many digits"
            ),
            AccuracyError::Range(function, input, value) => {
                write!(f, "`{input}` of `{function}` is {value}, out of its declared range")
            }
            AccuracyError::External(message) => f.write_str(message),
            AccuracyError::Cancelled => f.write_str("cancelled"),
            AccuracyError::NoMemory => f.write_str("there is not enough memory"),
        }
    }
}

impl std::error::Error for AccuracyError {}
