//! Symbolic derivatives: forward and reverse mode over the graph, sparse Jacobians and Hessians.
//!
//! The rules of the operations are in `ops`; here are the drivers that walk the graph. A target
//! of differentiation (`wrt`) is any node: derivatives stop there, so that targets are
//! independent of one another. Matrices are taken column-major: the Jacobian of an m x n value by
//! a p x q one is mn x pq.
//!
//! Griewank & Walther, "Evaluating Derivatives", 2nd ed., chapters 3 (modes) and 8 (coloring).

mod accumulate;
mod dependency;
mod directions;
mod eliminate;
mod entries;
mod forward;
mod function;
mod hessian;
mod jacobian;
mod matrix;
mod prepare;
mod reverse;
mod straight;

use crate::graph::{Graph, NodeId};
use crate::sparsity::{IndexMap, Pattern, PatternError};

pub use crate::ops::context::MissingDerivative;
pub use forward::forward;
pub use hessian::{Hessian, Triangle, hessian, hessian_triangle, hessian_with_plan};
pub use jacobian::{Jacobian, jacobian, jacobian_with_plan};
use prepare::prepared;
pub use reverse::reverse;

/// Why a derivative cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiffError {
    /// An external function has no derivative.
    Missing(MissingDerivative),
    /// A pattern would exceed the largest size.
    TooLarge(PatternError),
    /// So many directional derivatives of a graph of so many nodes would have more nodes than the
    /// limit.
    TooManyDirections { directions: usize, nodes: usize, limit: usize },
}

impl std::fmt::Display for DiffError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DiffError::Missing(e) => e.fmt(f),
            DiffError::TooLarge(e) => e.fmt(f),
            DiffError::TooManyDirections { directions, nodes, limit } => write!(
                f,
                "{directions} directional derivatives of {nodes} operations; the limit of their \
                 product is {limit}"
            ),
        }
    }
}

impl std::error::Error for DiffError {}

impl From<MissingDerivative> for DiffError {
    fn from(e: MissingDerivative) -> DiffError {
        DiffError::Missing(e)
    }
}

impl From<PatternError> for DiffError {
    fn from(e: PatternError) -> DiffError {
        DiffError::TooLarge(e)
    }
}

/// The most nodes that the directional derivatives of a compressed matrix may have.
const MOST_NODES: usize = 1 << 25;

/// Refuses more directional derivatives of `root` than there is time and memory for.
fn check_directions(graph: &Graph, root: NodeId, directions: usize) -> Result<(), DiffError> {
    let nodes = crate::graph::visit::reachable(graph, &[root]).len();
    if directions.saturating_mul(nodes) <= MOST_NODES {
        return Ok(());
    }
    Err(DiffError::TooManyDirections { directions, nodes, limit: MOST_NODES })
}

/// Gradient of the scalar `f`: with one target in its shape, with several a column that follows
/// them.
///
/// ```
/// use nablac::graph::Graph;
/// use nablac::sparsity::Pattern;
/// # use nablac::diff;
/// let mut g = Graph::new();
/// let x = g.input(0, Pattern::dense(3, 1));
/// let square = g.mul(x, x);
/// let f = g.reduce(nablac::graph::Reduction::Sum, square);
/// let gradient = diff::gradient(&mut g, f, &[x])?;
/// assert_eq!(g.shape(gradient), (3, 1));
/// # Ok::<(), nablac::diff::DiffError>(())
/// ```
pub fn gradient(graph: &mut Graph, f: NodeId, wrt: &[NodeId]) -> Result<NodeId, DiffError> {
    prepared(graph, &[f], wrt, |graph, f| {
        let one = graph.constant(1.0);
        let cotangents = reverse(graph, f, wrt, &[vec![one]])?;
        Ok(stack(graph, &cotangents[0]))
    })
}

/// Tangent of `y` in direction `v`, which has the shape of the target, or with several targets is
/// a column that follows them. In the shape of `y`.
///
/// ```
/// use nablac::graph::Graph;
/// use nablac::sparsity::Pattern;
/// # use nablac::diff;
/// let mut g = Graph::new();
/// let x = g.input(0, Pattern::dense(3, 1));
/// let y = g.mul(x, x);
/// let v = g.input(1, Pattern::dense(3, 1));
/// let tangent = diff::jvp(&mut g, y, &[x], v)?;
/// assert_eq!(g.shape(tangent), g.shape(y));
/// # Ok::<(), nablac::diff::DiffError>(())
/// ```
pub fn jvp(graph: &mut Graph, y: NodeId, wrt: &[NodeId], v: NodeId) -> Result<NodeId, DiffError> {
    prepared(graph, &[y], wrt, |graph, y| {
        let seeds = unstack(graph, v, wrt);
        Ok(forward(graph, y, wrt, &[seeds])?[0][0])
    })
}

/// Cotangent of the targets for the cotangent `w` of `y`, which has the shape of `y`; in the form
/// of [`gradient`].
///
/// ```
/// use nablac::graph::Graph;
/// use nablac::sparsity::Pattern;
/// # use nablac::diff;
/// let mut g = Graph::new();
/// let x = g.input(0, Pattern::dense(3, 1));
/// let y = g.mul(x, x);
/// let w = g.input(1, Pattern::dense(3, 1));
/// let cotangent = diff::vjp(&mut g, y, &[x], w)?;
/// assert_eq!(g.shape(cotangent), g.shape(x));
/// # Ok::<(), nablac::diff::DiffError>(())
/// ```
pub fn vjp(graph: &mut Graph, y: NodeId, wrt: &[NodeId], w: NodeId) -> Result<NodeId, DiffError> {
    prepared(graph, &[y], wrt, |graph, y| {
        let inside = graph.pattern(w).intersection(graph.pattern(y[0]));
        let w = graph.project(w, &inside);
        let cotangents = reverse(graph, y, wrt, &[vec![w]])?;
        Ok(stack(graph, &cotangents[0]))
    })
}

/// Product of the Hessian of the scalar `f` with `v` (see [`jvp`]), in the form of [`gradient`].
///
/// ```
/// use nablac::graph::Graph;
/// use nablac::sparsity::Pattern;
/// # use nablac::diff;
/// let mut g = Graph::new();
/// let x = g.input(0, Pattern::dense(3, 1));
/// let square = g.mul(x, x);
/// let f = g.reduce(nablac::graph::Reduction::Sum, square);
/// let v = g.input(1, Pattern::dense(3, 1));
/// let product = diff::hvp(&mut g, f, &[x], v)?;
/// assert_eq!(g.shape(product), g.shape(x));
/// # Ok::<(), nablac::diff::DiffError>(())
/// ```
pub fn hvp(graph: &mut Graph, f: NodeId, wrt: &[NodeId], v: NodeId) -> Result<NodeId, DiffError> {
    prepared(graph, &[f], wrt, |graph, f| {
        let one = graph.constant(1.0);
        let cotangents = reverse(graph, f, wrt, &[vec![one]])?.swap_remove(0);
        let seeds = unstack(graph, v, wrt);
        let tangents = forward(graph, &cotangents, wrt, &[seeds])?;
        Ok(stack(graph, &tangents[0]))
    })
}

/// One value as it is; several as one column.
fn stack(graph: &mut Graph, values: &[NodeId]) -> NodeId {
    match values {
        [only] => *only,
        _ => {
            let columns: Vec<NodeId> = values.iter().map(|&v| column(graph, v)).collect();
            stack_columns(graph, &columns)
        }
    }
}

/// `x` as a column.
fn column(graph: &mut Graph, x: NodeId) -> NodeId {
    let pattern = graph.pattern(x).clone();
    let n = pattern.numel();
    let map = IndexMap::identity(pattern.nnz());
    let as_column = pattern.reshape(n, 1).unwrap_or_else(|| Pattern::dense(n, 1));
    graph.gather(x, map, as_column)
}

/// Dense values as one column.
fn stack_dense(graph: &mut Graph, values: &[NodeId]) -> Option<NodeId> {
    if !values.iter().all(|&value| graph.pattern(value).is_dense()) {
        return None;
    }
    let stacked = graph.concat(values);
    let n = graph.nnz(stacked);
    Some(graph.gather(stacked, IndexMap::identity(n), Pattern::dense(n, 1)))
}

/// Columns one below the other, with their structural zeros.
fn stack_columns(graph: &mut Graph, columns: &[NodeId]) -> NodeId {
    if let Some(stacked) = stack_dense(graph, columns) {
        return stacked;
    }
    let mut rows: Vec<u64> = Vec::new();
    let mut start = 0u64;
    for &c in columns {
        let pattern = graph.pattern(c);
        rows.extend(pattern.linear().map(|r| start + r));
        start += pattern.numel() as u64;
    }
    let stacked = graph.concat(columns);
    let pattern = Pattern::from_linear(start as usize, 1, rows);
    graph.gather(stacked, IndexMap::identity(pattern.nnz()), pattern)
}

/// The parts of a column that follow the targets, each in the shape of its target; with one
/// target the value itself.
fn unstack(graph: &mut Graph, v: NodeId, wrt: &[NodeId]) -> Vec<NodeId> {
    if let [x] = wrt {
        let inside = graph.pattern(v).intersection(graph.pattern(*x));
        return vec![graph.project(v, &inside)];
    }
    let whole = graph.pattern(v).clone();
    let mut parts = Vec::with_capacity(wrt.len());
    let mut start = 0;
    for &x in wrt {
        let target = graph.pattern(x).clone();
        let (mut keep, mut source) = (Vec::new(), Vec::new());
        for (k, position) in target.linear().enumerate() {
            if let Some(from) = whole.find(start + position as usize, 0) {
                keep.push(k as u32);
                source.push(from as u32);
            }
        }
        start += target.numel();
        parts.push(graph.gather(v, IndexMap::from_table(source), target.select(&keep)));
    }
    parts
}
