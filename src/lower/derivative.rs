//! `grad`, `jac`, `hess`, `jvp`, `vjp`, `hvp`: by declared values or lists of them.

use std::sync::Arc;
use std::time::Instant;

use rustc_hash::FxHashSet;

use super::frame::FrameKind;
use super::index::names_in;
use super::misfit::shape_text;
use super::{BindingId, Bound, Lowerer, Value};
use crate::diff::{self, DiffError};
use crate::graph::NodeId;
use crate::ops::matrix::column;
use crate::syntax::ast::{Argument, Ast, Expr, ExprId, Name};
use crate::syntax::{Code, Diagnostic, Span};

/// A derivative of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Derivative {
    Gradient,
    Jacobian,
    Hessian,
    Jvp,
    Vjp,
    Hvp,
}

impl Derivative {
    /// Names of all of them.
    pub const NAMES: [&'static str; 6] = ["grad", "jac", "hess", "jvp", "vjp", "hvp"];

    pub fn from_name(name: &str) -> Option<Derivative> {
        Some(match name {
            "grad" => Derivative::Gradient,
            "jac" => Derivative::Jacobian,
            "hess" => Derivative::Hessian,
            "jvp" => Derivative::Jvp,
            "vjp" => Derivative::Vjp,
            "hvp" => Derivative::Hvp,
            _ => return None,
        })
    }

    fn n_arguments(self) -> usize {
        match self {
            Derivative::Gradient | Derivative::Jacobian | Derivative::Hessian => 2,
            Derivative::Jvp | Derivative::Vjp | Derivative::Hvp => 3,
        }
    }

    fn of_scalar(self) -> bool {
        matches!(self, Derivative::Gradient | Derivative::Hessian | Derivative::Hvp)
    }
}

/// The names that an expression takes a derivative by, if it is one.
fn targets_of<'t>(ast: &'t Ast, expr: &'t Expr) -> Vec<&'t Arc<str>> {
    let Expr::Call { function, arguments } = expr else { return Vec::new() };
    if Derivative::from_name(&function.text).is_none() {
        return Vec::new();
    }
    let Some(by) = arguments.get(1) else { return Vec::new() };
    match ast.expr(by.value) {
        Expr::Name(name) => vec![name],
        Expr::Matrix { rows } => {
            let names = rows.iter().flatten().filter_map(|&entry| match ast.expr(entry) {
                Expr::Name(name) => Some(name),
                _ => None,
            });
            names.collect()
        }
        _ => Vec::new(),
    }
}

/// Adds all names of the file that some derivative is taken by.
pub fn collect_targets(ast: &Ast, targets: &mut FxHashSet<Arc<str>>) {
    for expr in ast.exprs() {
        targets.extend(targets_of(ast, expr).into_iter().cloned());
    }
}

/// Adds the names that some derivative inside `root` is taken by.
pub fn collect_targets_in(ast: &Ast, root: ExprId, targets: &mut FxHashSet<Arc<str>>) {
    let mut stack = vec![root];
    while let Some(id) = stack.pop() {
        let expr = ast.expr(id);
        targets.extend(targets_of(ast, expr).into_iter().cloned());
        expr.for_each_operand(|operand| stack.push(operand));
    }
}

/// What a derivative is taken by.
struct Targets {
    nodes: Vec<NodeId>,
    bindings: Vec<BindingId>,
    is_list: bool,
}

impl Lowerer<'_> {
    /// A derivative called by name.
    pub fn derivative(
        &mut self,
        kind: Derivative,
        function: &Name,
        arguments: &[Argument],
        span: Span,
    ) -> Value {
        if !self.check_count(function, arguments.len(), kind.n_arguments(), kind.n_arguments()) {
            return Value::Error;
        }
        let exprs: Vec<ExprId> = arguments.iter().map(|argument| argument.value).collect();
        // What depends on outer values only is an outer value.
        if let Some(outside) = self.outside(&exprs) {
            let node = self.within(outside, |lowerer| lowerer.derivative_here(kind, &exprs, span));
            let Some(node) = node else { return Value::Error };
            let id = self.bind_hidden(outside, node);
            return self.node_of(id, span).map_or(Value::Error, Value::Node);
        }
        self.derivative_here(kind, &exprs, span).map_or(Value::Error, Value::Node)
    }

    /// The frame that all names of a derivative belong to, if it is around the current one.
    fn outside(&mut self, exprs: &[ExprId]) -> Option<usize> {
        if matches!(self.frame().kind, FrameKind::File | FrameKind::Constant) {
            return None;
        }
        let ast = self.frame().ast;
        let mut deepest = 0;
        for &expr in exprs {
            let names = names_in(ast, expr);
            if self.taken_by.iter().any(|name| names.contains(name)) {
                return None;
            }
            deepest = deepest.max(self.deepest_frame_free(expr)?);
        }
        (deepest < self.current).then_some(deepest)
    }

    /// [`Lowerer::deepest_frame`] for a derivative that stands in the current frame, whose own
    /// targets do not bind it.
    fn deepest_frame_free(&mut self, expr: ExprId) -> Option<usize> {
        let taken: Vec<FxHashSet<Arc<str>>> =
            self.frames.iter_mut().map(|frame| std::mem::take(&mut frame.whole)).collect();
        let deepest = self.deepest_frame(expr);
        for (frame, whole) in self.frames.iter_mut().zip(taken) {
            frame.whole = whole;
        }
        deepest
    }

    fn derivative_here(
        &mut self,
        kind: Derivative,
        exprs: &[ExprId],
        span: Span,
    ) -> Option<NodeId> {
        let ast = self.frame().ast;
        let n_before = self.taken_by.len();
        self.taken_by.extend(names_in(ast, *exprs.get(1)?));
        let f = self.expr_node(*exprs.first()?);
        self.taken_by.truncate(n_before);
        let targets = self.targets(*exprs.get(1)?);
        let direction = match exprs.get(2) {
            Some(&expr) => Some((expr, self.expr_node(expr)?)),
            None => None,
        };
        let (f, targets) = (f?, targets?);
        let shape = self.graph().shape(f);
        if kind.of_scalar() && shape != (1, 1) {
            let mut diagnostic = Diagnostic::new(
                Code::DerivativeOfMatrix,
                ast.span(exprs[0]),
                "this derivative is of a scalar",
            )
            .label(format!("this is {}", shape_text(shape)));
            if let Some((name, place)) = self.declaration_of(exprs[0]) {
                diagnostic = diagnostic.secondary(place, format!("`{name}` is declared here"));
            }
            self.report(diagnostic.help("the derivative of a vector is `jac(y, x)`"));
            return None;
        }
        if let Some((expr, direction)) = direction {
            let wanted = match (kind, targets.nodes[..].first()) {
                (Derivative::Vjp, _) => shape,
                (_, Some(&x)) if !targets.is_list => self.graph().shape(x),
                _ => {
                    let n = targets.nodes.iter().map(|&x| self.graph().pattern(x).numel()).sum();
                    (n, 1)
                }
            };
            let given = self.graph().shape(direction);
            if given != wanted {
                self.report(
                    Diagnostic::new(
                        Code::DirectionShape,
                        ast.span(expr),
                        "the direction has another shape",
                    )
                    .label(format!(
                        "{}, expected {}",
                        shape_text(given),
                        shape_text(wanted)
                    )),
                );
                return None;
            }
        }
        let f = self.seen_whole(f, &targets.bindings, span)?;
        let start = Instant::now();
        let graph = self.graph();
        let wrt = &targets.nodes[..];
        let result = match (kind, direction) {
            (Derivative::Gradient, _) => diff::gradient(graph, f, wrt),
            (Derivative::Jacobian, _) => diff::jacobian(graph, f, wrt),
            (Derivative::Hessian, _) => diff::hessian(graph, f, wrt),
            (Derivative::Jvp, Some((_, v))) => diff::jvp(graph, f, wrt, v),
            (Derivative::Vjp, Some((_, w))) => diff::vjp(graph, f, wrt, w),
            (Derivative::Hvp, Some((_, v))) => diff::hvp(graph, f, wrt, v),
            _ => return None,
        };
        self.derive_time += start.elapsed();
        match result {
            Ok(node) => {
                let follows_target =
                    matches!(kind, Derivative::Gradient | Derivative::Vjp | Derivative::Hvp);
                let is_one_listed = targets.is_list && wrt.len() == 1;
                Some(if follows_target && is_one_listed {
                    column(self.graph(), node)
                } else {
                    node
                })
            }
            Err(error) => {
                self.report_derivative(&error, "this derivative", span);
                None
            }
        }
    }

    /// Says why `what` could not be derived.
    pub(super) fn report_derivative(&mut self, error: &DiffError, what: &str, span: Span) {
        let (code, message, help) = match error {
            DiffError::Missing(_) => (
                Code::NoDerivative,
                "a function has no derivative".to_owned(),
                "give one: `extern fn f(x) with jvp = df`",
            ),
            _ => (
                Code::TooLarge,
                format!("{what} is too large"),
                "products with vectors are small: `jvp(y, x, v)`, `hvp(f, x, v)`",
            ),
        };
        self.report(Diagnostic::new(code, span, message).label(error.to_string()).help(help));
    }

    fn targets(&mut self, expr: ExprId) -> Option<Targets> {
        let ast = self.frame().ast;
        let (entries, is_list) = match ast.expr(expr) {
            Expr::Matrix { rows } if rows.len() == 1 => (rows[0].clone(), true),
            _ => (vec![expr], false),
        };
        let mut targets = Targets { nodes: Vec::new(), bindings: Vec::new(), is_list };
        let mut failed = false;
        for entry in entries {
            match self.target(entry) {
                Some((id, node)) => {
                    targets.nodes.push(node);
                    targets.bindings.push(id);
                }
                None => failed = true,
            }
        }
        (!failed).then_some(targets)
    }

    fn target(&mut self, expr: ExprId) -> Option<(BindingId, NodeId)> {
        let ast = self.frame().ast;
        let span = ast.span(expr);
        if let Expr::Name(name) = ast.expr(expr) {
            let Some(id) = self.find_in_order(name, span) else {
                if !matches!(self.name(name, span), Value::Error) {
                    self.report_target(span, "a constant");
                }
                return None;
            };
            return match &self.bindings[id.0 as usize].value {
                Bound::Node(..) if self.computed.contains(&id) => {
                    self.report_target(span, "an output of a saved model");
                    None
                }
                Bound::Int(_) | Bound::Indices(_) => {
                    self.report(
                        Diagnostic::new(
                            Code::DerivativeByInteger,
                            span,
                            format!("`{name}` is an integer known at compile time"),
                        )
                        .label("has no derivative"),
                    );
                    None
                }
                Bound::Node(..) => {
                    let node = self.node_of(id, span)?;
                    self.bindings[id.0 as usize].used = true;
                    Some((id, node))
                }
                Bound::Error | Bound::Deferred(_) => {
                    self.value_of(id, span);
                    None
                }
            };
        }
        if !matches!(ast.expr(expr), Expr::Error) {
            self.report_target(span, "an expression");
        }
        None
    }

    fn report_target(&mut self, span: Span, what: &str) {
        self.report(
            Diagnostic::new(
                Code::DerivativeByExpression,
                span,
                format!("a derivative with respect to {what}"),
            )
            .label("has to be a named value, or a list of them")
            .help("name it first: `let z = ...`, and use `z` in the formula as well"),
        );
    }
}
