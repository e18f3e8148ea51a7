//! Emission of single nodes.

use super::build::{Builder, Frame};
use super::emit::{At, MOST_VALUES};
use super::ir::Val;
use super::place::{Place, View};
use super::reduce;
use crate::graph::{Constant, NodeId, Op, Payload, Reduction};
use crate::ops::scalar::ScalarOp;
use crate::sparsity::{IndexMap, Pattern};

/// Columns of at least so many entries are added as wholes in products of matrices.
const LONG_COLUMN: usize = 8;

impl Builder {
    /// Emits a node of the frame's graph whose arguments have been emitted.
    pub(super) fn node(&mut self, frame: &mut Frame, id: NodeId, inputs: &[Place]) {
        let graph = frame.graph;
        let n = graph.nnz(id);
        let place = match graph.op(id) {
            Op::Const => Some(match graph.as_constant(id) {
                Some(Constant::Values(values)) => Place::view(self.emitter.data(&values)),
                Some(Constant::Uniform(v)) => Place::Uniform(v),
                None => Place::Uniform(0.0),
            }),
            Op::Input => {
                let place = inputs[graph.number(id)].clone();
                Some(match (&place, n) {
                    // Scalars are loaded once.
                    (Place::View(_), 1) => Place::Same(self.emitter.read(&place, &At::constant(0))),
                    _ => place,
                })
            }
            Op::Mark => Some(frame.place(graph.arg(id, 0))),
            Op::Scalar(op) if n == 1 => {
                let args: Vec<Val> = graph
                    .args(id)
                    .iter()
                    .map(|&a| self.emitter.read(&frame.place(a), &At::constant(0)))
                    .collect();
                Some(Place::Same(self.emitter.apply(op, &args)))
            }
            Op::Scalar(_) if frame.fused[id.index()] => None,
            Op::Scalar(_) => Some(self.elementwise(frame, id)),
            Op::Gather => Some(self.gather(frame, id)),
            Op::Scatter => Some(self.scatter(frame, id)),
            Op::Concat => Some(self.concat(frame, id)),
            Op::MatMul => Some(self.matmul(frame, id)),
            Op::Reduce(reduction) => Some(self.reduction(frame, id, reduction)),
            Op::Result => {
                let results = frame.results.get(&graph.arg(id, 0));
                results.and_then(|r| r.get(graph.number(id))).cloned()
            }
            Op::Call => {
                if let Some(callee) = graph.callee(id) {
                    let args: Vec<Place> = graph.args(id).iter().map(|&a| frame.place(a)).collect();
                    let results = self.call(callee, &args, &vec![None; callee.outputs.len()]);
                    frame.results.insert(id, results);
                }
                None
            }
            Op::Cond => {
                self.conditional(frame, id);
                None
            }
            Op::Loop => {
                self.repeat(frame, id);
                None
            }
        };
        frame.places[id.index()] = place;
    }

    /// Memory for the value of a node: its target, or new.
    pub(super) fn target(&mut self, frame: &Frame, id: NodeId) -> View {
        match frame.targets.get(&id) {
            Some(view) => view.clone(),
            None => self.emitter.allocate(frame.graph.nnz(id)),
        }
    }

    /// The elementwise nodes computed in the loop of `root`, operands first, and their inputs
    /// made walkable.
    fn fused(&mut self, frame: &mut Frame, root: NodeId) -> Vec<NodeId> {
        let graph = frame.graph;
        let (mut group, mut work) = (Vec::new(), vec![root]);
        while let Some(id) = work.pop() {
            for &a in graph.args(id) {
                if frame.fused[a.index()] {
                    work.push(a);
                } else {
                    let place = self.walkable(&frame.place(a));
                    frame.places[a.index()] = Some(place);
                }
            }
            group.push(id);
        }
        group.sort_unstable();
        group
    }

    /// Values of nonzero `at` of the elementwise nodes in `group`; the last one is the result.
    fn fused_value(&mut self, frame: &Frame, group: &[NodeId], at: &At) -> Val {
        let graph = frame.graph;
        let mut values: Vec<Val> = Vec::with_capacity(group.len());
        for &id in group {
            let Op::Scalar(op) = graph.op(id) else { continue };
            let args: Vec<Val> = graph
                .args(id)
                .iter()
                .map(|&a| match group.binary_search(&a) {
                    Ok(k) => values[k],
                    Err(_) => {
                        let first = At::constant(0);
                        let at = if graph.nnz(a) == 1 { &first } else { at };
                        self.emitter.read(&frame.place(a), at)
                    }
                })
                .collect();
            values.push(self.emitter.apply(op, &args));
        }
        values.last().copied().unwrap_or(0)
    }

    fn elementwise(&mut self, frame: &mut Frame, id: NodeId) -> Place {
        let group = self.fused(frame, id);
        let n = frame.graph.nnz(id);
        let target = self.target(frame, id);
        let (counter, _) = self.emitter.begin_loop(super::ir::Trip::Const(n as u64), &[]);
        let v = self.fused_value(frame, &group, &At::counter(counter));
        self.emitter.store(&target, &At::counter(counter), v);
        self.emitter.end_loop(counter, &[]);
        Place::view(target)
    }

    fn reduction(&mut self, frame: &mut Frame, id: NodeId, reduction: Reduction) -> Place {
        let x = frame.graph.arg(id, 0);
        let n = frame.graph.nnz(x);
        if let Place::Values(values) = frame.place(x)
            && !frame.fused[x.index()]
        {
            let v = reduce::tree(&mut self.emitter, reduction, &values);
            return Place::Values([v].into());
        }
        let group = if frame.fused[x.index()] { self.fused(frame, x) } else { Vec::new() };
        let place = self.walkable(&frame.place(x));
        let sums = reduce::blocked(self, &[(reduction, 1)], n as u64, |b, index| {
            let at = At(index.clone());
            let v = match group.is_empty() {
                true => b.emitter.read(&place, &at),
                false => b.fused_value(frame, &group, &at),
            };
            vec![vec![v]]
        });
        sums.into_iter().next().unwrap_or(Place::Uniform(0.0))
    }

    /// Rearranges without moving where possible.
    fn gather(&mut self, frame: &Frame, id: NodeId) -> Place {
        let graph = frame.graph;
        let Some(map) = graph.map(id) else { return frame.place(graph.arg(id, 0)) };
        match frame.place(graph.arg(id, 0)) {
            Place::Uniform(v) => Place::Uniform(v),
            Place::Same(v) => Place::Same(v),
            Place::Values(values) if values.len() == 1 => {
                if map.len() == 1 {
                    Place::Values(values)
                } else {
                    Place::Same(values[0])
                }
            }
            Place::Values(values) => Place::Values(map.iter().map(|k| values[k]).collect()),
            Place::View(view) if map.len() == 1 => {
                let v = self.emitter.load(&view, &At::constant(map.get(0)));
                Place::Values([v].into())
            }
            Place::View(view) => Place::view(view.gather(map)),
        }
    }

    fn scatter(&mut self, frame: &Frame, id: NodeId) -> Place {
        let graph = frame.graph;
        let x = graph.arg(id, 0);
        let n = graph.nnz(x);
        let Some(map) = graph.map(id) else { return frame.place(x) };
        let target = self.target(frame, id);
        self.emitter.fill(&target, 0.0);
        let onto = target.gather(map);
        match frame.place(x) {
            Place::Values(values) => {
                for (k, &v) in values.iter().enumerate() {
                    self.emitter.accumulate(&onto, &At::constant(k), v);
                }
            }
            place => {
                let place = self.walkable(&place);
                self.emitter.for_each(n, |e, counter| {
                    let v = e.read(&place, &At::counter(counter));
                    e.accumulate(&onto, &At::counter(counter), v);
                });
            }
        }
        Place::view(target)
    }

    /// Dense products by three loops; sparse ones by a list of the products of nonzeros.
    fn matmul(&mut self, frame: &Frame, id: NodeId) -> Place {
        let graph = frame.graph;
        let (a, b) = (graph.arg(id, 0), graph.arg(id, 1));
        let (pa, pb, pattern) = (graph.pattern(a), graph.pattern(b), graph.pattern(id));
        let va = self.contiguous(&frame.place(a), pa.nnz());
        let vb = self.contiguous(&frame.place(b), pb.nnz());
        let target = self.target(frame, id);
        if pa.is_dense() && pb.is_dense() && pattern.is_dense() {
            self.dense_product(&va, &vb, &target, pa.n_rows(), pa.n_cols(), pb.n_cols());
        } else {
            self.sparse_product(&va, &vb, &target, pa, pb, pattern);
        }
        Place::view(target)
    }

    /// Every entry is summed over the inner index in order. Of long columns whole ones are added,
    /// so that memory is walked and sums do not wait for one another.
    fn dense_product(
        &mut self,
        a: &View,
        b: &View,
        c: &View,
        n_rows: usize,
        n_inner: usize,
        n_cols: usize,
    ) {
        let trip = |n: usize| super::ir::Trip::Const(n as u64);
        let at = |view: &View, terms: &[(u32, usize)]| {
            let mut view = view.clone();
            for &(counter, stride) in terms {
                view.index.terms.push((counter, stride as i64));
            }
            view
        };
        if n_rows >= LONG_COLUMN && n_inner > 1 {
            self.emitter.fill(c, 0.0);
            let e = &mut self.emitter;
            let (j, _) = e.begin_loop(trip(n_cols), &[]);
            let (l, _) = e.begin_loop(trip(n_inner), &[]);
            let right = at(b, &[(l, 1), (j, n_inner)]);
            let y = e.load(&right, &At::constant(0));
            let (i, _) = e.begin_loop(trip(n_rows), &[]);
            let x = e.load(&at(a, &[(i, 1), (l, n_rows)]), &At::constant(0));
            let product = e.apply(ScalarOp::Mul, &[x, y]);
            e.accumulate(&at(c, &[(i, 1), (j, n_rows)]), &At::constant(0), product);
            e.end_loop(i, &[]);
            e.end_loop(l, &[]);
            e.end_loop(j, &[]);
            return;
        }
        let e = &mut self.emitter;
        if n_inner == 1 {
            // A column times a row: there is nothing to sum.
            let (j, _) = e.begin_loop(trip(n_cols), &[]);
            let y = e.load(&at(b, &[(j, 1)]), &At::constant(0));
            let (i, _) = e.begin_loop(trip(n_rows), &[]);
            let x = e.load(&at(a, &[(i, 1)]), &At::constant(0));
            let product = e.apply(ScalarOp::Mul, &[x, y]);
            e.store(&at(c, &[(i, 1), (j, n_rows)]), &At::constant(0), product);
            e.end_loop(i, &[]);
            e.end_loop(j, &[]);
            return;
        }
        let zero = e.constant(0.0);
        let (j, _) = e.begin_loop(trip(n_cols), &[]);
        let (i, _) = e.begin_loop(trip(n_rows), &[]);
        let (l, sum) = e.begin_loop(trip(n_inner), &[zero]);
        let left = at(a, &[(i, 1), (l, n_rows)]);
        let right = at(b, &[(l, 1), (j, n_inner)]);
        let out = at(c, &[(i, 1), (j, n_rows)]);
        let x = e.load(&left, &At::constant(0));
        let y = e.load(&right, &At::constant(0));
        let product = e.apply(ScalarOp::Mul, &[x, y]);
        let next = e.apply(ScalarOp::Add, &[sum[0], product]);
        e.end_loop(l, &[next]);
        e.store(&out, &At::constant(0), sum[0]);
        e.end_loop(i, &[]);
        e.end_loop(j, &[]);
    }

    fn sparse_product(
        &mut self,
        a: &View,
        b: &View,
        c: &View,
        pa: &Pattern,
        pb: &Pattern,
        pattern: &Pattern,
    ) {
        let (mut from_a, mut from_b, mut to) = (Vec::new(), Vec::new(), Vec::new());
        for j in 0..pattern.n_cols() {
            for kb in pb.column(j) {
                let inner = pb.row_of(kb, j);
                for ka in pa.column(inner) {
                    if let Some(k) = pattern.find(pa.row_of(ka, inner), j) {
                        from_a.push(ka as u32);
                        from_b.push(kb as u32);
                        to.push(k as u32);
                    }
                }
            }
        }
        self.emitter.fill(c, 0.0);
        let n = to.len();
        let a = a.gather(&IndexMap::from_table(from_a));
        let b = b.gather(&IndexMap::from_table(from_b));
        let c = c.gather(&IndexMap::from_table(to));
        self.emitter.for_each(n, |e, counter| {
            let x = e.load(&a, &At::counter(counter));
            let y = e.load(&b, &At::counter(counter));
            let product = e.apply(ScalarOp::Mul, &[x, y]);
            e.accumulate(&c, &At::counter(counter), product);
        });
    }

    fn conditional(&mut self, frame: &mut Frame, id: NodeId) {
        let graph = frame.graph;
        let Some(Payload::Cond(then, otherwise)) = graph.payload(id) else { return };
        let args: Vec<Place> = graph.args(id)[1..].iter().map(|&a| frame.place(a)).collect();
        let condition = self.emitter.read(&frame.place(graph.arg(id, 0)), &At::constant(0));
        // Short results are chosen as values, long ones written to one place by both.
        let targets: Vec<Option<View>> = then
            .outputs
            .iter()
            .map(|p| {
                let nnz = p.pattern.nnz();
                (nnz > MOST_VALUES).then(|| self.emitter.allocate(nnz))
            })
            .collect();
        let short = |b: &mut Builder, places: &[Place]| {
            let mut values = Vec::new();
            for ((place, target), port) in places.iter().zip(&targets).zip(&then.outputs) {
                if target.is_none() {
                    values.extend(b.values(place, port.pattern.nnz()));
                }
            }
            values
        };
        let cond = self.emitter.begin_if(condition);
        let places = self.call(then, &args, &targets);
        let first = short(self, &places);
        self.emitter.begin_else(cond);
        let places = self.call(otherwise, &args, &targets);
        let second = short(self, &places);
        let pairs: Vec<(Val, Val)> = first.into_iter().zip(second).collect();
        let mut chosen = self.emitter.end_if(cond, &pairs).into_iter();
        let results = then
            .outputs
            .iter()
            .zip(targets)
            .map(|(port, target)| match target {
                Some(view) => Place::view(view),
                None => Place::Values(chosen.by_ref().take(port.pattern.nnz()).collect()),
            })
            .collect();
        frame.results.insert(id, results);
    }
}
