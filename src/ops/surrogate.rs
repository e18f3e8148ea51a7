//! Products and extremes as sums and loops with state, whose derivatives are known.

use std::sync::Arc;

use super::scalar::ScalarOp;
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
        };
        graph.repeat(spec, &[one, x])[1]
    };
    let (before, after) = (exclusive(false), exclusive(true));
    graph.mul(before, after)
}

/// A loop with the same results that only sums: a product becomes a state, an extreme becomes the
/// mean of what attains it.
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
    let sums =
        |r: &ResultMode| matches!(r, ResultMode::Window(_) | ResultMode::Reduce(Reduction::Sum));
    if spec.results.iter().all(sums) {
        return Some(Summing { spec: (*spec).clone(), args, results: (0..n_all).collect() });
    }
    let (source, roots) = spec.body.graph()?;

    // Inputs of the new body: states, products, arguments, then value and count of each extreme.
    let products: Vec<usize> = (0..spec.results.len())
        .filter(|&r| spec.results[r] == ResultMode::Reduce(Reduction::Prod))
        .collect();
    let mut body = Graph::new();
    let mut ports: Vec<Port> = Vec::new();
    let mut add = |body: &mut Graph, port: Port| {
        ports.push(port);
        let last = ports.len() - 1;
        body.input(last, ports[last].pattern.clone())
    };
    let mut inputs = Vec::new();
    for port in &spec.body.inputs[..spec.n_states] {
        inputs.push(add(&mut body, port.clone()));
    }
    let partial: Vec<NodeId> = products
        .iter()
        .map(|&r| add(&mut body, Port::new("product", spec.patterns[r].clone())))
        .collect();
    for port in &spec.body.inputs[spec.n_states..] {
        inputs.push(add(&mut body, port.clone()));
    }
    let values = visit::transplant(source, roots, &mut body, &inputs);

    let mut new_args = args[..spec.n_states].to_vec();
    for &r in &products {
        new_args.push(graph.fill(spec.patterns[r].clone(), 1.0));
    }
    new_args.extend_from_slice(&args[spec.n_states..]);
    let mut modes = spec.args.clone();
    let n_states = spec.n_states + products.len();

    let mut outputs: Vec<NodeId> = values[..spec.n_states].to_vec();
    for (&r, &p) in products.iter().zip(&partial) {
        outputs.push(body.mul(p, values[spec.n_states + r]));
    }
    let (mut results, mut patterns) = (Vec::new(), Vec::new());
    let mut numbers: Vec<usize> = (0..spec.n_states).collect();
    for (r, mode) in spec.results.iter().enumerate() {
        let value = values[spec.n_states + r];
        match mode {
            ResultMode::Reduce(Reduction::Prod) => {
                let k = products.iter().position(|&p| p == r).unwrap_or(0);
                numbers.push(spec.n_states + k);
                continue;
            }
            ResultMode::Reduce(Reduction::Max | Reduction::Min) => {
                let pattern = spec.patterns[r].clone();
                let extreme = graph.result(id, spec.n_states + r, pattern.clone());
                let count = count_attaining(graph, &spec, &args, r, extreme)?;
                let m = add(&mut body, Port::new("extreme", pattern.clone()));
                let c = add(&mut body, Port::new("count", pattern.clone()));
                new_args.extend([extreme, count]);
                modes.extend([ArgMode::Broadcast, ArgMode::Broadcast]);
                let hit = body.binary(ScalarOp::Eq, value, m);
                let (n_rows, n_cols) = pattern.shape();
                let zero = body.zero(n_rows, n_cols);
                let chosen = body.scalar(ScalarOp::Select, &[hit, value, zero]);
                let share = body.div(chosen, c);
                outputs.push(body.project(share, &pattern));
                results.push(ResultMode::Reduce(Reduction::Sum));
            }
            mode => {
                outputs.push(value);
                results.push(mode.clone());
            }
        }
        numbers.push(n_states + results.len() - 1);
        patterns.push(spec.patterns[r].clone());
    }
    let named = outputs.iter().map(|&o| ("y".into(), o)).collect();
    let body = Func::freeze(spec.body.name.clone(), &body, ports, named);
    let spec = LoopSpec { body, n: spec.n, n_states, args: modes, results, patterns };
    Some(Summing { spec, args: new_args, results: numbers })
}

/// How many iterations attain the extreme value of result `r`, entry by entry.
fn count_attaining(
    graph: &mut Graph,
    spec: &LoopSpec,
    args: &[NodeId],
    r: usize,
    extreme: NodeId,
) -> Option<NodeId> {
    let (source, roots) = spec.body.graph()?;
    let mut body = Graph::new();
    let mut ports = spec.body.inputs.clone();
    let inputs: Vec<NodeId> =
        ports.iter().enumerate().map(|(k, p)| body.input(k, p.pattern.clone())).collect();
    let values = visit::transplant(source, roots, &mut body, &inputs);
    let pattern = spec.patterns[r].clone();
    let m = body.input(ports.len(), pattern.clone());
    ports.push(Port::new("extreme", pattern.clone()));
    let hit = body.binary(ScalarOp::Eq, values[spec.n_states + r], m);
    let hit = body.project(hit, &pattern);
    let mut named: Vec<(Arc<str>, NodeId)> =
        values[..spec.n_states].iter().map(|&v| ("next".into(), v)).collect();
    named.push(("hit".into(), hit));
    let body = Func::freeze("attained", &body, ports, named);
    let mut modes = spec.args.clone();
    modes.push(ArgMode::Broadcast);
    let mut args = args.to_vec();
    args.push(extreme);
    let count = LoopSpec {
        body,
        n: spec.n,
        n_states: spec.n_states,
        args: modes,
        results: vec![ResultMode::Reduce(Reduction::Sum)],
        patterns: vec![pattern],
    };
    graph.repeat(count, &args).last().copied()
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
    };
    let results = graph.repeat(history, args);
    Some(results[spec.n_states..].to_vec())
}
