//! All stages of simplification over a function and the functions it calls.

use std::sync::Arc;

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use rustc_hash::FxHashMap;

use super::contract::contract;
use super::matrix;
use super::reciprocal::share_reciprocals;
use super::rules::Math;
use super::run::simplify_until;
use super::{SimplifyOptions, Stage};
use crate::graph::{Func, Graph, NodeId, Op, copy_nested, expand, visit};

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
    let mut made: FxHashMap<Arc<Func>, Arc<Func>> = FxHashMap::default();
    for level in levels(func, options.math) {
        let simplified =
            level.into_par_iter().map(|f| (simplified(&f, options, last, &made), f)).collect();
        let simplified: Vec<_> = simplified;
        made.extend(simplified.into_iter().map(|(new, old)| (old, new)));
    }
    made.remove(func).unwrap_or_else(|| func.clone())
}

/// The functions that stay functions, each after those that it needs: of one level none needs
/// another one.
fn levels(root: &Arc<Func>, math: Math) -> Vec<Vec<Arc<Func>>> {
    let mut needs: FxHashMap<Arc<Func>, Vec<Arc<Func>>> = FxHashMap::default();
    let order = visit::needed_first(root, |f| {
        let needed = needed(f, math);
        needs.insert(f.clone(), needed.clone());
        needed
    });
    let mut level: FxHashMap<Arc<Func>, usize> = FxHashMap::default();
    let mut levels: Vec<Vec<Arc<Func>>> = Vec::new();
    for func in order {
        let below = needs[&func].iter().filter_map(|f| level.get(f)).max();
        let own = below.map_or(0, |l| l + 1);
        levels.resize_with(levels.len().max(own + 1), Vec::new);
        levels[own].push(func.clone());
        level.insert(func, own);
    }
    levels
}

/// The functions that a function calls, or has as bodies of loops, after those that are small have
/// been expanded.
fn needed(func: &Arc<Func>, math: Math) -> Vec<Arc<Func>> {
    let Some((graph, outputs)) = func.graph() else { return Vec::new() };
    if graph.ids().all(|id| graph.callees(id).next().is_none()) {
        return Vec::new();
    }
    let mut needed = Vec::new();
    copied(graph, outputs, math, &mut |f| {
        needed.push(f.clone());
        f.clone()
    });
    needed
}

/// A copy with other functions in place of those nested in it.
fn copied(
    graph: &Graph,
    outputs: &[NodeId],
    math: Math,
    nested: &mut dyn FnMut(&Arc<Func>) -> Arc<Func>,
) -> (Graph, Vec<NodeId>) {
    match math {
        Math::Strict => copy_nested(graph, outputs, nested),
        Math::Real | Math::Fast => expand(graph, outputs, nested),
    }
}

/// How often forms that are not stable are replaced.
const MAX_ROUNDS: usize = 4;

/// A function with what `made` has in place of those nested in it.
fn simplified(
    func: &Arc<Func>,
    options: &SimplifyOptions,
    last: Stage,
    made: &FxHashMap<Arc<Func>, Arc<Func>>,
) -> Arc<Func> {
    let Some((graph, outputs)) = func.graph() else { return func.clone() };
    let mut nested = |f: &Arc<Func>| made.get(f).unwrap_or(f).clone();
    let improved = match (options.level, last) {
        (0, _) | (_, Stage::Powers) => None,
        _ => matrix::improve(graph, outputs, options),
    };
    let (source, outputs) = match &improved {
        Some((graph, roots)) => (graph, &roots[..]),
        None => (graph, outputs),
    };
    let (mut graph, mut roots) = copied(source, outputs, options.math, &mut nested);
    // What comes in the place of sums over loops is vectors, which may be small.
    let is_loop = |&a: &NodeId| source.op(a) == Op::Result;
    let replaces = |id| source.args(id).iter().any(is_loop) && source.is_foldable_real(id);
    if options.math != Math::Strict && source.ids().any(replaces) {
        (graph, roots) = copied(&graph, &roots, options.math, &mut Arc::clone);
    }
    let ranges: Vec<Option<(f64, f64)>> = func.inputs.iter().map(|p| p.range).collect();
    for round in 1.. {
        (graph, roots) = simplify_until(&graph, &roots, &ranges, options, last);
        // Forms that cancel or overflow may come up again.
        let is_stable = || {
            let needed = visit::reachable(&graph, &roots);
            !needed.into_iter().any(|id| graph.is_foldable_real(id))
        };
        if round == MAX_ROUNDS || options.math == Math::Strict || is_stable() {
            break;
        }
        (graph, roots) = copied(&graph, &roots, options.math, &mut Arc::clone);
    }
    if options.math.contracts() && last == Stage::Sums {
        (graph, roots) = share_reciprocals(&graph, &roots);
        (graph, roots) = contract(&graph, &roots);
    }
    let named = func
        .outputs
        .iter()
        .zip(roots)
        .map(|(port, root)| (port.name.clone(), graph.project(root, &port.pattern)))
        .collect();
    Func::freeze(func.name.clone(), &graph, func.inputs.clone(), named)
}
