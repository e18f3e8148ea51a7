//! Every code of the syntax: its program in `tests/bad` with the message as drawn, and its entry
//! in the table of codes.

use super::*;

fn is_syntax(id: &str) -> bool {
    id.starts_with("E00") || matches!(id, "E0110" | "W0001")
}

#[test]
fn bad_programs_give_their_messages() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/bad");
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let id = name.split('_').next().unwrap_or("").to_string();
        // Later stages have other programs for the codes they share with the parser.
        let is_shared = id == "E0110" && name != "E0110_option.nab";
        if !name.ends_with(".nab") || !is_syntax(&id) || is_shared {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let mut sources = SourceMap::new();
        let file = sources.add(name.as_str(), text.as_str());
        let (_, diagnostics) = parse(&text, file);
        assert!(diagnostics.iter().any(|d| d.code.id() == id), "{name} lacks {id}");
        let drawn = render_all(&diagnostics, &sources, false);
        expect_test::expect_file![path.with_extension("expected")].assert_eq(&drawn);
        seen.push(id);
    }
    // A file of 4 GB is not kept.
    let expected = Code::ALL.iter().filter(|&&code| code != Code::FileTooLarge);
    for code in expected.filter(|code| is_syntax(code.id())) {
        assert!(seen.iter().any(|id| id == code.id()), "no program for {}", code.id());
    }
}

#[test]
fn examples_of_the_table_are_as_they_say() {
    for &code in Code::ALL {
        let entry = code.entry();
        if entry.right.starts_with('$') {
            continue;
        }
        let codes = |text: &str| -> Vec<&str> {
            let (_, diagnostics) = parse(text, FileId(0));
            diagnostics.iter().map(|diagnostic| diagnostic.code.id()).collect()
        };
        assert!(codes(entry.right).is_empty(), "{}: {:?}", entry.id, codes(entry.right));
        // The example of E0008 is cut short.
        if entry.wrong.starts_with('$') || code == Code::NestedTooDeeply {
            continue;
        }
        let wrong = codes(entry.wrong);
        if is_syntax(entry.id) && code != Code::UnknownOption {
            assert!(wrong.contains(&entry.id), "{}: {wrong:?}", entry.id);
        } else {
            assert!(wrong.is_empty(), "{}: {wrong:?}", entry.id);
        }
    }
}
