//! The expression graph: sparse matrix values, hash-consed, append-only.
//!
//! [`Graph`] is the arena and its builder methods; [`Func`] a frozen function; `visit` the
//! passes over a graph. Operands precede their users, so every pass is a loop over numbers.

mod arena;
mod build;
pub mod evaluate;
mod expand;
mod external;
mod fold;
mod func;
mod multiple;
mod node;
mod range;
mod restore;
mod stable;
pub mod visit;

pub(crate) use arena::Attr;
pub use arena::Graph;
pub(crate) use expand::{copy_nested, expand, expand_whole};
pub use external::{Callback, External};
pub(crate) use func::{Ancestry, Source, Supply};
pub use func::{Body, Func};
pub use node::{
    ArgMode, Constant, LoopSpec, NodeId, Op, Origin, Payload, Port, Reduction, ResultMode, Values,
    Window, window_fits,
};
pub use range::{Bound, IterationRange};
