//! How many operations one evaluation of a kernel executes.

use std::ops::{Add, AddAssign, Mul};
use std::sync::Arc;

use crate::kernel::calls::Calls;
use crate::kernel::ir::{Affine, Callee, Inst, Kernel, LoopId, Trip};
use crate::ops::scalar::Counter;

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
}

impl OpCounts {
    pub fn total(&self) -> u64 {
        let counts = [self.add, self.mul, self.div, self.sqrt, self.call, self.other];
        counts.into_iter().fold(0, u64::saturating_add)
    }

    fn one(counter: Counter) -> OpCounts {
        let mut counts = OpCounts::default();
        match counter {
            Counter::Add => counts.add = 1,
            Counter::Mul => counts.mul = 1,
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

fn count_one(kernel: &Kernel, of_callee: impl Fn(&Arc<Kernel>) -> OpCounts) -> OpCounts {
    // Counts of the open conditional parts, and of the finished first parts.
    let mut parts = vec![OpCounts::default()];
    let mut first_parts = Vec::new();
    let mut open: Vec<LoopId> = Vec::new();
    let mut runs = vec![1];
    for inst in &kernel.insts {
        let once = match inst {
            Inst::Apply { op, .. } => OpCounts::one(op.row().counter),
            Inst::Accumulate { .. } => OpCounts::one(Counter::Add),
            Inst::Call { id } => match &kernel.calls[*id as usize].callee {
                Callee::Kernel(callee) => of_callee(callee),
                Callee::External(_) => OpCounts::default(),
            },
            Inst::Loop { id } => {
                open.push(*id);
                runs.push(body_runs(kernel, &open));
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
/// Loops whose counters and trips do not meet in a [`Trip::Rest`] multiply; the others are
/// enumerated, or sampled when that would take too long.
fn body_runs(kernel: &Kernel, open: &[LoopId]) -> u64 {
    let trip = |id: LoopId| &kernel.loops[id as usize].trip;
    let is_read = |id: LoopId| {
        open.iter().any(|&other| match trip(other) {
            Trip::Rest { used, .. } => used.terms.iter().any(|&(read, _)| read == id),
            Trip::Const(_) => false,
        })
    };
    let mut product = 1u64;
    let mut entangled = Vec::new();
    let mut bound = 1u64;
    for &id in open {
        match trip(id) {
            Trip::Const(n) if !is_read(id) => product = product.saturating_mul(*n),
            Trip::Const(n) => {
                entangled.push(id);
                bound = bound.saturating_mul(*n);
            }
            Trip::Rest { limit, total, .. } => {
                entangled.push(id);
                bound = bound.saturating_mul(*limit.min(total));
            }
        }
    }
    let runs = enumerate(kernel, &entangled).or_else(|| sample(kernel, &entangled));
    product.saturating_mul(runs.unwrap_or(bound))
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
