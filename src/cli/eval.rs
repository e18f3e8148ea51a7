//! `nablac eval`: values of the outputs at one point or at many.

use std::collections::BTreeMap;
use std::io::Write;

use super::open::ModelArgs;
use super::values::{Problem, read_points, resolve, unknown};
use super::{CompileArgs, Failure, Format, cancel, eprint_quietly, print, put, table};
use crate::backend::abi::Memory;
use crate::data::Value;
use crate::function::Compiled;
use crate::model;
use crate::syntax::Code;

/// Evaluate a function, such as `nablac eval f.nab x='[1.2, 1]' --output 'J = jac(f, x)'`
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Values of inputs: constant expressions of the language
    #[arg(value_name = "name=EXPR")]
    assignments: Vec<String>,
    /// Points: a list of objects with values by name (.json), or a table with a point in each row
    /// and titles such as `a,x[0],x[1]` (.csv), which gives a table of all outputs
    #[arg(long, value_name = "FILE")]
    points: Option<String>,
    #[command(flatten)]
    compile: CompileArgs,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub fn run(args: &Args, out: &mut impl Write) -> Result<(), Failure> {
    let opened = args.model.open()?;
    opened.check_externals()?;
    let given = assigned(&args.assignments, &opened.dims)?;
    let strangers = unknown(&opened.function, given.keys());
    if !strangers.is_empty() {
        return Err(strangers.into());
    }
    if let Some(file) = args.points.as_ref().filter(|file| file.ends_with(".csv")) {
        let compiled = args.compile.compile(&opened.function)?;
        opened.check_memory(&compiled.kernel)?;
        return table::run(file, &compiled, &given, args.format, out);
    }
    let points = match &args.points {
        Some(file) => read_points(file)?,
        None => {
            // Nothing is compiled for nothing.
            resolve(&opened.function, |name| given.get(name), false)?;
            vec![Ok(BTreeMap::new())]
        }
    };
    let compiled = args.compile.compile(&opened.function)?;
    opened.check_memory(&compiled.kernel)?;
    let mut memory = cancel::memory();
    let mut n_failed = 0;
    for (k, point) in points.iter().enumerate() {
        let result = match point {
            Ok(point) => evaluate(&compiled, &given, point, &mut memory),
            Err(problem) => Err(vec![problem.clone()]),
        };
        if args.points.is_some() && args.format == Format::Text {
            put(out, &format!("{}point {k}:\n", if k > 0 { "\n" } else { "" }))?;
        }
        match result {
            Ok(values) => put(out, &shown(&compiled, &values, args.format))?,
            Err(problems) if args.points.is_none() => return Err(problems.into()),
            // The points that follow would be cancelled as well.
            Err(problems) if problems.iter().any(|p| p.code == Code::Cancelled) => {
                return Err(problems.into());
            }
            Err(problems) => {
                n_failed += 1;
                for problem in &problems {
                    let text = problem.failure().text.replacen(": ", &format!(": point {k}: "), 1);
                    eprint_quietly(&text);
                }
                if let (Format::Json, Some(first)) = (args.format, problems.first()) {
                    put(out, &print::json_error(first.code.id(), &first.message))?;
                } else {
                    put(out, "no values\n")?;
                }
            }
        }
    }
    if n_failed > 0 { Err(Failure::reported()) } else { Ok(()) }
}

/// Values of `name=EXPR`.
pub fn assigned(
    assignments: &[String],
    dims: &[(String, i64)],
) -> Result<BTreeMap<String, Value>, Failure> {
    let mut given = BTreeMap::new();
    let mut text = String::new();
    for assignment in assignments {
        let Some((name, expression)) = assignment.split_once('=') else {
            return Err(Failure::usage(&format!("`{assignment}` is not of the form name=EXPR")));
        };
        let name = name.trim();
        match model::constant(&format!("<{name}>"), expression, dims) {
            Ok((pattern, values)) => {
                given.insert(name.to_owned(), Value::new(pattern, values));
            }
            Err(e) => text.push_str(&Failure::from(e).text),
        }
    }
    if text.is_empty() { Ok(given) } else { Err(Failure { text, exit_code: 1 }) }
}

fn evaluate(
    compiled: &Compiled,
    given: &BTreeMap<String, Value>,
    point: &BTreeMap<String, Value>,
    memory: &mut Memory,
) -> Result<Vec<Vec<f64>>, Vec<Problem>> {
    let strangers = unknown(&compiled.function, point.keys());
    if !strangers.is_empty() {
        return Err(strangers);
    }
    let value = |name: &str| point.get(name).or_else(|| given.get(name));
    let inputs = resolve(&compiled.function, value, false)?;
    call(compiled, &inputs, memory).map_err(|problem| vec![problem])
}

/// Nonzeros of all outputs.
pub fn call(
    compiled: &Compiled,
    inputs: &[Vec<f64>],
    memory: &mut Memory,
) -> Result<Vec<Vec<f64>>, Problem> {
    let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    let mut outputs: Vec<Vec<f64>> =
        compiled.function.outputs().iter().map(|o| vec![0.0; o.pattern.nnz()]).collect();
    let mut wanted: Vec<Option<&mut [f64]>> =
        outputs.iter_mut().map(|values| Some(values.as_mut_slice())).collect();
    cancel::evaluating(|| compiled.evaluate_into(&inputs, &mut wanted, memory))
        .map_err(|e| Problem::evaluation(&e))?;
    Ok(outputs)
}

fn shown(compiled: &Compiled, values: &[Vec<f64>], format: Format) -> String {
    match format {
        Format::Json => print::json_line(&compiled.function, values),
        Format::Text => {
            let outputs = compiled.function.outputs().iter().zip(values);
            outputs.map(|(o, values)| print::text(&o.name, &o.pattern, values)).collect()
        }
    }
}
