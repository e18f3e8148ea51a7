//! Works of `../shared/data/expr` at 10^5 points on one thread, by default and under `--math
//! fast`: `evaluate_many`, beside the same operations as a loop in C, compiled by gcc -O3 -march=native -ffast-math, which takes vectors
//! and the vector functions of its library (4 ulp). Ours reads points one after the other, C reads
//! a column for each number.
//!
//! `cargo bench --bench points`

mod support;

use std::fmt::Write;

use nablac::backend::abi::Memory;
use nablac::function::{Compiled, Options};
use nablac::kernel::ir::Kernel;
use nablac::simplify::SimplifyOptions;
use nablac::simplify::rules::Math;
use support::works::{Ratios, by_gcc, helpers, names, statements, work};
use support::{one_thread, thread_seconds};

const POINTS: usize = 100_000;
const TOGETHER: usize = 60;

fn main() {
    for (math, title) in [(Math::Real, "default"), (Math::Fast, "--math fast")] {
        println!("{title}: ns a point: ours, gcc; ours / gcc");
        beside_gcc(math);
    }
}

fn beside_gcc(math: Math) {
    let mut ratios = Ratios::default();
    for name in names() {
        let simplify = SimplifyOptions { math, ..SimplifyOptions::default() };
        let (compiled, inputs) = work(&name, &Options { simplify, ..one_thread() }, POINTS);
        let ours = ours(&compiled, &inputs) * 1e9;
        let text = in_c(&compiled.kernel, &inputs);
        match text.and_then(|text| by_gcc(&name, &text, &["-ffast-math"])) {
            Some(gcc) => {
                println!("{name:14} {ours:10.1} {gcc:10.1} {:8.3}", ours / gcc);
                ratios.add(ours / gcc);
            }
            None => println!("{name:14} {ours:10.1}, no gcc or loops in the kernel"),
        }
    }
    println!("geometric mean {:.3}", ratios.mean());
}

/// Least seconds a point.
fn ours(compiled: &Compiled, inputs: &[Vec<f64>]) -> f64 {
    let slices: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    let outputs = compiled.function.outputs().iter();
    let mut values: Vec<Vec<f64>> =
        outputs.map(|output| vec![0.0; POINTS * output.pattern.nnz()]).collect();
    let mut memory = Memory::default();
    let mut least = f64::INFINITY;
    // Several at a time, as the clock ticks slowly.
    for _ in 0..5 {
        let start = thread_seconds();
        for _ in 0..TOGETHER {
            let mut wanted: Vec<_> = values.iter_mut().map(|v| Some(&mut v[..])).collect();
            compiled
                .evaluate_many_into(POINTS, &slices, &mut wanted, &mut memory)
                .expect("it evaluates");
        }
        least = least.min(thread_seconds() - start);
    }
    least / (POINTS * TOGETHER) as f64
}

/// The kernel as a loop over points in C, with a main function that times it.
fn in_c(kernel: &Kernel, inputs: &[Vec<f64>]) -> Option<String> {
    let body = statements(kernel, |name, k, at| format!("{name}{k}[{at} * N + i]"))?;
    let mut text = format!(
        "#include <math.h>\n#include <stdio.h>\n#include <time.h>\n#include <stdlib.h>\nenum {{ N = {POINTS} }};\n"
    );
    text.push_str(&helpers(kernel));
    let (mut parameters, mut given, mut made) = (Vec::new(), Vec::new(), String::new());
    for (k, values) in inputs.iter().enumerate() {
        parameters.push(format!("const double *restrict in{k}"));
        given.push(format!("in{k}"));
        // A few values are enough.
        let few: Vec<String> = values[..997].iter().map(|x| format!("{x:?}")).collect();
        writeln!(text, "static const double few{k}[] = {{{}}};", few.join(",")).ok()?;
        writeln!(made, "double *in{k} = aligned_alloc(64, 64 + 8L * N); for (long i = 0; i < N; ++i) in{k}[i] = few{k}[i % 997];").ok()?;
    }
    for (k, port) in kernel.res.iter().enumerate() {
        parameters.push(format!("double *restrict out{k}"));
        given.push(format!("out{k}"));
        writeln!(made, "double *out{k} = calloc({}L * N, 8);", port.nnz).ok()?;
    }
    writeln!(
        text,
        "__attribute__((noinline)) void f({}) {{ for (long i = 0; i < N; ++i) {{\n{body}}} }}",
        parameters.join(", ")
    )
    .ok()?;
    let given = given.join(", ");
    writeln!(
        text,
        "int main(void) {{ {made} double least = 1e9; for (int k = 0; k < 10; ++k) {{\n\
         struct timespec a, b; clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a); f({given});\n\
         clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);\n\
         double s = b.tv_sec - a.tv_sec + 1e-9 * (b.tv_nsec - a.tv_nsec); if (s < least) least = s; }}\n\
         printf(\"%.6f\\n\", least / N * 1e9); return 0; }}"
    )
    .ok()?;
    Some(text)
}
