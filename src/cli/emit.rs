//! `nablac emit`: a function in other languages.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::open::{ModelArgs, Opened};
use super::{Failure, SimplifyArgs, files, put};
use crate::backend::c::{CFunction, COptions, CPort, emit};
use crate::function::{Function, FunctionError};
use crate::kernel;
use crate::print::{dot, latex, nab};
use crate::simplify::SimplifyOptions;
use crate::syntax::Code;

/// Write a function in another form: C, a saved model, a picture, formulas, a program
#[derive(clap::Args)]
pub struct Args {
    #[arg(value_enum)]
    target: Target,
    #[command(flatten)]
    model: ModelArgs,
    /// Directory for the files, made if it is missing
    #[arg(short = 'o', value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    #[command(flatten)]
    simplify: SimplifyArgs,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Target {
    /// NAME.c and NAME.h, in CasADi's calling convention; for a problem the functions that its
    /// `nlpsol` loads
    C,
    /// NAME.json, a saved model: every command takes it in place of a program
    Json,
    /// NAME.dot, a picture of the graph for Graphviz
    Dot,
    /// NAME.tex, formulas
    Latex,
    /// NAME.nab, a program that makes the same graph; not all graphs have one
    Nab,
}

pub fn run(args: &Args, out: &mut impl Write) -> Result<(), Failure> {
    let opened = args.model.open()?;
    let function = &opened.function;
    match args.target {
        Target::C => emit_c(args, &opened, out),
        Target::Dot => write(&args.directory, function.name(), "dot", &dot(function.func()), out),
        Target::Latex => write(&args.directory, function.name(), "tex", &latex(function), out),
        Target::Nab => {
            let text = nab(function).map_err(|e| Failure::new(Code::NoSpelling, &e.to_string()))?;
            write(&args.directory, function.name(), "nab", &text, out)
        }
        Target::Json => write(&args.directory, function.name(), "json", &function.to_json(), out),
    }
}

fn emit_c(args: &Args, opened: &Opened, out: &mut impl Write) -> Result<(), Failure> {
    let name = opened.function.name();
    let functions = match &opened.problem {
        Some(problem) => {
            let mut functions = problem
                .nlpsol_functions()
                .map_err(|e| Failure::from(FunctionError::Derivative(e)))?;
            functions.push(problem.bounds());
            functions
        }
        None => vec![opened.function.clone()],
    };
    let options = args.simplify.options()?;
    let exported: Vec<CFunction> = functions.iter().map(|f| c_function(f, &options)).collect();
    for function in &exported {
        opened.check_memory(&function.kernel)?;
    }
    let written =
        emit(name, &exported, &COptions::default()).map_err(|e| Failure::plain(&e.to_string()))?;
    for (extension, text) in [("c", &written.source), ("h", &written.header)] {
        write(&args.directory, name, extension, text, out)?;
    }
    Ok(())
}

fn c_function(function: &Function, options: &SimplifyOptions) -> CFunction {
    let optimized = function.optimized(options);
    let unit = |units: &[Arc<str>]| (!units.is_empty()).then(|| units.join(", "));
    let inputs = function.inputs().iter().map(|input| CPort {
        name: input.name.to_string(),
        pattern: input.pattern.clone(),
        // The data given for an input belong to one evaluation.
        default: input.default.clone().filter(|_| input.is_param),
        unit: unit(&input.unit),
    });
    let outputs = function.outputs().iter().map(|output| CPort {
        name: output.name.to_string(),
        pattern: output.pattern.clone(),
        default: None,
        unit: unit(&output.unit),
    });
    CFunction {
        name: function.name().to_owned(),
        inputs: inputs.collect(),
        outputs: outputs.collect(),
        kernel: Arc::new(kernel::roll::rolled(kernel::build(&optimized))),
    }
}

fn write(
    directory: &Path,
    name: &str,
    extension: &str,
    text: &str,
    out: &mut impl Write,
) -> Result<(), Failure> {
    std::fs::create_dir_all(directory).map_err(|e| {
        Failure::plain(&format!("the directory `{}` cannot be made: {e}", directory.display()))
    })?;
    let path = directory.join(format!("{name}.{extension}"));
    files::write_whole(&path, text)?;
    put(out, &format!("wrote {}\n", path.display()))
}
