//! Straight-line code rolled up has the bits it had, in every engine.

#[path = "../support/flatten.rs"]
mod flatten;

use std::sync::Arc;

use nablac::backend::abi::{Engine, Memory};
use nablac::backend::interp::Interp;
use nablac::function::{Function, Options};
use nablac::graph::Func;
use nablac::kernel::ir::*;
use nablac::kernel::roll::{FEWEST, Rolled, roll_from, rolled};
use nablac::kernel::verify::verify;
use nablac::model::Model;
use nablac::ops::scalar::ScalarOp;
use nablac::simplify::SimplifyOptions;
use proptest::prelude::*;

use crate::builder::Builder;
use crate::{bits, call, engines, evaluate};

/// Numbers of both signs.
fn numbers(n: usize) -> Vec<f64> {
    (0..n).map(|i| 0.5 + 0.8 * (1.7 * i as f64).sin()).collect()
}

/// Compares a kernel with what rolling makes of it.
fn check(kernel: &Arc<Kernel>) -> (Arc<Kernel>, Rolled) {
    assert_eq!(verify(kernel), Ok(()));
    let (rolled, done) = roll_from(kernel, 0).expect("it repeats");
    let rolled = Arc::new(rolled);
    same(kernel, &rolled);
    (rolled, done)
}

fn same(kernel: &Arc<Kernel>, rolled: &Arc<Kernel>) {
    assert_eq!(verify(rolled), Ok(()));
    let args: Vec<Vec<f64>> = kernel.args.iter().map(|port| numbers(port.nnz)).collect();
    let args: Vec<&[f64]> = args.iter().map(Vec::as_slice).collect();
    let straight = call(&Interp::new(kernel), kernel, &args, &mut Memory::default());
    let expected: Vec<u64> =
        straight.expect("it evaluates").iter().flatten().copied().map(bits).collect();
    let found: Vec<u64> = evaluate(rolled, &args)
        .expect("it evaluates")
        .iter()
        .flatten()
        .copied()
        .map(bits)
        .collect();
    assert_eq!(expected, found);
}

fn function(text: &str) -> Function {
    Model::parse("f.nab", text).function().unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn flat(function: &Function) -> Arc<Kernel> {
    let options = Options { keep_straight: true, ..Options::default() };
    flatten::flatten(&function.compile(&options).expect("it compiles").kernel)
}

fn n_loops(kernel: &Kernel) -> usize {
    kernel.insts.iter().filter(|inst| matches!(inst, Inst::Loop { .. })).count()
}

#[test]
fn value_and_gradient_of_a_chain() {
    let f = function(
        "input x[10000]
         output f = sum(100 * (x[k+1] - x[k]^2)^2 + (1 - x[k])^2 for k in 0..9999)
         output g = grad(f, x)",
    );
    let (_, done) = check(&flat(&f));
    assert!(20 * (done.n_left + done.n_in_loops) < done.n_straight, "{done:?}");
}

#[test]
fn multiple_shooting() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/quadrotor_ocp.nab");
    let function = Model::load(file).expect("it is there").dim("N", 12).function();
    let function = function.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let whole = function.func();
    let (graph, roots) = whole.graph().expect("it has a graph");
    let output = function.output("jac_g").expect("it is an output");
    let kept = vec![("jac_g".into(), roots[output])];
    let func = Func::freeze("jac_g", graph, whole.inputs.clone(), kept);
    let (_, done) = check(&flat(&Function::new(func, function.inputs().to_vec())));
    assert!(5 * (done.n_left + done.n_in_loops) < done.n_straight, "{done:?}");
}

/// `x[k+1] = sin(x[k]) * u[k] + c[k]`, with all states as results.
fn scan(n: usize) -> Arc<Kernel> {
    let mut b = Builder::new("scan", &[1, n], &[n]);
    let mut x = b.load(Base::Arg(0), 0, &[]);
    for k in 0..n {
        let u = b.load(Base::Arg(1), k as i64, &[]);
        let c = b.constant(1.0 / (k as f64 + 1.0));
        // This depends on no state.
        let square = b.apply(ScalarOp::Mul, &[u, u]);
        let root = b.apply(ScalarOp::Sqrt, &[square]);
        let more = b.apply(ScalarOp::Add, &[root, c]);
        let scaled = b.apply(ScalarOp::Div, &[more, u]);
        let sine = b.apply(ScalarOp::Sin, &[x]);
        let product = b.apply(ScalarOp::Mul, &[sine, scaled]);
        x = b.apply(ScalarOp::Add, &[product, c]);
        b.store(Base::Res(0), k as i64, &[], x);
    }
    b.finish()
}

#[test]
fn a_scan_with_constants_of_its_own() {
    let (rolled, done) = check(&scan(1000));
    assert!(done.n_left + done.n_in_loops < 40, "{done:?}");
    // What depends on no state runs apart from what does.
    assert!(n_loops(&rolled) == 2, "{} loops", n_loops(&rolled));
    assert!(rolled.loops.iter().any(|info| info.carried.len() == 1));
    assert!(rolled.loops.iter().any(|info| info.carried.is_empty()));
}

#[test]
fn a_recurrence_over_three_iterations() {
    let n = 700;
    let mut b = Builder::new("recurrence", &[3], &[n, 1]);
    let mut all: Vec<Val> = (0..3).map(|k| b.load(Base::Arg(0), k, &[])).collect();
    all = all.iter().map(|&val| b.apply(ScalarOp::Neg, &[val])).collect();
    for k in 0..n {
        let last = all.len();
        let product = b.apply(ScalarOp::Mul, &[all[last - 1], all[last - 3]]);
        let sum = b.apply(ScalarOp::Sub, &[product, all[last - 2]]);
        let next = b.apply(ScalarOp::Tanh, &[sum]);
        all.push(next);
        b.store(Base::Res(0), k as i64, &[], next);
    }
    b.store(Base::Res(1), 0, &[], all[all.len() - 1]);
    let (_, done) = check(&b.finish());
    assert!(done.n_left + done.n_in_loops < 60, "{done:?}");
}

#[test]
fn sums_in_a_row_and_in_trees() {
    for n in [1024, 4096] {
        let mut b = Builder::new("sums", &[n], &[2]);
        let mut terms = Vec::new();
        for k in 0..n {
            let x = b.load(Base::Arg(0), k as i64, &[]);
            terms.push(b.apply(ScalarOp::Exp, &[x]));
        }
        let mut sum = terms[0];
        for &term in &terms[1..] {
            sum = b.apply(ScalarOp::Add, &[sum, term]);
        }
        b.store(Base::Res(0), 0, &[], sum);
        while terms.len() > 1 {
            let pairs: Vec<Val> =
                terms.chunks(2).map(|pair| b.apply(ScalarOp::Add, pair)).collect();
            terms = pairs;
        }
        b.store(Base::Res(0), 1, &[], terms[0]);
        let (_, done) = check(&b.finish());
        assert!(2 * (done.n_left + done.n_in_loops) < done.n_straight, "{done:?}");
    }
}

/// The tree as recursion over halves writes it, sums between terms.
#[test]
fn a_tree_depth_first() {
    let n = 4096;
    let mut b = Builder::new("tree", &[n], &[1]);
    let mut open: Vec<(u32, Val)> = Vec::new();
    for k in 0..n {
        let x = b.load(Base::Arg(0), k as i64, &[]);
        let mut top = (0, b.apply(ScalarOp::Mul, &[x, x]));
        while let Some(&(level, left)) = open.last()
            && level == top.0
        {
            open.pop();
            top = (level + 1, b.apply(ScalarOp::Add, &[left, top.1]));
        }
        open.push(top);
    }
    b.store(Base::Res(0), 0, &[], open[0].1);
    let (_, done) = check(&b.finish());
    assert!(10 * (done.n_left + done.n_in_loops) < done.n_straight, "{done:?}");
}

#[test]
fn operands_by_tables() {
    let n = 600;
    let mut b = Builder::new("tables", &[n], &[n]);
    let mut lcg = Lcg(7);
    let mut before: Vec<Val> = Vec::new();
    for _ in 0..n {
        let x = b.load(Base::Arg(0), lcg.below(n) as i64, &[]);
        before.push(b.apply(ScalarOp::Sin, &[x]));
    }
    let mut places: Vec<usize> = (0..n).collect();
    for k in 0..n {
        let (left, right) = (before[lcg.below(n)], before[lcg.below(n)]);
        let product = b.apply(ScalarOp::Mul, &[left, right]);
        let y = b.apply(ScalarOp::Add, &[product, left]);
        let other = k + lcg.below(n - k);
        places.swap(k, other);
        b.store(Base::Res(0), places[k] as i64, &[], y);
    }
    let (_, done) = check(&b.finish());
    assert!(done.n_by_tables > 0, "{done:?}");
}

/// Values of one part are read in the guarded parts, and only some results are wanted.
#[test]
fn wanted_results() {
    let n = 300;
    let mut b = Builder::new("wanted", &[n], &[n, n, 1]);
    let mut shared = Vec::new();
    for k in 0..n {
        let x = b.load(Base::Arg(0), k as i64, &[]);
        let sine = b.apply(ScalarOp::Sin, &[x]);
        shared.push(b.apply(ScalarOp::Mul, &[sine, x]));
    }
    for res in 0..2 {
        b.push(Inst::IfWanted { res });
        for k in 0..n {
            let at = if res == 0 { k } else { n - 1 - k };
            let x = b.load(Base::Arg(0), k as i64, &[]);
            let sum = b.apply(ScalarOp::Add, &[shared[at], x]);
            let y = b.apply(ScalarOp::Mul, &[sum, shared[k]]);
            b.store(Base::Res(res), k as i64, &[], y);
        }
        b.push(Inst::EndWanted);
    }
    // A loop that was there before reads a value of the block, and a leaf.
    let init = b.constant(0.5);
    let (id, carried) = b.begin_loop(Trip::Const(5), false, &[init]);
    let next = b.apply(ScalarOp::Mul, &[carried[0], shared[n / 2]]);
    b.end_loop(id, &[next]);
    b.push(Inst::IfWanted { res: 2 });
    b.store(Base::Res(2), 0, &[], carried[0]);
    b.push(Inst::EndWanted);
    let kernel = b.finish();
    let (rolled, done) = check(&kernel);
    assert!(done.n_left + done.n_in_loops < 60, "{done:?}");
    let x = numbers(n);
    let run = |engine: &dyn Engine, wanted: u32| {
        let mut res: Vec<Vec<f64>> = [n, n, 1].iter().map(|&n| vec![0.25; n]).collect();
        let mut given: Vec<Option<&mut [f64]>> = (0..)
            .zip(&mut res)
            .map(|(k, res)| (wanted >> k & 1 == 1).then_some(&mut res[..]))
            .collect();
        engine.call(&[&x], &mut given, &mut Memory::default()).expect("it evaluates");
        res.concat().into_iter().map(bits).collect::<Vec<_>>()
    };
    for wanted in 0..8 {
        let expected = run(&Interp::new(&kernel), wanted);
        for (name, engine) in engines(&rolled) {
            assert_eq!(expected, run(&*engine, wanted), "{name}, {wanted:03b}");
        }
    }
}

/// Memory that is read after it was written keeps the order of what uses it.
#[test]
fn memory_that_is_read_back() {
    let n = 400;
    let mut b = Builder::new("memory", &[n], &[n, 1]);
    b.kernel.work_len = n;
    let zero = b.constant(0.0);
    b.store(Base::Res(1), 0, &[], zero);
    for k in 0..n as i64 {
        let x = b.load(Base::Arg(0), k, &[]);
        let y = b.apply(ScalarOp::Mul, &[x, x]);
        b.store(Base::Work, k, &[], y);
        let before = b.load(Base::Work, (k - 1).max(0), &[]);
        let sum = b.apply(ScalarOp::Sub, &[before, y]);
        b.accumulate(Base::Res(1), 0, &[], sum);
        b.store(Base::Work, (k - 2).max(0), &[], sum);
        let again = b.load(Base::Work, (k - 2).max(0), &[]);
        b.store(Base::Res(0), k, &[], again);
    }
    let (_, done) = check(&b.finish());
    assert!(done.n_left + done.n_in_loops < 60, "{done:?}");
}

#[test]
fn what_is_small_or_does_not_repeat_stays() {
    let small = scan(100);
    assert!(small.insts.len() < FEWEST && n_loops(&rolled((*small).clone())) == 0);
    let long = scan(1000);
    assert!(n_loops(&rolled((*long).clone())) > 0);
    let mut b = Builder::new("noise", &[8], &[1]);
    let mut lcg = Lcg(3);
    let mut all: Vec<Val> = (0..8).map(|k| b.load(Base::Arg(0), k, &[])).collect();
    for _ in 0..2 * FEWEST {
        let op = [ScalarOp::Add, ScalarOp::Mul, ScalarOp::Sub, ScalarOp::Max][lcg.below(4)];
        let operands = [0; 2].map(|_| all[all.len() - 1 - lcg.below(all.len().min(40))]);
        let dst = b.apply(op, &operands);
        all.push(dst);
    }
    b.store(Base::Res(0), 0, &[], all[all.len() - 1]);
    assert!(roll_from(&b.kernel, 0).is_none());
}

/// A function is compiled with loops, or straight if that is asked for, to the same bits.
#[test]
fn functions_are_rolled() {
    let terms = |k: usize| format!("(x[{}] - x[{k}]^2)^2 + sin(x[{k}])", k + 1);
    let sum = (0..600).map(terms).collect::<Vec<_>>().join(" + ");
    let f = function(&format!("input x[601]\noutput f = {sum}\noutput g = grad(f, x)"));
    let x = numbers(601);
    let simplify = SimplifyOptions { level: 1, ..SimplifyOptions::default() };
    let outcome = |keep_straight: bool| {
        let compiled =
            f.compile(&Options { keep_straight, simplify: simplify.clone(), ..Options::default() });
        let compiled = compiled.expect("it compiles");
        let values = compiled.evaluate(&[&x]).expect("it evaluates").concat();
        (n_loops(&compiled.kernel), values.into_iter().map(f64::to_bits).collect::<Vec<_>>())
    };
    let (straight, rolled) = (outcome(true), outcome(false));
    assert_eq!((straight.0, straight.1), (0, rolled.1));
    assert!(rolled.0 > 0);
}

struct Lcg(u64);

impl Lcg {
    fn below(&mut self, n: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

/// Where an operand of a template comes from.
#[derive(Clone, Copy)]
enum From {
    Argument {
        stride: usize,
        offset: usize,
    },
    AnyArgument,
    Constant,
    AnyConstant,
    /// Operations before, in this iteration.
    Here(usize),
    /// An operation of an iteration before.
    Before {
        iterations: usize,
        role: usize,
    },
    /// The same value in all iterations.
    Outside(usize),
    /// Any value there is.
    Any,
}

/// Blocks that repeat with operands of all kinds, and operations between that do not.
fn random(seed: u64) -> Arc<Kernel> {
    const N_ARGS: usize = 3000;
    const N_RES: usize = 4000;
    const OPS: [ScalarOp; 8] = [
        ScalarOp::Add,
        ScalarOp::Mul,
        ScalarOp::Sub,
        ScalarOp::Min,
        ScalarOp::Sin,
        ScalarOp::Neg,
        ScalarOp::Lt,
        ScalarOp::Select,
    ];
    let mut lcg = Lcg(seed);
    let mut b = Builder::new("random", &[N_ARGS], &[N_RES]);
    let x = b.load(Base::Arg(0), 1, &[]);
    let mut all = vec![b.apply(ScalarOp::Sqrt, &[x])];
    let mut n_stored = 0;
    for _ in 0..1 + lcg.below(3) {
        let n = 1 + lcg.below(24);
        let origin = |lcg: &mut Lcg, role: usize| match lcg.below(14) {
            0 | 1 => From::Argument { stride: lcg.below(4), offset: lcg.below(9) },
            2 => From::AnyArgument,
            3 => From::Constant,
            4 => From::AnyConstant,
            5 if lcg.below(3) == 0 => From::Any,
            6 => From::Before { iterations: 1 + lcg.below(3), role: lcg.below(n) },
            7 | 8 => From::Outside(lcg.below(1000)),
            _ if role > 0 => From::Here(1 + lcg.below(role.min(6))),
            _ => From::Outside(0),
        };
        let template: Vec<(ScalarOp, Vec<From>, usize)> = (0..n)
            .map(|role| {
                let op = OPS[lcg.below(OPS.len())];
                let from = (0..op.arity()).map(|_| origin(&mut lcg, role)).collect();
                (op, from, lcg.below(8))
            })
            .collect();
        let outside = all.len();
        let noise = [0, 0, 400, 60][lcg.below(4)];
        let mut before: Vec<Vec<Val>> = Vec::new();
        for trip in 0..12 + lcg.below(50) {
            let mut here: Vec<Val> = Vec::new();
            for (role, (op, from, store)) in template.iter().enumerate() {
                let mut args = Vec::new();
                for from in from {
                    let load = |b: &mut Builder, at: usize| b.load(Base::Arg(0), at as i64, &[]);
                    args.push(match *from {
                        From::Argument { stride, offset } => load(&mut b, stride * trip + offset),
                        From::AnyArgument => load(&mut b, lcg.below(N_ARGS)),
                        From::Constant => b.constant(0.75),
                        From::AnyConstant => b.constant(lcg.below(100) as f64 - 50.0),
                        From::Here(back) => here[role - back],
                        From::Before { iterations, role } if trip >= iterations => {
                            before[trip - iterations][role]
                        }
                        From::Before { role, .. } => all[role % outside],
                        From::Outside(k) => all[k % outside],
                        From::Any => all[lcg.below(all.len())],
                    });
                }
                here.push(b.apply(*op, &args));
                all.push(here[role]);
                if *store == 0 && n_stored < N_RES {
                    b.store(Base::Res(0), n_stored as i64, &[], here[role]);
                    n_stored += 1;
                }
                if noise > 0 && lcg.below(noise) == 0 {
                    let operand = all[lcg.below(all.len())];
                    all.push(b.apply(ScalarOp::Cos, &[operand]));
                }
            }
            before.push(here);
        }
    }
    while n_stored < N_RES && lcg.below(30) > 0 {
        b.store(Base::Res(0), n_stored as i64, &[], all[lcg.below(all.len())]);
        n_stored += 1;
    }
    b.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 30 } else { 200 }))]

    #[test]
    fn templates_with_noise(seed in any::<u64>()) {
        let kernel = random(seed);
        prop_assert_eq!(verify(&kernel), Ok(()));
        if let Some((rolled, _)) = roll_from(&kernel, 0) {
            same(&kernel, &Arc::new(rolled));
        }
    }
}

/// Most of the random kernels are rolled, so that the test above says something.
#[test]
fn templates_are_found() {
    let n_rolled = (0..40).filter(|&seed| roll_from(&random(seed), 0).is_some()).count();
    assert!(n_rolled >= 15, "{n_rolled} of 40");
}
