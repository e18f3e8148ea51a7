//! One function at many points: several points at a time in vectors, and on several threads.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use rustc_hash::FxHashMap;

use super::{Compiled, EngineKind, Options};
use crate::backend::abi::{Engine, EngineError, EvalError, Memory, Port as Side};
use crate::backend::jit::Jit;
use crate::graph::{ArgMode, Func, Graph, LoopSpec, NodeId, Port, ResultMode, Window};
use crate::sparsity::Pattern;

/// Points that machine code takes at once: enough to make up for a call, few enough to stay in
/// the cache.
const CHUNK: usize = 128;
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

/// Machine code for [`CHUNK`] points, by which inputs have a value at each of them and which
/// outputs are wanted; `None` where there can be none.
pub(super) type Chunks = Mutex<FxHashMap<(Vec<bool>, Vec<bool>), Option<Arc<Jit>>>>;

/// What all ranges of points read.
struct Points<'a> {
    compiled: &'a Compiled,
    inputs: &'a [&'a [f64]],
    /// Which inputs have a value at each point.
    each: Vec<bool>,
    chunk: Option<Arc<Jit>>,
    /// The first range that failed.
    failed: AtomicUsize,
}

/// Consecutive points, and where their outputs go.
struct Range<'a> {
    number: usize,
    begin: usize,
    end: usize,
    outputs: Vec<Option<&'a mut [f64]>>,
}

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
        self.evaluate_many_into(n, inputs, &mut wanted, &mut Memory::default())?;
        Ok(outputs)
    }

    /// [`Compiled::evaluate_many`] into memory of the caller: `None` for an output that is not
    /// wanted. Machine code for several points at a time is made at the first call.
    ///
    /// # Errors
    /// A wrong number or length of inputs or outputs; at the first point where that happens, a
    /// violated range, a failed external or a cancelled evaluation. The outputs are then
    /// unspecified.
    pub fn evaluate_many_into(
        &self,
        n: usize,
        inputs: &[&[f64]],
        outputs: &mut [Option<&mut [f64]>],
        memory: &mut Memory,
    ) -> Result<(), ManyError> {
        let each = self.check_many(n, inputs, outputs)?;
        if n == 0 {
            return Ok(());
        }
        let wanted: Vec<bool> = outputs.iter().map(Option::is_some).collect();
        let chunk = if n >= CHUNK { self.chunk(&each, &wanted) } else { None };
        let failed = AtomicUsize::new(usize::MAX);
        let points = Points { compiled: self, inputs, each, chunk, failed };
        let n_threads = match self.options.threads {
            0 => rayon::current_num_threads(),
            threads => threads,
        };
        if n_threads == 1 || n < 2 * CHUNK {
            let mut all = ranges(n, 1, outputs);
            return all.pop().map_or(Ok(()), |range| points.run(range, memory));
        }
        // As many ranges as threads where their number is given, so that no more take part.
        let n_ranges = if self.options.threads == 0 { RANGES * n_threads } else { n_threads };
        let all = ranges(n, n_ranges.min(n / CHUNK), outputs);
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
    fn chunk(&self, each: &[bool], wanted: &[bool]) -> Option<Arc<Jit>> {
        if !matches!(self.options.engine, EngineKind::Vector | EngineKind::Jit) {
            return None;
        }
        let key = (each.to_vec(), wanted.to_vec());
        let mut chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        // Where there is none, points are evaluated one by one.
        chunks
            .entry(key)
            .or_insert_with(|| compile(&self.optimized, each, wanted, &self.options))
            .clone()
    }
}

/// Divides points among ranges of about the same length.
fn ranges<'a>(n: usize, n_ranges: usize, outputs: &'a mut [Option<&mut [f64]>]) -> Vec<Range<'a>> {
    let mut rest: Vec<Option<&mut [f64]>> =
        outputs.iter_mut().map(|o| o.as_mut().map(|o| &mut **o)).collect();
    let mut all = Vec::with_capacity(n_ranges);
    for number in 0..n_ranges {
        let [begin, end] =
            [number, number + 1].map(|k| (n as u128 * k as u128 / n_ranges as u128) as usize);
        let outputs = rest.iter_mut().map(|rest| {
            let all = rest.take()?;
            let (own, others) = all.split_at_mut(all.len() / (n - begin) * (end - begin));
            *rest = Some(others);
            Some(own)
        });
        all.push(Range { number, begin, end, outputs: outputs.collect() });
    }
    all
}

impl Points<'_> {
    fn run(&self, mut range: Range, memory: &mut Memory) -> Result<(), ManyError> {
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
                if self.in_ranges(at) && self.call_chunk(chunk, at, &mut range, memory).is_ok() {
                    at += CHUNK;
                    continue;
                }
            }
            // What fails in a chunk is found point by point.
            for point in at..at + n {
                self.call(point, &mut range, memory).map_err(|error| {
                    self.failed.fetch_min(range.number, Ordering::Relaxed);
                    ManyError { point: Some(point), error: Box::new(error) }
                })?;
            }
            at += n;
        }
        Ok(())
    }

    /// The values of an input from a point on.
    fn input(&self, k: usize, point: usize, n: usize) -> &[f64] {
        let nnz = self.compiled.function.inputs[k].pattern.nnz();
        if self.each[k] { &self.inputs[k][point * nnz..(point + n) * nnz] } else { self.inputs[k] }
    }

    /// Whether the inputs of a chunk are in their declared ranges, which its code does not check.
    fn in_ranges(&self, at: usize) -> bool {
        self.compiled.optimized.inputs.iter().enumerate().all(|(k, port)| match port.range {
            Some((lo, hi)) => self.input(k, at, CHUNK).iter().all(|x| (lo..=hi).contains(x)),
            None => true,
        })
    }

    fn call_chunk(
        &self,
        chunk: &Jit,
        at: usize,
        range: &mut Range,
        memory: &mut Memory,
    ) -> Result<(), EvalError> {
        let inputs: Vec<&[f64]> =
            (0..self.inputs.len()).map(|k| self.input(k, at, CHUNK)).collect();
        let outputs = self.compiled.function.outputs.iter().zip(&mut range.outputs);
        let mut wanted: Vec<Option<&mut [f64]>> = outputs
            .filter(|(output, values)| values.is_some() && output.pattern.nnz() > 0)
            .map(|(output, values)| {
                let (nnz, at) = (output.pattern.nnz(), at - range.begin);
                values.as_mut().map(|values| &mut values[at * nnz..(at + CHUNK) * nnz])
            })
            .collect();
        chunk.call(&inputs, &mut wanted, memory)
    }

    fn call(&self, point: usize, range: &mut Range, memory: &mut Memory) -> Result<(), EvalError> {
        let inputs: Vec<&[f64]> = (0..self.inputs.len()).map(|k| self.input(k, point, 1)).collect();
        let outputs = self.compiled.function.outputs.iter().zip(&mut range.outputs);
        let mut wanted: Vec<Option<&mut [f64]>> = outputs
            .map(|(output, values)| {
                let (nnz, at) = (output.pattern.nnz(), point - range.begin);
                values.as_mut().map(|values| &mut values[at * nnz..(at + 1) * nnz])
            })
            .collect();
        self.compiled.engine.call(&inputs, &mut wanted, memory)
    }
}

/// A loop over [`CHUNK`] points as machine code. Ranges of inputs are checked before it, so that
/// its iterations can run in vectors.
fn compile(func: &Func, each: &[bool], wanted: &[bool], options: &Options) -> Option<Arc<Jit>> {
    let (graph, roots) = func.graph()?;
    let without_range = |port: &Port| Port::new(port.name.clone(), port.pattern.clone());
    let inputs: Vec<Port> = func.inputs.iter().map(without_range).collect();
    let outputs: Vec<(Arc<str>, NodeId)> = (func.outputs.iter().zip(roots).zip(wanted))
        .filter(|((port, _), wanted)| **wanted && port.pattern.nnz() > 0)
        .map(|((port, &root), _)| (port.name.clone(), root))
        .collect();
    let body = Func::freeze(func.name.clone(), graph, inputs.clone(), outputs);
    let long = |pattern: &Pattern| Some(Pattern::dense(pattern.nnz().checked_mul(CHUNK)?, 1));
    let (mut ports, mut modes) = (Vec::new(), Vec::new());
    for (port, &each) in inputs.into_iter().zip(each) {
        modes.push(match each {
            true => ArgMode::Window(Window::stacked(port.pattern.nnz())),
            false => ArgMode::Broadcast,
        });
        let pattern = if each { long(&port.pattern)? } else { port.pattern };
        ports.push(Port::new(port.name, pattern));
    }
    let nnz = || body.outputs.iter().map(|port| port.pattern.nnz());
    let spec = LoopSpec {
        n: CHUNK as u64,
        n_states: 0,
        args: modes,
        results: nnz().map(|nnz| ResultMode::Window(Window::stacked(nnz))).collect(),
        patterns: body.outputs.iter().map(|port| long(&port.pattern)).collect::<Option<_>>()?,
        range: None,
        body: body.clone(),
    };
    let mut graph = Graph::new();
    let args = graph.inputs(&ports);
    let results = graph.repeat(spec, &args);
    let names = body.outputs.iter().map(|port| port.name.clone());
    let many = Func::freeze(func.name.clone(), &graph, ports, names.zip(results).collect());
    let kernel = Arc::new(crate::kernel::build_in_place(&many));
    // Threads take chunks, not iterations.
    let jit = super::JitOptions { shared_from: u64::MAX, ..options.jit() };
    let made = Jit::new(&kernel, &jit);
    debug_assert!(!matches!(made, Err(EngineError::Internal(_))), "a mistake of the compiler");
    made.ok().map(Arc::new)
}
