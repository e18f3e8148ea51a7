//! Formulas as people write them: sums of products with equal factors as powers, nothing taken
//! out, nothing expanded that was written in brackets.

use std::sync::Arc;

use super::collect::{Flattening, parities};
use super::emit::emit_readable;
use super::library::of_negatives;
use super::run::heads;
use crate::graph::{Func, Graph, visit};

/// The function with its formulas in order, for readers. Matrices, loops and called functions stay
/// as they are.
pub fn readable(func: &Arc<Func>) -> Arc<Func> {
    let Some((graph, outputs)) = func.graph() else { return func.clone() };
    let (mut to, mut roots) = (Graph::new(), outputs.to_vec());
    to.set_folds_real(true);
    let inputs = to.inputs(&func.inputs);
    roots = visit::transplant(graph, &roots, &mut to, &inputs);
    let parities = parities(&of_negatives(heads(&to)));
    let flattening = Flattening { shared_sum: 0, distribute: false };
    let system = super::collect::collect(&to, &roots, flattening, &parities);
    let (mut to, roots) = emit_readable(&system, &to);
    let named = (func.outputs.iter().zip(roots))
        .map(|(port, root)| (port.name.clone(), to.project(root, &port.pattern)))
        .collect();
    Func::freeze(func.name.clone(), &to, func.inputs.clone(), named)
}
