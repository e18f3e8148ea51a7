//! Kernels: the form of a function that engines read, and how a graph becomes one.

pub mod allocate;
mod build;
pub mod by_column;
pub mod calls;
pub mod columns;
mod concat;
pub mod count;
mod emit;
pub mod ir;
pub mod lanes;
mod loops;
mod nodes;
pub mod pack;
mod place;
mod polls;
pub mod print;
mod range;
mod reduce;
pub mod roll;
pub mod schedule;
pub mod stores;
pub mod threads;
pub mod unguarded;
pub mod verify;

pub use build::{build, build_in_place};
