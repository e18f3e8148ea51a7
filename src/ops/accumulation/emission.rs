//! Making the wanted entries: backwards to find what they need, forwards to make it.

use super::{ABSENT, Accumulation, Lanes, Side, Terms, Values, ValuesId};
use crate::graph::{Func, Graph, LoopSpec, NodeId, Op, Reduction, ResultMode, Window, visit};
use crate::ops::scalar::ScalarOp;
use crate::sparsity::{IndexMap, Pattern};

/// Sums of at most so many products of nonzeros of short values are written out.
const MOST_SCALARS: usize = 8_192;

/// Longest short value, but for local derivatives of a call.
const SHORT: usize = 64;

/// In place of values: the number 1.
const ONE: u32 = u32::MAX;

/// Which entries of some values are wanted, and then the column that holds them.
pub(super) struct Made {
    wanted: Vec<bool>,
    /// Number of each wanted entry in the column; empty where all are wanted.
    ranks: Vec<u32>,
    pub node: Option<NodeId>,
    /// By scalars.
    written_out: bool,
}

impl Made {
    fn rank(&self, entry: u32) -> u32 {
        if self.ranks.is_empty() { entry } else { self.ranks[entry as usize] }
    }
}

/// Making the wanted values: backwards to find them, forwards to make them.
pub(super) struct Emission {
    pub made: Vec<Made>,
    /// Of each loop: the wanted lanes that are stacked and those that are summed.
    lanes: Vec<[Vec<u32>; 2]>,
    loops: Vec<Option<[Option<NodeId>; 2]>>,
    /// Of sums, for each entry the values and the entry in them that it is equal to: entries that
    /// are only passed on are not made again. Empty for others.
    origins: Vec<Vec<(u32, u32)>>,
}

impl Emission {
    pub fn new(cx: &Accumulation) -> Emission {
        let empty =
            || Made { wanted: Vec::new(), ranks: Vec::new(), node: None, written_out: false };
        let mut origins = Vec::with_capacity(cx.values.len());
        for (k, values) in cx.values.iter().enumerate() {
            origins.push(match values {
                Values::Sums { n, terms } => origins_of_sums(&origins, k as u32, *n, terms),
                _ => Vec::new(),
            });
        }
        Emission {
            made: cx.values.iter().map(|_| empty()).collect(),
            lanes: vec![[Vec::new(), Vec::new()]; cx.lanes.len()],
            loops: vec![None; cx.lanes.len()],
            origins,
        }
    }

    pub fn want(&mut self, id: ValuesId, entries: impl Iterator<Item = u32>) {
        for e in entries {
            let (of, e) = origin(&self.origins, id, e);
            if of == ONE {
                continue;
            }
            let wanted = &mut self.made[of as usize].wanted;
            if wanted.len() <= e as usize {
                wanted.resize(e as usize + 1, false);
            }
            wanted[e as usize] = true;
        }
    }

    /// From the wanted entries to all they need; operands have smaller numbers.
    pub fn sweep(&mut self, cx: &Accumulation) {
        for k in (0..cx.values.len()).rev() {
            let wanted = std::mem::take(&mut self.made[k].wanted);
            let is_wanted = |t: u32| wanted.get(t as usize).copied().unwrap_or(false);
            match &cx.values[k] {
                Values::Node(_) | Values::Terms { .. } | Values::Total { .. } => {}
                Values::Sums { terms, .. } => {
                    for of in terms {
                        let used = || (0..of.target.len()).filter(|&t| is_wanted(of.target[t]));
                        if let Some(left) = of.left {
                            self.want(left, used().map(|t| of.left_source[t]));
                        }
                        if let Some(right) = of.right {
                            self.want(right, used().map(|t| of.right_source[t]));
                        }
                    }
                }
                Values::Choice { sides, .. } => {
                    for side in sides {
                        let used = side.sources.iter().enumerate();
                        let used = used.filter(|&(t, &s)| s != ABSENT && is_wanted(t as u32));
                        if let Some(values) = side.values {
                            self.want(values, used.map(|(_, &s)| s));
                        }
                    }
                }
                Values::Lanes { of, reduced } => {
                    let lanes = &cx.lanes[*of];
                    let n = if *reduced { lanes.n_reduced } else { lanes.n_stacked };
                    let mut hit = vec![false; n];
                    for (e, _) in wanted.iter().enumerate().filter(|(_, w)| **w) {
                        hit[e % n] = true;
                    }
                    self.lanes[*of][usize::from(*reduced)] =
                        (0..n as u32).filter(|&e| hit[e as usize]).collect();
                }
            }
            self.made[k].wanted = wanted;
        }
    }

    /// Makes values and what they need.
    pub fn emit(&mut self, cx: &mut Accumulation, last: ValuesId) {
        for k in 0..=last.0 as usize {
            if !self.made[k].wanted.contains(&true) {
                continue;
            }
            self.made[k].node = match &cx.values[k] {
                Values::Node(node) => {
                    let node = *node;
                    let n = cx.graph.nnz(node);
                    let all = IndexMap::identity(n);
                    Some(cx.graph.gather(node, all, Pattern::dense(n, 1)))
                }
                Values::Lanes { of, reduced } => {
                    let (of, reduced) = (*of, *reduced);
                    self.rank_lanes(k, &cx.lanes[of], of, reduced);
                    if self.loops[of].is_none() {
                        self.loops[of] = Some(lane_loop(cx, of, &self.lanes[of]));
                    }
                    self.loops[of].and_then(|nodes| nodes[usize::from(reduced)])
                }
                Values::Sums { n, .. } => {
                    let n_made = self.rank_wanted(k, *n);
                    self.sums(cx, k, n_made)
                }
                Values::Terms { .. } | Values::Total { .. } => None,
                Values::Choice { rows, .. } => {
                    let n_made = self.rank_wanted(k, rows.len());
                    Some(self.choice(cx, k, n_made))
                }
            };
        }
    }

    /// Numbers the wanted entries; how many there are.
    fn rank_wanted(&mut self, k: usize, n: usize) -> usize {
        let made = &mut self.made[k];
        made.wanted.resize(n, false);
        if made.wanted.iter().all(|&w| w) {
            return n;
        }
        let mut next = 0u32;
        made.ranks = made
            .wanted
            .iter()
            .map(|&w| {
                next += u32::from(w);
                next.saturating_sub(1)
            })
            .collect();
        next as usize
    }

    fn rank_lanes(&mut self, k: usize, lanes: &Lanes, of: usize, reduced: bool) {
        let n = if reduced { lanes.n_reduced } else { lanes.n_stacked };
        let kept = &self.lanes[of][usize::from(reduced)];
        if kept.len() == n {
            return;
        }
        let mut rank = vec![0u32; n];
        for (r, &e) in kept.iter().enumerate() {
            rank[e as usize] = r as u32;
        }
        let stride = kept.len() as u32;
        let made = &mut self.made[k];
        made.ranks =
            (0..made.wanted.len()).map(|e| (e / n) as u32 * stride + rank[e % n]).collect();
    }

    /// `values[sources]` as a dense column; `None` for ones.
    pub fn read(
        &self,
        cx: &mut Accumulation,
        of: Option<ValuesId>,
        source: &[u32],
    ) -> Option<NodeId> {
        let of = of?;
        let column = Pattern::dense(source.len(), 1);
        let origins: Vec<(u32, u32)> =
            source.iter().map(|&s| origin(&self.origins, of, s)).collect();
        let mut distinct: Vec<u32> = origins.iter().map(|o| o.0).collect();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct == [ONE] {
            return None;
        }
        // The columns of all that is read, one below the other, and where each begins.
        let (mut parts, mut starts) = (Vec::new(), Vec::new());
        let mut start = 0u32;
        for &of in &distinct {
            let part = match self.made.get(of as usize) {
                None => cx.graph.constant(1.0),
                Some(made) => match made.node {
                    Some(node) => cx.graph.densify(node),
                    None => return Some(cx.graph.zero(source.len(), 1)),
                },
            };
            starts.push(start);
            start += cx.graph.nnz(part) as u32;
            parts.push(part);
        }
        let place = |&(of, e): &(u32, u32)| {
            let start = distinct.binary_search(&of).map_or(0, |k| starts[k]);
            start + self.made.get(of as usize).map_or(0, |made| made.rank(e))
        };
        let map = IndexMap::from_table(origins.iter().map(place).collect());
        let whole = cx.graph.concat(&parts);
        Some(cx.graph.gather(whole, map, column))
    }

    fn sums(&mut self, cx: &mut Accumulation, k: usize, n: usize) -> Option<NodeId> {
        let Values::Sums { terms, .. } = &mut cx.values[k] else { return None };
        let terms = std::mem::take(terms);
        if self.is_small(cx, &terms) {
            self.made[k].written_out = true;
            return Some(self.scalar_sums(cx, k, &terms, n));
        }
        let made = &self.made[k];
        let (mut products, mut targets) = (Vec::new(), Vec::new());
        for of in terms {
            let used: Vec<usize> =
                (0..of.target.len()).filter(|&t| made.wanted[of.target[t] as usize]).collect();
            if used.is_empty() {
                continue;
            }
            let mut read = |side: Option<ValuesId>, source: &[u32]| {
                let source: Vec<u32> =
                    side.iter().flat_map(|_| used.iter().map(|&t| source[t])).collect();
                self.read(cx, side, &source)
            };
            let left = read(of.left, &of.left_source);
            let right = read(of.right, &of.right_source);
            products.push(match (left, right) {
                (Some(left), Some(right)) => cx.graph.mul(left, right),
                (Some(one), None) | (None, Some(one)) => one,
                (None, None) => cx.graph.fill(Pattern::dense(used.len(), 1), 1.0),
            });
            targets.extend(used.iter().map(|&t| made.rank(of.target[t])));
        }
        let column = Pattern::dense(n, 1);
        for product in &mut products {
            *product = cx.graph.densify(*product);
        }
        let stacked = cx.graph.concat(&products);
        let mut inverse = vec![ABSENT; n];
        let injective = targets.len() == n
            && targets
                .iter()
                .enumerate()
                .all(|(t, &to)| std::mem::replace(&mut inverse[to as usize], t as u32) == ABSENT);
        Some(if injective {
            cx.graph.gather(stacked, IndexMap::from_table(inverse), column)
        } else {
            cx.graph.scatter(stacked, IndexMap::from_table(targets), column)
        })
    }

    /// Whether sums are written out: there are products, few, of nonzeros of short values.
    fn is_small(&self, cx: &Accumulation, terms: &[Terms]) -> bool {
        let n_terms: usize = terms.iter().map(|t| t.target.len()).sum();
        let is_short = |values: &Option<ValuesId>, source: &[u32]| {
            values.is_none_or(|id| {
                source.iter().all(|&e| match origin(&self.origins, id, e).0 {
                    ONE => true,
                    of => match cx.values[of as usize] {
                        Values::Node(node) => is_short(cx.graph, node),
                        _ => self.made[of as usize].written_out,
                    },
                })
            })
        };
        n_terms <= MOST_SCALARS
            && terms.iter().any(|t| t.left.is_some() && t.right.is_some())
            && terms
                .iter()
                .all(|t| is_short(&t.left, &t.left_source) && is_short(&t.right, &t.right_source))
    }

    /// [`Emission::sums`] by scalars, so that the products can be simplified.
    fn scalar_sums(&self, cx: &mut Accumulation, k: usize, terms: &[Terms], n: usize) -> NodeId {
        let made = &self.made[k];
        let mut sums: Vec<Option<NodeId>> = vec![None; n];
        for of in terms {
            for (t, &to) in of.target.iter().enumerate().filter(|t| made.wanted[*t.1 as usize]) {
                let left = self.scalar(cx, of.left, &of.left_source, t);
                let right = self.scalar(cx, of.right, &of.right_source, t);
                let product = match (left, right) {
                    (Some(left), Some(right)) => cx.graph.mul(left, right),
                    (Some(one), None) | (None, Some(one)) => one,
                    (None, None) => cx.graph.constant(1.0),
                };
                let sum = &mut sums[made.rank(to) as usize];
                *sum = Some(sum.map_or(product, |s| cx.graph.add(s, product)));
            }
        }
        let zero = cx.graph.explicit_zeros(Pattern::scalar());
        let scalars: Vec<NodeId> = sums
            .into_iter()
            .map(|sum| sum.map_or(zero, |s| cx.graph.project(s, &Pattern::scalar())))
            .collect();
        cx.graph.concat(&scalars)
    }

    /// Value `source[t]`; `None` for a one.
    fn scalar(
        &self,
        cx: &mut Accumulation,
        of: Option<ValuesId>,
        source: &[u32],
        t: usize,
    ) -> Option<NodeId> {
        let (of, source) = origin(&self.origins, of?, source[t]);
        let made = self.made.get(of as usize)?;
        Some(match made.node {
            Some(node) => {
                let map = IndexMap::range(made.rank(source) as usize, 1);
                cx.graph.gather(node, map, Pattern::scalar())
            }
            None => cx.graph.zero(1, 1),
        })
    }

    fn choice(&self, cx: &mut Accumulation, k: usize, n: usize) -> NodeId {
        let column = Pattern::dense(n, 1);
        let made = &self.made[k];
        let Values::Choice { condition, rows, sides } = &mut cx.values[k] else {
            return cx.graph.zero(n, 1);
        };
        let (condition, rows) = (*condition, std::mem::take(rows));
        let sides = std::mem::replace(
            sides,
            [false; 2].map(|_| Side { values: None, sources: Vec::new() }),
        );
        let used: Vec<usize> = (0..rows.len()).filter(|&t| made.wanted[t]).collect();
        let map = IndexMap::from_table(used.iter().map(|&t| rows[t]).collect());
        let chosen = cx.graph.densify(condition);
        let chosen = cx.graph.gather(chosen, map, column.clone());
        let [then, otherwise] = sides.map(|side| {
            let present: Vec<usize> =
                (0..used.len()).filter(|&u| side.sources[used[u]] != ABSENT).collect();
            let source: Vec<u32> = present.iter().map(|&u| side.sources[used[u]]).collect();
            let values = match self.read(cx, side.values, &source) {
                Some(values) => cx.graph.densify(values),
                None => cx.graph.fill(Pattern::dense(source.len(), 1), 1.0),
            };
            let map = IndexMap::from_table(present.iter().map(|&u| u as u32).collect());
            cx.graph.scatter(values, map, column.clone())
        });
        let value = cx.graph.scalar(ScalarOp::Select, &[chosen, then, otherwise]);
        cx.graph.project(value, &column)
    }
}

/// The values, or [`ONE`], and the entry in them that entry `e` of `of` is equal to.
fn origin(origins: &[Vec<(u32, u32)>], of: ValuesId, e: u32) -> (u32, u32) {
    origins[of.0 as usize].get(e as usize).copied().unwrap_or((of.0, e))
}

/// Of sums with number `k`: see [`Emission::origins`].
fn origins_of_sums(
    origins: &[Vec<(u32, u32)>],
    k: u32,
    n: usize,
    terms: &[Terms],
) -> Vec<(u32, u32)> {
    let mut n_terms = vec![0u32; n];
    terms.iter().flat_map(|t| &t.target).for_each(|&to| n_terms[to as usize] += 1);
    let mut found: Vec<(u32, u32)> = (0..n as u32).map(|e| (k, e)).collect();
    for of in terms {
        for (t, &to) in of.target.iter().enumerate().filter(|t| n_terms[*t.1 as usize] == 1) {
            let passed_on = match (of.left, of.right) {
                (None, None) => (ONE, 0),
                (Some(left), None) => origin(origins, left, of.left_source[t]),
                (None, Some(right)) => origin(origins, right, of.right_source[t]),
                (Some(left), Some(right)) => {
                    let left = origin(origins, left, of.left_source[t]);
                    let right = origin(origins, right, of.right_source[t]);
                    match (left.0, right.0) {
                        (ONE, _) => right,
                        (_, ONE) => left,
                        _ => continue,
                    }
                }
            };
            found[to as usize] = passed_on;
        }
    }
    found
}

/// Whether the nonzeros of a node may be read one by one.
fn is_short(graph: &Graph, mut node: NodeId) -> bool {
    if graph.nnz(node) <= SHORT {
        return true;
    }
    while matches!(graph.op(node), Op::Gather | Op::Scatter | Op::Mark) {
        node = graph.arg(node, 0);
    }
    graph.op(node) == Op::Result && graph.op(graph.arg(node, 0)) == Op::Call
}

/// The loop that computes the kept lanes.
fn lane_loop(cx: &mut Accumulation, of: usize, kept: &[Vec<u32>; 2]) -> [Option<NodeId>; 2] {
    let Lanes { body, n, modes, args, range, .. } = &cx.lanes[of];
    let (n, args, modes, range) = (*n, args.clone(), modes.clone(), range.clone());
    let Some((graph, roots)) = body.graph() else { return [None, None] };
    let mut scratch = Graph::new();
    let inputs = scratch.inputs(&body.inputs);
    let roots = visit::transplant(graph, roots, &mut scratch, &inputs);
    let (mut outputs, mut results, mut patterns) = (Vec::new(), Vec::new(), Vec::new());
    let mut place = [None, None];
    for (k, kept) in kept.iter().enumerate().filter(|(_, kept)| !kept.is_empty()) {
        let len = kept.len();
        let map = IndexMap::from_table(kept.clone());
        let column = Pattern::dense(len, 1);
        let whole = scratch.densify(roots[k]);
        outputs.push(("entries".into(), scratch.gather(whole, map, column.clone())));
        place[k] = Some(results.len());
        if k == 0 {
            results.push(ResultMode::Window(Window::stacked(len)));
            patterns.push(Pattern::dense(len * n as usize, 1));
        } else {
            results.push(ResultMode::Reduce(Reduction::Sum));
            patterns.push(column);
        }
    }
    // Constants may have folded to fewer nonzeros; the windows need them all.
    for (_, value) in &mut outputs {
        *value = scratch.densify(*value);
    }
    let body = Func::freeze(body.name.clone(), &scratch, body.inputs.clone(), outputs);
    let spec = LoopSpec { body, n, n_states: 0, args: modes, results, patterns, range };
    let values = cx.graph.repeat(spec, &args);
    place.map(|p| p.map(|p| values[p]))
}
