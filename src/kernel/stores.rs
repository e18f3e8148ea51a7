//! Stores where values are made, for machine code: what is a result alone then takes no register
//! until the end, and what is needed again can be read where it was stored.

use std::borrow::Cow;
use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};

use super::ir::{AddrId, Base, Inst, Kernel};
use super::pack::{defined, kind};

/// Memory that some straight-line code writes, each place once, and does not read.
pub struct Written {
    /// Whether it is so for the memory of each base that is written.
    bases: FxHashMap<Base, bool>,
}

impl Written {
    pub fn of(kernel: &Kernel, insts: &[Inst]) -> Written {
        let mut bases: FxHashMap<Base, bool> = FxHashMap::default();
        let mut first: FxHashMap<Base, AddrId> = FxHashMap::default();
        let mut places = FxHashSet::default();
        for inst in insts {
            match *inst {
                Inst::Store { addr: id, .. } => {
                    let addr = &kernel.addrs[id as usize];
                    let first = &kernel.addrs[*first.entry(addr.base).or_insert(id) as usize];
                    // Places that move alike are the same one if their offsets are.
                    let is_alike = addr.tables.is_empty()
                        && first.tables.is_empty()
                        && addr.index.terms == first.index.terms;
                    let is_new = places.insert((addr.base, addr.index.offset));
                    *bases.entry(addr.base).or_insert(true) &= is_alike && is_new;
                }
                Inst::Load { addr, .. } | Inst::Accumulate { addr, .. } => {
                    let base = kernel.addrs[addr as usize].base;
                    if matches!(base, Base::Res(_) | Base::Work) {
                        bases.insert(base, false);
                    }
                }
                _ => {}
            }
        }
        Written { bases }
    }

    /// Whether the store at an address is the only instruction that touches that place.
    pub fn is_alone(&self, kernel: &Kernel, addr: AddrId) -> bool {
        self.bases.get(&kernel.addrs[addr as usize].base) == Some(&true)
    }
}

/// Puts each store of a kernel's instructions after the one that makes its value, if both are in the
/// same straight-line code and nothing else touches the place. Stores do not part like operations
/// that are done at once where the code `packs`.
pub fn early(kernel: &Kernel, insts: &mut Cow<[Inst]>, packs: bool) {
    let mut definitions = vec![NONE; kernel.n_values as usize];
    let mut begin = 0;
    while begin < insts.len() {
        let is_plain = |inst: &&Inst| inst.is_straight() || matches!(inst, Inst::Counter { .. });
        let len = insts[begin..].iter().take_while(is_plain).count();
        let block = &insts[begin..begin + len];
        let stores = moves(kernel, block, &mut definitions);
        if let [first, ..] = stores[..] {
            // What lies before the first maker and after the last store stays as it is.
            let last = stores.iter().map(|one| one.store).max().unwrap_or(0) as usize;
            let may_be_like = |inst: &&Inst| packs && kind(inst).is_some();
            let like = block[last + 1..].iter().take_while(may_be_like).count();
            let range = first.maker as usize..last + 1 + like;
            let order = order(block, range.clone(), &stores, packs);
            insts.to_mut()[begin..begin + len][range].copy_from_slice(&order);
        }
        begin += len + 1;
    }
}

const NONE: u32 = u32::MAX;

/// A store of a block that goes after what makes its value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Move {
    maker: u32,
    store: u32,
}

/// The stores of a block that go elsewhere.
fn moves(kernel: &Kernel, block: &[Inst], definitions: &mut [u32]) -> Vec<Move> {
    if !block.iter().any(|inst| matches!(inst, Inst::Store { .. })) {
        return Vec::new();
    }
    let written = Written::of(kernel, block);
    let mut moves = Vec::new();
    for (at, inst) in (0..).zip(block) {
        if let Some(dst) = defined(inst) {
            definitions[dst as usize] = at;
        }
        if let Inst::Store { addr, src } = *inst
            && written.is_alone(kernel, addr)
        {
            let maker = definitions[src as usize];
            // Values of other blocks have places from these.
            let is_here = block.get(maker as usize).is_some_and(|inst| defined(inst) == Some(src));
            if is_here && maker + 1 < at {
                moves.push(Move { maker, store: at });
            }
        }
    }
    moves.sort_unstable();
    moves
}

/// A range of a block with its stores moved.
fn order(block: &[Inst], range: Range<usize>, moves: &[Move], packs: bool) -> Vec<Inst> {
    let mut is_moved = vec![false; range.end];
    moves.iter().for_each(|one| is_moved[one.store as usize] = true);
    let stays = |at: &usize| !is_moved[*at];
    let mut moves = moves.iter().peekable();
    let mut order = Vec::with_capacity(range.len());
    let mut others = range.filter(stays).peekable();
    while let Some(at) = others.next() {
        order.push(block[at]);
        let kind = |at: usize| kind(&block[at]).filter(|_| packs);
        if kind(at).is_some() && others.peek().is_some_and(|&next| kind(next) == kind(at)) {
            continue;
        }
        while let Some(one) = moves.next_if(|one| one.maker as usize <= at) {
            order.push(block[one.store as usize]);
        }
    }
    order
}
