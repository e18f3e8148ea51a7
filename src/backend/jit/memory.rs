//! Addresses and loop counters as Cranelift values.

use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value};

use super::address::Link;
use super::plan::NO_HOME;
use super::translate::{Cached, Cell, FLAGS, Place, Translator};
use crate::kernel::ir::{AddrId, Affine, Base, LoopId};

impl Translator<'_> {
    /// Pointer, offset and properties of an address.
    pub(super) fn address(&mut self, addr: AddrId) -> (Value, i32, MemFlagsData) {
        let (link, offset) = self.unit.chains.places[addr as usize];
        let base = self.unit.kernel.addrs[addr as usize].base;
        let flags = match base {
            Base::Arg(_) | Base::Data(_) => FLAGS.with_readonly(),
            Base::Res(_) | Base::Work => FLAGS,
        };
        let pointer = self.link(link);
        match i32::try_from(offset) {
            Ok(offset) => (pointer, offset, flags),
            Err(_) => (self.cur.ins().iadd_imm_s(pointer, offset), 0, flags),
        }
    }

    /// The pointer at the end of a chain.
    pub(super) fn link(&mut self, end: u32) -> Value {
        let unit = self.unit;
        let mut missing = Vec::new();
        let mut link = end;
        let mut pointer = loop {
            let cell = self.cache.links[link as usize];
            if cell.stamp == self.cache.stamp
                && let Some(known) = cell.number
            {
                break known;
            }
            missing.push(link);
            match unit.chains.links[link as usize] {
                Link::Term { link: before, .. } | Link::Entry { link: before, .. } => link = before,
                Link::Base(_) | Link::Table(_) => break self.work,
            }
        };
        // Only what comes before the first look-up may move: it cannot fail.
        for &link in missing.iter().rev() {
            let (place, new) = match unit.chains.links[link as usize] {
                Link::Base(base) => {
                    let place = self.outermost();
                    (place, self.at(place, |this| this.base(base)))
                }
                Link::Table(table) => {
                    let place = self.outermost();
                    let address = unit.kernel.tables[table as usize].as_ptr() as usize;
                    (place, self.at(place, |this| this.cur.ins().iconst(I64, address as i64)))
                }
                Link::Term { link: before, id, bytes } => {
                    let place = if self.has_entry(before) { Place::Here } else { self.inside(id) };
                    let counter = self.counter(id);
                    let sum = self.at(place, |this| {
                        let step = this.multiple(counter, bytes);
                        this.cur.ins().iadd(pointer, step)
                    });
                    (place, sum)
                }
                Link::Entry { at, offset, .. } => {
                    let at = self.link(at);
                    let (at, offset) = match i32::try_from(offset) {
                        Ok(offset) => (at, offset),
                        Err(_) => (self.cur.ins().iadd_imm_s(at, offset), 0),
                    };
                    let entry = self.cur.ins().uload32(FLAGS.with_readonly(), at, offset);
                    let step = self.multiple(entry, 8);
                    (Place::Here, self.cur.ins().iadd(pointer, step))
                }
            };
            pointer = new;
            let stamp = self.cache.stamp;
            self.cache.links[link as usize] = Cell { stamp, number: Some(pointer), truth: None };
            self.remember(place, Cached::Link(link));
        }
        pointer
    }

    fn has_entry(&self, mut link: u32) -> bool {
        loop {
            match self.unit.chains.links[link as usize] {
                Link::Base(_) | Link::Table(_) => return false,
                Link::Term { link: before, .. } => link = before,
                Link::Entry { .. } => return true,
            }
        }
    }

    fn base(&mut self, base: Base) -> Value {
        let flags = FLAGS.with_readonly();
        match base {
            Base::Work => self.work,
            Base::Arg(idx) => self.cur.ins().load(I64, flags, self.arg, 8 * idx as i32),
            Base::Res(idx) => self.cur.ins().load(I64, flags, self.res, 8 * idx as i32),
            Base::Data(idx) => {
                let address = self.unit.kernel.data[idx as usize].as_ptr() as usize;
                self.cur.ins().iconst(I64, address as i64)
            }
        }
    }

    /// `factor * value`.
    pub(super) fn multiple(&mut self, value: Value, factor: i64) -> Value {
        match factor {
            1 => value,
            factor if factor > 0 && factor & (factor - 1) == 0 => {
                self.cur.ins().ishl_imm_s(value, i64::from(factor.trailing_zeros()))
            }
            factor => self.cur.ins().imul_imm_s(value, factor),
        }
    }

    /// Counter of an enclosing loop, which another function of the kernel may run.
    pub(super) fn counter(&mut self, id: LoopId) -> Value {
        if let Some(open) = self.loops.iter().rev().find(|open| open.id == id) {
            return open.counter;
        }
        let stamp = self.cache.stamp;
        let cell = self.cache.counters[id as usize];
        if cell.stamp == stamp
            && let Some(known) = cell.number
        {
            return known;
        }
        let home = self.unit.plan.counter_home[id as usize];
        self.invalid |= home == NO_HOME;
        let place = self.outermost();
        let scratch = self.scratch;
        let offset = 8i32.wrapping_mul(home as i32);
        let counter = self.at(place, |this| this.cur.ins().load(I64, FLAGS, scratch, offset));
        self.cache.counters[id as usize] = Cell { stamp, number: Some(counter), truth: None };
        self.remember(place, Cached::Counter(id));
        counter
    }

    pub(super) fn affine(&mut self, affine: &Affine) -> Value {
        let mut sum = self.cur.ins().iconst(I64, affine.offset);
        for &(id, stride) in &affine.terms {
            let counter = self.counter(id);
            let step = self.multiple(counter, stride);
            sum = self.cur.ins().iadd(sum, step);
        }
        sum
    }
}
