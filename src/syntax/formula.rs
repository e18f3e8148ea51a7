//! Scalar formulas within the source of nablac itself: partial derivatives in the table of
//! operations (`"-y * b / (a*a + b*b)"`) and sides of rewrite rules (`"log(x) + log(z)"`).
//!
//! A formula is an expression of the language, read by the same grammar and given as a flat list in
//! postfix order. Only sides of matrix rules have matrices.

use super::ast::{Ast, Comparison, Expr, ExprId, FileId, ProductOperator};
use super::parser::parse_expression;

/// A formula in postfix order: operands before the operation that takes them.
#[derive(Clone, Debug, PartialEq)]
pub struct Formula {
    /// The steps; running them leaves one value.
    pub ops: Vec<FormulaOp>,
}

/// A step of a formula.
#[derive(Clone, Debug, PartialEq)]
pub enum FormulaOp {
    /// A number, or one of the constants `pi e inf nan eps`.
    Number(f64),
    /// `a`, `b` or `c`: the argument with this number.
    Arg(u8),
    /// `y`: the result of the operation.
    Result,
    /// A free variable.
    Var(String),
    /// Takes the last `n_args` values. Operators have the names add, sub, mul, div, pow, neg, lt,
    /// le, gt, ge, eq, ne, and, or, not, transpose, times; `if c then a else b` is select.
    Apply { name: String, n_args: u8 },
}

/// Reads a formula whose names are the arguments `a b c` and the result `y`.
///
/// ```
/// use nablac::syntax::formula::{FormulaOp, parse_formula};
/// let formula = parse_formula("1 / a").unwrap();
/// assert_eq!(formula.ops.len(), 3);
/// assert_eq!(formula.ops[1], FormulaOp::Arg(0));
/// ```
pub fn parse_formula(text: &str) -> Result<Formula, String> {
    read(text, false, |name| match name {
        "a" => Ok(FormulaOp::Arg(0)),
        "b" => Ok(FormulaOp::Arg(1)),
        "c" => Ok(FormulaOp::Arg(2)),
        "y" => Ok(FormulaOp::Result),
        _ => Err(format!("`{name}` is neither an argument `a b c` nor the result `y`")),
    })
}

/// Reads a formula whose names, the constants apart, are free variables.
///
/// ```
/// use nablac::syntax::formula::{constant, parse_formula, parse_pattern};
/// assert!(parse_formula("1 / (1 + a^2)").is_ok() && parse_formula("1 +").is_err());
/// // Patterns have names of their own.
/// assert!(parse_formula("left + right").is_err() && parse_pattern("left + right").is_ok());
/// assert_eq!(constant("pi"), Some(std::f64::consts::PI));
/// ```
pub fn parse_pattern(text: &str) -> Result<Formula, String> {
    read(text, false, |name| Ok(FormulaOp::Var(name.to_string())))
}

/// [`parse_pattern`] of a formula with matrices: `'` is transpose, `.*` is times.
///
/// ```
/// use nablac::syntax::formula::{parse_matrix_pattern, parse_pattern};
/// assert!(parse_matrix_pattern("(A * B)'").is_ok() && parse_pattern("(A * B)'").is_err());
/// ```
pub fn parse_matrix_pattern(text: &str) -> Result<Formula, String> {
    read(text, true, |name| Ok(FormulaOp::Var(name.to_string())))
}

fn read(
    text: &str,
    has_matrices: bool,
    name_to_op: impl Fn(&str) -> Result<FormulaOp, String>,
) -> Result<Formula, String> {
    let (ast, root, diagnostics) = parse_expression(text, FileId(0));
    let Some(root) = root else {
        let parts: Vec<String> = diagnostics
            .iter()
            .map(|diagnostic| {
                format!("{} at {}", diagnostic.message, diagnostic.primary.span.start)
            })
            .collect();
        return Err(format!("in `{text}`: {}", parts.join("; ")));
    };
    let mut tasks = vec![Task::Visit(root)];
    let mut ops = Vec::new();
    while let Some(task) = tasks.pop() {
        match task {
            Task::Emit(op) => ops.push(op),
            Task::Visit(id) => {
                let steps = steps(&ast, id, has_matrices, &name_to_op)
                    .map_err(|message| format!("in `{text}`: {message}"))?;
                tasks.extend(steps.into_iter().rev());
            }
        }
    }
    Ok(Formula { ops })
}

enum Task {
    Visit(ExprId),
    Emit(FormulaOp),
}

fn apply(name: &str, n_args: u8) -> Task {
    Task::Emit(FormulaOp::Apply { name: name.to_string(), n_args })
}

/// What an expression comes to, in order.
fn steps(
    ast: &Ast,
    id: ExprId,
    has_matrices: bool,
    name_to_op: &impl Fn(&str) -> Result<FormulaOp, String>,
) -> Result<Vec<Task>, String> {
    use Task::{Emit, Visit};
    Ok(match ast.expr(id) {
        Expr::Number(value) => vec![Emit(FormulaOp::Number(*value))],
        Expr::Name(name) => vec![Emit(match constant(name) {
            Some(value) => FormulaOp::Number(value),
            None => name_to_op(name)?,
        })],
        Expr::Sum(terms) => {
            let mut steps = vec![Visit(terms[0].value)];
            for term in &terms[1..] {
                steps.push(Visit(term.value));
                steps.push(apply(if term.negative { "sub" } else { "add" }, 2));
            }
            steps
        }
        Expr::Product(factors) => {
            let mut steps = vec![Visit(factors[0].value)];
            for factor in &factors[1..] {
                steps.push(Visit(factor.value));
                steps.push(apply(
                    match factor.product {
                        ProductOperator::ElementwiseTimes if has_matrices => "times",
                        ProductOperator::Times | ProductOperator::ElementwiseTimes => "mul",
                        ProductOperator::Over | ProductOperator::ElementwiseOver => "div",
                        ProductOperator::Solve => return Err("`\\` is not scalar".to_string()),
                    },
                    2,
                ));
            }
            steps
        }
        Expr::Transpose(operand) if has_matrices => vec![Visit(*operand), apply("transpose", 1)],
        Expr::Negate(operand) => vec![Visit(*operand), apply("neg", 1)],
        Expr::Not(operand) => vec![Visit(*operand), apply("not", 1)],
        Expr::Power { base, exponent, .. } => {
            vec![Visit(*base), Visit(*exponent), apply("pow", 2)]
        }
        Expr::Compare { comparison, left, right, .. } => {
            let name = match comparison {
                Comparison::Less => "lt",
                Comparison::LessEqual => "le",
                Comparison::Greater => "gt",
                Comparison::GreaterEqual => "ge",
                Comparison::Equal => "eq",
                Comparison::NotEqual => "ne",
            };
            vec![Visit(*left), Visit(*right), apply(name, 2)]
        }
        Expr::And(operands) => joined(operands, "and"),
        Expr::Or(operands) => joined(operands, "or"),
        Expr::If { arms, otherwise } => {
            let mut steps = Vec::new();
            for arm in arms {
                steps.push(Visit(arm.condition));
                steps.push(Visit(arm.value));
            }
            steps.push(Visit(*otherwise));
            steps.extend(arms.iter().map(|_| apply("select", 3)));
            steps
        }
        Expr::Call { function, arguments } => {
            if let Some(argument) = arguments.iter().find(|argument| argument.name.is_some()) {
                let name = argument.name.as_ref().map_or("", |name| &name.text);
                return Err(format!("`{}` takes no option `{name}`", function.text));
            }
            let n_args = u8::try_from(arguments.len())
                .map_err(|_| format!("`{}` has more than 255 arguments", function.text))?;
            let mut steps: Vec<Task> =
                arguments.iter().map(|argument| Visit(argument.value)).collect();
            steps.push(apply(&function.text, n_args));
            steps
        }
        Expr::Error
        | Expr::End
        | Expr::Transpose(_)
        | Expr::Comprehension { .. }
        | Expr::Matrix { .. }
        | Expr::Index { .. }
        | Expr::Member { .. }
        | Expr::Fold(_) => return Err("a formula has only scalar operations".to_string()),
    })
}

fn joined(operands: &[ExprId], name: &str) -> Vec<Task> {
    let mut steps = vec![Task::Visit(operands[0])];
    for &operand in &operands[1..] {
        steps.push(Task::Visit(operand));
        steps.push(apply(name, 2));
    }
    steps
}

/// The value of a named constant of the language.
pub fn constant(name: &str) -> Option<f64> {
    Some(match name {
        "pi" => std::f64::consts::PI,
        "e" => std::f64::consts::E,
        "inf" => f64::INFINITY,
        "nan" => f64::NAN,
        "eps" => f64::EPSILON,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, expected: Expect) {
        let shown = match parse_pattern(text) {
            Err(message) => message,
            Ok(formula) => {
                let words: Vec<String> = formula
                    .ops
                    .iter()
                    .map(|op| match op {
                        FormulaOp::Number(value) => value.to_string(),
                        FormulaOp::Arg(position) => format!("arg{position}"),
                        FormulaOp::Result => "result".to_string(),
                        FormulaOp::Var(name) => name.clone(),
                        FormulaOp::Apply { name, n_args } => format!("{name}/{n_args}"),
                    })
                    .collect();
                words.join(" ")
            }
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn formulas_become_postfix() {
        check("-y * b / (a*a + b*b)", expect!["y neg/1 b mul/2 a a mul/2 b b mul/2 add/2 div/2"]);
        check(
            "select(a > b, 1, select(a == b, 0.5, 0))",
            expect!["a b gt/2 1 a b eq/2 0.5 0 select/3 select/3"],
        );
        check("x - 2*z^-2", expect!["x 2 z 2 neg/1 pow/2 mul/2 sub/2"]);
        check(
            "if x < 0 then 1 else if x > 1 then 2 else pi",
            expect!["x 0 lt/2 1 x 1 gt/2 2 3.141592653589793 select/3 select/3"],
        );
        check("x and not z or w", expect!["x z not/1 and/2 w or/2"]);
        check("x +", expect!["in `x +`: the statement is not complete at 3"]);
        check("x'", expect!["in `x'`: a formula has only scalar operations"]);
        check("f(x, order = 2)", expect!["in `f(x, order = 2)`: `f` takes no option `order`"]);
    }

    #[test]
    fn arguments_and_result_have_fixed_names() {
        let ops = parse_formula("c * y").map(|formula| formula.ops);
        let mul = FormulaOp::Apply { name: "mul".to_string(), n_args: 2 };
        assert_eq!(ops, Ok(vec![FormulaOp::Arg(2), FormulaOp::Result, mul]));
        assert!(parse_formula("x").is_err());
    }
}
