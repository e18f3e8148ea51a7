//! One function at many points.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nablac::backend::abi::{EvalError, Memory};
use nablac::function::{Compiled, EngineKind, Function, Layout, Options};
use nablac::model::Model;

fn function(source: &str) -> Function {
    Model::parse("f.nab", source).function().expect("it lowers")
}

fn compiled(f: &Function, engine: EngineKind, threads: usize) -> Compiled {
    f.compile(&Options { engine, threads, ..Options::default() }).expect("it compiles")
}

/// Branches, sums, a loop with state, a sparse output and one without nonzeros.
fn mixed() -> Function {
    function(
        "input x[3], p[2] in -1..100, s
         fn step(a, b) { if a > b then sin(a) * b else exp(b) - a }
         let y = [step(x[i], p[0] * s) for i in 0..3]
         let z = fold a = x[0] for i in 0..4 { step(a, x[1]) + 0.25 * a }
         output y, f = sum(y[i]^2 for i in 0..3) + z, J = jac(y, x), nothing = 0 * x",
    )
}

/// Values at `n` points, different at each.
fn points(n: usize, len: usize) -> Vec<f64> {
    (0..n * len).map(|k| ((k * 37 % 101) as f64 - 50.0) / 40.0).collect()
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// [`Compiled::evaluate_many`] by way of columns.
fn in_columns(f: &Compiled, n: usize, inputs: &[&[f64]]) -> Vec<Vec<f64>> {
    let turned = |values: &[f64], rows: usize| -> Vec<f64> {
        let columns = values.len().checked_div(rows).unwrap_or(0);
        (0..values.len()).map(|k| values[k % rows * columns + k / rows]).collect()
    };
    let inputs: Vec<Vec<f64>> = (f.function.inputs().iter().zip(inputs))
        .map(|(input, x)| match x.len() == n * input.pattern.nnz() {
            true => turned(x, n),
            false => x.to_vec(),
        })
        .collect();
    let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    let mut outputs: Vec<Vec<f64>> =
        f.function.outputs().iter().map(|o| vec![0.0; n * o.pattern.nnz()]).collect();
    let mut wanted: Vec<_> = outputs.iter_mut().map(|o| Some(&mut o[..])).collect();
    f.evaluate_many_into(n, Layout::Columns, &inputs, &mut wanted, &mut Memory::default())
        .expect("it evaluates");
    let nnz = f.function.outputs().iter().map(|o| o.pattern.nnz());
    outputs.iter().zip(nnz).map(|(o, nnz)| turned(o, nnz)).collect()
}

/// A function whose points are the iterations of one loop of straight-line code.
#[test]
fn straight_code_at_many_points_has_the_bits_of_one() {
    let f = function(
        "input x[3], p[2] in -1..100, s
         let y = [sin(x[0]) * p[0], x[1] / s, x[2] - s * p[1]]
         output y, J = jac(y, x), nothing = 0 * x, f = norm2sq(y)",
    );
    let p = [0.5, 2.0];
    for (engine, threads) in
        [(EngineKind::default(), 1), (EngineKind::default(), 3), (EngineKind::Jit, 2)]
    {
        let f = compiled(&f, engine, threads);
        for n in [1, 3, 128, 129, 200, 777, 5000] {
            let (x, s) = (points(n, 3), points(n, 1));
            let many = f.evaluate_many(n, &[&x, &p, &s]).expect("it evaluates");
            let by_column = in_columns(&f, n, &[&x, &p, &s]);
            for (output, many) in many.iter().enumerate() {
                let alone = (0..n).flat_map(|k| {
                    let inputs = [&x[3 * k..3 * k + 3], &p, &s[k..k + 1]];
                    f.evaluate(&inputs).expect("one point").swap_remove(output)
                });
                let alone: Vec<f64> = alone.collect();
                assert_eq!(bits(many), bits(&alone), "{engine:?} {threads}: {n} points");
                assert_eq!(bits(&by_column[output]), bits(&alone), "{n} points in columns");
            }
        }
    }
}

/// More results than code writes to columns at once.
#[test]
fn many_columns_have_the_bits_of_one() {
    let results = (0..64).map(|k| format!("x[{}] * s + {k} * sin(x[{}])", k % 7, 3 * k % 7));
    let results = results.collect::<Vec<_>>().join(", ");
    let f = function(&format!("input x[7], s\noutput y = [{results}], z = s * s"));
    for n in [4096, 4100] {
        let (x, s) = (points(n, 7), points(n, 1));
        for threads in [1, 3] {
            let f = compiled(&f, EngineKind::Vector, threads);
            let of_columns = in_columns(&f, n, &[&x, &s]);
            let of_points = f.evaluate_many(n, &[&x, &s]).expect("it evaluates");
            for (columns, points) in of_columns.iter().zip(&of_points) {
                assert_eq!(bits(columns), bits(points), "{n} points, {threads} threads");
            }
            let y = f.evaluate(&[&x[7 * (n - 1)..], &s[n - 1..]]).expect("it evaluates");
            assert_eq!(bits(&of_columns[0][64 * (n - 1)..]), bits(&y[0]));
            assert_eq!(bits(&of_columns[1][n - 1..]), bits(&y[1]));
        }
    }
}

#[test]
fn many_points_have_the_bits_of_one() {
    let f = mixed();
    let p = [0.5, 2.0];
    for (engine, threads) in [
        (EngineKind::default(), 1),
        (EngineKind::default(), 3),
        (EngineKind::default(), 0),
        (EngineKind::Jit, 1),
        (EngineKind::Interp, 2),
    ] {
        let f = compiled(&f, engine, threads);
        for n in [0, 1, 2, 127, 128, 129, 300, 1000] {
            let (x, s) = (points(n, 3), points(n, 1));
            let many = f.evaluate_many(n, &[&x, &p, &s]).expect("it evaluates");
            let one_by_one: Vec<Vec<Vec<f64>>> = (0..n)
                .map(|k| f.evaluate(&[&x[3 * k..3 * k + 3], &p, &s[k..k + 1]]).expect("one point"))
                .collect();
            for (output, many) in many.iter().enumerate() {
                let alone: Vec<f64> =
                    one_by_one.iter().flat_map(|values| values[output].clone()).collect();
                assert_eq!(bits(many), bits(&alone), "{engine:?} {threads}: {n} points");
            }
            // What is the same at all points may be given for each.
            let repeated = p.repeat(n);
            let again = f.evaluate_many(n, &[&x, &repeated, &s]).expect("it evaluates");
            assert_eq!(again, many);
            let mut alone = vec![0.0; n];
            let mut wanted = [None, Some(&mut alone[..]), None, None];
            f.evaluate_many_into(
                n,
                Layout::Points,
                &[&x, &p, &s],
                &mut wanted,
                &mut Memory::default(),
            )
            .expect("it evaluates");
            assert_eq!(bits(&alone), bits(&many[1]));
            let by_column = in_columns(&f, n, &[&x, &p, &s]);
            assert_eq!(by_column, many, "{engine:?} {threads}: {n} points in columns");
        }
    }
}

#[test]
fn the_first_point_that_fails_is_named() {
    let f = mixed();
    let n = 2000;
    let (x, s) = (points(n, 3), points(n, 1));
    for threads in [1, 4] {
        let f = compiled(&f, EngineKind::default(), threads);
        let mut p = [0.5, 2.0].repeat(n);
        for wrong in [1999, 1100, 3] {
            p[2 * wrong + 1] = if wrong == 3 { f64::NAN } else { 200.0 + wrong as f64 };
            let failed = f.evaluate_many(n, &[&x, &p, &s]).unwrap_err();
            assert_eq!(failed.point, Some(wrong));
            assert!(
                matches!(&*failed.error, EvalError::RangeViolated { input, .. } if input == "p")
            );
        }
        assert_eq!(
            f.evaluate_many(n, &[&x, &p, &s]).unwrap_err().to_string(),
            "point 3: `p` of `f` is NaN, not in -1..100 (iteration 1)"
        );
    }
}

#[test]
fn wrong_lengths() {
    let f = compiled(&mixed(), EngineKind::default(), 0);
    let failed = f.evaluate_many(3, &[&[0.0; 8], &[0.0; 2], &[1.0]]).unwrap_err();
    assert_eq!(failed.to_string(), "input `x` of `f` has 9 nonzeros, 8 were given");
    let failed = f.evaluate_many(3, &[&[0.0; 9], &[0.0; 2]]).unwrap_err();
    assert_eq!(failed.to_string(), "`f` has 3 inputs, 2 were given");
    let mut short = [0.0; 2];
    let mut wanted = [None, Some(&mut short[..]), None, None];
    let inputs: [&[f64]; 3] = [&[0.0; 9], &[0.0; 2], &[1.0]];
    let failed =
        f.evaluate_many_into(3, Layout::Points, &inputs, &mut wanted, &mut Memory::default());
    assert_eq!(failed.unwrap_err().to_string(), "output `f` of `f` has 3 nonzeros, 2 were given");
}

#[test]
fn cancelled() {
    let f = compiled(&mixed(), EngineKind::default(), 2);
    let n = 5000;
    let mut y = vec![0.0; n];
    let mut memory = Memory::with_cancel(Arc::new(AtomicBool::new(true)));
    let (x, s) = (points(n, 3), points(n, 1));
    let inputs: [&[f64]; 3] = [&x, &[0.5, 2.0], &s];
    let mut wanted = [None, Some(&mut y[..]), None, None];
    let failed =
        f.evaluate_many_into(n, Layout::Points, &inputs, &mut wanted, &mut memory).unwrap_err();
    assert_eq!(failed.point, Some(0));
    assert_eq!(failed.to_string(), "point 0: evaluation of `f` was cancelled");
}
