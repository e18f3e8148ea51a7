//! Which iterations of a loop run, where that changes with the loops around it.

/// The iterations of a loop that run: from `first` up to, not including, `last`, as far as they
/// are among all of its `n` iterations.
///
/// ```
/// use nablac::graph::{Bound, IterationRange};
/// // From argument 0 on, of 8 iterations.
/// let first = Bound { base: 0, terms: vec![(0, 1)] };
/// let range = IterationRange { first, last: Bound { base: 8, terms: Vec::new() } };
/// assert_eq!(range.iterations(8, |_| 5.0), 5..8);
/// assert_eq!(range.iterations(8, |_| -1.0), 0..8);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IterationRange {
    pub first: Bound,
    pub last: Bound,
}

/// `base + sum(factor * argument)`; the arguments are 1x1, whole, and hold integers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bound {
    pub base: i64,
    /// (number of the argument, counted behind the states, factor).
    pub terms: Vec<(usize, i64)>,
}

impl Bound {
    /// The value, given those of the arguments.
    pub fn value(&self, argument: impl Fn(usize) -> f64) -> i64 {
        let add = |sum: i64, &(k, factor): &(usize, i64)| {
            sum.saturating_add(factor.saturating_mul(argument(k) as i64))
        };
        self.terms.iter().fold(self.base, add)
    }

    /// `n` minus this.
    fn back_from(&self, n: u64) -> Bound {
        let terms = self.terms.iter().map(|&(k, factor)| (k, -factor)).collect();
        Bound { base: n as i64 - self.base, terms }
    }

    fn map(&self, argument: &impl Fn(usize) -> Result<usize, f64>) -> Bound {
        let mut bound = Bound { base: self.base, terms: Vec::with_capacity(self.terms.len()) };
        for &(k, factor) in &self.terms {
            match argument(k) {
                Ok(k) => bound.terms.push((k, factor)),
                Err(value) => {
                    bound.base = bound.base.saturating_add(factor.saturating_mul(value as i64));
                }
            }
        }
        bound
    }
}

impl IterationRange {
    /// The arguments that decide.
    pub fn arguments(&self) -> impl Iterator<Item = usize> {
        self.first.terms.iter().chain(&self.last.terms).map(|term| term.0)
    }

    /// The same iterations counted from the other end.
    pub fn reversed(&self, n: u64) -> IterationRange {
        IterationRange { first: self.last.back_from(n), last: self.first.back_from(n) }
    }

    /// The same range where argument `k` has another number or a known value.
    pub fn with_arguments(&self, argument: impl Fn(usize) -> Result<usize, f64>) -> IterationRange {
        IterationRange { first: self.first.map(&argument), last: self.last.map(&argument) }
    }

    /// The iterations, given the values of the arguments.
    pub fn iterations(&self, n: u64, argument: impl Fn(usize) -> f64) -> std::ops::Range<u64> {
        let clamp = |bound: &Bound| u64::try_from(bound.value(&argument)).unwrap_or(0).min(n);
        clamp(&self.first)..clamp(&self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_turn_and_clamp() {
        let range = IterationRange {
            first: Bound { base: 1, terms: vec![(0, 1)] },
            last: Bound { base: 9, terms: Vec::new() },
        };
        assert_eq!(range.iterations(8, |_| 2.0), 3..8);
        assert_eq!(range.reversed(8).iterations(8, |_| 2.0), 0..5);
        assert!(range.iterations(8, |_| 10.0).is_empty());
        assert_eq!(range.iterations(8, |_| -5.0), 0..8);
        let known = range.with_arguments(|_| Err(4.0));
        assert_eq!(known.first, Bound { base: 5, terms: Vec::new() });
        assert_eq!(range.with_arguments(|k| Ok(k + 2)).first.terms, [(2, 1)]);
    }
}
