//! nablac

pub mod backend;
pub mod graph;
pub mod kernel;
pub mod ops;
pub mod sparsity;
