//! Divisions and square roots that are done at once: their arguments go into one vector, and the
//! results to memory. Vectors of two or four numbers in the registers that nothing else uses.

use iced_x86::{Code, Instruction, MemoryOperand, Register};

use super::{Emitter, Home};
use crate::backend::jit::vector::form::Form;
use crate::backend::jit::vector::operation::Source;
use crate::kernel::allocate::Operand;
use crate::ops::math::LANES;

/// Instructions on vectors.
struct Vectors {
    load: Code,
    store: Code,
    div: Code,
    sqrt: Code,
    spread: Code,
    spread_memory: Code,
}

const TWO: Vectors = Vectors {
    load: Code::VEX_Vmovupd_xmm_xmmm128,
    store: Code::VEX_Vmovupd_xmmm128_xmm,
    div: Code::VEX_Vdivpd_xmm_xmm_xmmm128,
    sqrt: Code::VEX_Vsqrtpd_xmm_xmmm128,
    spread: Code::VEX_Vmovddup_xmm_xmmm64,
    spread_memory: Code::VEX_Vmovddup_xmm_xmmm64,
};

/// Vectors for so many numbers.
fn vectors(n: usize) -> Vectors {
    if n <= 2 {
        return TWO;
    }
    let (codes, moves) = (Form::Four.codes(), Form::Four.moves());
    Vectors {
        load: codes.load,
        store: codes.store,
        div: codes.div,
        sqrt: codes.sqrt,
        spread: moves.spread,
        spread_memory: moves.spread_memory,
    }
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
        let store = vectors(args.len()).store;
        self.asm.put(Instruction::with2(store, self.staged(group), numerators));
    }

    pub(super) fn quotients(&mut self, group: u32, denominators: &[Operand]) {
        let n = denominators.len();
        let denominators = self.gather(denominators);
        let [_, other] = self.straight.form.temporary();
        let numerators = widened(other, n);
        self.asm.put(Instruction::with2(vectors(n).load, numerators, self.staged(group)));
        let quotients = denominators;
        let divide = Instruction::with3(vectors(n).div, quotients, numerators, denominators);
        self.asm.put(divide);
        self.keep(group, quotients, n);
    }

    pub(super) fn roots(&mut self, group: u32, args: &[Operand]) {
        let numbers = self.gather(args);
        self.asm.put(Instruction::with2(vectors(args.len()).sqrt, numbers, numbers));
        self.keep(group, numbers, args.len());
    }

    /// Puts results where they are read.
    fn keep(&mut self, group: u32, results: Register, n: usize) {
        self.asm.put(Instruction::with2(vectors(n).store, self.staged(group), results));
        if n > 2 {
            // Instructions of other code that write half of a register would wait for the rest.
            self.asm.put(Ok(Instruction::with(Code::VEX_Vzeroupper)));
        }
    }

    /// Memory of the group's own.
    fn staged(&self, group: u32) -> MemoryOperand {
        self.number(self.frame.staged + LANES as u32 * group)
    }

    /// Two to four numbers in a vector. Of three the last one is there twice.
    fn gather(&mut self, args: &[Operand]) -> Register {
        let [low, high] = self.straight.form.temporary();
        let vector = widened(low, args.len());
        if let Some(place) = self.results_at(args) {
            let from = self.number(self.frame.staged + place);
            self.asm.put(Instruction::with2(vectors(args.len()).load, vector, from));
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
        let (vectors, to) = (vectors(n), widened(low, n));
        let spread = match self.source(number) {
            Source::Memory(number) => Instruction::with2(vectors.spread_memory, to, number),
            Source::Register(number) => {
                let from = if is_low(number) { number } else { low };
                if from == low {
                    self.asm.copy(low, Source::Register(number));
                }
                Instruction::with2(vectors.spread, to, from)
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
                Instruction::with3(Code::VEX_Vmovhpd_xmm_xmm_m64, to, a, b)
            }
            Source::Memory(b) => Instruction::with3(Code::EVEX_Vmovhpd_xmm_xmm_m64, to, a, b),
        };
        self.asm.put(instruction);
    }
}
