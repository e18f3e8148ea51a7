//! Programs named on the command line, with the settings that choose their function.

use std::sync::Arc;
use std::time::Instant;

use super::{Failure, files, warn};
use crate::data::Data;
use crate::function::Function;
use crate::kernel::count::memory_bytes;
use crate::kernel::ir::Kernel;
use crate::lower::{InferredDim, Triangle};
use crate::model::Model;
use crate::problem::Problem;
use crate::saved;
use crate::syntax::Code;

/// The program and its settings.
#[derive(clap::Args, Clone, Debug)]
pub struct ModelArgs {
    /// Program or saved model, or `-` for standard input
    pub file: String,
    /// Take this `fn` of the file as the function
    #[arg(long = "fn", value_name = "NAME")]
    pub function: Option<String>,
    /// Set a dim
    #[arg(long = "dim", value_name = "N=500", value_parser = dim)]
    pub dims: Vec<(String, i64)>,
    /// Values of inputs, parameters, dims and index arrays: a JSON object by name, or an array
    /// (.mtx, .csv, .npy) under the name of the file or NAME
    #[arg(long, value_name = "[NAME=]FILE")]
    pub data: Vec<String>,
    /// Store the upper triangle of the Hessian of a problem, not the lower one
    #[arg(long)]
    pub upper: bool,
    /// Refuse what takes more memory: bytes, or a number of K, M, G or T; by default as much as
    /// the computer has
    #[arg(long, value_name = "2G", value_parser = size)]
    pub max_memory: Option<u64>,
    /// Add an output
    #[arg(long = "output", value_name = "J = jac(f, x)")]
    pub outputs: Vec<String>,
}

/// A program that has been lowered.
pub struct Opened {
    pub function: Function,
    /// The dims of the program.
    pub dims: Vec<(String, i64)>,
    /// The optimisation problem, if the file has one and no `fn` is chosen.
    pub problem: Option<Problem>,
    /// Dims whose values follow from the data.
    pub inferred: Vec<InferredDim>,
    /// Seconds from text to graph, derivatives among them.
    pub lower_s: f64,
    /// Seconds in which derivatives were made.
    pub derive_s: f64,
    is_saved: bool,
    max_memory: u64,
}

impl Opened {
    /// Refuses a saved model that needs functions which nobody supplies here.
    pub fn check_externals(&self) -> Result<(), Failure> {
        let missing = match self.is_saved {
            true => saved::missing_externals(self.function.func()),
            false => Vec::new(),
        };
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!("the model needs functions from outside: {}", missing.join(", "));
        Err(Failure::new(Code::MissingExternal, &message).help(
            "supply them from Rust by `Model::load(..).external(..)`, or `emit c` and link them",
        ))
    }

    /// Refuses a kernel whose evaluation takes more than `--max-memory`, or than there is.
    pub fn check_memory(&self, kernel: &Arc<Kernel>) -> Result<(), Failure> {
        let needed = memory_bytes(kernel);
        if needed <= self.max_memory {
            return Ok(());
        }
        let (needed, limit) = (size_text(needed), size_text(self.max_memory));
        let message = format!("an evaluation takes {needed} of memory; the limit is {limit}");
        Err(self.too_large(&message))
    }

    /// Refuses outputs that take more than `--max-memory`, or than there is.
    fn check_outputs(&self) -> Result<(), Failure> {
        let outputs = self.function.outputs().iter();
        let nnz = outputs.map(|o| o.pattern.nnz() as u64).fold(0, u64::saturating_add);
        let needed = nnz.saturating_mul(8);
        if needed <= self.max_memory {
            return Ok(());
        }
        let (needed, limit) = (size_text(needed), size_text(self.max_memory));
        Err(self.too_large(&format!("the outputs take {needed}; the limit is {limit}")))
    }

    /// A failure that names the largest output.
    fn too_large(&self, message: &str) -> Failure {
        let failure = Failure::new(Code::TooLarge, message);
        let outputs = self.function.outputs().iter();
        match outputs.max_by_key(|output| output.pattern.nnz()) {
            Some(output) => failure.help(&format!(
                "the largest output is `{}`, {}x{} with {} nonzeros; products with vectors are \
                 small: `jvp(y, x, v)`, `hvp(f, x, v)`",
                output.name,
                output.pattern.n_rows(),
                output.pattern.n_cols(),
                output.pattern.nnz()
            )),
            None => failure,
        }
        .help("`--max-memory` sets the limit")
    }
}

/// `2G`, `500M` or `1000000` in bytes.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text[digits.len()..].to_ascii_uppercase().trim_end_matches('B') {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return Err("write a number of bytes, such as 500M or 2G".to_owned()),
    };
    let number: f64 = digits.parse().map_err(|_| format!("`{digits}` is not a number"))?;
    if number > 0.0 { Ok((number * unit as f64) as u64) } else { Err("it is above 0".to_owned()) }
}

/// Bytes of memory that the computer has, where it tells.
fn physical_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1 << 10)
}

/// `1.5 GB`
fn size_text(bytes: u64) -> String {
    let units = [("GB", 1u64 << 30), ("MB", 1 << 20), ("KB", 1 << 10)];
    match units.iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} bytes"),
    }
}

pub fn dim(text: &str) -> Result<(String, i64), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=NUMBER")?;
    let value = value.trim().parse().map_err(|_| format!("`{value}` is not an integer"))?;
    Ok((name.trim().to_owned(), value))
}

/// All values of the files, later ones in the place of earlier ones; `-` is JSON from standard
/// input.
pub fn read_data(files: &[String]) -> Result<Data, Failure> {
    let mut data = Data::new();
    for file in files {
        let read = if file == "-" {
            let (name, text) = files::read(file)?;
            Data::from_json(&name, &text)
        } else {
            Data::load(file)
        };
        data.extend(read.map_err(|e| Failure::new(e.code, &e.to_string()))?);
    }
    Ok(data)
}

impl ModelArgs {
    fn triangle(&self) -> Triangle {
        if self.upper { Triangle::Upper } else { Triangle::Lower }
    }

    /// Reads and lowers the program; warnings go to standard error.
    pub fn open(&self) -> Result<Opened, Failure> {
        let (name, text) = files::read(&self.file)?;
        let mut model =
            Model::parse(&name, &text).data(read_data(&self.data)?).triangle(self.triangle());
        let max_memory = self.max_memory.or_else(physical_memory).unwrap_or(u64::MAX);
        model = model.max_memory(max_memory);
        for (name, value) in &self.dims {
            model = model.dim(name, *value);
        }
        for output in &self.outputs {
            model = model.output(output);
        }
        if let Some(function) = &self.function {
            model = model.select(function);
        }
        let start = Instant::now();
        let lowered = model.lower()?;
        let lower_s = start.elapsed().as_secs_f64();
        warn(&lowered.program.diagnostics, &lowered.sources);
        let function = lowered.function();
        let program = lowered.program;
        let dims = program.dims.iter().map(|(name, value)| (name.to_string(), *value)).collect();
        let derive_s = program.derive_s;
        let problem = Problem::new(&program, self.triangle());
        let (inferred, is_saved) = (program.inferred_dims, model.is_saved());
        let opened =
            Opened { function, dims, problem, inferred, lower_s, derive_s, is_saved, max_memory };
        opened.check_outputs()?;
        Ok(opened)
    }
}
