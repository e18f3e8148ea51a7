//! Local derivatives of a function, entry by entry: by elimination where it is straight-line,
//! else from derivatives in directions or those of its own loops.

use std::sync::{Arc, Weak};

use rustc_hash::FxHashMap;

use super::function::{Primal, missing};
use super::jacobian::compressed;
use super::straight::{Entry, LARGEST, Row, Straight};
use crate::graph::{
    Ancestry, Func, Graph, NodeId, Op, Port, Source, Supply, expand, expand_whole, visit,
};
use crate::ops::accumulation::{Entries, EntryPlace};
use crate::ops::context::{Derived, MissingDerivative};
use crate::ops::scalar::ScalarOp;
use crate::sparsity::{IndexMap, Pattern};

/// Columns of more entries are not taken apart.
const MOST_SCALARS: usize = 4_096;

/// What the adjoint function of a function notes about it: its inputs are those of the function,
/// then the cotangents of the outputs that have one. Second derivatives are symmetric.
pub struct AdjointOf {
    func: Weak<Func>,
    /// The outputs that have a cotangent.
    seeded: Vec<usize>,
    /// For each input of the function the output of the adjoint with its cotangent.
    cotangents: Vec<Option<usize>>,
}

impl AdjointOf {
    const KEY: &'static str = "adjoint of";

    /// Notes in an adjoint function in one direction what it is the adjoint of.
    pub fn note(derived: &Derived, f: &Arc<Func>, seeds: &[Option<Pattern>]) {
        let seeded = (0..seeds.len()).filter(|&k| seeds[k].is_some()).collect();
        let cotangents = derived.outputs[0].clone();
        let note = AdjointOf { func: Arc::downgrade(f), seeded, cotangents };
        derived.func.derived.put(AdjointOf::KEY.into(), Arc::new(note));
    }
}

/// Local derivatives of `f` by its `active` inputs.
pub fn entries(f: &Arc<Func>, active: &[bool]) -> Result<Entries, MissingDerivative> {
    let eliminated = match Adjoint::of(f) {
        Some(adjoint) => second_entries(f, &adjoint, active),
        None => first_entries(f, active),
    };
    match eliminated {
        Some(found) => Ok(found),
        None => directional_entries(f, active),
    }
}

/// Jacobian of the nonzeros of `y` by those of the targets, which follow one another, as a
/// pattern and the column of its nonzeros; or the lower triangle of the Hessian of the scalar
/// `y`. `None` where what lies between is not straight-line, or large.
pub fn eliminated(
    graph: &mut Graph,
    y: NodeId,
    wrt: &[NodeId],
    order: Derivatives,
) -> Option<(Pattern, NodeId)> {
    let (scratch, root, args) = as_function(graph, y, wrt)?;
    let active: Vec<bool> = (0..args.len()).map(|k| k < wrt.len()).collect();
    let mut straight = Straight::of(scratch, &[root], &active)?;
    let (mut made, found) = match order {
        Derivatives::First => straight.jacobian(),
        Derivatives::Second => {
            let one = straight.graph.constant(1.0);
            straight.hessian(&[Some(one)], false)
        }
    };
    let of_columns: Vec<usize> = wrt
        .iter()
        .scan(0, |next, &x| {
            let start = *next;
            *next += graph.nnz(x);
            Some(start)
        })
        .collect();
    let n_columns: usize = wrt.iter().map(|&x| graph.nnz(x)).sum();
    let number = |(input, k): (usize, u32)| of_columns[input] + k as usize;
    let mut places: Vec<(usize, usize, NodeId)> = Vec::new();
    for entry in found {
        let column = number(entry.column);
        let (row, column) = match entry.row {
            Row::Result(row) => (row, column),
            Row::Leaf(leaf) => (number(leaf).max(column), number(leaf).min(column)),
        };
        let value = entry.value.node(&mut made);
        if !made.pattern(value).is_zero() {
            places.push((column, row, value));
        }
    }
    places.sort_unstable_by_key(|p| (p.0, p.1));
    let values: Vec<NodeId> = places.iter().map(|p| p.2).collect();
    let values = visit::transplant(&made, &values, graph, &args);
    let n_rows = match order {
        Derivatives::First => graph.nnz(y),
        Derivatives::Second => n_columns,
    };
    let pattern = Pattern::from_entries(n_rows, n_columns, places.iter().map(|p| (p.1, p.0)));
    let mut column = Vec::with_capacity(values.len());
    for value in values {
        column.push(graph.project(value, &Pattern::scalar()));
    }
    Some((pattern, graph.concat(&column)))
}

/// Which of two values takes fewer operations beside the given ones, written out; of equals the
/// first.
pub fn cheaper(graph: &Graph, beside: &[NodeId], values: [NodeId; 2]) -> usize {
    let [first, second] = values.map(|value| {
        let mut roots = beside.to_vec();
        roots.push(value);
        let (graph, roots) = expand_whole(graph, &roots);
        let order = visit::reachable(&graph, &roots);
        let n = |&id: &NodeId| match graph.op(id) {
            Op::Scalar(ScalarOp::Neg) => 0,
            Op::Scalar(_) => graph.nnz(id),
            _ => 0,
        };
        order.iter().map(n).sum::<usize>()
    });
    usize::from(second < first)
}

/// Which derivatives are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Derivatives {
    First,
    Second,
}

/// What `y` computes from the targets and from inputs, as a graph whose inputs stand for the
/// targets and then for the given nodes. `None` where it is large.
fn as_function(graph: &Graph, y: NodeId, wrt: &[NodeId]) -> Option<(Graph, NodeId, Vec<NodeId>)> {
    let mut needed = vec![false; y.index() + 1];
    needed[y.index()] = true;
    let (mut order, mut n_nonzeros) = (Vec::new(), 0);
    for id in (0..=y.index() as u32).rev().map(NodeId) {
        if !needed[id.index()] {
            continue;
        }
        n_nonzeros += graph.nnz(id);
        if n_nonzeros > LARGEST {
            return None;
        }
        order.push(id);
        if !wrt.contains(&id) {
            graph.args(id).iter().for_each(|a| needed[a.index()] = true);
        }
    }
    let mut scratch = Graph::new();
    scratch.set_folds_real(true);
    let mut args = wrt.to_vec();
    let mut copies: FxHashMap<NodeId, NodeId> = FxHashMap::default();
    for (k, &x) in wrt.iter().enumerate() {
        copies.insert(x, scratch.input(k, graph.pattern(x).clone()));
    }
    for id in order.into_iter().rev() {
        if copies.contains_key(&id) {
            continue;
        }
        let copy = if graph.op(id) == Op::Input {
            args.push(id);
            scratch.input(args.len() - 1, graph.pattern(id).clone())
        } else {
            let of: Vec<NodeId> = graph.args(id).iter().map(|a| copies[a]).collect();
            visit::copy_node(graph, id, &mut scratch, &of)
        };
        copies.insert(id, copy);
    }
    // Folding may have found more zeros.
    let root = scratch.project(*copies.get(&y)?, graph.pattern(y));
    Some((scratch, root, args))
}

/// Number of nonzero `k` of one pattern in another one of the same shape.
fn renumbered(from: &Pattern, to: &Pattern, k: u32) -> Option<u32> {
    if from == to {
        return Some(k);
    }
    let (row, column) = from.entries().nth(k as usize)?;
    to.find(row, column).map(|k| k as u32)
}

/// First derivatives by elimination.
fn first_entries(f: &Arc<Func>, active: &[bool]) -> Option<Entries> {
    let (graph, found) = Straight::new(f, active)?.jacobian();
    let of_rows = starts(f.outputs.iter());
    let place = |entry: &Entry| {
        let Row::Result(row) = entry.row else { return Vec::new() };
        let (output, row) = locate(&of_rows, row);
        let (input, column) = entry.column;
        vec![EntryPlace { output, row, input: input as u32, column, source: 0 }]
    };
    Some(assemble(f, graph, found, place))
}

/// A function known to be the adjoint of another one, with these or other ports.
struct Adjoint {
    /// What it is the adjoint of.
    of: Arc<Func>,
    /// The outputs of that which have a cotangent.
    seeded: Vec<usize>,
    /// What the inputs of that and then the cotangents are, by inputs of the adjoint.
    inputs: Vec<Supply>,
    /// For each input of that the outputs of the adjoint with its cotangent.
    shown: Vec<Vec<usize>>,
}

impl Adjoint {
    fn of(f: &Func) -> Option<Adjoint> {
        let (note, inputs, outputs) = match Ancestry::of(f) {
            Some(ancestry) => {
                let note = ancestry.func.upgrade()?.derived.get::<AdjointOf>(AdjointOf::KEY)?;
                (note, ancestry.inputs.clone(), ancestry.outputs.clone())
            }
            None => {
                let note = f.derived.get::<AdjointOf>(AdjointOf::KEY)?;
                let inputs = (0..f.inputs.len()).map(Supply::Port).collect();
                (note, inputs, (0..f.outputs.len()).map(Source::Output).collect())
            }
        };
        if outputs.iter().any(|o| matches!(o, Source::Input(_))) {
            return None;
        }
        let shown = note.cotangents.iter().map(|cotangent| {
            let is_it = |p: &usize| cotangent.is_some_and(|o| outputs[*p] == Source::Output(o));
            (0..outputs.len()).filter(is_it).collect()
        });
        let shown = shown.collect();
        Some(Adjoint { of: note.func.upgrade()?, seeded: note.seeded.clone(), inputs, shown })
    }
}

/// Derivatives of an adjoint function: second derivatives of the function by elimination, and by
/// cotangents the transpose of the first ones.
fn second_entries(f: &Arc<Func>, adjoint: &Adjoint, active: &[bool]) -> Option<Entries> {
    let of = &adjoint.of;
    if of.size() > LARGEST || of.jvp.is_some() {
        return None;
    }
    let n = of.inputs.len();
    let (body, outputs) = of.graph()?;
    let mut graph = Graph::new();
    graph.set_folds_real(true);
    let mut wanted = active.to_vec();
    // The input of `of` that each input of the adjoint is.
    let n_ports = f.inputs.len();
    let mut number: Vec<Option<usize>> = vec![None; n_ports + n];
    wanted.resize(n_ports + n, false);
    let mut args = Vec::with_capacity(n);
    for (k, port) in of.inputs.iter().enumerate() {
        let is_shown = !adjoint.shown[k].is_empty();
        let p = match adjoint.inputs[k] {
            Supply::Port(p) => p,
            // The adjoint does not use its value, but has its cotangent.
            Supply::Nothing => n_ports + k,
            Supply::Constant(..) if is_shown => return None,
            Supply::Constant(..) => {
                let value = supplied(&mut graph, f, &adjoint.inputs[k], &port.pattern);
                args.push(graph.project(value, &port.pattern));
                continue;
            }
        };
        number[p] = Some(k);
        wanted[p] |= is_shown;
        let pattern = if p < n_ports { &f.inputs[p].pattern } else { &port.pattern };
        let value = graph.input(p, pattern.clone());
        args.push(graph.project(value, &port.pattern));
    }
    let outputs = visit::transplant(body, outputs, &mut graph, &args);
    // Folding may have found zeros; rows are numbered by the ports.
    let mut whole = Vec::with_capacity(outputs.len());
    for (&y, port) in outputs.iter().zip(&of.outputs) {
        whole.push(graph.project(y, &port.pattern));
    }
    let mut straight = Straight::of(graph, &whole, &wanted)?;
    let of_rows = starts(of.outputs.iter());
    let mut weights = vec![None; of_rows[of_rows.len() - 1]];
    for (seed, &o) in adjoint.inputs[n..].iter().zip(&adjoint.seeded) {
        let whole = &of.outputs[o].pattern;
        let cotangent = supplied(&mut straight.graph, f, seed, whole);
        let pattern = straight.graph.pattern(cotangent).clone();
        for (at, (row, column)) in pattern.entries().enumerate() {
            let Some(row) = whole.find(row, column) else { continue };
            let map = IndexMap::range(at, 1);
            let weight = straight.graph.gather(cotangent, map, Pattern::scalar());
            weights[of_rows[o] + row] = Some(weight);
        }
    }
    let is_active = |s: &Supply| matches!(s, Supply::Port(p) if active[*p]);
    let first = adjoint.inputs[n..].iter().any(is_active);
    let (graph, found) = straight.hessian(&weights, first);
    let nodes: Vec<NodeId> = found.iter().flat_map(|entry| entry.value.nodes()).collect();
    let is_missing = |&id: &NodeId| graph.op(id) == Op::Input && graph.number(id) >= n_ports;
    if visit::reachable(&graph, &nodes).iter().any(is_missing) {
        return None;
    }
    let place = |entry: &Entry| {
        // The places of the cotangent of a nonzero of an input.
        let cotangents = |(p, k): (usize, u32)| {
            let shown = number[p].map_or(&[][..], |input| &adjoint.shown[input]);
            let from = match p.checked_sub(n_ports) {
                None => &f.inputs[p].pattern,
                Some(k) => &of.inputs[k].pattern,
            };
            let rows = shown.iter().filter_map(move |&output| {
                let row = renumbered(from, &f.outputs[output].pattern, k)?;
                Some((output as u32, row))
            });
            rows.collect::<Vec<_>>()
        };
        let by = |rows: Vec<(u32, u32)>, (input, column): (usize, u32)| {
            let is_active = active.get(input).copied().unwrap_or(false);
            let rows = rows.into_iter().filter(move |_| is_active);
            rows.map(move |(output, row)| {
                let input = input as u32;
                EntryPlace { output, row, input, column, source: 0 }
            })
        };
        match entry.row {
            Row::Leaf(leaf) => {
                let mut places: Vec<EntryPlace> = by(cotangents(leaf), entry.column).collect();
                if leaf != entry.column {
                    places.extend(by(cotangents(entry.column), leaf));
                }
                places
            }
            Row::Result(row) => {
                let (output, row) = locate(&of_rows, row);
                let seed = adjoint.seeded.iter().position(|&o| o == output as usize);
                let Some(Supply::Port(p)) = seed.map(|k| &adjoint.inputs[n + k]) else {
                    return Vec::new();
                };
                let whole = &of.outputs[output as usize].pattern;
                match renumbered(whole, &f.inputs[*p].pattern, row) {
                    Some(k) => by(cotangents(entry.column), (*p, k)).collect(),
                    None => Vec::new(),
                }
            }
        }
    };
    Some(assemble(f, graph, found, place))
}

/// What a function gets from the inputs of `f`, in a graph of those.
fn supplied(graph: &mut Graph, f: &Func, supply: &Supply, otherwise: &Pattern) -> NodeId {
    match supply {
        Supply::Port(p) => graph.input(*p, f.inputs[*p].pattern.clone()),
        Supply::Constant(pattern, value) => {
            let values: Vec<f64> = (0..pattern.nnz()).map(|k| value.get(k)).collect();
            graph.constant_matrix(pattern.clone(), &values)
        }
        Supply::Nothing => graph.zero(otherwise.n_rows(), otherwise.n_cols()),
    }
}

/// Entries at the places that `place` gives; those that are numbers apart.
fn assemble(
    f: &Func,
    mut graph: Graph,
    found: Vec<Entry>,
    place: impl Fn(&Entry) -> Vec<EntryPlace>,
) -> Entries {
    let (mut places, mut constants, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for entry in found {
        let at = place(&entry);
        if at.is_empty() {
            continue;
        }
        let value = entry.value.node(&mut graph);
        match number(&graph, value) {
            Some(0.0) => {}
            Some(v) => constants.extend(at.into_iter().map(|p| (p, v))),
            None => {
                let source = values.len() as u32;
                values.push(value);
                places.extend(at.into_iter().map(|p| EntryPlace { source, ..p }));
            }
        }
    }
    let column = graph.concat(&values);
    let outputs = vec![("entries".into(), column)];
    let func = Func::freeze(format!("{}_jac", f.name), &graph, f.inputs.clone(), outputs);
    Entries { func, places, constants }
}

/// Derivatives in directions, or put together from those of loops.
fn directional_entries(f: &Arc<Func>, active: &[bool]) -> Result<Entries, MissingDerivative> {
    let mut new = Primal::new(f)?;
    let inputs: Vec<usize> = (0..active.len()).filter(|&k| active[k]).collect();
    let targets: Vec<NodeId> = inputs.iter().map(|&k| new.inputs[k]).collect();
    let y = new.graph.concat(&new.outputs);
    let found = if new.graph.nnz(y) == 0 {
        None
    } else {
        compressed(&mut new.graph, y, &targets).map_err(|e| missing(e, f))?
    };
    let (pattern, column) = match found {
        Some(found) => (found.pattern, found.column),
        None => (Pattern::zero(0, 0), new.graph.zero(0, 1)),
    };
    let of_outputs = starts(f.outputs.iter());
    let of_inputs = starts(inputs.iter().map(|&k| &f.inputs[k]));
    let place = |row: usize, column: usize, source: u32| {
        let ((output, row), (input, column)) =
            (locate(&of_outputs, row), locate(&of_inputs, column));
        EntryPlace { output, row, input: inputs[input as usize] as u32, column, source }
    };
    let Primal { graph, ports, .. } = new;
    let (mut graph, values) = scalar_entries(graph, column);
    let by_scalar = values.len() == pattern.nnz();
    let (mut places, mut constants, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for (k, (row, column)) in pattern.entries().enumerate() {
        let value = by_scalar.then(|| number(&graph, values[k])).flatten();
        match value {
            // Found to be structurally zero after all.
            Some(0.0) => {}
            Some(v) => constants.push((place(row, column, 0), v)),
            None => {
                places.push(place(row, column, kept.len() as u32));
                kept.push(k as u32);
            }
        }
    }
    let column = if by_scalar {
        let kept: Vec<NodeId> = kept.iter().map(|&k| values[k as usize]).collect();
        graph.concat(&kept)
    } else {
        values[0]
    };
    let outputs = vec![("entries".into(), column)];
    let func = Func::freeze(format!("{}_jac", f.name), &graph, ports, outputs);
    Ok(Entries { func, places, constants })
}

/// Number of the first nonzero of each port, and how many there are.
fn starts<'p>(ports: impl Iterator<Item = &'p Port>) -> Vec<usize> {
    let mut starts = vec![0];
    for port in ports {
        starts.push(starts[starts.len() - 1] + port.pattern.nnz());
    }
    starts
}

/// The port that nonzero `k` of all belongs to, and its number there.
fn locate(starts: &[usize], k: usize) -> (u32, u32) {
    let port = starts.partition_point(|&start| start <= k) - 1;
    (port as u32, (k - starts[port]) as u32)
}

/// The nonzeros of a column as scalars, with what computes them; of a long one the column itself.
fn scalar_entries(mut graph: Graph, column: NodeId) -> (Graph, Vec<NodeId>) {
    let n = graph.nnz(column);
    if n > MOST_SCALARS {
        return (graph, vec![column]);
    }
    let scalars: Vec<NodeId> =
        (0..n).map(|k| graph.gather(column, IndexMap::range(k, 1), Pattern::scalar())).collect();
    expand(&graph, &scalars, &mut |f| f.clone())
}

/// The value of a scalar that is a number.
fn number(graph: &Graph, scalar: NodeId) -> Option<f64> {
    if graph.pattern(scalar).is_zero() { Some(0.0) } else { graph.as_uniform(scalar) }
}
