//! The reference interpreter: runs a kernel as it is written, in safe code.
//!
//! Preparation resolves jumps and the bases of addresses; then one loop executes instruction
//! after instruction, with a stack of frames for nested calls, so that neither long code nor deep
//! calls use the machine stack.

mod memory;
mod unit;

use std::sync::Arc;

use crate::backend::abi::{
    Bound, Context, Engine, EvalError, Memory, Plain, Status, check_ports, place_unwanted,
};
use crate::backend::external::invoke;
use crate::graph::External;
use crate::kernel::calls::Calls;
use crate::kernel::ir::{AddrId, Callee, Kernel, LoopId};
use crate::kernel::verify::verify;
use crate::ops::scalar::{Eval, ScalarOp};

pub use memory::State;
use memory::{Frame, Pointer, Spaces, Turn, Window, grow, n_slots, resolve, trip};
use unit::{Op, Unit};

/// The interpreter of one function.
///
/// ```
/// use std::sync::Arc;
/// use nablac::backend::abi::{Engine, Memory};
/// use nablac::backend::interp::Interp;
/// let f = nablac::model::Model::parse("f.nab", "input x[2]\noutput y = 2 * x").function()?;
/// let engine = Interp::new(&Arc::new(nablac::kernel::build(f.func())));
/// let mut y = [0.0; 2];
/// engine.call(&[&[1.0, 3.0]], &mut [Some(&mut y)], &mut Memory::default())?;
/// assert_eq!(y, [2.0, 6.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Interp {
    units: Vec<Unit>,
    kernels: Vec<Arc<Kernel>>,
    /// Constant data of all units.
    data: Vec<Arc<[f64]>>,
    /// The function behind each operation.
    evals: Vec<Eval>,
    /// Where in work memory each result lies when it is computed but not wanted.
    unwanted: Vec<Option<usize>>,
    /// Where in work memory arguments and results of externals are copied.
    scratch: usize,
    work_len: usize,
}

/// Why a frame stopped.
enum Event {
    Return,
    Call { id: u32, pc: usize },
    Failed { status: Status, site: u32, value: f64, pc: usize },
}

impl Interp {
    /// Prepares a kernel and all it calls.
    pub fn new(kernel: &Arc<Kernel>) -> Interp {
        let calls = Calls::of(kernel);
        let mut data = Vec::new();
        let mut units = Vec::with_capacity(calls.kernels.len());
        for kernel in &calls.kernels {
            debug_assert_eq!(verify(kernel), Ok(()));
            units.push(Unit::new(kernel, &calls, data.len()));
            data.extend(kernel.data.iter().cloned());
        }
        let externals = calls.kernels.iter().flat_map(|kernel| &kernel.calls);
        let scratch_len = externals.map(|call| external_len(&call.callee)).max().unwrap_or(0);
        let scratch = kernel.work_len;
        let (unwanted, work_len) = place_unwanted(kernel, scratch + scratch_len);
        Interp {
            units,
            data,
            evals: ScalarOp::ALL.iter().map(|op| op.row().eval).collect(),
            unwanted,
            scratch,
            work_len,
            kernels: calls.kernels,
        }
    }
}

impl Engine for Interp {
    fn call(
        &self,
        arg: &[&[f64]],
        res: &mut [Option<&mut [f64]>],
        memory: &mut Memory,
    ) -> Result<(), EvalError> {
        let Some(kernel) = self.kernels.last() else { return Ok(()) };
        check_ports(kernel, arg, res)?;
        let Memory { context, work, interpreter: state, .. } = memory;
        grow(work, self.work_len);
        context.output = 0;
        state.frames.clear();
        let spaces = &mut Spaces { work, arg, res, unwanted: &self.unwanted, data: &self.data };
        self.run(state, spaces, context)
    }

    fn code_bytes(&self) -> usize {
        0
    }

    fn bind(self: Arc<Self>, wanted: &[bool]) -> Result<Box<dyn Bound>, EvalError> {
        let kernel = self.kernels.last().cloned().unwrap_or_default();
        Ok(Box::new(Plain::new(self, &kernel, wanted)?))
    }
}

impl Interp {
    fn run(
        &self,
        state: &mut State,
        spaces: &mut Spaces<'_, '_>,
        context: &mut Context,
    ) -> Result<(), EvalError> {
        let top = (self.units.len() - 1) as u32;
        let mut frame = Frame { unit: top, pc: 0, values: 0, counters: 0, bases: 0 };
        state.open(&frame, &self.units[top as usize]);
        let (n_args, n_res) = (spaces.arg.len(), spaces.res.len());
        for slot in 0..n_args + n_res {
            state.bases[1 + slot] = Pointer { space: 1 + slot as u32, offset: 0 };
        }
        state.bases[0] = Pointer::default();
        self.point_to_data(state, &frame, n_args + n_res);
        loop {
            let unit = &self.units[frame.unit as usize];
            let event = self.step(unit, frame.pc, state, &frame, spaces, context);
            match event {
                Event::Return => match state.frames.pop() {
                    Some(caller) => frame = caller,
                    None => return Ok(()),
                },
                Event::Call { id, pc } => {
                    let call = &unit.kernel.calls[id as usize];
                    match &call.callee {
                        Callee::External(external) => {
                            frame.pc = pc + 1;
                            let outcome =
                                self.call_external(unit, id, external, state, &frame, spaces);
                            if let Err(message) = outcome {
                                context.failure.message = message;
                                let failed = (Status::External, id, 0.0, pc);
                                return Err(self.fail(failed, state, frame, context));
                            }
                        }
                        Callee::Kernel(_) => {
                            let kernel = &unit.kernel;
                            frame.pc = pc + 1;
                            let inner = Frame {
                                unit: unit.callees[id as usize],
                                pc: 0,
                                values: frame.values + kernel.n_values as usize,
                                counters: frame.counters + kernel.loops.len(),
                                bases: frame.bases + n_slots(kernel),
                            };
                            state.open(&inner, &self.units[inner.unit as usize]);
                            let work = state.bases[frame.bases];
                            state.bases[inner.bases] =
                                Pointer { space: work.space, offset: work.offset + call.work };
                            for (slot, &addr) in call.args.iter().chain(&call.res).enumerate() {
                                state.bases[inner.bases + 1 + slot] =
                                    state.window(&frame, kernel).resolve(kernel, addr);
                            }
                            self.point_to_data(state, &inner, n_args + n_res);
                            state.frames.push(frame);
                            frame = inner;
                        }
                    }
                }
                Event::Failed { status, site, value, pc } => {
                    return Err(self.fail((status, site, value, pc), state, frame, context));
                }
            }
        }
    }

    /// Fills the base slots of constant data.
    fn point_to_data(&self, state: &mut State, frame: &Frame, n_ports: usize) {
        let unit = &self.units[frame.unit as usize];
        let first = frame.bases + 1 + unit.kernel.args.len() + unit.kernel.res.len();
        for idx in 0..unit.kernel.data.len() {
            let space = (1 + n_ports + unit.data + idx) as u32;
            state.bases[first + idx] = Pointer { space, offset: 0 };
        }
    }

    /// Runs one frame until it returns, calls or fails.
    fn step(
        &self,
        unit: &Unit,
        mut pc: usize,
        state: &mut State,
        frame: &Frame,
        spaces: &mut Spaces<'_, '_>,
        context: &mut Context,
    ) -> Event {
        let kernel = &*unit.kernel;
        let Window { values: v, counters, bases, scratch } = state.window(frame, kernel);
        let resolve = |counters: &[Turn], addr: AddrId| resolve(bases, counters, kernel, addr);
        loop {
            match unit.code[pc] {
                Op::Const { dst, index } => v[dst as usize] = unit.constants[index as usize],
                Op::LoadAt { dst, slot, offset } => {
                    v[dst as usize] = spaces.read(bases[slot as usize].after(offset as usize));
                }
                Op::StoreAt { src, slot, offset } => {
                    *spaces.at(bases[slot as usize].after(offset as usize)) = v[src as usize];
                }
                Op::Load { dst, addr } => v[dst as usize] = spaces.read(resolve(counters, addr)),
                Op::Store { src, addr } => *spaces.at(resolve(counters, addr)) = v[src as usize],
                Op::Accumulate { src, addr } => {
                    *spaces.at(resolve(counters, addr)) += v[src as usize];
                }
                Op::Arithmetic { begin, end } => {
                    for one in &unit.arithmetic[begin as usize..end as usize] {
                        v[one.dst as usize] = one.apply(v[one.a as usize], v[one.b as usize]);
                    }
                }
                Op::Div { dst, a, b } => v[dst as usize] = v[a as usize] / v[b as usize],
                Op::Apply { op, dst, args: [a, b, c] } => {
                    v[dst as usize] = match self.evals[op as usize] {
                        Eval::F1(f) => f(v[a as usize]),
                        Eval::F2(f) => f(v[a as usize], v[b as usize]),
                        Eval::F3(f) => f(v[a as usize], v[b as usize], v[c as usize]),
                    };
                }
                Op::Move { dst, src } => v[dst as usize] = v[src as usize],
                Op::Counter { dst, info } => {
                    let info = kernel.counters[info as usize];
                    let counter = counters[info.loop_id as usize].counter;
                    v[dst as usize] = info.base + info.step * counter as f64;
                }
                Op::Loop { id } => {
                    let info = &kernel.loops[id as usize];
                    let trip = trip(&info.trip, counters);
                    counters[id as usize] = Turn { counter: 0, trip };
                    for carried in &info.carried {
                        v[carried.dst as usize] = v[carried.init as usize];
                    }
                    if trip == 0 {
                        pc = unit.loop_end[id as usize] as usize;
                        continue;
                    }
                }
                Op::EndLoop { id, begin } => {
                    let info = &kernel.loops[id as usize];
                    let counter = counters[id as usize].counter;
                    let polls = info.poll != 0 && counter & (info.poll - 1) == 0;
                    if polls && context.is_cancelled() {
                        return Event::Failed {
                            status: Status::Cancelled,
                            site: 0,
                            value: 0.0,
                            pc,
                        };
                    }
                    if unit.permutes[id as usize] {
                        scratch.clear();
                        scratch.extend(info.carried.iter().map(|one| v[one.next as usize]));
                        for (carried, next) in info.carried.iter().zip(&*scratch) {
                            v[carried.dst as usize] = *next;
                        }
                    } else {
                        for carried in &info.carried {
                            v[carried.dst as usize] = v[carried.next as usize];
                        }
                    }
                    let turn = &mut counters[id as usize];
                    turn.counter += 1;
                    if turn.counter < turn.trip {
                        pc = begin as usize;
                        continue;
                    }
                }
                Op::JumpIfZero { value, to } => {
                    if v[value as usize] == 0.0 {
                        pc = to as usize;
                        continue;
                    }
                }
                Op::Jump { to } => {
                    pc = to as usize;
                    continue;
                }
                Op::JumpUnlessWanted { res, to } => {
                    if !spaces.is_wanted(bases[1 + kernel.args.len() + res as usize]) {
                        pc = to as usize;
                        continue;
                    }
                    context.output = res + 1;
                }
                Op::Call { id } => return Event::Call { id, pc },
                Op::Check { value, id } => {
                    let value = v[value as usize];
                    let check = &kernel.checks[id as usize];
                    if !(check.lo <= value && value <= check.hi) {
                        return Event::Failed { status: Status::Range, site: id, value, pc };
                    }
                }
                Op::Return => return Event::Return,
            }
            pc += 1;
        }
    }

    /// Copies the arguments into scratch memory, calls, copies the results out.
    fn call_external(
        &self,
        unit: &Unit,
        id: u32,
        external: &External,
        state: &mut State,
        frame: &Frame,
        spaces: &mut Spaces<'_, '_>,
    ) -> Result<(), String> {
        let call = &unit.kernel.calls[id as usize];
        let resolve =
            |state: &mut State, addr| state.window(frame, &unit.kernel).resolve(&unit.kernel, addr);
        let mut place = self.scratch;
        for (&addr, pattern) in call.args.iter().zip(&external.inputs) {
            let from = resolve(state, addr);
            for k in 0..pattern.nnz() {
                spaces.work[place] = spaces.read(from.after(k));
                place += 1;
            }
        }
        let results = place;
        let (mut arg, mut res) = spaces.work[self.scratch..].split_at_mut(place - self.scratch);
        let mut arg_slices = Vec::with_capacity(external.inputs.len());
        for pattern in &external.inputs {
            let (first, rest) = arg.split_at_mut(pattern.nnz());
            arg_slices.push(&*first);
            arg = rest;
        }
        let mut res_slices = Vec::with_capacity(external.outputs.len());
        for pattern in &external.outputs {
            let (first, rest) = res.split_at_mut(pattern.nnz());
            res_slices.push(first);
            res = rest;
        }
        invoke(external, &arg_slices, &mut res_slices)?;
        place = results;
        for (&addr, pattern) in call.res.iter().zip(&external.outputs) {
            let to = resolve(state, addr);
            for k in 0..pattern.nnz() {
                *spaces.at(to.after(k)) = spaces.work[place];
                place += 1;
            }
        }
        Ok(())
    }

    /// Records a failure with the innermost iteration around it.
    #[cold]
    fn fail(
        &self,
        (status, site, value, pc): (Status, u32, f64, usize),
        state: &mut State,
        frame: Frame,
        context: &mut Context,
    ) -> EvalError {
        let mut places = vec![(frame, pc)];
        places.extend(state.frames.iter().rev().map(|caller| (*caller, caller.pc - 1)));
        let iteration = places.iter().find_map(|(frame, pc)| {
            let unit = &self.units[frame.unit as usize];
            let id = unit.loop_around(*pc)?;
            let counters = &state.counters[frame.counters..];
            let counter = |id: LoopId| counters[id as usize].counter;
            let first = &unit.kernel.loops[id as usize].first;
            let before = first.terms.iter().fold(first.offset, |sum, &(outer, stride)| {
                sum.wrapping_add(stride.wrapping_mul(counter(outer) as i64))
            });
            Some(counter(id).wrapping_add(before as u64))
        });
        let failure = &mut context.failure;
        failure.status = status;
        failure.kernel = frame.unit;
        failure.site = site;
        failure.value = value;
        failure.iteration = iteration;
        context.error(&self.kernels)
    }
}

/// Numbers that an external takes and gives.
fn external_len(callee: &Callee) -> usize {
    match callee {
        Callee::Kernel(_) => 0,
        Callee::External(external) => {
            external.inputs.iter().chain(&external.outputs).map(|pattern| pattern.nnz()).sum()
        }
    }
}
