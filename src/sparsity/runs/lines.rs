//! Index maps as runs.

use std::cmp::Reverse;

use super::{Line, Run};
use crate::sparsity::{Affine, IndexMap};

/// Most runs of a map.
const MOST: usize = 4_096;

/// Longest block that is looked for in tables, in pieces, and how often it must repeat.
const LONGEST_BLOCK: usize = 64;
const FEWEST_BLOCKS: usize = 4;

/// `n` entries of a map: their numbers, and what they map to.
struct Piece {
    n: i64,
    at: Line,
    to: Line,
}

/// Two maps of one length beside one another, as runs. `None` if neither is of evenly spaced
/// numbers, or the other takes too many runs.
pub fn pairs(rows: &IndexMap, columns: &IndexMap) -> Option<Vec<Run>> {
    let through = |line: &Line, at: &Line| Line::new(line.at(at.start), line.step * at.step);
    if let Some(line) = even(rows) {
        let run = |a: Piece| Run { n: a.n, row: through(&line, &a.at), column: a.to };
        return Some(lines(columns)?.into_iter().map(run).collect());
    }
    let line = even(columns)?;
    let run = |a: Piece| Run { n: a.n, row: a.to, column: through(&line, &a.at) };
    Some(lines(rows)?.into_iter().map(run).collect())
}

/// A map of one counter.
fn even(map: &IndexMap) -> Option<Line> {
    match map {
        IndexMap::Affine(a) if a.dims[1].0 <= 1 => {
            Some(Line::new(i64::from(a.start), i64::from(a.dims[0].1)))
        }
        _ => None,
    }
}

fn lines(map: &IndexMap) -> Option<Vec<Piece>> {
    match map {
        _ if map.is_empty() => Some(Vec::new()),
        IndexMap::Affine(affine) => of_affine(affine),
        IndexMap::Table(table) => of_table(table),
    }
}

/// Piece the longest counter.
fn of_affine(affine: &Affine) -> Option<Vec<Piece>> {
    let counts = affine.dims.map(|d| i64::from(d.0));
    let strides = affine.dims.map(|d| i64::from(d.1));
    let before = [1, counts[0], counts[0] * counts[1]];
    let longest = (0..3).max_by_key(|&d| (counts[d], Reverse(d)))?;
    let [a, b] = [[1, 2], [0, 2], [0, 1]][longest];
    if counts[a].saturating_mul(counts[b]) > MOST as i64 {
        return None;
    }
    let mut found = Vec::new();
    for j in 0..counts[b] {
        for i in 0..counts[a] {
            let at = Line::new(i * before[a] + j * before[b], before[longest]);
            let start = i64::from(affine.start) + i * strides[a] + j * strides[b];
            found.push(Piece { n: counts[longest], at, to: Line::new(start, strides[longest]) });
        }
    }
    Some(found)
}

/// Pieces of even spacing, and blocks of them that repeat.
fn of_table(table: &[u32]) -> Option<Vec<Piece>> {
    let pieces = pieces(table);
    let mut found = Vec::new();
    let mut k = 0;
    while k < pieces.len() {
        let (len, n) = repetition(&pieces[k..]);
        for piece in &pieces[k..k + len] {
            if n == 1 {
                found.push(Piece { n: piece.n, at: piece.at, to: piece.to });
                continue;
            }
            // The next block is this much further in the table and in what it maps to.
            let next = &pieces[k + len];
            let (at, to) = (next.at.start - pieces[k].at.start, next.to.start - pieces[k].to.start);
            if piece.n <= n as i64 {
                found.extend((0..piece.n).map(|i| Piece {
                    n: n as i64,
                    at: Line::new(piece.at.at(i), at),
                    to: Line::new(piece.to.at(i), to),
                }));
            } else {
                found.extend((0..n as i64).map(|i| Piece {
                    n: piece.n,
                    at: Line::new(piece.at.start + i * at, 1),
                    to: Line::new(piece.to.start + i * to, piece.to.step),
                }));
            }
            if found.len() > MOST {
                return None;
            }
        }
        k += len * n;
    }
    (found.len() <= MOST).then_some(found)
}

fn pieces(table: &[u32]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (at, &to) in (0..).zip(table) {
        let to = i64::from(to);
        match pieces.last_mut() {
            Some(last) if last.n == 1 => {
                last.to.step = to - last.to.start;
                last.n = 2;
            }
            Some(last) if last.to.at(last.n) == to => last.n += 1,
            // Two numbers are no piece: the second may begin the next one.
            Some(last) if last.n == 2 => {
                let second = last.to.at(1);
                *last = Piece { n: 1, at: last.at, to: Line::fixed(last.to.start) };
                let step = to - second;
                let (at, to) = (Line::new(at - 1, 1), Line::new(second, step));
                pieces.push(Piece { n: 2, at, to });
            }
            _ => pieces.push(Piece { n: 1, at: Line::new(at, 1), to: Line::fixed(to) }),
        }
    }
    pieces
}

/// The shortest block at the beginning that repeats: its length, and how often it is there.
fn repetition(pieces: &[Piece]) -> (usize, usize) {
    for len in 1..=LONGEST_BLOCK.min(pieces.len() / FEWEST_BLOCKS) {
        let shift = pieces[len].to.start - pieces[0].to.start;
        let same = pieces.iter().zip(&pieces[len..]).take_while(|(a, b)| {
            a.n == b.n && a.to.step == b.to.step && b.to.start - a.to.start == shift
        });
        let n = same.count() / len + 1;
        if n >= FEWEST_BLOCKS {
            return (len, n);
        }
    }
    (1, 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(map: &IndexMap) -> Vec<Piece> {
        let lines = lines(map).expect("few lines");
        let mut found = vec![None; map.len()];
        for line in &lines {
            for i in 0..line.n {
                let before = found[line.at.at(i) as usize].replace(line.to.at(i));
                assert_eq!(before, None);
            }
        }
        let want: Vec<_> = map.iter().map(|k| Some(k as i64)).collect();
        assert_eq!(found, want);
        lines
    }

    #[test]
    fn blocks_are_few_lines() {
        // Rows 0..3 and 5..9 of each of many columns, after some that stand alone.
        let blocks = (0..500).flat_map(|k| [0, 1, 2, 5, 6, 7, 8].map(|r| 100 + 11 * k + r));
        let table: Vec<u32> = [7, 3, 99].into_iter().chain(blocks).collect();
        assert!(check(&IndexMap::from_table(table)).len() < 20);
        let ranges: Vec<u32> = (0..13).chain(0..5_000).collect();
        assert_eq!(check(&IndexMap::from_table(ranges)).len(), 2);
    }

    proptest! {
        #[test]
        fn tables_are_their_lines(
            block in prop::collection::vec(0u32..9, 1..6),
            n in 1u32..9,
            shift in 0u32..5,
            ends in prop::collection::vec(0u32..9, 0..6),
        ) {
            let blocks = (0..n).flat_map(|k| block.iter().map(move |b| b + k * shift));
            let table: Vec<u32> = ends.iter().copied().chain(blocks).chain(ends.clone()).collect();
            check(&IndexMap::from_table(table));
        }
    }
}
