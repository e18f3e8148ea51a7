//! Where the lanes of an address lie.
//!
//! The links of address chains are computed before the loop if they do not move, else at the
//! beginning of an iteration, and kept in memory or, those used most, in registers.

use rustc_hash::FxHashMap;

use crate::backend::jit::address::{Chains, Link};
use crate::kernel::ir::{Addr, AddrId, Kernel, LoopId};
use crate::kernel::lanes::{self, stride};

/// How the lanes of a pointer differ.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Spread {
    /// Not at all, nor from iteration to iteration.
    Same,
    /// By as many bytes from one to the next.
    Along(i32),
    /// In any way: each has its own.
    Apart,
}

/// A link that the loop needs.
pub(super) struct Pointer {
    pub link: u32,
    pub spread: Spread,
    /// The word of memory that holds it, the first of as many as there are lanes if they are
    /// apart.
    pub word: u32,
    /// How often an iteration uses it.
    pub n_uses: u32,
}

impl Pointer {
    /// Words of memory that hold it, for so many lanes.
    pub fn n_words(&self, n_lanes: usize) -> u32 {
        if self.spread == Spread::Apart { n_lanes as u32 } else { 1 }
    }

    /// The word for a lane, and how many bytes further than it says the lane lies.
    pub fn of_lane(&self, lane: u32) -> (u32, i32) {
        match self.spread {
            Spread::Apart => (self.word + lane, 0),
            Spread::Along(bytes) => (self.word, bytes * lane as i32),
            Spread::Same => (self.word, 0),
        }
    }
}

/// The links that a loop needs, each after those it is made of.
#[derive(Default)]
pub(super) struct Pointers {
    pub all: Vec<Pointer>,
    /// Links that are another one plus the iteration number: instructions add it to that one.
    indexed: FxHashMap<u32, u32>,
    place: FxHashMap<u32, u32>,
    pub n_words: u32,
}

impl Pointers {
    /// The pointers behind some addresses, for so many lanes.
    pub fn of(
        chains: &Chains,
        id: LoopId,
        addrs: impl Iterator<Item = AddrId>,
        n_lanes: usize,
    ) -> Pointers {
        let mut pointers = Pointers::default();
        let mut uses: FxHashMap<u32, u32> = FxHashMap::default();
        for addr in addrs {
            let link = chains.places[addr as usize].0;
            let used = match chains.links[link as usize] {
                Link::Term { link: fixed, id: of, bytes: NUMBER }
                    if of == id && is_fixed(chains, fixed, id) =>
                {
                    pointers.indexed.insert(link, fixed);
                    fixed
                }
                _ => link,
            };
            *uses.entry(used).or_default() += 1;
        }
        let mut needed: Vec<u32> = uses.keys().copied().collect();
        let mut at = 0;
        while let Some(&link) = needed.get(at) {
            at += 1;
            let (before, entry) = parts(&chains.links[link as usize]);
            for part in before.into_iter().chain(entry) {
                uses.entry(part).or_insert_with(|| {
                    needed.push(part);
                    0
                });
            }
        }
        // A link is numbered after its parts.
        needed.sort_unstable();
        for link in needed {
            let spread = pointers.spread_of(&chains.links[link as usize], id);
            pointers.place.insert(link, pointers.all.len() as u32);
            let word = pointers.n_words;
            let pointer = Pointer { link, spread, word, n_uses: uses[&link] };
            pointers.n_words += pointer.n_words(n_lanes);
            pointers.all.push(pointer);
        }
        pointers
    }

    /// The pointer behind an address of a link: its number among these, and whether the iteration
    /// number is to be added to it.
    pub fn behind(&self, link: u32) -> (usize, bool) {
        match self.indexed.get(&link) {
            Some(&fixed) => (self.place_of(fixed), true),
            None => (self.place_of(link), false),
        }
    }

    /// A link that is among these.
    pub fn get(&self, link: u32) -> &Pointer {
        &self.all[self.place_of(link)]
    }

    /// The number of a link among these.
    pub fn place_of(&self, link: u32) -> usize {
        self.place[&link] as usize
    }

    fn spread_of(&self, link: &Link, id: LoopId) -> Spread {
        match *link {
            Link::Base(_) | Link::Table(_) => Spread::Same,
            Link::Term { link, id: of, bytes } => match (self.get(link).spread, of == id) {
                (Spread::Same, true) => Spread::Along(bytes as i32),
                (Spread::Along(further), true) => Spread::Along(further.wrapping_add(bytes as i32)),
                (spread, _) => spread,
            },
            Link::Entry { link, at, .. } => match (self.get(at).spread, self.get(link).spread) {
                (Spread::Same, spread) => spread,
                _ => Spread::Apart,
            },
        }
    }
}

/// Bytes of a number.
const NUMBER: i64 = 8;

/// Whether a link stays where it is from iteration to iteration.
fn is_fixed(chains: &Chains, link: u32, id: LoopId) -> bool {
    let mut open = vec![link];
    while let Some(link) = open.pop() {
        let link = &chains.links[link as usize];
        if matches!(link, Link::Term { id: of, .. } if *of == id) {
            return false;
        }
        let (before, entry) = parts(link);
        open.extend(before.into_iter().chain(entry));
    }
    true
}

/// The links that a link is made of.
fn parts(link: &Link) -> (Option<u32>, Option<u32>) {
    match *link {
        Link::Base(_) | Link::Table(_) => (None, None),
        Link::Term { link, .. } => (Some(link), None),
        Link::Entry { link, at, .. } => (Some(link), Some(at)),
    }
}

/// Whether all distances that the code of a loop states fit into 32 bits.
pub(super) fn are_in_reach(kernel: &Kernel, id: LoopId, body: &lanes::Body) -> bool {
    let near = |addr: &Addr| stride(addr, id).unsigned_abs() < FAR && is_in_reach(addr);
    body.loads.iter().chain(&body.stores).all(|&at| near(&kernel.addrs[at as usize]))
}

/// A stride of so many numbers is too far: the last of eight lanes lies seven strides after the
/// first, besides the offset.
const FAR: u64 = 1 << 24;

/// Whether all distances that lead to a number fit into 32 bits.
pub(super) fn is_in_reach(addr: &Addr) -> bool {
    let lookups = addr.tables.iter().map(|lookup| &lookup.index);
    std::iter::once(&addr.index).chain(lookups).all(|index| {
        let near = |term: &(LoopId, i64)| term.1.unsigned_abs() < FAR;
        index.offset.unsigned_abs() < 1 << 27 && index.terms.iter().all(near)
    })
}
