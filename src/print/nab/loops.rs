//! Loops as comprehensions, `fold` and `scan`.

use super::body::{Block, Inside};
use super::packed::{accumulated, called, packed, packed_together, select, unpacked};
use super::value::{Value, matrix, number, progression};
use super::{NoSpelling, Program, no_spelling};
use crate::graph::{ArgMode, Bound, LoopSpec, NodeId, Origin, Reduction, ResultMode, Window};
use crate::ops::scalar::precedence;
use crate::sparsity::{IndexMap, Pattern};
use crate::syntax::is_name;

impl Block<'_, '_> {
    /// A loop. Of one with several states or results the values are named.
    pub(super) fn repeat(
        &mut self,
        program: &mut Program,
        id: NodeId,
        used: &dyn Fn(usize) -> bool,
    ) -> Result<Value, NoSpelling> {
        let Some(spec) = self.graph.loop_spec(id).cloned() else {
            return no_spelling(self.place(id));
        };
        if spec.body.graph().is_none() {
            return no_spelling(format!("{}, of a function from outside", self.place(id)));
        }
        match self.single(program, id, &spec, used) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => self.together(program, id, &spec, used),
            Err(why) => self.together(program, id, &spec, used).map_err(|_| why),
        }
    }

    /// A loop that gives one value, if it has a form of its own.
    fn single(
        &mut self,
        program: &mut Program,
        id: NodeId,
        spec: &LoopSpec,
        used: &dyn Fn(usize) -> bool,
    ) -> Result<Option<Value>, NoSpelling> {
        let Some((body, outputs)) = spec.body.graph() else { return Ok(None) };
        let stacked = |r: usize| {
            let n = spec.body.outputs[spec.n_states + r].pattern.nnz();
            // A result may have more windows than there are iterations.
            let is_covered = n.checked_mul(spec.n as usize) == Some(spec.patterns[r].nnz());
            is_covered && spec.results[r] == ResultMode::Window(Window::stacked(n))
        };
        let is_scan = spec.n_states == 1
            && spec.results.len() == 1
            && stacked(0)
            && outputs[0] == outputs[1]
            && !used(0);
        let is_fold = spec.n_states == 1 && spec.results.is_empty();
        let opening = match &spec.results[..] {
            [ResultMode::Reduce(reduction)]
                if spec.n_states == 0 && spec.patterns[0] == spec.body.outputs[0].pattern =>
            {
                Some((reduction.name(), "(", ")"))
            }
            [ResultMode::Window(_)] if spec.n_states == 0 && stacked(0) => Some(("", "[", "]")),
            _ => None,
        };
        if !is_scan && !is_fold && opening.is_none() {
            return Ok(None);
        }
        let may_change = !is_scan && opening != Some(("", "[", "]"));
        let state = (is_scan || is_fold).then(|| program.fresh("s"));
        let (counter, seen) = self.iteration(program, id, spec)?;
        let running = self.running(program, spec, &seen, &counter, may_change);
        let mut inputs: Vec<Value> = state.iter().map(|name| Value::atom(name.clone())).collect();
        inputs.extend(seen);
        let Some(state) = state else {
            let (name, open, close) = opening.unwrap_or_default();
            let inside = Inside::Expression;
            let given = inputs.clone();
            let mut block = Block::new(&spec.body, body, outputs, given, inside, self.depth);
            let value = match block.value(program, outputs[0]) {
                Ok(value) => value,
                // What needs names has them in a function.
                Err(_) => called(&program.function(&spec.body)?, &spec.body, &inputs),
            };
            let otherwise = match spec.results.first() {
                Some(ResultMode::Reduce(r)) => {
                    matrix(&spec.body.outputs[0].pattern, &|_| r.identity())?
                }
                _ => matrix(&zero_like(&spec.body.outputs[0].pattern), &|_| 0.0)?,
            };
            let (range, value) = running.around(value, &otherwise);
            let value = value.at_least(precedence::OR);
            let all = Value::atom(format!("{name}{open}{value} for {counter} in {range}{close}"));
            return match open {
                "[" => {
                    arranged(program, all, spec, spec.body.outputs[0].pattern.is_scalar()).map(Some)
                }
                _ => Ok(Some(all)),
            };
        };
        let start = self.plain(program, self.graph.arg(id, 0))?.0.at_least(precedence::OR);
        let word = if is_scan { "scan" } else { "fold" };
        let mut lines = Vec::new();
        let depth = self.depth + 1;
        let inside = Inside::Lines(&mut lines);
        let mut block = Block::new(&spec.body, body, outputs, inputs, inside, depth);
        block.value(program, outputs[0])?;
        let next = block.plain(program, outputs[0])?.0;
        let (range, next) = running.around(next, &Value::atom(state.clone()));
        let head = format!("{word} {state} = {start} for {counter} in {range} {{");
        let value = folded(&head, &lines, next.text, self.depth);
        if is_scan { arranged(program, value, spec, false).map(Some) } else { Ok(Some(value)) }
    }

    /// A loop with several states or results, or one that adds up in windows: its values in all
    /// iterations are columns, out of which come the results.
    fn together(
        &mut self,
        program: &mut Program,
        id: NodeId,
        spec: &LoopSpec,
        used: &dyn Fn(usize) -> bool,
    ) -> Result<Value, NoSpelling> {
        if matches!(self.inside, Inside::Expression) {
            let place = self.place(id);
            return no_spelling(format!("{place}: it needs names where none can be given"));
        }
        let s = spec.n_states;
        let sizes: Vec<usize> = spec.body.outputs.iter().map(|port| port.pattern.nnz()).collect();
        let n_state: usize = sizes[..s].iter().sum();
        let total: usize = sizes.iter().sum();
        let n_results = total - n_state;
        let n = spec.n as usize;
        let whole_of = |n: usize| n.checked_mul(total).filter(|&all| all > 0 && n > 0);
        let Some(n_stored) = whole_of(n) else {
            return no_spelling(format!("{}, without iterations or values", self.place(id)));
        };
        let function = program.packed_function(&spec.body)?;
        let (counter, seen) = self.iteration(program, id, spec)?;
        let running = self.running(program, spec, &seen, &counter, false);
        let state = program.fresh("s");
        let mut arguments = Vec::with_capacity(spec.body.inputs.len());
        let mut starts = Vec::with_capacity(s);
        let mut offset = 0;
        for (k, size) in sizes.iter().enumerate().take(s) {
            let pattern = &spec.body.inputs[k].pattern;
            let column = Value::atom(state.clone());
            let all = if n_results == 0 { n_state } else { total };
            arguments.push(unpacked(program, &column, all, offset, pattern)?);
            starts.push((self.exact(program, self.graph.arg(id, k))?, pattern));
            offset += size;
        }
        arguments.extend(seen.iter().cloned());
        let call = called(&function, &spec.body, &arguments);
        let zeros = |n: usize| match n {
            1 => "0".to_owned(),
            n => format!("zeros({n}, 1)"),
        };
        let text = if n_state == 0 {
            let (range, value) = running.around(call, &Value::atom(zeros(n_results)));
            let value = value.at_least(precedence::OR);
            format!("[{value} for {counter} in {range}]")
        } else {
            let kept = match n_results {
                0 => state.clone(),
                n => format!("[{state}[0..{n_state}], {}]", zeros(n)),
            };
            let (range, next) = running.around(call, &Value::atom(kept));
            let start = packed_together(program, &starts, n_results)?.text;
            let word = if n_results == 0 { "fold" } else { "scan" };
            let head = format!("{word} {state} = {start} for {counter} in {range} {{");
            folded(&head, &[], next.text, self.depth).text
        };
        program.differs.push(format!("{}: its values are columns", self.place(id)));
        let mut all = Value { text, precedence: 0 };
        self.name(program, &mut all);
        let mut names = Vec::with_capacity(s + spec.results.len());
        // The states after the last iteration.
        let mut offset = 0;
        for (k, size) in sizes.iter().enumerate().take(s) {
            let pattern = &spec.body.inputs[k].pattern;
            let start = if n_results == 0 { offset } else { offset + n_stored - total };
            let all_entries = if n_results == 0 { n_state } else { n_stored };
            let column = match n_results {
                0 => all.clone(),
                _ if total == 1 => all.clone(),
                _ => Value::atom(format!("vec({})", all.text)),
            };
            let mut value = match used(k) {
                true => unpacked(program, &column, all_entries, start, pattern)?,
                false => Value::atom(""),
            };
            if used(k) {
                self.name(program, &mut value);
            }
            names.push(value.text);
            offset += size;
        }
        for (r, mode) in spec.results.iter().enumerate() {
            let rows = (offset, sizes[s + r], total);
            offset += sizes[s + r];
            if !used(s + r) {
                names.push(String::new());
                continue;
            }
            let pattern = &spec.patterns[r];
            let mut value = match mode {
                ResultMode::Reduce(reduction) => {
                    let running = self.running(program, spec, &seen, &counter, true);
                    let how = (s, &running, &*counter);
                    let column = reduced(program, *reduction, &all, rows, how)?;
                    match *pattern == Pattern::dense(rows.1, 1) {
                        true => column,
                        false => unpacked(program, &column, rows.1, 0, pattern)?,
                    }
                }
                ResultMode::Window(window) => placed(program, &all, window, rows, spec.n, pattern)?,
            };
            self.name(program, &mut value);
            names.push(value.text);
        }
        self.results.insert(id, names);
        Ok(Value::atom(""))
    }

    /// The name of the iteration number, and what an iteration sees of each argument.
    fn iteration(
        &mut self,
        program: &mut Program,
        id: NodeId,
        spec: &LoopSpec,
    ) -> Result<(String, Vec<Value>), NoSpelling> {
        let counter = program.fresh("k");
        let mut seen = Vec::with_capacity(spec.args.len());
        for k in 0..spec.args.len() {
            seen.push(self.seen(program, id, spec, k, &counter)?);
        }
        Ok((counter, seen))
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
        let inside = &spec.body.inputs[spec.n_states + k].pattern;
        match &spec.args[k] {
            ArgMode::Iteration { base, step } => {
                let value = progression(*base, *step, counter);
                let last = base.saturating_add(step.saturating_mul(spec.n as i64 - 1));
                let extent = (*base.min(&last), *base.max(&last));
                program.integers.insert(value.text.clone(), extent);
                Ok(value)
            }
            _ if inside.is_zero() => matrix(inside, &|_| 0.0),
            ArgMode::Broadcast => self.captured(program, of),
            ArgMode::Window(window) => {
                let from = self.graph.pattern(of);
                let Some(text) = indices(window, from, inside, spec.n, counter) else {
                    return self.window(program, of, window, inside, spec.n, counter);
                };
                let whole = self.captured(program, of)?;
                let whole = match is_name(&whole.text) {
                    true => whole.text,
                    false => whole.at_least(precedence::ATOM),
                };
                Ok(Value::atom(format!("{whole}[{text}]")))
            }
        }
    }

    /// A window of another form than a moving block of a dense value: part of a column.
    fn window(
        &mut self,
        program: &mut Program,
        of: NodeId,
        window: &Window,
        inside: &Pattern,
        n: u64,
        counter: &str,
    ) -> Result<Value, NoSpelling> {
        let from = self.graph.pattern(of);
        let whole = self.captured(program, of)?;
        let len = window.map.len();
        // One index counts the entries of a matrix column by column; a range of a row is a row.
        let is_plain = from.is_dense() && (from.n_rows() > 1 || from.n_cols() == 1 || len == 1);
        let column = if is_plain { Some(whole) } else { packed(program, &whole, from)? };
        let Some(column) = column else { return matrix(inside, &|_| 0.0) };
        let base = column.at_least(precedence::ATOM);
        let first = window.map.iter().next().unwrap_or(0);
        let is_run = window.map == IndexMap::range(first, len);
        let span = |at: Value, end: Value| match len {
            1 => at.text,
            _ => format!("{}..{}", at.text, end.text),
        };
        let part = match &window.origin {
            _ if from.nnz() == 1 && len == 1 => base,
            Origin::Affine { base: start, step } if is_run => {
                let start = start + first as i64;
                let end = progression(start + len as i64, *step, counter);
                format!("{base}[{}]", span(progression(start, *step, counter), end))
            }
            Origin::Table(table) if is_run => {
                let starts = table.iter().map(|&at| at + first as u32).collect();
                let name = program.indices((table.len(), 1), starts)?;
                let at = Value::atom(format!("{name}[{counter}]"));
                let end = Value::atom(format!("{} + {len}", at.text));
                format!("{base}[{}]", span(at, end))
            }
            _ => {
                let all = (0..n).flat_map(|i| (0..len).map(move |k| window.index(i, k) as u32));
                let n_all = (n as usize).saturating_mul(len);
                if n_all > super::value::MOST_ENTRIES {
                    return no_spelling(format!("{}: its windows", self.place(of)));
                }
                let name = program.indices((len, n as usize), all.collect())?;
                match len {
                    1 => format!("vec({base})[vec({name})][{counter}]"),
                    _ => format!("{base}[{name}][:, {counter}]"),
                }
            }
        };
        unpacked(program, &Value::atom(part), len, 0, inside)
    }

    /// Which iterations run. Where `may_change` allows, the range says so.
    fn running(
        &self,
        program: &Program,
        spec: &LoopSpec,
        seen: &[Value],
        counter: &str,
        may_change: bool,
    ) -> Running {
        let n = spec.n as i64;
        let Some(range) = &spec.range else {
            return Running { range: format!("0..{n}"), condition: None };
        };
        let text = |bound: &Bound| {
            let mut text = String::new();
            let mut extent = Some((bound.base, bound.base));
            for &(k, factor) in &bound.terms {
                let value = &seen[k];
                let known = program.integers.get(&value.text);
                extent = extent.zip(known).map(|((lo, hi), &(a, b))| {
                    let (a, b) = (a.saturating_mul(factor), b.saturating_mul(factor));
                    (lo.saturating_add(a.min(b)), hi.saturating_add(a.max(b)))
                });
                let sign = if factor < 0 { "-" } else { "+" };
                let value = match factor.unsigned_abs() {
                    1 => value.at_least(precedence::PRODUCT),
                    factor => format!("{factor} * {}", value.at_least(precedence::PRODUCT + 1)),
                };
                text = match (text.is_empty(), factor < 0) {
                    (true, false) => value,
                    (true, true) => format!("0 - {value}"),
                    (false, _) => format!("{text} {sign} {value}"),
                };
            }
            let text = match (text.is_empty(), bound.base) {
                (true, base) => number(base as f64).text,
                (false, 0) => text,
                (false, base) if base < 0 => format!("{text} - {}", base.unsigned_abs()),
                (false, base) => format!("{text} + {base}"),
            };
            (text, extent)
        };
        let ((first, least), (last, largest)) = (text(&range.first), text(&range.last));
        let fits = least.is_some_and(|(least, _)| least >= 0)
            && largest.is_some_and(|(_, largest)| largest <= n);
        if may_change && fits {
            return Running { range: format!("{first}..{last}"), condition: None };
        }
        let condition = Some(format!("{counter} >= {first} and {counter} < {last}"));
        Running { range: format!("0..{n}"), condition }
    }
}

/// Which iterations of a loop run.
#[derive(Clone)]
struct Running {
    range: String,
    /// Of all of the range those where this holds.
    condition: Option<String>,
}

impl Running {
    /// The range, and the value in an iteration.
    fn around(&self, value: Value, otherwise: &Value) -> (String, Value) {
        let value = match &self.condition {
            None => value,
            Some(condition) => Value {
                text: format!(
                    "if {condition} then {} else {}",
                    value.at_least(precedence::OR),
                    otherwise.at_least(precedence::OR)
                ),
                precedence: 0,
            },
        };
        (self.range.clone(), value)
    }

    /// The same for an iteration number of another name.
    fn renamed(&self, from: &str, to: &str) -> Running {
        let condition = self.condition.as_ref().map(|text| {
            text.replace(&format!("{from} >="), &format!("{to} >="))
                .replace(&format!("{from} <"), &format!("{to} <"))
        });
        Running { range: self.range.clone(), condition }
    }
}

/// `fold s = 0 for k in 0..3 { lines; next }`
fn folded(head: &str, lines: &[String], next: String, depth: usize) -> Value {
    // A line that begins with a sign would go on with the one before.
    let next = if next.starts_with('-') { format!("({next})") } else { next };
    let text = match lines.is_empty() {
        true => format!("{head} {next} }}"),
        false => {
            let (outer, inner) = ("  ".repeat(depth), "  ".repeat(depth + 1));
            format!("{head}\n{}\n{inner}{next}\n{outer}}}", lines.join("\n"))
        }
    };
    Value { text, precedence: 0 }
}

/// What is reduced of `rows` (first, number, of how many) of the columns of `all`, of a loop with
/// so many states, whose iterations run with that counter.
fn reduced(
    program: &mut Program,
    reduction: Reduction,
    all: &Value,
    (start, len, total): (usize, usize, usize),
    (n_states, running, counter): (usize, &Running, &str),
) -> Result<Value, NoSpelling> {
    let (column, k) = (&all.text, program.fresh("k"));
    let part = Value::atom(match (total, len) {
        (1, _) => format!("{column}[{k}]"),
        (_, 1) => format!("{column}[{start}, {k}]"),
        _ => format!("{column}[{start}..{}, {k}]", start + len),
    });
    let identity = matrix(&Pattern::dense(len, 1), &|_| reduction.identity())?;
    let running = running.renamed(counter, &k);
    if n_states == 0 {
        let (range, part) = running.around(part, &identity);
        let part = part.at_least(precedence::OR);
        return Ok(Value::atom(format!("{}({part} for {k} in {range})", reduction.name())));
    }
    // Beside states one iteration is added after the other.
    let so_far = program.fresh("s");
    let next = match reduction {
        Reduction::Sum => format!("{so_far} + {}", part.text),
        Reduction::Prod if len == 1 => format!("{so_far} * {}", part.text),
        Reduction::Prod => format!("{so_far} .* {}", part.text),
        Reduction::Max | Reduction::Min => format!("{}({so_far}, {})", reduction.name(), part.text),
    };
    let next = Value { text: next, precedence: precedence::SUM };
    let (range, next) = running.around(next, &Value::atom(so_far.clone()));
    let head = format!("fold {so_far} = {} for {k} in {range} {{", identity.text);
    Ok(folded(&head, &[], next.text, 0))
}

/// A result with that pattern, put into windows: in every iteration, `rows` (first, number, of
/// how many) of a column of `all`.
fn placed(
    program: &mut Program,
    all: &Value,
    window: &Window,
    rows: (usize, usize, usize),
    n: u64,
    pattern: &Pattern,
) -> Result<Value, NoSpelling> {
    let (start, len, total) = rows;
    let n_terms = (n as usize).saturating_mul(len);
    let column = match total {
        1 => all.clone(),
        _ => Value::atom(format!("vec({})", all.text)),
    };
    if *window == Window::stacked(len) && n_terms == pattern.nnz() {
        let column = match len == total {
            true => column,
            false if len == 1 => Value::atom(format!("vec({}[{start}, :])", all.text)),
            false => Value::atom(format!("vec({}[{start}..{}, :])", all.text, start + len)),
        };
        return unpacked(program, &column, n_terms, 0, pattern);
    }
    if n_terms > super::value::MOST_ENTRIES {
        return no_spelling(format!("{n_terms} entries that are added up in windows"));
    }
    let mut terms = Vec::with_capacity(n_terms);
    let mut source = vec![None; pattern.nnz()];
    let mut is_sum = false;
    for i in 0..n {
        for k in 0..len {
            let (from, to) = (i as usize * total + start + k, window.index(i, k) as usize);
            is_sum |= source[to].replace(from).is_some();
            terms.push((from, to));
        }
    }
    let n_all = (n as usize).saturating_mul(total);
    let sources: Option<Vec<usize>> = source.into_iter().collect();
    match sources.filter(|_| !is_sum) {
        Some(sources) => {
            select(program, &column, &Pattern::dense(n_all, 1), &|k| sources[k], pattern)
        }
        None => {
            let sums = accumulated(program, &column, &terms, pattern.nnz())?;
            unpacked(program, &sums, pattern.nnz(), 0, pattern)
        }
    }
}

/// The result of a loop out of what stands for it in the language: its values side by side, or one
/// below the other `as_column`.
fn arranged(
    program: &mut Program,
    value: Value,
    spec: &LoopSpec,
    as_column: bool,
) -> Result<Value, NoSpelling> {
    let (inside, whole) = (&spec.body.outputs[spec.n_states].pattern, &spec.patterns[0]);
    let ((n_rows, n_cols), n) = (inside.shape(), spec.n as usize);
    let shape = if as_column { (n, 1) } else { (n_rows, n_cols.saturating_mul(n)) };
    let made = match inside.is_dense() {
        true => Pattern::dense(shape.0, shape.1),
        false => {
            let numel = inside.numel() as u64;
            let all = (0..spec.n).flat_map(|k| inside.linear().map(move |at| at + k * numel));
            Pattern::from_linear(shape.0, shape.1, all)
        }
    };
    if made == *whole {
        return Ok(value);
    }
    match packed(program, &value, &made)? {
        Some(column) => unpacked(program, &column, made.nnz(), 0, whole),
        None => matrix(whole, &|_| 0.0),
    }
}

fn zero_like(pattern: &Pattern) -> Pattern {
    Pattern::zero(pattern.n_rows(), pattern.n_cols())
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
