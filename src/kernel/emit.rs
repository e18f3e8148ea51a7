//! Writing instructions: values, addresses, loops, memory.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::ir::{
    Addr, AddrId, Affine, Base, Carried, CondInfo, CounterInfo, Inst, Kernel, Lookup, LoopId,
    LoopInfo, Trip, Val,
};
use super::place::{Elements, Place, View, add_scaled as add};
use crate::graph::Values;
use crate::ops::scalar::ScalarOp;
use crate::sparsity::IndexMap;

/// Largest value that is held in SSA values between operations, in nonzeros.
pub const MOST_VALUES: usize = 32;

/// A kernel under construction.
#[derive(Default)]
pub struct Emitter {
    pub kernel: Kernel,
    tables: FxHashMap<Arc<[u32]>, u32>,
    data: FxHashMap<Values, u32>,
    constants: FxHashMap<u64, Val>,
    /// Loops around the place of writing.
    open: Vec<LoopId>,
    n_conditions: usize,
}

/// The index of a nonzero.
#[derive(Clone, Debug)]
pub struct At(pub Affine);

impl At {
    pub fn constant(k: usize) -> At {
        At(Affine { offset: k as i64, terms: Vec::new() })
    }

    pub fn counter(counter: LoopId) -> At {
        At(Affine { offset: 0, terms: vec![(counter, 1)] })
    }

    fn as_constant(&self) -> Option<usize> {
        self.0.terms.is_empty().then_some(self.0.offset as usize)
    }
}

impl Emitter {
    pub fn value(&mut self) -> Val {
        self.kernel.n_values += 1;
        self.kernel.n_values - 1
    }

    /// A constant. Those of the outermost level are shared.
    pub fn constant(&mut self, v: f64) -> Val {
        if let Some(&known) = self.constants.get(&v.to_bits()) {
            return known;
        }
        let dst = self.value();
        self.kernel.insts.push(Inst::Const { dst, value: v });
        if self.at_top() {
            self.constants.insert(v.to_bits(), dst);
        }
        dst
    }

    /// Not inside any region.
    fn at_top(&self) -> bool {
        self.open.is_empty() && self.n_conditions == 0
    }

    pub fn apply(&mut self, op: ScalarOp, args: &[Val]) -> Val {
        let dst = self.value();
        let mut all = [args[0]; 3];
        all[..args.len()].copy_from_slice(args);
        self.kernel.insts.push(Inst::Apply { dst, op, args: all });
        dst
    }

    /// Work memory for `len` numbers.
    pub fn allocate(&mut self, len: usize) -> View {
        let offset = self.kernel.work_len;
        self.kernel.work_len += len;
        View::contiguous(Base::Work, offset, len)
    }

    /// Constant data.
    pub fn data(&mut self, values: &Arc<[f64]>) -> View {
        let key = Values(values.clone());
        let next = self.kernel.data.len() as u32;
        let id = *self.data.entry(key).or_insert(next);
        if id == next {
            self.kernel.data.push(values.clone());
        }
        View::contiguous(Base::Data(id), 0, values.len())
    }

    fn table(&mut self, table: &Arc<[u32]>) -> u32 {
        let next = self.kernel.tables.len() as u32;
        let id = *self.tables.entry(table.clone()).or_insert(next);
        if id == next {
            self.kernel.tables.push(table.clone());
        }
        id
    }

    /// Address of a nonzero of a view.
    pub fn address(&mut self, view: &View, at: &At) -> AddrId {
        let mut index = view.index.clone();
        let mut tables: Vec<Lookup> = Vec::new();
        for (table, affine) in &view.tables {
            let table = self.table(table);
            tables.push(Lookup { table, index: affine.clone() });
        }
        // The element number where that is affine; else the entry of a table.
        let element = match (at.as_constant(), &view.select) {
            (Some(k), select) => Some(At::constant(select.get(k)).0),
            (None, IndexMap::Affine(a)) if a.dims[1].0 == 1 => {
                let mut element = At::constant(a.start as usize).0;
                add(&mut element, &at.0, i64::from(a.dims[0].1));
                Some(element)
            }
            _ => None,
        };
        match (&view.elements, element) {
            (Elements::Stride(s), Some(element)) => add(&mut index, &element, *s),
            (Elements::Stride(s), None) => {
                let scaled: Vec<u32> =
                    view.select.iter().map(|e| (e as i64 * s.abs()) as u32).collect();
                debug_assert!(*s > 0, "tables of descending elements are not made");
                let table = self.table(&scaled.into());
                tables.push(Lookup { table, index: at.0.clone() });
            }
            (Elements::Table { table, start }, Some(element)) => {
                let mut entry = start.clone();
                add(&mut entry, &element, 1);
                let table = self.table(table);
                tables.push(Lookup { table, index: entry });
            }
            (Elements::Table { table, start }, None) => {
                // Only reached with a constant start: windows of such views are copied first.
                let direct: Vec<u32> =
                    view.select.iter().map(|e| table[(e as i64 + start.offset) as usize]).collect();
                let table = self.table(&direct.into());
                tables.push(Lookup { table, index: at.0.clone() });
            }
        }
        index.terms.retain(|t| t.1 != 0);
        self.kernel.addrs.push(Addr { base: view.base, index, tables });
        self.kernel.addrs.len() as AddrId - 1
    }

    /// Whether a view can be walked by a counter.
    pub fn can_walk(view: &View) -> bool {
        let affine = matches!(&view.select, IndexMap::Affine(a) if a.dims[1].0 == 1);
        match &view.elements {
            Elements::Stride(s) => affine || *s > 0,
            Elements::Table { start, .. } => affine || start.terms.is_empty(),
        }
    }

    pub fn load(&mut self, view: &View, at: &At) -> Val {
        let addr = self.address(view, at);
        let dst = self.value();
        self.kernel.insts.push(Inst::Load { dst, addr });
        dst
    }

    pub fn store(&mut self, view: &View, at: &At, src: Val) {
        let addr = self.address(view, at);
        self.kernel.insts.push(Inst::Store { addr, src });
    }

    pub fn accumulate(&mut self, view: &View, at: &At, src: Val) {
        let addr = self.address(view, at);
        self.kernel.insts.push(Inst::Accumulate { addr, src });
    }

    /// Nonzero `at` of a value.
    pub fn read(&mut self, place: &Place, at: &At) -> Val {
        match place {
            Place::Same(v) => *v,
            Place::Uniform(v) => self.constant(*v),
            Place::Values(values) => {
                let k = at.as_constant();
                debug_assert!(k.is_some() || values.len() == 1, "walked values are in memory");
                values[k.unwrap_or(0)]
            }
            Place::View(view) => self.load(view, at),
        }
    }

    /// Begins a loop; its number names the counter.
    pub fn begin_loop(&mut self, trip: Trip, init: &[Val]) -> (LoopId, Vec<Val>) {
        self.begin_counted(trip, Affine::default(), init)
    }

    /// [`Emitter::begin_loop`] where messages count from `first`.
    pub fn begin_counted(&mut self, trip: Trip, first: Affine, init: &[Val]) -> (LoopId, Vec<Val>) {
        let id = self.kernel.loops.len() as LoopId;
        let mut carried = Vec::with_capacity(init.len());
        for &init in init {
            let dst = self.value();
            carried.push(Carried { dst, init, next: dst });
        }
        let values = carried.iter().map(|c| c.dst).collect();
        self.kernel.loops.push(LoopInfo { trip, carried, poll: 0, first });
        self.kernel.insts.push(Inst::Loop { id });
        self.open.push(id);
        (id, values)
    }

    /// Ends the loop with the next values of what it carries.
    pub fn end_loop(&mut self, id: LoopId, next: &[Val]) {
        for (carried, &next) in self.kernel.loops[id as usize].carried.iter_mut().zip(next) {
            carried.next = next;
        }
        self.kernel.insts.push(Inst::EndLoop { id });
        self.open.pop();
    }

    /// A loop of `n` iterations around `body`.
    pub fn for_each(&mut self, n: usize, body: impl FnOnce(&mut Emitter, LoopId)) {
        let (id, _) = self.begin_loop(Trip::Const(n as u64), &[]);
        body(self, id);
        self.end_loop(id, &[]);
    }

    /// `base + step * counter` as a number.
    pub fn counter(&mut self, loop_id: LoopId, base: f64, step: f64) -> Val {
        let info = self.kernel.counters.len() as u32;
        self.kernel.counters.push(CounterInfo { loop_id, base, step });
        let dst = self.value();
        self.kernel.insts.push(Inst::Counter { dst, info });
        dst
    }

    pub fn begin_if(&mut self, cond: Val) -> u32 {
        let id = self.kernel.conds.len() as u32;
        self.kernel.conds.push(CondInfo::default());
        self.kernel.insts.push(Inst::If { cond, id });
        self.n_conditions += 1;
        id
    }

    pub fn begin_else(&mut self, id: u32) {
        self.kernel.insts.push(Inst::Else { id });
    }

    /// Ends the conditional; gives a value for each pair of values of its two parts.
    pub fn end_if(&mut self, id: u32, pairs: &[(Val, Val)]) -> Vec<Val> {
        let mut chosen = Vec::with_capacity(pairs.len());
        for &(then, otherwise) in pairs {
            let dst = self.value();
            self.kernel.conds[id as usize].phis.push((dst, then, otherwise));
            chosen.push(dst);
        }
        self.kernel.insts.push(Inst::EndIf { id });
        self.n_conditions -= 1;
        chosen
    }

    pub fn begin_wanted(&mut self, res: u32) {
        self.kernel.insts.push(Inst::IfWanted { res });
        self.n_conditions += 1;
    }

    pub fn end_wanted(&mut self) {
        if matches!(self.kernel.insts.last(), Some(Inst::IfWanted { .. })) {
            self.kernel.insts.pop();
        } else {
            self.kernel.insts.push(Inst::EndWanted);
        }
        self.n_conditions -= 1;
    }

    /// Copies `n` nonzeros into a view.
    pub fn copy(&mut self, from: &Place, to: &View) {
        let n = to.len();
        match from {
            Place::Values(values) => {
                for (k, &v) in values.iter().enumerate() {
                    self.store(to, &At::constant(k), v);
                }
            }
            _ if n <= 4 => {
                for k in 0..n {
                    let v = self.read(from, &At::constant(k));
                    self.store(to, &At::constant(k), v);
                }
            }
            _ => self.for_each(n, |e, counter| {
                let v = e.read(from, &At::counter(counter));
                e.store(to, &At::counter(counter), v);
            }),
        }
    }

    /// Sets all numbers of a contiguous view.
    pub fn fill(&mut self, to: &View, v: f64) {
        self.copy(&Place::Uniform(v), to);
    }
}
