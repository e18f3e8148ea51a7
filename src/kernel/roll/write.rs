//! Writes the kernel anew: blocks that repeat as loops, all else as it was.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::ir::{
    Addr, AddrId, Affine, Base, Carried, Inst, Kernel, Lookup, LoopId, LoopInfo, Trip, Val,
};
use super::super::pack::defined;
use super::super::polls;
use super::classify::{Block, Blocks, Need, Places, Slot};
use super::items::{Items, NONE, Operand, Segment};

/// `None` if work memory would be beyond what tables can say.
pub fn write(items: &Items, blocks: &Blocks) -> Option<Kernel> {
    let old = items.kernel;
    let n = old.n_values as usize;
    let mut writer = Writer {
        items,
        blocks,
        kernel: Kernel {
            name: old.name.clone(),
            args: old.args.clone(),
            res: old.res.clone(),
            insts: Vec::new(),
            addrs: Vec::new(),
            loops: old.loops.clone(),
            conds: old.conds.clone(),
            calls: old.calls.clone(),
            checks: old.checks.clone(),
            counters: old.counters.clone(),
            data: old.data.clone(),
            tables: old.tables.clone(),
            n_values: old.n_values,
            work_len: old.work_len,
            cost: old.cost,
        },
        homes: blocks.blocks.iter().map(|block| vec![0; block.roles.len()]).collect(),
        carried: FxHashMap::default(),
        kept: FxHashMap::default(),
        known: vec![(0, 0); n],
        segment: 0,
        addrs: FxHashMap::default(),
        moved: vec![NONE; old.addrs.len()],
        tables: FxHashMap::default(),
    };
    writer.all();
    let mut kernel = writer.kernel;
    if kernel.work_len > u32::MAX as usize {
        return None;
    }
    renumber(&mut kernel);
    polls::place(&mut kernel);
    Some(kernel)
}

struct Writer<'a> {
    items: &'a Items<'a>,
    blocks: &'a Blocks,
    kernel: Kernel,
    /// Where the values of the first iteration lie in work memory.
    homes: Vec<Vec<i64>>,
    /// What holds the value of the last iteration after the loop, by block and instruction.
    carried: FxHashMap<(u32, u32), Val>,
    /// Segments and places where single values are put into work memory.
    kept: FxHashMap<Val, (u32, i64)>,
    /// For each old value the segment, from 1 on, and the new value that it is there.
    known: Vec<(u32, Val)>,
    /// The segment that is written, from 1 on.
    segment: u32,
    addrs: FxHashMap<Addr, AddrId>,
    /// New numbers of old addresses.
    moved: Vec<AddrId>,
    tables: FxHashMap<Arc<[u32]>, u32>,
}

impl Writer<'_> {
    fn all(&mut self) {
        let mut pc = 0;
        let insts = &self.items.kernel.insts;
        for k in 0..=self.items.segments.len() {
            let segment = self.items.segments.get(k);
            let end = segment.map_or(insts.len(), |segment| segment.begin);
            for &inst in &insts[pc..end] {
                self.copy(inst);
            }
            if let Some(segment) = segment {
                self.segment = k as u32 + 1;
                self.segment(segment);
                pc = segment.end;
            }
        }
        for call in 0..self.kernel.calls.len() {
            let mut call_info = self.kernel.calls[call].clone();
            for addr in call_info.args.iter_mut().chain(&mut call_info.res) {
                *addr = self.old_addr(*addr);
            }
            self.kernel.calls[call] = call_info;
        }
    }

    fn copy(&mut self, mut inst: Inst) {
        if let Inst::Load { addr, .. } | Inst::Store { addr, .. } | Inst::Accumulate { addr, .. } =
            &mut inst
        {
            *addr = self.old_addr(*addr);
        }
        self.kernel.insts.push(inst);
    }

    fn segment(&mut self, segment: &Segment) {
        let mut item = segment.first;
        while item < segment.last {
            match self.blocks.of(item) {
                Some(k) => {
                    self.block(k as u32);
                    item = self.blocks.blocks[k].run.end();
                }
                None => {
                    self.straight(item);
                    item += 1;
                }
            }
        }
        // What is no straight-line code finds values under their old numbers.
        for pc in segment.begin..segment.end {
            let Some(val) = defined(&self.items.kernel.insts[pc]) else { continue };
            if self.items.is_used_elsewhere[val as usize] {
                let place = self.items.places[val as usize];
                let is_there = place != NONE && self.blocks.of(place).is_none();
                if !is_there {
                    self.define(val, val);
                }
            }
        }
    }

    /// An item that is in no block.
    fn straight(&mut self, item: u32) {
        let mut inst = *self.items.inst(item);
        match &mut inst {
            Inst::Apply { op, args, .. } => {
                let (used, beyond) = args.split_at_mut(op.arity());
                used.iter_mut().for_each(|val| *val = self.value(*val));
                beyond.fill(used[0]);
            }
            Inst::Store { src, .. } | Inst::Accumulate { src, .. } => *src = self.value(*src),
            _ => {}
        }
        self.copy(inst);
        if let Some(dst) = defined(&inst)
            && self.blocks.is_kept[dst as usize]
        {
            self.keep(dst);
        }
    }

    /// Puts a single value into work memory.
    fn keep(&mut self, val: Val) -> i64 {
        let at = self.reserve(1);
        self.store(Base::Work, Affine { offset: at, terms: Vec::new() }, val);
        self.kept.insert(val, (self.segment, at));
        at
    }

    fn reserve(&mut self, len: u32) -> i64 {
        let at = self.kernel.work_len as i64;
        self.kernel.work_len += len as usize;
        at
    }

    fn fresh(&mut self) -> Val {
        self.kernel.n_values += 1;
        self.kernel.n_values - 1
    }

    /// What an old value is outside of the loops of blocks.
    fn value(&mut self, val: Val) -> Val {
        if self.known[val as usize].0 == self.segment {
            return self.known[val as usize].1;
        }
        let place = self.items.places[val as usize];
        let new = if place == NONE {
            match self.items.operand(val) {
                Operand::Value(_) => val,
                _ => {
                    let dst = self.fresh();
                    self.define(dst, val)
                }
            }
        } else if let Some(k) = self.blocks.of(place) {
            let (role, _) = self.blocks.blocks[k].run.role(place);
            match self.carried.get(&(k as u32, role)) {
                Some(&carried) if self.need(k, role) == Need::Last => carried,
                _ => {
                    let dst = self.fresh();
                    self.define(dst, val)
                }
            }
        } else {
            val
        };
        self.known[val as usize] = (self.segment, new);
        new
    }

    fn need(&self, block: usize, role: u32) -> Need {
        self.blocks.blocks[block].roles[role as usize].need
    }

    /// Makes `dst` what an old value is that is a leaf or part of a block.
    fn define(&mut self, dst: Val, val: Val) -> Val {
        match self.items.operand(val) {
            Operand::Const(value) => self.kernel.insts.push(Inst::Const { dst, value }),
            Operand::Leaf(base, offset) => {
                let addr = self.addr(base, Affine { offset, terms: Vec::new() }, Vec::new());
                self.kernel.insts.push(Inst::Load { dst, addr });
            }
            Operand::Value(_) => {
                let place = self.items.places[val as usize];
                let of =
                    self.blocks.of(place).map(|k| (k, self.blocks.blocks[k].run.role(place).0));
                match of {
                    Some((k, role)) if self.need(k, role) == Need::Last => {
                        // A copy, as a value has one number.
                        let src = self.carried[&(k as u32, role)];
                        let at = self.reserve(1);
                        self.store(Base::Work, Affine { offset: at, terms: Vec::new() }, src);
                        let index = Affine { offset: at, terms: Vec::new() };
                        let addr = self.addr(Base::Work, index, Vec::new());
                        self.kernel.insts.push(Inst::Load { dst, addr });
                    }
                    _ => {
                        let index = Affine { offset: self.home(val), terms: Vec::new() };
                        let addr = self.addr(Base::Work, index, Vec::new());
                        self.kernel.insts.push(Inst::Load { dst, addr });
                    }
                }
            }
        }
        dst
    }

    /// Where a value lies in work memory.
    fn home(&mut self, val: Val) -> i64 {
        let place = self.items.places[val as usize];
        let of = (place != NONE).then(|| self.blocks.of(place)).flatten();
        match of {
            Some(k) => {
                let (role, trip) = self.blocks.blocks[k].run.role(place);
                self.homes[k][role as usize] + i64::from(trip)
            }
            // What is put there in another segment may have been skipped, unless next to its
            // definition.
            None => match self.kept.get(&val) {
                Some(&(segment, at)) if place != NONE || segment == self.segment => at,
                _ => self.keep(val),
            },
        }
    }

    fn store(&mut self, base: Base, index: Affine, src: Val) {
        let addr = self.addr(base, index, Vec::new());
        self.kernel.insts.push(Inst::Store { addr, src });
    }

    fn addr(&mut self, base: Base, index: Affine, tables: Vec<Lookup>) -> AddrId {
        let addr = Addr { base, index, tables };
        let kernel = &mut self.kernel;
        // Most addresses without counters are used once.
        if addr.index.terms.is_empty() && addr.tables.is_empty() {
            kernel.addrs.push(addr);
            return kernel.addrs.len() as AddrId - 1;
        }
        *self.addrs.entry(addr).or_insert_with_key(|addr| {
            kernel.addrs.push(addr.clone());
            kernel.addrs.len() as AddrId - 1
        })
    }

    fn old_addr(&mut self, old: AddrId) -> AddrId {
        let moved = &mut self.moved[old as usize];
        if *moved == NONE {
            *moved = self.kernel.addrs.len() as AddrId;
            self.kernel.addrs.push(self.items.kernel.addrs[old as usize].clone());
        }
        *moved
    }

    /// The loops of a block.
    fn block(&mut self, k: u32) {
        let blocks = self.blocks;
        let block = &blocks.blocks[k as usize];
        // Memory that loops read comes before memory that they write.
        self.keep_listed(block);
        for (role, of) in block.roles.iter().enumerate() {
            if of.need == Need::All {
                let at = self.reserve(of.front + block.run.trips);
                self.homes[k as usize][role] = at + i64::from(of.front);
            }
        }
        let mut fronts: Vec<_> = block.fronts.iter().map(|(&at, &val)| (at, val)).collect();
        fronts.sort_unstable();
        for ((role, distance), val) in fronts {
            if block.roles[role as usize].need == Need::All {
                let src = self.value(val);
                let offset = self.homes[k as usize][role as usize] - i64::from(distance);
                self.store(Base::Work, Affine { offset, terms: Vec::new() }, src);
            }
        }
        let mut made = vec![NONE; block.roles.len()];
        for phase in 0..block.n_phases {
            self.one_loop(k, phase, &mut made);
        }
    }

    /// Puts what tables find and what is in no block into work memory.
    fn keep_listed(&mut self, block: &Block) {
        let run = block.run;
        for (user, role) in (0..).zip(&block.roles) {
            for (slot, _) in role.slots.iter().enumerate().filter(|slot| *slot.1 == Slot::Listed) {
                for trip in 0..run.trips {
                    self.home(self.items.args(run.item(user, trip)).0[slot]);
                }
            }
        }
    }

    fn one_loop(&mut self, k: u32, phase: u8, made: &mut [Val]) {
        let blocks = self.blocks;
        let block = &blocks.blocks[k as usize];
        let members: Vec<u32> =
            (0..block.run.period).filter(|&r| block.roles[r as usize].phase == phase).collect();
        if members.is_empty() {
            return;
        }
        let id = self.kernel.loops.len() as LoopId;
        let mut carried: Vec<(u32, Carried)> = Vec::new();
        let mut seen = FxHashSet::default();
        for &user in &members {
            for &slot in &block.roles[user as usize].slots {
                match slot {
                    Slot::Back { role, .. } if block.carries(user, slot) && seen.insert(role) => {
                        let init = self.value(block.fronts[&(role, 1)]);
                        let dst = self.fresh();
                        carried.push((role, Carried { dst, init, next: init }));
                        self.carried.insert((k, role), dst);
                    }
                    Slot::Outer(val) => {
                        self.value(val);
                    }
                    _ => {}
                }
            }
        }
        let info = LoopInfo {
            trip: Trip::Const(u64::from(block.run.trips)),
            carried: Vec::new(),
            poll: 0,
            first: Affine::default(),
        };
        self.kernel.loops.push(info);
        self.kernel.insts.push(Inst::Loop { id });
        let mut body =
            Body { k, id, phase, loads: FxHashMap::default(), consts: FxHashMap::default() };
        for &role in &members {
            self.instruction(&mut body, role, made);
        }
        for (role, one) in &mut carried {
            one.next = made[*role as usize];
        }
        self.kernel.loops[id as usize].carried = carried.into_iter().map(|one| one.1).collect();
        self.kernel.insts.push(Inst::EndLoop { id });
    }

    fn instruction(&mut self, body: &mut Body, role: u32, made: &mut [Val]) {
        let blocks = self.blocks;
        let block = &blocks.blocks[body.k as usize];
        let of = &block.roles[role as usize];
        let mut args = [0; 3];
        for (k, &slot) in of.slots.iter().enumerate() {
            args[k] = self.operand(body, (role, k), slot, made);
        }
        for k in of.slots.len().max(1)..args.len() {
            args[k] = args[0];
        }
        let addr = of.memory.map(|(base, places)| match places {
            Places::Even { first, step } => self.moving(body, base, first, step),
            Places::Listed => {
                let memory = |trip: u32| self.items.memory(block.run.item(role, trip));
                let at: Vec<i64> =
                    (0..block.run.trips).map(|trip| memory(trip).map_or(0, |at| at.1)).collect();
                self.listed(body, base, &at)
            }
        });
        let addr = addr.unwrap_or(NONE);
        let src = args[0];
        let dst = match of.inst {
            Inst::Apply { op, .. } => {
                let dst = self.fresh();
                self.kernel.insts.push(Inst::Apply { dst, op, args });
                dst
            }
            Inst::Load { .. } => {
                let dst = self.fresh();
                self.kernel.insts.push(Inst::Load { dst, addr });
                dst
            }
            Inst::Store { .. } => return self.kernel.insts.push(Inst::Store { addr, src }),
            _ => return self.kernel.insts.push(Inst::Accumulate { addr, src }),
        };
        made[role as usize] = dst;
        if of.need == Need::All {
            let at = self.homes[body.k as usize][role as usize];
            let addr = self.moving(body, Base::Work, at, 1);
            self.kernel.insts.push(Inst::Store { addr, src: dst });
        }
    }

    fn operand(
        &mut self,
        body: &mut Body,
        (user, k): (u32, usize),
        slot: Slot,
        made: &[Val],
    ) -> Val {
        let blocks = self.blocks;
        let block = &blocks.blocks[body.k as usize];
        let run = block.run;
        let items = self.items;
        let val = |trip: u32| items.args(run.item(user, trip)).0[k];
        let trips = 0..run.trips;
        match slot {
            Slot::Const(value) => {
                if let Some(&val) = body.consts.get(&value.to_bits()) {
                    return val;
                }
                let dst = self.fresh();
                self.kernel.insts.push(Inst::Const { dst, value });
                body.consts.insert(value.to_bits(), dst);
                dst
            }
            Slot::Series => {
                let series: Arc<[f64]> = trips
                    .map(|trip| match items.operand(val(trip)) {
                        Operand::Const(value) => value,
                        _ => f64::NAN,
                    })
                    .collect();
                self.kernel.data.push(series);
                let base = Base::Data(self.kernel.data.len() as u32 - 1);
                self.load(body, base, Places::Even { first: 0, step: 1 }, &[])
            }
            Slot::Leaf(base, places @ Places::Even { .. }) => self.load(body, base, places, &[]),
            Slot::Leaf(base, Places::Listed) => {
                let at = trips.map(|trip| match items.operand(val(trip)) {
                    Operand::Leaf(_, at) => at,
                    _ => 0,
                });
                let at: Vec<i64> = at.collect();
                self.load(body, base, Places::Listed, &at)
            }
            Slot::Same(role) if block.roles[role as usize].phase == body.phase => {
                made[role as usize]
            }
            Slot::Same(role) => self.at_home(body, body.k, role, 0, 1),
            Slot::Back { role, .. } if block.carries(user, slot) => self.carried[&(body.k, role)],
            Slot::Back { role, distance } => {
                self.at_home(body, body.k, role, -i64::from(distance), 1)
            }
            Slot::Outer(val) => self.value(val),
            Slot::Of { block, role, trip, step } => self.at_home(body, block, role, trip, step),
            Slot::Listed => {
                let at: Vec<i64> = trips.map(|trip| self.home(val(trip))).collect();
                let step = at[1] - at[0];
                let places = match at.windows(2).all(|pair| pair[1] - pair[0] == step) {
                    true => Places::Even { first: at[0], step },
                    false => Places::Listed,
                };
                self.load(body, Base::Work, places, &at)
            }
        }
    }

    fn at_home(&mut self, body: &mut Body, block: u32, role: u32, trip: i64, step: i64) -> Val {
        let first = self.homes[block as usize][role as usize] + trip;
        self.load(body, Base::Work, Places::Even { first, step }, &[])
    }

    /// A number from memory, read once in the body unless it is written there.
    fn load(&mut self, body: &mut Body, base: Base, places: Places, at: &[i64]) -> Val {
        let addr = match places {
            Places::Even { first, step } => self.moving(body, base, first, step),
            Places::Listed => self.listed(body, base, at),
        };
        let is_own = base == Base::Work && self.blocks.blocks[body.k as usize].is_entangled;
        if let Some(&val) = body.loads.get(&addr)
            && !is_own
        {
            return val;
        }
        let dst = self.fresh();
        self.kernel.insts.push(Inst::Load { dst, addr });
        body.loads.insert(addr, dst);
        dst
    }

    fn moving(&mut self, body: &Body, base: Base, first: i64, step: i64) -> AddrId {
        let terms = if step == 0 { Vec::new() } else { vec![(body.id, step)] };
        let index = Affine { offset: first, terms };
        if step != 0 {
            return self.addr(base, index, Vec::new());
        }
        let addr = Addr { base, index, tables: Vec::new() };
        let kernel = &mut self.kernel;
        *self.addrs.entry(addr).or_insert_with_key(|addr| {
            kernel.addrs.push(addr.clone());
            kernel.addrs.len() as AddrId - 1
        })
    }

    /// An address by a table.
    fn listed(&mut self, body: &Body, base: Base, at: &[i64]) -> AddrId {
        let offset = at.iter().copied().min().unwrap_or(0);
        let table: Arc<[u32]> = at.iter().map(|at| (at - offset) as u32).collect();
        let tables = &mut self.kernel.tables;
        let table = *self.tables.entry(table).or_insert_with_key(|table| {
            tables.push(table.clone());
            tables.len() as u32 - 1
        });
        let index = Affine { offset: 0, terms: vec![(body.id, 1)] };
        let index = Lookup { table, index };
        self.addr(base, Affine { offset, terms: Vec::new() }, vec![index])
    }
}

/// The loop that is written.
struct Body {
    k: u32,
    id: LoopId,
    phase: u8,
    loads: FxHashMap<AddrId, Val>,
    consts: FxHashMap<u64, Val>,
}

/// Numbers values in the order in which they are defined.
fn renumber(kernel: &mut Kernel) {
    let mut numbers = vec![NONE; kernel.n_values as usize];
    let mut n = 0;
    let mut define = |val: Val| {
        numbers[val as usize] = n;
        n += 1;
    };
    for inst in &kernel.insts {
        match *inst {
            Inst::Loop { id } => {
                kernel.loops[id as usize].carried.iter().for_each(|one| define(one.dst));
            }
            Inst::EndIf { id } => {
                kernel.conds[id as usize].phis.iter().for_each(|phi| define(phi.0));
            }
            _ => {
                if let Some(dst) = defined(inst) {
                    define(dst);
                }
            }
        }
    }
    kernel.n_values = n;
    let of = |val: &mut Val| *val = numbers[*val as usize];
    for inst in &mut kernel.insts {
        match inst {
            Inst::Const { dst, .. } | Inst::Load { dst, .. } | Inst::Counter { dst, .. } => of(dst),
            Inst::Store { src, .. } | Inst::Accumulate { src, .. } => of(src),
            Inst::Apply { dst, args, .. } => {
                of(dst);
                args.iter_mut().for_each(of);
            }
            Inst::If { cond, .. } => of(cond),
            Inst::Check { value, .. } => of(value),
            _ => {}
        }
    }
    for one in kernel.loops.iter_mut().flat_map(|info| &mut info.carried) {
        [&mut one.dst, &mut one.init, &mut one.next].into_iter().for_each(of);
    }
    for phi in kernel.conds.iter_mut().flat_map(|info| &mut info.phis) {
        [&mut phi.0, &mut phi.1, &mut phi.2].into_iter().for_each(of);
    }
}
