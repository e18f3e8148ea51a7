//! What the C text of a kernel needs to know before it is written: which values are used, where
//! straight-line code is cut into pieces, and which values cross from piece to piece.

use crate::kernel::ir::{AddrId, Base, Inst, Kernel, Val};

/// Statements of one C function beyond which straight-line code is cut: compilers take
/// superlinear time over many live locals (gcc 12 at -O2, 150,000 statements: 27 s in pieces of
/// 1,000, 73 s in pieces of 5,000, whose code is larger too).
const PIECE: usize = 1_000;

/// A run of instructions outside of every region, or one whole region; guards of wanted results
/// are dissolved into [`Item::wanted`].
pub struct Item {
    /// First instruction.
    pub start: usize,
    /// One past the last.
    pub end: usize,
    /// The only result that needs this item.
    pub wanted: Option<u32>,
}

/// Where a use finds the value.
#[derive(Clone, Copy, PartialEq)]
pub enum Place {
    /// In the C local that its definition declared.
    Local,
    /// Written out at each use.
    Literal(f64),
    /// Read again in each piece that uses it: an argument or constant datum.
    Reload(AddrId),
    /// In the C local of its piece, and from there on in this slot behind the work memory.
    Slot(usize),
}

pub struct Plan {
    pub items: Vec<Item>,
    /// One past the last item of each piece.
    pub pieces: Vec<usize>,
    /// By value; values that nothing needs are not written.
    pub live: Vec<bool>,
    /// By value.
    pub places: Vec<Place>,
    /// The piece that defines a value outside of every region, by value.
    pub piece_of: Vec<u32>,
    /// Number of slots behind the kernel's work memory.
    pub n_slots: usize,
    /// By result: touched outside of its own guard.
    pub unguarded: Vec<bool>,
    /// By argument: read at all.
    pub read: Vec<bool>,
}

impl Plan {
    pub fn new(kernel: &Kernel) -> Plan {
        let live = live_values(kernel);
        let items = items(kernel);
        let mut plan = Plan {
            pieces: pieces(kernel, &items, &live),
            places: vec![Place::Local; kernel.n_values as usize],
            piece_of: vec![u32::MAX; kernel.n_values as usize],
            n_slots: 0,
            unguarded: vec![false; kernel.res.len()],
            read: vec![false; kernel.args.len()],
            items,
            live,
        };
        for inst in &kernel.insts {
            if let Inst::Const { dst, value } = *inst {
                plan.places[dst as usize] = Place::Literal(value);
            }
        }
        plan.scan_memory(kernel);
        if plan.pieces.len() > 1 {
            plan.place_crossing(kernel);
        }
        plan
    }

    fn scan_memory(&mut self, kernel: &Kernel) {
        for item in &self.items {
            for inst in &kernel.insts[item.start..item.end] {
                for_each_addr(kernel, inst, &self.live, |addr| {
                    match kernel.addrs[addr as usize].base {
                        Base::Arg(arg) => self.read[arg as usize] = true,
                        Base::Res(res) if item.wanted != Some(res) => {
                            self.unguarded[res as usize] = true;
                        }
                        _ => {}
                    }
                });
            }
        }
    }

    /// Gives a slot to each value that another piece uses; slots are free again after the piece
    /// of the last use.
    fn place_crossing(&mut self, kernel: &Kernel) {
        let mut begin = 0;
        for (piece, &end) in self.pieces.iter().enumerate() {
            for item in &self.items[begin..end] {
                for_each_definition(kernel, item, |val, load| {
                    self.piece_of[val as usize] = piece as u32;
                    let immutable = load.filter(|&addr| {
                        matches!(kernel.addrs[addr as usize].base, Base::Arg(_) | Base::Data(_))
                    });
                    if let (Some(addr), Place::Local) = (immutable, self.places[val as usize]) {
                        self.places[val as usize] = Place::Reload(addr);
                    }
                });
            }
            begin = end;
        }
        let mut last_use = vec![0_u32; kernel.n_values as usize];
        begin = 0;
        for (piece, &end) in self.pieces.iter().enumerate() {
            let piece = piece as u32;
            for item in &self.items[begin..end] {
                for inst in &kernel.insts[item.start..item.end] {
                    for_each_use(kernel, inst, &self.live, |val| {
                        let val = val as usize;
                        let defined = self.piece_of[val];
                        if defined < piece && self.places[val] == Place::Local {
                            last_use[val] = piece;
                        }
                    });
                }
            }
            begin = end;
        }
        let mut free: Vec<usize> = Vec::new();
        let mut expiring: Vec<Vec<usize>> = vec![Vec::new(); self.pieces.len()];
        begin = 0;
        for (piece, &end) in self.pieces.iter().enumerate() {
            for item in &self.items[begin..end] {
                for_each_definition(kernel, item, |val, _| {
                    let val = val as usize;
                    if last_use[val] > 0 {
                        let slot = free.pop().unwrap_or_else(|| {
                            self.n_slots += 1;
                            self.n_slots - 1
                        });
                        self.places[val] = Place::Slot(slot);
                        expiring[last_use[val] as usize].push(slot);
                    }
                });
            }
            free.append(&mut expiring[piece]);
            begin = end;
        }
    }
}

/// Calls `f` with every value the live instruction reads.
pub fn for_each_use(kernel: &Kernel, inst: &Inst, live: &[bool], mut f: impl FnMut(Val)) {
    match *inst {
        Inst::Store { src, .. } | Inst::Accumulate { src, .. } => f(src),
        Inst::Apply { dst, op, args } if live[dst as usize] => {
            args[..op.arity()].iter().for_each(|&arg| f(arg));
        }
        Inst::If { cond, .. } => f(cond),
        Inst::Check { value, .. } => f(value),
        Inst::Loop { id } => {
            let carried = kernel.loops[id as usize].carried.iter();
            carried.filter(|c| live[c.dst as usize]).for_each(|c| f(c.init));
        }
        Inst::EndLoop { id } => {
            let carried = kernel.loops[id as usize].carried.iter();
            carried.filter(|c| live[c.dst as usize]).for_each(|c| f(c.next));
        }
        Inst::EndIf { id } => {
            let phis = kernel.conds[id as usize].phis.iter();
            phis.filter(|p| live[p.0 as usize]).for_each(|&(_, first, second)| {
                f(first);
                f(second);
            });
        }
        _ => {}
    }
}

/// Calls `f` with every address of the instruction, unless the instruction is not live.
fn for_each_addr(kernel: &Kernel, inst: &Inst, live: &[bool], mut f: impl FnMut(AddrId)) {
    match *inst {
        Inst::Load { dst, addr } if live[dst as usize] => f(addr),
        Inst::Store { addr, .. } | Inst::Accumulate { addr, .. } => f(addr),
        Inst::Call { id } => {
            let call = &kernel.calls[id as usize];
            call.args.iter().chain(&call.res).for_each(|&addr| f(addr));
        }
        _ => {}
    }
}

/// Calls `f` with every value that `item` defines for the items after it, and the address that
/// it is loaded from if it is.
pub fn for_each_definition(kernel: &Kernel, item: &Item, mut f: impl FnMut(Val, Option<AddrId>)) {
    // an item is a single instruction, or a region whose first instruction opens it
    match kernel.insts[item.start] {
        Inst::Load { dst, addr } => f(dst, Some(addr)),
        Inst::Const { dst, .. } | Inst::Apply { dst, .. } | Inst::Counter { dst, .. } => {
            f(dst, None);
        }
        Inst::Loop { id } => {
            kernel.loops[id as usize].carried.iter().for_each(|c| f(c.dst, None));
        }
        Inst::If { id, .. } => {
            kernel.conds[id as usize].phis.iter().for_each(|phi| f(phi.0, None));
        }
        _ => {}
    }
}

/// Values that reach memory, a check or a condition.
fn live_values(kernel: &Kernel) -> Vec<bool> {
    #[derive(Clone, Copy)]
    enum Source {
        Leaf,
        Apply(usize),
        Carried(Val, Val),
    }
    let mut sources = vec![Source::Leaf; kernel.n_values as usize];
    let mut work: Vec<Val> = Vec::new();
    for (at, inst) in kernel.insts.iter().enumerate() {
        match *inst {
            Inst::Apply { dst, .. } => sources[dst as usize] = Source::Apply(at),
            Inst::Store { src: val, .. }
            | Inst::Accumulate { src: val, .. }
            | Inst::If { cond: val, .. }
            | Inst::Check { value: val, .. } => work.push(val),
            _ => {}
        }
    }
    for carried in kernel.loops.iter().flat_map(|l| &l.carried) {
        sources[carried.dst as usize] = Source::Carried(carried.init, carried.next);
    }
    for &(dst, first, second) in kernel.conds.iter().flat_map(|c| &c.phis) {
        sources[dst as usize] = Source::Carried(first, second);
    }
    let mut live = vec![false; kernel.n_values as usize];
    while let Some(val) = work.pop() {
        if std::mem::replace(&mut live[val as usize], true) {
            continue;
        }
        match sources[val as usize] {
            Source::Leaf => {}
            Source::Apply(at) => {
                if let Inst::Apply { op, args, .. } = kernel.insts[at] {
                    work.extend(&args[..op.arity()]);
                }
            }
            Source::Carried(first, second) => work.extend([first, second]),
        }
    }
    live
}

fn items(kernel: &Kernel) -> Vec<Item> {
    let mut items = Vec::new();
    let mut wanted = None;
    let mut depth = 0;
    let mut start = 0;
    for (at, inst) in kernel.insts.iter().enumerate() {
        match inst {
            Inst::IfWanted { res } => {
                wanted = Some(*res);
                continue;
            }
            Inst::EndWanted => {
                wanted = None;
                continue;
            }
            Inst::Loop { .. } | Inst::If { .. } => {
                if depth == 0 {
                    start = at;
                }
                depth += 1;
                continue;
            }
            Inst::EndLoop { .. } | Inst::EndIf { .. } => depth -= 1,
            _ if depth == 0 => start = at,
            _ => {}
        }
        if depth == 0 {
            items.push(Item { start, end: at + 1, wanted });
        }
    }
    items
}

fn pieces(kernel: &Kernel, items: &[Item], live: &[bool]) -> Vec<usize> {
    let mut pieces = Vec::new();
    let mut size = 0;
    for (at, item) in items.iter().enumerate() {
        let statements = kernel.insts[item.start..item.end]
            .iter()
            .filter(|inst| match **inst {
                Inst::Const { .. } => false,
                Inst::Load { dst, .. } | Inst::Apply { dst, .. } | Inst::Counter { dst, .. } => {
                    live[dst as usize]
                }
                _ => true,
            })
            .count();
        if size > 0 && size + statements > PIECE {
            pieces.push(at);
            size = 0;
        }
        size += statements;
    }
    pieces.push(items.len());
    pieces
}
