//! Simplification: fewer operations, the same values as far as the promise [`rules::Math`] goes.

pub mod check;
mod collect;
mod contract;
mod emit;
mod extract;
mod factor;
pub(crate) mod facts;
mod language;
mod library;
mod matching;
pub(crate) mod matrix;
mod optimize;
mod pattern;
mod polynomial;
pub mod powers;
mod products;
mod read;
mod readable;
mod reciprocal;
pub mod report;
pub mod rules;
mod run;
mod saturate;
pub mod sums;
mod view;

pub use optimize::{optimize, optimize_until};
pub use readable::readable;
pub use run::{SimplifyOptions, Stage, simplify, simplify_until};
