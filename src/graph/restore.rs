//! Functions that come from outside, such as saved models: their nodes are checked one by one
//! and then taken as they are, without folding.
//!
//! All passes trust what is checked here: operands precede users and have fitting patterns, maps
//! and windows stay inside their values, and loops, calls and conditionals fit the functions
//! that they run.

use std::sync::Arc;

use super::arena::Attr;
use super::node::{ArgMode, LoopSpec, NodeId, Op, Origin, Payload, ResultMode, Window};
use super::{Body, External, Func, Graph, Port, window_fits};
use crate::ops::scalar::ScalarOp;
use crate::sparsity::{IndexMap, MAX_NUMEL, Pattern};

/// The most iterations of a loop.
const MAX_TRIPS: u64 = 1 << 53;

/// The largest iteration number that an iteration may see.
const MAX_ITERATION: i128 = 1 << 60;

impl Graph {
    /// Adds a node whose arguments are nodes of this graph; `inputs` are those of the function.
    /// A loop, call or conditional has the pattern `0x0`.
    ///
    /// # Errors
    /// What is wrong with the node, in words that follow its name.
    pub fn restore(
        &mut self,
        inputs: &[Port],
        op: Op,
        args: &[NodeId],
        attr: Attr,
        pattern: Pattern,
    ) -> Result<NodeId, String> {
        self.check_node(inputs, op, args, &attr, &pattern)?;
        Ok(self.intern(op, args, attr, pattern))
    }

    fn check_node(
        &self,
        inputs: &[Port],
        op: Op,
        args: &[NodeId],
        attr: &Attr,
        pattern: &Pattern,
    ) -> Result<(), String> {
        let is_multi = |id: NodeId| matches!(self.op(id), Op::Call | Op::Loop | Op::Cond);
        if let Some(k) = args.iter().position(|&a| is_multi(a) != (op == Op::Result)) {
            return Err(match op {
                Op::Result => "is a result of a node that has no results".to_owned(),
                _ => format!("takes as argument {k} a node that is no value but has results"),
            });
        }
        let count = |n: usize| match args.len() {
            given if given == n => Ok(()),
            given => Err(format!("takes {n} arguments, not {given}")),
        };
        let has_values = |k: usize| match self.nnz(args[k]) {
            0 => Err(format!("takes as argument {k} a value without nonzeros")),
            _ => Ok(()),
        };
        let has_nonzeros = || match pattern.nnz() {
            0 => Err("has no nonzeros; only constants, inputs and results may".to_owned()),
            _ => Ok(()),
        };
        match (op, attr) {
            (Op::Const, Attr::Uniform(v)) => {
                count(0)?;
                if pattern.is_zero() && v.to_bits() != 0 {
                    return Err("has a value but no nonzeros".to_owned());
                }
                Ok(())
            }
            (Op::Const, Attr::Payload(Payload::Values(values))) => {
                count(0)?;
                same_length("values", values.0.len(), pattern.nnz())
            }
            (Op::Input, Attr::Number(k)) => {
                count(0)?;
                match inputs.get(*k as usize) {
                    Some(port) if port.pattern == *pattern => Ok(()),
                    Some(port) => Err(misfit(pattern, &port.pattern)),
                    None => Err(format!("is input {k} of a function with {}", inputs.len())),
                }
            }
            (Op::Scalar(scalar), Attr::None) => {
                count(scalar.arity())?;
                has_nonzeros()?;
                for (k, &a) in args.iter().enumerate() {
                    let of = self.pattern(a);
                    if of != pattern && !(of.is_scalar() && of.nnz() == 1) {
                        return Err(format!(
                            "takes a {of} value as argument {k}, but is {pattern}; arguments \
                             have the pattern of the result or are 1x1"
                        ));
                    }
                }
                if !args.iter().any(|&a| self.pattern(a) == pattern) {
                    return Err(format!("takes 1x1 arguments, but is {pattern}"));
                }
                self.check_zeros(scalar, args, pattern)
            }
            (Op::Gather, Attr::Payload(Payload::Map(map))) => {
                count(1)?;
                has_nonzeros()?;
                same_length("entries of its map", map.len(), pattern.nnz())?;
                within(map, self.nnz(args[0]))
            }
            (Op::Scatter, Attr::Payload(Payload::Map(map))) => {
                count(1)?;
                has_nonzeros()?;
                has_values(0)?;
                same_length("entries of its map", map.len(), self.nnz(args[0]))?;
                within(map, pattern.nnz())
            }
            (Op::Concat, Attr::None) => {
                let mut total = 0u64;
                for (k, &a) in args.iter().enumerate() {
                    has_values(k)?;
                    total += self.nnz(a) as u64;
                }
                let whole = Pattern::try_dense(total, 1).map_err(|e| e.to_string())?;
                has_nonzeros()?;
                fits(pattern, &whole)
            }
            (Op::MatMul, Attr::None) => {
                count(2)?;
                has_nonzeros()?;
                has_values(0)?;
                has_values(1)?;
                let ((m, k), (l, n)) = (self.shape(args[0]), self.shape(args[1]));
                if k != l || pattern.shape() != (m, n) {
                    return Err(format!("multiplies {m}x{k} by {l}x{n}, but is {pattern}"));
                }
                Ok(())
            }
            (Op::Reduce(_), Attr::None) => {
                count(1)?;
                has_values(0)?;
                fits(pattern, &Pattern::scalar())
            }
            (Op::Call, Attr::Payload(Payload::Call(callee))) => {
                fits(pattern, &Pattern::zero(0, 0))?;
                self.check_arguments(args, callee)
            }
            (Op::Cond, Attr::Payload(Payload::Cond(then, otherwise))) => {
                fits(pattern, &Pattern::zero(0, 0))?;
                let Some((&condition, rest)) = args.split_first() else {
                    return Err("has no condition".to_owned());
                };
                fits(self.pattern(condition), &Pattern::scalar())
                    .map_err(|e| format!("has a condition that {e}"))?;
                self.check_arguments(rest, then)?;
                self.check_arguments(rest, otherwise)?;
                let patterns =
                    |f: &Func| f.outputs.iter().map(|p| p.pattern.clone()).collect::<Vec<_>>();
                if patterns(then) != patterns(otherwise) {
                    return Err("has two functions with different results".to_owned());
                }
                Ok(())
            }
            (Op::Loop, Attr::Payload(Payload::Loop(spec))) => {
                fits(pattern, &Pattern::zero(0, 0))?;
                self.check_loop(spec, args)
            }
            (Op::Result, Attr::Number(k)) => {
                count(1)?;
                has_nonzeros()?;
                let wanted = match self.payload(args[0]) {
                    Some(Payload::Call(f) | Payload::Cond(f, _)) => {
                        f.outputs.get(*k as usize).map(|port| &port.pattern)
                    }
                    Some(Payload::Loop(spec)) => spec.result_patterns().nth(*k as usize),
                    _ => None,
                };
                match wanted {
                    Some(wanted) => fits(pattern, wanted),
                    None => Err(format!("is result {k} of a node with fewer")),
                }
            }
            _ => Err("lacks what its operation needs".to_owned()),
        }
    }

    /// Outside of the pattern of an elementwise node its value has to be zero.
    fn check_zeros(&self, op: ScalarOp, args: &[NodeId], pattern: &Pattern) -> Result<(), String> {
        let is_power_of_zero =
            op == ScalarOp::Pow && self.as_uniform(args[1]).is_some_and(|exponent| exponent > 0.0);
        if pattern.is_dense() || is_power_of_zero {
            return Ok(());
        }
        // Scalars are zero everywhere or nowhere, matrices zero outside of the pattern.
        let is_zero =
            |k: usize| !self.pattern(args[k]).is_scalar() || self.as_uniform(args[k]) == Some(0.0);
        let zeros = (0..args.len()).filter(|&k| is_zero(k)).fold(0u8, |set, k| set | 1 << k);
        if op.is_structural_zero(zeros) {
            return Ok(());
        }
        Err(format!("has nonzeros outside of its pattern, {pattern}"))
    }

    fn check_arguments(&self, args: &[NodeId], callee: &Func) -> Result<(), String> {
        if args.len() != callee.inputs.len() {
            let (n, given) = (callee.inputs.len(), args.len());
            return Err(format!("gives {given} arguments to `{}`, which takes {n}", callee.name));
        }
        for (k, (&a, port)) in args.iter().zip(&callee.inputs).enumerate() {
            fits(self.pattern(a), &port.pattern)
                .map_err(|e| format!("has for `{}` an argument {k} that {e}", callee.name))?;
        }
        Ok(())
    }

    fn check_loop(&self, spec: &LoopSpec, args: &[NodeId]) -> Result<(), String> {
        let body = &spec.body;
        let (n, s) = (spec.n, spec.n_states);
        if n == 0 || n > MAX_TRIPS {
            return Err(format!("runs {n} times; it may run 1 to {MAX_TRIPS} times"));
        }
        let counts = [
            ("inputs of its body", body.inputs.len(), s.saturating_add(spec.args.len())),
            ("outputs of its body", body.outputs.len(), s.saturating_add(spec.results.len())),
            ("arguments", args.len(), body.inputs.len()),
            ("patterns of results", spec.patterns.len(), spec.results.len()),
        ];
        for (what, given, wanted) in counts {
            same_length(what, given, wanted)?;
        }
        for k in 0..s {
            fits(self.pattern(args[k]), &body.inputs[k].pattern)
                .and_then(|()| fits(&body.outputs[k].pattern, &body.inputs[k].pattern))
                .map_err(|e| format!("has a state {k} that {e}"))?;
        }
        for (k, mode) in spec.args.iter().enumerate() {
            let inside = &body.inputs[s + k].pattern;
            let of = args[s + k];
            let checked = match mode {
                ArgMode::Broadcast => fits(self.pattern(of), inside),
                ArgMode::Iteration { base, step } => {
                    let last = i128::from(*base) + i128::from(*step) * i128::from(n);
                    if i128::from(*base).abs().max(last.abs()) > MAX_ITERATION {
                        return Err("counts beyond the range of its iteration numbers".to_owned());
                    }
                    fits(inside, &Pattern::scalar())
                }
                ArgMode::Window(window) => {
                    if self.nnz(of) == 1 && inside.nnz() > 1 {
                        return Err("sees the one nonzero of an argument many times".to_owned());
                    }
                    check_window(window, n, inside.nnz(), self.nnz(of))
                }
            };
            checked.map_err(|e| format!("has an argument {k} that {e}"))?;
        }
        for (r, (mode, whole)) in spec.results.iter().zip(&spec.patterns).enumerate() {
            let inside = &body.outputs[s + r].pattern;
            let checked = match mode {
                ResultMode::Reduce(_) => fits(whole, inside),
                ResultMode::Window(window) => check_window(window, n, inside.nnz(), whole.nnz()),
            };
            checked.map_err(|e| format!("has a result {r} that {e}"))?;
        }
        Ok(())
    }
}

impl Func {
    /// A function whose graph was made by [`Graph::restore`].
    ///
    /// # Errors
    /// An output that is no value; a derivative with another signature.
    pub fn restore(
        name: Arc<str>,
        graph: Graph,
        inputs: Vec<Port>,
        outputs: Vec<(Arc<str>, NodeId)>,
        jvp: Option<Arc<Func>>,
    ) -> Result<Arc<Func>, String> {
        for (name, node) in &outputs {
            if matches!(graph.op(*node), Op::Call | Op::Loop | Op::Cond) {
                return Err(format!("the output `{name}` is no value"));
            }
        }
        let func = Func::assemble(name, graph, inputs, outputs, jvp);
        check_jvp(&func)?;
        Ok(Arc::new(func))
    }

    /// A function supplied from outside, with the names of its inputs and outputs.
    ///
    /// # Errors
    /// A derivative with another signature.
    pub fn restore_external(
        external: External,
        inputs: Vec<Arc<str>>,
        outputs: Vec<Arc<str>>,
        jvp: Option<Arc<Func>>,
    ) -> Result<Arc<Func>, String> {
        let mut func = Func::external(external, jvp);
        if let Some(func) = Arc::get_mut(&mut func) {
            func.inputs.iter_mut().zip(inputs).for_each(|(port, name)| port.name = name);
            func.outputs.iter_mut().zip(outputs).for_each(|(port, name)| port.name = name);
        }
        check_jvp(&func)?;
        Ok(func)
    }

    /// The functions that this one runs or carries: callees, bodies of loops, branches, its
    /// derivative.
    pub fn parts(&self) -> Vec<&Arc<Func>> {
        let mut parts: Vec<&Arc<Func>> = self.jvp.iter().collect();
        if let Body::Graph { graph, outputs } = &self.body {
            let nodes = super::visit::reachable(graph, outputs);
            parts.extend(nodes.into_iter().flat_map(|id| graph.callees(id)));
        }
        parts
    }
}

/// (inputs, their tangents) -> tangents of the outputs.
fn check_jvp(func: &Func) -> Result<(), String> {
    let Some(jvp) = &func.jvp else { return Ok(()) };
    let inputs = func.inputs.iter().chain(&func.inputs).map(|port| &port.pattern);
    let outputs = func.outputs.iter().map(|port| port.pattern.shape());
    if inputs.eq(jvp.inputs.iter().map(|port| &port.pattern))
        && outputs.eq(jvp.outputs.iter().map(|port| port.pattern.shape()))
    {
        return Ok(());
    }
    Err(format!("`{}` is no derivative of `{}`: their signatures do not fit", jvp.name, func.name))
}

fn misfit(given: &Pattern, wanted: &Pattern) -> String {
    if given.shape() == wanted.shape() && given.nnz() == wanted.nnz() {
        return format!("has its {} nonzeros in other places than it should", given.nnz());
    }
    format!("is {given}, not {wanted}")
}

fn fits(given: &Pattern, wanted: &Pattern) -> Result<(), String> {
    if given == wanted { Ok(()) } else { Err(misfit(given, wanted)) }
}

fn same_length(what: &str, given: usize, wanted: usize) -> Result<(), String> {
    if given == wanted { Ok(()) } else { Err(format!("has {given} {what}, not {wanted}")) }
}

/// Largest entry of a map that is not empty; smallest as well, which may be negative for an
/// affine map that leaves its value.
fn extent(map: &IndexMap) -> Option<(i64, i64)> {
    match map {
        IndexMap::Table(table) => {
            Some((i64::from(*table.iter().min()?), i64::from(*table.iter().max()?)))
        }
        IndexMap::Affine(affine) => {
            let (mut lo, mut hi) = (i64::from(affine.start), i64::from(affine.start));
            for (count, stride) in affine.dims {
                let reach = (i64::from(count) - 1) * i64::from(stride);
                lo += reach.min(0);
                hi += reach.max(0);
            }
            (affine.dims.iter().all(|d| d.0 > 0)).then_some((lo, hi))
        }
    }
}

fn within(map: &IndexMap, n: usize) -> Result<(), String> {
    match extent(map) {
        Some((lo, hi)) if lo < 0 || hi >= n as i64 => {
            let outside = if lo < 0 { lo } else { hi };
            Err(format!("has {outside} in its map, outside of 0..{n}"))
        }
        _ => Ok(()),
    }
}

fn check_window(window: &Window, n: u64, n_inside: usize, n_whole: usize) -> Result<(), String> {
    same_length("entries of the map of its window", window.map.len(), n_inside)?;
    // The map is checked as one of the longest value there can be, so that sums cannot overflow.
    within(&window.map, MAX_NUMEL as usize)?;
    match &window.origin {
        Origin::Table(table) => same_length("origins of its window", table.len(), n as usize)?,
        Origin::Affine { base, step } => {
            let limit = 2 * i128::from(MAX_NUMEL);
            let reach = i128::from(*step) * i128::from(n);
            let longest = i128::from(n) * n_inside.max(1) as i128;
            if i128::from(*base).abs() > limit
                || reach.abs() > limit + i128::from(*step).abs()
                || i128::from(*step).abs() > limit
                || longest > 1 << 62
            {
                return Err(format!("has a window that leaves its {n_whole} nonzeros"));
            }
        }
    }
    if window_fits(window, n, n_whole) {
        return Ok(());
    }
    Err(format!("has a window that leaves its {n_whole} nonzeros"))
}
