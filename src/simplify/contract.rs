//! Contraction: a product that one sum or difference alone uses and that sum become one operation
//! that rounds once. Functions are replaced by faster forms at the same time.
//!
//! Runs after everything else, once over a graph, so that no rule and no search sees such
//! operations. It looks at the graph alone, never at what an engine makes of it, so that all
//! engines round in the same places. Negated factors and terms stand as operands: machines have an
//! instruction for each choice of signs.

use crate::graph::visit::{copy_node, reachable, use_counts};
use crate::graph::{Graph, NodeId, Op};
use crate::ops::scalar::ScalarOp;

/// A product that may become part of a sum.
struct Product {
    factors: [NodeId; 2],
    /// Whether it is subtracted.
    is_negative: bool,
    /// The other operand of the sum, and whether that is subtracted.
    other: NodeId,
    is_other_negative: bool,
}

/// Copies what `outputs` need into a new graph, with fused operations where a product is used once
/// and by a sum. Of two products in one sum the one that is ready later is fused, the first one if
/// both are ready at once.
pub fn contract(graph: &Graph, outputs: &[NodeId]) -> (Graph, Vec<NodeId>) {
    let order = reachable(graph, outputs);
    let uses = use_counts(graph, &order, outputs);
    let mut to = Graph::new();
    to.reserve(order.len());
    let mut copies = vec![NodeId(0); graph.len()];
    // The cost of the longest chain of operations that ends in a node.
    let mut depth = vec![0u64; graph.len()];
    let mut args = Vec::new();
    for id in order {
        args.clear();
        args.extend(graph.args(id).iter().map(|a| copies[a.index()]));
        let before = |ids: &[NodeId]| ids.iter().map(|a| depth[a.index()]).max().unwrap_or(0);
        let chosen = products(graph, id, &uses)
            .into_iter()
            .flatten()
            .min_by_key(|product| std::cmp::Reverse(before(&product.factors)));
        (copies[id.index()], depth[id.index()]) = match (graph.op(id), chosen) {
            (_, Some(product)) => {
                let [a, b] = product.factors.map(|f| copies[f.index()]);
                let other = copies[product.other.index()];
                let needed = [product.factors[0], product.factors[1], product.other];
                (fused(&mut to, &product, [a, b], other), before(&needed) + 1)
            }
            (Op::Input, _) => (to.input(graph.number(id), graph.pattern(id).clone()), 0),
            (Op::Mark, _) => (args[0], before(graph.args(id))),
            (op, _) => {
                let own = if let Op::Scalar(op) = op { u64::from(op.row().cost) } else { 0 };
                let depth = before(graph.args(id)) + own;
                match op {
                    Op::Scalar(op) if let Some(fast) = op.row().fast => {
                        (to.scalar(fast, &args), depth)
                    }
                    _ => (copy_node(graph, id, &mut to, &args), depth),
                }
            }
        };
    }
    let roots = outputs.iter().map(|o| to.project(copies[o.index()], graph.pattern(*o))).collect();
    (to, roots)
}

/// The products among the operands of a sum or difference that nothing else uses.
fn products(graph: &Graph, id: NodeId, uses: &[u32]) -> [Option<Product>; 2] {
    let (Op::Scalar(op @ (ScalarOp::Add | ScalarOp::Sub)), &[x, y]) =
        (graph.op(id), graph.args(id))
    else {
        return [None, None];
    };
    let is_difference = op == ScalarOp::Sub;
    let product = |of: NodeId, is_subtracted: bool, other: NodeId, is_other_negative: bool| {
        let is_own = |part: NodeId| uses[part.index()] == 1 && graph.nnz(part) == graph.nnz(id);
        let (mut part, mut is_negative) = (of, is_subtracted);
        if graph.op(part) == Op::Scalar(ScalarOp::Neg) && is_own(part) {
            (part, is_negative) = (graph.arg(part, 0), !is_negative);
        }
        let (Op::Scalar(ScalarOp::Mul), &[a, b]) = (graph.op(part), graph.args(part)) else {
            return None;
        };
        // A number takes the sign of the product if one is there, else what is free to.
        let is_number = graph.as_uniform(b).is_some();
        let is_second = is_number || !is_free_to_negate(graph, a, uses);
        let factors = if is_second { [b, a] } else { [a, b] };
        let is_free = |id: NodeId| is_free_to_negate(graph, id, uses);
        let fits = is_own(part)
            && (!is_negative || is_free(factors[0]))
            && (!is_other_negative || is_free(other));
        fits.then_some(Product { factors, is_negative, other, is_other_negative })
    };
    [product(x, false, y, is_difference), product(y, is_difference, x, false)]
}

/// Whether the negative of a node costs nothing: that of a multiple by a number is another multiple,
/// which is computed anew where others use this one.
fn is_free_to_negate(graph: &Graph, id: NodeId, uses: &[u32]) -> bool {
    let is_number = |&a: &NodeId| graph.as_uniform(a).is_some();
    let is_multiple =
        graph.op(id) == Op::Scalar(ScalarOp::Mul) && graph.args(id).iter().any(is_number);
    !is_multiple || uses[id.index()] == 1
}

/// The fused operation; the sign of a product goes to its first factor.
fn fused(to: &mut Graph, product: &Product, [a, b]: [NodeId; 2], other: NodeId) -> NodeId {
    let a = if product.is_negative { to.neg(a) } else { a };
    let other = if product.is_other_negative { to.neg(other) } else { other };
    to.scalar(ScalarOp::Fma, &[a, b, other])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sparsity::Pattern;

    /// What becomes of the outputs of `build` over four inputs, printed.
    fn contracted(build: impl FnOnce(&mut Graph, [NodeId; 4]) -> Vec<NodeId>) -> Vec<String> {
        let mut graph = Graph::new();
        let inputs = [0, 1, 2, 3].map(|k| graph.input(k, Pattern::scalar()));
        let outputs = build(&mut graph, inputs);
        let (graph, roots) = contract(&graph, &outputs);
        roots.iter().map(|&root| text(&graph, root)).collect()
    }

    fn text(graph: &Graph, id: NodeId) -> String {
        match graph.op(id) {
            Op::Input => ["a", "b", "c", "d"][graph.number(id)].to_owned(),
            Op::Const => graph.as_uniform(id).unwrap_or(f64::NAN).to_string(),
            Op::Scalar(op) => {
                let mut args: Vec<String> =
                    graph.args(id).iter().map(|&a| text(graph, a)).collect();
                match op {
                    ScalarOp::Fma => args[..2].sort(),
                    _ if op.row().commutative => args.sort(),
                    _ => {}
                }
                format!("{}({})", op.name(), args.join(", "))
            }
            _ => unreachable!(),
        }
    }

    #[test]
    fn products_of_every_sign_become_part_of_sums() {
        let one = |build: fn(&mut Graph, NodeId, NodeId) -> NodeId| {
            contracted(|g, [a, b, c, _]| {
                let product = g.mul(a, b);
                vec![build(g, product, c)]
            })
        };
        assert_eq!(one(|g, ab, c| g.add(ab, c)), ["fma(a, b, c)"]);
        assert_eq!(one(|g, ab, c| g.sub(ab, c)), ["fma(a, b, neg(c))"]);
        let negative = |found: Vec<String>, other: &str| {
            let either = ["fma(b, neg(a), ", "fma(a, neg(b), "].map(|f| format!("{f}{other})"));
            assert!(either.contains(&found[0]), "{found:?}");
        };
        negative(one(|g, ab, c| g.sub(c, ab)), "c");
        let both = one(|g, ab, c| {
            let minus = g.neg(ab);
            g.sub(minus, c)
        });
        negative(both, "neg(c)");
        let number = contracted(|g, [a, b, ..]| {
            let two = g.constant(2.0);
            let product = g.mul(two, a);
            vec![g.sub(b, product)]
        });
        assert_eq!(number, ["fma(-2, a, b)"]);
    }

    #[test]
    fn products_with_other_uses_stay() {
        let twice = contracted(|g, [a, b, c, d]| {
            let product = g.mul(a, b);
            vec![g.add(product, c), g.sub(product, d)]
        });
        assert_eq!(twice, ["add(c, mul(a, b))", "sub(mul(a, b), d)"]);
        let output = contracted(|g, [a, b, c, _]| {
            let product = g.mul(a, b);
            vec![product, g.add(product, c)]
        });
        assert_eq!(output, ["mul(a, b)", "add(c, mul(a, b))"]);
        let negative = contracted(|g, [a, b, c, _]| {
            let product = g.mul(a, b);
            let minus = g.neg(product);
            vec![minus, g.sub(c, product)]
        });
        assert_eq!(negative, ["neg(mul(a, b))", "sub(c, mul(a, b))"]);
    }

    #[test]
    fn products_by_numbers_are_not_computed_twice_for_their_signs() {
        let found = contracted(|g, [a, b, c, d]| {
            let two = g.constant(2.0);
            let (product, twice) = (g.mul(a, b), g.mul(two, c));
            let factor = g.mul(twice, d);
            vec![g.sub(product, twice), g.sub(b, factor)]
        });
        assert_eq!(found, ["sub(mul(a, b), mul(2, c))", "fma(mul(2, c), neg(d), b)"]);
    }

    #[test]
    fn the_product_that_is_ready_later_is_fused() {
        let late = |swapped: bool| {
            contracted(|g, [a, b, c, d]| {
                let root = g.unary(ScalarOp::Sqrt, d);
                let (early, late) = (g.mul(a, b), g.mul(c, root));
                vec![if swapped { g.sub(late, early) } else { g.add(early, late) }]
            })
        };
        assert_eq!(late(false), ["fma(c, sqrt(d), mul(a, b))"]);
        assert_eq!(late(true), ["fma(c, sqrt(d), neg(mul(a, b)))"]);
    }

    #[test]
    fn a_number_that_is_computed_once_is_not_computed_for_every_entry() {
        let mut graph = Graph::new();
        let (a, b) = (graph.input(0, Pattern::scalar()), graph.input(1, Pattern::scalar()));
        let x = graph.input(2, Pattern::dense(100, 1));
        let product = graph.mul(a, b);
        let sum = graph.add(x, product);
        let (graph, roots) = contract(&graph, &[sum]);
        assert_eq!(graph.op(roots[0]), Op::Scalar(ScalarOp::Add));
    }
}
