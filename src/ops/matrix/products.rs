//! Products of matrices and vectors.

use super::rearrange::{Selection, column, diag, elements, place};
use super::{eye, transpose, vcat};
use crate::graph::{Graph, NodeId, Op, Reduction};
use crate::sparsity::{IndexMap, Pattern};

/// The `*` of the language: the matrix product, or scaling when an operand is 1x1.
pub fn product(graph: &mut Graph, a: NodeId, b: NodeId) -> NodeId {
    if graph.pattern(a).is_scalar() || graph.pattern(b).is_scalar() {
        graph.mul(a, b)
    } else {
        graph.matmul(a, b)
    }
}

/// The matrix of all products of an entry of `a` (row) with one of `b` (column).
pub fn outer(graph: &mut Graph, a: NodeId, b: NodeId) -> NodeId {
    let a = column(graph, a);
    let b = column(graph, b);
    let b = transpose(graph, b);
    product(graph, a, b)
}

/// Sum of the products of corresponding entries; the shapes are equal.
pub fn dot(graph: &mut Graph, a: NodeId, b: NodeId) -> NodeId {
    let products = graph.mul(a, b);
    graph.reduce(Reduction::Sum, products)
}

/// `x' * a * x` for a vector, row or column, and a square matrix.
pub fn quad_form(graph: &mut Graph, x: NodeId, a: NodeId) -> NodeId {
    let x = column(graph, x);
    let ax = product(graph, a, x);
    dot(graph, x, ax)
}

/// Sum of the diagonal. Of a matrix product only the diagonal is computed.
pub fn trace(graph: &mut Graph, x: NodeId) -> NodeId {
    if graph.op(x) == Op::MatMul && !graph.pattern(x).is_vector() {
        let (a, b) = (graph.arg(x, 0), graph.arg(x, 1));
        let diagonal = Pattern::diagonal(graph.shape(x).0).intersection(graph.pattern(x));
        let diagonal = graph.matmul_masked(a, b, diagonal);
        return graph.reduce(Reduction::Sum, diagonal);
    }
    let diagonal = if graph.pattern(x).is_scalar() { x } else { diag(graph, x) };
    graph.reduce(Reduction::Sum, diagonal)
}

/// Square matrix to a power, by squaring: about `2 log2(exponent)` products.
pub fn power(graph: &mut Graph, x: NodeId, exponent: u64) -> NodeId {
    let n = graph.shape(x).0;
    let mut result = None;
    let (mut square, mut rest) = (x, exponent);
    while rest > 0 {
        if rest & 1 == 1 {
            result = Some(match result {
                Some(r) => product(graph, r, square),
                None => square,
            });
        }
        rest >>= 1;
        if rest > 0 {
            square = product(graph, square, square);
        }
    }
    result.unwrap_or_else(|| eye(graph, n))
}

/// Kronecker product: block (i, j) is `a[i, j] * b`.
pub fn kron(graph: &mut Graph, a: NodeId, b: NodeId) -> NodeId {
    if graph.pattern(a).is_scalar() || graph.pattern(b).is_scalar() {
        return graph.mul(a, b);
    }
    let (p, q) = (graph.pattern(a).clone(), graph.pattern(b).clone());
    let shape = (p.n_rows() * q.n_rows(), p.n_cols() * q.n_cols());
    let nnz = p.nnz() * q.nnz();
    if nnz == 0 {
        return graph.zero(shape.0, shape.1);
    }
    let (pattern, from_a, from_b) = kron_maps(&p, &q);
    // Where all nonzeros of a factor are one number it scales the other; ones vanish.
    let spread = |graph: &mut Graph, x: NodeId, from: Vec<u32>| {
        graph.gather(x, IndexMap::from_table(from), pattern.clone())
    };
    let (a, b) = match (graph.as_uniform(a), graph.as_uniform(b)) {
        (Some(v), _) => (graph.constant(v), spread(graph, b, from_b)),
        (None, Some(v)) => (spread(graph, a, from_a), graph.constant(v)),
        (None, None) => (spread(graph, a, from_a), spread(graph, b, from_b)),
    };
    graph.mul(a, b)
}

/// The pattern of a Kronecker product, and which nonzeros of both factors its nonzeros are made of.
fn kron_maps(p: &Pattern, q: &Pattern) -> (Pattern, Vec<u32>, Vec<u32>) {
    let shape = (p.n_rows() * q.n_rows(), p.n_cols() * q.n_cols());
    let nnz = p.nnz() * q.nnz();
    let mut positions = Vec::with_capacity(nnz);
    let (mut from_a, mut from_b) = (Vec::with_capacity(nnz), Vec::with_capacity(nnz));
    for j in 0..p.n_cols() {
        for l in 0..q.n_cols() {
            let start = (j * q.n_cols() + l) as u64 * shape.0 as u64;
            for k in p.column(j) {
                let top = start + (p.row_of(k, j) * q.n_rows()) as u64;
                for m in q.column(l) {
                    positions.push(top + q.row_of(m, l) as u64);
                    from_a.push(k as u32);
                    from_b.push(m as u32);
                }
            }
        }
    }
    (Pattern::from_linear(shape.0, shape.1, positions), from_a, from_b)
}

/// The factors of a value that is made as a Kronecker product is.
pub(crate) fn kron_factors(graph: &Graph, id: NodeId) -> Option<[NodeId; 2]> {
    let &[x, y] = graph.args(id) else { return None };
    if graph.op(x) != Op::Gather || graph.op(y) != Op::Gather {
        return None;
    }
    let is_kron = |x: NodeId, y: NodeId| {
        let (a, b) = (graph.arg(x, 0), graph.arg(y, 0));
        let (p, q, whole) = (graph.pattern(a), graph.pattern(b), graph.pattern(id));
        let shape = (p.n_rows() * q.n_rows(), p.n_cols() * q.n_cols());
        if shape != whole.shape() || p.nnz() * q.nnz() != whole.nnz() {
            return false;
        }
        let (pattern, from_a, from_b) = kron_maps(p, q);
        pattern == *whole
            && graph.map(x) == Some(&IndexMap::from_table(from_a))
            && graph.map(y) == Some(&IndexMap::from_table(from_b))
    };
    [[x, y], [y, x]]
        .into_iter()
        .find(|&[x, y]| is_kron(x, y))
        .map(|[x, y]| [graph.arg(x, 0), graph.arg(y, 0)])
}

/// Cross product of two vectors of three entries, of the same orientation.
pub fn cross(graph: &mut Graph, a: NodeId, b: NodeId) -> NodeId {
    let next = Selection::List(&[1, 2, 0]);
    let last = Selection::List(&[2, 0, 1]);
    let (a_next, b_last) = (elements(graph, a, next), elements(graph, b, last));
    let (a_last, b_next) = (elements(graph, a, last), elements(graph, b, next));
    let (plus, minus) = (graph.mul(a_next, b_last), graph.mul(a_last, b_next));
    graph.sub(plus, minus)
}

/// The skew-symmetric matrix of a vector of three entries: `skew(a) * b` is `cross(a, b)`.
pub fn skew(graph: &mut Graph, x: NodeId) -> NodeId {
    let x = column(graph, x);
    let negated = graph.neg(x);
    let both = vcat(graph, &[x, negated]);
    let pattern = graph.pattern(both).clone();
    // Position in the 3x3 result, entry among x and -x.
    let entries = [(1, 2), (2, 4), (3, 5), (5, 0), (6, 1), (7, 3)];
    let find = |(to, from): (u64, usize)| pattern.find(from, 0).map(|k| (to, k));
    place(graph, both, (3, 3), entries.into_iter().filter_map(find))
}
