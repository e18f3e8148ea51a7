//! Products of many matrices in the order that costs least.
//!
//! Takes a graph, gives one in which every product of products used once is multiplied in the
//! order with the fewest multiplications, by dynamic programming over the factors (Cormen et al.,
//! "Introduction to Algorithms", section 14.2), nonzeros of products estimated from those of their
//! factors.

use super::language::Form;
use super::view::{form_of, is_whole_product};
use crate::graph::{Graph, NodeId, Op, visit};
use crate::ops::matrix::product;

/// Longer products are taken apart.
const MAX_FACTORS: usize = 64;

/// The graph with all chains of products in their cheapest order.
pub fn order_products(graph: &Graph, roots: &[NodeId]) -> (Graph, Vec<NodeId>) {
    let order = visit::reachable(graph, roots);
    let uses = visit::use_counts(graph, &order, roots);
    // The factors of products, and which products are parts of others.
    let mut factors: Vec<Vec<NodeId>> = vec![Vec::new(); graph.len()];
    let mut is_part = vec![false; graph.len()];
    for &id in &order {
        if !is_whole_product(graph, id) {
            continue;
        }
        let mut all: Vec<NodeId> = Vec::new();
        for &arg in graph.args(id) {
            let inner = factors[arg.index()].len();
            if inner > 0 && uses[arg.index()] == 1 && all.len() + inner < MAX_FACTORS {
                is_part[arg.index()] = true;
                all.extend_from_slice(&factors[arg.index()]);
            } else {
                all.push(arg);
            }
        }
        factors[id.index()] = all;
    }
    let mut to = Graph::new();
    to.set_folds_real(true);
    let mut copies: Vec<NodeId> = vec![NodeId(u32::MAX); graph.len()];
    for id in order {
        let chain = &factors[id.index()];
        copies[id.index()] = match graph.op(id) {
            // What is written out by the product that it is a part of.
            Op::MatMul if is_part[id.index()] => continue,
            Op::MatMul if chain.len() > 2 => {
                let forms: Vec<Form> = chain.iter().map(|&f| form_of(graph, f)).collect();
                let values: Vec<NodeId> = chain.iter().map(|f| copies[f.index()]).collect();
                let value = multiply(&mut to, &values, &forms);
                to.project(value, graph.pattern(id))
            }
            Op::Input => to.input(graph.number(id), graph.pattern(id).clone()),
            _ => {
                let args: Vec<NodeId> = graph.args(id).iter().map(|a| copies[a.index()]).collect();
                super::copied(graph, id, &mut to, &args)
            }
        };
    }
    let roots = roots.iter().map(|root| copies[root.index()]).collect();
    (to, roots)
}

/// The product of `values` in the cheapest order.
fn multiply(graph: &mut Graph, values: &[NodeId], forms: &[Form]) -> NodeId {
    let n = forms.len();
    // Of the factors from i to j: cost, form, and after which factor they are split.
    let mut best: Vec<(f64, Form, usize)> = vec![(0.0, forms[0], 0); n * n];
    for (i, form) in forms.iter().enumerate() {
        best[i * n + i] = (0.0, *form, i);
    }
    for length in 2..=n {
        for i in 0..=n - length {
            let j = i + length - 1;
            let split = |k: usize| {
                let (left, right) = (&best[i * n + k], &best[(k + 1) * n + j]);
                (left.0 + right.0 + left.1.n_products(&right.1), left.1.product(&right.1), k)
            };
            let cheapest = (i..j).map(split).min_by(|a, b| a.0.total_cmp(&b.0));
            if let Some(cheapest) = cheapest {
                best[i * n + j] = cheapest;
            }
        }
    }
    // Parts before what they are parts of.
    let mut stack = vec![(0, n - 1, false)];
    let mut done: Vec<NodeId> = Vec::new();
    while let Some((i, j, is_open)) = stack.pop() {
        if i == j {
            done.push(values[i]);
        } else if is_open {
            let (Some(right), Some(left)) = (done.pop(), done.pop()) else { break };
            done.push(product(graph, left, right));
        } else {
            let k = best[i * n + j].2;
            stack.extend([(i, j, true), (k + 1, j, false), (i, k, false)]);
        }
    }
    done.pop().unwrap_or(values[0])
}
