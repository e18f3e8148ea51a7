//! Works of `../shared/data/expr` at 10^5 points on one thread, by default and under `--math
//! fast`: `evaluate_many_into`, beside the same operations as a loop in C, compiled by gcc -O3
//! -march=native -ffast-math, which takes vectors and the vector functions of its library (4 ulp).
//! Both read a column for each number, which the ratios are of; ours also takes points one after
//! the other. Under `--math fast` heyoka (`pip install heyoka`) stands beside it, too.
//!
//! `cargo bench --bench points [NAME]`

mod support;

use std::collections::BTreeMap;
use std::fmt::Write;

use nablac::backend::abi::Memory;
use nablac::function::{Compiled, Layout, Options};
use nablac::kernel::ir::Kernel;
use nablac::simplify::SimplifyOptions;
use nablac::simplify::rules::Math;
use support::works::{Ratios, beside_heyoka, by_gcc, helpers, names, statements, work};
use support::{one_thread, thread_seconds};

const POINTS: usize = 100_000;
/// Measurements, of which the least counts: other work on the same core slows some of them down,
/// for up to a second.
const MEASUREMENTS: usize = 100;

fn main() {
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    for (math, title) in [(Math::Real, "default"), (Math::Fast, "--math fast")] {
        let (mut ratios, mut times) = (Ratios::default(), BTreeMap::new());
        println!("{title}: ns a point: ours in columns, point by point, gcc; columns / gcc");
        for name in names().into_iter().filter(|name| name.contains(&filter)) {
            let simplify = SimplifyOptions { math, ..SimplifyOptions::default() };
            let (compiled, inputs) = work(&name, &Options { simplify, ..one_thread() }, POINTS);
            let [columns, points] =
                [Layout::Columns, Layout::Points].map(|l| ours(&compiled, l, &inputs) * 1e9);
            times.insert(name.clone(), columns);
            let text = in_c(&compiled.kernel, &inputs);
            match text.and_then(|text| by_gcc(&name, &text, &["-ffast-math"])) {
                Some(gcc) => {
                    let ratio = columns / gcc;
                    println!("{name:14} {columns:10.1} {points:10.1} {gcc:10.1} {ratio:8.3}");
                    ratios.add(ratio);
                }
                None => println!("{name:14} {columns:10.1} {points:10.1}, no gcc or loops"),
            }
        }
        println!("geometric mean {:.3}", ratios.mean());
        if math == Math::Fast {
            beside_heyoka(&times, "batch", &filter);
        }
    }
}

/// Least seconds a point.
fn ours(compiled: &Compiled, layout: Layout, inputs: &[Vec<f64>]) -> f64 {
    let slices: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    let outputs = compiled.function.outputs().iter();
    let mut values: Vec<Vec<f64>> =
        outputs.map(|output| vec![0.0; POINTS * output.pattern.nnz()]).collect();
    let mut memory = Memory::default();
    let mut least = f64::INFINITY;
    for _ in 0..MEASUREMENTS {
        let start = thread_seconds();
        let mut wanted: Vec<_> = values.iter_mut().map(|v| Some(&mut v[..])).collect();
        compiled
            .evaluate_many_into(POINTS, layout, &slices, &mut wanted, &mut memory)
            .expect("it evaluates");
        least = least.min(thread_seconds() - start);
    }
    least / POINTS as f64
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
        "int main(void) {{ {made} double least = 1e9; for (int k = 0; k < {MEASUREMENTS}; ++k) {{\n\
         struct timespec a, b; clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a); f({given});\n\
         clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);\n\
         double s = b.tv_sec - a.tv_sec + 1e-9 * (b.tv_nsec - a.tv_nsec); if (s < least) least = s; }}\n\
         printf(\"%.6f\\n\", least / N * 1e9); return 0; }}"
    )
    .ok()?;
    Some(text)
}
