//! Networks and chains: AC optimal power flow, Rosenbrock's chain, the problem of Luksan and
//! Vlcek. From the file to compiled oracles, and evaluations on one thread, in CPU time; beside
//! CasADi, when its Python package is there, in the same run.
//!
//! `cargo bench --bench networks`

#[path = "../examples/matpower/case.rs"]
#[allow(dead_code, unused_imports)]
mod case;
#[path = "../examples/matpower/opf.rs"]
#[allow(dead_code, unused_imports)]
mod opf;
mod support;

use std::path::Path;

use nablac::data::Data;
use nablac::model::Model;
use serde_json::Value;
use support::{evaluating, making, peer};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn show(title: &str, rows: &[(&str, f64)], peer: Option<&Value>) {
    println!("{title}");
    for (what, seconds) in rows {
        let there = peer.and_then(|peer| peer[what].as_f64());
        let there = there.map_or("not measured".to_owned(), |there| {
            format!("{:.3} ms, {:.2} times as long", there * 1e3, there / seconds)
        });
        println!("  {what:<8}{:10.3} ms; casadi {there}", seconds * 1e3);
    }
}

fn example(name: &str) -> Model {
    Model::load(format!("{ROOT}/examples/{name}.nab")).expect("the example is there")
}

fn acopf(name: &str) {
    let file = Path::new(ROOT).join(format!("../shared/data/pglib/{name}.m"));
    let Ok(text) = std::fs::read_to_string(file) else { return println!("{name} is not there") };
    let json = case::Case::parse(&text).and_then(|case| opf::data(&case)).expect("a case");
    let data = Data::from_json(name, &json).expect("the converter writes JSON");
    let (derive, compiled) = making(|| {
        let problem = example("acopf").data(data.clone()).problem().expect("it lowers");
        problem.expect("a problem").oracles().compile(&support::one_thread()).expect("it compiles")
    });
    let inputs = compiled.function.inputs();
    let mut x = vec![0.01; inputs[0].pattern.nnz()];
    x.iter_mut().for_each(|x| *x += 1.0);
    let p = inputs[1].default.clone().expect("the data are complete");
    let given = [x, p, vec![1.0], vec![1.0; inputs[3].pattern.nnz()]];
    let rows = [
        ("derive", derive),
        ("jac", evaluating(&compiled, &given, 3)),
        ("hess", evaluating(&compiled, &given, 4)),
    ];
    show(name, &rows, peer("networks", &["acopf", name]).as_ref());
}

fn rosenbrock(n: usize) {
    let model = example("rosenbrock_chain").dim("n", n as i64);
    let (derive, compiled) = making(|| {
        let function = model.function().expect("it lowers");
        function.compile(&support::one_thread()).expect("it compiles")
    });
    let x: Vec<f64> = (0..n).map(|i| 1.0 + 0.1 * (i as f64).sin()).collect();
    let rows = [
        ("derive", derive),
        ("grad", evaluating(&compiled, std::slice::from_ref(&x), 1)),
        ("hess", evaluating(&compiled, &[x], 2)),
    ];
    show(
        &format!("rosenbrock n = {n}"),
        &rows,
        peer("networks", &["rosenbrock", &n.to_string()]).as_ref(),
    );
}

fn luksan(n: usize, n_peer: usize) {
    let x: Vec<f64> = (0..n).map(|i| if i % 2 == 0 { -1.2 } else { 1.0 }).collect();
    let lam = vec![1.0; n - 2];
    let (first, _) = making(|| {
        let problem = example("luksan").dim("n", n as i64).problem().expect("it lowers");
        let oracles = problem.expect("a problem").oracles();
        let compiled = oracles.compile(&support::one_thread()).expect("it compiles");
        compiled.evaluate(&[&x, &[], &[1.0], &lam]).expect("it evaluates")
    });
    let there = peer("networks", &["luksan", &n_peer.to_string()]);
    show(&format!("luksan n = {n}, casadi n = {n_peer}"), &[("first", first)], there.as_ref());
}

fn main() {
    for name in ["pglib_opf_case1354_pegase", "pglib_opf_case10000_goc"] {
        acopf(name);
    }
    rosenbrock(1_000_000);
    luksan(100_000, 100_000);
}
