//! Indices and slices: `x[i]`, `A[i, 2..]`, `A[:, k]`, `x[tail]`.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::frame::{FrameKind, Slice};
use super::indices::{Entries, Indices, Unfit};
use super::int::Int;
use super::misfit::shape_text;
use super::{BindingId, Bound, Lowerer, Value};
use crate::graph::NodeId;
use crate::sparsity::{IndexMap, Pattern};
use crate::syntax::ast::{Ast, Expr, ExprId, IndexArgument};
use crate::syntax::{Code, Diagnostic, Span};

/// The most entries gathered by integers that each move on their own.
const MAX_PARTS: usize = 10_000;

/// The longest table of an index.
const MAX_LISTED: usize = 100_000_000;

/// What is indexed.
#[derive(Clone, Copy)]
pub enum Base {
    /// A declared value, which may belong to an outer frame.
    Declared(BindingId, (usize, usize)),
    /// A value of the current frame.
    Local(NodeId),
}

/// One index: which rows, columns or entries.
enum Selection {
    /// Consecutive ones.
    Run { first: Int, count: usize, is_range: bool },
    /// Those that an index array names.
    Entries(Arc<Indices>),
}

impl Selection {
    fn count(&self) -> usize {
        match self {
            Selection::Run { count, .. } => *count,
            Selection::Entries(indices) => indices.len(),
        }
    }

    fn moves_by_entry(&self) -> bool {
        matches!(self, Selection::Entries(i) if matches!(i.entries, Entries::Moving(_)))
    }

    /// Where those begin that [`Selection::places`] counts from.
    fn first(&self) -> Int {
        match self {
            Selection::Run { first, .. } => first.clone(),
            Selection::Entries(_) => Int::constant(0),
        }
    }

    fn places(&self) -> Vec<u32> {
        match self {
            Selection::Run { count, .. } => (0..*count as u32).collect(),
            Selection::Entries(indices) => fixed(indices),
        }
    }

    fn one_by_one(&self) -> Vec<Int> {
        match self {
            Selection::Run { first, count, .. } => {
                let at = |k: usize| first.add(&Int::constant(k as i64));
                (0..*count).filter_map(at).collect()
            }
            Selection::Entries(indices) => (0..indices.len()).map(|k| indices.get(k)).collect(),
        }
    }
}

/// Entries that do not move and are in range.
fn fixed(indices: &Indices) -> Vec<u32> {
    match &indices.entries {
        Entries::Fixed(values) => values.iter().map(|&k| k as u32).collect(),
        Entries::Moving(_) => Vec::new(),
    }
}

/// `[3]`, or `[2, 1]` in a matrix: entry `at`, counted column-major.
fn place(shape: (usize, usize), at: usize) -> String {
    match shape {
        (_, 1) => format!("[{at}]"),
        (n_rows, _) => format!("[{}, {}]", at % n_rows.max(1), at / n_rows.max(1)),
    }
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
        if let Some(indices) = self.index_array(base) {
            return self.entries_of(&indices, base, arguments, span);
        }
        let Some(target) = self.indexed(base, arguments) else { return Value::Error };
        let shape = match target {
            Base::Declared(_, shape) => shape,
            Base::Local(node) => self.graph().shape(node),
        };
        if let Base::Declared(id, _) = target
            && let Some(node) = self.gathered_before(id, base, arguments, span)
        {
            return node.map_or(Value::Error, Value::Node);
        }
        let Some(places) = self.selections(base, arguments, shape) else { return Value::Error };
        if places.iter().any(Selection::moves_by_entry) {
            return self.moving_entries(target, &places, shape, span);
        }
        let Some(slice) = self.slice(&places, shape, span) else { return Value::Error };
        if self.is_unreachable() {
            return Value::Node(self.graph().zero(slice.shape.0, slice.shape.1));
        }
        self.part_of(target, slice, span).map_or(Value::Error, Value::Node)
    }

    /// The selection of each argument.
    fn selections(
        &mut self,
        base: ExprId,
        arguments: &[IndexArgument],
        shape: (usize, usize),
    ) -> Option<Vec<Selection>> {
        match arguments {
            [one] => Some(vec![self.selection(one, shape.0 * shape.1, base, shape)?]),
            [row, column] => {
                let row = self.selection(row, shape.0, base, shape);
                let column = self.selection(column, shape.1, base, shape);
                Some(vec![row?, column?])
            }
            _ => None,
        }
    }

    /// The entries that selections name together, column-major.
    fn slice(&mut self, places: &[Selection], shape: (usize, usize), span: Span) -> Option<Slice> {
        let (offset, map, shape) = match places {
            [Selection::Run { first, count, is_range }] => {
                let is_row = shape.0 == 1 && shape.1 != 1 && *is_range;
                let shape = if is_row { (1, *count) } else { (*count, 1) };
                (first.clone(), IndexMap::identity(*count), shape)
            }
            [Selection::Entries(indices)] => {
                let is_row = shape.0 == 1 && shape.1 != 1 && indices.shape.1 == 1;
                let shape = if is_row { (1, indices.len()) } else { indices.shape };
                (Int::constant(0), IndexMap::from_table(fixed(indices)), shape)
            }
            [
                Selection::Run { first: row, count: n_rows, .. },
                Selection::Run { first: column, count: n_cols, .. },
            ] => {
                let offset = column.scale(shape.0 as i64).and_then(|start| start.add(row))?;
                let dims = [(*n_rows, 1), (*n_cols, shape.0 as i64)];
                (offset, IndexMap::affine(0, &dims), (*n_rows, *n_cols))
            }
            [row, column] => {
                let (n_rows, n_cols) = (row.count(), column.count());
                if !self.fits(n_rows, n_cols, span) || !self.may_list(n_rows * n_cols, span) {
                    return None;
                }
                let (rows, columns) = (row.places(), column.places());
                let height = shape.0 as u32;
                let table = columns.iter().flat_map(|c| rows.iter().map(move |r| r + c * height));
                let table = IndexMap::from_table(table.collect());
                let offset = column.first().scale(shape.0 as i64)?.add(&row.first())?;
                (offset, table, (n_rows, n_cols))
            }
            _ => return None,
        };
        Some(Slice { exact: offset.as_constant().is_some(), offset, map, shape })
    }

    /// Part of a value.
    pub fn part_of(&mut self, target: Base, slice: Slice, span: Span) -> Option<NodeId> {
        let shape = match target {
            Base::Declared(_, shape) => shape,
            Base::Local(node) => self.graph().shape(node),
        };
        let is_whole = slice.offset.as_constant() == Some(0)
            && slice.shape == shape
            && slice.map.is_identity(shape.0 * shape.1);
        match target {
            Base::Declared(id, _) if is_whole => self.node_of(id, span),
            Base::Declared(id, _) => {
                self.bindings[id.0 as usize].used = true;
                self.slice_of(id, &Arc::new(slice), span)
            }
            Base::Local(node) if is_whole => Some(node),
            Base::Local(node) if slice.exact => self.static_slice(node, &slice, span),
            Base::Local(_) if slice.offset.is_vacuous() => {
                Some(self.graph().zero(slice.shape.0, slice.shape.1))
            }
            Base::Local(node) => self.select_entries(node, &slice, span),
        }
    }

    /// Entries named by integers that each move on their own: a slice for each of them.
    fn moving_entries(
        &mut self,
        target: Base,
        places: &[Selection],
        shape: (usize, usize),
        span: Span,
    ) -> Value {
        let rows = match places.first() {
            Some(rows) => rows.one_by_one(),
            None => return Value::Error,
        };
        let (columns, result) = match places {
            [Selection::Entries(indices)] => (vec![Int::constant(0)], indices.shape),
            [row, column] => (column.one_by_one(), (row.count(), column.count())),
            _ => return Value::Error,
        };
        let n_parts = rows.len().saturating_mul(columns.len());
        if n_parts > MAX_PARTS {
            self.report(
                Diagnostic::new(Code::TooLarge, span, "this index gathers too many entries")
                    .label(format!("{n_parts} moving entries; the limit is {MAX_PARTS}")),
            );
            return Value::Error;
        }
        let mut parts = Vec::with_capacity(n_parts);
        for column in &columns {
            for row in &rows {
                let offset = column.scale(shape.0 as i64).and_then(|start| start.add(row));
                let Some(offset) = offset else { return Value::Error };
                let exact = offset.as_constant().is_some();
                let slice = Slice { offset, map: IndexMap::identity(1), shape: (1, 1), exact };
                let Some(node) = self.part_of(target, slice, span) else { return Value::Error };
                parts.push(self.graph().densify(node));
            }
        }
        let graph = self.graph();
        let stacked = graph.concat(&parts);
        let pattern = Pattern::dense(result.0, result.1);
        Value::Node(graph.gather(stacked, IndexMap::identity(n_parts), pattern))
    }

    /// `x[cells[j, e]]` and `X[:, cells[j, e]]` at two iteration numbers: the value is gathered by
    /// the whole array outside of the loops, and the result is indexed. None where the index is
    /// of another kind.
    fn gathered_before(
        &mut self,
        id: BindingId,
        base: ExprId,
        arguments: &[IndexArgument],
        span: Span,
    ) -> Option<Option<NodeId>> {
        let ast = self.frame().ast;
        let (at, by_columns) = match *arguments {
            [IndexArgument::At(at)] => (at, false),
            [IndexArgument::All, IndexArgument::At(at)] => (at, true),
            _ => return None,
        };
        let Expr::Index { base: array, arguments: inner } = ast.expr(at) else { return None };
        let indices = self.index_array(*array)?;
        if inner.len() != 2 || !inner.iter().all(|a| matches!(a, IndexArgument::At(_))) {
            return None;
        }
        let n_reported = self.diagnostics.len();
        let places = self.selections(*array, inner, indices.shape);
        let Some([row, column]) = places.as_deref() else {
            return (self.diagnostics.len() > n_reported).then_some(None);
        };
        let place = column.first().scale(indices.shape.0 as i64)?.add(&row.first())?;
        let owner = self.bindings[id.0 as usize].frame;
        let is_outside = place.parts.iter().all(|(counter, _)| counter.frame > owner);
        if place.parts.len() < 2 || !is_outside || self.is_taken_inside(id, owner) {
            return None;
        }
        let Bound::Node(_, pattern) = &self.bindings[id.0 as usize].value else { return None };
        let shape = pattern.shape();
        let n_entries = if by_columns { shape.1 } else { shape.0 * shape.1 };
        let entries = self.entries_in_range(indices, n_entries, *array, base, shape);
        let Some(entries) = entries else { return Some(None) };
        let height = if by_columns { shape.0 } else { 1 };
        let mut places = vec![entries];
        if by_columns {
            let first = Int::constant(0);
            places.insert(0, Selection::Run { first, count: shape.0, is_range: true });
        }
        let slice = self.slice(&places, shape, span)?;
        let hidden = self.within(owner, |lowerer| {
            let node = lowerer.part_of(Base::Declared(id, shape), slice, span)?;
            let full = lowerer.graph().densify(node);
            Some(lowerer.bind_hidden(owner, full))
        });
        let offset = place.scale(height as i64)?;
        let map = IndexMap::identity(height);
        let slice = Slice { offset, map, shape: (height, 1), exact: false };
        Some(hidden.and_then(|hidden| self.slice_of(hidden, &Arc::new(slice), span)))
    }

    /// Whether a derivative by a declared value is taken between its frame and the current one.
    fn is_taken_inside(&self, id: BindingId, owner: usize) -> bool {
        let name = &self.bindings[id.0 as usize].name;
        let mut at = self.current;
        while at > owner {
            let frame = &self.frames[at];
            if frame.whole.contains(name) || frame.kind == FrameKind::Function {
                return true;
            }
            match frame.parent {
                Some(parent) => at = parent,
                None => return true,
            }
        }
        false
    }

    /// The index array that an expression names.
    fn index_array(&mut self, base: ExprId) -> Option<Arc<Indices>> {
        let ast = self.frame().ast;
        let Expr::Name(name) = ast.expr(base) else { return None };
        let id = self.find_in_order(name, ast.span(base))?;
        let binding = &mut self.bindings[id.0 as usize];
        let Bound::Indices(indices) = &binding.value else { return None };
        binding.used = true;
        Some(indices.clone())
    }

    /// `tail[k]` and `cells[:, e]`: integers again.
    fn entries_of(
        &mut self,
        indices: &Indices,
        base: ExprId,
        arguments: &[IndexArgument],
        span: Span,
    ) -> Value {
        let shape = indices.shape;
        let Some(places) = self.selections(base, arguments, shape) else { return Value::Error };
        let (rows, columns, result) = match &places[..] {
            [one @ Selection::Run { count, .. }] => {
                let shape = if shape.0 == 1 { (1, *count) } else { (*count, 1) };
                (one.one_by_one(), vec![Int::constant(0)], shape)
            }
            [one @ Selection::Entries(entries)] => {
                (one.one_by_one(), vec![Int::constant(0)], entries.shape)
            }
            [row, column] => (row.one_by_one(), column.one_by_one(), (row.count(), column.count())),
            _ => return Value::Error,
        };
        let mut entries = Vec::with_capacity(rows.len() * columns.len());
        for column in &columns {
            for row in &rows {
                let at = column.scale(shape.0 as i64).and_then(|start| start.add(row));
                match at.ok_or(Unfit::TooLarge).and_then(|at| indices.at(&at)) {
                    Ok(entry) => entries.push(entry),
                    Err(Unfit::TwoCounters) => {
                        self.report_not_there(
                            span,
                            "an index array at two iteration numbers (take a column, `a[:, k]`)",
                        );
                        return Value::Error;
                    }
                    Err(Unfit::TooLarge) => {
                        self.report(
                            Diagnostic::new(Code::TooLarge, span, "this index is too large")
                                .label("too many iterations"),
                        );
                        return Value::Error;
                    }
                }
            }
        }
        let is_single = places.iter().all(|p| matches!(p, Selection::Run { is_range: false, .. }));
        match entries.pop() {
            Some(entry) if is_single => Value::Int(entry),
            Some(entry) => {
                entries.push(entry);
                Value::Indices(Arc::new(Indices::new(result, entries)))
            }
            None => Value::Indices(Arc::new(Indices::new(result, entries))),
        }
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
            IndexArgument::At(at) => match self.integers(at) {
                Some(Value::Int(first)) => Some((first, 1, Some(at), false)),
                Some(Value::Indices(indices)) => {
                    self.ends.pop();
                    return self.entries_in_range(indices, n, at, base, shape);
                }
                _ => None,
            },
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
        let run = Selection::Run { first: first.clone(), count: count as usize, is_range };
        if first.is_vacuous() {
            return Some(run);
        }
        let (least, largest) = self.extent(&first)?;
        let last = largest.checked_add(count - 1)?;
        let fits = least >= 0 && last < n as i64;
        if fits || (count == 0 && least >= 0 && largest <= n as i64) {
            return Some(run);
        }
        if self.is_unreachable() {
            return Some(run);
        }
        let wrong = if least < 0 { least } else { last };
        let changes = first.as_constant().is_none();
        let what = if changes { "takes the value" } else { "is" };
        let message = format!("the index {what} {wrong}, which is out of range");
        let mut diagnostic = self.out_of_range(message, expr.unwrap_or(base), n, base, shape);
        if wrong == n as i64 && !is_range {
            diagnostic = diagnostic.help("indices start at 0; the last entry is `end`");
        }
        for line in expr.map_or_else(Vec::new, |expr| self.entries_behind(expr, &first, wrong)) {
            diagnostic = diagnostic.help(line);
        }
        self.report(diagnostic);
        None
    }

    /// An index array as an index, if all entries are in range.
    fn entries_in_range(
        &mut self,
        indices: Arc<Indices>,
        n: usize,
        expr: ExprId,
        base: ExprId,
        shape: (usize, usize),
    ) -> Option<Selection> {
        let inside = |k: i64| (0..n as i64).contains(&k);
        let wrong = match &indices.entries {
            Entries::Fixed(values) => {
                values.iter().position(|&k| !inside(k)).map(|k| (k, values[k]))
            }
            Entries::Moving(entries) => entries.iter().enumerate().find_map(|(k, entry)| {
                let (least, largest) = entry.extent()?;
                let wrong = if least < 0 { least } else { largest };
                (!inside(wrong)).then_some((k, wrong))
            }),
        };
        let Some((k, value)) = wrong else { return Some(Selection::Entries(indices)) };
        let ast = self.frame().ast;
        let place = place(indices.shape, k);
        let (what, name) = match ast.expr(expr) {
            Expr::Name(name) => (format!("`{name}{place}`"), Some(name.clone())),
            _ => (format!("the entry {place} of this index"), None),
        };
        let message = format!("{what} is {value}, which is out of range");
        let mut diagnostic = self.out_of_range(message, expr, n, base, shape);
        if let Some(name) = name
            && let Some(entry) = self.options.data.get(&name)
        {
            diagnostic = diagnostic.help(format!("`{name}` comes from {}", entry.source()));
        }
        self.report(diagnostic);
        None
    }

    pub fn out_of_range(
        &mut self,
        message: String,
        index: ExprId,
        n: usize,
        base: ExprId,
        shape: (usize, usize),
    ) -> Diagnostic {
        let ast = self.frame().ast;
        let limit = match n {
            0 => "there are no entries".to_string(),
            _ => format!("the last one is {}", n - 1),
        };
        let diagnostic =
            Diagnostic::new(Code::IndexOutOfRange, ast.span(index), message).label(limit);
        match self.declaration_of(base) {
            Some((name, place)) => {
                diagnostic.secondary(place, format!("`{name}` is {}", shape_text(shape)))
            }
            None => diagnostic.secondary(ast.span(base), shape_text(shape)),
        }
    }

    /// Which entries of index arrays make an index take a value that is out of range.
    fn entries_behind(&mut self, index: ExprId, int: &Int, wrong: i64) -> Vec<String> {
        let ast = self.frame().ast;
        let [(counter, _)] = &int.parts[..] else { return Vec::new() };
        let Some(i) = (0..counter.n).find(|&i| int.at(i) == Some(wrong)) else { return Vec::new() };
        let mut lines = Vec::new();
        let mut stack = vec![index];
        while let Some(id) = stack.pop() {
            let expr = ast.expr(id);
            expr.for_each_operand(|operand| stack.push(operand));
            let Expr::Index { base, arguments } = expr else { continue };
            let Some(indices) = self.index_array(*base) else { continue };
            let Expr::Name(name) = ast.expr(*base) else { continue };
            let Some(places) = self.selections(*base, arguments, indices.shape) else { continue };
            let at = match &places[..] {
                [Selection::Run { first, .. }] => first.at(i),
                [Selection::Run { first: row, .. }, Selection::Run { first: column, .. }] => {
                    let start = column.at(i).and_then(|c| c.checked_mul(indices.shape.0 as i64));
                    start.and_then(|start| start.checked_add(row.at(i)?))
                }
                _ => None,
            };
            let Some(at) = at.and_then(|at| usize::try_from(at).ok()) else { continue };
            if let (true, Some(value)) = (at < indices.len(), indices.get(at).at(i)) {
                let source = match self.options.data.get(name) {
                    Some(entry) => format!(" in {}", entry.source()),
                    None => String::new(),
                };
                lines.push(format!("`{name}{}` is {value}{source}", place(indices.shape, at)));
            }
        }
        lines
    }

    /// Refuses tables that are too long.
    fn may_list(&mut self, count: usize, span: Span) -> bool {
        let fits = count <= MAX_LISTED;
        if !fits {
            self.report(
                Diagnostic::new(Code::TooLarge, span, "this index gathers too many entries")
                    .label(format!("{count}; the limit is {MAX_LISTED}")),
            );
        }
        fits
    }

    /// The length of `first..last`, the same in every iteration.
    pub fn range_length(&mut self, first: &Int, last: &Int, span: Span) -> Option<i64> {
        let length = last.sub(first)?;
        let Some(length) = length.as_constant() else {
            self.report(
                Diagnostic::new(
                    Code::NotThereYet,
                    span,
                    "a range whose length changes with an iteration number: not there yet",
                )
                .label("this version cannot evaluate it")
                .help("alone in `sum`, `prod`, `max`, `min`, `norm2sq` or `dot` it can")
                .help("elsewhere take entry by entry: `sum(f(x[j]) for j in k..n)`"),
            );
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
