//! Tests of the front end on programs, rules of the language and hostile text.

use super::*;
use std::path::PathBuf;

mod bad;
mod declarations;
mod expressions;
mod formatting;
mod hostile;
mod lexical;
mod recovery;

/// The folder of shared programs; it must be there in CI.
fn shared_programs() -> Option<Vec<(String, String)>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/programs");
    if !folder.is_dir() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no {}", folder.display());
        println!("{} is absent: nothing tested", folder.display());
        return None;
    }
    let mut programs = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "nab") {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            programs.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
    programs.sort();
    assert!(!programs.is_empty());
    Some(programs)
}

#[test]
fn shared_programs_parse_without_a_message() {
    for (name, text) in shared_programs().unwrap_or_default() {
        let mut sources = SourceMap::new();
        let file = sources.add(name, text.as_str());
        let (ast, diagnostics) = parse(&text, file);
        assert!(diagnostics.is_empty(), "{}", render_all(&diagnostics, &sources, false));
        assert!(ast.statements.len() > 3);
    }
}

/// The tree of a program, and its messages in short.
fn summary(text: &str) -> String {
    let (ast, diagnostics) = parse(text, FileId(0));
    let mut shown = dump(&ast);
    for diagnostic in diagnostics {
        let span = diagnostic.primary.span;
        let place = text.get(span.start as usize..span.end as usize).unwrap_or("?").escape_debug();
        shown.push_str(&format!("{} at `{place}`: {}", diagnostic.code.id(), diagnostic.message));
        if !diagnostic.primary.text.is_empty() {
            shown.push_str(&format!(" ({})", diagnostic.primary.text));
        }
        for help in diagnostic.help {
            shown.push_str(&format!("; {help}"));
        }
        shown.push('\n');
    }
    shown
}
