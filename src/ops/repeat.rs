//! Loops: maps, folds and scans. The derivative of a loop is a loop of the derivative function.

mod jacobian;

use std::sync::Arc;

use super::Dependencies;
use super::Rules;
use super::accumulation::Accumulation;
use super::context::{Cotangents, Derived, MissingDerivative, Seeds, Tangents};
use super::surrogate::{self, Summing};
use crate::graph::{ArgMode, LoopSpec, NodeId, Payload, Reduction, ResultMode, Source, Window};
use crate::sparsity::adjacency::Lists;
use crate::sparsity::{DependencyMatrix, Pattern};
use jacobian::map_jacobian;

/// A loop with or without state.
pub struct Repeat;

/// Longest loop with state whose dependencies are followed step by step; of longer ones the least
/// fixed point is taken.
const LONGEST_EXACT: u64 = 4_096;

impl Rules for Repeat {
    fn tangent(&self, cx: &mut Tangents, id: NodeId) -> Result<(), MissingDerivative> {
        let Some(Summing { spec, args, results }) = summing_tangents(cx, id)? else {
            return Ok(());
        };
        let s = spec.n_states;
        let n_directions = cx.n_directions();
        // Patterns of the seeds of the body. States are full where active at all.
        let mut seeds: Seeds = (0..n_directions)
            .map(|d| {
                let of = |k: usize| {
                    let tangent = cx.get(d, args[k])?;
                    let full = spec.body.inputs[k].pattern.clone();
                    match k.checked_sub(s).map(|k| &spec.args[k]) {
                        None | Some(ArgMode::Window(_)) => Some(full),
                        Some(ArgMode::Broadcast) => Some(cx.graph.pattern(tangent).clone()),
                        Some(ArgMode::Iteration { .. }) => None,
                    }
                };
                (0..args.len()).map(of).collect()
            })
            .collect();
        let all_states: Vec<usize> = (0..s).collect();
        let derived = loop {
            let derived = cx.deriver.tangent(&spec.body, &seeds, &all_states)?;
            if !grow(&mut seeds, &derived, &spec, s) {
                break derived;
            }
        };

        // Ports of the new body: states, their tangents; arguments, their tangents.
        let n_inputs = spec.body.inputs.len();
        let mut inputs: Vec<usize> = (0..s).collect();
        let mut new_args: Vec<NodeId> = args[..s].to_vec();
        let (mut tail_inputs, mut tail_args) = ((s..n_inputs).collect::<Vec<_>>(), Vec::new());
        tail_args.extend_from_slice(&args[s..]);
        let mut modes: Vec<ArgMode> = spec.args.clone();
        let mut outputs: Vec<(Source, Pattern)> =
            (0..s).map(|k| (Source::Output(k), spec.body.inputs[k].pattern.clone())).collect();
        let mut next_port = n_inputs;
        for (d, direction) in seeds.iter().enumerate() {
            for (k, seed) in direction.iter().enumerate() {
                let Some(pattern) = seed else { continue };
                let tangent = match cx.get(d, args[k]) {
                    Some(t) => t,
                    None => cx.graph.zero(pattern.n_rows(), pattern.n_cols()),
                };
                if k < s {
                    inputs.push(next_port);
                    new_args.push(cx.graph.project(tangent, pattern));
                    let source = derived.outputs[d][k].map_or(Source::Zero, Source::Output);
                    outputs.push((source, pattern.clone()));
                } else {
                    tail_inputs.push(next_port);
                    let mode = spec.args[k - s].clone();
                    let whole = match mode {
                        ArgMode::Window(_) => cx.graph.pattern(args[k]).clone(),
                        _ => pattern.clone(),
                    };
                    tail_args.push(cx.graph.project(tangent, &whole));
                    modes.push(mode);
                }
                next_port += 1;
            }
        }
        let n_states = inputs.len();
        inputs.extend(tail_inputs);
        new_args.extend(tail_args);

        // Tangents of results, and where each tangent will be among the results of the loop.
        let mut place: Vec<Vec<Option<usize>>> = Vec::new();
        let (mut result_modes, mut patterns) = (Vec::new(), Vec::new());
        let mut n_tangent_states = s;
        for (direction, derivatives) in seeds.iter().zip(&derived.outputs) {
            let mut of: Vec<Option<usize>> = Vec::new();
            for seed in &direction[..s] {
                of.push(seed.as_ref().map(|_| n_tangent_states));
                n_tangent_states += usize::from(seed.is_some());
            }
            for (r, mode) in spec.results.iter().enumerate() {
                let Some(o) = derivatives[s + r] else {
                    of.push(None);
                    continue;
                };
                let own = derived.func.outputs[o].pattern.clone();
                let (inside, whole) = match mode {
                    ResultMode::Window(_) => {
                        (spec.body.outputs[s + r].pattern.clone(), spec.patterns[r].clone())
                    }
                    ResultMode::Reduce(_) => (own.clone(), own),
                };
                outputs.push((Source::Output(o), inside));
                of.push(Some(n_states + result_modes.len()));
                result_modes.push(mode.clone());
                patterns.push(whole);
            }
            place.push(of);
        }
        let Some(body) = derived.func.with_ports(&inputs, &outputs) else { return Ok(()) };
        let (n, range) = (spec.n, spec.range.clone());
        let spec =
            LoopSpec { body, n, n_states, args: modes, results: result_modes, patterns, range };
        let values = cx.graph.repeat(spec, &new_args);
        let mut tangents = Vec::with_capacity(place.len());
        for of in &place {
            tangents.push(results.iter().map(|&r| of[r].map(|k| values[k])).collect());
        }
        cx.set_results(id, tangents);
        Ok(())
    }

    fn cotangent(&self, cx: &mut Cotangents, id: NodeId) -> Result<(), MissingDerivative> {
        let Some(original) = cx.graph.loop_spec(id).cloned() else { return Ok(()) };
        let n_results = original.n_states + original.results.len();
        let cotangents = cx.results(id, n_results);
        let Some(Summing { spec, args, results }) = surrogate::summing(cx.graph, id) else {
            return Err(MissingDerivative { function: original.body.name.clone() });
        };
        let s = spec.n_states;
        let n_all = s + spec.results.len();
        let states = match s {
            0 => Vec::new(),
            _ => match surrogate::history(cx.graph, &spec, &args) {
                Some(states) => states,
                None => return Err(MissingDerivative { function: spec.body.name.clone() }),
            },
        };
        // Cotangents by the numbering of the summing loop.
        let cotangents: Vec<Vec<Option<NodeId>>> = cotangents
            .iter()
            .map(|direction| {
                let mut of = vec![None; n_all];
                for (k, &c) in direction.iter().enumerate() {
                    of[results[k]] = c;
                }
                of
            })
            .collect();
        let wanted: Vec<bool> = (0..args.len())
            .map(|k| {
                let mode = k.checked_sub(s).map(|k| &spec.args[k]);
                mode.is_none()
                    || cx.wants(args[k]) && !matches!(mode, Some(ArgMode::Iteration { .. }))
            })
            .collect();
        let mut seeds: Seeds = cotangents
            .iter()
            .map(|direction| {
                let of = |k: usize| {
                    let c = direction[k]?;
                    match k.checked_sub(s).map(|r| &spec.results[r]) {
                        None | Some(ResultMode::Window(_)) => {
                            Some(spec.body.outputs[k].pattern.clone())
                        }
                        Some(ResultMode::Reduce(_)) => Some(cx.graph.pattern(c).clone()),
                    }
                };
                (0..n_all).map(of).collect()
            })
            .collect();
        let derived = loop {
            let derived = cx.deriver.adjoint(&spec.body, &seeds, &wanted)?;
            if !grow(&mut seeds, &derived, &spec, s) {
                break derived;
            }
        };
        let (n, reverse) = (spec.n, s > 0);
        let turned = |mode: &ArgMode| if reverse { mode.reversed(n) } else { mode.clone() };
        let turned_window = |w: &Window| if reverse { w.reversed(n) } else { w.clone() };

        // Ports of the new body: cotangents of states; states before each iteration, arguments,
        // cotangents of results.
        let n_inputs = spec.body.inputs.len();
        let (mut inputs, mut new_args) = (Vec::new(), Vec::new());
        let (mut tail_inputs, mut tail_args, mut modes) = (Vec::new(), Vec::new(), Vec::new());
        if reverse {
            for (k, &state) in states[s..].iter().enumerate() {
                let len = spec.body.inputs[k].pattern.nnz();
                tail_inputs.push(k);
                tail_args.push(state);
                modes.push(ArgMode::Window(Window::stacked(len).reversed(n)));
            }
        }
        tail_inputs.extend(s..n_inputs);
        tail_args.extend_from_slice(&args[s..]);
        modes.extend(spec.args.iter().map(turned));
        let mut next_port = n_inputs;
        let mut outputs: Vec<(Source, Pattern)> = Vec::new();
        let mut place: Vec<Vec<Option<usize>>> = Vec::new();
        for (d, direction) in seeds.iter().enumerate() {
            let mut of = vec![None; args.len()];
            for (k, seed) in direction.iter().enumerate() {
                let Some(pattern) = seed else { continue };
                let cotangent = match cotangents[d][k] {
                    Some(c) => c,
                    None => cx.graph.zero(pattern.n_rows(), pattern.n_cols()),
                };
                if k < s {
                    of[k] = Some(inputs.len());
                    inputs.push(next_port);
                    new_args.push(cx.graph.project(cotangent, pattern));
                    let source = derived.outputs[d][k].map_or(Source::Zero, Source::Output);
                    outputs.push((source, pattern.clone()));
                } else {
                    tail_inputs.push(next_port);
                    let (mode, whole) = match &spec.results[k - s] {
                        ResultMode::Window(w) => {
                            (ArgMode::Window(turned_window(w)), spec.patterns[k - s].clone())
                        }
                        ResultMode::Reduce(_) => (ArgMode::Broadcast, pattern.clone()),
                    };
                    tail_args.push(cx.graph.project(cotangent, &whole));
                    modes.push(mode);
                }
                next_port += 1;
            }
            place.push(of);
        }
        let n_states = inputs.len();
        inputs.extend(tail_inputs);
        new_args.extend(tail_args);
        let (mut result_modes, mut patterns) = (Vec::new(), Vec::new());
        for (d, of) in place.iter_mut().enumerate() {
            for k in s..args.len() {
                let Some(o) = derived.outputs[d][k].filter(|_| wanted[k]) else { continue };
                let own = derived.func.outputs[o].pattern.clone();
                let (mode, inside, whole) = match &spec.args[k - s] {
                    ArgMode::Broadcast => (ResultMode::Reduce(Reduction::Sum), own.clone(), own),
                    ArgMode::Window(w) => (
                        ResultMode::Window(turned_window(w)),
                        spec.body.inputs[k].pattern.clone(),
                        cx.graph.pattern(args[k]).clone(),
                    ),
                    ArgMode::Iteration { .. } => continue,
                };
                outputs.push((Source::Output(o), inside));
                of[k] = Some(n_states + result_modes.len());
                result_modes.push(mode);
                patterns.push(whole);
            }
        }
        let Some(body) = derived.func.with_ports(&inputs, &outputs) else { return Ok(()) };
        // Before the arguments stand the stored states.
        let n_before = if reverse { s } else { 0 };
        let range = spec.range.as_ref().map(|range| {
            let range = if reverse { range.reversed(n) } else { range.clone() };
            range.with_arguments(|k| Ok(k + n_before))
        });
        let adjoint =
            LoopSpec { body, n, n_states, args: modes, results: result_modes, patterns, range };
        let values = cx.graph.repeat(adjoint, &new_args);
        for (d, of) in place.iter().enumerate() {
            for (k, value) in of.iter().enumerate() {
                if let Some(v) = value {
                    cx.add(d, args[k], values[*v]);
                }
            }
        }
        Ok(())
    }

    fn dependency(&self, cx: &mut Dependencies, id: NodeId) {
        let Some(Payload::Loop(spec)) = cx.graph.payload(id) else { return };
        let spec = spec.clone();
        let args: Vec<NodeId> = cx.graph.args(id).to_vec();
        let of = cx.deriver.dependency(&spec.body);
        let rows = if spec.n_states == 0 {
            map_dependency(cx, &spec, &args, &of)
        } else if spec.n <= LONGEST_EXACT {
            fold_dependency(cx, &spec, &args, &of)
        } else {
            fixed_point_dependency(cx, &spec, &args, &of)
        };
        cx.set_results(id, rows);
    }

    fn jacobian(&self, cx: &mut Accumulation, id: NodeId) -> Result<(), MissingDerivative> {
        let Some(spec) = cx.graph.loop_spec(id).cloned() else { return Ok(()) };
        let sums = |mode: &ResultMode| {
            matches!(mode, ResultMode::Window(_) | ResultMode::Reduce(Reduction::Sum))
        };
        if spec.n_states == 0 && spec.results.iter().all(sums) {
            map_jacobian(cx, &spec, id)
        } else {
            cx.set_from_directions(id, spec.result_patterns().cloned().collect())
        }
    }
}

/// The summing form of a loop whose extremes and products have tangents to push.
fn summing_tangents(cx: &mut Tangents, id: NodeId) -> Result<Option<Summing>, MissingDerivative> {
    let Some(spec) = cx.graph.loop_spec(id).cloned() else { return Ok(None) };
    match surrogate::summing(cx.graph, id) {
        Some(summing) => Ok(Some(summing)),
        None => Err(MissingDerivative { function: spec.body.name.clone() }),
    }
}

/// Adds seeds for states whose derivative the body gives but which had none; whether it did.
fn grow(seeds: &mut Seeds, derived: &Derived, spec: &LoopSpec, n_states: usize) -> bool {
    let mut grown = false;
    for (direction, outputs) in seeds.iter_mut().zip(&derived.outputs) {
        for k in 0..n_states {
            if outputs[k].is_some() && direction[k].is_none() {
                direction[k] = Some(spec.body.inputs[k].pattern.clone());
                grown = true;
            }
        }
    }
    grown
}

/// Dependencies of a map: one boolean product per result and argument.
fn map_dependency(
    cx: &mut Dependencies,
    spec: &Arc<LoopSpec>,
    args: &[NodeId],
    of: &[Vec<Pattern>],
) -> Vec<DependencyMatrix> {
    let mut all = Vec::new();
    for (r, mode) in spec.results.iter().enumerate() {
        let n_whole = spec.patterns[r].nnz();
        let mut parts = vec![DependencyMatrix::empty(n_whole, cx.n_seeds())];
        for (k, arg_mode) in spec.args.iter().enumerate() {
            if of[r][k].is_zero() || !cx.is_active(args[k]) {
                continue;
            }
            let rows = cx.get(args[k]);
            let inside: Vec<(usize, usize)> = of[r][k].entries().collect();
            let same = matches!((mode, arg_mode), (ResultMode::Reduce(_), ArgMode::Broadcast));
            let iterations = if same { spec.n.min(1) } else { spec.n };
            let entries = (0..iterations).flat_map(|i| {
                inside.iter().map(move |&(to, from)| {
                    let to = match mode {
                        ResultMode::Window(w) => w.index(i, to) as usize,
                        ResultMode::Reduce(_) => to,
                    };
                    let from = match arg_mode {
                        ArgMode::Window(w) => w.index(i, from) as usize,
                        _ => from,
                    };
                    (to, from)
                })
            });
            let whole = Pattern::from_entries(n_whole, rows.n_rows(), entries);
            let part = rows.compose(&whole);
            parts.push(cx.checked(n_whole, part));
        }
        let parts: Vec<&DependencyMatrix> = parts.iter().collect();
        let rows = DependencyMatrix::union(&parts);
        all.push(cx.checked(n_whole, rows));
    }
    all
}

/// Dependencies of a loop with state, iteration by iteration.
fn fold_dependency(
    cx: &mut Dependencies,
    spec: &Arc<LoopSpec>,
    args: &[NodeId],
    of: &[Vec<Pattern>],
) -> Vec<DependencyMatrix> {
    let s = spec.n_states;
    let whole: Vec<Option<DependencyMatrix>> =
        args.iter().map(|&a| cx.is_active(a).then(|| cx.get(a))).collect();
    let mut rows = whole.clone();
    let mut collected: Vec<Vec<DependencyMatrix>> = vec![Vec::new(); spec.results.len()];
    for i in 0..spec.n {
        for (k, mode) in spec.args.iter().enumerate() {
            if let (ArgMode::Window(w), Some(whole)) = (mode, &whole[s + k]) {
                let sources = (0..w.map.len()).map(|l| w.index(i, l) as usize);
                rows[s + k] = Some(whole.gather(sources));
            }
        }
        let next: Vec<DependencyMatrix> = of.iter().map(|by| cx.compose_rows(&rows, by)).collect();
        for (r, of_result) in next.iter().skip(s).enumerate() {
            collected[r].push(of_result.clone());
        }
        for (row, next) in rows.iter_mut().zip(next.into_iter().take(s)) {
            *row = (!next.is_empty()).then_some(next);
        }
    }
    let empty = |k: usize| DependencyMatrix::empty(spec.body.inputs[k].pattern.nnz(), cx.n_seeds());
    let mut all: Vec<DependencyMatrix> =
        rows.into_iter().take(s).enumerate().map(|(k, r)| r.unwrap_or_else(|| empty(k))).collect();
    for (r, parts) in collected.iter().enumerate() {
        all.push(join_iterations(cx, spec, r, parts));
    }
    all
}

/// Result `r` of a loop from what each iteration gives.
fn join_iterations(
    cx: &mut Dependencies,
    spec: &LoopSpec,
    r: usize,
    parts: &[DependencyMatrix],
) -> DependencyMatrix {
    let n_whole = spec.patterns[r].nnz();
    if parts.is_empty() {
        return DependencyMatrix::empty(n_whole, cx.n_seeds());
    }
    let parts: Vec<&DependencyMatrix> = parts.iter().collect();
    let stacked = DependencyMatrix::concat(&parts);
    let stacked = cx.checked(0, stacked);
    let targets: Vec<usize> = parts
        .iter()
        .enumerate()
        .flat_map(|(i, part)| {
            (0..part.n_rows()).map(move |k| match &spec.results[r] {
                ResultMode::Window(w) => w.index(i as u64, k) as usize,
                ResultMode::Reduce(_) => k,
            })
        })
        .collect();
    let rows = stacked.scatter(n_whole, targets);
    cx.checked(n_whole, rows)
}

/// Dependencies of a long loop with state: every iteration is taken to see all windows, and the
/// state to be the least fixed point.
fn fixed_point_dependency(
    cx: &mut Dependencies,
    spec: &Arc<LoopSpec>,
    args: &[NodeId],
    of: &[Vec<Pattern>],
) -> Vec<DependencyMatrix> {
    let s = spec.n_states;
    let mut rows: Vec<Option<DependencyMatrix>> = Vec::new();
    for (k, &a) in args.iter().enumerate() {
        let whole = cx.is_active(a).then(|| cx.get(a));
        let mode = k.checked_sub(s).map(|k| &spec.args[k]);
        rows.push(match (mode, whole) {
            (Some(ArgMode::Window(w)), Some(whole)) => {
                let pairs = (0..w.map.len() as u32)
                    .flat_map(|l| (0..spec.n).map(move |i| (l, w.index(i, l as usize) as u32)));
                let lists = Lists::by_key(w.map.len(), pairs);
                let union = whole.gather_union(&lists);
                Some(cx.checked(w.map.len(), union))
            }
            (_, whole) => whole,
        });
    }
    loop {
        let mut changed = false;
        for k in 0..s {
            let next = cx.compose_rows(&rows, &of[k]);
            let union = match &rows[k] {
                Some(before) => {
                    let union = DependencyMatrix::union(&[before, &next]);
                    cx.checked(next.n_rows(), union)
                }
                None => next,
            };
            if !union.is_empty() && rows[k].as_ref() != Some(&union) {
                rows[k] = Some(union);
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    let n_seeds = cx.n_seeds();
    let mut all: Vec<DependencyMatrix> = (0..s)
        .map(|k| {
            let n = spec.body.inputs[k].pattern.nnz();
            rows[k].clone().unwrap_or_else(|| DependencyMatrix::empty(n, n_seeds))
        })
        .collect();
    for r in 0..spec.results.len() {
        let each = cx.compose_rows(&rows, &of[s + r]);
        let parts = vec![each; spec.n as usize];
        all.push(join_iterations(cx, spec, r, &parts));
    }
    all
}
