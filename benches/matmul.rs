//! Products of dense square matrices on one thread, beside a loop over i, k and j in C, compiled by
//! gcc -O3 -march=native without contraction, as ours.
//!
//! `cargo bench --bench matmul`

mod support;

use nablac::backend::abi::Memory;
use nablac::model::Model;
use support::works::by_gcc;
use support::{MEASUREMENTS, SECONDS, least, one_thread};

fn main() {
    println!("us a product: ours, gcc; speed of ours / gcc");
    for n in [16, 64, 256] {
        let ours = ours(n);
        match by_gcc("matmul", &in_c(n, ours), &["-ffp-contract=off"]) {
            Some(gcc) => println!("{n:4} {:10.2} {gcc:10.2} {:8.3}", 1e6 * ours, gcc * 1e-6 / ours),
            None => println!("{n:4} {:10.2}, no gcc", 1e6 * ours),
        }
    }
}

/// Least seconds a product.
fn ours(n: usize) -> f64 {
    let source = format!("input A[{n}, {n}], B[{n}, {n}]\noutput C = A * B");
    let function = Model::parse("matmul.nab", &source).function().expect("it lowers");
    let compiled = function.compile(&one_thread()).expect("it compiles");
    let numbers: Vec<f64> = (0..n * n).map(|k| (k as f64).sin()).collect();
    let (mut product, mut memory) = (vec![0.0; n * n], Memory::default());
    least(|| {
        let mut wanted = [Some(&mut product[..])];
        let inputs = [&numbers[..]; 2];
        compiled.evaluate_into(&inputs, &mut wanted, &mut memory).expect("it evaluates");
    })
}

/// A program that prints the least microseconds of a product, each measurement as long as ours.
fn in_c(n: usize, ours: f64) -> String {
    let together = (SECONDS / ours) as u64 + 1;
    format!(
        "#include <math.h>\n#include <stdio.h>\n#include <string.h>\n#include <time.h>\n\
         enum {{ N = {n} }};\nstatic double a[N * N], b[N * N], c[N * N];\n\
         __attribute__((noinline)) void f(const double *restrict a, const double *restrict b, double *restrict c) {{\n\
         memset(c, 0, sizeof(double) * N * N);\n\
         for (int i = 0; i < N; ++i) for (int k = 0; k < N; ++k) for (int j = 0; j < N; ++j)\n\
         c[i * N + j] += a[i * N + k] * b[k * N + j]; }}\n\
         int main(void) {{ for (int k = 0; k < N * N; ++k) a[k] = b[k] = sin(k);\n\
         double least = 1e9; for (int m = 0; m < {MEASUREMENTS}; ++m) {{\n\
         struct timespec s, e; clock_gettime(CLOCK_THREAD_CPUTIME_ID, &s);\n\
         for (long r = 0; r < {together}; ++r) f(a, b, c);\n\
         clock_gettime(CLOCK_THREAD_CPUTIME_ID, &e);\n\
         double t = e.tv_sec - s.tv_sec + 1e-9 * (e.tv_nsec - s.tv_nsec); if (t < least) least = t; }}\n\
         printf(\"%.9f\\n\", least / {together} * 1e6); return 0; }}"
    )
}
