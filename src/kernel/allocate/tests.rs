//! Allocated code computes what its lines say.

use super::*;

/// Runs allocated code on numbers and compares with the code itself.
fn check(lines: &[Line], n_fixed: usize, n_registers: Register) -> Allocated {
    run(lines, n_fixed, n_registers, true);
    run(lines, n_fixed, n_registers, false)
}

/// With or without what may be skipped.
fn run(lines: &[Line], n_fixed: usize, n_registers: Register, skips: bool) -> Allocated {
    let n_values = n_fixed + lines.iter().filter(|line| line.dst.is_some()).count();
    let fixed: Vec<bool> = (0..n_values).map(|val| val < n_fixed).collect();
    let value = |line: &Line, args: &[u64]| {
        let mixed = args.iter().fold(17u64, |h, &a| h.wrapping_mul(31).wrapping_add(a));
        mixed ^ u64::from(line.folds)
    };
    let mut plain: Vec<u64> = (0..n_values as u64).map(|val| val * 7 + 1).collect();
    let mut seen = vec![0; lines.len()];
    for (number, line) in lines.iter().enumerate() {
        let args: Vec<u64> = line.args().iter().map(|&arg| plain[arg as usize]).collect();
        seen[number] = value(line, &args);
        if let Some(dst) = line.dst {
            plain[dst as usize] = seen[number];
        }
    }
    let mut allocation = Allocation::new(lines, &fixed, n_registers);
    // In two parts, which makes no difference.
    allocation.run(lines.len() / 3);
    allocation.run(lines.len());
    let done = allocation.done();
    let mut registers = vec![None; usize::from(n_registers)];
    let mut slots = vec![None; done.n_slots as usize];
    let read = |operand: Operand, registers: &[Option<u64>], slots: &[Option<u64>]| match operand {
        Operand::Register(r) => registers[usize::from(r)].unwrap(),
        Operand::Slot(slot) => slots[slot as usize].unwrap(),
        Operand::Fixed(val) => plain[val as usize],
    };
    let mut in_memory: Vec<bool> = fixed.clone();
    let branch_of = |step: &Step| match *step {
        Step::Run { line, .. } => lines[line as usize].branch,
        _ => None,
    };
    let mut is_skipped = false;
    for step in &done.steps {
        match branch_of(step) {
            Some(Branch::Begin) => is_skipped = skips,
            Some(Branch::End) => {
                is_skipped = false;
                registers.fill(None);
            }
            None => {}
        }
        if is_skipped {
            continue;
        }
        match *step {
            Step::Reload { from: Operand::Fixed(val), .. } if !in_memory[val as usize] => {
                panic!("value {val} is not there");
            }
            Step::Spill { from, slot } => slots[slot as usize] = registers[usize::from(from)],
            Step::Reload { to, from } => {
                registers[usize::from(to)] = Some(read(from, &registers, &slots));
            }
            Step::Run { line: number, args, dst } => {
                let line = &lines[number as usize];
                let is_read = |o: &&Operand| !matches!(o, Operand::Register(_));
                let used = &args[..line.args().len()];
                assert!(line.is_call || line.gathers || used.iter().filter(is_read).count() <= 1);
                let is_there = |o: &Operand| match *o {
                    Operand::Fixed(val) => in_memory[val as usize],
                    _ => true,
                };
                assert!(used.iter().all(is_there), "line {number}");
                if line.keeps {
                    in_memory[line.args[0] as usize] = true;
                }
                let given: Vec<u64> =
                    used.iter().map(|&arg| read(arg, &registers, &slots)).collect();
                let result = value(line, &given);
                assert_eq!(result, seen[number as usize], "line {number}");
                if line.is_call {
                    registers.fill(None);
                }
                if let Some(dst) = dst {
                    registers[usize::from(dst)] = Some(result);
                }
            }
        }
    }
    done
}

fn random_lines(n: usize, n_fixed: u32, seed: u64) -> Vec<Line> {
    let mut state = seed;
    let mut random = |below: u32| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((state >> 33) % u64::from(below)) as u32
    };
    let mut lines = Vec::new();
    let mut n_values = n_fixed;
    // The values of lines that may be skipped.
    let mut inside: Option<u32> = None;
    let mut hidden: Vec<std::ops::Range<u32>> = Vec::new();
    for k in 0..n {
        if k % 90 == 60 || k % 90 == 80 {
            let branch = match inside.take() {
                None => {
                    inside = Some(n_values);
                    Branch::Begin
                }
                Some(first) => {
                    hidden.push(first..n_values);
                    Branch::End
                }
            };
            lines.push(Line { branch: Some(branch), ..Line::default() });
        }
        let recent = n_values.min(40);
        let mut args = [0; MOST_ARGS].map(|_| match random(4) {
            0 => random(n_values),
            _ => n_values - 1 - random(recent),
        });
        for arg in &mut args {
            if let Some(range) = hidden.iter().find(|range| range.contains(arg)) {
                *arg = range.start - 1;
            }
        }
        let dst = (k + 1 < n && random(10) != 0).then_some(n_values);
        n_values += u32::from(dst.is_some());
        let (is_call, overwrites, is_kept) = (random(15) == 0, random(3) == 0, random(9) == 0);
        let gathers = random(15) == 0;
        let n_args = 1 + random(if gathers { 4 } else { 3 }) as usize;
        let folds = random(8) as u8;
        let line =
            Line { dst, folds, gathers, is_call, overwrites, is_kept, ..Line::of(&args[..n_args]) };
        lines.push(line);
        if let Some(dst) = dst.filter(|_| random(6) == 0) {
            lines.push(Line { folds: 1, keeps: true, ..Line::of(&[dst]) });
        }
    }
    lines
}

#[test]
fn allocated_code_computes_the_same() {
    for seed in 0..60 {
        for n_registers in [4, 5, 14] {
            check(&random_lines(400, 5, seed), 5, n_registers);
        }
    }
}

#[test]
fn what_is_used_most_is_in_the_middle() {
    for n in [0, 1, 2, 33, 300, 1000] {
        let uses: Vec<u32> = (0..n).map(|k| (k * 7919) % 1009).collect();
        let (places, center) = centered(&uses);
        let mut sorted = places.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..n).collect::<Vec<u32>>());
        let distance = |k: usize| places[k].abs_diff(center);
        let near = (0..uses.len()).filter(|&k| distance(k) < NEAR / 2 - 1);
        let least = near.map(|k| uses[k]).min().unwrap_or(0);
        let far = (0..uses.len()).filter(|&k| distance(k) > NEAR / 2);
        assert!(far.into_iter().all(|k| uses[k] <= least), "{n}");
    }
}

#[test]
fn slots_that_move_hold_the_same() {
    for seed in 0..20 {
        let mut done = check(&random_lines(4000, 5, seed), 5, 4);
        let before = done.clone();
        assert!(done.n_slots > NEAR && done.center_slots() < done.n_slots);
        let slots = |done: &Allocated| {
            let mut slots = Vec::new();
            done.each_operand(|operand| {
                if let Operand::Slot(slot) = operand
                    && slot != NO_SLOT
                {
                    slots.push(slot);
                }
            });
            slots
        };
        // One to one.
        let pairs: std::collections::BTreeSet<(u32, u32)> =
            slots(&before).into_iter().zip(slots(&done)).collect();
        let old: std::collections::BTreeSet<u32> = pairs.iter().map(|pair| pair.0).collect();
        let new: std::collections::BTreeSet<u32> = pairs.iter().map(|pair| pair.1).collect();
        assert_eq!((old.len(), new.len()), (pairs.len(), pairs.len()));
    }
}

#[test]
fn a_chain_needs_no_memory() {
    let line = |k: u32| Line { dst: Some(k + 1), folds: 0b10, ..Line::of(&[k, 0]) };
    let mut lines: Vec<Line> = (0..100).map(line).collect();
    lines.push(Line::of(&[100]));
    let done = check(&lines, 1, 4);
    assert_eq!(done.n_slots, 0);
    assert_eq!(done.steps.len(), lines.len() + 1);
}
