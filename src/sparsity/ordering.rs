//! Orders in which greedy coloring visits the vertices of a graph.
//!
//! Gebremedhin, Nguyen, Patwary, Pothen, "ColPack: Software for Graph Coloring and Related
//! Problems in Scientific Computing", ACM TOMS 40 (2013), section 5. All orders are
//! deterministic.

use super::adjacency::{Adjacency, Bipartite};

/// Which vertex comes next.
///
/// ```
/// use nablac::sparsity::Pattern;
/// use nablac::sparsity::adjacency::Bipartite;
/// use nablac::sparsity::ordering::Order;
/// let pattern = Pattern::try_from_entries(2, 3, [(0, 0), (0, 1), (1, 1), (1, 2)])?;
/// let graph = Bipartite::columns(&pattern);
/// assert_eq!(Order::Natural.of_bipartite(&graph), [0, 1, 2]);
/// // Column 1 meets both others.
/// assert_eq!(Order::LargestFirst.of_bipartite(&graph)[0], 1);
/// # Ok::<(), nablac::sparsity::PatternError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By index.
    Natural,
    /// By degree, largest first.
    LargestFirst,
    /// The vertex of smallest degree comes last, and so on in the graph without it.
    SmallestLast,
    /// The vertex with most neighbors already in the order comes next.
    IncidenceDegree,
}

impl Order {
    /// All orders, the cheapest first.
    pub const ALL: [Order; 4] =
        [Order::Natural, Order::LargestFirst, Order::SmallestLast, Order::IncidenceDegree];

    /// Order of the vertices of an adjacency graph, in time linear in its edges.
    pub fn of_adjacency(self, graph: &Adjacency) -> Vec<u32> {
        let neighbors = |v, visit: &mut dyn FnMut(u32)| {
            graph.neighbors.of(v).iter().for_each(|&x| visit(x));
        };
        self.order(graph.n_vertices(), neighbors)
    }

    /// Order of the vertices of a bipartite graph by their neighbors at distance 2.
    ///
    /// Nets longer than [`LONG_NET`] do not count: they give all their vertices about the same
    /// degree and would make the order quadratic. Time is linear in the sum of squared lengths
    /// of the others.
    pub fn of_bipartite(self, graph: &Bipartite) -> Vec<u32> {
        let mut seen = vec![u32::MAX; graph.n_vertices()];
        // A second walk from the same vertex, for another purpose, must see all neighbors again.
        let mut walk = 0u32;
        let neighbors = |v, visit: &mut dyn FnMut(u32)| {
            walk = walk.wrapping_add(1);
            seen[v as usize] = walk;
            for &net in graph.nets.of(v) {
                let members = graph.vertices.of(net);
                if members.len() > LONG_NET {
                    continue;
                }
                for &x in members {
                    if seen[x as usize] != walk {
                        seen[x as usize] = walk;
                        visit(x);
                    }
                }
            }
        };
        self.order(graph.n_vertices(), neighbors)
    }

    fn order(self, n: usize, mut neighbors: impl FnMut(u32, &mut dyn FnMut(u32))) -> Vec<u32> {
        let vertices = 0..n as u32;
        match self {
            Order::Natural => vertices.collect(),
            Order::LargestFirst => {
                let degree = degrees(n, &mut neighbors);
                let mut order: Vec<u32> = vertices.collect();
                order.sort_by_key(|&v| std::cmp::Reverse(degree[v as usize]));
                order
            }
            Order::SmallestLast => {
                let mut queue = BucketQueue::new(degrees(n, &mut neighbors), vertices);
                let mut order = Vec::with_capacity(n);
                while let Some(v) = queue.pop_smallest() {
                    order.push(v);
                    neighbors(v, &mut |x| queue.shift(x, -1));
                }
                order.reverse();
                order
            }
            Order::IncidenceDegree => {
                let mut queue = BucketQueue::new(vec![0; n], vertices.rev());
                let mut order = Vec::with_capacity(n);
                while let Some(v) = queue.pop_largest() {
                    order.push(v);
                    neighbors(v, &mut |x| queue.shift(x, 1));
                }
                order
            }
        }
    }
}

/// Nets with more vertices than this are treated apart wherever pairs of their vertices would
/// be visited.
pub const LONG_NET: usize = 128;

fn degrees(n: usize, neighbors: &mut impl FnMut(u32, &mut dyn FnMut(u32))) -> Vec<u32> {
    (0..n as u32)
        .map(|v| {
            let mut degree = 0;
            neighbors(v, &mut |_| degree += 1);
            degree
        })
        .collect()
}

const NONE: u32 = u32::MAX;

/// Vertices in doubly linked lists, one list per key; the last one put in a list leaves first.
/// Keys change by one at a time, so the smallest and the largest key are found in constant
/// amortised time.
struct BucketQueue {
    key: Vec<u32>,
    queued: Vec<bool>,
    head: Vec<u32>,
    next: Vec<u32>,
    previous: Vec<u32>,
    /// No vertex has a key below `low` or above `high`.
    low: usize,
    high: usize,
}

impl BucketQueue {
    fn new(key: Vec<u32>, vertices: impl Iterator<Item = u32>) -> BucketQueue {
        let n = key.len();
        let high = key.iter().copied().max().unwrap_or(0) as usize;
        let mut queue = BucketQueue {
            key,
            queued: vec![true; n],
            head: vec![NONE; high + 1],
            next: vec![NONE; n],
            previous: vec![NONE; n],
            low: 0,
            high,
        };
        vertices.for_each(|v| queue.link(v));
        queue
    }

    fn link(&mut self, v: u32) {
        let key = self.key[v as usize] as usize;
        if key >= self.head.len() {
            self.head.resize(key + 1, NONE);
        }
        let first = std::mem::replace(&mut self.head[key], v);
        self.next[v as usize] = first;
        self.previous[v as usize] = NONE;
        if first != NONE {
            self.previous[first as usize] = v;
        }
    }

    fn unlink(&mut self, v: u32) {
        let (previous, next) = (self.previous[v as usize], self.next[v as usize]);
        match previous {
            NONE => self.head[self.key[v as usize] as usize] = next,
            _ => self.next[previous as usize] = next,
        }
        if next != NONE {
            self.previous[next as usize] = previous;
        }
    }

    fn shift(&mut self, v: u32, step: i32) {
        if !self.queued[v as usize] {
            return;
        }
        self.unlink(v);
        let key = self.key[v as usize].saturating_add_signed(step);
        self.key[v as usize] = key;
        self.low = self.low.min(key as usize);
        self.high = self.high.max(key as usize);
        self.link(v);
    }

    fn pop_smallest(&mut self) -> Option<u32> {
        while self.low <= self.high && self.head[self.low] == NONE {
            self.low += 1;
        }
        self.pop(self.low)
    }

    fn pop_largest(&mut self) -> Option<u32> {
        while self.high > 0 && self.head[self.high] == NONE {
            self.high -= 1;
        }
        self.pop(self.high)
    }

    fn pop(&mut self, key: usize) -> Option<u32> {
        let v = *self.head.get(key)?;
        if v == NONE {
            return None;
        }
        self.unlink(v);
        self.queued[v as usize] = false;
        Some(v)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sparsity::Pattern;
    use proptest::prelude::*;

    fn star_with_tail() -> Adjacency {
        // 0 - {1, 2, 3}, 3 - 4
        let edges = [(1, 0), (2, 0), (3, 0), (4, 3)];
        Adjacency::new(&Pattern::from_entries(5, 5, edges)).unwrap()
    }

    #[test]
    fn known_orders() {
        let graph = star_with_tail();
        assert_eq!(Order::Natural.of_adjacency(&graph), [0, 1, 2, 3, 4]);
        assert_eq!(Order::LargestFirst.of_adjacency(&graph), [0, 3, 1, 2, 4]);
        assert_eq!(Order::IncidenceDegree.of_adjacency(&graph), [0, 3, 4, 2, 1]);
        // Leaves go last; a bare edge 0 - 3 remains at the front.
        let order = Order::SmallestLast.of_adjacency(&graph);
        assert_eq!(order[4], 4);
        assert!(order[..2].contains(&0));
    }

    #[test]
    fn long_nets_do_not_count() {
        let n = 4 * LONG_NET;
        let arrow = (0..n).flat_map(|k| [(0, k), (k, k)]);
        let graph = Bipartite::columns(&Pattern::from_entries(n, n, arrow));
        let natural: Vec<u32> = (0..n as u32).collect();
        assert_eq!(Order::LargestFirst.of_bipartite(&graph), natural);
    }

    /// Smallest-last by its definition.
    fn is_smallest_last(graph: &Adjacency, order: &[u32]) -> bool {
        let mut left = vec![true; graph.n_vertices()];
        let degree = |left: &[bool], v: u32| {
            graph.neighbors.of(v).iter().filter(|&&x| left[x as usize]).count()
        };
        order.iter().rev().all(|&v| {
            let smallest = (0..left.len() as u32)
                .filter(|&x| left[x as usize])
                .map(|x| degree(&left, x))
                .min();
            let holds = smallest == Some(degree(&left, v));
            left[v as usize] = false;
            holds
        })
    }

    proptest! {
        #[test]
        fn orders_are_permutations(entries in proptest::collection::vec((0..9usize, 0..9usize), 0..30)) {
            let pattern = Pattern::from_entries(9, 9, entries);
            let graph = Adjacency::new(&pattern).unwrap();
            for order in Order::ALL {
                for mut vertices in
                    [order.of_adjacency(&graph), order.of_bipartite(&Bipartite::rows(&pattern))]
                {
                    vertices.sort_unstable();
                    prop_assert_eq!(vertices, (0..9).collect::<Vec<u32>>());
                }
            }
            prop_assert!(is_smallest_last(&graph, &Order::SmallestLast.of_adjacency(&graph)));
        }
    }
}
