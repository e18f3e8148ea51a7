//! nablac
pub mod ops;
