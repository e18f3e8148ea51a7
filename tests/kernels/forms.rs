//! Text, checks and operation counts of kernels.

use std::sync::Arc;

use expect_test::expect;
use nablac::kernel::count::{OpCounts, count};
use nablac::kernel::ir::*;
use nablac::kernel::print;
use nablac::kernel::verify::verify;
use nablac::ops::scalar::ScalarOp;

use crate::builder::Builder;

/// A sum in blocks over a gathered vector, with a conditional and a call.
fn sample() -> Arc<Kernel> {
    let mut b = Builder::new("square", &[1], &[1]);
    let x = b.load(Base::Arg(0), 0, &[]);
    let y = b.apply(ScalarOp::Mul, &[x, x]);
    b.store(Base::Res(0), 0, &[], y);
    let square = b.finish();

    let mut b = Builder::new("sample", &[5], &[1, 10]);
    b.kernel.work_len = 1;
    b.kernel.tables.push(Arc::from([0u32, 1, 2, 3, 4, 4, 3, 2, 1, 0]));
    let zero = b.constant(0.0);
    let (i, total) = b.begin_loop(Trip::Const(3), true, &[zero]);
    let used = Affine { offset: 0, terms: vec![(i, 4)] };
    let rest = Trip::Rest { limit: 4, total: 10, used: used.clone() };
    let (j, sum) = b.begin_loop(rest, false, &[zero]);
    let terms = vec![(i, 4), (j, 1)];
    let lookup = Lookup { table: 0, index: Affine { offset: 0, terms: terms.clone() } };
    let from = b.table_addr(Base::Arg(0), Affine::default(), vec![lookup]);
    let to = b.addr(Base::Work, 0, &[]);
    b.call(Callee::Kernel(square), &[from], &[to], 1);
    let x = b.load_at(to);
    b.check(x, 0.0, f64::INFINITY);
    let id = b.begin_if(x);
    let root = b.apply(ScalarOp::Sqrt, &[x]);
    b.begin_else(id);
    let k = b.counter(j, 0.0, 2.0);
    let sine = b.apply(ScalarOp::Sin, &[k]);
    let sine = b.apply(ScalarOp::Neg, &[sine]);
    let phi = b.end_if(id, &[(root, sine)]);
    b.accumulate(Base::Res(1), 0, &terms, phi[0]);
    let next = b.apply(ScalarOp::Add, &[sum[0], phi[0]]);
    b.end_loop(j, &[next]);
    let next = b.apply(ScalarOp::Add, &[total[0], sum[0]]);
    b.end_loop(i, &[next]);
    b.push(Inst::IfWanted { res: 0 });
    b.store(Base::Res(0), 0, &[], total[0]);
    b.push(Inst::EndWanted);
    b.finish()
}

#[test]
fn text_of_a_kernel() {
    expect![[r#"
        kernel square(x0[1]) -> (y0[1]) work 0 {
          v0 = x0[0]
          v1 = mul(v0, v0)
          y0[0] = v1
        }

        kernel sample(x0[5]) -> (y0[1], y1[10]) work 1 {
          v0 = 0.0
          loop i0 < 3 carry v1 = v0 then v10 poll {
            loop i1 < min(4, 10 - (0 + 4*i0)) carry v2 = v0 then v9 {
              call square(x0[0 + t0[0 + 4*i0 + 1*i1]]) -> (w[0]) work 1
              v3 = w[0]
              check v3 in 0.0..inf # x of sample
              if v3 {
                v4 = sqrt(v3)
              } else {
                v5 = 0.0 + 2.0*i1
                v6 = sin(v5)
                v7 = neg(v6)
              } v8 = v4 or v7
              y1[0 + 4*i0 + 1*i1] += v8
              v9 = add(v2, v8)
            }
            v10 = add(v1, v2)
          }
          wanted y0 {
            y0[0] = v1
          }
        }
    "#]]
    .assert_eq(&print::text(&sample()));
}

#[test]
fn well_formed_kernel_passes() {
    assert_eq!(verify(&sample()), Ok(()));
}

/// 10 iterations, not 3 * 4; one of each part of the conditional, `neg` free.
#[test]
fn counts_follow_trips_and_calls() {
    // A square root costs as much as four additions, and so does a division.
    let cost = 23 + 10 + 4 * 10;
    let expected = OpCounts { add: 10 + 10 + 3, mul: 10, sqrt: 10, cost, ..OpCounts::default() };
    assert_eq!(count(&sample()), expected);
    assert_eq!(expected.total(), 43);
}

/// The larger part of a conditional; loops in loops whose trips are all cut.
#[test]
fn counts_of_nested_blocks() {
    let mut b = Builder::new("blocks", &[], &[]);
    let x = b.constant(1.0);
    let (i, _) = b.begin_loop(Trip::Const(3), false, &[]);
    let used = Affine { offset: 0, terms: vec![(i, 10)] };
    let (j, _) = b.begin_loop(Trip::Rest { limit: 4, total: 23, used }, false, &[]);
    let used = Affine { offset: 0, terms: vec![(i, 10), (j, 3)] };
    let (k, _) = b.begin_loop(Trip::Rest { limit: 3, total: 23, used }, false, &[]);
    let (n, _) = b.begin_loop(Trip::Const(2), false, &[]);
    let id = b.begin_if(x);
    b.apply(ScalarOp::Sin, &[x]);
    b.begin_else(id);
    b.apply(ScalarOp::Div, &[x, x]);
    b.apply(ScalarOp::Lt, &[x, x]);
    b.end_if(id, &[]);
    b.end_loop(n, &[]);
    b.end_loop(k, &[]);
    b.end_loop(j, &[]);
    b.end_loop(i, &[]);
    let kernel = b.finish();
    let rest = |used: i64, limit: i64| (23 - used).clamp(0, limit);
    let runs: i64 =
        (0..3).flat_map(|i| (0..rest(10 * i, 4)).map(move |j| rest(10 * i + 3 * j, 3))).sum();
    let runs = 2 * runs as u64;
    let cost = 4 * runs + runs;
    assert_eq!(count(&kernel), OpCounts { div: runs, other: runs, cost, ..OpCounts::default() });
}

#[test]
fn counts_of_huge_loops_are_bounded_by_limits() {
    let mut b = Builder::new("huge", &[], &[]);
    let x = b.constant(1.0);
    let (i, _) = b.begin_loop(Trip::Const(1 << 40), false, &[]);
    let used = Affine { offset: 0, terms: vec![(i, 4096)] };
    let rest = Trip::Rest { limit: 4096, total: 1 << 52, used };
    let (j, _) = b.begin_loop(rest, false, &[]);
    b.apply(ScalarOp::Add, &[x, x]);
    b.end_loop(j, &[]);
    b.end_loop(i, &[]);
    assert_eq!(count(&b.finish()).add, 1 << 52);
}

/// The message for a kernel that is wrong.
fn mistake(build: impl FnOnce(&mut Builder)) -> String {
    let mut b = Builder::new("bad", &[3], &[2]);
    b.kernel.work_len = 2;
    b.kernel.tables.push(Arc::from([0u32, 2, 3]));
    build(&mut b);
    verify(&b.finish()).expect_err("is wrong").to_string()
}

#[test]
fn values_are_used_where_visible() {
    expect!["kernel `bad`, instruction 0: v0 is used before it is defined"].assert_eq(&mistake(
        |b| {
            let x = b.value();
            b.store(Base::Res(0), 0, &[], x);
        },
    ));
    expect!["kernel `bad`, instruction 3: v0 is used outside the region that defines it"]
        .assert_eq(&mistake(|b| {
            let (id, _) = b.begin_loop(Trip::Const(2), false, &[]);
            let x = b.constant(1.0);
            b.end_loop(id, &[]);
            b.store(Base::Res(0), 0, &[], x);
        }));
    expect!["kernel `bad`, instruction 1: v0 is defined twice"].assert_eq(&mistake(|b| {
        let dst = b.constant(1.0);
        b.push(Inst::Const { dst, value: 2.0 });
    }));
}

#[test]
fn regions_nest() {
    expect!["kernel `bad`, instruction 3: Loop(0) is closed but not the innermost region"]
        .assert_eq(&mistake(|b| {
            let x = b.constant(1.0);
            let (id, _) = b.begin_loop(Trip::Const(2), false, &[]);
            b.begin_if(x);
            b.end_loop(id, &[]);
        }));
    expect!["kernel `bad`, instruction 1: Loop(0) is not closed"].assert_eq(&mistake(|b| {
        b.begin_loop(Trip::Const(2), false, &[]);
    }));
    expect!["kernel `bad`, instruction 2: the counter of loop 0 is used outside it"].assert_eq(
        &mistake(|b| {
            let (id, _) = b.begin_loop(Trip::Const(2), false, &[]);
            b.end_loop(id, &[]);
            b.load(Base::Arg(0), 0, &[(id, 1)]);
        }),
    );
}

#[test]
fn accesses_are_in_bounds() {
    expect!["kernel `bad`, instruction 1: numbers 0..=4 of Arg(0) are accessed, it has 3"]
        .assert_eq(&mistake(|b| {
            let (id, _) = b.begin_loop(Trip::Const(3), false, &[]);
            b.load(Base::Arg(0), 0, &[(id, 2)]);
            b.end_loop(id, &[]);
        }));
    expect!["kernel `bad`, instruction 1: numbers 0..=3 of Arg(0) are accessed, it has 3"]
        .assert_eq(&mistake(|b| {
            let (id, _) = b.begin_loop(Trip::Const(3), false, &[]);
            let lookup = Lookup { table: 0, index: Affine { offset: 0, terms: vec![(id, 1)] } };
            let addr = b.table_addr(Base::Arg(0), Affine::default(), vec![lookup]);
            b.load_at(addr);
            b.end_loop(id, &[]);
        }));
    expect!["kernel `bad`, instruction 1: entries -1..=0 of table 0 are read, it has 3"].assert_eq(
        &mistake(|b| {
            let (id, _) = b.begin_loop(Trip::Const(2), false, &[]);
            let lookup = Lookup { table: 0, index: Affine { offset: -1, terms: vec![(id, 1)] } };
            let addr = b.table_addr(Base::Arg(0), Affine::default(), vec![lookup]);
            b.load_at(addr);
            b.end_loop(id, &[]);
        }),
    );
    expect!["kernel `bad`, instruction 1: an argument or constant data is written"].assert_eq(
        &mistake(|b| {
            let x = b.constant(1.0);
            b.store(Base::Arg(0), 0, &[], x);
        }),
    );
}
