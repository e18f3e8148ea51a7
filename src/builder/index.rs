//! Entries, rows, columns and blocks of values. Indices count from 0, entries column by column.

use std::ops::{Bound, RangeBounds};
use std::panic::Location;

use super::expr::make;
use super::{BuildErrorKind, Expr};
use crate::ops::matrix::{self, Selection};

impl<'g> Expr<'g> {
    /// Entry number `k`.
    ///
    /// ```
    /// let g = nablac::builder::GraphBuilder::new("f");
    /// let a = g.input("A", (2, 3));
    /// assert_eq!(a.at(5).node(), a.entry(1, 2).node());
    /// assert!(a.at(6).is_error());
    /// ```
    #[track_caller]
    pub fn at(self, k: usize) -> Expr<'g> {
        make(Location::caller(), &[self.into()], |graph, nodes| {
            let (n_rows, n_cols) = graph.shape(nodes[0]);
            inside(k, n_rows * n_cols)?;
            Ok(matrix::element(graph, nodes[0], k % n_rows, k / n_rows))
        })
    }

    /// The entry in a row and column.
    #[track_caller]
    pub fn entry(self, row: usize, col: usize) -> Expr<'g> {
        make(Location::caller(), &[self.into()], |graph, nodes| {
            let (n_rows, n_cols) = graph.shape(nodes[0]);
            inside(row, n_rows)?;
            inside(col, n_cols)?;
            Ok(matrix::element(graph, nodes[0], row, col))
        })
    }

    /// Consecutive entries: of a row a row, else a column.
    ///
    /// ```
    /// let g = nablac::builder::GraphBuilder::new("f");
    /// let x = g.input("x", 5);
    /// assert_eq!(x.slice(1..).shape(), (4, 1));
    /// assert!(x.slice(3..9).is_error());
    /// ```
    #[track_caller]
    pub fn slice(self, range: impl RangeBounds<usize>) -> Expr<'g> {
        make(Location::caller(), &[self.into()], |graph, nodes| {
            let which = selection(&range, graph.pattern(nodes[0]).numel())?;
            Ok(matrix::elements(graph, nodes[0], which))
        })
    }

    /// Entries by number, in any order: of a row a row, else a column.
    ///
    /// ```
    /// let g = nablac::builder::GraphBuilder::new("f");
    /// let a = g.input("A", (3, 2));
    /// assert_eq!((a.row(1).shape(), a.col(0).shape()), ((1, 2), (3, 1)));
    /// assert_eq!((a.entry(2, 1).shape(), a.entries(&[5, 0]).shape()), ((1, 1), (2, 1)));
    /// assert!(a.entry(3, 0).is_error());
    /// ```
    #[track_caller]
    pub fn entries(self, which: &[usize]) -> Expr<'g> {
        make(Location::caller(), &[self.into()], |graph, nodes| {
            let n = graph.pattern(nodes[0]).numel();
            which.iter().try_for_each(|&k| inside(k, n))?;
            Ok(matrix::elements(graph, nodes[0], Selection::List(which)))
        })
    }

    /// Consecutive rows and columns.
    ///
    /// ```
    /// let g = nablac::builder::GraphBuilder::new("f");
    /// let a = g.input("A", (3, 4));
    /// assert_eq!(a.block(1.., ..2).shape(), (2, 2));
    /// ```
    #[track_caller]
    pub fn block(self, rows: impl RangeBounds<usize>, cols: impl RangeBounds<usize>) -> Expr<'g> {
        make(Location::caller(), &[self.into()], |graph, nodes| {
            let (n_rows, n_cols) = graph.shape(nodes[0]);
            let (rows, cols) = (selection(&rows, n_rows)?, selection(&cols, n_cols)?);
            Ok(matrix::submatrix(graph, nodes[0], rows, cols))
        })
    }

    /// One row.
    #[track_caller]
    pub fn row(self, row: usize) -> Expr<'g> {
        make(Location::caller(), &[self.into()], |graph, nodes| {
            let (n_rows, n_cols) = graph.shape(nodes[0]);
            inside(row, n_rows)?;
            let cols = Selection::Range { start: 0, len: n_cols };
            Ok(matrix::submatrix(graph, nodes[0], Selection::Range { start: row, len: 1 }, cols))
        })
    }

    /// One column.
    #[track_caller]
    pub fn col(self, col: usize) -> Expr<'g> {
        make(Location::caller(), &[self.into()], |graph, nodes| {
            let (n_rows, n_cols) = graph.shape(nodes[0]);
            inside(col, n_cols)?;
            let rows = Selection::Range { start: 0, len: n_rows };
            Ok(matrix::submatrix(graph, nodes[0], rows, Selection::Range { start: col, len: 1 }))
        })
    }
}

fn inside(index: usize, end: usize) -> Result<(), BuildErrorKind> {
    if index < end {
        return Ok(());
    }
    Err(BuildErrorKind::Index { index: index as u64, end: end as u64 })
}

/// The numbers of a range that must lie in `0..n`.
fn selection(
    range: &impl RangeBounds<usize>,
    n: usize,
) -> Result<Selection<'static>, BuildErrorKind> {
    let start = match range.start_bound() {
        Bound::Included(&k) => k,
        Bound::Excluded(&k) => k.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&k) => k.saturating_add(1),
        Bound::Excluded(&k) => k,
        Bound::Unbounded => n,
    };
    if end > n || start > end {
        return Err(BuildErrorKind::Index { index: start.max(end) as u64, end: n as u64 });
    }
    Ok(Selection::Range { start, len: end - start })
}
