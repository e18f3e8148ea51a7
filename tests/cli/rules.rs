//! `nablac rules` and `--rules`.

use expect_test::expect;

use super::{check, file, nablac};

const TRIPLE: &str = "triple real 3 * sin(x) - 4 * sin(x)^3 => sin(3 * x)\n";
const PROGRAM: &str = "input x\noutput f = 3*sin(x) - 4*sin(x)^3\n";

#[test]
fn files_of_rules_are_checked() {
    let text = format!("{TRIPLE}same exact max(x, x) => x\n!root sqrt(x^2) => x at x = -1\n");
    check(
        &["rules", "check", "-"],
        &text,
        expect![[r#"
        2 rules hold (exact 1, real 1); 1 wrong one fails at its point
        exit 0
    "#]],
    );
    check(
        &["rules", "check", "-"],
        "# none\n",
        expect![[r#"
        no rules
        exit 0
    "#]],
    );
    check(
        &["rules", "check", "-"],
        "split real log(x * y) => log(x) + log(y) # needs signs\ndouble finite sin(2 * x) => 2 * sin(x) * cos(x)\n",
        expect![[r#"
            error[E0602]: the rule `split` is wrong at x = -1, y = -1
             --> <standard input>:1:26
              |
            1 | split real log(x * y) => log(x) + log(y) # needs signs
              |            ----------    ^^^^^^^^^^^^^^^ NaN
              |            |
              |            0.0 at x = -1, y = -1
              |
              = help: a `real` rule is equal in real arithmetic wherever the left side is defined
              = help: it holds with `when x >= 0`

            error[E0602]: the rule `double` is wrong at x = 1
             --> <standard input>:2:29
              |
            2 | double finite sin(2 * x) => 2 * sin(x) * cos(x)
              |               ----------    ^^^^^^^^^^^^^^^^^^^ 0.9092974268256816
              |               |
              |               0.9092974268256817 at x = 1
              |
              = help: a `finite` rule gives the same for finite operands, up to the sign of zero
              = help: it holds as a `real` rule
            exit 1
        "#]],
    );
    check(
        &["rules", "check", "-"],
        "split real log(x * y) = log(x) + log(y)\n",
        expect![[r#"
        error[E0601]: `=>` is missing
         --> <standard input>:1:12
          |
        1 | split real log(x * y) = log(x) + log(y)
          |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        exit 1
    "#]],
    );
    check(
        &["rules", "check", "missing.rules"],
        "",
        expect![[r#"
        error[E0108]: the file `missing.rules` cannot be read: No such file or directory (os error 2)
        exit 1
    "#]],
    );
}

#[test]
fn rules_are_listed() {
    check(
        &["rules", "list", "sigmoid"],
        "",
        expect![[r#"
            explog: 2 (real 2)
              sigmoid-of-minus    real     1 / (1 + exp(-x)) => sigmoid(x)
              sigmoid-complement  real     1 - sigmoid(-x) => sigmoid(x)

            stability: 9 (real 9)
              sigmoid-of-exp      real     exp(x) / (1 + exp(x)) => sigmoid(x)
              sigmoid-of-one-by   real     1 / (1 + exp(x)) => sigmoid(-x)
              share-of-exp        real     exp(x) / (exp(x) + exp(y)) => sigmoid(x - y)
              sigmoid-of-log      real     sigmoid(log(x)) => x / (1 + x)
              one-minus-sigmoid   real     1 - sigmoid(x) => sigmoid(-x)
              sigmoid-plus-minus  real     sigmoid(x) + sigmoid(-x) => 1
              log-of-sigmoid      real     log(sigmoid(x)) => -softplus(-x)
              exp-of-neg-softplus real     exp(-softplus(x)) => sigmoid(-x)
              tanh-of-sigmoid     real     2 * sigmoid(2 * x) - 1 => tanh(x)

            approx: 3 (approx 3)
              small-sigmoid           approx(2e-16) sigmoid(x) => 0.5 + x * (0.25 - 0.020833333333333332 * (x * x))  when x in [-5e-4, 5e-4]
              large-sigmoid           approx(2e-16) sigmoid(x) => 1  when x in [38, 1e300]
              large-negative-sigmoid  approx(2e-16) sigmoid(x) => exp(x)  when x in [-1e300, -38]

            all: 14 (real 11, approx 3)
            exit 0
        "#]],
    );
    check(
        &["rules", "list", "sigmund"],
        "",
        expect![[r#"
        error: no rule contains `sigmund`
        exit 1
    "#]],
    );
    let (code, all, _) = nablac(&["rules", "list"], "");
    let last = all.lines().last().unwrap_or_default();
    let n: usize = last.split(' ').nth(1).and_then(|n| n.parse().ok()).unwrap();
    assert!(code == 0 && n >= 150 && last.starts_with("all: "), "{last}");
}

#[test]
fn rules_of_the_user_are_applied() {
    let (rules, program) = (file("triple.rules", TRIPLE), file("f.nab", PROGRAM));
    let calls = |args: &[&str]| -> u64 {
        let all = [&["bench", &program, "--format", "json"], args].concat();
        let (_, out, err) = nablac(&all, "");
        let json: serde_json::Value = serde_json::from_str(&out).expect(&err);
        json["ops"]["mul"].as_u64().unwrap()
    };
    assert_eq!((calls(&["--rules", &rules]), calls(&[]) > 1), (1, true));
    for command in ["eval", "test"] {
        let args: &[&str] = if command == "eval" { &["x=0.5"] } else { &[] };
        let all = [&[command, &program, "--rules", &rules], args].concat();
        assert_eq!(nablac(&all, "").0, 0, "{command}");
    }
    let (code, kernel, _) = nablac(&["show", "kernel", &program, "--rules", &rules], "");
    assert!(code == 0 && kernel.matches("sin").count() == 1, "{kernel}");
    let (code, cost, _) = nablac(&["show", "cost", &program, "--rules", &rules], "");
    let stages: Vec<&str> = cost.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!((code, stages), (0, vec!["construction", "powers", "matrices", "rules", "sums"]));
}

#[test]
fn wrong_rules_are_refused() {
    let rules = file("wrong.rules", "root real sqrt(x^2) => x\n");
    let program = file("g.nab", PROGRAM);
    let (code, out, err) = nablac(&["eval", &program, "x=1", "--rules", &rules], "");
    assert!(code == 1 && out.is_empty() && err.starts_with("error[E0602]"), "{err}");
    let args = ["eval", &program, "x=1", "--rules", &rules, "--level", "1"];
    check(
        &args,
        "",
        expect![[r#"
        error: `--rules` needs `--level 2` or `--level 3`
        exit 2
    "#]],
    );
}
