//! Nodes that pass values on: constants, inputs, marks, results of calls.

use super::Dependencies;
use super::Rules;
use super::accumulation::Accumulation;
use super::context::{Cotangents, MissingDerivative, Tangents};
use crate::graph::NodeId;

/// A constant or an input: derivatives end here.
pub struct Leaf;

impl Rules for Leaf {
    fn tangent(&self, _cx: &mut Tangents, _id: NodeId) -> Result<(), MissingDerivative> {
        Ok(())
    }

    fn cotangent(&self, _cx: &mut Cotangents, _id: NodeId) -> Result<(), MissingDerivative> {
        Ok(())
    }

    fn dependency(&self, _cx: &mut Dependencies, _id: NodeId) {}

    fn jacobian(&self, _cx: &mut Accumulation, _id: NodeId) -> Result<(), MissingDerivative> {
        Ok(())
    }
}

/// The identity.
pub struct Mark;

impl Rules for Mark {
    fn tangent(&self, cx: &mut Tangents, id: NodeId) -> Result<(), MissingDerivative> {
        let arg = cx.graph.arg(id, 0);
        for d in 0..cx.n_directions() {
            if let Some(t) = cx.get(d, arg) {
                cx.set(d, id, t);
            }
        }
        Ok(())
    }

    fn cotangent(&self, cx: &mut Cotangents, id: NodeId) -> Result<(), MissingDerivative> {
        let arg = cx.graph.arg(id, 0);
        for d in 0..cx.n_directions() {
            if let Some(c) = cx.get(d, id) {
                cx.add(d, arg, c);
            }
        }
        Ok(())
    }

    fn dependency(&self, cx: &mut Dependencies, id: NodeId) {
        let rows = cx.get(cx.graph.arg(id, 0));
        cx.set(id, rows);
    }

    fn jacobian(&self, cx: &mut Accumulation, id: NodeId) -> Result<(), MissingDerivative> {
        let rows = cx.get(cx.graph.arg(id, 0)).cloned();
        cx.set(id, rows);
        Ok(())
    }
}

/// Result `k` of a call, loop or conditional, whose own rules do the work.
pub struct ResultOf;

impl Rules for ResultOf {
    fn tangent(&self, cx: &mut Tangents, id: NodeId) -> Result<(), MissingDerivative> {
        let (of, k) = (cx.graph.arg(id, 0), cx.graph.number(id));
        for d in 0..cx.n_directions() {
            if let Some(t) = cx.result(d, of, k) {
                cx.set(d, id, t);
            }
        }
        Ok(())
    }

    fn cotangent(&self, cx: &mut Cotangents, id: NodeId) -> Result<(), MissingDerivative> {
        let (of, k) = (cx.graph.arg(id, 0), cx.graph.number(id));
        for d in 0..cx.n_directions() {
            if let Some(c) = cx.get(d, id) {
                cx.set_result(d, of, k, c);
            }
        }
        Ok(())
    }

    fn dependency(&self, cx: &mut Dependencies, id: NodeId) {
        let rows = cx.result(cx.graph.arg(id, 0), cx.graph.number(id));
        cx.set(id, rows);
    }

    fn jacobian(&self, cx: &mut Accumulation, id: NodeId) -> Result<(), MissingDerivative> {
        let rows = cx.result(cx.graph.arg(id, 0), cx.graph.number(id));
        cx.set(id, rows);
        Ok(())
    }
}
