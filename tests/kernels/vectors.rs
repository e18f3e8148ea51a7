//! Loops whose iterations run several at a time in machine code.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nablac::backend::abi::{EvalError, Memory};
use nablac::kernel::ir::*;
use nablac::ops::scalar::ScalarOp;

use crate::builder::Builder;

/// Arithmetic over windows, by stride, backwards, by table, of counters and of calls, for even and
/// odd numbers of iterations; no lane may see another one.
fn body(n: u64) -> Arc<Kernel> {
    let len = n as usize;
    let mut b = Builder::new("lanes", &[3 * len, 4], &[2 * len, len]);
    let table: Arc<[u32]> = (0..len).map(|k| (k * 7 % len) as u32).collect();
    b.kernel.tables.push(table);
    let outside = b.load(Base::Arg(1), 2, &[]);
    let third = b.constant(1.0 / 3.0);
    let (id, _) = b.begin_loop(Trip::Const(n), true, &[]);
    let index = Affine { offset: 0, terms: vec![(id, 1)] };
    let lookup = |offset: i64| Lookup { table: 0, index: Affine { offset, ..index.clone() } };
    let by_table =
        b.table_addr(Base::Arg(0), Affine { offset: 1, ..index.clone() }, vec![lookup(0)]);
    let twice = vec![lookup(0), lookup(0)];
    let by_two = b.table_addr(Base::Arg(0), Affine::default(), twice);
    let mut values = vec![
        outside,
        third,
        b.load(Base::Arg(0), 1, &[(id, 1)]),
        b.load(Base::Arg(0), 2, &[(id, 2)]),
        b.load(Base::Arg(0), n as i64 - 1, &[(id, -1)]),
        b.load(Base::Arg(1), 3, &[]),
        b.load_at(by_table),
        b.load_at(by_two),
        b.counter(id, 0.5, 2.0),
    ];
    values.push(b.apply(ScalarOp::Sin, &[values[8]]));
    let ops = [
        ScalarOp::Add,
        ScalarOp::Mul,
        ScalarOp::Sub,
        ScalarOp::Div,
        ScalarOp::Abs,
        ScalarOp::Sqrt,
        ScalarOp::Neg,
    ];
    for k in 0..60 {
        let (x, y) = (values[values.len() - 1], values[k * 5 % values.len()]);
        values.push(b.apply(ops[k % ops.len()], &[x, y]));
    }
    let last = values.len() - 1;
    b.store(Base::Res(0), 0, &[(id, 2)], values[last]);
    b.store(Base::Res(0), 1, &[(id, 2)], values[last - 3]);
    b.store(Base::Res(1), 0, &[(id, 1)], values[last - 7]);
    b.end_loop(id, &[]);
    b.finish()
}

#[test]
fn lanes_have_the_bits_of_iterations() {
    for n in 1..=51 {
        let x: Vec<f64> = (0..3 * n).map(|k| 1.5 + (k as f64).sin()).collect();
        let results = crate::evaluate(&body(n), &[&x, &[0.25, -3.0, 1.75, 0.5]]).unwrap();
        assert!(results.iter().flatten().all(|v| v.is_finite()), "{results:?}");
    }
}

/// Fused operations on registers, memory, constants and invariants, each the only one or not to use
/// its arguments, the same one twice, and with every choice of signs.
#[test]
fn fused_operations_have_the_bits_of_iterations() {
    for (n, seed) in (0..24).map(|k| ([2, 3, 4, 8, 33][k % 5], k)) {
        let mut b = Builder::new("fused", &[3 * n, 2], &[n, n]);
        let outside = b.load(Base::Arg(1), 0, &[]);
        let third = b.constant(1.0 / 3.0);
        let (id, _) = b.begin_loop(Trip::Const(n as u64), true, &[]);
        let mut values =
            vec![outside, third, b.load(Base::Arg(1), 1, &[]), b.counter(id, 0.5, 0.1)];
        let mut state = seed as u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % below
        };
        for k in 0..40 {
            let mut pick = |b: &mut Builder| match random(8) {
                0 => b.load(Base::Arg(0), random(n) as i64, &[(id, 1)]),
                1 => b.load(Base::Arg(0), n as i64 - 1, &[(id, -1)]),
                2 => values[values.len() - 1],
                _ => values[random(values.len())],
            };
            let args = [pick(&mut b), pick(&mut b), pick(&mut b)].map(|arg| match random(3) {
                0 => b.apply(ScalarOp::Neg, &[arg]),
                _ => arg,
            });
            let args = if k % 7 == 6 { [args[0], args[2], args[2]] } else { args };
            let fused = b.apply(ScalarOp::Fma, &args);
            values.push(match random(4) {
                0 => b.apply(ScalarOp::Tanh, &[fused]),
                1 => b.apply(ScalarOp::Mul, &[fused, third]),
                _ => fused,
            });
        }
        let small = b.apply(ScalarOp::Sin, &[values[values.len() - 2]]);
        b.store(Base::Res(0), 0, &[(id, 1)], values[values.len() - 1]);
        b.store(Base::Res(1), 0, &[(id, 1)], small);
        b.end_loop(id, &[]);
        let x: Vec<f64> = (0..3 * n).map(|k| (1.5 * k as f64).sin()).collect();
        crate::evaluate(&b.finish(), &[&x, &[0.25, -0.7]]).unwrap();
    }
}

/// A recurrence through memory, and results that overwrite one another: run one by one.
#[test]
fn iterations_that_see_one_another_stay_in_order() {
    for (read, written) in [(0, 1), (1, 0), (3, 2)] {
        let mut b = Builder::new("recurrence", &[2], &[12]);
        let start = b.load(Base::Arg(0), 0, &[]);
        for k in 0..4 {
            b.store(Base::Res(0), k, &[], start);
        }
        let (id, _) = b.begin_loop(Trip::Const(7), false, &[]);
        let mut y = b.load(Base::Res(0), read, &[(id, 1)]);
        for _ in 0..8 {
            y = b.apply(ScalarOp::Mul, &[y, y]);
            y = b.apply(ScalarOp::Sub, &[y, start]);
        }
        b.store(Base::Res(0), written, &[(id, 1)], y);
        b.store(Base::Res(0), written + 1, &[(id, 1)], start);
        b.end_loop(id, &[]);
        crate::evaluate(&b.finish(), &[&[0.75, 0.5]]).unwrap();
    }
}

/// Loops in loops: counters, values and windows of the outer ones inside, more values than
/// registers, calls between them.
#[test]
fn inner_loops_see_what_is_around_them() {
    let mut b = Builder::new("nest", &[30, 6], &[30]);
    let (outer, _) = b.begin_loop(Trip::Const(3), false, &[]);
    let around = b.load(Base::Arg(1), 0, &[(outer, 2)]);
    let scaled = b.apply(ScalarOp::Exp, &[around]);
    let (inner, _) = b.begin_loop(Trip::Const(10), true, &[]);
    let mut values = vec![
        b.load(Base::Arg(0), 0, &[(outer, 10), (inner, 1)]),
        b.load(Base::Arg(0), 9, &[(outer, 10), (inner, -1)]),
        b.load(Base::Arg(1), 1, &[(outer, 2)]),
        b.counter(outer, 3.0, -0.5),
        b.counter(inner, 0.0, -1.0),
        scaled,
    ];
    for k in 0..40 {
        let (x, y) = (values[k * 3 % values.len()], values[values.len() - 1]);
        let op = [ScalarOp::Mul, ScalarOp::Sub, ScalarOp::Max, ScalarOp::Tanh][k % 4];
        values.push(b.apply(op, &[x, y][..op.arity()]));
    }
    let sum = values.clone().into_iter().reduce(|x, y| b.apply(ScalarOp::Add, &[x, y])).unwrap();
    b.store(Base::Res(0), 0, &[(outer, 10), (inner, 1)], sum);
    b.end_loop(inner, &[]);
    b.end_loop(outer, &[]);
    let x: Vec<f64> = (0..30).map(|k| (f64::from(k) * 0.37).sin()).collect();
    crate::evaluate(&b.finish(), &[&x, &[0.1, -0.2, 0.3, 0.4, -0.5, 0.6]]).unwrap();
}

/// The flag is seen in the loop, and the iteration is that of all engines.
#[test]
fn cancelled_loops_say_where() {
    let n = 1 << 18;
    let mut b = Builder::new("long", &[n], &[n]);
    let (id, _) = b.begin_loop(Trip::Const(n as u64), true, &[]);
    let x = b.load(Base::Arg(0), 0, &[(id, 1)]);
    let y = (0..8).fold(x, |y, _| b.apply(ScalarOp::Mul, &[y, x]));
    b.store(Base::Res(0), 0, &[(id, 1)], y);
    b.end_loop(id, &[]);
    let mut kernel = b.kernel;
    // As the kernel of a function has it.
    kernel.loops[id as usize].poll = 1 << 10;
    kernel.loops[id as usize].first.offset = 7;
    let kernel = Arc::new(kernel);
    let x = vec![0.5; n];
    for (name, engine) in crate::engines(&kernel) {
        let mut memory = Memory::with_cancel(Arc::new(AtomicBool::new(true)));
        let outcome = crate::call(&*engine, &kernel, &[&x], &mut memory);
        assert!(
            matches!(outcome, Err(EvalError::Cancelled { iteration: Some(7), .. })),
            "{name}: {outcome:?}"
        );
    }
}
