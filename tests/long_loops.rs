//! Loops of a million steps: the map of a pendulum by the symplectic Euler method keeps areas, its
//! forward and reverse mode agree, checkpoints save memory, and nothing grows with the length but
//! the states that reverse mode stores.

use nablac::data::Data;
use nablac::function::{Compiled, Function, Options};
use nablac::model::Model;

fn pendulum(n_steps: i64) -> Model {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/pendulum_map.nab");
    let start = Data::new().with("start", vec![1.0, 0.0]);
    Model::load(file).unwrap().dim("N", n_steps).data(start)
}

/// The function of some of the values alone.
fn only(n_steps: i64, outputs: &[&str]) -> Function {
    let program = pendulum(n_steps);
    let text = program.sources().text(program.root()).to_owned();
    let (declarations, _) = text.split_once("\noutput ").unwrap();
    let text = format!("{declarations}\noutput {}\n", outputs.join(", "));
    let start = Data::new().with("start", vec![1.0, 0.0]);
    Model::parse("pendulum.nab", &text).dim("N", n_steps).data(start).function().unwrap()
}

fn compile(function: &Function) -> Compiled {
    function.compile(&Options::default()).unwrap()
}

fn evaluate(compiled: &Compiled) -> Vec<Vec<f64>> {
    let inputs = compiled.function.values(&Data::new()).unwrap();
    let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    compiled.evaluate(&inputs).unwrap()
}

#[test]
fn a_million_steps_keep_areas() {
    let values = evaluate(&compile(&pendulum(1_000_000).function().unwrap()));
    let [last, jacobian, area, tangent, cotangent, recomputed] = &values[..] else {
        panic!("{} outputs", values.len())
    };
    // The same steps here.
    let (mut q, mut p) = (1.0f64, 0.0f64);
    for _ in 0..1_000_000 {
        q += 0.001 * p;
        p -= 0.001 * q.sin();
    }
    let near = |a: f64, b: f64| (a - b).abs() < 1e-9 * b.abs().max(1.0);
    assert!(near(last[0], q) && near(last[1], p), "{last:?} is not {:?}", [q, p]);
    assert!((area[0] - 1.0).abs() < 1e-9, "{area:?}");
    let [a, b, c, d] = jacobian[..] else { panic!("{jacobian:?}") };
    assert!((a * d - b * c - 1.0).abs() < 1e-9, "{jacobian:?}");
    // Forward mode gives the first column, reverse mode the second row.
    assert!(near(tangent[0], a) && near(tangent[1], b), "{tangent:?} of {jacobian:?}");
    assert!(near(cotangent[0], b) && near(cotangent[1], d), "{cotangent:?} of {jacobian:?}");
    assert_eq!(cotangent, recomputed);
}

#[test]
fn programs_and_kernels_do_not_grow_with_the_length() {
    let sizes = |n: i64| {
        let function = pendulum(n).function().unwrap();
        let compiled = compile(&function);
        let tables: usize = compiled.kernel.tables.iter().map(|table| table.len()).sum();
        let data: usize = compiled.kernel.data.iter().map(|data| data.len()).sum();
        (function.func().size(), compiled.kernel.insts.len(), tables, data)
    };
    assert_eq!(sizes(1_000_000), sizes(100_000_000));
}

#[test]
fn only_stored_states_take_memory() {
    let memory = |n: i64, output: &str| compile(&only(n, &[output])).kernel.work_len;
    for forward in ["last", "tangent", "J"] {
        assert!(memory(1_000_000, forward) < 100, "{forward}");
    }
    // Two numbers each step.
    assert!((2_000_000..2_000_100).contains(&memory(1_000_000, "cotangent")));
    // Every thousandth state, and those between two of them.
    assert!(memory(1_000_000, "recomputed") < 5_000);
}

/// States of a driven pendulum, stage by stage.
const STAGES: &str = "dim N\ninput x0[2], u[N], v[N + 2]\nparam h = 0.1\n\
    fn step(x[2], u) {\n  let q = x[0] + h * x[1]\n  [q, x[1] + h * (u - sin(q) * u)]\n}\n\
    let X = scan x = x0 for k in 0..N { step(x, u[k]) }\n\
    let f = sum(X[0, k]^2 * u[k] for k in 0..N)\n";

#[test]
fn jacobians_by_stage_do_not_grow_in_code() {
    let output = "output J = jac(X, [x0, u]), Jv = jvp(X, [x0, u], v), \
                  H = hess(f, u), Hv = hvp(f, u, v[2..]), last = jac(X[:, N-1], u), \
                  w = vjp(X[:, N-1], u, [1, 2])\n";
    let model = |n: i64| Model::parse("stages.nab", &format!("{STAGES}{output}")).dim("N", n);
    let n = 60;
    let numbers = |n: usize, step: f64| (0..n).map(|k| (step * k as f64).sin()).collect::<Vec<_>>();
    let inputs = [vec![1.0, 0.2], numbers(n, 0.7), numbers(n + 2, 1.3), vec![0.1]];
    let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    let compiled = compile(&model(n as i64).function().unwrap());
    let values = compiled.evaluate(&inputs).unwrap();
    let pattern = |k: usize| compiled.function.outputs()[k].pattern.clone();
    let near = |found: &[f64], expected: &[f64], what: &str| {
        assert_eq!(found.len(), expected.len(), "{what}");
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-9 * b.abs().max(1.0), "{what}: {a} is not {b}");
        }
    };
    // Block lower triangular: stage k depends on the start and on what entered before; its angle
    // not on what entered last.
    assert_eq!(pattern(0).nnz(), 2 * n * 2 + n * (n + 1) - n);
    let product = |k: usize, v: &[f64]| {
        let mut product = vec![0.0; pattern(k).n_rows()];
        pattern(k).entries().zip(&values[k]).for_each(|((i, j), a)| product[i] += a * v[j]);
        product
    };
    near(&product(0, inputs[2]), &values[1], "jacobian times vector");
    near(&product(2, &inputs[2][2..]), &values[3], "hessian times vector");
    let mut row = vec![0.0; n];
    let last = pattern(4);
    last.entries().zip(&values[4]).for_each(|((i, j), a)| row[j] += (1.0 + i as f64) * a);
    near(&row, &values[5], "vector times jacobian");

    let sizes = |n: i64| {
        let function = model(n).function().unwrap();
        (function.func().size(), compile(&function).kernel.insts.len())
    };
    assert_eq!(sizes(200), sizes(300));
}
