//! The C exporter and engine `c`: hand-made kernels through the C compiler against the
//! interpreter, the promised cleanliness under several compilers, and CasADi loading our files.

mod casadi;
mod compilers;
mod kernels;
mod nlpsol;
mod programs;
mod values;

use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory for one test, empty at first, inside cargo's own.
fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("abi").join(name);
    if path.exists() {
        std::fs::remove_dir_all(&path).expect("old test files can be removed");
    }
    std::fs::create_dir_all(&path).expect("test files can be written");
    path
}

/// Whether the program can be run.
fn works(program: &str, args: &[&str]) -> bool {
    Command::new(program).args(args).output().is_ok_and(|output| output.status.success())
}

/// [`works`]; when it does not, says so, and fails on CI, which has to have it.
fn available(program: &str, args: &[&str]) -> bool {
    let works = works(program, args);
    if !works {
        let what = format!("{program} {}", args.join(" "));
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI lacks `{what}`");
        eprintln!("skipped: `{what}` does not work here");
    }
    works
}

/// Runs a command that must succeed without saying anything.
fn quiet(command: &mut Command) {
    let output = command.output().expect("the program can be run");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.is_empty(), "{command:?}\n{}\n{text}", output.status);
}
