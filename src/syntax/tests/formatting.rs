//! Formatting keeps the tree and the comments, and settles after one pass.

use super::*;
use expect_test::{Expect, expect};

/// The formatted text, after checking that it is stable and means the same.
pub(super) fn formatted(text: &str) -> String {
    let once = match format(text, FileId(0)) {
        Ok(once) => once,
        Err(diagnostics) => return format!("{}\n", diagnostics[0].message),
    };
    let (before, _) = parse(text, FileId(0));
    let (after, diagnostics) = parse(&once, FileId(0));
    assert!(diagnostics.iter().all(|d| !d.is_error()), "{text:?} became {once:?}");
    assert_eq!(dump(&before), dump(&after), "{text:?} became {once:?}");
    let comments = |ast: &Ast| ast.comments.iter().map(|c| c.text.clone()).collect::<Vec<_>>();
    assert_eq!(comments(&before), comments(&after), "{text:?} became {once:?}");
    let twice = format(&once, FileId(0)).unwrap();
    assert_eq!(once, twice, "of {text:?}");
    once
}

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&formatted(text));
}

#[test]
fn blanks() {
    check(
        "input  x [ 2 ],A[n ,n]sym\nlet a=-x [ 0 ]+b *( c-1 )^ - 2",
        expect![[r#"
        input x[2], A[n, n] sym
        let a = -x[0]+b * (c-1)^-2
    "#]],
    );
    check(
        "let a = [ 1,2 ;3 , -4 ]\nlet b = A[ : ,1 .. 3 ]' \\ c",
        expect![[r#"
        let a = [1, 2; 3, -4]
        let b = A[:, 1..3]' \ c
    "#]],
    );
    check(
        "let a=if x<1 then f( x,at=0 ) else not(y)and - z",
        expect![[r#"
        let a = if x < 1 then f(x, at = 0) else not (y) and -z
    "#]],
    );
    check(
        "let a = h/2 * k1 + 2*k2 .* 2.*k3 .^ 2",
        expect![[r#"
        let a = h/2 * k1 + 2*k2 .* 2.*k3 .^ 2
    "#]],
    );
    check(
        "param T    = 2.0\nparam m_c  = 1.0, m_p = 0.1",
        expect![[r#"
        param T    = 2.0
        param m_c  = 1.0, m_p = 0.1
    "#]],
    );
    check(
        "var U[nu,N] in -1 .. 1 from [0]",
        expect![[r#"
        var U[nu, N] in -1..1 from [0]
    "#]],
    );
    check(
        "let a = [a -b, c- d]",
        expect![[r#"
        let a = [a - b, c - d]
    "#]],
    );
}

#[test]
fn lines_and_comments() {
    check(
        "\n\n# top\n\n\n\ninput x # in\nparam long_name = 3 # other\n\n   # end",
        expect![[r#"
            # top

            input x              # in
            param long_name = 3  # other

            # end
        "#]],
    );
    check(
        "let a = 1;let b = 2 ;\nlet c = 3",
        expect![[r#"
        let a = 1; let b = 2
        let c = 3
    "#]],
    );
    check(
        "fn f(x) {\n\n# first\nlet a = x;\n-a\n\n\n}",
        expect![[r#"
        fn f(x) {
          # first
          let a = x;
          -a
        }
    "#]],
    );
    check(
        "fn f(x)\n{let a = x;a }\nfn g(x){x}",
        expect![[r#"
            fn f(x)
            { let a = x; a }
            fn g(x) { x }
        "#]],
    );
    check(
        "  let a = b +\n        c # why\n        - d\nlet e = (f,\n",
        expect![[r#"
        `(` is never closed
    "#]],
    );
    check(
        "  let a = b +\n        c # why\n        - d\nlet e = f(a,\n      b)",
        expect![[r#"
        let a = b +
              c  # why
              - d
        let e = f(a,
              b)
    "#]],
    );
    check(
        "subject to {\nstart:  X == 0 # s\n shoot:  for k in 0..N { let a = k; X[k] == a }\n }",
        expect![[r#"
            subject to {
              start:  X == 0  # s
              shoot:  for k in 0..N { let a = k; X[k] == a }
            }
        "#]],
    );
    check(
        "let a = (fold x = 0 for k in 0..3 {\nlet b = x\n  # c\nb\n})",
        expect![[r#"
        let a = (fold x = 0 for k in 0..3 {
          let b = x
          # c
          b
        })
    "#]],
    );
}

#[test]
fn shared_programs_keep_their_tree() {
    for (_, text) in shared_programs().unwrap_or_default() {
        formatted(&text);
    }
}
