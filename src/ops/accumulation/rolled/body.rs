//! One loop of an accumulated Jacobian.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::super::{Accumulation, Values, ValuesId};
use super::emission::{Item, factors, is_aligned, iterations};
use super::{Product, Reference, Value};
use crate::graph::{
    ArgMode, Func, Graph, LoopSpec, NodeId, Origin, Port, Reduction, ResultMode, Window, visit,
};
use crate::sparsity::runs::Line;
use crate::sparsity::{IndexMap, MAX_NUMEL, Pattern};

/// What a loop of `n` iterations computes.
pub(super) struct Body<'a> {
    pub n: i64,
    /// Loops of local derivatives that are part of it, increasing.
    pub lanes: &'a [usize],
    /// Sums of products, increasing, so that each needs earlier ones only.
    pub terms: &'a [ValuesId],
    /// Products that are summed over all iterations.
    pub totals: &'a [ValuesId],
    /// Of each iteration two columns of values, both stacked.
    pub outputs: [Vec<Value>; 2],
    /// Of loops of local derivatives the lanes that are summed over all iterations.
    pub reduced: Vec<(usize, Vec<i64>)>,
}

/// The columns that a loop makes.
pub(super) struct Made {
    pub outputs: [Option<NodeId>; 2],
    pub sums: Vec<(usize, NodeId)>,
    pub totals: Option<NodeId>,
}

/// What is read from one column: by step, the numbers in the first iteration.
#[derive(Default)]
struct Reads {
    columns: BTreeMap<(NodeId, i64), Vec<i64>>,
    lines: FxHashMap<(ValuesId, Line), (NodeId, Line)>,
}

/// Makes the loop; `memory` says where values are that others made.
pub(super) fn write(
    cx: &mut Accumulation,
    body: &Body,
    mut memory: impl FnMut(&mut Accumulation, &Reference) -> Option<(NodeId, Line)>,
) -> Option<Made> {
    let mut reads = Reads::default();
    for of in references(cx, body) {
        let (node, mut line) = memory(cx, &of)?;
        if body.n == 1 {
            line.step = 0;
        }
        reads.columns.entry((node, line.step)).or_default().push(line.start);
        reads.lines.insert((of.values, of.line), (node, line));
    }
    let (mut ports, mut modes, mut args): (Vec<Port>, _, Vec<NodeId>) =
        (Vec::new(), Vec::new(), Vec::new());
    // Arguments of the loops of local derivatives, each once.
    let mut of_lanes: Vec<Vec<usize>> = Vec::new();
    for &of in body.lanes {
        let lanes = &cx.lanes[of];
        let mut of_ports = Vec::new();
        for ((mode, &arg), port) in lanes.modes.iter().zip(&lanes.args).zip(&lanes.body.inputs) {
            let same = |k: &usize| {
                args[*k] == arg && modes[*k] == *mode && ports[*k].pattern == port.pattern
            };
            let k = (0..args.len()).find(same).unwrap_or_else(|| {
                ports.push(port.clone());
                modes.push(mode.clone());
                args.push(arg);
                args.len() - 1
            });
            of_ports.push(k);
        }
        of_lanes.push(of_ports);
    }
    let first_read = ports.len();
    for ((node, step), starts) in &mut reads.columns {
        starts.sort_unstable();
        starts.dedup();
        let (low, n) = (starts[0], starts.len());
        let map = IndexMap::from_table(starts.iter().map(|s| (s - low) as u32).collect());
        let pattern = Pattern::dense(n, 1);
        if *step == 0 {
            let all = IndexMap::from_table(starts.iter().map(|&s| s as u32).collect());
            args.push(cx.graph.gather(*node, all, pattern.clone()));
            modes.push(ArgMode::Broadcast);
        } else {
            args.push(*node);
            let origin = Origin::Affine { base: low, step: *step };
            modes.push(ArgMode::Window(Window { origin, map }));
        }
        ports.push(Port::new("read", pattern));
    }
    let mut scratch = Graph::new();
    let inputs = scratch.inputs(&ports);
    let mut writer =
        Writer { cx, body, reads, lanes: FxHashMap::default(), known: FxHashMap::default() };
    for (&of, of_ports) in body.lanes.iter().zip(&of_lanes) {
        let own: Vec<NodeId> = of_ports.iter().map(|&k| inputs[k]).collect();
        let (graph, roots) = writer.cx.lanes[of].body.graph()?;
        let roots = visit::transplant(graph, roots, &mut scratch, &own);
        writer.lanes.insert(of, [0, 1].map(|k| scratch.densify(roots[k])));
    }
    writer.read(&mut scratch, &inputs[first_read..]);
    for &id in body.terms {
        writer.sum(&mut scratch, id)?;
    }
    let (mut outputs, mut results, mut patterns) = (Vec::new(), Vec::new(), Vec::new());
    let mut push = |scratch: &mut Graph, column: NodeId, mode: ResultMode, n: usize| {
        let column = scratch.densify(column);
        outputs.push(("entries".into(), column));
        results.push(mode);
        patterns.push(Pattern::dense(n, 1));
        outputs.len() - 1
    };
    let mut place = [None; 2];
    for (place, values) in place.iter_mut().zip(&body.outputs).filter(|p| !p.1.is_empty()) {
        let mut scalars = Vec::with_capacity(values.len());
        for value in values {
            let scalar = writer.value(&mut scratch, value)?;
            scalars.push(scratch.densify(scalar));
        }
        let len = scalars.len();
        if len as u64 * body.n as u64 > MAX_NUMEL {
            return None;
        }
        let column = scratch.concat(&scalars);
        let column = scratch.gather(column, IndexMap::identity(len), Pattern::dense(len, 1));
        let mode = ResultMode::Window(Window::stacked(len));
        *place = Some(push(&mut scratch, column, mode, len * body.n as usize));
    }
    let mut sums = Vec::new();
    for (of, lanes) in &body.reduced {
        let map = IndexMap::from_table(lanes.iter().map(|&lane| lane as u32).collect());
        let root = writer.lanes.get(of)?[1];
        let column = scratch.gather(root, map, Pattern::dense(lanes.len(), 1));
        let mode = ResultMode::Reduce(Reduction::Sum);
        sums.push((*of, push(&mut scratch, column, mode, lanes.len())));
    }
    let mut totals = None;
    if !body.totals.is_empty() {
        let mut scalars = Vec::with_capacity(body.totals.len());
        for id in body.totals {
            let Values::Total { term, .. } = &writer.cx.values[id.0 as usize] else { return None };
            let product = writer.product(&mut scratch, term)?;
            scalars.push(scratch.densify(product));
        }
        let n = scalars.len();
        let column = scratch.concat(&scalars);
        totals = Some(push(&mut scratch, column, ResultMode::Reduce(Reduction::Sum), n));
    }
    let func = Func::freeze("entries", &scratch, ports, outputs);
    let n = body.n as u64;
    let spec = LoopSpec { body: func, n, n_states: 0, args: modes, results, patterns, range: None };
    let values = cx.graph.repeat(spec, &args);
    Some(Made {
        outputs: place.map(|k| Some(values[k?])),
        sums: sums.into_iter().map(|(of, k)| (of, values[k])).collect(),
        totals: totals.map(|k| values[k]),
    })
}

/// The values of one iteration while they are written.
struct Writer<'a, 'b> {
    cx: &'a Accumulation<'b>,
    body: &'a Body<'a>,
    reads: Reads,
    /// Local derivatives, those that are stacked and those that are summed.
    lanes: FxHashMap<usize, [NodeId; 2]>,
    known: FxHashMap<Known, NodeId>,
}

/// What a scalar of the iteration is.
#[derive(PartialEq, Eq, Hash)]
enum Known {
    Item(Item),
    /// A number of a column.
    Read(NodeId, Line),
}

impl Writer<'_, '_> {
    /// Takes what is read apart into scalars.
    fn read(&mut self, scratch: &mut Graph, inputs: &[NodeId]) {
        for (((node, step), starts), &input) in self.reads.columns.iter().zip(inputs) {
            for (k, &start) in starts.iter().enumerate() {
                let one = scratch.gather(input, IndexMap::range(k, 1), Pattern::scalar());
                self.known.insert(Known::Read(*node, Line::new(start, *step)), one);
            }
        }
    }

    fn sum(&mut self, scratch: &mut Graph, id: ValuesId) -> Option<()> {
        let Values::Terms { terms, .. } = &self.cx.values[id.0 as usize] else { return None };
        let mut sum: Option<NodeId> = None;
        for term in terms {
            let product = self.product(scratch, term)?;
            sum = Some(sum.map_or(product, |s| scratch.add(s, product)));
        }
        self.known.insert(Known::Item(Item::Terms(id)), sum?);
        Some(())
    }

    fn product(&mut self, scratch: &mut Graph, of: &Product) -> Option<NodeId> {
        let mut product = None;
        for of in of.factors.iter().flatten() {
            let factor = self.scalar(scratch, of)?;
            product = Some(product.map_or(factor, |p| scratch.mul(p, factor)));
        }
        let number = scratch.constant(of.number);
        Some(product.map_or(number, |p| scratch.mul(number, p)))
    }

    fn value(&mut self, scratch: &mut Graph, value: &Value) -> Option<NodeId> {
        match value {
            Value::Number(v) => Some(scratch.constant(*v)),
            Value::Of(of) => self.scalar(scratch, of),
        }
    }

    fn scalar(&mut self, scratch: &mut Graph, of: &Reference) -> Option<NodeId> {
        let known = match own_item(self.cx, self.body, of) {
            Some(item) => Known::Item(item),
            None => {
                let &(node, line) = self.reads.lines.get(&(of.values, of.line))?;
                Known::Read(node, line)
            }
        };
        if let Some(&scalar) = self.known.get(&known) {
            return Some(scalar);
        }
        let Known::Item(Item::Lane(lanes, lane)) = known else { return None };
        let column = self.lanes.get(&lanes)?[0];
        let map = IndexMap::range(lane as usize, 1);
        let scalar = scratch.gather(column, map, Pattern::scalar());
        self.known.insert(known, scalar);
        Some(scalar)
    }
}

/// References to what the loop itself does not compute.
fn references(cx: &Accumulation, body: &Body) -> Vec<Reference> {
    let of_terms = body.terms.iter().chain(body.totals).flat_map(|&id| factors(cx, id));
    let of_outputs = body.outputs.iter().flatten().filter_map(super::emission::reference);
    of_terms.chain(of_outputs).filter(|of| own_item(cx, body, of).is_none()).collect()
}

/// The item of the same iteration that a reference is to.
fn own_item(cx: &Accumulation, body: &Body, of: &Reference) -> Option<Item> {
    let at = iterations(cx, of)?;
    let is_own = match at.item {
        Item::Lane(of, _) => body.lanes.binary_search(&of).is_ok(),
        Item::Terms(id) => body.terms.binary_search(&id).is_ok(),
    };
    (is_own && is_aligned(&at.line, body.n)).then_some(at.item)
}
