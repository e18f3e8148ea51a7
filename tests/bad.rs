//! The message of every mistake: `tests/bad/E0203_name.nab` with `E0203_name.expected`.
//! UPDATE_EXPECT=1 writes the expected messages anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use nablac::graph::evaluate;
use nablac::lower::{LowerOptions, lower};
use nablac::syntax::{Code, Diagnostic, FileId, SourceMap, parse, render_all};

fn load(base: &str, path: &str) -> Result<(String, String), String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad");
    let name = Path::new(base).parent().unwrap_or(Path::new("")).join(path).display().to_string();
    let text = std::fs::read_to_string(folder.join(&name));
    text.map(|text| (name, text)).map_err(|_| "there is no such file".to_string())
}

/// The diagnostics of a program and, where it has none that are errors, of its tests.
fn diagnose(name: &str, text: &str) -> (Vec<Diagnostic>, SourceMap) {
    let evaluate = |func: &std::sync::Arc<nablac::graph::Func>| evaluate::evaluate(func, &[]);
    let mut options = LowerOptions { evaluate: Some(&evaluate), ..LowerOptions::default() };
    let mut sources = SourceMap::new();
    let root = sources.add(name, text);
    let mut found = match lower(&mut sources, root, &options, &load) {
        Err(found) => return (found, sources),
        Ok(program) if program.tests.is_empty() => return (program.diagnostics, sources),
        Ok(program) => {
            let mut found = program.diagnostics;
            for number in 0..program.tests.len() {
                options.test = Some(number);
                if let Err(more) = lower(&mut sources, root, &options, &load) {
                    found.extend(more);
                }
            }
            found
        }
    };
    found.dedup();
    (found, sources)
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "nab"));
    files.sort();
    files
}

fn code_of(file: &Path) -> Option<Code> {
    let name = file.file_name()?.to_str()?;
    Code::from_id(name.get(..5)?)
}

#[test]
fn messages_are_as_expected() {
    let update = std::env::var("UPDATE_EXPECT").is_ok_and(|v| v == "1");
    let mut failures = Vec::new();
    for file in files() {
        let name = file.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        let (mut found, sources) = diagnose(name, &text);
        // What is wrong with the text alone comes first; the rest may follow from it.
        let (_, of_text) = parse(&text, FileId(0));
        if of_text.iter().any(Diagnostic::is_error) {
            found = of_text;
        }
        let drawn = render_all(&found, &sources, false);
        match code_of(&file) {
            // Codes from E0500 on belong to evaluation.
            Some(code) if code.id() > "E0500" && code.id().starts_with('E') => continue,
            Some(code) if found.iter().any(|d| d.code == code) => {}
            _ => failures.push(format!("{name} does not cause its code:\n{drawn}")),
        }
        let expected = file.with_extension("expected");
        if update {
            std::fs::write(&expected, &drawn).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != drawn {
            failures.push(format!("{name} gives\n{drawn}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_code_of_the_compiler_has_a_program() {
    let with_file: BTreeSet<&str> =
        files().iter().filter_map(|f| code_of(f)).map(Code::id).collect();
    let missing: Vec<&str> = Code::ALL
        .iter()
        // A file of 4 GB is not kept here.
        .filter(|code| **code != Code::FileTooLarge)
        .map(|code| code.id())
        .filter(|id| !with_file.contains(id) && (*id < "E0500" || id.starts_with('W')))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn examples_of_the_table_hold() {
    let mut failures = Vec::new();
    for &code in Code::ALL {
        let entry = code.entry();
        if code.id() > "E0500" || code.id() < "E0100" {
            continue;
        }
        // Other files are named in these.
        if ["E0107", "E0108", "E0109"].contains(&entry.id) {
            continue;
        }
        let (found, sources) = diagnose("right.nab", entry.right);
        if found.iter().any(Diagnostic::is_error) && !entry.right.contains("extern") {
            failures.push(format!("{} right:\n{}", entry.id, render_all(&found, &sources, false)));
        }
        let (found, sources) = diagnose("wrong.nab", entry.wrong);
        if !found.iter().any(|d| d.code == code) {
            failures.push(format!("{} wrong:\n{}", entry.id, render_all(&found, &sources, false)));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
