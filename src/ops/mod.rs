//! The operations a graph is made of: the table of elementwise operations and the numerical
//! functions behind it.

pub mod math;
pub mod scalar;
