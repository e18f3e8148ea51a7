//! Chains of up to 10^5 variables: Rosenbrock's against checksums of CasADi, that of Luksan and
//! Vlcek against its derivatives by hand.

use nablac::function::{EngineKind, Options};
use nablac::model::Model;

use crate::common::shared;

fn example(name: &str, n: usize) -> Model {
    let path = format!("{}/examples/{name}.nab", env!("CARGO_MANIFEST_DIR"));
    Model::load(path).unwrap().dim("n", n as i64)
}

/// Sum, norm, and sum weighted by cos(i).
fn checksums(v: &[f64]) -> [f64; 3] {
    let weighted = v.iter().enumerate().map(|(i, v)| v * (i as f64).cos()).sum();
    [v.iter().sum(), v.iter().map(|v| v * v).sum::<f64>().sqrt(), weighted]
}

#[test]
fn rosenbrock_agrees_with_casadi() {
    let Some(file) = shared("peers/casadi/README.md") else { return };
    let text = std::fs::read_to_string(file).unwrap();
    let table = text.split("\nrosenbrock_chain\n").nth(1).unwrap();
    let mut n_compared = 0;
    for n in [100, 1_000, 10_000, 100_000] {
        let f = example("rosenbrock_chain", n).function().unwrap();
        let compiled = f.compile(&Options::default()).unwrap();
        let x: Vec<f64> = (0..n).map(|i| 1.0 + 0.1 * (i as f64).sin()).collect();
        let values = compiled.evaluate(&[&x]).unwrap();
        for line in table.lines().skip_while(|line| line.is_empty()).take_while(|l| !l.is_empty()) {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let Some(values) = [("grad", &values[1]), ("hess", &values[2])]
                .iter()
                .find(|(name, _)| cells[1] == n.to_string() && cells[3] == *name)
                .map(|(_, values)| *values)
            else {
                continue;
            };
            n_compared += 1;
            assert_eq!(cells[5], values.len().to_string(), "{line}");
            let [sum, norm, weighted] = checksums(values);
            // CasADi's numbers have 12 digits; sums of terms of both signs lose some.
            for (cell, value, scale) in
                [(cells[6], sum, norm), (cells[7], norm, norm), (cells[8], weighted, norm)]
            {
                let expected: f64 = cell.parse().unwrap();
                let close = (value - expected).abs() <= 1e-11 * scale.max(expected.abs());
                assert!(close, "{line}: {value}");
            }
        }
    }
    assert_eq!(n_compared, 14);
}

#[test]
fn luksan_agrees_with_derivatives_by_hand() {
    for (n, engines) in [
        (100, &[EngineKind::default(), EngineKind::Jit, EngineKind::Interp, EngineKind::C][..]),
        (100_000, &[EngineKind::default()][..]),
    ] {
        let problem = example("luksan", n).problem().unwrap().unwrap();
        let oracles = problem.oracles();
        let x: Vec<f64> = (0..n).map(|i| 0.8 + 0.3 * (0.7 * i as f64).sin()).collect();
        let lam: Vec<f64> = (0..n - 2).map(|i| (0.7 * i as f64).cos()).collect();
        let (mut grad, mut diagonal, mut below) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
        for i in 1..n {
            let (a, d) = (x[i - 1], x[i - 1] * x[i - 1] - x[i]);
            grad[i - 1] += 400.0 * a * d + 2.0 * (a - 1.0);
            grad[i] -= 200.0 * d;
            diagonal[i - 1] += 1200.0 * a * a - 400.0 * x[i] + 2.0;
            diagonal[i] += 200.0;
            below[i - 1] -= 400.0 * a;
        }
        // sin(b - c) sin(b + c) is sin(b)^2 - sin(c)^2.
        let mut jac = Vec::new();
        for i in 0..n - 2 {
            let (a, b, c) = (x[i], x[i + 1], x[i + 2]);
            let e = (a - b).exp();
            let by_a = -(1.0 + a) * e;
            let by_b = 9.0 * b * b + (2.0 * b).sin() + 4.0 + a * e;
            jac.extend([(i, i, by_a), (i + 1, i, by_b), (i + 2, i, 2.0 - (2.0 * c).sin())]);
            diagonal[i] -= lam[i] * (2.0 + a) * e;
            diagonal[i + 1] += lam[i] * (18.0 * b + 2.0 * (2.0 * b).cos() - a * e);
            diagonal[i + 2] -= lam[i] * 2.0 * (2.0 * c).cos();
            below[i] += lam[i] * (1.0 + a) * e;
        }
        jac.sort_by_key(|&(col, row, _)| (col, row));
        let jac: Vec<f64> = jac.into_iter().map(|entry| entry.2).collect();
        let mut hess: Vec<f64> = diagonal.iter().zip(&below).flat_map(|(d, b)| [*d, *b]).collect();
        hess.pop();
        for &engine in engines {
            let compiled = oracles.compile(&Options { engine, ..Options::default() }).unwrap();
            let values = compiled.evaluate(&[&x, &[], &[1.0], &lam]).unwrap();
            for (k, expected) in [(1, &grad), (3, &jac), (4, &hess)] {
                assert_eq!(values[k].len(), expected.len());
                for (i, (value, expected)) in values[k].iter().zip(expected).enumerate() {
                    let close = (value - expected).abs() <= 1e-12 * expected.abs().max(1e3);
                    assert!(close, "{n} ({engine:?}), output {k}, {i}: {value} and {expected}");
                }
            }
        }
    }
}
