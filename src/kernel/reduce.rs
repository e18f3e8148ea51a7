//! Reductions over loops in a fixed order: eight interleaved partial results, joined pairwise, in
//! blocks of 4,096 iterations that a binary tree joins. The order depends on the number of
//! iterations alone, so that lanes and threads may share the work without changing a bit.

use super::build::Builder;
use super::emit::{At, Emitter, MOST_VALUES};
use super::ir::{Affine, Trip, Val};
use super::place::{Place, View};
use super::range::Iterations;
use crate::graph::Reduction;
use crate::sparsity::IndexMap;

const LANES: u64 = 8;
const BLOCK: u64 = 4_096;

/// What the partial results of a reduction begin with: a number that changes none, not even the
/// sign of a zero.
/// Where no iteration may run, a sum begins with the 0 that it then is.
pub(super) fn beginning(reduction: Reduction, iterations: &Iterations) -> f64 {
    match (reduction, iterations) {
        (Reduction::Sum, Iterations::All(1..)) => -0.0,
        _ => reduction.identity(),
    }
}

/// The reduction of a few values one after the other.
pub(super) fn chain(e: &mut Emitter, reduction: Reduction, values: &[Val]) -> Val {
    match values.split_first() {
        Some((&first, rest)) => {
            rest.iter().fold(first, |all, &v| e.apply(reduction.op(), &[all, v]))
        }
        None => e.constant(reduction.identity()),
    }
}

/// The reduction of a few values, in the order of [`blocked`].
pub fn tree(e: &mut Emitter, reduction: Reduction, values: &[Val]) -> Val {
    if values.is_empty() {
        return e.constant(reduction.identity());
    }
    let mut level: Vec<Val> = values[..values.len().min(LANES as usize)].to_vec();
    for (k, &v) in values.iter().enumerate().skip(level.len()) {
        let lane = k % level.len();
        level[lane] = e.apply(reduction.op(), &[level[lane], v]);
    }
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match *pair {
                [a, b] => e.apply(reduction.op(), &[a, b]),
                _ => pair[0],
            })
            .collect();
    }
    level[0]
}

/// Reduces what `body` gives in each of `n` iterations: for each of `wanted` (kind, number of
/// nonzeros) that many values, from the iteration number as a function of loop counters.
pub(super) fn blocked(
    b: &mut Builder,
    wanted: &[(Reduction, usize)],
    n: u64,
    body: impl FnOnce(&mut Builder, &Affine) -> Vec<Vec<Val>>,
) -> Vec<Place> {
    blocked_into(b, wanted, &Iterations::All(n), |b, iteration, lanes| {
        for ((values, lane), &(reduction, _)) in body(b, iteration).iter().zip(lanes).zip(wanted) {
            for (k, &v) in values.iter().enumerate() {
                accumulate(&mut b.emitter, reduction, lane, &At::constant(k), v);
            }
        }
    })
}

/// [`blocked`] for results of any length: `body` accumulates onto the view it is given for each.
pub(super) fn blocked_into(
    b: &mut Builder,
    wanted: &[(Reduction, usize)],
    iterations: &Iterations,
    body: impl FnOnce(&mut Builder, &Affine, &[View]),
) -> Vec<Place> {
    let n = iterations.most();
    let n_blocks = n.div_ceil(BLOCK).max(1);
    let n_lanes = n.clamp(1, LANES);
    let partial: Vec<View> =
        wanted.iter().map(|w| b.emitter.allocate(w.1 * n_lanes as usize)).collect();
    let blocks: Vec<View> =
        wanted.iter().map(|w| b.emitter.allocate(w.1 * n_blocks as usize)).collect();

    let trip = Trip::Const(n_blocks);
    let (block, _) = b.emitter.begin_loop(trip, &[]);
    for (&(reduction, _), partial) in wanted.iter().zip(&partial) {
        b.emitter.fill(partial, beginning(reduction, iterations));
    }
    let groups = Trip::Rest {
        limit: BLOCK / LANES,
        total: n.div_ceil(LANES),
        used: terms(&[(block, (BLOCK / LANES) as i64)]),
    };
    let (group, _) = b.emitter.begin_loop(groups, &[]);
    let start = [(block, BLOCK as i64), (group, LANES as i64)];
    let mut used = iterations.missing();
    used.terms.extend(start);
    let trip = Trip::Rest { limit: LANES, total: n, used };
    let first = iterations.number(&terms(&start));
    let (lane, _) = b.emitter.begin_counted(trip, first, &[]);
    let counted = terms(&[start[0], start[1], (lane, 1)]);
    let onto: Vec<View> = partial
        .iter()
        .zip(wanted)
        .map(|(partial, &(_, len))| shifted(partial, len, &[(lane, len as i64)]))
        .collect();
    b.iteration(iterations, &counted, &[], |b, iteration| {
        body(b, iteration, &onto);
        Vec::new()
    });
    b.emitter.end_loop(lane, &[]);
    b.emitter.end_loop(group, &[]);
    for ((&(reduction, len), partial), blocks) in wanted.iter().zip(&partial).zip(&blocks) {
        let to = shifted(blocks, len, &[(block, len as i64)]);
        each(&mut b.emitter, len, |e, at| {
            let values: Vec<Val> = (0..n_lanes as usize)
                .map(|l| {
                    let from = partial.gather(&IndexMap::range(l * len, len));
                    e.load(&from, at)
                })
                .collect();
            let sum = tree(e, reduction, &values);
            e.store(&to, at, sum);
        });
    }
    b.emitter.end_loop(block, &[]);

    let mut results = Vec::new();
    for (&(reduction, len), blocks) in wanted.iter().zip(&blocks) {
        join_blocks(&mut b.emitter, reduction, blocks, len, n_blocks);
        let first = blocks.gather(&IndexMap::range(0, len));
        results.push(if len <= MOST_VALUES {
            let values = (0..len).map(|k| b.emitter.load(&first, &At::constant(k))).collect();
            Place::Values(values)
        } else {
            Place::view(first)
        });
    }
    results
}

/// Adds a value to a partial result.
pub(super) fn accumulate(e: &mut Emitter, reduction: Reduction, onto: &View, at: &At, v: Val) {
    if reduction == Reduction::Sum {
        e.accumulate(onto, at, v);
    } else {
        let before = e.load(onto, at);
        let after = e.apply(reduction.op(), &[before, v]);
        e.store(onto, at, after);
    }
}

/// Joins neighbours level by level until the first block holds the result.
fn join_blocks(e: &mut Emitter, reduction: Reduction, blocks: &View, len: usize, n: u64) {
    let mut width = n;
    while width > 1 {
        let half = width / 2;
        let (pair, _) = e.begin_loop(Trip::Const(half), &[]);
        let left = shifted(blocks, len, &[(pair, 2 * len as i64)]);
        let mut right = left.clone();
        right.index.offset += len as i64;
        let to = shifted(blocks, len, &[(pair, len as i64)]);
        each(e, len, |e, at| {
            let (a, b) = (e.load(&left, at), e.load(&right, at));
            let sum = e.apply(reduction.op(), &[a, b]);
            e.store(&to, at, sum);
        });
        e.end_loop(pair, &[]);
        if width % 2 == 1 {
            let last = blocks.gather(&IndexMap::range((width - 1) as usize * len, len));
            let to = blocks.gather(&IndexMap::range(half as usize * len, len));
            e.copy(&Place::view(last), &to);
        }
        width = half + width % 2;
    }
}

/// A few nonzeros one by one, many in a loop.
fn each(e: &mut Emitter, len: usize, body: impl Fn(&mut Emitter, &At)) {
    if len <= 4 {
        (0..len).for_each(|k| body(e, &At::constant(k)));
    } else {
        e.for_each(len, |e, counter| body(e, &At::counter(counter)));
    }
}

/// `len` numbers of contiguous memory, moved by loop counters.
fn shifted(view: &View, len: usize, by: &[(u32, i64)]) -> View {
    let mut view = view.gather(&IndexMap::range(0, len));
    view.index.terms.extend_from_slice(by);
    view
}

fn terms(terms: &[(u32, i64)]) -> Affine {
    Affine { offset: 0, terms: terms.to_vec() }
}
