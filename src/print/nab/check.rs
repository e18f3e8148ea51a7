//! Whether two functions have the same values, as far as one point tells.

use std::sync::Arc;

use crate::backend::abi::{Engine, Memory};
use crate::backend::interp::Interp;
use crate::function::Function;

/// Larger relative differences than rounding makes.
const TOLERANCE: f64 = 1e-9;

/// Whether two functions of the same inputs and outputs have the same values at a point. Functions
/// that cannot be evaluated, for want of a function from outside, are taken to agree.
pub fn agree(a: &Function, b: &Function) -> bool {
    match (values(a), values(b)) {
        (Some(a), Some(b)) => a.iter().zip(&b).all(|(a, b)| near(a, b)),
        (None, None) => true,
        _ => false,
    }
}

fn near(a: &[f64], b: &[f64]) -> bool {
    let scale = a.iter().filter(|v| v.is_finite()).fold(1.0f64, |m, v| m.max(v.abs()));
    let same = |(x, y): (&f64, &f64)| {
        x == y || x.is_nan() && y.is_nan() || (x - y).abs() <= TOLERANCE * scale
    };
    a.len() == b.len() && a.iter().zip(b).all(same)
}

fn values(f: &Function) -> Option<Vec<Vec<f64>>> {
    let inputs: Vec<Vec<f64>> = f
        .inputs()
        .iter()
        .enumerate()
        .map(|(n, input)| {
            let (lo, hi) = input.range.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
            let value = |k: usize| (0.7 + 0.4 * ((7 * n + k) as f64).sin()).clamp(lo, hi);
            (0..input.pattern.nnz()).map(value).collect()
        })
        .collect();
    let mut outputs: Vec<Vec<f64>> =
        f.outputs().iter().map(|output| vec![0.0; output.pattern.nnz()]).collect();
    let args: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    let mut wanted: Vec<Option<&mut [f64]>> =
        outputs.iter_mut().map(|values| Some(values.as_mut_slice())).collect();
    let engine = Interp::new(&Arc::new(crate::kernel::build(f.func())));
    engine.call(&args, &mut wanted, &mut Memory::default()).ok()?;
    Some(outputs)
}
