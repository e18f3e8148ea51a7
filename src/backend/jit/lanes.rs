//! Two iterations of a loop at once: the values of both are the lanes of a vector. An odd number of
//! iterations ends with a pair that repeats an iteration.

use cranelift_codegen::ir::types::{F64, F64X2};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value};
use rustc_hash::FxHashMap;

use super::address::Link;
use super::lower::has_fma;
use super::plan::NO_HOME;
use super::translate::{Cached, Cell, FLAGS, Place, Translator};
use crate::kernel::ir::{AddrId, Inst, Kernel, LoopId, Trip, Val};
use crate::kernel::lanes::{Body, stride};
use crate::ops::scalar::{self, Eval, Jit, ScalarOp};

/// Whether vectors of two have all operations of a loop, and what it saves in arithmetic exceeds
/// what it takes to fill and empty lanes.
pub(super) fn is_worth_it(kernel: &Kernel, id: LoopId, body: &Body) -> bool {
    matches!(kernel.loops[id as usize].trip, Trip::Const(2..))
        && body.repeatable
        && body.n_insts >= 2 * body.n_moved() + 4 * (body.n_calls + body.n_wide_calls)
        && kernel.insts[body.begin..body.end].iter().all(has_pair)
}

/// Whether [`Translator::pair_inst`] can do the instruction.
fn has_pair(inst: &Inst) -> bool {
    use scalar::Inst::{Abs, Add, Div, Fma, Identity, Mul, Neg, Sqrt, Sub};
    let Inst::Apply { op, .. } = inst else { return true };
    match op.row().jit {
        Jit::Call | Jit::Inst(Abs | Add | Div | Identity | Mul | Neg | Sqrt | Sub) => true,
        Jit::Inst(Fma) => has_fma(),
        Jit::Inst(_) => false,
    }
}

/// What is known inside the body of a loop in pairs.
pub(super) struct Lanes {
    id: LoopId,
    /// Values from outside, in both lanes.
    splats: FxHashMap<Val, Value>,
    /// Ends of address chains in the second lane, where they differ by look-ups.
    seconds: FxHashMap<u32, (Value, i64)>,
}

impl Lanes {
    pub fn new(id: LoopId) -> Lanes {
        Lanes { id, splats: FxHashMap::default(), seconds: FxHashMap::default() }
    }
}

/// A pair of numbers one after the other; they need not be aligned to 16 bytes.
fn pair_flags(flags: MemFlagsData) -> MemFlagsData {
    let pair = MemFlagsData::new().with_notrap();
    if flags.readonly() { pair.with_readonly() } else { pair }
}

impl Translator<'_> {
    /// An instruction of the body of a loop in pairs.
    pub(super) fn pair_inst(&mut self, inst: Inst) {
        match inst {
            Inst::Const { .. } => {}
            Inst::Load { dst, addr } => {
                let value = self.load_pair(addr);
                self.define_pair(dst, value);
            }
            Inst::Store { addr, src } => {
                let value = self.pair(src);
                self.store_pair(addr, value);
            }
            Inst::Apply { dst, op, args } => {
                let value = self.apply_pair(op, args);
                self.define_pair(dst, value);
            }
            Inst::Counter { dst, info } => {
                let info = self.unit.kernel.counters[info as usize];
                let first = self.counter(info.loop_id);
                let is_own = self.lanes.as_ref().is_some_and(|lanes| lanes.id == info.loop_id);
                let second = if is_own { self.cur.ins().iadd_imm_s(first, 1) } else { first };
                let lanes = [first, second].map(|counter| self.counter_number(info, counter));
                let value = self.joined(lanes);
                self.define_pair(dst, value);
            }
            _ => self.invalid = true,
        }
    }

    /// Both lanes of a value.
    fn pair(&mut self, val: Val) -> Value {
        let plan = &self.unit.plan;
        if plan.is_pair[val as usize] {
            let stamp = self.cache.stamp;
            let cell = self.cache.values[val as usize];
            if let (true, Some(value)) = (cell.stamp == stamp, cell.number) {
                return value;
            }
            let home = plan.value_home[val as usize];
            self.invalid |= home == NO_HOME;
            let (scratch, offset) = (self.scratch, 8i32.wrapping_mul(home as i32));
            let value = self.cur.ins().load(F64X2, pair_flags(FLAGS), scratch, offset);
            self.cache.values[val as usize] = Cell { stamp, number: Some(value), truth: None };
            self.remember(Place::Here, Cached::Value(val));
            return value;
        }
        if let Some(&known) = self.lanes.as_ref().and_then(|lanes| lanes.splats.get(&val)) {
            return known;
        }
        // Numbers that pieces share are loaded where they are used.
        let place = match self.loops.len() {
            n if n > 0 && !self.has_pieces => Place::Before(n - 1),
            _ => Place::Here,
        };
        // What was a truth value so far becomes a number there too.
        let both = self.at(place, |this| {
            let number = this.number(val);
            this.cur.ins().splat(F64X2, number)
        });
        if let Some(lanes) = &mut self.lanes {
            lanes.splats.insert(val, both);
        }
        both
    }

    fn define_pair(&mut self, val: Val, value: Value) {
        let stamp = self.cache.stamp;
        self.cache.values[val as usize] = Cell { stamp, number: Some(value), truth: None };
        self.remember(Place::Here, Cached::Value(val));
        let home = self.unit.plan.value_home[val as usize];
        if home != NO_HOME {
            let offset = 8i32.wrapping_mul(home as i32);
            self.cur.ins().store(pair_flags(FLAGS), value, self.scratch, offset);
        }
    }

    fn joined(&mut self, [first, second]: [Value; 2]) -> Value {
        let vector = self.cur.ins().scalar_to_vector(F64X2, first);
        self.cur.ins().insertlane(vector, second, 1)
    }

    fn load_pair(&mut self, addr: AddrId) -> Value {
        let (pointer, offset, flags) = self.address(addr);
        match self.second(addr, pointer, offset) {
            Second::Same => {
                let value = self.cur.ins().load(F64, flags, pointer, offset);
                self.cur.ins().splat(F64X2, value)
            }
            Second::Next => self.cur.ins().load(F64X2, pair_flags(flags), pointer, offset),
            Second::At(other, at) => {
                let first = self.cur.ins().load(F64, flags, pointer, offset);
                let second = self.cur.ins().load(F64, flags, other, at);
                self.joined([first, second])
            }
        }
    }

    fn store_pair(&mut self, addr: AddrId, value: Value) {
        let (pointer, offset, flags) = self.address(addr);
        match self.second(addr, pointer, offset) {
            Second::Next => {
                self.cur.ins().store(pair_flags(flags), value, pointer, offset);
            }
            Second::At(other, at) => {
                for (lane, pointer, offset) in [(0, pointer, offset), (1, other, at)] {
                    let number = self.cur.ins().extractlane(value, lane);
                    self.cur.ins().store(flags, number, pointer, offset);
                }
            }
            Second::Same => self.invalid = true,
        }
    }

    /// Where the second lane of an address lies.
    fn second(&mut self, addr: AddrId, pointer: Value, offset: i32) -> Second {
        let Some(id) = self.lanes.as_ref().map(|lanes| lanes.id) else { return Second::Same };
        let unit = self.unit;
        let of = &unit.kernel.addrs[addr as usize];
        if of.tables.iter().all(|lookup| lookup.index.terms.iter().all(|t| t.0 != id)) {
            return match stride(of, id) {
                0 => Second::Same,
                1 => Second::Next,
                stride => self.moved(pointer, i64::from(offset).saturating_add(8 * stride)),
            };
        }
        let (link, offset) = unit.chains.places[addr as usize];
        let (pointer, further) = self.second_link(link, id);
        self.moved(pointer, offset.saturating_add(further))
    }

    fn moved(&mut self, pointer: Value, offset: i64) -> Second {
        match i32::try_from(offset) {
            Ok(offset) => Second::At(pointer, offset),
            Err(_) => Second::At(self.cur.ins().iadd_imm_s(pointer, offset), 0),
        }
    }

    /// The end of a chain in the second lane: a pointer and what is to be added to it.
    fn second_link(&mut self, link: u32, id: LoopId) -> (Value, i64) {
        let known = self.lanes.as_ref().and_then(|lanes| lanes.seconds.get(&link));
        if let Some(&known) = known {
            return known;
        }
        let unit = self.unit;
        let second = match unit.chains.links[link as usize] {
            Link::Base(_) | Link::Table(_) => (self.link(link), 0),
            Link::Term { link: before, id: of, bytes } => {
                let first = self.link(before);
                let (pointer, further) = self.second_link(before, id);
                let further = if of == id { further.saturating_add(bytes) } else { further };
                if pointer == first {
                    (self.link(link), further)
                } else {
                    let counter = self.counter(of);
                    let step = self.multiple(counter, bytes);
                    (self.cur.ins().iadd(pointer, step), further)
                }
            }
            Link::Entry { link: before, at, offset } => {
                let (pointer, further) = self.second_link(before, id);
                let (at, at_further) = self.second_link(at, id);
                let (at, offset) = match i32::try_from(offset.saturating_add(at_further)) {
                    Ok(offset) => (at, offset),
                    Err(_) => (self.cur.ins().iadd_imm_s(at, offset + at_further), 0),
                };
                let entry = self.cur.ins().uload32(FLAGS.with_readonly(), at, offset);
                let step = self.multiple(entry, 8);
                (self.cur.ins().iadd(pointer, step), further)
            }
        };
        if let Some(lanes) = &mut self.lanes {
            lanes.seconds.insert(link, second);
        }
        second
    }

    fn apply_pair(&mut self, op: ScalarOp, args: [Val; 3]) -> Value {
        use scalar::Inst::{Abs, Add, Div, Fma, Identity, Mul, Neg, Sqrt, Sub};
        let args: Vec<Value> = args[..op.arity()].iter().map(|&val| self.pair(val)).collect();
        let (a, b) = (args[0], args[args.len().min(2) - 1]);
        match op.row().jit {
            Jit::Inst(Identity) => a,
            Jit::Inst(Neg) => self.cur.ins().fneg(a),
            Jit::Inst(Abs) => self.cur.ins().fabs(a),
            Jit::Inst(Sqrt) => self.cur.ins().sqrt(a),
            Jit::Inst(Add) => self.cur.ins().fadd(a, b),
            Jit::Inst(Sub) => self.cur.ins().fsub(a, b),
            Jit::Inst(Mul) => self.cur.ins().fmul(a, b),
            Jit::Inst(Div) => self.cur.ins().fdiv(a, b),
            Jit::Inst(Fma) => self.cur.ins().fma(a, b, args[args.len() - 1]),
            Jit::Inst(_) => {
                self.invalid = true;
                a
            }
            Jit::Call => {
                let address = match op.row().eval {
                    Eval::F1(f) => f as *const () as usize,
                    Eval::F2(f) => f as *const () as usize,
                    Eval::F3(f) => f as *const () as usize,
                };
                let lanes = [0, 1].map(|lane| {
                    let of = |&arg: &Value| (F64, self.cur.ins().extractlane(arg, lane));
                    let numbers: Vec<_> = args.iter().map(of).collect();
                    self.call_helper(address, &numbers, Some(F64)).unwrap_or(numbers[0].1)
                });
                self.joined(lanes)
            }
        }
    }
}

/// Where the second of a pair lies.
enum Second {
    /// Where the first one does.
    Same,
    /// Behind the first one.
    Next,
    At(Value, i32),
}
