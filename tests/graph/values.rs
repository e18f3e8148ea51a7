//! Elementwise operations, rearrangement, products, reductions, calls and conditionals.

use nablac::graph::{Func, Graph, NodeId, Port, Reduction};
use nablac::ops::scalar::ScalarOp as S;
use nablac::ops::transpose;
use nablac::sparsity::{IndexMap, Pattern};

use crate::common::check;

fn element(g: &mut Graph, x: NodeId, k: usize) -> NodeId {
    g.gather(x, IndexMap::range(k, 1), Pattern::scalar())
}

#[test]
fn rosenbrock() {
    check("rosenbrock", &[(2, 1)], 1.2, |g, x| {
        let (a, b) = (element(g, x[0], 0), element(g, x[0], 1));
        let one = g.constant(1.0);
        let r = g.sub(one, a);
        let aa = g.mul(a, a);
        let s = g.sub(b, aa);
        g.concat(&[r, s])
    });
}

#[test]
fn elementwise_with_broadcast() {
    for n in [3, 100] {
        check("broadcast", &[(n, 1), (1, 1)], 0.7, |g, x| {
            let s = g.unary(S::Sin, x[0]);
            let p = g.mul(s, x[1]);
            let e = g.unary(S::Exp, p);
            g.div(e, x[0])
        });
    }
}

#[test]
fn powers_keep_their_zeros() {
    check("power", &[(4, 1)], 1.3, |g, x| {
        let d = g.gather(x[0], IndexMap::identity(4), Pattern::diagonal(4));
        let three = g.constant(3.0);
        let p = g.binary(S::Pow, d, three);
        g.unary(S::Sin, p)
    });
}

#[test]
fn rearrangement() {
    check("gather", &[(3, 2)], 0.5, |g, x| {
        let t = transpose(g, x[0]);
        let c = g.unary(S::Cos, t);
        let tail = g.gather(c, IndexMap::range(2, 3), Pattern::dense(3, 1));
        let both = g.concat(&[tail, x[0]]);
        let twice = g.mul(both, both);
        g.scatter(
            twice,
            IndexMap::from_table(vec![0, 1, 2, 2, 1, 0, 4, 5, 6]),
            Pattern::dense(8, 1),
        )
    });
}

#[test]
fn products_dense_and_sparse() {
    check("dense", &[(3, 4), (4, 2)], 0.5, |g, x| g.matmul(x[0], x[1]));
    check("larger", &[(9, 8), (8, 9)], 0.1, |g, x| g.matmul(x[0], x[1]));
    check("sparse", &[(4, 1), (4, 3)], 0.5, |g, x| {
        let d = g.gather(x[0], IndexMap::identity(4), Pattern::diagonal(4));
        let p = g.matmul(d, x[1]);
        let t = transpose(g, x[1]);
        g.matmul(t, p)
    });
}

#[test]
fn reductions() {
    for n in [5, 100] {
        for r in [Reduction::Sum, Reduction::Prod, Reduction::Max, Reduction::Min] {
            check("reduce", &[(n, 1)], 1.0, |g, x| {
                let s = g.unary(S::Sin, x[0]);
                g.reduce(r, s)
            });
        }
    }
}

#[test]
fn calls_and_conditionals() {
    let func = |name: &str, op: S| {
        let mut g = Graph::new();
        let x = g.input(0, Pattern::dense(3, 1));
        let p = g.input(1, Pattern::scalar());
        let y = g.unary(op, x);
        let y = g.mul(y, p);
        let z = g.reduce(Reduction::Sum, y);
        let z = g.mul(z, x);
        let ports = vec![Port::new("x", Pattern::dense(3, 1)), Port::new("p", Pattern::scalar())];
        Func::freeze(name, &g, ports, vec![("y".into(), y), ("z".into(), z)])
    };
    let (sin, exp) = (func("sin", S::Sin), func("exp", S::Exp));
    check("call", &[(3, 1), (1, 1)], 0.5, |g, x| {
        let once = g.call(&sin, &[x[0], x[1]]);
        let twice = g.call(&sin, &[once[1], x[1]]);
        g.concat(&[once[0], twice[0], twice[1]])
    });
    for limit in [-10.0, 10.0] {
        check("cond", &[(3, 1), (1, 1)], 0.5, |g, x| {
            let limit = g.constant(limit);
            let c = g.binary(S::Lt, x[1], limit);
            let of = g.cond(c, &sin, &exp, &[x[0], x[1]]);
            g.concat(&of)
        });
    }
}
