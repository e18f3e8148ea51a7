//! Works of `../shared/data/expr`, one point at a time on one thread: machine code, beside the
//! kernel before registers are allocated as C with one local for each value, compiled by gcc -O3
//! -march=native without contraction; under `--math fast` with gcc's own contraction, and beside
//! heyoka (`pip install heyoka`), which takes its fastest setting.
//!
//! `cargo bench --bench works [NAME]`

mod support;

use std::collections::BTreeMap;
use std::fmt::Write;

use nablac::function::{Compiled, Options};
use nablac::kernel::ir::Kernel;
use nablac::simplify::SimplifyOptions;
use nablac::simplify::rules::Math;
use support::works::{Ratios, beside_heyoka, by_gcc, helpers, names, statements, work};
use support::{MEASUREMENTS, SECONDS, least, one_thread};

/// Points that calls take in turn.
const POINTS: usize = 4;
fn main() {
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    for (math, title, flag) in [
        (Math::Real, "default", "-ffp-contract=off"),
        (Math::Fast, "--math fast", "-ffp-contract=fast"),
    ] {
        let (mut ratios, mut times) = (Ratios::default(), BTreeMap::new());
        println!("{title}: ns a call: ours, gcc; ours / gcc");
        for name in names().into_iter().filter(|name| name.contains(&filter)) {
            let simplify = SimplifyOptions { math, ..SimplifyOptions::default() };
            let (compiled, inputs) = work(&name, &Options { simplify, ..one_thread() }, POINTS);
            let before = ours(&compiled, &inputs) * 1e9;
            let text = in_c(&compiled.kernel, &inputs, (1e9 * SECONDS / before) as u64);
            let gcc = text.and_then(|text| by_gcc(&name, &text, &[flag]));
            let ours = before.min(ours(&compiled, &inputs) * 1e9);
            times.insert(name.clone(), ours);
            match gcc {
                Some(gcc) => {
                    println!("{name:14} {ours:10.1} {gcc:10.1} {:8.3}", ours / gcc);
                    ratios.add(ours / gcc);
                }
                None => println!("{name:14} {ours:10.1}, no gcc or loops in the kernel"),
            }
        }
        println!("geometric mean {:.3}", ratios.mean());
        if math == Math::Fast {
            beside_heyoka(&times, "scalar", &filter);
        }
    }
}

/// Least seconds a call.
fn ours(compiled: &Compiled, inputs: &[Vec<f64>]) -> f64 {
    let wanted = vec![true; compiled.function.outputs().len()];
    let mut points: Vec<_> = (0..POINTS)
        .map(|p| {
            let mut bound = compiled.bind(&wanted).expect("it binds");
            for (k, x) in inputs.iter().enumerate() {
                bound.arg(k)[0] = x[p];
            }
            bound
        })
        .collect();
    let mut k = 0;
    least(|| {
        points[k % POINTS].call().expect("it evaluates");
        k += 1;
    })
}

/// The kernel in C with a main function that times so many calls.
fn in_c(kernel: &Kernel, inputs: &[Vec<f64>], n_calls: u64) -> Option<String> {
    let body = statements(kernel, |name, k, at| format!("{name}{k}[{at}]"))?;
    let mut text = "#include <math.h>\n#include <stdio.h>\n#include <time.h>\n".to_owned();
    text.push_str(&helpers(kernel));
    let (mut parameters, mut given) = (Vec::new(), Vec::new());
    for (k, values) in inputs.iter().enumerate() {
        parameters.push(format!("const double *restrict in{k}"));
        given.push(format!("in{k} + r % {POINTS}"));
        writeln!(
            text,
            "static double in{k}[] = {{{}}};",
            values.iter().map(|x| format!("{x:?}")).collect::<Vec<_>>().join(",")
        )
        .ok()?;
    }
    for (k, port) in kernel.res.iter().enumerate() {
        parameters.push(format!("double *restrict out{k}"));
        given.push(format!("out{k}"));
        writeln!(text, "static double out{k}[{}];", port.nnz.max(1)).ok()?;
    }
    writeln!(
        text,
        "__attribute__((noinline)) void f({}) {{\n{body}}}\n\
         int main(void) {{ double least = 1e9; for (int k = 0; k < {MEASUREMENTS}; ++k) {{\n\
         struct timespec a, b; clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);\n\
         for (long r = 0; r < {n_calls}; ++r) f({});\n\
         clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);\n\
         double s = b.tv_sec - a.tv_sec + 1e-9 * (b.tv_nsec - a.tv_nsec); if (s < least) least = s; }}\n\
         printf(\"%.6f\\n\", least / {n_calls} * 1e9); return 0; }}",
        parameters.join(", "),
        given.join(", ")
    )
    .ok()?;
    Some(text)
}
