//! Simplification: fewer operations, the same values as far as the promise [`rules::Math`] goes.

mod collect;
mod emit;
mod expand;
mod factor;
pub mod facts;
mod optimize;
mod polynomial;
pub mod powers;
mod products;
pub mod rules;
mod run;
pub mod sums;

pub use collect::Flattening;
pub use expand::expand;
pub use factor::Search;
pub use optimize::optimize;
pub use run::{SimplifyOptions, simplify};
