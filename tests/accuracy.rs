//! Errors of the elementary functions, against 115 digits, at 10^5
//! points each; and the same bits on one number and in the lanes of vectors.

use astro_float::RoundingMode;
use nablac::accuracy::{Precise, from_f64, to_f64};
use nablac::function::{EngineKind, Options};
use nablac::model::Model;
use nablac::ops::scalar::{Eval, ScalarOp};

fn evaluate(op: ScalarOp, x: f64) -> f64 {
    match op.row().eval {
        Eval::F1(f) => f(x),
        _ => unreachable!("functions of one number"),
    }
}

/// Points of a range and around its middle, many of them close to zero.
fn points(op: ScalarOp, n: usize) -> Vec<f64> {
    let mut state = 88172645463325252u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let (lo, hi) = match op {
        ScalarOp::Exp => (-745.0, 709.7),
        ScalarOp::Expm1 => (-40.0, 709.7),
        ScalarOp::Sin | ScalarOp::Cos => (-2e6, 2e6),
        _ => (-40.0, 40.0),
    };
    let mut points = Vec::with_capacity(n);
    for k in 0..n {
        let (bits, unit) = (random(), (random() >> 11) as f64 / (1u64 << 53) as f64);
        let x = match k % 5 {
            0 => lo + (hi - lo) * unit,
            1 => (2.0 * unit - 1.0) * 2f64.powi(-((bits % 60) as i32)),
            2 => (unit - 0.5) * 20.0,
            // Close to where sines or cosines are zero.
            3 => ((bits % 1_000_000) as f64 * std::f64::consts::FRAC_PI_2).min(hi) * hi.signum(),
            _ => unit * 4.0 - 2.0,
        };
        points.push(match op {
            ScalarOp::Log if k % 2 == 0 => f64::from_bits(bits % f64::INFINITY.to_bits()),
            ScalarOp::Log => x.abs().max(f64::MIN_POSITIVE),
            _ => x,
        });
    }
    points
}

#[test]
fn errors_are_within_their_bounds() {
    std::thread::scope(|scope| {
        for (op, bound) in [
            (ScalarOp::Exp, 1.0),
            (ScalarOp::Expm1, 1.0),
            (ScalarOp::Log, 1.0),
            (ScalarOp::Sin, 1.0),
            (ScalarOp::Cos, 1.0),
            (ScalarOp::Tanh, 2.0),
            (ScalarOp::Sigmoid, 2.5),
        ] {
            scope.spawn(move || {
                let (error, x) = worst(op, 100_000);
                println!("{}: {error:.3} ulp at {x:e}", op.name());
                assert!(error <= bound, "{}: {error} ulp at {x:e}", op.name());
            });
        }
    });
}

/// The largest error in units in the last place, and where.
fn worst(op: ScalarOp, n: usize) -> (f64, f64) {
    let mut precise = Precise::new().expect("there is memory");
    let mut worst = (0.0, 0.0);
    for x in points(op, n) {
        let exact = precise.apply(op, &[from_f64(x)]).expect("it is known");
        let rounded = to_f64(&exact);
        let found = evaluate(op, x);
        let ulp = rounded.abs().next_up() - rounded.abs();
        let error = to_f64(&from_f64(found).sub(&exact, 64, RoundingMode::ToEven)).abs() / ulp;
        if error > worst.0 {
            worst = (error, x);
        }
    }
    worst
}

#[test]
fn special_arguments() {
    let at = |op: ScalarOp, x: f64| evaluate(op, x).to_bits();
    let zeros = [ScalarOp::Sin, ScalarOp::Tanh, ScalarOp::Expm1];
    for op in zeros {
        for x in [0.0, -0.0, 5e-324, -5e-324, 1e-300] {
            assert_eq!(at(op, x), x.to_bits(), "{} {x:e}", op.name());
        }
    }
    let infinite = f64::INFINITY;
    for (op, x, y) in [
        (ScalarOp::Exp, infinite, infinite),
        (ScalarOp::Exp, -infinite, 0.0),
        (ScalarOp::Exp, 0.0, 1.0),
        (ScalarOp::Exp, 709.79, infinite),
        (ScalarOp::Exp, -745.2, 0.0),
        (ScalarOp::Exp, -745.1, 5e-324),
        (ScalarOp::Expm1, infinite, infinite),
        (ScalarOp::Expm1, -infinite, -1.0),
        (ScalarOp::Log, 0.0, -infinite),
        (ScalarOp::Log, -0.0, -infinite),
        (ScalarOp::Log, infinite, infinite),
        (ScalarOp::Log, 1.0, 0.0),
        (ScalarOp::Cos, 0.0, 1.0),
        (ScalarOp::Tanh, infinite, 1.0),
        (ScalarOp::Tanh, -infinite, -1.0),
        (ScalarOp::Sigmoid, infinite, 1.0),
        (ScalarOp::Sigmoid, -infinite, 0.0),
        (ScalarOp::Sigmoid, 0.0, 0.5),
        (ScalarOp::Sin, 1e22, -0.8522008497671888),
        (ScalarOp::Cos, 1e22, 0.523214785395139),
    ] {
        assert_eq!(at(op, x), y.to_bits(), "{} {x:e}", op.name());
    }
    for op in [ScalarOp::Sin, ScalarOp::Cos] {
        assert!(evaluate(op, infinite).is_nan() && evaluate(op, -infinite).is_nan());
    }
    assert!(evaluate(ScalarOp::Log, -1.0).is_nan() && evaluate(ScalarOp::Log, -infinite).is_nan());
    for op in ScalarOp::ALL.iter().filter(|op| op.row().wide.is_some()) {
        assert!(evaluate(*op, f64::NAN).is_nan(), "{}", op.name());
    }
}

#[test]
fn one_number_and_lanes_have_the_same_bits() {
    for &op in ScalarOp::ALL.iter().filter(|op| op.row().wide.is_some()) {
        let name = op.name();
        // In a loop by vectors; by one call for several; alone.
        let source = format!(
            "input x[8]\noutput y = [{name}(x[i]) for i in 0..8]\n\
             output z = [{name}(x[0]), {name}(x[1]), {name}(x[2])], a = {name}(x[7])"
        );
        let f = Model::parse("f.nab", &source).function().expect("it lowers");
        let compiled =
            |engine| f.compile(&Options { engine, ..Options::default() }).expect("it compiles");
        let (jit, interp) = (compiled(EngineKind::default()), compiled(EngineKind::Interp));
        let mut all = points(op, 800);
        let tiny = f64::MIN_POSITIVE;
        all.extend([0.0, -0.0, 1e-310, -1e-310, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, tiny]);
        all.extend([1e22, 1e300, -1e9, 3e6, -710.0, 800.0, -745.1, 1.0]);
        for x in all.chunks(8) {
            let bits = |values: Vec<Vec<f64>>| {
                let bit = |v: f64| if v.is_nan() { f64::NAN.to_bits() } else { v.to_bits() };
                values.concat().into_iter().map(bit).collect::<Vec<u64>>()
            };
            let expected = bits(interp.evaluate(&[x]).expect("it evaluates"));
            assert_eq!(bits(jit.evaluate(&[x]).expect("it evaluates")), expected, "{name} {x:?}");
            let many: Vec<f64> = x.repeat(130);
            let many = jit.evaluate_many(130, &[&many]).expect("it evaluates");
            let first = [&many[0][8 * 129..], &many[1][3 * 129..], &many[2][129..]];
            assert_eq!(bits(first.map(<[f64]>::to_vec).into()), expected, "{name} {x:?}");
        }
    }
}
