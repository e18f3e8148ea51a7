//! From the syntax tree to the graph.

pub mod functions;
