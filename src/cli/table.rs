//! Points as the rows of a CSV table, read and evaluated in blocks, so that any number of them
//! takes the memory of one block.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use super::values::{Problem, check_symmetric, resolve, unknown};
use super::{Failure, Format, cancel, eprint_quietly, print, put};
use crate::backend::abi::Memory;
use crate::data::Value;
use crate::function::{Compiled, Function, Layout};
use crate::syntax::Code;

/// Points that are evaluated together.
const BLOCK: usize = 16_384;

/// Where the columns of a table go.
struct Columns {
    /// For each column the input, and the number of the nonzero in it.
    places: Vec<(usize, usize)>,
    /// For each input whether the table has it.
    given: Vec<bool>,
}

/// Evaluates at all rows of a table. The first line names nonzeros of inputs, such as `x[0]`;
/// inputs that are not among them are the same at all points.
pub fn run(
    file: &str,
    compiled: &Compiled,
    assigned: &BTreeMap<String, Value>,
    format: Format,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let unreadable = |what: String| {
        Failure::new(Code::UnreadableData, &format!("`{file}` cannot be read: {what}"))
    };
    let source: Box<dyn Read> = match file {
        "-" => Box::new(std::io::stdin().lock()),
        _ => Box::new(std::fs::File::open(file).map_err(|e| unreadable(e.to_string()))?),
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_reader(std::io::BufReader::new(source));
    let header = reader.headers().map_err(|e| unreadable(e.to_string()))?.clone();
    let function = &compiled.function;
    let columns = Columns::of(function, &header)?;
    // Any value stands for what the table gives.
    let stand_ins: BTreeMap<&str, Value> = (function.inputs().iter().zip(&columns.given))
        .filter(|(_, given)| **given)
        .map(|(input, _)| {
            let zeros = vec![0.0; input.pattern.nnz()];
            (&*input.name, Value::new(input.pattern.clone(), zeros))
        })
        .collect();
    let value = |name: &str| stand_ins.get(name).or_else(|| assigned.get(name));
    let mut inputs = resolve(function, value, false)?;
    let mut block = Block::new(compiled, columns.given.clone(), format);
    block.title(out)?;
    let mut rows = Rows { reader, columns, record: csv::StringRecord::new() };
    loop {
        for (values, _) in inputs.iter_mut().zip(&rows.columns.given).filter(|(_, given)| **given) {
            values.clear();
        }
        let mut n = 0;
        let mut more = Ok(true);
        while n < BLOCK && matches!(more, Ok(true)) {
            more = rows.read(function, n, &mut inputs);
            n += usize::from(matches!(more, Ok(true)));
        }
        // What stands before a mistake is evaluated.
        if n > 0 {
            block.evaluate(n, &inputs, out)?;
        }
        if !more.map_err(unreadable)? {
            return if block.n_failed > 0 { Err(Failure::reported()) } else { Ok(()) };
        }
    }
}

struct Rows<R> {
    reader: csv::Reader<R>,
    columns: Columns,
    record: csv::StringRecord,
}

impl<R: Read> Rows<R> {
    /// Reads a row as point `n`; false at the end, or what is wrong with it.
    fn read(
        &mut self,
        function: &Function,
        n: usize,
        inputs: &mut [Vec<f64>],
    ) -> Result<bool, String> {
        if !self.reader.read_record(&mut self.record).map_err(|e| e.to_string())? {
            return Ok(false);
        }
        let nnz = |input: usize| function.inputs()[input].pattern.nnz();
        for (input, values) in inputs.iter_mut().enumerate() {
            if self.columns.given[input] {
                values.resize((n + 1) * nnz(input), 0.0);
            }
        }
        for (column, (field, &(input, k))) in
            self.record.iter().zip(&self.columns.places).enumerate()
        {
            inputs[input][n * nnz(input) + k] = field.parse::<f64>().map_err(|_| {
                let line = self.record.position().map_or(0, csv::Position::line);
                let what = match field {
                    "" => "the value is missing".to_owned(),
                    _ => format!("`{field}` is no number"),
                };
                format!("line {line}, field {}: {what}", column + 1)
            })?;
        }
        Ok(true)
    }
}

impl Columns {
    fn of(function: &Function, header: &csv::StringRecord) -> Result<Columns, Failure> {
        let mut places = Vec::new();
        let mut known: Vec<Vec<bool>> =
            function.inputs().iter().map(|input| vec![false; input.pattern.nnz()]).collect();
        for title in header {
            let (name, index) = match title.split_once('[') {
                Some((name, index)) => (name.trim(), index.strip_suffix(']')),
                None => (title, Some("0")),
            };
            let Ok(input) = function.input(name) else {
                return Err(unknown(function, [&name.to_owned()]).into());
            };
            let of = &function.inputs()[input];
            let (n_rows, n_cols) = of.pattern.shape();
            let wrong = |message: String| Failure::new(Code::UnreadableData, &message);
            let index: Option<Vec<usize>> = index
                .map(|index| index.split(',').map(|i| i.trim().parse().ok()).collect())
                .unwrap_or(None);
            let (row, col) = match index.as_deref() {
                Some(&[k]) if n_rows == 1 && title.contains('[') => (0, k),
                Some(&[k]) if n_cols == 1 && (n_rows == 1 || title.contains('[')) => (k, 0),
                Some(&[row, col]) => (row, col),
                _ => {
                    let example = if n_cols == 1 { "[0]" } else { "[0,0]" };
                    return Err(wrong(format!(
                        "the column `{title}` is no entry of `{name}`, which is {n_rows}x{n_cols}"
                    ))
                    .help(&format!("columns are entries of inputs, such as `{name}{example}`")));
                }
            };
            let place = (row < n_rows && col < n_cols).then(|| of.pattern.find(row, col));
            let Some(Some(k)) = place else {
                return Err(wrong(format!(
                    "the column `{title}` is outside of `{name}`, which is {}",
                    print::pattern(&of.pattern)
                )));
            };
            if std::mem::replace(&mut known[input][k], true) {
                return Err(wrong(format!("the column `{title}` is there twice")));
            }
            places.push((input, k));
        }
        let mut given = Vec::new();
        for (input, known) in function.inputs().iter().zip(known) {
            given.push(known.contains(&true));
            let missing = known.iter().position(|k| !k);
            if let (true, Some((row, col))) =
                (known.contains(&true), missing.and_then(|k| input.pattern.entries().nth(k)))
            {
                let entry = entry_name(&input.name, input.pattern.shape(), row, col);
                let message = format!("a column `{entry}` is missing");
                return Err(Failure::new(Code::MissingInput, &message));
            }
        }
        Ok(Columns { places, given })
    }
}

/// `x[2]`, `A[0,1]`, or the name alone of what is 1x1.
fn entry_name(name: &str, shape: (usize, usize), row: usize, col: usize) -> String {
    match shape {
        (1, 1) => name.to_owned(),
        (_, 1) => format!("{name}[{row}]"),
        _ => format!("{name}[{row},{col}]"),
    }
}

/// Points that are evaluated together.
struct Block<'a> {
    compiled: &'a Compiled,
    given: Vec<bool>,
    format: Format,
    outputs: Vec<Vec<f64>>,
    memory: Memory,
    /// Points before this block.
    n_done: usize,
    n_failed: usize,
}

impl<'a> Block<'a> {
    fn new(compiled: &'a Compiled, given: Vec<bool>, format: Format) -> Block<'a> {
        Block {
            compiled,
            given,
            format,
            outputs: vec![Vec::new(); compiled.function.outputs().len()],
            memory: cancel::memory(),
            n_done: 0,
            n_failed: 0,
        }
    }

    /// The line of titles.
    fn title(&self, out: &mut impl Write) -> Result<(), Failure> {
        if self.format == Format::Json {
            return Ok(());
        }
        let titles = self.compiled.function.outputs().iter().flat_map(|output| {
            let name = |(row, col)| entry_name(&output.name, output.pattern.shape(), row, col);
            output.pattern.entries().map(name)
        });
        let titles = titles.map(|t| if t.contains(',') { format!("\"{t}\"") } else { t });
        put(out, &format!("{}\n", titles.collect::<Vec<_>>().join(",")))
    }

    fn evaluate(
        &mut self,
        n: usize,
        inputs: &[Vec<f64>],
        out: &mut impl Write,
    ) -> Result<(), Failure> {
        let nnz = |k: usize| self.compiled.function.outputs()[k].pattern.nnz();
        for (k, output) in self.outputs.iter_mut().enumerate() {
            output.resize(n * nnz(k), 0.0);
        }
        let slices: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
        let symmetric = (0..n).all(|point| self.check(inputs, point).is_ok());
        let all = |outputs: &mut [Vec<f64>], memory: &mut Memory| {
            let mut wanted: Vec<_> = outputs.iter_mut().map(|o| Some(&mut o[..])).collect();
            cancel::evaluating(|| {
                self.compiled.evaluate_many_into(n, Layout::Points, &slices, &mut wanted, memory)
            })
        };
        let is_done = symmetric && all(&mut self.outputs, &mut self.memory).is_ok();
        let mut text = String::new();
        for point in 0..n {
            if !is_done && let Err(problem) = self.evaluate_one(inputs, point) {
                // The points that follow would be cancelled as well.
                if problem.code == Code::Cancelled {
                    put(out, &text)?;
                    return Err(vec![problem].into());
                }
                self.n_failed += 1;
                self.failed(&problem, point, &mut text);
                continue;
            }
            self.show(point, &mut text);
        }
        self.n_done += n;
        put(out, &text)
    }

    fn check(&self, inputs: &[Vec<f64>], point: usize) -> Result<(), Problem> {
        let inputs = self.compiled.function.inputs().iter().zip(inputs).zip(&self.given);
        for ((input, values), _) in inputs.filter(|((input, _), given)| input.symmetric && **given)
        {
            let nnz = input.pattern.nnz();
            check_symmetric(input, &values[point * nnz..(point + 1) * nnz])?;
        }
        Ok(())
    }

    fn evaluate_one(&mut self, inputs: &[Vec<f64>], point: usize) -> Result<(), Problem> {
        self.check(inputs, point)?;
        let declared = self.compiled.function.inputs().iter().zip(inputs).zip(&self.given);
        let slices: Vec<&[f64]> = declared
            .map(|((input, values), &given)| {
                let nnz = input.pattern.nnz();
                if given { &values[point * nnz..(point + 1) * nnz] } else { &values[..] }
            })
            .collect();
        let outputs = self.compiled.function.outputs().iter().zip(&mut self.outputs);
        let mut wanted: Vec<Option<&mut [f64]>> = outputs
            .map(|(output, values)| {
                let nnz = output.pattern.nnz();
                Some(&mut values[point * nnz..(point + 1) * nnz])
            })
            .collect();
        let memory = &mut self.memory;
        cancel::evaluating(|| self.compiled.evaluate_into(&slices, &mut wanted, memory))
            .map_err(|e| Problem::evaluation(&e))
    }

    fn failed(&self, problem: &Problem, point: usize, text: &mut String) {
        let point = self.n_done + point;
        let failure = problem.failure().text.replacen(": ", &format!(": point {point}: "), 1);
        eprint_quietly(&failure);
        match self.format {
            Format::Json => {
                text.push_str(&print::json_error(problem.code.id(), &problem.message));
            }
            Format::Text => {
                let n: usize =
                    self.compiled.function.outputs().iter().map(|o| o.pattern.nnz()).sum();
                text.push_str(&",".repeat(n.saturating_sub(1)));
                text.push('\n');
            }
        }
    }

    fn show(&self, point: usize, text: &mut String) {
        let outputs = self.compiled.function.outputs().iter().zip(&self.outputs);
        let own = outputs.map(|(output, values)| {
            let nnz = output.pattern.nnz();
            &values[point * nnz..(point + 1) * nnz]
        });
        if self.format == Format::Json {
            let values: Vec<Vec<f64>> = own.map(<[f64]>::to_vec).collect();
            text.push_str(&print::json_line(&self.compiled.function, &values));
            return;
        }
        let mut is_first = true;
        for &value in own.flatten() {
            if !std::mem::take(&mut is_first) {
                text.push(',');
            }
            print::all_digits(text, value);
        }
        text.push('\n');
    }
}
