//! Diagnostics of rules that break their promise.

use super::check::{Counterexample, Failing, check, check_refuted, remedy};
use super::matrix;
use super::rules::{Class, MatrixRule, Refuted, Rule, RuleSet};
use crate::syntax::{Code, Diagnostic};

/// A diagnostic for each rule that does not hold, and for each refuted one that does.
pub fn wrong_rules(rules: &RuleSet) -> Vec<Diagnostic> {
    let wrong = rules.rules.iter().filter_map(|rule| check(rule).err().map(|e| wrong(rule, e)));
    let right = rules.refuted.iter().filter_map(|rule| match check_refuted(rule) {
        (true, _) => None,
        (false, sides) => Some(not_refuted(rule, sides)),
    });
    let wrong_matrix = rules
        .matrix
        .iter()
        .filter_map(|rule| matrix::check::check(rule).err().map(|e| wrong_matrix(rule, e)));
    let right_matrix = rules.refuted_matrix.iter().filter(|rule| !matrix::check::fails(rule));
    let right_matrix = right_matrix.map(|rule| {
        let message = format!("the refuted rule `{}` holds at its sizes", rule.name);
        Diagnostic::new(Code::WrongRule, rule.place.rhs, message)
            .help("give sizes at which the left side is defined and the right side differs from it")
    });
    wrong.chain(right).chain(wrong_matrix).chain(right_matrix).collect()
}

fn wrong_matrix(rule: &MatrixRule, failing: matrix::check::Failing) -> Diagnostic {
    use matrix::check::Failing as F;
    let diagnostic = |at, what: String| {
        Diagnostic::new(Code::WrongRule, at, format!("the rule `{}` {what}", rule.name))
    };
    match failing {
        F::Untested => diagnostic(
            rule.place.name,
            "cannot be tested: its left side is not defined at any small sizes that satisfy its \
             conditions"
                .to_owned(),
        ),
        F::Shape { sizes } => {
            diagnostic(rule.place.rhs, format!("has no right side of equal shape for {sizes}"))
                .secondary(rule.place.lhs, "this is defined")
                .help("conditions on matrices are symmetric, square, column, fits, same_shape")
        }
        F::Entry { sizes, row, col, left, right } => {
            diagnostic(rule.place.rhs, format!("is wrong for {sizes}"))
                .label(format!("entry ({row}, {col}) is {right:?}"))
                .secondary(rule.place.lhs, format!("entry ({row}, {col}) is {left:?}"))
                .help(promise(rule.class))
        }
    }
}

fn wrong(rule: &Rule, failing: Failing) -> Diagnostic {
    let Counterexample { at, left, right } = match failing {
        Failing::At(point) => point,
        Failing::Untested { n_points } => {
            let message = format!(
                "the rule `{}` cannot be tested: {n_points} of the points tried satisfy its \
                 conditions",
                rule.name
            );
            return Diagnostic::new(Code::WrongRule, rule.place.name, message)
                .help("weaken the conditions, or write a constant in the place of the variable");
        }
    };
    let message = format!("the rule `{}` is wrong at {}", rule.name, point_text(&at));
    let mut diagnostic = Diagnostic::new(Code::WrongRule, rule.place.rhs, message)
        .label(format!("{right:?}"))
        .secondary(rule.place.lhs, format!("{left:?} at {}", point_text(&at)))
        .help(promise(rule.class));
    if let Some(conditions) = remedy(rule) {
        let all: Vec<String> = conditions.iter().map(|c| c.to_string()).collect();
        let word = if rule.conditions.is_empty() { "when" } else { "and" };
        diagnostic = diagnostic.help(format!("it holds with `{word} {}`", all.join(" and ")));
    } else if rule.class == Class::Exact || rule.class == Class::Finite {
        let mut weaker = rule.clone();
        weaker.class = Class::Real;
        if check(&weaker).is_ok() {
            diagnostic = diagnostic.help("it holds as a `real` rule");
        }
    }
    diagnostic
}

fn not_refuted(rule: &Refuted, [left, right]: [f64; 2]) -> Diagnostic {
    let message = format!("the refuted rule `{}` holds at its point", rule.name);
    Diagnostic::new(Code::WrongRule, rule.place.rhs, message)
        .label(format!("{right:?}"))
        .secondary(rule.place.lhs, format!("{left:?} at {}", point_text(&rule.at)))
        .help("give a point at which the left side is finite and the right side differs from it")
}

/// What a class promises.
fn promise(class: Class) -> String {
    match class {
        Class::Exact => "an `exact` rule gives the same bits for every f64".to_owned(),
        Class::Finite => {
            "a `finite` rule gives the same for finite operands, up to the sign of zero".to_owned()
        }
        Class::Real => {
            "a `real` rule is equal in real arithmetic wherever the left side is defined".to_owned()
        }
        Class::Approx(tolerance) => {
            format!("an `approx` rule is equal within {tolerance:e} where the left side is defined")
        }
    }
}

fn point_text(at: &[(String, f64)]) -> String {
    let values: Vec<String> = at.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    values.join(", ")
}
