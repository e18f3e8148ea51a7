//! What benches share: CPU time, and evaluations timed with it. Other work on the machine does
//! not count.
#![allow(dead_code)] // each bench uses its part

pub mod works;

use std::process::Command;

use nablac::backend::abi::Memory;
use nablac::function::{Compiled, Options};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value as Json;

/// Seconds of a measurement, and how many there are, of which the least counts: other work on the
/// same core slows some of them down, for up to a second.
pub const SECONDS: f64 = 0.02;
pub const MEASUREMENTS: usize = 60;

/// No further measurements of long calls after so many seconds.
const LONGEST: f64 = 4.0;

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

/// Least CPU seconds of a call on this thread.
pub fn least(mut call: impl FnMut()) -> f64 {
    let (mut least, mut together, mut measured) = (f64::INFINITY, 1u64, 0);
    let begin = thread_seconds();
    while measured == 0 || measured < MEASUREMENTS && thread_seconds() - begin < LONGEST {
        let start = thread_seconds();
        (0..together).for_each(|_| call());
        let seconds = thread_seconds() - start;
        if seconds < SECONDS {
            together *= 2;
        } else {
            measured += 1;
            least = least.min(seconds / together as f64);
        }
    }
    least
}

/// [`least`] of an evaluation of one output.
pub fn evaluating(compiled: &Compiled, inputs: &[Vec<f64>], wanted: usize) -> f64 {
    let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    let outputs = compiled.function.outputs();
    let mut values = vec![0.0; outputs[wanted].pattern.nnz()];
    let mut memory = Memory::default();
    least(|| {
        let mut all: Vec<Option<&mut [f64]>> = outputs.iter().map(|_| None).collect();
        all[wanted] = Some(&mut values);
        compiled.evaluate_into(&inputs, &mut all, &mut memory).expect("it evaluates");
    })
}

/// What a script of `benches/peers` prints as JSON; none where its packages are not there.
pub fn peer(script: &str, arguments: &[&str]) -> Option<Json> {
    let script = format!("{}/benches/peers/{script}.py", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("python3").arg(script).args(arguments).output().ok()?;
    serde_json::from_slice(&output.stdout).ok()
}
