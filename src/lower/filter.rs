//! Filters of comprehensions: `sum(p[a] for a in 0..A if bus[a] == i)`.
//!
//! A filter holds integers known at compile time, so which iterations it keeps is known too: they
//! become one loop over the kept combinations of iteration numbers, each number a table over it.
//! Combinations are found stage by stage, a stage for each `for`; an equality between its number
//! and those before it is a join by sorting, O(A + B).
//!
//! A filter that names the number of an outer loop keeps other iterations for each of its
//! iterations; see `segments`.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::frame::FrameKind;
use super::index::names_in;
use super::indices::{Entries, Indices};
use super::int::{Counter, Int};
use super::{BindingId, Bound, Lowerer};
use crate::graph::{NodeId, Reduction};
use crate::syntax::ast::{Clause, Comparison, Expr, ExprId, Iteration, Name};
use crate::syntax::{Ast, Code, Diagnostic, Span};

/// The most combinations of iteration numbers that filters look at.
const MAX_COMBINATIONS: u64 = 1 << 27;

/// A loop whose number takes part in a filter.
pub struct Variable {
    pub counter: Counter,
    /// The name that the comprehension declares, and its first value; none for outer loops.
    pub own: Option<(Name, i64)>,
}

/// Combinations of iteration numbers, in lexical order: a column for each variable bound so far.
pub struct Combinations {
    pub n: usize,
    pub columns: Vec<Arc<[u32]>>,
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
            match clause {
                Clause::If(condition) => filter_names.extend(names_in(ast, *condition)),
                Clause::For(Iteration { range, .. }) => {
                    filter_names.extend(names_in(ast, range.lo));
                    filter_names.extend(names_in(ast, range.hi));
                }
            }
        }
        let others = |names: FxHashSet<Arc<str>>| -> Vec<Arc<str>> {
            names.into_iter().filter(|name| !own_names.contains(name)).collect()
        };
        let (filter_names, value_names) = (others(filter_names), others(names_in(ast, value)));
        // Over empty ranges conditions are not looked at, but what they name is of use.
        for name in &filter_names {
            if let Some(id) = self.find(name) {
                self.bindings[id.0 as usize].used = true;
            }
        }
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
            self.may_combine(variable.counter.n, span)?;
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

    pub fn may_combine(&mut self, n: u64, span: Span) -> Option<usize> {
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
        let range = &iteration.range;
        let of_range = [range.lo, range.hi].map(|end| self.variables_in(end, variables));
        if of_range.iter().any(|of| !of.is_empty()) {
            return self.moving_stage(&found, variables, iteration, terms, span);
        }
        let (lo, n) = self.constant_iterations(iteration)?;
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

    /// A stage whose range depends on the numbers before it.
    fn moving_stage(
        &mut self,
        found: &Combinations,
        variables: &mut Vec<Variable>,
        iteration: &Iteration,
        terms: &[ExprId],
        span: Span,
    ) -> Option<Combinations> {
        let first = self.values_over(iteration.range.lo, variables, found)?;
        let last = self.values_over(iteration.range.hi, variables, found)?;
        let least = first.iter().copied().min().unwrap_or(0);
        let n = last.iter().copied().max().unwrap_or(0).checked_sub(least)?.max(0) as u64;
        let mut total = 0_u64;
        for (&first, &last) in first.iter().zip(&last) {
            if last < first {
                let ast = self.frame().ast;
                let at = ast.span(iteration.range.lo).to(ast.span(iteration.range.hi));
                self.report(
                    Diagnostic::new(Code::EmptyRange, at, "this range runs backwards")
                        .label(format!("from {first} to {last}")),
                );
                return None;
            }
            total = total.saturating_add(last.abs_diff(first));
        }
        let total = self.may_combine(total, span)?;
        let (mut rows, mut column) = (Vec::with_capacity(total), Vec::with_capacity(total));
        for (row, (&first, &last)) in first.iter().zip(&last).enumerate() {
            for value in first..last {
                rows.push(row);
                column.push((value - least) as u32);
            }
        }
        let counter = Counter { id: self.n_counters, frame: usize::MAX, n };
        self.n_counters += 1;
        variables.push(Variable { counter, own: Some((iteration.index.clone(), least)) });
        let extended = |column: &Arc<[u32]>| rows.iter().map(|&row| column[row]).collect();
        let mut columns: Vec<Arc<[u32]>> = found.columns.iter().map(extended).collect();
        columns.push(column.into());
        let mut found = Combinations { n: total, columns };
        for &term in terms {
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
    pub fn open_combinations(
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
        self.close_comprehension(frame, node, is_scalar, reduction, counter, None, span)
    }
}
