//! From a function to its kernel.
//!
//! Nodes are emitted in the order of the graph. Scalars become SSA values; matrices get memory,
//! or are views of the memory of others where only indices change. Chains of elementwise
//! operations on long values are computed in one loop. What serves one output alone is guarded,
//! so that it is skipped when that output is not wanted.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::concat;
use super::emit::{At, Emitter, MOST_VALUES};
use super::ir::{AddrId, Affine, Base, CallInfo, Callee, CheckInfo, Inst, Kernel, Port, Val};
use super::place::{Place, View};
use super::polls;
use crate::graph::{Body, External, Func, Graph, NodeId, Op, visit};

/// Calls of functions with at most so many nodes are emitted in place.
const INLINE_CALL: usize = 200;

/// Loop bodies with more nodes become kernels of their own, but see [`build_in_place`].
const INLINE_BODY: usize = 1_000;

/// The kernel of a function.
///
/// ```
/// use std::sync::Arc;
/// use nablac::kernel;
/// let f = nablac::model::Model::parse("f.nab", "input x[3]\noutput y = sum(x) * 2").function()?;
/// let kernel = Arc::new(kernel::build(f.func()));
/// kernel::verify::verify(&kernel)?;
/// let ops = kernel::count::count(&kernel);
/// assert_eq!((ops.mul, ops.div), (1, 0));
/// assert!(kernel::print::text(&kernel).contains("mul"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn build(func: &Arc<Func>) -> Kernel {
    Builder::default().function(func)
}

/// [`build`] for machine code, which cuts long code itself: bodies of loops that stand in one place
/// only are written there, whatever their size, so that their iterations can run in lanes. (C
/// compilers take far longer for one long function than for several.)
pub fn build_in_place(func: &Arc<Func>) -> Kernel {
    let kernels = Kernels { single: single_functions(func), ..Kernels::default() };
    Builder { kernels, ..Builder::default() }.function(func)
}

/// Kernels made so far, by function.
#[derive(Default)]
pub struct Kernels {
    made: FxHashMap<Arc<Func>, Arc<Kernel>>,
    /// Functions that are written in place as loop bodies, whatever their size.
    single: FxHashSet<Arc<Func>>,
}

/// The functions inside another one that are called, or are the body of a loop, in one place, and
/// so are those around it.
fn single_functions(root: &Arc<Func>) -> FxHashSet<Arc<Func>> {
    let functions = visit::callees_first(root);
    let mut n_places: FxHashMap<&Arc<Func>, usize> = FxHashMap::default();
    n_places.insert(root, 1);
    for func in functions.iter().rev() {
        let Some((graph, outputs)) = func.graph() else { continue };
        let around = n_places.get(func).copied().unwrap_or(0);
        for id in visit::reachable(graph, outputs) {
            for callee in graph.callees(id) {
                *n_places.entry(callee).or_default() += around;
            }
        }
    }
    n_places.into_iter().filter(|&(_, n)| n == 1).map(|(func, _)| func.clone()).collect()
}

/// Builds one kernel; those of called functions are made on the way and shared.
#[derive(Default)]
pub(super) struct Builder {
    pub emitter: Emitter,
    kernels: Kernels,
    /// Values that are integers known from loop counters.
    pub integers: FxHashMap<Val, Affine>,
}

/// One graph being emitted.
pub(super) struct Frame<'g> {
    pub graph: &'g Graph,
    pub places: Vec<Option<Place>>,
    pub results: FxHashMap<NodeId, Vec<Place>>,
    /// Where a node's value is to be put, if it needs memory at all.
    pub targets: FxHashMap<NodeId, View>,
    /// The same of results of loops, by loop and number of the result.
    pub result_targets: FxHashMap<(NodeId, usize), View>,
    /// Elementwise nodes that are computed in the loop of their only user.
    pub fused: Vec<bool>,
    /// Concatenations that are tables of addresses.
    pub tables: Vec<bool>,
    /// How many nodes and outputs read a node.
    pub uses: Vec<u32>,
}

impl<'g> Frame<'g> {
    fn new(graph: &'g Graph, order: &[NodeId], outputs: &[NodeId]) -> Frame<'g> {
        let mut fused = vec![false; graph.len()];
        let uses = visit::use_counts(graph, order, outputs);
        for &id in order {
            let walks = matches!(graph.op(id), Op::Scalar(_) | Op::Reduce(_));
            for &a in graph.args(id) {
                let elementwise = matches!(graph.op(a), Op::Scalar(_)) && graph.nnz(a) > 1;
                if walks && elementwise && uses[a.index()] == 1 {
                    fused[a.index()] = true;
                }
            }
        }
        let tables = concat::tables(graph, order, outputs, &uses, &fused);
        Frame {
            graph,
            places: vec![None; graph.len()],
            results: FxHashMap::default(),
            targets: FxHashMap::default(),
            result_targets: FxHashMap::default(),
            fused,
            tables,
            uses,
        }
    }

    pub fn place(&self, id: NodeId) -> Place {
        match &self.places[id.index()] {
            Some(place) => place.clone(),
            None => Place::Uniform(0.0),
        }
    }
}

impl Builder {
    fn function(mut self, func: &Arc<Func>) -> Kernel {
        let port = |p: &crate::graph::Port| Port { name: p.name.to_string(), nnz: p.pattern.nnz() };
        self.emitter.kernel.name = func.name.to_string();
        self.emitter.kernel.args = func.inputs.iter().map(port).collect();
        self.emitter.kernel.res = func.outputs.iter().map(port).collect();
        let inputs: Vec<Place> = func
            .inputs
            .iter()
            .enumerate()
            .map(|(k, p)| Place::view(View::contiguous(Base::Arg(k as u32), 0, p.pattern.nnz())))
            .collect();
        let results: Vec<View> = func
            .outputs
            .iter()
            .enumerate()
            .map(|(k, p)| View::contiguous(Base::Res(k as u32), 0, p.pattern.nnz()))
            .collect();
        self.checks(func, &inputs);
        match &func.body {
            Body::Graph { graph, outputs } => self.outermost(graph, outputs, &inputs, &results),
            Body::External(external) => self.external(external, &inputs, &results),
        }
        polls::place(&mut self.emitter.kernel);
        self.emitter.kernel
    }

    /// Emits first what several outputs share, then each output's own part under its guard.
    fn outermost(&mut self, graph: &Graph, outputs: &[NodeId], inputs: &[Place], res: &[View]) {
        const SHARED: u32 = u32::MAX;
        const UNUSED: u32 = u32::MAX - 1;
        let order = visit::reachable(graph, outputs);
        let mut owner = vec![UNUSED; graph.len()];
        let claim = |owner: &mut Vec<u32>, id: NodeId, by: u32| {
            let slot = &mut owner[id.index()];
            *slot = if *slot == UNUSED || *slot == by { by } else { SHARED };
        };
        for (k, &o) in outputs.iter().enumerate() {
            claim(&mut owner, o, k as u32);
        }
        for &id in order.iter().rev() {
            let by = owner[id.index()];
            for &a in graph.args(id) {
                claim(&mut owner, a, by);
            }
        }
        let mut frame = Frame::new(graph, &order, outputs);
        let alone = outputs.len() == 1;
        let is_shared = |id: &&NodeId| !alone && owner[id.index()] == SHARED;
        let shared: Vec<NodeId> = order.iter().filter(is_shared).copied().collect();
        self.place_parts(&mut frame, &shared);
        for (&output, view) in outputs.iter().zip(res) {
            // Engines have memory for what a shared loop writes of an output that is not wanted.
            if graph.op(output) == Op::Result && owner[output.index()] != SHARED {
                let result = (graph.arg(output, 0), graph.number(output));
                frame.result_targets.insert(result, view.clone());
            }
        }
        for id in shared {
            self.node(&mut frame, id, inputs);
        }
        let mut own: Vec<Vec<NodeId>> = vec![Vec::new(); outputs.len()];
        for &id in &order {
            if let Some(of) = own.get_mut(owner[id.index()] as usize) {
                of.push(id);
            }
        }
        for (k, (&output, view)) in outputs.iter().zip(res).enumerate() {
            self.emitter.begin_wanted(k as u32);
            if owner[output.index()] == k as u32 {
                frame.targets.insert(output, view.clone());
            }
            self.place_parts(&mut frame, &own[k]);
            for &id in &own[k] {
                self.node(&mut frame, id, inputs);
            }
            self.deliver(&frame, output, view);
            self.emitter.end_wanted();
        }
    }

    /// Puts the value of an output where it belongs, unless it was computed there.
    fn deliver(&mut self, frame: &Frame, output: NodeId, to: &View) {
        let place = frame.place(output);
        if matches!(&place, Place::View(view) if view.is_same_block(to)) {
            return;
        }
        self.copy(&place, to);
    }

    /// Copies a value into memory.
    pub(super) fn copy(&mut self, place: &Place, to: &View) {
        match place {
            Place::Values(_) => self.emitter.copy(place, to),
            _ => {
                let place = self.walkable(place);
                self.emitter.copy(&place, to);
            }
        }
    }

    /// Emits a function in place; outputs with a target are stored there.
    pub(super) fn inline(
        &mut self,
        func: &Arc<Func>,
        inputs: &[Place],
        targets: &[Option<View>],
    ) -> Vec<Place> {
        self.checks(func, inputs);
        let (graph, outputs) = match &func.body {
            Body::Graph { graph, outputs } => (graph, outputs),
            Body::External(external) => {
                let results = self.result_views(func, targets);
                self.external(external, inputs, &results);
                return results.into_iter().map(Place::view).collect();
            }
        };
        let order = visit::reachable(graph, outputs);
        let mut frame = Frame::new(graph, &order, outputs);
        for (&output, target) in outputs.iter().zip(targets) {
            if let Some(view) = target {
                frame.targets.entry(output).or_insert_with(|| view.clone());
            }
        }
        self.place_parts(&mut frame, &order);
        for id in order {
            self.node(&mut frame, id, inputs);
        }
        outputs
            .iter()
            .zip(targets)
            .map(|(&output, target)| match target {
                Some(view) => {
                    self.deliver(&frame, output, view);
                    Place::view(view.clone())
                }
                None => frame.place(output),
            })
            .collect()
    }

    /// Emits a call: in place if the function is small.
    pub(super) fn call(
        &mut self,
        func: &Arc<Func>,
        inputs: &[Place],
        targets: &[Option<View>],
    ) -> Vec<Place> {
        if func.size() <= INLINE_CALL || func.graph().is_none() {
            return self.inline(func, inputs, targets);
        }
        self.outlined(func, inputs, targets)
    }

    /// Emits the body of a loop.
    pub(super) fn body(
        &mut self,
        func: &Arc<Func>,
        inputs: &[Place],
        targets: &[Option<View>],
    ) -> Vec<Place> {
        let is_single = self.kernels.single.contains(func);
        if is_single || func.size() <= INLINE_BODY || func.graph().is_none() {
            return self.inline(func, inputs, targets);
        }
        self.outlined(func, inputs, targets)
    }

    /// Emits a call of a kernel of its own.
    fn outlined(
        &mut self,
        func: &Arc<Func>,
        inputs: &[Place],
        targets: &[Option<View>],
    ) -> Vec<Place> {
        let callee = match self.kernels.made.get(func) {
            Some(kernel) => kernel.clone(),
            None => {
                let kernels = std::mem::take(&mut self.kernels);
                let builder = Builder { kernels, ..Builder::default() };
                let (kernel, kernels) = builder.function_and_kernels(func);
                self.kernels = kernels;
                let kernel = Arc::new(kernel);
                self.kernels.made.insert(func.clone(), kernel.clone());
                kernel
            }
        };
        let results = self.result_views(func, targets);
        let work = self.emitter.kernel.work_len;
        self.emitter.kernel.work_len += callee.work_len;
        self.push_call(Callee::Kernel(callee), inputs, &results, work);
        self.copy_to_targets(results, targets)
    }

    fn function_and_kernels(mut self, func: &Arc<Func>) -> (Kernel, Kernels) {
        let kernels = std::mem::take(&mut self.kernels);
        let mut inner = Builder { kernels, ..Builder::default() };
        std::mem::swap(&mut self.emitter, &mut inner.emitter);
        let port = |p: &crate::graph::Port| Port { name: p.name.to_string(), nnz: p.pattern.nnz() };
        inner.emitter.kernel.name = func.name.to_string();
        inner.emitter.kernel.args = func.inputs.iter().map(port).collect();
        inner.emitter.kernel.res = func.outputs.iter().map(port).collect();
        let inputs: Vec<Place> = (0..func.inputs.len())
            .map(|k| {
                let nnz = func.inputs[k].pattern.nnz();
                Place::view(View::contiguous(Base::Arg(k as u32), 0, nnz))
            })
            .collect();
        let targets: Vec<Option<View>> = (0..func.outputs.len())
            .map(|k| {
                let nnz = func.outputs[k].pattern.nnz();
                Some(View::contiguous(Base::Res(k as u32), 0, nnz))
            })
            .collect();
        inner.inline(func, &inputs, &targets);
        polls::place(&mut inner.emitter.kernel);
        (inner.emitter.kernel, inner.kernels)
    }

    fn external(&mut self, external: &Arc<External>, inputs: &[Place], results: &[View]) {
        self.push_call(Callee::External(external.clone()), inputs, results, 0);
    }

    fn push_call(&mut self, callee: Callee, inputs: &[Place], results: &[View], work: usize) {
        let lens: Vec<usize> = match &callee {
            Callee::Kernel(kernel) => kernel.args.iter().map(|p| p.nnz).collect(),
            Callee::External(external) => external.inputs.iter().map(|p| p.nnz()).collect(),
        };
        let args: Vec<AddrId> = inputs
            .iter()
            .zip(lens)
            .map(|(place, len)| {
                let view = self.contiguous(place, len);
                self.emitter.address(&view, &At::constant(0))
            })
            .collect();
        let res: Vec<AddrId> =
            results.iter().map(|view| self.emitter.address(view, &At::constant(0))).collect();
        let id = self.emitter.kernel.calls.len() as u32;
        self.emitter.kernel.calls.push(CallInfo { callee, args, res, work });
        self.emitter.kernel.insts.push(Inst::Call { id });
    }

    /// Contiguous memory for each result: its target where that is contiguous.
    fn result_views(&mut self, func: &Func, targets: &[Option<View>]) -> Vec<View> {
        func.outputs
            .iter()
            .zip(targets)
            .map(|(port, target)| match target {
                Some(view) if view.is_contiguous() => view.clone(),
                _ => self.emitter.allocate(port.pattern.nnz()),
            })
            .collect()
    }

    fn copy_to_targets(&mut self, results: Vec<View>, targets: &[Option<View>]) -> Vec<Place> {
        results
            .into_iter()
            .zip(targets)
            .map(|(view, target)| match target {
                Some(target) if !target.is_contiguous() => {
                    self.emitter.copy(&Place::view(view), target);
                    Place::view(target.clone())
                }
                _ => Place::view(view),
            })
            .collect()
    }

    /// Declared ranges of the inputs of a function.
    fn checks(&mut self, func: &Func, inputs: &[Place]) {
        for (port, place) in func.inputs.iter().zip(inputs) {
            let Some((lo, hi)) = port.range else { continue };
            let id = self.emitter.kernel.checks.len() as u32;
            self.emitter.kernel.checks.push(CheckInfo {
                lo,
                hi,
                function: func.name.to_string(),
                input: port.name.to_string(),
            });
            let n = port.pattern.nnz();
            let place = self.walkable(place);
            if n == 1 {
                let value = self.emitter.read(&place, &At::constant(0));
                self.emitter.kernel.insts.push(Inst::Check { value, id });
            } else if n > 1 {
                self.emitter.for_each(n, |e, counter| {
                    let value = e.read(&place, &At::counter(counter));
                    e.kernel.insts.push(Inst::Check { value, id });
                });
            }
        }
    }

    /// The value in memory, nonzero after nonzero.
    pub(super) fn contiguous(&mut self, place: &Place, len: usize) -> View {
        match place {
            Place::View(view) if view.is_contiguous() => (**view).clone(),
            _ => {
                let place = self.walkable(place);
                let view = self.emitter.allocate(len);
                self.emitter.copy(&place, &view);
                view
            }
        }
    }

    /// The value in memory, at least.
    pub(super) fn in_memory(&mut self, place: &Place, len: usize) -> View {
        match place {
            Place::View(view) => (**view).clone(),
            _ => self.contiguous(place, len),
        }
    }

    /// The value in a place that a loop can walk: not in several SSA values.
    pub(super) fn walkable(&mut self, place: &Place) -> Place {
        match place {
            Place::Values(values) if values.len() > 1 => {
                let view = self.emitter.allocate(values.len());
                self.emitter.copy(place, &view);
                Place::view(view)
            }
            Place::View(view) if !Emitter::can_walk(view) => {
                let copy = self.emitter.allocate(view.len());
                for k in 0..view.len() {
                    let v = self.emitter.load(view, &At::constant(k));
                    self.emitter.store(&copy, &At::constant(k), v);
                }
                Place::view(copy)
            }
            _ => place.clone(),
        }
    }

    /// SSA values of all nonzeros of a short value.
    pub(super) fn values(&mut self, place: &Place, len: usize) -> Vec<Val> {
        debug_assert!(len <= MOST_VALUES || matches!(place, Place::Values(_)));
        (0..len).map(|k| self.emitter.read(place, &At::constant(k))).collect()
    }
}
