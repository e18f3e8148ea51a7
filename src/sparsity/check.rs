//! Slow, obvious judges of colorings and recovery plans. They follow the definitions and are
//! meant for tests of small matrices.

use super::acyclic::DisjointSets;
use super::{Coloring, HessianPlan, JacobianPlan, Pattern, Read, Side};

/// No two columns of one color have a nonzero in one row.
pub fn is_column_coloring(pattern: &Pattern, coloring: &Coloring) -> bool {
    is_numbered(coloring, pattern.n_cols())
        && (0..pattern.n_cols()).all(|a| {
            (0..a).all(|b| {
                coloring.colors[a] != coloring.colors[b]
                    || (0..pattern.n_rows())
                        .all(|r| pattern.find(r, a).is_none() || pattern.find(r, b).is_none())
            })
        })
}

/// No two rows of one color have a nonzero in one column.
pub fn is_row_coloring(pattern: &Pattern, coloring: &Coloring) -> bool {
    is_column_coloring(&pattern.transpose().0, coloring)
}

/// Adjacent vertices differ, and every path on four vertices has at least three colors.
pub fn is_star_coloring(pattern: &Pattern, coloring: &Coloring) -> bool {
    let n = pattern.n_cols();
    let color = |v: usize| coloring.colors[v];
    let adjacent = |a, b| is_adjacent(pattern, a, b);
    is_numbered(coloring, n)
        && is_proper(pattern, coloring)
        && (0..n).all(|b| {
            (0..n).filter(|&c| adjacent(b, c)).all(|c| {
                let a = (0..n).find(|&a| a != c && adjacent(a, b) && color(a) == color(c));
                let d = (0..n).find(|&d| d != b && adjacent(c, d) && color(d) == color(b));
                a.is_none() || d.is_none()
            })
        })
}

/// Adjacent vertices differ, and every cycle has at least three colors.
pub fn is_acyclic_coloring(pattern: &Pattern, coloring: &Coloring) -> bool {
    let n = pattern.n_cols();
    let colors = 0..coloring.n_colors as u32;
    is_numbered(coloring, n)
        && is_proper(pattern, coloring)
        && colors.clone().all(|red| {
            colors.clone().filter(|&blue| blue < red).all(|blue| {
                let mut trees = DisjointSets::new(n);
                let two = |v: &usize| [red, blue].contains(&coloring.colors[*v]);
                (0..n).filter(two).all(|a| {
                    (0..a)
                        .filter(two)
                        .filter(|&b| is_adjacent(pattern, a, b))
                        .all(|b| trees.union(a as u32, b as u32))
                })
            })
        })
}

/// The plan reads every nonzero of a matrix with that pattern from the compressed matrix.
pub fn recovers_jacobian(plan: &JacobianPlan) -> bool {
    let (pattern, columns) = (plan.pattern(), plan.side == Side::Columns);
    let value = |k: usize| test_value(k);
    let product = |group: &[u32], index: u32| -> u64 {
        let seeds = group.iter().map(|&s| s as usize);
        let entry = |s| {
            if columns { pattern.find(index as usize, s) } else { pattern.find(s, index as usize) }
        };
        seeds.filter_map(entry).map(value).sum()
    };
    plan.reads().count() == pattern.nnz()
        && plan.reads().enumerate().all(|(k, Read { group, index })| {
            product(plan.groups.get(group as usize), index) == value(k)
        })
}

/// The plan reads every nonzero of a symmetric matrix with that pattern, made symmetric, from
/// the compressed matrix; mirror images at the same place.
pub fn recovers_hessian(plan: &HessianPlan) -> bool {
    let pattern = plan.pattern();
    let value = |row: usize, col: usize| {
        let (row, col) = (row.max(col), row.min(col));
        let structural = pattern.find(row, col).or(pattern.find(col, row)).is_some();
        if structural { test_value(row * pattern.n_cols() + col) } else { 0 }
    };
    plan.reads.len() == pattern.nnz()
        && pattern.entries().zip(&plan.reads).all(|((row, col), read)| {
            let group = plan.groups.get(read.group as usize);
            let product: u64 = group.iter().map(|&s| value(read.index as usize, s as usize)).sum();
            let mirror = pattern.find(col, row).map(|k| plan.reads[k]);
            product == value(row, col) && mirror.is_none_or(|m| m == *read)
        })
}

/// Values of which no two sums of a few are equal but by bad luck.
fn test_value(k: usize) -> u64 {
    ((k as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) | 1
}

fn is_numbered(coloring: &Coloring, n: usize) -> bool {
    coloring.colors.len() == n
        && coloring.colors.iter().all(|&c| (c as usize) < coloring.n_colors)
        && (0..coloring.n_colors as u32).all(|c| coloring.colors.contains(&c))
}

fn is_adjacent(pattern: &Pattern, a: usize, b: usize) -> bool {
    a != b && (pattern.find(a, b).is_some() || pattern.find(b, a).is_some())
}

fn is_proper(pattern: &Pattern, coloring: &Coloring) -> bool {
    pattern.entries().all(|(a, b)| a == b || coloring.colors[a] != coloring.colors[b])
}
