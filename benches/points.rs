//! Works of `../shared/data/expr` at 10^5 points on one thread: `evaluate_many`, beside the same
//! operations as a loop in C, compiled by gcc -O3 -march=native -ffast-math, which takes vectors
//! and the vector functions of its library (4 ulp). Ours reads points one after the other, C reads
//! a column for each number.
//!
//! `cargo bench --bench points`

mod support;

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use nablac::backend::abi::Memory;
use nablac::function::Compiled;
use nablac::kernel::ir::{Base, Inst, Kernel};
use nablac::model::Model;
use serde_json::Value as Json;
use support::{one_thread, thread_seconds};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const POINTS: usize = 100_000;
const TOGETHER: usize = 60;

fn main() {
    let folder = Path::new(ROOT).join("../shared/data/expr");
    let Ok(files) = std::fs::read_dir(&folder) else {
        return println!("{} is not there", folder.display());
    };
    let mut names: Vec<String> = files
        .filter_map(|file| file.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".txt").map(str::to_owned))
        .collect();
    names.sort();
    let (mut log_ratio, mut n) = (0.0, 0);
    println!("work            ns a point: ours, gcc; ours / gcc");
    for name in names {
        let script = format!("{ROOT}/../shared/checks/works_to_nab.py");
        let file = folder.join(format!("{name}.txt"));
        let program = Command::new("python3").arg(script).arg(file).output().expect("python3");
        let program = String::from_utf8(program.stdout).expect("a program");
        let function = Model::parse(&name, &program).function().expect("it lowers");
        let compiled = function.compile(&one_thread()).expect("it compiles");
        let reference = std::fs::read_to_string(folder.join(format!("{name}.json")));
        let reference: Json = serde_json::from_str(&reference.expect("a reference")).expect("JSON");
        let inputs = inputs(&compiled, &reference);
        let ours = ours(&compiled, &inputs) * 1e9;
        match by_gcc(&name, &compiled, &inputs) {
            Some(gcc) => {
                println!("{name:14} {ours:10.1} {gcc:10.1} {:8.3}", ours / gcc);
                log_ratio += (ours / gcc).ln();
                n += 1;
            }
            None => println!("{name:14} {ours:10.1}, no gcc or loops in the kernel"),
        }
    }
    println!("geometric mean {:.3}", (log_ratio / f64::from(n)).exp());
}

/// The regular points of the reference again and again, a little apart.
fn inputs(compiled: &Compiled, reference: &Json) -> Vec<Vec<f64>> {
    let points = reference["points"].as_array().expect("points");
    let names = reference["inputs"].as_array().expect("inputs");
    let value = |k: usize, name: &str| {
        let at = names.iter().position(|n| n.as_str() == Some(name)).expect("an input");
        let x = &points[k % points.len().min(4)]["x"][at];
        let x = x.as_f64().or_else(|| x.as_str()?.parse().ok()).expect("a number");
        x * (1.0 + 1e-6 * (k % 997) as f64)
    };
    let inputs = compiled.function.inputs().iter();
    inputs.map(|input| (0..POINTS).map(|k| value(k, &input.name)).collect()).collect()
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
    let mut body = String::new();
    let address = |addr: u32| {
        let addr = &kernel.addrs[addr as usize];
        let at = addr.index.offset;
        match addr.base {
            _ if !addr.tables.is_empty() || !addr.index.terms.is_empty() => None,
            Base::Arg(k) => Some(format!("x{k}[{at} * N + i]")),
            Base::Res(k) => Some(format!("y{k}[{at} * N + i]")),
            Base::Work | Base::Data(_) => None,
        }
    };
    for inst in &kernel.insts {
        match *inst {
            Inst::Const { dst, value } => writeln!(body, "double v{dst} = {value:?};").ok()?,
            Inst::Load { dst, addr } => {
                writeln!(body, "double v{dst} = {};", address(addr)?).ok()?;
            }
            Inst::Store { addr, src } => writeln!(body, "{} = v{src};", address(addr)?).ok()?,
            Inst::Apply { dst, op, args } => {
                let mut text = op.row().c.to_owned();
                for (name, arg) in ["{a}", "{b}", "{c}"].into_iter().zip(args) {
                    text = text.replace(name, &format!("v{arg}"));
                }
                writeln!(body, "double v{dst} = {text};").ok()?;
            }
            Inst::IfWanted { .. } => body.push_str("{\n"),
            Inst::EndWanted => body.push_str("}\n"),
            _ => return None,
        }
    }
    let mut text = format!(
        "#include <math.h>\n#include <stdio.h>\n#include <time.h>\n#include <stdlib.h>\nenum {{ N = {POINTS} }};\n"
    );
    let (mut parameters, mut given, mut made) = (Vec::new(), Vec::new(), String::new());
    for (k, values) in inputs.iter().enumerate() {
        parameters.push(format!("const double *restrict x{k}"));
        given.push(format!("x{k}"));
        // A few values are enough.
        let few: Vec<String> = values[..997].iter().map(|x| format!("{x:?}")).collect();
        writeln!(text, "static const double few{k}[] = {{{}}};", few.join(",")).ok()?;
        writeln!(made, "double *x{k} = aligned_alloc(64, 64 + 8L * N); for (long i = 0; i < N; ++i) x{k}[i] = few{k}[i % 997];").ok()?;
    }
    for (k, port) in kernel.res.iter().enumerate() {
        parameters.push(format!("double *restrict y{k}"));
        given.push(format!("y{k}"));
        writeln!(made, "double *y{k} = calloc({}L * N, 8);", port.nnz).ok()?;
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

/// Nanoseconds a point.
fn by_gcc(name: &str, compiled: &Compiled, inputs: &[Vec<f64>]) -> Option<f64> {
    let text = in_c(&compiled.kernel, inputs)?;
    let folder = std::env::temp_dir();
    let [source, program] = ["c", "out"]
        .map(|end| folder.join(format!("nablac-points-{name}-{}.{end}", std::process::id())));
    std::fs::write(&source, text).ok()?;
    let made = Command::new("gcc")
        .args(["-O3", "-march=native", "-ffast-math", "-w"])
        .arg(&source)
        .arg("-o")
        .arg(&program)
        .arg("-lm")
        .status();
    let output = made.ok()?.success().then(|| Command::new(&program).output().ok());
    let _ = std::fs::remove_file(source);
    let _ = std::fs::remove_file(program);
    String::from_utf8(output??.stdout).ok()?.trim().parse().ok()
}
