//! Puts calls of functions that vectors have next to one another, so that machine code can make
//! one call of up to four.
//!
//! Changes the order of operations that do not depend on one another and nothing else, so no bit.
//! Only straight-line code is reordered, and not what runs in vectors anyway.

use super::ir::{Base, Inst, Kernel, Val};
use super::lanes::independent;
use crate::ops::math::{LANES, Wide};
use crate::ops::scalar::{Inst as Operation, Jit};

/// The vector form of an instruction that one call can do four times.
pub fn wide(inst: &Inst) -> Option<Wide> {
    match inst {
        Inst::Apply { op, .. } => op.row().wide.filter(|wide| wide.together.is_some()),
        _ => None,
    }
}

/// The function of vectors of four, by its address.
pub fn function(wide: Wide) -> usize {
    wide.together.map_or(0, |f| f as *const () as usize)
}

/// Whether the function is to treat the number of this operation as one with a tag.
pub fn is_tagged(wide: Wide) -> bool {
    wide.tag.is_some_and(|tag| tag != 0.0)
}

/// Whether one call can do both.
fn is_alike(a: Wide, b: Wide) -> bool {
    function(a) == function(b)
}

/// How many of the first instructions one call of a function of vectors does.
pub fn alike(insts: &[Inst]) -> usize {
    let Some(first) = insts.first().and_then(wide) else { return 1 };
    let mut made: [Val; LANES] = [Val::MAX; LANES];
    let mut n = 0;
    for inst in insts.iter().take(LANES) {
        let (Some(wide), &Inst::Apply { dst, args, .. }) = (wide(inst), inst) else { break };
        if !is_alike(first, wide) || made.contains(&args[0]) {
            break;
        }
        made[n] = dst;
        n += 1;
    }
    n
}

/// The kernel with like calls next to one another; `None` if there are none.
pub fn pack(kernel: &Kernel) -> Option<Kernel> {
    // Two at least.
    kernel.insts.iter().filter(|inst| wide(inst).is_some()).nth(1)?;
    let mut in_vectors = vec![false; kernel.insts.len()];
    for (_, body) in independent(kernel) {
        in_vectors[body.begin..body.end].fill(true);
    }
    let mut definitions = vec![NONE; kernel.n_values as usize];
    let mut insts = kernel.insts.clone();
    let mut begin = 0;
    let mut is_changed = false;
    while begin < insts.len() {
        let is_plain = |pc: usize| !in_vectors[pc] && is_plain(&kernel.insts[pc]);
        if !is_plain(begin) {
            begin += 1;
            continue;
        }
        let end = insts.len().min(begin + MOST_AT_ONCE);
        let len = (begin..end).take_while(|&pc| is_plain(pc)).count();
        let segment = Segment { kernel, begin, insts: &kernel.insts[begin..begin + len] };
        if let Some(order) = segment.order(&mut definitions) {
            is_changed = true;
            for (to, from) in order.into_iter().enumerate() {
                insts[begin + to] = kernel.insts[begin + from as usize];
            }
        }
        begin += len;
    }
    is_changed.then(|| Kernel { insts, ..kernel.clone() })
}

/// Instructions in which like calls are looked for, which caches hold.
const MOST_AT_ONCE: usize = 4096;

/// Whether other instructions may pass it.
fn is_plain(inst: &Inst) -> bool {
    inst.is_straight() || matches!(inst, Inst::Counter { .. })
}

/// Straight-line code.
struct Segment<'k> {
    kernel: &'k Kernel,
    begin: usize,
    insts: &'k [Inst],
}

impl Segment<'_> {
    /// An order with like calls next to one another; `None` if none are.
    fn order(&self, definitions: &mut [u32]) -> Option<Vec<u32>> {
        let n = self.insts.len();
        self.insts.iter().filter(|inst| wide(inst).is_some()).nth(1)?;
        // Instructions that use memory which is written stay in their order.
        let mut needs: Vec<[u32; 4]> = vec![[NONE; 4]; n];
        let mut last_pinned = NONE;
        let mut level = vec![0u32; n];
        let mut calls: Vec<Call> = Vec::new();
        let mut ready = vec![0u64; n];
        let latency: Vec<u64> = self.insts.iter().map(latency).collect();
        for (k, inst) in self.insts.iter().enumerate() {
            let mut add = |slot: usize, val: Val| {
                let at = definitions[val as usize] as usize;
                // Values from outside are there already.
                if (self.begin..self.begin + k).contains(&at) {
                    needs[k][slot] = (at - self.begin) as u32;
                }
            };
            match *inst {
                Inst::Apply { op, args, .. } => {
                    for (slot, &val) in args[..op.arity()].iter().enumerate() {
                        add(slot, val);
                    }
                }
                Inst::Store { src, .. } | Inst::Accumulate { src, .. } => add(0, src),
                _ => {}
            }
            if self.is_pinned(inst) {
                needs[k][3] = last_pinned;
                last_pinned = k as u32;
            }
            if let Some(dst) = defined(inst) {
                definitions[dst as usize] = (self.begin + k) as u32;
            }
            for need in known(&needs[k]) {
                level[k] = level[k].max(level[need]);
                ready[k] = ready[k].max(ready[need] + latency[need]);
            }
            if let Some(wide) = wide(inst) {
                level[k] += 1;
                let function = function(wide);
                calls.push(Call { level: level[k], function, at: k as u32 });
            }
        }
        calls.sort_unstable();
        let (groups, is_busy) = self.groups(&calls, &needs, &ready, &latency);
        if groups.is_empty() {
            return None;
        }
        let mut placer = Placer::new(&needs, &groups);
        // Early calls find fewer values to save, but in long code their results take registers.
        let early = if is_busy { &calls[..] } else { &[] };
        early.iter().for_each(|call| placer.place(call.at));
        (0..n as u32).for_each(|k| placer.place(k));
        Some(placer.order)
    }

    /// Up to four calls each that one call can do at no loss: the first results come when the last
    /// argument is there, which may make all of the code wait. And whether there is so much to do
    /// that nothing waits.
    fn groups<'c>(
        &self,
        calls: &'c [Call],
        needs: &[[u32; 4]],
        ready: &[u64],
        latency: &[u64],
    ) -> (Vec<&'c [Call]>, bool) {
        // From the beginning of an instruction to the end of all that needs it.
        let mut rest = latency.to_vec();
        for k in (0..rest.len()).rev() {
            for need in known(&needs[k]) {
                rest[need] = rest[need].max(latency[need] + rest[k]);
            }
        }
        let longest = ready.iter().zip(&rest).map(|(ready, rest)| ready + rest).max().unwrap_or(0);
        let busy = self.insts.len() as u64 * 2 / 5 + CYCLES_OF_CALL * calls.len() as u64;
        // What waits fills gaps until code takes about twice as long as it is busy.
        let is_busy = longest <= 2 * busy;
        let mut groups = Vec::new();
        let mut others = calls;
        while let [first, ..] = others {
            let (mut begin, mut rest_of_all) = (0, 0);
            let fits = |call: &&Call| {
                begin = begin.max(ready[call.at as usize]);
                rest_of_all = rest_of_all.max(rest[call.at as usize]);
                let is_like = call.level == first.level && call.function == first.function;
                is_like && (is_busy || begin + rest_of_all <= longest)
            };
            let len = others.iter().take(LANES).take_while(fits).count().max(1);
            let (group, further) = others.split_at(len);
            if len > 1 {
                groups.push(group);
            }
            others = further;
        }
        (groups, is_busy)
    }

    fn is_pinned(&self, inst: &Inst) -> bool {
        let writable =
            |addr: u32| matches!(self.kernel.addrs[addr as usize].base, Base::Res(_) | Base::Work);
        match *inst {
            Inst::Store { .. } | Inst::Accumulate { .. } => true,
            Inst::Load { addr, .. } => writable(addr),
            _ => false,
        }
    }
}

const NONE: u32 = u32::MAX;

/// A call that may be made together with others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    /// Of the calls that it needs and itself, the most in a row: calls of the same level do not
    /// need one another.
    level: u32,
    /// By its address.
    function: usize,
    at: u32,
}

/// Cycles that a call takes where nothing waits for it, if it is made together with others.
const CYCLES_OF_CALL: u64 = 7;

/// Cycles until the result of an instruction is there, about.
fn latency(inst: &Inst) -> u64 {
    match inst {
        Inst::Apply { op, .. } => match op.row().jit {
            Jit::Call => 45,
            Jit::Inst(Operation::Div | Operation::Sqrt) => 15,
            Jit::Inst(_) => 4,
        },
        _ => 0,
    }
}

/// The instructions among some.
fn known(needs: &[u32; 4]) -> impl Iterator<Item = usize> {
    needs.iter().filter(|&&need| need != NONE).map(|&need| need as usize)
}

/// The value that an instruction of straight-line code defines.
pub fn defined(inst: &Inst) -> Option<Val> {
    match *inst {
        Inst::Const { dst, .. }
        | Inst::Load { dst, .. }
        | Inst::Apply { dst, .. }
        | Inst::Counter { dst, .. } => Some(dst),
        _ => None,
    }
}

/// Makes an order in which every instruction comes after what it needs, and groups together.
struct Placer<'a> {
    needs: &'a [[u32; 4]],
    groups: &'a [&'a [Call]],
    /// For each instruction.
    group_of: Vec<u32>,
    is_done: Vec<bool>,
    order: Vec<u32>,
    /// What is to be placed, the last one first.
    open: Vec<u32>,
}

impl<'a> Placer<'a> {
    fn new(needs: &'a [[u32; 4]], groups: &'a [&'a [Call]]) -> Placer<'a> {
        let mut group_of = vec![NONE; needs.len()];
        for (number, group) in (0..).zip(groups) {
            group.iter().for_each(|call| group_of[call.at as usize] = number);
        }
        let (is_done, order) = (vec![false; needs.len()], Vec::with_capacity(needs.len()));
        Placer { needs, groups, group_of, is_done, order, open: Vec::new() }
    }

    /// Appends an instruction, or the group it belongs to, after all that is needed.
    fn place(&mut self, k: u32) {
        self.open.push(k);
        while let Some(&top) = self.open.last() {
            if self.is_done[top as usize] {
                self.open.pop();
                continue;
            }
            let before = self.open.len();
            let group = self.groups.get(self.group_of[top as usize] as usize).copied();
            match group {
                None => self.ask_for(top),
                Some(group) => group.iter().for_each(|call| self.ask_for(call.at)),
            }
            if self.open.len() == before {
                match group {
                    None => self.put(top),
                    Some(group) => group.iter().for_each(|call| self.put(call.at)),
                }
                self.open.pop();
            }
        }
    }

    /// What an instruction needs is to be placed.
    fn ask_for(&mut self, k: u32) {
        let missing = known(&self.needs[k as usize]).filter(|&need| !self.is_done[need]);
        self.open.extend(missing.map(|need| need as u32));
    }

    fn put(&mut self, k: u32) {
        self.is_done[k as usize] = true;
        self.order.push(k);
    }
}
