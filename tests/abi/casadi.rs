//! Our files used from outside: by CasADi's `external`, and by a C program that goes through
//! the calling convention as acados does.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use nablac::backend::c::{CFunction, COptions, CPort, IntType, emit};
use nablac::kernel::ir::{Base, Kernel};
use nablac::ops::scalar::ScalarOp::{Add, Mul};
use nablac::sparsity::Pattern;

use crate::kernels::Builder;
use crate::{available, directory, quiet};

fn port(name: &str, pattern: Pattern) -> CPort {
    CPort { name: name.to_string(), pattern, default: None, unit: None }
}

fn function(kernel: Arc<Kernel>, inputs: Vec<CPort>, outputs: Vec<CPort>) -> CFunction {
    CFunction { name: kernel.name.clone(), inputs, outputs, kernel }
}

fn tridiagonal() -> Pattern {
    Pattern::band(3, 3, 1, 0)
}

/// y = [x0 * p, x1 * x1], S = diag(x0, x1, p), t = sum of the nonzeros of a lower bidiagonal L.
fn demo() -> CFunction {
    let args = [("x", 2), ("p", 1), ("L", 5), ("empty", 0)];
    let mut b = Builder::new("demo", &args, &[("y", 2), ("S", 3), ("t", 1), ("none", 0)]);
    let x: Vec<u32> = (0..2).map(|k| b.load_at(Base::Arg(0), k)).collect();
    let p = b.load_at(Base::Arg(1), 0);
    let first = b.apply(Mul, &[x[0], p]);
    let second = b.apply(Mul, &[x[1], x[1]]);
    b.store_at(Base::Res(0), 0, first);
    b.store_at(Base::Res(0), 1, second);
    for (k, val) in [x[0], x[1], p].into_iter().enumerate() {
        b.store_at(Base::Res(1), k as i64, val);
    }
    let mut sum = b.load_at(Base::Arg(2), 0);
    for k in 1..5 {
        let next = b.load_at(Base::Arg(2), k);
        sum = b.apply(Add, &[sum, next]);
    }
    b.store_at(Base::Res(2), 0, sum);
    let mut inputs = vec![
        port("x", Pattern::dense(2, 1)),
        port("p", Pattern::scalar()),
        port("L", tridiagonal()),
        port("empty", Pattern::dense(0, 3)),
    ];
    inputs[0].default = Some(vec![1.0, -0.1]);
    inputs[0].unit = Some("m, rad */".to_string());
    inputs[1].default = Some(vec![2.5]);
    let outputs = vec![
        port("y", Pattern::dense(2, 1)),
        port("S", Pattern::diagonal(3)),
        port("t", Pattern::scalar()),
        port("none", Pattern::zero(2, 2)),
    ];
    function(b.finish(0), inputs, outputs)
}

/// y = [x0 * p, x1 * x1] alone, and its Jacobian blocks in CasADi's order.
fn with_jacobian() -> [CFunction; 2] {
    let mut b = Builder::new("g", &[("x", 2), ("p", 1)], &[("y", 2)]);
    let x: Vec<u32> = (0..2).map(|k| b.load_at(Base::Arg(0), k)).collect();
    let p = b.load_at(Base::Arg(1), 0);
    let first = b.apply(Mul, &[x[0], p]);
    let second = b.apply(Mul, &[x[1], x[1]]);
    b.store_at(Base::Res(0), 0, first);
    b.store_at(Base::Res(0), 1, second);
    let inputs = vec![port("x", Pattern::dense(2, 1)), port("p", Pattern::scalar())];
    let output = port("y", Pattern::dense(2, 1));
    let value = function(b.finish(0), inputs.clone(), vec![output]);

    let args = [("x", 2), ("p", 1), ("out_y", 0)];
    let mut b = Builder::new("jac_g", &args, &[("jac_y_x", 2), ("jac_y_p", 1)]);
    let x: Vec<u32> = (0..2).map(|k| b.load_at(Base::Arg(0), k)).collect();
    let p = b.load_at(Base::Arg(1), 0);
    let doubled = b.apply(Add, &[x[1], x[1]]);
    b.store_at(Base::Res(0), 0, p);
    b.store_at(Base::Res(0), 1, doubled);
    b.store_at(Base::Res(1), 0, x[0]);
    let mut inputs = inputs;
    inputs.push(port("out_y", Pattern::zero(2, 1)));
    let column = Pattern::from_csc(2, 1, vec![0, 1], vec![0]).expect("a sane pattern");
    let outputs = vec![port("jac_y_x", Pattern::diagonal(2)), port("jac_y_p", column)];
    [value, function(b.finish(0), inputs, outputs)]
}

/// y = x0 * x1 with one tangent and one cotangent direction.
fn with_directions() -> [CFunction; 3] {
    let x = || port("x", Pattern::dense(2, 1));
    let scalar = |name: &str| port(name, Pattern::scalar());

    let mut b = Builder::new("h", &[("x", 2)], &[("y", 1)]);
    let v: Vec<u32> = (0..2).map(|k| b.load_at(Base::Arg(0), k)).collect();
    let y = b.apply(Mul, &[v[0], v[1]]);
    b.store_at(Base::Res(0), 0, y);
    let value = function(b.finish(0), vec![x()], vec![scalar("y")]);

    let args = [("x", 2), ("out_y", 1), ("fwd_x", 2)];
    let mut b = Builder::new("fwd1_h", &args, &[("fwd_y", 1)]);
    let v: Vec<u32> = (0..2).map(|k| b.load_at(Base::Arg(0), k)).collect();
    let d: Vec<u32> = (0..2).map(|k| b.load_at(Base::Arg(2), k)).collect();
    let left = b.apply(Mul, &[d[0], v[1]]);
    let right = b.apply(Mul, &[v[0], d[1]]);
    let sum = b.apply(Add, &[left, right]);
    b.store_at(Base::Res(0), 0, sum);
    let inputs = vec![x(), scalar("out_y"), port("fwd_x", Pattern::dense(2, 1))];
    let forward = function(b.finish(0), inputs, vec![scalar("fwd_y")]);

    let args = [("x", 2), ("out_y", 1), ("adj_y", 1)];
    let mut b = Builder::new("adj1_h", &args, &[("adj_x", 2)]);
    let v: Vec<u32> = (0..2).map(|k| b.load_at(Base::Arg(0), k)).collect();
    let seed = b.load_at(Base::Arg(2), 0);
    for (k, other) in [v[1], v[0]].into_iter().enumerate() {
        let product = b.apply(Mul, &[seed, other]);
        b.store_at(Base::Res(0), k as i64, product);
    }
    let inputs = vec![x(), scalar("out_y"), scalar("adj_y")];
    let outputs = vec![port("adj_x", Pattern::dense(2, 1))];
    [value, forward, function(b.finish(0), inputs, outputs)]
}

fn write(directory: &Path, options: &COptions) {
    let mut functions = vec![demo()];
    functions.extend(with_jacobian());
    functions.extend(with_directions());
    let files = emit("demo", &functions, options).expect("it can be written");
    std::fs::write(directory.join("demo.c"), files.source).expect("a file is written");
    std::fs::write(directory.join("demo.h"), files.header).expect("a file is written");
}

#[test]
fn casadi_loads_our_file() {
    let python = std::env::var("NABLAC_PYTHON").unwrap_or_else(|_| "python3".to_string());
    if !available("cc", &["--version"]) || !available(&python, &["-c", "import casadi"]) {
        return;
    }
    let directory = directory("casadi");
    write(&directory, &COptions::default());
    quiet(
        Command::new("cc")
            .current_dir(&directory)
            .args(["-std=c99", "-O1", "-fPIC", "-shared", "demo.c", "-o", "demo.so", "-lm"]),
    );
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/abi/check_casadi.py");
    quiet(Command::new(&python).arg(script).arg(directory.join("demo.so")));
}

#[test]
fn a_c_program_uses_the_convention() {
    if !available("cc", &["--version"]) {
        return;
    }
    for (name, int_type) in [("user_long", IntType::LongLong), ("user_int", IntType::Int)] {
        let directory = directory(name);
        write(&directory, &COptions { int_type, hosted: false });
        let user = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/abi/user.c");
        quiet(
            Command::new("cc")
                .current_dir(&directory)
                .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-I."])
                .args([user, "demo.c", "-o", "user", "-lm"]),
        );
        quiet(&mut Command::new(directory.join("user")));
    }
}
