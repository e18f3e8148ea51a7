//! Operation counts and values of the works in `../shared/data/expr`, where that folder is.

#[path = "support/formula.rs"]
mod formula;

use std::path::{Path, PathBuf};

use nablac::diff::{gradient, hessian, jacobian};
use nablac::graph::visit::reachable;
use nablac::graph::{Graph, NodeId, Op};
use nablac::ops::scalar::{Counter, ScalarOp};
use nablac::simplify::powers::lower_powers;
use nablac::simplify::sums::cost;
use nablac::simplify::{SimplifyOptions, simplify};
use nablac::sparsity::{IndexMap, Pattern};
use nablac::syntax::formula::parse_pattern;

struct Work {
    graph: Graph,
    outputs: Vec<NodeId>,
    /// Inputs and reference outputs of the regular points.
    points: Vec<(Vec<f64>, Vec<f64>)>,
}

fn folder() -> Option<PathBuf> {
    let candidates = ["../shared/data/expr", "../../shared/data/expr"];
    candidates.iter().map(|c| Path::new(env!("CARGO_MANIFEST_DIR")).join(c)).find(|p| p.exists())
}

fn formula(graph: &mut Graph, text: &str, names: &[(String, NodeId)]) -> NodeId {
    let formula = parse_pattern(&text.replace("**", "^")).unwrap();
    formula::build(graph, &formula, |name| names.iter().rev().find(|n| n.0 == *name).unwrap().1)
}

fn entries(
    graph: &mut Graph,
    matrix: NodeId,
    at: impl Iterator<Item = (usize, usize)>,
) -> Vec<NodeId> {
    let pattern = graph.pattern(matrix).clone();
    at.map(|(row, col)| match pattern.find(row, col) {
        Some(k) => graph.gather(matrix, IndexMap::range(k, 1), Pattern::scalar()),
        None => graph.zero(1, 1),
    })
    .collect()
}

fn load(folder: &Path, name: &str) -> Work {
    let text = std::fs::read_to_string(folder.join(format!("{name}.txt"))).unwrap();
    let mut graph = Graph::new();
    let mut names: Vec<(String, NodeId)> = Vec::new();
    let (mut outs, mut wrt, mut task) = (Vec::new(), Vec::new(), "");
    for line in text.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "inputs" => {
                for (k, n) in rest.split_whitespace().enumerate() {
                    let node = graph.input(k, Pattern::scalar());
                    names.push((n.to_owned(), node));
                }
            }
            "let" | "out" => {
                let (n, e) = rest.split_once('=').unwrap();
                let node = formula(&mut graph, e.trim(), &names);
                names.push((n.trim().to_owned(), node));
                if word == "out" {
                    outs.push(node);
                }
            }
            "task" => task = rest.trim(),
            "wrt" => {
                wrt = rest
                    .split_whitespace()
                    .map(|w| names.iter().find(|n| n.0 == w).unwrap().1)
                    .collect();
            }
            _ => {}
        }
    }
    let n = wrt.len();
    let mut outputs = outs.clone();
    match task {
        "grad" | "hess" => {
            let g = gradient(&mut graph, outs[0], &wrt).unwrap();
            outputs.extend(entries(&mut graph, g, (0..n).map(|k| (k, 0))));
            if task == "hess" {
                let h = hessian(&mut graph, outs[0], &wrt).unwrap();
                let lower = (0..n).flat_map(|i| (0..=i).map(move |j| (i, j)));
                // One of each pair of symmetric entries is computed; both read it.
                outputs.extend(entries(&mut graph, h, lower));
            }
        }
        "jac" => {
            let y = graph.concat(&outs);
            let j = jacobian(&mut graph, y, &wrt).unwrap();
            let all = (0..outs.len()).flat_map(|i| (0..n).map(move |j| (i, j)));
            outputs.extend(entries(&mut graph, j, all));
        }
        _ => {}
    }
    let json = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let numbers = |v: &serde_json::Value| -> Vec<f64> {
        let number = |v: &serde_json::Value| {
            v.as_f64().or_else(|| v.as_str().and_then(|s| s.parse().ok())).unwrap()
        };
        v.as_array().unwrap().iter().map(number).collect()
    };
    let points = json["points"].as_array().unwrap();
    let points = points
        .iter()
        .filter(|p| p["class"] == "regular")
        .map(|p| (numbers(&p["x"]), numbers(&p["ref"])))
        .collect();
    Work { graph, outputs, points }
}

fn evaluate(graph: &Graph, outputs: &[NodeId], x: &[f64]) -> Vec<f64> {
    let mut values = vec![0.0; graph.len()];
    for id in reachable(graph, outputs) {
        values[id.index()] = match graph.op(id) {
            Op::Const => graph.as_uniform(id).unwrap(),
            Op::Input => x[graph.number(id)],
            Op::Scalar(op) => {
                let args: Vec<f64> = graph.args(id).iter().map(|a| values[a.index()]).collect();
                op.eval(&args)
            }
            Op::Mark => values[graph.arg(id, 0).index()],
            other => panic!("{other:?} is not scalar"),
        };
    }
    outputs.iter().map(|o| values[o.index()]).collect()
}

/// Additions, products, divisions, roots, calls, others.
fn counts(graph: &Graph, outputs: &[NodeId]) -> [usize; 6] {
    let mut counts = [0; 6];
    for id in reachable(graph, outputs) {
        if let Op::Scalar(op) = graph.op(id) {
            match op.row().counter {
                Counter::Add => counts[0] += 1,
                Counter::Mul => counts[1] += 1,
                Counter::Fused => {
                    counts[0] += 1;
                    counts[1] += 1;
                }
                Counter::Div => counts[2] += 1,
                Counter::Sqrt => counts[3] += 1,
                Counter::Call => counts[4] += 1,
                Counter::Other => counts[5] += 1,
                Counter::Free => {}
            }
        }
    }
    counts
}

fn error(graph: &Graph, outputs: &[NodeId], work: &Work) -> f64 {
    let mut worst: f64 = 0.0;
    for (x, want) in &work.points {
        let got = evaluate(graph, outputs, x);
        let scale = want.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        for (g, w) in got.iter().zip(want) {
            let error = (g - w).abs() / scale;
            worst = if error.is_nan() { f64::INFINITY } else { worst.max(error) };
        }
    }
    worst
}

#[test]
fn works_keep_their_values_with_few_operations() {
    let Some(folder) = folder() else { return };
    let best = std::fs::read_to_string(folder.join("../../checks/best_known_ops.json")).unwrap();
    let best: serde_json::Value = serde_json::from_str(&best).unwrap();
    let wanted = std::env::var("WORK").ok();
    let mut sum = 0.0;
    let mut n = 0;
    for (name, best) in best.as_object().unwrap() {
        if wanted.as_ref().is_some_and(|w| !name.contains(w.as_str())) {
            continue;
        }
        let work = load(&folder, name);
        let (before, roots) = lower_powers(&work.graph, &work.outputs);
        let n_before: usize = counts(&before, &roots).iter().sum();
        let best = best.as_f64().unwrap();
        let mut totals = Vec::new();
        let mut line = String::new();
        for level in 0..=2 {
            let options = SimplifyOptions { level, ..SimplifyOptions::default() };
            let start = std::time::Instant::now();
            let (graph, outputs) = simplify(&work.graph, &work.outputs, &[], &options);
            let seconds = start.elapsed().as_secs_f64();
            let counts = counts(&graph, &outputs);
            let total: usize = counts.iter().sum();
            let error = error(&graph, &outputs, &work);
            assert!(error < 1e-11, "{name} at level {level}: error {error:e}");
            line += &format!("  {total} {counts:?} {error:.0e} {:.0} ms", seconds * 1e3);
            totals.push(total);
        }
        assert!(totals[2] <= totals[0]);
        let least = totals[2];
        println!(
            "{name:12} {n_before} to {least}, best known {best}, {:.3}: {line}",
            least as f64 / best
        );
        sum += (least as f64 / best).ln();
        n += 1;
    }
    let mean = (sum / f64::from(n)).exp();
    println!("geometric mean {mean:.3}");
    assert!(wanted.is_some() || mean <= 0.95);
}

#[test]
fn long_chains_and_sums_are_linear() {
    let n = 100_000;
    let mut graph = Graph::new();
    let inputs: Vec<NodeId> = (0..1000).map(|k| graph.input(k, Pattern::scalar())).collect();
    let (mut sum, mut product, mut mixed) = (inputs[0], inputs[1], inputs[2]);
    for k in 0..n {
        let x = inputs[k * 7919 % 1000];
        sum = graph.add(sum, x);
        product = graph.mul(product, x);
        let y = graph.unary(ScalarOp::Sin, mixed);
        mixed = graph.add(y, x);
    }
    let options = SimplifyOptions::default();
    let start = std::time::Instant::now();
    let (small, outputs) = simplify(&graph, &[sum, product, mixed], &[], &options);
    println!("{} us per operation", start.elapsed().as_micros() / (4 * n as u128));
    assert!(cost(&small, &outputs) <= cost(&graph, &[sum, product, mixed]));
    let x: Vec<f64> = (0..1000).map(|k| 1.0 + 1e-7 * k as f64).collect();
    let want = evaluate(&graph, &[sum, mixed], &x);
    let got = evaluate(&small, &[outputs[0], outputs[2]], &x);
    assert!((want[0] - got[0]).abs() < 1e-9 * want[0] && (want[1] - got[1]).abs() < 1e-9);
}
