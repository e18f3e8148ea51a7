//! `nablac emit`: a function in other languages.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::open::ModelArgs;
use super::{Failure, SimplifyArgs, files, put};
use crate::backend::c::{CFunction, COptions, CPort, emit};
use crate::function::Function;
use crate::kernel;
use crate::print::{dot, latex, nab};
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
    /// NAME.c and NAME.h, in CasADi's calling convention
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
    let function = args.model.open()?.function;
    match args.target {
        Target::C => emit_c(args, &function, out),
        Target::Dot => write(&args.directory, function.name(), "dot", &dot(function.func()), out),
        Target::Latex => write(&args.directory, function.name(), "tex", &latex(&function), out),
        Target::Nab => {
            let text =
                nab(&function).map_err(|e| Failure::new(Code::NoSpelling, &e.to_string()))?;
            write(&args.directory, function.name(), "nab", &text, out)
        }
        Target::Json => write(&args.directory, function.name(), "json", &function.to_json(), out),
    }
}

fn emit_c(args: &Args, function: &Function, out: &mut impl Write) -> Result<(), Failure> {
    let optimized = function.optimized(&args.simplify.options());
    let unit = |units: &[Arc<str>]| (!units.is_empty()).then(|| units.join(", "));
    let exported = CFunction {
        name: function.name().to_owned(),
        inputs: function
            .inputs()
            .iter()
            .map(|input| CPort {
                name: input.name.to_string(),
                pattern: input.pattern.clone(),
                default: input.default.clone(),
                unit: unit(&input.unit),
            })
            .collect(),
        outputs: function
            .outputs()
            .iter()
            .map(|output| CPort {
                name: output.name.to_string(),
                pattern: output.pattern.clone(),
                default: None,
                unit: unit(&output.unit),
            })
            .collect(),
        kernel: Arc::new(kernel::build(&optimized)),
    };
    let written = emit(function.name(), &[exported], &COptions::default())
        .map_err(|e| Failure::plain(&e.to_string()))?;
    for (extension, text) in [("c", &written.source), ("h", &written.header)] {
        write(&args.directory, function.name(), extension, text, out)?;
    }
    Ok(())
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
