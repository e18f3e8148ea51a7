//! Maps from nonzero indices of one vector to nonzero indices of another.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::pattern::hash_samples;

/// `source(k)` for `k` in `0..len`: affine over up to three nested counters, or a table.
///
/// The affine form keeps slices, transposes and repetitions of dense values independent of
/// their size. [`IndexMap::from_table`] finds it where a table has it, so equal maps over at
/// most two counters compare equal however they were made.
///
/// ```
/// use nablac::sparsity::IndexMap;
/// let every_other = IndexMap::from_table(vec![0, 2, 4]);
/// assert_eq!(every_other, IndexMap::affine(0, &[(3, 2)]));
/// assert_eq!((every_other.len(), every_other.get(1)), (3, 2));
/// assert_eq!(every_other.iter().collect::<Vec<_>>(), [0, 2, 4]);
/// assert!(IndexMap::identity(4).is_identity(4));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexMap {
    Affine(Affine),
    Table(Arc<[u32]>),
}

impl Hash for IndexMap {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            IndexMap::Affine(affine) => affine.hash(state),
            IndexMap::Table(table) => hash_samples(table, state),
        }
    }
}

/// `start + sum_d i_d * stride_d`, the first counter running fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Affine {
    pub start: u32,
    /// (count, stride); unused counters are (1, 0) and come last.
    pub dims: [(u32, i32); 3],
}

impl Affine {
    /// Drops counters of one step and joins counters that continue one another.
    pub fn new(start: u32, dims: &[(u32, i32)]) -> Affine {
        let mut out = [(1u32, 0i32); 3];
        let mut n = 0;
        let empty = dims.iter().any(|d| d.0 == 0);
        if empty {
            out[0] = (0, 0);
            return Affine { start: 0, dims: out };
        }
        for &(count, stride) in dims.iter().filter(|d| d.0 != 1) {
            if n > 0 {
                let (c, s) = out[n - 1];
                let joined = u64::from(c) * u64::from(count);
                if i64::from(stride) == i64::from(c) * i64::from(s) && joined <= u64::from(u32::MAX)
                {
                    out[n - 1].0 = joined as u32;
                    continue;
                }
            }
            out[n] = (count, stride);
            n += 1;
        }
        Affine { start, dims: out }
    }

    pub fn len(&self) -> usize {
        self.dims.iter().map(|d| d.0 as usize).product()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn get(&self, k: usize) -> usize {
        let [(c0, s0), (c1, s1), (_, s2)] = self.dims;
        let (c0, c1) = (c0.max(1) as usize, c1.max(1) as usize);
        let (i, rest) = (k % c0, k / c0);
        let at = i64::from(self.start)
            + i as i64 * i64::from(s0)
            + (rest % c1) as i64 * i64::from(s1)
            + (rest / c1) as i64 * i64::from(s2);
        at as usize
    }
}

impl IndexMap {
    /// `0, 1, .., n - 1`.
    pub fn identity(n: usize) -> IndexMap {
        IndexMap::range(0, n)
    }

    /// `start, start + 1, ..`, `n` entries.
    pub fn range(start: usize, n: usize) -> IndexMap {
        IndexMap::affine(start, &[(n, 1)])
    }

    /// The same source `n` times.
    pub fn constant(source: usize, n: usize) -> IndexMap {
        IndexMap::affine(source, &[(n, 0)])
    }

    /// Affine over up to three (count, stride) counters, first fastest. Counts and strides must
    /// fit 31 bits, as all nonzero indices do.
    pub fn affine(start: usize, dims: &[(usize, i64)]) -> IndexMap {
        let mut small = [(1u32, 0i32); 3];
        for (to, &(count, stride)) in small.iter_mut().zip(dims) {
            *to = (count as u32, stride as i32);
        }
        IndexMap::Affine(Affine::new(start as u32, &small[..dims.len().min(3)]))
    }

    /// A table, or the affine map over at most two counters that equals it.
    pub fn from_table(table: Vec<u32>) -> IndexMap {
        match detect_affine(&table) {
            Some(affine) => IndexMap::Affine(affine),
            None => IndexMap::Table(table.into()),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            IndexMap::Affine(a) => a.len(),
            IndexMap::Table(t) => t.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Source of entry `k`.
    pub fn get(&self, k: usize) -> usize {
        match self {
            IndexMap::Affine(a) => a.get(k),
            IndexMap::Table(t) => t[k] as usize,
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).map(|k| self.get(k))
    }

    /// Least and largest source; none if there are no entries.
    pub fn extent(&self) -> Option<(i64, i64)> {
        match self {
            _ if self.is_empty() => None,
            IndexMap::Affine(a) => {
                let (mut least, mut largest) = (i64::from(a.start), i64::from(a.start));
                for &(count, stride) in &a.dims {
                    let last = (i64::from(count) - 1) * i64::from(stride);
                    least += last.min(0);
                    largest += last.max(0);
                }
                Some((least, largest))
            }
            IndexMap::Table(t) => Some((i64::from(*t.iter().min()?), i64::from(*t.iter().max()?))),
        }
    }

    /// Each index is larger than the one before.
    pub fn is_increasing(&self) -> bool {
        match self {
            IndexMap::Affine(affine) => {
                // What the counters inside of one add up to at most.
                let mut inside = 0i64;
                affine.dims.iter().filter(|dim| dim.0 > 1).all(|&(count, stride)| {
                    let is_above = i64::from(stride) > inside;
                    inside += (i64::from(count) - 1) * i64::from(stride);
                    is_above
                })
            }
            IndexMap::Table(table) => table.windows(2).all(|pair| pair[0] < pair[1]),
        }
    }

    /// Maps every entry of a source of length `n` to itself.
    pub fn is_identity(&self, n: usize) -> bool {
        *self == IndexMap::identity(n)
    }

    /// `self` applied after `inner`: entry `k` has source `inner(self(k))`.
    pub fn compose(&self, inner: &IndexMap) -> IndexMap {
        if let IndexMap::Affine(a) = inner
            && a.dims[1].0 == 1
            && let IndexMap::Affine(b) = self
        {
            let stride = a.dims[0].1;
            let start = i64::from(a.start) + i64::from(b.start) * i64::from(stride);
            let dims = b.dims.map(|(c, s)| (c, s.checked_mul(stride)));
            if dims.iter().all(|d| d.1.is_some()) {
                return IndexMap::Affine(Affine::new(
                    start as u32,
                    &dims.map(|(c, s)| (c, s.unwrap_or(0))),
                ));
            }
        }
        IndexMap::from_table(self.iter().map(|k| inner.get(k) as u32).collect())
    }
}

fn detect_affine(table: &[u32]) -> Option<Affine> {
    let n = table.len();
    if n == 0 {
        return Some(Affine::new(0, &[(0, 0)]));
    }
    if n == 1 {
        return Some(Affine::new(table[0], &[]));
    }
    let step = |i: usize| i64::from(table[i + 1]) - i64::from(table[i]);
    let first = step(0);
    let run = 1 + (0..n - 1).take_while(|&i| step(i) == first).count();
    if !n.is_multiple_of(run) {
        return None;
    }
    let outer = if run < n { i64::from(table[run]) - i64::from(table[0]) } else { 0 };
    if first.unsigned_abs() > i32::MAX as u64 || outer.unsigned_abs() > i32::MAX as u64 {
        return None;
    }
    let affine =
        Affine::new(table[0], &[(run as u32, first as i32), ((n / run) as u32, outer as i32)]);
    (0..n).all(|k| affine.get(k) == table[k] as usize).then_some(affine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_that_are_affine_become_affine() {
        assert_eq!(IndexMap::from_table(vec![0, 1, 2, 3]), IndexMap::identity(4));
        assert_eq!(IndexMap::from_table(vec![5, 5, 5]), IndexMap::constant(5, 3));
        let transpose = IndexMap::affine(0, &[(3, 2), (2, 1)]);
        assert_eq!(transpose.iter().collect::<Vec<_>>(), [0, 2, 4, 1, 3, 5]);
        assert_eq!(IndexMap::from_table(vec![0, 2, 4, 1, 3, 5]), transpose);
        assert!(matches!(IndexMap::from_table(vec![0, 2, 3]), IndexMap::Table(_)));
    }

    #[test]
    fn increasing_maps_are_told() {
        let is_increasing = |table: &[u32]| IndexMap::from_table(table.to_vec()).is_increasing();
        assert!(is_increasing(&[0, 1, 5, 6]) && is_increasing(&[0, 2, 3]) && is_increasing(&[7]));
        assert!(!is_increasing(&[6, 6, 6]) && !is_increasing(&[4, 3, 2]));
        assert!(!is_increasing(&[0, 1, 1, 2]) && !is_increasing(&[0, 2, 4, 1, 3, 5]));
        assert!(!is_increasing(&[0, 3, 1]));
    }

    #[test]
    fn composition_agrees_with_tables() {
        let outer = IndexMap::affine(1, &[(2, 2)]);
        for inner in [IndexMap::affine(3, &[(9, 2)]), IndexMap::from_table(vec![4, 0, 7, 1])] {
            let want: Vec<_> = outer.iter().map(|k| inner.get(k)).collect();
            assert_eq!(outer.compose(&inner).iter().collect::<Vec<_>>(), want);
        }
    }
}
