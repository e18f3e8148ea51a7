//! A segment as lines for the allocation of registers.
//!
//! Numbers of memory that nothing writes are read where they are used. Like operations are done at
//! once: their results, and arguments of calls, stand in memory of their own.

use std::cell::LazyCell;

use rustc_hash::FxHashMap;

use super::Surroundings;
use crate::backend::jit::plan::NO_HOME;
use crate::backend::jit::vector::operation::{self, Signs};
use crate::kernel::allocate::{Branch, Line, Value};
use crate::kernel::ir::{AddrId, Base, Inst, Val};
use crate::kernel::pack::{self, Kind};
use crate::kernel::schedule::Paths;
use crate::kernel::stores::Written;
use crate::ops::math::LANES;
use crate::ops::scalar::{Jit, ScalarOp};

/// What a line does.
#[derive(Clone, Copy)]
pub(super) enum Action {
    Load(AddrId),
    Store(AddrId),
    /// Adds to a number in memory.
    Accumulate(AddrId),
    Apply(ScalarOp),
    /// A product plus a term, each with its sign.
    Fma(Signs),
    /// Index into the kernel's counters.
    Counter(u32),
    /// Puts an argument of calls into its place.
    Stage(u32),
    /// Takes a result of calls from its place.
    Take(u32),
    /// Makes the calls with this number.
    Calls(u32),
    /// Puts the numerators of quotients into their place.
    Numerators(u32),
    /// The quotients with this number, of given denominators.
    Quotients(u32),
    /// The square roots with this number.
    Roots(u32),
    /// Goes on at [`Action::End`] unless a result is wanted.
    Begin(u32),
    End,
}

impl Action {
    /// Cycles until the result is there, about.
    fn latency(self) -> u32 {
        match self {
            Action::Apply(op) => pack::latency(op),
            Action::Fma(_) => 4,
            Action::Calls(_) => 45,
            Action::Quotients(_) | Action::Roots(_) => 30,
            _ => 1,
        }
    }
}

/// Where a value has its place in memory.
#[derive(Clone, Copy)]
pub(super) enum Home {
    /// Computed here.
    None,
    /// The constant with this index.
    Constant(u32),
    /// In scratch memory, where another function or this one puts it.
    Scratch(u32),
    Memory(AddrId),
    /// The same from when a line stores it there.
    Stored(AddrId),
    /// A place of what is done at once.
    Staged(u32),
}

/// Like operations that are done at once.
pub(super) struct Group {
    pub kind: Kind,
    /// Of the numbers of a call.
    pub tags: u64,
    pub len: u32,
}

/// The lines of a segment and what they refer to.
#[derive(Default)]
pub(super) struct Code {
    pub lines: Vec<Line>,
    /// For each line.
    pub deeds: Vec<Deed>,
    /// For each value of the lines.
    pub homes: Vec<Home>,
    pub constants: Vec<f64>,
    pub groups: Vec<Group>,
}

/// What is done in a line.
#[derive(Clone, Copy)]
pub(super) struct Deed {
    pub action: Action,
    pub n_args: u8,
    /// Where in scratch memory its result goes, or [`NO_HOME`].
    pub kept: u32,
    /// Whether it keeps its place among such lines.
    pub is_pinned: bool,
}

impl Code {
    /// Reads straight instructions.
    pub fn of(around: &Surroundings, insts: &[Inst]) -> Code {
        let (mut least, mut largest) = (Val::MAX, 0);
        for inst in insts {
            if let Some(dst) = pack::defined(inst) {
                least = least.min(dst);
                largest = largest.max(dst);
            }
        }
        let n = (largest + 1).saturating_sub(least) as usize;
        let mut reader = Reader {
            around,
            least,
            inner: vec![NOT_KNOWN; n],
            outer: FxHashMap::default(),
            negated: vec![None; n],
            written: LazyCell::new(Box::new(|| Written::of(around.kernel, insts))),
            code: Code::default(),
        };
        reader.code.lines.reserve(insts.len());
        reader.code.deeds.reserve(insts.len());
        reader.code.homes.reserve(insts.len());
        let is_dividing = LazyCell::new(|| pack::is_dividing(insts));
        let mut rest = insts;
        while let [inst, others @ ..] = rest {
            let kind = if around.packs { pack::kind(inst) } else { None };
            let n = match kind {
                Some(Kind::Call(_)) => pack::alike(rest),
                Some(Kind::Quotient | Kind::Root) if *is_dividing => pack::alike(rest),
                _ => 1,
            };
            if n > 1 {
                reader.group(&rest[..n]);
                rest = &rest[n..];
            } else {
                reader.inst(inst);
                rest = others;
            }
        }
        reader.code
    }

    /// For each value whether it has a place in memory.
    pub fn fixed(&self) -> Vec<bool> {
        let is_later = |home: &Home| matches!(home, Home::None | Home::Stored(_));
        self.homes.iter().map(|home| !is_later(home)).collect()
    }

    /// Whether anything is called.
    pub fn has_calls(&self) -> bool {
        self.lines.iter().any(|line| line.is_call)
    }

    /// How long lines wait for one another, if that is long.
    pub fn paths(&self, n_values: usize) -> Option<Paths> {
        let mut makers = vec![None; self.groups.len()];
        for (number, deed) in self.deeds.iter().enumerate() {
            if let Action::Calls(group) | Action::Quotients(group) | Action::Roots(group) =
                deed.action
            {
                makers[group as usize] = Some(number);
            }
        }
        let of_group = |value: Value| match self.homes[value as usize] {
            Home::Staged(place) => makers[place as usize / LANES],
            _ => None,
        };
        let latency = |line: usize| self.deeds[line].action.latency();
        let is_pinned = |line: usize| self.deeds[line].is_pinned;
        Paths::of_lines(&self.lines, n_values, latency, is_pinned, of_group)
    }

    /// The addresses that lines use.
    pub fn addresses(&self) -> impl Iterator<Item = AddrId> {
        let homes = self.lines.iter().flat_map(Line::args).filter_map(|&arg| {
            match self.homes[arg as usize] {
                Home::Memory(addr) => Some(addr),
                _ => None,
            }
        });
        let accessed = self.deeds.iter().filter_map(|deed| match deed.action {
            Action::Load(addr) | Action::Store(addr) | Action::Accumulate(addr) => Some(addr),
            _ => None,
        });
        homes.chain(accessed)
    }
}

const NOT_KNOWN: Value = Value::MAX;

struct Reader<'a> {
    around: &'a Surroundings<'a>,
    least: Val,
    /// Values of the segment.
    inner: Vec<Value>,
    /// Values from outside and constants.
    outer: FxHashMap<Val, Value>,
    /// What a value of the segment is the negative of.
    negated: Vec<Option<Val>>,
    /// Only looked for where something is stored.
    written: LazyCell<Written, Box<dyn FnOnce() -> Written + 'a>>,
    code: Code,
}

impl Reader<'_> {
    fn inst(&mut self, inst: &Inst) {
        match *inst {
            Inst::Load { dst, addr } => {
                let base = self.around.kernel.addrs[addr as usize].base;
                let is_constant = matches!(base, Base::Arg(_) | Base::Data(_));
                if is_constant && self.home(dst) == NO_HOME {
                    self.new_value(dst, Home::Memory(addr));
                } else {
                    self.define(dst, Line::default(), Action::Load(addr), !is_constant);
                }
            }
            Inst::Store { addr, src } => self.store(src, addr),
            Inst::Accumulate { addr, src } => {
                let src = self.value(src);
                self.write(src, Action::Accumulate(addr));
            }
            Inst::Apply { dst, op: ScalarOp::Fma, args } => self.fma(dst, args),
            Inst::Apply { dst, op, args } => {
                if op == ScalarOp::Neg {
                    self.negated[(dst - self.least) as usize] = Some(args[0]);
                }
                let mut values = [0; 3];
                let values = &mut values[..op.arity()];
                for (value, &arg) in values.iter_mut().zip(&args) {
                    *value = self.value(arg);
                }
                let line = Line {
                    folds: operation::folds(op),
                    is_call: op.row().jit == Jit::Call,
                    ..Line::of(values)
                };
                self.define(dst, line, Action::Apply(op), false);
            }
            Inst::Counter { dst, info } => {
                self.define(dst, Line::default(), Action::Counter(info), false);
            }
            Inst::IfWanted { res } => self.branch(Branch::Begin, Action::Begin(res)),
            Inst::EndWanted => self.branch(Branch::End, Action::End),
            _ => {}
        }
    }

    /// Signs are part of the instruction; what negates is left out if nothing else needs it.
    fn fma(&mut self, dst: Val, args: [Val; 3]) {
        let mut is_negative = [false; 3];
        let args = [0, 1, 2].map(|k| {
            let place = args[k].checked_sub(self.least);
            match place.and_then(|place| *self.negated.get(place as usize)?) {
                Some(plain) => {
                    is_negative[k] = true;
                    self.value(plain)
                }
                None => self.value(args[k]),
            }
        });
        let signs = Signs { product: is_negative[0] != is_negative[1], term: is_negative[2] };
        let folds = operation::folds(ScalarOp::Fma);
        let line = Line { folds, overwrites: true, ..Line::of(&args) };
        self.define(dst, line, Action::Fma(signs), false);
    }

    /// Up to four operations at once.
    fn group(&mut self, insts: &[Inst]) {
        let number = self.code.groups.len() as u32;
        let first = LANES as u32 * number;
        let mut args = [[0; LANES]; 2];
        let (mut kind, mut tags) = (Kind::Root, 0);
        for (lane, inst) in insts.iter().enumerate() {
            let (Some(of_inst), &Inst::Apply { op, args: [a, b, _], .. }) =
                (pack::kind(inst), inst)
            else {
                continue;
            };
            kind = of_inst;
            tags |= u64::from(pack::is_tagged(op)) << lane;
            args[0][lane] = self.value(a);
            args[1][lane] = self.value(b);
        }
        let [numbers, denominators] = args.each_ref().map(|args| &args[..insts.len()]);
        self.code.groups.push(Group { kind, tags, len: insts.len() as u32 });
        match kind {
            Kind::Call(_) => {
                for (place, &number) in (first..).zip(numbers) {
                    self.write(number, Action::Stage(place));
                }
                let line = Line { is_call: true, ..Line::default() };
                self.push(line, Action::Calls(number), NO_HOME, true);
            }
            Kind::Quotient => {
                self.gather(numbers, Action::Numerators(number));
                self.gather(denominators, Action::Quotients(number));
            }
            Kind::Root => self.gather(numbers, Action::Roots(number)),
        }
        for (place, inst) in (first..).zip(insts) {
            let Some(dst) = pack::defined(inst) else { continue };
            if self.home(dst) == NO_HOME {
                self.new_value(dst, Home::Staged(place));
            } else {
                self.define(dst, Line::default(), Action::Take(place), true);
            }
        }
    }

    fn gather(&mut self, args: &[Value], action: Action) {
        self.push(Line { gathers: true, ..Line::of(args) }, action, NO_HOME, true);
    }

    fn branch(&mut self, branch: Branch, action: Action) {
        self.push(Line { branch: Some(branch), ..Line::default() }, action, NO_HOME, true);
    }

    fn write(&mut self, src: Value, action: Action) {
        let line = Line { folds: 1, ..Line::of(&[src]) };
        self.push(line, action, NO_HOME, true);
    }

    fn store(&mut self, src: Val, addr: AddrId) {
        let src = self.value(src);
        self.write(src, Action::Store(addr));
        let [.., maker, store] = &mut self.code.lines[..] else { return };
        let place = &self.around.kernel.addrs[addr as usize];
        let moves = !place.tables.is_empty() || !place.index.terms.is_empty();
        let home = &mut self.code.homes[src as usize];
        if maker.dst == Some(src)
            && matches!(home, Home::None)
            && !moves
            && self.written.is_alone(self.around.kernel, addr)
        {
            *home = Home::Stored(addr);
            store.keeps = true;
        }
    }

    #[inline]
    fn define(&mut self, dst: Val, line: Line, action: Action, is_pinned: bool) {
        let home = self.home(dst);
        let is_kept = home != NO_HOME;
        let dst = self.new_value(dst, if is_kept { Home::Scratch(home) } else { Home::None });
        self.push(Line { dst: Some(dst), is_kept, ..line }, action, home, is_pinned);
    }

    #[inline]
    fn home(&self, val: Val) -> u32 {
        self.around.value_home[val as usize]
    }

    #[inline]
    fn value(&mut self, val: Val) -> Value {
        match self.inner.get(val.wrapping_sub(self.least) as usize) {
            Some(&known) if known != NOT_KNOWN => known,
            _ => self.outer_value(val),
        }
    }

    /// A value from outside, or a constant.
    fn outer_value(&mut self, val: Val) -> Value {
        if let Some(&known) = self.outer.get(&val) {
            return known;
        }
        let home = match self.around.constants[val as usize] {
            Some(constant) => {
                self.code.constants.push(constant);
                Home::Constant(self.code.constants.len() as u32 - 1)
            }
            None => Home::Scratch(self.home(val)),
        };
        let value = self.code.homes.len() as Value;
        self.code.homes.push(home);
        self.outer.insert(val, value);
        value
    }

    #[inline]
    fn new_value(&mut self, val: Val, home: Home) -> Value {
        let value = self.code.homes.len() as Value;
        self.code.homes.push(home);
        self.inner[(val - self.least) as usize] = value;
        value
    }

    #[inline]
    fn push(&mut self, line: Line, action: Action, kept: u32, is_pinned: bool) {
        self.code.lines.push(line);
        self.code.deeds.push(Deed { action, n_args: line.n_args, kept, is_pinned });
    }
}
