//! Evaluation at ranges of points, in chunks where there is code for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::chunk::{CHUNK, Chunk};
use super::{Layout, ManyError};
use crate::backend::abi::{Engine, EvalError, Memory};
use crate::function::Compiled;

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
    /// How far apart it takes the numbers of a point, if not next to one another.
    column: Option<usize>,
    is_chunk: bool,
}

impl Code<'_> {
    fn places(&self, nnz: usize) -> Places {
        self.column.map_or(Places::points(nnz), Places::columns)
    }

    /// Numbers of memory for `nnz` nonzeros at all points.
    fn len(&self, nnz: usize) -> usize {
        nnz * self.column.unwrap_or(self.n)
    }
}

impl Range<'_> {
    /// Takes output `k`, of `nnz` nonzeros, at points of the range from `first` on.
    fn write(&mut self, k: usize, nnz: usize, first: usize, from: &[f64], code: &Code) {
        let (n, places) = (code.n, code.places(nnz));
        let Some(pieces) = &mut self.outputs[k] else { return };
        match &mut pieces[..] {
            _ if nnz == 0 => {}
            [all] => {
                let to = &mut all[first * nnz..(first + n) * nnz];
                copy(n, nnz, from, places, to, Places::points(nnz));
            }
            pieces => {
                for (j, piece) in pieces.iter_mut().enumerate() {
                    let to = &mut piece[first..first + n];
                    copy(n, 1, &from[j * places.number..], places, to, Places::points(1));
                }
            }
        }
    }
}

/// How far apart in memory two points, and two numbers of a point are.
#[derive(Clone, Copy)]
struct Places {
    point: usize,
    number: usize,
}

impl Places {
    /// Of points that follow one another.
    fn points(nnz: usize) -> Places {
        Places { point: nnz, number: 1 }
    }

    /// Of columns that are so long.
    fn columns(len: usize) -> Places {
        Places { point: 1, number: len }
    }
}

/// Copies `nnz` numbers at `n` points.
fn copy(n: usize, nnz: usize, from: &[f64], at: Places, to: &mut [f64], to_at: Places) {
    for j in 0..nnz {
        let (from, to) = (&from[j * at.number..], &mut to[j * to_at.number..]);
        if at.point == 1 && to_at.point == 1 {
            to[..n].copy_from_slice(&from[..n]);
            continue;
        }
        let from = from.iter().step_by(at.point);
        for (to, from) in to.iter_mut().step_by(to_at.point).zip(from).take(n) {
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
            if let Some(chunk) = self.chunk.as_deref().filter(|_| range.end - range.begin >= CHUNK)
            {
                // The last chunk may repeat what has been done.
                at = at.min(range.end - CHUNK);
                n = CHUNK;
                let code = Code { engine: &chunk.jit, n, column: chunk.column, is_chunk: true };
                if self.in_ranges(at)
                    && self.call(&code, at, &mut range, &mut buffer, memory).is_ok()
                {
                    at += CHUNK;
                    continue;
                }
            }
            // What fails in a chunk is found point by point.
            let engine = &*self.compiled.engine;
            let code = Code { engine, n: 1, column: None, is_chunk: false };
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
    fn in_ranges(&self, at: usize) -> bool {
        self.compiled.optimized.inputs.iter().enumerate().all(|(k, port)| {
            let Some((lo, hi)) = port.range else { return true };
            let is_in = |x: &f64| (lo..=hi).contains(x);
            match (self.layout, self.each[k]) {
                (Layout::Columns, true) => (self.inputs[k].chunks_exact(self.n))
                    .all(|column| column[at..at + CHUNK].iter().all(is_in)),
                (Layout::Points, true) => {
                    let nnz = port.pattern.nnz();
                    self.inputs[k][at * nnz..(at + CHUNK) * nnz].iter().all(is_in)
                }
                (_, false) => self.inputs[k].iter().all(is_in),
            }
        })
    }

    /// Calls code for some points.
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
        let outputs = outputs.enumerate();
        let outputs: Vec<(usize, usize)> = outputs
            .filter(|&(k, nnz)| !code.is_chunk || (range.outputs[k].is_some() && nnz > 0))
            .collect();
        if self.layout == Layout::Points && code.column.is_none() {
            self.call_in_place(code, at, range, &outputs, memory)
        } else {
            self.call_moved(code, at, range, &outputs, buffer, memory)
        }
    }

    /// Calls code that takes numbers where they are.
    fn call_in_place(
        &self,
        code: &Code,
        at: usize,
        range: &mut Range,
        outputs: &[(usize, usize)],
        memory: &mut Memory,
    ) -> Result<(), EvalError> {
        let (n, first) = (code.n, at - range.begin);
        let inputs: Vec<&[f64]> = (0..self.inputs.len())
            .map(|k| match self.each[k] {
                true => &self.inputs[k][at * self.nnz(k)..(at + n) * self.nnz(k)],
                false => self.inputs[k],
            })
            .collect();
        let mut pieces: Vec<_> = range.outputs.iter_mut().map(Option::as_mut).collect();
        let mut wanted: Vec<Option<&mut [f64]>> = outputs
            .iter()
            .map(|&(k, nnz)| Some(&mut pieces[k].take()?[0][first * nnz..(first + n) * nnz]))
            .collect();
        code.engine.call(&inputs, &mut wanted, memory)
    }

    /// Calls code by way of a buffer that has the numbers where it takes them.
    fn call_moved(
        &self,
        code: &Code,
        at: usize,
        range: &mut Range,
        outputs: &[(usize, usize)],
        buffer: &mut Vec<f64>,
        memory: &mut Memory,
    ) -> Result<(), EvalError> {
        let moved = (0..self.inputs.len()).filter(|&k| self.each[k]);
        let len_given: usize = moved.clone().map(|k| code.len(self.nnz(k))).sum();
        let len_results: usize = outputs.iter().map(|&(_, nnz)| code.len(nnz)).sum();
        buffer.resize(len_given + len_results, 0.0);
        let (mut given, mut results) = buffer.split_at_mut(len_given);
        let mut inputs: Vec<&[f64]> = self.inputs.to_vec();
        for k in moved {
            let own;
            (own, given) = std::mem::take(&mut given).split_at_mut(code.len(self.nnz(k)));
            self.read(k, at, own, code);
            inputs[k] = own;
        }
        let mut wanted: Vec<Option<&mut [f64]>> = Vec::with_capacity(outputs.len());
        for &(k, nnz) in outputs {
            let own;
            (own, results) = std::mem::take(&mut results).split_at_mut(code.len(nnz));
            wanted.push(range.outputs[k].is_some().then_some(own));
        }
        code.engine.call(&inputs, &mut wanted, memory)?;
        for (&(k, nnz), values) in outputs.iter().zip(&wanted) {
            if let Some(values) = values {
                range.write(k, nnz, at - range.begin, values, code);
            }
        }
        Ok(())
    }

    /// Input `k` at some points.
    fn read(&self, k: usize, at: usize, to: &mut [f64], code: &Code) {
        let (nnz, n) = (self.nnz(k), code.n);
        if nnz == 0 {
            return;
        }
        let (from, places) = match self.layout {
            Layout::Points => (&self.inputs[k][at * nnz..], Places::points(nnz)),
            Layout::Columns => (&self.inputs[k][at..], Places::columns(self.n)),
        };
        copy(n, nnz, from, places, to, code.places(nnz));
    }

    fn nnz(&self, input: usize) -> usize {
        self.compiled.function.inputs[input].pattern.nnz()
    }
}
