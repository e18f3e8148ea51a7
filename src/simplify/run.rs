//! The stages of simplification in order, by level.

use super::collect::Flattening;
use super::factor::Search;
use super::powers::lower_powers;
use super::rules::{Math, built_in};
use super::sums::{Variant, cost, rewrite};
use crate::graph::{Graph, NodeId, Op};

/// How much to do, and what to promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SimplifyOptions {
    /// 0: powers become products, nothing else. 1: linear stages. 2 and 3: search.
    pub level: u8,
    pub math: Math,
}

impl Default for SimplifyOptions {
    fn default() -> SimplifyOptions {
        SimplifyOptions { level: 2, math: Math::Real }
    }
}

/// From so many operations on, only the linear stages run.
const MAX_SEARCHED: usize = 100_000;

/// Copies what `outputs` need into a new graph with fewer operations of the same meaning.
///
/// Works on elementwise operations on scalars; all other nodes stay, with simplified arguments.
/// `ranges` are the promised ranges of the inputs, by number. No power with a constant whole or
/// half exponent is left. The cost, weighted by the table, never rises above that at level 0.
pub fn simplify(
    graph: &Graph,
    outputs: &[NodeId],
    ranges: &[Option<(f64, f64)>],
    options: &SimplifyOptions,
) -> (Graph, Vec<NodeId>) {
    let _ = ranges;
    let mut best = lower_powers(graph, outputs);
    if options.level == 0 || options.math == Math::Strict {
        return best;
    }
    let is_scalar = |id: &NodeId| matches!(best.0.op(*id), Op::Scalar(_)) && best.0.nnz(*id) == 1;
    let n_operations = best.0.ids().filter(is_scalar).count();
    let searched = options.level >= 2 && n_operations <= MAX_SEARCHED;
    let mut least = cost(&best.0, &best.1);
    for variant in variants(searched) {
        let candidate = rewrite(graph, outputs, variant, built_in());
        let cost = cost(&candidate.0, &candidate.1);
        if cost < least {
            (best, least) = (candidate, cost);
        }
    }
    best
}

/// The ways of the polynomial stage that are tried.
fn variants(searched: bool) -> Vec<Variant> {
    let variant = |shared_sum, distribute, longest_sum| Variant {
        flattening: Flattening { shared_sum, distribute },
        search: Search { longest_sum, seed: 0 },
    };
    if !searched {
        return vec![variant(0, false, 32)];
    }
    vec![variant(0, false, 256), variant(0, true, 256), variant(8, false, 256)]
}
