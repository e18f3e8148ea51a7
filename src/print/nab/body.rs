//! The nodes of one graph as expressions, in the order of the graph.

use rustc_hash::{FxHashMap, FxHashSet};

use super::packed::{packed, packed_together, place, select};
use super::value::{Value, matrix};
use super::{NoSpelling, Program, no_spelling};
use crate::graph::{Func, Graph, NodeId, Op, Reduction, visit};
use crate::ops::scalar::precedence;
use crate::print::label;
use crate::print::rearrange::blocks_of;
use crate::sparsity::Pattern;
use crate::syntax::is_name;

/// Longer expressions get a name, in bytes.
const LONGEST: usize = 100;

/// The longest expression where nothing can be named, in bytes.
const LONGEST_NAMELESS: usize = 20_000;

/// What stands around an expression.
pub enum Inside<'l> {
    /// A file or a block: values get names by `let`, one line each.
    Lines(&'l mut Vec<String>),
    /// A comprehension or branch, which has no place for a `let`.
    Expression,
}

/// The spelling of a node.
#[derive(Clone)]
pub(super) struct Entry {
    pub value: Result<Value, NoSpelling>,
    pub plain: Option<Plain>,
}

/// The value that a node brings to another pattern. Where the language does that by itself, this
/// one is written.
#[derive(Clone)]
pub(super) struct Plain {
    pub value: Value,
    pub node: NodeId,
    /// Of the value as it is written.
    pub pattern: Pattern,
}

/// A graph being written.
pub struct Block<'g, 'l> {
    pub(super) func: &'g Func,
    pub(super) graph: &'g Graph,
    outputs: &'g [NodeId],
    inputs: Vec<Value>,
    pub(super) inside: Inside<'l>,
    pub(super) depth: usize,
    pub(super) entries: FxHashMap<NodeId, Entry>,
    /// Names of the results of calls with several.
    pub(super) results: FxHashMap<NodeId, Vec<String>>,
    /// What stands for the parts of matrices of blocks.
    pub(super) parts: FxHashMap<NodeId, Vec<Result<Value, NoSpelling>>>,
    is_written: bool,
}

impl<'g, 'l> Block<'g, 'l> {
    /// A graph whose inputs are called as `inputs` says, `depth` blocks deep.
    pub fn new(
        func: &'g Func,
        graph: &'g Graph,
        outputs: &'g [NodeId],
        inputs: Vec<Value>,
        inside: Inside<'l>,
        depth: usize,
    ) -> Block<'g, 'l> {
        Block {
            func,
            graph,
            outputs,
            inputs,
            inside,
            depth,
            entries: FxHashMap::default(),
            results: FxHashMap::default(),
            parts: FxHashMap::default(),
            is_written: false,
        }
    }

    /// The spelling of an output.
    pub fn value(&mut self, program: &mut Program, output: NodeId) -> Result<Value, NoSpelling> {
        if !self.is_written {
            self.write(program);
            self.is_written = true;
        }
        self.exact(program, output)
    }

    fn write(&mut self, program: &mut Program) {
        let graph = self.graph;
        let order = visit::reachable(graph, self.outputs);
        let uses = visit::use_counts(graph, &order, self.outputs);
        let mut left = uses.clone();
        // Concatenations that are only seen as matrices of blocks have no spelling of their own.
        let mut hidden = vec![0u32; graph.len()];
        let mut used_results: FxHashSet<(NodeId, usize)> = FxHashSet::default();
        for &id in &order {
            if blocks_of(graph, id).is_some() {
                hidden[graph.arg(id, 0).index()] += 1;
            }
            if graph.op(id) == Op::Result {
                used_results.insert((graph.arg(id, 0), graph.number(id)));
            }
        }
        for &id in &order {
            let mut entry = match self.node(program, id, &used_results) {
                Ok(entry) => entry,
                Err(e) => {
                    // Operands that are only there in another pattern are brought to their own.
                    let mut forced = false;
                    for &a in graph.args(id) {
                        forced |= self.force(program, a);
                    }
                    match forced.then(|| self.node(program, id, &used_results)) {
                        Some(Ok(entry)) => entry,
                        _ => Entry { value: Err(e), plain: None },
                    }
                }
            };
            if let (Op::Concat, Err(_)) = (graph.op(id), &entry.value)
                && hidden[id.index()] < uses[id.index()]
            {
                entry.value = self.packed_parts(program, id);
            }
            let is_named = match graph.op(id) {
                Op::Input | Op::Call | Op::Loop | Op::Cond => false,
                Op::Concat => hidden[id.index()] < uses[id.index()],
                _ => true,
            };
            let plain = entry.plain.as_mut().map(|plain| &mut plain.value);
            for value in [entry.value.as_mut().ok(), plain].into_iter().flatten() {
                let shared = uses[id.index()] > 1 && value.text.len() > 8;
                let is_long = value.text.len() > LONGEST && uses[id.index()] > 0;
                // A loop with a block stands on lines of its own.
                let is_loop = value.precedence == 0 && value.text.contains('{');
                if is_named && (shared || is_long || is_loop) {
                    self.name(program, value);
                }
            }
            if let (Ok(value), Inside::Expression) = (&entry.value, &self.inside)
                && value.text.len() > LONGEST_NAMELESS
            {
                let place = self.place(id);
                entry.value =
                    no_spelling(format!("{place}: its formula is too long without names"));
            }
            self.entries.insert(id, entry);
            for a in graph.args(id) {
                left[a.index()] -= 1;
                if left[a.index()] == 0 {
                    self.entries.remove(a);
                    self.parts.remove(a);
                    self.results.remove(a);
                }
            }
        }
    }

    /// Gives a value a name where that is possible.
    pub(super) fn name(&mut self, program: &mut Program, value: &mut Value) {
        if is_name(&value.text) {
            return;
        }
        if let Inside::Lines(lines) = &mut self.inside {
            let name = program.fresh("t");
            lines.push(format!("{}let {name} = {}", "  ".repeat(self.depth), value.text));
            *value = Value::atom(name);
        }
    }

    /// The spelling of a node that was written before.
    pub(super) fn get(&self, id: NodeId) -> Result<Value, NoSpelling> {
        match self.entries.get(&id) {
            Some(entry) => entry.value.clone(),
            None => no_spelling(self.place(id)),
        }
    }

    /// The spelling of a node in its own pattern.
    pub(super) fn exact(&mut self, program: &mut Program, id: NodeId) -> Result<Value, NoSpelling> {
        if self.get(id).is_err() {
            self.force(program, id);
        }
        self.get(id)
    }

    /// Brings a value that is only there in another pattern to its own.
    fn force(&mut self, program: &mut Program, id: NodeId) -> bool {
        let plain = match self.entries.get(&id) {
            Some(Entry { value: Err(_), plain: Some(plain) }) => plain.clone(),
            _ => return false,
        };
        let to = self.graph.pattern(id);
        let common = plain.pattern.intersection(to);
        let mut made = match common == plain.pattern {
            true => Ok(plain.value),
            false => {
                let at = |k| place(&common, k);
                select(program, &plain.value, &plain.pattern, &at, &common)
            }
        };
        if common != *to {
            made = made.and_then(|value| program.stored(&value, to));
        }
        let Ok(mut value) = made else { return false };
        self.name(program, &mut value);
        self.entries.insert(id, Entry { value: Ok(value), plain: None });
        true
    }

    /// A concatenation of other than dense columns: the nonzeros of its parts.
    fn packed_parts(&mut self, program: &mut Program, id: NodeId) -> Result<Value, NoSpelling> {
        let mut parts = Vec::with_capacity(self.graph.args(id).len());
        for &a in self.graph.args(id) {
            parts.push((self.exact(program, a)?, self.graph.pattern(a)));
        }
        packed_together(program, &parts, 0)
    }

    /// What there is of a node in another pattern.
    pub(super) fn plain_entry(&self, id: NodeId) -> Option<&Plain> {
        self.entries.get(&id)?.plain.as_ref()
    }

    /// The spelling of a node where the language stores zeros besides as it needs them, and the
    /// pattern that is written.
    pub(super) fn plain(
        &mut self,
        program: &mut Program,
        id: NodeId,
    ) -> Result<(Value, Pattern), NoSpelling> {
        let to = self.graph.pattern(id);
        if let Some(plain) = self.plain_entry(id).filter(|_| !program.is_exact)
            && plain.pattern.positions_in(to).is_some()
        {
            return Ok((plain.value.clone(), plain.pattern.clone()));
        }
        Ok((self.exact(program, id)?, to.clone()))
    }

    /// A name for a node that a body inside uses.
    pub(super) fn captured(
        &mut self,
        program: &mut Program,
        id: NodeId,
    ) -> Result<Value, NoSpelling> {
        let mut value = self.exact(program, id)?;
        let is_slice = self.graph.op(id) == Op::Gather && value.precedence == precedence::ATOM;
        if !is_name(&value.text) && self.graph.op(id) != Op::Input {
            self.name(program, &mut value);
            let is_constant = self.graph.op(id) == Op::Const;
            if !is_name(&value.text) && !is_slice && !is_constant {
                return no_spelling(format!(
                    "{}: it needs a name where none can be given",
                    self.place(id)
                ));
            }
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.value = Ok(value.clone());
                entry.plain = None;
            }
        }
        Ok(value)
    }

    /// A node in words.
    pub(super) fn place(&self, id: NodeId) -> String {
        format!("node {} of `{}`, {}", id.0, self.func.name, label(self.graph, id))
    }

    fn node(
        &mut self,
        program: &mut Program,
        id: NodeId,
        used_results: &FxHashSet<(NodeId, usize)>,
    ) -> Result<Entry, NoSpelling> {
        let graph = self.graph;
        let args = graph.args(id);
        let value = match graph.op(id) {
            Op::Const => return self.number(id),
            Op::Input => self.inputs[graph.number(id)].clone(),
            Op::Mark => self.get(args[0])?,
            Op::Scalar(op) => self.elementwise(program, op, id)?,
            Op::Gather | Op::Scatter => return self.rearranged(program, id),
            Op::Concat => {
                let parts: Vec<_> = args.iter().map(|&a| self.exact(program, a)).collect();
                self.parts.insert(id, parts.clone());
                if args.iter().any(|&a| graph.shape(a).1 != 1 || !graph.pattern(a).is_dense()) {
                    return no_spelling(format!("{}, of more than dense columns", self.place(id)));
                }
                let parts: Vec<Value> = parts.into_iter().collect::<Result<_, _>>()?;
                let texts: Vec<String> = parts.into_iter().map(|part| part.text).collect();
                Value::atom(format!("[{}]", texts.join(", ")))
            }
            Op::MatMul => {
                let (a, b) = (self.get(args[0])?, self.get(args[1])?);
                let p = precedence::PRODUCT;
                let text = format!("{} * {}", a.at_least(p), b.at_least(p + 1));
                let product = Value { text, precedence: p };
                let to = graph.pattern(id);
                let full = graph.pattern(args[0]).product(graph.pattern(args[1]));
                match full == *to {
                    true => product,
                    false => select(program, &product, &full, &|k| place(to, k), to)?,
                }
            }
            Op::Reduce(reduction) => {
                let (mut x, from) = (self.get(args[0])?, graph.pattern(args[0]));
                // The others of the language are over all entries.
                if reduction != Reduction::Sum {
                    x = packed(program, &x, from)?.unwrap_or(x);
                }
                Value::atom(format!("{}({})", reduction.name(), x.text))
            }
            Op::Call => self.call(program, id, used_results)?,
            Op::Cond => self.conditional(program, id, used_results)?,
            Op::Loop => self.repeat(program, id, &|k| used_results.contains(&(id, k)))?,
            Op::Result => self.result(args[0], graph.number(id))?,
        };
        Ok(Entry { value: Ok(value), plain: None })
    }
    /// A constant. The language has no zeros among the nonzeros of one.
    fn number(&self, id: NodeId) -> Result<Entry, NoSpelling> {
        let pattern = self.graph.pattern(id);
        let Some(values) = self.constant(id, |_| true) else { return no_spelling(self.place(id)) };
        if !values.contains(&0.0) {
            return Ok(Entry { value: Ok(matrix(pattern, &|k| values[k])?), plain: None });
        }
        let keep: Vec<u32> =
            (0..).zip(&values).filter(|&(_, &v)| v != 0.0).map(|(k, _)| k).collect();
        let written = pattern.select(&keep);
        let value = matrix(&written, &|k| values[keep[k] as usize])?;
        let plain = Some(Plain { value, node: id, pattern: written });
        Ok(Entry { value: no_spelling(self.place(id)), plain })
    }
}
