//! Jacobians of maps: one loop of the local derivatives of the body.

use std::sync::Arc;

use crate::graph::{ArgMode, LoopSpec, NodeId, Origin, ResultMode, Window};
use crate::ops::accumulation::{
    Accumulation, Entries, EntryPlace, ListedPartials, Partials, Placed, Value, ValuesId,
    join_entries, partials_of, split_entries,
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
    let too_many = spec.n.saturating_mul(stacked.len() as u64) > MOST_STACKED;
    if too_many && !cx.is_rolled() {
        return cx.set_from_directions(id, spec.result_patterns().cloned().collect());
    }
    let values = cx.loop_values(body, spec, args.clone());
    let local = Local { spec, entries: &entries, stacked: &stacked, reduced: &reduced, values };
    let mut all = Vec::new();
    for (r, pattern) in spec.patterns.iter().enumerate() {
        let mut parts = Vec::new();
        for (k, &a) in args.iter().enumerate() {
            let Some(rows) = cx.get(a).cloned() else { continue };
            if !cx.is_rolled() {
                let listed = local.listed(cx, r, k).into_iter();
                parts.extend(listed.map(|of| (Partials::Listed(of), rows.clone())));
            } else if let Some(runs) = local.rolled(r, k) {
                parts.push((Partials::Rolled(runs), rows));
            } else {
                cx.give_up();
                return Ok(());
            }
        }
        all.push(cx.chain(pattern.nnz(), &parts));
    }
    cx.set_results(id, all);
    Ok(())
}

/// Local derivatives of the body of a map.
struct Local<'a> {
    spec: &'a LoopSpec,
    entries: &'a Entries,
    /// Of each iteration, and those that are summed over all iterations.
    stacked: &'a [EntryPlace],
    reduced: &'a [EntryPlace],
    /// The values of both.
    values: [ValuesId; 2],
}

impl Local<'_> {
    /// Derivatives of result `r` by argument `k`, listed by rows.
    fn listed(&self, cx: &mut Accumulation, r: usize, k: usize) -> Vec<ListedPartials> {
        let Local { spec, .. } = self;
        let n_rows = spec.patterns[r].nnz();
        let (mode, arg_mode) = (&spec.results[r], &spec.args[k]);
        let constants = self.entries.constants_of(r, k);
        if let (ResultMode::Reduce(_), ArgMode::Broadcast) = (mode, arg_mode) {
            let times = |&(row, column, v): &(u32, u32, f64)| (row, column, v * spec.n as f64);
            let constants: Vec<_> = constants.iter().map(times).collect();
            let mut partials = cx.constant_partials(n_rows, constants.iter().copied());
            partials.push(partials_of(self.reduced, r, k, n_rows, self.values[1]));
            return partials;
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
        let mut partials = cx.constant_partials(n_rows, each);
        let own: Vec<&EntryPlace> = own(self.stacked, r, k).collect();
        let each = (0..spec.n).flat_map(|i| own.iter().map(move |p| (i, *p)));
        let n_stacked = self.stacked.len() as u32;
        let lane = |i: u64, p: &EntryPlace| i as u32 * n_stacked + p.source;
        let each = each.map(|(i, p)| {
            let (row, column) = place(i, p.row, p.column);
            (row, column, lane(i, p))
        });
        let (columns, sources) = Lists::by_key_with(n_rows, each);
        partials.push(ListedPartials { columns, sources, values: Some(self.values[0]) });
        partials
    }

    /// The same in runs; `None` where a table places windows.
    fn rolled(&self, r: usize, k: usize) -> Option<Vec<Placed>> {
        let of_result = match &self.spec.results[r] {
            ResultMode::Window(window) => Some(window),
            ResultMode::Reduce(_) => None,
        };
        let of_argument = match &self.spec.args[k] {
            ArgMode::Window(window) => Some(window),
            _ => None,
        };
        let (n, n_stacked) = (self.spec.n as i64, self.stacked.len() as i64);
        let mut runs = Vec::new();
        let mut place = |row: u32, column: u32, n: i64, value: Value| {
            let run = Run { n, row: line(of_result, row)?, column: line(of_argument, column)? };
            runs.push(Placed::new(run, value));
            Some(())
        };
        for (row, column, v) in self.entries.constants_of(r, k) {
            match (of_result, of_argument) {
                (None, None) => place(row, column, 1, Value::Number(v * n as f64))?,
                _ => place(row, column, n, Value::Number(v))?,
            }
        }
        for p in own(self.stacked, r, k) {
            let lane = Line::new(i64::from(p.source), n_stacked);
            place(p.row, p.column, n, Value::of(self.values[0], lane, n_stacked))?;
        }
        for p in own(self.reduced, r, k) {
            let source = Line::fixed(i64::from(p.source));
            place(p.row, p.column, 1, Value::of(self.values[1], source, 0))?;
        }
        Some(runs)
    }
}

/// The derivatives of result `r` by argument `k`.
fn own(places: &[EntryPlace], r: usize, k: usize) -> impl Iterator<Item = &EntryPlace> {
    places.iter().filter(move |p| p.output as usize == r && p.input as usize == k)
}

/// Where nonzero `k` of the body is in each iteration; `None` if a table says so.
fn line(window: Option<&Window>, k: u32) -> Option<Line> {
    let Some(window) = window else { return Some(Line::fixed(i64::from(k))) };
    match window.origin {
        Origin::Affine { base, step } => {
            Some(Line::new(base + window.map.get(k as usize) as i64, step))
        }
        Origin::Table(_) => None,
    }
}
