//! Which nonzeros depend on which nonzeros of the targets.

use super::DiffError;
use super::function::Derivation;
use crate::graph::{Graph, NodeId, visit};
use crate::ops::{Dependencies, rules};
use crate::sparsity::DependencyMatrix;

/// For each root the dependencies of its nonzeros on the nonzeros of the targets, all targets'
/// nonzeros numbered one after the other.
pub fn dependency(
    graph: &Graph,
    roots: &[NodeId],
    wrt: &[NodeId],
) -> Result<Vec<DependencyMatrix>, DiffError> {
    let n_seeds: usize = wrt.iter().map(|&x| graph.nnz(x)).sum();
    let order = visit::reachable(graph, roots);
    let mut uses = visit::use_counts(graph, &order, roots);
    let deriver = Derivation;
    let mut cx = Dependencies::new(graph, &deriver, n_seeds);
    let mut is_target = vec![false; graph.len()];
    let identity = DependencyMatrix::identity(n_seeds);
    let mut start = 0;
    for &x in wrt {
        let n = graph.nnz(x);
        is_target[x.index()] = true;
        cx.set(x, identity.gather(start..start + n));
        start += n;
    }
    for id in order {
        if is_target[id.index()] {
            continue;
        }
        rules(graph.op(id)).dependency(&mut cx, id);
        for &a in graph.args(id) {
            uses[a.index()] -= 1;
            if uses[a.index()] == 0 {
                cx.release(a);
            }
        }
    }
    match cx.error() {
        Some(error) => Err(error.clone().into()),
        None => Ok(roots.iter().map(|&r| cx.get(r)).collect()),
    }
}
