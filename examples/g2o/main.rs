//! Turns a pose graph in the format of g2o into the data of `examples/pose_graph_2d.nab` or
//! `examples/pose_graph_3d.nab`:
//!
//! `cargo run --release --example g2o examples/square.g2o > square.json`

mod pose_graph;

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: g2o GRAPH.g2o > GRAPH.json");
        return ExitCode::FAILURE;
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) => {
            eprintln!("{path}: {e}");
            return ExitCode::FAILURE;
        }
    };
    match pose_graph::PoseGraph::parse(&text) {
        Ok(graph) => {
            println!("{}", graph.data());
            ExitCode::SUCCESS
        }
        Err(mistake) => {
            eprintln!("{path}: {mistake}");
            ExitCode::FAILURE
        }
    }
}
