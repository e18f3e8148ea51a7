//! Common factors and common parts of sums, found together, greedily by operations saved.
//!
//! Every two terms of a sum, divided by what they share, are a candidate divisor `a + r b`; it
//! becomes a variable where that saves most, counting all sums it divides. Taking `x` out of
//! `x y + x z` is the case of one occurrence, a shared partial sum that of a divisor with factor 1,
//! and Horner's scheme is what repeated steps make of a polynomial.
//!
//! Rajski & Vasudevamurthi, "The testability-preserving concurrent decomposition and
//! factorization of Boolean expressions" (1992), carried over to polynomials with coefficients as
//! in Hosangadi, Fallah & Kastner, "Optimizing polynomial expressions by algebraic factorization
//! and common subexpression elimination" (2006).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::polynomial::{
    Def, Monomial, System, Term, Var, collect_terms, for_common, mix, power_hash,
};
use crate::ops::scalar::ScalarOp;

/// Limits of the search, and how it breaks ties.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// Sums of more terms are split by their most frequent factors first.
    pub longest_sum: usize,
    /// Different seeds explore different orders among equal candidates.
    pub seed: u64,
}

/// Rewrites the sums of a system with shared divisors.
pub fn factor(system: System, search: Search) -> System {
    let mut factoring = Factoring::new(system, search);
    while let Some((gain, _, key)) = factoring.queue.pop() {
        factoring.step(gain, key);
    }
    factoring.finish()
}

/// A term with a place in a sum.
struct Placed {
    term: Term,
    hash: u64,
    sum: Var,
    alive: bool,
}

/// Two terms of one sum, as a multiple of a divisor.
#[derive(Clone, Copy)]
struct Occurrence {
    /// The terms that belong to the first and the second part of the divisor.
    first: u32,
    second: u32,
    next: u32,
}

struct Divisor {
    /// Newest occurrence.
    head: u32,
    /// Upper bound of the operations saved.
    bound: i32,
    /// Gain of the newest entry in the queue.
    queued: i32,
}

const NONE: u32 = u32::MAX;

struct Factoring {
    system: System,
    search: Search,
    terms: Vec<Placed>,
    /// Terms of each variable that is a sum.
    sums: Vec<Vec<u32>>,
    occurrences: Vec<Occurrence>,
    divisors: FxHashMap<u64, Divisor>,
    queue: BinaryHeap<(i32, u64, u64)>,
    /// All pairs of the first terms are registered.
    started: bool,
    /// What a divisor equals: a variable made for it, or what a relation says.
    known: FxHashMap<u64, Term>,
    /// Number of terms with that monomial, and with that magnitude of coefficient and monomial.
    n_monomials: FxHashMap<u64, u32>,
    n_products: FxHashMap<u64, u32>,
    /// Uses of variables in terms and elsewhere.
    uses: Vec<u32>,
    /// Variables whose terms became part of another sum.
    absorbed: Vec<bool>,
}

/// How two terms are a multiple `scale` of a divisor.
struct Normalized {
    key: u64,
    scale: f64,
    /// Coefficients of the divisor; the first is positive.
    coefficients: [f64; 2],
    /// The terms change places.
    swapped: bool,
}

/// Divides two coprime terms by a common scale, so that equal divisors have equal keys.
fn normalize(hashes: [u64; 2], coefficients: [f64; 2]) -> Normalized {
    let swapped = hashes[0] > hashes[1];
    let ([ha, hb], [ca, cb]) = if swapped {
        ([hashes[1], hashes[0]], [coefficients[1], coefficients[0]])
    } else {
        (hashes, coefficients)
    };
    // A constant costs nothing where it stands, so nothing is gained by dividing it.
    let has_constant = ha == 0;
    let whole = |q: f64| q.abs() <= 16.0 && q.floor() == q;
    let whole_ratio = !has_constant && whole(cb / ca) && cb / ca * ca == cb;
    let (scale, na, nb) = if ca.abs() == cb.abs() || whole_ratio {
        (ca, 1.0, cb / ca)
    } else if !has_constant && whole(ca / cb) && ca / cb * cb == ca {
        let sign = (ca / cb).signum();
        (cb * sign, ca / cb * sign, sign)
    } else {
        (ca.signum(), ca.abs(), cb * ca.signum())
    };
    let key = mix(ha ^ mix(hb ^ mix(na.to_bits() ^ mix(nb.to_bits()))));
    Normalized { key, scale, coefficients: [na, nb], swapped }
}

fn scaled_hash(term: &Term, hash: u64) -> u64 {
    mix(hash ^ mix(term.coefficient.abs().to_bits()))
}

impl Factoring {
    fn new(system: System, search: Search) -> Factoring {
        let n = system.defs.len();
        let mut factoring = Factoring {
            system,
            search,
            terms: Vec::new(),
            sums: vec![Vec::new(); n],
            occurrences: Vec::new(),
            divisors: FxHashMap::default(),
            queue: BinaryHeap::new(),
            started: false,
            known: FxHashMap::default(),
            n_monomials: FxHashMap::default(),
            n_products: FxHashMap::default(),
            uses: vec![0; n],
            absorbed: vec![false; n],
        };
        let order = factoring.system.order();
        for &o in &factoring.system.outputs {
            factoring.uses[o as usize] += 1;
        }
        factoring.add_relations(&order);
        let mut sums = Vec::new();
        for v in order {
            let terms = match &mut factoring.system.defs[v as usize] {
                Def::Opaque { args, .. } | Def::Apply { args, .. } => {
                    for &a in args.iter() {
                        factoring.uses[a as usize] += 1;
                    }
                    continue;
                }
                Def::Sum(terms) => std::mem::take(terms),
            };
            sums.push(v);
            factoring.place_long(v, terms, &mut sums);
        }
        for v in sums {
            factoring.remember(v);
            factoring.pair_all(v);
        }
        factoring.started = true;
        let seed = factoring.search.seed;
        for (&key, divisor) in factoring.divisors.iter_mut().filter(|(_, d)| d.bound > 0) {
            divisor.queued = divisor.bound;
            factoring.queue.push((divisor.bound, mix(key ^ seed), key));
        }
        factoring
    }

    /// Places the terms of a sum. While it is too long, its most frequent factor is taken out, or
    /// if none is frequent, neighbours in the order of monomials become sums of their own.
    fn place_long(&mut self, v: Var, terms: Vec<Term>, sums: &mut Vec<Var>) {
        let mut pending = vec![(v, terms)];
        while let Some((v, mut terms)) = pending.pop() {
            while terms.len() > self.search.longest_sum {
                let mut counts: FxHashMap<(Var, bool), usize> = FxHashMap::default();
                for &(w, e) in terms.iter().flat_map(|t| t.monomial.factors()) {
                    *counts.entry((w, e < 0)).or_default() += 1;
                }
                let best = counts.into_iter().max_by_key(|&(f, n)| (n, Reverse(f)));
                let Some(((w, divides), _)) = best.filter(|&(_, n)| n > terms.len() / 32) else {
                    terms = self.split_evenly(terms, sums);
                    continue;
                };
                let factor = Monomial::power_of(w, if divides { -1 } else { 1 });
                let has = |t: &Term| {
                    t.monomial.factors().iter().any(|&(x, e)| x == w && (e < 0) == divides)
                };
                let (mut inside, outside): (Vec<Term>, Vec<Term>) =
                    terms.into_iter().partition(has);
                for t in &mut inside {
                    t.monomial = t.monomial.divide(&factor);
                }
                let quotient = self.new_sum();
                sums.push(quotient);
                pending.push((quotient, inside));
                terms = outside;
                let monomial = factor.multiply(&Monomial::power_of(quotient, 1));
                terms.push(Term { coefficient: 1.0, monomial });
            }
            for term in terms {
                self.place(v, term);
            }
        }
    }

    /// Sums of so many neighbours as a sum may have, and their sum in place of the terms.
    fn split_evenly(&mut self, terms: Vec<Term>, sums: &mut Vec<Var>) -> Vec<Term> {
        let mut parts = Vec::with_capacity(terms.len().div_ceil(self.search.longest_sum));
        for chunk in terms.chunks(self.search.longest_sum) {
            let part = self.new_sum();
            sums.push(part);
            for term in chunk {
                self.place(part, term.clone());
            }
            parts.push(Term::var(part));
        }
        parts
    }

    /// Relations that hold between functions: circle, and fractions that add up to one.
    fn add_relations(&mut self, order: &[Var]) {
        let mut sines: FxHashMap<Var, [Option<Var>; 2]> = FxHashMap::default();
        let mut relations: Vec<([Term; 2], Term)> = Vec::new();
        let square =
            |v: Var, coefficient: f64| Term { coefficient, monomial: Monomial::power_of(v, 2) };
        for &v in order {
            match &self.system.defs[v as usize] {
                Def::Apply { op: op @ (ScalarOp::Sin | ScalarOp::Cos), args } => {
                    let pair = sines.entry(args[0]).or_default();
                    pair[usize::from(*op == ScalarOp::Cos)] = Some(v);
                    if let [Some(s), Some(c)] = *pair {
                        relations.push(([square(s, 1.0), square(c, 1.0)], Term::constant(1.0)));
                        relations.push(([Term::constant(1.0), square(s, -1.0)], square(c, 1.0)));
                        relations.push(([Term::constant(1.0), square(c, -1.0)], square(s, 1.0)));
                    }
                }
                Def::Sum(terms) if terms.len() == 2 => {
                    let inverse = Monomial::power_of(v, -1);
                    for (a, b) in [(0, 1), (1, 0)] {
                        let fraction = |k: usize, sign: f64| Term {
                            coefficient: sign * terms[k].coefficient,
                            monomial: terms[k].monomial.multiply(&inverse),
                        };
                        let rest = [Term::constant(1.0), fraction(a, -1.0)];
                        relations.push((rest, fraction(b, 1.0)));
                    }
                }
                _ => {}
            }
        }
        for ([a, b], mut equals) in relations {
            let hashes = [a.monomial.hash(), b.monomial.hash()];
            let n = normalize(hashes, [a.coefficient, b.coefficient]);
            equals.coefficient /= n.scale;
            self.known.entry(n.key).or_insert(equals);
        }
    }

    fn new_sum(&mut self) -> Var {
        self.sums.push(Vec::new());
        self.uses.push(0);
        self.absorbed.push(false);
        self.system.push(Def::Sum(Vec::new()))
    }

    /// Adds a term to a sum and counts it; gives its number.
    fn place(&mut self, sum: Var, term: Term) -> u32 {
        let hash = term.monomial.hash();
        *self.n_monomials.entry(hash).or_default() += 1;
        *self.n_products.entry(scaled_hash(&term, hash)).or_default() += 1;
        for f in term.monomial.factors() {
            self.uses[f.0 as usize] += 1;
        }
        let id = self.terms.len() as u32;
        self.terms.push(Placed { term, hash, sum, alive: true });
        self.sums[sum as usize].push(id);
        id
    }

    fn remove(&mut self, id: u32) {
        let placed = &mut self.terms[id as usize];
        placed.alive = false;
        for count in [
            self.n_monomials.get_mut(&placed.hash),
            self.n_products.get_mut(&scaled_hash(&placed.term, placed.hash)),
        ]
        .into_iter()
        .flatten()
        {
            *count -= 1;
        }
        for f in placed.term.monomial.factors() {
            self.uses[f.0 as usize] -= 1;
        }
        let sum = placed.sum as usize;
        self.sums[sum].retain(|&t| t != id);
    }

    /// What the divisor with that key equals, if that can still be used.
    fn value_of(&self, key: u64) -> Option<&Term> {
        let usable = |t: &&Term| t.monomial.factors().iter().all(|f| !self.absorbed[f.0 as usize]);
        self.known.get(&key).filter(usable)
    }

    /// Registers a sum of two terms as the value of its own divisor.
    fn remember(&mut self, v: Var) {
        if let [a, b] = self.sums[v as usize][..] {
            let (a, b) = (&self.terms[a as usize], &self.terms[b as usize]);
            let mut common = 0;
            for_common(&a.term.monomial, &b.term.monomial, |_, _| common += 1);
            let n = normalize([a.hash, b.hash], [a.term.coefficient, b.term.coefficient]);
            if common == 0 && n.scale.abs() == 1.0 {
                let equals = Term { coefficient: n.scale, monomial: Monomial::power_of(v, 1) };
                self.known.entry(n.key).or_insert(equals);
            }
        }
    }

    fn pair_all(&mut self, v: Var) {
        let ids = self.sums[v as usize].clone();
        for (k, &i) in ids.iter().enumerate() {
            for &j in &ids[..k] {
                self.pair(j, i);
            }
        }
    }

    fn pair_with_all(&mut self, id: u32) {
        let ids = self.sums[self.terms[id as usize].sum as usize].clone();
        for &j in ids.iter().filter(|&&j| j != id) {
            self.pair(j, id);
        }
    }

    /// Registers two terms of a sum as an occurrence of a divisor.
    fn pair(&mut self, i: u32, j: u32) {
        let (a, b) = (&self.terms[i as usize], &self.terms[j as usize]);
        let (mut common_hash, mut common_degree, mut positive) = (0u64, 0u32, false);
        for_common(&a.term.monomial, &b.term.monomial, |v, e| {
            common_hash = common_hash.wrapping_add(power_hash(v, e));
            common_degree += e.unsigned_abs();
            positive |= e > 0;
        });
        let hashes = [a.hash.wrapping_sub(common_hash), b.hash.wrapping_sub(common_hash)];
        let n = normalize(hashes, [a.term.coefficient, b.term.coefficient]);
        let before = a.term.monomial.n_products()
            + b.term.monomial.n_products()
            + u32::from(a.term.is_scaled())
            + u32::from(b.term.is_scaled())
            + 1;
        // The cofactor times the divisor: one product for each factor.
        let after = common_degree + u32::from(n.scale.abs() != 1.0);
        let saved = before as i32 - after as i32;
        let [first, second] = if n.swapped { [j, i] } else { [i, j] };
        let id = self.occurrences.len() as u32;
        let divisor = self.divisors.entry(n.key).or_insert_with(|| {
            // What the divisor itself costs, unless it exists.
            let part = |m: &Monomial| m.degree().saturating_sub(common_degree).saturating_sub(1);
            let scaled = n.coefficients.iter().filter(|c| c.abs() != 1.0).count() as u32;
            let constant = u32::from(hashes.contains(&0) && scaled > 0);
            let cost = 1 + part(&a.term.monomial) + part(&b.term.monomial) + scaled - constant;
            let cost = if self.known.contains_key(&n.key) { 0 } else { cost as i32 };
            Divisor { head: NONE, bound: -cost, queued: i32::MIN }
        });
        self.occurrences.push(Occurrence { first, second, next: divisor.head });
        divisor.head = id;
        divisor.bound += saved.max(0);
        if self.started && divisor.bound > 0 && divisor.bound > divisor.queued {
            divisor.queued = divisor.bound;
            self.queue.push((divisor.bound, mix(n.key ^ self.search.seed), n.key));
        }
    }

    /// Takes up the candidate: applies it if it still saves as much as was thought, else queues
    /// it again with what it saves now.
    fn step(&mut self, gain: i32, key: u64) {
        let Some(divisor) = self.divisors.get(&key).filter(|d| d.queued == gain) else { return };
        let head = divisor.head;
        let found = self.disjoint(head, key);
        let Some(&(first, second)) = found.first() else {
            self.divisors.remove(&key);
            return;
        };
        let [a, b, _] = self.split(first, second);
        let hashes = [a.hash(), b.hash()];
        let (ta, tb) = (&self.terms[first as usize].term, &self.terms[second as usize].term);
        let n = normalize(hashes, [ta.coefficient, tb.coefficient]);
        if n.key != key || n.swapped {
            self.divisors.remove(&key);
            return;
        }
        let parts = [
            Term { coefficient: n.coefficients[0], monomial: a },
            Term { coefficient: n.coefficients[1], monomial: b },
        ];
        let actual = self.gain(&found, &parts, key);
        if actual >= gain {
            self.apply(&found, parts, key);
        } else if let Some(divisor) = self.divisors.get_mut(&key) {
            divisor.queued = actual;
            // Later occurrences add to what is known now.
            divisor.bound = actual;
            if actual > 0 {
                self.queue.push((actual, mix(key ^ self.search.seed), key));
            }
        }
    }

    /// The occurrences that still exist, no term in two of them.
    fn disjoint(&mut self, head: u32, key: u64) -> Vec<(u32, u32)> {
        let own = self.known.get(&key).and_then(|t| t.monomial.as_var());
        let mut used: FxHashSet<u32> = FxHashSet::default();
        let mut found = Vec::new();
        let mut at = head;
        let mut alive = NONE;
        let mut last = NONE;
        while at != NONE {
            let Occurrence { first, second, next } = self.occurrences[at as usize];
            if self.terms[first as usize].alive && self.terms[second as usize].alive {
                if last == NONE {
                    alive = at;
                } else {
                    self.occurrences[last as usize].next = at;
                }
                last = at;
                let in_own = own == Some(self.terms[first as usize].sum);
                if !in_own && !used.contains(&first) && !used.contains(&second) {
                    used.insert(first);
                    used.insert(second);
                    found.push((first, second));
                }
            }
            at = next;
        }
        if last != NONE {
            self.occurrences[last as usize].next = NONE;
        }
        if let Some(divisor) = self.divisors.get_mut(&key) {
            divisor.head = alive;
        }
        found.reverse();
        found
    }

    /// Both terms without their common factor, and that.
    fn split(&self, first: u32, second: u32) -> [Monomial; 3] {
        let (a, b) = (&self.terms[first as usize].term, &self.terms[second as usize].term);
        let common = a.monomial.common(&b.monomial);
        [a.monomial.divide(&common), b.monomial.divide(&common), common]
    }

    /// Operations saved by making the divisor a variable at all these places.
    fn gain(&self, found: &[(u32, u32)], parts: &[Term; 2], key: u64) -> i32 {
        let known = self.value_of(key);
        // Products that vanish, and those that are new.
        let mut removed: FxHashMap<u64, (u32, u32)> = FxHashMap::default();
        let mut removed_scaled: FxHashMap<u64, u32> = FxHashMap::default();
        let mut added: FxHashMap<u64, u32> = FxHashMap::default();
        let mut added_scaled: FxHashSet<u64> = FxHashSet::default();
        let mut gain = 0i32;
        for &(first, second) in found {
            for id in [first, second] {
                let placed = &self.terms[id as usize];
                let products = placed.term.monomial.n_products();
                removed.entry(placed.hash).or_insert((0, products)).0 += 1;
                if placed.term.is_scaled() {
                    *removed_scaled.entry(scaled_hash(&placed.term, placed.hash)).or_default() += 1;
                }
            }
            let [_, _, common] = self.split(first, second);
            let scale = self.terms[first as usize].term.coefficient / parts[0].coefficient;
            let (product, n_products) = match known {
                Some(term) => {
                    let monomial = common.multiply(&term.monomial);
                    let n = monomial.n_products();
                    (Term { coefficient: scale * term.coefficient, monomial }, n)
                }
                None => (Term { coefficient: scale, monomial: common.clone() }, common.degree()),
            };
            let hash = product.monomial.hash();
            let exists = known.is_some() && self.n_monomials.get(&hash).is_some_and(|&n| n > 0);
            if !exists {
                added.insert(hash, n_products);
            }
            if product.coefficient.abs() != 1.0 && (known.is_none() || product.is_scaled()) {
                added_scaled.insert(scaled_hash(&product, hash));
            }
            gain += 1;
        }
        let all_gone =
            |counts: &FxHashMap<u64, u32>, key: &u64, n: u32| counts.get(key) == Some(&n);
        for (hash, (n, products)) in &removed {
            if all_gone(&self.n_monomials, hash, *n) {
                gain += *products as i32;
            }
        }
        for (hash, n) in &removed_scaled {
            gain += i32::from(all_gone(&self.n_products, hash, *n));
        }
        gain -= added.values().sum::<u32>() as i32 + added_scaled.len() as i32;
        if known.is_none() {
            gain -= 1;
            for part in parts {
                let hash = part.monomial.hash();
                let remains = self.n_monomials.get(&hash).copied().unwrap_or(0)
                    > removed.get(&hash).map_or(0, |r| r.0);
                if !remains {
                    gain -= part.monomial.n_products() as i32;
                }
                gain -= i32::from(part.is_scaled());
            }
        }
        gain
    }

    /// Replaces the divisor at all these places.
    fn apply(&mut self, found: &[(u32, u32)], parts: [Term; 2], key: u64) {
        let mut products = Vec::with_capacity(found.len());
        for &(first, second) in found {
            let [_, _, common] = self.split(first, second);
            let placed = &self.terms[first as usize];
            products.push((placed.sum, placed.term.coefficient / parts[0].coefficient, common));
        }
        for &(first, second) in found {
            self.remove(first);
            self.remove(second);
        }
        let value = match self.value_of(key) {
            Some(term) => term.clone(),
            None => {
                let v = self.make(parts);
                let value = Term::var(v);
                self.known.insert(key, value.clone());
                value
            }
        };
        for (sum, scale, common) in products {
            let monomial = common.multiply(&value.monomial);
            let mut term = Term { coefficient: scale * value.coefficient, monomial };
            let hash = term.monomial.hash();
            let equal = self.sums[sum as usize].iter().copied().find(|&t| {
                let placed = &self.terms[t as usize];
                placed.hash == hash && placed.term.monomial == term.monomial
            });
            if let Some(other) = equal {
                term.coefficient += self.terms[other as usize].term.coefficient;
                self.remove(other);
                if term.coefficient == 0.0 {
                    continue;
                }
            }
            let id = self.place(sum, term);
            self.pair_with_all(id);
        }
    }

    /// A variable for a divisor. Sums that only it uses become part of it.
    fn make(&mut self, parts: [Term; 2]) -> Var {
        let v = self.new_sum();
        let mut groups: Vec<Vec<u32>> = Vec::with_capacity(2);
        for part in parts {
            let absorbed = part.monomial.as_var().filter(|&w| {
                part.coefficient.abs() == 1.0
                    && self.uses[w as usize] == 0
                    && matches!(self.system.defs[w as usize], Def::Sum(_))
                    && !self.sums[w as usize].is_empty()
            });
            groups.push(match absorbed {
                Some(w) => {
                    // The terms move with the occurrences they are in.
                    self.absorbed[w as usize] = true;
                    let ids = std::mem::take(&mut self.sums[w as usize]);
                    for &id in &ids {
                        let placed = &mut self.terms[id as usize];
                        placed.sum = v;
                        placed.term.coefficient *= part.coefficient;
                    }
                    self.sums[v as usize].extend(&ids);
                    ids
                }
                None => vec![self.place(v, part)],
            });
        }
        if !self.merge_equal(v) {
            for &i in &groups[0] {
                for &j in &groups[1] {
                    self.pair(i, j);
                }
            }
        }
        v
    }

    /// Adds up terms of one sum that have the same monomial; whether there were any.
    fn merge_equal(&mut self, v: Var) -> bool {
        let ids = self.sums[v as usize].clone();
        let mut seen: FxHashSet<u64> = FxHashSet::default();
        if ids.iter().all(|&t| seen.insert(self.terms[t as usize].hash)) {
            return false;
        }
        let term = |t: &u32| self.terms[*t as usize].term.clone();
        let mut terms: Vec<Term> = ids.iter().map(term).collect();
        collect_terms(&mut terms);
        ids.iter().for_each(|&t| self.remove(t));
        for term in terms {
            self.place(v, term);
        }
        self.pair_all(v);
        true
    }

    fn finish(mut self) -> System {
        for v in 0..self.sums.len() {
            if let Def::Sum(terms) = &mut self.system.defs[v] {
                *terms =
                    self.sums[v].iter().map(|&t| self.terms[t as usize].term.clone()).collect();
            }
        }
        self.system
    }
}
