//! Random programs printed in the language make the same graph again, or say that they do not.

use nablac::function::Function;
use nablac::model::Model;
use nablac::print::nab;
use proptest::prelude::*;

use super::{assert_near, config, dense, evaluate_plain, inputs, numbers};
use crate::programs::{program, steps, values};

/// How a printed program relates to what it was printed from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Printed {
    SameGraph,
    SameValues,
    Refused,
}

fn print(f: &Function, seed: &[f64]) -> Result<Printed, TestCaseError> {
    let text = match nab(f) {
        Ok(text) => text,
        Err(e) => {
            // What has been printed is right; only what has no spelling is refused.
            let message = e.to_string();
            let is_wrong = message.contains("mistakes") || message.contains("other values");
            prop_assert!(!is_wrong, "{message}");
            return Ok(Printed::Refused);
        }
    };
    let back = Model::parse("program.nab", &text)
        .function()
        .map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
    if back.func().content_hash() == f.func().content_hash() {
        return Ok(Printed::SameGraph);
    }
    prop_assert!(text.starts_with("# The same values by another graph"), "{text}");
    let inputs = inputs(seed);
    let values = |f: &Function| dense(f, &evaluate_plain(f, &inputs));
    for (a, b) in values(f).iter().zip(&values(&back)) {
        assert_near(a, b, 1e-9, &text)?;
    }
    Ok(Printed::SameValues)
}

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn printed_values_parse_back(steps in steps(), seed in numbers()) {
        let f = values(&steps);
        if print(&f, &seed)? == Printed::Refused {
            // Windows by a table, and those that leave the rows and columns of a matrix; nonzeros
            // of a sparse matrix one after the other.
            let message = nab(&f).unwrap_err().to_string();
            let is_known = ["its windows", "more than dense columns"];
            prop_assert!(is_known.iter().any(|known| message.contains(known)), "{message}");
        }
    }

    #[test]
    fn printed_derivatives_parse_back(steps in steps(), seed in numbers()) {
        print(&program(&steps), &seed)?;
    }
}
