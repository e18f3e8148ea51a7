//! Filters of comprehensions: `sum(p[a] for a in 0..A if bus[a] == i)`.
//!
//! A filter holds integers known at compile time, so which iterations it keeps is known too: they
//! become one loop over the kept combinations of iteration numbers, each number a table over it.
//! Combinations are found stage by stage, a stage for each `for`; an equality between its number
//! and those before it is a join by sorting, O(A + B).
//!
//! A filter that names the number `i` of an outer loop keeps other iterations for each `i`. The
//! comprehension is then computed beside that loop, for all `i` at once: its loop runs over all
//! pairs, ordered by `i`, and accumulates into a value for each `i` (a segmented sum).

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::frame::{FrameKind, Slice};
use super::index::names_in;
use super::indices::{Entries, Indices};
use super::int::{Counter, Int};
use super::{BindingId, Bound, Lowerer};
use crate::graph::{Func, Graph, LoopSpec, NodeId, Origin, Port, Reduction, ResultMode, Window};
use crate::sparsity::{IndexMap, Pattern};
use crate::syntax::ast::{Clause, Comparison, Expr, ExprId, Iteration, Name};
use crate::syntax::{Ast, Code, Diagnostic, Span};

/// The most combinations of iteration numbers that filters look at.
const MAX_COMBINATIONS: u64 = 1 << 27;

/// How many times more entries than there are may be stored so that segments have one length.
const MAX_PADDING: usize = 16;

/// A loop whose number takes part in a filter.
struct Variable {
    counter: Counter,
    /// The name that the comprehension declares, and its first value; none for outer loops.
    own: Option<(Name, i64)>,
}

/// Combinations of iteration numbers, in lexical order: a column for each variable bound so far.
struct Combinations {
    n: usize,
    columns: Vec<Arc<[u32]>>,
}

impl Combinations {
    fn keep(&mut self, keep: &[bool]) {
        let kept = |column: &Arc<[u32]>| {
            column.iter().zip(keep).filter(|(_, keep)| **keep).map(|(&i, _)| i).collect()
        };
        self.columns = self.columns.iter().map(kept).collect();
        self.n = keep.iter().filter(|&&keep| keep).count();
    }
}

impl Int {
    /// The integer over a loop in whose iterations the counters named in `places` have the
    /// iteration numbers listed there.
    fn over(&self, counter: Counter, places: &FxHashMap<u32, Arc<[u32]>>) -> Option<Int> {
        let mut rest = Int { base: self.base, parts: Vec::new() };
        let mut values: Option<Vec<i64>> = None;
        for (of, part) in &self.parts {
            let Some(place) = places.get(&of.id) else {
                rest.parts.push((*of, part.clone()));
                continue;
            };
            if counter.n == 0 {
                return Some(Int::counter(0, counter));
            }
            let values = values.get_or_insert_with(|| vec![0; place.len()]);
            for (value, &i) in values.iter_mut().zip(place.iter()) {
                *value = value.checked_add(part.at(i.into())?)?;
            }
        }
        match values {
            Some(values) => rest.add(&Int::table(counter, values)?),
            None => Some(rest),
        }
    }
}

/// The conditions of a filter, of which all have to hold.
fn conjunction(ast: &Ast, condition: ExprId) -> Vec<ExprId> {
    let (mut terms, mut stack) = (Vec::new(), vec![condition]);
    while let Some(expr) = stack.pop() {
        match ast.expr(expr) {
            Expr::And(operands) => stack.extend(operands.iter().rev()),
            _ => terms.push(expr),
        }
    }
    terms
}

impl<'a> Lowerer<'a> {
    /// A comprehension with filters.
    pub fn filtered(
        &mut self,
        reduction: Option<Reduction>,
        value: ExprId,
        clauses: &[Clause],
        span: Span,
    ) -> Option<NodeId> {
        let ast = self.frame().ast;
        let own_names: FxHashSet<Arc<str>> = clauses
            .iter()
            .filter_map(|clause| match clause {
                Clause::For(iteration) => Some(iteration.index.text.clone()),
                Clause::If(_) => None,
            })
            .collect();
        let mut filter_names = FxHashSet::default();
        for clause in clauses {
            if let Clause::If(condition) = clause {
                filter_names.extend(names_in(ast, *condition));
            }
        }
        let others = |names: FxHashSet<Arc<str>>| -> Vec<Arc<str>> {
            names.into_iter().filter(|name| !own_names.contains(name)).collect()
        };
        let (filter_names, value_names) = (others(filter_names), others(names_in(ast, value)));
        let mut outer: Vec<Counter> = self.counters_of(&filter_names);
        let beside = outer.iter().map(|counter| counter.frame).min();
        let beside = beside.and_then(|frame| self.frames[frame].parent);
        if let Some(beside) = beside {
            outer.extend(self.counters_of(&value_names).into_iter().filter(|c| c.frame > beside));
            outer.sort_by_key(|counter| counter.frame);
            outer.dedup();
            if !self.may_move(&value_names, beside) {
                self.report_not_there(
                    span,
                    "a filter by an outer iteration number, over values that change in that loop",
                );
                return None;
            }
        }
        let mut variables: Vec<Variable> =
            outer.iter().map(|&counter| Variable { counter, own: None }).collect();
        let found = self.combinations(&mut variables, clauses, span)?;
        match beside {
            None => self.kept_iterations(reduction, value, &variables, &found, span),
            Some(beside) => self.by_segments(reduction, value, &variables, &found, beside, span),
        }
    }

    /// The loop counters that integers of these names depend on.
    fn counters_of(&mut self, names: &[Arc<str>]) -> Vec<Counter> {
        let mut counters = Vec::new();
        for name in names {
            let Some(id) = self.find(name) else { continue };
            let mut add = |int: &Int| counters.extend(int.parts.iter().map(|(c, _)| *c));
            match &self.bindings[id.0 as usize].value {
                Bound::Int(int) => add(int),
                Bound::Indices(indices) => {
                    if let Entries::Moving(entries) = &indices.entries {
                        entries.iter().for_each(add);
                    }
                }
                _ => {}
            }
        }
        counters.sort_by_key(|counter| counter.frame);
        counters.dedup();
        counters
    }

    /// Whether a formula of these names means the same in the frame `to` around the current one:
    /// only loops lie between, no value of theirs is named, and no derivative is taken in them.
    fn may_move(&mut self, names: &[Arc<str>], to: usize) -> bool {
        for name in names {
            let Some(id) = self.find(name) else { continue };
            let binding = &self.bindings[id.0 as usize];
            if matches!(binding.value, Bound::Node(..)) && binding.frame > to {
                return false;
            }
        }
        let mut at = self.current;
        while at > to {
            let frame = &self.frames[at];
            let is_loop = matches!(frame.kind, FrameKind::Loop(_));
            if !is_loop || names.iter().any(|name| frame.whole.contains(name)) {
                return false;
            }
            let Some(parent) = frame.parent else { return false };
            at = parent;
        }
        true
    }

    /// All combinations that the filters keep.
    fn combinations(
        &mut self,
        variables: &mut Vec<Variable>,
        clauses: &[Clause],
        span: Span,
    ) -> Option<Combinations> {
        let ast = self.frame().ast;
        let mut found = Combinations { n: 1, columns: Vec::new() };
        for variable in variables.iter() {
            let all: Vec<u32> = (0..variable.counter.n as u32).collect();
            found = self.with_each(&found, &all, span)?;
        }
        let mut clauses = clauses.iter().peekable();
        while let Some(clause) = clauses.next() {
            let Clause::For(iteration) = clause else { continue };
            let mut terms = Vec::new();
            while let Some(Clause::If(condition)) = clauses.peek() {
                terms.extend(conjunction(ast, *condition));
                clauses.next();
            }
            found = self.stage(found, variables, iteration, &terms, span)?;
        }
        Some(found)
    }

    /// Each combination with each of the numbers.
    fn with_each(
        &mut self,
        found: &Combinations,
        numbers: &[u32],
        span: Span,
    ) -> Option<Combinations> {
        let n = self.may_combine((found.n as u64).saturating_mul(numbers.len() as u64), span)?;
        let repeated = |column: &Arc<[u32]>| {
            column.iter().flat_map(|&i| std::iter::repeat_n(i, numbers.len())).collect()
        };
        let mut columns: Vec<Arc<[u32]>> = found.columns.iter().map(repeated).collect();
        columns.push((0..found.n).flat_map(|_| numbers.iter().copied()).collect());
        Some(Combinations { n, columns })
    }

    fn may_combine(&mut self, n: u64, span: Span) -> Option<usize> {
        if n > MAX_COMBINATIONS {
            self.report(
                Diagnostic::new(Code::TooLarge, span, "this filter looks at too many combinations")
                    .label(format!("{n} combinations; the limit is {MAX_COMBINATIONS}"))
                    .help(
                        "an equality with the number of one `for` alone on one side is fast: \
                         `a[k] == i`",
                    ),
            );
            return None;
        }
        usize::try_from(n).ok()
    }

    /// Adds the number of one `for`, filtered by the terms that follow it.
    fn stage(
        &mut self,
        mut found: Combinations,
        variables: &mut Vec<Variable>,
        iteration: &Iteration,
        terms: &[ExprId],
        span: Span,
    ) -> Option<Combinations> {
        let ast = self.frame().ast;
        let (lo, n) = self.iterations(iteration)?;
        // Never the counter of a loop: it is replaced before a frame is asked for.
        let counter = Counter { id: self.n_counters, frame: usize::MAX, n };
        self.n_counters += 1;
        let new = variables.len();
        self.may_combine(n, span)?;
        variables.push(Variable { counter, own: Some((iteration.index.clone(), lo)) });
        let mut numbers: Vec<u32> = (0..n as u32).collect();
        let (mut joins, mut checks) = (Vec::new(), Vec::new());
        for &term in terms {
            let of = self.variables_in(term, variables);
            if !of.contains(&new) {
                let keep = self.truths(term, variables, &found)?;
                found.keep(&keep);
                continue;
            }
            if of.len() == 1 {
                let alone = Combinations { n: numbers.len(), columns: vec![numbers.into()] };
                let keep = self.truths(term, &variables[new..], &alone)?;
                let kept = alone.columns[0].iter().zip(keep).filter(|(_, keep)| *keep);
                numbers = kept.map(|(&i, _)| i).collect();
                continue;
            }
            match *ast.expr(term) {
                Expr::Compare { comparison: Comparison::Equal, left, right, .. } => {
                    let of_left = self.variables_in(left, variables);
                    let of_right = self.variables_in(right, variables);
                    if of_left == [new] && !of_right.contains(&new) {
                        joins.push((term, left, right));
                    } else if of_right == [new] && !of_left.contains(&new) {
                        joins.push((term, right, left));
                    } else {
                        checks.push(term);
                    }
                }
                _ => checks.push(term),
            }
        }
        let mut found = match joins.split_first() {
            None => self.with_each(&found, &numbers, span)?,
            Some((&(_, own, before), rest)) => {
                checks.extend(rest.iter().map(|join| join.0));
                self.join(&found, numbers, (own, before), variables, span)?
            }
        };
        for term in checks {
            let keep = self.truths(term, variables, &found)?;
            found.keep(&keep);
        }
        Some(found)
    }

    /// Each combination with those numbers for which `own == before`.
    fn join(
        &mut self,
        found: &Combinations,
        numbers: Vec<u32>,
        (own, before): (ExprId, ExprId),
        variables: &[Variable],
        span: Span,
    ) -> Option<Combinations> {
        let new = variables.len() - 1;
        let alone = Combinations { n: numbers.len(), columns: vec![numbers.into()] };
        let keys = self.values_over(own, &variables[new..], &alone)?;
        let mut sorted: Vec<(i64, u32)> =
            keys.into_iter().zip(alone.columns[0].iter().copied()).collect();
        sorted.sort_unstable();
        // Where the numbers with each key begin and end.
        let mut places: FxHashMap<i64, (usize, usize)> = FxHashMap::default();
        for (k, (key, _)) in sorted.iter().enumerate() {
            places.entry(*key).or_insert((k, k)).1 = k + 1;
        }
        let wanted = self.values_over(before, &variables[..new], found)?;
        let of = |key: &i64| places.get(key).copied().unwrap_or((0, 0));
        let total: u64 = wanted.iter().map(|key| (of(key).1 - of(key).0) as u64).sum();
        let n = self.may_combine(total, span)?;
        let (mut rows, mut column) = (Vec::with_capacity(n), Vec::with_capacity(n));
        for (row, key) in wanted.iter().enumerate() {
            let (first, end) = of(key);
            for &(_, number) in &sorted[first..end] {
                rows.push(row);
                column.push(number);
            }
        }
        let extended = |column: &Arc<[u32]>| rows.iter().map(|&row| column[row]).collect();
        let mut columns: Vec<Arc<[u32]>> = found.columns.iter().map(extended).collect();
        columns.push(column.into());
        Some(Combinations { n, columns })
    }

    /// Positions of the variables that an expression depends on.
    fn variables_in(&mut self, expr: ExprId, variables: &[Variable]) -> Vec<usize> {
        let ast = self.frame().ast;
        let mut found = Vec::new();
        for name in names_in(ast, expr) {
            let own = variables
                .iter()
                .rposition(|v| v.own.as_ref().is_some_and(|(own, _)| own.text == name));
            if let Some(own) = own {
                found.push(own);
                continue;
            }
            for counter in self.counters_of(&[name]) {
                found.extend(variables.iter().position(|v| v.counter == counter));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Opens the frame of a loop over combinations, in which all integers that depend on the
    /// variables have the values of the combination.
    fn open_combinations(
        &mut self,
        variables: &[Variable],
        found: &Combinations,
        inside: usize,
        bodies: &[ExprId],
    ) -> Option<Counter> {
        let counter = self.open_loop(found.n as u64, bodies);
        let places: FxHashMap<u32, Arc<[u32]>> =
            variables.iter().map(|v| v.counter.id).zip(found.columns.iter().cloned()).collect();
        // Integers of the loops around, the outermost first.
        let mut around = vec![inside];
        while let Some(parent) = around.last().and_then(|&at| self.frames[at].parent) {
            around.push(parent);
        }
        let mut names: Vec<(Arc<str>, BindingId)> = Vec::new();
        for &frame in around.iter().rev() {
            for scope in &self.frames[frame].scopes {
                names.extend(scope.iter().map(|(name, id)| (name.clone(), *id)));
            }
        }
        let depends = |int: &Int| int.parts.iter().any(|(c, _)| places.contains_key(&c.id));
        for (name, id) in names {
            let binding = &self.bindings[id.0 as usize];
            let value = match &binding.value {
                Bound::Int(int) if depends(int) => Bound::Int(int.over(counter, &places)?),
                Bound::Indices(indices) => match &indices.entries {
                    Entries::Moving(entries) if entries.iter().any(depends) => {
                        let entries: Option<Vec<Int>> =
                            entries.iter().map(|entry| entry.over(counter, &places)).collect();
                        Bound::Indices(Arc::new(Indices::new(indices.shape, entries?)))
                    }
                    _ => continue,
                },
                _ => continue,
            };
            let (span, frame) = (binding.span, self.current);
            let id = self.new_binding(name.clone(), span, frame, value, false);
            if let Some(scope) = self.frame().scopes.last_mut() {
                scope.insert(name, id);
            }
        }
        for variable in variables {
            let Some((name, lo)) = &variable.own else { continue };
            let int = Int::counter(*lo, variable.counter).over(counter, &places)?;
            // A later `for` may take a name again.
            if let Some(scope) = self.frame().scopes.last_mut() {
                scope.remove(&name.text);
            }
            let id = self.declare(name, Bound::Int(int));
            self.bindings[id.0 as usize].used = true;
        }
        Some(counter)
    }

    /// Runs `work` where the integers have the values of all combinations.
    fn over<T>(
        &mut self,
        variables: &[Variable],
        found: &Combinations,
        work: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let inside = self.current;
        let opened = self.open_combinations(variables, found, inside, &[]);
        let result = opened.and_then(|_| work(self));
        self.pop_frame();
        result
    }

    /// The values of an integer for all combinations.
    fn values_over(
        &mut self,
        expr: ExprId,
        variables: &[Variable],
        found: &Combinations,
    ) -> Option<Vec<i64>> {
        if found.n == 0 {
            return Some(Vec::new());
        }
        let int = self.over(variables, found, |lowerer| lowerer.int(expr))?;
        (0..found.n as u64).map(|k| int.at(k)).collect()
    }

    /// For which combinations a condition holds.
    fn truths(
        &mut self,
        condition: ExprId,
        variables: &[Variable],
        found: &Combinations,
    ) -> Option<Vec<bool>> {
        if found.n == 0 {
            return Some(Vec::new());
        }
        self.over(variables, found, |lowerer| lowerer.truth(condition, found.n))
    }

    /// For which of `n` iterations of the current loop a condition holds.
    fn truth(&mut self, condition: ExprId, n: usize) -> Option<Vec<bool>> {
        let ast = self.frame().ast;
        match ast.expr(condition) {
            Expr::And(operands) | Expr::Or(operands) => {
                let is_and = matches!(ast.expr(condition), Expr::And(_));
                let mut result = vec![is_and; n];
                for &operand in operands {
                    for (so_far, holds) in result.iter_mut().zip(self.truth(operand, n)?) {
                        *so_far = if is_and { *so_far && holds } else { *so_far || holds };
                    }
                }
                Some(result)
            }
            Expr::Not(operand) => Some(self.truth(*operand, n)?.iter().map(|b| !b).collect()),
            &Expr::Compare { comparison, left, right, .. } => {
                let (left, right) = (self.int(left)?, self.int(right)?);
                let holds = |k: u64| {
                    let (a, b) = (left.at(k)?, right.at(k)?);
                    Some(match comparison {
                        Comparison::Less => a < b,
                        Comparison::LessEqual => a <= b,
                        Comparison::Greater => a > b,
                        Comparison::GreaterEqual => a >= b,
                        Comparison::Equal => a == b,
                        Comparison::NotEqual => a != b,
                    })
                };
                (0..n as u64).map(holds).collect()
            }
            Expr::Error => None,
            _ => {
                self.report(
                    Diagnostic::new(
                        Code::NotAnInteger,
                        ast.span(condition),
                        "a filter compares integers known at compile time",
                    )
                    .label("this is no comparison")
                    .help("such as `if bus[a] == i and a != 0`"),
                );
                None
            }
        }
    }

    /// The comprehension over the kept iterations, the same in all iterations of outer loops.
    fn kept_iterations(
        &mut self,
        reduction: Option<Reduction>,
        value: ExprId,
        variables: &[Variable],
        found: &Combinations,
        span: Span,
    ) -> Option<NodeId> {
        let inside = self.current;
        let opened = self.open_combinations(variables, found, inside, &[value]);
        let node = opened.and_then(|_| self.expr_node(value));
        let frame = self.pop_frame();
        let (counter, node) = (opened?, node?);
        let is_scalar = frame.graph.shape(node) == (1, 1);
        self.close_comprehension(frame, node, is_scalar, reduction, counter, span)
    }

    /// The comprehension for all iterations of the outer loops at once, in the frame `beside`
    /// them, and the part of it for the current iteration.
    fn by_segments(
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
                let spec = LoopSpec { body, n, n_states: 0, args, results, patterns };
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
            args: vec![crate::graph::ArgMode::Window(Window::stacked(len * longest))],
            results: vec![ResultMode::Window(Window::stacked(len))],
            patterns: vec![Pattern::dense(len, n_segments)],
        };
        graph.repeat(spec, &[padded]).first().copied()
    }
}
