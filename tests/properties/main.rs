//! Random programs: derivatives fit one another, engines and simplification agree, and what is
//! saved or printed comes back.

mod print;
mod programs;
mod saved;

use std::sync::Arc;

use nablac::backend::abi::{Engine, Memory};
use nablac::backend::interp::Interp;
use nablac::builder::{Expr, GraphBuilder};
use nablac::function::{Compiled, EngineKind, Function, Layout, Options};
use nablac::kernel::calls::Calls;
use nablac::kernel::ir::Inst;
use nablac::model::Model;
use nablac::ops::scalar::ScalarOp;
use nablac::simplify::SimplifyOptions;
use nablac::simplify::rules::Math;
use programs::{MAX_ENTRIES, N, Step, apply, paired, program, steps};
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

/// Simplification keeps values, and may give one where there was none (a norm has no derivative at
/// zero), but not the other way round.
fn assert_kept(plain: &[f64], simplified: &[f64], what: &str) -> Result<(), TestCaseError> {
    let pairs = plain.iter().zip(simplified);
    let expected: Vec<f64> = pairs.map(|(&a, &b)| if a.is_nan() { b } else { a }).collect();
    assert_near(&expected, simplified, 1e-9, what)
}

fn numbers() -> impl Strategy<Value = Vec<f64>> {
    proptest::collection::vec(-1.5..1.5f64, 9)
}

/// A number of programs, unless `PROPTEST_CASES` gives another; none is written to a file.
fn config(cases: u32) -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => config,
        None => ProptestConfig { cases, ..config },
    }
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
        let (forward, reverse) = (dot(w, jvp), dot(vjp, v));
        // A norm has no derivative at zero, and each way to it may say so or not.
        let has_norm = steps.iter().any(|step| step.kind % 22 == 15);
        if has_norm && [jac, jvp, vjp, hess, hvp].into_iter().flatten().any(|v| v.is_nan()) {
            return Ok(());
        }
        let agree = (forward - reverse).abs() <= 1e-9 * size;
        prop_assert!(agree || size > 1e12, "{forward} forward, {reverse} reverse");
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
        let engines = [EngineKind::default(), EngineKind::Jit].map(|e| evaluate(&f, e, &inputs));
        for (k, output) in f.outputs().iter().enumerate() {
            for machine_code in &engines {
                for (a, b) in interp[k].iter().zip(&machine_code[k]) {
                    let same = a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
                    prop_assert!(same, "`{}`: {a} and {b}", output.name);
                }
            }
            assert_kept(&plain[k], &interp[k], &format!("`{}` simplified", output.name))?;
        }
    }
}

fn compiled(f: &Function, engine: EngineKind, math: Math) -> Compiled {
    let simplify = SimplifyOptions { math, ..SimplifyOptions::default() };
    f.compile(&Options { engine, simplify, ..Options::default() }).unwrap()
}

/// Fused operations of a kernel and of all that it calls.
fn n_fused(compiled: &Compiled) -> usize {
    let calls = Calls::of(&compiled.kernel);
    let insts = calls.kernels.iter().flat_map(|kernel| &kernel.insts);
    insts.filter(|inst| matches!(inst, Inst::Apply { op: ScalarOp::Fma, .. })).count()
}

proptest! {
    #![proptest_config(config(40))]

    /// Under fast arithmetic too, one point at a time and many, all outputs or some.
    #[test]
    fn fast_engines_agree_to_the_bit(steps in steps(), seed in numbers(), wanted in any::<[bool; 7]>()) {
        let f = program(&steps);
        let inputs = inputs(&seed);
        let args: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
        let plain = evaluate_plain(&f, &inputs);
        let [interp, jit] =
            [EngineKind::Interp, EngineKind::default()].map(|e| compiled(&f, e, Math::Fast));
        let one = interp.evaluate(&args).unwrap();
        let other = jit.evaluate(&args).unwrap();
        const N_POINTS: usize = 130;
        let repeated: Vec<Vec<f64>> = inputs.iter().map(|x| x.repeat(N_POINTS)).collect();
        let repeated: Vec<&[f64]> = repeated.iter().map(Vec::as_slice).collect();
        let mut many: Vec<Vec<f64>> =
            f.outputs().iter().map(|o| vec![0.0; N_POINTS * o.pattern.nnz()]).collect();
        let mut into: Vec<Option<&mut [f64]>> = many.iter_mut().zip(wanted)
            .map(|(values, wanted)| wanted.then_some(values.as_mut_slice())).collect();
        jit.evaluate_many_into(N_POINTS, Layout::Points, &repeated, &mut into, &mut Memory::default()).unwrap();
        for (k, output) in f.outputs().iter().enumerate() {
            let n = output.pattern.nnz();
            for (i, (a, b)) in one[k].iter().zip(&other[k]).enumerate() {
                let same = |b: f64| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
                prop_assert!(same(*b), "`{}`: {a} and {b}", output.name);
                let all = wanted[k].then(|| many[k].iter().skip(i).step_by(n));
                for b in all.into_iter().flatten() {
                    prop_assert!(same(*b), "`{}` at many points: {a} and {b}", output.name);
                }
            }
            assert_kept(&plain[k], &one[k], &format!("`{}` fast", output.name))?;
        }
        for math in [Math::Strict, Math::Real] {
            prop_assert_eq!(n_fused(&compiled(&f, EngineKind::default(), math)), 0);
        }
    }
}

/// What a user fuses stays fused, and sums and products alone are fused where that is allowed.
#[test]
fn fused_operations_of_the_user_stay() {
    let text = "input x, y\noutput f = fma(x, 10, -1), g = x * 10 - y";
    let f = Model::parse("fused.nab", text).function().unwrap();
    // What 0.1 is more than a tenth.
    let rest = f64::EPSILON / 4.0;
    for (math, n, other) in [(Math::Strict, 1, 0.0), (Math::Real, 1, 0.0), (Math::Fast, 2, rest)] {
        for engine in [EngineKind::Interp, EngineKind::default(), EngineKind::Jit, EngineKind::C] {
            let compiled = compiled(&f, engine, math);
            assert_eq!(n_fused(&compiled), n, "{math:?}");
            let values = compiled.evaluate(&[&[0.1], &[1.0]]).unwrap();
            assert_eq!(values, [[rest], [other]], "{math:?} {engine:?}");
        }
    }
}

/// Operations that real arithmetic makes simpler, beside those of [`apply`].
fn apply_strictly<'g>(g: &'g GraphBuilder, values: &[Expr<'g>], step: Step) -> Expr<'g> {
    let pick = |k: u8| values[k as usize % values.len()];
    let (a, (same, b)) = (pick(step.a), paired(pick(step.a), pick(step.b)));
    match step.kind % 40 {
        22 => a - same,
        23 => a / same,
        24 => (a * a).sqrt(),
        25 => (a + b) - b,
        26 => a * b + a * (2.0 * b),
        27 => (a.exp()).log() - -b,
        28 => a.abs().abs() + (-a).abs() - 0.0 * b,
        29 => (a - b) / (b - a),
        30 => a.lt(b).select(a, a) * 1.0,
        31 => a.min(b) - b.max(a),
        32 => a.sqrt() * a.sqrt() / a,
        33 => 3.0 * a / 8.0 - a * 0.375,
        34 => a.sum() - a.vec().t().matmul(b.vec()),
        35 => (a - b).sin() + (b - a).sin(),
        36 => (a.sign() - (a / a.abs())) * b.tanh(),
        37 => (1.0 / (1.0 / a)).max(-b),
        38 => a.le(b) + b.lt(a) - 1.0,
        39 => a.sum().atan2(b.sum()) + a.sum().hypot(b.sum()),
        _ => apply(g, values, step),
    }
}

/// Numbers at the ends of the range, zeros of both signs, and others.
fn awkward_numbers() -> impl Strategy<Value = Vec<f64>> {
    let any = proptest::sample::select(vec![
        0.0,
        -0.0,
        1.0,
        -1.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        1e200,
        -1e200,
        1e-200,
        5e-324,
        0.3,
        -2.7,
    ]);
    proptest::collection::vec(any, 9)
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn strict_keeps_every_bit(steps in steps(), seed in awkward_numbers()) {
        let g = GraphBuilder::new("program");
        let x = g.input("x", N);
        let (v, w) = (g.input("v", N), g.input("w", MAX_ENTRIES));
        let mut values = vec![x, x.reshape(2, 2), v, w.slice(..3), x.at(0), w.at(4)];
        for &step in &steps {
            let value = apply_strictly(&g, &values, step);
            let n = value.shape().0 * value.shape().1;
            values.push(if n > MAX_ENTRIES { value.slice(..MAX_ENTRIES) } else { value });
        }
        let last = values[values.len() - 1];
        g.output("y", last);
        g.output("f", values[6..].iter().fold(last.sum(), |sum, v| sum + v.sum()));
        g.output("grad", last.sum().grad(x));
        let f = g.function().unwrap();
        let inputs: Vec<Vec<f64>> = inputs(&seed).into_iter().take(3).collect();
        let plain = evaluate_plain(&f, &inputs);
        let args: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
        for level in 0..=3 {
            for engine in [EngineKind::Interp, EngineKind::default(), EngineKind::Jit] {
                let simplify = SimplifyOptions { level, math: Math::Strict, rules: None };
                let compiled = f.compile(&Options { engine, simplify, ..Options::default() }).unwrap();
                let values = compiled.evaluate(&args).unwrap();
                for (k, output) in f.outputs().iter().enumerate() {
                    for (a, b) in plain[k].iter().zip(&values[k]) {
                        let same = a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
                        prop_assert!(same, "`{}` {engine:?} {level}: {a} and {b}", output.name);
                    }
                }
            }
        }
    }
}

#[test]
fn strict_does_not_extend_the_domain() {
    let at = |math: Math, text: &str, x: f64| {
        let text = format!("input x\noutput y = {text}, g = grad({text}, x)");
        let f = Model::parse("strict.nab", &text).function().unwrap();
        let simplify = SimplifyOptions { math, ..SimplifyOptions::default() };
        let compiled = f.compile(&Options { simplify, ..Options::default() }).unwrap();
        let values = compiled.evaluate(&[&[x]]).unwrap();
        // A structural zero has no nonzero.
        values.iter().map(|v| v.first().copied().unwrap_or(0.0)).collect::<Vec<f64>>()
    };
    let strict = |text: &str, x: f64| at(Math::Strict, text, x)[0];
    assert!(strict("x - x", f64::INFINITY).is_nan());
    assert!(strict("x / x", 0.0).is_nan());
    assert_eq!(strict("sqrt(x^2)", -1e200), f64::INFINITY);
    assert_eq!(strict("sqrt(x^2)", -3.0), 3.0);
    // A comparison that is always false is a number, not a structural zero.
    assert!(strict("sum([1, 2] * (x < x))", f64::INFINITY).abs() == 0.0);
    assert!(strict("sum([x, 2] * (x < x))", f64::INFINITY).is_nan());
    assert!(strict("sum([x, 2] * tanh(select(x < x, x, 0)))", f64::INFINITY).is_nan());
    assert_eq!(strict("1 / -(x < x)", 1.0), f64::NEG_INFINITY);
    let real = |text: &str, x: f64| at(Math::Real, text, x);
    assert_eq!(real("x - x", f64::INFINITY), [0.0, 0.0]);
    assert_eq!(real("x / x", 0.0), [1.0, 0.0]);
    assert_eq!(real("sqrt(x^2)", -1e200), [1e200, -1.0]);
    // Derivatives are those of what is meant, under every promise.
    assert_eq!(at(Math::Strict, "sqrt(x^2)", -1e200)[1], -1.0);
    assert_eq!(at(Math::Strict, "x / x", 0.0)[1], 0.0);
}

proptest! {
    #![proptest_config(config(3))]

    #[test]
    fn generated_c_agrees(steps in steps(), seed in numbers()) {
        let f = program(&steps);
        let inputs = inputs(&seed);
        let args: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
        for math in [Math::Real, Math::Fast] {
            let [interp, c] = [EngineKind::Interp, EngineKind::C]
                .map(|engine| compiled(&f, engine, math).evaluate(&args).unwrap());
            for (k, output) in f.outputs().iter().enumerate() {
                let what = format!("`{}` in C, {math:?}", output.name);
                assert_near(&interp[k], &c[k], 1e-12, &what)?;
            }
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

/// The largest of `f(x[i], x[j])` and `f(x[j], x[i])`, which rounding may tell apart in one mode of
/// differentiation and not in the other: their shares must add up to one all the same.
#[test]
fn extremes_of_symmetric_terms_share_derivatives() {
    let mut all = [(0, 0, 0, 0); 12];
    all[4] = (150, 24, 0, 23);
    all[10] = (22, 140, 222, 241);
    all[11] = (90, 188, 118, 139);
    let steps = all.map(|(kind, a, b, c)| Step { kind, a, b, c });
    let f = program(&steps);
    let inputs = inputs(&[-0.631, 0.9433966086629105, -0.9181096276598882, -1.3909444540029225]);
    let (plain, simplified) =
        (evaluate_plain(&f, &inputs), evaluate(&f, EngineKind::Interp, &inputs));
    for (a, b) in plain.iter().zip(&simplified) {
        assert_kept(a, b, "simplified").unwrap();
    }
}

/// A gather that turns a column round is no transpose.
#[test]
fn entries_of_turned_vectors_stay() {
    let kinds = [(0, 0, 0), (8, 2, 0), (121, 6, 0), (57, 104, 0), (0, 0, 0)];
    let more = [(0, 0, 0), (0, 0, 0), (21, 0, 0), (0, 0, 0), (114, 20, 57)];
    let step = |&(kind, a, b): &(u8, u8, u8)| Step { kind, a, b, c: 0 };
    let f = program(&kinds.iter().chain(&more).map(step).collect::<Vec<_>>());
    let inputs = inputs(&[0.0, 0.0, 0.0, 0.0, 0.8164939127390837, 0.0, 0.0, 0.0, 0.0]);
    let plain = evaluate_plain(&f, &inputs);
    let simplified = evaluate(&f, EngineKind::Interp, &inputs);
    for (a, b) in plain.iter().zip(&simplified) {
        assert_kept(a, b, "simplified").unwrap();
    }
}
