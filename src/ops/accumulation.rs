//! Jacobians accumulated through a graph: each active value has a sparse matrix of expressions,
//! its rows the value's nonzeros, its columns those of what the derivative is taken by.
//!
//! The chain rule adds products of such matrices (Griewank & Walther, "Evaluating Derivatives",
//! 2nd ed., section 10.1, forward accumulation). Loops stay loops: the local derivatives of all
//! iterations are the results of one loop. The walk forward only finds patterns and says how
//! entries come about; expressions are made at the end, for the entries that are wanted.
//!
//! Entries are kept in one of two forms. *Rolled*, a run of evenly spaced entries is one item, so
//! that nothing costs more for more iterations (see [`rolled`]). What is placed by tables, or
//! otherwise not evenly, is *listed* entry by entry: a walk in the rolled form says that it is
//! [irregular](Accumulation::is_irregular), and starts again in the other.

mod emission;
mod entries;
mod rolled;

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::context::{Deriver, MissingDerivative};
use crate::graph::{ArgMode, Func, Graph, IterationRange, LoopSpec, NodeId, Port};
use crate::sparsity::adjacency::Lists;
use crate::sparsity::limit::check_nonzeros;
use crate::sparsity::runs::{Line, Run, lines};
use crate::sparsity::{IndexMap, Pattern, PatternError};
use emission::Emission;

pub use entries::{Entries, EntryPlace, join_entries, partials_of, split_entries};
pub use rolled::{Keep, Placed, SHORTEST, Value};

/// The Jacobian of a value.
#[derive(Clone, Debug)]
pub enum Rows {
    Listed(ListedRows),
    Rolled(Arc<Vec<Placed>>),
}

/// Columns of each row, increasing, and the values of the entries.
#[derive(Clone, Debug)]
pub struct ListedRows {
    pub columns: Arc<Lists>,
    /// `None` where all entries are 1.
    values: Option<ValuesId>,
}

impl Rows {
    fn is_empty(&self) -> bool {
        match self {
            Rows::Listed(rows) => rows.columns.n_entries() == 0,
            Rows::Rolled(runs) => runs.is_empty(),
        }
    }
}

/// Derivatives of the nonzeros of a node by those of one of its arguments.
#[derive(Clone, Debug)]
pub enum Partials {
    Listed(ListedPartials),
    Rolled(Vec<Placed>),
}

/// Derivatives listed by rows.
#[derive(Clone, Debug)]
pub struct ListedPartials {
    /// For each nonzero of the node the nonzeros of the argument; may repeat.
    pub columns: Lists,
    /// For each of those the number of its value in `values`.
    pub sources: Vec<u32>,
    /// `None` where all are 1.
    pub values: Option<ValuesId>,
}

/// Values of entries, made when they are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValuesId(u32);

/// How values of entries come about.
enum Values {
    /// The nonzeros of a node.
    Node(NodeId),
    /// Lanes of a loop, see [`Lanes`].
    Lanes { of: usize, reduced: bool },
    /// Sums of products, listed.
    Sums { n: usize, terms: Vec<Terms> },
    /// `n` sums of products, rolled.
    Terms { n: i64, terms: Vec<rolled::Product> },
    /// One number, the sum of `n` products, rolled.
    Total { n: i64, term: rolled::Product },
    /// `condition[rows] ? then : otherwise`, for entries present in the one, the other or both.
    Choice { condition: NodeId, rows: Vec<u32>, sides: [Side; 2] },
}

/// One operand of a choice: for each entry its number among the values, or [`ABSENT`].
struct Side {
    values: Option<ValuesId>,
    sources: Vec<u32>,
}

const ABSENT: u32 = u32::MAX;

/// Products `left[left_source] * right[right_source]`, each added to entry `target`. Where one
/// side is absent it counts as 1 and its sources are left out.
struct Terms {
    left: Option<ValuesId>,
    left_source: Vec<u32>,
    right: Option<ValuesId>,
    right_source: Vec<u32>,
    target: Vec<u32>,
}

/// A loop whose body gives local derivatives: output 0 those that are stacked, iteration by
/// iteration, output 1 those that are summed over all iterations.
struct Lanes {
    body: Arc<Func>,
    n: u64,
    modes: Vec<ArgMode>,
    args: Vec<NodeId>,
    range: Option<IterationRange>,
    n_stacked: usize,
    n_reduced: usize,
    /// What is stacked.
    values: ValuesId,
}

/// Jacobians of nodes while a graph is walked.
pub struct Accumulation<'a> {
    pub graph: &'a mut Graph,
    pub deriver: &'a dyn Deriver,
    n_columns: usize,
    rows: Vec<Option<Rows>>,
    multi: FxHashMap<NodeId, Vec<Option<Rows>>>,
    values: Vec<Values>,
    lanes: Vec<Lanes>,
    error: Option<PatternError>,
    is_rolled: bool,
    is_irregular: bool,
}

impl<'a> Accumulation<'a> {
    /// To be kept rolled or listed.
    pub fn new(
        graph: &'a mut Graph,
        deriver: &'a dyn Deriver,
        n_columns: usize,
        is_rolled: bool,
    ) -> Self {
        let rows = vec![None; graph.len()];
        Accumulation {
            graph,
            deriver,
            n_columns,
            rows,
            multi: FxHashMap::default(),
            values: Vec::new(),
            lanes: Vec::new(),
            error: None,
            is_rolled,
            is_irregular: false,
        }
    }

    pub fn is_rolled(&self) -> bool {
        self.is_rolled
    }

    /// Entries turned out not to be evenly placed: what was found so far is worth nothing.
    pub fn is_irregular(&self) -> bool {
        self.is_irregular
    }

    /// Says that entries are not evenly placed.
    pub fn give_up(&mut self) {
        self.is_irregular = true;
    }

    /// The first failure: more entries than the largest pattern has.
    pub fn error(&self) -> Option<&PatternError> {
        self.error.as_ref()
    }

    pub fn is_active(&self, id: NodeId) -> bool {
        self.rows.get(id.index()).is_some_and(Option::is_some)
    }

    pub fn get(&self, id: NodeId) -> Option<&Rows> {
        self.rows.get(id.index())?.as_ref()
    }

    pub fn set(&mut self, id: NodeId, rows: Option<Rows>) {
        self.rows[id.index()] = rows.filter(|rows| !rows.is_empty());
    }

    /// Makes node `id` a target: its nonzeros are the columns from `first` on.
    pub fn set_target(&mut self, id: NodeId, first: usize) {
        let n = self.graph.nnz(id);
        let rows = if self.is_rolled {
            let run = Run { n: n as i64, row: Line::new(0, 1), column: Line::new(first as i64, 1) };
            Rows::Rolled(Arc::new(if n == 0 { Vec::new() } else { vec![Placed::one(run)] }))
        } else {
            let own = (0..n as u32).map(|k| (k, first as u32 + k));
            let columns = Arc::new(Lists::by_key(n, own));
            Rows::Listed(ListedRows { columns, values: None })
        };
        self.set(id, Some(rows));
    }

    /// Forgets the Jacobian of a node that nothing needs any more.
    pub fn release(&mut self, id: NodeId) {
        self.rows[id.index()] = None;
        self.multi.remove(&id);
    }

    /// Jacobians of the results of a call, loop or conditional.
    pub fn set_results(&mut self, id: NodeId, rows: Vec<Option<Rows>>) {
        self.multi.insert(id, rows);
    }

    pub fn result(&self, id: NodeId, k: usize) -> Option<Rows> {
        self.multi.get(&id)?.get(k)?.clone()
    }

    /// The nonzeros of a node as values of entries.
    pub fn node_values(&mut self, node: NodeId) -> ValuesId {
        self.push(Values::Node(node))
    }

    fn push(&mut self, values: Values) -> ValuesId {
        self.values.push(values);
        ValuesId(self.values.len() as u32 - 1)
    }

    /// Jacobian of a value with `n` nonzeros: the sum over its arguments of partial derivatives
    /// times the Jacobian of the argument.
    pub fn chain(&mut self, n: usize, parts: &[(Partials, Rows)]) -> Option<Rows> {
        if self.is_rolled {
            return self.rolled_chain(n, parts);
        }
        let mut listed = Vec::with_capacity(parts.len());
        for part in parts {
            let (Partials::Listed(partials), Rows::Listed(rows)) = part else { return None };
            listed.push((partials, rows));
        }
        self.listed_chain(n, &listed)
    }

    /// Derivatives of nonzeros of a node: those that `run` places, the nonzeros of `slope` that
    /// `source` numbers, or 1.
    pub fn along(
        &mut self,
        n_rows: usize,
        run: Run,
        source: Line,
        slope: Option<NodeId>,
    ) -> Partials {
        let uniform = slope.map_or(Some(1.0), |slope| self.graph.as_uniform(slope));
        if self.is_rolled {
            let value = match (uniform, slope) {
                (None, Some(slope)) => Value::of(self.node_values(slope), source, 1),
                (uniform, _) => Value::Number(uniform.unwrap_or(1.0)),
            };
            return Partials::Rolled(vec![Placed { run, value }]);
        }
        let each = (0..run.n)
            .map(|i| (run.row.at(i) as u32, run.column.at(i) as u32, source.at(i) as u32));
        let (columns, sources) = Lists::by_key_with(n_rows, each);
        let slope = slope.filter(|_| uniform != Some(1.0));
        let values = slope.map(|slope| self.node_values(slope));
        Partials::Listed(ListedPartials { columns, sources, values })
    }

    fn listed_chain(&mut self, n: usize, parts: &[(&ListedPartials, &ListedRows)]) -> Option<Rows> {
        let mut terms: Vec<Terms> = parts
            .iter()
            .map(|(partials, rows)| Terms {
                left: partials.values,
                left_source: Vec::new(),
                right: rows.values,
                right_source: Vec::new(),
                target: Vec::new(),
            })
            .collect();
        let (mut ptr, mut columns) = (vec![0u32], Vec::new());
        // Of one row: column, part, place of the partial, place in the argument's Jacobian.
        let mut row: Vec<(u32, u32, u32, u32)> = Vec::new();
        let mut ones = true;
        for r in 0..n as u32 {
            row.clear();
            for (k, (partials, rows)) in parts.iter().enumerate() {
                let inside = partials.columns.range(r);
                for (&c, at) in partials.columns.of(r).iter().zip(inside) {
                    let source = partials.sources[at];
                    for (&column, at) in rows.columns.of(c).iter().zip(rows.columns.range(c)) {
                        row.push((column, k as u32, source, at as u32));
                    }
                }
            }
            if !row.is_sorted() {
                row.sort_unstable();
            }
            for (i, &(column, k, left, right)) in row.iter().enumerate() {
                if i == 0 || row[i - 1].0 != column {
                    columns.push(column);
                } else {
                    ones = false;
                }
                let of = &mut terms[k as usize];
                if of.left.is_some() {
                    of.left_source.push(left);
                }
                if of.right.is_some() {
                    of.right_source.push(right);
                }
                of.target.push(columns.len() as u32 - 1);
            }
            if let Err(e) = check_nonzeros(columns.len() as u64, n, self.n_columns) {
                self.error.get_or_insert(e);
                return None;
            }
            ptr.push(columns.len() as u32);
        }
        terms.retain(|t| !t.target.is_empty());
        ones &= terms.iter().all(|t| t.left.is_none() && t.right.is_none());
        let n_entries = columns.len();
        let columns = Arc::new(Lists::from_parts(ptr, columns));
        let values = (!ones).then(|| self.push(Values::Sums { n: n_entries, terms }));
        Some(Rows::Listed(ListedRows { columns, values }))
    }

    /// Sets the Jacobian of a node whose nonzeros are sums of nonzeros of its arguments: for each
    /// argument maps to the node's and the argument's nonzeros, one of them even.
    pub fn set_selected(&mut self, id: NodeId, parts: &[(NodeId, IndexMap, IndexMap)]) {
        let n = self.graph.nnz(id);
        let mut active = Vec::new();
        for (a, rows, columns) in parts {
            let Some(of_argument) = self.get(*a).cloned() else { continue };
            let partials = if self.is_rolled {
                let Some(runs) = lines::pairs(rows, columns) else {
                    return self.give_up();
                };
                Partials::Rolled(runs.into_iter().map(Placed::one).collect())
            } else {
                let pair = |k: usize| (rows.get(k) as u32, columns.get(k) as u32);
                let pairs = (0..rows.len()).map(pair);
                let columns = Lists::by_key(n, pairs);
                let sources = vec![0; columns.n_entries()];
                Partials::Listed(ListedPartials { columns, sources, values: None })
            };
            active.push((partials, of_argument));
        }
        if !active.is_empty() {
            let rows = self.chain(n, &active);
            self.set(id, rows);
        }
    }

    /// Sets the Jacobians of the results of a call or conditional from the local derivatives that
    /// `column` holds.
    pub fn set_from_entries(
        &mut self,
        id: NodeId,
        args: &[NodeId],
        outputs: &[Port],
        entries: &Entries,
        column: NodeId,
    ) {
        let values = self.node_values(column);
        let mut all = Vec::new();
        for (o, output) in outputs.iter().enumerate() {
            let n = output.pattern.nnz();
            let mut parts = Vec::new();
            for (k, &a) in args.iter().enumerate() {
                let Some(rows) = self.get(a).cloned() else { continue };
                if self.is_rolled {
                    let Some(singles) = rolled::singles(entries, o, k, values) else {
                        return self.give_up();
                    };
                    parts.push((Partials::Rolled(singles), rows));
                    continue;
                }
                let constants = entries.constants_of(o, k);
                for partials in self.constant_partials(n, constants.iter().copied()) {
                    parts.push((Partials::Listed(partials), rows.clone()));
                }
                let partials = partials_of(&entries.places, o, k, n, values);
                parts.push((Partials::Listed(partials), rows));
            }
            all.push(self.chain(n, &parts));
        }
        self.set_results(id, all);
    }

    /// Partial derivatives that are numbers: row, column, value. Ones are apart from the others.
    pub fn constant_partials(
        &mut self,
        n_rows: usize,
        entries: impl Iterator<Item = (u32, u32, f64)> + Clone,
    ) -> Vec<ListedPartials> {
        let mut distinct: FxHashSet<u64> = FxHashSet::default();
        let mut last = None;
        for (_, _, v) in entries.clone() {
            if last.replace(v.to_bits()) != Some(v.to_bits()) {
                distinct.insert(v.to_bits());
            }
        }
        let mut partials = Vec::new();
        if distinct.remove(&1f64.to_bits()) {
            let ones = entries.clone().filter(|e| e.2 == 1.0).map(|(row, column, _)| (row, column));
            let columns = Lists::by_key(n_rows, ones);
            let sources = vec![0; columns.n_entries()];
            partials.push(ListedPartials { columns, sources, values: None });
        }
        if !distinct.is_empty() {
            let mut distinct: Vec<u64> = distinct.into_iter().collect();
            distinct.sort_unstable();
            let number = |v: f64| distinct.binary_search(&v.to_bits()).map_or(0, |k| k as u32);
            let others = entries.filter(|e| e.2 != 1.0).map(|(row, c, v)| (row, c, number(v)));
            let (columns, sources) = Lists::by_key_with(n_rows, others);
            let values: Vec<f64> = distinct.iter().map(|&bits| f64::from_bits(bits)).collect();
            let node = self.graph.constant_matrix(Pattern::dense(values.len(), 1), &values);
            let values = Some(self.node_values(node));
            partials.push(ListedPartials { columns, sources, values });
        }
        partials
    }

    /// Sets the Jacobians of the results of a node from its own directional derivatives.
    pub fn set_from_directions(
        &mut self,
        id: NodeId,
        patterns: Vec<Pattern>,
    ) -> Result<(), MissingDerivative> {
        if self.is_rolled {
            self.give_up();
            return Ok(());
        }
        let mut targets: Vec<NodeId> =
            self.graph.args(id).iter().copied().filter(|&a| self.is_active(a)).collect();
        targets.sort_unstable();
        targets.dedup();
        let mut all = Vec::new();
        for (r, pattern) in patterns.into_iter().enumerate() {
            let n = pattern.nnz();
            if n == 0 {
                all.push(None);
                continue;
            }
            let result = self.graph.result(id, r, pattern);
            let Some((pattern, column)) = self.deriver.colored(self.graph, result, &targets)?
            else {
                all.push(None);
                continue;
            };
            let values = self.node_values(column);
            let (by_row, numbers) = pattern.transpose();
            let by_row = Lists::columns(&by_row);
            let mut parts = Vec::new();
            let mut start = 0u32;
            for &target in &targets {
                let end = start + self.graph.nnz(target) as u32;
                let inside = (0..n as u32).flat_map(|row| {
                    by_row.of(row).iter().zip(by_row.range(row)).map(move |(&c, at)| (row, c, at))
                });
                let inside = inside.filter(|e| (start..end).contains(&e.1));
                let columns = Lists::by_key(n, inside.clone().map(|(row, c, _)| (row, c - start)));
                let sources = inside.map(|(_, _, at)| numbers[at]).collect();
                if let Some(rows) = self.get(target).cloned() {
                    let partials = ListedPartials { columns, sources, values: Some(values) };
                    parts.push((Partials::Listed(partials), rows));
                }
                start = end;
            }
            all.push(self.chain(n, &parts));
        }
        self.set_results(id, all);
        Ok(())
    }

    /// Jacobian of `condition ? a : b`, row by row; `condition` has a nonzero for each row or one
    /// for all. What is not chosen is not multiplied either.
    pub fn choose(
        &mut self,
        n: usize,
        condition: NodeId,
        sides: [Option<Rows>; 2],
    ) -> Option<Rows> {
        if self.is_rolled {
            self.give_up();
            return None;
        }
        let sides = sides.map(|side| match side? {
            Rows::Listed(rows) => Some(rows),
            Rows::Rolled(_) => None,
        });
        let scalar = self.graph.nnz(condition) == 1;
        let (mut ptr, mut columns, mut rows) = (vec![0u32], Vec::new(), Vec::new());
        let mut sources = [Vec::new(), Vec::new()];
        for r in 0..n as u32 {
            let lists = sides.each_ref().map(|s| s.as_ref().map(|s| &s.columns));
            // A side with one row counts for all.
            let at = |l: &Lists| if l.len() == 1 { 0 } else { r };
            let mut both: Vec<u32> =
                lists.iter().flatten().flat_map(|l| l.of(at(l)).iter().copied()).collect();
            both.sort_unstable();
            both.dedup();
            for &column in &both {
                for (list, sources) in lists.iter().zip(&mut sources) {
                    let found = list.and_then(|l| {
                        let k = l.of(at(l)).binary_search(&column).ok()?;
                        Some((l.range(at(l)).start + k) as u32)
                    });
                    sources.push(found.unwrap_or(ABSENT));
                }
                rows.push(if scalar { 0 } else { r });
            }
            columns.extend(both);
            ptr.push(columns.len() as u32);
        }
        let [a, b] = sources;
        let of = |k: usize| sides[k].as_ref().and_then(|s| s.values);
        let sides = [Side { values: of(0), sources: a }, Side { values: of(1), sources: b }];
        let values = Some(self.push(Values::Choice { condition, rows, sides }));
        let columns = Arc::new(Lists::from_parts(ptr, columns));
        Some(Rows::Listed(ListedRows { columns, values }))
    }

    /// Values of the local derivatives in a loop like `spec` with the given arguments, whose body
    /// has two results, see [`Lanes`]. Gives the values of each.
    pub fn loop_values(
        &mut self,
        body: Arc<Func>,
        spec: &LoopSpec,
        args: Vec<NodeId>,
    ) -> [ValuesId; 2] {
        let (n, modes, range) = (spec.n, spec.args.clone(), spec.range.clone());
        let nnz = |k: usize| body.outputs[k].pattern.nnz();
        let (n_stacked, n_reduced) = (nnz(0), nnz(1));
        let of = self.lanes.len();
        let both = [false, true].map(|reduced| self.push(Values::Lanes { of, reduced }));
        let values = both[0];
        self.lanes.push(Lanes { body, n, modes, args, range, n_stacked, n_reduced, values });
        both
    }

    /// A dense column of the entries of `rows` that `wanted` numbers.
    pub fn make(mut self, rows: &ListedRows, wanted: &[u32]) -> NodeId {
        let column = Pattern::dense(wanted.len(), 1);
        let Some(values) = rows.values else { return self.graph.fill(column, 1.0) };
        let mut emission = Emission::new(&self);
        emission.want(values, wanted.iter().copied());
        emission.sweep(&self);
        emission.emit(&mut self, values);
        match emission.read(&mut self, Some(values), wanted) {
            Some(made) => made,
            None => self.graph.fill(column, 1.0),
        }
    }
}
