//! Machine code for many points at once.

use std::sync::Arc;

use crate::backend::abi::EngineError;
use crate::backend::jit::{Jit, JitOptions};
use crate::function::Options;
use crate::graph::{ArgMode, Func, Graph, LoopSpec, NodeId, Port, ResultMode, Window};
use crate::kernel::by_column::by_column;
use crate::sparsity::Pattern;

/// Points that machine code takes at once: enough to make up for a call, few enough for their
/// values to stay in the cache on their way to columns and back.
pub const CHUNK: usize = 128;
/// The same of many points whose values lie in columns.
pub const LONG_CHUNK: usize = 512;

/// Machine code for several points at once.
pub struct Chunk {
    pub jit: Jit,
    /// Number of points.
    pub len: usize,
    /// Whether each number of a port has a port of its own, see [`by_column`].
    pub is_by_column: bool,
}

/// A loop over `len` points as machine code. Ranges of inputs are checked before it, so that
/// its iterations can run in vectors.
pub fn compile(
    func: &Func,
    len: usize,
    each: &[bool],
    wanted: &[bool],
    options: &Options,
) -> Option<Arc<Chunk>> {
    let (graph, roots) = func.graph()?;
    let without_range = |port: &Port| Port::new(port.name.clone(), port.pattern.clone());
    let inputs: Vec<Port> = func.inputs.iter().map(without_range).collect();
    let outputs: Vec<(Arc<str>, NodeId)> = (func.outputs.iter().zip(roots).zip(wanted))
        .filter(|((port, _), wanted)| **wanted && port.pattern.nnz() > 0)
        .map(|((port, &root), _)| (port.name.clone(), root))
        .collect();
    let body = Func::freeze(func.name.clone(), graph, inputs.clone(), outputs);
    let long = |pattern: &Pattern| Some(Pattern::dense(pattern.nnz().checked_mul(len)?, 1));
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
        n: len as u64,
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
    let kernel = crate::kernel::build_in_place(&many);
    let columns = by_column(&kernel, each);
    let is_by_column = columns.is_some();
    // Threads take chunks, not iterations.
    let jit = JitOptions { shared_from: u64::MAX, ..options.jit() };
    let made = Jit::new(&Arc::new(columns.unwrap_or(kernel)), &jit);
    debug_assert!(!matches!(made, Err(EngineError::Internal(_))), "a mistake of the compiler");
    Some(Arc::new(Chunk { jit: made.ok()?, len, is_by_column }))
}
