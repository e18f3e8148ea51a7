//! Loops of which only some iterations run, from one number that outer loops decide to another.
//!
//! Where these numbers are affine in the counters, the loop runs over what lies between them.
//! Elsewhere (numbers from tables, or passed through memory) it runs over all iterations, and a
//! conditional around the body lets the others pass.

use super::build::Builder;
use super::emit::At;
use super::ir::{Affine, Trip, Val};
use super::place::{Place, add_scaled};
use crate::graph::{self, LoopSpec};
use crate::ops::scalar::ScalarOp;

/// The iterations of a loop that run.
#[derive(Clone, Debug)]
pub(super) enum Iterations {
    All(u64),
    /// `n` at most, from `first` up to, not including, `last`.
    Between {
        n: u64,
        first: Affine,
        last: Affine,
    },
    /// Those among `n` that lie between two values.
    Guarded {
        n: u64,
        first: Val,
        last: Val,
    },
}

impl Iterations {
    /// The largest number of iterations.
    pub fn most(&self) -> u64 {
        match self {
            Iterations::All(n) | Iterations::Between { n, .. } | Iterations::Guarded { n, .. } => {
                *n
            }
        }
    }

    /// The numbers of the iterations, if no counter decides.
    pub fn constant(&self) -> Option<std::ops::Range<u64>> {
        match self {
            Iterations::All(n) => Some(0..*n),
            Iterations::Between { n, first, last } => {
                let clamp = |offset: i64| u64::try_from(offset).unwrap_or(0).min(*n);
                let known = first.terms.is_empty() && last.terms.is_empty();
                known.then(|| clamp(first.offset)..clamp(last.offset))
            }
            Iterations::Guarded { .. } => None,
        }
    }

    /// How often a loop runs whose counter counts the iterations.
    pub fn trip(&self) -> Trip {
        match self {
            Iterations::Between { n, .. } => {
                Trip::Rest { limit: *n, total: *n, used: self.missing() }
            }
            _ => Trip::Const(self.most()),
        }
    }

    /// How many of the largest number of iterations do not run.
    pub fn missing(&self) -> Affine {
        let mut missing = Affine::default();
        if let Iterations::Between { n, first, last } = self {
            missing.offset = *n as i64;
            add_scaled(&mut missing, last, -1);
            add_scaled(&mut missing, first, 1);
        }
        missing
    }

    /// The number of the iteration that comes after `counted` others.
    pub fn number(&self, counted: &Affine) -> Affine {
        let mut number = counted.clone();
        if let Iterations::Between { first, .. } = self {
            add_scaled(&mut number, first, 1);
        }
        number
    }
}

impl Builder {
    /// The iterations of a loop that run, given its arguments.
    pub(super) fn iterations(&mut self, spec: &LoopSpec, args: &[Place]) -> Iterations {
        let n = spec.n;
        let Some(range) = &spec.range else { return Iterations::All(n) };
        let args = &args[spec.n_states..];
        let (first, last) = (self.affine(&range.first, args), self.affine(&range.last, args));
        match (first, last) {
            (Some(first), Some(last)) => {
                let all =
                    first == Affine::default() && last.terms.is_empty() && last.offset == n as i64;
                if all { Iterations::All(n) } else { Iterations::Between { n, first, last } }
            }
            _ => {
                let first = self.bound(&range.first, args);
                let last = self.bound(&range.last, args);
                Iterations::Guarded { n, first, last }
            }
        }
    }

    /// A bound in terms of loop counters.
    fn affine(&self, bound: &graph::Bound, args: &[Place]) -> Option<Affine> {
        let mut sum = Affine { offset: bound.base, terms: Vec::new() };
        for &(k, factor) in &bound.terms {
            match &args[k] {
                Place::Uniform(value) => sum.offset += factor * *value as i64,
                Place::Same(v) => add_scaled(&mut sum, self.integers.get(v)?, factor),
                Place::Values(values) => {
                    add_scaled(&mut sum, self.integers.get(values.first()?)?, factor);
                }
                Place::View(_) => return None,
            }
        }
        Some(sum)
    }

    /// A bound as a number.
    fn bound(&mut self, bound: &graph::Bound, args: &[Place]) -> Val {
        let mut sum = self.emitter.constant(bound.base as f64);
        for &(k, factor) in &bound.terms {
            let value = self.emitter.read(&args[k], &At::constant(0));
            let factor = self.emitter.constant(factor as f64);
            let term = self.emitter.apply(ScalarOp::Mul, &[factor, value]);
            sum = self.emitter.apply(ScalarOp::Add, &[sum, term]);
        }
        sum
    }

    /// A number from loop counters.
    pub(super) fn integer(&mut self, affine: &Affine) -> Option<Val> {
        let mut value: Option<Val> = None;
        for &(counter, stride) in &affine.terms {
            let first = if value.is_none() { affine.offset } else { 0 };
            let part = self.emitter.counter(counter, first as f64, stride as f64);
            value = Some(match value {
                Some(sum) => self.emitter.apply(ScalarOp::Add, &[sum, part]),
                None => part,
            });
        }
        if let Some(value) = value {
            self.integers.insert(value, affine.clone());
        }
        value
    }

    /// Emits `body` for iteration `number`, under its condition where there is one; `before` are
    /// the values that stay where it does not hold, to be followed by what `body` gives.
    pub(super) fn iteration(
        &mut self,
        iterations: &Iterations,
        number: &Affine,
        before: &[Val],
        body: impl FnOnce(&mut Builder, &Affine) -> Vec<Val>,
    ) -> Vec<Val> {
        let number = iterations.number(number);
        let &Iterations::Guarded { first, last, .. } = iterations else {
            return body(self, &number);
        };
        let value = match self.integer(&number) {
            Some(value) => value,
            None => self.emitter.constant(number.offset as f64),
        };
        let begun = self.emitter.apply(ScalarOp::Ge, &[value, first]);
        let unfinished = self.emitter.apply(ScalarOp::Lt, &[value, last]);
        let runs = self.emitter.apply(ScalarOp::And, &[begun, unfinished]);
        let id = self.emitter.begin_if(runs);
        let after = body(self, &number);
        self.emitter.begin_else(id);
        let pairs: Vec<(Val, Val)> = after.into_iter().zip(before.iter().copied()).collect();
        self.emitter.end_if(id, &pairs)
    }
}
