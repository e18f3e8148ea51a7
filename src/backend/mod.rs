//! Engines: what makes a kernel run, and what they share.

pub mod abi;
pub mod c;
pub(crate) mod external;
pub mod interp;
pub mod jit;
