//! Whether each iteration of a loop can have some work memory for itself: it reads only what it
//! has written there, and nobody reads that after the loop.

use std::collections::BTreeMap;

use super::{Around, Range, accesses};
use crate::kernel::ir::{Addr, Base, Inst, Kernel, LoopId, Trip};
use crate::kernel::lanes::{Extents, stride, trip_limit};

pub(super) fn is_private(
    kernel: &Kernel,
    around: &Around,
    own: &[Range],
    extents: &mut Extents,
) -> bool {
    own.is_empty()
        || is_written_first(kernel, &kernel.insts[around.begin + 1..around.end], own, extents)
            && is_written_first(kernel, &kernel.insts[around.end + 1..], own, extents)
}

/// A region that is being passed over.
struct Open {
    /// The loop, unless it is a branch.
    id: Option<LoopId>,
    /// What was not written before, if the region may be left out.
    before: Option<Missing>,
    /// What has been written in this iteration, as far as it moves with the loop.
    written: Vec<Written>,
}

/// Consecutive numbers that have been written in the current iteration of the loops in `addr`.
struct Written {
    addr: Addr,
    len: i64,
}

/// Stores that move with open loops, beyond which the search is given up.
const MOST_WRITTEN: usize = 4096;

/// Whether the instructions write these ranges of work memory, given in order, before they read
/// them. What callees have in their work memory they write first.
fn is_written_first(
    kernel: &Kernel,
    insts: &[Inst],
    ranges: &[Range],
    extents: &mut Extents,
) -> bool {
    let mut missing = Missing(ranges.iter().copied().collect());
    let mut open: Vec<Open> = Vec::new();
    for inst in insts {
        if missing.0.is_empty() && open.iter().all(|region| region.before.is_none()) {
            return true;
        }
        match *inst {
            Inst::Loop { id } => {
                let is_sure = matches!(kernel.loops[id as usize].trip, Trip::Const(1..));
                let before = (!is_sure).then(|| missing.clone());
                open.push(Open { id: Some(id), before, written: Vec::new() });
            }
            Inst::If { .. } | Inst::IfWanted { .. } => {
                open.push(Open { id: None, before: Some(missing.clone()), written: Vec::new() });
            }
            Inst::Else { .. } => {
                if let Some(region) = open.last_mut() {
                    region.written.clear();
                    missing = region.before.clone().unwrap_or_default();
                }
            }
            Inst::EndLoop { .. } | Inst::EndIf { .. } | Inst::EndWanted => {
                // One that begins before the instructions ends there.
                let Some(region) = open.pop() else { continue };
                match (region.id, region.before) {
                    (_, Some(before)) => missing = before,
                    (Some(id), None) => {
                        let n = trip_limit(&kernel.loops[id as usize].trip);
                        for written in joined(region.written) {
                            if let Some(written) = written.over(id, n) {
                                written.enter(&mut open, &mut missing);
                            }
                        }
                    }
                    (None, None) => {}
                }
            }
            _ => {}
        }
        let mut is_read_early = false;
        accesses(kernel, inst, |at, len, is_read, is_written| {
            let addr = &kernel.addrs[at as usize];
            if addr.base != Base::Work || len == 0 {
                return;
            }
            let len = len as i64;
            let (least, largest) = extents.of(addr);
            let largest = largest.saturating_add(len - 1);
            if is_read
                && missing.meets((least, largest))
                && missing.meets_through_table(kernel, addr, len, extents)
            {
                let mut known = open.iter().flat_map(|region| &region.written);
                is_read_early |= !known.any(|written| written.covers(kernel, addr, len));
            }
            let near = ranges.get(ranges.partition_point(|range| range.1 < least));
            let concerns = near.is_some_and(|range| range.0 <= largest);
            if is_written && addr.tables.is_empty() && concerns {
                Written { addr: addr.clone(), len }.enter(&mut open, &mut missing);
            }
        });
        let n_written: usize = open.iter().map(|region| region.written.len()).sum();
        if is_read_early || n_written > MOST_WRITTEN {
            return false;
        }
    }
    true
}

/// Neighbours that move alike as one.
fn joined(mut all: Vec<Written>) -> Vec<Written> {
    all.sort_by(|a, b| {
        let key = |w: &Written| (w.addr.index.terms.clone(), w.addr.index.offset);
        key(a).cmp(&key(b))
    });
    all.dedup_by(|next, last| {
        let gap = next.addr.index.offset - last.addr.index.offset;
        let joins = next.addr.index.terms == last.addr.index.terms && gap <= last.len;
        if joins {
            last.len = last.len.max(gap + next.len);
        }
        joins
    });
    all
}

impl Written {
    /// In all iterations of a loop, if that is one range.
    fn over(mut self, id: LoopId, n: u64) -> Option<Written> {
        let stride = stride(&self.addr, id);
        if stride.saturating_abs() > self.len {
            return None;
        }
        let far = stride.checked_mul(i64::try_from(n).ok()? - 1)?;
        self.addr.index.terms.retain(|t| t.0 != id);
        self.addr.index.offset += far.min(0);
        self.len = self.len.checked_add(far.checked_abs()?)?;
        Some(self)
    }

    /// Notes it with the innermost loop that it moves with, or region that may be left out.
    fn enter(self, open: &mut [Open], missing: &mut Missing) {
        if self.addr.index.terms.iter().all(|t| t.1 == 0) {
            let least = self.addr.index.offset;
            return missing.remove((least, least.saturating_add(self.len - 1)));
        }
        let moves = |id: LoopId| stride(&self.addr, id) != 0;
        let ends = |region: &&mut Open| region.before.is_some() || region.id.is_some_and(moves);
        if let Some(region) = open.iter_mut().rev().find(ends) {
            region.written.push(self);
        }
    }

    /// Whether what is read at an address has been written.
    fn covers(&self, kernel: &Kernel, addr: &Addr, len: i64) -> bool {
        let mut least = addr.index.offset;
        let mut largest = least.saturating_add(len - 1);
        if !addr.tables.is_empty() {
            return false;
        }
        for &(id, step) in &addr.index.terms {
            if stride(&self.addr, id) == step {
                continue;
            }
            let n = trip_limit(&kernel.loops[id as usize].trip);
            let far = step.saturating_mul(i64::try_from(n).unwrap_or(i64::MAX).saturating_sub(1));
            least = least.saturating_add(far.min(0));
            largest = largest.saturating_add(far.max(0));
        }
        let shared = |&(id, step): &(LoopId, i64)| step == 0 || stride(addr, id) == step;
        self.addr.index.terms.iter().all(shared)
            && self.addr.index.offset <= least
            && largest < self.addr.index.offset.saturating_add(self.len)
    }
}

/// Ranges that have not been written.
#[derive(Clone, Default)]
struct Missing(BTreeMap<i64, i64>);

impl Missing {
    fn meets(&self, (least, largest): Range) -> bool {
        self.0.range(..=largest).next_back().is_some_and(|(_, &end)| end >= least)
    }

    /// Whether what an address reaches, which meets them at least if its one look-up had all
    /// entries up to the largest, does.
    fn meets_through_table(
        &self,
        kernel: &Kernel,
        addr: &Addr,
        len: i64,
        extents: &mut Extents,
    ) -> bool {
        let [lookup] = &addr.tables[..] else { return true };
        let (least, largest) = extents.of(&Addr { tables: Vec::new(), ..addr.clone() });
        let largest = largest.saturating_add(len - 1);
        kernel.tables[lookup.table as usize].iter().any(|&entry| {
            let entry = i64::from(entry);
            self.meets((least.saturating_add(entry), largest.saturating_add(entry)))
        })
    }

    fn remove(&mut self, (least, largest): Range) {
        while let Some((&begin, &end)) = self.0.range(..=largest).next_back()
            && end >= least
        {
            self.0.remove(&begin);
            if end > largest {
                self.0.insert(largest + 1, end);
            }
            if begin < least {
                self.0.insert(begin, least - 1);
            }
        }
    }
}
