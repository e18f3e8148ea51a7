//! Hand-made kernels: every engine gives the same bits.

mod aarch64;
mod builder;
mod columns;
mod contracted;
mod eight;
mod forms;
mod large;
mod random;
mod regions;
mod roll;
mod scalars;
mod stores;
mod threads;
mod together;
mod vectors;

use std::sync::Arc;

use nablac::backend::abi::{Engine, EvalError, Memory};
use nablac::backend::interp::Interp;
use nablac::backend::jit::{Jit, JitOptions, Vectors};
use nablac::kernel::ir::Kernel;

/// Results of one evaluation.
type Outcome = Result<Vec<Vec<f64>>, EvalError>;

/// Interpreter and compiled code, with functions of several lengths, loops in vectors and on
/// several threads.
fn engines(kernel: &Arc<Kernel>) -> Vec<(String, Box<dyn Engine>)> {
    let mut engines: Vec<(String, Box<dyn Engine>)> =
        vec![("interp".to_owned(), Box::new(Interp::new(kernel)))];
    for (optimize, piece_len, vectors, lanes, threads) in [
        (true, 1000, Vectors::Narrow, 8, 1),
        (false, 1000, Vectors::Worthwhile, 8, 3),
        (true, 3, Vectors::Narrow, 8, 2),
        (false, 7, Vectors::All, 8, 3),
        (false, 1000, Vectors::All, 4, 2),
    ] {
        let options = JitOptions { optimize, piece_len, threads, shared_from: 0, vectors, lanes };
        let jit = Jit::new(kernel, &options).expect("compiles");
        engines.push((format!("{options:?}"), Box::new(jit)));
    }
    engines
}

fn call(engine: &dyn Engine, kernel: &Kernel, arg: &[&[f64]], memory: &mut Memory) -> Outcome {
    let mut res: Vec<Vec<f64>> = kernel.res.iter().map(|port| vec![0.25; port.nnz]).collect();
    let mut slices: Vec<Option<&mut [f64]>> = res.iter_mut().map(|res| Some(&mut **res)).collect();
    engine.call(arg, &mut slices, memory)?;
    Ok(res)
}

/// Bits with all NaNs made equal.
fn bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}

/// Evaluates in all engines, twice in the same memory, and compares.
fn evaluate(kernel: &Arc<Kernel>, arg: &[&[f64]]) -> Outcome {
    let mut first: Option<Outcome> = None;
    let mut memory = Memory::default();
    for (name, engine) in engines(kernel) {
        for _ in 0..2 {
            let outcome = call(&*engine, kernel, arg, &mut memory);
            let Some(first) = &first else {
                first = Some(outcome);
                continue;
            };
            match (first, &outcome) {
                (Ok(expected), Ok(found)) => {
                    let expected: Vec<_> = expected.iter().flatten().copied().map(bits).collect();
                    let found: Vec<_> = found.iter().flatten().copied().map(bits).collect();
                    assert_eq!(expected, found, "{name} on {arg:?}");
                }
                (expected, found) => {
                    assert_eq!(format!("{expected:?}"), format!("{found:?}"), "{name} on {arg:?}");
                }
            }
        }
    }
    first.expect("an engine ran")
}
