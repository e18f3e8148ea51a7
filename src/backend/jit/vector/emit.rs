//! Machine code of a loop in vectors.
//!
//! A function of the type of all functions of `jit`. Its memory is part of the scratch memory,
//! aligned to vectors: places of values, invariants, arguments and result of calls, then words:
//! what the function was given, and pointers.

use iced_x86::{Code as Op, Instruction, Register};

use super::assembler::{Assembler, Jump, Pool, at};
use super::body::{Action, Home, Invariant};
use super::encode::{Opcode, Place, Source};
use super::form::Moves;
use super::operation::Builtin;
use super::pointers::{Pointer, Spread};
use super::{Wide, refused, runtime};
use crate::backend::abi::{EngineError, Status};
use crate::backend::jit::Unit;
use crate::backend::jit::address::Link;
use crate::kernel::allocate::{Operand, Step, Value};
use crate::kernel::ir::{AddrId, Base, Trip};
use crate::kernel::lanes::trip_limit;
use crate::ops::scalar::{Eval, Jit, ScalarOp};

/// What the function is given, in the order of its parameters.
const ARG: u32 = 0;
const RES: u32 = 1;
const WORK: u32 = 2;
const SCRATCH: u32 = 3;
const CONTEXT: u32 = 4;
const PARAMETERS: [Register; 5] =
    [Register::RDI, Register::RSI, Register::RDX, Register::RCX, Register::R8];

/// Registers that a call keeps.
const KEPT: [Register; 6] =
    [Register::RBX, Register::RBP, Register::R12, Register::R13, Register::R14, Register::R15];

const FRAME: Register = Register::RBP;
const COUNTER: Register = Register::R12;
const END: Register = Register::R13;
const POOL: Register = Register::R15;
/// For pointers that are used often; the first ones where functions are called.
const POINTERS: [Register; 10] = [
    Register::RBX,
    Register::R14,
    Register::RDI,
    Register::RSI,
    Register::RDX,
    Register::RCX,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
];
const KEPT_POINTERS: usize = 2;
/// Vectors of arguments and the result of a call.
const AREA: u32 = 4;

/// Numbers of scratch memory for a loop, whatever the alignment.
pub(super) fn frame_len(wide: &Wide) -> usize {
    let vectors = wide.allocated.n_slots + wide.code.invariants.len() as u32 + AREA;
    let lanes = wide.form.lanes();
    vectors as usize * lanes + 5 + wide.pointers.n_words as usize + lanes - 1
}

/// The machine code of a loop. Its memory begins at number `frame` of the scratch memory.
///
/// # Errors
/// The encoder refuses an instruction, which is a mistake here.
pub(in crate::backend::jit) fn compile(
    wide: &Wide,
    unit: &Unit,
    frame: usize,
) -> Result<Vec<u8>, EngineError> {
    let lanes = wide.form.lanes();
    let mut emitter = Emitter {
        asm: Assembler::new(wide.form, 8 * wide.allocated.steps.len() + 1024)?,
        moves: wide.form.moves(),
        bytes: 8 * lanes as i32,
        wide,
        unit,
        constants: wide.code.constants.clone(),
        registers: vec![None; wide.pointers.all.len()],
        jumps: Vec::new(),
    };
    let frame = i32::try_from(8 * frame).map_err(refused)?;
    let pool = emitter.prologue(frame);
    emitter.pin();
    emitter.invariants();
    emitter.range()?;
    emitter.iterate();
    let Emitter { asm, constants, jumps, .. } = emitter;
    let builtin = Builtin::ALL.iter().flat_map(|builtin| &builtin[..lanes]).copied();
    let constants = constants.iter().flat_map(|&constant| std::iter::repeat_n(constant, lanes));
    asm.finish(&jumps, pool, builtin.chain(constants))
}

struct Emitter<'a> {
    asm: Assembler,
    moves: &'static Moves,
    /// Of a vector.
    bytes: i32,
    wide: &'a Wide,
    unit: &'a Unit,
    constants: Vec<f64>,
    /// For each pointer the register that holds it.
    registers: Vec<Option<Register>>,
    jumps: Vec<(Jump, u64)>,
}

impl Emitter<'_> {
    fn prologue(&mut self, frame: i32) -> Pool {
        for register in KEPT {
            self.asm.put(Instruction::with1(Op::Push_r64, register));
        }
        // Six registers and the return address: calls want a multiple of 16.
        self.add(Register::RSP, -8);
        let begin = at(PARAMETERS[SCRATCH as usize], frame + self.bytes - 1);
        self.asm.put(Instruction::with2(Op::Lea_r64_m, FRAME, begin.operand()));
        self.asm.put(Instruction::with2(Op::And_rm64_imm8, FRAME, -self.bytes));
        for (k, parameter) in PARAMETERS.into_iter().enumerate() {
            let word = self.word(k as u32);
            self.asm.put(Instruction::with2(Op::Mov_rm64_r64, word.operand(), parameter));
        }
        self.asm.load_pool(POOL, 0)
    }

    fn epilogue(&mut self) {
        self.asm.put(Ok(Instruction::with(Op::VEX_Vzeroupper)));
        self.add(Register::RSP, 8);
        for register in KEPT.into_iter().rev() {
            self.asm.put(Instruction::with1(Op::Pop_r64, register));
        }
        self.asm.put(Ok(Instruction::with(Op::Retnq)));
    }

    /// Gives registers to the pointers that are used most, and computes those that do not move.
    fn pin(&mut self) {
        let mut order: Vec<usize> = (0..self.wide.pointers.all.len()).collect();
        order.retain(|&k| {
            let pointer = &self.wide.pointers.all[k];
            pointer.n_uses > 0 && pointer.spread != Spread::Apart
        });
        order.sort_by_key(|&k| std::cmp::Reverse(self.wide.pointers.all[k].n_uses));
        let n = if self.wide.code.calls() { KEPT_POINTERS } else { POINTERS.len() };
        for (&k, register) in order.iter().zip(POINTERS.into_iter().take(n)) {
            self.registers[k] = Some(register);
        }
        self.pointers(|spread| spread == Spread::Same);
    }

    fn invariants(&mut self) {
        let [t, _] = self.asm.temporary;
        let wide = self.wide;
        for (k, &invariant) in wide.code.invariants.iter().enumerate() {
            match invariant {
                Invariant::Outer(val) => {
                    let home = self.home(self.unit.plan.value_home[val as usize]);
                    self.asm.put(Instruction::with2(self.moves.spread_memory, t, home.operand()));
                }
                Invariant::Load(addr) => {
                    let from = self.lane(addr, 0);
                    self.asm.put(Instruction::with2(self.moves.spread_memory, t, from.operand()));
                }
                Invariant::Counter(info) => {
                    let of = self.unit.kernel.counters[info as usize].loop_id;
                    let home = self.home(self.unit.plan.counter_home[of as usize]);
                    let low = wide.form.lowest(t);
                    self.asm.put(Instruction::with3(self.moves.convert, low, low, home.operand()));
                    self.asm.put(Instruction::with2(self.moves.spread, t, low));
                    self.scale(info, t);
                }
            }
            let to = self.vector(wide.allocated.n_slots + k as u32);
            self.asm.store(to, t);
        }
    }

    /// The first iteration, and what follows the last one.
    fn range(&mut self) -> Result<(), EngineError> {
        let Trip::Const(n) = self.unit.kernel.loops[self.wide.id as usize].trip else {
            return Err(refused("a loop of unknown length"));
        };
        if self.unit.plan.is_spread(self.wide.id) {
            self.load_word(Register::RAX, SCRATCH);
            for (k, register) in [COUNTER, END].into_iter().enumerate() {
                let from = at(Register::RAX, 8 * (self.unit.plan.range + k) as i32);
                self.asm.put(Instruction::with2(Op::Mov_r64_rm64, register, from.operand()));
            }
        } else {
            self.asm.put(Instruction::with2(Op::Mov_r64_imm64, COUNTER, 0u64));
            self.asm.put(Instruction::with2(Op::Mov_r64_imm64, END, n));
        }
        Ok(())
    }

    /// The loop itself, and the function's end.
    fn iterate(&mut self) {
        let plan = &self.unit.plan;
        let n = trip_limit(&self.unit.kernel.loops[self.wide.id as usize].trip);
        let lanes = self.wide.form.lanes() as i32;
        let is_even = n.is_multiple_of(lanes as u64) && !plan.is_spread(self.wide.id);
        let top = self.asm.here();
        self.pointers(|spread| spread != Spread::Same);
        let wide = self.wide;
        for step in &wide.allocated.steps {
            self.step(step);
        }
        let failure = self.poll();
        self.add(COUNTER, lanes);
        self.asm.put(Instruction::with2(Op::Cmp_r64_rm64, COUNTER, END));
        if is_even {
            self.asm.jump_back(Op::Jb_rel32_64, top);
        } else {
            // The last vector holds the last iterations.
            let done = self.asm.jump(Op::Jae_rel32_64);
            let last = at(END, -lanes);
            self.asm.put(Instruction::with2(Op::Lea_r64_m, Register::RAX, last.operand()));
            let code = Op::Cmp_r64_rm64;
            self.asm.put(Instruction::with2(code, COUNTER, Register::RAX));
            let code = Op::Cmova_r64_rm64;
            self.asm.put(Instruction::with2(code, COUNTER, Register::RAX));
            self.asm.jump_back(Op::Jmp_rel32_64, top);
            self.jumps.push((done, self.asm.here()));
        }
        self.asm.put(Instruction::with2(Op::Mov_r32_imm32, Register::EAX, Status::Ok as i32));
        let end = self.asm.here();
        self.epilogue();
        if let Some(failure) = failure {
            self.jumps.push((failure, self.asm.here()));
            self.cancelled();
            self.asm.jump_back(Op::Jmp_rel32_64, end);
        }
    }

    /// Looks at the cancel flag, as often as the kernel says.
    fn poll(&mut self) -> Option<Jump> {
        let poll = self.unit.kernel.loops[self.wide.id as usize].poll;
        if poll == 0 {
            return None;
        }
        let lanes = self.wide.form.lanes() as i32;
        let mask = i32::try_from(poll - 1).unwrap_or(i32::MAX) & -lanes;
        let mut not_due = None;
        if mask != 0 {
            self.asm.put(Instruction::with2(Op::Test_rm64_imm32, COUNTER, mask));
            not_due = Some(self.asm.jump(Op::Jne_rel32_64));
        }
        self.load_word(Register::RAX, CONTEXT);
        let flag = at(Register::RAX, 0);
        self.asm.put(Instruction::with2(Op::Mov_r64_rm64, Register::RAX, flag.operand()));
        self.asm.put(Instruction::with2(Op::Cmp_rm8_imm8, flag.operand(), 0));
        let failure = self.asm.jump(Op::Jne_rel32_64);
        if let Some(not_due) = not_due {
            self.jumps.push((not_due, self.asm.here()));
        }
        Some(failure)
    }

    /// Reports the iteration in which the flag was seen.
    fn cancelled(&mut self) {
        let first = &self.unit.kernel.loops[self.wide.id as usize].first;
        let iteration = Register::RSI;
        self.asm.put(Instruction::with2(Op::Mov_r64_imm64, iteration, first.offset));
        self.asm.put(Instruction::with2(Op::Add_r64_rm64, iteration, COUNTER));
        for &(of, stride) in &first.terms {
            self.load_word(Register::RAX, SCRATCH);
            let home = at(Register::RAX, 8 * self.unit.plan.counter_home[of as usize] as i32);
            self.multiple(home, stride as i32);
            self.asm.put(Instruction::with2(Op::Add_r64_rm64, iteration, Register::RAX));
        }
        self.load_word(Register::RDI, CONTEXT);
        self.call(runtime::cancelled as *const () as usize);
        let status = Status::Cancelled as i32;
        self.asm.put(Instruction::with2(Op::Mov_r32_imm32, Register::EAX, status));
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Spill { from, slot } => {
                let to = self.vector(slot);
                self.asm.store(to, self.asm.register(from));
            }
            Step::Reload { to, from } => {
                let from = self.source(from);
                self.asm.copy(self.asm.register(to), from);
            }
            Step::Run { line, args, dst } => {
                let n_args = self.wide.code.lines[line as usize].args().len();
                let to = dst.map_or(self.asm.temporary[0], |dst| self.asm.register(dst));
                match self.wide.code.actions[line as usize] {
                    Action::Load(addr) => self.load(addr, to),
                    Action::Store(addr) => self.store(addr, args[0]),
                    Action::Apply(op) => self.apply(op, &args[..n_args], to),
                    Action::Fma(signs) => {
                        let args = [0, 1, 2].map(|k| self.source(args[k]));
                        self.asm.fma(signs, to, args);
                    }
                    Action::Counter(info) => {
                        let low = self.wide.form.lowest(to);
                        self.asm.put(Instruction::with3(self.moves.convert, low, low, COUNTER));
                        self.asm.put(Instruction::with2(self.moves.spread, to, low));
                        let lanes = Source::Memory(self.constant(Builtin::Lanes as u32));
                        self.asm.binary(Opcode::ADD, to, to, lanes);
                        self.scale(info, to);
                    }
                }
            }
        }
    }

    /// A counter as the number that the kernel makes of it.
    fn scale(&mut self, info: u32, register: Register) {
        let info = self.unit.kernel.counters[info as usize];
        if info.step != 1.0 {
            let step = self.new_constant(info.step);
            self.asm.binary(Opcode::MUL, register, register, step);
        }
        // 0 + value is value, except for the sign of a zero.
        if info.base != 0.0 || info.step <= 0.0 {
            let base = self.new_constant(info.base);
            self.asm.binary(Opcode::ADD, register, register, base);
        }
    }

    fn apply(&mut self, op: ScalarOp, args: &[Operand], to: Register) {
        let Jit::Inst(inst) = op.row().jit else { return self.apply_function(op, args, to) };
        let mut sources = [Source::Register(Register::None); 3];
        for (source, &arg) in sources.iter_mut().zip(args) {
            *source = self.source(arg);
        }
        let bytes = self.bytes;
        let constant = |which| at(POOL, bytes * which as i32);
        self.asm.apply(inst, to, &sources[..args.len()], constant);
    }

    fn apply_function(&mut self, op: ScalarOp, args: &[Operand], to: Register) {
        let wide = op.row().wide;
        let lanes = self.wide.form.lanes();
        let function = wide.and_then(|wide| Some((wide.on_vectors(lanes)?, wide.tag)));
        let Some((function, tag)) = function else { return self.each_lane(op, args, to) };
        let [first, second] = [0, 1].map(|k| self.asm.register(k));
        let further = match (args.get(1), tag) {
            (Some(&arg), _) => {
                // The first argument may be where the second one goes, or the other way round.
                let [t, _] = self.asm.temporary;
                let source = self.source(arg);
                self.asm.copy(t, source);
                Some(Source::Register(t))
            }
            (None, Some(tag)) => Some(self.new_constant(tag)),
            (None, None) => None,
        };
        let source = self.source(args[0]);
        self.asm.copy(first, source);
        if let Some(further) = further {
            self.asm.copy(second, further);
        }
        self.call(function);
        self.asm.copy(to, Source::Register(first));
    }

    /// Calls a function of numbers, for each lane.
    fn each_lane(&mut self, op: ScalarOp, args: &[Operand], to: Register) {
        let area = self.wide.allocated.n_slots + self.wide.code.invariants.len() as u32;
        for (k, &arg) in args.iter().enumerate() {
            let source = self.source(arg);
            let register = self.register(source);
            let to = self.vector(area + k as u32);
            self.asm.store(to, register);
        }
        let begin = self.vector(area);
        let (helper, function) = each_lane(op.row().eval);
        self.load_number(Register::RDI, function as u64);
        self.asm.put(Instruction::with2(Op::Lea_r64_m, Register::RSI, begin.operand()));
        self.load_number(Register::RDX, self.wide.form.lanes() as u64);
        self.asm.put(Ok(Instruction::with(Op::VEX_Vzeroupper)));
        self.call(helper);
        let result = self.vector(area + AREA - 1);
        self.asm.copy(to, Source::Memory(result));
    }

    fn call(&mut self, function: usize) {
        self.load_number(Register::RAX, function as u64);
        self.asm.put(Instruction::with1(Op::Call_rm64, Register::RAX));
    }

    fn load(&mut self, addr: AddrId, to: Register) {
        if self.is_contiguous(addr) {
            let from = self.lane(addr, 0);
            return self.asm.copy(to, Source::Memory(from));
        }
        let (form, moves) = (self.wide.form, self.moves);
        let low = form.lowest(self.asm.temporary[0]);
        for first in (0..form.lanes() as u32).step_by(2) {
            let register = if first == 0 { form.lowest(to) } else { low };
            let from = self.lane(addr, first);
            self.asm.put(Instruction::with2(moves.load_low, register, from.operand()));
            let from = self.lane(addr, first + 1);
            self.asm.put(Instruction::with3(moves.load_high, register, register, from.operand()));
            if first > 0 {
                self.asm.put(Instruction::with4(moves.insert, to, to, low, first / 2));
            }
        }
    }

    fn store(&mut self, addr: AddrId, src: Operand) {
        let source = self.source(src);
        let register = self.register(source);
        if self.is_contiguous(addr) {
            let to = self.lane(addr, 0);
            return self.asm.store(to, register);
        }
        let (form, moves) = (self.wide.form, self.moves);
        let low = form.lowest(self.asm.temporary[1]);
        for first in (0..form.lanes() as u32).step_by(2) {
            let mut pair = form.lowest(register);
            if first > 0 {
                self.asm.put(Instruction::with3(moves.extract, low, register, first / 2));
                pair = low;
            }
            let to = self.lane(addr, first);
            self.asm.put(Instruction::with2(moves.store_low, to.operand(), pair));
            let to = self.lane(addr, first + 1);
            self.asm.put(Instruction::with2(moves.store_high, to.operand(), pair));
        }
    }

    /// An argument in a register.
    fn register(&mut self, source: Source) -> Register {
        match source {
            Source::Register(register) => register,
            Source::Memory(_) => {
                let [t, _] = self.asm.temporary;
                self.asm.copy(t, source);
                t
            }
        }
    }

    fn source(&mut self, operand: Operand) -> Source {
        match operand {
            Operand::Register(register) => Source::Register(self.asm.register(register)),
            Operand::Slot(slot) => Source::Memory(self.vector(slot)),
            Operand::Fixed(value) => Source::Memory(self.fixed(value)),
        }
    }

    fn fixed(&mut self, value: Value) -> Place {
        match self.wide.code.homes[value as usize] {
            Home::Constant(k) => self.constant(Builtin::ALL.len() as u32 + k),
            Home::Invariant(k) => self.vector(self.wide.allocated.n_slots + k),
            Home::Memory(addr) | Home::Stored(addr) => self.lane(addr, 0),
            // What is computed has a register or a slot.
            Home::None => at(FRAME, 0),
        }
    }

    fn new_constant(&mut self, value: f64) -> Source {
        self.constants.push(value);
        let place = Builtin::ALL.len() + self.constants.len() - 1;
        Source::Memory(self.constant(place as u32))
    }

    fn is_contiguous(&self, addr: AddrId) -> bool {
        let (link, _) = self.unit.chains.places[addr as usize];
        let (place, is_indexed) = self.wide.pointers.behind(link);
        is_indexed || self.wide.pointers.all[place].spread == Spread::Along(8)
    }

    /// The memory of a lane of an address; may load its pointer.
    fn lane(&mut self, addr: AddrId, lane: u32) -> Place {
        let (link, offset) = self.unit.chains.places[addr as usize];
        let (place, is_indexed) = self.wide.pointers.behind(link);
        let (word, further) = self.wide.pointers.all[place].of_lane(lane);
        let base = self.registers[place].unwrap_or_else(|| {
            self.load_word(Register::RAX, PARAMETERS.len() as u32 + word);
            Register::RAX
        });
        if is_indexed {
            let offset = offset + 8 * i64::from(lane);
            return Place { base, index: COUNTER, distance: offset as i32 };
        }
        at(base, offset as i32 + further)
    }

    /// Computes the pointers that lie as asked for.
    fn pointers(&mut self, which: impl Fn(Spread) -> bool) {
        let wide = self.wide;
        for (place, pointer) in wide.pointers.all.iter().enumerate() {
            if !which(pointer.spread) {
                continue;
            }
            for lane in 0..pointer.n_words(self.wide.form.lanes()) {
                self.compute(pointer, lane);
                let word = self.word(PARAMETERS.len() as u32 + pointer.word + lane);
                self.asm.put(Instruction::with2(Op::Mov_rm64_r64, word.operand(), Register::RAX));
            }
            if let Some(register) = self.registers[place] {
                self.asm.put(Instruction::with2(Op::Mov_r64_rm64, register, Register::RAX));
            }
        }
    }

    /// One lane of a pointer, in RAX.
    fn compute(&mut self, pointer: &Pointer, lane: u32) {
        let rax = Register::RAX;
        match self.unit.chains.links[pointer.link as usize] {
            Link::Base(base) => match base {
                Base::Work => self.load_word(rax, WORK),
                Base::Arg(k) | Base::Res(k) => {
                    let which = if matches!(base, Base::Arg(_)) { ARG } else { RES };
                    self.load_word(rax, which);
                    let from = at(rax, 8 * k as i32);
                    self.asm.put(Instruction::with2(Op::Mov_r64_rm64, rax, from.operand()));
                }
                Base::Data(k) => {
                    let address = self.unit.kernel.data[k as usize].as_ptr() as usize;
                    self.load_number(rax, address as u64);
                }
            },
            Link::Table(table) => {
                let address = self.unit.kernel.tables[table as usize].as_ptr() as usize;
                self.load_number(rax, address as u64);
            }
            Link::Term { link, id, bytes } => {
                if id == self.wide.id {
                    let code = Op::Imul_r64_rm64_imm32;
                    self.asm.put(Instruction::with3(code, rax, COUNTER, bytes as i32));
                    if pointer.spread == Spread::Apart {
                        self.add(rax, bytes as i32 * lane as i32);
                    }
                } else {
                    self.load_word(rax, SCRATCH);
                    let home = self.unit.plan.counter_home[id as usize];
                    self.multiple(at(rax, 8 * home as i32), bytes as i32);
                }
                self.add_lane(link, lane);
            }
            Link::Entry { link, at: entry, offset } => {
                let (word, further) = self.wide.pointers.get(entry).of_lane(lane);
                self.load_word(rax, PARAMETERS.len() as u32 + word);
                let from = at(rax, offset as i32 + further);
                self.asm.put(Instruction::with2(Op::Mov_r32_rm32, Register::EAX, from.operand()));
                self.asm.put(Instruction::with2(Op::Shl_rm64_imm8, rax, 3));
                self.add_lane(link, lane);
            }
        }
    }

    /// Adds one lane of a link to RAX.
    fn add_lane(&mut self, link: u32, lane: u32) {
        let (word, further) = self.wide.pointers.get(link).of_lane(lane);
        let word = self.word(PARAMETERS.len() as u32 + word);
        self.asm.put(Instruction::with2(Op::Add_r64_rm64, Register::RAX, word.operand()));
        if further != 0 {
            self.add(Register::RAX, further);
        }
    }

    /// A number of the scratch memory that another function wrote.
    fn home(&mut self, home: u32) -> Place {
        self.load_word(Register::RAX, SCRATCH);
        at(Register::RAX, 8 * home as i32)
    }

    fn multiple(&mut self, of: Place, factor: i32) {
        let code = Op::Imul_r64_rm64_imm32;
        self.asm.put(Instruction::with3(code, Register::RAX, of.operand(), factor));
    }

    fn add(&mut self, to: Register, number: i32) {
        self.asm.put(Instruction::with2(Op::Add_rm64_imm32, to, number));
    }

    fn load_number(&mut self, to: Register, number: u64) {
        self.asm.put(Instruction::with2(Op::Mov_r64_imm64, to, number));
    }

    fn load_word(&mut self, to: Register, word: u32) {
        let from = self.word(word);
        self.asm.put(Instruction::with2(Op::Mov_r64_rm64, to, from.operand()));
    }

    /// A vector of the frame.
    fn vector(&self, k: u32) -> Place {
        at(FRAME, self.bytes * k as i32)
    }

    /// A word of the frame.
    fn word(&self, k: u32) -> Place {
        let wide = self.wide;
        let vectors = wide.allocated.n_slots + wide.code.invariants.len() as u32 + AREA;
        at(FRAME, self.bytes * vectors as i32 + 8 * k as i32)
    }

    /// A constant in all lanes, the builtin ones first.
    fn constant(&self, k: u32) -> Place {
        at(POOL, self.bytes * k as i32)
    }
}

/// What calls a function of numbers for each lane, and that function.
fn each_lane(function: Eval) -> (usize, usize) {
    match function {
        Eval::F1(f) => (runtime::each_lane1 as *const () as usize, f as *const () as usize),
        Eval::F2(f) => (runtime::each_lane2 as *const () as usize, f as *const () as usize),
        Eval::F3(f) => (runtime::each_lane3 as *const () as usize, f as *const () as usize),
    }
}
