//! Sums over rows, columns and entries, norms, and sequences.

use std::sync::Arc;

use super::{Selection, products, reshape, submatrix, transpose, vcat};
use crate::graph::{
    ArgMode, Func, Graph, LoopSpec, NodeId, Origin, Port, Reduction, ResultMode, Window,
};
use crate::ops::scalar::ScalarOp;
use crate::sparsity::{IndexMap, Pattern};

/// Longest cumulative sum that is written out instead of being a loop.
const MAX_UNROLLED: usize = 8;

/// Longest sequence that is stored instead of being a loop.
const MAX_STORED: usize = 1 << 16;

/// Adds up the rows: 1 x n_cols, the sum of each column.
pub fn sum_rows(graph: &mut Graph, x: NodeId) -> NodeId {
    let pattern = graph.pattern(x).clone();
    let (n_rows, n_cols) = pattern.shape();
    if n_rows == 1 {
        return x;
    }
    if n_cols == 1 {
        return graph.reduce(Reduction::Sum, x);
    }
    if pattern.is_dense() && n_rows > 0 {
        let map = IndexMap::affine(0, &[(n_rows, 0), (n_cols, 1)]);
        return graph.scatter(x, map, Pattern::dense(1, n_cols));
    }
    let (mut to, mut filled) = (Vec::with_capacity(pattern.nnz()), Vec::new());
    for j in 0..n_cols {
        let column = pattern.column(j);
        if !column.is_empty() {
            to.extend(column.map(|_| filled.len() as u32));
            filled.push(j as u64);
        }
    }
    graph.scatter(x, IndexMap::from_table(to), Pattern::from_linear(1, n_cols, filled))
}

/// Adds up the columns: n_rows x 1, the sum of each row.
pub fn sum_cols(graph: &mut Graph, x: NodeId) -> NodeId {
    let pattern = graph.pattern(x).clone();
    let (n_rows, n_cols) = pattern.shape();
    if n_cols == 1 {
        return x;
    }
    if n_rows == 1 {
        return graph.reduce(Reduction::Sum, x);
    }
    if pattern.is_dense() && n_cols > 0 {
        let map = IndexMap::affine(0, &[(n_rows, 1), (n_cols, 0)]);
        return graph.scatter(x, map, Pattern::dense(n_rows, 1));
    }
    let mut slot = vec![u32::MAX; n_rows];
    pattern.entries().for_each(|(row, _)| slot[row] = 0);
    let mut filled = Vec::new();
    for (row, slot) in slot.iter_mut().enumerate().filter(|(_, s)| **s == 0) {
        *slot = filled.len() as u32;
        filled.push(row as u64);
    }
    let to = pattern.entries().map(|(row, _)| slot[row]).collect();
    graph.scatter(x, IndexMap::from_table(to), Pattern::from_linear(n_rows, 1, filled))
}

/// Sum of the absolute values of all entries.
pub fn norm1(graph: &mut Graph, x: NodeId) -> NodeId {
    let magnitudes = graph.unary(ScalarOp::Abs, x);
    graph.reduce(Reduction::Sum, magnitudes)
}

/// Largest absolute value of all entries.
pub fn norminf(graph: &mut Graph, x: NodeId) -> NodeId {
    let magnitudes = graph.unary(ScalarOp::Abs, x);
    graph.reduce(Reduction::Max, magnitudes)
}

/// Sum of the squares of all entries.
pub fn norm2sq(graph: &mut Graph, x: NodeId) -> NodeId {
    products::dot(graph, x, x)
}

/// Euclidean length.
pub fn norm2(graph: &mut Graph, x: NodeId) -> NodeId {
    if graph.pattern(x).is_scalar() {
        return graph.unary(ScalarOp::Abs, x);
    }
    let square = norm2sq(graph, x);
    graph.unary(ScalarOp::Sqrt, square)
}

/// Square root of the sum of the squares of all entries.
pub fn normfro(graph: &mut Graph, x: NodeId) -> NodeId {
    norm2(graph, x)
}

/// Logarithm of the sum of the exponentials of all entries (at least one).
///
/// Shifted by the largest entry, so that nothing overflows.
pub fn logsumexp(graph: &mut Graph, x: NodeId) -> NodeId {
    if graph.pattern(x).is_scalar() {
        return x;
    }
    let (shifted, shift) = graph.shifted_by_largest(x);
    let terms = graph.unary(ScalarOp::Exp, shifted);
    let sum = graph.reduce(Reduction::Sum, terms);
    let log = graph.unary(ScalarOp::Log, sum);
    graph.add(log, shift)
}

/// Cumulative sums along a vector, or down each column of a matrix.
pub fn cumsum(graph: &mut Graph, x: NodeId) -> NodeId {
    let pattern = graph.pattern(x).clone();
    let (n_rows, n_cols) = pattern.shape();
    if pattern.is_zero() || n_rows == 1 && n_cols == 1 {
        return x;
    }
    if n_rows == 1 {
        let sums = transpose(graph, x);
        let sums = cumsum(graph, sums);
        return transpose(graph, sums);
    }
    if n_rows <= MAX_UNROLLED {
        let mut sum = graph.zero(1, n_cols);
        let mut sums = Vec::with_capacity(n_rows);
        for row in 0..n_rows {
            let rows = Selection::Range { start: row, len: 1 };
            let all = Selection::Range { start: 0, len: n_cols };
            let row = submatrix(graph, x, rows, all);
            sum = graph.add(sum, row);
            sums.push(sum);
        }
        return vcat(graph, &sums);
    }
    let row = Pattern::dense(1, n_cols);
    let body = function("cumsum", &[row.clone(), row], |graph, args| {
        let sum = graph.add(args[0], args[1]);
        vec![sum, sum]
    });
    let window = Window {
        origin: Origin::Affine { base: 0, step: 1 },
        map: IndexMap::affine(0, &[(n_cols, n_rows as i64)]),
    };
    let spec = LoopSpec {
        body,
        n: n_rows as u64,
        n_states: 1,
        args: vec![ArgMode::Window(window.clone())],
        results: vec![ResultMode::Window(window)],
        patterns: vec![Pattern::dense(n_rows, n_cols)],
        range: None,
    };
    let start = graph.zero(1, n_cols);
    let dense = graph.densify(x);
    let sums = graph.repeat(spec, &[start, dense])[1];
    // Above its first nonzero a column stays structurally zero.
    let first = |j: usize| pattern.column(j).next().map_or(n_rows, |k| pattern.row_of(k, j));
    let below = |j: usize| (first(j)..n_rows).map(move |i| (i + j * n_rows) as u64);
    if (0..n_cols).all(|j| first(j) == 0) {
        return sums;
    }
    let inside = Pattern::from_linear(n_rows, n_cols, (0..n_cols).flat_map(below));
    graph.project(sums, &inside)
}

/// `n` equidistant numbers from `a` to `b`, both scalars, as a column; `a` alone for `n` = 1.
/// Both ends are exact.
pub fn linspace(graph: &mut Graph, a: NodeId, b: NodeId, n: usize) -> NodeId {
    if n <= 1 {
        return reshape_to_column(graph, a, n);
    }
    let last = (n - 1) as f64;
    if n <= MAX_STORED {
        let column = Pattern::dense(n, 1);
        let rising: Vec<f64> = (0..n).map(|k| k as f64 / last).collect();
        let falling: Vec<f64> = rising.iter().rev().copied().collect();
        let rising = graph.constant_matrix(column.clone(), &rising);
        let falling = graph.constant_matrix(column, &falling);
        let (from_a, from_b) = (graph.mul(falling, a), graph.mul(rising, b));
        return graph.add(from_a, from_b);
    }
    let ends = [graph.pattern(a).clone(), graph.pattern(b).clone()];
    if ends.iter().all(Pattern::is_zero) {
        return graph.zero(n, 1);
    }
    let [at_a, at_b] = ends;
    let body = function("linspace", &[Pattern::scalar(), at_a, at_b], |graph, args| {
        let last = graph.constant(last);
        let rest = graph.sub(last, args[0]);
        let (falling, rising) = (graph.div(rest, last), graph.div(args[0], last));
        let (from_a, from_b) = (graph.mul(falling, args[1]), graph.mul(rising, args[2]));
        vec![graph.add(from_a, from_b)]
    });
    let spec = LoopSpec {
        body,
        n: n as u64,
        n_states: 0,
        args: vec![ArgMode::Iteration { base: 0, step: 1 }, ArgMode::Broadcast, ArgMode::Broadcast],
        results: vec![ResultMode::Window(Window::stacked(1))],
        patterns: vec![Pattern::dense(n, 1)],
        range: None,
    };
    let absent = graph.zero(0, 0);
    graph.repeat(spec, &[absent, a, b])[0]
}

fn reshape_to_column(graph: &mut Graph, a: NodeId, n: usize) -> NodeId {
    if n == 0 { graph.zero(0, 1) } else { reshape(graph, a, 1, 1) }
}

/// A function of inputs with the given patterns.
fn function(
    name: &str,
    inputs: &[Pattern],
    build: impl FnOnce(&mut Graph, &[NodeId]) -> Vec<NodeId>,
) -> Arc<Func> {
    let mut graph = Graph::new();
    let args: Vec<NodeId> =
        inputs.iter().enumerate().map(|(k, p)| graph.input(k, p.clone())).collect();
    let outputs = build(&mut graph, &args);
    let ports =
        inputs.iter().enumerate().map(|(k, p)| Port::new(format!("x{k}"), p.clone())).collect();
    let named = outputs.iter().enumerate().map(|(k, &y)| (format!("y{k}").into(), y)).collect();
    Func::freeze(name, &graph, ports, named)
}
