//! Kernels made ready for the interpreter: jumps resolved, common instructions specialised.

use std::sync::Arc;

use super::memory::constant_place;
use crate::kernel::calls::Calls;
use crate::kernel::ir::{AddrId, Callee, Inst, Kernel, LoopId, Val};
use crate::ops::scalar::ScalarOp;

/// A kernel with jumps resolved.
pub(super) struct Unit {
    pub code: Vec<Op>,
    pub constants: Vec<f64>,
    pub arithmetic: Vec<Arithmetic>,
    /// For each call the unit of the callee, 0 for an external.
    pub callees: Vec<u32>,
    /// For each loop the place after its end.
    pub loop_end: Vec<u32>,
    /// For each loop whether a carried value is the next value of another one.
    pub permutes: Vec<bool>,
    /// Place of the kernel's first data in [`Interp::data`].
    pub data: usize,
    pub kernel: Arc<Kernel>,
}

/// A sum, a difference or a product.
///
/// Jumps to the code of an operation are hard to predict and cost more than the operation, so
/// these, the most frequent ones, are executed without any: the result is picked by masks.
#[derive(Copy, Clone)]
pub(super) struct Arithmetic {
    pub dst: Val,
    pub a: Val,
    pub b: Val,
    /// Bit 0 for a difference, bit 1 for a product.
    kind: u32,
}

impl Arithmetic {
    fn new(op: ScalarOp, dst: Val, [a, b, _]: [Val; 3]) -> Option<Arithmetic> {
        let kind = match op {
            ScalarOp::Add => 0,
            ScalarOp::Sub => 1,
            ScalarOp::Mul => 2,
            _ => return None,
        };
        Some(Arithmetic { dst, a, b, kind })
    }

    /// The result; `a - b` and `a + (-b)` are the same bits.
    #[inline]
    pub fn apply(self, a: f64, b: f64) -> f64 {
        let sign = u64::from(self.kind & 1) << 63;
        let sum = (a + f64::from_bits(b.to_bits() ^ sign)).to_bits();
        let product = (a * b).to_bits();
        let is_product = u64::from(self.kind >> 1).wrapping_neg();
        f64::from_bits(sum ^ ((sum ^ product) & is_product))
    }
}

/// One step of the interpreter.
#[derive(Copy, Clone)]
pub(super) enum Op {
    Const {
        dst: Val,
        index: u32,
    },
    /// A load or store at a constant offset.
    LoadAt {
        dst: Val,
        slot: u32,
        offset: u32,
    },
    StoreAt {
        src: Val,
        slot: u32,
        offset: u32,
    },
    Load {
        dst: Val,
        addr: AddrId,
    },
    Store {
        src: Val,
        addr: AddrId,
    },
    Accumulate {
        src: Val,
        addr: AddrId,
    },
    /// Sums, differences and products, `begin..end` of [`Unit::arithmetic`].
    Arithmetic {
        begin: u32,
        end: u32,
    },
    Div {
        dst: Val,
        a: Val,
        b: Val,
    },
    Apply {
        op: ScalarOp,
        dst: Val,
        args: [Val; 3],
    },
    Move {
        dst: Val,
        src: Val,
    },
    Counter {
        dst: Val,
        info: u32,
    },
    Loop {
        id: LoopId,
    },
    EndLoop {
        id: LoopId,
        begin: u32,
    },
    /// Jumps when the value is 0.
    JumpIfZero {
        value: Val,
        to: u32,
    },
    Jump {
        to: u32,
    },
    JumpUnlessWanted {
        res: u32,
        to: u32,
    },
    Call {
        id: u32,
    },
    Check {
        value: Val,
        id: u32,
    },
    Return,
}

impl Unit {
    pub fn new(kernel: &Arc<Kernel>, calls: &Calls, data: usize) -> Unit {
        let mut code = Vec::with_capacity(kernel.insts.len() + 1);
        let mut constants = Vec::new();
        let mut arithmetic = Vec::new();
        // Whether a jump may land here, so that what comes next is an operation of its own.
        let mut is_target = false;
        let mut loop_begin = vec![0; kernel.loops.len()];
        let mut loop_end = vec![0; kernel.loops.len()];
        let mut jumps: Vec<usize> = Vec::new();
        let here = |code: &Vec<Op>| code.len() as u32;
        let moves = |code: &mut Vec<Op>, id: u32, second: bool| {
            for &(dst, yes, no) in &kernel.conds[id as usize].phis {
                code.push(Op::Move { dst, src: if second { no } else { yes } });
            }
        };
        for inst in &kernel.insts {
            if let Inst::Apply { dst, op, args } = *inst
                && let Some(one) = Arithmetic::new(op, dst, args)
            {
                arithmetic.push(one);
                let len = arithmetic.len() as u32;
                match code.last_mut() {
                    Some(Op::Arithmetic { end, .. }) if !is_target => *end = len,
                    _ => code.push(Op::Arithmetic { begin: len - 1, end: len }),
                }
                is_target = false;
                continue;
            }
            is_target = matches!(inst, Inst::EndIf { .. } | Inst::EndWanted);
            let op = match *inst {
                Inst::Const { dst, value } => {
                    constants.push(value);
                    Op::Const { dst, index: constants.len() as u32 - 1 }
                }
                Inst::Load { dst, addr } => match constant_place(kernel, addr) {
                    Some((slot, offset)) => Op::LoadAt { dst, slot, offset },
                    None => Op::Load { dst, addr },
                },
                Inst::Store { addr, src } => match constant_place(kernel, addr) {
                    Some((slot, offset)) => Op::StoreAt { src, slot, offset },
                    None => Op::Store { src, addr },
                },
                Inst::Accumulate { addr, src } => Op::Accumulate { src, addr },
                Inst::Apply { dst, op, args: [a, b, c] } => match op {
                    ScalarOp::Div => Op::Div { dst, a, b },
                    _ => Op::Apply { op, dst, args: [a, b, c] },
                },
                Inst::Counter { dst, info } => Op::Counter { dst, info },
                Inst::Loop { id } => {
                    loop_begin[id as usize] = here(&code) + 1;
                    Op::Loop { id }
                }
                Inst::EndLoop { id } => {
                    loop_end[id as usize] = here(&code) + 1;
                    Op::EndLoop { id, begin: loop_begin[id as usize] }
                }
                Inst::If { cond, .. } => {
                    jumps.push(code.len());
                    Op::JumpIfZero { value: cond, to: 0 }
                }
                Inst::Else { id } => {
                    moves(&mut code, id, false);
                    let begin = jumps.pop();
                    jumps.push(code.len());
                    let to = here(&code) + 1;
                    land(&mut code, begin, to);
                    Op::Jump { to: 0 }
                }
                Inst::EndIf { id } => {
                    moves(&mut code, id, true);
                    let to = here(&code);
                    land(&mut code, jumps.pop(), to);
                    continue;
                }
                Inst::IfWanted { res } => {
                    jumps.push(code.len());
                    Op::JumpUnlessWanted { res, to: 0 }
                }
                Inst::EndWanted => {
                    let to = here(&code);
                    land(&mut code, jumps.pop(), to);
                    continue;
                }
                Inst::Call { id } => Op::Call { id },
                Inst::Check { value, id } => Op::Check { value, id },
            };
            code.push(op);
        }
        code.push(Op::Return);
        let permutes = kernel.loops.iter().map(|info| {
            info.carried.iter().any(|one| info.carried.iter().any(|other| one.next == other.dst))
        });
        let permutes = permutes.collect();
        let callees = kernel.calls.iter().map(|call| match &call.callee {
            Callee::Kernel(callee) => calls.place(callee).unwrap_or_default(),
            Callee::External(_) => 0,
        });
        let callees = callees.collect();
        Unit {
            code,
            constants,
            arithmetic,
            callees,
            loop_end,
            permutes,
            data,
            kernel: kernel.clone(),
        }
    }

    /// The innermost loop around a place in the code.
    pub fn loop_around(&self, pc: usize) -> Option<LoopId> {
        let mut open = Vec::new();
        for op in &self.code[..pc] {
            match op {
                Op::Loop { id } => open.push(*id),
                Op::EndLoop { .. } => {
                    open.pop();
                }
                _ => {}
            }
        }
        open.pop()
    }
}

/// Sets the target of the jump at `from`.
fn land(code: &mut [Op], from: Option<usize>, target: u32) {
    if let Some(from) = from
        && let Op::Jump { to } | Op::JumpIfZero { to, .. } | Op::JumpUnlessWanted { to, .. } =
            &mut code[from]
    {
        *to = target;
    }
}
