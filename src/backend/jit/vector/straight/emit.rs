//! Machine code of a segment.
//!
//! A function of the type of all functions of `jit`. Without calls it keeps what it is given in
//! registers that it need not save, and needs no stack. Code that does not fit into the first
//! cache of instructions runs half as fast, so short instructions count.

mod together;

use iced_x86::{Code as Op, Instruction, Register};

use super::Straight;
use super::code::{Action, Deed, Home};
use crate::backend::abi::{EngineError, Status};
use crate::backend::jit::Unit;
use crate::backend::jit::address::Link;
use crate::backend::jit::plan::NO_HOME;
use crate::backend::jit::vector::assembler::{Assembler, Jump, at};
use crate::backend::jit::vector::encode::{Opcode, Place, Source};
use crate::backend::jit::vector::operation::Builtin;
use crate::backend::jit::vector::refused;
use crate::kernel::allocate::{MOST_ARGS, NEAR, Operand, Step, centered};
use crate::kernel::ir::{AddrId, Base};
use crate::kernel::pack::Kind;
use crate::ops::math::LANES;
use crate::ops::scalar::{Eval, Jit, ScalarOp};

/// Where things are in a function.
struct Registers {
    arg: Register,
    res: Register,
    work: Register,
    /// In the middle of what is used most of the frame, so that instructions state distances from
    /// there in a byte.
    scratch: Register,
    /// Constants, likewise.
    pool: Register,
    /// For pointers that are used often.
    pointers: &'static [Register],
}

/// What most instructions refer to, by registers that take no prefix.
const FREE: Registers = Registers {
    arg: Register::RDI,
    res: Register::RSI,
    work: Register::R11,
    scratch: Register::RCX,
    pool: Register::RDX,
    pointers: &[Register::R8, Register::R9, Register::R10],
};

/// Registers that a call keeps.
const KEPT: Registers = Registers {
    arg: Register::R12,
    res: Register::R13,
    work: Register::R14,
    scratch: Register::RBX,
    pool: Register::RBP,
    pointers: &[Register::R15],
};

/// Those of [`KEPT`], which a function saves before it uses them.
const SAVED: [Register; 6] =
    [Register::RBX, Register::RBP, Register::R12, Register::R13, Register::R14, Register::R15];

/// Of the constants that all code has.
const BUILTIN_BYTES: i32 = 16 * Builtin::ALL.len() as i32;

/// Arguments of a call in registers.
const MAX_ARGS: u32 = 3;

/// The part of scratch memory that is the function's own, in numbers from its beginning.
pub(super) struct Frame {
    /// Results of what is done at once, and arguments of calls.
    staged: u32,
    /// Arguments of a single call.
    args: u32,
    pointers: u32,
    len: u32,
}

impl Frame {
    /// Slots of values come first.
    pub fn of(straight: &Straight) -> Frame {
        let staged = straight.allocated.n_slots;
        let args = staged + LANES as u32 * straight.code.groups.len() as u32;
        let pointers = args + MAX_ARGS;
        Frame { staged, args, pointers, len: pointers + straight.pointers.n_words }
    }

    pub fn len(&self) -> usize {
        self.len as usize
    }
}

/// The machine code of a segment, whose memory begins at number `frame` of the scratch memory.
///
/// # Errors
/// The encoder refuses an instruction, which is a mistake here.
pub(in crate::backend::jit) fn compile(
    straight: &Straight,
    unit: &Unit,
    frame: usize,
) -> Result<Vec<u8>, EngineError> {
    let has_calls = straight.has_calls;
    let begin = i32::try_from(8 * frame).map_err(refused)?;
    let mut emitter = Emitter {
        asm: Assembler::new(straight.form, 8 * straight.allocated.steps.len() + 256)?,
        straight,
        unit,
        at: if has_calls { KEPT } else { FREE },
        begin,
        near: begin + 8 * straight.center as i32,
        pool_center: 0,
        frame: Frame::of(straight),
        constants: Vec::new(),
        places: Vec::new(),
        registers: vec![None; straight.pointers.all.len()],
        in_rax: None,
        open: None,
        jumps: Vec::new(),
    };
    emitter.place_constants();
    if has_calls {
        emitter.save_registers();
    }
    emitter.take_parameters();
    let pool = emitter.asm.load_pool(emitter.at.pool, emitter.pool_center as u64);
    emitter.pointers();
    for step in &straight.allocated.steps {
        emitter.step(step);
    }
    let ok = Status::Ok as i32;
    emitter.asm.put(Instruction::with2(Op::Mov_r32_imm32, Register::EAX, ok));
    if has_calls {
        emitter.restore_registers();
    }
    emitter.asm.put(Ok(Instruction::with(Op::Retnq)));
    let Emitter { asm, constants, jumps, .. } = emitter;
    let builtin = Builtin::ALL.iter().flat_map(|constant| [constant[0]; 2]);
    asm.finish(&jumps, pool, builtin.chain(constants))
}

struct Emitter<'a> {
    asm: Assembler,
    straight: &'a Straight,
    unit: &'a Unit,
    at: Registers,
    /// Where the frame begins in scratch memory, in bytes.
    begin: i32,
    /// Bytes of the scratch memory before where the register points, and of the constants.
    near: i32,
    pool_center: i32,
    frame: Frame,
    constants: Vec<f64>,
    /// For each constant of the code its place among these.
    places: Vec<u32>,
    /// For each pointer the register that holds it.
    registers: Vec<Option<Register>>,
    /// The pointer that RAX holds.
    in_rax: Option<usize>,
    /// The jump over what a result alone needs.
    open: Option<Jump>,
    jumps: Vec<(Jump, u64)>,
}

impl Emitter<'_> {
    fn save_registers(&mut self) {
        for register in SAVED {
            self.asm.put(Instruction::with1(Op::Push_r64, register));
        }
        // Six registers and the return address: calls want a multiple of 16.
        self.asm.put(Instruction::with2(Op::Add_rm64_imm8, Register::RSP, -8));
    }

    fn take_parameters(&mut self) {
        for (to, from) in [
            (self.at.work, Register::RDX),
            (self.at.arg, Register::RDI),
            (self.at.res, Register::RSI),
            (self.at.scratch, Register::RCX),
        ] {
            if to != from {
                self.asm.put(Instruction::with2(Op::Mov_r64_rm64, to, from));
            }
        }
        let near = self.near;
        self.asm.put(Instruction::with2(Op::Add_rm64_imm32, self.at.scratch, near));
    }

    /// Puts the constants that are used most in the middle.
    fn place_constants(&mut self) {
        let straight = self.straight;
        let mut uses = vec![0u32; straight.code.constants.len()];
        if uses.len() > NEAR as usize {
            straight.allocated.each_operand(|operand| {
                if let Operand::Fixed(value) = operand
                    && let Home::Constant(k) = straight.code.homes[value as usize]
                {
                    uses[k as usize] += 1;
                }
            });
        }
        let (places, center) = centered(&uses);
        self.pool_center = BUILTIN_BYTES + 8 * center as i32;
        self.places = places;
        self.constants = straight.code.constants.clone();
        for (&place, &constant) in self.places.iter().zip(&straight.code.constants) {
            self.constants[place as usize] = constant;
        }
    }

    fn restore_registers(&mut self) {
        self.asm.put(Instruction::with2(Op::Add_rm64_imm8, Register::RSP, 8));
        for register in SAVED.into_iter().rev() {
            self.asm.put(Instruction::with1(Op::Pop_r64, register));
        }
    }

    /// Computes the pointers that are no parameters, and gives registers to those used most.
    fn pointers(&mut self) {
        let all = &self.straight.pointers.all;
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.retain(|&k| all[k].n_uses > 1 && self.base(k) != Some(Base::Work));
        order.sort_by_key(|&k| std::cmp::Reverse(all[k].n_uses));
        for (&k, &register) in order.iter().zip(self.at.pointers) {
            self.registers[k] = Some(register);
        }
        for place in 0..all.len() {
            let base = self.base(place);
            let is_parameter = matches!(base, Some(Base::Arg(_) | Base::Res(_) | Base::Work));
            if is_parameter && self.registers[place].is_none() {
                continue;
            }
            self.compute(place);
            if !is_parameter {
                let word = self.word(place);
                self.asm.put(Instruction::with2(Op::Mov_rm64_r64, word.operand(), Register::RAX));
            }
            if let Some(register) = self.registers[place] {
                self.asm.put(Instruction::with2(Op::Mov_r64_rm64, register, Register::RAX));
            }
        }
    }

    /// The memory that a pointer leads to the beginning of.
    fn base(&self, place: usize) -> Option<Base> {
        match self.unit.chains.links[self.straight.pointers.all[place].link as usize] {
            Link::Base(base) => Some(base),
            _ => None,
        }
    }

    /// A pointer, in RAX.
    fn compute(&mut self, place: usize) {
        let rax = Register::RAX;
        match self.unit.chains.links[self.straight.pointers.all[place].link as usize] {
            Link::Base(base) => match base {
                Base::Work => {
                    self.asm.put(Instruction::with2(Op::Mov_r64_rm64, rax, self.at.work));
                }
                Base::Arg(k) => self.load(at(self.at.arg, 8 * k as i32)),
                Base::Res(k) => self.load(at(self.at.res, 8 * k as i32)),
                Base::Data(k) => {
                    let address = self.unit.kernel.data[k as usize].as_ptr() as usize;
                    self.asm.put(Instruction::with2(Op::Mov_r64_imm64, rax, address as u64));
                }
            },
            Link::Table(table) => {
                let address = self.unit.kernel.tables[table as usize].as_ptr() as usize;
                self.asm.put(Instruction::with2(Op::Mov_r64_imm64, rax, address as u64));
            }
            Link::Term { link, id, bytes } => {
                let home = self.unit.plan.counter_home[id as usize];
                let counter = self.scratch(8 * home as i32);
                let code = Op::Imul_r64_rm64_imm32;
                self.asm.put(Instruction::with3(code, rax, counter.operand(), bytes as i32));
                self.add(link);
            }
            Link::Entry { link, at: entry, offset } => {
                let table = self.straight.pointers.place_of(entry);
                self.load(self.word(table));
                let from = at(rax, offset as i32);
                self.asm.put(Instruction::with2(Op::Mov_r32_rm32, Register::EAX, from.operand()));
                self.asm.put(Instruction::with2(Op::Shl_rm64_imm8, rax, 3));
                self.add(link);
            }
        }
        self.in_rax = Some(place);
    }

    /// Adds a link to RAX.
    fn add(&mut self, link: u32) {
        let place = self.straight.pointers.place_of(link);
        let code = Op::Add_r64_rm64;
        let from = match self.base(place) {
            Some(Base::Work) => {
                return self.asm.put(Instruction::with2(code, Register::RAX, self.at.work));
            }
            Some(Base::Arg(k)) => at(self.at.arg, 8 * k as i32),
            Some(Base::Res(k)) => at(self.at.res, 8 * k as i32),
            _ => self.word(place),
        };
        self.asm.put(Instruction::with2(code, Register::RAX, from.operand()));
    }

    fn load(&mut self, from: Place) {
        self.asm.put(Instruction::with2(Op::Mov_r64_rm64, Register::RAX, from.operand()));
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Spill { from, slot } => {
                let to = self.number(slot);
                self.asm.store(to, self.asm.register(from));
            }
            Step::Reload { to, from } => {
                let from = self.source(from);
                self.asm.copy(self.asm.register(to), from);
            }
            Step::Run { line, args, dst } => {
                let [temporary, _] = self.asm.temporary;
                let to = dst.map_or(temporary, |dst| self.asm.register(dst));
                self.run(line as usize, args, to);
                let kept = self.straight.code.deeds[line as usize].kept;
                if kept != NO_HOME {
                    self.asm.store(self.scratch(8 * kept as i32), to);
                }
            }
        }
    }

    fn run(&mut self, line: usize, args: [Operand; MOST_ARGS], to: Register) {
        let Deed { action, n_args, .. } = self.straight.code.deeds[line];
        let n_args = usize::from(n_args);
        match action {
            Action::Load(addr) => {
                let from = self.memory(addr);
                self.asm.copy(to, Source::Memory(from));
            }
            Action::Store(addr) => {
                let from = self.register(args[0]);
                let memory = self.memory(addr);
                self.asm.store(memory, from);
            }
            Action::Accumulate(addr) => {
                let term = self.register(args[0]);
                let memory = self.memory(addr);
                let sum = self.asm.temporary[1];
                self.asm.copy(sum, Source::Memory(memory));
                self.asm.binary(Opcode::ADD, sum, sum, Source::Register(term));
                self.asm.store(memory, sum);
            }
            Action::Apply(op) => match op.row().jit {
                Jit::Inst(inst) => {
                    let mut sources = [Source::Register(Register::None); 3];
                    for (source, &arg) in sources.iter_mut().zip(&args[..n_args]) {
                        *source = self.source(arg);
                    }
                    let (pool, center) = (self.at.pool, self.pool_center);
                    let constant = |which| at(pool, 16 * which as i32 - center);
                    self.asm.apply(inst, to, &sources[..n_args], constant);
                }
                Jit::Call => self.call_one(op, &args[..n_args], to),
            },
            Action::Fma(signs) => {
                let args = [0, 1, 2].map(|k| self.source(args[k]));
                self.asm.fma(signs, to, args);
            }
            Action::Counter(info) => {
                let info = self.unit.kernel.counters[info as usize];
                let home = self.unit.plan.counter_home[info.loop_id as usize];
                let counter = self.scratch(8 * home as i32);
                self.asm.binary(Opcode::XOR, to, to, Source::Register(to));
                let code = self.straight.form.moves().convert;
                self.asm.put(Instruction::with3(code, to, to, counter.operand()));
                if info.step != 1.0 {
                    let step = self.new_constant(info.step);
                    self.asm.binary(Opcode::MUL, to, to, step);
                }
                // 0 + value is value, except for the sign of a zero.
                if info.base != 0.0 || info.step <= 0.0 {
                    let base = self.new_constant(info.base);
                    self.asm.binary(Opcode::ADD, to, to, base);
                }
            }
            Action::Stage(place) => {
                let from = self.register(args[0]);
                let to = self.number(self.frame.staged + place);
                self.asm.store(to, from);
            }
            Action::Take(place) => {
                let from = self.number(self.frame.staged + place);
                self.asm.copy(to, Source::Memory(from));
            }
            Action::Calls(number) => self.call_four(number),
            Action::Numerators(group) => self.numerators(group, &args[..n_args]),
            Action::Quotients(group) => self.quotients(group, &args[..n_args]),
            Action::Roots(group) => self.roots(group, &args[..n_args]),
            Action::Begin(res) => {
                let pointer = at(self.at.res, 8 * res as i32);
                self.asm.put(Instruction::with2(Op::Cmp_rm64_imm8, pointer.operand(), 0));
                self.open = Some(self.asm.jump(Op::Je_rel32_64));
            }
            Action::End => {
                self.in_rax = None;
                let here = self.asm.here();
                self.jumps.extend(self.open.take().map(|jump| (jump, here)));
            }
        }
    }

    /// One call of a function of up to three numbers.
    fn call_one(&mut self, op: ScalarOp, args: &[Operand], to: Register) {
        let function = match (op.row().wide, op.row().eval) {
            (Some(wide), _) => wide.on_one.address(),
            (None, Eval::F1(f)) => f as *const () as usize,
            (None, Eval::F2(f)) => f as *const () as usize,
            (None, Eval::F3(f)) => f as *const () as usize,
        };
        if let [only] = *args {
            let from = self.source(only);
            self.asm.copy(Register::XMM0, from);
        } else {
            // Registers may be in one another's way, memory is not.
            for (k, &arg) in (0..).zip(args) {
                let from = self.register(arg);
                let to = self.number(self.frame.args + k);
                self.asm.store(to, from);
            }
            for k in 0..args.len() as u32 {
                let from = self.number(self.frame.args + k);
                self.asm.copy(Register::XMM0 + k, Source::Memory(from));
            }
        }
        self.call(function);
        self.asm.copy(to, Source::Register(Register::XMM0));
    }

    /// Calls made together.
    fn call_four(&mut self, number: u32) {
        let group = &self.straight.code.groups[number as usize];
        let Kind::Call(function) = group.kind else { return };
        let first = self.frame.staged + LANES as u32 * number;
        for lane in 0..LANES as u32 {
            // Lanes that are left over repeat the first one.
            let from = self.number(first + if lane < group.len { lane } else { 0 });
            self.asm.copy(Register::XMM0 + lane, Source::Memory(from));
        }
        self.asm.put(Instruction::with2(Op::Mov_r32_imm32, Register::EDI, group.tags as u32));
        let results = self.number(first);
        self.asm.put(Instruction::with2(Op::Lea_r64_m, Register::RSI, results.operand()));
        self.call(function);
    }

    fn call(&mut self, function: usize) {
        self.asm.put(Instruction::with2(Op::Mov_r64_imm64, Register::RAX, function as u64));
        self.asm.put(Instruction::with1(Op::Call_rm64, Register::RAX));
        self.in_rax = None;
    }

    /// An argument in a register.
    fn register(&mut self, operand: Operand) -> Register {
        match self.source(operand) {
            Source::Register(register) => register,
            memory => {
                let [temporary, _] = self.asm.temporary;
                self.asm.copy(temporary, memory);
                temporary
            }
        }
    }

    fn source(&mut self, operand: Operand) -> Source {
        match operand {
            Operand::Register(register) => Source::Register(self.asm.register(register)),
            Operand::Slot(slot) => Source::Memory(self.number(slot)),
            Operand::Fixed(value) => {
                Source::Memory(match self.straight.code.homes[value as usize] {
                    Home::Constant(k) => self.constant(self.places[k as usize]),
                    Home::Scratch(home) => self.scratch(8 * home as i32),
                    Home::Memory(addr) | Home::Stored(addr) => self.memory(addr),
                    Home::Staged(place) => self.number(self.frame.staged + place),
                    // What is computed has a register or a slot.
                    Home::None => self.number(0),
                })
            }
        }
    }

    fn new_constant(&mut self, value: f64) -> Source {
        self.constants.push(value);
        Source::Memory(self.constant(self.constants.len() as u32 - 1))
    }

    fn constant(&self, k: u32) -> Place {
        at(self.at.pool, BUILTIN_BYTES + 8 * k as i32 - self.pool_center)
    }

    /// The memory of an address; may load its pointer into RAX.
    fn memory(&mut self, addr: AddrId) -> Place {
        let (link, offset) = self.unit.chains.places[addr as usize];
        let place = self.straight.pointers.place_of(link);
        let offset = offset as i32;
        if let Some(register) = self.registers[place] {
            return at(register, offset);
        }
        let base = self.base(place);
        if base == Some(Base::Work) {
            return at(self.at.work, offset);
        }
        if self.in_rax != Some(place) {
            match base {
                Some(_) => self.compute(place),
                None => self.load(self.word(place)),
            }
            self.in_rax = Some(place);
        }
        at(Register::RAX, offset)
    }

    /// The word that holds a pointer.
    fn word(&self, place: usize) -> Place {
        self.number(self.frame.pointers + self.straight.pointers.all[place].word)
    }

    /// A number of the frame.
    fn number(&self, k: u32) -> Place {
        self.scratch(self.begin + 8 * k as i32)
    }

    /// The number of the scratch memory at so many bytes.
    fn scratch(&self, bytes: i32) -> Place {
        at(self.at.scratch, bytes - self.near)
    }
}
