//! Loops as comprehensions, `fold` and `scan`.

use super::body::{Block, Inside};
use super::value::{Value, progression};
use super::{NoSpelling, Program, no_spelling};
use crate::graph::{ArgMode, LoopSpec, NodeId, Origin, ResultMode, Window};
use crate::ops::scalar::precedence;
use crate::sparsity::{IndexMap, Pattern};
use crate::syntax::is_name;

impl Block<'_, '_> {
    /// A loop that gives one value.
    pub(super) fn repeat(
        &mut self,
        program: &mut Program,
        id: NodeId,
    ) -> Result<Value, NoSpelling> {
        let Some(spec) = self.graph.loop_spec(id).cloned() else {
            return no_spelling(self.place(id));
        };
        let Some((body, outputs)) = spec.body.graph() else {
            return no_spelling(format!("{}, of a function from outside", self.place(id)));
        };
        let stacked = |r: usize| {
            let n = spec.body.outputs[spec.n_states + r].pattern.nnz();
            spec.results[r] == ResultMode::Window(Window::stacked(n))
        };
        let is_scan =
            spec.n_states == 1 && spec.results.len() == 1 && stacked(0) && outputs[0] == outputs[1];
        let is_fold = spec.n_states == 1 && spec.results.is_empty();
        let opening = match &spec.results[..] {
            [ResultMode::Reduce(reduction)] if spec.n_states == 0 => {
                Some((reduction.name(), "(", ")"))
            }
            [ResultMode::Window(_)] if spec.n_states == 0 && stacked(0) => Some(("", "[", "]")),
            _ => None,
        };
        if !is_scan && !is_fold && opening.is_none() {
            let what = match spec.results.len() + spec.n_states {
                1 => "which adds up in windows",
                _ => "with several states or results",
            };
            return no_spelling(format!("{}, {what}", self.place(id)));
        }
        let counter = program.fresh("k");
        let n = spec.n;
        let mut inputs = Vec::new();
        let state = match is_scan || is_fold {
            true => {
                let name = program.fresh("s");
                inputs.push(Value::atom(name.clone()));
                Some(name)
            }
            false => None,
        };
        for k in 0..spec.args.len() {
            let seen = self.seen(program, id, &spec, k, &counter)?;
            inputs.push(seen);
        }
        let Some(state) = state else {
            let (name, open, close) = opening.unwrap_or_default();
            let inside = Inside::Expression;
            let mut block = Block::new(&spec.body, body, outputs, inputs, inside, self.depth);
            block.value(program, outputs[0])?;
            let value = block.plain(outputs[0])?.at_least(precedence::OR);
            return Ok(Value::atom(format!("{name}{open}{value} for {counter} in 0..{n}{close}")));
        };
        let start = self.plain(self.graph.arg(id, 0))?.at_least(precedence::OR);
        let word = if is_scan { "scan" } else { "fold" };
        let head = format!("{word} {state} = {start} for {counter} in 0..{n} {{");
        let mut lines = Vec::new();
        let depth = self.depth + 1;
        let inside = Inside::Lines(&mut lines);
        let mut block = Block::new(&spec.body, body, outputs, inputs, inside, depth);
        block.value(program, outputs[0])?;
        let next = block.plain(outputs[0])?.text;
        // A line that begins with a sign would go on with the one before.
        let next = if next.starts_with('-') { format!("({next})") } else { next };
        let text = match lines.is_empty() {
            true => format!("{head} {next} }}"),
            false => {
                let indent = "  ".repeat(depth);
                let outer = "  ".repeat(self.depth);
                format!("{head}\n{}\n{indent}{next}\n{outer}}}", lines.join("\n"))
            }
        };
        Ok(Value { text, precedence: 0 })
    }

    /// What an iteration sees of argument `k` after the states.
    fn seen(
        &mut self,
        program: &mut Program,
        id: NodeId,
        spec: &LoopSpec,
        k: usize,
        counter: &str,
    ) -> Result<Value, NoSpelling> {
        let of = self.graph.arg(id, spec.n_states + k);
        match &spec.args[k] {
            ArgMode::Iteration { base, step } => Ok(progression(*base, *step, counter)),
            ArgMode::Broadcast => self.captured(program, of),
            ArgMode::Window(window) => {
                let whole = self.captured(program, of)?;
                let (from, to) =
                    (self.graph.pattern(of), &spec.body.inputs[spec.n_states + k].pattern);
                match indices(window, from, to, spec.n, counter) {
                    Some(text) => {
                        let whole = match is_name(&whole.text) {
                            true => whole.text,
                            false => whole.at_least(precedence::ATOM),
                        };
                        Ok(Value::atom(format!("{whole}[{text}]")))
                    }
                    None => no_spelling(format!("argument {k} of {}: its windows", self.place(id))),
                }
            }
        }
    }
}

/// What stands between the brackets of a moving slice of a dense value.
fn indices(window: &Window, from: &Pattern, to: &Pattern, n: u64, counter: &str) -> Option<String> {
    let Origin::Affine { base, step } = window.origin else { return None };
    if !from.is_dense() || !to.is_dense() {
        return None;
    }
    let ((n_rows, n_cols), (height, width)) = (from.shape(), to.shape());
    let first = window.map.iter().next()?;
    let base = base + first as i64;
    let span = |base: i64, step: i64, len: usize, of: usize| match (len, step) {
        (1, _) => progression(base, step, counter).text,
        (len, 0) if base == 0 && len == of => ":".to_owned(),
        (len, _) => format!(
            "{}..{}",
            progression(base, step, counter).text,
            progression(base + len as i64, step, counter).text
        ),
    };
    let is_run = window.map == IndexMap::range(first, height * width);
    if n_cols == 1 && width == 1 && is_run {
        return Some(span(base, step, height, n_rows));
    }
    if n_rows == 1 && height == 1 && is_run {
        return Some(span(base, step, width, n_cols));
    }
    let rows = n_rows as i64;
    let is_block = window.map == IndexMap::affine(first, &[(height, 1), (width, rows)]);
    let (row, col) = (base.rem_euclid(rows), base.div_euclid(rows));
    if is_block && step % rows == 0 {
        let rows_text = span(row, 0, height, n_rows);
        return Some(format!("{rows_text}, {}", span(col, step / rows, width, n_cols)));
    }
    let last = row + step * (n as i64 - 1);
    if is_block && last.min(row) >= 0 && last.max(row) + height as i64 <= rows {
        return Some(format!(
            "{}, {}",
            span(row, step, height, n_rows),
            span(col, 0, width, n_cols)
        ));
    }
    (width == 1 && is_run).then(|| span(base, step, height, usize::MAX))
}
