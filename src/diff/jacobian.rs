//! Sparse Jacobians: pattern by dependency, few directional derivatives by coloring.
//!
//! Curtis, Powell, Reid (1974); Gebremedhin, Manne, Pothen, "What Color Is Your Jacobian?",
//! SIAM Review 47 (2005).

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::accumulate::{accumulated, has_structure};
use super::dependency::dependency;
use super::entries::{Derivatives, cheaper, eliminated};
use super::matrix::matrix_jacobian;
use super::{DiffError, check_directions, directions, forward, prepared, reverse, stack_dense};
use crate::graph::{Graph, NodeId};
use crate::sparsity::{IndexMap, JacobianPlan, Pattern, Side};

/// A Jacobian and how it was compressed.
#[derive(Clone, Debug)]
pub struct Jacobian {
    pub value: NodeId,
    /// Absent where the Jacobian is structurally zero or put together from those of loops.
    pub plan: Option<Arc<JacobianPlan>>,
}

/// Jacobian of `y` by the targets, whose columns follow one another: numel(y) x numel(targets).
/// Only structural nonzeros are computed.
///
/// ```
/// use nablac::graph::Graph;
/// use nablac::sparsity::Pattern;
/// # use nablac::diff;
/// let mut g = Graph::new();
/// let x = g.input(0, Pattern::dense(3, 1));
/// let y = g.mul(x, x);
/// let jacobian = diff::jacobian(&mut g, y, &[x])?;
/// assert_eq!(*g.pattern(jacobian), Pattern::diagonal(3));
/// # Ok::<(), nablac::diff::DiffError>(())
/// ```
pub fn jacobian(graph: &mut Graph, y: NodeId, wrt: &[NodeId]) -> Result<NodeId, DiffError> {
    Ok(jacobian_with_plan(graph, y, wrt)?.value)
}

/// [`jacobian`], with the coloring that was used.
pub fn jacobian_with_plan(
    graph: &mut Graph,
    y: NodeId,
    wrt: &[NodeId],
) -> Result<Jacobian, DiffError> {
    prepared(graph, &[y], wrt, |graph, y| expanded(graph, y[0], wrt))
}

/// The compressed Jacobian in its place.
fn expanded(graph: &mut Graph, y: NodeId, wrt: &[NodeId]) -> Result<Jacobian, DiffError> {
    let n_cols: usize = wrt.iter().map(|&x| graph.pattern(x).numel()).sum();
    let n_rows = graph.pattern(y).numel();
    Pattern::check_size(n_rows as u64, 1)?;
    if let &[x] = wrt
        && let Some(value) = matrix_jacobian(graph, y, x)
    {
        return Ok(Jacobian { value, plan: None });
    }
    let Some(Compressed { pattern, column, plan }) = compressed(graph, y, wrt)? else {
        return Ok(Jacobian { value: graph.zero(n_rows, n_cols), plan: None });
    };
    if (graph.nnz(y), wrt.iter().map(|&x| graph.nnz(x)).sum()) == (n_rows, n_cols) {
        let value = graph.gather(column, IndexMap::identity(pattern.nnz()), pattern);
        return Ok(Jacobian { value, plan });
    }
    let rows: Vec<u64> = graph.pattern(y).linear().collect();
    let columns = Targets::new(graph, wrt).columns;
    let linear = pattern.entries().map(|(row, col)| rows[row] + columns[col] * n_rows as u64);
    let whole = Pattern::from_linear(n_rows, n_cols, linear);
    let value = graph.gather(column, IndexMap::identity(whole.nnz()), whole);
    Ok(Jacobian { value, plan })
}

/// A Jacobian of nonzeros by nonzeros: structural zeros of values and targets have no derivative.
pub(super) struct Compressed {
    pub pattern: Pattern,
    /// Its nonzeros as a dense column.
    pub column: NodeId,
    /// Absent where the derivatives of loops were put together instead.
    pub plan: Option<Arc<JacobianPlan>>,
}

/// Jacobian of `y`, `None` where it is structurally zero: put together from the local derivatives
/// of loops, where there are some, else by coloring.
pub(super) fn compressed(
    graph: &mut Graph,
    y: NodeId,
    wrt: &[NodeId],
) -> Result<Option<Compressed>, DiffError> {
    if graph.nnz(y) > 1 && has_structure(graph, &[y], wrt) {
        let found = accumulated(graph, y, wrt)?;
        return Ok(found.map(|(pattern, column)| Compressed { pattern, column, plan: None }));
    }
    if let Some((pattern, column)) = eliminated(graph, y, wrt, Derivatives::First) {
        if pattern.is_zero() {
            return Ok(None);
        }
        let colored = colored(graph, y, wrt)?;
        let other = colored.as_ref().map_or(column, |found| found.column);
        if cheaper(graph, &[y], [column, other]) == 0 {
            return Ok(Some(Compressed { pattern, column, plan: None }));
        }
        return Ok(colored);
    }
    colored(graph, y, wrt)
}

/// [`compressed`] from directional derivatives by coloring.
pub(super) fn colored(
    graph: &mut Graph,
    y: NodeId,
    wrt: &[NodeId],
) -> Result<Option<Compressed>, DiffError> {
    let compressed = dependency(graph, &[y], wrt)?.swap_remove(0).to_pattern()?;
    if compressed.is_zero() {
        return Ok(None);
    }
    let plan = Arc::new(JacobianPlan::new(&compressed));
    if directions::are_looped(graph, y, wrt, plan.groups.len()) {
        let (stacked, n) = match plan.side {
            Side::Columns => {
                (directions::tangents(graph, y, wrt, plan.groups.iter())?, graph.nnz(y))
            }
            Side::Rows => {
                let n_targets = wrt.iter().map(|&x| graph.nnz(x)).sum();
                (directions::cotangents(graph, y, wrt, plan.groups.iter())?, n_targets)
            }
        };
        let source = plan.reads().map(|read| read.group * n as u32 + read.index).collect();
        let column = Pattern::dense(compressed.nnz(), 1);
        let column = graph.gather(stacked, IndexMap::from_table(source), column);
        return Ok(Some(Compressed { pattern: compressed, column, plan: Some(plan) }));
    }
    check_directions(graph, y, plan.groups.len())?;
    let targets = Targets::new(graph, wrt);
    let derivatives: Vec<NodeId> = match plan.side {
        Side::Columns => {
            let seeds: Vec<Vec<NodeId>> =
                plan.groups.iter().map(|group| targets.seed(graph, wrt, group)).collect();
            forward(graph, &[y], wrt, &seeds)?.into_iter().map(|d| d[0]).collect()
        }
        Side::Rows => {
            let pattern = graph.pattern(y).clone();
            let seeds: Vec<Vec<NodeId>> = plan
                .groups
                .iter()
                .map(|group| vec![graph.fill(pattern.select(group), 1.0)])
                .collect();
            let cotangents = reverse(graph, &[y], wrt, &seeds)?;
            cotangents.iter().map(|of| targets.join(graph, wrt, of)).collect()
        }
    };
    let y_pattern = graph.pattern(y).clone();
    // Position of each nonzero of each directional derivative, by its nonzero number in `y`, or
    // in the targets one after the other.
    let slots: Vec<FxHashMap<u32, u32>> = derivatives
        .iter()
        .map(|&d| match plan.side {
            Side::Columns => number_positions(graph.pattern(d), &y_pattern),
            Side::Rows => targets.number_joined(graph.pattern(d)),
        })
        .collect();
    let mut starts = vec![0u32];
    for &d in &derivatives {
        starts.push(starts[starts.len() - 1] + graph.nnz(d) as u32);
    }
    let (mut keep, mut source) = (Vec::new(), Vec::new());
    for (k, read) in plan.reads().enumerate() {
        let group = read.group as usize;
        // A predicted nonzero that folded away is structurally zero after all.
        if let Some(slot) = slots[group].get(&read.index) {
            keep.push(k as u32);
            source.push(starts[group] + slot);
        }
    }
    if keep.is_empty() {
        return Ok(None);
    }
    let stacked = graph.concat(&derivatives);
    let column = graph.gather(stacked, IndexMap::from_table(source), Pattern::dense(keep.len(), 1));
    Ok(Some(Compressed { pattern: compressed.select(&keep), column, plan: Some(plan) }))
}

/// For each nonzero of `inner` its number in `outer` and its position in `inner`.
pub(super) fn number_positions(inner: &Pattern, outer: &Pattern) -> FxHashMap<u32, u32> {
    let numbers = inner.positions_in(outer).expect("invariant: derivatives lie inside their value");
    numbers.into_iter().zip(0..).collect()
}

/// The nonzeros of several targets, one after the other.
pub(super) struct Targets {
    /// Column of each nonzero in the Jacobian.
    pub columns: Vec<u64>,
    /// Number of the first nonzero of each target, and the total.
    starts: Vec<usize>,
}

impl Targets {
    pub fn new(graph: &Graph, wrt: &[NodeId]) -> Targets {
        let (mut columns, mut starts) = (Vec::new(), vec![0]);
        let mut first = 0u64;
        for &x in wrt {
            let pattern = graph.pattern(x);
            columns.extend(pattern.linear().map(|k| first + k));
            first += pattern.numel() as u64;
            starts.push(columns.len());
        }
        Targets { columns, starts }
    }

    /// Tangents of the targets that are 1 at the nonzeros in `group`, which increase.
    pub fn seed(&self, graph: &mut Graph, wrt: &[NodeId], group: &[u32]) -> Vec<NodeId> {
        let mut seeds = Vec::with_capacity(wrt.len());
        for (k, &x) in wrt.iter().enumerate() {
            let lo = group.partition_point(|&g| (g as usize) < self.starts[k]);
            let hi = group.partition_point(|&g| (g as usize) < self.starts[k + 1]);
            let keep: Vec<u32> = group[lo..hi].iter().map(|g| g - self.starts[k] as u32).collect();
            let pattern = graph.pattern(x).select(&keep);
            seeds.push(graph.fill(pattern, 1.0));
        }
        seeds
    }

    /// Values of the targets, all of which are dense, as a column of their nonzeros.
    pub fn join_dense(graph: &mut Graph, wrt: &[NodeId], values: &[NodeId]) -> Option<NodeId> {
        let is_dense = wrt.iter().all(|&x| graph.pattern(x).is_dense());
        if is_dense { stack_dense(graph, values) } else { None }
    }

    /// Values of the targets as a column of their nonzeros, one target after the other.
    pub fn join(&self, graph: &mut Graph, wrt: &[NodeId], values: &[NodeId]) -> NodeId {
        let mut rows: Vec<u64> = Vec::new();
        for (k, (&x, &value)) in wrt.iter().zip(values).enumerate() {
            let numbers = graph.pattern(value).positions_in(graph.pattern(x));
            let numbers = numbers.expect("invariant: derivatives lie inside their value");
            rows.extend(numbers.iter().map(|&n| self.starts[k] as u64 + u64::from(n)));
        }
        let stacked = graph.concat(values);
        let pattern = Pattern::from_linear(self.columns.len(), 1, rows);
        graph.gather(stacked, IndexMap::identity(pattern.nnz()), pattern)
    }

    /// For each nonzero of a value made by [`Targets::join`] its number and position.
    pub fn number_joined(&self, pattern: &Pattern) -> FxHashMap<u32, u32> {
        pattern.linear().map(|n| n as u32).zip(0..).collect()
    }
}
