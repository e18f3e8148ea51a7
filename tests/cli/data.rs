//! Data from files.

use expect_test::{Expect, expect};

use super::{file, folder, nablac};

/// As [`check`], with the folder of the files left out.
fn check_data(args: &[&str], input: &str, expected: Expect) {
    let (code, out, err) = nablac(args, input);
    let text = format!("{out}{err}exit {code}\n");
    expected.assert_eq(&text.replace(&*format!("{}/", folder().display()), ""));
}

const NETWORK: &str = "dim E, n\nindex tail[E], head[E]\ninput x[n], W[n, n] sparse\n\
                       param w[E] in 0..10\noutput d = w .* (x[head] - x[tail]), W\n";

#[test]
fn data_of_several_files() {
    let json = file("net.json", r#"{"tail": [0, 1], "head": [1, 2], "x": [1, 4, 9]}"#);
    let csv = file("weights.csv", "w\n1\n2\n");
    let mtx =
        file("W.mtx", "%%MatrixMarket matrix coordinate real symmetric\n3 3 2\n1 1 2\n3 1 5\n");
    let w = format!("w={}", &*csv);
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
