//! Rearranging nonzeros: gather, scatter, concatenation.

use super::Dependencies;
use super::Rules;
use super::accumulation::Accumulation;
use super::context::{Cotangents, MissingDerivative, Tangents};
use crate::graph::{Graph, NodeId, Op, visit};
use crate::ops::scalar::ScalarOp;
use crate::sparsity::{IndexMap, Pattern};

/// Whether a value is the transpose of one that is no number.
pub(crate) fn is_transpose(graph: &Graph, id: NodeId) -> bool {
    if graph.op(id) != Op::Gather {
        return false;
    }
    let (pattern, of) = (graph.pattern(id), graph.pattern(graph.arg(id, 0)));
    let (n_rows, n_cols) = pattern.shape();
    let Some(map) = graph.map(id).filter(|_| of.shape() == (n_cols, n_rows)) else {
        return false;
    };
    match of.is_dense() && pattern.is_dense() {
        true => {
            let whole = IndexMap::affine(0, &[(n_cols, n_rows as i64), (n_rows, 1)]);
            *map == whole || of.is_vector() && map.is_identity(of.nnz())
        }
        false => {
            let (transposed, source) = of.transpose();
            *pattern == transposed && map.iter().zip(source).all(|(k, s)| k == s as usize)
        }
    }
}

/// How deep products are looked through.
const DEPTH: usize = 8;

/// Whether a value is a transpose, or a product whose transpose has one transpose less.
fn loses_transpose(graph: &Graph, id: NodeId, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match (graph.op(id), graph.args(id)) {
        (Op::MatMul, &[a, b]) => {
            *graph.pattern(id) == graph.pattern(a).product(graph.pattern(b))
                && (loses_transpose(graph, a, depth) || loses_transpose(graph, b, depth))
        }
        (Op::Scalar(ScalarOp::Mul), &[a, b]) => {
            (graph.pattern(a).is_scalar() && loses_transpose(graph, b, depth))
                || (graph.pattern(b).is_scalar() && loses_transpose(graph, a, depth))
        }
        _ => is_transpose(graph, id),
    }
}

/// A copy in which the transposes of inputs that are `symmetric`, by number, are these inputs.
/// Only for what is not differentiated any more: derivatives take all entries as independent.
pub fn without_transposes(
    graph: &Graph,
    roots: &[NodeId],
    symmetric: impl Fn(usize) -> bool,
) -> (Graph, Vec<NodeId>) {
    let (mut to, mut copies) = (Graph::new(), vec![NodeId(u32::MAX); graph.len()]);
    let mut args = Vec::new();
    for id in visit::reachable(graph, roots) {
        args.clear();
        args.extend(graph.args(id).iter().map(|a| copies[a.index()]));
        let of = graph.args(id).first().copied();
        let input = of.filter(|&of| graph.op(of) == Op::Input && symmetric(graph.number(of)));
        copies[id.index()] = match input {
            _ if graph.op(id) == Op::Input => to.input(graph.number(id), graph.pattern(id).clone()),
            Some(of) if is_transpose(graph, id) => copies[of.index()],
            _ => visit::copy_node(graph, id, &mut to, &args),
        };
    }
    (to, roots.iter().map(|root| copies[root.index()]).collect())
}

/// The transpose of `x`.
pub fn transpose(graph: &mut Graph, x: NodeId) -> NodeId {
    let pattern = graph.pattern(x).clone();
    let (n_rows, n_cols) = pattern.shape();
    if pattern.is_scalar() {
        return x;
    }
    // Of a product with a transpose: (A' * B)' is B' * A.
    if !is_transpose(graph, x) && loses_transpose(graph, x, DEPTH) {
        match (graph.op(x), graph.args(x)) {
            (Op::MatMul, &[a, b]) => {
                let (a, b) = (transpose(graph, a), transpose(graph, b));
                return graph.matmul(b, a);
            }
            (Op::Scalar(ScalarOp::Mul), &[a, b]) => {
                let (a, b) = (transpose(graph, a), transpose(graph, b));
                return graph.mul(a, b);
            }
            _ => {}
        }
    }
    if pattern.is_dense() {
        let map = IndexMap::affine(0, &[(n_cols, n_rows as i64), (n_rows, 1)]);
        return graph.gather(x, map, Pattern::dense(n_cols, n_rows));
    }
    let (transposed, source) = pattern.transpose();
    graph.gather(x, IndexMap::from_table(source), transposed)
}

/// `y.nz[k] = x.nz[map(k)]`.
pub struct Gather;

/// `y.nz[map(k)] += x.nz[k]`.
pub struct Scatter;

/// The nonzeros of all arguments, one after the other.
pub struct Concat;

/// For a value inside `outer`, the index of each of its nonzeros there, or `None` if they are
/// all of them.
fn positions(inner: &Pattern, outer: &Pattern) -> Option<Vec<u32>> {
    if inner == outer {
        return None;
    }
    Some(inner.positions_in(outer).expect("invariant: derivatives lie inside their value"))
}

/// Gathers from a value `x` that lies inside `outer`, as `map` does from a value with that
/// pattern to one with pattern `to`: only what is a nonzero of `x`.
fn gather_inside(
    graph: &mut Graph,
    x: NodeId,
    outer: &Pattern,
    map: &IndexMap,
    to: &Pattern,
) -> NodeId {
    let Some(positions) = positions(graph.pattern(x), outer) else {
        return graph.gather(x, map.clone(), to.clone());
    };
    let mut slot = vec![u32::MAX; outer.nnz()];
    for (k, &p) in positions.iter().enumerate() {
        slot[p as usize] = k as u32;
    }
    let (mut keep, mut source) = (Vec::new(), Vec::new());
    for (k, from) in map.iter().enumerate() {
        if slot[from] != u32::MAX {
            keep.push(k as u32);
            source.push(slot[from]);
        }
    }
    graph.gather(x, IndexMap::from_table(source), to.select(&keep))
}

/// Scatters a value `x` that lies inside `from`, as `map` does from a value with that pattern to
/// one with pattern `to`: the nonzeros of the result and which of them each nonzero of `x` meets.
fn scatter_inside(x: &Pattern, from: &Pattern, map: &IndexMap) -> IndexMap {
    match positions(x, from) {
        None => map.clone(),
        Some(positions) => {
            IndexMap::from_table(positions.iter().map(|&p| map.get(p as usize) as u32).collect())
        }
    }
}

impl Rules for Gather {
    fn tangent(&self, cx: &mut Tangents, id: NodeId) -> Result<(), MissingDerivative> {
        let arg = cx.graph.arg(id, 0);
        let Some(map) = cx.graph.map(id).cloned() else { return Ok(()) };
        let (outer, to) = (cx.graph.pattern(arg).clone(), cx.graph.pattern(id).clone());
        for d in 0..cx.n_directions() {
            if let Some(t) = cx.get(d, arg) {
                let tangent = gather_inside(cx.graph, t, &outer, &map, &to);
                cx.set(d, id, tangent);
            }
        }
        Ok(())
    }

    fn cotangent(&self, cx: &mut Cotangents, id: NodeId) -> Result<(), MissingDerivative> {
        let arg = cx.graph.arg(id, 0);
        let Some(map) = cx.graph.map(id).cloned() else { return Ok(()) };
        let from = cx.graph.pattern(id).clone();
        let transposes = is_transpose(cx.graph, id);
        for d in 0..cx.n_directions() {
            if let Some(c) = cx.get(d, id) {
                if transposes && *cx.graph.pattern(c) == from {
                    let share = transpose(cx.graph, c);
                    cx.add(d, arg, share);
                    continue;
                }
                let targets = scatter_inside(cx.graph.pattern(c), &from, &map);
                cx.add_part(d, arg, c, targets);
            }
        }
        Ok(())
    }

    fn dependency(&self, cx: &mut Dependencies, id: NodeId) {
        if let Some(map) = cx.graph.map(id) {
            let map = map.clone();
            cx.set_gather(id, cx.graph.arg(id, 0), &map);
        }
    }

    fn jacobian(&self, cx: &mut Accumulation, id: NodeId) -> Result<(), MissingDerivative> {
        if let Some(map) = cx.graph.map(id).cloned() {
            cx.set_selected(id, &[(cx.graph.arg(id, 0), IndexMap::identity(map.len()), map)]);
        }
        Ok(())
    }
}

impl Rules for Scatter {
    fn tangent(&self, cx: &mut Tangents, id: NodeId) -> Result<(), MissingDerivative> {
        let arg = cx.graph.arg(id, 0);
        let Some(map) = cx.graph.map(id).cloned() else { return Ok(()) };
        let (from, to) = (cx.graph.pattern(arg).clone(), cx.graph.pattern(id).clone());
        for d in 0..cx.n_directions() {
            let Some(t) = cx.get(d, arg) else { continue };
            let targets = scatter_inside(cx.graph.pattern(t), &from, &map);
            let mut touched: Vec<u32> = targets.iter().map(|k| k as u32).collect();
            touched.sort_unstable();
            touched.dedup();
            let local = targets
                .iter()
                .map(|k| touched.binary_search(&(k as u32)).map_or(0, |k| k as u32))
                .collect();
            let tangent = cx.graph.scatter(t, IndexMap::from_table(local), to.select(&touched));
            cx.set(d, id, tangent);
        }
        Ok(())
    }

    fn cotangent(&self, cx: &mut Cotangents, id: NodeId) -> Result<(), MissingDerivative> {
        let arg = cx.graph.arg(id, 0);
        let Some(map) = cx.graph.map(id).cloned() else { return Ok(()) };
        let (outer, to) = (cx.graph.pattern(id).clone(), cx.graph.pattern(arg).clone());
        for d in 0..cx.n_directions() {
            if let Some(c) = cx.get(d, id) {
                let share = gather_inside(cx.graph, c, &outer, &map, &to);
                cx.add(d, arg, share);
            }
        }
        Ok(())
    }

    fn dependency(&self, cx: &mut Dependencies, id: NodeId) {
        if let Some(map) = cx.graph.map(id) {
            let map = map.clone();
            cx.set_scatter(id, cx.graph.arg(id, 0), &map);
        }
    }

    fn jacobian(&self, cx: &mut Accumulation, id: NodeId) -> Result<(), MissingDerivative> {
        if let Some(map) = cx.graph.map(id).cloned() {
            let columns = IndexMap::identity(map.len());
            cx.set_selected(id, &[(cx.graph.arg(id, 0), map, columns)]);
        }
        Ok(())
    }
}

impl Rules for Concat {
    fn tangent(&self, cx: &mut Tangents, id: NodeId) -> Result<(), MissingDerivative> {
        let args: Vec<NodeId> = cx.graph.args(id).to_vec();
        let to = cx.graph.pattern(id).clone();
        for d in 0..cx.n_directions() {
            let (mut parts, mut keep) = (Vec::new(), Vec::new());
            let mut start = 0u32;
            for &a in &args {
                let outer = cx.graph.pattern(a).clone();
                if let Some(t) = cx.get(d, a) {
                    match positions(cx.graph.pattern(t), &outer) {
                        None => keep.extend(start..start + outer.nnz() as u32),
                        Some(p) => keep.extend(p.iter().map(|k| start + k)),
                    }
                    parts.push(t);
                }
                start += outer.nnz() as u32;
            }
            if parts.is_empty() {
                continue;
            }
            let stacked = cx.graph.concat(&parts);
            let identity = IndexMap::identity(keep.len());
            let tangent = cx.graph.gather(stacked, identity, to.select(&keep));
            cx.set(d, id, tangent);
        }
        Ok(())
    }

    fn cotangent(&self, cx: &mut Cotangents, id: NodeId) -> Result<(), MissingDerivative> {
        let args: Vec<NodeId> = cx.graph.args(id).to_vec();
        let outer = cx.graph.pattern(id).clone();
        for d in 0..cx.n_directions() {
            let Some(c) = cx.get(d, id) else { continue };
            let inside = positions(cx.graph.pattern(c), &outer);
            let mut start = 0;
            for &a in &args {
                let pattern = cx.graph.pattern(a).clone();
                let end = start + pattern.nnz();
                if cx.wants(a) {
                    let share = match &inside {
                        None => cx.graph.gather(c, IndexMap::range(start, end - start), pattern),
                        Some(p) => {
                            let lo = p.partition_point(|&k| (k as usize) < start);
                            let hi = p.partition_point(|&k| (k as usize) < end);
                            let keep: Vec<u32> =
                                p[lo..hi].iter().map(|k| k - start as u32).collect();
                            let map = IndexMap::range(lo, hi - lo);
                            cx.graph.gather(c, map, pattern.select(&keep))
                        }
                    };
                    cx.add(d, a, share);
                }
                start = end;
            }
        }
        Ok(())
    }

    fn dependency(&self, cx: &mut Dependencies, id: NodeId) {
        let args: Vec<NodeId> = cx.graph.args(id).to_vec();
        cx.set_concat(id, &args);
    }

    fn jacobian(&self, cx: &mut Accumulation, id: NodeId) -> Result<(), MissingDerivative> {
        let mut start = 0;
        let mut parts = Vec::new();
        for &a in cx.graph.args(id) {
            let n = cx.graph.nnz(a);
            parts.push((a, IndexMap::range(start, n), IndexMap::identity(n)));
            start += n;
        }
        cx.set_selected(id, &parts);
        Ok(())
    }
}
