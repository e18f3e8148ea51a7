//! Pictures, formulas and programs made of functions.

use std::path::Path;

use expect_test::{Expect, expect};
use nablac::builder::GraphBuilder;
use nablac::function::{EngineKind, Function, Options};
use nablac::model::Model;
use nablac::print::{dot, latex, nab};
use nablac::simplify::SimplifyOptions;
use nablac::simplify::rules::Math;

fn parse(text: &str) -> Function {
    Model::parse("model.nab", text).function().unwrap_or_else(|e| panic!("{e}"))
}

fn load(name: &str) -> Function {
    Model::load(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap().function().unwrap()
}

fn check(printed: &str, expected: Expect) {
    expected.assert_eq(printed);
}

const LOOPS: &str = "input x[3], theta_0, X[2,3]\nparam h in 0..1 = 0.5  # [s]\n\
    fn f(s[2], u) = [s[1], -sin(s[0]) + u]\n\
    let last = fold s = [theta_0, 0] for k in 0..3 { let d = f(s, x[k]); s + h * d .* d }\n\
    let a = if theta_0 > 0 then last[0] else h\n\
    output a, y = sum(exp(-x[k]) * (2*k + 1) for k in 0..3) / (a + 1)^2\n\
    output Y = [norm2sq(X[:, k]) for k in 0..3], Z = X' * X + diag(x), w = max(abs(x))";

#[test]
fn programs() {
    check(
        &nab(&parse(LOOPS)).unwrap(),
        expect![[r#"
            input x[3]
            input theta_0
            input X[2, 3]
            param h in 0..1 = 0.5  # [s]
            fn f(s[2], u) = [s[1], u - sin(s[0])]
            let t2 = fold s1 = [theta_0, 0] for k1 in 0..3 {
              let t1 = f(s1, x[k1])
              s1 + h * t1 .* t1
            }
            let t3 = t2[0]
            let t4 = if theta_0 > 0 then t3 else h
            output a = t4
            output y = sum((2 * k2 + 1) * exp(-x[k2]) for k2 in 0..3) / (t4 + 1) ^ 2
            output Y = [sum(X[:, k3] .* X[:, k3]) for k3 in 0..3]
            output Z = X' * X + diag(x)
            output w = max(abs(x))
        "#]],
    );
}

#[test]
fn formulas() {
    check(
        &latex(&parse(LOOPS)),
        expect![[r#"
            % f
            \begin{align*}
            \operatorname{f}\left(s, u\right) &= \begin{bmatrix} s_{1} \\ u - \sin\left(s_{0}\right) \end{bmatrix}
            \end{align*}
            % fold
            \begin{align*}
            t_{1} &= \operatorname{f}\left(\mathrm{state}, x\right) \\
            \operatorname{fold}\left(\mathrm{state}, x, h\right) &= \mathrm{state} + t_{1} \odot \left(t_{1} \, h\right)
            \end{align*}
            % then
            \begin{align*}
            \operatorname{then}\left(\mathrm{last}, h\right) &= \mathrm{last}
            \end{align*}
            % else
            \begin{align*}
            \operatorname{else}\left(\mathrm{last}, h\right) &= h
            \end{align*}
            % loop
            \begin{align*}
            \operatorname{loop}\left(x, i\right) &= i \, \exp\left(-x\right)
            \end{align*}
            % loop
            \begin{align*}
            \operatorname{loop\_2}\left(X\right) &= \operatorname{sum}\left(X \odot X\right)
            \end{align*}
            % model
            \begin{align*}
            s_{6,0}^{(0)} &= \begin{bmatrix} \theta_{0} \\ 0 \end{bmatrix} \\
            s_{6,0}^{(k+1)} &= \operatorname{fold}\left(s_{6,0}^{(k)}, x_{k}, h\right), \quad k = 0, \ldots, 2 \\
            t_{1} &= \begin{cases} \operatorname{then}\left(\left(s_{6,0}^{(3)}\right)_{0}, h\right) & \theta_{0} > 0 \\ \operatorname{else}\left(\left(s_{6,0}^{(3)}\right)_{0}, h\right) & \text{otherwise} \end{cases} \\
            a &= t_{1} \\
            y &= \frac{\sum_{k=0}^{2} \operatorname{loop}\left(x_{k}, 1 + 2 k\right)}{{\left(1 + t_{1}\right)}^{2}} \\
            Y &= \left[\operatorname{loop\_2}\left(X_{2 k:2 + 2 k}\right)\right]_{k=0}^{2} \\
            Z &= {X}^{\top} \, X + \operatorname{diag}\left(x\right) \\
            w &= \max\left(\left|x\right|\right)
            \end{align*}
        "#]],
    );
}

#[test]
fn pictures() {
    check(
        &dot(parse("input x[2]\nfn f(a) = a^2\noutput y = sum(f(x[k]) for k in 0..2)").func()),
        expect![[r#"
            digraph "model" {
              compound=true; rankdir=TB; node [shape=box, fontname="monospace"];
              subgraph cluster_2 {
                label="model";
                f2_out0 [label="y\n1x1", shape=ellipse];
                f2_0 [label="x\n2x1", shape=ellipse];
                f2_1 [label="loop 2", style=rounded];
                f2_0 -> f2_1;
                f2_2 [label="result 0"];
                f2_1 -> f2_2;
                f2_2 -> f2_out0;
              }
              f2_1 -> f1_out0 [style=dashed, lhead=cluster_1];
              subgraph cluster_1 {
                label="loop";
                f1_out0 [label="y\n1x1", shape=ellipse];
                f1_0 [label="x\n1x1", shape=ellipse];
                f1_1 [label="call", style=rounded];
                f1_0 -> f1_1;
                f1_2 [label="result 0"];
                f1_1 -> f1_2;
                f1_2 -> f1_out0;
              }
              f1_1 -> f0_out0 [style=dashed, lhead=cluster_0];
              subgraph cluster_0 {
                label="f";
                f0_out0 [label="f\n1x1", shape=ellipse];
                f0_0 [label="a\n1x1", shape=ellipse];
                f0_1 [label="2", shape=plaintext];
                f0_2 [label="pow"];
                f0_0 -> f0_2 [label=0];
                f0_1 -> f0_2 [label=1];
                f0_2 -> f0_out0;
              }
            }
        "#]],
    );
}

#[test]
fn programs_of_the_language_make_the_same_graph() {
    for name in ["arithmetic", "declarations", "derivatives", "index", "loops"] {
        let f = load(&format!("tests/lang/{name}.nab"));
        let text = nab(&f).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(parse(&text).func().content_hash(), f.func().content_hash(), "{name}\n{text}");
        assert!(!text.starts_with('#'), "{name}\n{text}");
    }
}

/// Asserts that two functions have the same values at a point, in the interpreter, up to so many
/// times the rounding of a number.
fn assert_same_values(f: &Function, g: &Function, n_roundings: f64, name: &str) {
    let values = |f: &Function| {
        let inputs: Vec<Vec<f64>> = f
            .inputs()
            .iter()
            .map(|i| (0..i.pattern.nnz()).map(|k| 0.8 + 0.3 * (k as f64).sin()).collect())
            .collect();
        let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
        let strict = SimplifyOptions { level: 0, math: Math::Strict, rules: None };
        let options =
            Options { engine: EngineKind::Interp, simplify: strict, ..Options::default() };
        f.compile(&options).unwrap().evaluate(&inputs).unwrap()
    };
    for (a, b) in values(f).iter().flatten().zip(values(g).iter().flatten()) {
        assert!((a - b).abs() <= n_roundings * f64::EPSILON * a.abs(), "{a} and {b} in {name}");
    }
}

#[test]
fn what_makes_another_graph_has_the_same_values_and_says_so() {
    for name in ["chain", "fit", "rosenbrock"] {
        let f = load(&format!("examples/{name}.nab"));
        let text = nab(&f).unwrap_or_else(|e| panic!("{name}: {e}"));
        let is_same = parse(&text).func().content_hash() == f.func().content_hash();
        assert_eq!(text.starts_with("# The same values by another graph.\n"), !is_same, "{name}");
        assert_same_values(&f, &parse(&text), 0.0, name);
    }
}

#[test]
fn loops_have_several_states_results_and_windows() {
    let text = "input x[4], A[2,3]\nindex i[4] = [2, 0, 1, 2]\n\
        let q = fold s = [1, x[0]] for k in 0..4 { [s[1] * x[k], s[0] + 1] }\n\
        let f = sum(q) + sum(x[i[k]]^2 * x[k] for k in 0..4) + sum(A[:, k][1] for k in 0..3)\n\
        let t = [sum(x[j] * x[i[k]] for j in k..4) for k in 0..4]\n\
        output f, t, g = grad(f, x), J = jac(t, x), H = hess(f + sum(t), x)";
    let f = parse(text);
    let text = nab(&f).unwrap_or_else(|e| panic!("{e}"));
    // Iterations that do not run are left out by conditions, so that others are summed together.
    assert_same_values(&f, &parse(&text), 8.0, &text);
    for line in ["scan", "sum(", "index n"] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn loops_may_leave_a_part_of_a_result_out() {
    let text = "input X[2,5], x[3]\n\
        let f = sum(norm2sq(sin(X[:, k])) for k in 0..4) + sum(x[k]^3 for k in 0..2)\n\
        output f, g = grad(f, X), h = grad(f, x)";
    let f = parse(text);
    let text = nab(&f).unwrap_or_else(|e| panic!("{e}"));
    assert_same_values(&f, &parse(&text), 0.0, &text);
}

#[test]
fn own_derivatives_and_externals_are_kept() {
    let text = "fn dw(x, dx) = cos(x) * dx\nextern fn wave(x) -> [1, 1] with jvp = dw\n\
                fn g(x) = x^2 with jvp = dg\nfn dg(x, dx) = 2*x*dx\n\
                input x\noutput f = 2 * wave(x) + g(x)";
    let printed = nab(&parse(text)).unwrap();
    assert!(printed.contains("extern fn wave(x0) -> [1, 1] with jvp = dw"), "{printed}");
    assert!(printed.contains("with jvp = dg"), "{printed}");
    // The derivatives are those of the declarations.
    let gradient = |text: &str| parse(text).gradient("f", "x").unwrap().func().content_hash();
    assert_eq!(gradient(text), gradient(&printed));
}

#[test]
fn large_graphs_are_printed() {
    let g = GraphBuilder::new("chain");
    let (x, mut y) = (g.input("x", 1), g.input("y", 1));
    for k in 0..30_000 {
        y = (y * x + k as f64).sin();
    }
    g.output("f", y);
    let f = g.function().unwrap();
    assert!(latex(&f).len() > 500_000 && dot(f.func()).len() > 500_000);
    assert!(nab(&f).unwrap().lines().count() > 1_000);
}
