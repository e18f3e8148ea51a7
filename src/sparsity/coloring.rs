//! Colorings: partitions of the columns, rows or variables of a sparse derivative such that one
//! directional derivative per color suffices.
//!
//! Takes a pattern, gives a [`Coloring`]. Every function tries several orders, within a budget
//! counted in steps so that the result does not depend on the machine, and keeps the coloring
//! with the fewest colors; of equals, the first.
//! Terms and theory: Gebremedhin, Manne, Pothen, "What Color Is Your Jacobian?",
//! SIAM Review 47 (2005).

use super::Pattern;
use super::acyclic::greedy_acyclic;
use super::adjacency::{Adjacency, Bipartite};
use super::distance2::{distance2_work, greedy_distance2};
use super::ordering::Order;
use super::star::greedy_star;

/// A color for every vertex.
///
/// ```
/// use nablac::sparsity::{Pattern, check, column_coloring, star_coloring};
/// // Columns of a tridiagonal matrix need 3 colors; those of an arrow all have one of their own,
/// // but 2 colors are enough for what is symmetric.
/// let band = Pattern::band(9, 9, 1, 1);
/// let coloring = column_coloring(&band);
/// assert_eq!(coloring.n_colors, 3);
/// assert!(check::is_column_coloring(&band, &coloring));
/// let arrow = Pattern::try_from_entries(9, 9, (0..9).flat_map(|k| [(k, k), (0, k), (k, 0)]))?;
/// assert_eq!(column_coloring(&arrow).n_colors, 9);
/// let star = star_coloring(&arrow).unwrap();
/// assert_eq!(star.n_colors, 2);
/// assert!(check::is_star_coloring(&arrow, &star));
/// # Ok::<(), nablac::sparsity::PatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coloring {
    /// Color of every vertex, below `n_colors`.
    pub colors: Vec<u32>,
    pub n_colors: usize,
}

impl Coloring {
    /// Vertex `v` gets `colors[v]`; the colors in use should be `0..n` without gaps.
    pub fn new(colors: Vec<u32>) -> Coloring {
        let n_colors = colors.iter().max().map_or(0, |&c| c as usize + 1);
        Coloring { colors, n_colors }
    }

    /// The same color for all.
    pub fn uniform(n: usize) -> Coloring {
        Coloring::new(vec![0; n])
    }

    /// A color of its own for each.
    pub fn distinct(n: usize) -> Coloring {
        Coloring::new((0..n as u32).collect())
    }
}

/// Steps spent on a coloring before no further order is tried: a fraction of a second.
const BUDGET: u64 = 100_000_000;

/// Colors the columns so that no two columns of one color share a row: a partial distance-2
/// coloring of the columns.
///
/// Time is near-linear in the nonzeros plus the sum of squared lengths of the short rows.
///
/// ```
/// use nablac::sparsity::{Pattern, column_coloring};
/// assert_eq!(column_coloring(&Pattern::band(4, 4, 1, 0)).colors, [0, 1, 0, 1]);
/// ```
pub fn column_coloring(pattern: &Pattern) -> Coloring {
    trivial(pattern, pattern.n_cols())
        .unwrap_or_else(|| distance2_coloring(&Bipartite::columns(pattern)))
}

/// Colors the rows so that no two rows of one color share a column.
pub fn row_coloring(pattern: &Pattern) -> Coloring {
    trivial(pattern, pattern.n_rows())
        .unwrap_or_else(|| distance2_coloring(&Bipartite::rows(pattern)))
}

fn trivial(pattern: &Pattern, n: usize) -> Option<Coloring> {
    if pattern.is_zero() || pattern.is_diagonal() {
        Some(Coloring::uniform(n))
    } else if pattern.is_dense() {
        Some(Coloring::distinct(n))
    } else {
        None
    }
}

/// Colors the vertices of a bipartite graph so that no two vertices of one color share a net.
pub fn distance2_coloring(graph: &Bipartite) -> Coloring {
    // The vertices of one net all differ.
    let fewest = graph.vertices.max_degree();
    let work = distance2_work(graph);
    let mut best = Coloring::new(greedy_distance2(graph, &Order::Natural.of_bipartite(graph)));
    let mut spent = work;
    for order in [Order::LargestFirst, Order::SmallestLast, Order::IncidenceDegree] {
        // Ordering visits the pairs about as often as coloring does, and at greater cost.
        spent = spent.saturating_add(work.saturating_mul(4));
        if best.n_colors <= fewest || spent > BUDGET {
            break;
        }
        let coloring = Coloring::new(greedy_distance2(graph, &order.of_bipartite(graph)));
        if coloring.n_colors < best.n_colors {
            best = coloring;
        }
    }
    best
}

/// Star coloring of a square pattern, taken as symmetric and without its diagonal: adjacent
/// vertices differ, and every path on four vertices has at least three colors. A symmetric
/// matrix is then recovered directly from its products with the color classes.
///
/// ```
/// use nablac::sparsity::{Pattern, star_coloring};
/// assert_eq!(star_coloring(&Pattern::band(50, 50, 1, 1)).unwrap().n_colors, 3);
/// ```
///
/// `None` if the pattern is not square.
pub fn star_coloring(pattern: &Pattern) -> Option<Coloring> {
    symmetric_coloring(pattern, greedy_star)
}

/// Acyclic coloring of a square pattern, taken as symmetric and without its diagonal: adjacent
/// vertices differ, and every cycle has at least three colors. A symmetric matrix is then
/// recovered by substitution from its products with the color classes.
///
/// ```
/// use nablac::sparsity::{Pattern, acyclic_coloring};
/// assert_eq!(acyclic_coloring(&Pattern::band(50, 50, 1, 1)).unwrap().n_colors, 2);
/// ```
///
/// `None` if the pattern is not square.
pub fn acyclic_coloring(pattern: &Pattern) -> Option<Coloring> {
    symmetric_coloring(pattern, greedy_acyclic)
}

/// Colors `order`, the other vertices being absent; takes steps off the budget and gives up,
/// with `None`, when it is used up. Vertices outside of `order` keep [`UNCOLORED`].
type Greedy = fn(&Adjacency, &[u32], &mut u64) -> Option<Vec<u32>>;

/// Mark of a vertex without a color.
pub(super) const UNCOLORED: u32 = u32::MAX;

fn symmetric_coloring(pattern: &Pattern, greedy: Greedy) -> Option<Coloring> {
    let n = pattern.n_cols();
    if pattern.n_rows() != n {
        return None;
    }
    if let Some(coloring) = trivial(pattern, n) {
        return Some(coloring);
    }
    let graph = Adjacency::new(pattern)?;
    // Two distant vertices of very high degree that share a color force their common neighbors
    // apart (rows of a KKT system). With a color of its own such a vertex is the hub of every
    // two-colored star it lies in, and the rest may be colored without it.
    let dominant = dominant_vertices(&graph);
    let size = (n + graph.n_edges()) as u64;
    let mut best: Option<Coloring> = None;
    let patience = if dominant.is_empty() { 1024 } else { 64 };
    try_orders(&graph, greedy, patience * size, &[], &mut best);
    let worth_trying = best.as_ref().is_none_or(|b| dominant.len() + 1 < b.n_colors);
    if !dominant.is_empty() && worth_trying {
        try_orders(&graph, greedy, 1024 * size, &dominant, &mut best);
    }
    Some(best.unwrap_or_else(|| Coloring::distinct(n)))
}

/// Colors in all orders, the vertices `apart` getting colors of their own. The first order may
/// take `first_pass` steps if that is more than the budget.
fn try_orders(
    graph: &Adjacency,
    greedy: Greedy,
    first_pass: u64,
    apart: &[u32],
    best: &mut Option<Coloring>,
) {
    let mut is_apart = vec![false; graph.n_vertices()];
    apart.iter().for_each(|&v| is_apart[v as usize] = true);
    let first_pass = first_pass.max(BUDGET);
    let mut budget = first_pass;
    for kind in Order::ALL {
        let mut order = kind.of_adjacency(graph);
        order.retain(|&v| !is_apart[v as usize]);
        let colors = greedy(graph, &order, &mut budget);
        keep_fewest(best, colors.map(|colors| give_own_colors(colors, apart)));
        if kind == Order::Natural {
            budget = budget.saturating_sub(first_pass - BUDGET);
        }
        if budget == 0 {
            break;
        }
    }
}

fn keep_fewest(best: &mut Option<Coloring>, found: Option<Coloring>) {
    if let Some(found) = found
        && best.as_ref().is_none_or(|b| found.n_colors < b.n_colors)
    {
        *best = Some(found);
    }
}

/// Vertices whose degree is far above the average.
fn dominant_vertices(graph: &Adjacency) -> Vec<u32> {
    let average = graph.neighbors.n_entries() / graph.n_vertices().max(1);
    let limit = 4 * average + 16;
    (0..graph.n_vertices() as u32).filter(|&v| graph.neighbors.degree(v) > limit).collect()
}

fn give_own_colors(mut colors: Vec<u32>, dominant: &[u32]) -> Coloring {
    let used = colors.iter().filter(|&&c| c != UNCOLORED).max().map_or(0, |&c| c + 1);
    for (&v, color) in dominant.iter().zip(used..) {
        colors[v as usize] = color;
    }
    Coloring::new(colors)
}

/// Colors forbidden to the vertex at hand.
pub(super) struct Forbidden {
    /// Last vertex to which each color was forbidden.
    stamp: Vec<u32>,
}

impl Forbidden {
    pub(super) fn new() -> Forbidden {
        Forbidden { stamp: Vec::new() }
    }

    pub(super) fn forbid(&mut self, color: u32, v: u32) {
        let at = color as usize;
        if at >= self.stamp.len() {
            self.stamp.resize(at + 1, UNCOLORED);
        }
        self.stamp[at] = v;
    }

    pub(super) fn is_forbidden(&self, color: u32, v: u32) -> bool {
        self.stamp.get(color as usize) == Some(&v)
    }

    /// Smallest color, `from` or above, that `v` may take.
    pub(super) fn smallest_allowed(&self, from: u32, v: u32) -> u32 {
        (from..).find(|&c| !self.is_forbidden(c, v)).unwrap_or(UNCOLORED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sparsity::check::{
        is_acyclic_coloring, is_column_coloring, is_row_coloring, is_star_coloring,
    };
    use proptest::prelude::*;

    fn n_columns(pattern: &Pattern) -> usize {
        let coloring = column_coloring(pattern);
        assert!(is_column_coloring(pattern, &coloring));
        coloring.n_colors
    }

    fn n_star(pattern: &Pattern) -> usize {
        star_coloring(pattern).unwrap().n_colors
    }

    fn n_acyclic(pattern: &Pattern) -> usize {
        acyclic_coloring(pattern).unwrap().n_colors
    }

    fn arrow(n: usize) -> Pattern {
        Pattern::from_entries(n, n, (0..n).flat_map(|k| [(0, k), (k, 0), (k, k)]))
    }

    fn blocks(n: usize, size: usize) -> Pattern {
        let entries = (0..n).flat_map(|b| {
            (0..size * size).map(move |k| (b * size + k % size, b * size + k / size))
        });
        Pattern::from_entries(n * size, n * size, entries)
    }

    /// Five-point stencil.
    fn grid(n: usize) -> Pattern {
        let at = move |i: usize, j: usize| i * n + j;
        let entries = (0..n).flat_map(move |i| (0..n).map(move |j| (i, j))).flat_map(|(i, j)| {
            let near =
                [(i, j), (i + 1, j), (i, j + 1), (i.wrapping_sub(1), j), (i, j.wrapping_sub(1))];
            near.into_iter()
                .filter(|&(a, b)| a < n && b < n)
                .map(move |(a, b)| (at(i, j), at(a, b)))
                .collect::<Vec<_>>()
        });
        Pattern::from_entries(n * n, n * n, entries)
    }

    #[test]
    fn known_column_colorings() {
        assert_eq!(n_columns(&Pattern::band(30, 30, 1, 1)), 3);
        assert_eq!(n_columns(&Pattern::band(30, 30, 2, 5)), 8);
        assert_eq!(n_columns(&Pattern::diagonal(30)), 1);
        assert_eq!(n_columns(&Pattern::dense(3, 7)), 7);
        assert_eq!(n_columns(&Pattern::zero(3, 7)), 1);
        assert_eq!(n_columns(&Pattern::zero(3, 0)), 0);
        assert_eq!(n_columns(&blocks(7, 4)), 4);
        assert_eq!(n_columns(&arrow(20)), 20);
        assert_eq!(n_columns(&Pattern::from_entries(9, 9, (0..9).map(|k| (k, k / 2)))), 1);
        assert_eq!(row_coloring(&Pattern::band(30, 30, 1, 1)).n_colors, 3);
    }

    /// Coleman and Moré: a matrix with `rho` bands besides its diagonal takes 2 (rho / 2) + 1
    /// star colors and rho / 2 + 1 acyclic colors.
    #[test]
    fn banded_matrices_take_as_many_colors_as_theory_says() {
        for (n, half) in [(30, 1), (40, 2), (1000, 5), (1000, 10)] {
            let band = Pattern::band(n, n, half, half);
            assert_eq!(n_star(&band), 2 * half + 1);
            assert_eq!(n_acyclic(&band), half + 1);
        }
    }

    #[test]
    fn known_star_colorings() {
        assert_eq!(n_star(&Pattern::diagonal(9)), 1);
        assert_eq!(n_star(&Pattern::dense(9, 9)), 9);
        assert_eq!(n_star(&arrow(50)), 2);
        assert_eq!(n_star(&blocks(7, 4)), 4);
        assert!(star_coloring(&Pattern::dense(2, 3)).is_none());
        // A wheel with an even rim.
        let rim = 8;
        let wheel = (0..rim).flat_map(|k| [(0, k + 1), (k + 1, 1 + (k + 1) % rim)]);
        assert_eq!(n_star(&Pattern::from_entries(rim + 1, rim + 1, wheel)), 4);
        // Optimal are 5 and 3.
        assert_eq!(n_star(&grid(20)), 5);
        assert!(n_acyclic(&grid(20)) <= 4);
    }

    #[test]
    fn dense_rows_of_equality_constraints_do_not_force_the_others_apart() {
        let n = 500;
        let bordered = (0..n).flat_map(|k| [(k, k), (n, k), (n + 1, k)]);
        let pattern = Pattern::from_entries(n + 2, n + 2, bordered);
        assert_eq!(n_star(&pattern), 3);
    }

    #[test]
    fn large_matrices_take_near_linear_time() {
        let n = 100_000;
        assert_eq!(column_coloring(&Pattern::band(n, n, 2, 2)).n_colors, 5);
        assert_eq!(n_star(&Pattern::band(n, n, 2, 2)), 5);
        assert_eq!(n_star(&arrow(n)), 2);
        assert_eq!(column_coloring(&arrow(n)).n_colors, n);
        let half_row = (0..n).map(|k| (k, k)).chain((0..n / 2).map(|k| (n - 1, k)));
        let half_row = Pattern::from_entries(n, n, half_row);
        assert_eq!(column_coloring(&half_row).n_colors, n / 2 + 1);
        let two_hubs = (2..n).flat_map(|k| [(k, k), (k, 0), (k, 1)]);
        assert_eq!(n_star(&Pattern::from_entries(n, n, two_hubs)), 3);
    }

    fn patterns() -> impl Strategy<Value = Pattern> {
        (1..14usize).prop_flat_map(|n| {
            proptest::collection::vec((0..n, 0..n), 0..4 * n)
                .prop_map(move |entries| Pattern::from_entries(n, n, entries))
        })
    }

    proptest! {
        #[test]
        fn colorings_are_valid(pattern in patterns()) {
            prop_assert!(is_column_coloring(&pattern, &column_coloring(&pattern)));
            prop_assert!(is_row_coloring(&pattern, &row_coloring(&pattern)));
            prop_assert!(is_star_coloring(&pattern, &star_coloring(&pattern).unwrap()));
            prop_assert!(is_acyclic_coloring(&pattern, &acyclic_coloring(&pattern).unwrap()));
        }

        #[test]
        fn greedy_is_valid_in_every_order(
            pattern in patterns(),
            seed in proptest::collection::vec(any::<u32>(), 14),
        ) {
            let graph = Adjacency::new(&pattern).unwrap();
            let mut order: Vec<u32> = (0..pattern.n_cols() as u32).collect();
            order.sort_by_key(|&v| seed[v as usize]);
            let star = greedy_star(&graph, &order, &mut BUDGET.clone()).unwrap();
            prop_assert!(is_star_coloring(&pattern, &Coloring::new(star)));
            let acyclic = greedy_acyclic(&graph, &order, &mut BUDGET.clone()).unwrap();
            prop_assert!(is_acyclic_coloring(&pattern, &Coloring::new(acyclic)));
        }


        #[test]
        fn a_small_budget_still_gives_a_valid_coloring(pattern in patterns(), budget in 0..40u64) {
            let graph = Adjacency::new(&pattern).unwrap();
            let order = Order::Natural.of_adjacency(&graph);
            if let Some(colors) = greedy_star(&graph, &order, &mut budget.clone()) {
                prop_assert!(is_star_coloring(&pattern, &Coloring::new(colors)));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn long_rows_and_high_degrees_are_valid(
            entries in proptest::collection::vec((0..200usize, 0..200usize), 0..300),
            hubs in proptest::collection::vec((0..200usize, 1..4usize), 1..4),
        ) {
            let spokes = hubs.into_iter().flat_map(|(hub, step)| (0..200).step_by(step).map(move |k| (hub, k)));
            let pattern = Pattern::from_entries(200, 200, entries.into_iter().chain(spokes));
            prop_assert!(is_column_coloring(&pattern, &column_coloring(&pattern)));
            let graph = Adjacency::new(&pattern).unwrap();
            for order in Order::ALL {
                let colors = greedy_star(&graph, &order.of_adjacency(&graph), &mut BUDGET.clone());
                prop_assert!(is_star_coloring(&pattern, &Coloring::new(colors.unwrap())));
            }
        }
    }
}
