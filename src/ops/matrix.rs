//! Matrix functions as compositions of the few structural operations of the graph.
//!
//! Every function takes operands whose shapes fit (who takes them from a user checks first) and
//! gives a value with its exact sparsity: structural zeros and ones of the operands stay what
//! they are, work is linear in the nonzeros of operands and result. Index maps of dense operands
//! are affine wherever three counters suffice.

mod assembly;
mod products;
mod rearrange;
mod sums;

pub use super::index::transpose;
pub use assembly::{Block, assemble, hcat, vcat};
pub(crate) use products::kron_factors;
pub use products::{cross, dot, kron, outer, power, product, quad_form, skew, trace};
pub use rearrange::{
    Selection, column, diag, element, elements, repmat, reshape, submatrix, tril, triu,
};
pub use sums::{
    cumsum, linspace, logsumexp, norm1, norm2, norm2sq, normfro, norminf, sum_cols, sum_rows,
};

use crate::graph::{Graph, NodeId};
use crate::sparsity::Pattern;

/// The `n` x `n` identity, with a diagonal pattern.
pub fn eye(graph: &mut Graph, n: usize) -> NodeId {
    graph.fill(Pattern::diagonal(n), 1.0)
}

/// A dense matrix of ones.
pub fn ones(graph: &mut Graph, n_rows: usize, n_cols: usize) -> NodeId {
    graph.fill(Pattern::dense(n_rows, n_cols), 1.0)
}
