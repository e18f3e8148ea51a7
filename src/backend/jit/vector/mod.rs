//! Loops as machine code over vectors of four numbers, for x86-64 with AVX2, or of eight, with
//! AVX-512; Cranelift has no vectors wider than two.
//!
//! Takes a loop of straight-line code whose iterations see nothing of one another
//! ([`crate::kernel::lanes`]) and gives a function of the engine `jit` that runs it, as many
//! iterations at a time as a vector has lanes. Each lane computes what its iteration would, so no
//! bit changes. The last vector may overlap the one before, as running an iteration twice changes
//! nothing.

mod assembler;
mod body;
mod emit;
mod encode;
mod form;
mod operation;
mod pointers;
mod runtime;
pub(super) mod straight;

use super::address::Chains;
use super::{JitOptions, Vectors};
use crate::backend::abi::EngineError;
use crate::kernel::allocate::Allocated;
use crate::kernel::ir::{Kernel, Lookup, LoopId, Trip};
use crate::kernel::lanes;
use crate::kernel::schedule::{self, Experience, Order};

use body::{Action, Code, Home, Invariant};
pub(super) use emit::compile;
use form::Form;
use pointers::Pointers;

/// Whether this machine runs such code.
pub(super) fn is_supported() -> bool {
    #[cfg(all(target_arch = "x86_64", unix))]
    {
        std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
    }
    #[cfg(not(all(target_arch = "x86_64", unix)))]
    {
        false
    }
}

/// Numbers in the widest vectors that this machine has and that code is written for.
pub(super) fn lanes() -> usize {
    match (is_supported(), has_avx512()) {
        (false, _) => 0,
        (true, false) => Form::Four.lanes(),
        (true, true) => Form::Eight.lanes(),
    }
}

/// Whether this machine has what [`Form::Eight`] and the functions that it calls need.
fn has_avx512() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512dq")
            && std::arch::is_x86_feature_detected!("avx512vl")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// The vectors that a loop is to run in: none where it cannot, or gains nothing by it.
fn form_of(kernel: &Kernel, id: LoopId, body: &lanes::Body, options: &JitOptions) -> Option<Form> {
    let Trip::Const(n) = kernel.loops[id as usize].trip else { return None };
    let fits = |form: &Form| form.lanes() <= options.lanes && form.lanes() as u64 <= n;
    let form = [Form::Eight, Form::Four].into_iter().find(fits)?;
    let is_eligible = n < 1 << 52
        && body.repeatable
        && pointers::are_in_reach(kernel, id, body)
        && match options.vectors {
            Vectors::Narrow => false,
            Vectors::Worthwhile => is_worth_it(kernel, id, body, n),
            Vectors::All => true,
        };
    is_eligible.then_some(form)
}

/// Whether vectors save more than it takes to fill and empty them one by one.
fn is_worth_it(kernel: &Kernel, id: LoopId, body: &lanes::Body, n: u64) -> bool {
    let (mut scattered, mut looked_up) = (0, 0);
    for &at in body.loads.iter().chain(&body.stores) {
        let addr = &kernel.addrs[at as usize];
        let moves = |lookup: &Lookup| lanes::stride_of(&lookup.index, id) != 0;
        if addr.tables.iter().any(moves) {
            looked_up += 1;
        } else if !matches!(lanes::stride(addr, id), 0 | 1) {
            scattered += 1;
        }
    }
    let n_insts = body.n_insts + OF_WIDE_CALL * body.n_wide_calls;
    3 * n_insts >= scattered + 4 * looked_up + 6 * body.n_calls
        && n.saturating_mul(n_insts as u64) >= SHORTEST
}

/// Operations that a function of vectors counts for.
const OF_WIDE_CALL: usize = 10;

/// Operations of a loop that make up for its entry.
const SHORTEST: u64 = 200;

/// A loop with registers allocated.
pub(super) struct Wide {
    id: LoopId,
    form: Form,
    code: Code,
    allocated: Allocated,
    pointers: Pointers,
}

impl Wide {
    /// Allocates a loop, if it is to run in vectors. `constants` holds the constants of the kernel
    /// by value.
    pub fn of(
        kernel: &Kernel,
        chains: &Chains,
        id: LoopId,
        body: &lanes::Body,
        constants: &[Option<f64>],
        options: &JitOptions,
    ) -> Option<Wide> {
        let form = form_of(kernel, id, body, options)?;
        let code = Code::of(kernel, id, &kernel.insts[body.begin + 1..body.end], constants);
        let fixed = code.fixed();
        // What waits waits less than values of all lanes take to memory and back.
        let order =
            || Order { lines: schedule::depth_first(&code.lines, fixed.len()), waits_less: false };
        let n_registers = form.n_registers();
        let experience = &mut Experience::default();
        let allocated =
            schedule::allocate_best(&code.lines, &fixed, n_registers, experience, order);
        let accessed = code.actions.iter().filter_map(|action| match *action {
            Action::Load(addr) | Action::Store(addr) => Some(addr),
            _ => None,
        });
        let kept = code.homes.iter().filter_map(|home| match *home {
            Home::Memory(addr) => Some(addr),
            _ => None,
        });
        let before = code.invariants.iter().filter_map(|invariant| match *invariant {
            Invariant::Load(addr) => Some(addr),
            _ => None,
        });
        let accessed = accessed.chain(kept).chain(before);
        let pointers = Pointers::of(chains, id, accessed, form.lanes());
        Some(Wide { id, form, code, allocated, pointers })
    }

    /// Numbers of scratch memory that the code needs.
    pub fn frame_len(&self) -> usize {
        emit::frame_len(self)
    }
}

/// The machine code as text.
pub(super) fn asm(bytes: &[u8]) -> String {
    assembler::listing(bytes)
}

/// What is wrong when the encoder refuses an instruction.
fn refused(error: impl std::fmt::Display) -> EngineError {
    EngineError::Internal(format!("vector code: {error}"))
}
