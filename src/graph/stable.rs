//! Forms that neither overflow nor cancel, in the place of plain ones that do.
//!
//! They are what is differentiated and what is compiled unless every bit is to stay; what they
//! cost does not matter. All are equal in real arithmetic wherever the plain form is defined, and
//! so are their derivatives. Blanchard, Higham & Higham, "Accurately computing the log-sum-exp and
//! softmax functions" (2021).

mod loops;

use crate::ops::scalar::ScalarOp as S;

use super::{Graph, NodeId, Op, Reduction};

/// Longer sums and products are not looked through.
const LONG: usize = 32;

/// `number * exp(sum of exponents) * product of others / product of (1 + exp(logit))`.
#[derive(Clone, Debug, Default)]
pub(super) struct Term {
    number: f64,
    /// Exponents with their signs, sorted.
    exponents: Vec<(NodeId, bool)>,
    logits: Vec<NodeId>,
    /// Other factors, and whether they divide; sorted.
    others: Vec<(NodeId, bool)>,
}

impl Term {
    fn has_same_factors(&self, other: &Term) -> bool {
        self.logits == other.logits && self.others == other.others
    }

    fn is_pure(&self) -> bool {
        self.logits.is_empty() && self.others.is_empty()
    }
}

/// A plain form, recognised.
#[derive(Debug)]
pub(super) enum Plain {
    /// The logarithm of a product with exponentials.
    LogOfProduct(Term),
    /// The logarithm of a sum with exponentials.
    LogOfSum(Vec<Term>),
    /// The logarithm of the sum of all `exp(x)`.
    LogOfReduced(NodeId),
    /// What comes before the first of two exponentials, of which it is the share in their sum.
    Share { factor: Term, of: Term, among: Term },
    /// A product by a sum of exponentials.
    ByMany { above: Term, below: Vec<Term> },
    /// `exp(x)` by the sum of all of them.
    ByReduced(NodeId),
    /// The logarithm of a sum over a loop.
    LogOfLoop(NodeId),
    /// The first by the second, a sum over a loop.
    ByLoop(NodeId, NodeId),
    /// `log(1 + x)`.
    LogOfOnePlus(NodeId),
    /// `sign * (exp(x) - 1)`.
    ExpMinusOne(NodeId, bool),
    /// `sign * (1 - cos(x))`.
    OneMinusCos(NodeId, bool),
    /// `a^2 - b^2`.
    Squares(NodeId, NodeId),
    /// `sqrt(a) - sqrt(b)`, given as the difference of `a` and `b` and the two roots.
    Roots(f64, NodeId, NodeId),
}

impl Graph {
    /// The plain form that an operation has.
    pub(super) fn plain_form(&self, op: S, args: &[NodeId]) -> Option<Plain> {
        if !args.iter().all(|&a| self.pattern(a).is_dense()) {
            return None;
        }
        match (op, args) {
            (S::Log, &[x]) => self.plain_log(x),
            (S::Div, &[a, b]) => self.plain_quotient(a, b),
            (S::Sub, &[a, b]) => self.plain_difference(a, b),
            (S::Add, &[a, b]) => {
                let number = |x| self.as_uniform(x) == Some(-1.0);
                let (one, x) = if number(a) { (a, b) } else { (b, a) };
                match self.op(x) {
                    Op::Scalar(S::Exp) if number(one) => {
                        Some(Plain::ExpMinusOne(self.arg(x, 0), false))
                    }
                    Op::Scalar(S::Cos) if number(one) => {
                        Some(Plain::OneMinusCos(self.arg(x, 0), true))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn plain_log(&self, x: NodeId) -> Option<Plain> {
        if let Some(x) = self.sum_of_exponentials(x) {
            return Some(Plain::LogOfReduced(x));
        }
        if self.is_sum_over_loop(x) {
            return Some(Plain::LogOfLoop(x));
        }
        let terms = self.terms(x)?;
        let with_exponents = terms.iter().filter(|t| !t.exponents.is_empty()).count();
        match &terms[..] {
            [term] if with_exponents + term.logits.len() > 0 && term.number > 0.0 => {
                Some(Plain::LogOfProduct(term.clone()))
            }
            [_] => None,
            _ if with_exponents > 0 && !self.is_shifted(&terms) => Some(Plain::LogOfSum(terms)),
            _ => match (self.op(x), self.args(x)) {
                (Op::Scalar(S::Add), &[a, b]) if self.as_uniform(a) == Some(1.0) => {
                    Some(Plain::LogOfOnePlus(b))
                }
                (Op::Scalar(S::Add), &[a, b]) if self.as_uniform(b) == Some(1.0) => {
                    Some(Plain::LogOfOnePlus(a))
                }
                _ => None,
            },
        }
    }

    fn plain_quotient(&self, a: NodeId, b: NodeId) -> Option<Plain> {
        if self.op(a) == Op::Scalar(S::Exp) && self.sum_of_exponentials(b) == Some(self.arg(a, 0)) {
            return Some(Plain::ByReduced(self.arg(a, 0)));
        }
        if self.is_sum_over_loop(b) {
            let has_exponent = self.is_stack_of_exponentials(a)
                || self.product(a).is_some_and(|above| !above.exponents.is_empty());
            return has_exponent.then_some(Plain::ByLoop(a, b));
        }
        let below = self.terms(b)?;
        let is_plain = |t: &Term| t.number > 0.0 && t.is_pure();
        let with_exponents = below.iter().filter(|t| !t.exponents.is_empty()).count();
        if below.len() < 2 || with_exponents == 0 || !below.iter().all(is_plain) {
            return None;
        }
        let above = self.product(a)?;
        let share = |k: usize| {
            let (of, among) = (below[k].clone(), below[1 - k].clone());
            let is_it = of.exponents == above.exponents;
            is_it.then(|| Plain::Share { factor: above.clone(), of, among })
        };
        match below.len() {
            2 => share(0).or_else(|| share(1)),
            _ if above.exponents.is_empty() || self.is_shifted(&below) => None,
            _ => Some(Plain::ByMany { above, below }),
        }
    }

    fn plain_difference(&self, a: NodeId, b: NodeId) -> Option<Plain> {
        let of = |x: NodeId| (self.op(x), self.args(x));
        let one = |x: NodeId| self.as_uniform(x) == Some(1.0);
        let square = |x: NodeId| match of(x) {
            (Op::Scalar(S::Mul), &[x, y]) if x == y => Some(x),
            (Op::Scalar(S::Pow), &[x, n]) if self.as_uniform(n) == Some(2.0) => Some(x),
            _ => None,
        };
        match (of(a), of(b)) {
            ((Op::Scalar(S::Exp), &[x]), _) if one(b) => Some(Plain::ExpMinusOne(x, false)),
            (_, (Op::Scalar(S::Exp), &[x])) if one(a) => Some(Plain::ExpMinusOne(x, true)),
            (_, (Op::Scalar(S::Cos), &[x])) if one(a) => Some(Plain::OneMinusCos(x, false)),
            ((Op::Scalar(S::Cos), &[x]), _) if one(b) => Some(Plain::OneMinusCos(x, true)),
            ((Op::Scalar(S::Sqrt), &[x]), (Op::Scalar(S::Sqrt), &[y])) => {
                let difference = self.constant_difference(x, y)?;
                (difference != 0.0).then_some(Plain::Roots(difference, a, b))
            }
            _ => Some(Plain::Squares(square(a)?, square(b)?)),
        }
    }

    /// `x` if the node is the sum of `exp(x)` over all entries.
    fn sum_of_exponentials(&self, sum: NodeId) -> Option<NodeId> {
        let Op::Reduce(Reduction::Sum) = self.op(sum) else { return None };
        let exp = self.arg(sum, 0);
        let is_plain = self.op(exp) == Op::Scalar(S::Exp) && self.pattern(exp).is_dense();
        let x = is_plain.then(|| self.arg(exp, 0))?;
        (!self.subtracts_largest(x)).then_some(x)
    }

    /// Whether an exponent has been shifted by a largest one already.
    fn subtracts_largest(&self, exponent: NodeId) -> bool {
        let mut open = vec![exponent];
        let mut n_seen = 0;
        while let Some(id) = open.pop().filter(|_| n_seen < LONG) {
            n_seen += 1;
            match self.op(id) {
                Op::Scalar(S::Max | S::StopGradient) | Op::Reduce(Reduction::Max) => return true,
                Op::Scalar(S::Add | S::Sub | S::Neg | S::Select) | Op::Gather => {
                    open.extend(self.args(id));
                }
                _ => {}
            }
        }
        false
    }

    fn is_shifted(&self, terms: &[Term]) -> bool {
        terms.iter().any(|t| t.exponents.iter().any(|e| self.subtracts_largest(e.0)))
    }

    /// The terms of a sum.
    fn terms(&self, sum: NodeId) -> Option<Vec<Term>> {
        let mut terms = Vec::new();
        let mut open = vec![(sum, 1.0)];
        while let Some((id, sign)) = open.pop() {
            match (self.op(id), self.args(id)) {
                (Op::Scalar(S::Add), &[a, b]) => open.extend([(b, sign), (a, sign)]),
                (Op::Scalar(S::Sub), &[a, b]) => open.extend([(b, -sign), (a, sign)]),
                (Op::Scalar(S::Neg), &[a]) => open.push((a, -sign)),
                _ => {
                    let mut term = self.product(id)?;
                    term.number *= sign;
                    terms.push(term);
                }
            }
            if terms.len() + open.len() > LONG {
                return None;
            }
        }
        Some(terms)
    }

    /// The factors of a product.
    fn product(&self, product: NodeId) -> Option<Term> {
        let mut term = Term { number: 1.0, ..Term::default() };
        let mut open = vec![(product, false)];
        let mut n_seen = 0;
        while let Some((id, divides)) = open.pop() {
            n_seen += 1;
            if n_seen > LONG {
                return None;
            }
            if let Some(v) = self.as_uniform(id) {
                term.number = if divides { term.number / v } else { term.number * v };
                continue;
            }
            match (self.op(id), self.args(id)) {
                (Op::Scalar(S::Mul), &[a, b]) => open.extend([(b, divides), (a, divides)]),
                (Op::Scalar(S::Div), &[a, b]) => open.extend([(b, !divides), (a, divides)]),
                (Op::Scalar(S::Neg), &[a]) => {
                    term.number = -term.number;
                    open.push((a, divides));
                }
                (Op::Scalar(S::Exp), &[u]) => term.exponents.push((u, divides)),
                (Op::Scalar(S::Sigmoid), &[u]) if !divides => match (self.op(u), self.args(u)) {
                    (Op::Scalar(S::Neg), &[logit]) => term.logits.push(logit),
                    _ => {
                        term.exponents.push((u, false));
                        term.logits.push(u);
                    }
                },
                (Op::Scalar(S::Add), &[a, b]) if divides => {
                    let logit = [(a, b), (b, a)].into_iter().find_map(|(one, exp)| {
                        let is_it =
                            self.as_uniform(one) == Some(1.0) && self.op(exp) == Op::Scalar(S::Exp);
                        is_it.then(|| self.arg(exp, 0))
                    });
                    match logit {
                        Some(logit) => term.logits.push(logit),
                        None => term.others.push((id, true)),
                    }
                }
                _ => term.others.push((id, divides)),
            }
        }
        term.exponents.sort_unstable();
        term.logits.sort_unstable();
        term.others.sort_unstable();
        term.number.is_normal().then_some(term)
    }

    /// `a - b` if that is a number by cancelling equal terms.
    fn constant_difference(&self, a: NodeId, b: NodeId) -> Option<f64> {
        let mut difference = 0.0;
        let mut left: Vec<(NodeId, i32)> = Vec::new();
        let mut open = vec![(a, 1), (b, -1)];
        let mut n_seen = 0;
        while let Some((id, sign)) = open.pop() {
            n_seen += 1;
            if n_seen > LONG {
                return None;
            }
            match (self.op(id), self.args(id), self.as_uniform(id)) {
                (_, _, Some(v)) => difference += f64::from(sign) * v,
                (Op::Scalar(S::Add), &[x, y], _) => open.extend([(x, sign), (y, sign)]),
                (Op::Scalar(S::Sub), &[x, y], _) => open.extend([(x, sign), (y, -sign)]),
                (Op::Scalar(S::Neg), &[x], _) => open.push((x, -sign)),
                _ => match left.iter_mut().find(|t| t.0 == id) {
                    Some(term) => term.1 += sign,
                    None => left.push((id, sign)),
                },
            }
        }
        left.iter().all(|t| t.1 == 0).then_some(difference)
    }

    /// The stable form of a plain one.
    pub(super) fn stable_form(&mut self, plain: Plain) -> NodeId {
        match plain {
            Plain::LogOfProduct(term) => {
                let exponent = self.exponent(&Term { number: 1.0, ..term.clone() });
                let log = self.log_of_factors(&term, term.number);
                self.add(exponent, log)
            }
            Plain::LogOfSum(terms) => self.log_of_sum(&terms),
            Plain::LogOfReduced(x) => {
                let (shifted, shift) = self.shifted_by_largest(x);
                let terms = self.unary(S::Exp, shifted);
                let sum = self.reduce(Reduction::Sum, terms);
                let log = self.unary(S::Log, sum);
                self.add(log, shift)
            }
            Plain::ByReduced(x) => {
                let (shifted, _) = self.shifted_by_largest(x);
                let terms = self.unary(S::Exp, shifted);
                let sum = self.reduce(Reduction::Sum, terms);
                self.binary(S::Div, terms, sum)
            }
            Plain::Share { factor, of, among } => {
                // The number of the share itself is in `of`.
                let number = factor.number / of.number;
                let factor = self.factors(&Term { exponents: Vec::new(), number, ..factor });
                let (of, among) = (self.exponent(&of), self.exponent(&among));
                let difference = self.sub(of, among);
                let share = self.unary(S::Sigmoid, difference);
                self.mul(factor, share)
            }
            Plain::ByMany { above, below } => {
                let largest = self.largest_exponent(&below);
                let terms = below.iter().map(|t| self.shifted_term(t, largest)).collect();
                let sum = self.balanced(S::Add, terms);
                let above = self.shifted_term(&above, largest);
                self.binary(S::Div, above, sum)
            }
            Plain::LogOfLoop(sum) => self.log_of_loop(sum),
            Plain::ByLoop(above, sum) => self.by_loop(above, sum),
            Plain::LogOfOnePlus(x) => self.unary(S::Log1p, x),
            Plain::ExpMinusOne(x, negated) => {
                let value = self.unary(S::Expm1, x);
                if negated { self.unary(S::Neg, value) } else { value }
            }
            Plain::OneMinusCos(x, negated) => {
                let (half, scale) =
                    (self.constant(0.5), self.constant(if negated { -2.0 } else { 2.0 }));
                let angle = self.mul(half, x);
                let sine = self.unary(S::Sin, angle);
                let square = self.mul(sine, sine);
                self.mul(scale, square)
            }
            Plain::Squares(a, b) => {
                let (difference, sum) = (self.sub(a, b), self.add(a, b));
                self.mul(difference, sum)
            }
            Plain::Roots(difference, a, b) => {
                let (difference, sum) = (self.constant(difference), self.add(a, b));
                self.binary(S::Div, difference, sum)
            }
        }
    }

    /// `(x - m, m)` with the largest entry m, which has no derivative: what is made of them does
    /// not depend on it. An infinite one is not subtracted from itself.
    pub fn shifted_by_largest(&mut self, x: NodeId) -> (NodeId, NodeId) {
        let largest = self.reduce(Reduction::Max, x);
        let largest = self.unary(S::StopGradient, largest);
        let magnitude = self.unary(S::Abs, largest);
        let (infinity, zero) = (self.constant(f64::INFINITY), self.zero(1, 1));
        let finite = self.binary(S::Lt, magnitude, infinity);
        let shift = self.scalar(S::Select, &[finite, largest, zero]);
        (self.sub(x, shift), shift)
    }

    fn log_of_sum(&mut self, terms: &[Term]) -> NodeId {
        let first = &terms[0];
        let is_alike = |t: &Term| t.number > 0.0 && t.has_same_factors(first);
        if let ([a, b], true) = (terms, terms.iter().all(is_alike)) {
            let (a, b) = (self.exponent(a), self.exponent(b));
            let log = self.log_of_two(a, b);
            let factor = self.log_of_factors(first, 1.0);
            return self.add(log, factor);
        }
        let largest = self.largest_exponent(terms);
        let terms = terms.iter().map(|t| self.shifted_term(t, largest)).collect();
        let sum = self.balanced(S::Add, terms);
        let log = self.unary(S::Log, sum);
        self.add(largest, log)
    }

    /// `log(exp(a) + exp(b))`: the larger one, and what the other one adds. Either choice is the
    /// same function with the same derivatives.
    fn log_of_two(&mut self, a: NodeId, b: NodeId) -> NodeId {
        let is_zero = |g: &Graph, x| g.as_uniform(x) == Some(0.0) || g.pattern(x).is_zero();
        if is_zero(self, a) {
            return self.unary(S::Softplus, b);
        }
        if is_zero(self, b) {
            return self.unary(S::Softplus, a);
        }
        let first_is_larger = self.binary(S::Ge, a, b);
        let larger = self.scalar(S::Select, &[first_is_larger, a, b]);
        let (up, down) = (self.sub(a, b), self.sub(b, a));
        let difference = self.scalar(S::Select, &[first_is_larger, down, up]);
        let rest = self.unary(S::Softplus, difference);
        self.add(larger, rest)
    }

    /// The exponent of a term and the logarithm of its number.
    fn exponent(&mut self, term: &Term) -> NodeId {
        let log = self.constant(term.number.ln());
        term.exponents.iter().fold(log, |sum, &(u, negated)| match negated {
            true => self.sub(sum, u),
            false => self.add(sum, u),
        })
    }

    /// The logarithm of the factors of a term that are no exponentials, and of a number.
    fn log_of_factors(&mut self, term: &Term, number: f64) -> NodeId {
        let alone = Term { number, others: term.others.clone(), ..Term::default() };
        let product = self.factors(&alone);
        let log = self.unary(S::Log, product);
        term.logits.iter().fold(log, |log, &logit| {
            let softplus = self.unary(S::Softplus, logit);
            self.sub(log, softplus)
        })
    }

    /// The factors of a term that are no exponentials.
    fn factors(&mut self, term: &Term) -> NodeId {
        let mut product = self.constant(term.number);
        for &(factor, divides) in &term.others {
            let op = if divides { S::Div } else { S::Mul };
            product = self.binary(op, product, factor);
        }
        for &logit in &term.logits {
            let minus = self.unary(S::Neg, logit);
            let share = self.unary(S::Sigmoid, minus);
            product = self.mul(product, share);
        }
        product
    }

    /// The largest exponent, without derivative.
    fn largest_exponent(&mut self, terms: &[Term]) -> NodeId {
        let exponents: Vec<NodeId> =
            terms.iter().map(|t| self.exponent(&Term { number: 1.0, ..t.clone() })).collect();
        let largest = self.balanced(S::Max, exponents);
        self.unary(S::StopGradient, largest)
    }

    /// A term by the exponential of `largest`.
    fn shifted_term(&mut self, term: &Term, largest: NodeId) -> NodeId {
        let exponent = self.exponent(&Term { number: 1.0, ..term.clone() });
        let exponent = self.sub(exponent, largest);
        let (factors, exp) = (self.factors(term), self.unary(S::Exp, exponent));
        self.mul(factors, exp)
    }

    /// All values joined by an operation, as a tree of little depth.
    fn balanced(&mut self, op: S, mut values: Vec<NodeId>) -> NodeId {
        while values.len() > 1 {
            let pairs = values.chunks(2).map(|pair| match *pair {
                [a, b] => self.binary(op, a, b),
                _ => pair[0],
            });
            values = pairs.collect();
        }
        values[0]
    }
}
