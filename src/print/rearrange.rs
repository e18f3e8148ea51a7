//! What a gather or scatter does, in words of matrices: an entry, a block, a transpose.

use crate::graph::{Graph, NodeId, Op};
use crate::sparsity::{IndexMap, Pattern};

/// How the entries of a value come from those of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rearrangement {
    /// Each nonzero stays in its place; entries may be left out, or zeros stored besides.
    Same,
    /// Entry (row, column) as a 1x1 value.
    Entry {
        row: usize,
        col: usize,
    },
    /// Rows from `row` and columns from `col` on, as many as the result has.
    Block {
        row: usize,
        col: usize,
    },
    /// Entries from `start` on, column by column, as a column.
    Range {
        start: usize,
    },
    Transposed,
    /// The same entries, column by column, in another shape.
    Reshaped,
    /// A vector on the diagonal of a matrix.
    OnDiagonal,
    /// The diagonal of a matrix as a column.
    Diagonal,
    /// Whole copies side by side and on top of one another.
    Repeated {
        down: usize,
        across: usize,
    },
    /// Transposed, then entries from `start` on, as a column.
    TransposedRange {
        start: usize,
    },
}

/// Row and column of nonzero `k`, without a look at all of them.
pub fn entry(pattern: &Pattern, k: usize) -> (usize, usize) {
    if pattern.is_dense() {
        return (k % pattern.n_rows(), k / pattern.n_rows());
    }
    // The last column that begins at `k` or before.
    let (mut lo, mut hi) = (0, pattern.n_cols());
    while hi - lo > 1 {
        let mid = lo + (hi - lo) / 2;
        if pattern.column(mid).start <= k { lo = mid } else { hi = mid }
    }
    (pattern.row_of(k, lo), lo)
}

/// What `y.nz[k] = x.nz[map(k)]` is for patterns of x and y, if it has a name.
pub fn gathered(from: &Pattern, map: &IndexMap, to: &Pattern) -> Option<Rearrangement> {
    named(from, map, to).filter(|&found| {
        found == Rearrangement::Same || to.nnz() == n_taken(found, from, to.shape())
    })
}

/// Number of nonzeros that a rearrangement of `from` gives.
fn n_taken(found: Rearrangement, from: &Pattern, (r, c): (usize, usize)) -> usize {
    use Rearrangement as R;
    let (m, n) = from.shape();
    let count = |is_taken: &dyn Fn(usize, usize) -> bool| match from.is_dense() {
        true => r * c,
        false => from.entries().filter(|&(i, j)| is_taken(i, j)).count(),
    };
    match found {
        R::Entry { .. } => 1,
        R::Transposed | R::Reshaped | R::OnDiagonal => from.nnz(),
        R::Repeated { down, across } => from.nnz() * down * across,
        R::Block { row, col } => {
            count(&|i, j| (row..row + r).contains(&i) && (col..col + c).contains(&j))
        }
        R::Range { start } => count(&|i, j| (start..start + r).contains(&(i + j * m))),
        R::TransposedRange { start } => count(&|i, j| (start..start + r).contains(&(j + i * n))),
        R::Diagonal => count(&|i, j| i == j),
        R::Same => from.nnz(),
    }
}

/// [`gathered`], whatever else the rearrangement would give.
fn named(from: &Pattern, map: &IndexMap, to: &Pattern) -> Option<Rearrangement> {
    use Rearrangement as R;
    let ((m, n), (r, c)) = (from.shape(), to.shape());
    if from.is_zero() || to.is_zero() {
        return None;
    }
    // Place in the result, place in the source.
    let pairs: Vec<((usize, usize), (usize, usize))> =
        to.entries().zip(map.iter().map(|k| entry(from, k))).collect();
    let all = |place: &dyn Fn(usize, usize) -> Option<(usize, usize)>| {
        pairs.iter().all(|&((i, j), source)| place(i, j) == Some(source))
    };
    let &((i0, j0), (si, sj)) = pairs.first()?;
    let linear = |i: usize, j: usize, n_rows: usize| i + j * n_rows;
    let split = |at: usize, n_rows: usize| (at % n_rows, at / n_rows);
    if (r, c) == (m, n) && all(&|i, j| Some((i, j))) {
        return Some(R::Same);
    }
    if (r, c) == (1, 1) {
        return Some(R::Entry { row: si, col: sj });
    }
    if (r, c) == (n, m) && all(&|i, j| Some((j, i))) {
        return Some(R::Transposed);
    }
    if let (Some(row), Some(col)) = (si.checked_sub(i0), sj.checked_sub(j0))
        && row + r <= m
        && col + c <= n
        && all(&|i, j| Some((i + row, j + col)))
    {
        return Some(R::Block { row, col });
    }
    if r * c == m * n && all(&|i, j| Some(split(linear(i, j, r), m))) {
        return Some(R::Reshaped);
    }
    if c == 1
        && let Some(start) = linear(si, sj, m).checked_sub(i0)
        && start + r <= m * n
        && all(&|i, _| Some(split(i + start, m)))
    {
        return Some(R::Range { start });
    }
    if from.is_vector() && r == c && r == m * n && all(&|i, j| (i == j).then_some(split(i, m))) {
        return Some(R::OnDiagonal);
    }
    if c == 1 && !from.is_vector() && r == m.min(n) && all(&|i, _| Some((i, i))) {
        return Some(R::Diagonal);
    }
    if r % m == 0 && c % n == 0 && all(&|i, j| Some((i % m, j % n))) {
        return Some(R::Repeated { down: r / m, across: c / n });
    }
    if c == 1
        && let Some(start) = linear(sj, si, n).checked_sub(i0)
        && start + r <= m * n
        && all(&|i, _| {
            let (j, i) = split(i + start, n);
            Some((i, j))
        })
    {
        return Some(R::TransposedRange { start });
    }
    None
}

/// What `y.nz[map(k)] += x.nz[k]` is: [`Rearrangement::Same`], the opposite of an entry, block
/// or transpose, or nothing that has a name.
pub fn scattered(from: &Pattern, map: &IndexMap, to: &Pattern) -> Option<Rearrangement> {
    let mut seen = vec![false; to.nnz()];
    for k in map.iter() {
        if std::mem::replace(seen.get_mut(k)?, true) {
            return None;
        }
    }
    // The nonzeros of the result that something is put into, in order.
    let keep: Vec<u32> = (0..to.nnz() as u32).filter(|&k| seen[k as usize]).collect();
    let mut rank = vec![0u32; to.nnz()];
    keep.iter().enumerate().for_each(|(k, &at)| rank[at as usize] = k as u32);
    let inverse = IndexMap::from_table(map.iter().map(|k| rank[k]).collect());
    gathered(&to.select(&keep), &inverse, from)
}

/// A cell of a matrix made of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Argument `k` of the concatenation.
    Part(usize),
    Zeros {
        n_rows: usize,
        n_cols: usize,
    },
}

/// A block of a matrix: row and column of its first entry, its shape.
struct Placed {
    row: usize,
    col: usize,
    n_rows: usize,
    n_cols: usize,
    cell: Cell,
}

/// The rows of blocks that a gather of the concatenation of `parts` is, if it puts each part as it
/// is into one place and the places form rows.
pub fn blocks(parts: &[Pattern], map: &IndexMap, to: &Pattern) -> Option<Vec<Vec<Cell>>> {
    let total: usize = parts.iter().map(Pattern::nnz).sum();
    if map.len() != total || total == 0 {
        return None;
    }
    let mut places = vec![None; total];
    for (place, source) in to.entries().zip(map.iter()) {
        if places.get_mut(source)?.replace(place).is_some() {
            return None;
        }
    }
    let mut places = places.into_iter();
    let mut placed = Vec::with_capacity(parts.len());
    for (k, part) in parts.iter().enumerate() {
        let mut origin = None;
        for (row, col) in part.entries() {
            let (i, j) = places.next()??;
            let here = (i.checked_sub(row)?, j.checked_sub(col)?);
            if *origin.get_or_insert(here) != here {
                return None;
            }
        }
        let ((row, col), (n_rows, n_cols)) = (origin?, part.shape());
        placed.push(Placed { row, col, n_rows, n_cols, cell: Cell::Part(k) });
    }
    placed.sort_by_key(|p| (p.row, p.col));
    let (n_rows, n_cols) = to.shape();
    let zeros = |n_rows, n_cols| Cell::Zeros { n_rows, n_cols };
    let (mut grid, mut next_row) = (Vec::new(), 0);
    for line in placed.chunk_by(|a, b| a.row == b.row) {
        let (top, height) = (line[0].row, line[0].n_rows);
        if top > next_row {
            grid.push(vec![zeros(top - next_row, n_cols)]);
        }
        let (mut cells, mut next_col) = (Vec::with_capacity(line.len()), 0);
        for p in line {
            if top < next_row || p.n_rows != height || p.col < next_col {
                return None;
            }
            if p.col > next_col {
                cells.push(zeros(height, p.col - next_col));
            }
            cells.push(p.cell);
            next_col = p.col + p.n_cols;
        }
        if next_col > n_cols {
            return None;
        }
        if next_col < n_cols {
            cells.push(zeros(height, n_cols - next_col));
        }
        grid.push(cells);
        next_row = top + height;
    }
    match n_rows.checked_sub(next_row)? {
        0 => {}
        rest => grid.push(vec![zeros(rest, n_cols)]),
    }
    Some(grid)
}

/// [`blocks`] of a node, if it is a gather of a concatenation.
pub fn blocks_of(graph: &Graph, id: NodeId) -> Option<Vec<Vec<Cell>>> {
    if graph.op(id) != Op::Gather || graph.op(graph.arg(id, 0)) != Op::Concat {
        return None;
    }
    let parts = graph.args(graph.arg(id, 0)).iter();
    let parts: Vec<Pattern> = parts.map(|&p| graph.pattern(p).clone()).collect();
    blocks(&parts, graph.map(id)?, graph.pattern(id))
}
