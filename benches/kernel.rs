//! Times of the engines on kernels made here: interpretation, compilation, evaluation.
//!
//! `cargo bench --bench kernel [NAME]` prints one line per kernel (whose name contains NAME) and
//! engine. Times are of this thread's CPU, so that other work on the machine disturbs less; with two
//! threads compilation is timed by the clock on the wall.

#[path = "../tests/kernels/builder.rs"]
#[allow(dead_code)]
mod builder;
mod support;

use std::sync::Arc;
use std::time::Instant;

use builder::Builder;
use nablac::backend::abi::{Engine, Memory};
use nablac::backend::interp::Interp;
use nablac::backend::jit::{Jit, JitOptions, Vectors};
use nablac::kernel::ir::*;
use nablac::ops::scalar::ScalarOp;
use support::thread_seconds;
use support::works::{by_gcc, helpers, statements};

/// Kernels are compiled again and again for so many seconds.
const COMPILING: f64 = 0.3;

/// Straight-line kernels with at most so many instructions are compiled by gcc, too.
const MOST_FOR_GCC: usize = 20_000;

fn main() {
    for n in [1_000, 10_000, 100_000, 1_000_000] {
        report(&format!("chain {n}"), n as f64, &chain(n));
        report(&format!("graph {n}"), n as f64, &random_graph(n, 50, false));
        report(&format!("graph {n}, 5 % cos"), n as f64, &random_graph(n, 50, true));
    }
    report("large graph 10000000", 1e7, &random_graph(10_000_000, 50, false));
    report("sum of squares, 1e6", 2e6, &sum_of_squares(1_000_000));
    report("gaussian sums, 1000 x 1000", 9e6, &gaussian(1000));
    report("matrix product, 100 x 100", 2e6, &matrix_product(100));
    report("call of x + 1", 1.0, &chain(1));
}

/// Prints what the engines take for a kernel of `n_ops` executed operations.
fn report(name: &str, n_ops: f64, kernel: &Arc<Kernel>) {
    if let Some(filter) = std::env::args().skip(1).find(|arg| !arg.starts_with('-'))
        && !name.contains(&filter)
    {
        return;
    }
    let start = thread_seconds();
    let interp = Interp::new(kernel);
    let prepare = thread_seconds() - start;
    println!("{name}");
    println!(
        "  interp                  prepare {:8.1} us              {:8.3} ns/op",
        prepare * 1e6,
        evaluate(&interp, kernel) / n_ops * 1e9
    );
    let (narrow, wide) = (Vectors::Narrow, JitOptions::default().vectors);
    for (name, vectors, threads) in
        [("cranelift", narrow, 1), ("vector   ", wide, 1), ("vector   ", wide, 2)]
    {
        let options = JitOptions { vectors, threads, ..JitOptions::default() };
        let begin = Instant::now();
        let (mut least, mut sum, mut n_times) = (f64::INFINITY, 0.0, 0);
        let jit = loop {
            let (start, cpu_start) = (Instant::now(), thread_seconds());
            let jit = match Jit::new(kernel, &options) {
                Ok(jit) => jit,
                Err(error) => return println!("  {error}"),
            };
            let cpu = thread_seconds() - cpu_start;
            let seconds = if threads == 1 { cpu } else { start.elapsed().as_secs_f64() };
            (least, sum, n_times) = (least.min(seconds), sum + seconds, n_times + 1);
            if begin.elapsed().as_secs_f64() > COMPILING {
                break jit;
            }
        };
        let [least, mean] = [least, sum / f64::from(n_times)].map(|s| s * 1e6);
        let n = kernel.insts.len() as f64;
        println!(
            "  {name} {threads} threads compile {least:10.1} us, {:6.3} us/op (mean {:6.3}) {:8.3} ns/op {:9} bytes",
            least / n,
            mean / n,
            evaluate(&jit, kernel) / n_ops * 1e9,
            jit.code_bytes()
        );
    }
    let start = Instant::now();
    if kernel.insts.len() > 1_000
        && kernel.insts.len() <= MOST_FOR_GCC
        && let Some(ns) =
            in_c(kernel).and_then(|text| by_gcc("kernel", &text, &["-ffp-contract=off"]))
    {
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "  gcc -O3                 all of it {seconds:.1} s       {:15.3} ns/op",
            ns / n_ops
        );
    }
}

/// The kernel in C with a main function that prints the nanoseconds of a call.
fn in_c(kernel: &Kernel) -> Option<String> {
    let body = statements(kernel, |name, k, at| format!("{name}{k}[{at}]"))?;
    let nnz = |ports: &[Port]| ports.iter().map(|port| port.nnz).collect::<Vec<_>>();
    let (arg, res) = (nnz(&kernel.args), nnz(&kernel.res));
    let [n_arg, n_res] = [&arg, &res].map(|ports| if let [n] = ports[..] { Some(n) } else { None });
    Some(format!(
        "#include <math.h>\n#include <stdio.h>\n#include <time.h>\n{}\
         static double x[{1}], y[{2}];\n\
         __attribute__((noinline)) void f(const double *restrict in0, double *restrict out0) {{\n{body}}}\n\
         int main(void) {{ for (int k = 0; k < {1}; ++k) x[k] = 1 + 0.1 * sin(k);\n\
         struct timespec a, b; long n = 0; clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a); double s = 0;\n\
         while (s < 0.5) {{ for (int r = 0; r < 100; ++r) f(x, y); n += 100;\n\
         clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);\n\
         s = b.tv_sec - a.tv_sec + 1e-9 * (b.tv_nsec - a.tv_nsec); }}\n\
         printf(\"%.6f\\n\", s / n * 1e9); return 0; }}",
        helpers(kernel),
        n_arg?,
        n_res?,
    ))
}

/// Seconds of one evaluation, the mean of some.
fn evaluate(engine: &dyn Engine, kernel: &Kernel) -> f64 {
    let arg: Vec<Vec<f64>> = (kernel.args.iter())
        .map(|port| (0..port.nnz).map(|k| 1.0 + 0.1 * (k as f64).sin()).collect())
        .collect();
    let arg: Vec<&[f64]> = arg.iter().map(|arg| &**arg).collect();
    let mut res: Vec<Vec<f64>> = kernel.res.iter().map(|port| vec![0.0; port.nnz]).collect();
    let mut res: Vec<Option<&mut [f64]>> = res.iter_mut().map(|res| Some(&mut **res)).collect();
    let mut memory = Memory::default();
    let mut call = || engine.call(&arg, &mut res, &mut memory).expect("no failure");
    call();
    let start = thread_seconds();
    let begin = Instant::now();
    let mut n_calls = 0u64;
    while begin.elapsed().as_secs_f64() < 0.5 {
        (0..n_calls.clamp(1, 1000)).for_each(|_| call());
        n_calls += n_calls.clamp(1, 1000);
    }
    (thread_seconds() - start) / n_calls as f64
}

/// Each operation uses the one before.
fn chain(n: usize) -> Arc<Kernel> {
    let mut b = Builder::new("chain", &[1], &[1]);
    let x = b.load(Base::Arg(0), 0, &[]);
    let c = b.constant(0.999);
    let mut y = x;
    for k in 0..n {
        y = b.apply(if k % 2 == 0 { ScalarOp::Mul } else { ScalarOp::Add }, &[y, c]);
    }
    b.store(Base::Res(0), 0, &[], y);
    b.finish()
}

/// Operations on values that are mostly near, sometimes far.
fn random_graph(n: usize, n_inputs: usize, functions: bool) -> Arc<Kernel> {
    let mut b = Builder::new("graph", &[n_inputs], &[20]);
    let mut seed = 1u64;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let mut values: Vec<Val> = (0..n_inputs).map(|k| b.load(Base::Arg(0), k as i64, &[])).collect();
    let half = b.constant(0.5);
    while values.len() < n {
        let recent = values.len() - random(values.len().min(30)) - 1;
        let other = if random(10) == 0 { random(values.len()) } else { values.len() - 1 };
        let args = [values[recent], values[other]];
        // Half of all operations only scale.
        let y = match random(20) {
            0 | 1 if functions => b.apply(ScalarOp::Cos, &args[..1]),
            0..=8 => b.apply(ScalarOp::Add, &args),
            9..=13 => b.apply(ScalarOp::Mul, &args),
            _ => b.apply(ScalarOp::Sub, &args),
        };
        values.push(y);
        // Numbers neither overflow nor vanish.
        let scaled = b.apply(ScalarOp::Mul, &[y, half]);
        values.push(scaled);
    }
    for k in 0..20 {
        let y = values[values.len() - 1 - k];
        b.store(Base::Res(0), k as i64, &[], y);
    }
    b.finish()
}

fn sum_of_squares(n: usize) -> Arc<Kernel> {
    let mut b = Builder::new("squares", &[n], &[1]);
    let zero = b.constant(0.0);
    let (id, sum) = b.begin_loop(Trip::Const(n as u64), false, &[zero]);
    let x = b.load(Base::Arg(0), 0, &[(id, 1)]);
    let square = b.apply(ScalarOp::Mul, &[x, x]);
    let next = b.apply(ScalarOp::Add, &[sum[0], square]);
    b.end_loop(id, &[next]);
    b.store(Base::Res(0), 0, &[], sum[0]);
    b.finish()
}

/// `y[i] = sum over j of exp(-|x[i] - z[j]|^2) b[j]` in three dimensions.
fn gaussian(n: usize) -> Arc<Kernel> {
    let mut b = Builder::new("gaussian", &[3 * n, 3 * n, n], &[n]);
    let zero = b.constant(0.0);
    let (i, _) = b.begin_loop(Trip::Const(n as u64), true, &[]);
    let (j, sum) = b.begin_loop(Trip::Const(n as u64), false, &[zero]);
    let mut distance = None;
    for k in 0..3 {
        let x = b.load(Base::Arg(0), k, &[(i, 3)]);
        let z = b.load(Base::Arg(1), k, &[(j, 3)]);
        let difference = b.apply(ScalarOp::Sub, &[x, z]);
        let square = b.apply(ScalarOp::Mul, &[difference, difference]);
        distance = Some(match distance {
            Some(distance) => b.apply(ScalarOp::Add, &[distance, square]),
            None => square,
        });
    }
    let exponent = b.apply(ScalarOp::Neg, &[distance.unwrap_or(zero)]);
    let kernel = b.apply(ScalarOp::Exp, &[exponent]);
    let weight = b.load(Base::Arg(2), 0, &[(j, 1)]);
    let term = b.apply(ScalarOp::Mul, &[kernel, weight]);
    let next = b.apply(ScalarOp::Add, &[sum[0], term]);
    b.end_loop(j, &[next]);
    b.store(Base::Res(0), 0, &[(i, 1)], sum[0]);
    b.end_loop(i, &[]);
    b.finish()
}

fn matrix_product(n: usize) -> Arc<Kernel> {
    let mut b = Builder::new("product", &[n * n, n * n], &[n * n]);
    let zero = b.constant(0.0);
    let trip = Trip::Const(n as u64);
    let n = n as i64;
    let (j, _) = b.begin_loop(trip.clone(), false, &[]);
    let (i, _) = b.begin_loop(trip.clone(), false, &[]);
    let (k, sum) = b.begin_loop(trip, false, &[zero]);
    let x = b.load(Base::Arg(0), 0, &[(i, 1), (k, n)]);
    let y = b.load(Base::Arg(1), 0, &[(k, 1), (j, n)]);
    let product = b.apply(ScalarOp::Mul, &[x, y]);
    let next = b.apply(ScalarOp::Add, &[sum[0], product]);
    b.end_loop(k, &[next]);
    b.store(Base::Res(0), 0, &[(i, 1), (j, n)], sum[0]);
    b.end_loop(i, &[]);
    b.end_loop(j, &[]);
    b.finish()
}
