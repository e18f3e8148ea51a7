//! Elementwise values. The language finds the pattern of each from those of the operands; where
//! that is not the pattern of the node, the operation is written on columns of nonzeros.

use super::body::Block;
use super::packed::{packed, unpacked};
use super::value::Value;
use super::{NoSpelling, Program, no_spelling};
use crate::graph::{Constant, Graph, NodeId, Op};
use crate::ops::scalar::{ScalarOp, Syntax, precedence};
use crate::sparsity::Pattern;

/// An operand as it is written.
struct Operand {
    value: Value,
    pattern: Pattern,
    /// The nonzeros, where the language sees a constant.
    constant: Option<Vec<f64>>,
}

impl Operand {
    fn is_matrix(&self) -> bool {
        !self.pattern.is_scalar()
    }

    /// The same in a graph of its own.
    fn node(&self, k: usize, graph: &mut Graph) -> NodeId {
        match &self.constant {
            Some(values) => graph.constant_matrix(self.pattern.clone(), values),
            None => graph.input(k, self.pattern.clone()),
        }
    }
}

impl Block<'_, '_> {
    pub(super) fn elementwise(
        &mut self,
        program: &mut Program,
        op: ScalarOp,
        id: NodeId,
    ) -> Result<Value, NoSpelling> {
        let graph = self.graph;
        let to = graph.pattern(id);
        let mut args = graph.args(id).to_vec();
        // Names are captured in the order in which they stand.
        let is_number = |id: NodeId| self.graph.op(id) == Op::Const;
        // Numbers first, then what needs no brackets there.
        let is_chain = |id: NodeId| {
            let inner = self.graph.op(id);
            let is = |op: ScalarOp| inner == Op::Scalar(op);
            match op {
                ScalarOp::Mul => is(op),
                ScalarOp::Add => is(op) || is(ScalarOp::Sub),
                _ => false,
            }
        };
        let rank = |id: NodeId| (op != ScalarOp::Mul || !is_number(id), !is_chain(id), id);
        if op.row().commutative && rank(args[0]) > rank(args[1]) {
            args.swap(0, 1);
        }
        if !program.is_exact {
            let operands: Option<Vec<Operand>> =
                args.iter().map(|&a| self.plain_operand(a)).collect();
            if let Some(operands) = operands.filter(|operands| makes(op, operands, to)) {
                return Ok(spelled(op, &operands));
            }
        }
        let mut operands = Vec::with_capacity(args.len());
        for &a in &args {
            operands.push(self.exact_operand(a)?);
        }
        if makes(op, &operands, to) {
            return Ok(spelled(op, &operands));
        }
        self.by_nonzeros(program, op, id, operands)
    }

    /// The operation on the columns of the nonzeros of the operands.
    fn by_nonzeros(
        &mut self,
        program: &mut Program,
        op: ScalarOp,
        id: NodeId,
        mut operands: Vec<Operand>,
    ) -> Result<Value, NoSpelling> {
        let to = self.graph.pattern(id);
        let column = Pattern::dense(to.nnz(), 1);
        for operand in operands.iter_mut().filter(|operand| operand.is_matrix()) {
            let Some(value) = packed(program, &operand.value, &operand.pattern)? else {
                return no_spelling(self.place(id));
            };
            operand.value = value;
            operand.pattern = column.clone();
        }
        if !makes(op, &operands, &column) {
            // What is computed of constants would be one, without its zeros.
            for operand in operands.iter_mut().filter(|operand| operand.constant.is_some()) {
                operand.value = program.stored(&operand.value, &operand.pattern)?;
                operand.constant = None;
            }
        }
        if !makes(op, &operands, &column) {
            return no_spelling(self.place(id));
        }
        program.differs.push(format!("{} is a column of nonzeros", self.place(id)));
        unpacked(program, &spelled(op, &operands), column.nnz(), 0, to)
    }

    /// An operand where the language takes it to the pattern of the result.
    fn plain_operand(&self, id: NodeId) -> Option<Operand> {
        match self.plain_entry(id) {
            None => self.exact_operand(id).ok(),
            Some(plain) => {
                let constant = match self.graph.op(plain.node) {
                    Op::Const => self.constant(plain.node, |v| v != 0.0),
                    _ => None,
                };
                let (value, pattern) = (plain.value.clone(), plain.pattern.clone());
                Some(Operand { value, pattern, constant })
            }
        }
    }

    fn exact_operand(&self, id: NodeId) -> Result<Operand, NoSpelling> {
        let pattern = self.graph.pattern(id).clone();
        let constant = match self.graph.op(id) {
            Op::Const => self.constant(id, |_| true).filter(|values| !values.contains(&0.0)),
            _ => None,
        };
        Ok(Operand { value: self.get(id)?, pattern, constant })
    }

    /// The nonzeros of a constant that `keeps` accepts.
    pub(super) fn constant(&self, id: NodeId, keeps: impl Fn(f64) -> bool) -> Option<Vec<f64>> {
        let n = self.graph.nnz(id);
        let mut values = match self.graph.as_constant(id)? {
            Constant::Uniform(v) => vec![v; n],
            Constant::Values(values) => values.to_vec(),
        };
        values.retain(|&v| keeps(v));
        Some(values)
    }
}

/// Whether the language gives the operation on these operands that pattern.
fn makes(op: ScalarOp, operands: &[Operand], to: &Pattern) -> bool {
    let mut shapes = operands.iter().filter(|o| o.is_matrix()).map(|o| o.pattern.shape());
    let shape = shapes.next();
    if shapes.any(|other| Some(other) != shape) {
        return false;
    }
    let mut scratch = Graph::new();
    let nodes: Vec<NodeId> =
        operands.iter().enumerate().map(|(k, operand)| operand.node(k, &mut scratch)).collect();
    let result = scratch.scalar(op, &nodes);
    scratch.pattern(result) == to
}

/// `a .* b`
fn spelled(op: ScalarOp, operands: &[Operand]) -> Value {
    let is_matrix = |k: usize| operands[k].is_matrix();
    match op.row().syntax {
        Syntax::Call => {
            let texts: Vec<&str> = operands.iter().map(|o| &*o.value.text).collect();
            Value::atom(format!("{}({})", op.name(), texts.join(", ")))
        }
        Syntax::Prefix { symbol, precedence } => {
            let blank = if symbol.ends_with(char::is_alphabetic) { " " } else { "" };
            let text = format!("{symbol}{blank}{}", operands[0].value.at_least(precedence));
            Value { text, precedence }
        }
        Syntax::Infix { symbol, elementwise, precedence, right_associative } => {
            let by_entry = match op {
                ScalarOp::Mul => is_matrix(0) && is_matrix(1),
                ScalarOp::Div => is_matrix(1),
                _ => is_matrix(0) || is_matrix(1),
            };
            let symbol = if by_entry { elementwise } else { symbol };
            // Comparisons do not chain.
            let is_comparison = precedence == precedence::COMPARISON;
            let left = precedence + u8::from(right_associative || is_comparison);
            let a = operands[0].value.at_least(left);
            let b = operands[1].value.at_least(precedence + 1);
            Value { text: format!("{a} {symbol} {b}"), precedence }
        }
    }
}
