//! Formulas as nodes of graphs.

use nablac::graph::{Graph, NodeId};
use nablac::ops::scalar::ScalarOp;
use nablac::syntax::formula::{Formula, FormulaOp};

/// The node of a formula, its variables by name.
pub fn build(graph: &mut Graph, formula: &Formula, variable: impl Fn(&str) -> NodeId) -> NodeId {
    let mut stack: Vec<NodeId> = Vec::new();
    for op in &formula.ops {
        let node = match op {
            FormulaOp::Number(v) => graph.constant(*v),
            FormulaOp::Var(name) => variable(name),
            FormulaOp::Apply { name, n_args } => {
                let args = stack.split_off(stack.len() - usize::from(*n_args));
                graph.scalar(ScalarOp::from_name(name).unwrap(), &args)
            }
            FormulaOp::Arg(_) | FormulaOp::Result => unreachable!(),
        };
        stack.push(node);
    }
    stack[0]
}
