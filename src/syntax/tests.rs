//! Tests of the front end on programs, rules of the language and hostile text.

use super::*;
use std::path::PathBuf;

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
