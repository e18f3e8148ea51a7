//! Formulas of matrices: what simplification makes of them costs less and has the same values.

use std::sync::Arc;

use expect_test::{Expect, expect};
use nablac::function::{Function, Options};
use nablac::kernel;
use nablac::model::Model;
use nablac::simplify::rules::{Math, UserRules};
use nablac::simplify::{SimplifyOptions, optimize};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};

const INPUTS: &str = "input A[20,30], B[30,20], C[20,20], x[20], y[30], v[400], s\n";

/// Values that are all different.
fn values(n: usize, seed: usize) -> Vec<f64> {
    (0..n).map(|k| (((k * 7 + seed * 13) % 31) as f64 - 15.0) / 16.0 + 0.01 * seed as f64).collect()
}

/// The interpreter, nothing simplified.
fn plain() -> Options {
    let simplify = SimplifyOptions { level: 0, ..SimplifyOptions::default() };
    Options { simplify, ..Options::default() }
}

/// Operations of a formula as it is written, with products in order alone, and by the rules; the
/// values of all of them are the same.
fn check(formula: &str, expected: Expect) {
    let source = format!("{INPUTS}output f = {formula}\n");
    let function = Model::parse("f.nab", &source).function();
    let function = function.unwrap_or_else(|e| panic!("{source}: {e}"));
    let inputs: Vec<Vec<f64>> = function
        .inputs()
        .iter()
        .enumerate()
        .map(|(k, input)| values(input.pattern.nnz(), k + 1))
        .collect();
    let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    let mut counts = Vec::new();
    let mut first: Option<Vec<f64>> = None;
    for level in 0..=2 {
        let options = SimplifyOptions { level, ..SimplifyOptions::default() };
        let func = optimize(function.func(), &options);
        let kernel = Arc::new(kernel::build(&func));
        counts.push(kernel::count::count(&kernel).total().to_string());
        let simplified = Function::new(func, function.inputs().to_vec());
        let compiled = simplified.compile(&plain()).unwrap();
        let f = compiled.evaluate(&inputs).unwrap().remove(0);
        let first = first.get_or_insert_with(|| f.clone());
        let scale = first.iter().fold(1.0, |scale: f64, v| scale.max(v.abs()));
        for (a, b) in first.iter().zip(&f) {
            assert!((a - b).abs() <= 1e-12 * scale, "{formula}: {a} {b}");
        }
    }
    expected.assert_eq(&counts.join(" "));
}

#[test]
fn products_are_multiplied_in_the_cheapest_order() {
    check("A * B * C * x", expect!["40780 3180 3180"]);
    check("x' * C * C * C * C * C * x", expect!["3939 3939 3939"]);
    check("C * (C * (A * B))", expect!["56000 56000 56000"]);
    check("x * x' * x", expect!["1180 59 59"]);
    // Parts that are used elsewhere stay.
    check("(A * B * x)' * (A * B)", expect!["25560 25560 4800"]);
}

#[test]
fn rules_save_operations() {
    check("trace(A * B * C)", expect!["24799 24799 24799"]);
    check("trace(kron(C, C))", expect!["160407 160407 20"]);
    check("sum(A * B)", expect!["24407 24407 1199"]);
    check("sum_rows(A * B)", expect!["24380 24380 1770"]);
    check("kron(C, C * C) * v", expect!["496000 496000 48000"]);
    check("kron(C, C) * kron(C, C) * v", expect!["128480000 800000 64000"]);
    check("A * y + A * (2 * y)", expect!["2450 1220 1220"]);
    check("A * B * x - A * (B * (s * x))", expect!["27220 4840 2421"]);
    check("trace((C + C') * C) - trace(C' * C)", expect!["1999 1599 1599"]);
    check("diag(x) * diag(x) * C", expect!["820 820 820"]);
}

#[test]
fn strict_math_keeps_the_order() {
    let source = format!("{INPUTS}output f = A * B * x\n");
    let function = Model::parse("f.nab", &source).function().unwrap();
    let options = SimplifyOptions { math: Math::Strict, ..SimplifyOptions::default() };
    let count = |options: &SimplifyOptions| {
        let func = optimize(function.func(), options);
        kernel::count::count(&Arc::new(kernel::build(&func))).total()
    };
    assert!(count(&options) > 5 * count(&SimplifyOptions::default()));
}

#[test]
fn rules_on_matrices_of_users_apply() {
    let source = format!("{INPUTS}output f = C / s - C / x[0]\n");
    let function = Model::parse("f.nab", &source).function().unwrap();
    let text = "one-division real A / s - A / t => (1 / s - 1 / t) * A";
    let rules = Some(UserRules::parse("my.rules", text).unwrap());
    let cost = |options: &SimplifyOptions| {
        let func = optimize(function.func(), options);
        kernel::count::count(&Arc::new(kernel::build(&func))).cost
    };
    let own = SimplifyOptions { rules, ..SimplifyOptions::default() };
    assert!(2 * cost(&own) < cost(&SimplifyOptions::default()));
}

/// Sizes of matrices; the larger ones are not written out as scalars.
const SIZES: [usize; 3] = [1, 3, 9];

/// A random formula of a shape, of inputs `M<rows>_<cols>`, `D` (9x9, diagonal) and `L` (9x9, lower
/// triangular).
fn formula(random: &mut TestRng, (r, c): (usize, usize), depth: u32) -> String {
    let mut pick = |n: u32| random.random_range(0..n);
    let input = match (r, c, pick(3)) {
        (9, 9, 1) => "D".to_owned(),
        (9, 9, 2) => "L".to_owned(),
        _ => format!("M{r}_{c}"),
    };
    if depth == 0 {
        return input;
    }
    let (choice, size) = (pick(12), SIZES[pick(3) as usize]);
    let mut part = |shape: (usize, usize)| formula(random, shape, depth - 1);
    match (choice, r, c) {
        (0, ..) => format!("({} + {})", part((r, c)), part((r, c))),
        (1, ..) => format!("({} - {})", part((r, c)), part((r, c))),
        (2, ..) => format!("({} .* {})", part((r, c)), part((r, c))),
        (3, ..) => format!("({} * {})", part((1, 1)), part((r, c))),
        (4, ..) => format!("({})'", part((c, r))),
        (5, 1, 1) => format!("trace({})", part((size, size))),
        (6, 1, 1) => format!("sum({})", part((size, 3))),
        (5, 1, _) => format!("sum_rows({})", part((size, c))),
        (5, _, 1) => format!("sum_cols({})", part((r, size))),
        (6, 9, 9) => format!("kron({}, {})", part((3, 3)), part((3, 3))),
        (7, 9, 9) => format!("diag({})", part((9, 1))),
        (6, 9, 1) => format!("vec({})", part((3, 3))),
        (7, 9, _) => format!("kron({}, {})", part((3, c)), part((3, 1))),
        (8, ..) => format!("(-{})", part((r, c))),
        _ => format!("({} * {})", part((r, size)), part((size, c))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Random formulas keep their values, and another run leaves them as they are.
    #[test]
    fn values_of_random_formulas_stay(seed in any::<[u8; 32]>(), shape in 0usize..9) {
        let mut random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let shape = (SIZES[shape % 3], SIZES[shape / 3]);
        let text = formula(&mut random, shape, 4);
        let names = SIZES.iter().flat_map(|r| SIZES.iter().map(move |c| format!("M{r}_{c}[{r},{c}]")));
        let names = names.collect::<Vec<_>>().join(", ");
        let source = format!(
            "input {names}, D[9,9] diag, L[9,9] lower\nlet a = {text}\nlet b = {}\n\
             output f = a, g = a + b, h = sum(a .* b)\n",
            formula(&mut random, shape, 2)
        );
        let function = Model::parse("f.nab", &source).function();
        let function = function.unwrap_or_else(|e| panic!("{source}: {e}"));
        let inputs: Vec<Vec<f64>> = function.inputs().iter().enumerate()
            .map(|(k, input)| values(input.pattern.nnz(), k + 1)).collect();
        let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
        let evaluated = |func: &Arc<nablac::graph::Func>| {
            let whole = Function::new(func.clone(), function.inputs().to_vec());
            whole.compile(&plain()).unwrap().evaluate(&inputs).unwrap()
        };
        let simple = optimize(function.func(), &SimplifyOptions::default());
        // Sums cancel: what counts is the size of what they are made of.
        let scale = |values: &[f64]| values.iter().fold(1.0, |s: f64, v| s.max(v.abs()));
        for (a, b) in evaluated(function.func()).iter().zip(&evaluated(&simple)) {
            let tolerance = 1e-10 * scale(a).max(scale(b));
            for (a, b) in a.iter().zip(b) {
                prop_assert!((a - b).abs() <= tolerance, "{}\n{} {}", source, a, b);
            }
        }
        let twice = optimize(&simple, &SimplifyOptions::default());
        prop_assert!(cost(&twice) <= cost(&simple), "{}", source);
        prop_assert!(cost(&simple) <= cost(function.func()), "{}", source);
    }
}

fn cost(func: &Arc<nablac::graph::Func>) -> u64 {
    kernel::count::count(&Arc::new(kernel::build(func))).cost
}
