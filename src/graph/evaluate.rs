//! The slow reference: what a function means, node by node, for tests to judge everything else.
//!
//! Takes the nonzeros of the inputs, gives the nonzeros of the outputs. Sums run from the first
//! nonzero to the last, so the engines, which sum in blocks, agree up to rounding only.

use std::sync::Arc;

use super::node::{ArgMode, Constant, LoopSpec, NodeId, Op, Payload, ResultMode};
use super::{Body, Func, Graph, visit};
use crate::ops::scalar::ScalarOp;
use crate::sparsity::Pattern;

/// Deepest nesting of calls, loops and conditionals that [`evaluate`] follows.
pub const MAX_NESTING: usize = 200;

/// Values of the outputs of `func`, each the nonzeros of its pattern.
///
/// Not made for speed. Errors: wrong number or length of inputs, a failed or absent external,
/// nesting beyond [`MAX_NESTING`].
pub fn evaluate(func: &Func, inputs: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, String> {
    evaluate_nested(func, inputs, 0)
}

/// Values of `roots`, for a graph that is not frozen into a function.
pub fn evaluate_nodes(
    graph: &Graph,
    roots: &[NodeId],
    inputs: &[Vec<f64>],
) -> Result<Vec<Vec<f64>>, String> {
    nodes(graph, roots, inputs, 0)
}

fn evaluate_nested(
    func: &Func,
    inputs: &[Vec<f64>],
    depth: usize,
) -> Result<Vec<Vec<f64>>, String> {
    if depth > MAX_NESTING {
        return Err(format!("`{}` is nested deeper than {MAX_NESTING}", func.name));
    }
    if inputs.len() != func.inputs.len() {
        let (want, have) = (func.inputs.len(), inputs.len());
        return Err(format!("`{}` takes {want} inputs, not {have}", func.name));
    }
    for (port, value) in func.inputs.iter().zip(inputs) {
        let (want, have) = (port.pattern.nnz(), value.len());
        if want != have {
            return Err(format!("`{}` has {want} nonzeros, not {have}", port.name));
        }
    }
    match &func.body {
        Body::Graph { graph, outputs } => nodes(graph, outputs, inputs, depth),
        Body::External(external) => {
            let Some(callback) = &external.callback else {
                return Err(format!("`{}` has no body here", external.name));
            };
            let mut out: Vec<Vec<f64>> =
                external.outputs.iter().map(|p| vec![0.0; p.nnz()]).collect();
            let arg: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
            let mut res: Vec<&mut [f64]> = out.iter_mut().map(Vec::as_mut_slice).collect();
            callback(&arg, &mut res)?;
            Ok(out)
        }
    }
}

fn nodes(
    graph: &Graph,
    roots: &[NodeId],
    inputs: &[Vec<f64>],
    depth: usize,
) -> Result<Vec<Vec<f64>>, String> {
    // One list of values per node; calls, loops and conditionals have several values.
    let mut values: Vec<Vec<Vec<f64>>> = vec![Vec::new(); graph.len()];
    for id in visit::reachable(graph, roots) {
        let arg = |k: usize| &values[graph.arg(id, k).index()][0];
        let all = |from: usize| -> Vec<Vec<f64>> {
            graph.args(id)[from..].iter().map(|a| values[a.index()][0].clone()).collect()
        };
        let pattern = graph.pattern(id);
        let nnz = pattern.nnz();
        values[id.index()] = match graph.op(id) {
            Op::Const => match graph.as_constant(id) {
                Some(Constant::Values(v)) => vec![v.to_vec()],
                Some(Constant::Uniform(v)) => vec![vec![v; nnz]],
                None => return Err("a constant has no value".to_string()),
            },
            Op::Input => match inputs.get(graph.number(id)) {
                Some(value) if value.len() == nnz => vec![value.clone()],
                _ => return Err(format!("input {} is not fit", graph.number(id))),
            },
            Op::Scalar(op) => vec![elementwise(graph, id, op, &all(0))],
            Op::Gather => {
                let map = graph.map(id).ok_or("a gather has no map")?;
                vec![map.iter().map(|k| arg(0)[k]).collect()]
            }
            Op::Scatter => {
                let map = graph.map(id).ok_or("a scatter has no map")?;
                let mut out = vec![0.0; nnz];
                for (k, to) in map.iter().enumerate() {
                    out[to] += arg(0)[k];
                }
                vec![out]
            }
            Op::Concat => vec![all(0).concat()],
            Op::MatMul => {
                let (a, b) = (graph.pattern(graph.arg(id, 0)), graph.pattern(graph.arg(id, 1)));
                vec![product(a, arg(0), b, arg(1), pattern)]
            }
            Op::Reduce(reduction) => {
                let join = |acc: f64, &v: &f64| reduction.op().eval(&[acc, v]);
                vec![vec![arg(0).iter().fold(reduction.identity(), join)]]
            }
            Op::Mark => vec![arg(0).clone()],
            Op::Result => vec![values[graph.arg(id, 0).index()][graph.number(id)].clone()],
            Op::Call => {
                let callee = graph.callee(id).ok_or("a call has no callee")?;
                evaluate_nested(callee, &all(0), depth + 1)?
            }
            Op::Cond => {
                let Some(Payload::Cond(then, otherwise)) = graph.payload(id) else {
                    return Err("a conditional has no branches".to_string());
                };
                let branch = if arg(0)[0] != 0.0 { then } else { otherwise };
                evaluate_nested(branch, &all(1), depth + 1)?
            }
            Op::Loop => {
                let spec: &Arc<LoopSpec> = graph.loop_spec(id).ok_or("a loop has no body")?;
                repeat(spec, all(0), depth)?
            }
        };
    }
    Ok(roots.iter().map(|r| values[r.index()][0].clone()).collect())
}

fn elementwise(graph: &Graph, id: NodeId, op: ScalarOp, args: &[Vec<f64>]) -> Vec<f64> {
    let broadcast = |k: usize| graph.pattern(graph.arg(id, k)).is_scalar();
    let at = |k: usize| -> f64 {
        let pick = |(j, v): (usize, &Vec<f64>)| if broadcast(j) { v[0] } else { v[k] };
        op.eval(&args.iter().enumerate().map(pick).collect::<Vec<_>>())
    };
    (0..graph.nnz(id)).map(at).collect()
}

fn product(a: &Pattern, x: &[f64], b: &Pattern, y: &[f64], result: &Pattern) -> Vec<f64> {
    let entry = |(row, col): (usize, usize)| {
        let term = |k: usize| {
            let inner = b.row_of(k, col);
            a.find(row, inner).map(|at| x[at] * y[k])
        };
        b.column(col).filter_map(term).sum()
    };
    result.entries().map(entry).collect()
}

fn repeat(spec: &LoopSpec, args: Vec<Vec<f64>>, depth: usize) -> Result<Vec<Vec<f64>>, String> {
    let (mut states, args) = (args[..spec.n_states].to_vec(), &args[spec.n_states..]);
    let start = |(mode, pattern): (&ResultMode, &Pattern)| match mode {
        ResultMode::Window(_) => vec![0.0; pattern.nnz()],
        ResultMode::Reduce(reduction) => vec![reduction.identity(); pattern.nnz()],
    };
    let mut results: Vec<Vec<f64>> = spec.results.iter().zip(&spec.patterns).map(start).collect();
    let iterations = match &spec.range {
        Some(range) => range.iterations(spec.n, |k| args[k].first().copied().unwrap_or(0.0)),
        None => 0..spec.n,
    };
    for i in iterations {
        let mut inputs = states;
        for (mode, arg) in spec.args.iter().zip(args) {
            inputs.push(match mode {
                ArgMode::Broadcast => arg.clone(),
                ArgMode::Window(w) => {
                    (0..w.map.len()).map(|k| arg[w.index(i, k) as usize]).collect()
                }
                ArgMode::Iteration { base, step } => vec![(base + step * i as i64) as f64],
            });
        }
        let mut outputs = evaluate_nested(&spec.body, &inputs, depth + 1)?;
        let made = outputs.split_off(spec.n_states);
        states = outputs;
        for ((mode, total), part) in spec.results.iter().zip(&mut results).zip(made) {
            for (k, v) in part.into_iter().enumerate() {
                match mode {
                    ResultMode::Window(w) => total[w.index(i, k) as usize] += v,
                    ResultMode::Reduce(reduction) => {
                        total[k] = reduction.op().eval(&[total[k], v]);
                    }
                }
            }
        }
    }
    states.append(&mut results);
    Ok(states)
}

#[cfg(test)]
mod tests {
    use super::super::{Port, Reduction, Window};
    use super::*;
    use crate::sparsity::IndexMap;

    fn function(
        inputs: &[Pattern],
        build: impl Fn(&mut Graph, &[NodeId]) -> Vec<NodeId>,
    ) -> Arc<Func> {
        let mut graph = Graph::new();
        let args: Vec<NodeId> =
            inputs.iter().enumerate().map(|(k, p)| graph.input(k, p.clone())).collect();
        let roots = build(&mut graph, &args);
        let ports = inputs.iter().map(|p| Port::new("x", p.clone())).collect();
        Func::freeze("f", &graph, ports, roots.into_iter().map(|r| ("y".into(), r)).collect())
    }

    #[test]
    fn loop_with_state_window_and_reduction() {
        let scalar = Pattern::scalar();
        let body = function(&[scalar.clone(), scalar.clone(), scalar], |g, a| {
            let next = g.add(a[0], a[1]);
            let result = g.mul(a[1], a[2]);
            vec![next, next, result]
        });
        let window = Window::stacked(1);
        let spec = LoopSpec {
            body,
            n: 3,
            n_states: 1,
            args: vec![ArgMode::Window(window.clone()), ArgMode::Iteration { base: 1, step: 2 }],
            results: vec![ResultMode::Window(window), ResultMode::Reduce(Reduction::Sum)],
            patterns: vec![Pattern::dense(3, 1), Pattern::scalar()],
            range: None,
        };
        let f = function(&[Pattern::dense(3, 1)], |g, a| {
            let start = g.constant(10.0);
            let absent = g.zero(0, 0);
            g.repeat(spec.clone(), &[start, a[0], absent])
        });
        let out = evaluate(&f, &[vec![1.0, 2.0, 4.0]]);
        assert_eq!(out, Ok(vec![vec![17.0], vec![11.0, 13.0, 17.0], vec![1.0 + 6.0 + 20.0]]));
    }

    #[test]
    fn conditional_and_call_choose_and_pass_values() {
        let pair = [Pattern::dense(2, 1)];
        let twice = function(&pair, |g, a| vec![g.add(a[0], a[0])]);
        let first = function(&pair, |g, a| {
            let x = g.gather(a[0], IndexMap::constant(0, 2), Pattern::dense(2, 1));
            vec![x]
        });
        let f = function(&[Pattern::scalar(), Pattern::dense(2, 1)], |g, a| {
            let chosen = g.cond(a[0], &twice, &first, &[a[1]]);
            g.call(&twice, &chosen)
        });
        let run = |c: f64| evaluate(&f, &[vec![c], vec![3.0, 5.0]]);
        assert_eq!(run(2.0), Ok(vec![vec![12.0, 20.0]]));
        assert_eq!(run(0.0), Ok(vec![vec![6.0, 6.0]]));
    }

    #[test]
    fn wrong_inputs_are_refused() {
        let f = function(&[Pattern::dense(2, 1)], |_, a| vec![a[0]]);
        assert!(evaluate(&f, &[]).is_err());
        assert!(evaluate(&f, &[vec![1.0]]).is_err());
    }
}
