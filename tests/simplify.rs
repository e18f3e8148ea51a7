//! Simplification of random expressions: the values stay, the cost never rises, and every rule
//! gets its chance.

#[path = "support/formula.rs"]
mod formula;

use std::sync::Arc;

use nablac::accuracy::{BigFloat, Precise, from_f64, run, to_f64};
use nablac::backend::abi::{Engine, Memory};
use nablac::backend::interp::Interp;
use nablac::graph::visit::reachable;
use nablac::graph::{Func, Graph, NodeId, Op, Port};
use nablac::kernel::build;
use nablac::ops::scalar::ScalarOp;
use nablac::simplify::rules::{Class, Condition, Math, Property, Rule, UserRules, built_in};
use nablac::simplify::sums::cost;
use nablac::simplify::{SimplifyOptions, optimize, simplify};
use nablac::sparsity::Pattern;
use proptest::prelude::*;

type Ranges = Vec<Option<(f64, f64)>>;

fn options(level: u8) -> SimplifyOptions {
    SimplifyOptions { level, ..SimplifyOptions::default() }
}

/// Values of all nodes with step `k` off by the relative error `error(k)`.
fn values(graph: &Graph, x: &[f64], error: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut values = vec![f64::NAN; graph.len()];
    for id in graph.ids() {
        values[id.index()] = match graph.op(id) {
            Op::Input => x[graph.number(id)],
            Op::Scalar(op) => {
                let args = graph.args(id).iter().map(|a| values[a.index()]);
                let value = op.eval(&args.collect::<Vec<_>>());
                value + value * error(id.index())
            }
            _ => graph.as_uniform(id).unwrap_or(0.0),
        };
    }
    values
}

/// Whether the value of a graph at a point means anything: nothing on the way is NaN, huge or
/// lost, and no jump is near.
fn is_meaningful(graph: &Graph, outputs: &[NodeId], values: &[f64]) -> bool {
    use ScalarOp as S;
    reachable(graph, outputs).into_iter().all(|id| {
        let v = values[id.index()];
        let args: Vec<f64> = graph.args(id).iter().map(|a| values[a.index()]).collect();
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-7 * a.abs().max(b.abs()).max(1e-3);
        let jumps = match graph.op(id) {
            Op::Scalar(S::Lt | S::Le | S::Gt | S::Ge | S::Eq | S::Ne) => near(args[0], args[1]),
            Op::Scalar(S::Sign | S::Step | S::Not) => near(args[0], 0.0),
            Op::Scalar(S::And | S::Or | S::Copysign) => args.iter().any(|&a| near(a, 0.0)),
            Op::Scalar(S::Select) => near(args[0], 0.0) && args[0] != 0.0,
            Op::Scalar(S::Floor | S::Ceil) => near(args[0], args[0].round()),
            Op::Scalar(S::Round) => near(args[0] + 0.5, (args[0] + 0.5).round()),
            Op::Scalar(S::Mod | S::Rem) => near(args[0] / args[1], (args[0] / args[1]).round()),
            Op::Scalar(S::Remainder) => {
                let turns = args[0] / args[1] + 0.5;
                near(turns, turns.round())
            }
            Op::Scalar(S::Atan2) => near(args[0], 0.0) && args[1] <= 0.0,
            _ => false,
        };
        let vanishes = |op: S| matches!(op, S::Mul | S::Div | S::Pow | S::Exp) && v == 0.0;
        let lost = matches!(graph.op(id), Op::Scalar(op) if vanishes(op))
            && args.iter().all(|a| *a != 0.0);
        v.abs() < 1e100 && !jumps && !lost && (v == 0.0 || v.abs() > 1e-100)
    })
}

/// How far errors of rounding move the value of a graph.
fn moved(graph: &Graph, root: NodeId, x: &[f64], seed: u64) -> f64 {
    let sign = |k: usize| {
        let hash = (k as u64 + 1).wrapping_mul(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        if hash >> 40 & 1 == 0 { 1e-14 } else { -1e-14 }
    };
    let value = values(graph, x, |_| 0.0)[root.index()];
    let other = values(graph, x, sign)[root.index()];
    if other.is_finite() { (other - value).abs() } else { f64::INFINITY }
}

/// The difference of two graphs with one output each, if it is more than rounding explains.
fn difference(plain: (&Graph, NodeId), simple: (&Graph, NodeId), x: &[f64]) -> Option<(f64, f64)> {
    let exact = values(plain.0, x, |_| 0.0);
    if !is_meaningful(plain.0, &[plain.1], &exact) {
        return None;
    }
    let want = exact[plain.1.index()];
    let got = values(simple.0, x, |_| 0.0)[simple.1.index()];
    let moved: f64 = (1..6u64).map(|seed| moved(plain.0, plain.1, x, seed)).sum();
    let needed = reachable(plain.0, &[plain.1]);
    let scale = needed.iter().fold(1.0, |scale: f64, id| scale.max(exact[id.index()].abs()));
    let good = (got - want).abs() <= 1e-11 * scale + 100.0 * moved;
    (!good && moved < 1e-3 * scale).then_some((got, want))
}

/// A few points in the ranges.
fn points(ranges: &Ranges, n: usize) -> Vec<Vec<f64>> {
    let mut state = 12345u64;
    let mut random = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut point = || -> Vec<f64> {
        let value = |range: &Option<(f64, f64)>| match range {
            Some((lo, hi)) => lo + (hi - lo) * random(),
            None => 6.0 * random() - 3.0,
        };
        ranges.iter().map(value).collect()
    };
    (0..n).map(|_| point()).collect()
}

/// One step of an expression: an operation and which earlier values it takes.
#[derive(Clone, Copy, Debug)]
struct Step {
    op: u8,
    args: [u8; 3],
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (any::<u8>(), any::<[u8; 3]>()).prop_map(|(op, args)| Step { op, args });
    proptest::collection::vec(step, 1..24)
}

const N_INPUTS: usize = 5;

fn ranges() -> Ranges {
    vec![Some((0.5, 2.0)), Some((-1.0, 1.0)), Some((0.0, 1.0)), Some((-3.0, -2.0)), None]
}

/// Half of the steps are arithmetic, the others all operations of the table.
fn expression(steps: &[Step]) -> (Graph, NodeId) {
    use ScalarOp as S;
    const ARITHMETIC: [ScalarOp; 8] =
        [S::Add, S::Sub, S::Mul, S::Mul, S::Div, S::Neg, S::Exp, S::Sin];
    let mut graph = Graph::new();
    let mut nodes: Vec<NodeId> = (0..N_INPUTS).map(|k| graph.input(k, Pattern::scalar())).collect();
    nodes.extend([0.0, 1.0, 2.0, 0.5, -1.0].map(|v| graph.constant(v)));
    for step in steps {
        let k = usize::from(step.op) / 2;
        let op = match step.op % 2 {
            0 => ARITHMETIC[k % ARITHMETIC.len()],
            _ => ScalarOp::ALL[k % ScalarOp::ALL.len()],
        };
        // The derivatives of these two are of no concern here, and neither are their orders.
        let op = if matches!(op, S::Polygamma | S::StopGradient) { S::Add } else { op };
        let args: Vec<NodeId> = step.args[..op.arity()]
            .iter()
            .map(|&a| {
                let a = usize::from(a);
                // Recent values more often, so that expressions are deep.
                if a % 2 == 0 {
                    nodes[a / 2 % nodes.len()]
                } else {
                    nodes[nodes.len() - 1 - a / 2 % nodes.len().min(3)]
                }
            })
            .collect();
        nodes.push(graph.scalar(op, &args));
    }
    (graph, nodes[nodes.len() - 1])
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn values_stay_and_cost_does_not_rise(steps in steps()) {
        let (graph, root) = expression(&steps);
        let ranges = ranges();
        let before = cost(&graph, &[root]);
        for level in 0..=3 {
            let (simple, roots) = simplify(&graph, &[root], &ranges, &options(level));
            let after = cost(&simple, &roots);
            prop_assert!(after <= before, "level {level}: cost {before} to {after}");
            for x in points(&ranges, 12) {
                let wrong = difference((&graph, root), (&simple, roots[0]), &x);
                prop_assert!(wrong.is_none(), "level {level} at {x:?}: {wrong:?}");
            }
            let (again, same) = simplify(&simple, &roots, &ranges, &options(level));
            prop_assert_eq!(simple.hash(roots[0]), again.hash(same[0]), "level {}", level);
        }
    }
}

proptest! {
    #![proptest_config(config(150))]

    /// In 115 digits a simplified expression is the same number: what is rounded in constants is
    /// not felt more than rounding of the expression itself.
    #[test]
    fn exact_values_stay(steps in steps()) {
        let (graph, root) = expression(&steps);
        let ranges = ranges();
        let mut precise = Precise::new().unwrap();
        let mut all = points(&ranges, 3);
        all.extend(special_points(&ranges));
        for level in 1..=3 {
            let (simple, roots) = simplify(&graph, &[root], &ranges, &options(level));
            for x in &all {
                let plain = values(&graph, x, |_| 0.0);
                if !is_meaningful(&graph, &[root], &plain) {
                    continue;
                }
                let [want, got] = [(&graph, root), (&simple, roots[0])]
                    .map(|(graph, root)| exact(graph, root, x, &mut precise));
                // Such as 0 / 0 where rounding alone made the zeros others.
                if want.is_nan() {
                    continue;
                }
                let moved: f64 = (1..4u64).map(|seed| moved(&graph, root, x, seed)).sum();
                let error = to_f64(&got.sub(&want, 128, astro_float::RoundingMode::ToEven)).abs();
                let scale = to_f64(&want).abs();
                prop_assert!(
                    error <= 1e-12 * scale + 100.0 * moved || moved >= 1e-3 * scale || moved.is_nan(),
                    "level {level} at {x:?}: {:e}, not {:e}", to_f64(&got), to_f64(&want)
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(config(300))]

    /// Fast arithmetic is as good as if every operation were off by a few times the tolerance of
    /// the worst rule, 2e-13: exact values of the expression against what engines compute.
    #[test]
    fn fast_values_are_near_the_exact_ones(steps in steps()) {
        let (graph, root) = expression(&steps);
        let ranges = ranges();
        let port = |k: usize| Port { range: ranges[k], ..Port::new(format!("x{k}"), Pattern::scalar()) };
        let inputs = (0..N_INPUTS).map(port).collect();
        let func = Func::freeze("f", &graph, inputs, vec![("y".into(), root)]);
        let fast = SimplifyOptions { math: Math::Fast, ..SimplifyOptions::default() };
        let engine = Interp::new(&Arc::new(build(&optimize(&func, &fast))));
        let mut precise = Precise::new().unwrap();
        for x in points(&ranges, 6) {
            let plain = values(&graph, &x, |_| 0.0);
            if !is_meaningful(&graph, &[root], &plain) {
                continue;
            }
            let want = to_f64(&exact(&graph, root, &x, &mut precise));
            let args: Vec<&[f64]> = x.iter().map(std::slice::from_ref).collect();
            let mut got = [0.0];
            let n = func.outputs[0].pattern.nnz();
            engine.call(&args, &mut [Some(&mut got[..n])], &mut Memory::default()).unwrap();
            let moved: f64 = (1..6u64).map(|seed| moved(&graph, root, &x, seed)).sum();
            prop_assert!(
                (got[0] - want).abs() <= 1e-12 * want.abs() + 100.0 * moved
                    || moved >= 1e-3 * want.abs() || moved.is_nan(),
                "at {x:?}: {:e}, not {want:e}", got[0]
            );
        }
    }
}

/// The value of a graph to 115 digits.
fn exact(graph: &Graph, root: NodeId, x: &[f64], precise: &mut Precise) -> BigFloat {
    let port = |k: usize| Port::new(format!("x{k}"), Pattern::scalar());
    let inputs = (0..x.len()).map(port).collect();
    let func = Func::freeze("f", graph, inputs, vec![("y".into(), root)]);
    let kernel = Arc::new(nablac::kernel::build(&func));
    let x: Vec<&[f64]> = x.iter().map(std::slice::from_ref).collect();
    let results = run(&kernel, &x, precise, &mut Memory::default().context).unwrap();
    results[0].first().map_or_else(|| from_f64(0.0), |value| value.exact.clone())
}

/// Ends of ranges, zeros, ones and small numbers.
fn special_points(ranges: &Ranges) -> Vec<Vec<f64>> {
    let of = |value: f64| {
        ranges.iter().map(move |r| r.map_or(value, |(lo, hi)| value.clamp(lo, hi))).collect()
    };
    [0.0, -0.0, 1.0, -1.0, 1e-8, 0.5, 100.0, -100.0].into_iter().map(of).collect()
}

/// Variables as inputs in ranges that prove the conditions, or as constants.
fn operands<'r>(rule: &'r Rule, graph: &mut Graph) -> (Vec<(&'r str, NodeId)>, Ranges) {
    let names = nablac::simplify::rules::variables(&rule.lhs);
    let mut ranges = Vec::new();
    let mut nodes = Vec::new();
    for (k, name) in names.into_iter().enumerate() {
        let (mut range, mut constant) = ((-0.9 + 0.01 * k as f64, 0.8), false);
        let mut is_known = false;
        for condition in &rule.conditions {
            match condition {
                Condition::Is { variable, property } if variable == name => {
                    is_known = true;
                    match property {
                        Property::Positive | Property::NonZero => range = (0.25, 0.75),
                        Property::NonNegative => range = (0.0, 0.75),
                        Property::Negative => range = (-0.75, -0.25),
                        Property::NonPositive => range = (-0.75, 0.0),
                        Property::Within(lo, hi) => {
                            let near = lo.max(-1.5).min(*hi);
                            range = (near, hi.min(near.max(0.5) + 1.0));
                        }
                        Property::Integer | Property::Constant | Property::PowerOfTwo => {
                            constant = true;
                        }
                    }
                }
                Condition::Ordered { less, .. } if less == name => {
                    (is_known, range) = (true, (0.1, 0.4));
                }
                Condition::Ordered { greater, .. } if greater == name => {
                    (is_known, range) = (true, (0.5, 0.9));
                }
                _ => {}
            }
        }
        let input = graph.input(k, Pattern::scalar());
        nodes.push((name, if constant { graph.constant(1.0) } else { input }));
        ranges.push(is_known.then_some(range));
    }
    (nodes, ranges)
}

#[test]
fn left_sides_cost_no_more_than_right_sides() {
    let mut failures = Vec::new();
    for rule in &built_in().rules {
        let mut graph = Graph::new();
        let (variables, ranges) = operands(rule, &mut graph);
        let variable = |name: &str| variables.iter().find(|v| v.0 == name).unwrap().1;
        let left = formula::build(&mut graph, &rule.lhs, variable);
        let right = formula::build(&mut graph, &rule.rhs, variable);
        let is_approximate = matches!(rule.class, Class::Approx(_));
        let math = if is_approximate { Math::Fast } else { Math::Real };
        let options = SimplifyOptions { math, ..options(2) };
        let (simple, roots) = simplify(&graph, &[left], &ranges, &options);
        let got = cost(&simple, &roots);
        let want = cost(&graph, &[right]).min(cost(&graph, &[left]));
        if got > want {
            failures.push(format!("{}: {got}, not {want}", rule.name));
        }
        for x in points(&ranges, 40) {
            if let Some((got, want)) = difference((&graph, left), (&simple, roots[0]), &x) {
                failures.push(format!("{} at {x:?}: {got}, not {want}", rule.name));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn rules_of_the_user_apply_from_level_2_on() {
    let text = "chord real 2 - 2 * cos(x) => (2 * sin(0.5 * x))^2  when x in [-1, 1]\n\
                triple real 3 * sin(x) - 4 * sin(x)^3 => sin(3 * x)";
    let rules = UserRules::parse("my.rules", text).unwrap();
    let mut graph = Graph::new();
    let x = graph.input(0, Pattern::scalar());
    let (sin, three, four) =
        (graph.unary(ScalarOp::Sin, x), graph.constant(3.0), graph.constant(4.0));
    let cube = graph.binary(ScalarOp::Pow, sin, three);
    let (first, second) = (graph.mul(three, sin), graph.mul(four, cube));
    let f = graph.sub(first, second);
    let cost_with = |rules: Option<&UserRules>, level| {
        let options = SimplifyOptions { rules: rules.cloned(), ..options(level) };
        let (simple, roots) = simplify(&graph, &[f], &[None], &options);
        cost(&simple, &roots)
    };
    assert_eq!(cost_with(Some(&rules), 2), 21);
    assert!(cost_with(None, 2) > 21 && cost_with(Some(&rules), 1) > 21);
}
