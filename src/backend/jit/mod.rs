//! Machine code: loops and branches by Cranelift, straight-line code and loops in wide vectors by
//! `vector`. Compiles in microseconds per operation and agrees with the interpreter to the bit.
//!
//! A kernel and all it calls become machine functions ([`plan`] says how many), which are built
//! and compiled on several threads, then placed into one block of memory that is writable while
//! it is filled and executable afterwards, never both.

mod address;
mod caller;
mod calls;
mod compile;
mod lanes;
mod lower;
mod memory;
mod plan;
mod runtime;
mod team;
mod translate;
mod vector;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicPtr;

use crate::backend::abi::{
    Bound, Context, Engine, EngineError, EvalError, Memory, Status, check_ports, place_unwanted,
};
use crate::kernel::calls::Calls;
use crate::kernel::ir::{Callee, Kernel};
use crate::kernel::pack::pack;
use crate::kernel::stores::early;
use crate::kernel::threads::{Threaded, spread};
use crate::kernel::unguarded::unguarded;
use crate::kernel::verify::verify;

use address::Chains;
use caller::Caller;
use compile::Code;
use plan::Plan;
use team::Team;

/// Compiled machine code of one function.
///
/// ```
/// use std::sync::Arc;
/// use nablac::backend::abi::{Engine, Memory};
/// use nablac::backend::jit::{Jit, JitOptions, asm};
/// let f = nablac::model::Model::parse("f.nab", "input x\noutput y = sqrt(x)").function()?;
/// let kernel = Arc::new(nablac::kernel::build(f.func()));
/// let engine = Jit::new(&kernel, &JitOptions::default())?;
/// let mut y = [0.0];
/// engine.call(&[&[9.0]], &mut [Some(&mut y)], &mut Memory::default())?;
/// assert_eq!(y, [3.0]);
/// assert!(engine.code_bytes() > 0 && !asm(&kernel, &JitOptions::default())?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Jit {
    code: Code,
    kernel: Arc<Kernel>,
    /// It and all it calls, in the order of [`Calls`].
    kernels: Vec<Arc<Kernel>>,
    /// Where in work memory each result lies when it is computed but not wanted.
    unwanted: Vec<Option<usize>>,
    /// Where in work memory that of the iterations of loops for threads begins.
    own: usize,
    /// Where in work memory the scratch memory begins.
    scratch: usize,
    work_len: usize,
    /// Called by the code.
    _team: Option<Box<Team>>,
    /// The same kernel without guards, for evaluations that want all results.
    whole: Option<Box<Jit>>,
}

/// How to compile.
#[derive(Clone, Debug)]
pub struct JitOptions {
    /// Whether Cranelift optimises; takes half as long again and hardly pays, as kernels come
    /// simplified and loop invariants are moved while translating.
    pub optimize: bool,
    /// Longest function, in instructions.
    pub piece_len: usize,
    /// Most threads that compile, and that share the iterations of a long loop. Results do not
    /// depend on it.
    pub threads: usize,
    /// Operations of a loop from which on threads share its iterations.
    pub shared_from: u64,
    /// What is written for wider vectors; nothing where [`has_vectors`] is false.
    pub vectors: Vectors,
    /// Most numbers in a vector of a loop: 8 (AVX-512), 4 (AVX2) or, for no such loops, fewer.
    /// Straight-line code takes the 32 registers that come with 8 numbers, else 16. To run, code has at most [`lanes`]; [`asm`] writes what any machine runs. Results do not depend
    /// on it.
    pub lanes: usize,
}

/// What Cranelift does not write: straight-line code, and loops that run in vectors, as far as
/// their iterations see nothing of one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vectors {
    /// Nothing: loops run in vectors of two, which every machine has.
    Narrow,
    /// Straight-line code, and loops that gain by it.
    Worthwhile,
    /// Straight-line code, and all loops that can.
    All,
}

impl Default for JitOptions {
    fn default() -> JitOptions {
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        JitOptions {
            optimize: false,
            piece_len: 1000,
            threads,
            shared_from: 1 << 21,
            vectors: Vectors::Worthwhile,
            lanes: lanes(),
        }
    }
}

/// A kernel of the compiled program.
struct Unit {
    kernel: Arc<Kernel>,
    /// Place in [`Calls::kernels`].
    index: u32,
    plan: Plan,
    chains: Chains,
    /// Number of the kernel's first function among all functions.
    first_function: u32,
    /// For each call the number of the callee's entry.
    callees: Vec<u32>,
    /// Scratch memory, callees included.
    scratch_len: usize,
    /// For each call the place of the callee's work memory in that of an iteration, the last
    /// result, if it lies there.
    work_of_calls: Vec<Option<usize>>,
    /// What runs its loops for threads.
    team: Option<Box<Team>>,
}

impl Jit {
    /// Compiles a kernel and all it calls.
    ///
    /// # Errors
    /// The host is not supported, memory for code could not be had, or the kernel is malformed.
    pub fn new(kernel: &Arc<Kernel>, options: &JitOptions) -> Result<Jit, EngineError> {
        let calls = Calls::of(kernel);
        if calls.depth > MAX_CALL_DEPTH {
            return Err(EngineError::CallDepth { depth: calls.depth, limit: MAX_CALL_DEPTH });
        }
        if cfg!(debug_assertions) {
            for kernel in &calls.kernels {
                verify(kernel).map_err(|error| EngineError::Internal(error.to_string()))?;
            }
        }
        let options = &JitOptions { lanes: options.lanes.min(lanes()), ..options.clone() };
        let mut units = units(&calls, options);
        let scratch_len = units.iter().map(|unit| unit.scratch_len).max().unwrap_or(0);
        check_scratch(scratch_len)?;
        let code = compile::compile(&units, options)?;
        let (unwanted, own) = place_unwanted(kernel, kernel.work_len);
        let entry = units.pop();
        let (scratch_len, team) = entry.map_or((0, None), |unit| (unit.scratch_len, unit.team));
        let scratch = own + team.as_ref().map_or(0, |team| team.own_len);
        let work_len = scratch + scratch_len;
        let kernels = calls.kernels;
        let whole = unguarded(kernel).map(|kernel| Jit::new(&Arc::new(kernel), options));
        let whole = whole.transpose()?.map(Box::new);
        let kernel = kernel.clone();
        Ok(Jit { code, kernel, kernels, unwanted, own, scratch, work_len, _team: team, whole })
    }

    /// What runs when all results are wanted, or not.
    fn code_for(&self, all: bool) -> &Jit {
        self.whole.as_deref().filter(|_| all).unwrap_or(self)
    }

    /// Runs the code.
    ///
    /// # Safety
    /// `arg` leads to a pointer for each argument of the kernel, `res` to one for each result
    /// (null where the code can skip it) and to one more for the memory of threads. They lead to
    /// as many numbers as the kernel declares; arguments are readable, all else is writable and
    /// borrowed by the caller alone, as are the `work_len` numbers at `work`.
    unsafe fn run(
        &self,
        arg: *const AtomicPtr<f64>,
        res: *const AtomicPtr<f64>,
        work: *mut f64,
        context: &mut Context,
    ) -> Result<(), EvalError> {
        context.output = 0;
        // SAFETY: the code was compiled for this kernel; the rest is promised by the caller.
        let status = unsafe {
            let scratch = work.wrapping_add(self.scratch);
            (self.code.entry())(arg.cast(), res.cast(), work, scratch, context)
        };
        if status == Status::Ok as i32 { Ok(()) } else { Err(context.error(&self.kernels)) }
    }
}

/// Code reaches its scratch memory by 32-bit distances in bytes.
const MAX_SCRATCH: usize = i32::MAX as usize / 8;

fn check_scratch(len: usize) -> Result<(), EngineError> {
    if len <= MAX_SCRATCH {
        return Ok(());
    }
    let what = "memory of values that functions of machine code share";
    Err(EngineError::TooLarge { what, bytes: 8 * len, limit: 8 * MAX_SCRATCH })
}

/// Whether this machine has the vectors and fused operations that code beside Cranelift's needs.
pub fn has_vectors() -> bool {
    vector::is_supported()
}

/// Most numbers in a vector that loops run in on this machine: 8, 4, or 0 where
/// [`has_vectors`] is false.
pub fn lanes() -> usize {
    vector::lanes()
}

/// Calls nested deeper are refused, so that evaluation fits the stack of a thread.
pub const MAX_CALL_DEPTH: usize = 200;

/// Cranelift's intermediate form of a kernel and all it calls, as text.
///
/// # Errors
/// As [`Jit::new`].
pub fn clif(kernel: &Arc<Kernel>, options: &JitOptions) -> Result<String, EngineError> {
    compile::clif(&units(&Calls::of(kernel), options), options)
}

/// Machine code of a kernel and all it calls, disassembled.
///
/// # Errors
/// As [`Jit::new`].
pub fn asm(kernel: &Arc<Kernel>, options: &JitOptions) -> Result<String, EngineError> {
    compile::asm(&units(&Calls::of(kernel), options), &*compile::host(options)?)
}

/// Machine code for aarch64, disassembled, on any machine: to be looked at, as addresses of
/// functions in it are those of this one.
///
/// # Errors
/// As [`Jit::new`], and [`EngineError::Host`] if Cranelift was built without aarch64 (its feature
/// `arm64`), as it is for other machines.
pub fn asm_aarch64(kernel: &Arc<Kernel>, options: &JitOptions) -> Result<String, EngineError> {
    let isa = compile::aarch64(options)?;
    // What is written without Cranelift is for this machine.
    let options = JitOptions { vectors: Vectors::Narrow, ..options.clone() };
    compile::asm(&units(&Calls::of(kernel), &options), &*isa)
}

/// Plans all kernels, callees first.
fn units(calls: &Calls, options: &JitOptions) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::with_capacity(calls.kernels.len());
    let mut n_functions = 0;
    for (index, kernel) in calls.kernels.iter().enumerate() {
        let is_entry = index + 1 == calls.kernels.len();
        let threaded = (is_entry && options.threads > 1)
            .then(|| spread(kernel, options.shared_from))
            .flatten();
        let Threaded { kernel, loops, work_of_calls } =
            threaded.unwrap_or_else(|| Threaded::alone(kernel));
        let packs = options.vectors != Vectors::Narrow && vector::is_supported();
        let mut insts = if packs { pack(&kernel) } else { Cow::Borrowed(&kernel.insts[..]) };
        let packs = matches!(insts, Cow::Owned(_));
        early(&kernel, &mut insts, packs);
        let kernel = match insts {
            Cow::Owned(insts) => Arc::new(kernel.with(insts)),
            Cow::Borrowed(_) => kernel.clone(),
        };
        let chains = Chains::new(&kernel);
        let plan = Plan::new(&kernel, &chains, &loops, packs, options);
        let mut inner_scratch = 0;
        let callees = kernel.calls.iter().map(|call| match &call.callee {
            Callee::Kernel(callee) => {
                let place = calls.place(callee).unwrap_or_default();
                units.get(place as usize).map_or(0, |callee: &Unit| {
                    inner_scratch = inner_scratch.max(callee.scratch_len);
                    callee.entry()
                })
            }
            Callee::External(_) => 0,
        });
        let callees = callees.collect();
        let first_function = n_functions;
        n_functions += plan.functions.len() as u32;
        let scratch_len = plan.scratch_len + inner_scratch;
        let team = (!loops.is_empty()).then(|| {
            Box::new(Team::new(options.threads, &kernel, plan.frame, plan.range, scratch_len))
        });
        units.push(Unit {
            index: index as u32,
            chains,
            first_function,
            callees,
            scratch_len,
            work_of_calls,
            team,
            kernel,
            plan,
        });
    }
    units
}

impl Unit {
    /// Number of the function that runs the kernel.
    fn entry(&self) -> u32 {
        self.first_function + self.plan.functions.len() as u32 - 1
    }
}

impl Engine for Jit {
    fn call(
        &self,
        arg: &[&[f64]],
        res: &mut [Option<&mut [f64]>],
        memory: &mut Memory,
    ) -> Result<(), EvalError> {
        let kernel = &*self.kernel;
        if arg.len() != kernel.args.len() || res.len() != kernel.res.len() {
            return check_ports(kernel, arg, res);
        }
        if let Some(whole) = &self.whole
            && res.iter().all(Option::is_some)
        {
            return whole.call(arg, res, memory);
        }
        let Memory { context, work, pointers, .. } = memory;
        if work.len() < self.work_len {
            work.resize(self.work_len, 0.0);
        }
        let work = work.as_mut_ptr();
        let n_pointers = arg.len() + res.len() + 1;
        if pointers.len() < n_pointers {
            pointers.resize_with(n_pointers, AtomicPtr::default);
        }
        let (arg_pointers, res_pointers) = pointers[..n_pointers].split_at_mut(arg.len());
        // All ports are checked at once: this is most of what a call of a small function takes.
        let mut fits = true;
        for ((to, arg), port) in arg_pointers.iter_mut().zip(arg).zip(&kernel.args) {
            *to.get_mut() = arg.as_ptr().cast_mut();
            fits &= arg.len() == port.nnz;
        }
        for (k, (to, given)) in res_pointers.iter_mut().zip(&mut *res).enumerate() {
            *to.get_mut() = match (given, self.unwanted[k]) {
                (Some(given), _) => {
                    fits &= given.len() == kernel.res[k].nnz;
                    given.as_mut_ptr()
                }
                (None, Some(offset)) => work.wrapping_add(offset),
                (None, None) => std::ptr::null_mut(),
            };
        }
        if !fits {
            return check_ports(kernel, arg, res);
        }
        if let Some(last) = res_pointers.last_mut() {
            *last.get_mut() = work.wrapping_add(self.own);
        }
        // SAFETY: the ports fit, so the pointers lead to as many numbers as the kernel declares;
        // results and work memory are borrowed mutably, and `work` has the length needed.
        unsafe { self.run(arg_pointers.as_ptr(), res_pointers.as_ptr(), work, context) }
    }

    fn code_bytes(&self) -> usize {
        self.code.len() + self.whole.as_ref().map_or(0, |whole| whole.code_bytes())
    }

    fn bind(self: Arc<Self>, wanted: &[bool]) -> Result<Box<dyn Bound>, EvalError> {
        Ok(Box::new(Caller::new(self, wanted)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_stated() {
        assert_eq!(check_scratch(MAX_SCRATCH), Ok(()));
        let error = check_scratch(MAX_SCRATCH + 1).unwrap_err().to_string();
        assert!(error.contains("2147483648 bytes, the limit is 2147483640"), "{error}");
    }
}
