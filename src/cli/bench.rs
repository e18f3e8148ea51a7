//! `nablac bench`: how long each stage takes and how many operations one evaluation executes.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value as Json, json};

use super::eval::assigned;
use super::open::ModelArgs;
use super::values::{Problem, resolve, unknown};
use super::{CompileArgs, Failure, Format, cancel, files, print, put};
use crate::function::{Compiled, Function};
use crate::kernel;
use crate::kernel::count::{OpCounts, count};
use crate::saved;
use crate::simplify::SimplifyOptions;
use crate::syntax::{SourceMap, parse};

/// Evaluations are repeated for about this long.
const SECONDS: f64 = 0.5;

/// Time every stage and count the operations of one evaluation
///
/// Missing inputs are 1 + 0.1 sin(i), clipped to declared ranges.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Values of inputs: constant expressions of the language
    #[arg(value_name = "name=EXPR")]
    assignments: Vec<String>,
    #[command(flatten)]
    compile: CompileArgs,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What was measured.
struct Report {
    parse_s: f64,
    build_s: f64,
    derive_s: f64,
    simplify_s: f64,
    compile_s: f64,
    eval_ns: f64,
    ops: OpCounts,
    ops_before: OpCounts,
    code_bytes: usize,
    peak_rss_bytes: Option<u64>,
    nnz: Vec<(String, usize)>,
}

pub fn run(args: &Args, out: &mut impl Write) -> Result<(), Failure> {
    let parse_s = match args.model.file.as_str() {
        // Standard input can be read but once.
        "-" => None,
        file => {
            let (name, text) = files::read(file)?;
            let is_program = !saved::is_saved(&name, &text);
            let mut sources = SourceMap::new();
            let file = sources.add(name.as_str(), text.as_str());
            let start = Instant::now();
            let parsed = is_program.then(|| parse(&text, file));
            let seconds = start.elapsed().as_secs_f64();
            drop(parsed);
            Some(seconds)
        }
    };
    let opened = args.model.open()?;
    opened.check_externals()?;
    let given = assigned(&args.assignments, &opened.dims)?;
    let strangers = unknown(&opened.function, given.keys());
    if !strangers.is_empty() {
        return Err(strangers.into());
    }
    let function = opened.function.clone();
    let inputs = resolve(&function, |name| given.get(name), true)?;
    let compiled = args.compile.compile(&function)?;
    opened.check_memory(&compiled.kernel)?;
    let eval_ns = time(&compiled, &inputs)?;
    let parse_s = parse_s.unwrap_or(0.0);
    let report = Report {
        parse_s,
        build_s: (opened.lower_s - opened.derive_s - parse_s).max(0.0),
        derive_s: opened.derive_s,
        simplify_s: compiled.timing.simplify_s,
        compile_s: compiled.timing.compile_s,
        eval_ns,
        ops: count(&compiled.kernel),
        ops_before: before(&function, &args.compile.simplify.options()?),
        code_bytes: compiled.code_bytes(),
        peak_rss_bytes: peak_rss_bytes(),
        nnz: function
            .outputs()
            .iter()
            .map(|output| (output.name.to_string(), output.pattern.nnz()))
            .collect(),
    };
    match args.format {
        Format::Json => put(out, &format!("{}\n", report.json())),
        Format::Text => put(out, &report.text(function.name(), args.compile.engine.name())),
    }
}

/// Operations at level 0.
pub fn before(function: &Function, options: &SimplifyOptions) -> OpCounts {
    let options = SimplifyOptions { level: 0, ..options.clone() };
    count(&Arc::new(kernel::build(&function.optimized(&options))))
}

/// The least nanoseconds of one evaluation among several runs of many.
fn time(compiled: &Compiled, inputs: &[Vec<f64>]) -> Result<f64, Failure> {
    let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    let mut outputs: Vec<Vec<f64>> =
        compiled.function.outputs().iter().map(|o| vec![0.0; o.pattern.nnz()]).collect();
    let mut wanted: Vec<Option<&mut [f64]>> =
        outputs.iter_mut().map(|values| Some(values.as_mut_slice())).collect();
    let mut memory = cancel::memory();
    let mut repeat = |n: u64| -> Result<f64, Failure> {
        let start = Instant::now();
        for _ in 0..n {
            cancel::evaluating(|| compiled.evaluate_into(&inputs, &mut wanted, &mut memory))
                .map_err(|e| Problem::evaluation(&e).failure())?;
        }
        Ok(start.elapsed().as_secs_f64())
    };
    // The first evaluation makes the work memory.
    let mut best = repeat(1)?;
    let started = Instant::now();
    while started.elapsed().as_secs_f64() < SECONDS {
        let n = (SECONDS / 20.0 / best.max(1e-9)).clamp(1.0, 1e7) as u64;
        best = best.min(repeat(n)? / n as f64);
    }
    Ok(best * 1e9)
}

/// The most memory this process has held; only on Linux.
fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// Counts by kind, with their sum.
pub fn counts_json(ops: &OpCounts) -> Json {
    json!({
        "add": ops.add, "mul": ops.mul, "div": ops.div, "sqrt": ops.sqrt, "call": ops.call,
        "other": ops.other, "total": ops.total(),
    })
}

/// Counts by kind in one line.
pub fn counts_text(ops: &OpCounts) -> String {
    format!(
        "{} (add {}, mul {}, div {}, sqrt {}, call {}, other {})",
        ops.total(),
        ops.add,
        ops.mul,
        ops.div,
        ops.sqrt,
        ops.call,
        ops.other
    )
}

impl Report {
    fn json(&self) -> Json {
        let nnz: serde_json::Map<String, Json> =
            self.nnz.iter().map(|(name, nnz)| (name.clone(), json!(nnz))).collect();
        json!({
            "parse_s": self.parse_s,
            "build_s": self.build_s,
            "derive_s": self.derive_s,
            "simplify_s": self.simplify_s,
            "compile_s": self.compile_s,
            "eval_ns": self.eval_ns,
            "ops": counts_json(&self.ops),
            "ops_before": counts_json(&self.ops_before),
            "code_bytes": self.code_bytes,
            "peak_rss_bytes": self.peak_rss_bytes,
            "nnz": nnz,
        })
    }

    fn text(&self, name: &str, engine: &str) -> String {
        let milliseconds = |seconds: f64| format!("{:.3} ms", seconds * 1e3);
        let nnz: Vec<String> = self.nnz.iter().map(|(name, nnz)| format!("{name} {nnz}")).collect();
        let memory = match self.peak_rss_bytes {
            Some(bytes) => format!("{:.1} MB", bytes as f64 / 1e6),
            None => "unknown".to_owned(),
        };
        let rows = [
            ("parse", milliseconds(self.parse_s)),
            ("build", milliseconds(self.build_s)),
            ("derive", milliseconds(self.derive_s)),
            ("simplify", milliseconds(self.simplify_s)),
            ("compile", milliseconds(self.compile_s)),
            ("evaluate", format!("{} ns", print::number((self.eval_ns * 10.0).round() / 10.0))),
            ("operations", counts_text(&self.ops)),
            ("before", counts_text(&self.ops_before)),
            ("code", format!("{} bytes", self.code_bytes)),
            ("memory", memory),
            ("nonzeros", nnz.join(", ")),
        ];
        let mut text = format!("{name}, engine {engine}\n");
        for (what, value) in rows {
            text.push_str(&format!("  {what:<14}{value}\n"));
        }
        text
    }
}
