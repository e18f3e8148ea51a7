//! Engines: what makes a kernel run, and what they share.

pub mod abi;
pub mod c;
mod external;
pub mod interp;
pub mod jit;
