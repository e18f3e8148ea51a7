//! `fold` and `scan`: loops with a state, by blocks where only some states are to be stored.

use std::sync::Arc;

use super::frame::{Frame, FrameKind};
use super::int::{Counter, Int};
use super::iterations::Iterations;
use super::misfit::shape_text;
use super::{Bound, Lowerer, Value};
use crate::graph::{IterationRange, LoopSpec, NodeId, ResultMode, Window};
use crate::sparsity::Pattern;
use crate::syntax::ast::{Argument, ExprId, Fold};
use crate::syntax::{Code, Diagnostic, Span};

/// How often the pattern of a state may grow before it is taken as dense.
const MAX_GROWTH: usize = 4;

impl<'a> Lowerer<'a> {
    /// `fold x = x0 for k in a..b { ... }` and `scan`
    pub fn fold(&mut self, fold: &Fold, span: Span) -> Value {
        // All states of a scan are stored anyway.
        let Ok(checkpoint) = self.checkpoint(fold) else { return Value::Error };
        let checkpoint = checkpoint.filter(|_| !fold.keeps_all);
        if !self.may_nest(if checkpoint.is_some() { 2 } else { 1 }, span) {
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
        let whole = [iterations];
        let n_diagnostics = self.diagnostics.len();
        let mut states = self.fold_pieces(fold, start, &in_blocks(&pieces, checkpoint), span);
        let may_fail = states.iter().flatten().any(|&(state, _)| self.may_fail(state));
        if pieces.is_empty() || may_fail {
            states = self.fold_pieces(fold, start, &in_blocks(&whole, checkpoint), span);
        }
        // `div` and `mod` of an iteration number need it in one counter: no blocks then.
        if checkpoint.is_some() && self.diagnostics.len() > n_diagnostics {
            self.diagnostics.truncate(n_diagnostics);
            states = self.fold_pieces(fold, start, &in_blocks(&whole, None), span);
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
        pieces: &[(Iterations, Steps)],
        span: Span,
    ) -> Vec<Option<(NodeId, Option<NodeId>)>> {
        self.n_pieces *= pieces.len().max(1);
        let mut states = Vec::with_capacity(pieces.len());
        let mut state = Some(start);
        for (piece, steps) in pieces {
            let Some(start) = state else { break };
            let after = self.fold_from(fold, start, piece, *steps, span);
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
        steps: Steps,
        span: Span,
    ) -> Option<(NodeId, Option<NodeId>)> {
        let n = iterations.n;
        let mut pattern = self.graph().pattern(start).clone();
        let (n_rows, n_cols) = pattern.shape();
        let is_nested = matches!(self.frame().kind, FrameKind::Loop(_)) && steps != Steps::OfBlock;
        let mut n_attempts = 0;
        // The least pattern that holds the start and is kept by the body.
        let (frame, next, counter, range) = loop {
            n_attempts += 1;
            let (frame, next, counter, range) =
                self.fold_body(fold, &pattern, iterations, steps, span)?;
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
    #[allow(clippy::type_complexity)]
    fn fold_body(
        &mut self,
        fold: &Fold,
        pattern: &Pattern,
        iterations: &Iterations,
        steps: Steps,
        span: Span,
    ) -> Option<(Frame<'a>, NodeId, Counter, Option<IterationRange>)> {
        let bodies = fold_bodies(fold);
        let n_facts = self.facts.len();
        let counter = self.open_loop(iterations.n, &bodies);
        self.frame().n_fixed = 1;
        let state = self.graph().input(0, pattern.clone());
        let (range, next) = if let Steps::Blocks(n) = steps {
            let start = i64::try_from(n).ok().and_then(|n| Int::counter(0, counter).scale(n));
            let start = start.and_then(|start| start.add(&iterations.start));
            let next = start.and_then(|start| {
                let block = Iterations { start, n, range: None, span: iterations.span };
                self.fold_from(fold, state, &block, Steps::OfBlock, span)
            });
            (Some(None), next.map(|next| next.0))
        } else {
            let id = self.declare(&fold.state, Bound::Node(state, pattern.clone()));
            self.bindings[id.0 as usize].used = true;
            let range = self.begin_iterations(&fold.iteration, iterations, counter);
            self.lets(&fold.body.lets);
            (range, self.expr_node(fold.body.result))
        };
        self.forget(n_facts);
        let frame = self.pop_frame();
        Some((frame, next?, counter, range?))
    }

    /// The number in `with checkpoint(number)`.
    fn checkpoint(&mut self, fold: &Fold) -> Result<Option<u64>, ()> {
        let Some(options) = &fold.options else { return Ok(None) };
        let name = &options.name;
        if &*name.text != "checkpoint" {
            let message = format!("a loop has no option `{}`", name.text);
            self.report(
                Diagnostic::new(Code::UnknownOption, name.span, message)
                    .label("unknown option")
                    .help("`with checkpoint(100)` stores every 100th state only"),
            );
            return Err(());
        }
        let number = match &options.arguments[..] {
            [Argument { name: None, value }] => match self.int(*value) {
                Some(int) => int.as_constant(),
                None => return Err(()),
            },
            _ => None,
        };
        match number.and_then(|number| u64::try_from(number).ok()) {
            Some(number @ 1..) => Ok(Some(number)),
            _ => {
                self.report(
                    Diagnostic::new(
                        Code::NotAnInteger,
                        name.span,
                        "`checkpoint` takes one constant integer above 0",
                    )
                    .help("`with checkpoint(100)` stores every 100th state only"),
                );
                Err(())
            }
        }
    }
}

/// What one iteration of a fold does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Steps {
    /// One step.
    Single,
    /// One step, of a block.
    OfBlock,
    /// So many steps, of which derivatives store the first state only.
    Blocks(u64),
}

/// Loops of blocks of `checkpoint` steps and of what remains, for each piece of a loop that is
/// longer. Reverse mode then stores the states of the outer loop, and makes those inside of a
/// block anew (Griewank & Walther, "Evaluating Derivatives", 2nd ed., section 12.2).
fn in_blocks(pieces: &[Iterations], checkpoint: Option<u64>) -> Vec<(Iterations, Steps)> {
    let mut loops = Vec::new();
    for piece in pieces {
        let blocks = checkpoint.filter(|&len| len > 1 && len < piece.n && piece.range.is_none());
        let rest = blocks.and_then(|len| {
            let done = piece.n - piece.n % len;
            let start = piece.start.add(&Int::constant(i64::try_from(done).ok()?))?;
            loops.push((Iterations { n: piece.n / len, ..piece.clone() }, Steps::Blocks(len)));
            Some(Iterations { start, n: piece.n % len, ..piece.clone() })
        });
        let rest = rest.unwrap_or_else(|| piece.clone());
        if rest.n > 0 || blocks.is_none() {
            loops.push((rest, Steps::Single));
        }
    }
    loops
}

/// The expressions of the body of a fold.
fn fold_bodies(fold: &Fold) -> Vec<ExprId> {
    let lets = fold.body.lets.iter().flat_map(|l| &l.values);
    lets.copied().chain([fold.body.result]).collect()
}
