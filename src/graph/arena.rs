//! The arena: hash-consed, append-only, operands before users.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHasher};

use super::node::{Constant, NO_ATTR, Node, NodeId, Op, Payload};
use super::{Func, LoopSpec};
use crate::sparsity::{IndexMap, Pattern, PatternError};

/// An expression graph under construction, or the frozen body of a function.
///
/// Nodes are never changed or removed. Equal nodes are one node, except marks.
///
/// ```
/// use nablac::graph::{Graph, Op};
/// use nablac::sparsity::Pattern;
/// let mut graph = Graph::new();
/// let x = graph.input(0, Pattern::dense(3, 1));
/// let y = graph.input(1, Pattern::diagonal(3));
/// // The same expression is the same node, whatever the order of the operands.
/// let (a, b) = (graph.add(x, x), graph.add(x, x));
/// assert_eq!(a, b);
/// // Structural zeros go through.
/// let zero = graph.zero(3, 1);
/// let (sum, product) = (graph.add(x, zero), graph.mul(x, zero));
/// assert_eq!((sum, graph.nnz(product)), (x, 0));
/// let yx = graph.matmul(y, x);
/// assert_eq!((graph.op(yx), graph.shape(yx), graph.args(yx)), (Op::MatMul, (3, 1), &[y, x][..]));
/// ```
#[derive(Clone, Debug)]
pub struct Graph {
    nodes: Vec<Node>,
    /// Content hash of each node, the same in every graph.
    hashes: Vec<u64>,
    pool: Vec<NodeId>,
    patterns: Vec<(Pattern, u64)>,
    pattern_ids: FxHashMap<Pattern, u32>,
    payloads: Vec<(Payload, u64)>,
    payload_ids: FxHashMap<Payload, u32>,
    table: HashTable<u32>,
    n_marks: u32,
    /// See [`Graph::set_folds_real`].
    pub(super) folds_real: bool,
    /// See [`Graph::take_oversized`].
    oversized: Option<PatternError>,
}

/// Number of the dense 1x1 pattern in every graph.
const SCALAR: u32 = 0;

impl Default for Graph {
    fn default() -> Graph {
        let mut graph = Graph {
            nodes: Vec::new(),
            hashes: Vec::new(),
            pool: Vec::new(),
            patterns: Vec::new(),
            pattern_ids: FxHashMap::default(),
            payloads: Vec::new(),
            payload_ids: FxHashMap::default(),
            table: HashTable::new(),
            n_marks: 0,
            folds_real: false,
            oversized: None,
        };
        graph.pattern_id(Pattern::scalar());
        graph
    }
}

fn hash_of(value: &impl Hash) -> u64 {
    FxBuildHasher.hash_one(value)
}

impl Graph {
    pub fn new() -> Graph {
        Graph::default()
    }

    /// Whether new nodes are also folded where that is right in real arithmetic only: `x - x`,
    /// `x / x` and `sqrt(x^2)` become 0, 1 and `abs(x)`. Not so in a new graph, for it changes
    /// bits; derivatives and simplification ask for it. Gives what was set before.
    pub fn set_folds_real(&mut self, folds_real: bool) -> bool {
        std::mem::replace(&mut self.folds_real, folds_real)
    }

    /// The value with too many nonzeros that was asked for first, since this was last called; a
    /// matrix of zeros stands for it. Who takes expressions from a user reports it.
    pub fn take_oversized(&mut self) -> Option<PatternError> {
        self.oversized.take()
    }

    /// Whether a value may have so many nonzeros; notes it if not.
    pub(crate) fn admits(&mut self, n_rows: usize, n_cols: usize, nnz: usize, limit: u64) -> bool {
        let fits = nnz as u64 <= limit;
        if !fits && self.oversized.is_none() {
            let (n_rows, n_cols) = (n_rows as u64, n_cols as u64);
            self.oversized = Some(PatternError::TooLarge { n_rows, n_cols, limit });
        }
        fits
    }

    /// Makes room for `more` nodes at once.
    pub fn reserve(&mut self, more: usize) {
        self.nodes.reserve(more);
        self.hashes.reserve(more);
        let hashes = &self.hashes;
        self.table.reserve(more, |&other| hashes[other as usize]);
    }

    /// Number of nodes, reachable or not.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// All nodes, operands before users.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    pub fn op(&self, id: NodeId) -> Op {
        self.nodes[id.index()].op
    }

    /// Arguments of a node.
    pub fn args(&self, id: NodeId) -> &[NodeId] {
        stored_args(&self.nodes[id.index()], &self.pool)
    }

    /// Argument `k` of a node.
    pub fn arg(&self, id: NodeId, k: usize) -> NodeId {
        self.args(id)[k]
    }

    pub fn pattern(&self, id: NodeId) -> &Pattern {
        &self.patterns[self.nodes[id.index()].pattern as usize].0
    }

    /// A dense 1x1 value.
    pub fn is_scalar(&self, id: NodeId) -> bool {
        self.nodes[id.index()].pattern == SCALAR
    }

    pub fn nnz(&self, id: NodeId) -> usize {
        self.pattern(id).nnz()
    }

    pub fn shape(&self, id: NodeId) -> (usize, usize) {
        self.pattern(id).shape()
    }

    /// Content hash: equal for equal expressions in any graph.
    pub fn hash(&self, id: NodeId) -> u64 {
        self.hashes[id.index()]
    }

    /// Number of an input, of a result, or of a mark.
    pub fn number(&self, id: NodeId) -> usize {
        self.nodes[id.index()].attr as usize
    }

    pub fn payload(&self, id: NodeId) -> Option<&Payload> {
        let node = &self.nodes[id.index()];
        match node.op {
            Op::Input | Op::Result | Op::Mark => None,
            _ => (node.attr != NO_ATTR).then(|| &self.payloads[node.attr as usize].0),
        }
    }

    /// The value of a constant node.
    pub fn as_constant(&self, id: NodeId) -> Option<Constant> {
        let node = &self.nodes[id.index()];
        if node.op != Op::Const {
            return None;
        }
        Some(match self.payload(id) {
            Some(Payload::Values(v)) => Constant::Values(v.0.clone()),
            _ => Constant::Uniform(uniform_bits(node)),
        })
    }

    /// The one value of all nonzeros of a constant node that has only one.
    pub fn as_uniform(&self, id: NodeId) -> Option<f64> {
        let node = &self.nodes[id.index()];
        (node.op == Op::Const && node.attr == NO_ATTR).then(|| uniform_bits(node))
    }

    /// The index map of a gather or scatter.
    pub fn map(&self, id: NodeId) -> Option<&IndexMap> {
        match self.payload(id) {
            Some(Payload::Map(m)) => Some(m),
            _ => None,
        }
    }

    pub fn loop_spec(&self, id: NodeId) -> Option<&Arc<LoopSpec>> {
        match self.payload(id) {
            Some(Payload::Loop(spec)) => Some(spec),
            _ => None,
        }
    }

    pub fn callee(&self, id: NodeId) -> Option<&Arc<Func>> {
        match self.payload(id) {
            Some(Payload::Call(f)) => Some(f),
            _ => None,
        }
    }

    /// Functions that a node calls.
    pub fn callees(&self, id: NodeId) -> impl Iterator<Item = &Arc<Func>> {
        let (first, second) = match self.payload(id) {
            Some(Payload::Call(f)) => (Some(f), None),
            Some(Payload::Loop(spec)) => (Some(&spec.body), None),
            Some(Payload::Cond(then, otherwise)) => (Some(then), Some(otherwise)),
            _ => (None, None),
        };
        first.into_iter().chain(second)
    }

    /// The node with these parts, made if there is none yet. No folding.
    pub(super) fn intern(
        &mut self,
        op: Op,
        args: &[NodeId],
        attr: Attr,
        pattern: Pattern,
    ) -> NodeId {
        let pattern = self.pattern_id(pattern);
        self.intern_with(op, args, attr, pattern)
    }

    /// [`Graph::intern`] of a dense 1x1 value without attribute.
    pub(super) fn intern_scalar(&mut self, op: Op, args: &[NodeId]) -> NodeId {
        self.intern_with(op, args, Attr::None, SCALAR)
    }

    fn intern_with(&mut self, op: Op, args: &[NodeId], attr: Attr, pattern: u32) -> NodeId {
        let (attr, attr_hash, inline) = match attr {
            Attr::None => (NO_ATTR, 0, None),
            Attr::Number(k) => (k, u64::from(k), None),
            Attr::Uniform(v) => (NO_ATTR, v.to_bits(), Some(v.to_bits())),
            Attr::Payload(p) => {
                let id = self.payload_id(p);
                (id, self.payloads[id as usize].1, None)
            }
        };
        let mut hasher = FxHasher::default();
        op.hash(&mut hasher);
        for &a in args {
            hasher.write_u64(self.hashes[a.index()]);
        }
        hasher.write_u64(attr_hash);
        hasher.write_u64(self.patterns[pattern as usize].1);
        // One more round spreads the entropy of Fx to the low bits that order operands.
        let hash = hasher.finish().wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);

        // Split, since the table is changed while the nodes are compared.
        let Graph { nodes, pool, table, hashes, .. } = self;
        let same = |&id: &u32| {
            let node = &nodes[id as usize];
            node.op == op
                && node.attr == attr
                && node.pattern == pattern
                && match inline {
                    Some(bits) => node.args == split(bits),
                    None => stored_args(node, pool) == args,
                }
        };
        let vacant = match table.entry(hash, same, |&other| hashes[other as usize]) {
            Entry::Occupied(found) => return NodeId(*found.get()),
            Entry::Vacant(vacant) => vacant,
        };
        let id = nodes.len() as u32;
        vacant.insert(id);
        let n_args = args.len() as u32;
        let stored = match (inline, args) {
            (Some(bits), _) => split(bits),
            (None, []) => [NodeId(0); 2],
            (None, &[a]) => [a, NodeId(0)],
            (None, &[a, b]) => [a, b],
            (None, _) => {
                let start = pool.len() as u32;
                pool.extend_from_slice(args);
                [NodeId(start), NodeId(0)]
            }
        };
        nodes.push(Node { op, args: stored, n_args, attr, pattern });
        hashes.push(hash);
        NodeId(id)
    }

    /// A fresh identity over `x` that nothing merges or folds.
    pub fn mark(&mut self, x: NodeId) -> NodeId {
        self.n_marks += 1;
        let pattern = self.pattern(x).clone();
        self.intern(Op::Mark, &[x], Attr::Number(self.n_marks), pattern)
    }

    fn pattern_id(&mut self, pattern: Pattern) -> u32 {
        if self.patterns.first().is_some_and(|(scalar, _)| *scalar == pattern) {
            return SCALAR;
        }
        if let Some(&id) = self.pattern_ids.get(&pattern) {
            return id;
        }
        let id = self.patterns.len() as u32;
        let hash = hash_of(&pattern);
        self.patterns.push((pattern.clone(), hash));
        self.pattern_ids.insert(pattern, id);
        id
    }

    fn payload_id(&mut self, payload: Payload) -> u32 {
        if let Some(&id) = self.payload_ids.get(&payload) {
            return id;
        }
        let id = self.payloads.len() as u32;
        let hash = hash_of(&payload);
        self.payloads.push((payload.clone(), hash));
        self.payload_ids.insert(payload, id);
        id
    }

    /// Node for node the same, whatever the history of both graphs.
    pub(super) fn same_nodes(&self, other: &Graph) -> bool {
        self.len() == other.len()
            && self.hashes == other.hashes
            && self.ids().all(|id| {
                self.op(id) == other.op(id)
                    && self.pattern(id) == other.pattern(id)
                    && self.args(id) == other.args(id)
                    && self.payload(id) == other.payload(id)
                    && match self.op(id) {
                        Op::Const => {
                            self.as_uniform(id).map(f64::to_bits)
                                == other.as_uniform(id).map(f64::to_bits)
                        }
                        Op::Input | Op::Result => self.number(id) == other.number(id),
                        _ => true,
                    }
            })
    }
}

/// Arguments of a node: in the node, or in the pool if more than two.
fn stored_args<'a>(node: &'a Node, pool: &'a [NodeId]) -> &'a [NodeId] {
    if node.n_args <= 2 {
        &node.args[..node.n_args as usize]
    } else {
        let start = node.args[0].index();
        &pool[start..start + node.n_args as usize]
    }
}

/// What distinguishes nodes of the same operation and arguments.
#[derive(Clone, Debug)]
pub enum Attr {
    None,
    /// Number of an input, result or mark.
    Number(u32),
    /// The one value of all nonzeros of a constant.
    Uniform(f64),
    Payload(Payload),
}

/// The bits of a uniform constant stand where other nodes have their arguments.
fn split(bits: u64) -> [NodeId; 2] {
    [NodeId(bits as u32), NodeId((bits >> 32) as u32)]
}

fn uniform_bits(node: &Node) -> f64 {
    f64::from_bits(u64::from(node.args[0].0) | u64::from(node.args[1].0) << 32)
}
