//! All stages of simplification over a function and the functions it calls.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::rules::Math;
use super::run::simplify_until;
use super::{SimplifyOptions, Stage};
use crate::graph::{Func, copy_nested, expand};

/// The function with small matrices expanded and everything simplified, called functions and
/// loop bodies included, each once. Inputs and the patterns of outputs stay. No power with a
/// small integer or half-integer exponent is left. Under [`Math::Strict`] matrices stay as they
/// are: their sums have an order.
///
/// ```
/// use nablac::simplify::{SimplifyOptions, optimize};
/// let text = "input x\noutput f = sin(x)^2 + cos(x)^2";
/// let f = nablac::model::Model::parse("f.nab", text).function()?;
/// let simpler = optimize(f.func(), &SimplifyOptions::default());
/// assert!(simpler.size() < f.func().size());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn optimize(func: &Arc<Func>, options: &SimplifyOptions) -> Arc<Func> {
    optimize_until(func, options, Stage::Sums)
}

/// [`optimize`] with the stages up to `last` alone.
pub fn optimize_until(func: &Arc<Func>, options: &SimplifyOptions, last: Stage) -> Arc<Func> {
    optimize_once(func, options, last, &mut FxHashMap::default())
}

fn optimize_once(
    func: &Arc<Func>,
    options: &SimplifyOptions,
    last: Stage,
    made: &mut FxHashMap<Arc<Func>, Arc<Func>>,
) -> Arc<Func> {
    if let Some(found) = made.get(func) {
        return found.clone();
    }
    let Some((graph, outputs)) = func.graph() else { return func.clone() };
    let mut nested = |f: &Arc<Func>| optimize_once(f, options, last, made);
    let (graph, roots) = match options.math {
        Math::Strict => copy_nested(graph, outputs, &mut nested),
        Math::Real | Math::Fast => expand(graph, outputs, &mut nested),
    };
    let ranges: Vec<Option<(f64, f64)>> = func.inputs.iter().map(|p| p.range).collect();
    let (mut graph, roots) = simplify_until(&graph, &roots, &ranges, options, last);
    let named = func
        .outputs
        .iter()
        .zip(roots)
        .map(|(port, root)| (port.name.clone(), graph.project(root, &port.pattern)))
        .collect();
    let optimized = Func::freeze(func.name.clone(), &graph, func.inputs.clone(), named);
    made.insert(func.clone(), optimized.clone());
    optimized
}
