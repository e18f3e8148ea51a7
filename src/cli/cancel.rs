//! Ctrl-C: the evaluation that runs stops and is reported as cancelled, with the exit code that a
//! shell gives to an interrupted program. Where none runs, and the second time, the program ends
//! at once; files are written whole or not at all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::backend::abi::Memory;

/// 128 and the number of the signal, as shells have it.
pub const EXIT_CODE: u8 = 130;

static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
static EVALUATES: AtomicBool = AtomicBool::new(false);

/// Memory whose evaluations Ctrl-C cancels.
pub fn memory() -> Memory {
    let flag = FLAG.get_or_init(|| {
        let flag = Arc::new(AtomicBool::new(false));
        let seen = flag.clone();
        // Without a handler Ctrl-C ends the program, which is right as well.
        let _ = ctrlc::set_handler(move || {
            let again = seen.swap(true, Ordering::Relaxed);
            if again || !EVALUATES.load(Ordering::Relaxed) {
                std::process::exit(i32::from(EXIT_CODE));
            }
        });
        flag
    });
    Memory::with_cancel(flag.clone())
}

/// Runs an evaluation that watches the flag.
pub fn evaluating<T>(evaluate: impl FnOnce() -> T) -> T {
    EVALUATES.store(true, Ordering::Relaxed);
    let result = evaluate();
    EVALUATES.store(false, Ordering::Relaxed);
    result
}
