//! The binary: what it prints and its exit codes.

mod data;
mod evaluate;
mod models;
mod problems;
mod rules;
mod stages;

use std::io::Write;
use std::process::{Command, Stdio};

use expect_test::Expect;

/// Runs `nablac` with the text as standard input: exit code, standard output, standard error.
fn nablac(args: &[&str], input: &str) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_nablac"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The command may end without reading its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

fn check(args: &[&str], input: &str, expected: Expect) {
    let (code, out, err) = nablac(args, input);
    expected.assert_eq(&format!("{out}{err}exit {code}\n"));
}

/// The path of a file that goes when the test ends.
struct File(String);

/// Where files of tests lie.
fn folder() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("nablac-cli-{}", std::process::id()))
}

/// A file of its own for a test.
fn file(name: &str, text: &str) -> File {
    std::fs::create_dir_all(folder()).unwrap();
    let path = folder().join(name);
    std::fs::write(&path, text).unwrap();
    File(path.display().to_string())
}

impl std::ops::Deref for File {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

const SQUARE: &str = "input x[2]\nlet f = norm2sq(x)\noutput f, g = grad(f, x)\n";

/// Examples that need no data.
const EXAMPLES: [&str; 10] = [
    "rosenbrock",
    "chain",
    "kernel",
    "fit",
    "pendulum_map",
    "rosenbrock_chain",
    "luksan",
    "quadrotor_ocp",
    "adbench/gmm",
    "adbench/lstm",
];
