//! Simplification: fewer operations, the same values as far as the promise [`rules::Math`] goes.

mod collect;
mod emit;
mod factor;
pub mod facts;
mod polynomial;
pub mod powers;
mod products;
pub mod rules;
mod run;
pub mod sums;

pub use collect::Flattening;
pub use factor::Search;
pub use run::{SimplifyOptions, simplify};
