//! The body of a loop as lines for the allocation of registers.
//!
//! What every iteration has alike (constants, values from outside, loads that do not move) gets a
//! place in memory before the loop. Numbers of read-only memory are read where they are used, so
//! that they take no register before.

use crate::kernel::allocate::{Line, Value};
use crate::kernel::ir::{AddrId, Base, Inst, Kernel, LoopId, Val};
use crate::kernel::lanes::{stride, stride_of};
use crate::kernel::stores::Written;
use crate::ops::scalar::{Jit, ScalarOp};

use super::operation::{self, Signs};

/// What a line does.
#[derive(Clone, Copy)]
pub(super) enum Action {
    Load(AddrId),
    Store(AddrId),
    Apply(ScalarOp),
    /// A product plus a term, each with its sign.
    Fma(Signs),
    /// Index into the kernel's counters.
    Counter(u32),
}

/// Where a value has its place in memory.
#[derive(Clone, Copy)]
pub(super) enum Home {
    /// Computed in the loop.
    None,
    /// The constant with this index.
    Constant(u32),
    /// The invariant with this index.
    Invariant(u32),
    /// The numbers of all lanes one after the other, in memory that nothing writes.
    Memory(AddrId),
    /// The same from when a line stores it there.
    Stored(AddrId),
}

/// A value that is the same in all iterations.
#[derive(Clone, Copy)]
pub(super) enum Invariant {
    /// Computed outside.
    Outer(Val),
    Load(AddrId),
    /// The counter of a loop around, as a number.
    Counter(u32),
}

/// The lines of a loop body and what they refer to.
#[derive(Default)]
pub(super) struct Code {
    pub lines: Vec<Line>,
    /// For each line.
    pub actions: Vec<Action>,
    /// For each value of the lines.
    pub homes: Vec<Home>,
    pub invariants: Vec<Invariant>,
    pub constants: Vec<f64>,
}

impl Code {
    /// Reads the instructions of a loop.
    pub fn of(kernel: &Kernel, id: LoopId, insts: &[Inst], constants: &[Option<f64>]) -> Code {
        let (mut least, mut largest) = (Val::MAX, 0);
        for inst in insts {
            each_value(inst, |val| {
                least = least.min(val);
                largest = largest.max(val);
            });
        }
        let n = (largest + 1).saturating_sub(least) as usize;
        let mut reader = Reader {
            kernel,
            id,
            constants,
            least,
            known: vec![Known::Not; n],
            negated: vec![None; n],
            written: Written::of(kernel, insts),
            code: Code::default(),
        };
        insts.iter().for_each(|inst| reader.inst(inst));
        reader.code
    }

    /// For each value whether it has a place in memory.
    pub fn fixed(&self) -> Vec<bool> {
        let is_later = |home: &Home| matches!(home, Home::None | Home::Stored(_));
        self.homes.iter().map(|home| !is_later(home)).collect()
    }

    /// Whether anything is called, so that no register outlives it.
    pub fn calls(&self) -> bool {
        self.lines.iter().any(|line| line.is_call)
    }
}

fn each_value(inst: &Inst, mut each: impl FnMut(Val)) {
    match *inst {
        Inst::Load { dst, .. } | Inst::Counter { dst, .. } => each(dst),
        Inst::Store { src, .. } => each(src),
        Inst::Apply { dst, op, args } => {
            each(dst);
            args[..op.arity()].iter().for_each(|&arg| each(arg));
        }
        _ => {}
    }
}

/// What is known of a value of the kernel.
#[derive(Clone, Copy)]
enum Known {
    Not,
    /// To be loaded before the first use.
    Pending(AddrId),
    As(Value),
}

struct Reader<'a> {
    kernel: &'a Kernel,
    id: LoopId,
    constants: &'a [Option<f64>],
    least: Val,
    known: Vec<Known>,
    /// What a value is the negative of, where that is computed in the loop.
    negated: Vec<Option<Val>>,
    written: Written,
    code: Code,
}

impl Reader<'_> {
    fn inst(&mut self, inst: &Inst) {
        match *inst {
            Inst::Load { dst, addr } => self.load(dst, addr),
            Inst::Store { addr, src } => self.store(src, addr),
            Inst::Apply { dst, op: ScalarOp::Fma, args } => self.fma(dst, args),
            Inst::Apply { dst, op, args } => {
                if op == ScalarOp::Neg {
                    self.negated[(dst - self.least) as usize] = Some(args[0]);
                }
                let args = args.map(|arg| self.value(arg));
                let line = Line {
                    dst: Some(self.new_value(dst, Home::None)),
                    folds: operation::folds(op),
                    is_call: op.row().jit == Jit::Call,
                    ..Line::of(&args[..op.arity()])
                };
                self.push(line, Action::Apply(op));
            }
            Inst::Counter { dst, info } => {
                if self.kernel.counters[info as usize].loop_id == self.id {
                    let dst = Some(self.new_value(dst, Home::None));
                    self.push(Line { dst, ..Line::default() }, Action::Counter(info));
                } else {
                    self.invariant(dst, Invariant::Counter(info));
                }
            }
            _ => {}
        }
    }

    fn store(&mut self, src: Val, at: AddrId) {
        let src = self.value(src);
        let addr = &self.kernel.addrs[at as usize];
        let is_made_now = self.code.lines.last().is_some_and(|line| line.dst == Some(src));
        let keeps = is_made_now
            && matches!(self.code.homes[src as usize], Home::None)
            && addr.tables.is_empty()
            && stride(addr, self.id) == 1
            && self.written.is_alone(self.kernel, at);
        if keeps {
            self.code.homes[src as usize] = Home::Stored(at);
        }
        let line = Line { folds: 1, keeps, ..Line::of(&[src]) };
        self.push(line, Action::Store(at));
    }

    /// Signs are part of the instruction; what negates is left out if nothing else needs it.
    fn fma(&mut self, dst: Val, args: [Val; 3]) {
        let mut is_negative = [false; 3];
        let args = [0, 1, 2].map(|k| match self.negated[(args[k] - self.least) as usize] {
            Some(plain) => {
                is_negative[k] = true;
                self.value(plain)
            }
            None => self.value(args[k]),
        });
        let signs = Signs { product: is_negative[0] != is_negative[1], term: is_negative[2] };
        let line = Line {
            dst: Some(self.new_value(dst, Home::None)),
            folds: operation::folds(ScalarOp::Fma),
            overwrites: true,
            ..Line::of(&args)
        };
        self.push(line, Action::Fma(signs));
    }

    fn load(&mut self, dst: Val, at: AddrId) {
        let addr = &self.kernel.addrs[at as usize];
        let looks_up = addr.tables.iter().any(|lookup| stride_of(&lookup.index, self.id) != 0);
        let stride = stride(addr, self.id);
        let is_constant = matches!(addr.base, Base::Arg(_) | Base::Data(_));
        if !looks_up && stride == 0 {
            self.invariant(dst, Invariant::Load(at));
        } else if is_constant && !looks_up && stride == 1 {
            self.new_value(dst, Home::Memory(at));
        } else if is_constant {
            self.known[(dst - self.least) as usize] = Known::Pending(at);
        } else {
            let dst = Some(self.new_value(dst, Home::None));
            self.push(Line { dst, ..Line::default() }, Action::Load(at));
        }
    }

    fn invariant(&mut self, dst: Val, invariant: Invariant) {
        let home = Home::Invariant(self.code.invariants.len() as u32);
        self.code.invariants.push(invariant);
        self.new_value(dst, home);
    }

    fn value(&mut self, val: Val) -> Value {
        match self.known[(val - self.least) as usize] {
            Known::As(value) => value,
            Known::Pending(at) => {
                let value = self.new_value(val, Home::None);
                let line = Line { dst: Some(value), ..Line::default() };
                self.push(line, Action::Load(at));
                value
            }
            Known::Not => match self.constants[val as usize] {
                Some(constant) => {
                    let home = Home::Constant(self.code.constants.len() as u32);
                    self.code.constants.push(constant);
                    self.new_value(val, home)
                }
                None => {
                    self.invariant(val, Invariant::Outer(val));
                    self.code.homes.len() as Value - 1
                }
            },
        }
    }

    fn new_value(&mut self, val: Val, home: Home) -> Value {
        let value = self.code.homes.len() as Value;
        self.code.homes.push(home);
        self.known[(val - self.least) as usize] = Known::As(value);
        value
    }

    fn push(&mut self, line: Line, action: Action) {
        self.code.lines.push(line);
        self.code.actions.push(action);
    }
}
