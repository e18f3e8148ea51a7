//! Rules on matrices: formulas with their operations resolved, ready to be tested and applied.
//!
//! A name that begins with a capital letter stands for a matrix, any other one for a number.

use egg::{ConditionalApplier, ENodeOrVar, Id, Pattern, PatternAst, RecExpr, Rewrite, Subst, Var};

use super::language::{Form, Forms, Matrices, MatrixOp, NAMED, Node};
use crate::simplify::rules::{Class, Place};
use crate::syntax::formula::{Formula, FormulaOp};

/// A step of a side, in postfix order of its operands.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A variable by number.
    Variable(usize),
    /// An operation on the values of earlier steps.
    Apply(MatrixOp, Vec<usize>),
}

/// What must be known of the operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Property {
    /// Equal to its transpose.
    Symmetric,
    Square,
    /// With one column.
    Column,
    /// The product of both is defined.
    Fits,
    /// Both have as many rows and as many columns.
    SameShape,
}

impl Property {
    pub const ALL: [(&'static str, Property, usize); 5] = [
        ("symmetric", Property::Symmetric, 1),
        ("square", Property::Square, 1),
        ("column", Property::Column, 1),
        ("fits", Property::Fits, 2),
        ("same_shape", Property::SameShape, 2),
    ];

    /// Whether values with these forms have the property.
    pub fn holds(self, forms: &[Form]) -> bool {
        match (self, forms) {
            (Property::Symmetric, [a]) => a.symmetric && a.n_rows == a.n_cols,
            (Property::Square, [a]) => a.n_rows == a.n_cols,
            (Property::Column, [a]) => a.n_cols == 1,
            (Property::Fits, [a, b]) => a.n_cols == b.n_rows,
            (Property::SameShape, [a, b]) => a.shape() == b.shape(),
            _ => false,
        }
    }
}

/// A property of variables, by number.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    pub property: Property,
    pub of: Vec<usize>,
}

/// A rewrite rule on matrices.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixRule {
    pub name: String,
    pub class: Class,
    pub variables: Vec<String>,
    pub lhs: Vec<Step>,
    pub rhs: Vec<Step>,
    pub conditions: Vec<Condition>,
    pub place: Place,
}

/// A rule on matrices that is wrong, with the sizes at which it fails.
#[derive(Clone, Debug, PartialEq)]
pub struct RefutedMatrixRule {
    pub name: String,
    pub variables: Vec<String>,
    pub lhs: Vec<Step>,
    pub rhs: Vec<Step>,
    pub sizes: Vec<(usize, usize)>,
    pub place: Place,
}

/// Whether a name stands for a matrix.
pub fn is_matrix(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
}

/// The steps of a formula; its variables are added to `variables`.
///
/// # Errors
/// What is no operation on matrices, or mixes them with numbers.
pub fn steps(formula: &Formula, variables: &mut Vec<String>) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    // The step of each value, and whether it is a number.
    let mut stack: Vec<(usize, bool)> = Vec::new();
    for op in &formula.ops {
        let (step, is_number) = match op {
            FormulaOp::Number(value) => {
                (Step::Apply(MatrixOp::Number(value.to_bits()), Vec::new()), true)
            }
            FormulaOp::Var(name) => {
                let known = variables.iter().position(|v| v == name);
                let number = known.unwrap_or_else(|| {
                    variables.push(name.clone());
                    variables.len() - 1
                });
                (Step::Variable(number), !is_matrix(name))
            }
            FormulaOp::Apply { name, n_args } => {
                let n_args = usize::from(*n_args);
                let args = stack.split_off(stack.len().saturating_sub(n_args));
                let (op, args, is_number) = resolve(name, &args)?;
                (Step::Apply(op, args), is_number)
            }
            FormulaOp::Arg(_) | FormulaOp::Result => return Err("no variable".to_owned()),
        };
        stack.push((steps.len(), is_number));
        steps.push(step);
    }
    Ok(steps)
}

/// The operation of that name on these values, its operands in order, and whether it gives a
/// number.
fn resolve(name: &str, args: &[(usize, bool)]) -> Result<(MatrixOp, Vec<usize>, bool), String> {
    let Some(&(_, op, arity)) = NAMED.iter().find(|(known, ..)| *known == name) else {
        return Err(format!("`{name}` is no operation of rules on matrices"));
    };
    if arity != args.len() {
        return Err(format!("`{name}` takes {arity} arguments, not {}", args.len()));
    }
    let ids: Vec<usize> = args.iter().map(|a| a.0).collect();
    let numbers: Vec<bool> = args.iter().map(|a| a.1).collect();
    let mixed = || format!("`{name}` of a number and a matrix");
    Ok(match (op, &numbers[..]) {
        (MatrixOp::Product, [true, true]) => (MatrixOp::Times, ids, true),
        (MatrixOp::Product, [true, false]) => (MatrixOp::Scale, ids, false),
        (MatrixOp::Product, [false, true]) => (MatrixOp::Scale, vec![ids[1], ids[0]], false),
        (MatrixOp::Over, [is_number, true]) => (op, ids, *is_number),
        (MatrixOp::Add | MatrixOp::Sub | MatrixOp::Times, [a, b]) if a == b => (op, ids, *a),
        (MatrixOp::Neg, [a]) => (op, ids, *a),
        (MatrixOp::Trace | MatrixOp::Sum, [false]) => (op, ids, true),
        (MatrixOp::Add | MatrixOp::Sub | MatrixOp::Times | MatrixOp::Over, _) => {
            return Err(mixed());
        }
        (_, numbers) if numbers.contains(&true) => {
            return Err(format!(
                "`{name}` takes matrices, whose names begin with a capital letter"
            ));
        }
        _ => (op, ids, false),
    })
}

impl MatrixRule {
    /// The rule as egg applies it.
    pub fn rewrite(&self) -> Option<Rewrite<Node, Forms>> {
        let variables: Vec<Var> = (0..self.variables.len()).filter_map(variable).collect();
        let (lhs, rhs) = (pattern(&self.lhs, &variables)?, pattern(&self.rhs, &variables)?);
        let numbers: Vec<Var> = self
            .variables
            .iter()
            .zip(&variables)
            .filter(|(n, _)| !is_matrix(n))
            .map(|(_, &v)| v)
            .collect();
        let conditions = self.conditions.clone();
        let condition = move |egraph: &mut Matrices, _: Id, subst: &Subst| {
            let form = |v: Var| egraph[subst[v]].data;
            numbers.iter().all(|&v| form(v).is_number())
                && conditions.iter().all(|condition| {
                    let forms: Vec<Form> =
                        condition.of.iter().map(|&k| form(variables[k])).collect();
                    condition.property.holds(&forms)
                })
        };
        Rewrite::new(self.name.as_str(), lhs, ConditionalApplier { condition, applier: rhs }).ok()
    }
}

fn variable(k: usize) -> Option<Var> {
    format!("?v{k}").parse().ok()
}

fn pattern(steps: &[Step], variables: &[Var]) -> Option<Pattern<Node>> {
    let nodes: Vec<ENodeOrVar<Node>> = steps
        .iter()
        .map(|step| match step {
            Step::Variable(k) => variables.get(*k).copied().map(ENodeOrVar::Var),
            Step::Apply(op, args) => {
                let args = args.iter().map(|&k| Id::from(k)).collect();
                Some(ENodeOrVar::ENode(Node { op: *op, args }))
            }
        })
        .collect::<Option<_>>()?;
    let ast: PatternAst<Node> = RecExpr::from(nodes);
    Some(Pattern::new(ast))
}

/// Exchanging the operands of sums and of products of entries.
pub fn commutations() -> Vec<Rewrite<Node, Forms>> {
    let [a, b] = [0, 1].map(variable);
    let (Some(a), Some(b)) = (a, b) else { return Vec::new() };
    let exchange = |name: &str, op: MatrixOp| {
        let apply = || Step::Apply(op, vec![0, 1]);
        let lhs = pattern(&[Step::Variable(0), Step::Variable(1), apply()], &[a, b])?;
        let rhs = pattern(&[Step::Variable(1), Step::Variable(0), apply()], &[a, b])?;
        Rewrite::new(name, lhs, rhs).ok()
    };
    let all = [exchange("commute-add", MatrixOp::Add), exchange("commute-times", MatrixOp::Times)];
    all.into_iter().flatten().collect()
}
