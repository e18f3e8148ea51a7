//! The stages of simplification in order, by level.

use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::collect::{Flattening, parities};
use super::factor::Search;
use super::language::Head;
use super::library::{applicable, of_negatives};
use super::matching::RuleBook;
use super::powers::lower_powers;
use super::rules::{Math, UserRules};
use super::saturate::{Bounds, saturate};
use super::sums::{Variant, rank, rewrite};
use super::view::{Heads, only};
use crate::graph::{Graph, NodeId, Op};

/// How much to do, and what to promise.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SimplifyOptions {
    /// 0: powers become products, nothing else. 1: linear stages. 2 and 3: search.
    pub level: u8,
    pub math: Math,
    /// Rules beside the built-in ones; searches use them, from level 2 on.
    pub rules: Option<UserRules>,
}

impl Default for SimplifyOptions {
    fn default() -> SimplifyOptions {
        SimplifyOptions { level: 2, math: Math::Real, rules: None }
    }
}

/// The stages of simplification, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Small powers become products.
    Powers,
    /// Products of matrices in order, rules on matrices from level 2 on.
    Matrices,
    /// Rewrite rules, from level 2 on.
    Rules,
    /// Sums and products by common factors and parts, from level 1 on.
    Sums,
}

impl Stage {
    pub const ALL: [Stage; 4] = [Stage::Powers, Stage::Matrices, Stage::Rules, Stage::Sums];

    pub fn name(self) -> &'static str {
        match self {
            Stage::Powers => "powers",
            Stage::Matrices => "matrices",
            Stage::Rules => "rules",
            Stage::Sums => "sums",
        }
    }
}

/// From so many operations on, only the linear stages run.
const MAX_SEARCHED: usize = 100_000;

/// Graphs of more nodes get one pass.
const MOST_REPEATED: usize = 10_000;

/// From so many operations on, fewer ways are tried.
const MANY: usize = 5_000;

/// Copies what `outputs` need into a new graph with fewer operations of the same meaning.
///
/// Works on elementwise operations on scalars; all other nodes stay, with simplified arguments.
/// `ranges` are the promised ranges of the inputs, by number. No power with a constant whole or
/// half exponent is left. The cost, weighted by the table, never rises above that at level 0.
///
/// ```
/// use nablac::graph::Graph;
/// use nablac::simplify::{SimplifyOptions, simplify};
/// let mut g = Graph::new();
/// let (x, y) = (g.input(0, nablac::sparsity::Pattern::scalar()), g.constant(2.0));
/// let (a, b) = (g.mul(x, y), g.mul(x, x));
/// let sum = g.add(a, b);
/// let difference = g.sub(sum, b);
/// let (simpler, outputs) = simplify(&g, &[difference], &[None], &SimplifyOptions::default());
/// assert!(simpler.len() <= g.len() && outputs.len() == 1);
/// ```
pub fn simplify(
    graph: &Graph,
    outputs: &[NodeId],
    ranges: &[Option<(f64, f64)>],
    options: &SimplifyOptions,
) -> (Graph, Vec<NodeId>) {
    simplify_until(graph, outputs, ranges, options, Stage::Sums)
}

/// [`simplify`] with the stages up to `last` alone.
pub fn simplify_until(
    graph: &Graph,
    outputs: &[NodeId],
    ranges: &[Option<(f64, f64)>],
    options: &SimplifyOptions,
    last: Stage,
) -> (Graph, Vec<NodeId>) {
    let mut best = lower_powers(graph, outputs);
    if options.level == 0 || matches!(last, Stage::Powers | Stage::Matrices) {
        return best;
    }
    // Until nothing is gained any more, so that what comes out stays as it is; what is large gets
    // one pass.
    let is_large = best.0.len() > MOST_REPEATED;
    let mut least = rank(&best.0, &best.1);
    let mut next = pass(graph, outputs, ranges, options, last, true);
    // Searches by rules take longest: between them the other stages go as far as they can.
    let mut searched = true;
    loop {
        match next.filter(|found| found.0 < least) {
            Some((rank, better)) => (least, best, searched) = (rank, better, false),
            None if searched => return best,
            None => searched = true,
        }
        if is_large {
            return best;
        }
        next = pass(&best.0, &best.1, ranges, options, last, searched);
    }
}

type Ranked = ((u64, u64), (Graph, Vec<NodeId>));

/// The cheapest form that the stages after the first one find, powers lowered; rules only with
/// `searches`.
fn pass(
    graph: &Graph,
    outputs: &[NodeId],
    ranges: &[Option<(f64, f64)>],
    options: &SimplifyOptions,
    last: Stage,
    searches: bool,
) -> Option<Ranked> {
    let is_scalar = |id: &NodeId| matches!(graph.op(*id), Op::Scalar(_)) && graph.nnz(*id) == 1;
    let n_operations = graph.ids().filter(is_scalar).count();
    let effort = if n_operations <= MAX_SEARCHED { options.level } else { options.level.min(1) };
    let heads = heads(graph);
    let parities = parities(&of_negatives(heads));
    let ways = match (options.math, last) {
        (Math::Strict, _) | (_, Stage::Rules) => Vec::new(),
        _ => variants(effort, n_operations),
    };
    let cheapest = |graph: &Graph, outputs: &[NodeId]| {
        let tried = ways.par_iter().enumerate().map(|(k, &way)| {
            let rewritten = rewrite(graph, outputs, way, &parities);
            (rank(&rewritten.0, &rewritten.1), k, rewritten)
        });
        tried.min_by_key(|&(rank, k, _)| (rank, k)).map(|(rank, _, rewritten)| (rank, rewritten))
    };
    let with_rules = || {
        let bounds = Bounds {
            n_iterations: if effort == 2 { 3 } else { 8 },
            growth: if effort == 2 { 3 } else { 8 },
            reassociate: options.math != Math::Strict,
            // Large sums and products are left to other stages, where these run.
            polynomials: effort > 2
                || n_operations <= MANY
                || options.rules.is_some()
                || ways.is_empty(),
        };
        let own = options.rules.iter().flat_map(|rules| &rules.rules().rules);
        // What rules of the user may make is not known.
        let heads = if options.rules.is_some() { Heads::MAX } else { heads };
        let rules =
            RuleBook::new(applicable(heads, options.math).into_iter().chain(own), options.math);
        let saturated = saturate(graph, outputs, ranges, &rules, bounds);
        if rank(&saturated.0, &saturated.1) >= rank(graph, outputs) {
            return [None, None];
        }
        let lowered = lower_powers(&saturated.0, &saturated.1);
        [Some((rank(&lowered.0, &lowered.1), lowered)), cheapest(&saturated.0, &saturated.1)]
    };
    let (plain, [lowered, saturated]) = rayon::join(
        || cheapest(graph, outputs),
        || if effort >= 2 && searches { with_rules() } else { [None, None] },
    );
    // The first one of equals.
    [plain, lowered, saturated].into_iter().flatten().min_by_key(|found| found.0)
}

/// The operations that occur.
pub(super) fn heads(graph: &Graph) -> Heads {
    let head = |id| match graph.op(id) {
        Op::Scalar(op) => only(Head::Apply(op)),
        _ => 0,
    };
    graph.ids().fold(0, |all, id| all | head(id))
}

/// The ways of the polynomial stage that are tried.
fn variants(effort: u8, n_operations: usize) -> Vec<Variant> {
    let plain = Variant {
        flattening: Flattening { shared_sum: 0, distribute: false },
        search: Search { longest_sum: 32, coefficients: true, seed: 0 },
        products_first: false,
    };
    if effort < 2 {
        return vec![plain];
    }
    let n_seeds = if effort == 2 { 1 } else { 4 };
    let mut all = Vec::new();
    for seed in 0..n_seeds {
        for (shared_sum, distribute) in [(0, false), (0, true), (8, false), (8, true)] {
            for products_first in [false, true] {
                all.push(Variant {
                    flattening: Flattening { shared_sum, distribute },
                    search: Search { longest_sum: 256, coefficients: true, seed },
                    products_first,
                });
            }
        }
    }
    let search = Search { coefficients: false, ..all[0].search };
    all.push(Variant { search, ..all[0] });
    if n_operations > MANY {
        all.truncate(2);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::scalar::ScalarOp;
    use crate::simplify::sums::cost;
    use crate::sparsity::Pattern;
    use crate::syntax::formula::{FormulaOp, parse_pattern};

    fn build(text: &str) -> (Graph, NodeId) {
        let mut graph = Graph::new();
        let mut stack = Vec::new();
        for op in parse_pattern(text).unwrap().ops {
            let node = match op {
                FormulaOp::Number(v) => graph.constant(v),
                FormulaOp::Var(name) => {
                    let k = usize::from(name.as_bytes()[0] - b'a');
                    graph.input(k, Pattern::scalar())
                }
                FormulaOp::Apply { name, n_args } => {
                    let args = stack.split_off(stack.len() - usize::from(n_args));
                    graph.scalar(ScalarOp::from_name(&name).unwrap(), &args)
                }
                FormulaOp::Arg(_) | FormulaOp::Result => unreachable!(),
            };
            stack.push(node);
        }
        (graph, stack[0])
    }

    /// Cost of `text` after simplification with all inputs in `range`.
    fn cost_of(text: &str, range: Option<(f64, f64)>, math: Math) -> u64 {
        let (graph, root) = build(text);
        let options = SimplifyOptions { math, ..SimplifyOptions::default() };
        let (graph, roots) = simplify(&graph, &[root], &[range; 26], &options);
        cost(&graph, &roots)
    }

    fn same(left: &str, right: &str) {
        let real = |text| cost_of(text, None, Math::Real);
        assert_eq!(real(left), real(right), "{left} against {right}");
    }

    #[test]
    fn rules_and_polynomials_work_together() {
        same("log(exp(x + y))", "x + y");
        same("sqrt((x + y)^2)", "abs(x + y)");
        same("x * (sin(y)^2 + cos(y)^2)", "x");
        same("a * b + a * c - a * (b + c)", "0");
        same("exp(x) / (1 + exp(x)) + 1 / (1 + exp(x))", "1");
        same("(a + b - c) - (b - c)", "a");
        same("2 * x + 3 * x", "5 * x");
        same("x^2 * x^3 / x^4", "x");
        same("a / d + b / d", "(a + b) / d");
        same("sqrt(x)^3 / sqrt(x)", "x");
        same("max(x, min(x, y))", "x");
        same("sin(a - b) + sin(b - a)", "0");
        same("1 - sin(x)^2", "cos(x)^2");
        same("select(x < y, a * b, a * c)", "a * select(x < y, b, c)");
    }

    #[test]
    fn conditions_need_proof() {
        let abs = |range| cost_of("abs(x)", range, Math::Real);
        assert_eq!(abs(None), 1);
        assert_eq!(abs(Some((-1.0, 1.0))), 1);
        assert_eq!(abs(Some((0.0, 1.0))), 0);
        assert_eq!(cost_of("sqrt(x^2)", Some((0.5, 2.0)), Math::Real), 0);
    }

    #[test]
    fn strict_keeps_every_bit() {
        assert_eq!(cost_of("(a + b) - b", None, Math::Strict), 2);
        assert_eq!(cost_of("a * b + a * c", None, Math::Strict), 3);
        assert_eq!(cost_of("abs(abs(x))", None, Math::Strict), 1);
    }

    #[test]
    fn results_do_not_depend_on_the_run() {
        let text = "exp(a * b + a * c) / (1 + exp(a * b + a * c)) + sin(a * b) * cos(a * b + d)";
        let (graph, root) = build(text);
        let options = SimplifyOptions { level: 3, ..SimplifyOptions::default() };
        let first = simplify(&graph, &[root], &[], &options);
        for _ in 0..3 {
            let again = simplify(&graph, &[root], &[], &options);
            assert_eq!(first.0.hash(first.1[0]), again.0.hash(again.1[0]));
        }
    }
}
