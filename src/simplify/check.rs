//! Whether rewrite rules keep the promise of their class, by sampling.
//!
//! Takes a rule, evaluates both sides at special numbers and at random points that satisfy its
//! conditions, and gives the first point at which the promise is broken. Random testing refutes;
//! it does not prove (Panchekha et al., "Automatically improving accuracy for floating point
//! expressions", 2015).

use super::rules::{Class, Condition, Property, Refuted, Rule, variables};
use crate::ops::scalar::ScalarOp;
use crate::syntax::formula::{Formula, FormulaOp};

/// Numbers at which rules go wrong, those that are easy to read first.
const SPECIAL: [f64; 28] = [
    1.0,
    2.0,
    -1.0,
    -2.0,
    3.0,
    0.5,
    -0.5,
    0.3,
    -0.7,
    1.5,
    -17.3,
    40.0,
    0.0,
    -0.0,
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
    -5e-324,
];

/// How many of them are combined for three variables and more.
const FEW: usize = 14;
const N_RANDOM: usize = 4000;
/// Fewer points than these show nothing.
const MIN_POINTS: usize = 20;
/// So many are enough to advise a condition.
const MANY: usize = 500;
/// Magnitudes beyond this are outside of what a `real` rule promises, and so are their
/// reciprocals, except as operands.
const LARGEST: f64 = 1e150;
const SMALLEST_OPERAND: f64 = 1e-70;

/// Why a rule does not hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Failing {
    At(Counterexample),
    /// So few points satisfy the conditions that nothing is shown.
    Untested {
        n_points: usize,
    },
}

/// A point at which a rule breaks its promise.
#[derive(Clone, Debug, PartialEq)]
pub struct Counterexample {
    /// A value for each variable of the left side.
    pub at: Vec<(String, f64)>,
    pub left: f64,
    pub right: f64,
}

/// Tests a rule by what its class promises.
///
/// # Errors
/// The first point found at which the promise is broken.
///
/// ```
/// use nablac::simplify::check::{Failing, check};
/// use nablac::simplify::rules::{RuleSet, read_rules};
/// use nablac::syntax::FileId;
/// let mut rules = RuleSet::default();
/// let text = "good real log(exp(x)) => x\nbad real sqrt(x^2) => x";
/// assert!(read_rules(FileId(0), text, &mut rules).is_empty());
/// assert!(check(&rules.rules[0]).is_ok());
/// let Err(Failing::At(point)) = check(&rules.rules[1]) else { panic!() };
/// assert_eq!((point.left, point.right), (1.0, -1.0));
/// ```
pub fn check(rule: &Rule) -> Result<(), Failing> {
    match sample(rule) {
        (_, Some(point)) => Err(Failing::At(point)),
        (n_points, None) if n_points < MIN_POINTS => Err(Failing::Untested { n_points }),
        _ => Ok(()),
    }
}

/// How many points satisfy the conditions, until the first that breaks the promise.
fn sample(rule: &Rule) -> (usize, Option<Counterexample>) {
    let names = variables(&rule.lhs);
    let (lhs, rhs) = (Steps::new(&rule.lhs, &names), Steps::new(&rule.rhs, &names));
    let mut properties = vec![Vec::new(); names.len()];
    let mut orders = Vec::new();
    let number = |name: &String| names.iter().position(|n| n == name).unwrap_or(0);
    for condition in &rule.conditions {
        match condition {
            Condition::Is { variable, property } => properties[number(variable)].push(*property),
            Condition::Ordered { less, greater, strict } => {
                orders.push((number(less), number(greater), *strict));
            }
        }
    }
    let mut n_points = 0;
    for point in points(&properties) {
        let is = |(v, all): (&f64, &Vec<Property>)| all.iter().all(|p| p.holds(*v));
        let ordered = |&(l, g, strict): &(usize, usize, bool)| {
            point[l] < point[g] || !strict && point[l] == point[g]
        };
        if !point.iter().zip(&properties).all(is) || !orders.iter().all(ordered) {
            continue;
        }
        n_points += 1;
        let (left, right) = (lhs.evaluate(&point), rhs.evaluate(&point));
        if !keeps(rule.class, &lhs, &point, left, right) {
            let at = names.iter().map(|n| (*n).to_owned()).zip(point).collect();
            let (left, right) = (left.value, right.value);
            return (n_points, Some(Counterexample { at, left, right }));
        }
    }
    (n_points, None)
}

/// Whether a refuted rule fails at its point; its two sides there.
pub fn check_refuted(rule: &Refuted) -> (bool, [f64; 2]) {
    let names: Vec<&str> = rule.at.iter().map(|(name, _)| name.as_str()).collect();
    let point: Vec<f64> = rule.at.iter().map(|(_, value)| *value).collect();
    let [left, right] =
        [&rule.lhs, &rule.rhs].map(|f| Steps::new(f, &names).evaluate(&point).value);
    let equal = (left - right).abs() <= 1e-6 * left.abs().max(1.0);
    (left.is_finite() && !equal, [left, right])
}

/// Conditions under which a failing rule holds, if signs of its variables are such.
pub fn remedy(rule: &Rule) -> Option<Vec<Condition>> {
    let names = variables(&rule.lhs);
    let mut which: Vec<Vec<&str>> = names.iter().map(|n| vec![*n]).collect();
    if names.len() > 1 {
        which.push(names.clone());
    }
    for property in [Property::NonZero, Property::NonNegative, Property::Positive] {
        for variables in &which {
            let condition = |v: &&str| Condition::Is { variable: (*v).to_owned(), property };
            let conditions: Vec<Condition> = variables.iter().map(condition).collect();
            let mut amended = rule.clone();
            amended.conditions.extend(conditions.clone());
            if let (MANY.., None) = sample(&amended) {
                return Some(conditions);
            }
        }
    }
    None
}

/// A value and the largest magnitude on the way to it, NaN where it is undefined.
#[derive(Clone, Copy)]
struct Outcome {
    value: f64,
    scale: f64,
}

fn keeps(class: Class, lhs: &Steps, point: &[f64], left: Outcome, right: Outcome) -> bool {
    let (l, r) = (left.value, right.value);
    let finite_operands = point.iter().all(|v| v.is_finite());
    let within = |tolerance: f64| {
        let defined = finite_operands
            && left.scale < LARGEST
            && point.iter().all(|v| *v == 0.0 || v.abs() > SMALLEST_OPERAND);
        let scale = left.scale.max(if right.scale < LARGEST { right.scale } else { 0.0 });
        let error = (l - r).abs();
        !defined
            || error <= tolerance * scale
            || error <= tolerance * scale + 9.0 * lhs.rounding(point)
    };
    match class {
        Class::Exact => l.to_bits() == r.to_bits() || l.is_nan() && r.is_nan(),
        Class::Finite => !finite_operands || !l.is_finite() || l == r,
        Class::Real => within(1e-11),
        Class::Approx(tolerance) => within(tolerance),
    }
}

/// A formula in postfix order with its names resolved.
struct Steps(Vec<Step>);

enum Step {
    Number(f64),
    Variable(usize),
    Apply(ScalarOp),
}

impl Steps {
    fn new(formula: &Formula, names: &[&str]) -> Steps {
        let step = |op: &FormulaOp| match op {
            FormulaOp::Number(v) => Some(Step::Number(*v)),
            FormulaOp::Var(name) => names.iter().position(|n| n == name).map(Step::Variable),
            FormulaOp::Apply { name, .. } => ScalarOp::from_name(name).map(Step::Apply),
            FormulaOp::Arg(_) | FormulaOp::Result => None,
        };
        // Rules are read with known operations and with variables of the left side alone.
        Steps(formula.ops.iter().filter_map(step).collect())
    }

    fn evaluate(&self, point: &[f64]) -> Outcome {
        self.evaluate_rounded(point, |_| 0.0)
    }

    /// [`Steps::evaluate`], with step `k` off by the relative error `error(k)`.
    fn evaluate_rounded(&self, point: &[f64], error: impl Fn(usize) -> f64) -> Outcome {
        let mut stack: Vec<f64> = Vec::with_capacity(8);
        let mut scale: f64 = 0.0;
        let (mut k, mut lost) = (0, false);
        for step in &self.0 {
            let value = match step {
                Step::Number(v) => *v,
                Step::Variable(v) => point[*v],
                Step::Apply(op) => {
                    let first = stack.len().saturating_sub(op.arity());
                    let args = &stack[first..];
                    let value = op.eval(args);
                    k += 1;
                    use ScalarOp as S;
                    lost |= value == 0.0
                        && matches!(op, S::Mul | S::Div | S::Pow | S::Exp)
                        && args[0] != 0.0
                        && (*op != S::Mul || args[1] != 0.0);
                    stack.truncate(first);
                    if error(k) == 0.0 { value } else { value + value * error(k) }
                }
            };
            // A NaN on the way makes the formula undefined even if a later step hides it, and so
            // does the loss of all digits to underflow.
            lost |= value.is_nan() || value != 0.0 && value.abs() < 1.0 / LARGEST;
            scale = if lost { f64::NAN } else { scale.max(value.abs()) };
            stack.push(value);
        }
        Outcome { value: stack.last().copied().unwrap_or(f64::NAN), scale }
    }

    /// How far rounding on the way moves the value.
    fn rounding(&self, point: &[f64]) -> f64 {
        let value = self.evaluate(point).value;
        // Nothing is known from a step that leaves the domain.
        let moved = |error: fn(usize) -> f64| match self.evaluate_rounded(point, error).value {
            other if other.is_nan() => 0.0,
            other => (other - value).abs(),
        };
        moved(|_| f64::EPSILON) + moved(|k| if k % 2 == 0 { f64::EPSILON } else { -f64::EPSILON })
    }
}

/// A small deterministic generator.
pub(super) struct Random(pub(super) u64);

impl Random {
    /// A number from 0 to 1.
    pub(super) fn next(&mut self) -> f64 {
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

    /// Such a value, moved to where it is likely to have a property.
    fn with(&mut self, properties: &[Property]) -> f64 {
        let mut value = self.value();
        for property in properties {
            value = match property {
                Property::Positive | Property::NonNegative => value.abs(),
                Property::Negative | Property::NonPositive => -value.abs(),
                Property::Integer => value.round(),
                Property::PowerOfTwo => (value.abs().log2() * 8.0).round().exp2(),
                Property::Within(lo, hi) if self.next() < 0.7 && (hi - lo).is_finite() => {
                    lo + (hi - lo) * self.next()
                }
                _ => value,
            };
        }
        value
    }
}

/// All combinations of special values (some of them for many variables), and random points.
fn points(conditions: &[Vec<Property>]) -> Vec<Vec<f64>> {
    let n = conditions.len();
    let grid: &[f64] = if n <= 2 { &SPECIAL } else { &SPECIAL[..FEW] };
    let mut points = vec![vec![]];
    for properties in conditions.iter().take(3) {
        let ends = properties.iter().flat_map(|p| match p {
            Property::Within(lo, hi) => vec![*lo, *hi],
            _ => Vec::new(),
        });
        let grid: Vec<f64> = grid.iter().copied().chain(ends).collect();
        points = points
            .iter()
            .flat_map(|p: &Vec<f64>| grid.iter().map(move |&v| [&p[..], &[v]].concat()))
            .collect();
    }
    for p in &mut points {
        p.resize(n, 0.25);
    }
    let mut random = Random(7);
    for _ in 0..N_RANDOM {
        points.push(conditions.iter().map(|properties| random.with(properties)).collect());
    }
    points
}
