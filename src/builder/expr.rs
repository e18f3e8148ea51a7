//! Handles of values, and the operators on them.

use std::fmt;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Not, Rem, Sub, SubAssign};
use std::panic::Location;

use super::{BuildErrorKind, GraphBuilder};
use crate::graph::{Graph, NodeId};
use crate::ops::scalar::ScalarOp;
use crate::sparsity::Pattern;

/// A value of a [`GraphBuilder`], or an error value.
///
/// ```
/// let g = nablac::builder::GraphBuilder::new("f");
/// let x = g.input("x", 2);
/// let y = 2.0 * x - x / 3.0;
/// assert_eq!(y.shape(), (2, 1));
/// assert!((x + g.ones(3)).is_error());
/// ```
#[derive(Clone, Copy)]
pub struct Expr<'g> {
    /// `None` for the error value of a call without arguments, which knows no builder.
    builder: Option<&'g GraphBuilder>,
    node: Option<NodeId>,
}

/// A value or a number, where either may stand.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'g> {
    Expr(Expr<'g>),
    Number(f64),
}

impl<'g> From<Expr<'g>> for Operand<'g> {
    fn from(e: Expr<'g>) -> Operand<'g> {
        Operand::Expr(e)
    }
}

impl From<f64> for Operand<'_> {
    fn from(v: f64) -> Self {
        Operand::Number(v)
    }
}

impl From<i32> for Operand<'_> {
    fn from(v: i32) -> Self {
        Operand::Number(f64::from(v))
    }
}

impl<'g> Expr<'g> {
    pub(super) fn new(builder: &'g GraphBuilder, node: NodeId) -> Expr<'g> {
        Expr { builder: Some(builder), node: Some(node) }
    }

    pub(super) fn error(builder: &'g GraphBuilder) -> Expr<'g> {
        Expr { builder: Some(builder), node: None }
    }

    /// The error value of an operation that knows no builder.
    pub(super) fn orphan() -> Expr<'g> {
        Expr { builder: None, node: None }
    }

    pub(super) fn builder(self) -> Option<&'g GraphBuilder> {
        self.builder
    }

    pub(super) fn is_of(self, builder: &GraphBuilder) -> bool {
        self.builder.is_some_and(|own| std::ptr::eq(own, builder))
    }

    /// The node of the graph; `None` for an error value.
    pub fn node(self) -> Option<NodeId> {
        self.node
    }

    /// Whether this stands for a mistake, which [`GraphBuilder::function`] reports.
    pub fn is_error(self) -> bool {
        self.node.is_none()
    }

    /// Rows and columns; (0, 0) of an error value.
    pub fn shape(self) -> (usize, usize) {
        self.look(|graph, node| graph.shape(node)).unwrap_or((0, 0))
    }

    /// Number of structural nonzeros; 0 of an error value.
    pub fn nnz(self) -> usize {
        self.look(|graph, node| graph.nnz(node)).unwrap_or(0)
    }

    /// The structural nonzeros; empty of an error value.
    pub fn pattern(self) -> Pattern {
        self.look(|graph, node| graph.pattern(node).clone()).unwrap_or(Pattern::zero(0, 0))
    }

    fn look<T>(self, read: impl FnOnce(&Graph, NodeId) -> T) -> Option<T> {
        let (builder, node) = (self.builder?, self.node?);
        Some(read(&builder.state.borrow().graph, node))
    }

    /// An elementwise operation of the table, by its [`ScalarOp`]; this value comes first.
    ///
    /// ```
    /// use nablac::ops::scalar::ScalarOp;
    /// let g = nablac::builder::GraphBuilder::new("f");
    /// let x = g.input("x", 2);
    /// let y = x.apply(ScalarOp::Atan2, &[1.0.into()]);
    /// assert_eq!(y.node(), x.atan2(1.0).node());
    /// ```
    #[track_caller]
    pub fn apply(self, op: ScalarOp, others: &[Operand<'g>]) -> Expr<'g> {
        let mut operands = vec![self.into()];
        operands.extend_from_slice(others);
        elementwise(Location::caller(), op, &operands)
    }
}

impl fmt::Debug for Expr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.node {
            Some(node) => write!(f, "Expr({}, {}x{})", node.0, self.shape().0, self.shape().1),
            None => f.write_str("Expr(error)"),
        }
    }
}

/// The value that `make` makes of operands, in the builder of the first that has one.
pub(super) fn make<'g>(
    at: &'static Location<'static>,
    operands: &[Operand<'g>],
    make: impl FnOnce(&mut Graph, &[NodeId]) -> Result<NodeId, BuildErrorKind>,
) -> Expr<'g> {
    match builder_of(operands) {
        Some(builder) => builder.make(at, operands, make),
        None => Expr::orphan(),
    }
}

/// The builder of the first operand that has one.
pub(super) fn builder_of<'g>(operands: &[Operand<'g>]) -> Option<&'g GraphBuilder> {
    operands.iter().find_map(|operand| match operand {
        Operand::Expr(e) => e.builder(),
        Operand::Number(_) => None,
    })
}

pub(super) fn elementwise<'g>(
    at: &'static Location<'static>,
    op: ScalarOp,
    operands: &[Operand<'g>],
) -> Expr<'g> {
    make(at, operands, |graph, nodes| {
        let what = || format!("`{}`", op.name());
        if nodes.len() != op.arity() {
            let (expected, given) = (op.arity(), nodes.len());
            return Err(BuildErrorKind::Count { what: what(), expected, given });
        }
        let mut matrices = nodes.iter().map(|&n| graph.shape(n)).filter(|&s| s != (1, 1));
        if let Some(first) = matrices.next()
            && let Some(other) = matrices.find(|&s| s != first)
        {
            let is_product = op == ScalarOp::Mul && first.1 == other.0;
            let help = if is_product {
                "this is the product entry by entry; the matrix product is `a.matmul(b)`"
            } else if first == (other.1, other.0) {
                "transpose one of them with `.t()`"
            } else {
                "both sides have the same shape, or one is a scalar"
            };
            let shapes = vec![first, other];
            return Err(BuildErrorKind::Shapes { what: what(), shapes, help: Some(help) });
        }
        Ok(graph.scalar(op, nodes))
    })
}

macro_rules! operator {
    ($($trait:ident $method:ident $assign:ident $assign_method:ident;)*) => {$(
        impl<'g, T: Into<Operand<'g>>> $trait<T> for Expr<'g> {
            type Output = Expr<'g>;

            #[track_caller]
            fn $method(self, other: T) -> Expr<'g> {
                elementwise(Location::caller(), ScalarOp::$trait, &[self.into(), other.into()])
            }
        }

        impl<'g> $trait<Expr<'g>> for f64 {
            type Output = Expr<'g>;

            #[track_caller]
            fn $method(self, other: Expr<'g>) -> Expr<'g> {
                elementwise(Location::caller(), ScalarOp::$trait, &[self.into(), other.into()])
            }
        }

        impl<'g, T: Into<Operand<'g>>> $assign<T> for Expr<'g> {
            #[track_caller]
            fn $assign_method(&mut self, other: T) {
                *self =
                    elementwise(Location::caller(), ScalarOp::$trait, &[(*self).into(), other.into()]);
            }
        }
    )*};
}

operator! {
    Add add AddAssign add_assign;
    Sub sub SubAssign sub_assign;
    Mul mul MulAssign mul_assign;
    Div div DivAssign div_assign;
}

/// Remainder with the sign of the dividend, as Rust's `%`.
impl<'g, T: Into<Operand<'g>>> Rem<T> for Expr<'g> {
    type Output = Expr<'g>;

    #[track_caller]
    fn rem(self, other: T) -> Expr<'g> {
        elementwise(Location::caller(), ScalarOp::Rem, &[self.into(), other.into()])
    }
}

impl<'g> Neg for Expr<'g> {
    type Output = Expr<'g>;

    #[track_caller]
    fn neg(self) -> Expr<'g> {
        elementwise(Location::caller(), ScalarOp::Neg, &[self.into()])
    }
}

/// 1 where the value is 0, else 0.
impl<'g> Not for Expr<'g> {
    type Output = Expr<'g>;

    #[track_caller]
    fn not(self) -> Expr<'g> {
        elementwise(Location::caller(), ScalarOp::Not, &[self.into()])
    }
}
