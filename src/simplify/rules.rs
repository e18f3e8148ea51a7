//! Reader of rewrite rules; `rules/README.md` states the format.
//!
//! Takes the text of rule files, gives rules as formulas with a class and conditions, and the
//! refuted rules that the tests keep. The built-in files are part of the program.

use std::sync::OnceLock;

use crate::ops::scalar::ScalarOp;
use crate::syntax::formula::{Formula, FormulaOp, parse_pattern};

/// What a rule promises.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Class {
    /// The same bits for every f64.
    Exact,
    /// The same for finite operands, up to the sign of zero.
    Finite,
    /// Equal in real arithmetic wherever the left side is defined.
    Real,
    /// Equal within a relative tolerance.
    Approx(f64),
}

/// What a simplification may assume of arithmetic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Math {
    /// Every bit stays: exact rules only.
    Strict,
    /// Real arithmetic up to rounding: exact, finite and real rules.
    #[default]
    Real,
    /// Also approximations.
    Fast,
}

impl Math {
    /// Whether rules of that class may be applied.
    pub fn allows(self, class: Class) -> bool {
        match class {
            Class::Exact => true,
            Class::Finite | Class::Real => self != Math::Strict,
            Class::Approx(_) => self == Math::Fast,
        }
    }
}

/// What must be proved of a variable of a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Property {
    Positive,
    NonNegative,
    Negative,
    NonPositive,
    NonZero,
    /// In the closed interval.
    Within(f64, f64),
    Integer,
    Constant,
    /// A constant `2^k` whose reciprocal is exact.
    PowerOfTwo,
}

impl Property {
    /// Whether a number has the property.
    pub fn holds(self, value: f64) -> bool {
        match self {
            Property::Positive => value > 0.0,
            Property::NonNegative => value >= 0.0,
            Property::Negative => value < 0.0,
            Property::NonPositive => value <= 0.0,
            Property::NonZero => value != 0.0 && !value.is_nan(),
            Property::Within(lo, hi) => (lo..=hi).contains(&value),
            Property::Integer => value.is_finite() && value.floor() == value,
            Property::Constant => true,
            Property::PowerOfTwo => {
                value.is_normal()
                    && value.to_bits().trailing_zeros() >= 52
                    && (1.0 / value).is_normal()
            }
        }
    }
}

/// A condition of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    pub variable: String,
    pub property: Property,
}

/// A rewrite rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub name: String,
    pub class: Class,
    pub lhs: Formula,
    pub rhs: Formula,
    pub conditions: Vec<Condition>,
}

/// A rule that is wrong, with the point that shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Refuted {
    pub name: String,
    pub lhs: Formula,
    pub rhs: Formula,
    pub at: Vec<(String, f64)>,
}

/// The rules of one or several files.
///
/// ```
/// use nablac::simplify::rules::{Class, Math, built_in};
/// let rules = built_in();
/// assert!(rules.rules.iter().any(|rule| rule.class == Class::Exact));
/// // What is equal in real arithmetic may have other bits.
/// assert!(!Math::Strict.allows(Class::Real) && Math::Real.allows(Class::Real));
/// ```
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    pub rules: Vec<Rule>,
    pub refuted: Vec<Refuted>,
}

/// A mistake in a rule file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    pub file: String,
    /// From 1.
    pub line: usize,
    pub message: String,
}

impl std::fmt::Display for RuleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

impl std::error::Error for RuleError {}

const FILES: [(&str, &str); 6] = [
    ("arithmetic.rules", include_str!("../../rules/arithmetic.rules")),
    ("powers.rules", include_str!("../../rules/powers.rules")),
    ("explog.rules", include_str!("../../rules/explog.rules")),
    ("trig.rules", include_str!("../../rules/trig.rules")),
    ("select.rules", include_str!("../../rules/select.rules")),
    ("unsound.rules", include_str!("../../rules/unsound.rules")),
];

/// The rules that come with the program.
pub fn built_in() -> &'static RuleSet {
    static RULES: OnceLock<RuleSet> = OnceLock::new();
    RULES.get_or_init(|| {
        let mut all = RuleSet::default();
        for (file, text) in FILES {
            read_rules(file, text, &mut all)
                .expect("invariant: the built-in rules are well formed");
        }
        all
    })
}

/// Adds the rules in `text` to `rules`; the error names the first line that is wrong.
///
/// ```
/// use nablac::simplify::rules::{RuleSet, read_rules};
/// let mut rules = RuleSet::default();
/// read_rules("my.rules", "log-exp real log(exp(x)) => x", &mut rules)?;
/// assert_eq!(rules.rules[0].name, "log-exp");
/// # Ok::<(), nablac::simplify::rules::RuleError>(())
/// ```
pub fn read_rules(file: &str, text: &str, rules: &mut RuleSet) -> Result<(), RuleError> {
    for (k, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("").trim();
        let fail = |message| RuleError { file: file.to_owned(), line: k + 1, message };
        if let Some(line) = line.strip_prefix('!') {
            let rule = read_refuted(line).map_err(fail)?;
            rules.refuted.push(rule);
        } else if !line.is_empty() {
            let rule = read_rule(line).map_err(fail)?;
            if rules.rules.iter().any(|r| r.name == rule.name) {
                return Err(fail(format!("there is a rule `{}` already", rule.name)));
            }
            rules.rules.push(rule);
        }
    }
    Ok(())
}

fn read_rule(line: &str) -> Result<Rule, String> {
    let (name, rest) = word(line);
    let (class, rest) = word(rest);
    let class = read_class(class)?;
    let (sides, conditions) = match rest.split_once(" when ") {
        Some((sides, conditions)) => (sides, read_conditions(conditions)?),
        None => (rest, Vec::new()),
    };
    let (lhs, rhs) = read_sides(sides)?;
    let bound = variables(&lhs);
    if let Some(free) = variables(&rhs).iter().find(|v| !bound.contains(v)) {
        return Err(format!("`{free}` does not occur on the left side"));
    }
    if let Some(c) = conditions.iter().find(|c| !bound.contains(&c.variable.as_str())) {
        return Err(format!("`{}` does not occur on the left side", c.variable));
    }
    if matches!(lhs.ops[..], [FormulaOp::Var(_)]) {
        return Err("the left side is a mere variable".to_owned());
    }
    Ok(Rule { name: name.to_owned(), class, lhs, rhs, conditions })
}

fn read_refuted(line: &str) -> Result<Refuted, String> {
    let (name, rest) = word(line);
    let (sides, at) = rest.split_once(" at ").ok_or("a refuted rule needs `at x = VALUE`")?;
    let (lhs, rhs) = read_sides(sides)?;
    let mut point = Vec::new();
    for part in at.split(',') {
        let (variable, value) = part.split_once('=').ok_or("write `x = VALUE`")?;
        let value = value.trim();
        let value = value.parse().map_err(|_| format!("`{value}` is no number"))?;
        point.push((variable.trim().to_owned(), value));
    }
    let given = |v: &&str| point.iter().any(|(name, _)| name == v);
    let all = [variables(&lhs), variables(&rhs)].concat();
    if let Some(missing) = all.iter().find(|v| !given(v)) {
        return Err(format!("`{missing}` has no value"));
    }
    Ok(Refuted { name: name.to_owned(), lhs, rhs, at: point })
}

fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_once(char::is_whitespace).unwrap_or((text, ""))
}

fn read_class(text: &str) -> Result<Class, String> {
    let tolerance = text.strip_prefix("approx(").and_then(|t| t.strip_suffix(')'));
    match (text, tolerance) {
        ("exact", _) => Ok(Class::Exact),
        ("finite", _) => Ok(Class::Finite),
        ("real", _) => Ok(Class::Real),
        (_, Some(tolerance)) => match tolerance.parse() {
            Ok(tolerance) if tolerance > 0.0 && tolerance < 1.0 => Ok(Class::Approx(tolerance)),
            _ => Err(format!("`{tolerance}` is no tolerance between 0 and 1")),
        },
        _ => Err(format!("`{text}` is none of exact, finite, real, approx(TOL)")),
    }
}

fn read_sides(text: &str) -> Result<(Formula, Formula), String> {
    let (lhs, rhs) = text.split_once("=>").ok_or("`=>` is missing")?;
    Ok((read_formula(lhs)?, read_formula(rhs)?))
}

/// A formula all of whose operations are in the table, with as many arguments as they take.
fn read_formula(text: &str) -> Result<Formula, String> {
    let formula = parse_pattern(text)?;
    for op in &formula.ops {
        if let FormulaOp::Apply { name, n_args } = op {
            let op = ScalarOp::from_name(name).ok_or(format!("unknown operation `{name}`"))?;
            if op.arity() != usize::from(*n_args) {
                return Err(format!("`{name}` takes {} arguments, not {n_args}", op.arity()));
            }
        }
    }
    Ok(formula)
}

fn read_conditions(text: &str) -> Result<Vec<Condition>, String> {
    text.split(" and ").map(read_condition).collect()
}

fn read_condition(text: &str) -> Result<Condition, String> {
    let wrong = || format!("`{}` is no condition", text.trim());
    if let Some((variable, interval)) = text.split_once(" in ") {
        let inside = interval.trim().strip_prefix('[').and_then(|t| t.strip_suffix(']'));
        let (lo, hi) = inside.and_then(|t| t.split_once(',')).ok_or_else(wrong)?;
        let number = |t: &str| t.trim().parse::<f64>().map_err(|_| wrong());
        let property = Property::Within(number(lo)?, number(hi)?);
        return Ok(Condition { variable: variable.trim().to_owned(), property });
    }
    let formula = parse_pattern(text)?;
    let (variable, property) = match &formula.ops[..] {
        [FormulaOp::Var(v), FormulaOp::Apply { name, n_args: 1 }] => {
            let property = match name.as_str() {
                "integer" => Property::Integer,
                "constant" => Property::Constant,
                "power_of_two" => Property::PowerOfTwo,
                _ => return Err(wrong()),
            };
            (v, property)
        }
        [FormulaOp::Var(v), FormulaOp::Number(0.0), FormulaOp::Apply { name, n_args: 2 }] => {
            let property = match name.as_str() {
                "gt" => Property::Positive,
                "ge" => Property::NonNegative,
                "lt" => Property::Negative,
                "le" => Property::NonPositive,
                "ne" => Property::NonZero,
                _ => return Err(wrong()),
            };
            (v, property)
        }
        _ => return Err(wrong()),
    };
    Ok(Condition { variable: variable.clone(), property })
}

/// The free variables of a formula, each once, in order of appearance.
pub fn variables(formula: &Formula) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for op in &formula.ops {
        if let FormulaOp::Var(v) = op
            && !names.contains(&v.as_str())
        {
            names.push(v);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(line: &str) -> String {
        read_rules("t.rules", &format!("# first\n{line}"), &mut RuleSet::default())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_rule_has_name_class_sides_and_conditions() {
        let mut rules = RuleSet::default();
        let text = "a-b approx(1e-9) x + y => y when x >= 0 and y in [-1, 2] # why";
        read_rules("t.rules", text, &mut rules).unwrap();
        let rule = &rules.rules[0];
        assert_eq!((rule.name.as_str(), rule.class), ("a-b", Class::Approx(1e-9)));
        let properties: Vec<Property> = rule.conditions.iter().map(|c| c.property).collect();
        assert_eq!(properties, [Property::NonNegative, Property::Within(-1.0, 2.0)]);
    }

    #[test]
    fn mistakes_name_their_line() {
        assert_eq!(message("r real x => y"), "t.rules:2: `y` does not occur on the left side");
        assert_eq!(
            message("r sure x + 0 => x"),
            "t.rules:2: `sure` is none of exact, finite, real, approx(TOL)"
        );
        assert_eq!(message("r real sin(x, y) => x"), "t.rules:2: `sin` takes 1 arguments, not 2");
        assert_eq!(message("r real x + x"), "t.rules:2: `=>` is missing");
        assert_eq!(message("r real foo(x) => x"), "t.rules:2: unknown operation `foo`");
        assert_eq!(message("r real x + x => x when x > 1"), "t.rules:2: `x > 1` is no condition");
        assert_eq!(message("!r x + y => x at x = 1"), "t.rules:2: `y` has no value");
        assert_eq!(
            message("r approx(2) x + y => x"),
            "t.rules:2: `2` is no tolerance between 0 and 1"
        );
    }

    #[test]
    fn built_in_rules_are_well_formed_and_many() {
        assert!(built_in().rules.len() >= 30);
        assert!(built_in().refuted.len() >= 10);
    }
}
