//! Common pairs of factors in all products of a system, most frequent pair first.
//!
//! Breuer, "Generation of optimal code for expressions via factorization" (1969).

use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use super::polynomial::{Def, Monomial, System, Term, Var, mix};

/// In products of more factors, only those so near one another are paired.
const WINDOW: usize = 24;

/// One pair of factors: both in the numerator, the second a divisor, or a square.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
struct Pair {
    first: Var,
    second: Var,
    /// `first / second` instead of `first * second`.
    quotient: bool,
}

/// Makes variables of pairs of factors that several products have in common. Coefficients become
/// factors, so that terms keep but a sign.
pub fn share_products(mut system: System, seed: u64) -> System {
    let order = system.order();
    let mut constants: FxHashMap<u64, Var> = FxHashMap::default();
    let mut numbers: FxHashMap<Monomial, u32> = FxHashMap::default();
    let mut products: Vec<Vec<(Var, i32)>> = Vec::new();
    // For each sum, the sign and product of its terms.
    let mut sums: Vec<(Var, Vec<(f64, u32)>)> = Vec::new();
    for v in order {
        let Def::Sum(terms) = &mut system.defs[v as usize] else { continue };
        let terms = std::mem::take(terms);
        let mut rows = Vec::with_capacity(terms.len());
        for Term { coefficient, mut monomial } in terms {
            let magnitude = coefficient.abs();
            if magnitude != 1.0 && !monomial.is_one() {
                let constant = *constants.entry(magnitude.to_bits()).or_insert_with(|| {
                    system.defs.push(Def::Sum(vec![Term::constant(magnitude)]));
                    (system.defs.len() - 1) as Var
                });
                monomial = monomial.multiply(&Monomial::power_of(constant, 1));
            } else if monomial.is_one() {
                // A constant term stays as it is: number `u32::MAX` stands for no product.
                rows.push((coefficient, u32::MAX));
                continue;
            }
            let number = *numbers.entry(monomial.clone()).or_insert_with(|| {
                products.push(monomial.factors().to_vec());
                (products.len() - 1) as u32
            });
            rows.push((coefficient.signum(), number));
        }
        sums.push((v, rows));
    }
    let mut sharing =
        Sharing { products, members: FxHashMap::default(), queue: BinaryHeap::new(), seed };
    for k in 0..sharing.products.len() as u32 {
        sharing.register(k);
    }
    let mut pairs: Vec<Pair> = sharing.members.keys().copied().collect();
    pairs.sort_unstable();
    pairs.into_iter().for_each(|pair| sharing.enqueue(pair));
    while let Some((count, _, pair)) = sharing.queue.pop() {
        sharing.step(count, pair, &mut system);
    }
    for (v, rows) in sums {
        let term = |(coefficient, number): (f64, u32)| match sharing.products.get(number as usize) {
            Some(factors) => {
                Term { coefficient, monomial: Monomial::from_factors(factors.clone()) }
            }
            None => Term::constant(coefficient),
        };
        system.defs[v as usize] = Def::Sum(rows.into_iter().map(term).collect());
    }
    system
}

struct Sharing {
    /// Factors by increasing variable.
    products: Vec<Vec<(Var, i32)>>,
    members: FxHashMap<Pair, Members>,
    queue: BinaryHeap<(u32, u64, Pair)>,
    seed: u64,
}

#[derive(Default)]
struct Members {
    /// Products that have, or had, the pair.
    products: Vec<u32>,
    /// Count of the newest entry in the queue.
    queued: u32,
}

fn pair_of(a: (Var, i32), b: (Var, i32)) -> Pair {
    match (a.1 > 0, b.1 > 0) {
        (true, false) => Pair { first: a.0, second: b.0, quotient: true },
        (false, true) => Pair { first: b.0, second: a.0, quotient: true },
        _ => Pair { first: a.0.min(b.0), second: a.0.max(b.0), quotient: false },
    }
}

/// Exponent of a variable among factors in increasing order.
fn exponent(factors: &[(Var, i32)], v: Var) -> i32 {
    factors.binary_search_by_key(&v, |f| f.0).map_or(0, |k| factors[k].1)
}

impl Sharing {
    fn pairs(&self, k: u32) -> Vec<Pair> {
        let factors = &self.products[k as usize];
        let mut pairs = Vec::new();
        for (i, &a) in factors.iter().enumerate() {
            if a.1.abs() >= 2 {
                pairs.push(Pair { first: a.0, second: a.0, quotient: false });
            }
            let near = &factors[i.saturating_sub(WINDOW)..i];
            pairs.extend(near.iter().map(|&b| pair_of(b, a)));
        }
        pairs
    }

    fn register(&mut self, k: u32) {
        for pair in self.pairs(k) {
            self.join(pair, k);
        }
    }

    fn join(&mut self, pair: Pair, k: u32) {
        let members = self.members.entry(pair).or_default();
        if members.products.last() != Some(&k) {
            members.products.push(k);
        }
    }

    /// Queues a pair unless it is queued with as many products.
    fn enqueue(&mut self, pair: Pair) {
        let Some(members) = self.members.get_mut(&pair) else { return };
        let count = members.products.len() as u32;
        if count >= 2 && count > members.queued {
            members.queued = count;
            let tie = mix((u64::from(pair.first) << 32) ^ u64::from(pair.second) ^ self.seed);
            self.queue.push((count, tie, pair));
        }
    }

    fn has(&self, k: u32, pair: Pair) -> bool {
        let exponent = |v: Var| exponent(&self.products[k as usize], v);
        let (a, b) = (exponent(pair.first), exponent(pair.second));
        if pair.first == pair.second {
            a.abs() >= 2
        } else if pair.quotient {
            a > 0 && b < 0
        } else {
            a > 0 && b > 0 || a < 0 && b < 0
        }
    }

    fn step(&mut self, count: u32, pair: Pair, system: &mut System) {
        let Some(members) = self.members.get_mut(&pair) else { return };
        if members.queued != count {
            return;
        }
        members.queued = 0;
        let mut products = std::mem::take(&mut members.products);
        products.sort_unstable();
        products.dedup();
        products.retain(|&k| self.has(k, pair));
        if products.len() < count as usize {
            if let Some(members) = self.members.get_mut(&pair) {
                members.products = products;
            }
            self.enqueue(pair);
            return;
        }
        let exponent = if pair.quotient { -1 } else { 1 };
        let factors = vec![(pair.first, 1), (pair.second, exponent)];
        let monomial = Monomial::from_factors(factors);
        let v = system.push(Def::Sum(vec![Term { coefficient: 1.0, monomial }]));
        self.members.remove(&pair);
        let mut joined = Vec::new();
        for k in products {
            self.replace(k, pair, v, &mut joined);
        }
        joined.into_iter().for_each(|pair| self.enqueue(pair));
    }

    fn replace(&mut self, k: u32, pair: Pair, v: Var, joined: &mut Vec<Pair>) {
        let factors = &mut self.products[k as usize];
        let (a, b) = (exponent(factors, pair.first), exponent(factors, pair.second));
        let times =
            if pair.first == pair.second { a / 2 } else { a.signum() * a.abs().min(b.abs()) };
        for f in factors.iter_mut() {
            if f.0 == pair.first {
                f.1 -= if pair.first == pair.second { 2 * times } else { times };
            } else if f.0 == pair.second {
                f.1 -= if pair.quotient { -times } else { times };
            }
        }
        factors.retain(|f| f.1 != 0);
        factors.push((v, times));
        let new = (v, times);
        let pairs: Vec<Pair> =
            factors[..factors.len() - 1].iter().map(|&f| pair_of(f, new)).collect();
        let square = Pair { first: v, second: v, quotient: false };
        for pair in pairs.into_iter().chain((times.abs() >= 2).then_some(square)) {
            self.join(pair, k);
            joined.push(pair);
        }
    }
}
