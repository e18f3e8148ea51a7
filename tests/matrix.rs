//! Every matrix function against plain nested vectors, on dense, sparse and constant operands:
//! values, exact sparsity, derivatives; and what it refuses.

use std::collections::BTreeSet;
use std::sync::Arc;

use nablac::backend::abi::{Engine, Memory};
use nablac::backend::interp::Interp;
use nablac::graph::evaluate::evaluate_nodes;
use nablac::graph::{Func, Graph, NodeId, Op, Port, Reduction};
use nablac::lower::functions::{self, Arg, Mistake};
use nablac::ops::matrix::{self, Block, Selection};
use nablac::sparsity::{IndexMap, Pattern};
use nablac::{kernel, simplify};
use proptest::prelude::*;

/// Rows of a matrix that has at least one; `None` is a structural zero.
#[derive(Clone, Debug)]
struct Matrix(Vec<Vec<Option<f64>>>);

type Plain = Vec<Vec<f64>>;

impl Matrix {
    fn dense(rows: &[&[f64]]) -> Matrix {
        Matrix(rows.iter().map(|r| r.iter().map(|&v| Some(v)).collect()).collect())
    }

    fn plain(&self) -> Plain {
        self.0.iter().map(|r| r.iter().map(|v| v.unwrap_or(0.0)).collect()).collect()
    }

    fn pattern(&self) -> Pattern {
        let filled = |i: usize| {
            let row = self.0[i].iter().enumerate();
            row.filter(|(_, v)| v.is_some()).map(move |(j, _)| (i, j))
        };
        Pattern::try_from_entries(self.0.len(), self.0[0].len(), (0..self.0.len()).flat_map(filled))
            .unwrap()
    }

    fn nonzeros(&self) -> Vec<f64> {
        self.pattern().entries().map(|(i, j)| self.0[i][j].unwrap_or(0.0)).collect()
    }
}

fn make(n_rows: usize, n_cols: usize, entry: impl Fn(usize, usize) -> f64) -> Plain {
    (0..n_rows).map(|i| (0..n_cols).map(|j| entry(i, j)).collect()).collect()
}

fn n_rows(a: &Plain) -> usize {
    a.len()
}

fn n_cols(a: &Plain) -> usize {
    a[0].len()
}

/// All entries, column by column.
fn entries(a: &Plain) -> Vec<f64> {
    (0..n_cols(a)).flat_map(|j| a.iter().map(move |r| r[j])).collect()
}

fn times(a: &Plain, b: &Plain) -> Plain {
    let entry = |i: usize, j: usize| (0..n_cols(a)).map(|k| a[i][k] * b[k][j]).sum();
    make(n_rows(a), n_cols(b), entry)
}

fn turned(a: &Plain) -> Plain {
    make(n_cols(a), n_rows(a), |i, j| a[j][i])
}

fn one(v: f64) -> Plain {
    vec![vec![v]]
}

fn as_column(a: &Plain) -> Plain {
    entries(a).into_iter().map(|v| vec![v]).collect()
}

/// The value of a node as a full matrix, and its number of structural nonzeros.
fn value(graph: &Graph, node: NodeId, inputs: &[Vec<f64>]) -> (Plain, usize) {
    let nonzeros = evaluate_nodes(graph, &[node], inputs).expect("evaluates");
    let pattern = graph.pattern(node);
    let mut full = make(pattern.n_rows(), pattern.n_cols(), |_, _| 0.0);
    for ((i, j), v) in pattern.entries().zip(&nonzeros[0]) {
        full[i][j] = *v;
    }
    (full, pattern.nnz())
}

/// The value of a node by the interpreter, after simplification.
fn compiled_value(graph: &Graph, node: NodeId, operands: &[&Matrix]) -> Plain {
    let port = |(k, m): (usize, &&Matrix)| Port::new(format!("x{k}"), m.pattern());
    let ports = operands.iter().enumerate().map(port).collect();
    let func = Func::freeze("f", graph, ports, vec![("y".into(), node)]);
    let func = simplify::optimize(&func, &Default::default());
    let pattern = graph.pattern(node);
    let mut nonzeros = vec![f64::NAN; pattern.nnz()];
    let inputs: Vec<Vec<f64>> = operands.iter().map(|m| m.nonzeros()).collect();
    let arg: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    let interp = Interp::new(&Arc::new(kernel::build(&func)));
    interp.call(&arg, &mut [Some(&mut nonzeros)], &mut Memory::default()).expect("runs");
    let mut full = make(pattern.n_rows(), pattern.n_cols(), |_, _| 0.0);
    for ((i, j), v) in pattern.entries().zip(nonzeros) {
        full[i][j] = v;
    }
    full
}

fn assert_close(have: &Plain, want: &Plain, what: &str) {
    assert_eq!(have.len(), want.len(), "rows of {what}");
    for (h, w) in have.iter().zip(want) {
        assert_eq!(h.len(), w.len(), "columns of {what}");
        for (h, w) in h.iter().zip(w) {
            let tolerance = 1e-12 * w.abs().max(1.0);
            assert!((h - w).abs() <= tolerance || h == w, "{what}: {have:?}, not {want:?}");
        }
    }
}

/// Calls `build` on inputs and on constants; compares value and sparsity with `want`.
fn check(
    what: &str,
    operands: &[&Matrix],
    build: impl Fn(&mut Graph, &[NodeId]) -> NodeId,
    want: &Plain,
) {
    let inputs: Vec<Vec<f64>> = operands.iter().map(|m| m.nonzeros()).collect();
    for constant in [false, true] {
        let mut graph = Graph::new();
        let operand = |(k, m): (usize, &&Matrix)| {
            if constant {
                graph.constant_matrix(m.pattern(), &m.nonzeros())
            } else {
                graph.input(k, m.pattern())
            }
        };
        let nodes: Vec<NodeId> = operands.iter().enumerate().map(operand).collect();
        let node = build(&mut graph, &nodes);
        let (have, nnz) = value(&graph, node, &inputs);
        assert_close(&have, want, what);
        assert_close(&compiled_value(&graph, node, operands), want, &format!("compiled {what}"));
        // The smallest entry may be a zero that only the values show.
        if !what.starts_with("min") {
            let want_nnz = want.concat().iter().filter(|v| **v != 0.0).count();
            assert_eq!(nnz, want_nnz, "nonzeros of {what} of {operands:?}");
        }
    }
}

fn call(graph: &mut Graph, name: &str, nodes: &[NodeId], ints: &[i64]) -> Result<NodeId, Mistake> {
    let mut args: Vec<Arg> = nodes.iter().map(|&node| Arg { node, int: None }).collect();
    for &int in ints {
        args.push(Arg { node: graph.constant(int as f64), int: Some(int) });
    }
    let function = functions::lookup(name).expect("a matrix function");
    assert!((function.min_args..=function.max_args).contains(&args.len()), "{name}");
    (function.build)(graph, &args)
}

/// [`check`] of a function of the table.
fn check_call(name: &str, operands: &[&Matrix], ints: &[i64], want: Plain) {
    let build = |g: &mut Graph, nodes: &[NodeId]| match call(g, name, nodes, ints) {
        Ok(node) => node,
        Err(mistake) => panic!("{name}: {mistake:?}"),
    };
    check(name, operands, build, &want);
}

fn refuse(name: &str, operands: &[&Matrix], ints: &[i64]) -> Mistake {
    let mut graph = Graph::new();
    let nodes: Vec<NodeId> =
        operands.iter().enumerate().map(|(k, m)| graph.input(k, m.pattern())).collect();
    call(&mut graph, name, &nodes, ints).expect_err("refused")
}

/// A matrix with about a third of its entries structurally zero, or none. Its values are
/// positive and without relation, so that nothing cancels.
fn of_shape(n_rows: usize, n_cols: usize) -> impl Strategy<Value = Matrix> {
    let entry = (0.5f64..2.0, 0u8..3);
    let row = prop::collection::vec(entry, n_cols);
    (prop::collection::vec(row, n_rows), any::<bool>()).prop_map(|(rows, full)| {
        let keep = |(v, z): (f64, u8)| (full || z > 0).then_some(v);
        Matrix(rows.into_iter().map(|r| r.into_iter().map(keep).collect()).collect())
    })
}

fn any_matrix() -> impl Strategy<Value = Matrix> {
    (1usize..6, 1usize..6).prop_flat_map(|(r, c)| of_shape(r, c))
}

fn any_square() -> impl Strategy<Value = Matrix> {
    (1usize..5).prop_flat_map(|n| of_shape(n, n))
}

fn any_vector() -> impl Strategy<Value = Matrix> {
    (1usize..14, any::<bool>())
        .prop_flat_map(|(n, row)| if row { of_shape(1, n) } else { of_shape(n, 1) })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sums_and_norms(a in any_matrix(), x in any_vector()) {
        let p = a.plain();
        let all = entries(&p);
        let fold = |f: fn(f64, f64) -> f64, start: f64| one(all.iter().copied().fold(start, f));
        check_call("sum", &[&a], &[], fold(|s, v| s + v, 0.0));
        check_call("prod", &[&a], &[], fold(|s, v| s * v, 1.0));
        check_call("max", &[&a], &[], fold(f64::max, f64::NEG_INFINITY));
        check_call("min", &[&a], &[], fold(f64::min, f64::INFINITY));
        let (r, c) = (n_rows(&p), n_cols(&p));
        let down = |_: usize, j: usize| (0..r).map(|i| p[i][j]).sum();
        check_call("sum_rows", &[&a], &[], make(1, c, down));
        let across = |i: usize, _: usize| p[i].iter().sum();
        check_call("sum_cols", &[&a], &[], make(r, 1, across));
        let square: f64 = all.iter().map(|v| v * v).sum();
        check_call("normfro", &[&a], &[], one(square.sqrt()));
        check_call("logsumexp", &[&a], &[], one(all.iter().map(|v| v.exp()).sum::<f64>().ln()));
        let xs = entries(&x.plain());
        let square: f64 = xs.iter().map(|v| v * v).sum();
        check_call("norm1", &[&x], &[], one(xs.iter().sum()));
        check_call("norm2", &[&x], &[], one(square.sqrt()));
        check_call("norm2sq", &[&x], &[], one(square));
        check_call("norminf", &[&x], &[], one(xs.iter().copied().fold(0.0, f64::max)));
    }

    #[test]
    fn cumulative_sums(a in any_matrix(), x in any_vector(), tall in of_shape(13, 3)) {
        for m in [&a, &x, &tall] {
            let p = m.plain();
            let (r, c) = (n_rows(&p), n_cols(&p));
            let want = if r == 1 {
                make(1, c, |_, j| p[0][..=j].iter().sum())
            } else {
                make(r, c, |i, j| p[..=i].iter().map(|row| row[j]).sum())
            };
            check_call("cumsum", &[m], &[], want);
        }
    }

    #[test]
    fn shapes(a in any_matrix(), n_down in 0i64..4, n_across in 1i64..4, k in -3i64..4) {
        let p = a.plain();
        let (r, c) = (n_rows(&p), n_cols(&p));
        check("transpose", &[&a], |g, x| matrix::transpose(g, x[0]), &turned(&p));
        check_call("vec", &[&a], &[], as_column(&p));
        let all = entries(&p);
        check_call("reshape", &[&a], &[c as i64, r as i64], make(c, r, |i, j| all[i + j * c]));
        let (down, across) = (n_down as usize, n_across as usize);
        let tiled = make(r * down, c * across, |i, j| p[i % r][j % c]);
        check_call("repmat", &[&a], &[n_down, n_across], tiled);
        let below = |i: usize, j: usize| j as i64 - i as i64 <= k;
        let above = |i: usize, j: usize| j as i64 - i as i64 >= k;
        let part = |keep: &dyn Fn(usize, usize) -> bool| {
            make(r, c, |i, j| if keep(i, j) { p[i][j] } else { 0.0 })
        };
        check_call("tril", &[&a], &[k], part(&below));
        check_call("triu", &[&a], &[k], part(&above));
        check_call("tril", &[&a], &[], part(&|i, j| j <= i));
        check_call("triu", &[&a], &[], part(&|i, j| j >= i));
        let diagonal = if r == 1 || c == 1 {
            make(r * c, r * c, |i, j| if i == j { all[i] } else { 0.0 })
        } else {
            make(r.min(c), 1, |i, _| p[i][i])
        };
        check_call("diag", &[&a], &[], diagonal);
        check_call("rows", &[&a], &[], one(r as f64));
        check_call("cols", &[&a], &[], one(c as f64));
        check_call("nnz", &[&a], &[], one(a.pattern().nnz() as f64));
    }

    #[test]
    fn parts(a in any_matrix(), seed in prop::collection::vec(0usize..1000, 1..8)) {
        let p = a.plain();
        let (r, c) = (n_rows(&p), n_cols(&p));
        let rows: Vec<usize> = seed.iter().map(|s| s % r).collect();
        let cols: Vec<usize> = seed.iter().map(|s| s / 7 % c).collect();
        let (row, col) = (rows[0], cols[0]);
        let row_range = Selection::Range { start: row, len: r - row };
        let col_range = Selection::Range { start: col, len: c - col };
        for (rows, cols) in [
            (Selection::List(&rows), Selection::List(&cols)),
            (row_range, Selection::List(&cols)),
            (Selection::List(&rows), col_range),
            (row_range, col_range),
            (Selection::Range { start: row, len: 1 }, Selection::Range { start: 0, len: c }),
        ] {
            let want = make(rows.len(), cols.len(), |i, j| p[rows.get(i)][cols.get(j)]);
            check("submatrix", &[&a], |g, x| matrix::submatrix(g, x[0], rows, cols), &want);
        }
        check("element", &[&a], |g, x| matrix::element(g, x[0], row, col), &one(p[row][col]));
        let all = entries(&p);
        let list: Vec<usize> = seed.iter().map(|s| s % all.len()).collect();
        let n = list.len();
        let want = if r == 1 && c != 1 {
            make(1, n, |_, j| all[list[j]])
        } else {
            make(n, 1, |i, _| all[list[i]])
        };
        let which = Selection::List(&list);
        check("elements", &[&a], |g, x| matrix::elements(g, x[0], which), &want);
    }

    #[test]
    fn assemblies(
        (a, b, c, d) in (1usize..4, 1usize..4, 1usize..4, 1usize..4).prop_flat_map(|(r, s, u, v)| {
            (of_shape(r, u), of_shape(r, v), of_shape(s, u), of_shape(s, v))
        }),
    ) {
        let (p, q) = (a.plain(), b.plain());
        let (r, u) = (n_rows(&p), n_cols(&p));
        let side = |p: &Plain, q: &Plain| -> Plain {
            p.iter().zip(q).map(|(x, y)| [&x[..], &y[..]].concat()).collect()
        };
        let top = side(&p, &q);
        check_call("hcat", &[&a, &b], &[], top.clone());
        check_call("vcat", &[&a, &c], &[], [p, c.plain()].concat());
        let whole = [top, side(&c.plain(), &d.plain())].concat();
        let build = |g: &mut Graph, x: &[NodeId]| {
            let block = |k: usize| Block { row: k / 2 * r, col: k % 2 * u, node: x[k] };
            let blocks = [3, 1, 0, 2].map(block);
            matrix::assemble(g, whole.len(), whole[0].len(), &blocks)
        };
        check("assemble", &[&a, &b, &c, &d], build, &whole);
    }

    #[test]
    fn products(a in any_matrix(), b in any_matrix(), x in any_vector(), s in any_square()) {
        let (p, q, t) = (a.plain(), b.plain(), s.plain());
        let (r, c) = (n_rows(&q), n_cols(&q));
        let kron = make(n_rows(&p) * r, n_cols(&p) * c, |i, j| p[i / r][j / c] * q[i % r][j % c]);
        check_call("kron", &[&a, &b], &[], kron);
        let (u, v) = (as_column(&x.plain()), as_column(&q));
        let outer = times(&u, &turned(&v));
        check("outer", &[&x, &b], |g, x| matrix::outer(g, x[0], x[1]), &outer);
        check_call("trace", &[&s], &[], one((0..n_rows(&t)).map(|i| t[i][i]).sum()));
        let squared = times(&t, &t);
        let trace = one((0..n_rows(&t)).map(|i| squared[i][i]).sum());
        let build = |g: &mut Graph, x: &[NodeId]| {
            let product = matrix::product(g, x[0], x[0]);
            matrix::trace(g, product)
        };
        check("trace of a product", &[&s], build, &trace);
        let mut power = make(n_rows(&t), n_rows(&t), |i, j| f64::from(i == j));
        for exponent in 0..6 {
            check("power", &[&s], |g, x| matrix::power(g, x[0], exponent), &power);
            power = times(&power, &t);
        }
    }

    #[test]
    fn products_of_equal_shapes(
        (a, b) in (1usize..6, 1usize..6).prop_flat_map(|(r, c)| (of_shape(r, c), of_shape(r, c))),
        (x, s) in (1usize..6).prop_flat_map(|n| (of_shape(n, 1), of_shape(n, n))),
    ) {
        let (p, q) = (entries(&a.plain()), entries(&b.plain()));
        check_call("dot", &[&a, &b], &[], one(p.iter().zip(&q).map(|(x, y)| x * y).sum()));
        let u = x.plain();
        let form = times(&turned(&u), &times(&s.plain(), &u));
        check_call("quad_form", &[&x, &s], &[], form);
    }

    #[test]
    fn vectors_in_space(a in of_shape(3, 1), b in of_shape(3, 1)) {
        let (p, q) = (entries(&a.plain()), entries(&b.plain()));
        let turn = |m: &Matrix| Matrix(vec![m.0.iter().map(|r| r[0]).collect()]);
        let cross: Vec<f64> = (0..3)
            .map(|i| p[(i + 1) % 3] * q[(i + 2) % 3] - p[(i + 2) % 3] * q[(i + 1) % 3])
            .collect();
        check_call("cross", &[&a, &b], &[], cross.iter().map(|&v| vec![v]).collect());
        check_call("cross", &[&turn(&a), &turn(&b)], &[], vec![cross]);
        let sign = |i: usize, j: usize| if (i + 1) % 3 == j { -1.0 } else { 1.0 };
        let skew = make(3, 3, |i, j| if i == j { 0.0 } else { sign(i, j) * p[3 - i - j] });
        check_call("skew", &[&a], &[], skew);
    }

    #[test]
    fn linspaces(a in of_shape(1, 1), b in of_shape(1, 1), n in 0i64..12) {
        let (x, y) = (a.plain()[0][0], b.plain()[0][0]);
        let at = |k: usize| match n {
            1 => x,
            _ => (x * (n as usize - 1 - k) as f64 + y * k as f64) / (n - 1) as f64,
        };
        check_call("linspace", &[&a, &b], &[n], make(n as usize, 1, |k, _| at(k)));
    }
}

/// Gradients of `sum(f(x) .* w)`, which follow from the compositions, against differences.
#[test]
fn derivatives_of_the_compositions() {
    let square = Matrix(vec![
        vec![Some(0.7), None, Some(1.3)],
        vec![Some(1.1), Some(0.4), None],
        vec![None, Some(0.9), Some(1.7)],
    ]);
    let full = Matrix::dense(&[&[0.7, 1.9, 1.3], &[1.1, 0.4, 0.6], &[0.8, 0.9, 1.7]]);
    let vector = Matrix::dense(&[&[0.3], &[1.2], &[0.8]]);
    let tall =
        Matrix((0..11).map(|k| vec![Some(0.1 + k as f64), (k > 3).then_some(0.5)]).collect());
    let one_operand = [
        "sum",
        "prod",
        "max",
        "sum_rows",
        "sum_cols",
        "normfro",
        "logsumexp",
        "trace",
        "diag",
        "vec",
        "tril",
        "triu",
        "cumsum",
    ];
    for name in one_operand {
        check_gradient(name, &[&square]);
        check_gradient(name, &[&full]);
    }
    check_gradient("cumsum", &[&tall]);
    for name in ["norm1", "norm2", "norm2sq", "norminf", "skew"] {
        check_gradient(name, &[&vector]);
    }
    for name in ["dot", "kron", "hcat", "vcat"] {
        check_gradient(name, &[&square, &full]);
    }
    check_gradient("cross", &[&vector, &Matrix::dense(&[&[0.9], &[0.1], &[1.4]])]);
    check_gradient("quad_form", &[&vector, &square]);
    check_gradient("quad_form", &[&vector, &full]);
}

fn check_gradient(name: &str, operands: &[&Matrix]) {
    let mut graph = Graph::new();
    let nodes: Vec<NodeId> =
        operands.iter().enumerate().map(|(k, m)| graph.input(k, m.pattern())).collect();
    let result = call(&mut graph, name, &nodes, &[]).expect("fits");
    let pattern = graph.pattern(result).clone();
    let weights: Vec<f64> = (0..pattern.nnz()).map(|k| 1.0 + 0.3 * k as f64).collect();
    let weights = graph.constant_matrix(pattern, &weights);
    let weighted = graph.mul(result, weights);
    let objective = graph.reduce(Reduction::Sum, weighted);
    let inputs: Vec<Vec<f64>> = operands.iter().map(|m| m.nonzeros()).collect();
    for (k, &node) in nodes.iter().enumerate() {
        let gradient = nablac::diff::gradient(&mut graph, objective, &[node]).expect("derivative");
        let gradient = graph.project(gradient, &operands[k].pattern());
        let have = evaluate_nodes(&graph, &[gradient], &inputs).expect("evaluates").remove(0);
        for (i, have) in have.iter().enumerate() {
            let at = |step: f64| {
                let mut moved = inputs.clone();
                moved[k][i] += step;
                evaluate_nodes(&graph, &[objective], &moved).expect("evaluates")[0]
                    .iter()
                    .sum::<f64>()
            };
            let want = (at(1e-6) - at(-1e-6)) / 2e-6;
            assert!((have - want).abs() < 1e-7 * want.abs().max(1.0), "{name}: {have}, not {want}");
        }
    }
}

#[test]
fn constants() {
    let identity = make(4, 4, |i, j| f64::from(i == j));
    check_call("eye", &[], &[4], identity);
    check_call("zeros", &[], &[2, 3], make(2, 3, |_, _| 0.0));
    check_call("zeros", &[], &[2], make(2, 1, |_, _| 0.0));
    check_call("ones", &[], &[2, 3], make(2, 3, |_, _| 1.0));
    check_call("ones", &[], &[0], vec![]);
}

#[test]
fn logsumexp_neither_overflows_nor_subtracts_infinities() {
    let run = |rows: &[&[f64]]| {
        let m = Matrix::dense(rows);
        let mut graph = Graph::new();
        let x = graph.input(0, m.pattern());
        let y = matrix::logsumexp(&mut graph, x);
        value(&graph, y, &[m.nonzeros()]).0[0][0]
    };
    assert_eq!(run(&[&[1000.0], &[1000.0]]), 1000.0 + 2f64.ln());
    assert_eq!(run(&[&[f64::NEG_INFINITY], &[f64::NEG_INFINITY]]), f64::NEG_INFINITY);
    assert_eq!(run(&[&[f64::INFINITY], &[1.0]]), f64::INFINITY);
    assert!(run(&[&[f64::NAN], &[1.0]]).is_nan());
}

/// Structural ones vanish: a Kronecker product with the identity only moves entries.
#[test]
fn identities_cost_nothing() {
    let mut graph = Graph::new();
    let x = graph.input(0, Pattern::dense(3, 2));
    let eye = matrix::eye(&mut graph, 4);
    for pair in [[eye, x], [x, eye]] {
        let y = matrix::kron(&mut graph, pair[0], pair[1]);
        assert_eq!((graph.op(y), graph.nnz(y)), (Op::Gather, 24));
    }
    let eye = matrix::eye(&mut graph, 2);
    assert_eq!(matrix::product(&mut graph, x, eye), x);
}

/// Index maps of dense operands do not grow with them.
#[test]
fn dense_operands_need_no_tables() {
    let mut g = Graph::new();
    let a = g.input(0, Pattern::dense(300, 200));
    let v = g.input(1, Pattern::dense(300, 1));
    let w = g.input(2, Pattern::dense(1, 200));
    let (rows, cols) =
        (Selection::Range { start: 10, len: 100 }, Selection::Range { start: 3, len: 50 });
    let every_third: Vec<usize> = (0..60).map(|k| 3 * k).collect();
    let nodes = [
        matrix::transpose(&mut g, a),
        matrix::column(&mut g, a),
        matrix::diag(&mut g, a),
        matrix::diag(&mut g, v),
        matrix::submatrix(&mut g, a, rows, cols),
        matrix::submatrix(&mut g, a, Selection::List(&every_third), cols),
        matrix::elements(&mut g, a, Selection::List(&every_third)),
        matrix::repmat(&mut g, v, 7, 9),
        matrix::repmat(&mut g, w, 7, 9),
        matrix::repmat(&mut g, a, 1, 9),
        matrix::repmat(&mut g, a, 7, 1),
        matrix::hcat(&mut g, &[a, v, a]),
        matrix::vcat(&mut g, &[a, a, a]),
        matrix::vcat(&mut g, &[w, w]),
        matrix::sum_rows(&mut g, a),
        matrix::sum_cols(&mut g, a),
    ];
    for (k, node) in nodes.into_iter().enumerate() {
        assert!(matches!(g.map(node), Some(IndexMap::Affine(_))), "number {k}");
    }
    let before = g.len();
    matrix::cumsum(&mut g, a);
    assert!(g.len() - before < 10);
}

#[test]
fn long_sequences_are_loops() {
    let mut g = Graph::new();
    let (a, b) = (g.input(0, Pattern::scalar()), g.constant(2.0));
    let n = (1 << 16) + 3;
    let y = matrix::linspace(&mut g, a, b, n);
    assert_eq!((g.op(y), g.shape(y)), (Op::Result, (n, 1)));
    let ends = matrix::elements(&mut g, y, Selection::List(&[0, n - 1]));
    assert_eq!(value(&g, ends, &[vec![0.7]]).0, [[0.7], [2.0]]);
}

#[test]
fn mistakes() {
    let tall = Matrix::dense(&[&[1.0, 2.0], &[3.0, 4.0], &[5.0, 6.0]]);
    let vector = Matrix::dense(&[&[1.0], &[2.0], &[3.0]]);
    let row = Matrix::dense(&[&[1.0, 2.0, 3.0]]);
    let square = Matrix::dense(&[&[1.0, 2.0], &[3.0, 4.0]]);
    assert_eq!(refuse("trace", &[&tall], &[]), Mistake::NotSquare { arg: 0, shape: (3, 2) });
    assert!(matches!(refuse("norm2", &[&tall], &[]), Mistake::NotAVector { help: Some(_), .. }));
    assert!(matches!(refuse("cross", &[&tall, &vector], &[]), Mistake::Shape { arg: 0, .. }));
    assert!(matches!(
        refuse("cross", &[&row, &vector], &[]),
        Mistake::Shapes { help: Some(_), .. }
    ));
    assert!(matches!(refuse("dot", &[&row, &vector], &[]), Mistake::Shapes { help: Some(_), .. }));
    assert!(matches!(refuse("dot", &[&tall, &vector], &[]), Mistake::Shapes { help: None, .. }));
    assert!(matches!(refuse("quad_form", &[&vector, &square], &[]), Mistake::Shapes { .. }));
    assert!(matches!(refuse("quad_form", &[&vector, &tall], &[]), Mistake::NotSquare { .. }));
    assert!(matches!(refuse("hcat", &[&tall, &square], &[]), Mistake::Shapes { .. }));
    assert!(matches!(
        refuse("vcat", &[&tall, &vector], &[]),
        Mistake::Shapes { a: (0, (3, 2)), b: (1, (3, 1)), .. }
    ));
    assert!(matches!(refuse("reshape", &[&tall], &[2, 2]), Mistake::Shape { arg: 0, .. }));
    assert_eq!(
        refuse("reshape", &[&tall, &vector, &vector], &[]),
        Mistake::NotAnInteger { arg: 1 }
    );
    assert_eq!(refuse("eye", &[], &[-1]), Mistake::Negative { arg: 0 });
    assert!(matches!(refuse("ones", &[], &[1 << 20, 1 << 20]), Mistake::TooLarge { .. }));
    assert!(matches!(refuse("eye", &[], &[i64::MAX]), Mistake::TooLarge { .. }));
    assert!(matches!(refuse("repmat", &[&tall], &[i64::MAX, 2]), Mistake::TooLarge { .. }));
    assert!(matches!(refuse("det", &[&square], &[]), Mistake::NotThereYet { .. }));
    let mut graph = Graph::new();
    let empty = graph.zero(0, 1);
    for name in ["max", "min", "norminf", "logsumexp"] {
        assert_eq!(call(&mut graph, name, &[empty], &[]), Err(Mistake::Empty { arg: 0 }));
    }
}

#[test]
fn rows_of_the_table_are_sane() {
    let names: Vec<&str> = functions::names().collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    for function in functions::all() {
        assert!(function.min_args <= function.max_args, "{}", function.name);
        assert!(function.doc.starts_with(&format!("{}(", function.name)), "{}", function.name);
    }
    let language = "sum prod min max sum_rows sum_cols dot cross norm1 norm2 norminf normfro norm2sq \
        quad_form logsumexp trace det logdet inv solve chol qr eigh expm kron diag eye zeros ones \
        linspace reshape vec tril triu cumsum repmat hcat vcat rows cols nnz skew";
    assert_eq!(
        language.split_whitespace().collect::<BTreeSet<_>>(),
        names.into_iter().collect::<BTreeSet<_>>()
    );
    let mut graph = Graph::new();
    let arg = Arg { node: graph.input(0, Pattern::diagonal(4)), int: None };
    let integer = |name: &str| functions::lookup(name).and_then(|f| f.integer(&graph, &[arg]));
    assert_eq!([integer("rows"), integer("nnz"), integer("sum")], [Some(4), Some(4), None]);
}
