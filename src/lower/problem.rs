//! Optimisation problems: `var`, `minimise` and `subject to`.
//!
//! minimise f(x) subject to lbg <= g(x) <= ubg and lbx <= x <= ubx, where x is the `var`s in order
//! and g the constraints in order, each column-major. The program becomes the functions that
//! solvers ask for: f, its gradient, g, its Jacobian, the Hessian of lam_f f + lam_g' g in one
//! triangle, the bounds and the start. A repeated constraint is one loop.

use std::sync::Arc;
use std::time::Instant;

use super::frame::Frame;
use super::int::Counter;
use super::misfit::{Operand, shape_text};
use super::{Bound, InputInfo, Lowerer, OutputInfo, Value};
use crate::diff::{self, DiffError};
use crate::graph::{
    Func, LoopSpec, NodeId, Op, Port, Reduction, ResultMode, Source, Window, visit,
};
use crate::ops::scalar::ScalarOp;
use crate::sparsity::{IndexMap, Pattern};
use crate::syntax::ast::{Comparison, Constraint, Declared, ExprId, Relation, ValuedItem};
use crate::syntax::{Code, Diagnostic, Span};

/// The multiplier of the objective, an input of the problem's function.
const LAM_F: &str = "lam_f";

/// The multipliers of the constraints, one for each row of g.
const LAM_G: &str = "lam_g";

/// An optimisation problem.
#[derive(Clone, Debug)]
pub struct ProblemInfo {
    /// From all inputs of the program to [`PROBLEM_OUTPUTS`].
    pub func: Arc<Func>,
    /// The parts of x.
    pub variables: Vec<VariableInfo>,
    /// The parts of g.
    pub constraints: Vec<ConstraintInfo>,
}

/// What the function of a problem gives, in this order.
pub const PROBLEM_OUTPUTS: [&str; 10] =
    ["f", "grad_f", "g", "jac_g", "hess_l", "lbx", "ubx", "lbg", "ubg", "x0"];

/// A `var`.
#[derive(Clone, Debug)]
pub struct VariableInfo {
    pub name: Arc<str>,
    pub shape: (usize, usize),
    /// Number of the input.
    pub input: usize,
}

/// A constraint, or a repeated one.
#[derive(Clone, Debug)]
pub struct ConstraintInfo {
    pub name: Arc<str>,
    /// Of all its values together.
    pub shape: (usize, usize),
    /// The first iteration number and how many there are, if it is repeated.
    pub iterations: Option<(i64, u64)>,
}

/// What has been lowered of a problem.
#[derive(Default)]
pub struct Draft {
    variables: Vec<(VariableInfo, Limits)>,
    objective: Option<(NodeId, Span)>,
    constraints: Vec<(ConstraintInfo, Limits)>,
    span: Option<Span>,
}

/// A problem with its derivatives.
pub struct Derived {
    /// [`PROBLEM_OUTPUTS`] in the frame of the file.
    outputs: Vec<NodeId>,
    variables: Vec<VariableInfo>,
    constraints: Vec<ConstraintInfo>,
}

/// A value with its bounds, of its shape or scalars, or for a variable its start and bounds.
struct Limits {
    value: NodeId,
    lower: NodeId,
    upper: NodeId,
    span: Span,
}

impl<'a> Lowerer<'a> {
    /// `var U[nu, N] in -1..1 from 0`
    pub fn variable(&mut self, item: &ValuedItem) {
        let declared = &item.declared;
        let name = &declared.name;
        self.draft.span.get_or_insert(name.span);
        // The range is not a promise about an input: solvers step outside.
        let unbounded = Declared { range: None, ..declared.clone() };
        let shaped = self.shaped(&unbounded);
        if let Some(pattern) = &declared.pattern {
            self.report_not_there(pattern.span, "the pattern of a `var`");
        }
        let Some(shaped) = shaped.filter(|_| declared.pattern.is_none()) else {
            self.declare(name, Bound::Error);
            return;
        };
        let shape = shaped.pattern.shape();
        let infinity = f64::INFINITY;
        let limits = match &declared.range {
            Some(range) => (self.limit(range.lo, shape), self.limit(range.hi, shape)),
            None => {
                let graph = self.graph();
                (Some(graph.constant(-infinity)), Some(graph.constant(infinity)))
            }
        };
        let start = match item.value {
            Some(value) => self.limit(value, shape),
            None => Some(self.graph().zero(1, 1)),
        };
        let default = start.filter(|_| item.value.is_some()).and_then(|start| {
            let value = self.graph().as_constant(start)?;
            let pattern = self.graph().pattern(start).clone();
            let entry = |at: usize| match pattern.is_scalar() {
                true => value.get(0),
                false => pattern.find(at % shape.0, at / shape.0).map_or(0.0, |k| value.get(k)),
            };
            let zero = pattern.is_zero();
            Some((0..shape.0 * shape.1).map(|at| if zero { 0.0 } else { entry(at) }).collect())
        });
        let given = self.input_from_data(name, &shaped);
        // Data of a variable are its start.
        let start = match &given {
            Some(values) => {
                let stored = self.graph().constant_matrix(shaped.pattern.clone(), values);
                Some(self.graph().densify(stored))
            }
            None => start,
        };
        let input = self.inputs.len();
        let node = self.graph().input(input, shaped.pattern.clone());
        let id = self.declare(name, Bound::Node(node, shaped.pattern.clone()));
        self.bindings[id.0 as usize].used = true;
        self.inputs.push(InputInfo {
            name: name.text.clone(),
            is_param: false,
            pattern: shaped.pattern,
            symmetric: false,
            range: None,
            default: given.or(default),
            unit: declared.unit.clone(),
            span: name.span,
        });
        let (Some(lower), Some(upper), Some(value)) = (limits.0, limits.1, start) else { return };
        let info = VariableInfo { name: name.text.clone(), shape, input };
        self.draft.variables.push((info, Limits { value, lower, upper, span: name.span }));
    }

    /// A bound or start: a scalar, or a value of the shape.
    fn limit(&mut self, expr: ExprId, shape: (usize, usize)) -> Option<NodeId> {
        let node = self.expr_node(expr)?;
        let given = self.graph().shape(node);
        if given == (1, 1) || given == shape {
            return Some(node);
        }
        let span = self.frame().ast.span(expr);
        self.report(
            Diagnostic::new(Code::ShapesDeclared, span, "this value has another shape").label(
                format!("{}, expected a scalar or {}", shape_text(given), shape_text(shape)),
            ),
        );
        None
    }

    /// `minimise f`
    pub fn objective(&mut self, expr: ExprId, span: Span) {
        self.draft.span.get_or_insert(span);
        let node = self.expr_node(expr);
        if let Some((_, earlier)) = self.draft.objective {
            self.report(
                Diagnostic::new(Code::DefinedTwice, span, "a second objective")
                    .secondary(earlier, "the first one"),
            );
            return;
        }
        let Some(node) = node else { return };
        if self.graph().shape(node) != (1, 1) {
            self.report_not_scalar("the objective", expr, node);
            return;
        }
        self.draft.objective = Some((node, span));
    }

    /// A line of `subject to`.
    pub fn constraint(&mut self, constraint: &Constraint) {
        let name = &constraint.name;
        self.draft.span.get_or_insert(name.span);
        let found = match &constraint.iteration {
            None => self
                .relation(&constraint.relation)
                .map(|(value, lower, upper)| (value, lower, upper, None)),
            Some(_) => self.repeated_constraint(constraint),
        };
        let Some((value, lower, upper, iterations)) = found else {
            self.declare(name, Bound::Error);
            return;
        };
        let id = self.declare_value(name, Value::Node(value));
        self.bindings[id.0 as usize].used = true;
        let info = ConstraintInfo {
            name: name.text.clone(),
            shape: self.graph().shape(value),
            iterations,
        };
        let span = name.span;
        self.draft.constraints.push((info, Limits { value, lower, upper, span }));
    }

    /// The value of a constraint, left minus right or the middle of a chain, and its bounds.
    fn relation(&mut self, relation: &Relation) -> Option<(NodeId, NodeId, NodeId)> {
        let ast = self.frame().ast;
        let first = self.expr_node(relation.first);
        let rest: Vec<Option<NodeId>> =
            relation.rest.iter().map(|&(_, _, expr)| self.expr_node(expr)).collect();
        let (comparison, at, right) = *relation.rest.first()?;
        let infinity = f64::INFINITY;
        match rest[..] {
            [second] => {
                let operand = |expr, node| Operand { expr: Some(expr), span: ast.span(expr), node };
                let operands = [operand(relation.first, first?), operand(right, second?)];
                let (sign, bounds) = match comparison {
                    Comparison::LessEqual => ("<=", (-infinity, 0.0)),
                    Comparison::GreaterEqual => (">=", (0.0, infinity)),
                    _ => ("==", (0.0, 0.0)),
                };
                let value = self.elementwise(ScalarOp::Sub, sign, &operands, at)?;
                let graph = self.graph();
                Some((value, graph.constant(bounds.0), graph.constant(bounds.1)))
            }
            [middle, last] => {
                let (first, middle, last) = (first?, middle?, last?);
                let shape = self.graph().shape(middle);
                let last_expr = relation.rest.get(1)?.2;
                for (expr, node) in [(relation.first, first), (last_expr, last)] {
                    let given = self.graph().shape(node);
                    if given != (1, 1) && given != shape {
                        let message = "this bound has another shape than the constraint";
                        self.report(
                            Diagnostic::new(Code::ShapesElementwise, ast.span(expr), message)
                                .label(shape_text(given))
                                .secondary(ast.span(right), shape_text(shape)),
                        );
                        return None;
                    }
                }
                Some(match comparison {
                    Comparison::GreaterEqual => (middle, last, first),
                    _ => (middle, first, last),
                })
            }
            _ => None,
        }
    }

    /// `name: for k in a..b { lets; relation }`: one loop whose results stand side by side.
    #[allow(clippy::type_complexity)]
    fn repeated_constraint(
        &mut self,
        constraint: &Constraint,
    ) -> Option<(NodeId, NodeId, NodeId, Option<(i64, u64)>)> {
        let iteration = constraint.iteration.as_ref()?;
        let span = constraint.name.span;
        if !self.may_nest(1, span) {
            return None;
        }
        let (lo, n) = self.constant_iterations(iteration)?;
        let relation = &constraint.relation;
        let operands = relation.rest.iter().map(|&(_, _, expr)| expr);
        let lets = constraint.lets.iter().flat_map(|l| l.values.iter().copied());
        let bodies: Vec<ExprId> = lets.chain([relation.first]).chain(operands).collect();
        let counter = self.open_loop(n, &bodies);
        self.declare_counter(iteration, lo, counter);
        self.lets(&constraint.lets);
        let found = self.relation(relation);
        let frame = self.pop_frame();
        let (value, lower, upper) = found?;
        let all = self.repeat_nodes(frame, &[value, lower, upper], counter, span)?;
        let &[value, lower, upper] = &all[..] else { return None };
        Some((value, lower, upper, Some((lo, n))))
    }

    /// Values of a loop body for all iterations, side by side; constants that are the same
    /// everywhere stay scalars.
    fn repeat_nodes(
        &mut self,
        frame: Frame<'a>,
        nodes: &[NodeId],
        counter: Counter,
        span: Span,
    ) -> Option<Vec<NodeId>> {
        let n = counter.n;
        let (mut made, mut results) = (Vec::new(), Vec::new());
        let (mut modes, mut patterns) = (Vec::new(), Vec::new());
        let shape = frame.graph.shape(*nodes.first()?);
        for (k, &node) in nodes.iter().enumerate() {
            let pattern = frame.graph.pattern(node).clone();
            let uniform = frame.graph.as_uniform(node).filter(|_| k > 0 && pattern.is_scalar());
            let is_zero = k > 0 && pattern.is_scalar() && pattern.is_zero();
            if uniform.is_some() || is_zero {
                made.push(Some(self.graph().constant(uniform.unwrap_or(0.0))));
                continue;
            }
            if n == 0 {
                let (n_rows, n_cols) = if shape == (1, 1) { (0, 1) } else { (shape.0, 0) };
                made.push(Some(self.graph().zero(n_rows, n_cols)));
                continue;
            }
            // A scalar bound of a matrix stands for each of its entries.
            let spread =
                (pattern.is_scalar() && shape != (1, 1)).then(|| Pattern::dense(shape.0, shape.1));
            let each = spread.clone().unwrap_or(pattern);
            results.push((k, node, spread));
            modes.push(ResultMode::Window(Window::stacked(each.nnz())));
            patterns.push(self.repeated(&each, n, shape == (1, 1), span)?);
            made.push(None);
        }
        if results.is_empty() {
            return made.into_iter().collect();
        }
        let mut frame = frame;
        let outputs: Vec<(Arc<str>, NodeId)> = results
            .iter()
            .map(|(k, node, spread)| {
                let node = match spread {
                    Some(pattern) => {
                        let stored = frame.graph.densify(*node);
                        let map = IndexMap::constant(0, pattern.nnz());
                        frame.graph.gather(stored, map, pattern.clone())
                    }
                    None => *node,
                };
                (format!("y{k}").into(), node)
            })
            .collect();
        let (body, args, values) = self.close_loop("constraint", frame, &[], outputs, counter)?;
        // A loop each, so that bounds do not seem to depend on what values do.
        let inputs: Vec<usize> = (0..body.inputs.len()).collect();
        let mut found = Vec::with_capacity(modes.len());
        for (k, (mode, pattern)) in modes.into_iter().zip(patterns).enumerate() {
            let port = (Source::Output(k), body.outputs[k].pattern.clone());
            let body = body.with_ports(&inputs, &[port])?;
            let (results, patterns) = (vec![mode], vec![pattern]);
            let spec = LoopSpec {
                body,
                n,
                n_states: 0,
                args: args.clone(),
                results,
                patterns,
                range: None,
            };
            found.extend(self.graph().repeat(spec, &values));
        }
        let mut found = found.into_iter();
        made.into_iter().map(|node| node.or_else(|| found.next())).collect()
    }

    /// The functions of the problem, if the file has one; they become outputs of the program.
    pub fn problem(&mut self) -> Option<Derived> {
        let span = self.draft.span?;
        let draft = std::mem::take(&mut self.draft);
        if self.has_errors() {
            return None;
        }
        if draft.variables.is_empty() {
            self.report(
                Diagnostic::new(Code::NoVariables, span, "a problem without variables")
                    .help("declare what is sought: `var x[3] from 0`"),
            );
            return None;
        }
        self.check_bounds(&draft);
        for name in [LAM_F, LAM_G] {
            if let Some(input) = self.inputs.iter().find(|input| &*input.name == name) {
                let message = format!("`{name}` is the name of the multipliers of the problem");
                let place = input.span;
                self.report(Diagnostic::new(Code::DefinedTwice, place, message));
            }
        }
        if self.has_errors() {
            return None;
        }
        let wrt: Vec<NodeId> = draft
            .variables
            .iter()
            .map(|(v, _)| {
                let pattern = self.inputs[v.input].pattern.clone();
                self.graph().input(v.input, pattern)
            })
            .collect();
        let f = match draft.objective {
            Some((node, _)) => node,
            None => self.graph().zero(1, 1),
        };
        let parts: Vec<NodeId> =
            draft.constraints.iter().map(|(_, limits)| self.full_column(limits.value)).collect();
        let n_rows: usize = parts.iter().map(|&part| self.graph().pattern(part).numel()).sum();
        if !self.fits(n_rows, 1, span) {
            return None;
        }
        let (lam_f, lam_g) = self.multipliers(n_rows, span);
        let g = self.stacked(&parts);
        let lagrangian = {
            let graph = self.graph();
            let mut sum = graph.mul(lam_f, f);
            let mut start = 0;
            for &part in &parts {
                let n = graph.pattern(part).numel();
                let map = IndexMap::range(start, n);
                let own = graph.gather(lam_g, map, Pattern::dense(n, 1));
                let products = graph.mul(own, part);
                let term = graph.reduce(Reduction::Sum, products);
                sum = graph.add(sum, term);
                start += n;
            }
            sum
        };
        let start = Instant::now();
        let derivatives = self.problem_derivatives(f, g, lagrangian, &wrt);
        self.derive_time += start.elapsed();
        let [gradient, jacobian, hessian] = match derivatives {
            Ok(derivatives) => derivatives,
            Err((output, error)) => {
                let what = format!("`{output}` of this problem");
                self.report_derivative(&error, &what, span);
                return None;
            }
        };
        let mut outputs = vec![f, gradient, g, jacobian, hessian];
        let of_x = |pick: fn(&Limits) -> NodeId| -> Vec<(NodeId, (usize, usize))> {
            draft.variables.iter().map(|(v, limits)| (pick(limits), v.shape)).collect()
        };
        let of_g = |pick: fn(&Limits) -> NodeId| -> Vec<(NodeId, (usize, usize))> {
            draft.constraints.iter().map(|(c, limits)| (pick(limits), c.shape)).collect()
        };
        let lists = [
            of_x(|limits| limits.lower),
            of_x(|limits| limits.upper),
            of_g(|limits| limits.lower),
            of_g(|limits| limits.upper),
            of_x(|limits| limits.value),
        ];
        for list in lists {
            let columns: Vec<NodeId> =
                list.into_iter().map(|(node, shape)| self.spread(node, shape)).collect();
            outputs.push(self.stacked(&columns));
        }
        for (name, &node) in PROBLEM_OUTPUTS.iter().zip(&outputs) {
            if !self.outputs.iter().any(|(output, _)| &*output.name == *name) {
                let info = OutputInfo { name: (*name).into(), unit: Vec::new() };
                self.outputs.push((info, node));
            }
        }
        let variables = draft.variables.into_iter().map(|(v, _)| v).collect();
        let constraints = draft.constraints.into_iter().map(|(c, _)| c).collect();
        Some(Derived { outputs, variables, constraints })
    }

    /// Freezes the function of a problem from its nodes.
    pub fn problem_info(&self, derived: Derived, ports: &[Port]) -> ProblemInfo {
        let Derived { outputs, variables, constraints } = derived;
        let named = PROBLEM_OUTPUTS.iter().map(|&name| name.into()).zip(outputs).collect();
        let func = Func::freeze("problem", &self.frames[0].graph, ports.to_vec(), named);
        ProblemInfo { func, variables, constraints }
    }

    /// Bounds and starts must not depend on variables.
    fn check_bounds(&mut self, draft: &Draft) {
        let variables: Vec<usize> = draft.variables.iter().map(|(v, _)| v.input).collect();
        let of_x = draft.variables.iter().map(|(_, l)| (vec![l.value, l.lower, l.upper], l.span));
        let of_g = draft.constraints.iter().map(|(_, l)| (vec![l.lower, l.upper], l.span));
        for (roots, span) in of_x.chain(of_g).collect::<Vec<_>>() {
            let graph = self.graph();
            let reached = visit::reachable(graph, &roots);
            let mut inputs = reached.into_iter().filter(|&id| graph.op(id) == Op::Input);
            let Some(wrong) = inputs.find(|&id| variables.contains(&graph.number(id))) else {
                continue;
            };
            let number = graph.number(wrong);
            let name = self.inputs[number].name.clone();
            self.report(
                Diagnostic::new(Code::NotAConstant, span, "a bound that depends on a variable")
                    .label(format!("depends on `{name}`"))
                    .help("bring what depends on variables to the middle, or to one side"),
            );
        }
    }

    /// Inputs for the multipliers.
    fn multipliers(&mut self, n_rows: usize, span: Span) -> (NodeId, NodeId) {
        let mut input = |name: &str, pattern: Pattern, value: f64| {
            let number = self.inputs.len();
            let default = Some(vec![value; pattern.nnz()]);
            self.inputs.push(InputInfo {
                name: name.into(),
                is_param: false,
                pattern: pattern.clone(),
                symmetric: false,
                range: None,
                default,
                unit: Vec::new(),
                span,
            });
            self.graph().input(number, pattern)
        };
        let lam_f = input(LAM_F, Pattern::scalar(), 1.0);
        (lam_f, input(LAM_G, Pattern::dense(n_rows, 1), 0.0))
    }

    /// Gradient as a column, Jacobian, and a triangle of the Hessian; or the name of the one that
    /// failed.
    fn problem_derivatives(
        &mut self,
        f: NodeId,
        g: NodeId,
        lagrangian: NodeId,
        wrt: &[NodeId],
    ) -> Result<[NodeId; 3], (&'static str, DiffError)> {
        let triangle = self.options.triangle;
        let graph = self.graph();
        let gradient = diff::gradient(graph, f, wrt).map_err(|e| ("grad_f", e))?;
        let pattern = graph.pattern(gradient).clone();
        let n = pattern.numel();
        let column = pattern.reshape(n, 1).unwrap_or_else(|| Pattern::dense(n, 1));
        let gradient = graph.gather(gradient, IndexMap::identity(column.nnz()), column);
        let jacobian = diff::jacobian(graph, g, wrt).map_err(|e| ("jac_g", e))?;
        let hessian = diff::hessian_triangle(graph, lagrangian, wrt, triangle);
        let hessian = hessian.map_err(|e| ("hess_l", e))?;
        Ok([gradient, jacobian, hessian])
    }

    /// All entries of a value as a column.
    fn full_column(&mut self, node: NodeId) -> NodeId {
        let graph = self.graph();
        let full = graph.densify(node);
        let n = graph.pattern(full).numel();
        graph.gather(full, IndexMap::identity(n), Pattern::dense(n, 1))
    }

    /// A bound as a column for all entries of its value.
    fn spread(&mut self, node: NodeId, shape: (usize, usize)) -> NodeId {
        let n = shape.0 * shape.1;
        if self.graph().shape(node) != (1, 1) || n == 1 {
            return self.full_column(node);
        }
        let graph = self.graph();
        let stored = graph.densify(node);
        graph.gather(stored, IndexMap::constant(0, n), Pattern::dense(n, 1))
    }

    /// Full columns one below the other.
    fn stacked(&mut self, columns: &[NodeId]) -> NodeId {
        let graph = self.graph();
        let n: usize = columns.iter().map(|&column| graph.pattern(column).numel()).sum();
        let stacked = graph.concat(columns);
        graph.gather(stacked, IndexMap::identity(n), Pattern::dense(n, 1))
    }
}
