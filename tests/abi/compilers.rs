//! What the emitted text promises to compilers.

use std::path::Path;
use std::process::Command;

use nablac::backend::c::{CFiles, COptions, EmitError, IntType, emit};

use crate::kernels::{cases, export};
use crate::{available, directory, quiet, works};

pub const WARNINGS: [&str; 5] = ["-pedantic", "-Wall", "-Wextra", "-Werror", "-Wconversion"];

/// All hand-made kernels in one pair of files.
fn everything(directory: &Path, options: &COptions) -> CFiles {
    let mut functions = Vec::new();
    for case in cases() {
        let name = format!("f_{}", case.kernel.name);
        if functions.iter().all(|f: &nablac::backend::c::CFunction| f.name != name) {
            functions.push(export(&name, &case.kernel));
        }
    }
    let files = emit("everything", &functions, options).expect("it can be written");
    std::fs::write(directory.join("everything.c"), &files.source).expect("a file is written");
    std::fs::write(directory.join("everything.h"), &files.header).expect("a file is written");
    let user = "#include \"everything.h\"\n#include \"everything.h\"\n\
                int main(void) { return f_nothing(0, 0, 0, 0, 0) + (f_calls_SZ_ARG != 1); }\n";
    std::fs::write(directory.join("user.c"), user).expect("a file is written");
    files
}

/// Compiles the source, and a user of the header, as C99 and as C++11.
fn compile_both(directory: &Path, c: &str, cpp: &str) {
    // some warnings need the data flow that only optimisation looks at
    let as_c: &[&str] = &["-std=c99", "-O1", "-c", "-o", "out.o"];
    let as_cpp: &[&str] = &["-std=c++11", "-x", "c++", "-c", "-o", "out.o"];
    for (compiler, flags) in [(c, as_c), (cpp, as_cpp)] {
        for file in ["everything.c", "user.c"] {
            let mut command = Command::new(compiler);
            quiet(command.current_dir(directory).args(WARNINGS).args(flags).arg(file));
        }
    }
}

#[test]
fn gcc_has_nothing_to_say() {
    if !available("gcc", &["--version"]) || !available("g++", &["--version"]) {
        return;
    }
    for (name, options) in [
        ("gcc", COptions::default()),
        ("gcc_int", COptions { int_type: IntType::Int, hosted: false }),
        ("gcc_hosted", COptions { hosted: true, ..COptions::default() }),
    ] {
        let directory = directory(name);
        everything(&directory, &options);
        compile_both(&directory, "gcc", "g++");
    }
}

#[test]
fn clang_has_nothing_to_say() {
    if !works("clang", &["--version"]) || !works("clang++", &["--version"]) {
        eprintln!("skipped: there is no clang");
        return;
    }
    let directory = directory("clang");
    everything(&directory, &COptions::default());
    compile_both(&directory, "clang", "clang++");
}

#[test]
fn widths_are_not_mixed() {
    if !available("cc", &["--version"]) {
        return;
    }
    let directory = directory("widths");
    everything(&directory, &COptions { int_type: IntType::Int, hosted: false });
    let output = Command::new("cc")
        .current_dir(&directory)
        .args(["-Dcasadi_int=long long int", "-c", "user.c", "-o", "out.o"])
        .output()
        .expect("cc runs");
    assert!(!output.status.success());
}

#[test]
fn names_that_c_has_already_are_refused() {
    let kernel = &cases()[0].kernel;
    let emit_as = |names: &[&str]| {
        let functions: Vec<_> = names.iter().map(|name| export(name, kernel)).collect();
        emit("file", &functions, &COptions::default())
    };
    for name in ["exp", "double", "class", "sinf", "casadi_int", "2f", "", "f-1"] {
        let expected = EmitError::BadName { name: name.to_string() };
        assert_eq!(emit_as(&[name]), Err(expected));
    }
    assert!(matches!(emit_as(&["f", "f"]), Err(EmitError::Duplicate { .. })));
    assert!(matches!(emit_as(&["f", "f_n_in"]), Err(EmitError::Duplicate { .. })));
    assert!(emit_as(&["f", "jac_f"]).is_ok());
}
