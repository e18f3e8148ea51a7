//! The cheapest expressions of an e-graph, parts in common counted once.
//!
//! Greedy: each class takes the node whose whole set of needed classes costs least, until nothing
//! changes (the "faster greedy DAG" heuristic of the extraction gym; optimal extraction is
//! NP-hard, Stepp 2011). Sets of classes are sets of bits.

use std::collections::VecDeque;

use egg::Id;
use rustc_hash::FxHashMap;

use super::language::{Classes, Head};

/// The chosen node of a class: its index there, what it costs itself and with all it needs.
#[derive(Clone, Copy)]
struct Choice {
    node: usize,
    own: u64,
    total: u64,
}

/// For each class that can be made, the index of the node to make it by.
pub fn extract(classes: &Classes) -> FxHashMap<Id, usize> {
    let mut ids: Vec<Id> = classes.classes().map(|c| c.id).collect();
    ids.sort_unstable();
    let number: FxHashMap<Id, usize> = ids.iter().enumerate().map(|(k, &id)| (id, k)).collect();
    let n = ids.len();
    let mut children: Vec<Vec<Vec<usize>>> = Vec::with_capacity(n);
    let mut parents: Vec<Vec<usize>> = vec![Vec::new(); n];
    for (k, &id) in ids.iter().enumerate() {
        let nodes = classes[id].nodes.iter();
        let numbers = |c: &Id| number.get(&classes.find(*c)).copied().unwrap_or(n);
        children.push(nodes.map(|node| node.children.iter().map(numbers).collect()).collect());
        for &c in children[k].iter().flatten().filter(|&&c| c < n) {
            parents[c].push(k);
        }
    }
    let n_words = n.div_ceil(64);
    let mut needs: Vec<u64> = vec![0; n * n_words];
    let mut union: Vec<u64> = vec![0; n_words];
    let mut chosen: Vec<Option<Choice>> = vec![None; n];
    let mut queued = vec![true; n];
    let mut pending: VecDeque<usize> = (0..n).collect();
    // Costs fall with each change; the bound stops improvements that go round in circles.
    let mut budget = pending.len() * 20;
    while let Some(k) = pending.pop_front() {
        queued[k] = false;
        let mut changed = false;
        for (node, term) in classes[ids[k]].nodes.iter().enumerate() {
            let bound = chosen[k].map_or(u64::MAX, |c| c.total);
            let own = term.head.cost(term.children.len());
            let operands = &children[k][node];
            let total = |c: &usize| {
                chosen.get(*c).copied().flatten().map_or(u64::MAX, |choice| choice.total)
            };
            let largest = operands.iter().map(total).max().unwrap_or(0);
            let is_circle = |c: &usize| needs[c * n_words + k / 64] >> (k % 64) & 1 == 1;
            if own.saturating_add(largest) >= bound || operands.iter().any(is_circle) {
                continue;
            }
            union.fill(0);
            for &c in operands {
                let set = &needs[c * n_words..(c + 1) * n_words];
                union.iter_mut().zip(set).for_each(|(word, more)| *word |= more);
            }
            let mut total = own;
            for (w, &word) in union.iter().enumerate() {
                let mut word = word;
                while word != 0 {
                    let c = w * 64 + word.trailing_zeros() as usize;
                    total += chosen[c].map_or(0, |choice| choice.own);
                    word &= word - 1;
                }
            }
            if total < bound {
                union[k / 64] |= 1 << (k % 64);
                needs[k * n_words..(k + 1) * n_words].copy_from_slice(&union);
                chosen[k] = Some(Choice { node, own, total });
                changed = true;
            }
            if matches!(term.head, Head::Constant(_)) {
                break;
            }
        }
        if changed && budget > 0 {
            budget -= 1;
            for &parent in &parents[k] {
                if !std::mem::replace(&mut queued[parent], true) {
                    pending.push_back(parent);
                }
            }
        }
    }
    let made = ids.into_iter().zip(chosen);
    made.filter_map(|(id, choice)| Some((id, choice?.node))).collect()
}
