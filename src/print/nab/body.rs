//! The nodes of one graph as expressions, in the order of the graph.

use rustc_hash::{FxHashMap, FxHashSet};

use super::packed::{accumulated, called, packed, packed_together, place, select, unpacked};
use super::value::{Value, matrix, number};
use super::{NoSpelling, Program, no_spelling};
use crate::graph::{Constant, Func, Graph, NodeId, Op, Payload, visit};
use crate::ops::scalar::{ScalarOp, Syntax, precedence};
use crate::print::label;
use crate::print::rearrange::{Cell, Rearrangement, blocks_of, entry, gathered, scattered};
use crate::sparsity::Pattern;
use crate::syntax::is_name;

/// Longer expressions get a name, in bytes.
const LONGEST: usize = 100;

/// The longest expression where nothing can be named, in bytes.
const LONGEST_NAMELESS: usize = 20_000;

/// The most entries of a rearrangement that is written entry by entry.
const MOST_BY_ENTRIES: usize = 64;

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
    /// The value that the node brings to another pattern, and its node; where the language does
    /// that by itself, this one is written.
    pub plain: Option<(Value, NodeId)>,
}

/// A graph being written.
pub struct Block<'g, 'l> {
    pub(super) func: &'g Func,
    pub(super) graph: &'g Graph,
    outputs: &'g [NodeId],
    inputs: Vec<Value>,
    pub(super) inside: Inside<'l>,
    pub(super) depth: usize,
    entries: FxHashMap<NodeId, Entry>,
    /// Names of the results of calls with several.
    pub(super) results: FxHashMap<NodeId, Vec<String>>,
    /// What stands for the parts of matrices of blocks.
    parts: FxHashMap<NodeId, Vec<Result<Value, NoSpelling>>>,
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
                    let forced = graph.args(id).iter().any(|&a| self.force(program, a));
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
            let plain = entry.plain.as_mut().map(|(value, _)| value);
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
        let (plain, from) = match self.entries.get(&id) {
            Some(Entry { value: Err(_), plain: Some((plain, from)) }) => (plain.clone(), *from),
            _ => return false,
        };
        let (from, to) = (self.graph.pattern(from), self.graph.pattern(id));
        let made = if from.nnz() >= to.nnz() {
            select(program, &plain, from, &|k| place(to, k), to)
        } else {
            match (packed(program, &plain, from), from.positions_in(to)) {
                (Ok(Some(column)), Some(positions)) => {
                    let terms: Vec<(usize, usize)> =
                        positions.iter().enumerate().map(|(k, &at)| (k, at as usize)).collect();
                    accumulated(program, &column, &terms, to.nnz())
                        .and_then(|sums| unpacked(program, &sums, to.nnz(), 0, to))
                }
                (Err(e), _) => Err(e),
                _ => no_spelling(self.place(id)),
            }
        };
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

    /// The spelling of a node where the language stores zeros besides as it needs them.
    pub(super) fn plain(&self, id: NodeId) -> Result<Value, NoSpelling> {
        match self.entries.get(&id).and_then(|entry| entry.plain.clone()) {
            Some((plain, _)) if self.graph.op(id) == Op::Scatter => Ok(plain),
            _ => self.get(id),
        }
    }

    /// The operands of an elementwise node. The language takes them to the pattern of the result;
    /// that pattern has to follow from the values as they are written.
    fn operands(
        &self,
        op: ScalarOp,
        args: &[NodeId],
        to: &Pattern,
    ) -> Result<Vec<Value>, NoSpelling> {
        let plain = |a: NodeId| self.entries.get(&a).and_then(|entry| entry.plain.clone());
        if args.iter().all(|&a| plain(a).is_none()) {
            return args.iter().map(|&a| self.get(a)).collect();
        }
        let mut scratch = Graph::new();
        let nodes: Vec<NodeId> = args
            .iter()
            .enumerate()
            .map(|(k, &a)| {
                let node = plain(a).map_or(a, |(_, node)| node);
                match self.graph.op(node) {
                    Op::Const => visit::copy_node(self.graph, node, &mut scratch, &[]),
                    _ => scratch.input(k, self.graph.pattern(node).clone()),
                }
            })
            .collect();
        let result = scratch.scalar(op, &nodes);
        if scratch.pattern(result) == to {
            return args
                .iter()
                .map(|&a| plain(a).map_or_else(|| self.get(a), |p| Ok(p.0)))
                .collect();
        }
        args.iter().map(|&a| self.plain(a)).collect()
    }

    /// A name for a node that a body inside uses.
    pub(super) fn captured(
        &mut self,
        program: &mut Program,
        id: NodeId,
    ) -> Result<Value, NoSpelling> {
        let mut value = self.plain(id)?;
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
            Op::Const => match graph.as_constant(id) {
                Some(Constant::Uniform(v)) => matrix(graph.pattern(id), &|_| v)?,
                Some(Constant::Values(v)) => matrix(graph.pattern(id), &|k| v[k])?,
                None => number(0.0),
            },
            Op::Input => self.inputs[graph.number(id)].clone(),
            Op::Mark => self.get(args[0])?,
            Op::Scalar(op) => self.elementwise(op, id)?,
            Op::Gather | Op::Scatter => return self.rearranged(program, id),
            Op::Concat => {
                let parts: Vec<_> = args.iter().map(|&a| self.plain(a)).collect();
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
                Value::atom(format!("{}({})", reduction.name(), self.get(args[0])?.text))
            }
            Op::Call => self.call(program, id, used_results)?,
            Op::Cond => self.conditional(program, id, used_results)?,
            Op::Loop => self.repeat(program, id, &|k| used_results.contains(&(id, k)))?,
            Op::Result => self.result(args[0], graph.number(id))?,
        };
        Ok(Entry { value: Ok(value), plain: None })
    }

    fn elementwise(&self, op: ScalarOp, id: NodeId) -> Result<Value, NoSpelling> {
        let graph = self.graph;
        let mut args = graph.args(id).to_vec();
        // Names are captured in the order in which they stand.
        if op.row().commutative && args[0] > args[1] {
            args.swap(0, 1);
        }
        let operands = self.operands(op, &args, graph.pattern(id))?;
        let is_matrix = |k: usize| !graph.pattern(args[k]).is_scalar();
        Ok(match op.row().syntax {
            Syntax::Call if op.row().function => {
                let texts: Vec<String> = operands.into_iter().map(|value| value.text).collect();
                Value::atom(format!("{}({})", op.name(), texts.join(", ")))
            }
            Syntax::Call => return no_spelling(self.place(id)),
            Syntax::Prefix { symbol, precedence } => {
                let blank = if symbol.ends_with(char::is_alphabetic) { " " } else { "" };
                let text = format!("{symbol}{blank}{}", operands[0].at_least(precedence));
                Value { text, precedence }
            }
            Syntax::Infix { symbol, elementwise, precedence, right_associative } => {
                let by_entry = match op {
                    ScalarOp::Mul => is_matrix(0) && is_matrix(1),
                    ScalarOp::Div => is_matrix(1),
                    _ => is_matrix(0) || is_matrix(1),
                };
                let symbol = if by_entry { elementwise } else { symbol };
                // Comparisons do not chain.
                let is_comparison = precedence == precedence::COMPARISON;
                let left = precedence + u8::from(right_associative || is_comparison);
                let (a, b) = (operands[0].at_least(left), operands[1].at_least(precedence + 1));
                Value { text: format!("{a} {symbol} {b}"), precedence }
            }
        })
    }

    /// A gather or scatter.
    fn rearranged(&mut self, program: &mut Program, id: NodeId) -> Result<Entry, NoSpelling> {
        use Rearrangement as R;
        let graph = self.graph;
        let x = graph.arg(id, 0);
        let (from, to) = (graph.pattern(x), graph.pattern(id));
        if let (Some(grid), Some(parts)) = (blocks_of(graph, id), self.parts.get(&x)) {
            let value = literal(&grid, parts, to)?;
            return Ok(Entry { value: Ok(value), plain: None });
        }
        let is_gather = graph.op(id) == Op::Gather;
        let found = graph.map(id).and_then(|map| match is_gather {
            true => gathered(from, map, to),
            false => scattered(from, map, to).filter(|found| *found == R::Same),
        });
        let (n_rows, n_cols) = to.shape();
        let base = || self.get(x).map(|value| value.at_least(precedence::ATOM));
        let span = |start: usize, n: usize, of: usize| match (start, n) {
            (0, n) if n == of => ":".to_owned(),
            (start, 1) => start.to_string(),
            (start, n) => format!("{start}..{}", start + n),
        };
        let called = |name: &str, rest: &str| -> Result<Value, NoSpelling> {
            Ok(Value::atom(format!("{name}({}{rest})", self.get(x)?.text)))
        };
        let value = match found {
            Some(R::Same) => {
                let value = match is_gather {
                    true if is_kept(from, to, |row, col| col <= row) => called("tril", ""),
                    true if is_kept(from, to, |row, col| col >= row) => called("triu", ""),
                    // In most places the language leaves entries out by itself.
                    _ => no_spelling(self.place(id)),
                };
                return Ok(Entry { value, plain: Some((self.plain(x)?, x)) });
            }
            Some(R::Entry { row, col }) => match from.shape() {
                (_, 1) => format!("{}[{row}]", base()?),
                (1, _) => format!("{}[{col}]", base()?),
                _ => format!("{}[{row}, {col}]", base()?),
            },
            Some(R::Block { row, col }) => match from.shape() {
                (of, 1) => format!("{}[{}]", base()?, span(row, n_rows, of)),
                (1, of) => format!("{}[{}]", base()?, span(col, n_cols, of)),
                (rows, cols) => {
                    format!("{}[{}, {}]", base()?, span(row, n_rows, rows), span(col, n_cols, cols))
                }
            },
            Some(R::Range { start }) => format!("{}[{start}..{}]", base()?, start + n_rows),
            Some(R::TransposedRange { start }) => {
                format!("{}'[{start}..{}]", base()?, start + n_rows)
            }
            Some(R::Transposed) => format!("{}'", base()?),
            Some(R::Reshaped) if n_cols == 1 => called("vec", "")?.text,
            Some(R::Reshaped) => called("reshape", &format!(", {n_rows}, {n_cols}"))?.text,
            Some(R::OnDiagonal | R::Diagonal) => called("diag", "")?.text,
            Some(R::Repeated { down, across }) => {
                called("repmat", &format!(", {down}, {across}"))?.text
            }
            None if !is_gather => match graph.map(id) {
                Some(map)
                    if (n_rows, 1) == (from.n_rows(), n_cols)
                        && sums(from, to, |k| map.get(k), |row, _| row) =>
                {
                    called("sum_rows", "")?.text
                }
                Some(map)
                    if (1, n_cols) == (n_rows, from.n_cols())
                        && sums(from, to, |k| map.get(k), |_, col| col) =>
                {
                    called("sum_cols", "")?.text
                }
                _ => self.by_entries(program, id)?,
            },
            // One entry of a small matrix.
            None if from.is_scalar() && to.numel() <= MOST_BY_ENTRIES => {
                let value = self.get(x)?;
                let cell = |row, col| match to.find(row, col) {
                    Some(_) => value.text.clone(),
                    None => "0".to_owned(),
                };
                entries(to, &cell)
            }
            None => {
                let Some(map) = graph.map(id) else { return no_spelling(self.place(id)) };
                let value = self.get(x)?;
                select(program, &value, from, &|k| place(from, map.get(k)), to)?.text
            }
        };
        Ok(Entry { value: Ok(Value::atom(value)), plain: None })
    }

    /// A scatter: a small one entry by entry, others as sums over the entries that belong to one.
    fn by_entries(&mut self, program: &mut Program, id: NodeId) -> Result<String, NoSpelling> {
        let graph = self.graph;
        let x = graph.arg(id, 0);
        let (from, to) = (graph.pattern(x), graph.pattern(id));
        let Some(map) = graph.map(id) else { return no_spelling(self.place(id)) };
        let mut sums: Vec<Vec<usize>> = vec![Vec::new(); to.nnz()];
        map.iter().enumerate().for_each(|(k, at)| sums[at].push(k));
        let is_small = to.numel() <= MOST_BY_ENTRIES && map.len() <= MOST_BY_ENTRIES;
        let is_full = sums.iter().all(|terms| !terms.is_empty());
        if !is_small || !is_full || matches!(self.inside, Inside::Expression) {
            let value = self.get(x)?;
            let Some(column) = packed(program, &value, from)? else {
                return no_spelling(self.place(id));
            };
            program.differs.push(format!("{} is a sum with a filter", self.place(id)));
            let terms: Vec<(usize, usize)> = map.iter().enumerate().collect();
            let column = accumulated(program, &column, &terms, to.nnz())?;
            return Ok(unpacked(program, &column, to.nnz(), 0, to)?.text);
        }
        let mut base = self.get(x)?;
        if !is_name(&base.text) {
            self.name(program, &mut base);
            if let Some(entry) = self.entries.get_mut(&x) {
                entry.value = Ok(base.clone());
            }
        }
        let base = base.at_least(precedence::ATOM);
        let source = |&k: &usize| match (from.shape(), entry(from, k)) {
            ((1, 1), _) => base.clone(),
            ((_, 1), (row, _)) => format!("{base}[{row}]"),
            (_, (row, col)) => format!("{base}[{row}, {col}]"),
        };
        program.differs.push(format!("{} is written entry by entry", self.place(id)));
        let cell = |row: usize, col: usize| match to.find(row, col).map(|k| &sums[k]) {
            None => "0".to_owned(),
            Some(terms) => terms.iter().map(source).collect::<Vec<_>>().join(" + "),
        };
        Ok(entries(to, &cell))
    }

    fn call(
        &mut self,
        program: &mut Program,
        id: NodeId,
        used_results: &FxHashSet<(NodeId, usize)>,
    ) -> Result<Value, NoSpelling> {
        let graph = self.graph;
        let Some(callee) = graph.callee(id) else { return no_spelling(self.place(id)) };
        let name = program.function(callee)?;
        let mut arguments = Vec::new();
        for &a in graph.args(id) {
            arguments.push(self.plain(a)?);
        }
        let value = called(&name, callee, &arguments);
        if callee.outputs.len() == 1 {
            return Ok(value);
        }
        let text = value.text;
        let Inside::Lines(lines) = &mut self.inside else {
            return no_spelling(format!(
                "{}, with several results inside an expression",
                self.place(id)
            ));
        };
        let mut names = Vec::new();
        for k in 0..callee.outputs.len() {
            let stem = if used_results.contains(&(id, k)) { "t" } else { "_" };
            names.push(program.fresh(stem));
        }
        lines.push(format!("{}let {} = {text}", "  ".repeat(self.depth), names.join(", ")));
        self.results.insert(id, names);
        Ok(Value::atom(text))
    }

    fn conditional(
        &mut self,
        program: &mut Program,
        id: NodeId,
        used_results: &FxHashSet<(NodeId, usize)>,
    ) -> Result<Value, NoSpelling> {
        let graph = self.graph;
        let Some(Payload::Cond(then, otherwise)) = graph.payload(id) else {
            return no_spelling(self.place(id));
        };
        let (condition, args) = (graph.arg(id, 0), &graph.args(id)[1..]);
        let mut inputs = Vec::new();
        for &a in args {
            inputs.push(self.captured(program, a)?);
        }
        let condition = self.get(condition)?.at_least(precedence::OR);
        let patterns = |f: &Func| f.outputs.iter().map(|o| o.pattern.clone()).collect::<Vec<_>>();
        let is_single = then.outputs.len() == 1 && otherwise.outputs.len() == 1;
        let is_together = !is_single && patterns(then) == patterns(otherwise);
        let mut branches = Vec::new();
        for branch in [then, otherwise] {
            let Some((body, outputs)) = branch.graph().filter(|_| is_single || is_together) else {
                return no_spelling(format!("{}, with several results", self.place(id)));
            };
            if !is_single {
                branches.push(called(&program.packed_function(branch)?, branch, &inputs).text);
                continue;
            }
            let inside = Inside::Expression;
            let mut block = Block::new(branch, body, outputs, inputs.clone(), inside, self.depth);
            let value = match block.value(program, outputs[0]) {
                Ok(_) => block.plain(outputs[0])?,
                // What needs names has them in a function.
                Err(_) => called(&program.function(branch)?, branch, &inputs),
            };
            branches.push(value.at_least(precedence::OR));
        }
        let text = format!("if {condition} then {} else {}", branches[0], branches[1]);
        let mut value = Value { text, precedence: 0 };
        if is_single {
            return Ok(value);
        }
        if matches!(self.inside, Inside::Expression) {
            let place = self.place(id);
            return no_spelling(format!("{place}: it needs names where none can be given"));
        }
        self.name(program, &mut value);
        let total = then.outputs.iter().map(|port| port.pattern.nnz()).sum();
        let (mut names, mut start) = (Vec::new(), 0);
        for (k, port) in then.outputs.iter().enumerate() {
            let mut part = Value::atom("");
            if used_results.contains(&(id, k)) {
                part = unpacked(program, &value, total, start, &port.pattern)?;
                self.name(program, &mut part);
            }
            names.push(part.text);
            start += port.pattern.nnz();
        }
        program.differs.push(format!("{}: its results are one column", self.place(id)));
        self.results.insert(id, names);
        Ok(Value::atom(""))
    }

    fn result(&mut self, of: NodeId, k: usize) -> Result<Value, NoSpelling> {
        if let Some(names) = self.results.get(&of) {
            return Ok(Value::atom(names[k].clone()));
        }
        if let Some(spec) = self.graph.loop_spec(of)
            && k != spec.results.len() * spec.n_states
        {
            return no_spelling(format!("result {k} of {}", self.place(of)));
        }
        self.get(of)
    }
}

/// `[a, b; c, d]`
fn literal(
    grid: &[Vec<Cell>],
    parts: &[Result<Value, NoSpelling>],
    to: &Pattern,
) -> Result<Value, NoSpelling> {
    let cell = |cell: &Cell| -> Result<String, NoSpelling> {
        Ok(match *cell {
            Cell::Part(k) => parts[k].clone()?.text,
            Cell::Zeros { n_rows: 1, n_cols: 1 } => "0".to_owned(),
            Cell::Zeros { n_rows, n_cols } => format!("zeros({n_rows}, {n_cols})"),
        })
    };
    // Scalars take the place of single zeros where the row has no larger cells.
    let mut rows = Vec::with_capacity(grid.len());
    for row in grid {
        let cells: Vec<String> = row.iter().map(cell).collect::<Result<_, _>>()?;
        rows.push(cells.join(", "));
    }
    Ok(Value::atom(match (&rows[..], to.n_cols()) {
        ([only], 1) => format!("[{only}]"),
        ([only], _) => format!("hcat({only})"),
        (_, 1) => format!("[{}]", rows.join(", ")),
        _ => format!("[{}]", rows.join("; ")),
    }))
}

/// `[a, 0; 0, b]`
fn entries(to: &Pattern, cell: &dyn Fn(usize, usize) -> String) -> String {
    let (n_rows, n_cols) = to.shape();
    let row = |row| (0..n_cols).map(|col| cell(row, col)).collect::<Vec<_>>().join(", ");
    let rows: Vec<String> = (0..n_rows).map(row).collect();
    match (n_rows, n_cols) {
        (1, 1) => format!("({})", rows.concat()),
        (_, 1) => format!("[{}]", rows.join(", ")),
        (1, _) => format!("hcat({})", rows.concat()),
        _ => format!("[{}]", rows.join("; ")),
    }
}

/// Whether `to` has the entries of `from` that `keeps` accepts.
fn is_kept(from: &Pattern, to: &Pattern, keeps: impl Fn(usize, usize) -> bool) -> bool {
    from.entries().filter(|&(row, col)| keeps(row, col)).eq(to.entries())
}

/// Whether nonzero `k` of `from` is added to entry `place(row, column)` of a dense vector.
fn sums(
    from: &Pattern,
    to: &Pattern,
    map: impl Fn(usize) -> usize,
    place: impl Fn(usize, usize) -> usize,
) -> bool {
    to.is_dense()
        && (0..from.nnz()).all(|k| {
            let (row, col) = entry(from, k);
            map(k) == place(row, col)
        })
}
