//! Jacobians of vectors as matrix expressions: `A` of `A * x`, `diag(f'(u)) * A` of `f(A * x)`.
//!
//! Each value between the target and the result has its Jacobian as one matrix, forward. Magnus &
//! Neudecker, "Matrix Differential Calculus", 3rd ed. (2007), chapters 5 and 8.

use rustc_hash::FxHashMap;

use crate::graph::{Graph, NodeId, Op, Reduction, visit};
use crate::ops::elementwise::partial;
use crate::ops::scalar::ScalarOp;
use crate::ops::transpose;
use crate::sparsity::{IndexMap, Pattern};

/// The Jacobian of the vector `y` by the vector `x`, both dense. `None` where `y` is no product of
/// matrices and elementwise functions of vectors of `x`.
pub(super) fn matrix_jacobian(graph: &mut Graph, y: NodeId, x: NodeId) -> Option<NodeId> {
    let is_column = |graph: &Graph, v: NodeId| {
        let pattern = graph.pattern(v);
        pattern.is_vector() && pattern.is_dense() && pattern.numel() > 1
    };
    if !is_column(graph, x) || !is_column(graph, y) {
        return None;
    }
    let order = dependents(graph, y, x);
    let is_product = |id: &NodeId| graph.op(*id) == Op::MatMul;
    if !order.iter().any(is_product) || !order.iter().all(|&id| is_vectorial(graph, id)) {
        return None;
    }
    let n = graph.pattern(x).numel();
    let mut jacobians: FxHashMap<NodeId, NodeId> = FxHashMap::default();
    jacobians.insert(x, graph.fill(Pattern::diagonal(n), 1.0));
    for id in order {
        let jacobian = local(graph, &jacobians, id, n)?;
        jacobians.insert(id, jacobian);
    }
    jacobians.get(&y).copied()
}

/// The nodes between `x` and `y`, operands before users, without `x`.
fn dependents(graph: &Graph, y: NodeId, x: NodeId) -> Vec<NodeId> {
    let mut depends = vec![false; graph.len()];
    depends[x.index()] = true;
    let mut order = visit::reachable(graph, &[y]);
    order.retain(|&id| {
        let stops = graph.op(id) == Op::Scalar(ScalarOp::StopGradient);
        let inside = id != x && !stops && graph.args(id).iter().any(|a| depends[a.index()]);
        depends[id.index()] |= inside;
        inside
    });
    // What only serves values without derivative is not on the way.
    let mut leads = vec![false; graph.len()];
    leads[y.index()] = true;
    for &id in order.iter().rev().filter(|id| depends[id.index()]) {
        if leads[id.index()] {
            graph.args(id).iter().for_each(|a| leads[a.index()] = true);
        }
    }
    order.retain(|id| leads[id.index()]);
    order
}

/// Whether a value is a dense vector or number, made by an operation that [`local`] knows.
fn is_vectorial(graph: &Graph, id: NodeId) -> bool {
    let pattern = graph.pattern(id);
    let known = match graph.op(id) {
        Op::Scalar(_) => graph.args(id).iter().all(|&a| graph.pattern(a).is_dense()),
        Op::MatMul | Op::Reduce(Reduction::Sum) => true,
        // A column as a row, or the other way round.
        Op::Gather => {
            let of = graph.pattern(graph.arg(id, 0));
            of.is_vector()
                && of.nnz() == pattern.nnz()
                && graph.map(id).is_some_and(|map| map.is_identity(of.nnz()))
        }
        _ => false,
    };
    known && pattern.is_dense() && pattern.is_vector()
}

/// The Jacobian of a node by those of its operands; operands without one do not depend on `x`.
fn local(
    graph: &mut Graph,
    jacobians: &FxHashMap<NodeId, NodeId>,
    id: NodeId,
    n: usize,
) -> Option<NodeId> {
    let args = graph.args(id).to_vec();
    let of = |k: usize| jacobians.get(&args[k]).copied();
    match graph.op(id) {
        Op::Gather => of(0),
        Op::Reduce(_) => {
            let ones = graph.fill(Pattern::dense(1, graph.nnz(args[0])), 1.0);
            Some(product(graph, ones, of(0)?))
        }
        Op::MatMul => {
            let by_second = match of(1) {
                Some(b) if graph.pattern(args[1]).n_cols() == 1 => Some(product(graph, args[0], b)),
                Some(_) => return None,
                None => None,
            };
            let by_first = match of(0) {
                Some(a) if graph.pattern(args[0]).n_rows() == 1 => {
                    let transposed = transpose(graph, args[1]);
                    Some(product(graph, transposed, a))
                }
                Some(_) => return None,
                None => None,
            };
            sum(graph, by_first, by_second)
        }
        Op::Scalar(_) => {
            let rows = graph.nnz(id);
            let mut total = None;
            for k in 0..args.len() {
                let Some(jacobian) = of(k) else { continue };
                let Some(slope) = partial(graph, id, k) else { continue };
                let term = scaled(graph, slope, jacobian, rows);
                total = sum(graph, total, Some(term));
            }
            Some(total.unwrap_or_else(|| graph.zero(rows, n)))
        }
        _ => None,
    }
}

fn sum(graph: &mut Graph, a: Option<NodeId>, b: Option<NodeId>) -> Option<NodeId> {
    match (a, b) {
        (Some(a), Some(b)) => Some(graph.add(a, b)),
        (one, other) => one.or(other),
    }
}

/// `diag(slope) * jacobian`, with the one row of a number under each slope.
fn scaled(graph: &mut Graph, slope: NodeId, jacobian: NodeId, rows: usize) -> NodeId {
    let is_row = graph.pattern(jacobian).n_rows() == 1;
    if graph.pattern(slope).numel() == 1 && (!is_row || rows == 1) {
        return graph.mul(slope, jacobian);
    }
    let column = match graph.pattern(slope).numel() {
        1 => {
            let ones = graph.fill(Pattern::dense(rows, 1), 1.0);
            graph.mul(slope, ones)
        }
        _ => {
            let flat = IndexMap::identity(rows);
            graph.gather(slope, flat, Pattern::dense(rows, 1))
        }
    };
    if is_row {
        return product(graph, column, jacobian);
    }
    let flat = IndexMap::identity(rows);
    let diagonal = graph.gather(column, flat, Pattern::diagonal(rows));
    product(graph, diagonal, jacobian)
}

/// A product, of three factors in the cheaper order; numbers stand in front.
fn product(graph: &mut Graph, a: NodeId, b: NodeId) -> NodeId {
    let (pa, pb) = (graph.pattern(a), graph.pattern(b));
    if pa.is_scalar() || pb.is_scalar() {
        return graph.mul(a, b);
    }
    if let Some((number, matrix)) = number_times(graph, b) {
        let inner = product(graph, a, matrix);
        return graph.mul(number, inner);
    }
    let negated = |graph: &Graph, id: NodeId| {
        (graph.op(id) == Op::Scalar(ScalarOp::Neg)).then(|| graph.arg(id, 0))
    };
    if let Some(inner) = negated(graph, a) {
        let positive = product(graph, inner, b);
        return graph.neg(positive);
    }
    if let Some(inner) = negated(graph, b) {
        let positive = product(graph, a, inner);
        return graph.neg(positive);
    }
    match (diagonal_of(graph, a), diagonal_of(graph, b)) {
        (Some(u), Some(w)) => {
            let both = graph.mul(u, w);
            let n = graph.nnz(both);
            return graph.gather(both, IndexMap::identity(n), Pattern::diagonal(n));
        }
        (_, Some(w)) if graph.as_uniform(a) == Some(1.0) && graph.pattern(a).n_rows() == 1 => {
            return transpose(graph, w);
        }
        _ => {}
    }
    if graph.op(b) == Op::MatMul {
        let (c, d) = (graph.arg(b, 0), graph.arg(b, 1));
        let of = |x: &Pattern, y: &Pattern| x.n_products(y);
        let (pc, pd) = (graph.pattern(c), graph.pattern(d));
        let right = of(pc, pd) + of(pa, pb);
        let left = of(pa, pc) + of(&pa.product(pc), pd);
        if left < right || diagonal_of(graph, a).is_some() && diagonal_of(graph, c).is_some() {
            let first = product(graph, a, c);
            return product(graph, first, d);
        }
    }
    graph.matmul(a, b)
}

/// The column that a diagonal matrix has on its diagonal.
fn diagonal_of(graph: &Graph, id: NodeId) -> Option<NodeId> {
    if graph.op(id) != Op::Gather || !graph.pattern(id).is_diagonal() {
        return None;
    }
    let (column, n) = (graph.arg(id, 0), graph.nnz(id));
    let is_column = *graph.pattern(column) == Pattern::dense(n, 1);
    let is_whole =
        graph.map(id).is_some_and(|map| map.is_identity(n)) && n == graph.pattern(id).n_rows();
    (is_column && is_whole).then_some(column)
}

/// The parts of a number times a matrix.
fn number_times(graph: &Graph, id: NodeId) -> Option<(NodeId, NodeId)> {
    let (Op::Scalar(ScalarOp::Mul), &[a, b]) = (graph.op(id), graph.args(id)) else { return None };
    match (graph.pattern(a).is_scalar(), graph.pattern(b).is_scalar()) {
        (true, false) => Some((a, b)),
        (false, true) => Some((b, a)),
        _ => None,
    }
}
