//! Partial derivatives against central differences, and at kinks.

use nablac::ops::scalar::ScalarOp::{self, *};

use crate::formula::{Dual, partial, partial_dual};

#[test]
fn partials_equal_central_differences() {
    for &op in ScalarOp::ALL {
        for point in op.row().samples {
            for index in 0..op.arity() {
                if (op, index) == (Polygamma, 0) || op == StopGradient {
                    continue;
                }
                let formula = partial(op, index, point).unwrap_or(0.0);
                let (difference, error) = central_difference(point, index, |args| op.eval(args));
                assert!(
                    (formula - difference).abs() <= error + 1e-9 * formula.abs().max(1e-3),
                    "{} by argument {index} at {point:?}: {formula}, difference {difference}",
                    op.name()
                );
            }
        }
    }
}

#[test]
fn second_partials_equal_central_differences() {
    for &op in ScalarOp::ALL {
        for point in op.row().samples {
            for first in 0..op.arity() {
                for second in 0..op.arity() {
                    if (op, second) == (Polygamma, 0) || partial(op, first, point).is_none() {
                        continue;
                    }
                    let duals: Vec<Dual> = (point.iter().enumerate())
                        .map(|(index, &value)| Dual {
                            value,
                            tangent: (index == second).then_some(1.0),
                        })
                        .collect();
                    let formula = partial_dual(op, first, &duals)
                        .and_then(|dual| dual.tangent)
                        .unwrap_or(0.0);
                    let (difference, error) = central_difference(point, second, |args| {
                        partial(op, first, args).unwrap_or(0.0)
                    });
                    assert!(
                        (formula - difference).abs() <= error + 1e-8 * formula.abs().max(1e-3),
                        "{} by {first}, {second} at {point:?}: {formula}, not {difference}",
                        op.name()
                    );
                }
            }
        }
    }
}

#[test]
fn partials_at_kinks_are_those_of_the_language() {
    let cases: &[(ScalarOp, usize, &[f64], Option<f64>)] = &[
        (Abs, 0, &[0.0], Some(0.0)),
        (Abs, 0, &[-0.0], Some(0.0)),
        (Copysign, 0, &[0.0, -1.0], Some(0.0)),
        (Copysign, 0, &[-2.0, 3.0], Some(-1.0)),
        (Copysign, 0, &[-2.0, -0.0], Some(1.0)),
        (Copysign, 1, &[-2.0, 3.0], None),
        (Sign, 0, &[0.0], None),
        (Floor, 0, &[1.0], None),
        (StopGradient, 0, &[1.0], None),
        (Lt, 0, &[1.0, 1.0], None),
        (Min, 0, &[1.0, 1.0], Some(0.5)),
        (Min, 1, &[1.0, 1.0], Some(0.5)),
        (Max, 0, &[-0.0, 0.0], Some(0.5)),
        (Max, 1, &[f64::INFINITY, f64::INFINITY], Some(0.5)),
        (Max, 0, &[2.0, 1.0], Some(1.0)),
        (Max, 1, &[2.0, 1.0], Some(0.0)),
        (Sqrt, 0, &[0.0], Some(f64::INFINITY)),
        (Cbrt, 0, &[0.0], Some(f64::INFINITY)),
        (Acosh, 0, &[1.0], Some(f64::INFINITY)),
        (Mod, 1, &[-7.5, 2.0], Some(4.0)),
        (Rem, 1, &[-7.5, 2.0], Some(3.0)),
        (Remainder, 1, &[7.5, 2.0], Some(-4.0)),
        (Pow, 0, &[0.0, 2.0], Some(0.0)),
        (Pow, 0, &[0.0, 1.0], Some(1.0)),
        (Pow, 0, &[0.0, 0.5], Some(f64::INFINITY)),
        (Pow, 1, &[0.0, 0.5], Some(0.0)),
        (Pow, 1, &[0.0, 0.0], Some(f64::NEG_INFINITY)),
        (Select, 0, &[1.0, 2.0, 3.0], None),
        (Select, 1, &[0.0, 2.0, 3.0], Some(0.0)),
        (Select, 2, &[0.0, 2.0, 3.0], Some(1.0)),
    ];
    for (op, index, args, expected) in cases {
        assert_eq!(partial(*op, *index, args), *expected, "{} by {index} at {args:?}", op.name());
    }
}

#[test]
fn partials_outside_the_domain_are_nan() {
    let cases: &[(ScalarOp, usize, &[f64])] = &[
        (Sqrt, 0, &[-1.0]),
        (Asin, 0, &[1.5]),
        (Acos, 0, &[-1.5]),
        (Acosh, 0, &[-2.0]),
        (Acosh, 0, &[0.5]),
        (Pow, 0, &[-2.0, 2.5]),
        (Pow, 1, &[-2.0, 3.0]),
        (Pow, 1, &[-0.5, 3000.0]),
        (Mod, 1, &[1.0, 0.0]),
        (Hypot, 0, &[0.0, 0.0]),
        (Lgamma, 0, &[-2.0]),
    ];
    for (op, index, args) in cases {
        let value = partial(*op, *index, args);
        assert!(value.is_some_and(f64::is_nan), "{} at {args:?}: {value:?}", op.name());
    }
}

/// Derivative of `function` by one argument and a bound of its error: Richardson extrapolation of
/// central differences (Ridders), which stops where rounding takes over.
fn central_difference(point: &[f64], index: usize, function: impl Fn(&[f64]) -> f64) -> (f64, f64) {
    let slope = |width: f64| {
        let (mut left, mut right) = (point.to_vec(), point.to_vec());
        left[index] -= width;
        right[index] += width;
        (function(&right) - function(&left)) / (right[index] - left[index])
    };
    let mut width = 0.02 * point[index].abs().max(0.1);
    let mut previous = vec![slope(width)];
    let (mut best, mut error) = (previous[0], f64::INFINITY);
    for _ in 0..10 {
        width /= 1.6;
        let mut row = vec![slope(width)];
        let mut factor = 1.6 * 1.6;
        for (order, above) in previous.iter().enumerate() {
            let next = row[order] + (row[order] - above) / (factor - 1.0);
            let change = (next - row[order]).abs().max((next - above).abs());
            if change < error {
                (best, error) = (next, change);
            }
            row.push(next);
            factor *= 1.6 * 1.6;
        }
        previous = row;
    }
    assert!(error <= 1e-6 * best.abs().max(1e-3), "differences do not settle at {point:?}");
    (best, error)
}
