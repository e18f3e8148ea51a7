//! Making the entries: loops that compute what iterations have in common, one for all values of
//! the same length that need one another in the same iteration.
//!
//! The longest part of a Jacobian is written by the loop that computes it, in its final order.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::{Accumulation, Lanes, Values, ValuesId};
use super::body::{Body, write};
use super::{Reference, Value};
use crate::graph::NodeId;
use crate::sparsity::runs::{Layout, Line, Segment};
use crate::sparsity::{IndexMap, Pattern};

/// What one iteration of some loop computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Item {
    /// A lane of a loop of local derivatives.
    Lane(usize, i64),
    Terms(ValuesId),
}

/// A reference to an item: which, and the iterations.
pub(super) struct Iterations {
    pub item: Item,
    pub line: Line,
}

/// A loop to be made: length and level; what it needs comes from lower levels.
type Key = (usize, i64);

/// What a loop has to make.
#[derive(Default)]
struct Group {
    lanes: Vec<usize>,
    terms: Vec<ValuesId>,
    totals: Vec<ValuesId>,
    /// The segment that it writes as a whole, and the iteration in which that begins.
    segment: Option<(usize, i64)>,
    /// Items that others read, by their place in what is stored.
    stored: Vec<Item>,
}

/// Everything that is needed, and where it is once it is made.
struct Emission<'a> {
    values: &'a [Value],
    layout: &'a Layout,
    groups: BTreeMap<Key, Group>,
    /// Summed lanes that are needed, by loop.
    reduced: FxHashMap<usize, Vec<i64>>,
    levels: FxHashMap<ValuesId, usize>,
    /// Of items that were stored: the column, the place in each iteration's part, and its length.
    stored: FxHashMap<Item, (NodeId, i64, i64)>,
    /// Of loops with summed lanes, the column of those that are needed.
    sums: FxHashMap<usize, NodeId>,
    /// Of sums over all iterations, the column and the place there.
    totals: FxHashMap<ValuesId, (NodeId, i64)>,
}

/// The dense column of the entries that `layout` orders, whose values are those of runs.
pub(super) fn emit(cx: &mut Accumulation, values: &[Value], layout: &Layout) -> Option<NodeId> {
    let mut emission = Emission {
        values,
        layout,
        groups: BTreeMap::new(),
        reduced: FxHashMap::default(),
        levels: FxHashMap::default(),
        stored: FxHashMap::default(),
        sums: FxHashMap::default(),
        totals: FxHashMap::default(),
    };
    emission.find_needed(cx);
    emission.join_segments(cx);
    emission.find_stored(cx);
    let mut written: FxHashMap<usize, NodeId> = FxHashMap::default();
    for key in emission.groups.keys().copied().collect::<Vec<_>>() {
        emission.make(cx, key, &mut written)?;
    }
    let mut columns = Vec::with_capacity(layout.len());
    for (k, segment) in layout.iter().enumerate() {
        columns.push(match written.get(&k) {
            Some(&column) => column,
            None => emission.copied(cx, segment)?,
        });
    }
    let n = columns.iter().map(|&column| cx.graph.nnz(column)).sum();
    let whole = cx.graph.concat(&columns);
    Some(cx.graph.gather(whole, IndexMap::identity(n), Pattern::dense(n, 1)))
}

/// The item that a reference is to; `None` for nonzeros of nodes and summed lanes.
pub(super) fn iterations(cx: &Accumulation, of: &Reference) -> Option<Iterations> {
    match &cx.values[of.values.0 as usize] {
        Values::Lanes { of: lanes, reduced: false } => {
            let n = cx.lanes[*lanes].n_stacked as i64;
            let line = Line::new(of.line.start.div_euclid(n), of.line.step / n);
            Some(Iterations { item: Item::Lane(*lanes, of.line.start.rem_euclid(n)), line })
        }
        Values::Terms { .. } => Some(Iterations { item: Item::Terms(of.values), line: of.line }),
        _ => None,
    }
}

impl Emission<'_> {
    /// Values of a segment, over its blocks.
    fn of_segment(&self, segment: &Segment) -> Vec<Value> {
        segment.entries.iter().map(|&(run, first)| self.values[run].part(first, 1)).collect()
    }

    /// Finds loops and sums that are needed, and the loop that each belongs to.
    fn find_needed(&mut self, cx: &Accumulation) {
        let mut seen: FxHashSet<ValuesId> = FxHashSet::default();
        let mut lanes: FxHashSet<usize> = FxHashSet::default();
        let references = self.layout.iter().flat_map(|segment| self.of_segment(segment));
        let mut waiting: Vec<Reference> = references.filter_map(|v| reference(&v)).collect();
        while let Some(of) = waiting.pop() {
            match &cx.values[of.values.0 as usize] {
                Values::Lanes { of: number, reduced } => {
                    lanes.insert(*number);
                    if *reduced {
                        self.reduced.entry(*number).or_default().push(of.line.start);
                    }
                }
                _ if seen.insert(of.values) => waiting.extend(factors(cx, of.values)),
                _ => {}
            }
        }
        for wanted in self.reduced.values_mut() {
            wanted.sort_unstable();
            wanted.dedup();
        }
        let mut lanes: Vec<usize> = lanes.into_iter().collect();
        lanes.sort_unstable();
        for of in lanes {
            let key = (0, cx.lanes[of].n as i64);
            self.groups.entry(key).or_default().lanes.push(of);
        }
        let mut terms: Vec<ValuesId> = seen.into_iter().collect();
        terms.sort_unstable_by_key(|id| id.0);
        for id in terms {
            let (n, is_total) = match &cx.values[id.0 as usize] {
                Values::Terms { n, .. } => (*n, false),
                Values::Total { n, .. } => (*n, true),
                _ => continue,
            };
            let levels = factors(cx, id).map(|of| self.level_above(cx, &of, n));
            let level = levels.max().unwrap_or(0);
            self.levels.insert(id, level);
            let group = self.groups.entry((level, n)).or_default();
            if is_total { group.totals.push(id) } else { group.terms.push(id) }
        }
    }

    /// Loop of an item.
    fn key(&self, cx: &Accumulation, item: Item) -> Key {
        match item {
            Item::Lane(of, _) => (0, cx.lanes[of].n as i64),
            Item::Terms(id) => {
                let n = if let Values::Terms { n, .. } = cx.values[id.0 as usize] { n } else { 0 };
                (self.levels.get(&id).copied().unwrap_or(0), n)
            }
        }
    }

    /// The lowest level of a loop of `n` iterations that reads `of` in each of them.
    fn level_above(&self, cx: &Accumulation, of: &Reference, n: i64) -> usize {
        match iterations(cx, of) {
            Some(at) => {
                let (level, of_n) = self.key(cx, at.item);
                if of_n == n && is_aligned(&at.line, n) { level } else { level + 1 }
            }
            None => self.level_after(cx, of),
        }
    }

    /// The lowest level at which what does not belong to iterations is known.
    fn level_after(&self, cx: &Accumulation, of: &Reference) -> usize {
        match cx.values[of.values.0 as usize] {
            Values::Lanes { .. } => 1,
            Values::Total { .. } => 1 + self.levels.get(&of.values).copied().unwrap_or(0),
            _ => 0,
        }
    }

    /// Gives segments to the loops that compute all their values, if most iterations write them.
    fn join_segments(&mut self, cx: &Accumulation) {
        for (k, segment) in self.layout.iter().enumerate().filter(|s| s.1.n > 1) {
            let Some((key, first)) = self.writer(cx, segment) else { continue };
            if segment.n * 2 < key.1 {
                continue;
            }
            let Some(group) = self.groups.get_mut(&key) else { continue };
            let longest = group.segment.map_or(0, |(other, _)| self.layout[other].n);
            if segment.n > longest {
                group.segment = Some((k, first));
            }
        }
    }

    /// The loop all of whose iterations can write a block of a segment, and in which the segment
    /// begins.
    fn writer(&self, cx: &Accumulation, segment: &Segment) -> Option<(Key, i64)> {
        let references: Vec<Reference> =
            self.of_segment(segment).iter().filter_map(reference).collect();
        let items = || references.iter().filter_map(|of| iterations(cx, of));
        // The last loop that computes some of them; it reads what others have made.
        let key = items().map(|at| self.key(cx, at.item)).max_by_key(|key| key.0)?;
        let mut own = items().filter(|at| self.key(cx, at.item) == key);
        let first = own.next()?.line.start;
        if !own.all(|at| at.line.start == first) {
            return None;
        }
        for of in &references {
            let at = iterations(cx, of);
            let (line, len) = match (&at, &cx.values[of.values.0 as usize]) {
                (Some(at), _) => {
                    let (level, n) = self.key(cx, at.item);
                    let is_own = (level, n) == key;
                    if is_own && at.line.step != 1 || !is_own && level == key.0 {
                        return None;
                    }
                    (&at.line, n)
                }
                (None, Values::Node(node)) => (&of.line, cx.graph.nnz(*node) as i64),
                (None, _) if self.level_after(cx, of) <= key.0 => continue,
                (None, _) => return None,
            };
            let ends = [line.at(-first), line.at(key.1 - 1 - first)];
            if !ends.iter().all(|end| (0..len).contains(end)) {
                return None;
            }
        }
        Some((key, first))
    }

    /// Finds the items that are read by other loops than their own.
    fn find_stored(&mut self, cx: &Accumulation) {
        let mut items: FxHashSet<Item> = FxHashSet::default();
        let written: FxHashSet<usize> =
            self.groups.values().filter_map(|g| Some(g.segment?.0)).collect();
        for (k, segment) in self.layout.iter().enumerate() {
            if !written.contains(&k) {
                let references = self.of_segment(segment);
                let references = references.iter().filter_map(reference);
                items.extend(references.filter_map(|of| Some(iterations(cx, &of)?.item)));
            }
        }
        for (key, group) in &self.groups {
            if let Some((k, first)) = group.segment {
                let block = self.of_segment(&self.layout[k]);
                let references = block.iter().filter_map(reference).map(|of| of.part(-first, 1));
                for at in references.filter_map(|of| iterations(cx, &of)) {
                    if self.key(cx, at.item) != *key {
                        items.insert(at.item);
                    }
                }
            }
            for &id in group.terms.iter().chain(&group.totals) {
                for at in factors(cx, id).filter_map(|of| iterations(cx, &of)) {
                    if self.key(cx, at.item) != *key || !is_aligned(&at.line, key.1) {
                        items.insert(at.item);
                    }
                }
            }
        }
        let mut items: Vec<Item> = items.into_iter().collect();
        items.sort_unstable();
        for item in items {
            let key = self.key(cx, item);
            let group = self.groups.entry(key).or_default();
            group.stored.push(item);
        }
    }

    /// Makes a loop.
    fn make(
        &mut self,
        cx: &mut Accumulation,
        key: Key,
        written: &mut FxHashMap<usize, NodeId>,
    ) -> Option<()> {
        let Some(group) = self.groups.remove(&key) else { return Some(()) };
        let n = key.1;
        let mut outputs: [Vec<Value>; 2] = Default::default();
        if let Some((k, first)) = group.segment {
            let block = self.of_segment(&self.layout[k]);
            outputs[0] = block.into_iter().map(|value| value.part(-first, 1)).collect();
        }
        // What the segment has need not be stored again.
        let mut places: FxHashMap<Item, (usize, i64)> = FxHashMap::default();
        for (value, place) in outputs[0].iter().zip(0..) {
            let at = reference(value).and_then(|of| iterations(cx, &of));
            if let Some(at) = at.filter(|at| self.key(cx, at.item) == key) {
                places.entry(at.item).or_insert((0, place));
            }
        }
        for &item in &group.stored {
            if let Entry::Vacant(place) = places.entry(item) {
                place.insert((1, outputs[1].len() as i64));
                outputs[1].push(Value::Of(self.own_reference(cx, item)));
            }
        }
        let reduced: Vec<(usize, Vec<i64>)> = group
            .lanes
            .iter()
            .filter_map(|&of| Some((of, self.reduced.get(&of)?.clone())))
            .collect();
        let Group { lanes, terms, totals, .. } = &group;
        let body = Body { n, lanes, terms, totals, outputs, reduced };
        let lens = [0, 1].map(|k| body.outputs[k].len() as i64);
        let made = write(cx, &body, |cx, of| self.memory(cx, of))?;
        for &item in &group.stored {
            let (k, at) = places[&item];
            self.stored.insert(item, (made.outputs[k]?, at, lens[k]));
        }
        if let Some((k, first)) = group.segment {
            let segment = &self.layout[k];
            let (start, len) = (first * lens[0], segment.n * lens[0]);
            let map = IndexMap::range(start as usize, len as usize);
            let column = Pattern::dense(len as usize, 1);
            written.insert(k, cx.graph.gather(made.outputs[0]?, map, column));
        }
        self.sums.extend(made.sums);
        if let Some(column) = made.totals {
            let places = totals.iter().zip(0..).map(|(&id, at)| (id, (column, at)));
            self.totals.extend(places);
        }
        Some(())
    }

    /// An item in the iteration that computes it.
    fn own_reference(&self, cx: &Accumulation, item: Item) -> Reference {
        match item {
            Item::Terms(values) => {
                let steps = i64::from(self.key(cx, item).1 > 1);
                Reference { values, line: Line::new(0, steps), stride: 1 }
            }
            Item::Lane(of, lane) => {
                let Lanes { n_stacked, n, values, .. } = &cx.lanes[of];
                let stride = *n_stacked as i64;
                let step = if *n > 1 { stride } else { 0 };
                Reference { values: *values, line: Line::new(lane, step), stride }
            }
        }
    }

    /// The dense column in which the values of a reference are, and the numbers there.
    fn memory(&self, cx: &mut Accumulation, of: &Reference) -> Option<(NodeId, Line)> {
        if let Some(at) = iterations(cx, of) {
            let &(node, place, len) = self.stored.get(&at.item)?;
            let line = Line::new(at.line.start * len + place, at.line.step * len);
            return Some((node, line));
        }
        match &cx.values[of.values.0 as usize] {
            Values::Node(node) => {
                let (node, n) = (*node, cx.graph.nnz(*node));
                let all = IndexMap::identity(n);
                let column = cx.graph.gather(node, all, Pattern::dense(n, 1));
                Some((cx.graph.densify(column), of.line))
            }
            Values::Lanes { of: lanes, .. } => {
                let at = self.reduced.get(lanes)?.binary_search(&of.line.start).ok()?;
                Some((*self.sums.get(lanes)?, Line::fixed(at as i64)))
            }
            Values::Total { .. } => {
                let &(column, at) = self.totals.get(&of.values)?;
                Some((column, Line::fixed(at)))
            }
            _ => None,
        }
    }

    /// The column of a segment whose values are all made.
    fn copied(&self, cx: &mut Accumulation, segment: &Segment) -> Option<NodeId> {
        let values = self.of_segment(segment);
        let column = Pattern::dense(values.len() * segment.n as usize, 1);
        if let Value::Number(first) = values[0]
            && values.iter().all(|v| *v == Value::Number(first))
        {
            return Some(match first {
                0.0 => cx.graph.explicit_zeros(column),
                _ => cx.graph.fill(column, first),
            });
        }
        if segment.n > 1 {
            let outputs = [values, Vec::new()];
            let (lanes, terms, totals) = (&[][..], &[][..], &[][..]);
            let reduced = Vec::new();
            let body = Body { n: segment.n, lanes, terms, totals, outputs, reduced };
            return write(cx, &body, |cx, of| self.memory(cx, of))?.outputs[0];
        }
        // Each from its column, then in order.
        let mut columns: Vec<(NodeId, Vec<u32>)> = Vec::new();
        let mut numbers = Vec::new();
        let mut places = Vec::with_capacity(values.len());
        for value in &values {
            let (node, at) = match value {
                Value::Number(v) => {
                    numbers.push(*v);
                    places.push((usize::MAX, numbers.len() - 1));
                    continue;
                }
                Value::Of(of) => self.memory(cx, of)?,
            };
            let k = columns.iter().position(|c| c.0 == node).unwrap_or_else(|| {
                columns.push((node, Vec::new()));
                columns.len() - 1
            });
            places.push((k, columns[k].1.len()));
            columns[k].1.push(at.start as u32);
        }
        let (mut parts, mut starts) = (Vec::new(), Vec::new());
        let mut start = 0;
        for (node, table) in columns {
            let n = table.len();
            parts.push(cx.graph.gather(node, IndexMap::from_table(table), Pattern::dense(n, 1)));
            starts.push(start);
            start += n;
        }
        let constants = cx.graph.constant_matrix(Pattern::dense(numbers.len(), 1), &numbers);
        parts.push(cx.graph.densify(constants));
        let number = |(k, at): &(usize, usize)| (starts.get(*k).unwrap_or(&start) + at) as u32;
        let map = IndexMap::from_table(places.iter().map(number).collect());
        for part in &mut parts {
            *part = cx.graph.densify(*part);
        }
        let whole = cx.graph.concat(&parts);
        Some(cx.graph.gather(whole, map, column))
    }
}

/// The factors of a sum.
pub(super) fn factors(cx: &Accumulation, id: ValuesId) -> impl Iterator<Item = Reference> {
    let products = match &cx.values[id.0 as usize] {
        Values::Terms { terms, .. } => &terms[..],
        Values::Total { term, .. } => std::slice::from_ref(term),
        _ => &[],
    };
    products.iter().flat_map(|product| product.factors).flatten()
}

/// Every iteration of `n` has its own.
pub(super) fn is_aligned(line: &Line, n: i64) -> bool {
    line.start == 0 && (n == 1 || line.step == 1)
}

pub(super) fn reference(value: &Value) -> Option<Reference> {
    match value {
        Value::Of(of) => Some(*of),
        Value::Number(_) => None,
    }
}
