//! `nablac show`: what a function looks like at each stage on its way to machine code.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use rustc_hash::FxHashSet;

use super::open::{ModelArgs, Opened};
use super::spy::{Picture, svg};
use super::{Failure, SimplifyArgs, accuracy, bench, files, print, put};
use crate::backend::jit::{JitOptions, Vectors, asm, clif};
use crate::function::{Function, FunctionError};
use crate::graph::{Func, visit};
use crate::kernel;
use crate::kernel::count::{OpCounts, count};
use crate::kernel::ir::Kernel;
use crate::print::{label, latex, nab};
use crate::saved;
use crate::simplify::{self, SimplifyOptions, optimize_until};
use crate::sparsity::{Pattern, column_coloring, row_coloring, star_coloring};
use crate::syntax::{Code, SourceMap, dump, parse};

/// Show a function at a stage on its way to machine code
#[derive(clap::Args)]
pub struct Args {
    #[arg(value_enum)]
    stage: Stage,
    #[command(flatten)]
    model: ModelArgs,
    /// Write the picture of `spy` to this file
    #[arg(short = 'o', value_name = "FILE.svg")]
    picture: Option<PathBuf>,
    /// Where `accuracy` looks: a list of objects with values by name (.json), or how many points to
    /// make up
    #[arg(long, value_name = "FILE or N")]
    points: Option<String>,
    #[command(flatten)]
    simplify: SimplifyArgs,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Stage {
    /// The syntax tree
    Ast,
    /// The graph before simplification
    Graph,
    /// The formulas of all outputs, as a program of the language
    Formula,
    /// The same for LaTeX
    Latex,
    /// The instructions that engines read
    Kernel,
    /// Cranelift's intermediate form
    Clif,
    /// Machine code
    Asm,
    /// The patterns of sparse outputs
    Spy,
    /// Operations, their weighted cost and the time of each stage of simplification
    Cost,
    /// How few directional derivatives give each sparse output
    Colors,
    /// The digits that outputs lose, as written and simplified, and the operation that loses them
    Accuracy,
}

pub fn run(args: &Args, out: &mut impl Write) -> Result<(), Failure> {
    if args.picture.is_some() && !matches!(args.stage, Stage::Spy) {
        return Err(Failure::usage("`-o` is for `show spy`"));
    }
    if args.points.is_some() && !matches!(args.stage, Stage::Accuracy) {
        return Err(Failure::usage("`--points` is for `show accuracy`"));
    }
    if let Stage::Ast = args.stage {
        let (name, text) = files::read(&args.model.file)?;
        if saved::is_saved(&name, &text) {
            return Err(Failure::plain("a saved model has no syntax tree; `show graph` works"));
        }
        let mut sources = SourceMap::new();
        let file = sources.add(name.as_str(), text.as_str());
        let (ast, diagnostics) = parse(&text, file);
        put(out, &dump(&ast))?;
        return match diagnostics.iter().any(|d| d.is_error()) {
            true => Err(Failure::diagnostics(&diagnostics, &sources)),
            false => Ok(()),
        };
    }
    let opened = args.model.open()?;
    let function = opened.function.clone();
    let options = args.simplify.options()?;
    let kernel = |build: fn(&Arc<Func>) -> Kernel| {
        Arc::new(kernel::roll::rolled(build(&function.optimized(&options))))
    };
    let engine = |e| Failure::from(FunctionError::Engine(e));
    let jit = JitOptions::default();
    let text = match args.stage {
        Stage::Ast => String::new(),
        Stage::Graph => graph(function.func()),
        Stage::Formula => formula(&function)?,
        Stage::Latex => latex(&function.readable()),
        Stage::Kernel => kernel::print::text(&kernel(kernel::build)),
        Stage::Clif => {
            let alone = JitOptions { vectors: Vectors::Narrow, ..jit };
            clif(&kernel(kernel::build_in_place), &alone).map_err(engine)?
        }
        Stage::Asm => asm(&kernel(kernel::build_in_place), &jit).map_err(engine)?,
        Stage::Spy => spy(args, &opened)?,
        Stage::Cost => cost(&function, &options),
        Stage::Accuracy => accuracy::report(&opened, &options, args.points.as_deref())?,
        Stage::Colors => per_sparse_output(&function, colors),
    };
    put(out, &text)
}

/// The program of a function in order, or of the function itself where that has none.
fn formula(function: &Function) -> Result<String, Failure> {
    let text = nab(&function.readable()).or_else(|_| nab(function));
    text.map_err(|e| Failure::new(Code::NoSpelling, &e.to_string()))
}

/// A line for each node of a function and of all that it calls.
fn graph(func: &Arc<Func>) -> String {
    let mut text = String::new();
    let mut seen: FxHashSet<Arc<Func>> = FxHashSet::default();
    let mut open = vec![func.clone()];
    while let Some(func) = open.pop() {
        if !seen.insert(func.clone()) {
            continue;
        }
        let inputs: Vec<String> = func
            .inputs
            .iter()
            .map(|port| format!("{}: {}", port.name, print::pattern(&port.pattern)))
            .collect();
        let _ = writeln!(
            text,
            "function {} #{:x} ({})",
            func.name,
            func.content_hash(),
            inputs.join(", ")
        );
        let Some((graph, outputs)) = func.graph() else {
            text.push_str("  external\n");
            continue;
        };
        for id in visit::reachable(graph, outputs) {
            let op = label(graph, id);
            let args: Vec<String> = graph.args(id).iter().map(|a| format!("%{}", a.0)).collect();
            let callees: Vec<String> =
                graph.callees(id).map(|f| format!(" {}#{:x}", f.name, f.content_hash())).collect();
            let _ = writeln!(
                text,
                "  %{} = {op}({}){}  # {}",
                id.0,
                args.join(", "),
                callees.concat(),
                print::pattern(graph.pattern(id))
            );
            open.extend(graph.callees(id).cloned());
        }
        for (port, root) in func.outputs.iter().zip(outputs) {
            let _ = writeln!(text, "  output {} = %{}", port.name, root.0);
        }
    }
    text
}

fn per_sparse_output(function: &Function, show: impl Fn(&Pattern) -> String) -> String {
    let mut text = String::new();
    for output in function.outputs() {
        if !output.pattern.is_dense() {
            let _ = writeln!(text, "{}: {}", output.name, print::pattern(&output.pattern));
            text.push_str(&show(&output.pattern));
        }
    }
    if text.is_empty() { "all outputs are dense\n".to_owned() } else { text }
}

/// The patterns of sparse outputs, with the names of the blocks of a problem.
fn pictures(opened: &Opened) -> Vec<Picture> {
    let mut pictures = Vec::new();
    for output in opened.function.outputs().iter().filter(|o| !o.pattern.is_dense()) {
        let (rows, columns) = match &opened.problem {
            Some(problem) if &*output.name == "jac_g" => {
                (problem.row_blocks(), problem.column_blocks())
            }
            Some(problem) if &*output.name == "hess_l" => {
                (problem.column_blocks(), problem.column_blocks())
            }
            _ => (Vec::new(), Vec::new()),
        };
        let (name, pattern) = (output.name.to_string(), output.pattern.clone());
        pictures.push(Picture { name, pattern, rows, columns });
    }
    pictures
}

fn spy(args: &Args, opened: &Opened) -> Result<String, Failure> {
    let pictures = pictures(opened);
    if let Some(path) = &args.picture {
        files::write_whole(path, &svg(&pictures))?;
        return Ok(format!("wrote {}\n", path.display()));
    }
    let show = |p: &Picture| format!("{}: {}\n{}", p.name, print::pattern(&p.pattern), p.text());
    Ok(match pictures.is_empty() {
        true => "all outputs are dense\n".to_owned(),
        false => pictures.iter().map(show).collect(),
    })
}

/// Colors that the pattern needs by columns, by rows and, if it is symmetric, by stars.
fn colors(pattern: &Pattern) -> String {
    let mut text = format!(
        "  columns: {} colors\n  rows: {} colors\n",
        column_coloring(pattern).n_colors,
        row_coloring(pattern).n_colors
    );
    if pattern.n_rows() == pattern.n_cols()
        && pattern.transpose().0 == *pattern
        && let Some(star) = star_coloring(pattern)
    {
        let _ = writeln!(text, "  star (symmetric): {} colors", star.n_colors);
    }
    text
}

/// Operations, their cost and the time of each stage.
fn cost(function: &Function, options: &SimplifyOptions) -> String {
    let mut rows = vec![("construction", counted(function.func()), None)];
    let mut before_s = 0.0;
    for stage in simplify::Stage::ALL {
        let start = Instant::now();
        let func = optimize_until(function.func(), options, stage);
        let seconds = start.elapsed().as_secs_f64();
        // A stage is run with those before it.
        rows.push((stage.name(), counted(&func), Some((seconds - before_s).max(0.0))));
        before_s = seconds;
    }
    let lines = rows.iter().map(|(stage, ops, seconds)| {
        let time = seconds.map_or(String::new(), |s| format!(", {:.1} ms", s * 1e3));
        format!("{stage:<14}cost {}, operations {}{time}\n", ops.cost, bench::counts_text(ops))
    });
    lines.collect()
}

fn counted(func: &Arc<Func>) -> OpCounts {
    count(&Arc::new(kernel::build(func)))
}
