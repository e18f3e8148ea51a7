//! Values by name from outside of a program: inputs, parameters, dims, index arrays, patterns.
//!
//! [`Data::load`] reads JSON (an object of values by name, see [`json`]) and files of one array:
//! Matrix Market, CSV and NPY. A mistake is a [`DataError`] with the file, the name and the place
//! in it. What a value is for is decided by who takes it ([`crate::lower`]).

mod csv;
pub mod json;
mod matrix_market;
mod npy;
mod sprs;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub use self::sprs::{WrongNumber, to_sprs};
use crate::sparsity::Pattern;
use crate::syntax::Code;

/// A matrix given from outside.
///
/// ```
/// use nablac::data::Value;
/// use nablac::sparsity::Pattern;
/// let value = Value::new(Pattern::dense(3, 1), vec![2.0, 0.0, 1.0]);
/// assert_eq!(value.integers(), Ok(vec![2, 0, 1]));
/// assert_eq!(Value::new(Pattern::scalar(), vec![0.5]).as_integer(), None);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    pub pattern: Pattern,
    /// By the pattern, column-major.
    pub values: Vec<f64>,
    /// A plain list, which may stand for a row as well; its pattern is a column.
    pub is_list: bool,
    /// Given with its pattern.
    pub is_sparse: bool,
}

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub value: Value,
    /// The file, if it is not given in Rust.
    pub file: Option<Arc<str>>,
}

/// Values by name.
///
/// ```
/// use nablac::data::{Data, Value};
///
/// let data = Data::from_json("<text>", r#"{"n": 2, "A": [[1, 2], [3, 4]]}"#)?;
/// assert_eq!(data.get("A").map(|entry| &entry.value.values[..]), Some(&[1.0, 3.0, 2.0, 4.0][..]));
/// let data = data.with("x", vec![0.5, 1.5]);
/// assert!(data.get("x").is_some_and(|entry| entry.value.is_list));
/// # Ok::<(), nablac::data::DataError>(())
/// ```
///
/// ```
/// use nablac::data::Data;
/// use nablac::model::Model;
/// let data = Data::from_json("data.json", r#"{"n": 2, "x": [3, 4]}"#)?;
/// assert_eq!(data.get("n").unwrap().value.as_integer(), Some(2));
/// // Dims and inputs take their values from the data, or from Rust.
/// let model = Model::parse("f.nab", "dim n\ninput x[n]\noutput f = norm2sq(x)").data(data);
/// assert_eq!(model.function()?.inputs()[0].default, Some(vec![3.0, 4.0]));
/// let error = Data::from_json("data.json", r#"{"n": 2,"#).unwrap_err();
/// assert!(error.to_string().contains("data.json"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Data {
    entries: BTreeMap<String, Entry>,
}

/// What is wrong with data, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct DataError {
    pub code: Code,
    /// The file; empty for what is given in Rust.
    pub file: String,
    /// `line 3, column 5`, or the entry: `x[3]`.
    pub place: Option<String>,
    pub message: String,
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            write!(f, "`{}`", self.file)?;
            if let Some(place) = &self.place {
                write!(f, ", {place}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for DataError {}

impl DataError {
    fn new(code: Code, message: impl Into<String>) -> DataError {
        DataError { code, file: String::new(), place: None, message: message.into() }
    }

    fn unreadable(message: impl Into<String>) -> DataError {
        DataError::new(Code::UnreadableData, message)
    }

    /// An input without a value.
    pub fn missing(message: String) -> DataError {
        DataError::new(Code::MissingInput, message)
    }

    fn at(mut self, place: impl Into<String>) -> DataError {
        self.place = Some(place.into());
        self
    }

    fn at_line(self, line: u64, column: usize) -> DataError {
        self.at(format!("line {line}, column {column}"))
    }

    fn in_file(mut self, file: &str) -> DataError {
        self.file = file.to_owned();
        self
    }
}

impl Data {
    /// Without values.
    pub fn new() -> Data {
        Data::default()
    }

    /// Reads `FILE` or `NAME=FILE`. The extension says what it is: `.mtx` is Matrix Market, `.csv`
    /// and `.npy` are arrays, anything else is JSON. A file with one array gives it the name
    /// before `=`, or else that of the file without its extension.
    ///
    /// # Errors
    /// The file cannot be read, or is not what its extension says.
    pub fn load(file: &str) -> Result<Data, DataError> {
        let (name, path) = match file.split_once('=') {
            Some((name, path)) if is_name(name.trim()) => (Some(name.trim()), path.trim()),
            _ => (None, file),
        };
        let in_file = |e: DataError| e.in_file(path);
        let read = || {
            std::fs::read(path)
                .map_err(|e| in_file(DataError::unreadable(format!("it cannot be read: {e}"))))
        };
        let extension = Path::new(path).extension().and_then(|e| e.to_str()).unwrap_or_default();
        let value = match extension.to_ascii_lowercase().as_str() {
            "mtx" => matrix_market::read(&read()?),
            "csv" => csv::read(&read()?),
            "npy" => npy::read(&read()?),
            _ if name.is_some() => {
                return Err(in_file(DataError::unreadable(
                    "only files of one array (.mtx, .csv, .npy) are given as NAME=FILE",
                )));
            }
            _ => {
                let text = String::from_utf8(read()?)
                    .map_err(|_| in_file(DataError::unreadable("it is no text")))?;
                return Data::from_json(path, &text);
            }
        };
        let stem = Path::new(path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let name = name.unwrap_or(stem);
        if !is_name(name) {
            return Err(in_file(DataError::unreadable(format!(
                "`{name}` cannot be the name of its array; write NAME={path}"
            ))));
        }
        let mut data = Data::new();
        let value = value.map_err(in_file)?;
        data.entries.insert(name.to_owned(), Entry { value, file: Some(path.into()) });
        Ok(data)
    }

    /// Reads an object of values by name; `file` stands in messages.
    ///
    /// # Errors
    /// The text is no JSON, or a value in it is none.
    pub fn from_json(file: &str, text: &str) -> Result<Data, DataError> {
        let values = json::parse(text).and_then(|json| json::named_values(&json));
        let values = values.map_err(|e| e.in_file(file))?;
        let file: Arc<str> = file.into();
        let entry = |value| Entry { value, file: Some(file.clone()) };
        Ok(Data { entries: values.into_iter().map(|(name, v)| (name, entry(v))).collect() })
    }

    /// Adds a value, in the place of an earlier one of this name.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Data {
        self.entries.insert(name.to_owned(), Entry { value: value.into(), file: None });
        self
    }

    /// Adds values; a later one takes the place of an earlier one.
    pub fn extend(&mut self, other: Data) {
        self.entries.extend(other.entries);
    }

    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// All names with their values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Entry {
    /// A mistake about this value.
    pub fn error(&self, code: Code, message: String) -> DataError {
        DataError::new(code, message).in_file(self.file.as_deref().unwrap_or_default())
    }

    /// The file's name, or that there is none, for messages.
    pub fn source(&self) -> String {
        match &self.file {
            Some(file) => format!("`{file}`"),
            None => "the data given".to_owned(),
        }
    }
}

impl Value {
    /// A value with its pattern, which is not taken as a declared one.
    pub fn new(pattern: Pattern, values: Vec<f64>) -> Value {
        Value { pattern, values, is_list: false, is_sparse: false }
    }

    fn list(values: Vec<f64>) -> Result<Value, DataError> {
        let pattern = shape(values.len() as u64, 1)?;
        Ok(Value { pattern, values, is_list: true, is_sparse: false })
    }

    /// The value as one of this shape: a plain list may stand for a row.
    pub fn for_shape(mut self, shape: (usize, usize)) -> Value {
        if self.is_list && shape == (1, self.pattern.n_rows()) {
            self.pattern = Pattern::dense(1, self.values.len());
        }
        self
    }

    /// The value if it is a single integer.
    pub fn as_integer(&self) -> Option<i64> {
        match self.values[..] {
            [value] if self.pattern.is_scalar() => integer(value),
            _ => None,
        }
    }

    /// Every entry, column-major, as an integer.
    ///
    /// # Errors
    /// The number of an entry that is no integer, and its value.
    pub fn integers(&self) -> Result<Vec<i64>, (usize, f64)> {
        let mut dense = vec![0; self.pattern.numel()];
        for (at, &value) in self.pattern.linear().zip(&self.values) {
            dense[at as usize] = integer(value).ok_or((at as usize, value))?;
        }
        Ok(dense)
    }

    /// `[3]`, or `[2, 1]` in a matrix: entry `at`, counted column-major.
    pub fn place(&self, at: usize) -> String {
        match self.pattern.shape() {
            (_, 1) => format!("[{at}]"),
            (n_rows, _) => format!("[{}, {}]", at % n_rows.max(1), at / n_rows.max(1)),
        }
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::new(Pattern::scalar(), vec![value])
    }
}

impl From<Vec<f64>> for Value {
    /// A plain list.
    fn from(values: Vec<f64>) -> Value {
        let pattern = Pattern::dense(values.len(), 1);
        Value { pattern, values, is_list: true, is_sparse: false }
    }
}

/// The nonzeros of a value by another pattern, with zeros where it has none; or a nonzero entry
/// outside of it.
pub fn fitted(
    pattern: &Pattern,
    values: &[f64],
    wanted: &Pattern,
) -> Result<Vec<f64>, (usize, usize)> {
    if pattern == wanted {
        return Ok(values.to_vec());
    }
    let mut result = vec![0.0; wanted.nnz()];
    for ((row, col), &value) in pattern.entries().zip(values) {
        match wanted.find(row, col).and_then(|at| result.get_mut(at)) {
            Some(to) => *to = value,
            None if value == 0.0 => {}
            None => return Err((row, col)),
        }
    }
    Ok(result)
}

/// The integer that a number is, as far as numbers hold integers exactly.
fn integer(value: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i64)
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn shape(n_rows: u64, n_cols: u64) -> Result<Pattern, DataError> {
    Pattern::try_dense(n_rows, n_cols).map_err(|e| DataError::new(Code::TooLarge, e.to_string()))
}

/// Refuses NaN among the values of a matrix that is given with its pattern: whether such an entry
/// is there cannot be told.
fn check_sparse(value: &Value) -> Result<(), DataError> {
    let Some(k) = value.values.iter().position(|v| v.is_nan()) else { return Ok(()) };
    let (row, col) = value.pattern.entries().nth(k).unwrap_or_default();
    let message = format!("the entry [{row}, {col}] of a sparse value is NaN");
    Err(DataError::new(Code::PatternData, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_argument_or_the_file() {
        let folder = std::env::temp_dir().join(format!("nablac-data-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("weights.csv").display().to_string();
        std::fs::write(&file, "1,2\n3,4\n").unwrap();
        assert!(Data::load(&file).unwrap().get("weights").is_some());
        let named = Data::load(&format!("W = {file}")).unwrap();
        assert_eq!(named.get("W").unwrap().value.values, [1.0, 3.0, 2.0, 4.0]);
        std::fs::write(folder.join("2 d.csv"), "1").unwrap();
        let e = Data::load(&folder.join("2 d.csv").display().to_string()).unwrap_err();
        assert!(e.message.contains("cannot be the name"), "{e}");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn integers_are_checked() {
        let value = Value::from(vec![1.0, 2.5]);
        assert_eq!(value.integers(), Err((1, 2.5)));
        assert_eq!(Value::from(vec![1.0, -2.0]).integers(), Ok(vec![1, -2]));
        assert_eq!(Value::from(1e300).as_integer(), None);
        assert_eq!(Value::from(f64::NAN).as_integer(), None);
    }
}
