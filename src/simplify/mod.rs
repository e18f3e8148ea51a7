//! Simplification of functions.

mod expand;

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::graph::{Func, NodeId};

pub use expand::expand;

/// The function with small matrices expanded and everything simplified, called functions and
/// loop bodies included. Inputs and the patterns of outputs stay.
pub fn optimize(func: &Arc<Func>) -> Arc<Func> {
    optimize_once(func, &mut FxHashMap::default())
}

fn optimize_once(func: &Arc<Func>, made: &mut FxHashMap<Arc<Func>, Arc<Func>>) -> Arc<Func> {
    if let Some(found) = made.get(func) {
        return found.clone();
    }
    let Some((graph, outputs)) = func.graph() else { return func.clone() };
    let (graph, roots) = expand(graph, outputs, &mut |f| optimize_once(f, made));
    let mut graph = graph;
    let named = func
        .outputs
        .iter()
        .zip(roots)
        .map(|(port, root): (_, NodeId)| (port.name.clone(), graph.project(root, &port.pattern)))
        .collect();
    let optimized = Func::freeze(func.name.clone(), &graph, func.inputs.clone(), named);
    made.insert(func.clone(), optimized.clone());
    optimized
}
