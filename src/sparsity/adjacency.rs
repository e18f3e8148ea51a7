//! Graphs of sparsity patterns, the form in which ordering and coloring read them.
//!
//! A Jacobian is a bipartite graph of its columns and rows; a Hessian is the adjacency graph of
//! its variables without loops. Gebremedhin, Manne, Pothen, "What Color Is Your Jacobian?",
//! SIAM Review 47 (2005), section 3.

use super::Pattern;

/// One list of vertices per vertex, compressed; every list increases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lists {
    ptr: Vec<u32>,
    idx: Vec<u32>,
}

impl Lists {
    /// The rows of every column.
    pub fn columns(pattern: &Pattern) -> Lists {
        Lists { ptr: pattern.colptr(), idx: pattern.row_idx() }
    }

    /// The values that come with each key below `n_keys`, in order; larger keys are left out.
    pub fn by_key(n_keys: usize, pairs: impl Iterator<Item = (u32, u32)> + Clone) -> Lists {
        let pairs = pairs.filter(|&(key, _)| (key as usize) < n_keys);
        let mut ptr = vec![0u32; n_keys + 1];
        pairs.clone().for_each(|(key, _)| ptr[key as usize + 1] += 1);
        for key in 0..n_keys {
            ptr[key + 1] += ptr[key];
        }
        let mut next = ptr.clone();
        let mut idx = vec![0u32; ptr[n_keys] as usize];
        for (key, value) in pairs {
            idx[next[key as usize] as usize] = value;
            next[key as usize] += 1;
        }
        Lists { ptr, idx }
    }

    /// [`Lists::by_key`] of triples of a key, a value and a number; the numbers in the order of the
    /// values.
    pub fn by_key_with(
        n_keys: usize,
        triples: impl Iterator<Item = (u32, u32, u32)> + Clone,
    ) -> (Lists, Vec<u32>) {
        let triples = triples.filter(|&(key, _, _)| (key as usize) < n_keys);
        let mut ptr = vec![0u32; n_keys + 1];
        triples.clone().for_each(|(key, _, _)| ptr[key as usize + 1] += 1);
        for key in 0..n_keys {
            ptr[key + 1] += ptr[key];
        }
        let mut next = ptr.clone();
        let mut idx = vec![0u32; ptr[n_keys] as usize];
        let mut numbers = idx.clone();
        for (key, value, number) in triples {
            let at = &mut next[key as usize];
            idx[*at as usize] = value;
            numbers[*at as usize] = number;
            *at += 1;
        }
        (Lists { ptr, idx }, numbers)
    }

    /// From offsets, one more than lists, and the values of all lists; the inverse of
    /// [`Lists::into_parts`].
    pub fn from_parts(ptr: Vec<u32>, idx: Vec<u32>) -> Lists {
        debug_assert_eq!(ptr.last().copied(), Some(idx.len() as u32));
        Lists { ptr, idx }
    }

    /// Number of lists.
    pub fn len(&self) -> usize {
        self.ptr.len() - 1
    }

    /// There are no lists.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// List of vertex `v`.
    pub fn of(&self, v: u32) -> &[u32] {
        &self.idx[self.range(v)]
    }

    /// Where the list of vertex `v` stands among all entries.
    pub fn range(&self, v: u32) -> std::ops::Range<usize> {
        self.ptr[v as usize] as usize..self.ptr[v as usize + 1] as usize
    }

    /// All lists, one after the other.
    pub fn values(&self) -> &[u32] {
        &self.idx
    }

    /// Offsets of the lists, one more than lists, and their values.
    pub fn into_parts(self) -> (Vec<u32>, Vec<u32>) {
        (self.ptr, self.idx)
    }

    /// Length of the list of vertex `v`.
    pub fn degree(&self, v: u32) -> usize {
        self.range(v).len()
    }

    /// Length of the longest list.
    pub fn max_degree(&self) -> usize {
        self.ptr.windows(2).map(|w| (w[1] - w[0]) as usize).max().unwrap_or(0)
    }

    /// Entries of all lists together.
    pub fn n_entries(&self) -> usize {
        self.idx.len()
    }

    /// For each of the `n` values the lists in which it occurs.
    pub fn transposed(&self, n: usize) -> Lists {
        let lists = 0..self.len() as u32;
        Lists::by_key(n, lists.flat_map(|v| self.of(v).iter().map(move |&x| (x, v))))
    }
}

/// Bipartite graph seen from the side that is colored: each vertex lies in some *nets*, and two
/// vertices are at distance 2 when they share one.
#[derive(Clone, Debug)]
pub struct Bipartite {
    /// Nets of every vertex.
    pub nets: Lists,
    /// Vertices of every net.
    pub vertices: Lists,
}

impl Bipartite {
    /// Columns are the vertices, rows the nets.
    pub fn columns(pattern: &Pattern) -> Bipartite {
        let nets = Lists::columns(pattern);
        let vertices = nets.transposed(pattern.n_rows());
        Bipartite { nets, vertices }
    }

    /// Rows are the vertices, columns the nets.
    pub fn rows(pattern: &Pattern) -> Bipartite {
        Bipartite::columns(pattern).flipped()
    }

    /// The same graph seen from the other side.
    pub fn flipped(self) -> Bipartite {
        Bipartite { nets: self.vertices, vertices: self.nets }
    }

    pub fn n_vertices(&self) -> usize {
        self.nets.len()
    }
}

/// Graph of a square pattern: `i` and `j` are adjacent when entry (i, j) or (j, i) is a
/// structural nonzero and `i != j`.
#[derive(Clone, Debug)]
pub struct Adjacency {
    /// Neighbors of every vertex.
    pub neighbors: Lists,
    /// Edge index of every entry of `neighbors`, the same from both ends.
    pub edges: Vec<u32>,
}

impl Adjacency {
    /// `None` if the pattern is not square.
    pub fn new(pattern: &Pattern) -> Option<Adjacency> {
        let n = pattern.n_rows();
        if pattern.n_cols() != n {
            return None;
        }
        let columns = Lists::columns(pattern);
        let rows = columns.transposed(n);
        let mut ptr = Vec::with_capacity(n + 1);
        let mut idx = Vec::with_capacity(columns.n_entries());
        ptr.push(0);
        for v in 0..n as u32 {
            merge(columns.of(v), rows.of(v), |x| {
                if x != v {
                    idx.push(x);
                }
            });
            ptr.push(idx.len() as u32);
        }
        let neighbors = Lists { ptr, idx };
        // Visiting edges from their smaller end meets the list of the larger end in order.
        let mut next: Vec<u32> = neighbors.ptr.clone();
        let mut edges = vec![0u32; neighbors.idx.len()];
        let mut n_edges = 0;
        for v in 0..n as u32 {
            for slot in neighbors.range(v) {
                let x = neighbors.idx[slot];
                if x > v {
                    edges[slot] = n_edges;
                    edges[next[x as usize] as usize] = n_edges;
                    next[x as usize] += 1;
                    n_edges += 1;
                }
            }
        }
        Some(Adjacency { neighbors, edges })
    }

    pub fn n_vertices(&self) -> usize {
        self.neighbors.len()
    }

    pub fn n_edges(&self) -> usize {
        self.edges.len() / 2
    }

    /// (neighbor, edge index) of every neighbor of `v`.
    pub fn incident(&self, v: u32) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.neighbors.range(v).map(|slot| (self.neighbors.idx[slot], self.edges[slot]))
    }
}

/// Calls `visit` on the union of two increasing lists, in order.
pub(super) fn merge(a: &[u32], b: &[u32], mut visit: impl FnMut(u32)) {
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        visit(a[i].min(b[j]));
        let (x, y) = (a[i], b[j]);
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    a[i..].iter().chain(&b[j..]).for_each(|&x| visit(x));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjacency_is_symmetric_without_loops() {
        let pattern = Pattern::from_entries(4, 4, [(0, 0), (1, 0), (0, 1), (3, 1), (2, 3)]);
        let graph = Adjacency::new(&pattern).unwrap();
        let of = |v| graph.neighbors.of(v).to_vec();
        assert_eq!([of(0), of(1), of(2), of(3)], [vec![1], vec![0, 3], vec![3], vec![1, 2]]);
        assert_eq!(graph.n_edges(), 3);
        for v in 0..4 {
            for (x, e) in graph.incident(v) {
                assert!(graph.incident(x).any(|back| back == (v, e)));
            }
        }
        assert!(Adjacency::new(&Pattern::dense(2, 3)).is_none());
    }
}
