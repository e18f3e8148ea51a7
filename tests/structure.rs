//! Jacobians and Hessians put together from those of loops, against tangents of unit vectors.

use approx::relative_eq;
use nablac::function::{EngineKind, Options};
use nablac::model::Model;
use nablac::simplify::SimplifyOptions;

/// Programs with inputs `x[n]`, `p[3]` and a value `y`.
const PROGRAMS: &[(&str, &str)] = &[
    ("map", "let y = [sin(x[k]) * x[k+1] for k in 0..n-1]"),
    ("matrix", "let y = [[x[k], x[k]*p[1]; x[k+1]^2, 3] for k in 0..n-1]"),
    ("broadcast", "let y = [exp(p[0]*x[k]) + p[1] for k in 0..n]"),
    ("reduced", "let y = [sum(p[0]*x[k]^2 for k in 0..n), sum(p .* p), x[2]*x[3]]"),
    ("nested", "let y = [sum(x[i]*x[j]*p[0] for j in 0..n) for i in 0..n]"),
    (
        "composed",
        "let z = [x[k]*x[k+1] for k in 0..n-1]\nlet y = [z[k+1] - sin(z[k])*p[2] for k in 0..n-2]",
    ),
    ("mixed", "let z = [x[k]^2 for k in 0..n]\nlet y = cos(z) .* x + sum(z)*p[0] / (1 + p[1]^2)"),
    (
        "product",
        "let z = [x[k]^2 for k in 0..9]\nlet A = reshape(z, 3, 3)\nlet y = A*p + A'*[x[0], x[1], x[2]]",
    ),
    ("select", "let z = [x[k]^2 for k in 0..n]\nlet y = select(x > 0.95, z .* x, p[0])"),
    (
        "cond",
        "fn g(a, b) = if a > b then a*b else sin(a)\nlet y = [g(x[k], x[k+1]) for k in 0..n-1]",
    ),
    (
        "call",
        "fn f(v[3], w) = [v[k]*w for k in 0..3]\nfn g(z[n]) = [z[k]*z[n-1-k] for k in 0..n]\nlet y = [g(x), f([x[0], x[1], x[2]], x[3])]",
    ),
    (
        "scan",
        "let z = [x[k]*p[0] for k in 0..n]\nlet y = vec(scan s = p[1] for k in 0..n { s*0.5 + sin(z[k]) })",
    ),
    (
        "fold",
        "let z = [x[k]*x[0] for k in 0..n]\nlet s = fold s = p[0] for k in 0..n { s*0.9 + z[k]^2 }\nlet y = [s*x[k] for k in 0..n]",
    ),
    (
        "extremes",
        "let z = [x[k]*p[0] for k in 0..n]\nlet y = [max(z), prod(z), norm2(z), max(z[k]*z[k] for k in 0..n)]",
    ),
    (
        "own",
        "fn dg(a, da) = 3*a^2*da\nfn g(a) = a^3 with jvp = dg\nlet y = [g(x[k])*x[k] for k in 0..n]",
    ),
    ("reversed", "let y = [x[n-1-k]*x[k] + k for k in 0..n]"),
    (
        "linear",
        "fn g(a, b) = if a > b then 2*a - b else sin(a)\nlet y = [g(x[k], x[k+1]) for k in 0..n-1]",
    ),
    ("triangle", "let y = [sum(x[j]*2 + p[0]*x[i] for j in 0..i) for i in 0..n]"),
    ("guarded", "let y = [if k == 0 then p[0] else x[k] - x[k-1] for k in 0..n]"),
    (
        "gathered",
        "index t[4] = [3, 0, 3, 5]\nlet z = [x[k]^2 for k in 0..n]\nlet y = [z[t[k]]*x[t[k]] for k in 0..4]",
    ),
    (
        "kron",
        "let z = [x[k]^2 for k in 0..n]\nlet y = kron([z[0], z[1]], p) + kron([x[1], z[3]], p .* p)",
    ),
];

fn compare(name: &str, kind: &str, matrix: &str, columns: &str, value: &str) {
    let text = format!(
        "dim n = 12\ninput x[n], p[3]\n{value}\nlet v = vec(y)\n{matrix}\n{columns}\noutput left = M, right = T"
    );
    let function = Model::parse(name, &text).function();
    let function = function.unwrap_or_else(|e| panic!("{name} {kind}: {e}"));
    for level in [0, 2] {
        let simplify = SimplifyOptions { level, ..SimplifyOptions::default() };
        let options = Options { engine: EngineKind::Interp, simplify, ..Options::default() };
        let compiled = function.compile(&options).expect("compiles");
        let x: Vec<f64> = (0..12).map(|i| 1.0 + 0.1 * f64::sin(f64::from(i))).collect();
        let found = compiled.evaluate(&[&x[..], &[0.7, -0.3, 1.1]]).expect("evaluates");
        let dense = |k: usize| -> Vec<f64> {
            let pattern = &function.outputs()[k].pattern;
            let mut all = vec![0.0; pattern.numel()];
            for (at, v) in pattern.linear().zip(&found[k]) {
                all[at as usize] = *v;
            }
            all
        };
        let (a, b) = (dense(0), dense(1));
        assert_eq!(a.len(), b.len(), "{name} {kind}");
        for (k, (a, b)) in a.iter().zip(&b).enumerate() {
            assert!(
                relative_eq!(*a, *b, max_relative = 1e-12, epsilon = 1e-12),
                "{name} {kind} level {level}, entry {k}: {a} against {b}"
            );
        }
    }
}

/// Tangents in the directions of the `n` unit vectors, side by side.
fn tangents(call: &str, x: &str, n: usize) -> String {
    let columns: Vec<String> = (0..n).map(|k| format!("{call}, {x}, E[:, {k}])")).collect();
    format!("let E = eye({n})\nlet T = hcat({})", columns.join(", "))
}

#[test]
fn jacobians_are_columns_of_tangents() {
    for (name, value) in PROGRAMS {
        let by = |x: &str, n: usize| {
            let matrix = format!("let M = jac(v, {x})");
            let columns = tangents("jvp(v", x, n);
            compare(name, &format!("jac by {x}"), &matrix, &columns, value);
        };
        by("x", 12);
        by("p", 3);
        by("[x, p]", 15);
    }
}

#[test]
fn hessians_are_columns_of_tangents_of_the_gradient() {
    for (name, value) in PROGRAMS {
        let value = format!(
            "{value}\nlet w = vec(y)\nlet q = sum(w .* w) + sum(sin(w[k])*w[k] for k in 0..rows(w))"
        );
        let by = |x: &str, n: usize| {
            let matrix = format!("let M = hess(q, {x})");
            let columns = tangents("hvp(q", x, n);
            compare(name, &format!("hess by {x}"), &matrix, &columns, &value);
        };
        by("x", 12);
        by("[p, x]", 15);
    }
}
