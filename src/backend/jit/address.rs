//! Addresses as chains of additions, so that common beginnings are computed once and the parts
//! that do not change in a loop before it.
//!
//! A chain starts at a base pointer and adds, from the outermost loop inwards, counter times
//! stride, then entries of index tables. Constant offsets are left to the load or store.

use rustc_hash::FxHashMap;

use crate::kernel::ir::{Affine, Base, Inst, Kernel, LoopId};

/// The chains of one kernel.
pub(super) struct Chains {
    pub links: Vec<Link>,
    /// For each address of the kernel the end of its chain and the offset in bytes.
    pub places: Vec<(u32, i64)>,
    /// For each result the chain of its base pointer.
    pub results: Vec<u32>,
}

/// One step of an address computation.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Link {
    Base(Base),
    Table(u32),
    /// `link + bytes * counter`.
    Term {
        link: u32,
        id: LoopId,
        bytes: i64,
    },
    /// `link + 8 * entry`, where the 32-bit entry lies `offset` bytes after `at`.
    Entry {
        link: u32,
        at: u32,
        offset: i64,
    },
}

impl Chains {
    pub fn new(kernel: &Kernel) -> Chains {
        let mut begin = vec![0; kernel.loops.len()];
        for (pc, inst) in kernel.insts.iter().enumerate() {
            if let Inst::Loop { id } = inst {
                begin[*id as usize] = pc;
            }
        }
        let mut chains = Chains { links: Vec::new(), places: Vec::new(), results: Vec::new() };
        let mut known = FxHashMap::default();
        for addr in &kernel.addrs {
            let base = chains.intern(&mut known, Link::Base(addr.base));
            let mut link = chains.add_terms(&mut known, &begin, base, &addr.index, 8);
            for lookup in &addr.tables {
                let table = chains.intern(&mut known, Link::Table(lookup.table));
                let at = chains.add_terms(&mut known, &begin, table, &lookup.index, 4);
                let entry = Link::Entry { link, at, offset: 4 * lookup.index.offset };
                link = chains.intern(&mut known, entry);
            }
            chains.places.push((link, 8 * addr.index.offset));
        }
        for res in 0..kernel.res.len() as u32 {
            let link = chains.intern(&mut known, Link::Base(Base::Res(res)));
            chains.results.push(link);
        }
        chains
    }

    fn add_terms(
        &mut self,
        known: &mut FxHashMap<Link, u32>,
        begin: &[usize],
        mut link: u32,
        index: &Affine,
        size: i64,
    ) -> u32 {
        let mut terms = index.terms.clone();
        terms.sort_by_key(|&(id, _)| begin[id as usize]);
        for (id, stride) in terms {
            if stride != 0 {
                link = self.intern(known, Link::Term { link, id, bytes: size * stride });
            }
        }
        link
    }

    fn intern(&mut self, known: &mut FxHashMap<Link, u32>, link: Link) -> u32 {
        *known.entry(link).or_insert_with(|| {
            self.links.push(link);
            self.links.len() as u32 - 1
        })
    }
}
