//! Maps, folds and scans: one loop node each, whatever the number of iterations.

use std::panic::Location;
use std::sync::Arc;

use super::call::{adapt, check_argument, check_count, check_fits, make_results};
use super::{BuildErrorKind, Expr, GraphBuilder, Operand, Results};
use crate::function::Function;
use crate::graph::{
    ArgMode, Func, Graph, LoopSpec, NodeId, Origin, Port, Reduction, ResultMode, Window,
    window_fits,
};
use crate::lower::functions::Shape;
use crate::sparsity::{IndexMap, MAX_NUMEL, Pattern, PatternError};

/// Most nonzeros of a repeated sparse pattern, which is stored.
const MAX_REPEATED: u64 = 100_000_000;

/// What an iteration sees of a value outside of the loop. Entries count column by column.
#[derive(Clone, Debug)]
pub enum Arg<'g> {
    /// All of it, in every iteration.
    Whole(Expr<'g>),
    /// The next columns; of a vector the next entries. The iterations share the value without
    /// rest.
    Each(Expr<'g>),
    /// The next row.
    Rows(Expr<'g>),
    /// Consecutive entries from `base + step * i` on, as many as the input has.
    Windows { of: Expr<'g>, base: i64, step: i64 },
    /// Consecutive entries from `origins[i]` on, as many as the input has.
    Table { of: Expr<'g>, origins: Vec<usize> },
    /// The number `base + step * i`.
    Iteration { base: i64, step: i64 },
}

/// What becomes of a result of every iteration.
///
/// ```
/// use nablac::builder::{Arg, Collect, GraphBuilder};
/// use nablac::graph::Reduction;
/// let g = GraphBuilder::new("square");
/// let x = g.input("x", 1);
/// g.output("y", x * x);
/// let square = g.function()?;
/// let g = GraphBuilder::new("f");
/// let x = g.input("x", 3);
/// let squares = square.map(3, &[Arg::Each(x)], &[Collect::Stack]).only();
/// let sum = square.map(3, &[Arg::Each(x)], &[Collect::Reduce(Reduction::Sum)]).only();
/// assert_eq!((squares.shape(), sum.shape()), ((3, 1), (1, 1)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Collect {
    /// Side by side; scalars one below the other.
    Stack,
    /// Entry by entry over all iterations.
    Reduce(Reduction),
    /// Added to the entries from `base + step * i` on of a value of that shape, which starts from
    /// zero.
    Windows { shape: (usize, usize), base: i64, step: i64 },
    /// Added to the entries from `origins[i]` on of a value of that shape: a segment sum.
    Table { shape: (usize, usize), origins: Vec<usize> },
}

impl Function {
    /// Calls this function `n` times; `args` says what each call sees, `collect` what becomes of
    /// each result.
    ///
    /// ```
    /// use nablac::builder::{Arg, Collect, GraphBuilder};
    /// use nablac::function::Options;
    /// use nablac::graph::Reduction;
    /// let g = GraphBuilder::new("misfit");
    /// let (t, y, p) = (g.input("t", 1), g.input("y", 1), g.input("p", 2));
    /// let r = p.at(0) * (p.at(1) * t).exp() - y;
    /// g.output("sq", r * r);
    /// let misfit = g.function()?;
    ///
    /// let g = GraphBuilder::new("fit");
    /// let (t, y, p) = (g.input("t", 1000), g.input("y", 1000), g.input("p", 2));
    /// let args = [Arg::Each(t), Arg::Each(y), Arg::Whole(p)];
    /// let f = misfit.map(1000, &args, &[Collect::Reduce(Reduction::Sum)]).only();
    /// g.output("df", f.grad(p));
    /// let fit = g.function()?.compile(&Options::default())?;
    /// let df = fit.evaluate(&[&[0.0; 1000], &[0.5; 1000], &[1.0, 1.0]])?;
    /// assert_eq!(df[0], [1000.0, 0.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn map<'g>(&self, n: u64, args: &[Arg<'g>], collect: &[Collect]) -> Results<'g> {
        repeat(Location::caller(), None, self, n, &[], args, Some(collect))
    }

    /// Calls this function `n` times, the first results of a call being the first arguments of
    /// the next, `states` those of the first. Gives the last states, then the other results as
    /// `collect` says.
    ///
    /// ```
    /// use nablac::builder::{Arg, GraphBuilder};
    /// use nablac::function::Options;
    /// let g = GraphBuilder::new("step");
    /// let (x, u) = (g.input("x", 1), g.input("u", 1));
    /// g.output("next", 0.5 * x + u);
    /// let step = g.function()?;
    ///
    /// let g = GraphBuilder::new("simulate");
    /// let (x0, u) = (g.input("x0", 1), g.input("u", 3));
    /// g.output("last", step.fold(3, &[x0], &[Arg::Each(u)], &[]).only());
    /// g.output("all", step.scan(3, &[x0], &[Arg::Each(u)]).only());
    /// let simulate = g.function()?.compile(&Options::default())?;
    /// let x = simulate.evaluate(&[&[8.0], &[0.0, 1.0, 0.0]])?;
    /// assert_eq!(x, [vec![1.5], vec![4.0, 3.0, 1.5]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn fold<'g>(
        &self,
        n: u64,
        states: &[Expr<'g>],
        args: &[Arg<'g>],
        collect: &[Collect],
    ) -> Results<'g> {
        repeat(Location::caller(), None, self, n, states, args, Some(collect))
    }

    /// [`Function::fold`] that keeps the results of all iterations, stacked.
    #[track_caller]
    pub fn scan<'g>(&self, n: u64, states: &[Expr<'g>], args: &[Arg<'g>]) -> Results<'g> {
        repeat(Location::caller(), None, self, n, states, args, None)
    }
}

impl GraphBuilder {
    /// [`Function::map`], also when no argument belongs to a builder.
    #[track_caller]
    pub fn map<'g>(
        &'g self,
        f: &Function,
        n: u64,
        args: &[Arg<'g>],
        collect: &[Collect],
    ) -> Results<'g> {
        repeat(Location::caller(), Some(self), f, n, &[], args, Some(collect))
    }
}

/// A loop; a scan if `collect` is `None`.
fn repeat<'g>(
    at: &'static Location<'static>,
    builder: Option<&'g GraphBuilder>,
    f: &Function,
    n: u64,
    states: &[Expr<'g>],
    args: &[Arg<'g>],
    collect: Option<&[Collect]>,
) -> Results<'g> {
    let mut operands: Vec<Operand<'g>> = states.iter().map(|&e| e.into()).collect();
    operands.extend(args.iter().map(|arg| match arg {
        Arg::Whole(e) | Arg::Each(e) | Arg::Rows(e) => (*e).into(),
        Arg::Windows { of, .. } | Arg::Table { of, .. } => (*of).into(),
        Arg::Iteration { .. } => Operand::Number(0.0),
    }));
    make_results(at, builder, f, &operands, |graph, nodes| {
        let func = f.func();
        check_count(func, nodes.len())?;
        if n > MAX_NUMEL {
            let error = PatternError::TooLarge { n_rows: n, n_cols: 1, limit: MAX_NUMEL };
            return Err(error.into());
        }
        let (states, nodes) = nodes.split_at(states.len());
        let mut all = states.to_vec();
        for (&state, port) in states.iter().zip(&func.inputs) {
            check_argument(graph, state, func, port)?;
        }
        let mut modes = Vec::with_capacity(args.len());
        for ((arg, &node), port) in args.iter().zip(nodes).zip(&func.inputs[states.len()..]) {
            let (node, mode) = argument(graph, arg, node, n, func, port)?;
            all.push(node);
            modes.push(mode);
        }
        let spec = Loop { func, n, n_states: states.len() };
        let (spec, n_dropped) = spec.with_results(modes, collect)?;
        Ok(graph.repeat(spec, &all).split_off(n_dropped))
    })
}

struct Loop<'a> {
    func: &'a Arc<Func>,
    n: u64,
    n_states: usize,
}

impl Loop<'_> {
    /// The whole description, and the number of results before those of the user.
    fn with_results(
        self,
        args: Vec<ArgMode>,
        collect: Option<&[Collect]>,
    ) -> Result<(LoopSpec, usize), BuildErrorKind> {
        let Loop { func, n, n_states } = self;
        let count = |what: &str, expected, given| BuildErrorKind::Count {
            what: format!("{what} of `{}`", func.name),
            expected,
            given,
        };
        let n_outputs = func.outputs.len();
        if n_outputs < n_states {
            return Err(count("next states", n_states, n_outputs));
        }
        let mut outputs = Vec::with_capacity(2 * n_outputs);
        for (k, state) in func.inputs[..n_states].iter().enumerate() {
            let next = &func.outputs[k];
            let what = || format!("next state `{}` of `{}`", next.name, func.name);
            check_fits(&next.pattern, &state.pattern, what)?;
            outputs.push((k, state.pattern.clone()));
        }
        // A scan collects the states too.
        let first = if collect.is_some() { n_states } else { 0 };
        let stack = vec![Collect::Stack; n_outputs];
        let collect = collect.unwrap_or(&stack);
        if collect.len() != n_outputs - first {
            return Err(count("modes for the results", n_outputs - first, collect.len()));
        }
        let (mut results, mut patterns) = (Vec::new(), Vec::new());
        for (k, collect) in (first..n_outputs).zip(collect) {
            let pattern = match func.inputs.get(k).filter(|_| k < n_states) {
                Some(state) => state.pattern.clone(),
                None => func.outputs[k].pattern.clone(),
            };
            let (mode, whole) = result(collect, &pattern, n, func, &func.outputs[k])?;
            outputs.push((k, pattern));
            results.push(mode);
            patterns.push(whole);
        }
        let inputs: Vec<Pattern> = func.inputs.iter().map(|p| p.pattern.clone()).collect();
        let body = adapt(func, &inputs, &outputs);
        let n_dropped = if first == 0 { n_states } else { 0 };
        let spec = LoopSpec { body, n, n_states, args, results, patterns, range: None };
        Ok((spec, n_dropped))
    }
}

/// Node and mode of an argument.
fn argument(
    graph: &mut Graph,
    arg: &Arg,
    node: NodeId,
    n: u64,
    f: &Func,
    port: &Port,
) -> Result<(NodeId, ArgMode), BuildErrorKind> {
    let what = || format!("argument `{}` of `{}`", port.name, f.name);
    let inside = &port.pattern;
    let (shape, numel) = (graph.shape(node), graph.pattern(node).numel());
    let misfit = |expected: Shape| {
        Err(BuildErrorKind::Shapes { what: what(), shapes: vec![shape, expected], help: None })
    };
    let n_iterations = n as usize;
    match arg {
        Arg::Whole(_) => {
            check_argument(graph, node, f, port)?;
            Ok((graph.project(node, inside), ArgMode::Broadcast))
        }
        Arg::Each(_) => {
            let (n_rows, n_cols) = inside.shape();
            let beside = (n_rows, n_cols.saturating_mul(n_iterations));
            let is_vector = shape.0 == 1 || shape.1 == 1;
            let shared = Some(numel) == inside.numel().checked_mul(n_iterations);
            if shape != beside && !(is_vector && shared) {
                return misfit(beside);
            }
            let whole = repeated(inside, n, shape)?;
            check_fits(graph.pattern(node), &whole, what)?;
            let window = Window::stacked(inside.nnz());
            Ok((graph.project(node, &whole), ArgMode::Window(window)))
        }
        Arg::Rows(_) => {
            let (n_rows, n_cols) = inside.shape();
            if shape != (n_iterations, n_rows * n_cols) || (n_rows != 1 && n_cols != 1) {
                return misfit((n_iterations, n_rows * n_cols));
            }
            let map = if inside.is_dense() {
                IndexMap::affine(0, &[(inside.nnz(), n as i64)])
            } else {
                IndexMap::from_table(inside.linear().map(|k| (k * n) as u32).collect())
            };
            Pattern::check_size(shape.0 as u64, shape.1 as u64)?;
            let window = Window { origin: Origin::Affine { base: 0, step: 1 }, map };
            Ok((graph.densify(node), ArgMode::Window(window)))
        }
        Arg::Windows { base, step, .. } => {
            let origin = Origin::Affine { base: *base, step: *step };
            let window = window(origin, inside, n, numel, what)?;
            Pattern::check_size(shape.0 as u64, shape.1 as u64)?;
            Ok((graph.densify(node), ArgMode::Window(window)))
        }
        Arg::Table { origins, .. } => {
            let window = window(table(origins, n, what)?, inside, n, numel, what)?;
            Pattern::check_size(shape.0 as u64, shape.1 as u64)?;
            Ok((graph.densify(node), ArgMode::Window(window)))
        }
        Arg::Iteration { base, step } => {
            if inside.shape() != (1, 1) {
                return misfit(inside.shape());
            }
            if inside.is_zero() {
                let (given, expected) = (Pattern::scalar(), inside.clone());
                return Err(BuildErrorKind::Pattern { what: what(), given, expected });
            }
            let last = step.checked_mul(n as i64).and_then(|end| end.checked_add(*base));
            if last.is_none() {
                return Err(BuildErrorKind::Index { index: base.unsigned_abs(), end: n });
            }
            let nothing = graph.zero(0, 0);
            Ok((nothing, ArgMode::Iteration { base: *base, step: *step }))
        }
    }
}

/// Mode and pattern of a collected result.
fn result(
    collect: &Collect,
    pattern: &Pattern,
    n: u64,
    f: &Func,
    port: &Port,
) -> Result<(ResultMode, Pattern), BuildErrorKind> {
    let what = || format!("result `{}` of `{}`", port.name, f.name);
    let (n_rows, n_cols) = pattern.shape();
    let dense = |shape: Shape| Pattern::try_dense(shape.0 as u64, shape.1 as u64);
    Ok(match collect {
        Collect::Stack => {
            let shape = match pattern.shape() {
                (1, 1) => (n as usize, 1),
                _ => (n_rows, n_cols.saturating_mul(n as usize)),
            };
            let whole = repeated(pattern, n, shape)?;
            (ResultMode::Window(Window::stacked(pattern.nnz())), whole)
        }
        Collect::Reduce(Reduction::Max) if n == 0 => {
            return Err(BuildErrorKind::Empty { what: "a maximum" });
        }
        Collect::Reduce(Reduction::Min) if n == 0 => {
            return Err(BuildErrorKind::Empty { what: "a minimum" });
        }
        Collect::Reduce(Reduction::Prod) if n == 0 => {
            (ResultMode::Reduce(Reduction::Prod), dense(pattern.shape())?)
        }
        Collect::Reduce(reduction) => (ResultMode::Reduce(*reduction), pattern.clone()),
        Collect::Windows { shape, base, step } => {
            let whole = dense(*shape)?;
            let origin = Origin::Affine { base: *base, step: *step };
            let window = window(origin, pattern, n, whole.numel(), what)?;
            (ResultMode::Window(window), whole)
        }
        Collect::Table { shape, origins } => {
            let whole = dense(*shape)?;
            let window = window(table(origins, n, what)?, pattern, n, whole.numel(), what)?;
            (ResultMode::Window(window), whole)
        }
    })
}

/// Where the nonzeros of `pattern` lie in windows of a dense value of `n_entries`.
fn window(
    origin: Origin,
    pattern: &Pattern,
    n: u64,
    n_entries: usize,
    what: impl Fn() -> String,
) -> Result<Window, BuildErrorKind> {
    let map = if pattern.is_dense() {
        IndexMap::identity(pattern.nnz())
    } else {
        IndexMap::from_table(pattern.linear().map(|k| k as u32).collect())
    };
    let representable = match origin {
        Origin::Affine { base, step } => {
            let limit = MAX_NUMEL as i64;
            base.abs_diff(0) <= MAX_NUMEL
                && step.checked_mul(n as i64).is_some_and(|end| (-limit..=limit).contains(&end))
        }
        Origin::Table(_) => true,
    };
    let window = Window { origin, map };
    if representable && window_fits(&window, n, n_entries) {
        return Ok(window);
    }
    Err(BuildErrorKind::Window { what: what(), n_entries })
}

fn table(origins: &[usize], n: u64, what: impl Fn() -> String) -> Result<Origin, BuildErrorKind> {
    if origins.len() as u64 != n {
        let (expected, given) = (n as usize, origins.len());
        let what = format!("origins for {}", what());
        return Err(BuildErrorKind::Count { what, expected, given });
    }
    let origin = |&k: &usize| {
        u32::try_from(k).map_err(|_| BuildErrorKind::Index { index: k as u64, end: MAX_NUMEL })
    };
    Ok(Origin::Table(origins.iter().map(origin).collect::<Result<Vec<u32>, _>>()?.into()))
}

/// `n` times the entries of `pattern`, one after the other, in that shape.
fn repeated(pattern: &Pattern, n: u64, shape: Shape) -> Result<Pattern, BuildErrorKind> {
    let (n_rows, n_cols) = (shape.0 as u64, shape.1 as u64);
    let too_large = |limit| PatternError::TooLarge { n_rows, n_cols, limit };
    if pattern.is_dense() {
        return Ok(Pattern::try_dense(n_rows, n_cols)?);
    }
    if n_rows.max(n_cols) > MAX_NUMEL {
        return Err(too_large(MAX_NUMEL).into());
    }
    if pattern.is_zero() {
        return Ok(Pattern::zero(shape.0, shape.1));
    }
    if (pattern.nnz() as u64).saturating_mul(n) > MAX_REPEATED {
        return Err(too_large(MAX_REPEATED).into());
    }
    let numel = pattern.numel() as u64;
    let positions = (0..n).flat_map(|i| pattern.linear().map(move |at| at + i * numel));
    Ok(Pattern::from_linear(shape.0, shape.1, positions))
}
