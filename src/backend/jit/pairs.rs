//! Loops whose iterations run two at a time, in the two lanes of vectors.
//!
//! That changes no bit: each lane computes what its iteration would. It is done for innermost
//! loops of arithmetic whose iterations cannot see one another: what they read overlaps nothing
//! they write, and no two of them write the same place. An odd number of iterations ends with a
//! pair that repeats an iteration.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::kernel::ir::{Addr, Base, Inst, Kernel, LoopId, Trip};
use crate::ops::scalar::{self, Jit, ScalarOp};

/// What lies in an innermost loop.
#[derive(Default)]
struct Body {
    refused: bool,
    n_arithmetic: usize,
    n_calls: usize,
    loads: Vec<u32>,
    stores: Vec<u32>,
}

/// For each loop whether its iterations run in pairs.
pub(super) fn paired_loops(kernel: &Kernel) -> Vec<bool> {
    let mut paired = vec![false; kernel.loops.len()];
    let mut open: Vec<Body> = Vec::new();
    let mut extents = Extents::new(kernel);
    for inst in &kernel.insts {
        if let Inst::Loop { id } = *inst {
            open.iter_mut().for_each(|body| body.refused = true);
            let info = &kernel.loops[id as usize];
            let long = matches!(info.trip, Trip::Const(2..));
            open.push(Body { refused: !long || !info.carried.is_empty(), ..Body::default() });
            continue;
        }
        let Some(body) = open.last_mut() else { continue };
        match *inst {
            Inst::EndLoop { id } => {
                paired[id as usize] = body.is_worth_it() && body.is_independent(id, &mut extents);
                open.pop();
            }
            Inst::Const { .. } | Inst::Counter { .. } => {}
            Inst::Load { addr, .. } => body.loads.push(addr),
            Inst::Store { addr, .. } => body.stores.push(addr),
            Inst::Apply { op, .. } if is_arithmetic(op) => body.n_arithmetic += 1,
            Inst::Apply { op, .. } if op.row().jit == Jit::Call => body.n_calls += 1,
            _ => body.refused = true,
        }
    }
    paired
}

/// Whether vectors have the operation.
pub(super) fn is_arithmetic(op: ScalarOp) -> bool {
    use scalar::Inst::{Abs, Add, Div, Identity, Mul, Neg, Sqrt, Sub};
    matches!(op.row().jit, Jit::Inst(Abs | Add | Div | Identity | Mul | Neg | Sqrt | Sub))
}

impl Body {
    /// Whether what is saved in arithmetic exceeds what it takes to fill and empty lanes.
    fn is_worth_it(&self) -> bool {
        let moved = self.loads.len() + self.stores.len();
        !self.refused && self.n_arithmetic >= 2 * moved + 4 * self.n_calls
    }

    /// Whether iterations see nothing of one another.
    fn is_independent(&self, id: LoopId, extents: &mut Extents) -> bool {
        let addrs = &extents.kernel.addrs;
        let mut written = FxHashSet::default();
        for &at in &self.stores {
            let addr = &addrs[at as usize];
            written.insert((addr.base, &addr.index.terms, addr.index.offset));
        }
        let mut reach: Vec<(Base, i64, i64)> = Vec::new();
        for &at in &self.stores {
            let addr = &addrs[at as usize];
            let stride = stride(addr, id);
            if !addr.tables.is_empty() || stride == 0 {
                return false;
            }
            let next = addr.index.offset.saturating_add(stride);
            if written.contains(&(addr.base, &addr.index.terms, next)) {
                return false;
            }
            let (least, largest) = extents.of(at);
            reach.push((addr.base, least, largest));
        }
        let reads = self.loads.iter().filter(|&&at| {
            let base = addrs[at as usize].base;
            matches!(base, Base::Res(_) | Base::Work)
        });
        let reads = reads.map(|&at| {
            let (least, largest) = extents.of(at);
            (addrs[at as usize].base, least, largest)
        });
        let mut reads: Vec<_> = reads.collect();
        reads.sort_unstable_by_key(key);
        reads.dedup();
        reach.sort_unstable_by_key(key);
        reach.dedup();
        // Ranges that begin earlier and reach furthest so far.
        let mut open = reach.iter().peekable();
        let mut furthest: FxHashMap<Base, i64> = FxHashMap::default();
        for read in &reads {
            while let Some(range) = open.next_if(|range| key(range) <= key(&(read.0, read.2, 0))) {
                let most = furthest.entry(range.0).or_insert(i64::MIN);
                *most = (*most).max(range.2);
            }
            if furthest.get(&read.0).is_some_and(|&most| most >= read.1) {
                return false;
            }
        }
        true
    }
}

/// Order of ranges: by memory, then by where they begin.
fn key(range: &(Base, i64, i64)) -> (u8, u32, i64) {
    match range.0 {
        Base::Arg(k) => (0, k, range.1),
        Base::Res(k) => (1, k, range.1),
        Base::Work => (2, 0, range.1),
        Base::Data(k) => (3, k, range.1),
    }
}

/// How far an address moves with the counter of a loop.
pub(super) fn stride(addr: &Addr, id: LoopId) -> i64 {
    addr.index.terms.iter().filter(|t| t.0 == id).map(|t| t.1).sum()
}

/// Least and largest elements that addresses reach.
struct Extents<'k> {
    kernel: &'k Kernel,
    tables: Vec<Option<i64>>,
}

impl Extents<'_> {
    fn new(kernel: &Kernel) -> Extents<'_> {
        Extents { kernel, tables: vec![None; kernel.tables.len()] }
    }

    fn of(&mut self, addr: u32) -> (i64, i64) {
        let addr = &self.kernel.addrs[addr as usize];
        let (mut least, mut largest) = (addr.index.offset, addr.index.offset);
        for &(id, stride) in &addr.index.terms {
            let n = match self.kernel.loops[id as usize].trip {
                Trip::Const(n) => n,
                Trip::Rest { limit, .. } => limit,
            };
            let far = stride.saturating_mul(n.saturating_sub(1) as i64);
            least = least.saturating_add(far.min(0));
            largest = largest.saturating_add(far.max(0));
        }
        for lookup in &addr.tables {
            let table = &self.kernel.tables[lookup.table as usize];
            let most = self.tables[lookup.table as usize]
                .get_or_insert_with(|| i64::from(table.iter().copied().max().unwrap_or(0)));
            largest = largest.saturating_add(*most);
        }
        (least, largest)
    }
}
