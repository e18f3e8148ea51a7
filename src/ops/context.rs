//! What the rules of an operation see while a graph is differentiated.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::accumulation::Entries;
use crate::graph::{ArgMode, Func, Graph, LoopSpec, NodeId, Port, ResultMode, Window};
use crate::sparsity::{IndexMap, Pattern};

/// A derivative that does not exist: an external function came without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingDerivative {
    pub function: Arc<str>,
}

impl std::fmt::Display for MissingDerivative {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the external function `{}` has no derivative", self.function)
    }
}

impl std::error::Error for MissingDerivative {}

/// A derivative function of a function.
#[derive(Debug)]
pub struct Derived {
    /// Inputs: those of the original, then the seeds that are present, direction by direction.
    pub func: Arc<Func>,
    /// For each direction and each output (input, for cotangents) of the original, the output of
    /// `func` that holds its derivative; absent where it is structurally zero.
    pub outputs: Vec<Vec<Option<usize>>>,
}

/// Patterns of the seeds: for each direction, for each input (output, for cotangents).
pub type Seeds = Vec<Vec<Option<Pattern>>>;

/// Makes derivatives of called functions; each is made once and kept with the function.
pub trait Deriver {
    /// Function of the tangents of `f`'s outputs. Its first outputs are the outputs of `f` that
    /// `primal` lists.
    fn tangent(
        &self,
        f: &Arc<Func>,
        seeds: &Seeds,
        primal: &[usize],
    ) -> Result<Arc<Derived>, MissingDerivative>;

    /// Function of the cotangents of the `wanted` inputs of `f`.
    fn adjoint(
        &self,
        f: &Arc<Func>,
        seeds: &Seeds,
        wanted: &[bool],
    ) -> Result<Arc<Derived>, MissingDerivative>;

    /// For each output, for each input: which nonzeros depend on which (nonzeros of the output by
    /// nonzeros of the input).
    fn dependency(&self, f: &Arc<Func>) -> Arc<Vec<Vec<Pattern>>>;

    /// The structural nonzeros of the derivatives of all outputs of `f` by its `active` inputs.
    fn entries(&self, f: &Arc<Func>, active: &[bool]) -> Result<Arc<Entries>, MissingDerivative>;

    /// Jacobian of the nonzeros of `y` by those of the targets, which follow one another, from
    /// directional derivatives: its pattern and the column of its nonzeros. `None` where it is
    /// structurally zero.
    fn colored(
        &self,
        graph: &mut Graph,
        y: NodeId,
        targets: &[NodeId],
    ) -> Result<Option<(Pattern, NodeId)>, MissingDerivative>;
}

const ABSENT: NodeId = NodeId(u32::MAX);

/// Tangents of nodes, several directions at once. A tangent has the shape of its node and no
/// nonzeros outside its node's pattern.
pub struct Tangents<'a> {
    pub graph: &'a mut Graph,
    pub deriver: &'a dyn Deriver,
    directions: Vec<Vec<NodeId>>,
    multi: FxHashMap<NodeId, Vec<Vec<Option<NodeId>>>>,
}

impl<'a> Tangents<'a> {
    pub fn new(graph: &'a mut Graph, deriver: &'a dyn Deriver, n_directions: usize) -> Self {
        let directions = vec![vec![ABSENT; graph.len()]; n_directions];
        Tangents { graph, deriver, directions, multi: FxHashMap::default() }
    }

    pub fn n_directions(&self) -> usize {
        self.directions.len()
    }

    /// The tangent of a node, unless structurally zero.
    pub fn get(&self, direction: usize, id: NodeId) -> Option<NodeId> {
        self.directions[direction].get(id.index()).copied().filter(|&t| t != ABSENT)
    }

    /// Sets the tangent of a node. What lies outside the node's pattern is left out: where a value
    /// is structurally zero, so is its derivative.
    pub fn set(&mut self, direction: usize, id: NodeId, tangent: NodeId) {
        debug_assert_eq!(self.graph.shape(tangent), self.graph.shape(id));
        let tangent = self.graph.restrict(tangent, id);
        if self.graph.nnz(tangent) > 0 {
            self.directions[direction][id.index()] = tangent;
        }
    }

    /// Some direction has a tangent for an argument of the node.
    pub fn is_active(&self, id: NodeId) -> bool {
        let args = self.graph.args(id);
        self.directions
            .iter()
            .any(|d| args.iter().any(|a| d.get(a.index()).is_some_and(|&t| t != ABSENT)))
            || args.first().is_some_and(|a| self.multi.contains_key(a))
    }

    /// Patterns of the tangents of the given nodes.
    pub fn seeds(&self, nodes: &[NodeId]) -> Seeds {
        let pattern = |d: usize, id: NodeId| self.get(d, id).map(|t| self.graph.pattern(t).clone());
        (0..self.n_directions()).map(|d| nodes.iter().map(|&id| pattern(d, id)).collect()).collect()
    }

    /// Tangents of the results of a call, loop or conditional: by direction, by result.
    pub fn set_results(&mut self, id: NodeId, tangents: Vec<Vec<Option<NodeId>>>) {
        self.multi.insert(id, tangents);
    }

    pub fn result(&self, direction: usize, id: NodeId, k: usize) -> Option<NodeId> {
        self.multi.get(&id)?.get(direction)?.get(k).copied().flatten()
    }
}

/// Cotangents of nodes, several directions at once, summed when asked for. A cotangent has the
/// shape of its node and no nonzeros outside its node's pattern.
pub struct Cotangents<'a> {
    pub graph: &'a mut Graph,
    pub deriver: &'a dyn Deriver,
    /// Nodes that depend on what is differentiated by.
    active: Vec<bool>,
    n_directions: usize,
    /// Newest contribution of each node and direction, a linked list through `entries`.
    heads: Vec<u32>,
    entries: Vec<Contribution>,
    maps: Vec<IndexMap>,
    multi: FxHashMap<(NodeId, usize, usize), NodeId>,
}

#[derive(Clone, Copy)]
struct Contribution {
    next: u32,
    value: NodeId,
    /// Number of the map by which nonzero `k` of `value` belongs to nonzero `map(k)` of the node;
    /// [`NONE`] where `value` is a cotangent as a whole.
    map: u32,
}

const NONE: u32 = u32::MAX;

impl<'a> Cotangents<'a> {
    pub fn new(
        graph: &'a mut Graph,
        deriver: &'a dyn Deriver,
        n_directions: usize,
        active: Vec<bool>,
    ) -> Self {
        let heads = vec![NONE; active.len() * n_directions];
        let (entries, maps, multi) = (Vec::new(), Vec::new(), FxHashMap::default());
        Cotangents { graph, deriver, active, n_directions, heads, entries, maps, multi }
    }

    pub fn n_directions(&self) -> usize {
        self.n_directions
    }

    /// Whether the cotangent of a node is of use.
    pub fn wants(&self, id: NodeId) -> bool {
        self.active.get(id.index()).copied().unwrap_or(false)
    }

    /// Adds a cotangent of the shape of the node.
    pub fn add(&mut self, direction: usize, id: NodeId, value: NodeId) {
        if !self.wants(id) {
            return;
        }
        debug_assert_eq!(self.graph.shape(value), self.graph.shape(id));
        let value = self.graph.restrict(value, id);
        if self.graph.nnz(value) > 0 {
            self.push(direction, id, value, NONE);
        }
    }

    /// Adds nonzero `k` of `value` to the cotangent of nonzero `map(k)` of the node.
    pub fn add_part(&mut self, direction: usize, id: NodeId, value: NodeId, map: IndexMap) {
        debug_assert_eq!(self.graph.nnz(value), map.len());
        if self.graph.nnz(value) > 0 && self.wants(id) {
            self.maps.push(map);
            self.push(direction, id, value, self.maps.len() as u32 - 1);
        }
    }

    fn push(&mut self, direction: usize, id: NodeId, value: NodeId, map: u32) {
        let head = &mut self.heads[id.index() * self.n_directions + direction];
        let next = std::mem::replace(head, self.entries.len() as u32);
        self.entries.push(Contribution { next, value, map });
    }

    /// The sum of all contributions so far, unless structurally zero.
    pub fn get(&mut self, direction: usize, id: NodeId) -> Option<NodeId> {
        let head = *self.heads.get(id.index() * self.n_directions + direction)?;
        let mut at = head;
        let (mut whole, mut parts): (Option<NodeId>, Vec<(NodeId, IndexMap)>) = (None, Vec::new());
        while at != NONE {
            let Contribution { next, value, map } = self.entries[at as usize];
            at = next;
            match self.maps.get_mut(map as usize) {
                None => whole = Some(whole.map_or(value, |sum| self.graph.add(value, sum))),
                Some(map) => {
                    parts.push((value, std::mem::replace(map, IndexMap::identity(0))));
                }
            }
        }
        if !parts.is_empty() {
            parts.reverse();
            let is_dense = whole.is_some_and(|whole| self.graph.pattern(whole).is_dense());
            let sum = self.join(id, &parts, is_dense);
            whole = Some(whole.map_or(sum, |w| self.graph.add(w, sum)));
        }
        let sum = whole?;
        self.entries[head as usize] = Contribution { next: NONE, value: sum, map: NONE };
        Some(sum)
    }

    /// One value from contributions to single nonzeros of node `id`. Where the sum is dense anyway,
    /// it may have explicit zeros.
    fn join(&mut self, id: NodeId, parts: &[(NodeId, IndexMap)], is_dense: bool) -> NodeId {
        let pattern = self.graph.pattern(id).clone();
        if pattern.nnz() == 1 {
            let mut sum = None;
            for (value, map) in parts {
                for k in 0..map.len() {
                    let term = self.graph.gather(*value, IndexMap::range(k, 1), pattern.clone());
                    sum = Some(sum.map_or(term, |s| self.graph.add(s, term)));
                }
            }
            return sum.unwrap_or_else(|| self.graph.zero(pattern.n_rows(), pattern.n_cols()));
        }
        if let [(value, map)] = parts
            && map.len() == pattern.nnz()
        {
            return self.graph.scatter(*value, map.clone(), pattern);
        }
        // What is a cotangent of all nonzeros in order needs no map.
        let is_whole = |map: &IndexMap| map.len() == pattern.nnz() && map.is_identity(map.len());
        if parts.iter().any(|(_, map)| is_whole(map)) {
            let (whole, rest): (Vec<_>, Vec<_>) =
                parts.iter().cloned().partition(|p| is_whole(&p.1));
            let mut sum = match rest[..] {
                [] => self.graph.zero(pattern.n_rows(), pattern.n_cols()),
                _ => self.join(id, &rest, pattern.is_dense()),
            };
            for (value, map) in whole {
                let value = self.graph.gather(value, map, pattern.clone());
                sum = self.graph.add(value, sum);
            }
            return sum;
        }
        if let Some(sum) = interleaved(self.graph, parts, &pattern, is_dense) {
            return sum;
        }
        let values: Vec<NodeId> = parts.iter().map(|p| p.0).collect();
        let targets: Vec<u32> = parts.iter().flat_map(|p| p.1.iter().map(|k| k as u32)).collect();
        let stacked = self.graph.concat(&values);
        let mut touched = targets.clone();
        touched.sort_unstable();
        touched.dedup();
        let map =
            targets.iter().map(|t| touched.binary_search(t).map_or(0, |k| k as u32)).collect();
        self.graph.scatter(stacked, IndexMap::from_table(map), pattern.select(&touched))
    }

    /// Sets the cotangent of result `k` of a call, loop or conditional.
    pub fn set_result(&mut self, direction: usize, id: NodeId, k: usize, value: NodeId) {
        self.multi.insert((id, direction, k), value);
    }

    pub fn result(&self, direction: usize, id: NodeId, k: usize) -> Option<NodeId> {
        self.multi.get(&(id, direction, k)).copied()
    }

    /// Cotangents of the `n` results of a node: by direction, by result.
    pub fn results(&self, id: NodeId, n: usize) -> Vec<Vec<Option<NodeId>>> {
        (0..self.n_directions).map(|d| (0..n).map(|k| self.result(d, id, k)).collect()).collect()
    }
}

/// Contributions of which each has the same places in every block of a long value, and no place
/// has two: a loop over blocks, so that no table is as long as the value. Places that have none
/// become explicit zeros, if they may.
fn interleaved(
    graph: &mut Graph,
    parts: &[(NodeId, IndexMap)],
    pattern: &Pattern,
    may_fill: bool,
) -> Option<NodeId> {
    const SHORTEST: usize = 1 << 12;
    const LONGEST_BLOCK: i64 = 1 << 10;
    let nnz = pattern.nnz();
    if nnz < SHORTEST {
        return None;
    }
    let mut blocks = None;
    // For each place of a block the contribution, one after the other.
    let mut places: Vec<i64> = Vec::new();
    let (mut ports, mut modes) = (Vec::new(), Vec::new());
    for (_, map) in parts {
        let IndexMap::Affine(affine) = map else { return None };
        let outer = affine.dims.iter().rposition(|d| d.0 > 1)?;
        let (n, block) = (affine.dims[outer].0 as usize, i64::from(affine.dims[outer].1));
        let len = map.len() / n;
        let fits = (1..=LONGEST_BLOCK).contains(&block) && block as usize * n == nnz;
        if !fits || *blocks.get_or_insert((n, block)) != (n, block) {
            return None;
        }
        places.extend((0..len).map(|k| map.get(k) as i64));
        ports.push(Port::new("part", Pattern::dense(len, 1)));
        modes.push(ArgMode::Window(Window::stacked(len)));
    }
    let (n, block) = blocks?;
    let mut sources = vec![u32::MAX; block as usize];
    for (k, &place) in places.iter().enumerate() {
        let source = sources.get_mut(place as usize)?;
        if std::mem::replace(source, k as u32) != u32::MAX {
            return None;
        }
    }
    let is_full = places.len() == sources.len();
    if !is_full && !may_fill {
        return None;
    }
    // Behind all parts stands a zero.
    sources.iter_mut().for_each(|source| *source = (*source).min(places.len() as u32));
    let mut body = Graph::new();
    let mut inputs = body.inputs(&ports);
    if !is_full {
        inputs.push(body.explicit_zeros(Pattern::scalar()));
    }
    let stacked = body.concat(&inputs);
    let column = Pattern::dense(block as usize, 1);
    let whole = body.gather(stacked, IndexMap::from_table(sources), column);
    let body = Func::freeze("blocks", &body, ports, vec![("block".into(), whole)]);
    let spec = LoopSpec {
        body,
        n: n as u64,
        n_states: 0,
        args: modes,
        results: vec![ResultMode::Window(Window::stacked(block as usize))],
        patterns: vec![Pattern::dense(nnz, 1)],
        range: None,
    };
    let values: Vec<NodeId> = parts.iter().map(|p| p.0).collect();
    let whole = graph.repeat(spec, &values)[0];
    Some(graph.gather(whole, IndexMap::identity(nnz), pattern.clone()))
}
