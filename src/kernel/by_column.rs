//! Loops over points whose values lie in columns: a place of memory for each number, in which its
//! values at all points follow one another, so that vectors read and write them whole.

use super::ir::{Addr, Affine, Base, Inst, Kernel, LoopId, Port};

/// The kernel of one loop over points with the numbers of a point `column` apart, instead of the
/// points. `each` says which arguments have a value at each point. `None` unless the body is
/// straight-line code and iteration k only touches the values of point k.
pub fn by_column(kernel: &Kernel, each: &[bool], column: usize) -> Option<Kernel> {
    let mut loops = kernel.insts.iter().filter_map(|inst| match *inst {
        Inst::Loop { id } => Some(id),
        _ => None,
    });
    let (Some(id), None) = (loops.next(), loops.next()) else { return None };
    let is_plain = |inst: &Inst| {
        matches!(
            inst,
            Inst::Const { .. }
                | Inst::Load { .. }
                | Inst::Store { .. }
                | Inst::Apply { .. }
                | Inst::Counter { .. }
                | Inst::Loop { .. }
                | Inst::EndLoop { .. }
        )
    };
    if !kernel.insts.iter().all(is_plain) {
        return None;
    }
    let n = match kernel.loops[id as usize].trip {
        super::ir::Trip::Const(n) => usize::try_from(n).ok()?,
        super::ir::Trip::Rest { .. } => return None,
    };
    let port = |port: &Port| {
        let nnz = (port.nnz / n).checked_mul(column)?;
        Some(Port { name: port.name.clone(), nnz })
    };
    let moved = |base: Base| match base {
        Base::Arg(k) if each[k as usize] => Some(kernel.args[k as usize].nnz / n),
        Base::Res(k) => Some(kernel.res[k as usize].nnz / n),
        _ => None,
    };
    let addrs = kernel.addrs.iter().map(|addr| match moved(addr.base) {
        Some(nnz) => moved_address(addr, id, nnz, column),
        None => Some(addr.clone()),
    });
    let args = kernel.args.iter().zip(each);
    Some(Kernel {
        addrs: addrs.collect::<Option<_>>()?,
        args: args
            .map(|(arg, &each)| if each { port(arg) } else { Some(arg.clone()) })
            .collect::<Option<_>>()?,
        res: kernel.res.iter().map(port).collect::<Option<_>>()?,
        ..kernel.clone()
    })
}

/// Number `offset` of the point of an iteration.
fn moved_address(addr: &Addr, id: LoopId, nnz: usize, column: usize) -> Option<Addr> {
    let offset = usize::try_from(addr.index.offset).ok().filter(|&offset| offset < nnz)?;
    let of_point = addr.index.terms == [(id, nnz as i64)] && addr.tables.is_empty();
    let offset = i64::try_from(offset.checked_mul(column)?).ok()?;
    of_point.then(|| Addr {
        base: addr.base,
        index: Affine { offset, terms: vec![(id, 1)] },
        tables: Vec::new(),
    })
}
