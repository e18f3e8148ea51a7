//! Jacobians of maps: one loop of the local derivatives of the body.

use std::sync::Arc;

use crate::graph::{ArgMode, Func, LoopSpec, NodeId, Origin, ResultMode, Window};
use crate::ops::accumulation::{
    Accumulation, Entries, EntryPlace, ListedPartials, Partials, Placed, Value, join_entries,
    partials_of, split_entries,
};
use crate::ops::context::MissingDerivative;
use crate::sparsity::adjacency::Lists;
use crate::sparsity::runs::{Line, Run};

/// Most local derivatives of all iterations of a loop that are stored one by one; of loops with
/// more directional derivatives are taken.
const MOST_STACKED: u64 = 1 << 26;

/// Jacobian of a map: one loop of the local derivatives of the body.
pub(super) fn map_jacobian(
    cx: &mut Accumulation,
    spec: &Arc<LoopSpec>,
    id: NodeId,
) -> Result<(), MissingDerivative> {
    if cx.is_rolled() && spec.range.is_some() {
        cx.give_up();
        return Ok(());
    }
    let args: Vec<NodeId> = cx.graph.args(id).to_vec();
    let active: Vec<bool> = args.iter().map(|&a| cx.is_active(a)).collect();
    let mut entries = cx.deriver.entries(&spec.body, &active)?;
    // Iterations that do not run contribute no constants either: these are computed, too.
    if spec.range.is_some()
        && let Some([computed, _]) = join_entries(&entries, &entries)
    {
        entries = Arc::new(computed);
    }
    // What every iteration adds to the same derivative is summed in the loop.
    let is_reduced = |p: &EntryPlace| {
        matches!(spec.results[p.output as usize], ResultMode::Reduce(_))
            && matches!(spec.args[p.input as usize], ArgMode::Broadcast)
    };
    let Some((body, stacked, reduced)) = split_entries(&entries, is_reduced) else {
        return Ok(());
    };
    if cx.is_rolled() {
        rolled_map_jacobian(cx, spec, id, &entries, (body, &stacked, &reduced));
        return Ok(());
    }
    if spec.n.saturating_mul(stacked.len() as u64) > MOST_STACKED {
        return cx.set_from_directions(id, spec.result_patterns().cloned().collect());
    }
    let n_stacked = stacked.len() as u32;
    let values = cx.loop_values(body, spec, args.clone());
    let mut all = Vec::new();
    for (r, mode) in spec.results.iter().enumerate() {
        let n_rows = spec.patterns[r].nnz();
        let mut parts = Vec::new();
        for (k, arg_mode) in spec.args.iter().enumerate() {
            let Some(rows) = cx.get(args[k]).cloned() else { continue };
            let constants = entries.constants_of(r, k);
            if let (ResultMode::Reduce(_), ArgMode::Broadcast) = (mode, arg_mode) {
                let times = |&(row, column, v): &(u32, u32, f64)| (row, column, v * spec.n as f64);
                let constants: Vec<_> = constants.iter().map(times).collect();
                for partials in cx.constant_partials(n_rows, constants.iter().copied()) {
                    parts.push((Partials::Listed(partials), rows.clone()));
                }
                let partials = partials_of(&reduced, r, k, n_rows, values[1]);
                parts.push((Partials::Listed(partials), rows));
                continue;
            }
            // Row and column of a derivative of the body in iteration i.
            let place = |i: u64, row: u32, column: u32| {
                let row = match mode {
                    ResultMode::Window(w) => w.index(i, row as usize) as u32,
                    ResultMode::Reduce(_) => row,
                };
                let column = match arg_mode {
                    ArgMode::Window(w) => w.index(i, column as usize) as u32,
                    _ => column,
                };
                (row, column)
            };
            let each = (0..spec.n).flat_map(|i| constants.iter().map(move |c| (i, c)));
            let each = each.map(|(i, &(row, column, v))| {
                let (row, column) = place(i, row, column);
                (row, column, v)
            });
            for partials in cx.constant_partials(n_rows, each) {
                parts.push((Partials::Listed(partials), rows.clone()));
            }
            let own: Vec<&EntryPlace> = stacked
                .iter()
                .filter(|p| p.output as usize == r && p.input as usize == k)
                .collect();
            let each = (0..spec.n).flat_map(|i| own.iter().map(move |p| (i, *p)));
            let lane = |i: u64, p: &EntryPlace| i as u32 * n_stacked + p.source;
            let each = each.map(|(i, p)| {
                let (row, column) = place(i, p.row, p.column);
                (row, column, lane(i, p))
            });
            let (columns, sources) = Lists::by_key_with(n_rows, each);
            let partials = ListedPartials { columns, sources, values: Some(values[0]) };
            parts.push((Partials::Listed(partials), rows));
        }
        all.push(cx.chain(n_rows, &parts));
    }
    cx.set_results(id, all);
    Ok(())
}

/// [`map_jacobian`] in runs, from the local derivatives that are constant, stacked and reduced.
fn rolled_map_jacobian(
    cx: &mut Accumulation,
    spec: &Arc<LoopSpec>,
    id: NodeId,
    entries: &Entries,
    (body, stacked, reduced): (Arc<Func>, &[EntryPlace], &[EntryPlace]),
) {
    let args: Vec<NodeId> = cx.graph.args(id).to_vec();
    let n_stacked = stacked.len() as i64;
    let values = cx.loop_values(body, spec, args.clone());
    // Where nonzero `k` of the body is in each iteration.
    let through = |window: Option<&Window>, k: u32| -> Option<Line> {
        let Some(window) = window else { return Some(Line::fixed(i64::from(k))) };
        match window.origin {
            Origin::Affine { base, step } => {
                Some(Line::new(base + window.map.get(k as usize) as i64, step))
            }
            Origin::Table(_) => None,
        }
    };
    let mut all = Vec::new();
    for (r, mode) in spec.results.iter().enumerate() {
        let n_rows = spec.patterns[r].nnz();
        let mut parts = Vec::new();
        for (k, arg_mode) in spec.args.iter().enumerate() {
            let Some(rows) = cx.get(args[k]).cloned() else { continue };
            let windows = (
                if let ResultMode::Window(w) = mode { Some(w) } else { None },
                if let ArgMode::Window(w) = arg_mode { Some(w) } else { None },
            );
            let n = spec.n as i64;
            let (mut runs, mut is_even) = (Vec::new(), true);
            let mut place = |row: u32, column: u32, n: i64, value: Value| match (
                through(windows.0, row),
                through(windows.1, column),
            ) {
                (Some(row), Some(column)) => {
                    runs.push(Placed::new(Run { n, row, column }, value));
                }
                _ => is_even = false,
            };
            for (row, column, v) in entries.constants_of(r, k) {
                match windows {
                    (None, None) => place(row, column, 1, Value::Number(v * n as f64)),
                    _ => place(row, column, n, Value::Number(v)),
                }
            }
            let is_own = |p: &&EntryPlace| p.output as usize == r && p.input as usize == k;
            for p in stacked.iter().filter(is_own) {
                let lane = Line::new(i64::from(p.source), n_stacked);
                place(p.row, p.column, n, Value::of(values[0], lane, n_stacked));
            }
            for p in reduced.iter().filter(is_own) {
                let source = Line::fixed(i64::from(p.source));
                place(p.row, p.column, 1, Value::of(values[1], source, 0));
            }
            if !is_even {
                return cx.give_up();
            }
            parts.push((Partials::Rolled(runs), rows));
        }
        all.push(cx.chain(n_rows, &parts));
    }
    cx.set_results(id, all);
}
