//! What is done to a function before it is differentiated.
//!
//! `x - x`, `x / x` and `sqrt(x^2)` stand for 0, 1 and `abs(x)` when they are differentiated, for
//! their own derivatives are not defined where these are. The values themselves stay as they
//! were written; how they are simplified is decided later.

use super::DiffError;
use crate::graph::{Graph, NodeId, visit};

/// Differentiates `roots` by `wrt` with `derive`, which gets the roots to take instead.
pub fn prepared<T>(
    graph: &mut Graph,
    roots: &[NodeId],
    wrt: &[NodeId],
    derive: impl FnOnce(&mut Graph, &[NodeId]) -> Result<T, DiffError>,
) -> Result<T, DiffError> {
    let before = graph.set_folds_real(true);
    let roots = folded(graph, roots, wrt);
    let derived = derive(graph, &roots);
    graph.set_folds_real(before);
    derived
}

/// `roots` made anew where folding changes them; targets stay.
fn folded(graph: &mut Graph, roots: &[NodeId], wrt: &[NodeId]) -> Vec<NodeId> {
    let order = visit::reachable(graph, roots);
    if !order.iter().any(|&id| graph.is_foldable_real(id)) {
        return roots.to_vec();
    }
    let source = graph.clone();
    let mut made: Vec<NodeId> = source.ids().collect();
    let mut args = Vec::new();
    for id in order {
        if wrt.contains(&id) {
            continue;
        }
        args.clear();
        args.extend(source.args(id).iter().map(|a| made[a.index()]));
        if args != source.args(id) || source.is_foldable_real(id) {
            made[id.index()] = visit::copy_node(&source, id, graph, &args);
        }
    }
    let copies = roots.iter().map(|root| (made[root.index()], source.pattern(*root)));
    copies.map(|(copy, pattern)| graph.project(copy, pattern)).collect()
}
