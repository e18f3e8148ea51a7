//! Reads the root file and the files that it uses, directly or not.

use rustc_hash::FxHashMap;

use super::{Loader, LowerOptions};
use crate::syntax::ast::{Name, StatementKind};
use crate::syntax::{Ast, Code, Diagnostic, FileId, SourceMap, Span, parse};

/// All trees of a run.
pub struct Loaded {
    /// The root file first.
    pub modules: Vec<LoadedModule>,
    /// Positions of modules such that every one comes after those that it uses.
    pub order: Vec<usize>,
    /// Outputs asked for besides those of the file.
    pub extra: Vec<Ast>,
    pub diagnostics: Vec<Diagnostic>,
}

/// A file.
pub struct LoadedModule {
    pub ast: Ast,
    /// The modules that it uses, with the place of the `use`.
    pub uses: Vec<(usize, Span)>,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Open,
    Done,
}

impl Loaded {
    /// A tree that uses no other.
    pub fn lone(ast: Ast, diagnostics: Vec<Diagnostic>) -> Loaded {
        let module = LoadedModule { ast, uses: Vec::new(), state: State::Done };
        Loaded { modules: vec![module], order: vec![0], extra: Vec::new(), diagnostics }
    }
}

/// Reads and parses everything.
pub fn load(
    sources: &mut SourceMap,
    root: FileId,
    options: &LowerOptions<'_>,
    loader: Loader<'_>,
) -> Loaded {
    let (ast, diagnostics) = parse(sources.text(root), root);
    let mut loaded = Loaded {
        modules: vec![LoadedModule { ast, uses: Vec::new(), state: State::Open }],
        order: Vec::new(),
        extra: Vec::new(),
        diagnostics,
    };
    let mut by_name: FxHashMap<String, usize> = FxHashMap::default();
    by_name.insert(sources.name(root).to_string(), 0);
    // Depth first with an explicit stack: (module, uses of it that are left).
    let mut stack = vec![(0, used_files(&loaded.modules[0].ast))];
    while let Some((module, uses)) = stack.last_mut() {
        let module = *module;
        let Some(path) = uses.pop() else {
            loaded.modules[module].state = State::Done;
            loaded.order.push(module);
            stack.pop();
            continue;
        };
        let base = sources.name(loaded.modules[module].ast.file).to_string();
        let (name, text) = match loader(&base, &path.text) {
            Ok(file) => file,
            Err(reason) => {
                let message = format!("the file `{}` cannot be read", path.text);
                loaded
                    .diagnostics
                    .push(Diagnostic::new(Code::FileNotFound, path.span, message).label(reason));
                continue;
            }
        };
        if let Some(&known) = by_name.get(&name) {
            if loaded.modules[known].state == State::Open {
                let message = format!("`{}` uses itself, directly or not", path.text);
                loaded.diagnostics.push(
                    Diagnostic::new(Code::UseCycle, path.span, message)
                        .label("closes the circle")
                        .help("move what both files need into a third one"),
                );
            } else {
                loaded.modules[module].uses.push((known, path.span));
            }
            continue;
        }
        let file = sources.add(name.as_str(), text.as_str());
        let (ast, diagnostics) = parse(&text, file);
        loaded.diagnostics.extend(diagnostics);
        let uses = used_files(&ast);
        let id = loaded.modules.len();
        by_name.insert(name, id);
        loaded.modules.push(LoadedModule { ast, uses: Vec::new(), state: State::Open });
        loaded.modules[module].uses.push((id, path.span));
        stack.push((id, uses));
    }
    load_extra(&mut loaded, sources, options);
    loaded
}

/// Parses the outputs asked for besides those of the file.
pub fn load_extra(loaded: &mut Loaded, sources: &mut SourceMap, options: &LowerOptions<'_>) {
    for (k, text) in options.extra_outputs.iter().enumerate() {
        let text = format!("output {text}");
        let file = sources.add(format!("<output {}>", k + 1), text.as_str());
        let (ast, diagnostics) = parse(&text, file);
        loaded.diagnostics.extend(diagnostics);
        loaded.extra.push(ast);
    }
}

/// The paths after `use`, last first.
fn used_files(ast: &Ast) -> Vec<Name> {
    let path = |kind: &StatementKind| match kind {
        StatementKind::Use(path) => Some(path.clone()),
        _ => None,
    };
    ast.statements.iter().rev().filter_map(|s| path(&s.kind)).collect()
}
