//! Polynomial stage: n-ary sums and products, common factors and parts, powers.
//!
//! Takes a graph whose scalar work is 1x1 elementwise nodes, gives an equivalent one in real
//! arithmetic with fewer operations. Several ways to flatten and to break ties are tried; the
//! cheapest result wins.

use super::collect::{Flattening, Parities, collect};
use super::emit::emit;
use super::factor::{Search, factor};
use super::products::share_products;
use crate::graph::visit::reachable;
use crate::graph::{Graph, NodeId, Op};
use crate::ops::scalar::ScalarOp;

/// Cost of all elementwise operations that the outputs need, weighted by the table; signs are free.
pub fn cost(graph: &Graph, outputs: &[NodeId]) -> u64 {
    rank(graph, outputs).0
}

/// The cost, then the number of signs: the order in which forms are preferred.
pub fn rank(graph: &Graph, outputs: &[NodeId]) -> (u64, u64) {
    reachable(graph, outputs).into_iter().fold((0, 0), |(cost, signs), id| {
        let n = graph.nnz(id) as u64;
        match graph.op(id) {
            Op::Scalar(ScalarOp::Neg) => (cost, signs + n),
            Op::Scalar(op) => (cost + u64::from(op.row().cost) * n, signs),
            _ => (cost, signs),
        }
    })
}

/// One way to simplify.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    pub flattening: Flattening,
    pub search: Search,
    /// Whether common products are sought before common factors too.
    pub products_first: bool,
}

/// The graph in the form that one variant gives it.
pub fn rewrite(
    graph: &Graph,
    outputs: &[NodeId],
    variant: Variant,
    parities: &Parities,
) -> (Graph, Vec<NodeId>) {
    let system = collect(graph, outputs, variant.flattening, parities);
    let seed = variant.search.seed;
    let system = if variant.products_first { share_products(system, seed) } else { system };
    let system = factor(system, variant.search);
    let system = share_products(system, seed);
    emit(&system, graph)
}
