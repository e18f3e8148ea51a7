//! Ranges of loops: how many iterations there are, and which of them run.
//!
//! A range whose length depends on the loops around it runs over part of the iterations of the
//! longest one. Where its ends pass each other it is empty.

use super::Lowerer;
use super::int::{Counter, Int, Part};
use crate::graph::{Bound, IterationRange, Op, Reduction};
use crate::syntax::ast::Iteration;
use crate::syntax::{Code, Diagnostic, Span};

/// The iterations of a loop.
#[derive(Clone, Debug)]
pub struct Iterations {
    /// What the iteration number stands for in the first of all iterations.
    pub start: Int,
    /// The number of iterations, the largest one if it changes.
    pub n: u64,
    /// The first iteration that runs and the one after the last, where that changes.
    pub range: Option<(Int, Int)>,
    pub span: Span,
}

impl Iterations {
    /// What the name of the iteration number stands for.
    pub fn number(&self, counter: Counter) -> Option<Int> {
        self.start.add(&Int::counter(0, counter))
    }
}

impl Lowerer<'_> {
    /// The iterations of `for k in a..b`.
    pub fn iterations(&mut self, iteration: &Iteration) -> Option<Iterations> {
        let ast = self.frame().ast;
        let (lo, hi) = (self.int(iteration.range.lo), self.int(iteration.range.hi));
        let (lo, hi) = (lo?, hi?);
        let span = ast.span(iteration.range.lo).to(ast.span(iteration.range.hi));
        self.between(&lo, &hi, span)
    }

    /// The iterations from `lo` up to, not including, `hi`.
    pub fn between(&mut self, lo: &Int, hi: &Int, span: Span) -> Option<Iterations> {
        let start = lo.clone();
        if hi.sub(lo)?.as_constant().is_some() {
            let n = self.range_length(lo, hi, span)? as u64;
            return Some(Iterations { start, n, range: None, span });
        }
        if lo.is_vacuous() || hi.is_vacuous() {
            return Some(Iterations { start, n: 0, range: None, span });
        }
        let ((least, _), (_, largest)) = (self.extent(lo)?, self.extent(hi)?);
        let n = u64::try_from(largest.checked_sub(least)?).unwrap_or(0);
        let start = Int::constant(least);
        let range = Some((lo.sub(&start)?, hi.sub(&start)?));
        Some(Iterations { start, n, range, span })
    }

    /// Takes the iteration number to lie in the range, in the body of the loop.
    pub fn assume_iterations(&mut self, iterations: &Iterations, counter: Counter) {
        let Some((first, last)) = &iterations.range else { return };
        let number = Int::counter(0, counter);
        let above = number.sub(first);
        let below = last.sub(&number).and_then(|rest| rest.add(&Int::constant(-1)));
        above.into_iter().chain(below).for_each(|fact| self.assume(fact));
    }

    /// The range in terms of arguments of the loop, whose body is the current frame.
    pub fn iteration_range(&mut self, iterations: &Iterations) -> Option<Option<IterationRange>> {
        let Some((first, last)) = &iterations.range else { return Some(None) };
        let (first, last) = (first.clone(), last.clone());
        let (first, last) = (self.bound(&first)?, self.bound(&last)?);
        Some(Some(IterationRange { first, last }))
    }

    fn bound(&mut self, int: &Int) -> Option<Bound> {
        let mut bound = Bound { base: int.base, terms: Vec::with_capacity(int.parts.len()) };
        for (counter, part) in &int.parts {
            let (number, factor) = match part {
                Part::Linear(step) => (Int::counter(0, *counter), *step),
                Part::Table(_) => (Int { base: 0, parts: vec![(*counter, part.clone())] }, 1),
            };
            let node = self.captured_int(&number)?;
            let n_fixed = self.frame().n_fixed;
            if self.graph().op(node) == Op::Input {
                bound.terms.push((self.graph().number(node) - n_fixed, factor));
            }
        }
        Some(bound)
    }

    /// Whether a reduction that needs a term may find none.
    pub fn may_be_empty(&mut self, iterations: &Iterations, reduction: Reduction) -> bool {
        let needs = matches!(reduction, Reduction::Max | Reduction::Min);
        let Some((first, last)) = iterations.range.as_ref().filter(|_| needs) else { return false };
        let least = last.sub(first).and_then(|length| self.extent(&length));
        least.is_none_or(|(least, _)| least < 1) && !self.is_unreachable()
    }

    /// Refuses a range of changing length where the shape of the value follows from it.
    pub fn refuse_changing(&mut self, iterations: &Iterations, what: &str) -> bool {
        if iterations.range.is_none() {
            return false;
        }
        self.report(
            Diagnostic::new(
                Code::BadShape,
                iterations.span,
                format!("the shape of {what} changes"),
            )
            .label("the length of this range depends on an outer iteration number")
            .help("only `sum`, `prod`, `max`, `min` and `fold` run over such a range"),
        );
        true
    }
}
