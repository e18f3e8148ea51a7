//! Matrix literals: entries and blocks.

use super::misfit::{Operand, shape_text};
use super::{Lowerer, Value};
use crate::ops::matrix::{Block, assemble};
use crate::syntax::ast::ExprId;
use crate::syntax::{Code, Diagnostic, Span};

impl Lowerer<'_> {
    /// `[a, b; c, d]`; a single row is a column of its entries.
    pub fn matrix(&mut self, rows: &[Vec<ExprId>], span: Span) -> Value {
        let ast = self.frame().ast;
        let mut failed = false;
        let mut grid: Vec<Vec<Operand>> = Vec::with_capacity(rows.len());
        for row in rows {
            let mut blocks = Vec::with_capacity(row.len());
            for &expr in row {
                match self.expr_node(expr) {
                    Some(node) => {
                        blocks.push(Operand { expr: Some(expr), span: ast.span(expr), node });
                    }
                    None => failed = true,
                }
            }
            grid.push(blocks);
        }
        if failed {
            return Value::Error;
        }
        if grid.len() == 1 {
            grid = grid.swap_remove(0).into_iter().map(|block| vec![block]).collect();
        }
        if !self.blocks_fit(&grid) {
            return Value::Error;
        }
        let graph = self.graph();
        let mut blocks = Vec::with_capacity(grid.iter().map(Vec::len).sum());
        let (mut n_rows, mut n_cols) = (0, if grid.is_empty() { 1 } else { 0 });
        for row in &grid {
            let (mut col, mut height) = (0, 0);
            for block in row {
                blocks.push(Block { row: n_rows, col, node: block.node });
                let shape = graph.shape(block.node);
                col += shape.1;
                height = shape.0;
            }
            n_rows += height;
            n_cols = col;
        }
        if !self.fits(n_rows, n_cols, span) {
            return Value::Error;
        }
        Value::Node(assemble(self.graph(), n_rows, n_cols, &blocks))
    }

    fn blocks_fit(&mut self, grid: &[Vec<Operand>]) -> bool {
        let mut width: Option<(usize, Span)> = None;
        for row in grid {
            let Some(first) = row.first() else { continue };
            let height = self.graph().shape(first.node).0;
            let mut n_cols = 0;
            for block in row {
                let shape = self.graph().shape(block.node);
                if shape.0 != height {
                    let operands = [*first, *block];
                    self.misfit(
                        Code::ShapesStack,
                        block.span,
                        "blocks of one row have the same number of rows".to_string(),
                        &operands,
                        " beside ",
                        Vec::new(),
                    );
                    return false;
                }
                n_cols += shape.1;
            }
            let span = row.last().map_or(first.span, |last| first.span.to(last.span));
            match width {
                Some((n, place)) if n != n_cols => {
                    let shapes: Vec<String> =
                        row.iter().map(|b| shape_text(self.graph().shape(b.node))).collect();
                    self.report(
                        Diagnostic::new(
                            Code::ShapesStack,
                            span,
                            "the rows of a matrix have the same number of columns",
                        )
                        .label(format!("{n_cols} columns ({})", shapes.join(", ")))
                        .secondary(place, format!("{n} columns")),
                    );
                    return false;
                }
                Some(_) => {}
                None => width = Some((n_cols, span)),
            }
        }
        true
    }
}
