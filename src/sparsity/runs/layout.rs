//! The order of entries column by column, as blocks that repeat.

use super::{Irregular, Run};

/// Columns `column ..`, a block of `width` of them `n` times. The entries of one block are those
/// of the listed runs, in order: the number of the run, and which of its entries is in the first
/// block; the next block has the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub column: i64,
    pub width: i64,
    pub n: i64,
    pub entries: Vec<(usize, i64)>,
}

/// Segments in the order of their columns.
pub type Layout = Vec<Segment>;

/// Most entries of all segments, of one block each.
const MOST_ENTRIES: usize = 1 << 16;

/// Longest run that is laid out entry by entry.
const SHORT: i64 = 4_096;

/// A run in blocks of columns: from block `first` on, in each one entry.
struct Placed {
    first: i64,
    n: i64,
    /// Number of the run; and its entry in block `first`, the next one in the next block.
    run: usize,
    entry: i64,
}

/// Runs without common entries, whose columns do not fall, in column-major order.
pub fn layout(runs: &[Run]) -> Result<Layout, Irregular> {
    // The step that most entries have, with the columns that these cover, for each region.
    let mut regions = regions(runs)?;
    let n_stepped = regions.len();
    let mut left: Vec<Vec<Placed>> = regions.iter().map(|_| Vec::new()).collect();
    for (k, run) in runs.iter().enumerate() {
        let stepped = &regions[..n_stepped];
        let at = stepped.iter().position(|r| r.step == run.column.step && run.n > 1);
        if let Some(at) = at {
            let first = (run.column.start - regions[at].low) / regions[at].step;
            left[at].push(Placed { first, n: run.n, run: k, entry: 0 });
            continue;
        }
        if run.n > SHORT {
            return Err(Irregular);
        }
        for i in 0..run.n {
            let column = run.column.at(i);
            let at = match regions.iter().position(|r| (r.low..r.high).contains(&column)) {
                Some(at) => at,
                None => {
                    regions.push(Region { step: 1, low: column, high: column + 1, weight: 1 });
                    left.push(Vec::new());
                    regions.len() - 1
                }
            };
            let first = (column - regions[at].low) / regions[at].step;
            left[at].push(Placed { first, n: 1, run: k, entry: i });
        }
    }
    let mut order: Vec<usize> = (0..regions.len()).collect();
    order.sort_by_key(|&k| regions[k].low);
    let mut found = Vec::new();
    let mut n_entries = 0;
    for k in order {
        segments(runs, &regions[k], &left[k], &mut found)?;
        n_entries += found.iter().map(|s: &Segment| s.entries.len()).sum::<usize>();
        if n_entries > MOST_ENTRIES {
            return Err(Irregular);
        }
    }
    Ok(found)
}

/// Columns `low..high`, whose runs have one step.
struct Region {
    step: i64,
    low: i64,
    high: i64,
    /// Entries of all runs.
    weight: i64,
}

/// Regions by the steps of long runs; where two overlap, the one with fewer entries must be short.
fn regions(runs: &[Run]) -> Result<Vec<Region>, Irregular> {
    let mut all: Vec<Region> = Vec::new();
    for run in runs.iter().filter(|run| run.n > 1 && run.column.step > 0) {
        let (low, high) = (run.column.start, run.column.at(run.n - 1) + 1);
        match all.iter_mut().find(|r| r.step == run.column.step) {
            Some(region) => {
                region.low = region.low.min(low);
                region.high = region.high.max(high);
                region.weight += run.n;
            }
            None => all.push(Region { step: run.column.step, low, high, weight: run.n }),
        }
    }
    all.sort_by_key(|r| std::cmp::Reverse(r.weight));
    let mut kept: Vec<Region> = Vec::new();
    for region in all {
        if kept.iter().all(|k| k.high <= region.low || region.high <= k.low) {
            kept.push(region);
        } else if region.weight > SHORT {
            return Err(Irregular);
        }
    }
    Ok(kept)
}

fn segments(
    runs: &[Run],
    region: &Region,
    placed: &[Placed],
    found: &mut Layout,
) -> Result<(), Irregular> {
    let mut bounds: Vec<i64> = placed.iter().flat_map(|p| [p.first, p.first + p.n]).collect();
    bounds.sort_unstable();
    bounds.dedup();
    let mut order: Vec<&Placed> = placed.iter().collect();
    order.sort_by_key(|p| p.first);
    let mut waiting = order.into_iter().peekable();
    let mut present: Vec<&Placed> = Vec::new();
    for pair in bounds.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        present.retain(|p| p.first + p.n > from);
        while let Some(p) = waiting.next_if(|p| p.first <= from) {
            present.push(p);
        }
        if present.is_empty() {
            continue;
        }
        let entry = |p: &Placed, block: i64| {
            let i = p.entry + block - p.first;
            let column = runs[p.run].column.at(i) - region.low - block * region.step;
            (column, runs[p.run].row.at(i))
        };
        present.sort_by_key(|p| entry(p, from));
        // Rows are linear in the number of the block: the order at both ends is that between.
        if !present.is_sorted_by(|a, b| entry(a, to - 1) < entry(b, to - 1)) {
            return Err(Irregular);
        }
        let entries = present.iter().map(|p| (p.run, p.entry + from - p.first)).collect();
        let (column, n) = (region.low + from * region.step, to - from);
        found.push(Segment { column, width: region.step, n, entries });
    }
    Ok(())
}
