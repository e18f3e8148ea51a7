//! Emission of loops: maps, reductions over maps, folds and scans.

use super::build::{Builder, Frame};
use super::emit::{At, MOST_VALUES};
use super::ir::{Affine, Val};
use super::place::{Place, View, add_scaled};
use super::range::Iterations;
use super::reduce;
use crate::graph::{ArgMode, LoopSpec, NodeId, Reduction, ResultMode, Window};
use crate::sparsity::IndexMap;

/// Loops of at most so many iterations, with bodies of together at most [`UNROLL_NODES`] nodes,
/// are written out.
const UNROLL_TRIPS: u64 = 8;
const UNROLL_NODES: usize = 64;

/// A result of a loop that windows write.
struct Written {
    view: View,
    window: Window,
    /// Each nonzero is written once, so that nothing needs to be added up.
    once: bool,
}

impl Builder {
    /// Emits a loop node.
    pub(super) fn repeat(&mut self, frame: &mut Frame, id: NodeId) {
        let graph = frame.graph;
        let Some(spec) = graph.loop_spec(id).cloned() else { return };
        let mut args: Vec<Place> = Vec::new();
        for (k, &a) in graph.args(id).iter().enumerate() {
            let place = frame.place(a);
            let mode = k.checked_sub(spec.n_states).map(|k| &spec.args[k]);
            args.push(match (mode, place) {
                // Windows look into memory.
                (Some(ArgMode::Window(_)), Place::Values(values)) if values.len() > 1 => {
                    Place::view(self.in_memory(&Place::Values(values), graph.nnz(a)))
                }
                (_, place) => place,
            });
        }
        let windows: Vec<Option<Written>> = spec
            .results
            .iter()
            .zip(&spec.patterns)
            .enumerate()
            .map(|(r, (mode, pattern))| match mode {
                ResultMode::Window(window) => {
                    let target = frame.result_targets.get(&(id, spec.n_states + r)).cloned();
                    let view = target.unwrap_or_else(|| self.emitter.allocate(pattern.nnz()));
                    let nnz = pattern.nnz();
                    let interleaved = || window.is_partition(spec.n, nnz).then_some(0..nnz);
                    let covered = window.covered(spec.n).or_else(interleaved);
                    let once = covered.is_some() || window.is_disjoint(spec.n);
                    let filled = match covered {
                        Some(range) if spec.range.is_none() => [0..range.start, range.end..nnz],
                        _ => [0..nnz, 0..0],
                    };
                    for range in filled.into_iter().filter(|range| !range.is_empty()) {
                        let part = IndexMap::range(range.start, range.len());
                        self.emitter.fill(&view.gather(&part), 0.0);
                    }
                    Some(Written { view, window: window.clone(), once })
                }
                ResultMode::Reduce(_) => None,
            })
            .collect();
        let iterations = self.iterations(&spec, &args);
        let short = iterations.constant().filter(|numbers| {
            let n = numbers.end.saturating_sub(numbers.start);
            // Failures name the iteration.
            let is_small = n <= UNROLL_TRIPS && !spec.body.may_fail();
            is_small && spec.body.size().saturating_mul(n as usize) <= UNROLL_NODES
        });
        let (states, reduced) = if let Some(numbers) = short {
            self.unrolled(&spec, &args, &windows, numbers)
        } else if spec.n_states == 0 {
            (Vec::new(), self.map(&spec, &args, &windows, &iterations))
        } else {
            self.fold(&spec, &args, &windows, &iterations)
        };
        let mut reduced = reduced.into_iter();
        let mut results = states;
        for window in windows {
            results.push(match window {
                Some(written) => Place::view(written.view),
                None => reduced.next().unwrap_or(Place::Uniform(0.0)),
            });
        }
        frame.results.insert(id, results);
    }

    /// What one iteration sees of the arguments after the states.
    fn iteration_inputs(
        &mut self,
        spec: &LoopSpec,
        args: &[Place],
        iteration: &Affine,
    ) -> Vec<Place> {
        let mut inputs = Vec::with_capacity(args.len());
        for (k, (mode, place)) in spec.args.iter().zip(&args[spec.n_states..]).enumerate() {
            inputs.push(match (mode, place) {
                (ArgMode::Iteration { base, step }, _) => {
                    let mut number = Affine { offset: *base, terms: Vec::new() };
                    add_scaled(&mut number, iteration, *step);
                    match self.integer(&number) {
                        Some(v) => Place::Values([v].into()),
                        None => Place::Uniform(number.offset as f64),
                    }
                }
                (ArgMode::Window(window), Place::View(view)) => {
                    let seen = match view.window(window, iteration) {
                        Some(seen) => seen,
                        None => {
                            let whole = self.contiguous(place, view.len());
                            let seen = whole.window(window, iteration);
                            seen.unwrap_or(whole)
                        }
                    };
                    let n = spec.body.inputs[spec.n_states + k].pattern.nnz();
                    debug_assert_eq!(seen.len(), n);
                    Place::view(seen)
                }
                (_, place) => place.clone(),
            });
        }
        inputs
    }

    /// Where the body writes results that need no adding up.
    fn targets(
        &mut self,
        spec: &LoopSpec,
        windows: &[Option<Written>],
        iteration: &Affine,
    ) -> Vec<Option<View>> {
        let mut targets = vec![None; spec.n_states];
        targets.extend(windows.iter().map(|w| match w {
            Some(w) if w.once => w.view.window(&w.window, iteration),
            _ => None,
        }));
        targets
    }

    /// Adds up the results of one iteration that the body has not written in place.
    fn add_windows(
        &mut self,
        spec: &LoopSpec,
        windows: &[Option<Written>],
        places: &[Place],
        iteration: &Affine,
    ) {
        for (r, window) in windows.iter().enumerate() {
            let Some(written) = window.as_ref().filter(|w| !w.once) else { continue };
            let Some(onto) = written.view.window(&written.window, iteration) else { continue };
            let n = spec.body.outputs[spec.n_states + r].pattern.nnz();
            let place = places[spec.n_states + r].clone();
            self.accumulate_all(Reduction::Sum, &place, &onto, n);
        }
    }

    fn accumulate_all(&mut self, reduction: Reduction, place: &Place, onto: &View, n: usize) {
        if n <= 4 || matches!(place, Place::Values(_)) {
            for k in 0..n {
                let at = At::constant(k);
                let v = self.emitter.read(place, &at);
                reduce::accumulate(&mut self.emitter, reduction, onto, &at, v);
            }
        } else {
            let place = self.walkable(place);
            self.emitter.for_each(n, |e, counter| {
                let at = At::counter(counter);
                let v = e.read(&place, &at);
                reduce::accumulate(e, reduction, onto, &at, v);
            });
        }
    }

    /// A short loop, written out.
    fn unrolled(
        &mut self,
        spec: &LoopSpec,
        args: &[Place],
        windows: &[Option<Written>],
        numbers: std::ops::Range<u64>,
    ) -> (Vec<Place>, Vec<Place>) {
        let mut states = args[..spec.n_states].to_vec();
        let reductions = reductions(spec);
        let mut terms: Vec<Vec<Vec<Val>>> =
            reductions.iter().map(|&(_, _, n)| vec![Vec::new(); n]).collect();
        for i in numbers {
            let iteration = Affine { offset: i as i64, terms: Vec::new() };
            let mut inputs = states.clone();
            inputs.extend(self.iteration_inputs(spec, args, &iteration));
            let targets = self.targets(spec, windows, &iteration);
            let places = self.body(&spec.body, &inputs, &targets);
            self.add_windows(spec, windows, &places, &iteration);
            for (terms, &(r, _, n)) in terms.iter_mut().zip(&reductions) {
                for (k, terms) in terms.iter_mut().enumerate().take(n) {
                    let place = &places[spec.n_states + r];
                    terms.push(self.emitter.read(place, &At::constant(k)));
                }
            }
            states = places[..spec.n_states].to_vec();
        }
        let reduced = terms
            .iter()
            .zip(&reductions)
            .map(|(terms, &(_, reduction, _))| {
                let join = |t: &Vec<Val>| match spec.n_states {
                    0 => reduce::tree(&mut self.emitter, reduction, t),
                    _ => reduce::chain(&mut self.emitter, reduction, t),
                };
                Place::Values(terms.iter().map(join).collect())
            })
            .collect();
        (states, reduced)
    }

    /// A loop without state; gives the reduced results.
    fn map(
        &mut self,
        spec: &LoopSpec,
        args: &[Place],
        windows: &[Option<Written>],
        iterations: &Iterations,
    ) -> Vec<Place> {
        let reductions = reductions(spec);
        if reductions.is_empty() {
            let first = iterations.number(&Affine::default());
            let (counter, _) = self.emitter.begin_counted(iterations.trip(), first, &[]);
            self.iteration(iterations, &At::counter(counter).0, &[], |b, iteration| {
                let inputs = b.iteration_inputs(spec, args, iteration);
                let targets = b.targets(spec, windows, iteration);
                let places = b.body(&spec.body, &inputs, &targets);
                b.add_windows(spec, windows, &places, iteration);
                Vec::new()
            });
            self.emitter.end_loop(counter, &[]);
            return Vec::new();
        }
        let wanted: Vec<(Reduction, usize)> = reductions.iter().map(|r| (r.1, r.2)).collect();
        reduce::blocked_into(self, &wanted, iterations, |b, iteration, lanes| {
            let inputs = b.iteration_inputs(spec, args, iteration);
            let targets = b.targets(spec, windows, iteration);
            let places = b.body(&spec.body, &inputs, &targets);
            b.add_windows(spec, windows, &places, iteration);
            for (&(r, reduction, n), lane) in reductions.iter().zip(lanes) {
                b.accumulate_all(reduction, &places[r], lane, n);
            }
        })
    }

    /// A loop with state. Short states and reductions are carried as values, long ones lie in
    /// memory; reductions follow the order of the iterations.
    fn fold(
        &mut self,
        spec: &LoopSpec,
        args: &[Place],
        windows: &[Option<Written>],
        iterations: &Iterations,
    ) -> (Vec<Place>, Vec<Place>) {
        let reductions = reductions(spec);
        let state_len = |k: usize| spec.body.inputs[k].pattern.nnz();
        let mut init: Vec<Val> = Vec::new();
        let mut memory: Vec<Option<(View, View)>> = Vec::new();
        for (k, place) in args[..spec.n_states].iter().enumerate() {
            let n = state_len(k);
            if n <= MOST_VALUES {
                init.extend(self.values(place, n));
                memory.push(None);
            } else {
                let (now, next) = (self.emitter.allocate(n), self.emitter.allocate(n));
                let place = self.walkable(place);
                self.emitter.copy(&place, &now);
                memory.push(Some((now, next)));
            }
        }
        let mut sums: Vec<Option<View>> = Vec::new();
        for &(_, reduction, n) in &reductions {
            let identity = reduce::beginning(reduction, iterations);
            if n <= MOST_VALUES {
                let identity = self.emitter.constant(identity);
                init.extend(std::iter::repeat_n(identity, n));
                sums.push(None);
            } else {
                let view = self.emitter.allocate(n);
                self.emitter.fill(&view, identity);
                sums.push(Some(view));
            }
        }
        let first = iterations.number(&Affine::default());
        let (counter, carried) = self.emitter.begin_counted(iterations.trip(), first, &init);
        let mut rest = carried.iter().copied();
        let states: Vec<Place> = memory
            .iter()
            .enumerate()
            .map(|(k, memory)| match memory {
                Some((now, _)) => Place::view(now.clone()),
                None => Place::Values(rest.by_ref().take(state_len(k)).collect()),
            })
            .collect();
        let running: Vec<Val> = rest.collect();
        let number = At::counter(counter).0;
        let next = self.iteration(iterations, &number, &carried, |b, iteration| {
            let mut inputs = states.clone();
            inputs.extend(b.iteration_inputs(spec, args, iteration));
            let mut targets = b.targets(spec, windows, iteration);
            for (target, memory) in targets.iter_mut().zip(&memory) {
                *target = memory.as_ref().map(|(_, next)| next.clone());
            }
            let places = b.body(&spec.body, &inputs, &targets);
            b.add_windows(spec, windows, &places, iteration);
            let mut next: Vec<Val> = Vec::new();
            for (k, memory) in memory.iter().enumerate() {
                if memory.is_none() {
                    next.extend(b.values(&places[k], state_len(k)));
                }
            }
            let mut running = running.into_iter();
            for (&(r, reduction, n), sum) in reductions.iter().zip(&sums) {
                let place = &places[spec.n_states + r];
                match sum {
                    Some(view) => b.accumulate_all(reduction, place, view, n),
                    None => {
                        for (v, before) in b.values(place, n).into_iter().zip(running.by_ref()) {
                            next.push(b.emitter.apply(reduction.op(), &[before, v]));
                        }
                    }
                }
            }
            for (now, next) in memory.iter().flatten() {
                b.emitter.copy(&Place::view(next.clone()), now);
            }
            next
        });
        self.emitter.end_loop(counter, &next);
        let n_state_values: usize =
            (0..spec.n_states).filter(|&k| memory[k].is_none()).map(state_len).sum();
        let mut finals = carried[n_state_values..].iter().copied();
        let reduced = reductions
            .iter()
            .zip(sums)
            .map(|(&(_, _, n), sum)| match sum {
                Some(view) => Place::view(view),
                None => Place::Values(finals.by_ref().take(n).collect()),
            })
            .collect();
        (states, reduced)
    }
}

/// Number among the results, kind and length of each reduced result.
fn reductions(spec: &LoopSpec) -> Vec<(usize, Reduction, usize)> {
    let of = |(r, mode): (usize, &ResultMode)| match mode {
        ResultMode::Reduce(reduction) => Some((r, *reduction, spec.patterns[r].nnz())),
        ResultMode::Window(_) => None,
    };
    spec.results.iter().enumerate().filter_map(of).collect()
}
