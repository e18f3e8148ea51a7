//! From kernel code to Cranelift IR, one machine function at a time.
//!
//! Regions nest, so a stack of scopes tells which Cranelift values may be used: what a scope
//! defined or cached is forgotten at its end. What does not change in a loop (constants, base
//! pointers, addresses, values of other pieces) is emitted before it.

use cranelift_codegen::cursor::{Cursor, CursorPosition, FuncCursor};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{F64, I8, I32, I64};
use cranelift_codegen::ir::{
    AbiParam, Block, BlockArg, FuncRef, Function, Inst as ClifInst, InstBuilder, MemFlagsData,
    Signature, Value,
};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use rustc_hash::FxHashMap;

use super::Unit;
use super::lanes::Lanes;
use super::plan::{Item, NO_HOME};
use super::runtime;
use crate::backend::abi::{Context, Status};
use crate::kernel::ir::{CounterInfo, Inst, LoopId, Trip, Val};

/// What is known of values and addresses while a function is built; reused for the next one.
#[derive(Default)]
pub(super) struct Cache {
    pub stamp: u32,
    pub values: Vec<Cell>,
    pub links: Vec<Cell>,
    pub counters: Vec<Cell>,
}

/// A number, or a truth value that has not been needed as a number, valid if `stamp` is current.
#[derive(Copy, Clone, Default)]
pub(super) struct Cell {
    pub stamp: u32,
    pub number: Option<Value>,
    pub truth: Option<Value>,
}

/// An entry to forget at the end of a scope.
#[derive(Copy, Clone)]
pub(super) enum Cached {
    Value(Val),
    /// Only the number of a truth value.
    Number(Val),
    Link(u32),
    Counter(LoopId),
}

/// An operation's result before it is stored.
pub(super) enum Made {
    Number(Value),
    Truth(Value),
}

/// A loop being built.
pub(super) struct OpenLoop {
    pub id: LoopId,
    pub counter: Value,
    pub trip: Value,
    pub body: Block,
    pub exit: Block,
    /// The jump into the loop: what does not change in it goes before this.
    pub entry: ClifInst,
    /// Scope around the loop.
    pub scope: usize,
}

/// A branch being built: the second part and what comes after both.
struct OpenBranch {
    second: Block,
    merge: Block,
}

/// Where to emit.
#[derive(Copy, Clone)]
pub(super) enum Place {
    Here,
    /// Before the open loop with this index.
    Before(usize),
}

pub(super) struct Translator<'a> {
    pub cur: FuncCursor<'a>,
    pub unit: &'a Unit,
    pub cache: &'a mut Cache,
    pub call_conv: CallConv,
    pub scopes: Vec<Vec<Cached>>,
    pub loops: Vec<OpenLoop>,
    branches: Vec<OpenBranch>,
    pub arg: Value,
    pub res: Value,
    pub work: Value,
    pub scratch: Value,
    pub context: Value,
    pub callees: FxHashMap<u32, FuncRef>,
    pub has_pieces: bool,
    /// What is known of the lanes, inside a loop in pairs.
    pub lanes: Option<Lanes>,
    /// A value was used where it is not visible.
    pub invalid: bool,
}

/// The signature of every kernel function: arguments, results, work memory, scratch memory and
/// context to status.
pub(super) fn signature(call_conv: CallConv) -> Signature {
    let mut signature = Signature::new(call_conv);
    signature.params = vec![AbiParam::new(I64); 5];
    signature.returns = vec![AbiParam::new(I32)];
    signature
}

/// Fills an empty Cranelift function; false if the kernel is malformed.
pub(super) fn translate(
    func: &mut Function,
    unit: &Unit,
    function: usize,
    cache: &mut Cache,
    call_conv: CallConv,
) -> bool {
    cache.begin(unit);
    let items = &unit.plan.functions[function];
    func.signature = signature(call_conv);
    let (entry, params) = prologue(func);
    let cur = FuncCursor::new(func).at_bottom(entry);
    let mut translator = Translator {
        cur,
        unit,
        cache,
        call_conv,
        scopes: vec![Vec::new()],
        loops: Vec::new(),
        branches: Vec::new(),
        arg: params[0],
        res: params[1],
        work: params[2],
        scratch: params[3],
        context: params[4],
        callees: FxHashMap::default(),
        has_pieces: items.iter().any(|item| matches!(item, Item::Piece(_))),
        lanes: unit.plan.pair_of[function].map(Lanes::new),
        invalid: false,
    };
    if let Some(columns) = &unit.plan.columns[function] {
        translator.add_columns(columns);
    }
    // Columns are all that their function does.
    let items = if unit.plan.columns[function].is_some() { &[][..] } else { &items[..] };
    for item in items {
        match *item {
            Item::Insts { begin, end } => {
                let mut rest = &unit.kernel.insts[begin as usize..end as usize];
                while let [inst, others @ ..] = rest {
                    let n = translator.alike(rest);
                    if n > 1 {
                        translator.wide_call(&rest[..n]);
                        rest = &rest[n..];
                    } else {
                        translator.inst(*inst);
                        rest = others;
                    }
                }
            }
            Item::Piece(piece) => translator.call_piece(piece),
        }
    }
    let ok = translator.cur.ins().iconst(I32, Status::Ok as i64);
    translator.cur.ins().return_(&[ok]);
    !translator.invalid
}

/// The entry block with the function's parameters. What follows is written with a cursor: values
/// are in SSA form already, and the frontend cannot insert before a jump that is there.
fn prologue(func: &mut Function) -> (Block, Vec<Value>) {
    let mut context = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(func, &mut context);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    builder.ensure_inserted_block();
    (entry, builder.block_params(entry).to_vec())
}

impl Cache {
    fn begin(&mut self, unit: &Unit) {
        self.stamp += 1;
        let fit = |cells: &mut Vec<Cell>, len: usize| {
            if cells.len() < len {
                cells.resize(len, Cell::default());
            }
        };
        fit(&mut self.values, unit.kernel.n_values as usize);
        fit(&mut self.links, unit.chains.links.len());
        fit(&mut self.counters, unit.kernel.loops.len());
    }
}

impl Translator<'_> {
    fn inst(&mut self, inst: Inst) {
        let unit = self.unit;
        if self.lanes.is_some() && !matches!(inst, Inst::EndLoop { .. }) {
            return self.pair_inst(inst);
        }
        match inst {
            Inst::Const { .. } => {}
            Inst::Load { dst, addr } => {
                let (pointer, offset, flags) = self.address(addr);
                let value = self.cur.ins().load(F64, flags, pointer, offset);
                self.define(dst, Made::Number(value));
            }
            Inst::Store { addr, src } => {
                let value = self.number(src);
                let (pointer, offset, flags) = self.address(addr);
                self.cur.ins().store(flags, value, pointer, offset);
            }
            Inst::Accumulate { addr, src } => {
                let value = self.number(src);
                let (pointer, offset, flags) = self.address(addr);
                let old = self.cur.ins().load(F64, flags, pointer, offset);
                let new = self.cur.ins().fadd(old, value);
                self.cur.ins().store(flags, new, pointer, offset);
            }
            Inst::Apply { dst, op, args } => {
                let made = self.apply(op, args);
                self.define(dst, made);
            }
            Inst::Counter { dst, info } => {
                let info = unit.kernel.counters[info as usize];
                let counter = self.counter(info.loop_id);
                let value = self.counter_number(info, counter);
                self.define(dst, Made::Number(value));
            }
            Inst::Loop { id } => self.begin_loop(id),
            Inst::EndLoop { .. } => self.end_loop(),
            Inst::If { cond, .. } => {
                let truth = self.truth(cond);
                self.begin_branch(truth);
            }
            Inst::Else { id } => {
                let phis = &unit.kernel.conds[id as usize].phis;
                let first: Vec<Val> = phis.iter().map(|&(_, yes, _)| yes).collect();
                self.end_first_part(&first);
            }
            Inst::EndIf { id } => {
                let phis = &unit.kernel.conds[id as usize].phis;
                let second: Vec<Val> = phis.iter().map(|&(_, _, no)| no).collect();
                let Some(merge) = self.end_second_part(&second) else { return };
                for &(dst, ..) in phis {
                    let value = self.cur.func.dfg.append_block_param(merge, F64);
                    self.define(dst, Made::Number(value));
                }
            }
            Inst::IfWanted { res } => {
                let pointer = self.link(unit.chains.results[res as usize]);
                self.begin_branch(pointer);
                let output = self.cur.ins().iconst(I32, i64::from(res) + 1);
                self.cur.ins().store(FLAGS, output, self.context, Context::OUTPUT);
            }
            Inst::EndWanted => {
                self.end_first_part(&[]);
                self.end_second_part(&[]);
            }
            Inst::Call { id } => self.call(id),
            Inst::Check { value, id } => self.check(value, id),
        }
    }

    /// A counter as a number of the kernel.
    pub(super) fn counter_number(&mut self, info: CounterInfo, counter: Value) -> Value {
        let mut value = self.cur.ins().fcvt_from_sint(F64, counter);
        if info.step != 1.0 {
            let step = self.cur.ins().f64const(info.step);
            value = self.cur.ins().fmul(step, value);
        }
        // 0 + value is value, except for the sign of a zero.
        if info.base != 0.0 || info.step <= 0.0 {
            let base = self.cur.ins().f64const(info.base);
            value = self.cur.ins().fadd(base, value);
        }
        value
    }

    fn begin_branch(&mut self, truth: Value) {
        let first = self.cur.func.dfg.make_block();
        let second = self.cur.func.dfg.make_block();
        let merge = self.cur.func.dfg.make_block();
        self.cur.ins().brif(truth, first, &[], second, &[]);
        self.cur.insert_block(first);
        self.scopes.push(Vec::new());
        self.branches.push(OpenBranch { second, merge });
    }

    fn end_first_part(&mut self, results: &[Val]) {
        let Some(&OpenBranch { second, merge }) = self.branches.last() else {
            self.invalid = true;
            return;
        };
        let results = self.block_args(results);
        self.cur.ins().jump(merge, &results);
        self.close_scope();
        self.cur.insert_block(second);
        self.scopes.push(Vec::new());
    }

    fn end_second_part(&mut self, results: &[Val]) -> Option<Block> {
        let Some(OpenBranch { merge, .. }) = self.branches.pop() else {
            self.invalid = true;
            return None;
        };
        let results = self.block_args(results);
        self.cur.ins().jump(merge, &results);
        self.close_scope();
        self.cur.insert_block(merge);
        Some(merge)
    }

    fn block_args(&mut self, values: &[Val]) -> Vec<BlockArg> {
        values.iter().map(|&val| BlockArg::Value(self.number(val))).collect()
    }

    fn begin_loop(&mut self, id: LoopId) {
        let info = &self.unit.kernel.loops[id as usize];
        let inits: Vec<Val> = info.carried.iter().map(|carried| carried.init).collect();
        let inits = self.block_args(&inits);
        let range = self.unit.plan.is_spread(id).then(|| {
            let at = 8 * self.unit.plan.range as i32;
            [at, at + 8].map(|at| self.cur.ins().load(I64, FLAGS, self.scratch, at))
        });
        let trip = match &info.trip {
            _ if let Some([_, end]) = range => end,
            Trip::Const(n) => self.cur.ins().iconst(I64, *n as i64),
            Trip::Rest { limit, total, used } => {
                let used = self.affine(used);
                let total = self.cur.ins().iconst(I64, *total as i64);
                let rest = self.cur.ins().isub(total, used);
                let zero = self.cur.ins().iconst(I64, 0);
                let positive = self.cur.ins().icmp(IntCC::SignedGreaterThan, rest, zero);
                let rest = self.cur.ins().select(positive, rest, zero);
                let limit = self.cur.ins().iconst(I64, *limit as i64);
                let less = self.cur.ins().icmp(IntCC::UnsignedLessThan, rest, limit);
                self.cur.ins().select(less, rest, limit)
            }
        };
        let body = self.cur.func.dfg.make_block();
        let exit = self.cur.func.dfg.make_block();
        let begin = match range {
            Some([begin, _]) => begin,
            None => self.cur.ins().iconst(I64, 0),
        };
        let mut body_args = vec![BlockArg::Value(begin)];
        body_args.extend(&inits);
        let entry = if matches!(info.trip, Trip::Const(1..)) {
            self.cur.ins().jump(body, &body_args)
        } else {
            self.cur.ins().brif(trip, body, &body_args, exit, &inits)
        };
        let scope = self.scopes.len() - 1;
        self.cur.insert_block(body);
        self.scopes.push(Vec::new());
        let counter = self.cur.func.dfg.append_block_param(body, I64);
        self.loops.push(OpenLoop { id, counter, trip, body, exit, entry, scope });
        let home = self.unit.plan.counter_home[id as usize];
        if home != NO_HOME {
            self.cur.ins().store(FLAGS, counter, self.scratch, 8 * home as i32);
        }
        for carried in &info.carried {
            let value = self.cur.func.dfg.append_block_param(body, F64);
            self.define(carried.dst, Made::Number(value));
        }
        if self.unit.plan.paired[id as usize] {
            self.lanes = Some(Lanes::new(id));
        }
    }

    fn end_loop(&mut self) {
        let Some(&OpenLoop { id, counter, trip, body, exit, .. }) = self.loops.last() else {
            self.invalid = true;
            return;
        };
        let info = &self.unit.kernel.loops[id as usize];
        if info.poll > 1 {
            let rest = self.cur.ins().band_imm_u(counter, info.poll as i64 - 1);
            let due = self.cur.ins().icmp_imm_u(IntCC::Equal, rest, 0);
            self.begin_branch(due);
        }
        if info.poll != 0 {
            self.poll();
        }
        if info.poll > 1 {
            self.end_first_part(&[]);
            self.end_second_part(&[]);
        }
        let nexts: Vec<Val> = info.carried.iter().map(|carried| carried.next).collect();
        let nexts = self.block_args(&nexts);
        let step = if self.lanes.take().is_some() { 2 } else { 1 };
        let mut counter = self.cur.ins().iadd_imm_s(counter, step);
        let more = self.cur.ins().icmp(IntCC::UnsignedLessThan, counter, trip);
        let is_spread = self.unit.plan.is_spread(id);
        if let (2, Trip::Const(n)) = (step, &info.trip)
            && (n % 2 == 1 || is_spread)
        {
            // The last pair begins one iteration early.
            let last = match is_spread {
                true => self.cur.ins().iadd_imm_s(trip, -2),
                false => self.cur.ins().iconst(I64, *n as i64 - 2),
            };
            counter = self.cur.ins().umin(counter, last);
        }
        let mut body_args = vec![BlockArg::Value(counter)];
        body_args.extend(&nexts);
        self.cur.ins().brif(more, body, &body_args, exit, &nexts);
        self.close_scope();
        self.loops.pop();
        self.cur.insert_block(exit);
        for carried in &info.carried {
            let value = self.cur.func.dfg.append_block_param(exit, F64);
            self.define(carried.dst, Made::Number(value));
        }
    }

    /// Leaves the function if the evaluation is cancelled.
    pub(super) fn poll(&mut self) {
        let flag = self.cur.ins().load(I64, FLAGS.with_readonly(), self.context, 0);
        let flag = self.cur.ins().atomic_load(I8, FLAGS, flag);
        self.fail_if(flag, |this| {
            let helper = runtime::fail_cancelled as *const () as usize;
            this.call_helper(helper, &[(I64, this.context)], None);
            this.cur.ins().iconst(I32, Status::Cancelled as i64)
        });
    }

    fn check(&mut self, value: Val, id: u32) {
        let check = &self.unit.kernel.checks[id as usize];
        let value = self.number(value);
        let lo = self.constant(check.lo);
        let hi = self.constant(check.hi);
        let above = self.cur.ins().fcmp(FloatCC::GreaterThanOrEqual, value, lo);
        let below = self.cur.ins().fcmp(FloatCC::LessThanOrEqual, value, hi);
        let inside = self.cur.ins().band(above, below);
        let zero = self.cur.ins().iconst(I8, 0);
        let outside = self.cur.ins().icmp(IntCC::Equal, inside, zero);
        let kernel = self.unit.index;
        self.fail_if(outside, |this| {
            let kernel = this.cur.ins().iconst(I32, i64::from(kernel));
            let site = this.cur.ins().iconst(I32, i64::from(id));
            let args = [(I64, this.context), (I32, kernel), (I32, site), (F64, value)];
            this.call_helper(runtime::fail_range as *const () as usize, &args, None);
            this.cur.ins().iconst(I32, Status::Range as i64)
        });
    }

    /// Leaves the function if `failed`, with the status that `report` makes.
    pub(super) fn fail_if(&mut self, failed: Value, report: impl FnOnce(&mut Self) -> Value) {
        let failure = self.cur.func.dfg.make_block();
        let success = self.cur.func.dfg.make_block();
        self.cur.ins().brif(failed, failure, &[], success, &[]);
        self.cur.insert_block(failure);
        self.cur.func.layout.set_cold(failure);
        self.scopes.push(Vec::new());
        let status = report(self);
        if let Some(&OpenLoop { id, counter, .. }) = self.loops.last() {
            let first = self.affine(&self.unit.kernel.loops[id as usize].first);
            let iteration = self.cur.ins().iadd(counter, first);
            let args = [(I64, self.context), (I64, iteration)];
            self.call_helper(runtime::note_iteration as *const () as usize, &args, None);
        }
        self.cur.ins().return_(&[status]);
        self.close_scope();
        self.cur.insert_block(success);
    }

    /// Makes a value known in the current scope, and in memory if other pieces use it.
    pub(super) fn define(&mut self, val: Val, made: Made) {
        let stamp = self.cache.stamp;
        let home = self.unit.plan.value_home[val as usize];
        let cell = match made {
            Made::Number(number) => Cell { stamp, number: Some(number), truth: None },
            Made::Truth(truth) => Cell { stamp, number: None, truth: Some(truth) },
        };
        self.cache.values[val as usize] = cell;
        self.remember(Place::Here, Cached::Value(val));
        if home != NO_HOME {
            let number = self.number(val);
            self.cur.ins().store(FLAGS, number, self.scratch, 8 * home as i32);
        }
    }

    /// A value as a number.
    pub fn number(&mut self, val: Val) -> Value {
        let stamp = self.cache.stamp;
        let cell = self.cache.values[val as usize];
        if cell.stamp == stamp {
            if let Some(number) = cell.number {
                return number;
            }
            if let Some(truth) = cell.truth {
                let number = self.truth_to_number(truth);
                self.cache.values[val as usize].number = Some(number);
                self.remember(Place::Here, Cached::Number(val));
                return number;
            }
        }
        let home = self.unit.plan.value_home[val as usize];
        let place = match self.unit.plan.constants[val as usize] {
            None if self.has_pieces => Place::Here,
            _ => self.outermost(),
        };
        let number = match self.unit.plan.constants[val as usize] {
            Some(constant) => self.at(place, |this| this.cur.ins().f64const(constant)),
            None => {
                self.invalid |= home == NO_HOME;
                let scratch = self.scratch;
                let offset = 8i32.wrapping_mul(home as i32);
                self.at(place, |this| this.cur.ins().load(F64, FLAGS, scratch, offset))
            }
        };
        self.cache.values[val as usize] = Cell { stamp, number: Some(number), truth: None };
        self.remember(place, Cached::Value(val));
        number
    }

    /// A value as a truth value: whether it is not 0.
    pub fn truth(&mut self, val: Val) -> Value {
        let cell = self.cache.values[val as usize];
        if cell.stamp == self.cache.stamp
            && let Some(truth) = cell.truth
        {
            return truth;
        }
        let number = self.number(val);
        let zero = self.constant(0.0);
        self.cur.ins().fcmp(FloatCC::NotEqual, number, zero)
    }

    pub fn constant(&mut self, value: f64) -> Value {
        let place = self.outermost();
        self.at(place, |this| this.cur.ins().f64const(value))
    }

    /// Outside all loops of this function.
    pub(super) fn outermost(&self) -> Place {
        if self.loops.is_empty() { Place::Here } else { Place::Before(0) }
    }

    /// In the body of a loop, but outside the loops in it.
    pub(super) fn inside(&self, id: LoopId) -> Place {
        let next = self.loops.iter().position(|open| open.id == id).map_or(0, |place| place + 1);
        if next < self.loops.len() { Place::Before(next) } else { Place::Here }
    }

    pub(super) fn at(&mut self, place: Place, emit: impl FnOnce(&mut Self) -> Value) -> Value {
        match place {
            Place::Here => emit(self),
            Place::Before(idx) => {
                let here = self.cur.position();
                self.cur.set_position(CursorPosition::At(self.loops[idx].entry));
                let value = emit(self);
                self.cur.set_position(here);
                value
            }
        }
    }

    /// Has an entry of the cache forgotten at the end of the scope it was made in.
    pub(super) fn remember(&mut self, place: Place, cached: Cached) {
        let scope = match place {
            Place::Here => self.scopes.len() - 1,
            Place::Before(idx) => self.loops[idx].scope,
        };
        self.scopes[scope].push(cached);
    }

    fn close_scope(&mut self) {
        for cached in self.scopes.pop().unwrap_or_default() {
            match cached {
                Cached::Value(val) => self.cache.values[val as usize] = Cell::default(),
                Cached::Number(val) => self.cache.values[val as usize].number = None,
                Cached::Link(link) => self.cache.links[link as usize] = Cell::default(),
                Cached::Counter(id) => self.cache.counters[id as usize] = Cell::default(),
            }
        }
    }
}

/// Memory of the evaluation: accesses are in bounds and aligned.
pub(super) const FLAGS: MemFlagsData = MemFlagsData::trusted();
