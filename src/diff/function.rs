//! Derivative functions of functions, made once and kept with the function.

use std::fmt::Write;
use std::sync::Arc;

use super::dependency::dependency;
use super::entries::{AdjointOf, entries};
use super::jacobian::colored;
use super::{DiffError, MissingDerivative, forward, reverse};
use crate::graph::{Func, Graph, NodeId, Port, visit};
use crate::ops::accumulation::Entries;
use crate::ops::context::{Derived, Deriver, Seeds};
use crate::sparsity::Pattern;

/// Derives called functions by the drivers of this module.
pub struct Derivation;

impl Deriver for Derivation {
    fn tangent(
        &self,
        f: &Arc<Func>,
        seeds: &Seeds,
        primal: &[usize],
    ) -> Result<Arc<Derived>, MissingDerivative> {
        let key = format!("tangent {} {primal:?}", key(seeds));
        memoise(f, key, || {
            let mut new = Primal::new(f)?;
            let tangents =
                seeds.iter().map(|d| new.seed_inputs(d, &f.inputs, "d")).collect::<Vec<_>>();
            let values = if let Some(jvp) = &f.jvp {
                let mut values = Vec::new();
                for direction in &tangents {
                    let mut args = new.inputs.clone();
                    args.extend_from_slice(direction);
                    values.push(if direction.iter().all(|&t| new.graph.nnz(t) == 0) {
                        new.zeros_like(&f.outputs)
                    } else {
                        new.graph.call(jvp, &args)
                    });
                }
                values
            } else {
                forward(&mut new.graph, &new.outputs, &new.inputs, &tangents)
                    .map_err(|e| missing(e, f))?
            };
            let first = primal.iter().map(|&k| new.outputs[k]).collect();
            Ok(new.freeze(format!("{}_fwd", f.name), first, values))
        })
    }

    fn adjoint(
        &self,
        f: &Arc<Func>,
        seeds: &Seeds,
        wanted: &[bool],
    ) -> Result<Arc<Derived>, MissingDerivative> {
        let key = format!("adjoint {} {wanted:?}", key(seeds));
        memoise(f, key, || {
            let mut new = Primal::new(f)?;
            let cotangents =
                seeds.iter().map(|d| new.seed_inputs(d, &f.outputs, "adj")).collect::<Vec<_>>();
            let mut values = if let Some(jvp) = &f.jvp {
                // The transpose of the linear map from tangents to the tangent of the result.
                let n = f.inputs.len();
                let mut of_tangents = vec![false; n];
                of_tangents.extend_from_slice(wanted);
                let transposed = self.adjoint(jvp, seeds, &of_tangents)?;
                let mut args = new.inputs.clone();
                args.extend(new.zeros_like(&f.inputs));
                for (direction, seeds) in cotangents.iter().zip(seeds) {
                    let present = direction.iter().zip(seeds).filter(|(_, s)| s.is_some());
                    args.extend(present.map(|(&c, _)| c));
                }
                let results = new.graph.call(&transposed.func, &args);
                let mut values = Vec::new();
                for direction in &transposed.outputs {
                    let mut zeros = new.zeros_like(&f.inputs);
                    for (zero, k) in zeros.iter_mut().zip(&direction[n..]) {
                        if let Some(k) = k {
                            *zero = results[*k];
                        }
                    }
                    values.push(zeros);
                }
                values
            } else {
                let targets: Vec<NodeId> =
                    (0..wanted.len()).filter(|&k| wanted[k]).map(|k| new.inputs[k]).collect();
                let found = reverse(&mut new.graph, &new.outputs, &targets, &cotangents)
                    .map_err(|e| missing(e, f))?;
                found
                    .into_iter()
                    .map(|direction| {
                        let mut all = new.zeros_like(&f.inputs);
                        let slots = all.iter_mut().zip(wanted).filter(|(_, w)| **w);
                        slots.zip(direction).for_each(|((slot, _), c)| *slot = c);
                        all
                    })
                    .collect()
            };
            for direction in &mut values {
                for (k, value) in direction.iter_mut().enumerate().filter(|(k, _)| !wanted[*k]) {
                    let (n_rows, n_cols) = f.inputs[k].pattern.shape();
                    *value = new.graph.zero(n_rows, n_cols);
                }
            }
            let derived = new.freeze(format!("{}_adj", f.name), Vec::new(), values);
            if let ([seeds], None) = (&seeds[..], &f.jvp) {
                AdjointOf::note(&derived, f, seeds);
            }
            Ok(derived)
        })
    }

    fn dependency(&self, f: &Arc<Func>) -> Arc<Vec<Vec<Pattern>>> {
        const KEY: &str = "dependency";
        if let Some(found) = f.derived.get(KEY) {
            return found;
        }
        let all = Arc::new(function_dependency(self, f));
        f.derived.put(KEY.to_owned(), all.clone());
        all
    }

    fn entries(&self, f: &Arc<Func>, active: &[bool]) -> Result<Arc<Entries>, MissingDerivative> {
        memoise(f, format!("entries {active:?}"), || entries(f, active))
    }

    fn colored(
        &self,
        graph: &mut Graph,
        y: NodeId,
        targets: &[NodeId],
    ) -> Result<Option<(Pattern, NodeId)>, MissingDerivative> {
        let name = |graph: &Graph| {
            let callee = graph.callees(graph.arg(y, 0)).next();
            callee.map_or_else(|| "loop".into(), |f| f.name.clone())
        };
        match colored(graph, y, targets) {
            Ok(found) => Ok(found.map(|found| (found.pattern, found.column))),
            Err(DiffError::Missing(e)) => Err(e),
            Err(_) => Err(MissingDerivative { function: name(graph) }),
        }
    }
}

/// Where an external has no derivative it counts as dense; so does what is too large to follow.
fn function_dependency(deriver: &Derivation, f: &Arc<Func>) -> Vec<Vec<Pattern>> {
    let dense = || {
        let column = |y: &Port| {
            let of = |x: &Port| Pattern::dense(y.pattern.nnz(), x.pattern.nnz());
            f.inputs.iter().map(of).collect()
        };
        f.outputs.iter().map(column).collect()
    };
    if let Some(jvp) = &f.jvp {
        // What a derivative of the user's own reads from the tangents.
        let n = f.inputs.len();
        return deriver.dependency(jvp).iter().map(|by| by[n..].to_vec()).collect();
    }
    let Some((graph, outputs)) = f.graph() else { return dense() };
    let mut scratch = Graph::new();
    scratch.set_folds_real(true);
    let inputs = scratch.inputs(&f.inputs);
    let roots = visit::transplant(graph, outputs, &mut scratch, &inputs);
    let roots = in_patterns(&mut scratch, roots, &f.outputs);
    let mut all: Vec<Vec<Pattern>> = Vec::new();
    let Ok(rows) = dependency(&scratch, &roots, &inputs) else { return dense() };
    for (rows, port) in rows.iter().zip(&f.outputs) {
        let Ok(pattern) = rows.to_pattern() else { return dense() };
        let mut by_input = Vec::new();
        let mut start = 0;
        for input in &f.inputs {
            let n = input.pattern.nnz();
            let inside = pattern
                .entries()
                .skip_while(|&(_, c)| c < start)
                .take_while(|&(_, c)| c < start + n)
                .map(|(r, c)| (r, c - start));
            by_input.push(Pattern::from_entries(port.pattern.nnz(), n, inside));
            start += n;
        }
        all.push(by_input);
    }
    all
}

/// Copies of the outputs of a function in the patterns these have: folding may have found other
/// zeros.
fn in_patterns(graph: &mut Graph, copies: Vec<NodeId>, outputs: &[Port]) -> Vec<NodeId> {
    let pairs = copies.into_iter().zip(outputs);
    pairs.map(|(copy, port)| graph.project(copy, &port.pattern)).collect()
}

pub(super) fn missing(error: DiffError, f: &Arc<Func>) -> MissingDerivative {
    match error {
        DiffError::Missing(e) => e,
        _ => MissingDerivative { function: f.name.clone() },
    }
}

fn memoise<T: Send + Sync + 'static>(
    f: &Arc<Func>,
    key: String,
    make: impl FnOnce() -> Result<T, MissingDerivative>,
) -> Result<Arc<T>, MissingDerivative> {
    if let Some(found) = f.derived.get::<T>(&key) {
        return Ok(found);
    }
    let made = Arc::new(make()?);
    f.derived.put(key, made.clone());
    Ok(made)
}

/// A text that is equal exactly for equal seeds.
fn key(seeds: &Seeds) -> String {
    let mut text = String::new();
    for seed in seeds.iter().flat_map(|d| d.iter().chain([&None])) {
        match seed {
            None => text.push('.'),
            Some(p) if p.is_dense() => text.push('d'),
            Some(p) => {
                // Writing to a String cannot fail.
                let _ = write!(text, "[{:?}]", p.linear().collect::<Vec<_>>());
            }
        }
    }
    text
}

/// A copy of a function under construction, with its inputs and outputs.
pub(super) struct Primal {
    pub graph: Graph,
    pub ports: Vec<Port>,
    pub inputs: Vec<NodeId>,
    pub outputs: Vec<NodeId>,
}

impl Primal {
    /// Refuses externals without derivative.
    pub fn new(f: &Arc<Func>) -> Result<Primal, MissingDerivative> {
        let mut graph = Graph::new();
        graph.set_folds_real(true);
        let ports = f.inputs.clone();
        let inputs = graph.inputs(&ports);
        let outputs = match f.graph() {
            Some((body, roots)) => {
                let copies = visit::transplant(body, roots, &mut graph, &inputs);
                in_patterns(&mut graph, copies, &f.outputs)
            }
            None if f.jvp.is_some() => graph.call(f, &inputs),
            None => return Err(MissingDerivative { function: f.name.clone() }),
        };
        Ok(Primal { graph, ports, inputs, outputs })
    }

    /// An input for each seed that is present, zeros for the others.
    fn seed_inputs(&mut self, seeds: &[Option<Pattern>], of: &[Port], prefix: &str) -> Vec<NodeId> {
        let mut nodes = Vec::with_capacity(seeds.len());
        for (seed, port) in seeds.iter().zip(of) {
            nodes.push(match seed {
                Some(pattern) => {
                    let name = format!("{prefix}_{}", port.name);
                    self.ports.push(Port::new(name, pattern.clone()));
                    self.graph.input(self.ports.len() - 1, pattern.clone())
                }
                None => self.graph.zero(port.pattern.n_rows(), port.pattern.n_cols()),
            });
        }
        nodes
    }

    fn zeros_like(&mut self, ports: &[Port]) -> Vec<NodeId> {
        ports.iter().map(|p| self.graph.zero(p.pattern.n_rows(), p.pattern.n_cols())).collect()
    }

    /// Freezes `first` and those of `values` that have nonzeros.
    fn freeze(self, name: String, first: Vec<NodeId>, values: Vec<Vec<NodeId>>) -> Derived {
        let mut named: Vec<(Arc<str>, NodeId)> =
            first.into_iter().map(|id| ("y".into(), id)).collect();
        let mut place = Vec::new();
        for direction in values {
            let mut of = Vec::new();
            for id in direction {
                of.push((self.graph.nnz(id) > 0).then(|| {
                    named.push((format!("d{}", named.len()).into(), id));
                    named.len() - 1
                }));
            }
            place.push(of);
        }
        let func = Func::freeze(name, &self.graph, self.ports, named);
        // Freezing folds anew and may find that nothing is left of a derivative.
        for k in place.iter_mut().flatten() {
            if k.is_some_and(|k| func.outputs[k].pattern.is_zero()) {
                *k = None;
            }
        }
        Derived { func, outputs: place }
    }
}
