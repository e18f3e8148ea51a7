//! Engines: what makes a kernel run, and what they share.

pub mod abi;
mod external;
pub mod interp;
pub mod jit;
