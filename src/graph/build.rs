//! Making nodes: sparsity of results, structural zeros.
//!
//! Every function here expects operands whose shapes fit; who takes expressions from a user
//! checks them first. The scalar constant 0 is a structural zero, so zeros vanish as they are
//! made; `fold` says what else folds.

use super::arena::{Attr, Graph};
use super::node::{Constant, NodeId, Op, Payload, Port, Reduction, Values};
use crate::ops::scalar::ScalarOp;
use crate::sparsity::{IndexMap, MAX_NUMEL, Pattern};

/// Sums of so large integers are exact, for there are fewer than 2^31 of them.
const EXACT_TERM: f64 = (1u64 << 22) as f64;

impl Graph {
    /// The scalar constant `v`.
    pub fn constant(&mut self, v: f64) -> NodeId {
        self.fill(Pattern::scalar(), v)
    }

    /// `v` at every nonzero of `pattern`; all structural zeros when `v` is 0.
    pub fn fill(&mut self, pattern: Pattern, v: f64) -> NodeId {
        if v == 0.0 {
            self.zero(pattern.n_rows(), pattern.n_cols())
        } else {
            self.explicit(pattern, v)
        }
    }

    /// A matrix without nonzeros.
    pub fn zero(&mut self, n_rows: usize, n_cols: usize) -> NodeId {
        self.explicit(Pattern::zero(n_rows, n_cols), 0.0)
    }

    /// `v`, even if 0, stored at every nonzero of `pattern`.
    pub(super) fn explicit(&mut self, pattern: Pattern, v: f64) -> NodeId {
        let v = if pattern.is_zero() { 0.0 } else { v };
        self.intern(Op::Const, &[], Attr::Uniform(v), pattern)
    }

    /// A constant matrix; zeros among the values become structural.
    pub fn constant_matrix(&mut self, pattern: Pattern, values: &[f64]) -> NodeId {
        debug_assert_eq!(pattern.nnz(), values.len());
        if values.contains(&0.0) {
            let keep: Vec<u32> =
                (0..values.len() as u32).filter(|&k| values[k as usize] != 0.0).collect();
            let pattern = pattern.select(&keep);
            let values: Vec<f64> = keep.iter().map(|&k| values[k as usize]).collect();
            return self.stored_constant(pattern, values);
        }
        self.stored_constant(pattern, values.to_vec())
    }

    /// A constant matrix whose zeros stay stored.
    pub(super) fn stored_constant(&mut self, pattern: Pattern, values: Vec<f64>) -> NodeId {
        match values.first() {
            None => self.explicit(pattern, 0.0),
            Some(&first) if values.iter().all(|v| v.to_bits() == first.to_bits()) => {
                self.explicit(pattern, first)
            }
            Some(_) => {
                let payload = Payload::Values(Values(values.into()));
                self.intern(Op::Const, &[], Attr::Payload(payload), pattern)
            }
        }
    }

    /// Argument number `k` of the function.
    pub fn input(&mut self, k: usize, pattern: Pattern) -> NodeId {
        self.intern(Op::Input, &[], Attr::Number(k as u32), pattern)
    }

    /// The arguments of a function with these inputs.
    pub fn inputs(&mut self, ports: &[Port]) -> Vec<NodeId> {
        ports.iter().enumerate().map(|(k, port)| self.input(k, port.pattern.clone())).collect()
    }

    /// An elementwise operation. Matrix operands have one shape; 1x1 operands are broadcast.
    pub fn scalar(&mut self, op: ScalarOp, args: &[NodeId]) -> NodeId {
        if args.iter().all(|&a| self.is_scalar(a)) {
            return self.scalar_of_scalars(op, args);
        }
        let (n_rows, n_cols) = self.elementwise_shape(args);
        if let Some(folded) = self.fold_scalar(op, args, (n_rows, n_cols)) {
            return folded;
        }
        let pattern = self.elementwise_pattern(op, args, (n_rows, n_cols));
        if pattern.is_zero() || !self.admits(n_rows, n_cols, pattern.nnz(), MAX_NUMEL) {
            return self.zero(n_rows, n_cols);
        }
        let mut operands: [NodeId; 3] = [NodeId(0); 3];
        for (to, &a) in operands.iter_mut().zip(args) {
            *to = self.operand(a, &pattern);
        }
        let operands = &mut operands[..args.len()];
        self.unspread(op, operands, &pattern);
        if let Some(folded) = self.fold_constants(op, operands, &pattern) {
            return folded;
        }
        if op.row().commutative && self.hash(operands[0]) > self.hash(operands[1]) {
            operands.swap(0, 1);
        }
        self.intern(Op::Scalar(op), operands, Attr::None, pattern)
    }

    /// Takes one number that is spread over a matrix as that number, beside another matrix, where
    /// the pattern of the result still follows.
    fn unspread(&self, op: ScalarOp, operands: &mut [NodeId], pattern: &Pattern) {
        let spread = |&a: &NodeId| {
            !self.is_scalar(a) && self.op(a) == Op::Gather && self.is_scalar(self.arg(a, 0))
        };
        let is_other = |a: &NodeId| !self.is_scalar(*a) && !spread(a);
        if !operands.iter().any(spread) || !operands.iter().any(is_other) {
            return;
        }
        let mut numbers = [NodeId(0); 3];
        let numbers = &mut numbers[..operands.len()];
        for (number, a) in numbers.iter_mut().zip(operands.iter()) {
            *number = if spread(a) { self.arg(*a, 0) } else { *a };
        }
        if pattern.is_dense() || self.elementwise_pattern(op, numbers, pattern.shape()) == *pattern
        {
            operands.copy_from_slice(numbers);
        }
    }

    /// [`Graph::scalar`] where no operand is a matrix or a structural zero, hence nor is the
    /// result unless it folds.
    fn scalar_of_scalars(&mut self, op: ScalarOp, args: &[NodeId]) -> NodeId {
        if let Some(folded) = self.fold_scalar(op, args, (1, 1)) {
            return folded;
        }
        if args.iter().all(|&a| self.op(a) == Op::Const)
            && let Some(folded) = self.fold_constants(op, args, &Pattern::scalar())
        {
            return folded;
        }
        match *args {
            [a, b] if op.row().commutative && self.hash(a) > self.hash(b) => {
                self.intern_scalar(Op::Scalar(op), &[b, a])
            }
            _ => self.intern_scalar(Op::Scalar(op), args),
        }
    }

    pub fn unary(&mut self, op: ScalarOp, a: NodeId) -> NodeId {
        self.scalar(op, &[a])
    }

    pub fn binary(&mut self, op: ScalarOp, a: NodeId, b: NodeId) -> NodeId {
        self.scalar(op, &[a, b])
    }

    pub fn add(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(ScalarOp::Add, a, b)
    }

    pub fn sub(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(ScalarOp::Sub, a, b)
    }

    /// Elementwise product, or scaling.
    pub fn mul(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(ScalarOp::Mul, a, b)
    }

    pub fn div(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(ScalarOp::Div, a, b)
    }

    pub fn neg(&mut self, a: NodeId) -> NodeId {
        self.unary(ScalarOp::Neg, a)
    }

    fn elementwise_shape(&self, args: &[NodeId]) -> (usize, usize) {
        let matrix = args.iter().find(|&&a| !self.pattern(a).is_scalar());
        matrix.map_or((1, 1), |&a| self.shape(a))
    }

    /// Which entries are structural nonzeros of the result, from the zero sets of the operation.
    fn elementwise_pattern(&self, op: ScalarOp, args: &[NodeId], shape: (usize, usize)) -> Pattern {
        let dense = Pattern::dense(shape.0, shape.1);
        let sets = op.row().zero_sets;
        let mut result = dense;
        // An entry is zero where all arguments of some set are zero: the result is the
        // intersection over the sets of the unions over their arguments.
        for &set in sets {
            let mut union = Pattern::zero(shape.0, shape.1);
            for (k, &a) in args.iter().enumerate().filter(|(k, _)| set >> k & 1 == 1) {
                debug_assert!(k < 3);
                let p = self.pattern(a);
                if p.shape() == shape {
                    union = union.union(p);
                } else if !p.is_zero() && self.as_uniform(a) != Some(0.0) {
                    // A stored 0 stands for a structural one among the operands of a node, which
                    // keeps its pattern when it is made again of them.
                    union = Pattern::dense(shape.0, shape.1);
                }
            }
            result = result.intersection(&union);
        }
        result
    }

    /// `a` with the pattern of the result, or as a 1x1 value to broadcast.
    fn operand(&mut self, a: NodeId, pattern: &Pattern) -> NodeId {
        if self.pattern(a) == pattern {
            a
        } else if self.pattern(a).is_scalar() {
            if self.pattern(a).is_zero() { self.explicit(Pattern::scalar(), 0.0) } else { a }
        } else {
            self.project(a, pattern)
        }
    }

    /// `a` restricted and extended (by explicit zeros) to the nonzeros of `pattern`.
    pub fn project(&mut self, a: NodeId, pattern: &Pattern) -> NodeId {
        let from = self.pattern(a).clone();
        if from == *pattern {
            return a;
        }
        debug_assert_eq!(from.shape(), pattern.shape());
        let common = from.intersection(pattern);
        if common.is_zero() {
            return self.explicit(pattern.clone(), 0.0);
        }
        let invariant = "invariant: an intersection lies in both patterns";
        let restricted = if common == from {
            a
        } else {
            let map = IndexMap::from_table(common.positions_in(&from).expect(invariant));
            self.gather(a, map, common.clone())
        };
        if common == *pattern {
            return restricted;
        }
        let map = IndexMap::from_table(common.positions_in(pattern).expect(invariant));
        self.scatter(restricted, map, pattern.clone())
    }

    /// `a` without its nonzeros outside the pattern of another node of its shape.
    pub fn restrict(&mut self, a: NodeId, to: NodeId) -> NodeId {
        let (from, pattern) = (self.pattern(a), self.pattern(to));
        if pattern.is_dense() || from == pattern || from.positions_in(pattern).is_some() {
            return a;
        }
        let common = from.intersection(pattern);
        self.project(a, &common)
    }

    /// `a` with every entry a structural nonzero.
    pub fn densify(&mut self, a: NodeId) -> NodeId {
        let (n_rows, n_cols) = self.shape(a);
        if !self.admits(n_rows, n_cols, self.pattern(a).numel(), MAX_NUMEL) {
            return self.zero(n_rows, n_cols);
        }
        self.project(a, &Pattern::dense(n_rows, n_cols))
    }

    /// `y.nz[k] = x.nz[map(k)]` with the given pattern of as many nonzeros.
    pub fn gather(&mut self, x: NodeId, map: IndexMap, pattern: Pattern) -> NodeId {
        debug_assert_eq!(map.len(), pattern.nnz());
        let (n_rows, n_cols) = pattern.shape();
        if pattern.is_zero() {
            return self.zero(n_rows, n_cols);
        }
        if *self.pattern(x) == pattern && map.is_identity(pattern.nnz()) {
            return x;
        }
        match self.op(x) {
            Op::Const => match self.as_constant(x) {
                Some(Constant::Uniform(v)) => return self.explicit(pattern, v),
                Some(Constant::Values(values)) => {
                    let values = map.iter().map(|k| values[k]).collect();
                    return self.stored_constant(pattern, values);
                }
                None => {}
            },
            Op::Gather => {
                if let Some(inner) = self.map(x) {
                    let map = map.compose(inner);
                    let source = self.arg(x, 0);
                    return self.gather(source, map, pattern);
                }
            }
            Op::Concat if map.len() == 1 => {
                if let Some((part, k)) = self.concat_part(x, map.get(0)) {
                    return self.gather(part, IndexMap::range(k, 1), pattern);
                }
            }
            _ => {}
        }
        self.intern(Op::Gather, &[x], Attr::Payload(Payload::Map(map)), pattern)
    }

    /// Argument of a concatenation that holds nonzero `k`, and the index there.
    /// Looks only where that is quick: all arguments of one nonzero, or few of them.
    fn concat_part(&self, concat: NodeId, k: usize) -> Option<(NodeId, usize)> {
        let parts = self.args(concat);
        if parts.len() == self.nnz(concat) {
            return Some((parts[k], 0));
        }
        if parts.len() > 16 {
            return None;
        }
        let mut start = 0;
        for &part in parts {
            let nnz = self.nnz(part);
            if k < start + nnz {
                return Some((part, k - start));
            }
            start += nnz;
        }
        None
    }

    /// `y.nz[map(k)] += x.nz[k]`, from zero, with the given pattern of the result.
    pub fn scatter(&mut self, x: NodeId, map: IndexMap, pattern: Pattern) -> NodeId {
        debug_assert_eq!(map.len(), self.nnz(x));
        let nnz = pattern.nnz();
        let (n_rows, n_cols) = pattern.shape();
        if pattern.is_zero() || self.nnz(x) == 0 {
            return if pattern.is_zero() {
                self.zero(n_rows, n_cols)
            } else {
                self.explicit(pattern, 0.0)
            };
        }
        if map.len() == nnz && map.is_identity(nnz) {
            return self.gather(x, map, pattern);
        }
        if let Some(constant) = self.as_constant(x) {
            let mut values = vec![0.0; nnz];
            for (k, to) in map.iter().enumerate() {
                values[to] += constant.get(k);
            }
            return self.stored_constant(pattern, values);
        }
        if map.len() == nnz
            && let Some(inverse) = inverse_permutation(&map)
        {
            return self.gather(x, IndexMap::from_table(inverse), pattern);
        }
        self.intern(Op::Scatter, &[x], Attr::Payload(Payload::Map(map)), pattern)
    }

    /// All nonzeros of `parts`, one after the other, as a dense column.
    pub fn concat(&mut self, parts: &[NodeId]) -> NodeId {
        let mut kept: Vec<NodeId> = Vec::with_capacity(parts.len());
        kept.extend(parts.iter().filter(|&&p| self.nnz(p) > 0));
        let total: usize = kept.iter().map(|&p| self.nnz(p)).sum();
        let pattern = Pattern::dense(total, 1);
        match kept[..] {
            [] => self.zero(0, 1),
            [only] => self.gather(only, IndexMap::identity(total), pattern),
            _ if kept.iter().all(|&p| self.op(p) == Op::Const) => {
                let mut values = Vec::with_capacity(total);
                for &p in &kept {
                    if let Some(c) = self.as_constant(p) {
                        values.extend((0..self.nnz(p)).map(|k| c.get(k)));
                    }
                }
                self.stored_constant(pattern, values)
            }
            _ => self.intern(Op::Concat, &kept, Attr::None, pattern),
        }
    }

    /// Matrix product of `a` and `b`, which are not 1x1.
    pub fn matmul(&mut self, a: NodeId, b: NodeId) -> NodeId {
        let pattern = self.pattern(a).product(self.pattern(b));
        self.matmul_masked(a, b, pattern)
    }

    /// The entries in `pattern` of the matrix product of `a` and `b`.
    pub fn matmul_masked(&mut self, a: NodeId, b: NodeId, pattern: Pattern) -> NodeId {
        let full = self.pattern(a).product(self.pattern(b));
        let pattern = pattern.intersection(&full);
        if pattern.is_zero() {
            return self.zero(pattern.n_rows(), pattern.n_cols());
        }
        // A multiple of the identity.
        for (factor, other) in [(a, b), (b, a)] {
            let p = self.pattern(factor);
            let is_whole =
                p.is_scalar() || p.is_diagonal() && p.nnz() == p.n_rows().max(p.n_cols());
            if let Some(v) = self.as_uniform(factor).filter(|v| is_whole && *v != 0.0) {
                let number = self.constant(v);
                let product = self.mul(number, other);
                return self.project(product, &pattern);
            }
        }
        if self.pattern(a).is_scalar() || self.pattern(b).is_scalar() {
            let product = self.mul(a, b);
            return self.project(product, &pattern);
        }
        // A number stands in front of what has fewer entries.
        if self.folds_real {
            for (k, factor) in [a, b].into_iter().enumerate() {
                if let Some((number, matrix)) = self.number_times(factor)
                    && pattern.nnz() <= self.nnz(matrix)
                {
                    let (a, b) = if k == 0 { (matrix, b) } else { (a, matrix) };
                    let product = self.matmul_masked(a, b, pattern);
                    return self.mul(number, product);
                }
            }
        }
        self.intern(Op::MatMul, &[a, b], Attr::None, pattern)
    }

    /// Reduction over all entries of `x`, structural zeros included.
    /// The maximum or minimum of an empty matrix has no value; callers refuse it.
    pub fn reduce(&mut self, reduction: Reduction, x: NodeId) -> NodeId {
        let nnz = self.nnz(x);
        let has_zeros = nnz < self.pattern(x).numel();
        let over_nonzeros = match nnz {
            0 if has_zeros => return self.zero(1, 1),
            0 => return self.constant(reduction.identity()),
            1 => self.gather(x, IndexMap::identity(1), Pattern::scalar()),
            _ => match (reduction, has_zeros, self.as_uniform(x)) {
                (Reduction::Prod, true, _) => return self.zero(1, 1),
                (Reduction::Sum, _, Some(v)) if v.fract() == 0.0 && v.abs() < EXACT_TERM => {
                    self.constant(v * nnz as f64)
                }
                (Reduction::Max | Reduction::Min, _, Some(v)) => self.constant(v),
                _ => self.intern(Op::Reduce(reduction), &[x], Attr::None, Pattern::scalar()),
            },
        };
        if !has_zeros || reduction == Reduction::Sum {
            return over_nonzeros;
        }
        if reduction == Reduction::Prod {
            return self.zero(1, 1);
        }
        let zero = self.zero(1, 1);
        self.binary(reduction.op(), over_nonzeros, zero)
    }
}

fn inverse_permutation(map: &IndexMap) -> Option<Vec<u32>> {
    let mut inverse = vec![u32::MAX; map.len()];
    for (k, to) in map.iter().enumerate() {
        let slot = inverse.get_mut(to)?;
        if *slot != u32::MAX {
            return None;
        }
        *slot = k as u32;
    }
    Some(inverse)
}
