//! Loops over points whose values lie in columns: the values of one number at all points follow
//! one another, so that vectors read and write them whole.

use super::ir::{Addr, Affine, Base, Inst, Kernel, LoopId, Port, Trip};

/// The kernel of one loop over points with a port for each number that has a value at each point,
/// instead of one in which the numbers of a point follow one another. `each` says which arguments
/// have such values; all results do. `None` unless the body is straight-line code and iteration k
/// only touches the values of point k.
pub fn by_column(kernel: &Kernel, each: &[bool]) -> Option<Kernel> {
    let mut loops = kernel.insts.iter().filter_map(|inst| match *inst {
        Inst::Loop { id } => Some(id),
        _ => None,
    });
    let (Some(id), None) = (loops.next(), loops.next()) else { return None };
    let Trip::Const(n) = kernel.loops[id as usize].trip else { return None };
    let n = usize::try_from(n).ok()?;
    if !kernel.insts.iter().all(is_plain) {
        return None;
    }
    let args = Columns::of(&kernel.args, each, n);
    let res = Columns::of(&kernel.res, &vec![true; kernel.res.len()], n);
    let addrs = kernel.addrs.iter().map(|addr| match addr.base {
        Base::Arg(k) => args.address(addr, k, id, Base::Arg),
        Base::Res(k) => res.address(addr, k, id, Base::Res),
        Base::Work | Base::Data(_) => Some(addr.clone()),
    });
    let addrs = addrs.collect::<Option<_>>()?;
    Some(Kernel { addrs, args: args.ports, res: res.ports, ..kernel.clone() })
}

fn is_plain(inst: &Inst) -> bool {
    match inst {
        Inst::Accumulate { .. } => false,
        Inst::Counter { .. } | Inst::Loop { .. } | Inst::EndLoop { .. } => true,
        _ => inst.is_straight(),
    }
}

/// The arguments or results as columns.
struct Columns {
    ports: Vec<Port>,
    /// For each port of before the number of its first column, and of those at each point how many
    /// there are.
    first: Vec<(u32, Option<usize>)>,
}

impl Columns {
    fn of(before: &[Port], each: &[bool], n: usize) -> Columns {
        let mut columns = Columns { ports: Vec::new(), first: Vec::new() };
        for (port, &each) in before.iter().zip(each) {
            let first = columns.ports.len() as u32;
            let nnz = port.nnz / n;
            columns.first.push((first, each.then_some(nnz)));
            if each {
                let column = Port { name: port.name.clone(), nnz: n };
                columns.ports.extend(std::iter::repeat_n(column, nnz));
            } else {
                columns.ports.push(port.clone());
            }
        }
        columns
    }

    /// An address in port `k` of before.
    fn address(&self, addr: &Addr, k: u32, id: LoopId, base: fn(u32) -> Base) -> Option<Addr> {
        let (first, nnz) = self.first[k as usize];
        let Some(nnz) = nnz else { return Some(Addr { base: base(first), ..addr.clone() }) };
        let number = u32::try_from(addr.index.offset).ok().filter(|&k| (k as usize) < nnz)?;
        let of_point = addr.index.terms == [(id, nnz as i64)] && addr.tables.is_empty();
        let index = Affine { offset: 0, terms: vec![(id, 1)] };
        of_point.then(|| Addr { base: base(first + number), index, tables: Vec::new() })
    }
}
