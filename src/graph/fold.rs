//! Local folding of elementwise operations as they are made.
//!
//! What is folded is exact for every value of the operands (NaN included), except that structural
//! zeros annihilate; what holds in real arithmetic only after [`Graph::set_folds_real`].

use super::arena::{Attr, Graph};
use super::node::{Constant, NodeId, Op};
use crate::ops::scalar::ScalarOp;
use crate::sparsity::Pattern;

impl Graph {
    /// Identities that need no look at patterns.
    pub(super) fn fold_scalar(
        &mut self,
        op: ScalarOp,
        args: &[NodeId],
        shape: (usize, usize),
    ) -> Option<NodeId> {
        use ScalarOp as S;
        let whole = |g: &Graph, x: NodeId| g.shape(x) == shape;
        let zero = |g: &Graph, x: NodeId| !g.is_scalar(x) && g.pattern(x).is_zero();
        // The value of an operand that is the same at every entry of the result.
        let value = |g: &Graph, x: NodeId| {
            if g.pattern(x).is_dense() { g.as_uniform(x) } else { None }
        };
        let negated = |g: &Graph, x: NodeId| (g.op(x) == Op::Scalar(S::Neg)).then(|| g.arg(x, 0));
        match (op, args) {
            (S::Add, &[a, b]) => {
                if zero(self, b) && whole(self, a) {
                    return Some(a);
                }
                if zero(self, a) && whole(self, b) {
                    return Some(b);
                }
                if a == b {
                    let two = self.constant(2.0);
                    return Some(self.mul(two, a));
                }
                if let Some(b) = negated(self, b) {
                    return Some(self.sub(a, b));
                }
                if let Some(a) = negated(self, a) {
                    return Some(self.sub(b, a));
                }
            }
            (S::Sub, &[a, b]) => {
                if zero(self, b) && whole(self, a) {
                    return Some(a);
                }
                if zero(self, a) && whole(self, b) {
                    return Some(self.neg(b));
                }
                if let Some(b) = negated(self, b) {
                    return Some(self.add(a, b));
                }
            }
            (S::Mul, &[a, b]) => {
                for (x, y) in [(a, b), (b, a)] {
                    if value(self, x) == Some(1.0) && whole(self, y) {
                        return Some(y);
                    }
                    if value(self, x) == Some(-1.0) && whole(self, y) {
                        return Some(self.neg(y));
                    }
                    // The same number everywhere is a number.
                    if let Some(v) = self.as_uniform(x).filter(|v| *v != 0.0)
                        && self.op(x) == Op::Const
                        && self.shape(x) == self.shape(y)
                        && self.pattern(x).is_dense()
                        && !self.pattern(x).is_scalar()
                        && self.op(y) != Op::Const
                    {
                        let number = self.constant(v);
                        return Some(self.mul(number, y));
                    }
                }
                match (negated(self, a), negated(self, b)) {
                    (Some(x), Some(y)) => return Some(self.mul(x, y)),
                    (Some(x), None) => {
                        let product = self.mul(x, b);
                        return Some(self.neg(product));
                    }
                    (None, Some(y)) => {
                        let product = self.mul(a, y);
                        return Some(self.neg(product));
                    }
                    (None, None) => {}
                }
            }
            (S::Div, &[a, b]) => {
                if value(self, b) == Some(1.0) && whole(self, a) {
                    return Some(a);
                }
                if value(self, b) == Some(-1.0) && whole(self, a) {
                    return Some(self.neg(a));
                }
                if let Some(x) = negated(self, a) {
                    let quotient = self.div(x, b);
                    return Some(self.neg(quotient));
                }
            }
            (S::Neg, &[a]) => {
                if let Some(x) = negated(self, a) {
                    return Some(x);
                }
                // -(a - b) and b - a differ in the sign of a zero only; structural zeros have none.
                if self.op(a) == Op::Scalar(S::Mul)
                    && let &[x, y] = self.args(a)
                    && let Some(v) = self.as_uniform(x).or(self.as_uniform(y))
                {
                    let other = if self.as_uniform(x).is_some() { y } else { x };
                    let factor = self.constant(-v);
                    if self.shape(other) == shape {
                        return Some(self.mul(factor, other));
                    }
                }
            }
            (S::Pow, &[a, b]) => {
                let exponent = if zero(self, b) { Some(0.0) } else { value(self, b) };
                if exponent == Some(0.0) {
                    return Some(self.fill(Pattern::dense(shape.0, shape.1), 1.0));
                }
                if exponent == Some(1.0) && whole(self, a) {
                    return Some(a);
                }
                // A positive power of a structural zero is one.
                if exponent.is_some_and(|e| e > 0.0)
                    && whole(self, a)
                    && !self.pattern(a).is_dense()
                {
                    let pattern = self.pattern(a).clone();
                    if pattern.is_zero() {
                        return Some(a);
                    }
                    let exponent = self.constant(exponent?);
                    return Some(self.intern(
                        Op::Scalar(S::Pow),
                        &[a, exponent],
                        Attr::None,
                        pattern,
                    ));
                }
            }
            (S::Select, &[c, a, b]) => {
                let chosen = if zero(self, c) {
                    Some(b)
                } else {
                    value(self, c).map(|v| if v != 0.0 { a } else { b })
                };
                if let Some(x) = chosen.filter(|&x| whole(self, x)) {
                    return Some(x);
                }
                if a == b && whole(self, a) {
                    return Some(a);
                }
            }
            (S::Fma, &[a, b, c]) => {
                if (zero(self, a) || zero(self, b)) && whole(self, c) {
                    return Some(c);
                }
                if zero(self, c) && (whole(self, a) || whole(self, b)) {
                    return Some(self.mul(a, b));
                }
                for (x, y) in [(a, b), (b, a)] {
                    match value(self, x) {
                        Some(1.0) if whole(self, y) => return Some(self.add(y, c)),
                        Some(-1.0) if whole(self, y) => return Some(self.sub(c, y)),
                        _ => {}
                    }
                }
            }
            (S::Min | S::Max, &[a, b]) if a == b => return Some(a),
            _ => {}
        }
        if self.folds_real { self.fold_real(op, args, shape) } else { None }
    }

    /// What an operation is in real arithmetic, by the structure of its operands alone.
    pub(super) fn fold_real(
        &mut self,
        op: ScalarOp,
        args: &[NodeId],
        shape: (usize, usize),
    ) -> Option<NodeId> {
        use ScalarOp as S;
        match (op, args) {
            (S::Sub, &[a, b]) if a == b => Some(self.zero(shape.0, shape.1)),
            (S::Div, &[a, b]) if a == b && self.pattern(a).is_dense() => {
                Some(self.fill(Pattern::dense(shape.0, shape.1), 1.0))
            }
            (S::Sqrt, &[a]) => {
                let base = self.root_of_square(a).filter(|&x| self.shape(x) == shape)?;
                Some(self.unary(S::Abs, base))
            }
            (S::Eq, &[a, b]) if self.is_never_zero(a, b) => Some(self.zero(shape.0, shape.1)),
            (S::Mul, &[a, b]) => {
                let (number, inner, matrix) = self.scaled_twice(a, b)?;
                let factor = self.constant(number * inner);
                Some(self.mul(factor, matrix))
            }
            _ => self.plain_form(op, args).map(|plain| self.stable_form(plain)),
        }
    }

    /// Whether one of two values is 0 and the other a power of a positive constant.
    fn is_never_zero(&self, a: NodeId, b: NodeId) -> bool {
        let zero = |x: NodeId| self.pattern(x).is_zero() || self.as_uniform(x) == Some(0.0);
        let other = match (zero(a), zero(b)) {
            (false, true) => a,
            (true, false) => b,
            _ => return false,
        };
        self.op(other) == Op::Scalar(ScalarOp::Pow)
            && self.as_uniform(self.arg(other, 0)).is_some_and(|base| base > 0.0)
    }

    /// Whether [`Graph::fold_real`] changes a node.
    pub fn is_foldable_real(&self, id: NodeId) -> bool {
        use ScalarOp as S;
        match (self.op(id), self.args(id)) {
            (Op::Scalar(S::Sub | S::Div), &[a, b]) if a == b => true,
            (Op::Scalar(S::Sqrt), &[a]) => self.root_of_square(a).is_some(),
            (Op::Scalar(S::Mul), &[a, b]) => self.scaled_twice(a, b).is_some(),
            (Op::Scalar(S::Eq), &[a, b]) => self.is_never_zero(a, b),
            (Op::Scalar(op), args) => self.plain_form(op, args).is_some(),
            _ => false,
        }
    }

    /// The value that a node is the square of.
    fn root_of_square(&self, a: NodeId) -> Option<NodeId> {
        match (self.op(a), self.args(a)) {
            (Op::Scalar(ScalarOp::Mul), &[x, y]) if x == y => Some(x),
            (Op::Scalar(ScalarOp::Pow), &[x, two]) if self.as_uniform(two) == Some(2.0) => Some(x),
            _ => None,
        }
    }

    /// The result when all operands are constants.
    pub(super) fn fold_constants(
        &mut self,
        op: ScalarOp,
        args: &[NodeId],
        pattern: &Pattern,
    ) -> Option<NodeId> {
        let mut constants: [Option<Constant>; 3] = [None, None, None];
        for (to, &a) in constants.iter_mut().zip(args) {
            *to = Some(self.as_constant(a)?);
        }
        let constants = &constants[..args.len()];
        let at = |k: usize| {
            let mut operands = [0.0; 3];
            for (to, c) in operands.iter_mut().zip(constants) {
                *to = c.as_ref().map_or(0.0, |c| match c {
                    Constant::Uniform(v) => *v,
                    Constant::Values(v) => v[if v.len() == 1 { 0 } else { k }],
                });
            }
            op.eval(&operands[..args.len()])
        };
        if constants.iter().all(|c| matches!(c, Some(Constant::Uniform(_)))) {
            return Some(self.fill(pattern.clone(), at(0)));
        }
        let values: Vec<f64> = (0..pattern.nnz()).map(at).collect();
        Some(self.constant_matrix(pattern.clone(), &values))
    }

    /// The parts of a number times a number times a value, where the product of both is a number
    /// of moderate size.
    pub(super) fn scaled_twice(&self, a: NodeId, b: NodeId) -> Option<(f64, f64, NodeId)> {
        let number = |x: NodeId| self.as_uniform(x).filter(|_| self.pattern(x).is_scalar());
        let (number, scaled) = number(a).map(|v| (v, b)).or_else(|| number(b).map(|v| (v, a)))?;
        let (inner, matrix) = self.number_times(scaled)?;
        let inner = self.as_uniform(inner)?;
        let is_moderate = |v: f64| (1e-60..1e60).contains(&v.abs());
        (is_moderate(number) && is_moderate(inner)).then_some((number, inner, matrix))
    }

    /// The parts of a constant number times a matrix.
    pub(super) fn number_times(&self, id: NodeId) -> Option<(NodeId, NodeId)> {
        let (Op::Scalar(ScalarOp::Mul), &[a, b]) = (self.op(id), self.args(id)) else {
            return None;
        };
        let is_number = |x: NodeId| self.op(x) == Op::Const && self.pattern(x).is_scalar();
        match (is_number(a), is_number(b)) {
            (true, false) => Some((a, b)),
            (false, true) => Some((b, a)),
            _ => None,
        }
    }
}
