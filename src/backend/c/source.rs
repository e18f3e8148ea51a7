//! The C source file: preamble, constant arrays, one static function per kernel, and for each
//! exported function its wrapper and companions.
//!
//! The wrapper makes the kernel's contract hold: where an input is null it passes zeros kept in
//! `w`, and where an unwanted result is touched outside of its guard, a place in `w`.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::sync::Arc;

use super::names::Names;
use super::plan::Plan;
use super::text::{comment, element, initializer};
use super::{CFunction, COptions, EmitError, IntType, body, symbols};
use crate::graph::External;
use crate::kernel::calls::Calls;
use crate::kernel::ir::{Callee, Kernel};
use crate::sparsity::Pattern;

/// A written file and what the header and the loader need to know of it.
pub struct Source {
    pub text: String,
    /// Text of each nonzero status, from 1 on.
    pub statuses: Vec<String>,
    /// Length of `w`, by exported function.
    pub work_lens: Vec<usize>,
    /// Externals in the order of their index in `nablac_host_call`.
    pub externals: Vec<Arc<External>>,
    pub int_type: IntType,
}

/// A kernel that has been written as a static function.
pub struct Callable {
    pub name: String,
    /// Work memory including callees and values that cross pieces.
    pub work_len: usize,
    /// Returns an int status; otherwise nothing.
    pub fallible: bool,
    pub plan: Plan,
}

/// What the functions of a file share.
pub struct Registry {
    pub names: Names,
    /// Text of the functions so far.
    pub functions: String,
    pub uses_noinline: bool,
    pub uses_fma: bool,
    /// Constant arrays.
    arrays: String,
    helpers: Vec<&'static str>,
    known_helpers: HashSet<&'static str>,
    kernels: HashMap<*const Kernel, Callable>,
    // by address: two arrays at one address are one array
    data: HashMap<*const f64, String>,
    tables: HashMap<*const u32, String>,
    patterns: HashMap<Pattern, String>,
    externals: Vec<(Arc<External>, String)>,
    statuses: Vec<String>,
    status_of: HashMap<String, usize>,
    pub options: COptions,
}

impl Registry {
    fn new(functions: &[CFunction], options: &COptions) -> Result<Registry, EmitError> {
        Ok(Registry {
            names: Names::new(functions)?,
            functions: String::new(),
            uses_noinline: false,
            uses_fma: false,
            arrays: String::new(),
            helpers: Vec::new(),
            known_helpers: HashSet::new(),
            kernels: HashMap::new(),
            data: HashMap::new(),
            tables: HashMap::new(),
            patterns: HashMap::new(),
            externals: Vec::new(),
            statuses: Vec::new(),
            status_of: HashMap::new(),
            options: options.clone(),
        })
    }

    /// Notes that an operation needs this definition.
    pub fn helper(&mut self, text: &'static str) {
        if !text.is_empty() && self.known_helpers.insert(text) {
            self.helpers.push(text);
        }
    }

    /// How to call a kernel; callees are written before their callers.
    pub fn callable(&self, kernel: &Arc<Kernel>) -> &Callable {
        &self.kernels[&Arc::as_ptr(kernel)]
    }

    /// The C function of an external.
    pub fn external(&self, external: &Arc<External>) -> String {
        let same = |known: &&(Arc<External>, String)| Arc::ptr_eq(&known.0, external);
        self.externals.iter().find(same).map_or_else(|| external.name.clone(), |e| e.1.clone())
    }

    /// The status that stands for this failure.
    pub fn status(&mut self, failure: String) -> usize {
        *self.status_of.entry(failure).or_insert_with_key(|failure| {
            self.statuses.push(failure.clone());
            self.statuses.len()
        })
    }

    /// Name of a constant array of numbers.
    pub fn data(&mut self, data: &Arc<[f64]>) -> String {
        if let Some(name) = self.data.get(&data.as_ptr()) {
            return name.clone();
        }
        let name = format!("nablac_d{}", self.data.len());
        _ = write!(self.arrays, "static const double {name}[{}]", data.len().max(1));
        initializer(&mut self.arrays, data.iter().map(|&value| element(value)));
        self.data.insert(data.as_ptr(), name.clone());
        name
    }

    /// Name of a constant array of indices.
    pub fn table(&mut self, table: &Arc<[u32]>) -> String {
        if let Some(name) = self.tables.get(&table.as_ptr()) {
            return name.clone();
        }
        let name = format!("nablac_t{}", self.tables.len());
        let fits = table.iter().all(|&idx| idx <= i32::MAX as u32);
        let kind = if fits { "int" } else { "casadi_int" };
        _ = write!(self.arrays, "static const {kind} {name}[{}]", table.len().max(1));
        initializer(&mut self.arrays, table.iter().map(|idx| idx.to_string()));
        self.tables.insert(table.as_ptr(), name.clone());
        name
    }

    /// Name of the array that describes a pattern to CasADi.
    pub fn pattern(&mut self, pattern: &Pattern) -> String {
        if let Some(name) = self.patterns.get(pattern) {
            return name.clone();
        }
        let mut list = vec![pattern.n_rows() as u64, pattern.n_cols() as u64];
        if pattern.is_dense() {
            list.push(1);
        } else {
            list.extend(pattern.colptr().into_iter().map(u64::from));
            list.extend(pattern.row_idx().into_iter().map(u64::from));
        }
        let name = format!("nablac_s{}", self.patterns.len());
        _ = write!(self.arrays, "static const casadi_int {name}[{}]", list.len());
        initializer(&mut self.arrays, list.iter().map(|entry| entry.to_string()));
        self.patterns.insert(pattern.clone(), name.clone());
        name
    }

    fn add_external(&mut self, external: &Arc<External>) -> Result<(), EmitError> {
        if self.externals.iter().any(|known| Arc::ptr_eq(&known.0, external)) {
            return Ok(());
        }
        let name = if self.options.hosted {
            self.names.fresh(&external.name)
        } else {
            // one symbol, however many handles there are to it
            if self.externals.iter().all(|known| known.1 != external.name) {
                self.names.external(&external.name)?;
            }
            external.name.clone()
        };
        self.externals.push((external.clone(), name));
        Ok(())
    }
}

/// Writes the file of `functions`.
pub fn write(
    file_base: &str,
    functions: &[CFunction],
    options: &COptions,
) -> Result<Source, EmitError> {
    let mut registry = Registry::new(functions, options)?;
    let kernels = callees_first(functions);
    for kernel in &kernels {
        for call in &kernel.calls {
            if let Callee::External(external) = &call.callee {
                registry.add_external(external)?;
            }
        }
    }
    for kernel in &kernels {
        let name = registry.names.fresh(&format!("fn_{}", kernel.name));
        let doc = comment(&format!("{}: {}", kernel.name, symbols::cost(kernel)));
        let callable = body::write(&mut registry, kernel, &name, &doc);
        check_size(&kernel.name, callable.work_len, options)?;
        registry.kernels.insert(Arc::as_ptr(kernel), callable);
    }
    let mut work_lens = Vec::new();
    let mut exports = String::new();
    for function in functions {
        let fits = function.inputs.len() == function.kernel.args.len()
            && function.outputs.len() == function.kernel.res.len();
        if !fits {
            return Err(EmitError::Mismatch { function: function.name.clone() });
        }
        for port in function.inputs.iter().chain(&function.outputs) {
            let pattern = &port.pattern;
            let size = pattern.nnz().max(pattern.n_rows()).max(pattern.n_cols());
            check_size(&function.name, size, options)?;
        }
        let work_len = wrapper(&mut exports, &registry, function);
        check_size(&function.name, work_len, options)?;
        symbols::write(&mut exports, &mut registry, function, work_len);
        work_lens.push(work_len);
    }
    let text = assemble(file_base, &registry, &exports);
    Ok(Source {
        text,
        statuses: registry.statuses,
        work_lens,
        externals: registry.externals.into_iter().map(|e| e.0).collect(),
        int_type: options.int_type,
    })
}

fn check_size(function: &str, size: usize, options: &COptions) -> Result<(), EmitError> {
    let limit = match options.int_type {
        IntType::LongLong => i64::MAX as usize,
        IntType::Int => i32::MAX as usize,
    };
    if size > limit {
        return Err(EmitError::TooLarge { function: function.to_string(), size, limit });
    }
    Ok(())
}

/// All kernels that the functions reach, each once.
fn callees_first(functions: &[CFunction]) -> Vec<Arc<Kernel>> {
    let mut seen = HashSet::new();
    let reached = functions.iter().flat_map(|function| Calls::of(&function.kernel).kernels);
    reached.filter(|kernel| seen.insert(Arc::as_ptr(kernel))).collect()
}

/// Writes the exported function around the kernel's static one; gives the length of `w`.
fn wrapper(out: &mut String, registry: &Registry, function: &CFunction) -> usize {
    let callable = registry.callable(&function.kernel);
    let plan = &callable.plan;
    let mut work_len = callable.work_len;
    let mut lines = String::new();
    let (n_args, n_res) = (function.inputs.len(), function.outputs.len());

    let read: Vec<usize> = (0..n_args).filter(|&arg| plan.read[arg]).collect();
    let mut arg_name = "arg";
    if !read.is_empty() {
        arg_name = "a";
        let list: Vec<String> = (0..n_args).map(|arg| format!("arg[{arg}]")).collect();
        _ = writeln!(lines, "  const double* a[{n_args}] = {{{}}};", list.join(", "));
        let nulls: Vec<String> = read.iter().map(|arg| format!("!a[{arg}]")).collect();
        let longest = read.iter().map(|&arg| function.kernel.args[arg].nnz).max().unwrap_or(0);
        _ = writeln!(lines, "  if ({}) {{ /* null is zero */", nulls.join(" || "));
        _ = writeln!(
            lines,
            "    for (casadi_int k = 0; k < {longest}; k++) w[{work_len} + k] = 0.0;"
        );
        for arg in read {
            _ = writeln!(lines, "    if (!a[{arg}]) a[{arg}] = w + {work_len};");
        }
        lines.push_str("  }\n");
        work_len += longest;
    }
    let mut res_name = "res";
    if plan.unguarded.contains(&true) {
        res_name = "r";
        let place = |res: usize| {
            if !plan.unguarded[res] {
                return format!("res[{res}]");
            }
            let at = work_len;
            work_len += function.kernel.res[res].nnz;
            format!("res[{res}] ? res[{res}] : w + {at}")
        };
        let list: Vec<String> = (0..n_res).map(place).collect();
        _ = writeln!(lines, "  double* r[{n_res}] = {{{}}};", list.join(", "));
    }
    if n_args == 0 {
        lines.push_str("  (void)arg;\n");
    }
    lines.push_str("  (void)iw;\n  (void)mem;\n");
    let call = format!("{}({arg_name}, {res_name}, w)", callable.name);
    if callable.fallible {
        _ = writeln!(lines, "  return {call};");
    } else {
        _ = writeln!(lines, "  {call};\n  return 0;");
    }
    _ = writeln!(
        out,
        "CASADI_SYMBOL_EXPORT int {}(const casadi_real** arg, casadi_real** res, casadi_int* iw, \
         casadi_real* w, int mem) {{",
        function.name
    );
    out.push_str(&lines);
    out.push_str("}\n\n");
    work_len
}

fn assemble(file_base: &str, registry: &Registry, exports: &str) -> String {
    let mut out = String::new();
    _ = write!(
        out,
        "/* {base}.c, generated by nablac {version}. C99, needs only libm; reentrant.\n\
         \x20* cc -std=c99 -O2 -ffp-contract=off -fno-builtin-sin -fno-builtin-cos -fPIC -shared \
         {base}.c -o {base}.so -lm\n *\n",
        base = comment(file_base),
        version = env!("CARGO_PKG_VERSION"),
    );
    if registry.uses_fma {
        out.push_str(
            " * With -mfma or -march=native each fma() is one instruction, else a call that is far\n\
             \x20* slower.\n *\n",
        );
    }
    status_lines(&mut out, &registry.statuses);
    out.push_str(" */\n#include <math.h>\n\n");
    out.push_str("#if defined(__clang__)\n#pragma STDC FP_CONTRACT OFF\n#endif\n\n");
    out.push_str("#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
    out.push_str(&int_and_real(registry.options.int_type, "nablac"));
    out.push_str(EXPORT_MACRO);
    out.push_str(RESTRICT_MACRO);
    if registry.uses_noinline {
        out.push_str(NOINLINE_MACRO);
    }
    let mut declared = HashSet::new();
    if registry.options.hosted {
        out.push_str(HOST_POINTERS);
    }
    for (idx, (_, name)) in registry.externals.iter().enumerate() {
        if !declared.insert(name) {
            continue;
        }
        _ = if registry.options.hosted {
            writeln!(
                out,
                "static int {name}(const double** arg, double** res) {{\n  \
                 return nablac_host_call(nablac_host_data, {idx}, arg, res);\n}}"
            )
        } else {
            writeln!(out, "extern int {name}(const double** arg, double** res);")
        };
    }
    if !registry.externals.is_empty() {
        out.push('\n');
    }
    for helper in &registry.helpers {
        out.push_str(helper.trim_end());
        out.push_str("\n\n");
    }
    out.push_str(&registry.arrays);
    out.push('\n');
    out.push_str(&registry.functions);
    out.push_str(exports);
    out.push_str("#ifdef __cplusplus\n} /* extern \"C\" */\n#endif\n");
    out
}

/// What the functions return, as lines of a comment.
pub fn status_lines(out: &mut String, statuses: &[String]) {
    out.push_str(" * Status: 0 done");
    for (idx, status) in statuses.iter().enumerate() {
        _ = write!(out, "\n *   {} {}", idx + 1, comment(status));
    }
    out.push('\n');
}

/// Definitions of `casadi_real` and `casadi_int`, and a test that the latter is what this file
/// was made for.
pub fn int_and_real(int_type: IntType, prefix: &str) -> String {
    let kind = match int_type {
        IntType::LongLong => "long long int",
        IntType::Int => "int",
    };
    format!(
        "#ifndef casadi_real\n#define casadi_real double\n#endif\n\
         #ifndef casadi_int\n#define casadi_int {kind}\n#endif\n\
         /* an error here: casadi_int was defined as another type than this file was made for */\n\
         typedef char {prefix}_casadi_int_fits[sizeof(casadi_int) == sizeof({kind}) ? 1 : -1];\n\n"
    )
}

const HOST_POINTERS: &str = "\
/* set once by the program that loads this library */
CASADI_SYMBOL_EXPORT int (*nablac_host_call)(void* data, int index, const double** arg, \
double** res) = 0;
CASADI_SYMBOL_EXPORT int (*nablac_host_poll)(void) = 0;
CASADI_SYMBOL_EXPORT void* nablac_host_data = 0;

";

const EXPORT_MACRO: &str = "\
#ifndef CASADI_SYMBOL_EXPORT
#if defined(_WIN32) || defined(__WIN32__) || defined(__CYGWIN__)
#define CASADI_SYMBOL_EXPORT __declspec(dllexport)
#elif defined(__GNUC__)
#define CASADI_SYMBOL_EXPORT __attribute__((visibility(\"default\")))
#else
#define CASADI_SYMBOL_EXPORT
#endif
#endif

";

const RESTRICT_MACRO: &str = "\
#if defined(__GNUC__) || defined(_MSC_VER)
#define NABLAC_RESTRICT __restrict
#else
#define NABLAC_RESTRICT restrict
#endif

";

const NOINLINE_MACRO: &str = "\
#if defined(__GNUC__)
#define NABLAC_NOINLINE __attribute__((noinline))
#else
#define NABLAC_NOINLINE
#endif

";
