//! Elementwise operations as instructions over vectors or single numbers, with the same bits.

use iced_x86::{Code, Instruction, MemoryOperand, Register};

use super::assembler::Assembler;
use crate::ops::scalar::{Comparison, Inst, Jit, ScalarOp};

/// Registers for values; two more are for [`Form::temporary`] ones.
pub(super) const N_REGISTERS: u8 = 14;

/// What instructions work on: vectors of four numbers, or single ones.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(super) enum Form {
    Packed,
    Single,
}

/// The instructions of a form.
struct Codes {
    add: Code,
    sub: Code,
    mul: Code,
    div: Code,
    min: Code,
    max: Code,
    and: Code,
    or: Code,
    xor: Code,
    compare: Code,
    blend: Code,
    copy: Code,
    load: Code,
    store: Code,
    /// For each [`Signs`], as [`Signs::codes`] lists them.
    fma: [[Code; 3]; 4],
}

const PACKED: Codes = Codes {
    add: Code::VEX_Vaddpd_ymm_ymm_ymmm256,
    sub: Code::VEX_Vsubpd_ymm_ymm_ymmm256,
    mul: Code::VEX_Vmulpd_ymm_ymm_ymmm256,
    div: Code::VEX_Vdivpd_ymm_ymm_ymmm256,
    min: Code::VEX_Vminpd_ymm_ymm_ymmm256,
    max: Code::VEX_Vmaxpd_ymm_ymm_ymmm256,
    and: Code::VEX_Vandpd_ymm_ymm_ymmm256,
    or: Code::VEX_Vorpd_ymm_ymm_ymmm256,
    xor: Code::VEX_Vxorpd_ymm_ymm_ymmm256,
    compare: Code::VEX_Vcmppd_ymm_ymm_ymmm256_imm8,
    blend: Code::VEX_Vblendvpd_ymm_ymm_ymmm256_ymm,
    copy: Code::VEX_Vmovupd_ymm_ymmm256,
    load: Code::VEX_Vmovupd_ymm_ymmm256,
    store: Code::VEX_Vmovupd_ymmm256_ymm,
    fma: [
        [
            Code::VEX_Vfmadd132pd_ymm_ymm_ymmm256,
            Code::VEX_Vfmadd213pd_ymm_ymm_ymmm256,
            Code::VEX_Vfmadd231pd_ymm_ymm_ymmm256,
        ],
        [
            Code::VEX_Vfmsub132pd_ymm_ymm_ymmm256,
            Code::VEX_Vfmsub213pd_ymm_ymm_ymmm256,
            Code::VEX_Vfmsub231pd_ymm_ymm_ymmm256,
        ],
        [
            Code::VEX_Vfnmadd132pd_ymm_ymm_ymmm256,
            Code::VEX_Vfnmadd213pd_ymm_ymm_ymmm256,
            Code::VEX_Vfnmadd231pd_ymm_ymm_ymmm256,
        ],
        [
            Code::VEX_Vfnmsub132pd_ymm_ymm_ymmm256,
            Code::VEX_Vfnmsub213pd_ymm_ymm_ymmm256,
            Code::VEX_Vfnmsub231pd_ymm_ymm_ymmm256,
        ],
    ],
};

/// Bitwise instructions read 16 bytes, which only constants have in memory.
const SINGLE: Codes = Codes {
    add: Code::VEX_Vaddsd_xmm_xmm_xmmm64,
    sub: Code::VEX_Vsubsd_xmm_xmm_xmmm64,
    mul: Code::VEX_Vmulsd_xmm_xmm_xmmm64,
    div: Code::VEX_Vdivsd_xmm_xmm_xmmm64,
    min: Code::VEX_Vminsd_xmm_xmm_xmmm64,
    max: Code::VEX_Vmaxsd_xmm_xmm_xmmm64,
    and: Code::VEX_Vandpd_xmm_xmm_xmmm128,
    or: Code::VEX_Vorpd_xmm_xmm_xmmm128,
    xor: Code::VEX_Vxorpd_xmm_xmm_xmmm128,
    compare: Code::VEX_Vcmpsd_xmm_xmm_xmmm64_imm8,
    blend: Code::VEX_Vblendvpd_xmm_xmm_xmmm128_xmm,
    copy: Code::VEX_Vmovapd_xmm_xmmm128,
    load: Code::VEX_Vmovsd_xmm_m64,
    store: Code::VEX_Vmovsd_m64_xmm,
    fma: [
        [
            Code::VEX_Vfmadd132sd_xmm_xmm_xmmm64,
            Code::VEX_Vfmadd213sd_xmm_xmm_xmmm64,
            Code::VEX_Vfmadd231sd_xmm_xmm_xmmm64,
        ],
        [
            Code::VEX_Vfmsub132sd_xmm_xmm_xmmm64,
            Code::VEX_Vfmsub213sd_xmm_xmm_xmmm64,
            Code::VEX_Vfmsub231sd_xmm_xmm_xmmm64,
        ],
        [
            Code::VEX_Vfnmadd132sd_xmm_xmm_xmmm64,
            Code::VEX_Vfnmadd213sd_xmm_xmm_xmmm64,
            Code::VEX_Vfnmadd231sd_xmm_xmm_xmmm64,
        ],
        [
            Code::VEX_Vfnmsub132sd_xmm_xmm_xmmm64,
            Code::VEX_Vfnmsub213sd_xmm_xmm_xmmm64,
            Code::VEX_Vfnmsub231sd_xmm_xmm_xmmm64,
        ],
    ],
};

impl Form {
    fn codes(self) -> &'static Codes {
        match self {
            Form::Packed => &PACKED,
            Form::Single => &SINGLE,
        }
    }

    pub fn register(self, number: u8) -> Register {
        let first = match self {
            Form::Packed => Register::YMM0,
            Form::Single => Register::XMM0,
        };
        first + u32::from(number)
    }

    /// Registers that nothing else uses.
    pub fn temporary(self) -> [Register; 2] {
        [self.register(N_REGISTERS), self.register(N_REGISTERS + 1)]
    }
}

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
    /// The instructions that write `x * z + y`, `y * x + z` and `y * z + x` over `x`, for operands
    /// `x`, `y`, `z`, of which `z` may be memory.
    fn codes(self, form: Form) -> [Code; 3] {
        form.codes().fma[usize::from(self.product) << 1 | usize::from(self.term)]
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
    pub const ALL: [[f64; 4]; 6] = [
        [0.0; 4],
        [1.0; 4],
        [-1.0; 4],
        [-0.0; 4],
        [f64::from_bits(!(1 << 63)); 4],
        [0.0, 1.0, 2.0, 3.0],
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
    /// `to = code(a, b)`.
    pub fn binary(&mut self, code: Code, to: Register, a: Register, b: Source) {
        self.put(match b {
            Source::Register(b) => Instruction::with3(code, to, a, b),
            Source::Memory(b) => Instruction::with3(code, to, a, b),
        });
    }

    pub fn copy(&mut self, to: Register, from: Source) {
        match from {
            Source::Register(from) if from == to => {}
            Source::Register(from) => {
                self.put(Instruction::with2(self.form.codes().copy, to, from));
            }
            Source::Memory(from) => {
                self.put(Instruction::with2(self.form.codes().load, to, from));
            }
        }
    }

    pub fn store(&mut self, to: MemoryOperand, from: Register) {
        self.put(Instruction::with2(self.form.codes().store, to, from));
    }

    /// `to = a * b + c` with signs. At most one argument is in memory; `to` may be one of them.
    pub fn fma(&mut self, signs: Signs, to: Register, [a, b, c]: [Source; 3]) {
        let [times_last, plus_last, onto] = signs.codes(self.form);
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

    fn compare(&mut self, to: Register, a: Register, b: Source, predicate: u32) {
        let code = self.form.codes().compare;
        self.put(match b {
            Source::Register(b) => Instruction::with4(code, to, a, b, predicate),
            Source::Memory(b) => Instruction::with4(code, to, a, b, predicate),
        });
    }

    /// `to = mask ? yes : no`.
    fn blend(&mut self, to: Register, no: Register, yes: Source, mask: Register) {
        let code = self.form.codes().blend;
        self.put(match yes {
            Source::Register(yes) => Instruction::with4(code, to, no, yes, mask),
            Source::Memory(yes) => Instruction::with4(code, to, no, yes, mask),
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
        let constant = |which| Source::Memory(constant(which));
        let form = self.form;
        let codes = form.codes();
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
                let code = if inst == Inst::Add { codes.add } else { codes.mul };
                match first {
                    Source::Register(a) => self.binary(code, to, a, second),
                    Source::Memory(_) => self.binary(code, to, b, first),
                }
            }
            Inst::Sub => self.binary(codes.sub, to, a, second),
            Inst::Div => self.binary(codes.div, to, a, second),
            Inst::Identity => self.copy(to, first),
            Inst::Fma => {
                let third = args.get(2).copied().unwrap_or(first);
                self.fma(Signs { product: false, term: false }, to, [first, second, third]);
            }
            Inst::Neg => self.binary(codes.xor, to, a, constant(Builtin::SignBit)),
            Inst::Abs => self.binary(codes.and, to, a, constant(Builtin::AllButSign)),
            Inst::Sqrt => self.put(match (form, first) {
                (Form::Packed, Source::Register(a)) => {
                    Instruction::with2(Code::VEX_Vsqrtpd_ymm_ymmm256, to, a)
                }
                (Form::Packed, Source::Memory(a)) => {
                    Instruction::with2(Code::VEX_Vsqrtpd_ymm_ymmm256, to, a)
                }
                (Form::Single, Source::Register(a)) => {
                    Instruction::with3(Code::VEX_Vsqrtsd_xmm_xmm_xmmm64, to, a, a)
                }
                (Form::Single, Source::Memory(a)) => {
                    Instruction::with3(Code::VEX_Vsqrtsd_xmm_xmm_xmmm64, to, to, a)
                }
            }),
            Inst::Floor | Inst::Ceil => {
                let way = if inst == Inst::Floor { DOWN } else { UP };
                self.put(match (form, first) {
                    (Form::Packed, Source::Register(a)) => {
                        Instruction::with3(Code::VEX_Vroundpd_ymm_ymmm256_imm8, to, a, way)
                    }
                    (Form::Packed, Source::Memory(a)) => {
                        Instruction::with3(Code::VEX_Vroundpd_ymm_ymmm256_imm8, to, a, way)
                    }
                    (Form::Single, Source::Register(a)) => {
                        let code = Code::VEX_Vroundsd_xmm_xmm_xmmm64_imm8;
                        Instruction::with4(code, to, a, a, way)
                    }
                    (Form::Single, Source::Memory(a)) => {
                        let code = Code::VEX_Vroundsd_xmm_xmm_xmmm64_imm8;
                        Instruction::with4(code, to, to, a, way)
                    }
                });
            }
            // The instruction gives its second argument for zeros and NaN: both orders joined give
            // -0 for zeros of both signs, and NaN for NaN.
            Inst::Min => {
                self.binary(codes.min, t, a, second);
                self.binary(codes.min, u, b, first);
                self.binary(codes.or, to, t, Source::Register(u));
            }
            Inst::Max => {
                self.binary(codes.max, t, a, second);
                self.binary(codes.max, u, b, first);
                self.binary(codes.and, t, t, Source::Register(u));
                self.compare(u, a, second, UNORDERED);
                self.binary(codes.or, to, t, Source::Register(u));
            }
            Inst::Copysign => {
                self.binary(codes.and, t, a, constant(Builtin::AllButSign));
                self.binary(codes.and, u, b, constant(Builtin::SignBit));
                self.binary(codes.or, to, t, Source::Register(u));
            }
            Inst::Compare(comparison) => {
                self.compare(t, a, second, predicate(comparison));
                self.binary(codes.and, to, t, constant(Builtin::One));
            }
            Inst::And | Inst::Or => {
                let code = if inst == Inst::And { codes.and } else { codes.or };
                self.compare(t, a, constant(Builtin::Zero), NOT_EQUAL);
                self.compare(u, b, constant(Builtin::Zero), NOT_EQUAL);
                self.binary(code, t, t, Source::Register(u));
                self.binary(codes.and, to, t, constant(Builtin::One));
            }
            Inst::Not => {
                self.compare(t, a, constant(Builtin::Zero), EQUAL);
                self.binary(codes.and, to, t, constant(Builtin::One));
            }
            Inst::Step => {
                self.compare(t, a, constant(Builtin::Zero), GREATER_EQUAL);
                self.binary(codes.and, to, t, constant(Builtin::One));
            }
            Inst::Select => {
                let other = args.get(2).copied().unwrap_or(first);
                self.compare(t, a, constant(Builtin::Zero), NOT_EQUAL);
                self.blend(to, register(other), second, t);
            }
            Inst::Sign => {
                self.compare(t, a, constant(Builtin::Zero), GREATER);
                self.blend(u, a, constant(Builtin::One), t);
                self.compare(t, a, constant(Builtin::Zero), LESS);
                self.blend(to, u, constant(Builtin::MinusOne), t);
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
