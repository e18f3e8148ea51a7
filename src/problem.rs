//! Optimisation problems as solvers see them: functions of x, p and the multipliers.

use std::fmt;
use std::sync::Arc;

use crate::diff::{self, DiffError};
use crate::function::{Function, Input};
use crate::graph::{Func, Graph, NodeId, Port, Reduction, visit};
use crate::lower::{ConstraintInfo, PROBLEM_OUTPUTS, ProblemInfo, Program, Triangle, VariableInfo};
use crate::sparsity::{IndexMap, Pattern};

/// How many of [`PROBLEM_OUTPUTS`] depend on x; the others are bounds and the start.
const N_ORACLES: usize = 5;

/// minimise f(x, p) subject to lbg <= g(x, p) <= ubg and lbx <= x <= ubx.
///
/// x is the `var`s of the program in order, g its constraints in order, each column-major; p is
/// the nonzeros of its inputs and parameters in order.
///
/// ```
/// use nablac::function::Options;
/// use nablac::model::Model;
///
/// let text = "var x[2] in -1..inf from [1, 2]\nparam r = 4
///     minimise x[0] * x[1]\nsubject to { circle: norm2sq(x) <= r }";
/// let problem = Model::parse("circle.nab", text).problem()?.unwrap();
/// let oracles = problem.oracles().compile(&Options::default())?;
/// // f, grad_f, g, jac_g, hess_l at x, p, lam_f, lam_g
/// let values = oracles.evaluate(&[&[1.0, 2.0], &[4.0], &[1.0], &[0.5]])?;
/// assert_eq!(values[..4], [vec![2.0], vec![2.0, 1.0], vec![1.0], vec![2.0, 4.0]]);
/// assert_eq!(values[4], [1.0, 1.0, 1.0]);
/// let bounds = problem.bounds().compile(&Options::default())?.evaluate(&[&[4.0]])?;
/// let infinity = f64::INFINITY;
/// let expected = [vec![-1.0; 2], vec![infinity; 2], vec![-infinity], vec![0.0], vec![1.0, 2.0]];
/// assert_eq!(bounds, expected);
/// assert_eq!((problem.column_name(1), problem.row_name(0)), ("x[1]".into(), "circle".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Problem {
    name: Arc<str>,
    /// (x, p, lam_f, lam_g) -> [`PROBLEM_OUTPUTS`].
    func: Arc<Func>,
    info: ProblemInfo,
    /// p of the defaults, if all inputs and parameters have one.
    p_default: Option<Vec<f64>>,
    triangle: Triangle,
}

/// A place in x or g: the entry of a variable or a constraint.
struct Place<'a> {
    name: &'a str,
    /// The number of the iteration of a repeated constraint.
    iteration: Option<i64>,
    /// Row and column, counted inside the iteration.
    entry: (usize, usize),
    shape: (usize, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if let Some(iteration) = self.iteration {
            write!(f, "[{iteration}]")?;
        }
        match (self.shape, self.entry) {
            ((1, 1), _) => Ok(()),
            ((_, 1), (row, _)) => write!(f, "[{row}]"),
            (_, (row, col)) => write!(f, "[{row},{col}]"),
        }
    }
}

impl Problem {
    /// The problem of a program, if it has one.
    pub fn new(program: &Program, triangle: Triangle) -> Option<Problem> {
        let info = program.problem.as_ref()?;
        let (named, outputs) = info.func.graph()?;
        let is_variable = |k: usize| info.variables.iter().any(|v| v.input == k);
        let n_inputs = info.func.inputs.len();
        let (n_given, mut n_x, mut n_p) = (n_inputs.saturating_sub(2), 0, 0);
        // Where each input of the program begins in x or p.
        let mut starts = Vec::with_capacity(n_given);
        let mut p_default = Some(Vec::new());
        for (k, input) in program.inputs.iter().enumerate().take(n_given) {
            let n = input.pattern.nnz();
            if is_variable(k) {
                starts.push(n_x);
                n_x += n;
                continue;
            }
            starts.push(n_p);
            n_p += n;
            p_default = p_default.zip(input.default.as_ref()).map(|(mut all, default)| {
                all.extend(default);
                all
            });
        }
        let column = |n: usize| Pattern::dense(n, 1);
        let lam_g = info.func.inputs.last()?.pattern.clone();
        let ports = vec![
            Port::new("x", column(n_x)),
            Port::new("p", column(n_p)),
            Port::new("lam_f", Pattern::scalar()),
            Port::new("lam_g", lam_g),
        ];
        let mut graph = Graph::new();
        let inputs = graph.inputs(&ports);
        let mut parts = Vec::with_capacity(n_inputs);
        for (k, port) in info.func.inputs.iter().enumerate().take(n_given) {
            let whole = inputs[usize::from(!is_variable(k))];
            let map = IndexMap::range(starts[k], port.pattern.nnz());
            parts.push(graph.gather(whole, map, port.pattern.clone()));
        }
        parts.extend_from_slice(&inputs[2..]);
        let roots = visit::transplant(named, outputs, &mut graph, &parts);
        let outputs = PROBLEM_OUTPUTS.iter().map(|&name| name.into()).zip(roots).collect();
        let func = Func::freeze(program.func.name.clone(), &graph, ports, outputs);
        let name = program.func.name.clone();
        Some(Problem { name, func, info: info.clone(), p_default, triangle })
    }

    /// (x, p, lam_f, lam_g) -> (f, grad_f, g, jac_g, hess_l), the last one a triangle of the
    /// Hessian of lam_f f + lam_g' g.
    pub fn oracles(&self) -> Function {
        self.of(&self.name, &[0, 1, 2, 3], &Vec::from_iter(0..N_ORACLES))
    }

    /// p -> (lbx, ubx, lbg, ubg, x0)
    pub fn bounds(&self) -> Function {
        let name = format!("{}_bounds", self.name);
        self.of(&name, &[1], &Vec::from_iter(N_ORACLES..PROBLEM_OUTPUTS.len()))
    }

    /// Whether a variable of this name is part of x.
    pub fn has_variable(&self, name: &str) -> bool {
        self.info.variables.iter().any(|variable| &*variable.name == name)
    }

    /// The parts of x and g in order: `minimise f; x = X, U (204); g = start, shoot (164)`.
    pub fn summary(&self) -> String {
        let (n_x, n_g) = self.size();
        let x: Vec<&str> = self.info.variables.iter().map(|v| &*v.name).collect();
        let g: Vec<&str> = self.info.constraints.iter().map(|c| &*c.name).collect();
        let (x, g) = (x.join(", "), if g.is_empty() { "nothing".into() } else { g.join(", ") });
        format!("minimise f; x = {x} ({n_x}); g = {g} ({n_g})")
    }

    /// Number of variables, and of rows of g.
    pub fn size(&self) -> (usize, usize) {
        (self.func.inputs[0].pattern.numel(), self.func.inputs[3].pattern.numel())
    }

    /// The variables in the order of x, with their numbers of entries.
    pub fn column_blocks(&self) -> Vec<(String, usize)> {
        let block = |v: &VariableInfo| (v.name.to_string(), v.shape.0 * v.shape.1);
        self.info.variables.iter().map(block).collect()
    }

    /// The constraints in the order of g, with their numbers of rows.
    pub fn row_blocks(&self) -> Vec<(String, usize)> {
        let block = |c: &ConstraintInfo| (c.name.to_string(), c.shape.0 * c.shape.1);
        self.info.constraints.iter().map(block).collect()
    }

    /// The name of entry `column` of x: `X[2,17]`; empty beyond the last one.
    pub fn column_name(&self, column: usize) -> String {
        let mut first = 0;
        for variable in &self.info.variables {
            let (n_rows, n_cols) = variable.shape;
            let at = column - first;
            if at < n_rows * n_cols {
                let entry = (at % n_rows, at / n_rows);
                let (name, shape) = (&*variable.name, variable.shape);
                return Place { name, iteration: None, entry, shape }.to_string();
            }
            first += n_rows * n_cols;
        }
        String::new()
    }

    /// The name of row `row` of g: `track[3]`, or `shoot[3][1]` for an entry of a repeated
    /// constraint that is a column; empty beyond the last one.
    pub fn row_name(&self, row: usize) -> String {
        let mut first = 0;
        for constraint in &self.info.constraints {
            let numel = constraint.shape.0 * constraint.shape.1;
            let at = row - first;
            if at >= numel {
                first += numel;
                continue;
            }
            let name = &*constraint.name;
            let (n_rows, n_cols) = constraint.shape;
            let place = match constraint.iterations {
                None => {
                    let entry = (at % n_rows, at / n_rows);
                    Place { name, iteration: None, entry, shape: constraint.shape }
                }
                Some((lo, n)) => {
                    let each = numel / n.max(1) as usize;
                    let height = if n_cols == 1 { each } else { n_rows };
                    let inside = at % each;
                    Place {
                        name,
                        iteration: Some(lo + (at / each) as i64),
                        entry: (inside % height, inside / height),
                        shape: (height, each / height),
                    }
                }
            };
            return place.to_string();
        }
        String::new()
    }

    /// The seven functions that CasADi's `nlpsol` loads, `nlp` and `nlp_...`, with the upper
    /// triangle of the Hessian.
    ///
    /// # Errors
    /// As for derivatives of any function.
    pub fn nlpsol_functions(&self) -> Result<Vec<Function>, DiffError> {
        let Some((body, roots)) = self.func.graph() else { return Ok(Vec::new()) };
        let mut graph = Graph::new();
        let inputs = graph.inputs(&self.func.inputs);
        let roots = visit::transplant(body, roots, &mut graph, &inputs);
        let &[f, grad_f, g, jac_g, hess_l, ..] = &roots[..] else { return Ok(Vec::new()) };
        let hess_l = match self.triangle {
            Triangle::Upper => hess_l,
            Triangle::Lower => crate::ops::transpose(&mut graph, hess_l),
        };
        let weighted = graph.mul(inputs[2], f);
        let products = graph.mul(inputs[3], g);
        let products = graph.reduce(Reduction::Sum, products);
        let gamma = graph.add(weighted, products);
        let gamma_x = diff::gradient(&mut graph, gamma, &inputs[..1])?;
        let gamma_p = diff::gradient(&mut graph, gamma, &inputs[1..2])?;
        let of_x_p =
            |name: &str, outputs: &[(&str, NodeId)]| self.frozen(&graph, name, &[0, 1], outputs);
        let with_multipliers = |name: &str, outputs: &[(&str, NodeId)]| {
            self.frozen(&graph, name, &[0, 1, 2, 3], outputs)
        };
        Ok(vec![
            of_x_p("nlp", &[("f", f), ("g", g)]),
            of_x_p("nlp_f", &[("f", f)]),
            of_x_p("nlp_g", &[("g", g)]),
            with_multipliers(
                "nlp_grad",
                &[("f", f), ("g", g), ("grad_gamma_x", gamma_x), ("grad_gamma_p", gamma_p)],
            ),
            of_x_p("nlp_grad_f", &[("f", f), ("grad_f_x", grad_f)]),
            of_x_p("nlp_jac_g", &[("g", g), ("jac_g_x", jac_g)]),
            with_multipliers("nlp_hess_l", &[("triu_hess_gamma_x_x", hess_l)]),
        ])
    }

    /// A function of some of the inputs to some of the outputs.
    fn of(&self, name: &str, inputs: &[usize], outputs: &[usize]) -> Function {
        let Some((graph, roots)) = self.func.graph() else {
            return Function::new(self.func.clone(), Vec::new());
        };
        let outputs: Vec<(&str, NodeId)> =
            outputs.iter().map(|&k| (PROBLEM_OUTPUTS[k], roots[k])).collect();
        self.frozen(graph, name, inputs, &outputs)
    }

    fn frozen(
        &self,
        graph: &Graph,
        name: &str,
        inputs: &[usize],
        outputs: &[(&str, NodeId)],
    ) -> Function {
        let mut own = Graph::new();
        let ports: Vec<Port> = inputs.iter().map(|&k| self.func.inputs[k].clone()).collect();
        // Inputs that are left out are not read.
        let nodes: Vec<NodeId> = self
            .func
            .inputs
            .iter()
            .enumerate()
            .map(|(k, port)| match inputs.iter().position(|&kept| kept == k) {
                Some(at) => own.input(at, port.pattern.clone()),
                None => own.zero(port.pattern.n_rows(), port.pattern.n_cols()),
            })
            .collect();
        let roots: Vec<NodeId> = outputs.iter().map(|(_, node)| *node).collect();
        let roots = visit::transplant(graph, &roots, &mut own, &nodes);
        let named = outputs.iter().map(|(name, _)| (*name).into()).zip(roots).collect();
        let func = Func::freeze(name, &own, ports, named);
        let described = inputs.iter().map(|&k| {
            let port = &self.func.inputs[k];
            let default = match k {
                1 => self.p_default.clone(),
                2 => Some(vec![1.0]),
                _ => None,
            };
            Input { default, ..Input::new(port.name.clone(), port.pattern.clone()) }
        });
        Function::new(func, described.collect())
    }
}
