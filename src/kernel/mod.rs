//! Kernels: the form of a function that engines read, and how a graph becomes one.

pub mod calls;
pub mod count;
pub mod ir;
pub mod print;
pub mod verify;
