//! Messages about shapes that do not fit: both shapes, and the declarations of the names involved.

use super::{Lowerer, Value};
use crate::graph::NodeId;
use crate::syntax::ast::ExprId;
use crate::syntax::{Code, Diagnostic, Span};

/// `4x1`
pub fn shape_text(shape: (usize, usize)) -> String {
    format!("{}x{}", shape.0, shape.1)
}

/// An operand of an operator, for messages.
#[derive(Clone, Copy)]
pub struct Operand {
    /// The expression, if it is one and not part of a chain.
    pub expr: Option<ExprId>,
    pub span: Span,
    pub node: NodeId,
}

impl Lowerer<'_> {
    /// The node of a value in the current frame.
    pub fn node(&mut self, value: &Value, span: Span) -> Option<NodeId> {
        match value {
            Value::Error => None,
            Value::Node(node) => Some(*node),
            Value::Int(int) => self.int_node(int, span),
            Value::Indices(indices) => self.indices_node(indices, span),
        }
    }

    /// Shape of a value; integers are scalars.
    pub fn shape_of(&mut self, value: &Value) -> Option<(usize, usize)> {
        match value {
            Value::Error => None,
            Value::Node(node) => Some(self.graph().shape(*node)),
            Value::Int(_) => Some((1, 1)),
            Value::Indices(indices) => Some(indices.shape),
        }
    }

    /// A message about an operator at `span` whose operands do not fit.
    pub fn misfit(
        &mut self,
        code: Code,
        span: Span,
        message: String,
        operands: &[Operand],
        joined: &str,
        help: Vec<String>,
    ) {
        let mut texts = Vec::new();
        let mut diagnostic = Diagnostic::new(code, span, message);
        for operand in operands {
            let shape = shape_text(self.graph().shape(operand.node));
            let declared = operand.expr.and_then(|expr| self.declaration_of(expr));
            diagnostic = match declared {
                Some((name, place)) => diagnostic.secondary(place, format!("`{name}` is {shape}")),
                None if operand.span != span => diagnostic.secondary(operand.span, shape.clone()),
                None => diagnostic,
            };
            texts.push(shape);
        }
        diagnostic = diagnostic.label(texts.join(joined));
        for line in help {
            diagnostic = diagnostic.help(line);
        }
        self.report(diagnostic);
    }

    /// A message about a value that has to be a scalar.
    pub fn report_not_scalar(&mut self, what: &str, expr: ExprId, node: NodeId) {
        let span = self.frame().ast.span(expr);
        let shape = shape_text(self.graph().shape(node));
        let mut diagnostic = Diagnostic::new(Code::NotAScalar, span, format!("{what} is a scalar"))
            .label(format!("this is {shape}"));
        if let Some((name, place)) = self.declaration_of(expr) {
            diagnostic = diagnostic.secondary(place, format!("`{name}` is declared here"));
        }
        self.report(diagnostic);
    }

    /// A message about a part of the language that this version lacks.
    pub fn report_not_there(&mut self, span: Span, part: &str) {
        self.report(
            Diagnostic::new(Code::NotThereYet, span, format!("{part}: not there yet"))
                .label("this version cannot evaluate it"),
        );
    }
}
