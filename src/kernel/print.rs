//! Kernels as text, for `nablac show kernel` and golden tests.
//!
//! Values are `v0`, loop counters `i0`, work memory `w`, constant data `d0`, index tables `t0`;
//! arguments and results go by their names.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use crate::kernel::calls::Calls;
use crate::kernel::ir::{
    Addr, AddrId, Affine, Base, Callee, Inst, Kernel, LoopInfo, Port, Trip, Val,
};

/// Text of a kernel and all it calls, callees first.
pub fn text(kernel: &Arc<Kernel>) -> String {
    let kernels: Vec<String> =
        Calls::of(kernel).kernels.iter().map(|kernel| kernel.to_string()).collect();
    kernels.join("\n")
}

impl Display for Kernel {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "kernel {}(", self.name)?;
        list(f, &self.args, port)?;
        write!(f, ") -> (")?;
        list(f, &self.res, port)?;
        writeln!(f, ") work {} {{", self.work_len)?;
        let mut depth = 1usize;
        for inst in &self.insts {
            let ends = matches!(
                inst,
                Inst::EndLoop { .. } | Inst::Else { .. } | Inst::EndIf { .. } | Inst::EndWanted
            );
            depth -= usize::from(ends && depth > 1);
            for _ in 0..depth.min(MAX_INDENT) {
                write!(f, "  ")?;
            }
            self.write_inst(f, inst)?;
            writeln!(f)?;
            depth += usize::from(matches!(
                inst,
                Inst::Loop { .. } | Inst::If { .. } | Inst::Else { .. } | Inst::IfWanted { .. }
            ));
        }
        writeln!(f, "}}")
    }
}

/// Deeper regions are not indented further, so that text stays linear in the kernel.
const MAX_INDENT: usize = 40;

impl Kernel {
    fn write_inst(&self, f: &mut Formatter<'_>, inst: &Inst) -> fmt::Result {
        match *inst {
            Inst::Const { dst, value } => write!(f, "v{dst} = {value:?}"),
            Inst::Load { dst, addr } => {
                write!(f, "v{dst} = ")?;
                self.write_addr(f, addr)
            }
            Inst::Store { addr, src } => {
                self.write_addr(f, addr)?;
                write!(f, " = v{src}")
            }
            Inst::Accumulate { addr, src } => {
                self.write_addr(f, addr)?;
                write!(f, " += v{src}")
            }
            Inst::Apply { dst, op, args } => {
                write!(f, "v{dst} = {}(", op.name())?;
                list(f, &args[..op.arity()], |f, val| write!(f, "v{val}"))?;
                write!(f, ")")
            }
            Inst::Counter { dst, info } => {
                let info = self.counters[info as usize];
                write!(f, "v{dst} = {:?} + {:?}*i{}", info.base, info.step, info.loop_id)
            }
            Inst::Loop { id } => self.write_loop(f, id, &self.loops[id as usize]),
            Inst::EndLoop { .. } | Inst::EndWanted => write!(f, "}}"),
            Inst::If { cond, .. } => write!(f, "if v{cond} {{"),
            Inst::Else { .. } => write!(f, "}} else {{"),
            Inst::EndIf { id } => {
                write!(f, "}}")?;
                let phis = &self.conds[id as usize].phis;
                list(f, phis, |f, (dst, yes, no)| write!(f, " v{dst} = v{yes} or v{no}"))
            }
            Inst::IfWanted { res } => write!(f, "wanted {} {{", self.res[res as usize].name),
            Inst::Call { id } => {
                let call = &self.calls[id as usize];
                match &call.callee {
                    Callee::Kernel(callee) => write!(f, "call {}(", callee.name)?,
                    Callee::External(callee) => write!(f, "call extern {}(", callee.name)?,
                }
                list(f, &call.args, |f, &addr| self.write_addr(f, addr))?;
                write!(f, ") -> (")?;
                list(f, &call.res, |f, &addr| self.write_addr(f, addr))?;
                write!(f, ") work {}", call.work)
            }
            Inst::Check { value, id } => {
                let check = &self.checks[id as usize];
                write!(f, "check v{value} in {:?}..{:?}", check.lo, check.hi)?;
                write!(f, " # {} of {}", check.input, check.function)
            }
        }
    }

    fn write_loop(&self, f: &mut Formatter<'_>, id: u32, info: &LoopInfo) -> fmt::Result {
        write!(f, "loop i{id} < ")?;
        match &info.trip {
            Trip::Const(n) => write!(f, "{n}")?,
            Trip::Rest { limit, total, used } => {
                write!(f, "min({limit}, {total} - ({}))", Sum(used))?
            }
        }
        if !info.carried.is_empty() {
            write!(f, " carry ")?;
            list(f, &info.carried, |f, one| {
                let (dst, init, next): (Val, Val, Val) = (one.dst, one.init, one.next);
                write!(f, "v{dst} = v{init} then v{next}")
            })?;
        }
        match info.poll {
            0 => write!(f, " {{"),
            1 => write!(f, " poll {{"),
            poll => write!(f, " poll {poll} {{"),
        }
    }

    fn write_addr(&self, f: &mut Formatter<'_>, addr: AddrId) -> fmt::Result {
        let Addr { base, index, tables } = &self.addrs[addr as usize];
        match base {
            Base::Arg(idx) => write!(f, "{}", self.args[*idx as usize].name)?,
            Base::Res(idx) => write!(f, "{}", self.res[*idx as usize].name)?,
            Base::Work => write!(f, "w")?,
            Base::Data(idx) => write!(f, "d{idx}")?,
        }
        write!(f, "[{}", Sum(index))?;
        for lookup in tables {
            write!(f, " + t{}[{}]", lookup.table, Sum(&lookup.index))?;
        }
        write!(f, "]")
    }
}

/// An affine index as text.
struct Sum<'a>(&'a Affine);

impl Display for Sum<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.offset)?;
        for (id, stride) in &self.0.terms {
            write!(f, " + {stride}*i{id}")?;
        }
        Ok(())
    }
}

fn port(f: &mut Formatter<'_>, port: &Port) -> fmt::Result {
    write!(f, "{}[{}]", port.name, port.nnz)
}

/// Writes items separated by commas.
fn list<T>(
    f: &mut Formatter<'_>,
    items: &[T],
    mut write_item: impl FnMut(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (k, item) in items.iter().enumerate() {
        if k > 0 {
            write!(f, ", ")?;
        }
        write_item(f, item)?;
    }
    Ok(())
}
