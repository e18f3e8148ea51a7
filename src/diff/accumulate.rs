//! Sparse Jacobians by structure: sparse matrices of expressions go through the graph, loops stay
//! loops. See [`crate::ops::accumulation`].

use std::sync::Arc;

use super::DiffError;
use super::function::Derivation;
use crate::graph::{Func, Graph, NodeId, Op, visit};
use crate::ops::accumulation::{Accumulation, Keep, Rows, SHORTEST};
use crate::ops::rules;
use crate::sparsity::Pattern;
use crate::sparsity::adjacency::Lists;

/// Functions with at least so many nodes are worth derivatives of their own.
const LARGE_CALL: usize = 32;

/// Whether some value that `roots` need depends on `wrt` through what has derivatives of its own
/// that are put together: a loop without state, or a large function.
pub(super) fn has_structure(graph: &Graph, roots: &[NodeId], wrt: &[NodeId]) -> bool {
    let order = visit::reachable(graph, roots);
    let mut active = vec![false; graph.len()];
    for x in wrt {
        active[x.index()] = true;
    }
    for &id in &order {
        if active[id.index()] {
            continue;
        }
        active[id.index()] = graph.args(id).iter().any(|a| active[a.index()]);
        if active[id.index()] && is_map(graph, id) {
            return true;
        }
    }
    false
}

/// A loop without state, or a call of a large function or of one with such a loop.
fn is_map(graph: &Graph, id: NodeId) -> bool {
    match graph.op(id) {
        Op::Loop => {
            graph.loop_spec(id).is_some_and(|spec| spec.n_states == 0 && spec.n >= SHORTEST)
        }
        Op::Call => graph.callees(id).any(|f| {
            contains_map(f) || f.jvp.is_none() && f.graph().is_some() && f.size() > LARGE_CALL
        }),
        Op::Cond => graph.callees(id).any(contains_map),
        _ => false,
    }
}

fn contains_map(f: &Arc<Func>) -> bool {
    const KEY: &str = "maps";
    if let Some(found) = f.derived.get::<bool>(KEY) {
        return *found;
    }
    let found = match f.graph() {
        Some((graph, outputs)) if f.jvp.is_none() => {
            visit::reachable(graph, outputs).into_iter().any(|id| is_map(graph, id))
        }
        _ => false,
    };
    f.derived.put(KEY.to_owned(), Arc::new(found));
    found
}

/// Jacobian of the nonzeros of `y` by those of the targets, which follow one another, as a pattern
/// and the column of its nonzeros. `None` where it is structurally zero.
pub(super) fn accumulated(
    graph: &mut Graph,
    y: NodeId,
    wrt: &[NodeId],
) -> Result<Option<(Pattern, NodeId)>, DiffError> {
    match rolled(graph, y, wrt, Keep::All)? {
        Some(found) => Ok(found),
        None => listed(graph, y, wrt, |_, _| true),
    }
}

/// The entries of [`accumulated`] that are wanted, in runs; `None` where they are not even.
pub(super) fn rolled(
    graph: &mut Graph,
    y: NodeId,
    wrt: &[NodeId],
    keep: Keep,
) -> Result<Option<Option<(Pattern, NodeId)>>, DiffError> {
    let n_rows = graph.nnz(y);
    let cx = walked(graph, y, wrt, true)?;
    if cx.is_irregular() {
        return Ok(None);
    }
    let Some(Rows::Rolled(rows)) = cx.get(y).cloned() else { return Ok(Some(None)) };
    Ok(cx.finish_rolled(&rows, n_rows, keep))
}

/// The entries of [`accumulated`] for whose row and column `keep` holds.
pub(super) fn listed(
    graph: &mut Graph,
    y: NodeId,
    wrt: &[NodeId],
    keep: impl Fn(u32, u32) -> bool,
) -> Result<Option<(Pattern, NodeId)>, DiffError> {
    let n_columns: usize = wrt.iter().map(|&x| graph.nnz(x)).sum();
    let n_rows = graph.nnz(y);
    let cx = walked(graph, y, wrt, false)?;
    let Some(Rows::Listed(rows)) = cx.get(y).cloned() else { return Ok(None) };
    let entries = (0..n_rows as u32).flat_map(|row| {
        let inside = rows.columns.range(row);
        rows.columns.of(row).iter().zip(inside).map(move |(&column, at)| (row, column, at as u32))
    });
    let entries = entries.filter(|&(row, column, _)| keep(row, column));
    let by_column = entries.map(|(row, column, at)| (column, row, at));
    let (of_columns, wanted) = Lists::by_key_with(n_columns, by_column);
    if wanted.is_empty() {
        return Ok(None);
    }
    let (colptr, row_idx) = of_columns.into_parts();
    let pattern = Pattern::from_csc(n_rows, n_columns, colptr, row_idx)?;
    let column = cx.make(&rows, &wanted);
    let column = graph.densify(column);
    Ok(Some((pattern, column)))
}

/// The walk from the targets to `y`.
fn walked<'a>(
    graph: &'a mut Graph,
    y: NodeId,
    wrt: &[NodeId],
    is_rolled: bool,
) -> Result<Accumulation<'a>, DiffError> {
    let n_columns: usize = wrt.iter().map(|&x| graph.nnz(x)).sum();
    let order = visit::reachable(graph, &[y]);
    let mut uses = visit::use_counts(graph, &order, &[y]);
    let mut is_target = vec![false; graph.len()];
    let mut cx = Accumulation::new(graph, &Derivation, n_columns, is_rolled);
    let mut first = 0;
    for &x in wrt {
        is_target[x.index()] = true;
        cx.set_target(x, first);
        first += cx.graph.nnz(x);
    }
    for id in order {
        if is_target[id.index()] {
            continue;
        }
        let args = cx.graph.args(id).to_vec();
        if args.iter().any(|&a| cx.is_active(a)) || cx.graph.op(id) == Op::Result {
            rules(cx.graph.op(id)).jacobian(&mut cx, id)?;
        }
        if cx.is_irregular() {
            break;
        }
        for a in args {
            uses[a.index()] -= 1;
            if uses[a.index()] == 0 {
                cx.release(a);
            }
        }
    }
    match cx.error() {
        Some(error) => Err(error.clone().into()),
        None => Ok(cx),
    }
}

#[cfg(test)]
mod tests;
