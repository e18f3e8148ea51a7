//! Kernels: the form of a function that engines read, and how a graph becomes one.

mod build;
pub mod calls;
mod concat;
pub mod count;
mod emit;
pub mod ir;
mod loops;
mod nodes;
mod place;
mod polls;
pub mod print;
mod range;
mod reduce;
pub mod verify;

pub use build::build;
