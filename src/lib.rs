//! nablac

pub mod graph;
pub mod kernel;
pub mod ops;
pub mod sparsity;
pub mod syntax;
