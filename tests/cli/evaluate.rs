//! Values, mistakes in them, failures; `eval` and `test`.

use std::process::{Command, Stdio};

use expect_test::{Expect, expect};

use super::{EXAMPLES, SQUARE, check, nablac};

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
fn failures_name_output_and_iteration() {
    let program = "fn part(a in 0..4) = sqrt(a)\ninput x[3]\n\
                   output f = sum(x), g = [if k == 0 then x[0] else part(x[k]) + k for k in 0..3]\n\
                   output h = sum(part(x[k] - j) for k in 0..3 for j in k..3)\n";
    for engine in ["interp", "vector", "jit", "c"] {
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
    for engine in ["interp", "vector", "jit"] {
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

#[test]
fn what_takes_too_much_memory_is_refused() {
    let text = "input x[1000]\noutput f = sum(x)\n";
    let with = |output: &str, limit: &str, expected: Expect| {
        let args = ["eval", "-", "x=ones(1000)", "--output", output, "--max-memory", limit];
        check(&args, text, expected);
    };
    with(
        "J = jac(x * sum(x), x)",
        "1M",
        expect![[r#"
            error[E0402]: this derivative is too large
             --> <output 1>:1:12
              |
            1 | output J = jac(x * sum(x), x)
              |            ^^^^^^^^^^^^^^^^^^ a 1000x1000 matrix has more than 87381 entries
              |
              = help: products with vectors are small: `jvp(y, x, v)`, `hvp(f, x, v)`
            exit 1
        "#]],
    );
    with(
        "A = x * x'",
        "1M",
        expect![[r#"
        error[E0402]: the outputs take 7.6 MB; the limit is 1.0 MB
          = help: the largest output is `A`, 1000x1000 with 1000000 nonzeros; products with vectors are small: `jvp(y, x, v)`, `hvp(f, x, v)`
          = help: `--max-memory` sets the limit
        exit 1
    "#]],
    );
    with(
        "a = norm1(expm1(x * x') * x)",
        "1000K",
        expect![[r#"
        error[E0402]: an evaluation takes 15.3 MB of memory; the limit is 1000.0 KB
          = help: the largest output is `a`, 1x1 with 1 nonzeros; products with vectors are small: `jvp(y, x, v)`, `hvp(f, x, v)`
          = help: `--max-memory` sets the limit
        exit 1
    "#]],
    );
    with(
        "a = norm1(x)",
        "1e6",
        expect![[r#"
        f = 1000
        a = 1000
        exit 0
    "#]],
    );
    with(
        "a = norm1(x)",
        "much",
        expect![[r#"
        error: invalid value 'much' for '--max-memory <2G>': write a number of bytes, such as 500M or 2G

        For more information, try '--help'.
        exit 2
    "#]],
    );
}

#[test]
fn examples_pass_their_tests() {
    for name in EXAMPLES {
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

/// `eval` at the points of a CSV table.
fn table(name: &str, text: &str, more: &[&str], program: &str, expected: Expect) {
    let file = format!("nablac-table-{name}-{}.csv", std::process::id());
    let file = std::env::temp_dir().join(file);
    std::fs::write(&file, text).unwrap();
    let path = file.to_str().unwrap();
    let mut args = vec!["eval", "-", "--points", path];
    args.extend(more);
    let (code, out, err) = nablac(&args, program);
    std::fs::remove_file(&file).unwrap();
    let end = if code == 0 { String::new() } else { format!("exit {code}\n") };
    expected.assert_eq(&format!("{out}{err}{end}").replace(path, "points.csv"));
}

#[test]
fn points_of_a_table() {
    let program = "input x, z[2] in 0..10, P[2,2] sym\nparam a = 2\n\
                   output f = a * x + z[1], g = [z[0], P[0,1]]";
    let header = "x,z[0],z[1],\"P[0,0]\",\"P[1,0]\",\"P[0,1]\",\"P[1,1]\"\n";
    let rows = format!(
        "{header}1,2,3,4,5,5,6\n# a remark\n0.1,1e-3,2,4,7,7,6\n1,-2,3,4,5,5,6\n1,2,3,4,5,8,6\n0,0,0,0,0,0,0\n"
    );
    table(
        "all",
        &rows,
        &[],
        program,
        expect![[r#"
        f,g[0],g[1]
        5.0,2.0,5.0
        2.2,0.001,7.0
        ,,
        ,,
        0.0,0.0,0.0
        error[E0505]: point 2: `z` of `model` is -2, not in 0..10 (iteration 0)
        error[E0506]: point 3: the value of `P` is not symmetric: entry [1, 0] is 5, entry [0, 1] is 8
        exit 1
    "#]],
    );
    table(
        "json",
        "x\n1\n2\n",
        &["--format", "json"],
        "input x\noutput y = 2*x",
        expect![[r#"
        {"outputs": {"y": {"shape": [1, 1], "values": [2.0]}}}
        {"outputs": {"y": {"shape": [1, 1], "values": [4.0]}}}
    "#]],
    );
    let f = "input x, z[2], D[2,2] diag\noutput f = x + z[1] + D[0,0]";
    for (name, text, expected) in [
        (
            "strange",
            "x,zz[0]\n",
            expect![[r#"
            error[E0503]: there is no input `zz`
              = help: did you mean `z`?
            exit 1
        "#]],
        ),
        (
            "index",
            "x,z\n",
            expect![[r#"
            error[E0504]: the column `z` is no entry of `z`, which is 2x1
              = help: columns are entries of inputs, such as `z[0]`
            exit 1
        "#]],
        ),
        (
            "outside",
            "x,z[2]\n",
            expect![[r#"
            error[E0504]: the column `z[2]` is outside of `z`, which is 2x1
            exit 1
        "#]],
        ),
        (
            "pattern",
            "x,\"D[0,1]\"\n",
            expect![[r#"
            error[E0504]: the column `D[0,1]` is outside of `D`, which is 2x2, diagonal
            exit 1
        "#]],
        ),
        (
            "twice",
            "x,x\n",
            expect![[r#"
            error[E0504]: the column `x` is there twice
            exit 1
        "#]],
        ),
        (
            "missing",
            "x,z[1]\n",
            expect![[r#"
            error[E0502]: a column `z[0]` is missing
            exit 1
        "#]],
        ),
        (
            "word",
            "x\n1\nfour\n",
            expect![[r#"
            f
            4.0
            error[E0504]: `points.csv` cannot be read: line 3, field 1: `four` is no number
            exit 1
        "#]],
        ),
        (
            "none",
            "x\n1\n\"\"\n",
            expect![[r#"
            f
            4.0
            error[E0504]: `points.csv` cannot be read: line 3, field 1: the value is missing
            exit 1
        "#]],
        ),
        (
            "short",
            "x,z[0],z[1]\n1,2\n",
            expect![[r#"
            f
            error[E0504]: `points.csv` cannot be read: CSV error: record 1 (line: 2, byte: 12): found record with 2 fields, but the previous record has 3 fields
            exit 1
        "#]],
        ),
    ] {
        table(name, text, &["z=[1, 2]", "D=[1, 0; 0, 1]"], f, expected);
    }
}
