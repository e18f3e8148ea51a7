//! Checks that a kernel is well-formed: regions nest, values are used where they are visible,
//! every access is in bounds. Compiled code relies on it.
//!
//! Bounds come from the interval of each index. For a [`Trip::Rest`] loop the sum of what was used
//! before and its counter stays below the total, so an index that moves with that sum is bounded
//! by the total even where the last block is shorter than the others.

use std::fmt;

use rustc_hash::FxHashMap;

use crate::kernel::ir::{
    Addr, AddrId, Affine, Base, CallInfo, Callee, Inst, Kernel, LoopId, Trip, Val,
};

/// Regions nested deeper are refused.
pub const MAX_NESTING: usize = 1000;

/// What is wrong with a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyError {
    pub kernel: String,
    /// Place of the instruction, the number of instructions for an unclosed region.
    pub inst: usize,
    pub message: String,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kernel `{}`, instruction {}: {}", self.kernel, self.inst, self.message)
    }
}

impl std::error::Error for VerifyError {}

/// Checks one kernel; callees are checked by calls of their own.
///
/// # Errors
/// The first mistake found.
pub fn verify(kernel: &Kernel) -> Result<(), VerifyError> {
    let mut verifier = Verifier {
        kernel,
        state: vec![State::Undefined; kernel.n_values as usize],
        scopes: vec![Vec::new()],
        regions: Vec::new(),
        loops: Vec::new(),
        begun: vec![false; kernel.loops.len()],
        extrema: FxHashMap::default(),
    };
    let error = |inst, message| VerifyError { kernel: kernel.name.clone(), inst, message };
    for (pc, inst) in kernel.insts.iter().enumerate() {
        verifier.inst(*inst).map_err(|message| error(pc, message))?;
    }
    match verifier.regions.last() {
        Some(region) => Err(error(kernel.insts.len(), format!("{region:?} is not closed"))),
        None => Ok(()),
    }
}

#[derive(Copy, Clone, PartialEq, Eq)]
enum State {
    Undefined,
    Visible,
    Gone,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Region {
    Loop(LoopId),
    If(u32),
    Else(u32),
    Wanted,
}

/// An open loop: counters run from 0 to `last`, negative if the body never runs.
struct OpenLoop {
    id: LoopId,
    last: i128,
}

struct Verifier<'a> {
    kernel: &'a Kernel,
    state: Vec<State>,
    scopes: Vec<Vec<Val>>,
    regions: Vec<Region>,
    loops: Vec<OpenLoop>,
    begun: Vec<bool>,
    /// Least and largest entry of a range of a table.
    extrema: FxHashMap<(u32, usize, usize), (u32, u32)>,
}

type Outcome<T = ()> = Result<T, String>;

/// Lowest and highest value of an index.
type Range = (i128, i128);

impl Verifier<'_> {
    fn inst(&mut self, inst: Inst) -> Outcome {
        let kernel = self.kernel;
        match inst {
            Inst::Const { dst, .. } => self.define(dst),
            Inst::Load { dst, addr } => {
                self.access(addr, 1)?;
                self.define(dst)
            }
            Inst::Store { addr, src } | Inst::Accumulate { addr, src } => {
                self.read(src)?;
                self.writable(addr)?;
                self.access(addr, 1)
            }
            Inst::Apply { dst, op, args } => {
                args[..op.arity()].iter().try_for_each(|&val| self.read(val))?;
                self.define(dst)
            }
            Inst::Counter { dst, info } => {
                let info = entry(&kernel.counters, info, "counter")?;
                self.is_open(info.loop_id)?;
                self.define(dst)
            }
            Inst::Loop { id } => self.begin_loop(id),
            Inst::EndLoop { id } => {
                let info = entry(&kernel.loops, id, "loop")?;
                info.carried.iter().try_for_each(|one| self.read(one.next))?;
                self.close(Region::Loop(id))?;
                self.loops.pop();
                Ok(())
            }
            Inst::If { cond, id } => {
                entry(&kernel.conds, id, "conditional")?;
                self.read(cond)?;
                self.open(Region::If(id))
            }
            Inst::Else { id } => {
                let info = entry(&kernel.conds, id, "conditional")?;
                info.phis.iter().try_for_each(|&(_, yes, _)| self.read(yes))?;
                self.close(Region::If(id))?;
                self.open(Region::Else(id))
            }
            Inst::EndIf { id } => {
                let info = entry(&kernel.conds, id, "conditional")?;
                info.phis.iter().try_for_each(|&(_, _, no)| self.read(no))?;
                self.close(Region::Else(id))?;
                info.phis.iter().try_for_each(|&(dst, ..)| self.define(dst))
            }
            Inst::IfWanted { res } => {
                entry(&kernel.res, res, "result")?;
                if !self.regions.is_empty() {
                    return Err("a wanted region is nested in another one".to_owned());
                }
                self.open(Region::Wanted)
            }
            Inst::EndWanted => self.close(Region::Wanted),
            Inst::Call { id } => self.call(entry(&kernel.calls, id, "call")?),
            Inst::Check { value, id } => {
                entry(&kernel.checks, id, "check")?;
                self.read(value)
            }
        }
    }

    fn begin_loop(&mut self, id: LoopId) -> Outcome {
        let info = entry(&self.kernel.loops, id, "loop")?;
        if std::mem::replace(&mut self.begun[id as usize], true) {
            return Err(format!("loop {id} begins twice"));
        }
        if info.poll != 0 && !info.poll.is_power_of_two() {
            return Err(format!("loop {id} polls every {} iterations", info.poll));
        }
        self.terms_open(&info.first)?;
        info.carried.iter().try_for_each(|one| self.read(one.init))?;
        info.carried.iter().try_for_each(|one| self.define(one.dst))?;
        let trip = match &info.trip {
            Trip::Const(n) => i128::from(*n),
            Trip::Rest { limit, total, used } => {
                self.terms_open(used)?;
                let rest = i128::from(*total) - self.interval(used).0;
                rest.clamp(0, i128::from(*limit))
            }
        };
        self.loops.push(OpenLoop { id, last: trip - 1 });
        self.open(Region::Loop(id))
    }

    fn call(&mut self, call: &CallInfo) -> Outcome {
        let (args, res, work): (Vec<usize>, Vec<usize>, usize) = match &call.callee {
            Callee::Kernel(callee) => (
                callee.args.iter().map(|port| port.nnz).collect(),
                callee.res.iter().map(|port| port.nnz).collect(),
                callee.work_len,
            ),
            Callee::External(callee) => (
                callee.inputs.iter().map(|pattern| pattern.nnz()).collect(),
                callee.outputs.iter().map(|pattern| pattern.nnz()).collect(),
                0,
            ),
        };
        if args.len() != call.args.len() || res.len() != call.res.len() {
            return Err("a call has the wrong number of arguments or results".to_owned());
        }
        if call.work.checked_add(work).is_none_or(|end| end > self.kernel.work_len) {
            return Err("work memory of the callee is out of bounds".to_owned());
        }
        for (&addr, len) in call.args.iter().chain(&call.res).zip(args.iter().chain(&res)) {
            self.access(addr, *len)?;
        }
        for (k, (&addr, &len)) in call.res.iter().zip(&res).enumerate() {
            if len == 0 {
                continue;
            }
            self.writable(addr)?;
            let others = call.args.iter().zip(&args).chain(call.res[..k].iter().zip(&res));
            if others.into_iter().any(|(&other, &n)| self.overlap(addr, len, other, n)) {
                return Err("a result of a call overlaps another port".to_owned());
            }
        }
        let windows = call.args.iter().zip(&args).chain(call.res.iter().zip(&res));
        for (&addr, &len) in windows {
            let addr = &self.kernel.addrs[addr as usize];
            if addr.base == Base::Work
                && is_constant(addr)
                && addr.index.offset < (call.work + work) as i64
                && addr.index.offset + len as i64 > call.work as i64
                && work > 0
                && len > 0
            {
                return Err("a port of a call overlaps the callee's work memory".to_owned());
            }
        }
        Ok(())
    }

    /// Whether two windows certainly overlap: they move alike and begin near each other.
    fn overlap(&self, a: AddrId, a_len: usize, b: AddrId, b_len: usize) -> bool {
        let (a, b) = (&self.kernel.addrs[a as usize], &self.kernel.addrs[b as usize]);
        a.base == b.base
            && a.index.terms == b.index.terms
            && a.tables == b.tables
            && a.index.offset < b.index.offset + b_len as i64
            && b.index.offset < a.index.offset + a_len as i64
    }

    fn define(&mut self, val: Val) -> Outcome {
        match self.state.get_mut(val as usize) {
            Some(state) if *state == State::Undefined => *state = State::Visible,
            Some(_) => return Err(format!("v{val} is defined twice")),
            None => return Err(format!("v{val} is beyond the number of values")),
        }
        if let Some(scope) = self.scopes.last_mut() {
            scope.push(val);
        }
        Ok(())
    }

    fn read(&self, val: Val) -> Outcome {
        match self.state.get(val as usize) {
            Some(State::Visible) => Ok(()),
            Some(State::Gone) => Err(format!("v{val} is used outside the region that defines it")),
            _ => Err(format!("v{val} is used before it is defined")),
        }
    }

    fn open(&mut self, region: Region) -> Outcome {
        self.regions.push(region);
        self.scopes.push(Vec::new());
        if self.regions.len() > MAX_NESTING {
            return Err(format!("more than {MAX_NESTING} nested regions"));
        }
        Ok(())
    }

    fn close(&mut self, region: Region) -> Outcome {
        if self.regions.pop() != Some(region) {
            return Err(format!("{region:?} is closed but not the innermost region"));
        }
        for val in self.scopes.pop().unwrap_or_default() {
            self.state[val as usize] = State::Gone;
        }
        Ok(())
    }

    fn is_open(&self, id: LoopId) -> Outcome {
        if self.loops.iter().any(|open| open.id == id) {
            return Ok(());
        }
        Err(format!("the counter of loop {id} is used outside it"))
    }

    fn terms_open(&self, affine: &Affine) -> Outcome {
        for (k, &(id, _)) in affine.terms.iter().enumerate() {
            self.is_open(id)?;
            if affine.terms[..k].iter().any(|&(other, _)| other == id) {
                return Err(format!("loop {id} occurs twice in an index"));
            }
        }
        Ok(())
    }

    fn writable(&self, addr: AddrId) -> Outcome {
        match entry(&self.kernel.addrs, addr, "address")?.base {
            Base::Res(_) | Base::Work => Ok(()),
            Base::Arg(_) | Base::Data(_) => {
                Err("an argument or constant data is written".to_owned())
            }
        }
    }

    /// Checks that `len` numbers from an address on exist in every iteration.
    fn access(&mut self, addr: AddrId, len: usize) -> Outcome {
        let kernel = self.kernel;
        let Addr { base, index, tables } = entry(&kernel.addrs, addr, "address")?;
        let size = match *base {
            Base::Arg(idx) => entry(&kernel.args, idx, "argument")?.nnz,
            Base::Res(idx) => entry(&kernel.res, idx, "result")?.nnz,
            Base::Data(idx) => entry(&kernel.data, idx, "data")?.len(),
            Base::Work => kernel.work_len,
        };
        self.terms_open(index)?;
        for lookup in tables {
            self.terms_open(&lookup.index)?;
            entry(&kernel.tables, lookup.table, "table")?;
        }
        let never_runs = self.loops.iter().any(|open| open.last < 0);
        if len == 0 || never_runs {
            return Ok(());
        }
        let (mut lo, mut hi) = self.interval(index);
        for lookup in tables {
            let entries = kernel.tables[lookup.table as usize].len() as i128;
            let (first, last) = self.interval(&lookup.index);
            if first < 0 || last >= entries {
                return Err(format!(
                    "entries {first}..={last} of table {} are read, it has {entries}",
                    lookup.table
                ));
            }
            let (least, largest) = self.extrema(lookup.table, first as usize, last as usize);
            lo += i128::from(least);
            hi += i128::from(largest);
        }
        hi += len as i128 - 1;
        if lo < 0 || hi >= size as i128 {
            return Err(format!("numbers {lo}..={hi} of {base:?} are accessed, it has {size}"));
        }
        Ok(())
    }

    /// Least and largest entry of a table between two places, both included.
    fn extrema(&mut self, table: u32, first: usize, last: usize) -> (u32, u32) {
        *self.extrema.entry((table, first, last)).or_insert_with(|| {
            let entries = &self.kernel.tables[table as usize][first..=last];
            let least = entries.iter().min().copied().unwrap_or_default();
            (least, entries.iter().max().copied().unwrap_or_default())
        })
    }

    /// Range of an index over all iterations of the open loops.
    fn interval(&self, affine: &Affine) -> Range {
        let mut terms: Vec<(LoopId, i128)> =
            affine.terms.iter().map(|&(id, stride)| (id, i128::from(stride))).collect();
        let offset = i128::from(affine.offset);
        let plain = self.plain_interval(offset, &terms);
        let (mut lo, mut hi) = (offset, offset);
        for open in self.loops.iter().rev() {
            let Trip::Rest { total, used, .. } = &self.kernel.loops[open.id as usize].trip else {
                continue;
            };
            let Some(place) = terms.iter().position(|&(id, stride)| id == open.id && stride != 0)
            else {
                continue;
            };
            // stride * counter = stride * reached - stride * used
            let (_, stride) = terms.swap_remove(place);
            let used_terms: Vec<_> =
                used.terms.iter().map(|&(id, stride)| (id, i128::from(stride))).collect();
            let (least, _) = self.plain_interval(i128::from(used.offset), &used_terms);
            let reached = (stride * least, stride * (i128::from(*total) - 1));
            lo += reached.0.min(reached.1) - stride * i128::from(used.offset);
            hi += reached.0.max(reached.1) - stride * i128::from(used.offset);
            for (id, used_stride) in used_terms {
                match terms.iter_mut().find(|(other, _)| *other == id) {
                    Some((_, sum)) => *sum -= stride * used_stride,
                    None => terms.push((id, -stride * used_stride)),
                }
            }
        }
        let rest = self.plain_interval(0, &terms);
        (plain.0.max(lo + rest.0), plain.1.min(hi + rest.1))
    }

    fn plain_interval(&self, offset: i128, terms: &[(LoopId, i128)]) -> Range {
        let (mut lo, mut hi) = (offset, offset);
        for &(id, stride) in terms {
            let open = self.loops.iter().find(|open| open.id == id);
            let end = stride * open.map_or(0, |open| open.last.max(0));
            lo += end.min(0);
            hi += end.max(0);
        }
        (lo, hi)
    }
}

fn is_constant(addr: &Addr) -> bool {
    addr.index.terms.is_empty() && addr.tables.is_empty()
}

fn entry<'a, T>(entries: &'a [T], idx: u32, what: &str) -> Outcome<&'a T> {
    entries.get(idx as usize).ok_or_else(|| format!("{what} {idx} does not exist"))
}
