//! Matrix operations in the few structural operations of a graph.

use super::language::{Form, MatrixOp};
use crate::graph::{Graph, NodeId, Op, Reduction};
use crate::ops::is_transpose;
use crate::ops::matrix::kron_factors;
use crate::ops::scalar::ScalarOp;
use crate::sparsity::{IndexMap, Pattern};

/// What is known of a value by its pattern.
pub fn form_of(graph: &Graph, id: NodeId) -> Form {
    let pattern = graph.pattern(id);
    let (n_rows, n_cols) = pattern.shape();
    let nnz = pattern.nnz() as f64;
    Form { n_rows, n_cols, nnz, symmetric: pattern.is_diagonal() || pattern.is_scalar() }
}

/// Whether a node is a matrix product of which all entries are computed.
pub fn is_whole_product(graph: &Graph, id: NodeId) -> bool {
    let &[a, b] = graph.args(id) else { return false };
    graph.op(id) == Op::MatMul && {
        let (a, b, whole) = (graph.pattern(a), graph.pattern(b), graph.pattern(id));
        whole.is_dense() || *whole == a.product(b)
    }
}

/// A node as an operation on matrices: of one node, or the trace of a product.
pub enum Seen {
    Of(MatrixOp, Vec<NodeId>),
    TraceOfProduct(NodeId, NodeId),
}

/// What a node computes, if that is an operation on matrices.
pub fn seen(graph: &Graph, id: NodeId) -> Option<Seen> {
    let pattern = graph.pattern(id);
    let args = graph.args(id);
    let of = |op: MatrixOp| Some(Seen::Of(op, args.to_vec()));
    match (graph.op(id), args) {
        (Op::Const, _) if pattern.is_scalar() => {
            let value = graph.as_uniform(id)?;
            Some(Seen::Of(MatrixOp::Number(value.to_bits()), Vec::new()))
        }
        (Op::MatMul, _) if is_whole_product(graph, id) => of(MatrixOp::Product),
        (Op::Gather, &[x]) => {
            if is_transpose(graph, id) {
                return of(MatrixOp::Transpose);
            }
            let (from, n) = (graph.pattern(x), pattern.nnz());
            if from.nnz() != n || !graph.map(id).is_some_and(|map| map.is_identity(n)) {
                return None;
            }
            let is_diagonal = pattern.is_diagonal() && pattern.n_rows() == n && n > 1;
            if is_diagonal && *from == Pattern::dense(n, 1) {
                return of(MatrixOp::Diag);
            }
            let is_matrix = !from.is_vector() && from.is_dense();
            (is_matrix && *pattern == Pattern::dense(n, 1))
                .then(|| Seen::Of(MatrixOp::Vec, vec![x]))
        }
        (Op::Reduce(Reduction::Sum), &[x]) => {
            let is_square = |m: NodeId| graph.shape(m).0 == graph.shape(m).1;
            match (graph.op(x), graph.args(x)) {
                (Op::MatMul, &[a, b])
                    if graph.pattern(x).is_diagonal() && !is_whole_product(graph, x) =>
                {
                    let all = Pattern::diagonal(graph.shape(x).0);
                    let whole = graph.pattern(a).product(graph.pattern(b));
                    let is_all = *graph.pattern(x) == all.intersection(&whole);
                    is_all.then_some(Seen::TraceOfProduct(a, b))
                }
                (Op::Gather, &[m]) if is_square(m) && graph.pattern(m).is_dense() => {
                    let n = graph.shape(m).0;
                    let diagonal = IndexMap::affine(0, &[(n, n as i64 + 1)]);
                    let is_trace = n > 1 && graph.map(x) == Some(&diagonal);
                    is_trace.then(|| Seen::Of(MatrixOp::Trace, vec![m])).or(of(MatrixOp::Sum))
                }
                _ => of(MatrixOp::Sum),
            }
        }
        (Op::Scatter, &[x]) => {
            let (n_rows, n_cols) = graph.shape(x);
            let map = graph.map(id).filter(|_| graph.pattern(x).is_dense())?;
            let rows = IndexMap::affine(0, &[(n_rows, 0), (n_cols, 1)]);
            let cols = IndexMap::affine(0, &[(n_rows, 1), (n_cols, 0)]);
            match (pattern.shape(), n_rows > 1 && n_cols > 1 && pattern.is_dense()) {
                ((1, n), true) if n == n_cols && *map == rows => of(MatrixOp::SumRows),
                ((n, 1), true) if n == n_rows && *map == cols => of(MatrixOp::SumCols),
                _ => None,
            }
        }
        // Numbers stay outside.
        (Op::Scalar(_), _) if pattern.numel() == 1 => None,
        (Op::Scalar(ScalarOp::Neg), _) => of(MatrixOp::Neg),
        (Op::Scalar(op), &[a, b]) => {
            let is_number = |x: NodeId| graph.pattern(x).is_scalar();
            match (op, is_number(a), is_number(b)) {
                (ScalarOp::Add, false, false) => of(MatrixOp::Add),
                (ScalarOp::Sub, false, false) => of(MatrixOp::Sub),
                (ScalarOp::Mul, false, false) => match kron_factors(graph, id) {
                    Some([a, b]) => Some(Seen::Of(MatrixOp::Kron, vec![a, b])),
                    None => of(MatrixOp::Times),
                },
                (ScalarOp::Mul, true, false) => of(MatrixOp::Scale),
                (ScalarOp::Mul, false, true) => Some(Seen::Of(MatrixOp::Scale, vec![b, a])),
                (ScalarOp::Div, false, true) => of(MatrixOp::Over),
                _ => None,
            }
        }
        _ => None,
    }
}
