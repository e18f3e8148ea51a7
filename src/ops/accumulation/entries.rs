//! Local derivatives of functions, entry by entry.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{Partials, ValuesId};
use crate::graph::{Func, Graph, NodeId, visit};
use crate::sparsity::adjacency::Lists;
use crate::sparsity::{IndexMap, Pattern};

/// Local derivatives of a function: `func` has one result, the column of their values.
#[derive(Debug)]
pub struct Entries {
    pub func: Arc<Func>,
    /// Output, nonzero of the output, input, nonzero of the input, number in the column.
    pub places: Vec<EntryPlace>,
}

/// Which derivative an entry of [`Entries`] is.
#[derive(Clone, Copy, Debug)]
pub struct EntryPlace {
    pub output: u32,
    pub row: u32,
    pub input: u32,
    pub column: u32,
    pub source: u32,
}

/// Outputs of [`Entries`] split into those of a loop that are stacked and those that are summed.
pub fn split_entries(
    entries: &Entries,
    is_reduced: impl Fn(&EntryPlace) -> bool,
) -> Option<(Arc<Func>, Vec<EntryPlace>, Vec<EntryPlace>)> {
    let (reduced, stacked): (Vec<_>, Vec<_>) = entries.places.iter().copied().partition(is_reduced);
    let (graph, roots) = entries.func.graph()?;
    let mut scratch = Graph::new();
    let ports = entries.func.inputs.clone();
    let inputs: Vec<NodeId> =
        ports.iter().enumerate().map(|(k, p)| scratch.input(k, p.pattern.clone())).collect();
    let values = visit::transplant(graph, roots, &mut scratch, &inputs)[0];
    let values = scratch.densify(values);
    let mut pick = |places: &[EntryPlace]| {
        let map = IndexMap::from_table(places.iter().map(|p| p.source).collect());
        let column = Pattern::dense(places.len(), 1);
        let picked = scratch.gather(values, map, column);
        ("entries".into(), scratch.densify(picked))
    };
    let outputs = vec![pick(&stacked), pick(&reduced)];
    let renumber = |places: Vec<EntryPlace>| -> Vec<EntryPlace> {
        places.into_iter().zip(0..).map(|(p, source)| EntryPlace { source, ..p }).collect()
    };
    let func = Func::freeze(entries.func.name.clone(), &scratch, ports, outputs);
    Some((func, renumber(stacked), renumber(reduced)))
}

/// Both functions with the entries of either, in one order, zeros where one has none.
pub fn join_entries(then: &Entries, otherwise: &Entries) -> Option<[Entries; 2]> {
    let key = |p: &EntryPlace| (p.output, p.row, p.input, p.column);
    let mut places: Vec<EntryPlace> =
        then.places.iter().chain(&otherwise.places).copied().collect();
    places.sort_unstable_by_key(key);
    places.dedup_by_key(|p| key(p));
    for (place, source) in places.iter_mut().zip(0..) {
        place.source = source;
    }
    let position: FxHashMap<_, u32> = places.iter().map(|p| (key(p), p.source)).collect();
    let widen = |of: &Entries| {
        let linear: FxHashMap<u32, u32> =
            of.places.iter().map(|p| (p.source, position[&key(p)])).collect();
        let n = of.func.outputs[0].pattern.nnz() as u32;
        let mut rows: Vec<(u32, u32)> =
            (0..n).filter_map(|s| linear.get(&s).map(|&to| (to, s))).collect();
        rows.sort_unstable();
        let mut scratch = Graph::new();
        let (graph, roots) = of.func.graph()?;
        let ports = of.func.inputs.clone();
        let nodes: Vec<NodeId> =
            ports.iter().enumerate().map(|(k, p)| scratch.input(k, p.pattern.clone())).collect();
        let value = visit::transplant(graph, roots, &mut scratch, &nodes)[0];
        let value = scratch.densify(value);
        let column = Pattern::dense(rows.len(), 1);
        let map = IndexMap::from_table(rows.iter().map(|r| r.1).collect());
        let picked = scratch.gather(value, map, column);
        let to = IndexMap::from_table(rows.iter().map(|r| r.0).collect());
        let whole = scratch.scatter(picked, to, Pattern::dense(places.len(), 1));
        let whole = scratch.densify(whole);
        let outputs = vec![("entries".into(), whole)];
        let func = Func::freeze(of.func.name.clone(), &scratch, ports, outputs);
        Some(Entries { func, places: places.clone() })
    };
    Some([widen(then)?, widen(otherwise)?])
}

/// Partial derivatives from the entries of output `output` by input `input`.
pub fn partials_of(
    places: &[EntryPlace],
    output: usize,
    input: usize,
    n_rows: usize,
    values: ValuesId,
) -> Partials {
    let mut inside: Vec<(u32, u32, u32)> = places
        .iter()
        .filter(|p| p.output as usize == output && p.input as usize == input)
        .map(|p| (p.row, p.column, p.source))
        .collect();
    inside.sort_unstable();
    Partials {
        columns: Lists::by_key(n_rows, inside.iter().map(|&(r, c, _)| (r, c))),
        sources: inside.iter().map(|p| p.2).collect(),
        values: Some(values),
    }
}
