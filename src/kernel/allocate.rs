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
        for (k, to) in line.args.iter_mut().enumerate() {
            *to = args.get(k).copied().unwrap_or(0);
        }
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
pub const MOST_REGISTERS: usize = 32;

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
        let mut values: Vec<Known> = fixed.iter().map(|&is_fixed| Known::of(is_fixed)).collect();
        let Uses { next, last } = Uses::of(lines, &mut values);
        let n_registers = usize::from(n_registers).min(MOST_REGISTERS);
        let mut ahead = [0; MOST_REGISTERS];
        ahead[..n_registers].fill(NEVER);
        let state = State {
            values,
            last,
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
            let is_unused = line.dst.is_some_and(|dst| state.values[dst as usize].next == NEVER);
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
            let mut args = [Operand::Slot(NO_SLOT); MOST_ARGS];
            state.fetch(line, &next[number], &mut args);
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
    /// For each argument the line of its next use. The same value twice in a line has the later
    /// use at both.
    next: Vec<[u32; MOST_ARGS]>,
    /// The line of the last use of each value, where there are branches.
    last: Vec<u32>,
}

impl Uses {
    /// Leaves the first use of each value with it.
    fn of(lines: &[Line], values: &mut [Known]) -> Uses {
        let mut next = vec![[NEVER; MOST_ARGS]; lines.len()];
        for (number, line) in lines.iter().enumerate().rev() {
            for (next, &arg) in next[number].iter_mut().zip(line.args()) {
                *next = values[arg as usize].next;
            }
            for &arg in line.args() {
                values[arg as usize].next = number as u32;
            }
        }
        let mut last = Vec::new();
        if lines.iter().any(|line| line.branch.is_some()) {
            last.resize(values.len(), 0);
            for (number, line) in (0..).zip(lines) {
                line.args().iter().for_each(|&arg| last[arg as usize] = number);
            }
        }
        Uses { next, last }
    }
}

/// What is known of a value.
#[derive(Clone, Copy)]
struct Known {
    /// The line of its next use.
    next: u32,
    slot: u32,
    register: Register,
    /// Whether it has a place in memory that the caller knows.
    is_fixed: bool,
}

impl Known {
    fn of(is_fixed: bool) -> Known {
        Known { next: NEVER, slot: NO_SLOT, register: NO_REGISTER, is_fixed }
    }
}

struct State {
    values: Vec<Known>,
    /// The line of each value's last use, where there are branches.
    last: Vec<u32>,
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
    fn fetch(&mut self, line: &Line, next: &[u32], operands: &mut [Operand; MOST_ARGS]) {
        let mut from_memory = None;
        for (k, &arg) in line.args().iter().enumerate() {
            if self.values[arg as usize].register != NO_REGISTER || line.is_call || line.gathers {
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
        for (operand, &arg) in operands.iter_mut().zip(line.args()) {
            *operand = match self.values[arg as usize].register {
                NO_REGISTER => self.in_memory(arg),
                register => Operand::Register(register),
            };
        }
    }

    /// Whether a value in memory that is used again at line `after` deserves a register now.
    fn is_worth_a_register(&self, after: u32) -> bool {
        after != NEVER && self.ahead.iter().any(|&ahead| ahead > after)
    }

    /// Notes that a value has a place in memory of its own.
    fn keep(&mut self, val: Value) {
        self.values[val as usize].is_fixed = true;
        let register = self.values[val as usize].register;
        if register != NO_REGISTER {
            self.in_memory |= 1 << register;
        }
    }

    fn in_memory(&self, val: Value) -> Operand {
        match self.values[val as usize].slot {
            NO_SLOT => Operand::Fixed(val),
            slot => Operand::Slot(slot),
        }
    }

    /// Notes a use of a value, whose next one is at line `after`.
    fn used(&mut self, val: Value, after: u32) {
        let value = &mut self.values[val as usize];
        value.next = after;
        let register = value.register;
        if register != NO_REGISTER {
            self.ahead[usize::from(register)] = after;
        }
        if after != NEVER {
            return;
        }
        let slot = std::mem::replace(&mut value.slot, NO_SLOT);
        if register != NO_REGISTER {
            self.leave(usize::from(register));
        }
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
            let register = self.values[val as usize].register;
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

    #[inline]
    fn put(&mut self, val: Value, register: usize) -> Register {
        let value = &mut self.values[val as usize];
        value.register = register as Register;
        self.held[register] = val;
        self.ahead[register] = value.next;
        self.used |= 1 << register;
        if value.is_fixed || value.slot != NO_SLOT {
            self.in_memory |= 1 << register;
        }
        register as Register
    }

    /// Frees a register.
    fn leave(&mut self, register: usize) {
        self.values[self.held[register] as usize].register = NO_REGISTER;
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
        self.values[self.held[register] as usize].slot = slot;
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
mod tests;
