//! Runs that share entries, split so that none do.

use rustc_hash::FxHashMap;

use super::{Along, Irregular, Line, MOST_STEPS, Run};

/// Runs in a direction with no more entries than this are taken apart, if there are longer runs.
const FEW: i64 = 64;

/// Most entries that stand alone.
const MOST_SINGLES: usize = 1 << 14;

/// A step from one entry to the next: of rows, then of columns.
type Direction = (i64, i64);

/// What lies on one line of a direction: places on it, the first and how many, with their parts.
type OnLine<T> = Vec<(i64, i64, T)>;

/// The lines of one direction, by the entry that is the origin of each.
type Lines<T> = (Direction, FxHashMap<(i64, i64), OnLine<T>>);

/// Runs without common entries, each with all that belongs to it, in the order given. Runs that
/// continue one another are joined. Steps of rows in the result are not negative.
pub fn sum<T: Along>(runs: Vec<(Run, T)>) -> Result<Vec<(Run, Vec<T>)>, Irregular> {
    let mut lines: Vec<Lines<T>> = Vec::new();
    // The longest run of each direction, and the number of its entries.
    let mut sizes: FxHashMap<Direction, (i64, i64)> = FxHashMap::default();
    let runs: Vec<(Run, T)> = runs.into_iter().map(|(run, part)| upright(run, part)).collect();
    for (run, _) in runs.iter().filter(|r| r.0.n > 1) {
        let direction = direction(run);
        if direction == (0, 0) {
            // All at one entry: a sum over the run, which is written out if it is short.
            if run.n > FEW {
                return Err(Irregular);
            }
            continue;
        }
        let size = sizes.entry(direction).or_default();
        *size = (run.n.max(size.0), run.n + size.1);
    }
    let longest = sizes.values().map(|size| size.0).max().unwrap_or(0);
    let is_minor = |run: &Run| {
        sizes.get(&direction(run)).is_none_or(|&(most, all)| most < longest && all <= FEW)
    };
    let mut singles: FxHashMap<(i64, i64), Vec<T>> = FxHashMap::default();
    for (run, part) in runs {
        if is_minor(&run) {
            for i in 0..run.n {
                let place = (run.row.at(i), run.column.at(i));
                singles.entry(place).or_default().push(part.part(i, 0));
            }
            continue;
        }
        let direction = direction(&run);
        let at = lines.iter().position(|l| l.0 == direction).unwrap_or_else(|| {
            lines.push((direction, FxHashMap::default()));
            lines.len() - 1
        });
        let (key, place) = place(direction, run.row.start, run.column.start);
        lines[at].1.entry(key).or_default().push((place, run.n, part));
    }
    if singles.len() > MOST_SINGLES {
        return Err(Irregular);
    }
    lines.sort_by_key(|l| l.0);
    separate(&mut lines)?;
    let mut found = Vec::new();
    let mut singles: Vec<_> = singles.into_iter().collect();
    singles.sort_by_key(|s| s.0);
    for ((row, column), parts) in singles {
        // On a line first, then beside the end of one.
        let mut on = [None, None];
        for (k, (direction, classes)) in lines.iter().enumerate() {
            let (key, place) = place(*direction, row, column);
            for of in classes.get(&key).into_iter().flatten() {
                if (of.0..of.0 + of.1).contains(&place) {
                    on[0] = Some((k, key, place));
                } else if (of.0 - 1..=of.0 + of.1).contains(&place) {
                    on[1] = on[1].or(Some((k, key, place)));
                }
            }
        }
        match on[0].or(on[1]) {
            Some((k, key, place)) => {
                let class = lines[k].1.entry(key).or_default();
                class.extend(parts.into_iter().map(|part| (place, 1, part)));
            }
            None => found.push((Run::single(row, column), parts)),
        }
    }
    for (direction, classes) in lines {
        for (key, class) in classes {
            for (place, n, parts) in disjoint(class) {
                let steps = if n == 1 { (0, 0) } else { direction };
                let row = Line::new(key.0 + place * direction.0, steps.0);
                let column = Line::new(key.1 + place * direction.1, steps.1);
                found.push((Run { n, row, column }, parts));
            }
        }
    }
    found.sort_by_key(|(run, _)| (run.column.start, run.row.start));
    Ok(found)
}

/// The run with rows that do not fall; nor do columns in one row.
fn upright<T: Along>(run: Run, part: T) -> (Run, T) {
    if run.n == 1 {
        return (Run::single(run.row.start, run.column.start), part);
    }
    if run.row.step < 0 || run.row.step == 0 && run.column.step < 0 {
        return (run.reversed(), part.part(run.n - 1, -1));
    }
    (run, part)
}

fn direction(run: &Run) -> Direction {
    (run.row.step, run.column.step)
}

/// The line of a direction on which an entry lies, by the entry that is its origin, and the place
/// on it.
fn place(direction: Direction, row: i64, column: i64) -> ((i64, i64), i64) {
    let place = match direction {
        (0, step) => column.div_euclid(step),
        (step, _) => row.div_euclid(step),
    };
    ((row - place * direction.0, column - place * direction.1), place)
}

/// Moves what lies where lines of two directions cross to the first of them.
fn separate<T: Along>(lines: &mut [Lines<T>]) -> Result<(), Irregular> {
    let mut steps = 0u64;
    for b in 1..lines.len() {
        let (before, after) = lines.split_at_mut(b);
        let (of_b, classes_b) = &mut after[0];
        for (of_a, classes_a) in before {
            let determinant = of_a.0 * of_b.1 - of_a.1 * of_b.0;
            for (origin_b, class_b) in classes_b.iter_mut() {
                for (origin_a, class_a) in classes_a.iter_mut() {
                    steps += 1;
                    let gap = (origin_b.0 - origin_a.0, origin_b.1 - origin_a.1);
                    if determinant == 0 {
                        let on_one_line = gap.0 * of_a.1 == gap.1 * of_a.0;
                        if on_one_line
                            && overlap(*of_a, *origin_a, class_a, *of_b, *origin_b, class_b)
                        {
                            return Err(Irregular);
                        }
                        continue;
                    }
                    // gap = i * of_a - j * of_b.
                    let i = gap.0 * of_b.1 - gap.1 * of_b.0;
                    let j = gap.0 * of_a.1 - gap.1 * of_a.0;
                    if i % determinant != 0 || j % determinant != 0 {
                        continue;
                    }
                    let (i, j) = (i / determinant, j / determinant);
                    let inside = |class: &OnLine<T>, k: i64| {
                        class.iter().any(|of| (of.0..of.0 + of.1).contains(&k))
                    };
                    if inside(class_a, i) && inside(class_b, j) {
                        class_a.extend(take(class_b, j).into_iter().map(|part| (i, 1, part)));
                    }
                }
            }
            if steps > MOST_STEPS {
                return Err(Irregular);
            }
        }
    }
    Ok(())
}

/// Whether the entries of two classes on one line, in steps of different length, may meet.
fn overlap<T>(
    of_a: Direction,
    origin_a: (i64, i64),
    class_a: &OnLine<T>,
    of_b: Direction,
    origin_b: (i64, i64),
    class_b: &OnLine<T>,
) -> bool {
    // Places may all have been taken out.
    if class_a.is_empty() || class_b.is_empty() {
        return false;
    }
    let by_row = of_a.0 != 0;
    let extent = |of: Direction, origin: (i64, i64), class: &OnLine<T>| {
        let pick = |pair: (i64, i64)| if by_row { pair.0 } else { pair.1 };
        let ends = class.iter().map(|&(place, n, _)| (place, place + n - 1));
        let (low, high) = ends.fold((i64::MAX, i64::MIN), |(l, h), (a, b)| (l.min(a), h.max(b)));
        (pick(origin) + low * pick(of), pick(origin) + high * pick(of))
    };
    let (a, b) = (extent(of_a, origin_a, class_a), extent(of_b, origin_b, class_b));
    a.0 <= b.1 && b.0 <= a.1
}

/// Takes place `at` out of a class.
fn take<T: Along>(class: &mut OnLine<T>, at: i64) -> Vec<T> {
    let mut taken = Vec::new();
    let mut kept = Vec::with_capacity(class.len() + 1);
    for (place, n, part) in class.drain(..) {
        if !(place..place + n).contains(&at) {
            kept.push((place, n, part));
            continue;
        }
        taken.push(part.part(at - place, 0));
        if at > place {
            kept.push((place, at - place, part.part(0, 1)));
        }
        if at + 1 < place + n {
            kept.push((at + 1, place + n - at - 1, part.part(at + 1 - place, 1)));
        }
    }
    *class = kept;
    taken
}

/// The places of a class without overlaps, each with its parts; what continues is joined.
fn disjoint<T: Along>(class: OnLine<T>) -> Vec<(i64, i64, Vec<T>)> {
    let mut bounds: Vec<i64> = class.iter().flat_map(|of| [of.0, of.0 + of.1]).collect();
    bounds.sort_unstable();
    bounds.dedup();
    let mut order: Vec<usize> = (0..class.len()).collect();
    order.sort_by_key(|&k| class[k].0);
    let mut waiting = order.into_iter().peekable();
    // Of those that cover the present place, in the order given.
    let mut present: Vec<usize> = Vec::new();
    let mut found: Vec<(i64, i64, Vec<T>)> = Vec::new();
    for pair in bounds.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        present.retain(|&k| class[k].0 + class[k].1 > from);
        while let Some(k) = waiting.next_if(|&k| class[k].0 <= from) {
            present.push(k);
        }
        if present.is_empty() {
            continue;
        }
        present.sort_unstable();
        let parts: Vec<T> =
            present.iter().map(|&k| class[k].2.part(from - class[k].0, 1)).collect();
        let n = to - from;
        if let Some(last) = found.last_mut()
            && last.0 + last.1 == from
            && let Some(joined) = joined(last, &parts, n)
        {
            *last = (last.0, last.1 + n, joined);
            continue;
        }
        found.push((from, n, parts));
    }
    found
}

fn joined<T: Along>(last: &(i64, i64, Vec<T>), parts: &[T], n: i64) -> Option<Vec<T>> {
    if last.2.len() != parts.len() {
        return None;
    }
    last.2.iter().zip(parts).map(|(a, b)| a.join(last.1, b, n)).collect()
}
