//! The matrix functions of the language.

use crate::graph::{Graph, NodeId, Reduction};
use crate::sparsity::Pattern;

pub struct MatrixFunction {
    pub name: &'static str,
    pub min_args: usize,
    pub max_args: usize,
    pub doc: &'static str,
    pub build: fn(&mut Graph, &[Arg]) -> Result<NodeId, Mistake>,
    pub integer: Option<fn(&Graph, &[Arg]) -> Option<i64>>,
}

#[derive(Clone, Copy, Debug)]
pub struct Arg {
    pub node: NodeId,
    pub int: Option<i64>,
}

pub enum Mistake {
    NotAnInteger {
        arg: usize,
    },
    Negative {
        arg: usize,
    },
    NotSquare {
        arg: usize,
        shape: (usize, usize),
    },
    NotAVector {
        arg: usize,
        shape: (usize, usize),
    },
    Shapes {
        message: String,
        a: (usize, (usize, usize)),
        b: (usize, (usize, usize)),
        help: Option<String>,
    },
    Empty {
        arg: usize,
    },
    TooLarge {
        n_rows: u64,
        n_cols: u64,
        limit: u64,
    },
    NotThereYet {
        part: &'static str,
    },
}

fn dims(args: &[Arg]) -> Result<(usize, usize), Mistake> {
    let get = |k: usize| -> Result<usize, Mistake> {
        let v = args[k].int.ok_or(Mistake::NotAnInteger { arg: k })?;
        usize::try_from(v).map_err(|_| Mistake::Negative { arg: k })
    };
    Ok((get(0)?, if args.len() > 1 { get(1)? } else { 1 }))
}

static ROWS: &[MatrixFunction] = &[
    MatrixFunction {
        name: "sum",
        min_args: 1,
        max_args: 1,
        doc: "",
        integer: None,
        build: |g, a| Ok(g.reduce(Reduction::Sum, a[0].node)),
    },
    MatrixFunction {
        name: "max",
        min_args: 1,
        max_args: 1,
        doc: "",
        integer: None,
        build: |g, a| Ok(g.reduce(Reduction::Max, a[0].node)),
    },
    MatrixFunction {
        name: "zeros",
        min_args: 1,
        max_args: 2,
        doc: "",
        integer: None,
        build: |g, a| {
            let (r, c) = dims(a)?;
            Ok(g.zero(r, c))
        },
    },
    MatrixFunction {
        name: "ones",
        min_args: 1,
        max_args: 2,
        doc: "",
        integer: None,
        build: |g, a| {
            let (r, c) = dims(a)?;
            Ok(g.fill(Pattern::dense(r, c), 1.0))
        },
    },
    MatrixFunction {
        name: "eye",
        min_args: 1,
        max_args: 1,
        doc: "",
        integer: None,
        build: |g, a| {
            let (r, _) = dims(a)?;
            Ok(g.fill(Pattern::diagonal(r), 1.0))
        },
    },
    MatrixFunction {
        name: "dot",
        min_args: 2,
        max_args: 2,
        doc: "",
        integer: None,
        build: |g, a| {
            let p = g.mul(a[0].node, a[1].node);
            Ok(g.reduce(Reduction::Sum, p))
        },
    },
    MatrixFunction {
        name: "norm2sq",
        min_args: 1,
        max_args: 1,
        doc: "",
        integer: None,
        build: |g, a| {
            let p = g.mul(a[0].node, a[0].node);
            Ok(g.reduce(Reduction::Sum, p))
        },
    },
    MatrixFunction {
        name: "rows",
        min_args: 1,
        max_args: 1,
        doc: "",
        integer: Some(|g, a| Some(g.shape(a[0].node).0 as i64)),
        build: |g, a| {
            let n = g.shape(a[0].node).0;
            Ok(g.constant(n as f64))
        },
    },
    MatrixFunction {
        name: "inv",
        min_args: 1,
        max_args: 1,
        doc: "",
        integer: None,
        build: |_, _| Err(Mistake::NotThereYet { part: "factorisations" }),
    },
];

pub fn lookup(name: &str) -> Option<&'static MatrixFunction> {
    ROWS.iter().find(|row| row.name == name)
}

pub fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.name)
}
