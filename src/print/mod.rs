//! Functions as text for readers: pictures ([`dot`]), formulas ([`latex`]), and programs of the
//! language ([`nab`]).
//!
//! All of them walk the nodes in order. A value that is used more than once, or whose formula gets
//! long, gets a name; so texts stay linear in the graph and nothing recurses over it.

mod dot;
mod latex;
mod nab;
mod rearrange;

pub use dot::dot;
pub use latex::latex;
pub use nab::{NoSpelling, nab};

use crate::graph::{Graph, NodeId, Op};

/// What a node does, in a word or two.
pub fn label(graph: &Graph, id: NodeId) -> String {
    match graph.op(id) {
        Op::Scalar(op) => op.name().to_owned(),
        Op::Input => format!("input {}", graph.number(id)),
        Op::Result => format!("result {}", graph.number(id)),
        Op::Const => match graph.as_uniform(id) {
            Some(value) => format!("{value}"),
            None => "data".to_owned(),
        },
        Op::Reduce(reduction) => reduction.name().to_owned(),
        Op::Loop => {
            format!("loop {}", graph.loop_spec(id).map_or(0, |spec| spec.n))
        }
        op => format!("{op:?}").to_lowercase(),
    }
}
