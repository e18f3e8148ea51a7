//! Registers for straight-line code.
//!
//! The value whose next use lies furthest ahead leaves its register when one is needed (L. A.
//! Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems
//! Journal 5, 1966). A value is written to memory at most once, and its place there is given to
//! another one when it is no longer needed. Operands that an instruction can read from memory are
//! not loaded for a single use.

/// A value of the code, numbered from 0.
pub type Value = u32;
/// A register, numbered from 0.
pub type Register = u8;

/// Most arguments of a line.
pub const MOST_ARGS: usize = 4;

/// One operation of straight-line code.
#[derive(Clone, Copy, Debug, Default)]
pub struct Line {
    pub args: [Value; MOST_ARGS],
    pub n_args: u8,
    pub dst: Option<Value>,
    /// Bit `k` if argument `k` may be read from memory; at most one is.
    pub folds: u8,
    /// Every argument may be read from memory, and for none is a register taken.
    pub gathers: bool,
    /// The same, and no register keeps its value.
    pub is_call: bool,
    /// The result is written over an argument: best one that is not used again.
    pub overwrites: bool,
    /// The result is needed elsewhere, even if no line uses it.
    pub is_kept: bool,
    /// Its argument has a place in memory from then on, known to the caller: it is stored there,
    /// after it was computed between the same branches.
    pub keeps: bool,
    pub branch: Option<Branch>,
}

/// The bounds of lines that may be skipped. They do not nest, and nothing after them uses what
/// they compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Branch {
    Begin,
    End,
}

impl Line {
    /// With some arguments, at most [`MOST_ARGS`].
    pub fn of(args: &[Value]) -> Line {
        let mut line = Line { n_args: args.len().min(MOST_ARGS) as u8, ..Line::default() };
        line.args.iter_mut().zip(args).for_each(|(to, &arg)| *to = arg);
        line
    }

    /// The arguments.
    pub fn args(&self) -> &[Value] {
        &self.args[..usize::from(self.n_args)]
    }
}

/// Where an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    Register(Register),
    /// A place in memory that this allocation gave.
    Slot(u32),
    /// The value has a place of its own, known to the caller.
    Fixed(Value),
}

/// A step of allocated code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A register's value is kept in memory.
    Spill {
        from: Register,
        slot: u32,
    },
    Reload {
        to: Register,
        from: Operand,
    },
    /// The line with this number.
    Run {
        line: u32,
        args: [Operand; MOST_ARGS],
        dst: Option<Register>,
    },
}

/// Allocated code.
#[derive(Clone, Debug, Default)]
pub struct Allocated {
    pub steps: Vec<Step>,
    pub n_slots: u32,
}

impl Allocated {
    /// Does something with all arguments.
    pub fn each_operand(&self, mut each: impl FnMut(Operand)) {
        for step in &self.steps {
            match *step {
                Step::Spill { .. } => {}
                Step::Reload { from, .. } => each(from),
                Step::Run { args, .. } => args.into_iter().for_each(&mut each),
            }
        }
    }

    /// Numbers the slots anew, those that are used most near the one that is given back.
    pub fn center_slots(&mut self) -> u32 {
        if self.n_slots <= NEAR {
            return self.n_slots / 2;
        }
        let mut uses = vec![0; self.n_slots as usize];
        self.each_operand(|operand| {
            if let Operand::Slot(slot) = operand
                && let Some(uses) = uses.get_mut(slot as usize)
            {
                *uses += 1;
            }
        });
        let (places, center) = centered(&uses);
        let renew = |operand: &mut Operand| {
            if let Operand::Slot(slot) = operand
                && let Some(&place) = places.get(*slot as usize)
            {
                *slot = place;
            }
        };
        for step in &mut self.steps {
            match step {
                Step::Spill { slot, .. } => *slot = places[*slot as usize],
                Step::Reload { from, .. } => renew(from),
                Step::Run { args, .. } => args.iter_mut().for_each(renew),
            }
        }
        center
    }
}

/// Places around a center that the fewest bytes of an instruction reach.
pub const NEAR: u32 = 32;
/// Places on both sides of a center that fewer bytes of an instruction reach than others.
const REACH: u32 = 128;

/// For each of some things its place when those with more uses are nearer to the center, and that.
pub fn centered(uses: &[u32]) -> (Vec<u32>, u32) {
    let n = uses.len() as u32;
    let center = (n / 2).min(REACH);
    let mut order: Vec<u32> = (0..n).collect();
    order.sort_by_key(|&k| std::cmp::Reverse(uses[k as usize]));
    let (mut before, mut after) = ((0..center).rev(), center..n);
    let mut places = vec![0; uses.len()];
    for (rank, &k) in order.iter().enumerate() {
        let place = match rank % 2 {
            0 => after.next().or_else(|| before.next()),
            _ => before.next().or_else(|| after.next()),
        };
        places[k as usize] = place.unwrap_or(0);
    }
    (places, center)
}

/// Never used again.
const NEVER: u32 = u32::MAX;
const NO_SLOT: u32 = u32::MAX;
const NO_REGISTER: Register = Register::MAX;
/// More registers are not used.
const MOST_REGISTERS: usize = 32;

/// Allocates registers line after line.
pub struct Allocation<'a> {
    lines: &'a [Line],
    /// For each argument the line of its next use.
    next: Vec<[u32; MOST_ARGS]>,
    state: State,
    n_done: usize,
}

impl<'a> Allocation<'a> {
    /// Allocates `n_registers` registers, from four to 32, to the values of `lines`. `fixed` says
    /// which values have a place in memory from the start; each other one is the `dst` of one line,
    /// before its uses. Lines whose `dst` is never used are left out unless it is kept.
    pub fn new(lines: &'a [Line], fixed: &[bool], n_registers: Register) -> Allocation<'a> {
        let Uses { first, last, next } = Uses::of(lines, fixed.len());
        let n_registers = usize::from(n_registers).min(MOST_REGISTERS);
        let mut ahead = [0; MOST_REGISTERS];
        ahead[..n_registers].fill(NEVER);
        let state = State {
            fixed: fixed.to_vec(),
            next: first,
            last,
            slot: vec![NO_SLOT; fixed.len()],
            register: vec![NO_REGISTER; fixed.len()],
            held: [0; MOST_REGISTERS],
            ahead,
            used: 0,
            in_memory: 0,
            all: u32::MAX >> (MOST_REGISTERS - n_registers),
            free_slots: Vec::new(),
            left_slots: Vec::new(),
            done: Allocated { steps: Vec::with_capacity(lines.len() * 5 / 4), n_slots: 0 },
        };
        Allocation { lines, next, state, n_done: 0 }
    }

    /// Goes on up to a line.
    pub fn run(&mut self, end: usize) {
        let Allocation { lines, next, state, n_done } = self;
        for number in *n_done..end {
            let line = &lines[number];
            let is_unused = line.dst.is_some_and(|dst| state.next[dst as usize] == NEVER);
            if is_unused && !line.is_kept {
                let ahead = line.args().iter().zip(&next[number]);
                ahead.for_each(|(&arg, &after)| state.used(arg, after));
                continue;
            }
            match line.branch {
                Some(Branch::Begin) => {
                    let rest = lines[number..].iter();
                    let len = rest.take_while(|line| line.branch != Some(Branch::End)).count();
                    state.save_beyond(number + len);
                }
                Some(Branch::End) => state.forget_registers(),
                None => {}
            }
            let args = state.fetch(line, &next[number]);
            if let [kept, ..] = *line.args()
                && line.keeps
            {
                state.keep(kept);
            }
            if line.is_call {
                state.leave_registers(line.args(), &next[number]);
            }
            for (&arg, &after) in line.args().iter().zip(&next[number]) {
                state.used(arg, after);
            }
            let left = if line.overwrites { state.left_register(&args) } else { None };
            let dst = line.dst.map(|dst| match left {
                Some(register) => state.put(dst, register),
                None => state.take_register(dst, &[]),
            });
            state.done.steps.push(Step::Run { line: number as u32, args, dst });
            if let Some(dst) = line.dst.filter(|_| is_unused) {
                state.used(dst, NEVER);
            }
            state.free_slots.append(&mut state.left_slots);
        }
        *n_done = end;
    }

    /// Steps so far.
    pub fn n_steps(&self) -> usize {
        self.state.done.steps.len()
    }

    /// What was allocated so far.
    pub fn done(self) -> Allocated {
        self.state.done
    }
}

/// Where values are used.
struct Uses {
    /// The lines of the first and the last use of each value.
    first: Vec<u32>,
    last: Vec<u32>,
    /// For each argument the line of its next use. The same value twice in a line has the later
    /// use at both.
    next: Vec<[u32; MOST_ARGS]>,
}

impl Uses {
    fn of(lines: &[Line], n_values: usize) -> Uses {
        let mut first = vec![NEVER; n_values];
        let mut last = vec![0; n_values];
        let mut next = vec![[NEVER; MOST_ARGS]; lines.len()];
        for (number, line) in lines.iter().enumerate().rev() {
            for (k, &arg) in line.args().iter().enumerate() {
                next[number][k] = first[arg as usize];
            }
            for &arg in line.args() {
                if first[arg as usize] == NEVER {
                    last[arg as usize] = number as u32;
                }
                first[arg as usize] = number as u32;
            }
        }
        Uses { first, last, next }
    }
}

struct State {
    /// Whether each value has a place in memory that the caller knows.
    fixed: Vec<bool>,
    /// The line of each value's next use.
    next: Vec<u32>,
    /// The line of its last one.
    last: Vec<u32>,
    slot: Vec<u32>,
    register: Vec<Register>,
    /// What each register holds that is used.
    held: [Value; MOST_REGISTERS],
    /// For each register the line of the next use of what it holds, [`NEVER`] if that is nothing,
    /// 0 if there is no such register.
    ahead: [u32; MOST_REGISTERS],
    /// Registers that hold a value, by bits.
    used: u32,
    /// Those among them whose value memory has too.
    in_memory: u32,
    /// Registers that there are.
    all: u32,
    free_slots: Vec<u32>,
    /// Slots that are free after the current line, which may read them.
    left_slots: Vec<u32>,
    done: Allocated,
}

impl State {
    /// Brings the arguments of a line where it can read them.
    fn fetch(&mut self, line: &Line, next: &[u32; MOST_ARGS]) -> [Operand; MOST_ARGS] {
        let mut from_memory = None;
        for (k, &arg) in line.args().iter().enumerate() {
            if self.register[arg as usize] != NO_REGISTER || line.is_call || line.gathers {
                continue;
            }
            let may_fold = line.folds >> k & 1 == 1
                && from_memory.is_none()
                && line.args().iter().filter(|&&other| other == arg).count() == 1;
            if may_fold && !self.is_worth_a_register(next[k]) {
                from_memory = Some(k);
                continue;
            }
            let from = self.in_memory(arg);
            let to = self.take_register(arg, line.args());
            self.done.steps.push(Step::Reload { to, from });
        }
        let mut operands = [Operand::Slot(NO_SLOT); MOST_ARGS];
        for (operand, &arg) in operands.iter_mut().zip(line.args()) {
            *operand = match self.register[arg as usize] {
                NO_REGISTER => self.in_memory(arg),
                register => Operand::Register(register),
            };
        }
        operands
    }

    /// Whether a value in memory that is used again at line `after` deserves a register now.
    fn is_worth_a_register(&self, after: u32) -> bool {
        after != NEVER && self.ahead.iter().any(|&ahead| ahead > after)
    }

    /// Notes that a value has a place in memory of its own.
    fn keep(&mut self, val: Value) {
        self.fixed[val as usize] = true;
        let register = self.register[val as usize];
        if register != NO_REGISTER {
            self.in_memory |= 1 << register;
        }
    }

    fn in_memory(&self, val: Value) -> Operand {
        match self.slot[val as usize] {
            NO_SLOT => Operand::Fixed(val),
            slot => Operand::Slot(slot),
        }
    }

    /// Notes a use of a value, whose next one is at line `after`.
    fn used(&mut self, val: Value, after: u32) {
        self.next[val as usize] = after;
        let register = self.register[val as usize];
        if register != NO_REGISTER {
            self.ahead[usize::from(register)] = after;
        }
        if after != NEVER {
            return;
        }
        if register != NO_REGISTER {
            self.leave(usize::from(register));
        }
        let slot = std::mem::replace(&mut self.slot[val as usize], NO_SLOT);
        if slot != NO_SLOT {
            self.left_slots.push(slot);
        }
    }

    /// Gives a value a register, but none of those that hold `pinned` values.
    fn take_register(&mut self, val: Value, pinned: &[Value]) -> Register {
        let free = self.all & !self.used;
        let register = if free != 0 {
            free.trailing_zeros() as usize
        } else {
            let furthest = self.furthest(pinned);
            self.save(furthest);
            self.leave(furthest);
            furthest
        };
        self.put(val, register)
    }

    /// Of the registers in use, but those of `pinned` values, the one whose value is used last;
    /// of those that are equally far, one whose value memory has already.
    fn furthest(&self, pinned: &[Value]) -> usize {
        let mut candidates = self.used;
        for &val in pinned {
            let register = self.register[val as usize];
            if register != NO_REGISTER {
                candidates &= !(1 << register);
            }
        }
        // Without jumps, as nobody foresees them.
        let key = |register: usize| {
            let is_kept = u64::from(self.in_memory >> register & 1);
            let key = u64::from(self.ahead[register]) << 6 | is_kept << 5 | register as u64;
            key * u64::from(candidates >> register & 1)
        };
        let n_registers = self.all.count_ones() as usize;
        (0..n_registers).map(key).max().unwrap_or(0) as usize % MOST_REGISTERS
    }

    fn put(&mut self, val: Value, register: usize) -> Register {
        self.held[register] = val;
        self.ahead[register] = self.next[val as usize];
        self.register[val as usize] = register as Register;
        self.used |= 1 << register;
        if self.fixed[val as usize] || self.slot[val as usize] != NO_SLOT {
            self.in_memory |= 1 << register;
        }
        register as Register
    }

    /// Frees a register.
    fn leave(&mut self, register: usize) {
        self.register[self.held[register] as usize] = NO_REGISTER;
        self.ahead[register] = NEVER;
        self.used &= !(1 << register);
        self.in_memory &= !(1 << register);
    }

    /// A register among arguments that holds nothing any more.
    fn left_register(&self, args: &[Operand]) -> Option<usize> {
        args.iter().find_map(|arg| match *arg {
            Operand::Register(register) if self.used >> register & 1 == 0 => {
                Some(usize::from(register))
            }
            _ => None,
        })
    }

    /// Keeps the value of a register in memory too.
    fn save(&mut self, register: usize) {
        if self.in_memory >> register & 1 == 1 {
            return;
        }
        let slot = self.free_slots.pop().unwrap_or_else(|| {
            self.done.n_slots += 1;
            self.done.n_slots - 1
        });
        self.slot[self.held[register] as usize] = slot;
        self.in_memory |= 1 << register;
        self.done.steps.push(Step::Spill { from: register as Register, slot });
    }

    /// Keeps in memory what is used after a line.
    fn save_beyond(&mut self, line: usize) {
        for register in set_bits(self.used) {
            if self.last[self.held[register] as usize] as usize > line {
                self.save(register);
            }
        }
    }

    /// Frees all registers, of values that are in memory.
    fn forget_registers(&mut self) {
        set_bits(self.used).for_each(|register| self.leave(register));
    }

    /// Frees all registers but those of arguments that are not used after this line.
    fn leave_registers(&mut self, args: &[Value], next: &[u32]) {
        for register in set_bits(self.used) {
            let val = self.held[register];
            let is_last = args.iter().zip(next).any(|(&arg, &after)| arg == val && after == NEVER);
            if !is_last {
                self.save(register);
                self.leave(register);
            }
        }
    }
}

/// The numbers of the bits that are set.
fn set_bits(mut bits: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = (bits != 0).then(|| bits.trailing_zeros() as usize);
        bits &= bits.wrapping_sub(1);
        lowest
    })
}

#[cfg(test)]
mod tests {
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
        let read =
            |operand: Operand, registers: &[Option<u64>], slots: &[Option<u64>]| match operand {
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
                    assert!(
                        line.is_call || line.gathers || used.iter().filter(is_read).count() <= 1
                    );
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
            let line = Line {
                dst,
                folds,
                gathers,
                is_call,
                overwrites,
                is_kept,
                ..Line::of(&args[..n_args])
            };
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
}
