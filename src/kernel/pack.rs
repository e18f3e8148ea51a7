//! Puts like operations next to one another, so that machine code can do up to four at once: calls
//! of functions that vectors have, and divisions and square roots where all waits for these: the
//! processor does four in the time of one. Of additions and multiplications it does several at a
//! time anyway, so that vectors would not make up for being filled and emptied.
//!
//! Changes the order of operations that do not depend on one another and nothing else, so no bit.
//! Only straight-line code is reordered, and not what runs in vectors anyway.

use std::borrow::Cow;
use std::ops::Range;

use super::ir::{Base, Inst, Kernel, Val};
use super::lanes::independent;
use super::schedule::Paths;
use crate::ops::math::LANES;
use crate::ops::scalar::{Inst as Operation, Jit, ScalarOp};

/// What several operations have to be to be done at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Calls of the function with this address.
    Call(usize),
    Quotient,
    Root,
}

/// The kind of an operation that can be done together with others.
pub fn kind(inst: &Inst) -> Option<Kind> {
    let &Inst::Apply { op, .. } = inst else { return None };
    match op.row().jit {
        Jit::Call => Some(Kind::Call(op.row().wide?.together? as *const () as usize)),
        Jit::Inst(Operation::Div) => Some(Kind::Quotient),
        Jit::Inst(Operation::Sqrt) => Some(Kind::Root),
        Jit::Inst(_) => None,
    }
}

/// Whether the function of vectors is to treat the number of this operation as one with a tag.
pub fn is_tagged(op: ScalarOp) -> bool {
    op.row().wide.and_then(|wide| wide.tag).is_some_and(|tag| tag != 0.0)
}

/// Whether divisions and square roots of straight-line code are worth to be done at once.
pub fn is_dividing(insts: &[Inst]) -> bool {
    Busy::of(insts).is_dividing()
}

/// How many of the first instructions can be done at once.
pub fn alike(insts: &[Inst]) -> usize {
    let Some(first) = insts.first().and_then(kind) else { return 1 };
    let mut made: [Val; LANES] = [Val::MAX; LANES];
    let mut n = 0;
    for inst in insts.iter().take(LANES) {
        let &Inst::Apply { dst, op, args } = inst else { break };
        let needs_other = args[..op.arity()].iter().any(|arg| made.contains(arg));
        if kind(inst) != Some(first) || needs_other {
            break;
        }
        made[n] = dst;
        n += 1;
    }
    n
}

/// Puts like operations of a kernel's instructions next to one another. Owned are these if some
/// were moved.
pub fn pack(kernel: &Kernel) -> Cow<'_, [Inst]> {
    let mut insts = Cow::Borrowed(&kernel.insts[..]);
    // Two at least.
    if kernel.insts.iter().filter(|inst| kind(inst).is_some()).nth(1).is_none() {
        return insts;
    }
    let mut in_vectors = vec![false; kernel.insts.len()];
    for (_, body) in independent(kernel) {
        in_vectors[body.begin..body.end].fill(true);
    }
    let mut definitions = vec![NONE; kernel.n_values as usize];
    let mut begin = 0;
    while begin < insts.len() {
        let is_plain = |pc: usize| !in_vectors[pc] && is_plain(&kernel.insts[pc]);
        if !is_plain(begin) {
            begin += 1;
            continue;
        }
        let end = insts.len().min(begin + MOST_AT_ONCE);
        let len = (begin..end).take_while(|&pc| is_plain(pc)).count();
        let busy = Busy::of(&insts[begin..begin + len]);
        // Calls before the rest, as most is to be had there.
        let ways = [(true, busy.n_calls > 1), (false, busy.is_dividing())];
        for (calls, _) in ways.into_iter().filter(|&(_, is_worth_it)| is_worth_it) {
            let segment = Segment::of(kernel, &insts, begin..begin + len, &mut definitions);
            if let Some(order) = segment.order(calls, busy.cycles.max(busy.dividing)) {
                let reordered: Vec<Inst> =
                    order.iter().map(|&from| segment.insts[from as usize]).collect();
                insts.to_mut()[begin..begin + len].copy_from_slice(&reordered);
            }
        }
        begin += len;
    }
    insts
}

/// Instructions in which like operations are looked for, which caches hold.
const MOST_AT_ONCE: usize = 4096;

/// Whether other instructions may pass it.
fn is_plain(inst: &Inst) -> bool {
    inst.is_straight() || matches!(inst, Inst::Counter { .. })
}

/// What there is to do.
#[derive(Default)]
struct Busy {
    n_calls: usize,
    n_divisions: usize,
    /// About how many cycles all takes where nothing waits, calls made together with others, but
    /// for divisions and square roots, which are done beside, one by one; and those.
    cycles: u32,
    dividing: u32,
}

impl Busy {
    fn of(insts: &[Inst]) -> Busy {
        let mut busy = Busy { cycles: insts.len() as u32 * 2 / 5, ..Busy::default() };
        for kind in insts.iter().filter_map(kind) {
            match kind {
                Kind::Call(_) => {
                    busy.n_calls += 1;
                    busy.cycles += 7;
                }
                Kind::Quotient | Kind::Root => {
                    busy.n_divisions += 1;
                    busy.dividing += 5;
                }
            }
        }
        busy
    }

    /// Whether all waits for divisions and square roots. Elsewhere it would cost more to fill and
    /// to empty vectors.
    fn is_dividing(&self) -> bool {
        self.n_divisions > 1 && self.dividing > self.cycles
    }
}

/// Straight-line code.
struct Segment<'k> {
    insts: &'k [Inst],
    /// For each instruction.
    nodes: Vec<Node>,
    /// From the beginning until all results are there, about how many cycles if nothing else is
    /// to be done.
    longest: u32,
}

/// An instruction among others.
#[derive(Clone, Copy, Default)]
struct Node {
    /// What has to come before it.
    needs: [u32; MOST_NEEDS],
    n_needs: u8,
    /// About how many cycles it takes, and after how many it can begin.
    latency: u32,
    ready: u32,
}

/// Arguments, and the instruction before that uses the same memory.
const MOST_NEEDS: usize = 4;

impl Node {
    /// Notes that it needs one of the nodes before it; values from outside are there already.
    fn add(&mut self, need: u32, before: &[Node]) {
        if let Some(needed) = before.get(need as usize) {
            self.ready = self.ready.max(needed.ready + needed.latency);
            self.needs[usize::from(self.n_needs)] = need;
            self.n_needs += 1;
        }
    }

    fn needs(&self) -> &[u32] {
        &self.needs[..usize::from(self.n_needs)]
    }
}

impl<'k> Segment<'k> {
    /// The instructions of a range. `definitions` holds for each value where it is defined among
    /// all instructions, as far as those before it were looked at.
    fn of(
        kernel: &Kernel,
        insts: &'k [Inst],
        range: Range<usize>,
        definitions: &mut [u32],
    ) -> Segment<'k> {
        let begin = range.start as u32;
        let insts = &insts[range];
        let mut nodes: Vec<Node> = Vec::with_capacity(insts.len());
        let mut longest = 0;
        // Instructions that use memory which is written stay in their order.
        let mut last_pinned = NONE;
        for (k, inst) in (0..).zip(insts) {
            let mut node = Node::default();
            let definition = |val: Val| definitions[val as usize].wrapping_sub(begin);
            match *inst {
                Inst::Apply { op, args, .. } => {
                    args[..op.arity()].iter().for_each(|&val| node.add(definition(val), &nodes));
                    node.latency = latency(op);
                }
                Inst::Store { src, .. } | Inst::Accumulate { src, .. } => {
                    node.add(definition(src), &nodes);
                }
                _ => {}
            }
            if is_pinned(kernel, inst) {
                node.add(last_pinned, &nodes);
                last_pinned = k;
            }
            if let Some(dst) = defined(inst) {
                definitions[dst as usize] = begin + k;
            }
            longest = longest.max(node.ready + node.latency);
            nodes.push(node);
        }
        Segment { insts, nodes, longest }
    }

    /// An order with like calls next to one another, or with like operations that are none, where
    /// calls that are next to one another stay so; `None` if that changes nothing. All takes `busy`
    /// cycles if nothing waits.
    fn order(&self, calls: bool, busy: u32) -> Option<Vec<u32>> {
        let together = self.together(calls);
        let mut operations = self.operations(calls, &together);
        operations.sort_unstable();
        let (mut groups, is_busy) = self.groups(&operations, busy);
        if groups.is_empty() {
            return None;
        }
        groups.extend(together);
        let mut placer = Placer::new(&self.nodes, &groups);
        // Early calls find fewer values to save, but in long code their results take registers.
        let early = if is_busy && calls { &operations[..] } else { &[] };
        early.iter().for_each(|operation| placer.place(operation.at));
        (0..self.insts.len() as u32).for_each(|k| placer.place_next(k));
        Some(placer.order)
    }

    /// Calls that are next to one another already, if operations that are none are looked for.
    fn together(&self, calls: bool) -> Vec<Vec<u32>> {
        let mut together = Vec::new();
        let mut begin = 0;
        while !calls && begin < self.insts.len() {
            let n = match kind(&self.insts[begin]) {
                Some(Kind::Call(_)) => alike(&self.insts[begin..]),
                _ => 1,
            };
            if n > 1 {
                together.push((begin as u32..(begin + n) as u32).collect());
            }
            begin += n;
        }
        together
    }

    /// The calls, or the other operations that can be done several at once.
    fn operations(&self, calls: bool, together: &[Vec<u32>]) -> Vec<Like> {
        let mut operations = Vec::new();
        let mut level = vec![0u32; self.insts.len()];
        let mut together = together.iter().peekable();
        for (k, inst) in self.insts.iter().enumerate() {
            let needed = |k: usize, level: &[u32]| {
                self.nodes[k].needs().iter().map(|&need| level[need as usize]).max()
            };
            level[k] = level[k].max(needed(k, &level).unwrap_or(0));
            // Calls made at once need what one of them needs.
            if let Some(group) = together.next_if(|group| group.first() == Some(&(k as u32))) {
                let of_all = group.iter().filter_map(|&call| needed(call as usize, &level)).max();
                group.iter().for_each(|&call| level[call as usize] = of_all.unwrap_or(0));
            }
            // Nothing else takes as long.
            if self.nodes[k].latency > PLAIN_LATENCY
                && let Some(kind) = kind(inst)
                && calls == matches!(kind, Kind::Call(_))
            {
                level[k] += 1;
                operations.push(Like { level: level[k], kind, at: k as u32 });
            }
        }
        operations
    }

    /// Up to four operations each that can be done at once at no loss: the first results come when
    /// the last argument is there, which may make all of the code wait. And whether there is so
    /// much to do that nothing waits.
    fn groups(&self, operations: &[Like], busy: u32) -> (Vec<Vec<u32>>, bool) {
        let longest = self.longest;
        // What waits fills gaps until code takes about twice as long as it is busy.
        let is_busy = longest <= 2 * busy;
        let rest = if is_busy { Vec::new() } else { self.paths().rest };
        let mut groups = Vec::new();
        let mut others = operations;
        while let [first, ..] = others {
            let (mut begin, mut rest_of_all) = (0, 0);
            let fits = |one: &&Like| {
                if one.level != first.level || one.kind != first.kind || is_busy {
                    return one.level == first.level && one.kind == first.kind;
                }
                begin = begin.max(self.nodes[one.at as usize].ready);
                rest_of_all = rest_of_all.max(rest[one.at as usize]);
                begin + rest_of_all <= longest
            };
            let len = others.iter().take(LANES).take_while(fits).count().max(1);
            let (group, further) = others.split_at(len);
            if len > 1 {
                groups.push(group.iter().map(|one| one.at).collect());
            }
            others = further;
        }
        (groups, is_busy)
    }

    fn paths(&self) -> Paths {
        let latency: Vec<u32> = self.nodes.iter().map(|node| node.latency).collect();
        Paths::of(&latency, |k| self.nodes[k].needs().iter().map(|&need| need as usize))
    }
}

fn is_pinned(kernel: &Kernel, inst: &Inst) -> bool {
    let writable =
        |addr: u32| matches!(kernel.addrs[addr as usize].base, Base::Res(_) | Base::Work);
    match *inst {
        Inst::Store { .. } | Inst::Accumulate { .. } => true,
        Inst::Load { addr, .. } => writable(addr),
        _ => false,
    }
}

const NONE: u32 = u32::MAX;

/// An operation that may be done together with others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Like {
    /// Of the operations that it needs and itself, the most in a row: those of the same level do
    /// not need one another.
    level: u32,
    kind: Kind,
    at: u32,
}

/// Cycles until the result of an operation is there, about.
pub fn latency(op: ScalarOp) -> u32 {
    match op.row().jit {
        Jit::Call => 45,
        Jit::Inst(Operation::Div | Operation::Sqrt) => 15,
        Jit::Inst(_) => PLAIN_LATENCY,
    }
}

/// Of additions and such.
const PLAIN_LATENCY: u32 = 4;

/// The value that an instruction of straight-line code defines.
pub fn defined(inst: &Inst) -> Option<Val> {
    match *inst {
        Inst::Const { dst, .. }
        | Inst::Load { dst, .. }
        | Inst::Apply { dst, .. }
        | Inst::Counter { dst, .. } => Some(dst),
        _ => None,
    }
}

/// Makes an order in which every instruction comes after what it needs, and groups together.
struct Placer<'a> {
    nodes: &'a [Node],
    groups: &'a [Vec<u32>],
    /// For each instruction.
    group_of: Vec<u32>,
    is_done: Vec<bool>,
    order: Vec<u32>,
    /// What is to be placed, the last one first.
    open: Vec<u32>,
}

impl<'a> Placer<'a> {
    fn new(nodes: &'a [Node], groups: &'a [Vec<u32>]) -> Placer<'a> {
        let mut group_of = vec![NONE; nodes.len()];
        for (number, group) in (0..).zip(groups) {
            group.iter().for_each(|&k| group_of[k as usize] = number);
        }
        let (is_done, order) = (vec![false; nodes.len()], Vec::with_capacity(nodes.len()));
        Placer { nodes, groups, group_of, is_done, order, open: Vec::new() }
    }

    /// [`Placer::place`] where all instructions before it are placed.
    fn place_next(&mut self, k: u32) {
        if self.group_of[k as usize] != NONE {
            self.place(k);
        } else if !self.is_done[k as usize] {
            self.put(k);
        }
    }

    /// Appends an instruction, or the group it belongs to, after all that is needed.
    fn place(&mut self, k: u32) {
        self.open.push(k);
        while let Some(&top) = self.open.last() {
            if self.is_done[top as usize] {
                self.open.pop();
                continue;
            }
            let before = self.open.len();
            let group = self.groups.get(self.group_of[top as usize] as usize);
            match group {
                None => self.ask_for(top),
                Some(group) => group.iter().for_each(|&k| self.ask_for(k)),
            }
            if self.open.len() == before {
                match group {
                    None => self.put(top),
                    Some(group) => group.iter().for_each(|&k| self.put(k)),
                }
                self.open.pop();
            }
        }
    }

    /// What an instruction needs is to be placed.
    fn ask_for(&mut self, k: u32) {
        let needs = self.nodes[k as usize].needs().iter();
        self.open.extend(needs.filter(|&&need| !self.is_done[need as usize]));
    }

    fn put(&mut self, k: u32) {
        self.is_done[k as usize] = true;
        self.order.push(k);
    }
}
