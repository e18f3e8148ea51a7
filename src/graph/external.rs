//! Functions whose body is not a graph: a Rust closure, or a C function known by its name.

use std::sync::Arc;

use crate::sparsity::Pattern;

/// Body of a Rust external: nonzeros of the inputs, nonzeros of the outputs to fill. An error
/// text fails the evaluation.
pub type Callback = Arc<dyn Fn(&[&[f64]], &mut [&mut [f64]]) -> Result<(), String> + Send + Sync>;

/// A function supplied from outside.
///
/// Generated C declares it as `int name(const double **arg, double **res)` and expects the linker
/// to find it; `interp` and `jit` need the callback.
#[derive(Clone)]
pub struct External {
    pub name: String,
    pub inputs: Vec<Pattern>,
    pub outputs: Vec<Pattern>,
    pub callback: Option<Callback>,
}

impl std::fmt::Debug for External {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("External").field("name", &self.name).finish_non_exhaustive()
    }
}
