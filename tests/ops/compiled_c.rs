//! The C text of every row, compiled without a warning, against the table's own values.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use nablac::ops::scalar::{Counter, ScalarOp};

use crate::grid;

#[test]
fn compiled_c_agrees() {
    if Command::new("cc").arg("--version").output().is_err() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no C compiler `cc`");
        println!("skipped: no C compiler `cc`");
        return;
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let source = directory.join("scalar_ops.c");
    let program = directory.join("scalar_ops");
    let (text, cases) = c_program();
    fs::write(&source, text).expect("source is written");
    let flags = ["-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror", "-ffp-contract=off"];
    let as_cpp =
        Command::new("cc").args(["-x", "c++", "-fsyntax-only"]).args(flags).arg(&source).output();
    if let Ok(output) = as_cpp {
        let message = String::from_utf8_lossy(&output.stderr);
        let has_no_cpp = message.contains("cc1plus");
        assert!(output.status.success() || has_no_cpp, "{message}");
    }
    let compiled = Command::new("cc")
        .arg("-std=c99")
        .args(flags)
        .arg(&source)
        .arg("-o")
        .arg(&program)
        .arg("-lm")
        .output()
        .expect("cc runs");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let output = Command::new(&program).output().expect("program runs");
    let output = String::from_utf8(output.stdout).expect("ASCII");
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), cases.len());
    for (line, (op, args)) in lines.into_iter().zip(cases) {
        let bits = u64::from_str_radix(line, 16).expect("hexadecimal");
        let (ours, theirs) = (op.eval(&args), f64::from_bits(bits));
        let same_bits = ours.to_bits() == bits || ours.is_nan() && theirs.is_nan();
        let close = op.row().counter == Counter::Call
            && (ours == theirs || (ours - theirs).abs() <= 1e-12 * ours.abs().max(1e-3));
        assert!(same_bits || close, "{}{args:?}: {ours:e}, in C {theirs:e}", op.name());
    }
}

/// A program that prints the bits of every case, one a line.
fn c_program() -> (String, Vec<(ScalarOp, Vec<f64>)>) {
    let mut text = String::from("#include <math.h>\n#include <stdio.h>\n#include <string.h>\n");
    let (mut body, mut cases) = (String::new(), Vec::new());
    for &op in ScalarOp::ALL {
        let row = op.row();
        // Operations may share one.
        if !text.contains(row.c_helper) {
            text.push_str(row.c_helper);
        }
        let parameters = ["double a", "double b", "double c"][..op.arity()].join(", ");
        let value = row.c.replace("{a}", "a").replace("{b}", "b").replace("{c}", "c");
        let name = row.name;
        writeln!(text, "static double op_{name}({parameters}) {{ return {value}; }}")
            .expect("written");
        let points = row.samples.iter().chain(row.edges).map(|point| point.to_vec());
        for point in points.chain(grid(op.arity())) {
            let args: Vec<String> = point.iter().map(|value| c_number(*value)).collect();
            writeln!(body, "  show(op_{name}({}));", args.join(", ")).expect("written");
            cases.push((op, point));
        }
    }
    text.push_str(
        "static void show(double value) {\n  unsigned char bytes[8];\n  int i;\n  \
         memcpy(bytes, &value, 8);\n  for (i = 7; i >= 0; --i) printf(\"%02x\", bytes[i]);\n  \
         printf(\"\\n\");\n}\n",
    );
    write!(text, "int main(void) {{\n{body}  return 0;\n}}\n").expect("written");
    (text, cases)
}

fn c_number(value: f64) -> String {
    if value.is_nan() {
        "NAN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "HUGE_VAL".to_owned() } else { "-HUGE_VAL".to_owned() }
    } else {
        format!("{value:?}")
    }
}
