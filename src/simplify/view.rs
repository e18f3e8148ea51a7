//! A frozen e-graph, laid out for matching.
//!
//! Taken after a rebuild: classes are numbered by increasing identifier, children are class
//! numbers, and each class knows which heads its nodes have.

use egg::Id;

use super::language::{Classes, Head};
use crate::ops::scalar::ScalarOp;

/// A set of heads, a bit for each kind.
pub type Heads = u128;

const _: () = assert!(ScalarOp::ALL.len() + N_OTHERS <= Heads::BITS as usize);
const N_OTHERS: usize = 4;

/// How many kinds of heads there are.
pub const N_KINDS: usize = ScalarOp::ALL.len() + N_OTHERS;

/// The number of a head among the kinds of heads; constants are one kind, and so are atoms.
pub fn kind(head: Head) -> usize {
    match head {
        Head::Constant(_) => 0,
        Head::Atom(_) => 1,
        Head::Sum => 2,
        Head::Product => 3,
        Head::Apply(op) => N_OTHERS + op as usize,
    }
}

/// The set of one head.
pub fn only(head: Head) -> Heads {
    1 << kind(head)
}

/// A frozen e-graph.
pub struct View {
    classes: Vec<Class>,
    nodes: Vec<Node>,
    children: Vec<u32>,
    /// The heads that occur.
    pub heads: Heads,
}

struct Class {
    id: Id,
    heads: Heads,
    constant: Option<f64>,
    /// Its first node; those of the next class follow.
    first: u32,
}

#[derive(Clone, Copy)]
struct Node {
    head: Head,
    first: u32,
    len: u32,
}

impl View {
    /// The view of a rebuilt e-graph.
    pub fn new(classes: &Classes) -> View {
        let mut ids: Vec<Id> = classes.classes().map(|c| c.id).collect();
        ids.sort_unstable();
        let n_ids = ids.last().map_or(0, |&id| usize::from(id) + 1);
        let mut number = vec![u32::MAX; n_ids];
        for (k, &id) in ids.iter().enumerate() {
            number[usize::from(id)] = k as u32;
        }
        let mut view = View {
            classes: Vec::with_capacity(ids.len() + 1),
            nodes: Vec::with_capacity(classes.total_size()),
            children: Vec::with_capacity(3 * classes.total_size()),
            heads: 0,
        };
        for &id in &ids {
            let class = &classes[id];
            let mut heads = 0;
            let first = view.nodes.len() as u32;
            for node in &class.nodes {
                heads |= only(node.head);
                view.nodes.push(Node {
                    head: node.head,
                    first: view.children.len() as u32,
                    len: node.children.len() as u32,
                });
                let children = node.children.iter();
                view.children.extend(children.map(|&c| number[usize::from(classes.find(c))]));
            }
            view.heads |= heads;
            view.classes.push(Class { id, heads, constant: class.data.constant, first });
        }
        view
    }

    pub fn n_classes(&self) -> usize {
        self.classes.len()
    }

    /// The identifier of a class in the e-graph.
    pub fn id(&self, class: u32) -> Id {
        self.classes[class as usize].id
    }

    /// The heads of the nodes of a class.
    pub fn heads_of(&self, class: u32) -> Heads {
        self.classes[class as usize].heads
    }

    /// The value of a class that is constant.
    pub fn constant(&self, class: u32) -> Option<f64> {
        self.classes[class as usize].constant
    }

    /// The nodes of a class that have a head: their children.
    pub fn nodes(&self, class: u32, head: Head) -> impl Iterator<Item = &[u32]> {
        let first = self.classes[class as usize].first as usize;
        let next = self.classes.get(class as usize + 1);
        let end = next.map_or(self.nodes.len(), |c| c.first as usize);
        self.nodes[first..end]
            .iter()
            .filter(move |node| node.head == head)
            .map(|node| &self.children[node.first as usize..(node.first + node.len) as usize])
    }
}
