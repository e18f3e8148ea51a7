//! CasADi's results for small functions: value, Jacobian, Hessian, with their patterns.

use std::collections::BTreeMap;

use nablac::function::EngineKind;
use nablac::lower::LowerOptions;
use serde_json::Value;

use crate::common::{compile, function, program, shared};

/// What each case is in the language; the output is `y`.
const CASES: &[(&str, &str)] = &[
    ("unary_sin", "let y = sin(x)"),
    ("unary_asin", "let y = asin(x)"),
    ("unary_sinh", "let y = sinh(x)"),
    ("unary_acosh", "let y = acosh(x)"),
    ("unary_atanh", "let y = atanh(x)"),
    ("unary_log10", "let y = log10(x)"),
    ("unary_sqrt", "let y = sqrt(x)"),
    ("unary_sign", "let y = sign(x)"),
    ("unary_erf", "let y = erf(x)"),
    ("unary_expm1", "let y = expm1(x)"),
    ("unary_log1p", "let y = log1p(x)"),
    ("unary_logic_not", "let y = not x"),
    ("unary_neg_twice", "let y = [-x, 2*x, x+x]"),
    ("fmin_ties", "let y = min(a, b)"),
    ("remainder_signs", "let y = remainder(a, b)"),
    ("pow_var_exponent", "let y = a^b"),
    ("constpow", "let y = a^stop_gradient(b)"),
    ("copysign", "let y = copysign(a, b)"),
    ("hypot", "let y = hypot(a, b)"),
    ("comparisons", "let y = [a < b, a <= b, a == b, a != b, a > b, a >= b]"),
    ("logic_ops", "let y = [a and b, a or b]"),
    ("sign_zero_products", "let y = [0*x, x-x, x/x, x+0, x*1, x^0]"),
    ("rosenbrock", "let y = (1-x[0])^2 + 100*(x[1]-x[0]^2)^2"),
    ("deep_chain", "let y = fold q = x for k in 0..30 { sin(q) }"),
    ("blockcat", "let y = [a, b; b', 9]"),
    ("reshape_colmajor", "let y = reshape(a, 3, 2)"),
    ("slice_row_col", "let y = vcat(vec(a[1.., 0..2]), vec(a[2, :]), vec(hcat(a[:, 0], a[:, 2])))"),
    ("index_linear", "let y = [a[4], a[0], a[3], a[8], a[7]]"),
    ("assign_slice", "let y = [0, s^2, a[0, 1]; 0, a[1, 0], a[1, 1]; s, 0, 0]"),
    ("repmat", "let y = repmat(a, 2, 3)"),
    ("horzsplit_vertsplit", "let y = vcat(a[:, 0], a[1, 1..3]')"),
    ("diag_both", "let y = hcat(diag(v), diag(a))"),
    ("tril_strict", "let y = tril(a, -1)"),
    ("sum1_sum2", "let y = hcat(sum_rows(a), sum_cols(a)')"),
    ("mtimes_dense", "let y = a * b"),
    ("mtimes_sparse_dense", "let y = a * b"),
    ("elementwise_broadcast", "let y = vcat(a + s, a * s, s - a)"),
    ("sparse_unary", "let y = hcat(sin(a), cos(a), sqrt(a), exp(a))"),
    ("sparse_div_pow", "let y = hcat(1 ./ a, a .^ 2, a .^ 0)"),
    ("structural_zero_access", "let y = a[0..2, 1..3]"),
    ("project", "let y = hcat(tril(a), b)"),
    ("empty_vertcat", "let y = vcat(zeros(0, 1), x, zeros(0, 0))"),
    ("empty_sum", "let y = x + sum(zeros(0, 1)) + norm2sq(zeros(0, 1))"),
    ("all_zero_columns_jac", "let y = [x[0], x[2]*x[3]]"),
    ("bilin", "let y = x' * a * z"),
    ("rank1", "let y = a + s * x * z'"),
    ("einstein", "let y = a * b"),
    ("norms_vector", "let y = [norm1(x), norm2(x), norminf(x)]"),
    ("mmin_mmax", "let y = [min(x), max(x)]"),
    ("cross_skew", "let y = hcat(cross(a, b), skew(a) * b)"),
    (
        "expm_const",
        "let T = scan T = eye(2) + 0*a for k in 0..8 { T * a / (k + 1) }\n\
                    let y = eye(2) + reshape(sum_cols(reshape(T, 4, 8)), 2, 2)",
    ),
    ("linspace", "let y = linspace(a, b, 5)"),
    ("separable_hess", "let y = sum(exp(x) .* x)"),
    ("jac_const_fold", "let z = [1, 2; 3, 4] * x\nlet y = jac(z, x)"),
    ("map_function", "let y = [[x[0, k]*x[1, k], sin(x[0, k])] for k in 0..3]"),
    ("mapaccum", "let y = scan q = x0 for k in 0..3 { q + u[0, k] * sin(q) }"),
    ("fold", "let y = fold q = x0 for k in 0..3 { q + u[0, k] * sin(q) }"),
    (
        "rk4_step",
        "fn f(q[2]) = [(1 - q[1]^2)*q[0] - q[1] + u, q[0]]\nlet h = 0.1\n\
                  let k1 = f(x)\nlet k2 = f(x + h/2*k1)\nlet k3 = f(x + h/2*k2)\n\
                  let k4 = f(x + h*k3)\nlet y = x + h/6*(k1 + 2*k2 + 2*k3 + k4)",
    ),
    (
        "quaternion_rotate",
        "let w = q[0]\nlet u = q[1..]\nlet t = 2*cross(u, v)\n\
                           let y = v + w*t + cross(u, t)",
    ),
    ("which_depends_probe", "let y = 3*x[0] + exp(x[1])"),
    ("simplify_square_root", "let y = sqrt(x^2)"),
    ("unite_disjoint", "let y = a + b"),
    ("wide_matrix_functions", "let y = vcat(vec(x' * x), x * x')"),
];

/// What is left out, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("inv_3x3", "factorisations come later"),
    ("solve_dense", "factorisations come later"),
    ("solve_sparse_tri", "factorisations come later"),
    ("interp_linear", "the language has no interpolation tables"),
    ("interp_linear_2d", "the language has no interpolation tables"),
    ("interp1d_dm", "the language has no interpolation tables"),
];

/// Cases whose reference Hessian is not compared, and why.
const HESSIAN_LEFT_OUT: &[(&str, &str)] = &[(
    "constpow",
    "CasADi takes the exponent as constant in the first derivative but not in the second",
)];

fn number(v: &Value) -> f64 {
    match v.as_str() {
        Some("inf") => f64::INFINITY,
        Some("-inf") => f64::NEG_INFINITY,
        Some(_) => f64::NAN,
        None => v.as_f64().unwrap(),
    }
}

fn list(v: &Value) -> Vec<u64> {
    v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as u64).collect()
}

/// Entries of a reference matrix by (column, row).
fn reference(m: &Value) -> BTreeMap<(u64, u64), f64> {
    let coo = m["coo"].as_array().unwrap();
    let values = coo[2].as_array().unwrap().iter().map(number);
    list(&coo[1]).into_iter().zip(list(&coo[0])).zip(values).collect()
}

type Entries = BTreeMap<(u64, u64), f64>;

/// Why `ours` is not what CasADi has, if so.
fn difference(ours: &Entries, want: &Entries) -> Option<String> {
    let scale = want.values().filter(|v| v.is_finite()).fold(1.0f64, |m, v| m.max(v.abs()));
    for (at, &v) in ours {
        let Some(&w) = want.get(at) else { return Some(format!("{at:?} is no nonzero there")) };
        let same = v == w || (v - w).abs() <= 1e-12 * scale || w.is_nan();
        if !same {
            return Some(format!("{at:?} is {v}, not {w}"));
        }
    }
    let missing = want.iter().find(|(at, w)| !ours.contains_key(at) && **w != 0.0 && !w.is_nan());
    missing.map(|(at, w)| format!("{at:?} is missing, {w} there"))
}

#[test]
fn values_jacobians_and_hessians() {
    let Some(path) = shared("data/conformance/cases.json") else { return };
    let data: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut failures = Vec::new();
    for case in data["cases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        if LEFT_OUT.iter().any(|(left_out, _)| *left_out == id) {
            continue;
        }
        let Some((_, body)) = CASES.iter().find(|(name, _)| *name == id) else {
            failures.push(format!("{id}: neither tested nor left out with a reason"));
            continue;
        };
        let inputs = case["inputs"].as_object().unwrap();
        let names: Vec<&String> = inputs.keys().collect();
        let declared: Vec<String> = inputs
            .iter()
            .map(|(name, input)| {
                let shape = list(&input["shape"]);
                let entries = input["sparsity"].as_array().map(|s| {
                    let pairs = list(&s[0]).into_iter().zip(list(&s[1]));
                    let text: Vec<String> = pairs.map(|(r, c)| format!("{r}, {c}")).collect();
                    format!(" entries([{}])", text.join("; "))
                });
                let shape = match shape[..] {
                    [1, 1] => String::new(),
                    _ => format!("[{}, {}]", shape[0], shape[1]),
                };
                format!("input {name}{shape}{}\n", entries.unwrap_or_default())
            })
            .collect();
        let first = &case["points"][0];
        let has_hessian = HESSIAN_LEFT_OUT.iter().all(|(name, _)| *name != id)
            && first.get("hess").is_some_and(|h| !h.is_null());
        let mut text = format!("{}{body}\noutput y\n", declared.concat());
        for name in &names {
            text += &format!("output J_{name} = jac(y, {name})\n");
        }
        if has_hessian {
            let all: Vec<&str> = names.iter().map(|n| n.as_str()).collect();
            text += &format!("output H = hess(y, [{}])\n", all.join(", "));
        }
        let lowered = match program(&text, LowerOptions::default()) {
            Ok(lowered) => lowered,
            Err(message) => {
                failures.push(format!("{id}: {message}"));
                continue;
            }
        };
        let f = function(&lowered);
        let compiled = compile(&f, EngineKind::default());
        let mx = case["points_mx"].as_array();
        for (p, point) in case["points"].as_array().unwrap().iter().enumerate() {
            let values: Vec<Vec<f64>> = f
                .inputs()
                .iter()
                .map(|i| point["inputs"][&*i.name].as_array().unwrap().iter().map(number).collect())
                .collect();
            let values: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
            let out = compiled.evaluate(&values).unwrap();
            let ours = |k: usize| -> Entries {
                let pattern = &f.outputs()[k].pattern;
                let at = pattern.entries().map(|(r, c)| (c as u64, r as u64));
                at.zip(out[k].iter().copied()).collect()
            };
            let mut compare = |what: String, k: usize, of: &dyn Fn(&Value) -> Entries| {
                let ours = ours(k);
                let Some(first) = difference(&ours, &of(point)) else { return };
                if mx.is_some_and(|mx| difference(&ours, &of(&mx[p])).is_none()) {
                    return;
                }
                failures.push(format!("{id}, point {p}, {what}: {first}"));
            };
            compare("y".into(), 0, &|p| reference(&p["y"]));
            for (k, name) in names.iter().enumerate().filter(|_| point.get("jac").is_some()) {
                compare(format!("jac {name}"), k + 1, &|p| reference(&p["jac"][name.as_str()]));
            }
            if has_hessian {
                compare("hess".into(), names.len() + 1, &|p| reference(&p["hess"]));
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
