//! What the rows say about names, arities, structural zeros, domains, ranges and monotony.

use std::collections::HashSet;

use nablac::ops::scalar::{Domain, Interval, Jit, Monotone, ScalarOp, Syntax};

use crate::grid;

#[test]
fn rows_are_in_the_order_of_the_enum_and_names_are_unique() {
    let mut names = HashSet::new();
    for (index, &op) in ScalarOp::ALL.iter().enumerate() {
        assert_eq!(op as usize, index);
        assert_eq!(op.row().op, op);
        assert!(names.insert(op.name()), "{} occurs twice", op.name());
        assert_eq!(ScalarOp::from_name(op.name()), Some(op));
        assert!(op.row().doc.ends_with('.'), "{}", op.name());
    }
    assert_eq!(ScalarOp::from_name("Add"), None);
    assert_eq!(ScalarOp::from_name(""), None);
}

#[test]
fn every_field_fits_the_arity() {
    for &op in ScalarOp::ALL {
        let (row, arity) = (op.row(), op.arity());
        assert_eq!(row.partials.len(), arity, "{}", row.name);
        assert_eq!(row.domain.len(), arity, "{}", row.name);
        assert_eq!(row.monotone.len(), arity, "{}", row.name);
        assert!(row.samples.len() >= 2, "{}", row.name);
        for point in row.samples.iter().chain(row.edges) {
            assert_eq!(point.len(), arity, "{}", row.name);
        }
        for (index, slot) in ["{a}", "{b}", "{c}"].into_iter().enumerate() {
            let n_slots = usize::from(index < arity);
            assert_eq!(row.c.matches(slot).count(), n_slots, "{}", row.name);
            assert_eq!(row.latex.matches(slot).count(), n_slots, "{}", row.name);
        }
        for set in row.zero_sets {
            assert!(*set != 0 && *set < 1 << arity, "{}", row.name);
        }
        match row.syntax {
            Syntax::Call => assert!(row.function, "{}", row.name),
            Syntax::Prefix { .. } => assert_eq!(arity, 1, "{}", row.name),
            Syntax::Infix { .. } => assert_eq!(arity, 2, "{}", row.name),
        }
    }
}

#[test]
fn helpers_in_c_are_defined_where_they_are_used() {
    for &op in ScalarOp::ALL {
        let row = op.row();
        let function = row.c.split('(').next().unwrap_or("");
        if function.starts_with("nablac_") {
            let definition = format!("static double {function}(");
            assert!(row.c_helper.contains(&definition), "{}", row.name);
        } else {
            assert_eq!(row.c_helper, "", "{}", row.name);
        }
    }
}

#[test]
fn a_wrong_number_of_arguments_gives_nan() {
    assert!(ScalarOp::Add.eval(&[1.0]).is_nan());
    assert!(ScalarOp::Sin.eval(&[]).is_nan());
    assert!(ScalarOp::Sin.eval(&[0.0, 0.0]).is_nan());
}

#[test]
fn zero_sets_are_true_and_complete() {
    for &op in ScalarOp::ALL {
        for zero_args in 1..1u8 << op.arity() {
            let mut values = grid(op.arity());
            values.iter_mut().for_each(|point| {
                for (index, value) in point.iter_mut().enumerate() {
                    if zero_args >> index & 1 == 1 {
                        *value = 0.0;
                    }
                }
            });
            // A structural zero annihilates: where the other arguments make the result NaN or
            // infinite, it is 0 by the meaning of the language.
            let finite = || values.iter().map(|p| op.eval(p)).filter(|value| value.is_finite());
            let what = format!("{} with zero arguments {zero_args:03b}", op.name());
            if op.is_structural_zero(zero_args) {
                assert!(finite().all(|value| value == 0.0), "{what}");
            } else {
                assert!(finite().any(|value| value != 0.0) || finite().count() == 0, "{what}");
            }
        }
    }
}

#[test]
fn values_inside_the_domain_are_real_and_in_range() {
    for &op in ScalarOp::ALL {
        let row = op.row();
        let mut points = grid(op.arity());
        points.extend(row.samples.iter().map(|point| point.to_vec()));
        for point in &points {
            if inside(row.domain, point) {
                let value = op.eval(point);
                assert!(value.is_finite(), "{} at {point:?} is {value}", row.name);
                let range = row.range;
                assert!(
                    Interval::closed(range.lo, range.hi).contains(value),
                    "{} at {point:?} is {value}",
                    row.name
                );
            }
        }
        for point in row.samples {
            assert!(inside(row.domain, point), "{} at {point:?}", row.name);
        }
    }
}

#[test]
fn monotone_operations_are() {
    for &op in ScalarOp::ALL {
        let row = op.row();
        for (index, direction) in row.monotone.iter().enumerate() {
            for point in grid(op.arity()) {
                for next in crate::GRID {
                    let mut moved = point.clone();
                    moved[index] = next;
                    if next <= point[index]
                        || !inside(row.domain, &point)
                        || !inside(row.domain, &moved)
                    {
                        continue;
                    }
                    let (from, to) = (op.eval(&point), op.eval(&moved));
                    let holds = match direction {
                        Monotone::Increasing => from <= to,
                        Monotone::Decreasing => from >= to,
                        Monotone::Neither => true,
                    };
                    assert!(holds, "{}: {point:?} to {moved:?}", row.name);
                }
            }
        }
    }
}

#[test]
fn commutative_operations_are_to_the_bit() {
    for &op in ScalarOp::ALL.iter().filter(|op| op.row().commutative) {
        let row = op.row();
        let mut points = grid(2);
        points.extend(row.samples.iter().chain(row.edges).map(|point| point.to_vec()));
        for point in points {
            let (ab, ba) = (op.eval(&point), op.eval(&[point[1], point[0]]));
            assert!(
                ab.to_bits() == ba.to_bits() || ab.is_nan() && ba.is_nan(),
                "{} at {point:?}",
                row.name
            );
        }
    }
}

#[test]
fn inline_instructions_are_cheaper_than_calls() {
    for &op in ScalarOp::ALL {
        if matches!(op.row().jit, Jit::Inst(_)) {
            assert!(op.row().cost <= 4, "{}", op.name());
        }
    }
}

fn inside(domain: &[Domain], point: &[f64]) -> bool {
    domain.iter().zip(point).all(|(domain, value)| domain.contains(*value))
}
