//! Elementwise operations as instructions of any form, with the same bits.

use iced_x86::{Code, Instruction, MemoryOperand, Register};

use super::assembler::Assembler;
use super::form::{Codes, Form};
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

impl Signs {
    /// The instruction that writes `x * z + y`, `y * x + z` or `y * z + x` over `x`, for operands
    /// `x`, `y`, `z`, of which `z` may be memory.
    fn code(self, codes: &Codes, which: usize) -> Code {
        codes.fma[usize::from(self.product) << 1 | usize::from(self.term)][which]
    }
}

/// An argument.
#[derive(Copy, Clone)]
pub(super) enum Source {
    Register(Register),
    Memory(MemoryOperand),
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
const EQUAL: u32 = 0x00;
const LESS: u32 = 0x11;
const LESS_EQUAL: u32 = 0x12;
const GREATER_EQUAL: u32 = 0x1d;
const GREATER: u32 = 0x1e;
const NOT_EQUAL: u32 = 0x04;
const UNORDERED: u32 = 0x03;

/// How [`Inst::Floor`] and [`Inst::Ceil`] round.
const DOWN: u32 = 0x09;
const UP: u32 = 0x0a;

impl Assembler {
    /// The shortest instructions for these operands.
    fn codes<const N: usize>(&self, registers: [Register; N], source: Source) -> &'static Codes {
        let is_low = |register: Register| (register as u32) < Register::XMM16 as u32;
        let is_short = match source {
            Source::Register(source) => is_low(source),
            // Those with 32 registers count numbers, not bytes, where that takes one byte.
            Source::Memory(memory) => {
                let bytes = memory.displacement;
                let is_byte = |distance: i64| i8::try_from(distance).is_ok();
                is_byte(bytes) || bytes % 8 != 0 || !is_byte(bytes / 8)
            }
        };
        let form = match self.form {
            Form::OneOf32 if is_short && registers.into_iter().all(is_low) => Form::One,
            form => form,
        };
        form.codes()
    }

    /// `to = code(a, b)`.
    pub fn binary(&mut self, code: impl Fn(&Codes) -> Code, to: Register, a: Register, b: Source) {
        let code = code(self.codes([to, a], b));
        self.put(match b {
            Source::Register(b) => Instruction::with3(code, to, a, b),
            Source::Memory(b) => Instruction::with3(code, to, a, b),
        });
    }

    pub fn copy(&mut self, to: Register, source: Source) {
        let codes = self.codes([to], source);
        match source {
            Source::Register(from) if from == to => {}
            Source::Register(from) => self.put(Instruction::with2(codes.copy, to, from)),
            Source::Memory(from) => self.put(Instruction::with2(codes.load, to, from)),
        }
    }

    pub fn store(&mut self, to: MemoryOperand, from: Register) {
        let code = self.codes([from], Source::Memory(to)).store;
        self.put(Instruction::with2(code, to, from));
    }

    /// `to = a * b + c` with signs. At most one argument is in memory; `to` may be one of them.
    pub fn fma(&mut self, signs: Signs, to: Register, [a, b, c]: [Source; 3]) {
        let [times_last, plus_last, onto] =
            [0, 1, 2].map(|k| move |codes: &Codes| signs.code(codes, k));
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
        if self.form.has_masks() {
            [Register::K1, Register::K2][k]
        } else {
            self.form.temporary()[k]
        }
    }

    fn compare(&mut self, k: usize, a: Register, b: Source, predicate: u32) {
        let (code, to) = (self.form.codes().compare, self.mask(k));
        self.put(match b {
            Source::Register(b) => Instruction::with4(code, to, a, b, predicate),
            Source::Memory(b) => Instruction::with4(code, to, a, b, predicate),
        });
    }

    /// Masks 0 and 1 together as mask 0.
    fn join(&mut self, inst: Inst) {
        let has_masks = self.form.has_masks();
        let code = |codes: &Codes| match (has_masks, inst) {
            (true, Inst::And) => Code::VEX_Kandw_kr_kr_kr,
            (true, _) => Code::VEX_Korw_kr_kr_kr,
            (false, Inst::And) => codes.and,
            (false, _) => codes.or,
        };
        let [a, b] = [self.mask(0), self.mask(1)];
        self.binary(code, a, a, Source::Register(b));
    }

    /// 1 where mask 0 holds, else 0.
    fn truth(&mut self, to: Register, one: MemoryOperand) {
        let mask = self.mask(0);
        if !self.form.has_masks() {
            return self.binary(|codes| codes.and, to, mask, Source::Memory(one));
        }
        let load = Instruction::with2(self.form.codes().load, to, one);
        self.put(load.map(|mut load| {
            load.set_op_mask(mask);
            load.set_zeroing_masking(true);
            load
        }));
    }

    /// `yes` where mask 0 holds, else `no`.
    fn blend(&mut self, to: Register, no: Register, yes: Source) {
        let (code, mask) = (self.form.codes().blend, self.mask(0));
        self.put(match (self.form.has_masks(), yes) {
            (true, yes) => {
                let blend = match yes {
                    Source::Register(yes) => Instruction::with3(code, to, no, yes),
                    Source::Memory(yes) => Instruction::with3(code, to, no, yes),
                };
                blend.map(|mut blend| {
                    blend.set_op_mask(mask);
                    blend
                })
            }
            (_, Source::Register(yes)) => Instruction::with4(code, to, no, yes, mask),
            (_, Source::Memory(yes)) => Instruction::with4(code, to, no, yes, mask),
        });
    }

    /// `to = inst(args)`. Arguments are registers, but for one that [`folds`] allows; `to` may be
    /// one of them, so it is written last.
    pub fn apply(
        &mut self,
        inst: Inst,
        to: Register,
        args: &[Source],
        constant: impl Fn(Builtin) -> MemoryOperand,
    ) {
        let one = constant(Builtin::One);
        let constant = |which| Source::Memory(constant(which));
        let form = self.form;
        let [t, u] = form.temporary();
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
                let code = |codes: &Codes| if inst == Inst::Add { codes.add } else { codes.mul };
                match first {
                    Source::Register(a) => self.binary(code, to, a, second),
                    Source::Memory(_) => self.binary(code, to, b, first),
                }
            }
            Inst::Sub => self.binary(|codes| codes.sub, to, a, second),
            Inst::Div => self.binary(|codes| codes.div, to, a, second),
            Inst::Identity => self.copy(to, first),
            Inst::Fma => {
                let third = args.get(2).copied().unwrap_or(first);
                self.fma(Signs { product: false, term: false }, to, [first, second, third]);
            }
            Inst::Neg => self.binary(|codes| codes.xor, to, a, constant(Builtin::SignBit)),
            Inst::Abs => self.binary(|codes| codes.and, to, a, constant(Builtin::AllButSign)),
            Inst::Sqrt if form.lanes() == 1 => {
                let other = if a == Register::None { to } else { a };
                self.binary(|codes| codes.sqrt, to, other, first);
            }
            Inst::Sqrt => self.put(match first {
                Source::Register(a) => Instruction::with2(form.codes().sqrt, to, a),
                Source::Memory(a) => Instruction::with2(form.codes().sqrt, to, a),
            }),
            Inst::Floor | Inst::Ceil => {
                let way = if inst == Inst::Floor { DOWN } else { UP };
                let code = form.codes().round;
                self.put(match (form.lanes(), first) {
                    (1, Source::Register(a)) => Instruction::with4(code, to, a, a, way),
                    (1, Source::Memory(a)) => Instruction::with4(code, to, to, a, way),
                    (_, Source::Register(a)) => Instruction::with3(code, to, a, way),
                    (_, Source::Memory(a)) => Instruction::with3(code, to, a, way),
                });
            }
            // The instruction gives its second argument for zeros and NaN: both orders joined give
            // -0 for zeros of both signs, and NaN for NaN.
            Inst::Min => {
                self.binary(|codes| codes.min, t, a, second);
                self.binary(|codes| codes.min, u, b, first);
                self.binary(|codes| codes.or, to, t, Source::Register(u));
            }
            Inst::Max => {
                self.binary(|codes| codes.max, t, a, second);
                self.binary(|codes| codes.max, u, b, first);
                self.binary(|codes| codes.and, t, t, Source::Register(u));
                self.compare(1, a, second, UNORDERED);
                if form.has_masks() {
                    let code = match form {
                        Form::Eight => Code::EVEX_Vpmovm2q_zmm_kr,
                        _ => Code::EVEX_Vpmovm2q_xmm_kr,
                    };
                    let mask = self.mask(1);
                    self.put(Instruction::with2(code, u, mask));
                }
                self.binary(|codes| codes.or, to, t, Source::Register(u));
            }
            Inst::Copysign => {
                self.binary(|codes| codes.and, t, a, constant(Builtin::AllButSign));
                self.binary(|codes| codes.and, u, b, constant(Builtin::SignBit));
                self.binary(|codes| codes.or, to, t, Source::Register(u));
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

fn predicate(comparison: Comparison) -> u32 {
    match comparison {
        Comparison::Less => LESS,
        Comparison::LessEqual => LESS_EQUAL,
        Comparison::Greater => GREATER,
        Comparison::GreaterEqual => GREATER_EQUAL,
        Comparison::Equal => EQUAL,
        Comparison::NotEqual => NOT_EQUAL,
    }
}
