//! Sparsity: patterns of structural nonzeros, index maps between vectors of nonzeros,
//! and graph coloring for compressed Jacobians and Hessians.
//!
//! The lowest layer: it knows shapes and indices, nothing of expressions.

mod index_map;
mod pattern;

pub use index_map::{Affine, IndexMap};
pub use pattern::{MAX_NUMEL, Pattern, PatternError};
