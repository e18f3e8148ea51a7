//! Calls in machine code: of kernels, of pieces of this one, of the user's functions, and of Rust.

use cranelift_codegen::ir::types::{F64, I32, I64};
use cranelift_codegen::ir::{
    AbiParam, ExtFuncData, ExternalName, FuncRef, InstBuilder, Signature, UserExternalName, Value,
};

use super::address::Link;
use super::translate::{FLAGS, Made, Translator, signature};
use super::{runtime, team};
use crate::kernel::columns::Columns;
use crate::kernel::ir::{Callee, Inst};
use crate::kernel::lanes::trip_limit;
use crate::kernel::pack::{self, Kind};
use crate::ops::math::LANES;

impl Translator<'_> {
    pub(super) fn call(&mut self, id: u32) {
        let call = &self.unit.kernel.calls[id as usize];
        let (n_args, n_res) = (call.args.len(), call.res.len());
        for (slot, &addr) in call.args.iter().chain(&call.res).enumerate() {
            let (pointer, offset, _) = self.address(addr);
            let pointer = self.cur.ins().iadd_imm_s(pointer, i64::from(offset));
            self.cur.ins().store(FLAGS, pointer, self.scratch, 8 * slot as i32);
        }
        let arg = self.scratch;
        let res = self.cur.ins().iadd_imm_s(arg, 8 * n_args as i64);
        debug_assert!(n_args + n_res <= self.unit.plan.scratch_len);
        let status = match &call.callee {
            Callee::Kernel(_) => {
                let entry = self.callee(self.unit.callees[id as usize]);
                let (memory, at) = match self.unit.work_of_calls[id as usize] {
                    Some(place) => {
                        let last = self.unit.chains.results[self.unit.kernel.res.len() - 1];
                        (self.link(last), place)
                    }
                    None => (self.work, call.work),
                };
                let work = self.cur.ins().iadd_imm_s(memory, 8 * at as i64);
                let own = 8 * self.unit.plan.scratch_len as i64;
                let scratch = self.cur.ins().iadd_imm_s(self.scratch, own);
                let call = self.cur.ins().call(entry, &[arg, res, work, scratch, self.context]);
                self.cur.func.dfg.first_result(call)
            }
            Callee::External(external) => {
                let external = std::sync::Arc::as_ptr(external) as usize;
                let external = self.cur.ins().iconst(I64, external as i64);
                let site = u64::from(self.unit.index) << 32 | u64::from(id);
                let site = self.cur.ins().iconst(I64, site as i64);
                let args =
                    [(I64, self.context), (I64, external), (I64, arg), (I64, res), (I64, site)];
                let helper = runtime::call_external as *const () as usize;
                self.call_helper(helper, &args, Some(I32)).unwrap_or(site)
            }
        };
        self.fail_if(status, |_| status);
    }

    /// How many of the first instructions one call of a function of vectors does.
    pub(super) fn alike(&self, insts: &[Inst]) -> usize {
        let is_call = matches!(insts.first().and_then(pack::kind), Some(Kind::Call(_)));
        if !is_call || self.unit.plan.packed.is_none() || self.lanes.is_some() {
            return 1;
        }
        pack::alike(insts)
    }

    /// Operations that one call of a function of vectors does.
    pub(super) fn wide_call(&mut self, insts: &[Inst]) {
        let Some(area) = self.unit.plan.packed else { return };
        let (mut address, mut tags) = (0, 0);
        let mut args: Vec<_> = Vec::with_capacity(LANES + 2);
        for (lane, inst) in insts.iter().enumerate() {
            if let (Some(Kind::Call(function)), &Inst::Apply { op, args: [x, ..], .. }) =
                (pack::kind(inst), inst)
            {
                address = function;
                tags |= i64::from(pack::is_tagged(op)) << lane;
                args.push((F64, self.number(x)));
            }
        }
        // Lanes that are left over repeat the first one.
        args.resize(LANES, args[0]);
        let results = self.cur.ins().iadd_imm_s(self.scratch, 8 * area as i64);
        args.push((I64, self.cur.ins().iconst(I64, tags)));
        args.push((I64, results));
        self.call_helper(address, &args, None);
        for (lane, inst) in insts.iter().enumerate() {
            if let Inst::Apply { dst, .. } = *inst {
                let at = 8 * (area + lane) as i32;
                let y = self.cur.ins().load(F64, FLAGS, self.scratch, at);
                self.define(dst, Made::Number(y));
            }
        }
    }

    pub(super) fn call_piece(&mut self, piece: u32) {
        let entry = self.callee(self.unit.first_function + piece);
        let args = [self.arg, self.res, self.work, self.scratch, self.context];
        let status = match (self.unit.plan.spread[piece as usize], &self.unit.team) {
            (Some(id), Some(team)) => {
                let n = trip_limit(&self.unit.kernel.loops[id as usize].trip);
                let mut all = vec![self.cur.ins().func_addr(I64, entry)];
                all.extend(args);
                all.push(self.cur.ins().iconst(I64, n as i64));
                all.push(self.cur.ins().iconst(I64, std::ptr::from_ref(&**team) as i64));
                let all: Vec<_> = all.into_iter().map(|value| (I64, value)).collect();
                let helper = team::run as *const () as usize;
                self.call_helper(helper, &all, Some(I32)).unwrap_or(all[0].1)
            }
            _ => {
                let call = self.cur.ins().call(entry, &args);
                self.cur.func.dfg.first_result(call)
            }
        };
        self.fail_if(status, |_| status);
    }

    /// Adds multiples of columns to a vector.
    pub(super) fn add_columns(&mut self, columns: &Columns) {
        let Columns { outer, inner, a, b, c, n_columns, n_rows, a_stride, b_stride, .. } = *columns;
        let args = [a, b, c].map(|addr| {
            let (mut link, offset) = self.unit.chains.places[addr as usize];
            // Where both loops begin: their terms come last.
            while let Link::Term { link: before, id, .. } = self.unit.chains.links[link as usize]
                && (id == outer || id == inner)
            {
                link = before;
            }
            let pointer = self.link(link);
            (I64, self.cur.ins().iadd_imm_s(pointer, offset))
        });
        let counts = [n_rows as i64, n_columns as i64, a_stride, b_stride];
        let counts = counts.map(|count| (I64, self.cur.ins().iconst(I64, count)));
        let helper = runtime::add_columns as *const () as usize;
        self.call_helper(helper, &[&args[..], &counts].concat(), None);
        if [outer, inner].iter().any(|&id| self.unit.kernel.loops[id as usize].poll != 0) {
            self.poll();
        }
    }

    /// Calls a Rust function by its address.
    pub fn call_helper(
        &mut self,
        address: usize,
        args: &[(cranelift_codegen::ir::Type, Value)],
        returns: Option<cranelift_codegen::ir::Type>,
    ) -> Option<Value> {
        let mut signature = Signature::new(self.call_conv);
        signature.params = args.iter().map(|&(ty, _)| AbiParam::new(ty)).collect();
        signature.returns = returns.iter().map(|&ty| AbiParam::new(ty)).collect();
        let signature = self.cur.func.import_signature(signature);
        let values: Vec<Value> = args.iter().map(|&(_, value)| value).collect();
        let address = self.cur.ins().iconst(I64, address as i64);
        let call = self.cur.ins().call_indirect(signature, address, &values);
        self.cur.func.dfg.inst_results(call).first().copied()
    }

    /// Reference to a kernel function by its number in the compiled unit.
    fn callee(&mut self, number: u32) -> FuncRef {
        if let Some(&known) = self.callees.get(&number) {
            return known;
        }
        let func = &mut *self.cur.func;
        let signature = func.import_signature(signature(self.call_conv));
        let name = func.declare_imported_user_function(UserExternalName::new(0, number));
        let callee = func.import_function(ExtFuncData {
            name: ExternalName::user(name),
            signature,
            colocated: true,
            patchable: false,
        });
        self.callees.insert(number, callee);
        callee
    }
}
