//! What generated code calls when something goes wrong, or outside.

use multiversion::multiversion;
use multiversion::target::target_cfg_f;

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

/// Adds `b[l]` times column `l` of `a` to `c`, column after column.
///
/// # Safety
/// From `c` on lie `n_rows` numbers that nothing else refers to. Column `l` of `a` begins after
/// `l * a_stride` numbers and has as many, `b[l]` stands after `l * b_stride`, for all `l` below
/// `n_columns`, which is not 0.
pub(super) unsafe extern "C" fn add_columns(
    a: *const f64,
    b: *const f64,
    c: *mut f64,
    n_rows: usize,
    n_columns: usize,
    a_stride: usize,
    b_stride: usize,
) {
    let last = n_columns - 1;
    // SAFETY: by the contract above.
    let (a, b, c) = unsafe {
        (
            std::slice::from_raw_parts(a, last * a_stride + n_rows),
            std::slice::from_raw_parts(b, last * b_stride + 1),
            std::slice::from_raw_parts_mut(c, n_rows),
        )
    };
    sum_columns(a, b, c, n_columns, a_stride, b_stride);
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn sum_columns(
    a: &[f64],
    b: &[f64],
    c: &mut [f64],
    n_columns: usize,
    a_stride: usize,
    b_stride: usize,
) {
    let strides = [a_stride, b_stride];
    let mut first = 0;
    // As many rows at a time as the registers hold, then fewer.
    let mut rest = c;
    if target_cfg_f!(target_feature = "avx512f") {
        let (many, others) = rest.as_chunks_mut::<64>();
        for block in many {
            sum_rows(&a[first..], b, block, n_columns, strides);
            first += block.len();
        }
        rest = others;
    }
    let (many, rest) = rest.as_chunks_mut::<32>();
    for block in many {
        sum_rows(&a[first..], b, block, n_columns, strides);
        first += block.len();
    }
    let (few, rest) = rest.as_chunks_mut::<8>();
    for block in few {
        sum_rows(&a[first..], b, block, n_columns, strides);
        first += block.len();
    }
    for row in rest {
        sum_rows(&a[first..], b, std::array::from_mut(row), n_columns, strides);
        first += 1;
    }
}

/// Adds multiples of the first `N` numbers of columns.
#[inline(always)]
fn sum_rows<const N: usize>(
    a: &[f64],
    b: &[f64],
    block: &mut [f64; N],
    n_columns: usize,
    [a_stride, b_stride]: [usize; 2],
) {
    let mut sums = *block;
    for l in 0..n_columns {
        let column = &a[l * a_stride..][..N];
        let y = b[l * b_stride];
        for (sum, x) in sums.iter_mut().zip(column) {
            *sum += x * y;
        }
    }
    *block = sums;
}
