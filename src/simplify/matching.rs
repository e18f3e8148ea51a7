//! Rules as patterns over an e-graph, and what to do where they match.
//!
//! A sum or product in a pattern has two operands. At the root of a rule they match any two
//! operands of an n-ary node, the others staying; below the root, a node of just two.

use egg::Id;

use super::language::{Classes, Head, Term};
use super::rules::{Math, Property, RuleSet};
use crate::ops::scalar::ScalarOp;
use crate::syntax::formula::{Formula, FormulaOp};

/// A formula as nodes in postfix order, differences as sums, squares as products.
#[derive(Clone, Debug)]
enum Pattern {
    Var(u8),
    Constant(f64),
    Node(Head, Vec<usize>),
}

/// A rule ready to be matched.
pub struct Compiled {
    lhs: Vec<Pattern>,
    rhs: Vec<Pattern>,
    /// Variable and what must be proved of it.
    conditions: Vec<(u8, Property)>,
    n_vars: usize,
}

/// Where a rule matches: the class, its variables, the operands of the root that stay.
pub struct Match {
    pub class: Id,
    substitution: Vec<Id>,
    rest: Option<(Head, Vec<Id>)>,
}

/// The rules that may be applied under a promise.
pub fn compile(rules: &RuleSet, math: Math) -> Vec<Compiled> {
    let allowed = rules.rules.iter().filter(|r| math.allows(r.class));
    allowed
        .map(|rule| {
            let mut names: Vec<String> = Vec::new();
            let lhs = patterns(&rule.lhs, &mut names);
            let rhs = patterns(&rule.rhs, &mut names);
            let number = |name: &str| names.iter().position(|n| n == name).map(|k| k as u8);
            let conditions = rule.conditions.iter();
            let conditions =
                conditions.filter_map(|c| Some((number(&c.variable)?, c.property))).collect();
            Compiled { lhs, rhs, conditions, n_vars: names.len() }
        })
        .collect()
}

fn patterns(formula: &Formula, names: &mut Vec<String>) -> Vec<Pattern> {
    let mut nodes: Vec<Pattern> = Vec::new();
    let mut stack: Vec<usize> = Vec::new();
    for op in &formula.ops {
        let node = match op {
            FormulaOp::Number(v) => Pattern::Constant(*v),
            FormulaOp::Var(name) => {
                let known = names.iter().position(|n| n == name);
                let k = known.unwrap_or_else(|| {
                    names.push(name.clone());
                    names.len() - 1
                });
                Pattern::Var(k as u8)
            }
            FormulaOp::Apply { name, n_args } => {
                let mut args = stack.split_off(stack.len().saturating_sub(usize::from(*n_args)));
                let Some(op) = ScalarOp::from_name(name) else { continue };
                let squared =
                    matches!(args.last().map(|&k| &nodes[k]), Some(Pattern::Constant(2.0)));
                match op {
                    ScalarOp::Add => Pattern::Node(Head::Sum, args),
                    ScalarOp::Mul => Pattern::Node(Head::Product, args),
                    ScalarOp::Sub => {
                        nodes.push(Pattern::Node(Head::Apply(ScalarOp::Neg), vec![args[1]]));
                        args[1] = nodes.len() - 1;
                        Pattern::Node(Head::Sum, args)
                    }
                    ScalarOp::Pow if squared => {
                        Pattern::Node(Head::Product, vec![args[0], args[0]])
                    }
                    _ => Pattern::Node(Head::Apply(op), args),
                }
            }
            FormulaOp::Arg(_) | FormulaOp::Result => continue,
        };
        nodes.push(node);
        stack.push(nodes.len() - 1);
    }
    // The root is what the stack holds, and the last node pushed.
    nodes
}

/// Most matches of one rule that are taken up at once.
const MAX_MATCHES: usize = 1000;

impl Compiled {
    /// The head that nodes must have for the rule to match there.
    pub fn head(&self) -> Option<Head> {
        match self.lhs.last() {
            Some(Pattern::Node(head, _)) => Some(*head),
            _ => None,
        }
    }

    /// Adds the places in `class` where the rule matches.
    pub fn search(&self, classes: &Classes, class: Id, found: &mut Vec<Match>) {
        let Some(Pattern::Node(head, args)) = self.lhs.last() else { return };
        let n_found = found.len();
        if !matches!(head, Head::Sum | Head::Product) {
            for substitution in self.solve(classes, vec![(self.lhs.len() - 1, class)]) {
                found.push(Match { class, substitution, rest: None });
            }
            return;
        }
        for node in classes[class].nodes.iter().filter(|n| n.head == *head) {
            if found.len() - n_found > MAX_MATCHES {
                return;
            }
            let n = node.children.len();
            for i in 0..n {
                for j in (0..n).filter(|&j| j != i) {
                    let [first, second] = [i, j].map(|k| classes.find(node.children[k]));
                    let goals = vec![(args[0], first), (args[1], second)];
                    for substitution in self.solve(classes, goals) {
                        let others = (0..n).filter(|&k| k != i && k != j);
                        let rest: Vec<Id> = others.map(|k| node.children[k]).collect();
                        let rest = (!rest.is_empty()).then_some((*head, rest));
                        found.push(Match { class, substitution, rest });
                    }
                }
            }
        }
    }

    /// All ways to match patterns with classes at once.
    fn solve(&self, classes: &Classes, goals: Vec<(usize, Id)>) -> Vec<Vec<Id>> {
        let mut solutions = Vec::new();
        let mut pending = vec![(goals, vec![None; self.n_vars])];
        while let Some((mut goals, mut bound)) = pending.pop() {
            let Some((k, class)) = goals.pop() else {
                let bound: Option<Vec<Id>> = bound.into_iter().collect();
                solutions.extend(bound.filter(|bound| self.holds(classes, bound)));
                if solutions.len() > MAX_MATCHES {
                    return solutions;
                }
                continue;
            };
            match &self.lhs[k] {
                Pattern::Var(v) => {
                    let v = usize::from(*v);
                    let seen: &mut Option<Id> = &mut bound[v];
                    if *seen.get_or_insert(class) == class {
                        pending.push((goals, bound));
                    }
                }
                Pattern::Constant(value) => {
                    if classes[class].data.constant == Some(*value) {
                        pending.push((goals, bound));
                    }
                }
                Pattern::Node(head, args) => {
                    for node in &classes[class].nodes {
                        if node.head != *head || node.children.len() != args.len() {
                            continue;
                        }
                        let commutes = matches!(head, Head::Sum | Head::Product)
                            || matches!(head, Head::Apply(op) if op.row().commutative);
                        let orders: &[[usize; 2]] =
                            if commutes { &[[0, 1], [1, 0]] } else { &[[0, 1]] };
                        for order in orders {
                            let mut goals = goals.clone();
                            for (k, &arg) in args.iter().enumerate() {
                                let from = if k < 2 && args.len() == 2 { order[k] } else { k };
                                goals.push((arg, classes.find(node.children[from])));
                            }
                            pending.push((goals, bound.clone()));
                        }
                    }
                }
            }
        }
        solutions
    }

    fn holds(&self, classes: &Classes, bound: &[Id]) -> bool {
        self.conditions.iter().all(|&(v, p)| classes[bound[usize::from(v)]].data.prove(p))
    }

    /// Makes the right side equal to what matched.
    pub fn apply(&self, classes: &mut Classes, found: &Match) {
        let mut made: Vec<Id> = Vec::with_capacity(self.rhs.len());
        for node in &self.rhs {
            let id = match node {
                Pattern::Var(v) => found.substitution[usize::from(*v)],
                Pattern::Constant(value) => constant(classes, *value),
                Pattern::Node(head, args) => {
                    let children = args.iter().map(|&k| made[k]).collect();
                    add(classes, *head, children)
                }
            };
            made.push(id);
        }
        let Some(&right) = made.last() else { return };
        let right = match &found.rest {
            Some((head, rest)) => {
                let mut children = rest.clone();
                children.push(right);
                add(classes, *head, children)
            }
            None => right,
        };
        classes.union(found.class, right);
    }
}

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
