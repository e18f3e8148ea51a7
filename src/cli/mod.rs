//! The command line: one file a command.
//!
//! A command takes its parsed arguments and gives what goes to standard output; what is wrong
//! comes back as a [`Failure`] with the exit code: 1 for a mistake of the user's in program or
//! data, 2 for wrong usage.

mod accuracy;
mod bench;
mod cancel;
mod check;
mod emit;
mod eval;
mod explain;
mod files;
mod fmt;
mod new;
mod open;
mod print;
mod rules;
mod show;
mod spy;
mod table;
mod test;
mod values;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::backend::jit::has_vectors;
use crate::function::{Compiled, EngineKind, Function, FunctionError, Options};
use crate::model::ModelError;
use crate::saved::Cache;
use crate::simplify::SimplifyOptions;
use crate::simplify::rules::Math;
use crate::syntax::{Code, Diagnostic, SourceMap, render_all};

/// Symbolic derivatives of matrix formulas, compiled to machine code or to C.
///
/// A FILE holds one function, from its inputs and parameters to its outputs: a program, or a
/// model saved by `emit json`. `-` stands for standard input. Try:
///
///   nablac new hello
///   nablac check hello.nab
///   nablac eval hello.nab x='[1.2, 1]'
///   nablac test hello.nab
#[derive(Parser)]
#[command(name = "nablac", version, verbatim_doc_comment)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Args),
    Eval(eval::Args),
    Emit(emit::Args),
    Show(show::Args),
    Test(test::Args),
    Bench(bench::Args),
    Fmt(fmt::Args),
    Rules(rules::Args),
    Explain(explain::Args),
    New(new::Args),
}

/// Why a command gave no result, or only part of it.
struct Failure {
    /// For standard error.
    text: String,
    exit_code: u8,
}

impl Failure {
    /// A mistake that has no place in a text.
    fn new(code: Code, message: &str) -> Failure {
        Failure { text: format!("error[{}]: {message}\n", code.id()), exit_code: 1 }
    }

    /// A mistake without a code, such as a file that cannot be written.
    fn plain(message: &str) -> Failure {
        Failure { text: format!("error: {message}\n"), exit_code: 1 }
    }

    /// Arguments that do not fit together.
    fn usage(message: &str) -> Failure {
        Failure { text: format!("error: {message}\n"), exit_code: 2 }
    }

    /// What was wrong has been printed.
    fn reported() -> Failure {
        Failure { text: String::new(), exit_code: 1 }
    }

    fn help(mut self, line: &str) -> Failure {
        self.text.push_str(&format!("  = help: {line}\n"));
        self
    }

    fn diagnostics(diagnostics: &[Diagnostic], sources: &SourceMap) -> Failure {
        let color = std::io::stderr().is_terminal();
        Failure { text: render_all(diagnostics, sources, color), exit_code: 1 }
    }
}

impl From<Box<ModelError>> for Failure {
    fn from(e: Box<ModelError>) -> Failure {
        Failure::diagnostics(&e.diagnostics, &e.sources)
    }
}

impl From<FunctionError> for Failure {
    fn from(e: FunctionError) -> Failure {
        use crate::backend::c::CEngineError;
        match &e {
            FunctionError::C(CEngineError::NoCompiler { .. }) => {
                Failure::new(Code::NoCompiler, &e.to_string())
            }
            _ => Failure::plain(&e.to_string()),
        }
    }
}

/// How a function is compiled.
#[derive(clap::Args, Clone, Debug)]
struct CompileArgs {
    /// What evaluates
    #[arg(long, value_enum, default_value_t = Engine::fastest())]
    engine: Engine,
    /// Most threads that compile, and that share the iterations of a long loop; by default as
    /// many as the machine runs at once. Results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Keep simplified functions in this folder, and take them from there
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    #[command(flatten)]
    simplify: SimplifyArgs,
}

/// How a function is simplified.
#[derive(clap::Args, Clone, Debug)]
struct SimplifyArgs {
    /// Effort of simplification
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=3))]
    level: u8,
    /// What simplification promises: the same bits, the same real number, or an approximation
    #[arg(long, value_enum, default_value_t = MathArg::Real)]
    math: MathArg,
    /// Rewrite rules of your own beside the built-in ones; `nablac rules --help` tells how they
    /// are written
    #[arg(long, value_name = "FILE.rules")]
    rules: Option<String>,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq)]
enum Engine {
    /// Machine code, made in milliseconds, with vectors of four or, with AVX-512, eight; needs AVX2
    /// and FMA
    Vector,
    /// Machine code by Cranelift alone
    Jit,
    /// The interpreter, ready at once
    Interp,
    /// C, compiled by `cc`
    C,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum MathArg {
    Strict,
    Real,
    Fast,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq)]
enum Format {
    Text,
    Json,
}

impl Engine {
    /// Those of this machine.
    fn all() -> Vec<Engine> {
        let vector = has_vectors().then_some(Engine::Vector);
        vector.into_iter().chain([Engine::Jit, Engine::Interp, Engine::C]).collect()
    }

    /// The fastest machine code that this machine runs.
    fn fastest() -> Engine {
        if has_vectors() { Engine::Vector } else { Engine::Jit }
    }

    fn kind(self) -> EngineKind {
        match self {
            Engine::Vector => EngineKind::Vector,
            Engine::Jit => EngineKind::Jit,
            Engine::Interp => EngineKind::Interp,
            Engine::C => EngineKind::C,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Engine::Vector => "vector",
            Engine::Jit => "jit",
            Engine::Interp => "interp",
            Engine::C => "c",
        }
    }
}

impl SimplifyArgs {
    /// Reads the rules of the user.
    fn options(&self) -> Result<SimplifyOptions, Failure> {
        let math = match self.math {
            MathArg::Strict => Math::Strict,
            MathArg::Real => Math::Real,
            MathArg::Fast => Math::Fast,
        };
        let rules = match &self.rules {
            Some(_) if self.level < 2 => {
                return Err(Failure::usage("`--rules` needs `--level 2` or `--level 3`"));
            }
            Some(file) => Some(rules::read(file)?),
            None => None,
        };
        Ok(SimplifyOptions { level: self.level, math, rules })
    }
}

impl CompileArgs {
    /// Compiles a function.
    fn compile(&self, function: &Function) -> Result<Compiled, Failure> {
        let options = self.options()?;
        let Some(folder) = &self.cache else { return Ok(function.compile(&options)?) };
        let start = std::time::Instant::now();
        let optimized = Cache::new(folder).optimized(function, &options.simplify);
        let simplify_s = start.elapsed().as_secs_f64();
        let mut compiled = function.compile_optimized(optimized, &options)?;
        compiled.timing.simplify_s = simplify_s;
        Ok(compiled)
    }

    fn options(&self) -> Result<Options, Failure> {
        let threads = self.threads.map_or(0, usize::from);
        let simplify = self.simplify.options()?;
        Ok(Options { engine: self.engine.kind(), simplify, threads, ..Options::default() })
    }
}

/// Runs the command line with the arguments of the program, its name first.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(e) => {
            // Nothing to be done when the message cannot be written.
            let _ = e.print();
            return ExitCode::from(u8::try_from(e.exit_code()).unwrap_or(2));
        }
    };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let result = match cli.command {
        Command::Check(args) => check::run(&args, &mut out),
        Command::Eval(args) => eval::run(&args, &mut out),
        Command::Emit(args) => emit::run(&args, &mut out),
        Command::Show(args) => show::run(&args, &mut out),
        Command::Test(args) => test::run(&args, &mut out),
        Command::Bench(args) => bench::run(&args, &mut out),
        Command::Fmt(args) => fmt::run(&args, &mut out),
        Command::Rules(args) => rules::run(&args, &mut out),
        Command::Explain(args) => explain::run(&args, &mut out),
        Command::New(args) => new::run(&args, &mut out),
    };
    let result = match (result, out.flush()) {
        (Ok(()), Err(e)) => Err(unwritable(e)),
        (result, _) => result,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprint_quietly(&failure.text);
            ExitCode::from(failure.exit_code)
        }
    }
}

/// Writes to standard output; the reader may have gone.
fn put(out: &mut impl Write, text: &str) -> Result<(), Failure> {
    out.write_all(text.as_bytes()).map_err(unwritable)
}

fn unwritable(e: std::io::Error) -> Failure {
    match e.kind() {
        std::io::ErrorKind::BrokenPipe => Failure { text: String::new(), exit_code: 0 },
        _ => Failure::plain(&format!("standard output cannot be written: {e}")),
    }
}

fn eprint_quietly(text: &str) {
    // Nothing to be done when standard error is closed.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Warnings of a program that can run.
fn warn(diagnostics: &[Diagnostic], sources: &SourceMap) {
    if !diagnostics.is_empty() {
        eprint_quietly(&render_all(diagnostics, sources, std::io::stderr().is_terminal()));
    }
}
