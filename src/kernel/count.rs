//! How many operations one evaluation of a kernel executes.

use std::ops::{Add, AddAssign, Mul};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::kernel::calls::Calls;
use crate::kernel::ir::{Affine, Callee, Inst, Kernel, LoopId, Trip};
use crate::ops::scalar::{Counter, ScalarOp};

/// Executed operations by kind, as the table of operations sorts them.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct OpCounts {
    pub add: u64,
    pub mul: u64,
    pub div: u64,
    pub sqrt: u64,
    /// Mathematical functions.
    pub call: u64,
    /// Comparisons, selections, rounding and the like.
    pub other: u64,
    /// All of them, weighted by the table of operations.
    pub cost: u64,
}

impl OpCounts {
    pub fn total(&self) -> u64 {
        let counts = [self.add, self.mul, self.div, self.sqrt, self.call, self.other];
        counts.into_iter().fold(0, u64::saturating_add)
    }

    fn one(op: ScalarOp) -> OpCounts {
        let mut counts = OpCounts::default();
        let row = op.row();
        if row.counter != Counter::Free {
            counts.cost = u64::from(row.cost);
        }
        match row.counter {
            Counter::Add => counts.add = 1,
            Counter::Mul => counts.mul = 1,
            Counter::Fused => (counts.add, counts.mul) = (1, 1),
            Counter::Div => counts.div = 1,
            Counter::Sqrt => counts.sqrt = 1,
            Counter::Call => counts.call = 1,
            Counter::Other => counts.other = 1,
            Counter::Free => {}
        }
        counts
    }
}

impl Add for OpCounts {
    type Output = OpCounts;

    fn add(self, other: OpCounts) -> OpCounts {
        OpCounts {
            add: self.add.saturating_add(other.add),
            mul: self.mul.saturating_add(other.mul),
            div: self.div.saturating_add(other.div),
            sqrt: self.sqrt.saturating_add(other.sqrt),
            call: self.call.saturating_add(other.call),
            other: self.other.saturating_add(other.other),
            cost: self.cost.saturating_add(other.cost),
        }
    }
}

impl AddAssign for OpCounts {
    fn add_assign(&mut self, other: OpCounts) {
        *self = *self + other;
    }
}

impl Mul<u64> for OpCounts {
    type Output = OpCounts;

    fn mul(self, times: u64) -> OpCounts {
        OpCounts {
            add: self.add.saturating_mul(times),
            mul: self.mul.saturating_mul(times),
            div: self.div.saturating_mul(times),
            sqrt: self.sqrt.saturating_mul(times),
            call: self.call.saturating_mul(times),
            other: self.other.saturating_mul(times),
            cost: self.cost.saturating_mul(times),
        }
    }
}

/// Counts the operations of one evaluation with all results wanted: loop bodies as often as they
/// run, of a conditional the part with more operations, callees at every call. External functions
/// and index arithmetic are not counted.
pub fn count(kernel: &Arc<Kernel>) -> OpCounts {
    let calls = Calls::of(kernel);
    let mut counts: Vec<OpCounts> = Vec::with_capacity(calls.kernels.len());
    for kernel in &calls.kernels {
        let of_callee = |callee: &Arc<Kernel>| {
            let place = calls.place(callee).unwrap_or_default();
            counts.get(place as usize).copied().unwrap_or_default()
        };
        let own = count_one(kernel, of_callee);
        counts.push(own);
    }
    counts.pop().unwrap_or_default()
}

/// Bytes of arguments, results and work memory of one evaluation, and of the constants and index
/// tables of all kernels that take part.
pub fn memory_bytes(kernel: &Arc<Kernel>) -> u64 {
    let ports = kernel.args.iter().chain(&kernel.res).map(|port| port.nnz as u64);
    let own = 8 * (ports.sum::<u64>() + kernel.work_len as u64);
    let constants = |kernel: &Arc<Kernel>| {
        let data: usize = kernel.data.iter().map(|data| data.len()).sum();
        let tables: usize = kernel.tables.iter().map(|table| table.len()).sum();
        8 * data as u64 + 4 * tables as u64
    };
    Calls::of(kernel).kernels.iter().map(constants).fold(own, u64::saturating_add)
}

fn count_one(kernel: &Kernel, of_callee: impl Fn(&Arc<Kernel>) -> OpCounts) -> OpCounts {
    // Counts of the open conditional parts, and of the finished first parts.
    let mut parts = vec![OpCounts::default()];
    let mut first_parts = Vec::new();
    let mut open: Vec<LoopId> = Vec::new();
    let mut runs = vec![1];
    let mut known = FxHashMap::default();
    for inst in &kernel.insts {
        let once = match inst {
            Inst::Apply { op, .. } => OpCounts::one(*op),
            Inst::Accumulate { .. } => OpCounts::one(ScalarOp::Add),
            Inst::Call { id } => match &kernel.calls[*id as usize].callee {
                Callee::Kernel(callee) => of_callee(callee),
                Callee::External(_) => OpCounts::default(),
            },
            Inst::Loop { id } => {
                open.push(*id);
                runs.push(body_runs(kernel, &open, &mut known));
                continue;
            }
            Inst::EndLoop { .. } => {
                open.pop();
                runs.pop();
                continue;
            }
            Inst::If { .. } => {
                parts.push(OpCounts::default());
                continue;
            }
            Inst::Else { .. } => {
                first_parts.extend(parts.pop());
                parts.push(OpCounts::default());
                continue;
            }
            Inst::EndIf { .. } => {
                let second = parts.pop().unwrap_or_default();
                let first = first_parts.pop().unwrap_or_default();
                let larger = if second.total() > first.total() { second } else { first };
                if let Some(outer) = parts.last_mut() {
                    *outer += larger;
                }
                continue;
            }
            _ => continue,
        };
        if let (Some(part), Some(&runs)) = (parts.last_mut(), runs.last()) {
            *part += once * runs;
        }
    }
    parts.pop().unwrap_or_default()
}

/// How often the body of the innermost open loop runs in one evaluation.
///
/// Loops multiply, except for those whose trips meet counters of others in a [`Trip::Rest`]: each
/// group of such loops is enumerated, or sampled when that would take too long. `known` keeps the
/// groups.
fn body_runs(kernel: &Kernel, open: &[LoopId], known: &mut FxHashMap<Vec<LoopId>, u64>) -> u64 {
    let trip = |id: LoopId| &kernel.loops[id as usize].trip;
    // Loops in one group have one number.
    let mut group: Vec<usize> = (0..open.len()).collect();
    for (k, &id) in open.iter().enumerate() {
        let Trip::Rest { used, .. } = trip(id) else { continue };
        let reads = used.terms.iter().map(|term| term.0);
        for read in reads.filter_map(|read| open.iter().position(|&other| other == read)) {
            let (from, to) = (group[k], group[read]);
            group.iter_mut().filter(|g| **g == from).for_each(|g| *g = to);
        }
    }
    let mut product = 1u64;
    for first in 0..open.len() {
        let members: Vec<LoopId> =
            (0..open.len()).filter(|&k| group[k] == first).map(|k| open[k]).collect();
        let runs = match (&members[..], members.first().map(|&id| trip(id))) {
            ([], _) => continue,
            ([_], Some(Trip::Const(n))) => *n,
            _ => match known.get(&members) {
                Some(&runs) => runs,
                None => {
                    let bound = |id: LoopId| match trip(id) {
                        Trip::Const(n) => *n,
                        Trip::Rest { limit, total, .. } => *limit.min(total),
                    };
                    let all = members.iter().map(|&id| bound(id)).fold(1, u64::saturating_mul);
                    let found = enumerate(kernel, &members).or_else(|| sample(kernel, &members));
                    let runs = found.unwrap_or(all);
                    known.insert(members, runs);
                    runs
                }
            },
        };
        product = product.saturating_mul(runs);
    }
    product
}

/// Sum of the last loop's trips over all iterations of the ones around it.
fn enumerate(kernel: &Kernel, loops: &[LoopId]) -> Option<u64> {
    let Some((&last, outer)) = loops.split_last() else { return Some(1) };
    let mut counters = vec![0u64; kernel.loops.len()];
    let mut sum = 0u64;
    let mut budget = 1_000_000u32;
    // Loops of `outer` that are being run, with the number of iterations of each.
    let mut running: Vec<u64> = Vec::new();
    loop {
        budget = budget.checked_sub(1)?;
        if let Some(&id) = outer.get(running.len()) {
            counters[id as usize] = 0;
            running.push(trip_count(kernel, id, &counters));
        } else {
            sum = sum.saturating_add(trip_count(kernel, last, &counters));
            match outer.last() {
                Some(&id) => counters[id as usize] += 1,
                None => return Some(sum),
            }
        }
        while let Some(&trip) = running.last() {
            let idx = running.len() - 1;
            if counters[outer[idx] as usize] < trip {
                break;
            }
            running.pop();
            match idx.checked_sub(1) {
                Some(around) => counters[outer[around] as usize] += 1,
                None => return Some(sum),
            }
        }
    }
}

/// [`enumerate`] with only some iterations of long loops, at equal distances. None for too many
/// loops. Where trips are affine in the counters, what is left out is what cancels out.
fn sample(kernel: &Kernel, loops: &[LoopId]) -> Option<u64> {
    const MOST_LOOPS: usize = 6;
    const MOST_POINTS: f64 = 1e6;
    let (&last, outer) = loops.split_last()?;
    if outer.len() >= MOST_LOOPS {
        return None;
    }
    let n_samples = MOST_POINTS.powf(1.0 / outer.len().max(1) as f64) as u64;
    // Counters of the outer loops so far, and how many iterations they stand for.
    let mut points = vec![(vec![0u64; kernel.loops.len()], 1u128)];
    for &id in outer {
        let mut inner = Vec::with_capacity(points.len());
        for (counters, weight) in points {
            let trip = trip_count(kernel, id, &counters);
            let n = trip.min(n_samples);
            for k in 0..n {
                let mut counters = counters.clone();
                let at = |k: u64| u128::from(k) * u128::from(trip) / u128::from(n);
                let (first, end) = (at(k), at(k + 1));
                counters[id as usize] = ((first + end) / 2) as u64;
                inner.push((counters, weight.saturating_mul(end - first)));
            }
        }
        points = inner;
    }
    let runs = |(counters, weight): &(Vec<u64>, u128)| {
        weight.saturating_mul(u128::from(trip_count(kernel, last, counters)))
    };
    let sum = points.iter().map(runs).fold(0u128, u128::saturating_add);
    Some(u64::try_from(sum).unwrap_or(u64::MAX))
}

fn trip_count(kernel: &Kernel, id: LoopId, counters: &[u64]) -> u64 {
    match &kernel.loops[id as usize].trip {
        Trip::Const(n) => *n,
        Trip::Rest { limit, total, used: Affine { offset, terms } } => {
            let used = terms.iter().fold(*offset, |sum, &(id, stride)| {
                sum.saturating_add(stride.saturating_mul(counters[id as usize] as i64))
            });
            let rest = i64::try_from(*total).unwrap_or(i64::MAX).saturating_sub(used);
            u64::try_from(rest).unwrap_or(0).min(*limit)
        }
    }
}
