//! Precedence, grouping and forms of expressions.

use super::*;
use expect_test::{Expect, expect};

/// The tree of one expression, or its mistakes.
fn check(text: &str, expected: Expect) {
    let (ast, root, diagnostics) = parse_expression(text, FileId(0));
    let mut shown = root.map_or(String::new(), |root| dump_expr(&ast, root));
    for diagnostic in diagnostics {
        shown.push_str(&format!("{}: {}", diagnostic.code.id(), diagnostic.message));
    }
    expected.assert_eq(&shown);
}

#[test]
fn chains_are_one_node() {
    check("a + b - c", expect!["(sum +a +b -c)"]);
    check("a * b / c .* d ./ e \\ f", expect![[r#"(product *a *b /c .*d ./e \f)"#]]);
    check("a - (b - c)", expect!["(sum +a -(sum +b -c))"]);
    check("(a - b) - c", expect!["(sum +(sum +a -b) -c)"]);
    check("a and b and c or d or e", expect!["(or (and a b c) d e)"]);
    check("if a then b else if c then d else if e then f else g", expect!["(if a b c d e f g)"]);
}

#[test]
fn levels_of_precedence() {
    check(
        "not a == b and c < d + 1 or e",
        expect!["(or (and (not (== a b)) (< c (sum +d +1.0))) e)"],
    );
    check("a + b * c ^ d'", expect!["(sum +a +(product *b *(^ c (' d))))"]);
    check("-a * b", expect!["(product *(- a) *b)"]);
    check("a * -b", expect!["(product *a *(- b))"]);
    check("a - -b", expect!["(sum +a -(- b))"]);
    check("--a", expect!["(- (- a))"]);
    check("-x^2", expect!["(- (^ x 2.0))"]);
    check("x^-2", expect!["(^ x (- 2.0))"]);
    check("2^-x^2", expect!["(^ 2.0 (- (^ x 2.0)))"]);
    check("2^3^4", expect!["(^ 2.0 (^ 3.0 4.0))"]);
    check("a .^ b ^ c", expect!["(.^ a (^ b c))"]);
    check("A'^2", expect!["(^ (' A) 2.0)"]);
    check("A^2'", expect!["(^ A (' 2.0))"]);
    check("x[0]'.y[1]", expect!["(index (. (' (index x 0.0)) y) 1.0)"]);
    check("a * (if c then x else y)", expect!["(product *a *(if c x y))"]);
    check("if c then x else y + 1", expect!["(if c x (sum +y +1.0))"]);
    check("1./A", expect!["(product *1.0 ./A)"]);
    check("2.*A.^3", expect!["(product *2.0 .*(.^ A 3.0))"]);
    check("a * if c then x else y", expect!["E0001: unexpected `if`"]);
    check("+a", expect!["E0001: unexpected `+`"]);
    check("a < b < c", expect!["E0009: comparisons do not chain"]);
}

#[test]
fn brackets() {
    check("[a, b, c]", expect!["(matrix (row a b c))"]);
    check("[a, b; c, d]", expect!["(matrix (row a b) (row c d))"]);
    check("[]", expect!["(matrix)"]);
    check("[a\n b]", expect!["E0013: entries are separated by commas"]);
    check("[a b]", expect!["E0013: entries are separated by commas"]);
    check("[a, b\n, c;\nd, e, f]", expect!["(matrix (row a b c) (row d e f))"]);
    check(
        "[a -b]",
        expect![
            "(matrix (row (sum +a -b)))W0001: this `-` subtracts: a blank does not separate entries"
        ],
    );
    check("[a - b, c-d, -e]", expect!["(matrix (row (sum +a -b) (sum +c -d) (- e)))"]);
    check("[a, b,]", expect!["E0001: unexpected `]`"]);
    check("[a; b; c]", expect!["(matrix (row a) (row b) (row c))"]);
}

#[test]
fn indices() {
    check("x[i]", expect!["(index x i)"]);
    check("A[i, j+1]", expect!["(index A i (sum +j +1.0))"]);
    check("A[:, k]", expect!["(index A : k)"]);
    check("x[2..]", expect!["(index x (.. 2.0))"]);
    check("x[2..end]", expect!["(index x (.. 2.0 end))"]);
    check("x[end-1]", expect!["(index x (sum +end -1.0))"]);
    check("x[tail][3]", expect!["(index (index x tail) 3.0)"]);
    check("x[..2]", expect!["E0017: a slice has a lower end"]);
    check("x[1..2..3]", expect!["E0017: a slice has no step"]);
    check("x[1:3]", expect!["E0017: a slice is not written with `:`"]);
    check("x[]", expect!["E0001: unexpected `]`"]);
    check("sol.x[:, end]", expect!["(index (. sol x) : end)"]);
}

#[test]
fn comprehensions_and_loops() {
    check("sum(x[k]^2 for k in 0..N)", expect!["(each sum (^ (index x k) 2.0) (for k 0.0 N))"]);
    check("[x[k] for k in 0..N]", expect!["(each [] (index x k) (for k 0.0 N))"]);
    check(
        "sum(e for i in 0..M for j in 0..N if i < j if j != 3)",
        expect!["(each sum e (for i 0.0 M) (for j 0.0 N) (if (< i j)) (if (!= j 3.0)))"],
    );
    check(
        "max(x for k in 0..3, 1)",
        expect!["E0018: nothing else stands in the brackets of a comprehension"],
    );
    check(
        "[1, x for k in 0..3]",
        expect!["E0018: nothing else stands in the brackets of a comprehension"],
    );
    check(
        "sum(x if k for k in 0..3)",
        expect!["E0018: the first clause of a comprehension is a `for`"],
    );
    check(
        "[if k then 1 else 2 for k in 0..3]",
        expect!["(each [] (if k 1.0 2.0) (for k 0.0 3.0))"],
    );
    check("fold x = 0 for k in 0..N { x + k }", expect!["(fold x 0.0 (for k 0.0 N) (sum +x +k))"]);
    check(
        "scan x = [1, 2] for k in 0..N-1 with checkpoint(100) { let a, b = x[0], x[1]\n [b, a] }",
        expect![
            "(scan x (matrix (row 1.0 2.0)) (for k 0.0 (sum +N -1.0)) (with checkpoint 100.0) (let a b = (index x 0.0) (index x 1.0)) (matrix (row b a)))"
        ],
    );
    check(
        "1 + (fold x = 0 for k in 0..3 { x })",
        expect!["(sum +1.0 +(fold x 0.0 (for k 0.0 3.0) x))"],
    );
    check("1 + fold x = 0 for k in 0..3 { x }", expect!["E0001: unexpected `fold`"]);
    check(
        "fold x = 0 for k in 0..3 { let a = x }",
        expect!["E0014: the block ends without a result"],
    );
    check(
        "fold x = 0 for k in 0..3 { x\n let a = x }",
        expect!["E0014: the block goes on after its resultE0014: the block ends without a result"],
    );
    check(
        "fold x = 0 for k in 0..3 {\n let a = x\n (-a) }",
        expect!["(fold x 0.0 (for k 0.0 3.0) (let a = x) (- a))"],
    );
    check(
        "fold x = 0 for k in 0..3 {\n let a = x\n -a }",
        expect!["E0014: the block ends without a result"],
    );
}

#[test]
fn calls() {
    check("f()", expect!["(call f)"]);
    check(
        "taylor(sin(x), x, at = 0, order = 3)",
        expect!["(call taylor (call sin x) x at=0.0 order=3.0)"],
    );
    check("f(a = 1, 2)", expect!["E0019: an argument without a name after one with a name"]);
    check("f(a = 1, a = 2)", expect!["E0019: the argument `a` is given twice"]);
    check("(f)(x)", expect!["E0001: unexpected `(`"]);
    check("f(x)(y)", expect!["E0001: unexpected `(`"]);
    check("f(x y)", expect!["E0001: unexpected `y`"]);
    check("2 x", expect!["E0001: unexpected `x`"]);
    check("a = b", expect!["E0001: unexpected `=`"]);
}
