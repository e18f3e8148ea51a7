//! Every rewrite rule is tested by what its class promises; every refuted rule must fail.

use nablac::simplify::report::wrong_rules;
use nablac::simplify::rules::{UserRules, built_in, built_in_sources};
use nablac::syntax::render_all;

use expect_test::{Expect, expect};

#[test]
fn every_rule_keeps_the_promise_of_its_class() {
    let wrong = wrong_rules(built_in());
    assert!(wrong.is_empty(), "{}", render_all(&wrong, &built_in_sources(), false));
}

fn check(text: &str, expected: Expect) {
    let shown = match UserRules::parse("my.rules", text) {
        Ok(rules) => format!("{} rules hold", rules.rules().rules.len()),
        Err(e) => e.to_string(),
    };
    expected.assert_eq(&shown);
}

#[test]
fn wrong_rules_have_counterexamples() {
    check("double real 2 * sin(x) * cos(x) => sin(2 * x)", expect!["1 rules hold"]);
    check(
        "split real log(x * y) => log(x) + log(y)",
        expect![[r#"
        error[E0602]: the rule `split` is wrong at x = -1, y = -1
         --> my.rules:1:26
          |
        1 | split real log(x * y) => log(x) + log(y)
          |            ----------    ^^^^^^^^^^^^^^^ NaN
          |            |
          |            0.0 at x = -1, y = -1
          |
          = help: a `real` rule is equal in real arithmetic wherever the left side is defined
          = help: it holds with `when x >= 0`"#]],
    );
    check(
        "root real sqrt(x^2) => x",
        expect![[r#"
        error[E0602]: the rule `root` is wrong at x = -1
         --> my.rules:1:24
          |
        1 | root real sqrt(x^2) => x
          |           ---------    ^ -1.0
          |           |
          |           1.0 at x = -1
          |
          = help: a `real` rule is equal in real arithmetic wherever the left side is defined
          = help: it holds with `when x >= 0`"#]],
    );
    check(
        "root real sqrt(x^2) => x when x <= 0",
        expect![[r#"
            error[E0602]: the rule `root` is wrong at x = -1
             --> my.rules:1:24
              |
            1 | root real sqrt(x^2) => x when x <= 0
              |           ---------    ^ -1.0
              |           |
              |           1.0 at x = -1
              |
              = help: a `real` rule is equal in real arithmetic wherever the left side is defined"#]],
    );
    check(
        "half exact x * y / y => x",
        expect![[r#"
        error[E0602]: the rule `half` is wrong at x = 1, y = 0
         --> my.rules:1:25
          |
        1 | half exact x * y / y => x
          |            ---------    ^ 1.0
          |            |
          |            NaN at x = 1, y = 0
          |
          = help: an `exact` rule gives the same bits for every f64
          = help: it holds as a `real` rule"#]],
    );
    check(
        "small approx(1e-6) sin(x) => x when x in [-0.1, 0.1]",
        expect![[r#"
        error[E0602]: the rule `small` is wrong at x = -0.1
         --> my.rules:1:30
          |
        1 | small approx(1e-6) sin(x) => x when x in [-0.1, 0.1]
          |                    ------    ^ -0.1
          |                    |
          |                    -0.09983341664682815 at x = -0.1
          |
          = help: an `approx` rule is equal within 1e-6 where the left side is defined"#]],
    );
    check("small approx(2e-3) sin(x) => x when x in [-0.1, 0.1]", expect!["1 rules hold"]);
    check("narrow real floor(x) => 0 when x in [0.25, 0.5]", expect!["1 rules hold"]);
    check(
        "never real x * y => x when x > 0 and x < 0",
        expect![[r#"
        error[E0602]: the rule `never` cannot be tested: 0 of the points tried satisfy its conditions
         --> my.rules:1:1
          |
        1 | never real x * y => x when x > 0 and x < 0
          | ^^^^^
          |
          = help: weaken the conditions, or write a constant in the place of the variable"#]],
    );
    check(
        "!right x + y => y + x at x = 1, y = 2",
        expect![[r#"
        error[E0602]: the refuted rule `right` holds at its point
         --> my.rules:1:17
          |
        1 | !right x + y => y + x at x = 1, y = 2
          |        -----    ^^^^^ 3.0
          |        |
          |        3.0 at x = 1, y = 2
          |
          = help: give a point at which the left side is finite and the right side differs from it"#]],
    );
}

#[test]
fn mistakes_of_a_file_are_all_told() {
    check(
        "# mine\ntwice real x + x => 2 * z\nsin-odd reel sin(-x) => -sin(x)\nbare\nb exact cosinus(x) => 1",
        expect![[r#"
            error[E0601]: `z` does not occur on the left side
             --> my.rules:2:21
              |
            2 | twice real x + x => 2 * z
              |            -----    ^^^^^
              |            |
              |            the left side binds all variables

            error[E0601]: `reel` is not a class of rules
             --> my.rules:3:9
              |
            3 | sin-odd reel sin(-x) => -sin(x)
              |         ^^^^
              |
              = help: the classes are exact, finite, real and approx(TOL), after the name of the rule

            error[E0601]: a rule is `NAME CLASS LEFT => RIGHT [when CONDITIONS]`
             --> my.rules:4:1
              |
            4 | bare
              | ^^^^
              |
              = help: such as `log-of-exp real log(exp(x)) => x`

            error[E0601]: unknown operation `cosinus`
             --> my.rules:5:9
              |
            5 | b exact cosinus(x) => 1
              |         ^^^^^^^"#]],
    );
}
