//! Jacobians in runs of evenly spaced entries, one item for however many iterations.

mod body;
mod emission;

use std::sync::Arc;

use super::{Accumulation, Entries, Partials, Rows, Values, ValuesId};
use crate::graph::NodeId;
use crate::sparsity::Pattern;
use crate::sparsity::limit::check_nonzeros;
use crate::sparsity::runs::{Along, Line, Run, layout, products, sum};

/// A run of entries and what they are.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    pub run: Run,
    pub value: Value,
}

/// What the entries of a run are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    Number(f64),
    Of(Reference),
}

/// Entry `i` is value number `line.at(i)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    pub values: ValuesId,
    pub line: Line,
    /// What all steps are multiples of: the number of values of one iteration; 0 if values do not
    /// belong to iterations, so that there are no steps.
    pub stride: i64,
}

/// `number * left * right`; what is absent counts as 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Product {
    pub number: f64,
    pub factors: [Option<Reference>; 2],
}

/// The entries of a Jacobian that are wanted, where rows and columns are numbered alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    All,
    /// No row above its column.
    Lower,
    /// No row below its column.
    Upper,
    /// All of a symmetric matrix, those above the diagonal from below it.
    Mirrored,
}

/// Most entries of a call or of a table that become runs of one entry each.
const MOST_SINGLES: usize = 4_096;

/// Shorter loops are not worth being kept rolled.
pub const SHORTEST: u64 = 8;

/// From so many iterations on, loops are kept rolled for a few entries, too. Shorter ones are
/// written out, so that simplification sees through their sums.
const LONG: u64 = 256;

impl Placed {
    pub fn new(run: Run, value: Value) -> Placed {
        Placed { run, value }
    }

    /// Entries that are 1.
    pub fn one(run: Run) -> Placed {
        Placed::new(run, Value::Number(1.0))
    }
}

impl Value {
    pub fn of(values: ValuesId, line: Line, stride: i64) -> Value {
        Value::Of(Reference { values, line, stride })
    }

    fn part(&self, first: i64, step: i64) -> Value {
        match self {
            Value::Number(v) => Value::Number(*v),
            Value::Of(of) => Value::Of(of.part(first, step)),
        }
    }
}

impl Reference {
    fn part(&self, first: i64, step: i64) -> Reference {
        Reference { line: self.line.part(first, step), ..*self }
    }

    fn join(&self, n: i64, next: &Reference, n_next: i64) -> Option<Reference> {
        let step = match (n, n_next) {
            (1, 1) => next.line.start - self.line.start,
            (1, _) => next.line.step,
            _ => self.line.step,
        };
        let joined = Reference { line: Line::new(self.line.start, step), ..*self };
        let continues = joined.line.at(n) == next.line.start
            && (n_next == 1 || next.line.step == step)
            && step.checked_rem(self.stride).unwrap_or(step) == 0;
        (self.values == next.values && continues).then_some(joined)
    }
}

impl Along for Product {
    fn part(&self, first: i64, step: i64) -> Product {
        Product { factors: self.factors.map(|f| Some(f?.part(first, step))), ..*self }
    }

    fn join(&self, n: i64, next: &Product, n_next: i64) -> Option<Product> {
        if self.number.to_bits() != next.number.to_bits() {
            return None;
        }
        let mut factors = [None; 2];
        for (factor, pair) in factors.iter_mut().zip(self.factors.iter().zip(&next.factors)) {
            *factor = match pair {
                (Some(a), Some(b)) => Some(a.join(n, b, n_next)?),
                (None, None) => None,
                _ => return None,
            };
        }
        Some(Product { factors, ..*self })
    }
}

impl Product {
    fn new(left: Value, right: Value) -> Product {
        let mut product = Product { number: 1.0, factors: [None; 2] };
        for (factor, value) in product.factors.iter_mut().zip([left, right]) {
            match value {
                Value::Number(v) => product.number *= v,
                Value::Of(of) => *factor = Some(of),
            }
        }
        product
    }
}

/// Derivatives of output `output` of a call by input `input`, one by one.
pub fn singles(
    entries: &Entries,
    output: usize,
    input: usize,
    values: ValuesId,
) -> Option<Vec<Placed>> {
    let single = |row: u32, column: u32| Run::single(i64::from(row), i64::from(column));
    let mut all: Vec<Placed> = entries
        .constants_of(output, input)
        .into_iter()
        .map(|(row, column, v)| Placed::new(single(row, column), Value::Number(v)))
        .collect();
    let own = |p: &&super::EntryPlace| p.output as usize == output && p.input as usize == input;
    all.extend(entries.places.iter().filter(own).map(|p| {
        let source = Line::fixed(i64::from(p.source));
        Placed::new(single(p.row, p.column), Value::of(values, source, 1))
    }));
    (all.len() <= MOST_SINGLES).then_some(all)
}

impl Accumulation<'_> {
    /// [`Accumulation::chain`] of runs.
    pub(super) fn rolled_chain(&mut self, n: usize, parts: &[(Partials, Rows)]) -> Option<Rows> {
        let mut all: Vec<(Run, Product)> = Vec::new();
        for part in parts {
            let (Partials::Rolled(left), Rows::Rolled(right)) = part else {
                self.give_up();
                return None;
            };
            let runs = |of: &[Placed]| of.iter().map(|placed| placed.run).collect::<Vec<_>>();
            let Ok(found) = products(&runs(left), &runs(right)) else {
                self.give_up();
                return None;
            };
            all.extend(found.into_iter().map(|p| {
                let (l, first, step) = p.left;
                let of_left = left[l].value.part(first, step);
                let (r, first, step) = p.right;
                (p.run, Product::new(of_left, right[r].value.part(first, step)))
            }));
        }
        for (run, product) in &mut all {
            if run.n >= SHORTEST as i64 && (run.row.step, run.column.step) == (0, 0) {
                *product = self.total(run.n, *product);
                *run = Run::single(run.row.start, run.column.start);
            }
        }
        let Ok(summed) = sum(all) else {
            self.give_up();
            return None;
        };
        let n_entries: i64 = summed.iter().map(|s| s.0.n).sum();
        if let Err(e) = check_nonzeros(n_entries as u64, n, self.n_columns) {
            self.error.get_or_insert(e);
            return None;
        }
        let placed = summed.into_iter().map(|(run, terms)| {
            let value = self.value_of(run.n, terms);
            Placed { run, value }
        });
        Some(Rows::Rolled(Arc::new(placed.collect())))
    }

    /// The sum of `n` products as one.
    fn total(&mut self, n: i64, term: Product) -> Product {
        if term.factors == [None; 2] {
            return Product { number: term.number * n as f64, ..term };
        }
        let values = self.push(Values::Total { n, term });
        let one = Reference { values, line: Line::fixed(0), stride: 0 };
        Product { number: 1.0, factors: [Some(one), None] }
    }

    /// The sum of products along `n` entries.
    fn value_of(&mut self, n: i64, terms: Vec<Product>) -> Value {
        if terms.iter().all(|t| t.factors == [None; 2]) {
            return Value::Number(terms.iter().map(|t| t.number).sum());
        }
        if let [Product { number: 1.0, factors: [Some(one), None] | [None, Some(one)] }] = terms[..]
        {
            return Value::Of(one);
        }
        let values = self.push(Values::Terms { n, terms });
        Value::of(values, Line::new(0, i64::from(n > 1)), 1)
    }

    /// The wanted entries of the Jacobian `rows`, as a pattern and the dense column of its
    /// nonzeros. `None` where they turn out not to be even, or no loop is long; the inner one
    /// where there are none.
    pub fn finish_rolled(
        mut self,
        rows: &[Placed],
        n_rows: usize,
        keep: Keep,
    ) -> Option<Option<(Pattern, NodeId)>> {
        let part = |keep: Keep| rows.iter().filter_map(move |placed| kept(placed, keep));
        let kept: Vec<Placed> = match keep {
            Keep::Mirrored => part(Keep::Lower).chain(part(keep)).collect(),
            _ => part(keep).collect(),
        };
        if kept.is_empty() {
            return Some(None);
        }
        let is_repeated = kept.iter().any(|placed| placed.run.n >= SHORTEST as i64);
        if !is_repeated && !self.lanes.iter().any(|lanes| lanes.n >= LONG) {
            return None;
        }
        let runs: Vec<Run> = kept.iter().map(|placed| placed.run).collect();
        let layout = layout(&runs).ok()?;
        let pattern = Pattern::from_layout(n_rows, self.n_columns, &runs, &layout);
        let values: Vec<Value> = kept.iter().map(|placed| placed.value).collect();
        let column = emission::emit(&mut self, &values, &layout)?;
        Some(Some((pattern, column)))
    }
}

/// The wanted part of a run, with columns that do not fall; of what is mirrored the images.
fn kept(placed: &Placed, keep: Keep) -> Option<Placed> {
    let part = |first: i64, step: i64, n: i64| Placed {
        run: placed.run.part(first, step, n),
        value: placed.value.part(first, step),
    };
    let run = placed.run;
    // Images have rows for columns, which do not fall as they are.
    if run.column.step < 0 && keep != Keep::Mirrored {
        return kept(&part(run.n - 1, -1, run.n), keep);
    }
    let (sign, least) = match keep {
        Keep::All => return Some(*placed),
        Keep::Lower => (1, 0),
        Keep::Upper => (-1, 0),
        Keep::Mirrored => (1, 1),
    };
    // Wanted while start + i * step >= 0.
    let start = sign * (run.row.start - run.column.start) - least;
    let step = sign * (run.row.step - run.column.step);
    let (from, to) = match step {
        0 => (0, if start >= 0 { run.n } else { 0 }),
        1.. => ((-start).max(0).div_euclid(step) + i64::from((-start).max(0) % step != 0), run.n),
        _ => (0, if start < 0 { 0 } else { (start / -step + 1).min(run.n) }),
    };
    let mut kept = match to - from {
        ..=0 => return None,
        1 => part(from, 0, 1),
        n => part(from, 1, n),
    };
    if keep == Keep::Mirrored {
        // Rows do not fall.
        std::mem::swap(&mut kept.run.row, &mut kept.run.column);
    }
    Some(kept)
}
