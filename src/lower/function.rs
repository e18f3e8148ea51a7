//! `fn` and `extern fn`: each is lowered once; what it reads of the file becomes hidden inputs.

use std::sync::Arc;

use super::declare::Shaped;
use super::frame::{Capture, FrameKind, Source};
use super::misfit::shape_text;
use super::{BindingId, Bound, FunctionInfo, Lowerer};
use crate::graph::{External, Func, Graph, NodeId, Port};
use crate::syntax::ast::{self, ExprId, ExternFunction, Name, Results};
use crate::syntax::{Code, Diagnostic, Span};

/// A declared function.
pub struct Function<'a> {
    pub module: usize,
    pub declaration: Declaration<'a>,
    pub state: State,
}

#[derive(Clone, Copy)]
pub enum Declaration<'a> {
    Fn(&'a ast::Function),
    Extern(&'a ExternFunction),
}

impl<'a> Declaration<'a> {
    pub fn name(self) -> &'a Name {
        match self {
            Declaration::Fn(f) => &f.name,
            Declaration::Extern(f) => &f.name,
        }
    }

    fn parameters(self) -> &'a [ast::Declared] {
        match self {
            Declaration::Fn(f) => &f.parameters,
            Declaration::Extern(f) => &f.parameters,
        }
    }

    fn jvp(self) -> Option<&'a Name> {
        match self {
            Declaration::Fn(f) => f.jvp.as_ref(),
            Declaration::Extern(f) => f.jvp.as_ref(),
        }
    }
}

/// How far a function has been lowered.
#[derive(Clone)]
pub enum State {
    Fresh,
    /// Its body is being lowered.
    Open,
    Done(Arc<Lowered>),
    /// It has mistakes that have been reported.
    Failed,
}

/// A lowered function.
pub struct Lowered {
    /// From the parameters, then the hidden values.
    pub func: Arc<Func>,
    /// Values of the file.
    pub hidden: Vec<BindingId>,
    pub n_parameters: usize,
    /// How deep loops, branches and calls nest inside.
    pub nesting: usize,
}

impl<'a> Lowerer<'a> {
    /// Calls a declared function; all its results.
    pub fn call_function(
        &mut self,
        id: usize,
        name: &Name,
        arguments: &[ExprId],
    ) -> Option<Vec<NodeId>> {
        let ast = self.frame().ast;
        let mut nodes = Vec::with_capacity(arguments.len());
        for &argument in arguments {
            nodes.push(self.expr_node(argument));
        }
        let declaration = self.functions[id].declaration;
        let parameters = declaration.parameters();
        if !self.check_count(name, arguments.len(), parameters.len(), parameters.len()) {
            return None;
        }
        let lowered = self.lower_function(id, name.span)?;
        if !self.may_nest(1 + lowered.nesting, name.span) {
            return None;
        }
        let mut inputs = Vec::with_capacity(lowered.func.inputs.len());
        for ((node, &argument), (port, parameter)) in
            nodes.iter().zip(arguments).zip(lowered.func.inputs.iter().zip(parameters))
        {
            let node = (*node)?;
            let given = self.graph().pattern(node).clone();
            let place = parameter.name.span;
            if given.shape() != port.pattern.shape() {
                let mut diagnostic = Diagnostic::new(
                    Code::ShapesDeclared,
                    ast.span(argument),
                    format!("the argument `{}` of `{}` has another shape", port.name, name.text),
                )
                .label(format!(
                    "{}, expected {}",
                    shape_text(given.shape()),
                    shape_text(port.pattern.shape())
                ))
                .secondary(place, "declared here");
                if let Some((name, place)) = self.declaration_of(argument) {
                    let shape = shape_text(given.shape());
                    diagnostic = diagnostic.secondary(place, format!("`{name}` is {shape}"));
                }
                if parameter.shape.is_empty() {
                    let shape = given.shape();
                    let dims = match shape.1 {
                        1 => shape.0.to_string(),
                        _ => format!("{}, {}", shape.0, shape.1),
                    };
                    diagnostic = diagnostic.help(format!(
                        "a parameter without a shape is a scalar: `{}[{dims}]`",
                        port.name
                    ));
                }
                self.report(diagnostic);
                return None;
            }
            if !port.pattern.is_dense() && given.intersection(&port.pattern) != given {
                self.report(
                    Diagnostic::new(
                        Code::OutsidePattern,
                        ast.span(argument),
                        format!("the argument `{}` has entries outside its pattern", port.name),
                    )
                    .secondary(place, "declared here"),
                );
                return None;
            }
            inputs.push(node);
        }
        for &hidden in &lowered.hidden {
            self.bindings[hidden.0 as usize].used = true;
            inputs.push(self.node_of(hidden, name.span)?);
        }
        Some(self.graph().call(&lowered.func, &inputs))
    }

    /// The number of results of a function, if it is lowered.
    pub fn lower_function(&mut self, id: usize, at: Span) -> Option<Arc<Lowered>> {
        match self.functions[id].state.clone() {
            State::Done(lowered) => return Some(lowered),
            State::Failed => return None,
            State::Open => {
                let name = self.functions[id].declaration.name();
                self.report(
                    Diagnostic::new(
                        Code::Recursion,
                        at,
                        format!("`{}` calls itself, directly or in a circle", name.text),
                    )
                    .label("closes the circle")
                    .secondary(name.span, "declared here")
                    .help("write a loop with `fold`"),
                );
                return None;
            }
            State::Fresh => {}
        }
        if !self.may_nest(1, at) {
            return None;
        }
        let outer = (self.base, self.nesting);
        (self.base, self.nesting) = (self.frames.len() + 1, 0);
        self.functions[id].state = State::Open;
        self.ends.push(None);
        let facts = std::mem::take(&mut self.facts);
        let lowered = match self.functions[id].declaration {
            Declaration::Fn(f) => self.lower_fn(id, f),
            Declaration::Extern(f) => self.lower_extern(id, f),
        };
        self.ends.pop();
        self.facts = facts;
        let lowered = lowered.and_then(|lowered| self.with_jvp(id, lowered));
        (self.base, self.nesting) = outer;
        self.functions[id].state = match &lowered {
            Some(lowered) => State::Done(lowered.clone()),
            None => State::Failed,
        };
        lowered
    }

    /// Opens the frame of a function of module `module`.
    fn open_function(&mut self, id: usize) {
        let module = self.functions[id].module;
        let ast = self.asts[module];
        self.push_frame_for(FrameKind::Function, Some(0), ast, module);
        self.frame().n_fixed = self.functions[id].declaration.parameters().len();
    }

    fn parameters(&mut self, id: usize) -> Option<Vec<Port>> {
        let parameters = self.functions[id].declaration.parameters();
        let mut ports = Vec::with_capacity(parameters.len());
        let mut failed = false;
        for (k, parameter) in parameters.iter().enumerate() {
            match self.shaped(parameter) {
                Some(Shaped { pattern, range, .. }) => {
                    let node = self.graph().input(k, pattern.clone());
                    let id = self.declare(&parameter.name, Bound::Node(node, pattern.clone()));
                    self.bindings[id.0 as usize].used = true;
                    let name = parameter.name.text.clone();
                    ports.push(Port { range, ..Port::new(name, pattern) });
                }
                None => {
                    self.declare(&parameter.name, Bound::Error);
                    failed = true;
                }
            }
        }
        (!failed).then_some(ports)
    }

    fn lower_fn(&mut self, id: usize, f: &'a ast::Function) -> Option<Arc<Lowered>> {
        self.open_function(id);
        let ports = self.parameters(id);
        self.lets(&f.lets);
        let results = self.function_results(f);
        let frame = self.pop_frame();
        let (mut ports, results) = (ports?, results?);
        let n_parameters = ports.len();
        let mut hidden = Vec::new();
        for capture in &frame.captures {
            let Source::Whole(binding) = capture.source else { continue };
            ports.push(Port::new(self.capture_name(capture), capture.pattern.clone()));
            hidden.push(binding);
        }
        let func = Func::freeze(f.name.text.clone(), &frame.graph, ports, results);
        Some(Arc::new(Lowered { func, hidden, n_parameters, nesting: self.nesting }))
    }

    fn function_results(&mut self, f: &ast::Function) -> Option<Vec<(Arc<str>, NodeId)>> {
        if let Results::Names(names) = &f.results {
            let mut results = Vec::with_capacity(names.len());
            for name in names {
                let scope = self.frame().scopes.last();
                let Some(&id) = scope.and_then(|scope| scope.get(&name.text)) else {
                    self.report(
                        Diagnostic::new(
                            Code::ResultNotBound,
                            name.span,
                            format!("the result `{}` has no value", name.text),
                        )
                        .label(format!("bind it in the body: `let {} = ...`", name.text)),
                    );
                    results.push(None);
                    continue;
                };
                let value = self.value_of(id, name.span);
                let node = self.node(&value, name.span);
                results.push(node.map(|node| (name.text.clone(), node)));
            }
            return results.into_iter().collect();
        }
        let result = f.result?;
        let node = self.expr_node(result);
        if let Results::Shape(shape) = &f.results {
            let declared = self.shape(shape, f.name.span)?;
            let given = self.graph().shape(node?);
            if declared != given {
                let span = self.frame().ast.span(result);
                let mut diagnostic = Diagnostic::new(
                    Code::ShapesDeclared,
                    span,
                    format!("the result of `{}` has another shape", f.name.text),
                )
                .label(format!(
                    "{}, expected {}",
                    shape_text(given),
                    shape_text(declared)
                ));
                if let Some(&first) = shape.first() {
                    let place = self.frame().ast.span(first);
                    diagnostic = diagnostic.secondary(place, "declared here");
                }
                self.report(diagnostic);
                return None;
            }
        }
        Some(vec![(f.name.text.clone(), node?)])
    }

    fn lower_extern(&mut self, id: usize, f: &'a ExternFunction) -> Option<Arc<Lowered>> {
        self.open_function(id);
        let ports = self.parameters(id);
        let shape = self.shape(&f.shape, f.name.span);
        self.pop_frame();
        let (ports, shape) = (ports?, shape?);
        let external = External {
            name: f.name.text.to_string(),
            inputs: ports.iter().map(|port| port.pattern.clone()).collect(),
            outputs: vec![crate::sparsity::Pattern::dense(shape.0, shape.1)],
            callback: self.options.externals.get(&*f.name.text).cloned(),
        };
        let n_parameters = ports.len();
        let func = Func::external(external, None);
        Some(Arc::new(Lowered { func, hidden: Vec::new(), n_parameters, nesting: 0 }))
    }

    /// Gives a function the derivative of its own that its declaration names.
    fn with_jvp(&mut self, id: usize, lowered: Arc<Lowered>) -> Option<Arc<Lowered>> {
        let function = &self.functions[id];
        let Some(name) = function.declaration.jvp() else { return Some(lowered) };
        let module = function.module;
        let Some(&tangent) = self.modules[module].functions.get(&name.text) else {
            self.report_unknown_function(name);
            return None;
        };
        let tangent = self.lower_function(tangent, name.span)?;
        let n = lowered.n_parameters;
        let own = &lowered.func.inputs[..n];
        let taken = &tangent.func.inputs[..tangent.n_parameters];
        let shapes = |ports: &[Port]| ports.iter().map(|p| p.pattern.shape()).collect::<Vec<_>>();
        let wanted = [shapes(own), shapes(own)].concat();
        let fits = shapes(taken) == wanted
            && shapes(&tangent.func.outputs) == shapes(&lowered.func.outputs);
        if !fits {
            let list = |ports: &[(usize, usize)]| {
                ports.iter().map(|&shape| shape_text(shape)).collect::<Vec<_>>().join(", ")
            };
            let of = self.functions[id].declaration.name();
            let message = format!("`{}` is no derivative of `{}`", name.text, of.text);
            self.report(
                Diagnostic::new(Code::DerivativeFunction, name.span, message)
                    .label(format!(
                        "takes ({}) and gives ({})",
                        list(&shapes(taken)),
                        list(&shapes(&tangent.func.outputs))
                    ))
                    .help(format!(
                        "it takes the arguments and a direction for each, ({}), and gives ({})",
                        list(&wanted),
                        list(&shapes(&lowered.func.outputs))
                    )),
            );
            return None;
        }
        if !self.jvp_fits(id, &lowered, &tangent, name) {
            return None;
        }
        let mut hidden = lowered.hidden.clone();
        hidden.extend(tangent.hidden.iter().filter(|h| !lowered.hidden.contains(h)));
        let jvp = self.own_tangent(&lowered, &tangent, &hidden, name.span)?;
        let func = match lowered.func.graph() {
            None => {
                let crate::graph::Body::External(external) = &lowered.func.body else {
                    return None;
                };
                if hidden.is_empty() {
                    Func::external((**external).clone(), Some(jvp))
                } else {
                    self.wrapped(&lowered, &hidden, Some(jvp))
                }
            }
            Some(_) => self.wrapped(&lowered, &hidden, Some(jvp)),
        };
        Some(Arc::new(Lowered { func, hidden, n_parameters: n, nesting: lowered.nesting }))
    }

    /// Whether the derivative function `tangent`, of the right shapes, takes all nonzeros of the
    /// arguments and directions, and gives none but those of the results.
    fn jvp_fits(&mut self, id: usize, lowered: &Lowered, tangent: &Lowered, name: &Name) -> bool {
        let own = &lowered.func.inputs[..lowered.n_parameters];
        let taken = tangent.func.inputs.iter().zip(own.iter().chain(own));
        let taken = taken.map(|(port, own)| (true, port, own, &own.pattern, &port.pattern));
        let given = tangent.func.outputs.iter().zip(&lowered.func.outputs);
        let given = given.map(|(port, own)| (false, port, own, &port.pattern, &own.pattern));
        for (is_parameter, port, own, inner, outer) in taken.chain(given) {
            let Some((row, col)) = inner.first_outside(outer) else { continue };
            let of = self.functions[id].declaration.name();
            let kind = if is_parameter { "parameter" } else { "result" };
            let counts = |kind: &str, port: &Port, with_entry: bool| {
                let entry = if with_entry { "with" } else { "without" };
                format!(
                    "the {kind} `{}` is {}x{} with {} nonzeros, {entry} [{row}, {col}]",
                    port.name,
                    port.pattern.n_rows(),
                    port.pattern.n_cols(),
                    port.pattern.nnz()
                )
            };
            let help = match is_parameter {
                true => "its parameters take all nonzeros of the arguments and of directions",
                false => "a derivative is zero where the function is a structural zero",
            };
            let message = format!("the pattern of `{}` is none of a derivative", name.text);
            self.report(
                Diagnostic::new(Code::DerivativeFunction, name.span, message)
                    .label(counts(kind, port, !is_parameter))
                    .secondary(of.span, counts(kind, own, is_parameter))
                    .help(help),
            );
            return false;
        }
        true
    }

    fn hidden_ports(&self, hidden: &[BindingId]) -> Vec<Port> {
        let port = |id: &BindingId| {
            let binding = &self.bindings[id.0 as usize];
            let pattern = match &binding.value {
                Bound::Node(_, pattern) => pattern.clone(),
                _ => crate::sparsity::Pattern::scalar(),
            };
            Port::new(binding.name.clone(), pattern)
        };
        hidden.iter().map(port).collect()
    }

    /// The same function with more hidden inputs and a derivative of its own.
    fn wrapped(
        &self,
        lowered: &Lowered,
        hidden: &[BindingId],
        jvp: Option<Arc<Func>>,
    ) -> Arc<Func> {
        let mut ports = lowered.func.inputs[..lowered.n_parameters].to_vec();
        ports.extend(self.hidden_ports(hidden));
        let mut graph = Graph::new();
        let inputs = graph.inputs(&ports);
        let n_used = lowered.func.inputs.len();
        let results = match lowered.func.graph() {
            Some((from, roots)) => {
                crate::graph::visit::transplant(from, roots, &mut graph, &inputs[..n_used])
            }
            None => graph.call(&lowered.func, &inputs[..n_used]),
        };
        let names = lowered.func.outputs.iter().map(|port| port.name.clone());
        let outputs = names.zip(results).collect();
        Func::freeze_with(lowered.func.name.clone(), &graph, ports, outputs, jvp)
    }

    /// The tangent function over all inputs: the given one for the parameters; by the hidden
    /// values, the derivative of the body.
    fn own_tangent(
        &mut self,
        lowered: &Lowered,
        tangent: &Lowered,
        hidden: &[BindingId],
        span: Span,
    ) -> Option<Arc<Func>> {
        let n = lowered.n_parameters;
        let hidden_ports = self.hidden_ports(hidden);
        let mut ports = lowered.func.inputs[..n].to_vec();
        ports.extend(hidden_ports);
        let n_inputs = ports.len();
        for k in 0..n_inputs {
            let name = format!("d{}", ports[k].name);
            let pattern = ports[k].pattern.clone();
            ports.push(Port::new(name, pattern));
        }
        let mut graph = Graph::new();
        let inputs = graph.inputs(&ports);
        let (primal, seeds) = inputs.split_at(n_inputs);
        let hidden_at = |id: &BindingId| hidden.iter().position(|h| h == id);
        let mut arguments = primal[..n].to_vec();
        arguments.extend_from_slice(&seeds[..n]);
        for id in &tangent.hidden {
            arguments.push(primal[n + hidden_at(id)?]);
        }
        let mut results = graph.call(&tangent.func, &arguments);
        let n_hidden = lowered.hidden.len();
        if n_hidden > 0 {
            let used = &primal[..lowered.func.inputs.len()];
            let values = graph.call(&lowered.func, used);
            let by_hidden = crate::diff::forward(
                &mut graph,
                &values,
                &primal[n..n + n_hidden],
                &[seeds[n..n + n_hidden].to_vec()],
            );
            match by_hidden {
                Ok(tangents) => {
                    for (result, &more) in results.iter_mut().zip(tangents.iter().flatten()) {
                        *result = graph.add(*result, more);
                    }
                }
                Err(error) => {
                    let message = "the derivative by a value of the file cannot be made";
                    self.report(
                        Diagnostic::new(Code::NoDerivative, span, message).label(error.to_string()),
                    );
                    return None;
                }
            }
        }
        // A tangent has the nonzeros of its value.
        let mut outputs = Vec::with_capacity(results.len());
        for (port, result) in lowered.func.outputs.iter().zip(results) {
            outputs.push((port.name.clone(), graph.project(result, &port.pattern)));
        }
        let name = tangent.func.name.clone();
        Some(Func::freeze(name, &graph, ports, outputs))
    }

    /// The name of a captured value, for the inputs of anonymous functions.
    pub fn capture_name(&self, capture: &Capture) -> Arc<str> {
        match &capture.source {
            Source::Whole(id) | Source::Slice(id, _) => self.bindings[id.0 as usize].name.clone(),
            Source::Counter { .. } => "i".into(),
        }
    }

    /// All functions of the root file, lowered even if nothing calls them.
    pub fn all_functions(&mut self) -> Vec<FunctionInfo> {
        let mut all = Vec::new();
        for id in 0..self.functions.len() {
            let name = self.functions[id].declaration.name();
            let is_root = self.functions[id].module == 0;
            if !is_root {
                continue;
            }
            if let Some(lowered) = self.lower_function(id, name.span) {
                let names = lowered.hidden.iter().map(|h| self.bindings[h.0 as usize].name.clone());
                all.push(FunctionInfo {
                    name: name.text.clone(),
                    func: lowered.func.clone(),
                    hidden: names.collect(),
                });
            }
        }
        all
    }
}
