//! Comprehensions: each is one loop node, whatever its number of iterations.

use std::sync::Arc;

use super::frame::{Frame, FrameKind};
use super::int::{Counter, Int};
use super::iterations::Iterations;
use super::{Bound, Lowerer, Value, derivative};
use crate::graph::{
    Func, IterationRange, LoopSpec, NodeId, Op, Port, Reduction, ResultMode, Window,
};
use crate::ops::matrix::{hcat, vcat};
use crate::sparsity::Pattern;
use crate::syntax::ast::{Clause, ExprId, Iteration, Name};
use crate::syntax::{Code, Diagnostic, Span};

/// The most nonzeros of a sparse pattern that a comprehension may repeat.
const MAX_REPEATED: u64 = 100_000_000;

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
    pub fn may_fail(&mut self, node: NodeId) -> bool {
        let graph = self.graph();
        graph.op(node) == Op::Result
            && graph.loop_spec(graph.arg(node, 0)).is_some_and(|spec| spec.body.may_fail())
    }

    /// The value of a loop from those of the loops it was cut into.
    pub fn joined(
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
        let node =
            self.close_comprehension(frame, node, is_scalar, reduction, counter, range, span)?;
        Some((node, is_scalar))
    }

    /// The loop of a body that has been lowered to `node` in `frame`; `is_scalar` says whether
    /// the innermost value is one.
    #[allow(clippy::too_many_arguments)]
    pub fn close_comprehension(
        &mut self,
        frame: Frame<'a>,
        node: NodeId,
        is_scalar: bool,
        reduction: Option<Reduction>,
        counter: Counter,
        range: Option<IterationRange>,
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
        let spec = LoopSpec { body, n, n_states: 0, args: modes, results, patterns, range };
        let results = self.graph().repeat(spec, &args);
        results.first().copied()
    }

    /// First value and number of iterations of a loop whose range is constant.
    pub fn constant_iterations(&mut self, iteration: &Iteration) -> Option<(i64, u64)> {
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

    /// Declares the iteration number in the body of a loop over a constant range.
    pub fn declare_counter(&mut self, iteration: &Iteration, lo: i64, counter: Counter) {
        let id = self.declare(&iteration.index, Bound::Int(Int::counter(lo, counter)));
        self.bindings[id.0 as usize].used = true;
    }

    /// Declares the iteration number in the body of a loop, and captures what decides the range.
    pub fn begin_iterations(
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
            Some(_) if self.is_unreachable() => self.graph().zero(n_rows, n_cols),
            Some(_) => {
                self.report_empty_extremum(reduction, "no iterations", span);
                return None;
            }
        })
    }

    /// A message about `max` or `min` of nothing.
    pub fn report_empty_extremum(&mut self, reduction: Option<Reduction>, label: &str, span: Span) {
        let name = reduction.map_or("max", Reduction::name);
        let message = format!("`{name}` over an empty range has no value");
        self.report(Diagnostic::new(Code::EmptyExtremum, span, message).label(label));
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
}
