//! Code for aarch64, looked at on any machine.

use std::sync::Arc;

use nablac::backend::jit::{JitOptions, asm_aarch64};
use nablac::kernel::ir::*;
use nablac::ops::scalar::ScalarOp;

use crate::builder::Builder;

/// The instructions of a kernel: for each function their names with the form of vectors.
fn names(kernel: &Arc<Kernel>, options: &JitOptions) -> Vec<String> {
    let text = asm_aarch64(kernel, options).expect("it compiles");
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(';'));
    let names = lines.map(|line| {
        let name = line.split_whitespace().next().unwrap_or_default();
        format!("{name}{}", if line.contains(".2d") { ".2d" } else { "" })
    });
    names.collect()
}

fn count(names: &[String], name: &str) -> usize {
    names.iter().filter(|one| *one == name).count()
}

#[test]
fn arithmetic_has_one_instruction_an_operation() {
    let mut b = Builder::new("f", &[3], &[1]);
    let [x, y, z] = [0, 1, 2].map(|k| b.load(Base::Arg(0), k, &[]));
    let mut value = b.apply(ScalarOp::Mul, &[x, y]);
    for op in [ScalarOp::Add, ScalarOp::Sub, ScalarOp::Div, ScalarOp::Mul] {
        value = b.apply(op, &[value, z]);
    }
    let value = b.apply(ScalarOp::Sqrt, &[value]);
    b.store(Base::Res(0), 0, &[], value);
    let names = names(&b.finish(), &JitOptions::default());
    for (name, n) in [("fmul", 2), ("fadd", 1), ("fsub", 1), ("fdiv", 1), ("fsqrt", 1)] {
        assert_eq!(count(&names, name), n, "{name} in {names:?}");
    }
}

#[test]
fn maps_run_in_vectors_of_two() {
    let mut b = Builder::new("f", &[64], &[64]);
    let (id, _) = b.begin_loop(Trip::Const(64), false, &[]);
    let x = b.load(Base::Arg(0), 0, &[(id, 1)]);
    let mut y = x;
    for _ in 0..3 {
        let product = b.apply(ScalarOp::Mul, &[y, x]);
        y = b.apply(ScalarOp::Add, &[product, x]);
    }
    b.store(Base::Res(0), 0, &[(id, 1)], y);
    b.end_loop(id, &[]);
    let names = names(&b.finish(), &JitOptions::default());
    assert_eq!([count(&names, "fmul.2d"), count(&names, "fadd.2d")], [3, 3], "{names:?}");
    assert_eq!([count(&names, "fmul"), count(&names, "fadd")], [0, 0], "{names:?}");
}

/// Loops with states, branches, calls of functions, checks, and a piece for so many operations.
#[test]
fn all_that_kernels_have_compiles() {
    let mut inner = Builder::new("inner", &[1], &[1]);
    let x = inner.load(Base::Arg(0), 0, &[]);
    inner.check(x, -10.0, 10.0);
    let y = inner.apply(ScalarOp::Sin, &[x]);
    inner.store(Base::Res(0), 0, &[], y);
    let inner = inner.finish();
    let mut b = Builder::new("outer", &[10], &[10]);
    let zero = b.constant(0.0);
    let (id, sum) = b.begin_loop(Trip::Const(10), true, &[zero]);
    let x = b.load(Base::Arg(0), 0, &[(id, 1)]);
    let is_above = b.apply(ScalarOp::Gt, &[x, zero]);
    let branch = b.begin_if(is_above);
    let power = b.apply(ScalarOp::Pow, &[x, x]);
    b.begin_else(branch);
    let negative = b.apply(ScalarOp::Neg, &[x]);
    let chosen = b.end_if(branch, &[(power, negative)]);
    let [from, to] = [Base::Arg(0), Base::Res(0)].map(|base| b.addr(base, 0, &[(id, 1)]));
    b.call(Callee::Kernel(inner), &[from], &[to], 0);
    let next = b.apply(ScalarOp::Add, &[sum[0], chosen[0]]);
    b.end_loop(id, &[next]);
    let mut value = sum[0];
    for _ in 0..100 {
        value = b.apply(ScalarOp::Cos, &[value]);
    }
    b.store(Base::Res(0), 9, &[], value);
    let kernel = b.finish();
    let whole = names(&kernel, &JitOptions::default());
    let pieces = names(&kernel, &JitOptions { piece_len: 10, ..JitOptions::default() });
    // A function more for ten operations each.
    assert!(count(&pieces, "ret") >= count(&whole, "ret") + 9, "{pieces:?}");
    // Functions are called by their addresses.
    assert!(count(&whole, "blr") >= 102, "{whole:?}");
}
