//! Text of any kind neither panics, overflows a stack of 2 MB nor takes more than linear time.

use super::formatting::formatted;
use super::*;
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// Parses, draws the first messages and formats; returns the codes.
fn run(text: &str) -> Vec<&'static str> {
    let mut sources = SourceMap::new();
    let file = sources.add("a.nab", text);
    let (ast, diagnostics) = parse(text, file);
    for diagnostic in diagnostics.iter().take(3) {
        render(diagnostic, &sources, false);
    }
    dump(&ast);
    let _ = format(text, file);
    diagnostics.iter().map(|diagnostic| diagnostic.code.id()).collect()
}

#[test]
fn long_texts_take_linear_time() {
    let n = 200_000;
    let long_cases = [
        ("let f = ".to_string() + &"x + ".repeat(1_000_000) + "x", ""),
        ("let f = ".to_string() + &"x * ".repeat(n) + "x", ""),
        ("let f = ".to_string() + &"if a then b else ".repeat(n / 4) + "x", ""),
        ("let f = ".to_string() + &"a and ".repeat(n) + "x", ""),
        ("let f = [".to_string() + &"1, 2; ".repeat(n / 2) + "3, 4]", ""),
        ("let a = 1\n".repeat(n / 10), ""),
        ("let f = ".to_string() + &"(".repeat(n), "E0005 E0008"),
        ("let f = ".to_string() + &"(".repeat(n) + "x" + &")".repeat(n), "E0008"),
        ("let f = ".to_string() + &"(".repeat(n) + "x" + &"]".repeat(n), "E0006 E0008"),
        ("let f = ".to_string() + &"(".repeat(900) + "x" + &"]".repeat(n), "E0006"),
        ("let f = ".to_string() + &"-".repeat(n) + "x", "E0008"),
        ("let f = x".to_string() + &"'".repeat(n), "E0008"),
        ("let f = x".to_string() + &"^x".repeat(n), "E0008"),
        ("let f = x".to_string() + &"[0]".repeat(n), "E0008"),
        ("let f = ".to_string() + &"not ".repeat(n) + "x", "E0008"),
        ("let f = ".to_string() + &"f(".repeat(n / 2), "E0005 E0008"),
        ("fn f(x) {".repeat(n / 10), "E0005 E0008 E0012"),
        ("{".repeat(n), "E0005 E0008"),
        ("}".repeat(n), "E0006"),
        ("x ".repeat(n), "E0012"),
        ("\n".repeat(n) + "x", "E0012"),
        ("(\n let".repeat(n / 10), "E0001 E0005"),
        ("fn f(x) {\n".to_string() + &" let = 1\n".repeat(n / 10) + "}", "E0001"),
        ("\0".repeat(n), "E0002"),
        ("1".repeat(n), "E0003"),
        ("\"".repeat(n), "E0012"),
        ("'".repeat(n), "E0004"),
        ("#".repeat(n), ""),
        ("a".repeat(10_000_000), "E0012"),
        ("let a = ".to_string() + &" ".repeat(n) + ")", "E0006"),
    ];
    for (text, expected) in long_cases {
        let start = Instant::now();
        let mut codes = run(&text);
        let head: String = text.chars().take(20).collect();
        assert!(start.elapsed() < Duration::from_secs(30), "{head:?} {:?}", start.elapsed());
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.join(" "), expected, "{head:?}");
    }
}

/// Pieces that make interesting programs when they are strung together.
const PIECES: &[&str] = &[
    "let",
    "fn",
    "input",
    "output",
    "var",
    "param",
    "root",
    "ode",
    "test",
    "expect",
    "subject to",
    "minimise",
    "dim",
    "index",
    "use",
    "extern",
    "state",
    "der",
    "quad",
    "if",
    "then",
    "else",
    "for",
    "in",
    "with",
    "within",
    "fold",
    "scan",
    "and",
    "or",
    "not",
    "end",
    "from",
    "to",
    "x",
    "y2",
    "f(",
    "A[",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ";",
    ":",
    "=",
    "->",
    "~",
    "+",
    "-",
    "*",
    "/",
    ".*",
    "./",
    "\\",
    "^",
    ".^",
    "'",
    "..",
    ".",
    "<",
    "<=",
    "==",
    "!=",
    "1",
    "0.5",
    "1e-3",
    "1.",
    "\"text\"",
    "\"",
    "'t'",
    "# c\n",
    "\n",
    "\n",
    "\n",
    "**",
    "&&",
    "...",
    "é",
    "\0",
    "@",
];

/// An expression that parses, as text.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("x".to_string()),
        Just("k2".to_string()),
        Just("1.5".to_string()),
        Just("end".to_string()),
        Just("7".to_string()),
    ];
    leaf.prop_recursive(6, 60, 4, |inner| {
        let operator = prop::sample::select(vec![
            "+", "-", " + ", " - ", "*", " * ", "/", " ./ ", " .* ", " \\ ", "\n+ ",
        ]);
        let word = prop::sample::select(vec![" and ", " or "]);
        prop_oneof![
            (inner.clone(), operator, inner.clone())
                .prop_map(|(a, op, b)| format!("({a}){op}({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("x * ({a}) - 2*({b})^-2")),
            (inner.clone(), word, inner.clone()).prop_map(|(a, op, b)| format!("({a}){op}({b})")),
            inner.clone().prop_map(|a| format!("-({a})'")),
            inner.clone().prop_map(|a| format!("x[({a}) ..]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a} , -{b};{b},{a}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(if {a} then {b} else x)")),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| format!("sum({a} for k in 0 .. ({b}))")),
            (inner.clone(), inner).prop_map(|(a, b)| format!(
                "(fold s={a} for k in 0..3 {{\n let t = {b} # c\n\n s+t}})"
            )),
        ]
    })
}

proptest! {
    #[test]
    fn random_text_is_survived(text in any::<String>()) {
        run(&text);
    }

    #[test]
    fn random_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        run(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn strings_of_pieces_are_survived(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60),
    ) {
        let spaced = pieces.join(" ");
        run(&spaced);
        formatted(&spaced);
        run(&pieces.concat());
    }

    #[test]
    fn mutated_programs_are_survived(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        length in 0..20_usize,
        piece in prop::sample::select(PIECES),
    ) {
        let programs = [
            "fn f(x[2]) -> [2] {\n  let a, b = x[0], x[1]\n  [a*b, if a < b then a else b]\n}\n\
             input x[2] in 0..1  # [m, s]\noutput y = f(x), J = jac(f(x), x)\n\
             test \"t\" {\n  x = [1, 2]\n  expect y ~ [2, 1] within 1e-9\n}\n",
            "dim N = 4\nvar X[2, N+1] from 0\nminimise sum(X[0,k]^2 for k in 0..N)\n\
             subject to {\n  a: X[:,0] == [0, 1]\n  b: for k in 0..N { X[0,k] <= X[1,k]' }\n}\n",
            "ode sol for t in 0..10 with rk4(steps = 3) {\n  state x[2] from x0\n\
             \n  der(x) = [x[1],\n    -x[0]]\n  quad c = x[0]^2\n}\noutput c = sol.c\n",
        ];
        let mut text = which.get(&programs).to_string();
        let from = at.index(text.len());
        let to = (from + length).min(text.len());
        text.replace_range(from..to, piece);
        run(&text);
        formatted(&text);
    }

    #[test]
    fn formatting_keeps_random_programs(values in prop::collection::vec(expression(), 1..5)) {
        let text: String = values.iter().map(|v| format!("let  a={v}  # note\n")).collect();
        let (_, diagnostics) = parse(&text, FileId(0));
        prop_assert!(diagnostics.iter().all(|d| !d.is_error()), "{text}\n{diagnostics:?}");
        formatted(&text);
    }
}
