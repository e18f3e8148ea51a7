//! Loops cut where conditions on their iteration number change: `if k == 0 then a else b` makes
//! two loops, in each of which the condition is known and costs nothing.

use rustc_hash::FxHashSet;

use super::facts::Condition;
use super::int::{Counter, Int, Part};
use super::iterations::Iterations;
use super::{Bound, Lowerer};
use crate::syntax::ast::{Ast, Clause, Expr, ExprId, Iteration};

/// The most loops that stand for nested ones together.
const MAX_PIECES: usize = 32;

/// The longest table of a counter that is searched for changes of sign.
const MAX_SEARCHED: u64 = 1 << 20;

impl Lowerer<'_> {
    /// The loops that stand for one whose body is `bodies`, none if there is nothing to cut;
    /// `constant` if the length of each has to be a constant.
    pub fn pieces(
        &mut self,
        iteration: &Iteration,
        iterations: &Iterations,
        bodies: &[ExprId],
        constant: bool,
    ) -> Vec<Iterations> {
        let conditions = conditions_in(self.frame().ast, bodies, &iteration.index.text);
        if conditions.is_empty() || iterations.n < 2 {
            return Vec::new();
        }
        self.cut(iteration, iterations, &conditions, constant).unwrap_or_default()
    }

    fn cut(
        &mut self,
        iteration: &Iteration,
        iterations: &Iterations,
        conditions: &[ExprId],
        constant: bool,
    ) -> Option<Vec<Iterations>> {
        let (first, last) = match &iterations.range {
            Some(range) => range.clone(),
            None => (Int::constant(0), Int::constant(i64::try_from(iterations.n).ok()?)),
        };
        let n_facts = self.facts.len();
        let counter = self.open_loop(iterations.n, &[]);
        let number = iterations.number(counter);
        let id = self.declare(&iteration.index, number.map_or(Bound::Error, Bound::Int));
        self.bindings[id.0 as usize].used = true;
        let conditions: Vec<Condition> =
            conditions.iter().filter_map(|&expr| self.condition(expr)).collect();
        self.pop_frame();
        let mut candidates = Vec::new();
        conditions.iter().for_each(|condition| changes(condition, counter, &mut candidates));
        let mut ends = vec![first, last];
        for candidate in candidates {
            if ends.len() * self.n_pieces > MAX_PIECES {
                break;
            }
            if !constant || candidate.as_constant().is_some() {
                self.insert(&mut ends, candidate);
            }
        }
        self.forget(n_facts);
        if ends.len() == 2 {
            return None;
        }
        ends.windows(2)
            .map(|ends| {
                let (lo, hi) = (iterations.start.add(&ends[0])?, iterations.start.add(&ends[1])?);
                self.between(&lo, &hi, iterations.span)
            })
            .collect()
    }

    /// Puts an end where it belongs, if its place among the others is known and new.
    fn insert(&self, ends: &mut Vec<Int>, end: Int) {
        let mut place = 0;
        for (k, other) in ends.iter().enumerate() {
            match end.sub(other).and_then(|difference| self.extent(&difference)) {
                Some((0, 0)) | None => return,
                Some((least, _)) if least >= 0 => place = k + 1,
                Some((_, largest)) if largest <= 0 => break,
                Some(_) => return,
            }
        }
        // Behind `place` no end may come that is smaller.
        let sorted = ends[place..].iter().all(|other| {
            let difference = other.sub(&end).and_then(|difference| self.extent(&difference));
            difference.is_some_and(|(least, _)| least >= 0)
        });
        if sorted && place > 0 && place < ends.len() {
            ends.insert(place, end);
        }
    }
}

/// The conditions of all `if`s in `bodies` that see the iteration number `name`.
fn conditions_in(ast: &Ast, bodies: &[ExprId], name: &str) -> Vec<ExprId> {
    let mut found = Vec::new();
    let mut seen = FxHashSet::default();
    let mut stack = bodies.to_vec();
    while let Some(id) = stack.pop() {
        if !seen.insert(id) {
            continue;
        }
        let expr = ast.expr(id);
        match expr {
            Expr::If { arms, .. } => found.extend(arms.iter().map(|arm| arm.condition)),
            Expr::Comprehension { clauses, .. } => {
                let hides =
                    |clause: &Clause| matches!(clause, Clause::For(i) if &*i.index.text == name);
                if clauses.iter().any(hides) {
                    continue;
                }
            }
            Expr::Fold(fold)
                if *fold.iteration.index.text == *name || *fold.state.text == *name =>
            {
                continue;
            }
            _ => {}
        }
        expr.for_each_operand(|operand| stack.push(operand));
    }
    found.sort_unstable();
    found
}

/// The iterations from which on a condition may hold that did not before, or no longer holds.
fn changes(condition: &Condition, counter: Counter, found: &mut Vec<Int>) {
    match condition {
        Condition::Negative(int) => {
            // a + k < 0 as long as k < -a; a - k < 0 from k = a + 1 on.
            let (part, rest) = int.split(counter.frame);
            match part {
                Some((_, Part::Linear(1))) => found.extend(rest.scale(-1)),
                Some((_, Part::Linear(-1))) => found.extend(rest.add(&Int::constant(1))),
                Some((_, part)) => {
                    let below = |k: u64| Some(rest.as_constant()?.checked_add(part.at(k)?)? < 0);
                    found.extend(searched(counter.n, below));
                }
                None => {}
            }
        }
        Condition::Zero(int) => {
            let (part, rest) = int.split(counter.frame);
            match part {
                Some((_, Part::Linear(step @ (1 | -1)))) => {
                    let at = rest.scale(-step);
                    found.extend(at.clone());
                    found.extend(at.and_then(|at| at.add(&Int::constant(1))));
                }
                Some((_, part)) => {
                    let zero = |k: u64| Some(rest.as_constant()?.checked_add(part.at(k)?)? == 0);
                    found.extend(searched(counter.n, zero));
                }
                None => {}
            }
        }
        Condition::Not(inner) => changes(inner, counter, found),
        Condition::And(parts) | Condition::Or(parts) => {
            parts.iter().for_each(|part| changes(part, counter, found));
        }
    }
}

/// Where a property of the iterations changes; nothing if that is too often.
fn searched(n: u64, holds: impl Fn(u64) -> Option<bool>) -> Vec<Int> {
    let mut found = Vec::new();
    if n > MAX_SEARCHED {
        return found;
    }
    for k in 1..n {
        let (Some(before), Some(now)) = (holds(k - 1), holds(k)) else { return Vec::new() };
        if before != now {
            found.push(Int::constant(k as i64));
        }
        if found.len() > MAX_PIECES {
            return Vec::new();
        }
    }
    found
}
