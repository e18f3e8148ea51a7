//! Nodes: operation, arguments, payload and pattern in 20 bytes.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::graph::{Func, IterationRange};
use crate::ops::scalar::ScalarOp;
use crate::sparsity::{IndexMap, Pattern};

/// A node of one [`crate::graph::Graph`]. Operands have smaller numbers than their users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

impl NodeId {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a node computes. The structural operations each have a file in `ops`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    /// Constant data: one value for all nonzeros, or [`Payload::Values`].
    Const,
    /// Argument number `k` of the function.
    Input,
    /// Elementwise; each operand has the pattern of the result or is 1x1.
    Scalar(ScalarOp),
    /// `y.nz[k] = x.nz[map(k)]`.
    Gather,
    /// `y.nz[map(k)] += x.nz[k]`, from zero.
    Scatter,
    /// The nonzeros of all arguments, one after the other, as a dense column.
    Concat,
    /// Matrix product; only the entries of the node's pattern are computed.
    MatMul,
    /// Over all nonzeros of one argument, to 1x1.
    Reduce(Reduction),
    /// Call of a function; its results are [`Op::Result`] nodes.
    Call,
    /// Map, fold or scan, see [`LoopSpec`]; its results are [`Op::Result`] nodes.
    Loop,
    /// Two functions of the same signature, of which only one runs; the first argument decides.
    Cond,
    /// Result `k` of a call, loop or conditional.
    Result,
    /// Identity that is never merged or folded: the target of a derivative.
    Mark,
}

/// How many values become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reduction {
    Sum,
    Prod,
    Max,
    Min,
}

impl Reduction {
    pub fn op(self) -> ScalarOp {
        match self {
            Reduction::Sum => ScalarOp::Add,
            Reduction::Prod => ScalarOp::Mul,
            Reduction::Max => ScalarOp::Max,
            Reduction::Min => ScalarOp::Min,
        }
    }

    /// The value of the reduction of nothing.
    pub fn identity(self) -> f64 {
        match self {
            Reduction::Sum => 0.0,
            Reduction::Prod => 1.0,
            Reduction::Max => f64::NEG_INFINITY,
            Reduction::Min => f64::INFINITY,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Reduction::Sum => "sum",
            Reduction::Prod => "prod",
            Reduction::Max => "max",
            Reduction::Min => "min",
        }
    }
}

/// What a node carries besides its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Payload {
    Values(Values),
    Map(IndexMap),
    Call(Arc<Func>),
    Loop(Arc<LoopSpec>),
    /// Functions for a true and a false condition.
    Cond(Arc<Func>, Arc<Func>),
}

/// Constant nonzeros, compared by their bits.
#[derive(Clone, Debug)]
pub struct Values(pub Arc<[f64]>);

impl PartialEq for Values {
    fn eq(&self, other: &Values) -> bool {
        self.0.len() == other.0.len()
            && self.0.iter().zip(other.0.iter()).all(|(a, b)| a.to_bits() == b.to_bits())
    }
}

impl Eq for Values {}

impl Hash for Values {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for v in self.0.iter() {
            state.write_u64(v.to_bits());
        }
    }
}

/// A loop of `n` iterations over `body`: (states..., arguments...) -> (next states..., results...).
///
/// The node's arguments are the initial states, then one value for each argument mode. Its results
/// are the final states, then one value for each result mode. Without states it is a map.
///
/// ```
/// use nablac::graph::{ArgMode, Func, Graph, LoopSpec, Port, Reduction, ResultMode, Window, evaluate};
/// use nablac::sparsity::Pattern;
/// // The sum of x[k]^2 over all k, as one node.
/// let scalar = || vec![Port::new("x", Pattern::scalar())];
/// let mut body = Graph::new();
/// let x = body.input(0, Pattern::scalar());
/// let square = body.mul(x, x);
/// let body = Func::freeze("square", &body, scalar(), vec![("y".into(), square)]);
/// let spec = LoopSpec {
///     body,
///     n: 3,
///     n_states: 0,
///     args: vec![ArgMode::Window(Window::stacked(1))],
///     results: vec![ResultMode::Reduce(Reduction::Sum)],
///     patterns: vec![Pattern::scalar()],
///     range: None,
/// };
/// let ports = vec![Port::new("x", Pattern::dense(3, 1))];
/// let mut graph = Graph::new();
/// let x = graph.inputs(&ports);
/// let sum = graph.repeat(spec, &x)[0];
/// let f = Func::freeze("f", &graph, ports, vec![("y".into(), sum)]);
/// assert_eq!(evaluate::evaluate(&f, &[vec![1.0, 2.0, 3.0]])?, [[14.0]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LoopSpec {
    pub body: Arc<Func>,
    pub n: u64,
    pub n_states: usize,
    pub args: Vec<ArgMode>,
    pub results: Vec<ResultMode>,
    /// Patterns of the results after the final states.
    pub patterns: Vec<Pattern>,
    /// Which of the iterations run; all if absent. What windows do not write is zero.
    pub range: Option<IterationRange>,
}

impl LoopSpec {
    /// Patterns of all results: final states, then the others.
    pub fn result_patterns(&self) -> impl Iterator<Item = &Pattern> {
        let states = self.body.inputs[..self.n_states].iter().map(|p| &p.pattern);
        states.chain(&self.patterns)
    }
}

/// What an iteration sees of an argument of a loop.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ArgMode {
    /// The whole argument.
    Broadcast,
    /// Some of its nonzeros.
    Window(Window),
    /// `base + step * i`, a number; the argument itself is absent (an empty value).
    Iteration { base: i64, step: i64 },
}

/// What becomes of a result of the body. Dual to [`ArgMode`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ResultMode {
    /// Added to some of the nonzeros of the result, which starts from zero. Windows that do not
    /// overlap stack the results.
    Window(Window),
    Reduce(Reduction),
}

/// Nonzero `k` of what iteration `i` sees is nonzero `origin(i) + map(k)` of the whole.
///
/// ```
/// use nablac::graph::Window;
/// let stacked = Window::stacked(2);
/// assert_eq!([stacked.index(0, 1), stacked.index(3, 0)], [1, 6]);
/// assert!(stacked.is_partition(4, 8));
/// assert_eq!(stacked.reversed(4).index(0, 0), 6);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    pub origin: Origin,
    pub map: IndexMap,
}

/// Where the window of iteration `i` begins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    Affine { base: i64, step: i64 },
    Table(Arc<[u32]>),
}

impl Window {
    /// `len` consecutive nonzeros per iteration, one window after the other.
    pub fn stacked(len: usize) -> Window {
        Window {
            origin: Origin::Affine { base: 0, step: len as i64 },
            map: IndexMap::identity(len),
        }
    }

    /// Index of nonzero `k` in iteration `i`.
    pub fn index(&self, i: u64, k: usize) -> i64 {
        let origin = match &self.origin {
            Origin::Affine { base, step } => base + step * i as i64,
            Origin::Table(table) => i64::from(table[i as usize]),
        };
        origin + self.map.get(k) as i64
    }

    /// The same windows in the opposite order of iterations.
    pub fn reversed(&self, n: u64) -> Window {
        let origin = match &self.origin {
            Origin::Affine { base, step } => {
                Origin::Affine { base: base + step * (n.max(1) as i64 - 1), step: -step }
            }
            Origin::Table(table) => Origin::Table(table.iter().rev().copied().collect()),
        };
        Window { origin, map: self.map.clone() }
    }

    /// The nonzeros that belong to windows of `n` iterations, if these are ranges that follow one
    /// another, so that each belongs to exactly one.
    ///
    /// ```
    /// use nablac::graph::{Origin, Window};
    /// let mut next = Window::stacked(2);
    /// next.origin = Origin::Affine { base: 3, step: 2 };
    /// assert_eq!(next.covered(4), Some(3..11));
    /// next.origin = Origin::Affine { base: 3, step: 1 };
    /// assert_eq!(next.covered(4), None);
    /// ```
    pub fn covered(&self, n: u64) -> Option<std::ops::Range<usize>> {
        let len = self.map.len() as i64;
        let Origin::Affine { base, step } = self.origin else { return None };
        let before = match self.map.extent() {
            Some((first, _)) if self.map == IndexMap::range(first as usize, len as usize) => first,
            _ => return None,
        };
        let last = n as i64 - 1;
        let first = match step {
            _ if n == 1 || step == len => base,
            _ if step == -len => base + step * last,
            _ => return None,
        };
        let start = (first + before) as usize;
        Some(start..start + n as usize * len as usize)
    }

    /// Every nonzero `0..n_whole` belongs to exactly one window of `n` iterations, and the
    /// windows follow one another or are interleaved.
    pub fn is_partition(&self, n: u64, n_whole: usize) -> bool {
        let len = self.map.len();
        let Origin::Affine { base, step } = self.origin else { return false };
        if n as usize * len != n_whole {
            return false;
        }
        let is_covered = self.covered(n) == Some(0..n_whole);
        if n == 1 || is_covered {
            return is_covered;
        }
        // Interleaved: iteration i writes every n-th nonzero from i on.
        self.map == IndexMap::affine(0, &[(len, n as i64)])
            && (base == 0 && step == 1 || base == n as i64 - 1 && step == -1)
    }

    /// No nonzero belongs to two windows, or twice to one.
    pub fn is_disjoint(&self, n: u64) -> bool {
        let Origin::Affine { step, .. } = self.origin else { return false };
        let Some((low, high)) = self.map.extent() else { return true };
        self.map.is_increasing() && (n == 1 || high - low < step.abs())
    }
}

impl ArgMode {
    pub fn reversed(&self, n: u64) -> ArgMode {
        match self {
            ArgMode::Broadcast => ArgMode::Broadcast,
            ArgMode::Window(w) => ArgMode::Window(w.reversed(n)),
            ArgMode::Iteration { base, step } => {
                ArgMode::Iteration { base: base + step * (n.max(1) as i64 - 1), step: -step }
            }
        }
    }
}

/// A node as stored. Up to two arguments stand in the node; more lie in the graph's pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub op: Op,
    pub args: [NodeId; 2],
    pub n_args: u32,
    /// Payload number, input number or result number; [`NO_ATTR`] if none.
    pub attr: u32,
    pub pattern: u32,
}

pub(super) const NO_ATTR: u32 = u32::MAX;

/// Checks that every window of a loop stays inside a value with `n_whole` nonzeros.
pub fn window_fits(window: &Window, n: u64, n_whole: usize) -> bool {
    if n == 0 || window.map.is_empty() {
        return true;
    }
    let (mut lo, mut hi) = (i64::MAX, i64::MIN);
    for k in window.map.iter() {
        lo = lo.min(k as i64);
        hi = hi.max(k as i64);
    }
    let (first, last) = match &window.origin {
        Origin::Affine { base, step } => {
            let end = base + step * (n as i64 - 1);
            (*base.min(&end), *base.max(&end))
        }
        Origin::Table(t) => {
            let min = t.iter().min().copied().unwrap_or(0);
            let max = t.iter().max().copied().unwrap_or(0);
            (i64::from(min), i64::from(max))
        }
    };
    first + lo >= 0 && last + hi < n_whole as i64
}

/// Pattern and value of a constant node.
#[derive(Clone, Debug)]
pub enum Constant {
    Uniform(f64),
    Values(Arc<[f64]>),
}

impl Constant {
    pub fn get(&self, k: usize) -> f64 {
        match self {
            Constant::Uniform(v) => *v,
            Constant::Values(v) => v[k],
        }
    }
}

/// Signature of one argument or result of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    pub name: Arc<str>,
    pub pattern: Pattern,
    /// Closed range that evaluation checks and simplification may use.
    pub range: Option<(f64, f64)>,
}

impl Port {
    pub fn new(name: impl Into<Arc<str>>, pattern: Pattern) -> Port {
        Port { name: name.into(), pattern, range: None }
    }
}
