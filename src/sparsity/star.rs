//! Greedy star coloring of an adjacency graph.
//!
//! Gebremedhin, Tarafdar, Manne, Pothen, "New Acyclic and Star Coloring Algorithms with
//! Application to Computing Hessians", SIAM J. Sci. Comput. 29 (2007), Algorithm 4.1. The
//! two-colored stars are held from their spokes: each vertex lists the hubs of the stars in
//! which it is a spoke, so that a vertex of high degree costs no scan of all its neighbors.

use rustc_hash::FxHashMap;

use super::adjacency::Adjacency;
use super::coloring::{Forbidden, UNCOLORED};

/// Colors the vertices of `order`, the others being absent from the graph, so that adjacent
/// vertices differ and no path on four vertices has two colors. Takes its steps off `budget`;
/// `None` when they do not suffice.
pub fn greedy_star(graph: &Adjacency, order: &[u32], budget: &mut u64) -> Option<Vec<u32>> {
    let mut state = Stars::new(graph);
    for &v in order {
        let steps = state.color(v);
        *budget = budget.saturating_sub(steps);
        if *budget == 0 {
            return None;
        }
    }
    Some(state.colors)
}

/// Vertices with more neighbors than this keep an index of the colors around them.
const MANY_NEIGHBORS: usize = 64;

struct Stars<'g> {
    graph: &'g Adjacency,
    colors: Vec<u32>,
    forbidden: Forbidden,
    /// Per color: the vertex at hand when it was last met, the neighbor that had it, how often.
    met: Vec<(u32, u32, u32)>,
    /// Per vertex the last one for which the colors around it were forbidden.
    treated: Vec<u32>,
    /// Per vertex a chain in `hubs` of the hubs of which it is a spoke.
    first_hub: Vec<u32>,
    /// (hub, next in chain).
    hubs: Vec<(u32, u32)>,
    /// Colors around the vertices of high degree: color to one such neighbor and whether there
    /// are more.
    around: FxHashMap<u32, FxHashMap<u32, (u32, bool)>>,
}

impl<'g> Stars<'g> {
    fn new(graph: &'g Adjacency) -> Stars<'g> {
        let n = graph.n_vertices();
        let around = (0..n as u32)
            .filter(|&v| graph.neighbors.degree(v) > MANY_NEIGHBORS)
            .map(|v| (v, FxHashMap::default()))
            .collect();
        Stars {
            graph,
            colors: vec![UNCOLORED; n],
            forbidden: Forbidden::new(),
            met: Vec::new(),
            treated: vec![UNCOLORED; n],
            first_hub: vec![UNCOLORED; n],
            hubs: Vec::new(),
            around,
        }
    }

    /// Colors `v`; gives the number of steps taken.
    fn color(&mut self, v: u32) -> u64 {
        let graph = self.graph;
        let neighbors = graph.neighbors.of(v);
        let mut steps = 1 + neighbors.len() as u64;
        for &w in neighbors {
            let color = self.colors[w as usize];
            if color == UNCOLORED {
                continue;
            }
            self.forbidden.forbid(color, v);
            if color as usize >= self.met.len() {
                self.met.resize(color as usize + 1, (UNCOLORED, 0, 0));
            }
            let (last, first, count) = &mut self.met[color as usize];
            if *last != v {
                (*last, *first, *count) = (v, w, 1);
                // v - w - hub - other spoke, with w and the other spoke of one color.
                let mut link = self.first_hub[w as usize];
                while link != UNCOLORED {
                    let (hub, next) = self.hubs[link as usize];
                    self.forbidden.forbid(self.colors[hub as usize], v);
                    link = next;
                    steps += 1;
                }
            } else {
                // x - w - v - first, with w and first of one color.
                *count += 1;
                let first = *first;
                steps += self.forbid_around(first, v) + self.forbid_around(w, v);
            }
        }
        let color = self.forbidden.smallest_allowed(0, v);
        self.colors[v as usize] = color;
        steps + u64::from(color) + self.update_stars(v, color)
    }

    /// Forbids to `v` all colors around `w`.
    fn forbid_around(&mut self, w: u32, v: u32) -> u64 {
        if std::mem::replace(&mut self.treated[w as usize], v) == v {
            return 1;
        }
        if self.graph.neighbors.degree(w) > MANY_NEIGHBORS {
            let around = &self.around[&w];
            around.keys().for_each(|&color| self.forbidden.forbid(color, v));
            return around.len() as u64;
        }
        let neighbors = self.graph.neighbors.of(w);
        for &x in neighbors {
            let color = self.colors[x as usize];
            if color != UNCOLORED {
                self.forbidden.forbid(color, v);
            }
        }
        neighbors.len() as u64
    }

    /// Enters the edges from `v`, just colored, into the stars.
    fn update_stars(&mut self, v: u32, color: u32) -> u64 {
        let graph = self.graph;
        let mut steps = 0;
        for &w in graph.neighbors.of(v) {
            let color_w = self.colors[w as usize];
            if color_w == UNCOLORED {
                continue;
            }
            if self.met[color_w as usize].2 > 1 {
                self.push_hub(w, v);
            } else {
                let (same, several, scanned) = self.neighbors_of_color(w, color, v);
                steps += scanned;
                if let Some(x) = same {
                    self.push_hub(v, w);
                    if !several {
                        self.push_hub(x, w);
                    }
                }
            }
            if let Some(around) = self.around.get_mut(&w) {
                around.entry(color).and_modify(|found| found.1 = true).or_insert((v, false));
            }
            if graph.neighbors.degree(v) > MANY_NEIGHBORS
                && let Some(around) = self.around.get_mut(&v)
            {
                around.entry(color_w).and_modify(|found| found.1 = true).or_insert((w, false));
            }
        }
        steps
    }

    /// A neighbor of `w` that has `color`, other than `v`; whether there are several; steps.
    fn neighbors_of_color(&self, w: u32, color: u32, v: u32) -> (Option<u32>, bool, u64) {
        if self.graph.neighbors.degree(w) > MANY_NEIGHBORS {
            let found = self.around.get(&w).and_then(|around| around.get(&color));
            return (found.map(|f| f.0), found.is_some_and(|f| f.1), 1);
        }
        let neighbors = self.graph.neighbors.of(w);
        let mut same = neighbors.iter().filter(|&&x| x != v && self.colors[x as usize] == color);
        let (first, second) = (same.next(), same.next());
        (first.copied(), second.is_some(), neighbors.len() as u64)
    }

    fn push_hub(&mut self, spoke: u32, hub: u32) {
        let next = std::mem::replace(&mut self.first_hub[spoke as usize], self.hubs.len() as u32);
        self.hubs.push((hub, next));
    }
}
