//! Every rewrite rule is tested by what its class promises; every refuted rule must fail.

use nablac::ops::scalar::ScalarOp;
use nablac::simplify::rules::{Class, Condition, built_in, variables};
use nablac::syntax::formula::{Formula, FormulaOp};

const SPECIAL: [f64; 27] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    2.0,
    -2.0,
    3.0,
    0.5,
    -0.5,
    0.3,
    -0.7,
    1.5,
    -17.3,
    40.0,
    1e-9,
    -1e-9,
    1e9,
    1e-60,
    1e60,
    5e-324,
    f64::MIN_POSITIVE,
    f64::MAX,
    f64::MIN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    1024.0,
];

/// A value and the largest magnitude on the way to it, not finite where it is undefined.
fn evaluate(formula: &Formula, point: &[(&str, f64)]) -> (f64, f64) {
    evaluate_rounded(formula, point, |_| 0.0)
}

/// [`evaluate`], with step `k` off by the relative error `error(k)`.
fn evaluate_rounded(
    formula: &Formula,
    point: &[(&str, f64)],
    error: impl Fn(usize) -> f64,
) -> (f64, f64) {
    let mut stack: Vec<f64> = Vec::new();
    let mut scale: f64 = 0.0;
    let (mut k, mut lost) = (0, false);
    for op in &formula.ops {
        let value = match op {
            FormulaOp::Number(v) => *v,
            FormulaOp::Var(name) => point.iter().find(|(n, _)| n == name).unwrap().1,
            FormulaOp::Apply { name, n_args } => {
                let args = stack.split_off(stack.len() - usize::from(*n_args));
                let value = ScalarOp::from_name(name).unwrap().eval(&args);
                k += 1;
                lost |= value == 0.0
                    && matches!(name.as_str(), "mul" | "div" | "pow" | "exp")
                    && args[0] != 0.0
                    && (name != "mul" || args[1] != 0.0);
                if error(k) == 0.0 { value } else { value + value * error(k) }
            }
            FormulaOp::Arg(_) | FormulaOp::Result => unreachable!("rules have free variables only"),
        };
        // A NaN on the way makes the formula undefined even if a later step hides it, and so
        // does the loss of all digits to underflow.
        lost |= value.is_nan() || value != 0.0 && value.abs() < 1e-150;
        scale = if lost { f64::NAN } else { scale.max(value.abs()) };
        stack.push(value);
    }
    (stack[0], scale)
}

/// How far rounding on the way moves the value of a formula.
fn rounding(formula: &Formula, point: &[(&str, f64)]) -> f64 {
    let value = evaluate(formula, point).0;
    let moved = |error: fn(usize) -> f64| (evaluate_rounded(formula, point, error).0 - value).abs();
    moved(|_| f64::EPSILON) + moved(|k| if k % 2 == 0 { f64::EPSILON } else { -f64::EPSILON })
}

/// A small deterministic generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Both signs, magnitudes from 1e-4 to 1e4, every third a small half-integer.
    fn value(&mut self) -> f64 {
        if self.next() < 0.33 {
            return (self.next() * 17.0).floor() / 2.0 - 4.0;
        }
        let magnitude = 10f64.powf(self.next() * 8.0 - 4.0);
        if self.next() < 0.5 { magnitude } else { -magnitude }
    }
}

/// All combinations of special values (some of them for many variables), and random points.
fn points(n: usize) -> Vec<Vec<f64>> {
    let grid: &[f64] = if n <= 2 { &SPECIAL } else { &SPECIAL[..14] };
    let mut points = vec![vec![]];
    for _ in 0..n.min(3) {
        points = points
            .iter()
            .flat_map(|p: &Vec<f64>| grid.iter().map(move |&v| [&p[..], &[v]].concat()))
            .collect();
    }
    for p in &mut points {
        p.resize(n, 0.25);
    }
    let mut random = Random(7);
    for _ in 0..4000 {
        points.push((0..n).map(|_| random.value()).collect());
    }
    points
}

fn allowed(conditions: &[Condition], point: &[(&str, f64)]) -> bool {
    conditions
        .iter()
        .all(|c| c.property.holds(point.iter().find(|(n, _)| *n == c.variable).unwrap().1))
}

#[test]
fn every_rule_keeps_the_promise_of_its_class() {
    let mut failures = Vec::new();
    for rule in &built_in().rules {
        let names = variables(&rule.lhs);
        let mut n_checked = 0;
        for values in points(names.len()) {
            let point: Vec<(&str, f64)> = names.iter().copied().zip(values).collect();
            if !allowed(&rule.conditions, &point) {
                continue;
            }
            let (left, left_scale) = evaluate(&rule.lhs, &point);
            let (right, right_scale) = evaluate(&rule.rhs, &point);
            let finite_operands = point.iter().all(|(_, v)| v.is_finite());
            let within = |tolerance: f64| {
                // Defined: nothing on the way is NaN or beyond 1e150, nor lost to underflow.
                let defined = finite_operands
                    && left_scale < 1e150
                    && point.iter().all(|(_, v)| *v == 0.0 || v.abs() > 1e-70);
                let scale = left_scale.max(if right_scale < 1e150 { right_scale } else { 0.0 });
                !defined
                    || (left - right).abs() <= tolerance * scale + 9.0 * rounding(&rule.lhs, &point)
            };
            let good = match rule.class {
                Class::Exact => {
                    left.to_bits() == right.to_bits() || left.is_nan() && right.is_nan()
                }
                Class::Finite => !finite_operands || !left.is_finite() || left == right,
                Class::Real => within(1e-11),
                Class::Approx(tolerance) => within(tolerance),
            };
            n_checked += 1;
            if !good {
                failures.push(format!("{} at {point:?}: {left:?} against {right:?}", rule.name));
                break;
            }
        }
        if n_checked < 20 {
            failures.push(format!("{}: only {n_checked} points satisfy its conditions", rule.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_refuted_rule_fails_at_its_point() {
    for rule in &built_in().refuted {
        let point: Vec<(&str, f64)> = rule.at.iter().map(|(n, v)| (n.as_str(), *v)).collect();
        let (left, _) = evaluate(&rule.lhs, &point);
        let (right, _) = evaluate(&rule.rhs, &point);
        assert!(left.is_finite(), "{}: the left side is undefined there", rule.name);
        let equal = (left - right).abs() <= 1e-6 * left.abs().max(1.0);
        assert!(!equal, "{}: {left} equals {right}", rule.name);
    }
}
