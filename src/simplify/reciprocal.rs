//! Division by what divides several numbers: one reciprocal, and products.
//!
//! Two roundings in place of one, and a divisor whose reciprocal overflows (below 5.6e-309) gives
//! other results, so this is for fast arithmetic. Rules do not find it: of one quotient alone the
//! product costs more.

use crate::graph::visit::{copy_node, reachable};
use crate::graph::{Graph, NodeId, Op};
use crate::ops::scalar::ScalarOp;

/// Copies what `outputs` need into a new graph, with products in place of quotients where the
/// divisors' reciprocals cost less by the table.
pub fn share_reciprocals(graph: &Graph, outputs: &[NodeId]) -> (Graph, Vec<NodeId>) {
    let order = reachable(graph, outputs);
    // How many numbers each node divides, but for 1, and whether its reciprocal is there anyway.
    let mut n_divided = vec![0u64; graph.len()];
    let mut is_inverted = vec![false; graph.len()];
    for &id in &order {
        if let Some((dividend, divisor)) = quotient(graph, id) {
            match graph.as_uniform(dividend) {
                Some(1.0) => is_inverted[divisor.index()] = true,
                _ => n_divided[divisor.index()] += graph.nnz(id) as u64,
            }
        }
    }
    let (by_division, by_product) = (ScalarOp::Div.row().cost, ScalarOp::Mul.row().cost);
    let (by_division, by_product) = (u64::from(by_division), u64::from(by_product));
    let mut to = Graph::new();
    to.reserve(order.len());
    let mut copies = vec![NodeId(0); graph.len()];
    let mut args = Vec::new();
    for id in order {
        args.clear();
        args.extend(graph.args(id).iter().map(|a| copies[a.index()]));
        let is_shared = |divisor: NodeId| {
            let n = n_divided[divisor.index()];
            let n_inverted = if is_inverted[divisor.index()] { 0 } else { graph.nnz(divisor) };
            n * by_division > n * by_product + n_inverted as u64 * by_division
        };
        copies[id.index()] = match (graph.op(id), quotient(graph, id)) {
            (_, Some((_, divisor))) if is_shared(divisor) => {
                let one = to.constant(1.0);
                let reciprocal = to.div(one, args[1]);
                to.mul(args[0], reciprocal)
            }
            (Op::Input, _) => to.input(graph.number(id), graph.pattern(id).clone()),
            (Op::Mark, _) => args[0],
            _ => copy_node(graph, id, &mut to, &args),
        };
    }
    let roots = outputs.iter().map(|o| to.project(copies[o.index()], graph.pattern(*o))).collect();
    (to, roots)
}

/// Dividend and divisor, where no entry of the divisor is a structural zero.
fn quotient(graph: &Graph, id: NodeId) -> Option<(NodeId, NodeId)> {
    match (graph.op(id), graph.args(id)) {
        (Op::Scalar(ScalarOp::Div), &[a, b])
            if graph.pattern(b).is_dense() && graph.op(b) != Op::Const =>
        {
            Some((a, b))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simplify::sums::cost;
    use crate::sparsity::Pattern;

    fn n_quotients(graph: &Graph, roots: &[NodeId]) -> usize {
        let is_quotient = |id: &NodeId| graph.op(*id) == Op::Scalar(ScalarOp::Div);
        reachable(graph, roots).iter().filter(|id| is_quotient(id)).count()
    }

    #[test]
    fn a_divisor_of_several_numbers_is_inverted_once() {
        let mut graph = Graph::new();
        let [a, b, c, d] = [0, 1, 2, 3].map(|k| graph.input(k, Pattern::scalar()));
        let roots = [graph.div(a, d), graph.div(b, d), graph.div(c, a)];
        let (shared, new) = share_reciprocals(&graph, &roots);
        assert_eq!(n_quotients(&shared, &new), 2);
        assert!(cost(&shared, &new) < cost(&graph, &roots));
        assert_eq!(shared.op(new[2]), Op::Scalar(ScalarOp::Div));
    }

    #[test]
    fn a_number_that_divides_a_vector_is_inverted() {
        let mut graph = Graph::new();
        let (x, s) = (graph.input(0, Pattern::dense(9, 1)), graph.input(1, Pattern::scalar()));
        let (all, one) = (graph.div(x, s), graph.div(s, x));
        let (shared, roots) = share_reciprocals(&graph, &[all, one]);
        assert_eq!(shared.op(roots[0]), Op::Scalar(ScalarOp::Mul));
        assert_eq!(shared.op(roots[1]), Op::Scalar(ScalarOp::Div));
    }

    #[test]
    fn a_reciprocal_that_is_there_is_used() {
        let mut graph = Graph::new();
        let (x, y) = (graph.input(0, Pattern::scalar()), graph.input(1, Pattern::scalar()));
        let one = graph.constant(1.0);
        let roots = [graph.div(one, y), graph.div(x, y)];
        // The quotient costs four, the product one.
        let (shared, new) = share_reciprocals(&graph, &roots);
        assert_eq!(n_quotients(&shared, &new), 1);
    }
}
