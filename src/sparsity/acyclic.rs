//! Greedy acyclic coloring of an adjacency graph.
//!
//! Gebremedhin, Tarafdar, Manne, Pothen, "New Acyclic and Star Coloring Algorithms with
//! Application to Computing Hessians", SIAM J. Sci. Comput. 29 (2007), Algorithm 3.1: the
//! two-colored trees are kept as disjoint sets of edges.

use super::adjacency::Adjacency;
use super::coloring::{Forbidden, UNCOLORED};

/// Colors the vertices of `order`, the others being absent from the graph, so that adjacent
/// vertices differ and no cycle has two colors. Takes its steps off `budget`; `None` when they
/// do not suffice.
pub fn greedy_acyclic(graph: &Adjacency, order: &[u32], budget: &mut u64) -> Option<Vec<u32>> {
    let mut colors = vec![UNCOLORED; graph.n_vertices()];
    let mut forbidden = Forbidden::new();
    let mut trees = DisjointSets::new(graph.n_edges());
    // Per tree, by its root: the vertex at hand when it was last met, and through which neighbor.
    let mut met_tree = vec![(UNCOLORED, UNCOLORED); graph.n_edges()];
    // Per color: the vertex at hand when it was last met, and the edge to the neighbor with it.
    let mut met_color: Vec<(u32, u32)> = Vec::new();
    let colored = |colors: &[u32], v: u32| {
        let with_color = |(x, e)| (x, e, colors[x as usize]);
        graph.incident(v).map(with_color).filter(|&(.., c)| c != UNCOLORED).collect::<Vec<_>>()
    };
    for &v in order {
        let around = colored(&colors, v);
        let mut steps = 1 + around.len() as u64;
        for &(_, _, color) in &around {
            forbidden.forbid(color, v);
        }
        for &(w, ..) in &around {
            steps += graph.neighbors.degree(w) as u64;
            for (x, edge) in graph.incident(w) {
                let color = colors[x as usize];
                if color == UNCOLORED || forbidden.is_forbidden(color, v) {
                    continue;
                }
                // A tree met through two neighbors would close a cycle if v had x's color.
                let met = &mut met_tree[trees.find(edge) as usize];
                if met.0 != v {
                    *met = (v, w);
                } else if met.1 != w {
                    forbidden.forbid(color, v);
                }
            }
        }
        let color = forbidden.smallest_allowed(0, v);
        colors[v as usize] = color;
        for &(w, edge, color_w) in &around {
            if color_w as usize >= met_color.len() {
                met_color.resize(color_w as usize + 1, (UNCOLORED, 0));
            }
            let met = &mut met_color[color_w as usize];
            if met.0 == v {
                trees.union(edge, met.1);
            } else {
                *met = (v, edge);
            }
            for (x, beyond) in graph.incident(w) {
                if x != v && colors[x as usize] == color {
                    trees.union(edge, beyond);
                }
            }
        }
        *budget = budget.saturating_sub(2 * steps + u64::from(color));
        if *budget == 0 {
            return None;
        }
    }
    Some(colors)
}

/// Union-find with path halving and union by size.
pub(super) struct DisjointSets {
    parent: Vec<u32>,
    size: Vec<u32>,
}

impl DisjointSets {
    pub(super) fn new(n: usize) -> DisjointSets {
        DisjointSets { parent: (0..n as u32).collect(), size: vec![1; n] }
    }

    pub(super) fn find(&mut self, mut x: u32) -> u32 {
        while self.parent[x as usize] != x {
            let grandparent = self.parent[self.parent[x as usize] as usize];
            self.parent[x as usize] = grandparent;
            x = grandparent;
        }
        x
    }

    /// Joins the sets of `a` and `b`; `false` if they were one already.
    pub(super) fn union(&mut self, a: u32, b: u32) -> bool {
        let (a, b) = (self.find(a), self.find(b));
        if a == b {
            return false;
        }
        let (small, large) =
            if self.size[a as usize] < self.size[b as usize] { (a, b) } else { (b, a) };
        self.parent[small as usize] = large;
        self.size[large as usize] += self.size[small as usize];
        true
    }
}
