//! Pose graphs of `examples/pose_graph_2d.nab` and `_3d.nab` on public g2o files: the cost at the
//! start against the reference, derivatives against differences, the pattern of J'J.

use std::collections::BTreeSet;

use nablac::data::Data;
use nablac::function::Options;
use nablac::model::Model;
use nablac::sparsity::Pattern;
use serde_json::Value;

use crate::common::shared;
use crate::g2o::pose_graph::PoseGraph;

fn product(pattern: &Pattern, values: &[f64], v: &[f64]) -> Vec<f64> {
    let mut result = vec![0.0; pattern.n_rows()];
    for ((row, col), value) in pattern.entries().zip(values) {
        result[row] += value * v[col];
    }
    result
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Entries of J'J: full blocks of the free poses and of those that share an edge.
fn blocks(data: &Data, size: usize) -> BTreeSet<(usize, usize)> {
    let ends = |name: &str| data.get(name).unwrap().value.integers().unwrap();
    let mut pairs = BTreeSet::new();
    for (tail, head) in ends("tail").into_iter().zip(ends("head")) {
        // The first pose is fixed.
        let free: Vec<usize> =
            [tail, head].iter().filter(|&&pose| pose > 0).map(|&pose| pose as usize - 1).collect();
        pairs.extend(free.iter().flat_map(|&a| free.iter().map(move |&b| (a, b))));
    }
    let inside = |(a, b): (usize, usize)| {
        (0..size * size).map(move |k| (a * size + k % size, b * size + k / size))
    };
    pairs.into_iter().flat_map(inside).collect()
}

#[test]
fn public_graphs() {
    let Some(folder) = shared("data/lsq") else { return };
    let reference = std::fs::read_to_string(folder.join("reference.json")).unwrap();
    let reference: Value = serde_json::from_str(&reference).unwrap();
    let mut n_graphs = 0;
    for (name, expected) in reference.as_object().unwrap() {
        if !name.ends_with(".g2o") {
            continue;
        }
        n_graphs += 1;
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let graph = PoseGraph::parse(&text).unwrap();
        let (program, free, size) = match graph.is_solid() {
            false => ("pose_graph_2d", "x", 3),
            true => ("pose_graph_3d", "d", 6),
        };
        let data = Data::from_json(name, &graph.data()).unwrap();
        let path = format!("{}/examples/{program}.nab", env!("CARGO_MANIFEST_DIR"));
        let f = Model::load(path).unwrap().data(data.clone()).function().unwrap();
        let compiled = f.compile(&Options::default()).unwrap();
        let given = f.values(&Data::new()).unwrap();
        let at = f.input(free).unwrap();
        let v: Vec<f64> = (0..given[at].len()).map(|k| (0.7 * k as f64).cos()).collect();
        let moved = |h: f64| {
            let mut inputs = given.clone();
            inputs[at].iter_mut().zip(&v).for_each(|(x, v)| *x += h * v);
            let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
            compiled.evaluate(&inputs).unwrap()
        };
        let [cost, r, jac, g, a] = moved(0.0).try_into().unwrap();
        let chi2 = expected["chi2_initial"].as_f64().unwrap();
        assert!((cost[0] - chi2).abs() <= 1e-10 * chi2, "{name}: {} and {chi2}", cost[0]);
        let pattern = |k: usize| &f.outputs()[k].pattern;
        let along = product(pattern(2), &jac, &v);
        let h = 1e-6;
        let scale = dot(&along, &along).sqrt();
        let (above, below) = (moved(h).swap_remove(1), moved(-h).swap_remove(1));
        let differences = above.iter().zip(&below).map(|(a, b)| (a - b) / (2.0 * h));
        let misfits: Vec<f64> = differences.zip(&along).map(|(d, j)| d - j).collect();
        let misfit = dot(&misfits, &misfits).sqrt();
        assert!(misfit <= 1e-6 * scale, "{name}: {misfit} of {scale}");
        let (left, right) = (dot(&g, &v), dot(&r, &along));
        assert!((left - right).abs() <= 1e-10 * scale * dot(&r, &r).sqrt(), "{name}");
        let curvature = dot(&product(pattern(4), &a, &v), &v);
        assert!((curvature - scale * scale).abs() <= 1e-10 * scale * scale, "{name}");
        let entries: BTreeSet<(usize, usize)> = pattern(4).entries().collect();
        assert!(entries == blocks(&data, size), "{name}: {} entries", entries.len());
    }
    assert!(n_graphs >= 4);
}
