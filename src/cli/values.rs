//! Values of inputs: of points, from expressions, and fitted to what a function declares.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{Failure, cancel};
use crate::backend::abi::EvalError;
use crate::data::{DataError, Value, fitted, json};
use crate::function::{Function, Input};
use crate::sparsity::Pattern;
use crate::syntax::{Code, did_you_mean};

/// What is wrong with the values given to a function.
#[derive(Clone, Debug)]
pub struct Problem {
    pub code: Code,
    pub message: String,
    pub help: Option<String>,
}

impl Problem {
    pub fn new(code: Code, message: String) -> Problem {
        Problem { code, message, help: None }
    }

    pub fn evaluation(e: &EvalError) -> Problem {
        let code = match e {
            EvalError::Count { .. } | EvalError::Length { .. } => Code::WrongLength,
            EvalError::RangeViolated { .. } => Code::RangeViolated,
            EvalError::ExternalFailed { .. } => Code::ExternalFailed,
            EvalError::Cancelled { .. } => Code::Cancelled,
        };
        Problem::new(code, e.to_string())
    }

    fn data(e: &DataError) -> Problem {
        let place = e.place.as_ref().map_or(String::new(), |place| format!("{place}: "));
        Problem::new(e.code, format!("{place}{}", e.message))
    }

    pub fn failure(&self) -> Failure {
        let mut failure = Failure::new(self.code, &self.message);
        if self.code == Code::Cancelled {
            failure.exit_code = cancel::EXIT_CODE;
        }
        match &self.help {
            Some(line) => failure.help(line),
            None => failure,
        }
    }
}

impl From<Vec<Problem>> for Failure {
    fn from(problems: Vec<Problem>) -> Failure {
        let mut all = Failure { text: String::new(), exit_code: 1 };
        for failure in problems.iter().map(Problem::failure) {
            all.text.push_str(&failure.text);
            all.exit_code = all.exit_code.max(failure.exit_code);
        }
        all
    }
}

/// Values of one point by name, or what is wrong with it.
pub type Point = Result<BTreeMap<String, Value>, Problem>;

/// A list of points; what is wrong with one does not touch the others.
pub fn read_points(file: &str) -> Result<Vec<Point>, Failure> {
    let failed = |message: String| {
        Failure::new(Code::UnreadableData, &format!("`{file}` cannot be read: {message}"))
    };
    let text = if file == "-" {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(file)
    };
    let text = text.map_err(|e| failed(e.to_string()))?;
    match json::parse(&text).map_err(|e| failed(e.to_string()))? {
        Json::Array(points) => {
            let point = |json| json::named_values(json).map_err(|e| Problem::data(&e));
            Ok(points.iter().map(point).collect())
        }
        _ => Err(Failure::new(Code::UnreadableData, &format!("`{file}` is not a list of points"))),
    }
}

/// The nonzeros of all inputs of a function from values by name, defaults for what is missing.
/// With `fill`, missing inputs get values of the benchmark.
pub fn resolve<'a>(
    function: &Function,
    given: impl Fn(&str) -> Option<&'a Value>,
    fill: bool,
) -> Result<Vec<Vec<f64>>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut inputs = Vec::with_capacity(function.inputs().len());
    for input in function.inputs() {
        let values = match (given(&input.name), &input.default) {
            (Some(value), _) => fit(input, value),
            (None, Some(default)) => Ok(default.clone()),
            (None, None) if fill => Ok(sample(input)),
            (None, None) => Err(missing(input)),
        };
        match values {
            Ok(values) => inputs.push(values),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(inputs) } else { Err(problems) }
}

/// Names that are no inputs of the function.
pub fn unknown<'a>(
    function: &Function,
    names: impl IntoIterator<Item = &'a String>,
) -> Vec<Problem> {
    let known = || function.inputs().iter().map(|input| &*input.name);
    let mut problems = Vec::new();
    for name in names {
        if function.input(name).is_ok() {
            continue;
        }
        let help = match did_you_mean(name, known()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the inputs are: {}", known().collect::<Vec<_>>().join(", ")),
        };
        problems.push(Problem {
            code: Code::UnknownInput,
            message: format!("there is no input `{name}`"),
            help: Some(help),
        });
    }
    problems
}

fn missing(input: &Input) -> Problem {
    let (r, c) = input.pattern.shape();
    let what = if input.is_param { "parameter" } else { "input" };
    let example = match (r, c) {
        (1, 1) => "1".to_owned(),
        (r, 1) if r <= 4 => format!("'[{}]'", vec!["1"; r].join(", ")),
        (r, 1) => format!("'ones({r})'"),
        (r, c) => format!("'ones({r}, {c})'"),
    };
    Problem {
        code: Code::MissingInput,
        message: format!("the {what} `{}` ({r}x{c}) has no value", input.name),
        help: Some(format!("give one, such as {}={example}", input.name)),
    }
}

fn fit(input: &Input, value: &Value) -> Result<Vec<f64>, Problem> {
    let (r, c) = input.pattern.shape();
    let given = value.pattern.shape();
    let is_row = value.is_list && given == (c, 1) && r == 1;
    let pattern = match given == (r, c) {
        true => value.pattern.clone(),
        false if is_row => Pattern::dense(r, c),
        false => {
            return Err(Problem::new(
                Code::WrongLength,
                format!("`{}` is {r}x{c}, the value given is {}x{}", input.name, given.0, given.1),
            ));
        }
    };
    let values = fitted(&pattern, &value.values, &input.pattern).map_err(|(row, col)| {
        Problem::new(
            Code::OutsidePattern,
            format!(
                "the value of `{}` lies outside its declared pattern: entry [{row}, {col}] is \
                 not zero",
                input.name
            ),
        )
    })?;
    if input.symmetric {
        check_symmetric(input, &values)?;
    }
    Ok(values)
}

/// Refuses values that differ from their transpose.
pub fn check_symmetric(input: &Input, values: &[f64]) -> Result<(), Problem> {
    for ((row, col), &value) in input.pattern.entries().zip(values) {
        let mirrored = input.pattern.find(col, row).and_then(|k| values.get(k)).copied();
        let mirrored = mirrored.unwrap_or(0.0);
        if mirrored != value && !(mirrored.is_nan() && value.is_nan()) {
            return Err(Problem::new(
                Code::NotSymmetric,
                format!(
                    "the value of `{}` is not symmetric: entry [{row}, {col}] is {value}, entry \
                     [{col}, {row}] is {mirrored}",
                    input.name
                ),
            ));
        }
    }
    Ok(())
}

/// Inputs at random, of all sizes from 1e-6 to 100, in their declared ranges; defaults where there
/// are some. Every `seed` makes another point.
pub fn scattered(function: &Function, seed: u64) -> Vec<Vec<f64>> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66_D1CE_4E5B;
    let mut random = || {
        // Marsaglia, "Xorshift RNGs" (2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut value = |range: Option<(f64, f64)>| {
        let sign = if random() < 0.5 { -1.0 } else { 1.0 };
        let value = sign * 10f64.powf(8.0 * random() - 6.0);
        match range {
            Some((lo, hi)) if (hi - lo).is_finite() => lo + (hi - lo) * random(),
            Some((lo, hi)) if lo > value || hi < value => {
                if lo.is_finite() {
                    lo + value.abs()
                } else {
                    hi - value.abs()
                }
            }
            _ => value,
        }
    };
    let mut of = |input: &Input| -> Vec<f64> {
        if let Some(values) = &input.default {
            return values.clone();
        }
        let mut values: Vec<f64> = input.pattern.entries().map(|_| value(input.range)).collect();
        if input.symmetric {
            for (k, (row, column)) in input.pattern.entries().enumerate() {
                match input.pattern.find(column, row) {
                    Some(mirrored) if row > column => values[k] = values[mirrored],
                    _ => {}
                }
            }
        }
        values
    };
    for _ in 0..4 {
        of(&Input::new("", Pattern::scalar()));
    }
    function.inputs().iter().map(of).collect()
}

/// 1 + 0.1 sin(i), clipped to the declared range; symmetric where declared so.
fn sample(input: &Input) -> Vec<f64> {
    let value = |i: usize| {
        let value = 1.0 + 0.1 * (i as f64).sin();
        match input.range {
            Some((lo, hi)) => value.max(lo).min(hi),
            None => value,
        }
    };
    if !input.symmetric {
        return (0..input.pattern.nnz()).map(value).collect();
    }
    let n_rows = input.pattern.n_rows();
    input.pattern.entries().map(|(r, c)| value(r.max(c) + r.min(c) * n_rows)).collect()
}
