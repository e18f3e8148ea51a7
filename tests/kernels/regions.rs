//! Loops, conditionals, calls and failures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nablac::backend::abi::{EvalError, Memory};
use nablac::graph::{Callback, External};
use nablac::kernel::ir::*;
use nablac::ops::scalar::{Eval, ScalarOp};
use nablac::sparsity::Pattern;

use crate::builder::Builder;
use crate::{call, engines, evaluate};

/// `y = sum over blocks of (sum of x[k]^2 in the block)`, blocks of 4 of 10.
/// A function of one number as the table has it.
fn of_one(op: ScalarOp, x: f64) -> f64 {
    match op.row().eval {
        Eval::F1(f) => f(x),
        _ => unreachable!("it has one argument"),
    }
}

#[test]
fn blocked_sum() {
    let n = 10;
    let mut b = Builder::new("sum", &[n], &[1]);
    let zero = b.constant(0.0);
    let (outer, total) = b.begin_loop(Trip::Const(3), false, &[zero]);
    let used = Affine { offset: 0, terms: vec![(outer, 4)] };
    let rest = Trip::Rest { limit: 4, total: n as u64, used };
    let (inner, partial) = b.begin_loop(rest, true, &[zero]);
    let x = b.load(Base::Arg(0), 0, &[(inner, 1), (outer, 4)]);
    let square = b.apply(ScalarOp::Mul, &[x, x]);
    let next = b.apply(ScalarOp::Add, &[partial[0], square]);
    b.end_loop(inner, &[next]);
    let next = b.apply(ScalarOp::Add, &[total[0], partial[0]]);
    b.end_loop(outer, &[next]);
    b.store(Base::Res(0), 0, &[], total[0]);
    let x: Vec<f64> = (0..n).map(|k| k as f64).collect();
    assert_eq!(evaluate(&b.finish(), &[&x]), Ok(vec![vec![285.0]]));
}

/// Loops that do not run keep the initial values.
#[test]
fn empty_loops() {
    let mut b = Builder::new("empty", &[1], &[2]);
    let x = b.load(Base::Arg(0), 0, &[]);
    let one = b.constant(1.0);
    for (k, trip) in [
        Trip::Const(0),
        Trip::Rest { limit: 4, total: 3, used: Affine { offset: 7, terms: Vec::new() } },
    ]
    .into_iter()
    .enumerate()
    {
        let (id, carried) = b.begin_loop(trip, false, &[x]);
        let next = b.apply(ScalarOp::Add, &[carried[0], one]);
        b.end_loop(id, &[next]);
        b.store(Base::Res(0), k as i64, &[], carried[0]);
    }
    assert_eq!(evaluate(&b.finish(), &[&[5.0]]), Ok(vec![vec![5.0, 5.0]]));
}

/// Fibonacci numbers: carried values that exchange places.
#[test]
fn carried_values_change_at_once() {
    let mut b = Builder::new("fibonacci", &[2], &[2]);
    let x0 = b.load(Base::Arg(0), 0, &[]);
    let x1 = b.load(Base::Arg(0), 1, &[]);
    let (id, c) = b.begin_loop(Trip::Const(10), false, &[x0, x1]);
    let sum = b.apply(ScalarOp::Add, &[c[0], c[1]]);
    b.end_loop(id, &[c[1], sum]);
    b.store(Base::Res(0), 0, &[], c[0]);
    b.store(Base::Res(0), 1, &[], c[1]);
    assert_eq!(evaluate(&b.finish(), &[&[0.0, 1.0]]), Ok(vec![vec![55.0, 89.0]]));
}

/// Look-ups in tables, accumulation, counters, conditionals in loops, negative strides.
#[test]
fn scatter_with_conditional() {
    let n = 9;
    let mut b = Builder::new("scatter", &[n], &[3, n]);
    b.kernel.tables.push(Arc::from(vec![2u32, 0, 1, 1, 2, 2, 0, 1, 2]));
    b.kernel.data.push(Arc::from((0..n).map(|k| 0.5 * k as f64).collect::<Vec<_>>()));
    let zero = b.constant(0.0);
    for k in 0..3 {
        b.store(Base::Res(0), k, &[], zero);
    }
    let (id, _) = b.begin_loop(Trip::Const(n as u64), false, &[]);
    let k = b.counter(id, 0.25, 3.0);
    let x = b.load(Base::Arg(0), n as i64 - 1, &[(id, -1)]);
    let d = b.load(Base::Data(0), 0, &[(id, 1)]);
    let is_less = b.apply(ScalarOp::Lt, &[x, d]);
    let cond = b.begin_if(is_less);
    let yes = b.apply(ScalarOp::Mul, &[x, k]);
    let inner = b.begin_if(d);
    let deep = b.apply(ScalarOp::Sin, &[yes]);
    b.begin_else(inner);
    let deep = b.end_if(inner, &[(deep, yes)]);
    b.begin_else(cond);
    let no = b.apply(ScalarOp::Sub, &[d, k]);
    let phi = b.end_if(cond, &[(deep[0], no)]);
    let lookup = Lookup { table: 0, index: Affine { offset: 0, terms: vec![(id, 1)] } };
    let to = b.table_addr(Base::Res(0), Affine::default(), vec![lookup]);
    b.push(Inst::Accumulate { addr: to, src: phi[0] });
    b.store(Base::Res(1), 0, &[(id, 1)], phi[0]);
    b.end_loop(id, &[]);
    let x: Vec<f64> = (0..n).map(|k| (k as f64 * 1.7).sin() * 4.0).collect();
    let y = evaluate(&b.finish(), &[&x]).expect("no failure");
    let table = [2usize, 0, 1, 1, 2, 2, 0, 1, 2];
    let mut sums = [0.0; 3];
    for k in 0..n {
        let (x, d, c) = (x[n - 1 - k], 0.5 * k as f64, 0.25 + 3.0 * k as f64);
        let value =
            if x < d { if d != 0.0 { of_one(ScalarOp::Sin, x * c) } else { x * c } } else { d - c };
        sums[table[k]] += value;
        assert_eq!(y[1][k], value);
    }
    assert_eq!(y[0], sums);
}

/// A callee with work memory and a loop, called in a loop on slices, with results in work memory.
fn caller(check: bool) -> Arc<Kernel> {
    let mut b = Builder::new("inner", &[3, 1], &[1, 3]);
    b.kernel.work_len = 3;
    let (id, _) = b.begin_loop(Trip::Const(3), false, &[]);
    let x = b.load(Base::Arg(0), 0, &[(id, 1)]);
    let p = b.load(Base::Arg(1), 0, &[]);
    if check {
        b.check(x, -10.0, 10.0);
    }
    let y = b.apply(ScalarOp::Mul, &[x, p]);
    b.store(Base::Work, 2, &[(id, -1)], y);
    b.end_loop(id, &[]);
    let zero = b.constant(0.0);
    let (id, sum) = b.begin_loop(Trip::Const(3), false, &[zero]);
    let y = b.load(Base::Work, 0, &[(id, 1)]);
    b.store(Base::Res(1), 0, &[(id, 1)], y);
    let next = b.apply(ScalarOp::Add, &[sum[0], y]);
    b.end_loop(id, &[next]);
    b.store(Base::Res(0), 0, &[], sum[0]);
    let inner = b.finish();

    let mut b = Builder::new("outer", &[12, 4], &[4, 12]);
    b.kernel.work_len = 1 + 4 + 3;
    let (id, _) = b.begin_loop(Trip::Const(4), false, &[]);
    let p = b.load(Base::Arg(1), 0, &[(id, 1)]);
    let p = b.apply(ScalarOp::Exp, &[p]);
    b.store(Base::Work, 0, &[], p);
    let args = [b.addr(Base::Arg(0), 0, &[(id, 3)]), b.addr(Base::Work, 0, &[])];
    let res = [b.addr(Base::Work, 1, &[(id, 1)]), b.addr(Base::Res(1), 0, &[(id, 3)])];
    b.call(Callee::Kernel(inner), &args, &res, 5);
    b.end_loop(id, &[]);
    for k in 0..4 {
        let y = b.load(Base::Work, 1 + k, &[]);
        b.store(Base::Res(0), k, &[], y);
    }
    b.finish()
}

#[test]
fn calls() {
    let x: Vec<f64> = (0..12).map(|k| k as f64).collect();
    let p = [0.0, 1.0, 2.0, -1.0];
    let y = evaluate(&caller(false), &[&x, &p]).expect("no failure");
    for k in 0..4 {
        let scale = of_one(ScalarOp::Exp, p[k]);
        let parts: Vec<f64> = (0..3).map(|j| x[3 * k + 2 - j] * scale).collect();
        assert_eq!(y[1][3 * k..3 * k + 3], parts);
        assert_eq!(y[0][k], 0.0 + parts[0] + parts[1] + parts[2]);
    }
}

#[test]
fn range_violation_names_value_and_iteration() {
    let x: Vec<f64> = (0..12).map(|k| k as f64).collect();
    let failed = evaluate(&caller(true), &[&x, &[0.0; 4]]);
    let expected = EvalError::RangeViolated {
        function: "inner".to_owned(),
        input: "x".to_owned(),
        value: 11.0,
        lo: -10.0,
        hi: 10.0,
        output: None,
        iteration: Some(2),
    };
    assert_eq!(failed, Err(expected.clone()));
    assert_eq!(expected.to_string(), "`x` of `inner` is 11, not in -10..10 (iteration 2)");
    let mut x = x;
    x[11] = 0.0;
    assert!(evaluate(&caller(true), &[&x, &[0.0; 4]]).is_ok());
    x[4] = f64::NAN;
    let failed = evaluate(&caller(true), &[&x, &[0.0; 4]]);
    assert!(matches!(failed, Err(EvalError::RangeViolated { iteration: Some(1), .. })));
}

fn external(callback: Callback) -> Arc<Kernel> {
    let external = External {
        name: "ext".to_owned(),
        inputs: vec![Pattern::dense(2, 1), Pattern::zero(3, 1)],
        outputs: vec![Pattern::scalar()],
        callback: Some(callback),
    };
    let mut b = Builder::new("calls_ext", &[6], &[3]);
    let (id, _) = b.begin_loop(Trip::Const(3), false, &[]);
    let args = [b.addr(Base::Arg(0), 0, &[(id, 2)]), b.addr(Base::Arg(0), 0, &[])];
    let res = [b.addr(Base::Res(0), 0, &[(id, 1)])];
    b.call(Callee::External(Arc::new(external)), &args, &res, 0);
    b.end_loop(id, &[]);
    b.finish()
}

#[test]
fn externals() {
    let kernel = external(Arc::new(|arg, res| {
        if arg[0][0] == 4.0 {
            return Err("no fours".to_owned());
        }
        res[0][0] = arg[0][0] - arg[0][1];
        Ok(())
    }));
    let good = evaluate(&kernel, &[&[1.0, 2.0, 3.0, 5.0, 9.0, 8.0]]);
    assert_eq!(good, Ok(vec![vec![-1.0, -2.0, 1.0]]));
    let failed = |message: &str| {
        let (function, message) = ("ext".to_owned(), message.to_owned());
        Err(EvalError::ExternalFailed { function, message, output: None, iteration: Some(2) })
    };
    assert_eq!(evaluate(&kernel, &[&[1.0, 2.0, 3.0, 5.0, 4.0, 8.0]]), failed("no fours"));
    let panics = external(Arc::new(|arg, _| {
        assert!(arg[0][0] != 4.0);
        Ok(())
    }));
    assert_eq!(evaluate(&panics, &[&[1.0, 2.0, 3.0, 5.0, 4.0, 8.0]]), failed("it panicked"));
}

/// What serves only an unwanted result is skipped; what other code shares goes to spare memory.
#[test]
fn unwanted_results() {
    let mut b = Builder::new("wanted", &[1], &[1, 1, 2]);
    let x = b.load(Base::Arg(0), 0, &[]);
    for (res, op) in [(0, ScalarOp::Sin), (1, ScalarOp::Cos)] {
        b.push(Inst::IfWanted { res });
        let y = b.apply(op, &[x]);
        b.check(y, -2.0, if res == 1 { -1.5 } else { 2.0 });
        b.store(Base::Res(res), 0, &[], y);
        b.push(Inst::EndWanted);
    }
    b.store(Base::Res(2), 1, &[], x);
    b.store(Base::Res(2), 0, &[], x);
    let kernel = b.finish();
    for (name, engine) in engines(&kernel) {
        let mut memory = Memory::default();
        let (mut y0, mut y2) = ([0.0], [0.0; 2]);
        engine.call(&[&[1.0]], &mut [Some(&mut y0), None, None], &mut memory).expect(&name);
        assert_eq!(y0[0], of_one(ScalarOp::Sin, 1.0), "{name}");
        engine.call(&[&[3.0]], &mut [None, None, Some(&mut y2)], &mut memory).expect(&name);
        assert_eq!(y2, [3.0; 2], "{name}");
        assert!(call(&*engine, &kernel, &[&[1.0]], &mut memory).is_err(), "{name}");
    }
}

#[test]
fn cancelled_from_another_thread() {
    let mut b = Builder::new("long", &[1], &[1]);
    let x = b.load(Base::Arg(0), 0, &[]);
    let (id, carried) = b.begin_loop(Trip::Const(u64::MAX >> 1), true, &[x]);
    let next = b.apply(ScalarOp::Add, &[carried[0], x]);
    b.end_loop(id, &[next]);
    b.store(Base::Res(0), 0, &[], carried[0]);
    let kernel = b.finish();
    for (name, engine) in engines(&kernel) {
        let cancel = Arc::new(AtomicBool::new(false));
        let mut memory = Memory::with_cancel(cancel.clone());
        let start = Instant::now();
        let outcome = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(20));
                cancel.store(true, Ordering::Relaxed);
            });
            call(&*engine, &kernel, &[&[1.0]], &mut memory)
        });
        assert!(matches!(outcome, Err(EvalError::Cancelled { iteration: Some(_), .. })), "{name}");
        assert!(start.elapsed() < Duration::from_secs(10), "{name}");
    }
}

#[test]
fn wrong_lengths_are_errors() {
    for (_, engine) in engines(&caller(false)) {
        let mut memory = Memory::default();
        let error = engine.call(&[&[0.0; 12]], &mut [None, None], &mut memory);
        assert!(matches!(error, Err(EvalError::Count { expected: 2, given: 1, .. })));
        let error = engine.call(&[&[0.0; 12], &[0.0; 3]], &mut [None, None], &mut memory);
        let text = error.expect_err("too short").to_string();
        assert_eq!(text, "input `x1` of `outer` has 4 nonzeros, 3 were given");
    }
}
