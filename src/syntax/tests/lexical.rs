//! Newlines, names, numbers, texts and hints for signs of other languages.

use super::*;
use expect_test::{Expect, expect};

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&summary(text));
}

#[test]
fn newlines() {
    check(
        "let a = 1\nlet b = 2;let c = 3;;\n\n;let d = 4;",
        expect![[r#"
         (let a = 1.0)
         (let b = 2.0)
         (let c = 3.0)
         (let d = 4.0)
    "#]],
    );
    check(
        "let a = b +\n c\n - d\n * e",
        expect![[r#"
         (let a = (sum +b +c -(product *d *e)))
    "#]],
    );
    check(
        "let a =\n (b\n\n + c\n)",
        expect![[r#"
         (let a = (sum +b +c))
    "#]],
    );
    check(
        "let a = [1,\n 2;\n\n 3,\n 4]",
        expect![[r#"
         (let a = (matrix (row 1.0 2.0) (row 3.0 4.0)))
    "#]],
    );
    check(
        "fn f(x)\n{\n x\n}\noutput\n f,\n g",
        expect![[r#"
        fn f (x): x
        output f g
    "#]],
    );
    check(
        "let a = if b\n then c\n else d",
        expect![[r#"
         (let a = (if b c d))
    "#]],
    );
    check(
        "let a = x'\nlet b = x[end]\nlet c = b",
        expect![[r#"
         (let a = (' x))
         (let b = (index x end))
         (let c = b)
    "#]],
    );
    check(
        "var a from\n 0",
        expect![[r#"
        var (a) from 0.0
    "#]],
    );
    check(
        "minimise f\nsubject to\n{\n a: x == 1\n}",
        expect![[r#"
        minimise f
        subject to (a: x == 1.0)
    "#]],
    );
    check(
        "let a = b # c +\n  # comment\n  + d # e",
        expect![[r#"
         (let a = (sum +b +d))
    "#]],
    );
    check(
        "let a = fold x = 0\n for k in 0..3\n with checkpoint(2)\n {\n x\n }\nlet b = 1",
        expect![[r#"
             (let a = (fold x 0.0 (for k 0.0 3.0) (with checkpoint 2.0) x))
             (let b = 1.0)
        "#]],
    );
    check(
        "let a = b\n(c)",
        expect![[r#"
            (let a = b)
            <error>
            E0012 at `(`: `(` begins no statement; a value is shown by `output name = ...`
        "#]],
    );
    check(
        "test \"t\" { x = 1\n expect a\n ~ b\n within 1 }",
        expect![[r#"
            test "t" (= x 1.0) (expect a b within 1.0)
        "#]],
    );
    check(
        "let a = (fold x = 0 for k in 0..2 {\n let b = x\n b\n })",
        expect![[r#"
         (let a = (fold x 0.0 (for k 0.0 2.0) (let b = x) b))
    "#]],
    );
    check(
        "let a = 1\r\nlet b = 2\r\n",
        expect![[r#"
         (let a = 1.0)
         (let b = 2.0)
    "#]],
    );
    check(
        "\u{feff}let a = 1",
        expect![[r#"
         (let a = 1.0)
    "#]],
    );
    check("", expect![[""]]);
    check(
        "let a = ;let b = 1",
        expect![[r#"
            <error>
            (let b = 1.0)
            E0001 at ``: the statement is not complete (expected an expression)
        "#]],
    );
}

#[test]
fn numbers() {
    check(
        "let a = 2 + 0.5 + 1e-3 + 1e3 + 2.5e+10 + 007",
        expect![[r#"
         (let a = (sum +2.0 +0.5 +0.001 +1000.0 +25000000000.0 +7.0))
    "#]],
    );
    check(
        "let a = x[1..3] + x[0..n]",
        expect![[r#"
         (let a = (sum +(index x (.. 1.0 3.0)) +(index x (.. 0.0 n))))
    "#]],
    );
    check(
        "let a = .5",
        expect![[r#"
            (let a = 0.5)
            E0003 at `.5`: `.5` is no number; there are digits on both sides of the point: `0.5`
        "#]],
    );
    check(
        "let a = 1.",
        expect![[r#"
            (let a = 1.0)
            E0003 at `1.`: `1.` is no number; there are digits on both sides of the point: `1.0`
        "#]],
    );
    check(
        "let a = 1.e3",
        expect![[r#"
            (let a = 1000.0)
            E0003 at `1.e3`: `1.e3` is no number; there are digits on both sides of the point: `1.0`
        "#]],
    );
    check(
        "let a = 2x",
        expect![[r#"
            (let a = <error>)
            E0003 at `2x`: `2x` is no number; a product needs its `*`: `2*x`
        "#]],
    );
    check(
        "let a = 0x1F",
        expect![[r#"
            (let a = <error>)
            E0003 at `0x1F`: `0x1F` is no number; numbers are decimal
        "#]],
    );
    check(
        "let a = 1E5",
        expect![[r#"
            (let a = 100000.0)
            E0003 at `1E5`: `1E5` is no number; write the exponent with a small `e`: `1e5`
        "#]],
    );
    check(
        "let a = 1e",
        expect![[r#"
            (let a = <error>)
            E0003 at `1e`: `1e` is no number; a product needs its `*`: `1*e`
        "#]],
    );
    check(
        "let a = 1e999",
        expect![[r#"
            (let a = inf)
            E0003 at `1e999`: the number is larger than the largest double, about 1.8e308; for infinity write `inf`
        "#]],
    );
    check(
        "let a = 1.2.3",
        expect![[r#"
        <error>
        E0003 at `.3`: `.3` is no number; there are digits on both sides of the point: `0.3`
    "#]],
    );
}

#[test]
fn foreign_signs() {
    check(
        "let a = x**2 && y || !z",
        expect![[r#"
            (let a = (or (and (^ x 2.0) y) (not z)))
            E0007 at `**`: `**` is not an operator of the language; the power is `^`
            E0007 at `&&`: `&&` is not an operator of the language; write `and`
            E0007 at `||`: `||` is not an operator of the language; write `or`
            E0007 at `!`: `!` is not an operator of the language; write `not`
        "#]],
    );
    check(
        "let a = A.' * B",
        expect![[r#"
            (let a = (product *(' A) *B))
            E0007 at `.\'`: `.'` is not an operator of the language; the transpose is `'`
        "#]],
    );
    check(
        "let a = b + ...\n c",
        expect![[r#"
            (let a = (sum +b +c))
            E0007 at `...`: `...` is not an operator of the language; a range is `a..b`; a statement goes on to the next line after an operator
        "#]],
    );
    check(
        "let a = x[0...3]",
        expect![[r#"
        <error>
        E0007 at `...`: `...` is not an operator of the language; a range is `a..b`; a statement goes on to the next line after an operator
    "#]],
    );
    check(
        "use 'text.nab'",
        expect![[r#"
            use "text.nab"
            E0004 at `\'text.nab\'`: `'` is the transpose of a value; a text stands in double quotes, `"..."`
        "#]],
    );
    check(
        "use \"open",
        expect![[r#"
            use "open"
            E0004 at `\"`: the text is not closed on its line; a text stands in `"..."`, without escapes
        "#]],
    );
    check(
        "minimize f",
        expect![[r#"
        minimise f
        E0012 at `minimize`: there is no statement `minimize`; write `minimise`
    "#]],
    );
    check(
        "maximize f",
        expect![[r#"
        minimise f
        E0012 at `maximize`: there is no statement `maximize`; write `minimise` with the opposite sign
    "#]],
    );
    check(
        "let a := x <> y",
        expect![[r#"
            (let a = (!= x y))
            E0007 at `:=`: `:=` is not an operator of the language; write `=`
            E0007 at `<>`: `<>` is not an operator of the language; write `!=`
        "#]],
    );
    check(
        "let a = x % 2 // comment",
        expect![[r#"
            (let a = (product *x *2.0))
            E0007 at `%`: `%` is not an operator of the language; the remainder is `mod(a, b)`
            E0007 at `//`: `//` is not an operator of the language; a comment begins with `#`
        "#]],
    );
    check(
        "let a = 2 × π",
        expect![[r#"
        <error>
        E0002 at `×`: `×` is not part of the language; write `*`
        E0002 at `π`: `π` is not part of the language; write `pi`
    "#]],
    );
    check(
        "let α = 2\nlet b = 1",
        expect![[r#"
            <error>
            (let b = 1.0)
            E0002 at `α`: `α` is not part of the language; names are ASCII letters, digits and `_`
        "#]],
    );
    check(
        "let a = b @@ c\nlet d = \0\u{1}",
        expect![[r#"
            <error>
            (let d = <error>)
            E0002 at `@`: `@@` is not part of the language
            E0002 at `\0`: `\0\u{1}` is not part of the language
        "#]],
    );
    check(
        "let a = b − c",
        expect![[r#"
        <error>
        E0002 at `−`: `−` is not part of the language; write `-`
    "#]],
    );
}

#[test]
fn reserved_words() {
    check(
        "let state = 1",
        expect![[r#"
        <error>
        E0011 at `state`: `state` is a reserved word; choose another name, such as `state_0`
    "#]],
    );
    check(
        "input x, index",
        expect![[r#"
        <error>
        E0011 at `index`: `index` is a reserved word; choose another name, such as `index_0`
    "#]],
    );
    check(
        "output f = 1 + test",
        expect![[r#"
        <error>
        E0011 at `test`: `test` is a reserved word; choose another name, such as `test_0`
    "#]],
    );
    check(
        "let in = 1",
        expect![[r#"
        <error>
        E0011 at `in`: `in` is a reserved word; choose another name, such as `in_0`
    "#]],
    );
    check(
        "let sym, newton, tol, pi, step = 1, 2, 3, 4, 5",
        expect![[r#"
         (let sym newton tol pi step = 1.0 2.0 3.0 4.0 5.0)
    "#]],
    );
}
