//! What instructions work on: one number or vectors of several.

use iced_x86::{Code, Register};

use super::encode::Width;

/// The numbers that an instruction works on.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// AVX2 and FMA.
    One,
    /// In one of 32 registers: AVX-512 F, DQ and VL.
    OneOf32,
    /// AVX2 and FMA.
    Four,
    /// AVX-512 F and DQ.
    Eight,
}

/// The instructions of a form of several numbers that move single ones.
pub(super) struct Moves {
    /// One number of memory in all lanes.
    pub spread_memory: Code,
    /// The lowest number of a register in all lanes.
    pub spread: Code,
    /// A whole number of memory or a general register as the lowest lane.
    pub convert: Code,
    /// Between memory and the lower or the higher one of the two lowest lanes.
    pub load_low: Code,
    pub load_high: Code,
    pub store_low: Code,
    pub store_high: Code,
    /// Two lanes of two.
    pub insert: Code,
    pub extract: Code,
}

const MOVES_OF_FOUR: Moves = Moves {
    spread_memory: Code::VEX_Vbroadcastsd_ymm_m64,
    spread: Code::VEX_Vbroadcastsd_ymm_xmm,
    convert: Code::VEX_Vcvtsi2sd_xmm_xmm_rm64,
    load_low: Code::VEX_Vmovsd_xmm_m64,
    load_high: Code::VEX_Vmovhpd_xmm_xmm_m64,
    store_low: Code::VEX_Vmovsd_m64_xmm,
    store_high: Code::VEX_Vmovhpd_m64_xmm,
    insert: Code::VEX_Vinsertf128_ymm_ymm_xmmm128_imm8,
    extract: Code::VEX_Vextractf128_xmmm128_ymm_imm8,
};

const MOVES_OF_EIGHT: Moves = Moves {
    spread_memory: Code::EVEX_Vbroadcastsd_zmm_k1z_xmmm64,
    spread: Code::EVEX_Vbroadcastsd_zmm_k1z_xmmm64,
    convert: Code::EVEX_Vcvtsi2sd_xmm_xmm_rm64_er,
    load_low: Code::EVEX_Vmovsd_xmm_k1z_m64,
    load_high: Code::EVEX_Vmovhpd_xmm_xmm_m64,
    store_low: Code::EVEX_Vmovsd_m64_k1_xmm,
    store_high: Code::EVEX_Vmovhpd_m64_xmm,
    insert: Code::EVEX_Vinsertf64x2_zmm_k1z_zmm_xmmm128_imm8,
    extract: Code::EVEX_Vextractf64x2_xmmm128_k1z_zmm_imm8,
};

impl Form {
    pub fn width(self) -> Width {
        let is_evex = self.has_masks();
        match self {
            Form::One | Form::OneOf32 => Width { is_evex, is_one: true, length: 0 },
            Form::Four => Width { is_evex, is_one: false, length: 1 },
            Form::Eight => Width { is_evex, is_one: false, length: 2 },
        }
    }

    /// Those for vectors serve one number, too.
    pub fn moves(self) -> &'static Moves {
        match self {
            Form::One | Form::Four => &MOVES_OF_FOUR,
            Form::OneOf32 | Form::Eight => &MOVES_OF_EIGHT,
        }
    }

    /// Whether comparisons leave what they find in mask registers.
    pub fn has_masks(self) -> bool {
        matches!(self, Form::OneOf32 | Form::Eight)
    }

    pub fn lanes(self) -> usize {
        match self {
            Form::One | Form::OneOf32 => 1,
            Form::Four => 4,
            Form::Eight => 8,
        }
    }

    /// Registers for values; two more are for [`Form::temporary`] ones.
    pub fn n_registers(self) -> u8 {
        match self {
            Form::One | Form::Four => 14,
            Form::OneOf32 | Form::Eight => 30,
        }
    }

    pub fn register(self, number: u8) -> Register {
        let first = match self {
            Form::One => Register::XMM0,
            // The temporary ones are between these.
            Form::OneOf32 if number >= 14 => Register::XMM2,
            Form::OneOf32 => Register::XMM0,
            Form::Four => Register::YMM0,
            Form::Eight => Register::ZMM0,
        };
        first + u32::from(number)
    }

    /// The two lowest lanes of a register.
    pub fn lowest(self, register: Register) -> Register {
        Register::XMM0 + (register as u32 - self.register(0) as u32)
    }

    /// Registers that nothing else uses.
    pub fn temporary(self) -> [Register; 2] {
        match self {
            // The shortest instructions reach them.
            Form::OneOf32 => [Register::XMM14, Register::XMM15],
            _ => [self.n_registers(), self.n_registers() + 1].map(|number| self.register(number)),
        }
    }
}
