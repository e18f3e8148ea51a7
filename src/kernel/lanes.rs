//! Loops whose iterations may run side by side, in the lanes of vectors.
//!
//! That changes no bit where each lane computes what its iteration would, and where no iteration
//! sees another one: none reads or writes a place that another one writes. The test is exact for
//! places that move with the counter alike (a difference that is no multiple of the stride never
//! meets), and by the least and largest place elsewhere.

use rustc_hash::FxHashMap;

use super::ir::{Addr, AddrId, Affine, Base, Inst, Kernel, LoopId, Trip};
use crate::ops::scalar::Jit;

/// The body of an innermost loop of straight-line code.
#[derive(Default)]
pub struct Body {
    /// Places of the loop's first and last instruction, [`Inst::Loop`] and [`Inst::EndLoop`].
    pub begin: usize,
    pub end: usize,
    /// Operations that are a few machine instructions.
    pub n_insts: usize,
    /// Operations that are calls, in each lane or for all lanes.
    pub n_calls: usize,
    pub n_wide_calls: usize,
    pub loads: Vec<AddrId>,
    pub stores: Vec<AddrId>,
    /// Whether running an iteration twice does what running it once does: it reads nothing that
    /// it writes.
    pub repeatable: bool,
    /// Something else is in it.
    refused: bool,
}

impl Body {
    /// Numbers read and written by an iteration.
    pub fn n_moved(&self) -> usize {
        self.loads.len() + self.stores.len()
    }
}

/// The innermost loops without carried values, branches, checks and calls of functions, whose
/// iterations see nothing of one another.
pub fn independent(kernel: &Kernel) -> Vec<(LoopId, Body)> {
    let mut found = Vec::new();
    let mut open: Vec<Body> = Vec::new();
    let mut extents = Extents::new(kernel);
    for (pc, inst) in kernel.insts.iter().enumerate() {
        if let Inst::Loop { id } = *inst {
            // Those further out are refused already.
            if let Some(around) = open.last_mut() {
                around.refused = true;
            }
            let refused = !kernel.loops[id as usize].carried.is_empty();
            open.push(Body { begin: pc, refused, ..Body::default() });
            continue;
        }
        let Some(body) = open.last_mut() else { continue };
        match *inst {
            Inst::EndLoop { id } => {
                body.end = pc;
                if let Some(mut body) = open.pop()
                    && !body.refused
                    && let Some(repeatable) = independence(&body, id, &mut extents)
                {
                    body.repeatable = repeatable;
                    found.push((id, body));
                }
            }
            Inst::Const { .. } | Inst::Counter { .. } => {}
            Inst::Load { addr, .. } => body.loads.push(addr),
            Inst::Store { addr, .. } => body.stores.push(addr),
            Inst::Accumulate { addr, .. } => {
                body.loads.push(addr);
                body.stores.push(addr);
            }
            Inst::Apply { op, .. } if op.row().jit == Jit::Call => match op.row().wide {
                Some(_) => body.n_wide_calls += 1,
                None => body.n_calls += 1,
            },
            Inst::Apply { .. } => body.n_insts += 1,
            _ => body.refused = true,
        }
    }
    found
}

/// How far an address moves with the counter of a loop.
pub fn stride(addr: &Addr, id: LoopId) -> i64 {
    stride_of(&addr.index, id)
}

/// How far an index moves with the counter of a loop.
pub fn stride_of(index: &Affine, id: LoopId) -> i64 {
    index.terms.iter().filter(|t| t.0 == id).map(|t| t.1).sum()
}

/// A memory and how addresses move in it.
type Course<'k> = (Base, &'k [(LoopId, i64)]);

/// What a loop touches in one memory with the same terms: where, and whether some of it is
/// written.
struct Group {
    stride: i64,
    /// (offset, written)
    offsets: Vec<(i64, bool)>,
    least: i64,
    largest: i64,
    is_written: bool,
}

/// Whether iterations may be run twice, if they see nothing of one another.
fn independence(body: &Body, id: LoopId, extents: &mut Extents) -> Option<bool> {
    let kernel = extents.kernel;
    let n = trip_limit(&kernel.loops[id as usize].trip);
    // Affine places by memory and terms; those by tables stand alone.
    let mut groups: FxHashMap<Course, Group> = FxHashMap::default();
    let mut singles: Vec<(Base, Group)> = Vec::new();
    let accesses = body.loads.iter().map(|&at| (at, false));
    for (at, is_written) in accesses.chain(body.stores.iter().map(|&at| (at, true))) {
        let addr = &kernel.addrs[at as usize];
        if !matches!(addr.base, Base::Res(_) | Base::Work) {
            continue;
        }
        let stride = stride(addr, id);
        if is_written && (!addr.tables.is_empty() || stride == 0) {
            return None;
        }
        let (least, largest) = extents.of(addr);
        let fresh = Group { stride, offsets: Vec::new(), least, largest, is_written };
        let group = if addr.tables.is_empty() {
            groups.entry((addr.base, &addr.index.terms)).or_insert(fresh)
        } else {
            singles.push((addr.base, fresh));
            continue;
        };
        group.offsets.push((addr.index.offset, is_written));
        group.least = group.least.min(least);
        group.largest = group.largest.max(largest);
        group.is_written |= is_written;
    }
    let mut all: Vec<(Base, Group)> = singles;
    let mut repeatable = true;
    for ((base, _), mut group) in groups {
        if group.is_written {
            repeatable &= group.meets_itself(n)?;
        }
        all.push((base, group));
    }
    // Different groups: ranges that overlap, one of them written.
    all.sort_unstable_by_key(|(base, group)| (key(*base), group.least));
    let mut reach = None;
    for (base, group) in &all {
        let mut furthest = match reach {
            Some((of, any, written)) if of == *base => (any, written),
            _ => (i64::MIN, i64::MIN),
        };
        if group.least <= furthest.1 || group.is_written && group.least <= furthest.0 {
            return None;
        }
        furthest.0 = furthest.0.max(group.largest);
        if group.is_written {
            furthest.1 = furthest.1.max(group.largest);
        }
        reach = Some((*base, furthest.0, furthest.1));
    }
    Some(repeatable)
}

impl Group {
    /// `None` if an iteration touches what another one writes; else whether no iteration reads
    /// what it writes itself.
    fn meets_itself(&mut self, n: u64) -> Option<bool> {
        let stride = self.stride;
        let rest = |offset: i64| offset.rem_euclid(stride.max(-stride));
        self.offsets.sort_unstable_by_key(|&(offset, written)| (rest(offset), offset, !written));
        self.offsets.dedup();
        let in_place = self.offsets.windows(2).any(|pair| pair[0].0 == pair[1].0);
        let far = i128::from(stride.unsigned_abs()) * i128::from(n);
        // The nearest place before, and the nearest one that is written.
        let (mut last, mut last_written): (Option<i64>, Option<i64>) = (None, None);
        for &(offset, is_written) in &self.offsets {
            let meets = |before: Option<i64>| {
                before.is_some_and(|before| {
                    let apart = i128::from(offset) - i128::from(before);
                    rest(before) == rest(offset) && apart != 0 && apart < far
                })
            };
            if meets(last_written) || is_written && meets(last) {
                return None;
            }
            last = Some(offset);
            if is_written {
                last_written = Some(offset);
            }
        }
        Some(!in_place)
    }
}

/// Order of memories.
pub(super) fn key(base: Base) -> (u8, u32) {
    match base {
        Base::Arg(k) => (0, k),
        Base::Res(k) => (1, k),
        Base::Work => (2, 0),
        Base::Data(k) => (3, k),
    }
}

/// Most iterations of a loop.
pub fn trip_limit(trip: &Trip) -> u64 {
    match *trip {
        Trip::Const(n) => n,
        Trip::Rest { limit, .. } => limit,
    }
}

/// Least and largest elements that addresses reach.
pub(super) struct Extents<'k> {
    kernel: &'k Kernel,
    tables: Vec<Option<i64>>,
}

impl<'k> Extents<'k> {
    pub fn new(kernel: &'k Kernel) -> Extents<'k> {
        Extents { kernel, tables: vec![None; kernel.tables.len()] }
    }

    pub fn of(&mut self, addr: &Addr) -> (i64, i64) {
        let (mut least, mut largest) = (addr.index.offset, addr.index.offset);
        for &(id, stride) in &addr.index.terms {
            let n = trip_limit(&self.kernel.loops[id as usize].trip);
            let far = stride.saturating_mul(i64::try_from(n.saturating_sub(1)).unwrap_or(i64::MAX));
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
