//! Several mistakes in one run, each confined to its line.

use super::*;
use expect_test::{Expect, expect};

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&summary(text));
}

#[test]
fn statements_are_independent() {
    check(
        "let a = )\nlet b = 1 +\nlet c = 2\noutput = 3\noutput c",
        expect![[r#"
            <error>
            <error>
            (let c = 2.0)
            <error>
            output c
            E0006 at `)`: `)` closes no open bracket
            E0001 at ``: the statement is not complete (expected an expression)
            E0001 at `=`: unexpected `=` (expected a name)
        "#]],
    );
    check(
        "a = 3\nb + 1\noutptu c\n[1, 2]\nexpect a ~ b\nlet d = 1",
        expect![[r#"
            <error>
            <error>
            <error>
            <error>
            <error>
            (let d = 1.0)
            E0012 at `a`: `a` begins no statement; a value is named by `let a = ...`
            E0012 at `b`: `b` begins no statement; a value is shown by `output name = ...`
            E0012 at `outptu`: `outptu` begins no statement; did you mean `output`?
            E0012 at `[`: `[` begins no statement; a value is shown by `output name = ...`
            E0012 at `expect`: `expect` begins no statement; `expect` belongs into a `test` block
        "#]],
    );
}

#[test]
fn lines_of_blocks_are_independent() {
    check(
        "fn f(x) {\n let a = )\n let b = 1 1\n a + b\n}\nlet c = 1",
        expect![[r#"
            fn f (x): (sum +a +b)
            (let c = 1.0)
            E0006 at `)`: `)` closes no open bracket
            E0001 at `1`: unexpected `1` (expected an operator, `}`, `,` or the end of the line); between two values stands an operator; a product needs its `*`
        "#]],
    );
    check(
        "fn f(x) {\n let a = 2\n a +\n}\nlet c = 1",
        expect![[r#"
            fn f (x): (let a = 2.0)
            (let c = 1.0)
            E0001 at `}`: unexpected `}` (expected an expression)
        "#]],
    );
    check(
        "test \"t\" {\n x = \n y == 2\n z = 3\n expect x 1\n}\nlet c = 1",
        expect![[r#"
            test "t" (= x (== y 2.0)) (= z 3.0)
            (let c = 1.0)
            E0001 at `1`: unexpected `1` (expected an operator, `(` or `~`); between two values stands an operator; a product needs its `*`
        "#]],
    );
    check(
        "subject to {\n a: for k in 0.N { x == 1; y }\n b: for k in 0..2 { x = 1 }\n c: x == 1\n}",
        expect![[r#"
            subject to (b: (for k 0.0 2.0) <error>) (c: x == 1.0)
            E0003 at `0.N`: `0.N` is no number; a range is `0..N`
            E0001 at `=`: unexpected `=` (expected a comparison); `==` compares, `=` only declares
        "#]],
    );
    check(
        "let y = (fold x = 0 for k in 0..3 {\n let a = = x\n let b = x\n b\n})",
        expect![[r#"
            (let y = (fold x 0.0 (for k 0.0 3.0) (let b = x) b))
            E0001 at `=`: unexpected `=` (expected an expression)
        "#]],
    );
}

#[test]
fn a_failed_header_skips_its_block() {
    check(
        "fn f(x y) {\n let a = 1\n test ) \n}\nlet b = 2",
        expect![[r#"
            fn f (x): (let a = 1.0)
            (let b = 2.0)
            E0015 at `y`: this is no pattern; write sym, diag, lower, upper, band(l, u), entries([..]), pattern("..") or sparse
            E0012 at `test`: `test` does not belong into this block
            E0006 at `)`: `)` closes no open bracket
        "#]],
    );
    check(
        "ode sol for t 0..1 {\n state x from 0\n}\nlet b = 2",
        expect![[r#"
            <error>
            (let b = 2.0)
            E0001 at `0`: unexpected `0` (expected `in`)
        "#]],
    );
}

#[test]
fn brackets_are_repaired() {
    check(
        "let a = (1 + 2\nlet b = [1, (2\nlet c = 3",
        expect![[r#"
            (let a = (sum +1.0 +2.0))
            (let b = (matrix (row 1.0 2.0)))
            (let c = 3.0)
            E0005 at `(`: `(` is never closed
            E0005 at `[`: `[` is never closed
        "#]],
    );
    check(
        "let a = 1)\nlet b = 2]\nlet c = 3}",
        expect![[r#"
            (let a = 1.0)
            (let b = 2.0)
            (let c = 3.0)
            E0006 at `)`: `)` closes no open bracket
            E0006 at `]`: `]` closes no open bracket
            E0006 at `}`: `}` closes no open bracket
        "#]],
    );
    check(
        "let a = (1 + [2)\nlet c = 3",
        expect![[r#"
            (let a = (sum +1.0 +(matrix (row 2.0))))
            (let c = 3.0)
            E0005 at `[`: `[` is never closed
        "#]],
    );
    check(
        "fn f(x) {\n let a = (x\n a\n}\nlet b = 2",
        expect![[r#"
            fn f (x):
            (let b = 2.0)
            E0005 at `(`: `(` is never closed
        "#]],
    );
    check(
        "fn f(x) {\n let a = x\n a\n\ninput b\nlet c = 3",
        expect![[r#"
            fn f (x): (let a = x) a
            input (b)
            (let c = 3.0)
            E0005 at `{`: `{` is never closed
        "#]],
    );
    check(
        "fn f(x) {\n let a = f(x,\n let b = 1\n a\n}\nlet c = 3",
        expect![[r#"
            fn f (x): (let b = 1.0) a
            (let c = 3.0)
            E0005 at `(`: `(` is never closed
        "#]],
    );
    check(
        "let a = f(1, 2",
        expect![[r#"
            (let a = (call f 1.0 2.0))
            E0005 at `(`: `(` is never closed
        "#]],
    );
}
