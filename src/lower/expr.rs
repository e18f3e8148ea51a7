//! Expressions: operators, literals, and the dispatch to all other kinds.

use super::int::Int;
use super::misfit::{Operand, shape_text};
use super::{Lowerer, MAX_LEVELS, Value};
use crate::graph::NodeId;
use crate::ops::matrix::power;
use crate::ops::{scalar::ScalarOp, transpose};
use crate::syntax::ast::{Comparison, Expr, ExprId, Factor, ProductOperator, Term};
use crate::syntax::{Code, Diagnostic, Span};

impl Lowerer<'_> {
    /// The value of an expression in the current frame.
    pub fn expr(&mut self, id: ExprId) -> Value {
        self.level += 1;
        let value = if self.level > MAX_LEVELS {
            let span = self.frame().ast.span(id);
            if self.level == MAX_LEVELS + 1 {
                self.report(
                    Diagnostic::new(Code::TooLarge, span, "declarations and calls nest too deeply")
                        .label(format!("the limit is {MAX_LEVELS} levels")),
                );
            }
            Value::Error
        } else {
            self.expr_of_kind(id)
        };
        self.level -= 1;
        if let Some(error) = self.graph().take_oversized() {
            let span = self.frame().ast.span(id);
            self.report(
                Diagnostic::new(Code::TooLarge, span, "this value is too large")
                    .label(error.to_string()),
            );
            return Value::Error;
        }
        value
    }

    /// The node of an expression in the current frame.
    pub fn expr_node(&mut self, id: ExprId) -> Option<NodeId> {
        let value = self.expr(id);
        let span = self.frame().ast.span(id);
        self.node(&value, span)
    }

    fn expr_of_kind(&mut self, id: ExprId) -> Value {
        let ast = self.frame().ast;
        let span = ast.span(id);
        match ast.expr(id) {
            Expr::Error => Value::Error,
            Expr::Number(value) => match Int::from_f64(*value) {
                Some(int) => Value::Int(int),
                None => Value::Node(self.graph().constant(*value)),
            },
            Expr::Name(name) => self.name(name, span),
            Expr::End => self.end(span),
            Expr::Sum(terms) => self.sum(terms),
            Expr::Product(factors) => self.product(factors),
            Expr::Negate(operand) => match self.expr(*operand) {
                Value::Error => Value::Error,
                Value::Int(int) => match int.scale(-1) {
                    Some(negated) => Value::Int(negated),
                    None => self.not_exact(span),
                },
                value @ Value::Indices(_) => self.negated(&value, span),
                Value::Node(node) => Value::Node(self.graph().neg(node)),
            },
            Expr::Power { base, exponent, elementwise, operator } => {
                self.power(*base, *exponent, *elementwise, *operator)
            }
            Expr::Transpose(operand) => {
                self.of_node(*operand, |lowerer, node| Some(transpose(lowerer.graph(), node)))
            }
            Expr::Compare { comparison, operator, left, right } => {
                let (op, sign) = match comparison {
                    Comparison::Less => (ScalarOp::Lt, "<"),
                    Comparison::LessEqual => (ScalarOp::Le, "<="),
                    Comparison::Greater => (ScalarOp::Gt, ">"),
                    Comparison::GreaterEqual => (ScalarOp::Ge, ">="),
                    Comparison::Equal => (ScalarOp::Eq, "=="),
                    Comparison::NotEqual => (ScalarOp::Ne, "!="),
                };
                self.binary(op, sign, *left, *right, *operator)
            }
            Expr::Not(operand) => self.of_node(*operand, |lowerer, node| {
                Some(lowerer.graph().unary(ScalarOp::Not, node))
            }),
            Expr::And(operands) => self.logical(ScalarOp::And, "and", operands),
            Expr::Or(operands) => self.logical(ScalarOp::Or, "or", operands),
            Expr::If { arms, otherwise } => self.conditional(arms, *otherwise, span),
            Expr::Call { function, arguments } => self.call(function, arguments, span),
            Expr::Comprehension { function, value, clauses } => {
                self.comprehension(function.as_ref(), *value, clauses, span)
            }
            Expr::Matrix { rows } => self.matrix(rows, span),
            Expr::Index { base, arguments } => self.index(*base, arguments, span),
            Expr::Member { base, name } => match self.expr(*base) {
                Value::Error => Value::Error,
                _ => {
                    self.report(
                        Diagnostic::new(
                            Code::UnknownMember,
                            name.span,
                            format!("there is no member `{}`", name.text),
                        )
                        .label("only the solution of an `ode` has members"),
                    );
                    Value::Error
                }
            },
            Expr::Fold(fold) => self.fold(fold, span),
        }
    }

    /// The value of a function of the node of an operand.
    fn of_node(
        &mut self,
        operand: ExprId,
        f: impl FnOnce(&mut Self, NodeId) -> Option<NodeId>,
    ) -> Value {
        let Some(node) = self.expr_node(operand) else { return Value::Error };
        f(self, node).map_or(Value::Error, Value::Node)
    }

    /// An integer formula that leaves the range of exact integers.
    fn not_exact(&mut self, span: Span) -> Value {
        self.report(
            Diagnostic::new(Code::TooLarge, span, "this integer is too large")
                .label("the limit is 64 bits"),
        );
        Value::Error
    }

    /// `a + b - c`
    fn sum(&mut self, terms: &[Term]) -> Value {
        let ast = self.frame().ast;
        let mut sum: Option<Value> = None;
        let mut failed = false;
        let mut so_far = Span::default();
        for term in terms {
            let span = ast.span(term.value);
            let value = self.expr(term.value);
            // After a misfit the other terms are looked at each on its own.
            if failed || matches!(value, Value::Error) {
                failed = true;
                continue;
            }
            let Some(left) = sum.take() else {
                sum = Some(if term.negative { self.negated(&value, span) } else { value });
                so_far = span;
                continue;
            };
            let exact = match (&left, &value) {
                (Value::Int(a), Value::Int(b)) => {
                    if term.negative { a.sub(b) } else { a.add(b) }.map(Value::Int)
                }
                (a, b) if term.negative => self.of_indices(a, b, Int::sub),
                (a, b) => self.of_indices(a, b, Int::add),
            };
            let is_first = so_far == ast.span(terms[0].value);
            let left_expr = is_first.then_some(terms[0].value);
            sum = match exact {
                Some(exact) => Some(exact),
                None => {
                    let a = self.node(&left, so_far);
                    let b = self.node(&value, span);
                    let (Some(a), Some(b)) = (a, b) else {
                        failed = true;
                        continue;
                    };
                    let operands = [
                        Operand { expr: left_expr, span: so_far, node: a },
                        Operand { expr: Some(term.value), span, node: b },
                    ];
                    let (op, sign) =
                        if term.negative { (ScalarOp::Sub, "-") } else { (ScalarOp::Add, "+") };
                    let node = self.elementwise(op, sign, &operands, term.operator);
                    failed |= node.is_none();
                    node.map(Value::Node)
                }
            };
            so_far = so_far.to(span);
        }
        if failed { Value::Error } else { sum.unwrap_or(Value::Error) }
    }

    fn negated(&mut self, value: &Value, span: Span) -> Value {
        match value {
            Value::Int(int) => match int.scale(-1) {
                Some(int) => Value::Int(int),
                None => self.not_exact(span),
            },
            Value::Indices(_) => {
                let zero = Value::Int(Int::constant(0));
                self.of_indices(&zero, value, Int::sub).unwrap_or_else(|| self.not_exact(span))
            }
            _ => match self.node(value, span) {
                Some(node) => Value::Node(self.graph().neg(node)),
                None => Value::Error,
            },
        }
    }

    /// `a * b / c`
    fn product(&mut self, factors: &[Factor]) -> Value {
        let ast = self.frame().ast;
        let Some((first, rest)) = factors.split_first() else { return Value::Error };
        let mut product = self.expr(first.value);
        let mut so_far = ast.span(first.value);
        let mut left_expr = Some(first.value);
        for factor in rest {
            let span = ast.span(factor.value);
            let value = self.expr(factor.value);
            product = match (&product, &value) {
                (Value::Error, _) | (_, Value::Error) => Value::Error,
                (Value::Int(a), Value::Int(b)) if factor.product == ProductOperator::Times => {
                    match a.mul(b) {
                        Some(int) => Value::Int(int),
                        None => self.times(factor, &product, left_expr, so_far, &value),
                    }
                }
                (Value::Int(_), Value::Indices(_)) | (Value::Indices(_), Value::Int(_))
                    if factor.product == ProductOperator::Times =>
                {
                    match self.of_indices(&product, &value, Int::mul) {
                        Some(indices) => indices,
                        None => self.times(factor, &product, left_expr, so_far, &value),
                    }
                }
                _ => self.times(factor, &product, left_expr, so_far, &value),
            };
            left_expr = None;
            so_far = so_far.to(span);
        }
        product
    }

    fn times(
        &mut self,
        factor: &Factor,
        left: &Value,
        left_expr: Option<ExprId>,
        left_span: Span,
        right: &Value,
    ) -> Value {
        let span = self.frame().ast.span(factor.value);
        let (Some(a), Some(b)) = (self.node(left, left_span), self.node(right, span)) else {
            return Value::Error;
        };
        let operands = [
            Operand { expr: left_expr, span: left_span, node: a },
            Operand { expr: Some(factor.value), span, node: b },
        ];
        let at = factor.operator;
        let graph = self.graph();
        let (shape_a, shape_b) = (graph.shape(a), graph.shape(b));
        let is_scalar = |shape| shape == (1, 1);
        let node = match factor.product {
            ProductOperator::ElementwiseTimes => {
                self.elementwise(ScalarOp::Mul, ".*", &operands, at)
            }
            ProductOperator::ElementwiseOver => {
                self.elementwise(ScalarOp::Div, "./", &operands, at)
            }
            ProductOperator::Times if is_scalar(shape_a) || is_scalar(shape_b) => {
                Some(graph.mul(a, b))
            }
            ProductOperator::Times if shape_a.1 == shape_b.0 => {
                if self.fits(shape_a.0, shape_b.1, at) {
                    Some(self.graph().matmul(a, b))
                } else {
                    None
                }
            }
            ProductOperator::Times => {
                let help = product_help(shape_a, shape_b);
                let message = "shapes do not fit in `*`".to_string();
                self.misfit(Code::ShapesMultiply, at, message, &operands, " times ", help);
                None
            }
            ProductOperator::Over if is_scalar(shape_b) => Some(graph.div(a, b)),
            ProductOperator::Solve if is_scalar(shape_a) => Some(graph.div(b, a)),
            ProductOperator::Over if shape_a.1 == shape_b.1 && !is_scalar(shape_a) => {
                self.report_not_there(at, "`/` by a matrix (factorisations)");
                None
            }
            ProductOperator::Solve if shape_a.0 == shape_b.0 => {
                self.report_not_there(at, "`\\` (factorisations)");
                None
            }
            ProductOperator::Over | ProductOperator::Solve => {
                let sign = if factor.product == ProductOperator::Over { "/" } else { "\\" };
                let mut help = Vec::new();
                if sign == "/" && (shape_a == shape_b || is_scalar(shape_a)) {
                    help.push("for the quotient entry by entry write `./`".to_string());
                }
                let message = format!("shapes do not fit in `{sign}`");
                self.misfit(Code::ShapesMultiply, at, message, &operands, " and ", help);
                None
            }
        };
        node.map_or(Value::Error, Value::Node)
    }

    /// Refuses results with too many entries.
    pub fn fits(&mut self, n_rows: usize, n_cols: usize, span: Span) -> bool {
        let checked = crate::sparsity::Pattern::check_size(n_rows as u64, n_cols as u64);
        if let Err(e) = &checked {
            self.report(
                Diagnostic::new(Code::TooLarge, span, "this value is too large")
                    .label(e.to_string()),
            );
        }
        checked.is_ok()
    }

    /// `a ^ b` and `a .^ b`
    fn power(&mut self, base: ExprId, exponent: ExprId, by_entry: bool, at: Span) -> Value {
        let ast = self.frame().ast;
        let (base_span, exponent_span) = (ast.span(base), ast.span(exponent));
        let base_value = self.expr(base);
        let exponent_value = self.expr(exponent);
        let a = self.node(&base_value, base_span);
        let (Some(a), Some(shape)) = (a, self.shape_of(&exponent_value)) else {
            return Value::Error;
        };
        let (n_rows, n_cols) = self.graph().shape(a);
        if !by_entry && (n_rows, n_cols) != (1, 1) {
            return self.matrix_power(a, base, exponent, &exponent_value, at);
        }
        let Some(b) = self.node(&exponent_value, exponent_span) else { return Value::Error };
        if !by_entry && shape != (1, 1) {
            self.report_not_scalar("the exponent of `^`", exponent, b);
            return Value::Error;
        }
        let operands = [
            Operand { expr: Some(base), span: base_span, node: a },
            Operand { expr: Some(exponent), span: exponent_span, node: b },
        ];
        let sign = if by_entry { ".^" } else { "^" };
        self.elementwise(ScalarOp::Pow, sign, &operands, at).map_or(Value::Error, Value::Node)
    }

    fn matrix_power(
        &mut self,
        a: NodeId,
        base: ExprId,
        exponent: ExprId,
        exponent_value: &Value,
        at: Span,
    ) -> Value {
        let ast = self.frame().ast;
        let (n_rows, n_cols) = self.graph().shape(a);
        let help = "for the power of each entry write `.^`";
        if n_rows != n_cols {
            let shape = shape_text((n_rows, n_cols));
            let operand = Operand { expr: Some(base), span: ast.span(base), node: a };
            self.misfit(
                Code::NotSquare,
                at,
                format!("the power of a {shape} value"),
                &[operand],
                "",
                vec![help.to_string()],
            );
            return Value::Error;
        }
        let n = match exponent_value {
            Value::Int(int) => int.as_constant(),
            _ => None,
        };
        match n {
            Some(n) if n >= 0 => Value::Node(power(self.graph(), a, n as u64)),
            Some(_) => {
                self.report_not_there(at, "the inverse of a matrix (factorisations)");
                Value::Error
            }
            None => {
                self.report(
                    Diagnostic::new(
                        Code::NotAnInteger,
                        ast.span(exponent),
                        "the power of a matrix has an integer exponent",
                    )
                    .label("not an integer known at compile time")
                    .help(help),
                );
                Value::Error
            }
        }
    }

    fn binary(&mut self, op: ScalarOp, sign: &str, left: ExprId, right: ExprId, at: Span) -> Value {
        let ast = self.frame().ast;
        let (a, b) = (self.expr_node(left), self.expr_node(right));
        let (Some(a), Some(b)) = (a, b) else { return Value::Error };
        let operands = [
            Operand { expr: Some(left), span: ast.span(left), node: a },
            Operand { expr: Some(right), span: ast.span(right), node: b },
        ];
        self.elementwise(op, sign, &operands, at).map_or(Value::Error, Value::Node)
    }

    fn logical(&mut self, op: ScalarOp, word: &str, operands: &[ExprId]) -> Value {
        let ast = self.frame().ast;
        let mut result: Option<Operand> = None;
        let mut failed = false;
        for &expr in operands {
            let span = ast.span(expr);
            let Some(node) = self.expr_node(expr) else {
                failed = true;
                continue;
            };
            let next = Operand { expr: Some(expr), span, node };
            let Some(left) = result else {
                result = Some(next);
                continue;
            };
            match self.elementwise(op, word, &[left, next], span) {
                Some(node) => {
                    result = Some(Operand { expr: None, span: left.span.to(span), node });
                }
                None => failed = true,
            }
        }
        match result {
            Some(operand) if !failed => Value::Node(operand.node),
            _ => Value::Error,
        }
    }

    /// An elementwise operation on operands of one shape or scalars.
    pub fn elementwise(
        &mut self,
        op: ScalarOp,
        sign: &str,
        operands: &[Operand],
        at: Span,
    ) -> Option<NodeId> {
        let nodes: Vec<NodeId> = operands.iter().map(|operand| operand.node).collect();
        let mut shape = (1, 1);
        for &node in &nodes {
            let of_node = self.graph().shape(node);
            if of_node == (1, 1) {
                continue;
            }
            if shape != (1, 1) && shape != of_node {
                let message = format!("shapes do not fit in `{sign}`");
                let mut help = Vec::new();
                if shape == (of_node.1, of_node.0) && (shape.0 == 1 || shape.1 == 1) {
                    help.push("transpose one of them with `'`".to_string());
                } else {
                    help.push(
                        "both sides have the same shape, or one is a scalar; `repmat` repeats \
                         a value"
                            .to_string(),
                    );
                }
                self.misfit(Code::ShapesElementwise, at, message, operands, " and ", help);
                return None;
            }
            shape = of_node;
        }
        Some(self.graph().scalar(op, &nodes))
    }
}

/// What to write instead of a product whose shapes do not fit.
fn product_help(a: (usize, usize), b: (usize, usize)) -> Vec<String> {
    if a == b && a.1 == 1 {
        vec!["for the inner product write `dot(x, y)`, entry by entry `x .* y`".to_string()]
    } else if a == b {
        vec!["for the product entry by entry write `.*`".to_string()]
    } else if a.1 == 1 && a.0 == b.0 {
        vec![
            "transpose the left operand: `x' * A`; the quadratic form is `quad_form(x, A)`"
                .to_string(),
        ]
    } else {
        vec![
            "the columns of the left operand have to be as many as the rows of the right one"
                .to_string(),
        ]
    }
}
