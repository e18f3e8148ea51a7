//! Frozen functions: signature, body, and the derivative functions made of them.

use std::any::Any;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, Weak};

use rustc_hash::{FxHashMap, FxHasher};

use super::Graph;
use super::external::External;
use super::node::{Constant, NodeId, Op, Port};
use super::visit;
use crate::sparsity::Pattern;

/// A function from sparse matrices to sparse matrices. Immutable; shared by content.
///
/// ```
/// use nablac::graph::{Func, Graph, Port, evaluate};
/// use nablac::sparsity::Pattern;
/// let mut graph = Graph::new();
/// let ports = vec![Port::new("x", Pattern::dense(2, 1)), Port::new("a", Pattern::scalar())];
/// let inputs = graph.inputs(&ports);
/// let ax = graph.mul(inputs[1], inputs[0]);
/// let f = Func::freeze("scaled", &graph, ports, vec![("y".into(), ax)]);
/// assert_eq!(evaluate::evaluate(&f, &[vec![1.0, 2.0], vec![3.0]])?, [[3.0, 6.0]]);
/// // Equal content is an equal function.
/// assert_eq!(f.used_inputs(), [true, true]);
/// assert!(!f.may_fail());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Func {
    pub name: Arc<str>,
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
    pub body: Body,
    /// A derivative of the user's own: (inputs, their tangents) -> tangents of the outputs,
    /// linear in the tangents.
    pub jvp: Option<Arc<Func>>,
    hash: u64,
    /// What was derived from this function, by the deriving module's key.
    pub(crate) derived: Memo,
}

/// What a function computes.
#[derive(Debug)]
pub enum Body {
    Graph { graph: Box<Graph>, outputs: Vec<NodeId> },
    External(Arc<External>),
}

/// What becomes an output of a function made by [`Func::with_ports`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Output(usize),
    Input(usize),
    Zero,
}

/// How a function comes from another one by other ports.
#[derive(Debug)]
pub(crate) struct Ancestry {
    pub func: Weak<Func>,
    /// What each input of the other function is.
    pub inputs: Vec<Supply>,
    /// What each output of the function is, by ports of the other one.
    pub outputs: Vec<Source>,
}

/// What an input of the [`Ancestry`] of a function is.
#[derive(Clone, Debug)]
pub(crate) enum Supply {
    /// An input of the function.
    Port(usize),
    Constant(Pattern, Constant),
    /// Structurally zero.
    Nothing,
}

impl Ancestry {
    const KEY: &'static str = "origin";

    /// The origin of a function that was made by other ports.
    pub fn of(func: &Func) -> Option<Arc<Ancestry>> {
        func.derived.get(Ancestry::KEY)
    }

    /// Notes that `func` is `from` with other ports; origins of origins are looked through.
    pub(super) fn put(
        func: &Arc<Func>,
        from: &Arc<Func>,
        inputs: &[Supply],
        outputs: impl Iterator<Item = Source>,
    ) {
        let origin = match Ancestry::of(from) {
            None => {
                let (inputs, outputs) = (inputs.to_vec(), outputs.collect());
                Ancestry { func: Arc::downgrade(from), inputs, outputs }
            }
            Some(first) => {
                let supply = |s: &Supply| match s {
                    Supply::Port(k) => inputs[*k].clone(),
                    other => other.clone(),
                };
                // Inputs that pass through `from` are no outputs of its origin.
                let Some(outputs) = outputs
                    .map(|o| match o {
                        Source::Output(k) => Some(first.outputs[k]),
                        Source::Input(_) => None,
                        Source::Zero => Some(Source::Zero),
                    })
                    .collect()
                else {
                    return;
                };
                let inputs = first.inputs.iter().map(supply).collect();
                Ancestry { func: first.func.clone(), inputs, outputs }
            }
        };
        func.derived.put(Ancestry::KEY.into(), Arc::new(origin));
    }
}

/// Results kept by key, any type. Filled by the modules that derive functions.
#[derive(Default)]
pub(crate) struct Memo(Mutex<FxHashMap<String, Arc<dyn Any + Send + Sync>>>);

impl std::fmt::Debug for Memo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memo")
    }
}

impl Memo {
    pub fn get<T: Send + Sync + 'static>(&self, key: &str) -> Option<Arc<T>> {
        let memo = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        memo.get(key).cloned().and_then(|v| v.downcast().ok())
    }

    pub fn put<T: Send + Sync + 'static>(&self, key: String, value: Arc<T>) {
        let mut memo = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        memo.insert(key, value);
    }
}

impl Func {
    /// Freezes `outputs` of `graph` into a function: copies what they need, drops marks.
    pub fn freeze(
        name: impl Into<Arc<str>>,
        graph: &Graph,
        inputs: Vec<Port>,
        outputs: Vec<(Arc<str>, NodeId)>,
    ) -> Arc<Func> {
        Func::freeze_with(name, graph, inputs, outputs, None)
    }

    /// [`Func::freeze`], with a derivative of the user's own.
    pub fn freeze_with(
        name: impl Into<Arc<str>>,
        graph: &Graph,
        inputs: Vec<Port>,
        outputs: Vec<(Arc<str>, NodeId)>,
        jvp: Option<Arc<Func>>,
    ) -> Arc<Func> {
        let mut frozen = Graph::new();
        let arguments = frozen.inputs(&inputs);
        let roots: Vec<NodeId> = outputs.iter().map(|o| o.1).collect();
        let roots = visit::transplant(graph, &roots, &mut frozen, &arguments);
        let outputs = outputs.into_iter().zip(roots).map(|((name, _), root)| (name, root));
        Arc::new(Func::assemble(name.into(), frozen, inputs, outputs.collect(), jvp))
    }

    /// A function of a graph that has nothing but what it needs.
    pub(super) fn assemble(
        name: Arc<str>,
        frozen: Graph,
        inputs: Vec<Port>,
        outputs: Vec<(Arc<str>, NodeId)>,
        jvp: Option<Arc<Func>>,
    ) -> Func {
        let roots: Vec<NodeId> = outputs.iter().map(|o| o.1).collect();
        let outputs: Vec<Port> = outputs
            .into_iter()
            .map(|(name, root)| Port::new(name, frozen.pattern(root).clone()))
            .collect();
        let mut hasher = FxHasher::default();
        for port in &inputs {
            port.pattern.hash(&mut hasher);
            port.range.map(|(lo, hi)| (lo.to_bits(), hi.to_bits())).hash(&mut hasher);
        }
        for &root in &roots {
            hasher.write_u64(frozen.hash(root));
        }
        Func {
            name,
            inputs,
            outputs,
            body: Body::Graph { graph: Box::new(frozen), outputs: roots },
            jvp,
            hash: hasher.finish(),
            derived: Memo::default(),
        }
    }

    /// A function supplied from outside. Input names default to `x0, x1, ..`, outputs to `y0, ..`.
    pub fn external(external: External, jvp: Option<Arc<Func>>) -> Arc<Func> {
        let mut hasher = FxHasher::default();
        external.name.hash(&mut hasher);
        external.inputs.hash(&mut hasher);
        external.outputs.hash(&mut hasher);
        let name_all = |letter: &str, patterns: &[Pattern]| {
            let port = |(k, p): (usize, &Pattern)| Port::new(format!("{letter}{k}"), p.clone());
            patterns.iter().enumerate().map(port).collect::<Vec<_>>()
        };
        Arc::new(Func {
            name: external.name.as_str().into(),
            inputs: name_all("x", &external.inputs),
            outputs: name_all("y", &external.outputs),
            body: Body::External(Arc::new(external)),
            jvp,
            hash: hasher.finish(),
            derived: Memo::default(),
        })
    }

    /// Graph and output nodes, unless external.
    pub fn graph(&self) -> Option<(&Graph, &[NodeId])> {
        match &self.body {
            Body::Graph { graph, outputs } => Some((graph, outputs)),
            Body::External(_) => None,
        }
    }

    /// The same function with inputs chosen and ordered anew and other outputs. Inputs left out
    /// must not be used. `None` for externals.
    pub(crate) fn with_ports(
        self: &Arc<Func>,
        inputs: &[usize],
        outputs: &[(Source, Pattern)],
    ) -> Option<Arc<Func>> {
        let (graph, roots) = self.graph()?;
        let mut scratch = Graph::new();
        let mut arguments = vec![None; self.inputs.len()];
        for (k, &i) in inputs.iter().enumerate() {
            arguments[i] = Some(scratch.input(k, self.inputs[i].pattern.clone()));
        }
        let arguments: Vec<NodeId> = arguments
            .into_iter()
            .enumerate()
            .map(|(i, a)| {
                let (n_rows, n_cols) = self.inputs[i].pattern.shape();
                a.unwrap_or_else(|| scratch.zero(n_rows, n_cols))
            })
            .collect();
        let roots = visit::transplant(graph, roots, &mut scratch, &arguments);
        let mut named = Vec::with_capacity(outputs.len());
        for (k, (source, pattern)) in outputs.iter().enumerate() {
            let (name, value): (Arc<str>, NodeId) = match source {
                Source::Output(o) => (self.outputs[*o].name.clone(), roots[*o]),
                Source::Input(i) => (self.inputs[*i].name.clone(), arguments[*i]),
                Source::Zero => {
                    (format!("z{k}").into(), scratch.zero(pattern.n_rows(), pattern.n_cols()))
                }
            };
            named.push((name, scratch.project(value, pattern)));
        }
        let ports = inputs.iter().map(|&i| self.inputs[i].clone()).collect();
        let func = Func::freeze(self.name.clone(), &scratch, ports, named);
        let mut supplies = vec![Supply::Nothing; self.inputs.len()];
        for (k, &i) in inputs.iter().enumerate() {
            supplies[i] = Supply::Port(k);
        }
        Ancestry::put(&func, self, &supplies, outputs.iter().map(|o| o.0));
        Some(func)
    }

    /// Which inputs the body uses; all of an external's.
    pub fn used_inputs(&self) -> Vec<bool> {
        let mut used = vec![self.graph().is_none(); self.inputs.len()];
        if let Some((graph, roots)) = self.graph() {
            for id in visit::reachable(graph, roots) {
                if graph.op(id) == Op::Input {
                    used[graph.number(id)] = true;
                }
            }
        }
        used
    }

    /// Whether an evaluation may fail: a range is checked or an external function called, here or
    /// in called functions and loop bodies.
    pub fn may_fail(&self) -> bool {
        const KEY: &str = "may fail";
        if let Some(found) = self.derived.get::<bool>(KEY) {
            return *found;
        }
        let checked = self.inputs.iter().any(|port| port.range.is_some());
        let may_fail = checked
            || self.graph().is_none_or(|(graph, outputs)| {
                let order = visit::reachable(graph, outputs);
                order.iter().any(|&id| graph.callees(id).any(|f| f.may_fail()))
            });
        self.derived.put(KEY.to_owned(), Arc::new(may_fail));
        may_fail
    }

    /// Number of nodes, called functions and loop bodies included.
    pub fn size(&self) -> usize {
        const KEY: &str = "size";
        if let Some(found) = self.derived.get::<usize>(KEY) {
            return *found;
        }
        let mut total = 0usize;
        if let Some((graph, outputs)) = self.graph() {
            for id in visit::reachable(graph, outputs) {
                let callees = graph.callees(id).map(|f| f.size());
                total = callees.fold(total.saturating_add(1), usize::saturating_add);
            }
        }
        self.derived.put(KEY.to_owned(), Arc::new(total));
        total
    }

    /// Content hash.
    pub fn content_hash(&self) -> u64 {
        self.hash
    }
}

impl Hash for Func {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl PartialEq for Func {
    fn eq(&self, other: &Func) -> bool {
        if std::ptr::eq(self, other) {
            return true;
        }
        if self.hash != other.hash || self.jvp != other.jvp || self.name != other.name {
            return false;
        }
        let ports = |f: &Func| {
            let of =
                |p: &Port| (p.pattern.clone(), p.range.map(|(a, b)| (a.to_bits(), b.to_bits())));
            f.inputs.iter().chain(&f.outputs).map(of).collect::<Vec<_>>()
        };
        match (&self.body, &other.body) {
            (Body::Graph { graph: a, outputs: x }, Body::Graph { graph: b, outputs: y }) => {
                x == y && ports(self) == ports(other) && a.same_nodes(b)
            }
            (Body::External(a), Body::External(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl Eq for Func {}
