//! One function at many points: several points at a time in vectors, and on several threads.

mod chunk;
mod run;

use std::fmt;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use rustc_hash::FxHashMap;

use super::{Compiled, EngineKind};
use crate::backend::abi::{EvalError, Memory, Port as Side};
use chunk::{CHUNK, Chunk, LONG_CHUNK, compile};
use run::{Points, Range};

/// Ranges of points for each thread, so that one that is slowed down holds up little.
const RANGES: usize = 4;

/// Why an evaluation at many points gave no result.
#[derive(Clone, Debug, PartialEq)]
pub struct ManyError {
    /// The first point that failed; none if the points do not fit the function.
    pub point: Option<usize>,
    pub error: Box<EvalError>,
}

impl fmt::Display for ManyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.point {
            Some(point) => write!(f, "point {point}: {}", self.error),
            None => self.error.fmt(f),
        }
    }
}

impl std::error::Error for ManyError {}

/// How the nonzeros of inputs and outputs at many points lie in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Those of the first point, then those of the second one, and so on: rows of a table.
    #[default]
    Points,
    /// The first one at all points, then the second one, and so on: columns of a table, which
    /// vectors read and write whole.
    Columns,
}

/// [`Chunk`]s by their length, which inputs have a value at each point and which outputs are wanted;
/// `None` where there can be none.
pub(super) type Chunks = Mutex<FxHashMap<(usize, Vec<bool>, Vec<bool>), Option<Arc<Chunk>>>>;

impl Compiled {
    /// Nonzeros of all outputs at `n` points.
    ///
    /// An input holds the nonzeros at the first point, then those at the second one and so on, or
    /// those that are the same at all points; outputs are laid out alike. The results are the bits
    /// that [`Compiled::evaluate`] gives point by point.
    ///
    /// ```
    /// # use nablac::model::Model;
    /// let f = Model::parse("f.nab", "input x[2], a\noutput y = a * x[0] + x[1]").function()?;
    /// let f = f.compile(&Default::default())?;
    /// let y = f.evaluate_many(3, &[&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[10.0]])?;
    /// assert_eq!(y, [[12.0, 34.0, 56.0]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Compiled::evaluate_many_into`].
    pub fn evaluate_many(&self, n: usize, inputs: &[&[f64]]) -> Result<Vec<Vec<f64>>, ManyError> {
        let mut outputs: Vec<Vec<f64>> =
            self.function.outputs.iter().map(|o| vec![0.0; n * o.pattern.nnz()]).collect();
        let mut wanted: Vec<Option<&mut [f64]>> =
            outputs.iter_mut().map(|o| Some(o.as_mut_slice())).collect();
        self.evaluate_many_into(n, Layout::Points, inputs, &mut wanted, &mut Memory::default())?;
        Ok(outputs)
    }

    /// [`Compiled::evaluate_many`] in a layout of choice, into memory of the caller: `None` for an
    /// output that is not wanted. Machine code for several points at a time is made at the first
    /// call.
    ///
    /// ```
    /// # use nablac::backend::abi::Memory;
    /// # use nablac::function::Layout;
    /// # use nablac::model::Model;
    /// let f = Model::parse("f.nab", "input x[2], a\noutput y = a * x[0] + x[1]").function()?;
    /// let f = f.compile(&Default::default())?;
    /// let (x, mut y) = ([1.0, 3.0, 5.0, 2.0, 4.0, 6.0], [0.0; 3]);
    /// let (columns, mut memory) = (Layout::Columns, Memory::default());
    /// f.evaluate_many_into(3, columns, &[&x, &[10.0]], &mut [Some(&mut y)], &mut memory)?;
    /// assert_eq!(y, [12.0, 34.0, 56.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A wrong number or length of inputs or outputs; at the first point where that happens, a
    /// violated range, a failed external or a cancelled evaluation. The outputs are then
    /// unspecified.
    pub fn evaluate_many_into(
        &self,
        n: usize,
        layout: Layout,
        inputs: &[&[f64]],
        outputs: &mut [Option<&mut [f64]>],
        memory: &mut Memory,
    ) -> Result<(), ManyError> {
        let each = self.check_many(n, inputs, outputs)?;
        if n == 0 {
            return Ok(());
        }
        let wanted: Vec<bool> = outputs.iter().map(Option::is_some).collect();
        let is_long = layout == Layout::Columns && n >= 8 * LONG_CHUNK;
        let len = if is_long { LONG_CHUNK } else { CHUNK };
        let chunk = if n >= len { self.chunk(len, &each, &wanted) } else { None };
        let failed = AtomicUsize::new(usize::MAX);
        let points = Points { compiled: self, n, layout, inputs, each, chunk, failed };
        let n_threads = match self.options.threads {
            0 => rayon::current_num_threads(),
            threads => threads,
        };
        if n_threads == 1 || n < 2 * len {
            let mut all = self.ranges(n, layout, 1, outputs);
            return all.pop().map_or(Ok(()), |range| points.run(range, memory));
        }
        // As many ranges as threads where their number is given, so that no more take part.
        let n_ranges = if self.options.threads == 0 { RANGES * n_threads } else { n_threads };
        let all = self.ranges(n, layout, n_ranges.min(n / len), outputs);
        let shared = &*memory;
        let failures = all
            .into_par_iter()
            .filter_map(|range| points.run(range, &mut shared.fork()).err())
            .min_by_key(|failure| failure.point);
        failures.map_or(Ok(()), Err)
    }

    /// Which inputs have a value at each point.
    fn check_many(
        &self,
        n: usize,
        inputs: &[&[f64]],
        outputs: &[Option<&mut [f64]>],
    ) -> Result<Vec<bool>, ManyError> {
        let refused = |error| ManyError { point: None, error: Box::new(error) };
        let count = |what, expected, given| EvalError::Count {
            function: self.kernel.name.clone(),
            what,
            expected,
            given,
        };
        let length = |what, name: &str, expected, given| EvalError::Length {
            function: self.kernel.name.clone(),
            what,
            name: name.to_owned(),
            expected,
            given,
        };
        let function = &self.function;
        if inputs.len() != function.inputs.len() {
            return Err(refused(count(Side::Input, function.inputs.len(), inputs.len())));
        }
        if outputs.len() != function.outputs.len() {
            return Err(refused(count(Side::Output, function.outputs.len(), outputs.len())));
        }
        let mut each = Vec::with_capacity(inputs.len());
        for (input, given) in function.inputs.iter().zip(inputs) {
            let nnz = input.pattern.nnz();
            if given.len() != nnz && Some(given.len()) != nnz.checked_mul(n) {
                let expected = nnz.saturating_mul(n);
                return Err(refused(length(Side::Input, &input.name, expected, given.len())));
            }
            each.push(given.len() != nnz || n == 1);
        }
        for (output, given) in function.outputs.iter().zip(outputs) {
            let expected = output.pattern.nnz().saturating_mul(n);
            if let Some(given) = given
                && given.len() != expected
            {
                return Err(refused(length(Side::Output, &output.name, expected, given.len())));
            }
        }
        Ok(each)
    }

    /// Machine code for many points at once.
    fn chunk(&self, len: usize, each: &[bool], wanted: &[bool]) -> Option<Arc<Chunk>> {
        if !matches!(self.options.engine, EngineKind::Vector | EngineKind::Jit) {
            return None;
        }
        let key = (len, each.to_vec(), wanted.to_vec());
        let mut chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        // Where there is none, points are evaluated one by one.
        chunks
            .entry(key)
            .or_insert_with(|| compile(&self.optimized, len, each, wanted, &self.options))
            .clone()
    }

    /// Divides points among ranges of about the same length.
    fn ranges<'a>(
        &self,
        n: usize,
        layout: Layout,
        n_ranges: usize,
        outputs: &'a mut [Option<&mut [f64]>],
    ) -> Vec<Range<'a>> {
        let nnz = self.function.outputs.iter().map(|output| output.pattern.nnz());
        let mut rest: Vec<Option<Vec<&mut [f64]>>> = (outputs.iter_mut().zip(nnz))
            .map(|(output, nnz)| {
                let all = &mut **output.as_mut()?;
                Some(match layout {
                    Layout::Columns if nnz > 0 => all.chunks_exact_mut(n).collect(),
                    _ => vec![all],
                })
            })
            .collect();
        let mut all = Vec::with_capacity(n_ranges);
        for number in 0..n_ranges {
            let [begin, end] =
                [number, number + 1].map(|k| (n as u128 * k as u128 / n_ranges as u128) as usize);
            let split = |piece: &mut &'a mut [f64]| {
                let all = std::mem::take(piece);
                let (own, others) = all.split_at_mut(all.len() / (n - begin) * (end - begin));
                *piece = others;
                own
            };
            let outputs = rest
                .iter_mut()
                .map(|pieces| pieces.as_mut().map(|pieces| pieces.iter_mut().map(split).collect()));
            all.push(Range { number, begin, end, outputs: outputs.collect() });
        }
        all
    }
}
