//! Whether rules on matrices hold, by dense evaluation at small sizes.
//!
//! Takes a rule, evaluates both sides entry by entry for random matrices of all small sizes at
//! which its left side is defined, and gives the first sizes at which the sides differ.

use super::language::{Form, MatrixOp};
use super::rule::{MatrixRule, Property, RefutedMatrixRule, Step, is_matrix};
use crate::simplify::check::Random;
use crate::simplify::rules::Class;

/// Sizes that are tried for every dimension.
const SIZES: [usize; 3] = [1, 2, 3];
/// Most sets of sizes at which both sides are evaluated.
const MAX_EVALUATED: usize = 400;
/// Sizes at which a matrix on the way has more entries than this are left out.
const MAX_ENTRIES: usize = 100_000;

/// Why a rule on matrices does not hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Failing {
    /// The right side is not defined, or has another shape.
    Shape { sizes: String },
    /// An entry differs.
    Entry { sizes: String, row: usize, col: usize, left: f64, right: f64 },
    /// No sizes satisfy the left side and the conditions.
    Untested,
}

/// A dense matrix, column by column.
#[derive(Clone, Debug)]
struct Dense {
    n_rows: usize,
    n_cols: usize,
    entries: Vec<f64>,
}

impl Dense {
    fn new(n_rows: usize, n_cols: usize, entry: impl Fn(usize, usize) -> f64) -> Dense {
        let places = (0..n_cols).flat_map(|j| (0..n_rows).map(move |i| (i, j)));
        let entries = places.map(|(i, j)| entry(i, j)).collect();
        Dense { n_rows, n_cols, entries }
    }

    fn at(&self, i: usize, j: usize) -> f64 {
        self.entries[j * self.n_rows + i]
    }

    fn number(value: f64) -> Dense {
        Dense::new(1, 1, |_, _| value)
    }
}

/// The value of an operation on matrices of fitting shapes.
fn apply(op: MatrixOp, args: &[&Dense]) -> Dense {
    let map2 = |f: fn(f64, f64) -> f64| {
        Dense::new(args[0].n_rows, args[0].n_cols, |i, j| f(args[0].at(i, j), args[1].at(i, j)))
    };
    let sum = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>();
    match (op, args) {
        (MatrixOp::Number(bits), _) => Dense::number(f64::from_bits(bits)),
        (MatrixOp::Add, _) => map2(|a, b| a + b),
        (MatrixOp::Sub, _) => map2(|a, b| a - b),
        (MatrixOp::Times, _) => map2(|a, b| a * b),
        (MatrixOp::Neg, [a]) => Dense::new(a.n_rows, a.n_cols, |i, j| -a.at(i, j)),
        (MatrixOp::Scale, [s, a]) => Dense::new(a.n_rows, a.n_cols, |i, j| s.at(0, 0) * a.at(i, j)),
        (MatrixOp::Over, [a, s]) => Dense::new(a.n_rows, a.n_cols, |i, j| a.at(i, j) / s.at(0, 0)),
        (MatrixOp::Product, [a, b]) => Dense::new(a.n_rows, b.n_cols, |i, j| {
            sum(&mut (0..a.n_cols).map(|k| a.at(i, k) * b.at(k, j)))
        }),
        (MatrixOp::Transpose, [a]) => Dense::new(a.n_cols, a.n_rows, |i, j| a.at(j, i)),
        (MatrixOp::Trace, [a]) => Dense::number(sum(&mut (0..a.n_rows).map(|i| a.at(i, i)))),
        (MatrixOp::Sum, [a]) => Dense::number(sum(&mut a.entries.iter().copied())),
        (MatrixOp::SumRows, [a]) => {
            Dense::new(1, a.n_cols, |_, j| sum(&mut (0..a.n_rows).map(|i| a.at(i, j))))
        }
        (MatrixOp::SumCols, [a]) => {
            Dense::new(a.n_rows, 1, |i, _| sum(&mut (0..a.n_cols).map(|j| a.at(i, j))))
        }
        (MatrixOp::Kron, [a, b]) => {
            let (r, c) = (b.n_rows, b.n_cols);
            let entry = |i: usize, j: usize| a.at(i / r, j / c) * b.at(i % r, j % c);
            Dense::new(a.n_rows * r, a.n_cols * c, entry)
        }
        (MatrixOp::Diag, [a]) => {
            Dense::new(a.n_rows, a.n_rows, |i, j| if i == j { a.at(i, 0) } else { 0.0 })
        }
        (MatrixOp::Vec, [a]) => Dense::new(a.entries.len(), 1, |i, _| a.entries[i]),
        (MatrixOp::Unvec, [a, b, c]) => {
            Dense::new(b.n_cols, c.n_cols, |i, j| a.entries[j * b.n_cols + i])
        }
        // An atom does not occur in a rule, and operations have as many operands as they take.
        _ => Dense::number(f64::NAN),
    }
}

/// Whether a matrix on the way to the value of a side is too large to be evaluated.
fn is_large(steps: &[Step], variables: &[Form]) -> bool {
    (1..=steps.len()).any(|n| {
        form(&steps[..n], variables).is_some_and(|form| {
            form.n_rows.checked_mul(form.n_cols).is_none_or(|n| n > MAX_ENTRIES)
        })
    })
}

/// The form of a side for variables of these forms, `None` where it is not defined.
fn form(steps: &[Step], variables: &[Form]) -> Option<Form> {
    let mut forms: Vec<Form> = Vec::with_capacity(steps.len());
    for step in steps {
        forms.push(match step {
            Step::Variable(k) => variables[*k],
            Step::Apply(op, args) => {
                let args: Vec<Form> = args.iter().map(|&k| forms[k]).collect();
                Form::of(*op, &args)?
            }
        });
    }
    forms.last().copied()
}

fn evaluate(steps: &[Step], variables: &[Dense]) -> Dense {
    let mut values: Vec<Dense> = Vec::with_capacity(steps.len());
    for step in steps {
        let value = match step {
            Step::Variable(k) => variables[*k].clone(),
            Step::Apply(op, args) => {
                let args: Vec<&Dense> = args.iter().map(|&k| &values[k]).collect();
                apply(*op, &args)
            }
        };
        values.push(value);
    }
    values.pop().unwrap_or_else(|| Dense::number(f64::NAN))
}

/// Entries between -2 and 2.
fn random_matrix(random: &mut Random, form: &Form) -> Dense {
    let n = form.n_rows * form.n_cols;
    let values: Vec<f64> = (0..n).map(|_| 4.0 * random.next() - 2.0).collect();
    let rows = form.n_rows;
    Dense::new(rows, form.n_cols, |i, j| match form.symmetric {
        true => values[i.max(j) * rows + i.min(j)],
        false => values[j * rows + i],
    })
}

/// `A 2x3, x`
fn sizes_text(variables: &[String], forms: &[Form]) -> String {
    let part = |(name, form): (&String, &Form)| match is_matrix(name) {
        true => format!("{name} {}x{}", form.n_rows, form.n_cols),
        false => name.clone(),
    };
    variables.iter().zip(forms).map(part).collect::<Vec<_>>().join(", ")
}

/// The sizes of the variables, one set after the other.
fn all_sizes(rule: &MatrixRule) -> impl Iterator<Item = Vec<Form>> + '_ {
    let n_dims = 2 * rule.variables.iter().filter(|name| is_matrix(name)).count() as u32;
    let n_sets = SIZES.len().saturating_pow(n_dims);
    (0..n_sets).map(move |mut k| {
        let mut next = || {
            let size = SIZES[k % SIZES.len()];
            k /= SIZES.len();
            size
        };
        let must_be_symmetric = |v: usize| {
            let is = |c: &super::rule::Condition| c.property == Property::Symmetric && c.of == [v];
            rule.conditions.iter().any(is)
        };
        let form = |(v, name): (usize, &String)| match is_matrix(name) {
            true => {
                let (n_rows, n_cols) = (next(), next());
                let symmetric = must_be_symmetric(v) && n_rows == n_cols;
                Form { n_rows, n_cols, nnz: (n_rows * n_cols) as f64, symmetric }
            }
            false => Form::NUMBER,
        };
        rule.variables.iter().enumerate().map(form).collect()
    })
}

/// Tests a rule by what its class promises.
///
/// # Errors
/// The first sizes found at which the promise is broken.
pub fn check(rule: &MatrixRule) -> Result<(), Failing> {
    let mut random = Random(11);
    let mut n_evaluated = 0;
    for forms in all_sizes(rule) {
        let holds = |condition: &super::rule::Condition| {
            let of: Vec<Form> = condition.of.iter().map(|&k| forms[k]).collect();
            condition.property.holds(&of)
        };
        let Some(left) = form(&rule.lhs, &forms) else { continue };
        let is_large = is_large(&rule.lhs, &forms) || is_large(&rule.rhs, &forms);
        if is_large || !rule.conditions.iter().all(holds) {
            continue;
        }
        let sizes = || sizes_text(&rule.variables, &forms);
        if form(&rule.rhs, &forms).is_none_or(|right| right.shape() != left.shape()) {
            return Err(Failing::Shape { sizes: sizes() });
        }
        if n_evaluated < MAX_EVALUATED {
            n_evaluated += 1;
            let values: Vec<Dense> =
                forms.iter().map(|form| random_matrix(&mut random, form)).collect();
            if let Some((row, col, left, right)) = differing(rule, &values) {
                return Err(Failing::Entry { sizes: sizes(), row, col, left, right });
            }
        }
    }
    if n_evaluated == 0 { Err(Failing::Untested) } else { Ok(()) }
}

/// The first entry that differs by more than the class allows.
fn differing(rule: &MatrixRule, values: &[Dense]) -> Option<(usize, usize, f64, f64)> {
    let (left, right) = (evaluate(&rule.lhs, values), evaluate(&rule.rhs, values));
    let differ = |l: f64, r: f64| match rule.class {
        Class::Exact => l.to_bits() != r.to_bits(),
        Class::Finite => l != r,
        Class::Real => differs(l, r, 1e-12),
        Class::Approx(tolerance) => differs(l, r, tolerance),
    };
    let at = (0..left.entries.len()).find(|&k| differ(left.entries[k], right.entries[k]))?;
    Some((at % left.n_rows + 1, at / left.n_rows + 1, left.entries[at], right.entries[at]))
}

/// Entries are of order 1, those of products up to about 1,000.
fn differs(left: f64, right: f64, tolerance: f64) -> bool {
    let error = (left - right).abs();
    error.is_nan() || error > tolerance * left.abs().max(right.abs()).max(1.0)
}

/// Whether a refuted rule fails at its sizes.
pub fn fails(rule: &RefutedMatrixRule) -> bool {
    let mut random = Random(5);
    let size = |&(n_rows, n_cols): &(usize, usize)| Form {
        n_rows,
        n_cols,
        nnz: (n_rows * n_cols) as f64,
        symmetric: false,
    };
    let forms: Vec<Form> = rule.sizes.iter().map(size).collect();
    let (Some(left), right) = (form(&rule.lhs, &forms), form(&rule.rhs, &forms)) else {
        return false;
    };
    if is_large(&rule.lhs, &forms) || is_large(&rule.rhs, &forms) {
        return false;
    }
    if right.is_none_or(|right| right.shape() != left.shape()) {
        return true;
    }
    let values: Vec<Dense> = forms.iter().map(|form| random_matrix(&mut random, form)).collect();
    let (left, right) = (evaluate(&rule.lhs, &values), evaluate(&rule.rhs, &values));
    left.entries.iter().zip(&right.entries).any(|(&l, &r)| differs(l, r, 1e-6))
}
