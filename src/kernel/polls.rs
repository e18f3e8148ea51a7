//! Which loops poll the cancel flag, and how often, so that an evaluation stops soon after the
//! flag is set: at most about [`BUDGET`] operations lie between two polls.

use super::ir::{Callee, Inst, Kernel, Trip};

/// Operations between two polls: about 0.1 ms of machine code, a few ms of the interpreter.
const BUDGET: u64 = 1 << 17;

/// What a call of an external function counts as.
const EXTERNAL: u64 = 10_000;

/// Decides for all loops of a kernel; callees are done. Also notes its cost.
pub fn place(kernel: &mut Kernel) {
    // For each open loop, and the whole: operations of one run of what is written so far, and
    // those since the last poll.
    let mut open: Vec<(u64, u64)> = vec![(0, 0)];
    let mut polls = vec![0u64; kernel.loops.len()];
    for inst in &kernel.insts {
        let cost = match inst {
            Inst::Loop { .. } => {
                open.push((0, 0));
                continue;
            }
            Inst::EndLoop { id } => {
                let (body, unpolled) = open.pop().unwrap_or((0, 0));
                let trip = match &kernel.loops[*id as usize].trip {
                    Trip::Const(n) => *n,
                    Trip::Rest { limit, total, .. } => *limit.min(total),
                };
                let (body, unpolled) = (body.saturating_add(1), unpolled.saturating_add(1));
                let total = body.saturating_mul(trip);
                let since = open.last().map_or(0, |around| around.1);
                if total.saturating_add(since) >= BUDGET {
                    // The largest power of two that keeps within the budget.
                    let most = (BUDGET / unpolled).max(1);
                    polls[*id as usize] = 1 << most.ilog2();
                    if let Some(around) = open.last_mut() {
                        *around = (around.0.saturating_add(total), 0);
                    }
                    continue;
                }
                total
            }
            Inst::Apply { op, .. } => u64::from(op.row().cost) + 1,
            Inst::Call { id } => match &kernel.calls[*id as usize].callee {
                Callee::Kernel(callee) => callee.cost.saturating_add(10),
                Callee::External(_) => EXTERNAL,
            },
            _ => 1,
        };
        if let Some((total, since)) = open.last_mut() {
            *total = total.saturating_add(cost);
            *since = since.saturating_add(cost);
        }
    }
    for (info, poll) in kernel.loops.iter_mut().zip(polls) {
        info.poll = poll;
    }
    kernel.cost = open.first().map_or(0, |whole| whole.0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::ir::{Affine, LoopInfo};

    fn kernel(trips: &[u64]) -> Kernel {
        let mut kernel = Kernel::default();
        for (id, &n) in trips.iter().enumerate() {
            let (trip, first) = (Trip::Const(n), Affine::default());
            kernel.loops.push(LoopInfo { trip, carried: Vec::new(), poll: 0, first });
            kernel.insts.push(Inst::Loop { id: id as u32 });
        }
        kernel.insts.push(Inst::Const { dst: 0, value: 1.0 });
        for id in (0..trips.len() as u32).rev() {
            kernel.insts.push(Inst::EndLoop { id });
        }
        place(&mut kernel);
        kernel
    }

    fn polls(trips: &[u64]) -> Vec<u64> {
        kernel(trips).loops.iter().map(|info| info.poll).collect()
    }

    #[test]
    fn only_long_loops_poll() {
        assert_eq!(polls(&[100]), [0]);
        assert_eq!(polls(&[1 << 20]), [1 << 16]);
        assert_eq!(polls(&[60_000, 60_000]), [1, 0]);
        assert_eq!(polls(&[1_000, 1_000]), [64, 0]);
        assert_eq!(polls(&[3, 1 << 40]), [1 << 17, 1 << 16]);
        assert_eq!(kernel(&[10, 10]).cost, 210);
    }
}
