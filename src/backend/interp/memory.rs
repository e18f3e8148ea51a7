//! Memory of the interpreter: windows for the running kernels, and the places addresses mean.

use std::sync::Arc;

use super::unit::Unit;
use crate::kernel::ir::{AddrId, Affine, Base, Kernel, Trip};

/// What the interpreter keeps between calls; see [`Memory`].
#[derive(Default)]
pub struct State {
    pub(super) values: Vec<f64>,
    pub(super) counters: Vec<Turn>,
    pub(super) bases: Vec<Pointer>,
    pub(super) frames: Vec<Frame>,
    /// Carried values on their way from one iteration to the next.
    pub(super) scratch: Vec<f64>,
}

/// A running kernel: where it continues, and its windows of the state.
#[derive(Copy, Clone)]
pub(super) struct Frame {
    pub unit: u32,
    pub pc: usize,
    pub values: usize,
    pub counters: usize,
    pub bases: usize,
}

/// Counter and number of iterations of a running loop.
#[derive(Copy, Clone, Default)]
pub(super) struct Turn {
    pub counter: u64,
    pub trip: u64,
}

/// A place in one of the memories of an evaluation: 0 is work memory, then come arguments,
/// results and constant data.
#[derive(Copy, Clone, Default)]
pub(super) struct Pointer {
    pub space: u32,
    pub offset: usize,
}

/// All memory an evaluation may touch.
pub(super) struct Spaces<'a, 'b> {
    pub work: &'a mut [f64],
    pub arg: &'a [&'a [f64]],
    pub res: &'a mut [Option<&'b mut [f64]>],
    /// Where results lie that are computed but not wanted, in `work`.
    pub unwanted: &'a [Option<usize>],
    pub data: &'a [Arc<[f64]>],
}

/// The windows of the state that one frame uses.
pub(super) struct Window<'a> {
    pub values: &'a mut [f64],
    pub counters: &'a mut [Turn],
    pub bases: &'a [Pointer],
    pub scratch: &'a mut Vec<f64>,
}

impl Window<'_> {
    pub fn resolve(&self, kernel: &Kernel, addr: AddrId) -> Pointer {
        resolve(self.bases, self.counters, kernel, addr)
    }
}

impl State {
    /// Makes room for a frame.
    pub(super) fn open(&mut self, frame: &Frame, unit: &Unit) {
        let kernel = &unit.kernel;
        grow(&mut self.values, frame.values + kernel.n_values as usize);
        grow(&mut self.counters, frame.counters + kernel.loops.len());
        grow(&mut self.bases, frame.bases + n_slots(kernel));
    }

    pub(super) fn window(&mut self, frame: &Frame, kernel: &Kernel) -> Window<'_> {
        Window {
            values: &mut self.values[frame.values..][..kernel.n_values as usize],
            counters: &mut self.counters[frame.counters..][..kernel.loops.len()],
            bases: &self.bases[frame.bases..][..n_slots(kernel)],
            scratch: &mut self.scratch,
        }
    }
}

impl Pointer {
    pub fn after(self, offset: usize) -> Pointer {
        Pointer { space: self.space, offset: self.offset + offset }
    }
}

impl Spaces<'_, '_> {
    pub fn read(&self, place: Pointer) -> f64 {
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

    pub fn at(&mut self, place: Pointer) -> &mut f64 {
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

    pub fn unwanted_place(&self, res: usize, place: Pointer) -> usize {
        self.unwanted[res].unwrap_or_default() + place.offset
    }

    /// Whether the result that a base slot points to is wanted; a caller wants all results.
    pub fn is_wanted(&self, base: Pointer) -> bool {
        match (base.space as usize).checked_sub(1 + self.arg.len()) {
            Some(res) => self.res.get(res).is_none_or(|res| res.is_some()),
            None => true,
        }
    }
}

/// Number of bases a kernel addresses: work memory, arguments, results, constant data.
pub(super) fn n_slots(kernel: &Kernel) -> usize {
    1 + kernel.args.len() + kernel.res.len() + kernel.data.len()
}

/// Place of a base among those of its frame.
pub(super) fn slot(kernel: &Kernel, base: Base) -> usize {
    match base {
        Base::Work => 0,
        Base::Arg(idx) => 1 + idx as usize,
        Base::Res(idx) => 1 + kernel.args.len() + idx as usize,
        Base::Data(idx) => 1 + kernel.args.len() + kernel.res.len() + idx as usize,
    }
}

/// Base slot and offset of an address that is the same in every iteration.
pub(super) fn constant_place(kernel: &Kernel, addr: AddrId) -> Option<(u32, u32)> {
    let addr = &kernel.addrs[addr as usize];
    if !addr.index.terms.is_empty() || !addr.tables.is_empty() {
        return None;
    }
    Some((slot(kernel, addr.base) as u32, u32::try_from(addr.index.offset).ok()?))
}

pub(super) fn resolve(
    bases: &[Pointer],
    counters: &[Turn],
    kernel: &Kernel,
    addr: AddrId,
) -> Pointer {
    let addr = &kernel.addrs[addr as usize];
    let mut index = evaluate(&addr.index, counters);
    for lookup in &addr.tables {
        let entry = evaluate(&lookup.index, counters) as usize;
        index += i64::from(kernel.tables[lookup.table as usize][entry]);
    }
    bases[slot(kernel, addr.base)].after(index as usize)
}

pub(super) fn evaluate(affine: &Affine, counters: &[Turn]) -> i64 {
    let terms = affine.terms.iter();
    affine.offset
        + terms.map(|&(id, stride)| stride * counters[id as usize].counter as i64).sum::<i64>()
}

pub(super) fn trip(trip: &Trip, counters: &[Turn]) -> u64 {
    match trip {
        Trip::Const(n) => *n,
        Trip::Rest { limit, total, used } => {
            let rest = *total as i64 - evaluate(used, counters);
            (rest.max(0) as u64).min(*limit)
        }
    }
}

pub(super) fn grow<T: Clone + Default>(memory: &mut Vec<T>, len: usize) {
    if memory.len() < len {
        memory.resize(len, T::default());
    }
}
