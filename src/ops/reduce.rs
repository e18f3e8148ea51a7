//! Reductions over all nonzeros of a matrix.

use super::Dependencies;
use super::Rules;
use super::accumulation::Accumulation;
use super::context::{Cotangents, MissingDerivative, Tangents};
use super::scalar::ScalarOp;
use super::surrogate;
use crate::graph::{Graph, NodeId, Op, Reduction};
use crate::sparsity::IndexMap;
use crate::sparsity::runs::{Line, Run};

/// Sum, product, maximum or minimum.
pub struct Reduce;

fn reduction(graph: &Graph, id: NodeId) -> Reduction {
    match graph.op(id) {
        Op::Reduce(r) => r,
        _ => Reduction::Sum,
    }
}

/// The entries of `x` that attain the extreme value `y` (1 or 0 each), and how many they are:
/// ties share the derivative evenly.
fn attained(graph: &mut Graph, x: NodeId, y: NodeId) -> (NodeId, NodeId) {
    let hit = graph.binary(ScalarOp::Eq, x, y);
    let pattern = graph.pattern(x).clone();
    let hit = graph.project(hit, &pattern);
    let count = graph.reduce(Reduction::Sum, hit);
    (hit, count)
}

impl Rules for Reduce {
    fn tangent(&self, cx: &mut Tangents, id: NodeId) -> Result<(), MissingDerivative> {
        let x = cx.graph.arg(id, 0);
        match reduction(cx.graph, id) {
            Reduction::Sum => {
                for d in 0..cx.n_directions() {
                    if let Some(t) = cx.get(d, x) {
                        let sum = cx.graph.reduce(Reduction::Sum, t);
                        cx.set(d, id, sum);
                    }
                }
            }
            Reduction::Max | Reduction::Min => {
                let (hit, count) = attained(cx.graph, x, id);
                for d in 0..cx.n_directions() {
                    if let Some(t) = cx.get(d, x) {
                        let (n_rows, n_cols) = cx.graph.shape(x);
                        let zero = cx.graph.zero(n_rows, n_cols);
                        let chosen = cx.graph.scalar(ScalarOp::Select, &[hit, t, zero]);
                        let sum = cx.graph.reduce(Reduction::Sum, chosen);
                        let mean = cx.graph.div(sum, count);
                        cx.set(d, id, mean);
                    }
                }
            }
            Reduction::Prod => {
                let others = surrogate::product_of_others(cx.graph, x);
                for d in 0..cx.n_directions() {
                    if let Some(t) = cx.get(d, x) {
                        let terms = cx.graph.mul(others, t);
                        let sum = cx.graph.reduce(Reduction::Sum, terms);
                        cx.set(d, id, sum);
                    }
                }
            }
        }
        Ok(())
    }

    fn cotangent(&self, cx: &mut Cotangents, id: NodeId) -> Result<(), MissingDerivative> {
        let x = cx.graph.arg(id, 0);
        let pattern = cx.graph.pattern(x).clone();
        for d in 0..cx.n_directions() {
            let Some(c) = cx.get(d, id) else { continue };
            let share = match reduction(cx.graph, id) {
                Reduction::Sum => c,
                Reduction::Max | Reduction::Min => {
                    let (_, count) = attained(cx.graph, x, id);
                    cx.graph.div(c, count)
                }
                Reduction::Prod => c,
            };
            let spread =
                cx.graph.gather(share, IndexMap::constant(0, pattern.nnz()), pattern.clone());
            let share = match reduction(cx.graph, id) {
                Reduction::Sum => spread,
                Reduction::Max | Reduction::Min => {
                    let (hit, _) = attained(cx.graph, x, id);
                    let (n_rows, n_cols) = pattern.shape();
                    let zero = cx.graph.zero(n_rows, n_cols);
                    cx.graph.scalar(ScalarOp::Select, &[hit, spread, zero])
                }
                Reduction::Prod => {
                    let others = surrogate::product_of_others(cx.graph, x);
                    cx.graph.mul(others, spread)
                }
            };
            cx.add(d, x, share);
        }
        Ok(())
    }

    fn dependency(&self, cx: &mut Dependencies, id: NodeId) {
        cx.set_all(id, cx.graph.arg(id, 0));
    }

    fn jacobian(&self, cx: &mut Accumulation, id: NodeId) -> Result<(), MissingDerivative> {
        let x = cx.graph.arg(id, 0);
        let Some(rows) = cx.get(x).cloned() else { return Ok(()) };
        let n = cx.graph.nnz(x) as i64;
        let slope = match reduction(cx.graph, id) {
            Reduction::Sum => None,
            Reduction::Prod => Some(surrogate::product_of_others(cx.graph, x)),
            Reduction::Max | Reduction::Min => {
                let (hit, count) = attained(cx.graph, x, id);
                Some(cx.graph.div(hit, count))
            }
        };
        let pattern = cx.graph.pattern(x).clone();
        let slope = slope.map(|s| cx.graph.project(s, &pattern));
        let run = Run { n, row: Line::fixed(0), column: Line::new(0, 1) };
        let partials = cx.along(1, run, Line::new(0, 1), slope);
        let rows = cx.chain(1, &[(partials, rows)]);
        cx.set(id, rows);
        Ok(())
    }
}
