//! AC optimal power flow of `examples/acopf.nab` on the cases of pglib, against CasADi's nonzero
//! counts and sums of absolute values.

use nablac::data::Data;
use nablac::function::{EngineKind, Options};
use nablac::model::Model;
use serde_json::Value;

use crate::common::shared;
use crate::matpower::{case::Case, opf};
use crate::numpy_random::NumpyRandom;

/// Larger cases run in one engine only.
const MOST_BUSES_FOR_ALL: u64 = 600;

#[test]
fn cases_agree_with_casadi() {
    let Some(folder) = shared("data/pglib") else { return };
    let reference = std::fs::read_to_string(folder.join("reference.json")).unwrap();
    let reference: Value = serde_json::from_str(&reference).unwrap();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/acopf.nab");
    let mut n_cases = 0;
    for (name, expected) in reference.as_object().unwrap() {
        let Ok(text) = std::fs::read_to_string(folder.join(format!("{name}.m"))) else { continue };
        n_cases += 1;
        let json = opf::data(&Case::parse(&text).unwrap()).unwrap();
        let data = Data::from_json(name, &json).unwrap();
        let problem = Model::load(model).unwrap().data(data).problem().unwrap().unwrap();
        let (n, m) = problem.size();
        let bounds = problem.bounds().compile(&Options::default()).unwrap();
        let oracles = problem.oracles();
        let p = oracles.inputs()[1].default.clone().unwrap();
        let start = bounds.evaluate(&[&p]).unwrap().remove(4);
        let mut random = NumpyRandom::new(1);
        let x: Vec<f64> = start.iter().zip(random.normals(n)).map(|(x, e)| x + 0.01 * e).collect();
        let lam_g = random.normals(m);
        let of = |key: &str| expected[key].as_u64().unwrap();
        assert_eq!((n as u64, m as u64), (of("n_var"), of("n_con")), "{name}");
        let nnz = |k: usize| oracles.outputs()[k].pattern.nnz() as u64;
        assert_eq!((nnz(3), nnz(4)), (of("nnz_jac"), of("nnz_hess_triu")), "{name}");
        let engines = match of("nb") > MOST_BUSES_FOR_ALL {
            true => &[EngineKind::default()][..],
            false => &[EngineKind::default(), EngineKind::Jit, EngineKind::Interp],
        };
        for &engine in engines {
            let compiled = oracles.compile(&Options { engine, ..Options::default() }).unwrap();
            let values = compiled.evaluate(&[&x, &p, &[1.0], &lam_g]).unwrap();
            for (values, key) in values.iter().zip(["f", "grad", "g", "jac", "hess"]) {
                let sum: f64 = values.iter().map(|v| v.abs()).sum();
                let expected = expected["checksums"][key].as_f64().unwrap();
                let close = (sum - expected).abs() <= 1e-9 * expected;
                assert!(close, "{name} ({engine:?}), {key}: {sum} and {expected}");
            }
        }
    }
    assert!(n_cases >= 12);
}

#[test]
fn a_case_of_ones_own() {
    let text = include_str!("../../examples/case3.m");
    let json = opf::data(&Case::parse(text).unwrap()).unwrap();
    let data = Data::from_json("case3.m", &json).unwrap();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/acopf.nab");
    let problem = Model::load(model).unwrap().data(data).problem().unwrap().unwrap();
    assert_eq!(problem.size(), (22, 28));
    assert_eq!((problem.row_name(3), problem.column_name(5)), ("active[2]".into(), "vm[2]".into()));
    // At the start nothing flows and voltages are equal: the balances are demand, less shunts.
    let oracles = problem.oracles().compile(&Options::default()).unwrap();
    let p = oracles.function.inputs()[1].default.clone().unwrap();
    let mut x = vec![0.0; 22];
    x[3..6].fill(1.0);
    let values = oracles.evaluate(&[&x, &p, &[1.0], &[0.0; 28]]).unwrap();
    assert_eq!(values[0], [100.0]);
    assert_eq!(values[2][1..4], [0.0, 0.5, 2.2]);
    for (value, expected) in values[2][4..7].iter().zip([0.0, 0.2, 0.7 - 0.1]) {
        assert!((value - expected).abs() < 1e-15, "{value} and {expected}");
    }
}
