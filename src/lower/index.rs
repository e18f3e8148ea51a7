//! Indices and slices: `x[i]`, `A[i, 2..]`, `A[:, k]`.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::frame::Slice;
use super::int::Int;
use super::misfit::shape_text;
use super::{BindingId, Bound, Lowerer, Value};
use crate::graph::NodeId;
use crate::sparsity::IndexMap;
use crate::syntax::ast::{Ast, Expr, ExprId, IndexArgument};
use crate::syntax::{Code, Diagnostic, Span};

/// What is indexed.
#[derive(Clone, Copy)]
enum Base {
    /// A declared value, which may belong to an outer frame.
    Declared(BindingId, (usize, usize)),
    /// A value of the current frame.
    Local(NodeId),
}

/// One index: consecutive rows, columns or entries.
struct Selection {
    first: Int,
    count: usize,
    is_range: bool,
    /// Never evaluated, and out of range.
    is_unreachable: bool,
}

/// The names that occur in an expression.
pub fn names_in(ast: &Ast, root: ExprId) -> FxHashSet<Arc<str>> {
    let mut names = FxHashSet::default();
    let mut stack = vec![root];
    while let Some(id) = stack.pop() {
        let expr = ast.expr(id);
        if let Expr::Name(name) = expr {
            names.insert(name.clone());
        }
        expr.for_each_operand(|operand| stack.push(operand));
    }
    names
}

impl Lowerer<'_> {
    /// `end`: the last index where it stands.
    pub fn end(&mut self, span: Span) -> Value {
        match self.ends.last() {
            Some(Some(last)) => Value::Int(Int::constant(*last)),
            _ => {
                self.report(
                    Diagnostic::new(Code::EndOutsideIndex, span, "`end` stands outside an index")
                        .label("means the last index inside `[...]` only"),
                );
                Value::Error
            }
        }
    }

    /// `base[arguments]`
    pub fn index(&mut self, base: ExprId, arguments: &[IndexArgument], span: Span) -> Value {
        if arguments.is_empty() || arguments.len() > 2 {
            self.report(
                Diagnostic::new(
                    Code::IndexCount,
                    span,
                    format!("{} indices for one value", arguments.len()),
                )
                .label("a value takes one index, or a row and a column"),
            );
            return Value::Error;
        }
        let Some(target) = self.indexed(base, arguments) else { return Value::Error };
        let shape = match target {
            Base::Declared(_, shape) => shape,
            Base::Local(node) => self.graph().shape(node),
        };
        let n_entries = shape.0 * shape.1;
        let (slice, is_unreachable) = match arguments {
            [one] => {
                let Some(at) = self.selection(one, n_entries, base, shape) else {
                    return Value::Error;
                };
                let is_row = shape.0 == 1 && shape.1 != 1 && at.is_range;
                let slice = Slice {
                    exact: at.first.as_constant().is_some(),
                    offset: at.first,
                    map: IndexMap::identity(at.count),
                    shape: if is_row { (1, at.count) } else { (at.count, 1) },
                };
                (slice, at.is_unreachable)
            }
            [row, column] => {
                let row = self.selection(row, shape.0, base, shape);
                let column = self.selection(column, shape.1, base, shape);
                let (Some(row), Some(column)) = (row, column) else { return Value::Error };
                let offset =
                    column.first.scale(shape.0 as i64).and_then(|start| start.add(&row.first));
                let Some(offset) = offset else { return Value::Error };
                let dims = [(row.count, 1), (column.count, shape.0 as i64)];
                let slice = Slice {
                    exact: offset.as_constant().is_some(),
                    offset,
                    map: IndexMap::affine(0, &dims),
                    shape: (row.count, column.count),
                };
                (slice, row.is_unreachable || column.is_unreachable)
            }
            _ => return Value::Error,
        };
        if is_unreachable {
            return Value::Node(self.graph().zero(slice.shape.0, slice.shape.1));
        }
        let is_whole = slice.offset.as_constant() == Some(0) && slice.shape == shape;
        let node = match target {
            Base::Declared(id, _) if is_whole => self.node_of(id, span),
            Base::Declared(id, _) => {
                self.bindings[id.0 as usize].used = true;
                self.slice_of(id, &Arc::new(slice), span)
            }
            Base::Local(node) if is_whole => Some(node),
            Base::Local(node) if slice.exact => self.static_slice(node, &slice, span),
            Base::Local(node) if slice.offset.is_vacuous() => {
                let _ = node;
                Some(self.graph().zero(slice.shape.0, slice.shape.1))
            }
            Base::Local(node) => self.select_entries(node, &slice, span),
        };
        node.map_or(Value::Error, Value::Node)
    }

    /// What an index is applied to. A value that does not change with the loops whose counters
    /// the index contains is computed outside of them.
    fn indexed(&mut self, base: ExprId, arguments: &[IndexArgument]) -> Option<Base> {
        let ast = self.frame().ast;
        let span = ast.span(base);
        if let Expr::Name(name) = ast.expr(base)
            && let Some(id) = self.find_in_order(name, span)
        {
            if let Bound::Node(_, pattern) = &self.bindings[id.0 as usize].value {
                return Some(Base::Declared(id, pattern.shape()));
            }
            let value = self.value_of(id, span);
            return self.node(&value, span).map(Base::Local);
        }
        if !matches!(ast.expr(base), Expr::Name(_))
            && let Some(outside) = self.frame_outside_loops(arguments)
            && self.deepest_frame(base).is_some_and(|deepest| deepest <= outside)
        {
            let node = self.within(outside, |lowerer| lowerer.expr_node(base))?;
            let id = self.bind_hidden(outside, node);
            let shape = self.frames[outside].graph.shape(node);
            return Some(Base::Declared(id, shape));
        }
        self.expr_node(base).map(Base::Local)
    }

    /// The frame around the outermost loop whose counter an index contains.
    fn frame_outside_loops(&mut self, arguments: &[IndexArgument]) -> Option<usize> {
        let ast = self.frame().ast;
        let mut outermost: Option<usize> = None;
        let mut roots = Vec::new();
        for argument in arguments {
            match *argument {
                IndexArgument::At(at) => roots.push(at),
                IndexArgument::Range { lo, hi } => {
                    roots.extend([Some(lo), hi].into_iter().flatten())
                }
                IndexArgument::All => {}
            }
        }
        for root in roots {
            for name in names_in(ast, root) {
                let Some(id) = self.find(&name) else { continue };
                if let Bound::Int(int) = &self.bindings[id.0 as usize].value {
                    for (counter, _) in &int.parts {
                        outermost = Some(outermost.map_or(counter.frame, |f| f.min(counter.frame)));
                    }
                }
            }
        }
        self.frames[outermost?].parent
    }

    /// The innermost frame that the names of an expression belong to. None if a derivative inside
    /// the current frames is taken by one of them, so that the expression has to stay there.
    pub fn deepest_frame(&mut self, expr: ExprId) -> Option<usize> {
        let ast = self.frame().ast;
        let mut deepest = 0;
        let names = names_in(ast, expr);
        for name in &names {
            let Some(id) = self.find(name) else { continue };
            let binding = &self.bindings[id.0 as usize];
            match &binding.value {
                Bound::Int(int) => {
                    deepest = int.parts.iter().fold(deepest, |d, (c, _)| d.max(c.frame));
                }
                _ => deepest = deepest.max(binding.frame),
            }
        }
        let mut at = self.current;
        while at > deepest {
            let frame = &self.frames[at];
            if names.iter().any(|name| frame.whole.contains(name)) {
                return None;
            }
            at = frame.parent?;
        }
        Some(at)
    }

    /// One index among `n`, checked over all iterations.
    fn selection(
        &mut self,
        argument: &IndexArgument,
        n: usize,
        base: ExprId,
        shape: (usize, usize),
    ) -> Option<Selection> {
        let ast = self.frame().ast;
        self.ends.push(Some(n as i64 - 1));
        let found = match *argument {
            IndexArgument::All => Some((Int::constant(0), n as i64, None, true)),
            IndexArgument::At(at) => self.int(at).map(|at_int| (at_int, 1, Some(at), false)),
            IndexArgument::Range { lo, hi } => {
                let first = self.int(lo);
                let last = match hi {
                    Some(hi) => self.int(hi),
                    None => Some(Int::constant(n as i64)),
                };
                match (first, last) {
                    (Some(first), Some(last)) => self
                        .range_length(&first, &last, ast.span(lo).to(ast.span(hi.unwrap_or(lo))))
                        .map(|count| (first, count, Some(lo), true)),
                    _ => None,
                }
            }
        };
        self.ends.pop();
        let (first, count, expr, is_range) = found?;
        let selection = |first, is_unreachable| Selection {
            first,
            count: count as usize,
            is_range,
            is_unreachable,
        };
        if first.is_vacuous() {
            return Some(selection(first, false));
        }
        let (least, largest) = self.extent(&first)?;
        let last = largest.checked_add(count - 1)?;
        let fits = least >= 0 && last < n as i64;
        if fits || (count == 0 && least >= 0 && largest <= n as i64) {
            return Some(selection(first, false));
        }
        if self.is_unreachable() {
            return Some(selection(first, true));
        }
        let span = expr.map_or(ast.span(base), |expr| ast.span(expr));
        let wrong = if least < 0 { least } else { last };
        let changes = first.as_constant().is_none();
        let what = if changes { "takes the value" } else { "is" };
        let limit = match n {
            0 => "there are no entries".to_string(),
            _ => format!("the last one is {}", n - 1),
        };
        let mut diagnostic = Diagnostic::new(
            Code::IndexOutOfRange,
            span,
            format!("the index {what} {wrong}, which is out of range"),
        )
        .label(limit);
        diagnostic = match self.declaration_of(base) {
            Some((name, place)) => {
                diagnostic.secondary(place, format!("`{name}` is {}", shape_text(shape)))
            }
            None => diagnostic.secondary(ast.span(base), shape_text(shape)),
        };
        if wrong == n as i64 && !is_range {
            diagnostic = diagnostic.help("indices start at 0; the last entry is `end`");
        }
        self.report(diagnostic);
        None
    }

    /// The length of `first..last`, the same in every iteration.
    pub fn range_length(&mut self, first: &Int, last: &Int, span: Span) -> Option<i64> {
        let length = last.sub(first)?;
        let Some(length) = length.as_constant() else {
            self.report_not_there(span, "a range whose length changes with an iteration number");
            return None;
        };
        if length < 0 && self.is_unreachable() {
            return Some(0);
        }
        if length < 0 {
            self.report(
                Diagnostic::new(Code::EmptyRange, span, "this range runs backwards")
                    .label(format!("from {} to {}", first.base, last.base)),
            );
            return None;
        }
        Some(length)
    }
}
