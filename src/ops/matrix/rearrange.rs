//! Choosing, moving and repeating entries: one gather each.

use crate::graph::{Graph, NodeId};
use crate::sparsity::{IndexMap, Pattern};

/// The largest number of entries of which a part is listed one by one.
const MAX_LISTED: u64 = 100_000_000;

/// Rows, columns or entries by number, in order.
#[derive(Clone, Copy, Debug)]
pub enum Selection<'a> {
    /// `start, start + 1, ..`, `len` of them.
    Range { start: usize, len: usize },
    /// Any numbers, repeated ones too.
    List(&'a [usize]),
}

impl Selection<'_> {
    pub fn len(&self) -> usize {
        match self {
            Selection::Range { len, .. } => *len,
            Selection::List(list) => list.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number at place `k < len`.
    pub fn get(&self, k: usize) -> usize {
        match self {
            Selection::Range { start, .. } => start + k,
            Selection::List(list) => list[k],
        }
    }

    /// First number and step, if the steps are equal.
    fn progression(&self) -> Option<(usize, i64)> {
        match self {
            Selection::Range { start, .. } => Some((*start, 1)),
            Selection::List(list) => {
                let step = |w: &[usize]| w[1] as i64 - w[0] as i64;
                let first = list.first().copied().unwrap_or(0);
                let stride = list.get(..2).map_or(0, step);
                list.windows(2).all(|w| step(w) == stride).then_some((first, stride))
            }
        }
    }
}

/// The map over any number of nested counters, a table if more than three remain after joining.
pub(super) fn counters(start: usize, dims: &[(usize, i64)]) -> IndexMap {
    if dims.iter().any(|d| d.0 == 0) {
        return IndexMap::identity(0);
    }
    let mut joined: Vec<(usize, i64)> = Vec::with_capacity(dims.len());
    for &(count, stride) in dims.iter().filter(|d| d.0 != 1) {
        match joined.last_mut() {
            Some((c, s)) if stride == *c as i64 * *s => *c *= count,
            _ => joined.push((count, stride)),
        }
    }
    if joined.len() <= 3 {
        return IndexMap::affine(start, &joined);
    }
    let mut table = vec![start as i64];
    for (count, stride) in joined {
        let inner = table.len();
        table.reserve(inner * (count - 1));
        for i in 1..count as i64 {
            table.extend_from_within(..inner);
            let from = table.len() - inner;
            table[from..].iter_mut().for_each(|t| *t += i * stride);
        }
    }
    IndexMap::from_table(table.into_iter().map(|t| t as u32).collect())
}

/// The matrix with the nonzeros of `x` that `entries` names, at increasing column-major
/// positions.
pub(super) fn place(
    graph: &mut Graph,
    x: NodeId,
    shape: (usize, usize),
    entries: impl IntoIterator<Item = (u64, usize)>,
) -> NodeId {
    let (positions, sources): (Vec<u64>, Vec<u32>) =
        entries.into_iter().map(|(to, from)| (to, from as u32)).unzip();
    let pattern = Pattern::from_linear(shape.0, shape.1, positions);
    graph.gather(x, IndexMap::from_table(sources), pattern)
}

/// The entries of `x`, column by column, in another shape with as many of them.
pub fn reshape(graph: &mut Graph, x: NodeId, n_rows: usize, n_cols: usize) -> NodeId {
    match graph.pattern(x).reshape(n_rows, n_cols) {
        Some(pattern) => graph.gather(x, IndexMap::identity(pattern.nnz()), pattern),
        None => x,
    }
}

/// All entries as one column, `vec(x)`.
pub fn column(graph: &mut Graph, x: NodeId) -> NodeId {
    let numel = graph.pattern(x).numel();
    reshape(graph, x, numel, 1)
}

/// Entry (row, column), 1x1.
pub fn element(graph: &mut Graph, x: NodeId, row: usize, col: usize) -> NodeId {
    match graph.pattern(x).find(row, col) {
        Some(k) => graph.gather(x, IndexMap::range(k, 1), Pattern::scalar()),
        None => graph.zero(1, 1),
    }
}

/// The given rows and columns of `x`.
pub fn submatrix(graph: &mut Graph, x: NodeId, rows: Selection, cols: Selection) -> NodeId {
    let pattern = graph.pattern(x).clone();
    let (n_rows, shape) = (pattern.n_rows(), (rows.len(), cols.len()));
    if pattern.is_zero() || rows.is_empty() || cols.is_empty() {
        return graph.zero(shape.0, shape.1);
    }
    if pattern.is_dense() {
        let map = match (rows.progression(), cols.progression()) {
            (Some((row, row_step)), Some((col, col_step))) => IndexMap::affine(
                row + col * n_rows,
                &[(shape.0, row_step), (shape.1, col_step * n_rows as i64)],
            ),
            _ => {
                let column = |j: usize| {
                    let start = cols.get(j) * n_rows;
                    (0..shape.0).map(move |i| (start + rows.get(i)) as u32)
                };
                IndexMap::from_table((0..shape.1).flat_map(column).collect())
            }
        };
        return graph.gather(x, map, Pattern::dense(shape.0, shape.1));
    }
    let mut entries = Vec::new();
    let height = shape.0 as u64;
    match rows {
        Selection::Range { start, len } => {
            for j in 0..shape.1 {
                let col = cols.get(j);
                let column = pattern.column(col);
                let from = first_at_least(&pattern, col, start);
                for k in from..column.end {
                    let row = pattern.row_of(k, col);
                    if row >= start + len {
                        break;
                    }
                    entries.push((j as u64 * height + (row - start) as u64, k));
                }
            }
        }
        Selection::List(list) => {
            // The places in the result of every row, by counting.
            let mut starts = vec![0usize; n_rows + 1];
            list.iter().for_each(|&r| starts[r + 1] += 1);
            for r in 0..n_rows {
                starts[r + 1] += starts[r];
            }
            let mut next = starts.clone();
            let mut places = vec![0usize; list.len()];
            for (i, &r) in list.iter().enumerate() {
                places[next[r]] = i;
                next[r] += 1;
            }
            for j in 0..shape.1 {
                let (col, first) = (cols.get(j), entries.len());
                for k in pattern.column(col) {
                    let row = pattern.row_of(k, col);
                    let at = |&i: &usize| (j as u64 * height + i as u64, k);
                    entries.extend(places[starts[row]..starts[row + 1]].iter().map(at));
                }
                entries[first..].sort_unstable();
            }
        }
    }
    place(graph, x, shape, entries)
}

/// The first nonzero of a column in `row` or below, by bisection.
fn first_at_least(pattern: &Pattern, col: usize, row: usize) -> usize {
    let column = pattern.column(col);
    let (mut lo, mut hi) = (column.start, column.end);
    while lo < hi {
        let mid = lo + (hi - lo) / 2;
        if pattern.row_of(mid, col) < row { lo = mid + 1 } else { hi = mid }
    }
    lo
}

/// Entries of `x` by column-major number: a row if `x` is one, else a column.
pub fn elements(graph: &mut Graph, x: NodeId, which: Selection) -> NodeId {
    let pattern = graph.pattern(x).clone();
    let (n_rows, n_cols) = pattern.shape();
    let n = which.len();
    let shape = if n_rows == 1 && n_cols != 1 { (1, n) } else { (n, 1) };
    if pattern.is_zero() || n == 0 {
        return graph.zero(shape.0, shape.1);
    }
    if pattern.is_dense() {
        let map = match which.progression() {
            Some((start, step)) => IndexMap::affine(start, &[(n, step)]),
            None => IndexMap::from_table((0..n).map(|k| which.get(k) as u32).collect()),
        };
        return graph.gather(x, map, Pattern::dense(shape.0, shape.1));
    }
    let find = |k: usize| {
        let at = which.get(k);
        pattern.find(at % n_rows, at / n_rows).map(|from| (k as u64, from))
    };
    place(graph, x, shape, (0..n).filter_map(find))
}

/// Of a vector the square matrix with it on the diagonal; of a matrix its diagonal as a column.
pub fn diag(graph: &mut Graph, x: NodeId) -> NodeId {
    let pattern = graph.pattern(x).clone();
    let (n_rows, n_cols) = pattern.shape();
    if pattern.is_vector() {
        let n = pattern.numel();
        let on_diagonal = if pattern.is_dense() {
            Pattern::diagonal(n)
        } else {
            let step = n as u64 + 1;
            Pattern::from_linear(n, n, pattern.linear().map(|k| k * step))
        };
        return graph.gather(x, IndexMap::identity(pattern.nnz()), on_diagonal);
    }
    let n = n_rows.min(n_cols);
    if pattern.is_dense() {
        let map = IndexMap::affine(0, &[(n, n_rows as i64 + 1)]);
        return graph.gather(x, map, Pattern::dense(n, 1));
    }
    let find = |j: usize| pattern.find(j, j).map(|k| (j as u64, k));
    place(graph, x, (n, 1), (0..n).filter_map(find))
}

/// The entries on and below diagonal `k`: column - row <= k.
pub fn tril(graph: &mut Graph, x: NodeId, k: i64) -> NodeId {
    keep(graph, x, |offset| offset <= k)
}

/// The entries on and above diagonal `k`: column - row >= k.
pub fn triu(graph: &mut Graph, x: NodeId, k: i64) -> NodeId {
    keep(graph, x, |offset| offset >= k)
}

/// The entries on the diagonals, column - row, that `keeps` accepts.
fn keep(graph: &mut Graph, x: NodeId, keeps: impl Fn(i64) -> bool) -> NodeId {
    let pattern = graph.pattern(x).clone();
    let (n_rows, n_cols) = pattern.shape();
    if !graph.admits(n_rows, n_cols, pattern.nnz(), MAX_LISTED) {
        return graph.zero(n_rows, n_cols);
    }
    let kept: Vec<u32> = pattern
        .entries()
        .enumerate()
        .filter(|&(_, (row, col))| keeps(col as i64 - row as i64))
        .map(|(k, _)| k as u32)
        .collect();
    let inside = pattern.select(&kept);
    graph.gather(x, IndexMap::from_table(kept), inside)
}

/// `x` repeated `n_down` times down and `n_across` times across.
pub fn repmat(graph: &mut Graph, x: NodeId, n_down: usize, n_across: usize) -> NodeId {
    let pattern = graph.pattern(x).clone();
    let (n_rows, n_cols) = pattern.shape();
    let shape = (n_rows * n_down, n_cols * n_across);
    if pattern.is_zero() || n_down == 0 || n_across == 0 {
        return graph.zero(shape.0, shape.1);
    }
    if pattern.is_dense() {
        let dims = [(n_rows, 1), (n_down, 0), (n_cols, n_rows as i64), (n_across, 0)];
        return graph.gather(x, counters(0, &dims), Pattern::dense(shape.0, shape.1));
    }
    let mut entries = Vec::with_capacity(pattern.nnz() * n_down * n_across);
    for col in 0..shape.1 {
        for down in 0..n_down {
            let start = col as u64 * shape.0 as u64 + (down * n_rows) as u64;
            let of = col % n_cols;
            entries.extend(pattern.column(of).map(|k| (start + pattern.row_of(k, of) as u64, k)));
        }
    }
    place(graph, x, shape, entries)
}
