//! Elementwise operations: everything follows from the row of the table.

use std::sync::OnceLock;

use super::Dependencies;
use super::Rules;
use super::accumulation::Accumulation;
use super::context::{Cotangents, MissingDerivative, Tangents};
use super::scalar::ScalarOp;
use crate::graph::{Graph, NodeId, Op, Reduction};
use crate::sparsity::runs::{Line, Run};
use crate::sparsity::{IndexMap, Pattern};
use crate::syntax::formula::{Formula, FormulaOp, parse_formula};

/// Any operation of the table.
pub struct Elementwise;

/// A step of a partial derivative in postfix order.
#[derive(Clone, Copy)]
enum Step {
    Number(f64),
    Arg(u8),
    Result,
    Apply { op: ScalarOp, n_args: u8 },
}

/// The partial derivatives of an operation; `None` where structurally zero.
fn partials(op: ScalarOp) -> &'static [Option<Vec<Step>>] {
    static ALL: OnceLock<Vec<Vec<Option<Vec<Step>>>>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let read = |text: &&str| {
            let formula = parse_formula(text).expect("invariant: the table's formulas parse");
            (*text != "0").then(|| resolve(&formula))
        };
        ScalarOp::ALL.iter().map(|op| op.row().partials.iter().map(read).collect()).collect()
    });
    &all[op as usize]
}

/// Rows of the table in place of their names.
fn resolve(formula: &Formula) -> Vec<Step> {
    let step = |op: &FormulaOp| match op {
        FormulaOp::Number(v) => Step::Number(*v),
        FormulaOp::Arg(k) => Step::Arg(*k),
        FormulaOp::Result => Step::Result,
        FormulaOp::Apply { name, n_args } => Step::Apply {
            op: ScalarOp::from_name(name).expect("invariant: formulas name rows"),
            n_args: *n_args,
        },
        FormulaOp::Var(_) => unreachable!("invariant: partials have no free variables"),
    };
    formula.ops.iter().map(step).collect()
}

/// Builds a partial derivative over arguments `args` and the result `y`.
fn instantiate(graph: &mut Graph, steps: &[Step], args: &[NodeId], y: NodeId) -> NodeId {
    if let [Step::Number(v)] = steps {
        return graph.constant(*v);
    }
    let mut stack: Vec<NodeId> = Vec::with_capacity(steps.len());
    for step in steps {
        let node = match *step {
            Step::Number(v) => graph.constant(v),
            Step::Arg(k) => args[k as usize],
            Step::Result => y,
            Step::Apply { op, n_args } => {
                let at = stack.len() - n_args as usize;
                let node = graph.scalar(op, &stack[at..]);
                stack.truncate(at);
                node
            }
        };
        stack.push(node);
    }
    stack.pop().expect("invariant: a formula has a value")
}

/// Partial derivative of elementwise node `y` by argument `k`, entry by entry: 1x1, or with the
/// shape and at most the nonzeros of `y`. `None` where it is structurally zero.
pub fn partial(graph: &mut Graph, y: NodeId, k: usize) -> Option<NodeId> {
    let Op::Scalar(op) = graph.op(y) else { return None };
    let formula = partials(op)[k].as_deref()?;
    let (mut operands, n_args) = operands(graph, y);
    if graph.pattern(y).is_dense() {
        return Some(instantiate(graph, formula, &operands[..n_args], y));
    }
    let pattern = graph.pattern(y).clone();
    // Formulas such as cos(a) are dense where the result is not: work on the nonzeros alone.
    let column = Pattern::dense(pattern.nnz(), 1);
    let flat = |graph: &mut Graph, x: NodeId| {
        if graph.pattern(x).is_scalar() {
            return x;
        }
        graph.gather(x, IndexMap::identity(column.nnz()), column.clone())
    };
    for operand in &mut operands[..n_args] {
        *operand = flat(graph, *operand);
    }
    let flat_y = flat(graph, y);
    let value = instantiate(graph, formula, &operands[..n_args], flat_y);
    if graph.pattern(value).is_scalar() {
        return Some(value);
    }
    let value = graph.project(value, &column);
    Some(graph.gather(value, IndexMap::identity(column.nnz()), pattern))
}

/// Arguments of an elementwise node, and how many they are.
fn operands(graph: &Graph, id: NodeId) -> ([NodeId; 3], usize) {
    let args = graph.args(id);
    let mut operands = [NodeId(0); 3];
    operands[..args.len()].copy_from_slice(args);
    (operands, args.len())
}

/// `x`, if 1x1, at every nonzero of `pattern`.
fn broadcast(graph: &mut Graph, x: NodeId, pattern: &Pattern) -> NodeId {
    if pattern.is_scalar() || !graph.pattern(x).is_scalar() {
        return x;
    }
    graph.gather(x, IndexMap::constant(0, pattern.nnz()), pattern.clone())
}

impl Rules for Elementwise {
    fn tangent(&self, cx: &mut Tangents, id: NodeId) -> Result<(), MissingDerivative> {
        let (args, n_args) = operands(cx.graph, id);
        let args = &args[..n_args];
        let pattern = cx.graph.pattern(id).clone();
        if cx.graph.op(id) == Op::Scalar(ScalarOp::Select) {
            return select_tangent(cx, id, args, &pattern);
        }
        let mut slopes: [Option<Option<NodeId>>; 3] = [None; 3];
        for d in 0..cx.n_directions() {
            let mut sum: Option<NodeId> = None;
            for (k, &a) in args.iter().enumerate() {
                let Some(da) = cx.get(d, a) else { continue };
                let slope = *slopes[k].get_or_insert_with(|| partial(cx.graph, id, k));
                let Some(slope) = slope else { continue };
                let product = cx.graph.mul(slope, da);
                let term = broadcast(cx.graph, product, &pattern);
                sum = Some(sum.map_or(term, |s| cx.graph.add(s, term)));
            }
            if let Some(sum) = sum {
                let inside = cx.graph.pattern(sum).intersection(&pattern);
                let tangent = cx.graph.project(sum, &inside);
                cx.set(d, id, tangent);
            }
        }
        Ok(())
    }

    fn cotangent(&self, cx: &mut Cotangents, id: NodeId) -> Result<(), MissingDerivative> {
        let (args, n_args) = operands(cx.graph, id);
        let args = &args[..n_args];
        let is_select = cx.graph.op(id) == Op::Scalar(ScalarOp::Select);
        let mut slopes: [Option<Option<NodeId>>; 3] = [None; 3];
        for d in 0..cx.n_directions() {
            let Some(cotangent) = cx.get(d, id) else { continue };
            for (k, &a) in args.iter().enumerate() {
                if !cx.wants(a) {
                    continue;
                }
                let term = if is_select {
                    let Some(term) = select_share(cx.graph, args, k, cotangent) else { continue };
                    term
                } else {
                    let slope = *slopes[k].get_or_insert_with(|| partial(cx.graph, id, k));
                    let Some(slope) = slope else { continue };
                    cx.graph.mul(slope, cotangent)
                };
                let scalar = cx.graph.pattern(a).is_scalar();
                let term = if scalar && !cx.graph.pattern(term).is_scalar() {
                    cx.graph.reduce(Reduction::Sum, term)
                } else {
                    term
                };
                cx.add(d, a, term);
            }
        }
        Ok(())
    }

    fn dependency(&self, cx: &mut Dependencies, id: NodeId) {
        let Op::Scalar(op) = cx.graph.op(id) else { return };
        let n = cx.graph.nnz(id);
        let depends: Vec<NodeId> = cx
            .graph
            .args(id)
            .iter()
            .zip(partials(op))
            .filter(|(_, p)| p.is_some())
            .map(|(&a, _)| a)
            .collect();
        cx.set_union(id, n, &depends);
    }

    fn jacobian(&self, cx: &mut Accumulation, id: NodeId) -> Result<(), MissingDerivative> {
        let (args, n_args) = operands(cx.graph, id);
        let n = cx.graph.nnz(id);
        if cx.graph.op(id) == Op::Scalar(ScalarOp::Select) {
            let sides = [args[1], args[2]].map(|a| cx.get(a).cloned());
            if sides.iter().any(Option::is_some) {
                let rows = cx.choose(n, args[0], sides);
                cx.set(id, rows);
            }
            return Ok(());
        }
        let pattern = cx.graph.pattern(id).clone();
        let mut parts = Vec::new();
        for (k, &a) in args[..n_args].iter().enumerate() {
            let Some(rows) = cx.get(a).cloned() else { continue };
            let Some(slope) = partial(cx.graph, id, k) else { continue };
            let scalar = cx.graph.pattern(slope).is_scalar();
            let slope = if scalar { slope } else { cx.graph.project(slope, &pattern) };
            // An operand with one row counts for all.
            let all = |one: bool| Line::new(0, i64::from(!one));
            let column = all(cx.graph.nnz(a) == 1);
            let run = Run { n: n as i64, row: Line::new(0, 1), column };
            let partials = cx.along(n, run, all(scalar), Some(slope));
            parts.push((partials, rows));
        }
        let rows = cx.chain(n, &parts);
        cx.set(id, rows);
        Ok(())
    }
}

/// A selection passes tangents on unmultiplied, so that what is not selected cannot leak NaN.
fn select_tangent(
    cx: &mut Tangents,
    id: NodeId,
    args: &[NodeId],
    pattern: &Pattern,
) -> Result<(), MissingDerivative> {
    for d in 0..cx.n_directions() {
        let (da, db) = (cx.get(d, args[1]), cx.get(d, args[2]));
        if da.is_none() && db.is_none() {
            continue;
        }
        let (n_rows, n_cols) = pattern.shape();
        let mut side = |t: Option<NodeId>| match t {
            Some(t) => broadcast(cx.graph, t, pattern),
            None => cx.graph.zero(n_rows, n_cols),
        };
        let (da, db) = (side(da), side(db));
        let tangent = cx.graph.scalar(ScalarOp::Select, &[args[0], da, db]);
        cx.set(d, id, tangent);
    }
    Ok(())
}

/// Share of argument `k` in the cotangent of a selection.
fn select_share(graph: &mut Graph, args: &[NodeId], k: usize, cotangent: NodeId) -> Option<NodeId> {
    let (n_rows, n_cols) = graph.shape(cotangent);
    let zero = graph.zero(n_rows, n_cols);
    match k {
        1 => Some(graph.scalar(ScalarOp::Select, &[args[0], cotangent, zero])),
        2 => Some(graph.scalar(ScalarOp::Select, &[args[0], zero, cotangent])),
        _ => None,
    }
}
