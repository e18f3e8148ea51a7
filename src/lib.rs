//! nablac
pub mod sparsity;
