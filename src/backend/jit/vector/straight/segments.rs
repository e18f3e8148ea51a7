//! Which instructions of a kernel become straight-line functions.

use crate::backend::jit::vector::pointers::is_in_reach;
use crate::kernel::ir::{Inst, Kernel, LoopId};

/// Consecutive instructions, from `begin` up to `end`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(in crate::backend::jit) struct Segment {
    pub begin: usize,
    pub end: usize,
}

/// Operations that make up for the call of a function.
const FEWEST: usize = 16;
/// The same where every iteration of a loop calls it.
const FEWEST_IN_LOOP: usize = 64;

/// The segments of a kernel, none much longer than `limit`, outside of loops that are `taken`:
/// those that make up for a call, or all.
pub(in crate::backend::jit) fn segments(
    kernel: &Kernel,
    limit: usize,
    all: bool,
    taken: impl Fn(LoopId) -> bool,
) -> Vec<Segment> {
    let mut finder =
        Finder { kernel, all, found: Vec::new(), begin: 0, weight: 0, n_ops: 0, depth: 0 };
    let mut pc = 0;
    while let Some(inst) = kernel.insts.get(pc) {
        match *inst {
            Inst::Loop { id } => {
                finder.close(pc);
                if taken(id) {
                    let is_end = |inst: &Inst| *inst == Inst::EndLoop { id };
                    pc += kernel.insts[pc..].iter().position(is_end).unwrap_or(0);
                } else {
                    finder.depth += 1;
                }
            }
            Inst::EndLoop { .. } => {
                finder.close(pc);
                finder.depth -= 1;
            }
            Inst::IfWanted { .. } => {
                let body = &kernel.insts[pc + 1..];
                let len = body.iter().take_while(|inst| finder.is_straight(inst)).count();
                let weight: usize = body[..len].iter().map(weight).sum();
                if body.get(len) == Some(&Inst::EndWanted) && weight <= limit {
                    if finder.weight + weight > limit {
                        finder.close(pc);
                        finder.begin = pc;
                    }
                    finder.weight += weight;
                    finder.n_ops += body[..len].iter().filter(|inst| is_operation(inst)).count();
                    pc += len + 2;
                    continue;
                }
                finder.close(pc);
            }
            _ if finder.is_straight(inst) => {
                if finder.weight >= limit {
                    finder.close(pc);
                    finder.begin = pc;
                }
                finder.weight += weight(inst);
                finder.n_ops += usize::from(is_operation(inst));
                pc += 1;
                continue;
            }
            _ => finder.close(pc),
        }
        pc += 1;
        finder.begin = pc;
    }
    finder.close(pc);
    finder.found
}

struct Finder<'k> {
    kernel: &'k Kernel,
    all: bool,
    found: Vec<Segment>,
    begin: usize,
    weight: usize,
    n_ops: usize,
    /// Loops around.
    depth: usize,
}

impl Finder<'_> {
    /// Ends the current segment.
    fn close(&mut self, end: usize) {
        let fewest = match (self.all, self.depth) {
            (true, _) => 1,
            (false, 0) => FEWEST,
            (false, _) => FEWEST_IN_LOOP,
        };
        let is_all = self.begin == 0 && end == self.kernel.insts.len();
        if self.n_ops >= fewest || is_all && end > 0 {
            self.found.push(Segment { begin: self.begin, end });
        }
        self.weight = 0;
        self.n_ops = 0;
    }

    fn is_straight(&self, inst: &Inst) -> bool {
        match *inst {
            Inst::Load { addr, .. } | Inst::Store { addr, .. } | Inst::Accumulate { addr, .. } => {
                is_in_reach(&self.kernel.addrs[addr as usize])
            }
            Inst::Const { .. } | Inst::Apply { .. } | Inst::Counter { .. } => true,
            _ => false,
        }
    }
}

fn is_operation(inst: &Inst) -> bool {
    matches!(inst, Inst::Apply { .. })
}

fn weight(inst: &Inst) -> usize {
    usize::from(!matches!(inst, Inst::Const { .. }))
}
