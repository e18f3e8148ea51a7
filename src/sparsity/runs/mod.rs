//! Entries of sparse matrices as runs: evenly spaced entries, however many, are one item.
//!
//! A loop places what its iterations have in common a constant step apart, so its Jacobian has
//! as many runs as one iteration has entries. Products and sums of such matrices are made run by
//! run, and cost nothing for the number of iterations.

mod layout;
pub mod lines;
mod sum;

pub use layout::{Layout, Segment, layout};
pub use sum::sum;

use rustc_hash::FxHashMap;

/// `start + i * step` for `i = 0, 1, ..`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    pub start: i64,
    pub step: i64,
}

impl Line {
    pub fn new(start: i64, step: i64) -> Line {
        Line { start, step }
    }

    /// The same number always.
    pub fn fixed(start: i64) -> Line {
        Line { start, step: 0 }
    }

    pub fn at(&self, i: i64) -> i64 {
        self.start + i * self.step
    }

    /// Every `step`-th number from number `first` on.
    pub fn part(&self, first: i64, step: i64) -> Line {
        Line { start: self.at(first), step: self.step * step }
    }
}

/// `n` entries: entry `i` stands in row `row.at(i)` and column `column.at(i)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub n: i64,
    pub row: Line,
    pub column: Line,
}

impl Run {
    /// One entry.
    pub fn single(row: i64, column: i64) -> Run {
        Run { n: 1, row: Line::fixed(row), column: Line::fixed(column) }
    }

    /// Entries `first, first + step, ..`, `n` of them.
    pub fn part(&self, first: i64, step: i64, n: i64) -> Run {
        Run { n, row: self.row.part(first, step), column: self.column.part(first, step) }
    }

    /// The last entry first.
    fn reversed(&self) -> Run {
        self.part(self.n - 1, -1, self.n)
    }
}

/// What belongs to the entries of a run, and is split and joined with it.
pub trait Along: Sized + Clone {
    /// What belongs to entries `first, first + step, ..`.
    fn part(&self, first: i64, step: i64) -> Self;

    /// What belongs to `n` entries like `self` followed by `n_next` like `next`.
    fn join(&self, n: i64, next: &Self, n_next: i64) -> Option<Self>;
}

/// Runs that are too many, or lie to one another as these functions do not cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Irregular;

/// Steps of work on runs after which they are given up.
const MOST_STEPS: u64 = 1 << 23;

/// Most runs that a product of a row and a column of several entries each is written as.
const WIDEST: i64 = 64;

/// Runs by the rows they occupy.
struct ByRow {
    /// Runs that stay in one row.
    fixed: FxHashMap<i64, Vec<usize>>,
    /// By step, then by the remainder of rows.
    stepped: Vec<(i64, FxHashMap<i64, Vec<usize>>)>,
}

impl ByRow {
    fn new(runs: &[Run]) -> ByRow {
        let mut by = ByRow { fixed: FxHashMap::default(), stepped: Vec::new() };
        for (k, run) in runs.iter().enumerate() {
            let step = run.row.step;
            if step == 0 {
                by.fixed.entry(run.row.start).or_default().push(k);
                continue;
            }
            let at = by.stepped.iter().position(|s| s.0 == step).unwrap_or_else(|| {
                by.stepped.push((step, FxHashMap::default()));
                by.stepped.len() - 1
            });
            by.stepped[at].1.entry(run.row.start.rem_euclid(step)).or_default().push(k);
        }
        by
    }
}

/// `n` products of an entry of a run with one of another: which of each, by first and step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Products {
    pub run: Run,
    /// Number of the left run, its first entry and the step to the next.
    pub left: (usize, i64, i64),
    pub right: (usize, i64, i64),
}

/// The products of entries of `left` with entries of `right` whose rows are their columns. Steps
/// of rows in `right` are not negative.
pub fn products(left: &[Run], right: &[Run]) -> Result<Vec<Products>, Irregular> {
    let by_row = ByRow::new(right);
    let mut found = Vec::new();
    let mut steps = 0u64;
    for (l, p) in left.iter().enumerate() {
        // From here on columns do not fall; `at` gives the number of an entry in `p` itself.
        let turned = p.column.step < 0;
        let q = if turned { p.reversed() } else { *p };
        let of_left = |first: i64, step: i64| match turned {
            true => (l, p.n - 1 - first, -step),
            false => (l, first, step),
        };
        let (start, step) = (q.column.start, q.column.step);
        // Row `at` of the left run with all of a right run in one row.
        let outer = |at: i64, r: usize, found: &mut Vec<Products>| {
            let a = right[r];
            found.push(Products {
                run: Run { n: a.n, row: Line::fixed(q.row.at(at)), column: a.column },
                left: (of_left(at, 0).0, of_left(at, 0).1, 0),
                right: (r, 0, 1),
            });
        };
        if step == 0 {
            for &r in by_row.fixed.get(&start).into_iter().flatten() {
                let a = right[r];
                // The longer one of both stays a run.
                if q.n == 1 || q.n <= WIDEST && q.n <= a.n {
                    (0..q.n).for_each(|i| outer(i, r, &mut found));
                } else if a.n <= WIDEST {
                    for j in 0..a.n {
                        let column = Line::fixed(a.column.at(j));
                        let run = Run { n: q.n, row: q.row, column };
                        found.push(Products { run, left: of_left(0, 1), right: (r, j, 0) });
                    }
                } else {
                    return Err(Irregular);
                }
            }
            for (s, classes) in &by_row.stepped {
                for &r in classes.get(&start.rem_euclid(*s)).into_iter().flatten() {
                    steps += 1;
                    let a = right[r];
                    let j = (start - a.row.start) / s;
                    if (0..a.n).contains(&j) && start >= a.row.start {
                        let column = Line::fixed(a.column.at(j));
                        let run = Run { n: q.n, row: q.row, column };
                        found.push(Products { run, left: of_left(0, 1), right: (r, j, 0) });
                    }
                }
            }
        } else {
            for (&row, runs) in &by_row.fixed {
                steps += 1;
                let i = (row - start).div_euclid(step);
                if (row - start).rem_euclid(step) == 0 && (0..q.n).contains(&i) {
                    runs.iter().for_each(|&r| outer(i, r, &mut found));
                }
            }
            for (s, classes) in &by_row.stepped {
                let of_class = classes.get(&start.rem_euclid(*s));
                let same: &[usize] = of_class.map_or(&[], |c| c);
                let others = classes.values().flatten().filter(|_| *s != step);
                for &r in same.iter().filter(|_| *s == step).chain(others) {
                    steps += 1;
                    if let Some(m) = meet(Line::new(start, step), q.n, right[r].row, right[r].n) {
                        let run = Run {
                            n: m.n,
                            row: q.row.part(m.first.0, m.step.0),
                            column: right[r].column.part(m.first.1, m.step.1),
                        };
                        let left = of_left(m.first.0, m.step.0);
                        found.push(Products { run, left, right: (r, m.first.1, m.step.1) });
                    }
                }
            }
        }
        if steps + found.len() as u64 > MOST_STEPS {
            return Err(Irregular);
        }
    }
    // What hash tables order is put in the order of the operands.
    found.sort_by_key(|p| (p.left.0, p.right.0, p.run.row.start, p.run.column.start));
    Ok(found)
}

/// Numbers `i` and `j` with `a.at(i) == b.at(j)`: the first of each and the steps to the next.
struct Meeting {
    n: i64,
    first: (i64, i64),
    step: (i64, i64),
}

/// Where two lines with positive steps, `n` and `m` numbers long, meet.
fn meet(a: Line, n: i64, b: Line, m: i64) -> Option<Meeting> {
    let (g, inverse) = gcd_inverse(a.step, b.step);
    let gap = b.start - a.start;
    if gap % g != 0 {
        return None;
    }
    // a.step * i = gap modulo b.step.
    let (period, of_b) = (b.step / g, a.step / g);
    let first = (i128::from(gap / g) * i128::from(inverse)).rem_euclid(i128::from(period)) as i64;
    let j = (a.at(first) - b.start) / b.step;
    // The first that is in range for both, and the last.
    let lead = if j < 0 { (-j + of_b - 1) / of_b } else { 0 };
    let (first, j) = (first + lead * period, j + lead * of_b);
    if first >= n || j >= m {
        return None;
    }
    let n = ((n - 1 - first) / period).min((m - 1 - j) / of_b) + 1;
    Some(Meeting { n, first: (first, j), step: (period, of_b) })
}

/// Greatest common divisor of two positive numbers, and the inverse of `a / g` modulo `b / g`.
fn gcd_inverse(a: i64, b: i64) -> (i64, i64) {
    let (mut r, mut s) = ((a, b), (1i64, 0i64));
    while r.1 != 0 {
        let q = r.0 / r.1;
        r = (r.1, r.0 - q * r.1);
        s = (s.1, s.0 - q * s.1);
    }
    (r.0, s.0.rem_euclid((b / r.0).max(1)))
}

#[cfg(test)]
mod tests;
