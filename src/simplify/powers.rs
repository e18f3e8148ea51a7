//! Powers with constant whole or half exponents as products, quotients and square roots.
//!
//! All such powers of one base share one addition chain (Knuth, TAOCP 2, section 4.6.3).

use rustc_hash::FxHashMap;

use crate::graph::visit::{copy_node, reachable};
use crate::graph::{Graph, NodeId, Op};
use crate::ops::scalar::ScalarOp;

/// Largest whole exponent that becomes products; beyond it a power stays a call.
pub const MAX_EXPONENT: f64 = 1024.0;

/// An exponent that products and one square root can make: the number of halves in it.
pub fn half_exponent(exponent: f64) -> Option<i32> {
    let halves = exponent * 2.0;
    (exponent.abs() <= MAX_EXPONENT && halves.floor() == halves).then_some(halves as i32)
}

/// Copies what `outputs` need into a new graph in which no power has a constant whole or half
/// exponent of magnitude up to [`MAX_EXPONENT`].
///
/// ```
/// use nablac::graph::{Graph, Op};
/// use nablac::ops::scalar::ScalarOp;
/// let mut g = Graph::new();
/// let (x, four) = (g.input(0, nablac::sparsity::Pattern::scalar()), g.constant(4.0));
/// let power = g.binary(ScalarOp::Pow, x, four);
/// let (lowered, outputs) = nablac::simplify::powers::lower_powers(&g, &[power]);
/// // (x * x) * (x * x)
/// assert_eq!(lowered.op(outputs[0]), Op::Scalar(ScalarOp::Mul));
/// ```
pub fn lower_powers(graph: &Graph, outputs: &[NodeId]) -> (Graph, Vec<NodeId>) {
    let order = reachable(graph, outputs);
    let halves_of = |id: NodeId| -> Option<i32> {
        if graph.op(id) != Op::Scalar(ScalarOp::Pow) {
            return None;
        }
        let exponent = graph.arg(id, 1);
        if graph.pattern(exponent).is_zero() {
            return Some(0);
        }
        graph.as_uniform(exponent).and_then(half_exponent)
    };
    let mut wanted: FxHashMap<NodeId, Vec<u32>> = FxHashMap::default();
    for &id in &order {
        if let Some(halves) = halves_of(id) {
            wanted.entry(graph.arg(id, 0)).or_default().push(halves.unsigned_abs() / 2);
        }
    }
    let mut to = Graph::new();
    let mut copy = vec![NodeId(u32::MAX); graph.len()];
    let mut chains: FxHashMap<NodeId, Chain> = FxHashMap::default();
    let mut args = Vec::new();
    for id in order {
        args.clear();
        args.extend(graph.args(id).iter().map(|a| copy[a.index()]));
        copy[id.index()] = match (graph.op(id), halves_of(id)) {
            (Op::Input, _) => to.input(graph.number(id), graph.pattern(id).clone()),
            (Op::Mark, _) => args[0],
            (_, Some(0)) => to.fill(graph.pattern(id).clone(), 1.0),
            (_, Some(halves)) => {
                let base = graph.arg(id, 0);
                let chain = chains.entry(base).or_insert_with(|| {
                    let mut exponents = wanted.remove(&base).unwrap_or_default();
                    exponents.sort_unstable();
                    exponents.dedup();
                    Chain::new(&mut to, args[0], &exponents)
                });
                let power = chain.half_power(&mut to, args[0], halves);
                // A power of a sparse base has the pattern of the node, not of its factors.
                to.project(power, graph.pattern(id))
            }
            _ => copy_node(graph, id, &mut to, &args),
        };
    }
    let outputs = outputs.iter().map(|r| copy[r.index()]).collect();
    (to, outputs)
}

/// Powers of one base made so far.
pub(super) struct Chain {
    made: std::collections::BTreeMap<u32, NodeId>,
}

impl Chain {
    /// Makes the given powers of `base`, smallest first.
    pub fn new(graph: &mut Graph, base: NodeId, exponents: &[u32]) -> Chain {
        let mut chain = Chain { made: [(1, base)].into() };
        for &n in exponents.iter().filter(|&&n| n > 1) {
            chain.power(graph, n);
        }
        chain
    }

    /// Power `n >= 1`, with few products beyond what was made before.
    pub fn power(&mut self, graph: &mut Graph, n: u32) -> NodeId {
        // The exponents still to be made, each from two smaller ones.
        let mut pending = vec![n.max(1)];
        while let Some(&top) = pending.last() {
            if self.made.contains_key(&top) {
                pending.pop();
                continue;
            }
            let (a, b) = self.split(top);
            match (self.made.get(&a), self.made.get(&b)) {
                (Some(&x), Some(&y)) => {
                    let product = graph.mul(x, y);
                    self.made.insert(top, product);
                    pending.pop();
                }
                (None, _) => pending.push(a),
                (_, None) => pending.push(b),
            }
        }
        self.made[&n.max(1)]
    }

    /// Two exponents that add up to `n`: both made already if that is possible.
    fn split(&self, n: u32) -> (u32, u32) {
        let pair = self.made.keys().rev().find(|&&a| a < n && self.made.contains_key(&(n - a)));
        if let Some(&a) = pair {
            return (a, n - a);
        }
        if n.is_multiple_of(2) {
            return (n / 2, n / 2);
        }
        let largest = self.made.range(..n).next_back().map_or(1, |(&a, _)| a);
        if largest > n / 2 { (largest, n - largest) } else { (n - 1, 1) }
    }

    /// Power `halves / 2`, by a square root where `halves` is odd.
    pub fn half_power(&mut self, graph: &mut Graph, base: NodeId, halves: i32) -> NodeId {
        let whole = halves.unsigned_abs() / 2;
        let power = match (halves % 2 != 0, whole) {
            (false, _) => self.power(graph, whole),
            (true, 0) => graph.unary(ScalarOp::Sqrt, base),
            (true, _) => {
                let root = graph.unary(ScalarOp::Sqrt, base);
                let power = self.power(graph, whole);
                graph.mul(power, root)
            }
        };
        if halves > 0 {
            return power;
        }
        let one = graph.constant(1.0);
        graph.div(one, power)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::visit::use_counts;
    use crate::sparsity::Pattern;

    fn lower(exponents: &[f64]) -> (Graph, Vec<NodeId>) {
        let mut g = Graph::new();
        let x = g.input(0, Pattern::scalar());
        let roots: Vec<NodeId> = exponents
            .iter()
            .map(|&e| {
                let e = g.constant(e);
                g.binary(ScalarOp::Pow, x, e)
            })
            .collect();
        lower_powers(&g, &roots)
    }

    fn count(g: &Graph, roots: &[NodeId], op: ScalarOp) -> usize {
        reachable(g, roots).iter().filter(|&&id| g.op(id) == Op::Scalar(op)).count()
    }

    #[test]
    fn powers_of_one_base_share_their_products() {
        let (g, roots) = lower(&[2.0, 3.0, 4.0, 8.0]);
        assert_eq!(count(&g, &roots, ScalarOp::Mul), 4);
        let (g, roots) = lower(&[15.0]);
        assert!(count(&g, &roots, ScalarOp::Mul) <= 6);
        let (g, roots) = lower(&[1024.0]);
        assert_eq!(count(&g, &roots, ScalarOp::Mul), 10);
    }

    #[test]
    fn no_constant_power_is_left() {
        let exponents = [2.5, -2.0, -0.5, 0.5, 3.0, -1.0, 1e3, -7.5];
        let (g, roots) = lower(&exponents);
        assert_eq!(count(&g, &roots, ScalarOp::Pow), 0);
        assert_eq!(count(&g, &roots, ScalarOp::Sqrt), 1);
        let order = reachable(&g, &roots);
        assert!(use_counts(&g, &order, &roots).iter().any(|&n| n > 0));
        let (g, roots) = lower(&[2.3, 2000.0]);
        assert_eq!(count(&g, &roots, ScalarOp::Pow), 2);
    }

    #[test]
    fn a_sparse_base_keeps_its_zeros() {
        let mut g = Graph::new();
        let x = g.input(0, Pattern::diagonal(3));
        let two = g.constant(2.0);
        let square = g.binary(ScalarOp::Pow, x, two);
        let (to, roots) = lower_powers(&g, &[square]);
        assert_eq!(to.nnz(roots[0]), 3);
        assert_eq!(to.op(roots[0]), Op::Scalar(ScalarOp::Mul));
    }
}
