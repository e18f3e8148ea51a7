//! Orders in which repetitions show: sums of many terms level by level, and what leads to one
//! result together.

use super::super::ir::Inst;
use super::super::lanes::key;
use super::items::{Items, NONE, Segment};
use crate::ops::scalar::ScalarOp;

/// Levels of a balanced tree that stay with its terms.
const LOW: u8 = 4;

/// Moves the upper levels of balanced trees of sums, products and extrema, and what depends on
/// them, behind everything else, one level after the other.
pub fn delay_sums(items: &mut Items) {
    for k in 0..items.segments.len() {
        let segment = items.segments[k];
        if !segment.is_pinned
            && let Some(pcs) = by_level(items, segment)
        {
            items.reorder(segment, &pcs);
        }
    }
}

/// Instructions of a segment by the number of upper levels below them; `None` if there are none.
fn by_level(items: &Items, segment: Segment) -> Option<Vec<u32>> {
    let n = (segment.last - segment.first) as usize;
    // For each item the height of the tree that it tops, and upper levels on the way to it.
    let mut heights = vec![0u8; n];
    let mut keys = vec![0u8; n];
    for item in segment.first..segment.last {
        let k = (item - segment.first) as usize;
        let (args, n_args) = items.args(item);
        let before = args.map(|val| items.place_in(&segment, val));
        let of = |place: &Option<u32>| place.map(|place| (place - segment.first) as usize);
        let least = before[..n_args].iter().filter_map(of).map(|k| keys[k]).max();
        keys[k] = least.unwrap_or(0);
        if let (Some(left), Some(right)) = (of(&before[0]), of(&before[1]))
            && joins(items, item, before)
            && heights[left] == heights[right]
        {
            heights[k] = heights[left].saturating_add(1);
        }
        keys[k] = keys[k].saturating_add(u8::from(heights[k] >= LOW));
    }
    let most = keys.iter().copied().max().filter(|&most| most > 0)?;
    let mut pcs = Vec::with_capacity(n);
    let mut by_key: Vec<Vec<u32>> = vec![Vec::new(); usize::from(most) + 1];
    for (key, item) in keys.into_iter().zip(segment.first..) {
        by_key[usize::from(key)].push(items.pcs[item as usize]);
    }
    by_key.iter().for_each(|of_key| pcs.extend_from_slice(of_key));
    Some(pcs)
}

/// Whether an item does to two results of the same operation that operation again.
fn joins(items: &Items, item: u32, before: [Option<u32>; 3]) -> bool {
    let op = |item: u32| match *items.inst(item) {
        Inst::Apply { op, .. } => Some(op),
        _ => None,
    };
    let [Some(left), Some(right), _] = before else { return false };
    matches!(op(item), Some(ScalarOp::Add | ScalarOp::Mul | ScalarOp::Min | ScalarOp::Max))
        && op(left) == op(item)
        && op(right) == op(item)
}

/// Puts before each store what it needs and is not there yet, also in segments before, the results
/// with most stores first and stores in the order of their places.
pub fn by_results(items: &mut Items) {
    let orders = depth_first(items);
    for (k, pcs) in orders.iter().enumerate() {
        let segment = items.segments[k];
        if !segment.is_pinned {
            items.reorder(segment, pcs);
        }
    }
}

/// The instructions of each segment.
fn depth_first(items: &Items) -> Vec<Vec<u32>> {
    let n = items.pcs.len();
    let mut is_done = vec![false; n];
    let mut orders: Vec<Vec<u32>> = vec![Vec::new(); items.segments.len()];
    // (item, operands that are seen to)
    let mut open: Vec<(u32, u8)> = Vec::new();
    for root in stores(items).into_iter().chain(0..n as u32) {
        open.push((root, 0));
        while let Some((item, slot)) = open.last_mut() {
            let item = *item;
            let (args, n_args) = items.args(item);
            if is_done[item as usize] {
                open.pop();
            } else if usize::from(*slot) < n_args {
                let place = items.places[args[usize::from(*slot)] as usize];
                *slot += 1;
                if place != NONE && !is_done[place as usize] {
                    open.push((place, 0));
                }
            } else {
                is_done[item as usize] = true;
                let segment = items.segments.partition_point(|segment| segment.last <= item);
                orders[segment].push(items.pcs[item as usize]);
                open.pop();
            }
        }
    }
    orders
}

/// Stores, by their memory and place.
fn stores(items: &Items) -> Vec<u32> {
    let is_store = |item: &u32| matches!(items.inst(*item), Inst::Store { .. });
    let place = |item| items.memory(item).map(|(base, at)| (key(base), at, item));
    let mut stores: Vec<((u8, u32), i64, u32)> =
        (0..items.pcs.len() as u32).filter(is_store).filter_map(place).collect();
    stores.sort_unstable();
    let mut by_memory: Vec<&[_]> = stores.chunk_by(|a, b| a.0 == b.0).collect();
    by_memory.sort_by_key(|stores| std::cmp::Reverse(stores.len()));
    by_memory.into_iter().flatten().map(|store| store.2).collect()
}
