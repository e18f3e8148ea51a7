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

/// Examples that need no data.
const EXAMPLES: [&str; 10] = [
    "rosenbrock",
    "chain",
    "kernel",
    "fit",
    "pendulum_map",
    "rosenbrock_chain",
    "luksan",
    "quadrotor_ocp",
    "adbench/gmm",
    "adbench/lstm",
];

#[test]
fn examples_pass_their_tests() {
    for name in EXAMPLES {
        let (code, out, err) = nablac(&["test", &format!("examples/{name}.nab")], "");
        assert_eq!(code, 0, "{out}{err}");
        assert!(out.contains("test result: ok. 1 passed; 0 failed"), "{out}");
    }
}

#[test]
fn arrays_of_filters_are_used_where_empty() {
    let file = std::env::temp_dir().join(format!("nablac-empty-{}.json", std::process::id()));
    std::fs::write(&file, r#"{"bus": [], "p": []}"#).unwrap();
    let program = "dim A, B = 2\nindex bus[A]\ninput p[A]\n\
                   output load = [sum(p[a] for a in 0..A if bus[a] == i) for i in 0..B]\n";
    let (code, _, err) = nablac(&["check", "-", "--data", &file.display().to_string()], program);
    std::fs::remove_file(file).unwrap();
    assert_eq!((code, err.as_str()), (0, ""));
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

/// A file of its own for a test.
fn file(name: &str, text: &str) -> String {
    let folder = std::env::temp_dir().join(format!("nablac-cli-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// As [`check`], with the folder of the files left out.
fn check_data(args: &[&str], input: &str, expected: Expect) {
    let folder = std::env::temp_dir().join(format!("nablac-cli-{}/", std::process::id()));
    let (code, out, err) = nablac(args, input);
    let text = format!("{out}{err}exit {code}\n");
    expected.assert_eq(&text.replace(&*folder.display().to_string(), ""));
}

const NETWORK: &str = "dim E, n\nindex tail[E], head[E]\ninput x[n], W[n, n] sparse\n\
                       param w[E] in 0..10\noutput d = w .* (x[head] - x[tail]), W\n";

#[test]
fn data_of_several_files() {
    let json = file("net.json", r#"{"tail": [0, 1], "head": [1, 2], "x": [1, 4, 9]}"#);
    let csv = file("weights.csv", "w\n1\n2\n");
    let mtx =
        file("W.mtx", "%%MatrixMarket matrix coordinate real symmetric\n3 3 2\n1 1 2\n3 1 5\n");
    let w = format!("w={csv}");
    let args = ["--data", &json, "--data", &w, "--data", &mtx];
    check_data(
        &[&["eval", "-"], &args[..]].concat(),
        NETWORK,
        expect![[r#"
        d = [3, 10]
        W =
          2  .  5
          .  .  .
          5  .  .
        exit 0
    "#]],
    );
    check_data(
        &[&["check", "-"], &args[..]].concat(),
        NETWORK,
        expect![[r#"
        function model
          input   x  3x1              has a default
          input   W  3x3, 3 nonzeros  has a default
          param   w  2x1              in 0..10, has a default
          output  d  2x1
          output  W  3x3, 3 nonzeros
          dim E = 2, the length of `tail` in `net.json`
          dim n = 3, the length of `x` in `net.json`
        exit 0
    "#]],
    );
}

#[test]
fn mistakes_in_data() {
    let program = "dim E, n = 3\nindex tail[E], head[E]\ninput x[n] in 0..10\n\
                   output d = [x[head[k]] - x[tail[k] + 1] for k in 0..E]\n";
    let case = |name: &str, json: &str, expected: Expect| {
        let json = file(name, json);
        check_data(&["eval", "-", "--data", &json], program, expected);
    };
    case(
        "range.json",
        r#"{"tail": [0, 2], "head": [1, 2], "x": [1, 4, 9]}"#,
        expect![[r#"
        error[E0205]: the index takes the value 3, which is out of range
         --> <standard input>:4:28
          |
        3 | input x[n] in 0..10
          |       - `x` is 3x1
        4 | output d = [x[head[k]] - x[tail[k] + 1] for k in 0..E]
          |                            ^^^^^^^^^^^ the last one is 2
          |
          = help: indices start at 0; the last entry is `end`
          = help: `tail[1]` is 2 in `range.json`
        exit 1
    "#]],
    );
    case(
        "sizes.json",
        r#"{"tail": [0, 1], "head": [1], "x": [1, 4, 9]}"#,
        expect![[r#"
        error[E0207]: the data give the dim `E` two values
         --> <standard input>:1:5
          |
        1 | dim E, n = 3
          |     ^ the length of `tail` in `sizes.json` is 2, the length of `head` in `sizes.json` is 1
        exit 1
    "#]],
    );
    case(
        "half.json",
        r#"{"tail": [0, 0.5], "head": [1, 2], "x": [1, 4, 9]}"#,
        expect![[r#"
        error[E0206]: the index array `tail` has an entry that is no integer
         --> <standard input>:2:7
          |
        2 | index tail[E], head[E]
          |       ^^^^ in `half.json`: `tail[1]` is 0.5
        exit 1
    "#]],
    );
    case(
        "none.json",
        r#"{"tail": [0, 1], "x": [1, 4, 9]}"#,
        expect![[r#"
        error[E0221]: the index array `head` has no values
         --> <standard input>:2:16
          |
        2 | index tail[E], head[E]
          |                ^^^^ neither here nor in the data
          |
          = help: give them: `index head[3] = [0, 2, 1]` or `--data FILE`
        exit 1
    "#]],
    );
    case(
        "names.json",
        r#"{"tail": [0], "heads": [1], "x": [1, 4, 9]}"#,
        expect![[r#"
        error[E0503]: `names.json` gives `heads`, which the program does not have
         --> <standard input>:1:1
          |
        1 | dim E, n = 3
          | ^
          |
          = help: did you mean `head`?

        error[E0221]: the index array `head` has no values
         --> <standard input>:2:16
          |
        2 | index tail[E], head[E]
          |                ^^^^ neither here nor in the data
          |
          = help: give them: `index head[3] = [0, 2, 1]` or `--data FILE`
        exit 1
    "#]],
    );
    case(
        "shape.json",
        r#"{"tail": [0], "head": [1], "x": [1, 4]}"#,
        expect![[r#"
        error[E0202]: the data of `x` have another shape
         --> <standard input>:3:7
          |
        3 | input x[n] in 0..10
          |       ^ in `shape.json`: 2x1, expected 3x1
        exit 1
    "#]],
    );
    case(
        "bounds.json",
        r#"{"tail": [0], "head": [1], "x": [1, 4, -2]}"#,
        expect![[r#"
        error[E0505]: the data of `x` lie outside its declared range
         --> <standard input>:3:7
          |
        3 | input x[n] in 0..10
          |       ^ in `bounds.json`: `x[2]` is -2, the range is 0..10
        exit 1
    "#]],
    );
    case(
        "dim.json",
        r#"{"n": 2.5, "tail": [0], "head": [1], "x": [1, 4]}"#,
        expect![[r#"
        error[E0206]: the value of the dim `n` is no integer
         --> <standard input>:1:8
          |
        1 | dim E, n = 3
          |        ^ in `dim.json`: 2.5

        error[E0202]: the data of `x` have another shape
         --> <standard input>:3:7
          |
        3 | input x[n] in 0..10
          |       ^ in `dim.json`: 2x1, expected 3x1
        exit 1
    "#]],
    );
    case(
        "text.json",
        "{\"tail\": [0, 1],\n \"head\": [1, oops]}",
        expect![[r#"
        error[E0504]: `text.json`, line 2, column 14: expected value
        exit 1
    "#]],
    );
}

#[test]
fn bundle_adjustment_example_takes_its_data() {
    let args = ["test", "examples/adbench/ba.nab", "--data", "examples/adbench/ba.json"];
    let (code, out, err) = nablac(&args, "");
    assert_eq!(code, 0, "{out}{err}");
}

#[test]
fn network_example_takes_its_data() {
    let args = ["examples/network.nab", "--data", "examples/network.json"];
    let (code, out, err) = nablac(&[&["test"], &args[..]].concat(), "");
    assert_eq!(code, 0, "{out}{err}");
    let (code, out, err) = nablac(&[&["check"], &args[..]].concat(), "");
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("dim E = 4, the length of `tail` in `examples/network.json`"), "{out}");
}

#[test]
fn problems_give_their_functions() {
    let program = "param r = 4\nvar x[2] in -1..inf from [1, 2]\nminimise x[0] * x[1]\n\
                   subject to { circle: norm2sq(x) <= r }\n";
    check(
        &["check", "-"],
        program,
        expect![[r#"
        function model
          param   r       1x1              = 4
          var     x       2x1              has a default
          input   lam_f   1x1              = 1
          input   lam_g   1x1              = 0
          output  f       1x1
          output  grad_f  2x1
          output  g       1x1
          output  jac_g   1x2
          output  hess_l  2x2, 3 nonzeros
          output  lbx     2x1
          output  ubx     2x1
          output  lbg     1x1
          output  ubg     1x1
          output  x0      2x1
          minimise f; x = x (2); g = circle (1)
        exit 0
    "#]],
    );
    check(
        &["eval", "-", "lam_g=0.5", "--upper"],
        program,
        expect![[r#"
        f = 2
        grad_f = [2, 1]
        g = 1
        jac_g =
          2  4
        hess_l =
          1  1
          .  1
        lbx = [-1, -1]
        ubx = [inf, inf]
        lbg = -inf
        ubg = 0
        x0 = [1, 2]
        exit 0
    "#]],
    );
    let data = file("start.json", r#"{"x": [0, 3]}"#);
    let (_, out, err) = nablac(&["eval", "-", "--data", &data], program);
    assert!(out.contains("f = 0\n") && out.contains("x0 = [0, 3]\n"), "{out}{err}");
}

#[test]
fn patterns_of_problems_have_block_names() {
    let (code, out, err) = nablac(&["show", "spy", "tests/abi/nlp.nab"], "");
    assert_eq!(code, 0, "{err}");
    let names =
        "  rows: circle 0..1, both 1..3, step 3..7, apart 7..10\n  columns: x 0..2, Y 2..8\n";
    assert!(out.contains(names), "{out}");
    let picture = file("nlp.svg", "");
    let (code, _, err) = nablac(&["show", "spy", "tests/abi/nlp.nab", "-o", &picture], "");
    assert_eq!(code, 0, "{err}");
    let svg = std::fs::read_to_string(picture).unwrap();
    assert_eq!(svg.matches("h1v1h-1z").count(), 23 + 19);
    assert!(svg.contains(">circle</text>") && svg.ends_with("</svg>\n"));
}

#[test]
fn saved_models_take_data() {
    let program = file("saved.nab", "input x[2]\nlet f = norm2sq(x)\noutput f\n");
    let folder = std::path::Path::new(&program).parent().unwrap().display().to_string();
    let (code, _, err) = nablac(&["emit", "json", &program, "-o", &folder], "");
    assert_eq!(code, 0, "{err}");
    let (model, data) = (format!("{folder}/saved.json"), file("x.json", r#"{"x": [3, 4]}"#));
    let (_, out, err) = nablac(&["eval", &model, "--data", &data], "");
    assert_eq!(out, "f = 25\n", "{err}");
    let data = file("y.json", r#"{"y": [3, 4]}"#);
    let (code, _, err) = nablac(&["eval", &model, "--data", &data, "x=[1, 2]"], "");
    assert!(code == 1 && err.contains("E0503") && err.contains("`y`"), "{err}");
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
