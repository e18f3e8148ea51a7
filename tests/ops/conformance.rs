//! Values, Jacobians and Hessians of the public conformance cases that are one operation of the
//! table, by the table's own formulas.

use std::fs;
use std::path::Path;

use nablac::ops::scalar::ScalarOp;
use serde_json::Value;

use crate::formula::{Dual, partial, partial_dual};

/// Cases and the operation that each is.
const CASES: [(&str, &str); 17] = [
    ("unary_sin", "sin"),
    ("unary_asin", "asin"),
    ("unary_sinh", "sinh"),
    ("unary_acosh", "acosh"),
    ("unary_atanh", "atanh"),
    ("unary_log10", "log10"),
    ("unary_sqrt", "sqrt"),
    ("unary_sign", "sign"),
    ("unary_erf", "erf"),
    ("unary_expm1", "expm1"),
    ("unary_log1p", "log1p"),
    ("unary_logic_not", "not"),
    ("fmin_ties", "min"),
    ("remainder_signs", "remainder"),
    ("pow_var_exponent", "pow"),
    ("copysign", "copysign"),
    ("hypot", "hypot"),
];

#[test]
fn single_operations_conform() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/conformance/cases.json");
    let Ok(text) = fs::read_to_string(&path) else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{} is missing", path.display());
        println!("skipped: {} is missing", path.display());
        return;
    };
    let file: Value = serde_json::from_str(&text).expect("cases are JSON");
    let cases = file["cases"].as_array().expect("cases");
    for (id, name) in CASES {
        let case = cases.iter().find(|case| case["id"] == id).expect(id);
        let op = ScalarOp::from_name(name).expect(name);
        for point in case["points"].as_array().expect("points") {
            check_point(id, op, point);
        }
    }
}

fn check_point(id: &str, op: ScalarOp, point: &Value) {
    let names = if op.arity() == 1 { &["x"][..] } else { &["a", "b"][..] };
    let args: Vec<f64> = names.iter().map(|name| number(&point["inputs"][name][0])).collect();
    let what = format!("{id} at {args:?}");
    check(&what, Some(op.eval(&args)), entry(&point["y"], 0, 0));
    for (column, name) in names.iter().enumerate() {
        check(&what, partial(op, column, &args), entry(&point["jac"][name], 0, 0));
        for row in 0..names.len() {
            let duals: Vec<Dual> = (args.iter().enumerate())
                .map(|(index, &value)| Dual { value, tangent: (index == row).then_some(1.0) })
                .collect();
            let second = partial_dual(op, column, &duals).and_then(|dual| dual.tangent);
            // Formulas of steps have structurally no derivative, where the reference stores 0.
            check(&what, second, entry(&point["hess"], row, column));
        }
    }
}

/// `expected` is `None` for a structural zero, in which case ours is one too or the number 0.
fn check(what: &str, ours: Option<f64>, expected: Option<f64>) {
    let (ours, expected) = (ours.unwrap_or(0.0), expected.unwrap_or(0.0));
    let close = (ours - expected).abs() <= 1e-12 * expected.abs().max(1.0);
    let is_limit = expected.is_nan() && ours == 0.0 && what.starts_with("pow_var_exponent");
    assert!(
        ours == expected || close || is_limit || ours.is_nan() && expected.is_nan(),
        "{what}: {ours}, reference {expected}"
    );
}

fn entry(matrix: &Value, row: usize, column: usize) -> Option<f64> {
    let coordinates = |part: usize| matrix["coo"][part].as_array().expect("coordinates");
    (0..coordinates(0).len())
        .find(|&k| coordinates(0)[k] == row && coordinates(1)[k] == column)
        .map(|k| number(&coordinates(2)[k]))
}

fn number(value: &Value) -> f64 {
    match value.as_str() {
        Some(text) => text.parse().expect("a number"),
        None => value.as_f64().expect("a number"),
    }
}
