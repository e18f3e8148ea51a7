//! The works of `../shared/data/expr`, and kernels without loops as C for gcc.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use nablac::function::{Compiled, Options};
use nablac::kernel::ir::{Base, Inst, Kernel};
use nablac::model::Model;
use serde_json::Value as Json;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn folder() -> PathBuf {
    Path::new(ROOT).join("../shared/data/expr")
}

/// The names of the works; says so if they are not there.
pub fn names() -> Vec<String> {
    let Ok(files) = std::fs::read_dir(folder()) else {
        println!("{} is not there", folder().display());
        return Vec::new();
    };
    let mut names: Vec<String> = files
        .filter_map(|file| file.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".txt").map(str::to_owned))
        .collect();
    names.sort();
    names
}

/// A work compiled, and for each of its inputs the numbers at so many points: the regular ones of
/// the reference again and again, a little apart.
pub fn work(name: &str, options: &Options, n_points: usize) -> (Compiled, Vec<Vec<f64>>) {
    let script = format!("{ROOT}/../shared/checks/works_to_nab.py");
    let file = folder().join(format!("{name}.txt"));
    let program = Command::new("python3").arg(script).arg(file).output().expect("python3");
    let program = String::from_utf8(program.stdout).expect("a program");
    let function = Model::parse(name, &program).function().expect("it lowers");
    let compiled = function.compile(options).expect("it compiles");
    let reference = std::fs::read_to_string(folder().join(format!("{name}.json")));
    let reference: Json = serde_json::from_str(&reference.expect("a reference")).expect("JSON");
    let points = reference["points"].as_array().expect("points");
    let names = reference["inputs"].as_array().expect("inputs");
    let value = |k: usize, name: &str| {
        let at = names.iter().position(|n| n.as_str() == Some(name)).expect("an input");
        let x = &points[k % points.len().min(4)]["x"][at];
        let x = x.as_f64().or_else(|| x.as_str()?.parse().ok()).expect("a number");
        x * (1.0 + 1e-6 * (k % 997) as f64)
    };
    let inputs = compiled.function.inputs().iter();
    let inputs = inputs.map(|input| (0..n_points).map(|k| value(k, &input.name)).collect());
    let inputs = inputs.collect();
    (compiled, inputs)
}

/// What the statements of a kernel call.
pub fn helpers(kernel: &Kernel) -> String {
    let mut helpers: Vec<&str> = Vec::new();
    for inst in &kernel.insts {
        if let Inst::Apply { op, .. } = inst
            && !helpers.contains(&op.row().c_helper)
        {
            helpers.push(op.row().c_helper);
        }
    }
    helpers.concat()
}

/// Statements in C that do what a kernel does, one local for each value; none if it has loops.
pub fn statements(kernel: &Kernel, place: impl Fn(&str, u32, i64) -> String) -> Option<String> {
    let mut body = String::new();
    let address = |addr: u32| {
        let addr = &kernel.addrs[addr as usize];
        match addr.base {
            _ if !addr.tables.is_empty() || !addr.index.terms.is_empty() => None,
            Base::Arg(k) => Some(place("in", k, addr.index.offset)),
            Base::Res(k) => Some(place("out", k, addr.index.offset)),
            Base::Work | Base::Data(_) => None,
        }
    };
    for inst in &kernel.insts {
        match *inst {
            Inst::Const { dst, value } => writeln!(body, "double v{dst} = {value:?};").ok()?,
            Inst::Load { dst, addr } => {
                writeln!(body, "double v{dst} = {};", address(addr)?).ok()?;
            }
            Inst::Store { addr, src } => writeln!(body, "{} = v{src};", address(addr)?).ok()?,
            Inst::Apply { dst, op, args } => {
                let mut text = op.row().c.to_owned();
                for (name, arg) in ["{a}", "{b}", "{c}"].into_iter().zip(args) {
                    text = text.replace(name, &format!("v{arg}"));
                }
                writeln!(body, "double v{dst} = {text};").ok()?;
            }
            Inst::IfWanted { .. } => body.push_str("{\n"),
            Inst::EndWanted => body.push_str("}\n"),
            _ => return None,
        }
    }
    Some(body)
}

/// Prints our nanoseconds by work beside those of heyoka, which are under this key.
pub fn beside_heyoka(ours: &BTreeMap<String, f64>, key: &str, filter: &str) {
    let Some(peer) = super::peer("heyoka", &[filter]) else {
        return println!("heyoka: no result (pip install heyoka numpy)");
    };
    let mut ratios = Ratios::default();
    println!("heyoka, {key}: ns: ours, heyoka; ours / heyoka");
    for (name, ours) in ours {
        let Some(theirs) = peer[name][key].as_f64() else { continue };
        println!("{name:14} {ours:10.1} {theirs:10.1} {:8.3}", ours / theirs);
        ratios.add(ours / theirs);
    }
    println!("geometric mean {:.3}", ratios.mean());
}

/// The output of a program in C.
pub fn by_gcc(name: &str, text: &str, flags: &[&str]) -> Option<f64> {
    let folder = std::env::temp_dir();
    let [source, program] =
        ["c", "out"].map(|end| folder.join(format!("nablac-{name}-{}.{end}", std::process::id())));
    std::fs::write(&source, text).ok()?;
    let made = Command::new("gcc")
        .args(["-O3", "-march=native", "-w"])
        .args(flags)
        .arg(&source)
        .arg("-o")
        .arg(&program)
        .arg("-lm")
        .status();
    let output = made.ok()?.success().then(|| Command::new(&program).output().ok());
    let _ = std::fs::remove_file(source);
    let _ = std::fs::remove_file(program);
    String::from_utf8(output??.stdout).ok()?.trim().parse().ok()
}

/// Ratios and their geometric mean.
#[derive(Default)]
pub struct Ratios {
    logarithms: f64,
    n: u32,
}

impl Ratios {
    pub fn add(&mut self, ratio: f64) {
        self.logarithms += ratio.ln();
        self.n += 1;
    }

    pub fn mean(&self) -> f64 {
        (self.logarithms / f64::from(self.n)).exp()
    }
}
