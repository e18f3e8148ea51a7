//! Iterations of a loop on several threads.
//!
//! Each thread runs ranges of iterations with scratch memory, a context and memory of iterations
//! of its own ([`crate::kernel::threads`]). What fails first in the order of iterations is what is
//! reported.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::compile::Entry;
use crate::backend::abi::{Context, Failure, Status};
use crate::kernel::ir::Kernel;

/// Threads of a compiled program, and what they need.
pub(super) struct Team {
    /// Most threads at once.
    threads: usize,
    /// Results of the program, the memory of iterations included, which comes last.
    n_res: usize,
    /// Length of the memory of iterations.
    pub own_len: usize,
    /// Length of the scratch memory, and how much of it functions share.
    scratch_len: usize,
    shared_len: usize,
    /// Where in it the range of iterations of a loop stands.
    range: usize,
    /// Workers that do nothing now, kept so that evaluation need not allocate.
    idle: Mutex<Vec<Worker>>,
}

/// Memory of one thread.
pub(super) struct Worker {
    scratch: Vec<f64>,
    own: Vec<f64>,
    res: Vec<*mut f64>,
    context: Context,
}

// SAFETY: the pointers are written before each use and lead to memory that the caller of an
// evaluation has lent to it.
unsafe impl Send for Worker {}

/// Pointers that threads share during an evaluation.
#[derive(Copy, Clone)]
struct Shared {
    function: Entry,
    arg: *const *const f64,
    res: *const *mut f64,
    work: *mut f64,
    scratch: *const f64,
}

// SAFETY: threads read what these lead to, or write to places that no other one touches: see
// `kernel::threads`.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

/// Ranges of iterations for a thread, so that one that is slowed down holds up little.
const RANGES: usize = 4;
/// Shortest range; vectors need as many iterations.
const LEAST: u64 = 8;

/// Runs the function of a loop for all of its `n` iterations; returns a [`Status`].
///
/// # Safety
/// `function` is the function of a loop of the program that `team` belongs to, the other pointers
/// are those of a running function of that program.
#[allow(clippy::too_many_arguments)] // what every function has, and the loop
pub(super) unsafe extern "C" fn run(
    function: Entry,
    arg: *const *const f64,
    res: *const *mut f64,
    work: *mut f64,
    scratch: *mut f64,
    context: *mut Context,
    n: u64,
    team: *const Team,
) -> i32 {
    // SAFETY: the compiled program holds its team.
    let team = unsafe { &*team };
    let longest = n.div_ceil((RANGES * team.threads) as u64).next_multiple_of(LEAST);
    let n_ranges = (n / longest).max(1) as usize;
    let n_threads = team.threads.min(n_ranges);
    // SAFETY: the plan of the program has two numbers of scratch memory there.
    let set_range = |scratch: *mut f64, begin: u64, end: u64| unsafe {
        let range = scratch.add(team.range).cast::<u64>();
        range.write(begin);
        range.add(1).write(end);
    };
    if n_threads < 2 {
        set_range(scratch, 0, n);
        // SAFETY: by the contract above.
        return unsafe { function(arg, res, work, scratch, context) };
    }
    let shared = Shared { function, arg, res, work, scratch };
    // SAFETY: the engine made it from a `&mut Context` that nothing else uses meanwhile.
    let context = unsafe { &mut *context };
    let next = AtomicUsize::new(0);
    let first_failure: Mutex<Option<(usize, Failure, u32)>> = Mutex::new(None);
    let work_on = |mut worker: Worker| {
        loop {
            let k = next.fetch_add(1, Ordering::Relaxed);
            if k >= n_ranges {
                break;
            }
            let begin = k as u64 * longest;
            let end = if k + 1 == n_ranges { n } else { begin + longest };
            set_range(worker.scratch.as_mut_ptr(), begin, end);
            let status = worker.run(&shared);
            if status != Status::Ok as i32 {
                let failure = std::mem::take(&mut worker.context.failure);
                let mut first = first_failure.lock().unwrap_or_else(PoisonError::into_inner);
                if first.as_ref().is_none_or(|found| found.0 > k) {
                    *first = Some((k, failure, worker.context.output));
                }
                break;
            }
        }
        team.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
    };
    rayon::in_place_scope(|scope| {
        for _ in 1..n_threads {
            let worker = team.worker(&shared, context);
            scope.spawn(|_| work_on(worker));
        }
        work_on(team.worker(&shared, context));
    });
    match first_failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((_, failure, output)) => {
            let status = failure.status as i32;
            context.failure = failure;
            context.output = output;
            status
        }
        None => Status::Ok as i32,
    }
}

impl Team {
    /// For the loops of a kernel whose last result is the memory of iterations. Of the scratch
    /// memory functions share the first `shared_len` numbers.
    pub fn new(
        threads: usize,
        kernel: &Kernel,
        shared_len: usize,
        range: usize,
        scratch_len: usize,
    ) -> Team {
        Team {
            threads,
            n_res: kernel.res.len(),
            own_len: kernel.res.last().map_or(0, |port| port.nnz),
            scratch_len,
            shared_len,
            range,
            idle: Mutex::default(),
        }
    }

    /// A worker with what the functions of the program have shared so far.
    fn worker(&self, shared: &Shared, context: &Context) -> Worker {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut worker = idle.unwrap_or_else(|| Worker {
            scratch: vec![0.0; self.scratch_len],
            own: vec![0.0; self.own_len],
            res: Vec::with_capacity(self.n_res),
            context: Context::default(),
        });
        worker.context = context.fork();
        // SAFETY: the caller's scratch memory is as long, and its array of results has `n_res`
        // pointers, the last one of which is replaced.
        unsafe {
            let from = std::slice::from_raw_parts(shared.scratch, self.shared_len);
            worker.scratch[..self.shared_len].copy_from_slice(from);
            worker.res.clear();
            let given = std::slice::from_raw_parts(shared.res, self.n_res - 1);
            worker.res.extend_from_slice(given);
        }
        worker.res.push(worker.own.as_mut_ptr());
        worker
    }
}

impl Worker {
    fn run(&mut self, shared: &Shared) -> i32 {
        // SAFETY: the function belongs to the program; its iterations write to results and work
        // memory where no other ones do, everything else is this worker's own.
        unsafe {
            (shared.function)(
                shared.arg,
                self.res.as_ptr(),
                shared.work,
                self.scratch.as_mut_ptr(),
                &mut self.context,
            )
        }
    }
}
