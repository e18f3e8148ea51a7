//! Kernels: the form of a function that engines read, and how a graph becomes one.

mod build;
pub mod calls;
mod emit;
pub mod ir;
mod loops;
mod nodes;
mod place;
mod reduce;

pub use build::build;
