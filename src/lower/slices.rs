//! Reductions of slices whose length changes with an outer loop: `sum(x[k..])`, `dot(L[i, 0..j],
//! L[j, 0..j])`. Each is the comprehension over the entries, `sum(x[j] for j in k..n)`.

use super::frame::Slice as Part;
use super::functions::Shape;
use super::index::Base;
use super::int::Int;
use super::{BindingId, Bound, Lowerer, Value};
use crate::graph::{NodeId, Reduction};
use crate::ops::scalar::ScalarOp;
use crate::sparsity::IndexMap;
use crate::syntax::Span;
use crate::syntax::ast::{Expr, ExprId, IndexArgument};

/// A slice of a declared value along one of its directions.
struct Slice {
    id: BindingId,
    shape: Shape,
    base: ExprId,
    /// One index, or row and column; the first entry of the slice.
    first: Vec<(Int, ExprId)>,
    /// Which of them runs.
    runs: usize,
    length: Int,
}

impl Lowerer<'_> {
    /// A reduction of slices of changing length; `None` if it is another call.
    pub fn changing_slices(&mut self, name: &str, exprs: &[ExprId], span: Span) -> Option<Value> {
        let reduction = match (name, exprs.len()) {
            ("sum" | "norm2sq", 1) | ("dot", 2) => Reduction::Sum,
            ("prod", 1) => Reduction::Prod,
            ("max", 1) => Reduction::Max,
            ("min", 1) => Reduction::Min,
            _ => return None,
        };
        let mut slices = Vec::with_capacity(exprs.len());
        for &expr in exprs {
            slices.push(self.changing_slice(expr)?);
        }
        let length = &slices[0].length;
        let has_length = |s: &Slice| s.length.sub(length).and_then(|d| d.as_constant()) == Some(0);
        if length.as_constant().is_some() || !slices.iter().all(has_length) {
            return None;
        }
        let node = self.may_nest(1, span).then(|| self.reduced(reduction, name, &slices, span));
        Some(node.flatten().map_or(Value::Error, Value::Node))
    }

    fn reduced(
        &mut self,
        reduction: Reduction,
        name: &str,
        slices: &[Slice],
        span: Span,
    ) -> Option<NodeId> {
        let start = &slices[0].first[slices[0].runs].0;
        let end = start.add(&slices[0].length)?;
        let iterations = self.between(start, &end, span)?;
        let n_facts = self.facts.len();
        let bases: Vec<ExprId> = slices.iter().map(|slice| slice.base).collect();
        let counter = self.open_loop(iterations.n, &bases);
        self.assume_iterations(&iterations, counter);
        let range = self.iteration_range(&iterations);
        let number = iterations.number(counter);
        let mut entries = Vec::with_capacity(slices.len());
        for slice in slices {
            let ahead = slice.first[slice.runs].0.sub(start);
            let at = number.as_ref().zip(ahead).and_then(|(number, ahead)| number.add(&ahead));
            entries.extend(at.and_then(|at| {
                let mut place = slice.first.clone();
                place[slice.runs].0 = at;
                self.entry(slice.id, slice.shape, &place, slice.base, span)
            }));
        }
        let value = match entries[..] {
            [x] if name == "norm2sq" => Some(self.graph().binary(ScalarOp::Mul, x, x)),
            [x] if slices.len() == 1 => Some(x),
            [x, y] => Some(self.graph().binary(ScalarOp::Mul, x, y)),
            _ => None,
        };
        self.forget(n_facts);
        let frame = self.pop_frame();
        let (value, range) = (value?, range?);
        if self.may_be_empty(&iterations, reduction) {
            self.report_empty_extremum(Some(reduction), "some of the slices are empty", span);
            return None;
        }
        self.close_comprehension(frame, value, true, Some(reduction), counter, range, span)
    }

    /// The entry of a declared value at one index, or at a row and a column.
    fn entry(
        &mut self,
        id: BindingId,
        shape: (usize, usize),
        at: &[(Int, ExprId)],
        base: ExprId,
        span: Span,
    ) -> Option<NodeId> {
        let sizes = if at.len() == 1 { [shape.0 * shape.1, 0] } else { [shape.0, shape.1] };
        for ((index, expr), n) in at.iter().zip(sizes) {
            if index.is_vacuous() || self.is_unreachable() {
                continue;
            }
            let (least, largest) = self.extent(index)?;
            if least < 0 || largest >= n as i64 {
                let wrong = if least < 0 { least } else { largest };
                let message = format!("the index takes the value {wrong}, which is out of range");
                let diagnostic = self.out_of_range(message, *expr, n, base, shape);
                self.report(diagnostic);
                return None;
            }
        }
        if self.is_unreachable() {
            return Some(self.graph().zero(1, 1));
        }
        let offset = match at {
            [(row, _), (column, _)] => column.scale(shape.0 as i64)?.add(row)?,
            _ => at.first()?.0.clone(),
        };
        let (exact, map) = (offset.as_constant().is_some(), IndexMap::identity(1));
        let slice = Part { offset, map, shape: (1, 1), exact };
        self.part_of(Base::Declared(id, shape), slice, span)
    }

    /// A slice of a declared value; whatever is wrong with it is not reported here.
    fn changing_slice(&mut self, expr: ExprId) -> Option<Slice> {
        let ast = self.frame().ast;
        let Expr::Index { base, arguments } = ast.expr(expr) else { return None };
        let Expr::Name(name) = ast.expr(*base) else { return None };
        let is_range = |a: &IndexArgument| matches!(a, IndexArgument::Range { .. });
        let runs = arguments.iter().position(is_range)?;
        let is_one = arguments.iter().filter(|a| !is_range(a)).count() + 1 == arguments.len();
        if !is_one || arguments.len() > 2 {
            return None;
        }
        let id = self.find(name)?;
        let Bound::Node(_, pattern) = &self.bindings[id.0 as usize].value else { return None };
        let shape = pattern.shape();
        let sizes = match arguments.len() {
            1 => [shape.0.checked_mul(shape.1)?, 0],
            _ => [shape.0, shape.1],
        };
        let n_reported = self.diagnostics.len();
        let (mut first, mut length) = (Vec::with_capacity(2), None);
        for (argument, n) in arguments.iter().zip(sizes) {
            self.ends.push(Some(n as i64 - 1));
            let lo = match *argument {
                IndexArgument::At(at) => self.int(at).map(|int| (int, at)),
                IndexArgument::Range { lo, hi } => {
                    let end = match hi {
                        Some(hi) => self.int(hi),
                        None => Some(Int::constant(n as i64)),
                    };
                    let start = self.int(lo);
                    length = end.zip(start.as_ref()).and_then(|(end, start)| end.sub(start));
                    start.map(|start| (start, lo))
                }
                IndexArgument::All => None,
            };
            self.ends.pop();
            first.extend(lo);
        }
        self.diagnostics.truncate(n_reported);
        if first.len() < arguments.len() {
            return None;
        }
        Some(Slice { id, shape, base: *base, first, runs, length: length? })
    }
}
