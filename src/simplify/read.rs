//! Reader of files of rewrite rules; `rules/README.md` states the format.
//!
//! Takes the text of a file, gives its rules and all its mistakes.

use super::matrix::rule::{self, MatrixRule, RefutedMatrixRule, is_matrix};
use super::rules::{Class, Condition, Place, Property, Refuted, Rule, RuleSet, variables};
use crate::ops::scalar::ScalarOp;
use crate::syntax::formula::{Formula, FormulaOp, constant, parse_matrix_pattern, parse_pattern};
use crate::syntax::{Code, Diagnostic, FileId, Span, did_you_mean};

/// Steps of the longest side, in postfix order.
const MAX_STEPS: usize = 64;
/// Most variables of one rule.
const MAX_VARIABLES: usize = 8;
/// Most matrices of one rule.
const MAX_MATRICES: usize = 4;

/// Adds the rules in `text` to `rules` and gives what is wrong with the others, line by line.
///
/// ```
/// use nablac::simplify::rules::{RuleSet, read_rules};
/// use nablac::syntax::FileId;
/// let mut rules = RuleSet::default();
/// let text = "log-exp real log(exp(x)) => x\nhalf real x => ";
/// let mistakes = read_rules(FileId(0), text, &mut rules);
/// assert_eq!((rules.rules[0].name.as_str(), mistakes.len()), ("log-exp", 1));
/// ```
pub fn read_rules(file: FileId, text: &str, rules: &mut RuleSet) -> Vec<Diagnostic> {
    let reader = Reader { file, text };
    let mut mistakes = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or("").trim();
        let read = match line.strip_prefix('!') {
            _ if line.is_empty() => Ok(()),
            Some(line) if is_on_matrices(line) => {
                reader.refuted_matrix(line).map(|rule| rules.refuted_matrix.push(rule))
            }
            Some(line) => reader.refuted(line).map(|rule| rules.refuted.push(rule)),
            None if is_on_matrices(line) => reader.matrix_rule(line).and_then(|rule| {
                rules.admits(&rule.name, rule.place)?;
                rules.matrix.push(rule);
                Ok(())
            }),
            None => reader.rule(line).and_then(|rule| {
                rules.admits(&rule.name, rule.place)?;
                rules.rules.push(rule);
                Ok(())
            }),
        };
        mistakes.extend(read.err().map(|mistake| *mistake));
    }
    mistakes
}

impl RuleSet {
    /// Refuses a second rule of a name.
    fn admits(&self, name: &str, place: Place) -> Read<()> {
        let named = self.rules.iter().map(|rule| (&rule.name, rule.place));
        let mut all = named.chain(self.matrix.iter().map(|rule| (&rule.name, rule.place)));
        let Some((_, first)) = all.find(|(known, _)| *known == name) else { return Ok(()) };
        let message = format!("there are two rules `{name}`");
        let mistake = Diagnostic::new(Code::MalformedRule, place.name, message);
        Err(Box::new(mistake.secondary(first.name, "the first one")))
    }
}

/// Whether a line has a name that stands for a matrix.
fn is_on_matrices(line: &str) -> bool {
    // The name of a rule may begin with a capital letter.
    let sides = line.trim_start().split_once(char::is_whitespace).map_or("", |(_, sides)| sides);
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    sides.split(|c| !is_word(c)).any(is_matrix)
}

/// The rule in a line, which is a part of `text`.
pub fn read_rule(file: FileId, text: &str, line: &str) -> Result<Rule, Box<Diagnostic>> {
    Reader { file, text }.rule(line)
}

type Read<T> = Result<T, Box<Diagnostic>>;

struct Reader<'t> {
    file: FileId,
    text: &'t str,
}

impl Reader<'_> {
    /// The place of a part of the text.
    fn span(&self, part: &str) -> Span {
        let offset = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span { file: self.file, start: place(offset), end: place(offset + part.len()) }
    }

    fn mistake(&self, part: &str, message: impl Into<String>) -> Box<Diagnostic> {
        Box::new(Diagnostic::new(Code::MalformedRule, self.span(part), message))
    }

    /// The name and class that a rule begins with, and the rest of the line.
    fn head<'l>(&self, line: &'l str) -> Read<(&'l str, Class, &'l str)> {
        let (name, rest) = word(line);
        let (class_text, rest) = word(rest);
        Ok((name, self.class(class_text, line)?, rest))
    }

    fn rule(&self, line: &str) -> Read<Rule> {
        let (name, class, rest) = self.head(line)?;
        let (sides, conditions) = match rest.split_once(" when ") {
            Some((sides, conditions)) => (sides, self.conditions(conditions)?),
            None => (rest, Vec::new()),
        };
        let ([lhs, rhs], place) = self.sides(sides, name)?;
        let bound = variables(&lhs);
        let unbound = |v: &str| !bound.contains(&v);
        if let Some(free) = variables(&rhs).into_iter().find(|v| unbound(v)) {
            let message = format!("`{free}` does not occur on the left side");
            let mistake = Diagnostic::new(Code::MalformedRule, place.rhs, message);
            return Err(Box::new(
                mistake.secondary(place.lhs, "the left side binds all variables"),
            ));
        }
        if let Some(v) = conditions.iter().flat_map(Condition::variables).find(|v| unbound(v)) {
            let message = format!("`{v}` does not occur on the left side");
            return Err(self.mistake(rest.split_once(" when ").map_or(rest, |(_, c)| c), message));
        }
        let is_operation = |op: &FormulaOp| matches!(op, FormulaOp::Apply { .. });
        if !lhs.ops.iter().any(is_operation) {
            let message = "the left side has no operation";
            return Err(Box::new(Diagnostic::new(Code::MalformedRule, place.lhs, message)));
        }
        if bound.len() > MAX_VARIABLES {
            let message = format!("a rule has at most {MAX_VARIABLES} variables");
            return Err(Box::new(Diagnostic::new(Code::MalformedRule, place.lhs, message)));
        }
        Ok(Rule { name: name.to_owned(), class, lhs, rhs, conditions, place })
    }

    fn refuted(&self, line: &str) -> Read<Refuted> {
        let (name, rest) = word(line);
        let Some((sides, at)) = rest.split_once(" at ") else {
            return Err(self.mistake(line, "a refuted rule needs `at x = VALUE`"));
        };
        let ([lhs, rhs], place) = self.sides(sides, name)?;
        let mut point = Vec::new();
        for part in at.split(',') {
            let Some((variable, value)) = part.split_once('=') else {
                return Err(self.mistake(part.trim(), "write `x = VALUE`"));
            };
            let value = value.trim();
            let number = value
                .parse()
                .map_err(|_| self.mistake(value, format!("`{value}` is not a number")))?;
            point.push((variable.trim().to_owned(), number));
        }
        let given = |v: &&str| point.iter().any(|(name, _)| name == v);
        let all = [variables(&lhs), variables(&rhs)].concat();
        if let Some(missing) = all.iter().find(|v| !given(v)) {
            return Err(self.mistake(at.trim(), format!("`{missing}` has no value")));
        }
        Ok(Refuted { name: name.to_owned(), lhs, rhs, at: point, place })
    }

    fn matrix_rule(&self, line: &str) -> Read<MatrixRule> {
        let (name, class, rest) = self.head(line)?;
        let (sides, conditions) = rest.split_once(" when ").unwrap_or((rest, ""));
        let ([lhs, rhs], place) = self.side_texts(sides, name)?;
        let mut variables = Vec::new();
        let lhs_steps = self.matrix_side(lhs, &mut variables)?;
        let n_bound = variables.len();
        let rhs = self.matrix_side(rhs, &mut variables)?;
        if let Some(free) = variables.get(n_bound) {
            let message = format!("`{free}` does not occur on the left side");
            let mistake = Diagnostic::new(Code::MalformedRule, place.rhs, message);
            return Err(Box::new(
                mistake.secondary(place.lhs, "the left side binds all variables"),
            ));
        }
        if !matches!(lhs_steps.last(), Some(rule::Step::Apply(..))) {
            return Err(self.mistake(lhs, "the left side has no operation"));
        }
        if variables.iter().filter(|v| is_matrix(v)).count() > MAX_MATRICES {
            let message = format!("a rule has at most {MAX_MATRICES} matrices");
            return Err(self.mistake(lhs, message));
        }
        let parts = conditions.split(" and ").map(str::trim).filter(|part| !part.is_empty());
        let conditions =
            parts.map(|part| self.matrix_condition(part, &variables)).collect::<Read<_>>()?;
        let name = name.to_owned();
        Ok(MatrixRule { name, class, variables, lhs: lhs_steps, rhs, conditions, place })
    }

    fn refuted_matrix(&self, line: &str) -> Read<RefutedMatrixRule> {
        let (name, rest) = word(line);
        let Some((sides, at)) = rest.split_once(" at ") else {
            return Err(self.mistake(line, "a refuted rule on matrices needs `at A = 2x2`"));
        };
        let ([lhs, rhs], place) = self.side_texts(sides, name)?;
        let mut variables = Vec::new();
        let lhs = self.matrix_side(lhs, &mut variables)?;
        let rhs = self.matrix_side(rhs, &mut variables)?;
        let mut sizes = vec![None; variables.len()];
        for part in at.split(',').map(str::trim) {
            let read = part.split_once('=').and_then(|(name, size)| {
                let (n_rows, n_cols) = size.trim().split_once('x')?;
                let number = |text: &str| text.parse().ok().filter(|n| (1..=9).contains(n));
                Some((name.trim(), (number(n_rows)?, number(n_cols)?)))
            });
            let Some((variable, size)) = read else {
                return Err(self.mistake(part, "write `A = 2x3`, each from 1 to 9"));
            };
            if let Some(k) = variables.iter().position(|v| v == variable) {
                sizes[k] = Some(size);
            }
        }
        let size = |(k, size): (usize, Option<(usize, usize)>)| match size {
            None if !is_matrix(&variables[k]) => Ok((1, 1)),
            None => Err(self.mistake(at.trim(), format!("`{}` has no size", variables[k]))),
            Some(size) => Ok(size),
        };
        let sizes = sizes.into_iter().enumerate().map(size).collect::<Read<_>>()?;
        Ok(RefutedMatrixRule { name: name.to_owned(), variables, lhs, rhs, sizes, place })
    }

    fn matrix_side(&self, text: &str, variables: &mut Vec<String>) -> Read<Vec<rule::Step>> {
        let formula = parse_matrix_pattern(text).map_err(|message| self.mistake(text, message))?;
        if formula.ops.len() > MAX_STEPS {
            let message = format!("a side of a rule has at most {MAX_STEPS} steps");
            return Err(self.mistake(text, message));
        }
        rule::steps(&formula, variables).map_err(|message| self.mistake(text, message))
    }

    fn matrix_condition(&self, text: &str, variables: &[String]) -> Read<rule::Condition> {
        let formula = parse_pattern(text).ok();
        let read = formula.as_ref().and_then(|formula| {
            let (last, of) = formula.ops.split_last()?;
            let FormulaOp::Apply { name, .. } = last else { return None };
            let &(_, property, arity) =
                rule::Property::ALL.iter().find(|(known, ..)| known == name)?;
            let of = of.iter().map(|op| match op {
                FormulaOp::Var(name) => variables.iter().position(|v| v == name),
                _ => None,
            });
            let of = of.collect::<Option<Vec<usize>>>().filter(|of| of.len() == arity)?;
            Some(rule::Condition { property, of })
        });
        read.ok_or_else(|| {
            let help = "conditions on matrices of the left side are symmetric(A), square(A), \
                        column(A), fits(A, B), same_shape(A, B)";
            Box::new(self.mistake(text, format!("`{text}` is not a condition")).help(help))
        })
    }

    fn class(&self, text: &str, line: &str) -> Read<Class> {
        let tolerance = text.strip_prefix("approx(").and_then(|t| t.strip_suffix(')'));
        match (text, tolerance) {
            ("exact", _) => Ok(Class::Exact),
            ("finite", _) => Ok(Class::Finite),
            ("real", _) => Ok(Class::Real),
            (_, Some(tolerance)) => match tolerance.parse() {
                Ok(tolerance) if tolerance > 0.0 && tolerance < 1.0 => Ok(Class::Approx(tolerance)),
                _ => Err(self
                    .mistake(tolerance, format!("`{tolerance}` is not a tolerance between 0 and 1"))),
            },
            ("", _) => Err(Box::new(
                self.mistake(line, "a rule is `NAME CLASS LEFT => RIGHT [when CONDITIONS]`")
                    .help("such as `log-of-exp real log(exp(x)) => x`"),
            )),
            _ => Err(Box::new(
                self.mistake(text, format!("`{text}` is not a class of rules")).help(
                    "the classes are exact, finite, real and approx(TOL), after the name of the rule",
                ),
            )),
        }
    }

    fn sides(&self, text: &str, name: &str) -> Read<([Formula; 2], Place)> {
        let ([lhs, rhs], place) = self.side_texts(text, name)?;
        Ok(([self.formula(lhs)?, self.formula(rhs)?], place))
    }

    fn side_texts<'t>(&self, text: &'t str, name: &str) -> Read<([&'t str; 2], Place)> {
        let Some((lhs, rhs)) = text.split_once("=>") else {
            return Err(self.mistake(text.trim(), "`=>` is missing"));
        };
        let (lhs, rhs) = (lhs.trim(), rhs.trim());
        let place = Place { name: self.span(name), lhs: self.span(lhs), rhs: self.span(rhs) };
        Ok(([lhs, rhs], place))
    }

    /// A formula all of whose operations are in the table, with as many arguments as they take.
    fn formula(&self, text: &str) -> Read<Formula> {
        let formula = parse_pattern(text).map_err(|message| self.mistake(text, message))?;
        for op in &formula.ops {
            let FormulaOp::Apply { name, n_args } = op else { continue };
            let part = text.find(name.as_str()).map_or(text, |at| &text[at..at + name.len()]);
            let Some(op) = ScalarOp::from_name(name) else {
                let mistake = self.mistake(part, format!("unknown operation `{name}`"));
                let known = ScalarOp::ALL.iter().map(|op| op.name());
                return Err(match did_you_mean(name, known) {
                    Some(near) => Box::new(mistake.help(format!("did you mean `{near}`?"))),
                    None => mistake,
                });
            };
            if op.arity() != usize::from(*n_args) {
                let message = format!("`{name}` takes {} arguments, not {n_args}", op.arity());
                return Err(self.mistake(part, message));
            }
        }
        if formula.ops.len() > MAX_STEPS {
            let message = format!("a side of a rule has at most {MAX_STEPS} steps");
            return Err(self.mistake(text, message));
        }
        Ok(formula)
    }

    fn conditions(&self, text: &str) -> Read<Vec<Condition>> {
        text.split(" and ").map(|part| self.condition(part.trim())).collect()
    }

    fn condition(&self, text: &str) -> Read<Condition> {
        let wrong = || {
            let help = "conditions are `x > 0`, `x >= 0`, `x < 0`, `x <= 0`, `x != 0`, \
                        `x in [LO, HI]`, `x < y`, `x <= y`, integer(x), constant(x), power_of_two(x)";
            Box::new(self.mistake(text, format!("`{text}` is not a condition")).help(help))
        };
        if let Some((variable, interval)) = text.split_once(" in ") {
            let inside = interval.trim().strip_prefix('[').and_then(|t| t.strip_suffix(']'));
            let (lo, hi) = inside.and_then(|t| t.split_once(',')).ok_or_else(wrong)?;
            let number = |t: &str| number(t.trim()).ok_or_else(wrong);
            let (lo, hi) = (number(lo)?, number(hi)?);
            if lo > hi {
                return Err(self.mistake(interval.trim(), "the interval is empty"));
            }
            let property = Property::Within(lo, hi);
            return Ok(Condition::Is { variable: variable.trim().to_owned(), property });
        }
        let formula = parse_pattern(text).map_err(|_| wrong())?;
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
            [FormulaOp::Var(a), FormulaOp::Var(b), FormulaOp::Apply { name, n_args: 2 }] => {
                let (less, greater) = match name.as_str() {
                    "lt" | "le" => (a, b),
                    "gt" | "ge" => (b, a),
                    _ => return Err(wrong()),
                };
                let (less, greater) = (less.clone(), greater.clone());
                let strict = name == "lt" || name == "gt";
                return Ok(Condition::Ordered { less, greater, strict });
            }
            _ => return Err(wrong()),
        };
        Ok(Condition::Is { variable: variable.clone(), property })
    }
}

fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_once(char::is_whitespace).unwrap_or((text, &text[text.len()..]))
}

/// A number or a named constant, with its sign.
fn number(text: &str) -> Option<f64> {
    let (sign, name) = text.strip_prefix('-').map_or((1.0, text), |name| (-1.0, name));
    let value = constant(name).or_else(|| name.parse().ok())?;
    (!value.is_nan()).then_some(sign * value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::SourceMap;

    fn message(line: &str) -> String {
        let mut sources = SourceMap::new();
        let text = format!("# first\n{line}");
        let file = sources.add("t.rules", text.as_str());
        let mistakes = read_rules(file, &text, &mut RuleSet::default());
        assert_eq!(mistakes.len(), 1, "{line}");
        format!("{} {}", sources.slice(mistakes[0].primary.span), mistakes[0].message)
    }

    #[test]
    fn a_rule_has_name_class_sides_and_conditions() {
        let mut rules = RuleSet::default();
        let text = "a-b approx(1e-9) x + y => y when x >= 0 and y in [-pi, 2] # why";
        assert_eq!(read_rules(FileId(0), text, &mut rules), []);
        let rule = &rules.rules[0];
        assert_eq!((rule.name.as_str(), rule.class), ("a-b", Class::Approx(1e-9)));
        let conditions: Vec<String> = rule.conditions.iter().map(|c| c.to_string()).collect();
        assert_eq!(conditions, ["x >= 0", "y in [-3.141592653589793, 2.0]"]);
    }

    #[test]
    fn mistakes_have_their_places() {
        assert_eq!(message("r real x + 1 => y"), "y `y` does not occur on the left side");
        assert_eq!(message("r sure x + 0 => x"), "sure `sure` is not a class of rules");
        assert_eq!(message("r real sin(x, y) => x"), "sin `sin` takes 1 arguments, not 2");
        assert_eq!(message("r real x + x"), "x + x `=>` is missing");
        assert_eq!(message("r real foo(x) => x"), "foo unknown operation `foo`");
        assert_eq!(message("r real x + x => x when x > 1"), "x > 1 `x > 1` is not a condition");
        assert_eq!(message("r real x => 2 * x"), "x the left side has no operation");
        assert_eq!(message("r real x + x => x when x in [2, 1]"), "[2, 1] the interval is empty");
        assert_eq!(message("!r x + y => x at x = 1"), "x = 1 `y` has no value");
        assert_eq!(message("r approx(2) x + y => x"), "2 `2` is not a tolerance between 0 and 1");
        assert_eq!(message("r"), "r a rule is `NAME CLASS LEFT => RIGHT [when CONDITIONS]`");
        let sum = format!("r real x{} => x", " + x".repeat(40));
        assert!(message(&sum).ends_with("a side of a rule has at most 64 steps"));
    }
}
