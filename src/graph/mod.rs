//! The expression graph: sparse matrix values, hash-consed, append-only.

mod external;

pub use external::{Callback, External};
