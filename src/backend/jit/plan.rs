//! How a kernel becomes machine functions: cuts long straight code into pieces and gives the
//! values that cross a cut a place in memory.
//!
//! Register allocation is superlinear and takes stack in the length of a function, so any region
//! (the whole kernel, a loop body, a branch) longer than a limit is cut into consecutive pieces,
//! each a function of its own; a region that consists of very many pieces is cut again. Values
//! and loop counters used in another function than the one that defines them are kept in scratch
//! memory, called their home.

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use rustc_hash::FxHashMap;

use super::address::Chains;
use super::vector::straight::{Segment, Straight, Surroundings, segments};
use super::vector::{self, Wide};
use super::{JitOptions, Vectors, lanes};
use crate::kernel::columns::{Columns, columns};
use crate::kernel::ir::{Affine, Inst, Kernel, LoopId, Trip, Val};
use crate::kernel::lanes::independent;
use crate::kernel::schedule::Experience;
use crate::ops::math::LANES;

/// The functions of one kernel; the last one is its entry.
pub(super) struct Plan {
    pub functions: Vec<Vec<Item>>,
    /// Place in scratch memory of each value, or [`NO_HOME`].
    pub value_home: Vec<u32>,
    /// Place in scratch memory of each loop counter, or [`NO_HOME`].
    pub counter_home: Vec<u32>,
    /// Constants by value number; made anew wherever they are used.
    pub constants: Vec<Option<f64>>,
    /// Length of the scratch memory: pointers for calls first, then homes.
    pub scratch_len: usize,
    /// For each loop whether its iterations run in pairs.
    pub paired: Vec<bool>,
    /// For each function the loop in pairs that it is part of the body of.
    pub pair_of: Vec<Option<LoopId>>,
    /// For each value whether it is one of a pair of iterations; its home is twice as long.
    pub is_pair: Vec<bool>,
    /// For each function the loop in wide vectors that it is.
    pub wide: Vec<Option<Wide>>,
    /// For each function the straight-line code that it is.
    pub straight: Vec<Option<Straight>>,
    /// For each function the columns that it adds.
    pub columns: Vec<Option<Columns>>,
    /// Where in scratch memory the memory of loops and straight-line code begins.
    pub frame: usize,
    /// For each function the loop for threads that it is; it runs a range of iterations.
    pub spread: Vec<Option<LoopId>>,
    /// For each loop whether it is one of these.
    is_spread: Vec<bool>,
    /// Where in scratch memory the first iteration of that range stands, and what follows the
    /// last one.
    pub range: usize,
    /// Where in scratch memory the results of calls of vectors stand, if there may be such calls.
    pub packed: Option<usize>,
}

pub(super) const NO_HOME: u32 = u32::MAX;

/// Part of a function's code.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// Consecutive instructions.
    Insts { begin: u32, end: u32 },
    /// A call of another function of the same kernel.
    Piece(u32),
}

impl Plan {
    /// Cuts so that no function has much more than `limit` instructions.
    /// The loops `spread` are for threads; with `packs` there may be calls of vectors.
    pub fn new(
        kernel: &Kernel,
        chains: &Chains,
        spread: &[LoopId],
        packs: bool,
        options: &JitOptions,
    ) -> Plan {
        let mut constants = vec![None; kernel.n_values as usize];
        for inst in &kernel.insts {
            if let Inst::Const { dst, value } = *inst {
                constants[dst as usize] = Some(value);
            }
        }
        let mut wide: FxHashMap<LoopId, Wide> = FxHashMap::default();
        let mut paired = vec![false; kernel.loops.len()];
        for (id, body) in independent(kernel) {
            if let Some(loop_) = Wide::of(kernel, chains, id, &body, &constants, options) {
                wide.insert(id, loop_);
            } else {
                paired[id as usize] = lanes::is_worth_it(kernel, id, &body);
            }
        }
        let has_vectors = options.vectors != Vectors::Narrow && vector::is_supported();
        let columns = if has_vectors { columns(kernel) } else { Vec::new() };
        let is_free = |id: LoopId| !wide.contains_key(&id) && !spread.contains(&id);
        let columns = columns.into_iter().filter(|c| is_free(c.outer) && is_free(c.inner));
        let columns: FxHashMap<LoopId, Columns> = columns.map(|c| (c.outer, c)).collect();
        columns.values().for_each(|c| paired[c.inner as usize] = false);
        let frame_len = wide.values().map(Wide::frame_len).max().unwrap_or(0);
        let standing = |id: LoopId| match (wide.contains_key(&id), spread.contains(&id)) {
            (true, _) => Standing::Whole,
            (false, true) => Standing::Alone,
            (false, false) => Standing::Within,
        };
        let segments = if has_vectors {
            let taken =
                |id| wide.contains_key(&id) || paired[id as usize] || columns.contains_key(&id);
            let limit = SEGMENT_LEN * options.piece_len.max(2);
            segments(kernel, limit, options.vectors == Vectors::All, taken)
        } else {
            Vec::new()
        };
        let of_columns = columns.values().map(|c| Segment { begin: c.begin, end: c.end + 1 });
        let mut alone: Vec<Segment> = segments.iter().copied().chain(of_columns).collect();
        alone.sort_unstable_by_key(|segment| segment.begin);
        let functions = cut(kernel, options.piece_len.max(2), &alone, standing);
        let loop_of = |items: &Vec<Item>| match items.first() {
            Some(&Item::Insts { begin, .. }) => match kernel.insts[begin as usize] {
                Inst::Loop { id } => Some(id),
                _ => None,
            },
            _ => None,
        };
        let loops = || functions.iter().map(loop_of);
        let mut plan = Plan {
            wide: loops().map(|id| wide.remove(&id?)).collect(),
            straight: Vec::new(),
            columns: loops().map(|id| columns.get(&id?).copied()).collect(),
            frame: 0,
            spread: loops().map(|id| id.filter(|id| spread.contains(id))).collect(),
            is_spread: vec![false; kernel.loops.len()],
            range: 0,
            packed: None,
            paired,
            pair_of: vec![None; functions.len()],
            is_pair: vec![false; kernel.n_values as usize],
            functions,
            value_home: vec![NO_HOME; kernel.n_values as usize],
            counter_home: vec![NO_HOME; kernel.loops.len()],
            constants,
            scratch_len: 0,
        };
        for &id in spread {
            plan.is_spread[id as usize] = true;
        }
        let pointers = kernel.calls.iter().map(|call| call.args.len() + call.res.len());
        plan.scratch_len = pointers.max().unwrap_or(0);
        plan.mark_pairs(kernel);
        if plan.functions.len() > 1 {
            plan.place_homes(kernel);
        }
        plan.range = plan.scratch_len;
        plan.scratch_len += if spread.is_empty() { 0 } else { 2 };
        if packs {
            plan.packed = Some(plan.scratch_len);
            plan.scratch_len += LANES;
        }
        let around = Surroundings {
            kernel,
            chains,
            constants: &plan.constants,
            value_home: &plan.value_home,
            packs,
            lanes: options.lanes,
        };
        plan.straight = straight(&around, &plan.functions, &segments, options.threads);
        let of_straight = plan.straight.iter().flatten().map(Straight::frame_len).max();
        plan.frame = plan.scratch_len;
        plan.scratch_len += frame_len.max(of_straight.unwrap_or(0));
        plan
    }

    /// Whether a loop is for threads.
    pub fn is_spread(&self, id: LoopId) -> bool {
        self.is_spread[id as usize]
    }

    fn mark_pairs(&mut self, kernel: &Kernel) {
        let mut inside = vec![None; kernel.insts.len()];
        let mut pair = None;
        for (pc, inst) in kernel.insts.iter().enumerate() {
            inside[pc] = pair;
            match *inst {
                Inst::Loop { id } if self.paired[id as usize] => pair = Some(id),
                Inst::EndLoop { id } if pair == Some(id) => pair = None,
                Inst::Load { dst, .. } | Inst::Apply { dst, .. } | Inst::Counter { dst, .. } => {
                    self.is_pair[dst as usize] = pair.is_some();
                }
                _ => {}
            }
        }
        // Pieces are numbered before the functions that call them.
        for (function, items) in self.functions.iter().enumerate() {
            self.pair_of[function] = items.first().and_then(|item| match *item {
                Item::Insts { begin, .. } => inside[begin as usize],
                Item::Piece(piece) => self.pair_of[piece as usize],
            });
        }
    }

    fn place_homes(&mut self, kernel: &Kernel) {
        let mut owner = Owner {
            value: vec![NO_HOME; self.value_home.len()],
            counter: vec![NO_HOME; self.counter_home.len()],
        };
        self.visit(|function, inst| owner.define(kernel, function, inst));
        let mut crossing = Vec::new();
        let mut crossing_counters = Vec::new();
        self.visit(|function, inst| {
            uses(kernel, inst, |used| match used {
                Use::Value(val) if owner.value[val as usize] != function => crossing.push(val),
                Use::Counter(id) if owner.counter[id as usize] != function => {
                    crossing_counters.push(id)
                }
                _ => {}
            });
        });
        for id in crossing_counters {
            give_home(&mut self.counter_home[id as usize], &mut self.scratch_len, 1);
        }
        for val in crossing {
            if self.constants[val as usize].is_none() {
                let len = if self.is_pair[val as usize] { 2 } else { 1 };
                give_home(&mut self.value_home[val as usize], &mut self.scratch_len, len);
            }
        }
    }

    /// Calls `each(function, instruction number)`, callees before their callers.
    fn visit(&self, mut each: impl FnMut(u32, u32)) {
        for (function, items) in self.functions.iter().enumerate() {
            for item in items {
                if let Item::Insts { begin, end } = *item {
                    (begin..end).for_each(|pc| each(function as u32, pc));
                }
            }
        }
    }
}

/// Longest straight-line function, in functions of Cranelift.
const SEGMENT_LEN: usize = 4;

/// So many segments in a row are taken to be alike.
const ALIKE: usize = 8;

/// Allocates the functions that are segments, on several threads: the first one of some that are
/// alike, then the others by what was found for it.
fn straight(
    around: &Surroundings,
    functions: &[Vec<Item>],
    segments: &[Segment],
    n_threads: usize,
) -> Vec<Option<Straight>> {
    let by_begin: FxHashMap<usize, usize> = segments.iter().map(|s| (s.begin, s.end)).collect();
    let segment = |items: &[Item]| match *items {
        [Item::Insts { begin, end }]
            if by_begin.get(&(begin as usize)) == Some(&(end as usize)) =>
        {
            Some(Segment { begin: begin as usize, end: end as usize })
        }
        _ => None,
    };
    let found = functions.iter().enumerate();
    let found: Vec<(usize, Segment)> =
        found.filter_map(|(function, items)| Some((function, segment(items)?))).collect();
    let is_parallel = n_threads > 1 && found.len() > 1;
    let allocate = |k: usize, mut experience: Experience| {
        let straight = Straight::new(around, found[k].1, &mut experience);
        (k, straight, experience)
    };
    let first = |k: usize| allocate(ALIKE * k, Experience::default());
    let n_first = found.len().div_ceil(ALIKE);
    let first: Vec<_> = if is_parallel {
        (0..n_first).into_par_iter().map(first).collect()
    } else {
        (0..n_first).map(first).collect()
    };
    let other = |k: usize| (!k.is_multiple_of(ALIKE)).then(|| allocate(k, first[k / ALIKE].2));
    let others: Vec<_> = if is_parallel {
        (0..found.len()).into_par_iter().filter_map(other).collect()
    } else {
        (0..found.len()).filter_map(other).collect()
    };
    let mut all: Vec<Option<Straight>> = functions.iter().map(|_| None).collect();
    for (k, straight, _) in first.into_iter().chain(others) {
        all[found[k].0] = Some(straight);
    }
    all
}

fn give_home(home: &mut u32, scratch_len: &mut usize, len: usize) {
    if *home == NO_HOME {
        *home = *scratch_len as u32;
        *scratch_len += len;
    }
}

/// Which function defines a value or runs a loop.
struct Owner {
    value: Vec<u32>,
    counter: Vec<u32>,
}

impl Owner {
    fn define(&mut self, kernel: &Kernel, function: u32, inst: u32) {
        match kernel.insts[inst as usize] {
            Inst::Const { dst, .. }
            | Inst::Load { dst, .. }
            | Inst::Apply { dst, .. }
            | Inst::Counter { dst, .. } => self.value[dst as usize] = function,
            Inst::Loop { id } => {
                self.counter[id as usize] = function;
                for carried in &kernel.loops[id as usize].carried {
                    self.value[carried.dst as usize] = function;
                }
            }
            Inst::EndIf { id } => {
                for &(dst, ..) in &kernel.conds[id as usize].phis {
                    self.value[dst as usize] = function;
                }
            }
            _ => {}
        }
    }
}

enum Use {
    Value(Val),
    Counter(LoopId),
}

/// Calls `each` for all values and counters an instruction reads.
fn uses(kernel: &Kernel, inst: u32, mut each: impl FnMut(Use)) {
    let affine = |index: &Affine, each: &mut dyn FnMut(Use)| {
        index.terms.iter().for_each(|&(id, _)| each(Use::Counter(id)));
    };
    let addr = |addr: u32, each: &mut dyn FnMut(Use)| {
        let addr = &kernel.addrs[addr as usize];
        affine(&addr.index, each);
        addr.tables.iter().for_each(|lookup| affine(&lookup.index, each));
    };
    match kernel.insts[inst as usize] {
        Inst::Load { addr: id, .. } => addr(id, &mut each),
        Inst::Store { addr: id, src } | Inst::Accumulate { addr: id, src } => {
            addr(id, &mut each);
            each(Use::Value(src));
        }
        Inst::Apply { op, args, .. } => {
            args[..op.arity()].iter().for_each(|&val| each(Use::Value(val)));
        }
        Inst::Counter { info, .. } => each(Use::Counter(kernel.counters[info as usize].loop_id)),
        Inst::Loop { id } => {
            let info = &kernel.loops[id as usize];
            if let Trip::Rest { used, .. } = &info.trip {
                affine(used, &mut each);
            }
            info.carried.iter().for_each(|carried| each(Use::Value(carried.init)));
        }
        Inst::EndLoop { id } => {
            let info = &kernel.loops[id as usize];
            info.carried.iter().for_each(|carried| each(Use::Value(carried.next)));
            if info.poll != 0 {
                affine(&info.first, &mut each);
            }
        }
        Inst::If { cond, .. } => each(Use::Value(cond)),
        Inst::Else { id } => {
            kernel.conds[id as usize].phis.iter().for_each(|&(_, yes, _)| each(Use::Value(yes)));
        }
        Inst::EndIf { id } => {
            kernel.conds[id as usize].phis.iter().for_each(|&(_, _, no)| each(Use::Value(no)));
        }
        Inst::Call { id } => {
            let call = &kernel.calls[id as usize];
            call.args.iter().chain(&call.res).for_each(|&id| addr(id, &mut each));
        }
        Inst::Check { value, .. } => each(Use::Value(value)),
        Inst::Const { .. } | Inst::IfWanted { .. } | Inst::EndWanted => {}
    }
}

/// An unfinished region: finished items, then the current part in chunks.
#[derive(Default)]
struct Region {
    done: Vec<Item>,
    done_weight: usize,
    chunks: Vec<Vec<Item>>,
    current: Vec<Item>,
    current_weight: usize,
}

impl Region {
    /// Appends items that stay together.
    fn push(&mut self, items: Vec<Item>, weight: usize, limit: usize) {
        if self.current_weight + weight > limit && !self.current.is_empty() {
            self.chunks.push(std::mem::take(&mut self.current));
            self.current_weight = 0;
        }
        self.current_weight += weight;
        items.into_iter().for_each(|item| append(&mut self.current, item));
    }

    /// Ends the current part, as pieces if it is long.
    fn finish_part(&mut self, functions: &mut Vec<Vec<Item>>, limit: usize) {
        while !self.chunks.is_empty() {
            self.chunks.push(std::mem::take(&mut self.current));
            self.current_weight = 0;
            for chunk in std::mem::take(&mut self.chunks) {
                let piece = Item::Piece(functions.len() as u32);
                functions.push(chunk);
                self.push(vec![piece], PIECE_WEIGHT, limit.max(2 * PIECE_WEIGHT));
            }
        }
        self.done_weight += std::mem::take(&mut self.current_weight);
        for item in std::mem::take(&mut self.current) {
            append(&mut self.done, item);
        }
    }
}

/// Instructions that the call of a piece counts for.
const PIECE_WEIGHT: usize = 4;

fn append(items: &mut Vec<Item>, item: Item) {
    match (items.last_mut(), &item) {
        (Some(Item::Insts { end, .. }), Item::Insts { begin, end: new_end }) if *end == *begin => {
            *end = *new_end;
        }
        _ => items.push(item),
    }
}

/// How a loop stands among the functions.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Standing {
    /// Part of one.
    Within,
    /// A function of its own, which may call further ones.
    Alone,
    /// A single function of its own.
    Whole,
}

/// Divides the instructions among functions. Segments `alone` are a function each.
fn cut(
    kernel: &Kernel,
    limit: usize,
    alone: &[Segment],
    standing: impl Fn(LoopId) -> Standing,
) -> Vec<Vec<Item>> {
    let mut functions = Vec::new();
    let mut alone = alone.iter().copied().peekable();
    let mut regions = vec![Region::default()];
    // Where the loop that is being passed over begins.
    let mut whole = None;
    for (pc, inst) in kernel.insts.iter().enumerate() {
        if let Some(Segment { begin, end }) = alone.peek().copied()
            && begin <= pc
        {
            if end == pc + 1 {
                alone.next();
                let (begin, end) = (begin as u32, end as u32);
                functions.push(vec![Item::Insts { begin, end }]);
                if begin == 0 && pc + 1 == kernel.insts.len() {
                    return functions;
                }
                let piece = Item::Piece(functions.len() as u32 - 1);
                if let Some(region) = regions.last_mut() {
                    region.push(vec![piece], PIECE_WEIGHT, limit.max(2 * PIECE_WEIGHT));
                }
            }
            continue;
        }
        let pc = pc as u32;
        let single = Item::Insts { begin: pc, end: pc + 1 };
        if let Some(begin) = whole {
            if let Inst::EndLoop { .. } = inst {
                let piece = Item::Piece(functions.len() as u32);
                functions.push(vec![Item::Insts { begin, end: pc + 1 }]);
                if let Some(region) = regions.last_mut() {
                    region.push(vec![piece], PIECE_WEIGHT, limit.max(2 * PIECE_WEIGHT));
                }
                whole = None;
            }
            continue;
        }
        match inst {
            Inst::Loop { id } if standing(*id) == Standing::Whole => whole = Some(pc),
            Inst::Loop { .. } | Inst::If { .. } | Inst::IfWanted { .. } => {
                regions.push(Region { done: vec![single], ..Region::default() });
            }
            Inst::Else { .. } => {
                if let Some(region) = regions.last_mut() {
                    region.finish_part(&mut functions, limit);
                    append(&mut region.done, single);
                }
            }
            Inst::EndLoop { .. } | Inst::EndIf { .. } | Inst::EndWanted => {
                if let Some(mut region) = regions.pop() {
                    region.finish_part(&mut functions, limit);
                    append(&mut region.done, single);
                    let mut weight = region.done_weight + merged(kernel, *inst);
                    if let Inst::EndLoop { id } = *inst
                        && standing(id) == Standing::Alone
                    {
                        let piece = Item::Piece(functions.len() as u32);
                        functions.push(std::mem::replace(&mut region.done, vec![piece]));
                        weight = PIECE_WEIGHT;
                    }
                    if let Some(outer) = regions.last_mut() {
                        outer.push(region.done, weight, limit);
                    }
                }
            }
            _ => {
                if let Some(region) = regions.last_mut() {
                    region.push(vec![single], weight(kernel, *inst), limit);
                }
            }
        }
    }
    let mut top = regions.pop().unwrap_or_default();
    top.finish_part(&mut functions, limit);
    functions.push(top.done);
    functions
}

/// Instructions for entering and leaving a region.
fn merged(kernel: &Kernel, end: Inst) -> usize {
    2 + match end {
        Inst::EndLoop { id } => kernel.loops[id as usize].carried.len(),
        Inst::EndIf { id } => kernel.conds[id as usize].phis.len(),
        _ => 0,
    }
}

fn weight(kernel: &Kernel, inst: Inst) -> usize {
    match inst {
        Inst::Const { .. } => 0,
        Inst::Call { id } => {
            let call = &kernel.calls[id as usize];
            4 + call.args.len() + call.res.len()
        }
        _ => 1,
    }
}
