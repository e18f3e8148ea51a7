//! Jacobians kept in runs against those listed entry by entry.

use proptest::prelude::*;

use super::*;
use crate::graph::evaluate::evaluate_nodes;
use crate::graph::{ArgMode, LoopSpec, Origin, Port, Reduction, ResultMode, Window};
use crate::ops::scalar::ScalarOp;
use crate::sparsity::IndexMap;

/// A step that makes a value from earlier ones, which are taken by number, modulo how many there
/// are.
#[derive(Clone, Debug)]
enum Step {
    Map { args: [usize; 2], n: usize, strides: [usize; 2], base: usize, result: usize },
    Gather { of: usize, n: usize, inner: usize, stride: usize },
    Table { of: usize, block: Vec<usize>, n: usize },
    Scatter { of: usize, stride: usize },
    Concat { of: [usize; 2] },
    Times { of: [usize; 2] },
    Difference { of: [usize; 2] },
    Sine { of: usize },
    Sum { of: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let k = || 0usize..32;
    prop_oneof![
        4 => ([k(), k()], 8usize..14, [0usize..4, 0usize..4], 0usize..3, 0usize..4).prop_map(
            |(args, n, strides, base, result)| Step::Map { args, n, strides, base, result }
        ),
        1 => (k(), 4usize..10, 1usize..4, 1usize..5)
            .prop_map(|(of, n, inner, stride)| Step::Gather { of, n, inner, stride }),
        1 => (k(), prop::collection::vec(0usize..4, 1..4), 4usize..9)
            .prop_map(|(of, block, n)| Step::Table { of, block, n }),
        1 => (k(), 1usize..3).prop_map(|(of, stride)| Step::Scatter { of, stride }),
        1 => [k(), k()].prop_map(|of| Step::Concat { of }),
        1 => [k(), k()].prop_map(|of| Step::Times { of }),
        1 => [k(), k()].prop_map(|of| Step::Difference { of }),
        1 => k().prop_map(|of| Step::Sine { of }),
        1 => k().prop_map(|of| Step::Sum { of }),
    ]
}

/// A window of `len` numbers that moves by `stride`, inside of `n_whole`.
fn window(n: usize, len: usize, stride: usize, base: usize, n_whole: usize) -> Option<Window> {
    let fits = base + (n - 1) * stride + len <= n_whole;
    let origin = Origin::Affine { base: base as i64, step: stride as i64 };
    fits.then(|| Window { origin, map: IndexMap::identity(len) })
}

/// A loop over windows of two numbers of each argument.
fn map(
    graph: &mut Graph,
    args: [NodeId; 2],
    n: usize,
    strides: [usize; 2],
    base: usize,
    result: usize,
) -> Option<NodeId> {
    let mut modes = Vec::new();
    for (&a, stride) in args.iter().zip(strides) {
        // Of two numbers all iterations see both.
        modes.push(match graph.nnz(a) {
            2 => ArgMode::Broadcast,
            n_whole => ArgMode::Window(window(n, 2, stride, base, n_whole)?),
        });
    }
    let pair = || Port::new("a", Pattern::dense(2, 1));
    let ports = vec![pair(), pair()];
    let mut body = Graph::new();
    let inputs = body.inputs(&ports);
    let [a, b, c, d] = [(0, 0), (0, 1), (1, 0), (1, 1)]
        .map(|(k, at)| body.gather(inputs[k], IndexMap::range(at, 1), Pattern::scalar()));
    let first = body.mul(a, d);
    let sine = body.unary(ScalarOp::Sin, b);
    let second = body.add(sine, c);
    let both = body.concat(&[first, second]);
    let body = Func::freeze("body", &body, ports, vec![("y".into(), both)]);
    let (mode, len) = match result {
        0 => (ResultMode::Reduce(Reduction::Sum), 2),
        // Results overlap in all but the last case.
        stride => (ResultMode::Window(window(n, 2, stride - 1, 1, 2 * n + 1)?), 2 * n + 1),
    };
    let spec = LoopSpec {
        body,
        n: n as u64,
        n_states: 0,
        args: modes,
        results: vec![mode],
        patterns: vec![Pattern::dense(len, 1)],
        range: None,
    };
    Some(graph.repeat(spec, &args)[0])
}

/// The graph, its targets and a value that depends on all that was made.
fn built(steps: &[Step]) -> (Graph, Vec<NodeId>, NodeId) {
    let mut graph = Graph::new();
    let targets: Vec<NodeId> =
        [43, 2].iter().enumerate().map(|(k, &n)| graph.input(k, Pattern::dense(n, 1))).collect();
    let mut made = targets.clone();
    for step in steps {
        let pick = |k: usize| made[k % made.len()];
        let value = match step {
            Step::Map { args, n, strides, base, result } => {
                map(&mut graph, args.map(pick), *n, *strides, *base, *result)
            }
            Step::Gather { of, n, inner, stride } => {
                let last = (n - 1) * stride + inner - 1;
                let map = IndexMap::affine(0, &[(*inner, 1), (*n, *stride as i64)]);
                let column = Pattern::dense(n * inner, 1);
                (last < graph.nnz(pick(*of))).then(|| graph.gather(pick(*of), map, column))
            }
            Step::Table { of, block, n } => {
                let table = (0..*n).flat_map(|k| block.iter().map(move |b| (b + 3 * k) as u32));
                let table: Vec<u32> = [1, 0].into_iter().chain(table).collect();
                let column = Pattern::dense(table.len(), 1);
                let fits = table.iter().all(|&t| (t as usize) < graph.nnz(pick(*of)));
                let map = IndexMap::from_table(table);
                fits.then(|| graph.gather(pick(*of), map, column))
            }
            Step::Scatter { of, stride } => {
                let n = graph.nnz(pick(*of));
                // Pairs meet where the stride is 1.
                let map = IndexMap::affine(0, &[(2, 1), (n / 2, *stride as i64)]);
                let column = Pattern::dense((n / 2).max(1) * stride + 1, 1);
                n.is_multiple_of(2).then(|| graph.scatter(pick(*of), map, column))
            }
            Step::Concat { of } => Some(graph.concat(&of.map(pick))),
            Step::Times { of } => {
                let [a, b] = of.map(pick);
                let (n, m) = (graph.nnz(a), graph.nnz(b));
                (n == m || n == 1 || m == 1).then(|| graph.mul(a, b))
            }
            Step::Difference { of } => {
                let [a, b] = of.map(pick);
                (graph.nnz(a) == graph.nnz(b)).then(|| graph.sub(a, b))
            }
            Step::Sine { of } => Some(graph.unary(ScalarOp::Sin, pick(*of))),
            Step::Sum { of } => Some(graph.reduce(Reduction::Sum, pick(*of))),
        };
        made.extend(value.filter(|&v| graph.nnz(v) <= 200));
    }
    let columns: Vec<NodeId> = made[targets.len()..].iter().rev().take(3).copied().collect();
    let columns: Vec<NodeId> =
        columns.iter().map(|&c| super::super::column(&mut graph, c)).collect();
    let y = graph.concat(&columns);
    (graph, targets, y)
}

fn inputs() -> Vec<Vec<f64>> {
    vec![(0..43).map(|k| 0.4 + 0.3 * (k as f64).sin()).collect(), vec![0.3, -0.7]]
}

/// Entries and values of a Jacobian.
fn entries(graph: &Graph, found: &Option<(Pattern, NodeId)>) -> Vec<((usize, usize), f64)> {
    let Some((pattern, column)) = found else { return Vec::new() };
    let values = evaluate_nodes(graph, &[*column], &inputs()).expect("it evaluates").swap_remove(0);
    assert_eq!(values.len(), pattern.nnz());
    pattern.entries().zip(values).collect()
}

fn same(left: &[((usize, usize), f64)], right: &[((usize, usize), f64)]) -> bool {
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-12 * (1.0 + a.abs().max(b.abs()));
    left.len() == right.len() && left.iter().zip(right).all(|(a, b)| a.0 == b.0 && close(a.1, b.1))
}

proptest! {
    #[test]
    fn runs_and_lists_agree(steps in prop::collection::vec(step(), 2..9)) {
        let (mut graph, targets, y) = built(&steps);
        let Some(found) = rolled(&mut graph, y, &targets, Keep::All).unwrap() else {
            return Ok(());
        };
        let want = listed(&mut graph, y, &targets, |_, _| true).unwrap();
        let (found, want) = (entries(&graph, &found), entries(&graph, &want));
        prop_assert!(same(&found, &want), "{found:?}\n{want:?}");
    }

    #[test]
    fn triangles_agree(steps in prop::collection::vec(step(), 2..9)) {
        let (mut graph, targets, y) = built(&steps);
        let f = graph.reduce(Reduction::Sum, y);
        let one = graph.constant(1.0);
        let cotangents = crate::diff::reverse(&mut graph, &[f], &targets, &[vec![one]]).unwrap();
        let values: Vec<NodeId> =
            cotangents[0].iter().map(|&c| graph.densify(c)).collect();
        let gradient = graph.concat(&values);
        let gradient = super::super::column(&mut graph, gradient);
        for keep in [Keep::Lower, Keep::Upper, Keep::Mirrored] {
            let Some(found) = rolled(&mut graph, gradient, &targets, keep).unwrap() else {
                continue;
            };
            let want = listed(&mut graph, gradient, &targets, |row, column| match keep {
                Keep::Lower => row >= column,
                Keep::Upper => row <= column,
                _ => true,
            });
            let (found, want) = (entries(&graph, &found), entries(&graph, &want.unwrap()));
            prop_assert!(same(&found, &want), "{keep:?} {found:?}\n{want:?}");
        }
    }
}

/// Most random graphs are to be kept in runs, or the tests above say little.
#[test]
fn random_graphs_are_even() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut n, mut n_rolled) = (0, 0);
    for _ in 0..200 {
        let steps = prop::collection::vec(step(), 2..9).new_tree(&mut runner).unwrap().current();
        let (mut graph, targets, y) = built(&steps);
        let has_map = has_structure(&graph, &[y], &targets);
        n += usize::from(has_map);
        let found = rolled(&mut graph, y, &targets, Keep::All).unwrap();
        n_rolled += usize::from(has_map && found.is_some());
    }
    assert!(n > 60 && 3 * n_rolled > 2 * n, "{n_rolled} of {n}");
}
