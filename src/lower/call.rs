//! Calls: `fn`s of the program, derivatives, matrix functions, elementwise functions.

use super::derivative::Derivative;
use super::functions::{self, Arg, MatrixFunction, Mistake};
use super::int::Int;
use super::misfit::{Operand, shape_text};
use super::{Lowerer, Value};
use crate::graph::NodeId;
use crate::ops::scalar::ScalarOp;
use crate::syntax::ast::{Argument, Expr, ExprId, Name};
use crate::syntax::{Code, Diagnostic, Span, did_you_mean};

/// Functions of compile-time integers that the tables of functions do not have.
const INTEGER_FUNCTIONS: [&str; 2] = ["div", "mod"];

/// Functions that come with a later version.
const TAYLOR: [&str; 2] = ["taylor", "taylor_coeffs"];

fn elementwise_function(name: &str) -> Option<ScalarOp> {
    ScalarOp::from_name(name).filter(|op| op.row().function)
}

fn built_in_names() -> impl Iterator<Item = &'static str> {
    let elementwise = ScalarOp::ALL.iter().filter(|op| op.row().function).map(|op| op.name());
    elementwise
        .chain(functions::names())
        .chain(Derivative::NAMES)
        .chain(INTEGER_FUNCTIONS)
        .chain(TAYLOR)
}

impl Lowerer<'_> {
    /// Whether the language has a function of this name.
    pub fn is_built_in(&self, name: &str) -> bool {
        built_in_names().any(|known| known == name)
    }

    /// `f(a, b)` as one value.
    pub fn call(&mut self, function: &Name, arguments: &[Argument], span: Span) -> Value {
        let name = &*function.text;
        let is_taylor = TAYLOR.contains(&name);
        let option = arguments.iter().find_map(|argument| argument.name.as_ref());
        let module = self.frame().module;
        let declared = self.modules[module].functions.get(name).copied();
        if let Some(option) = option.filter(|_| !is_taylor) {
            self.report(
                Diagnostic::new(
                    Code::UnknownOption,
                    option.span,
                    format!("`{name}` has no option `{}`", option.text),
                )
                .label("unknown option"),
            );
            return Value::Error;
        }
        let exprs: Vec<ExprId> = arguments.iter().map(|argument| argument.value).collect();
        if let Some(id) = declared {
            let Some(results) = self.call_function(id, function, &exprs) else {
                return Value::Error;
            };
            if let [only] = results[..] {
                return Value::Node(only);
            }
            let message = format!("`{name}` has {} results", results.len());
            self.report(
                Diagnostic::new(Code::SeveralResults, span, message)
                    .label("used as one value")
                    .help(format!("bind them: `let a, b = {name}(...)`")),
            );
            return Value::Error;
        }
        if is_taylor {
            self.report_not_there(function.span, &format!("`{name}`"));
            return Value::Error;
        }
        if let Some(kind) = Derivative::from_name(name) {
            return self.derivative(kind, function, arguments, span);
        }
        let integer = match name {
            "div" => self.integer_function(function, &exprs, Int::div, span),
            "mod" if exprs.len() == 2 && self.are_integers(&exprs) => {
                self.integer_function(function, &exprs, Int::modulo, span)
            }
            _ => None,
        };
        if let Some(value) = integer {
            return value;
        }
        if let Some(value) = self.changing_slices(name, &exprs, span) {
            return value;
        }
        if let Some(row) = functions::lookup(name)
            && (exprs.len() <= row.max_args || elementwise_function(name).is_none())
        {
            return self.matrix_function(row, function, &exprs, span);
        }
        if let Some(op) = elementwise_function(name) {
            return self.elementwise_call(op, function, &exprs);
        }
        for &expr in &exprs {
            self.expr(expr);
        }
        self.report_unknown_function(function);
        Value::Error
    }

    /// A message about a call of something that is no function.
    pub fn report_unknown_function(&mut self, function: &Name) {
        let name = &*function.text;
        if let Some(id) = self.find(name) {
            let declared = self.bindings[id.0 as usize].span;
            let mut diagnostic = Diagnostic::new(
                Code::NotAFunction,
                function.span,
                format!("`{name}` is a value, not a function"),
            )
            .label("called here");
            if declared != Span::default() {
                diagnostic = diagnostic.secondary(declared, "declared here");
            }
            self.report(diagnostic.help(format!("an entry of a value is `{name}[i]`")));
            return;
        }
        let module = self.frame().module;
        let mut known: Vec<&str> = built_in_names().collect();
        let own: Vec<_> = self.modules[module].functions.keys().cloned().collect();
        known.extend(own.iter().map(|k| &**k));
        let suggestion = did_you_mean(name, known).map(str::to_string);
        let mut diagnostic = Diagnostic::new(
            Code::UnknownFunction,
            function.span,
            format!("unknown function `{name}`"),
        );
        if let Some(suggestion) = suggestion {
            diagnostic = diagnostic.label(format!("did you mean `{suggestion}`?"));
        }
        self.report(diagnostic);
    }

    /// Checks a number of arguments.
    pub fn check_count(&mut self, name: &Name, given: usize, min: usize, max: usize) -> bool {
        if (min..=max).contains(&given) {
            return true;
        }
        let wanted = match (min, max) {
            (1, 1) => "one argument".to_string(),
            (min, max) if min == max => format!("{min} arguments"),
            (min, max) if max == usize::MAX => format!("at least {min}"),
            (min, max) => format!("{min} to {max} arguments"),
        };
        self.report(
            Diagnostic::new(
                Code::ArgumentCount,
                name.span,
                format!("`{}` takes {wanted}", name.text),
            )
            .label(format!("called with {given}")),
        );
        false
    }

    /// Whether all operands look like compile-time integers: numbers and names of integers.
    fn are_integers(&mut self, exprs: &[ExprId]) -> bool {
        exprs.iter().all(|&expr| self.is_integer(expr))
    }

    fn is_integer(&mut self, expr: ExprId) -> bool {
        let ast = self.frame().ast;
        let mut stack = vec![expr];
        while let Some(id) = stack.pop() {
            match ast.expr(id) {
                Expr::Number(value) if value.fract() == 0.0 => {}
                Expr::End => {}
                Expr::Name(name) => {
                    let Some(id) = self.find(name) else { return false };
                    let value = &self.bindings[id.0 as usize].value;
                    if !matches!(value, super::Bound::Int(_) | super::Bound::Indices(_)) {
                        return false;
                    }
                }
                Expr::Index { base, .. } => stack.push(*base),
                Expr::Call { function, arguments } => match &*function.text {
                    "rows" | "cols" | "nnz" => {}
                    "div" | "mod" => stack.extend(arguments.iter().map(|a| a.value)),
                    _ => return false,
                },
                expr @ (Expr::Sum(_) | Expr::Negate(_)) => {
                    expr.for_each_operand(|operand| stack.push(operand));
                }
                Expr::Product(factors) => {
                    use crate::syntax::ast::ProductOperator::Times;
                    if factors.iter().skip(1).any(|f| f.product != Times) {
                        return false;
                    }
                    stack.extend(factors.iter().map(|f| f.value));
                }
                _ => return false,
            }
        }
        true
    }

    fn integer_function(
        &mut self,
        function: &Name,
        exprs: &[ExprId],
        f: impl Fn(&Int, &Int) -> Option<Int>,
        span: Span,
    ) -> Option<Value> {
        if !self.check_count(function, exprs.len(), 2, 2) {
            return Some(Value::Error);
        }
        let (a, b) = (self.integers(exprs[0]), self.integers(exprs[1]));
        let (Some(a), Some(b)) = (a, b) else { return Some(Value::Error) };
        let value = match (&a, &b) {
            (Value::Int(a), Value::Int(b)) => f(a, b).map(Value::Int),
            _ => self.of_indices(&a, &b, f),
        };
        Some(match value {
            Some(value) => value,
            None => {
                self.report(
                    Diagnostic::new(
                        Code::NotAnInteger,
                        span,
                        format!("`{}` has no integer value here", function.text),
                    )
                    .label("the divisor is 0, or two iteration numbers are mixed"),
                );
                Value::Error
            }
        })
    }

    fn elementwise_call(&mut self, op: ScalarOp, function: &Name, exprs: &[ExprId]) -> Value {
        let ast = self.frame().ast;
        let nodes: Vec<Option<NodeId>> = exprs.iter().map(|&expr| self.expr_node(expr)).collect();
        if !self.check_count(function, exprs.len(), op.arity(), op.arity()) {
            return Value::Error;
        }
        let mut operands = Vec::with_capacity(exprs.len());
        for (&expr, node) in exprs.iter().zip(nodes) {
            let Some(node) = node else { return Value::Error };
            operands.push(Operand { expr: Some(expr), span: ast.span(expr), node });
        }
        self.elementwise(op, &function.text, &operands, function.span)
            .map_or(Value::Error, Value::Node)
    }

    fn matrix_function(
        &mut self,
        row: &'static MatrixFunction,
        function: &Name,
        exprs: &[ExprId],
        span: Span,
    ) -> Value {
        let ast = self.frame().ast;
        let mut args = Vec::with_capacity(exprs.len());
        let mut failed = false;
        for &expr in exprs {
            let value = self.expr(expr);
            let int = match &value {
                Value::Int(int) => int.as_constant(),
                _ => None,
            };
            match self.node(&value, ast.span(expr)) {
                Some(node) => args.push(Arg { node, int }),
                None => failed = true,
            }
        }
        if !self.check_count(function, exprs.len(), row.min_args, row.max_args) || failed {
            return Value::Error;
        }
        if let Some(value) = row.integer(self.graph(), &args) {
            return Value::Int(Int::constant(value));
        }
        match (row.build)(self.graph(), &args) {
            Ok(node) => Value::Node(node),
            Err(mistake) => {
                self.report_mistake(mistake, function, exprs, &args, span);
                Value::Error
            }
        }
    }

    fn report_mistake(
        &mut self,
        mistake: Mistake,
        function: &Name,
        exprs: &[ExprId],
        args: &[Arg],
        span: Span,
    ) {
        let ast = self.frame().ast;
        let name = &function.text;
        let operand = |k: usize| Operand {
            expr: exprs.get(k).copied(),
            span: exprs.get(k).map_or(span, |&expr| ast.span(expr)),
            node: args.get(k).map_or(NodeId(0), |arg| arg.node),
        };
        let at = |k: usize| operand(k).span;
        match mistake {
            Mistake::NotThereYet { part } => {
                self.report_not_there(function.span, &format!("`{name}` ({part})"));
            }
            Mistake::NotAnInteger { arg } => {
                let what = format!("argument {} of `{name}`", arg + 1);
                self.report(
                    Diagnostic::new(
                        Code::NotAnInteger,
                        at(arg),
                        format!("{what} is an integer known at compile time"),
                    )
                    .label("use numbers, dims and integer formulas of them"),
                );
            }
            Mistake::Negative { arg } => {
                let what = format!("argument {} of `{name}` is not negative", arg + 1);
                self.report(Diagnostic::new(Code::BadShape, at(arg), what));
            }
            Mistake::NotSquare { arg, shape } => self.misfit(
                Code::NotSquare,
                at(arg),
                format!("`{name}` needs a square matrix"),
                &[operand(arg)],
                "",
                vec![format!("{} has not as many rows as columns", shape_text(shape))],
            ),
            Mistake::NotAVector { arg, help, .. } => self.misfit(
                Code::ShapesElementwise,
                at(arg),
                format!("`{name}` needs a vector"),
                &[operand(arg)],
                "",
                help.into_iter().collect(),
            ),
            Mistake::Shape { arg, message, help, .. } => self.misfit(
                Code::ShapesElementwise,
                at(arg),
                if message.starts_with("must") {
                    format!("argument {} of `{name}` {message}", arg + 1)
                } else {
                    message
                },
                &[operand(arg)],
                "",
                help.into_iter().collect(),
            ),
            Mistake::Shapes { message, a, b, help } => self.misfit(
                Code::ShapesElementwise,
                function.span,
                message,
                &[operand(a.0), operand(b.0)],
                " and ",
                help.into_iter().collect(),
            ),
            Mistake::Empty { arg } => self.misfit(
                Code::EmptyExtremum,
                at(arg),
                format!("`{name}` of no entries has no value"),
                &[operand(arg)],
                "",
                Vec::new(),
            ),
            Mistake::TooLarge { n_rows, n_cols, limit } => self.report(
                Diagnostic::new(
                    Code::TooLarge,
                    span,
                    format!("the result of `{name}` is too large"),
                )
                .label(format!("{n_rows}x{n_cols}; the limit is {limit} entries")),
            ),
        }
    }
}
