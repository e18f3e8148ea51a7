//! Concatenations with few copies: parts that are computed for one alone are computed in place;
//! one that is only looked into by tables is a table of where its parts are.

use super::build::{Builder, Frame};
use super::emit::At;
use super::ir::{Affine, Base};
use super::place::{Elements, Place, View};
use crate::graph::{Graph, NodeId, Op};
use crate::sparsity::IndexMap;

/// Shorter concatenations are copied.
const SHORTEST_TABLE: usize = 64;

/// Shorter parts are copied number after number.
const SHORTEST_LOOP: usize = 4;

impl Builder {
    /// Finds targets for the parts of the concatenations among `nodes`, which are to be emitted
    /// next, and for loops that write an output.
    pub(super) fn place_parts(&mut self, frame: &mut Frame, nodes: &[NodeId]) {
        let graph = frame.graph;
        for &id in nodes.iter().rev() {
            if graph.op(id) == Op::Result
                && let Some(view) = frame.targets.get(&id)
                && view.is_block()
            {
                let result = (graph.arg(id, 0), graph.number(id));
                frame.result_targets.insert(result, view.clone());
            }
            if is_reshape(graph, id)
                && fits(frame, graph.arg(id, 0))
                && let Some(view) = frame.targets.get(&id).filter(|view| view.is_block()).cloned()
            {
                frame.targets.entry(graph.arg(id, 0)).or_insert(view);
            }
            if graph.op(id) != Op::Concat || frame.tables[id.index()] {
                continue;
            }
            if !graph.args(id).iter().any(|&a| fits(frame, a)) {
                continue;
            }
            let whole = self.target(frame, id);
            frame.targets.insert(id, whole.clone());
            let mut start = 0;
            for &a in graph.args(id) {
                let n = graph.nnz(a);
                let part = whole.gather(&IndexMap::range(start, n));
                if fits(frame, a) && part.is_block() {
                    frame.targets.entry(a).or_insert(part);
                }
                start += n;
            }
        }
    }

    pub(super) fn concat(&mut self, frame: &Frame, id: NodeId) -> Place {
        let graph = frame.graph;
        let parts = graph.args(id);
        let short = |&a: &NodeId| {
            matches!(frame.place(a), Place::Values(_)) || graph.nnz(a) <= SHORTEST_LOOP
        };
        if parts.iter().all(short) {
            let mut values = Vec::with_capacity(graph.nnz(id));
            for &a in parts {
                let place = frame.place(a);
                values.extend(self.values(&place, graph.nnz(a)));
            }
            return Place::Values(values.into());
        }
        if frame.tables[id.index()]
            && let Some(view) = self.table_of_parts(frame, parts)
        {
            return Place::view(view);
        }
        let target = self.target(frame, id);
        let mut start = 0;
        for &a in parts {
            let n = graph.nnz(a);
            let part = target.gather(&IndexMap::range(start, n));
            let place = frame.place(a);
            if !matches!(&place, Place::View(view) if view.is_same_block(&part)) {
                self.copy(&place, &part);
            }
            start += n;
        }
        Place::view(target)
    }

    /// The address of every nonzero in work memory, to which parts that are elsewhere are copied.
    fn table_of_parts(&mut self, frame: &Frame, parts: &[NodeId]) -> Option<View> {
        let mut addresses: Vec<u32> = Vec::new();
        for &a in parts {
            let n = frame.graph.nnz(a);
            let view = match frame.place(a) {
                Place::View(view) if view.base == Base::Work && view.is_fixed() => *view,
                place @ (Place::Same(_) | Place::Uniform(_)) => {
                    let cell = self.emitter.allocate(1);
                    let value = self.emitter.read(&place, &At::constant(0));
                    self.emitter.store(&cell, &At::constant(0), value);
                    cell.gather(&IndexMap::constant(0, n))
                }
                place => {
                    let copy = self.emitter.allocate(n);
                    self.copy(&place, &copy);
                    copy
                }
            };
            for k in 0..n {
                addresses.push(u32::try_from(view.fixed_address(k)?).ok()?);
            }
        }
        let select = IndexMap::identity(addresses.len());
        let elements = Elements::Table { table: addresses.into(), start: Affine::default() };
        Some(View {
            base: Base::Work,
            index: Affine::default(),
            tables: Vec::new(),
            elements,
            select,
        })
    }
}

/// Which nodes in `order` are concatenations that are tables of addresses: gathers with tables
/// and scatters alone read them. What is walked once by a scatter is better computed in place.
pub(super) fn tables(
    graph: &Graph,
    order: &[NodeId],
    outputs: &[NodeId],
    uses: &[u32],
    fused: &[bool],
) -> Vec<bool> {
    let mut by_table = vec![true; graph.len()];
    let mut walked = vec![false; graph.len()];
    for &output in outputs {
        by_table[output.index()] = false;
    }
    for &id in order {
        match (graph.op(id), graph.map(id)) {
            (Op::Gather, Some(IndexMap::Table(_))) => {}
            (Op::Scatter, _) => walked[graph.arg(id, 0).index()] = true,
            _ => graph.args(id).iter().for_each(|a| by_table[a.index()] = false),
        }
    }
    let mut tables = vec![false; graph.len()];
    for &id in order {
        let may_be =
            graph.op(id) == Op::Concat && by_table[id.index()] && graph.nnz(id) >= SHORTEST_TABLE;
        let fits = |&a: &NodeId| uses[a.index()] == 1 && is_computed(graph, a, fused, &tables);
        let in_place = walked[id.index()] && graph.args(id).iter().any(fits);
        tables[id.index()] = may_be && !in_place;
    }
    tables
}

/// Whether a value that one node alone reads can be computed in a place of that node's choice.
fn fits(frame: &Frame, id: NodeId) -> bool {
    let graph = frame.graph;
    let computed = if is_reshape(graph, id) { graph.arg(id, 0) } else { id };
    [id, computed].iter().all(|id| frame.uses[id.index()] == 1)
        && is_computed(graph, computed, &frame.fused, &frame.tables)
}

/// All nonzeros of another value in order.
fn is_reshape(graph: &Graph, id: NodeId) -> bool {
    let all = graph.map(id).filter(|_| graph.op(id) == Op::Gather);
    all.is_some_and(|map| map.is_identity(graph.nnz(graph.arg(id, 0))))
}

/// Whether the value of a node is written to its target if it has one.
fn is_computed(graph: &Graph, id: NodeId, fused: &[bool], tables: &[bool]) -> bool {
    match graph.op(id) {
        Op::Scalar(_) => graph.nnz(id) > 1 && !fused[id.index()],
        Op::Scatter => true,
        Op::Concat => !tables[id.index()],
        Op::Result => graph.op(graph.arg(id, 0)) == Op::Loop,
        _ => false,
    }
}
