//! Elementwise operations.

use nablac::kernel::ir::Base;
use nablac::ops::scalar::ScalarOp;

use crate::builder::Builder;
use crate::{bits, evaluate};

const SPECIAL: [f64; 17] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    2.5,
    -3.7,
    4.0,
    1e-310,
    -1e300,
    f64::MAX,
    f64::MIN_POSITIVE,
    f64::EPSILON,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

/// A loop over points that applies every operation to loaded values.
#[test]
fn all_operations_on_special_values() {
    let n_ops = ScalarOp::ALL.len();
    let mut points = Vec::new();
    for a in SPECIAL {
        for b in SPECIAL {
            for c in [0.0, -2.0, f64::NAN] {
                points.extend([a, b, c]);
            }
        }
    }
    for op in ScalarOp::ALL {
        for point in op.row().samples.iter().chain(op.row().edges) {
            let at = |k: usize| point.get(k).copied().unwrap_or(1.0);
            points.extend([at(0), at(1), at(2)]);
        }
    }
    let n_points = points.len() / 3;
    let mut b = Builder::new("all", &[points.len()], &[n_points * n_ops]);
    let (id, _) = b.begin_loop(nablac::kernel::ir::Trip::Const(n_points as u64), true, &[]);
    let values: Vec<u32> = (0..3).map(|k| b.load(Base::Arg(0), k, &[(id, 3)])).collect();
    for (k, &op) in ScalarOp::ALL.iter().enumerate() {
        let y = b.apply(op, &values[..op.arity()]);
        b.store(Base::Res(0), k as i64, &[(id, n_ops as i64)], y);
    }
    b.end_loop(id, &[]);
    let kernel = b.finish();
    let found = evaluate(&kernel, &[&points]).expect("no failure");
    for (point, found) in points.chunks(3).zip(found[0].chunks(n_ops)) {
        for (&op, &found) in ScalarOp::ALL.iter().zip(found) {
            let expected = op.eval(&point[..op.arity()]);
            assert_eq!(bits(expected), bits(found), "{op:?} at {point:?}");
        }
    }
}

/// Truth values used as numbers, as conditions, and both.
#[test]
fn truth_values() {
    let mut b = Builder::new("truth", &[2], &[5]);
    let x = b.load(Base::Arg(0), 0, &[]);
    let y = b.load(Base::Arg(0), 1, &[]);
    let less = b.apply(ScalarOp::Lt, &[x, y]);
    let equal = b.apply(ScalarOp::Eq, &[x, y]);
    let either = b.apply(ScalarOp::Or, &[less, equal]);
    let neither = b.apply(ScalarOp::Not, &[either]);
    let chosen = b.apply(ScalarOp::Select, &[neither, x, y]);
    let sum = b.apply(ScalarOp::Add, &[either, less]);
    let both = b.apply(ScalarOp::And, &[x, neither]);
    let id = b.begin_if(less);
    let yes = b.apply(ScalarOp::Add, &[less, x]);
    b.begin_else(id);
    let no = b.apply(ScalarOp::Sub, &[equal, x]);
    let phi = b.end_if(id, &[(yes, no)]);
    for (k, value) in [chosen, sum, both, phi[0], less].into_iter().enumerate() {
        b.store(Base::Res(0), k as i64, &[], value);
    }
    let kernel = b.finish();
    let at = |x: f64, y: f64| evaluate(&kernel, &[&[x, y]]).expect("no failure")[0].clone();
    assert_eq!(at(1.0, 2.0), [2.0, 2.0, 0.0, 2.0, 1.0]);
    assert_eq!(at(2.0, 2.0), [2.0, 1.0, 0.0, -1.0, 0.0]);
    assert_eq!(at(3.0, 2.0), [3.0, 0.0, 1.0, -3.0, 0.0]);
    at(f64::NAN, 2.0);
}
