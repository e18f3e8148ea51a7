//! The bytes beside iced-x86, which decodes them and encodes the same again.

use iced_x86::{Decoder, DecoderOptions, Encoder, Instruction, MemorySize};

use super::super::assembler::at;
use super::super::form::Form;
use super::*;

const WIDTHS: [Width; 5] = [
    Width { is_evex: false, is_one: true, length: 0 },
    Width { is_evex: true, is_one: true, length: 0 },
    Width { is_evex: false, is_one: false, length: 0 },
    Width { is_evex: false, is_one: false, length: 1 },
    Width { is_evex: true, is_one: false, length: 2 },
];

/// What iced-x86 reads, if it writes the same bytes.
fn decoded(
    width: Width,
    opcode: Opcode,
    registers: (Register, Option<Register>),
    source: Source,
    extra: Extra,
) -> Instruction {
    // Something is there already.
    let mut bytes = vec![0x90];
    assert!(encode(&mut bytes, width, opcode, registers, source, extra));
    let mut decoder = Decoder::new(64, &bytes[1..], DecoderOptions::NONE);
    let instruction = decoder.decode();
    let mut encoder = Encoder::new(64);
    let what = format!("{opcode:?} {width:?} {registers:?} {source:?}: {instruction:?}");
    assert_eq!(encoder.encode(&instruction, 0).ok(), Some(bytes.len() - 1), "{what}");
    assert_eq!(encoder.take_buffer(), &bytes[1..], "{what}");
    instruction
}

/// Registers of a width, low and high ones.
fn registers(width: Width) -> Vec<Register> {
    let first = [Register::XMM0, Register::YMM0, Register::ZMM0][usize::from(width.length)];
    let last = if width.is_evex { 32 } else { 16 };
    (0..last).step_by(5).chain([last - 1]).map(|k| first + k as u32).collect()
}

/// Memory by all kinds of bases, indices and distances.
fn memory() -> Vec<Place> {
    let bases = [Register::RAX, Register::RSP, Register::RBP, Register::RSI, Register::R9];
    let further = [Register::R12, Register::R13, Register::R15];
    let mut places = Vec::new();
    for base in bases.into_iter().chain(further) {
        for distance in [0, 8, -8, 64, -64, 127, 128, -128, -136, 1016, 8128, 8192, 1 << 20] {
            for index in [Register::None, Register::RCX, Register::R12] {
                places.push(Place { base, index, distance });
            }
        }
    }
    places
}

fn assert_memory(instruction: &Instruction, memory: &Place) {
    assert_eq!(instruction.memory_base(), memory.base);
    assert_eq!(instruction.memory_index(), memory.index);
    if memory.index != Register::None {
        assert_eq!(instruction.memory_index_scale(), 8);
    }
    assert_eq!(instruction.memory_displacement64() as i64, i64::from(memory.distance));
}

fn mnemonic(instruction: &Instruction) -> String {
    format!("{:?}", instruction.mnemonic()).to_lowercase()
}

/// An instruction of two sources, with all kinds of operands.
fn check(name: &str, width: Width, opcode: Opcode, extra: Extra) {
    let all = registers(width);
    for (k, &to) in all.iter().enumerate() {
        let first = all[(k + 1) % all.len()];
        for &second in &all {
            let source = Source::Register(second);
            let instruction = decoded(width, opcode, (to, Some(first)), source, extra);
            assert_eq!(mnemonic(&instruction), name);
            let ops = [0, 1, 2].map(|op| instruction.op_register(op));
            assert_eq!(ops, [to, first, second], "{name} {width:?}");
        }
        for memory in memory() {
            let source = Source::Memory(memory);
            let instruction = decoded(width, opcode, (to, Some(first)), source, extra);
            assert_eq!(mnemonic(&instruction), name);
            assert_eq!([0, 1].map(|op| instruction.op_register(op)), [to, first]);
            assert_memory(&instruction, &memory);
            let bytes = instruction.memory_size().size();
            let whole = 16 << width.length;
            let is_one = width.is_one && !opcode.is_whole;
            assert_eq!(bytes, if is_one { 8 } else { whole }, "{name} {width:?}");
        }
    }
}

#[test]
fn arithmetic() {
    for width in WIDTHS {
        let suffix = if width.is_one { "sd" } else { "pd" };
        let plain = [
            ("vadd", Opcode::ADD),
            ("vsub", Opcode::SUB),
            ("vmul", Opcode::MUL),
            ("vdiv", Opcode::DIV),
            ("vmin", Opcode::MIN),
            ("vmax", Opcode::MAX),
        ];
        for (name, opcode) in plain {
            check(&format!("{name}{suffix}"), width, opcode, Extra::default());
        }
        for (name, opcode) in [("vand", Opcode::AND), ("vor", Opcode::OR), ("vxor", Opcode::XOR)] {
            check(&format!("{name}pd"), width, opcode, Extra::default());
        }
        for (name, minus) in [
            ("vfmadd", [false, false]),
            ("vfmsub", [false, true]),
            ("vfnmadd", [true, false]),
            ("vfnmsub", [true, true]),
        ] {
            for (which, order) in [(0, "132"), (1, "213"), (2, "231")] {
                let opcode = Opcode::fused(minus, which);
                check(&format!("{name}{order}{suffix}"), width, opcode, Extra::default());
            }
        }
    }
}

/// One number with a register for the rest, vectors without.
#[test]
fn roots_and_rounding() {
    for width in WIDTHS {
        let round = match (width.is_evex, width.is_one) {
            (true, true) => "vrndscalesd",
            (true, false) => "vrndscalepd",
            (false, true) => "vroundsd",
            (false, false) => "vroundpd",
        };
        let down = Extra::immediate(9);
        if width.is_one {
            check("vsqrtsd", width, Opcode::SQRT, Extra::default());
            check(round, width, Opcode::ROUND, down);
            continue;
        }
        for (name, opcode, extra) in
            [("vsqrtpd", Opcode::SQRT, Extra::default()), (round, Opcode::ROUND, down)]
        {
            for &to in &registers(width) {
                let source = Source::Register(registers(width)[1]);
                let instruction = decoded(width, opcode, (to, None), source, extra);
                assert_eq!(mnemonic(&instruction), name);
                assert_eq!(instruction.op0_register(), to);
                assert_eq!(instruction.op1_register(), registers(width)[1]);
            }
        }
    }
}

#[test]
fn moves() {
    for width in WIDTHS {
        let moves = if width.is_one { "vmovsd" } else { "vmovupd" };
        for &register in &registers(width) {
            let registers_of = (register, None);
            for memory in memory() {
                let source = Source::Memory(memory);
                let load = decoded(width, Opcode::LOAD, registers_of, source, Extra::default());
                assert_eq!((mnemonic(&load).as_str(), load.op0_register()), (moves, register));
                assert_memory(&load, &memory);
                let store = decoded(width, Opcode::STORE, registers_of, source, Extra::default());
                assert_eq!((mnemonic(&store).as_str(), store.op1_register()), (moves, register));
                assert_memory(&store, &memory);
            }
            for &from in &registers(width) {
                let source = Source::Register(from);
                let copy = decoded(width, Opcode::COPY, registers_of, source, Extra::default());
                assert_eq!(mnemonic(&copy), "vmovapd");
                assert_eq!([copy.op0_register(), copy.op1_register()], [register, from]);
            }
        }
    }
}

#[test]
fn comparisons_and_choices() {
    for form in [Form::One, Form::OneOf32, Form::Four, Form::Eight] {
        let width = form.width();
        let suffix = if width.is_one { "sd" } else { "pd" };
        let [a, b] = [3, 7].map(|k| form.register(k));
        let source = Source::Register(b);
        let to = if form.has_masks() { Register::K2 } else { form.register(1) };
        let compare =
            decoded(width, Opcode::COMPARE, (to, Some(a)), source, Extra::immediate(0x1e));
        assert_eq!(mnemonic(&compare), format!("vcmp{suffix}"));
        assert_eq!([0, 1, 2].map(|op| compare.op_register(op)), [to, a, b]);
        assert_eq!(compare.immediate8(), 0x1e);

        let to = form.register(5);
        if !form.has_masks() {
            let extra = Extra::immediate(form.n_registers() << 4);
            let blend = decoded(width, Opcode::BLEND, (to, Some(a)), source, extra);
            assert_eq!(mnemonic(&blend), "vblendvpd");
            let mask = form.temporary()[0];
            assert_eq!([0, 1, 2, 3].map(|op| blend.op_register(op)), [to, a, b, mask]);
            continue;
        }
        let extra = Extra { mask: 1, ..Extra::default() };
        let blend = decoded(width, Opcode::BLEND_BY_MASK, (to, Some(a)), source, extra);
        assert_eq!(mnemonic(&blend), "vblendmpd");
        assert_eq!((blend.op_mask(), blend.zeroing_masking()), (Register::K1, false));
        let one = Source::Memory(at(Register::RDX, 64));
        let extra = Extra { mask: 1, is_zeroing: true, ..Extra::default() };
        let truth = decoded(width, Opcode::LOAD, (to, None), one, extra);
        assert_eq!((truth.op_mask(), truth.zeroing_masking()), (Register::K1, true));
        assert!(matches!(truth.memory_size(), MemorySize::Float64 | MemorySize::Packed512_Float64));
    }
}

/// Constants in memory, which take their place in comparisons and choices.
#[test]
fn comparisons_and_choices_with_memory() {
    for form in [Form::One, Form::OneOf32, Form::Four, Form::Eight] {
        let width = form.width();
        let [to, a] = [5, 3].map(|k| form.register(k));
        for memory in memory() {
            let source = Source::Memory(memory);
            let mask = if form.has_masks() { Register::K1 } else { to };
            let extra = Extra::immediate(4);
            let compare = decoded(width, Opcode::COMPARE, (mask, Some(a)), source, extra);
            assert_memory(&compare, &memory);
            let (opcode, extra) = match form.has_masks() {
                true => (Opcode::BLEND_BY_MASK, Extra { mask: 1, ..Extra::default() }),
                false => (Opcode::BLEND, Extra::immediate(form.n_registers() << 4)),
            };
            let blend = decoded(width, opcode, (to, Some(a)), source, extra);
            assert_memory(&blend, &memory);
            assert_eq!(blend.op0_register(), to);
            if !width.is_one {
                let root = decoded(width, Opcode::SQRT, (to, None), source, Extra::default());
                assert_memory(&root, &memory);
                let round = decoded(width, Opcode::ROUND, (to, None), source, Extra::immediate(9));
                assert_memory(&round, &memory);
            }
        }
    }
}

/// What has no encoding is refused, and nothing is written.
#[test]
fn refusals() {
    let [one, wide] = [WIDTHS[0], WIDTHS[1]];
    let register = |k: u32| Register::XMM0 + k;
    let low = register(0);
    for (width, registers, source) in [
        (one, (register(16), Some(low)), Source::Register(low)),
        (one, (low, Some(register(16))), Source::Register(low)),
        (one, (low, Some(low)), Source::Register(register(16))),
        (one, (Register::RAX, Some(low)), Source::Register(low)),
        (wide, (low, Some(Register::None)), Source::Register(low)),
        (wide, (low, Some(low)), Source::Register(Register::None)),
        (wide, (low, Some(low)), Source::Memory(at(Register::None, 0))),
    ] {
        let mut bytes = Vec::new();
        assert!(!encode(&mut bytes, width, Opcode::ADD, registers, source, Extra::default()));
        assert!(bytes.is_empty());
    }
}
