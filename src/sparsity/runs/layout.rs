//! The order of entries column by column, as blocks that repeat.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use super::{Irregular, Run};

/// Columns `column ..`, a block of `width` of them `n` times; with a width of 0 all blocks stand in
/// one column, one below the other. The entries of one block are those of the listed runs, in
/// order: the number of the run, and which of its entries is in the first block; the next block
/// has the next one.
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

/// Runs without common entries, whose columns do not fall, in column-major order.
pub fn layout(runs: &[Run]) -> Result<Layout, Irregular> {
    // The steps that most entries have, with the columns that these cover; then columns apart.
    let mut regions = regions(runs)?;
    let mut apart: FxHashMap<i64, Vec<Placed>> = FxHashMap::default();
    for (k, run) in runs.iter().enumerate() {
        let (start, step) = (run.column.start, run.column.step);
        let whole = |first: i64| Placed { first, n: run.n, run: k, entry: 0 };
        match region_of(&mut regions, start) {
            Some(region) if run.n > 1 && region.step == step => {
                region.placed.push(whole((start - region.low) / step));
                continue;
            }
            None if step == 0 => {
                apart.entry(start).or_default().push(whole(0));
                continue;
            }
            _ => {}
        }
        if run.n > SHORT {
            return Err(Irregular);
        }
        for i in 0..run.n {
            let column = run.column.at(i);
            let single = |first: i64| Placed { first, n: 1, run: k, entry: i };
            match region_of(&mut regions, column) {
                Some(region) => {
                    region.placed.push(single((column - region.low) / region.step));
                }
                None => apart.entry(column).or_default().push(single(0)),
            }
        }
    }
    regions.extend(apart.into_iter().map(|(column, placed)| Region {
        step: 0,
        low: column,
        high: column + 1,
        weight: 0,
        placed,
    }));
    regions.sort_by_key(|r| r.low);
    let (mut found, mut n_entries) = (Vec::new(), 0);
    for region in &regions {
        let of_region = match region.step {
            0 => one_column(runs, region)?,
            _ => segments(runs, region, MOST_ENTRIES)?,
        };
        n_entries += of_region.iter().map(|s| s.entries.len()).sum::<usize>();
        if n_entries > MOST_ENTRIES {
            return Err(Irregular);
        }
        of_region.into_iter().for_each(|segment| append(&mut found, segment));
    }
    Ok(found)
}

/// Appends a segment; blocks that do not repeat become one.
fn append(found: &mut Layout, segment: Segment) {
    match found.last_mut() {
        Some(last) if last.n == 1 && segment.n == 1 => {
            last.width = segment.column + segment.width.max(1) - last.column;
            last.entries.extend(segment.entries);
        }
        _ => found.push(segment),
    }
}

/// The region, of those in order, that has a column.
fn region_of(regions: &mut [Region], column: i64) -> Option<&mut Region> {
    let at = regions.partition_point(|r| r.low <= column).checked_sub(1)?;
    regions.get_mut(at).filter(|region| column < region.high)
}

/// A run in blocks of columns: from block `first` on, in each one entry. In a column of its own
/// there are no blocks.
struct Placed {
    first: i64,
    n: i64,
    /// Number of the run; and its entry in block `first`, the next one in the next block.
    run: usize,
    entry: i64,
}

/// Columns `low..high`, whose runs have one step.
struct Region {
    step: i64,
    low: i64,
    high: i64,
    /// Entries of all runs.
    weight: i64,
    placed: Vec<Placed>,
}

/// Regions by the steps of runs that overlap, in order; where regions of different steps overlap,
/// the one with fewer entries must be short.
fn regions(runs: &[Run]) -> Result<Vec<Region>, Irregular> {
    let mut all: Vec<Region> = Vec::new();
    let stepped = runs.iter().filter(|run| run.n > 1 && run.column.step > 0);
    let mut extents: Vec<(i64, i64, i64, i64)> = stepped
        .map(|run| (run.column.step, run.column.start, run.column.at(run.n - 1) + 1, run.n))
        .collect();
    extents.sort_unstable();
    for (step, low, high, n) in extents {
        match all.last_mut() {
            // Entries of one block may leave the next block's first columns free.
            Some(last) if last.step == step && low < last.high + step => {
                last.high = last.high.max(high);
                last.weight += n;
            }
            _ => all.push(Region { step, low, high, weight: n, placed: Vec::new() }),
        }
    }
    all.sort_by_key(|r| Reverse(r.weight));
    let mut kept: Vec<Region> = Vec::new();
    for region in all {
        if kept.iter().all(|k| k.high <= region.low || region.high <= k.low) {
            kept.push(region);
        } else if region.weight > SHORT {
            return Err(Irregular);
        }
    }
    kept.sort_by_key(|r| r.low);
    Ok(kept)
}

/// A column by itself: runs from top to bottom, those between one another's rows together.
fn one_column(runs: &[Run], region: &Region) -> Result<Layout, Irregular> {
    let mut found = Vec::new();
    let row = |p: &Placed, i: i64| runs[p.run].row.at(p.entry + i);
    let mut placed: Vec<&Placed> = region.placed.iter().collect();
    placed.sort_by_key(|p| row(p, 0));
    let mut rest = &placed[..];
    while let Some(first) = rest.first() {
        let (n, step) = (first.n, runs[first.run].row.step);
        let is_between = |p: &&&Placed| row(p, 0) < row(first, n - 1);
        let together = 1 + rest[1..].iter().take_while(is_between).count();
        let (block, others) = rest.split_at(together);
        let even = block.iter().all(|p| p.n == n && (n == 1 || runs[p.run].row.step == step));
        let last = block[together - 1];
        let in_order = (n == 1 || row(last, 0) < row(first, 1))
            && others.first().is_none_or(|next| row(next, 0) > row(last, n - 1));
        if !even || !in_order {
            return Err(Irregular);
        }
        let entries = block.iter().map(|p| (p.run, p.entry)).collect();
        found.push(Segment { column: region.low, width: 0, n, entries });
        rest = others;
    }
    Ok(found)
}

/// Columns in blocks as wide as the step, where these have the same runs.
fn segments(runs: &[Run], region: &Region, most: usize) -> Result<Layout, Irregular> {
    let placed = &region.placed;
    let (mut found, mut n_entries) = (Vec::new(), 0);
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
        n_entries += present.len();
        if n_entries > most {
            return Err(Irregular);
        }
        let (column, n) = (region.low + from * region.step, to - from);
        found.push(Segment { column, width: region.step, n, entries });
    }
    Ok(found)
}
