//! Rules as patterns, and patterns as steps of a search.
//!
//! Takes a rule, gives steps over registers that hold classes of an e-graph (de Moura and Bjorner,
//! "Efficient E-matching for SMT solvers", 2007), and what to check before and make after them.

use std::ops::RangeInclusive;

use egg::Id;
use rustc_hash::FxHashSet;

use super::language::{Classes, Head, add, constant};
use super::rules::{Condition, Property, Rule};
use super::view::{Heads, only};
use crate::ops::scalar::ScalarOp;
use crate::syntax::formula::{Formula, FormulaOp};

/// A formula as nodes in postfix order, differences as sums, squares as products.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    Var(usize),
    Constant(f64),
    Node(Head, Vec<usize>),
}

/// What is checked or bound next.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// The class has such a node.
    Has {
        register: usize,
        heads: Heads,
    },
    Same {
        register: usize,
        other: usize,
    },
    Constant {
        register: usize,
        value: f64,
    },
    /// Puts the children of a node into registers from `first` on.
    Open {
        register: usize,
        head: Head,
        n: usize,
        first: usize,
    },
}

/// A rule ready to be matched.
pub struct Compiled {
    pub root: Head,
    pub steps: Vec<Step>,
    /// The heads that must occur.
    pub heads: Heads,
    /// Heads that each operand of the root must have, if it is a sum or product.
    pub operands: Vec<Heads>,
    /// Whether exchanging the two operands of the root changes nothing.
    pub symmetric: bool,
    /// The register of each variable.
    pub variables: Vec<usize>,
    pub n_registers: usize,
    pub rhs: Vec<Pattern>,
    /// Whether the right side costs less.
    pub saves: bool,
    /// Whether arithmetic becomes the call of a function that the left side does not have.
    pub makes_calls: bool,
    pub conditions: Vec<Proof>,
}

/// What must be proved of variables.
pub enum Proof {
    Is(usize, Property),
    Ordered { less: usize, greater: usize, strict: bool },
}

/// Operands of a root that is more than one sum or product.
const LONG: RangeInclusive<usize> = 3..=4;
/// From this cost on an operation is a call.
const CALL_COST: u64 = 10;

impl Compiled {
    /// The rule as it is written, and with the sums or products at its root made one: a sum inside
    /// a sum is a node of its own only where it has other uses.
    pub fn new(rule: &Rule) -> Vec<Compiled> {
        let mut names: Vec<&str> = Vec::new();
        let mut lhs = patterns(&rule.lhs, &mut names);
        let rhs = patterns(&rule.rhs, &mut names);
        let Some(Pattern::Node(root, args)) = lhs.last().cloned() else { return Vec::new() };
        let side = Side { rule, names: &names, root, rhs: &rhs };
        if !matches!(root, Head::Sum | Head::Product) {
            return side.compile(&lhs, &[lhs.len() - 1]).into_iter().collect();
        }
        let written = side.compile(&lhs, &args);
        let long = flattened(&mut lhs, root, &args);
        let long = LONG.contains(&long.len()).then(|| side.compile(&lhs, &long)).flatten();
        written.into_iter().chain(long).collect()
    }

    /// Whether the root is a sum or product.
    pub fn is_n_ary(&self) -> bool {
        matches!(self.root, Head::Sum | Head::Product)
    }

    /// Makes the right side equal to `class`; `ids` are the variables, then the operands that stay.
    pub fn apply(&self, classes: &mut Classes, class: Id, ids: &[Id], made: &mut Vec<Id>) {
        made.clear();
        for node in &self.rhs {
            let id = match node {
                Pattern::Var(v) => ids[*v],
                Pattern::Constant(value) => constant(classes, *value),
                Pattern::Node(head, args) => {
                    let children = args.iter().map(|&k| made[k]).collect();
                    add(classes, *head, children)
                }
            };
            made.push(id);
        }
        let Some(&right) = made.last() else { return };
        let rest = &ids[self.variables.len()..];
        let right = match rest.is_empty() {
            true => right,
            false => add(classes, self.root, rest.iter().copied().chain([right]).collect()),
        };
        classes.union(class, right);
    }
}

/// What is compiled alike for all forms of a left side.
struct Side<'s> {
    rule: &'s Rule,
    names: &'s [&'s str],
    root: Head,
    rhs: &'s [Pattern],
}

impl Side<'_> {
    /// Steps that begin with `first` in the registers: the operands of a sum or product, or the
    /// root.
    fn compile(&self, lhs: &[Pattern], first: &[usize]) -> Option<Compiled> {
        let number = |name: &str| self.names.iter().position(|n| *n == name);
        let proof = |condition: &Condition| {
            Some(match condition {
                Condition::Is { variable, property } => Proof::Is(number(variable)?, *property),
                Condition::Ordered { less, greater, strict } => Proof::Ordered {
                    less: number(less)?,
                    greater: number(greater)?,
                    strict: *strict,
                },
            })
        };
        let conditions: Option<Vec<Proof>> = self.rule.conditions.iter().map(proof).collect();
        let mut program =
            Program { lhs, steps: Vec::new(), variables: vec![None; self.names.len()] };
        let n_registers = program.write(first, first.len());
        let (steps, variables) = (program.steps, program.variables);
        let variables: Option<Vec<usize>> = variables.into_iter().collect();
        let of_operand = |&k: &usize| match &lhs[k] {
            Pattern::Node(head, _) => only(*head),
            _ => 0,
        };
        let opened = |heads, step: &Step| match step {
            Step::Open { head, .. } => heads | only(*head),
            _ => heads,
        };
        let is_n_ary = matches!(self.root, Head::Sum | Head::Product);
        let (left, right) = (calls(lhs, self.names.len()), calls(self.rhs, self.names.len()));
        Some(Compiled {
            root: self.root,
            heads: steps.iter().fold(only(self.root), opened),
            operands: if is_n_ary { first.iter().map(of_operand).collect() } else { Vec::new() },
            symmetric: is_n_ary && is_symmetric(lhs, first, self.rhs, self.names.len()),
            saves: cost(self.rhs) < cost(lhs),
            makes_calls: self.root.cost(2) < CALL_COST && !right.is_subset(&left),
            steps,
            variables: variables?,
            n_registers,
            conditions: conditions?,
            rhs: self.rhs.to_vec(),
        })
    }
}

fn cost(nodes: &[Pattern]) -> u64 {
    let of = |node: &Pattern| match node {
        Pattern::Node(head, args) => head.cost(args.len()),
        _ => 0,
    };
    nodes.iter().map(of).sum()
}

/// The operands of a sum of sums or a product of products. Adds the negatives that it needs.
fn flattened(nodes: &mut Vec<Pattern>, root: Head, args: &[usize]) -> Vec<usize> {
    let mut operands = Vec::new();
    let mut pending: Vec<(usize, bool)> = args.iter().rev().map(|&k| (k, false)).collect();
    while let Some((k, negated)) = pending.pop() {
        match &nodes[k] {
            Pattern::Node(head, args) if *head == root => {
                pending.extend(args.iter().rev().map(|&k| (k, negated)));
            }
            Pattern::Node(Head::Apply(ScalarOp::Neg), args) if root == Head::Sum => {
                let arg = args[0];
                let is_sum = matches!(&nodes[arg], Pattern::Node(Head::Sum, _));
                match (is_sum, negated) {
                    (true, _) | (_, true) => pending.push((arg, !negated)),
                    _ => operands.push(k),
                }
            }
            _ if negated => {
                nodes.push(negative(nodes, k));
                operands.push(nodes.len() - 1);
            }
            _ => operands.push(k),
        }
    }
    operands
}

fn patterns<'f>(formula: &'f Formula, names: &mut Vec<&'f str>) -> Vec<Pattern> {
    let mut nodes: Vec<Pattern> = Vec::new();
    let mut stack: Vec<usize> = Vec::new();
    for op in &formula.ops {
        let node = match op {
            FormulaOp::Number(v) => Pattern::Constant(*v),
            FormulaOp::Var(name) => {
                let known = names.iter().position(|n| n == name);
                Pattern::Var(known.unwrap_or_else(|| {
                    names.push(name);
                    names.len() - 1
                }))
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
                        nodes.push(negative(&nodes, args[1]));
                        args[1] = nodes.len() - 1;
                        Pattern::Node(Head::Sum, args)
                    }
                    ScalarOp::Pow if squared => {
                        Pattern::Node(Head::Product, vec![args[0], args[0]])
                    }
                    ScalarOp::Neg => negative(&nodes, args[0]),
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

/// The negative of a number is a number.
fn negative(nodes: &[Pattern], k: usize) -> Pattern {
    match nodes[k] {
        Pattern::Constant(value) => Pattern::Constant(-value),
        _ => Pattern::Node(Head::Apply(ScalarOp::Neg), vec![k]),
    }
}

/// The calls of functions in a pattern.
fn calls(nodes: &[Pattern], n_vars: usize) -> FxHashSet<String> {
    let is_call = |k: &usize| match &nodes[*k] {
        Pattern::Node(head, args) => head.cost(args.len()) >= CALL_COST,
        _ => false,
    };
    let mut numbers: Vec<Option<usize>> = (0..n_vars).map(Some).collect();
    (0..nodes.len()).filter(is_call).map(|k| spelled(nodes, k, &mut numbers)).collect()
}

/// Whether a rule whose root commutes stays the same if the operands of the root are exchanged,
/// up to the names of variables.
fn is_symmetric(lhs: &[Pattern], operands: &[usize], rhs: &[Pattern], n_vars: usize) -> bool {
    let &[first, second] = operands else { return false };
    let text = |order: [usize; 2]| {
        let mut names = vec![None; n_vars];
        let left = order.map(|k| spelled(lhs, k, &mut names));
        let right = rhs.len().checked_sub(1).map(|root| spelled(rhs, root, &mut names));
        (left, right)
    };
    text([first, second]) == text([second, first])
}

/// A pattern as text, variables numbered as they are met, operands that commute in order.
fn spelled(nodes: &[Pattern], k: usize, names: &mut Vec<Option<usize>>) -> String {
    match &nodes[k] {
        Pattern::Var(v) => {
            let n_named = names.iter().flatten().count();
            format!("x{}", names[*v].get_or_insert(n_named))
        }
        Pattern::Constant(value) => format!("{value:?}"),
        Pattern::Node(head, args) => {
            let mut parts: Vec<String> = args.iter().map(|&k| spelled(nodes, k, names)).collect();
            if commutes(*head) {
                parts.sort_unstable();
            }
            format!("{head:?}({})", parts.join(","))
        }
    }
}

/// Whether the operands of a node may be exchanged.
pub fn commutes(head: Head) -> bool {
    match head {
        Head::Sum | Head::Product => true,
        Head::Apply(op) => op.row().commutative,
        Head::Constant(_) | Head::Atom(_) => false,
    }
}

/// A left side on its way to steps.
struct Program<'p> {
    lhs: &'p [Pattern],
    steps: Vec<Step>,
    variables: Vec<Option<usize>>,
}

impl Program<'_> {
    /// Writes the steps for patterns in the registers from 0 on; gives the number of registers.
    fn write(&mut self, patterns: &[usize], n_registers: usize) -> usize {
        let mut n_registers = n_registers;
        let mut closed: Vec<(usize, usize)> = Vec::new();
        self.bind(patterns, 0, &mut closed);
        while !closed.is_empty() {
            // Operations are found in fewer classes than sums and products.
            let is_operation = |&(_, k): &(usize, usize)| match &self.lhs[k] {
                Pattern::Node(head, _) => !matches!(head, Head::Sum | Head::Product),
                _ => true,
            };
            let next = closed.iter().position(is_operation).unwrap_or(0);
            let (register, k) = closed.remove(next);
            let Pattern::Node(head, args) = &self.lhs[k] else { continue };
            let (head, n, first) = (*head, args.len(), n_registers);
            self.steps.push(Step::Open { register, head, n, first });
            n_registers += n;
            self.bind(args, first, &mut closed);
        }
        n_registers
    }

    /// What is to be checked of registers as soon as they are filled.
    fn bind(&mut self, patterns: &[usize], first: usize, closed: &mut Vec<(usize, usize)>) {
        for (register, &k) in (first..).zip(patterns) {
            match &self.lhs[k] {
                Pattern::Var(v) => match self.variables[*v] {
                    Some(other) => self.steps.push(Step::Same { register, other }),
                    None => self.variables[*v] = Some(register),
                },
                Pattern::Constant(value) => {
                    self.steps.push(Step::Constant { register, value: *value });
                }
                Pattern::Node(head, _) => {
                    self.steps.push(Step::Has { register, heads: only(*head) });
                    closed.push((register, k));
                }
            }
        }
    }
}
