//! Passes over the graph as loops over node numbers; nothing here recurses.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::node::{NodeId, Op, Payload};
use super::{Constant, Func, Graph};

/// The nodes that `roots` need, in order.
///
/// ```
/// use nablac::graph::{Graph, visit};
/// let mut graph = Graph::new();
/// let x = graph.input(0, nablac::sparsity::Pattern::scalar());
/// let (square, _unused) = (graph.mul(x, x), graph.neg(x));
/// let order = visit::reachable(&graph, &[square]);
/// assert_eq!(order, [x, square]);
/// assert_eq!(visit::use_counts(&graph, &order, &[square])[x.index()], 2);
/// ```
pub fn reachable(graph: &Graph, roots: &[NodeId]) -> Vec<NodeId> {
    let Some(top) = roots.iter().map(|r| r.index()).max() else { return Vec::new() };
    let mut needed = vec![false; top + 1];
    for r in roots {
        needed[r.index()] = true;
    }
    let mut count = 0;
    for i in (0..=top).rev() {
        if needed[i] {
            count += 1;
            for a in graph.args(NodeId(i as u32)) {
                needed[a.index()] = true;
            }
        }
    }
    let mut order = Vec::with_capacity(count);
    order.extend((0..=top as u32).map(NodeId).filter(|id| needed[id.index()]));
    order
}

/// Number of uses of each node among the nodes that `roots` need (a root counts as one use).
pub fn use_counts(graph: &Graph, order: &[NodeId], roots: &[NodeId]) -> Vec<u32> {
    let mut counts = vec![0u32; graph.len()];
    for &id in order {
        for a in graph.args(id) {
            counts[a.index()] += 1;
        }
    }
    for r in roots {
        counts[r.index()] += 1;
    }
    counts
}

/// Copies what `roots` need from `from` into `to`, with `inputs` in place of the inputs of
/// `from` and without its marks. Folding happens anew. Returns the copied roots.
pub fn transplant(
    from: &Graph,
    roots: &[NodeId],
    to: &mut Graph,
    inputs: &[NodeId],
) -> Vec<NodeId> {
    let order = reachable(from, roots);
    to.reserve(order.len());
    let mut copy = vec![NodeId(u32::MAX); order.last().map_or(0, |id| id.index() + 1)];
    let mut args = Vec::new();
    for id in order {
        args.clear();
        args.extend(from.args(id).iter().map(|a| copy[a.index()]));
        copy[id.index()] = match from.op(id) {
            Op::Input => inputs[from.number(id)],
            Op::Mark => args[0],
            _ => copy_node(from, id, to, &args),
        };
    }
    roots.iter().map(|r| copy[r.index()]).collect()
}

/// Makes node `id` of `from` anew in `to` with the given arguments.
pub fn copy_node(from: &Graph, id: NodeId, to: &mut Graph, args: &[NodeId]) -> NodeId {
    let pattern = from.pattern(id).clone();
    match from.op(id) {
        Op::Const => match from.as_constant(id) {
            Some(Constant::Values(v)) => to.stored_constant(pattern, v.to_vec()),
            Some(Constant::Uniform(0.0)) => to.explicit_zeros(pattern),
            Some(Constant::Uniform(v)) => to.fill(pattern, v),
            None => to.zero(pattern.n_rows(), pattern.n_cols()),
        },
        Op::Scalar(op) => to.scalar(op, args),
        Op::Gather => {
            // An argument that folded to fewer nonzeros is brought back to what the map expects.
            let source = to.project(args[0], from.pattern(from.arg(id, 0)));
            match from.map(id) {
                Some(map) => to.gather(source, map.clone(), pattern),
                None => source,
            }
        }
        Op::Scatter => {
            let source = to.project(args[0], from.pattern(from.arg(id, 0)));
            match from.map(id) {
                Some(map) => to.scatter(source, map.clone(), pattern),
                None => source,
            }
        }
        Op::Concat => {
            let parts: Vec<NodeId> = args
                .iter()
                .zip(from.args(id))
                .map(|(&a, &old)| to.project(a, from.pattern(old)))
                .collect();
            to.concat(&parts)
        }
        Op::MatMul => to.matmul_masked(args[0], args[1], pattern),
        Op::Reduce(reduction) => to.reduce(reduction, args[0]),
        Op::Input | Op::Mark => args.first().copied().unwrap_or(NodeId(0)),
        Op::Call | Op::Cond | Op::Loop | Op::Result => to.copy_multi(from, id, args),
    }
}

/// All functions that `root` needs, each once and after those that it needs; the last one is
/// `root`.
pub fn callees_first(root: &Arc<Func>) -> Vec<Arc<Func>> {
    needed_first(root, |f| f.parts().into_iter().cloned().collect())
}

/// `root` and all functions that it needs, directly as `needs` says or through others, each once
/// and after those that it needs.
pub fn needed_first(
    root: &Arc<Func>,
    mut needs: impl FnMut(&Arc<Func>) -> Vec<Arc<Func>>,
) -> Vec<Arc<Func>> {
    let mut known: FxHashSet<Arc<Func>> = FxHashSet::default();
    let mut order: Vec<Arc<Func>> = Vec::new();
    // Functions whose parts are being visited, with the parts that are left.
    let mut parts = |f: &Arc<Func>| {
        let mut parts = needs(f);
        parts.reverse();
        parts
    };
    let mut open = vec![(root.clone(), parts(root))];
    while let Some((func, left)) = open.last_mut() {
        match left.pop() {
            Some(part) if known.contains(&part) => {}
            Some(part) => {
                let inner = parts(&part);
                open.push((part, inner));
            }
            None => {
                let func = func.clone();
                open.pop();
                if known.insert(func.clone()) {
                    order.push(func);
                }
            }
        }
    }
    order
}

impl Graph {
    /// Zeros stored at every nonzero of `pattern`.
    pub fn explicit_zeros(&mut self, pattern: crate::sparsity::Pattern) -> NodeId {
        let (n_rows, n_cols) = pattern.shape();
        let zero = self.zero(n_rows, n_cols);
        self.project(zero, &pattern)
    }

    /// Calls, loops and conditionals are copied as they are, with arguments of the old patterns.
    fn copy_multi(&mut self, from: &Graph, id: NodeId, args: &[NodeId]) -> NodeId {
        let attr = match from.op(id) {
            Op::Result => super::arena::Attr::Number(from.number(id) as u32),
            _ => match from.payload(id) {
                Some(p @ (Payload::Call(_) | Payload::Loop(_) | Payload::Cond(..))) => {
                    super::arena::Attr::Payload(p.clone())
                }
                _ => super::arena::Attr::None,
            },
        };
        let args: Vec<NodeId> = match from.op(id) {
            Op::Result => args.to_vec(),
            _ => args
                .iter()
                .zip(from.args(id))
                .map(|(&a, &old)| self.project(a, from.pattern(old)))
                .collect(),
        };
        self.intern(from.op(id), &args, attr, from.pattern(id).clone())
    }
}
