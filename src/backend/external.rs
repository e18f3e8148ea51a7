//! Calls of external functions, with their mistakes turned into messages.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::graph::External;

/// Calls the implementation of an external; its panic is an error like any other.
pub(crate) fn invoke(
    external: &External,
    arg: &[&[f64]],
    res: &mut [&mut [f64]],
) -> Result<(), String> {
    let Some(callback) = &external.callback else {
        return Err("no implementation was given".to_owned());
    };
    match catch_unwind(AssertUnwindSafe(|| callback(arg, res))) {
        Ok(outcome) => outcome,
        Err(_) => Err("it panicked".to_owned()),
    }
}
