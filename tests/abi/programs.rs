//! Kernels that come from programs: their C text is clean, and engine `c` agrees with the
//! interpreter.

use std::process::Command;

use nablac::backend::c::{CFunction, COptions, CPort, emit};
use nablac::function::{EngineKind, Function, Input, Options};
use nablac::lower::{LowerOptions, lower};
use nablac::syntax::{SourceMap, render_all};

use crate::compilers::WARNINGS;
use crate::{available, directory, quiet};

const PROGRAMS: [(&str, &str); 5] = [
    (
        "banana",
        "input x[2]\nparam a = 1\nlet r = [a - x[0], x[1] - x[0]^2]\n\
         let f = r[0]^2 + 100 * r[1]^2\noutput f, g = grad(f, x), H = hess(f, x)\n",
    ),
    (
        "pairs",
        "input x[3, 40], y[3, 50], b[50]\n\
         fn gauss(u[3], v[3]) = exp(-norm2sq(u - v) / 2)\n\
         let energy = sum(gauss(x[:, i], y[:, j]) * b[j] for i in 0..40 for j in 0..50)\n\
         let near = [max(gauss(x[:, i], y[:, j]) for j in 0..50) for i in 0..40]\n\
         output near, energy, force = -grad(energy, x)\n",
    ),
    (
        "simulate",
        "input x0[2], u[30]\n\
         fn f(x[2], u) = [x[1], (1 - x[0]^2) * x[1] - x[0] + u]\n\
         fn rk2(x[2], u, h) {\n  let k = f(x, u)\n  x + h * f(x + h / 2 * k, u)\n}\n\
         let xs = scan x = x0 for k in 0..30 { rk2(x, u[k], 0.05) }\n\
         let cost = sum(xs[0, k]^2 + 0.1 * u[k]^2 for k in 0..30)\n\
         output xs, cost, g = grad(cost, u), J = jac(xs[:, end], x0)\n",
    ),
    (
        "choices",
        "input x[20] in -10..10\n\
         let y = [if x[k] > 0 then log(1 + x[k]) else min(x[k], -0.5)^3 for k in 0..20]\n\
         let s = sum(select(y[k] > 0, abs(x[k]), sign(x[k])) for k in 0..20)\n\
         output y, s, J = jac(y, x), g = grad(s, x)\n",
    ),
    (
        "chain",
        "input x[2000]\n\
         let e = sum(exp(x[k] - x[k+1]^2) for k in 0..1999)\n\
         output e, g = grad(e, x), H = hess(e, x)\n",
    ),
];

fn function(name: &str, text: &str) -> Function {
    let mut sources = SourceMap::new();
    let root = sources.add(name, text);
    let program = lower(&mut sources, root, &LowerOptions::default(), &|_, _| Err(String::new()))
        .unwrap_or_else(|mistakes| panic!("{}", render_all(&mistakes, &sources, false)));
    let inputs = program
        .inputs
        .iter()
        .map(|i| Input { range: i.range, ..Input::new(i.name.clone(), i.pattern.clone()) });
    let inputs = inputs.collect();
    Function::new(program.func, inputs)
}

#[test]
fn engine_c_agrees_on_programs() {
    if !available("cc", &["--version"]) {
        return;
    }
    for (name, text) in PROGRAMS {
        let function = function(name, text);
        let compile = |engine| {
            let options = Options { engine, ..Options::default() };
            function.compile(&options).unwrap_or_else(|error| panic!("{name}: {error}"))
        };
        let (ours, reference) = (compile(EngineKind::C), compile(EngineKind::Interp));
        let values: Vec<Vec<f64>> = function
            .inputs()
            .iter()
            .map(|i| (0..i.pattern.nnz()).map(|k| (k as f64 + 1.0).sin()).collect())
            .collect();
        let inputs: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
        let ours = ours.evaluate(&inputs).expect("it evaluates");
        let reference = reference.evaluate(&inputs).expect("it evaluates");
        for ((port, ours), reference) in function.outputs().iter().zip(&ours).zip(&reference) {
            let scale = reference.iter().fold(0.0, |scale: f64, value| scale.max(value.abs()));
            for (ours, reference) in ours.iter().zip(reference) {
                let close = (ours - reference).abs() <= 1e-12 * scale;
                assert!(close, "{} of {name}: {ours} is not {reference}", port.name);
            }
        }
    }
}

#[test]
fn programs_compile_without_a_warning() {
    if !available("cc", &["--version"]) {
        return;
    }
    let mut functions = Vec::new();
    for (name, text) in PROGRAMS {
        let function = function(name, text);
        let options = Options { engine: EngineKind::Interp, ..Options::default() };
        let kernel = function.compile(&options).expect("it compiles").kernel;
        let port = |name: &str, pattern: &nablac::sparsity::Pattern| CPort {
            name: name.to_string(),
            pattern: pattern.clone(),
            default: None,
            unit: None,
        };
        functions.push(CFunction {
            name: name.to_string(),
            inputs: function.inputs().iter().map(|i| port(&i.name, &i.pattern)).collect(),
            outputs: function.outputs().iter().map(|o| port(&o.name, &o.pattern)).collect(),
            kernel,
        });
    }
    let files = emit("programs", &functions, &COptions::default()).expect("it can be written");
    let directory = directory("programs");
    std::fs::write(directory.join("programs.c"), files.source).expect("a file is written");
    let mut command = Command::new("cc");
    command.current_dir(&directory).args(["-std=c99", "-O2", "-c", "programs.c"]);
    quiet(command.args(WARNINGS));
}
