//! Symbolic derivatives of sparse matrix formulas, compiled to machine code in milliseconds or
//! written as self-contained C.
//!
//! Formulas come from the language `.nab` ([`model`]) or are built in Rust ([`builder`]); both
//! give a [`function::Function`], which is differentiated, simplified and compiled.
//!
//! `ARCHITECTURE.md` is the map of the modules.

pub mod accuracy;
pub mod backend;
pub mod builder;
pub mod cli;
pub mod data;
pub mod diff;
pub mod function;
pub mod graph;
pub mod kernel;
pub mod lower;
pub mod model;
pub mod ops;
pub mod print;
pub mod problem;
pub mod saved;
pub mod simplify;
pub mod sparsity;
pub mod syntax;
