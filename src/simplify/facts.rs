//! What is known of values without evaluating: an interval, being nonzero, being whole.
//!
//! Facts hold wherever the value is defined (not NaN); unknown means no. Bounds are rounded
//! outward by one unit in the last place. Moore, "Interval Analysis" (1966).

use super::rules::Property;
use crate::ops::scalar::{Domain, Monotone, ScalarOp};

/// Facts about one value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facts {
    /// Closed bounds, infinite where there is none.
    pub lo: f64,
    pub hi: f64,
    pub nonzero: bool,
    pub integer: bool,
    /// The value itself, if it is a constant.
    pub constant: Option<f64>,
}

impl Facts {
    /// Nothing is known.
    pub const UNKNOWN: Facts = Facts {
        lo: f64::NEG_INFINITY,
        hi: f64::INFINITY,
        nonzero: false,
        integer: false,
        constant: None,
    };

    /// Of a value in a closed interval.
    pub fn within(lo: f64, hi: f64) -> Facts {
        if lo.is_nan() || hi.is_nan() || lo > hi {
            return Facts::UNKNOWN;
        }
        Facts { lo, hi, nonzero: lo > 0.0 || hi < 0.0, ..Facts::UNKNOWN }
    }

    /// Of a constant.
    pub fn constant(value: f64) -> Facts {
        let integer = value.is_finite() && value.floor() == value;
        Facts { integer, constant: Some(value), ..Facts::within(value, value) }
    }

    /// Of the result of an operation on values with the given facts.
    pub fn of(op: ScalarOp, args: &[Facts]) -> Facts {
        let values: Vec<f64> = args.iter().map_while(|a| a.constant).collect();
        if values.len() == args.len() {
            return Facts::constant(op.eval(&values));
        }
        let (lo, hi) = bounds(op, args);
        let row = op.row();
        let lo = if lo.is_nan() { row.range.lo } else { lo.max(row.range.lo) };
        let hi = if hi.is_nan() { row.range.hi } else { hi.min(row.range.hi) };
        let mut facts = Facts::within(lo, hi);
        facts.nonzero |= nonzero(op, args);
        facts.integer = integer(op, args);
        facts
    }

    /// Of a value that has both facts.
    pub fn and(&self, other: &Facts) -> Facts {
        let (lo, hi) = (self.lo.max(other.lo), self.hi.min(other.hi));
        // Contradicting facts belong to an expression that is nowhere defined.
        let (lo, hi) = if lo <= hi { (lo, hi) } else { (self.lo, self.hi) };
        Facts {
            lo,
            hi,
            nonzero: self.nonzero || other.nonzero,
            integer: self.integer || other.integer,
            constant: self.constant.or(other.constant),
        }
    }

    /// Whether the facts prove a property.
    pub fn prove(&self, property: Property) -> bool {
        match property {
            Property::Positive => self.lo > 0.0 || self.lo >= 0.0 && self.nonzero,
            Property::NonNegative => self.lo >= 0.0,
            Property::Negative => self.hi < 0.0 || self.hi <= 0.0 && self.nonzero,
            Property::NonPositive => self.hi <= 0.0,
            Property::NonZero => self.nonzero,
            Property::Within(lo, hi) => lo <= self.lo && self.hi <= hi,
            Property::Integer => self.integer,
            Property::Constant => self.constant.is_some(),
            Property::PowerOfTwo => self.constant.is_some_and(|v| property.holds(v)),
        }
    }
}

fn down(v: f64) -> f64 {
    if v.is_finite() { v.next_down() } else { v }
}

fn up(v: f64) -> f64 {
    if v.is_finite() { v.next_up() } else { v }
}

/// Interval of the result; NaN ends are unknown.
fn bounds(op: ScalarOp, args: &[Facts]) -> (f64, f64) {
    use ScalarOp as S;
    const ALL: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);
    match (op, args) {
        (S::Mul, [a, b]) => {
            let mut hull = (f64::INFINITY, f64::NEG_INFINITY);
            for x in [a.lo, a.hi] {
                for y in [b.lo, b.hi] {
                    // An infinite end is a bound on finite values: times 0 it is 0.
                    let product = if x == 0.0 || y == 0.0 { 0.0 } else { x * y };
                    hull = (
                        hull.0.min(down_unless_zero(product, x, y)),
                        hull.1.max(up_unless_zero(product, x, y)),
                    );
                }
            }
            hull
        }
        (S::Div, [a, b]) if b.lo > 0.0 || b.hi < 0.0 => {
            let (x, y) = (down(1.0 / b.hi), up(1.0 / b.lo));
            let reciprocal = Facts::within(x.min(y), x.max(y));
            let reciprocal = if b.lo > 0.0 {
                Facts { lo: reciprocal.lo.max(0.0), ..reciprocal }
            } else {
                Facts { hi: reciprocal.hi.min(0.0), ..reciprocal }
            };
            bounds(S::Mul, &[*a, reciprocal])
        }
        (S::Div, [a, b]) if b.lo >= 0.0 && a.lo >= 0.0 => (0.0, f64::INFINITY),
        (S::Abs, [a]) => {
            let hi = a.lo.abs().max(a.hi.abs());
            let lo = if a.lo > 0.0 {
                a.lo
            } else if a.hi < 0.0 {
                -a.hi
            } else {
                0.0
            };
            (lo, hi)
        }
        (S::Pow, [a, b]) => {
            if let Some(n) = b.constant
                && n == 2.0
            {
                let (lo, hi) = bounds(S::Abs, &[*a]);
                return (if lo == 0.0 { 0.0 } else { down(lo * lo) }, up(hi * hi));
            }
            let even = b.constant.is_some_and(|n| (n / 2.0).floor() == n / 2.0);
            if even || a.lo >= 0.0 { (0.0, f64::INFINITY) } else { ALL }
        }
        (S::Select, [_, a, b]) => (a.lo.min(b.lo), a.hi.max(b.hi)),
        (S::StopGradient, [a]) => (a.lo, a.hi),
        _ => monotone_bounds(op, args).unwrap_or(ALL),
    }
}

fn down_unless_zero(product: f64, x: f64, y: f64) -> f64 {
    if x == 0.0 || y == 0.0 { product } else { down(product) }
}

fn up_unless_zero(product: f64, x: f64, y: f64) -> f64 {
    if x == 0.0 || y == 0.0 { product } else { up(product) }
}

/// Bounds of an operation that is monotone in every argument, from the ends of the arguments.
fn monotone_bounds(op: ScalarOp, args: &[Facts]) -> Option<(f64, f64)> {
    let row = op.row();
    let (mut low, mut high) = (Vec::new(), Vec::new());
    for ((arg, monotone), domain) in args.iter().zip(row.monotone).zip(row.domain) {
        let (mut lo, mut hi) = (arg.lo, arg.hi);
        if let Domain::Interval(interval) = domain {
            (lo, hi) = (lo.max(interval.lo), hi.min(interval.hi));
        }
        match monotone {
            Monotone::Increasing => (low.push(lo), high.push(hi)),
            Monotone::Decreasing => (low.push(hi), high.push(lo)),
            Monotone::Neither => return None,
        };
    }
    // These give their bounds without rounding.
    let exact = matches!(
        op,
        ScalarOp::Neg
            | ScalarOp::Min
            | ScalarOp::Max
            | ScalarOp::Floor
            | ScalarOp::Ceil
            | ScalarOp::Round
            | ScalarOp::Sign
            | ScalarOp::Step
    );
    let (lo, hi) = (op.eval(&low), op.eval(&high));
    let zero_at = |args: &[f64], v: f64| v == 0.0 && args.iter().all(|a| *a == 0.0);
    let lo = if exact || zero_at(&low, lo) { lo } else { down(lo) };
    let hi = if exact || zero_at(&high, hi) { hi } else { up(hi) };
    Some((lo, hi))
}

fn nonzero(op: ScalarOp, args: &[Facts]) -> bool {
    use ScalarOp as S;
    match op {
        // In real arithmetic; a product of tiny numbers may round to zero, and a quotient too.
        S::Mul => args.iter().all(|a| a.nonzero),
        S::Neg | S::Abs | S::StopGradient | S::Sqrt | S::Cbrt | S::Sign => args[0].nonzero,
        S::Div => args[0].nonzero,
        S::Select => args[1].nonzero && args[2].nonzero,
        S::Exp | S::Sigmoid | S::Softplus | S::Cosh => true,
        S::Pow => args[0].nonzero,
        _ => false,
    }
}

fn integer(op: ScalarOp, args: &[Facts]) -> bool {
    use ScalarOp as S;
    match op {
        S::Add | S::Sub | S::Mul | S::Min | S::Max => args.iter().all(|a| a.integer),
        S::Neg | S::Abs | S::StopGradient => args[0].integer,
        S::Select => args[1].integer && args[2].integer,
        S::Floor | S::Ceil | S::Round | S::Step | S::Not => true,
        S::Lt | S::Le | S::Gt | S::Ge | S::Eq | S::Ne | S::And | S::Or => true,
        S::Pow => args[0].integer && args[1].constant.is_some_and(|n| n >= 0.0 && n.floor() == n),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_hold_the_values() {
        let ranges = [(-2.0, 3.0), (0.5, 0.75), (-4.0, -1.0), (0.0, 1.0), (-1.0, 0.0)];
        for &op in ScalarOp::ALL.iter().filter(|op| op.arity() <= 2) {
            for x in ranges {
                for y in ranges {
                    let args = [Facts::within(x.0, x.1), Facts::within(y.0, y.1)];
                    let facts = Facts::of(op, &args[..op.arity()]);
                    for i in 0..=8 {
                        for j in 0..=8 {
                            let at = |r: (f64, f64), k: i32| r.0 + (r.1 - r.0) * f64::from(k) / 8.0;
                            let point = [at(x, i), at(y, j)];
                            let value = op.eval(&point[..op.arity()]);
                            let inside = facts.lo <= value && value <= facts.hi;
                            assert!(inside || value.is_nan(), "{op:?} {point:?} {value} {facts:?}");
                            if value.is_finite() && point[..op.arity()].iter().all(|v| *v != 0.0) {
                                assert!(!facts.nonzero || value != 0.0, "{op:?} {point:?}");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn unknown_means_no() {
        let x = Facts::UNKNOWN;
        assert!(!x.prove(Property::NonZero) && !x.prove(Property::NonNegative));
        let square = Facts::of(ScalarOp::Pow, &[x, Facts::constant(2.0)]);
        assert!(square.prove(Property::NonNegative) && !square.prove(Property::Positive));
        let shifted = Facts::of(ScalarOp::Add, &[square, Facts::constant(1.0)]);
        assert!(shifted.prove(Property::Positive));
        assert!(Facts::of(ScalarOp::Floor, &[x]).prove(Property::Integer));
    }
}
