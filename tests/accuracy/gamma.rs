//! Gamma functions at 10^5 points each, against numbers of 100 bits by Stirling's series after a
//! shift (NIST Handbook of Mathematical Functions, 5.5.1, 5.11.1 and 5.15.8).

use nablac::ops::scalar::ScalarOp;

use crate::double::{Double, ONE, PI};

/// Bernoulli's numbers with even indices from 2 on, as quotients.
const BERNOULLI: [(f64, f64); 15] = [
    (1.0, 6.0),
    (-1.0, 30.0),
    (1.0, 42.0),
    (-1.0, 30.0),
    (5.0, 66.0),
    (-691.0, 2730.0),
    (7.0, 6.0),
    (-3617.0, 510.0),
    (43867.0, 798.0),
    (-174611.0, 330.0),
    (854513.0, 138.0),
    (-236364091.0, 2730.0),
    (8553103.0, 6.0),
    (-23749461029.0, 870.0),
    (8615841276005.0, 14322.0),
];
/// From here on the series have all digits.
const LARGE: f64 = 30.0;

fn power(x: Double, n: u32) -> Double {
    (0..n).fold(ONE, |product, _| product * x)
}

/// The arguments `x, x + 1, ...` below [`LARGE`], and the first one that is not.
fn shifted(x: f64) -> (Vec<Double>, Double) {
    let n = (LARGE - x).ceil().max(0.0);
    let at = |k: f64| Double::from(x) + Double::from(k);
    ((0..n as u32).map(|k| at(f64::from(k))).collect(), at(n))
}

/// The logarithm of the gamma function's absolute value, for numbers that are not whole below 1.
fn lgamma(x: f64) -> Double {
    let (below, z) = shifted(x);
    let half = Double::from(0.5);
    let mut sum = (z - half) * z.log() - z + (PI.scaled(1)).log() * half;
    for (k, (above, under)) in (1..).zip(BERNOULLI) {
        let factor = Double::from(2.0 * f64::from(k) * (2.0 * f64::from(k) - 1.0));
        sum =
            sum + Double::from(above) / (Double::from(under) * factor * power(z, 2 * k as u32 - 1));
    }
    // A product at a time would overflow for no number from -30 on.
    let product = below.into_iter().fold(ONE, |product, x| product * x);
    sum - product.abs().log()
}

/// The polygamma function of an order from 0 on.
fn polygamma(order: u32, x: f64) -> Double {
    let (below, z) = shifted(x);
    let factorial = |n: u32| (1..=n).fold(ONE, |f, k| f * Double::from(f64::from(k)));
    let sign = if order.is_multiple_of(2) { -ONE } else { ONE };
    let mut sum = match order {
        0 => ONE / z.scaled(1) - z.log(),
        n => factorial(n - 1) / power(z, n) + factorial(n) / power(z, n + 1).scaled(1),
    };
    for (k, (above, under)) in (1..).zip(BERNOULLI) {
        let more = factorial(2 * k + order - 1) / (factorial(2 * k) * power(z, 2 * k + order));
        sum = sum + Double::from(above) / Double::from(under) * more;
    }
    for x in below {
        sum = sum + factorial(order) / power(x, order + 1);
    }
    sum * sign
}

/// Whether a value is right to 1e-14 of it, or 1e-15 where it is close to zero.
fn check(op: ScalarOp, args: &[f64], exact: Double) {
    let found = op.eval(args);
    let error = (Double::from(found) - exact).abs().0;
    let is_right = error <= 1e-14 * exact.abs().0 || error <= 1e-15;
    assert!(is_right, "{}{args:?}: {found:e}, not {:e}", op.name(), exact.0);
}

/// Numbers from -20 to 170, half of them between -3 and 3 and some of them close to whole ones or
/// to those halfway between.
fn arguments() -> impl Iterator<Item = f64> {
    let mut state = 88172645463325252u64;
    let mut unit = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let numbers = (0..).map(move |k| match k % 4 {
        0 => 190.0 * unit() - 20.0,
        1 => (12.0 * unit() - 6.0).round() / 2.0 + (unit() - 0.5) * 2f64.powf(-40.0 * unit()),
        _ => 6.0 * unit() - 3.0,
    });
    numbers.filter(|x: &f64| *x > 0.0 || x.fract() != 0.0).take(100_000)
}

#[test]
fn gamma_functions_are_right() {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for x in arguments() {
                let log = lgamma(x);
                check(ScalarOp::Lgamma, &[x], log);
                let is_negative = x < 0.0 && x.floor() % 2.0 != 0.0;
                let value = log.exp();
                check(ScalarOp::Gamma, &[x], if is_negative { -value } else { value });
            }
        });
        for (k, x) in arguments().enumerate() {
            // On the left the even ones have zeros, between terms of which a unit in the last
            // place may be far more than the bound.
            let order = k as u32 % if x > 0.0 { 5 } else { 11 };
            check(ScalarOp::Polygamma, &[f64::from(order), x], polygamma(order, x));
        }
    });
}
