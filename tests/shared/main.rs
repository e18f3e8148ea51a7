//! Tests over the real input of `../shared`. In CI its absence is a failure; elsewhere a line
//! says that they did not run.

mod acopf;
mod adbench;
mod chains;
mod common;
mod conformance;
mod g2o;
mod matpower;
mod nist;
mod numpy_random;
mod pose_graphs;
mod programs;
mod quadrotor;
mod works;
