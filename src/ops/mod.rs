//! Operations: the table of elementwise operations, and one file per structural operation.

pub mod scalar;
