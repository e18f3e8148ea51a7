//! Writes the loops of a kernel out: the straight-line kernel of scalars that it stands for.

use std::collections::HashMap;
use std::sync::Arc;

use nablac::kernel::ir::*;

/// Every iteration written out, work memory and sums in results as values, results stored at the
/// end. Knows loops, not branches and calls. Guards of results are left out.
pub fn flatten(kernel: &Kernel) -> Arc<Kernel> {
    let mut flat = Flat {
        kernel,
        new: Kernel {
            name: kernel.name.clone(),
            args: kernel.args.clone(),
            res: kernel.res.clone(),
            ..Kernel::default()
        },
        values: vec![0; kernel.n_values as usize],
        counters: vec![0; kernel.loops.len()],
        memory: HashMap::new(),
        constants: HashMap::new(),
    };
    flat.run(0, kernel.insts.len());
    flat.results();
    Arc::new(flat.new)
}

struct Flat<'k> {
    kernel: &'k Kernel,
    new: Kernel,
    values: Vec<Val>,
    counters: Vec<i64>,
    /// What lies in memory.
    memory: HashMap<(Base, i64), Val>,
    constants: HashMap<u64, Val>,
}

impl Flat<'_> {
    fn run(&mut self, begin: usize, end: usize) {
        let mut pc = begin;
        while pc < end {
            let inst = self.kernel.insts[pc];
            match inst {
                Inst::Const { dst, value } => self.values[dst as usize] = self.constant(value),
                Inst::Load { dst, addr } => self.values[dst as usize] = self.load(addr),
                Inst::Store { addr, src } => {
                    let at = self.place(addr);
                    self.memory.insert(at, self.values[src as usize]);
                }
                Inst::Accumulate { addr, src } => {
                    let before = self.load(addr);
                    let src = self.values[src as usize];
                    let dst = self.value();
                    let op = nablac::ops::scalar::ScalarOp::Add;
                    self.new.insts.push(Inst::Apply { dst, op, args: [before, src, before] });
                    let at = self.place(addr);
                    self.memory.insert(at, dst);
                }
                Inst::Apply { dst, op, args } => {
                    let args = args.map(|val| self.values[val as usize]);
                    let new = self.value();
                    self.new.insts.push(Inst::Apply { dst: new, op, args });
                    self.values[dst as usize] = new;
                }
                Inst::Counter { dst, info } => {
                    let info = &self.kernel.counters[info as usize];
                    let count = self.counters[info.loop_id as usize] as f64;
                    self.values[dst as usize] = self.constant(info.base + info.step * count);
                }
                Inst::Loop { id } => pc = self.looped(id, pc),
                Inst::IfWanted { .. } | Inst::EndWanted => {}
                _ => panic!("{inst:?} is not known"),
            }
            pc += 1;
        }
    }

    /// Gives the place of the loop's end.
    fn looped(&mut self, id: LoopId, begin: usize) -> usize {
        let is_end = |inst: &Inst| *inst == Inst::EndLoop { id };
        let end = begin + self.kernel.insts[begin..].iter().position(is_end).expect("it ends");
        let info = &self.kernel.loops[id as usize];
        let n = match &info.trip {
            Trip::Const(n) => *n as i64,
            Trip::Rest { limit, total, used } => {
                (*total as i64 - self.index(used)).clamp(0, *limit as i64)
            }
        };
        for one in &info.carried {
            self.values[one.dst as usize] = self.values[one.init as usize];
        }
        for count in 0..n {
            self.counters[id as usize] = count;
            self.run(begin + 1, end);
            let next: Vec<Val> =
                info.carried.iter().map(|one| self.values[one.next as usize]).collect();
            for (one, next) in info.carried.iter().zip(next) {
                self.values[one.dst as usize] = next;
            }
        }
        end
    }

    fn results(&mut self) {
        let mut written: Vec<(u32, i64, Val)> = self
            .memory
            .iter()
            .filter_map(|(&(base, at), &val)| match base {
                Base::Res(res) => Some((res, at, val)),
                _ => None,
            })
            .collect();
        written.sort_unstable();
        for (res, at, src) in written {
            let addr = self.addr(Base::Res(res), at);
            self.new.insts.push(Inst::Store { addr, src });
        }
    }

    fn value(&mut self) -> Val {
        self.new.n_values += 1;
        self.new.n_values - 1
    }

    fn constant(&mut self, value: f64) -> Val {
        if let Some(&val) = self.constants.get(&value.to_bits()) {
            return val;
        }
        let dst = self.value();
        self.new.insts.push(Inst::Const { dst, value });
        self.constants.insert(value.to_bits(), dst);
        dst
    }

    fn load(&mut self, addr: AddrId) -> Val {
        let at = self.place(addr);
        if let Some(&val) = self.memory.get(&at) {
            return val;
        }
        let val = match at.0 {
            Base::Data(data) => {
                let value = self.kernel.data[data as usize][at.1 as usize];
                self.constant(value)
            }
            Base::Arg(_) => {
                let dst = self.value();
                let addr = self.addr(at.0, at.1);
                self.new.insts.push(Inst::Load { dst, addr });
                dst
            }
            _ => panic!("{at:?} is read before it is written"),
        };
        self.memory.insert(at, val);
        val
    }

    fn addr(&mut self, base: Base, offset: i64) -> AddrId {
        let index = Affine { offset, terms: Vec::new() };
        self.new.addrs.push(Addr { base, index, tables: Vec::new() });
        self.new.addrs.len() as AddrId - 1
    }

    fn place(&self, addr: AddrId) -> (Base, i64) {
        let addr = &self.kernel.addrs[addr as usize];
        let mut at = self.index(&addr.index);
        for lookup in &addr.tables {
            let index = self.index(&lookup.index) as usize;
            at += i64::from(self.kernel.tables[lookup.table as usize][index]);
        }
        (addr.base, at)
    }

    fn index(&self, index: &Affine) -> i64 {
        let terms = index.terms.iter().map(|&(id, stride)| stride * self.counters[id as usize]);
        index.offset + terms.sum::<i64>()
    }
}
