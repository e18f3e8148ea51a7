//! Tests of the table of elementwise operations: every row, by every field it fills in.

mod compiled_c;
mod conformance;
mod derivatives;
mod formula;
mod table;
mod values;

/// Values for an argument whose domain is all real numbers.
const GRID: [f64; 13] = [-17.3, -3.0, -2.2, -1.0, -0.7, -1e-3, 0.0, 1e-3, 0.3, 1.0, 1.9, 2.5, 17.3];

/// Argument lists over [`GRID`] for an operation of that arity.
fn grid(arity: usize) -> Vec<Vec<f64>> {
    let mut points = vec![vec![]];
    for _ in 0..arity {
        points = points
            .iter()
            .flat_map(|point| GRID.iter().map(move |&value| [&point[..], &[value]].concat()))
            .collect();
    }
    points
}
