//! Programs with their own `test` blocks, lowered and evaluated by the slow reference.

use std::path::{Path, PathBuf};

use nablac::graph::{Func, evaluate};
use nablac::lower::{LowerOptions, Program, lower};
use nablac::syntax::ast::{Statement, StatementKind};
use nablac::syntax::{Diagnostic, FileId, SourceMap, parse, render_all};

/// Reads used files from the folder of the file that uses them.
fn load(base: &str, path: &str) -> Result<(String, String), String> {
    let file = Path::new(base).parent().unwrap_or(Path::new("")).join(path);
    let text = std::fs::read_to_string(&file).map_err(|e| e.to_string())?;
    Ok((file.display().to_string(), text))
}

fn constants(func: &std::sync::Arc<Func>) -> Result<Vec<Vec<f64>>, String> {
    evaluate::evaluate(func, &[])
}

fn lower_text(name: &str, text: &str, options: &LowerOptions<'_>) -> Result<Program, String> {
    let mut sources = SourceMap::new();
    let root = sources.add(name, text);
    lower(&mut sources, root, options, &load)
        .map_err(|found: Vec<Diagnostic>| render_all(&found, &sources, false))
}

fn options<'a>() -> LowerOptions<'a> {
    LowerOptions { evaluate: Some(&constants), ..LowerOptions::default() }
}

/// Runs every test block of a program; what failed.
fn run_tests(name: &str, text: &str) -> Result<usize, String> {
    let (ast, _) = parse(text, FileId(0));
    let is_test = |s: &&Statement| matches!(s.kind, StatementKind::Test(_));
    let n_tests = ast.statements.iter().filter(is_test).count();
    for number in 0..n_tests {
        let options = LowerOptions { test: Some(number), ..options() };
        let program = lower_text(name, text, &options)?;
        let test = program.test.as_ref().ok_or("no test")?;
        let mut inputs: Vec<Vec<f64>> =
            program.inputs.iter().map(|input| input.default.clone().unwrap_or_default()).collect();
        for (input, values) in &test.values {
            inputs[*input] = values.clone();
        }
        let results = evaluate::evaluate(&program.func, &inputs)?;
        for (k, expectation) in test.expectations.iter().enumerate() {
            let dense = |output: usize| {
                let pattern = &program.func.outputs[output].pattern;
                let mut dense = vec![0.0; pattern.numel()];
                for (at, value) in pattern.linear().zip(&results[output]) {
                    dense[at as usize] = *value;
                }
                dense
            };
            let (left, right) = (dense(expectation.left), dense(expectation.right));
            for (at, a) in left.iter().enumerate() {
                let b = right[if right.len() == 1 { 0 } else { at }];
                let same = (a - b).abs() <= expectation.tolerance * b.abs().max(1.0)
                    || a.to_bits() == b.to_bits()
                    || a.is_nan() && b.is_nan();
                if !same {
                    let left = format!("{left:?}");
                    let right = format!("{right:?}");
                    return Err(format!(
                        "{name}: test {:?}, expectation {k}, entry {at}: {a} is not {b}\n{left:.400}\n{right:.400}",
                        test.name
                    ));
                }
            }
        }
    }
    Ok(n_tests)
}

fn programs(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.retain(|file| file.extension().is_some_and(|e| e == "nab"));
    files.sort();
    files
}

#[test]
fn language_programs_pass_their_tests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lang");
    let mut failures = Vec::new();
    let files = programs(&folder);
    assert!(!files.is_empty());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.display().to_string();
        match run_tests(&name, &text) {
            Ok(0) if !name.contains("/lib_") => failures.push(format!("{name} has no tests")),
            Ok(_) => {}
            Err(failure) => failures.push(failure),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The folder `programs` of the shared data, where it is present.
fn shared_programs() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/programs");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "../shared is absent");
    println!("../shared is absent: nothing tested");
    None
}

#[test]
fn shared_programs_lower_or_say_what_is_missing() {
    let Some(folder) = shared_programs() else { return };
    let mut text = String::new();
    for file in programs(&folder) {
        let name = file.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_string();
        let source = std::fs::read_to_string(&file).unwrap();
        let without_solve: String = source
            .lines()
            .filter(|line| !line.contains(" \\ ") && !line.contains("expect w ~"))
            .map(|line| format!("{line}\n"))
            .collect();
        // What the file leaves to the call.
        let dims = if name == "kernel.nab" { vec![("M".to_string(), 3)] } else { Vec::new() };
        let mut sources = SourceMap::new();
        let root = sources.add(name.as_str(), without_solve.as_str());
        let options = LowerOptions { dims, ..options() };
        let codes = match lower(&mut sources, root, &options, &load) {
            Ok(program) => match run_tests(&name, &without_solve) {
                Ok(n) => format!("{n} of {} tests pass", program.tests.len()),
                Err(failure) => failure,
            },
            Err(found) => {
                let mut codes: Vec<&str> = found.iter().map(|d| d.code.id()).collect();
                codes.dedup();
                codes.join(" ")
            }
        };
        text += &format!("{name}: {codes}\n");
    }
    expect_test::expect![[r#"
        cartpole_ocp.nab: 1 of 1 tests pass
        chain_sparse.nab: 1 of 1 tests pass
        fit.nab: 1 of 1 tests pass
        implicit.nab: E0401
        kernel.nab: 1 of 1 tests pass
        lotka.nab: E0401
        matcalc.nab: E0401
        rosenbrock.nab: 1 of 1 tests pass
        taylor.nab: E0401
    "#]]
    .assert_eq(&text);
}

/// A test inside the compiler's own limits of time and stack.
fn codes(text: &str) -> Vec<&'static str> {
    let mut sources = SourceMap::new();
    let root = sources.add("large.nab", text);
    match lower(&mut sources, root, &options(), &load) {
        Ok(_) => Vec::new(),
        Err(found) => found.iter().map(|d| d.code.id()).collect(),
    }
}

#[test]
fn long_programs_are_linear() {
    let sum = format!("input x\noutput f = x{}", " + 2*x".repeat(100_000));
    assert_eq!(codes(&sum), [""; 0]);
    let mut lets = "input x\nlet a0 = x\n".to_string();
    for k in 1..20_000 {
        lets += &format!("let a{k} = a{} * x\n", k - 1);
    }
    lets += "output f = a19999";
    assert_eq!(codes(&lets), [""; 0]);
}

#[test]
fn deep_programs_are_lowered_or_refused() {
    let nested = |n: usize| format!("input x\noutput f = {}x{}", "sin(".repeat(n), ")".repeat(n));
    assert_eq!(codes(&nested(900)), [""; 0]);

    let chain = |n: usize, reversed: bool| {
        let mut functions: Vec<String> =
            (1..n).map(|k| format!("fn f{k}(x) = f{}(x) + 1\n", k - 1)).collect();
        functions.push("fn f0(x) = x\n".to_string());
        if reversed {
            functions.reverse();
        }
        format!("{}input x\noutput y = f{}(x)", functions.concat(), n - 1)
    };
    assert_eq!(codes(&chain(150, false)), [""; 0]);
    for reversed in [false, true] {
        let found = codes(&chain(20_000, reversed));
        assert!(!found.is_empty() && found.iter().all(|&code| code == "E0402"), "{found:.3?}");
    }

    let mut dims = String::new();
    for k in 0..50_000 {
        dims += &format!("dim d{k} = d{} + 1\n", k + 1);
    }
    let found = codes(&format!("{dims}dim d50000 = 1\noutput f = d0"));
    assert!(found.contains(&"E0402"), "{found:?}");

    let loops = |n: usize| {
        let mut text = "x".to_string();
        for k in 0..n {
            text = format!("sum({text} for k{k} in 0..2)");
        }
        format!("input x\noutput f = {text}")
    };
    assert_eq!(codes(&loops(100)), [""; 0]);
    assert_eq!(codes(&loops(300)), ["E0402"]);

    let arms = |n: usize| format!("input x\noutput f = {} 0", "if x > 1 then x else ".repeat(n));
    assert_eq!(codes(&arms(100)), [""; 0]);
    assert_eq!(codes(&arms(10_000)), ["E0402"]);
}

#[test]
fn hostile_sizes_do_no_harm() {
    for text in [
        "output f = 9000000000000000 * 9000000000000000 - 1",
        "input x[3]\noutput f = x[9000000000000000 * 1000]",
        "input x[3]\noutput f = sum(x[9000000000000000 * k] for k in 0..9000000000000000)",
        "output f = sum([k for k in 0..9000000000000000])",
        "output f = sum([zeros(1000000, 1) for k in 0..1000000])",
        "output f = sum(ones(100000, 100000))",
        "input x[2147483647, 1], y[1, 2147483647]\noutput f = sum(x * y)",
        "input x[100000, 20000] diag, y\noutput f = x",
        "input x[30000, 30000] diag\noutput f = sum(x[k, 0] for k in 0..2)",
        "input x[2]\noutput f = x[-9223372036854775807]",
        "input x[60000, 60000] lower\noutput f = x[0, 0]",
        "input x[3] band(9000000000000000, 9000000000000000)\noutput f = x[0]",
        "output f = eye(2)^9000000000000000",
        "dim n = 0\ninput x[n]\noutput f = sum(x), g = x[end]",
        "dim n = 0\ninput x[n], A[n,n]\noutput f = max(x), g = A*x, h = [x; x], i = A^3, j = grad(sum(x), x)",
    ] {
        let _ = codes(text);
    }
}

#[test]
fn sizes_beyond_the_limits_are_errors() {
    let functions = |n: usize, last: &str| {
        let mut text: Vec<String> =
            (0..n).map(|k| format!("fn f{k}(x) = f{0}(f{0}(x)) + f{0}(x)\n", k + 1)).collect();
        text.push(format!("fn f{n}(x) = sin(x)\ninput x\noutput y = {last}"));
        text.concat()
    };
    let mut doubled = "input x\nlet a0 = x\n".to_string();
    for k in 0..40 {
        doubled += &format!("let a{} = [a{k}, a{k}]\n", k + 1);
    }
    let nested_cuts = |n: usize| {
        let conditions: Vec<String> =
            (0..n).map(|k| format!("(if k{k} == 3 then x[k{k}] else 1)")).collect();
        let loops: String = (0..n).map(|k| format!(" for k{k} in 0..10")).collect();
        format!("input x[10]\noutput f = sum({}{loops})", conditions.join(" + "))
    };
    for (text, expected) in [
        ("dim N = 1000000000000\ninput x[N]\noutput f = sum(x)", "E0402"),
        ("input x[1000000000, 1000000000]\noutput f = sum(x)", "E0402"),
        ("input x[4294967296, 4294967296]\noutput f = sum(x)", "E0402"),
        ("output f = eye(1000000) + 1", "E0402"),
        ("input x[100000]\nlet y = x .* x\noutput f = jac(y, x) + 1", "E0402"),
        ("input x[100000]\noutput f = hess(sum(x)^2, x)", "E0402"),
        ("input x[46000, 46000]\noutput f = sum(tril(x))", "E0402"),
        ("input x[1000000000]\noutput f = [x, x, x]", "E0402"),
        ("input A[50000, 1], B[1, 50000]\noutput f = kron(A, B)", "E0402"),
        ("input x[1000]\noutput f = scan s = x for k in 0..1000000000 { sin(s) }", "E0402"),
        (
            "input A[30000, 30000]\noutput f = sum(A[j, i-j] for i in 0..30000 for j in 0..i+1)",
            "E0402",
        ),
        ("fn f(x) = g(x)\nfn g(x) = h(x)\nfn h(x) = f(x)\ninput x\noutput y = f(x)", "E0106"),
        // What is rolled up has no limit of size.
        ("input x[10]\noutput f = sum(if k < 10 then x[k] else 0 for k in 0..1000000000000)", ""),
        ("input x\noutput f = sum(x*i for j in 0..1000000000000 for i in j..1000000000000)", ""),
        ("input x[100000000]\noutput f = grad(max(x), x)", ""),
        (&functions(60, "f0(x)"), ""),
        (&functions(40, "grad(f0(x), x)"), ""),
        (&nested_cuts(12), ""),
        (&format!("{doubled}output f = sum(a40)"), "E0402"),
    ] {
        let start = std::time::Instant::now();
        let found = codes(text);
        assert_eq!(found.first().copied().unwrap_or_default(), expected, "{text:.300}");
        assert!(start.elapsed().as_secs() < 20, "{text:.300}");
    }
}

/// Bytes of any kind, and words of the language in any order.
#[test]
fn random_texts_do_no_harm() {
    let words = [
        "input", "output", "let", "fn", "x", "y", "f", "k", "(", ")", "[", "]", "{", "}", "=", ",",
        "\n", "for", "in", "if", "then", "else", "sum", "grad", "jac", "0", "1", "..", "+", "*",
        "'", "^", "fold", "scan", "dim", "n", "3", "==", "<", ":", "end", "test", "\"", "max",
    ];
    proptest::proptest!(proptest::test_runner::Config {
        cases: 300,
        failure_persistence: None,
        ..Default::default()
    }, |(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
         picks in proptest::collection::vec(0..words.len(), 0..60))| {
        codes(&String::from_utf8_lossy(&bytes));
        let text: Vec<&str> = picks.iter().map(|&k| words[k]).collect();
        codes(&format!("input x[3]\nlet y = x .* x\noutput {}", text.join(" ")));
    });
}

#[test]
fn settings_choose_dims_outputs_and_functions() {
    let text = "dim n = 2\ninput x[n], s\nparam a = 3\nlet y = a * x\nfn g(u[n], v) -> (p, q) {\n  \
                let p = u * v * a\n  let q = v + s\n}\noutput f = sum(y)";
    let program = lower_text("t.nab", text, &options()).unwrap();
    assert_eq!(program.dims, [("n".into(), 2)]);
    assert_eq!(&*program.func.name, "t");
    let names = |program: &Program| {
        let inputs: Vec<String> = program.inputs.iter().map(|i| i.name.to_string()).collect();
        let outputs: Vec<String> = program.outputs.iter().map(|o| o.name.to_string()).collect();
        format!("{} -> {}", inputs.join(" "), outputs.join(" "))
    };
    assert_eq!(names(&program), "x s a -> f");
    assert_eq!(program.functions[0].hidden.len(), 2);

    let extra = vec!["J = jac(f, x), y".to_string(), "f2 = f + n".to_string()];
    let with_dim = LowerOptions { dims: vec![("n".into(), 3)], extra_outputs: extra, ..options() };
    let program = lower_text("t.nab", text, &with_dim).unwrap();
    assert_eq!(names(&program), "x s a -> f J y f2");
    let inputs = [vec![1.0, 2.0, 3.0], vec![0.0], vec![2.0]];
    let values = evaluate::evaluate(&program.func, &inputs).unwrap();
    assert_eq!(values, [vec![12.0], vec![2.0, 2.0, 2.0], vec![2.0, 4.0, 6.0], vec![15.0]]);

    let of_g = LowerOptions {
        function: Some("g".into()),
        extra_outputs: vec!["J = jac(p, v)".into()],
        ..options()
    };
    let program = lower_text("t.nab", text, &of_g).unwrap();
    assert_eq!(names(&program), "u v s a -> p q J");
    assert_eq!(&*program.func.name, "g");
    let inputs = [vec![1.0, 2.0], vec![5.0], vec![1.0], vec![3.0]];
    let values = evaluate::evaluate(&program.func, &inputs).unwrap();
    assert_eq!(values, [vec![15.0, 30.0], vec![6.0], vec![3.0, 6.0]]);

    let unknown = LowerOptions { dims: vec![("m".into(), 3)], ..options() };
    assert!(lower_text("t.nab", text, &unknown).unwrap_err().contains("no dim `m`"));
}

#[test]
fn constants_are_evaluated() {
    let mut sources = SourceMap::new();
    let mut value = |text: &str| {
        let dims = [("n".to_string(), 3)];
        nablac::lower::lower_constant(&mut sources, "x", text, &dims, Some(&constants))
            .map(|(pattern, values)| (pattern.shape(), values))
            .map_err(|found| found.iter().map(|d| d.code.id()).collect::<Vec<_>>())
    };
    assert_eq!(value("2*pi"), Ok(((1, 1), vec![2.0 * std::f64::consts::PI])));
    assert_eq!(value("[1 + k for k in 0..n]"), Ok(((3, 1), vec![1.0, 2.0, 3.0])));
    assert_eq!(value("eye(2)"), Ok(((2, 2), vec![1.0, 1.0])));
    assert_eq!(value("fold s = 1 for k in 0..n { 2*s }"), Ok(((1, 1), vec![8.0])));
    assert_eq!(value("if n > 2 then 1 else 0").map(|v| v.1), Ok(vec![1.0]));
    assert_eq!(value("y + 1"), Err(vec!["E0101"]));
    assert!(value("1 +").is_err());
    assert!(value("1\noutput f = 2").is_err());
}

/// The stages after lowering, for a program that is not too large.
fn compile_for_nothing(func: &std::sync::Arc<Func>) {
    let ports = func.inputs.iter().chain(&func.outputs);
    if func.size() > 5_000 || ports.map(|port| port.pattern.nnz()).sum::<usize>() > 100_000 {
        return;
    }
    let options = nablac::simplify::SimplifyOptions { level: 1, ..Default::default() };
    let optimized = nablac::simplify::optimize(func, &options);
    let kernel = std::sync::Arc::new(nablac::kernel::build(&optimized));
    for kernel in nablac::kernel::calls::Calls::of(&kernel).kernels {
        nablac::kernel::verify::verify(&kernel).unwrap();
    }
}

/// Programs with words exchanged, dropped and doubled: diagnostics or a program, nothing worse.
#[test]
fn mutated_programs_do_no_harm() {
    let mut seed = std::env::var("NABLAC_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1_u64);
    let n: usize =
        std::env::var("NABLAC_MUTATIONS").ok().and_then(|s| s.parse().ok()).unwrap_or(200);
    let mut next = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below.max(1) as u64) as usize
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut files = programs(&folder.join("lang"));
    files.extend(programs(&folder.join("bad")));
    let texts: Vec<String> = files
        .iter()
        .filter_map(|file| std::fs::read_to_string(file).ok())
        .filter(|text| text.len() < 20_000)
        .collect();
    let words = |text: &str| -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        let mut was_word = false;
        for c in text.chars() {
            let is_word = c.is_ascii_alphanumeric() || c == '_';
            match words.last_mut() {
                Some(word) if is_word && was_word => word.push(c),
                _ => words.push(c.to_string()),
            }
            was_word = is_word;
        }
        words
    };
    for _ in 0..n {
        let mut mutant = words(&texts[next(texts.len())]);
        let other = words(&texts[next(texts.len())]);
        for _ in 0..1 + next(4) {
            let at = next(mutant.len());
            match next(5) {
                0 => drop(mutant.remove(at)),
                1 => mutant.insert(at, other[next(other.len())].clone()),
                2 => {
                    let from = next(mutant.len());
                    mutant.swap(at, from);
                }
                3 => {
                    mutant[at] = ["0", "1", "2", "3", "100", "-1", "end", ":", "x", "n", "k"]
                        [next(11)]
                    .to_string()
                }
                _ => {
                    let from = next(mutant.len());
                    mutant[at] = mutant[from].clone();
                }
            }
            if mutant.is_empty() {
                break;
            }
        }
        let text = mutant.concat();
        let result = std::panic::catch_unwind(|| {
            let program = lower_text("tests/lang/mutant.nab", &text, &options());
            let test = LowerOptions { test: Some(0), ..options() };
            let test = lower_text("tests/lang/mutant.nab", &text, &test);
            for program in [&program, &test].into_iter().flatten() {
                compile_for_nothing(&program.func);
            }
        });
        assert!(result.is_ok(), "this program makes the compiler panic:\n{text}");
    }
}
