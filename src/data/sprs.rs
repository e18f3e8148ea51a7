//! Values as matrices of the crate `sprs`, and back.

use sprs::{CsMat, CsMatView, CsVec};

use super::Value;
use crate::sparsity::Pattern;

/// A value as a matrix in compressed columns; entries that are stored may be 0.
///
/// ```
/// use nablac::data::to_sprs;
/// use nablac::sparsity::Pattern;
///
/// let matrix = to_sprs(&Pattern::diagonal(2), &[3.0, 4.0])?;
/// assert_eq!(matrix.get(1, 1), Some(&4.0));
/// assert_eq!(matrix.nnz(), 2);
/// let error = to_sprs(&Pattern::diagonal(2), &[3.0]).unwrap_err();
/// assert_eq!(error.to_string(), "1 values for 2 nonzeros");
/// # Ok::<(), nablac::data::WrongNumber>(())
/// ```
///
/// # Errors
/// The values are not as many as the nonzeros.
pub fn to_sprs(pattern: &Pattern, values: &[f64]) -> Result<CsMat<f64>, WrongNumber> {
    if pattern.nnz() != values.len() {
        return Err(WrongNumber { given: values.len(), nnz: pattern.nnz() });
    }
    let wide = |list: Vec<u32>| list.into_iter().map(|k| k as usize).collect();
    let (colptr, rows) = (wide(pattern.colptr()), wide(pattern.row_idx()));
    Ok(CsMat::new_csc(pattern.shape(), colptr, rows, values.to_vec()))
}

/// Values that are not as many as the nonzeros of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongNumber {
    pub given: usize,
    pub nnz: usize,
}

impl std::fmt::Display for WrongNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} values for {} nonzeros", self.given, self.nnz)
    }
}

impl std::error::Error for WrongNumber {}

impl From<CsMatView<'_, f64>> for Value {
    /// The stored entries are the pattern.
    fn from(matrix: CsMatView<'_, f64>) -> Value {
        let columns = matrix.to_csc();
        let (n_rows, n_cols) = columns.shape();
        let entries = columns.iter().map(|(_, place)| place);
        let pattern = Pattern::from_entries(n_rows, n_cols, entries);
        let values = columns.data().to_vec();
        Value { pattern, values, is_list: false, is_sparse: true }
    }
}

impl From<&CsMat<f64>> for Value {
    fn from(matrix: &CsMat<f64>) -> Value {
        Value::from(matrix.view())
    }
}

impl From<CsMat<f64>> for Value {
    fn from(matrix: CsMat<f64>) -> Value {
        Value::from(matrix.view())
    }
}

impl From<&CsVec<f64>> for Value {
    /// A sparse column.
    fn from(vector: &CsVec<f64>) -> Value {
        let rows = vector.indices().iter().map(|&row| (row, 0));
        let pattern = Pattern::from_entries(vector.dim(), 1, rows);
        Value { pattern, values: vector.data().to_vec(), is_list: false, is_sparse: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let triplets = [(0, 1, 2.0), (3, 0, 5.0), (1, 1, 0.0)];
        let mut matrix = sprs::TriMat::new((4, 2));
        for (row, col, value) in triplets {
            matrix.add_triplet(row, col, value);
        }
        let rows: CsMat<f64> = matrix.to_csr();
        let value = Value::from(&rows);
        assert!(value.is_sparse);
        assert_eq!(value.pattern.entries().collect::<Vec<_>>(), [(3, 0), (0, 1), (1, 1)]);
        assert_eq!(value.values, [5.0, 2.0, 0.0]);
        assert_eq!(to_sprs(&value.pattern, &value.values), Ok(rows.to_csc()));
        let column = sprs::CsVec::new(5, vec![1, 4], vec![0.5, 1.5]);
        assert_eq!(Value::from(&column).pattern.entries().collect::<Vec<_>>(), [(1, 0), (4, 0)]);
    }
}
