//! Comprehensions, `fold` and `scan`: each is one loop node, whatever its number of iterations.

use std::sync::Arc;

use super::frame::{Frame, FrameKind};
use super::int::Counter;
use super::iterations::Iterations;
use super::misfit::shape_text;
use super::{Bound, Lowerer, Value, derivative};
use crate::graph::{
    Func, IterationRange, LoopSpec, NodeId, Op, Port, Reduction, ResultMode, Window,
};
use crate::ops::matrix::{hcat, vcat};
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
        for clause in clauses {
            match clause {
                Clause::For(iteration) => iterations.push(iteration),
                Clause::If(condition) => {
                    let at = self.frame().ast.span(*condition);
                    self.report_not_there(at, "`if` in a comprehension (filters)");
                    return Value::Error;
                }
            }
        }
        if !self.may_nest(iterations.len(), span) {
            return Value::Error;
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
        let iterations = self.iterations(iteration)?;
        if reduction.is_none() && self.refuse_changing(&iterations, "this comprehension") {
            return None;
        }
        let pieces = match reduction {
            // Of an extreme all ties have equal shares, also those on both sides of a cut.
            Some(Reduction::Max | Reduction::Min) => Vec::new(),
            _ => self.pieces(iteration, &iterations, &[value], reduction.is_none()),
        };
        self.n_pieces *= pieces.len().max(1);
        let mut parts = Vec::with_capacity(pieces.len());
        for piece in &pieces {
            match self.nest_piece(iteration, piece, inner, value, reduction, span) {
                Some(part) => parts.push(part),
                None => break,
            }
        }
        self.n_pieces /= pieces.len().max(1);
        if parts.len() < pieces.len() {
            return None;
        }
        // Failures name the iteration of the loop as it is written.
        if pieces.is_empty() || parts.iter().any(|&(node, _)| self.may_fail(node)) {
            return self.nest_piece(iteration, &iterations, inner, value, reduction, span);
        }
        let is_scalar = parts[0].1;
        let nodes: Vec<NodeId> = parts.into_iter().map(|part| part.0).collect();
        Some((self.joined(&nodes, reduction, is_scalar), is_scalar))
    }

    /// Whether the loop that gives a node may fail.
    fn may_fail(&mut self, node: NodeId) -> bool {
        let graph = self.graph();
        graph.op(node) == Op::Result
            && graph.loop_spec(graph.arg(node, 0)).is_some_and(|spec| spec.body.may_fail())
    }

    /// The value of a loop from those of the loops it was cut into.
    fn joined(
        &mut self,
        parts: &[NodeId],
        reduction: Option<Reduction>,
        is_scalar: bool,
    ) -> NodeId {
        let graph = self.graph();
        let mut rest = parts.iter().copied();
        let first = rest.next();
        match reduction {
            Some(reduction) => rest
                .fold(first, |all, part| all.map(|all| graph.binary(reduction.op(), all, part)))
                .unwrap_or(NodeId(0)),
            None if parts.len() == 1 => parts[0],
            None if is_scalar => vcat(graph, parts),
            None => hcat(graph, parts),
        }
    }

    fn nest_piece(
        &mut self,
        iteration: &Iteration,
        iterations: &Iterations,
        inner: &[&Iteration],
        value: ExprId,
        reduction: Option<Reduction>,
        span: Span,
    ) -> Option<(NodeId, bool)> {
        let n = iterations.n;
        let n_facts = self.facts.len();
        let counter = self.open_loop(n, &[value]);
        let range = self.begin_iterations(iteration, iterations, counter);
        let body = self.nest(inner, value, reduction, span);
        self.forget(n_facts);
        let frame = self.pop_frame();
        let (range, (node, is_scalar)) = (range?, body?);
        if reduction.is_some_and(|reduction| self.may_be_empty(iterations, reduction)) {
            self.report_empty_extremum(reduction, "some of the ranges are empty", span);
            return None;
        }
        let pattern = frame.graph.pattern(node).clone();
        if n == 0 {
            let node = self.empty_loop(reduction, &pattern, is_scalar, span)?;
            return Some((node, is_scalar));
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
        let spec = LoopSpec { body, n, n_states: 0, args: modes, results, patterns, range };
        let results = self.graph().repeat(spec, &args);
        Some((*results.first()?, is_scalar))
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

    /// Declares the iteration number in the body of a loop, and captures what decides the range.
    fn begin_iterations(
        &mut self,
        iteration: &Iteration,
        iterations: &Iterations,
        counter: Counter,
    ) -> Option<Option<IterationRange>> {
        let number = iterations.number(counter);
        let id = self.declare(&iteration.index, number.map_or(Bound::Error, Bound::Int));
        self.bindings[id.0 as usize].used = true;
        self.assume_iterations(iterations, counter);
        self.iteration_range(iterations)
    }

    /// Freezes the body of a loop and supplies its captures.
    #[allow(clippy::type_complexity)]
    fn close_loop(
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
            Some(_) if self.is_unreachable() => self.graph().zero(n_rows, n_cols),
            Some(_) => {
                self.report_empty_extremum(reduction, "no iterations", span);
                return None;
            }
        })
    }

    fn report_empty_extremum(&mut self, reduction: Option<Reduction>, label: &str, span: Span) {
        let name = reduction.map_or("max", Reduction::name);
        let message = format!("`{name}` over an empty range has no value");
        self.report(Diagnostic::new(Code::EmptyExtremum, span, message).label(label));
    }

    /// Pattern of `n` values side by side; of scalars, one below the other.
    fn repeated(
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
        let Some(iterations) = self.iterations(&fold.iteration) else { return Value::Error };
        let Some(start) = start else { return Value::Error };
        if fold.keeps_all && self.refuse_changing(&iterations, "this `scan`") {
            return Value::Error;
        }
        let bodies = fold_bodies(fold);
        let pieces = self.pieces(&fold.iteration, &iterations, &bodies, fold.keeps_all);
        let mut states = self.fold_pieces(fold, start, &pieces, span);
        let may_fail = states.iter().flatten().any(|&(state, _)| self.may_fail(state));
        if pieces.is_empty() || may_fail {
            states = self.fold_pieces(fold, start, &[iterations], span);
        }
        let Some(&Some((last, _))) = states.last() else { return Value::Error };
        if !fold.keeps_all {
            return Value::Node(last);
        }
        let columns: Vec<NodeId> = states.iter().flatten().filter_map(|state| state.1).collect();
        Value::Node(self.joined(&columns, None, false))
    }

    /// The last state of each of the loops that a fold is cut into, and all of its states as
    /// columns if they are kept; `None` after a mistake.
    fn fold_pieces(
        &mut self,
        fold: &Fold,
        start: NodeId,
        pieces: &[Iterations],
        span: Span,
    ) -> Vec<Option<(NodeId, Option<NodeId>)>> {
        self.n_pieces *= pieces.len().max(1);
        let mut states = Vec::with_capacity(pieces.len());
        let mut state = Some(start);
        for piece in pieces {
            let Some(start) = state else { break };
            let after = self.fold_from(fold, start, piece, span);
            state = after.map(|after| after.0);
            states.push(after);
        }
        self.n_pieces /= pieces.len().max(1);
        states
    }

    fn fold_from(
        &mut self,
        fold: &Fold,
        start: NodeId,
        iterations: &Iterations,
        span: Span,
    ) -> Option<(NodeId, Option<NodeId>)> {
        let n = iterations.n;
        let mut pattern = self.graph().pattern(start).clone();
        let (n_rows, n_cols) = pattern.shape();
        let is_nested = matches!(self.frame().kind, FrameKind::Loop(_));
        let mut n_attempts = 0;
        // The least pattern that holds the start and is kept by the body.
        let (frame, next, counter, range) = loop {
            n_attempts += 1;
            let (frame, next, counter, range) = self.fold_body(fold, &pattern, iterations)?;
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
                break (frame, next, counter, range);
            }
            // Bodies of nested folds would be lowered once more at each level.
            let gives_up = is_nested || n_attempts > MAX_GROWTH;
            pattern = if gives_up { Pattern::dense(n_rows, n_cols) } else { union };
        };
        let all = if fold.keeps_all { Some(self.columns(&pattern, n, span)?) } else { None };
        if n == 0 {
            let columns = all.map(|p| self.graph().zero(p.n_rows(), p.n_cols()));
            return Some((start, columns));
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
        let (n_states, results) = (1, modes);
        let spec = LoopSpec { body, n, n_states, args: arg_modes, results, patterns, range };
        let results = self.graph().repeat(spec, &args);
        Some((*results.first()?, results.get(1).copied()))
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
        iterations: &Iterations,
    ) -> Option<(Frame<'a>, NodeId, Counter, Option<IterationRange>)> {
        let bodies = fold_bodies(fold);
        let n_facts = self.facts.len();
        let counter = self.open_loop(iterations.n, &bodies);
        self.frame().n_fixed = 1;
        let state = self.graph().input(0, pattern.clone());
        let id = self.declare(&fold.state, Bound::Node(state, pattern.clone()));
        self.bindings[id.0 as usize].used = true;
        let range = self.begin_iterations(&fold.iteration, iterations, counter);
        self.lets(&fold.body.lets);
        let next = self.expr_node(fold.body.result);
        self.forget(n_facts);
        let frame = self.pop_frame();
        Some((frame, next?, counter, range?))
    }
}

/// The expressions of the body of a fold.
fn fold_bodies(fold: &Fold) -> Vec<ExprId> {
    let lets = fold.body.lets.iter().flat_map(|l| &l.values);
    lets.copied().chain([fold.body.result]).collect()
}
