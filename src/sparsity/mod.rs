//! Sparsity: patterns of structural nonzeros, index maps between vectors of nonzeros,
//! and graph coloring for compressed Jacobians and Hessians.
//!
//! The lowest layer: it knows shapes and indices, nothing of expressions.

mod acyclic;
pub mod adjacency;
mod blocks;
pub mod check;
mod coloring;
mod compress;
mod dependency;
mod distance2;
mod index_map;
pub(crate) mod limit;
pub mod ordering;
mod pattern;
pub(crate) mod runs;
mod star;

pub use coloring::{
    Coloring, acyclic_coloring, column_coloring, distance2_coloring, row_coloring, star_coloring,
};
pub use compress::{Groups, HessianPlan, JacobianPlan, Read, Side};
pub use dependency::DependencyMatrix;
pub use index_map::{Affine, IndexMap};
pub use pattern::{MAX_NUMEL, Pattern, PatternError};
