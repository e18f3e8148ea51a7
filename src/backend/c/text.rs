//! Pieces of C text: numbers, strings, comments, identifiers, arrays.

use std::fmt::Write;

/// A double literal with as many digits as it takes to read the same number back (at most 17);
/// negative numbers are in parentheses.
pub fn number(value: f64) -> String {
    if value.is_nan() {
        "NAN".to_string()
    } else if value.is_infinite() {
        if value > 0.0 { "INFINITY".to_string() } else { "(-INFINITY)".to_string() }
    } else if value.is_sign_negative() {
        format!("({value:?})")
    } else {
        format!("{value:?}")
    }
}

/// A double literal for a list of initial values.
pub fn element(value: f64) -> String {
    let text = number(value);
    match text.strip_prefix('(') {
        Some(inner) => inner.trim_end_matches(')').to_string(),
        None => text,
    }
}

/// A string literal; other than printable ASCII becomes octal escapes.
pub fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' | b'?' => {
                out.push('\\');
                out.push(byte as char);
            }
            b' '..=b'~' => out.push(byte as char),
            _ => _ = write!(out, "\\{byte:03o}"),
        }
    }
    out.push('"');
    out
}

/// Text that may stand inside a comment.
pub fn comment(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?")
}

/// `text` with every character that no identifier may have replaced by `_`.
pub fn identifier(text: &str) -> String {
    let mut out: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if out.is_empty() || out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert(0, '_');
    }
    out
}

/// Whether `text` has the form of an identifier.
pub fn is_identifier(text: &str) -> bool {
    !text.is_empty() && identifier(text) == text
}

/// Appends ` = {a, b, ...};`, wrapped; an empty list becomes `{0}`, as C has no empty arrays.
pub fn initializer(out: &mut String, mut elements: impl Iterator<Item = String>) {
    out.push_str(" = {");
    let mut column = 0;
    match elements.next() {
        None => out.push('0'),
        Some(first) => out.push_str(&first),
    }
    for element in elements {
        if column + element.len() > 90 {
            out.push_str(",\n  ");
            column = 0;
        } else {
            out.push_str(", ");
        }
        column += element.len() + 2;
        out.push_str(&element);
    }
    out.push_str("};\n");
}

/// An expression without the parentheses that enclose the whole of it.
pub fn without_parentheses(expression: &str) -> &str {
    let Some(inner) = expression.strip_prefix('(').and_then(|e| e.strip_suffix(')')) else {
        return expression;
    };
    let mut depth = 0_i64;
    for byte in inner.bytes() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return expression;
        }
    }
    inner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back() {
        for (value, expected) in [
            (0.1, "0.1"),
            (1.0, "1.0"),
            (1e300, "1e300"),
            (-0.0, "(-0.0)"),
            (-2.5, "(-2.5)"),
            (f64::NEG_INFINITY, "(-INFINITY)"),
            (0.1 + 0.2, "0.30000000000000004"),
        ] {
            assert_eq!(number(value), expected);
        }
        assert_eq!(element(-2.5), "-2.5");
    }

    #[test]
    fn text_is_harmless_in_c() {
        assert_eq!(string("a\"b?\n"), "\"a\\\"b\\?\\012\"");
        assert_eq!(comment("x */ y"), "x * / y");
        assert_eq!(identifier("2 body"), "_2_body");
        assert_eq!(without_parentheses("(a) + (b)"), "(a) + (b)");
        assert_eq!(without_parentheses("(a + (b))"), "a + (b)");
    }
}
