//! The works of `data/expr` against 30-digit references, as the shared script judges them.

use std::process::Command;

use crate::common::shared;

#[test]
fn works_agree_with_references_in_every_engine() {
    let Some(script) = shared("checks/check_works.py") else { return };
    let output = Command::new("python3")
        .arg(script)
        .args(["--nablac", env!("CARGO_BIN_EXE_nablac"), "--engine", "all"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
}
