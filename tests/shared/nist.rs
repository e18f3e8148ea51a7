//! NIST's nonlinear regressions at the certified parameters: residual sum of squares, gradient,
//! Hessian against differences of the gradient.

use nablac::function::EngineKind;
use nablac::lower::LowerOptions;
use serde_json::Value;

use crate::common::{compile, function, program, shared};

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn certified_values() {
    let Some(folder) = shared("data/nist") else { return };
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 14);
    for path in files {
        let data: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let name = data["name"].as_str().unwrap();
        let rows: Vec<Vec<f64>> = data["data"].as_array().unwrap().iter().map(numbers).collect();
        let certified = numbers(&data["certified"]);
        let (n_x, n_p) = (rows[0].len() - 1, certified.len());
        let xs: Vec<String> =
            (1..=n_x).map(|k| if n_x == 1 { "x".into() } else { format!("x{k}") }).collect();
        let lets: Vec<String> = (0..n_p).map(|k| format!("  let b{} = b[{k}]\n", k + 1)).collect();
        let at: Vec<String> = xs.iter().map(|x| format!("{x}s[i]")).collect();
        let inputs: Vec<String> = xs.iter().map(|x| format!("{x}s[m]")).collect();
        let y = if data["y_transform"] == "log" { "log(ys[i])" } else { "ys[i]" };
        let text = format!(
            "dim m = {m}\ninput b[{n_p}], ys[m], {inputs}\nfn model({xs}, b[{n_p}]) {{\n{lets}  {f}\n}}\n\
             let rss = sum(({y} - model({at}, b))^2 for i in 0..m)\n\
             output rss, g = grad(rss, b), H = hess(rss, b)\n",
            m = rows.len(),
            inputs = inputs.join(", "),
            xs = xs.join(", "),
            lets = lets.concat(),
            f = data["formula"].as_str().unwrap(),
            at = at.join(", "),
        );
        let lowered = program(&text, LowerOptions::default())
            .unwrap_or_else(|e| panic!("{name}: {e}\n{text}"));
        let f = function(&lowered);
        let compiled = compile(&f, EngineKind::default());
        let column = |k: usize| rows.iter().map(|r| r[k]).collect::<Vec<f64>>();
        let columns: Vec<Vec<f64>> = (0..=n_x).map(column).collect();
        let evaluate = |b: &[f64]| {
            let mut inputs: Vec<&[f64]> = vec![b];
            inputs.extend(columns.iter().map(Vec::as_slice));
            let out = compiled.evaluate(&inputs).unwrap();
            let pattern = &f.outputs()[2].pattern;
            let mut hessian = vec![0.0; n_p * n_p];
            for (at, v) in pattern.linear().zip(&out[2]) {
                hessian[at as usize] = *v;
            }
            (out[0][0], out[1].clone(), hessian)
        };
        let (rss, gradient, hessian) = evaluate(&certified);
        let want = data["certified_rss"].as_f64().unwrap();
        // The Lanczos data are exact to the digits printed, so that nothing of the sum is left.
        let tolerance = if name.starts_with("Lanczos") { 1e-3 } else { 1e-9 };
        assert!((rss - want).abs() <= tolerance * want, "{name}: rss {rss}, certified {want}");
        for j in 0..n_p {
            // A change of the parameters in the twelfth digit moves the gradient by this much.
            let slack: f64 =
                (0..n_p).map(|k| (hessian[j + k * n_p] * certified[k]).abs() * 1e-10).sum::<f64>()
                    + 1e-10 * rss;
            assert!(gradient[j].abs() <= slack, "{name}: gradient {j} is {}", gradient[j]);
        }
        for k in 0..n_p {
            let step = 1e-6 * certified[k].abs().max(1e-12);
            let shifted = |sign: f64| {
                let mut b = certified.clone();
                b[k] += sign * step;
                evaluate(&b).1
            };
            let (plus, minus) = (shifted(1.0), shifted(-1.0));
            for j in 0..n_p {
                let numeric = (plus[j] - minus[j]) / (2.0 * step);
                let scale = (hessian[j + j * n_p].abs() * hessian[k + k * n_p].abs()).sqrt();
                let difference = (numeric - hessian[j + k * n_p]).abs();
                assert!(difference <= 1e-5 * scale, "{name}: hessian {j},{k}: {numeric}");
            }
        }
    }
}
