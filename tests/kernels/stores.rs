//! Stores that machine code does where values are made.

use std::borrow::Cow;
use std::sync::Arc;

use nablac::kernel::ir::*;
use nablac::kernel::stores::early;
use nablac::ops::scalar::ScalarOp;
use proptest::prelude::*;

use crate::builder::Builder;
use crate::evaluate;

/// Length of the argument and of each result.
const N: usize = 24;

/// A kernel that stores values, the first result's behind all others, in a loop or not, and with
/// the second result guarded or not.
fn kernel(choices: &[u16], in_loop: bool, is_guarded: bool) -> Arc<Kernel> {
    const TRIPS: usize = 9;
    let n = if in_loop { N * TRIPS } else { N };
    let mut b = Builder::new("stores", &[n], &[n, n]);
    let id = in_loop.then(|| b.begin_loop(Trip::Const(TRIPS as u64), false, &[]).0);
    let one = id.map(|id| [(id, 1)]);
    let terms = one.as_ref().map_or(&[][..], |one| one);
    // Numbers of one place of all iterations follow one another.
    let place = |k: usize| (if in_loop { TRIPS * (k % N) } else { k % N }) as i64;
    let mut values: Vec<Val> = (0..8).map(|k| b.load(Base::Arg(0), place(k), terms)).collect();
    let mut compute = |b: &mut Builder, choices: &[u16]| {
        for &choice in choices {
            let choice = usize::from(choice);
            let args = [choice % values.len(), choice / 7 % values.len()].map(|k| values[k]);
            values.push(match choice % 11 {
                0 => b.apply(ScalarOp::Cos, &args[..1]),
                1..=4 => b.apply(ScalarOp::Mul, &args),
                _ => b.apply(ScalarOp::Sub, &args),
            });
        }
        values.clone()
    };
    let (shared, own) = choices.split_at(choices.len() / 2);
    let values = compute(&mut b, shared);
    let chosen = |values: &[Val], k: usize| values[values.len() - 1 - k * k % values.len()];
    (0..N).for_each(|k| b.store(Base::Res(0), place(k), terms, chosen(&values, k)));
    if is_guarded {
        b.push(Inst::IfWanted { res: 1 });
    }
    let values = compute(&mut b, own);
    (0..N).for_each(|k| b.store(Base::Res(1), place(k), terms, chosen(&values, k)));
    if is_guarded {
        b.push(Inst::EndWanted);
    }
    if let Some(id) = id {
        b.end_loop(id, &[]);
    }
    b.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 20 } else { 200 }))]

    #[test]
    fn results_stay(
        choices in prop::collection::vec(any::<u16>(), 20..300),
        x in prop::collection::vec(-2.0..2.0f64, 9 * N),
        in_loop in any::<bool>(),
    ) {
        let n = if in_loop { x.len() } else { N };
        for is_guarded in [false, true] {
            let kernel = kernel(&choices, in_loop, is_guarded && !in_loop);
            prop_assert!(evaluate(&kernel, &[&x[..n]]).is_ok());
        }
    }
}

/// The instructions after stores have moved, if they have.
fn after(kernel: &Kernel, packs: bool) -> Option<Vec<Inst>> {
    let mut insts = Cow::Borrowed(&kernel.insts[..]);
    early(kernel, &mut insts, packs);
    match insts {
        Cow::Owned(insts) => Some(insts),
        Cow::Borrowed(_) => None,
    }
}

/// The same, stores as `=` and places, others by their values.
fn moved(kernel: &Kernel, packs: bool) -> Option<String> {
    let names = after(kernel, packs)?.into_iter().map(|inst| match inst {
        Inst::Store { addr, .. } => format!("={}", kernel.addrs[addr as usize].index.offset),
        Inst::Apply { dst, .. } | Inst::Load { dst, .. } => dst.to_string(),
        _ => "?".to_owned(),
    });
    Some(names.collect::<Vec<_>>().join(" "))
}

#[test]
fn stores_follow_their_values() {
    let mut b = Builder::new("f", &[1], &[3]);
    let x = b.load(Base::Arg(0), 0, &[]);
    let y = b.apply(ScalarOp::Mul, &[x, x]);
    let z = b.apply(ScalarOp::Add, &[y, x]);
    for (place, value) in [(0, z), (2, x), (1, y)] {
        b.store(Base::Res(0), place, &[], value);
    }
    let kernel = b.finish();
    assert_eq!(moved(&kernel, true).as_deref(), Some("0 =2 1 =1 2 =0"));
    // Once more changes nothing.
    let insts = after(&kernel, true).expect("stores move");
    assert_eq!(after(&kernel.with(insts), true), None);
}

#[test]
fn calls_stay_together() {
    let mut b = Builder::new("f", &[2], &[2]);
    let x = [0, 1].map(|k| b.load(Base::Arg(0), k, &[]));
    let y = x.map(|x| b.apply(ScalarOp::Cos, &[x]));
    (0..2).for_each(|k| b.store(Base::Res(0), k as i64, &[], y[k]));
    let kernel = b.finish();
    assert_eq!(moved(&kernel, true).as_deref(), Some("0 1 2 3 =0 =1"));
    assert_eq!(moved(&kernel, false).as_deref(), Some("0 1 2 =0 3 =1"));
}

/// What is stored twice, or read, stays where it is.
#[test]
fn memory_that_is_used_otherwise_stays() {
    for is_read in [true, false] {
        let mut b = Builder::new("f", &[1], &[3]);
        let x = b.load(Base::Arg(0), 0, &[]);
        let y = b.apply(ScalarOp::Mul, &[x, x]);
        b.store(Base::Res(0), 0, &[], x);
        if is_read {
            let old = b.load(Base::Res(0), 0, &[]);
            b.store(Base::Res(0), 1, &[], old);
        } else {
            b.store(Base::Res(0), 0, &[], y);
        }
        b.store(Base::Res(0), 2, &[], y);
        let kernel = b.finish();
        assert_eq!(moved(&kernel, true), None);
        let expected = if is_read { [3.0, 3.0, 9.0] } else { [9.0, 0.25, 9.0] };
        assert_eq!(evaluate(&kernel, &[&[3.0]]), Ok(vec![expected.to_vec()]));
    }
}
