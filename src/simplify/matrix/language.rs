//! The language of matrix formulas: its operations, the sizes of what they give, and what they cost.

use std::mem::{Discriminant, discriminant};

use egg::{Analysis, CostFunction, DidMerge, EGraph, Id, Language};

use crate::graph::NodeId;

/// What a node computes. A number is 1x1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MatrixOp {
    /// A value from outside of the formulas.
    Atom(NodeId),
    /// The bits of a constant number.
    Number(u64),
    Add,
    Sub,
    Neg,
    /// Of corresponding entries.
    Times,
    /// A number times a matrix.
    Scale,
    /// By a number.
    Over,
    Product,
    Transpose,
    Trace,
    /// Of all entries.
    Sum,
    /// Adds up the rows: a row.
    SumRows,
    /// Adds up the columns: a column.
    SumCols,
    /// Kronecker product.
    Kron,
    /// A column as a diagonal matrix.
    Diag,
    /// All entries, column by column, as one column.
    Vec,
    /// A column as a matrix with the number of columns of the second operand as rows and that of
    /// the third one as columns.
    Unvec,
}

/// The operations that formulas of rules name, with their numbers of operands.
pub const NAMED: [(&str, MatrixOp, usize); 15] = [
    ("add", MatrixOp::Add, 2),
    ("sub", MatrixOp::Sub, 2),
    ("neg", MatrixOp::Neg, 1),
    ("times", MatrixOp::Times, 2),
    ("mul", MatrixOp::Product, 2),
    ("div", MatrixOp::Over, 2),
    ("transpose", MatrixOp::Transpose, 1),
    ("trace", MatrixOp::Trace, 1),
    ("sum", MatrixOp::Sum, 1),
    ("sum_rows", MatrixOp::SumRows, 1),
    ("sum_cols", MatrixOp::SumCols, 1),
    ("kron", MatrixOp::Kron, 2),
    ("diag", MatrixOp::Diag, 1),
    ("vec", MatrixOp::Vec, 1),
    ("unvec", MatrixOp::Unvec, 3),
];

/// A node of the e-graph.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    pub op: MatrixOp,
    pub args: Vec<Id>,
}

impl Language for Node {
    type Discriminant = (Discriminant<MatrixOp>, MatrixOp);

    fn discriminant(&self) -> Self::Discriminant {
        (discriminant(&self.op), self.op)
    }

    fn matches(&self, other: &Node) -> bool {
        self.op == other.op && self.args.len() == other.args.len()
    }

    fn children(&self) -> &[Id] {
        &self.args
    }

    fn children_mut(&mut self) -> &mut [Id] {
        &mut self.args
    }
}

/// What is known of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Form {
    pub n_rows: usize,
    pub n_cols: usize,
    /// Of products an estimate.
    pub nnz: f64,
    pub symmetric: bool,
}

impl Form {
    pub const NUMBER: Form = Form { n_rows: 1, n_cols: 1, nnz: 1.0, symmetric: true };

    pub fn shape(&self) -> (usize, usize) {
        (self.n_rows, self.n_cols)
    }

    pub fn is_number(&self) -> bool {
        self.shape() == (1, 1)
    }

    pub fn transposed(&self) -> Form {
        Form { n_rows: self.n_cols, n_cols: self.n_rows, ..*self }
    }

    /// Multiplications of the matrix product with `other`.
    pub fn n_products(&self, other: &Form) -> f64 {
        self.nnz * other.nnz / self.n_cols.max(1) as f64
    }

    /// The matrix product with `other`, nonzeros spread evenly.
    pub fn product(&self, other: &Form) -> Form {
        let (n_rows, n_cols) = (self.n_rows, other.n_cols);
        let nnz = self.n_products(other).min(n_rows as f64 * n_cols as f64);
        Form { n_rows, n_cols, nnz, symmetric: n_rows == 1 && n_cols == 1 }
    }

    /// The shape of the result of an operation on values with these forms, or `None` where it has
    /// no value.
    pub fn of(op: MatrixOp, args: &[Form]) -> Option<Form> {
        let [a, b, c] =
            [0, 1, 2].map(|k| args.get(k).or(args.first()).copied().unwrap_or(Form::NUMBER));
        let dense = |n_rows: usize, n_cols: usize, symmetric: bool| Form {
            n_rows,
            n_cols,
            nnz: n_rows as f64 * n_cols as f64,
            symmetric,
        };
        let both = a.symmetric && b.symmetric;
        Some(match op {
            MatrixOp::Atom(_) | MatrixOp::Number(_) => Form::NUMBER,
            MatrixOp::Add | MatrixOp::Sub if a.shape() == b.shape() => {
                let nnz = (a.nnz + b.nnz).min(a.n_rows as f64 * a.n_cols as f64);
                let nnz = if a.nnz == b.nnz { a.nnz } else { nnz };
                Form { nnz, symmetric: both, ..a }
            }
            MatrixOp::Times if a.shape() == b.shape() => {
                Form { nnz: a.nnz.min(b.nnz), symmetric: both, ..a }
            }
            MatrixOp::Neg => a,
            MatrixOp::Scale if a.is_number() => b,
            MatrixOp::Over if b.is_number() => a,
            MatrixOp::Product if a.n_cols == b.n_rows => a.product(&b),
            MatrixOp::Transpose => a.transposed(),
            MatrixOp::Trace if a.n_rows == a.n_cols => Form::NUMBER,
            MatrixOp::Sum => Form::NUMBER,
            MatrixOp::SumRows => dense(1, a.n_cols, a.n_cols == 1),
            MatrixOp::SumCols => dense(a.n_rows, 1, a.n_rows == 1),
            MatrixOp::Kron => Form {
                n_rows: a.n_rows.checked_mul(b.n_rows)?,
                n_cols: a.n_cols.checked_mul(b.n_cols)?,
                nnz: a.nnz * b.nnz,
                symmetric: both,
            },
            MatrixOp::Diag if a.n_cols == 1 => {
                Form { n_rows: a.n_rows, n_cols: a.n_rows, nnz: a.nnz, symmetric: true }
            }
            MatrixOp::Vec => {
                let n_rows = a.n_rows.checked_mul(a.n_cols)?;
                Form { n_rows, n_cols: 1, nnz: a.nnz, symmetric: n_rows == 1 }
            }
            MatrixOp::Unvec
                if a.n_cols == 1 && Some(a.n_rows) == b.n_cols.checked_mul(c.n_cols) =>
            {
                Form { n_rows: b.n_cols, n_cols: c.n_cols, nnz: a.nnz, symmetric: false }
            }
            _ => return None,
        })
    }

    /// Additions and multiplications of an operation; what only moves entries costs little.
    pub fn cost(op: MatrixOp, args: &[Form]) -> f64 {
        const MOVE: f64 = 0.01;
        let nnz = |k: usize| args.get(k).map_or(0.0, |form| form.nnz);
        match op {
            MatrixOp::Atom(_) | MatrixOp::Number(_) => 0.0,
            MatrixOp::Add | MatrixOp::Sub | MatrixOp::Times => nnz(0).max(nnz(1)),
            MatrixOp::Neg => 0.5 * nnz(0),
            MatrixOp::Scale => nnz(1),
            MatrixOp::Over => nnz(0),
            MatrixOp::Product => {
                args.first().zip(args.get(1)).map_or(0.0, |(a, b)| 2.0 * a.n_products(b))
            }
            MatrixOp::Trace => args.first().map_or(0.0, |a| a.n_rows as f64),
            MatrixOp::Sum | MatrixOp::SumRows | MatrixOp::SumCols => nnz(0),
            MatrixOp::Kron => nnz(0) * nnz(1),
            MatrixOp::Transpose | MatrixOp::Diag | MatrixOp::Vec | MatrixOp::Unvec => MOVE * nnz(0),
        }
    }
}

/// The forms of all classes, from those of the atoms.
#[derive(Clone, Debug, Default)]
pub struct Forms {
    pub atoms: rustc_hash::FxHashMap<NodeId, Form>,
}

/// An e-graph of matrix formulas.
pub type Matrices = EGraph<Node, Forms>;

impl Analysis<Node> for Forms {
    type Data = Form;

    fn make(egraph: &mut Matrices, node: &Node, _: Id) -> Form {
        if let MatrixOp::Atom(id) = node.op {
            return egraph.analysis.atoms.get(&id).copied().unwrap_or(Form::NUMBER);
        }
        let args: Vec<Form> = node.args.iter().map(|&a| egraph[a].data).collect();
        let form = Form::of(node.op, &args);
        debug_assert!(form.is_some(), "invariant: rules are checked to keep shapes, {node:?}");
        let mut form = form.unwrap_or(Form::NUMBER);
        if let (MatrixOp::Product | MatrixOp::Add, &[a, b]) = (node.op, &node.args[..]) {
            let is_transpose = |x: Id, of: Id| {
                let transpose = Node { op: MatrixOp::Transpose, args: vec![of] };
                egraph.lookup(transpose).is_some_and(|t| egraph.find(t) == egraph.find(x))
            };
            form.symmetric |= is_transpose(a, b) || is_transpose(b, a);
        }
        form
    }

    fn merge(&mut self, to: &mut Form, from: Form) -> DidMerge {
        let both =
            Form { nnz: to.nnz.min(from.nnz), symmetric: to.symmetric || from.symmetric, ..*to };
        let (changed, other) = (both != *to, both != from);
        *to = both;
        DidMerge(changed, other)
    }
}

/// The cost of a formula as a tree.
pub struct Cost<'e>(pub &'e Matrices);

impl CostFunction<Node> for Cost<'_> {
    type Cost = f64;

    fn cost<C>(&mut self, node: &Node, mut costs: C) -> f64
    where
        C: FnMut(Id) -> f64,
    {
        // Of two forms that cost the same, the shorter one.
        const NODE: f64 = 1e-3;
        let forms: Vec<Form> = node.args.iter().map(|&a| self.0[a].data).collect();
        let own = NODE + Form::cost(node.op, &forms);
        // The other operands only lend their shapes.
        let n = if node.op == MatrixOp::Unvec { 1 } else { node.args.len() };
        let lent: f64 = node.args[n..].iter().map(|&a| 1e-9 * costs(a)).sum();
        node.args[..n].iter().map(|&a| costs(a)).sum::<f64>() + own + lent
    }
}
