//! Runs against the same entries one by one.

use std::collections::BTreeMap;
use std::hash::BuildHasher;

use proptest::prelude::*;
use rustc_hash::FxBuildHasher;

use super::*;
use crate::sparsity::Pattern;

/// Which entry a part belongs to: the run it came from, and a line over its entries.
#[derive(Clone, Debug, PartialEq)]
struct Of(usize, Line);

impl Along for Of {
    fn part(&self, first: i64, step: i64) -> Of {
        Of(self.0, self.1.part(first, step))
    }

    fn join(&self, n: i64, next: &Of, _: i64) -> Option<Of> {
        (self.0 == next.0 && self.1.at(n) == next.1.start && self.1.step == next.1.step)
            .then(|| self.clone())
    }
}

fn runs() -> impl Strategy<Value = Vec<Run>> {
    let steps = prop_oneof![Just((2, 3)), Just((1, 1)), Just((0, 1)), Just((1, 0)), Just((4, 6))];
    let one = (1i64..9, 0i64..8, 0i64..8, steps, any::<bool>()).prop_map(
        |(n, row, column, (rows, columns), back)| {
            let run = Run { n, row: Line::new(row, rows), column: Line::new(column, columns) };
            if back { run.reversed() } else { run }
        },
    );
    prop::collection::vec(one, 1..8)
}

fn entries(run: &Run) -> impl Iterator<Item = (i64, i64)> + '_ {
    (0..run.n).map(|i| (run.row.at(i), run.column.at(i)))
}

/// All that belongs to each entry.
type Parts = BTreeMap<(i64, i64), Vec<(usize, i64)>>;

fn by_entry(runs: &[Run]) -> Parts {
    let mut all = Parts::new();
    for (k, run) in runs.iter().enumerate() {
        for (i, place) in entries(run).enumerate() {
            all.entry(place).or_default().push((k, i as i64));
        }
    }
    all
}

proptest! {
    #[test]
    fn sums_have_each_entry_once(runs in runs()) {
        let given = runs.iter().enumerate().map(|(k, run)| (*run, Of(k, Line::new(0, 1))));
        let Ok(summed) = sum(given.collect()) else { return Ok(()) };
        let mut found = Parts::new();
        for (run, parts) in &summed {
            prop_assert!(run.row.step >= 0);
            for (i, place) in entries(run).enumerate() {
                let mut of: Vec<_> = parts.iter().map(|p| (p.0, p.1.at(i as i64))).collect();
                of.sort_unstable();
                prop_assert!(found.insert(place, of).is_none(), "{place:?} stands in two runs");
            }
        }
        let mut want = by_entry(&runs);
        want.values_mut().for_each(|of| of.sort_unstable());
        prop_assert_eq!(found, want);
    }

    #[test]
    fn products_are_those_of_entries(left in runs(), right in runs()) {
        let right: Vec<Run> =
            right.into_iter().map(|r| if r.row.step < 0 { r.reversed() } else { r }).collect();
        let Ok(products) = products(&left, &right) else { return Ok(()) };
        let mut found = Vec::new();
        for p in &products {
            for (i, place) in entries(&p.run).enumerate() {
                let at = |(k, first, step): (usize, i64, i64)| (k, first + step * i as i64);
                found.push((place, at(p.left), at(p.right)));
            }
        }
        let mut want = Vec::new();
        for (l, p) in left.iter().enumerate() {
            for (i, (row, inner)) in entries(p).enumerate() {
                for (r, a) in right.iter().enumerate() {
                    for (j, (at, column)) in entries(a).enumerate() {
                        if at == inner {
                            want.push(((row, column), (l, i as i64), (r, j as i64)));
                        }
                    }
                }
            }
        }
        found.sort_unstable();
        want.sort_unstable();
        prop_assert_eq!(found, want);
    }

    #[test]
    fn layouts_are_column_major(runs in runs()) {
        let given = runs.iter().enumerate().map(|(k, run)| (*run, Of(k, Line::new(0, 1))));
        let Ok(summed) = sum(given.collect()) else { return Ok(()) };
        let summed: Vec<Run> = summed.into_iter().map(|s| s.0).collect();
        let upright = summed.iter().map(|r| if r.column.step < 0 { r.reversed() } else { *r });
        let upright: Vec<Run> = upright.collect();
        let Ok(layout) = layout(&upright) else { return Ok(()) };
        let mut found = Vec::new();
        for segment in &layout {
            for block in 0..segment.n {
                for &(run, first) in &segment.entries {
                    let at = first + block;
                    let column = upright[run].column.at(at);
                    let low = segment.column + block * segment.width;
                    prop_assert!((low..low + segment.width.max(1)).contains(&column));
                    found.push((column, upright[run].row.at(at)));
                }
            }
        }
        let mut want: Vec<_> = upright.iter().flat_map(entries).map(|(r, c)| (c, r)).collect();
        want.sort_unstable();
        prop_assert_eq!(&found, &want);
        let (n_rows, n_cols) = (70, 70);
        let pattern = Pattern::from_layout(n_rows, n_cols, &upright, &layout);
        let hash = |p: &Pattern| FxBuildHasher.hash_one(p);
        let own = hash(&pattern);
        let listed = want.iter().map(|&(c, r)| (r as usize, c as usize));
        let listed = Pattern::from_entries(n_rows, n_cols, listed);
        prop_assert_eq!(own, hash(&listed));
        prop_assert_eq!(pattern, listed);
    }
}

#[test]
fn stages_are_few_runs() {
    // Ones for each state of the next stage, the first of them by a constraint of its own.
    let n = 1_000_000;
    let shoot = (0..3).map(|j| Run { n, row: Line::new(3 + j, 3), column: Line::new(5 + j, 5) });
    let start = Run { n: 3, row: Line::new(0, 1), column: Line::new(0, 1) };
    let local = (0..3).map(|j| Run { n, row: Line::new(3 + j, 3), column: Line::new(4, 5) });
    let all: Vec<Run> = shoot.chain([start]).chain(local).collect();
    #[derive(Clone)]
    struct One;
    impl Along for One {
        fn part(&self, _: i64, _: i64) -> One {
            One
        }
        fn join(&self, _: i64, _: &One, _: i64) -> Option<One> {
            Some(One)
        }
    }
    let summed = sum(all.into_iter().map(|run| (run, One)).collect()).unwrap();
    let runs: Vec<Run> = summed.iter().map(|s| s.0).collect();
    assert_eq!(runs.len(), 6);
    let layout = layout(&runs).unwrap();
    let shape: Vec<_> = layout.iter().map(|s| (s.column, s.n, s.entries.len())).collect();
    assert_eq!(shape, [(0, n, 6), (5_000_000, 1, 3)]);
}
