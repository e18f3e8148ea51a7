//! Runs a kernel on pairs of numbers, instruction by instruction.

use std::rc::Rc;
use std::sync::Arc;

use super::blame::{Step, blamed};
use super::functions::evaluate;
use super::{AccuracyError, BigFloat, MAX_OPERATIONS, Precise, Twin, digits_lost, to_f64};
use crate::backend::abi::Context;
use crate::backend::external::invoke;
use crate::graph::External;
use crate::kernel::ir::{AddrId, Affine, Base, Callee, Inst, Kernel, Trip, Val};
use crate::ops::scalar::ScalarOp;

/// The nonzeros of all results of a kernel, for those of all arguments. Branches go where the
/// exact values go.
///
/// ```
/// use std::sync::Arc;
/// use nablac::accuracy::{Precise, run};
/// let source = "input x\noutput f = (1 - cos(x)) / x^2";
/// let f = nablac::model::Model::parse("f.nab", source).function()?;
/// let kernel = Arc::new(nablac::kernel::build(f.func()));
/// let context = &mut nablac::backend::abi::Memory::default().context;
/// let precise = &mut Precise::new().unwrap();
/// let results = run(&kernel, &[&[1e-6]], precise, context)?;
/// assert!((nablac::accuracy::to_f64(&results[0][0].exact) - 0.5).abs() < 1e-12);
/// assert!(results[0][0].lost > 10.0 && results[0][0].step().unwrap().formula() == "1 - cos(x)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The kernel is too long, a value is out of its range, an external function fails, or `context`
/// is cancelled.
pub fn run(
    kernel: &Arc<Kernel>,
    inputs: &[&[f64]],
    precise: &mut Precise,
    context: &mut Context,
) -> Result<Vec<Vec<Twin>>, AccuracyError> {
    if kernel.cost > MAX_OPERATIONS {
        return Err(AccuracyError::TooLong(kernel.cost));
    }
    let of = |values: &&[f64]| values.iter().map(|&v| Twin::new(v)).collect();
    let mut spaces: Vec<Vec<Twin>> = inputs.iter().map(of).collect();
    spaces.extend(kernel.res.iter().map(|port| vec![Twin::new(0.0); port.nnz]));
    spaces.push(vec![Twin::new(0.0); kernel.work_len]);
    let work = spaces.len() - 1;
    let ports = (0..work).map(|space| Place { space, at: 0 }).collect();
    let frame = Frame { ports, work: Place { space: work, at: 0 } };
    let mut machine = Machine { spaces, precise, context };
    machine.call(kernel, &frame)?;
    Ok(machine.spaces.drain(inputs.len()..work).collect())
}

#[derive(Clone, Copy)]
struct Place {
    space: usize,
    at: usize,
}

impl Place {
    fn after(self, n: usize) -> Place {
        Place { at: self.at + n, ..self }
    }
}

/// Where one call finds its arguments, then its results, and its work memory.
struct Frame {
    ports: Vec<Place>,
    work: Place,
}

struct Machine<'r> {
    /// Memory of the arguments, of the results, and work memory.
    spaces: Vec<Vec<Twin>>,
    precise: &'r mut Precise,
    context: &'r mut Context,
}

/// Where the parts of a kernel end.
struct Ends {
    loops: Vec<(usize, usize)>,
    /// The other part of a conditional, and what follows it.
    conds: Vec<(usize, usize)>,
}

impl Ends {
    fn of(kernel: &Kernel) -> Ends {
        let mut ends = Ends {
            loops: vec![(0, 0); kernel.loops.len()],
            conds: vec![(0, 0); kernel.conds.len()],
        };
        for (pc, inst) in kernel.insts.iter().enumerate() {
            match *inst {
                Inst::Loop { id } => ends.loops[id as usize].0 = pc,
                Inst::EndLoop { id } => ends.loops[id as usize].1 = pc,
                Inst::Else { id } => ends.conds[id as usize].0 = pc,
                Inst::EndIf { id } => {
                    let (other, end) = &mut ends.conds[id as usize];
                    *end = pc;
                    if *other == 0 {
                        *other = pc;
                    }
                }
                _ => {}
            }
        }
        ends
    }
}

fn value_of(index: &Affine, counters: &[u64]) -> i64 {
    index
        .terms
        .iter()
        .fold(index.offset, |sum, &(id, stride)| sum + stride * counters[id as usize] as i64)
}

fn trip(trip: &Trip, counters: &[u64]) -> u64 {
    match trip {
        Trip::Const(n) => *n,
        Trip::Rest { limit, total, used } => {
            let rest = *total as i64 - value_of(used, counters);
            (*limit).min(u64::try_from(rest).unwrap_or(0))
        }
    }
}

impl Machine<'_> {
    fn call(&mut self, kernel: &Arc<Kernel>, frame: &Frame) -> Result<(), AccuracyError> {
        let ends = Ends::of(kernel);
        let mut values = vec![Twin::new(0.0); kernel.n_values as usize];
        let mut counters = vec![0u64; kernel.loops.len()];
        // Which part of each conditional ran.
        let mut took = vec![false; kernel.conds.len()];
        let mut pc = 0;
        while let Some(&inst) = kernel.insts.get(pc) {
            match inst {
                Inst::Const { dst, value } => values[dst as usize] = Twin::new(value),
                Inst::Load { dst, addr } => {
                    values[dst as usize] = self.load(kernel, frame, &counters, addr);
                }
                Inst::Store { addr, src } => {
                    *self.at(kernel, frame, &counters, addr) = values[src as usize].clone();
                }
                Inst::Accumulate { addr, src } => {
                    let args =
                        [self.load(kernel, frame, &counters, addr), values[src as usize].clone()];
                    let sum = self.apply(kernel, pc, ScalarOp::Add, &[&args[0], &args[1]]);
                    *self.at(kernel, frame, &counters, addr) = sum;
                }
                Inst::Apply { dst, op, args } => {
                    let args = args.map(|a: Val| &values[a as usize]);
                    values[dst as usize] = self.apply(kernel, pc, op, &args[..op.arity()]);
                }
                Inst::Counter { dst, info } => {
                    let info = kernel.counters[info as usize];
                    let counter = counters[info.loop_id as usize] as f64;
                    values[dst as usize] = Twin::new(info.base + info.step * counter);
                }
                Inst::Loop { id } => {
                    let info = &kernel.loops[id as usize];
                    counters[id as usize] = 0;
                    for one in &info.carried {
                        values[one.dst as usize] = values[one.init as usize].clone();
                    }
                    if trip(&info.trip, &counters) == 0 {
                        pc = ends.loops[id as usize].1;
                    }
                }
                Inst::EndLoop { id } => {
                    if self.context.is_cancelled() {
                        return Err(AccuracyError::Cancelled);
                    }
                    let info = &kernel.loops[id as usize];
                    let next: Vec<Twin> =
                        info.carried.iter().map(|one| values[one.next as usize].clone()).collect();
                    for (one, next) in info.carried.iter().zip(next) {
                        values[one.dst as usize] = next;
                    }
                    // The bound depends on counters outside only.
                    counters[id as usize] += 1;
                    if counters[id as usize] < trip(&info.trip, &counters) {
                        pc = ends.loops[id as usize].0;
                    }
                }
                Inst::If { cond, id } => {
                    took[id as usize] = !values[cond as usize].exact.is_zero();
                    if !took[id as usize] {
                        pc = ends.conds[id as usize].0;
                        self.choose(
                            kernel,
                            id,
                            &took,
                            &mut values,
                            pc == ends.conds[id as usize].1,
                        );
                    }
                }
                Inst::Else { id } => {
                    pc = ends.conds[id as usize].1;
                    self.choose(kernel, id, &took, &mut values, true);
                }
                Inst::EndIf { id } => self.choose(kernel, id, &took, &mut values, true),
                Inst::IfWanted { .. } | Inst::EndWanted => {}
                Inst::Call { id } => self.nested(kernel, frame, &counters, id)?,
                Inst::Check { value, id } => {
                    let (found, check) =
                        (values[value as usize].found, &kernel.checks[id as usize]);
                    if !(check.lo <= found && found <= check.hi) {
                        let (function, input) = (check.function.clone(), check.input.clone());
                        return Err(AccuracyError::Range(function, input, found));
                    }
                }
            }
            pc += 1;
        }
        Ok(())
    }

    /// Values chosen at the end of a conditional, if that is reached.
    fn choose(&self, kernel: &Kernel, id: u32, took: &[bool], values: &mut [Twin], ends: bool) {
        for &(dst, yes, no) in kernel.conds[id as usize].phis.iter().filter(|_| ends) {
            let from = if took[id as usize] { yes } else { no };
            values[dst as usize] = values[from as usize].clone();
        }
    }

    fn apply(&mut self, kernel: &Arc<Kernel>, pc: usize, op: ScalarOp, args: &[&Twin]) -> Twin {
        let inputs: Vec<f64> = args.iter().map(|a| a.found).collect();
        let found = evaluate(op, &inputs);
        let exact: Vec<BigFloat> = args.iter().map(|a| a.exact.clone()).collect();
        let exact = self.precise.apply(op, &exact).unwrap_or_else(|| super::from_f64(found));
        let lost = digits_lost(found, &exact);
        let step = |digits| {
            let kernel = kernel.clone();
            Rc::new(Step { kernel, pc, digits, args: inputs, found, exact: to_f64(&exact) })
        };
        let blame = blamed(lost, args, step);
        Twin { found, exact, lost, blame }
    }

    fn place(&self, kernel: &Kernel, frame: &Frame, counters: &[u64], addr: AddrId) -> Place {
        let addr = &kernel.addrs[addr as usize];
        let looked_up = addr.tables.iter().map(|lookup| {
            let table = &kernel.tables[lookup.table as usize];
            i64::from(table[value_of(&lookup.index, counters) as usize])
        });
        let at = value_of(&addr.index, counters) + looked_up.sum::<i64>();
        let base = match addr.base {
            Base::Arg(k) => frame.ports[k as usize],
            Base::Res(k) => frame.ports[kernel.args.len() + k as usize],
            Base::Work => frame.work,
            Base::Data(_) => Place { space: usize::MAX, at: 0 },
        };
        base.after(at as usize)
    }

    fn load(&self, kernel: &Kernel, frame: &Frame, counters: &[u64], addr: AddrId) -> Twin {
        let place = self.place(kernel, frame, counters, addr);
        match kernel.addrs[addr as usize].base {
            Base::Data(data) => Twin::new(kernel.data[data as usize][place.at]),
            _ => self.spaces[place.space][place.at].clone(),
        }
    }

    fn at(&mut self, kernel: &Kernel, frame: &Frame, counters: &[u64], addr: AddrId) -> &mut Twin {
        let place = self.place(kernel, frame, counters, addr);
        &mut self.spaces[place.space][place.at]
    }

    /// A call inside of a kernel. What it reads of constant data is copied.
    fn nested(
        &mut self,
        kernel: &Kernel,
        frame: &Frame,
        counters: &[u64],
        id: u32,
    ) -> Result<(), AccuracyError> {
        let call = &kernel.calls[id as usize];
        let n_spaces = self.spaces.len();
        let mut ports = Vec::with_capacity(call.args.len() + call.res.len());
        for &addr in call.args.iter().chain(&call.res) {
            let mut place = self.place(kernel, frame, counters, addr);
            if let Base::Data(data) = kernel.addrs[addr as usize].base {
                let copied = kernel.data[data as usize][place.at..].iter().map(|&v| Twin::new(v));
                self.spaces.push(copied.collect());
                place = Place { space: self.spaces.len() - 1, at: 0 };
            }
            ports.push(place);
        }
        let inner = Frame { ports, work: frame.work.after(call.work) };
        let done = match &call.callee {
            Callee::Kernel(callee) => self.call(callee, &inner),
            Callee::External(external) => self.external(external, &inner.ports),
        };
        self.spaces.truncate(n_spaces);
        done
    }

    /// Externals know no more digits than they give.
    fn external(&mut self, external: &External, ports: &[Place]) -> Result<(), AccuracyError> {
        let (from, to) = ports.split_at(external.inputs.len());
        let read = |(place, pattern): (&Place, &crate::sparsity::Pattern)| -> Vec<f64> {
            let space = &self.spaces[place.space];
            space[place.at..place.at + pattern.nnz()].iter().map(|twin| twin.found).collect()
        };
        let inputs: Vec<Vec<f64>> = from.iter().zip(&external.inputs).map(read).collect();
        let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
        let mut outputs: Vec<Vec<f64>> =
            external.outputs.iter().map(|pattern| vec![0.0; pattern.nnz()]).collect();
        let mut slices: Vec<&mut [f64]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
        invoke(external, &inputs, &mut slices).map_err(AccuracyError::External)?;
        for (place, values) in to.iter().zip(outputs) {
            for (k, value) in values.into_iter().enumerate() {
                self.spaces[place.space][place.at + k] = Twin::new(value);
            }
        }
        Ok(())
    }
}
