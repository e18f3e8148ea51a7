//! Loops whose iterations may run on several threads.
//!
//! That is so where no place that an iteration writes is touched by another one ([`apart`]), but
//! for work memory that each iteration fills before it reads it and that nobody reads afterwards
//! ([`private`]): each thread then has that memory for itself. No bit changes, as sums over
//! iterations are kept in blocks that lie apart (`kernel::reduce`).

mod apart;
mod private;

use std::sync::Arc;

use super::ir::{AddrId, Base, Callee, Inst, Kernel, LoopId, Port, Trip};
use super::lanes::{Extents, trip_limit};

/// A kernel with loops for threads. What their iterations have for themselves is no longer work
/// memory, but the last result, so that each thread can be given its own.
pub struct Threaded {
    pub kernel: Arc<Kernel>,
    pub loops: Vec<LoopId>,
    /// For each call the place of the callee's work memory in that last result, if it lies there.
    pub work_of_calls: Vec<Option<usize>>,
}

impl Threaded {
    /// A kernel without loops for threads.
    pub fn alone(kernel: &Arc<Kernel>) -> Threaded {
        let work_of_calls = vec![None; kernel.calls.len()];
        Threaded { kernel: kernel.clone(), loops: Vec::new(), work_of_calls }
    }
}

/// Finds the loops, outermost ones of known length, of at least `least_cost` operations; `None` if
/// there are none.
pub fn spread(kernel: &Kernel, least_cost: u64) -> Option<Threaded> {
    if kernel.cost < least_cost {
        return None;
    }
    let mut extents = Extents::new(kernel);
    let candidates: Vec<Candidate> = outermost(kernel, least_cost)
        .into_iter()
        .filter_map(|around| {
            let own = apart::own_memory(kernel, &around, &mut extents)?;
            private::is_private(kernel, &around, &own, &mut extents)
                .then_some(Candidate { around, own })
        })
        .collect();
    (!candidates.is_empty()).then(|| separate(kernel, &candidates, &mut extents))
}

/// A loop and the places of its first and last instruction.
struct Around {
    id: LoopId,
    begin: usize,
    end: usize,
}

/// A range of places, both ends included.
type Range = (i64, i64);

/// A loop, and the work memory that its iterations have for themselves, in order.
struct Candidate {
    around: Around,
    own: Vec<Range>,
}

/// Loops outside all others that are long enough.
fn outermost(kernel: &Kernel, least_cost: u64) -> Vec<Around> {
    let mut found = Vec::new();
    let mut begin = 0;
    // Operations of the open loops, one iteration each.
    let mut open: Vec<u64> = Vec::new();
    let mut conditional = 0;
    for (pc, inst) in kernel.insts.iter().enumerate() {
        let cost = match *inst {
            Inst::Loop { .. } => {
                if open.is_empty() {
                    begin = pc;
                }
                open.push(0);
                0
            }
            Inst::EndLoop { id } => {
                let info = &kernel.loops[id as usize];
                let cost = open.pop().unwrap_or(0).saturating_mul(trip_limit(&info.trip));
                let is_plain = conditional == 0 && info.carried.is_empty();
                let is_long = matches!(info.trip, Trip::Const(8..)) && cost >= least_cost;
                if open.is_empty() && is_plain && is_long {
                    found.push(Around { id, begin, end: pc });
                }
                cost
            }
            Inst::If { .. } if open.is_empty() => {
                conditional += 1;
                0
            }
            Inst::EndIf { .. } if open.is_empty() => {
                conditional -= 1;
                0
            }
            Inst::Apply { op, .. } => u64::from(op.row().cost),
            Inst::Call { id } => match &kernel.calls[id as usize].callee {
                Callee::Kernel(callee) => callee.cost,
                Callee::External(_) => 0,
            },
            _ => 1,
        };
        if let Some(total) = open.last_mut() {
            *total = total.saturating_add(cost);
        }
    }
    found
}

/// Calls `each(address, numbers from there on, whether they are read, whether written)`; not for
/// the work memory of callees.
fn accesses(kernel: &Kernel, inst: &Inst, mut each: impl FnMut(AddrId, usize, bool, bool)) {
    match *inst {
        Inst::Load { addr, .. } => each(addr, 1, true, false),
        Inst::Store { addr, .. } => each(addr, 1, false, true),
        Inst::Accumulate { addr, .. } => each(addr, 1, true, true),
        Inst::Call { id } => {
            let call = &kernel.calls[id as usize];
            let (args, res): (Vec<usize>, Vec<usize>) = match &call.callee {
                Callee::Kernel(callee) => (
                    callee.args.iter().map(|port| port.nnz).collect(),
                    callee.res.iter().map(|port| port.nnz).collect(),
                ),
                Callee::External(external) => (
                    external.inputs.iter().map(|pattern| pattern.nnz()).collect(),
                    external.outputs.iter().map(|pattern| pattern.nnz()).collect(),
                ),
            };
            call.args.iter().zip(args).for_each(|(&addr, len)| each(addr, len, true, false));
            call.res.iter().zip(res).for_each(|(&addr, len)| each(addr, len, false, true));
        }
        _ => {}
    }
}

/// Moves what iterations have for themselves from work memory into a further result. Loops share
/// it, as they run one after the other.
fn separate(kernel: &Kernel, candidates: &[Candidate], extents: &mut Extents) -> Threaded {
    let port = kernel.res.len() as u32;
    let mut new = kernel.clone();
    let mut work_of_calls = vec![None; kernel.calls.len()];
    let mut longest = 0;
    for Candidate { around, own } in candidates {
        // (least, largest, how far it moves)
        let mut moved: Vec<(i64, i64, i64)> = Vec::new();
        let mut len = 0;
        for &(least, largest) in own {
            moved.push((least, largest, len - least));
            len += largest - least + 1;
        }
        longest = longest.max(len);
        let further = |first: i64| {
            let range = moved.get(moved.partition_point(|range| range.1 < first))?;
            (range.0 <= first).then_some(range.2)
        };
        let mut relocate = |at: &mut AddrId, addrs: &mut Vec<_>| {
            let addr = &kernel.addrs[*at as usize];
            let further = (addr.base == Base::Work).then(|| further(extents.of(addr).0)).flatten();
            if let Some(further) = further {
                let mut addr = addr.clone();
                addr.base = Base::Res(port);
                addr.index.offset += further;
                *at = addrs.len() as u32;
                addrs.push(addr);
            }
        };
        for inst in &mut new.insts[around.begin..around.end] {
            match inst {
                Inst::Load { addr, .. }
                | Inst::Store { addr, .. }
                | Inst::Accumulate { addr, .. } => relocate(addr, &mut new.addrs),
                Inst::Call { id } => {
                    let call = &mut new.calls[*id as usize];
                    for at in call.args.iter_mut().chain(&mut call.res) {
                        relocate(at, &mut new.addrs);
                    }
                    if let Callee::Kernel(callee) = &call.callee
                        && callee.work_len > 0
                    {
                        let place = further(call.work as i64).map(|f| call.work as i64 + f);
                        work_of_calls[*id as usize] = place.and_then(|p| usize::try_from(p).ok());
                    }
                }
                _ => {}
            }
        }
    }
    new.res.push(Port { name: "own".to_owned(), nnz: usize::try_from(longest).unwrap_or(0) });
    let loops = candidates.iter().map(|candidate| candidate.around.id).collect();
    Threaded { kernel: Arc::new(new), loops, work_of_calls }
}
