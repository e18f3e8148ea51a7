//! `nablac show accuracy`: the digits that outputs lose, as written and simplified, and the
//! operation that loses them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::open::Opened;
use super::values::{read_points, resolve, scattered, unknown};
use super::{Failure, cancel, print};
use crate::accuracy::{AccuracyError, Precise, Twin, digits_lost, run, to_f64};
use crate::function::{Function, Output};
use crate::kernel::{self, ir::Kernel};
use crate::simplify::SimplifyOptions;
use crate::syntax::Code;

/// Points where nothing else is asked for.
const N_POINTS: usize = 20;
/// Fewer digits get lost anywhere.
const FEW: f64 = 1.0;

/// The worst that happened to one output.
struct Worst {
    written: f64,
    simple: f64,
    /// Where most digits are lost after simplification.
    at: Option<Place>,
}

/// A nonzero of an output at one of the points.
struct Place {
    point: usize,
    nonzero: usize,
    simple: Twin,
    exact: f64,
}

/// The report for `points`: a file with a list of points, or how many points to make up.
pub fn report(
    opened: &Opened,
    options: &SimplifyOptions,
    points: Option<&str>,
) -> Result<String, Failure> {
    let function = &opened.function;
    opened.check_externals()?;
    let points = inputs(function, points)?;
    let written = Arc::new(kernel::build(function.func()));
    let simple = Arc::new(kernel::build(&function.optimized(options)));
    opened.check_memory(&written)?;
    let mut worst: Vec<Worst> =
        function.outputs().iter().map(|_| Worst { written: 0.0, simple: 0.0, at: None }).collect();
    let mut precise = Precise::new().ok_or_else(|| failed(&AccuracyError::NoMemory))?;
    for (k, inputs) in points.iter().enumerate() {
        let mut values = |kernel: &Arc<Kernel>| {
            let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
            let mut memory = cancel::memory();
            let run = || run(kernel, &inputs, &mut precise, &mut memory.context);
            cancel::evaluating(run).map_err(|e| failed(&e))
        };
        let (written, simple) = (values(&written)?, values(&simple)?);
        for (n, (written, simple)) in written.iter().zip(&simple).enumerate() {
            let worst = &mut worst[n];
            for (nonzero, (written, simple)) in written.iter().zip(simple).enumerate() {
                worst.written = worst.written.max(written.lost);
                let lost = digits_lost(simple.found, &written.exact);
                if lost > worst.simple {
                    worst.simple = lost;
                    let exact = to_f64(&written.exact);
                    worst.at = Some(Place { point: k, nonzero, simple: simple.clone(), exact });
                }
            }
        }
    }
    Ok(table(function, &points, &worst))
}

fn failed(e: &AccuracyError) -> Failure {
    match e {
        AccuracyError::Cancelled => Failure {
            exit_code: cancel::EXIT_CODE,
            ..Failure::new(Code::Cancelled, "the evaluation was cancelled")
        },
        AccuracyError::Range(..) => Failure::new(Code::RangeViolated, &e.to_string()),
        AccuracyError::External(_) => Failure::new(Code::ExternalFailed, &e.to_string()),
        _ => Failure::plain(&e.to_string()),
    }
}

/// The nonzeros of all inputs at all points.
fn inputs(function: &Function, points: Option<&str>) -> Result<Vec<Vec<Vec<f64>>>, Failure> {
    let count = points.map_or(Some(N_POINTS), |text| text.parse().ok());
    let Some(file) = points.filter(|_| count.is_none()) else {
        let all_given = function.inputs().iter().all(|input| input.default.is_some());
        let n = if all_given { 1 } else { count.unwrap_or(N_POINTS) };
        return Ok((0..n as u64).map(|k| scattered(function, k)).collect());
    };
    if file.ends_with(".csv") {
        return Err(Failure::usage("points are a list of objects (.json) here, or their number"));
    }
    let read = read_points(file)?.into_iter().map(|point| {
        let point: BTreeMap<_, _> = point.map_err(|e| e.failure())?;
        let strangers = unknown(function, point.keys());
        if !strangers.is_empty() {
            return Err(strangers.into());
        }
        Ok(resolve(function, |name| point.get(name), false)?)
    });
    read.collect()
}

/// What happens to a nonzero, and why.
fn told(output: &Output, at: &Place) -> String {
    let Place { nonzero, simple, exact, .. } = at;
    let entry = output.pattern.entries().nth(*nonzero);
    let place = match (output.pattern.shape(), entry) {
        ((1, 1), _) | (_, None) => String::new(),
        ((_, 1), Some((row, _))) => format!("[{row}]"),
        (_, Some((row, column))) => format!("[{row}, {column}]"),
    };
    let mut text = format!(
        "  {}{place} = {}, exactly {}\n",
        output.name,
        digits(simple.found),
        digits(*exact)
    );
    if let Some(step) = simple.step() {
        let args: Vec<String> = step.args.iter().map(|&v| digits(v)).collect();
        let _ = writeln!(
            text,
            "  `{}` loses {:.1} digits: with operands {} it is {}, exactly {}",
            step.formula(),
            step.digits,
            args.join(" and "),
            digits(step.found),
            digits(step.exact)
        );
    }
    text
}

/// A number with all its digits.
fn digits(value: f64) -> String {
    let mut text = String::new();
    print::all_digits(&mut text, value);
    text
}

fn table(function: &Function, points: &[Vec<Vec<f64>>], worst: &[Worst]) -> String {
    let names = || function.outputs().iter().map(|o| o.name.len());
    let width = names().max().unwrap_or(0).max("output".len());
    let mut text = format!(
        "decimal digits lost, of 16, at the worst of {} point{}\n{:width$}  as written  simplified\n",
        points.len(),
        if points.len() == 1 { "" } else { "s" },
        "output"
    );
    for (output, worst) in function.outputs().iter().zip(worst) {
        let Worst { written, simple, at } = worst;
        let _ = writeln!(text, "{:width$}  {written:10.1}  {simple:10.1}", output.name);
        let Some(at) = at.as_ref().filter(|_| *simple >= FEW) else { continue };
        text.push_str(&told(output, at));
        let k = at.point;
        let values = function.inputs().iter().zip(&points[k]);
        let short = values.filter(|(input, values)| values.len() == 1 && !input.is_param);
        let shown: Vec<String> = short
            .map(|(input, values)| format!("{} = {}", input.name, digits(values[0])))
            .collect();
        let separator = if shown.is_empty() { "" } else { ": " };
        let _ = writeln!(text, "  at point {k}{separator}{}", shown.join(", "));
    }
    text
}
