//! The binary: what it prints and its exit codes.

use std::io::Write;
use std::process::{Command, Stdio};

use expect_test::{Expect, expect};

/// Runs `nablac` with the text as standard input: exit code, standard output, standard error.
fn nablac(args: &[&str], input: &str) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_nablac"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The command may end without reading its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

fn check(args: &[&str], input: &str, expected: Expect) {
    let (code, out, err) = nablac(args, input);
    expected.assert_eq(&format!("{out}{err}exit {code}\n"));
}

const SQUARE: &str = "input x[2]\nlet f = norm2sq(x)\noutput f, g = grad(f, x)\n";

#[test]
fn value_gradient_and_hessian() {
    check(
        &["eval", "examples/rosenbrock.nab", "x=[1.2, 1]"],
        "",
        expect![[r#"
            f = 19.4
            g = [211.6, -88]
            H =
              1330  -480
              -480   200
            exit 0
        "#]],
    );
}

#[test]
fn json_has_shapes_and_patterns() {
    check(
        &["eval", "-", "x=[1, 2]", "--format", "json", "--output", "H = hess(f, x)"],
        SQUARE,
        expect![[r#"
            {"outputs": {"f": {"shape": [1, 1], "values": [5.0]}, "g": {"shape": [2, 1], "values": [2.0, 4.0]}, "H": {"shape": [2, 2], "colptr": [0, 1, 2], "row": [0, 1], "values": [2.0, 2.0]}}}
            exit 0
        "#]],
    );
}

#[test]
fn mistakes_in_values() {
    check(
        &["eval", "-"],
        SQUARE,
        expect![[r#"
            error[E0502]: the input `x` (2x1) has no value
              = help: give one, such as x='[1, 1]'
            exit 1
        "#]],
    );
    check(
        &["eval", "-", "x=[1, 2, 3]"],
        SQUARE,
        expect![[r#"
            error[E0501]: `x` is 2x1, the value given is 3x1
            exit 1
        "#]],
    );
    check(
        &["eval", "-", "state=1"],
        "input statu\noutput f = statu",
        expect![[r#"
            error[E0503]: there is no input `state`
              = help: did you mean `statu`?
            exit 1
        "#]],
    );
    check(
        &["eval", "-", "P=[1, 2; 3, 4]"],
        "input P[2,2] sym\noutput f = sum(P)",
        expect![[r#"
            error[E0506]: the value of `P` is not symmetric: entry [1, 0] is 3, entry [0, 1] is 2
            exit 1
        "#]],
    );
    check(
        &["eval", "-", "D=[1, 2; 3, 4]"],
        "input D[2,2] diag\noutput f = sum(D)",
        expect![[r#"
            error[E0208]: the value of `D` lies outside its declared pattern: entry [1, 0] is not zero
            exit 1
        "#]],
    );
}

#[test]
fn usage_errors_are_2() {
    assert_eq!(nablac(&["eval"], "").0, 2);
    assert_eq!(nablac(&["eval", "-", "x"], SQUARE).0, 2);
    assert_eq!(nablac(&["--help"], "").0, 0);
}

#[test]
fn other_points_go_on() {
    let file = std::env::temp_dir().join(format!("nablac-points-{}.json", std::process::id()));
    std::fs::write(&file, r#"[{"m": 2}, {"m": "nan"}, {"k": 1}, {"m": 4}]"#).unwrap();
    let args = ["eval", "-", "--format", "json", "--points", file.to_str().unwrap()];
    check(
        &args,
        "input m in 0..10\noutput f = 1/m",
        expect![[r#"
            {"outputs": {"f": {"shape": [1, 1], "values": [0.5]}}}
            {"error":{"code":"E0505","message":"`m` of `model` is NaN, not in 0..10"}}
            {"error":{"code":"E0503","message":"there is no input `k`"}}
            {"outputs": {"f": {"shape": [1, 1], "values": [0.25]}}}
            error[E0505]: point 1: `m` of `model` is NaN, not in 0..10
            error[E0503]: point 2: there is no input `k`
              = help: the inputs are: m
            exit 1
        "#]],
    );
    std::fs::remove_file(file).unwrap();
}

#[test]
fn examples_pass_their_tests() {
    for name in ["rosenbrock", "chain", "kernel", "fit"] {
        let (code, out, err) = nablac(&["test", &format!("examples/{name}.nab")], "");
        assert_eq!(code, 0, "{out}{err}");
        assert!(out.contains("test result: ok. 1 passed; 0 failed"), "{out}");
    }
}

#[test]
fn failed_expectations_show_both_values() {
    check(
        &["test", "-", "--engine", "interp"],
        "input x\noutput f = x^2\ntest \"square\" { x = 2; expect f ~ 5 }\n",
        expect![[r#"
            test <standard input>: square ... FAILED

            ---- <standard input>: square ----
            engine interp:
            error[E0509]: the expectation does not hold
             --> <standard input>:3:24
              |
            3 | test "square" { x = 2; expect f ~ 5 }
              |                        ^^^^^^^^^^^^ 4.0 ~ 5.0
              |
              = help: the error is 0.2, the tolerance 1e-9

            test result: FAILED. 0 passed; 1 failed
            exit 1
        "#]],
    );
}

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
fn saved_models_stand_for_programs() {
    let folder = std::env::temp_dir().join(format!("nablac-saved-{}", std::process::id()));
    let (dir, file) = (folder.to_str().unwrap(), folder.join("rosenbrock.json"));
    let saved = file.to_str().unwrap();
    let (code, out, err) = nablac(&["emit", "json", "examples/rosenbrock.nab", "-o", dir], "");
    assert_eq!((code, out), (0, format!("wrote {saved}\n")), "{err}");
    let same = |args: &dyn Fn(&str) -> Vec<String>| {
        let run = |file: &str| {
            let args = args(file);
            nablac(&args.iter().map(String::as_str).collect::<Vec<_>>(), "")
        };
        let (here, there) = (run("examples/rosenbrock.nab"), run(saved));
        assert_eq!(here, there);
        assert_eq!(here.0, 0, "{}", here.2);
    };
    let owned = |args: &[&str]| args.iter().map(|a| a.to_string()).collect::<Vec<_>>();
    same(&|file| owned(&["check", file]));
    same(&|file| owned(&["eval", file, "x=[1.2, 1]", "--engine", "interp"]));
    same(&|file| owned(&["eval", file, "x=[1.2, 1]", "--output", "G = hess(f, [x, a])"]));
    same(&|file| owned(&["show", "graph", file]));
    same(&|file| owned(&["show", "kernel", file]));
    let text = std::fs::read_to_string(&file).unwrap();
    let (code, out, err) = nablac(&["eval", "-", "x=[1, 1]"], &text);
    assert!(code == 0 && out.starts_with("f = 0\n"), "{out}{err}");
    let (code, _, err) = nablac(&["bench", saved, "--format", "json"], "");
    assert_eq!(code, 0, "{err}");
    let (code, out, err) = nablac(&["emit", "c", saved, "-o", dir], "");
    assert!(code == 0 && out.contains("rosenbrock.c"), "{out}{err}");
    let (code, out, err) = nablac(&["test", saved], "");
    assert!(code == 0 && out.contains(": no tests"), "{out}{err}");
    for args in [["fmt", saved], ["show", "ast"]] {
        let (code, _, err) = nablac(&[&args[..], &[saved]].concat()[..], "");
        assert_ne!(code, 0, "{err}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn saved_models_have_no_dims_and_fns_and_no_derivatives_by_outputs() {
    let args = ["eval", "tests/saved/small.json", "x=[1, 2]", "U=[1, 2; 0, 3]"];
    let with = |more: &[&str]| nablac(&[&args[..], more].concat(), "");
    assert!(with(&["--dim", "n=3"]).2.contains("a saved model has no dims, such as `n`"));
    assert!(with(&["--fn", "square"]).2.contains("a saved model has no fns, such as `square`"));
    assert!(with(&["--output", "J = jac(z, f)"]).2.contains("an output of a saved model"));
    assert!(with(&["--output", "J = jac(z, y)"]).2.contains("unknown name `y`"));
    let (code, out, err) = with(&["--output", "J = jac(z, x)", "--output", "d = 2 * f"]);
    assert!(code == 0 && out.contains("d = 18\n"), "{out}{err}");
}

#[test]
fn saved_models_that_need_externals_say_so() {
    let text = "extern fn wave(x) -> [1, 1]\ninput x\noutput f = wave(x)\n";
    let folder = std::env::temp_dir().join(format!("nablac-external-{}", std::process::id()));
    let dir = folder.to_str().unwrap();
    let (code, _, err) = nablac(&["emit", "json", "-", "-o", dir], text);
    assert_eq!(code, 0, "{err}");
    let saved = folder.join("model.json");
    check(
        &["eval", saved.to_str().unwrap(), "x=1"],
        "",
        expect![[r#"
            error[E0518]: the model needs functions from outside: wave
              = help: supply them from Rust by `Model::load(..).external(..)`, or `emit c` and link them
            exit 1
        "#]],
    );
    let (code, _, err) = nablac(&["check", saved.to_str().unwrap()], "");
    assert_eq!(code, 0, "{err}");
    std::fs::remove_dir_all(folder).unwrap();
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
    let (code, _, err) = nablac(&["emit", "nab", "examples/chain.nab", "-o", dir], "");
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
    for name in ["rosenbrock", "chain", "kernel", "fit"] {
        let (code, _, err) = nablac(&["fmt", "--check", &format!("examples/{name}.nab")], "");
        assert_eq!(code, 0, "{name}: {err}");
    }
}
