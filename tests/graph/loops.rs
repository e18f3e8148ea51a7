//! Maps, reductions over maps, folds and scans with all modes of arguments and results.

use std::sync::Arc;

use nablac::graph::{
    ArgMode, Func, Graph, LoopSpec, NodeId, Origin, Port, Reduction, ResultMode, Window,
};
use nablac::ops::scalar::ScalarOp as S;
use nablac::sparsity::{IndexMap, Pattern};

use crate::common::check;

fn ports(shapes: &[(usize, usize)]) -> Vec<Port> {
    shapes
        .iter()
        .enumerate()
        .map(|(k, &(r, c))| Port::new(format!("a{k}"), Pattern::dense(r, c)))
        .collect()
}

fn body(
    shapes: &[(usize, usize)],
    build: impl Fn(&mut Graph, &[NodeId]) -> Vec<NodeId>,
) -> Arc<Func> {
    let mut g = Graph::new();
    let inputs: Vec<NodeId> =
        shapes.iter().enumerate().map(|(k, &(r, c))| g.input(k, Pattern::dense(r, c))).collect();
    let outputs = build(&mut g, &inputs);
    let named = outputs.iter().map(|&o| ("y".into(), o)).collect();
    Func::freeze("body", &g, ports(shapes), named)
}

/// x (2 nonzeros an iteration, overlapping), p (broadcast), i.
fn mixed() -> Arc<Func> {
    body(&[(2, 1), (2, 1), (1, 1)], |g, a| {
        let s = g.mul(a[0], a[1]);
        let t = g.unary(S::Sin, s);
        let hundred = g.constant(100.0);
        let i = g.div(a[2], hundred);
        let u = g.add(t, i);
        let total = g.reduce(Reduction::Sum, u);
        vec![u, total]
    })
}

fn window(base: i64, step: i64, len: usize) -> Window {
    Window { origin: Origin::Affine { base, step }, map: IndexMap::identity(len) }
}

fn mixed_loop(g: &mut Graph, x: &[NodeId], n: u64, reduction: Reduction, turned: bool) -> NodeId {
    let mut spec = LoopSpec {
        body: mixed(),
        n,
        n_states: 0,
        args: vec![
            ArgMode::Window(window(0, 1, 2)),
            ArgMode::Broadcast,
            ArgMode::Iteration { base: 3, step: 2 },
        ],
        results: vec![ResultMode::Window(window(0, 2, 2)), ResultMode::Reduce(reduction)],
        patterns: vec![Pattern::dense(2, n as usize), Pattern::scalar()],
        range: None,
    };
    if turned {
        spec.args = spec.args.iter().map(|m| m.reversed(n)).collect();
    }
    let empty = g.zero(0, 0);
    let results = g.repeat(spec, &[x[0], x[1], empty]);
    g.concat(&results)
}

#[test]
fn maps_with_every_reduction() {
    for n in [3, 30] {
        for r in [Reduction::Sum, Reduction::Prod, Reduction::Max, Reduction::Min] {
            for turned in [false, true] {
                check("map", &[(n + 1, 1), (2, 1)], 0.8, |g, x| {
                    mixed_loop(g, x, n as u64, r, turned)
                });
            }
        }
    }
}

#[test]
fn tables_gather_and_segments_add_up() {
    let table: Arc<[u32]> = (0..20u32).map(|i| i * 7 % 5).collect();
    let at = || Window { origin: Origin::Table(table.clone()), map: IndexMap::identity(2) };
    check("table", &[(6, 1), (2, 1)], 0.8, |g, x| {
        let spec = LoopSpec {
            body: mixed(),
            n: 20,
            n_states: 0,
            args: vec![
                ArgMode::Window(at()),
                ArgMode::Broadcast,
                ArgMode::Iteration { base: 0, step: 1 },
            ],
            results: vec![ResultMode::Window(at()), ResultMode::Reduce(Reduction::Sum)],
            patterns: vec![Pattern::dense(6, 1), Pattern::scalar()],
            range: None,
        };
        let empty = g.zero(0, 0);
        let results = g.repeat(spec, &[x[0], x[1], empty]);
        g.concat(&results)
    });
}

/// State (2), control (1), parameter (1) -> next state; also gives an output.
fn step() -> Arc<Func> {
    body(&[(2, 1), (1, 1), (1, 1)], |g, a| {
        let s = g.unary(S::Sin, a[0]);
        let s = g.mul(s, a[2]);
        let swap = g.gather(s, IndexMap::from_table(vec![1, 0]), Pattern::dense(2, 1));
        let next = g.add(a[0], swap);
        let next = g.add(next, a[1]);
        let y = g.mul(next, a[1]);
        vec![next, y]
    })
}

#[test]
fn folds_and_scans() {
    for n in [4, 40] {
        check("fold", &[(2, 1), (n, 1), (1, 1)], 0.1, |g, x| {
            let spec = LoopSpec {
                body: step(),
                n: n as u64,
                n_states: 1,
                args: vec![ArgMode::Window(window(0, 1, 1)), ArgMode::Broadcast],
                results: vec![ResultMode::Window(Window::stacked(2))],
                patterns: vec![Pattern::dense(2, n)],
                range: None,
            };
            let results = g.repeat(spec, &[x[0], x[1], x[2]]);
            g.concat(&results)
        });
    }
}

#[test]
fn long_states_lie_in_memory() {
    let n = 40;
    let step = body(&[(n, 1), (1, 1)], |g, a| {
        let s = g.unary(S::Sin, a[0]);
        let shifted: Vec<u32> = (0..n as u32).map(|k| (k + 1) % n as u32).collect();
        let t = g.gather(s, IndexMap::from_table(shifted), Pattern::dense(n, 1));
        let u = g.mul(t, a[1]);
        let next = g.add(a[0], u);
        let total = g.reduce(Reduction::Sum, next);
        vec![next, total]
    });
    check("long", &[(n, 1), (12, 1)], 0.1, |g, x| {
        let spec = LoopSpec {
            body: step.clone(),
            n: 12,
            n_states: 1,
            args: vec![ArgMode::Window(window(0, 1, 1))],
            results: vec![ResultMode::Reduce(Reduction::Sum)],
            patterns: vec![Pattern::scalar()],
            range: None,
        };
        let results = g.repeat(spec, &[x[0], x[1]]);
        g.concat(&results)
    });
}

#[test]
fn nested_loops_see_windows_of_windows() {
    // sum over j of sin(x[i + j] * i) for each i: the outer window overlaps.
    let inner = body(&[(1, 1), (1, 1)], |g, a| {
        let p = g.mul(a[0], a[1]);
        vec![g.unary(S::Sin, p)]
    });
    let outer = body(&[(5, 1), (1, 1)], |g, a| {
        let spec = LoopSpec {
            body: inner.clone(),
            n: 5,
            n_states: 0,
            args: vec![ArgMode::Window(window(0, 1, 1)), ArgMode::Broadcast],
            results: vec![ResultMode::Reduce(Reduction::Sum)],
            patterns: vec![Pattern::scalar()],
            range: None,
        };
        vec![g.repeat(spec, &[a[0], a[1]])[0]]
    });
    for stride in [1i64, 3] {
        let n = 8usize;
        let len = n + 4 * stride as usize;
        check("nested", &[(len, 1)], 0.6, |g, x| {
            let rows = Window {
                origin: Origin::Affine { base: 0, step: 1 },
                map: IndexMap::affine(0, &[(5, stride)]),
            };
            let spec = LoopSpec {
                body: outer.clone(),
                n: n as u64,
                n_states: 0,
                args: vec![ArgMode::Window(rows), ArgMode::Iteration { base: 1, step: 1 }],
                results: vec![ResultMode::Window(Window::stacked(1))],
                patterns: vec![Pattern::dense(n, 1)],
                range: None,
            };
            let empty = g.zero(0, 0);
            g.repeat(spec, &[x[0], empty])[0]
        });
    }
}
