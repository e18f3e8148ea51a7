//! Patterns of blocks that repeat, listed entry by entry only when somebody asks for it.

use std::hash::{Hash, Hasher};
use std::sync::OnceLock;

use super::pattern::{Csc, hash_sampled};
use super::runs::{Layout, Run};

/// Columns `column ..`: a block of `width` of them, `n` times.
#[derive(Debug, PartialEq, Eq)]
struct Segment {
    column: u32,
    width: u32,
    n: u32,
    /// Number of the first nonzero.
    first: u32,
    /// Offsets of columns and first rows of the entries of a block, column by column.
    entries: Vec<(u32, u32)>,
    /// How much further down each entry is in the next block.
    steps: Vec<i32>,
}

impl Segment {
    fn nnz(&self) -> u32 {
        self.n * self.entries.len() as u32
    }

    fn row(&self, block: u32, k: usize) -> u32 {
        (i64::from(self.entries[k].1) + i64::from(block) * i64::from(self.steps[k])) as u32
    }
}

/// Structural nonzeros of `n_cols` columns.
#[derive(Debug)]
pub(super) struct Blocks {
    n_cols: u32,
    nnz: u32,
    segments: Vec<Segment>,
    listed: OnceLock<Csc>,
}

impl Blocks {
    /// The entries of runs in the order of their layout.
    pub fn new(n_cols: usize, runs: &[Run], layout: &Layout) -> Blocks {
        let mut nnz = 0;
        let segments = layout.iter().map(|segment| {
            let of = |&(run, first): &(usize, i64)| {
                let (row, column) = (runs[run].row, runs[run].column.at(first));
                let step = if segment.n > 1 { row.step as i32 } else { 0 };
                (((column - segment.column) as u32, row.at(first) as u32), step)
            };
            let (entries, steps) = segment.entries.iter().map(of).unzip();
            let [column, width, n] = [segment.column, segment.width, segment.n].map(|v| v as u32);
            let segment = Segment { column, width, n, first: nnz, entries, steps };
            nnz += segment.nnz();
            segment
        });
        let segments = segments.collect();
        Blocks { n_cols: n_cols as u32, nnz, segments, listed: OnceLock::new() }
    }

    pub fn nnz(&self) -> usize {
        self.nnz as usize
    }

    /// Every nonzero stands on the diagonal.
    pub fn is_on_diagonal(&self) -> bool {
        self.segments.iter().all(|s| {
            let on = |(&(offset, row), &step): (&(u32, u32), &i32)| {
                row == s.column + offset && (s.n == 1 || i64::from(step) == i64::from(s.width))
            };
            s.entries.iter().zip(&s.steps).all(on)
        })
    }

    /// Compressed columns, made at the first call.
    pub fn listed(&self) -> &Csc {
        self.listed.get_or_init(|| {
            let mut colptr = Vec::with_capacity(self.n_cols as usize + 1);
            let mut rows = Vec::with_capacity(self.nnz());
            for s in &self.segments {
                for block in 0..s.n {
                    let start = s.column + block * s.width;
                    for (k, &(offset, _)) in s.entries.iter().enumerate() {
                        while colptr.len() <= (start + offset) as usize {
                            colptr.push(rows.len() as u32);
                        }
                        rows.push(s.row(block, k));
                    }
                }
            }
            colptr.resize(self.n_cols as usize + 1, self.nnz);
            Csc { colptr, rows }
        })
    }

    /// Nonzeros before column `j`.
    fn before(&self, j: usize) -> u32 {
        let at = self.segments.partition_point(|s| (s.column as usize) < j);
        let Some(s) = at.checked_sub(1).map(|k| &self.segments[k]) else { return 0 };
        let columns = j as u32 - s.column;
        if columns >= s.n.saturating_mul(s.width) {
            return s.first + s.nnz();
        }
        let inside = s.entries.partition_point(|e| e.0 < columns % s.width);
        s.first + columns / s.width * s.entries.len() as u32 + inside as u32
    }

    /// Row of nonzero `k`.
    fn row_of(&self, k: usize) -> u32 {
        let at = self.segments.partition_point(|s| s.first as usize <= k);
        let s = &self.segments[at - 1];
        let (k, len) = (k - s.first as usize, s.entries.len());
        s.row((k / len) as u32, k % len)
    }
}

/// The hash of the listed columns.
impl Hash for Blocks {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_sampled(self.n_cols as usize + 1, |j| self.before(j), state);
        hash_sampled(self.nnz(), |k| self.row_of(k), state);
    }
}

impl PartialEq for Blocks {
    fn eq(&self, other: &Blocks) -> bool {
        (self.n_cols, self.nnz) == (other.n_cols, other.nnz)
            && (self.segments == other.segments || self.listed() == other.listed())
    }
}
