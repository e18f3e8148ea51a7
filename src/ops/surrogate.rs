//! Products and extremes as sums and loops with state, whose derivatives are known.

use std::sync::Arc;

use crate::graph::{
    ArgMode, Func, Graph, LoopSpec, NodeId, Port, Reduction, ResultMode, Source, Window, visit,
};
use crate::ops::scalar::ScalarOp;
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

/// A loop with the same derivatives that only sums. A product becomes a state. An extreme becomes
/// three: the extreme so far, how many values attain it, and their mean, of which each value has
/// an equal share. The mean is kept from value to value, so that the shares add up to 1 even where
/// forward and reverse mode round values differently and do not agree on what attains the extreme.
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
    let n_all = spec.n_states + spec.results.len();
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
        return Some(Summing { spec: (*spec).clone(), args, results: (0..n_all).collect() });
    }
    let (source, roots) = spec.body.graph()?;

    // Inputs of the new body: states, those of folded results, arguments.
    let is_product = |reduction: Reduction| reduction == Reduction::Prod;
    let mut body = Graph::new();
    let mut ports: Vec<Port> = spec.body.inputs[..spec.n_states].to_vec();
    for &(r, reduction) in &folded {
        let names: &[&str] =
            if is_product(reduction) { &["product"] } else { &["extreme", "count", "mean"] };
        ports.extend(names.iter().map(|name| Port::new(*name, spec.patterns[r].clone())));
    }
    let n_states = ports.len();
    ports.extend_from_slice(&spec.body.inputs[spec.n_states..]);
    let all = body.inputs(&ports);
    let inputs = [&all[..spec.n_states], &all[n_states..]].concat();
    let values = visit::transplant(source, roots, &mut body, &inputs);

    let mut new_args = args[..spec.n_states].to_vec();
    let mut outputs: Vec<NodeId> = values[..spec.n_states].to_vec();
    let mut results: Vec<usize> = (0..n_all).collect();
    for &(r, reduction) in &folded {
        let at = outputs.len();
        let (value, pattern) = (values[spec.n_states + r], &spec.patterns[r]);
        new_args.push(graph.fill(pattern.clone(), reduction.identity()));
        let next = if is_product(reduction) {
            results[spec.n_states + r] = at;
            vec![body.mul(all[at], value)]
        } else {
            results[spec.n_states + r] = at + 2;
            let nothing = graph.zero(pattern.n_rows(), pattern.n_cols());
            new_args.extend([nothing, nothing]);
            shared_extreme(&mut body, reduction, &all[at..at + 3], value)
        };
        outputs.extend(next.into_iter().map(|node| body.project(node, pattern)));
    }
    new_args.extend_from_slice(&args[spec.n_states..]);
    let (mut modes, mut patterns) = (Vec::new(), Vec::new());
    for (r, mode) in spec.results.iter().enumerate() {
        if folded.iter().all(|f| f.0 != r) {
            results[spec.n_states + r] = outputs.len();
            outputs.push(values[spec.n_states + r]);
            modes.push(mode.clone());
            patterns.push(spec.patterns[r].clone());
        }
    }
    let named = outputs.iter().map(|&o| ("y".into(), o)).collect();
    let body = Func::freeze(spec.body.name.clone(), &body, ports, named);
    let (args, range) = (spec.args.clone(), spec.range.clone());
    let spec = LoopSpec { body, n: spec.n, n_states, args, results: modes, patterns, range };
    Some(Summing { spec, args: new_args, results })
}

/// The extreme so far, the number of values that attain it and their mean, after one more value.
fn shared_extreme(
    body: &mut Graph,
    reduction: Reduction,
    before: &[NodeId],
    value: NodeId,
) -> Vec<NodeId> {
    let &[extreme, count, mean] = before else { return Vec::new() };
    let (n_rows, n_cols) = body.shape(value);
    let (zero, one) = (body.zero(n_rows, n_cols), body.constant(1.0));
    let fixed = body.unary(ScalarOp::StopGradient, value);
    let beats = if reduction == Reduction::Max { ScalarOp::Gt } else { ScalarOp::Lt };
    let beats = body.binary(beats, fixed, extreme);
    let ties = body.binary(ScalarOp::Eq, fixed, extreme);
    // A value that does not tie is left out before it is divided: its derivative may be infinite.
    let apart = body.sub(value, mean);
    let apart = body.scalar(ScalarOp::Select, &[ties, apart, zero]);
    let longer = body.add(count, one);
    let step = body.div(apart, longer);
    let moved = body.add(mean, step);
    let mean = body.scalar(ScalarOp::Select, &[beats, value, moved]);
    let more = body.add(count, ties);
    let count = body.scalar(ScalarOp::Select, &[beats, one, more]);
    vec![body.binary(reduction.op(), extreme, fixed), count, mean]
}

/// The final states of a loop, then its states before each iteration, stacked as columns.
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
    Some(graph.repeat(history, args))
}
