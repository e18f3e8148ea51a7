//! Reverse mode: cotangents from results to targets.

use super::DiffError;
use super::function::Derivation;
use crate::graph::{Graph, NodeId, visit};
use crate::ops::context::Cotangents;
use crate::ops::rules;

/// Cotangents of the targets for each direction: `seeds[direction][root]` is the cotangent of the
/// root, inside its pattern. A structurally zero cotangent is a value without nonzeros.
///
/// ```
/// use nablac::graph::{Graph, Reduction};
/// use nablac::{diff, sparsity::Pattern};
/// let mut g = Graph::new();
/// let x = g.input(0, Pattern::dense(3, 1));
/// let y = g.reduce(Reduction::Sum, x);
/// let one = g.constant(1.0);
/// let cotangents = diff::reverse(&mut g, &[y], &[x], &[vec![one]])?;
/// let ones = g.fill(Pattern::dense(3, 1), 1.0);
/// assert_eq!(cotangents[0][0], ones);
/// # Ok::<(), diff::DiffError>(())
/// ```
pub fn reverse(
    graph: &mut Graph,
    roots: &[NodeId],
    wrt: &[NodeId],
    seeds: &[Vec<NodeId>],
) -> Result<Vec<Vec<NodeId>>, DiffError> {
    let order = visit::reachable(graph, roots);
    let mut is_target = vec![false; graph.len()];
    for x in wrt {
        is_target[x.index()] = true;
    }
    let mut active = is_target.clone();
    for &id in &order {
        if !active[id.index()] {
            active[id.index()] = graph.args(id).iter().any(|a| active[a.index()]);
        }
    }
    // A cotangent is about two nodes for each active one.
    graph.reserve(2 * order.len() * seeds.len().min(4));
    let deriver = Derivation;
    let mut cx = Cotangents::new(graph, &deriver, seeds.len(), active);
    for (d, direction) in seeds.iter().enumerate() {
        for (&root, &seed) in roots.iter().zip(direction) {
            cx.add(d, root, seed);
        }
    }
    for &id in order.iter().rev() {
        if !is_target[id.index()] && cx.wants(id) {
            let op = cx.graph.op(id);
            rules(op).cotangent(&mut cx, id)?;
        }
    }
    let mut cotangents = Vec::with_capacity(seeds.len());
    for d in 0..seeds.len() {
        let mut of = Vec::with_capacity(wrt.len());
        for &x in wrt {
            of.push(match cx.get(d, x) {
                Some(c) => c,
                None => {
                    let (n_rows, n_cols) = cx.graph.shape(x);
                    cx.graph.zero(n_rows, n_cols)
                }
            });
        }
        cotangents.push(of);
    }
    Ok(cotangents)
}
