//! nablac

pub mod backend;
pub mod builder;
pub mod diff;
pub mod function;
pub mod graph;
pub mod kernel;
pub mod lower;
pub mod ops;
pub mod simplify;
pub mod sparsity;
pub mod syntax;
