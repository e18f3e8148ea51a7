//! Evaluation and finite differences of functions, for the tests beside this file.

use std::sync::Arc;

use nablac::backend::abi::{Engine, Memory};
use nablac::backend::interp::Interp;
use nablac::diff;
use nablac::graph::{Func, Graph, NodeId, Port};
use nablac::sparsity::Pattern;

/// A function in its plain and its optimised form, which must agree.
pub struct Compiled {
    func: Arc<Func>,
    forms: [Interp; 2],
}

impl Compiled {
    pub fn new(func: &Arc<Func>) -> Compiled {
        let engine = |f: &Arc<Func>| Interp::new(&Arc::new(nablac::kernel::build(f)));
        let forms = [engine(func), engine(&nablac::simplify::optimize(func, &Default::default()))];
        Compiled { func: func.clone(), forms }
    }

    pub fn evaluate(&self, inputs: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let [plain, optimized] = self.forms.each_ref().map(|engine| self.run(engine, inputs));
        for (a, b) in plain.iter().zip(&optimized) {
            assert_close(a, b, 1e-12, "optimised");
        }
        plain
    }

    fn run(&self, engine: &Interp, inputs: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let mut outputs: Vec<Vec<f64>> =
            self.func.outputs.iter().map(|p| vec![f64::NAN; p.pattern.nnz()]).collect();
        let args: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
        let mut res: Vec<Option<&mut [f64]>> =
            outputs.iter_mut().map(|o| Some(o.as_mut_slice())).collect();
        engine.call(&args, &mut res, &mut Memory::default()).unwrap();
        outputs
    }
}

pub fn assert_close(a: &[f64], b: &[f64], tolerance: f64, what: &str) {
    assert_eq!(a.len(), b.len(), "{what}");
    let scale = a.iter().fold(1.0f64, |m, v| m.max(v.abs()));
    for (k, (x, y)) in a.iter().zip(b).enumerate() {
        let same = (x - y).abs() <= tolerance * scale || x.is_nan() && y.is_nan();
        assert!(same, "{what}: entry {k} is {x} and {y}");
    }
}

/// Dense column-major entries of a sparse value.
pub fn dense(pattern: &Pattern, values: &[f64]) -> Vec<f64> {
    let mut all = vec![0.0; pattern.numel()];
    for (at, &v) in pattern.linear().zip(values) {
        all[at as usize] = v;
    }
    all
}

/// Checks all derivatives of what `build` makes of dense inputs of the given shapes, at points
/// spread around `at`: Jacobian, tangents and cotangents against central differences of the
/// value, and for the sum of the value the Hessian against those of the gradient.
pub fn check(
    name: &str,
    shapes: &[(usize, usize)],
    at: f64,
    build: impl Fn(&mut Graph, &[NodeId]) -> NodeId,
) {
    let mut graph = Graph::new();
    let ports: Vec<Port> = shapes
        .iter()
        .enumerate()
        .map(|(k, &(r, c))| Port::new(format!("x{k}"), Pattern::dense(r, c)))
        .collect();
    let x: Vec<NodeId> =
        ports.iter().enumerate().map(|(k, p)| graph.input(k, p.pattern.clone())).collect();
    let y = build(&mut graph, &x);
    let total = graph.reduce(nablac::graph::Reduction::Sum, y);
    let squared = graph.mul(total, total);
    let jacobian = diff::jacobian(&mut graph, y, &x).unwrap();
    let gradient = diff::gradient(&mut graph, squared, &x).unwrap();
    let hessian = diff::hessian(&mut graph, squared, &x).unwrap();
    let n: usize = shapes.iter().map(|s| s.0 * s.1).sum();
    let direction: Vec<f64> = (0..n).map(|k| (1.0 + k as f64).sin()).collect();
    let n_y = graph.pattern(y).numel();
    let weights: Vec<f64> = (0..graph.nnz(y)).map(|k| (0.3 + k as f64).cos()).collect();
    let v = if shapes.len() == 1 {
        graph.constant_matrix(Pattern::dense(shapes[0].0, shapes[0].1), &direction)
    } else {
        graph.constant_matrix(Pattern::dense(n, 1), &direction)
    };
    let w = graph.constant_matrix(graph.pattern(y).clone(), &weights);
    let jvp = diff::jvp(&mut graph, y, &x, v).unwrap();
    let vjp = diff::vjp(&mut graph, y, &x, w).unwrap();
    let hvp = diff::hvp(&mut graph, squared, &x, v).unwrap();
    let named = [y, jacobian, gradient, hessian, jvp, vjp, hvp]
        .iter()
        .enumerate()
        .map(|(k, &id)| (format!("o{k}").into(), id))
        .collect();
    let func = Func::freeze(name, &graph, ports, named);
    let compiled = Compiled::new(&func);

    let mut flat: Vec<f64> = (0..n).map(|k| at + 0.1 * (1.0 + 2.0 * k as f64).sin()).collect();
    let split = |flat: &[f64]| {
        let mut rest = flat;
        shapes
            .iter()
            .map(|s| {
                let (head, tail) = rest.split_at(s.0 * s.1);
                rest = tail;
                head.to_vec()
            })
            .collect::<Vec<_>>()
    };
    let all = |flat: &[f64]| -> Vec<Vec<f64>> {
        compiled
            .evaluate(&split(flat))
            .iter()
            .zip(&func.outputs)
            .map(|(values, port)| dense(&port.pattern, values))
            .collect()
    };
    let out = all(&flat);
    let (mut numeric_j, mut numeric_h) = (vec![0.0; n_y * n], vec![0.0; n * n]);
    let step = 1e-6;
    for k in 0..n {
        let before = flat[k];
        flat[k] = before + step;
        let plus = all(&flat);
        flat[k] = before - step;
        let minus = all(&flat);
        flat[k] = before;
        for i in 0..n_y {
            numeric_j[i + k * n_y] = (plus[0][i] - minus[0][i]) / (2.0 * step);
        }
        for i in 0..n {
            numeric_h[i + k * n] = (plus[2][i] - minus[2][i]) / (2.0 * step);
        }
    }
    assert_close(&out[1], &numeric_j, 1e-7, &format!("{name}: jacobian"));
    assert_close(&out[3], &numeric_h, 1e-7, &format!("{name}: hessian"));
    let sum: f64 = out[0].iter().sum();
    let columns: Vec<f64> = (0..n).map(|k| out[1][k * n_y..][..n_y].iter().sum()).collect();
    let from_jacobian: Vec<f64> = columns.iter().map(|c| 2.0 * sum * c).collect();
    assert_close(&out[2], &from_jacobian, 1e-12, &format!("{name}: gradient"));
    let product = |matrix: &[f64], rows: usize, v: &[f64]| -> Vec<f64> {
        (0..rows).map(|i| (0..v.len()).map(|k| matrix[i + k * rows] * v[k]).sum()).collect()
    };
    assert_close(&out[4], &product(&out[1], n_y, &direction), 1e-12, &format!("{name}: jvp"));
    assert_close(&out[6], &product(&out[3], n, &direction), 1e-12, &format!("{name}: hvp"));
    let w = dense(&func.outputs[0].pattern, &weights);
    let transposed: Vec<f64> =
        (0..n).map(|k| (0..n_y).map(|i| out[1][i + k * n_y] * w[i]).sum()).collect();
    assert_close(&out[5], &transposed, 1e-12, &format!("{name}: vjp"));
}
