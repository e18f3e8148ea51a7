//! Engine `c`: compiles the C text of a kernel with the system's compiler and loads the library.
//!
//! The files live in a fresh directory under the system's temporary one and are removed as soon
//! as the library is loaded. When an evaluation returns a nonzero status, the interpreter repeats
//! it to say what failed, where, and with which value.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use libloading::Library;

use super::{CFunction, COptions, CPort, EmitError, source};
use crate::backend::abi::{Bound, Context, Engine, EvalError, Memory, Plain, check_ports};
use crate::backend::external::invoke;
use crate::backend::interp::Interp;
use crate::graph::External;
use crate::kernel::ir::{Kernel, Port};
use crate::sparsity::Pattern;

/// Length of C text beyond which compilers get the lower level of optimisation.
const LONG_TEXT: usize = 200_000;

/// The function name in libraries of this engine; nobody else sees it.
const ENTRY: &str = "entry";

type Entry =
    unsafe extern "C" fn(*const *const f64, *const *mut f64, *mut i64, *mut f64, c_int) -> c_int;
type HostCall = extern "C" fn(*mut c_void, c_int, *const *const f64, *const *mut f64) -> c_int;
type HostPoll = extern "C" fn() -> c_int;

/// A kernel compiled by the system's C compiler.
pub struct CEngine {
    entry: Entry,
    kernel: Arc<Kernel>,
    work_len: usize,
    library_bytes: usize,
    /// Explains failures.
    interpreter: Interp,
    // after `entry`, which points into it; before what it points to
    _library: Library,
    _host: Box<Host>,
}

/// Why a kernel could not be compiled by the C compiler.
#[derive(Debug)]
pub enum CEngineError {
    /// The compiler cannot be run.
    NoCompiler { compiler: String, reason: std::io::Error },
    /// The kernel cannot be written in C.
    Emit(EmitError),
    /// The temporary files cannot be written.
    Files { path: PathBuf, reason: std::io::Error },
    /// The compiler refuses the text, or the library cannot be loaded: an internal error.
    Internal { message: String },
}

impl std::fmt::Display for CEngineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CEngineError::NoCompiler { compiler, reason } => write!(
                f,
                "engine `c` needs a C compiler, but `{compiler}` cannot be run: {reason} \
                 (install one as `cc`, or name it in the environment variable CC)"
            ),
            CEngineError::Emit(error) => error.fmt(f),
            CEngineError::Files { path, reason } => {
                write!(f, "engine `c` cannot write {}: {reason}", path.display())
            }
            CEngineError::Internal { message } => write!(
                f,
                "internal error: the generated C does not compile; please report this\n{message}"
            ),
        }
    }
}

impl std::error::Error for CEngineError {}

impl From<EmitError> for CEngineError {
    fn from(error: EmitError) -> CEngineError {
        CEngineError::Emit(error)
    }
}

impl CEngine {
    /// Compiles `kernel` with the command in the environment variable `CC`, or `cc`.
    ///
    /// # Errors
    /// [`CEngineError::NoCompiler`] when there is none.
    pub fn new(kernel: &Arc<Kernel>) -> Result<CEngine, CEngineError> {
        let command = std::env::var("CC").ok().filter(|cc| !cc.trim().is_empty());
        CEngine::with_compiler(kernel, command.as_deref().unwrap_or("cc"))
    }

    /// Compiles `kernel` with a command such as `cc` or `ccache clang -m64`.
    pub fn with_compiler(kernel: &Arc<Kernel>, command: &str) -> Result<CEngine, CEngineError> {
        let ports = |ports: &[Port]| ports.iter().map(port).collect();
        let function = CFunction {
            name: ENTRY.to_string(),
            inputs: ports(&kernel.args),
            outputs: ports(&kernel.res),
            kernel: kernel.clone(),
        };
        let options = COptions { hosted: true, ..COptions::default() };
        let source = source::write("kernel", &[function], &options)?;
        let directory = TemporaryDirectory::new()?;
        let path = compile(&directory.path, &source.text, command)?;
        let library_bytes = std::fs::metadata(&path).map_or(0, |data| data.len() as usize);
        let host = Box::new(Host { externals: source.externals });
        let (library, entry) = load(&path, &host)?;
        Ok(CEngine {
            entry,
            kernel: kernel.clone(),
            work_len: source.work_lens[0],
            library_bytes,
            interpreter: Interp::new(kernel),
            _library: library,
            _host: host,
        })
    }
}

fn port(port: &Port) -> CPort {
    CPort {
        name: port.name.clone(),
        pattern: Pattern::dense(port.nnz, 1),
        default: None,
        unit: None,
    }
}

impl Engine for CEngine {
    fn call(
        &self,
        arg: &[&[f64]],
        res: &mut [Option<&mut [f64]>],
        memory: &mut Memory,
    ) -> Result<(), EvalError> {
        check_ports(&self.kernel, arg, res)?;
        if memory.work.len() < self.work_len {
            memory.work.resize(self.work_len, 0.0);
        }
        memory.pointers.clear();
        let args = arg.iter().map(|arg| AtomicPtr::new(arg.as_ptr().cast_mut()));
        memory.pointers.extend(args);
        let wanted = res
            .iter_mut()
            .map(|res| AtomicPtr::new(res.as_mut().map_or(null_mut(), |res| res.as_mut_ptr())));
        memory.pointers.extend(wanted);
        let (args, results) = memory.pointers.split_at(arg.len());
        let outer = CONTEXT.replace(&raw const memory.context);
        // SAFETY: an AtomicPtr<f64> has the layout of a pointer. `check_ports` saw that there is
        // one pointer for each argument and result, and that each is null or points to as many
        // numbers as the kernel says; the kernel writes to no argument. `work` has the length
        // that the C function asks for, and `iw` has length 0.
        let status = unsafe {
            (self.entry)(
                args.as_ptr().cast(),
                results.as_ptr().cast(),
                null_mut(),
                memory.work.as_mut_ptr(),
                0,
            )
        };
        CONTEXT.set(outer);
        match status {
            0 => Ok(()),
            _ if memory.context.is_cancelled() => {
                let function = self.kernel.name.clone();
                Err(EvalError::Cancelled { function, output: None, iteration: None })
            }
            _ => self.interpreter.call(arg, res, memory),
        }
    }

    /// Size of the library file, code and all else.
    fn code_bytes(&self) -> usize {
        self.library_bytes
    }

    fn bind(self: Arc<Self>, wanted: &[bool]) -> Result<Box<dyn Bound>, EvalError> {
        let kernel = self.kernel.clone();
        Ok(Box::new(Plain::new(self, &kernel, wanted)?))
    }
}

thread_local! {
    /// Context of the evaluation that runs on this thread.
    static CONTEXT: Cell<*const Context> = const { Cell::new(null()) };
}

/// What generated code calls back.
struct Host {
    externals: Vec<Arc<External>>,
}

/// Whether the evaluation on this thread is to stop.
extern "C" fn host_poll() -> c_int {
    // SAFETY: `CEngine::call` sets the pointer to a context that it borrows until generated code
    // has returned, and puts back what was there before.
    let context = unsafe { CONTEXT.get().as_ref() };
    context.is_some_and(Context::is_cancelled).into()
}

/// Calls an external; a nonzero result says that it failed.
extern "C" fn host_call(
    data: *mut c_void,
    index: c_int,
    arg: *const *const f64,
    res: *const *mut f64,
) -> c_int {
    // SAFETY: `load` sets `nablac_host_data` to the Host that lives as long as the library.
    let host = unsafe { data.cast::<Host>().as_ref() };
    let external = host.and_then(|host| host.externals.get(usize::try_from(index).ok()?));
    let Some(external) = external else { return 1 };
    let inputs: Vec<&[f64]> = (external.inputs.iter().enumerate())
        .map(|(idx, pattern)| match pattern.nnz() {
            0 => &[][..],
            // SAFETY: generated code passes a pointer to the nonzeros of each input; they do not
            // overlap the outputs, as the kernel form says.
            nnz => unsafe { std::slice::from_raw_parts(*arg.add(idx), nnz) },
        })
        .collect();
    let mut outputs: Vec<&mut [f64]> = (external.outputs.iter().enumerate())
        .map(|(idx, pattern)| match pattern.nnz() {
            0 => &mut [][..],
            // SAFETY: as for the inputs; the outputs do not overlap each other.
            nnz => unsafe { std::slice::from_raw_parts_mut(*res.add(idx), nnz) },
        })
        .collect();
    invoke(external, &inputs, &mut outputs).is_err().into()
}

/// Lets the compiler use this machine's instructions where the text calls `fma`.
fn fused_instructions(text: &str) -> Option<&'static str> {
    #[cfg(target_arch = "x86_64")]
    {
        let is_of_use = text.contains("fma(") && std::arch::is_x86_feature_detected!("fma");
        is_of_use.then_some("-mfma")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = text;
        None
    }
}

/// Writes and compiles the text; gives the path of the library.
fn compile(directory: &Path, text: &str, command: &str) -> Result<PathBuf, CEngineError> {
    let source = directory.join("kernel.c");
    let library = directory.join("kernel.so");
    std::fs::write(&source, text)
        .map_err(|reason| CEngineError::Files { path: source.clone(), reason })?;
    let mut words = command.split_whitespace();
    let compiler = words.next().unwrap_or("cc");
    let level = if text.len() > LONG_TEXT { "-O1" } else { "-O2" };
    let output = Command::new(compiler)
        .args(words)
        .args(["-std=c99", level, "-fPIC", "-shared", "-ffp-contract=off", "-fno-math-errno"])
        .args(fused_instructions(text))
        .arg(&source)
        .arg("-o")
        .arg(&library)
        .arg("-lm")
        .stdin(Stdio::null())
        .output()
        .map_err(|reason| CEngineError::NoCompiler { compiler: compiler.to_string(), reason })?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        let message = format!("{command}: {}\n{}", output.status, message.trim_end());
        return Err(CEngineError::Internal { message });
    }
    Ok(library)
}

/// Loads the library and tells it where its host is.
fn load(path: &Path, host: &Host) -> Result<(Library, Entry), CEngineError> {
    let internal = |error: libloading::Error| CEngineError::Internal { message: error.to_string() };
    // SAFETY: the library was compiled from our own text and has no initialisers. The symbols
    // have the types that `source` writes, and nothing runs in the library before they are set.
    unsafe {
        let library = Library::new(path).map_err(internal)?;
        **library.get::<*mut HostCall>(b"nablac_host_call\0").map_err(internal)? = host_call;
        **library.get::<*mut HostPoll>(b"nablac_host_poll\0").map_err(internal)? = host_poll;
        let data = (&raw const *host).cast_mut().cast::<c_void>();
        **library.get::<*mut *mut c_void>(b"nablac_host_data\0").map_err(internal)? = data;
        let entry = *library.get::<Entry>(ENTRY).map_err(internal)?;
        Ok((library, entry))
    }
}

/// A directory of our own that is removed when dropped.
struct TemporaryDirectory {
    path: PathBuf,
}

impl TemporaryDirectory {
    fn new() -> Result<TemporaryDirectory, CEngineError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("nablac-{}-{count}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let mut builder = std::fs::DirBuilder::new();
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            match builder.create(&path) {
                Ok(()) => return Ok(TemporaryDirectory { path }),
                // left behind by a process that had our number
                Err(reason) if reason.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(reason) => return Err(CEngineError::Files { path, reason }),
            }
        }
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // a directory that cannot be removed does no harm to the evaluation
        _ = std::fs::remove_dir_all(&self.path);
    }
}
