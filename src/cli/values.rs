//! Values of inputs: from JSON, from expressions, and fitted to what a function declares.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{Failure, cancel};
use crate::backend::abi::EvalError;
use crate::function::{Function, Input};
use crate::lower::fitted;
use crate::sparsity::Pattern;
use crate::syntax::{Code, did_you_mean};

/// A matrix given by the user.
#[derive(Clone, Debug)]
pub struct Value {
    pub pattern: Pattern,
    pub values: Vec<f64>,
    /// A plain list, which may stand for a row as well.
    pub is_list: bool,
    /// Given with its pattern.
    pub is_sparse: bool,
}

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

impl Value {
    /// A value with its pattern.
    pub fn new(pattern: Pattern, values: Vec<f64>) -> Value {
        Value { pattern, values, is_list: false, is_sparse: false }
    }

    /// The value if it is a single integer.
    pub fn as_integer(&self) -> Option<i64> {
        match self.values[..] {
            [value] if self.pattern.is_scalar() && value.fract() == 0.0 && value.abs() < 1e15 => {
                Some(value as i64)
            }
            _ => None,
        }
    }

    /// A number, a list, a list of rows, or an object as `eval` prints it.
    fn from_json(json: &Json) -> Result<Value, Problem> {
        match json {
            Json::Array(items) if items.first().is_some_and(Json::is_array) => from_rows(items),
            Json::Array(items) => {
                let values = numbers(items)?;
                let pattern = shape(values.len() as u64, 1)?;
                Ok(Value { pattern, values, is_list: true, is_sparse: false })
            }
            Json::Object(object) => from_object(object),
            _ => Ok(Value::new(Pattern::scalar(), vec![number(json)?])),
        }
    }
}

fn unreadable(message: impl Into<String>) -> Problem {
    Problem::new(Code::UnreadableData, message.into())
}

fn number(json: &Json) -> Result<f64, Problem> {
    match json {
        Json::Number(n) => n.as_f64().ok_or_else(|| unreadable("a number is too large")),
        Json::Bool(b) => Ok(f64::from(u8::from(*b))),
        Json::String(s) => match s.as_str() {
            "nan" => Ok(f64::NAN),
            "inf" => Ok(f64::INFINITY),
            "-inf" => Ok(f64::NEG_INFINITY),
            _ => {
                Err(unreadable(format!("\"{s}\" is no number (\"nan\", \"inf\" and \"-inf\" are)")))
            }
        },
        Json::Null | Json::Array(_) | Json::Object(_) => {
            Err(unreadable("a number is expected where the data has something else"))
        }
    }
}

fn numbers(items: &[Json]) -> Result<Vec<f64>, Problem> {
    items.iter().map(number).collect()
}

fn shape(n_rows: u64, n_cols: u64) -> Result<Pattern, Problem> {
    Pattern::try_dense(n_rows, n_cols).map_err(|e| Problem::new(Code::TooLarge, e.to_string()))
}

fn from_rows(rows: &[Json]) -> Result<Value, Problem> {
    let mut read = Vec::with_capacity(rows.len());
    for row in rows {
        let Json::Array(row) = row else { return Err(unreadable("a row is not a list")) };
        read.push(numbers(row)?);
    }
    let n_cols = read.first().map_or(0, Vec::len);
    if read.iter().any(|row| row.len() != n_cols) {
        return Err(unreadable("the rows differ in length"));
    }
    let pattern = shape(rows.len() as u64, n_cols as u64)?;
    let values = (0..n_cols).flat_map(|j| read.iter().map(move |row| row[j])).collect();
    Ok(Value::new(pattern, values))
}

/// `{"shape": [r, c], "values": [...]}`, for a sparse value with `colptr` and `row`.
fn from_object(object: &serde_json::Map<String, Json>) -> Result<Value, Problem> {
    let bad = |what: &str| Problem::new(Code::PatternData, what.to_owned());
    let list = |key: &str| object.get(key).and_then(Json::as_array);
    let integers = |key: &str| -> Result<Vec<u32>, Problem> {
        let list =
            list(key).ok_or_else(|| bad(&format!("a sparse value needs the list `{key}`")))?;
        let integer = |json: &Json| json.as_u64().and_then(|n| u32::try_from(n).ok());
        list.iter()
            .map(|json| {
                integer(json).ok_or_else(|| bad(&format!("`{key}` has {json}, no integer")))
            })
            .collect()
    };
    let dims = integers("shape")?;
    let &[n_rows, n_cols] = dims.as_slice() else {
        return Err(bad("`shape` has to be two integers"));
    };
    let values = numbers(list("values").ok_or_else(|| bad("there is no list `values`"))?)?;
    let is_sparse = object.contains_key("colptr") || object.contains_key("row");
    let pattern = if is_sparse {
        let (colptr, rows) = (integers("colptr")?, integers("row")?);
        Pattern::check_size(n_rows.into(), 1)
            .and_then(|()| Pattern::from_csc(n_rows as usize, n_cols as usize, colptr, rows))
            .map_err(|e| bad(&e.to_string()))?
    } else {
        shape(n_rows.into(), n_cols.into())?
    };
    if pattern.nnz() != values.len() {
        return Err(bad(&format!(
            "there are {} values for {} nonzeros",
            values.len(),
            pattern.nnz()
        )));
    }
    Ok(Value { pattern, values, is_list: false, is_sparse })
}

fn parse_json(file: &str) -> Result<Json, Failure> {
    let failed = |reason: String| {
        Failure::new(Code::UnreadableData, &format!("`{file}` cannot be read: {reason}"))
    };
    let text = if file == "-" {
        std::io::read_to_string(std::io::stdin()).map_err(|e| failed(e.to_string()))?
    } else {
        std::fs::read_to_string(file).map_err(|e| failed(e.to_string()))?
    };
    serde_json::from_str(&text).map_err(|e| failed(e.to_string()))
}

fn named_values(json: &Json) -> Result<BTreeMap<String, Value>, Problem> {
    let Json::Object(object) = json else {
        return Err(unreadable("it is not an object of values by name"));
    };
    let mut values = BTreeMap::new();
    for (name, json) in object {
        let value = Value::from_json(json).map_err(|p| Problem {
            message: format!("the value of `{name}`: {}", p.message),
            ..p
        })?;
        values.insert(name.clone(), value);
    }
    Ok(values)
}

/// Values by name.
pub fn read_object(file: &str) -> Result<BTreeMap<String, Value>, Failure> {
    named_values(&parse_json(file)?)
        .map_err(|p| Problem { message: format!("`{file}`: {}", p.message), ..p }.failure())
}

/// Values of one point by name, or what is wrong with it.
pub type Point = Result<BTreeMap<String, Value>, Problem>;

/// A list of points; what is wrong with one does not touch the others.
pub fn read_points(file: &str) -> Result<Vec<Point>, Failure> {
    match parse_json(file)? {
        Json::Array(points) => Ok(points.iter().map(named_values).collect()),
        _ => Err(unreadable(format!("`{file}` is not a list of points")).failure()),
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

fn check_symmetric(input: &Input, values: &[f64]) -> Result<(), Problem> {
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
