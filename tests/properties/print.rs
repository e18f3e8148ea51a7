//! Random programs printed in the language make the same graph again, or one with the same values.

use nablac::function::Function;
use nablac::model::Model;
use nablac::print::nab;
use proptest::prelude::*;

use super::{config, dense, evaluate_plain, inputs, numbers};
use crate::programs::{program, steps, values};

/// A program that makes another graph says so in its first line, and has the
/// same values to the bit.
fn parses_back(f: &Function, seed: &[f64]) -> Result<(), TestCaseError> {
    let text = nab(f).map_err(|e| TestCaseError::fail(e.to_string()))?;
    let back = Model::parse("program.nab", &text)
        .function()
        .map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
    let is_same = back.func().content_hash() == f.func().content_hash();
    prop_assert_eq!(text.starts_with("# The same values by another graph"), !is_same, "{}", text);
    let inputs = inputs(seed);
    let values = |f: &Function| dense(f, &evaluate_plain(f, &inputs));
    for (a, b) in values(f).iter().flatten().zip(values(&back).iter().flatten()) {
        prop_assert!(a == b || a.is_nan() && b.is_nan(), "{a} and {b}\n{text}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn printed_values_parse_back(steps in steps(), seed in numbers()) {
        parses_back(&values(&steps), &seed)?;
    }

    #[test]
    fn printed_derivatives_parse_back(steps in steps(), seed in numbers()) {
        parses_back(&program(&steps), &seed)?;
    }
}
