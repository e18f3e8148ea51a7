//! Equality saturation of the scalar operations of a graph, block by block.
//!
//! A block is a run of at most [`MAX_BLOCK`] operations; what comes from outside of it is an atom.
//! Rules are applied to all of a block's e-graph a bounded number of times, within a bounded
//! number of nodes, never by the clock; equal blocks are done once. A block is replaced only if
//! its cost falls. Willsey et al., "egg: Fast and extensible equality saturation" (2021).

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use rustc_hash::{FxHashMap, FxHashSet};

use egg::Id;

use super::extract::extract;
use super::facts::Facts;
use super::language::{Classes, FactsOf, Head, add};
use super::matching::{RuleBook, Session};
use super::view::View;
use crate::graph::visit::{copy_node, reachable, use_counts};
use crate::graph::{Graph, NodeId, Op};
use crate::ops::scalar::ScalarOp;
use crate::sparsity::Pattern;

/// Most operations in one block.
const MAX_BLOCK: usize = 500;
/// Longest sum or product that is matched as one node.
const MAX_OPERANDS: usize = 8;

/// Bounds of the search.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub n_iterations: usize,
    /// Nodes of the e-graph for each node of the block.
    pub growth: usize,
    /// Whether sums and products may be taken apart in any order.
    pub reassociate: bool,
    /// Whether to search blocks of nothing but sums and products, which other stages treat, too.
    pub polynomials: bool,
}

/// A piece of straight-line scalar code, operands before users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Block {
    nodes: Vec<(Head, Vec<u32>)>,
    /// Bits of the facts of each atom.
    atoms: Vec<[u64; 3]>,
    outputs: Vec<u32>,
}

impl Block {
    /// There are sums and products alone.
    fn is_polynomial(&self) -> bool {
        let is_other = |head: &Head| match head {
            Head::Apply(op) => *op != ScalarOp::Neg,
            Head::Atom(_) | Head::Constant(_) | Head::Sum | Head::Product => false,
        };
        !self.nodes.iter().any(|node| is_other(&node.0))
    }
}

/// Copies what `outputs` need, with cheaper equal expressions by the given rules.
pub fn saturate(
    graph: &Graph,
    outputs: &[NodeId],
    ranges: &[Option<(f64, f64)>],
    rules: &RuleBook,
    bounds: Bounds,
) -> (Graph, Vec<NodeId>) {
    let order = reachable(graph, outputs);
    let uses = use_counts(graph, &order, outputs);
    let block_of = blocks(graph, &order);
    let mut outside: FxHashSet<NodeId> = outputs.iter().copied().collect();
    for &id in &order {
        for &a in graph.args(id) {
            if block_of[a.index()] != block_of[id.index()] || block_of[id.index()] == NO_BLOCK {
                outside.insert(a);
            }
        }
    }
    let mut to = Graph::new();
    let mut copy = vec![NodeId(u32::MAX); graph.len()];
    let facts = facts(graph, &order, ranges);
    let mut args = Vec::new();
    let mut members: Vec<Vec<NodeId>> = Vec::new();
    for &id in order.iter().filter(|id| block_of[id.index()] != NO_BLOCK) {
        let block = block_of[id.index()] as usize;
        members.resize_with(members.len().max(block + 1), Vec::new);
        members[block].push(id);
    }
    let cuts: Vec<Cut> = members
        .iter()
        .map(|of| cut(graph, of, &block_of, &uses, &outside, &facts, bounds.reassociate))
        .collect();
    let blocks = cuts.iter().map(|cut| &cut.block);
    let is_searched = |block: &&Block| bounds.polynomials || !block.is_polynomial();
    let distinct: FxHashSet<&Block> = blocks.filter(is_searched).collect();
    let improved: FxHashMap<&Block, Option<Block>> =
        distinct.into_par_iter().map(|block| (block, improve(block, rules, bounds))).collect();
    for &id in &order {
        let block = block_of[id.index()];
        if block == NO_BLOCK {
            args.clear();
            args.extend(graph.args(id).iter().map(|a| copy[a.index()]));
            copy[id.index()] = match graph.op(id) {
                Op::Input => to.input(graph.number(id), graph.pattern(id).clone()),
                _ => copy_node(graph, id, &mut to, &args),
            };
            continue;
        }
        // What a block reads precedes its last node, what reads from it follows that.
        if members[block as usize].last() != Some(&id) {
            continue;
        }
        let Cut { block: cut, atoms, roots } = &cuts[block as usize];
        let atoms: Vec<NodeId> = atoms.iter().map(|a| copy[a.index()]).collect();
        match improved.get(cut).and_then(Option::as_ref) {
            Some(better) => {
                let made = build(better, &atoms, &mut to, bounds.reassociate);
                for (root, &k) in roots.iter().zip(&better.outputs) {
                    copy[root.index()] = made[k as usize];
                }
            }
            None => {
                for &id in &members[block as usize] {
                    args.clear();
                    args.extend(graph.args(id).iter().map(|a| copy[a.index()]));
                    copy[id.index()] = copy_node(graph, id, &mut to, &args);
                }
            }
        }
    }
    let outputs = outputs.iter().map(|o| copy[o.index()]).collect();
    (to, outputs)
}

const NO_BLOCK: u32 = u32::MAX;

fn is_scalar_operation(graph: &Graph, id: NodeId) -> bool {
    matches!(graph.op(id), Op::Scalar(_))
        && graph.nnz(id) == 1
        && graph.shape(id) == (1, 1)
        && graph.args(id).iter().all(|&a| graph.shape(a) == (1, 1))
}

/// The block of each node: a run of scalar operations. A run ends where a node that is none of
/// them reads from it, so that blocks depend on one another in order.
fn blocks(graph: &Graph, order: &[NodeId]) -> Vec<u32> {
    let mut block_of = vec![NO_BLOCK; graph.len()];
    let (mut block, mut n) = (0, 0);
    for &id in order {
        if is_scalar_operation(graph, id) {
            if n == MAX_BLOCK {
                (block, n) = (block + 1, 0);
            }
            block_of[id.index()] = block;
            n += 1;
        } else if n > 0 && graph.args(id).iter().any(|a| block_of[a.index()] == block) {
            (block, n) = (block + 1, 0);
        }
    }
    block_of
}

fn facts(graph: &Graph, order: &[NodeId], ranges: &[Option<(f64, f64)>]) -> Vec<Facts> {
    let mut facts = vec![Facts::UNKNOWN; graph.len()];
    let mut args = Vec::new();
    for &id in order {
        facts[id.index()] = match graph.op(id) {
            Op::Const if graph.pattern(id).is_zero() => Facts::constant(0.0),
            Op::Const => graph.as_uniform(id).map_or(Facts::UNKNOWN, Facts::constant),
            Op::Input => match ranges.get(graph.number(id)) {
                Some(Some((lo, hi))) => Facts::within(*lo, *hi),
                _ => Facts::UNKNOWN,
            },
            Op::Mark => facts[graph.arg(id, 0).index()],
            Op::Scalar(op) if is_scalar_operation(graph, id) => {
                args.clear();
                args.extend(graph.args(id).iter().map(|a| facts[a.index()]));
                Facts::of(op, &args)
            }
            // A part of a value lies where the whole does.
            Op::Gather => Facts { constant: None, ..facts[graph.arg(id, 0).index()] },
            _ => Facts::UNKNOWN,
        };
    }
    facts
}

/// A block of some nodes, the nodes its atoms stand for, and the nodes of its outputs.
struct Cut {
    block: Block,
    atoms: Vec<NodeId>,
    roots: Vec<NodeId>,
}

fn cut(
    graph: &Graph,
    members: &[NodeId],
    block_of: &[u32],
    uses: &[u32],
    outside: &FxHashSet<NodeId>,
    facts: &[Facts],
    reassociate: bool,
) -> Cut {
    let mut block = Block::default();
    let mut atoms = Vec::new();
    let mut roots = Vec::new();
    let mut number: FxHashMap<NodeId, u32> = FxHashMap::default();
    let inside =
        |id: NodeId| members.first().is_some_and(|m| block_of[m.index()] == block_of[id.index()]);
    // An operand that only its user needs joins its user's sum or product.
    let kind = |id: NodeId| match graph.op(id) {
        Op::Scalar(ScalarOp::Add | ScalarOp::Sub) => Some(Head::Sum),
        Op::Scalar(ScalarOp::Mul) => Some(Head::Product),
        _ => None,
    };
    let joins = |id: NodeId, user: NodeId| {
        reassociate
            && uses[id.index()] == 1
            && inside(id)
            && kind(id).is_some()
            && kind(id) == kind(user)
    };
    let mut joined: FxHashSet<NodeId> = FxHashSet::default();
    for &id in members.iter().rev() {
        let mut operands = 2;
        let mut pending: Vec<NodeId> = graph.args(id).to_vec();
        while let Some(a) = pending.pop() {
            if !joined.contains(&id) && joins(a, id) && operands < MAX_OPERANDS {
                operands += 1;
                joined.insert(a);
                pending.extend(graph.args(a));
            }
        }
    }
    for &id in members.iter().filter(|id| !joined.contains(id)) {
        let mut operand = |block: &mut Block, a: NodeId, negated: bool| -> u32 {
            let k = *number.entry(a).or_insert_with(|| {
                let head = match facts[a.index()].constant {
                    Some(v) if graph.op(a) == Op::Const => Head::Constant(v.to_bits()),
                    _ => {
                        let f = &facts[a.index()];
                        let flags = u64::from(f.nonzero) | u64::from(f.integer) << 1;
                        block.atoms.push([f.lo.to_bits(), f.hi.to_bits(), flags]);
                        atoms.push(a);
                        Head::Atom(atoms.len() as u32 - 1)
                    }
                };
                block.nodes.push((head, Vec::new()));
                block.nodes.len() as u32 - 1
            });
            if !negated {
                return k;
            }
            block.nodes.push((Head::Apply(ScalarOp::Neg), vec![k]));
            block.nodes.len() as u32 - 1
        };
        let args = graph.args(id);
        let Op::Scalar(op) = graph.op(id) else { continue };
        let node = match (kind(id), op) {
            (Some(head), _) => {
                let mut children = Vec::new();
                let mut pending = vec![(id, false)];
                while let Some((n, negated)) = pending.pop() {
                    if n != id && !joined.contains(&n) {
                        children.push(operand(&mut block, n, negated));
                        continue;
                    }
                    let flipped = negated != (graph.op(n) == Op::Scalar(ScalarOp::Sub));
                    pending.push((graph.arg(n, 1), flipped));
                    pending.push((graph.arg(n, 0), negated));
                }
                (head, children)
            }
            (None, ScalarOp::Pow) if graph.as_uniform(args[1]) == Some(2.0) && reassociate => {
                let k = operand(&mut block, args[0], false);
                (Head::Product, vec![k, k])
            }
            _ => {
                let children = args.iter().map(|&a| operand(&mut block, a, false)).collect();
                (Head::Apply(op), children)
            }
        };
        block.nodes.push(node);
        number.insert(id, block.nodes.len() as u32 - 1);
        if outside.contains(&id) {
            block.outputs.push(block.nodes.len() as u32 - 1);
            roots.push(id);
        }
    }
    Cut { block, atoms, roots }
}

/// A cheaper equal block, if one is found.
///
/// Rules that make calls of functions out of arithmetic lead extraction astray where the calls
/// that they replace stay for other uses, so what is found without these rules counts as well.
fn improve(block: &Block, rules: &RuleBook, bounds: Bounds) -> Option<Block> {
    let mut best = None;
    let mut least = price(block);
    for with_calls in [false, true] {
        let (classes, ids, is_all) = explore(block, rules, bounds, with_calls);
        if let Some(better) = read_back(block, &classes, &ids)
            && price(&better) < least
            && (bounds.reassociate || keeps_zeros(&better))
        {
            least = price(&better);
            best = Some(better);
        }
        if is_all {
            break;
        }
    }
    best
}

/// The e-graph of a block after the rules, the classes of its nodes, and whether no rule that
/// matched was left out.
fn explore(
    block: &Block,
    rules: &RuleBook,
    bounds: Bounds,
    with_calls: bool,
) -> (Classes, Vec<Id>, bool) {
    let atoms = block.atoms.iter().map(|&[lo, hi, flags]| Facts {
        lo: f64::from_bits(lo),
        hi: f64::from_bits(hi),
        nonzero: flags & 1 != 0,
        integer: flags & 2 != 0,
        constant: None,
    });
    let mut classes = Classes::new(FactsOf { atoms: atoms.collect() });
    let mut ids: Vec<Id> = Vec::with_capacity(block.nodes.len());
    for (head, children) in &block.nodes {
        let children = children.iter().map(|&k| ids[k as usize]).collect();
        ids.push(add(&mut classes, *head, children));
    }
    classes.rebuild();
    let limit = classes.total_size() * bounds.growth + 100;
    let mut session = Session::new(with_calls, limit);
    for _ in 0..bounds.n_iterations {
        let matches = rules.search(&classes, &View::new(&classes));
        let before = (classes.total_size(), classes.number_of_classes());
        rules.apply(&mut classes, &matches, &mut session);
        classes.rebuild();
        if before == (classes.total_size(), classes.number_of_classes())
            || classes.total_size() > limit
        {
            break;
        }
    }
    (classes, ids, session.is_all)
}

/// Whether no result of a block became a zero and no zero became negative. In a graph zeros have no
/// sign, and numbers that are zero stand for structural ones, which times infinity are still zero.
fn keeps_zeros(block: &Block) -> bool {
    let head = |k: u32| block.nodes[k as usize].0;
    let is_zero = |k: &u32| matches!(head(*k), Head::Constant(bits) if f64::from_bits(bits) == 0.0);
    let is_negative = |(head, _): &(Head, _)| *head == Head::Constant((-0.0f64).to_bits());
    !block.outputs.iter().any(is_zero) && !block.nodes.iter().any(is_negative)
}

fn price(block: &Block) -> u64 {
    block.nodes.iter().map(|(head, children)| head.cost(children.len())).sum()
}

/// The chosen expressions of the outputs as a block.
fn read_back(block: &Block, classes: &Classes, ids: &[Id]) -> Option<Block> {
    let chosen = extract(classes);
    let mut made: FxHashMap<Id, u32> = FxHashMap::default();
    let mut better = Block { atoms: block.atoms.clone(), ..Block::default() };
    for &output in &block.outputs {
        let root = classes.find(ids[output as usize]);
        let mut pending = vec![(root, false)];
        while let Some((id, ready)) = pending.pop() {
            if made.contains_key(&id) {
                continue;
            }
            let node = &classes[id].nodes[*chosen.get(&id)?];
            let children: Vec<Id> = node.children.iter().map(|&c| classes.find(c)).collect();
            if !ready {
                pending.push((id, true));
                pending
                    .extend(children.iter().filter(|c| !made.contains_key(c)).map(|&c| (c, false)));
                if pending.len() > 16 * (classes.total_size() + 16) {
                    // Never with an extraction without circles.
                    return None;
                }
                continue;
            }
            let children = children.iter().map(|c| made.get(c).copied()).collect::<Option<_>>()?;
            better.nodes.push((node.head, children));
            made.insert(id, better.nodes.len() as u32 - 1);
        }
        better.outputs.push(made[&root]);
    }
    Some(better)
}

/// Builds a block in a graph. Zeros are structural ones if that may change the sign of a zero.
fn build(block: &Block, atoms: &[NodeId], to: &mut Graph, structural_zeros: bool) -> Vec<NodeId> {
    let mut made: Vec<NodeId> = Vec::with_capacity(block.nodes.len());
    for (head, children) in &block.nodes {
        let args: Vec<NodeId> = children.iter().map(|&k| made[k as usize]).collect();
        let node = match head {
            Head::Constant(bits) => match f64::from_bits(*bits) {
                0.0 if !structural_zeros => to.explicit_zeros(Pattern::scalar()),
                value => to.constant(value),
            },
            Head::Atom(k) => atoms[*k as usize],
            Head::Sum => args[1..].iter().fold(args[0], |sum, &a| to.add(sum, a)),
            Head::Product => args[1..].iter().fold(args[0], |product, &a| to.mul(product, a)),
            Head::Apply(op) => to.scalar(*op, &args),
        };
        made.push(node);
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simplify::rules::{Math, built_in};
    use crate::simplify::{SimplifyOptions, simplify};
    use crate::sparsity::Pattern;

    fn evaluate(graph: &Graph, outputs: &[NodeId], x: &[f64]) -> Vec<f64> {
        let mut values = vec![0.0; graph.len()];
        for id in reachable(graph, outputs) {
            values[id.index()] = match graph.op(id) {
                Op::Input => x[graph.number(id)],
                Op::Scalar(op) => {
                    let args = graph.args(id).iter().map(|a| values[a.index()]);
                    op.eval(&args.collect::<Vec<_>>())
                }
                _ => graph.as_uniform(id).unwrap_or(f64::NAN),
            };
        }
        outputs.iter().map(|o| values[o.index()]).collect()
    }

    #[test]
    fn random_blocks_keep_their_values() {
        use ScalarOp as S;
        let rules = RuleBook::new(&built_in().rules, Math::Real);
        let ops = [S::Add, S::Sub, S::Mul, S::Mul, S::Add, S::Neg, S::Sin, S::Abs, S::Max, S::Div];
        let mut state = 1u64;
        let mut random = move |n: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % n
        };
        for round in 0..24 {
            let n_kinds = if round % 3 == 0 { ops.len() } else { 3 + round % 3 };
            let mut graph = Graph::new();
            let mut nodes: Vec<NodeId> =
                (0..6).map(|k| graph.input(k, Pattern::scalar())).collect();
            nodes.push(graph.constant(1.0));
            nodes.push(graph.constant(2.0));
            for _ in 0..10 + round * 30 {
                let op = ops[random(n_kinds)];
                let near = nodes.len().min(12);
                let mut pick = || {
                    let k = if random(2) == 0 { nodes.len() - 1 - random(near) } else { random(8) };
                    nodes[k]
                };
                let mut args: Vec<NodeId> = (0..op.arity()).map(|_| pick()).collect();
                if op == S::Mul && random(4) == 0 {
                    args[1] = args[0];
                }
                nodes.push(graph.scalar(op, &args));
            }
            let outputs: Vec<NodeId> = nodes.iter().copied().skip(10).step_by(7).collect();
            let x = [0.31, -0.42, 0.53, 0.64, -0.75, 0.86];
            let want = evaluate(&graph, &outputs, &x);
            let bounds =
                Bounds { n_iterations: 4, growth: 4, reassociate: true, polynomials: true };
            let mut forms = vec![saturate(&graph, &outputs, &[], &rules, bounds)];
            for level in 0..4 {
                let options = SimplifyOptions { level, ..SimplifyOptions::default() };
                forms.push(simplify(&graph, &outputs, &[], &options));
            }
            for (form, (better, roots)) in forms.iter().enumerate() {
                let got = evaluate(better, roots, &x);
                for (k, (g, w)) in got.iter().zip(&want).enumerate() {
                    // Sensitive values are no measure.
                    let wild = !w.is_finite() || w.abs() > 1e6;
                    let close = (g - w).abs() < 1e-6 * w.abs().max(1.0);
                    assert!(wild || close, "{round}, form {form}, output {k}: {g} {w}");
                }
            }
        }
    }
}
