//! Optimisation problems.

use expect_test::expect;

use super::{check, file, nablac};

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
    let svg = std::fs::read_to_string(&*picture).unwrap();
    assert_eq!(svg.matches("h1v1h-1z").count(), 23 + 19);
    assert!(svg.contains(">circle</text>") && svg.ends_with("</svg>\n"));
}
