//! The language of equality saturation: the operation table, with n-ary sums and products.
//!
//! Differences are sums with negated operands. Facts are the analysis of the e-graph; a class
//! whose value is known becomes a constant.

use std::mem::{Discriminant, discriminant};

use egg::{Analysis, DidMerge, EGraph, Id, Language};

use super::facts::Facts;
use crate::ops::scalar::ScalarOp;

/// What a node of the e-graph computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Head {
    /// The bits of a constant.
    Constant(u64),
    /// A value from outside of the block.
    Atom(u32),
    /// Of any number of operands.
    Sum,
    Product,
    Apply(ScalarOp),
}

impl Head {
    /// Cost of a node of so many operands, relative to one addition. Signs are free in sums.
    pub fn cost(self, n_children: usize) -> u64 {
        match self {
            Head::Constant(_) | Head::Atom(_) => 0,
            Head::Sum => u64::from(ScalarOp::Add.row().cost) * n_children.saturating_sub(1) as u64,
            Head::Product => {
                u64::from(ScalarOp::Mul.row().cost) * n_children.saturating_sub(1) as u64
            }
            Head::Apply(ScalarOp::Neg) => 0,
            Head::Apply(op) => u64::from(op.row().cost),
        }
    }
}

/// A node of the e-graph.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Term {
    pub head: Head,
    pub children: Vec<Id>,
}

impl Language for Term {
    type Discriminant = (Discriminant<Head>, Head);

    fn discriminant(&self) -> Self::Discriminant {
        (discriminant(&self.head), self.head)
    }

    fn matches(&self, other: &Term) -> bool {
        self.head == other.head && self.children.len() == other.children.len()
    }

    fn children(&self) -> &[Id] {
        &self.children
    }

    fn children_mut(&mut self) -> &mut [Id] {
        &mut self.children
    }
}

/// Facts of every class, from those of the atoms.
#[derive(Clone, Debug, Default)]
pub struct FactsOf {
    pub atoms: Vec<Facts>,
}

/// An e-graph of scalar operations.
pub type Classes = EGraph<Term, FactsOf>;

/// A constant of an e-graph.
pub fn constant(classes: &mut Classes, value: f64) -> Id {
    classes.add(Term { head: Head::Constant(value.to_bits()), children: Vec::new() })
}

/// A node of an e-graph, operands of sums and products in order.
pub fn add(classes: &mut Classes, head: Head, mut children: Vec<Id>) -> Id {
    if matches!(head, Head::Sum | Head::Product) {
        children.iter_mut().for_each(|c| *c = classes.find(*c));
        children.sort_unstable();
    }
    classes.add(Term { head, children })
}

impl Analysis<Term> for FactsOf {
    type Data = Facts;

    fn make(egraph: &mut Classes, term: &Term, _: Id) -> Facts {
        let of = |id: &Id| egraph[*id].data;
        let fold = |op: ScalarOp| {
            let mut operands = term.children.iter().map(of);
            let first = operands.next().unwrap_or(Facts::UNKNOWN);
            operands.fold(first, |sum, next| Facts::of(op, &[sum, next]))
        };
        match term.head {
            Head::Constant(bits) => Facts::constant(f64::from_bits(bits)),
            Head::Atom(k) => {
                egraph.analysis.atoms.get(k as usize).copied().unwrap_or(Facts::UNKNOWN)
            }
            Head::Sum => fold(ScalarOp::Add),
            Head::Product => fold(ScalarOp::Mul),
            Head::Apply(op) => Facts::of(op, &term.children.iter().map(of).collect::<Vec<_>>()),
        }
    }

    fn merge(&mut self, to: &mut Facts, from: Facts) -> DidMerge {
        let both = to.and(&from);
        let bits = |f: &Facts| {
            (f.lo.to_bits(), f.hi.to_bits(), f.nonzero, f.integer, f.constant.map(f64::to_bits))
        };
        let same = |a: &Facts, b: &Facts| bits(a) == bits(b);
        let (changed, other) = (!same(&both, to), !same(&both, &from));
        *to = both;
        DidMerge(changed, other)
    }

    fn modify(egraph: &mut Classes, id: Id) {
        if let Some(value) = egraph[id].data.constant.filter(|v| v.is_finite()) {
            let constant = Term { head: Head::Constant(value.to_bits()), children: Vec::new() };
            let constant = egraph.add(constant);
            egraph.union(id, constant);
        }
    }
}
