//! Programs named on the command line, with the settings that choose their function.

use std::time::Instant;

use super::{Failure, files, warn};
use crate::data::Data;
use crate::function::Function;
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
        let is_saved = model.is_saved();
        let program = lowered.program;
        let dims = program.dims.iter().map(|(name, value)| (name.to_string(), *value)).collect();
        let derive_s = program.derive_s;
        let problem = Problem::new(&program, self.triangle());
        let inferred = program.inferred_dims;
        Ok(Opened { function, dims, problem, inferred, lower_s, derive_s, is_saved })
    }
}
