//! Problems in C, solved by CasADi's `nlpsol`.

use std::path::Path;
use std::process::Command;

use crate::{available, directory, quiet};

#[test]
fn nlpsol_solves_our_problem() {
    let python = std::env::var("NABLAC_PYTHON").unwrap_or_else(|_| "python3".to_string());
    if !available("cc", &["--version"]) || !available(&python, &["-c", "import casadi, numpy"]) {
        return;
    }
    let directory = directory("nlpsol");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/abi");
    let status = Command::new(env!("CARGO_BIN_EXE_nablac"))
        .args(["emit", "c", "-o"])
        .args([&directory, &folder.join("nlp.nab")])
        .output()
        .expect("it runs");
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    quiet(
        Command::new("cc")
            .current_dir(&directory)
            .args(["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-Wconversion"])
            .args(["-O1", "-fPIC", "-shared", "nlp.c", "-o", "nlp.so", "-lm"]),
    );
    let library = directory.join("nlp.so");
    quiet(Command::new(&python).arg(folder.join("check_nlpsol.py")).arg(library));
}
