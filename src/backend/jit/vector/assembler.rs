//! Instructions to bytes, with constants behind the code.

use std::fmt::Write;

use iced_x86::{
    Code, Decoder, DecoderOptions, Encoder, Formatter, IcedError, Instruction, IntelFormatter,
    MemoryOperand, Register,
};

use super::encode::{Extra, Opcode, Place, Source, Width, encode};
use super::form::Form;
use super::refused;
use crate::backend::abi::EngineError;
use crate::kernel::allocate::MOST_REGISTERS;

/// Writes the code of one function.
pub(super) struct Assembler {
    bytes: Vec<u8>,
    /// Of what [`encode`] does not write.
    encoder: Encoder,
    pub form: Form,
    /// As [`Form::register`] and [`Form::temporary`] say.
    registers: [Register; MOST_REGISTERS],
    pub temporary: [Register; 2],
    failure: Option<EngineError>,
}

/// Memory at a distance in bytes from where a register points.
pub(super) fn at(base: Register, distance: i32) -> Place {
    Place { base, index: Register::None, distance }
}

impl Assembler {
    pub fn new(form: Form, capacity: usize) -> Result<Assembler, EngineError> {
        let encoder = Encoder::try_new(64).map_err(refused)?;
        let mut registers = [Register::None; MOST_REGISTERS];
        for (number, register) in (0..form.n_registers()).zip(&mut registers) {
            *register = form.register(number);
        }
        let temporary = form.temporary();
        let bytes = Vec::with_capacity(capacity);
        Ok(Assembler { bytes, encoder, form, registers, temporary, failure: None })
    }

    /// A register for values.
    pub fn register(&self, number: u8) -> Register {
        self.registers[usize::from(number) % MOST_REGISTERS]
    }

    /// Bytes written so far: the address of the next instruction.
    pub fn here(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Writes an instruction; the first one that is none is reported by [`Assembler::finish`].
    pub fn put(&mut self, instruction: Result<Instruction, IcedError>) {
        let here = self.here();
        self.encoder.set_buffer(std::mem::take(&mut self.bytes));
        if let Err(error) = instruction.and_then(|inst| self.encoder.encode(&inst, here)) {
            self.failure.get_or_insert_with(|| refused(error));
        }
        self.bytes = self.encoder.take_buffer();
    }

    /// Writes an instruction on numbers or vectors; one that is none is reported likewise.
    pub fn vector(
        &mut self,
        width: Width,
        opcode: Opcode,
        registers: (Register, Option<Register>),
        source: Source,
        extra: Extra,
    ) {
        if !encode(&mut self.bytes, width, opcode, registers, source, extra) {
            self.failure.get_or_insert_with(|| refused(format_args!("{opcode:?} of {source:?}")));
        }
    }

    /// A jump that [`Assembler::finish`] directs.
    pub fn jump(&mut self, code: Code) -> Jump {
        // Far enough that the encoder takes the long form, which is all it has here.
        self.put(Instruction::with_branch(code, self.here()));
        Jump { end: self.here() }
    }

    /// Back to an address that is known.
    pub fn jump_back(&mut self, code: Code, to: u64) {
        self.put(Instruction::with_branch(code, to));
    }

    /// The code with the jumps directed, and the constants that follow it at the next multiple of
    /// 64 bytes.
    pub fn finish(
        self,
        jumps: &[(Jump, u64)],
        pool: Pool,
        constants: impl Iterator<Item = f64>,
    ) -> Result<Vec<u8>, EngineError> {
        if let Some(error) = self.failure {
            return Err(error);
        }
        let mut bytes = self.bytes;
        // Nothing runs into the constants, and a listing knows where they begin.
        bytes.resize((bytes.len() + 1).next_multiple_of(64), 0xcc);
        let constants_at = bytes.len() as u64;
        for (jump, to) in jumps.iter().copied().chain([(pool.place, constants_at + pool.after)]) {
            let distance = to as i64 - jump.end as i64;
            let distance = i32::try_from(distance).map_err(refused)?;
            let end = jump.end as usize;
            bytes[end - 4..end].copy_from_slice(&distance.to_le_bytes());
        }
        bytes.extend(constants.flat_map(|number| number.to_le_bytes()));
        Ok(bytes)
    }

    /// Loads an address so many bytes after the beginning of the constants.
    pub fn load_pool(&mut self, to: Register, after: u64) -> Pool {
        let target = MemoryOperand::with_base_displ(Register::RIP, self.here() as i64);
        self.put(Instruction::with2(Code::Lea_r64_m, to, target));
        Pool { place: Jump { end: self.here() }, after }
    }
}

/// The end of an instruction whose last four bytes are a distance from there.
#[derive(Copy, Clone)]
pub(super) struct Jump {
    end: u64,
}

/// The place of an address so many bytes after the beginning of the constants.
#[derive(Copy, Clone)]
pub(super) struct Pool {
    place: Jump,
    after: u64,
}

/// The instructions up to where constants begin.
pub(super) fn listing(bytes: &[u8]) -> String {
    let mut decoder = Decoder::new(64, bytes, DecoderOptions::NONE);
    let mut formatter = IntelFormatter::new();
    let mut text = String::new();
    let mut line = String::new();
    for instruction in &mut decoder {
        if instruction.code() == Code::Int3 {
            break;
        }
        line.clear();
        formatter.format(&instruction, &mut line);
        let _ = writeln!(text, "  {line}");
    }
    text
}
