//! Building functions from Rust, with operators on `Copy` handles.
//!
//! A [`GraphBuilder`] holds the graph, an [`Expr`] is a handle of a value in it. What does not fit
//! (shapes, names, values of different builders) gives an error value that remembers the caller's
//! line; what is computed from an error value is one too, silently. [`GraphBuilder::function`]
//! gives the function, or all mistakes at once; nothing panics.
//!
//! `*` and `/` work entry by entry, on equal shapes or with a scalar, as the other operators do;
//! the matrix product is [`Expr::matmul`].
//!
//! ```
//! use nablac::builder::GraphBuilder;
//! use nablac::function::Options;
//!
//! let g = GraphBuilder::new("squares");
//! let x = g.input("x", 3);
//! let f = (x * x).sum();
//! g.output("f", f);
//! g.output("df", f.grad(x));
//! let function = g.function()?;
//! let compiled = function.compile(&Options::default())?;
//! let outputs = compiled.evaluate(&[&[1.0, 2.0, 3.0]])?;
//! assert_eq!(outputs, [vec![14.0], vec![2.0, 4.0, 6.0]]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod call;
mod derivative;
mod error;
mod expr;
mod external;
mod index;
mod methods;
mod repeat;

use std::cell::RefCell;
use std::panic::Location;
use std::sync::Arc;

use rustc_hash::FxHashSet;

pub use call::Results;
pub use derivative::Targets;
pub use error::{BuildError, BuildErrorKind, BuildErrors};
pub use expr::{Expr, Operand};
pub use methods::{ELEMENTWISE_METHODS, MATRIX_METHODS};
pub use repeat::{Arg, Collect};

use crate::function::{Function, Input};
use crate::graph::{Func, Graph, NodeId, Port};
use crate::sparsity::{MAX_NUMEL, Pattern, PatternError};

/// A function under construction.
///
/// ```
/// use nablac::{builder::GraphBuilder, sparsity::Pattern};
/// let g = GraphBuilder::new("f");
/// let (x, a) = (g.input("x", 2), g.param("a", 1));
/// let y = g.eye(2).matmul(x) + g.ones(2) * a - g.zeros(2);
/// assert_eq!((y.shape(), y.nnz(), g.eye(2).pattern()), ((2, 1), 2, Pattern::diagonal(2)));
/// g.output("y", y);
/// g.output("wrong", x + g.ones(3));
/// // Mistakes have the place in the caller's source.
/// assert!(g.function().unwrap_err().to_string().contains(file!()));
/// ```
#[derive(Debug)]
pub struct GraphBuilder {
    name: Arc<str>,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    graph: Graph,
    inputs: Vec<Input>,
    outputs: Vec<(Arc<str>, NodeId)>,
    names: FxHashSet<Arc<str>>,
    errors: Vec<BuildError>,
}

/// A shape or pattern: `n` is a column, `(n_rows, n_cols)` dense, or a [`Pattern`].
pub trait IntoPattern {
    /// The pattern.
    ///
    /// # Errors
    /// More entries than [`MAX_NUMEL`].
    fn into_pattern(self) -> Result<Pattern, PatternError>;
}

impl IntoPattern for usize {
    fn into_pattern(self) -> Result<Pattern, PatternError> {
        (self, 1).into_pattern()
    }
}

impl IntoPattern for (usize, usize) {
    fn into_pattern(self) -> Result<Pattern, PatternError> {
        Pattern::try_dense(self.0 as u64, self.1 as u64)
    }
}

impl IntoPattern for Pattern {
    fn into_pattern(self) -> Result<Pattern, PatternError> {
        Ok(self)
    }
}

impl IntoPattern for &Pattern {
    fn into_pattern(self) -> Result<Pattern, PatternError> {
        Ok(self.clone())
    }
}

impl GraphBuilder {
    /// An empty function of that name.
    pub fn new(name: impl Into<Arc<str>>) -> GraphBuilder {
        GraphBuilder { name: name.into(), state: RefCell::default() }
    }

    /// A new input: a column of `n`, a dense `(n_rows, n_cols)`, or a sparse
    /// [`Pattern`].
    ///
    /// ```
    /// use nablac::{builder::GraphBuilder, sparsity::Pattern};
    /// let g = GraphBuilder::new("f");
    /// assert_eq!(g.input("x", 3).shape(), (3, 1));
    /// assert_eq!(g.input("A", (2, 4)).nnz(), 8);
    /// assert_eq!(g.input("D", Pattern::diagonal(5)).nnz(), 5);
    /// ```
    #[track_caller]
    pub fn input(&self, name: &str, shape: impl IntoPattern) -> Expr<'_> {
        self.new_input(Location::caller(), name, shape.into_pattern(), |input| input)
    }

    /// [`GraphBuilder::input`] that is meant to stay fixed over many calls.
    #[track_caller]
    pub fn param(&self, name: &str, shape: impl IntoPattern) -> Expr<'_> {
        let at = Location::caller();
        self.new_input(at, name, shape.into_pattern(), |i| Input { is_param: true, ..i })
    }

    /// An input with range, default value, units.
    ///
    /// ```
    /// use nablac::{builder::GraphBuilder, function::{Input, Options}, sparsity::Pattern};
    /// let g = GraphBuilder::new("root");
    /// let x = Input { range: Some((0.0, 9.0)), ..Input::new("x", Pattern::scalar()) };
    /// let x = g.declare(x);
    /// g.output("y", x.sqrt());
    /// let root = g.function()?.compile(&Options::default())?;
    /// assert_eq!(root.evaluate(&[&[4.0]])?[0], [2.0]);
    /// assert!(root.evaluate(&[&[-1.0]]).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn declare(&self, input: Input) -> Expr<'_> {
        let at = Location::caller();
        let nnz = input.pattern.nnz();
        if let Some(given) = input.default.as_ref().map(Vec::len).filter(|&n| n != nnz) {
            let what = format!("nonzeros of the default of `{}`", input.name);
            return self.fail(at, BuildErrorKind::Count { what, expected: nnz, given });
        }
        let n_entries = input.pattern.numel();
        let given = input.unit.len();
        if given > 1 && given != n_entries {
            let what = format!("units of `{}`", input.name);
            return self.fail(at, BuildErrorKind::Count { what, expected: n_entries, given });
        }
        let shape = input.pattern.shape();
        if input.symmetric && shape.0 != shape.1 {
            let what = format!("`{}`, which is symmetric", input.name);
            return self.fail(at, BuildErrorKind::Shapes { what, shapes: vec![shape], help: None });
        }
        let name = input.name.clone();
        self.new_input(at, &name, Ok(input.pattern.clone()), |_| input)
    }

    fn new_input(
        &self,
        at: &'static Location<'static>,
        name: &str,
        pattern: Result<Pattern, PatternError>,
        describe: impl FnOnce(Input) -> Input,
    ) -> Expr<'_> {
        let pattern = match pattern {
            Ok(pattern) => pattern,
            Err(e) => return self.fail(at, e.into()),
        };
        if let Err(kind) = check_name(name) {
            return self.fail(at, kind);
        }
        let mut state = self.state.borrow_mut();
        if state.inputs.iter().any(|i| &*i.name == name) {
            drop(state);
            return self.fail(at, BuildErrorKind::Duplicate { name: name.to_owned() });
        }
        let k = state.inputs.len();
        let node = state.graph.input(k, pattern.clone());
        state.inputs.push(describe(Input::new(name, pattern)));
        Expr::new(self, node)
    }

    /// Makes a value an output.
    ///
    /// ```
    /// use nablac::builder::GraphBuilder;
    /// let g = GraphBuilder::new("f");
    /// g.output("y", g.input("x", 2));
    /// g.output("y", g.constant(1.0));
    /// assert!(g.function().is_err_and(|e| e.to_string().contains("used twice")));
    /// ```
    #[track_caller]
    pub fn output<'g>(&'g self, name: &str, value: impl Into<Operand<'g>>) {
        let at = Location::caller();
        let Some(nodes) = self.nodes(at, &[value.into()]) else { return };
        let duplicate = !self.state.borrow_mut().names.insert(name.into());
        if duplicate {
            self.fail(at, BuildErrorKind::Duplicate { name: name.to_owned() });
        } else if let Err(kind) = check_name(name) {
            self.fail(at, kind);
        } else {
            let output = nodes.iter().map(|&node| (name.into(), node));
            self.state.borrow_mut().outputs.extend(output);
        }
    }

    /// A value that derivatives can be taken by, as by an input: the formula that leads to it is
    /// then not followed. Use the returned handle in what depends on it.
    ///
    /// ```
    /// use nablac::{builder::GraphBuilder, function::Options};
    /// let g = GraphBuilder::new("f");
    /// let x = g.input("x", 1);
    /// let s = g.named(x * x);
    /// g.output("df_ds", (s * s).grad(s));
    /// let f = g.function()?.compile(&Options::default())?;
    /// assert_eq!(f.evaluate(&[&[3.0]])?[0], [18.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn named<'g>(&'g self, value: Expr<'g>) -> Expr<'g> {
        self.make(Location::caller(), &[value.into()], |graph, nodes| Ok(graph.mark(nodes[0])))
    }

    /// A number.
    pub fn constant(&self, value: f64) -> Expr<'_> {
        let node = self.state.borrow_mut().graph.constant(value);
        Expr::new(self, node)
    }

    /// A constant column.
    ///
    /// ```
    /// let g = nablac::builder::GraphBuilder::new("f");
    /// assert_eq!(g.vector(&[1.0, 0.0, 2.0]).nnz(), 2);
    /// ```
    #[track_caller]
    pub fn vector(&self, values: &[f64]) -> Expr<'_> {
        self.matrix(values.len(), values)
    }

    /// A constant matrix of a shape or pattern; `values` are its nonzeros, column by column.
    /// Zeros among them become structural.
    ///
    /// ```
    /// let g = nablac::builder::GraphBuilder::new("f");
    /// let a = g.matrix((2, 2), &[1.0, 2.0, 3.0, 4.0]);
    /// assert_eq!(a.shape(), (2, 2));
    /// g.output("b", g.matrix((2, 2), &[1.0]));
    /// assert!(g.function().is_err_and(|e| e.to_string().contains("expected 4, given 1")));
    /// ```
    #[track_caller]
    pub fn matrix(&self, shape: impl IntoPattern, values: &[f64]) -> Expr<'_> {
        let pattern = shape.into_pattern();
        self.make(Location::caller(), &[], |graph, _| {
            let pattern = pattern?;
            if pattern.nnz() != values.len() {
                let what = "nonzeros of a constant".to_owned();
                let (expected, given) = (pattern.nnz(), values.len());
                return Err(BuildErrorKind::Count { what, expected, given });
            }
            Ok(graph.constant_matrix(pattern, values))
        })
    }

    /// A matrix without nonzeros.
    #[track_caller]
    pub fn zeros(&self, shape: impl IntoPattern) -> Expr<'_> {
        let shape = shape.into_pattern();
        self.make(Location::caller(), &[], |graph, _| {
            let shape = shape?.shape();
            Ok(graph.zero(shape.0, shape.1))
        })
    }

    /// Ones at every nonzero of a shape or pattern.
    #[track_caller]
    pub fn ones(&self, shape: impl IntoPattern) -> Expr<'_> {
        let pattern = shape.into_pattern();
        self.make(Location::caller(), &[], |graph, _| Ok(graph.fill(pattern?, 1.0)))
    }

    /// The identity matrix.
    #[track_caller]
    pub fn eye(&self, n: usize) -> Expr<'_> {
        self.make(Location::caller(), &[], |graph, _| {
            let n_rows = n as u64;
            if n_rows > MAX_NUMEL {
                let error = PatternError::TooLarge { n_rows, n_cols: n_rows, limit: MAX_NUMEL };
                return Err(error.into());
            }
            Ok(crate::ops::matrix::eye(graph, n))
        })
    }

    /// The function, or all mistakes made so far.
    ///
    /// # Errors
    /// At least one mistake was made, or there is no output.
    ///
    /// ```
    /// let g = nablac::builder::GraphBuilder::new("f");
    /// let (x, y) = (g.input("x", 3), g.input("y", 4));
    /// g.output("s", (x + y).sin().sum());
    /// g.output("t", x.at(7));
    /// let mistakes = g.function().unwrap_err();
    /// assert_eq!(mistakes.0.len(), 2);
    /// assert!(mistakes.to_string().contains("3x1 and 4x1"));
    /// ```
    #[track_caller]
    pub fn function(&self) -> Result<Function, BuildErrors> {
        let state = self.state.borrow();
        if !state.errors.is_empty() {
            return Err(BuildErrors(state.errors.clone()));
        }
        if state.outputs.is_empty() {
            let location = Location::caller();
            return Err(BuildErrors(vec![BuildError {
                location,
                kind: BuildErrorKind::NoOutputs,
            }]));
        }
        let port =
            |i: &Input| Port { range: i.range, ..Port::new(i.name.clone(), i.pattern.clone()) };
        let ports = state.inputs.iter().map(port).collect();
        let func = Func::freeze(self.name.clone(), &state.graph, ports, state.outputs.clone());
        Ok(Function::new(func, state.inputs.clone()))
    }

    /// Records a mistake; gives the error value.
    fn fail(&self, location: &'static Location<'static>, kind: BuildErrorKind) -> Expr<'_> {
        self.state.borrow_mut().errors.push(BuildError { location, kind });
        Expr::error(self)
    }

    /// The nodes of operands; `None` if one of them is an error value.
    fn nodes(
        &self,
        at: &'static Location<'static>,
        operands: &[Operand<'_>],
    ) -> Option<Vec<NodeId>> {
        let mut nodes = Some(Vec::with_capacity(operands.len()));
        let mut is_foreign = false;
        for operand in operands {
            let node = match operand {
                Operand::Number(v) => Some(self.state.borrow_mut().graph.constant(*v)),
                Operand::Expr(e) if e.is_of(self) => e.node(),
                Operand::Expr(_) => {
                    is_foreign = true;
                    None
                }
            };
            nodes = nodes.zip(node).map(|(mut nodes, node)| {
                nodes.push(node);
                nodes
            });
        }
        if is_foreign {
            self.fail(at, BuildErrorKind::Foreign);
        }
        nodes
    }

    /// The value that `make` makes of operands, or an error value.
    fn make<'g>(
        &'g self,
        at: &'static Location<'static>,
        operands: &[Operand<'g>],
        make: impl FnOnce(&mut Graph, &[NodeId]) -> Result<NodeId, BuildErrorKind>,
    ) -> Expr<'g> {
        let Some(nodes) = self.nodes(at, operands) else { return Expr::error(self) };
        let made = {
            let graph = &mut self.state.borrow_mut().graph;
            let made = make(graph, &nodes);
            match graph.take_oversized() {
                Some(error) => Err(error.into()),
                None => made,
            }
        };
        match made {
            Ok(node) => Expr::new(self, node),
            Err(kind) => self.fail(at, kind),
        }
    }
}

fn check_name(name: &str) -> Result<(), BuildErrorKind> {
    let begins_well = name.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
    if begins_well && name.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return Ok(());
    }
    Err(BuildErrorKind::Name { name: name.to_owned() })
}
