//! Builds kernels by hand, for tests and benches.

use std::sync::Arc;

use nablac::kernel::ir::*;
use nablac::ops::scalar::ScalarOp;

pub struct Builder {
    pub kernel: Kernel,
}

impl Builder {
    /// A kernel with arguments and results of these lengths.
    pub fn new(name: &str, args: &[usize], res: &[usize]) -> Builder {
        let ports = |prefix: &str, lens: &[usize]| {
            let port = |(k, &nnz): (usize, &usize)| Port { name: format!("{prefix}{k}"), nnz };
            lens.iter().enumerate().map(port).collect()
        };
        let kernel = Kernel {
            name: name.to_owned(),
            args: ports("x", args),
            res: ports("y", res),
            ..Kernel::default()
        };
        Builder { kernel }
    }

    pub fn value(&mut self) -> Val {
        self.kernel.n_values += 1;
        self.kernel.n_values - 1
    }

    pub fn push(&mut self, inst: Inst) {
        self.kernel.insts.push(inst);
    }

    pub fn constant(&mut self, value: f64) -> Val {
        let dst = self.value();
        self.push(Inst::Const { dst, value });
        dst
    }

    pub fn addr(&mut self, base: Base, offset: i64, terms: &[(LoopId, i64)]) -> AddrId {
        let index = Affine { offset, terms: terms.to_vec() };
        self.table_addr(base, index, Vec::new())
    }

    pub fn table_addr(&mut self, base: Base, index: Affine, tables: Vec<Lookup>) -> AddrId {
        self.kernel.addrs.push(Addr { base, index, tables });
        self.kernel.addrs.len() as u32 - 1
    }

    pub fn load(&mut self, base: Base, offset: i64, terms: &[(LoopId, i64)]) -> Val {
        let addr = self.addr(base, offset, terms);
        self.load_at(addr)
    }

    pub fn load_at(&mut self, addr: AddrId) -> Val {
        let dst = self.value();
        self.push(Inst::Load { dst, addr });
        dst
    }

    pub fn store(&mut self, base: Base, offset: i64, terms: &[(LoopId, i64)], src: Val) {
        let addr = self.addr(base, offset, terms);
        self.push(Inst::Store { addr, src });
    }

    pub fn accumulate(&mut self, base: Base, offset: i64, terms: &[(LoopId, i64)], src: Val) {
        let addr = self.addr(base, offset, terms);
        self.push(Inst::Accumulate { addr, src });
    }

    pub fn apply(&mut self, op: ScalarOp, args: &[Val]) -> Val {
        let dst = self.value();
        let arg = |k: usize| args.get(k).copied().unwrap_or(args[0]);
        self.push(Inst::Apply { dst, op, args: [arg(0), arg(1), arg(2)] });
        dst
    }

    pub fn counter(&mut self, loop_id: LoopId, base: f64, step: f64) -> Val {
        let dst = self.value();
        self.kernel.counters.push(CounterInfo { loop_id, base, step });
        self.push(Inst::Counter { dst, info: self.kernel.counters.len() as u32 - 1 });
        dst
    }

    /// Begins a loop; gives its id and the carried values. Their next values are set at its end.
    pub fn begin_loop(&mut self, trip: Trip, poll: bool, inits: &[Val]) -> (LoopId, Vec<Val>) {
        let id = self.kernel.loops.len() as u32;
        let carry = |init: &Val| Carried { dst: self.value(), init: *init, next: *init };
        let carried: Vec<Carried> = inits.iter().map(carry).collect();
        let dsts = carried.iter().map(|one| one.dst).collect();
        let first = match &trip {
            Trip::Rest { used, .. } => used.clone(),
            Trip::Const(_) => Default::default(),
        };
        self.kernel.loops.push(LoopInfo { trip, carried, poll: u64::from(poll), first });
        self.push(Inst::Loop { id });
        (id, dsts)
    }

    pub fn end_loop(&mut self, id: LoopId, nexts: &[Val]) {
        for (one, next) in self.kernel.loops[id as usize].carried.iter_mut().zip(nexts) {
            one.next = *next;
        }
        self.push(Inst::EndLoop { id });
    }

    pub fn begin_if(&mut self, cond: Val) -> u32 {
        let id = self.kernel.conds.len() as u32;
        self.kernel.conds.push(CondInfo::default());
        self.push(Inst::If { cond, id });
        id
    }

    pub fn begin_else(&mut self, id: u32) {
        self.push(Inst::Else { id });
    }

    pub fn end_if(&mut self, id: u32, phis: &[(Val, Val)]) -> Vec<Val> {
        let phis: Vec<_> = phis.iter().map(|&(yes, no)| (self.value(), yes, no)).collect();
        let dsts = phis.iter().map(|phi| phi.0).collect();
        self.kernel.conds[id as usize].phis = phis;
        self.push(Inst::EndIf { id });
        dsts
    }

    pub fn call(&mut self, callee: Callee, args: &[AddrId], res: &[AddrId], work: usize) {
        let info = CallInfo { callee, args: args.to_vec(), res: res.to_vec(), work };
        self.kernel.calls.push(info);
        self.push(Inst::Call { id: self.kernel.calls.len() as u32 - 1 });
    }

    pub fn check(&mut self, value: Val, lo: f64, hi: f64) {
        let (function, input) = (self.kernel.name.clone(), "x".to_owned());
        self.kernel.checks.push(CheckInfo { lo, hi, function, input });
        self.push(Inst::Check { value, id: self.kernel.checks.len() as u32 - 1 });
    }

    pub fn finish(self) -> Arc<Kernel> {
        Arc::new(self.kernel)
    }
}
