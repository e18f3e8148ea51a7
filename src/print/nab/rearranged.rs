//! Gathers and scatters: slices, transposes, blocks, sums of rows; others by index arrays, entry
//! by entry or as sums with a filter.

use super::body::{Block, Entry, Inside, Plain};
use super::packed::{accumulated, packed, place, select, unpacked};
use super::value::Value;
use super::{NoSpelling, Program, no_spelling};
use crate::graph::{NodeId, Op};
use crate::ops::scalar::precedence;
use crate::print::rearrange::{Cell, Rearrangement, blocks_of, entry, gathered, scattered};
use crate::sparsity::Pattern;
use crate::syntax::is_name;

/// The most entries of a rearrangement that is written entry by entry.
const MOST_BY_ENTRIES: usize = 64;

impl Block<'_, '_> {
    /// A gather or scatter.
    pub(super) fn rearranged(
        &mut self,
        program: &mut Program,
        id: NodeId,
    ) -> Result<Entry, NoSpelling> {
        use Rearrangement as R;
        let graph = self.graph;
        let x = graph.arg(id, 0);
        let (from, to) = (graph.pattern(x), graph.pattern(id));
        if let (Some(grid), Some(parts)) = (blocks_of(graph, id), self.parts.get(&x)) {
            let value = literal(&grid, parts, to)?;
            return Ok(Entry { value: Ok(value), plain: None });
        }
        let is_gather = graph.op(id) == Op::Gather;
        let found = graph.map(id).and_then(|map| match is_gather {
            true => gathered(from, map, to),
            false => scattered(from, map, to).filter(|found| *found == R::Same),
        });
        let (n_rows, n_cols) = to.shape();
        let base = || self.get(x).map(|value| value.at_least(precedence::ATOM));
        let span = |start: usize, n: usize, of: usize| match (start, n) {
            (0, n) if n == of => ":".to_owned(),
            (start, 1) => start.to_string(),
            (start, n) => format!("{start}..{}", start + n),
        };
        let called = |name: &str, rest: &str| -> Result<Value, NoSpelling> {
            Ok(Value::atom(format!("{name}({}{rest})", self.get(x)?.text)))
        };
        let value = match found {
            Some(R::Same) => return self.same(id),
            Some(R::Entry { row, col }) => match from.shape() {
                (_, 1) => format!("{}[{row}]", base()?),
                (1, _) => format!("{}[{col}]", base()?),
                _ => format!("{}[{row}, {col}]", base()?),
            },
            Some(R::Block { row, col }) => match from.shape() {
                (of, 1) => format!("{}[{}]", base()?, span(row, n_rows, of)),
                (1, of) => format!("{}[{}]", base()?, span(col, n_cols, of)),
                (rows, cols) => {
                    format!("{}[{}, {}]", base()?, span(row, n_rows, rows), span(col, n_cols, cols))
                }
            },
            // A range of a row is a row.
            Some(R::Range { start }) if from.n_rows() == 1 => {
                format!("{}[{start}..{}]", called("vec", "")?.text, start + n_rows)
            }
            Some(R::Range { start }) => format!("{}[{start}..{}]", base()?, start + n_rows),
            Some(R::TransposedRange { start }) => {
                format!("{}'[{start}..{}]", base()?, start + n_rows)
            }
            Some(R::Transposed) => format!("{}'", base()?),
            Some(R::Reshaped) if n_cols == 1 => called("vec", "")?.text,
            Some(R::Reshaped) => called("reshape", &format!(", {n_rows}, {n_cols}"))?.text,
            Some(R::OnDiagonal | R::Diagonal) => called("diag", "")?.text,
            Some(R::Repeated { down, across }) => {
                called("repmat", &format!(", {down}, {across}"))?.text
            }
            None if !is_gather => match graph.map(id) {
                // Of a vector they are the sum of its entries, which is added up in another order.
                Some(map)
                    if !from.is_vector()
                        && (n_rows, n_cols) == (from.n_rows(), 1)
                        && sums(from, to, |k| map.get(k), |row, _| row) =>
                {
                    called("sum_cols", "")?.text
                }
                Some(map)
                    if !from.is_vector()
                        && (n_rows, n_cols) == (1, from.n_cols())
                        && sums(from, to, |k| map.get(k), |_, col| col) =>
                {
                    called("sum_rows", "")?.text
                }
                _ => self.by_entries(program, id)?,
            },
            // One entry of a small matrix.
            None if from.is_scalar() && to.numel() <= MOST_BY_ENTRIES => {
                let value = self.get(x)?;
                let cell = |row, col| match to.find(row, col) {
                    Some(_) => value.text.clone(),
                    None => "0".to_owned(),
                };
                entries(to, &cell)
            }
            None => {
                let Some(map) = graph.map(id) else { return no_spelling(self.place(id)) };
                let value = self.get(x)?;
                select(program, &value, from, &|k| place(from, map.get(k)), to)?.text
            }
        };
        Ok(Entry { value: Ok(Value::atom(value)), plain: None })
    }

    /// A value with other nonzeros of the same entries: some left out, or zeros stored besides. In
    /// most places the language does that by itself.
    fn same(&self, id: NodeId) -> Result<Entry, NoSpelling> {
        let graph = self.graph;
        let x = graph.arg(id, 0);
        let (from, to) = (graph.pattern(x), graph.pattern(id));
        if let (Err(_), Some(inner)) = (self.get(x), self.plain_entry(x))
            && inner.pattern.intersection(to) == *from
        {
            let value = no_spelling(self.place(id));
            return Ok(Entry { value, plain: Some(inner.clone()) });
        }
        let plain = Plain { value: self.get(x)?, node: x, pattern: from.clone() };
        let called = |name: &str| Ok(Value::atom(format!("{name}({})", plain.value.text)));
        let value = match graph.op(id) == Op::Gather {
            true if is_kept(from, to, |row, col| col <= row) => called("tril"),
            true if is_kept(from, to, |row, col| col >= row) => called("triu"),
            _ => no_spelling(self.place(id)),
        };
        Ok(Entry { value, plain: Some(plain) })
    }

    /// A scatter: a small one entry by entry, others as sums over the entries that belong to one.
    fn by_entries(&mut self, program: &mut Program, id: NodeId) -> Result<String, NoSpelling> {
        let graph = self.graph;
        let x = graph.arg(id, 0);
        let (from, to) = (graph.pattern(x), graph.pattern(id));
        let Some(map) = graph.map(id) else { return no_spelling(self.place(id)) };
        let mut sums: Vec<Vec<usize>> = vec![Vec::new(); to.nnz()];
        map.iter().enumerate().for_each(|(k, at)| sums[at].push(k));
        let is_small = to.numel() <= MOST_BY_ENTRIES && map.len() <= MOST_BY_ENTRIES;
        let is_full = sums.iter().all(|terms| !terms.is_empty());
        if !is_small || !is_full || matches!(self.inside, Inside::Expression) {
            let value = self.get(x)?;
            let Some(column) = packed(program, &value, from)? else {
                return no_spelling(self.place(id));
            };
            program.differs.push(format!("{} is a sum with a filter", self.place(id)));
            let terms: Vec<(usize, usize)> = map.iter().enumerate().collect();
            let column = accumulated(program, &column, &terms, to.nnz())?;
            return Ok(unpacked(program, &column, to.nnz(), 0, to)?.text);
        }
        let mut base = self.get(x)?;
        if !is_name(&base.text) {
            self.name(program, &mut base);
            if let Some(entry) = self.entries.get_mut(&x) {
                entry.value = Ok(base.clone());
            }
        }
        let base = base.at_least(precedence::ATOM);
        let source = |&k: &usize| match (from.shape(), entry(from, k)) {
            ((1, 1), _) => base.clone(),
            ((_, 1), (row, _)) => format!("{base}[{row}]"),
            (_, (row, col)) => format!("{base}[{row}, {col}]"),
        };
        program.differs.push(format!("{} is written entry by entry", self.place(id)));
        let cell = |row: usize, col: usize| match to.find(row, col).map(|k| &sums[k]) {
            None => "0".to_owned(),
            Some(terms) => terms.iter().map(source).collect::<Vec<_>>().join(" + "),
        };
        Ok(entries(to, &cell))
    }
}
/// `[a, b; c, d]`
fn literal(
    grid: &[Vec<Cell>],
    parts: &[Result<Value, NoSpelling>],
    to: &Pattern,
) -> Result<Value, NoSpelling> {
    let cell = |cell: &Cell| -> Result<String, NoSpelling> {
        Ok(match *cell {
            Cell::Part(k) => parts[k].clone()?.text,
            Cell::Zeros { n_rows: 1, n_cols: 1 } => "0".to_owned(),
            Cell::Zeros { n_rows, n_cols } => format!("zeros({n_rows}, {n_cols})"),
        })
    };
    // Scalars take the place of single zeros where the row has no larger cells.
    let mut rows = Vec::with_capacity(grid.len());
    for row in grid {
        let cells: Vec<String> = row.iter().map(cell).collect::<Result<_, _>>()?;
        rows.push(cells.join(", "));
    }
    Ok(Value::atom(match (&rows[..], to.n_cols()) {
        ([only], 1) => format!("[{only}]"),
        ([only], _) => format!("hcat({only})"),
        (_, 1) => format!("[{}]", rows.join(", ")),
        _ => format!("[{}]", rows.join("; ")),
    }))
}

/// `[a, 0; 0, b]`
fn entries(to: &Pattern, cell: &dyn Fn(usize, usize) -> String) -> String {
    let (n_rows, n_cols) = to.shape();
    let row = |row| (0..n_cols).map(|col| cell(row, col)).collect::<Vec<_>>().join(", ");
    let rows: Vec<String> = (0..n_rows).map(row).collect();
    match (n_rows, n_cols) {
        (1, 1) => format!("({})", rows.concat()),
        (_, 1) => format!("[{}]", rows.join(", ")),
        (1, _) => format!("hcat({})", rows.concat()),
        _ => format!("[{}]", rows.join("; ")),
    }
}

/// Whether `to` has the entries of `from` that `keeps` accepts.
fn is_kept(from: &Pattern, to: &Pattern, keeps: impl Fn(usize, usize) -> bool) -> bool {
    from.entries().filter(|&(row, col)| keeps(row, col)).eq(to.entries())
}

/// Whether nonzero `k` of `from` is added to entry `place(row, column)` of a dense vector.
fn sums(
    from: &Pattern,
    to: &Pattern,
    map: impl Fn(usize) -> usize,
    place: impl Fn(usize, usize) -> usize,
) -> bool {
    to.is_dense()
        && (0..from.nnz()).all(|k| {
            let (row, col) = entry(from, k);
            map(k) == place(row, col)
        })
}
