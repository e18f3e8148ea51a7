//! Operations: the table of elementwise operations, and one file per structural operation.
//!
//! What an operation means for derivatives and dependencies stands with the operation; the
//! drivers that walk the graph are in `diff`, how values become kernels in `kernel`.

pub(crate) mod accumulation;
pub(crate) mod context;
pub(crate) mod math;
pub mod matrix;
pub mod scalar;

mod call;
mod cond;
mod dependencies;
pub mod elementwise;
mod index;
mod leaf;
mod matmul;
mod reduce;
mod repeat;
mod surrogate;

use crate::graph::{NodeId, Op};
use accumulation::Accumulation;
use context::{Cotangents, MissingDerivative, Tangents};

pub(crate) use dependencies::Dependencies;
pub(crate) use index::is_transpose;
pub use index::{transpose, without_transposes};

/// The rules of one kind of node. No method has a default: a new operation states everything.
pub(crate) trait Rules: Sync {
    /// Sets the tangents of node `id` from those of its arguments.
    fn tangent(&self, cx: &mut Tangents, id: NodeId) -> Result<(), MissingDerivative>;

    /// Adds to the cotangents of the arguments of node `id` what its own cotangent implies.
    fn cotangent(&self, cx: &mut Cotangents, id: NodeId) -> Result<(), MissingDerivative>;

    /// Sets on which seeds the nonzeros of node `id` depend, from those of its arguments.
    fn dependency(&self, cx: &mut Dependencies, id: NodeId);

    /// Sets the Jacobian of node `id` from those of its arguments.
    fn jacobian(&self, cx: &mut Accumulation, id: NodeId) -> Result<(), MissingDerivative>;
}

/// The rules of an operation.
pub(crate) fn rules(op: Op) -> &'static dyn Rules {
    match op {
        Op::Const | Op::Input => &leaf::Leaf,
        Op::Mark => &leaf::Mark,
        Op::Result => &leaf::ResultOf,
        Op::Scalar(_) => &elementwise::Elementwise,
        Op::Gather => &index::Gather,
        Op::Scatter => &index::Scatter,
        Op::Concat => &index::Concat,
        Op::MatMul => &matmul::MatMul,
        Op::Reduce(_) => &reduce::Reduce,
        Op::Call => &call::Call,
        Op::Loop => &repeat::Repeat,
        Op::Cond => &cond::Cond,
    }
}
