//! Values: against 25-digit references, and at the corner cases the language fixes.

use nablac::ops::scalar::ScalarOp::{self, *};

/// Values to 25 digits.
const REFERENCE: &str = include_str!("reference.txt");

#[test]
fn values_agree_with_25_digits() {
    let mut n_lines = 0;
    for line in REFERENCE.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        let op = ScalarOp::from_name(words[0]).expect(line);
        let numbers: Vec<f64> = words[1..].iter().map(|word| word.parse().expect(line)).collect();
        let (&expected, args) = numbers.split_last().expect(line);
        let value = op.eval(args);
        let error = (value - expected).abs();
        assert!(error <= tolerance(op, args, expected), "{line}: {value:e}, off by {error:e}");
        n_lines += 1;
    }
    assert!(n_lines > 800);
}

/// A few ulp, tight enough to notice a wrong digit in a coefficient. Near the zeros that `lgamma`
/// and `polygamma` have at negative arguments the error is relative to what cancels there.
fn tolerance(op: ScalarOp, args: &[f64], expected: f64) -> f64 {
    let scale = expected.abs();
    f64::EPSILON
        * match op {
            Lgamma if args[0] < 0.0 => 16.0 * scale.max(1.0),
            Polygamma if args[1] < 0.0 => 64.0 * scale.max(Gamma.eval(&[args[0] + 1.0])),
            Gamma | Polygamma => 16.0 * scale,
            _ => 4.0 * scale,
        }
}

#[test]
fn corner_cases_are_those_of_the_language() {
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    let cases: &[(ScalarOp, &[f64], f64)] = &[
        (Min, &[-0.0, 0.0], -0.0),
        (Min, &[0.0, -0.0], -0.0),
        (Max, &[-0.0, 0.0], 0.0),
        (Max, &[0.0, -0.0], 0.0),
        (Min, &[nan, 1.0], nan),
        (Min, &[1.0, nan], nan),
        (Max, &[nan, -inf], nan),
        (Max, &[1.0, nan], nan),
        (Min, &[-inf, inf], -inf),
        (Round, &[0.5], 1.0),
        (Round, &[-0.5], -1.0),
        (Round, &[2.5], 3.0),
        (Round, &[0.49999999999999994], 0.0),
        (Round, &[-0.2], -0.0),
        (Mod, &[-7.5, 2.0], 0.5),
        (Mod, &[7.5, -2.0], -0.5),
        (Mod, &[-4.0, 2.0], 0.0),
        (Mod, &[4.0, -2.0], -0.0),
        (Mod, &[1.0, 0.0], nan),
        (Mod, &[1.0, inf], 1.0),
        (Rem, &[-7.5, 2.0], -1.5),
        (Rem, &[7.5, -2.0], 1.5),
        (Remainder, &[7.5, 2.0], -0.5),
        (Remainder, &[5.0, 2.0], 1.0),
        (Remainder, &[3.0, 2.0], -1.0),
        (Sign, &[0.0], 0.0),
        (Sign, &[-0.0], -0.0),
        (Sign, &[-inf], -1.0),
        (Sign, &[nan], nan),
        (Step, &[0.0], 1.0),
        (Step, &[-0.0], 1.0),
        (Step, &[-1e-300], 0.0),
        (Step, &[nan], 0.0),
        (Lt, &[nan, 1.0], 0.0),
        (Eq, &[nan, nan], 0.0),
        (Eq, &[0.0, -0.0], 1.0),
        (Ne, &[nan, nan], 1.0),
        (Ge, &[2.0, 2.0], 1.0),
        (And, &[2.5, -1.0], 1.0),
        (And, &[2.5, -0.0], 0.0),
        (Or, &[0.0, nan], 1.0),
        (Or, &[0.0, -0.0], 0.0),
        (Not, &[-0.0], 1.0),
        (Not, &[nan], 0.0),
        (Select, &[-0.0, 1.0, 2.0], 2.0),
        (Select, &[0.5, 1.0, nan], 1.0),
        (Select, &[nan, 1.0, 2.0], 1.0),
        (Pow, &[0.0, 0.0], 1.0),
        (Pow, &[-2.0, 3.0], -8.0),
        (Pow, &[-2.0, 2.5], nan),
        (Copysign, &[-3.0, 0.0], 3.0),
        (Copysign, &[3.0, -0.0], -3.0),
        (Cbrt, &[-8.0], -2.0),
        (Sigmoid, &[inf], 1.0),
        (Sigmoid, &[-inf], 0.0),
        (Softplus, &[inf], inf),
        (Softplus, &[-inf], 0.0),
        (Softplus, &[nan], nan),
        (Gamma, &[0.0], inf),
        (Gamma, &[-0.0], -inf),
        (Gamma, &[-2.0], nan),
        (Gamma, &[5.0], 24.0),
        (Lgamma, &[-2.0], inf),
        (Lgamma, &[1.0], 0.0),
        (Polygamma, &[0.0, 0.0], -inf),
        (Polygamma, &[0.0, -0.0], inf),
        (Polygamma, &[0.0, -3.0], nan),
        (Polygamma, &[1.0, -3.0], inf),
        (Polygamma, &[2.0, 0.0], -inf),
        (Polygamma, &[0.0, inf], inf),
        (Polygamma, &[2.0, inf], 0.0),
        (Polygamma, &[1.0, -inf], nan),
        (Polygamma, &[0.5, 1.0], nan),
        (Polygamma, &[-1.0, 1.0], nan),
        (Polygamma, &[1e300, 1.0], nan),
        (StopGradient, &[-0.0], -0.0),
    ];
    for (op, args, expected) in cases {
        let value = op.eval(args);
        assert!(
            value.to_bits() == expected.to_bits()
                || value.is_nan() && expected.is_nan()
                || *op == Polygamma && value == *expected,
            "{}{args:?} is {value}, not {expected}",
            op.name()
        );
    }
}

#[test]
fn polygamma_satisfies_its_recurrence() {
    // psi_m(x + 1) = psi_m(x) + (-1)^m m! / x^(m + 1)
    for order in 0..8 {
        for x in [-7.3, -2.6, -0.4, 0.2, 0.9, 1.3, 1.7, 4.5, 9.8, 13.25_f64] {
            let m = f64::from(order);
            let sign = if order % 2 == 0 { 1.0 } else { -1.0 };
            let step = sign * Gamma.eval(&[m + 1.0]) / x.powi(order + 1);
            let (here, there) = (Polygamma.eval(&[m, x]), Polygamma.eval(&[m, x + 1.0]));
            // x + 1 is rounded; the slope there is of the size of the next order.
            let slope = Polygamma.eval(&[m + 1.0, x + 1.0]).abs() * f64::EPSILON * 16.0;
            let scale = 1e-13 * (here.abs() + there.abs() + step.abs()) + slope;
            assert!((there - here - step).abs() <= scale, "order {m} at {x}");
        }
    }
}
