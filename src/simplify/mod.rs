//! Simplification: fewer operations, the same values as far as the promise [`rules::Math`] goes.

pub mod facts;
pub mod powers;
pub mod rules;
