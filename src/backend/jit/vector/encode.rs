//! Instructions on numbers and vectors of them as bytes, with the prefixes VEX and EVEX (Intel 64
//! and IA-32 Architectures Software Developer's Manual, volume 2, 2.3 and 2.7).
//!
//! Only what code consists of mostly, in a third of the instructions that iced-x86 takes, which
//! encodes all else and says in a test what the bytes have to be.

use iced_x86::{MemoryOperand, Register};

/// What an instruction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opcode {
    byte: u8,
    /// 1 to 3: 0F, 0F38 or 0F3A precede it.
    map: u8,
    /// What is added for one number.
    one: u8,
    /// Whether VEX, too, has to say that numbers have 64 bits.
    is_wide: bool,
    /// Whether it takes a whole register where others take one number.
    is_whole: bool,
}

impl Opcode {
    pub const ADD: Opcode = Opcode::arithmetic(0x58);
    pub const SUB: Opcode = Opcode::arithmetic(0x5c);
    pub const MUL: Opcode = Opcode::arithmetic(0x59);
    pub const DIV: Opcode = Opcode::arithmetic(0x5e);
    pub const MIN: Opcode = Opcode::arithmetic(0x5d);
    pub const MAX: Opcode = Opcode::arithmetic(0x5f);
    /// Of one number with another register, whose upper half is kept.
    pub const SQRT: Opcode = Opcode::arithmetic(0x51);
    /// With a predicate, to a mask where the prefix is EVEX.
    pub const COMPARE: Opcode = Opcode::arithmetic(0xc2);
    /// From memory.
    pub const LOAD: Opcode = Opcode::arithmetic(0x10);
    /// The register to the memory that is its source here.
    pub const STORE: Opcode = Opcode::arithmetic(0x11);
    /// Bitwise instructions read 16 bytes at least, which only constants have in memory.
    pub const AND: Opcode = Opcode::whole(0x54, 1);
    pub const OR: Opcode = Opcode::whole(0x56, 1);
    pub const XOR: Opcode = Opcode::whole(0x57, 1);
    /// Of a register.
    pub const COPY: Opcode = Opcode::whole(0x28, 1);
    /// By the signs of a register, with VEX.
    pub const BLEND: Opcode = Opcode::whole(0x4b, 3);
    /// By a mask, with EVEX.
    pub const BLEND_BY_MASK: Opcode = Opcode::whole(0x65, 2);
    /// In a way that is given; of one number with another register, as for the root.
    pub const ROUND: Opcode = Opcode { map: 3, one: 2, ..Opcode::arithmetic(0x09) };

    const fn arithmetic(byte: u8) -> Opcode {
        Opcode { byte, map: 1, one: 0, is_wide: false, is_whole: false }
    }

    const fn whole(byte: u8, map: u8) -> Opcode {
        Opcode { map, is_whole: true, ..Opcode::arithmetic(byte) }
    }

    /// Writes `x * z + y`, `y * x + z` or `y * z + x` over `x`, for operands `x`, `y`, `z`, of
    /// which `z` may be memory; `minus` says whether the product and the term are negated.
    pub const fn fused(minus: [bool; 2], which: u8) -> Opcode {
        let byte = 0x98 + 4 * minus[0] as u8 + 2 * minus[1] as u8 + 0x10 * which;
        Opcode { map: 2, one: 1, is_wide: true, ..Opcode::arithmetic(byte) }
    }
}

/// What an instruction works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Width {
    /// The prefix EVEX, which knows 32 registers and masks, instead of VEX.
    pub is_evex: bool,
    /// One number, whatever the registers have.
    pub is_one: bool,
    /// 0 to 2: registers of 16, 32 or 64 bytes.
    pub length: u8,
}

/// Memory at a distance in bytes from where a register points, and as many numbers further as
/// another one says, if there is one.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub base: Register,
    pub index: Register,
    pub distance: i32,
}

impl Place {
    /// The same for iced-x86.
    pub fn operand(self) -> MemoryOperand {
        let Place { base, index, distance } = self;
        let (scale, size) = (if index == Register::None { 1 } else { 8 }, 1);
        MemoryOperand::with_base_index_scale_displ_size(base, index, scale, distance.into(), size)
    }
}

/// Where an operand is.
#[derive(Copy, Clone, Debug)]
pub(super) enum Source {
    Register(Register),
    Memory(Place),
}

/// What some instructions state beside their operands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extra {
    pub immediate: Option<u8>,
    /// The number of a mask register, 0 for none, and whether other numbers become 0.
    pub mask: u8,
    pub is_zeroing: bool,
}

impl Extra {
    pub fn immediate(byte: u8) -> Extra {
        Extra { immediate: Some(byte), ..Extra::default() }
    }
}

/// Longer is no instruction here.
const LONGEST: usize = 16;

/// Appends an instruction with its operands in their order, the second one where there are three.
/// False if it cannot be said.
pub(super) fn encode(
    bytes: &mut Vec<u8>,
    width: Width,
    opcode: Opcode,
    (to, first): (Register, Option<Register>),
    source: Source,
    extra: Extra,
) -> bool {
    let mut code = [0; LONGEST];
    let Some(len) = write(&mut code, width, opcode, (to, first), source, extra) else {
        return false;
    };
    // A copy of fixed length is faster than one that fits.
    let end = bytes.len() + len;
    bytes.extend_from_slice(&code);
    bytes.truncate(end);
    true
}

fn write(
    code: &mut [u8; LONGEST],
    width: Width,
    opcode: Opcode,
    (to, first): (Register, Option<Register>),
    source: Source,
    extra: Extra,
) -> Option<usize> {
    let Width { is_evex, is_one, length } = width;
    let to = number(to)?;
    let first = first.map_or(Some(0), number)?;
    // The fourth and fifth bits of what the third byte of operands names.
    let (base, index) = match source {
        Source::Register(register) => {
            let number = number(register)?;
            (number, number >> 1)
        }
        Source::Memory(memory) => (general(memory.base)?, general(memory.index).unwrap_or(0)),
    };
    let is_high = matches!(source, Source::Register(_)) && base > 15;
    if !is_evex && ((to | first) > 15 || is_high) {
        return None;
    }
    let not = |bit: u8| !bit & 1;
    let extended = not(to >> 3) << 7 | not(index >> 3) << 6 | not(base >> 3) << 5;
    let is_double = opcode.map == 1 && is_one && !opcode.is_whole;
    let kind = if is_double { 3 } else { 1 };
    let middle = (!first & 15) << 3;
    let mut at = if is_evex {
        let further = u8::from(extra.is_zeroing) << 7 | not(first >> 4) << 3 | extra.mask;
        code[0] = 0x62;
        code[1] = extended | not(to >> 4) << 4 | opcode.map;
        code[2] = 0x84 | middle | kind;
        code[3] = further | length << 5;
        4
    } else if opcode.map == 1 && !opcode.is_wide && extended & 0x60 == 0x60 {
        code[0] = 0xc5;
        code[1] = extended & 0x80 | middle | length << 2 | kind;
        2
    } else {
        code[0] = 0xc4;
        code[1] = extended | opcode.map;
        code[2] = u8::from(opcode.is_wide) << 7 | middle | length << 2 | kind;
        3
    };
    code[at] = opcode.byte + if is_one { opcode.one } else { 0 };
    at += 1;
    let registers = (to & 7) << 3;
    match source {
        Source::Register(_) => {
            code[at] = 0xc0 | registers | base & 7;
            at += 1;
        }
        Source::Memory(memory) => {
            let of_one = is_one && !opcode.is_whole;
            let unit = match (is_evex, of_one) {
                (false, _) => 1,
                (true, true) => 8,
                (true, false) => 16 << length,
            };
            at = write_memory(code, at, registers, memory, unit)?;
        }
    }
    if let Some(immediate) = extra.immediate {
        code[at] = immediate;
        at += 1;
    }
    Some(at)
}

/// Writes what follows the opcode for memory, with the distance in units if that is shorter.
fn write_memory(
    code: &mut [u8; LONGEST],
    mut at: usize,
    registers: u8,
    memory: Place,
    unit: i32,
) -> Option<usize> {
    let base = general(memory.base)? & 7;
    let index = general(memory.index);
    let bytes = memory.distance;
    let short = (bytes % unit == 0).then(|| i8::try_from(bytes / unit).ok()).flatten();
    // Without distance the number of this base means something else.
    let mode = match short {
        Some(0) if base != 5 => 0,
        Some(_) => 1,
        None => 2,
    };
    let has_index = index.is_some() || base == 4;
    code[at] = mode << 6 | registers | if has_index { 4 } else { base };
    at += 1;
    if has_index {
        // Numbers have 2^3 bytes.
        code[at] = 3 << 6 | (index.unwrap_or(4) & 7) << 3 | base;
        at += 1;
    }
    match (mode, short) {
        (1, Some(short)) => {
            code[at] = short as u8;
            at += 1;
        }
        (2, _) => {
            code[at..at + 4].copy_from_slice(&bytes.to_le_bytes());
            at += 4;
        }
        _ => {}
    }
    Some(at)
}

/// The number of a register for numbers or masks.
fn number(register: Register) -> Option<u8> {
    let (number, vectors) = (register as u32, Register::XMM0 as u32);
    let masks = Register::K0 as u32;
    match number {
        _ if (vectors..=Register::ZMM31 as u32).contains(&number) => {
            Some(((number - vectors) % 32) as u8)
        }
        _ if (masks..=Register::K7 as u32).contains(&number) => Some((number - masks) as u8),
        _ => None,
    }
}

/// The number of a general register.
fn general(register: Register) -> Option<u8> {
    let number = (register as u32).wrapping_sub(Register::RAX as u32);
    (number < 16).then_some(number as u8)
}

#[cfg(test)]
mod tests;
