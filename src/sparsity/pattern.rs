//! Sparsity patterns of matrices.
//!
//! A pattern is canonical: two patterns are equal exactly when they have the same shape and
//! the same structural nonzeros. The nonzeros of a value are stored column-major (CSC order),
//! and the position in that order is the *nonzero index* used all over the crate.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::blocks::Blocks;
use super::runs::{Layout, Run};

/// Largest number of entries (rows times columns) a dense value may have, and the largest
/// number of structural nonzeros of any value: 2^31 - 1.
pub const MAX_NUMEL: u64 = (1 << 31) - 1;

/// Shape and structural nonzeros of a matrix. Cheap to clone.
///
/// ```
/// use nablac::sparsity::Pattern;
/// let p = Pattern::try_from_entries(3, 2, [(0, 0), (2, 0), (1, 1)])?;
/// assert_eq!((p.shape(), p.nnz(), p.find(2, 0), p.find(2, 1)), ((3, 2), 3, Some(1), None));
/// // Nonzeros count column by column.
/// assert_eq!(p.entries().collect::<Vec<_>>(), [(0, 0), (2, 0), (1, 1)]);
/// assert_eq!(p.linear().collect::<Vec<_>>(), [0, 2, 4]);
/// // However it is made: what has the same entries is equal.
/// assert_eq!(Pattern::band(3, 3, 0, 0), Pattern::diagonal(3));
/// assert_eq!(Pattern::lower(2).union(&Pattern::upper(2)), Pattern::dense(2, 2));
/// assert_eq!(Pattern::lower(2).intersection(&Pattern::upper(2)), Pattern::diagonal(2));
/// assert_eq!(p.transpose().0.shape(), (2, 3));
/// assert_eq!(Pattern::dense(2, 1).product(&Pattern::dense(1, 3)), Pattern::dense(2, 3));
/// // Sizes that come from users are checked.
/// assert!(Pattern::try_dense(1 << 20, 1 << 20).is_err());
/// # Ok::<(), nablac::sparsity::PatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    n_rows: u32,
    n_cols: u32,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Dense,
    Zero,
    Diagonal,
    Csc(Arc<Csc>),
    Blocks(Arc<Blocks>),
}

impl Kind {
    /// Compressed columns, where these are kept.
    fn listed(&self) -> Option<&Csc> {
        match self {
            Kind::Csc(csc) => Some(csc),
            Kind::Blocks(blocks) => Some(blocks.listed()),
            _ => None,
        }
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Kind) -> bool {
        match (self, other) {
            (Kind::Csc(a), Kind::Csc(b)) => Arc::ptr_eq(a, b) || a == b,
            (Kind::Blocks(a), Kind::Blocks(b)) => Arc::ptr_eq(a, b) || a == b,
            (Kind::Csc(csc), Kind::Blocks(blocks)) | (Kind::Blocks(blocks), Kind::Csc(csc)) => {
                csc.rows.len() == blocks.nnz() && **csc == *blocks.listed()
            }
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl Eq for Kind {}

/// The same for the same nonzeros, however they are kept.
impl Hash for Kind {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Kind::Csc(csc) => csc.hash(state),
            Kind::Blocks(blocks) => blocks.hash(state),
            _ => std::mem::discriminant(self).hash(state),
        }
    }
}

/// Compressed columns: `rows[colptr[j]..colptr[j + 1]]` are the rows of column `j`, increasing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Csc {
    pub colptr: Vec<u32>,
    pub rows: Vec<u32>,
}

impl Csc {
    fn column(&self, j: usize) -> std::ops::Range<usize> {
        self.colptr[j] as usize..self.colptr[j + 1] as usize
    }
}

impl Hash for Csc {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_samples(&self.colptr, state);
        hash_samples(&self.rows, state);
    }
}

/// Hashes the length of a long list and some of its items, so that looking up a pattern or a map
/// does not cost its size. Equality still compares everything.
pub(crate) fn hash_samples<T: Hash + Copy, H: Hasher>(items: &[T], state: &mut H) {
    hash_sampled(items.len(), |k| items[k], state);
}

/// [`hash_samples`] of a list of `len` items that `item` gives.
pub(super) fn hash_sampled<T: Hash, H: Hasher>(
    len: usize,
    item: impl Fn(usize) -> T,
    state: &mut H,
) {
    const MOST: usize = 128;
    state.write_usize(len);
    let step = len.div_ceil(MOST).max(1);
    // The start in full: lists of one loop often differ there alone.
    (0..len).take(MOST).for_each(|k| item(k).hash(state));
    (0..len).step_by(step).for_each(|k| item(k).hash(state));
    len.checked_sub(1).map(item).hash(state);
}

/// Why a pattern could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// More structural nonzeros than [`MAX_NUMEL`].
    TooLarge { n_rows: u64, n_cols: u64, limit: u64 },
    /// Column pointers or row indices are not sane (length, order, range).
    NotCsc,
    /// An entry that the matrix does not have.
    Outside { row: usize, col: usize, n_rows: usize, n_cols: usize },
}

impl std::fmt::Display for PatternError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PatternError::TooLarge { n_rows, n_cols, limit } => {
                write!(f, "a {n_rows}x{n_cols} matrix has more than {limit} entries")
            }
            PatternError::NotCsc => write!(f, "column pointers or rows are out of order or range"),
            PatternError::Outside { row, col, n_rows, n_cols } => {
                write!(f, "entry [{row}, {col}] lies outside of a {n_rows}x{n_cols} matrix")
            }
        }
    }
}

impl std::error::Error for PatternError {}

impl Pattern {
    /// A dense `n_rows` x `n_cols` pattern. The product of both must not exceed [`MAX_NUMEL`]
    /// (see [`Pattern::try_dense`] for sizes that come from a user).
    pub fn dense(n_rows: usize, n_cols: usize) -> Pattern {
        let kind = if n_rows == 0 || n_cols == 0 { Kind::Zero } else { Kind::Dense };
        Pattern { n_rows: n_rows as u32, n_cols: n_cols as u32, kind }
    }

    /// [`Pattern::dense`] that refuses sizes beyond [`MAX_NUMEL`].
    pub fn try_dense(n_rows: u64, n_cols: u64) -> Result<Pattern, PatternError> {
        Pattern::check_size(n_rows, n_cols)?;
        Ok(Pattern::dense(n_rows as usize, n_cols as usize))
    }

    /// Refuses shapes with more than [`MAX_NUMEL`] entries.
    pub fn check_size(n_rows: u64, n_cols: u64) -> Result<(), PatternError> {
        let fits = n_rows.checked_mul(n_cols).is_some_and(|n| n <= MAX_NUMEL);
        if !fits || n_rows > MAX_NUMEL || n_cols > MAX_NUMEL {
            return Err(PatternError::TooLarge { n_rows, n_cols, limit: MAX_NUMEL });
        }
        Ok(())
    }

    /// The 1x1 dense pattern.
    pub fn scalar() -> Pattern {
        Pattern::dense(1, 1)
    }

    /// A pattern without nonzeros.
    pub fn zero(n_rows: usize, n_cols: usize) -> Pattern {
        Pattern { n_rows: n_rows as u32, n_cols: n_cols as u32, kind: Kind::Zero }
    }

    /// The diagonal of an `n` x `n` matrix.
    pub fn diagonal(n: usize) -> Pattern {
        match n {
            0 => Pattern::zero(0, 0),
            1 => Pattern::scalar(),
            _ => Pattern { n_rows: n as u32, n_cols: n as u32, kind: Kind::Diagonal },
        }
    }

    /// A pattern from compressed columns; rows must increase strictly inside a column.
    pub fn from_csc(
        n_rows: usize,
        n_cols: usize,
        colptr: Vec<u32>,
        rows: Vec<u32>,
    ) -> Result<Pattern, PatternError> {
        let sane = colptr.len() == n_cols + 1
            && colptr[0] == 0
            && colptr[n_cols] as usize == rows.len()
            && colptr.windows(2).all(|w| w[0] <= w[1])
            && colptr.windows(2).all(|w| {
                let column = &rows[w[0] as usize..(w[1] as usize).min(rows.len())];
                column.windows(2).all(|r| r[0] < r[1])
                    && column.last().is_none_or(|&r| (r as usize) < n_rows)
            });
        if !sane {
            return Err(PatternError::NotCsc);
        }
        let nnz = rows.len();
        if nnz == 0 {
            return Ok(Pattern::zero(n_rows, n_cols));
        }
        if nnz == n_rows * n_cols {
            return Ok(Pattern::dense(n_rows, n_cols));
        }
        if n_rows == n_cols
            && nnz == n_rows
            && rows.iter().enumerate().all(|(j, &r)| r as usize == j)
            && colptr.iter().enumerate().all(|(j, &p)| p as usize == j)
        {
            return Ok(Pattern::diagonal(n_rows));
        }
        let kind = Kind::Csc(Arc::new(Csc { colptr, rows }));
        Ok(Pattern { n_rows: n_rows as u32, n_cols: n_cols as u32, kind })
    }

    /// The entries of runs in the order of their layout; all lie inside the shape. Entries are
    /// listed when first asked for.
    pub(crate) fn from_layout(
        n_rows: usize,
        n_cols: usize,
        runs: &[Run],
        layout: &Layout,
    ) -> Pattern {
        let blocks = Blocks::new(n_cols, runs, layout);
        let nnz = blocks.nnz();
        if nnz == 0 {
            return Pattern::zero(n_rows, n_cols);
        }
        if nnz as u64 == n_rows as u64 * n_cols as u64 {
            return Pattern::dense(n_rows, n_cols);
        }
        if n_rows == n_cols && nnz == n_rows && blocks.is_on_diagonal() {
            return Pattern::diagonal(n_rows);
        }
        let kind = Kind::Blocks(Arc::new(blocks));
        Pattern { n_rows: n_rows as u32, n_cols: n_cols as u32, kind }
    }

    /// A pattern from column-major positions `row + column * n_rows`, which must increase
    /// strictly.
    pub(crate) fn from_linear(
        n_rows: usize,
        n_cols: usize,
        positions: impl IntoIterator<Item = u64>,
    ) -> Pattern {
        let mut colptr = Vec::with_capacity(n_cols + 1);
        let mut rows = Vec::new();
        colptr.push(0);
        let height = n_rows.max(1) as u64;
        for position in positions {
            let (col, row) = ((position / height) as usize, (position % height) as u32);
            while colptr.len() <= col {
                colptr.push(rows.len() as u32);
            }
            rows.push(row);
        }
        while colptr.len() <= n_cols {
            colptr.push(rows.len() as u32);
        }
        Pattern::from_csc(n_rows, n_cols, colptr, rows)
            .expect("invariant: increasing positions inside the shape")
    }

    /// A pattern from (row, column) pairs in any order; duplicates are merged.
    ///
    /// ```
    /// # use nablac::sparsity::Pattern;
    /// assert_eq!(Pattern::try_from_entries(2, 2, [(1, 1), (0, 0)])?, Pattern::diagonal(2));
    /// let error = Pattern::try_from_entries(2, 2, [(2, 0)]).unwrap_err();
    /// assert_eq!(error.to_string(), "entry [2, 0] lies outside of a 2x2 matrix");
    /// # Ok::<(), nablac::sparsity::PatternError>(())
    /// ```
    ///
    /// # Errors
    /// A side or the number of pairs exceeds [`MAX_NUMEL`], or the first pair outside of the shape.
    pub fn try_from_entries(
        n_rows: usize,
        n_cols: usize,
        entries: impl IntoIterator<Item = (usize, usize)>,
    ) -> Result<Pattern, PatternError> {
        let too_large = PatternError::TooLarge {
            n_rows: n_rows as u64,
            n_cols: n_cols as u64,
            limit: MAX_NUMEL,
        };
        if n_rows.max(n_cols) as u64 > MAX_NUMEL {
            return Err(too_large);
        }
        let inside = |(row, col)| match row < n_rows && col < n_cols {
            true => Ok((row, col)),
            false => Err(PatternError::Outside { row, col, n_rows, n_cols }),
        };
        let entries = entries.into_iter().map(inside).collect::<Result<Vec<_>, _>>()?;
        if entries.len() as u64 > MAX_NUMEL {
            return Err(too_large);
        }
        Ok(Pattern::from_entries(n_rows, n_cols, entries))
    }

    /// A pattern from (row, column) pairs in any order; duplicates are merged. All lie inside the
    /// shape (see [`Pattern::try_from_entries`] for those that come from a user).
    pub(crate) fn from_entries(
        n_rows: usize,
        n_cols: usize,
        entries: impl IntoIterator<Item = (usize, usize)>,
    ) -> Pattern {
        let mut linear: Vec<u64> =
            entries.into_iter().map(|(r, c)| r as u64 + c as u64 * n_rows as u64).collect();
        linear.sort_unstable();
        linear.dedup();
        Pattern::from_linear(n_rows, n_cols, linear)
    }

    /// Lower triangle with the diagonal.
    pub fn lower(n: usize) -> Pattern {
        Pattern::band(n, n, n.saturating_sub(1), 0)
    }

    /// Upper triangle with the diagonal.
    pub fn upper(n: usize) -> Pattern {
        Pattern::band(n, n, 0, n.saturating_sub(1))
    }

    /// Entries with `-upper <= row - column <= lower`.
    ///
    /// # Panics
    /// There are more than 2^32 of them.
    pub fn band(n_rows: usize, n_cols: usize, lower: usize, upper: usize) -> Pattern {
        let mut colptr = vec![0u32];
        let mut rows = Vec::new();
        for j in 0..n_cols {
            rows.extend((j.saturating_sub(upper)..(j + lower + 1).min(n_rows)).map(|r| r as u32));
            colptr.push(rows.len() as u32);
        }
        Pattern::from_csc(n_rows, n_cols, colptr, rows).expect("invariant: bands are ordered")
    }

    pub fn n_rows(&self) -> usize {
        self.n_rows as usize
    }

    pub fn n_cols(&self) -> usize {
        self.n_cols as usize
    }

    /// (rows, columns).
    pub fn shape(&self) -> (usize, usize) {
        (self.n_rows(), self.n_cols())
    }

    /// Rows times columns.
    pub fn numel(&self) -> usize {
        self.n_rows() * self.n_cols()
    }

    /// Number of structural nonzeros.
    pub fn nnz(&self) -> usize {
        match &self.kind {
            Kind::Dense => self.numel(),
            Kind::Zero => 0,
            Kind::Diagonal => self.n_rows(),
            Kind::Csc(csc) => csc.rows.len(),
            Kind::Blocks(blocks) => blocks.nnz(),
        }
    }

    /// Every entry is a structural nonzero (also true of empty matrices).
    pub fn is_dense(&self) -> bool {
        matches!(self.kind, Kind::Dense) || self.numel() == 0
    }

    /// No entry is a structural nonzero.
    pub fn is_zero(&self) -> bool {
        matches!(self.kind, Kind::Zero)
    }

    /// A square matrix with nonzeros exactly on its diagonal (1x1 is dense instead).
    pub fn is_diagonal(&self) -> bool {
        matches!(self.kind, Kind::Diagonal)
    }

    /// The shape is 1x1.
    pub fn is_scalar(&self) -> bool {
        self.n_rows == 1 && self.n_cols == 1
    }

    /// One row or one column.
    pub fn is_vector(&self) -> bool {
        self.n_rows == 1 || self.n_cols == 1
    }

    /// Nonzero indices of column `j`.
    pub fn column(&self, j: usize) -> std::ops::Range<usize> {
        match &self.kind {
            Kind::Dense => j * self.n_rows()..(j + 1) * self.n_rows(),
            Kind::Zero => 0..0,
            Kind::Diagonal => j..j + 1,
            Kind::Csc(csc) => csc.column(j),
            Kind::Blocks(blocks) => blocks.listed().column(j),
        }
    }

    /// Row of nonzero `k`, which must be one of column `j`.
    pub fn row_of(&self, k: usize, j: usize) -> usize {
        match &self.kind {
            Kind::Dense => k - j * self.n_rows(),
            Kind::Zero => 0,
            Kind::Diagonal => k,
            Kind::Csc(csc) => csc.rows[k] as usize,
            Kind::Blocks(blocks) => blocks.listed().rows[k] as usize,
        }
    }

    /// (row, column) of every nonzero in order.
    pub fn entries(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        (0..self.n_cols()).flat_map(move |j| self.column(j).map(move |k| (self.row_of(k, j), j)))
    }

    /// Column-major position `row + column * n_rows` of every nonzero in order.
    pub fn linear(&self) -> impl Iterator<Item = u64> + '_ {
        let n_rows = u64::from(self.n_rows);
        self.entries().map(move |(r, c)| r as u64 + c as u64 * n_rows)
    }

    /// Nonzero index of entry (row, column), if it is a structural nonzero.
    pub fn find(&self, row: usize, col: usize) -> Option<usize> {
        if row >= self.n_rows() || col >= self.n_cols() {
            return None;
        }
        match &self.kind {
            Kind::Dense => Some(row + col * self.n_rows()),
            Kind::Zero => None,
            Kind::Diagonal => (row == col).then_some(row),
            Kind::Csc(_) | Kind::Blocks(_) => {
                let csc = self.kind.listed()?;
                let range = csc.column(col);
                csc.rows[range.clone()].binary_search(&(row as u32)).ok().map(|k| range.start + k)
            }
        }
    }

    /// Column pointers, `n_cols + 1` of them.
    pub fn colptr(&self) -> Vec<u32> {
        match self.kind.listed() {
            Some(csc) => csc.colptr.clone(),
            None => {
                let mut colptr = vec![0; self.n_cols() + 1];
                for j in 0..self.n_cols() {
                    colptr[j + 1] = colptr[j] + self.column(j).len() as u32;
                }
                colptr
            }
        }
    }

    /// Row indices of the nonzeros in order.
    pub fn row_idx(&self) -> Vec<u32> {
        match self.kind.listed() {
            Some(csc) => csc.rows.clone(),
            None => self.entries().map(|(r, _)| r as u32).collect(),
        }
    }

    /// The transposed pattern, and for each of its nonzeros the index in `self`.
    pub fn transpose(&self) -> (Pattern, Vec<u32>) {
        let (n_rows, n_cols) = self.shape();
        let mut colptr = vec![0u32; n_rows + 1];
        for (r, _) in self.entries() {
            colptr[r + 1] += 1;
        }
        for r in 0..n_rows {
            colptr[r + 1] += colptr[r];
        }
        let mut next = colptr.clone();
        let mut rows = vec![0u32; self.nnz()];
        let mut source = vec![0u32; self.nnz()];
        for (k, (r, c)) in self.entries().enumerate() {
            let to = next[r] as usize;
            next[r] += 1;
            rows[to] = c as u32;
            source[to] = k as u32;
        }
        let pattern = Pattern::from_csc(n_cols, n_rows, colptr, rows)
            .expect("invariant: counting sort keeps rows in order");
        (pattern, source)
    }

    /// The same nonzeros in another shape with as many entries, column-major.
    /// The order of nonzeros does not change. `None` if the entry counts differ.
    pub fn reshape(&self, n_rows: usize, n_cols: usize) -> Option<Pattern> {
        if (n_rows as u64).checked_mul(n_cols as u64) != Some(self.numel() as u64) {
            return None;
        }
        Some(match self.kind {
            Kind::Dense => Pattern::dense(n_rows, n_cols),
            Kind::Zero => Pattern::zero(n_rows, n_cols),
            _ => Pattern::from_linear(n_rows, n_cols, self.linear()),
        })
    }

    /// Entries that are nonzero in either. Shapes must be equal.
    pub fn union(&self, other: &Pattern) -> Pattern {
        debug_assert_eq!(self.shape(), other.shape());
        if self == other || other.is_zero() || self.is_dense() {
            return self.clone();
        }
        if self.is_zero() || other.is_dense() {
            return other.clone();
        }
        let (mut a, mut b) = (self.linear().peekable(), other.linear().peekable());
        let mut merged = Vec::with_capacity(self.nnz() + other.nnz());
        loop {
            match (a.peek(), b.peek()) {
                (None, None) => break,
                (Some(&p), None) => {
                    merged.push(p);
                    a.next();
                }
                (None, Some(&q)) => {
                    merged.push(q);
                    b.next();
                }
                (Some(&p), Some(&q)) => {
                    merged.push(p.min(q));
                    if p <= q {
                        a.next();
                    }
                    if q <= p {
                        b.next();
                    }
                }
            }
        }
        Pattern::from_linear(self.n_rows(), self.n_cols(), merged)
    }

    /// Entries that are nonzero in both. Shapes must be equal.
    pub fn intersection(&self, other: &Pattern) -> Pattern {
        debug_assert_eq!(self.shape(), other.shape());
        if self == other || self.is_zero() || other.is_dense() {
            return self.clone();
        }
        if other.is_zero() || self.is_dense() {
            return other.clone();
        }
        let common = self.entries().filter(|&(r, c)| other.find(r, c).is_some());
        let n_rows = u64::from(self.n_rows);
        Pattern::from_linear(
            self.n_rows(),
            self.n_cols(),
            common.map(|(r, c)| r as u64 + c as u64 * n_rows),
        )
    }

    /// The first nonzero, as row and column, that is none of `outer`, which has the same shape.
    pub fn first_outside(&self, outer: &Pattern) -> Option<(usize, usize)> {
        if outer.is_dense() || self == outer {
            return None;
        }
        self.entries().find(|&(row, col)| outer.find(row, col).is_none())
    }

    /// For each nonzero of `self` its nonzero index in `outer`, if all are nonzeros there.
    pub fn positions_in(&self, outer: &Pattern) -> Option<Vec<u32>> {
        if self.shape() != outer.shape() {
            return None;
        }
        self.entries().map(|(r, c)| outer.find(r, c).map(|k| k as u32)).collect()
    }

    /// The sub-pattern with the nonzeros whose index `keep` lists, increasing.
    pub fn select(&self, keep: &[u32]) -> Pattern {
        if keep.len() == self.nnz() {
            return self.clone();
        }
        if let Kind::Dense = self.kind {
            return Pattern::from_linear(
                self.n_rows(),
                self.n_cols(),
                keep.iter().map(|&k| u64::from(k)),
            );
        }
        let linear: Vec<u64> = self.linear().collect();
        Pattern::from_linear(self.n_rows(), self.n_cols(), keep.iter().map(|&k| linear[k as usize]))
    }

    /// Number of products of entries in the matrix product `self * other`.
    pub fn n_products(&self, other: &Pattern) -> u64 {
        if self.is_dense() && other.is_dense() {
            return self.numel() as u64 * other.n_cols() as u64;
        }
        other.entries().map(|(inner, _)| self.column(inner).len() as u64).sum()
    }

    /// Pattern of the matrix product `self * other`. Inner dimensions must agree.
    pub fn product(&self, other: &Pattern) -> Pattern {
        debug_assert_eq!(self.n_cols(), other.n_rows());
        let (n_rows, n_cols) = (self.n_rows(), other.n_cols());
        if self.is_zero() || other.is_zero() {
            return Pattern::zero(n_rows, n_cols);
        }
        if self.is_dense() && other.is_dense() {
            return Pattern::dense(n_rows, n_cols);
        }
        let mut colptr = vec![0u32];
        let mut rows: Vec<u32> = Vec::new();
        let mut seen = vec![u32::MAX; n_rows];
        for j in 0..n_cols {
            let start = rows.len();
            for kb in other.column(j) {
                let inner = other.row_of(kb, j);
                for ka in self.column(inner) {
                    let r = self.row_of(ka, inner);
                    if seen[r] != j as u32 {
                        seen[r] = j as u32;
                        rows.push(r as u32);
                    }
                }
            }
            rows[start..].sort_unstable();
            colptr.push(rows.len() as u32);
        }
        Pattern::from_csc(n_rows, n_cols, colptr, rows).expect("invariant: rows were sorted")
    }
}

/// `2x3`, with the number of nonzeros when it is not dense: `3x3, 5 nonzeros`.
impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.n_rows, self.n_cols)?;
        if !self.is_dense() {
            write!(f, ", {} nonzeros", self.nnz())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_nonzeros_are_equal_patterns() {
        assert_eq!(Pattern::from_entries(2, 2, [(0, 0), (1, 1)]), Pattern::diagonal(2));
        assert_eq!(Pattern::band(3, 3, 2, 2), Pattern::dense(3, 3));
        assert_eq!(Pattern::from_entries(3, 2, []), Pattern::zero(3, 2));
        assert_eq!(Pattern::dense(0, 3).nnz(), 0);
    }

    #[test]
    fn set_operations_agree_with_entry_sets() {
        let a = Pattern::from_entries(3, 3, [(0, 0), (2, 0), (1, 2)]);
        let b = Pattern::from_entries(3, 3, [(2, 0), (1, 1), (1, 2)]);
        assert_eq!(a.union(&b), Pattern::from_entries(3, 3, [(0, 0), (2, 0), (1, 1), (1, 2)]));
        assert_eq!(a.intersection(&b), Pattern::from_entries(3, 3, [(2, 0), (1, 2)]));
        assert_eq!(a.intersection(&b).positions_in(&a), Some(vec![1, 2]));
        assert_eq!(a.select(&[1, 2]), a.intersection(&b));
    }

    #[test]
    fn transpose_lists_sources() {
        let a = Pattern::from_entries(2, 3, [(0, 0), (1, 0), (0, 2)]);
        let (t, source) = a.transpose();
        assert_eq!(t, Pattern::from_entries(3, 2, [(0, 0), (2, 0), (0, 1)]));
        assert_eq!(source, vec![0, 2, 1]);
    }

    #[test]
    fn product_is_boolean_product() {
        let a = Pattern::band(4, 4, 1, 0);
        assert_eq!(a.product(&a), Pattern::band(4, 4, 2, 0));
        assert_eq!(Pattern::diagonal(4).product(&a), a);
    }

    #[test]
    fn broken_csc_is_refused() {
        assert!(Pattern::from_csc(2, 1, vec![0, 2], vec![1, 0]).is_err());
        assert!(Pattern::from_csc(2, 1, vec![0, 1], vec![2]).is_err());
        assert!(Pattern::from_csc(2, 2, vec![0, 1], vec![0]).is_err());
        assert!(Pattern::try_dense(1 << 20, 1 << 20).is_err());
    }
}
