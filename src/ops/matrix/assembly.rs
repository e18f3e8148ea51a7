//! Putting matrices side by side, on top of one another, or anywhere in a larger one.

use crate::graph::{Graph, NodeId};
use crate::sparsity::{IndexMap, Pattern};

/// A matrix and the place of its first entry in a larger one.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    pub row: usize,
    pub col: usize,
    pub node: NodeId,
}

/// The `n_rows` x `n_cols` matrix with the given blocks, which lie inside it and do not overlap;
/// what they leave free is structurally zero.
pub fn assemble(graph: &mut Graph, n_rows: usize, n_cols: usize, blocks: &[Block]) -> NodeId {
    let mut blocks = blocks.to_vec();
    blocks.sort_by_key(|b| (b.col, b.row));
    let parts: Vec<NodeId> = blocks.iter().map(|b| b.node).collect();
    let stacked = graph.concat(&parts);
    let (map, pattern) = arrangement(graph, n_rows, n_cols, &blocks);
    graph.gather(stacked, map, pattern)
}

/// Where the nonzeros of the whole stand among those of the blocks, one block after the other.
/// The blocks are sorted by column, then row.
fn arrangement(
    graph: &Graph,
    n_rows: usize,
    n_cols: usize,
    blocks: &[Block],
) -> (IndexMap, Pattern) {
    let pattern_of = |b: &Block| graph.pattern(b.node);
    let nnz: usize = blocks.iter().map(|b| graph.nnz(b.node)).sum();
    let covered = nnz == n_rows * n_cols && blocks.iter().all(|b| pattern_of(b).is_dense());
    if covered {
        let dense = Pattern::dense(n_rows, n_cols);
        if n_cols == 1 || blocks.iter().all(|b| pattern_of(b).n_rows() == n_rows) {
            return (IndexMap::identity(nnz), dense);
        }
        let height = pattern_of(&blocks[0]).n_rows();
        let stacked =
            blocks.iter().all(|b| pattern_of(b).shape() == (height, n_cols) && b.col == 0);
        if stacked {
            let dims =
                [(height, 1), (blocks.len(), (height * n_cols) as i64), (n_cols, height as i64)];
            return (IndexMap::affine(0, &dims), dense);
        }
    }
    // Counting sort by column; from top to bottom, so that rows increase inside each column.
    let mut starts = vec![0u32; n_cols + 1];
    let mut offsets = Vec::with_capacity(blocks.len());
    let mut offset = 0;
    for b in blocks {
        offsets.push(offset);
        offset += graph.nnz(b.node);
        for j in 0..pattern_of(b).n_cols() {
            starts[b.col + j + 1] += pattern_of(b).column(j).len() as u32;
        }
    }
    for j in 0..n_cols {
        starts[j + 1] += starts[j];
    }
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_by_key(|&b| blocks[b].row);
    let mut next = starts.clone();
    let (mut rows, mut sources) = (vec![0u32; nnz], vec![0u32; nnz]);
    for b in order {
        let (block, pattern) = (&blocks[b], pattern_of(&blocks[b]));
        for j in 0..pattern.n_cols() {
            for k in pattern.column(j) {
                let to = next[block.col + j] as usize;
                next[block.col + j] += 1;
                rows[to] = (block.row + pattern.row_of(k, j)) as u32;
                sources[to] = (offsets[b] + k) as u32;
            }
        }
    }
    let pattern = Pattern::from_csc(n_rows, n_cols, starts, rows)
        .expect("invariant: blocks inside the matrix that do not overlap");
    (IndexMap::from_table(sources), pattern)
}

/// `parts`, all of one height, side by side; 0x0 for none.
pub fn hcat(graph: &mut Graph, parts: &[NodeId]) -> NodeId {
    let n_rows = parts.first().map_or(0, |&p| graph.shape(p).0);
    let mut n_cols = 0;
    let mut blocks = Vec::with_capacity(parts.len());
    for &node in parts {
        blocks.push(Block { row: 0, col: n_cols, node });
        n_cols += graph.shape(node).1;
    }
    assemble(graph, n_rows, n_cols, &blocks)
}

/// `parts`, all of one width, on top of one another; 0x0 for none.
pub fn vcat(graph: &mut Graph, parts: &[NodeId]) -> NodeId {
    let n_cols = parts.first().map_or(0, |&p| graph.shape(p).1);
    let mut n_rows = 0;
    let mut blocks = Vec::with_capacity(parts.len());
    for &node in parts {
        blocks.push(Block { row: n_rows, col: 0, node });
        n_rows += graph.shape(node).0;
    }
    assemble(graph, n_rows, n_cols, &blocks)
}
