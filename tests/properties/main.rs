//! Random programs: derivatives fit one another, engines and simplification agree, and what is
//! saved or printed comes back.

mod print;
mod programs;
mod saved;

use std::sync::Arc;

use nablac::backend::abi::{Engine, Memory};
use nablac::backend::interp::Interp;
use nablac::function::{EngineKind, Function, Options};
use programs::{MAX_ENTRIES, N, Step, program, steps};
use proptest::prelude::*;

fn inputs(seed: &[f64]) -> Vec<Vec<f64>> {
    let at = |k: usize| seed[k % seed.len()];
    let n = N + 2;
    vec![
        (0..N).map(at).collect(),
        (0..N).map(|k| at(k + 1) + 0.3).collect(),
        (0..MAX_ENTRIES).map(|k| at(3 * k + 2) - 0.1).collect(),
        (N..n).map(at).collect(),
    ]
}

fn evaluate(f: &Function, engine: EngineKind, inputs: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let compiled = f.compile(&Options { engine, ..Options::default() }).unwrap();
    let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    compiled.evaluate(&inputs).unwrap()
}

/// In the interpreter, nothing simplified.
fn evaluate_plain(f: &Function, inputs: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let engine = Interp::new(&Arc::new(nablac::kernel::build(f.func())));
    let mut outputs: Vec<Vec<f64>> =
        f.outputs().iter().map(|o| vec![f64::NAN; o.pattern.nnz()]).collect();
    let args: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    let mut res: Vec<Option<&mut [f64]>> =
        outputs.iter_mut().map(|o| Some(o.as_mut_slice())).collect();
    engine.call(&args, &mut res, &mut Memory::default()).unwrap();
    outputs
}

/// Dense entries of every output.
fn dense(f: &Function, values: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let spread = |(o, v): (&nablac::function::Output, &Vec<f64>)| {
        let mut all = vec![0.0; o.pattern.numel()];
        o.pattern.linear().zip(v).for_each(|(at, &v)| all[at as usize] = v);
        all
    };
    f.outputs().iter().zip(values).map(spread).collect()
}

/// The product of a dense matrix and a vector.
fn product(matrix: &[f64], x: &[f64]) -> Vec<f64> {
    let n_rows = matrix.len() / x.len();
    let entry = |i: usize| (0..x.len()).map(|j| matrix[i + j * n_rows] * x[j]).sum();
    (0..n_rows).map(entry).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn scale(values: &[f64]) -> f64 {
    values.iter().fold(1.0, |m, v| if v.is_finite() { m.max(v.abs()) } else { m })
}

fn assert_near(a: &[f64], b: &[f64], tolerance: f64, what: &str) -> Result<(), TestCaseError> {
    let limit = tolerance * scale(a).max(scale(b));
    prop_assert_eq!(a.len(), b.len(), "{}", what);
    for (k, (x, y)) in a.iter().zip(b).enumerate() {
        let same = (x - y).abs() <= limit || x == y || x.is_nan() && y.is_nan();
        prop_assert!(same, "{what}: entry {k} is {x} and {y}");
    }
    Ok(())
}

fn numbers() -> impl Strategy<Value = Vec<f64>> {
    proptest::collection::vec(-1.5..1.5f64, 9)
}

/// A number of programs; none is written to a file.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn derivatives_fit_one_another(steps in steps(), seed in numbers()) {
        let f = program(&steps);
        let inputs = inputs(&seed);
        let values = dense(&f, &evaluate_plain(&f, &inputs));
        let [y, jac, jvp, vjp, grad, hess, hvp] = &values[..] else { unreachable!() };
        let (v, w) = (&inputs[1], &inputs[2][..y.len()]);
        let size = scale(jac) * scale(w);
        prop_assert!((dot(w, jvp) - dot(vjp, v)).abs() <= 1e-9 * size || size > 1e12);
        assert_near(&product(jac, v), jvp, 1e-9, "Jacobian and tangent")?;
        assert_near(&product(hess, v), hvp, 1e-9, "Hessian and its product")?;
        let transposed: Vec<f64> = (0..N * N).map(|k| hess[k / N + k % N * N]).collect();
        assert_near(hess, &transposed, 1e-9, "Hessian and its transpose")?;
        prop_assert_eq!(grad.len(), N);
    }

    #[test]
    fn interpreter_and_machine_code_agree_to_the_bit(steps in steps(), seed in numbers()) {
        let f = program(&steps);
        let inputs = inputs(&seed);
        let plain = evaluate_plain(&f, &inputs);
        let interp = evaluate(&f, EngineKind::Interp, &inputs);
        let jit = evaluate(&f, EngineKind::Jit, &inputs);
        for (k, output) in f.outputs().iter().enumerate() {
            for (a, b) in interp[k].iter().zip(&jit[k]) {
                let same = a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
                prop_assert!(same, "`{}`: {a} and {b}", output.name);
            }
            assert_near(&plain[k], &interp[k], 1e-9, &format!("`{}` simplified", output.name))?;
        }
    }
}

proptest! {
    #![proptest_config(config(3))]

    #[test]
    fn generated_c_agrees(steps in steps(), seed in numbers()) {
        let f = program(&steps);
        let inputs = inputs(&seed);
        let interp = evaluate(&f, EngineKind::Interp, &inputs);
        let c = evaluate(&f, EngineKind::C, &inputs);
        for (k, output) in f.outputs().iter().enumerate() {
            assert_near(&interp[k], &c[k], 1e-12, &format!("`{}` in C", output.name))?;
        }
    }
}

/// Central differences, for the steps without kinks.
#[test]
fn gradients_are_slopes() {
    let kinds: [&[u8]; 6] =
        [&[0, 10, 5], &[17, 19, 4], &[20, 12, 7], &[16, 10, 14], &[19, 20, 17], &[18, 11, 2]];
    for (k, kinds) in kinds.iter().enumerate() {
        let number = |j: usize| (k * 7 + j * 3) as u8;
        let steps: Vec<Step> = kinds
            .iter()
            .enumerate()
            .map(|(j, &kind)| Step { kind, a: number(j), b: number(j + 1), c: 3 * k as u8 })
            .collect();
        let f = program(&steps);
        let x: Vec<f64> = (0..9).map(|k| 0.4 + 0.17 * (k * k % 5) as f64).collect();
        let at = |shift: f64| {
            let mut inputs = inputs(&x);
            let v = inputs[1].clone();
            inputs[0].iter_mut().zip(&v).for_each(|(x, v)| *x += shift * v);
            dense(&f, &evaluate_plain(&f, &inputs))
        };
        let h = 1e-5;
        let (lo, here, hi) = (at(-h), at(0.0), at(h));
        let slope = |output: usize| -> Vec<f64> {
            let difference = hi[output].iter().zip(&lo[output]).map(|(b, a)| (b - a) / (2.0 * h));
            difference.collect()
        };
        assert_near(&slope(0), &here[2], 1e-7, &format!("tangent of program {k}")).unwrap();
        assert_near(&slope(4), &here[6], 1e-7, &format!("Hessian of program {k}")).unwrap();
    }
}
