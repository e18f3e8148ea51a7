//! Arrays of integers known at compile time: `index tail[E]` and what is computed of them.
//!
//! An entry at an iteration number is an [`Int`] with a table over the iterations, so that
//! `x[tail[k]]` moves a window by that table; `x[tail]` gathers.

use std::sync::Arc;

use super::int::{Counter, Int, MAX_TABLE, Part};
use super::misfit::shape_text;
use super::{Bound, Lowerer, Value};
use crate::graph::NodeId;
use crate::sparsity::Pattern;
use crate::syntax::ast::IndexItem;
use crate::syntax::{Code, Diagnostic, Span};

/// A matrix of integers, column-major.
#[derive(Clone, Debug)]
pub struct Indices {
    pub shape: (usize, usize),
    pub entries: Entries,
}

/// The integers of [`Indices`].
#[derive(Clone, Debug)]
pub enum Entries {
    Fixed(Arc<[i64]>),
    /// Integers that change with iteration numbers; few.
    Moving(Vec<Int>),
}

/// How an entry cannot be an integer of the form that [`Int`] has.
pub enum Unfit {
    /// It depends on two iteration numbers.
    TwoCounters,
    TooLarge,
}

impl Indices {
    pub fn fixed(shape: (usize, usize), values: Vec<i64>) -> Indices {
        Indices { shape, entries: Entries::Fixed(values.into()) }
    }

    /// Fixed if no entry moves.
    pub fn new(shape: (usize, usize), entries: Vec<Int>) -> Indices {
        let fixed: Option<Vec<i64>> = entries.iter().map(Int::as_constant).collect();
        let entries = match fixed {
            Some(fixed) => Entries::Fixed(fixed.into()),
            None => Entries::Moving(entries),
        };
        Indices { shape, entries }
    }

    pub fn len(&self) -> usize {
        match &self.entries {
            Entries::Fixed(values) => values.len(),
            Entries::Moving(entries) => entries.len(),
        }
    }

    pub fn get(&self, k: usize) -> Int {
        match &self.entries {
            Entries::Fixed(values) => Int::constant(values[k]),
            Entries::Moving(entries) => entries[k].clone(),
        }
    }

    /// The entry at an index that is in range in all iterations.
    pub fn at(&self, at: &Int) -> Result<Int, Unfit> {
        let index = |k: i64| usize::try_from(k).map_err(|_| Unfit::TooLarge);
        match (&at.parts[..], &self.entries) {
            ([], _) => Ok(self.get(index(at.base)?)),
            (parts, _) if at.is_vacuous() => {
                let idle = parts.iter().find(|(counter, _)| counter.n == 0);
                idle.map(|(counter, _)| Int::counter(0, *counter)).ok_or(Unfit::TooLarge)
            }
            ([(counter, part)], Entries::Fixed(values)) => {
                let n = counter.n;
                if n > MAX_TABLE {
                    return Err(Unfit::TooLarge);
                }
                let mut table = Vec::with_capacity(n as usize);
                for i in 0..n {
                    let k = part.at(i).and_then(|k| k.checked_add(at.base));
                    table.push(values[index(k.ok_or(Unfit::TooLarge)?)?]);
                }
                Int::table(*counter, table).ok_or(Unfit::TooLarge)
            }
            _ => Err(Unfit::TwoCounters),
        }
    }
}

impl Int {
    /// A value for each iteration of a loop, which has iterations.
    pub fn table(counter: Counter, mut values: Vec<i64>) -> Option<Int> {
        let base = values.first().copied()?;
        for value in &mut values {
            *value = value.checked_sub(base)?;
        }
        let part = Part::from_values(values);
        let parts = if part == Part::Linear(0) { Vec::new() } else { vec![(counter, part)] };
        Some(Int { base, parts })
    }
}

impl Lowerer<'_> {
    /// `index tail[E] = [...]`, or from the data.
    pub fn index_item(&mut self, item: &IndexItem) {
        let name = &item.name;
        let shape = self.shape(&item.shape, name.span);
        let value = match (item.value, shape) {
            (Some(value), shape) => {
                let span = self.frame().ast.span(value);
                let found = self.constant(value);
                shape.zip(found).and_then(|(shape, (pattern, values))| {
                    let value = crate::data::Value::new(pattern, values);
                    self.checked_indices(&value, shape, &name.text, span)
                })
            }
            (None, None) => None,
            (None, Some(shape)) => match self.options.data.get(&name.text) {
                Some(entry) => {
                    let value = entry.value.clone().for_shape(shape);
                    self.checked_indices(&value, shape, &name.text, name.span)
                }
                None => {
                    let message = format!("the index array `{}` has no values", name.text);
                    self.report(
                        Diagnostic::new(Code::IndexWithoutValue, name.span, message)
                            .label("neither here nor in the data")
                            .help(format!(
                                "give them: `index {}[3] = [0, 2, 1]` or `--data FILE`",
                                name.text
                            )),
                    );
                    None
                }
            },
        };
        let bound = value.map_or(Bound::Error, |indices| Bound::Indices(Arc::new(indices)));
        self.declare(name, bound);
    }

    /// The entries of a value, if it has the shape and all are integers.
    fn checked_indices(
        &mut self,
        value: &crate::data::Value,
        shape: (usize, usize),
        name: &str,
        span: Span,
    ) -> Option<Indices> {
        let given = value.pattern.shape();
        if given != shape {
            let (given, wanted) = (shape_text(given), shape_text(shape));
            self.report(
                Diagnostic::new(
                    Code::ShapesDeclared,
                    span,
                    format!("the index array `{name}` has another shape"),
                )
                .label(format!("{}{given}, expected {wanted}", self.given_in(name))),
            );
            return None;
        }
        match value.integers() {
            Ok(values) => Some(Indices::fixed(shape, values)),
            Err((at, entry)) => {
                let place = value.place(at);
                self.report(
                    Diagnostic::new(
                        Code::NotAnInteger,
                        span,
                        format!("the index array `{name}` has an entry that is no integer"),
                    )
                    .label(format!("{}`{name}{place}` is {entry}", self.given_in(name))),
                );
                None
            }
        }
    }

    /// `in `FILE`: ` for what comes from data.
    pub fn given_in(&self, name: &str) -> String {
        match self.options.data.get(name) {
            Some(entry) => format!("in {}: ", entry.source()),
            None => String::new(),
        }
    }

    /// An operation on integers, entry by entry where one of them is an array. None if neither
    /// is, or if an entry has no such value.
    pub fn of_indices(
        &self,
        left: &Value,
        right: &Value,
        f: impl Fn(&Int, &Int) -> Option<Int>,
    ) -> Option<Value> {
        let made = match (left, right) {
            (Value::Indices(a), Value::Indices(b)) if a.shape == b.shape => {
                let entries: Option<Vec<Int>> =
                    (0..a.len()).map(|k| f(&a.get(k), &b.get(k))).collect();
                Indices::new(a.shape, entries?)
            }
            (Value::Indices(a), Value::Int(b)) => {
                let entries: Option<Vec<Int>> = (0..a.len()).map(|k| f(&a.get(k), b)).collect();
                Indices::new(a.shape, entries?)
            }
            (Value::Int(a), Value::Indices(b)) => {
                let entries: Option<Vec<Int>> = (0..b.len()).map(|k| f(a, &b.get(k))).collect();
                Indices::new(b.shape, entries?)
            }
            _ => return None,
        };
        Some(Value::Indices(Arc::new(made)))
    }

    /// An array of integers as a value of the current frame.
    pub fn indices_node(&mut self, indices: &Indices, span: Span) -> Option<NodeId> {
        let pattern = Pattern::dense(indices.shape.0, indices.shape.1);
        match &indices.entries {
            Entries::Fixed(values) => {
                let values: Vec<f64> = values.iter().map(|&v| v as f64).collect();
                Some(self.graph().constant_matrix(pattern, &values))
            }
            Entries::Moving(entries) => {
                let nodes: Option<Vec<NodeId>> =
                    entries.iter().map(|int| self.int_node(int, span)).collect();
                let column = nodes?;
                let graph = self.graph();
                let stored: Vec<NodeId> = column.iter().map(|&n| graph.densify(n)).collect();
                let stacked = graph.concat(&stored);
                let map = crate::sparsity::IndexMap::identity(indices.len());
                Some(graph.gather(stacked, map, pattern))
            }
        }
    }
}
