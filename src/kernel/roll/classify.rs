//! What the operands of a block that repeats are, and which of its values outlive an iteration.

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::ir::{Base, Inst, Val};
use super::items::{Items, NONE, Operand};
use super::search::Run;
use super::split::split;

/// A run and what its instructions do.
pub struct Block {
    pub run: Run,
    pub roles: Vec<Role>,
    pub n_phases: u8,
    /// What `Back` reads before there was such an iteration: (instruction, iterations before the
    /// first one) and the value.
    pub fronts: FxHashMap<(u32, u32), Val>,
    /// Whether operands of some iterations are values of others, in no order.
    pub is_entangled: bool,
}

/// An instruction of the block.
pub struct Role {
    pub inst: Inst,
    pub slots: Vec<Slot>,
    /// The memory that it reads or writes.
    pub memory: Option<(Base, Places)>,
    /// Which of the loops it belongs to; those with odd numbers run in order.
    pub phase: u8,
    pub need: Need,
    /// Values before those of the first iteration that are read as if they were of this one.
    pub front: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Slot {
    Const(f64),
    /// A number of its own in each iteration.
    Series,
    Leaf(Base, Places),
    /// A value of this iteration.
    Same(u32),
    /// A value of an iteration before.
    Back {
        role: u32,
        distance: u32,
    },
    /// The same value in all iterations.
    Outer(Val),
    /// Values of another block: `trip + step * t`.
    Of {
        block: u32,
        role: u32,
        trip: i64,
        step: i64,
    },
    /// Any values.
    Listed,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Places {
    Even { first: i64, step: i64 },
    Listed,
}

/// Which values are used outside of their loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    No,
    Last,
    All,
}

/// All blocks, in order.
pub struct Blocks {
    pub blocks: Vec<Block>,
    /// For each value of no block whether loops read it from memory.
    pub is_kept: Vec<bool>,
}

impl Blocks {
    /// The block that an item is part of.
    pub fn of(&self, item: u32) -> Option<usize> {
        let after = self.blocks.partition_point(|block| block.run.begin <= item);
        let last = after.checked_sub(1)?;
        (item < self.blocks[last].run.end()).then_some(last)
    }

    /// Operands and places that tables give.
    pub fn n_by_tables(&self) -> usize {
        let is_listed = |slot: &&Slot| matches!(slot, Slot::Listed | Slot::Leaf(_, Places::Listed));
        let of = |role: &Role| {
            let memory = matches!(role.memory, Some((_, Places::Listed)));
            role.slots.iter().filter(is_listed).count() + usize::from(memory)
        };
        self.blocks.iter().flat_map(|block| &block.roles).map(of).sum()
    }

    /// Notes that a value is used outside of its loop, in memory or as a value.
    fn mark(&mut self, items: &Items, val: Val, in_memory: bool) {
        let place = items.places[val as usize];
        match self.of(place) {
            Some(block) if place != NONE => {
                let block = &mut self.blocks[block];
                let (role, trip) = block.run.role(place);
                let is_last = trip + 1 == block.run.trips && !in_memory;
                let need = &mut block.roles[role as usize].need;
                *need = (*need).max(if is_last { Need::Last } else { Need::All });
            }
            _ => self.is_kept[val as usize] |= in_memory,
        }
    }
}

pub fn classify(items: &Items, found: Vec<Run>) -> Blocks {
    let blocks = found.iter().map(|run| {
        let mut block = block(items, &found, *run);
        split(&mut block);
        block
    });
    let is_kept = vec![false; items.places.len()];
    let mut blocks = Blocks { blocks: blocks.collect(), is_kept };
    for k in 0..blocks.blocks.len() {
        mark_reads(items, &mut blocks, k);
    }
    mark_straight(items, &mut blocks);
    for block in &mut blocks.blocks {
        let carried = block.carried();
        for (role, of) in (0..).zip(&mut block.roles) {
            if of.need == Need::Last && !carried.contains(&role) {
                of.need = Need::All;
            }
        }
    }
    blocks
}

impl Block {
    /// Whether an operand is carried from one iteration to the next, and not read from memory.
    pub fn carries(&self, user: u32, slot: Slot) -> bool {
        let Slot::Back { role, distance: 1 } = slot else { return false };
        let phase = self.roles[user as usize].phase;
        phase % 2 == 1 && phase == self.roles[role as usize].phase
    }

    /// The instructions whose values are carried.
    fn carried(&self) -> FxHashSet<u32> {
        let mut carried = FxHashSet::default();
        for (user, of) in (0..).zip(&self.roles) {
            let slots = of.slots.iter().filter(|slot| self.carries(user, **slot));
            carried.extend(slots.filter_map(|slot| match *slot {
                Slot::Back { role, .. } => Some(role),
                _ => None,
            }));
        }
        carried
    }
}

/// How an operand moves from iteration to iteration.
#[derive(Clone, Copy, Default)]
struct Track {
    first: i64,
    last: i64,
    step: i64,
    /// The last iteration to which it moved otherwise than before.
    changed: u32,
    /// Whether some are values of this run.
    is_own: bool,
}

impl Track {
    fn add(&mut self, trip: u32, at: i64) {
        if trip == 0 {
            self.first = at;
        } else {
            let step = at.wrapping_sub(self.last);
            if trip == 1 || step != self.step {
                self.step = step;
                self.changed = trip;
            }
        }
        self.last = at;
    }

    fn is_even(&self) -> bool {
        self.changed <= 1
    }

    fn places(&self) -> Places {
        match self.is_even() {
            true => Places::Even { first: self.first, step: self.step },
            false => Places::Listed,
        }
    }
}

/// Operands, then memory.
const N_TRACKS: usize = 4;

fn block(items: &Items, found: &[Run], run: Run) -> Block {
    let mut tracks = vec![[Track::default(); N_TRACKS]; run.period as usize];
    for trip in 0..run.trips {
        for role in 0..run.period {
            let item = run.item(role, trip);
            let tracks = &mut tracks[role as usize];
            let (args, n_args) = items.args(item);
            for (track, &val) in tracks.iter_mut().zip(&args[..n_args]) {
                let at = match items.operand(val) {
                    Operand::Const(value) => value.to_bits() as i64,
                    Operand::Leaf(_, at) => at,
                    Operand::Value(_) => match items.places[val as usize] {
                        NONE => -1 - i64::from(val),
                        place => {
                            track.is_own |= place >= run.begin && place < run.end();
                            i64::from(place)
                        }
                    },
                };
                track.add(trip, at);
            }
            if let Some((_, at)) = items.memory(item) {
                tracks[N_TRACKS - 1].add(trip, at);
            }
        }
    }
    let mut block = Block {
        run,
        roles: Vec::with_capacity(tracks.len()),
        n_phases: 1,
        fronts: FxHashMap::default(),
        is_entangled: false,
    };
    for (role, tracks) in (0..run.period).zip(&tracks) {
        let (args, n_args) = items.args(run.item(role, 0));
        let slots = tracks.iter().zip(&args[..n_args]).enumerate().map(|(k, (track, &val))| {
            match items.operand(val) {
                Operand::Const(value) if track.is_even() && track.step == 0 => Slot::Const(value),
                Operand::Const(_) => Slot::Series,
                Operand::Leaf(base, _) => Slot::Leaf(base, track.places()),
                Operand::Value(_) => of_value(items, found, &mut block, (role, k), track),
            }
        });
        let slots = slots.collect();
        let memory = items.memory(run.item(role, 0));
        let memory = memory.map(|(base, _)| (base, tracks[N_TRACKS - 1].places()));
        let inst = *items.inst(run.item(role, 0));
        block.roles.push(Role { inst, slots, memory, phase: 0, need: Need::No, front: 0 });
    }
    for &(role, distance) in block.fronts.keys() {
        let front = &mut block.roles[role as usize].front;
        *front = (*front).max(distance);
    }
    let segment = items.segments.partition_point(|segment| segment.first <= run.begin);
    block.is_entangled |= segment > 0 && items.segments[segment - 1].is_pinned;
    block
}

/// Most iterations back to values that are kept in front of the first one's.
const FURTHEST: u32 = 8;

fn of_value(
    items: &Items,
    found: &[Run],
    block: &mut Block,
    (role, slot): (u32, usize),
    track: &Track,
) -> Slot {
    let run = block.run;
    let begin = i64::from(run.begin);
    let (period, trips) = (i64::from(run.period), i64::from(run.trips));
    let val = |trip: u32| items.args(run.item(role, trip)).0[slot];
    if track.is_even() && track.step == 0 && !track.is_own {
        return Slot::Outer(val(0));
    }
    if track.step == period && track.is_own {
        let from = track.last - begin - (trips - 1) * period;
        if track.is_even() && (0..period).contains(&from) {
            return Slot::Same(from as u32);
        }
        let back = (-from).div_euclid(period) + i64::from((-from).rem_euclid(period) != 0);
        let of = (from + back * period) as u32;
        let is_early = i64::from(track.changed) <= back + 1;
        if from < 0 && is_early && back <= i64::from(FURTHEST) && back < trips {
            let back = back as u32;
            let fits = |trip: u32| {
                let front = block.fronts.get(&(of, back - trip));
                let place = items.places[val(trip) as usize];
                front.is_none_or(|&front| front == val(trip))
                    && (place == NONE || place < run.begin)
            };
            if (0..back).all(fits) {
                block.fronts.extend((0..back).map(|trip| ((of, back - trip), val(trip))));
                return Slot::Back { role: of, distance: back };
            }
        }
    }
    block.is_entangled |= track.is_own;
    if track.is_even() && !track.is_own && track.first >= 0 && track.last >= 0 {
        let after = found.partition_point(|other| i64::from(other.begin) <= track.first);
        if let Some(k) = after.checked_sub(1) {
            let other = &found[k];
            let inside = i64::from(other.begin)..i64::from(other.end());
            let is_even = track.step.rem_euclid(i64::from(other.period)) == 0;
            if is_even && inside.contains(&track.first) && inside.contains(&track.last) {
                let (role, trip) = other.role(track.first as u32);
                let step = track.step / i64::from(other.period);
                return Slot::Of { block: k as u32, role, trip: i64::from(trip), step };
            }
        }
    }
    Slot::Listed
}

/// Notes the values that the loops of a block read from elsewhere.
fn mark_reads(items: &Items, blocks: &mut Blocks, k: usize) {
    let run = blocks.blocks[k].run;
    let fronts: Vec<Val> = blocks.blocks[k].fronts.values().copied().collect();
    fronts.into_iter().for_each(|val| blocks.mark(items, val, false));
    for user in 0..run.period {
        for slot in 0..blocks.blocks[k].roles[user as usize].slots.len() {
            let block = &mut blocks.blocks[k];
            match block.roles[user as usize].slots[slot] {
                Slot::Same(role) => {
                    if block.roles[role as usize].phase != block.roles[user as usize].phase {
                        block.roles[role as usize].need = Need::All;
                    }
                }
                of @ Slot::Back { role, .. } => {
                    if !block.carries(user, of) {
                        block.roles[role as usize].need = Need::All;
                    }
                }
                Slot::Outer(val) => blocks.mark(items, val, false),
                Slot::Of { block, role, .. } => {
                    blocks.blocks[block as usize].roles[role as usize].need = Need::All;
                }
                Slot::Listed => {
                    for trip in 0..run.trips {
                        let val = items.args(run.item(user, trip)).0[slot];
                        blocks.mark(items, val, true);
                    }
                }
                Slot::Const(_) | Slot::Series | Slot::Leaf(..) => {}
            }
        }
    }
}

/// Notes the values that what stays straight reads, and loops that were there before.
fn mark_straight(items: &Items, blocks: &mut Blocks) {
    let mut item = 0;
    let n = items.pcs.len() as u32;
    while item < n {
        if let Some(block) = blocks.of(item) {
            item = blocks.blocks[block].run.end();
            continue;
        }
        let (args, n_args) = items.args(item);
        args[..n_args].iter().for_each(|&val| blocks.mark(items, val, false));
        item += 1;
    }
    for (val, _) in items.is_used_elsewhere.iter().enumerate().filter(|used| *used.1) {
        blocks.mark(items, val as Val, false);
    }
}
