//! JSON: an object of values by name. A value is a number, a list, a list of rows, or an object as
//! `nablac eval --format json` prints it: `{"shape": [r, c], "values": [...]}`, for a sparse value
//! with `colptr` and `row` besides. `"nan"`, `"inf"` and `"-inf"` stand for what JSON lacks.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{DataError, Value, check_sparse, shape};
use crate::sparsity::Pattern;
use crate::syntax::Code;

/// Reads a text.
///
/// # Errors
/// What is wrong with it, with line and column.
pub fn parse(text: &str) -> Result<Json, DataError> {
    serde_json::from_str(text).map_err(|e| {
        let message = e.to_string();
        let message = message.split(" at line ").next().unwrap_or(&message).to_owned();
        DataError::unreadable(message).at_line(e.line() as u64, e.column())
    })
}

/// Values by name.
///
/// # Errors
/// What is no value, with its name and entry.
pub fn named_values(json: &Json) -> Result<BTreeMap<String, Value>, DataError> {
    let Json::Object(object) = json else {
        return Err(DataError::unreadable("it is not an object of values by name"));
    };
    let mut values = BTreeMap::new();
    for (name, json) in object {
        let named = |e: DataError| {
            let inside = e.place.clone().unwrap_or_default();
            e.at(format!("`{name}{inside}`"))
        };
        values.insert(name.clone(), value(json).map_err(named)?);
    }
    Ok(values)
}

fn value(json: &Json) -> Result<Value, DataError> {
    match json {
        Json::Array(items) if items.first().is_some_and(Json::is_array) => rows(items),
        Json::Array(items) => Value::list(numbers(items, "")?),
        Json::Object(fields) => object(fields),
        _ => Ok(Value::from(number(json)?)),
    }
}

fn number(json: &Json) -> Result<f64, DataError> {
    match json {
        Json::Number(n) => {
            n.as_f64().ok_or_else(|| DataError::unreadable("the number is too large"))
        }
        Json::Bool(b) => Ok(f64::from(u8::from(*b))),
        Json::String(s) => match s.as_str() {
            "nan" => Ok(f64::NAN),
            "inf" => Ok(f64::INFINITY),
            "-inf" => Ok(f64::NEG_INFINITY),
            _ => Err(DataError::unreadable(format!(
                "\"{s}\" is no number (\"nan\", \"inf\" and \"-inf\" are)"
            ))),
        },
        Json::Null => Err(DataError::unreadable("the value is missing")),
        Json::Array(_) | Json::Object(_) => {
            Err(DataError::unreadable("a number is expected where the data has something else"))
        }
    }
}

/// A list of numbers; `before` is the row it stands in.
fn numbers(items: &[Json], before: &str) -> Result<Vec<f64>, DataError> {
    let item = |(k, json)| number(json).map_err(|e| e.at(format!("[{before}{k}]")));
    items.iter().enumerate().map(item).collect()
}

fn rows(rows: &[Json]) -> Result<Value, DataError> {
    let mut read: Vec<Vec<f64>> = Vec::with_capacity(rows.len());
    for (i, row) in rows.iter().enumerate() {
        let Json::Array(row) = row else {
            return Err(DataError::unreadable("the row is not a list").at(format!("[{i}]")));
        };
        let row = numbers(row, &format!("{i}, "))?;
        if let Some(first) = read.first()
            && first.len() != row.len()
        {
            let message =
                format!("the row has {} entries, the first one {}", row.len(), first.len());
            return Err(DataError::unreadable(message).at(format!("[{i}]")));
        }
        read.push(row);
    }
    let n_cols = read.first().map_or(0, Vec::len);
    let pattern = shape(rows.len() as u64, n_cols as u64)?;
    let values = (0..n_cols).flat_map(|j| read.iter().map(move |row| row[j])).collect();
    Ok(Value::new(pattern, values))
}

fn object(fields: &serde_json::Map<String, Json>) -> Result<Value, DataError> {
    let bad = |what: String| DataError::new(Code::PatternData, what);
    let list = |key: &str| fields.get(key).and_then(Json::as_array);
    let integers = |key: &str| -> Result<Vec<u32>, DataError> {
        let list =
            list(key).ok_or_else(|| bad(format!("a sparse value needs the list `{key}`")))?;
        let integer = |json: &Json| json.as_u64().and_then(|n| u32::try_from(n).ok());
        list.iter()
            .enumerate()
            .map(|(k, json)| {
                let e = || bad(format!("{json} is no integer")).at(format!(".{key}[{k}]"));
                integer(json).ok_or_else(e)
            })
            .collect()
    };
    let dims = integers("shape")?;
    let &[n_rows, n_cols] = dims.as_slice() else {
        return Err(bad("`shape` has to be two integers".into()));
    };
    let values = list("values").ok_or_else(|| bad("there is no list `values`".into()))?;
    let values = numbers(values, "").map_err(|e| {
        let place = format!(".values{}", e.place.as_deref().unwrap_or_default());
        e.at(place)
    })?;
    let is_sparse = fields.contains_key("colptr") || fields.contains_key("row");
    let pattern = if is_sparse {
        let (colptr, rows) = (integers("colptr")?, integers("row")?);
        Pattern::check_size(n_rows.into(), 1)
            .and_then(|()| Pattern::from_csc(n_rows as usize, n_cols as usize, colptr, rows))
            .map_err(|e| bad(e.to_string()))?
    } else {
        shape(n_rows.into(), n_cols.into())?
    };
    if pattern.nnz() != values.len() {
        return Err(bad(format!(
            "there are {} values for {} nonzeros",
            values.len(),
            pattern.nnz()
        )));
    }
    let value = Value { pattern, values, is_list: false, is_sparse };
    if is_sparse {
        check_sparse(&value)?;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::super::Data;

    fn message(text: &str) -> String {
        Data::from_json("d.json", text).unwrap_err().to_string()
    }

    #[test]
    fn mistakes_have_places() {
        assert_eq!(message("{\n  \"x\": [1,, 2]}"), "`d.json`, line 2, column 11: expected value");
        assert_eq!(
            message(r#"{"x": [1, "two"]}"#),
            "`d.json`, `x[1]`: \"two\" is no number (\"nan\", \"inf\" and \"-inf\" are)"
        );
        assert_eq!(message(r#"{"x": [1, null]}"#), "`d.json`, `x[1]`: the value is missing");
        assert_eq!(
            message(r#"{"A": [[1, 2], [3]]}"#),
            "`d.json`, `A[1]`: the row has 1 entries, the first one 2"
        );
        assert_eq!(
            message(r#"{"A": [[1, 2], [3, {}]]}"#),
            "`d.json`, `A[1, 1]`: a number is expected where the data has something else"
        );
        let sparse = |colptr: &str, values: &str| {
            message(&format!(
                r#"{{"A": {{"shape": [2, 2], "colptr": {colptr}, "row": [0, 1], "values": {values}}}}}"#
            ))
        };
        assert_eq!(
            sparse("[0, \"nan\", 2]", "[1, 2]"),
            "`d.json`, `A.colptr[1]`: \"nan\" is no integer"
        );
        assert_eq!(
            sparse("[0, 1, 2]", "[1, \"nan\"]"),
            "`d.json`, `A`: the entry [1, 1] of a sparse value is NaN"
        );
        assert_eq!(message("[1]"), "`d.json`: it is not an object of values by name");
    }
}
