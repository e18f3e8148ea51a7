//! What vector code calls.

use crate::backend::abi::Context;
use crate::backend::jit::runtime::{fail_cancelled, note_iteration};

/// A function of numbers for so many lanes.
///
/// # Safety
/// `area` points to three vectors of arguments and one for the results.
pub(super) unsafe extern "C" fn each_lane1(
    f: extern "C" fn(f64) -> f64,
    area: *mut f64,
    lanes: usize,
) {
    // SAFETY: by the contract above.
    let area = unsafe { std::slice::from_raw_parts_mut(area, 4 * lanes) };
    for lane in 0..lanes {
        area[3 * lanes + lane] = f(area[lane]);
    }
}

/// [`each_lane1`] for two arguments.
///
/// # Safety
/// As there.
pub(super) unsafe extern "C" fn each_lane2(
    f: extern "C" fn(f64, f64) -> f64,
    area: *mut f64,
    lanes: usize,
) {
    // SAFETY: by the contract above.
    let area = unsafe { std::slice::from_raw_parts_mut(area, 4 * lanes) };
    for lane in 0..lanes {
        area[3 * lanes + lane] = f(area[lane], area[lanes + lane]);
    }
}

/// [`each_lane1`] for three arguments.
///
/// # Safety
/// As there.
pub(super) unsafe extern "C" fn each_lane3(
    f: extern "C" fn(f64, f64, f64) -> f64,
    area: *mut f64,
    lanes: usize,
) {
    // SAFETY: by the contract above.
    let area = unsafe { std::slice::from_raw_parts_mut(area, 4 * lanes) };
    for lane in 0..lanes {
        area[3 * lanes + lane] = f(area[lane], area[lanes + lane], area[2 * lanes + lane]);
    }
}

/// Records that the cancel flag was seen in an iteration.
///
/// # Safety
/// `context` is the context of the running evaluation.
pub(super) unsafe extern "C" fn cancelled(context: *mut Context, iteration: u64) {
    // SAFETY: by the contract above.
    unsafe {
        fail_cancelled(context);
        note_iteration(context, iteration);
    }
}
