//! Finds runs: blocks of items that follow one another, alike but for their operands.
//!
//! Items become symbols (operation, kinds of operands, how far those nearby are). A block is
//! repeated where the symbols equal those some distance on; distances to try are those at which
//! the next sixteen symbols come again, as in Lempel and Ziv's compression (1977).

use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHasher};

use super::items::{Items, NONE, Operand, Segment};
use crate::kernel::ir::{Base, Inst};
use crate::kernel::lanes::key;

/// `trips` repetitions of a block of `period` items, from item `begin` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub begin: u32,
    pub period: u32,
    pub trips: u32,
}

impl Run {
    pub fn len(&self) -> usize {
        self.period as usize * self.trips as usize
    }

    pub fn end(&self) -> u32 {
        self.begin + self.len() as u32
    }

    /// The item that instruction `role` of the block is in iteration `trip`.
    pub fn item(&self, role: u32, trip: u32) -> u32 {
        self.begin + trip * self.period + role
    }

    /// The instruction of the block and the iteration that an item of this run is.
    pub fn role(&self, item: u32) -> (u32, u32) {
        let far = item - self.begin;
        (far % self.period, far / self.period)
    }
}

/// Symbols that come again where a distance is tried.
const WINDOW: usize = 16;
/// Distances that are tried.
const MOST_HOPS: usize = 48;
/// Fewest repetitions, and items, of a loop.
const FEWEST_TRIPS: u32 = 8;
const FEWEST_ITEMS: usize = 256;
/// Distances that failed and are kept.
const MOST_FAILED: usize = 1 << 16;
/// Blocks that are longer may have repetitions inside that are worth more than their own.
const SHORT: u32 = 512;
/// Operands that are nearer belong to the symbol.
const NEAR: u32 = 48;

/// All runs, in order; none touches another one.
pub fn runs(items: &Items) -> Vec<Run> {
    let symbols = symbols(items);
    let next = again(&symbols);
    let mut found = Vec::new();
    for segment in &items.segments {
        if (segment.last - segment.first) as usize >= FEWEST_ITEMS {
            let finder = Finder { items, symbols: &symbols, next: &next, segment };
            finder.find(segment.first, segment.last, u32::MAX, &mut found);
        }
    }
    found
}

fn symbols(items: &Items) -> Vec<u32> {
    let symbol = |item: u32| {
        let mut hasher = FxHasher::default();
        match *items.inst(item) {
            Inst::Apply { op, .. } => (0u8, op as u8).hash(&mut hasher),
            Inst::Load { .. } => 1u8.hash(&mut hasher),
            Inst::Store { .. } => 2u8.hash(&mut hasher),
            _ => 3u8.hash(&mut hasher),
        }
        items.memory(item).map(|(base, _)| key(base)).hash(&mut hasher);
        let (args, n_args) = items.args(item);
        for &val in &args[..n_args] {
            match items.operand(val) {
                Operand::Value(_) => {
                    let far = item.wrapping_sub(items.places[val as usize]);
                    (0u8, if far < NEAR { far } else { NEAR }).hash(&mut hasher);
                }
                Operand::Const(_) => 1u8.hash(&mut hasher),
                Operand::Leaf(base, _) => (2u8, key(base)).hash(&mut hasher),
            }
        }
        (hasher.finish() >> 32) as u32
    };
    (0..items.pcs.len() as u32).map(symbol).collect()
}

/// For each item the next one where the same symbols follow, or some other one.
fn again(symbols: &[u32]) -> Vec<u32> {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let n = symbols.len();
    let bits = n.next_power_of_two().trailing_zeros().max(1);
    let mut heads = vec![NONE; 1 << bits];
    let mut next = vec![NONE; n];
    let gone = (0..WINDOW).fold(1u64, |power, _| power.wrapping_mul(FACTOR));
    let mut hash = 0u64;
    for k in (0..n).rev() {
        hash = hash.wrapping_mul(FACTOR).wrapping_add(u64::from(symbols[k]) + 1);
        if let Some(&last) = symbols.get(k + WINDOW) {
            hash = hash.wrapping_sub(gone.wrapping_mul(u64::from(last) + 1));
        }
        let mixed = (hash ^ hash >> 32).wrapping_mul(FACTOR);
        let head = &mut heads[(mixed >> (64 - bits)) as usize];
        next[k] = *head;
        *head = k as u32;
    }
    next
}

struct Finder<'a> {
    items: &'a Items<'a>,
    symbols: &'a [u32],
    next: &'a [u32],
    segment: &'a Segment,
}

impl Finder<'_> {
    /// Finds the runs from an item up to another one whose blocks have at most `longest` items.
    fn find(&self, first: u32, last: u32, longest: u32, found: &mut Vec<Run>) {
        // For each distance that failed where it ends to.
        let mut failed: FxHashMap<u32, u32> = FxHashMap::default();
        let mut begin = first;
        // Up to here blocks that repeat a few times are shorter.
        let mut short_until = first;
        while begin < last {
            let longest = if begin < short_until { longest.min(SHORT) } else { longest };
            let run = self.best(begin, longest, &mut failed);
            match run.and_then(|run| self.checked(self.turned(run))) {
                Some(run) if longest > SHORT && run.period > SHORT && self.is_inner(run) => {
                    short_until = run.end();
                }
                Some(run) => {
                    begin = run.end();
                    found.push(run);
                    failed.clear();
                }
                None => begin += 1,
            }
            if failed.len() > MOST_FAILED {
                failed.clear();
            }
        }
    }

    /// Whether a block that repeats has so many repetitions inside that it is shorter to leave it
    /// and to take these.
    fn is_inner(&self, run: Run) -> bool {
        let mut inner = Vec::new();
        self.find(run.begin, run.begin + run.period, SHORT, &mut inner);
        let saved: usize = inner.iter().map(|inner| inner.len() - inner.period as usize).sum();
        let left = (run.period as usize).saturating_sub(saved);
        left * (run.trips as usize) < run.period as usize
    }

    /// The run from an item on whose operands are most regular.
    fn best(&self, begin: u32, longest: u32, failed: &mut FxHashMap<u32, u32>) -> Option<Run> {
        let mut best: Option<(f64, Run)> = None;
        let mut at = begin;
        for _ in 0..MOST_HOPS {
            at = self.next[at as usize];
            let period = at.wrapping_sub(begin);
            let most = longest.min((self.segment.last - begin) / FEWEST_TRIPS);
            if at >= self.segment.last || period > most {
                break;
            }
            if failed.get(&period).is_some_and(|&end| begin < end) {
                continue;
            }
            let (here, there) = (&self.symbols[begin as usize..], &self.symbols[at as usize..]);
            let there = &there[..(self.segment.last - at) as usize];
            let equal = here.iter().zip(there).take_while(|(a, b)| a == b).count() as u32;
            let run = Run { begin, period, trips: equal / period + 1 };
            if run.trips < FEWEST_TRIPS || run.len() < FEWEST_ITEMS {
                failed.insert(period, begin + equal.max(1));
                continue;
            }
            let score = self.irregular(run);
            if score == 0.0 {
                return Some(run);
            }
            if best.is_none_or(|(least, _)| score < least) {
                best = Some((score, run));
            }
        }
        best.map(|(_, run)| run)
    }

    /// The share of the operands that do not move evenly in some iterations.
    fn irregular(&self, run: Run) -> f64 {
        let mut n_irregular = 0;
        for role in 0..run.period {
            let at = |trip: u32, slot: usize| self.position(run.item(role, trip), slot);
            let (_, n_args) = self.items.args(run.item(role, 0));
            let moves = |slot: &usize| {
                let at = [2, 3, 4, 5].map(|trip| at(trip, *slot));
                at[1] - at[0] != at[2] - at[1] || at[2] - at[1] != at[3] - at[2]
            };
            n_irregular += (0..n_args + 1).filter(moves).count();
        }
        f64::from(n_irregular as u32) / f64::from(run.period)
    }

    /// Where an operand, or the memory after them, is.
    fn position(&self, item: u32, slot: usize) -> i64 {
        let (args, n_args) = self.items.args(item);
        if slot == n_args {
            return self.items.memory(item).map_or(0, |(_, at)| at);
        }
        match self.items.operand(args[slot]) {
            Operand::Value(val) => match self.items.places[val as usize] {
                NONE => -1 - i64::from(val),
                place => i64::from(place),
            },
            Operand::Const(_) => 0,
            Operand::Leaf(_, at) => at,
        }
    }

    /// The run begun where fewest values are used across the begin of an iteration.
    fn turned(&self, run: Run) -> Run {
        let period = run.period as usize;
        // Changes, from one begin to the next, of the number of values that are used across it.
        let mut changes = vec![0i64; period + 1];
        for role in 0..run.period {
            let item = run.item(role, 1);
            let (args, n_args) = self.items.args(item);
            for &val in &args[..n_args] {
                let place = self.items.places[val as usize];
                if place == NONE || place < run.begin || item - place >= run.period {
                    continue;
                }
                let (first, last) = ((place + 1 - run.begin) as usize, (item - run.begin) as usize);
                let (first, last) = (first % period, last % period);
                changes[first] += 1;
                changes[last + 1] -= 1;
                if first > last {
                    changes[0] += 1;
                }
            }
        }
        let (mut sum, mut least) = (0, (i64::MAX, 0));
        for (begin, change) in changes[..period].iter().enumerate() {
            sum += change;
            least = least.min((sum, begin as u32));
        }
        // What the last iteration has left over can make up for what the first one lost.
        let begin = run.begin + least.1;
        let (mut end, last) = (run.end(), self.segment.last);
        while end < last && self.symbols[end as usize] == self.symbols[end as usize - period] {
            end += 1;
        }
        let trips = (end - begin) / run.period;
        if trips < FEWEST_TRIPS { run } else { Run { begin, trips, ..run } }
    }

    /// The part of a run that really repeats.
    fn checked(&self, run: Run) -> Option<Run> {
        let is_alike = |item: &u32| self.is_alike(*item, *item + run.period);
        let last = run.end() - run.period;
        let alike = (run.begin..last).take_while(is_alike).count() as u32;
        let run = Run { trips: alike / run.period + 1, ..run };
        (run.trips >= FEWEST_TRIPS).then_some(run)
    }

    /// Whether two items do the same to the same kinds of operands.
    fn is_alike(&self, a: u32, b: u32) -> bool {
        let does = |item: u32| match *self.items.inst(item) {
            Inst::Apply { op, .. } => (0, Some(op)),
            Inst::Load { .. } => (1, None),
            Inst::Store { .. } => (2, None),
            _ => (3, None),
        };
        let memory = |item: u32| self.items.memory(item).map(|(base, _)| base);
        let ((a_args, n), (b_args, _)) = (self.items.args(a), self.items.args(b));
        does(a) == does(b)
            && memory(a) == memory(b)
            && a_args[..n]
                .iter()
                .zip(&b_args[..n])
                .all(|(&a, &b)| kind(self.items.operand(a)) == kind(self.items.operand(b)))
    }
}

/// Operands of one kind can be those of one instruction.
fn kind(operand: Operand) -> (u8, Option<Base>) {
    match operand {
        Operand::Value(_) => (0, None),
        Operand::Const(_) => (1, None),
        Operand::Leaf(base, _) => (2, Some(base)),
    }
}
