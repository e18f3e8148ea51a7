//! Orders of straight-line code that keep few values alive.

use super::allocate::{Allocated, Allocation, Line, MOST_ARGS, Register, Step, Value};

/// Of so many lines one that moves something between registers and memory is too few to look for
/// another order.
const FEW_MOVES: usize = 32;
/// Code of so many lines is long: its orders are compared by the first lines, so many.
const LONG: usize = 2048;
const SAMPLE: usize = 512;

/// Another order of lines.
pub struct Order {
    pub lines: Vec<u32>,
    /// Whether lines wait less for one another than in the order that is given, which is worth
    /// some moves.
    pub waits_less: bool,
}

/// So many moves of hundred steps are worth less waiting.
const WORTH: usize = 8;
/// Lines that a processor does in a cycle, where they do not wait for one another.
const AT_ONCE: u32 = 4;

/// What was found for long code, which holds for what is near it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Experience {
    /// Whether another order moved less.
    reorders: Option<bool>,
}

/// Allocated as given or in another order, whichever moves less between registers and memory, or
/// little more if the other one is worth that.
pub fn allocate_best(
    lines: &[Line],
    fixed: &[bool],
    n_registers: Register,
    experience: &mut Experience,
    order: impl FnOnce() -> Order,
) -> Allocated {
    let is_long = lines.len() >= LONG;
    let sample = if is_long { SAMPLE } else { lines.len() };
    let known = experience.reorders.filter(|_| is_long);
    let mut as_given = None;
    if known != Some(true) {
        let mut allocation = Allocation::new(lines, fixed, n_registers);
        allocation.run(sample);
        if known == Some(false) || allocation.n_steps() <= sample + sample / FEW_MOVES {
            allocation.run(lines.len());
            return allocation.done();
        }
        as_given = Some(allocation);
    }
    let Order { lines: order, waits_less } = order();
    let worth = if waits_less { WORTH } else { 0 };
    let reordered: Vec<Line> = order.iter().map(|&line| lines[line as usize]).collect();
    let mut other = Allocation::new(&reordered, fixed, n_registers);
    other.run(sample.min(reordered.len()));
    if let Some(mut as_given) = as_given {
        let is_better = 100 * other.n_steps() < (100 + worth) * as_given.n_steps();
        if is_long {
            experience.reorders = Some(is_better);
        }
        if !is_better {
            as_given.run(lines.len());
            return as_given.done();
        }
    }
    other.run(reordered.len());
    let mut done = other.done();
    for step in &mut done.steps {
        if let Step::Run { line, .. } = step {
            *line = order[*line as usize];
        }
    }
    done
}

/// About how long lines wait for one another.
pub struct Paths {
    /// For each line the cycles from its beginning to the end of all that needs it.
    pub rest: Vec<u32>,
    /// From the first beginning to the last end.
    pub longest: u32,
}

impl Paths {
    /// Of lines that take so many cycles each until their result is there. `needs` gives the lines
    /// that have to come before one.
    pub fn of<I: Iterator<Item = usize>>(latency: &[u32], needs: impl Fn(usize) -> I) -> Paths {
        let mut rest = latency.to_vec();
        let mut longest = 0;
        for line in (0..rest.len()).rev() {
            let of_line = rest[line];
            longest = longest.max(of_line);
            for need in needs(line) {
                rest[need] = rest[need].max(latency[need] + of_line);
            }
        }
        Paths { rest, longest }
    }

    /// Of lines to be allocated, if they wait for one another longer than they take otherwise.
    /// Those that are pinned stay in their order, unless they keep what is made before. There may
    /// be other makers of values than the lines with these as `dst`.
    pub fn of_lines(
        lines: &[Line],
        n_values: usize,
        latency: impl Fn(usize) -> u32,
        is_pinned: impl Fn(usize) -> bool,
        other_maker: impl Fn(Value) -> Option<usize>,
    ) -> Option<Paths> {
        // In long code there is mostly enough to do, and its compilation is to be short.
        if lines.len() >= LONG {
            return None;
        }
        let mut makers = vec![None; n_values];
        let mut pinned_before = vec![None; lines.len()];
        let mut last_pinned = None;
        for (number, line) in lines.iter().enumerate() {
            if let Some(dst) = line.dst {
                makers[dst as usize] = Some(number);
            }
            if is_pinned(number) && !line.keeps {
                pinned_before[number] = last_pinned.replace(number);
            }
        }
        let maker = |value: Value| makers[value as usize].or_else(|| other_maker(value));
        let latency: Vec<u32> = (0..lines.len()).map(latency).collect();
        let mut paths = Paths::of(&latency, |line| {
            let makers = lines[line].args().iter().filter_map(|&arg| maker(arg));
            makers.chain(pinned_before[line])
        });
        // What is stored for good is stored at once.
        for (number, line) in lines.iter().enumerate().filter(|(_, line)| line.keeps) {
            if let Some(maker) = line.args().first().and_then(|&arg| maker(arg)) {
                paths.rest[number] = paths.rest[maker];
            }
        }
        Some(paths).filter(|paths| paths.longest > lines.len() as u32 / AT_ONCE)
    }

    /// Puts lines that can wait behind those that cannot, each part of [`WINDOW`] cycles as it is:
    /// a processor itself does first what is ready among the instructions that it sees.
    pub fn sort(&self, lines: &mut [u32]) {
        lines.sort_by_key(|&line| (self.longest - self.rest[line as usize]) / WINDOW);
    }
}

/// Cycles in which a processor does about as many instructions as it looks ahead.
const WINDOW: u32 = 32;

/// The lines in the order in which a walk from each line without result, in turn, needs them; of
/// the arguments of a line the one whose computation takes more registers comes first (R. Sethi,
/// J. D. Ullman, "The generation of optimal code for arithmetic expressions", J. ACM 17, 1970;
/// values that several lines use count once). Lines that nothing needs are left out.
pub fn depth_first(lines: &[Line], n_values: usize) -> Vec<u32> {
    depth_first_from(lines, n_values, |line| lines[line].dst.is_none())
}

/// [`depth_first`] with a walk from each line that is a root. Roots stay in their order, and no
/// line comes before a root that it followed.
pub fn depth_first_from(
    lines: &[Line],
    n_values: usize,
    is_root: impl Fn(usize) -> bool,
) -> Vec<u32> {
    const NONE: u32 = u32::MAX;
    let mut maker = vec![NONE; n_values];
    for (number, line) in lines.iter().enumerate() {
        if let Some(dst) = line.dst {
            maker[dst as usize] = number as u32;
        }
    }
    let need = needs(lines, &maker);
    let mut order = Vec::with_capacity(lines.len());
    let mut is_done = vec![false; lines.len()];
    let mut open: Vec<(u32, bool)> = Vec::new();
    for root in 0..lines.len() {
        if is_root(root) {
            open.push((root as u32, false));
        }
        while let Some((number, is_ready)) = open.pop() {
            if is_done[number as usize] {
                continue;
            }
            if is_ready {
                is_done[number as usize] = true;
                order.push(number);
                continue;
            }
            open.push((number, true));
            let args = lines[number as usize].args();
            let mut makers = [NONE; MOST_ARGS];
            let makers = &mut makers[..args.len()];
            for (maker_of, &arg) in makers.iter_mut().zip(args) {
                *maker_of = maker[arg as usize];
            }
            // The last one pushed is visited first.
            makers.sort_by_key(|&m| if m == NONE { 0 } else { need[m as usize] });
            let missing = makers.iter().filter(|&&m| m != NONE && !is_done[m as usize]);
            open.extend(missing.map(|&m| (m, false)));
        }
    }
    order
}

/// Registers that a line's computation takes if nothing of it is there.
fn needs(lines: &[Line], maker: &[u32]) -> Vec<u32> {
    let of = |arg: Value, need: &[u32]| need.get(maker[arg as usize] as usize).copied();
    let mut need: Vec<u32> = Vec::with_capacity(lines.len());
    for line in lines {
        let mut parts = [0; MOST_ARGS];
        let parts = &mut parts[..line.args().len()];
        for (part, &arg) in parts.iter_mut().zip(line.args()) {
            *part = of(arg, &need).unwrap_or(0);
        }
        parts.sort_unstable_by_key(|&part| std::cmp::Reverse(part));
        let at_once = parts.iter().enumerate().map(|(k, &part)| part + k as u32);
        need.push(at_once.max().unwrap_or(0).max(1));
    }
    need
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines that make one value each, of some before.
    fn random_lines(n: usize, seed: u64) -> Vec<Line> {
        let mut state = seed;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % below
        };
        let line = |k: usize| {
            let n_args = if k == 0 { 0 } else { random(MOST_ARGS + 1) };
            let args: Vec<Value> =
                (0..n_args).map(|_| (k - 1 - random(k.min(30))) as u32).collect();
            Line { dst: Some(k as u32), is_kept: true, ..Line::of(&args) }
        };
        (0..n).map(line).collect()
    }

    fn paths(lines: &[Line]) -> Paths {
        let latency: Vec<u32> = (0..lines.len() as u32).map(|k| 1 + k * k % 17).collect();
        Paths::of(&latency, |line| lines[line].args().iter().map(|&arg| arg as usize))
    }

    #[test]
    fn lines_come_after_what_they_need() {
        for seed in 0..20 {
            let lines = random_lines(300, seed);
            let mut order = depth_first_from(&lines, lines.len(), |_| true);
            paths(&lines).sort(&mut order);
            let mut is_done = vec![false; lines.len()];
            for &line in &order {
                assert!(lines[line as usize].args().iter().all(|&arg| is_done[arg as usize]));
                is_done[line as usize] = true;
            }
            assert!(is_done.into_iter().all(|done| done));
        }
    }

    /// A chain of 40 lines, and before it 40 others that are needed at its end only.
    #[test]
    fn what_can_wait_comes_later() {
        let mut lines: Vec<Line> =
            (0..40).map(|k| Line { dst: Some(k), ..Line::of(&[]) }).collect();
        for k in 40..80 {
            let last = if k == 40 { vec![] } else { vec![k - 1] };
            lines.push(Line { dst: Some(k), ..Line::of(&last) });
        }
        lines.extend((0..40).map(|k| Line { dst: Some(80 + k), ..Line::of(&[79, k]) }));
        let needs = |line: usize| lines[line].args().iter().map(|&arg| arg as usize);
        let paths = Paths::of(&vec![4; lines.len()], needs);
        assert_eq!(paths.longest, 4 * 41);
        let mut order: Vec<u32> = (0..lines.len() as u32).collect();
        paths.sort(&mut order);
        // All but the last part of the chain, in which its end and the others are.
        let parts = (4 * 40 - 1) / WINDOW;
        let before: Vec<u32> = (40..40 + parts * WINDOW / 4).collect();
        assert_eq!(order[..before.len()], before);
    }
}
