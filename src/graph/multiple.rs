//! Making calls, conditionals and loops: nodes of several results.

use std::sync::Arc;

use super::arena::{Attr, Graph};
use super::node::{ArgMode, Constant, NodeId, Op, Payload, Port, ResultMode};
use super::{Ancestry, Func, LoopSpec, Source, Supply, visit};
use crate::sparsity::Pattern;

impl Graph {
    /// Calls `f`; returns its results. Arguments have the patterns of its inputs.
    pub fn call(&mut self, f: &Arc<Func>, args: &[NodeId]) -> Vec<NodeId> {
        debug_assert_eq!(f.inputs.len(), args.len());
        let args = self.fit(args, f.inputs.iter().map(|p| p.pattern.clone()));
        let payload = Payload::Call(f.clone());
        let node = self.intern(Op::Call, &args, Attr::Payload(payload), Pattern::zero(0, 0));
        let patterns: Vec<Pattern> = f.outputs.iter().map(|p| p.pattern.clone()).collect();
        self.results(node, patterns)
    }

    /// Runs `then` if the scalar `condition` is not 0, else `otherwise`; both have the same
    /// patterns of inputs and of outputs.
    pub fn cond(
        &mut self,
        condition: NodeId,
        then: &Arc<Func>,
        otherwise: &Arc<Func>,
        args: &[NodeId],
    ) -> Vec<NodeId> {
        let value =
            if self.pattern(condition).is_zero() { Some(0.0) } else { self.as_uniform(condition) };
        if let Some(value) = value {
            return self.call(if value != 0.0 { then } else { otherwise }, args);
        }
        let mut all = vec![condition];
        all.extend(self.fit(args, then.inputs.iter().map(|p| p.pattern.clone())));
        let payload = Payload::Cond(then.clone(), otherwise.clone());
        let node = self.intern(Op::Cond, &all, Attr::Payload(payload), Pattern::zero(0, 0));
        let patterns: Vec<Pattern> = then.outputs.iter().map(|p| p.pattern.clone()).collect();
        self.results(node, patterns)
    }

    /// A loop; `args` are the initial states, then one value per argument mode (an empty one for
    /// [`super::ArgMode::Iteration`]).
    pub fn repeat(&mut self, spec: LoopSpec, args: &[NodeId]) -> Vec<NodeId> {
        debug_assert_eq!(spec.n_states + spec.args.len(), args.len());
        debug_assert_eq!(spec.results.len(), spec.patterns.len());
        let (spec, mut args) = self.absorb_constants(spec, args);
        for (a, port) in args.iter_mut().zip(&spec.body.inputs[..spec.n_states]) {
            *a = self.project(*a, &port.pattern);
        }
        let patterns: Vec<Pattern> = spec.result_patterns().cloned().collect();
        if spec.n == 0 {
            let mut results = args[..spec.n_states].to_vec();
            for (mode, pattern) in spec.results.iter().zip(&spec.patterns) {
                let nothing = match mode {
                    ResultMode::Window(_) => 0.0,
                    ResultMode::Reduce(reduction) => reduction.identity(),
                };
                results.push(self.explicit(pattern.clone(), nothing));
            }
            return results;
        }
        let payload = Payload::Loop(Arc::new(spec));
        let node = self.intern(Op::Loop, &args, Attr::Payload(payload), Pattern::zero(0, 0));
        self.results(node, patterns)
    }

    /// Moves small constant arguments of a loop into its body and drops unused ones.
    fn absorb_constants(&self, spec: LoopSpec, args: &[NodeId]) -> (LoopSpec, Vec<NodeId>) {
        const SMALL: usize = 64;
        let mut used = spec.body.used_inputs();
        for k in spec.range.iter().flat_map(|range| range.arguments()) {
            used[spec.n_states + k] = true;
        }
        let constant = |k: usize| -> Option<(Pattern, Constant)> {
            let inside = &spec.body.inputs[spec.n_states + k].pattern;
            match (&spec.args[k], self.as_constant(args[spec.n_states + k])?) {
                (ArgMode::Broadcast, value) if inside.nnz() <= SMALL => {
                    Some((self.pattern(args[spec.n_states + k]).clone(), value))
                }
                (ArgMode::Window(_), Constant::Uniform(v)) => {
                    Some((inside.clone(), Constant::Uniform(v)))
                }
                _ => None,
            }
        };
        let constants: Vec<Option<(Pattern, Constant)>> =
            (0..spec.args.len()).map(constant).collect();
        let keep: Vec<usize> = (0..spec.args.len())
            .filter(|&k| used[spec.n_states + k] && constants[k].is_none())
            .collect();
        if keep.len() == spec.args.len() {
            return (spec, args.to_vec());
        }
        let Some((body, roots)) = spec.body.graph() else { return (spec, args.to_vec()) };
        let mut scratch = Graph::new();
        let mut ports: Vec<Port> = spec.body.inputs[..spec.n_states].to_vec();
        let mut inputs: Vec<NodeId> =
            (0..spec.n_states).map(|k| scratch.input(k, ports[k].pattern.clone())).collect();
        for (k, constant) in constants.iter().enumerate() {
            let port = &spec.body.inputs[spec.n_states + k];
            inputs.push(match constant {
                Some((pattern, value)) => {
                    let node = match value {
                        Constant::Uniform(v) => scratch.explicit(pattern.clone(), *v),
                        Constant::Values(v) => scratch.constant_matrix(pattern.clone(), v),
                    };
                    scratch.project(node, &port.pattern)
                }
                None if used[spec.n_states + k] => {
                    ports.push(port.clone());
                    scratch.input(ports.len() - 1, port.pattern.clone())
                }
                None => scratch.zero(port.pattern.n_rows(), port.pattern.n_cols()),
            });
        }
        let roots = visit::transplant(body, roots, &mut scratch, &inputs);
        // Folding may find more zeros; states and windows need the patterns they had.
        let named = spec
            .body
            .outputs
            .iter()
            .zip(roots)
            .map(|(port, root)| (port.name.clone(), scratch.project(root, &port.pattern)))
            .collect();
        let body = Func::freeze(spec.body.name.clone(), &scratch, ports, named);
        let mut supplies: Vec<Supply> = (0..spec.n_states).map(Supply::Port).collect();
        supplies.extend(constants.iter().enumerate().map(|(k, constant)| {
            match (constant, keep.binary_search(&k)) {
                (Some((pattern, value)), _) => Supply::Constant(pattern.clone(), value.clone()),
                (None, Ok(at)) => Supply::Port(spec.n_states + at),
                (None, Err(_)) => Supply::Nothing,
            }
        }));
        Ancestry::put(
            &body,
            &spec.body,
            &supplies,
            (0..spec.body.outputs.len()).map(Source::Output),
        );
        let mut kept_args = args[..spec.n_states].to_vec();
        kept_args.extend(keep.iter().map(|&k| args[spec.n_states + k]));
        let modes = keep.iter().map(|&k| spec.args[k].clone()).collect();
        let range = spec.range.as_ref().map(|range| {
            range.with_arguments(|k| match &constants[k] {
                Some((_, value)) => Err(value.get(0)),
                None => keep.binary_search(&k).map_err(|_| 0.0),
            })
        });
        (LoopSpec { body, args: modes, range, ..spec }, kept_args)
    }

    fn fit(&mut self, args: &[NodeId], patterns: impl Iterator<Item = Pattern>) -> Vec<NodeId> {
        args.iter().zip(patterns).map(|(&a, p)| self.project(a, &p)).collect()
    }

    /// Result `k` of a call, loop or conditional.
    pub fn result(&mut self, of: NodeId, k: usize, pattern: Pattern) -> NodeId {
        self.intern(Op::Result, &[of], Attr::Number(k as u32), pattern)
    }

    /// The results of a call, loop or conditional; those without nonzeros become constants.
    fn results(&mut self, node: NodeId, patterns: Vec<Pattern>) -> Vec<NodeId> {
        let mut out = Vec::with_capacity(patterns.len());
        for (k, p) in patterns.into_iter().enumerate() {
            out.push(if p.is_zero() {
                self.zero(p.n_rows(), p.n_cols())
            } else {
                self.result(node, k, p)
            });
        }
        out
    }
}
