//! The reference interpreter: runs a kernel as it is written, in safe code.
//!
//! Preparation resolves jumps and the bases of addresses; then one loop executes instruction
//! after instruction, with a stack of frames for nested calls, so that neither long code nor deep
//! calls use the machine stack.

use std::sync::Arc;

use crate::backend::abi::{
    Context, Engine, EvalError, Memory, Status, check_ports, iteration_offset, place_unwanted,
};
use crate::backend::external::invoke;
use crate::graph::External;
use crate::kernel::calls::Calls;
use crate::kernel::ir::{AddrId, Affine, Base, Callee, Inst, Kernel, LoopId, Trip, Val};
use crate::ops::scalar::{Eval, ScalarOp};

/// The interpreter of one function.
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

/// What the interpreter keeps between calls; see [`Memory`].
#[derive(Default)]
pub struct State {
    values: Vec<f64>,
    counters: Vec<Turn>,
    bases: Vec<Pointer>,
    frames: Vec<Frame>,
    /// Carried values on their way from one iteration to the next.
    scratch: Vec<f64>,
}

/// A kernel with jumps resolved.
struct Unit {
    code: Vec<Op>,
    constants: Vec<f64>,
    /// For each loop the place after its end.
    loop_end: Vec<u32>,
    /// For each loop whether a carried value is the next value of another one.
    permutes: Vec<bool>,
    /// Place of the kernel's first data in [`Interp::data`].
    data: usize,
    kernel: Arc<Kernel>,
}

/// One step of the interpreter.
#[derive(Copy, Clone)]
enum Op {
    Const {
        dst: Val,
        index: u32,
    },
    /// A load or store at a constant offset.
    LoadAt {
        dst: Val,
        slot: u32,
        offset: u32,
    },
    StoreAt {
        src: Val,
        slot: u32,
        offset: u32,
    },
    Load {
        dst: Val,
        addr: AddrId,
    },
    Store {
        src: Val,
        addr: AddrId,
    },
    Accumulate {
        src: Val,
        addr: AddrId,
    },
    Add {
        dst: Val,
        a: Val,
        b: Val,
    },
    Sub {
        dst: Val,
        a: Val,
        b: Val,
    },
    Mul {
        dst: Val,
        a: Val,
        b: Val,
    },
    Div {
        dst: Val,
        a: Val,
        b: Val,
    },
    Apply {
        op: ScalarOp,
        dst: Val,
        args: [Val; 3],
    },
    Move {
        dst: Val,
        src: Val,
    },
    Counter {
        dst: Val,
        info: u32,
    },
    Loop {
        id: LoopId,
    },
    EndLoop {
        id: LoopId,
        begin: u32,
    },
    /// Jumps when the value is 0.
    JumpIfZero {
        value: Val,
        to: u32,
    },
    Jump {
        to: u32,
    },
    JumpUnlessWanted {
        res: u32,
        to: u32,
    },
    Call {
        id: u32,
    },
    Check {
        value: Val,
        id: u32,
    },
    Return,
}

/// Counter and number of iterations of a running loop.
#[derive(Copy, Clone, Default)]
struct Turn {
    counter: u64,
    trip: u64,
}

/// A place in one of the memories of an evaluation: 0 is work memory, then come arguments,
/// results and constant data.
#[derive(Copy, Clone, Default)]
struct Pointer {
    space: u32,
    offset: usize,
}

/// A running kernel: where it continues, and its windows of the state.
#[derive(Copy, Clone)]
struct Frame {
    unit: u32,
    pc: usize,
    values: usize,
    counters: usize,
    bases: usize,
}

/// All memory an evaluation may touch.
struct Spaces<'a, 'b> {
    work: &'a mut [f64],
    arg: &'a [&'a [f64]],
    res: &'a mut [Option<&'b mut [f64]>],
    /// Where results lie that are computed but not wanted, in `work`.
    unwanted: &'a [Option<usize>],
    data: &'a [Arc<[f64]>],
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
            units.push(Unit::new(kernel, data.len()));
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
        state.frames.clear();
        let spaces = &mut Spaces { work, arg, res, unwanted: &self.unwanted, data: &self.data };
        self.run(state, spaces, context)
    }

    fn code_bytes(&self) -> usize {
        0
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
                        Callee::Kernel(callee) => {
                            let kernel = &unit.kernel;
                            frame.pc = pc + 1;
                            let inner = Frame {
                                unit: self.place(callee),
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

    fn place(&self, kernel: &Arc<Kernel>) -> u32 {
        let found = self.kernels.iter().position(|other| Arc::ptr_eq(other, kernel));
        found.unwrap_or_default() as u32
    }

    /// Runs one frame until it returns, calls or fails.
    fn step(
        &self,
        unit: &Unit,
        mut pc: usize,
        state: &mut State,
        frame: &Frame,
        spaces: &mut Spaces<'_, '_>,
        context: &Context,
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
                Op::Add { dst, a, b } => v[dst as usize] = v[a as usize] + v[b as usize],
                Op::Sub { dst, a, b } => v[dst as usize] = v[a as usize] - v[b as usize],
                Op::Mul { dst, a, b } => v[dst as usize] = v[a as usize] * v[b as usize],
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
                    if info.poll && context.is_cancelled() {
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
            let before = iteration_offset(&unit.kernel.loops[id as usize].trip, counter);
            Some(counter(id) + before as u64)
        });
        let failure = &mut context.failure;
        failure.status = status;
        failure.kernel = frame.unit;
        failure.site = site;
        failure.value = value;
        failure.iteration = iteration;
        failure.error(&self.kernels)
    }
}

impl Unit {
    fn new(kernel: &Arc<Kernel>, data: usize) -> Unit {
        let mut code = Vec::with_capacity(kernel.insts.len() + 1);
        let mut constants = Vec::new();
        let mut loop_begin = vec![0; kernel.loops.len()];
        let mut loop_end = vec![0; kernel.loops.len()];
        let mut jumps: Vec<usize> = Vec::new();
        let here = |code: &Vec<Op>| code.len() as u32;
        let moves = |code: &mut Vec<Op>, id: u32, second: bool| {
            for &(dst, yes, no) in &kernel.conds[id as usize].phis {
                code.push(Op::Move { dst, src: if second { no } else { yes } });
            }
        };
        for inst in &kernel.insts {
            let op = match *inst {
                Inst::Const { dst, value } => {
                    constants.push(value);
                    Op::Const { dst, index: constants.len() as u32 - 1 }
                }
                Inst::Load { dst, addr } => match constant_place(kernel, addr) {
                    Some((slot, offset)) => Op::LoadAt { dst, slot, offset },
                    None => Op::Load { dst, addr },
                },
                Inst::Store { addr, src } => match constant_place(kernel, addr) {
                    Some((slot, offset)) => Op::StoreAt { src, slot, offset },
                    None => Op::Store { src, addr },
                },
                Inst::Accumulate { addr, src } => Op::Accumulate { src, addr },
                Inst::Apply { dst, op, args: [a, b, c] } => match op {
                    ScalarOp::Add => Op::Add { dst, a, b },
                    ScalarOp::Sub => Op::Sub { dst, a, b },
                    ScalarOp::Mul => Op::Mul { dst, a, b },
                    ScalarOp::Div => Op::Div { dst, a, b },
                    _ => Op::Apply { op, dst, args: [a, b, c] },
                },
                Inst::Counter { dst, info } => Op::Counter { dst, info },
                Inst::Loop { id } => {
                    loop_begin[id as usize] = here(&code) + 1;
                    Op::Loop { id }
                }
                Inst::EndLoop { id } => {
                    loop_end[id as usize] = here(&code) + 1;
                    Op::EndLoop { id, begin: loop_begin[id as usize] }
                }
                Inst::If { cond, .. } => {
                    jumps.push(code.len());
                    Op::JumpIfZero { value: cond, to: 0 }
                }
                Inst::Else { id } => {
                    moves(&mut code, id, false);
                    let begin = jumps.pop();
                    jumps.push(code.len());
                    let to = here(&code) + 1;
                    land(&mut code, begin, to);
                    Op::Jump { to: 0 }
                }
                Inst::EndIf { id } => {
                    moves(&mut code, id, true);
                    let to = here(&code);
                    land(&mut code, jumps.pop(), to);
                    continue;
                }
                Inst::IfWanted { res } => {
                    jumps.push(code.len());
                    Op::JumpUnlessWanted { res, to: 0 }
                }
                Inst::EndWanted => {
                    let to = here(&code);
                    land(&mut code, jumps.pop(), to);
                    continue;
                }
                Inst::Call { id } => Op::Call { id },
                Inst::Check { value, id } => Op::Check { value, id },
            };
            code.push(op);
        }
        code.push(Op::Return);
        let permutes = kernel.loops.iter().map(|info| {
            info.carried.iter().any(|one| info.carried.iter().any(|other| one.next == other.dst))
        });
        let permutes = permutes.collect();
        Unit { code, constants, loop_end, permutes, data, kernel: kernel.clone() }
    }

    /// The innermost loop around a place in the code.
    fn loop_around(&self, pc: usize) -> Option<LoopId> {
        let mut open = Vec::new();
        for op in &self.code[..pc] {
            match op {
                Op::Loop { id } => open.push(*id),
                Op::EndLoop { .. } => {
                    open.pop();
                }
                _ => {}
            }
        }
        open.pop()
    }
}

/// Sets the target of the jump at `from`.
fn land(code: &mut [Op], from: Option<usize>, target: u32) {
    if let Some(from) = from
        && let Op::Jump { to } | Op::JumpIfZero { to, .. } | Op::JumpUnlessWanted { to, .. } =
            &mut code[from]
    {
        *to = target;
    }
}

/// The windows of the state that one frame uses.
struct Window<'a> {
    values: &'a mut [f64],
    counters: &'a mut [Turn],
    bases: &'a [Pointer],
    scratch: &'a mut Vec<f64>,
}

impl Window<'_> {
    fn resolve(&self, kernel: &Kernel, addr: AddrId) -> Pointer {
        resolve(self.bases, self.counters, kernel, addr)
    }
}

impl State {
    /// Makes room for a frame.
    fn open(&mut self, frame: &Frame, unit: &Unit) {
        let kernel = &unit.kernel;
        grow(&mut self.values, frame.values + kernel.n_values as usize);
        grow(&mut self.counters, frame.counters + kernel.loops.len());
        grow(&mut self.bases, frame.bases + n_slots(kernel));
    }

    fn window(&mut self, frame: &Frame, kernel: &Kernel) -> Window<'_> {
        Window {
            values: &mut self.values[frame.values..][..kernel.n_values as usize],
            counters: &mut self.counters[frame.counters..][..kernel.loops.len()],
            bases: &self.bases[frame.bases..][..n_slots(kernel)],
            scratch: &mut self.scratch,
        }
    }
}

impl Pointer {
    fn after(self, offset: usize) -> Pointer {
        Pointer { space: self.space, offset: self.offset + offset }
    }
}

impl Spaces<'_, '_> {
    fn read(&self, place: Pointer) -> f64 {
        let space = place.space as usize;
        let n_args = self.arg.len();
        if space == 0 {
            self.work[place.offset]
        } else if space <= n_args {
            self.arg[space - 1][place.offset]
        } else if space <= n_args + self.res.len() {
            match &self.res[space - 1 - n_args] {
                Some(res) => res[place.offset],
                None => self.work[self.unwanted_place(space - 1 - n_args, place)],
            }
        } else {
            self.data[space - 1 - n_args - self.res.len()][place.offset]
        }
    }

    fn at(&mut self, place: Pointer) -> &mut f64 {
        let space = place.space as usize;
        if space == 0 {
            return &mut self.work[place.offset];
        }
        let idx = space - 1 - self.arg.len();
        let in_work = self.unwanted_place(idx, place);
        match &mut self.res[idx] {
            Some(res) => &mut res[place.offset],
            None => &mut self.work[in_work],
        }
    }

    fn unwanted_place(&self, res: usize, place: Pointer) -> usize {
        self.unwanted[res].unwrap_or_default() + place.offset
    }

    /// Whether the result that a base slot points to is wanted; a caller wants all results.
    fn is_wanted(&self, base: Pointer) -> bool {
        match (base.space as usize).checked_sub(1 + self.arg.len()) {
            Some(res) => self.res.get(res).is_none_or(|res| res.is_some()),
            None => true,
        }
    }
}

/// Number of bases a kernel addresses: work memory, arguments, results, constant data.
fn n_slots(kernel: &Kernel) -> usize {
    1 + kernel.args.len() + kernel.res.len() + kernel.data.len()
}

/// Place of a base among those of its frame.
fn slot(kernel: &Kernel, base: Base) -> usize {
    match base {
        Base::Work => 0,
        Base::Arg(idx) => 1 + idx as usize,
        Base::Res(idx) => 1 + kernel.args.len() + idx as usize,
        Base::Data(idx) => 1 + kernel.args.len() + kernel.res.len() + idx as usize,
    }
}

/// Base slot and offset of an address that is the same in every iteration.
fn constant_place(kernel: &Kernel, addr: AddrId) -> Option<(u32, u32)> {
    let addr = &kernel.addrs[addr as usize];
    if !addr.index.terms.is_empty() || !addr.tables.is_empty() {
        return None;
    }
    Some((slot(kernel, addr.base) as u32, u32::try_from(addr.index.offset).ok()?))
}

fn resolve(bases: &[Pointer], counters: &[Turn], kernel: &Kernel, addr: AddrId) -> Pointer {
    let addr = &kernel.addrs[addr as usize];
    let mut index = evaluate(&addr.index, counters);
    for lookup in &addr.tables {
        let entry = evaluate(&lookup.index, counters) as usize;
        index += i64::from(kernel.tables[lookup.table as usize][entry]);
    }
    bases[slot(kernel, addr.base)].after(index as usize)
}

fn evaluate(affine: &Affine, counters: &[Turn]) -> i64 {
    let terms = affine.terms.iter();
    affine.offset
        + terms.map(|&(id, stride)| stride * counters[id as usize].counter as i64).sum::<i64>()
}

fn trip(trip: &Trip, counters: &[Turn]) -> u64 {
    match trip {
        Trip::Const(n) => *n,
        Trip::Rest { limit, total, used } => {
            let rest = *total as i64 - evaluate(used, counters);
            (rest.max(0) as u64).min(*limit)
        }
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

fn grow<T: Clone + Default>(memory: &mut Vec<T>, len: usize) {
    if memory.len() < len {
        memory.resize(len, T::default());
    }
}
