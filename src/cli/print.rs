//! Values as text for readers and as JSON for programs.

use std::fmt::Write;

use serde_json::{Value as Json, json};

use crate::function::Function;
use crate::sparsity::Pattern;

/// Wider or higher matrices are shown in part.
const MOST_COLUMNS: usize = 12;
const MOST_ROWS: usize = 24;
const MOST_ENTRIES: usize = 24;

/// A number with at most 12 significant digits.
pub fn number(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if !value.is_finite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let rounded: f64 = format!("{value:.11e}").parse().unwrap_or(value);
    if rounded == 0.0 {
        return "0".to_owned();
    }
    let exponent = rounded.abs().log10().floor();
    if (-5.0..12.0).contains(&exponent) { format!("{rounded}") } else { format!("{rounded:e}") }
}

/// `3x2`, with the structural nonzeros where not all entries are.
pub fn pattern(pattern: &Pattern) -> String {
    let (r, c) = pattern.shape();
    let mut text = format!("{r}x{c}");
    if pattern.is_dense() {
        return text;
    }
    let kind = if pattern.is_zero() {
        "zero".to_owned()
    } else if pattern.is_diagonal() {
        "diagonal".to_owned()
    } else {
        format!("{} nonzeros", pattern.nnz())
    };
    text.push_str(&format!(", {kind}"));
    text
}

/// `name = value`, over several lines for matrices; ends with a newline.
pub fn text(name: &str, pattern: &Pattern, values: &[f64]) -> String {
    let (r, c) = pattern.shape();
    match (r, c) {
        (1, 1) => format!("{name} = {}\n", number(values.first().copied().unwrap_or(0.0))),
        (_, 1) if pattern.is_dense() => vector(name, values),
        _ if r > MOST_ROWS || c > MOST_COLUMNS || r * c == 0 => listing(name, pattern, values),
        _ => matrix(name, pattern, values),
    }
}

fn vector(name: &str, values: &[f64]) -> String {
    let shown = values.len().min(MOST_ENTRIES * 4);
    let items: Vec<String> = values[..shown].iter().map(|&v| number(v)).collect();
    let rest = values.len() - shown;
    let more = if rest > 0 { format!(", ... {rest} more") } else { String::new() };
    let line = format!("{name} = [{}{more}]\n", items.join(", "));
    if line.len() <= 100 {
        return line;
    }
    let width = items.iter().map(String::len).max().unwrap_or(0);
    let per_line = (96 / (width + 2)).max(1);
    let mut text = format!("{name} =  # {}x1\n", values.len());
    for chunk in items.chunks(per_line) {
        let cells: Vec<String> = chunk.iter().map(|item| format!("{item:>width$}")).collect();
        let _ = writeln!(text, "  {}", cells.join("  "));
    }
    if rest > 0 {
        let _ = writeln!(text, "  ... {rest} more");
    }
    text
}

/// Rows in line; `.` is a structural zero.
fn matrix(name: &str, pattern: &Pattern, values: &[f64]) -> String {
    let (r, c) = pattern.shape();
    let mut cells = vec![vec![".".to_owned(); c]; r];
    for ((row, col), &value) in pattern.entries().zip(values) {
        cells[row][col] = number(value);
    }
    let widths: Vec<usize> =
        (0..c).map(|j| cells.iter().map(|row| row[j].len()).max().unwrap_or(0)).collect();
    let mut text = format!("{name} =\n");
    for row in &cells {
        let row: Vec<String> =
            row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:>width$}")).collect();
        let _ = writeln!(text, "  {}", row.join("  "));
    }
    text
}

fn listing(name: &str, of: &Pattern, values: &[f64]) -> String {
    let mut text = format!("{name} =  # {}\n", pattern(of));
    for ((row, col), &value) in of.entries().zip(values).take(MOST_ENTRIES) {
        let _ = writeln!(text, "  [{row}, {col}]  {}", number(value));
    }
    if values.len() > MOST_ENTRIES {
        let _ = writeln!(text, "  ... {} more", values.len() - MOST_ENTRIES);
    }
    text
}

/// All outputs as one line of JSON.
pub fn json_line(function: &Function, values: &[Vec<f64>]) -> String {
    let mut line = String::from("{\"outputs\": {");
    for (k, (output, values)) in function.outputs().iter().zip(values).enumerate() {
        if k > 0 {
            line.push_str(", ");
        }
        let (r, c) = output.pattern.shape();
        let _ = write!(line, "{}: {{\"shape\": [{r}, {c}], ", json!(&*output.name));
        if !output.pattern.is_dense() {
            line.push_str("\"colptr\": ");
            integers(&mut line, &output.pattern.colptr());
            line.push_str(", \"row\": ");
            integers(&mut line, &output.pattern.row_idx());
            line.push_str(", ");
        }
        line.push_str("\"values\": [");
        for (k, &value) in values.iter().enumerate() {
            if k > 0 {
                line.push_str(", ");
            }
            json_number(&mut line, value);
        }
        line.push_str("]}");
    }
    line.push_str("}}\n");
    line
}

/// A failed point as one line of JSON.
pub fn json_error(code: &str, message: &str) -> String {
    let error: Json = json!({"error": {"code": code, "message": message}});
    format!("{error}\n")
}

fn integers(text: &mut String, values: &[u32]) {
    let items: Vec<String> = values.iter().map(u32::to_string).collect();
    let _ = write!(text, "[{}]", items.join(", "));
}

/// All digits.
pub fn all_digits(text: &mut String, value: f64) {
    if value.is_finite() {
        let _ = write!(text, "{value:?}");
    } else {
        text.push_str(&number(value));
    }
}

/// All digits; what JSON has no number for is a string.
pub fn json_number(text: &mut String, value: f64) {
    let _ = if value.is_finite() {
        write!(text, "{value:?}")
    } else {
        write!(text, "\"{}\"", number(value))
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn numbers_are_short_and_unambiguous() {
        let values = [0.24000000000000005, -1.0, 1e-7, 1e15, 0.1, 123456.789, -0.0, f64::INFINITY];
        let texts: Vec<String> = values.iter().map(|&v| number(v)).collect();
        expect!["0.24 -1 1e-7 1e15 0.1 123456.789 0 inf"].assert_eq(&texts.join(" "));
    }

    #[test]
    fn matrices_are_aligned() {
        let band = Pattern::band(3, 3, 0, 1);
        expect![[r#"
            A =
              1  -2.5   .
              .     3   4
              .     .  10
        "#]]
        .assert_eq(&text("A", &band, &[1.0, -2.5, 3.0, 4.0, 10.0]));
    }
}
