//! Works of ADBench: the gradient of a Gaussian mixture and the sparse Jacobian of a bundle
//! adjustment, from the text of the program to machine code and its evaluation. Beside jax.jit on
//! the CPU in 64 bits, when its Python package is there, in the same run; CPU time, best of 20
//! evaluations.
//!
//! `cargo bench --bench adbench`, with the data in `../shared/data/adbench`

#[path = "../examples/adbench/convert.rs"]
#[allow(dead_code)] // it converts works that are not measured here, too
mod convert;
mod support;

use std::path::Path;
use std::process::Command;

use nablac::backend::abi::Memory;
use nablac::data::Data;
use nablac::model::Model;
use serde_json::Value as Json;
use support::{process_seconds, thread_seconds};

/// What one side says of one work.
struct Figures {
    compile_s: f64,
    evaluate_s: f64,
    /// Norm of the derivative, which tells whether both sides mean the same.
    norm: f64,
}

fn nablac(work: &str, data: &Json) -> Figures {
    let file = format!("{}/examples/adbench/{work}.nab", env!("CARGO_MANIFEST_DIR"));
    let data = Data::from_json("data.json", &data.to_string()).expect("the data is well formed");
    let start = process_seconds();
    let model = Model::load(file).expect("the program is there").data(data);
    let function = model.function().unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let build_s = process_seconds() - start;
    let compiled = function.compile(&support::one_thread()).expect("compiles");
    let compile_s = process_seconds() - start;
    let inputs = function.values(&Data::new()).expect("the data has every input");
    let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    let mut outputs: Vec<Vec<f64>> =
        function.outputs().iter().map(|o| vec![0.0; o.pattern.nnz()]).collect();
    let mut memory = Memory::default();
    let mut evaluate_s = f64::INFINITY;
    for _ in 0..20 {
        let mut wanted: Vec<_> = outputs.iter_mut().map(|o| Some(o.as_mut_slice())).collect();
        let start = thread_seconds();
        compiled.evaluate_into(&inputs, &mut wanted, &mut memory).expect("evaluates");
        evaluate_s = evaluate_s.min(thread_seconds() - start);
    }
    println!(
        "nablac {work}: derivation {:.0} ms, simplification and machine code {:.0} ms, \
         evaluation {:.2} ms, {} bytes of code, {:.1} MB of work memory",
        1e3 * build_s,
        1e3 * (compile_s - build_s),
        1e3 * evaluate_s,
        compiled.code_bytes(),
        compiled.kernel.work_len as f64 * 8e-6
    );
    let norm = outputs[1].iter().map(|v| v * v).sum::<f64>().sqrt();
    Figures { compile_s, evaluate_s, norm }
}

fn jax(work: &str, data: &Json) -> Option<Figures> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/adbench.py");
    let file = std::env::temp_dir().join(format!("nablac_{work}_{}.json", std::process::id()));
    std::fs::write(&file, data.to_string()).ok()?;
    let output = Command::new("python3").arg(script).arg(work).arg(&file).output();
    let _ = std::fs::remove_file(&file);
    let report: Json = serde_json::from_slice(&output.ok()?.stdout).ok()?;
    let of = |key: &str| report[key].as_f64();
    let figures =
        Figures { compile_s: of("compile_s")?, evaluate_s: of("evaluate_s")?, norm: of("norm")? };
    println!(
        "jax {} {work}: tracing and compilation {:.0} ms, evaluation {:.2} ms",
        report["version"].as_str().unwrap_or(""),
        1e3 * figures.compile_s,
        1e3 * figures.evaluate_s
    );
    Some(figures)
}

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/adbench");
    type Convert = fn(&str) -> Result<Json, String>;
    let works: [(&str, &str, Convert); 2] = [
        ("gmm", "gmm/gmm_n1k_d10_K25.txt", convert::gmm),
        ("ba", "ba/ba1_n49_m7776_p31843.txt", convert::ba),
    ];
    for (work, file, convert) in works {
        let data = match convert(&folder.join(file).to_string_lossy()) {
            Ok(data) => data,
            Err(reason) => {
                println!("{work}: not measured: {reason}");
                continue;
            }
        };
        let ours = nablac(work, &data);
        let Some(theirs) = jax(work, &data) else {
            println!("jax: not measured (pip install jax)");
            continue;
        };
        let error = (ours.norm - theirs.norm).abs() / theirs.norm;
        assert!(error < 1e-9, "{work}: norms {} and {}", ours.norm, theirs.norm);
        println!(
            "{work}: nablac is {:.1} times as fast with compilation and one evaluation, {:.2} times \
             as fast in evaluation alone",
            (theirs.compile_s + theirs.evaluate_s) / (ours.compile_s + ours.evaluate_s),
            theirs.evaluate_s / ours.evaluate_s
        );
    }
}
