//! Mistakes made while building, with the place in the caller's source where each was made.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::diff::DiffError;
use crate::lower::functions::{Mistake, Shape};
use crate::sparsity::{Pattern, PatternError};

/// All mistakes of one builder, in the order in which they were made. Never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct BuildErrors(pub Vec<BuildError>);

/// One mistake.
#[derive(Clone, Debug, PartialEq)]
pub struct BuildError {
    /// The line that called the builder.
    pub location: &'static Location<'static>,
    pub kind: BuildErrorKind,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BuildErrorKind {
    /// Operands of an elementwise operation, or a value and what takes it, differ in shape.
    Shapes {
        what: String,
        shapes: Vec<Shape>,
        help: Option<&'static str>,
    },
    /// The arguments of a matrix function do not fit.
    Function {
        name: &'static str,
        mistake: Mistake,
    },
    /// A value belongs to another builder, or to none.
    Foreign,
    /// A name that is used twice among the inputs or among the outputs.
    Duplicate {
        name: String,
    },
    /// A name that is no identifier: letters, digits and `_`, not beginning with a digit.
    Name {
        name: String,
    },
    /// A name that does not exist.
    Unknown {
        what: &'static str,
        name: String,
        known: Vec<Arc<str>>,
    },
    /// A wrong number of arguments, values, ...
    Count {
        what: String,
        expected: usize,
        given: usize,
    },
    /// An index beyond the end.
    Index {
        index: u64,
        end: u64,
    },
    /// Iterations of a loop that read or write outside of a value with `n_entries`.
    Window {
        what: String,
        n_entries: usize,
    },
    /// A value has entries where the function that takes it has structural zeros.
    Pattern {
        what: String,
        given: Pattern,
        expected: Pattern,
    },
    /// A derivative, or the condition of a choice, of a matrix.
    NotAScalar {
        what: &'static str,
        shape: Shape,
    },
    /// A derivative by a value that is neither an input nor made by `named`.
    NotATarget,
    Derivative(DiffError),
    /// A maximum or minimum over nothing.
    Empty {
        what: &'static str,
    },
    TooLarge(PatternError),
    /// The function has no outputs.
    NoOutputs,
}

impl From<DiffError> for BuildErrorKind {
    fn from(e: DiffError) -> BuildErrorKind {
        BuildErrorKind::Derivative(e)
    }
}

impl From<PatternError> for BuildErrorKind {
    fn from(e: PatternError) -> BuildErrorKind {
        BuildErrorKind::TooLarge(e)
    }
}

impl fmt::Display for BuildErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (k, error) in self.0.iter().enumerate() {
            if k > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for BuildErrors {}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.kind)
    }
}

impl std::error::Error for BuildError {}

impl fmt::Display for BuildErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use BuildErrorKind as K;
        match self {
            K::Shapes { what, shapes, help } => {
                let shapes: Vec<String> = shapes.iter().map(|s| text(*s)).collect();
                write!(f, "shapes do not fit in {what}: {}", shapes.join(" and "))?;
                match help {
                    Some(help) => write!(f, "; {help}"),
                    None => Ok(()),
                }
            }
            K::Function { name, mistake } => function_mistake(f, name, mistake),
            K::Foreign => write!(f, "a value of another builder"),
            K::Duplicate { name } => write!(f, "the name `{name}` is used twice"),
            K::Name { name } => write!(
                f,
                "`{name}` is no name: letters, digits and `_`, not beginning with a digit"
            ),
            K::Unknown { what, name, known } => {
                write!(f, "there is no {what} `{name}`; there are: {}", known.join(", "))
            }
            K::Count { what, expected, given } => {
                write!(f, "{what}: expected {expected}, given {given}")
            }
            K::Index { index, end } => write!(f, "index {index} of {end} entries"),
            K::Window { what, n_entries } => {
                write!(f, "{what} leaves a value of {n_entries} entries in some iteration")
            }
            K::Pattern { what, given, expected } => {
                write!(f, "{what} has entries where the function has structural zeros: ")?;
                let counts = (given.nnz(), expected.nnz());
                write!(f, "{} nonzeros, expected {}", counts.0, counts.1)?;
                match given.first_outside(expected) {
                    Some((row, col)) => write!(f, "; the first is [{row}, {col}]"),
                    None => Ok(()),
                }
            }
            K::NotAScalar { what, shape } => {
                write!(f, "{what} is a scalar, this is {}", text(*shape))
            }
            K::NotATarget => write!(
                f,
                "a derivative by a value that is neither an input nor named; make it \
                 `let z = g.named(z)` and use that from there on"
            ),
            K::Derivative(e) => e.fmt(f),
            K::Empty { what } => write!(f, "{what} over nothing has no value"),
            K::TooLarge(e) => e.fmt(f),
            K::NoOutputs => write!(f, "the function has no outputs"),
        }
    }
}

fn text((n_rows, n_cols): Shape) -> String {
    format!("{n_rows}x{n_cols}")
}

fn function_mistake(f: &mut fmt::Formatter<'_>, name: &str, mistake: &Mistake) -> fmt::Result {
    let tail = |f: &mut fmt::Formatter<'_>, help: &Option<String>| match help {
        Some(help) => write!(f, "; {help}"),
        None => Ok(()),
    };
    match mistake {
        Mistake::NotAnInteger { arg } => {
            write!(f, "argument {} of `{name}` is an integer", arg + 1)
        }
        Mistake::Negative { arg } => write!(f, "argument {} of `{name}` is negative", arg + 1),
        Mistake::NotSquare { shape, .. } => {
            write!(f, "`{name}` needs a square matrix, this is {}", text(*shape))
        }
        Mistake::NotAVector { shape, help, .. } => {
            write!(f, "`{name}` needs a vector, this is {}", text(*shape))?;
            tail(f, help)
        }
        Mistake::Shape { arg, shape, message, help } => {
            write!(f, "argument {} of `{name}`, {}: {message}", arg + 1, text(*shape))?;
            tail(f, help)
        }
        Mistake::Shapes { message, a, b, help } => {
            write!(f, "{message}: {} and {}", text(a.1), text(b.1))?;
            tail(f, help)
        }
        Mistake::Empty { .. } => write!(f, "`{name}` of no entries has no value"),
        Mistake::TooLarge { n_rows, n_cols, limit } => {
            write!(f, "the result of `{name}` is {n_rows}x{n_cols}; the limit is {limit} entries")
        }
        Mistake::NotThereYet { part } => write!(f, "`{name}` ({part}): not there yet"),
    }
}
