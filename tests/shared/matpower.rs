//! The converter of `examples/matpower`, for tests.

#[path = "../../examples/matpower/case.rs"]
pub mod case;
#[path = "../../examples/matpower/opf.rs"]
pub mod opf;
