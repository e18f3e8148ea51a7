//! Programs named on the command line, with the settings that choose their function.

use std::collections::BTreeMap;
use std::time::Instant;

use super::values::{Value, read_object};
use super::{Failure, files, warn};
use crate::function::Function;
use crate::model::Model;
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
    /// Values of inputs, parameters and dims by name
    #[arg(long, value_name = "FILE.json")]
    pub data: Vec<String>,
    /// Add an output
    #[arg(long = "output", value_name = "J = jac(f, x)")]
    pub outputs: Vec<String>,
}

/// A program that has been lowered.
pub struct Opened {
    pub function: Function,
    /// Dims given on the command line or in the data.
    pub dims: Vec<(String, i64)>,
    /// Values in the data that are no dims.
    pub data: BTreeMap<String, Value>,
    /// Seconds from text to graph.
    pub lower_s: f64,
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

impl ModelArgs {
    /// Reads and lowers the program; warnings go to standard error.
    pub fn open(&self) -> Result<Opened, Failure> {
        let (name, text) = files::read(&self.file)?;
        let mut model = Model::parse(&name, &text);
        let mut data = BTreeMap::new();
        for file in &self.data {
            data.extend(read_object(file)?);
        }
        let mut dims = Vec::new();
        if !data.is_empty() {
            for name in model.dim_names() {
                if let Some(value) = data.remove(&name) {
                    let Some(integer) = value.as_integer() else {
                        return Err(Failure::new(
                            Code::UnreadableData,
                            &format!("the dim `{name}` in the data is not an integer"),
                        ));
                    };
                    dims.push((name, integer));
                }
            }
        }
        dims.retain(|(name, _)| self.dims.iter().all(|(given, _)| given != name));
        dims.extend(self.dims.iter().cloned());
        for (name, value) in &dims {
            model = model.dim(name, *value);
        }
        for (name, value) in &data {
            if value.is_sparse {
                model = model.pattern(name, value.pattern.clone());
            }
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
        if self.function.is_some() {
            // The data is for the file; its `fn` may read part of it.
            data.retain(|name, _| function.input(name).is_ok());
        }
        Ok(Opened { function, dims, data, lower_s, is_saved: model.is_saved() })
    }
}
