//! The companions of an exported function: sizes, names, patterns, defaults, memory.

use std::fmt::Write;
use std::sync::Arc;

use super::source::Registry;
use super::text::{number, string};
use super::{CFunction, CPort};
use crate::kernel::count::count;
use crate::kernel::ir::Kernel;

/// Writes the companions of `function`.
pub fn write(out: &mut String, registry: &mut Registry, function: &CFunction, work_len: usize) {
    let f = &function.name;
    let (n_in, n_out) = (function.inputs.len(), function.outputs.len());
    for body in [
        format!("int {f}_checkout(void) {{ return 0; }}"),
        format!("void {f}_release(int mem) {{ (void)mem; }}"),
        format!("void {f}_incref(void) {{}}"),
        format!("void {f}_decref(void) {{}}"),
        format!("casadi_int {f}_n_in(void) {{ return {n_in}; }}"),
        format!("casadi_int {f}_n_out(void) {{ return {n_out}; }}"),
    ] {
        _ = writeln!(out, "CASADI_SYMBOL_EXPORT {body}\n");
    }
    let defaults = function.inputs.iter().map(|port| common_default(port).map(number));
    choice(out, &format!("casadi_real {f}_default_in"), defaults, "0.0");
    for (side, ports) in [("in", &function.inputs), ("out", &function.outputs)] {
        let names = ports.iter().map(|port| Some(string(&port.name)));
        choice(out, &format!("const char* {f}_name_{side}"), names, "0");
        let patterns: Vec<String> = ports.iter().map(|p| registry.pattern(&p.pattern)).collect();
        let patterns = patterns.into_iter().map(Some);
        choice(out, &format!("const casadi_int* {f}_sparsity_{side}"), patterns, "0");
    }
    _ = writeln!(
        out,
        "CASADI_SYMBOL_EXPORT int {f}_work(casadi_int* sz_arg, casadi_int* sz_res, \
         casadi_int* sz_iw, casadi_int* sz_w) {{\n  \
         if (sz_arg) *sz_arg = {n_in};\n  \
         if (sz_res) *sz_res = {n_out};\n  \
         if (sz_iw) *sz_iw = 0;\n  \
         if (sz_w) *sz_w = {work_len};\n  \
         return 0;\n}}\n"
    );
}

/// The default of an input if it is one number for all its nonzeros.
fn common_default(port: &CPort) -> Option<f64> {
    let (&first, rest) = port.default.as_ref()?.split_first()?;
    (first != 0.0 && rest.iter().all(|&value| value == first)).then_some(first)
}

/// A function of an index that returns one of a list.
fn choice(
    out: &mut String,
    signature: &str,
    values: impl Iterator<Item = Option<String>>,
    otherwise: &str,
) {
    _ = writeln!(out, "CASADI_SYMBOL_EXPORT {signature}(casadi_int i) {{\n  switch (i) {{");
    for (idx, value) in values.enumerate() {
        if let Some(value) = value {
            _ = writeln!(out, "    case {idx}: return {value};");
        }
    }
    _ = writeln!(out, "    default: return {otherwise};\n  }}\n}}\n");
}

/// What an evaluation of the kernel costs, in words: `12 operations (5 add, 7 mul)`.
pub fn cost(kernel: &Arc<Kernel>) -> String {
    let counts = count(kernel);
    let kinds = [
        (counts.add, "add"),
        (counts.mul, "mul"),
        (counts.div, "div"),
        (counts.sqrt, "sqrt"),
        (counts.call, "call"),
        (counts.other, "other"),
    ];
    let parts: Vec<String> =
        kinds.iter().filter(|(n, _)| *n > 0).map(|(n, kind)| format!("{n} {kind}")).collect();
    match parts.is_empty() {
        true => "no operations".to_string(),
        false => format!("{} operations ({})", counts.total(), parts.join(", ")),
    }
}
