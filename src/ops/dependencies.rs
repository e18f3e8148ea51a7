//! Which seeds the nonzeros of each node depend on, while a graph is walked.

use rustc_hash::FxHashMap;

use super::context::Deriver;
use crate::graph::{Graph, NodeId};
use crate::sparsity::adjacency::Lists;
use crate::sparsity::{DependencyMatrix, IndexMap, Pattern, PatternError};

/// Dependencies of nodes on the nonzeros of what a derivative is taken by.
pub struct Dependencies<'a> {
    pub graph: &'a Graph,
    pub deriver: &'a dyn Deriver,
    n_seeds: usize,
    rows: Vec<Option<DependencyMatrix>>,
    multi: FxHashMap<NodeId, Vec<DependencyMatrix>>,
    error: Option<PatternError>,
}

impl<'a> Dependencies<'a> {
    pub fn new(graph: &'a Graph, deriver: &'a dyn Deriver, n_seeds: usize) -> Self {
        let rows = vec![None; graph.len()];
        Dependencies { graph, deriver, n_seeds, rows, multi: FxHashMap::default(), error: None }
    }

    pub fn n_seeds(&self) -> usize {
        self.n_seeds
    }

    /// The first failure: dependencies beyond the largest pattern.
    pub fn error(&self) -> Option<&PatternError> {
        self.error.as_ref()
    }

    /// Dependencies of the nonzeros of a node.
    pub fn get(&self, id: NodeId) -> DependencyMatrix {
        match &self.rows[id.index()] {
            Some(rows) => rows.clone(),
            None => DependencyMatrix::empty(self.graph.nnz(id), self.n_seeds),
        }
    }

    /// Whether a node depends on any seed.
    pub fn is_active(&self, id: NodeId) -> bool {
        self.rows[id.index()].is_some()
    }

    pub fn set(&mut self, id: NodeId, rows: DependencyMatrix) {
        if !rows.is_empty() {
            debug_assert_eq!(rows.n_rows(), self.graph.nnz(id));
            self.rows[id.index()] = Some(rows);
        }
    }

    /// Forgets the dependencies of a node that nothing needs any more.
    pub fn release(&mut self, id: NodeId) {
        self.rows[id.index()] = None;
        self.multi.remove(&id);
    }

    /// Keeps the first error; goes on as if nothing depended on anything.
    pub fn checked(
        &mut self,
        n_rows: usize,
        result: Result<DependencyMatrix, PatternError>,
    ) -> DependencyMatrix {
        result.unwrap_or_else(|error| {
            self.error.get_or_insert(error);
            DependencyMatrix::empty(n_rows, self.n_seeds)
        })
    }

    /// Each of `n` nonzeros depends on what the same nonzero of any of `args` depends on; a 1x1
    /// argument counts for all.
    pub fn set_union(&mut self, id: NodeId, n: usize, args: &[NodeId]) {
        let mut parts: Vec<DependencyMatrix> = Vec::new();
        for &a in args {
            let rows = self.get(a);
            if !rows.is_empty() {
                parts.push(if rows.n_rows() == n { rows } else { rows.broadcast(0, n) });
            }
        }
        if !parts.is_empty() {
            let parts: Vec<&DependencyMatrix> = parts.iter().collect();
            let rows = self.checked(n, DependencyMatrix::union(&parts));
            self.set(id, rows);
        }
    }

    pub fn set_gather(&mut self, id: NodeId, arg: NodeId, map: &IndexMap) {
        if self.is_active(arg) {
            let rows = self.get(arg).gather(map.iter());
            self.set(id, rows);
        }
    }

    pub fn set_scatter(&mut self, id: NodeId, arg: NodeId, map: &IndexMap) {
        if self.is_active(arg) {
            let n = self.graph.nnz(id);
            let rows = self.get(arg).scatter(n, map.iter().collect::<Vec<_>>());
            let rows = self.checked(n, rows);
            self.set(id, rows);
        }
    }

    pub fn set_concat(&mut self, id: NodeId, args: &[NodeId]) {
        if args.iter().any(|&a| self.is_active(a)) {
            let parts: Vec<DependencyMatrix> = args.iter().map(|&a| self.get(a)).collect();
            let parts: Vec<&DependencyMatrix> = parts.iter().collect();
            let rows = self.checked(self.graph.nnz(id), DependencyMatrix::concat(&parts));
            self.set(id, rows);
        }
    }

    /// The one nonzero of `id` depends on what any nonzero of `arg` depends on.
    pub fn set_all(&mut self, id: NodeId, arg: NodeId) {
        if self.is_active(arg) {
            let rows = self.get(arg).union_rows();
            let rows = self.checked(1, rows);
            self.set(id, rows);
        }
    }

    /// Nonzero `i` of `id` depends on what the nonzeros `terms[i]` of `a` and of `b` depend on.
    pub fn set_bilinear(&mut self, id: NodeId, a: NodeId, b: NodeId, terms: &[Vec<(u32, u32)>]) {
        if !self.is_active(a) && !self.is_active(b) {
            return;
        }
        let (rows_a, rows_b) = (self.get(a), self.get(b));
        let offset = rows_a.n_rows() as u32;
        let both = self.checked(0, DependencyMatrix::concat(&[&rows_a, &rows_b]));
        let (active_a, active_b) = (self.is_active(a), self.is_active(b));
        let pairs = terms.iter().enumerate().flat_map(move |(i, list)| {
            list.iter().flat_map(move |&(ka, kb)| {
                let of_a = active_a.then_some((i as u32, ka));
                let of_b = active_b.then_some((i as u32, offset + kb));
                of_a.into_iter().chain(of_b)
            })
        });
        let lists = Lists::by_key(terms.len(), pairs);
        let rows = self.checked(terms.len(), both.gather_union(&lists));
        self.set(id, rows);
    }

    /// Dependencies of one output of a function, given which of its nonzeros depend on which of
    /// each argument.
    pub fn compose(&mut self, args: &[NodeId], by_input: &[Pattern]) -> DependencyMatrix {
        let rows: Vec<Option<DependencyMatrix>> =
            args.iter().map(|&a| self.is_active(a).then(|| self.get(a))).collect();
        self.compose_rows(&rows, by_input)
    }

    /// [`Dependencies::compose`] from the dependencies of the arguments themselves.
    pub fn compose_rows(
        &mut self,
        rows: &[Option<DependencyMatrix>],
        by_input: &[Pattern],
    ) -> DependencyMatrix {
        let n = by_input.first().map_or(0, Pattern::n_rows);
        let mut parts = vec![DependencyMatrix::empty(n, self.n_seeds)];
        for (rows, pattern) in rows.iter().zip(by_input) {
            if let Some(rows) = rows
                && !pattern.is_zero()
            {
                let part = rows.compose(pattern);
                parts.push(self.checked(n, part));
            }
        }
        let parts: Vec<&DependencyMatrix> = parts.iter().collect();
        self.checked(n, DependencyMatrix::union(&parts))
    }

    /// Dependencies of the results of a call, loop or conditional.
    pub fn set_results(&mut self, id: NodeId, rows: Vec<DependencyMatrix>) {
        self.multi.insert(id, rows);
    }

    pub fn result(&self, id: NodeId, k: usize) -> DependencyMatrix {
        match self.multi.get(&id).and_then(|rows| rows.get(k)) {
            Some(rows) => rows.clone(),
            None => DependencyMatrix::empty(0, self.n_seeds),
        }
    }
}
