//! Orders of straight-line code that keep few values alive.

use super::allocate::{Allocated, Allocation, Line, MOST_ARGS, Register, Step, Value};

/// Of so many lines one that moves something between registers and memory is too few to look for
/// another order.
const FEW_MOVES: usize = 32;
/// By the first lines of long code orders are compared.
const SAMPLE: usize = 512;

/// Allocated as given or in another order, whichever moves less between registers and memory.
pub fn allocate_best(
    lines: &[Line],
    fixed: &[bool],
    n_registers: Register,
    order: impl FnOnce() -> Vec<u32>,
) -> Allocated {
    let sample = if lines.len() < 4 * SAMPLE { lines.len() } else { SAMPLE };
    let mut as_given = Allocation::new(lines, fixed, n_registers);
    as_given.run(sample);
    if as_given.n_steps() > sample + sample / FEW_MOVES {
        let order = order();
        let reordered: Vec<Line> = order.iter().map(|&line| lines[line as usize]).collect();
        let mut other = Allocation::new(&reordered, fixed, n_registers);
        other.run(sample.min(reordered.len()));
        if other.n_steps() < as_given.n_steps() {
            other.run(reordered.len());
            let mut other = other.done();
            for step in &mut other.steps {
                if let Step::Run { line, .. } = step {
                    *line = order[*line as usize];
                }
            }
            return other;
        }
    }
    as_given.run(lines.len());
    as_given.done()
}

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
            let mut makers = [NONE; MOST_ARGS];
            for (maker_of, &arg) in makers.iter_mut().zip(lines[number as usize].args()) {
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
        for (part, &arg) in parts.iter_mut().zip(line.args()) {
            *part = of(arg, &need).unwrap_or(0);
        }
        parts.sort_unstable_by_key(|&part| std::cmp::Reverse(part));
        let at_once = parts.iter().enumerate().map(|(k, &part)| part + k as u32);
        need.push(at_once.max().unwrap_or(0).max(1));
    }
    need
}
