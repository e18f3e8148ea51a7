//! What benches share: CPU time, and evaluations timed with it. Other work on the machine does
//! not count.
#![allow(dead_code)] // each bench uses its part

pub mod works;

use std::process::Command;

use nablac::backend::abi::Memory;
use nablac::function::{Compiled, Options};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value as Json;

/// Evaluations are repeated for so long.
const SECONDS: f64 = 1.0;

/// What one measurement of an evaluation takes at least.
const LEAST: f64 = 0.02;

/// CPU seconds of this process with all its threads.
pub fn process_seconds() -> f64 {
    seconds(ClockId::ProcessCPUTime)
}

/// CPU seconds of this thread.
pub fn thread_seconds() -> f64 {
    seconds(ClockId::ThreadCPUTime)
}

fn seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
}

/// CPU seconds to make something, the mean of several runs.
pub fn making<T>(mut make: impl FnMut() -> T) -> (f64, T) {
    let (start, mut n) = (process_seconds(), 0.0);
    loop {
        let made = make();
        n += 1.0;
        let seconds = process_seconds() - start;
        if seconds > 0.5 {
            return (seconds / n, made);
        }
    }
}

/// Compiled forms whose evaluation stays on the thread that calls it, as it is timed there, as is their
/// compilation.
pub fn one_thread() -> Options {
    Options { threads: 1, again: true, ..Options::default() }
}

/// Least CPU seconds of one evaluation of one output.
pub fn evaluating(compiled: &Compiled, inputs: &[Vec<f64>], wanted: usize) -> f64 {
    let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    let outputs = compiled.function.outputs();
    let mut values = vec![0.0; outputs[wanted].pattern.nnz()];
    let mut memory = Memory::default();
    // Several at a time where one is too short for the clock.
    let (mut least, mut n, start) = (f64::INFINITY, 1, thread_seconds());
    while least.is_infinite() || thread_seconds() - start < SECONDS {
        let begin = thread_seconds();
        for _ in 0..n {
            let mut all: Vec<Option<&mut [f64]>> = outputs.iter().map(|_| None).collect();
            all[wanted] = Some(&mut values);
            compiled.evaluate_into(&inputs, &mut all, &mut memory).expect("it evaluates");
        }
        let seconds = thread_seconds() - begin;
        if seconds < LEAST {
            n *= 2;
        } else {
            least = least.min(seconds / f64::from(n));
        }
    }
    least
}

/// What a script of `benches/peers` prints as JSON; none where its packages are not there.
pub fn peer(script: &str, arguments: &[&str]) -> Option<Json> {
    let script = format!("{}/benches/peers/{script}.py", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("python3").arg(script).args(arguments).output().ok()?;
    serde_json::from_slice(&output.stdout).ok()
}
