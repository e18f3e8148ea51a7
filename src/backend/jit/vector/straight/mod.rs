//! Straight-line code as machine code over single numbers, with registers allocated by Belady's
//! rule. Takes a tenth of the time that Cranelift does, which has the branches and loops around it.
//!
//! A segment of a kernel (instructions without branches but for results that may not be wanted)
//! becomes a function of the engine `jit`. What it shares with other functions has its home in
//! scratch memory.

mod code;
mod emit;
mod segments;

use super::super::address::Chains;
use super::form::Form;
use super::pointers::Pointers;
use crate::kernel::allocate::Allocated;
use crate::kernel::ir::{Kernel, LoopId};
use crate::kernel::schedule::{self, Experience, Order};

use code::Code;
pub(in crate::backend::jit) use emit::compile;
pub(in crate::backend::jit) use segments::{Segment, segments};

/// No loop: what is straight does not move with one.
const NO_LOOP: LoopId = LoopId::MAX;

/// A segment with registers allocated.
pub(in crate::backend::jit) struct Straight {
    form: Form,
    /// But for its lines, which are part of the allocation.
    code: Code,
    has_calls: bool,
    allocated: Allocated,
    /// The slot about which those are that are used most.
    center: u32,
    pointers: Pointers,
}

/// What other functions share with a segment.
pub(in crate::backend::jit) struct Surroundings<'a> {
    pub kernel: &'a Kernel,
    pub chains: &'a Chains,
    /// Constants by value number.
    pub constants: &'a [Option<f64>],
    /// Place in scratch memory of each value that several functions use.
    pub value_home: &'a [u32],
    /// Whether like calls are made together.
    pub packs: bool,
    /// Most numbers in a vector, which says how many registers there are.
    pub lanes: usize,
}

impl Straight {
    /// Allocates the instructions of a segment.
    pub fn new(around: &Surroundings, segment: Segment, experience: &mut Experience) -> Straight {
        let has_avx512 = around.lanes >= Form::Eight.lanes();
        let form = if has_avx512 { Form::OneOf32 } else { Form::One };
        let mut code = Code::of(around, &around.kernel.insts[segment.begin..segment.end]);
        let fixed = code.fixed();
        let order = || order(&code, fixed.len());
        let n_registers = form.n_registers();
        let mut allocated =
            schedule::allocate_best(&code.lines, &fixed, n_registers, experience, order);
        let center = allocated.center_slots();
        let pointers = Pointers::of(around.chains, NO_LOOP, code.addresses(), 1);
        let has_calls = code.has_calls();
        code.lines = Vec::new();
        Straight { form, code, has_calls, allocated, center, pointers }
    }

    /// Numbers of scratch memory that the code needs.
    pub fn frame_len(&self) -> usize {
        emit::Frame::of(self).len()
    }
}

/// The lines depth first, from one branch to the next; where they wait for one another, what the
/// rest waits for comes first.
fn order(code: &Code, n_values: usize) -> Order {
    let mut last_use = vec![0; n_values];
    for (number, line) in code.lines.iter().enumerate() {
        for &arg in line.args() {
            last_use[arg as usize] = number;
        }
    }
    let paths = code.paths(n_values);
    let mut order = Vec::with_capacity(code.lines.len());
    let mut begin = 0;
    while begin < code.lines.len() {
        let rest = &code.lines[begin..];
        let len = rest.iter().position(|line| line.branch.is_some());
        let len = len.unwrap_or(rest.len());
        let is_root = |k: usize| {
            let line = &rest[k];
            code.deeds[begin + k].is_pinned
                || line.is_kept
                || line.dst.is_none_or(|dst| last_use[dst as usize] >= begin + len)
        };
        let section = schedule::depth_first_from(&rest[..len], n_values, is_root);
        let from = order.len();
        order.extend(section.into_iter().map(|line| begin as u32 + line));
        if let Some(paths) = &paths {
            paths.sort(&mut order[from..]);
        }
        if len < rest.len() {
            order.push((begin + len) as u32);
        }
        begin += len + 1;
    }
    Order { lines: order, waits_less: paths.is_some() }
}
