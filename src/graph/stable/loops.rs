//! Sums of exponentials that are loops: their exponents are stored first, then shifted by the
//! largest one.

use std::sync::Arc;

use super::super::{Func, Graph, LoopSpec, NodeId, Op, Port, Reduction, ResultMode, Window, visit};
use super::{LONG, Term};
use crate::ops::scalar::ScalarOp as S;
use crate::sparsity::Pattern;

/// Longer loops are not stored.
const MAX_STORED: u64 = 1 << 24;

impl Graph {
    /// Whether a node is a sum over a loop of numbers with exponentials that have not been shifted.
    pub(super) fn is_sum_over_loop(&self, sum: NodeId) -> bool {
        self.exponential_of_loop(sum)
            .is_some_and(|(spec, k)| spec.results[k] == ResultMode::Reduce(Reduction::Sum))
    }

    /// Whether a node is made of `exp(u)` alone by the iterations of a loop.
    pub(super) fn is_stack_of_exponentials(&self, stack: NodeId) -> bool {
        let is_plain = |spec: &LoopSpec, k: usize| {
            let Some((body, roots)) = spec.body.graph() else { return false };
            body.op(roots[k]) == Op::Scalar(S::Exp)
        };
        self.exponential_of_loop(stack).is_some_and(|(spec, k)| {
            matches!(spec.results[k], ResultMode::Window(_)) && is_plain(spec, k)
        })
    }

    /// The loop and the number of its result that a node is, if that is a number with exponentials
    /// in every iteration.
    fn exponential_of_loop(&self, id: NodeId) -> Option<(&Arc<LoopSpec>, usize)> {
        if self.op(id) != Op::Result {
            return None;
        }
        let (of, k) = (self.arg(id, 0), self.number(id));
        let spec = self.loop_spec(of)?;
        if spec.n_states > 0 || spec.range.is_some() || spec.n > MAX_STORED {
            return None;
        }
        let (body, roots) = spec.body.graph()?;
        let root = *roots.get(k)?;
        if !body.pattern(root).is_scalar() || body.pattern(root).is_zero() {
            return None;
        }
        let exponents = body.product(root)?.exponents;
        let is_shifted = |&(u, _): &(NodeId, bool)| {
            body.subtracts_largest(u)
                || body.summands(u).into_iter().any(|id| {
                    body.op(id) == Op::Input
                        && self.subtracts_largest(self.arg(of, body.number(id)))
                })
        };
        (!exponents.is_empty() && !exponents.iter().any(is_shifted)).then_some((spec, k))
    }

    /// What is added up to a value.
    fn summands(&self, id: NodeId) -> Vec<NodeId> {
        let (mut open, mut found) = (vec![id], Vec::new());
        while let Some(id) = open.pop().filter(|_| found.len() < LONG) {
            match self.op(id) {
                Op::Scalar(S::Add | S::Sub | S::Neg) => open.extend(self.args(id)),
                _ => found.push(id),
            }
        }
        found
    }

    /// The exponents of all iterations and what stands before their exponentials, by columns or as
    /// the windows of the result lie.
    fn stored(&mut self, id: NodeId) -> Option<(NodeId, NodeId)> {
        let (spec, k) = self.exponential_of_loop(id)?;
        let spec = spec.clone();
        let (body, roots) = spec.body.graph()?;
        let mut scratch = Graph::new();
        scratch.set_folds_real(true);
        let inputs = scratch.inputs(&spec.body.inputs);
        let root = visit::transplant(body, &[roots[k]], &mut scratch, &inputs)[0];
        let term = scratch.product(root)?;
        let exponents = Term { number: 1.0, exponents: term.exponents.clone(), ..Term::default() };
        let (exponent, factors) = (scratch.exponent(&exponents), scratch.factors(&term));
        // One number for all iterations is not stored.
        let number = scratch.as_uniform(factors).filter(|_| !scratch.pattern(factors).is_zero());
        let mut values = vec![exponent, factors];
        values.truncate(if number.is_some() { 1 } else { 2 });
        let ports: Vec<Port> = spec.body.inputs.clone();
        let outputs = ["u", "w"].into_iter().zip(values);
        let outputs = outputs
            .map(|(name, value)| (name.into(), scratch.project(value, &Pattern::scalar())))
            .collect();
        let body = Func::freeze(spec.body.name.clone(), &scratch, ports, outputs);
        let (mode, pattern) = match &spec.results[k] {
            ResultMode::Window(window) => {
                (ResultMode::Window(window.clone()), spec.patterns[k].clone())
            }
            ResultMode::Reduce(_) => {
                let n = usize::try_from(spec.n).ok()?;
                (ResultMode::Window(Window::stacked(1)), Pattern::dense(n, 1))
            }
        };
        let n = if number.is_some() { 1 } else { 2 };
        let (results, patterns) = (vec![mode; n], vec![pattern; n]);
        let spec = LoopSpec { body, results, patterns, ..(*spec).clone() };
        let args = self.args(self.arg(id, 0)).to_vec();
        match (&self.repeat(spec, &args)[..], number) {
            (&[u], Some(number)) => Some((u, self.constant(number))),
            (&[u, w], _) => Some((u, w)),
            _ => None,
        }
    }

    /// The logarithm of a sum over a loop of exponentials.
    pub(super) fn log_of_loop(&mut self, sum: NodeId) -> NodeId {
        let Some((exponents, factors)) = self.stored(sum) else {
            return self.intern_scalar(Op::Scalar(S::Log), &[sum]);
        };
        let (shifted, shift) = self.shifted_by_largest(exponents);
        let terms = self.unary(S::Exp, shifted);
        let terms = self.mul(factors, terms);
        let sum = self.reduce(Reduction::Sum, terms);
        let log = self.unary(S::Log, sum);
        self.add(log, shift)
    }

    /// A value with exponentials by such a sum.
    pub(super) fn by_loop(&mut self, above: NodeId, sum: NodeId) -> NodeId {
        let log = self.log_of_loop(sum);
        let (exponent, factors) = match self.stored(above) {
            Some(parts) => parts,
            None => {
                let term = self.product(above).unwrap_or_default();
                let exponents =
                    Term { number: 1.0, exponents: term.exponents.clone(), ..Term::default() };
                (self.exponent(&exponents), self.factors(&term))
            }
        };
        let difference = self.sub(exponent, log);
        let share = self.unary(S::Exp, difference);
        self.mul(factors, share)
    }
}
