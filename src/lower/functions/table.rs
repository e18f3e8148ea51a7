//! The rows, and the checks they share.

use super::{Arg, MatrixFunction, Mistake, Shape};
use crate::graph::{Graph, NodeId, Reduction};
use crate::ops::matrix;
use crate::sparsity::{MAX_NUMEL, Pattern, PatternError};

type Built = Result<NodeId, Mistake>;

const ANY: usize = usize::MAX;

/// A row whose result is not a compile-time integer.
const fn row(
    name: &'static str,
    (min_args, max_args): (usize, usize),
    doc: &'static str,
    build: fn(&mut Graph, &[Arg]) -> Built,
) -> MatrixFunction {
    MatrixFunction { name, min_args, max_args, doc, build, integer: |_, _| None }
}

/// A property of the one argument that is known at compile time.
const fn property(
    name: &'static str,
    doc: &'static str,
    build: fn(&mut Graph, &[Arg]) -> Built,
    integer: fn(&Graph, &[Arg]) -> Option<i64>,
) -> MatrixFunction {
    MatrixFunction { name, min_args: 1, max_args: 1, doc, build, integer }
}

/// A row that waits for the factorisations.
const fn later(name: &'static str, n_args: usize, doc: &'static str) -> MatrixFunction {
    row(name, (n_args, n_args), doc, |_, _| Err(Mistake::NotThereYet { part: "factorisations" }))
}

#[rustfmt::skip]
pub(super) static FUNCTIONS: &[MatrixFunction] = &[
    row("sum", (1, 1), "sum(A): sum of all entries", |g, a| {
        Ok(g.reduce(Reduction::Sum, a[0].node))
    }),
    row("prod", (1, 1), "prod(A): product of all entries", |g, a| {
        Ok(g.reduce(Reduction::Prod, a[0].node))
    }),
    row("min", (1, 1), "min(A): smallest of all entries", |g, a| {
        nonempty(g, a, 0)?;
        Ok(g.reduce(Reduction::Min, a[0].node))
    }),
    row("max", (1, 1), "max(A): largest of all entries", |g, a| {
        nonempty(g, a, 0)?;
        Ok(g.reduce(Reduction::Max, a[0].node))
    }),
    row("sum_rows", (1, 1), "sum_rows(A): adds up the rows; a row, the sum of each column", |g, a| {
        Ok(matrix::sum_rows(g, a[0].node))
    }),
    row("sum_cols", (1, 1), "sum_cols(A): adds up the columns; a column, the sum of each row", |g, a| {
        Ok(matrix::sum_cols(g, a[0].node))
    }),
    row("dot", (2, 2), "dot(A, B): sum of the products of corresponding entries", |g, a| {
        same_shape(g, a, "dot")?;
        Ok(matrix::dot(g, a[0].node, a[1].node))
    }),
    row("cross", (2, 2), "cross(a, b): cross product of two vectors of 3 entries", |g, a| {
        three_entries(g, a, 0)?;
        three_entries(g, a, 1)?;
        same_shape(g, a, "cross")?;
        Ok(matrix::cross(g, a[0].node, a[1].node))
    }),
    row("norm1", (1, 1), "norm1(x): sum of the absolute values of a vector", |g, a| {
        vector(g, a, 0, Some("norm1(vec(A))"))?;
        Ok(matrix::norm1(g, a[0].node))
    }),
    row("norm2", (1, 1), "norm2(x): Euclidean length of a vector", |g, a| {
        vector(g, a, 0, Some("normfro(A)"))?;
        Ok(matrix::norm2(g, a[0].node))
    }),
    row("norminf", (1, 1), "norminf(x): largest absolute value of a vector", |g, a| {
        vector(g, a, 0, Some("norminf(vec(A))"))?;
        nonempty(g, a, 0)?;
        Ok(matrix::norminf(g, a[0].node))
    }),
    row("normfro", (1, 1), "normfro(A): square root of the sum of the squares of all entries", |g, a| {
        Ok(matrix::normfro(g, a[0].node))
    }),
    row("norm2sq", (1, 1), "norm2sq(x): sum of the squares of a vector", |g, a| {
        vector(g, a, 0, Some("dot(A, A)"))?;
        Ok(matrix::norm2sq(g, a[0].node))
    }),
    row("quad_form", (2, 2), "quad_form(x, A): x' * A * x of a vector and a square matrix", quad_form),
    row("logsumexp", (1, 1), "logsumexp(A): log of the sum of the exponentials of all entries", |g, a| {
        nonempty(g, a, 0)?;
        let (n_rows, n_cols) = g.shape(a[0].node);
        dense(n_rows as u64, n_cols as u64)?;
        Ok(matrix::logsumexp(g, a[0].node))
    }),
    row("trace", (1, 1), "trace(A): sum of the diagonal of a square matrix", |g, a| {
        square(g, a, 0)?;
        Ok(matrix::trace(g, a[0].node))
    }),
    later("det", 1, "det(A): determinant"),
    later("logdet", 1, "logdet(A): log of the determinant of a positive definite matrix"),
    later("inv", 1, "inv(A): inverse"),
    later("solve", 2, "solve(A, B): A \\ B"),
    later("chol", 1, "chol(A): lower Cholesky factor of a positive definite matrix"),
    later("qr", 1, "qr(A): orthogonal and upper triangular factor"),
    later("eigh", 1, "eigh(A): eigenvalues and eigenvectors of a symmetric matrix"),
    later("expm", 1, "expm(A): matrix exponential"),
    row("kron", (2, 2), "kron(A, B): Kronecker product, block (i, j) is A[i, j] * B", kron),
    row("diag", (1, 1), "diag(x): a vector as a diagonal matrix; diag(A): the diagonal as a column", |g, a| {
        Ok(matrix::diag(g, a[0].node))
    }),
    row("eye", (1, 1), "eye(n): n x n identity", |g, a| {
        let n = size(a, 0)?;
        sparse(n, n, n)?;
        Ok(matrix::eye(g, n as usize))
    }),
    row("zeros", (1, 2), "zeros(n), zeros(n, m): n x 1 or n x m zeros, none of them stored", |g, a| {
        let (n_rows, n_cols) = sizes(a)?;
        sparse(n_rows, n_cols, 0)?;
        Ok(g.zero(n_rows as usize, n_cols as usize))
    }),
    row("ones", (1, 2), "ones(n), ones(n, m): n x 1 or n x m ones", |g, a| {
        let (n_rows, n_cols) = sizes(a)?;
        dense(n_rows, n_cols)?;
        Ok(matrix::ones(g, n_rows as usize, n_cols as usize))
    }),
    row("linspace", (3, 3), "linspace(a, b, n): n equidistant numbers from a to b, a column", |g, a| {
        scalar(g, a, 0)?;
        scalar(g, a, 1)?;
        let n = size(a, 2)?;
        dense(n, 1)?;
        Ok(matrix::linspace(g, a[0].node, a[1].node, n as usize))
    }),
    row("reshape", (3, 3), "reshape(A, n, m): the entries, column by column, as n x m", reshape),
    row("vec", (1, 1), "vec(A): all entries, column by column, as one column", |g, a| {
        let numel = numel(g.shape(a[0].node));
        sparse(numel, 1, 0)?;
        Ok(matrix::column(g, a[0].node))
    }),
    row("tril", (1, 2), "tril(A), tril(A, k): the entries with column - row <= k, by default 0", |g, a| {
        let k = if a.len() > 1 { int(a, 1)? } else { 0 };
        Ok(matrix::tril(g, a[0].node, k))
    }),
    row("triu", (1, 2), "triu(A), triu(A, k): the entries with column - row >= k, by default 0", |g, a| {
        let k = if a.len() > 1 { int(a, 1)? } else { 0 };
        Ok(matrix::triu(g, a[0].node, k))
    }),
    row("cumsum", (1, 1), "cumsum(x): cumulative sums along a vector, or down each column", |g, a| {
        let (n_rows, n_cols) = g.shape(a[0].node);
        if !g.pattern(a[0].node).is_zero() {
            dense(n_rows as u64, n_cols as u64)?;
        }
        Ok(matrix::cumsum(g, a[0].node))
    }),
    row("repmat", (2, 3), "repmat(A, n), repmat(A, n, m): A repeated n times down and m times across", repmat),
    row("hcat", (1, ANY), "hcat(A, B, ...): side by side", |g, a| concatenate(g, a, true)),
    row("vcat", (1, ANY), "vcat(A, B, ...): on top of one another", |g, a| concatenate(g, a, false)),
    property("rows", "rows(A): number of rows", |g, a| {
        let n = g.shape(a[0].node).0;
        Ok(g.constant(n as f64))
    }, |g, a| Some(g.shape(a.first()?.node).0 as i64)),
    property("cols", "cols(A): number of columns", |g, a| {
        let n = g.shape(a[0].node).1;
        Ok(g.constant(n as f64))
    }, |g, a| Some(g.shape(a.first()?.node).1 as i64)),
    property("nnz", "nnz(A): number of structural nonzeros", |g, a| {
        let n = g.nnz(a[0].node);
        Ok(g.constant(n as f64))
    }, |g, a| Some(g.nnz(a.first()?.node) as i64)),
    row("skew", (1, 1), "skew(a): the matrix with skew(a) * b == cross(a, b)", |g, a| {
        three_entries(g, a, 0)?;
        Ok(matrix::skew(g, a[0].node))
    }),
];

fn quad_form(graph: &mut Graph, args: &[Arg]) -> Built {
    let (x, a) = (graph.shape(args[0].node), graph.shape(args[1].node));
    let swapped = x.0 != 1 && x.0 == x.1 && a == (x.0, 1);
    if swapped {
        return Err(Mistake::Shapes {
            message: "`quad_form` takes the vector first".to_string(),
            a: (0, x),
            b: (1, a),
            help: Some("write `quad_form(x, A)`".to_string()),
        });
    }
    vector(graph, args, 0, None)?;
    square(graph, args, 1)?;
    if x.0 * x.1 != a.0 {
        return Err(Mistake::Shapes {
            message: format!("a vector of {} entries and a {}x{} matrix", x.0 * x.1, a.0, a.1),
            a: (0, x),
            b: (1, a),
            help: None,
        });
    }
    Ok(matrix::quad_form(graph, args[0].node, args[1].node))
}

fn kron(graph: &mut Graph, args: &[Arg]) -> Built {
    let (a, b) = (graph.pattern(args[0].node), graph.pattern(args[1].node));
    let times = |x: usize, y: usize| (x as u64).saturating_mul(y as u64);
    let (n_rows, n_cols) = (times(a.n_rows(), b.n_rows()), times(a.n_cols(), b.n_cols()));
    sparse(n_rows, n_cols, times(a.nnz(), b.nnz()))?;
    Ok(matrix::kron(graph, args[0].node, args[1].node))
}

fn repmat(graph: &mut Graph, args: &[Arg]) -> Built {
    let x = graph.pattern(args[0].node);
    let n_down = size(args, 1)?;
    let n_across = if args.len() > 2 { size(args, 2)? } else { 1 };
    let n_rows = n_down.saturating_mul(x.n_rows() as u64);
    let n_cols = n_across.saturating_mul(x.n_cols() as u64);
    let nnz = n_down.saturating_mul(n_across).saturating_mul(x.nnz() as u64);
    sparse(n_rows, n_cols, nnz)?;
    // Of a matrix without rows or columns any number of copies is one.
    let (n_down, n_across) = (n_down.min(MAX_NUMEL) as usize, n_across.min(MAX_NUMEL) as usize);
    Ok(matrix::repmat(graph, args[0].node, n_down, n_across))
}

fn reshape(graph: &mut Graph, args: &[Arg]) -> Built {
    let shape = graph.shape(args[0].node);
    let (n_rows, n_cols) = (size(args, 1)?, size(args, 2)?);
    if n_rows.checked_mul(n_cols) != Some(numel(shape)) {
        let message = format!("{} entries do not make a {n_rows}x{n_cols} matrix", numel(shape));
        return Err(Mistake::Shape { arg: 0, shape, message, help: None });
    }
    sparse(n_rows, n_cols, 0)?;
    Ok(matrix::reshape(graph, args[0].node, n_rows as usize, n_cols as usize))
}

/// `hcat` and `vcat`; 0x0 values fit anywhere.
fn concatenate(graph: &mut Graph, args: &[Arg], across: bool) -> Built {
    let mut parts = Vec::with_capacity(args.len());
    let mut first: Option<(usize, Shape)> = None;
    let (mut length, mut nnz) = (0u64, 0u64);
    for (k, arg) in args.iter().enumerate() {
        let shape = graph.shape(arg.node);
        if shape == (0, 0) {
            continue;
        }
        let side = |s: Shape| if across { s.0 } else { s.1 };
        match first {
            Some(a) if side(a.1) != side(shape) => {
                let (name, sides) = if across { ("hcat", "rows") } else { ("vcat", "columns") };
                return Err(Mistake::Shapes {
                    message: format!("`{name}` needs equal numbers of {sides}"),
                    a,
                    b: (k, shape),
                    help: None,
                });
            }
            Some(_) => {}
            None => first = Some((k, shape)),
        }
        length += if across { shape.1 } else { shape.0 } as u64;
        nnz += graph.nnz(arg.node) as u64;
        parts.push(arg.node);
    }
    let other = first.map_or(0, |(_, s)| if across { s.0 } else { s.1 }) as u64;
    if across {
        sparse(other, length, nnz)?;
        Ok(matrix::hcat(graph, &parts))
    } else {
        sparse(length, other, nnz)?;
        Ok(matrix::vcat(graph, &parts))
    }
}

fn numel((n_rows, n_cols): Shape) -> u64 {
    (n_rows as u64).saturating_mul(n_cols as u64)
}

fn int(args: &[Arg], arg: usize) -> Result<i64, Mistake> {
    args[arg].int.ok_or(Mistake::NotAnInteger { arg })
}

fn size(args: &[Arg], arg: usize) -> Result<u64, Mistake> {
    u64::try_from(int(args, arg)?).map_err(|_| Mistake::Negative { arg })
}

/// `n` or `n, m`; one size is a column.
fn sizes(args: &[Arg]) -> Result<(u64, u64), Mistake> {
    Ok((size(args, 0)?, if args.len() > 1 { size(args, 1)? } else { 1 }))
}

/// Refuses a dense result of more than [`MAX_NUMEL`] entries.
fn dense(n_rows: u64, n_cols: u64) -> Result<(), Mistake> {
    match Pattern::check_size(n_rows, n_cols) {
        Err(PatternError::TooLarge { n_rows, n_cols, limit }) => {
            Err(Mistake::TooLarge { n_rows, n_cols, limit })
        }
        _ => Ok(()),
    }
}

/// Refuses sides and numbers of nonzeros beyond [`MAX_NUMEL`].
fn sparse(n_rows: u64, n_cols: u64, nnz: u64) -> Result<(), Mistake> {
    if n_rows.max(n_cols).max(nnz) > MAX_NUMEL {
        return Err(Mistake::TooLarge { n_rows, n_cols, limit: MAX_NUMEL });
    }
    Ok(())
}

fn nonempty(graph: &Graph, args: &[Arg], arg: usize) -> Result<(), Mistake> {
    if numel(graph.shape(args[arg].node)) == 0 { Err(Mistake::Empty { arg }) } else { Ok(()) }
}

fn square(graph: &Graph, args: &[Arg], arg: usize) -> Result<(), Mistake> {
    let shape = graph.shape(args[arg].node);
    if shape.0 == shape.1 { Ok(()) } else { Err(Mistake::NotSquare { arg, shape }) }
}

fn vector(graph: &Graph, args: &[Arg], arg: usize, instead: Option<&str>) -> Result<(), Mistake> {
    let shape = graph.shape(args[arg].node);
    if shape.0 == 1 || shape.1 == 1 {
        return Ok(());
    }
    let help = instead.map(|write| format!("over all entries of a matrix write `{write}`"));
    Err(Mistake::NotAVector { arg, shape, help })
}

fn scalar(graph: &Graph, args: &[Arg], arg: usize) -> Result<(), Mistake> {
    let shape = graph.shape(args[arg].node);
    if shape == (1, 1) {
        return Ok(());
    }
    Err(Mistake::Shape { arg, shape, message: "must be a scalar".to_string(), help: None })
}

fn three_entries(graph: &Graph, args: &[Arg], arg: usize) -> Result<(), Mistake> {
    let shape = graph.shape(args[arg].node);
    if shape == (3, 1) || shape == (1, 3) {
        return Ok(());
    }
    let message = "must be a vector of 3 entries".to_string();
    Err(Mistake::Shape { arg, shape, message, help: None })
}

/// For `dot` and `cross`.
fn same_shape(graph: &Graph, args: &[Arg], name: &str) -> Result<(), Mistake> {
    let (a, b) = (graph.shape(args[0].node), graph.shape(args[1].node));
    if a == b {
        return Ok(());
    }
    let turned = a == (b.1, b.0) && (a.0 == 1 || a.1 == 1);
    let help =
        turned.then(|| "one is a row, the other a column: transpose one with `'`".to_string());
    let message = format!("`{name}` needs equal shapes");
    Err(Mistake::Shapes { message, a: (0, a), b: (1, b), help })
}
