//! `nablac test`: the `test` blocks of programs, in every engine.

use std::collections::BTreeMap;
use std::io::Write;

use super::values::resolve;
use super::{Engine, Failure, SimplifyArgs, cancel, eprint_quietly, eval, files, print, put};
use crate::backend::c::CEngineError;
use crate::data::Value;
use crate::function::{Function, FunctionError, Options};
use crate::lower::{Expectation, TestProgram};
use crate::model::{Lowered, Model};
use crate::simplify::SimplifyOptions;
use crate::syntax::{Code, Diagnostic, SourceMap};

/// Run the `test` blocks of programs in every engine
#[derive(clap::Args)]
pub struct Args {
    /// Programs, or `-` for standard input
    #[arg(required = true)]
    files: Vec<String>,
    /// Set a dim
    #[arg(long = "dim", value_name = "N=500", value_parser = super::open::dim)]
    dims: Vec<(String, i64)>,
    /// Values of index arrays and others, as for `eval`
    #[arg(long, value_name = "[NAME=]FILE")]
    data: Vec<String>,
    /// Only in this engine
    #[arg(long, value_enum)]
    engine: Option<Engine>,
    #[command(flatten)]
    simplify: SimplifyArgs,
}

/// How a test went.
struct Outcome {
    engines: Vec<&'static str>,
    /// Text for each failure.
    failures: Vec<String>,
}

pub fn run(args: &Args, out: &mut impl Write) -> Result<(), Failure> {
    let (mut n_passed, mut n_failed, mut n_broken) = (0, 0, 0);
    let mut failures = String::new();
    let data = super::open::read_data(&args.data)?;
    let simplify = args.simplify.options()?;
    for file in &args.files {
        let (name, text) = files::read(file)?;
        let mut model = Model::parse(&name, &text).data(data.clone());
        for (dim, value) in &args.dims {
            model = model.dim(dim, *value);
        }
        let n_tests = model.test_names().len();
        if n_tests == 0 {
            // A file without tests can still have mistakes.
            if let Err(e) = model.lower() {
                eprint_quietly(&Failure::from(e).text);
                n_broken += 1;
            } else {
                let what = if model.is_saved() { "saved model" } else { "program" };
                put(out, &format!("{what} {name}: no tests\n"))?;
            }
        }
        for (k, test) in model.test_names().into_iter().enumerate() {
            let lowered = match model.lower_test(Some(k)) {
                Ok(lowered) => lowered,
                Err(e) => {
                    // Mistakes outside of the tests would come back with each of them.
                    eprint_quietly(&Failure::from(e).text);
                    n_broken += 1;
                    break;
                }
            };
            let outcome = test_in_engines(&lowered, args, &simplify)?;
            let engines = outcome.engines.join(", ");
            if outcome.failures.is_empty() {
                n_passed += 1;
                put(out, &format!("test {name}: {test} ... ok ({engines})\n"))?;
            } else {
                n_failed += 1;
                put(out, &format!("test {name}: {test} ... FAILED\n"))?;
                failures.push_str(&format!("\n---- {name}: {test} ----\n"));
                failures.extend(outcome.failures);
            }
        }
    }
    if !failures.is_empty() {
        put(out, &failures)?;
    }
    let verdict = if n_failed + n_broken == 0 { "ok" } else { "FAILED" };
    let broken = match n_broken {
        0 => String::new(),
        1 => "; 1 file with mistakes".to_owned(),
        n => format!("; {n} files with mistakes"),
    };
    put(out, &format!("\ntest result: {verdict}. {n_passed} passed; {n_failed} failed{broken}\n"))?;
    if n_failed + n_broken == 0 { Ok(()) } else { Err(Failure::reported()) }
}

fn test_in_engines(
    lowered: &Lowered,
    args: &Args,
    simplify: &SimplifyOptions,
) -> Result<Outcome, Failure> {
    let function = lowered.function();
    let empty = TestProgram::default();
    let test = lowered.program.test.as_ref().unwrap_or(&empty);
    let mut outcome = Outcome { engines: Vec::new(), failures: Vec::new() };
    let engines = match args.engine {
        Some(engine) => vec![engine],
        None => Engine::all(),
    };
    let inputs = inputs(&function, test)?;
    let mut memory = cancel::memory();
    for engine in engines {
        let kind = engine.kind();
        let options = Options { engine: kind, simplify: simplify.clone(), ..Options::default() };
        let compiled = match function.compile(&options) {
            Err(FunctionError::C(CEngineError::NoCompiler { .. })) if args.engine.is_none() => {
                continue;
            }
            compiled => compiled?,
        };
        outcome.engines.push(engine.name());
        match eval::call(&compiled, &inputs, &mut memory) {
            Ok(outputs) => {
                for expectation in &test.expectations {
                    let failure = compare(&function, expectation, &outputs, &lowered.sources);
                    outcome
                        .failures
                        .extend(failure.map(|text| format!("engine {}:\n{text}", engine.name())));
                }
            }
            Err(problem) if problem.code == Code::Cancelled => return Err(problem.failure()),
            Err(problem) => {
                outcome.failures.push(format!(
                    "engine {}:\n{}",
                    engine.name(),
                    problem.failure().text
                ));
            }
        }
    }
    Ok(outcome)
}

fn inputs(function: &Function, test: &TestProgram) -> Result<Vec<Vec<f64>>, Failure> {
    let given: BTreeMap<&str, Value> = test
        .values
        .iter()
        .filter_map(|(k, values)| {
            let input = function.inputs().get(*k)?;
            let value = Value::new(input.pattern.clone(), values.clone());
            Some((&*input.name, value))
        })
        .collect();
    Ok(resolve(function, |name| given.get(name), false)?)
}

/// The failure of an expectation, if it does not hold.
fn compare(
    function: &Function,
    expectation: &Expectation,
    outputs: &[Vec<f64>],
    sources: &SourceMap,
) -> Option<String> {
    let side = |k: usize| Some((&function.outputs().get(k)?.pattern, outputs.get(k)?));
    let (left_pattern, left) = side(expectation.left)?;
    let (right_pattern, right) = side(expectation.right)?;
    let is_broadcast = right_pattern.is_scalar() && !left_pattern.is_scalar();
    let get = |pattern: &crate::sparsity::Pattern, values: &[f64], row: usize, col: usize| {
        pattern.find(row, col).and_then(|k| values.get(k)).copied().unwrap_or(0.0)
    };
    let (n_rows, n_cols) = left_pattern.shape();
    let mut n_wrong = 0usize;
    let mut worst: Option<(f64, usize, usize, f64, f64)> = None;
    for col in 0..n_cols {
        for row in 0..n_rows {
            let a = get(left_pattern, left, row, col);
            let b = match is_broadcast {
                true => get(right_pattern, right, 0, 0),
                false => get(right_pattern, right, row, col),
            };
            let error = (a - b).abs() / b.abs().max(1.0);
            // Equal infinities and two NaNs agree.
            if a == b || a.is_nan() && b.is_nan() || error <= expectation.tolerance {
                continue;
            }
            n_wrong += 1;
            let error = if error.is_nan() { f64::INFINITY } else { error };
            if worst.is_none_or(|(most, ..)| error > most) {
                worst = Some((error, row, col, a, b));
            }
        }
    }
    let (error, row, col, a, b) = worst?;
    let message = "the expectation does not hold";
    let mut diagnostic = Diagnostic::new(Code::TestFailed, expectation.span, message);
    let place = if (n_rows, n_cols) == (1, 1) {
        String::new()
    } else {
        format!(" in entry [{row}, {col}], the worst of {n_wrong}")
    };
    diagnostic = diagnostic.label(format!("{a:?} ~ {b:?}{place}")).help(format!(
        "the error is {}, the tolerance {}",
        print::number(error),
        print::number(expectation.tolerance)
    ));
    Some(crate::syntax::render(&diagnostic, sources, false))
}
