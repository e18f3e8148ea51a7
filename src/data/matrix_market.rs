//! Matrix Market, the text format of sparse matrices (Boisvert, Pozo, Remington: "The Matrix
//! Market Exchange Formats", NISTIR 5935, 1996): `coordinate` and `array` form, `real`, `integer`
//! and `pattern`, `general`, `symmetric` and `skew-symmetric`.
//!
//! Stored entries are the pattern, zeros included. The reader of the crate `sprs` gives no places
//! of mistakes and refuses integers; the tests compare with it.

use super::{DataError, Value, check_sparse, shape};
use crate::sparsity::Pattern;
use crate::syntax::Code;

/// The most columns of a sparse matrix: each takes memory, with entries or without.
const MAX_COLUMNS: u64 = 100_000_000;

/// The first words of a file.
struct Header {
    is_coordinate: bool,
    /// Entries without values, which are 1.
    is_pattern: bool,
    symmetry: Symmetry,
}

#[derive(Clone, Copy, PartialEq)]
enum Symmetry {
    General,
    Symmetric,
    Skew,
}

/// A line with its number, and its words with their columns.
struct Line<'a> {
    number: u64,
    text: &'a str,
}

impl<'a> Line<'a> {
    /// The words, with the column where each begins.
    fn words(&self) -> impl Iterator<Item = (usize, &'a str)> {
        let start = self.text.as_ptr() as usize;
        self.text.split_ascii_whitespace().map(move |w| (w.as_ptr() as usize - start + 1, w))
    }

    fn e(&self, column: usize, message: impl Into<String>) -> DataError {
        DataError::unreadable(message).at_line(self.number, column)
    }

    /// As many words as are asked for.
    fn exactly<const N: usize>(&self, what: &str) -> Result<[(usize, &'a str); N], DataError> {
        let mut words = self.words();
        let mut found = [(0, ""); N];
        for word in &mut found {
            *word = words.next().ok_or_else(|| {
                self.e(self.text.trim_end().len() + 1, format!("{what} is missing"))
            })?;
        }
        match words.next() {
            None => Ok(found),
            Some((column, word)) => Err(self.e(column, format!("`{word}` is one word too many"))),
        }
    }

    /// A whole number that is not negative.
    fn whole(&self, (column, word): (usize, &str)) -> Result<u64, DataError> {
        word.parse().map_err(|_| self.e(column, format!("`{word}` is no whole number")))
    }

    fn number_in(&self, (column, word): (usize, &str)) -> Result<f64, DataError> {
        word.parse().map_err(|_| self.e(column, format!("`{word}` is no number")))
    }
}

/// Reads a matrix.
pub fn read(bytes: &[u8]) -> Result<Value, DataError> {
    let text = std::str::from_utf8(bytes).map_err(|_| DataError::unreadable("it is no text"))?;
    let mut lines = text.lines().zip(1..).map(|(text, number)| Line { number, text });
    let Some(first) = lines.next() else { return Err(DataError::unreadable("it is empty")) };
    let header = header(&first)?;
    let mut lines =
        lines.filter(|line| !line.text.trim_start().is_empty() && !line.text.starts_with('%'));
    let sizes =
        lines.next().ok_or_else(|| DataError::unreadable("the line with the sizes is missing"))?;
    if header.is_coordinate {
        coordinate(&header, &sizes, lines)
    } else {
        array(&header, &sizes, lines)
    }
}

fn header(line: &Line) -> Result<Header, DataError> {
    let lower = line.text.to_ascii_lowercase();
    let words: Vec<&str> = lower.split_ascii_whitespace().collect();
    let column = |k: usize| line.words().nth(k).map_or(1, |(column, _)| column);
    let [start, object, form, field, symmetry] = words[..] else {
        let message = "the first line has to be `%%MatrixMarket matrix` and three more words";
        return Err(line.e(1, message));
    };
    if (start, object) != ("%%matrixmarket", "matrix") {
        return Err(line.e(1, "the first line has to begin with `%%MatrixMarket matrix`"));
    }
    let is_coordinate = match form {
        "coordinate" => true,
        "array" => false,
        _ => return Err(line.e(column(2), format!("`{form}` is neither `coordinate` nor `array`"))),
    };
    let is_pattern = match field {
        "real" | "double" | "integer" => false,
        "pattern" if is_coordinate => true,
        _ => return Err(line.e(column(3), format!("`{field}` matrices are not supported here"))),
    };
    let symmetry = match symmetry {
        "general" => Symmetry::General,
        "symmetric" => Symmetry::Symmetric,
        "skew-symmetric" if !is_pattern => Symmetry::Skew,
        _ => {
            let message = format!("`{symmetry}` matrices are not supported here");
            return Err(line.e(column(4), message));
        }
    };
    Ok(Header { is_coordinate, is_pattern, symmetry })
}

/// Rows and columns; a matrix with symmetry is square.
fn sizes(
    header: &Header,
    line: &Line,
    rows: (usize, &str),
    cols: (usize, &str),
) -> Result<(u64, u64), DataError> {
    let (n_rows, n_cols) = (line.whole(rows)?, line.whole(cols)?);
    if header.symmetry != Symmetry::General && n_rows != n_cols {
        return Err(line.e(rows.0, "a matrix with symmetry has as many rows as columns"));
    }
    Ok((n_rows, n_cols))
}

fn coordinate<'a>(
    header: &Header,
    first: &Line,
    mut lines: impl Iterator<Item = Line<'a>>,
) -> Result<Value, DataError> {
    let [rows, cols, count] = first.exactly("the number of rows, columns or entries")?;
    let (n_rows, n_cols) = sizes(header, first, rows, cols)?;
    let too_large = |e: crate::sparsity::PatternError| {
        DataError::new(Code::TooLarge, e.to_string()).at_line(first.number, rows.0)
    };
    Pattern::check_size(n_rows, 1).map_err(too_large)?;
    Pattern::check_size(1, n_cols).map_err(too_large)?;
    if n_cols > MAX_COLUMNS {
        let message = format!("{n_cols} columns; the limit is {MAX_COLUMNS}");
        return Err(DataError::new(Code::TooLarge, message).at_line(first.number, cols.0));
    }
    let n_entries = first.whole(count)?;
    // Position, value, line; what is mirrored follows.
    let mut entries: Vec<(u64, f64, u64)> = Vec::new();
    for k in 0..n_entries {
        let line = lines.next().ok_or_else(|| {
            let message = format!("the file ends after {k} of {n_entries} entries");
            DataError::unreadable(message)
        })?;
        let (row, col, value) = if header.is_pattern {
            let [row, col] = line.exactly("a row or a column")?;
            (row, col, 1.0)
        } else {
            let [row, col, value] = line.exactly("a row, a column or a value")?;
            (row, col, line.number_in(value)?)
        };
        let inside = |word: (usize, &str), n: u64, what: &str| {
            let at = line.whole(word)?;
            if (1..=n).contains(&at) {
                return Ok(at - 1);
            }
            let message = format!("the {what} {at} is out of range, it has to be in 1..{n}");
            Err(DataError::new(Code::PatternData, message).at_line(line.number, word.0))
        };
        let (i, j) = (inside(row, n_rows, "row")?, inside(col, n_cols, "column")?);
        if value.is_nan() {
            let message = format!("the entry [{i}, {j}] of a sparse value is NaN");
            return Err(DataError::new(Code::PatternData, message).at_line(line.number, 1));
        }
        entries.push((i + j * n_rows, value, line.number));
        match header.symmetry {
            Symmetry::Skew if i == j => {
                return Err(line.e(row.0, "a skew-symmetric matrix has no diagonal"));
            }
            Symmetry::Symmetric if i != j => entries.push((j + i * n_rows, value, line.number)),
            Symmetry::Skew => entries.push((j + i * n_rows, -value, line.number)),
            _ => {}
        }
    }
    if let Some(line) = lines.next() {
        return Err(line.e(1, format!("there are more than {n_entries} entries")));
    }
    entries.sort_by_key(|entry| entry.0);
    if let Some(pair) = entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let (i, j) = (pair[0].0 % n_rows.max(1), pair[0].0 / n_rows.max(1));
        let message = format!("the entry [{i}, {j}] stands in line {} already", pair[0].2);
        return Err(DataError::new(Code::PatternData, message).at_line(pair[1].2, 1));
    }
    let positions = entries.iter().map(|entry| entry.0);
    let pattern = Pattern::from_linear(n_rows as usize, n_cols as usize, positions);
    let values = entries.iter().map(|entry| entry.1).collect();
    let value = Value { pattern, values, is_list: false, is_sparse: true };
    check_sparse(&value)?;
    Ok(value)
}

fn array<'a>(
    header: &Header,
    first: &Line,
    mut lines: impl Iterator<Item = Line<'a>>,
) -> Result<Value, DataError> {
    let [rows, cols] = first.exactly("the number of rows or columns")?;
    let (n_rows, n_cols) = sizes(header, first, rows, cols)?;
    let pattern = shape(n_rows, n_cols).map_err(|e| e.at_line(first.number, rows.0))?;
    // A text has at most half as many numbers as bytes: memory is taken as they come.
    let mut values = Vec::new();
    let mut next = |i: u64, j: u64| -> Result<f64, DataError> {
        let line = lines.next().ok_or_else(|| {
            DataError::unreadable(format!("the file ends before the entry [{i}, {j}]"))
        })?;
        let [word] = line.exactly("a value")?;
        line.number_in(word)
    };
    if header.symmetry == Symmetry::General {
        for j in 0..n_cols {
            for i in 0..n_rows {
                values.push(next(i, j)?);
            }
        }
    } else {
        let skew = header.symmetry == Symmetry::Skew;
        let mut lower: Vec<(usize, usize, f64)> = Vec::new();
        for j in 0..n_cols {
            for i in j + u64::from(skew)..n_rows {
                lower.push((i as usize, j as usize, next(i, j)?));
            }
        }
        let n = n_rows as usize;
        values.resize(pattern.numel(), 0.0);
        for (i, j, value) in lower {
            values[j + i * n] = if skew { -value } else { value };
            values[i + j * n] = value;
        }
    }
    if let Some(line) = lines.next() {
        return Err(line.e(1, "there are more entries than the sizes say"));
    }
    let is_list = n_cols == 1;
    Ok(Value { pattern, values, is_list, is_sparse: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        read(text.as_bytes()).unwrap_err().in_file("A.mtx").to_string()
    }

    #[test]
    fn agrees_with_sprs() {
        let files = [
            "%%MatrixMarket matrix coordinate real general\n% c\n3 4 3\n1 1 2.5\n3 4 -1e3\n2 4 7\n",
            "%%MatrixMarket matrix coordinate real symmetric\n3 3 3\n1 1 2.5\n3 1 -1e3\n3 3 0\n",
            "%%matrixmarket MATRIX coordinate Real Skew-Symmetric\n3 3 1\n3 1 4\n",
        ];
        for text in files {
            let ours = read(text.as_bytes()).unwrap();
            let theirs: sprs::TriMat<f64> =
                sprs::io::read_matrix_market_from_bufread(&mut text.as_bytes()).unwrap();
            assert!(ours.is_sparse);
            assert_eq!(ours, Value::from(&theirs.to_csc::<usize>()), "{text}");
        }
    }

    #[test]
    fn integers_patterns_and_arrays() {
        let integer = "%%MatrixMarket matrix coordinate integer general\n2 2 1\n2 1 -3\n";
        assert_eq!(read(integer.as_bytes()).unwrap().values, [-3.0]);
        let pattern = "%%MatrixMarket matrix coordinate pattern symmetric\n2 2 2\n1 1\n2 1\n";
        let value = read(pattern.as_bytes()).unwrap();
        assert_eq!(value.pattern.entries().collect::<Vec<_>>(), [(0, 0), (1, 0), (0, 1)]);
        assert_eq!(value.values, [1.0; 3]);
        let array = "%%MatrixMarket matrix array real general\n2 2\n1\n2\n3\n4\n";
        assert_eq!(read(array.as_bytes()).unwrap().values, [1.0, 2.0, 3.0, 4.0]);
        let symmetric = "%%MatrixMarket matrix array real symmetric\n2 2\n1\n2\n3\n";
        assert_eq!(read(symmetric.as_bytes()).unwrap().values, [1.0, 2.0, 2.0, 3.0]);
        let empty = "%%MatrixMarket matrix coordinate real general\n0 0 0\n";
        assert_eq!(read(empty.as_bytes()).unwrap().pattern.shape(), (0, 0));
    }

    #[test]
    fn mistakes_have_places() {
        let with =
            |rest: &str| message(&format!("%%MatrixMarket matrix coordinate real general\n{rest}"));
        assert_eq!(with(""), "`A.mtx`: the line with the sizes is missing");
        assert_eq!(
            with("2 2\n"),
            "`A.mtx`, line 2, column 4: the number of rows, columns or entries is missing"
        );
        assert_eq!(
            with("2 2 1\n  3 1 4\n"),
            "`A.mtx`, line 3, column 3: the row 3 is out of range, it has to be in 1..2"
        );
        assert_eq!(with("2 2 1\n1 1 x\n"), "`A.mtx`, line 3, column 5: `x` is no number");
        assert_eq!(
            with("2 2 1\n1 1 nan\n"),
            "`A.mtx`, line 3, column 1: the entry [0, 0] of a sparse value is NaN"
        );
        assert_eq!(with("2 2 2\n1 1 1\n"), "`A.mtx`: the file ends after 1 of 2 entries");
        assert_eq!(
            with("2 2 1\n1 1 1\n1 2 1\n"),
            "`A.mtx`, line 4, column 1: there are more than 1 entries"
        );
        assert_eq!(
            with("2 2 2\n1 2 1\n1 2 3\n"),
            "`A.mtx`, line 4, column 1: the entry [0, 1] stands in line 3 already"
        );
        assert_eq!(with("2 2 1\n1 1 1 1\n"), "`A.mtx`, line 3, column 7: `1` is one word too many");
        assert!(with("99999999999 2 1\n").contains("line 2, column 1"));
        assert!(with("1 2000000000 0\n").contains("line 2, column 3"));
        assert_eq!(
            message("%%MatrixMarket matrix coordinate complex general\n"),
            "`A.mtx`, line 1, column 34: `complex` matrices are not supported here"
        );
        assert_eq!(
            message("hello"),
            "`A.mtx`, line 1, column 1: the first line has to be `%%MatrixMarket matrix` and three more words"
        );
        assert_eq!(message(""), "`A.mtx`: it is empty");
    }
}
