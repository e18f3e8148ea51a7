//! Products and extremes as sums and loops with state, whose derivatives are known.

use std::sync::Arc;

use crate::graph::{
    ArgMode, Func, Graph, LoopSpec, NodeId, Port, Reduction, ResultMode, Source, Window, visit,
};
use crate::sparsity::Pattern;

/// For each nonzero of `x` the product of all the others, without division: products of those
/// before it and of those after it.
pub fn product_of_others(graph: &mut Graph, x: NodeId) -> NodeId {
    let pattern = graph.pattern(x).clone();
    let n = pattern.nnz();
    let mut body = Graph::new();
    let p = body.input(0, Pattern::scalar());
    let factor = body.input(1, Pattern::scalar());
    let next = body.mul(p, factor);
    let scalar = |name: &str| Port::new(name, Pattern::scalar());
    let body = Func::freeze(
        "product",
        &body,
        vec![scalar("p"), scalar("factor")],
        vec![("next".into(), next), ("p".into(), p)],
    );
    let one = graph.constant(1.0);
    let mut exclusive = |reversed: bool| {
        let forward = Window::stacked(1);
        let window = if reversed { forward.reversed(n as u64) } else { forward };
        let spec = LoopSpec {
            body: body.clone(),
            n: n as u64,
            n_states: 1,
            args: vec![ArgMode::Window(window.clone())],
            results: vec![ResultMode::Window(window)],
            patterns: vec![pattern.clone()],
            range: None,
        };
        graph.repeat(spec, &[one, x])[1]
    };
    let (before, after) = (exclusive(false), exclusive(true));
    graph.mul(before, after)
}

/// A loop with the same results that only sums: a product or an extreme becomes a state. (To
/// compare each value with an extreme found elsewhere would not do: the two may be rounded
/// differently.)
pub struct Summing {
    pub spec: LoopSpec,
    pub args: Vec<NodeId>,
    /// For each result of the original (final states first), the result here.
    pub results: Vec<usize>,
}

/// Makes the loop node `id` summing.
pub fn summing(graph: &mut Graph, id: NodeId) -> Option<Summing> {
    let spec: Arc<LoopSpec> = graph.loop_spec(id)?.clone();
    let args: Vec<NodeId> = graph.args(id).to_vec();
    // Results that become states, with the operation that joins them.
    let folded: Vec<(usize, Reduction)> = spec
        .results
        .iter()
        .enumerate()
        .filter_map(|(r, mode)| match mode {
            ResultMode::Reduce(Reduction::Sum) | ResultMode::Window(_) => None,
            ResultMode::Reduce(reduction) => Some((r, *reduction)),
        })
        .collect();
    if folded.is_empty() {
        let n_all = spec.n_states + spec.results.len();
        return Some(Summing { spec: (*spec).clone(), args, results: (0..n_all).collect() });
    }
    let (source, roots) = spec.body.graph()?;

    // Inputs of the new body: states, folded results, arguments.
    let mut body = Graph::new();
    let mut ports: Vec<Port> = spec.body.inputs[..spec.n_states].to_vec();
    ports.extend(folded.iter().map(|&(r, _)| Port::new("partial", spec.patterns[r].clone())));
    ports.extend_from_slice(&spec.body.inputs[spec.n_states..]);
    let all: Vec<NodeId> =
        ports.iter().enumerate().map(|(k, p)| body.input(k, p.pattern.clone())).collect();
    let n_states = spec.n_states + folded.len();
    let inputs = [&all[..spec.n_states], &all[n_states..]].concat();
    let values = visit::transplant(source, roots, &mut body, &inputs);

    let mut new_args = args[..spec.n_states].to_vec();
    let mut outputs: Vec<NodeId> = values[..spec.n_states].to_vec();
    for (&(r, reduction), &partial) in folded.iter().zip(&all[spec.n_states..]) {
        new_args.push(graph.fill(spec.patterns[r].clone(), reduction.identity()));
        let joined = body.binary(reduction.op(), partial, values[spec.n_states + r]);
        outputs.push(body.project(joined, &spec.patterns[r]));
    }
    new_args.extend_from_slice(&args[spec.n_states..]);
    let (mut results, mut patterns) = (Vec::new(), Vec::new());
    let mut numbers: Vec<usize> = (0..spec.n_states).collect();
    for (r, mode) in spec.results.iter().enumerate() {
        if let Some(k) = folded.iter().position(|f| f.0 == r) {
            numbers.push(spec.n_states + k);
            continue;
        }
        outputs.push(values[spec.n_states + r]);
        numbers.push(n_states + results.len());
        results.push(mode.clone());
        patterns.push(spec.patterns[r].clone());
    }
    let named = outputs.iter().map(|&o| ("y".into(), o)).collect();
    let body = Func::freeze(spec.body.name.clone(), &body, ports, named);
    let (args, range) = (spec.args.clone(), spec.range.clone());
    let spec = LoopSpec { body, n: spec.n, n_states, args, results, patterns, range };
    Some(Summing { spec, args: new_args, results: numbers })
}

/// A loop whose only results are its states before each iteration, stacked as columns.
pub fn history(graph: &mut Graph, spec: &LoopSpec, args: &[NodeId]) -> Option<Vec<NodeId>> {
    let states = &spec.body.inputs[..spec.n_states];
    let inputs: Vec<usize> = (0..spec.body.inputs.len()).collect();
    let next = (0..spec.n_states).map(Source::Output);
    let before = (0..spec.n_states).map(Source::Input);
    let outputs: Vec<_> = next
        .zip(states.iter().map(|p| p.pattern.clone()))
        .chain(before.zip(states.iter().map(|p| p.pattern.clone())))
        .collect();
    let body = spec.body.with_ports(&inputs, &outputs)?;
    let stacked = |p: &Port| ResultMode::Window(Window::stacked(p.pattern.nnz()));
    let whole = |p: &Port| Pattern::dense(p.pattern.nnz(), spec.n as usize);
    let history = LoopSpec {
        body,
        n: spec.n,
        n_states: spec.n_states,
        args: spec.args.clone(),
        results: states.iter().map(stacked).collect(),
        patterns: states.iter().map(whole).collect(),
        range: spec.range.clone(),
    };
    let results = graph.repeat(history, args);
    Some(results[spec.n_states..].to_vec())
}
