//! Straight-line code as a list of items: operations, stores, and loads of memory that is written.
//!
//! Constants and loads of arguments and constant data are leaves: no items, as each loop can have
//! its own.

use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;

use super::super::ir::{AddrId, Base, Inst, Kernel, Val};
use super::super::lanes::key;
use super::super::pack::defined;
use crate::ops::scalar::ScalarOp;

pub const NONE: u32 = u32::MAX;

/// Instructions outside of loops and branches, without anything else between them.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// Instructions.
    pub begin: usize,
    pub end: usize,
    /// Items.
    pub first: u32,
    pub last: u32,
    /// Whether memory that is written is read, or written again: items keep their order.
    pub is_pinned: bool,
}

/// The straight-line code of a kernel.
pub struct Items<'k> {
    pub kernel: &'k Kernel,
    /// The instruction that each item is; segment after segment.
    pub pcs: Vec<u32>,
    pub segments: Vec<Segment>,
    /// For each value the item that defines it.
    pub places: Vec<u32>,
    /// For each value the instruction of straight-line code that defines it.
    pub definitions: Vec<u32>,
    /// For each value whether something that is no straight-line code uses it.
    pub is_used_elsewhere: Vec<bool>,
    /// For each value whether its two operands are taken in the other order.
    is_swapped: Vec<bool>,
}

/// What an operand is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operand {
    Value(Val),
    Const(f64),
    Leaf(Base, i64),
}

impl<'k> Items<'k> {
    /// `None` if places of memory are not known.
    pub fn of(kernel: &'k Kernel) -> Option<Items<'k>> {
        let n = kernel.n_values as usize;
        let mut items = Items {
            kernel,
            pcs: Vec::new(),
            segments: Vec::new(),
            places: vec![NONE; n],
            definitions: vec![NONE; n],
            is_used_elsewhere: vec![false; n],
            is_swapped: vec![false; n],
        };
        // Open loops and branches.
        let mut depth = 0;
        let mut pc = 0;
        while let Some(inst) = kernel.insts.get(pc) {
            if depth == 0 && inst.is_straight() {
                let len = kernel.insts[pc..].iter().take_while(|inst| inst.is_straight()).count();
                items.add(pc, pc + len)?;
                pc += len;
                continue;
            }
            match inst {
                Inst::Loop { .. } | Inst::If { .. } => depth += 1,
                Inst::EndLoop { .. } | Inst::EndIf { .. } => depth -= 1,
                _ => {}
            }
            uses(kernel, inst, |val| items.is_used_elsewhere[val as usize] = true);
            pc += 1;
        }
        items.swap();
        Some(items)
    }

    /// Brings operands of sums and products into an order that is the same wherever the same is
    /// done: by what they are, then by their place. That changes no bit of a result (but of which
    /// of two NaNs it is).
    fn swap(&mut self) {
        let mut labels: Vec<u32> = vec![0; self.kernel.n_values as usize];
        let mut next = labels.clone();
        for round in 0..=ROUNDS {
            for item in 0..self.pcs.len() as u32 {
                let Inst::Apply { dst, op, args } = *self.inst(item) else { continue };
                let of = |val: Val| match self.operand(val) {
                    Operand::Value(val) => labels[val as usize] | 1,
                    Operand::Const(_) => 2,
                    Operand::Leaf(base, _) => hash((key(base), 4)) & !1,
                };
                let mut found = args.map(of);
                if round == ROUNDS {
                    let place = |k: usize| (found[k], self.places[args[k] as usize]);
                    self.is_swapped[dst as usize] = is_symmetric(op) && place(1) < place(0);
                    continue;
                }
                if is_symmetric(op) {
                    found[..2].sort_unstable();
                }
                next[dst as usize] = hash((op as u8, &found[..op.arity()]));
            }
            labels.copy_from_slice(&next);
        }
    }

    fn add(&mut self, begin: usize, end: usize) -> Option<()> {
        let kernel = self.kernel;
        let first = self.pcs.len() as u32;
        // (memory, place, whether it is read)
        let mut touched: Vec<((u8, u32), i64, bool)> = Vec::new();
        for pc in begin..end {
            let inst = &kernel.insts[pc];
            let mut is_item = true;
            match *inst {
                Inst::Const { .. } => is_item = false,
                Inst::Load { addr, .. } => {
                    let (base, at) = place(kernel, addr)?;
                    is_item = !is_constant(base);
                    if is_item {
                        touched.push((key(base), at, true));
                    }
                }
                Inst::Store { addr, .. } => {
                    let (base, at) = place(kernel, addr)?;
                    touched.push((key(base), at, false));
                }
                Inst::Accumulate { addr, .. } => {
                    let (base, at) = place(kernel, addr)?;
                    touched.extend([(key(base), at, true), (key(base), at, false)]);
                }
                _ => {}
            }
            if let Some(dst) = defined(inst) {
                self.definitions[dst as usize] = pc as u32;
                if is_item {
                    self.places[dst as usize] = self.pcs.len() as u32;
                }
            }
            if is_item {
                self.pcs.push(pc as u32);
            }
        }
        let last = self.pcs.len() as u32;
        self.segments.push(Segment { begin, end, first, last, is_pinned: clashes(touched) });
        Some(())
    }

    pub fn inst(&self, item: u32) -> &'k Inst {
        &self.kernel.insts[self.pcs[item as usize] as usize]
    }

    /// Values that an item reads.
    pub fn args(&self, item: u32) -> ([Val; 3], usize) {
        match *self.inst(item) {
            Inst::Apply { dst, args: [a, b, _], .. } if self.is_swapped[dst as usize] => {
                ([b, a, b], 2)
            }
            Inst::Apply { op, args, .. } => (args, op.arity()),
            Inst::Store { src, .. } | Inst::Accumulate { src, .. } => ([src; 3], 1),
            _ => ([0; 3], 0),
        }
    }

    /// The memory that an item reads or writes.
    pub fn memory(&self, item: u32) -> Option<(Base, i64)> {
        match *self.inst(item) {
            Inst::Load { addr, .. } | Inst::Store { addr, .. } | Inst::Accumulate { addr, .. } => {
                place(self.kernel, addr)
            }
            _ => None,
        }
    }

    pub fn operand(&self, val: Val) -> Operand {
        if self.places[val as usize] != NONE {
            return Operand::Value(val);
        }
        let definition = self.definitions[val as usize];
        match self.kernel.insts.get(definition as usize) {
            Some(Inst::Const { value, .. }) => Operand::Const(*value),
            Some(Inst::Load { addr, .. }) => match place(self.kernel, *addr) {
                Some((base, at)) => Operand::Leaf(base, at),
                None => Operand::Value(val),
            },
            _ => Operand::Value(val),
        }
    }

    /// Puts the items of a segment in another order.
    pub fn reorder(&mut self, segment: Segment, pcs: &[u32]) {
        for (item, &pc) in (segment.first..segment.last).zip(pcs) {
            self.pcs[item as usize] = pc;
            if let Some(dst) = defined(&self.kernel.insts[pc as usize]) {
                self.places[dst as usize] = item;
            }
        }
    }

    /// The item of a segment that defines a value.
    pub fn place_in(&self, segment: &Segment, val: Val) -> Option<u32> {
        let place = self.places[val as usize];
        (segment.first..segment.last).contains(&place).then_some(place)
    }
}

/// How many operations deep operands are looked at to tell them apart.
const ROUNDS: usize = 3;

fn is_symmetric(op: ScalarOp) -> bool {
    matches!(op, ScalarOp::Add | ScalarOp::Mul)
}

fn hash(what: impl Hash) -> u32 {
    let mut hasher = FxHasher::default();
    what.hash(&mut hasher);
    (hasher.finish() >> 32) as u32
}

/// Whether nobody writes it.
fn is_constant(base: Base) -> bool {
    matches!(base, Base::Arg(_) | Base::Data(_))
}

/// Whether a place is written and touched by something else, or some memory is both read and
/// written.
fn clashes(mut touched: Vec<((u8, u32), i64, bool)>) -> bool {
    touched.sort_unstable();
    let by_memory = touched.chunk_by(|a, b| a.0 == b.0);
    by_memory.into_iter().any(|memory| {
        let n_read = memory.iter().filter(|touched| touched.2).count();
        match n_read {
            0 => memory.windows(2).any(|pair| pair[0].1 == pair[1].1),
            n => n < memory.len(),
        }
    })
}

/// Where an address without counters points.
fn place(kernel: &Kernel, addr: AddrId) -> Option<(Base, i64)> {
    let addr = &kernel.addrs[addr as usize];
    let mut at = addr.index.offset;
    for lookup in &addr.tables {
        let index = usize::try_from(lookup.index.offset).ok()?;
        at += i64::from(*kernel.tables[lookup.table as usize].get(index)?);
    }
    Some((addr.base, at))
}

/// Calls `each` for the values that an instruction reads, a loop or branch for all at its begin.
fn uses(kernel: &Kernel, inst: &Inst, mut each: impl FnMut(Val)) {
    match *inst {
        Inst::Apply { op, args, .. } => args[..op.arity()].iter().copied().for_each(each),
        Inst::Store { src, .. } | Inst::Accumulate { src, .. } => each(src),
        Inst::Check { value, .. } => each(value),
        Inst::Loop { id } => {
            let carried = &kernel.loops[id as usize].carried;
            carried.iter().flat_map(|one| [one.init, one.next]).for_each(each);
        }
        Inst::If { cond, id } => {
            each(cond);
            let phis = &kernel.conds[id as usize].phis;
            phis.iter().flat_map(|&(_, yes, no)| [yes, no]).for_each(each);
        }
        _ => {}
    }
}
