//! Derivatives of straight-line functions, entry by entry, by elimination of what lies between
//! inputs and results. See [`super::eliminate`].

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use rustc_hash::FxHashMap;

use super::eliminate::{Arithmetic, Counting, Order, Shape, Web};
use super::forward;
use crate::graph::{Func, Graph, NodeId, Op, expand_whole, visit};
use crate::ops::elementwise::partial;
use crate::ops::scalar::ScalarOp;
use crate::sparsity::{IndexMap, Pattern};

/// Functions with more nodes, and formulas with more nonzeros in all, are not written out.
pub const LARGEST: usize = 20_000;

/// A derivative: a number, and nodes times numbers, all to be added up.
#[derive(Clone, Debug, Default)]
pub struct Slope {
    pub number: f64,
    terms: Vec<(f64, NodeId)>,
}

impl Slope {
    fn number(number: f64) -> Slope {
        Slope { number, terms: Vec::new() }
    }

    /// `scale` times a node; numbers are taken out of the node.
    fn of(graph: &Graph, mut scale: f64, mut node: NodeId) -> Slope {
        loop {
            if graph.pattern(node).is_zero() {
                return Slope::default();
            }
            if let Some(v) = graph.as_uniform(node) {
                return Slope::number(scale * v);
            }
            match graph.op(node) {
                Op::Scalar(ScalarOp::Neg) => {
                    scale = -scale;
                    node = graph.arg(node, 0);
                }
                Op::Scalar(ScalarOp::Mul) => {
                    let (a, b) = (graph.arg(node, 0), graph.arg(node, 1));
                    (scale, node) = match (graph.as_uniform(a), graph.as_uniform(b)) {
                        (Some(v), _) => (scale * v, b),
                        (_, Some(v)) => (scale * v, a),
                        _ => return Slope { number: 0.0, terms: vec![(scale, node)] },
                    };
                }
                _ => return Slope { number: 0.0, terms: vec![(scale, node)] },
            }
        }
    }

    /// The nodes it is made of.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.terms.iter().map(|t| t.1)
    }

    pub fn is_number(&self) -> bool {
        self.terms.is_empty()
    }

    fn is_zero(&self) -> bool {
        self.is_number() && self.number == 0.0
    }

    /// The derivative as a node.
    pub fn node(mut self, graph: &mut Graph) -> NodeId {
        Building(graph).settle(&mut self);
        let number = graph.constant(self.number);
        match self.terms[..] {
            [(scale, node)] => {
                let scale = graph.constant(scale);
                graph.mul(scale, node)
            }
            _ => number,
        }
    }

    fn shape(&self) -> Shape {
        let mut shape = Shape::number(self.number);
        self.terms.iter().for_each(|t| shape.add_term(t.0));
        shape
    }
}

/// Makes derivatives as nodes of a graph. Sums are put off, so that what has the same scale is
/// added before it is scaled.
struct Building<'g>(&'g mut Graph);

impl Arithmetic for Building<'_> {
    type Value = Slope;

    fn product(&mut self, a: &Slope, b: &Slope) -> Slope {
        match (&a.terms[..], &b.terms[..]) {
            ([], []) => Slope::number(a.number * b.number),
            ([], terms) | (terms, []) => {
                let (by, of) = if a.is_number() { (a.number, b) } else { (b.number, a) };
                let terms = terms.iter().map(|&(scale, node)| (by * scale, node)).collect();
                Slope { number: by * of.number, terms }
            }
            _ => {
                let (mut a, mut b) = (a.clone(), b.clone());
                self.settle(&mut a);
                self.settle(&mut b);
                match (&a.terms[..], &b.terms[..]) {
                    ([(s, x)], [(t, y)]) => {
                        let product = self.0.mul(*x, *y);
                        Slope::of(self.0, s * t, product)
                    }
                    _ => self.product(&a, &b),
                }
            }
        }
    }

    fn sum(&mut self, a: &Slope, b: &Slope) -> Slope {
        let mut sum = a.clone();
        sum.number += b.number;
        sum.terms.extend_from_slice(&b.terms);
        sum
    }

    fn twice(&mut self, a: &Slope) -> Slope {
        self.product(&Slope::number(2.0), a)
    }

    fn settle(&mut self, a: &mut Slope) {
        a.terms.retain(|t| t.0 != 0.0);
        let is_settled = a.terms.len() + usize::from(a.number != 0.0) <= 1;
        if is_settled {
            return;
        }
        let key = |t: &(f64, NodeId)| (t.0.abs().to_bits(), self.0.hash(t.1), t.1);
        a.terms.sort_unstable_by_key(key);
        // Groups of the same scale, then those of different scales; the first one's is kept.
        let mut all: Option<(f64, NodeId)> = None;
        let mut terms = a.terms.iter().copied().peekable();
        while let Some((scale, mut sum)) = terms.next() {
            while let Some((other, node)) = terms.next_if(|t| t.0.abs() == scale.abs()) {
                sum = if other == scale { self.0.add(sum, node) } else { self.0.sub(sum, node) };
            }
            all = Some(match all {
                None => (scale, sum),
                Some((first, before)) => {
                    let ratio = scale / first;
                    // Numbers far apart are multiplied with what they belong to.
                    let [by, first, own] = match ratio.is_normal() {
                        true => [1.0, first, ratio],
                        false => [first, 1.0, scale],
                    };
                    let [by, own] = [by, own].map(|v| self.0.constant(v));
                    let (before, sum) = (self.0.mul(by, before), self.0.mul(own, sum));
                    (first, self.0.add(before, sum))
                }
            });
        }
        let Some((scale, mut node)) = all else { return };
        if a.number != 0.0 {
            let number = self.0.constant(a.number / scale);
            node = self.0.add(node, number);
        }
        *a = Slope::of(self.0, scale, node);
    }

    fn gives_up(&self) -> bool {
        false
    }
}

/// A function as scalar operations, and its linearisation.
pub struct Straight {
    pub graph: Graph,
    web: Web<Slope>,
    /// The input and its nonzero that each leaf is.
    leaves: Vec<(usize, u32)>,
    /// The vertex of each active node.
    vertex: FxHashMap<NodeId, u32>,
    /// Nonzeros of the results.
    results: Vec<NodeId>,
    second: FxHashMap<ScalarOp, SecondPartials>,
}

/// Second partial derivatives of an operation over inputs, and by which pairs of arguments.
type SecondPartials = (Graph, Vec<(usize, usize, NodeId)>);

/// A derivative by a nonzero of an input: (input, nonzero).
pub struct Entry {
    pub row: Row,
    pub column: (usize, u32),
    pub value: Slope,
}

/// What an [`Entry`] is the derivative of.
pub enum Row {
    /// A result, numbered through.
    Result(usize),
    /// The first derivative of the weighted sum of results by this nonzero of an input.
    Leaf((usize, u32)),
}

impl Straight {
    /// `f`, whose `active` inputs count. `None` where it is not straight-line, or large.
    pub fn new(f: &Func, active: &[bool]) -> Option<Straight> {
        let (body, outputs) = f.graph()?;
        if f.size() > LARGEST || f.jvp.is_some() {
            return None;
        }
        Straight::of(body.clone(), outputs, active)
    }

    /// `outputs` of a graph, whose `active` inputs count. `None` where they are not straight-line.
    pub fn of(mut graph: Graph, outputs: &[NodeId], active: &[bool]) -> Option<Straight> {
        let mut roots = Vec::new();
        for &y in outputs {
            for k in 0..graph.nnz(y) {
                roots.push(graph.gather(y, IndexMap::range(k, 1), Pattern::scalar()));
            }
        }
        let (graph, results) = expand_whole(&graph, &roots);
        let second = FxHashMap::default();
        let (leaves, vertex, web) = (Vec::new(), FxHashMap::default(), Web::new(0));
        let mut new = Straight { graph, web, leaves, vertex, results, second };
        new.linearise(active)?;
        Some(new)
    }

    /// Makes the vertices; none where something active is no scalar operation.
    fn linearise(&mut self, active: &[bool]) -> Option<()> {
        let order = visit::reachable(&self.graph, &self.results);
        // Active values that are not scalar: inputs to be read from.
        let mut wide = vec![false; self.graph.len()];
        let mut scalars = Vec::new();
        for id in order {
            let graph = &self.graph;
            let args = graph.args(id);
            let from = args.iter().any(|a| wide[a.index()] || self.vertex.contains_key(a));
            match graph.op(id) {
                Op::Input if active[graph.number(id)] => {
                    if graph.pattern(id).is_scalar() && graph.nnz(id) == 1 {
                        self.vertex.insert(id, self.leaves.len() as u32);
                        self.leaves.push((graph.number(id), 0));
                    } else {
                        wide[id.index()] = true;
                    }
                }
                Op::Gather if from => {
                    let source = args[0];
                    let single = graph.pattern(id).is_scalar() && graph.nnz(id) == 1;
                    if !single || graph.op(source) != Op::Input {
                        return None;
                    }
                    let at = graph.map(id)?.get(0) as u32;
                    self.vertex.insert(id, self.leaves.len() as u32);
                    self.leaves.push((graph.number(source), at));
                }
                Op::Scalar(ScalarOp::Select) if from => return None,
                Op::Scalar(_) if from => {
                    if !graph.pattern(id).is_scalar() || args.iter().any(|a| wide[a.index()]) {
                        return None;
                    }
                    self.vertex.insert(id, u32::MAX);
                    scalars.push(id);
                }
                _ if from => return None,
                _ => {}
            }
        }
        self.web = Web::new(self.leaves.len());
        for id in scalars {
            let args: Vec<NodeId> = self.graph.args(id).to_vec();
            let mut sources: Vec<(u32, Slope)> = Vec::new();
            for (k, a) in args.iter().enumerate() {
                let Some(&source) = self.vertex.get(a) else { continue };
                let Some(slope) = partial(&mut self.graph, id, k) else { continue };
                let slope = Slope::of(&self.graph, 1.0, slope);
                if slope.is_zero() {
                    continue;
                }
                match sources.iter_mut().find(|e| e.0 == source) {
                    Some(entry) => {
                        entry.1 = Building(&mut self.graph).sum(&entry.1, &slope);
                    }
                    None => sources.push((source, slope)),
                }
            }
            let number = self.web.add_vertex(sources);
            self.vertex.insert(id, number);
        }
        Some(())
    }

    /// Derivatives of the results.
    pub fn jacobian(mut self) -> (Graph, Vec<Entry>) {
        for k in 0..self.results.len() {
            match self.vertex.get(&self.results[k]) {
                Some(&vertex) => self.web.add_result(vertex, Slope::number(1.0)),
                None => {
                    self.web.add_vertex(Vec::new());
                    self.web.n_results += 1;
                }
            }
        }
        self.finish()
    }

    /// Second derivatives of the results weighted with the given nodes of the graph, and with
    /// `first` derivatives of the results too.
    pub fn hessian(mut self, weights: &[Option<NodeId>], first: bool) -> (Graph, Vec<Entry>) {
        self.add_curvature(weights);
        if first { self.jacobian() } else { self.finish() }
    }

    /// Second derivatives of all operations, times the derivative of the weighted sum by them.
    fn add_curvature(&mut self, weights: &[Option<NodeId>]) {
        let mut adjoint: Vec<Option<Slope>> = vec![None; self.web.len()];
        let mut on = Building(&mut self.graph);
        let add = |on: &mut Building, adjoint: &mut Vec<Option<Slope>>, k: u32, v: Slope| {
            let old = &mut adjoint[k as usize];
            *old = Some(match old {
                Some(old) => on.sum(old, &v),
                None => v,
            });
        };
        for (y, weight) in self.results.iter().zip(weights) {
            if let (Some(&vertex), Some(weight)) = (self.vertex.get(y), weight) {
                let weight = Slope::of(on.0, 1.0, *weight);
                add(&mut on, &mut adjoint, vertex, weight);
            }
        }
        for j in (self.web.n_leaves..self.web.len()).rev() {
            let Some(of) = &mut adjoint[j] else { continue };
            on.settle(of);
            let of = of.clone();
            for (source, slope) in &self.web.sources[j] {
                if *source as usize >= self.web.n_leaves {
                    let product = on.product(slope, &of);
                    add(&mut on, &mut adjoint, *source, product);
                }
            }
        }
        let mut nodes: Vec<(u32, NodeId)> = self.vertex.iter().map(|(&id, &v)| (v, id)).collect();
        nodes.sort_unstable();
        for (vertex, id) in nodes {
            let Some(of) = &adjoint[vertex as usize] else { continue };
            let Op::Scalar(op) = self.graph.op(id) else { continue };
            let args: Vec<NodeId> = self.graph.args(id).to_vec();
            let (template, places) = self.second.entry(op).or_insert_with(|| second_partials(op));
            let roots: Vec<NodeId> = places.iter().map(|p| p.2).collect();
            let values = visit::transplant(template, &roots, &mut self.graph, &args);
            for (&(k, m, _), value) in places.iter().zip(values) {
                let active = |k: usize| self.vertex.get(&args[k]).copied();
                let (Some(a), Some(b)) = (active(k), active(m)) else { continue };
                let slope = Slope::of(&self.graph, 1.0, value);
                if slope.is_zero() {
                    continue;
                }
                let mut on = Building(&mut self.graph);
                let mut value = on.product(&slope, of);
                if k != m && a == b {
                    value = on.twice(&value);
                }
                self.web.add_curved(&mut on, a, b, value);
            }
        }
    }

    /// Eliminates in the order that counts fewest operations.
    fn finish(mut self) -> (Graph, Vec<Entry>) {
        self.web.prune();
        let shapes = self.web.map(Slope::shape);
        let orders: Vec<Order> = Order::all().collect();
        // Ties go to the first order, so what is left early never matters.
        let least = AtomicUsize::new(usize::MAX);
        let counted = orders.par_iter().filter_map(|&order| {
            let (mut web, mut on) = (shapes.clone(), Counting::new(&least));
            web.eliminate(order, &mut on);
            if !on.gives_up() {
                web.entries().iter().for_each(|entry| on.finish(entry.2));
            }
            (!on.gives_up()).then(|| {
                least.fetch_min(on.n_operations, Relaxed);
                (on.n_operations, order)
            })
        });
        if let Some((_, order)) = counted.collect::<Vec<_>>().into_iter().min_by_key(|c| c.0) {
            self.web.eliminate(order, &mut Building(&mut self.graph));
        }
        let n_leaves = self.web.n_leaves;
        let first_result = self.web.len() - self.web.n_results;
        let entries = self.web.entries().into_iter().map(|(row, column, value)| {
            let of = if (row as usize) < n_leaves {
                Row::Leaf(self.leaves[row as usize])
            } else {
                Row::Result(row as usize - first_result)
            };
            Entry { row: of, column: self.leaves[column as usize], value: value.clone() }
        });
        (self.graph, entries.collect())
    }
}

fn second_partials(op: ScalarOp) -> SecondPartials {
    let mut graph = Graph::new();
    graph.set_folds_real(true);
    let inputs: Vec<NodeId> = (0..op.arity()).map(|k| graph.input(k, Pattern::scalar())).collect();
    let y = graph.scalar(op, &inputs);
    let one = graph.constant(1.0);
    let mut places = Vec::new();
    for (k, &x) in inputs.iter().enumerate() {
        let Ok(first) = forward(&mut graph, &[y], &[x], &[vec![one]]) else { continue };
        for (m, &x) in inputs.iter().enumerate().take(k + 1) {
            let Ok(second) = forward(&mut graph, &[first[0][0]], &[x], &[vec![one]]) else {
                continue;
            };
            let second = second[0][0];
            if !graph.pattern(second).is_zero() {
                places.push((k, m, second));
            }
        }
    }
    (graph, places)
}
