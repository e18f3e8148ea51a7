//! Elementwise operations as instructions of any form, with the same bits.

use iced_x86::{Code, Instruction, Register};

use super::assembler::Assembler;
use super::encode::{Extra, Opcode, Place, Source, Width};
use super::form::Form;
use crate::ops::scalar::{Comparison, Inst, Jit, ScalarOp};

/// Bit `k` if argument `k` may be read from memory.
pub(super) fn folds(op: ScalarOp) -> u8 {
    match op.row().jit {
        Jit::Inst(Inst::Add | Inst::Mul) => 0b11,
        Jit::Inst(Inst::Fma) => 0b111,
        Jit::Inst(Inst::Sub | Inst::Div | Inst::Compare(_)) => 0b10,
        Jit::Inst(Inst::Sqrt | Inst::Floor | Inst::Ceil | Inst::Identity) => 0b1,
        _ => 0,
    }
}

/// Whether the product and the term of a fused operation are negated.
#[derive(Copy, Clone, Debug)]
pub(super) struct Signs {
    pub product: bool,
    pub term: bool,
}

/// Constants that operations need, by their places among all constants.
#[derive(Copy, Clone)]
pub(super) enum Builtin {
    Zero,
    One,
    MinusOne,
    SignBit,
    AllButSign,
    /// The numbers of the lanes.
    Lanes,
}

impl Builtin {
    /// In as many lanes as a form may have.
    pub const ALL: [[f64; 8]; 6] = [
        [0.0; 8],
        [1.0; 8],
        [-1.0; 8],
        [-0.0; 8],
        [f64::from_bits(!(1 << 63)); 8],
        [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
    ];
}

/// Predicates of the comparison instruction; all but the last two are false if unordered.
const EQUAL: u8 = 0x00;
const LESS: u8 = 0x11;
const LESS_EQUAL: u8 = 0x12;
const GREATER_EQUAL: u8 = 0x1d;
const GREATER: u8 = 0x1e;
const NOT_EQUAL: u8 = 0x04;
const UNORDERED: u8 = 0x03;

/// The number of mask 0 among mask registers.
const MASK: u8 = 1;

/// How [`Inst::Floor`] and [`Inst::Ceil`] round.
const DOWN: u8 = 0x09;
const UP: u8 = 0x0a;

impl Assembler {
    /// What the shortest instructions for these operands work on.
    fn width<const N: usize>(&self, registers: [Register; N], source: Source) -> Width {
        let is_low = |register: Register| (register as u32) < Register::XMM16 as u32;
        let is_short = match source {
            Source::Register(source) => is_low(source),
            // Those with 32 registers count numbers, not bytes, where that takes one byte.
            Source::Memory(memory) => {
                let bytes = memory.distance;
                let is_byte = |distance: i32| i8::try_from(distance).is_ok();
                is_byte(bytes) || bytes % 8 != 0 || !is_byte(bytes / 8)
            }
        };
        let form = match self.form {
            Form::OneOf32 if is_short && registers.into_iter().all(is_low) => Form::One,
            form => form,
        };
        form.width()
    }

    /// `to = opcode(a, b)`.
    pub fn binary(&mut self, opcode: Opcode, to: Register, a: Register, b: Source) {
        let width = self.width([to, a], b);
        self.vector(width, opcode, (to, Some(a)), b, Extra::default());
    }

    /// `to = opcode(a, b)` with what else the instruction states, in the widest form.
    fn with_extra(
        &mut self,
        opcode: Opcode,
        registers: (Register, Option<Register>),
        b: Source,
        extra: Extra,
    ) {
        self.vector(self.form.width(), opcode, registers, b, extra);
    }

    pub fn copy(&mut self, to: Register, source: Source) {
        let opcode = match source {
            Source::Register(from) if from == to => return,
            Source::Register(_) => Opcode::COPY,
            Source::Memory(_) => Opcode::LOAD,
        };
        let width = self.width([to], source);
        self.vector(width, opcode, (to, None), source, Extra::default());
    }

    pub fn store(&mut self, to: Place, from: Register) {
        let to = Source::Memory(to);
        let width = self.width([from], to);
        self.vector(width, Opcode::STORE, (from, None), to, Extra::default());
    }

    /// `to = a * b + c` with signs. At most one argument is in memory; `to` may be one of them.
    pub fn fma(&mut self, signs: Signs, to: Register, [a, b, c]: [Source; 3]) {
        let [times_last, plus_last, onto] =
            [0, 1, 2].map(|which| Opcode::fused([signs.product, signs.term], which));
        let is_to = |source: Source| matches!(source, Source::Register(r) if r == to);
        // Factors may change places: the second one is not in memory alone.
        let (a, b) = if matches!(a, Source::Memory(_)) || is_to(b) { (b, a) } else { (a, b) };
        let Source::Register(first) = a else { return };
        match (b, c) {
            (_, Source::Register(term)) if term == to => self.binary(onto, to, first, b),
            (_, Source::Register(term)) if is_to(a) => self.binary(times_last, to, term, b),
            (Source::Memory(_), _) => {
                self.copy(to, b);
                self.binary(plus_last, to, first, c);
            }
            (Source::Register(second), _) if is_to(a) => self.binary(plus_last, to, second, c),
            (Source::Register(_), _) => {
                self.copy(to, c);
                self.binary(onto, to, first, b);
            }
        }
    }

    /// Where comparison `k` of two leaves what it finds: a mask register, or a temporary one with
    /// all bits set where it holds.
    fn mask(&self, k: usize) -> Register {
        if self.form.has_masks() { [Register::K1, Register::K2][k] } else { self.temporary[k] }
    }

    fn compare(&mut self, k: usize, a: Register, b: Source, predicate: u8) {
        self.with_extra(Opcode::COMPARE, (self.mask(k), Some(a)), b, Extra::immediate(predicate));
    }

    /// Masks 0 and 1 together as mask 0.
    fn join(&mut self, inst: Inst) {
        let [a, b] = [self.mask(0), self.mask(1)];
        let is_both = inst == Inst::And;
        if self.form.has_masks() {
            let code = if is_both { Code::VEX_Kandw_kr_kr_kr } else { Code::VEX_Korw_kr_kr_kr };
            return self.put(Instruction::with3(code, a, a, b));
        }
        let opcode = if is_both { Opcode::AND } else { Opcode::OR };
        self.binary(opcode, a, a, Source::Register(b));
    }

    /// 1 where mask 0 holds, else 0.
    fn truth(&mut self, to: Register, one: Place) {
        let one = Source::Memory(one);
        if !self.form.has_masks() {
            return self.binary(Opcode::AND, to, self.mask(0), one);
        }
        let extra = Extra { mask: MASK, is_zeroing: true, ..Extra::default() };
        self.with_extra(Opcode::LOAD, (to, None), one, extra);
    }

    /// `yes` where mask 0 holds, else `no`.
    fn blend(&mut self, to: Register, no: Register, yes: Source) {
        let (opcode, extra) = if self.form.has_masks() {
            (Opcode::BLEND_BY_MASK, Extra { mask: MASK, ..Extra::default() })
        } else {
            // The last operand is a register in the upper half of a byte.
            let mask = self.form.n_registers();
            (Opcode::BLEND, Extra::immediate(mask << 4))
        };
        self.with_extra(opcode, (to, Some(no)), yes, extra);
    }

    /// `to = inst(args)`. Arguments are registers, but for one that [`folds`] allows; `to` may be
    /// one of them, so it is written last.
    pub fn apply(
        &mut self,
        inst: Inst,
        to: Register,
        args: &[Source],
        constant: impl Fn(Builtin) -> Place,
    ) {
        let one = constant(Builtin::One);
        let constant = |which| Source::Memory(constant(which));
        let form = self.form;
        let [t, u] = self.temporary;
        let register = |source: Source| match source {
            Source::Register(register) => register,
            Source::Memory(_) => Register::None,
        };
        let first = args[0];
        let a = register(first);
        let second = args.get(1).copied().unwrap_or(first);
        let b = register(second);
        match inst {
            Inst::Add | Inst::Mul => {
                let opcode = if inst == Inst::Add { Opcode::ADD } else { Opcode::MUL };
                match first {
                    Source::Register(a) => self.binary(opcode, to, a, second),
                    Source::Memory(_) => self.binary(opcode, to, b, first),
                }
            }
            Inst::Sub => self.binary(Opcode::SUB, to, a, second),
            Inst::Div => self.binary(Opcode::DIV, to, a, second),
            Inst::Identity => self.copy(to, first),
            Inst::Fma => {
                let third = args.get(2).copied().unwrap_or(first);
                self.fma(Signs { product: false, term: false }, to, [first, second, third]);
            }
            Inst::Neg => self.binary(Opcode::XOR, to, a, constant(Builtin::SignBit)),
            Inst::Abs => self.binary(Opcode::AND, to, a, constant(Builtin::AllButSign)),
            Inst::Sqrt => {
                let other = (form.lanes() == 1).then(|| or(a, to));
                let width = self.width([to, or(a, to)], first);
                self.vector(width, Opcode::SQRT, (to, other), first, Extra::default());
            }
            Inst::Floor | Inst::Ceil => {
                let way = if inst == Inst::Floor { DOWN } else { UP };
                let other = (form.lanes() == 1).then(|| or(a, to));
                self.with_extra(Opcode::ROUND, (to, other), first, Extra::immediate(way));
            }
            // The instruction gives its second argument for zeros and NaN: both orders joined give
            // -0 for zeros of both signs, and NaN for NaN.
            Inst::Min => {
                self.binary(Opcode::MIN, t, a, second);
                self.binary(Opcode::MIN, u, b, first);
                self.binary(Opcode::OR, to, t, Source::Register(u));
            }
            Inst::Max => {
                self.binary(Opcode::MAX, t, a, second);
                self.binary(Opcode::MAX, u, b, first);
                self.binary(Opcode::AND, t, t, Source::Register(u));
                self.compare(1, a, second, UNORDERED);
                if form.has_masks() {
                    let code = match form {
                        Form::Eight => Code::EVEX_Vpmovm2q_zmm_kr,
                        _ => Code::EVEX_Vpmovm2q_xmm_kr,
                    };
                    let mask = self.mask(1);
                    self.put(Instruction::with2(code, u, mask));
                }
                self.binary(Opcode::OR, to, t, Source::Register(u));
            }
            Inst::Copysign => {
                self.binary(Opcode::AND, t, a, constant(Builtin::AllButSign));
                self.binary(Opcode::AND, u, b, constant(Builtin::SignBit));
                self.binary(Opcode::OR, to, t, Source::Register(u));
            }
            Inst::Compare(comparison) => {
                self.compare(0, a, second, predicate(comparison));
                self.truth(to, one);
            }
            Inst::And | Inst::Or => {
                self.compare(0, a, constant(Builtin::Zero), NOT_EQUAL);
                self.compare(1, b, constant(Builtin::Zero), NOT_EQUAL);
                self.join(inst);
                self.truth(to, one);
            }
            Inst::Not => {
                self.compare(0, a, constant(Builtin::Zero), EQUAL);
                self.truth(to, one);
            }
            Inst::Step => {
                self.compare(0, a, constant(Builtin::Zero), GREATER_EQUAL);
                self.truth(to, one);
            }
            Inst::Select => {
                let other = args.get(2).copied().unwrap_or(first);
                self.compare(0, a, constant(Builtin::Zero), NOT_EQUAL);
                self.blend(to, register(other), second);
            }
            Inst::Sign => {
                self.compare(0, a, constant(Builtin::Zero), GREATER);
                self.blend(u, a, constant(Builtin::One));
                self.compare(0, a, constant(Builtin::Zero), LESS);
                self.blend(to, u, constant(Builtin::MinusOne));
            }
        }
    }
}

/// A register, or another one where there is none.
fn or(register: Register, other: Register) -> Register {
    if register == Register::None { other } else { register }
}

fn predicate(comparison: Comparison) -> u8 {
    match comparison {
        Comparison::Less => LESS,
        Comparison::LessEqual => LESS_EQUAL,
        Comparison::Greater => GREATER,
        Comparison::GreaterEqual => GREATER_EQUAL,
        Comparison::Equal => EQUAL,
        Comparison::NotEqual => NOT_EQUAL,
    }
}
