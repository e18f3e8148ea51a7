//! Graphs built in Rust: derivatives against finite differences, kernels against each other.

mod common;
mod loops;
mod values;
