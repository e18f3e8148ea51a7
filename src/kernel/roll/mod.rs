//! Rolls up straight-line code in which a block is repeated with other operands: it becomes loops.
//!
//! Large scalar graphs often are a loop that somebody has written out. Code beyond the
//! instruction cache takes several times as long per operation, and all of it has to be compiled.
//!
//! Instructions at equal distance that do the same kind of thing on the same kinds of operands are
//! a run ([`search`]): an iteration of a loop for each repetition, in the order the instructions
//! had. So nothing depends on what is found: an operand is a value of this iteration or of one
//! before, or lies in memory at an affine place, or at a place that a table gives
//! ([`classify`]). Values that are used outside of their iteration lie in work memory, one after
//! the other for each instruction of the block. Loops are split where only part of a block depends
//! on iterations before ([`split`]), so that the rest runs in vectors.
//!
//! Each operation is done on the values it was done on, so no bit changes.

mod classify;
mod items;
mod order;
mod search;
mod split;
mod write;

use super::ir::Kernel;
use items::Items;
use search::{Run, runs};

/// What rolling did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rolled {
    /// Operations, loads of written memory and stores of straight-line code before.
    pub n_straight: usize,
    /// Those left, and those of the bodies of loops.
    pub n_left: usize,
    pub n_in_loops: usize,
    /// Operands and places in loops that tables give.
    pub n_by_tables: usize,
}

/// Fewer instructions fit into the instruction cache.
pub const FEWEST: usize = 5_000;

/// Look-ups in tables cost more than code in the second level of caches.
const FEWEST_BY_TABLES: usize = 50_000;

/// The kernel with loops where that makes it faster.
pub fn rolled(kernel: Kernel) -> Kernel {
    match roll_from(&kernel, FEWEST) {
        Some((rolled, done)) if done.is_regular() || done.n_straight > FEWEST_BY_TABLES => rolled,
        _ => kernel,
    }
}

impl Rolled {
    /// Whether at most every other instruction in loops needs a table.
    fn is_regular(&self) -> bool {
        2 * self.n_by_tables <= self.n_in_loops
    }
}

/// A kernel of at least so many instructions with loops, and what was done; `None` if less than a
/// third of the code would go.
pub fn roll_from(kernel: &Kernel, fewest: usize) -> Option<(Kernel, Rolled)> {
    if kernel.insts.len() < fewest || kernel.insts.len() >= u32::MAX as usize / 2 {
        return None;
    }
    let mut items = Items::of(kernel)?;
    let found = best(&mut items);
    if 3 * (items.pcs.len() - length(&items, &found)) < items.pcs.len() {
        return None;
    }
    let n_straight = items.pcs.len();
    let n_in_loops = found.iter().map(|run| run.period as usize).sum();
    let n_left = n_straight - found.iter().map(Run::len).sum::<usize>();
    let blocks = classify::classify(&items, found);
    let n_by_tables = blocks.n_by_tables();
    let rolled = write::write(&items, &blocks)?;
    Some((rolled, Rolled { n_straight, n_left, n_in_loops, n_by_tables }))
}

/// The runs of the items in the order in which they stand or, if that is shorter, by results.
fn best(items: &mut Items) -> Vec<Run> {
    order::delay_sums(items);
    let before = (runs(items), items.pcs.clone());
    if SHORT_ENOUGH * length(items, &before.0) < items.pcs.len() {
        return before.0;
    }
    order::by_results(items);
    order::delay_sums(items);
    let after = runs(items);
    if length(items, &after) < length(items, &before.0) {
        return after;
    }
    for segment in items.segments.clone() {
        items.reorder(segment, &before.1[segment.first as usize..segment.last as usize]);
    }
    before.0
}

/// Parts of the code that may stay without a look at another order.
const SHORT_ENOUGH: usize = 10;

/// Items that are left, and those of the blocks.
fn length(items: &Items, found: &[Run]) -> usize {
    let saved: usize = found.iter().map(|run| run.len() - run.period as usize).sum();
    items.pcs.len() - saved
}
