//! Building and compiling machine functions on several threads, and linking them.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{Function, UserFuncName};
use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Module, ModuleReloc, ModuleRelocTarget, default_libcall_names};

use super::plan::Plan;
use super::translate::{Cache, signature, translate};
use super::{JitOptions, Unit, vector};
use crate::backend::abi::{Context, EngineError};

/// Type of all compiled functions: arguments, results, work memory, scratch memory, context.
pub(super) type Entry = unsafe extern "C" fn(
    *const *const f64,
    *const *mut f64,
    *mut f64,
    *mut f64,
    *mut Context,
) -> i32;

/// Executable code, freed with the value.
pub(super) struct Code {
    module: Option<JITModule>,
    entry: Entry,
    len: usize,
}

// SAFETY: after `link` nothing in the module changes any more; it only keeps the memory alive.
unsafe impl Send for Code {}
// SAFETY: as above; the code itself keeps no state.
unsafe impl Sync for Code {}

impl Code {
    /// The function to call for an evaluation.
    pub fn entry(&self) -> Entry {
        self.entry
    }

    /// Bytes of machine code.
    pub fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        if let Some(module) = self.module.take() {
            // SAFETY: the entry is reachable through this value only, so nothing runs the code.
            unsafe { module.free_memory() };
        }
    }
}

/// Machine code of one function, not yet placed.
struct Compiled {
    bytes: Vec<u8>,
    relocations: Vec<ModuleReloc>,
}

/// Compiles all functions of all units; the last unit's entry becomes the entry of the code.
pub(super) fn compile(units: &[Unit], options: &JitOptions) -> Result<Code, EngineError> {
    let isa = host(options)?;
    let jobs: Vec<(&Unit, usize)> = functions(units).collect();
    let compiled = run(&jobs, &*isa, options)?;
    link(&compiled, isa)
}

/// Text of Cranelift's intermediate form.
pub(super) fn clif(units: &[Unit], options: &JitOptions) -> Result<String, EngineError> {
    let isa = host(options)?;
    let mut cache = Cache::default();
    let mut text = String::new();
    for (unit, function) in functions(units) {
        let is_ours = match (&unit.plan.wide[function], &unit.plan.straight[function]) {
            (Some(_), _) => Some("a loop in vectors"),
            (_, Some(_)) => Some("straight-line code"),
            _ => None,
        };
        if let Some(what) = is_ours {
            let _ = writeln!(text, "; {} {function}: {what}\n", unit.kernel.name);
            continue;
        }
        let mut func = Function::new();
        build(&mut func, unit, function, &mut cache, &*isa)?;
        let _ = writeln!(text, "; {} {function}\n{}", unit.kernel.name, func.display());
    }
    Ok(text)
}

/// Text of the machine code.
pub(super) fn asm(units: &[Unit], isa: &dyn TargetIsa) -> Result<String, EngineError> {
    let mut cache = Cache::default();
    let mut context = cranelift_codegen::Context::new();
    let mut text = String::new();
    for (unit, function) in functions(units) {
        if let Some(bytes) = without_cranelift(unit, function)? {
            let code = vector::asm(&bytes);
            let _ = writeln!(text, "; {} {function}\n{code}", unit.kernel.name);
            continue;
        }
        context.clear();
        context.set_disasm(true);
        build(&mut context.func, unit, function, &mut cache, isa)?;
        let code = context.compile(isa, &mut ControlPlane::default());
        let code = code.map_err(|error| EngineError::Internal(format!("{:?}", error.inner)))?;
        let vcode = code.vcode.as_deref().unwrap_or_default();
        let _ = writeln!(text, "; {} {function}\n{vcode}", unit.kernel.name);
    }
    Ok(text)
}

/// All functions in the order of their numbers.
fn functions(units: &[Unit]) -> impl Iterator<Item = (&Unit, usize)> {
    units.iter().flat_map(|unit| (0..unit.plan.functions.len()).map(move |idx| (unit, idx)))
}

/// The machine that this program runs on.
pub(super) fn host(options: &JitOptions) -> Result<Arc<dyn TargetIsa>, EngineError> {
    let builder = cranelift_native::builder().map_err(|text| EngineError::Host(text.to_owned()))?;
    with_flags(builder, options)
}

/// A machine of this architecture, whatever this one is.
pub(super) fn aarch64(options: &JitOptions) -> Result<Arc<dyn TargetIsa>, EngineError> {
    let builder = cranelift_codegen::isa::lookup_by_name("aarch64");
    with_flags(builder.map_err(|error| EngineError::Host(error.to_string()))?, options)
}

fn with_flags(
    builder: cranelift_codegen::isa::Builder,
    options: &JitOptions,
) -> Result<Arc<dyn TargetIsa>, EngineError> {
    let mut flags = settings::builder();
    let values = [
        ("opt_level", if options.optimize { "speed" } else { "none" }),
        ("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" }),
        ("is_pic", "false"),
        ("use_colocated_libcalls", "false"),
        ("unwind_info", "false"),
        ("enable_probestack", "true"),
        ("probestack_strategy", "inline"),
    ];
    for (name, value) in values {
        flags.set(name, value).map_err(|error| EngineError::Internal(error.to_string()))?;
    }
    builder
        .finish(settings::Flags::new(flags))
        .map_err(|error| EngineError::Host(error.to_string()))
}

fn build(
    func: &mut Function,
    unit: &Unit,
    function: usize,
    cache: &mut Cache,
    isa: &dyn TargetIsa,
) -> Result<(), EngineError> {
    let number = unit.first_function + function as u32;
    func.name = UserFuncName::user(0, number);
    if translate(func, unit, function, cache, isa.default_call_conv()) {
        Ok(())
    } else {
        let name = &unit.kernel.name;
        Err(EngineError::Internal(format!("kernel `{name}` uses a value out of its scope")))
    }
}

/// Compiles the functions, sharing them among threads.
fn run(
    jobs: &[(&Unit, usize)],
    isa: &dyn TargetIsa,
    options: &JitOptions,
) -> Result<Vec<Compiled>, EngineError> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut cache = Cache::default();
        let mut context = cranelift_codegen::Context::new();
        let mut done = Vec::new();
        loop {
            let job = next.fetch_add(1, Ordering::Relaxed);
            let Some(&(unit, function)) = jobs.get(job) else { return Ok(done) };
            done.push((job, compile_one(&mut context, unit, function, &mut cache, isa)?));
        }
    };
    let n_threads = options.threads.min(jobs.len() / 2).max(1);
    let parts: Vec<Result<Vec<(usize, Compiled)>, EngineError>> = if n_threads == 1 {
        vec![work()]
    } else {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (1..n_threads).map(|_| scope.spawn(work)).collect();
            let mut parts = vec![work()];
            parts.extend(threads.into_iter().map(|thread| {
                let failed = || EngineError::Internal("a compiling thread panicked".to_owned());
                thread.join().unwrap_or_else(|_| Err(failed()))
            }));
            parts
        })
    };
    let mut done = Vec::with_capacity(jobs.len());
    for part in parts {
        done.extend(part?);
    }
    done.sort_by_key(|&(job, _)| job);
    Ok(done.into_iter().map(|(_, compiled)| compiled).collect())
}

/// The code of a function that needs no branches but its own loop.
fn without_cranelift(unit: &Unit, function: usize) -> Result<Option<Vec<u8>>, EngineError> {
    let Plan { wide, straight, frame, .. } = &unit.plan;
    match (&wide[function], &straight[function]) {
        (Some(wide), _) => vector::compile(wide, unit, *frame).map(Some),
        (_, Some(straight)) => vector::straight::compile(straight, unit, *frame).map(Some),
        _ => Ok(None),
    }
}

fn compile_one(
    context: &mut cranelift_codegen::Context,
    unit: &Unit,
    function: usize,
    cache: &mut Cache,
    isa: &dyn TargetIsa,
) -> Result<Compiled, EngineError> {
    if let Some(bytes) = without_cranelift(unit, function)? {
        return Ok(Compiled { bytes, relocations: Vec::new() });
    }
    context.clear();
    build(&mut context.func, unit, function, cache, isa)?;
    let outcome = context.compile(isa, &mut ControlPlane::default());
    outcome.map_err(|error| EngineError::Internal(format!("{:?}", error.inner)))?;
    let Some(code) = context.compiled_code() else {
        return Err(EngineError::Internal("no code was made".to_owned()));
    };
    let id = FuncId::from_u32(unit.first_function + function as u32);
    let relocations = code.buffer.relocs().iter();
    Ok(Compiled {
        bytes: code.code_buffer().to_vec(),
        relocations: relocations
            .map(|relocation| ModuleReloc::from_mach_reloc(relocation, &context.func, id))
            .collect(),
    })
}

/// Places the functions in one block of memory and makes it executable.
///
/// To the module they are a single function; calls between them are offsets in it.
fn link(compiled: &[Compiled], isa: Arc<dyn TargetIsa>) -> Result<Code, EngineError> {
    let internal = |error: cranelift_module::ModuleError| EngineError::Internal(error.to_string());
    let mut bytes = Vec::new();
    let mut starts = Vec::with_capacity(compiled.len());
    for one in compiled {
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        starts.push(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        bytes.extend_from_slice(&one.bytes);
    }
    if bytes.len() > i32::MAX as usize {
        let (bytes, limit) = (bytes.len(), i32::MAX as usize);
        return Err(EngineError::TooLarge { what: "machine code", bytes, limit });
    }
    let signature = signature(isa.default_call_conv());
    let mut module = JITModule::new(JITBuilder::with_isa(isa, default_libcall_names()));
    let all = module.declare_anonymous_function(&signature).map_err(internal)?;
    let mut relocations = Vec::new();
    for (one, &start) in compiled.iter().zip(&starts) {
        for relocation in &one.relocations {
            let mut relocation = relocation.clone();
            relocation.offset += start;
            let inner = match relocation.name {
                ModuleRelocTarget::User { index, .. } => starts.get(index as usize).copied(),
                ModuleRelocTarget::FunctionOffset(_, offset) => Some(start + offset),
                _ => None,
            };
            if let Some(offset) = inner {
                relocation.name = ModuleRelocTarget::FunctionOffset(all, offset);
            }
            relocations.push(relocation);
        }
    }
    let alignment = ALIGNMENT as u64;
    module.define_function_bytes(all, alignment, &bytes, &relocations).map_err(internal)?;
    module.finalize_definitions().map_err(internal)?;
    let Some(&entry) = starts.last() else {
        return Err(EngineError::Internal("nothing to link".to_owned()));
    };
    let entry = module.get_finalized_function(all).wrapping_add(entry as usize);
    // SAFETY: the function was compiled with the signature that `Entry` spells out.
    let entry = unsafe { std::mem::transmute::<*const u8, Entry>(entry) };
    Ok(Code { module: Some(module), entry, len: bytes.len() })
}

/// Alignment of functions, enough for the constants that lie behind their code.
const ALIGNMENT: usize = 64;
