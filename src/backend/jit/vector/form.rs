//! What instructions work on: one number or vectors of several.

use iced_x86::{Code, Register};

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

/// The instructions of a form.
pub(super) struct Codes {
    pub add: Code,
    pub sub: Code,
    pub mul: Code,
    pub div: Code,
    pub min: Code,
    pub max: Code,
    pub and: Code,
    pub or: Code,
    pub xor: Code,
    pub sqrt: Code,
    pub round: Code,
    pub compare: Code,
    pub blend: Code,
    /// Of a register.
    pub copy: Code,
    pub load: Code,
    pub store: Code,
    /// For each [`super::operation::Signs`], as its method `codes` lists them.
    pub fma: [[Code; 3]; 4],
}

/// Bitwise instructions read 16 bytes, which only constants have in memory.
const ONE: Codes = Codes {
    add: Code::VEX_Vaddsd_xmm_xmm_xmmm64,
    sub: Code::VEX_Vsubsd_xmm_xmm_xmmm64,
    mul: Code::VEX_Vmulsd_xmm_xmm_xmmm64,
    div: Code::VEX_Vdivsd_xmm_xmm_xmmm64,
    min: Code::VEX_Vminsd_xmm_xmm_xmmm64,
    max: Code::VEX_Vmaxsd_xmm_xmm_xmmm64,
    and: Code::VEX_Vandpd_xmm_xmm_xmmm128,
    or: Code::VEX_Vorpd_xmm_xmm_xmmm128,
    xor: Code::VEX_Vxorpd_xmm_xmm_xmmm128,
    sqrt: Code::VEX_Vsqrtsd_xmm_xmm_xmmm64,
    round: Code::VEX_Vroundsd_xmm_xmm_xmmm64_imm8,
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

const ONE_OF_32: Codes = Codes {
    add: Code::EVEX_Vaddsd_xmm_k1z_xmm_xmmm64_er,
    sub: Code::EVEX_Vsubsd_xmm_k1z_xmm_xmmm64_er,
    mul: Code::EVEX_Vmulsd_xmm_k1z_xmm_xmmm64_er,
    div: Code::EVEX_Vdivsd_xmm_k1z_xmm_xmmm64_er,
    min: Code::EVEX_Vminsd_xmm_k1z_xmm_xmmm64_sae,
    max: Code::EVEX_Vmaxsd_xmm_k1z_xmm_xmmm64_sae,
    and: Code::EVEX_Vandpd_xmm_k1z_xmm_xmmm128b64,
    or: Code::EVEX_Vorpd_xmm_k1z_xmm_xmmm128b64,
    xor: Code::EVEX_Vxorpd_xmm_k1z_xmm_xmmm128b64,
    sqrt: Code::EVEX_Vsqrtsd_xmm_k1z_xmm_xmmm64_er,
    round: Code::EVEX_Vrndscalesd_xmm_k1z_xmm_xmmm64_imm8_sae,
    compare: Code::EVEX_Vcmpsd_kr_k1_xmm_xmmm64_imm8_sae,
    blend: Code::EVEX_Vblendmpd_xmm_k1z_xmm_xmmm128b64,
    copy: Code::EVEX_Vmovapd_xmm_k1z_xmmm128,
    load: Code::EVEX_Vmovsd_xmm_k1z_m64,
    store: Code::EVEX_Vmovsd_m64_k1_xmm,
    fma: [
        [
            Code::EVEX_Vfmadd132sd_xmm_k1z_xmm_xmmm64_er,
            Code::EVEX_Vfmadd213sd_xmm_k1z_xmm_xmmm64_er,
            Code::EVEX_Vfmadd231sd_xmm_k1z_xmm_xmmm64_er,
        ],
        [
            Code::EVEX_Vfmsub132sd_xmm_k1z_xmm_xmmm64_er,
            Code::EVEX_Vfmsub213sd_xmm_k1z_xmm_xmmm64_er,
            Code::EVEX_Vfmsub231sd_xmm_k1z_xmm_xmmm64_er,
        ],
        [
            Code::EVEX_Vfnmadd132sd_xmm_k1z_xmm_xmmm64_er,
            Code::EVEX_Vfnmadd213sd_xmm_k1z_xmm_xmmm64_er,
            Code::EVEX_Vfnmadd231sd_xmm_k1z_xmm_xmmm64_er,
        ],
        [
            Code::EVEX_Vfnmsub132sd_xmm_k1z_xmm_xmmm64_er,
            Code::EVEX_Vfnmsub213sd_xmm_k1z_xmm_xmmm64_er,
            Code::EVEX_Vfnmsub231sd_xmm_k1z_xmm_xmmm64_er,
        ],
    ],
};

const FOUR: Codes = Codes {
    add: Code::VEX_Vaddpd_ymm_ymm_ymmm256,
    sub: Code::VEX_Vsubpd_ymm_ymm_ymmm256,
    mul: Code::VEX_Vmulpd_ymm_ymm_ymmm256,
    div: Code::VEX_Vdivpd_ymm_ymm_ymmm256,
    min: Code::VEX_Vminpd_ymm_ymm_ymmm256,
    max: Code::VEX_Vmaxpd_ymm_ymm_ymmm256,
    and: Code::VEX_Vandpd_ymm_ymm_ymmm256,
    or: Code::VEX_Vorpd_ymm_ymm_ymmm256,
    xor: Code::VEX_Vxorpd_ymm_ymm_ymmm256,
    sqrt: Code::VEX_Vsqrtpd_ymm_ymmm256,
    round: Code::VEX_Vroundpd_ymm_ymmm256_imm8,
    compare: Code::VEX_Vcmppd_ymm_ymm_ymmm256_imm8,
    blend: Code::VEX_Vblendvpd_ymm_ymm_ymmm256_ymm,
    copy: Code::VEX_Vmovapd_ymm_ymmm256,
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

const EIGHT: Codes = Codes {
    add: Code::EVEX_Vaddpd_zmm_k1z_zmm_zmmm512b64_er,
    sub: Code::EVEX_Vsubpd_zmm_k1z_zmm_zmmm512b64_er,
    mul: Code::EVEX_Vmulpd_zmm_k1z_zmm_zmmm512b64_er,
    div: Code::EVEX_Vdivpd_zmm_k1z_zmm_zmmm512b64_er,
    min: Code::EVEX_Vminpd_zmm_k1z_zmm_zmmm512b64_sae,
    max: Code::EVEX_Vmaxpd_zmm_k1z_zmm_zmmm512b64_sae,
    and: Code::EVEX_Vandpd_zmm_k1z_zmm_zmmm512b64,
    or: Code::EVEX_Vorpd_zmm_k1z_zmm_zmmm512b64,
    xor: Code::EVEX_Vxorpd_zmm_k1z_zmm_zmmm512b64,
    sqrt: Code::EVEX_Vsqrtpd_zmm_k1z_zmmm512b64_er,
    round: Code::EVEX_Vrndscalepd_zmm_k1z_zmmm512b64_imm8_sae,
    compare: Code::EVEX_Vcmppd_kr_k1_zmm_zmmm512b64_imm8_sae,
    blend: Code::EVEX_Vblendmpd_zmm_k1z_zmm_zmmm512b64,
    copy: Code::EVEX_Vmovapd_zmm_k1z_zmmm512,
    load: Code::EVEX_Vmovupd_zmm_k1z_zmmm512,
    store: Code::EVEX_Vmovupd_zmmm512_k1z_zmm,
    fma: [
        [
            Code::EVEX_Vfmadd132pd_zmm_k1z_zmm_zmmm512b64_er,
            Code::EVEX_Vfmadd213pd_zmm_k1z_zmm_zmmm512b64_er,
            Code::EVEX_Vfmadd231pd_zmm_k1z_zmm_zmmm512b64_er,
        ],
        [
            Code::EVEX_Vfmsub132pd_zmm_k1z_zmm_zmmm512b64_er,
            Code::EVEX_Vfmsub213pd_zmm_k1z_zmm_zmmm512b64_er,
            Code::EVEX_Vfmsub231pd_zmm_k1z_zmm_zmmm512b64_er,
        ],
        [
            Code::EVEX_Vfnmadd132pd_zmm_k1z_zmm_zmmm512b64_er,
            Code::EVEX_Vfnmadd213pd_zmm_k1z_zmm_zmmm512b64_er,
            Code::EVEX_Vfnmadd231pd_zmm_k1z_zmm_zmmm512b64_er,
        ],
        [
            Code::EVEX_Vfnmsub132pd_zmm_k1z_zmm_zmmm512b64_er,
            Code::EVEX_Vfnmsub213pd_zmm_k1z_zmm_zmmm512b64_er,
            Code::EVEX_Vfnmsub231pd_zmm_k1z_zmm_zmmm512b64_er,
        ],
    ],
};

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
    pub fn codes(self) -> &'static Codes {
        match self {
            Form::One => &ONE,
            Form::OneOf32 => &ONE_OF_32,
            Form::Four => &FOUR,
            Form::Eight => &EIGHT,
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
