//! A function as a program of the language.
//!
//! Called functions become `fn`s, values that are used more than once `let`s, loops
//! comprehensions, `fold` or `scan`. The program is parsed again before it is given out. It makes
//! the same graph, or one with the same values, and then says so in its first line; it has been
//! compared at a point where that is possible. Another graph comes of
//!
//! * loops with several states or results, or with results that are added up in windows: their
//!   values in all iterations are the columns of one `scan` or list (`loops`, `packed`);
//! * scatters that are no block, transpose or sum of rows: sums of entries, or with a filter;
//! * branches with several results: one column of all nonzeros;
//! * bodies and branches that need names or several results inside: calls of a `fn`;
//! * loops over changing ranges inside of these: conditions in their bodies, whose sums may round
//!   otherwise;
//! * bodies and branches that have a constant or one value twice among their arguments, tables that
//!   are progressions, and values that store zeros where the language has structural ones.
//!
//! [`NoSpelling`] remain functions from outside with several results, names that are none in the
//! language, derivatives whose elementwise values have fewer nonzeros than the language gives
//! them, and constants and tables with more than 100,000 entries. Defaults of inputs, which
//! come from data, are left out and named in a comment.

mod body;
mod calls;
mod check;
mod elementwise;
mod loops;
mod packed;
mod rearranged;
mod value;

use std::fmt::Write;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::function::{Function, Input};
use crate::graph::{Body, Func, Op, Port, visit};
use crate::lower::functions;
use crate::model::Model;
use crate::ops::scalar::ScalarOp;
use crate::sparsity::Pattern;
use crate::syntax::is_name;
use body::{Block, Inside};
use value::{Value, matrix, number, pattern_clause, shape_clause};

/// Why a function cannot be written as a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSpelling {
    /// What has no spelling, and where.
    pub what: String,
}

impl std::fmt::Display for NoSpelling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the language has no spelling for {}", self.what)
    }
}

impl std::error::Error for NoSpelling {}

fn no_spelling<T>(what: impl Into<String>) -> Result<T, NoSpelling> {
    Err(NoSpelling { what: what.into() })
}

/// The program that makes this function.
///
/// ```
/// use nablac::model::Model;
/// let text = "input x[2]\nlet a = sin(x[0])\noutput f = a^2 - a\n";
/// let f = Model::parse("f.nab", text).function()?;
/// let program = nablac::print::nab(&f)?;
/// assert_eq!(program, "input x[2]\nlet t1 = sin(x[0])\noutput f = t1 ^ 2 - t1\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Something in it has no spelling.
pub fn nab(function: &Function) -> Result<String, NoSpelling> {
    // Where the language does not store zeros as the function does, all of them are written.
    attempt(function, false).or_else(|why| attempt(function, true).map_err(|_| why))
}

/// The program, read again. Whether all values are written in their own patterns is said by
/// `is_exact`.
fn attempt(function: &Function, is_exact: bool) -> Result<String, NoSpelling> {
    let func = function.func();
    let mut program = Program::new(func, is_exact);
    let text = program.write(function)?;
    let back = match Model::parse(&format!("{}.nab", func.name), &text).lower() {
        Ok(lowered) => lowered.function(),
        Err(e) => {
            let message = format!("a part of `{}`: as a program it has mistakes:\n{e}", func.name);
            return no_spelling(message);
        }
    };
    let patterns = |f: &Function| {
        f.outputs().iter().map(|o| (o.name.clone(), o.pattern.clone())).collect::<Vec<_>>()
    };
    let inputs = |f: &Function| {
        let declared = |i: &Input| {
            let default = i.default.clone().filter(|_| i.is_param);
            Input { default, ..i.clone() }
        };
        f.inputs().iter().map(declared).collect::<Vec<_>>()
    };
    if inputs(&back) != inputs(function) || patterns(&back) != patterns(function) {
        let message = format!("a part of `{}`: as a program it has other patterns", func.name);
        return no_spelling(message);
    }
    let text = match program.without_default.is_empty() {
        true => text,
        false => format!(
            "# Without the defaults of inputs: {}.\n{text}",
            program.without_default.join(", ")
        ),
    };
    if back.func().content_hash() == func.content_hash() {
        return Ok(text);
    }
    let agree = check::agree(function, &back);
    if agree == Some(false) {
        let message = format!("a part of `{}`: as a program it has other values", func.name);
        return no_spelling(message);
    }
    program.differs.dedup();
    let mut comment = "# The same values by another graph.\n".to_owned();
    for line in program.differs.iter().take(8) {
        let _ = writeln!(comment, "#   {line}");
    }
    if agree.is_none() {
        comment.push_str("#   not compared at a point\n");
    }
    Ok(comment + &text)
}

/// The declarations written so far, and the names that are taken.
struct Program {
    text: String,
    functions: FxHashMap<Arc<Func>, Arc<str>>,
    names: FxHashSet<String>,
    /// Functions have names of their own.
    function_names: FxHashSet<String>,
    /// The number that follows a stem next.
    next: FxHashMap<String, usize>,
    /// What is written in other words than the graph has.
    differs: Vec<String>,
    /// Inputs with a default that is not written.
    without_default: Vec<String>,
    /// Functions that give all results as one column.
    packed_functions: FxHashMap<Arc<Func>, Arc<str>>,
    /// Functions that give a value of a pattern back.
    stores: FxHashMap<Pattern, String>,
    /// Whether no value is written in another pattern than its own.
    is_exact: bool,
    /// Declarations of index arrays.
    index_text: String,
    index_names: FxHashMap<((usize, usize), Vec<u32>), String>,
    /// Least and largest value of what is an integer for the language.
    integers: FxHashMap<String, (i64, i64)>,
}

impl Program {
    fn new(main: &Arc<Func>, is_exact: bool) -> Program {
        let mut names = FxHashSet::default();
        // Intermediate values get names that no input or output has anywhere.
        for func in visit::callees_first(main) {
            let ports = func.inputs.iter().chain(&func.outputs);
            names.extend(ports.map(|port| port.name.to_string()));
        }
        names.extend(["pi", "e", "inf", "nan", "eps"].map(str::to_owned));
        Program {
            text: String::new(),
            functions: FxHashMap::default(),
            names,
            function_names: FxHashSet::default(),
            next: FxHashMap::default(),
            differs: Vec::new(),
            without_default: Vec::new(),
            packed_functions: FxHashMap::default(),
            stores: FxHashMap::default(),
            is_exact,
            index_text: String::new(),
            index_names: FxHashMap::default(),
            integers: FxHashMap::default(),
        }
    }

    /// A name that no value has: `stem` with the next number.
    fn fresh(&mut self, stem: &str) -> String {
        loop {
            let next = self.next.entry(stem.to_owned()).or_insert(1);
            let name = format!("{stem}{next}");
            *next += 1;
            if self.names.insert(name.clone()) {
                return name;
            }
        }
    }

    /// A name that no function has: `stem`, if need be with a number.
    fn fresh_function(&mut self, stem: &str) -> String {
        let is_built_in =
            |name: &str| ScalarOp::from_name(name).is_some() || functions::lookup(name).is_some();
        let is_good = is_name(stem) && !is_built_in(stem);
        if is_good && self.function_names.insert(stem.to_owned()) {
            return stem.to_owned();
        }
        let stem = if is_good { format!("{stem}_") } else { "f".to_owned() };
        loop {
            let name = self.fresh(&stem);
            if self.function_names.insert(name.clone()) {
                return name;
            }
        }
    }

    fn write(&mut self, function: &Function) -> Result<String, NoSpelling> {
        let func = function.func();
        let mut inputs = String::new();
        for input in function.inputs() {
            self.input(&mut inputs, input)?;
        }
        let arguments: Vec<Value> =
            func.inputs.iter().map(|port| Value::atom(port.name.to_string())).collect();
        let Some((graph, outputs)) = func.graph() else {
            return no_spelling(format!("`{}`, which is given from outside", func.name));
        };
        let mut lines = Vec::new();
        let mut block = Block::new(func, graph, outputs, arguments, Inside::Lines(&mut lines), 0);
        let mut results = String::new();
        for (port, &node) in func.outputs.iter().zip(outputs) {
            let value = block.value(self, node)?.text;
            let is_itself = *value == *port.name;
            let _ = match is_itself {
                true => writeln!(results, "output {value}"),
                false => writeln!(results, "output {} = {value}", port.name),
            };
        }
        let mut text = inputs;
        text.push_str(&self.index_text);
        text.push_str(&self.text);
        lines.iter().for_each(|line| {
            let _ = writeln!(text, "{line}");
        });
        for (line, output) in results.lines().zip(function.outputs()) {
            text.push_str(line);
            unit(&mut text, &output.unit);
            text.push('\n');
        }
        Ok(text)
    }

    fn input(&mut self, text: &mut String, input: &Input) -> Result<(), NoSpelling> {
        let port =
            Port { range: input.range, ..Port::new(input.name.clone(), input.pattern.clone()) };
        let word = if input.is_param { "param" } else { "input" };
        let _ = write!(text, "{word} {}", declaration(&port, input.symmetric)?);
        match &input.default {
            Some(default) if input.is_param => {
                let value = matrix(&input.pattern, &|k| default[k])?;
                let _ = write!(text, " = {}", value.text);
            }
            // They come from data.
            Some(_) => self.without_default.push(input.name.to_string()),
            None => {}
        }
        unit(text, &input.unit);
        text.push('\n');
        Ok(())
    }

    /// The name of a called function, which is written if it is not yet.
    fn function(&mut self, func: &Arc<Func>) -> Result<Arc<str>, NoSpelling> {
        if let Some(name) = self.functions.get(func) {
            return Ok(name.clone());
        }
        let jvp = match &func.jvp {
            Some(jvp) => format!(" with jvp = {}", self.function(&own_tangent(jvp))?),
            None => String::new(),
        };
        let (params, arguments) = self.parameters(func)?;
        let name: Arc<str> = match &func.body {
            Body::External(external) => {
                let [output] = &func.outputs[..] else {
                    return no_spelling(format!(
                        "`{}` from outside, with several results",
                        func.name
                    ));
                };
                let (n_rows, n_cols) = output.pattern.shape();
                let _ = writeln!(
                    self.text,
                    "extern fn {}({params}) -> [{n_rows}, {n_cols}]{jvp}",
                    external.name
                );
                self.function_names.insert(external.name.clone());
                external.name.as_str().into()
            }
            Body::Graph { graph, outputs } => {
                let name = self.fresh_function(&func.name);
                let mut lines = Vec::new();
                let inside = Inside::Lines(&mut lines);
                let mut block = Block::new(func, graph, outputs, arguments, inside, 1);
                let mut results = Vec::new();
                for &node in outputs {
                    results.push(block.value(self, node)?.text);
                }
                let text = written(&name, &params, lines, &results, &jvp, self);
                self.text.push_str(&text);
                name.into()
            }
        };
        self.functions.insert(func.clone(), name.clone());
        Ok(name)
    }
}

/// The text of a `fn`.
fn written(
    name: &str,
    params: &str,
    mut lines: Vec<String>,
    results: &[String],
    jvp: &str,
    program: &mut Program,
) -> String {
    if let [result] = results {
        if lines.is_empty() {
            return format!("fn {name}({params}) = {result}{jvp}\n");
        }
        // A line that begins with a sign would go on with the one before.
        lines.push(format!("  ({result})"));
        return format!("fn {name}({params}){jvp} {{\n{}\n}}\n", lines.join("\n"));
    }
    let mut names = Vec::new();
    for result in results {
        let name = program.fresh("r");
        lines.push(format!("  let {name} = {result}"));
        names.push(name);
    }
    format!("fn {name}({params}) -> ({}){jvp} {{\n{}\n}}\n", names.join(", "), lines.join("\n"))
}

/// The function that a declaration names as a derivative: lowering wraps it into one that takes
/// the arguments in the same order.
fn own_tangent(jvp: &Arc<Func>) -> Arc<Func> {
    let Some((graph, outputs)) = jvp.graph() else { return jvp.clone() };
    let call = match outputs.first() {
        Some(&first) if graph.op(first) == Op::Result => graph.arg(first, 0),
        _ => return jvp.clone(),
    };
    let in_order = |(k, &node): (usize, &crate::graph::NodeId)| {
        graph.op(node) == Op::Input && graph.number(node) == k
    };
    let passes = |(k, &node): (usize, &crate::graph::NodeId)| {
        graph.op(node) == Op::Result && graph.arg(node, 0) == call && graph.number(node) == k
    };
    match graph.callee(call) {
        Some(callee)
            if callee.inputs.len() == jvp.inputs.len()
                && graph.args(call).iter().enumerate().all(in_order)
                && outputs.iter().enumerate().all(passes) =>
        {
            callee.clone()
        }
        _ => jvp.clone(),
    }
}

/// `x[3] lower in 0..1`
fn declaration(port: &Port, symmetric: bool) -> Result<String, NoSpelling> {
    if !is_name(&port.name) {
        return no_spelling(format!("the name \"{}\"", port.name.escape_debug()));
    }
    let pattern: &Pattern = &port.pattern;
    let clause = if symmetric { " sym".to_owned() } else { pattern_clause(pattern)? };
    let mut text = format!("{}{}{clause}", port.name, shape_clause(pattern));
    if let Some((lo, hi)) = port.range {
        let _ = write!(text, " in {}..{}", number(lo).text, number(hi).text);
    }
    Ok(text)
}

fn unit(text: &mut String, unit: &[Arc<str>]) {
    if !unit.is_empty() {
        let _ = write!(text, "  # [{}]", unit.join(", "));
    }
}
