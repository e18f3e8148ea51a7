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
        cartpole_ocp.nab: E0401
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
