//! The matrix functions of the language: one row each, with arity, help text, check and build.
//!
//! A row takes the lowered arguments and gives the node of the result, or the [`Mistake`] that
//! the lowering turns into a diagnostic with spans and names. Elementwise functions are rows of
//! `ops::scalar` instead; `min` and `max` of two arguments too.

mod table;

use crate::graph::{Graph, NodeId};

/// (rows, columns).
pub type Shape = (usize, usize);

/// An argument as lowered.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    pub node: NodeId,
    /// The value, if it is an integer known at compile time.
    pub int: Option<i64>,
}

/// A function from matrices to a matrix.
pub struct MatrixFunction {
    pub name: &'static str,
    pub min_args: usize,
    /// `usize::MAX` if there is no limit.
    pub max_args: usize,
    /// Signature and meaning, one line for the reference page.
    pub doc: &'static str,
    /// Makes the result. The number of arguments has been checked.
    pub build: fn(&mut Graph, &[Arg]) -> Result<NodeId, Mistake>,
    integer: fn(&Graph, &[Arg]) -> Option<i64>,
}

impl MatrixFunction {
    /// The result, if it is an integer known at compile time whatever the arguments are worth:
    /// of `rows`, `cols` and `nnz`.
    pub fn integer(&self, graph: &Graph, args: &[Arg]) -> Option<i64> {
        (self.integer)(graph, args)
    }
}

/// What is wrong with the arguments of a call. Arguments are numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// Must be an integer known at compile time.
    NotAnInteger {
        arg: usize,
    },
    /// A size below zero.
    Negative {
        arg: usize,
    },
    NotSquare {
        arg: usize,
        shape: Shape,
    },
    /// Must be one row or one column.
    NotAVector {
        arg: usize,
        shape: Shape,
        help: Option<String>,
    },
    /// One argument alone has an unfit shape.
    Shape {
        arg: usize,
        shape: Shape,
        message: String,
        help: Option<String>,
    },
    /// Two arguments, each with its number, do not go together.
    Shapes {
        message: String,
        a: (usize, Shape),
        b: (usize, Shape),
        help: Option<String>,
    },
    /// Has no entries, but the function needs some.
    Empty {
        arg: usize,
    },
    /// The result, or a dense value on the way to it, would have more than `limit` entries.
    TooLarge {
        n_rows: u64,
        n_cols: u64,
        limit: u64,
    },
    /// A part of the language that does not exist yet.
    NotThereYet {
        part: &'static str,
    },
}

/// The matrix function of that name.
///
/// ```
/// use nablac::lower::functions;
/// assert!(functions::lookup("kron").is_some() && functions::lookup("sin").is_none());
/// assert_eq!(functions::names().count(), functions::all().len());
/// ```
pub fn lookup(name: &str) -> Option<&'static MatrixFunction> {
    table::FUNCTIONS.iter().find(|f| f.name == name)
}

/// Names of all matrix functions, in the order of the table.
pub fn names() -> impl Iterator<Item = &'static str> {
    table::FUNCTIONS.iter().map(|f| f.name)
}

/// Every row of the table.
pub fn all() -> &'static [MatrixFunction] {
    table::FUNCTIONS
}
