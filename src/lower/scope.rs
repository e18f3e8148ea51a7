//! Names: declaring them, finding them, and saying what is meant when there are none.

use std::sync::Arc;

use super::frame::FrameKind;
use super::int::Int;
use super::{Binding, BindingId, Bound, Lowerer, Value};
use crate::syntax::ast::{Expr, ExprId, Name};
use crate::syntax::{Code, Diagnostic, Span, did_you_mean};

/// The value of a constant of the language that declarations may shadow.
fn named_constant(name: &str) -> Option<f64> {
    match name {
        "pi" => Some(std::f64::consts::PI),
        "e" => Some(std::f64::consts::E),
        "inf" => Some(f64::INFINITY),
        "nan" => Some(f64::NAN),
        "eps" => Some(f64::EPSILON),
        _ => None,
    }
}

impl Lowerer<'_> {
    /// Enters a value into the list of all declared values.
    pub fn new_binding(
        &mut self,
        name: Arc<str>,
        span: Span,
        frame: usize,
        value: Bound,
        used: bool,
    ) -> BindingId {
        let id = BindingId(self.bindings.len() as u32);
        self.bindings.push(Binding { name, span, frame, value, used });
        id
    }

    /// Declares a name in the innermost scope of the current frame.
    pub fn declare(&mut self, name: &Name, value: Bound) -> BindingId {
        let current = self.current;
        let id = self.new_binding(name.text.clone(), name.span, current, value, false);
        let frame = &mut self.frames[current];
        let at_file = frame.kind == FrameKind::File && frame.scopes.len() == 1;
        let names = if at_file {
            &mut self.modules[frame.module].names
        } else {
            match frame.scopes.last_mut() {
                Some(scope) => scope,
                None => return id,
            }
        };
        if let Some(&earlier) = names.get(&name.text) {
            let earlier = &self.bindings[earlier.0 as usize];
            let imported = earlier.span.file != name.span.file;
            let code = if imported { Code::UseClash } else { Code::DefinedTwice };
            let message = format!("`{}` is declared twice", name.text);
            let place = earlier.span;
            self.report(
                Diagnostic::new(code, name.span, message)
                    .label("second declaration")
                    .secondary(place, "first declaration"),
            );
            return id;
        }
        names.insert(name.text.clone(), id);
        id
    }

    /// Declares a name for the value of an expression. The target of a derivative is marked, so
    /// that it stays a value of its own.
    pub fn declare_value(&mut self, name: &Name, value: Value) -> BindingId {
        let bound = match value {
            Value::Error => Bound::Error,
            Value::Int(int) if !self.targets.contains(&name.text) => Bound::Int(int),
            Value::Indices(indices) if !self.targets.contains(&name.text) => {
                Bound::Indices(indices)
            }
            value => match self.node(&value, name.span) {
                None => Bound::Error,
                Some(node) => {
                    let is_target = self.targets.contains(&name.text);
                    let graph = self.graph();
                    let node = match is_target {
                        // A scalar 0 is a structural zero, by which nothing could be derived.
                        true if graph.shape(node) == (1, 1) => {
                            let stored = graph.densify(node);
                            graph.mark(stored)
                        }
                        true => graph.mark(node),
                        false => node,
                    };
                    Bound::Node(node, graph.pattern(node).clone())
                }
            },
        };
        self.declare(name, bound)
    }

    /// The declaration that a name refers to, found without a message.
    pub fn find(&mut self, name: &str) -> Option<BindingId> {
        let mut at = self.current;
        loop {
            let frame = &self.frames[at];
            if let Some(&id) = frame.scopes.iter().rev().find_map(|scope| scope.get(name)) {
                return Some(id);
            }
            match (frame.kind, frame.parent) {
                (FrameKind::Loop(_) | FrameKind::Branch, Some(parent)) => at = parent,
                _ => break,
            }
        }
        let module = self.frames[self.current].module;
        if let Some(&id) = self.modules[module].names.get(name) {
            return Some(id);
        }
        self.evaluate_dim(module, name)
    }

    /// The value of a name.
    pub fn name(&mut self, name: &str, span: Span) -> Value {
        match self.find_in_order(name, span) {
            Some(id) => self.value_of(id, span),
            None => match named_constant(name) {
                Some(value) => Value::Node(self.graph().constant(value)),
                None => {
                    self.report_unknown(name, span);
                    Value::Error
                }
            },
        }
    }

    /// The declaration that a name refers to, if it stands before the use.
    pub fn find_in_order(&mut self, name: &str, span: Span) -> Option<BindingId> {
        let id = self.find(name)?;
        let module = self.frames[self.current].module;
        let declared = self.bindings[id.0 as usize].span;
        // Local names are declared as they come; that of a comprehension stands behind its value.
        let of_module = self.modules[module].names.get(name) == Some(&id);
        let too_early = of_module
            && declared.file == span.file
            && declared.start > span.start
            && !self.modules[module].dims.contains_key(name);
        if too_early {
            self.report_too_early(name, span, declared);
            return Some(self.error_binding());
        }
        Some(id)
    }

    /// A declaration with a mistake that has been reported.
    fn error_binding(&mut self) -> BindingId {
        self.new_binding("".into(), Span::default(), 0, Bound::Error, true)
    }

    fn report_too_early(&mut self, name: &str, span: Span, declared: Span) {
        self.report(
            Diagnostic::new(
                Code::UsedBeforeDeclaration,
                span,
                format!("`{name}` is used before its declaration"),
            )
            .secondary(declared, "declared here")
            .help("move the declaration up"),
        );
    }

    fn report_unknown(&mut self, name: &str, span: Span) {
        let module = self.frames[self.current].module;
        if let Some(&declared) = self.modules[module].declared.get(name) {
            self.report_too_early(name, span, declared);
            return;
        }
        if self.modules[module].functions.contains_key(name) || self.is_built_in(name) {
            self.report(
                Diagnostic::new(Code::NotAValue, span, format!("`{name}` is a function"))
                    .label("no value")
                    .help(format!("call it: `{name}(...)`")),
            );
            return;
        }
        let suggestion = self.suggest(name);
        let mut diagnostic =
            Diagnostic::new(Code::UnknownName, span, format!("unknown name `{name}`"));
        if let Some(suggestion) = suggestion {
            diagnostic = diagnostic.label(format!("did you mean `{suggestion}`?"));
        }
        self.report(diagnostic);
    }

    /// The visible name nearest to an unknown one.
    pub fn suggest(&self, name: &str) -> Option<String> {
        let mut names: Vec<&str> = Vec::new();
        let mut at = Some(self.current);
        while let Some(frame) = at {
            let frame = &self.frames[frame];
            names.extend(frame.scopes.iter().flat_map(|scope| scope.keys()).map(|k| &**k));
            at = frame.parent;
        }
        let module = &self.modules[self.frames[self.current].module];
        names.extend(module.names.keys().chain(module.dims.keys()).map(|k| &**k));
        did_you_mean(name, names).map(str::to_string)
    }

    /// The declaration of the name that an expression consists of, for messages.
    pub fn declaration_of(&mut self, expr: ExprId) -> Option<(Arc<str>, Span)> {
        let Expr::Name(name) = self.frame().ast.expr(expr) else { return None };
        let id = self.find(name)?;
        let binding = &self.bindings[id.0 as usize];
        (binding.span != Span::default()).then(|| (binding.name.clone(), binding.span))
    }

    /// A scope inside the current frame, for the names of a block.
    pub fn open_scope(&mut self) {
        self.frame().scopes.push(Default::default());
    }

    /// A compile-time integer without counters.
    pub fn constant_int(&mut self, expr: ExprId) -> Option<i64> {
        let int = self.int(expr)?;
        let constant = int.as_constant();
        if constant.is_none() {
            let span = self.frame().ast.span(expr);
            self.report(
                Diagnostic::new(
                    Code::NotAnInteger,
                    span,
                    "this integer changes from iteration to iteration",
                )
                .label("has to be the same in all iterations"),
            );
        }
        constant
    }

    /// A compile-time integer, or an array of them.
    pub fn integers(&mut self, expr: ExprId) -> Option<Value> {
        match self.expr(expr) {
            value @ (Value::Int(_) | Value::Indices(_)) => Some(value),
            other => self.as_int(other, expr).map(Value::Int),
        }
    }

    /// A compile-time integer.
    pub fn int(&mut self, expr: ExprId) -> Option<Int> {
        let value = self.expr(expr);
        self.as_int(value, expr)
    }

    fn as_int(&mut self, value: Value, expr: ExprId) -> Option<Int> {
        let span = self.frame().ast.span(expr);
        match value {
            Value::Int(int) => Some(int),
            Value::Error => None,
            Value::Node(_) | Value::Indices(_) => {
                let mut diagnostic = Diagnostic::new(
                    Code::NotAnInteger,
                    span,
                    "this is not an integer known at compile time",
                );
                if let Some((name, place)) = self.declaration_of(expr) {
                    diagnostic = diagnostic.secondary(place, format!("`{name}` is declared here"));
                }
                self.report(diagnostic.help(
                    "use numbers, dims, iteration numbers, `+ - *`, `div(a, b)` and `mod(a, b)`",
                ));
                None
            }
        }
    }
}
