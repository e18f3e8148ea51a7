//! What every engine promises: evaluation into memory of the caller, with a status that says what
//! failed and where.
//!
//! An [`Engine`] is immutable and shared between threads; each thread brings its own [`Memory`],
//! which grows at the first call and is then reused, so that evaluation allocates nothing.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use crate::kernel::ir::{Base, Callee, Inst, Kernel};

/// A function made ready for evaluation.
pub trait Engine: Send + Sync {
    /// Evaluates. `arg` holds the nonzeros of each argument, `res` takes those of each result,
    /// `None` for a result that is not wanted.
    ///
    /// # Errors
    /// A wrong number or length of arguments or results, a violated range, a failed external or a
    /// cancelled evaluation. The contents of `res` are then unspecified.
    fn call(
        &self,
        arg: &[&[f64]],
        res: &mut [Option<&mut [f64]>],
        memory: &mut Memory,
    ) -> Result<(), EvalError>;

    /// Bytes of machine code, 0 for an interpreter.
    fn code_bytes(&self) -> usize;

    /// The function with memory for its arguments and results, for evaluations again and again.
    /// `wanted` says for each result whether it is computed.
    ///
    /// # Errors
    /// A wrong number of results.
    fn bind(self: Arc<Self>, wanted: &[bool]) -> Result<Box<dyn Bound>, EvalError>;
}

/// A function bound to memory of its own: what a call otherwise checks was checked when it was
/// made, so that little more than the evaluation itself is left.
pub trait Bound: Send {
    /// Nonzeros of an argument, to be set before a call; 0 at first. Panics if there is no such
    /// argument.
    fn arg(&mut self, k: usize) -> &mut [f64];

    /// Nonzeros of a result after a call; 0 if it is not wanted. Panics if there is no such
    /// result.
    fn res(&self, k: usize) -> &[f64];

    /// Evaluates.
    ///
    /// # Errors
    /// A violated range, a failed external or a cancelled evaluation. The results are then
    /// unspecified.
    fn call(&mut self) -> Result<(), EvalError>;
}

/// Checks the number of results that are wanted or not.
pub(crate) fn check_wanted(kernel: &Kernel, wanted: &[bool]) -> Result<(), EvalError> {
    let (function, what) = (kernel.name.clone(), Port::Output);
    let (expected, given) = (kernel.res.len(), wanted.len());
    if expected == given {
        Ok(())
    } else {
        Err(EvalError::Count { function, what, expected, given })
    }
}

/// An engine bound to memory of its own, in the way that suits any engine.
pub(crate) struct Plain {
    engine: Arc<dyn Engine>,
    args: Vec<Vec<f64>>,
    res: Vec<Vec<f64>>,
    wanted: Vec<bool>,
    memory: Memory,
}

impl Plain {
    pub fn new(
        engine: Arc<dyn Engine>,
        kernel: &Kernel,
        wanted: &[bool],
    ) -> Result<Plain, EvalError> {
        check_wanted(kernel, wanted)?;
        let zeros = |port: &crate::kernel::ir::Port| vec![0.0; port.nnz];
        Ok(Plain {
            engine,
            args: kernel.args.iter().map(zeros).collect(),
            res: kernel.res.iter().map(zeros).collect(),
            wanted: wanted.to_vec(),
            memory: Memory::default(),
        })
    }
}

impl Bound for Plain {
    fn arg(&mut self, k: usize) -> &mut [f64] {
        &mut self.args[k]
    }

    fn res(&self, k: usize) -> &[f64] {
        &self.res[k]
    }

    fn call(&mut self) -> Result<(), EvalError> {
        let args: Vec<&[f64]> = self.args.iter().map(Vec::as_slice).collect();
        let res = self.res.iter_mut().zip(&self.wanted);
        let mut res: Vec<Option<&mut [f64]>> =
            res.map(|(res, &wanted)| wanted.then_some(res.as_mut_slice())).collect();
        self.engine.call(&args, &mut res, &mut self.memory)
    }
}

/// What one thread needs to evaluate functions; fits every engine.
#[derive(Default)]
pub struct Memory {
    pub context: Context,
    /// Work memory of the evaluation.
    pub work: Vec<f64>,
    /// Pointers to arguments and results, for engines of machine code.
    pub pointers: Vec<AtomicPtr<f64>>,
    /// What only the interpreter needs.
    pub(crate) interpreter: super::interp::State,
}

impl Memory {
    /// Memory whose evaluations stop with [`EvalError::Cancelled`] soon after `cancel` is set.
    ///
    /// ```
    /// use std::sync::{Arc, atomic::AtomicBool};
    /// let cancel = Arc::new(AtomicBool::new(false));
    /// let memory = nablac::backend::abi::Memory::with_cancel(cancel.clone());
    /// ```
    pub fn with_cancel(cancel: Arc<AtomicBool>) -> Memory {
        Memory { context: Context::new(cancel), ..Memory::default() }
    }

    /// Memory for a part of the same work on another thread, with the same cancel flag.
    pub(crate) fn fork(&self) -> Memory {
        Memory { context: self.context.fork(), ..Memory::default() }
    }
}

/// State of one evaluation that generated code sees.
#[repr(C)]
pub struct Context {
    /// Read by generated code, at offset 0; points into `flag`.
    cancel: AtomicPtr<AtomicBool>,
    /// One more than the number of the result that is being computed, 0 in what several share.
    /// Written by generated code, at [`Context::OUTPUT`].
    pub(crate) output: u32,
    /// What went wrong.
    pub failure: Failure,
    flag: Arc<AtomicBool>,
}

impl Context {
    /// Where generated code finds `output`.
    pub(crate) const OUTPUT: i32 = std::mem::offset_of!(Context, output) as i32;

    fn new(flag: Arc<AtomicBool>) -> Context {
        Context {
            cancel: AtomicPtr::new(Arc::as_ptr(&flag).cast_mut()),
            output: 0,
            failure: Failure::default(),
            flag,
        }
    }

    /// For a part of the evaluation on another thread, with the same cancel flag.
    pub(crate) fn fork(&self) -> Context {
        Context { output: self.output, ..Context::new(self.flag.clone()) }
    }

    /// Whether the evaluation is to stop.
    pub fn is_cancelled(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }
}

impl Default for Context {
    fn default() -> Context {
        Context::new(Arc::new(AtomicBool::new(false)))
    }
}

/// How an evaluation ended, as generated code returns it.
#[repr(i32)]
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub enum Status {
    #[default]
    Ok = 0,
    /// A value is outside its declared range.
    Range = 1,
    /// An external function failed.
    External = 2,
    Cancelled = 3,
}

/// Where an evaluation failed; engines turn it into an [`EvalError`].
#[derive(Clone, Debug, Default)]
pub struct Failure {
    pub status: Status,
    /// Place of the kernel in [`Calls::kernels`](crate::kernel::calls::Calls::kernels).
    pub kernel: u32,
    /// Index into the kernel's `checks` or `calls`.
    pub site: u32,
    /// The value that failed a check.
    pub value: f64,
    /// Counter of the innermost loop around the failure, callers included.
    pub iteration: Option<u64>,
    /// What an external function said.
    pub message: String,
}

impl Context {
    /// The error for the user; `kernels` as the engine numbers them, the evaluated one last.
    pub fn error(&mut self, kernels: &[Arc<Kernel>]) -> EvalError {
        let failure = &mut self.failure;
        let iteration = failure.iteration;
        let site = failure.site as usize;
        let kernel = kernels.get(failure.kernel as usize);
        let whole = kernels.last();
        let output = self.output.checked_sub(1).and_then(|k| whole?.res.get(k as usize));
        let output = output.map(|port| port.name.clone());
        let check = kernel.and_then(|kernel| kernel.checks.get(site));
        match (failure.status, check) {
            (Status::Range, Some(check)) => EvalError::RangeViolated {
                function: check.function.clone(),
                input: check.input.clone(),
                value: failure.value,
                lo: check.lo,
                hi: check.hi,
                output,
                iteration,
            },
            (Status::External, _) => EvalError::ExternalFailed {
                function: match kernel.and_then(|kernel| kernel.calls.get(site)) {
                    Some(call) => match &call.callee {
                        Callee::External(external) => external.name.clone(),
                        Callee::Kernel(kernel) => kernel.name.clone(),
                    },
                    None => String::new(),
                },
                message: std::mem::take(&mut failure.message),
                output,
                iteration,
            },
            _ => {
                let function = whole.map_or(String::new(), |kernel| kernel.name.clone());
                EvalError::Cancelled { function, output, iteration }
            }
        }
    }
}

/// Why a function could not be made ready for evaluation.
#[derive(Clone, Debug, PartialEq)]
pub enum EngineError {
    /// The engine cannot run on this machine; says why.
    Host(String),
    /// Functions call each other deeper than the engine supports.
    CallDepth { depth: usize, limit: usize },
    /// Something needs more bytes than the engine supports.
    TooLarge { what: &'static str, bytes: usize, limit: usize },
    /// The machine is out of memory, or there is a mistake in this program.
    Internal(String),
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EngineError::Host(reason) => write!(f, "this machine is not supported: {reason}"),
            EngineError::CallDepth { depth, limit } => {
                write!(f, "calls are nested {depth} deep, the limit is {limit}")
            }
            EngineError::TooLarge { what, bytes, limit } => {
                write!(
                    f,
                    "{what} of {bytes} bytes, the limit is {limit}; smaller functions that are called, or loops, take less"
                )
            }
            EngineError::Internal(reason) => write!(f, "internal error: {reason}"),
        }
    }
}

impl std::error::Error for EngineError {}

/// Why an evaluation gave no result.
///
/// `output` is the output that was being computed, unless it was what several outputs share;
/// `iteration` is that of the innermost loop, counted from 0.
#[derive(Clone, Debug, PartialEq)]
pub enum EvalError {
    /// The number of arguments or results is not that of the function.
    Count { function: String, what: Port, expected: usize, given: usize },
    /// An argument or result has the wrong number of nonzeros.
    Length { function: String, what: Port, name: String, expected: usize, given: usize },
    /// A value is outside the range that `function` declares for `input` (NaN always is).
    RangeViolated {
        function: String,
        input: String,
        value: f64,
        lo: f64,
        hi: f64,
        output: Option<String>,
        iteration: Option<u64>,
    },
    /// An external function returned an error.
    ExternalFailed {
        function: String,
        message: String,
        output: Option<String>,
        iteration: Option<u64>,
    },
    /// The cancel flag was set.
    Cancelled { function: String, output: Option<String>, iteration: Option<u64> },
}

/// Which side of a function an [`EvalError`] speaks of.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Port {
    Input,
    Output,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Port::Input => "input",
            Port::Output => "output",
        })
    }
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (output, iteration) = match self {
            EvalError::Count { function, what, expected, given } => {
                return write!(f, "`{function}` has {expected} {what}s, {given} were given");
            }
            EvalError::Length { function, what, name, expected, given } => {
                return write!(
                    f,
                    "{what} `{name}` of `{function}` has {expected} nonzeros, {given} were given"
                );
            }
            EvalError::RangeViolated { function, input, value, lo, hi, output, iteration } => {
                write!(f, "`{input}` of `{function}` is {value}, not in {lo}..{hi}")?;
                (output, iteration)
            }
            EvalError::ExternalFailed { function, message, output, iteration } => {
                write!(f, "external function `{function}` failed: {message}")?;
                (output, iteration)
            }
            EvalError::Cancelled { function, output, iteration } => {
                write!(f, "evaluation of `{function}` was cancelled")?;
                (output, iteration)
            }
        };
        match (output, iteration) {
            (Some(output), Some(k)) => write!(f, " (output `{output}`, iteration {k})"),
            (Some(output), None) => write!(f, " (output `{output}`)"),
            (None, Some(k)) => write!(f, " (iteration {k})"),
            (None, None) => Ok(()),
        }
    }
}

impl std::error::Error for EvalError {}

/// Compares the given arguments and results with what the kernel declares.
pub(crate) fn check_ports(
    kernel: &Kernel,
    arg: &[&[f64]],
    res: &[Option<&mut [f64]>],
) -> Result<(), EvalError> {
    let count = |what, expected, given| EvalError::Count {
        function: kernel.name.clone(),
        what,
        expected,
        given,
    };
    let length = |what, name: &str, expected, given| EvalError::Length {
        function: kernel.name.clone(),
        what,
        name: name.to_owned(),
        expected,
        given,
    };
    if arg.len() != kernel.args.len() {
        return Err(count(Port::Input, kernel.args.len(), arg.len()));
    }
    if res.len() != kernel.res.len() {
        return Err(count(Port::Output, kernel.res.len(), res.len()));
    }
    for (port, given) in kernel.args.iter().zip(arg) {
        if given.len() != port.nnz {
            return Err(length(Port::Input, &port.name, port.nnz, given.len()));
        }
    }
    for (port, given) in kernel.res.iter().zip(res) {
        if let Some(given) = given
            && given.len() != port.nnz
        {
            return Err(length(Port::Output, &port.name, port.nnz, given.len()));
        }
    }
    Ok(())
}

/// Where each result lies in work memory, from `first` on, when it is not wanted and yet touched by
/// instructions outside its [`Inst::IfWanted`] regions; and the end of that memory.
pub(crate) fn place_unwanted(kernel: &Kernel, first: usize) -> (Vec<Option<usize>>, usize) {
    let mut touched = vec![false; kernel.res.len()];
    let mut wanted = None;
    let mut touch = |addr: u32, wanted: Option<u32>| {
        if let Base::Res(res) = kernel.addrs[addr as usize].base
            && wanted != Some(res)
        {
            touched[res as usize] = true;
        }
    };
    for inst in &kernel.insts {
        match *inst {
            Inst::IfWanted { res } => wanted = Some(res),
            Inst::EndWanted => wanted = None,
            Inst::Load { addr, .. } | Inst::Store { addr, .. } | Inst::Accumulate { addr, .. } => {
                touch(addr, wanted)
            }
            Inst::Call { id } => {
                let call = &kernel.calls[id as usize];
                call.args.iter().chain(&call.res).for_each(|&addr| touch(addr, wanted));
            }
            _ => {}
        }
    }
    let mut end = first;
    let places = kernel.res.iter().zip(touched).map(|(port, touched)| {
        let place = end;
        end += if touched { port.nnz } else { 0 };
        touched.then_some(place)
    });
    (places.collect(), end)
}
