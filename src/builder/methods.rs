//! The elementwise operations and matrix functions as methods.

use std::panic::Location;

use super::expr::{elementwise, make};
use super::{BuildErrorKind, Expr, GraphBuilder, Operand};
use crate::lower::functions::{self, Arg};
use crate::ops::matrix;
use crate::ops::scalar::ScalarOp;

macro_rules! elementwise_methods {
    (
        one { $($one:ident $one_op:ident)* }
        two { $($two:ident $two_op:ident)* }
        other { $($other:ident $other_op:ident)* }
    ) => {
        /// Elementwise operations that are methods or operators of [`Expr`], with their Rust
        /// names.
        pub const ELEMENTWISE_METHODS: &[(&str, ScalarOp)] = &[
            $((stringify!($one), ScalarOp::$one_op),)*
            $((stringify!($two), ScalarOp::$two_op),)*
            $((stringify!($other), ScalarOp::$other_op),)*
        ];

        /// Elementwise operations; each is described at its [`ScalarOp`]. Operands have equal
        /// shapes or are scalars. Comparisons give 1 or 0.
        impl<'g> Expr<'g> {
            $(
                #[doc = concat!("[`ScalarOp::", stringify!($one_op), "`] of every entry.")]
                #[track_caller]
                pub fn $one(self) -> Expr<'g> {
                    elementwise(Location::caller(), ScalarOp::$one_op, &[self.into()])
                }
            )*
            $(
                #[doc = concat!("[`ScalarOp::", stringify!($two_op), "`] entry by entry.")]
                #[track_caller]
                pub fn $two(self, other: impl Into<Operand<'g>>) -> Expr<'g> {
                    let operands = [self.into(), other.into()];
                    elementwise(Location::caller(), ScalarOp::$two_op, &operands)
                }
            )*
        }
    };
}

elementwise_methods! {
    one {
        sqrt Sqrt cbrt Cbrt exp Exp expm1 Expm1 log Log log1p Log1p log2 Log2 log10 Log10
        sin Sin cos Cos tan Tan asin Asin acos Acos atan Atan sinh Sinh cosh Cosh tanh Tanh
        asinh Asinh acosh Acosh atanh Atanh abs Abs sign Sign floor Floor ceil Ceil round Round
        erf Erf erfc Erfc gamma Gamma lgamma Lgamma sigmoid Sigmoid softplus Softplus step Step
        stop_gradient StopGradient fast_sin FastSin fast_cos FastCos fast_tan FastTan
        fast_log1p FastLog1p fast_log2 FastLog2 fast_log10 FastLog10 fast_tanh FastTanh
        fast_softplus FastSoftplus fast_atan FastAtan fast_asin FastAsin fast_acos FastAcos
    }
    two {
        pow Pow hypot Hypot atan2 Atan2 copysign Copysign modulo Mod remainder Remainder
        min Min max Max lt Lt le Le gt Gt ge Ge eq Eq ne Ne and And or Or
    }
    other {
        add Add sub Sub mul Mul div Div neg Neg not Not rem Rem
        polygamma Polygamma select Select fma Fma
    }
}

impl<'g> Expr<'g> {
    /// Where this is unequal to 0 the entries of `then`, elsewhere those of `otherwise`. Both
    /// are computed; a choice that computes only one is [`Expr::cond`].
    ///
    /// ```
    /// use nablac::{builder::GraphBuilder, function::Options};
    /// let g = GraphBuilder::new("relu");
    /// let x = g.input("x", 2);
    /// g.output("y", x.gt(0.0).select(x, 0.1 * x));
    /// let relu = g.function()?.compile(&Options::default())?;
    /// assert_eq!(relu.evaluate(&[&[3.0, -1.0]])?[0], [3.0, -0.1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn select(
        self,
        then: impl Into<Operand<'g>>,
        otherwise: impl Into<Operand<'g>>,
    ) -> Expr<'g> {
        let operands = [self.into(), then.into(), otherwise.into()];
        elementwise(Location::caller(), ScalarOp::Select, &operands)
    }

    /// `self * factor + term`, rounded once: [`ScalarOp::Fma`].
    ///
    /// ```
    /// use nablac::{builder::GraphBuilder, function::Options};
    /// let g = GraphBuilder::new("rest");
    /// let x = g.input("x", 1);
    /// g.output("y", x.fma(10.0, -1.0));
    /// let rest = g.function()?.compile(&Options::default())?;
    /// // What 0.1 is more than a tenth; 10.0 * 0.1 is rounded to 1.
    /// assert_eq!(rest.evaluate(&[&[0.1]])?[0], [f64::EPSILON / 4.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn fma(self, factor: impl Into<Operand<'g>>, term: impl Into<Operand<'g>>) -> Expr<'g> {
        let operands = [self.into(), factor.into(), term.into()];
        elementwise(Location::caller(), ScalarOp::Fma, &operands)
    }

    /// [`ScalarOp::Polygamma`] of order `n` of every entry.
    #[track_caller]
    pub fn polygamma(self, n: u32) -> Expr<'g> {
        let operands = [Operand::Number(f64::from(n)), self.into()];
        elementwise(Location::caller(), ScalarOp::Polygamma, &operands)
    }

    /// The matrix product; with a scalar, scaling.
    ///
    /// ```
    /// let g = nablac::builder::GraphBuilder::new("f");
    /// let (a, x) = (g.input("A", (2, 3)), g.input("x", 3));
    /// assert_eq!(a.matmul(x).shape(), (2, 1));
    /// assert!(x.matmul(a).is_error());
    /// ```
    #[track_caller]
    pub fn matmul(self, other: Expr<'g>) -> Expr<'g> {
        make(Location::caller(), &[self.into(), other.into()], |graph, nodes| {
            let (a, b) = (graph.shape(nodes[0]), graph.shape(nodes[1]));
            if a != (1, 1) && b != (1, 1) {
                if a.1 != b.0 {
                    let help = (a.0 == b.0).then_some("transpose the left one with `.t()`");
                    let what = "the matrix product".to_owned();
                    return Err(BuildErrorKind::Shapes { what, shapes: vec![a, b], help });
                }
                crate::sparsity::Pattern::check_size(a.0 as u64, b.1 as u64)?;
            }
            Ok(matrix::product(graph, nodes[0], nodes[1]))
        })
    }

    /// The transpose.
    #[track_caller]
    pub fn t(self) -> Expr<'g> {
        make(Location::caller(), &[self.into()], |g, n| Ok(matrix::transpose(g, n[0])))
    }
}

/// What an argument of a matrix function is.
enum Given<'g> {
    Value(Operand<'g>),
    Int(usize),
    Offset(i64),
}

impl<'g> From<Operand<'g>> for Given<'g> {
    fn from(operand: Operand<'g>) -> Given<'g> {
        Given::Value(operand)
    }
}

impl<'g> From<Expr<'g>> for Given<'g> {
    fn from(e: Expr<'g>) -> Given<'g> {
        Given::Value(e.into())
    }
}

impl From<usize> for Given<'_> {
    fn from(n: usize) -> Self {
        Given::Int(n)
    }
}

impl From<i64> for Given<'_> {
    fn from(n: i64) -> Self {
        Given::Offset(n)
    }
}

/// Calls a row of the table of matrix functions.
fn matrix_function<'g>(
    at: &'static Location<'static>,
    builder: Option<&'g GraphBuilder>,
    name: &'static str,
    given: &[Given<'g>],
) -> Expr<'g> {
    let operand = |g: &Given<'g>| match g {
        Given::Value(operand) => *operand,
        Given::Int(n) => Operand::Number(*n as f64),
        Given::Offset(n) => Operand::Number(*n as f64),
    };
    let int = |g: &Given<'g>| match g {
        Given::Value(_) => None,
        Given::Int(n) => Some(i64::try_from(*n).unwrap_or(i64::MAX)),
        Given::Offset(n) => Some(*n),
    };
    let operands: Vec<Operand<'g>> = given.iter().map(operand).collect();
    let Some(builder) = builder.or(super::expr::builder_of(&operands)) else {
        return Expr::orphan();
    };
    builder.make(at, &operands, |graph, nodes| {
        let Some(row) = functions::lookup(name) else {
            let (what, known) = ("matrix function", Vec::new());
            return Err(BuildErrorKind::Unknown { what, name: name.to_owned(), known });
        };
        if nodes.len() < row.min_args {
            let (expected, given) = (row.min_args, nodes.len());
            let what = format!("arguments of `{name}`");
            return Err(BuildErrorKind::Count { what, expected, given });
        }
        let args: Vec<Arg> =
            nodes.iter().zip(given).map(|(&node, g)| Arg { node, int: int(g) }).collect();
        (row.build)(graph, &args).map_err(|mistake| BuildErrorKind::Function { name, mistake })
    })
}

macro_rules! matrix_methods {
    ($($(#[doc = $doc:literal])+ $method:ident $name:literal ($($arg:ident: $type:ty),*);)*) => {
        /// Rows of the table of matrix functions that are methods of [`Expr`], with their Rust
        /// names.
        pub const MATRIX_METHODS: &[(&str, &str)] = &[$((stringify!($method), $name),)*];

        /// Matrix functions; each is described in the table of `lower::functions`.
        impl<'g> Expr<'g> {
            $(
                $(#[doc = $doc])+
                #[track_caller]
                pub fn $method(self, $($arg: $type),*) -> Expr<'g> {
                    let given = [self.into(), $($arg.into()),*];
                    matrix_function(Location::caller(), self.builder(), $name, &given)
                }
            )*
        }
    };
}

matrix_methods! {
    /// Sum of all entries.
    sum "sum" ();
    /// Product of all entries.
    prod "prod" ();
    /// Largest of all entries.
    largest "max" ();
    /// Smallest of all entries.
    smallest "min" ();
    /// Sum of the rows: a row.
    sum_rows "sum_rows" ();
    /// Sum of the columns: a column.
    sum_cols "sum_cols" ();
    /// Sum of the products of corresponding entries.
    dot "dot" (other: Expr<'g>);
    /// Cross product of two vectors of 3 entries.
    cross "cross" (other: Expr<'g>);
    /// Sum of the absolute values of a vector.
    norm1 "norm1" ();
    /// Euclidean length of a vector.
    norm2 "norm2" ();
    /// Largest absolute value of a vector.
    norminf "norminf" ();
    /// Square root of the sum of the squares of all entries.
    normfro "normfro" ();
    /// Sum of the squares of a vector.
    norm2sq "norm2sq" ();
    /// `x' A x` of this vector and a square matrix.
    quad_form "quad_form" (matrix: Expr<'g>);
    /// Log of the sum of the exponentials of all entries.
    logsumexp "logsumexp" ();
    /// Sum of the diagonal of a square matrix.
    trace "trace" ();
    /// Kronecker product.
    kron "kron" (other: Expr<'g>);
    /// A vector as a diagonal matrix; of a matrix its diagonal.
    diag "diag" ();
    /// The entries, column by column, in another shape.
    reshape "reshape" (n_rows: usize, n_cols: usize);
    /// All entries, column by column, as one column.
    vec "vec" ();
    /// The entries with `column - row <= k`.
    tril "tril" (k: i64);
    /// The entries with `column - row >= k`.
    triu "triu" (k: i64);
    /// Cumulative sums along a vector, or down each column.
    cumsum "cumsum" ();
    /// The value `n_down` times below and `n_across` times beside itself.
    repmat "repmat" (n_down: usize, n_across: usize);
    /// The matrix whose product with a vector is the cross product.
    skew "skew" ();
}

impl GraphBuilder {
    /// Values side by side.
    ///
    /// ```
    /// let g = nablac::builder::GraphBuilder::new("f");
    /// let x = g.input("x", 3);
    /// assert_eq!(g.hcat(&[x, 2.0 * x]).shape(), (3, 2));
    /// assert_eq!(g.vcat(&[x, g.constant(1.0)]).shape(), (4, 1));
    /// ```
    #[track_caller]
    pub fn hcat<'g>(&'g self, parts: &[Expr<'g>]) -> Expr<'g> {
        let given: Vec<Given<'g>> = parts.iter().map(|&p| p.into()).collect();
        matrix_function(Location::caller(), Some(self), "hcat", &given)
    }

    /// Values on top of one another.
    #[track_caller]
    pub fn vcat<'g>(&'g self, parts: &[Expr<'g>]) -> Expr<'g> {
        let given: Vec<Given<'g>> = parts.iter().map(|&p| p.into()).collect();
        matrix_function(Location::caller(), Some(self), "vcat", &given)
    }

    /// `n` equidistant numbers from `a` to `b`, a column.
    #[track_caller]
    pub fn linspace<'g>(
        &'g self,
        a: impl Into<Operand<'g>>,
        b: impl Into<Operand<'g>>,
        n: usize,
    ) -> Expr<'g> {
        let given = [a.into().into(), b.into().into(), n.into()];
        matrix_function(Location::caller(), Some(self), "linspace", &given)
    }
}
