//! Compiled functions in memory, and simplified ones in a folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nablac::backend::abi::Memory;
use nablac::function::{EngineKind, Function, Options};
use nablac::model::Model;
use nablac::saved::Cache;
use nablac::simplify::SimplifyOptions;
use nablac::simplify::rules::{Math, UserRules};

fn function(text: &str) -> Function {
    Model::parse("cache.nab", text).function().expect("it lowers")
}

const WAVE: &str = "input x in 0..9\nlet y = sin(x)^2 + exp(-x)\noutput y, g = grad(y, x)";

#[test]
fn the_same_function_is_compiled_once() {
    let options = Options::default();
    let compile =
        |text: &str, options: &Options| function(text).compile(options).expect("compiles");
    let first = compile(WAVE, &options);
    assert!(Arc::ptr_eq(&first.kernel, &compile(WAVE, &options).kernel));
    // Other names stand in messages.
    let renamed = compile(&WAVE.replace('x', "z").replace("ezp", "exp"), &options);
    assert!(!Arc::ptr_eq(&first.kernel, &renamed.kernel));
    let error = renamed.evaluate(&[&[10.0]]).unwrap_err().to_string();
    assert!(error.contains("`z`"), "{error}");
    for other in [
        Options { engine: EngineKind::Interp, ..options.clone() },
        Options { threads: 7, ..options.clone() },
        Options { again: true, ..options.clone() },
        Options {
            simplify: SimplifyOptions { math: Math::Strict, ..SimplifyOptions::default() },
            ..options.clone()
        },
    ] {
        assert!(!Arc::ptr_eq(&first.kernel, &compile(WAVE, &other).kernel), "{other:?}");
    }
}

#[test]
fn few_functions_are_remembered() {
    let options = Options { engine: EngineKind::Interp, ..Options::default() };
    let compile = |k: usize| {
        function(&format!("input x\noutput y = x + {k}.25")).compile(&options).expect("compiles")
    };
    let kept = compile(1000);
    let last = compile(1001);
    for k in 0..200 {
        compile(k);
        assert!(Arc::ptr_eq(&kept.kernel, &compile(1000).kernel), "{k}");
    }
    assert!(!Arc::ptr_eq(&last.kernel, &compile(1001).kernel));
}

/// A folder that is not there yet, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("nablac-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        Folder(folder)
    }

    fn entries(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(&self.0).expect("it is there");
        let mut entries: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
        entries.sort();
        entries
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes an entry old, so that one that is written again can be told.
fn age(file: &Path) {
    let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000);
    let file = std::fs::File::options().write(true).open(file).expect("it is there");
    file.set_modified(long_ago).expect("times can be set");
}

fn is_aged(file: &Path) -> bool {
    let modified = std::fs::metadata(file).and_then(|data| data.modified()).expect("it is there");
    modified.duration_since(std::time::SystemTime::UNIX_EPOCH).expect("after 1970").as_secs()
        == 1000
}

#[test]
fn entries_are_taken_again() {
    let folder = Folder::new("taken");
    let cache = Cache::new(&folder.0);
    let options = SimplifyOptions::default();
    let f = function(WAVE);
    let made = f.optimized(&options);
    assert_eq!(cache.optimized(&f, &options), made);
    let [file] = &folder.entries()[..] else { panic!("one entry") };
    age(file);
    let found = cache.optimized(&f, &options);
    assert!(is_aged(file), "it was made again");
    assert_eq!(found, made);
    let options = Options { simplify: options, ..Options::default() };
    let compiled = f.compile_optimized(found, &options).expect("compiles");
    let mut values = [[0.0], [0.0]];
    let [y, g] = &mut values;
    compiled
        .evaluate_into(&[&[0.5]], &mut [Some(y), Some(g)], &mut Memory::default())
        .expect("it evaluates");
    assert_eq!(
        values.map(Vec::from).to_vec(),
        f.compile(&options).unwrap().evaluate(&[&[0.5]]).unwrap()
    );
}

#[test]
fn what_entries_depend_on() {
    let folder = Folder::new("depends");
    let cache = Cache::new(&folder.0);
    let rules = |text: &str| Some(UserRules::parse("my.rules", text).expect("sound rules"));
    let plain = SimplifyOptions::default();
    for (n, (text, options)) in [
        (WAVE.to_owned(), plain.clone()),
        (WAVE.replace("0..9", "0..8"), plain.clone()),
        (WAVE.replace('y', "u"), plain.clone()),
        (WAVE.to_owned(), SimplifyOptions { level: 1, ..plain.clone() }),
        (WAVE.to_owned(), SimplifyOptions { math: Math::Fast, ..plain.clone() }),
        (
            WAVE.to_owned(),
            SimplifyOptions { rules: rules("a real sin(x) * 2 => 2 * sin(x)"), ..plain.clone() },
        ),
        (
            WAVE.to_owned(),
            SimplifyOptions { rules: rules("a real cos(x) * 2 => 2 * cos(x)"), ..plain.clone() },
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let f = function(&text);
        assert_eq!(cache.optimized(&f, &options), f.optimized(&options));
        assert_eq!(folder.entries().len(), n + 1, "{options:?}");
    }
}

#[test]
fn what_is_no_entry_is_ignored() {
    let folder = Folder::new("corrupt");
    let cache = Cache::new(&folder.0);
    let options = SimplifyOptions::default();
    let f = function(WAVE);
    let made = cache.optimized(&f, &options);
    let [file] = &folder.entries()[..] else { panic!("one entry") };
    let text = std::fs::read_to_string(file).expect("text");
    let foreign = Folder::new("foreign");
    Cache::new(&foreign.0).optimized(&function("input x\noutput y = x"), &options);
    let other = std::fs::read(&foreign.entries()[0]).expect("an entry");
    let mut corrupt = vec![Vec::new(), other, b"\xff\xfe".to_vec(), b"nablac\n\n\n".to_vec()];
    for k in 0..40 {
        let at = k * text.len() / 40;
        corrupt.push(text.as_bytes()[..at].to_vec());
        let mut changed = text.clone().into_bytes();
        changed[at] ^= 1;
        corrupt.push(changed);
    }
    for bytes in corrupt {
        std::fs::write(file, &bytes).expect("it can be written");
        assert_eq!(cache.optimized(&f, &options), made);
        // Put right.
        assert_eq!(std::fs::read_to_string(file).expect("text"), text);
    }
    // A folder that cannot be made.
    let nowhere = Cache::new(file.join("below"));
    assert_eq!(nowhere.optimized(&f, &options), made);
}
