//! Elementary functions at 1024 numbers on one thread: the form for four numbers in a loop by
//! vectors, and the form for one number, beside the same loops in C, compiled by gcc -O3
//! -march=native with -ffast-math, which takes the vector functions of its library (4 ulp), and
//! without.
//!
//! `cargo bench --bench functions [NAME]`

mod support;

use std::fmt::Write;

use nablac::backend::abi::{Engine, Memory};
use nablac::backend::jit::{Jit, JitOptions, Vectors};
use nablac::model::Model;
use nablac::ops::scalar::{Domain, ScalarOp};
use support::works::{Ratios, by_gcc};
use support::{least, one_thread};

const N: usize = 1024;

fn main() {
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    let (mut together, mut alone) = (Ratios::default(), Ratios::default());
    println!("ns a number  on four  gcc -ffast-math  ratio   on one     gcc  ratio");
    for &op in ScalarOp::ALL.iter().filter(|op| op.name().contains(&filter)) {
        if op.row().wide.is_none() {
            continue;
        }
        let x = [numbers(op, 0), numbers(op, 1)];
        let (four, one) = (ours(op, &x, Vectors::All), ours(op, &x, Vectors::Narrow));
        let fast = by_gcc(op.name(), &in_c(op, &x), &["-ffast-math"]);
        let plain = by_gcc(op.name(), &in_c(op, &x), &[]);
        let (fast, plain) = (fast.unwrap_or(f64::NAN), plain.unwrap_or(f64::NAN));
        println!(
            "{:12} {four:7.2} {fast:16.2} {:6.2} {one:8.2} {plain:7.2} {:6.2}",
            op.name(),
            four / fast,
            one / plain
        );
        together.add(four / fast);
        alone.add(one / plain);
    }
    println!("geometric means {:.3} {:.3}", together.mean(), alone.mean());
}

/// Numbers of everyday size in the domain.
fn numbers(op: ScalarOp, argument: usize) -> Vec<f64> {
    let (lo, hi) = match op.row().domain.get(argument) {
        Some(Domain::Interval(interval)) => (interval.lo.max(-10.0), interval.hi.min(10.0)),
        _ => (-10.0, 10.0),
    };
    // Multiples of the golden ratio fill the interval evenly.
    let unit = |k: usize| (k as f64 * 0.6180339887498949).fract().clamp(0.001, 0.999);
    (1..=N).map(|k| lo + (hi - lo) * unit(k + 7 * argument)).collect()
}

/// Least nanoseconds a number.
fn ours(op: ScalarOp, x: &[Vec<f64>; 2], vectors: Vectors) -> f64 {
    let (name, two) = (op.name(), op.arity() == 2);
    let source = format!(
        "input x[{N}]{}\noutput y = [{name}(x[i]{}) for i in 0..{N}]",
        if two { format!(", w[{N}]") } else { String::new() },
        if two { ", w[i]" } else { "" },
    );
    let function = Model::parse("f.nab", &source).function().expect("it lowers");
    let compiled = function.compile(&one_thread()).expect("it compiles");
    let options = JitOptions { vectors, threads: 1, ..JitOptions::default() };
    let engine = Jit::new(&compiled.kernel, &options).expect("it compiles");
    let args = [&x[0][..], &x[1][..]];
    let (mut y, mut memory) = (vec![0.0; N], Memory::default());
    let least = least(|| {
        let mut wanted = [Some(&mut y[..])];
        engine.call(&args[..op.arity()], &mut wanted, &mut memory).expect("it evaluates");
    });
    least * 1e9 / N as f64
}

/// The loop in C with a main function that times it.
fn in_c(op: ScalarOp, x: &[Vec<f64>; 2]) -> String {
    let row = op.row();
    let value = row.c.replace("{a}", "x[i]").replace("{b}", "w[i]");
    let mut text =
        format!("#include <math.h>\n#include <stdio.h>\n#include <time.h>\n{}", row.c_helper);
    for (name, x) in ["px", "pw"].into_iter().zip(x) {
        let numbers: Vec<String> = x.iter().map(|x| format!("{x:?}")).collect();
        writeln!(text, "static double {name}[] = {{{}}};", numbers.join(",")).expect("written");
    }
    write!(
        text,
        "static double py[{N}];\n\
         __attribute__((noinline)) void f(const double *restrict x, const double *restrict w, double *restrict y)\n\
         {{ for (int i = 0; i < {N}; ++i) y[i] = {value}; }}\n\
         int main(void) {{ double least = 1e9; for (int k = 0; k < 20; ++k) {{\n\
         struct timespec a, b; clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);\n\
         for (int r = 0; r < 1000; ++r) f(px, pw, py);\n\
         clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);\n\
         double s = b.tv_sec - a.tv_sec + 1e-9 * (b.tv_nsec - a.tv_nsec); if (s < least) least = s; }}\n\
         printf(\"%.6f\\n\", least / 1000 / {N} * 1e9); return 0; }}\n"
    )
    .expect("written");
    text
}
