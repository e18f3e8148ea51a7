//! What a hundred expressions of textbooks and their derivatives look like.

use std::fmt::Write;

use expect_test::expect_file;
use nablac::model::Model;

/// Formulas of x, y and z, by which of them they are differentiated.
const SCALARS: &[(&str, &str)] = &[
    ("3 * x + 2", "x"),
    ("x^2", "x"),
    ("x^3 - 2 * x + 1", "x"),
    ("x^5", "x"),
    ("(x - 1)^2", "x"),
    ("(x + 1) * (x - 2)", "x"),
    ("1 / x", "x"),
    ("1 / x^2", "x"),
    ("x / (1 + x)", "x"),
    ("x / (1 + x^2)", "x"),
    ("1 / (1 + x^2)", "x"),
    ("sqrt(x)", "x"),
    ("x * sqrt(x)", "x"),
    ("sqrt(1 - x^2)", "x"),
    ("sqrt(1 + x^2)", "x"),
    ("x^2.5", "x"),
    ("2^x", "x"),
    ("exp(x)", "x"),
    ("exp(-x)", "x"),
    ("exp(2 * x)", "x"),
    ("exp(-x^2)", "x"),
    ("exp(-x^2 / 2)", "x"),
    ("x * exp(x)", "x"),
    ("x * exp(-x)", "x"),
    ("exp(x) / x", "x"),
    ("log(x)", "x"),
    ("log(2 * x)", "x"),
    ("log(x^2)", "x"),
    ("log(1 + x)", "x"),
    ("log(1 + x^2)", "x"),
    ("x * log(x)", "x"),
    ("x * log(x) - x", "x"),
    ("log(x) / x", "x"),
    ("log(1 + exp(x))", "x"),
    ("1 / (1 + exp(-x))", "x"),
    ("exp(x) / (1 + exp(x))", "x"),
    ("sin(x)", "x"),
    ("cos(x)", "x"),
    ("tan(x)", "x"),
    ("sin(2 * x)", "x"),
    ("sin(x)^2", "x"),
    ("sin(x) * cos(x)", "x"),
    ("sin(x)^2 + cos(x)^2", "x"),
    ("x * sin(x)", "x"),
    ("sin(x) / x", "x"),
    ("1 - cos(x)", "x"),
    ("sin(x^2)", "x"),
    ("exp(x) * sin(x)", "x"),
    ("asin(x)", "x"),
    ("acos(x)", "x"),
    ("atan(x)", "x"),
    ("x * atan(x)", "x"),
    ("sinh(x)", "x"),
    ("cosh(x)", "x"),
    ("tanh(x)", "x"),
    ("log(cosh(x))", "x"),
    ("asinh(x)", "x"),
    ("atanh(x)", "x"),
    ("abs(x)", "x"),
    ("max(x, 0)", "x"),
    ("x * y", "[x, y]"),
    ("x^2 + y^2", "[x, y]"),
    ("x^2 - y^2", "[x, y]"),
    ("x^2 + x * y + y^2", "[x, y]"),
    ("x / y", "[x, y]"),
    ("x^2 * y^3", "[x, y]"),
    ("(1 - x)^2 + 100 * (y - x^2)^2", "[x, y]"),
    ("sqrt(x^2 + y^2)", "[x, y]"),
    ("1 / sqrt(x^2 + y^2)", "[x, y]"),
    ("log(x^2 + y^2)", "[x, y]"),
    ("atan2(y, x)", "[x, y]"),
    ("exp(x * y)", "[x, y]"),
    ("exp(-(x^2 + y^2) / 2)", "[x, y]"),
    ("sin(x) * cos(y)", "[x, y]"),
    ("sin(x * y)", "[x, y]"),
    ("x * sin(y) + y * exp(x)", "[x, y]"),
    ("log(exp(x) + exp(y))", "[x, y]"),
    ("x^y", "[x, y]"),
    ("x * log(x / y)", "[x, y]"),
    ("x * y * z", "[x, y, z]"),
    ("x * y + y * z + z * x", "[x, y, z]"),
    ("sqrt(x^2 + y^2 + z^2)", "[x, y, z]"),
    ("x^2 * y + y^2 * z", "[x, y, z]"),
    ("(x - y)^2 / z", "[x, y, z]"),
    ("z * sin(x - y)", "[x, y, z]"),
];

/// Formulas of the vectors v, b, c and the matrices A, B (6x4), P (4x4), S (4x4, symmetric).
const MATRICES: &[&str] = &[
    "dot(c, v)",
    "norm2sq(v)",
    "norm2(v)",
    "v' * P * v",
    "v' * S * v",
    "0.5 * v' * S * v - c' * v",
    "norm2sq(A * v - b)",
    "0.5 * norm2sq(A * v - b)",
    "norm2sq(v) + norm2sq(A * v - b)",
    "norm2(A * v - b)",
    "sum(exp(A * v))",
    "sum(softplus(A * v)) - b' * (A * v)",
    "sum(log(1 + exp(-(b .* (A * v)))))",
    "log(sum(exp(A * v)))",
    "b' * tanh(A * v)",
];

fn written(source: &str) -> String {
    let function = Model::parse("f.nab", source).function();
    let function = function.unwrap_or_else(|e| panic!("{source}: {e}"));
    let text = nablac::print::nab(&function.readable())
        .or_else(|_| nablac::print::nab(&function))
        .unwrap_or_else(|e| panic!("{source}: {e}"));
    let lines = text.lines().filter(|line| !line.starts_with(['#']) && !line.starts_with("input"));
    lines.map(|line| format!("  {line}\n")).collect()
}

#[test]
fn a_hundred_textbook_expressions() {
    assert_eq!(SCALARS.len() + MATRICES.len(), 100);
    let mut all = String::new();
    for (formula, wrt) in SCALARS {
        let source = format!(
            "input x, y, z\nlet f = {formula}\noutput value = f, gradient = grad(f, {wrt}), \
             hessian = hess(f, {wrt})"
        );
        let _ = writeln!(all, "{formula}\n{}", written(&source));
    }
    for formula in MATRICES {
        let source = format!(
            "input v[4], b[6], c[4], A[6, 4], P[4, 4], S[4, 4] sym\nlet f = {formula}\n\
             output value = f, gradient = grad(f, v), hessian = hess(f, v)"
        );
        let _ = writeln!(all, "{formula}\n{}", written(&source));
    }
    expect_file!["textbook.expected"].assert_eq(&all);
}
