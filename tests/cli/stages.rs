//! What programs look like on their way to machine code: `check`, `show`, `emit`, `bench`, `fmt`.

use expect_test::expect;

use super::{EXAMPLES, SQUARE, check, nablac};

#[test]
fn signatures_show_patterns() {
    check(
        &["check", "-"],
        "input m in 0.1..10, A[3,3] band(1, 1)  # [kg]\nparam b = 2\noutput y = m * b * A",
        expect![[r#"
            function model
              input   m  1x1              in 0.1..10, [kg]
              input   A  3x3, 7 nonzeros  [kg]
              param   b  1x1              = 2
              output  y  3x3, 7 nonzeros
            exit 0
        "#]],
    );
}

#[test]
fn stages_can_be_seen() {
    check(
        &["show", "spy", "-"],
        "input A[4,4] band(1, 0)\noutput A",
        expect![[r#"
            A: 4x4, 7 nonzeros
              |*   |
              |**  |
              | ** |
              |  **|
            exit 0
        "#]],
    );
    for stage in ["ast", "graph", "kernel", "clif", "asm", "cost", "colors"] {
        let (code, out, err) = nablac(&["show", stage, "examples/rosenbrock.nab"], "");
        assert!(code == 0 && !out.is_empty(), "{stage}: {err}");
    }
}

#[test]
fn graphs_are_written_for_readers() {
    let folder = std::env::temp_dir().join(format!("nablac-print-{}", std::process::id()));
    let dir = folder.to_str().unwrap();
    for (target, file, begin) in [
        ("dot", "model.dot", "digraph \"model\" {"),
        ("latex", "model.tex", "% model\n\\begin{align*}"),
        ("nab", "model.nab", "input x[2]\n"),
    ] {
        let (code, _, err) = nablac(&["emit", target, "-", "-o", dir], SQUARE);
        assert_eq!(code, 0, "{target}: {err}");
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        assert!(text.starts_with(begin), "{text}");
    }
    let text = "param p[200000] = [sin(k) for k in 0..200000]\noutput f = sum(p)";
    let (code, _, err) = nablac(&["emit", "nab", "-", "-o", dir], text);
    assert!(code == 1 && err.starts_with("error[E0519]: the language has no spelling"), "{err}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn bench_counts_operations() {
    let (code, out, err) = nablac(&["bench", "examples/rosenbrock.nab", "--format", "json"], "");
    assert_eq!(code, 0, "{err}");
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    for key in ["parse_s", "build_s", "simplify_s", "compile_s", "eval_ns", "peak_rss_bytes"] {
        assert!(report[key].is_number(), "{key}: {out}");
    }
    assert!(report["ops"]["total"].as_u64() > Some(0), "{out}");
}

#[test]
fn formatted_programs_stay() {
    let with_data = [
        "network",
        "acopf",
        "pose_graph_2d",
        "pose_graph_3d",
        "adbench/ba",
        "adbench/hand_simple",
        "adbench/hand_complicated",
    ];
    for name in EXAMPLES.iter().chain(&with_data) {
        let (code, _, err) = nablac(&["fmt", "--check", &format!("examples/{name}.nab")], "");
        assert_eq!(code, 0, "{name}: {err}");
    }
}

/// Formulas in order, and for LaTeX.
#[test]
fn formulas_read_well() {
    let source = "input x[3], A[5, 3], b[5]\noutput g = grad(norm2sq(A * x - b), x)\n\
                  output H = hess(norm2sq(A * x - b), x)\n";
    let (code, out, err) = nablac(&["show", "formula", "-"], source);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("output g = 2 * (A' * (A * x - b))\noutput H = 2 * (A' * A)\n"), "{out}");
    let (code, out, _) = nablac(&["show", "latex", "-"], source);
    assert!(code == 0 && out.contains("{A}^{\\top}"), "{out}");
}

/// Digits lost, the operation that loses them, and where.
#[test]
fn accuracy_names_the_operation_that_loses_digits() {
    let source = "input x in 0.5e-6..1e-6\noutput f = (tan(x) - sin(x)) / x^3, g = exp(x) - 1\n";
    let (code, out, err) = nablac(&["show", "accuracy", "-", "--points", "5"], source);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("decimal digits lost, of 16, at the worst of 5 points\n"), "{out}");
    assert!(out.contains("`tan(x) - sin(x)` loses "), "{out}");
    // What is simplified loses nothing where the formula as it is written does.
    let g = out.lines().find(|line| line.starts_with("g ")).expect("a line for g");
    let lost: Vec<f64> = g.split_whitespace().skip(1).map(|v| v.parse().unwrap()).collect();
    assert!(lost[0] > 5.0 && lost[1] < 1.0, "{g}");

    let points = std::env::temp_dir().join(format!("nablac-points-{}.json", std::process::id()));
    std::fs::write(&points, "[{\"x\": 7e-7}, {\"x\": 1.0}]").unwrap();
    let file = points.to_str().unwrap();
    let (code, _, err) = nablac(&["show", "accuracy", "-", "--points", file], source);
    std::fs::remove_file(&points).unwrap();
    assert_eq!(code, 1);
    assert!(err.starts_with("error[E0505]") && err.contains("out of its declared range"), "{err}");
    let (code, _, err) = nablac(&["show", "cost", "-", "--points", "5"], source);
    assert_eq!((code, err.as_str()), (2, "error: `--points` is for `show accuracy`\n"));
}
