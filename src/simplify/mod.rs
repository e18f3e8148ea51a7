//! Simplification: fewer operations, the same values as far as the promise [`rules::Math`] goes.

mod expand;
pub mod facts;
mod optimize;
pub mod powers;
pub mod rules;

pub use expand::expand;
pub use optimize::{SimplifyOptions, optimize};
