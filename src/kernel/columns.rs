//! Loops that add multiples of the columns of a dense matrix to a vector.
//!
//! `for l { y = b[l]; for i { c[i] += a[i, l] * y } }`, the inner part of products of matrices.
//! Each `c[i]` may stay in a register over all columns: its additions keep their order.

use super::ir::{Addr, AddrId, Inst, Kernel, LoopId, Trip};
use super::lanes::{Extents, stride};
use crate::ops::scalar::ScalarOp;

/// Such a pair of loops.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    /// Over columns, and over the rows of one.
    pub outer: LoopId,
    pub inner: LoopId,
    /// Places of the outer loop's first and last instruction.
    pub begin: usize,
    pub end: usize,
    pub a: AddrId,
    pub b: AddrId,
    pub c: AddrId,
    pub n_columns: u64,
    pub n_rows: u64,
    /// From one column to the next, in `a` and in `b`.
    pub a_stride: i64,
    pub b_stride: i64,
}

/// Work below which a loop of its own costs as little.
const FEWEST: u64 = 64;
/// Work that is done without a look at the cancel flag.
const MOST: u64 = 1 << 28;

/// All of them.
pub fn columns(kernel: &Kernel) -> Vec<Columns> {
    let mut extents = Extents::new(kernel);
    let begins =
        (0..kernel.insts.len()).filter(|&pc| matches!(kernel.insts[pc], Inst::Loop { .. }));
    begins.filter_map(|begin| at(kernel, begin, &mut extents)).collect()
}

fn at(kernel: &Kernel, begin: usize, extents: &mut Extents) -> Option<Columns> {
    let &[
        Inst::Loop { id: outer },
        Inst::Load { dst: y, addr: b },
        Inst::Loop { id: inner },
        Inst::Load { dst: x, addr: a },
        Inst::Apply { dst: product, op: ScalarOp::Mul, args: [left, right, _] },
        Inst::Accumulate { addr: c, src },
        Inst::EndLoop { id: first_end },
        Inst::EndLoop { id: second_end },
        ..,
    ] = &kernel.insts[begin..]
    else {
        return None;
    };
    let is_product = (left, right) == (x, y) || (left, right) == (y, x);
    let loops = [outer, inner].map(|id| &kernel.loops[id as usize]);
    let [&Trip::Const(n_columns), &Trip::Const(n_rows)] = loops.map(|info| &info.trip) else {
        return None;
    };
    let addr = |id: AddrId| &kernel.addrs[id as usize];
    let moves = |id: AddrId, by_inner: i64| {
        addr(id).tables.is_empty() && stride(addr(id), inner) == by_inner
    };
    let work = n_columns.saturating_mul(n_rows);
    let fits = is_product
        && (src, first_end, second_end) == (product, inner, outer)
        && loops.iter().all(|info| info.carried.is_empty())
        && n_rows >= 4
        && (FEWEST..MOST).contains(&work)
        && moves(a, 1)
        && moves(b, 0)
        && moves(c, 1)
        && stride(addr(c), outer) == 0
        && [a, b].iter().all(|&other| are_apart(addr(other), addr(c), extents));
    let (a_stride, b_stride) = (stride(addr(a), outer), stride(addr(b), outer));
    let end = begin + 7;
    let found =
        Columns { outer, inner, begin, end, a, b, c, n_columns, n_rows, a_stride, b_stride };
    (fits && a_stride >= 0 && b_stride >= 0).then_some(found)
}

fn are_apart(a: &Addr, b: &Addr, extents: &mut Extents) -> bool {
    let (x, y) = (extents.of(a), extents.of(b));
    a.base != b.base || x.1 < y.0 || y.1 < x.0
}
