//! What is known of compile-time integers where an expression stands: the ranges of the loops
//! around it that depend on one another, and the conditions of the branches around it.
//!
//! A fact is an integer that is not negative there. Bounds of an integer follow by Farkas' lemma:
//! what is added to or taken from it are multiples of facts that cancel one of its counters, at
//! most [`MAX_STEPS`] of them.

use super::int::{Int, Part};
use super::{Bound, Lowerer};
use crate::syntax::ast::{Argument, Comparison, Expr, ExprId, ProductOperator};

/// How many facts are combined for one bound.
const MAX_STEPS: usize = 3;

/// The most facts that one step tries.
const MAX_TRIED: usize = 16;

/// An integer that is not negative.
#[derive(Clone, Debug)]
pub struct Fact {
    least: Int,
    /// It cannot hold: what stands here is never evaluated.
    contradicts: bool,
}

/// A condition on compile-time integers.
#[derive(Clone, Debug)]
pub enum Condition {
    /// The integer is below zero.
    Negative(Int),
    /// The integer is zero.
    Zero(Int),
    Not(Box<Condition>),
    And(Vec<Condition>),
    Or(Vec<Condition>),
}

impl Lowerer<'_> {
    /// Least and largest value that an integer takes where the current expression stands.
    pub fn extent(&self, int: &Int) -> Option<(i64, i64)> {
        let (mut lo, mut hi) = int.extent()?;
        if !int.parts.is_empty() && !self.facts.is_empty() {
            lo = lo.max(self.least(int, MAX_STEPS)?);
            let largest = self.least(&int.scale(-1)?, MAX_STEPS)?;
            hi = hi.min(largest.checked_neg()?);
        }
        Some((lo, hi))
    }

    /// A lower bound.
    fn least(&self, int: &Int, n_steps: usize) -> Option<i64> {
        let mut least = int.extent()?.0;
        if n_steps == 0 || int.parts.is_empty() {
            return Some(least);
        }
        for fact in self.facts.iter().rev().take(MAX_TRIED) {
            let Some(factor) = cancelling(int, &fact.least) else { continue };
            let rest = fact.least.scale(-factor).and_then(|f| int.add(&f));
            if let Some(bound) = rest.and_then(|rest| self.least(&rest, n_steps - 1)) {
                least = least.max(bound);
            }
        }
        Some(least)
    }

    /// Whether what is being lowered is never evaluated.
    pub fn is_unreachable(&self) -> bool {
        self.facts.iter().any(|fact| fact.contradicts)
    }

    /// Takes an integer to be at least zero until [`Lowerer::forget`].
    pub fn assume(&mut self, least: Int) {
        let contradicts = self.extent(&least).is_some_and(|(_, largest)| largest < 0);
        self.facts.push(Fact { least, contradicts });
    }

    /// Takes a condition to be true or false until [`Lowerer::forget`].
    pub fn assume_condition(&mut self, condition: &Condition, holds: bool) {
        match condition {
            Condition::Negative(int) => {
                let least = if holds {
                    int.scale(-1).and_then(|negated| negated.add(&Int::constant(-1)))
                } else {
                    Some(int.clone())
                };
                least.into_iter().for_each(|least| self.assume(least));
            }
            Condition::Zero(int) => {
                let negated = int.scale(-1);
                if holds {
                    self.assume(int.clone());
                    negated.into_iter().for_each(|least| self.assume(least));
                    return;
                }
                // Not zero, and not on one side of zero, is on the other side.
                let below = |int: Option<Int>| int.and_then(|int| int.add(&Int::constant(-1)));
                let least = match self.extent(int) {
                    Some((0, 0)) => Some(Int::constant(-1)),
                    Some((lo, _)) if lo >= 0 => below(Some(int.clone())),
                    Some((_, hi)) if hi <= 0 => below(negated),
                    _ => None,
                };
                least.into_iter().for_each(|least| self.assume(least));
            }
            Condition::Not(inner) => self.assume_condition(inner, !holds),
            Condition::And(parts) if holds => {
                parts.iter().for_each(|part| self.assume_condition(part, true));
            }
            Condition::Or(parts) if !holds => {
                parts.iter().for_each(|part| self.assume_condition(part, false));
            }
            Condition::And(_) | Condition::Or(_) => {
                if self.known_truth(condition) == Some(!holds) {
                    self.assume(Int::constant(-1));
                }
            }
        }
    }

    /// Drops all facts but the first `n`.
    pub fn forget(&mut self, n: usize) {
        self.facts.truncate(n);
    }

    /// Whether a condition holds always or never where the current expression stands.
    pub fn known_truth(&self, condition: &Condition) -> Option<bool> {
        match condition {
            Condition::Negative(int) => match self.extent(int)? {
                (_, hi) if hi < 0 => Some(true),
                (lo, _) if lo >= 0 => Some(false),
                _ => None,
            },
            Condition::Zero(int) => match self.extent(int)? {
                (0, 0) => Some(true),
                (lo, hi) if lo > 0 || hi < 0 => Some(false),
                _ => None,
            },
            Condition::Not(inner) => self.known_truth(inner).map(|holds| !holds),
            Condition::And(parts) => self.connected(parts, false),
            Condition::Or(parts) => self.connected(parts, true),
        }
    }

    /// One part that is `decisive` decides; otherwise all have to be known.
    fn connected(&self, parts: &[Condition], decisive: bool) -> Option<bool> {
        let mut all_known = true;
        for part in parts {
            match self.known_truth(part) {
                Some(holds) if holds == decisive => return Some(decisive),
                Some(_) => {}
                None => all_known = false,
            }
        }
        all_known.then_some(!decisive)
    }

    /// The condition an expression states, if it holds compile-time integers only.
    pub fn condition(&mut self, expr: ExprId) -> Option<Condition> {
        let ast = self.frame().ast;
        let all = |lowerer: &mut Self, parts: &[ExprId]| {
            parts.iter().map(|&part| lowerer.condition(part)).collect::<Option<Vec<Condition>>>()
        };
        match ast.expr(expr) {
            Expr::Compare { comparison, left, right, .. } => {
                let (a, b) = (self.known_int(*left)?, self.known_int(*right)?);
                let not = |condition| Condition::Not(Box::new(condition));
                Some(match comparison {
                    Comparison::Less => Condition::Negative(a.sub(&b)?),
                    Comparison::Greater => Condition::Negative(b.sub(&a)?),
                    Comparison::GreaterEqual => not(Condition::Negative(a.sub(&b)?)),
                    Comparison::LessEqual => not(Condition::Negative(b.sub(&a)?)),
                    Comparison::Equal => Condition::Zero(a.sub(&b)?),
                    Comparison::NotEqual => not(Condition::Zero(a.sub(&b)?)),
                })
            }
            Expr::Not(operand) => Some(Condition::Not(Box::new(self.condition(*operand)?))),
            Expr::And(operands) => Some(Condition::And(all(self, operands)?)),
            Expr::Or(operands) => Some(Condition::Or(all(self, operands)?)),
            _ => None,
        }
    }

    /// The compile-time integer that an expression is, if it is one, found without a message.
    pub fn known_int(&mut self, expr: ExprId) -> Option<Int> {
        let ast = self.frame().ast;
        match ast.expr(expr) {
            Expr::Number(value) => Int::from_f64(*value),
            Expr::Name(name) => {
                let id = self.find(name)?;
                let binding = &mut self.bindings[id.0 as usize];
                let Bound::Int(int) = &binding.value else { return None };
                binding.used = true;
                Some(int.clone())
            }
            Expr::Negate(operand) => self.known_int(*operand)?.scale(-1),
            Expr::Sum(terms) => {
                let mut sum = Int::constant(0);
                for term in terms {
                    let value = self.known_int(term.value)?;
                    sum = if term.negative { sum.sub(&value)? } else { sum.add(&value)? };
                }
                Some(sum)
            }
            Expr::Product(factors) => {
                let (first, rest) = factors.split_first()?;
                let mut product = self.known_int(first.value)?;
                for factor in rest {
                    if factor.product != ProductOperator::Times {
                        return None;
                    }
                    product = product.mul(&self.known_int(factor.value)?)?;
                }
                Some(product)
            }
            Expr::Call { function, arguments } => {
                let module = self.frame().module;
                if self.modules[module].functions.contains_key(&function.text) {
                    return None;
                }
                let &[Argument { value: a, .. }, Argument { value: b, .. }] = &arguments[..] else {
                    return None;
                };
                match &*function.text {
                    "div" => self.known_int(a)?.div(&self.known_int(b)?),
                    "mod" => self.known_int(a)?.modulo(&self.known_int(b)?),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// The multiple of `fact` without which `int` has no longer one of the counters they share.
fn cancelling(int: &Int, fact: &Int) -> Option<i64> {
    int.parts.iter().find_map(|(counter, part)| {
        let (_, of_fact) = fact.parts.iter().find(|(other, _)| other == counter)?;
        match (part, of_fact) {
            (Part::Linear(a), Part::Linear(b)) => {
                let factor = a.checked_div(*b)?;
                (factor > 0 && factor.checked_mul(*b) == Some(*a)).then_some(factor)
            }
            (Part::Table(a), Part::Table(b)) => (a == b).then_some(1),
            _ => None,
        }
    })
}
