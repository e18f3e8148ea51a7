//! Compressed derivatives: which seeds to push, and where each nonzero is read.
//!
//! Takes the pattern of a Jacobian or Hessian, colors it, and gives the color classes as groups
//! of seeds and, for every structural nonzero, the group and the entry of that group's
//! directional derivative that equals it ("direct recovery"; Gebremedhin, Manne, Pothen,
//! "What Color Is Your Jacobian?", SIAM Review 47 (2005), sections 3 and 4).

use super::Pattern;
use super::adjacency::Lists;
use super::coloring::{Coloring, column_coloring, row_coloring, star_coloring};

/// Sets of seeds that share a directional derivative. Seeds that no recovered entry needs are
/// in no group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    members: Lists,
}

impl Groups {
    /// From the group of every seed, `NO_GROUP` for none.
    fn new(group_of: &[u32], n_groups: usize) -> Groups {
        Groups { members: Lists::by_key(n_groups, group_of.iter().copied().zip(0..)) }
    }

    /// Number of groups, that is of directional derivatives.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// There is nothing to recover.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Seeds of group `g`, increasing.
    pub fn get(&self, g: usize) -> &[u32] {
        self.members.of(g as u32)
    }

    /// Seeds of each group in turn.
    pub fn iter(&self) -> impl Iterator<Item = &[u32]> + '_ {
        (0..self.len()).map(|g| self.get(g))
    }
}

/// Where a nonzero is read: entry `index` of the directional derivative of group `group`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Read {
    pub group: u32,
    pub index: u32,
}

/// What is grouped, and so in which mode the derivative is pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Groups of columns (inputs), one tangent each: products J * s.
    Columns,
    /// Groups of rows (outputs), one cotangent each: products J' * s.
    Rows,
}

/// Nonzeros of the longest row and of the longest column.
fn longest_lines(pattern: &Pattern) -> (usize, usize) {
    if pattern.is_dense() && pattern.nnz() > 0 {
        return (pattern.n_cols(), pattern.n_rows());
    }
    let mut in_row = vec![0usize; pattern.n_rows()];
    pattern.entries().for_each(|(row, _)| in_row[row] += 1);
    let columns = (0..pattern.n_cols()).map(|j| pattern.column(j).len());
    (in_row.into_iter().max().unwrap_or(0), columns.max().unwrap_or(0))
}

const NO_GROUP: u32 = u32::MAX;

/// Cost of one cotangent in units of one tangent.
const REVERSE_COST: f64 = 1.5;

/// How to get a sparse Jacobian from few directional derivatives.
///
/// ```
/// use nablac::sparsity::{JacobianPlan, Pattern, Side};
/// // The cheaper side: here one row, there one column.
/// assert_eq!(JacobianPlan::new(&Pattern::dense(1, 5)).side, Side::Rows);
/// let plan = JacobianPlan::new(&Pattern::diagonal(5));
/// assert_eq!(plan.groups.len(), 1);
/// assert_eq!(plan.groups.get(0), [0, 1, 2, 3, 4]);
/// assert!(nablac::sparsity::check::recovers_jacobian(&plan));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JacobianPlan {
    pub side: Side,
    /// Columns or rows, by `side`.
    pub groups: Groups,
    pattern: Pattern,
    group_of: Vec<u32>,
}

impl JacobianPlan {
    /// The cheaper side, a cotangent counting as one and a half tangents.
    ///
    /// ```
    /// use nablac::sparsity::{JacobianPlan, Pattern, Read, Side};
    /// let plan = JacobianPlan::new(&Pattern::band(9, 9, 1, 1));
    /// assert_eq!((plan.side, plan.groups.len()), (Side::Columns, 3));
    /// assert_eq!(plan.groups.get(0), [0, 3, 6]);
    /// assert_eq!(plan.reads().next(), Some(Read { group: 0, index: 0 }));
    /// ```
    pub fn new(pattern: &Pattern) -> JacobianPlan {
        JacobianPlan::with_costs(pattern, 1.0, REVERSE_COST)
    }

    /// The cheaper side by the costs of one tangent and of one cotangent; columns if equal.
    pub fn with_costs(pattern: &Pattern, forward: f64, reverse: f64) -> JacobianPlan {
        let (longest_row, longest_column) = longest_lines(pattern);
        // The longest row needs that many column colors, and the longest column row colors.
        let bound = |side| match side {
            Side::Columns => forward * longest_row as f64,
            Side::Rows => reverse * longest_column as f64,
        };
        let cost = |plan: &JacobianPlan| match plan.side {
            Side::Columns => forward * plan.groups.len() as f64,
            Side::Rows => reverse * plan.groups.len() as f64,
        };
        let columns_first = bound(Side::Columns) <= bound(Side::Rows);
        let sides =
            if columns_first { [Side::Columns, Side::Rows] } else { [Side::Rows, Side::Columns] };
        let first = JacobianPlan::of_side(pattern, sides[0]);
        if cost(&first) <= bound(sides[1]) {
            return first;
        }
        let second = JacobianPlan::of_side(pattern, sides[1]);
        if cost(&second) < cost(&first) { second } else { first }
    }

    /// The given side.
    pub fn of_side(pattern: &Pattern, side: Side) -> JacobianPlan {
        let coloring = match side {
            Side::Columns => column_coloring(pattern),
            Side::Rows => row_coloring(pattern),
        };
        JacobianPlan::from_coloring(pattern, side, coloring)
    }

    /// Groups by a valid coloring of the given side.
    pub fn from_coloring(pattern: &Pattern, side: Side, coloring: Coloring) -> JacobianPlan {
        let is_full = pattern.is_dense() && pattern.nnz() > 0;
        let mut is_read = vec![is_full; coloring.colors.len()];
        if !is_full {
            for (row, col) in pattern.entries() {
                is_read[if side == Side::Columns { col } else { row }] = true;
            }
        }
        let mut number = Numbering::new(coloring.n_colors);
        let mut group_of = coloring.colors;
        for (group, is_read) in group_of.iter_mut().zip(is_read) {
            *group = if is_read { number.of(*group) } else { NO_GROUP };
        }
        let groups = Groups::new(&group_of, number.used as usize);
        JacobianPlan { side, groups, pattern: pattern.clone(), group_of }
    }

    /// Where each structural nonzero is read, in order.
    ///
    /// With grouped columns `index` is the row of the nonzero, with grouped rows its column.
    pub fn reads(&self) -> impl Iterator<Item = Read> + '_ {
        self.pattern.entries().map(|(row, col)| match self.side {
            Side::Columns => Read { group: self.group_of[col], index: row as u32 },
            Side::Rows => Read { group: self.group_of[row], index: col as u32 },
        })
    }

    /// The pattern the plan was made for.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }
}

/// How to get a sparse symmetric Hessian from few Hessian-vector products.
///
/// ```
/// use nablac::sparsity::{HessianPlan, Pattern};
/// let plan = HessianPlan::new(&Pattern::band(6, 6, 1, 1)).unwrap();
/// assert_eq!(plan.groups.len(), 3);
/// assert!(nablac::sparsity::check::recovers_hessian(&plan));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HessianPlan {
    /// Columns whose sum is one Hessian-vector product.
    pub groups: Groups,
    /// Where each structural nonzero of the full pattern is read. `index` is a row of the
    /// product. The entries (i, j) and (j, i) are read at the same place.
    pub reads: Vec<Read>,
    pattern: Pattern,
}

impl HessianPlan {
    /// By star coloring. The pattern is taken as symmetric: where only one of (i, j) and (j, i)
    /// is a structural nonzero, the other is reckoned with too. `None` if it is not square.
    ///
    /// ```
    /// use nablac::sparsity::{HessianPlan, Pattern};
    /// let arrow = Pattern::try_from_entries(9, 9, (0..9).flat_map(|k| [(0, k), (k, 0), (k, k)]))?;
    /// let plan = HessianPlan::new(&arrow).unwrap();
    /// assert_eq!(plan.groups.len(), 2);
    /// # Ok::<(), nablac::sparsity::PatternError>(())
    /// ```
    pub fn new(pattern: &Pattern) -> Option<HessianPlan> {
        let coloring = star_coloring(pattern)?;
        if !pattern.is_dense() {
            return HessianPlan::from_coloring(pattern, &coloring);
        }
        let read = |(row, col): (usize, usize)| Read {
            group: row.min(col) as u32,
            index: row.max(col) as u32,
        };
        let groups = Groups::new(&coloring.colors, coloring.n_colors);
        let reads = pattern.entries().map(read).collect();
        Some(HessianPlan { groups, reads, pattern: pattern.clone() })
    }

    /// Groups by a coloring that allows direct recovery, as every star coloring does; `None`
    /// if it does not.
    pub fn from_coloring(pattern: &Pattern, coloring: &Coloring) -> Option<HessianPlan> {
        let colors = &coloring.colors;
        let pairs = pairs(pattern, colors)?;
        let color = |v: u32| colors[v as usize] as usize;
        // Colors that some entry needs, and how often a color is one of two possible ones.
        let mut is_used = vec![false; coloring.n_colors];
        let mut n_choices = vec![0u32; coloring.n_colors];
        for pair in &pairs {
            match pair.shown_by {
                ShownBy::Column => is_used[color(pair.col)] = true,
                ShownBy::Row => is_used[color(pair.row)] = true,
                ShownBy::Both => {
                    n_choices[color(pair.row)] += 1;
                    n_choices[color(pair.col)] += 1;
                }
            }
        }
        let mut number = Numbering::new(coloring.n_colors);
        let mut reads = vec![Read { group: 0, index: 0 }; pattern.nnz()];
        for &Pair { row, col, lower, upper, shown_by } in &pairs {
            let by_column = match shown_by {
                ShownBy::Column => true,
                ShownBy::Row => false,
                ShownBy::Both => {
                    let rank = |v| (is_used[color(v)], n_choices[color(v)]);
                    let by_column = rank(col) >= rank(row);
                    is_used[color(if by_column { col } else { row })] = true;
                    by_column
                }
            };
            let (member, index) = if by_column { (col, row) } else { (row, col) };
            let read = Read { group: number.of(colors[member as usize]), index };
            for k in [lower, upper].into_iter().flatten() {
                reads[k as usize] = read;
            }
        }
        let group_of: Vec<u32> = colors.iter().map(|&c| number.number[c as usize]).collect();
        let groups = Groups::new(&group_of, number.used as usize);
        Some(HessianPlan { groups, reads, pattern: pattern.clone() })
    }

    /// Nonzero index and place of every structural nonzero on or below the diagonal, in order.
    pub fn lower(&self) -> impl Iterator<Item = (usize, Read)> + '_ {
        let entries = self.pattern.entries().enumerate();
        entries.filter(|(_, (row, col))| row >= col).map(|(k, _)| (k, self.reads[k]))
    }

    /// The pattern the plan was made for.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }
}

/// Gives the colors in use numbers without gaps, in the order of their first use.
struct Numbering {
    number: Vec<u32>,
    used: u32,
}

impl Numbering {
    fn new(n_colors: usize) -> Numbering {
        Numbering { number: vec![NO_GROUP; n_colors], used: 0 }
    }

    fn of(&mut self, color: u32) -> u32 {
        let number = &mut self.number[color as usize];
        if *number == NO_GROUP {
            *number = self.used;
            self.used += 1;
        }
        *number
    }
}

/// Entries (row, col) and (col, row), row >= col, of a pattern taken as symmetric.
struct Pair {
    row: u32,
    col: u32,
    /// Nonzero index of (row, col), if structural.
    lower: Option<u32>,
    /// Nonzero index of (col, row), if structural and not on the diagonal.
    upper: Option<u32>,
    shown_by: ShownBy,
}

/// Which product shows the entry alone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ShownBy {
    /// That of the column's color, at the row.
    Column,
    /// That of the row's color, at the column.
    Row,
    Both,
}

/// All pairs by rows. `None` if the pattern is not square, the colors are not one per column,
/// or some pair is shown by no product.
fn pairs(pattern: &Pattern, colors: &[u32]) -> Option<Vec<Pair>> {
    let n = pattern.n_cols();
    if pattern.n_rows() != n || colors.len() != n {
        return None;
    }
    let n_colors = colors.iter().max().map_or(0, |&c| c as usize + 1);
    let (transposed, source) = pattern.transpose();
    let (columns, rows) = (Lists::columns(pattern), Lists::columns(&transposed));
    let mut pairs = Vec::new();
    let mut row: Vec<(u32, Option<u32>, Option<u32>)> = Vec::new();
    let mut count = vec![(u32::MAX, 0u32); n_colors];
    // Entry (v, x) is shown by x's color when no other x in row v has that color. By rows, for
    // the entries below and above the diagonal (and on it, in both).
    let (mut alone_below, mut alone_above) = (Vec::new(), Vec::new());
    for v in 0..n as u32 {
        row.clear();
        merge_row(&mut row, rows.of(v), columns.of(v));
        for (x, here, there) in &mut row {
            *here = here.map(|k| source[rows.range(v).start + k as usize]);
            *there = there.map(|k| columns.range(v).start as u32 + k);
            let met = &mut count[colors[*x as usize] as usize];
            *met = (v, if met.0 == v { met.1 + 1 } else { 1 });
        }
        for &(x, lower, there) in &row {
            let alone = count[colors[x as usize] as usize].1 == 1;
            if x <= v {
                let upper = there.filter(|_| x < v);
                pairs.push(Pair { row: v, col: x, lower, upper, shown_by: ShownBy::Both });
                alone_below.push(alone);
            }
            if x >= v {
                alone_above.push(alone);
            }
        }
    }
    // The upper entries came by rows, so their pairs come in the order of columns.
    let by_column = Lists::by_key(n, pairs.iter().map(|p| p.col).zip(0..));
    for (&at, &above) in by_column.values().iter().zip(&alone_above) {
        let pair = &mut pairs[at as usize];
        pair.shown_by = match (alone_below[at as usize], above) {
            (true, true) if pair.row != pair.col => ShownBy::Both,
            (true, _) => ShownBy::Column,
            (false, true) => ShownBy::Row,
            (false, false) => return None,
        };
    }
    Some(pairs)
}

/// Merges two increasing lists; each item comes with its position in either.
fn merge_row(merged: &mut Vec<(u32, Option<u32>, Option<u32>)>, a: &[u32], b: &[u32]) {
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let x = a.get(i).copied().unwrap_or(u32::MAX).min(b.get(j).copied().unwrap_or(u32::MAX));
        let in_a = (a.get(i) == Some(&x)).then_some(i as u32);
        let in_b = (b.get(j) == Some(&x)).then_some(j as u32);
        merged.push((x, in_a, in_b));
        i += usize::from(in_a.is_some());
        j += usize::from(in_b.is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sparsity::acyclic_coloring;
    use crate::sparsity::check::{recovers_hessian, recovers_jacobian};
    use proptest::prelude::*;

    #[test]
    fn the_cheaper_side_is_taken() {
        let side = |pattern: &Pattern| {
            let plan = JacobianPlan::new(pattern);
            assert!(recovers_jacobian(&plan));
            (plan.side, plan.groups.len())
        };
        assert_eq!(side(&Pattern::band(20, 20, 1, 1)), (Side::Columns, 3));
        assert_eq!(side(&Pattern::dense(1, 9)), (Side::Rows, 1));
        assert_eq!(side(&Pattern::dense(9, 1)), (Side::Columns, 1));
        assert_eq!(side(&Pattern::dense(2, 3)), (Side::Columns, 3));
        assert_eq!(side(&Pattern::dense(3, 5)), (Side::Rows, 3));
        assert_eq!(side(&Pattern::zero(3, 5)), (Side::Columns, 0));
        assert_eq!(side(&Pattern::dense(0, 5)), (Side::Columns, 0));
        let dense_row = (0..20).flat_map(|k| [(k, k), (0, k)]);
        assert_eq!(side(&Pattern::from_entries(20, 20, dense_row)), (Side::Rows, 2));
    }

    #[test]
    fn empty_columns_are_in_no_group() {
        let plan = JacobianPlan::new(&Pattern::from_entries(4, 5, [(0, 1), (1, 3)]));
        assert_eq!(plan.groups.iter().collect::<Vec<_>>(), [[1, 3]]);
        assert_eq!(
            plan.reads().collect::<Vec<_>>(),
            [Read { group: 0, index: 0 }, Read { group: 0, index: 1 }]
        );
    }

    #[test]
    fn colors_that_nothing_is_read_from_are_dropped() {
        // x' A y with one y: the product with y's column shows everything.
        let bilinear = (1..9).flat_map(|k| [(0, k), (k, 0)]);
        let plan = HessianPlan::new(&Pattern::from_entries(9, 9, bilinear)).unwrap();
        assert_eq!(plan.groups.iter().collect::<Vec<_>>(), [[0]]);
        assert!(recovers_hessian(&plan));
    }

    #[test]
    fn hessian_of_arrow() {
        let arrow = Pattern::from_entries(6, 6, (0..6).flat_map(|k| [(0, k), (k, 0), (k, k)]));
        let plan = HessianPlan::new(&arrow).unwrap();
        assert_eq!(plan.groups.len(), 2);
        assert!(recovers_hessian(&plan));
        assert_eq!(plan.lower().count(), 11);
        let dense = HessianPlan::new(&Pattern::dense(5, 5)).unwrap();
        assert_eq!(dense.groups.len(), 5);
        assert!(recovers_hessian(&dense));
        assert!(HessianPlan::new(&Pattern::dense(2, 3)).is_none());
        assert_eq!(HessianPlan::new(&Pattern::dense(0, 0)).unwrap().groups.len(), 0);
        assert_eq!(HessianPlan::new(&Pattern::zero(3, 3)).unwrap().groups.len(), 0);
    }

    #[test]
    fn colorings_without_direct_recovery_are_refused() {
        let band = Pattern::band(30, 30, 1, 1);
        let acyclic = acyclic_coloring(&band).unwrap();
        assert_eq!(acyclic.n_colors, 2);
        assert!(HessianPlan::from_coloring(&band, &acyclic).is_none());
    }

    #[test]
    fn large_plans_take_near_linear_time() {
        let n = 100_000;
        let band = Pattern::band(n, n, 2, 2);
        assert_eq!(JacobianPlan::new(&band).groups.len(), 5);
        assert_eq!(HessianPlan::new(&band).unwrap().groups.len(), 5);
        let dense_row = Pattern::from_entries(n, n, (0..n).flat_map(|k| [(k, k), (0, k)]));
        assert_eq!(JacobianPlan::new(&dense_row).groups.len(), 2);
    }

    /// Making the plan fails unless the coloring shows every entry alone.
    #[test]
    fn large_irregular_hessians_are_recovered() {
        let n = 20_000;
        let mut state = 1u64;
        let scattered = (0..3 * n).map(|k| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (k % n, (state >> 33) as usize % n)
        });
        let hubs = (0..n).flat_map(|k| [(k, k), (k % 3, k), (n - 1, k / 2)]);
        let plan = HessianPlan::new(&Pattern::from_entries(n, n, scattered.chain(hubs))).unwrap();
        assert!(plan.groups.len() < 40, "{} groups", plan.groups.len());
    }

    proptest! {
        #[test]
        fn plans_recover_every_entry(
            (rows, cols) in (1..12usize, 1..12usize),
            entries in proptest::collection::vec((0..12usize, 0..12usize), 0..50),
        ) {
            let inside = |n, m| entries.iter().copied().filter(move |&(r, c)| r < n && c < m);
            let pattern = Pattern::from_entries(rows, cols, inside(rows, cols));
            for side in [Side::Columns, Side::Rows] {
                prop_assert!(recovers_jacobian(&JacobianPlan::of_side(&pattern, side)));
            }
            prop_assert!(recovers_jacobian(&JacobianPlan::new(&pattern)));
            let one_sided = Pattern::from_entries(rows, rows, inside(rows, rows));
            let symmetric = one_sided.union(&one_sided.transpose().0);
            for pattern in [one_sided, symmetric] {
                prop_assert!(recovers_hessian(&HessianPlan::new(&pattern).unwrap()));
            }
        }
    }
}
