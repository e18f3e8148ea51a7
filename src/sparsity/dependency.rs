//! Which seeds each entry of a value depends on: the boolean Jacobian, row by row.
//!
//! Dependencies are propagated through a graph from its inputs to its outputs, one operation
//! here for each structural operation there (Griewank and Walther, "Evaluating Derivatives",
//! section 7.1, index domains). Rows share their storage, so that gathers, broadcasts and the
//! result of a sum over everything cost nothing per dependency.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::adjacency::{Lists, merge};
use super::limit::check_nonzeros;
use super::{MAX_NUMEL, Pattern, PatternError};

/// For each of some entries the set of seeds it depends on. Cheap to clone.
///
/// ```
/// use nablac::sparsity::{DependencyMatrix, Pattern};
/// // y[k] = x[k] * x[k + 1]
/// let x = DependencyMatrix::identity(5);
/// let y = DependencyMatrix::union(&[&x.gather(0..4), &x.gather(1..5)])?;
/// assert_eq!(y.row(2), [2, 3]);
/// assert_eq!(y.to_pattern()?, Pattern::band(4, 5, 0, 1));
/// # Ok::<(), nablac::sparsity::PatternError>(())
/// ```
#[derive(Clone, Debug)]
pub struct DependencyMatrix {
    n_seeds: u32,
    /// Where in `pool` each row stands.
    rows: Arc<Vec<Span>>,
    /// Increasing seeds of some row, of many or of none.
    pool: Arc<Vec<u32>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Span {
    start: u32,
    len: u32,
}

impl Span {
    const EMPTY: Span = Span { start: 0, len: 0 };

    /// Of `len` seeds from `start`. An empty span starts at 0, so that it fits every pool.
    fn new(start: usize, len: usize) -> Span {
        if len == 0 { Span::EMPTY } else { Span { start: start as u32, len: len as u32 } }
    }
}

impl DependencyMatrix {
    /// `n_rows` entries that depend on nothing.
    pub fn empty(n_rows: usize, n_seeds: usize) -> DependencyMatrix {
        DependencyMatrix {
            n_seeds: n_seeds as u32,
            rows: Arc::new(vec![Span::EMPTY; n_rows]),
            pool: Arc::default(),
        }
    }

    /// Entry `k` depends on seed `k`.
    pub fn identity(n: usize) -> DependencyMatrix {
        DependencyMatrix {
            n_seeds: n as u32,
            rows: Arc::new((0..n as u32).map(|k| Span { start: k, len: 1 }).collect()),
            pool: Arc::new((0..n as u32).collect()),
        }
    }

    /// Entry `i` depends on seed `j` where (i, j) is a structural nonzero.
    pub fn from_pattern(pattern: &Pattern) -> DependencyMatrix {
        if pattern.is_dense() && pattern.nnz() > 0 {
            let pool = (0..pattern.n_cols() as u32).collect();
            let row = Span { start: 0, len: pattern.n_cols() as u32 };
            return DependencyMatrix {
                n_seeds: pattern.n_cols() as u32,
                rows: Arc::new(vec![row; pattern.n_rows()]),
                pool: Arc::new(pool),
            };
        }
        let by_row = Lists::columns(pattern).transposed(pattern.n_rows());
        let span = |i| {
            let range = by_row.range(i);
            Span::new(range.start, range.len())
        };
        DependencyMatrix {
            n_seeds: pattern.n_cols() as u32,
            rows: Arc::new((0..pattern.n_rows() as u32).map(span).collect()),
            pool: Arc::new(by_row.values().to_vec()),
        }
    }

    pub fn n_rows(&self) -> usize {
        self.rows.len()
    }

    pub fn n_seeds(&self) -> usize {
        self.n_seeds as usize
    }

    /// Seeds of entry `i`, increasing.
    pub fn row(&self, i: usize) -> &[u32] {
        self.seeds(self.rows[i])
    }

    /// Seeds of each entry in turn.
    pub fn rows(&self) -> impl Iterator<Item = &[u32]> + '_ {
        self.rows.iter().map(|&span| self.seeds(span))
    }

    /// Nothing depends on any seed.
    pub fn is_empty(&self) -> bool {
        self.rows.iter().all(|row| row.len == 0)
    }

    /// Number of dependencies.
    pub fn nnz(&self) -> u64 {
        self.rows.iter().map(|row| u64::from(row.len)).sum()
    }

    /// Entry `k` of the result is entry `sources[k]`.
    pub fn gather(&self, sources: impl IntoIterator<Item = usize>) -> DependencyMatrix {
        let rows = sources.into_iter().map(|i| self.rows[i]).collect();
        self.with_rows(rows)
    }

    /// `n` copies of entry `i`.
    pub fn broadcast(&self, i: usize, n: usize) -> DependencyMatrix {
        self.with_rows(vec![self.rows[i]; n])
    }

    /// Entry `targets[k]` of the `n_rows` results depends on what entry `k` depends on; several
    /// may meet in one target.
    pub fn scatter(
        &self,
        n_rows: usize,
        targets: impl IntoIterator<Item = usize, IntoIter: Clone>,
    ) -> Result<DependencyMatrix, PatternError> {
        let pairs = targets.into_iter().map(|t| t as u32).zip(0..self.n_rows() as u32);
        self.gather_union(&Lists::by_key(n_rows, pairs))
    }

    /// Entry `i` of the result depends on what the entries `j` depend on for which (i, j) is a
    /// structural nonzero of `outer`: the product of both boolean matrices.
    pub fn compose(&self, outer: &Pattern) -> Result<DependencyMatrix, PatternError> {
        if outer.is_diagonal() {
            return Ok(self.clone());
        }
        if outer.is_dense() && outer.nnz() > 0 {
            return Ok(self.union_rows()?.broadcast(0, outer.n_rows()));
        }
        self.gather_union(&Lists::columns(outer).transposed(outer.n_rows()))
    }

    /// Entry `i` of the result depends on what any entry of list `i` depends on.
    pub fn gather_union(&self, sources: &Lists) -> Result<DependencyMatrix, PatternError> {
        let mut unions = Unions::new(sources.len(), self.n_seeds);
        let mut spans = Vec::new();
        let mut rows = Vec::with_capacity(sources.len());
        for i in 0..sources.len() as u32 {
            spans.clear();
            spans.extend(sources.of(i).iter().map(|&k| (0, self.rows[k as usize])));
            rows.push(unions.union(&[self], &mut spans)?);
        }
        Ok(unions.finish(rows))
    }

    /// One entry that depends on what any entry depends on.
    pub fn union_rows(&self) -> Result<DependencyMatrix, PatternError> {
        let mut unions = Unions::new(1, self.n_seeds);
        let mut spans: Vec<_> = self.rows.iter().map(|&row| (0, row)).collect();
        let row = unions.union(&[self], &mut spans)?;
        Ok(unions.finish(vec![row]))
    }

    /// Entry `i` depends on what entry `i` of any of the parts depends on; a part with one entry
    /// counts for all. The others have equally many entries.
    /// Without parts there are no entries.
    pub fn union(parts: &[&DependencyMatrix]) -> Result<DependencyMatrix, PatternError> {
        let Some(first) = parts.first() else { return Ok(DependencyMatrix::empty(0, 0)) };
        let n_rows = parts.iter().map(|p| p.n_rows()).find(|&n| n != 1).unwrap_or(1);
        let mut nonempty = parts.iter().filter(|p| !p.is_empty());
        let (one, another) = (nonempty.next(), nonempty.next());
        match (one, another) {
            (None, _) => return Ok(DependencyMatrix::empty(n_rows, first.n_seeds())),
            (Some(one), None) if one.n_rows() == n_rows => return Ok((*one).clone()),
            (Some(one), None) => return Ok(one.broadcast(0, n_rows)),
            _ => {}
        }
        let mut unions = Unions::new(n_rows, first.n_seeds);
        let mut spans = Vec::new();
        let mut last: (Vec<(u32, Span)>, Span) = (Vec::new(), Span::EMPTY);
        let mut rows = Vec::with_capacity(n_rows);
        for i in 0..n_rows {
            spans.clear();
            spans
                .extend((0..).zip(parts).map(|(p, part)| (p, part.rows[i.min(part.n_rows() - 1)])));
            if spans != last.0 {
                last.0.clone_from(&spans);
                last.1 = unions.union(parts, &mut spans)?;
            }
            rows.push(last.1);
        }
        Ok(unions.finish(rows))
    }

    /// Dependencies of the nonzeros of a matrix product with the given pattern, from those of
    /// the nonzeros of both factors: entry (i, j) depends on what the entries (i, l) of `a` and
    /// (l, j) of `b` depend on, for all l where both are structural nonzeros.
    pub fn product(
        a: (&DependencyMatrix, &Pattern),
        b: (&DependencyMatrix, &Pattern),
        pattern: &Pattern,
    ) -> Result<DependencyMatrix, PatternError> {
        let ((a, a_pattern), (b, b_pattern)) = (a, b);
        let mut rows = Vec::with_capacity(pattern.nnz());
        let mut spans: Vec<(u32, Span)> = Vec::new();
        let mut unions = Unions::new(pattern.nnz(), a.n_seeds);
        if a_pattern.is_dense() && b_pattern.is_dense() {
            let (height, inner) = (a_pattern.n_rows() as u32, b_pattern.n_rows() as u32);
            let of_row = (0..a_pattern.nnz() as u32).map(|k| (k % height, k));
            let of_column = (0..b_pattern.nnz() as u32).map(|k| (k / inner, k));
            let by_row = a.gather_union(&Lists::by_key(a_pattern.n_rows(), of_row))?;
            let by_column = b.gather_union(&Lists::by_key(b_pattern.n_cols(), of_column))?;
            for (i, j) in pattern.entries() {
                spans.extend([(0, by_row.rows[i]), (1, by_column.rows[j])]);
                rows.push(unions.union(&[&by_row, &by_column], &mut spans)?);
                spans.clear();
            }
            return Ok(unions.finish(rows));
        }
        let (transposed, source) = a_pattern.transpose();
        for (i, j) in pattern.entries() {
            for at in transposed.column(i) {
                if let Some(kb) = b_pattern.find(transposed.row_of(at, i), j) {
                    spans.extend([(0, a.rows[source[at] as usize]), (1, b.rows[kb])]);
                }
            }
            rows.push(unions.union(&[a, b], &mut spans)?);
            spans.clear();
        }
        Ok(unions.finish(rows))
    }

    /// The entries of all parts, one part after the other. All have the same seeds.
    pub fn concat(parts: &[&DependencyMatrix]) -> Result<DependencyMatrix, PatternError> {
        let Some(first) = parts.first() else { return Ok(DependencyMatrix::empty(0, 0)) };
        let n_rows = parts.iter().map(|p| p.n_rows()).sum();
        let mut rows = Vec::with_capacity(n_rows);
        let pool_of = |p: &DependencyMatrix| (!p.is_empty()).then(|| Arc::clone(&p.pool));
        let mut pools = parts.iter().filter_map(|p| pool_of(p));
        let pool = pools.next().unwrap_or_default();
        if pools.all(|other| Arc::ptr_eq(&other, &pool)) {
            parts.iter().for_each(|part| rows.extend_from_slice(&part.rows));
            return Ok(DependencyMatrix { n_seeds: first.n_seeds, rows: Arc::new(rows), pool });
        }
        let mut unions = Unions::new(n_rows, first.n_seeds);
        for (p, part) in (0..).zip(parts) {
            for &span in part.rows.iter() {
                rows.push(unions.copy(parts, p, span)?);
            }
        }
        Ok(unions.finish(rows))
    }

    /// The pattern with a row for every entry and a column for every seed.
    pub fn to_pattern(&self) -> Result<Pattern, PatternError> {
        let (n_rows, n_cols) = (self.n_rows(), self.n_seeds());
        let nnz = self.nnz();
        check_nonzeros(nnz, n_rows, n_cols)?;
        if nnz == n_rows as u64 * n_cols as u64 {
            return Ok(Pattern::dense(n_rows, n_cols));
        }
        let entries = (0..n_rows as u32).zip(self.rows.iter());
        let pairs =
            entries.flat_map(|(i, &row)| self.seeds(row).iter().map(move |&seed| (seed, i)));
        let (colptr, rows) = Lists::by_key(n_cols, pairs).into_parts();
        Pattern::from_csc(n_rows, n_cols, colptr, rows)
    }

    fn seeds(&self, span: Span) -> &[u32] {
        &self.pool[span.start as usize..(span.start + span.len) as usize]
    }

    fn with_rows(&self, rows: Vec<Span>) -> DependencyMatrix {
        let pool = Arc::clone(&self.pool);
        DependencyMatrix { n_seeds: self.n_seeds, rows: Arc::new(rows), pool }
    }
}

/// The same dependencies, however they are stored.
impl PartialEq for DependencyMatrix {
    fn eq(&self, other: &DependencyMatrix) -> bool {
        self.n_seeds == other.n_seeds
            && self.n_rows() == other.n_rows()
            && (Arc::ptr_eq(&self.pool, &other.pool) && self.rows == other.rows
                || self.rows().eq(other.rows()))
    }
}

impl Eq for DependencyMatrix {}

/// The pool of a new matrix, filled with unions of rows of other matrices.
struct Unions {
    n_rows: usize,
    n_seeds: u32,
    pool: Vec<u32>,
    /// The row made last.
    last: Span,
    /// Long rows copied already, by part and place there.
    copied: FxHashMap<(u32, Span), Span>,
    /// Whether a seed is in the row being made; all false in between. Empty before first use.
    marked: Vec<bool>,
}

/// Rows shorter than this are rather stored again than looked up.
const SHORT_ROW: u32 = 4;

impl Unions {
    /// For a result with `n_rows` rows.
    fn new(n_rows: usize, n_seeds: u32) -> Unions {
        Unions {
            n_rows,
            n_seeds,
            pool: Vec::new(),
            last: Span::EMPTY,
            copied: FxHashMap::default(),
            marked: Vec::new(),
        }
    }

    fn finish(self, rows: Vec<Span>) -> DependencyMatrix {
        let (rows, pool) = (Arc::new(rows), Arc::new(self.pool));
        DependencyMatrix { n_seeds: self.n_seeds, rows, pool }
    }

    /// The union of some rows, each given by its part and place there; uses up `rows`.
    fn union(
        &mut self,
        parts: &[&DependencyMatrix],
        rows: &mut Vec<(u32, Span)>,
    ) -> Result<Span, PatternError> {
        rows.retain(|(_, span)| span.len > 0);
        rows.dedup();
        if rows.len() > 2 {
            rows.sort_unstable();
            rows.dedup();
        }
        if let Some(&(part, full)) = rows.iter().find(|(_, span)| span.len == self.n_seeds) {
            return self.copy(parts, part, full);
        }
        let start = self.pool.len();
        match rows[..] {
            [] => return Ok(Span::EMPTY),
            [(part, span)] => return self.copy(parts, part, span),
            [(p, a), (q, b)] => {
                let (x, y) = (parts[p as usize].seeds(a), parts[q as usize].seeds(b));
                merge(x, y, |seed| self.pool.push(seed));
                let merged = (self.pool.len() - start) as u32;
                // One holds the other.
                if merged == a.len || merged == b.len {
                    self.pool.truncate(start);
                    let (part, larger) = if merged == a.len { (p, a) } else { (q, b) };
                    return self.copy(parts, part, larger);
                }
            }
            _ => {
                self.marked.resize(self.n_seeds as usize, false);
                for &(part, span) in rows.iter() {
                    for &seed in parts[part as usize].seeds(span) {
                        if !std::mem::replace(&mut self.marked[seed as usize], true) {
                            self.pool.push(seed);
                        }
                    }
                }
                self.sort_marked(start);
            }
        }
        self.close(start)
    }

    /// Orders the seeds from `start` on, which are those marked, and clears their marks.
    fn sort_marked(&mut self, start: usize) {
        let found = &mut self.pool[start..];
        let low = found.iter().copied().min().unwrap_or(0);
        let high = found.iter().copied().max().unwrap_or(0);
        let is_close = ((high - low) as usize) < 16 * found.len();
        if is_close {
            let marked = (low..=high).filter(|&seed| self.marked[seed as usize]);
            found.iter_mut().zip(marked).for_each(|(to, seed)| *to = seed);
        } else {
            found.sort_unstable();
        }
        found.iter().for_each(|&seed| self.marked[seed as usize] = false);
    }

    /// Row `span` of a part.
    fn copy(
        &mut self,
        parts: &[&DependencyMatrix],
        part: u32,
        span: Span,
    ) -> Result<Span, PatternError> {
        let is_short = span.len < SHORT_ROW;
        if !is_short && let Some(&copy) = self.copied.get(&(part, span)) {
            return Ok(copy);
        }
        let start = self.pool.len();
        self.pool.extend_from_slice(parts[part as usize].seeds(span));
        let copy = self.close(start)?;
        if !is_short {
            self.copied.insert((part, span), copy);
        }
        Ok(copy)
    }

    /// The row from `start` on; the one before it if they are equal.
    fn close(&mut self, start: usize) -> Result<Span, PatternError> {
        let last = self.last.start as usize..(self.last.start + self.last.len) as usize;
        if self.pool[last] == self.pool[start..] {
            self.pool.truncate(start);
            return Ok(self.last);
        }
        if self.pool.len() as u64 > MAX_NUMEL {
            let (n_rows, n_cols) = (self.n_rows as u64, u64::from(self.n_seeds));
            return Err(PatternError::TooLarge { n_rows, n_cols, limit: MAX_NUMEL });
        }
        self.last = Span::new(start, self.pool.len() - start);
        Ok(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    type Sets = Vec<BTreeSet<u32>>;

    fn sets(m: &DependencyMatrix) -> Sets {
        m.rows().map(|row| row.iter().copied().collect()).collect()
    }

    fn is_sorted(m: &DependencyMatrix) -> bool {
        m.rows().all(|row| row.windows(2).all(|w| w[0] < w[1]))
    }

    #[test]
    fn sums_and_broadcasts_share_storage() {
        let n = 1_000_000;
        let x = DependencyMatrix::identity(n);
        let sum = x.union_rows().unwrap();
        assert_eq!(sum.row(0).len(), n);
        let shifted = DependencyMatrix::union(&[&x, &sum]).unwrap();
        assert_eq!(shifted.nnz(), (n as u64) * (n as u64));
        assert_eq!(shifted.pool.len(), n);
        assert_eq!(shifted.union_rows().unwrap(), sum);
        assert!(matches!(shifted.to_pattern(), Err(PatternError::TooLarge { .. })));
        let twice = DependencyMatrix::concat(&[&shifted, &shifted]).unwrap();
        assert_eq!((twice.n_rows(), twice.pool.len()), (2 * n, n));
    }

    #[test]
    fn whole_rows_make_a_dense_pattern() {
        let x = DependencyMatrix::identity(4);
        let all = x.compose(&Pattern::dense(3, 4)).unwrap();
        assert_eq!(all.to_pattern(), Ok(Pattern::dense(3, 4)));
        assert_eq!(x.to_pattern(), Ok(Pattern::diagonal(4)));
        assert_eq!(DependencyMatrix::empty(2, 3).to_pattern(), Ok(Pattern::zero(2, 3)));
        assert_eq!(DependencyMatrix::from_pattern(&Pattern::dense(3, 4)), all);
        let nothing = x.gather([]);
        assert_eq!(nothing.union_rows().unwrap(), DependencyMatrix::empty(1, 4));
        assert_eq!(nothing.to_pattern(), Ok(Pattern::zero(0, 4)));
    }

    fn pattern(n_rows: usize, n_cols: usize) -> impl Strategy<Value = Pattern> {
        proptest::collection::vec((0..n_rows, 0..n_cols), 0..40)
            .prop_map(move |entries| Pattern::from_entries(n_rows, n_cols, entries))
    }

    proptest! {
        #[test]
        fn operations_agree_with_sets(
            a in pattern(6, 9),
            b in pattern(6, 9),
            c in pattern(6, 9),
            outer in pattern(5, 6),
            index in proptest::collection::vec(0..6usize, 6),
        ) {
            let [a, b, c] = [a, b, c].map(|p| {
                let m = DependencyMatrix::from_pattern(&p);
                prop_assert_eq!(m.to_pattern(), Ok(p));
                Ok(m)
            });
            let (a, b, c) = (a?, b?, c?);
            let one = b.broadcast(index[0], 1);
            let set_of = |m: &DependencyMatrix| sets(m);
            let joined = |rows: &mut dyn Iterator<Item = &BTreeSet<u32>>| -> BTreeSet<u32> {
                rows.flatten().copied().collect()
            };

            let gathered = a.gather(index.iter().copied());
            let want: Sets = index.iter().map(|&i| set_of(&a)[i].clone()).collect();
            prop_assert_eq!(set_of(&gathered), want);

            let scattered = a.scatter(6, index.iter().copied()).unwrap();
            let mut want: Sets = vec![BTreeSet::new(); 6];
            for (row, &t) in set_of(&a).iter().zip(&index) {
                want[t].extend(row);
            }
            prop_assert_eq!(set_of(&scattered), want);

            let union = DependencyMatrix::union(&[&a, &one, &gathered, &c]).unwrap();
            let parts = [set_of(&a), vec![set_of(&one)[0].clone(); 6], set_of(&gathered), set_of(&c)];
            let want: Sets = (0..6).map(|i| joined(&mut parts.iter().map(|p| &p[i]))).collect();
            prop_assert_eq!(set_of(&union), want);

            let concat = DependencyMatrix::concat(&[&a, &one, &c, &a]).unwrap();
            let want = [set_of(&a), set_of(&one), set_of(&c), set_of(&a)].concat();
            prop_assert_eq!(set_of(&concat), want);

            let all = a.union_rows().unwrap();
            prop_assert_eq!(set_of(&all), vec![joined(&mut set_of(&a).iter())]);

            let composed = a.compose(&outer).unwrap();
            prop_assert_eq!(composed.to_pattern(), Ok(outer.product(&a.to_pattern().unwrap())));

            // The rows of `a` as a 2 x 3 matrix, those of `b` as 3 x 2, dense and with holes.
            for (pa, pb) in [
                (Pattern::dense(2, 3), Pattern::dense(3, 2)),
                (Pattern::band(2, 3, 0, 1), Pattern::dense(3, 2)),
                (Pattern::dense(2, 3), Pattern::band(3, 2, 1, 0)),
            ] {
                let (ra, rb) = (a.gather(0..pa.nnz()), b.gather(0..pb.nnz()));
                let pattern = pa.product(&pb);
                let product =
                    DependencyMatrix::product((&ra, &pa), (&rb, &pb), &pattern).unwrap();
                let want = pattern.entries().map(|(i, j)| {
                    let terms = (0..3).filter_map(|l| Some((pa.find(i, l)?, pb.find(l, j)?)));
                    let seeds = terms.flat_map(|(ka, kb)| [ra.row(ka), rb.row(kb)].concat());
                    seeds.collect::<BTreeSet<u32>>()
                });
                prop_assert_eq!(set_of(&product), want.collect::<Sets>());
                prop_assert!(is_sorted(&product));
            }

            for m in [gathered, scattered, union, concat, all, composed] {
                prop_assert!(is_sorted(&m));
                prop_assert_eq!(DependencyMatrix::from_pattern(&m.to_pattern().unwrap()), m);
            }
        }
    }
}
