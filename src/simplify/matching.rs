//! Rules as patterns over an e-graph, and what to do where they match.
//!
//! A sum or product in a pattern has two operands. At the root of a rule they match any two
//! operands of an n-ary node, the others staying; below the root, a node of just two. A pattern
//! is a list of steps over registers that hold classes (de Moura and Bjorner, "Efficient
//! E-matching for SMT solvers", 2007); rules are found by the head of their root, and those with
//! a head that does not occur are not tried.

use egg::Id;

use super::language::{Classes, Head, Term};
use super::rules::{Condition, Math, Property, Rule};
use super::view::{Heads, N_KINDS, View, kind, only};
use crate::ops::scalar::ScalarOp;
use crate::syntax::formula::{Formula, FormulaOp};

/// A formula as nodes in postfix order, differences as sums, squares as products.
#[derive(Clone, Debug, PartialEq)]
enum Pattern {
    Var(usize),
    Constant(f64),
    Node(Head, Vec<usize>),
}

/// What is checked or bound next.
#[derive(Clone, Copy, Debug)]
enum Step {
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
struct Compiled {
    root: Head,
    steps: Vec<Step>,
    /// The heads that must occur.
    heads: Heads,
    /// Heads that the two operands of the root must have, if it is a sum or product.
    operands: [Heads; 2],
    /// Whether exchanging the operands of the root changes nothing.
    symmetric: bool,
    /// The register of each variable.
    variables: Vec<usize>,
    n_registers: usize,
    rhs: Vec<Pattern>,
    conditions: Vec<Proof>,
}

/// What must be proved of variables.
enum Proof {
    Is(usize, Property),
    Ordered { less: usize, greater: usize, strict: bool },
}

/// Rules by the heads of their roots.
pub struct RuleBook {
    rules: Vec<Compiled>,
    by_root: Vec<Vec<u32>>,
}

/// Places where rules match, in the order in which they were found.
#[derive(Default)]
pub struct Matches {
    found: Vec<Match>,
    /// Variables of each match, then the operands of its root that stay.
    ids: Vec<Id>,
}

#[derive(Clone, Copy)]
struct Match {
    rule: u32,
    class: Id,
    first: u32,
    end: u32,
}

/// Most matches of one rule in one class that are taken up at once.
const MAX_MATCHES: usize = 1000;
/// Most nodes that are looked at for one rule in one class.
const MAX_LOOKS: usize = 20_000;

impl RuleBook {
    /// The rules that may be applied under a promise.
    pub fn new<'r>(rules: impl IntoIterator<Item = &'r Rule>, math: Math) -> RuleBook {
        let allowed = rules.into_iter().filter(|r| math.allows(r.class));
        let rules: Vec<Compiled> = allowed.filter_map(Compiled::new).collect();
        let mut by_root = vec![Vec::new(); N_KINDS];
        for (k, rule) in rules.iter().enumerate() {
            by_root[kind(rule.root)].push(k as u32);
        }
        RuleBook { rules, by_root }
    }

    /// All matches.
    pub fn search(&self, classes: &Classes, view: &View) -> Matches {
        let mut matches = Matches::default();
        let tried = |rules: &Vec<u32>| -> Vec<u32> {
            let heads = |k: u32| self.rules[k as usize].heads;
            rules.iter().copied().filter(|&k| heads(k) & !view.heads == 0).collect()
        };
        let by_root: Vec<Vec<u32>> = self.by_root.iter().map(tried).collect();
        let mut search = Search {
            classes,
            view,
            registers: Vec::new(),
            matches: &mut matches,
            rule: 0,
            looks: 0,
        };
        for class in 0..view.n_classes() as u32 {
            let mut heads = view.heads_of(class);
            while heads != 0 {
                for &rule in &by_root[heads.trailing_zeros() as usize] {
                    search.rule = rule;
                    search.rule(&self.rules[rule as usize], class);
                }
                heads &= heads - 1;
            }
        }
        matches
    }

    /// Makes the right sides equal to what matched, as long as `go_on`.
    pub fn apply(
        &self,
        classes: &mut Classes,
        matches: &Matches,
        go_on: impl Fn(&Classes) -> bool,
    ) {
        let mut made = Vec::new();
        for m in &matches.found {
            if !go_on(classes) {
                break;
            }
            let ids = &matches.ids[m.first as usize..m.end as usize];
            self.rules[m.rule as usize].apply(classes, m.class, ids, &mut made);
        }
    }
}

impl Compiled {
    fn new(rule: &Rule) -> Option<Compiled> {
        let mut names: Vec<&str> = Vec::new();
        let lhs = patterns(&rule.lhs, &mut names);
        let rhs = patterns(&rule.rhs, &mut names);
        let Some(Pattern::Node(root, args)) = lhs.last() else { return None };
        let number = |name: &str| names.iter().position(|n| *n == name);
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
        let conditions: Option<Vec<Proof>> = rule.conditions.iter().map(proof).collect();
        let heads_at = |k: usize| match &lhs[k] {
            Pattern::Node(head, _) => only(*head),
            _ => 0,
        };
        let is_n_ary = matches!(root, Head::Sum | Head::Product) && args.len() == 2;
        let mut program =
            Program { lhs: &lhs, steps: Vec::new(), variables: vec![None; names.len()] };
        let n_registers = match is_n_ary {
            true => program.write(args, 2),
            false => program.write(&[lhs.len() - 1], 1),
        };
        let variables: Option<Vec<usize>> = program.variables.into_iter().collect();
        Some(Compiled {
            root: *root,
            steps: program.steps,
            heads: (0..lhs.len()).fold(0, |heads, k| heads | heads_at(k)),
            operands: if is_n_ary { [heads_at(args[0]), heads_at(args[1])] } else { [0; 2] },
            symmetric: is_n_ary && is_symmetric(&lhs, &rhs, names.len()),
            variables: variables?,
            n_registers,
            conditions: conditions?,
            rhs,
        })
    }

    fn is_n_ary(&self) -> bool {
        matches!(self.root, Head::Sum | Head::Product)
    }

    /// `ids` are the variables, then the operands that stay.
    fn apply(&self, classes: &mut Classes, class: Id, ids: &[Id], made: &mut Vec<Id>) {
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

/// Whether a rule whose root commutes stays the same if the operands of the root are exchanged,
/// up to the names of variables.
fn is_symmetric(lhs: &[Pattern], rhs: &[Pattern], n_vars: usize) -> bool {
    let Some(Pattern::Node(_, args)) = lhs.last() else { return false };
    let text = |order: [usize; 2]| {
        let mut names = vec![None; n_vars];
        let left = order.map(|k| spelled(lhs, args[k], &mut names));
        let right = rhs.len().checked_sub(1).map(|root| spelled(rhs, root, &mut names));
        (left, right)
    };
    text([0, 1]) == text([1, 0])
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

fn commutes(head: Head) -> bool {
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

/// A search for the matches of one rule after another.
struct Search<'s> {
    classes: &'s Classes,
    view: &'s View,
    registers: Vec<u32>,
    matches: &'s mut Matches,
    rule: u32,
    looks: usize,
}

impl Search<'_> {
    /// Adds the places in `class` where a rule matches.
    fn rule(&mut self, rule: &Compiled, class: u32) {
        self.looks = 0;
        self.registers.clear();
        self.registers.resize(rule.n_registers, 0);
        let n_before = self.matches.found.len();
        if !rule.is_n_ary() {
            self.registers[0] = class;
            self.run(rule, 0, class, n_before, &[]);
            return;
        }
        let view = self.view;
        for children in view.nodes(class, rule.root) {
            let fits = |child: u32, heads: Heads| heads & !view.heads_of(child) == 0;
            for (i, &first) in children.iter().enumerate() {
                if !fits(first, rule.operands[0]) {
                    continue;
                }
                let from = if rule.symmetric { i + 1 } else { 0 };
                for (j, &second) in children.iter().enumerate().skip(from) {
                    if i == j || !fits(second, rule.operands[1]) {
                        continue;
                    }
                    (self.registers[0], self.registers[1]) = (first, second);
                    let others = (0..children.len()).filter(|&k| k != i && k != j);
                    let mut rest = [0; super::saturate::MAX_OPERANDS];
                    let mut n_rest = 0;
                    // A sum made by rules may be longer than those of the block.
                    for (place, k) in rest.iter_mut().zip(others) {
                        (*place, n_rest) = (children[k], n_rest + 1);
                    }
                    if n_rest + 2 == children.len() {
                        self.run(rule, 0, class, n_before, &rest[..n_rest]);
                    }
                }
            }
        }
    }

    /// Goes on with step `k`. Recursion is bounded by the length of the rule.
    fn run(&mut self, rule: &Compiled, mut k: usize, class: u32, n_before: usize, rest: &[u32]) {
        let view = self.view;
        while let Some(step) = rule.steps.get(k) {
            k += 1;
            let at = |register: usize| self.registers[register];
            match *step {
                Step::Has { register, heads } => {
                    if heads & !view.heads_of(at(register)) != 0 {
                        return;
                    }
                }
                Step::Same { register, other } => {
                    if at(register) != at(other) {
                        return;
                    }
                }
                Step::Constant { register, value } => {
                    if view.constant(at(register)) != Some(value) {
                        return;
                    }
                }
                Step::Open { register, head, n, first } => {
                    for children in view.nodes(at(register), head) {
                        self.looks += 1;
                        let n_found = self.matches.found.len() - n_before;
                        if n_found > MAX_MATCHES || self.looks > MAX_LOOKS {
                            return;
                        }
                        if children.len() != n {
                            continue;
                        }
                        self.registers[first..first + n].copy_from_slice(children);
                        self.run(rule, k, class, n_before, rest);
                        if n == 2 && commutes(head) && children[0] != children[1] {
                            self.registers[first] = children[1];
                            self.registers[first + 1] = children[0];
                            self.run(rule, k, class, n_before, rest);
                        }
                    }
                    return;
                }
            }
        }
        let id = |v: usize| view.id(self.registers[rule.variables[v]]);
        let facts = |v: usize| &self.classes[id(v)].data;
        let proved = |proof: &Proof| match *proof {
            Proof::Is(v, property) => facts(v).prove(property),
            Proof::Ordered { less, greater, strict: true } => facts(less).hi < facts(greater).lo,
            Proof::Ordered { less, greater, strict: false } => facts(less).hi <= facts(greater).lo,
        };
        if !rule.conditions.iter().all(proved) {
            return;
        }
        let first = self.matches.ids.len() as u32;
        let variables = rule.variables.iter().map(|&r| view.id(self.registers[r]));
        self.matches.ids.extend(variables);
        self.matches.ids.extend(rest.iter().map(|&c| view.id(c)));
        let end = self.matches.ids.len() as u32;
        let (rule, class) = (self.rule, view.id(class));
        self.matches.found.push(Match { rule, class, first, end });
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
