//! Values from outside: of dims, of inputs and parameters, and the sizes that they imply.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::declare::Shaped;
use super::misfit::shape_text;
use super::{InferredDim, Lowerer};
use crate::data::fitted;
use crate::sparsity::Pattern;
use crate::syntax::ast::{Expr, ExprId, Name, StatementKind};
use crate::syntax::{Ast, Code, Diagnostic, Span, did_you_mean};

/// Calls `visit` with each declaration that takes data: its name and shape.
fn for_each_declared(ast: &Ast, visit: &mut dyn FnMut(&Name, &[ExprId])) {
    for statement in &ast.statements {
        match &statement.kind {
            StatementKind::Index(items) => items.iter().for_each(|i| visit(&i.name, &i.shape)),
            StatementKind::Input(items) => items.iter().for_each(|i| visit(&i.name, &i.shape)),
            StatementKind::Param(items) | StatementKind::Var(items) => {
                items.iter().for_each(|i| visit(&i.declared.name, &i.declared.shape));
            }
            StatementKind::Dim(items) => items.iter().for_each(|i| visit(&i.name, &[])),
            _ => {}
        }
    }
}

impl Lowerer<'_> {
    /// Data under names that no file declares.
    pub fn check_data(&mut self) {
        let mut known: BTreeSet<Arc<str>> = BTreeSet::new();
        for ast in &self.asts {
            for_each_declared(ast, &mut |name, _| {
                known.insert(name.text.clone());
            });
        }
        let options = self.options;
        for (name, entry) in options.data.iter().filter(|(name, _)| !known.contains(*name)) {
            let span = Span { file: self.asts[0].file, start: 0, end: 0 };
            let message =
                format!("{} gives `{name}`, which the program does not have", entry.source());
            let mut diagnostic = Diagnostic::new(Code::UnknownInput, span, message);
            if let Some(near) = did_you_mean(name, known.iter().map(|k| &**k)) {
                diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
            }
            self.report(diagnostic);
        }
    }

    /// The value of a dim that the data give by its name.
    pub fn dim_from_data(&mut self, name: &Name) -> Option<i64> {
        let entry = self.options.data.get(&name.text)?;
        let integer = entry.value.as_integer();
        if integer.is_none() {
            let what = match entry.value.values[..] {
                [value] if entry.value.pattern.is_scalar() => value.to_string(),
                _ => shape_text(entry.value.pattern.shape()),
            };
            let message = format!("the value of the dim `{}` is no integer", name.text);
            self.report(
                Diagnostic::new(Code::NotAnInteger, name.span, message)
                    .label(format!("in {}: {what}", entry.source())),
            );
        }
        integer
    }

    /// The value of a dim without one: the size of the arrays in the data that are declared with
    /// it as their number of rows or columns. None without such data, an error that is reported
    /// where they disagree.
    pub fn infer_dim(&mut self, dim: &Name) -> Option<Result<i64, ()>> {
        let mut found: Vec<InferredDim> = Vec::new();
        for ast in self.asts.clone() {
            for_each_declared(ast, &mut |name, shape| {
                let is_dim = |e: &ExprId| matches!(ast.expr(*e), Expr::Name(n) if *n == dim.text);
                let Some(entry) = self.options.data.get(&name.text) else { return };
                let (n_rows, n_cols) = entry.value.pattern.shape();
                for (k, _) in shape.iter().enumerate().filter(|(_, e)| is_dim(e)) {
                    let (size, what) = match (k, shape.len()) {
                        (0, 1) if n_cols == 1 => (n_rows, "length"),
                        (0, 2) if !entry.value.is_list => (n_rows, "number of rows"),
                        (1, 2) if !entry.value.is_list => (n_cols, "number of columns"),
                        _ => continue,
                    };
                    found.push(InferredDim {
                        name: dim.text.clone(),
                        value: size as i64,
                        from: format!("the {what} of `{}` in {}", name.text, entry.source()),
                    });
                }
            });
        }
        let first = found.first()?.clone();
        if let Some(other) = found.iter().find(|other| other.value != first.value) {
            let message = format!("the data give the dim `{}` two values", dim.text);
            self.report(Diagnostic::new(Code::DimWithoutValue, dim.span, message).label(format!(
                "{} is {}, {} is {}",
                first.from, first.value, other.from, other.value
            )));
            return Some(Err(()));
        }
        let value = first.value;
        self.inferred.push(first);
        Some(Ok(value))
    }

    /// The pattern of a `sparse` declaration.
    pub fn pattern_from_data(&self, name: &str) -> Option<Pattern> {
        let given = self.options.patterns.get(name).cloned();
        given.or_else(|| self.options.data.get(name).map(|entry| entry.value.pattern.clone()))
    }

    /// The nonzeros that the data give an input or parameter.
    pub fn input_from_data(&mut self, name: &Name, shaped: &Shaped) -> Option<Vec<f64>> {
        let entry = self.options.data.get(&name.text)?;
        let wanted = shaped.pattern.shape();
        let value = entry.value.clone().for_shape(wanted);
        let source = entry.source();
        let misfit = |code, message: String, label: String| {
            Diagnostic::new(code, name.span, message).label(format!("in {source}: {label}"))
        };
        let n = &name.text;
        let given = value.pattern.shape();
        if given != wanted {
            let label = format!("{}, expected {}", shape_text(given), shape_text(wanted));
            let message = format!("the data of `{n}` have another shape");
            self.report(misfit(Code::ShapesDeclared, message, label));
            return None;
        }
        let values = match fitted(&value.pattern, &value.values, &shaped.pattern) {
            Ok(values) => values,
            Err((row, col)) => {
                let message = format!("the data of `{n}` lie outside its declared pattern");
                let label = format!("entry [{row}, {col}] is not zero");
                self.report(misfit(Code::OutsidePattern, message, label));
                return None;
            }
        };
        let entry_at = |k: usize| {
            let at = shaped.pattern.linear().nth(k).unwrap_or(0);
            format!("`{n}{}` is {}", value.place(at as usize), values[k])
        };
        if let Some((lo, hi)) = shaped.range
            && let Some(k) = values.iter().position(|v| !(lo..=hi).contains(v))
        {
            let message = format!("the data of `{n}` lie outside its declared range");
            let label = format!("{}, the range is {lo}..{hi}", entry_at(k));
            self.report(misfit(Code::RangeViolated, message, label));
            return None;
        }
        if shaped.symmetric {
            let entries = shaped.pattern.entries().enumerate();
            let mirrored = |r, c| shaped.pattern.find(c, r).map_or(0.0, |at| values[at]);
            let wrong = entries.filter(|(k, (r, c))| {
                let (a, b) = (values[*k], mirrored(*r, *c));
                a != b && !(a.is_nan() && b.is_nan())
            });
            if let Some((k, (row, col))) = wrong.into_iter().next() {
                let message = format!("the data of `{n}` are not symmetric");
                let label = format!("{}, entry [{col}, {row}] differs", entry_at(k));
                self.report(misfit(Code::NotSymmetric, message, label));
                return None;
            }
        }
        Some(values)
    }
}
