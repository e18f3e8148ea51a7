//! Optimal control of a quadrotor: checksums of all oracles are those of CasADi.

use std::path::PathBuf;

use nablac::function::Options;
use nablac::model::Model;
use nablac::simplify::SimplifyOptions;
use nablac::sparsity::Pattern;

use crate::common::shared;

/// sum, norm and sum of v_i cos(i).
fn checksums(values: &[f64]) -> [f64; 3] {
    let sum = values.iter().sum();
    let norm = values.iter().map(|v| v * v).sum::<f64>().sqrt();
    let weighted = values.iter().enumerate().map(|(i, v)| v * (i as f64).cos()).sum();
    [sum, norm, weighted]
}

fn assert_close(found: &[f64], table: &[[String; 8]], n: usize, what: &str, output: &str) {
    let row = table
        .iter()
        .find(|r| r[0] == n.to_string() && r[1] == "MX" && r[2] == what && r[3] == output)
        .unwrap_or_else(|| panic!("no row {what} {output} for {n}"));
    assert_eq!(row[4], found.len().to_string(), "{what} at {n}");
    let sums = checksums(found);
    for (sum, text) in sums.iter().zip(&row[5..]) {
        let reference: f64 = text.parse().unwrap();
        // Printed to 12 digits; the sums cancel.
        let close = (sum - reference).abs() <= 1e-10 * sums[1].max(1.0) * (n as f64).sqrt();
        assert!(close, "{what} {output} at {n}: {sum} and {reference}");
    }
}

/// The rows of the table that follows the line `title`.
fn table(text: &str, title: &str) -> Vec<[String; 8]> {
    let lines = text.lines().skip_while(|l| l.trim() != title).skip(1);
    let rows = lines.skip_while(|l| !l.starts_with('|')).take_while(|l| l.starts_with('|'));
    let cells = |l: &str| -> Vec<String> {
        l.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect()
    };
    rows.filter_map(|l| cells(l).try_into().ok()).collect()
}

/// A symmetric matrix in full from its lower triangle, column by column.
fn full(pattern: &Pattern, values: &[f64]) -> Vec<f64> {
    let n = pattern.n_rows();
    let mut all: Vec<(usize, f64)> = Vec::new();
    for ((row, column), &v) in pattern.entries().zip(values) {
        all.push((row + column * n, v));
        if row != column {
            all.push((column + row * n, v));
        }
    }
    all.sort_by_key(|e| e.0);
    all.into_iter().map(|e| e.1).collect()
}

#[test]
fn oracles_have_the_checksums_of_casadi() {
    let Some(folder) = shared("peers/casadi") else { return };
    let text = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let table = table(&text, "ocp_quadrotor");
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/quadrotor_ocp.nab");
    for n in [20, 100, 500, 2000] {
        let f = Model::load(&path).unwrap().dim("N", n as i64).function().unwrap();
        let simplify = SimplifyOptions { level: 1, ..SimplifyOptions::default() };
        let compiled = f.compile(&Options { simplify, ..Options::default() }).unwrap();
        let w: Vec<f64> = (0..17 * n + 13).map(|i| 0.5 + 0.3 * (i as f64).sin()).collect();
        let lam: Vec<f64> = (0..13 * (n + 1)).map(|i| (0.7 * i as f64).cos()).collect();
        let values: Vec<Vec<f64>> = f
            .inputs()
            .iter()
            .map(|input| match &*input.name {
                "W" => w[..17 * n].to_vec(),
                "xN" => w[17 * n..].to_vec(),
                "lam_g" => lam.clone(),
                _ => input.default.clone().unwrap(),
            })
            .collect();
        let args: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
        let outputs = compiled.evaluate(&args).unwrap();
        let at = |name: &str| f.outputs().iter().position(|o| &*o.name == name).unwrap();
        let of = |name: &str| &outputs[at(name)];
        let pattern = |name: &str| &f.outputs()[at(name)].pattern;
        assert_close(of("f"), &table, n, "fg", "0");
        assert_close(of("g"), &table, n, "fg", "1");
        assert_close(of("jac_g"), &table, n, "jac", "0");
        let mut gradient = of("grad_f").clone();
        for ((row, column), v) in pattern("jac_g").entries().zip(of("jac_g")) {
            gradient[column] += v * lam[row];
        }
        assert_close(&gradient, &table, n, "gradL", "0");
        assert_close(&full(pattern("hess_l"), of("hess_l")), &table, n, "hessL", "0");
    }
}
