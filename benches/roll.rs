//! Loops that somebody has written out, compiled as they stand and rolled up again: value and
//! gradient of Rosenbrock's chain, and the Jacobian and Hessian of the quadrotor of
//! `examples/quadrotor_ocp.nab`, as scalars. One thread, CPU time.
//!
//! `cargo bench --bench roll [-- NAME]`

#[path = "../tests/support/flatten.rs"]
mod flatten;
mod support;

use std::sync::Arc;

use nablac::backend::abi::{Engine, Memory};
use nablac::backend::jit::{Jit, JitOptions};
use nablac::function::Function;
use nablac::kernel::count::count;
use nablac::kernel::ir::Kernel;
use nablac::kernel::roll::roll_from;
use nablac::model::Model;
use support::{least, process_seconds, thread_seconds};

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|w| name.contains(&**w));
    for n in [100_000, 1_000_000] {
        let name = format!("rosenbrock {n}");
        if is_wanted(&name) {
            measure(&name, &chain(n));
        }
    }
    for n in [20, 500] {
        for output in ["jac_g", "hess_l"] {
            let name = format!("quadrotor {n} {output}");
            if is_wanted(&name) {
                measure(&name, &quadrotor(n, output));
            }
        }
    }
}

fn chain(n: usize) -> Arc<Kernel> {
    let text = format!(
        "input x[{n}]\noutput f = sum(100 * (x[k+1] - x[k]^2)^2 + (1 - x[k])^2 for k in 0..{})\n\
         output g = grad(f, x)\n",
        n - 1
    );
    let function = Model::parse("chain.nab", &text).function();
    flat(&function.unwrap_or_else(|mistakes| panic!("{mistakes}")))
}

fn quadrotor(n: usize, output: &str) -> Arc<Kernel> {
    let file = format!("{}/examples/quadrotor_ocp.nab", env!("CARGO_MANIFEST_DIR"));
    let function = Model::load(file).expect("it is there").dim("N", n as i64).function();
    let function = function.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let k = function.output(output).expect("it is an output");
    let whole = function.func();
    let (graph, roots) = whole.graph().expect("it has a graph");
    let kept = vec![(output.into(), roots[k])];
    let func = nablac::graph::Func::freeze(output, graph, whole.inputs.clone(), kept);
    flat(&Function::new(func, function.inputs().to_vec()))
}

fn flat(function: &Function) -> Arc<Kernel> {
    let compiled = function.compile(&support::one_thread()).expect("it compiles");
    flatten::flatten(&compiled.kernel)
}

/// What code takes.
struct Cost {
    code_bytes: usize,
    compile_s: f64,
    evaluate_s: f64,
    results: Vec<Vec<u64>>,
}

fn measure(name: &str, flat: &Arc<Kernel>) {
    let operations = count(flat).total();
    println!("{name}: {operations} operations, {} instructions", flat.insts.len());
    let start = thread_seconds();
    let rolled = roll_from(flat, 0);
    let roll_s = thread_seconds() - start;
    let Some((rolled, done)) = rolled else {
        println!("  is not rolled, found in {roll_s:.3} s");
        return;
    };
    println!(
        "  rolled in {roll_s:.3} s: of {} items {} are left, {} in loops; {} numbers of work memory",
        done.n_straight, done.n_left, done.n_in_loops, rolled.work_len
    );
    let rolled = of(&Arc::new(rolled));
    println!("  rolled:   {}", rolled.text());
    let straight = of(flat);
    println!("  straight: {}", straight.text());
    println!(
        "  straight / rolled: code {:.1}, compilation {:.2}, evaluation {:.2}; same bits: {}",
        straight.code_bytes as f64 / rolled.code_bytes as f64,
        straight.compile_s / (rolled.compile_s + roll_s),
        straight.evaluate_s / rolled.evaluate_s,
        straight.results == rolled.results
    );
}

impl Cost {
    fn text(&self) -> String {
        format!(
            "{} bytes of code, compiled in {:.3} s, an evaluation {:.0} ns",
            self.code_bytes,
            self.compile_s,
            1e9 * self.evaluate_s
        )
    }
}

fn of(kernel: &Arc<Kernel>) -> Cost {
    let start = process_seconds();
    let options = JitOptions { threads: 1, ..JitOptions::default() };
    let jit = Jit::new(kernel, &options).expect("it compiles");
    let compile_s = process_seconds() - start;
    let args: Vec<Vec<f64>> = kernel
        .args
        .iter()
        .map(|port| (0..port.nnz).map(|i| 0.5 + 0.3 * (i as f64).sin()).collect())
        .collect();
    let args: Vec<&[f64]> = args.iter().map(Vec::as_slice).collect();
    let mut results: Vec<Vec<f64>> = kernel.res.iter().map(|port| vec![0.0; port.nnz]).collect();
    let mut memory = Memory::default();
    let mut evaluate = || {
        let mut all: Vec<Option<&mut [f64]>> = results.iter_mut().map(|r| Some(&mut **r)).collect();
        jit.call(&args, &mut all, &mut memory).expect("it evaluates");
    };
    evaluate();
    let evaluate_s = least(&mut evaluate);
    let results = results.iter().map(|r| r.iter().map(|x| x.to_bits()).collect()).collect();
    Cost { code_bytes: jit.code_bytes(), compile_s, evaluate_s, results }
}
