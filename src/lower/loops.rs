//! Comprehensions, `fold` and `scan`: each is one loop node, whatever its number of iterations.

use std::sync::Arc;

use super::frame::{Frame, FrameKind};
use super::int::{Counter, Int};
use super::misfit::shape_text;
use super::{Bound, Lowerer, Value, derivative};
use crate::graph::{Func, LoopSpec, NodeId, Port, Reduction, ResultMode, Window};
use crate::sparsity::Pattern;
use crate::syntax::ast::{Clause, ExprId, Fold, Iteration, Name};
use crate::syntax::{Code, Diagnostic, Span};

/// The most nonzeros of a sparse pattern that a comprehension may repeat.
const MAX_REPEATED: u64 = 100_000_000;

/// How often the pattern of a state may grow before it is taken as dense.
const MAX_GROWTH: usize = 4;

impl<'a> Lowerer<'a> {
    /// `sum(e for k in a..b)`, `[e for k in a..b]`
    pub fn comprehension(
        &mut self,
        function: Option<&Name>,
        value: ExprId,
        clauses: &[Clause],
        span: Span,
    ) -> Value {
        let reduction = match function.map(|name| &*name.text) {
            None => None,
            Some("sum") => Some(Reduction::Sum),
            Some("prod") => Some(Reduction::Prod),
            Some("max") => Some(Reduction::Max),
            Some("min") => Some(Reduction::Min),
            Some(other) => {
                let at = function.map_or(span, |name| name.span);
                self.report(
                    Diagnostic::new(
                        Code::UnknownFunction,
                        at,
                        format!("`{other}` takes no comprehension"),
                    )
                    .help("`sum`, `prod`, `max`, `min` and `[...]` do"),
                );
                return Value::Error;
            }
        };
        let mut iterations = Vec::with_capacity(clauses.len());
        let mut is_filtered = false;
        for clause in clauses {
            match clause {
                Clause::For(iteration) => iterations.push(iteration),
                Clause::If(_) => is_filtered = true,
            }
        }
        if !self.may_nest(iterations.len(), span) {
            return Value::Error;
        }
        if is_filtered {
            let node = self.filtered(reduction, value, clauses, span);
            return node.map_or(Value::Error, Value::Node);
        }
        self.nest(&iterations, value, reduction, span)
            .map_or(Value::Error, |(node, _)| Value::Node(node))
    }

    /// Nested loops, the first one outermost; also whether the innermost value is a scalar.
    fn nest(
        &mut self,
        iterations: &[&Iteration],
        value: ExprId,
        reduction: Option<Reduction>,
        span: Span,
    ) -> Option<(NodeId, bool)> {
        let Some((iteration, inner)) = iterations.split_first() else {
            let node = self.expr_node(value)?;
            return Some((node, self.graph().shape(node) == (1, 1)));
        };
        let (lo, n) = self.iterations(iteration)?;
        let counter = self.open_loop(n, &[value]);
        self.declare_counter(iteration, lo, counter);
        let body = self.nest(inner, value, reduction, span);
        let frame = self.pop_frame();
        let (node, is_scalar) = body?;
        let node = self.close_comprehension(frame, node, is_scalar, reduction, counter, span)?;
        Some((node, is_scalar))
    }

    /// The loop of a body that has been lowered to `node` in `frame`; `is_scalar` says whether
    /// the innermost value is one.
    pub fn close_comprehension(
        &mut self,
        frame: Frame<'a>,
        node: NodeId,
        is_scalar: bool,
        reduction: Option<Reduction>,
        counter: Counter,
        span: Span,
    ) -> Option<NodeId> {
        let n = counter.n;
        let pattern = frame.graph.pattern(node).clone();
        if n == 0 {
            return self.empty_loop(reduction, &pattern, is_scalar, span);
        }
        let (mode, pattern) = match reduction {
            Some(reduction) => (ResultMode::Reduce(reduction), pattern),
            None => {
                let stacked = self.repeated(&pattern, n, is_scalar, span)?;
                (ResultMode::Window(Window::stacked(pattern.nnz())), stacked)
            }
        };
        let results = vec![("y".into(), node)];
        let spec = self.close_loop("loop", frame, &[], results, counter)?;
        let (body, modes, args) = spec;
        let (results, patterns) = (vec![mode], vec![pattern]);
        let spec = LoopSpec { body, n, n_states: 0, args: modes, results, patterns };
        let results = self.graph().repeat(spec, &args);
        results.first().copied()
    }

    /// First value and number of iterations.
    pub fn iterations(&mut self, iteration: &Iteration) -> Option<(i64, u64)> {
        let ast = self.frame().ast;
        let (lo, hi) = (self.int(iteration.range.lo), self.int(iteration.range.hi));
        let (lo, hi) = (lo?, hi?);
        let span = ast.span(iteration.range.lo).to(ast.span(iteration.range.hi));
        let (Some(first), Some(last)) = (lo.as_constant(), hi.as_constant()) else {
            self.report_not_there(span, "a range that depends on an outer iteration number");
            return None;
        };
        let n = self.range_length(&Int::constant(first), &Int::constant(last), span)?;
        Some((first, n as u64))
    }

    /// Opens the frame of a loop body that lowers `bodies`.
    pub fn open_loop(&mut self, n: u64, bodies: &[ExprId]) -> Counter {
        let counter = Counter { id: self.n_counters, frame: self.frames.len(), n };
        self.n_counters += 1;
        self.push_frame(FrameKind::Loop(counter));
        let ast = self.frame().ast;
        if !self.targets.is_empty() {
            for &body in bodies {
                derivative::collect_targets_in(ast, body, &mut self.frame().whole);
            }
        }
        counter
    }

    pub fn declare_counter(&mut self, iteration: &Iteration, lo: i64, counter: Counter) {
        let id = self.declare(&iteration.index, Bound::Int(Int::counter(lo, counter)));
        self.bindings[id.0 as usize].used = true;
    }

    /// Freezes the body of a loop and supplies its captures.
    #[allow(clippy::type_complexity)]
    pub fn close_loop(
        &mut self,
        name: &str,
        frame: Frame<'a>,
        states: &[Pattern],
        results: Vec<(Arc<str>, NodeId)>,
        counter: Counter,
    ) -> Option<(Arc<Func>, Vec<crate::graph::ArgMode>, Vec<NodeId>)> {
        let mut ports: Vec<Port> =
            states.iter().map(|pattern| Port::new("state", pattern.clone())).collect();
        let (mut modes, mut args) = (Vec::new(), Vec::new());
        for capture in &frame.captures {
            let (node, mode) = self.loop_argument(capture, counter)?;
            ports.push(Port::new(self.capture_name(capture), capture.pattern.clone()));
            modes.push(mode);
            args.push(node);
        }
        Some((Func::freeze(name, &frame.graph, ports, results), modes, args))
    }

    /// The value of a loop without iterations.
    fn empty_loop(
        &mut self,
        reduction: Option<Reduction>,
        pattern: &Pattern,
        is_scalar: bool,
        span: Span,
    ) -> Option<NodeId> {
        let (n_rows, n_cols) = pattern.shape();
        Some(match reduction {
            None if is_scalar => self.graph().zero(0, 1),
            None => self.graph().zero(n_rows, 0),
            Some(Reduction::Sum) => self.graph().zero(n_rows, n_cols),
            Some(Reduction::Prod) => self.graph().fill(Pattern::dense(n_rows, n_cols), 1.0),
            Some(reduction) => {
                let name = reduction.name();
                self.report(
                    Diagnostic::new(
                        Code::EmptyExtremum,
                        span,
                        format!("`{name}` over an empty range has no value"),
                    )
                    .label("no iterations"),
                );
                return None;
            }
        })
    }

    /// Pattern of `n` values side by side; of scalars, one below the other.
    pub fn repeated(
        &mut self,
        pattern: &Pattern,
        n: u64,
        is_scalar: bool,
        span: Span,
    ) -> Option<Pattern> {
        let (n_rows, n_cols) = pattern.shape();
        let n_repeats = usize::try_from(n).ok()?;
        let shape = if is_scalar {
            (pattern.numel().checked_mul(n_repeats)?, 1)
        } else {
            (n_rows, n_cols.checked_mul(n_repeats)?)
        };
        if !self.fits(shape.0, shape.1, span) {
            return None;
        }
        if pattern.is_dense() {
            return Some(Pattern::dense(shape.0, shape.1));
        }
        if pattern.is_zero() {
            return Some(Pattern::zero(shape.0, shape.1));
        }
        if (pattern.nnz() as u64).saturating_mul(n) > MAX_REPEATED {
            self.report(Diagnostic::new(Code::TooLarge, span, "this pattern is too large").label(
                format!(
                    "{} nonzeros in each of {n} iterations; the limit is {MAX_REPEATED}",
                    pattern.nnz()
                ),
            ));
            return None;
        }
        let numel = pattern.numel() as u64;
        let positions = (0..n).flat_map(|i| pattern.linear().map(move |at| at + i * numel));
        Some(Pattern::from_linear(shape.0, shape.1, positions))
    }

    /// `fold x = x0 for k in a..b { ... }` and `scan`
    pub fn fold(&mut self, fold: &Fold, span: Span) -> Value {
        if let Some(options) = &fold.options {
            self.report_not_there(options.name.span, &format!("`with {}`", options.name.text));
            return Value::Error;
        }
        if !self.may_nest(1, span) {
            return Value::Error;
        }
        let start = self.expr_node(fold.start);
        let Some((lo, n)) = self.iterations(&fold.iteration) else { return Value::Error };
        let Some(start) = start else { return Value::Error };
        self.fold_from(fold, start, lo, n, span).map_or(Value::Error, Value::Node)
    }

    fn fold_from(
        &mut self,
        fold: &Fold,
        start: NodeId,
        lo: i64,
        n: u64,
        span: Span,
    ) -> Option<NodeId> {
        let mut pattern = self.graph().pattern(start).clone();
        let (n_rows, n_cols) = pattern.shape();
        let is_nested = matches!(self.frame().kind, FrameKind::Loop(_));
        let mut n_attempts = 0;
        // The least pattern that holds the start and is kept by the body.
        let (frame, next, counter) = loop {
            n_attempts += 1;
            let (frame, next, counter) = self.fold_body(fold, &pattern, lo, n)?;
            let of_next = frame.graph.pattern(next);
            if of_next.shape() != (n_rows, n_cols) {
                let shape = shape_text(of_next.shape());
                let at = self.frame().ast.span(fold.body.result);
                self.report(
                    Diagnostic::new(Code::StateShape, at, "the state changes its shape")
                        .label(format!("the next state is {shape}"))
                        .secondary(
                            self.frames[self.current].ast.span(fold.start),
                            format!("the start is {}", shape_text((n_rows, n_cols))),
                        ),
                );
                return None;
            }
            let union = pattern.union(of_next);
            if union == pattern {
                break (frame, next, counter);
            }
            // Bodies of nested folds would be lowered once more at each level.
            let gives_up = is_nested || n_attempts > MAX_GROWTH;
            pattern = if gives_up { Pattern::dense(n_rows, n_cols) } else { union };
        };
        let all = if fold.keeps_all { Some(self.columns(&pattern, n, span)?) } else { None };
        if n == 0 {
            return Some(all.map_or(start, |p| self.graph().zero(p.n_rows(), p.n_cols())));
        }
        let mut frame = frame;
        let next = frame.graph.project(next, &pattern);
        let mut outputs: Vec<(Arc<str>, NodeId)> = vec![("next".into(), next)];
        let mut modes = Vec::new();
        if all.is_some() {
            outputs.push(("y".into(), next));
            modes.push(ResultMode::Window(Window::stacked(pattern.nnz())));
        }
        let name = if fold.keeps_all { "scan" } else { "fold" };
        let states = [pattern.clone()];
        let (body, arg_modes, captured) =
            self.close_loop(name, frame, &states, outputs, counter)?;
        let mut args = vec![start];
        args.extend(captured);
        let patterns: Vec<Pattern> = all.into_iter().collect();
        let spec = LoopSpec { body, n, n_states: 1, args: arg_modes, results: modes, patterns };
        self.graph().repeat(spec, &args).last().copied()
    }

    /// Pattern of `n` states as columns.
    fn columns(&mut self, pattern: &Pattern, n: u64, span: Span) -> Option<Pattern> {
        if n == 0 {
            Some(Pattern::zero(pattern.n_rows(), 0))
        } else {
            self.repeated(pattern, n, false, span)
        }
    }

    /// Lowers the body for a state of the given pattern: its frame and the next state there.
    fn fold_body(
        &mut self,
        fold: &Fold,
        pattern: &Pattern,
        lo: i64,
        n: u64,
    ) -> Option<(Frame<'a>, NodeId, Counter)> {
        let bodies: Vec<ExprId> = fold
            .body
            .lets
            .iter()
            .flat_map(|l| &l.values)
            .copied()
            .chain([fold.body.result])
            .collect();
        let counter = self.open_loop(n, &bodies);
        self.frame().n_fixed = 1;
        let state = self.graph().input(0, pattern.clone());
        let id = self.declare(&fold.state, Bound::Node(state, pattern.clone()));
        self.bindings[id.0 as usize].used = true;
        self.declare_counter(&fold.iteration, lo, counter);
        self.lets(&fold.body.lets);
        let next = self.expr_node(fold.body.result);
        let frame = self.pop_frame();
        Some((frame, next?, counter))
    }
}
