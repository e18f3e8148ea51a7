//! What generated code calls when something goes wrong, or outside.

use crate::backend::abi::{Context, Status};
use crate::backend::external::invoke;
use crate::graph::External;

/// Records a value outside its declared range.
///
/// # Safety
/// `context` is the context of the running evaluation.
pub(super) unsafe extern "C" fn fail_range(
    context: *mut Context,
    kernel: u32,
    site: u32,
    value: f64,
) {
    // SAFETY: generated code passes on the pointer that the engine got from a `&mut Context`.
    let failure = unsafe { &mut (*context).failure };
    failure.status = Status::Range;
    failure.kernel = kernel;
    failure.site = site;
    failure.value = value;
    failure.iteration = None;
}

/// Records that the cancel flag was seen.
///
/// # Safety
/// `context` is the context of the running evaluation.
pub(super) unsafe extern "C" fn fail_cancelled(context: *mut Context) {
    // SAFETY: as in `fail_range`.
    let failure = unsafe { &mut (*context).failure };
    failure.status = Status::Cancelled;
    failure.iteration = None;
}

/// Records in which iteration of a loop something failed, unless an inner loop did already.
///
/// # Safety
/// `context` is the context of the running evaluation.
pub(super) unsafe extern "C" fn note_iteration(context: *mut Context, iteration: u64) {
    // SAFETY: as in `fail_range`.
    let failure = unsafe { &mut (*context).failure };
    failure.iteration.get_or_insert(iteration);
}

/// Calls an external function; returns a [`Status`].
///
/// # Safety
/// `external` lives, `arg` and `res` point to as many pointers as it has inputs and outputs, each
/// to as many numbers as the pattern has nonzeros; results overlap nothing else.
pub(super) unsafe extern "C" fn call_external(
    context: *mut Context,
    external: *const External,
    arg: *const *const f64,
    res: *const *mut f64,
    site: u64,
) -> i32 {
    // SAFETY: the engine holds the kernel that holds the external.
    let external = unsafe { &*external };
    let mut few_args: [&[f64]; FEW] = [&[]; FEW];
    let mut many_args = Vec::new();
    let args = room(&mut few_args, &mut many_args, external.inputs.len());
    for (k, pattern) in external.inputs.iter().enumerate() {
        if pattern.nnz() > 0 {
            // SAFETY: by the contract above.
            args[k] = unsafe { std::slice::from_raw_parts(*arg.add(k), pattern.nnz()) };
        }
    }
    let mut few_results: [&mut [f64]; FEW] = std::array::from_fn(|_| &mut [][..]);
    let mut many_results = Vec::new();
    let results = room(&mut few_results, &mut many_results, external.outputs.len());
    for (k, pattern) in external.outputs.iter().enumerate() {
        if pattern.nnz() > 0 {
            // SAFETY: by the contract above.
            results[k] = unsafe { std::slice::from_raw_parts_mut(*res.add(k), pattern.nnz()) };
        }
    }
    match invoke(external, args, results) {
        Ok(()) => Status::Ok as i32,
        Err(message) => {
            // SAFETY: as in `fail_range`.
            let failure = unsafe { &mut (*context).failure };
            failure.status = Status::External;
            failure.kernel = (site >> 32) as u32;
            failure.site = site as u32;
            failure.message = message;
            failure.iteration = None;
            Status::External as i32
        }
    }
}

/// Arguments or results for which no memory is allocated.
const FEW: usize = 8;

/// Room for `n` slices.
fn room<'a, T: Default>(few: &'a mut [T; FEW], many: &'a mut Vec<T>, n: usize) -> &'a mut [T] {
    if n <= FEW {
        &mut few[..n]
    } else {
        many.resize_with(n, T::default);
        many
    }
}
