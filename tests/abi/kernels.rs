//! Kernels made by hand, each with a feature that a C back end can get wrong.

use std::sync::Arc;

use nablac::backend::c::{CFunction, CPort};
use nablac::graph::External;
use nablac::kernel::ir::{
    Addr, Affine, Base, CallInfo, Callee, Carried, CheckInfo, CondInfo, CounterInfo, Inst, Kernel,
    Lookup, LoopId, LoopInfo, Port, Trip, Val,
};
use nablac::ops::scalar::{Eval, ScalarOp};
use nablac::sparsity::Pattern;

/// A kernel and an argument list it is to be evaluated at.
pub struct Case {
    pub kernel: Arc<Kernel>,
    pub args: Vec<Vec<f64>>,
    /// Calls no function whose C implementation may round differently.
    pub exact: bool,
}

/// Builds a kernel.
pub struct Builder {
    pub kernel: Kernel,
}

pub fn affine(offset: i64, terms: &[(LoopId, i64)]) -> Affine {
    Affine { offset, terms: terms.to_vec() }
}

impl Builder {
    pub fn new(name: &str, args: &[(&str, usize)], res: &[(&str, usize)]) -> Builder {
        let ports = |list: &[(&str, usize)]| {
            list.iter().map(|&(name, nnz)| Port { name: name.to_string(), nnz }).collect()
        };
        let kernel = Kernel {
            name: name.to_string(),
            args: ports(args),
            res: ports(res),
            ..Kernel::default()
        };
        Builder { kernel }
    }

    pub fn push(&mut self, inst: Inst) {
        self.kernel.insts.push(inst);
    }

    fn fresh(&mut self) -> Val {
        self.kernel.n_values += 1;
        self.kernel.n_values - 1
    }

    pub fn addr(&mut self, base: Base, index: Affine) -> u32 {
        self.lookup(base, index, Vec::new())
    }

    pub fn lookup(&mut self, base: Base, index: Affine, tables: Vec<Lookup>) -> u32 {
        self.kernel.addrs.push(Addr { base, index, tables });
        self.kernel.addrs.len() as u32 - 1
    }

    pub fn constant(&mut self, value: f64) -> Val {
        let dst = self.fresh();
        self.push(Inst::Const { dst, value });
        dst
    }

    pub fn load(&mut self, addr: u32) -> Val {
        let dst = self.fresh();
        self.push(Inst::Load { dst, addr });
        dst
    }

    pub fn load_at(&mut self, base: Base, offset: i64) -> Val {
        let addr = self.addr(base, affine(offset, &[]));
        self.load(addr)
    }

    pub fn store(&mut self, addr: u32, src: Val) {
        self.push(Inst::Store { addr, src });
    }

    pub fn store_at(&mut self, base: Base, offset: i64, src: Val) {
        let addr = self.addr(base, affine(offset, &[]));
        self.store(addr, src);
    }

    pub fn apply(&mut self, op: ScalarOp, args: &[Val]) -> Val {
        let dst = self.fresh();
        let arg = |idx: usize| args.get(idx).copied().unwrap_or(args[0]);
        self.push(Inst::Apply { dst, op, args: [arg(0), arg(1), arg(2)] });
        dst
    }

    pub fn counter(&mut self, loop_id: LoopId, base: f64, step: f64) -> Val {
        let info = self.kernel.counters.len() as u32;
        self.kernel.counters.push(CounterInfo { loop_id, base, step });
        let dst = self.fresh();
        self.push(Inst::Counter { dst, info });
        dst
    }

    /// Opens a loop that carries values with these initial ones; gives the carried values.
    pub fn open(&mut self, trip: Trip, init: &[Val]) -> (LoopId, Vec<Val>) {
        let id = self.kernel.loops.len() as LoopId;
        let carried: Vec<Carried> =
            init.iter().map(|&init| Carried { dst: self.fresh(), init, next: 0 }).collect();
        let values = carried.iter().map(|c| c.dst).collect();
        self.kernel.loops.push(LoopInfo { trip, carried, poll: 1, first: Default::default() });
        self.push(Inst::Loop { id });
        (id, values)
    }

    pub fn close(&mut self, id: LoopId, next: &[Val]) {
        for (carried, &next) in self.kernel.loops[id as usize].carried.iter_mut().zip(next) {
            carried.next = next;
        }
        self.push(Inst::EndLoop { id });
    }

    pub fn branch(&mut self, cond: Val) -> u32 {
        let id = self.kernel.conds.len() as u32;
        self.kernel.conds.push(CondInfo::default());
        self.push(Inst::If { cond, id });
        id
    }

    /// Ends a conditional; gives the value chosen for each pair.
    pub fn join(&mut self, id: u32, pairs: &[(Val, Val)]) -> Vec<Val> {
        let phis: Vec<_> = pairs.iter().map(|&(a, b)| (self.fresh(), a, b)).collect();
        let values = phis.iter().map(|phi| phi.0).collect();
        self.kernel.conds[id as usize].phis = phis;
        self.push(Inst::EndIf { id });
        values
    }

    pub fn call(&mut self, callee: Callee, args: Vec<u32>, res: Vec<u32>, work: usize) {
        let id = self.kernel.calls.len() as u32;
        self.kernel.calls.push(CallInfo { callee, args, res, work });
        self.push(Inst::Call { id });
    }

    pub fn check(&mut self, value: Val, lo: f64, hi: f64, input: &str) {
        let id = self.kernel.checks.len() as u32;
        let function = self.kernel.name.clone();
        self.kernel.checks.push(CheckInfo { lo, hi, function, input: input.to_string() });
        self.push(Inst::Check { value, id });
    }

    pub fn finish(mut self, work_len: usize) -> Arc<Kernel> {
        self.kernel.work_len = work_len;
        Arc::new(self.kernel)
    }
}

/// The exported function of a kernel, all ports dense columns.
pub fn export(name: &str, kernel: &Arc<Kernel>) -> CFunction {
    let ports = |ports: &[Port]| {
        let port = |port: &Port| CPort {
            name: port.name.clone(),
            pattern: Pattern::dense(port.nnz, 1),
            default: None,
            unit: None,
        };
        ports.iter().map(port).collect()
    };
    CFunction {
        name: name.to_string(),
        inputs: ports(&kernel.args),
        outputs: ports(&kernel.res),
        kernel: kernel.clone(),
    }
}

/// All cases.
pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        nothing(),
        fibonacci(),
        blocks(),
        branches(),
        tables(),
        calls(),
        shared_result(),
        long_code(1_600, 29),
        long_callee(),
    ];
    cases.extend(operations());
    cases
}

fn case(kernel: Arc<Kernel>, args: &[&[f64]]) -> Case {
    Case { kernel, args: args.iter().map(|arg| arg.to_vec()).collect(), exact: true }
}

/// Every operation at three arguments, some of them special numbers; operations that are a
/// function of the C library are apart.
fn operations() -> Vec<Case> {
    let specials = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -2.5,
        3.0,
        1e-310,
        1e300,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ];
    let mut cases = Vec::new();
    for exact in [true, false] {
        let ops: Vec<ScalarOp> =
            ScalarOp::ALL.iter().copied().filter(|&op| is_exact(op) == exact).collect();
        let ports: Vec<(&str, usize)> = ops.iter().map(|op| (op.name(), 1)).collect();
        let name = if exact { "operations" } else { "functions" };
        for (i, &first) in specials.iter().enumerate() {
            for (j, &second) in specials.iter().enumerate() {
                let mut b = Builder::new(name, &[("x", 3)], &ports);
                let x: Vec<Val> = (0..3).map(|k| b.load_at(Base::Arg(0), k)).collect();
                for (res, &op) in ops.iter().enumerate() {
                    b.push(Inst::IfWanted { res: res as u32 });
                    let arity = match op.row().eval {
                        Eval::F1(_) => 1,
                        Eval::F2(_) => 2,
                        Eval::F3(_) => 3,
                    };
                    let y = b.apply(op, &x[..arity]);
                    b.store_at(Base::Res(res as u32), 0, y);
                    b.push(Inst::EndWanted);
                }
                // one kernel is enough for all points: they differ in the arguments only
                let kernel = match cases.last() {
                    Some(Case { kernel, .. }) if kernel.name == name => kernel.clone(),
                    _ => b.finish(0),
                };
                let third = specials[(i + 5 * j) % specials.len()];
                let args = vec![vec![first, second, third]];
                cases.push(Case { kernel, args, exact });
            }
        }
    }
    cases
}

/// Operations whose C text is arithmetic or an exactly specified function.
pub fn is_exact(op: ScalarOp) -> bool {
    let c = op.row().c;
    let exact = ["sqrt(", "fabs(", "floor(", "ceil(", "round(", "copysign(", "fmod(", "remainder("];
    let helpers = ["nablac_sign(", "nablac_min(", "nablac_max(", "nablac_mod("];
    let called = c.find('(').is_some_and(|at| at > 0);
    !called || exact.iter().chain(&helpers).any(|name| c.starts_with(name))
}

/// No arguments, no results, no instructions.
fn nothing() -> Case {
    case(Builder::new("nothing", &[], &[]).finish(0), &[])
}

/// Carried values that swap, and a loop that never runs.
fn fibonacci() -> Case {
    let mut b = Builder::new("fibonacci", &[("x", 2)], &[("y", 4)]);
    let first = b.load_at(Base::Arg(0), 0);
    let second = b.load_at(Base::Arg(0), 1);
    let unused = b.constant(0.0);
    let (id, c) = b.open(Trip::Const(11), &[first, second, unused]);
    let sum = b.apply(ScalarOp::Add, &[c[0], c[1]]);
    let count = b.counter(id, 1.0, 0.25);
    let kept = b.apply(ScalarOp::Mul, &[c[2], count]);
    b.close(id, &[c[1], sum, kept]);
    b.store_at(Base::Res(0), 0, c[0]);
    b.store_at(Base::Res(0), 1, c[1]);
    let (id, swap) = b.open(Trip::Const(3), &[first, second]);
    b.close(id, &[swap[1], swap[0]]);
    let (id, never) = b.open(Trip::Const(0), &[swap[0]]);
    let next = b.counter(id, 0.0, 1.0);
    b.close(id, &[next]);
    b.store_at(Base::Res(0), 2, swap[1]);
    b.store_at(Base::Res(0), 3, never[0]);
    case(b.finish(0), &[&[1.0, -2.0]])
}

/// A sum in blocks, the last one shorter, that ends in negative strides and work memory.
fn blocks() -> Case {
    let mut b = Builder::new("blocks", &[("x", 19)], &[("s", 1), ("reversed", 19)]);
    let zero = b.constant(0.0);
    let (outer, total) = b.open(Trip::Const(3), &[zero]);
    let used = affine(0, &[(outer, 8)]);
    let (inner, partial) = b.open(Trip::Rest { limit: 8, total: 19, used }, &[zero]);
    let from = b.addr(Base::Arg(0), affine(0, &[(outer, 8), (inner, 1)]));
    let x = b.load(from);
    let squared = b.apply(ScalarOp::Mul, &[x, x]);
    let sum = b.apply(ScalarOp::Add, &[partial[0], squared]);
    let to = b.addr(Base::Work, affine(18, &[(outer, -8), (inner, -1)]));
    b.store(to, x);
    b.close(inner, &[sum]);
    let next = b.apply(ScalarOp::Add, &[total[0], partial[0]]);
    b.close(outer, &[next]);
    b.push(Inst::IfWanted { res: 0 });
    b.store_at(Base::Res(0), 0, total[0]);
    b.push(Inst::EndWanted);
    b.push(Inst::IfWanted { res: 1 });
    let (copy, _) = b.open(Trip::Const(19), &[]);
    let from = b.addr(Base::Work, affine(0, &[(copy, 1)]));
    let to = b.addr(Base::Res(1), affine(0, &[(copy, 1)]));
    let x = b.load(from);
    b.store(to, x);
    b.close(copy, &[]);
    b.push(Inst::EndWanted);
    let x: Vec<f64> = (0..19).map(|i| 0.3 + f64::from(i) / 7.0).collect();
    case(b.finish(19), &[&x])
}

/// Conditionals in a loop, one inside the other, with a NaN condition.
fn branches() -> Case {
    let mut b = Builder::new("branches", &[("x", 5)], &[("y", 5), ("count", 1)]);
    let zero = b.constant(0.0);
    let one = b.constant(1.0);
    let (id, count) = b.open(Trip::Const(5), &[zero]);
    let from = b.addr(Base::Arg(0), affine(0, &[(id, 1)]));
    let x = b.load(from);
    let outer = b.branch(x);
    let negative = b.apply(ScalarOp::Lt, &[x, zero]);
    let inner = b.branch(negative);
    let flipped = b.apply(ScalarOp::Neg, &[x]);
    b.push(Inst::Else { id: inner });
    let doubled = b.apply(ScalarOp::Add, &[x, x]);
    let chosen = b.join(inner, &[(flipped, doubled)]);
    let counted = b.apply(ScalarOp::Add, &[count[0], one]);
    b.push(Inst::Else { id: outer });
    let minus = b.constant(-7.0);
    let y = b.join(outer, &[(chosen[0], minus), (counted, count[0])]);
    let to = b.addr(Base::Res(0), affine(0, &[(id, 1)]));
    b.store(to, y[0]);
    b.close(id, &[y[1]]);
    b.store_at(Base::Res(1), 0, count[0]);
    case(b.finish(0), &[&[2.0, 0.0, -3.5, f64::NAN, -0.0]])
}

/// Index tables, constant data, accumulation.
fn tables() -> Case {
    let mut b = Builder::new("tables", &[("x", 4)], &[("y", 3)]);
    b.kernel.tables.push(vec![3, 0, 2, 0, 1, 3].into());
    b.kernel.tables.push(vec![2, 2, 0, 1, 0, 2].into());
    b.kernel.data.push(vec![0.5, -1.5, 1e-300, 7.0, f64::INFINITY, -0.0].into());
    let zero = b.constant(0.0);
    let (clear, _) = b.open(Trip::Const(3), &[]);
    let at = b.addr(Base::Res(0), affine(0, &[(clear, 1)]));
    b.store(at, zero);
    b.close(clear, &[]);
    let (id, _) = b.open(Trip::Const(6), &[]);
    let lookup = |table| vec![Lookup { table, index: affine(0, &[(id, 1)]) }];
    let from = b.lookup(Base::Arg(0), Affine::default(), lookup(0));
    let weight = b.addr(Base::Data(0), affine(5, &[(id, -1)]));
    let to = b.lookup(Base::Res(0), affine(0, &[]), lookup(1));
    let x = b.load(from);
    let w = b.load(weight);
    let product = b.apply(ScalarOp::Mul, &[x, w]);
    b.push(Inst::Accumulate { addr: to, src: product });
    b.close(id, &[]);
    case(b.finish(0), &[&[1.0, 2.0, 3.0, 4.0]])
}

/// Calls in a loop of a kernel that itself calls one and an external, with checks.
fn calls() -> Case {
    let mut b = Builder::new("square of /* it */", &[("", 1)], &[("x", 1)]);
    let x = b.load_at(Base::Arg(0), 0);
    b.check(x, -100.0, 100.0, "x");
    let y = b.apply(ScalarOp::Mul, &[x, x]);
    b.store_at(Base::Work, 0, y);
    let y = b.load_at(Base::Work, 0);
    b.store_at(Base::Res(0), 0, y);
    let square = b.finish(1);

    let mut b = Builder::new("calls", &[("x", 3)], &[("y", 3), ("z", 1)]);
    let (id, _) = b.open(Trip::Const(3), &[]);
    let from = b.addr(Base::Arg(0), affine(0, &[(id, 1)]));
    let middle = b.addr(Base::Work, affine(0, &[]));
    let to = b.addr(Base::Res(0), affine(0, &[(id, 1)]));
    b.call(Callee::Kernel(square.clone()), vec![from], vec![middle], 1);
    b.call(Callee::External(Arc::new(shift())), vec![middle], vec![to], 1);
    b.close(id, &[]);
    b.push(Inst::IfWanted { res: 1 });
    let from = b.addr(Base::Arg(0), affine(2, &[]));
    let to = b.addr(Base::Res(1), affine(0, &[]));
    b.call(Callee::Kernel(square), vec![from], vec![to], 1);
    b.push(Inst::EndWanted);
    case(b.finish(2), &[&[1.5, -2.0, 3.0]])
}

/// An external that adds one and refuses numbers above 50.
pub fn shift() -> External {
    External {
        name: "shift".to_string(),
        inputs: vec![Pattern::scalar()],
        outputs: vec![Pattern::scalar()],
        callback: Some(Arc::new(|arg, res| {
            if arg[0][0] > 50.0 {
                return Err("too large".to_string());
            }
            res[0][0] = arg[0][0] + 1.0;
            Ok(())
        })),
    }
}

/// A loop that fills two results at once, so that neither is inside a guard.
fn shared_result() -> Case {
    let mut b = Builder::new("shared_result", &[("x", 4)], &[("y", 4), ("z", 4)]);
    let (id, _) = b.open(Trip::Const(4), &[]);
    let from = b.addr(Base::Arg(0), affine(0, &[(id, 1)]));
    let x = b.load(from);
    let y = b.apply(ScalarOp::Div, &[x, x]);
    let to = b.addr(Base::Res(0), affine(0, &[(id, 1)]));
    b.store(to, y);
    let z = b.apply(ScalarOp::Sub, &[y, x]);
    let to = b.addr(Base::Res(1), affine(0, &[(id, 1)]));
    b.store(to, z);
    b.close(id, &[]);
    case(b.finish(0), &[&[0.0, 1.0, 2.5, f64::INFINITY]])
}

/// Straight-line code of about `n` statements over earlier values near and far, with loops and
/// guards in between.
fn long_code(n: usize, seed: u64) -> Case {
    let mut b = Builder::new(&format!("long_code_{n}"), &[("x", 40)], &[("y", 50), ("z", 50)]);
    let mut state = seed;
    let mut random = move |bound: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    let half = b.constant(0.5);
    let mut values: Vec<Val> = (0..40).map(|k| b.load_at(Base::Arg(0), k)).collect();
    for step in 0..n {
        let near = values[values.len() - 1 - random(20)];
        let far = values[random(values.len())];
        let op = [ScalarOp::Add, ScalarOp::Sub, ScalarOp::Mul, ScalarOp::Max][random(4)];
        let mixed = b.apply(op, &[near, far]);
        let value = if step % 200 == 199 {
            let (id, carried) = b.open(Trip::Const(3), &[mixed]);
            let next = b.apply(ScalarOp::Mul, &[carried[0], half]);
            b.close(id, &[next]);
            carried[0]
        } else {
            b.apply(ScalarOp::Mul, &[mixed, half])
        };
        values.push(value);
        let quarter = n / 4;
        if step % quarter == quarter - 1 {
            // one result is guarded by pieces of straight-line code, and so is its end
            for res in 0..2 {
                b.push(Inst::IfWanted { res });
                let mut sum = half;
                for k in 0..50 {
                    let value = values[random(values.len())];
                    sum = b.apply(ScalarOp::Add, &[sum, value]);
                    b.store_at(Base::Res(res), k, sum);
                }
                b.push(Inst::EndWanted);
            }
        }
    }
    let x: Vec<f64> = (0..40).map(|i| (f64::from(i) - 17.3) / 9.0).collect();
    case(b.finish(0), &[&x])
}

/// A caller whose callee keeps values in memory that the caller's plan does not know of.
fn long_callee() -> Case {
    let callee = long_code(1_000, 5).kernel;
    let mut b = Builder::new("long_callee", &[("x", 40)], &[("y", 50)]);
    let x = b.load_at(Base::Arg(0), 3);
    b.store_at(Base::Work, 50, x);
    let from = b.addr(Base::Arg(0), affine(0, &[]));
    let to = b.addr(Base::Res(0), affine(0, &[]));
    let other = b.addr(Base::Work, affine(0, &[]));
    b.call(Callee::Kernel(callee), vec![from], vec![other, to], 51);
    let kept = b.load_at(Base::Work, 50);
    b.store_at(Base::Res(0), 0, kept);
    let x: Vec<f64> = (0..40).map(|i| f64::from(i) / 11.0).collect();
    case(b.finish(51), &[&x])
}
