//! Matrix products.

use super::Dependencies;
use super::accumulation::{Accumulation, ListedPartials, Partials};
use super::context::{Cotangents, MissingDerivative, Tangents};
use super::{Rules, transpose};
use crate::graph::{Graph, NodeId};
use crate::sparsity::adjacency::Lists;

/// The entries of `A * B` in the node's pattern.
pub struct MatMul;

/// For each nonzero (i, j) of a product the nonzeros A(i, l) and B(l, j) for the common l.
fn terms(graph: &Graph, id: NodeId) -> Vec<Vec<(u32, u32)>> {
    let (pa, pb) = (graph.pattern(graph.arg(id, 0)), graph.pattern(graph.arg(id, 1)));
    let (rows, number) = pa.transpose();
    let mut terms: Vec<Vec<(u32, u32)>> = Vec::with_capacity(graph.nnz(id));
    for (i, j) in graph.pattern(id).entries() {
        let (row, column) = (rows.column(i), pb.column(j));
        let mut of = Vec::with_capacity(row.len().min(column.len()));
        // Along the shorter of both.
        if row.len() < column.len() {
            of.extend(row.filter_map(|k| {
                let kb = pb.find(rows.row_of(k, i), j)?;
                Some((number[k], kb as u32))
            }));
        } else {
            of.extend(column.filter_map(|kb| {
                let k = rows.find(pb.row_of(kb, j), i)?;
                Some((number[k], kb as u32))
            }));
        }
        terms.push(of);
    }
    terms
}

impl Rules for MatMul {
    fn tangent(&self, cx: &mut Tangents, id: NodeId) -> Result<(), MissingDerivative> {
        let (a, b) = (cx.graph.arg(id, 0), cx.graph.arg(id, 1));
        let pattern = cx.graph.pattern(id).clone();
        for d in 0..cx.n_directions() {
            let mut sum = None;
            if let Some(da) = cx.get(d, a) {
                sum = Some(cx.graph.matmul_masked(da, b, pattern.clone()));
            }
            if let Some(db) = cx.get(d, b) {
                let term = cx.graph.matmul_masked(a, db, pattern.clone());
                sum = Some(sum.map_or(term, |s| cx.graph.add(s, term)));
            }
            if let Some(sum) = sum {
                cx.set(d, id, sum);
            }
        }
        Ok(())
    }

    fn cotangent(&self, cx: &mut Cotangents, id: NodeId) -> Result<(), MissingDerivative> {
        let (a, b) = (cx.graph.arg(id, 0), cx.graph.arg(id, 1));
        for d in 0..cx.n_directions() {
            let Some(c) = cx.get(d, id) else { continue };
            if cx.wants(a) {
                let bt = transpose(cx.graph, b);
                let share = cx.graph.matmul_masked(c, bt, cx.graph.pattern(a).clone());
                cx.add(d, a, share);
            }
            if cx.wants(b) {
                let at = transpose(cx.graph, a);
                let share = cx.graph.matmul_masked(at, c, cx.graph.pattern(b).clone());
                cx.add(d, b, share);
            }
        }
        Ok(())
    }

    fn dependency(&self, cx: &mut Dependencies, id: NodeId) {
        let (a, b) = (cx.graph.arg(id, 0), cx.graph.arg(id, 1));
        let terms = terms(cx.graph, id);
        cx.set_bilinear(id, a, b, &terms);
    }

    fn jacobian(&self, cx: &mut Accumulation, id: NodeId) -> Result<(), MissingDerivative> {
        if cx.is_rolled() {
            cx.give_up();
            return Ok(());
        }
        let (a, b) = (cx.graph.arg(id, 0), cx.graph.arg(id, 1));
        let terms = terms(cx.graph, id);
        let n = terms.len();
        let mut parts = Vec::new();
        for (of, other, swap) in [(a, b, false), (b, a, true)] {
            let Some(rows) = cx.get(of).cloned() else { continue };
            let pairs = terms.iter().zip(0u32..).flat_map(|(list, i)| {
                list.iter().map(move |&(ka, kb)| (i, if swap { kb } else { ka }))
            });
            let columns = Lists::by_key(n, pairs);
            let sources = terms.iter().flatten().map(|&(ka, kb)| if swap { ka } else { kb });
            let sources = sources.collect();
            let values = Some(cx.node_values(other));
            let partials = ListedPartials { columns, sources, values };
            parts.push((Partials::Listed(partials), rows));
        }
        let rows = cx.chain(n, &parts);
        cx.set(id, rows);
        Ok(())
    }
}
