//! Puts calls of functions that vectors have next to one another, so that machine code can make
//! one call of up to four.
//!
//! Changes the order of operations that do not depend on one another and nothing else, so no bit.
//! Only straight-line code is reordered, and not what runs in vectors anyway.

use super::ir::{Base, Inst, Kernel, Val};
use super::lanes::independent;
use crate::ops::math::{LANES, Wide};

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
    let mut definitions = vec![0u32; kernel.n_values as usize];
    let mut insts = kernel.insts.clone();
    let mut begin = 0;
    let mut is_changed = false;
    while begin < insts.len() {
        let is_plain = |pc: usize| !in_vectors[pc] && is_plain(&kernel.insts[pc]);
        if !is_plain(begin) {
            begin += 1;
            continue;
        }
        let len = (begin..insts.len()).take_while(|&pc| is_plain(pc)).count();
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
        // (level, address of the function, instruction)
        let mut calls: Vec<(u32, usize, u32)> = Vec::new();
        for (k, inst) in self.insts.iter().enumerate() {
            let mut add = |slot: usize, val: Val| {
                let at = definitions[val as usize] as usize;
                // Values from outside are there already.
                if (self.begin..self.begin + k).contains(&at) && self.defines(at - self.begin, val)
                {
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
            let before = needs[k].iter().filter(|&&need| need != NONE);
            level[k] = before.map(|&need| level[need as usize]).max().unwrap_or(0);
            if let Some(wide) = wide(inst) {
                level[k] += 1;
                calls.push((level[k], function(wide), k as u32));
            }
        }
        calls.sort_unstable();
        if !calls.windows(2).any(|pair| pair[0].0 == pair[1].0 && pair[0].1 == pair[1].1) {
            return None;
        }
        let mut order = Vec::with_capacity(n);
        let mut is_done = vec![false; n];
        let mut rest = &calls[..];
        while let Some(first) = rest.first() {
            let alike = |call: &&(u32, usize, u32)| call.0 == first.0 && call.1 == first.1;
            let len = rest.iter().take(LANES).take_while(alike).count();
            let (group, others) = rest.split_at(len);
            for &(.., call) in group {
                for need in needs[call as usize].into_iter().filter(|&need| need != NONE) {
                    place(need, &needs, &mut is_done, &mut order);
                }
            }
            for &(.., call) in group {
                is_done[call as usize] = true;
                order.push(call);
            }
            rest = others;
        }
        for k in 0..n as u32 {
            place(k, &needs, &mut is_done, &mut order);
        }
        Some(order)
    }

    fn defines(&self, k: usize, val: Val) -> bool {
        defined(&self.insts[k]) == Some(val)
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

/// Appends an instruction after all that it needs.
fn place(k: u32, needs: &[[u32; 4]], is_done: &mut [bool], order: &mut Vec<u32>) {
    let mut open = vec![k];
    while let Some(&top) = open.last() {
        if is_done[top as usize] {
            open.pop();
            continue;
        }
        let before = open.len();
        let missing = |need: &u32| *need != NONE && !is_done[*need as usize];
        open.extend(needs[top as usize].iter().copied().filter(missing));
        if open.len() == before {
            is_done[top as usize] = true;
            order.push(top);
            open.pop();
        }
    }
}
