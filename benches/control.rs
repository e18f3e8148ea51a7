//! Optimal control of a quadrotor: from the file to compiled oracles at several lengths, and the
//! Jacobian and Hessian of N = 2000 stages on one thread. Beside CasADi's C code of the same, by
//! gcc -O3, when its Python package is there, in the same run. CPU time.
//!
//! `cargo bench --bench control`

mod support;

use nablac::function::{Compiled, Function, Options};
use nablac::graph::Func;
use nablac::kernel::count::count;
use nablac::model::Model;
use nablac::simplify::SimplifyOptions;
use support::{evaluating, making, peer, process_seconds};

const STAGES: usize = 2_000;

/// Oracles, or some of their outputs alone, from the text of the program.
fn compiled(n: usize, output: Option<&str>, level: u8) -> Compiled {
    let file = format!("{}/examples/quadrotor_ocp.nab", env!("CARGO_MANIFEST_DIR"));
    let function = Model::load(file).expect("it is there").dim("N", n as i64).function();
    let mut function = function.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    if let Some(output) = output {
        let k = function.output(output).expect("it is an output");
        let whole = function.func();
        let (graph, roots) = whole.graph().expect("it has a graph");
        let kept = vec![(output.into(), roots[k])];
        let func = Func::freeze(output, graph, whole.inputs.clone(), kept);
        function = Function::new(func, function.inputs().to_vec());
    }
    let simplify = SimplifyOptions { level, ..SimplifyOptions::default() };
    function.compile(&Options { simplify, ..support::one_thread() }).expect("it compiles")
}

/// w = 0.5 + 0.3 sin(i), lam = cos(0.7 i).
fn inputs(compiled: &Compiled, n: usize) -> Vec<Vec<f64>> {
    let w: Vec<f64> = (0..17 * n + 13).map(|i| 0.5 + 0.3 * (i as f64).sin()).collect();
    let inputs = compiled.function.inputs().iter().map(|input| match &*input.name {
        "W" => w[..17 * n].to_vec(),
        "xN" => w[17 * n..].to_vec(),
        "lam_g" => (0..13 * (n + 1)).map(|i| (0.7 * i as f64).cos()).collect(),
        _ => input.default.clone().expect("others have defaults"),
    });
    inputs.collect()
}

fn main() {
    for (n, level) in [(20, 1), (20, 2), (2_000, 1), (100_000, 1), (100_000, 2)] {
        let (seconds, all) = making(|| compiled(n, None, level));
        let given = inputs(&all, n);
        let given: Vec<&[f64]> = given.iter().map(Vec::as_slice).collect();
        let start = process_seconds();
        all.evaluate(&given).expect("it evaluates");
        let outputs = all.function.outputs().iter();
        let listed: usize =
            outputs.map(|o| o.pattern.colptr().len() + o.pattern.row_idx().len()).sum();
        let first = process_seconds() - start;
        println!(
            "N = {n}, level {level}: file to compiled oracles {:.3} s, {} bytes of code; first \
             values and patterns of {listed} numbers {:.3} s, {:.1} us a stage; {:.0} MB of work \
             memory",
            seconds,
            all.code_bytes(),
            first,
            1e6 * (seconds + first) / n as f64,
            all.kernel.work_len as f64 * 8e-6,
        );
    }
    let there = peer("control", &[&STAGES.to_string()]);
    for output in ["jac_g", "hess_l"] {
        let compiled = compiled(STAGES, Some(output), 2);
        let seconds = evaluating(&compiled, &inputs(&compiled, STAGES), 0) / STAGES as f64;
        let operations = count(&compiled.kernel).total() as f64 / STAGES as f64;
        println!("{output}: {:.2} us and {operations:.0} operations a stage", 1e6 * seconds);
        let of = |what: &str| there.as_ref().and_then(|t| t[output][what].as_f64());
        match (of("seconds"), of("operations")) {
            (Some(theirs), Some(n)) => println!(
                "  casadi {:.2} us and {n:.0} operations: {:.2} times as long, {:.2} of its operations",
                1e6 * theirs,
                theirs / seconds,
                operations / n
            ),
            _ => println!("  casadi: not measured (pip install casadi)"),
        }
    }
}
