//! Sparse Hessians: tangents of the gradient in few directions, by star coloring.
//!
//! Coleman & Moré (1984); Gebremedhin, Manne, Pothen (2005), section 4.

use std::sync::Arc;

use super::accumulate::{has_structure, listed, rolled};
use super::dependency::dependency;
use super::entries::{Derivatives, cheaper, eliminated};
use super::jacobian::Targets;
use super::matrix::matrix_jacobian;
use super::{DiffError, check_directions, forward, prepared, reverse};
use crate::graph::{Graph, NodeId};
use crate::ops::accumulation::Keep;
use crate::sparsity::{HessianPlan, IndexMap, Pattern};

/// A Hessian and how it was compressed.
#[derive(Clone, Debug)]
pub struct Hessian {
    pub value: NodeId,
    /// Absent where the Hessian is structurally zero or put together from those of loops.
    pub plan: Option<Arc<HessianPlan>>,
}

/// Half of a symmetric matrix, with its diagonal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Triangle {
    #[default]
    Lower,
    Upper,
}

/// A triangle of [`hessian`].
pub fn hessian_triangle(
    graph: &mut Graph,
    f: NodeId,
    wrt: &[NodeId],
    triangle: Triangle,
) -> Result<NodeId, DiffError> {
    let keep = match triangle {
        Triangle::Lower => Keep::Lower,
        Triangle::Upper => Keep::Upper,
    };
    prepared(graph, &[f], wrt, |graph, f| {
        let (Hessian { value: hessian, .. }, made) = part(graph, f[0], wrt, keep)?;
        if made == keep {
            return Ok(hessian);
        }
        let pattern = graph.pattern(hessian).clone();
        let kept = (0..).zip(pattern.entries()).filter(|(_, (row, col))| match triangle {
            Triangle::Lower => row >= col,
            Triangle::Upper => row <= col,
        });
        let kept: Vec<u32> = kept.map(|(k, _)| k).collect();
        let half = pattern.select(&kept);
        Ok(graph.gather(hessian, IndexMap::from_table(kept), half))
    })
}

/// The wanted part of a Hessian in runs, from the gradient as a dense column.
fn rolled_hessian(
    graph: &mut Graph,
    gradient: NodeId,
    wrt: &[NodeId],
    n: usize,
    keep: Keep,
) -> Result<Option<NodeId>, DiffError> {
    if !has_structure(graph, &[gradient], wrt) {
        return Ok(None);
    }
    Ok(match rolled(graph, gradient, wrt, keep)? {
        None => None,
        Some(None) => Some(graph.zero(n, n)),
        Some(Some((pattern, column))) => {
            Some(graph.gather(column, IndexMap::identity(pattern.nnz()), pattern))
        }
    })
}

/// Hessian of the scalar `f`, symmetric and full: numel(targets) x numel(targets). Of each pair
/// of symmetric entries one is computed.
///
/// ```
/// use nablac::graph::Graph;
/// use nablac::sparsity::Pattern;
/// # use nablac::diff;
/// let mut g = Graph::new();
/// let x = g.input(0, Pattern::dense(3, 1));
/// let square = g.mul(x, x);
/// let f = g.reduce(nablac::graph::Reduction::Prod, square);
/// let hessian = diff::hessian(&mut g, f, &[x])?;
/// assert_eq!(*g.pattern(hessian), Pattern::dense(3, 3));
/// # Ok::<(), nablac::diff::DiffError>(())
/// ```
pub fn hessian(graph: &mut Graph, f: NodeId, wrt: &[NodeId]) -> Result<NodeId, DiffError> {
    Ok(hessian_with_plan(graph, f, wrt)?.value)
}

/// [`hessian`], with the coloring that was used.
pub fn hessian_with_plan(
    graph: &mut Graph,
    f: NodeId,
    wrt: &[NodeId],
) -> Result<Hessian, DiffError> {
    prepared(graph, &[f], wrt, |graph, f| Ok(part(graph, f[0], wrt, Keep::Mirrored)?.0))
}

/// The wanted part of a Hessian, or all of it; and which it is.
fn part(
    graph: &mut Graph,
    f: NodeId,
    wrt: &[NodeId],
    keep: Keep,
) -> Result<(Hessian, Keep), DiffError> {
    let all = |hessian: Hessian| Ok((hessian, Keep::Mirrored));
    let n: usize = wrt.iter().map(|&x| graph.pattern(x).numel()).sum();
    let by_elimination = match has_structure(graph, &[f], wrt) {
        true => None,
        false => eliminated(graph, f, wrt, Derivatives::Second),
    };
    let one = graph.constant(1.0);
    let cotangents = reverse(graph, &[f], wrt, &[vec![one]])?.swap_remove(0);
    let dense = Targets::join_dense(graph, wrt, &cotangents);
    let gradient = match dense {
        Some(gradient) => gradient,
        None => Targets::new(graph, wrt).join(graph, wrt, &cotangents),
    };
    if let &[x] = wrt
        && let Some(value) = matrix_jacobian(graph, gradient, x)
    {
        return all(Hessian { value, plan: None });
    }
    if let Some((pattern, column)) = by_elimination {
        if pattern.is_zero() {
            return all(Hessian { value: graph.zero(n, n), plan: None });
        }
        let number: Vec<u32> = (0..pattern.n_rows() as u32).collect();
        let value = mirrored(graph, wrt, &number, &pattern, column, n);
        let eliminated = Hessian { value, plan: None };
        let colored = colored(graph, gradient, wrt, n)?;
        let fewer = cheaper(graph, &[f, gradient], [eliminated.value, colored.value]);
        return all(if fewer == 0 { eliminated } else { colored });
    }
    if dense.is_some()
        && let Some(value) = rolled_hessian(graph, gradient, wrt, n, keep)?
    {
        return Ok((Hessian { value, plan: None }, keep));
    }
    if has_structure(graph, &[gradient], wrt) {
        let value = listed_hessian(graph, gradient, wrt, n, keep)?;
        return Ok((Hessian { value, plan: None }, keep));
    }
    all(colored(graph, gradient, wrt, n)?)
}

/// Tangents of the gradient in few directions, by star coloring.
fn colored(
    graph: &mut Graph,
    gradient: NodeId,
    wrt: &[NodeId],
    n: usize,
) -> Result<Hessian, DiffError> {
    let targets = Targets::new(graph, wrt);
    let rows = dependency(graph, &[gradient], wrt)?.swap_remove(0);
    // The gradient may lack rows; number them by nonzeros of the targets.
    let present: Vec<usize> = graph.pattern(gradient).linear().map(|r| r as usize).collect();
    let n_targets = targets.columns.len();
    let pattern = rows.scatter(n_targets, present)?.to_pattern()?;
    let (transposed, _) = pattern.transpose();
    let pattern = pattern.union(&transposed);
    let plan = match HessianPlan::new(&pattern) {
        Some(plan) if !plan.groups.is_empty() => Arc::new(plan),
        _ => return Ok(Hessian { value: graph.zero(n, n), plan: None }),
    };
    check_directions(graph, gradient, plan.groups.len())?;
    let seeds: Vec<Vec<NodeId>> =
        plan.groups.iter().map(|group| targets.seed(graph, wrt, group)).collect();
    let tangents: Vec<NodeId> =
        forward(graph, &[gradient], wrt, &seeds)?.into_iter().map(|d| d[0]).collect();
    let mut starts = vec![0u32];
    for &t in &tangents {
        starts.push(starts[starts.len() - 1] + graph.nnz(t) as u32);
    }
    let slots: Vec<_> = tangents.iter().map(|&t| targets.number_joined(graph.pattern(t))).collect();
    let (mut linear, mut source) = (Vec::new(), Vec::new());
    for ((row, col), read) in pattern.entries().zip(&plan.reads) {
        let group = read.group as usize;
        if let Some(slot) = slots[group].get(&read.index) {
            linear.push(targets.columns[row] + targets.columns[col] * n as u64);
            source.push(starts[group] + slot);
        }
    }
    let stacked = graph.concat(&tangents);
    let full = Pattern::from_linear(n, n, linear);
    let value = graph.gather(stacked, IndexMap::from_table(source), full);
    Ok(Hessian { value, plan: Some(plan) })
}

/// The wanted part of a Hessian from the Jacobian of the gradient, entry by entry. Of a full one
/// the lower triangle is computed.
fn listed_hessian(
    graph: &mut Graph,
    gradient: NodeId,
    wrt: &[NodeId],
    n: usize,
    keep: Keep,
) -> Result<NodeId, DiffError> {
    let number: Vec<u32> = graph.pattern(gradient).linear().map(|r| r as u32).collect();
    let wanted = |row: u32, column: u32| match keep {
        Keep::All => true,
        Keep::Lower | Keep::Mirrored => number[row as usize] >= column,
        Keep::Upper => number[row as usize] <= column,
    };
    let Some((pattern, column)) = listed(graph, gradient, wrt, wanted)? else {
        return Ok(graph.zero(n, n));
    };
    if keep == Keep::Mirrored {
        return Ok(mirrored(graph, wrt, &number, &pattern, column, n));
    }
    let columns = Targets::new(graph, wrt).columns;
    let places = pattern.entries();
    let places = places.map(|(row, col)| columns[number[row] as usize] + columns[col] * n as u64);
    let part = Pattern::from_linear(n, n, places);
    Ok(graph.gather(column, IndexMap::identity(part.nnz()), part))
}

/// The full Hessian from the column of entries of a triangle, whose rows are those nonzeros of
/// the targets that `number` says.
fn mirrored(
    graph: &mut Graph,
    wrt: &[NodeId],
    number: &[u32],
    pattern: &Pattern,
    column: NodeId,
    n: usize,
) -> NodeId {
    let columns = Targets::new(graph, wrt).columns;
    let mut both: Vec<(u64, u32)> = Vec::with_capacity(2 * pattern.nnz());
    for ((row, col), k) in pattern.entries().zip(0..) {
        let (row, col) = (columns[number[row] as usize], columns[col]);
        both.push((row + col * n as u64, k));
        if row != col {
            both.push((col + row * n as u64, k));
        }
    }
    both.sort_unstable();
    let full = Pattern::from_linear(n, n, both.iter().map(|e| e.0));
    let source = both.iter().map(|e| e.1).collect();
    graph.gather(column, IndexMap::from_table(source), full)
}
