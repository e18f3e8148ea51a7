//! Numbers, constant matrices and shapes as the language writes them.

use super::{NoSpelling, no_spelling};
use crate::ops::scalar::precedence;
use crate::sparsity::Pattern;

/// The most entries of a constant that is written out.
pub const MOST_ENTRIES: usize = 100_000;

/// An expression and how tightly its outermost operation binds; 0 for `if`, `fold`, `scan`.
#[derive(Clone, Debug)]
pub struct Value {
    pub text: String,
    pub precedence: u8,
}

impl Value {
    pub fn atom(text: impl Into<String>) -> Value {
        Value { text: text.into(), precedence: precedence::ATOM }
    }

    /// The text, in parentheses if it binds less tightly.
    pub fn at_least(&self, precedence: u8) -> String {
        if self.precedence >= precedence { self.text.clone() } else { format!("({})", self.text) }
    }
}

pub fn number(v: f64) -> Value {
    let text = match v {
        _ if v.is_nan() => "nan".to_owned(),
        f64::INFINITY => "inf".to_owned(),
        f64::NEG_INFINITY => "-inf".to_owned(),
        _ => {
            let text = format!("{v:?}");
            text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
        }
    };
    let is_negative = text.starts_with('-');
    Value { text, precedence: if is_negative { precedence::NEGATION } else { precedence::ATOM } }
}

/// A constant matrix with the nonzeros `value(k)`; the language drops the zeros among them.
pub fn matrix(pattern: &Pattern, value: &dyn Fn(usize) -> f64) -> Result<Value, NoSpelling> {
    let (n_rows, n_cols) = pattern.shape();
    let nnz = pattern.nnz();
    if nnz == 0 && pattern.numel() != 1 {
        return Ok(Value::atom(format!("zeros({n_rows}, {n_cols})")));
    }
    if pattern.numel() == 1 {
        return Ok(number(if nnz == 0 { 0.0 } else { value(0) }));
    }
    let first = value(0);
    if nnz > 8 && (0..nnz).all(|k| value(k) == 0.0) {
        return Ok(Value::atom(format!("zeros({n_rows}, {n_cols})")));
    }
    let is_uniform = (1..nnz).all(|k| value(k).to_bits() == first.to_bits());
    if is_uniform && (pattern.is_diagonal() || pattern.is_dense() && nnz > 8) {
        let of = match pattern.is_diagonal() {
            true => format!("eye({n_rows})"),
            false => format!("ones({n_rows}, {n_cols})"),
        };
        return Ok(match first {
            1.0 => Value::atom(of),
            v => Value {
                text: format!("{} * {of}", number(v).at_least(precedence::PRODUCT)),
                precedence: precedence::PRODUCT,
            },
        });
    }
    if pattern.numel() > MOST_ENTRIES {
        return no_spelling(format!("a constant with {} entries", pattern.numel()));
    }
    let entry = |row: usize, col: usize| {
        pattern.find(row, col).map_or_else(|| "0".to_owned(), |k| number(value(k)).text)
    };
    let row = |row: usize| (0..n_cols).map(|col| entry(row, col)).collect::<Vec<_>>().join(", ");
    let rows: Vec<String> = (0..n_rows).map(row).collect();
    Ok(Value::atom(match (n_rows, n_cols) {
        (_, 1) => format!("[{}]", rows.join(", ")),
        (1, _) => format!("hcat({})", rows.concat()),
        _ => format!("[{}]", rows.join("; ")),
    }))
}

/// `[2, 3]`, nothing for a scalar.
pub fn shape_clause(pattern: &Pattern) -> String {
    match pattern.shape() {
        (1, 1) => String::new(),
        (n_rows, 1) => format!("[{n_rows}]"),
        (n_rows, n_cols) => format!("[{n_rows}, {n_cols}]"),
    }
}

/// What follows the shape in a declaration.
pub fn pattern_clause(pattern: &Pattern) -> Result<String, NoSpelling> {
    let (n_rows, n_cols) = pattern.shape();
    if pattern.is_dense() {
        return Ok(String::new());
    }
    if pattern.is_diagonal() {
        return Ok(" diag".to_owned());
    }
    // Triangles are made only where they are as large as the pattern.
    if n_rows == n_cols && pattern.nnz() as u64 == n_rows as u64 * (n_rows as u64 + 1) / 2 {
        if *pattern == Pattern::lower(n_rows) {
            return Ok(" lower".to_owned());
        }
        if *pattern == Pattern::upper(n_rows) {
            return Ok(" upper".to_owned());
        }
    }
    if pattern.is_zero() || pattern.nnz() > MOST_ENTRIES {
        return no_spelling(format!("the declaration of a value that is {pattern}"));
    }
    let entries: Vec<String> = pattern.entries().map(|(r, c)| format!("{r}, {c}")).collect();
    Ok(format!(" entries([{}])", entries.join("; ")))
}

/// `base + step * k` for a counter of that name.
pub fn progression(base: i64, step: i64, counter: &str) -> Value {
    let (text, precedence) = match (base, step) {
        (_, 0) => return number(base as f64),
        (0, 1) => return Value::atom(counter),
        (0, _) => (format!("{step} * {counter}"), precedence::PRODUCT),
        (_, 1) if base < 0 => (format!("{counter} - {}", base.unsigned_abs()), precedence::SUM),
        (_, 1) => (format!("{counter} + {base}"), precedence::SUM),
        (_, -1) => (format!("{base} - {counter}"), precedence::SUM),
        (_, step) if step < 0 => {
            (format!("{base} - {} * {counter}", step.unsigned_abs()), precedence::SUM)
        }
        _ if base < 0 => (format!("{step} * {counter} - {}", base.unsigned_abs()), precedence::SUM),
        _ => (format!("{step} * {counter} + {base}"), precedence::SUM),
    };
    Value { text, precedence }
}
