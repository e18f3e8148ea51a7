//! Straight-line kernels without guards, for evaluations that want all results: no jump stands
//! between operations, and values stay in registers across what one result alone needs.

use super::ir::{Inst, Kernel};

/// Longer kernels gain nothing that would pay for compiling them twice.
const LONGEST: usize = 4_000;

/// The kernel without guards; `None` if it has none, is long, or has more than straight-line code
/// in which nothing can fail (a failure names the result whose guard is open).
pub fn unguarded(kernel: &Kernel) -> Option<Kernel> {
    let is_guard = |inst: &Inst| matches!(inst, Inst::IfWanted { .. } | Inst::EndWanted);
    let fits = kernel.insts.len() <= LONGEST
        && kernel.insts.iter().any(is_guard)
        && kernel.insts.iter().all(|inst| is_guard(inst) || inst.is_straight());
    fits.then(|| {
        let insts = kernel.insts.iter().copied().filter(|inst| !is_guard(inst)).collect();
        kernel.with(insts)
    })
}
