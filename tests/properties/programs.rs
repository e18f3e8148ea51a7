//! Random programs, made with the builder.

use nablac::builder::{Arg, Collect, Expr, GraphBuilder};
use nablac::function::Function;
use nablac::graph::Reduction;
use nablac::sparsity::Pattern;
use proptest::prelude::*;

/// One step of a program: what it does, and which earlier values it takes.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub kind: u8,
    pub a: u8,
    pub b: u8,
    pub c: u8,
}

pub fn step() -> impl Strategy<Value = Step> {
    let any = || any::<u8>();
    (any(), any(), any(), any()).prop_map(|(kind, a, b, c)| Step { kind, a, b, c })
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(), 1..14)
}

/// Largest number of entries of a value.
pub const MAX_ENTRIES: usize = 20;

/// Entries of `x`, and the numbers of the other inputs.
pub const N: usize = 4;

/// A function of one or two numbers that stays small.
fn scalar_function(name: &str, seed: u8, n_inputs: usize) -> Function {
    let g = GraphBuilder::new(name);
    let x: Vec<Expr> = (0..n_inputs).map(|k| g.input(&format!("x{k}"), 1)).collect();
    let (a, b) = (x[0], x[n_inputs - 1]);
    let y = match seed % 5 {
        0 => (a * b).sin() + 0.3 * a,
        1 => a / (1.0 + b * b),
        2 => (0.5 * a - b).tanh(),
        3 => (1.0 + a * a * b * b).sqrt(),
        _ => (0.2 * a).exp() * b.cos(),
    };
    g.output("y", y);
    g.function().unwrap()
}

/// (state of `n`, number) -> next state.
fn state_function(seed: u8, n: usize) -> Function {
    let g = GraphBuilder::new("next");
    let (x, u) = (g.input("x", n), g.input("u", 1));
    let turned = if n > 1 { g.vcat(&[x.slice(1..), x.at(0)]) } else { x };
    let next = match seed % 3 {
        0 => (0.7 * x + 0.2 * turned * u).sin(),
        1 => 0.9 * x + u / (2.0 + turned * turned),
        _ => x.tanh() - 0.1 * u,
    };
    g.output("next", next);
    g.function().unwrap()
}

/// Two values of one shape: `b` may become a number.
pub fn paired<'g>(a: Expr<'g>, b: Expr<'g>) -> (Expr<'g>, Expr<'g>) {
    if a.shape() == b.shape() { (a, b) } else { (a, b.sum().tanh()) }
}

pub fn apply<'g>(g: &'g GraphBuilder, values: &[Expr<'g>], step: Step) -> Expr<'g> {
    let pick = |k: u8| values[k as usize % values.len()];
    let (a, b) = (pick(step.a), pick(step.b));
    let n = a.shape().0 * a.shape().1;
    let count = n as u64;
    let c = step.c as usize;
    match step.kind % 22 {
        0 => a.sin(),
        1 => a.tanh(),
        2 => (1.0 + a * a).log(),
        3 => (0.3 * a).exp(),
        4 => {
            let (a, b) = paired(a, b);
            a + b
        }
        5 | 6 => {
            let (a, b) = paired(a, b);
            a * b
        }
        7 => {
            let (a, b) = paired(a, b);
            a / (1.5 + b * b)
        }
        8 => {
            let (a, b) = paired(a, b);
            a.max(b) - 0.5 * a.min(b)
        }
        9 => {
            let (a, b) = paired(a, b);
            a.gt(b).select(a * b, a - b)
        }
        10 if a.shape().1 == b.shape().0 => a.matmul(b),
        10 if a.shape().0 == b.shape().0 => a.t().matmul(b),
        10 => a.vec().matmul(b.vec().t()),
        11 => a.t(),
        12 => a.slice(c % n..),
        13 => a.entries(&[c % n, 0, n - 1, c / 2 % n]),
        14 => g.vcat(&[a.vec(), b.vec()]),
        15 => g.vcat(&[a.sum(), a.largest(), a.cumsum().at(n - 1), a.normfro()]),
        16 => {
            let f = scalar_function("callee", step.c, 2);
            f.call(&[a.at(c % n), b.at(0)]).only()
        }
        17 => {
            let f = scalar_function("body", step.c, 2);
            let args = [Arg::Each(a.vec()), Arg::Whole(b.at(0))];
            f.map(count, &args, &[Collect::Stack]).only()
        }
        18 => {
            let f = scalar_function("term", step.c, 2);
            let origins = (0..n).map(|k| (k * c + 1) % n).collect();
            let args = [
                Arg::Table { of: a, origins },
                Arg::Windows { of: a, base: n as i64 - 1, step: -1 },
            ];
            let all = [Reduction::Sum, Reduction::Prod, Reduction::Max];
            f.map(count, &args, &[Collect::Reduce(all[c % 3])]).only()
        }
        19 => {
            let f = state_function(step.c, n);
            let m = b.shape().0 * b.shape().1;
            f.fold(m as u64, &[a.vec()], &[Arg::Each(b.vec())], &[]).only()
        }
        20 => {
            let f = state_function(step.c, 2);
            let start = g.vcat(&[a.at(0), b.at(0)]);
            let mode = [Arg::Iteration { base: 1, step: 1 }];
            f.scan(4, &[start], &mode).only()
        }
        _ => {
            let then = scalar_function("then", step.c, 2);
            let other = scalar_function("else", step.c / 5, 2);
            let args = [a.at(0), b.at(c % (b.shape().0 * b.shape().1))];
            a.sum().gt(0.1).cond(&then, &other, &args).only()
        }
    }
}

/// The inputs of a program, and the value that its steps end with.
fn last<'g>(g: &'g GraphBuilder, x: Expr<'g>, steps: &[Step]) -> Expr<'g> {
    let diagonal = g.input("D", Pattern::diagonal(2));
    let mut values = vec![x, x.reshape(2, 2), diagonal, g.matrix((2, 2), &[0.5, 0.0, 1.5, -2.0])];
    for &step in steps {
        let value = apply(g, &values, step);
        let (n_rows, n_cols) = value.shape();
        let n = n_rows * n_cols;
        values.push(if n > MAX_ENTRIES { value.slice(..MAX_ENTRIES) } else { value });
    }
    values[values.len() - 1]
}

/// The value of a random program, without derivatives.
pub fn values(steps: &[Step]) -> Function {
    let g = GraphBuilder::new("program");
    let x = g.input("x", N);
    let (v, w) = (g.input("v", N), g.input("w", MAX_ENTRIES));
    let last = last(&g, x, steps);
    g.output("y", last + (v * w.slice(..N)).sum());
    g.function().unwrap_or_else(|e| panic!("{e}"))
}

/// Outputs of a random program: value, its derivatives by `x`, and those of a number made of it.
pub fn program(steps: &[Step]) -> Function {
    let g = GraphBuilder::new("program");
    let x = g.input("x", N);
    let (v, w) = (g.input("v", N), g.input("w", MAX_ENTRIES));
    let last = last(&g, x, steps).vec();
    let y = 0.5 * last + (x.sum() * last).sin();
    let w = w.slice(..y.shape().0);
    let f = (y * y.cos()).sum();
    g.output("y", y);
    g.output("jac", y.jac(x));
    g.output("jvp", y.jvp(x, v));
    g.output("vjp", y.vjp(x, w));
    g.output("grad", f.grad(x));
    g.output("hess", f.hess(x));
    g.output("hvp", f.hvp(x, v));
    g.function().unwrap_or_else(|e| panic!("{e}"))
}
