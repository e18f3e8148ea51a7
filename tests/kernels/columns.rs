//! Sums of multiples of columns, which machine code does as a whole.

use nablac::kernel::columns::columns;
use nablac::kernel::ir::*;
use nablac::ops::scalar::ScalarOp;

use crate::builder::Builder;
use crate::evaluate;

/// `c += a * b` for matrices by columns, `c` beginning where `base` says.
fn product(n_rows: u64, n_inner: u64, n_cols: u64, base: Base, padding: i64) -> Builder {
    let height = n_rows as i64 + padding;
    let a_len = (height * n_inner as i64) as usize;
    let c_len = (n_rows * n_cols) as usize;
    let mut b = Builder::new("product", &[a_len, (n_inner * n_cols) as usize], &[c_len]);
    b.kernel.work_len = c_len + a_len;
    let (j, _) = b.begin_loop(Trip::Const(n_cols), true, &[]);
    let (l, _) = b.begin_loop(Trip::Const(n_inner), n_inner.is_multiple_of(3), &[]);
    let y = b.load(Base::Arg(1), 0, &[(l, 1), (j, n_inner as i64)]);
    let (i, _) = b.begin_loop(Trip::Const(n_rows), false, &[]);
    let x = b.load(Base::Arg(0), 0, &[(i, 1), (l, height)]);
    let term = b.apply(ScalarOp::Mul, &[x, y]);
    b.accumulate(base, 0, &[(i, 1), (j, n_rows as i64)], term);
    b.end_loop(i, &[]);
    b.end_loop(l, &[]);
    b.end_loop(j, &[]);
    b
}

fn fill(base: Base, len: u64) -> impl Fn(&mut Builder) {
    move |b| {
        let (k, _) = b.begin_loop(Trip::Const(len), false, &[]);
        let value = b.counter(k, 0.5, -0.25);
        b.store(base, 0, &[(k, 1)], value);
        b.end_loop(k, &[]);
    }
}

#[test]
fn products_of_all_sizes() {
    let sizes = [1, 3, 4, 5, 8, 13, 31, 32, 33, 41, 64, 75];
    for (k, &n_rows) in sizes.iter().enumerate() {
        for (n_inner, n_cols, padding) in [(1, 1, 0), (3, 2, 1), (17, 3, 0), (64, 1, 5)] {
            let found = columns(&product(n_rows, n_inner, n_cols, Base::Res(0), padding).kernel);
            let is_long = n_rows >= 4 && n_rows * n_inner >= 64;
            assert_eq!(found.len(), usize::from(is_long), "{n_rows} x {n_inner}");
            // First what the result is added to.
            let mut b = Builder::new("sum", &[0; 0], &[0; 0]);
            let whole = product(n_rows, n_inner, n_cols, Base::Res(0), padding);
            b.kernel.args = whole.kernel.args.clone();
            b.kernel.res = whole.kernel.res.clone();
            fill(Base::Res(0), n_rows * n_cols)(&mut b);
            append(&mut b, whole);
            let kernel = b.finish();
            let numbers = |n: usize| -> Vec<f64> {
                (0..n).map(|i| ((i * 37 + k) % 101) as f64 / 7.0 - 6.0).collect()
            };
            let args: Vec<Vec<f64>> = kernel.args.iter().map(|port| numbers(port.nnz)).collect();
            let args: Vec<&[f64]> = args.iter().map(Vec::as_slice).collect();
            evaluate(&kernel, &args).expect("no failure");
        }
    }
}

/// The instructions of one kernel after those of another one.
fn append(to: &mut Builder, from: Builder) {
    let (values, loops) = (to.kernel.n_values, to.kernel.loops.len() as u32);
    let addrs = to.kernel.addrs.len() as u32;
    to.kernel.n_values += from.kernel.n_values;
    to.kernel.loops.extend(from.kernel.loops);
    to.kernel.addrs.extend(from.kernel.addrs.into_iter().map(|mut addr| {
        addr.index.terms.iter_mut().for_each(|term| term.0 += loops);
        addr
    }));
    to.kernel.insts.extend(from.kernel.insts.into_iter().map(|inst| match inst {
        Inst::Load { dst, addr } => Inst::Load { dst: dst + values, addr: addr + addrs },
        Inst::Apply { dst, op, args } => {
            Inst::Apply { dst: dst + values, op, args: args.map(|arg| arg + values) }
        }
        Inst::Accumulate { addr, src } => {
            Inst::Accumulate { addr: addr + addrs, src: src + values }
        }
        Inst::Loop { id } => Inst::Loop { id: id + loops },
        Inst::EndLoop { id } => Inst::EndLoop { id: id + loops },
        other => other,
    }));
}

#[test]
fn what_overlaps_is_done_one_by_one() {
    // c lies in what b is read from.
    let mut b = Builder::new("overlap", &[640], &[64]);
    b.kernel.work_len = 100;
    fill(Base::Work, 100)(&mut b);
    let (l, _) = b.begin_loop(Trip::Const(10), false, &[]);
    let y = b.load(Base::Work, 60, &[(l, 1)]);
    let (i, _) = b.begin_loop(Trip::Const(64), false, &[]);
    let x = b.load(Base::Arg(0), 0, &[(i, 1), (l, 64)]);
    let term = b.apply(ScalarOp::Mul, &[y, x]);
    b.accumulate(Base::Work, 0, &[(i, 1)], term);
    b.end_loop(i, &[]);
    b.end_loop(l, &[]);
    let (k, _) = b.begin_loop(Trip::Const(64), false, &[]);
    let value = b.load(Base::Work, 0, &[(k, 1)]);
    b.store(Base::Res(0), 0, &[(k, 1)], value);
    b.end_loop(k, &[]);
    let kernel = b.finish();
    assert!(columns(&kernel).is_empty());
    let x: Vec<f64> = (0..640).map(|k| f64::from(k % 13) * 0.125).collect();
    evaluate(&kernel, &[&x]).expect("no failure");
}
