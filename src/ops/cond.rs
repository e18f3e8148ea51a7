//! Conditionals: the derivative of a conditional is the conditional of the derivatives, so that
//! the branch not taken contributes nothing.

use std::sync::Arc;

use super::Dependencies;
use super::Rules;
use super::accumulation::{Accumulation, join_entries};
use super::call::{add_picked, seeds_of, tangent_arguments};
use super::context::{Cotangents, Derived, MissingDerivative, Tangents};
use crate::graph::{Func, Graph, NodeId, Payload, Source};
use crate::sparsity::Pattern;

/// One of two functions, by the first argument.
pub struct Cond;

fn branches(graph: &Graph, id: NodeId) -> Option<(Arc<Func>, Arc<Func>)> {
    match graph.payload(id) {
        Some(Payload::Cond(then, otherwise)) => Some((then.clone(), otherwise.clone())),
        _ => None,
    }
}

/// The derivative functions of both branches with one signature, and where each derivative is
/// among their outputs.
struct Joined {
    then: Arc<Func>,
    otherwise: Arc<Func>,
    outputs: Vec<Vec<Option<usize>>>,
}

/// Output of the first and of the second function.
type Pair = (Option<usize>, Option<usize>);

/// Gives both functions the outputs of either: zeros where one has none, the union of patterns.
fn join(then: &Derived, otherwise: &Derived) -> Option<Joined> {
    let mut outputs = Vec::new();
    let mut pairs = Vec::new();
    for (a, b) in then.outputs.iter().zip(&otherwise.outputs) {
        let mut direction = Vec::new();
        for (&a, &b) in a.iter().zip(b) {
            if a.is_none() && b.is_none() {
                direction.push(None);
                continue;
            }
            direction.push(Some(pairs.len()));
            pairs.push((a, b));
        }
        outputs.push(direction);
    }
    let pattern = |f: &Func, k: Option<usize>| k.map(|k| f.outputs[k].pattern.clone());
    let patterns: Vec<_> = pairs
        .iter()
        .map(|&(a, b)| match (pattern(&then.func, a), pattern(&otherwise.func, b)) {
            (Some(p), Some(q)) => Some(p.union(&q)),
            (p, q) => p.or(q),
        })
        .collect::<Option<_>>()?;
    let make = |f: &Arc<Func>, which: fn(&Pair) -> Option<usize>| {
        let inputs: Vec<usize> = (0..f.inputs.len()).collect();
        let outputs: Vec<(Source, Pattern)> = pairs
            .iter()
            .zip(&patterns)
            .map(|(pair, pattern)| {
                (which(pair).map_or(Source::Zero, Source::Output), pattern.clone())
            })
            .collect();
        f.with_ports(&inputs, &outputs)
    };
    Some(Joined {
        then: make(&then.func, |p| p.0)?,
        otherwise: make(&otherwise.func, |p| p.1)?,
        outputs,
    })
}

impl Rules for Cond {
    fn tangent(&self, cx: &mut Tangents, id: NodeId) -> Result<(), MissingDerivative> {
        let Some((then, otherwise)) = branches(cx.graph, id) else { return Ok(()) };
        let (condition, args) = (cx.graph.arg(id, 0), cx.graph.args(id)[1..].to_vec());
        let seeds = cx.seeds(&args);
        let then = cx.deriver.tangent(&then, &seeds, &[])?;
        let otherwise = cx.deriver.tangent(&otherwise, &seeds, &[])?;
        let Some(joined) = join(&then, &otherwise) else { return Ok(()) };
        let inputs = tangent_arguments(cx, &args, &args);
        let results = cx.graph.cond(condition, &joined.then, &joined.otherwise, &inputs);
        cx.set_results(id, picked(&joined, &results));
        Ok(())
    }

    fn cotangent(&self, cx: &mut Cotangents, id: NodeId) -> Result<(), MissingDerivative> {
        let Some((then, otherwise)) = branches(cx.graph, id) else { return Ok(()) };
        let (condition, args) = (cx.graph.arg(id, 0), cx.graph.args(id)[1..].to_vec());
        let wanted: Vec<bool> = args.iter().map(|&a| cx.wants(a)).collect();
        let cotangents = cx.results(id, then.outputs.len());
        let seeds = seeds_of(cx, &cotangents);
        let then = cx.deriver.adjoint(&then, &seeds, &wanted)?;
        let otherwise = cx.deriver.adjoint(&otherwise, &seeds, &wanted)?;
        let Some(joined) = join(&then, &otherwise) else { return Ok(()) };
        let mut inputs = args.clone();
        inputs.extend(cotangents.iter().flatten().flatten());
        let results = cx.graph.cond(condition, &joined.then, &joined.otherwise, &inputs);
        add_picked(cx, &args, &picked(&joined, &results));
        Ok(())
    }

    fn dependency(&self, cx: &mut Dependencies, id: NodeId) {
        let Some((then, otherwise)) = branches(cx.graph, id) else { return };
        let args: Vec<NodeId> = cx.graph.args(id)[1..].to_vec();
        let (a, b) = (cx.deriver.dependency(&then), cx.deriver.dependency(&otherwise));
        let rows = a
            .iter()
            .zip(b.iter())
            .map(|(a, b)| {
                let either: Vec<_> = a.iter().zip(b).map(|(p, q)| p.union(q)).collect();
                cx.compose(&args, &either)
            })
            .collect();
        cx.set_results(id, rows);
    }

    fn jacobian(&self, cx: &mut Accumulation, id: NodeId) -> Result<(), MissingDerivative> {
        let Some((then, otherwise)) = branches(cx.graph, id) else { return Ok(()) };
        let (condition, args) = (cx.graph.arg(id, 0), cx.graph.args(id)[1..].to_vec());
        let active: Vec<bool> = args.iter().map(|&a| cx.is_active(a)).collect();
        let outputs = then.outputs.clone();
        let then = cx.deriver.entries(&then, &active)?;
        let otherwise = cx.deriver.entries(&otherwise, &active)?;
        let Some([then, otherwise]) = join_entries(&then, &otherwise) else { return Ok(()) };
        let column = cx.graph.cond(condition, &then.func, &otherwise.func, &args)[0];
        cx.set_from_entries(id, &args, &outputs, &then, column);
        Ok(())
    }
}

fn picked(joined: &Joined, results: &[NodeId]) -> Vec<Vec<Option<NodeId>>> {
    let of = |k: &Option<usize>| k.map(|k| results[k]);
    joined.outputs.iter().map(|direction| direction.iter().map(of).collect()).collect()
}
