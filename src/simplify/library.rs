//! The rules that come with the program, each read when it may first be of use.
//!
//! Most functions use few operations, and reading all rules takes longer than simplifying a small
//! function. So the operations that a rule needs are found by words, and only rules are read all
//! of whose operations occur or can be made by other rules.

use std::sync::OnceLock;

use super::read::{read_rule, read_rules};
use super::rules::{Math, Rule, RuleSet};
use super::view::{Heads, only};
use crate::ops::scalar::ScalarOp;
use crate::simplify::language::Head;
use crate::syntax::{FileId, SourceMap};

/// The files; those from the one on matrices on have no rules on scalars.
static FILES: [(&str, &str); 11] = [
    ("arithmetic.rules", include_str!("../../rules/arithmetic.rules")),
    ("powers.rules", include_str!("../../rules/powers.rules")),
    ("explog.rules", include_str!("../../rules/explog.rules")),
    ("trig.rules", include_str!("../../rules/trig.rules")),
    ("hyperbolic.rules", include_str!("../../rules/hyperbolic.rules")),
    ("stability.rules", include_str!("../../rules/stability.rules")),
    ("select.rules", include_str!("../../rules/select.rules")),
    ("logic.rules", include_str!("../../rules/logic.rules")),
    ("approx.rules", include_str!("../../rules/approx.rules")),
    ("linalg.rules", include_str!("../../rules/linalg.rules")),
    ("unsound.rules", include_str!("../../rules/unsound.rules")),
];
const N_SCALAR: usize = 9;

/// The rules that come with the program.
pub fn built_in() -> &'static RuleSet {
    static RULES: OnceLock<RuleSet> = OnceLock::new();
    RULES.get_or_init(|| {
        let mut all = RuleSet::default();
        for (file, (_, text)) in FILES.iter().enumerate() {
            let mistakes = read_rules(FileId(file as u32), text, &mut all);
            assert!(mistakes.is_empty(), "invariant: the built-in rules are well formed");
        }
        all
    })
}

/// The files of the rules that come with the program.
pub fn built_in_sources() -> SourceMap {
    let mut sources = SourceMap::new();
    for (name, text) in FILES {
        sources.add(name, text);
    }
    sources
}

/// The built-in rules that may match where the operations `heads` occur, under a promise.
pub fn applicable(heads: Heads, math: Math) -> Vec<&'static Rule> {
    let allowed = |entry: &&Entry| !entry.is_approximate || math == Math::Fast;
    let entries: Vec<&Entry> = entries().iter().filter(allowed).collect();
    let mut heads = heads;
    let mut is_chosen = vec![false; entries.len()];
    loop {
        let mut grown = heads;
        for (entry, is_chosen) in entries.iter().zip(&mut is_chosen) {
            *is_chosen |= entry.needs & !grown == 0;
            if *is_chosen {
                grown |= entry.makes;
            }
        }
        if grown == heads {
            break;
        }
        heads = grown;
    }
    let chosen = entries.iter().zip(is_chosen).filter(|(_, is_chosen)| *is_chosen);
    chosen.filter_map(|(entry, _)| entry.rule()).collect()
}

/// The rules `f(-x) => ..` of the operations `heads`.
pub fn of_negatives(heads: Heads) -> Vec<&'static Rule> {
    let negative = |entry: &&Entry| {
        entry.needs & !heads == 0 && entry.needs.count_ones() == 1 && entry.line.contains("(-x) =>")
    };
    entries().iter().filter(negative).filter_map(Entry::rule).collect()
}

/// A line that is a rule.
struct Entry {
    file: usize,
    line: &'static str,
    /// Operations of the left side and of the right side, arithmetic left out.
    needs: Heads,
    makes: Heads,
    is_approximate: bool,
    rule: OnceLock<Option<Rule>>,
}

impl Entry {
    fn rule(&'static self) -> Option<&'static Rule> {
        let (file, text) = (FileId(self.file as u32), FILES[self.file].1);
        self.rule.get_or_init(|| read_rule(file, text, self.line).ok()).as_ref()
    }
}

fn entries() -> &'static [Entry] {
    static ENTRIES: OnceLock<Vec<Entry>> = OnceLock::new();
    ENTRIES.get_or_init(|| {
        let lines = FILES[..N_SCALAR].iter().enumerate();
        let lines = lines.flat_map(|(k, (_, text))| text.lines().map(move |l| (k, l)));
        lines
            .filter_map(|(file, line)| {
                let line = line.split('#').next().unwrap_or("").trim();
                let (left, right) = line.split_once("=>")?;
                // The name of the rule may be a word of an operation.
                let sides = left.split_once(char::is_whitespace)?.1;
                let right = right.split(" when ").next().unwrap_or("");
                let (needs, makes) = (operations(sides), operations(right));
                let is_rule = !line.starts_with('!');
                let is_approximate = sides.trim_start().starts_with("approx(");
                let rule = OnceLock::new();
                is_rule.then_some(Entry { file, line, needs, makes, is_approximate, rule })
            })
            .collect()
    })
}

/// The functions and comparisons in the text of a formula.
fn operations(text: &str) -> Heads {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let signs = [
        ("<", ScalarOp::Lt),
        ("<=", ScalarOp::Le),
        (">", ScalarOp::Gt),
        (">=", ScalarOp::Ge),
        ("==", ScalarOp::Eq),
        ("!=", ScalarOp::Ne),
    ];
    let mut heads = 0;
    for part in text.split(|c: char| !is_word(c)).filter(|part| !part.is_empty()) {
        heads |= ScalarOp::from_name(part).map_or(0, |op| only(Head::Apply(op)));
    }
    for part in text.split(|c: char| !"<>=!".contains(c)).filter(|part| !part.is_empty()) {
        let op = signs.iter().find(|(sign, _)| *sign == part);
        heads |= op.map_or(0, |(_, op)| only(Head::Apply(*op)));
    }
    heads
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simplify::rules::Class;
    use crate::syntax::formula::FormulaOp;

    /// The functions and comparisons of a formula.
    fn heads(ops: &[FormulaOp]) -> Heads {
        let head = |op: &FormulaOp| match op {
            FormulaOp::Apply { name, .. } => {
                let arithmetic = ["add", "sub", "mul", "div", "neg"].contains(&name.as_str());
                let op = ScalarOp::from_name(name).filter(|_| !arithmetic);
                op.map_or(0, |op| only(Head::Apply(op)))
            }
            _ => 0,
        };
        ops.iter().fold(0, |all, op| all | head(op))
    }

    #[test]
    fn words_name_the_operations() {
        let rules = &built_in().rules;
        assert_eq!(entries().len(), rules.len());
        let power = only(Head::Apply(ScalarOp::Pow));
        for (entry, rule) in entries().iter().zip(rules) {
            assert_eq!(entry.rule(), Some(rule));
            assert_eq!(entry.is_approximate, matches!(rule.class, Class::Approx(_)));
            assert_eq!(entry.needs | power, heads(&rule.lhs.ops) | power, "{}", rule.name);
            assert_eq!(entry.makes | power, heads(&rule.rhs.ops) | power, "{}", rule.name);
        }
    }

    #[test]
    fn rules_that_others_lead_to_are_applicable() {
        let names = |ops: &[ScalarOp]| -> Vec<&str> {
            let heads = ops.iter().fold(0, |all, op| all | only(Head::Apply(*op)));
            applicable(heads, Math::Real).iter().map(|rule| rule.name.as_str()).collect()
        };
        assert!(!names(&[]).contains(&"log-of-exp"));
        assert!(!names(&[ScalarOp::Exp]).contains(&"log-of-exp"));
        assert!(names(&[ScalarOp::Exp, ScalarOp::Log]).contains(&"log-of-exp"));
        // 1 / (1 + exp(-x)) is a sigmoid first.
        assert!(names(&[ScalarOp::Exp]).contains(&"one-minus-sigmoid"));
        assert_eq!(of_negatives(only(Head::Apply(ScalarOp::Sin))).len(), 1);
    }
}
