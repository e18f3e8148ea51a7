//! Comprehensions whose filters name the number `i` of an outer loop, such as
//! `[sum(p[a] for a in 0..A if bus[a] == i) for i in 0..B]`.
//!
//! They are computed beside that loop, for all `i` at once: one loop runs over all combinations,
//! ordered by `i`, and accumulates into a value for each `i` (a segmented sum). The outer loop
//! reads its own value.

use std::sync::Arc;

use super::Lowerer;
use super::filter::{Combinations, Variable};
use super::frame::Slice;
use super::int::{Counter, Int};
use crate::graph::{
    ArgMode, Func, Graph, LoopSpec, NodeId, Origin, Port, Reduction, ResultMode, Window,
};
use crate::sparsity::{IndexMap, Pattern};
use crate::syntax::ast::ExprId;
use crate::syntax::{Code, Diagnostic, Span};

/// How many times more entries than there are may be stored so that segments have one length.
const MAX_PADDING: usize = 16;

impl Lowerer<'_> {
    /// The comprehension for all iterations of the outer loops at once, in the frame `beside`
    /// them, and the part of it for the current iteration.
    pub fn by_segments(
        &mut self,
        reduction: Option<Reduction>,
        value: ExprId,
        variables: &[Variable],
        found: &Combinations,
        beside: usize,
        span: Span,
    ) -> Option<NodeId> {
        let inside = self.current;
        let outer: Vec<Counter> =
            variables.iter().filter(|v| v.own.is_none()).map(|v| v.counter).collect();
        let n_segments = outer.iter().try_fold(1_u64, |n, c| n.checked_mul(c.n))?;
        let n_segments = self.may_combine(n_segments, span)?;
        // Which segment each combination belongs to; they are in order.
        let mut segment = vec![0_usize; found.n];
        for (counter, column) in outer.iter().zip(&found.columns) {
            for (at, &i) in segment.iter_mut().zip(column.iter()) {
                *at = *at * counter.n as usize + i as usize;
            }
        }
        let (id, pattern) = self.within(beside, |lowerer| {
            let opened = lowerer.open_combinations(variables, found, inside, &[value]);
            let node = opened.and_then(|_| lowerer.expr_node(value));
            let frame = lowerer.pop_frame();
            let (counter, node) = (opened?, node?);
            let pattern = frame.graph.pattern(node).clone();
            let len = pattern.nnz();
            if len == 0 || n_segments == 0 {
                return Some((None, pattern));
            }
            if !lowerer.fits(len, found.n.max(n_segments), span) {
                return None;
            }
            let (mode, whole) = match reduction {
                Some(Reduction::Sum) => {
                    let table = segment.iter().map(|&s| (s * len) as u32).collect();
                    let origin = Origin::Table(table);
                    let window = Window { origin, map: IndexMap::identity(len) };
                    (window, Pattern::dense(len, n_segments))
                }
                _ => (Window::stacked(len), Pattern::dense(len, found.n)),
            };
            let all = if found.n == 0 {
                lowerer.graph().zero(whole.n_rows(), whole.n_cols())
            } else {
                let outputs = vec![("y".into(), node)];
                let (body, args, values) =
                    lowerer.close_loop("segments", frame, &[], outputs, counter)?;
                let (results, patterns) = (vec![ResultMode::Window(mode)], vec![whole]);
                let n = found.n as u64;
                let spec = LoopSpec { body, n, n_states: 0, args, results, patterns, range: None };
                lowerer.graph().repeat(spec, &values).first().copied()?
            };
            let (all, pattern) = match reduction {
                Some(Reduction::Sum) => (all, pattern),
                Some(reduction) => {
                    let reduced =
                        lowerer.reduce_segments(reduction, all, &segment, n_segments, span)?;
                    (reduced, pattern)
                }
                None => {
                    let n = lowerer.equal_segments(&segment, n_segments, span)?;
                    let is_scalar = pattern.is_scalar();
                    (all, lowerer.repeated(&pattern, n as u64, is_scalar, span)?)
                }
            };
            let all = lowerer.graph().densify(all);
            Some((Some(lowerer.bind_hidden(beside, all)), pattern))
        })?;
        let len = pattern.nnz();
        let id = match id {
            Some(id) if len > 0 => id,
            _ => return Some(self.graph().zero(pattern.n_rows(), pattern.n_cols())),
        };
        let mut offset = Int::constant(0);
        let mut stride = len as i64;
        for counter in outer.iter().rev() {
            offset = offset.add(&Int::counter(0, *counter).scale(stride)?)?;
            stride = stride.checked_mul(counter.n as i64)?;
        }
        let map = IndexMap::identity(len);
        let slice = Slice { offset, map: map.clone(), shape: (len, 1), exact: false };
        let own = self.slice_of(id, &Arc::new(slice), span)?;
        let stored = self.graph().densify(own);
        Some(self.graph().gather(stored, map, pattern))
    }

    /// The length that all segments have.
    fn equal_segments(
        &mut self,
        segment: &[usize],
        n_segments: usize,
        span: Span,
    ) -> Option<usize> {
        let mut lens = vec![0; n_segments];
        segment.iter().for_each(|&s| lens[s] += 1);
        let first = *lens.first()?;
        let Some(other) = lens.iter().position(|&len| len != first) else { return Some(first) };
        self.report(
            Diagnostic::new(
                Code::BadShape,
                span,
                "the length of this list changes with an outer iteration number",
            )
            .label(format!(
                "the filter keeps {first} iterations at first, {} in outer iteration {other}",
                lens[other]
            )),
        );
        None
    }

    /// Product or extreme of each segment: entries gathered so that all segments have the length
    /// of the longest, by repetition of their last entry or by ones, then a loop over segments.
    fn reduce_segments(
        &mut self,
        reduction: Reduction,
        all: NodeId,
        segment: &[usize],
        n_segments: usize,
        span: Span,
    ) -> Option<NodeId> {
        let len = self.graph().shape(all).0;
        let mut ends: Vec<(usize, usize)> = vec![(0, 0); n_segments];
        for (k, &s) in segment.iter().enumerate() {
            if ends[s].0 == ends[s].1 {
                ends[s].0 = k;
            }
            ends[s].1 = k + 1;
        }
        let is_product = reduction == Reduction::Prod;
        if let Some(empty) = ends.iter().position(|(first, end)| first == end)
            && !is_product
        {
            let name = reduction.name();
            let message = format!("`{name}` over an empty range has no value");
            self.report(
                Diagnostic::new(Code::EmptyExtremum, span, message)
                    .label(format!("the filter keeps nothing in outer iteration {empty}")),
            );
            return None;
        }
        let longest = ends.iter().map(|(first, end)| end - first).max()?.max(1);
        let n_stored = longest.checked_mul(n_segments)?.checked_mul(len)?;
        let n_given = (segment.len() + n_segments) * len;
        if n_stored > n_given.saturating_mul(MAX_PADDING) && n_stored > 1_000_000 {
            let message = format!("`{}` over parts of very different length", reduction.name());
            self.report(
                Diagnostic::new(Code::TooLarge, span, message)
                    .label(format!("the longest has {longest} of {} entries", segment.len())),
            );
            return None;
        }
        let one = (segment.len() * len) as u32;
        let mut table = Vec::with_capacity(n_stored);
        for &(first, end) in &ends {
            for j in 0..longest {
                let at = if first + j < end { Some(first + j) } else { end.checked_sub(1) };
                let at = at.filter(|&at| at >= first && !(is_product && first + j >= end));
                table.extend((0..len).map(|q| at.map_or(one, |at| (at * len + q) as u32)));
            }
        }
        let graph = self.graph();
        let dense = graph.densify(all);
        let unit = graph.constant(1.0);
        let stacked = graph.concat(&[dense, unit]);
        let whole = Pattern::dense(len * longest, n_segments);
        let padded = graph.gather(stacked, IndexMap::from_table(table), whole);
        let mut body = Graph::new();
        let inside = Pattern::dense(len, longest);
        let input = body.input(0, inside.clone());
        let entry = |q: usize, body: &mut Graph| {
            let map = IndexMap::affine(q, &[(longest, len as i64)]);
            let row = body.gather(input, map, Pattern::dense(1, longest));
            body.reduce(reduction, row)
        };
        let entries: Vec<NodeId> = (0..len).map(|q| entry(q, &mut body)).collect();
        let result = body.concat(&entries);
        let ports = vec![Port::new("x", inside)];
        let body = Func::freeze("segment", &body, ports, vec![("y".into(), result)]);
        let spec = LoopSpec {
            body,
            n: n_segments as u64,
            n_states: 0,
            args: vec![ArgMode::Window(Window::stacked(len * longest))],
            results: vec![ResultMode::Window(Window::stacked(len))],
            patterns: vec![Pattern::dense(len, n_segments)],
            range: None,
        };
        graph.repeat(spec, &[padded]).first().copied()
    }
}
