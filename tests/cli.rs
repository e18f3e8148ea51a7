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

#[test]
fn failures_name_output_and_iteration() {
    let program = "fn part(a in 0..4) = sqrt(a)\ninput x[3]\n\
                   output f = sum(x), g = [if k == 0 then x[0] else part(x[k]) + k for k in 0..3]\n\
                   output h = sum(part(x[k] - j) for k in 0..3 for j in k..3)\n";
    for engine in ["interp", "jit", "c"] {
        for (x, expected) in [
            (
                "x=[1, 2, 9]",
                "error[E0505]: `a` of `part` is 9, not in 0..4 (output `g`, iteration 2)\n",
            ),
            (
                "x=[4, 4, 1]",
                "error[E0505]: `a` of `part` is -1, not in 0..4 (output `h`, iteration 2)\n",
            ),
        ] {
            if engine == "c" && Command::new("cc").arg("--version").output().is_err() {
                continue;
            }
            let (code, _, err) = nablac(&["eval", "-", x, "--engine", engine], program);
            assert_eq!((code, err.as_str()), (1, expected), "{engine}");
        }
    }
}

/// A child that evaluates for minutes, interrupted.
#[cfg(unix)]
#[test]
fn control_c_cancels_an_evaluation() {
    let program = "input c\n\
                   output f = sum(sin(c + i*j) for i in 0..60000 for j in 0..60000)\n";
    let file = std::env::temp_dir().join(format!("nablac-long-{}.nab", std::process::id()));
    std::fs::write(&file, program).unwrap();
    for engine in ["interp", "jit"] {
        let child = Command::new(env!("CARGO_BIN_EXE_nablac"))
            .args(["eval", file.to_str().unwrap(), "c=1", "--engine", engine])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Long enough to be evaluating, even on a busy machine.
        std::thread::sleep(std::time::Duration::from_secs(2));
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let start = std::time::Instant::now();
        let output = child.wait_with_output().unwrap();
        assert!(start.elapsed().as_secs() < 5, "{engine}");
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{engine}: {err}");
        let expected = "error[E0508]: evaluation of `";
        assert!(err.starts_with(expected) && err.contains("(output `f`, iteration "), "{err}");
        assert!(output.stdout.is_empty());
    }
    std::fs::remove_file(&file).unwrap();
}
