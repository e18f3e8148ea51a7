//! Reads MATPOWER case files, version 2: the tables of `mpc.NAME = [...]` as rows of numbers that
//! know their lines. What is neither a number nor a table of numbers is passed over.

use std::collections::BTreeMap;
use std::fmt;

/// A mistake in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    /// Counted from 1.
    pub line: usize,
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for Mistake {}

/// A row of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub line: usize,
    pub values: Vec<f64>,
}

/// `mpc.NAME = [...]`; a single number is a table of one row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Where it begins.
    pub line: usize,
    pub rows: Vec<Row>,
}

/// The tables of a file by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Case {
    tables: BTreeMap<String, Table>,
    n_lines: usize,
}

impl Mistake {
    pub fn new(line: usize, message: impl Into<String>) -> Mistake {
        Mistake { line, message: message.into() }
    }
}

impl Row {
    /// An integer that cannot be negative, such as the number of a bus.
    ///
    /// # Errors
    /// It is something else.
    pub fn integer(&self, column: usize, what: &str) -> Result<u64, Mistake> {
        let value = self.values[column];
        if value.fract() == 0.0 && (0.0..=1e15).contains(&value) {
            Ok(value as u64)
        } else {
            Err(Mistake::new(self.line, format!("{what} is {value}, expected an integer")))
        }
    }
}

impl Case {
    /// Reads a file.
    ///
    /// # Errors
    /// A table holds what is no number, or does not end.
    pub fn parse(text: &str) -> Result<Case, Mistake> {
        let mut case = Case::default();
        // The name and bracket of the value that is not closed yet.
        let mut open: Option<(String, char)> = None;
        for (k, line) in text.lines().enumerate() {
            case.n_lines = k + 1;
            let mut rest = without_comment(line);
            if open.is_none() {
                let Some((name, value)) = assignment(rest) else { continue };
                let table = Table { line: k + 1, rows: Vec::new() };
                if case.tables.insert(name.to_owned(), table).is_some() {
                    return Err(Mistake::new(k + 1, format!("mpc.{name} stands here again")));
                }
                match value.chars().next() {
                    Some(bracket @ ('[' | '{')) => {
                        open = Some((name.to_owned(), bracket));
                        rest = &value[1..];
                    }
                    Some('\'' | '"') => {
                        case.tables.remove(name);
                        continue;
                    }
                    _ => {
                        case.add_rows(name, value, k + 1)?;
                        continue;
                    }
                }
            }
            if let Some((name, bracket)) = &open {
                let closing = if *bracket == '[' { ']' } else { '}' };
                let (inside, closed) = match rest.split_once(closing) {
                    Some((inside, _)) => (inside, true),
                    None => (rest, false),
                };
                if *bracket == '[' {
                    case.add_rows(name, inside, k + 1)?;
                } else {
                    case.tables.remove(name);
                }
                if closed {
                    open = None;
                }
            }
        }
        match open {
            None => Ok(case),
            Some((name, bracket)) => {
                let message = format!("the `{bracket}` of mpc.{name} is not closed");
                Err(Mistake::new(case.table(&name).map_or(case.n_lines, |t| t.line), message))
            }
        }
    }

    /// A table that may be left out.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    /// The rows of a table, of `n_columns` or more.
    ///
    /// # Errors
    /// The table is missing, or a row is too short.
    pub fn rows(&self, name: &str, n_columns: usize) -> Result<&[Row], Mistake> {
        let missing = || Mistake::new(self.n_lines, format!("the file has no mpc.{name}"));
        let table = self.table(name).ok_or_else(missing)?;
        match table.rows.iter().find(|row| row.values.len() < n_columns) {
            Some(row) => {
                let n = row.values.len();
                let message = format!("mpc.{name} has {n} columns here, expected {n_columns}");
                Err(Mistake::new(row.line, message))
            }
            None => Ok(&table.rows),
        }
    }

    /// A number.
    ///
    /// # Errors
    /// It is missing or a larger table.
    pub fn number(&self, name: &str) -> Result<f64, Mistake> {
        match self.rows(name, 1)? {
            [row] if row.values.len() == 1 => Ok(row.values[0]),
            rows => {
                let line = rows.first().map_or(self.n_lines, |row| row.line);
                Err(Mistake::new(line, format!("mpc.{name} is not one number")))
            }
        }
    }

    fn add_rows(&mut self, name: &str, text: &str, line: usize) -> Result<(), Mistake> {
        for text in text.split(';') {
            let mut values = Vec::new();
            for word in
                text.split(|c: char| c.is_whitespace() || c == ',').filter(|w| !w.is_empty())
            {
                let number = word.parse::<f64>().map_err(|_| {
                    Mistake::new(line, format!("`{word}` in mpc.{name} is no number"))
                })?;
                values.push(number);
            }
            if !values.is_empty()
                && let Some(table) = self.tables.get_mut(name)
            {
                table.rows.push(Row { line, values });
            }
        }
        Ok(())
    }
}

/// `mpc.NAME = VALUE`.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.trim().strip_prefix("mpc.")?.split_once('=')?;
    Some((name.trim(), value.trim()))
}

/// The line up to `%`, which may stand inside of quotes.
fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    for (at, c) in line.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            '%' if !quoted => return &line[..at],
            _ => {}
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_keep_their_lines() {
        let text = "function mpc = small % a comment\nmpc.version = '2';\nmpc.baseMVA = 1e2;\n\
                    mpc.bus_name = { 'a % b'; \n 'c' };\nmpc.bus = [ 1, 2 % begin\n; -Inf 3; \n\n4 5];";
        let case = Case::parse(text).unwrap();
        assert_eq!(case.number("baseMVA"), Ok(100.0));
        assert!(case.table("version").is_none() && case.table("bus_name").is_none());
        let rows = case.rows("bus", 2).unwrap();
        let lines: Vec<usize> = rows.iter().map(|row| row.line).collect();
        assert_eq!(lines, [6, 7, 9]);
        assert_eq!(rows[1].values, [f64::NEG_INFINITY, 3.0]);
    }

    #[test]
    fn mistakes_have_lines() {
        let message = |text: &str| Case::parse(text).unwrap_err().to_string();
        assert_eq!(message("mpc.bus = [\n1 2\n3 x;\n];"), "line 3: `x` in mpc.bus is no number");
        assert_eq!(message("\nmpc.bus = [\n1 2"), "line 2: the `[` of mpc.bus is not closed");
        assert_eq!(message("mpc.a = 1;\nmpc.a = 2;"), "line 2: mpc.a stands here again");
        let case = Case::parse("mpc.bus = [1 2; 3];\nmpc.baseMVA = [1 2]").unwrap();
        let short = case.rows("bus", 2).unwrap_err().to_string();
        assert_eq!(short, "line 1: mpc.bus has 1 columns here, expected 2");
        assert_eq!(case.rows("gen", 1).unwrap_err().to_string(), "line 2: the file has no mpc.gen");
        assert_eq!(
            case.number("baseMVA").unwrap_err().to_string(),
            "line 2: mpc.baseMVA is not one number"
        );
        let integer = case.rows("bus", 1).unwrap()[1].integer(0, "the bus");
        assert_eq!(integer, Ok(3));
    }
}
