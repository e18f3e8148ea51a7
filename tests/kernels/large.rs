//! A million instructions: no deep recursion, about linear time.

use nablac::backend::abi::Memory;
use nablac::backend::interp::Interp;
use nablac::backend::jit::{Jit, JitOptions};
use nablac::kernel::ir::*;
use nablac::ops::scalar::ScalarOp;

use crate::builder::Builder;
use crate::call;

/// Each operation uses the one before and one some way back.
#[test]
fn a_million_instructions() {
    let n = 1_000_000;
    let mut b = Builder::new("long", &[2], &[1, 1]);
    let mut values = vec![b.load(Base::Arg(0), 0, &[]), b.load(Base::Arg(0), 1, &[])];
    let mut seed = 7u64;
    for k in 0..n {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let back = if seed >> 60 == 0 { (seed >> 20) as usize % values.len() } else { k };
        let other = values[values.len() - 1 - back.min(values.len() - 1) % 40];
        let op = [ScalarOp::Add, ScalarOp::Sub, ScalarOp::Min, ScalarOp::Max][k % 4];
        let far = values[(seed >> 30) as usize % values.len()];
        let arg = if seed >> 61 == 1 { far } else { other };
        let last = values[values.len() - 1];
        let dst = b.apply(op, &[last, arg]);
        values.push(dst);
    }
    b.store(Base::Res(0), 0, &[], values[n / 2]);
    b.store(Base::Res(1), 0, &[], values[n]);
    let kernel = b.finish();
    let mut memory = Memory::default();
    let expected = call(&Interp::new(&kernel), &kernel, &[&[1.5, -0.25]], &mut memory);
    let options = JitOptions { optimize: false, ..JitOptions::default() };
    let jit = Jit::new(&kernel, &options).expect("compiles");
    assert_eq!(expected, call(&jit, &kernel, &[&[1.5, -0.25]], &mut memory));
}

/// Loop bodies and branches are cut as well; counters and carried values cross the cuts.
#[test]
fn long_bodies() {
    let mut b = Builder::new("bodies", &[4], &[4]);
    let x = b.load(Base::Arg(0), 3, &[]);
    let (id, carried) = b.begin_loop(Trip::Const(4), true, &[x, x]);
    let mut y = carried[0];
    for k in 0..3_000 {
        let z = b.load(Base::Arg(0), 0, &[(id, 1)]);
        y = b.apply([ScalarOp::Add, ScalarOp::Min][k % 2], &[y, z]);
    }
    let cond = b.begin_if(y);
    let mut yes = y;
    for _ in 0..3_000 {
        yes = b.apply(ScalarOp::Sub, &[yes, carried[1]]);
    }
    b.begin_else(cond);
    let phi = b.end_if(cond, &[(yes, x)]);
    b.store(Base::Res(0), 0, &[(id, 1)], phi[0]);
    b.end_loop(id, &[y, phi[0]]);
    crate::evaluate(&b.finish(), &[&[0.5, 1.5, -2.0, 0.25]]).expect("no failure");
}
