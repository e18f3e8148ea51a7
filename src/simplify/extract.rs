//! The cheapest expressions of an e-graph, parts in common counted once.
//!
//! Greedy: each class takes the node whose whole set of needed classes costs least, until nothing
//! changes (the "faster greedy DAG" heuristic of the extraction gym; optimal extraction is
//! NP-hard, Stepp 2011).

use egg::Id;
use rustc_hash::FxHashMap;

use super::language::{Classes, Head};

/// The chosen node of a class: its index there, the classes it needs with their own costs.
#[derive(Clone)]
struct Choice {
    node: usize,
    total: u64,
    needs: FxHashMap<Id, u64>,
}

/// For each class that can be made, the index of the node to make it by.
pub fn extract(classes: &Classes) -> FxHashMap<Id, usize> {
    let mut ids: Vec<Id> = classes.classes().map(|c| c.id).collect();
    ids.sort_unstable();
    let mut parents: FxHashMap<Id, Vec<Id>> = FxHashMap::default();
    for &id in &ids {
        for node in &classes[id].nodes {
            for &c in &node.children {
                parents.entry(classes.find(c)).or_default().push(id);
            }
        }
    }
    let mut chosen: FxHashMap<Id, Choice> = FxHashMap::default();
    let mut queued: FxHashMap<Id, bool> = ids.iter().map(|&id| (id, true)).collect();
    let mut pending: std::collections::VecDeque<Id> = ids.into();
    // Costs fall with each change; the bound stops improvements that go round in circles.
    let mut budget = pending.len() * 20;
    while let Some(id) = pending.pop_front() {
        queued.insert(id, false);
        let mut changed = false;
        for (k, node) in classes[id].nodes.iter().enumerate() {
            let bound = chosen.get(&id).map_or(u64::MAX, |c| c.total);
            if let Some(choice) = price(classes, &chosen, id, k, bound) {
                chosen.insert(id, choice);
                changed = true;
            }
            if matches!(node.head, Head::Constant(_)) {
                break;
            }
        }
        if changed && budget > 0 {
            budget -= 1;
            for &parent in parents.get(&id).map_or(&[][..], |p| p) {
                if queued.insert(parent, true) == Some(false) {
                    pending.push_back(parent);
                }
            }
        }
    }
    chosen.into_iter().map(|(id, choice)| (id, choice.node)).collect()
}

/// Node `k` of a class with all it needs, if that costs less than `bound`.
fn price(
    classes: &Classes,
    chosen: &FxHashMap<Id, Choice>,
    id: Id,
    k: usize,
    bound: u64,
) -> Option<Choice> {
    let node = &classes[id].nodes[k];
    let own = node.head.cost(node.children.len());
    let children: Vec<&Choice> =
        node.children.iter().map(|&c| chosen.get(&classes.find(c))).collect::<Option<_>>()?;
    let largest = children.iter().map(|c| c.total).max().unwrap_or(0);
    if own.saturating_add(largest) >= bound || children.iter().any(|c| c.needs.contains_key(&id)) {
        return None;
    }
    let mut needs = FxHashMap::default();
    let mut biggest = children.iter().max_by_key(|c| c.needs.len());
    if let Some(first) = biggest.take() {
        needs = first.needs.clone();
    }
    for child in &children {
        needs.extend(child.needs.iter().map(|(&c, &cost)| (c, cost)));
    }
    needs.insert(id, own);
    let total: u64 = needs.values().sum();
    (total < bound).then_some(Choice { node: k, total, needs })
}
