//! No module imports from a layer above its own.

use std::path::{Path, PathBuf};

/// Layers from the lowest to the highest; those of one line do not order one another.
const LAYERS: &[&[&str]] = &[
    &["syntax", "sparsity"],
    &["data", "ops::scalar", "ops::math"],
    &["graph"],
    &["kernel::ir"],
    &["ops"],
    &["diff"],
    &["simplify"],
    &["kernel"],
    &["backend"],
    &["function"],
    &["saved"],
    &["lower"],
    &["builder"],
    &["model", "problem"],
    &["print", "accuracy"],
    &["cli"],
];

/// Height of a module path, by its longest prefix among the layers.
fn height(path: &str) -> Option<usize> {
    let under = |layer: &str| {
        path.strip_prefix(layer).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    let all = LAYERS.iter().enumerate().flat_map(|(h, names)| names.iter().map(move |n| (h, *n)));
    all.filter(|(_, name)| under(name)).max_by_key(|(_, name)| name.len()).map(|(h, _)| h)
}

fn rust_files(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

/// `src/kernel/ir.rs` is `kernel::ir`.
fn module_of(file: &Path, src: &Path) -> String {
    let relative = file.strip_prefix(src).unwrap().with_extension("");
    let parts: Vec<&str> = relative.iter().map(|p| p.to_str().unwrap()).collect();
    let parts = if parts.last() == Some(&"mod") { &parts[..parts.len() - 1] } else { &parts[..] };
    parts.join("::")
}

/// Module paths after every `crate::` of the code; those in braces after `use crate::` each.
fn imports(text: &str) -> Vec<String> {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut found = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for (at, _) in line.match_indices("crate::") {
            if line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let rest = &line[at + "crate::".len()..];
            let path: String = rest.chars().take_while(|&c| is_path(c)).collect();
            let path = path.trim_end_matches(':');
            match rest[path.len()..].trim_start_matches(':').strip_prefix('{') {
                Some(names) => {
                    let names = names.split(['}', ';']).next().unwrap_or("").split(',');
                    for name in names.map(str::trim).filter(|n| !n.is_empty()) {
                        let name = name.split_whitespace().next().unwrap_or(name);
                        found.push(if path.is_empty() {
                            name.to_owned()
                        } else {
                            format!("{path}::{name}")
                        });
                    }
                }
                None => found.push(path.to_owned()),
            }
        }
    }
    found
}

#[test]
fn no_module_imports_from_a_higher_layer() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    files.sort();
    let mut upward = Vec::new();
    for file in &files {
        let module = module_of(file, &src);
        if matches!(module.as_str(), "lib" | "main") {
            continue;
        }
        let Some(own) = height(&module) else {
            upward.push(format!("`{module}` belongs to no layer"));
            continue;
        };
        // Tests of a module may use what stands above it.
        let text = std::fs::read_to_string(file).unwrap();
        if module.split("::").any(|part| part == "tests") {
            continue;
        }
        let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or("");
        for path in imports(code) {
            if height(&path).is_some_and(|other| other > own) {
                upward.push(format!("`{module}` imports `{path}`"));
            }
        }
    }
    assert!(upward.is_empty(), "upward imports:\n{}", upward.join("\n"));
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "use crate::graph::{Func, Graph};\n    crate::diff::forward(x);\n// crate::cli\n\
                use crate::{function, ops::scalar};\nuse crate::ops::scalar::ScalarOp;";
    assert_eq!(
        imports(text),
        [
            "graph::Func",
            "graph::Graph",
            "diff::forward",
            "function",
            "ops::scalar",
            "ops::scalar::ScalarOp"
        ]
    );
    assert_eq!(height("ops::scalar::ScalarOp"), Some(1));
    assert_eq!(height("ops::scalars"), Some(4));
    assert_eq!(height("std"), None);
}
