//! From a system of sums of products back to a graph of binary operations.

use rustc_hash::FxHashMap;

use super::polynomial::{Def, Monomial, System, Term, Var};
use super::powers::Chain;
use crate::graph::visit::copy_node;
use crate::graph::{Graph, NodeId, Op};
use crate::ops::scalar::ScalarOp;

/// From so many divisions by one value on, its reciprocal is made once.
const RECIPROCAL_USES: u32 = 3;

/// Builds the outputs of a system that was made from `from`.
pub fn emit(system: &System, from: &Graph) -> (Graph, Vec<NodeId>) {
    build(system, from, false)
}

/// The same with powers as such, and sums in order of their degree, one term after the other.
pub fn emit_readable(system: &System, from: &Graph) -> (Graph, Vec<NodeId>) {
    build(system, from, true)
}

fn build(system: &System, from: &Graph, is_readable: bool) -> (Graph, Vec<NodeId>) {
    let order = system.order();
    let mut emitter = Emitter {
        to: Graph::new(),
        is_readable,
        nodes: vec![NodeId(u32::MAX); system.defs.len()],
        chains: FxHashMap::default(),
        reciprocals: reciprocals(system, &order),
        made: FxHashMap::default(),
    };
    for v in order {
        let node = match &system.defs[v as usize] {
            Def::Opaque { node, args } => {
                let args: Vec<NodeId> = args.iter().map(|&a| emitter.nodes[a as usize]).collect();
                match from.op(*node) {
                    Op::Input => emitter.to.input(from.number(*node), from.pattern(*node).clone()),
                    _ => copy_node(from, *node, &mut emitter.to, &args),
                }
            }
            Def::Apply { op, args } => {
                let args: Vec<NodeId> = args.iter().map(|&a| emitter.nodes[a as usize]).collect();
                emitter.to.scalar(*op, &args)
            }
            Def::Sum(terms) => emitter.sum(terms),
        };
        emitter.nodes[v as usize] = node;
    }
    let outputs = system.outputs.iter().map(|&o| emitter.nodes[o as usize]).collect();
    (emitter.to, outputs)
}

/// Variables by which many distinct products divide.
fn reciprocals(system: &System, order: &[Var]) -> Vec<bool> {
    let mut counts = vec![0u32; system.defs.len()];
    let mut seen: rustc_hash::FxHashSet<&Monomial> = Default::default();
    for &v in order {
        let Def::Sum(terms) = &system.defs[v as usize] else { continue };
        for term in terms.iter().filter(|t| seen.insert(&t.monomial)) {
            for &(w, e) in term.monomial.factors() {
                counts[w as usize] += u32::from(e < 0);
            }
        }
    }
    counts.into_iter().map(|n| n >= RECIPROCAL_USES).collect()
}

struct Emitter {
    to: Graph,
    is_readable: bool,
    nodes: Vec<NodeId>,
    chains: FxHashMap<Var, Chain>,
    reciprocals: Vec<bool>,
    /// Products by magnitude of the coefficient and factors.
    made: FxHashMap<(u64, Monomial), NodeId>,
}

impl Emitter {
    fn readable_sum(&mut self, terms: &[Term]) -> NodeId {
        let mut terms: Vec<&Term> = terms.iter().collect();
        let degree = |t: &Term| t.monomial.factors().iter().map(|f| f.1.max(0)).sum::<i32>();
        terms.sort_by_key(|t| std::cmp::Reverse((t.coefficient > 0.0, degree(t))));
        let mut sum = self.to.zero(1, 1);
        for term in terms {
            let size = self.product(term.coefficient.abs(), &term.monomial);
            let is_first = self.to.pattern(sum).is_zero();
            sum = match (term.coefficient < 0.0, is_first) {
                (false, _) => self.to.add(sum, size),
                (true, true) => self.product(term.coefficient, &term.monomial),
                (true, false) => self.to.sub(sum, size),
            };
        }
        sum
    }

    fn sum(&mut self, terms: &[Term]) -> NodeId {
        if self.is_readable {
            return self.readable_sum(terms);
        }
        // Signed operands, joined pairwise: a balanced tree, with subtraction where signs differ.
        let mut operands: Vec<(bool, NodeId)> = Vec::with_capacity(terms.len());
        for term in terms {
            let negative = term.coefficient < 0.0;
            operands.push((negative, self.product(term.coefficient.abs(), &term.monomial)));
        }
        if operands.is_empty() {
            return self.to.zero(1, 1);
        }
        while operands.len() > 1 {
            let mut joined = Vec::with_capacity(operands.len().div_ceil(2));
            for pair in operands.chunks(2) {
                joined.push(match *pair {
                    [(false, a), (true, b)] => (false, self.to.sub(a, b)),
                    [(true, a), (false, b)] => (false, self.to.sub(b, a)),
                    [(sign, a), (_, b)] => (sign, self.to.add(a, b)),
                    [only] => only,
                    _ => continue,
                });
            }
            operands = joined;
        }
        match operands[0] {
            (true, node) => self.to.neg(node),
            (false, node) => node,
        }
    }

    fn product(&mut self, coefficient: f64, monomial: &Monomial) -> NodeId {
        let key = (coefficient.to_bits(), monomial.clone());
        if let Some(&node) = self.made.get(&key) {
            return node;
        }
        let mut numerators = Vec::new();
        let mut divisors = Vec::new();
        for &(v, e) in monomial.factors() {
            let base = self.nodes[v as usize];
            if self.is_readable {
                let exponent = self.to.constant(f64::from(e.unsigned_abs()));
                let power = self.to.binary(ScalarOp::Pow, base, exponent);
                if e > 0 {
                    numerators.push(power)
                } else {
                    divisors.push(power)
                }
                continue;
            }
            if e < 0 && self.reciprocals[v as usize] {
                let one = self.to.constant(1.0);
                let reciprocal = self.to.div(one, base);
                numerators.push(power(&mut self.to, reciprocal, e.unsigned_abs()));
                continue;
            }
            let chain = self.chains.entry(v).or_insert_with(|| Chain::new(&mut self.to, base, &[]));
            let power = chain.power(&mut self.to, e.unsigned_abs());
            if e > 0 { numerators.push(power) } else { divisors.push(power) }
        }
        // A half of something reads better than 0.5 times it.
        let inverse = 1.0 / coefficient;
        if self.is_readable && inverse.abs() > 1.0 && inverse.fract() == 0.0 {
            divisors.insert(0, self.to.constant(inverse.abs()));
            if numerators.is_empty() {
                numerators.push(self.to.constant(coefficient.signum()));
            } else if coefficient < 0.0 {
                numerators[0] = self.to.neg(numerators[0]);
            }
        } else if self.is_readable && coefficient == -1.0 && !numerators.is_empty() {
            numerators[0] = self.to.neg(numerators[0]);
        } else if coefficient != 1.0 || numerators.is_empty() {
            numerators.insert(0, self.to.constant(coefficient));
        }
        let numerator = self.multiply(&numerators);
        let node = if divisors.is_empty() {
            numerator
        } else {
            let divisor = self.multiply(&divisors);
            self.to.div(numerator, divisor)
        };
        self.made.insert(key, node);
        node
    }

    fn multiply(&mut self, factors: &[NodeId]) -> NodeId {
        let mut product = factors[0];
        for &f in &factors[1..] {
            product = self.to.mul(product, f);
        }
        product
    }
}

fn power(graph: &mut Graph, base: NodeId, n: u32) -> NodeId {
    Chain::new(graph, base, &[]).power(graph, n)
}
