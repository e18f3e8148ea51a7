//! The acceptance set of the language: every test block of every program in every engine.

use nablac::lower::LowerOptions;

use crate::common::{compile, engines, function, program, shared};

/// Programs whose tests run, after leaving out lines that solve linear systems.
const RUNNING: [&str; 5] = ["rosenbrock", "kernel", "fit", "chain_sparse", "cartpole_ocp"];

/// Programs with parts of the language that are not there yet.
const WAITING: [&str; 4] = ["implicit", "lotka", "matcalc", "taylor"];

/// The text without lines that use `\` or what they define.
fn without_solves(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| {
            let code = line.split('#').next().unwrap_or("");
            !code.contains('\\') && !code.trim_start().starts_with("expect w ")
        })
        .collect();
    lines.join("\n")
}

#[test]
fn test_blocks_hold_in_every_engine() {
    let Some(folder) = shared("programs") else { return };
    for name in RUNNING {
        let text = std::fs::read_to_string(folder.join(format!("{name}.nab"))).unwrap();
        let text = without_solves(&text);
        let dims = if name == "kernel" { vec![("M".to_owned(), 4)] } else { Vec::new() };
        let n_tests = program(&text, LowerOptions { dims, ..LowerOptions::default() })
            .unwrap_or_else(|e| panic!("{name}: {e}"))
            .tests
            .len();
        assert!(n_tests > 0, "{name}");
        for k in 0..n_tests {
            let options = LowerOptions { test: Some(k), ..LowerOptions::default() };
            let lowered = program(&text, options).unwrap_or_else(|e| panic!("{name}: {e}"));
            let test = lowered.test.as_ref().unwrap();
            let f = function(&lowered);
            let mut inputs: Vec<Vec<f64>> = lowered
                .inputs
                .iter()
                .map(|i| i.default.clone().unwrap_or_else(|| vec![f64::NAN; i.pattern.nnz()]))
                .collect();
            for (input, values) in &test.values {
                inputs[*input] = values.clone();
            }
            let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
            for engine in engines() {
                let outputs = compile(&f, engine).evaluate(&inputs).unwrap();
                for e in &test.expectations {
                    let of = |k: usize| {
                        let pattern = &f.outputs()[k].pattern;
                        let mut all = vec![0.0; pattern.numel()];
                        for (at, v) in pattern.linear().zip(&outputs[k]) {
                            all[at as usize] = *v;
                        }
                        all
                    };
                    let (a, b) = (of(e.left), of(e.right));
                    assert_eq!(a.len(), b.len(), "{name}");
                    for (x, y) in a.iter().zip(&b) {
                        let close = (x - y).abs() <= e.tolerance * y.abs().max(1.0);
                        assert!(close, "{name} ({engine:?}), {}: {x} and {y}", test.name);
                    }
                }
            }
        }
    }
}

#[test]
fn other_programs_say_what_is_missing() {
    let Some(folder) = shared("programs") else { return };
    for name in WAITING {
        let text = std::fs::read_to_string(folder.join(format!("{name}.nab"))).unwrap();
        let message = program(&text, LowerOptions::default()).map(|_| ()).unwrap_err();
        let errors = message.lines().filter(|l| l.starts_with("error"));
        for error in errors {
            assert!(error.starts_with("error[E0401]"), "{name}: {message}");
        }
        assert!(message.contains("E0401"), "{name}: {message}");
    }
}
