//! Formulas of matrices: rules on products, transposes, sums, traces and Kronecker products, and the
//! order of products.
//!
//! Takes a graph, gives an equivalent one in real arithmetic that needs fewer operations, if one is
//! found. Matrix operations of the graph become an e-graph (Willsey et al., "egg: Fast and
//! extensible equality saturation", 2021), everything else is an atom of it.

pub mod chain;
pub mod check;
mod language;
pub mod rule;
mod view;

use std::ops::RangeInclusive;
use std::sync::OnceLock;
use std::time::Duration;

use egg::{Extractor, Id, Rewrite, Runner};
use rustc_hash::FxHashMap;

use self::chain::order_products;
use self::language::{Cost, Forms, Matrices, MatrixOp, Node};
use self::rule::{MatrixRule, commutations};
use self::view::{Seen, form_of, seen};
use super::SimplifyOptions;
use super::library::built_in;
use super::rules::{Class, Math};
use crate::graph::{Graph, NodeId, Op, Reduction, visit};
use crate::ops::scalar::ScalarOp;
use crate::ops::{matrix, transpose};

/// Graphs with more matrix operations get the order of products alone.
const MAX_OPERATIONS: usize = 500;
/// How far an e-graph grows: with what there is to be gained, within these bounds.
const NODES: RangeInclusive<usize> = 300..=4_000;
const MAX_ITERATIONS: usize = 8;

/// The graph with its matrix formulas in a form that costs less, or `None`.
pub fn improve(
    graph: &Graph,
    roots: &[NodeId],
    options: &SimplifyOptions,
) -> Option<(Graph, Vec<NodeId>)> {
    let order = visit::reachable(graph, roots);
    let has_own = options.rules.as_ref().is_some_and(|rules| !rules.rules().matrix.is_empty());
    let is_worth = |&id: &NodeId| has_own || is_worth_a_look(graph, id);
    if options.math == Math::Strict || !order.iter().any(is_worth) {
        return None;
    }
    let mut least = cost(graph, roots);
    let max_nodes = (least / 1_000).clamp(*NODES.start() as u64, *NODES.end() as u64) as usize;
    let mut best = None;
    let mut take = |found: (Graph, Vec<NodeId>)| {
        let cost = cost(&found.0, &found.1);
        if cost < least {
            (least, best) = (cost, Some(found));
        }
    };
    take(order_products(graph, roots));
    let n_seen = order.iter().filter(|&&id| seen(graph, id).is_some()).count();
    if options.level >= 2
        && n_seen <= MAX_OPERATIONS
        && let Some(found) = saturated(graph, roots, &order, options, max_nodes)
    {
        let ordered = order_products(&found.0, &found.1);
        take(found);
        take(ordered);
    }
    best
}

/// Whether rules may gain something at a node.
fn is_worth_a_look(graph: &Graph, id: NodeId) -> bool {
    use MatrixOp as M;
    match seen(graph, id) {
        Some(Seen::TraceOfProduct(..)) => true,
        Some(Seen::Of(M::Sum, args)) => !graph.pattern(args[0]).is_vector(),
        Some(Seen::Of(op, _)) => {
            matches!(op, M::Product | M::Transpose | M::Trace | M::SumRows | M::SumCols | M::Kron)
        }
        None => false,
    }
}

/// The cost of a graph, of a hundredth of an operation: entries that are moved cost that.
fn cost(graph: &Graph, roots: &[NodeId]) -> u64 {
    let of = |id: NodeId| {
        let n = graph.nnz(id) as u64;
        match graph.op(id) {
            // Signs mostly vanish in sums.
            Op::Scalar(ScalarOp::Neg) => n,
            Op::Scalar(op) => 100 * n * u64::from(op.row().cost),
            Op::MatMul => {
                let (a, b) = (graph.pattern(graph.arg(id, 0)), graph.pattern(graph.arg(id, 1)));
                let whole = a.n_products(b);
                // Entries that are not computed cost nothing.
                let share = match view::is_whole_product(graph, id) {
                    true => whole,
                    false => whole.min(n * a.n_cols() as u64),
                };
                100 * (2 * share).saturating_sub(n)
            }
            // A long sum is eight sums.
            Op::Reduce(_) => 100 * (graph.nnz(graph.arg(id, 0)) as u64 + 8),
            Op::Scatter => 100 * graph.nnz(graph.arg(id, 0)) as u64,
            Op::Gather | Op::Concat => n,
            _ => 0,
        }
    };
    visit::reachable(graph, roots).into_iter().map(of).sum()
}

fn rewrites(options: &SimplifyOptions) -> Vec<Rewrite<Node, Forms>> {
    static BUILT_IN: OnceLock<Vec<(Class, Rewrite<Node, Forms>)>> = OnceLock::new();
    let compiled = |rules: &[MatrixRule]| -> Vec<(Class, Rewrite<Node, Forms>)> {
        rules.iter().filter_map(|rule| Some((rule.class, rule.rewrite()?))).collect()
    };
    let built_in = BUILT_IN.get_or_init(|| compiled(&built_in().matrix));
    let own = options.rules.as_ref().map_or(Vec::new(), |rules| compiled(&rules.rules().matrix));
    let all = built_in.iter().chain(&own).filter(|(class, _)| options.math.allows(*class));
    commutations().into_iter().chain(all.map(|(_, rewrite)| rewrite.clone())).collect()
}

/// The matrix operations of a graph as classes of an e-graph.
struct Saturation {
    egraph: Matrices,
    /// The class of each node that is a matrix operation, or operand of one.
    class: FxHashMap<NodeId, Id>,
}

/// The cheapest form that the rules find.
fn saturated(
    graph: &Graph,
    roots: &[NodeId],
    order: &[NodeId],
    options: &SimplifyOptions,
    max_nodes: usize,
) -> Option<(Graph, Vec<NodeId>)> {
    let mut start = Saturation { egraph: Matrices::default(), class: FxHashMap::default() };
    for &id in order {
        start.add(graph, id);
    }
    let runner = Runner::<Node, Forms, ()>::new(Forms::default())
        .with_egraph(start.egraph)
        .with_node_limit(max_nodes)
        .with_iter_limit(MAX_ITERATIONS)
        // What is found does not depend on the machine.
        .with_time_limit(Duration::from_secs(u64::from(u32::MAX)))
        .run(&rewrites(options));
    let mut emission = Emission {
        graph,
        class: start.class,
        extractor: Extractor::new(&runner.egraph, Cost(&runner.egraph)),
        egraph: &runner.egraph,
        to: Graph::new(),
        made: FxHashMap::default(),
    };
    emission.to.set_folds_real(true);
    let roots = roots
        .iter()
        .map(|&root| {
            let made = emission.make(Task::Value(root))?;
            Some(emission.to.project(made, graph.pattern(root)))
        })
        .collect::<Option<_>>()?;
    Some((emission.to, roots))
}

impl Saturation {
    fn add(&mut self, graph: &Graph, id: NodeId) {
        let Some(seen) = seen(graph, id) else { return };
        let (op, args) = match seen {
            Seen::Of(op, args) => (op, self.operands(graph, &args)),
            Seen::TraceOfProduct(a, b) => {
                let args = self.operands(graph, &[a, b]);
                (MatrixOp::Trace, vec![self.egraph.add(Node { op: MatrixOp::Product, args })])
            }
        };
        let class = self.egraph.add(Node { op, args });
        self.class.insert(id, class);
    }

    fn operands(&mut self, graph: &Graph, args: &[NodeId]) -> Vec<Id> {
        let class = |&id: &NodeId| {
            *self.class.entry(id).or_insert_with(|| {
                self.egraph.analysis.atoms.insert(id, form_of(graph, id));
                self.egraph.add(Node { op: MatrixOp::Atom(id), args: Vec::new() })
            })
        };
        args.iter().map(class).collect()
    }
}

/// What is to be made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Task {
    /// The value of a node, in its cheapest form.
    Value(NodeId),
    /// A node as it is, its operands in their cheapest forms.
    Copy(NodeId),
    /// The cheapest form of a class.
    Class(Id),
}

/// The cheapest forms on their way to a new graph.
struct Emission<'g> {
    graph: &'g Graph,
    class: FxHashMap<NodeId, Id>,
    extractor: Extractor<'g, Cost<'g>, Node, Forms>,
    egraph: &'g Matrices,
    to: Graph,
    /// What has been made; `None` while its parts are.
    made: FxHashMap<Task, Option<NodeId>>,
}

impl Emission<'_> {
    /// `None` if a form contains itself.
    fn make(&mut self, root: Task) -> Option<NodeId> {
        let mut stack = vec![root];
        while let Some(&task) = stack.last() {
            match self.made.get(&task) {
                Some(Some(_)) => {
                    stack.pop();
                    continue;
                }
                None => {
                    self.made.insert(task, None);
                }
                Some(None) => {}
            }
            let parts = self.parts(task);
            let n_open = stack.len();
            for &part in &parts {
                match self.made.get(&part) {
                    Some(Some(_)) => {}
                    Some(None) => return None,
                    None => stack.push(part),
                }
            }
            if stack.len() == n_open {
                let args: Vec<NodeId> = parts
                    .iter()
                    .map(|part| self.made.get(part).copied().flatten())
                    .collect::<Option<_>>()?;
                let made = self.value(task, &args);
                self.made.insert(task, Some(made));
                stack.pop();
            }
        }
        self.made.get(&root).copied().flatten()
    }

    fn parts(&self, task: Task) -> Vec<Task> {
        match task {
            Task::Value(id) => match self.class.get(&id) {
                Some(&class) => vec![Task::Class(self.egraph.find(class))],
                None => vec![Task::Copy(id)],
            },
            Task::Copy(id) => self.graph.args(id).iter().map(|&a| Task::Value(a)).collect(),
            Task::Class(class) => match self.extractor.find_best_node(class) {
                Node { op: MatrixOp::Atom(id), .. } => vec![Task::Copy(*id)],
                node => node.args.iter().map(|&a| Task::Class(self.egraph.find(a))).collect(),
            },
        }
    }

    fn value(&mut self, task: Task, args: &[NodeId]) -> NodeId {
        match task {
            Task::Value(_) => args[0],
            Task::Copy(id) if self.graph.op(id) == Op::Input => {
                self.to.input(self.graph.number(id), self.graph.pattern(id).clone())
            }
            Task::Copy(id) => copied(self.graph, id, &mut self.to, args),
            Task::Class(class) => {
                let node = self.extractor.find_best_node(class).clone();
                apply(&mut self.to, node.op, args)
            }
        }
    }
}

/// A node made anew of `new` operands with the same values.
fn copied(from: &Graph, id: NodeId, to: &mut Graph, new: &[NodeId]) -> NodeId {
    if !matches!(from.op(id), Op::Call | Op::Cond | Op::Loop) {
        return visit::copy_node(from, id, to, new);
    }
    let old = from.args(id).iter();
    let args: Vec<NodeId> =
        old.zip(new).map(|(&old, &new)| to.project(new, from.pattern(old))).collect();
    visit::copy_node(from, id, to, &args)
}

fn apply(to: &mut Graph, op: MatrixOp, args: &[NodeId]) -> NodeId {
    match (op, args) {
        (MatrixOp::Number(bits), _) => to.constant(f64::from_bits(bits)),
        (MatrixOp::Add, &[a, b]) => to.add(a, b),
        (MatrixOp::Sub, &[a, b]) => to.sub(a, b),
        (MatrixOp::Neg, &[a]) => to.neg(a),
        (MatrixOp::Times | MatrixOp::Scale, &[a, b]) => to.mul(a, b),
        (MatrixOp::Over, &[a, b]) => to.div(a, b),
        (MatrixOp::Product, &[a, b]) => matrix::product(to, a, b),
        (MatrixOp::Transpose, &[a]) => transpose(to, a),
        (MatrixOp::Trace, &[a]) => matrix::trace(to, a),
        (MatrixOp::Sum, &[a]) => to.reduce(Reduction::Sum, a),
        (MatrixOp::SumRows, &[a]) => matrix::sum_rows(to, a),
        (MatrixOp::SumCols, &[a]) => matrix::sum_cols(to, a),
        (MatrixOp::Kron, &[a, b]) => matrix::kron(to, a, b),
        (MatrixOp::Diag, &[a]) if to.pattern(a).numel() == 1 => a,
        (MatrixOp::Diag, &[a]) => matrix::diag(to, a),
        (MatrixOp::Vec, &[a]) => matrix::column(to, a),
        (MatrixOp::Unvec, &[a, b, c]) => {
            let shape = (to.shape(b).1, to.shape(c).1);
            matrix::reshape(to, a, shape.0, shape.1)
        }
        // Operations have as many operands as they take, atoms are copied.
        _ => args.first().copied().unwrap_or(NodeId(0)),
    }
}
