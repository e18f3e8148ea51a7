//! Machine code bound to memory of its own, whose pointers are set once.

use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicPtr;

use super::Jit;
use crate::backend::abi::{Bound, Context, EvalError, check_wanted};

pub(super) struct Caller {
    jit: Arc<Jit>,
    /// Whether all results are wanted.
    is_whole: bool,
    /// Arguments, results and work memory. Only reached by this pointer, as the code writes there
    /// by copies of it.
    numbers: NonNull<[f64]>,
    args: Vec<Range<usize>>,
    res: Vec<Range<usize>>,
    work: *mut f64,
    /// To the arguments, then to the results, then to the memory of threads.
    pointers: Vec<AtomicPtr<f64>>,
    context: Context,
}

// SAFETY: the numbers are owned by the caller, and nothing else has pointers to them.
unsafe impl Send for Caller {}

impl Caller {
    pub fn new(jit: Arc<Jit>, wanted: &[bool]) -> Result<Caller, EvalError> {
        check_wanted(&jit.kernel, wanted)?;
        let mut len = 0;
        let mut place = |nnz: usize| {
            len += nnz;
            len - nnz..len
        };
        let args: Vec<_> = jit.kernel.args.iter().map(|port| place(port.nnz)).collect();
        let res: Vec<_> = jit.kernel.res.iter().map(|port| place(port.nnz)).collect();
        let is_whole = wanted.iter().all(|&wanted| wanted);
        let code = jit.code_for(is_whole);
        let work = place(code.work_len).start;
        let numbers = NonNull::from(Box::leak(vec![0.0; len].into_boxed_slice()));
        let first = numbers.as_ptr().cast::<f64>();
        let at = |place: usize| AtomicPtr::new(first.wrapping_add(place));
        let results =
            res.iter().zip(wanted).zip(&code.unwanted).map(|((res, wanted), unwanted)| {
                match (wanted, *unwanted) {
                    (true, _) => at(res.start),
                    (false, Some(offset)) => at(work + offset),
                    (false, None) => AtomicPtr::default(),
                }
            });
        let pointers = args.iter().map(|arg| at(arg.start)).chain(results);
        let pointers = pointers.chain([at(work + code.own)]).collect();
        let work = first.wrapping_add(work);
        let context = Context::default();
        Ok(Caller { is_whole, numbers, args, res, work, pointers, context, jit })
    }
}

impl Bound for Caller {
    fn arg(&mut self, k: usize) -> &mut [f64] {
        let place = self.args[k].clone();
        // SAFETY: the caller owns the numbers, and is borrowed mutably.
        unsafe { &mut (&mut *self.numbers.as_ptr())[place] }
    }

    fn res(&self, k: usize) -> &[f64] {
        let place = self.res[k].clone();
        // SAFETY: the caller owns the numbers; only what borrows it mutably writes there.
        unsafe { &(&*self.numbers.as_ptr())[place] }
    }

    fn call(&mut self) -> Result<(), EvalError> {
        let arg = self.pointers.as_ptr();
        let res = arg.wrapping_add(self.args.len());
        let code = self.jit.code_for(self.is_whole);
        // SAFETY: the pointers were set for this code and lead into the numbers, which the caller
        // owns and is borrowed mutably with.
        unsafe { code.run(arg, res, self.work, &mut self.context) }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        // SAFETY: made from a box, which nobody else frees.
        drop(unsafe { Box::from_raw(self.numbers.as_ptr()) });
    }
}
