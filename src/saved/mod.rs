//! Saved models: a function as JSON, `{"format": "nablac", "version": 1, ...}`.
//!
//! ```text
//! patterns    {"dense": [r, c]} | {"zero": [r, c]} | {"diagonal": n}
//!             | {"shape": [r, c], "colptr": [...], "row": [...]}
//! functions   {"name", "inputs", "jvp"?, "nodes", "outputs"}, or with "external" for "nodes";
//!             parts before what uses them, the function of the model last
//! inputs      {"name", "pattern", "range"?, "param"?, "symmetric"?, "default"?, "unit"?}
//! outputs     {"name", "node", "unit"?}; of an external {"name", "pattern"}
//! nodes       [operation, ..., arguments ...], each argument the number of a node before:
//!             ["const", P, v]            ["data", P, [v, ...]]      ["input", k]
//!             [elementwise, P, a, ...]   ["matmul", P, a, b]        ["reduce_sum", a]
//!             ["gather", P, MAP, a]      ["scatter", P, MAP, a]     ["concat", a, ...]
//!             ["call", F, a, ...]        ["cond", F, F, c, a, ...]  ["loop", LOOP, a, ...]
//!             ["result", k, a]
//! LOOP        {"body": F, "n", "states", "args": ["whole" | ["iteration", base, step]
//!             | ["window", ORIGIN, MAP]], "results": ["sum" | ["window", P, ORIGIN, MAP]]}
//! MAP         {"affine": [start, count, stride, ...]} | {"table": [...]}
//! ORIGIN      {"affine": [base, step]} | {"table": [...]}
//! ```
//!
//! `P` and `F` are numbers of a pattern and of a function. Numbers keep all their bits; those that
//! JSON lacks are `"inf"`, `"-inf"`, `"nan"` and, with other bits than usual, `"nan:7ff8..."`.

mod cache;
mod read;
mod scan;
mod write;

pub use cache::Cache;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::function::Function;
use crate::graph::{Body, Callback, Func, visit};
use crate::syntax::{Diagnostic, SourceMap, Span, render};

const FORMAT: &str = "nablac";
const VERSION: u64 = 1;

/// Why a saved model cannot be read.
///
/// ```
/// use nablac::{function::Function, model::Model};
/// let f = Model::parse("f.nab", "input x\noutput y = sin(x)").function()?;
/// let back = Function::from_json("f.json", &f.to_json())?;
/// assert_eq!(back.func().content_hash(), f.func().content_hash());
/// let error = Function::from_json("f.json", &f.to_json().replace("sin", "sinn")).unwrap_err();
/// assert!(error.to_string().contains("E0516"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub enum LoadError {
    Io(std::io::Error),
    /// What is wrong with the text, and the text.
    Model(Box<Diagnostic>, SourceMap),
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LoadError::Io(e) => e.fmt(f),
            LoadError::Model(diagnostic, sources) => {
                f.write_str(render(diagnostic, sources, false).trim_end())
            }
        }
    }
}

impl std::error::Error for LoadError {}

impl Function {
    /// The text of a saved model, which [`Function::from_json`] reads again.
    ///
    /// ```
    /// use nablac::function::Function;
    /// use nablac::model::Model;
    /// let f = Model::parse("square.nab", "input x[2]\noutput f = norm2sq(x)").function()?;
    /// let same = Function::from_json("square.json", &f.to_json())?;
    /// assert_eq!(same.func(), f.func());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_json(&self) -> String {
        write::write(self)
    }

    /// Writes a saved model to a file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> std::io::Result<()> {
        std::fs::write(path, self.to_json())
    }

    /// The function of a saved model; `name` stands in messages. Externals have no callbacks:
    /// see [`crate::model::Model::external`].
    ///
    /// # Errors
    /// What is wrong with the text, and where.
    pub fn from_json(name: &str, text: &str) -> Result<Function, LoadError> {
        let mut sources = SourceMap::new();
        let file = sources.add(name, text);
        diagnosed(text, &BTreeMap::new(), Span { file, start: 0, end: 0 })
            .map_err(|diagnostic| LoadError::Model(diagnostic, sources))
    }

    /// Reads a saved model from a file.
    ///
    /// # Errors
    /// The file cannot be read, or what is wrong with its text, and where.
    pub fn load(path: impl AsRef<Path>) -> Result<Function, LoadError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(LoadError::Io)?;
        Function::from_json(&path.to_string_lossy(), &text)
    }
}

/// Names of the functions from outside that a function needs and that have no callback.
pub fn missing_externals(func: &Arc<Func>) -> Vec<String> {
    let mut missing = BTreeSet::new();
    for func in visit::callees_first(func) {
        if let Body::External(external) = &func.body
            && external.callback.is_none()
        {
            missing.insert(external.name.clone());
        }
    }
    missing.into_iter().collect()
}

/// Whether a file holds a saved model and not a program: by its name or its first character.
pub fn is_saved(name: &str, text: &str) -> bool {
    let extension = Path::new(name).extension();
    extension.is_some_and(|e| e.eq_ignore_ascii_case("json")) || text.trim_start().starts_with('{')
}

/// The function of a saved model whose text is the file of `start`.
pub fn diagnosed(
    text: &str,
    externals: &BTreeMap<String, Callback>,
    start: Span,
) -> Result<Function, Box<Diagnostic>> {
    read::read(text, externals).map_err(|mistake| {
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let span = Span { start: place(mistake.start), end: place(mistake.end), ..start };
        let path = scan::path_to(text, mistake.start);
        let diagnostic = Diagnostic::new(mistake.code, span, mistake.message);
        Box::new(if path.is_empty() {
            diagnostic
        } else {
            diagnostic.label(format!("in `{path}`"))
        })
    })
}
