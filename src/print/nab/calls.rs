//! Calls of functions and conditionals, and the results of nodes that have several.

use rustc_hash::FxHashSet;

use super::body::{Block, Inside};
use super::packed::{called, unpacked};
use super::value::Value;
use super::{NoSpelling, Program, no_spelling};
use crate::graph::{Func, NodeId, Payload};
use crate::ops::scalar::precedence;

impl Block<'_, '_> {
    pub(super) fn call(
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
            arguments.push(self.plain(program, a)?.0);
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

    pub(super) fn conditional(
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
        let (mut branches, mut spelled) = (Vec::with_capacity(2), Vec::with_capacity(2));
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
            spelled.push(match block.value(program, outputs[0]) {
                Ok(exact) => (block.plain(program, outputs[0])?, exact),
                // What needs names has them in a function.
                Err(_) => {
                    let call = called(&program.function(branch)?, branch, &inputs);
                    ((call.clone(), branch.outputs[0].pattern.clone()), call)
                }
            });
        }
        if let [((a, of_a), exact_a), ((b, of_b), exact_b)] = &spelled[..] {
            // The language stores the zeros that one branch has and the other one has not.
            let fits = of_a.union(of_b) == then.outputs[0].pattern;
            let both = if fits { [a, b] } else { [exact_a, exact_b] };
            branches.extend(both.map(|value| value.at_least(precedence::OR)));
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

    pub(super) fn result(&mut self, of: NodeId, k: usize) -> Result<Value, NoSpelling> {
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
