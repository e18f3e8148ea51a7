//! Declarations: dims, shapes, patterns, ranges, constants.

use std::sync::Arc;

use super::frame::FrameKind;
use super::int::Int;
use super::misfit::shape_text;
use super::{BindingId, Bound, Lowerer, Value};
use crate::data::fitted;
use crate::graph::{Constant, Func, NodeId};
use crate::sparsity::Pattern;
use crate::syntax::ast::{self, Declared, Expr, ExprId, Let, Name, PatternKind};
use crate::syntax::{Code, Diagnostic, Span};

/// The most entries of a pattern that is listed.
const MAX_LISTED: u64 = 100_000_000;

/// A `dim` that has not been evaluated.
#[derive(Clone, Debug)]
pub struct Dim {
    pub name: Name,
    pub value: Option<ExprId>,
    pub given: Option<i64>,
    pub state: DimState,
}

/// How far a dim has been evaluated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DimState {
    Fresh,
    Open,
    Done,
}

/// A declaration without its name.
#[derive(Clone, Debug)]
pub struct Shaped {
    pub pattern: Pattern,
    pub symmetric: bool,
    pub range: Option<(f64, f64)>,
}

impl Lowerer<'_> {
    /// The declaration of a dim of a module, evaluated on first use.
    pub fn evaluate_dim(&mut self, module: usize, name: &str) -> Option<BindingId> {
        let dim = self.modules[module].dims.get_mut(name)?;
        let before = std::mem::replace(&mut dim.state, DimState::Open);
        let dim = dim.clone();
        let value = match (before, dim.given, dim.value) {
            (DimState::Open, ..) => {
                self.report(
                    Diagnostic::new(
                        Code::UsedBeforeDeclaration,
                        dim.name.span,
                        format!("the dim `{name}` depends on itself"),
                    )
                    .label("declared here"),
                );
                Bound::Error
            }
            (_, Some(value), _) => Bound::Int(Int::constant(value)),
            (_, None, Some(expr)) => {
                let ast = self.asts[module];
                self.push_frame_for(FrameKind::Constant, None, ast, module);
                self.ends.push(None);
                self.level += 1;
                let value = self.constant_int(expr);
                self.level -= 1;
                self.ends.pop();
                self.pop_frame();
                value.map_or(Bound::Error, |value| Bound::Int(Int::constant(value)))
            }
            (_, None, None) => match self.infer_dim(&dim.name) {
                Some(Ok(value)) => Bound::Int(Int::constant(value)),
                Some(Err(())) => Bound::Error,
                None => {
                    self.report(
                    Diagnostic::new(
                        Code::DimWithoutValue,
                        dim.name.span,
                        format!("the dim `{name}` has no value"),
                    )
                    .label("declared without a value")
                    .help(format!(
                        "give it: `dim {name} = 3` or `--dim {name}=3`, or the data of an array \
                         declared with it"
                    )),
                );
                    Bound::Error
                }
            },
        };
        // A circle has declared it meanwhile.
        if let Some(&id) = self.modules[module].names.get(name) {
            return Some(id);
        }
        let id = self.new_binding(dim.name.text.clone(), dim.name.span, 0, value, true);
        self.modules[module].names.insert(dim.name.text, id);
        if let Some(dim) = self.modules[module].dims.get_mut(name) {
            dim.state = DimState::Done;
        }
        Some(id)
    }

    /// Rows and columns; no dimension is a scalar, one a column.
    pub fn shape(&mut self, shape: &[ExprId], name_span: Span) -> Option<(usize, usize)> {
        let ast = self.frame().ast;
        if shape.len() > 2 {
            let span = ast.span(shape[0]).to(ast.span(shape[shape.len() - 1]));
            self.report(
                Diagnostic::new(Code::BadShape, span, "a shape has one or two dimensions")
                    .label(format!("{} dimensions", shape.len())),
            );
            return None;
        }
        let sizes: Vec<Option<i64>> = shape.iter().map(|&expr| self.constant_int(expr)).collect();
        let mut result = [1_u64, 1];
        for ((to, size), &expr) in result.iter_mut().zip(sizes).zip(shape) {
            let size = size?;
            let Ok(size) = u64::try_from(size) else {
                self.report(
                    Diagnostic::new(Code::BadShape, ast.span(expr), "a dimension is not negative")
                        .label(format!("this is {size}")),
                );
                return None;
            };
            *to = size;
        }
        if let Err(error) = Pattern::check_size(result[0], result[1]) {
            let span = shape.first().map_or(name_span, |&first| ast.span(first));
            self.report(
                Diagnostic::new(Code::TooLarge, span, "this value is too large")
                    .label(error.to_string()),
            );
            return None;
        }
        Some((result[0] as usize, result[1] as usize))
    }

    /// Shape, pattern and range of a declaration.
    pub fn shaped(&mut self, declared: &Declared) -> Option<Shaped> {
        let shape = self.shape(&declared.shape, declared.name.span);
        let range = declared.range.as_ref().map(|range| self.bounds(range));
        let shape = shape?;
        let (pattern, symmetric) = match &declared.pattern {
            None => (Pattern::dense(shape.0, shape.1), false),
            Some(pattern) => self.pattern(pattern, shape, &declared.name)?,
        };
        let range = match range {
            Some(range) => Some(range?),
            None => None,
        };
        Some(Shaped { pattern, symmetric, range })
    }

    fn bounds(&mut self, range: &ast::Range) -> Option<(f64, f64)> {
        let ast = self.frame().ast;
        let (lo, hi) = (self.constant_number(range.lo), self.constant_number(range.hi));
        let (lo, hi) = (lo?, hi?);
        if lo <= hi {
            return Some((lo, hi));
        }
        self.report(
            Diagnostic::new(
                Code::EmptyBounds,
                ast.span(range.lo).to(ast.span(range.hi)),
                "there is no number between these bounds",
            )
            .label(format!("from {lo} to {hi}")),
        );
        None
    }

    /// A constant scalar.
    pub fn constant_number(&mut self, expr: ExprId) -> Option<f64> {
        let (pattern, values) = self.constant(expr)?;
        if pattern.shape() != (1, 1) {
            let span = self.frame().ast.span(expr);
            self.report(
                Diagnostic::new(Code::NotAScalar, span, "a scalar is needed here")
                    .label(format!("this is {}", shape_text(pattern.shape()))),
            );
            return None;
        }
        Some(values.first().copied().unwrap_or(0.0))
    }

    /// The pattern and nonzeros of a constant expression.
    pub fn constant(&mut self, expr: ExprId) -> Option<(Pattern, Vec<f64>)> {
        let (ast, module) = (self.frame().ast, self.frame().module);
        self.push_frame_for(FrameKind::Constant, None, ast, module);
        let node = self.expr_node(expr);
        let frame = self.pop_frame();
        let node = node?;
        let pattern = frame.graph.pattern(node).clone();
        let values = match frame.graph.as_constant(node) {
            Some(Constant::Uniform(value)) => vec![value; pattern.nnz()],
            Some(Constant::Values(values)) => values.to_vec(),
            None => {
                let outputs = vec![("value".into(), node)];
                let func = Func::freeze("constant", &frame.graph, Vec::new(), outputs);
                let pattern = func.outputs.first()?.pattern.clone();
                let evaluated = match self.options.evaluate {
                    Some(evaluate) => evaluate(&func),
                    None => Err("there is no engine to evaluate it".to_string()),
                };
                match evaluated {
                    Ok(mut values) if values.len() == 1 => {
                        return Some((pattern, values.swap_remove(0)));
                    }
                    Ok(_) => return None,
                    Err(reason) => {
                        self.report(
                            Diagnostic::new(
                                Code::NotAConstant,
                                ast.span(expr),
                                "this constant cannot be evaluated",
                            )
                            .label(reason),
                        );
                        return None;
                    }
                }
            }
        };
        Some((pattern, values))
    }

    /// The nonzeros that a constant expression gives a declared value.
    pub fn constant_for(
        &mut self,
        expr: ExprId,
        name: &str,
        wanted: &Pattern,
        declared: Span,
    ) -> Option<Vec<f64>> {
        let span = self.frame().ast.span(expr);
        let (pattern, values) = self.constant(expr)?;
        if pattern.shape() != wanted.shape() {
            self.report(
                Diagnostic::new(
                    Code::ShapesDeclared,
                    span,
                    format!("the value of `{name}` has another shape"),
                )
                .label(format!(
                    "{}, expected {}",
                    shape_text(pattern.shape()),
                    shape_text(wanted.shape())
                ))
                .secondary(declared, format!("`{name}` is {}", shape_text(wanted.shape()))),
            );
            return None;
        }
        match fitted(&pattern, &values, wanted) {
            Ok(values) => Some(values),
            Err((row, col)) => {
                self.report(
                    Diagnostic::new(
                        Code::OutsidePattern,
                        span,
                        format!("the value of `{name}` lies outside its declared pattern"),
                    )
                    .label(format!("entry [{row}, {col}] is not zero"))
                    .secondary(declared, "declared here"),
                );
                None
            }
        }
    }

    fn pattern(
        &mut self,
        pattern: &ast::Pattern,
        shape: (usize, usize),
        name: &Name,
    ) -> Option<(Pattern, bool)> {
        let (n_rows, n_cols) = shape;
        let needs_square = matches!(
            pattern.kind,
            PatternKind::Sym | PatternKind::Diag | PatternKind::Lower | PatternKind::Upper
        );
        if needs_square && n_rows != n_cols {
            self.report(
                Diagnostic::new(
                    Code::PatternMismatch,
                    pattern.span,
                    "this pattern is for square matrices",
                )
                .secondary(name.span, format!("`{}` is {}", name.text, shape_text(shape))),
            );
            return None;
        }
        let n = n_rows as u64;
        let listed = |lowerer: &mut Self, count: u64| {
            if count <= MAX_LISTED {
                return Some(());
            }
            lowerer.report(
                Diagnostic::new(Code::TooLarge, pattern.span, "this pattern is too large")
                    .label(format!("{count} entries; the limit is {MAX_LISTED}")),
            );
            None
        };
        let made = match &pattern.kind {
            PatternKind::Sym => return Some((Pattern::dense(n_rows, n_cols), true)),
            PatternKind::Diag => Pattern::diagonal(n_rows),
            PatternKind::Lower => {
                listed(self, n * (n + 1) / 2)?;
                Pattern::lower(n_rows)
            }
            PatternKind::Upper => {
                listed(self, n * (n + 1) / 2)?;
                Pattern::upper(n_rows)
            }
            PatternKind::Band { lower, upper } => {
                let lower = self.band_width(*lower);
                let upper = self.band_width(*upper);
                let (lower, upper) = (lower?, upper?);
                let width = (lower as u64).saturating_add(upper as u64).saturating_add(1);
                listed(self, width.min(n).saturating_mul(n_cols as u64))?;
                let (lower, upper) = (lower.min(n_rows), upper.min(n_cols));
                Pattern::band(n_rows, n_cols, lower, upper)
            }
            PatternKind::Entries(entries) => self.entries(*entries, shape, name)?,
            PatternKind::Drawn(rows) => self.drawn(rows, shape, name, pattern.span)?,
            PatternKind::Sparse => match self.pattern_from_data(&name.text) {
                Some(given) if given.shape() == shape => given,
                Some(given) => {
                    self.report(
                        Diagnostic::new(
                            Code::ShapesDeclared,
                            name.span,
                            format!("the data of `{}` have another shape", name.text),
                        )
                        .label(format!(
                            "{}{}, expected {}",
                            self.given_in(&name.text),
                            shape_text(given.shape()),
                            shape_text(shape)
                        )),
                    );
                    return None;
                }
                None => {
                    self.report(
                        Diagnostic::new(
                            Code::PatternMismatch,
                            pattern.span,
                            format!(
                                "the pattern of `{}` comes from data, and there are none",
                                name.text
                            ),
                        )
                        .label("give a data file")
                        .help("or declare the pattern with `entries` or `pattern`"),
                    );
                    return None;
                }
            },
        };
        Some((made, false))
    }

    fn band_width(&mut self, expr: ExprId) -> Option<usize> {
        let width = self.constant_int(expr)?;
        let checked = usize::try_from(width).ok();
        if checked.is_none() {
            let span = self.frame().ast.span(expr);
            self.report(
                Diagnostic::new(Code::PatternMismatch, span, "the width of a band is negative")
                    .label(format!("this is {width}")),
            );
        }
        checked
    }

    fn entries(&mut self, entries: ExprId, shape: (usize, usize), name: &Name) -> Option<Pattern> {
        let ast = self.frame().ast;
        let Expr::Matrix { rows } = ast.expr(entries) else { return None };
        let mut pairs = Vec::with_capacity(rows.len());
        let mut failed = false;
        for row in rows {
            let [row, col] = row[..] else {
                self.report(
                    Diagnostic::new(
                        Code::PatternMismatch,
                        ast.span(entries),
                        "an entry of a pattern is a row and a column",
                    )
                    .help("`entries([0, 0; 1, 2])`"),
                );
                return None;
            };
            match (self.constant_int(row), self.constant_int(col)) {
                (Some(i), Some(j)) => {
                    let inside =
                        (0..shape.0 as i64).contains(&i) && (0..shape.1 as i64).contains(&j);
                    if inside {
                        pairs.push((i as usize, j as usize));
                    } else {
                        failed = true;
                        self.report(
                            Diagnostic::new(
                                Code::PatternMismatch,
                                ast.span(row).to(ast.span(col)),
                                format!("the entry [{i}, {j}] lies outside the matrix"),
                            )
                            .secondary(
                                name.span,
                                format!("`{}` is {}", name.text, shape_text(shape)),
                            ),
                        );
                    }
                }
                _ => failed = true,
            }
        }
        (!failed).then(|| Pattern::from_entries(shape.0, shape.1, pairs))
    }

    fn drawn(
        &mut self,
        rows: &[Name],
        shape: (usize, usize),
        name: &Name,
        span: Span,
    ) -> Option<Pattern> {
        let mut wrong: Option<(Span, String)> = None;
        if rows.len() != shape.0 {
            wrong = Some((span, format!("{} rows, expected {}", rows.len(), shape.0)));
        }
        let mut pairs = Vec::new();
        for (i, row) in rows.iter().enumerate() {
            let n_signs = row.text.chars().count();
            if n_signs != shape.1 && wrong.is_none() {
                wrong = Some((row.span, format!("{n_signs} signs, expected {}", shape.1)));
            }
            for (j, sign) in row.text.chars().enumerate() {
                match sign {
                    'x' => pairs.push((i, j)),
                    '.' => {}
                    _ if wrong.is_none() => {
                        wrong = Some((row.span, format!("`{sign}` is neither `x` nor `.`")));
                    }
                    _ => {}
                }
            }
        }
        let Some((span, label)) = wrong else {
            return Some(Pattern::from_entries(shape.0, shape.1, pairs));
        };
        self.report(
            Diagnostic::new(Code::PatternMismatch, span, "the drawn pattern does not fit")
                .label(label)
                .secondary(name.span, format!("`{}` is {}", name.text, shape_text(shape))),
        );
        None
    }

    /// `let`s in order.
    pub fn lets(&mut self, lets: &[Let]) {
        for item in lets {
            self.let_statement(item);
        }
    }

    /// `let a, b = x, y`, or `let a, b = f(x)`
    pub fn let_statement(&mut self, item: &Let) {
        let ast = self.frame().ast;
        if item.names.len() == item.values.len() {
            let values: Vec<Value> = item.values.iter().map(|&value| self.expr(value)).collect();
            for (name, value) in item.names.iter().zip(values) {
                self.declare_value(name, value);
            }
            return;
        }
        let results = match item.values[..] {
            [value] => self.several_results(value),
            _ => None,
        };
        match results {
            Some(Ok(results)) if results.len() == item.names.len() => {
                for (name, node) in item.names.iter().zip(results) {
                    self.declare_value(name, Value::Node(node));
                }
                return;
            }
            Some(Err(())) => {}
            Some(Ok(results)) => {
                let span = item.values.first().map_or(item.span, |&value| ast.span(value));
                self.report_let_count(span, item.names.len(), results.len());
            }
            None => {
                let span = item.values.first().map_or(item.span, |&value| ast.span(value));
                self.report_let_count(span, item.names.len(), item.values.len());
            }
        }
        for name in &item.names {
            self.declare(name, Bound::Error);
        }
    }

    fn report_let_count(&mut self, span: Span, n_names: usize, n_values: usize) {
        self.report(
            Diagnostic::new(Code::LetCount, span, format!("{n_names} names for {n_values} values"))
                .label(format!("{n_values} values"))
                .help("as many values as names, or one call of a function with as many results"),
        );
    }

    /// All results of a call of a `fn`; `None` for any other expression.
    #[allow(clippy::type_complexity)]
    fn several_results(&mut self, value: ExprId) -> Option<Result<Vec<NodeId>, ()>> {
        let ast = self.frame().ast;
        let Expr::Call { function, arguments } = ast.expr(value) else { return None };
        let module = self.frame().module;
        let Some(&id) = self.modules[module].functions.get(&function.text) else {
            let value = self.expr(value);
            return if matches!(value, Value::Error) { Some(Err(())) } else { None };
        };
        let exprs: Vec<ExprId> = arguments.iter().map(|argument| argument.value).collect();
        Some(self.call_function(id, function, &exprs).ok_or(()))
    }
}

/// The name under which a file's function goes: its stem, as far as it is a name.
pub fn function_name(file: &str) -> Arc<str> {
    let stem = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let stem = stem.strip_suffix(".nab").unwrap_or(stem);
    let is_name = stem.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && stem.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_name { stem.into() } else { "model".into() }
}
