//! Greedy partial distance-2 coloring of one side of a bipartite graph.
//!
//! Gebremedhin, Manne, Pothen, "What Color Is Your Jacobian?", SIAM Review 47 (2005),
//! Algorithm 3.2, with long nets held as sets of colors: visiting all pairs of their vertices
//! would be quadratic.

use super::adjacency::Bipartite;
use super::coloring::{Forbidden, UNCOLORED};
use super::ordering::LONG_NET;

/// Gives each vertex, in the order of `order`, the smallest color that no vertex with a common
/// net has.
pub fn greedy_distance2(graph: &Bipartite, order: &[u32]) -> Vec<u32> {
    let mut colors = vec![UNCOLORED; graph.n_vertices()];
    let mut forbidden = Forbidden::new();
    let mut long_nets = LongNets::new(graph);
    let mut long: Vec<u32> = Vec::new();
    for &v in order {
        long.clear();
        for &net in graph.nets.of(v) {
            if let Some(id) = long_nets.id(net) {
                long.push(id);
                continue;
            }
            for &x in graph.vertices.of(net) {
                let color = colors[x as usize];
                if color != UNCOLORED {
                    forbidden.forbid(color, v);
                }
            }
        }
        let color = if long.is_empty() {
            forbidden.smallest_allowed(0, v)
        } else {
            long_nets.smallest_allowed(&long, |color| forbidden.is_forbidden(color, v))
        };
        long.iter().for_each(|&id| long_nets.insert(id, color));
        colors[v as usize] = color;
    }
    colors
}

/// Steps of [`greedy_distance2`], about.
pub fn distance2_work(graph: &Bipartite) -> u64 {
    let nets = 0..graph.vertices.len() as u32;
    nets.map(|net| graph.vertices.degree(net) as u64)
        .map(|length| length * length.min(LONG_NET as u64))
        .sum()
}

/// The colors in use among the vertices of every long net.
struct LongNets {
    /// Position in `sets` of every long net, `UNCOLORED` for the others; empty without any.
    id: Vec<u32>,
    sets: Vec<ColorSet>,
}

#[derive(Clone, Default)]
struct ColorSet {
    words: Vec<u64>,
    /// All words before this one are full.
    first_open: usize,
}

impl LongNets {
    fn new(graph: &Bipartite) -> LongNets {
        if graph.vertices.max_degree() <= LONG_NET {
            return LongNets { id: Vec::new(), sets: Vec::new() };
        }
        let mut n_long = 0;
        let id = (0..graph.vertices.len() as u32)
            .map(|net| {
                let is_long = graph.vertices.degree(net) > LONG_NET;
                n_long += u32::from(is_long);
                if is_long { n_long - 1 } else { UNCOLORED }
            })
            .collect();
        LongNets { id, sets: vec![ColorSet::default(); n_long as usize] }
    }

    fn id(&self, net: u32) -> Option<u32> {
        self.id.get(net as usize).copied().filter(|&id| id != UNCOLORED)
    }

    fn insert(&mut self, id: u32, color: u32) {
        let set = &mut self.sets[id as usize];
        let word = color as usize / 64;
        if word >= set.words.len() {
            set.words.resize(word + 1, 0);
        }
        set.words[word] |= 1 << (color % 64);
        while set.words.get(set.first_open) == Some(&u64::MAX) {
            set.first_open += 1;
        }
    }

    /// Smallest color in none of the sets `ids` and not forbidden otherwise.
    fn smallest_allowed(&self, ids: &[u32], is_forbidden: impl Fn(u32) -> bool) -> u32 {
        let sets = || ids.iter().map(|&id| &self.sets[id as usize]);
        let mut word = sets().map(|set| set.first_open).max().unwrap_or(0);
        loop {
            let used = sets().fold(0, |used, set| used | set.words.get(word).unwrap_or(&0));
            let mut open = !used;
            while open != 0 {
                let color = (word * 64) as u32 + open.trailing_zeros();
                if !is_forbidden(color) {
                    return color;
                }
                open &= open - 1;
            }
            word += 1;
        }
    }
}
