//! Loops whose iterations run on several threads.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nablac::backend::abi::{Engine, EvalError, Memory};
use nablac::backend::jit::{Jit, JitOptions};
use nablac::kernel::ir::*;
use nablac::kernel::threads::spread;
use nablac::ops::scalar::ScalarOp;

use crate::builder::Builder;

/// Iterations of the loop.
const N: i64 = 37;

/// A loop over `x`, N numbers, with a body; afterwards what `after` makes. Whether its iterations
/// are for threads; all engines agree in any case.
fn is_spread(
    body: impl FnOnce(&mut Builder, LoopId, Val),
    after: impl FnOnce(&mut Builder, LoopId),
) -> bool {
    let n = N as usize;
    let mut b = Builder::new("f", &[n], &[4 * n, 1]);
    b.kernel.work_len = 4 * n;
    let zero = b.constant(0.0);
    let (fill, _) = b.begin_loop(Trip::Const(4 * N as u64), false, &[]);
    b.store(Base::Work, 0, &[(fill, 1)], zero);
    b.store(Base::Res(0), 0, &[(fill, 1)], zero);
    b.end_loop(fill, &[]);
    b.store(Base::Res(1), 0, &[], zero);
    let (id, _) = b.begin_loop(Trip::Const(N as u64), true, &[]);
    let x = b.load(Base::Arg(0), 0, &[(id, 1)]);
    body(&mut b, id, x);
    b.end_loop(id, &[]);
    after(&mut b, id);
    let kernel = b.finish();
    let x: Vec<f64> = (0..n).map(|k| (k as f64).cos()).collect();
    crate::evaluate(&kernel, &[&x]).expect("nothing fails");
    spread(&kernel, 0).is_some_and(|threaded| threaded.loops.contains(&id))
}

fn nothing(_: &mut Builder, _: LoopId) {}

#[test]
fn iterations_that_write_apart() {
    let strided = |stride: i64, offsets: &'static [i64]| {
        is_spread(
            |b, id, x| {
                for &offset in offsets {
                    b.store(Base::Res(0), offset, &[(id, stride)], x);
                }
            },
            nothing,
        )
    };
    assert!(strided(1, &[0]));
    assert!(strided(3, &[0, 1, 2]));
    // Ranges one behind the other, and windows that overlap.
    assert!(strided(1, &[0, N, 2 * N]));
    assert!(!strided(1, &[0, 1]));
    assert!(!strided(2, &[0, 1, 2]));
    assert!(!strided(0, &[0]));
    // A lattice: N numbers for each of three steps of an inner loop; or one with places in common.
    let lattice = |step: i64| {
        is_spread(
            |b, id, x| {
                let (inner, _) = b.begin_loop(Trip::Const(3), false, &[]);
                b.accumulate(Base::Res(0), 0, &[(id, 1), (inner, step)], x);
                b.end_loop(inner, &[]);
            },
            nothing,
        )
    };
    assert!(lattice(N));
    assert!(!lattice(N - 1));
    assert!(!lattice(1));
    // Reading what the next iteration writes.
    let ahead = is_spread(
        |b, id, x| {
            let next = b.load(Base::Res(0), 1, &[(id, 1)]);
            let sum = b.apply(ScalarOp::Add, &[x, next]);
            b.store(Base::Res(0), 0, &[(id, 1)], sum);
        },
        nothing,
    );
    assert!(!ahead);
}

/// Stores x, reads it again and writes its square apart.
fn through(b: &mut Builder, id: LoopId, x: Val, at: i64) {
    b.store(Base::Work, at, &[], x);
    let again = b.load(Base::Work, at, &[]);
    let square = b.apply(ScalarOp::Mul, &[x, again]);
    b.store(Base::Res(0), 0, &[(id, 1)], square);
}

#[test]
fn work_memory_of_an_iteration() {
    assert!(is_spread(|b, id, x| through(b, id, x, 2), nothing));
    // Read before it is written: it holds what the iteration before has left.
    let before = is_spread(
        |b, id, x| {
            let last = b.load(Base::Work, 2, &[]);
            let sum = b.apply(ScalarOp::Add, &[x, last]);
            b.store(Base::Work, 2, &[], sum);
            b.store(Base::Res(0), 0, &[(id, 1)], sum);
        },
        nothing,
    );
    assert!(!before);
    // Written in one branch only.
    let branch = |both: bool| {
        is_spread(
            |b, id, x| {
                let cond = b.begin_if(x);
                b.store(Base::Work, 2, &[], x);
                b.begin_else(cond);
                b.end_if(cond, &[]);
                if both {
                    b.store(Base::Work, 2, &[], x);
                }
                let again = b.load(Base::Work, 2, &[]);
                b.store(Base::Res(0), 0, &[(id, 1)], again);
            },
            nothing,
        )
    };
    assert!(!branch(false));
    assert!(branch(true));
    // Filled by an inner loop, which may not run, and read by another one.
    let inner = |trip: Trip, read: u64| {
        is_spread(
            |b, id, x| {
                let (fill, _) = b.begin_loop(trip, false, &[]);
                b.store(Base::Work, 0, &[(fill, 2)], x);
                b.store(Base::Work, 1, &[(fill, 2)], x);
                b.end_loop(fill, &[]);
                let (sum, _) = b.begin_loop(Trip::Const(read), false, &[]);
                let y = b.load(Base::Work, 0, &[(sum, 1)]);
                b.accumulate(Base::Res(0), 0, &[(id, 1)], y);
                b.end_loop(sum, &[]);
            },
            nothing,
        )
    };
    assert!(inner(Trip::Const(4), 8));
    assert!(!inner(Trip::Const(4), 9));
    assert!(!inner(Trip::Rest { limit: 4, total: 4, used: Affine::default() }, 8));
}

#[test]
fn work_memory_after_the_loop() {
    let after =
        |after: &dyn Fn(&mut Builder)| is_spread(|b, id, x| through(b, id, x, 2), |b, _| after(b));
    let read = |b: &mut Builder| {
        let last = b.load(Base::Work, 2, &[]);
        b.store(Base::Res(1), 0, &[], last);
    };
    assert!(!after(&read));
    assert!(after(&|b| {
        let one = b.constant(1.0);
        b.store(Base::Work, 2, &[], one);
        read(b);
    }));
    // Written when one result is wanted, read for another one.
    assert!(!after(&|b| {
        let one = b.constant(1.0);
        b.push(Inst::IfWanted { res: 1 });
        b.store(Base::Work, 2, &[], one);
        b.push(Inst::EndWanted);
        read(b);
    }));
    // Reached by a table, or passed over.
    let gather = |b: &mut Builder, entries: [u32; 3]| {
        b.kernel.tables.push(Arc::from(entries));
        let table = b.kernel.tables.len() as u32 - 1;
        let (id, _) = b.begin_loop(Trip::Const(3), false, &[]);
        let index = Affine { offset: 0, terms: vec![(id, 1)] };
        let lookup = Lookup { table, index };
        let addr = b.table_addr(Base::Work, Affine::default(), vec![lookup]);
        let y = b.load_at(addr);
        b.accumulate(Base::Res(1), 0, &[], y);
        b.end_loop(id, &[]);
    };
    assert!(!after(&|b| gather(b, [0, 2, 4])));
    assert!(after(&|b| gather(b, [0, 3, 4])));
}

/// Calls in a loop, whose callee has work memory and fails where x is above 100.
fn calling() -> Arc<Kernel> {
    let mut callee = Builder::new("square", &[1], &[1]);
    callee.kernel.work_len = 3;
    let x = callee.load(Base::Arg(0), 0, &[]);
    callee.check(x, -100.0, 100.0);
    callee.store(Base::Work, 1, &[], x);
    let again = callee.load(Base::Work, 1, &[]);
    let square = callee.apply(ScalarOp::Mul, &[x, again]);
    callee.store(Base::Res(0), 0, &[], square);
    let callee = callee.finish();
    let n = N as usize;
    let mut b = Builder::new("f", &[n], &[n]);
    b.kernel.work_len = 8;
    let (id, _) = b.begin_loop(Trip::Const(N as u64), true, &[]);
    let args = [b.addr(Base::Arg(0), 0, &[(id, 1)])];
    let res = [b.addr(Base::Work, 1, &[])];
    b.call(Callee::Kernel(callee), &args, &res, 4);
    let y = b.load(Base::Work, 1, &[]);
    b.store(Base::Res(0), 0, &[(id, 1)], y);
    b.end_loop(id, &[]);
    b.finish()
}

#[test]
fn the_first_failure_is_reported() {
    let kernel = calling();
    assert!(spread(&kernel, 0).is_some());
    let mut x = vec![3.0; N as usize];
    assert_eq!(crate::evaluate(&kernel, &[&x]), Ok(vec![vec![9.0; N as usize]]));
    for wrong in [36, 22, 9, 5] {
        x[wrong] = 100.0 + wrong as f64;
        let Err(EvalError::RangeViolated { iteration, value, .. }) =
            crate::evaluate(&kernel, &[&x])
        else {
            panic!("{wrong} is out of range")
        };
        assert_eq!((iteration, value), (Some(wrong as u64), 100.0 + wrong as f64));
    }
}

#[test]
fn cancelled() {
    let kernel = calling();
    let options = JitOptions { threads: 3, shared_from: 0, ..JitOptions::default() };
    let jit = Jit::new(&kernel, &options).expect("compiles");
    let mut memory = Memory::with_cancel(Arc::new(AtomicBool::new(true)));
    let mut y = vec![0.0; N as usize];
    let outcome = jit.call(&[&vec![3.0; N as usize]], &mut [Some(&mut y)], &mut memory);
    assert!(matches!(outcome, Err(EvalError::Cancelled { iteration: Some(0), .. })), "{outcome:?}");
}

#[test]
fn several_evaluations_at_once() {
    let kernel = calling();
    let options = JitOptions { threads: 3, shared_from: 0, ..JitOptions::default() };
    let jit = Jit::new(&kernel, &options).expect("compiles");
    std::thread::scope(|scope| {
        for k in 0..4 {
            let jit = &jit;
            scope.spawn(move || {
                let x = vec![f64::from(k); N as usize];
                let mut memory = Memory::default();
                for _ in 0..200 {
                    let mut y = vec![0.0; N as usize];
                    jit.call(&[&x], &mut [Some(&mut y)], &mut memory).expect("in range");
                    assert_eq!(y, vec![f64::from(k * k); N as usize]);
                }
            });
        }
    });
}
