//! Random kernels: all engines agree.

use std::sync::Arc;

use nablac::kernel::ir::*;
use nablac::kernel::verify::verify;
use nablac::ops::scalar::ScalarOp;
use proptest::prelude::*;

use crate::builder::Builder;
use crate::evaluate;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 60 } else { 600 }))]

    #[test]
    fn engines_agree(
        choices in prop::collection::vec(any::<u16>(), 0..400),
        x in prop::collection::vec(-4.0..4.0f64, 2 * N),
    ) {
        let mut choices = Choices { rest: choices.into_iter() };
        let callee = generate("callee", &mut choices, 20, None);
        let kernel = generate("kernel", &mut choices, 200, Some(callee));
        prop_assert_eq!(verify(&kernel), Ok(()));
        let outcome = evaluate(&kernel, &[&x[..N], &x[N..]]);
        prop_assert!(outcome.is_ok());
    }
}

/// Length of every argument, result and work memory.
const N: usize = 12;

/// A source of decisions; small once it is used up, so that shrinking makes small kernels.
struct Choices {
    rest: std::vec::IntoIter<u16>,
}

impl Choices {
    fn below(&mut self, n: usize) -> usize {
        self.rest.next().map_or(0, |choice| choice as usize % n)
    }

    fn of(&mut self, values: &[Val]) -> Val {
        values[self.below(values.len())]
    }
}

fn generate(
    name: &str,
    choices: &mut Choices,
    len: usize,
    callee: Option<Arc<Kernel>>,
) -> Arc<Kernel> {
    let mut b = Builder::new(name, &[N, N], &[N, N]);
    b.kernel.work_len = N + callee.as_ref().map_or(0, |callee| callee.work_len);
    let init = b.constant(0.75);
    for k in 0..N as i64 {
        for base in [Base::Work, Base::Res(0), Base::Res(1)] {
            b.store(base, k, &[], init);
        }
    }
    let mut generator = Generator { b, choices, callee, visible: vec![init], open: Vec::new() };
    generator.region(len, 0);
    generator.b.finish()
}

struct Generator<'a> {
    b: Builder,
    choices: &'a mut Choices,
    callee: Option<Arc<Kernel>>,
    visible: Vec<Val>,
    /// Open loops with their most iterations.
    open: Vec<(LoopId, u64)>,
}

impl Generator<'_> {
    fn region(&mut self, len: usize, depth: usize) {
        for _ in 0..len {
            if self.choices.rest.len() == 0 {
                return;
            }
            self.statement(len, depth);
        }
    }

    fn statement(&mut self, len: usize, depth: usize) {
        match self.choices.below(16) {
            0 => {
                let value = [0.0, -0.0, 1.5, f64::NAN, -2.0][self.choices.below(5)];
                let dst = self.b.constant(value);
                self.visible.push(dst);
            }
            1..=3 => {
                let base = [Base::Arg(0), Base::Arg(1), Base::Work, Base::Res(1)];
                let base = base[self.choices.below(4)];
                let addr = self.addr(base, 1);
                let dst = self.b.load_at(addr);
                self.visible.push(dst);
            }
            4 | 5 => {
                let base = [Base::Work, Base::Res(0), Base::Res(1)][self.choices.below(3)];
                let addr = self.addr(base, 1);
                let src = self.choices.of(&self.visible);
                let inst = match self.choices.below(2) {
                    0 => Inst::Store { addr, src },
                    _ => Inst::Accumulate { addr, src },
                };
                self.b.push(inst);
            }
            6 if !self.open.is_empty() => {
                let (id, _) = self.open[self.choices.below(self.open.len())];
                let step = [1.0, -0.5, 3.0][self.choices.below(3)];
                let base = [0.0, 2.5][self.choices.below(2)];
                let dst = self.b.counter(id, base, step);
                self.visible.push(dst);
            }
            7 if depth < 4 => self.looped(len, depth),
            8 if depth < 4 => self.conditional(len, depth),
            9 => self.call(),
            10 if depth == 0 => {
                let res = self.choices.below(2) as u32;
                self.b.push(Inst::IfWanted { res });
                self.inner(len / 4, 4);
                self.b.push(Inst::EndWanted);
            }
            11 => {
                let value = self.choices.of(&self.visible);
                let finite = self.b.apply(ScalarOp::Tanh, &[value]);
                let nothing = self.b.constant(0.0);
                let safe = self.b.apply(ScalarOp::Eq, &[finite, nothing]);
                self.b.check(safe, 0.0, 1.0);
            }
            _ => {
                let mut op = ScalarOp::ALL[self.choices.below(ScalarOp::ALL.len())];
                if op == ScalarOp::Copysign {
                    // It would show the sign of a NaN, which engines do not agree on.
                    op = ScalarOp::Max;
                }
                let args: Vec<Val> =
                    (0..op.arity()).map(|_| self.choices.of(&self.visible)).collect();
                let dst = self.b.apply(op, &args);
                self.visible.push(dst);
            }
        }
    }

    /// A nested region; gives a value visible at its end.
    fn inner(&mut self, len: usize, depth: usize) -> Val {
        let n_visible = self.visible.len();
        self.region(len, depth);
        let last = self.choices.of(&self.visible);
        self.visible.truncate(n_visible);
        last
    }

    fn looped(&mut self, len: usize, depth: usize) {
        let most = [0, 1, 2, 3, 5, 8, 11][self.choices.below(7)];
        let trip = match self.choices.below(3) {
            0 if !self.open.is_empty() => {
                let (outer, _) = self.open[self.choices.below(self.open.len())];
                let used = Affine { offset: 0, terms: vec![(outer, 2)] };
                Trip::Rest { limit: most, total: 5, used }
            }
            _ => Trip::Const(most),
        };
        let n_carried = self.choices.below(4);
        let inits: Vec<Val> = (0..n_carried).map(|_| self.choices.of(&self.visible)).collect();
        let poll = self.choices.below(2) == 0;
        let (id, carried) = self.b.begin_loop(trip, poll, &inits);
        self.visible.extend(&carried);
        self.open.push((id, most));
        let n_visible = self.visible.len();
        self.region(len / 4, depth + 1);
        let nexts: Vec<Val> = carried.iter().map(|_| self.choices.of(&self.visible)).collect();
        self.visible.truncate(n_visible);
        self.open.pop();
        self.b.end_loop(id, &nexts);
    }

    fn conditional(&mut self, len: usize, depth: usize) {
        let cond = self.choices.of(&self.visible);
        let id = self.b.begin_if(cond);
        let yes = self.inner(len / 4, depth + 1);
        self.b.begin_else(id);
        let no = self.inner(len / 4, depth + 1);
        let phi = self.b.end_if(id, &[(yes, no)]);
        self.visible.extend(phi);
    }

    fn call(&mut self) {
        let Some(callee) = self.callee.clone() else { return };
        let args = [self.b.addr(Base::Arg(0), 0, &[]), self.b.addr(Base::Arg(1), 0, &[])];
        let res = match self.choices.below(2) {
            0 => [Base::Work, Base::Res(1)],
            _ => [Base::Res(0), Base::Work],
        };
        let res = res.map(|base| self.b.addr(base, 0, &[]));
        self.b.call(Callee::Kernel(callee), &args, &res, N);
    }

    /// An address in bounds in all iterations of the open loops.
    fn addr(&mut self, base: Base, len: usize) -> AddrId {
        let mut room = (N - len) as i64;
        let mut offset = self.choices.below(room as usize + 1) as i64;
        room -= offset;
        let mut terms = Vec::new();
        for &(id, most) in &self.open {
            let last = most.max(1) as i64 - 1;
            if last == 0 || self.choices.below(2) == 0 {
                continue;
            }
            let stride = self.choices.below((room / last) as usize + 1) as i64;
            room -= stride * last;
            if self.choices.below(3) == 0 {
                offset += stride * last;
                terms.push((id, -stride));
            } else {
                terms.push((id, stride));
            }
        }
        let mut tables = Vec::new();
        if self.choices.below(4) == 0 {
            let terms: Vec<_> = self.open.iter().map(|&(id, _)| (id, 1)).collect();
            let entries = 1 + self.open.iter().map(|&(_, most)| most as usize).sum::<usize>();
            let entry = |_| self.choices.below(room as usize + 1) as u32;
            let table: Vec<u32> = (0..entries).map(entry).collect();
            self.b.kernel.tables.push(Arc::from(table));
            let table = self.b.kernel.tables.len() as u32 - 1;
            tables.push(Lookup { table, index: Affine { offset: 0, terms } });
        }
        self.b.table_addr(base, Affine { offset, terms }, tables)
    }
}
