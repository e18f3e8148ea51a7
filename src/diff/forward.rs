//! Forward mode: tangents from targets to results.

use super::DiffError;
use super::function::Derivation;
use crate::graph::{Graph, NodeId, visit};
use crate::ops::context::Tangents;
use crate::ops::rules;

/// Tangents of `roots` for each direction: `seeds[direction][target]` is the tangent of the
/// target, inside its pattern. A structurally zero tangent is a value without nonzeros.
///
/// ```
/// use nablac::graph::Graph;
/// use nablac::{diff, sparsity::Pattern};
/// let mut g = Graph::new();
/// let (x, dx) = (g.input(0, Pattern::dense(3, 1)), g.input(1, Pattern::dense(3, 1)));
/// let y = g.mul(x, x);
/// let tangents = diff::forward(&mut g, &[y], &[x], &[vec![dx]])?;
/// assert_eq!(*g.pattern(tangents[0][0]), Pattern::dense(3, 1));
/// # Ok::<(), diff::DiffError>(())
/// ```
pub fn forward(
    graph: &mut Graph,
    roots: &[NodeId],
    wrt: &[NodeId],
    seeds: &[Vec<NodeId>],
) -> Result<Vec<Vec<NodeId>>, DiffError> {
    let order = visit::reachable(graph, roots);
    let deriver = Derivation;
    let n_before = graph.len();
    let mut cx = Tangents::new(graph, &deriver, seeds.len());
    let mut is_target = vec![false; n_before];
    for (d, direction) in seeds.iter().enumerate() {
        for (&x, &seed) in wrt.iter().zip(direction) {
            is_target[x.index()] = true;
            cx.set(d, x, seed);
        }
    }
    for id in order {
        if !is_target[id.index()] && cx.is_active(id) {
            let op = cx.graph.op(id);
            rules(op).tangent(&mut cx, id)?;
        }
    }
    let mut tangents = Vec::with_capacity(seeds.len());
    for d in 0..seeds.len() {
        let mut of = Vec::with_capacity(roots.len());
        for &root in roots {
            of.push(match cx.get(d, root) {
                Some(t) => t,
                None => {
                    let (n_rows, n_cols) = cx.graph.shape(root);
                    cx.graph.zero(n_rows, n_cols)
                }
            });
        }
        tangents.push(of);
    }
    Ok(tangents)
}
