//! Derivatives of values by inputs and named values.

use std::panic::Location;

use super::expr::make;
use super::{BuildErrorKind, Expr, Operand};
use crate::diff::{self, DiffError};
use crate::graph::{Graph, NodeId, Op};
use crate::lower::functions::Shape;
use crate::ops::matrix::column;

/// What a derivative is taken by: one value, or a list of values taken as one column. Each is an
/// input or made by [`super::GraphBuilder::named`].
pub trait Targets<'g> {
    /// The values.
    fn list(&self) -> Vec<Expr<'g>>;

    /// Whether derivatives are columns that follow the list, rather than in the shape of the one
    /// value.
    fn is_list(&self) -> bool;
}

impl<'g> Targets<'g> for Expr<'g> {
    fn list(&self) -> Vec<Expr<'g>> {
        vec![*self]
    }

    fn is_list(&self) -> bool {
        false
    }
}

impl<'g> Targets<'g> for &[Expr<'g>] {
    fn list(&self) -> Vec<Expr<'g>> {
        self.to_vec()
    }

    fn is_list(&self) -> bool {
        true
    }
}

impl<'g, const N: usize> Targets<'g> for [Expr<'g>; N] {
    fn list(&self) -> Vec<Expr<'g>> {
        self.to_vec()
    }

    fn is_list(&self) -> bool {
        true
    }
}

impl<'g, const N: usize> Targets<'g> for &[Expr<'g>; N] {
    fn list(&self) -> Vec<Expr<'g>> {
        self.to_vec()
    }

    fn is_list(&self) -> bool {
        true
    }
}

/// What the drivers of the kinds of derivatives take and give.
struct Kind {
    /// What the message calls a value that has to be a scalar.
    scalar: Option<&'static str>,
    /// The result has the shape of the targets.
    follows_targets: bool,
    /// The direction has the shape of the value, not of the targets.
    is_cotangent: bool,
}

const GRADIENT: Kind = Kind {
    scalar: Some("what a gradient is taken of"),
    follows_targets: true,
    is_cotangent: false,
};
const HESSIAN: Kind = Kind { scalar: Some("what a Hessian is taken of"), ..JACOBIAN };
const HVP: Kind = Kind { follows_targets: true, ..HESSIAN };
const JACOBIAN: Kind = Kind { scalar: None, follows_targets: false, is_cotangent: false };
const VJP: Kind = Kind { scalar: None, follows_targets: true, is_cotangent: true };

/// Derivatives. Matrices count column by column: the Jacobian of an m x n value by a p x q one is
/// mn x pq.
impl<'g> Expr<'g> {
    /// Gradient of a scalar, in the shape of the target; by a list one column.
    ///
    /// ```
    /// use nablac::{builder::GraphBuilder, function::Options};
    /// let g = GraphBuilder::new("f");
    /// let (x, y) = (g.input("x", 2), g.input("y", 1));
    /// let f = (x * x).sum() * y;
    /// g.output("dx", f.grad(x));
    /// g.output("d", f.grad([x, y]));
    /// let f = g.function()?.compile(&Options::default())?;
    /// let d = f.evaluate(&[&[1.0, 2.0], &[3.0]])?;
    /// assert_eq!(d, [vec![6.0, 12.0], vec![6.0, 12.0, 5.0]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn grad(self, by: impl Targets<'g>) -> Expr<'g> {
        let derive = |g: &mut Graph, f, x: &[NodeId], _| diff::gradient(g, f, x);
        derivative(Location::caller(), GRADIENT, self, &by, None, derive)
    }

    /// Sparse Jacobian.
    ///
    /// ```
    /// let g = nablac::builder::GraphBuilder::new("f");
    /// let x = g.input("x", 4);
    /// let differences = x.slice(1..) - x.slice(..3);
    /// assert_eq!(differences.jac(x).shape(), (3, 4));
    /// assert_eq!(differences.jac(x).nnz(), 6);
    /// ```
    #[track_caller]
    pub fn jac(self, by: impl Targets<'g>) -> Expr<'g> {
        let derive = |g: &mut Graph, y, x: &[NodeId], _| diff::jacobian(g, y, x);
        derivative(Location::caller(), JACOBIAN, self, &by, None, derive)
    }

    /// Sparse, symmetric Hessian of a scalar.
    ///
    /// ```
    /// let g = nablac::builder::GraphBuilder::new("f");
    /// let x = g.input("x", 4);
    /// assert_eq!((x * x).sum().hess(x).nnz(), 4);
    /// ```
    #[track_caller]
    pub fn hess(self, by: impl Targets<'g>) -> Expr<'g> {
        let derive = |g: &mut Graph, f, x: &[NodeId], _| diff::hessian(g, f, x);
        derivative(Location::caller(), HESSIAN, self, &by, None, derive)
    }

    /// Tangent in the direction `v`, which has the shape of the target (of a list: a column).
    ///
    /// ```
    /// let g = nablac::builder::GraphBuilder::new("f");
    /// let x = g.input("x", 4);
    /// assert_eq!(x.sin().sum().jvp(x, g.ones(4)).shape(), (1, 1));
    /// assert!(x.sin().sum().jvp(x, 1.0).is_error());
    /// ```
    #[track_caller]
    pub fn jvp(self, by: impl Targets<'g>, v: impl Into<Operand<'g>>) -> Expr<'g> {
        derivative(Location::caller(), JACOBIAN, self, &by, Some(v.into()), diff::jvp)
    }

    /// Cotangent of the target for the cotangent `w` of this value, which has its shape.
    ///
    /// ```
    /// let g = nablac::builder::GraphBuilder::new("f");
    /// let x = g.input("x", 4);
    /// assert_eq!(x.sum().vjp(x, 2.0).shape(), (4, 1));
    /// ```
    #[track_caller]
    pub fn vjp(self, by: impl Targets<'g>, w: impl Into<Operand<'g>>) -> Expr<'g> {
        derivative(Location::caller(), VJP, self, &by, Some(w.into()), diff::vjp)
    }

    /// Hessian of a scalar times the direction `v`, which has the shape of the target (of a list:
    /// a column).
    ///
    /// ```
    /// let g = nablac::builder::GraphBuilder::new("f");
    /// let x = g.input("x", 4);
    /// assert_eq!(x.sin().sum().hvp(x, g.ones(4)).shape(), (4, 1));
    /// ```
    #[track_caller]
    pub fn hvp(self, by: impl Targets<'g>, v: impl Into<Operand<'g>>) -> Expr<'g> {
        derivative(Location::caller(), HVP, self, &by, Some(v.into()), diff::hvp)
    }
}

/// What `derive` makes of value, targets and direction (of the value, if there is no direction).
fn derivative<'g>(
    at: &'static Location<'static>,
    kind: Kind,
    f: Expr<'g>,
    by: &impl Targets<'g>,
    direction: Option<Operand<'g>>,
    derive: impl FnOnce(&mut Graph, NodeId, &[NodeId], NodeId) -> Result<NodeId, DiffError>,
) -> Expr<'g> {
    let targets = by.list();
    let mut operands: Vec<Operand<'g>> = vec![f.into()];
    operands.extend(targets.iter().map(|&x| Operand::Expr(x)));
    operands.extend(direction);
    let is_list = by.is_list();
    make(at, &operands, |graph, nodes| {
        let (f, wrt) = (nodes[0], &nodes[1..=targets.len()]);
        let shape = graph.shape(f);
        if let Some(what) = kind.scalar.filter(|_| shape != (1, 1)) {
            return Err(BuildErrorKind::NotAScalar { what, shape });
        }
        if wrt.is_empty() {
            return Err(BuildErrorKind::Empty { what: "a derivative" });
        }
        if wrt.iter().any(|&x| !matches!(graph.op(x), Op::Input | Op::Mark)) {
            return Err(BuildErrorKind::NotATarget);
        }
        let direction = nodes.get(1 + targets.len()).copied();
        if let Some(direction) = direction {
            let wanted = if kind.is_cotangent { shape } else { shape_of(graph, wrt, is_list) };
            let given = graph.shape(direction);
            if given != wanted {
                let what = "a direction and what it belongs to".to_owned();
                return Err(BuildErrorKind::Shapes {
                    what,
                    shapes: vec![given, wanted],
                    help: None,
                });
            }
        }
        let node = derive(graph, f, wrt, direction.unwrap_or(f))?;
        let is_one_listed = is_list && wrt.len() == 1;
        Ok(if kind.follows_targets && is_one_listed { column(graph, node) } else { node })
    })
}

/// Shape of a value that follows the targets.
fn shape_of(graph: &Graph, wrt: &[NodeId], is_list: bool) -> Shape {
    match wrt {
        [x] if !is_list => graph.shape(*x),
        _ => (wrt.iter().map(|&x| graph.pattern(x).numel()).sum(), 1),
    }
}
