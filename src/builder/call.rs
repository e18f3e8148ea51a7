//! Calls of functions, and the choice between two of them.

use std::panic::Location;
use std::sync::Arc;

use super::expr::builder_of;
use super::{BuildErrorKind, Expr, GraphBuilder, Operand};
use crate::function::Function;
use crate::graph::{Func, Graph, NodeId, Port};
use crate::sparsity::Pattern;

/// The results of a call, loop or choice.
///
/// ```
/// use nablac::{builder::GraphBuilder, model::Model};
/// let text = "fn polar(x, y) -> (r, phi) {\n  let r = hypot(x, y)\n  let phi = atan2(y, x)\n}\n\
///             input x, y\nlet r, phi = polar(x, y)\noutput r, phi";
/// let polar = Model::parse("polar.nab", text).function()?;
/// let g = GraphBuilder::new("f");
/// let results = polar.call(&[g.input("a", 1), g.input("b", 1)]);
/// assert_eq!(results.values().len(), 2);
/// assert_eq!((results.named("r").shape(), results.at(1).shape()), ((1, 1), (1, 1)));
/// assert!(results.named("z").is_error());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Results<'g> {
    builder: Option<&'g GraphBuilder>,
    values: Vec<Expr<'g>>,
    names: Vec<Arc<str>>,
}

impl<'g> Results<'g> {
    /// Result number `k`.
    #[track_caller]
    pub fn at(&self, k: usize) -> Expr<'g> {
        match (self.values.get(k), self.builder) {
            (Some(&value), _) => value,
            (None, Some(builder)) => {
                let (index, end) = (k as u64, self.values.len() as u64);
                builder.fail(Location::caller(), BuildErrorKind::Index { index, end })
            }
            (None, None) => Expr::orphan(),
        }
    }

    /// The result of that name.
    #[track_caller]
    pub fn named(&self, name: &str) -> Expr<'g> {
        match (self.names.iter().position(|n| &**n == name), self.builder) {
            (Some(k), _) => self.at(k),
            (None, Some(builder)) => {
                let (what, known) = ("result", self.names.clone());
                let kind = BuildErrorKind::Unknown { what, name: name.to_owned(), known };
                builder.fail(Location::caller(), kind)
            }
            (None, None) => Expr::orphan(),
        }
    }

    /// The result, if there is only one.
    #[track_caller]
    pub fn only(&self) -> Expr<'g> {
        match (&self.values[..], self.builder) {
            (&[only], _) => only,
            (_, Some(builder)) => {
                let (expected, given) = (1, self.values.len());
                let what = "results of a function taken as one".to_owned();
                let kind = BuildErrorKind::Count { what, expected, given };
                builder.fail(Location::caller(), kind)
            }
            (_, None) => Expr::orphan(),
        }
    }

    /// All results, in order.
    pub fn values(&self) -> &[Expr<'g>] {
        &self.values
    }
}

impl Function {
    /// Calls this function: a node of the graph, whatever the size of the function. A call
    /// without arguments is [`GraphBuilder::call`].
    ///
    /// ```
    /// use nablac::{builder::GraphBuilder, function::Options};
    /// let g = GraphBuilder::new("square");
    /// let x = g.input("x", 1);
    /// g.output("y", x * x);
    /// let square = g.function()?;
    ///
    /// let g = GraphBuilder::new("fourth");
    /// let x = g.input("x", 1);
    /// let y = square.call(&[square.call(&[x]).only()]).named("y");
    /// g.output("y", y);
    /// g.output("dy", y.grad(x));
    /// let fourth = g.function()?.compile(&Options::default())?;
    /// assert_eq!(fourth.evaluate(&[&[2.0]])?, [[16.0], [32.0]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn call<'g>(&self, args: &[Expr<'g>]) -> Results<'g> {
        call(Location::caller(), None, self, args)
    }
}

impl<'g> Expr<'g> {
    /// Calls `then` if this scalar is unequal to 0, else `otherwise`; only one of them runs. Both
    /// take and give values of the same shapes.
    ///
    /// ```
    /// use nablac::{builder::GraphBuilder, function::Options};
    /// let g = GraphBuilder::new("root");
    /// let x = g.input("x", 1);
    /// g.output("y", x.sqrt());
    /// let root = g.function()?;
    /// let g = GraphBuilder::new("zero");
    /// g.input("x", 1);
    /// g.output("y", g.constant(0.0));
    /// let zero = g.function()?;
    ///
    /// let g = GraphBuilder::new("f");
    /// let x = g.input("x", 1);
    /// let y = x.gt(0.0).cond(&root, &zero, &[x]).only();
    /// g.output("dy", y.grad(x));
    /// let f = g.function()?.compile(&Options::default())?;
    /// assert_eq!(f.evaluate(&[&[4.0]])?[0], [0.25]);
    /// assert_eq!(f.evaluate(&[&[-4.0]])?[0], [0.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn cond(self, then: &Function, otherwise: &Function, args: &[Expr<'g>]) -> Results<'g> {
        let operands = operands(&[self], args);
        make_results(Location::caller(), None, then, &operands, |graph, nodes| {
            let (condition, args) = (nodes[0], &nodes[1..]);
            let shape = graph.shape(condition);
            if shape != (1, 1) {
                return Err(BuildErrorKind::NotAScalar { what: "a condition", shape });
            }
            let (a, b) = (then.func(), otherwise.func());
            check_count(a, args.len())?;
            check_count(b, args.len())?;
            if a.outputs.len() != b.outputs.len() {
                let what = format!("results of `{}` as of `{}`", b.name, a.name);
                let (expected, given) = (a.outputs.len(), b.outputs.len());
                return Err(BuildErrorKind::Count { what, expected, given });
            }
            let mut inputs = Vec::with_capacity(args.len());
            for (k, &arg) in args.iter().enumerate() {
                check_argument(graph, arg, a, &a.inputs[k])?;
                check_argument(graph, arg, b, &b.inputs[k])?;
                inputs.push(graph.pattern(arg).clone());
            }
            let mut outputs = Vec::with_capacity(a.outputs.len());
            for (k, (x, y)) in a.outputs.iter().zip(&b.outputs).enumerate() {
                if x.pattern.shape() != y.pattern.shape() {
                    let what = format!("result `{}` of the branches", x.name);
                    let shapes = vec![x.pattern.shape(), y.pattern.shape()];
                    return Err(BuildErrorKind::Shapes { what, shapes, help: None });
                }
                outputs.push((k, x.pattern.union(&y.pattern)));
            }
            let (a, b) = (adapt(a, &inputs, &outputs), adapt(b, &inputs, &outputs));
            Ok(graph.cond(condition, &a, &b, args))
        })
    }
}

impl GraphBuilder {
    /// [`Function::call`], also without arguments.
    #[track_caller]
    pub fn call<'g>(&'g self, f: &Function, args: &[Expr<'g>]) -> Results<'g> {
        call(Location::caller(), Some(self), f, args)
    }
}

fn call<'g>(
    at: &'static Location<'static>,
    builder: Option<&'g GraphBuilder>,
    f: &Function,
    args: &[Expr<'g>],
) -> Results<'g> {
    make_results(at, builder, f, &operands(&[], args), |graph, nodes| {
        let func = f.func();
        check_count(func, nodes.len())?;
        for (&node, port) in nodes.iter().zip(&func.inputs) {
            check_argument(graph, node, func, port)?;
        }
        Ok(graph.call(func, nodes))
    })
}

fn operands<'g>(first: &[Expr<'g>], args: &[Expr<'g>]) -> Vec<Operand<'g>> {
    first.iter().chain(args).map(|&e| e.into()).collect()
}

/// The results, named as those of `f`, that `make` makes of operands.
pub(super) fn make_results<'g>(
    at: &'static Location<'static>,
    builder: Option<&'g GraphBuilder>,
    f: &Function,
    operands: &[Operand<'g>],
    make: impl FnOnce(&mut Graph, &[NodeId]) -> Result<Vec<NodeId>, BuildErrorKind>,
) -> Results<'g> {
    let names: Vec<Arc<str>> = f.outputs().iter().map(|o| o.name.clone()).collect();
    let Some(builder) = builder.or(builder_of(operands)) else {
        let values = vec![Expr::orphan(); names.len()];
        return Results { builder: None, values, names };
    };
    let made = builder
        .nodes(at, operands)
        .map(|nodes| make(&mut builder.state.borrow_mut().graph, &nodes));
    let values = match made {
        Some(Ok(nodes)) => nodes.into_iter().map(|node| Expr::new(builder, node)).collect(),
        Some(Err(kind)) => {
            let error = builder.fail(at, kind);
            vec![error; names.len()]
        }
        None => vec![Expr::error(builder); names.len()],
    };
    Results { builder: Some(builder), values, names }
}

pub(super) fn check_count(f: &Func, given: usize) -> Result<(), BuildErrorKind> {
    let expected = f.inputs.len();
    if given == expected {
        return Ok(());
    }
    Err(BuildErrorKind::Count { what: format!("arguments of `{}`", f.name), expected, given })
}

/// Whether a value can be an argument: it has the shape, and no entries at structural zeros.
pub(super) fn check_argument(
    graph: &Graph,
    node: NodeId,
    f: &Func,
    port: &Port,
) -> Result<(), BuildErrorKind> {
    let what = || format!("argument `{}` of `{}`", port.name, f.name);
    check_fits(graph.pattern(node), &port.pattern, what)
}

/// Whether a value of pattern `inner` can stand where `outer` is declared.
pub(super) fn check_fits(
    inner: &Pattern,
    outer: &Pattern,
    what: impl Fn() -> String,
) -> Result<(), BuildErrorKind> {
    if inner.shape() != outer.shape() {
        let shapes = vec![inner.shape(), outer.shape()];
        return Err(BuildErrorKind::Shapes { what: what(), shapes, help: None });
    }
    if inner.first_outside(outer).is_some() {
        let (given, expected) = (inner.clone(), outer.clone());
        return Err(BuildErrorKind::Pattern { what: what(), given, expected });
    }
    Ok(())
}

/// `f` with inputs and (some of) its outputs in the given patterns, of the same shapes.
pub(super) fn adapt(f: &Arc<Func>, inputs: &[Pattern], outputs: &[(usize, Pattern)]) -> Arc<Func> {
    let same_inputs = f.inputs.iter().map(|p| &p.pattern).eq(inputs);
    let given = outputs.iter().map(|(k, p)| (*k, p));
    if same_inputs && f.outputs.iter().map(|p| &p.pattern).enumerate().eq(given) {
        return f.clone();
    }
    let mut graph = Graph::new();
    let mut ports = Vec::with_capacity(inputs.len());
    let mut args = Vec::with_capacity(inputs.len());
    for (k, (pattern, port)) in inputs.iter().zip(&f.inputs).enumerate() {
        let input = graph.input(k, pattern.clone());
        args.push(graph.project(input, &port.pattern));
        ports.push(Port { pattern: pattern.clone(), ..port.clone() });
    }
    let results = match f.graph() {
        Some((body, roots)) if f.jvp.is_none() => {
            crate::graph::visit::transplant(body, roots, &mut graph, &args)
        }
        _ => graph.call(f, &args),
    };
    let mut named = Vec::with_capacity(outputs.len());
    for (k, pattern) in outputs {
        named.push((f.outputs[*k].name.clone(), graph.project(results[*k], pattern)));
    }
    Func::freeze(f.name.clone(), &graph, ports, named)
}
