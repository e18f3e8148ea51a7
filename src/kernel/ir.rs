//! The kernel form that every engine reads: scheduled, unallocated code over `f64`.
//!
//! A kernel is one list of instructions with properly nested regions (loops, conditionals).
//! Scalars are SSA values; a value defined in a region is visible in the regions nested in it
//! and nowhere else. Matrices live in memory: arguments, results, work memory and constant data,
//! addressed by affine functions of the loop counters plus look-ups in index tables. The kernel
//! alone fixes the order of operations; engines may not reorder, contract or skip any of it
//! except what [`Inst::IfWanted`] guards.

use std::sync::Arc;

use crate::graph::External;
use crate::ops::scalar::ScalarOp;

/// Number of an SSA value.
pub type Val = u32;
/// Index into [`Kernel::loops`]; also names the loop's counter.
pub type LoopId = u32;
/// Index into [`Kernel::addrs`].
pub type AddrId = u32;

/// A function in kernel form.
///
/// Calling convention of every engine: `arg` points to the nonzeros of each argument, `res` to
/// those of each result (null at the outermost call when the result is not wanted), `w` to
/// `work_len` uninitialised numbers. Arguments, results and work memory do not overlap.
#[derive(Clone, Debug, Default)]
pub struct Kernel {
    pub name: String,
    /// Name and number of nonzeros of each argument.
    pub args: Vec<Port>,
    /// Name and number of nonzeros of each result.
    pub res: Vec<Port>,
    pub insts: Vec<Inst>,
    pub addrs: Vec<Addr>,
    pub loops: Vec<LoopInfo>,
    pub conds: Vec<CondInfo>,
    pub calls: Vec<CallInfo>,
    pub checks: Vec<CheckInfo>,
    pub counters: Vec<CounterInfo>,
    /// Constant data, addressed by [`Base::Data`].
    pub data: Vec<Arc<[f64]>>,
    /// Index tables, used by [`Addr::tables`].
    pub tables: Vec<Arc<[u32]>>,
    /// SSA values are numbered `0..n_values`.
    pub n_values: u32,
    /// Length of the work memory, callees included.
    pub work_len: usize,
    /// About how many operations one run executes at most.
    pub cost: u64,
}

impl Kernel {
    /// The same with other instructions.
    pub fn with(&self, insts: Vec<Inst>) -> Kernel {
        Kernel {
            name: self.name.clone(),
            args: self.args.clone(),
            res: self.res.clone(),
            insts,
            addrs: self.addrs.clone(),
            loops: self.loops.clone(),
            conds: self.conds.clone(),
            calls: self.calls.clone(),
            checks: self.checks.clone(),
            counters: self.counters.clone(),
            data: self.data.clone(),
            tables: self.tables.clone(),
            n_values: self.n_values,
            work_len: self.work_len,
            cost: self.cost,
        }
    }
}

/// One argument or result of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    pub name: String,
    pub nnz: usize,
}

/// One instruction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Inst {
    Const {
        dst: Val,
        value: f64,
    },
    Load {
        dst: Val,
        addr: AddrId,
    },
    Store {
        addr: AddrId,
        src: Val,
    },
    /// `*addr = *addr + src`.
    Accumulate {
        addr: AddrId,
        src: Val,
    },
    /// `dst = op(args)`; arguments beyond the arity repeat the first.
    Apply {
        dst: Val,
        op: ScalarOp,
        args: [Val; 3],
    },
    /// `dst = base + step * counter` as a number.
    Counter {
        dst: Val,
        info: u32,
    },
    /// Begins the loop; its counter runs from 0. Ended by [`Inst::EndLoop`].
    Loop {
        id: LoopId,
    },
    EndLoop {
        id: LoopId,
    },
    /// Runs the first part when `cond` is not 0 (NaN counts as true, as in C), else the second.
    If {
        cond: Val,
        id: u32,
    },
    Else {
        id: u32,
    },
    EndIf {
        id: u32,
    },
    /// The region up to the matching [`Inst::EndWanted`] only serves result `res`; it is skipped
    /// when that result is not wanted. Never nested in another region.
    IfWanted {
        res: u32,
    },
    EndWanted,
    /// Index into [`Kernel::calls`].
    Call {
        id: u32,
    },
    /// Fails the evaluation unless `lo <= value <= hi` (NaN fails). Index into [`Kernel::checks`].
    Check {
        value: Val,
        id: u32,
    },
}

impl Inst {
    /// Whether it computes or moves a number and nothing else: no counter, region, call or check.
    pub fn is_straight(&self) -> bool {
        matches!(
            self,
            Inst::Const { .. }
                | Inst::Load { .. }
                | Inst::Store { .. }
                | Inst::Accumulate { .. }
                | Inst::Apply { .. }
        )
    }
}

/// Where a number lies: `base[offset + sum(stride * counter) + sum(table look-ups)]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Addr {
    pub base: Base,
    pub index: Affine,
    pub tables: Vec<Lookup>,
}

/// The memory an address points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Base {
    Arg(u32),
    Res(u32),
    /// Work memory; the offset counts from its beginning.
    Work,
    /// Index into [`Kernel::data`].
    Data(u32),
}

/// `offset + sum(stride * counter)`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Affine {
    pub offset: i64,
    /// (loop, stride); loops are distinct and enclose the instruction.
    pub terms: Vec<(LoopId, i64)>,
}

/// `tables[table][index]`, an index to be added.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lookup {
    pub table: u32,
    pub index: Affine,
}

/// A loop: how often it runs and the values it carries.
#[derive(Clone, Debug)]
pub struct LoopInfo {
    pub trip: Trip,
    /// Values carried from one iteration to the next.
    pub carried: Vec<Carried>,
    /// The engine polls the cancel flag at the end of every iteration whose counter is a multiple
    /// of this power of two; 0 for never.
    pub poll: u64,
    /// The number of the iteration in messages when the counter is 0.
    pub first: Affine,
}

/// The number of iterations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trip {
    Const(u64),
    /// `clamp(total - used, 0, limit)` with `used` a function of enclosing counters: the blocks
    /// into which a long loop is cut, the last one shorter.
    Rest {
        limit: u64,
        total: u64,
        used: Affine,
    },
}

/// `dst` is `init` in the first iteration, then what `next` was in the iteration before; after
/// the loop it is the last `next` (or `init` when the loop did not run). `dst` is visible in the
/// loop and after it, as if defined before it. All carried values change at once.
#[derive(Clone, Debug)]
pub struct Carried {
    pub dst: Val,
    pub init: Val,
    pub next: Val,
}

/// Values chosen at the end of a conditional: (`dst`, value of the first part, of the second).
/// `dst` is visible after [`Inst::EndIf`].
#[derive(Clone, Debug, Default)]
pub struct CondInfo {
    pub phis: Vec<(Val, Val, Val)>,
}

/// A call of another kernel or of an external function.
#[derive(Clone, Debug)]
pub struct CallInfo {
    pub callee: Callee,
    /// First element of each argument; the nonzeros follow contiguously.
    pub args: Vec<AddrId>,
    /// First element of each result.
    pub res: Vec<AddrId>,
    /// Offset in this kernel's work memory where the callee's work memory begins.
    pub work: usize,
}

#[derive(Clone, Debug)]
pub enum Callee {
    Kernel(Arc<Kernel>),
    External(Arc<External>),
}

/// A declared range to check.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckInfo {
    pub lo: f64,
    pub hi: f64,
    /// Function and input that declare the range, for the message.
    pub function: String,
    pub input: String,
}

/// `base + step * counter`, see [`Inst::Counter`]. Kept in [`Kernel::counters`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CounterInfo {
    pub loop_id: LoopId,
    pub base: f64,
    pub step: f64,
}
