//! Errors of the elementary functions, at 10^5 points each, against numbers of 100 bits, which
//! numbers of 115 digits confirm at some points; special arguments; and the same bits on one
//! number and in the lanes of vectors.

mod double;
mod exact;
mod gamma;
mod points;

use astro_float::RoundingMode;
use exact::exact;
use nablac::accuracy::{Precise, from_f64, to_f64};
use nablac::backend::abi::{Engine, Memory};
use nablac::backend::jit::{Jit, JitOptions, Vectors};
use nablac::function::{EngineKind, Options};
use nablac::model::Model;
use nablac::ops::scalar::ScalarOp;
use points::{NEAR, SPECIAL, exact_form, points};

fn evaluate(op: ScalarOp, a: f64, b: f64) -> f64 {
    op.eval(&[a, b][..op.arity()])
}

/// The functions, and the largest error in units in the last place.
const BOUNDS: &[(ScalarOp, f64)] = &[
    (ScalarOp::Exp, 1.0),
    (ScalarOp::Expm1, 0.9),
    (ScalarOp::Sinh, 1.4),
    (ScalarOp::Cosh, 1.4),
    (ScalarOp::Tanh, 2.0),
    (ScalarOp::Sigmoid, 2.5),
    (ScalarOp::Softplus, 1.5),
    (ScalarOp::Log, 1.0),
    (ScalarOp::Log1p, 0.6),
    (ScalarOp::Log2, 0.6),
    (ScalarOp::Log10, 0.6),
    (ScalarOp::Asinh, 0.6),
    (ScalarOp::Acosh, 0.6),
    (ScalarOp::Atanh, 1.1),
    (ScalarOp::Sin, 1.0),
    (ScalarOp::Cos, 1.0),
    (ScalarOp::Tan, 1.5),
    (ScalarOp::Asin, 0.8),
    (ScalarOp::Acos, 0.8),
    (ScalarOp::Atan, 0.8),
    (ScalarOp::Atan2, 1.5),
    (ScalarOp::Cbrt, 0.6),
    (ScalarOp::Hypot, 1.0),
    (ScalarOp::Pow, 1.5),
    (ScalarOp::Erf, 1.5),
    // 2e-15 of the result.
    (ScalarOp::Erfc, 9.0),
    (ScalarOp::FastSin, 4.0),
    (ScalarOp::FastCos, 4.0),
    (ScalarOp::FastTan, 4.0),
    (ScalarOp::FastLog1p, 4.0),
    (ScalarOp::FastLog2, 4.0),
    (ScalarOp::FastLog10, 4.0),
    (ScalarOp::FastTanh, 4.0),
    (ScalarOp::FastSoftplus, 4.0),
    (ScalarOp::FastAtan, 4.0),
    (ScalarOp::FastAsin, 4.0),
    (ScalarOp::FastAcos, 4.0),
];

#[test]
fn errors_are_within_their_bounds() {
    in_threads(|(op, bound)| {
        let mut worst = (0.0, 0.0, 0.0);
        for (a, b) in points(op, 100_000) {
            let error = exact(op, a, b).error_of(evaluate(op, a, b));
            // What is no number is worse than all.
            if error.partial_cmp(&worst.0).is_none_or(|order| order.is_gt()) {
                worst = (error, a, b);
            }
            assert!(error <= bound, "{}: {error} ulp at {a:e}, {b:e}", op.name());
        }
        let (error, a, b) = worst;
        println!("{}: {error:.3} ulp at {a:e}, {b:e}", op.name());
    });
}

/// Every function in one of two threads.
fn in_threads(check: impl Fn((ScalarOp, f64)) + Sync) {
    let (even, odd): (Vec<_>, Vec<_>) =
        BOUNDS.iter().copied().enumerate().partition(|(k, _)| k % 2 == 0);
    std::thread::scope(|scope| {
        for half in [even, odd] {
            scope.spawn(|| half.into_iter().for_each(|(_, of)| check(of)));
        }
    });
}

#[test]
fn fast_forms_are_measured() {
    for fast in ScalarOp::ALL.iter().filter_map(|op| op.row().fast) {
        assert!(BOUNDS.contains(&(fast, 4.0)), "{}", fast.name());
    }
}

#[test]
fn numbers_of_100_bits_are_right() {
    in_threads(|(op, _)| {
        let mut precise = Precise::new().expect("there is memory");
        for (a, b) in points(op, 200) {
            let args = [from_f64(a), from_f64(b)];
            let known = precise.apply(op, &args[..op.arity()]).expect("it is known");
            if known.is_nan() || known.is_inf() {
                // What it is made of has no number of many digits.
                let op = points::exact_form(op);
                assert!(matches!(op, ScalarOp::Softplus | ScalarOp::Sigmoid) && a > 1e9);
                continue;
            }
            let found = exact(op, a, b);
            let (high, low) = (from_f64(found.value.0), from_f64(found.value.1));
            let mut sum = high.add(&low, 384, RoundingMode::ToEven);
            if let Some(exponent) = sum.exponent() {
                sum.set_exponent(exponent + found.exponent);
            }
            let difference = sum.sub(&known, 384, RoundingMode::ToEven);
            let error = to_f64(&difference.div(&known, 64, RoundingMode::ToEven)).abs();
            assert!(error < 1e-24, "{}: {error:e} at {a:e}, {b:e}", op.name());
        }
    });
}

#[test]
fn far_turns() {
    let mut precise = Precise::new().expect("there is memory");
    use ScalarOp as S;
    for op in [S::Sin, S::Cos, S::Tan, S::FastSin, S::FastCos, S::FastTan] {
        for k in 0..300 {
            let x = NEAR * 1.1f64.powi(5 * k % 1200) * (1.0 + 1e-3 * f64::from(k));
            let known = to_f64(&precise.apply(op, &[from_f64(x)]).expect("it is known"));
            let found = evaluate(op, x, 0.0);
            assert!((found - known).abs() <= 3e-16 * known.abs(), "{} {x:e}", op.name());
        }
    }
}

/// The system's functions say what happens at special arguments.
fn usual(op: ScalarOp, a: f64, b: f64) -> f64 {
    use ScalarOp as S;
    match exact_form(op) {
        S::Exp => a.exp(),
        S::Expm1 => a.exp_m1(),
        S::Sinh => a.sinh(),
        S::Cosh => a.cosh(),
        S::Tanh => a.tanh(),
        S::Sigmoid if a < 0.0 => a.exp() / (1.0 + a.exp()),
        S::Sigmoid => 1.0 / (1.0 + (-a).exp()),
        S::Softplus if a > 0.0 => a + (-a).exp().ln_1p(),
        S::Softplus => a.exp().ln_1p(),
        S::Log => a.ln(),
        S::Log1p => a.ln_1p(),
        S::Log2 => a.log2(),
        S::Log10 => a.log10(),
        S::Asinh => libm::asinh(a),
        S::Acosh if a < 1.0 => f64::NAN,
        S::Acosh => libm::acosh(a),
        S::Atanh => libm::atanh(a),
        S::Sin => a.sin(),
        S::Cos => a.cos(),
        S::Tan => a.tan(),
        S::Asin => a.asin(),
        S::Acos => a.acos(),
        S::Atan => a.atan(),
        S::Atan2 => a.atan2(b),
        S::Cbrt => a.cbrt(),
        S::Hypot => a.hypot(b),
        S::Pow => a.powf(b),
        S::Erf => libm::erf(a),
        S::Erfc => libm::erfc(a),
        _ => unreachable!("no elementary function"),
    }
}

#[test]
fn special_arguments() {
    for &(op, _) in BOUNDS {
        let others: &[f64] = if op.arity() == 2 { &SPECIAL } else { &[0.0] };
        for a in SPECIAL.into_iter().chain([f64::NAN]) {
            for &b in others.iter().chain(&[f64::NAN][..op.arity() - 1]) {
                let (found, want) = (evaluate(op, a, b), usual(op, a, b));
                let close = (found - want).abs() <= 1e-14 * want.abs().max(1e-308);
                let alike = found.is_sign_negative() == want.is_sign_negative();
                let zeros = (found == 0.0) == (want == 0.0);
                let same = (found == want || close) && alike && zeros;
                let both_nan = found.is_nan() && want.is_nan();
                assert!(same || both_nan, "{} {a:e}, {b:e}: {found:e}, {want:e}", op.name());
            }
        }
    }
}

#[test]
fn exact_values() {
    let at = |op: ScalarOp, x: f64| evaluate(op, x, 0.0);
    for n in -1022..1023 {
        assert_eq!(at(ScalarOp::Log2, 2f64.powi(n)), f64::from(n));
        assert_eq!(evaluate(ScalarOp::Pow, 2.0, f64::from(n)), 2f64.powi(n));
    }
    let mut power = 1.0;
    for n in 0..=22 {
        assert_eq!(at(ScalarOp::Log10, power), f64::from(n));
        assert_eq!(evaluate(ScalarOp::Pow, 10.0, f64::from(n)), power);
        power *= 10.0;
    }
    for n in -1000..1000 {
        let x = f64::from(n);
        assert_eq!(at(ScalarOp::Cbrt, x * x * x), x);
        assert_eq!(evaluate(ScalarOp::Pow, x, 3.0), x * x * x);
        assert_eq!(evaluate(ScalarOp::Hypot, 3.0 * x, 4.0 * x), 5.0 * x.abs());
    }
    for (op, x, y) in [
        (ScalarOp::Exp, 709.79, f64::INFINITY),
        (ScalarOp::Exp, -745.2, 0.0),
        (ScalarOp::Exp, -745.1, 5e-324),
        (ScalarOp::Sinh, 710.48, f64::INFINITY),
        (ScalarOp::Erfc, 27.23, 0.0),
        (ScalarOp::Acos, 1.0, 0.0),
        (ScalarOp::Cosh, 0.0, 1.0),
        (ScalarOp::Sigmoid, 0.0, 0.5),
        (ScalarOp::Sin, 1e22, -0.8522008497671888),
        (ScalarOp::Cos, 1e22, 0.523214785395139),
    ] {
        assert_eq!(at(op, x).to_bits(), y.to_bits(), "{} {x:e}", op.name());
    }
}

#[test]
fn one_number_and_lanes_have_the_same_bits() {
    for &op in ScalarOp::ALL.iter().filter(|op| op.row().wide.is_some()) {
        let name = op.name();
        // In a loop by vectors; by one call for several; alone.
        let call = |at: &str| match op.arity() {
            1 => format!("{name}(x[{at}])"),
            _ => format!("{name}(x[{at}], w[{at}])"),
        };
        let source = format!(
            "input x[8]{}\noutput y = [{} for i in 0..8]\noutput z = [{}, {}, {}], a = {}",
            if op.arity() == 2 { ", w[8]" } else { "" },
            call("i"),
            call("0"),
            call("1"),
            call("2"),
            call("7"),
        );
        let f = Model::parse("f.nab", &source).function().expect("it lowers");
        let compiled =
            |engine| f.compile(&Options { engine, ..Options::default() }).expect("it compiles");
        let (jit, interp) = (compiled(EngineKind::default()), compiled(EngineKind::Interp));
        let in_vectors = [4, 8].map(|lanes| {
            let options = JitOptions { vectors: Vectors::All, lanes, ..JitOptions::default() };
            Jit::new(&jit.kernel, &options).expect("it compiles")
        });
        let mut all = points(op, 800);
        let others = if op.arity() == 2 { &SPECIAL[..] } else { &[0.0] };
        let special = SPECIAL.into_iter().chain([f64::NAN; 4]).chain([1e9, -1e9, 1e15, -1e300]);
        all.extend(special.flat_map(|a| others.iter().map(move |&b| (a, b))));
        for points in all.chunks_exact(8) {
            let (x, w): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
            let bits = |values: Vec<Vec<f64>>| {
                let bit = |v: f64| if v.is_nan() { f64::NAN.to_bits() } else { v.to_bits() };
                values.concat().into_iter().map(bit).collect::<Vec<u64>>()
            };
            let args = &[&x[..], &w[..]][..op.arity()];
            let expected = bits(interp.evaluate(args).expect("it evaluates"));
            assert_eq!(bits(jit.evaluate(args).expect("it evaluates")), expected, "{name} {x:?}");
            for engine in &in_vectors {
                let [mut y, mut z, mut a] = [vec![0.0; 8], vec![0.0; 3], vec![0.0]];
                let mut wanted = [Some(&mut y[..]), Some(&mut z[..]), Some(&mut a[..])];
                engine.call(args, &mut wanted, &mut Memory::default()).expect("it evaluates");
                assert_eq!(bits(vec![y, z, a]), expected, "{name} {x:?}");
            }
            let many = [x.repeat(130), w.repeat(130)];
            let many = [&many[0][..], &many[1][..]];
            let many = jit.evaluate_many(130, &many[..op.arity()]).expect("it evaluates");
            let first = [&many[0][8 * 129..], &many[1][3 * 129..], &many[2][129..]];
            assert_eq!(bits(first.map(<[f64]>::to_vec).into()), expected, "{name} {x:?}");
        }
    }
}
