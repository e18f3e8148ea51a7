//! Evaluation at ranges of points, in chunks where there is code for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::chunk::Chunk;
use super::{Layout, ManyError};
use crate::backend::abi::{Engine, EvalError, Memory};
use crate::function::Compiled;

/// Results that code writes to columns of the caller's at once. Of more the processor loses track,
/// and they go by way of a buffer.
const MOST_STREAMS: usize = 48;

/// What all ranges of points read.
pub struct Points<'a> {
    pub compiled: &'a Compiled,
    pub n: usize,
    pub layout: Layout,
    pub inputs: &'a [&'a [f64]],
    /// Which inputs have a value at each point.
    pub each: Vec<bool>,
    pub chunk: Option<Arc<Chunk>>,
    /// The first range that failed.
    pub failed: AtomicUsize,
}

/// Consecutive points, and where their outputs go: one piece of memory, or one for each nonzero in
/// columns.
pub struct Range<'a> {
    pub number: usize,
    pub begin: usize,
    pub end: usize,
    pub outputs: Vec<Option<Vec<&'a mut [f64]>>>,
}

/// What evaluates at some points.
struct Code<'a> {
    engine: &'a dyn Engine,
    /// Number of points.
    n: usize,
    is_chunk: bool,
    /// Whether it takes columns.
    is_by_column: bool,
    /// Whether it writes too many of them for the caller's.
    is_broad: bool,
}

impl Code<'_> {
    /// Length of a column in a buffer. A power of two would put the numbers of a point into few
    /// places of the cache.
    fn column(&self) -> usize {
        self.n + 8
    }

    /// Numbers of a buffer for `nnz` nonzeros at all points.
    fn len(&self, nnz: usize) -> usize {
        nnz * if self.is_by_column { self.column() } else { self.n }
    }

    /// Gives the values of an input as ports; columns begin so far apart.
    fn give<'v>(&self, values: &'v [f64], nnz: usize, apart: usize, ports: &mut Vec<&'v [f64]>) {
        if self.is_by_column {
            ports.extend((0..nnz).map(|j| &values[j * apart..][..self.n]));
        } else {
            ports.push(&values[..self.n * nnz]);
        }
    }
}

/// Points from columns that begin so far apart.
fn to_points(columns: &[f64], apart: usize, nnz: usize, points: &mut [f64]) {
    for (i, point) in points.chunks_exact_mut(nnz).enumerate() {
        for (to, from) in point.iter_mut().zip(columns[i..].iter().step_by(apart)) {
            *to = *from;
        }
    }
}

/// Columns that begin so far apart from points.
fn to_columns(points: &[f64], nnz: usize, apart: usize, columns: &mut [f64]) {
    for (i, point) in points.chunks_exact(nnz).enumerate() {
        for (from, to) in point.iter().zip(columns[i..].iter_mut().step_by(apart)) {
            *to = *from;
        }
    }
}

impl Points<'_> {
    /// Evaluates at the points of a range.
    ///
    /// # Errors
    /// The first point that fails.
    pub fn run(&self, mut range: Range, memory: &mut Memory) -> Result<(), ManyError> {
        let mut buffer = Vec::new();
        let mut at = range.begin;
        while at < range.end {
            if self.failed.load(Ordering::Relaxed) < range.number {
                return Ok(());
            }
            if memory.context.is_cancelled() {
                let function = self.compiled.kernel.name.clone();
                let error = EvalError::Cancelled { function, output: None, iteration: None };
                return Err(ManyError { point: Some(at), error: Box::new(error) });
            }
            let mut n = 1;
            let fits = |chunk: &&Chunk| range.end - range.begin >= chunk.len;
            if let Some(chunk) = self.chunk.as_deref().filter(fits) {
                n = chunk.len;
                // The last chunk may repeat what has been done.
                at = at.min(range.end - n);
                let (engine, is_by_column) = (&chunk.jit, chunk.is_by_column);
                let n_columns: usize = (self.compiled.function.outputs.iter().zip(&range.outputs))
                    .filter(|(_, wanted)| wanted.is_some())
                    .map(|(output, _)| output.pattern.nnz())
                    .sum();
                let is_broad = is_by_column && n_columns > MOST_STREAMS;
                let code = Code { engine, n, is_chunk: true, is_by_column, is_broad };
                if self.in_ranges(at, n)
                    && self.call(&code, at, &mut range, &mut buffer, memory).is_ok()
                {
                    at += n;
                    continue;
                }
            }
            // What fails in a chunk is found point by point.
            let engine = &*self.compiled.engine;
            let code = Code { engine, n: 1, is_chunk: false, is_by_column: false, is_broad: false };
            for point in at..at + n {
                self.call(&code, point, &mut range, &mut buffer, memory).map_err(|error| {
                    self.failed.fetch_min(range.number, Ordering::Relaxed);
                    ManyError { point: Some(point), error: Box::new(error) }
                })?;
            }
            at += n;
        }
        Ok(())
    }

    /// Whether the inputs of a chunk are in their declared ranges, which its code does not check.
    fn in_ranges(&self, at: usize, n: usize) -> bool {
        self.compiled.optimized.inputs.iter().enumerate().all(|(k, port)| {
            let Some((lo, hi)) = port.range else { return true };
            let is_in = |x: &f64| (lo..=hi).contains(x);
            match (self.layout, self.each[k]) {
                (Layout::Columns, true) => (self.inputs[k].chunks_exact(self.n))
                    .all(|column| column[at..at + n].iter().all(is_in)),
                (Layout::Points, true) => {
                    let nnz = port.pattern.nnz();
                    self.inputs[k][at * nnz..(at + n) * nnz].iter().all(is_in)
                }
                (_, false) => self.inputs[k].iter().all(is_in),
            }
        })
    }

    /// Calls code for some points. Values that lie elsewhere than it takes them go by way of a
    /// buffer.
    fn call(
        &self,
        code: &Code,
        at: usize,
        range: &mut Range,
        buffer: &mut Vec<f64>,
        memory: &mut Memory,
    ) -> Result<(), EvalError> {
        // Outputs that are not wanted or have no nonzeros are none of the code for chunks.
        let outputs = self.compiled.function.outputs.iter().map(|output| output.pattern.nnz());
        let outputs: Vec<(usize, usize)> = (outputs.enumerate())
            .filter(|&(k, nnz)| !code.is_chunk || (range.outputs[k].is_some() && nnz > 0))
            .collect();
        let moved = (0..self.inputs.len()).map(|k| (k, self.nnz(k)));
        let moved = moved.filter(|&(k, nnz)| self.each[k] && self.moves(code, nnz));
        let len_given = moved.map(|(_, nnz)| code.len(nnz)).sum();
        let moved = outputs.iter().filter(|&&(_, nnz)| self.stages(code, nnz));
        let len_results: usize = moved.map(|&(_, nnz)| code.len(nnz)).sum();
        buffer.resize(len_given + len_results, 0.0);
        let (given, results) = buffer.split_at_mut(len_given);
        let inputs = self.inputs(code, at, given);
        let mut wanted = self.wanted(code, at, range, &outputs, results);
        code.engine.call(&inputs, &mut wanted, memory)?;
        self.take(code, at, range, &outputs, results);
        Ok(())
    }

    /// Whether values of so many nonzeros lie elsewhere than code takes them.
    fn moves(&self, code: &Code, nnz: usize) -> bool {
        nnz > 1 && (self.layout == Layout::Columns) != code.is_by_column
    }

    /// Whether results of so many nonzeros go by way of a buffer.
    fn stages(&self, code: &Code, nnz: usize) -> bool {
        code.is_broad || self.moves(code, nnz)
    }

    /// The inputs of code for some points.
    fn inputs<'v>(&'v self, code: &Code, at: usize, mut given: &'v mut [f64]) -> Vec<&'v [f64]> {
        let mut inputs = Vec::with_capacity(self.inputs.len());
        for (k, &values) in self.inputs.iter().enumerate() {
            let nnz = self.nnz(k);
            if !self.each[k] {
                inputs.push(values);
            } else if self.moves(code, nnz) {
                let own;
                (own, given) = std::mem::take(&mut given).split_at_mut(code.len(nnz));
                match self.layout {
                    Layout::Points => {
                        to_columns(&values[at * nnz..(at + code.n) * nnz], nnz, code.column(), own);
                    }
                    Layout::Columns => to_points(&values[at..], self.n, nnz, own),
                }
                code.give(own, nnz, code.column(), &mut inputs);
            } else {
                let begin = if self.layout == Layout::Columns { at } else { at * nnz };
                code.give(&values[begin.min(values.len())..], nnz, self.n, &mut inputs);
            }
        }
        inputs
    }

    /// Where code puts outputs at some points.
    fn wanted<'v>(
        &self,
        code: &Code,
        at: usize,
        range: &'v mut Range,
        outputs: &[(usize, usize)],
        mut results: &'v mut [f64],
    ) -> Vec<Option<&'v mut [f64]>> {
        let (n, first) = (code.n, at - range.begin);
        let mut pieces: Vec<_> = range.outputs.iter_mut().map(Option::as_mut).collect();
        let mut wanted: Vec<Option<&mut [f64]>> = Vec::with_capacity(outputs.len());
        for &(k, nnz) in outputs {
            let mut own = &mut [][..];
            if self.stages(code, nnz) {
                (own, results) = std::mem::take(&mut results).split_at_mut(code.len(nnz));
            }
            match (pieces[k].take(), self.stages(code, nnz), code.is_by_column) {
                (None, ..) => wanted.push(None),
                (Some(_), true, true) => {
                    wanted.extend(
                        own.chunks_exact_mut(code.column()).map(|column| Some(&mut column[..n])),
                    );
                }
                (Some(_), true, false) => wanted.push(Some(own)),
                (Some(pieces), false, true) => {
                    wanted
                        .extend(pieces.iter_mut().map(|piece| Some(&mut piece[first..first + n])));
                }
                (Some(pieces), false, false) => {
                    wanted.push(Some(&mut pieces[0][first * nnz..(first + n) * nnz]));
                }
            }
        }
        wanted
    }

    /// Takes from the buffer what code put there.
    fn take(
        &self,
        code: &Code,
        at: usize,
        range: &mut Range,
        outputs: &[(usize, usize)],
        mut results: &[f64],
    ) {
        let (n, first) = (code.n, at - range.begin);
        for &(k, nnz) in outputs.iter().filter(|&&(_, nnz)| self.stages(code, nnz)) {
            let own;
            (own, results) = results.split_at(code.len(nnz));
            let Some(pieces) = &mut range.outputs[k] else { continue };
            if code.is_by_column && self.layout == Layout::Columns {
                for (piece, column) in pieces.iter_mut().zip(own.chunks_exact(code.column())) {
                    piece[first..first + n].copy_from_slice(&column[..n]);
                }
                continue;
            }
            if code.is_by_column {
                to_points(own, code.column(), nnz, &mut pieces[0][first * nnz..(first + n) * nnz]);
                continue;
            }
            for (j, piece) in pieces.iter_mut().enumerate() {
                let column = own[j..].iter().step_by(nnz);
                piece[first..first + n].iter_mut().zip(column).for_each(|(to, from)| *to = *from);
            }
        }
    }

    fn nnz(&self, input: usize) -> usize {
        self.compiled.function.inputs[input].pattern.nnz()
    }
}
