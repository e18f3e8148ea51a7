//! What the language has no word for: entries by index arrays, sums by filters, and several
//! values as one column of their nonzeros.

use std::fmt::Write;
use std::sync::Arc;

use super::body::{Block, Inside};
use super::value::{MOST_ENTRIES, Value, matrix};
use super::{NoSpelling, Program, no_spelling, written};
use crate::graph::Func;
use crate::ops::scalar::precedence;
use crate::print::rearrange::entry;
use crate::sparsity::Pattern;

/// The value as a column of its nonzeros; none if it has no nonzeros.
pub fn packed(
    program: &mut Program,
    value: &Value,
    pattern: &Pattern,
) -> Result<Option<Value>, NoSpelling> {
    let n = pattern.nnz();
    if n == 0 {
        return Ok(None);
    }
    if pattern.is_dense() {
        return Ok(Some(match pattern.n_cols() {
            1 => value.clone(),
            _ => Value::atom(format!("vec({})", value.text)),
        }));
    }
    select(program, value, pattern, &|k| place(pattern, k), &Pattern::dense(n, 1)).map(Some)
}

/// A column of the nonzeros of all values.
pub fn packed_together(
    program: &mut Program,
    values: &[(Value, &Pattern)],
    n_zeros: usize,
) -> Result<Value, NoSpelling> {
    let mut texts = Vec::with_capacity(values.len() + 1);
    for (value, pattern) in values {
        texts.extend(packed(program, value, pattern)?.map(|column| column.text));
    }
    match n_zeros {
        0 => {}
        1 => texts.push("0".to_owned()),
        n => texts.push(format!("zeros({n}, 1)")),
    }
    Ok(Value::atom(match texts.is_empty() {
        true => "zeros(0, 1)".to_owned(),
        false => format!("[{}]", texts.join(", ")),
    }))
}

/// The value with that pattern whose nonzeros stand in a column of length `total` from `start` on.
pub fn unpacked(
    program: &mut Program,
    column: &Value,
    total: usize,
    start: usize,
    pattern: &Pattern,
) -> Result<Value, NoSpelling> {
    let (n_rows, n_cols) = pattern.shape();
    let n = pattern.nnz();
    let base = column.at_least(precedence::ATOM);
    let run = match (start, n) {
        (0, n) if n == total => base,
        (start, 1) => format!("{base}[{start}]"),
        (start, n) => format!("{base}[{start}..{}]", start + n),
    };
    if n == 0 {
        matrix(pattern, &|_| 0.0)
    } else if pattern.is_dense() && n_cols == 1 {
        Ok(Value::atom(run))
    } else if pattern.is_dense() {
        Ok(Value::atom(format!("reshape({run}, {n_rows}, {n_cols})")))
    } else if pattern.is_diagonal() {
        Ok(Value::atom(format!("diag({run})")))
    } else {
        select(program, column, &Pattern::dense(total, 1), &|k| start + k, pattern)
    }
}

/// The value of pattern `to` whose nonzero `k` is entry `source(k)`, counted column by column, of
/// a value of the shape of `from`.
pub fn select(
    program: &mut Program,
    value: &Value,
    from: &Pattern,
    source: &dyn Fn(usize) -> usize,
    to: &Pattern,
) -> Result<Value, NoSpelling> {
    if to.is_zero() {
        return matrix(to, &|_| 0.0);
    }
    let is_column = from.n_cols() == 1;
    if to.is_scalar() {
        let base = value.at_least(precedence::ATOM);
        return Ok(Value::atom(match is_column && from.n_rows() == 1 {
            true => base,
            false => format!("{base}[{}]", source(0)),
        }));
    }
    // Entries that are no nonzeros are those of a zero behind all others.
    let zero = from.numel();
    if to.numel() > MOST_ENTRIES && to.nnz() <= MOST_ENTRIES && !to.is_vector() {
        return placed_by_products(program, value, from, source, to);
    }
    if to.numel() > MOST_ENTRIES || u32::try_from(zero).is_err() {
        return no_spelling(format!("a choice of entries that is {to}"));
    }
    let mut table = vec![zero as u32; to.numel()];
    for k in 0..to.nnz() {
        table[place(to, k)] = source(k) as u32;
    }
    let base = match (to.is_dense(), is_column) {
        (false, true) => format!("[{}, 0]", value.text),
        (false, false) => format!("[vec({}), 0]", value.text),
        // One index on a row gives a row.
        (true, false) if from.n_rows() == 1 && to.n_cols() == 1 => format!("vec({})", value.text),
        (true, _) => value.at_least(precedence::ATOM),
    };
    let name = program.indices(to.shape(), table)?;
    Ok(Value::atom(format!("{base}[{name}]")))
}

/// [`select`] for a large sparse pattern: columns of the unit matrix times the nonzeros times rows
/// of the unit matrix.
fn placed_by_products(
    program: &mut Program,
    value: &Value,
    from: &Pattern,
    source: &dyn Fn(usize) -> usize,
    to: &Pattern,
) -> Result<Value, NoSpelling> {
    let n = to.nnz();
    let column = select(program, value, from, source, &Pattern::dense(n, 1))?;
    let (rows, columns) = to.entries().map(|(row, col)| (row as u32, col as u32)).unzip();
    let rows = program.indices((n, 1), rows)?;
    let columns = program.indices((n, 1), columns)?;
    let (n_rows, n_cols) = to.shape();
    Ok(Value::atom(format!(
        "(eye({n_rows})[:, {rows}] * diag({}) * eye({n_cols})[{columns}, :])",
        column.text
    )))
}

/// The column of length `n` that entries of `column` are added up in: entry `source` is added to
/// entry `target`, for each of `terms` one after the other.
pub fn accumulated(
    program: &mut Program,
    column: &Value,
    terms: &[(usize, usize)],
    n: usize,
) -> Result<Value, NoSpelling> {
    let (sources, targets): (Vec<u32>, Vec<u32>) =
        terms.iter().map(|&(source, target)| (source as u32, target as u32)).unzip();
    if terms.is_empty() || terms.len() > MOST_ENTRIES {
        return no_spelling(format!("a sum of {} entries in windows", terms.len()));
    }
    let shape = (terms.len(), 1);
    let (from, to) = (program.indices(shape, sources)?, program.indices(shape, targets)?);
    let (a, i) = (program.fresh("k"), program.fresh("k"));
    let (base, end) = (column.at_least(precedence::ATOM), terms.len());
    Ok(Value::atom(format!(
        "[sum({base}[{from}[{a}]] for {a} in 0..{end} if {to}[{a}] == {i}) for {i} in 0..{n}]"
    )))
}

/// The place of nonzero `k`, counted column by column.
pub fn place(pattern: &Pattern, k: usize) -> usize {
    let (row, col) = entry(pattern, k);
    row + col * pattern.n_rows()
}

impl Program {
    /// The name of an index array with these entries, column by column.
    pub fn indices(
        &mut self,
        shape: (usize, usize),
        entries: Vec<u32>,
    ) -> Result<String, NoSpelling> {
        let key = (shape, entries);
        if let Some(name) = self.index_names.get(&key) {
            return Ok(name.clone());
        }
        let (n_rows, n_cols) = shape;
        let value = matrix(&Pattern::dense(n_rows, n_cols), &|k| f64::from(key.1[k]))?;
        let name = self.fresh("n");
        let shape = if n_cols == 1 { n_rows.to_string() } else { format!("{n_rows}, {n_cols}") };
        let _ = writeln!(self.index_text, "index {name}[{shape}] = {}", value.text);
        self.index_names.insert(key, name.clone());
        Ok(name)
    }

    /// A value with all nonzeros of a pattern, the zeros among them stored: the argument of a `fn`
    /// that gives it back has the pattern of the parameter.
    pub fn stored(&mut self, value: &Value, pattern: &Pattern) -> Result<Value, NoSpelling> {
        let name = match self.stores.get(pattern) {
            Some(name) => name.clone(),
            None => {
                let port = crate::graph::Port::new("v", pattern.clone());
                let parameter = super::declaration(&port, false)?;
                let name = self.fresh_function("stored");
                let _ = writeln!(self.text, "fn {name}({parameter}) = v");
                self.differs.push(format!("`{name}` keeps zeros among the nonzeros"));
                self.stores.insert(pattern.clone(), name.clone());
                name
            }
        };
        Ok(Value::atom(format!("{name}({})", value.text)))
    }

    /// The name of a `fn` that gives all results of a function as one column of their nonzeros.
    pub fn packed_function(&mut self, func: &Arc<Func>) -> Result<Arc<str>, NoSpelling> {
        if let Some(name) = self.packed_functions.get(func) {
            return Ok(name.clone());
        }
        let Some((graph, outputs)) = func.graph() else {
            return no_spelling(format!("`{}` from outside, in a loop", func.name));
        };
        let (params, arguments) = self.parameters(func)?;
        let name = self.fresh_function(&func.name);
        let mut lines = Vec::new();
        let mut block = Block::new(func, graph, outputs, arguments, Inside::Lines(&mut lines), 1);
        let mut values = Vec::with_capacity(outputs.len());
        for (&node, port) in outputs.iter().zip(&func.outputs) {
            values.push((block.value(self, node)?, &port.pattern));
        }
        let result = packed_together(self, &values, 0)?.text;
        let text = written(&name, &params, lines, &[result], "", self);
        self.text.push_str(&text);
        let name: Arc<str> = name.into();
        self.packed_functions.insert(func.clone(), name.clone());
        Ok(name)
    }

    /// The parameters of a `fn`, and what stands for the inputs of the function in its body.
    /// Inputs without nonzeros are no parameters.
    pub fn parameters(&mut self, func: &Func) -> Result<(String, Vec<Value>), NoSpelling> {
        let mut params: Vec<String> = Vec::new();
        let mut arguments = Vec::with_capacity(func.inputs.len());
        let mut taken: rustc_hash::FxHashSet<&str> = rustc_hash::FxHashSet::default();
        for port in &func.inputs {
            if port.pattern.is_zero() && func.graph().is_some() {
                arguments.push(matrix(&port.pattern, &|_| 0.0)?);
                continue;
            }
            // Derivative functions may have two inputs of one name.
            let name = match crate::syntax::is_name(&port.name) && taken.insert(&port.name) {
                true => port.name.to_string(),
                false => self.fresh("a"),
            };
            let named = crate::graph::Port { name: name.as_str().into(), ..port.clone() };
            params.push(super::declaration(&named, false)?);
            arguments.push(Value::atom(name));
        }
        if params.is_empty() {
            params.push(self.fresh("a"));
        }
        Ok((params.join(", "), arguments))
    }
}

/// A call of a `fn` with the parameters that [`Program::parameters`] gives it.
pub fn called(name: &str, func: &Func, arguments: &[Value]) -> Value {
    let is_external = func.graph().is_none();
    let used = func.inputs.iter().zip(arguments);
    let used = used.filter(|(port, _)| is_external || !port.pattern.is_zero());
    let mut texts: Vec<&str> = used.map(|(_, argument)| &*argument.text).collect();
    if texts.is_empty() {
        texts.push("0");
    }
    Value::atom(format!("{name}({})", texts.join(", ")))
}
