//! Where rules match in an e-graph, and what to do there.
//!
//! The operands of a sum or product at the root of a rule match any operands of an n-ary node, the
//! others staying; below the root, sums and products match nodes of just two operands. Rules are
//! found by the head of their root, and those with a head that does not occur are not tried.

use std::hash::{Hash, Hasher};

use egg::Id;
use rustc_hash::{FxHashSet, FxHasher};

use super::language::Classes;
use super::pattern::{Compiled, Proof, Step, commutes};
use super::rules::{Math, Rule};
use super::view::{N_KINDS, View, kind};

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

/// Longest sum or product that is searched.
const MAX_CHILDREN: usize = 16;
/// Most matches of one rule in one class that are taken up at once.
const MAX_MATCHES: usize = 1000;
/// Most nodes that are looked at for one rule in one class.
const MAX_LOOKS: usize = 20_000;

impl RuleBook {
    /// The rules that may be applied under a promise.
    pub fn new<'r>(rules: impl IntoIterator<Item = &'r Rule>, math: Math) -> RuleBook {
        let allowed = rules.into_iter().filter(|r| math.allows(r.class));
        let rules: Vec<Compiled> = allowed.flat_map(Compiled::new).collect();
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

    /// Makes the right sides equal to what matched, first by rules that save operations.
    pub fn apply(&self, classes: &mut Classes, matches: &Matches, session: &mut Session) {
        let mut made = Vec::new();
        for saves in [true, false] {
            for m in &matches.found {
                let rule = &self.rules[m.rule as usize];
                if rule.saves != saves {
                    continue;
                }
                if rule.makes_calls && !session.with_calls {
                    session.is_all = false;
                    continue;
                }
                if classes.total_size() > session.limit {
                    return;
                }
                let ids = &matches.ids[m.first as usize..m.end as usize];
                let mut hasher = FxHasher::default();
                (m.rule, m.class, ids).hash(&mut hasher);
                if session.done.insert(hasher.finish()) {
                    rule.apply(classes, m.class, ids, &mut made);
                }
            }
        }
    }
}

/// What is remembered from one round of matches to the next.
pub struct Session {
    /// Whether rules apply that make calls of functions out of arithmetic.
    with_calls: bool,
    /// Nodes from which on nothing is added.
    limit: usize,
    /// Whether no match was left out.
    pub is_all: bool,
    /// Hashes of the matches that have been applied.
    done: FxHashSet<u64>,
}

impl Session {
    pub fn new(with_calls: bool, limit: usize) -> Session {
        Session { with_calls, limit, is_all: true, done: FxHashSet::default() }
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
            if children.len() >= rule.operands.len() && children.len() <= MAX_CHILDREN {
                self.operands(rule, 0, 0, children, class, n_before);
            }
        }
    }

    /// Puts each choice of children into the registers of the operands from `operand` on; `taken`
    /// are the bits of those in the registers before. Recursion is bounded by the rule.
    fn operands(
        &mut self,
        rule: &Compiled,
        operand: usize,
        taken: u32,
        children: &[u32],
        class: u32,
        n_before: usize,
    ) {
        let Some(&heads) = rule.operands.get(operand) else {
            let others = children.iter().enumerate().filter(|(k, _)| taken >> k & 1 == 0);
            let mut rest = [0; MAX_CHILDREN];
            let mut n_rest = 0;
            for (place, (_, &child)) in rest.iter_mut().zip(others) {
                (*place, n_rest) = (child, n_rest + 1);
            }
            self.run(rule, 0, class, n_before, &rest[..n_rest]);
            return;
        };
        // The second operand of a rule that stays the same follows the first.
        let first = match rule.symmetric && operand == 1 {
            true => 32 - taken.leading_zeros() as usize,
            false => 0,
        };
        for (k, &child) in children.iter().enumerate().skip(first) {
            if taken >> k & 1 == 0 && heads & !self.view.heads_of(child) == 0 {
                self.registers[operand] = child;
                self.operands(rule, operand + 1, taken | 1 << k, children, class, n_before);
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
