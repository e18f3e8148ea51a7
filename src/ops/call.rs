//! Calls: derivatives of a call are calls of derivative functions.

use super::Dependencies;
use super::Rules;
use super::accumulation::Accumulation;
use super::context::{Cotangents, Derived, MissingDerivative, Seeds, Tangents};
use crate::graph::{NodeId, Op, Payload};

/// A call of a function.
pub struct Call;

impl Rules for Call {
    fn tangent(&self, cx: &mut Tangents, id: NodeId) -> Result<(), MissingDerivative> {
        let Some(f) = cx.graph.callee(id).cloned() else { return Ok(()) };
        let args: Vec<NodeId> = cx.graph.args(id).to_vec();
        let seeds = cx.seeds(&args);
        let derived = cx.deriver.tangent(&f, &seeds, &[])?;
        let inputs = tangent_arguments(cx, &args, &args);
        let results = cx.graph.call(&derived.func, &inputs);
        cx.set_results(id, pick(&derived, &results));
        Ok(())
    }

    fn cotangent(&self, cx: &mut Cotangents, id: NodeId) -> Result<(), MissingDerivative> {
        let Some(f) = cx.graph.callee(id).cloned() else { return Ok(()) };
        let args: Vec<NodeId> = cx.graph.args(id).to_vec();
        let wanted: Vec<bool> = args.iter().map(|&a| cx.wants(a)).collect();
        let cotangents = cx.results(id, f.outputs.len());
        let derived = cx.deriver.adjoint(&f, &seeds_of(cx, &cotangents), &wanted)?;
        let mut inputs = args.clone();
        inputs.extend(cotangents.iter().flatten().flatten());
        let results = cx.graph.call(&derived.func, &inputs);
        add_picked(cx, &args, &pick(&derived, &results));
        Ok(())
    }

    fn dependency(&self, cx: &mut Dependencies, id: NodeId) {
        let Some(Payload::Call(f)) = cx.graph.payload(id) else { return };
        let of = cx.deriver.dependency(f);
        let args: Vec<NodeId> = cx.graph.args(id).to_vec();
        let rows = of.iter().map(|by_input| cx.compose(&args, by_input)).collect();
        cx.set_results(id, rows);
        debug_assert_eq!(cx.graph.op(id), Op::Call);
    }

    fn jacobian(&self, cx: &mut Accumulation, id: NodeId) -> Result<(), MissingDerivative> {
        let Some(f) = cx.graph.callee(id).cloned() else { return Ok(()) };
        if f.jvp.is_some() || f.graph().is_none() {
            let patterns = f.outputs.iter().map(|p| p.pattern.clone()).collect();
            return cx.set_from_directions(id, patterns);
        }
        let args: Vec<NodeId> = cx.graph.args(id).to_vec();
        let active: Vec<bool> = args.iter().map(|&a| cx.is_active(a)).collect();
        let entries = cx.deriver.entries(&f, &active)?;
        let column = cx.graph.call(&entries.func, &args)[0];
        cx.set_from_entries(id, &args, &f.outputs, &entries, column);
        Ok(())
    }
}

/// `first`, then the tangents of `args` that are present, direction by direction.
pub fn tangent_arguments(cx: &Tangents, first: &[NodeId], args: &[NodeId]) -> Vec<NodeId> {
    let mut all = first.to_vec();
    for d in 0..cx.n_directions() {
        all.extend(args.iter().filter_map(|&a| cx.get(d, a)));
    }
    all
}

/// Patterns of the cotangents of the results of a node.
pub fn seeds_of(cx: &Cotangents, cotangents: &[Vec<Option<NodeId>>]) -> Seeds {
    let pattern = |c: &Option<NodeId>| c.map(|c| cx.graph.pattern(c).clone());
    cotangents.iter().map(|direction| direction.iter().map(pattern).collect()).collect()
}

/// Results of a derived function, by direction and by output of the original.
pub fn pick(derived: &Derived, results: &[NodeId]) -> Vec<Vec<Option<NodeId>>> {
    let of = |k: &Option<usize>| k.map(|k| results[k]);
    derived.outputs.iter().map(|direction| direction.iter().map(of).collect()).collect()
}

/// Adds the cotangents of arguments that a derived function gave.
pub fn add_picked(cx: &mut Cotangents, args: &[NodeId], picked: &[Vec<Option<NodeId>>]) {
    for (d, direction) in picked.iter().enumerate() {
        for (&a, share) in args.iter().zip(direction) {
            if let Some(share) = share {
                cx.add(d, a, *share);
            }
        }
    }
}
