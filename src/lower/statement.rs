//! Statements of a file, in order, and the program that they make.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::declare::{self, Dim, DimState, Shaped};
use super::function::{Declaration, Function, State};
use super::load::Loaded;
use super::problem::Derived;
use super::{Bound, InputInfo, Lowerer, OutputInfo, Program, TestInfo, TestProgram};
use crate::graph::{Func, NodeId, Port, Source};
use crate::ops::without_transposes;
use crate::syntax::ast::{
    Declared, DimItem, ExprId, Name, OutputItem, Statement, StatementKind, TestItem,
};
use crate::syntax::{Ast, Code, Diagnostic, SourceMap, Span, did_you_mean};

impl<'a> Lowerer<'a> {
    /// Lowers everything.
    pub fn program(
        mut self,
        loaded: &'a Loaded,
        sources: &SourceMap,
    ) -> Result<Program, Vec<Diagnostic>> {
        self.check_data();
        for &module in &loaded.order {
            self.frames[0].ast = self.asts[module];
            self.frames[0].module = module;
            let uses = &loaded.modules[module].uses;
            self.import(module, uses);
            self.register(module);
            self.statements(module);
        }
        self.check_dims();
        let functions = self.all_functions();
        let mut problem = None;
        let test = match self.options.test {
            Some(number) => self.test(number),
            None => {
                if self.options.function.is_some() {
                    self.select_function();
                }
                for ast in &loaded.extra {
                    self.extra_outputs(ast);
                }
                if self.options.function.is_none() {
                    problem = self.problem();
                }
                None
            }
        };
        let root = self.asts[0];
        if self.outputs.is_empty() && self.options.test.is_none() && !self.has_errors() {
            let end =
                root.statements.last().map_or(Span { file: root.file, start: 0, end: 0 }, |s| {
                    Span { start: s.span.start, ..s.span }
                });
            self.report(
                Diagnostic::new(Code::NoOutput, end, "the file has no output")
                    .help("declare one: `output f`"),
            );
        }
        if self.has_errors() {
            return Err(self.diagnostics);
        }
        self.warn_unused(root);
        let name = match &self.options.function {
            Some(name) => name.as_str().into(),
            None => declare::function_name(sources.name(root.file)),
        };
        Ok(self.finish(name, root, functions, test, problem))
    }

    /// The program of the inputs and outputs that have been declared.
    pub fn finish(
        self,
        name: Arc<str>,
        root: &Ast,
        functions: Vec<super::FunctionInfo>,
        test: Option<TestProgram>,
        problem: Option<Derived>,
    ) -> Program {
        let port = |info: &InputInfo| Port {
            range: info.range,
            ..Port::new(info.name.clone(), info.pattern.clone())
        };
        let ports: Vec<Port> = self.inputs.iter().map(port).collect();
        let problem = problem.map(|derived| self.problem_info(derived, &ports));
        let (outputs, nodes): (Vec<OutputInfo>, Vec<NodeId>) = self.outputs.into_iter().unzip();
        let names = outputs.iter().map(|o| o.name.clone());
        let graph = &self.frames[0].graph;
        let is_symmetric = |k: usize| self.inputs.get(k).is_some_and(|input| input.symmetric);
        let func = if self.inputs.iter().any(|input| input.symmetric) {
            let (graph, nodes) = without_transposes(graph, &nodes, is_symmetric);
            Func::freeze(name, &graph, ports, names.zip(nodes).collect())
        } else {
            Func::freeze(name, graph, ports, names.zip(nodes).collect())
        };
        let dims = root.statements.iter().filter_map(|statement| match &statement.kind {
            StatementKind::Dim(items) => Some(items),
            _ => None,
        });
        let mut values = Vec::new();
        for item in dims.flatten() {
            let Some(id) = self.modules[0].names.get(&item.name.text) else { continue };
            if let Bound::Int(int) = &self.bindings[id.0 as usize].value {
                values.push((item.name.text.clone(), int.base));
            }
        }
        let mut program = Program {
            func,
            inputs: self.inputs,
            outputs,
            functions,
            tests: self.tests,
            dims: values,
            inferred_dims: self.inferred,
            derive_s: self.derive_time.as_secs_f64(),
            test,
            problem,
            diagnostics: self.diagnostics,
        };
        if self.options.function.is_some() {
            keep_used_inputs(&mut program);
        }
        program
    }

    /// Brings in the names of the files that a module uses.
    fn import(&mut self, module: usize, uses: &[(usize, Span)]) {
        for &(used, span) in uses {
            let mut names: Vec<(Arc<str>, super::BindingId)> = self.exported(used);
            names.sort_by(|a, b| a.0.cmp(&b.0));
            for (name, id) in names {
                let earlier = self.modules[module].names.insert(name.clone(), id);
                if earlier.is_some_and(|earlier| earlier != id) {
                    self.report_use_clash(&name, span);
                }
            }
            let functions: Vec<(Arc<str>, usize)> = {
                let own = self.modules[used].functions.iter();
                own.filter(|(_, id)| self.functions[**id].module == used)
                    .map(|(name, &id)| (name.clone(), id))
                    .collect()
            };
            for (name, id) in functions {
                let earlier = self.modules[module].functions.insert(name.clone(), id);
                if earlier.is_some_and(|earlier| earlier != id) {
                    self.report_use_clash(&name, span);
                }
            }
        }
    }

    fn report_use_clash(&mut self, name: &str, span: Span) {
        let message = format!("`{name}` is declared by two of the files used");
        self.report(Diagnostic::new(Code::UseClash, span, message).label("brings it in again"));
    }

    /// Dims, indices and params that a file declares itself.
    fn exported(&self, module: usize) -> Vec<(Arc<str>, super::BindingId)> {
        let mut exported = Vec::new();
        let names = &self.modules[module].names;
        let mut add = |name: &Name| {
            if let Some(&id) = names.get(&name.text) {
                exported.push((name.text.clone(), id));
            }
        };
        for statement in &self.asts[module].statements {
            match &statement.kind {
                StatementKind::Dim(items) => items.iter().for_each(|item| add(&item.name)),
                StatementKind::Index(items) => items.iter().for_each(|item| add(&item.name)),
                StatementKind::Param(items) => {
                    items.iter().for_each(|item| add(&item.declared.name));
                }
                _ => {}
            }
        }
        exported
    }

    /// Declares what may be used anywhere in the file, and notes where all else is declared.
    fn register(&mut self, module: usize) {
        let ast = self.asts[module];
        let mut overrides: FxHashMap<&str, i64> = FxHashMap::default();
        overrides.extend(self.options.dims.iter().map(|(name, value)| (name.as_str(), *value)));
        let test_dims = self.test_dims(module);
        for statement in &ast.statements {
            match &statement.kind {
                StatementKind::Dim(items) => {
                    for item in items {
                        self.register_dim(module, item, &overrides, &test_dims);
                    }
                }
                StatementKind::Fn(f) => self.register_function(module, Declaration::Fn(f)),
                StatementKind::ExternFn(f) => {
                    self.register_function(module, Declaration::Extern(f));
                }
                _ => {
                    let declared = &mut self.modules[module].declared;
                    declared_names(&statement.kind, &mut |name| {
                        declared.entry(name.text.clone()).or_insert(name.span);
                    });
                }
            }
        }
    }

    /// The dims that the test to be lowered sets.
    fn test_dims(&self, module: usize) -> FxHashMap<Arc<str>, ExprId> {
        let mut dims = FxHashMap::default();
        let Some(number) = self.options.test.filter(|_| module == 0) else { return dims };
        let tests = self.asts[0].statements.iter().filter_map(|s| match &s.kind {
            StatementKind::Test(test) => Some(test),
            _ => None,
        });
        let Some(test) = tests.into_iter().nth(number) else { return dims };
        for item in &test.items {
            if let TestItem::Dim(items) = item {
                for item in items {
                    if let Some(value) = item.value {
                        dims.insert(item.name.text.clone(), value);
                    }
                }
            }
        }
        dims
    }

    fn register_dim(
        &mut self,
        module: usize,
        item: &DimItem,
        overrides: &FxHashMap<&str, i64>,
        test_dims: &FxHashMap<Arc<str>, ExprId>,
    ) {
        let name = &item.name;
        if let Some(&earlier) = self.modules[module].names.get(&name.text) {
            let place = self.bindings[earlier.0 as usize].span;
            self.report_twice(Code::UseClash, name, place);
            return;
        }
        let test_value = test_dims.get(&name.text).copied();
        let given = match overrides.get(&*name.text) {
            _ if test_value.is_some() => None,
            Some(&value) => Some(value),
            None => self.dim_from_data(name),
        };
        let dim = Dim {
            name: name.clone(),
            value: test_value.or(item.value),
            given,
            state: DimState::Fresh,
        };
        if let Some(earlier) = self.modules[module].dims.insert(name.text.clone(), dim) {
            self.report_twice(Code::DefinedTwice, name, earlier.name.span);
        }
    }

    fn register_function(&mut self, module: usize, declaration: Declaration<'a>) {
        let name = declaration.name();
        let id = self.functions.len();
        self.functions.push(Function { module, declaration, state: State::Fresh });
        if let Some(earlier) = self.modules[module].functions.insert(name.text.clone(), id) {
            let place = self.functions[earlier].declaration.name().span;
            let code = if self.functions[earlier].module == module {
                Code::DefinedTwice
            } else {
                Code::UseClash
            };
            self.report_twice(code, name, place);
        }
    }

    fn report_twice(&mut self, code: Code, name: &Name, earlier: Span) {
        self.report(
            Diagnostic::new(code, name.span, format!("`{}` is declared twice", name.text))
                .label("second declaration")
                .secondary(earlier, "first declaration"),
        );
    }

    /// Dims given from outside have to exist.
    fn check_dims(&mut self) {
        for k in 0..self.options.dims.len() {
            let name = &self.options.dims[k].0;
            if self.modules.iter().any(|module| module.dims.contains_key(&**name)) {
                continue;
            }
            let known = self.modules.iter().flat_map(|module| module.dims.keys()).map(|k| &**k);
            let suggestion = did_you_mean(name, known).map(str::to_string);
            let span = Span { file: self.asts[0].file, start: 0, end: 0 };
            let mut diagnostic =
                Diagnostic::new(Code::UnknownName, span, format!("there is no dim `{name}`"));
            if let Some(suggestion) = suggestion {
                diagnostic = diagnostic.help(format!("did you mean `{suggestion}`?"));
            }
            self.report(diagnostic);
        }
    }

    fn statements(&mut self, module: usize) {
        let ast = self.asts[module];
        let mut dims: Vec<(u32, Arc<str>)> = Vec::new();
        dims.extend(
            self.modules[module].dims.values().map(|d| (d.name.span.start, d.name.text.clone())),
        );
        dims.sort();
        for (_, name) in dims {
            self.evaluate_dim(module, &name);
        }
        for statement in &ast.statements {
            if module == 0 {
                self.statement(statement);
            } else {
                self.used_statement(statement);
            }
        }
    }

    /// A statement of a file that is used: its inputs and outputs do not count, and mistakes in
    /// its `let`s only if something needs them.
    fn used_statement(&mut self, statement: &'a Statement) {
        match &statement.kind {
            StatementKind::Param(_) | StatementKind::Index(_) => self.statement(statement),
            StatementKind::Input(items) => {
                for item in items {
                    let message = format!("`{}` is an input of another file", item.name.text);
                    let reason = Diagnostic::new(Code::UnknownName, item.name.span, message)
                        .label("`use` brings in dims, params and functions only")
                        .help("make it a parameter, or an argument of the function");
                    self.declare(&item.name, Bound::Deferred(vec![reason]));
                }
            }
            StatementKind::Let(item) => {
                let before = std::mem::take(&mut self.diagnostics);
                let first = self.bindings.len();
                self.let_statement(item);
                let found = std::mem::replace(&mut self.diagnostics, before);
                if found.iter().any(Diagnostic::is_error) {
                    for binding in &mut self.bindings[first..] {
                        if matches!(binding.value, Bound::Error) {
                            binding.value = Bound::Deferred(found.clone());
                        }
                    }
                } else {
                    self.diagnostics.extend(found);
                }
            }
            _ => {}
        }
    }

    fn statement(&mut self, statement: &'a Statement) {
        match &statement.kind {
            StatementKind::Error
            | StatementKind::Use(_)
            | StatementKind::Dim(_)
            | StatementKind::Fn(_)
            | StatementKind::ExternFn(_) => {}
            StatementKind::Input(items) => {
                for item in items {
                    self.input(item, None, false);
                }
            }
            StatementKind::Param(items) => {
                for item in items {
                    self.input(&item.declared, item.value, true);
                }
            }
            StatementKind::Let(item) => self.let_statement(item),
            StatementKind::Output(items) => {
                for item in items {
                    self.output(item);
                }
            }
            StatementKind::Index(items) => {
                items.iter().for_each(|item| self.index_item(item));
            }
            StatementKind::Test(test) => {
                let span = statement.span;
                self.tests.push(TestInfo { name: test.name.text.clone(), span });
            }
            StatementKind::Var(items) => items.iter().for_each(|item| self.variable(item)),
            StatementKind::Minimise(expr) => self.objective(*expr, statement.span),
            StatementKind::SubjectTo(constraints) => {
                constraints.iter().for_each(|constraint| self.constraint(constraint));
            }
            StatementKind::Root(_) | StatementKind::Ode(_) => {
                let mut names = Vec::new();
                declared_names(&statement.kind, &mut |name| names.push(name.clone()));
                for name in &names {
                    self.declare(name, Bound::Error);
                }
                let part = match &statement.kind {
                    StatementKind::Root(_) => "`root`",
                    _ => "`ode`",
                };
                self.report_not_there(statement.span, part);
            }
        }
    }

    fn input(&mut self, declared: &Declared, default: Option<ExprId>, is_param: bool) {
        let name = &declared.name;
        let Some(shaped) = self.shaped(declared) else {
            self.declare(name, Bound::Error);
            return;
        };
        let given = self.input_from_data(name, &shaped);
        let Shaped { pattern, symmetric, range } = shaped;
        let default =
            default.map(|default| self.constant_for(default, &name.text, &pattern, name.span));
        let default = given.map(Some).or(default);
        if let Some(earlier) = self.inputs.iter().find(|input| input.name == name.text)
            && earlier.span.file != name.span.file
        {
            let place = earlier.span;
            self.report_twice(Code::UseClash, name, place);
            return;
        }
        let number = self.inputs.len();
        let node = self.graph().input(number, pattern.clone());
        let id = self.declare(name, Bound::Node(node, pattern.clone()));
        self.bindings[id.0 as usize].used = true;
        self.inputs.push(InputInfo {
            name: name.text.clone(),
            is_param,
            pattern,
            symmetric,
            range,
            default: default.flatten(),
            unit: declared.unit.clone(),
            span: name.span,
        });
    }

    fn output(&mut self, item: &'a OutputItem) {
        let name = &item.name;
        if self.outputs.iter().any(|(output, _)| output.name == name.text) {
            self.report(
                Diagnostic::new(
                    Code::OutputTwice,
                    name.span,
                    format!("the output `{}` is given twice", name.text),
                )
                .label("second output of this name"),
            );
            return;
        }
        let value = match item.value {
            None => self.name(&name.text, name.span),
            Some(value) => {
                let value = self.expr(value);
                let id = self.declare_value(name, value);
                self.bindings[id.0 as usize].used = true;
                self.value_of(id, name.span)
            }
        };
        if let Some(node) = self.node(&value, name.span) {
            let info = OutputInfo { name: name.text.clone(), unit: item.unit.clone() };
            self.outputs.push((info, node));
        }
    }

    /// Outputs from outside the file. A name that it declares already may be given again.
    pub fn extra_outputs(&mut self, ast: &'a Ast) {
        self.frames[0].ast = ast;
        self.frames[0].module = 0;
        self.open_scope();
        for statement in &ast.statements {
            match &statement.kind {
                StatementKind::Output(items) => {
                    for item in items {
                        self.output(item);
                    }
                }
                StatementKind::Error => {}
                _ => {
                    let message = "only outputs can be added";
                    self.report(Diagnostic::new(Code::NotAStatement, statement.span, message));
                }
            }
        }
        self.frames[0].ast = self.asts[0];
    }

    /// Makes a `fn` of the root file the function: its parameters become inputs, its results
    /// outputs.
    fn select_function(&mut self) {
        self.frames[0].ast = self.asts[0];
        self.frames[0].module = 0;
        let Some(wanted) = &self.options.function else { return };
        let Some(&id) = self.modules[0].functions.get(&**wanted) else {
            let known: Vec<&str> = self.modules[0].functions.keys().map(|k| &**k).collect();
            let suggestion = did_you_mean(wanted, known).map(str::to_string);
            let span = Span { file: self.asts[0].file, start: 0, end: 0 };
            let message = format!("there is no fn `{wanted}`");
            let mut diagnostic = Diagnostic::new(Code::UnknownFunction, span, message);
            if let Some(suggestion) = suggestion {
                diagnostic = diagnostic.help(format!("did you mean `{suggestion}`?"));
            }
            self.report(diagnostic);
            return;
        };
        let span = self.functions[id].declaration.name().span;
        let Some(lowered) = self.lower_function(id, span) else { return };
        self.open_scope();
        self.outputs.clear();
        let first = self.inputs.len();
        let mut args = Vec::new();
        for (k, port) in lowered.func.inputs[..lowered.n_parameters].iter().enumerate() {
            let node = self.graph().input(first + k, port.pattern.clone());
            let name = Name { text: port.name.clone(), span };
            let id = self.declare(&name, Bound::Node(node, port.pattern.clone()));
            self.bindings[id.0 as usize].used = true;
            self.inputs.push(InputInfo {
                name: port.name.clone(),
                is_param: false,
                pattern: port.pattern.clone(),
                symmetric: false,
                range: port.range,
                default: None,
                unit: Vec::new(),
                span,
            });
            args.push(node);
        }
        for &hidden in &lowered.hidden {
            match self.node_of(hidden, span) {
                Some(node) => args.push(node),
                None => return,
            }
        }
        let results = self.graph().call(&lowered.func, &args);
        for (port, node) in lowered.func.outputs.iter().zip(results) {
            let name = Name { text: port.name.clone(), span };
            let scope = self.frame().scopes.last();
            if !scope.is_some_and(|scope| scope.contains_key(&name.text)) {
                let pattern = self.graph().pattern(node).clone();
                let id = self.declare(&name, Bound::Node(node, pattern));
                self.bindings[id.0 as usize].used = true;
            }
            let info = OutputInfo { name: port.name.clone(), unit: Vec::new() };
            self.outputs.push((info, node));
        }
    }

    /// Warns of `let`s that nothing uses, tests included.
    fn warn_unused(&mut self, root: &Ast) {
        let mut in_tests: FxHashSet<Arc<str>> = FxHashSet::default();
        for statement in &root.statements {
            let StatementKind::Test(test) = &statement.kind else { continue };
            for item in &test.items {
                let TestItem::Expect { left, right, .. } = item else { continue };
                in_tests.extend(super::index::names_in(root, *left));
                in_tests.extend(super::index::names_in(root, *right));
            }
        }
        let used: FxHashSet<Span> =
            self.bindings.iter().filter(|b| b.used).map(|b| b.span).collect();
        let mut warned: FxHashSet<Span> = FxHashSet::default();
        let mut warnings = Vec::new();
        for binding in &self.bindings {
            let is_root = binding.span.file == root.file;
            if used.contains(&binding.span)
                || !is_root
                || in_tests.contains(&binding.name)
                || binding.name.starts_with('_')
                || !warned.insert(binding.span)
            {
                continue;
            }
            let message = format!("`{}` is never used", binding.name);
            warnings.push(Diagnostic::new(Code::UnusedValue, binding.span, message));
        }
        self.diagnostics.extend(warnings);
    }
}

/// Calls `add` for every value name that a statement declares.
fn declared_names(kind: &StatementKind, add: &mut dyn FnMut(&Name)) {
    match kind {
        StatementKind::Index(items) => items.iter().for_each(|item| add(&item.name)),
        StatementKind::Input(items) => items.iter().for_each(|item| add(&item.name)),
        StatementKind::Param(items) | StatementKind::Var(items) => {
            items.iter().for_each(|item| add(&item.declared.name));
        }
        StatementKind::Let(item) => item.names.iter().for_each(add),
        StatementKind::Output(items) => {
            items.iter().filter(|item| item.value.is_some()).for_each(|item| add(&item.name));
        }
        StatementKind::Root(root) => {
            add(&root.unknown.name);
            root.equations.iter().for_each(|equation| add(&equation.name));
        }
        StatementKind::Ode(ode) => add(&ode.name),
        StatementKind::SubjectTo(constraints) => {
            constraints.iter().for_each(|constraint| add(&constraint.name));
        }
        _ => {}
    }
}

/// Drops the inputs of the file that a selected `fn` does not read, and puts its parameters first.
fn keep_used_inputs(program: &mut Program) {
    let Some((graph, roots)) = program.func.graph() else { return };
    let used: FxHashSet<usize> = crate::graph::visit::reachable(graph, roots)
        .into_iter()
        .filter(|&id| graph.op(id) == crate::graph::Op::Input)
        .map(|id| graph.number(id))
        .collect();
    let n_declared = program.inputs.len();
    let n_parameters = program
        .functions
        .iter()
        .find(|f| f.name == program.func.name)
        .map_or(0, |f| f.func.inputs.len() - f.hidden.len());
    let first = n_declared - n_parameters.min(n_declared);
    let mut order: Vec<usize> = (first..n_declared).collect();
    order.extend((0..first).filter(|k| used.contains(k)));
    let port = |(k, port): (usize, &Port)| (Source::Output(k), port.pattern.clone());
    let outputs: Vec<_> = program.func.outputs.iter().enumerate().map(port).collect();
    if let Some(func) = program.func.with_ports(&order, &outputs) {
        program.func = func;
        program.inputs = order.iter().map(|&k| program.inputs[k].clone()).collect();
    }
}
