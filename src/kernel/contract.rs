//! Contraction in the sums that kernels make of their own: products of matrices and sums over
//! loops. What stands in graphs is contracted there.
//!
//! Takes the places of sums whose last term may be a product, and makes that product and the sum
//! one operation that rounds once, where nothing else uses the product and both are in the same
//! region. The builder marks only sums that it makes alike for every engine.

use super::ir::{Inst, Kernel, Val};
use crate::ops::scalar::ScalarOp;

/// Contracts the sums at the places `sums` of the instructions, in order.
pub fn contract(kernel: &mut Kernel, sums: &[u32]) {
    if sums.is_empty() {
        return;
    }
    let products = products(kernel, sums);
    let mut sums = sums.iter().copied().peekable();
    let mut insts = Vec::with_capacity(kernel.insts.len() + sums.len());
    let mut factors = vec![[0; 2]; kernel.n_values as usize];
    for (k, inst) in kernel.insts.iter().enumerate() {
        let is_marked = sums.next_if_eq(&(k as u32)).is_some();
        match *inst {
            Inst::Apply { dst, op: ScalarOp::Mul, args } => match products[dst as usize] {
                Taken::No => insts.push(*inst),
                Taken::Plain => factors[dst as usize] = [args[0], args[1]],
                Taken::Negated => {
                    insts.push(Inst::Apply { dst, op: ScalarOp::Neg, args: [args[0]; 3] });
                    factors[dst as usize] = [dst, args[1]];
                }
            },
            Inst::Apply { dst, op: ScalarOp::Neg, args: [arg, ..] }
                if products[arg as usize] == Taken::Negated =>
            {
                factors[dst as usize] = factors[arg as usize];
            }
            Inst::Accumulate { addr, src } if is_marked && products[src as usize] != Taken::No => {
                let [a, b] = factors[src as usize];
                let (before, after) = (kernel.n_values, kernel.n_values + 1);
                kernel.n_values += 2;
                let args = [a, b, before];
                insts.push(Inst::Load { dst: before, addr });
                insts.push(Inst::Apply { dst: after, op: ScalarOp::Fma, args });
                insts.push(Inst::Store { addr, src: after });
            }
            Inst::Apply { dst, op: ScalarOp::Add, args: [before, src, _] }
                if is_marked && products[src as usize] != Taken::No =>
            {
                let [a, b] = factors[src as usize];
                insts.push(Inst::Apply { dst, op: ScalarOp::Fma, args: [a, b, before] });
            }
            inst => insts.push(inst),
        }
    }
    kernel.insts = insts;
}

/// Whether a value is a product that becomes part of a sum, or the negative of one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    No,
    Plain,
    /// The sum takes the negative of the product; both values are marked.
    Negated,
}

fn products(kernel: &Kernel, sums: &[u32]) -> Vec<Taken> {
    let uses = use_counts(kernel);
    let mut taken = vec![Taken::No; kernel.n_values as usize];
    // What each value is, and the region that computes it.
    let mut made: Vec<(Made, u32)> = vec![(Made::Else, 0); kernel.n_values as usize];
    let mut sums = sums.iter().copied().peekable();
    let (mut open, mut n_regions) = (vec![0u32], 0);
    for (k, inst) in kernel.insts.iter().enumerate() {
        let region = open.last().copied().unwrap_or(0);
        let is_marked = sums.next_if_eq(&(k as u32)).is_some();
        let term = match *inst {
            Inst::Apply { dst, op: ScalarOp::Mul, .. } => {
                made[dst as usize] = (Made::Product, region);
                None
            }
            Inst::Apply { dst, op: ScalarOp::Neg, args } => {
                made[dst as usize] = (Made::NegativeOf(args[0]), region);
                None
            }
            Inst::Apply { op: ScalarOp::Add, args, .. } if is_marked => Some(args[1]),
            Inst::Accumulate { src, .. } if is_marked => Some(src),
            Inst::Loop { .. } | Inst::If { .. } | Inst::Else { .. } | Inst::IfWanted { .. } => {
                if matches!(inst, Inst::Else { .. }) {
                    open.pop();
                }
                n_regions += 1;
                open.push(n_regions);
                None
            }
            Inst::EndLoop { .. } | Inst::EndIf { .. } | Inst::EndWanted => {
                open.pop();
                None
            }
            _ => None,
        };
        let own = |val: Val| match made[val as usize] {
            (what, place) if place == region && uses[val as usize] == 1 => what,
            _ => Made::Else,
        };
        let Some(term) = term else { continue };
        match own(term) {
            Made::Product => taken[term as usize] = Taken::Plain,
            Made::NegativeOf(product) if matches!(own(product), Made::Product) => {
                taken[term as usize] = Taken::Negated;
                taken[product as usize] = Taken::Negated;
            }
            _ => {}
        }
    }
    taken
}

#[derive(Clone, Copy)]
enum Made {
    Product,
    NegativeOf(Val),
    Else,
}

/// How often each value is used.
fn use_counts(kernel: &Kernel) -> Vec<u32> {
    let mut uses = vec![0u32; kernel.n_values as usize];
    let mut count = |val: Val| uses[val as usize] += 1;
    for inst in &kernel.insts {
        match *inst {
            Inst::Apply { op, args, .. } => args[..op.arity()].iter().for_each(|&arg| count(arg)),
            Inst::Store { src, .. } | Inst::Accumulate { src, .. } => count(src),
            Inst::If { cond, .. } => count(cond),
            Inst::Check { value, .. } => count(value),
            _ => {}
        }
    }
    for carried in kernel.loops.iter().flat_map(|info| &info.carried) {
        count(carried.init);
        count(carried.next);
    }
    for &(_, yes, no) in kernel.conds.iter().flat_map(|info| &info.phis) {
        count(yes);
        count(no);
    }
    uses
}
