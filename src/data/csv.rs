//! CSV: an array with a row in each line, numbers separated by commas. A first line without any
//! number holds titles and is skipped. One column, or one row, is a plain list.

use super::{DataError, Value, shape};

/// Reads an array.
pub fn read(bytes: &[u8]) -> Result<Value, DataError> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_reader(bytes);
    let mut record = csv::ByteRecord::new();
    // Row by row.
    let mut values: Vec<f64> = Vec::new();
    let (mut n_rows, mut n_cols) = (0, 0);
    let mut is_first = true;
    loop {
        let more = reader.read_byte_record(&mut record).map_err(|e| {
            let line = e.position().map_or(0, csv::Position::line);
            DataError::unreadable(e.to_string()).at_line(line, 1)
        })?;
        if !more {
            break;
        }
        let start = record.position().map_or(0, csv::Position::byte) as usize;
        let line = || line_of(bytes, start);
        let number = |field: &[u8]| std::str::from_utf8(field).ok()?.parse::<f64>().ok();
        let is_title = std::mem::take(&mut is_first) && record.iter().all(|f| number(f).is_none());
        if is_title {
            continue;
        }
        if n_rows == 0 {
            n_cols = record.len();
        }
        if record.len() != n_cols {
            let message = format!("the row has {} entries, the first one {n_cols}", record.len());
            return Err(DataError::unreadable(message).at(format!("line {}", line())));
        }
        for (j, field) in record.iter().enumerate() {
            let value = number(field).ok_or_else(|| {
                let what = match field {
                    [] => "the value is missing".to_owned(),
                    _ => format!("`{}` is no number", String::from_utf8_lossy(field)),
                };
                DataError::unreadable(what).at(format!("line {}, field {}", line(), j + 1))
            })?;
            values.push(value);
        }
        n_rows += 1;
    }
    if n_rows == 1 || n_cols == 1 || n_rows == 0 {
        return Value::list(values);
    }
    let pattern = shape(n_rows as u64, n_cols as u64)?;
    let columns = (0..n_cols).flat_map(|j| (0..n_rows).map(move |i| i * n_cols + j));
    let values = columns.map(|k| values[k]).collect();
    Ok(Value::new(pattern, values))
}

/// The number of the line of the record that is sought from byte `start` on: behind empty lines
/// and comments.
fn line_of(bytes: &[u8], start: usize) -> usize {
    let (before, rest) = bytes.split_at(start.min(bytes.len()));
    let skipped = rest
        .split(|&b| b == b'\n')
        .take_while(|line| line.trim_ascii().is_empty() || line.starts_with(b"#"))
        .count();
    1 + before.iter().filter(|&&b| b == b'\n').count() + skipped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        read(text.as_bytes()).unwrap_err().in_file("A.csv").to_string()
    }

    #[test]
    fn rows_lists_and_titles() {
        let value = read(b"a, \"b\"\n1, 2\n3, 4e-1\n").unwrap();
        assert_eq!((value.pattern.shape(), &value.values[..]), ((2, 2), &[1.0, 3.0, 2.0, 0.4][..]));
        for text in ["1,2,3", "1\n2\n3\n", "# weights\nw\n1\n2\n3\n"] {
            let value = read(text.as_bytes()).unwrap();
            assert!(value.is_list);
            assert_eq!(value.values, [1.0, 2.0, 3.0]);
        }
        assert_eq!(read(b"").unwrap().pattern.shape(), (0, 1));
    }

    #[test]
    fn mistakes_have_places() {
        assert_eq!(message("1,2\n3,x\n"), "`A.csv`, line 2, field 2: `x` is no number");
        assert_eq!(message("1,2\n3,\n"), "`A.csv`, line 2, field 2: the value is missing");
        assert_eq!(message("1,2\n3\n"), "`A.csv`, line 2: the row has 1 entries, the first one 2");
        assert_eq!(
            message("1,2\n\n\n3,4,5\n"),
            "`A.csv`, line 4: the row has 3 entries, the first one 2"
        );
    }
}
