//! Rewrite rules: formulas with a class and conditions, and the refuted rules that the tests keep.
//!
//! The built-in files are part of the program; `rules/README.md` states their format.

use std::fmt;
use std::sync::Arc;

pub use super::library::{built_in, built_in_sources};
pub use super::matrix::rule::{MatrixRule, RefutedMatrixRule};
pub use super::read::read_rules;
use super::report;
use crate::syntax::formula::{Formula, FormulaOp};
use crate::syntax::{Diagnostic, SourceMap, Span, render_all};

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

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Class::Exact => f.write_str("exact"),
            Class::Finite => f.write_str("finite"),
            Class::Real => f.write_str("real"),
            Class::Approx(tolerance) => write!(f, "approx({tolerance:e})"),
        }
    }
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

    /// Whether a product and its addition may be rounded once.
    pub fn contracts(self) -> bool {
        self == Math::Fast
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
pub enum Condition {
    /// Of one variable.
    Is { variable: String, property: Property },
    /// Of two: `less < greater` if strict, else `less <= greater`.
    Ordered { less: String, greater: String, strict: bool },
}

impl Condition {
    /// The variables that it speaks of.
    pub fn variables(&self) -> Vec<&str> {
        match self {
            Condition::Is { variable, .. } => vec![variable],
            Condition::Ordered { less, greater, .. } => vec![less, greater],
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (v, property) = match self {
            Condition::Is { variable, property } => (variable, property),
            Condition::Ordered { less, greater, strict } => {
                return write!(f, "{less} {} {greater}", if *strict { "<" } else { "<=" });
            }
        };
        match property {
            Property::Positive => write!(f, "{v} > 0"),
            Property::NonNegative => write!(f, "{v} >= 0"),
            Property::Negative => write!(f, "{v} < 0"),
            Property::NonPositive => write!(f, "{v} <= 0"),
            Property::NonZero => write!(f, "{v} != 0"),
            Property::Within(lo, hi) => write!(f, "{v} in [{lo:?}, {hi:?}]"),
            Property::Integer => write!(f, "integer({v})"),
            Property::Constant => write!(f, "constant({v})"),
            Property::PowerOfTwo => write!(f, "power_of_two({v})"),
        }
    }
}

/// A rewrite rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub name: String,
    pub class: Class,
    pub lhs: Formula,
    pub rhs: Formula,
    pub conditions: Vec<Condition>,
    pub place: Place,
}

/// A rule that is wrong, with the point that shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Refuted {
    pub name: String,
    pub lhs: Formula,
    pub rhs: Formula,
    pub at: Vec<(String, f64)>,
    pub place: Place,
}

/// Where a rule stands in its file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    pub name: Span,
    pub lhs: Span,
    pub rhs: Span,
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
    /// Rules on matrices.
    pub matrix: Vec<MatrixRule>,
    pub refuted_matrix: Vec<RefutedMatrixRule>,
}

impl RuleSet {
    /// Place and class of all rules, those on matrices last.
    pub fn places(&self) -> impl Iterator<Item = (Place, Class)> + '_ {
        let matrix = self.matrix.iter().map(|rule| (rule.place, rule.class));
        self.rules.iter().map(|rule| (rule.place, rule.class)).chain(matrix)
    }

    /// The number of wrong rules that are kept as such.
    pub fn n_refuted(&self) -> usize {
        self.refuted.len() + self.refuted_matrix.len()
    }
}

/// Rules of a user, each of which has been checked. Equal only to its clones.
///
/// ```
/// use nablac::simplify::SimplifyOptions;
/// use nablac::simplify::rules::UserRules;
/// let text = "double-angle real 2 * sin(x) * cos(x) => sin(2 * x)";
/// let rules = UserRules::parse("my.rules", text)?;
/// let options = SimplifyOptions { rules: Some(rules), ..SimplifyOptions::default() };
/// let wrong = UserRules::parse("my.rules", "root real sqrt(x^2) => x").unwrap_err();
/// assert!(wrong.to_string().contains("x = -1"));
/// # Ok::<(), Box<nablac::simplify::rules::RulesError>>(())
/// ```
#[derive(Clone, Debug)]
pub struct UserRules(Arc<RuleSet>);

impl UserRules {
    /// Reads and checks a file of rules; `name` stands in messages.
    ///
    /// # Errors
    /// All mistakes of the text, or all rules that break their promise, with counterexamples.
    pub fn parse(name: &str, text: &str) -> Result<UserRules, Box<RulesError>> {
        let mut sources = SourceMap::new();
        let file = sources.add(name, text);
        let mut rules = RuleSet::default();
        let mut diagnostics = read_rules(file, text, &mut rules);
        if diagnostics.is_empty() {
            diagnostics = report::wrong_rules(&rules);
        }
        match diagnostics.is_empty() {
            true => Ok(UserRules(Arc::new(rules))),
            false => Err(Box::new(RulesError { diagnostics, sources })),
        }
    }

    pub fn rules(&self) -> &RuleSet {
        &self.0
    }
}

impl PartialEq for UserRules {
    fn eq(&self, other: &UserRules) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for UserRules {}

impl std::hash::Hash for UserRules {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

/// Why a file of rules is not used.
#[derive(Clone, Debug)]
pub struct RulesError {
    pub diagnostics: Vec<Diagnostic>,
    pub sources: SourceMap,
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(render_all(&self.diagnostics, &self.sources, false).trim_end())
    }
}

impl std::error::Error for RulesError {}

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

    #[test]
    fn built_in_rules_are_well_formed_and_many() {
        assert!(built_in().rules.len() >= 150);
        assert!(built_in().matrix.len() >= 50);
        assert!(built_in().refuted.len() >= 30);
    }
}
