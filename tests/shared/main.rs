//! Tests over the real input of `../shared`. In CI its absence is a failure; elsewhere a line
//! says that they did not run.

mod common;
mod conformance;
mod nist;
mod programs;
mod quadrotor;
mod works;
