//! Whether the iterations of a loop write apart from one another.

use super::{Around, Range, accesses};
use crate::kernel::ir::{Addr, Affine, Base, Callee, Inst, Kernel, LoopId};
use crate::kernel::lanes::{Extents, key, stride, stride_of, trip_limit};

/// A range of memory that an instruction touches: in one iteration of the loop, moved by a stride
/// from one to the next.
struct Touched<'k> {
    base: Base,
    /// Where, unless it is the work memory of a callee.
    addr: Option<&'k Addr>,
    /// Numbers from that address on.
    len: i64,
    least: i64,
    largest: i64,
    stride: i64,
    is_written: bool,
    /// An entry of a table moves it.
    wanders: bool,
}

impl<'k> Touched<'k> {
    /// Numbers from an address on.
    fn of(
        addr: &'k Addr,
        len: i64,
        id: LoopId,
        is_written: bool,
        extents: &mut Extents,
    ) -> Touched<'k> {
        let wanders = addr.tables.iter().any(|lookup| stride_of(&lookup.index, id) != 0);
        let terms = addr.index.terms.iter().copied().filter(|t| t.0 != id).collect();
        let index = Affine { offset: addr.index.offset, terms };
        let (least, largest) = extents.of(&Addr { index, ..addr.clone() });
        Touched {
            base: addr.base,
            addr: Some(addr),
            len,
            least,
            largest: largest.saturating_add(len - 1),
            stride: stride(addr, id),
            is_written,
            wanders,
        }
    }

    /// The work memory of a callee.
    fn work(least: i64, len: i64) -> Touched<'k> {
        Touched {
            base: Base::Work,
            addr: None,
            len,
            least,
            largest: least.saturating_add(len - 1),
            stride: 0,
            is_written: true,
            wanders: false,
        }
    }

    /// In all iterations.
    fn whole(&self, n: u64) -> Range {
        let far = self.stride.saturating_mul(i64::try_from(n).unwrap_or(i64::MAX) - 1);
        (self.least.saturating_add(far.min(0)), self.largest.saturating_add(far.max(0)))
    }
}

/// The ranges of work memory, in order, that all iterations of a loop write; `None` if they may
/// meet in other places, or call what is not known.
pub(super) fn own_memory(
    kernel: &Kernel,
    around: &Around,
    extents: &mut Extents,
) -> Option<Vec<Range>> {
    let n = trip_limit(&kernel.loops[around.id as usize].trip);
    let mut all = touched(kernel, around, extents)?;
    all.retain(|t| matches!(t.base, Base::Res(_) | Base::Work));
    all.sort_unstable_by_key(|t| (key(t.base), t.whole(n).0));
    let mut own = Vec::new();
    let mut rest = &all[..];
    while let Some(first) = rest.first() {
        // What overlaps, over all iterations.
        let mut end = first.whole(n).1;
        let mut len = 1;
        while let Some(next) = rest.get(len).filter(|next| next.base == first.base)
            && next.whole(n).0 <= end
        {
            end = end.max(next.whole(n).1);
            len += 1;
        }
        let cluster;
        (cluster, rest) = rest.split_at(len);
        if !cluster.iter().any(|t| t.is_written) {
            continue;
        }
        if cluster.iter().any(|t| t.wanders || t.stride != first.stride) {
            return None;
        }
        if first.stride == 0 {
            if first.base != Base::Work {
                return None;
            }
            own.push((first.least, end));
        } else if !lie_apart(kernel, cluster, around.id) {
            return None;
        }
    }
    Some(own)
}

/// All that the body of a loop touches; `None` if it calls an external function.
fn touched<'k>(
    kernel: &'k Kernel,
    around: &Around,
    extents: &mut Extents,
) -> Option<Vec<Touched<'k>>> {
    let mut all = Vec::new();
    for inst in &kernel.insts[around.begin + 1..around.end] {
        if let Inst::Call { id } = *inst {
            let call = &kernel.calls[id as usize];
            let Callee::Kernel(callee) = &call.callee else { return None };
            if callee.work_len > 0 {
                all.push(Touched::work(call.work as i64, callee.work_len as i64));
            }
        }
        accesses(kernel, inst, |at, len, _, is_written| {
            if len > 0 {
                let addr = &kernel.addrs[at as usize];
                all.push(Touched::of(addr, len as i64, around.id, is_written, extents));
            }
        });
    }
    Some(all)
}

/// Whether no place is touched by two iterations of a loop, by which all of them move alike.
fn lie_apart(kernel: &Kernel, cluster: &[Touched], id: LoopId) -> bool {
    let least = cluster.iter().map(|t| t.least).min().unwrap_or(0);
    let largest = cluster.iter().map(|t| t.largest).max().unwrap_or(0);
    let stride = cluster[0].stride.saturating_abs();
    if largest.saturating_sub(least) < stride {
        return true;
    }
    // Numbers in a mixed radix: the same terms for all, each longer than what the shorter ones
    // reach together from that of the loop on.
    let Some(terms) = cluster[0].addr.map(|addr| &addr.index.terms) else { return false };
    let same = |t: &Touched| t.addr.is_some_and(|a| a.tables.is_empty() && a.index.terms == *terms);
    if !cluster.iter().all(same) {
        return false;
    }
    let begins = cluster.iter().filter_map(|t| Some(t.addr?.index.offset));
    let ends = cluster.iter().filter_map(|t| Some(t.addr?.index.offset + t.len - 1));
    let mut reach = ends.max().unwrap_or(0).saturating_sub(begins.min().unwrap_or(0));
    let mut digits: Vec<_> = terms.iter().filter(|t| t.1 != 0).collect();
    digits.sort_by_key(|t| (t.1.saturating_abs(), t.0 == id));
    let mut is_passed = false;
    for &&(of, step) in &digits {
        is_passed |= of == id;
        let step = step.saturating_abs();
        if is_passed && step <= reach {
            return false;
        }
        let n = trip_limit(&kernel.loops[of as usize].trip);
        let far = i64::try_from(n.saturating_sub(1)).unwrap_or(i64::MAX);
        reach = reach.saturating_add(step.saturating_mul(far));
    }
    is_passed
}
