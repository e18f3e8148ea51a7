//! Integers known at compile time: a constant plus one function of each loop counter.
//!
//! Shapes, ranges and indices are made of them. The form is closed under sums and multiples;
//! products, quotients and remainders stay inside it when only one counter is involved, as a
//! table over the iterations of its loop. All arithmetic is checked: what overflows is no
//! compile-time integer.

use std::sync::Arc;

/// The longest table over the iterations of one loop.
pub const MAX_TABLE: u64 = 1 << 26;

/// The iteration number of a loop, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Counter {
    /// Tells counters of all loops apart.
    pub id: u32,
    /// The frame whose body the loop repeats.
    pub frame: usize,
    /// Number of iterations.
    pub n: u64,
}

/// What a counter adds to an integer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// A multiple of the iteration number.
    Linear(i64),
    /// A value for each iteration.
    Table(Arc<[i64]>),
}

/// `base` plus a part for each counter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Int {
    /// The constant.
    pub base: i64,
    /// Ordered by counter; no part is zero.
    pub parts: Vec<(Counter, Part)>,
}

impl Part {
    /// What is added in iteration `i`.
    pub fn at(&self, i: u64) -> Option<i64> {
        match self {
            Part::Linear(step) => step.checked_mul(i64::try_from(i).ok()?),
            Part::Table(table) => table.get(usize::try_from(i).ok()?).copied(),
        }
    }

    /// Least and largest value over `n` iterations, of which there is at least one.
    pub fn extent(&self, n: u64) -> Option<(i64, i64)> {
        match self {
            Part::Linear(_) => {
                let (first, last) = (0, self.at(n.checked_sub(1)?)?);
                Some((first.min(last), first.max(last)))
            }
            Part::Table(table) => Some((*table.iter().min()?, *table.iter().max()?)),
        }
    }

    fn map(&self, n: u64, f: impl Fn(i64) -> Option<i64>) -> Option<Part> {
        if n > MAX_TABLE {
            return None;
        }
        let values: Option<Vec<i64>> = (0..n).map(|i| f(self.at(i)?)).collect();
        Some(Part::from_values(values?))
    }

    /// A linear part where the values allow it.
    pub fn from_values(values: Vec<i64>) -> Part {
        let step = match values[..] {
            [0, second, ..] => second,
            [0] | [] => 0,
            _ => return Part::Table(values.into()),
        };
        let linear = Part::Linear(step);
        let fits = values.iter().enumerate().all(|(i, &v)| linear.at(i as u64) == Some(v));
        if fits { linear } else { Part::Table(values.into()) }
    }
}

impl Int {
    /// A constant.
    pub fn constant(base: i64) -> Int {
        Int { base, parts: Vec::new() }
    }

    /// `base` plus the iteration number.
    pub fn counter(base: i64, counter: Counter) -> Int {
        Int { base, parts: vec![(counter, Part::Linear(1))] }
    }

    /// The number that an `f64` holds exactly, if it is an integer of moderate size.
    pub fn from_f64(value: f64) -> Option<Int> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        (value.fract() == 0.0 && value.abs() <= EXACT).then(|| Int::constant(value as i64))
    }

    /// The value, if no counter is involved.
    pub fn as_constant(&self) -> Option<i64> {
        self.parts.is_empty().then_some(self.base)
    }

    /// Least and largest value over all iterations; none where some loop has no iterations.
    pub fn extent(&self) -> Option<(i64, i64)> {
        let (mut lo, mut hi) = (self.base, self.base);
        for (counter, part) in &self.parts {
            let (least, largest) = part.extent(counter.n)?;
            lo = lo.checked_add(least)?;
            hi = hi.checked_add(largest)?;
        }
        Some((lo, hi))
    }

    /// Whether some loop whose counter occurs has no iterations.
    pub fn is_vacuous(&self) -> bool {
        self.parts.iter().any(|(counter, _)| counter.n == 0)
    }

    /// The part of the counter of `frame`, and the rest.
    pub fn split(&self, frame: usize) -> (Option<(Counter, Part)>, Int) {
        let mut rest = self.clone();
        let at = rest.parts.iter().position(|(counter, _)| counter.frame == frame);
        let part = at.map(|at| rest.parts.remove(at));
        (part, rest)
    }

    /// Sum.
    pub fn add(&self, other: &Int) -> Option<Int> {
        let mut sum = Int { base: self.base.checked_add(other.base)?, parts: Vec::new() };
        let (mut left, mut right) = (self.parts.iter().peekable(), other.parts.iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (None, None) => break,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(a), Some(b)) => a.0.cmp(&b.0),
            };
            match order {
                std::cmp::Ordering::Less => sum.parts.extend(left.next().cloned()),
                std::cmp::Ordering::Greater => sum.parts.extend(right.next().cloned()),
                std::cmp::Ordering::Equal => {
                    let (Some((counter, a)), Some((_, b))) = (left.next(), right.next()) else {
                        break;
                    };
                    sum.push(*counter, add_parts(a, b, counter.n)?);
                }
            }
        }
        Some(sum)
    }

    /// Adds a part unless it is zero.
    fn push(&mut self, counter: Counter, part: Part) {
        if part != Part::Linear(0) {
            self.parts.push((counter, part));
        }
    }

    /// Multiple.
    pub fn scale(&self, factor: i64) -> Option<Int> {
        let mut scaled = Int::constant(self.base.checked_mul(factor)?);
        for (counter, part) in &self.parts {
            let part = match part {
                Part::Linear(step) => Part::Linear(step.checked_mul(factor)?),
                Part::Table(_) => part.map(counter.n, |v| v.checked_mul(factor))?,
            };
            scaled.push(*counter, part);
        }
        Some(scaled)
    }

    /// Difference.
    pub fn sub(&self, other: &Int) -> Option<Int> {
        self.add(&other.scale(-1)?)
    }

    /// Product; none if it involves two counters.
    pub fn mul(&self, other: &Int) -> Option<Int> {
        match (self.as_constant(), other.as_constant()) {
            (Some(factor), _) => other.scale(factor),
            (_, Some(factor)) => self.scale(factor),
            (None, None) => self.combine(other, i64::checked_mul),
        }
    }

    /// Quotient rounded down.
    pub fn div(&self, other: &Int) -> Option<Int> {
        self.combine(other, |a, b| {
            let quotient = a.checked_div_euclid(b)?;
            // Euclid's quotient rounds up for a negative divisor.
            if b < 0 && a.checked_rem_euclid(b)? != 0 {
                quotient.checked_sub(1)
            } else {
                Some(quotient)
            }
        })
    }

    /// Remainder with the sign of the divisor.
    pub fn modulo(&self, other: &Int) -> Option<Int> {
        self.combine(other, |a, b| {
            let remainder = a.checked_rem_euclid(b)?;
            Some(if b < 0 && remainder != 0 { remainder + b } else { remainder })
        })
    }

    /// Any function of two integers that involve one counter at most.
    fn combine(&self, other: &Int, f: impl Fn(i64, i64) -> Option<i64>) -> Option<Int> {
        let counter = match (&self.parts[..], &other.parts[..]) {
            ([], []) => return f(self.base, other.base).map(Int::constant),
            ([(a, _)], [(b, _)]) if a == b => *a,
            ([(a, _)], []) | ([], [(a, _)]) => *a,
            _ => return None,
        };
        if counter.n > MAX_TABLE {
            return None;
        }
        let mut values = Vec::with_capacity(counter.n as usize);
        for i in 0..counter.n {
            values.push(f(self.at(i)?, other.at(i)?)?);
        }
        let base = values.first().copied().unwrap_or(0);
        for value in &mut values {
            *value = value.checked_sub(base)?;
        }
        let mut result = Int::constant(base);
        result.push(counter, Part::from_values(values));
        Some(result)
    }

    /// The value in iteration `i` of the only counter.
    pub fn at(&self, i: u64) -> Option<i64> {
        match &self.parts[..] {
            [(_, part)] => self.base.checked_add(part.at(i)?),
            _ => Some(self.base),
        }
    }
}

fn add_parts(a: &Part, b: &Part, n: u64) -> Option<Part> {
    if let (Part::Linear(a), Part::Linear(b)) = (a, b) {
        return Some(Part::Linear(a.checked_add(*b)?));
    }
    if n > MAX_TABLE {
        return None;
    }
    let values: Option<Vec<i64>> = (0..n).map(|i| a.at(i)?.checked_add(b.at(i)?)).collect();
    Some(Part::from_values(values?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const K: Counter = Counter { id: 0, frame: 1, n: 4 };
    const J: Counter = Counter { id: 1, frame: 2, n: 3 };

    #[test]
    fn sums_and_multiples_are_linear() {
        let k = Int::counter(2, K);
        let j = Int::counter(0, J);
        let sum = k.scale(3).and_then(|a| a.sub(&j)).unwrap();
        assert_eq!(sum.base, 6);
        assert_eq!(sum.parts, [(K, Part::Linear(3)), (J, Part::Linear(-1))]);
        assert_eq!(sum.extent(), Some((4, 15)));
        assert_eq!(k.sub(&k), Some(Int::constant(0)));
        assert_eq!(
            sum.split(1),
            (
                Some((K, Part::Linear(3))),
                Int::counter(0, J).scale(-1).unwrap().add(&Int::constant(6)).unwrap()
            )
        );
    }

    #[test]
    fn products_and_quotients_of_one_counter_are_tables() {
        let k = Int::counter(0, K);
        let square = k.mul(&k).unwrap();
        assert_eq!(square.parts, [(K, Part::Table([0, 1, 4, 9].into()))]);
        let half = k.div(&Int::constant(2)).unwrap();
        assert_eq!(half.parts, [(K, Part::Table([0, 0, 1, 1].into()))]);
        assert_eq!(
            half.scale(2).and_then(|a| a.add(&k.modulo(&Int::constant(2))?)),
            Some(k.clone())
        );
        assert_eq!(k.mul(&Int::counter(0, J)), None);
        assert_eq!(k.div(&Int::constant(0)), None);
    }

    #[test]
    fn quotients_round_down() {
        for (a, b, quotient, remainder) in
            [(7, 2, 3, 1), (-7, 2, -4, 1), (7, -2, -4, -1), (-7, -2, 3, -1), (6, -2, -3, 0)]
        {
            let (a, b) = (Int::constant(a), Int::constant(b));
            assert_eq!(a.div(&b), Some(Int::constant(quotient)));
            assert_eq!(a.modulo(&b), Some(Int::constant(remainder)));
        }
        assert_eq!(Int::constant(i64::MAX).add(&Int::constant(1)), None);
    }
}
