//! The converter of `examples/g2o`, for tests.

#[path = "../../examples/g2o/pose_graph.rs"]
pub mod pose_graph;
