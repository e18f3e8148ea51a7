//! Matrix literals: entries and blocks.

use super::misfit::{Operand, shape_text};
use super::{Lowerer, Value};
use crate::graph::{Graph, NodeId};
use crate::sparsity::{IndexMap, Pattern};
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
        let nodes: Vec<Vec<NodeId>> =
            grid.iter().map(|row| row.iter().map(|block| block.node).collect()).collect();
        let n_rows = nodes.iter().map(|row| row.first().map_or(0, |&b| self.graph().shape(b).0));
        let n_rows: usize = n_rows.sum();
        let first = nodes.first().map_or(&[][..], |row| row);
        let n_cols: usize = first.iter().map(|&b| self.graph().shape(b).1).sum();
        let n_cols = if nodes.is_empty() { 1 } else { n_cols };
        if !self.fits(n_rows, n_cols, span) {
            return Value::Error;
        }
        Value::Node(assemble(self.graph(), &nodes, (n_rows, n_cols)))
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

/// Puts blocks together whose shapes fit.
fn assemble(graph: &mut Graph, grid: &[Vec<NodeId>], shape: (usize, usize)) -> NodeId {
    let parts: Vec<NodeId> = grid.iter().flatten().copied().collect();
    let stacked = graph.concat(&parts);
    let in_order = shape.1 == 1 || grid.len() == 1;
    if in_order && parts.iter().all(|&part| graph.pattern(part).is_dense()) {
        let map = IndexMap::identity(shape.0 * shape.1);
        return graph.gather(stacked, map, Pattern::dense(shape.0, shape.1));
    }
    let mut entries: Vec<(u64, u32)> = Vec::new();
    let mut row_start = 0;
    for row in grid {
        let mut column_start = 0;
        for &block in row {
            for (i, j) in graph.pattern(block).entries() {
                let at = (row_start + i) as u64 + (column_start + j) as u64 * shape.0 as u64;
                entries.push((at, entries.len() as u32));
            }
            column_start += graph.shape(block).1;
        }
        row_start += row.first().map_or(0, |&block| graph.shape(block).0);
    }
    entries.sort_unstable();
    let pattern = Pattern::from_linear(shape.0, shape.1, entries.iter().map(|e| e.0));
    let map = IndexMap::from_table(entries.iter().map(|e| e.1).collect());
    graph.gather(stacked, map, pattern)
}
