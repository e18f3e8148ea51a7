//! Small matrices become scalars, small calls are put in place.
//!
//! Simplification works on scalar nodes. Long values stay matrices, and loops stay loops: the
//! size of the result is bounded by a constant times that of the source.

use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{Func, Graph, LoopSpec, NodeId, Op, Payload, visit};
use crate::sparsity::{IndexMap, Pattern};

/// Values with at most so many nonzeros are computed as scalars.
const SMALL: usize = 64;

/// Products of matrices with at most so many multiplications are written out.
const SMALL_PRODUCT: usize = 512;

/// Functions with at most so many nodes are put in place of their calls.
const INLINE: usize = 200;

/// Expands `outputs` of `graph` into a new graph with the same inputs. `nested` gives what is to
/// stand for a called function. The patterns of the outputs do not change.
pub fn expand(
    graph: &Graph,
    outputs: &[NodeId],
    nested: &mut dyn FnMut(&Arc<Func>) -> Arc<Func>,
) -> (Graph, Vec<NodeId>) {
    expanded(graph, outputs, is_small, nested)
}

/// [`expand`], with all functions in place of their calls that have no derivative of their own.
pub fn expand_whole(graph: &Graph, outputs: &[NodeId]) -> (Graph, Vec<NodeId>) {
    expanded(graph, outputs, |f| f.jvp.is_none(), &mut |f| f.clone())
}

fn expanded(
    graph: &Graph,
    outputs: &[NodeId],
    inlines: fn(&Func) -> bool,
    nested: &mut dyn FnMut(&Arc<Func>) -> Arc<Func>,
) -> (Graph, Vec<NodeId>) {
    let mut expansion = Expansion { to: Graph::new(), inlines, nested };
    expansion.to.set_folds_real(true);
    let values = expansion.values(graph, outputs, None);
    let roots = outputs
        .iter()
        .zip(values)
        .map(|(&o, value)| expansion.whole(&value, graph.pattern(o)))
        .collect();
    (expansion.to, roots)
}

/// Copies `outputs` of `graph` into a new graph as they are, except for what `nested` gives to
/// stand for called functions.
pub fn copy_nested(
    graph: &Graph,
    outputs: &[NodeId],
    nested: &mut dyn FnMut(&Arc<Func>) -> Arc<Func>,
) -> (Graph, Vec<NodeId>) {
    let mut expansion = Expansion { to: Graph::new(), inlines: is_small, nested };
    let mut copies = vec![NodeId(0); graph.len()];
    let mut results: FxHashMap<NodeId, Vec<NodeId>> = FxHashMap::default();
    for id in visit::reachable(graph, outputs) {
        let args: Vec<NodeId> = graph.args(id).iter().map(|a| copies[a.index()]).collect();
        copies[id.index()] = match graph.op(id) {
            Op::Input => expansion.to.input(graph.number(id), graph.pattern(id).clone()),
            Op::Call | Op::Loop | Op::Cond => {
                let args: Vec<NodeId> = args
                    .iter()
                    .zip(graph.args(id))
                    .map(|(&copy, &a)| expansion.to.project(copy, graph.pattern(a)))
                    .collect();
                results.insert(id, expansion.called(graph, id, &args));
                continue;
            }
            Op::Result => match results.get(&graph.arg(id, 0)) {
                Some(results) => results[graph.number(id)],
                None => continue,
            },
            _ => visit::copy_node(graph, id, &mut expansion.to, &args),
        };
    }
    let roots = outputs
        .iter()
        .map(|o| expansion.to.project(copies[o.index()], graph.pattern(*o)))
        .collect();
    (expansion.to, roots)
}

fn is_small(f: &Func) -> bool {
    f.size() <= INLINE
}

/// A value as one node, as scalars, or both.
#[derive(Clone)]
struct Value {
    whole: Option<NodeId>,
    scalars: Option<Rc<[NodeId]>>,
}

impl Value {
    fn of_whole(id: NodeId) -> Value {
        Value { whole: Some(id), scalars: None }
    }

    fn of_scalars(scalars: Vec<NodeId>) -> Value {
        Value { whole: None, scalars: Some(scalars.into()) }
    }
}

struct Expansion<'n> {
    to: Graph,
    /// Which functions are put in place of their calls.
    inlines: fn(&Func) -> bool,
    nested: &'n mut dyn FnMut(&Arc<Func>) -> Arc<Func>,
}

impl Expansion<'_> {
    /// Expands what `outputs` need; `inputs` stand for the inputs, or they are made anew.
    fn values(
        &mut self,
        graph: &Graph,
        outputs: &[NodeId],
        inputs: Option<&[Value]>,
    ) -> Vec<Value> {
        let order = visit::reachable(graph, outputs);
        let mut values: Vec<Option<Value>> =
            vec![None; order.last().map_or(0, |id| id.index() + 1)];
        let mut results: FxHashMap<NodeId, Vec<Value>> = FxHashMap::default();
        for id in order {
            let value = match graph.op(id) {
                Op::Input => match inputs {
                    Some(inputs) => inputs[graph.number(id)].clone(),
                    None => {
                        let pattern = graph.pattern(id).clone();
                        Value::of_whole(self.to.input(graph.number(id), pattern))
                    }
                },
                Op::Result => {
                    let of = results.get(&graph.arg(id, 0));
                    match of.and_then(|r| r.get(graph.number(id))) {
                        Some(value) => value.clone(),
                        None => continue,
                    }
                }
                Op::Call | Op::Loop | Op::Cond => {
                    let of = self.multi(graph, id, &values);
                    results.insert(id, of);
                    continue;
                }
                _ => self.node(graph, id, &values),
            };
            values[id.index()] = Some(value);
        }
        let missing = Value::of_scalars(Vec::new());
        outputs
            .iter()
            .map(|o| values[o.index()].clone().unwrap_or_else(|| missing.clone()))
            .collect()
    }

    fn node(&mut self, graph: &Graph, id: NodeId, values: &[Option<Value>]) -> Value {
        let n = graph.nnz(id);
        let args = graph.args(id);
        let value = |a: NodeId| values[a.index()].as_ref().expect("invariant: operands come first");
        match graph.op(id) {
            Op::Mark => value(args[0]).clone(),
            Op::Scalar(op) if n <= SMALL => {
                let scalars = (0..n)
                    .map(|k| {
                        let mut operands = [NodeId(0); 3];
                        for (to, &a) in operands.iter_mut().zip(args) {
                            let k = if graph.nnz(a) == 1 { 0 } else { k };
                            *to = self.scalar(value(a), k);
                        }
                        self.to.scalar(op, &operands[..args.len()])
                    })
                    .collect();
                Value::of_scalars(scalars)
            }
            Op::Gather => {
                let source = value(args[0]).clone();
                let Some(map) = graph.map(id) else { return source };
                // Few scalars at many places are not written out.
                if n > SMALL && graph.nnz(args[0]) <= SMALL {
                    let whole = self.whole(&source, graph.pattern(args[0]));
                    let spread = self.to.gather(whole, map.clone(), graph.pattern(id).clone());
                    return Value::of_whole(spread);
                }
                let scalars =
                    source.scalars.as_ref().map(|s| map.iter().map(|k| s[k]).collect::<Rc<[_]>>());
                let whole =
                    source.whole.map(|w| self.to.gather(w, map.clone(), graph.pattern(id).clone()));
                Value { whole, scalars }
            }
            Op::Scatter if n <= SMALL || value(args[0]).scalars.is_some() => {
                let source = value(args[0]).clone();
                let Some(map) = graph.map(id) else { return source };
                let mut sums: Vec<Option<NodeId>> = vec![None; n];
                for (k, to) in map.iter().enumerate() {
                    let term = self.scalar(&source, k);
                    sums[to] = Some(sums[to].map_or(term, |sum| self.to.add(sum, term)));
                }
                let zero = self.to.zero(1, 1);
                Value::of_scalars(sums.into_iter().map(|s| s.unwrap_or(zero)).collect())
            }
            Op::Concat
                if n <= SMALL
                    || args.iter().all(|&a| graph.nnz(a) == 1 || value(a).scalars.is_some()) =>
            {
                let mut scalars = Vec::with_capacity(n);
                for &a in args {
                    let part = value(a).clone();
                    scalars.extend((0..graph.nnz(a)).map(|k| self.scalar(&part, k)));
                }
                Value::of_scalars(scalars)
            }
            Op::MatMul if n <= SMALL => match products(graph, id) {
                Some(terms) => {
                    let (a, b) = (value(args[0]).clone(), value(args[1]).clone());
                    let mut scalars = Vec::with_capacity(n);
                    for terms in terms {
                        let mut sum = self.to.zero(1, 1);
                        for (ka, kb) in terms {
                            let (x, y) = (self.scalar(&a, ka), self.scalar(&b, kb));
                            let product = self.to.mul(x, y);
                            sum = self.to.add(sum, product);
                        }
                        scalars.push(sum);
                    }
                    Value::of_scalars(scalars)
                }
                None => self.keep(graph, id, values),
            },
            Op::Reduce(reduction)
                if graph.nnz(args[0]) <= SMALL || value(args[0]).scalars.is_some() =>
            {
                let source = value(args[0]).clone();
                let mut all = self.scalar(&source, 0);
                for k in 1..graph.nnz(args[0]) {
                    let next = self.scalar(&source, k);
                    all = self.to.binary(reduction.op(), all, next);
                }
                Value::of_scalars(vec![all])
            }
            _ => self.keep(graph, id, values),
        }
    }

    /// The node as it is, over whole arguments.
    fn keep(&mut self, graph: &Graph, id: NodeId, values: &[Option<Value>]) -> Value {
        let args: Vec<NodeId> = graph
            .args(id)
            .iter()
            .map(|&a| match &values[a.index()] {
                Some(value) => self.whole(&value.clone(), graph.pattern(a)),
                None => NodeId(0),
            })
            .collect();
        // A copy that folded to fewer nonzeros keeps the numbers of the old ones.
        let copy = visit::copy_node(graph, id, &mut self.to, &args);
        Value::of_whole(self.to.project(copy, graph.pattern(id)))
    }

    /// Results of a call, loop or conditional.
    fn multi(&mut self, graph: &Graph, id: NodeId, values: &[Option<Value>]) -> Vec<Value> {
        let missing = Value::of_scalars(Vec::new());
        let args: Vec<Value> = graph
            .args(id)
            .iter()
            .map(|a| values[a.index()].clone().unwrap_or_else(|| missing.clone()))
            .collect();
        if let Some(callee) = graph.callee(id)
            && let Some((body, outputs)) = callee.graph()
            && callee.inputs.iter().all(|p| p.range.is_none())
            && (self.inlines)(callee)
        {
            return self.values(body, outputs, Some(&args));
        }
        let whole: Vec<NodeId> = args
            .iter()
            .zip(graph.args(id))
            .map(|(value, &a)| self.whole(value, graph.pattern(a)))
            .collect();
        self.called(graph, id, &whole).into_iter().map(Value::of_whole).collect()
    }

    /// Results of a call, loop or conditional of simplified functions.
    fn called(&mut self, graph: &Graph, id: NodeId, args: &[NodeId]) -> Vec<NodeId> {
        match graph.payload(id) {
            Some(Payload::Call(f)) => {
                let f = (self.nested)(f);
                self.to.call(&f, args)
            }
            Some(Payload::Cond(then, otherwise)) => {
                let (then, otherwise) = ((self.nested)(then), (self.nested)(otherwise));
                self.to.cond(args[0], &then, &otherwise, &args[1..])
            }
            Some(Payload::Loop(spec)) => {
                let body = (self.nested)(&spec.body);
                self.to.repeat(LoopSpec { body, ..(**spec).clone() }, args)
            }
            _ => Vec::new(),
        }
    }

    /// Nonzero `k` of a value as a scalar.
    fn scalar(&mut self, value: &Value, k: usize) -> NodeId {
        match (&value.scalars, value.whole) {
            (Some(scalars), _) => scalars[k],
            (None, Some(whole)) => self.to.gather(whole, IndexMap::range(k, 1), Pattern::scalar()),
            (None, None) => self.to.zero(1, 1),
        }
    }

    /// A value as one node with the given pattern.
    fn whole(&mut self, value: &Value, pattern: &Pattern) -> NodeId {
        if let Some(whole) = value.whole {
            if self.to.pattern(whole) == pattern {
                return whole;
            }
            return self.to.project(whole, pattern);
        }
        let scalars = value.scalars.clone().unwrap_or_default();
        if scalars.is_empty() {
            return self.to.explicit_zeros(pattern.clone());
        }
        // Scalars that folded to zero still have their place.
        let scalars: Vec<NodeId> =
            scalars.iter().map(|&s| self.to.project(s, &Pattern::scalar())).collect();
        let stacked = self.to.concat(&scalars);
        self.to.gather(stacked, IndexMap::identity(pattern.nnz()), pattern.clone())
    }
}

/// Pairs of nonzeros whose products make up each nonzero of a matrix product, unless too many.
fn products(graph: &Graph, id: NodeId) -> Option<Vec<Vec<(usize, usize)>>> {
    let (pa, pb) = (graph.pattern(graph.arg(id, 0)), graph.pattern(graph.arg(id, 1)));
    let mut all = Vec::new();
    let mut total = 0;
    for (i, j) in graph.pattern(id).entries() {
        let mut terms = Vec::new();
        for kb in pb.column(j) {
            if let Some(ka) = pa.find(i, pb.row_of(kb, j)) {
                terms.push((ka, kb));
            }
        }
        total += terms.len();
        if total > SMALL_PRODUCT {
            return None;
        }
        all.push(terms);
    }
    Some(all)
}
