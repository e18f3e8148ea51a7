//! Local derivatives of functions, entry by entry.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{ListedPartials, ValuesId};
use crate::graph::{Func, Graph, visit};
use crate::sparsity::adjacency::Lists;
use crate::sparsity::{IndexMap, Pattern};

/// Local derivatives of a function: `func` has one result, the column of their values.
#[derive(Debug)]
pub struct Entries {
    pub func: Arc<Func>,
    pub places: Vec<EntryPlace>,
    /// Derivatives that are the same number everywhere; they are not in the column.
    pub constants: Vec<(EntryPlace, f64)>,
}

/// Which derivative an entry of [`Entries`] is: of nonzero `row` of an output by nonzero `column`
/// of an input.
#[derive(Clone, Copy, Debug)]
pub struct EntryPlace {
    pub output: u32,
    pub row: u32,
    pub input: u32,
    pub column: u32,
    /// Number in the column of values.
    pub source: u32,
}

impl Entries {
    /// Constant derivatives of output `output` by input `input`: row, column, value.
    pub fn constants_of(&self, output: usize, input: usize) -> Vec<(u32, u32, f64)> {
        let of = |p: &EntryPlace| p.output as usize == output && p.input as usize == input;
        self.constants.iter().filter(|c| of(&c.0)).map(|(p, v)| (p.row, p.column, *v)).collect()
    }
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
    let inputs = scratch.inputs(&ports);
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
    let all = |of: &Entries| -> Vec<EntryPlace> {
        of.places.iter().copied().chain(of.constants.iter().map(|c| c.0)).collect()
    };
    let mut places = all(then);
    places.extend(all(otherwise));
    places.sort_unstable_by_key(key);
    places.dedup_by_key(|p| key(p));
    for (place, source) in places.iter_mut().zip(0..) {
        place.source = source;
    }
    let position: FxHashMap<_, u32> = places.iter().map(|p| (key(p), p.source)).collect();
    let widen = |of: &Entries| {
        let mut scratch = Graph::new();
        let (graph, roots) = of.func.graph()?;
        let ports = of.func.inputs.clone();
        let inputs = scratch.inputs(&ports);
        let values = visit::transplant(graph, roots, &mut scratch, &inputs)[0];
        let values = scratch.densify(values);
        let constants: Vec<f64> = of.constants.iter().map(|c| c.1).collect();
        let column = Pattern::dense(constants.len(), 1);
        let constants = scratch.constant_matrix(column, &constants);
        let constants = scratch.densify(constants);
        let n_values = scratch.nnz(values) as u32;
        let stacked = scratch.concat(&[values, constants]);
        let own = of.places.iter().map(|p| (position[&key(p)], p.source));
        let fixed = of.constants.iter().zip(n_values..).map(|((p, _), k)| (position[&key(p)], k));
        let (to, from): (Vec<u32>, Vec<u32>) = own.chain(fixed).unzip();
        let column = Pattern::dense(from.len(), 1);
        let picked = scratch.gather(stacked, IndexMap::from_table(from), column);
        let whole = Pattern::dense(places.len(), 1);
        let whole = scratch.scatter(picked, IndexMap::from_table(to), whole);
        let whole = scratch.densify(whole);
        let outputs = vec![("entries".into(), whole)];
        let func = Func::freeze(of.func.name.clone(), &scratch, ports, outputs);
        Some(Entries { func, places: places.clone(), constants: Vec::new() })
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
) -> ListedPartials {
    let mut inside: Vec<(u32, u32, u32)> = places
        .iter()
        .filter(|p| p.output as usize == output && p.input as usize == input)
        .map(|p| (p.row, p.column, p.source))
        .collect();
    inside.sort_unstable();
    ListedPartials {
        columns: Lists::by_key(n_rows, inside.iter().map(|&(r, c, _)| (r, c))),
        sources: inside.iter().map(|p| p.2).collect(),
        values: Some(values),
    }
}
