//! Systems of sums of scaled power products: the n-ary form of scalar expressions.
//!
//! A [`System`] defines variables, each by a node of the graph whose arguments are variables, or
//! by a sum of terms `coefficient * v1^e1 * v2^e2 ...` with whole exponents, negative ones for
//! divisors. Nothing here is binary, so association and order do not hide equal parts.

use crate::graph::NodeId;
use crate::ops::scalar::ScalarOp;

/// A variable of a [`System`].
pub type Var = u32;

/// A power product: variables in increasing order with exponents other than 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Monomial(Vec<(Var, i32)>);

impl Monomial {
    /// The empty product.
    pub fn one() -> Monomial {
        Monomial::default()
    }

    pub fn power_of(v: Var, exponent: i32) -> Monomial {
        Monomial(if exponent == 0 { Vec::new() } else { vec![(v, exponent)] })
    }

    /// The product of powers in any order, variables repeated or not.
    pub fn from_factors(mut factors: Vec<(Var, i32)>) -> Monomial {
        factors.sort_unstable_by_key(|f| f.0);
        factors.dedup_by(|next, first| {
            let same = next.0 == first.0;
            if same {
                first.1 += next.1;
            }
            same
        });
        factors.retain(|f| f.1 != 0);
        Monomial(factors)
    }

    pub fn factors(&self) -> &[(Var, i32)] {
        &self.0
    }

    pub fn is_one(&self) -> bool {
        self.0.is_empty()
    }

    /// The variable that the whole product is.
    pub fn as_var(&self) -> Option<Var> {
        match self.0[..] {
            [(v, 1)] => Some(v),
            _ => None,
        }
    }

    /// Number of factors, each as often as it occurs.
    pub fn degree(&self) -> u32 {
        self.0.iter().map(|f| f.1.unsigned_abs()).sum()
    }

    /// Multiplications and divisions when made by itself.
    pub fn n_products(&self) -> u32 {
        let divided = self.0.iter().all(|f| f.1 < 0) && !self.is_one();
        self.degree().saturating_sub(u32::from(!divided))
    }

    pub fn multiply(&self, other: &Monomial) -> Monomial {
        let mut all = Vec::with_capacity(self.0.len() + other.0.len());
        let (mut a, mut b) = (self.0.iter().peekable(), other.0.iter().peekable());
        loop {
            match (a.peek(), b.peek()) {
                (Some(x), Some(y)) if x.0 == y.0 => {
                    if x.1 + y.1 != 0 {
                        all.push((x.0, x.1 + y.1));
                    }
                    a.next();
                    b.next();
                }
                (Some(&&x), Some(y)) if x.0 < y.0 => {
                    all.push(x);
                    a.next();
                }
                (Some(&&x), None) => {
                    all.push(x);
                    a.next();
                }
                (_, Some(&&y)) => {
                    all.push(y);
                    b.next();
                }
                (None, None) => return Monomial(all),
            }
        }
    }

    pub fn power(&self, n: i32) -> Monomial {
        if n == 0 {
            return Monomial::one();
        }
        Monomial(self.0.iter().map(|&(v, e)| (v, e * n)).collect())
    }

    /// The largest product that divides both: factors of one sign in both, numerators or divisors.
    pub fn common(&self, other: &Monomial) -> Monomial {
        let mut all = Vec::new();
        for_common(self, other, |v, e| all.push((v, e)));
        Monomial(all)
    }

    /// `self / other`.
    pub fn divide(&self, other: &Monomial) -> Monomial {
        self.multiply(&other.power(-1))
    }

    /// A hash that is additive over products: that of `a * b` is the wrapping sum of both.
    pub fn hash(&self) -> u64 {
        self.0.iter().fold(0, |sum: u64, &(v, e)| sum.wrapping_add(power_hash(v, e)))
    }
}

/// Calls `f` with each power that two monomials share.
pub fn for_common(a: &Monomial, b: &Monomial, mut f: impl FnMut(Var, i32)) {
    let (mut i, mut j) = (0, 0);
    while i < a.0.len() && j < b.0.len() {
        let ((v, d), (w, e)) = (a.0[i], b.0[j]);
        if v == w {
            if d > 0 && e > 0 {
                f(v, d.min(e));
            } else if d < 0 && e < 0 {
                f(v, d.max(e));
            }
        }
        i += usize::from(v <= w);
        j += usize::from(w <= v);
    }
}

/// Contribution of one power to [`Monomial::hash`].
pub fn power_hash(v: Var, e: i32) -> u64 {
    mix(u64::from(v) + 1).wrapping_mul(e as i64 as u64)
}

/// Spreads the bits of a number (the finaliser of splitmix64).
pub fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// A scaled power product.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    pub coefficient: f64,
    pub monomial: Monomial,
}

impl Term {
    pub fn constant(coefficient: f64) -> Term {
        Term { coefficient, monomial: Monomial::one() }
    }

    pub fn var(v: Var) -> Term {
        Term { coefficient: 1.0, monomial: Monomial::power_of(v, 1) }
    }

    /// Whether the coefficient costs a multiplication.
    pub fn is_scaled(&self) -> bool {
        self.coefficient.abs() != 1.0 && !self.monomial.is_one()
    }
}

/// What a variable is.
#[derive(Clone, Debug, PartialEq)]
pub enum Def {
    /// A node of the graph that the system was made from, with other arguments.
    Opaque { node: NodeId, args: Vec<Var> },
    /// An elementwise operation on scalars.
    Apply { op: ScalarOp, args: Vec<Var> },
    /// The sum of terms; 0 if there is none.
    Sum(Vec<Term>),
}

/// Definitions, which refer to one another without circles, and the wanted variables.
#[derive(Clone, Debug, Default)]
pub struct System {
    pub defs: Vec<Def>,
    pub outputs: Vec<Var>,
}

impl System {
    pub fn push(&mut self, def: Def) -> Var {
        self.defs.push(def);
        (self.defs.len() - 1) as Var
    }

    /// Calls `f` with every variable that a definition reads.
    pub fn for_operands(&self, v: Var, mut f: impl FnMut(Var)) {
        match &self.defs[v as usize] {
            Def::Opaque { args, .. } | Def::Apply { args, .. } => args.iter().for_each(|&a| f(a)),
            Def::Sum(terms) => {
                for term in terms {
                    term.monomial.factors().iter().for_each(|p| f(p.0));
                }
            }
        }
    }

    /// The variables that the outputs need, operands before users.
    pub fn order(&self) -> Vec<Var> {
        let mut order = Vec::with_capacity(self.defs.len());
        // 0 unseen, 1 operands pending, 2 done.
        let mut state = vec![0u8; self.defs.len()];
        let mut pending: Vec<Var> = self.outputs.iter().rev().copied().collect();
        while let Some(&v) = pending.last() {
            match state[v as usize] {
                0 => {
                    state[v as usize] = 1;
                    let start = pending.len();
                    self.for_operands(v, |a| {
                        if state[a as usize] == 0 {
                            pending.push(a);
                        }
                    });
                    pending[start..].reverse();
                }
                1 => {
                    state[v as usize] = 2;
                    order.push(v);
                    pending.pop();
                }
                _ => {
                    pending.pop();
                }
            }
        }
        order
    }
}

/// Sorts terms and adds up those of one monomial; terms with coefficient 0 vanish.
pub fn collect_terms(terms: &mut Vec<Term>) {
    terms.sort_by(|a, b| a.monomial.cmp(&b.monomial));
    terms.dedup_by(|next, first| {
        let same = next.monomial == first.monomial;
        if same {
            first.coefficient += next.coefficient;
        }
        same
    });
    terms.retain(|t| t.coefficient != 0.0);
}
