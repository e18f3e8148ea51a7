//! Frames: one graph under construction for each body (file, `fn`, loop, branch), and what a body
//! uses of the bodies around it.
//!
//! A name of an outer frame that an inner one uses becomes an input of the inner function, a
//! *capture*, and an argument where that function is called, repeated or chosen. A slice whose
//! index depends on loop counters is captured as a window that moves with the iterations, so
//! that it is read in place: at each loop boundary, from the inside out, the enclosing frame has
//! to supply the elements that the loop as a whole visits.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::int::{Counter, Int, MAX_TABLE, Part};
use super::{BindingId, Bound, Lowerer, MAX_NESTING, Value};
use crate::graph::{ArgMode, Graph, NodeId, Op, Origin, Window};
use crate::sparsity::{IndexMap, Pattern};
use crate::syntax::{Ast, Code, Diagnostic, Span};

/// The largest sparse value that may be stored in full for the sake of a moving index.
const MAX_DENSIFIED: usize = 100_000_000;

/// What kind of body a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// The file itself; always frame 0.
    File,
    /// The body of a `fn`.
    Function,
    /// The body of a loop.
    Loop(Counter),
    /// A branch of an `if`.
    Branch,
    /// A constant expression: values of the file are out of reach.
    Constant,
}

/// A body under construction.
pub struct Frame<'a> {
    pub graph: Graph,
    pub kind: FrameKind,
    /// The enclosing frame; none for the file and for constants.
    pub parent: Option<usize>,
    /// The tree whose expressions are being lowered.
    pub ast: &'a Ast,
    /// The module whose names are visible.
    pub module: usize,
    /// Local names, innermost scope last.
    pub scopes: Vec<FxHashMap<Arc<str>, BindingId>>,
    /// Inputs that are no captures; they come first.
    pub n_fixed: usize,
    pub captures: Vec<Capture>,
    /// Targets of derivatives taken inside: captured whole.
    pub whole: FxHashSet<Arc<str>>,
    capture_ids: FxHashMap<Source, usize>,
    /// Values without a name.
    hidden: FxHashMap<NodeId, BindingId>,
}

/// An input of a body that comes from outside.
#[derive(Clone, Debug)]
pub struct Capture {
    pub source: Source,
    pub pattern: Pattern,
    /// The first use.
    pub span: Span,
}

/// Where a capture comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A value of an outer frame.
    Whole(BindingId),
    /// Part of a value of an outer frame.
    Slice(BindingId, Arc<Slice>),
    /// `base + step * i`.
    Counter { counter: Counter, base: i64, step: i64 },
}

/// Entries `offset + map(k)` of a value, counted column-major, in the given shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slice {
    pub offset: Int,
    pub map: IndexMap,
    pub shape: (usize, usize),
    /// Keep structural zeros: all entries are at places known at compile time.
    pub exact: bool,
}

impl<'a> Frame<'a> {
    pub fn new(kind: FrameKind, parent: Option<usize>, ast: &'a Ast, module: usize) -> Frame<'a> {
        Frame {
            graph: Graph::new(),
            kind,
            parent,
            ast,
            module,
            scopes: vec![FxHashMap::default()],
            n_fixed: 0,
            captures: Vec::new(),
            whole: FxHashSet::default(),
            capture_ids: FxHashMap::default(),
            hidden: FxHashMap::default(),
        }
    }

    /// The input for a capture, new or known.
    fn capture(&mut self, source: Source, pattern: Pattern, span: Span) -> NodeId {
        let next = self.captures.len();
        let k = *self.capture_ids.entry(source.clone()).or_insert(next);
        if k == next {
            self.captures.push(Capture { source, pattern: pattern.clone(), span });
        }
        self.graph.input(self.n_fixed + k, pattern)
    }

    /// Takes over the captures of a sibling that is to have the same inputs.
    pub fn share_captures(&mut self, captures: &[Capture]) {
        for (k, capture) in captures.iter().enumerate() {
            self.capture_ids.insert(capture.source.clone(), k);
            self.captures.push(capture.clone());
        }
    }
}

impl<'a> Lowerer<'a> {
    /// Opens a frame inside the current one.
    pub fn push_frame(&mut self, kind: FrameKind) {
        let (ast, module) = (self.frame().ast, self.frame().module);
        self.push_frame_for(kind, Some(self.current), ast, module);
    }

    /// Opens a frame anywhere.
    pub fn push_frame_for(
        &mut self,
        kind: FrameKind,
        parent: Option<usize>,
        ast: &'a Ast,
        module: usize,
    ) {
        self.frames.push(Frame::new(kind, parent, ast, module));
        self.returns.push(self.current);
        self.current = self.frames.len() - 1;
    }

    /// Notes that `depth` more levels of loops, branches or calls nest where the current frame
    /// is; refuses too many, for passes over nested functions recurse.
    pub fn may_nest(&mut self, depth: usize, span: Span) -> bool {
        let levels = (self.frames.len().saturating_sub(self.base)) + depth;
        if levels <= MAX_NESTING {
            self.nesting = self.nesting.max(levels);
            return true;
        }
        self.report(
            Diagnostic::new(Code::TooLarge, span, "loops, branches and calls nest too deeply")
                .label(format!("the limit is {MAX_NESTING} levels")),
        );
        false
    }

    /// Closes the frame opened last and goes back to where it was opened.
    pub fn pop_frame(&mut self) -> Frame<'a> {
        let frame = self.frames.pop().expect("invariant: frames are closed once");
        self.current = self.returns.pop().expect("invariant: every frame has a return");
        frame
    }

    /// The current frame.
    pub fn frame(&mut self) -> &mut Frame<'a> {
        &mut self.frames[self.current]
    }

    /// The graph of the current frame.
    pub fn graph(&mut self) -> &mut Graph {
        &mut self.frames[self.current].graph
    }

    /// Runs `work` with `frame`, one of the current frame's ancestors, as the current one.
    pub fn within<T>(&mut self, frame: usize, work: impl FnOnce(&mut Self) -> T) -> T {
        let inner = std::mem::replace(&mut self.current, frame);
        let result = work(self);
        self.current = inner;
        result
    }

    /// The value of a declared name in the current frame.
    pub fn value_of(&mut self, id: BindingId, span: Span) -> Value {
        let binding = &mut self.bindings[id.0 as usize];
        binding.used = true;
        match &mut binding.value {
            Bound::Error => Value::Error,
            Bound::Int(int) => Value::Int(int.clone()),
            Bound::Indices(indices) => Value::Indices(indices.clone()),
            Bound::Node(..) => self.node_of(id, span).map_or(Value::Error, Value::Node),
            Bound::Deferred(found) => {
                let found = std::mem::take(found);
                binding.value = Bound::Error;
                self.diagnostics.extend(found);
                Value::Error
            }
        }
    }

    /// The node of a declared value in the current frame.
    pub fn node_of(&mut self, id: BindingId, span: Span) -> Option<NodeId> {
        let binding = &self.bindings[id.0 as usize];
        let Bound::Node(node, pattern) = &binding.value else { return None };
        let (node, pattern, owner) = (*node, pattern.clone(), binding.frame);
        if owner == self.current {
            return Some(node);
        }
        if !self.reaches(owner) {
            let name = binding.name.clone();
            let declared = binding.span;
            self.report(
                Diagnostic::new(Code::NotAConstant, span, format!("`{name}` is not a constant"))
                    .label("has a value only at evaluation")
                    .secondary(declared, format!("`{name}` is declared here")),
            );
            return None;
        }
        // Small constants are made anew, so that they fold.
        let graph = &self.frames[owner].graph;
        if graph.op(node) == Op::Const {
            match graph.as_uniform(node) {
                Some(v) if v != 0.0 || pattern.is_zero() => {
                    return Some(self.graph().fill(pattern, v));
                }
                _ => {}
            }
        }
        Some(self.frame().capture(Source::Whole(id), pattern, span))
    }

    /// Whether `owner` is an ancestor of the current frame.
    fn reaches(&self, owner: usize) -> bool {
        let mut at = self.current;
        while at != owner {
            match self.frames[at].parent {
                Some(parent) => at = parent,
                None => return false,
            }
        }
        true
    }

    /// The innermost frame that has the value as a whole; slices are relative to it.
    fn holder(&self, id: BindingId) -> usize {
        let binding = &self.bindings[id.0 as usize];
        let mut at = self.current;
        while at != binding.frame {
            let frame = &self.frames[at];
            if frame.kind == FrameKind::Function || frame.whole.contains(&binding.name) {
                break;
            }
            match frame.parent {
                Some(parent) => at = parent,
                None => break,
            }
        }
        at
    }

    /// Part of a declared value in the current frame.
    pub fn slice_of(&mut self, id: BindingId, slice: &Arc<Slice>, span: Span) -> Option<NodeId> {
        if slice.offset.is_vacuous() {
            return Some(self.graph().zero(slice.shape.0, slice.shape.1));
        }
        let holder = self.holder(id);
        let moves_outside = slice.offset.parts.iter().any(|(c, _)| c.frame <= holder);
        if moves_outside {
            let whole = self.node_of(id, span)?;
            return self.select_entries(whole, slice, span);
        }
        if holder == self.current || !self.reaches(self.bindings[id.0 as usize].frame) {
            let whole = self.node_of(id, span)?;
            return self.static_slice(whole, slice, span);
        }
        let pattern = if slice.exact {
            let Bound::Node(_, whole) = &self.bindings[id.0 as usize].value else { return None };
            sub_pattern(whole, slice).0
        } else {
            Pattern::dense(slice.shape.0, slice.shape.1)
        };
        if pattern.is_zero() {
            return Some(self.graph().zero(slice.shape.0, slice.shape.1));
        }
        Some(self.frame().capture(Source::Slice(id, slice.clone()), pattern, span))
    }

    /// Part of a node of the current frame, at places known at compile time.
    pub fn static_slice(&mut self, whole: NodeId, slice: &Slice, span: Span) -> Option<NodeId> {
        if slice.exact {
            let (part, map) = sub_pattern(self.graph().pattern(whole), slice);
            return Some(self.graph().gather(whole, map, part));
        }
        let whole = self.in_full(whole, span)?;
        let base = slice.offset.base;
        let (whole, before) = self.padded(whole, &slice.map, (base, base), span)?;
        let map = shifted(&slice.map, base + before);
        Some(self.graph().gather(whole, map, Pattern::dense(slice.shape.0, slice.shape.1)))
    }

    /// `node` with every entry stored.
    fn in_full(&mut self, node: NodeId, span: Span) -> Option<NodeId> {
        let pattern = self.graph().pattern(node).clone();
        if !pattern.is_dense() && pattern.numel() > MAX_DENSIFIED {
            let (n_rows, n_cols) = pattern.shape();
            self.report(
                Diagnostic::new(Code::TooLarge, span, "a sparse value is too large for this index")
                    .label(format!(
                        "a moving index stores the {n_rows}x{n_cols} value in full; the limit is \
                         {MAX_DENSIFIED} entries"
                    )),
            );
            return None;
        }
        Some(self.graph().densify(node))
    }

    /// A dense value with zeros before and behind it, so that slices of it that begin within
    /// `extent` exist; also how many come before. Iterations that do not run, and branches that
    /// are not taken, may reach out of range.
    fn padded(
        &mut self,
        whole: NodeId,
        map: &IndexMap,
        extent: (i64, i64),
        span: Span,
    ) -> Option<(NodeId, i64)> {
        let n = self.graph().nnz(whole);
        let (least, largest) = map.extent().unwrap_or((0, 0));
        let before = extent.0.checked_add(least)?.checked_neg()?.max(0);
        let end = extent.1.checked_add(largest)?.checked_add(1)?;
        let behind = end.checked_sub(n as i64)?.max(0);
        if before == 0 && behind == 0 {
            return Some((whole, 0));
        }
        let total = (n as i64).checked_add(before)?.checked_add(behind)?;
        if total > MAX_DENSIFIED as i64 {
            self.report(
                Diagnostic::new(Code::TooLarge, span, "this index reaches too far out of range")
                    .label(format!("over {total} entries; the limit is {MAX_DENSIFIED}"))
                    .help("what iterations and branches that do not run would read counts too"),
            );
            return None;
        }
        let map = IndexMap::range(before as usize, n);
        let pattern = Pattern::dense(total as usize, 1);
        Some((self.graph().scatter(whole, map, pattern), before))
    }

    /// Entries of a node of the current frame at places that depend on counters the node is not
    /// constant under: every entry is compared with the index.
    pub fn select_entries(&mut self, whole: NodeId, slice: &Slice, span: Span) -> Option<NodeId> {
        const MAX_COMPARED: usize = 10_000_000;
        let n_entries = self.graph().pattern(whole).numel();
        let n_parts = slice.map.len();
        if n_entries.saturating_mul(n_parts) > MAX_COMPARED {
            self.report(
                Diagnostic::new(Code::TooLarge, span, "this index compares too many entries")
                    .label(format!(
                        "{n_parts} of {n_entries} entries; the limit of their product is \
                         {MAX_COMPARED}"
                    ))
                    .help("index a value from outside the loop, or use `:` and a product"),
            );
            return None;
        }
        let whole = self.in_full(whole, span)?;
        let at = self.int_node(&slice.offset, span)?;
        let graph = self.graph();
        let column = Pattern::dense(n_entries, 1);
        let entries = graph.gather(whole, IndexMap::identity(n_entries), column.clone());
        let numbers: Vec<f64> = (0..n_entries).map(|k| k as f64).collect();
        let zero = graph.zero(1, 1);
        let mut parts = Vec::with_capacity(n_parts);
        for shift in slice.map.iter() {
            let places: Vec<f64> = numbers.iter().map(|k| k - shift as f64).collect();
            let places = graph.constant_matrix(column.clone(), &places);
            use crate::ops::scalar::ScalarOp;
            let hit = graph.binary(ScalarOp::Eq, places, at);
            let chosen = graph.scalar(ScalarOp::Select, &[hit, entries, zero]);
            parts.push(graph.reduce(crate::graph::Reduction::Sum, chosen));
        }
        let stacked = graph.concat(&parts);
        let (n_rows, n_cols) = slice.shape;
        Some(graph.gather(stacked, IndexMap::identity(n_parts), Pattern::dense(n_rows, n_cols)))
    }

    /// A multiple of one counter, or a table over it, as an input of the current frame.
    pub fn captured_int(&mut self, int: &Int) -> Option<NodeId> {
        match &int.parts[..] {
            [(counter, Part::Linear(step))] => {
                let source = Source::Counter { counter: *counter, base: int.base, step: *step };
                Some(self.frame().capture(source, Pattern::scalar(), Span::default()))
            }
            _ => self.int_node(int, Span::default()),
        }
    }

    /// A compile-time integer as a value of the current frame.
    pub fn int_node(&mut self, int: &Int, span: Span) -> Option<NodeId> {
        if int.is_vacuous() {
            return Some(self.graph().zero(1, 1));
        }
        let mut base = int.base;
        let mut sum: Option<NodeId> = None;
        for (counter, part) in &int.parts {
            let node = match part {
                Part::Linear(step) => {
                    let source = Source::Counter {
                        counter: *counter,
                        base: std::mem::take(&mut base),
                        step: *step,
                    };
                    self.frame().capture(source, Pattern::scalar(), span)
                }
                Part::Table(table) => {
                    let id = self.table_binding(*counter, table)?;
                    let offset = Int::counter(0, *counter);
                    let map = IndexMap::identity(1);
                    let slice = Slice { offset, map, shape: (1, 1), exact: false };
                    self.slice_of(id, &Arc::new(slice), span)?
                }
            };
            sum = Some(match sum {
                Some(sum) => self.graph().add(sum, node),
                None => node,
            });
        }
        let graph = self.graph();
        let constant = graph.constant(base as f64);
        Some(match sum {
            Some(sum) => graph.add(sum, constant),
            None => constant,
        })
    }

    /// A nameless value that holds a table beside the loop of its counter.
    fn table_binding(&mut self, counter: Counter, table: &Arc<[i64]>) -> Option<BindingId> {
        let key = (counter, table.clone());
        if let Some(&id) = self.tables.get(&key) {
            return Some(id);
        }
        let frame = self.frames[counter.frame].parent?;
        let values: Vec<f64> = table.iter().map(|&v| v as f64).collect();
        let graph = &mut self.frames[frame].graph;
        let sparse = graph.constant_matrix(Pattern::dense(values.len(), 1), &values);
        let node = graph.densify(sparse);
        let id = self.bind_hidden(frame, node);
        self.tables.insert(key, id);
        Some(id)
    }

    /// A nameless value of the given frame.
    pub fn bind_hidden(&mut self, frame: usize, node: NodeId) -> BindingId {
        if let Some(&id) = self.frames[frame].hidden.get(&node) {
            return id;
        }
        let pattern = self.frames[frame].graph.pattern(node).clone();
        let value = Bound::Node(node, pattern);
        let id = self.new_binding("".into(), Span::default(), frame, value, true);
        self.frames[frame].hidden.insert(node, id);
        id
    }

    /// The value of a capture of an inner frame, in the current one.
    pub fn source_value(&mut self, capture: &Capture) -> Option<NodeId> {
        match &capture.source {
            Source::Whole(id) => self.node_of(*id, capture.span),
            Source::Slice(id, slice) => self.slice_of(*id, slice, capture.span),
            Source::Counter { .. } => {
                let source = capture.source.clone();
                Some(self.frame().capture(source, Pattern::scalar(), capture.span))
            }
        }
    }

    /// The argument that supplies a capture of a loop body, in the frame around the loop.
    pub fn loop_argument(
        &mut self,
        capture: &Capture,
        counter: Counter,
    ) -> Option<(NodeId, ArgMode)> {
        match &capture.source {
            Source::Counter { counter: c, base, step } if *c == counter => {
                let nothing = self.graph().zero(0, 0);
                Some((nothing, ArgMode::Iteration { base: *base, step: *step }))
            }
            Source::Slice(id, slice) => {
                let (part, rest) = slice.offset.split(counter.frame);
                match part {
                    Some((_, part)) => self.window(*id, slice, &part, rest, counter, capture.span),
                    None => Some((self.source_value(capture)?, ArgMode::Broadcast)),
                }
            }
            _ => Some((self.source_value(capture)?, ArgMode::Broadcast)),
        }
    }

    /// The entries of a sparse value that a window visits, one window after the other, where that
    /// is less than to store the value in full.
    fn visited_entries(
        &mut self,
        whole: NodeId,
        slice: &Slice,
        part: &Part,
        rest: &Int,
        n: u64,
    ) -> Option<NodeId> {
        let pattern = self.graph().pattern(whole).clone();
        let n_visited = (slice.map.len() as u64).checked_mul(n)?;
        if pattern.is_dense() || n_visited > MAX_TABLE || n_visited > pattern.numel() as u64 / 2 {
            return None;
        }
        let (map, shift) = visited(&slice.map, part, n)?;
        let offset = rest.sub(&Int::constant(shift))?;
        let shape = (map.len(), 1);
        let slice = Slice { offset, map, shape, exact: true };
        let (part, map) = sub_pattern(&pattern, &slice);
        let graph = self.graph();
        let found = graph.gather(whole, map, part);
        Some(graph.densify(found))
    }

    /// A slice that moves with `counter`: in place where the current frame holds the value,
    /// otherwise over the elements that all iterations visit, laid out one after the other.
    fn window(
        &mut self,
        id: BindingId,
        slice: &Slice,
        part: &Part,
        rest: Int,
        counter: Counter,
        span: Span,
    ) -> Option<(NodeId, ArgMode)> {
        if self.holder(id) == self.current {
            let whole = self.node_of(id, span)?;
            if let Some(visited) = self.visited_entries(whole, slice, part, &rest, counter.n) {
                return Some((visited, ArgMode::Window(Window::stacked(slice.map.len()))));
            }
            let whole = self.in_full(whole, span)?;
            let (least, largest) = part.extent(counter.n)?;
            let extent = (rest.base.checked_add(least)?, rest.base.checked_add(largest)?);
            let (whole, before) = self.padded(whole, &slice.map, extent, span)?;
            let base = rest.base + before;
            let origin = match part {
                Part::Linear(step) => Origin::Affine { base, step: *step },
                Part::Table(table) => {
                    Origin::Table(table.iter().map(|v| (base + v) as u32).collect())
                }
            };
            return Some((whole, ArgMode::Window(Window { origin, map: slice.map.clone() })));
        }
        let n = counter.n;
        let len = slice.map.len();
        let too_large = (len as u64).saturating_mul(n) > MAX_TABLE * 8;
        let visited = if too_large { None } else { visited(&slice.map, part, n) };
        let Some((map, shift)) = visited else {
            self.report(
                Diagnostic::new(Code::TooLarge, span, "a slice visits too many elements")
                    .label(format!("{len} elements in each of {n} iterations")),
            );
            return None;
        };
        let offset = rest.sub(&Int::constant(shift))?;
        let shape = (map.len(), 1);
        let wider = Slice { offset, map, shape, exact: false };
        let node = self.slice_of(id, &Arc::new(wider), span)?;
        Some((node, ArgMode::Window(Window::stacked(len))))
    }
}

/// All elements that a window visits in `n` iterations, window after window, and how far they
/// are shifted so that none is negative.
fn visited(map: &IndexMap, part: &Part, n: u64) -> Option<(IndexMap, i64)> {
    if let (Part::Linear(step), IndexMap::Affine(affine)) = (part, map) {
        let mut dims: Vec<(usize, i64)> = affine
            .dims
            .iter()
            .filter(|d| d.0 != 1)
            .map(|&(count, stride)| (count as usize, i64::from(stride)))
            .collect();
        dims.push((n as usize, *step));
        if dims.len() <= 3 && step.unsigned_abs() <= i32::MAX as u64 {
            let shift = (-step * (n as i64 - 1)).max(0);
            return Some((IndexMap::affine(affine.start as usize + shift as usize, &dims), shift));
        }
    }
    if (map.len() as u64).saturating_mul(n) > MAX_TABLE {
        return None;
    }
    let mut least = 0;
    for i in 0..n {
        least = least.min(part.at(i)?);
    }
    let mut table = Vec::with_capacity(map.len() * n as usize);
    for i in 0..n {
        let at = part.at(i)? - least;
        for k in map.iter() {
            table.push(u32::try_from(at + k as i64).ok()?);
        }
    }
    Some((IndexMap::from_table(table), -least))
}

fn shifted(map: &IndexMap, by: i64) -> IndexMap {
    match map {
        IndexMap::Affine(a) => {
            let dims = a.dims.map(|(count, stride)| (count as usize, i64::from(stride)));
            IndexMap::affine((i64::from(a.start) + by) as usize, &dims)
        }
        IndexMap::Table(t) => {
            IndexMap::from_table(t.iter().map(|&k| (i64::from(k) + by) as u32).collect())
        }
    }
}

/// Pattern of a slice at a constant place, and which nonzero of the whole each of its nonzeros is.
pub fn sub_pattern(whole: &Pattern, slice: &Slice) -> (Pattern, IndexMap) {
    let (n_rows, n_cols) = slice.shape;
    let map = shifted(&slice.map, slice.offset.base);
    if whole.is_dense() {
        return (Pattern::dense(n_rows, n_cols), map);
    }
    if whole.is_zero() || map.is_empty() {
        return (Pattern::zero(n_rows, n_cols), IndexMap::identity(0));
    }
    let (mut places, mut sources) = (Vec::new(), Vec::new());
    let height = whole.n_rows().max(1);
    if map.len() <= whole.nnz() || !map.is_increasing() {
        for (k, at) in map.iter().enumerate() {
            if let Some(nonzero) = whole.find(at % height, at / height) {
                places.push(k as u64);
                sources.push(nonzero as u32);
            }
        }
    } else {
        // Few nonzeros in a large slice: look each of them up in the slice.
        for (nonzero, at) in whole.linear().enumerate() {
            let k = partition_point(map.len(), |k| (map.get(k) as u64) < at);
            if k < map.len() && map.get(k) as u64 == at {
                places.push(k as u64);
                sources.push(nonzero as u32);
            }
        }
    }
    (Pattern::from_linear(n_rows, n_cols, places), IndexMap::from_table(sources))
}

/// The first `k` in `0..n` for which `before` does not hold.
fn partition_point(n: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut lo, mut hi) = (0, n);
    while lo < hi {
        let middle = lo + (hi - lo) / 2;
        if before(middle) { lo = middle + 1 } else { hi = middle }
    }
    lo
}
