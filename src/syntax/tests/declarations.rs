//! Statements and blocks.

use super::*;
use expect_test::{Expect, expect};

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&summary(text));
}

#[test]
fn declarations() {
    check(
        "use \"vehicle.nab\"",
        expect![[r#"
        use "vehicle.nab"
    "#]],
    );
    check(
        "dim N = 40, nx, M = 2*N",
        expect![[r#"
        dim N = 40.0 nx M = (product *2.0 *N)
    "#]],
    );
    check(
        "index tail[E], head[E] = [0, 1]",
        expect![[r#"
        index tail shape E head shape E = (matrix (row 0.0 1.0))
    "#]],
    );
    check(
        "input x[nx], A[n,n] sym, m in 0.1..10",
        expect![[r#"
        input (x shape nx) (A shape n n sym) (m in 0.1 10.0)
    "#]],
    );
    check(
        "input B[n,2] entries([0, 0; n-1, 1]), C[3,3] band(1, 1) in 0..inf",
        expect![[r#"
        input (B shape n 2.0 entries (matrix (row 0.0 0.0) (row (sum +n -1.0) 1.0))) (C shape 3.0 3.0 band 1.0 1.0 in 0.0 inf)
    "#]],
    );
    check(
        "param C[2,2] pattern(\"x.\", \"xx\") = eye(2), D[2,2] sparse",
        expect![[r#"
        param (C shape 2.0 2.0 pattern "x." "xx") = (call eye 2.0) (D shape 2.0 2.0 sparse)
    "#]],
    );
    check(
        "param a, b = 2, c",
        expect![[r#"
        param (a) (b) = 2.0 (c)
    "#]],
    );
    check(
        "var U[nu, N] in -u..u from 0, V from 1",
        expect![[r#"
        var (U shape nu N in (- u) u) from 0.0 (V) from 1.0
    "#]],
    );
    check(
        "var U from 0 in 0..1",
        expect![[r#"
            <error>
            E0001 at `in`: unexpected `in` (expected an operator, `,` or the end of the statement); clauses come in the order `name[shape] pattern in lo..hi`, then `= default` or `from start`
        "#]],
    );
    check(
        "let s, c = sin(x), cos(x)",
        expect![[r#"
         (let s c = (call sin x) (call cos x))
    "#]],
    );
    check(
        "let r, phi = polar(a, b)",
        expect![[r#"
         (let r phi = (call polar a b))
    "#]],
    );
    check(
        "let a, b = 1, 2, 3",
        expect![[r#"
            (let a b = 1.0 2.0 3.0)
            E0010 at `let a, b = 1, 2, 3`: 3 values for 2 names; write one expression for each name, or one call of a function with as many results
        "#]],
    );
    check(
        "let a, b = c",
        expect![[r#"
            (let a b = c)
            E0010 at `let a, b = c`: 1 value for 2 names; write one expression for each name, or one call of a function with as many results
        "#]],
    );
    check(
        "output f, g = grad(f, x)",
        expect![[r#"
        output f g = (call grad f x)
    "#]],
    );
    check(
        "input from, to = 3",
        expect![[r#"
            <error>
            E0001 at `=`: unexpected `=` (expected `,`); only a `param` has a default
        "#]],
    );
    check(
        "param from in 0..1 = 2, to[from]",
        expect![[r#"
        param (from in 0.0 1.0) = 2.0 (to shape from)
    "#]],
    );
}

#[test]
fn functions() {
    check(
        "fn f(x) = x^2",
        expect![[r#"
        fn f (x): (^ x 2.0)
    "#]],
    );
    check(
        "fn f(x[n], A[n,n] diag, h in 0..1) -> [n] {\n  let a = x\n  h * A * a\n}",
        expect![[r#"
        fn f (x shape n) (A shape n n diag) (h in 0.0 1.0) -> n: (let a = x) (product *h *A *a)
    "#]],
    );
    check(
        "fn polar(x, y) -> (r, phi) {\n  let r = hypot(x, y)\n  let phi = atan2(y, x)\n}",
        expect![[r#"
            fn polar (x) (y) -> r phi: (let r = (call hypot x y)) (let phi = (call atan2 y x))
        "#]],
    );
    check(
        "fn f(x) = g(x) with jvp = h",
        expect![[r#"
        fn f (x): (call g x) jvp h
    "#]],
    );
    check(
        "fn f(x) { g(x) }\nwith jvp = h",
        expect![[r#"
        fn f (x): (call g x) jvp h
    "#]],
    );
    check(
        "extern fn f(x[n], y) -> [m]",
        expect![[r#"
        extern fn f (x shape n) (y) -> m
    "#]],
    );
    check(
        "extern fn f(x) with jvp = df",
        expect![[r#"
        extern fn f (x) jvp df
    "#]],
    );
    check(
        "fn f() = 1",
        expect![[r#"
        fn f: 1.0
        E0021 at `f`: the function `f` has no parameters; a value without parameters is `let f = ...`
    "#]],
    );
    check(
        "fn f(x) {\n  let a = x\n}",
        expect![[r#"
            fn f (x): (let a = x)
            E0014 at `}`: the block ends without a result; the last line is an expression; one that begins with `-` stands in `(...)`
        "#]],
    );
    check(
        "fn f(x) { }",
        expect![[r#"
            fn f (x):
            E0014 at `}`: the block ends without a result; the last line is an expression; one that begins with `-` stands in `(...)`
        "#]],
    );
    check(
        "fn f(x) -> (a) { let a = x; a }",
        expect![[r#"
        fn f (x) -> a: (let a = x) a
        E0014 at `a`: a function with named results has no result line; bind each name after `->` with `let`
    "#]],
    );
    check(
        "fn f(x) = 1 with vjp = g",
        expect![[r#"
        fn f (x): 1.0 jvp g
        E0110 at `vjp`: a function has no option `vjp`; a derivative of one's own is `with jvp = g`
    "#]],
    );
}

#[test]
fn blocks() {
    check(
        "root T from T0 with newton(tol = 1e-12, max_iter = 50) { balance: k*(T - T0) == q }",
        expect![[r#"
            root (T) from T0 (with newton tol=1e-12 max_iter=50.0) (balance: (product *k *(sum +T -T0)) == q)
        "#]],
    );
    check(
        "root T[n] from T0 { a: T[0] == 1; b: for k in 1..n { T[k] == k } }",
        expect![[r#"
        root (T shape n) from T0 (a: (index T 0.0) == 1.0) (b: (for k 1.0 n) (index T k) == k)
    "#]],
    );
    check(
        "root T from 0 { a: T <= 1 }",
        expect![[r#"
        root (T) from 0.0 (a: T <= 1.0)
        E0016 at `<=`: `a` is not an equation; write `name: a == b`
    "#]],
    );
    check(
        "ode sol for t in 0..10 with bdf(rtol = 1e-6) {\n state x[2] from x0\n let a, b = x[0], x[1]\n der(x) = [a,\n   b]\n quad cost = if a < 0 then 1 else b\n}",
        expect![[r#"
            ode sol (for t 0.0 10.0) (with bdf rtol=1e-6) (state (x shape 2.0) from x0) (let a b = (index x 0.0) (index x 1.0)) (der x (matrix (row a b))) (quad cost (if (< a 0.0) 1.0 b))
        "#]],
    );
    check(
        "minimise sum(x)\n  + 100 * norm2sq(x)",
        expect![[r#"
        minimise (sum +(call sum x) +(product *100.0 *(call norm2sq x)))
    "#]],
    );
    check(
        "subject to {\n start: X[:,0] == x0\n shoot: for k in 0..N { let a = X[:,k]\n X[:,k+1] == f(a) }\n track: for k in 0..N+1 { -2 <= X[0,k] <= 2 }\n}",
        expect![[r#"
            subject to (start: (index X : 0.0) == x0) (shoot: (for k 0.0 N) (let a = (index X : k)) (index X : (sum +k +1.0)) == (call f a)) (track: (for k 0.0 (sum +N +1.0)) (- 2.0) <= (index X 0.0 k) <= 2.0)
        "#]],
    );
    check(
        "subject to { a: x < 1; b: 0 <= x >= 1; c: 0 <= x <= 1 <= 2; d: x; e: x == 1 }",
        expect![[r#"
            subject to (a: x < 1.0) (b: 0.0 <= x >= 1.0) (c: 0.0 <= x <= 1.0 <= 2.0) (e: x == 1.0)
            E0016 at `<`: `a` is not a constraint; write `a == b`, `a <= b`, `a >= b` or `lo <= e <= hi`
            E0016 at `>=`: `b` is not a constraint; write `a == b`, `a <= b`, `a >= b` or `lo <= e <= hi`
            E0016 at `<=`: `c` is not a constraint; write `a == b`, `a <= b`, `a >= b` or `lo <= e <= hi`
            E0001 at `;`: the line is not complete (expected a comparison)
        "#]],
    );
    check(
        "subject to { a: for k in 0..2 { x == 1; y == 2 } }",
        expect![[r#"
        subject to (a: (for k 0.0 2.0) x == 1.0)
        E0016 at `a`: `a` repeats one constraint, not 2; give every constraint a name of its own
    "#]],
    );
    check(
        "test \"name\" {\n dim M = 5\n x = [1, 1]\n expect f ~ 0 within 1e-12\n expect f ~ a - b\n}",
        expect![[r#"
            test "name" (dim M = 5.0) (= x (matrix (row 1.0 1.0))) (expect f 0.0 within 1e-12) (expect f (sum +a -b))
        "#]],
    );
}

#[test]
fn units() {
    check(
        "param m = 1, l = 2  # [kg]  masses",
        expect![[r#"
        param (m #[kg]) = 1.0 (l #[kg]) = 2.0
    "#]],
    );
    check(
        "input t[m], y[m]  # [s], [V] samples",
        expect![[r#"
        input (t shape m #[s]) (y shape m #[V])
    "#]],
    );
    check(
        "param x0[4] # [m, rad, m/s, rad/s]\nparam a # the state [x]",
        expect![[r#"
        param (x0 shape 4.0 #[m, rad, m/s, rad/s])
        param (a)
    "#]],
    );
    check(
        "output f  # [J]\ninput x[2]  # [-] the point",
        expect![[r#"
        output f #[J]
        input (x shape 2.0 #[-])
    "#]],
    );
}
