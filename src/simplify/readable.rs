//! Formulas as people write them: simplified by the rules, then sums of products with equal factors as powers, nothing taken
//! out, nothing expanded that was written in brackets.

use std::sync::Arc;

use super::collect::{Flattening, parities};
use super::emit::emit_readable;
use super::library::{applicable, of_negatives};
use super::matching::RuleBook;
use super::rules::Math;
use super::run::heads;
use super::saturate::{Bounds, saturate};
use crate::graph::{Func, Graph, NodeId, Op, visit};
use crate::ops::scalar::Counter;

/// More outputs than these are put in order together.
const MAX_ALONE: usize = 16;

/// The function with its formulas in order, for readers. Matrices, loops and called functions stay
/// as they are.
pub fn readable(func: &Arc<Func>) -> Arc<Func> {
    let Some((graph, outputs)) = func.graph() else { return func.clone() };
    let (mut to, mut roots) = (Graph::new(), outputs.to_vec());
    to.set_folds_real(true);
    let inputs = to.inputs(&func.inputs);
    roots = visit::transplant(graph, &roots, &mut to, &inputs);
    let heads = heads(&to);
    let ranges: Vec<Option<(f64, f64)>> = func.inputs.iter().map(|p| p.range).collect();
    let rules = RuleBook::new(applicable(heads, Math::Real), Math::Real);
    let bounds = Bounds { n_iterations: 4, growth: 4, reassociate: true, polynomials: true };
    let (simpler, cheaper) = saturate(&to, &roots, &ranges, &rules, bounds);
    // Brackets alone make nothing easier to read.
    if calls(&simpler, &cheaper) < calls(&to, &roots) {
        (to, roots) = (simpler, cheaper);
    }
    let parities = parities(&of_negatives(heads));
    let flattening = Flattening { shared_sum: 4, distribute: false };
    let in_order = |roots: &[NodeId]| {
        let system = super::collect::collect(&to, roots, flattening, &parities);
        emit_readable(&system, &to)
    };
    // One output after the other: a sum that is a factor elsewhere is still part of a sum here.
    let (mut to, roots) = if roots.len() > MAX_ALONE {
        in_order(&roots)
    } else {
        let mut whole = Graph::new();
        let inputs = whole.inputs(&func.inputs);
        let alone = |root: &NodeId| {
            let (graph, root) = in_order(std::slice::from_ref(root));
            visit::transplant(&graph, &root, &mut whole, &inputs)[0]
        };
        let roots = roots.iter().map(alone).collect();
        (whole, roots)
    };
    let named = (func.outputs.iter().zip(roots))
        .map(|(port, root)| (port.name.clone(), to.project(root, &port.pattern)))
        .collect();
    Func::freeze(func.name.clone(), &to, func.inputs.clone(), named)
}

/// The cost of all operations but sums and products.
fn calls(graph: &Graph, outputs: &[NodeId]) -> u32 {
    let cost = |id: NodeId| match graph.op(id) {
        Op::Scalar(op) => match op.row().counter {
            Counter::Add | Counter::Mul | Counter::Fused | Counter::Free => 0,
            _ => op.row().cost,
        },
        _ => 0,
    };
    visit::reachable(graph, outputs).into_iter().map(cost).sum()
}
