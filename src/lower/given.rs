//! Further outputs of a function that is there already, such as a saved model: its inputs and
//! outputs are the named values.

use rustc_hash::FxHashSet;

use super::load::Loaded;
use super::{Bound, InputInfo, LowerOptions, Lowerer, OutputInfo, Program, load, on_large_stack};
use crate::graph::{Func, NodeId, visit};
use crate::syntax::ast::Name;
use crate::syntax::{Diagnostic, FileId, SourceMap, parse};

/// A function with what programs say of it.
pub struct Given {
    pub func: std::sync::Arc<Func>,
    pub inputs: Vec<InputInfo>,
    pub outputs: Vec<OutputInfo>,
}

impl From<Given> for Program {
    /// As it is.
    fn from(given: Given) -> Program {
        Program {
            func: given.func,
            inputs: given.inputs,
            outputs: given.outputs,
            functions: Vec::new(),
            tests: Vec::new(),
            dims: Vec::new(),
            inferred_dims: Vec::new(),
            problem: None,
            derive_s: 0.0,
            test: None,
            diagnostics: Vec::new(),
        }
    }
}

/// `given` with the outputs of `options` besides its own. Derivatives may be taken by its inputs.
///
/// # Errors
/// All mistakes found.
pub fn lower_given(
    sources: &mut SourceMap,
    root: FileId,
    given: &Given,
    options: &LowerOptions<'_>,
) -> Result<Program, Vec<Diagnostic>> {
    let work = || {
        let mut loaded = Loaded::lone(parse("", root).0, Vec::new());
        load::load_extra(&mut loaded, sources, options);
        let mut lowerer = Lowerer::new(&loaded, options);
        lowerer.given(given);
        for ast in &loaded.extra {
            lowerer.extra_outputs(ast);
        }
        if lowerer.has_errors() {
            return Err(lowerer.diagnostics);
        }
        let name = given.func.name.clone();
        Ok(lowerer.finish(name, &loaded.modules[0].ast, Vec::new(), None, None))
    };
    on_large_stack(root, work)
}

impl Lowerer<'_> {
    /// Declares inputs and outputs of a function.
    fn given(&mut self, given: &Given) {
        let mut names = FxHashSet::default();
        let mut inputs: Vec<NodeId> = Vec::new();
        for (k, info) in given.inputs.iter().enumerate() {
            let node = self.graph().input(k, info.pattern.clone());
            let name = Name { text: info.name.clone(), span: info.span };
            let id = self.declare(&name, Bound::Node(node, info.pattern.clone()));
            self.bindings[id.0 as usize].used = true;
            names.insert(info.name.clone());
            inputs.push(node);
        }
        let graph = self.graph();
        let nodes = match given.func.graph() {
            Some((body, roots)) if given.func.jvp.is_none() => {
                visit::transplant(body, roots, graph, &inputs)
            }
            _ => graph.call(&given.func, &inputs),
        };
        for (info, node) in given.outputs.iter().zip(nodes) {
            if names.insert(info.name.clone()) {
                let pattern = self.graph().pattern(node).clone();
                let span = given.inputs.first().map_or_else(Default::default, |info| info.span);
                let name = Name { text: info.name.clone(), span };
                let id = self.declare(&name, Bound::Node(node, pattern));
                self.bindings[id.0 as usize].used = true;
                self.computed.insert(id);
            }
            self.outputs.push((info.clone(), node));
        }
        self.inputs.clone_from(&given.inputs);
    }
}
