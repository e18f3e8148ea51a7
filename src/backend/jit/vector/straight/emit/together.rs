//! Divisions and square roots that are done at once: their arguments go into one vector, and the
//! results to memory. Vectors of two or four numbers in the registers that nothing else uses.

use iced_x86::{Code, Instruction, Register};

use super::{Emitter, Home};
use crate::backend::jit::vector::encode::{Extra, Opcode, Place, Source, Width};
use crate::backend::jit::vector::form::Form;
use crate::kernel::allocate::Operand;
use crate::ops::math::LANES;

/// Vectors of two numbers.
const TWO: Width = Width { is_evex: false, is_one: false, length: 0 };

/// Vectors for so many numbers.
fn width(n: usize) -> Width {
    if n <= 2 { TWO } else { Form::Four.width() }
}

/// The register as a vector for so many numbers.
fn widened(register: Register, n: usize) -> Register {
    let number = register as u32 - Register::XMM0 as u32;
    if n <= 2 { register } else { Register::YMM0 + number }
}

fn is_low(register: Register) -> bool {
    (register as u32) < Register::XMM16 as u32
}

impl Emitter<'_> {
    /// Puts numerators where [`Emitter::quotients`] finds them.
    pub(super) fn numerators(&mut self, group: u32, args: &[Operand]) {
        let numerators = self.gather(args);
        let to = Source::Memory(self.staged(group));
        self.at_once(args.len(), Opcode::STORE, (numerators, None), to);
    }

    pub(super) fn quotients(&mut self, group: u32, denominators: &[Operand]) {
        let n = denominators.len();
        let denominators = self.gather(denominators);
        let [_, other] = self.asm.temporary;
        let numerators = widened(other, n);
        let staged = Source::Memory(self.staged(group));
        self.at_once(n, Opcode::LOAD, (numerators, None), staged);
        let quotients = denominators;
        let denominators = Source::Register(denominators);
        self.at_once(n, Opcode::DIV, (quotients, Some(numerators)), denominators);
        self.keep(group, quotients, n);
    }

    pub(super) fn roots(&mut self, group: u32, args: &[Operand]) {
        let numbers = self.gather(args);
        let registers = (numbers, None);
        self.at_once(args.len(), Opcode::SQRT, registers, Source::Register(numbers));
        self.keep(group, numbers, args.len());
    }

    /// Puts results where they are read.
    fn keep(&mut self, group: u32, results: Register, n: usize) {
        let to = Source::Memory(self.staged(group));
        self.at_once(n, Opcode::STORE, (results, None), to);
        if n > 2 {
            // Instructions of other code that write half of a register would wait for the rest.
            self.asm.put(Ok(Instruction::with(Code::VEX_Vzeroupper)));
        }
    }

    /// An instruction on so many numbers.
    fn at_once(
        &mut self,
        n: usize,
        opcode: Opcode,
        registers: (Register, Option<Register>),
        source: Source,
    ) {
        self.asm.vector(width(n), opcode, registers, source, Extra::default());
    }

    /// Memory of the group's own.
    fn staged(&self, group: u32) -> Place {
        self.number(self.frame.staged + LANES as u32 * group)
    }

    /// Two to four numbers in a vector. Of three the last one is there twice.
    fn gather(&mut self, args: &[Operand]) -> Register {
        let [low, high] = self.asm.temporary;
        let vector = widened(low, args.len());
        if let Some(place) = self.results_at(args) {
            let from = Source::Memory(self.number(self.frame.staged + place));
            self.at_once(args.len(), Opcode::LOAD, (vector, None), from);
            return vector;
        }
        match *args {
            [a, ref others @ ..] if others.iter().all(|&other| other == a) => {
                self.spread(low, a, args.len());
                return vector;
            }
            [a, b] => self.pair(low, a, b),
            [a, b, c] => {
                self.pair(low, a, b);
                self.spread(high, c, 2);
            }
            [a, b, c, d, ..] => {
                self.pair(low, a, b);
                self.pair(high, c, d);
            }
            // One number is equal to all others.
            [] | [_] => {}
        }
        if args.len() > 2 {
            let insert = Form::Four.moves().insert;
            self.asm.put(Instruction::with4(insert, vector, vector, high, 1));
        }
        vector
    }

    /// Where the numbers are, if they are the first results of another group, in their order.
    fn results_at(&self, args: &[Operand]) -> Option<u32> {
        let place = |arg: Operand| match arg {
            Operand::Fixed(value) => match self.straight.code.homes[value as usize] {
                Home::Staged(place) => Some(place),
                _ => None,
            },
            _ => None,
        };
        let first = place(*args.first()?).filter(|first| first % LANES as u32 == 0)?;
        let follow = (first..).zip(args).all(|(expected, &arg)| place(arg) == Some(expected));
        follow.then_some(first)
    }

    /// A number in so many lanes of a register.
    fn spread(&mut self, low: Register, number: Operand, n: usize) {
        let (code_of_memory, code) = match n {
            ..=2 => (Code::VEX_Vmovddup_xmm_xmmm64, Code::VEX_Vmovddup_xmm_xmmm64),
            _ => (Form::Four.moves().spread_memory, Form::Four.moves().spread),
        };
        let to = widened(low, n);
        let spread = match self.source(number) {
            Source::Memory(number) => Instruction::with2(code_of_memory, to, number.operand()),
            Source::Register(number) => {
                let from = if is_low(number) { number } else { low };
                if from == low {
                    self.asm.copy(low, Source::Register(number));
                }
                Instruction::with2(code, to, from)
            }
        };
        self.asm.put(spread);
    }

    fn pair(&mut self, to: Register, a: Operand, b: Operand) {
        let a = match self.source(a) {
            Source::Register(a) => a,
            memory => {
                self.asm.copy(to, memory);
                to
            }
        };
        let instruction = match self.source(b) {
            Source::Register(b) if is_low(a) && is_low(b) => {
                Instruction::with3(Code::VEX_Vunpcklpd_xmm_xmm_xmmm128, to, a, b)
            }
            Source::Register(b) => {
                Instruction::with3(Code::EVEX_Vunpcklpd_xmm_k1z_xmm_xmmm128b64, to, a, b)
            }
            Source::Memory(b) if is_low(a) => {
                Instruction::with3(Code::VEX_Vmovhpd_xmm_xmm_m64, to, a, b.operand())
            }
            Source::Memory(b) => {
                Instruction::with3(Code::EVEX_Vmovhpd_xmm_xmm_m64, to, a, b.operand())
            }
        };
        self.asm.put(instruction);
    }
}
