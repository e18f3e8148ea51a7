//! Elimination of intermediate values from a linearised scalar computation.
//!
//! Vertices are scalar values, edges their partial derivatives; second derivatives are edges of
//! another kind between values that a weighted sum of results is curved in. Eliminating a vertex
//! joins what it depends on to what depends on it. What is left are the entries of Jacobian and
//! Hessian. The order decides how many products that takes: Griewank & Reese, "On the calculation
//! of Jacobian matrices by the Markowitz rule" (1991); for Hessians Gower & Mello, "A new
//! framework for the computation of Hessians" (2012), here in any order.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Sums and products of derivatives.
pub trait Arithmetic {
    type Value: Clone;
    fn product(&mut self, a: &Self::Value, b: &Self::Value) -> Self::Value;
    fn sum(&mut self, a: &Self::Value, b: &Self::Value) -> Self::Value;
    fn twice(&mut self, a: &Self::Value) -> Self::Value;
    /// Adds up what [`Arithmetic::sum`] may have put off.
    fn settle(&mut self, a: &mut Self::Value);
    /// Whether it does not matter what is left after elimination.
    fn gives_up(&self) -> bool;
}

/// The linearised computation: vertices are numbered leaves first, then intermediate values in
/// order, then results.
#[derive(Clone, Debug)]
pub struct Web<V> {
    pub n_leaves: usize,
    pub n_results: usize,
    /// What each vertex depends on, and the partial derivatives.
    pub sources: Vec<Vec<(u32, V)>>,
    /// What depends on each vertex.
    users: Vec<Vec<u32>>,
    /// Second derivatives, in the lists of both vertices; those by one vertex twice stand once.
    pub curved: Vec<Vec<(u32, V)>>,
}

/// In what order vertices go: from the last to the first, the cheapest of a few next.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// Vertices with at least so many users go after all others: many values that depend on
    /// inputs through few values are cheaper to differentiate by those.
    pub hub: usize,
    /// Of how many vertices the cheapest goes next.
    pub window: usize,
    /// How many products an edge is worth that goes with a vertex.
    pub edge: i64,
}

impl Order {
    /// All that are tried. Of many more, with ties broken at random too, these gave fewest
    /// operations on robots, rotations, sums of many terms and integrators, or nearly so.
    pub fn all() -> impl Iterator<Item = Order> {
        const WINDOWS: [usize; 4] = [1, 4, 16, 256];
        let of = |hub| WINDOWS.into_iter().map(move |window| Order { hub, window, edge: 0 });
        let worth = Order { hub: usize::MAX, window: 16, edge: 2 };
        [usize::MAX, 12, 8, 6].into_iter().flat_map(of).chain([worth])
    }
}

impl<V: Clone> Web<V> {
    pub fn new(n_leaves: usize) -> Web<V> {
        let mut web = Web {
            n_leaves,
            n_results: 0,
            sources: Vec::new(),
            users: Vec::new(),
            curved: Vec::new(),
        };
        for _ in 0..n_leaves {
            web.add_vertex(Vec::new());
        }
        web
    }

    /// Adds a vertex that depends on earlier ones, each named once.
    pub fn add_vertex(&mut self, sources: Vec<(u32, V)>) -> u32 {
        let number = self.sources.len() as u32;
        for (source, _) in &sources {
            self.users[*source as usize].push(number);
        }
        self.sources.push(sources);
        self.users.push(Vec::new());
        self.curved.push(Vec::new());
        number
    }

    /// Adds a vertex that nothing may depend on and that stays.
    pub fn add_result(&mut self, source: u32, one: V) {
        self.add_vertex(vec![(source, one)]);
        self.n_results += 1;
    }

    pub fn len(&self) -> usize {
        self.sources.len()
    }

    fn intermediates(&self) -> std::ops::Range<u32> {
        self.n_leaves as u32..(self.len() - self.n_results) as u32
    }

    /// Values of the same kind everywhere.
    pub fn map<W: Clone>(&self, mut of: impl FnMut(&V) -> W) -> Web<W> {
        let mut lists = |all: &[Vec<(u32, V)>]| -> Vec<Vec<(u32, W)>> {
            all.iter().map(|list| list.iter().map(|(k, v)| (*k, of(v))).collect()).collect()
        };
        Web {
            n_leaves: self.n_leaves,
            n_results: self.n_results,
            sources: lists(&self.sources),
            users: self.users.clone(),
            curved: lists(&self.curved),
        }
    }

    /// Adds a second derivative by the vertices `j` and `k`.
    pub fn add_curved<A: Arithmetic<Value = V>>(&mut self, on: &mut A, j: u32, k: u32, v: V) {
        let mut lists = vec![(j, k)];
        if j != k {
            lists.push((k, j));
        }
        let known = self.curved[j as usize].iter().position(|e| e.0 == k);
        let value = match known {
            Some(at) => on.sum(&self.curved[j as usize][at].1, &v),
            None => v,
        };
        for (of, by) in lists {
            let list = &mut self.curved[of as usize];
            match list.iter_mut().find(|e| e.0 == by) {
                Some(entry) => entry.1 = value.clone(),
                None => list.push((by, value.clone())),
            }
        }
    }

    fn add_edge<A: Arithmetic<Value = V>>(&mut self, on: &mut A, from: u32, to: u32, v: V) {
        let list = &mut self.sources[to as usize];
        match list.iter_mut().find(|e| e.0 == from) {
            Some(entry) => entry.1 = on.sum(&entry.1, &v),
            None => {
                list.push((from, v));
                self.users[from as usize].push(to);
            }
        }
    }

    /// Removes vertices that neither a result nor a second derivative needs.
    pub fn prune(&mut self) {
        for j in self.intermediates().rev() {
            if self.users[j as usize].is_empty() && self.curved[j as usize].is_empty() {
                for (p, _) in std::mem::take(&mut self.sources[j as usize]) {
                    self.users[p as usize].retain(|&s| s != j);
                }
            }
        }
    }

    /// What is left after elimination: derivatives of results by leaves, and second derivatives by
    /// pairs of leaves, of which the second number is the smaller one.
    pub fn entries(&self) -> Vec<(u32, u32, &V)> {
        let results = (self.len() - self.n_results) as u32..self.len() as u32;
        let first = results
            .flat_map(|row| self.sources[row as usize].iter().map(move |(k, v)| (row, *k, v)));
        let second = (0..self.n_leaves as u32).flat_map(|row| {
            let lower = self.curved[row as usize].iter().filter(move |e| e.0 <= row);
            lower.map(move |(k, v)| (row, *k, v))
        });
        first.chain(second).collect()
    }

    /// Eliminates all intermediate vertices.
    pub fn eliminate<A: Arithmetic<Value = V>>(&mut self, order: Order, on: &mut A) {
        let is_hub = |j: &u32| self.users[*j as usize].len() >= order.hub;
        let (hubs, others): (Vec<u32>, Vec<u32>) = self.intermediates().partition(is_hub);
        for mut left in [others, hubs] {
            while !left.is_empty() && !on.gives_up() {
                let window = left.len().saturating_sub(order.window)..left.len();
                let next = window.rev().min_by_key(|&k| self.cost(left[k], order.edge));
                let Some(next) = next else { break };
                let j = left.remove(next);
                self.remove(on, j);
            }
        }
    }

    /// Number of products that the elimination of a vertex takes, less `edge` for each edge that
    /// goes with it.
    fn cost(&self, j: u32, edge: i64) -> i64 {
        let j = j as usize;
        let (p, s) = (self.sources[j].len(), self.users[j].len());
        let diagonal = self.curved[j].iter().any(|e| e.0 as usize == j);
        let c = self.curved[j].len() - usize::from(diagonal);
        let products = p * (s + c) + if diagonal { p * (p + 3) / 2 } else { 0 };
        products as i64 - edge * (p + s + c) as i64
    }

    /// Eliminates vertex `j`.
    fn remove<A: Arithmetic<Value = V>>(&mut self, on: &mut A, j: u32) {
        let mut sources = std::mem::take(&mut self.sources[j as usize]);
        let users = std::mem::take(&mut self.users[j as usize]);
        let mut curved = std::mem::take(&mut self.curved[j as usize]);
        if !users.is_empty() || !curved.is_empty() {
            sources.iter_mut().chain(&mut curved).for_each(|(_, v)| on.settle(v));
        }
        for (p, _) in &sources {
            self.users[*p as usize].retain(|&s| s != j);
        }
        for &s in &users {
            let list = &mut self.sources[s as usize];
            let Some(at) = list.iter().position(|e| e.0 == j) else { continue };
            let (_, mut slope) = list.swap_remove(at);
            on.settle(&mut slope);
            for (p, c) in &sources {
                let product = on.product(c, &slope);
                self.add_edge(on, *p, s, product);
            }
        }
        for (k, v) in curved.iter().filter(|e| e.0 != j) {
            self.curved[*k as usize].retain(|e| e.0 != j);
            for (p, c) in &sources {
                let mut product = on.product(c, v);
                if p == k {
                    product = on.twice(&product);
                }
                self.add_curved(on, *p, *k, product);
            }
        }
        if let Some((_, v)) = curved.iter().find(|e| e.0 == j) {
            for (i, (p, c)) in sources.iter().enumerate() {
                let half = on.product(c, v);
                for (q, d) in &sources[..=i] {
                    let product = on.product(d, &half);
                    self.add_curved(on, *p, *q, product);
                }
            }
        }
    }
}

/// Counts what elimination takes, without doing it, until it is more than elsewhere.
#[derive(Debug)]
pub struct Counting<'c> {
    pub n_operations: usize,
    least: &'c AtomicUsize,
}

/// A derivative as far as counting goes: a number, or values to be added up.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    number: f64,
    n_terms: u32,
    /// Different scales of the terms; of many only the first are told apart.
    scales: [f64; 4],
    n_scales: u8,
}

impl Shape {
    pub fn number(number: f64) -> Shape {
        Shape { number, n_terms: 0, scales: [0.0; 4], n_scales: 0 }
    }

    /// Adds a term of the given scale.
    pub fn add_term(&mut self, scale: f64) {
        self.n_terms += 1;
        self.add_scale(scale);
    }

    fn add_scale(&mut self, scale: f64) {
        let known = &self.scales[..usize::from(self.n_scales)];
        if known.len() < self.scales.len() && !known.contains(&scale.abs()) {
            self.scales[usize::from(self.n_scales)] = scale.abs();
            self.n_scales += 1;
        }
    }

    fn scaled(mut self, by: f64) -> Shape {
        self.number *= by;
        self.scales.iter_mut().for_each(|s| *s *= by.abs());
        self
    }
}

impl Arithmetic for Counting<'_> {
    type Value = Shape;

    fn product(&mut self, a: &Shape, b: &Shape) -> Shape {
        match (a.n_terms, b.n_terms) {
            (0, _) => b.scaled(a.number),
            (_, 0) => a.scaled(b.number),
            _ => {
                self.n_operations += 1;
                let mut product = Shape::number(0.0);
                product.add_term(a.scales[0] * b.scales[0]);
                product
            }
        }
    }

    fn sum(&mut self, a: &Shape, b: &Shape) -> Shape {
        let mut sum = *a;
        sum.number += b.number;
        sum.n_terms += b.n_terms;
        b.scales[..usize::from(b.n_scales)].iter().for_each(|&scale| sum.add_scale(scale));
        sum
    }

    fn twice(&mut self, a: &Shape) -> Shape {
        a.scaled(2.0)
    }

    fn settle(&mut self, a: &mut Shape) {
        if a.n_terms > 0 {
            let n_added = a.n_terms as usize - 1 + usize::from(a.number != 0.0);
            self.n_operations += n_added + usize::from(a.n_scales) - 1;
            let scale = a.scales[0];
            *a = Shape::number(0.0);
            a.add_term(scale);
        }
    }

    fn gives_up(&self) -> bool {
        self.n_operations > self.least.load(Relaxed)
    }
}

impl Counting<'_> {
    /// `least` is the least count known.
    pub fn new(least: &AtomicUsize) -> Counting<'_> {
        Counting { n_operations: 0, least }
    }

    /// Counts what it takes to have the value itself.
    pub fn finish(&mut self, a: &Shape) {
        let mut a = *a;
        self.settle(&mut a);
        self.n_operations += usize::from(a.n_terms > 0 && a.scales[0] != 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Derivatives as numbers.
    struct Numbers;

    impl Arithmetic for Numbers {
        type Value = f64;

        fn product(&mut self, a: &f64, b: &f64) -> f64 {
            a * b
        }

        fn sum(&mut self, a: &f64, b: &f64) -> f64 {
            a + b
        }

        fn twice(&mut self, a: &f64) -> f64 {
            2.0 * a
        }

        fn settle(&mut self, _: &mut f64) {}

        fn gives_up(&self) -> bool {
            false
        }
    }

    /// f = sin(u v) u with u = x y, v = x + y at (0.7, 0.4): u and v leave the same numbers in
    /// every order.
    #[test]
    fn orders_agree() {
        let (x, y) = (0.7f64, 0.4f64);
        let (u, v) = (x * y, x + y);
        let (s, c) = ((u * v).sin(), (u * v).cos());
        let web = {
            let mut web = Web::new(2);
            let on = &mut Numbers;
            let u_at = web.add_vertex(vec![(0, y), (1, x)]);
            let v_at = web.add_vertex(vec![(0, 1.0), (1, 1.0)]);
            let p_at = web.add_vertex(vec![(u_at, v), (v_at, u)]);
            let s_at = web.add_vertex(vec![(p_at, c)]);
            let f_at = web.add_vertex(vec![(s_at, u), (u_at, s)]);
            web.add_result(f_at, 1.0);
            web.add_curved(on, 0, 1, s + u * c * v);
            web.add_curved(on, u_at, v_at, u * c);
            web.add_curved(on, p_at, p_at, -u * s);
            web.add_curved(on, s_at, u_at, 1.0);
            web
        };
        let f = |x: f64, y: f64| ((x * y) * (x + y)).sin() * (x * y);
        let h = 1e-4;
        let second = |i: usize, j: usize| {
            let at = |a: f64, b: f64| {
                let mut z = [x, y];
                z[i] += a * h;
                z[j] += b * h;
                f(z[0], z[1])
            };
            (at(1.0, 1.0) - at(1.0, -1.0) - at(-1.0, 1.0) + at(-1.0, -1.0)) / (4.0 * h * h)
        };
        let first =
            [(f(x + h, y) - f(x - h, y)) / (2.0 * h), (f(x, y + h) - f(x, y - h)) / (2.0 * h)];
        for order in Order::all() {
            let mut done = web.clone();
            done.eliminate(order, &mut Numbers);
            let result = done.len() - 1;
            for (leaf, slope) in &done.sources[result] {
                assert!((slope - first[*leaf as usize]).abs() < 1e-6, "{order:?}");
            }
            for (i, list) in done.curved[..2].iter().enumerate() {
                assert_eq!(list.len(), 2);
                for (j, value) in list {
                    assert!((value - second(i, *j as usize)).abs() < 1e-6, "{order:?}");
                }
            }
        }
    }
}
