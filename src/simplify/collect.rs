//! From a graph to a system of sums of products.
//!
//! Sums are flattened through operands used once, products through all short ones; powers with
//! whole exponents, quotients, signs and constants join the products. Equal sums become one
//! variable, also when they differ by a factor. Linear in the size of the graph.

use rustc_hash::FxHashMap;

use super::polynomial::{Def, Monomial, System, Term, Var, collect_terms};
use super::powers::half_exponent;
use super::rules::{Class, Rule};
use crate::graph::visit::{reachable, use_counts};
use crate::graph::{Graph, NodeId, Op};
use crate::ops::scalar::ScalarOp;
use crate::syntax::formula::FormulaOp;

/// How far to flatten.
#[derive(Clone, Copy, Debug)]
pub struct Flattening {
    /// Sums used more than once that have at most so many operands are copied into sums.
    pub shared_sum: u32,
    /// Whether a factor in front of a sum used once is multiplied into it.
    pub distribute: bool,
}

/// Products of more factors than this are not copied to several users.
const LONG_PRODUCT: u32 = 16;
/// Largest sum of exponents in a product.
const LARGEST_DEGREE: u32 = 1 << 12;

/// The sign `f(-x) / f(x)` of odd and even operations.
pub type Parities = FxHashMap<ScalarOp, f64>;

/// Makes the system of what `outputs` need.
pub fn collect(
    graph: &Graph,
    outputs: &[NodeId],
    flattening: Flattening,
    parities: &Parities,
) -> System {
    let order = reachable(graph, outputs);
    let mut collector = Collector {
        graph,
        kinds: kinds(graph, outputs, &order, flattening),
        values: vec![None; graph.len()],
        system: System::default(),
        sums: FxHashMap::default(),
        applied: FxHashMap::default(),
        radicands: FxHashMap::default(),
        roots: FxHashMap::default(),
        parities,
    };
    for &id in &order {
        let value = match collector.kinds[id.index()] {
            Kind::Inside => continue,
            Kind::Sum => {
                let mut terms = collector.gather_sum(id);
                collect_terms(&mut terms);
                collector.sum_value(terms)
            }
            Kind::Product => {
                let product = collector.gather_product(id);
                Term::var(collector.var_of(product))
            }
            Kind::Opaque => collector.opaque(id),
        };
        collector.values[id.index()] = Some(value);
    }
    let outputs = outputs.iter().map(|&o| collector.var_of_node(o)).collect();
    collector.system.outputs = outputs;
    collector.system
}

/// What becomes of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Part of the sum or product that uses it.
    Inside,
    /// A sum with a value of its own.
    Sum,
    /// A product with a value of its own.
    Product,
    Opaque,
}

/// The arithmetic that a node does on scalars.
enum Arithmetic {
    Sum(NodeId, NodeId, f64),
    Product(NodeId, NodeId),
    Quotient(NodeId, NodeId),
    Scale(NodeId, f64),
    /// Exponent in halves.
    Power(NodeId, i32),
    Constant(f64),
    None,
}

fn arithmetic(graph: &Graph, id: NodeId) -> Arithmetic {
    use ScalarOp as S;
    let pattern = graph.pattern(id);
    if pattern.shape() != (1, 1) {
        return Arithmetic::None;
    }
    if pattern.is_zero() && graph.op(id) == Op::Const {
        return Arithmetic::Constant(0.0);
    }
    let args = graph.args(id);
    let scalar = |x: &NodeId| graph.shape(*x) == (1, 1);
    match graph.op(id) {
        Op::Const => match graph.as_uniform(id) {
            Some(v) if is_moderate(v) => Arithmetic::Constant(v),
            _ => Arithmetic::None,
        },
        Op::Scalar(op) if args.iter().all(scalar) => match (op, args) {
            (S::Add, &[a, b]) => Arithmetic::Sum(a, b, 1.0),
            (S::Sub, &[a, b]) => Arithmetic::Sum(a, b, -1.0),
            (S::Mul, &[a, b]) => Arithmetic::Product(a, b),
            (S::Div, &[a, b]) if !graph.pattern(b).is_zero() => Arithmetic::Quotient(a, b),
            (S::Neg, &[a]) => Arithmetic::Scale(a, -1.0),
            (S::StopGradient, &[a]) => Arithmetic::Scale(a, 1.0),
            (S::Sqrt, &[a]) => Arithmetic::Power(a, 1),
            (S::Pow, &[a, b]) => match graph.as_uniform(b).and_then(half_exponent) {
                Some(halves) if halves != 0 => Arithmetic::Power(a, halves),
                _ => Arithmetic::None,
            },
            _ => Arithmetic::None,
        },
        _ => Arithmetic::None,
    }
}

/// Constants of which few products neither overflow nor vanish.
fn is_moderate(v: f64) -> bool {
    v == 0.0 || (1e-60..=1e60).contains(&v.abs())
}

fn kinds(graph: &Graph, outputs: &[NodeId], order: &[NodeId], flattening: Flattening) -> Vec<Kind> {
    let uses = use_counts(graph, order, outputs);
    let mut kinds = vec![Kind::Opaque; graph.len()];
    // Number of uses as an operand of a sum, and whether any of those sums is inside itself.
    let mut in_sums = vec![0u32; graph.len()];
    for &id in order {
        match arithmetic(graph, id) {
            Arithmetic::Sum(a, b, _) => {
                in_sums[a.index()] += 1;
                in_sums[b.index()] += 1;
            }
            Arithmetic::Scale(a, _) => in_sums[a.index()] += 1,
            Arithmetic::Product(a, b) if flattening.distribute => {
                for (x, y) in [(a, b), (b, a)] {
                    let constant = matches!(arithmetic(graph, x), Arithmetic::Constant(_));
                    in_sums[y.index()] += u32::from(constant);
                }
            }
            _ => {}
        }
    }
    // A sign or factor passes the context of its user on to its operand, users first.
    for &id in order.iter().rev() {
        let operand = match arithmetic(graph, id) {
            Arithmetic::Scale(a, _) => a,
            Arithmetic::Product(a, b) if flattening.distribute => {
                match (arithmetic(graph, a), arithmetic(graph, b)) {
                    (Arithmetic::Constant(_), _) => b,
                    (_, Arithmetic::Constant(_)) => a,
                    _ => continue,
                }
            }
            _ => continue,
        };
        if in_sums[id.index()] < uses[id.index()] {
            in_sums[operand.index()] -= 1;
        }
    }
    // Operands of sums, factors of products, counted without merging.
    let mut lengths = vec![1u32; graph.len()];
    for &id in order {
        let i = id.index();
        let length =
            |x: NodeId| if kinds[x.index()] == Kind::Inside { lengths[x.index()] } else { 1 };
        let shared = uses[i] > 1;
        let (kind, len) = match arithmetic(graph, id) {
            Arithmetic::Constant(_) => (Kind::Inside, 1),
            Arithmetic::Sum(a, b, _) => {
                let len = length(a).saturating_add(length(b));
                let flat = in_sums[i] == uses[i] && (!shared || len <= flattening.shared_sum);
                (if flat { Kind::Inside } else { Kind::Sum }, len)
            }
            Arithmetic::Scale(a, _) => {
                // A sum below stays inside only if this node is itself part of a sum.
                let long = shared && length(a) > flattening.shared_sum.max(LONG_PRODUCT);
                (if long { Kind::Product } else { Kind::Inside }, length(a))
            }
            Arithmetic::Product(a, b) | Arithmetic::Quotient(a, b) => {
                let len = length(a).saturating_add(length(b));
                let long = len > LARGEST_DEGREE || shared && len > LONG_PRODUCT;
                (if long { Kind::Product } else { Kind::Inside }, len)
            }
            Arithmetic::Power(a, halves) => {
                let len = length(a).saturating_mul(halves.unsigned_abs().div_ceil(2));
                let long = len > 64 || shared && len > LONG_PRODUCT;
                (if long { Kind::Product } else { Kind::Inside }, len)
            }
            Arithmetic::None => (Kind::Opaque, 1),
        };
        kinds[i] = kind;
        lengths[i] = len;
    }
    kinds
}

/// Operations that are odd or even by an exact rule `f(-x) => -f(x)` or `f(-x) => f(x)`.
pub fn parities(rules: &[&Rule]) -> Parities {
    let mut parities = FxHashMap::default();
    for rule in rules.iter().filter(|r| r.class == Class::Exact) {
        let [
            FormulaOp::Var(_),
            FormulaOp::Apply { name: neg, .. },
            FormulaOp::Apply { name, n_args: 1 },
        ] = &rule.lhs.ops[..]
        else {
            continue;
        };
        let Some(op) = ScalarOp::from_name(name).filter(|_| neg == "neg") else { continue };
        let is = |op: &FormulaOp, name: &str| matches!(op, FormulaOp::Apply { name: n, .. } if n == name);
        match &rule.rhs.ops[..] {
            [FormulaOp::Var(_), f] if is(f, name) => parities.insert(op, 1.0),
            [FormulaOp::Var(_), f, g] if is(f, name) && is(g, "neg") => parities.insert(op, -1.0),
            _ => None,
        };
    }
    parities
}

struct Collector<'g> {
    graph: &'g Graph,
    kinds: Vec<Kind>,
    /// Values of nodes that are not inside others.
    values: Vec<Option<Term>>,
    system: System,
    sums: FxHashMap<Vec<(u64, Monomial)>, Var>,
    applied: FxHashMap<(ScalarOp, Vec<Var>), Var>,
    /// What a square root is the root of.
    radicands: FxHashMap<Var, Var>,
    /// The square root of a variable.
    roots: FxHashMap<Var, Var>,
    parities: &'g Parities,
}

impl Collector<'_> {
    /// The terms of a sum, operands inside it resolved.
    fn gather_sum(&mut self, root: NodeId) -> Vec<Term> {
        let mut terms = Vec::new();
        let mut pending = vec![(root, 1.0)];
        while let Some((id, scale)) = pending.pop() {
            let inside = id == root || self.kinds[id.index()] == Kind::Inside;
            match arithmetic(self.graph, id) {
                Arithmetic::Sum(a, b, sign) if inside => {
                    pending.push((b, scale * sign));
                    pending.push((a, scale));
                }
                Arithmetic::Scale(a, sign) if inside => pending.push((a, scale * sign)),
                other => {
                    if let Arithmetic::Product(a, b) = other
                        && let Some((sum, factor)) = self.scaled_sum(a, b)
                        && inside
                        && is_moderate(scale * factor)
                    {
                        pending.push((sum, scale * factor));
                        continue;
                    }
                    let mut term = self.gather_product(id);
                    term.coefficient *= scale;
                    terms.push(term);
                }
            }
        }
        terms
    }

    /// A constant times a sum that lies inside this product.
    fn scaled_sum(&self, a: NodeId, b: NodeId) -> Option<(NodeId, f64)> {
        let pairs = [(a, b), (b, a)];
        pairs.into_iter().find_map(|(x, y)| {
            let inside = self.kinds[y.index()] == Kind::Inside;
            match (arithmetic(self.graph, x), arithmetic(self.graph, y)) {
                (Arithmetic::Constant(c), Arithmetic::Sum(..)) if inside => Some((y, c)),
                _ => None,
            }
        })
    }

    /// The power product that a node is.
    fn gather_product(&mut self, root: NodeId) -> Term {
        let mut coefficient = 1.0;
        let mut factors: Vec<(Var, i32)> = Vec::new();
        let mut pending = vec![(root, 1)];
        while let Some((id, exponent)) = pending.pop() {
            if let Some(value) = self.values[id.index()].clone() {
                self.scale(&mut coefficient, &mut factors, value.coefficient, exponent);
                factors.extend(value.monomial.factors().iter().map(|&(v, e)| (v, e * exponent)));
                continue;
            }
            match arithmetic(self.graph, id) {
                Arithmetic::Constant(c) => self.scale(&mut coefficient, &mut factors, c, exponent),
                Arithmetic::Product(a, b) => pending.extend([(b, exponent), (a, exponent)]),
                Arithmetic::Quotient(a, b) => pending.extend([(b, -exponent), (a, exponent)]),
                Arithmetic::Scale(a, sign) => {
                    self.scale(&mut coefficient, &mut factors, sign, exponent);
                    pending.push((a, exponent));
                }
                Arithmetic::Power(a, halves) if halves % 2 == 0 => {
                    pending.push((a, exponent * (halves / 2)));
                }
                Arithmetic::Power(a, halves) => {
                    let base = self.var_of_node(a);
                    let root = self.root(base);
                    factors.push((root, halves * exponent));
                }
                // A sum that was expected to be inside another one.
                Arithmetic::Sum(..) | Arithmetic::None => {
                    let mut terms = self.gather_sum(id);
                    collect_terms(&mut terms);
                    let value = self.sum_value(terms);
                    self.scale(&mut coefficient, &mut factors, value.coefficient, exponent);
                    factors
                        .extend(value.monomial.factors().iter().map(|&(v, e)| (v, e * exponent)));
                }
            }
        }
        self.reduce_roots(coefficient, factors)
    }

    /// Multiplies `c^exponent` into a coefficient, or into the factors if it would leave the range
    /// in which a product can neither overflow nor vanish.
    fn scale(
        &mut self,
        coefficient: &mut f64,
        factors: &mut Vec<(Var, i32)>,
        c: f64,
        exponent: i32,
    ) {
        let power = c.powi(exponent);
        let product = *coefficient * power;
        if is_moderate(power) && is_moderate(product) && (c != 0.0 || exponent > 0) {
            *coefficient = product;
        } else {
            let v = self.interned_sum(vec![Term::constant(c)]);
            factors.push((v, exponent));
        }
    }

    /// Powers of square roots beyond the first become powers of what is under the root.
    fn reduce_roots(&mut self, mut coefficient: f64, factors: Vec<(Var, i32)>) -> Term {
        let mut monomial = Monomial::from_factors(factors);
        // Each round removes a root power; products under roots may bring in others.
        for _ in 0..64 {
            let exponent_of =
                |m: &Monomial, v: Var| m.factors().iter().find(|f| f.0 == v).map_or(0, |f| f.1);
            let reducible = monomial.factors().iter().find_map(|&(v, e)| {
                let under = *self.radicands.get(&v)?;
                let whole = exponent_of(&monomial, under);
                let halves = e + 2 * whole;
                (halves / 2 != whole || halves % 2 != e).then_some((v, under, e, halves))
            });
            let Some((root, under, e, halves)) = reducible else { break };
            let whole = halves / 2 - (halves - e) / 2;
            let mut change = Monomial::power_of(root, halves % 2 - e);
            let (scale, base) = match &self.system.defs[under as usize] {
                Def::Sum(terms) if terms.len() == 1 && whole != 0 => {
                    (terms[0].coefficient, terms[0].monomial.clone())
                }
                _ => (1.0, Monomial::power_of(under, 1)),
            };
            let mut factors = Vec::new();
            self.scale(&mut coefficient, &mut factors, scale, whole);
            change = change.multiply(&base.power(whole)).multiply(&Monomial::from_factors(factors));
            monomial = monomial.multiply(&change);
        }
        Term { coefficient, monomial }
    }

    /// The square root of a variable.
    fn root(&mut self, base: Var) -> Var {
        if let Some(&root) = self.roots.get(&base) {
            return root;
        }
        let root = self.system.push(Def::Apply { op: ScalarOp::Sqrt, args: vec![base] });
        self.roots.insert(base, root);
        self.radicands.insert(root, base);
        root
    }

    /// The value of a sum of collected terms: a multiple of a variable, or the only term.
    fn sum_value(&mut self, mut terms: Vec<Term>) -> Term {
        if let [only] = &terms[..] {
            let only = only.clone();
            return if only.monomial.degree() > LONG_PRODUCT {
                Term::var(self.var_of(only))
            } else {
                only
            };
        }
        let Some(first) = terms.first() else { return Term::constant(0.0) };
        let magnitude = first.coefficient.abs();
        let same = terms.iter().all(|t| t.coefficient.abs() == magnitude);
        let scale = if same { magnitude } else { 1.0 };
        for term in &mut terms {
            // Exact: divided by 1 or by its own magnitude.
            term.coefficient /= scale;
        }
        // A sum that exists with the other sign is used; a new one keeps its signs, and with them
        // that of a zero.
        let mut negated = terms.clone();
        negated.iter_mut().for_each(|t| t.coefficient = -t.coefficient);
        let (v, sign) = match self.sums.get(&sum_key(&negated)) {
            Some(&v) if !self.sums.contains_key(&sum_key(&terms)) => (v, -1.0),
            _ => (self.interned_sum(terms), 1.0),
        };
        Term { coefficient: sign * scale, monomial: Monomial::power_of(v, 1) }
    }

    fn interned_sum(&mut self, terms: Vec<Term>) -> Var {
        let key = sum_key(&terms);
        if let Some(&v) = self.sums.get(&key) {
            return v;
        }
        let v = self.system.push(Def::Sum(terms));
        self.sums.insert(key, v);
        v
    }

    /// A variable with the value of a term.
    fn var_of(&mut self, term: Term) -> Var {
        match term.monomial.as_var() {
            Some(v) if term.coefficient == 1.0 => v,
            _ if term.coefficient == 0.0 => self.interned_sum(Vec::new()),
            _ => self.interned_sum(vec![term]),
        }
    }

    fn var_of_node(&mut self, id: NodeId) -> Var {
        let term = self.gather_product(id);
        self.var_of(term)
    }

    fn opaque(&mut self, id: NodeId) -> Term {
        let args: Vec<NodeId> = self.graph.args(id).to_vec();
        let is_scalar = |id: NodeId| self.graph.shape(id) == (1, 1);
        let Op::Scalar(op) = self.graph.op(id) else { return self.opaque_node(id, &args) };
        if !is_scalar(id) || !args.iter().all(|&a| is_scalar(a)) {
            return self.opaque_node(id, &args);
        }
        let mut sign = 1.0;
        let mut vars = Vec::with_capacity(args.len());
        for a in args {
            let mut value = self.gather_product(a);
            if let Some(&parity) = self.parities.get(&op)
                && value.coefficient < 0.0
            {
                value.coefficient = -value.coefficient;
                sign = parity;
            }
            vars.push(self.var_of(value));
        }
        if op.row().commutative {
            vars.sort_unstable();
        }
        let system = &mut self.system;
        let v = *self
            .applied
            .entry((op, vars.clone()))
            .or_insert_with(|| system.push(Def::Apply { op, args: vars }));
        Term { coefficient: sign, monomial: Monomial::power_of(v, 1) }
    }

    fn opaque_node(&mut self, node: NodeId, args: &[NodeId]) -> Term {
        let args = args.iter().map(|&a| self.var_of_node(a)).collect();
        Term::var(self.system.push(Def::Opaque { node, args }))
    }
}

fn sum_key(terms: &[Term]) -> Vec<(u64, Monomial)> {
    terms.iter().map(|t| (t.coefficient.to_bits(), t.monomial.clone())).collect()
}
