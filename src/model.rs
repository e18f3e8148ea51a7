//! Programs as users hold them: text of the language, settings, and the function they make.
//!
//! A [`Model`] is a file (or a text) with values for its dims, further outputs and the choice of
//! one of its `fn`s; [`Model::function`] lowers it. Mistakes come back as a [`ModelError`], whose
//! text is what the command line prints.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::backend::abi::{Engine, Memory};
use crate::backend::interp::Interp;
use crate::function::{Function, Input};
use crate::graph::{Callback, Func};
use crate::lower::{LowerOptions, Program, lower, lower_constant};
use crate::simplify::rules::Math;
use crate::simplify::{SimplifyOptions, optimize};
use crate::sparsity::Pattern;
use crate::syntax::ast::StatementKind;
use crate::syntax::{Diagnostic, FileId, SourceMap, parse, render_all};

/// Longest text of a program, in bytes; places in it are 32-bit numbers.
pub const MAX_SOURCE_BYTES: u64 = 1 << 31;

/// A program of the language with its settings.
///
/// ```
/// use nablac::function::Options;
/// use nablac::model::Model;
///
/// let text = "dim n\ninput x[n]\nlet f = norm2sq(x)\noutput f, g = grad(f, x)";
/// let f = Model::parse("square.nab", text).dim("n", 3).function()?;
/// let compiled = f.compile(&Options::default())?;
/// let values = compiled.evaluate(&[&[1.0, 2.0, 3.0]])?;
/// assert_eq!(values, [vec![14.0], vec![2.0, 4.0, 6.0]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Model {
    sources: SourceMap,
    root: FileId,
    dims: Vec<(String, i64)>,
    outputs: Vec<String>,
    function: Option<String>,
    patterns: BTreeMap<String, Pattern>,
    externals: BTreeMap<String, Callback>,
}

/// A lowered model, or one of its `test` blocks, with the texts that its places refer to.
#[derive(Clone, Debug)]
pub struct Lowered {
    pub program: Program,
    pub sources: SourceMap,
}

/// Why a model makes no function.
#[derive(Clone, Debug)]
pub struct ModelError {
    pub diagnostics: Vec<Diagnostic>,
    pub sources: SourceMap,
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(render_all(&self.diagnostics, &self.sources, false).trim_end())
    }
}

impl std::error::Error for ModelError {}

impl ModelError {
    fn new(diagnostics: Vec<Diagnostic>, sources: &SourceMap) -> Box<ModelError> {
        Box::new(ModelError { diagnostics, sources: sources.clone() })
    }
}

impl Model {
    /// A program given as text; `name` stands in messages, and files after `use` are sought
    /// beside it.
    pub fn parse(name: &str, text: &str) -> Model {
        let mut sources = SourceMap::new();
        let root = sources.add(name, text);
        Model {
            sources,
            root,
            dims: Vec::new(),
            outputs: Vec::new(),
            function: None,
            patterns: BTreeMap::new(),
            externals: BTreeMap::new(),
        }
    }

    /// Reads a program from a file.
    ///
    /// # Errors
    /// The file cannot be read, is no text, or is too long.
    pub fn load(path: impl AsRef<Path>) -> std::io::Result<Model> {
        let path = path.as_ref();
        let text = read_source(path)?;
        Ok(Model::parse(&path.to_string_lossy(), &text))
    }

    /// Sets a dim.
    pub fn dim(mut self, name: &str, value: i64) -> Model {
        self.dims.retain(|(known, _)| known != name);
        self.dims.push((name.to_owned(), value));
        self
    }

    /// Adds an output such as `J = jac(f, x)`.
    pub fn output(mut self, text: &str) -> Model {
        self.outputs.push(text.to_owned());
        self
    }

    /// Takes the `fn` of this name instead of the file as the function.
    pub fn select(mut self, function: &str) -> Model {
        self.function = Some(function.to_owned());
        self
    }

    /// The pattern of an input or parameter declared `sparse`.
    pub fn pattern(mut self, name: &str, pattern: Pattern) -> Model {
        self.patterns.insert(name.to_owned(), pattern);
        self
    }

    /// What an `extern fn` calls.
    pub fn external(mut self, name: &str, callback: Callback) -> Model {
        self.externals.insert(name.to_owned(), callback);
        self
    }

    /// The texts, the root file first.
    pub fn sources(&self) -> &SourceMap {
        &self.sources
    }

    /// The file of the program itself.
    pub fn root(&self) -> FileId {
        self.root
    }

    /// Names of the `test` blocks, in their order.
    pub fn test_names(&self) -> Vec<String> {
        let statements = parse(self.sources.text(self.root), self.root).0.statements;
        let name = |kind: StatementKind| match kind {
            StatementKind::Test(test) => Some(test.name.text.to_string()),
            _ => None,
        };
        statements.into_iter().filter_map(|s| name(s.kind)).collect()
    }

    /// Names of the dims of the program and of the files that it uses; unreadable ones are
    /// left to [`Model::lower`] to report.
    pub fn dim_names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let root =
            (self.sources.name(self.root).to_owned(), self.sources.text(self.root).to_owned());
        let mut seen = BTreeSet::from([root.0.clone()]);
        let mut open = vec![root];
        while let Some((file, text)) = open.pop() {
            for statement in parse(&text, self.root).0.statements {
                match statement.kind {
                    StatementKind::Dim(items) => {
                        names.extend(items.iter().map(|item| item.name.text.to_string()));
                    }
                    StatementKind::Use(path) => {
                        if let Ok(used) = load_used(&file, &path.text)
                            && seen.insert(used.0.clone())
                        {
                            open.push(used);
                        }
                    }
                    _ => {}
                }
            }
        }
        names
    }

    /// The function from inputs and parameters to outputs.
    ///
    /// # Errors
    /// All mistakes of the program.
    pub fn function(&self) -> Result<Function, Box<ModelError>> {
        Ok(self.lower()?.function())
    }

    /// The function with what else is known of the program.
    ///
    /// # Errors
    /// All mistakes of the program.
    pub fn lower(&self) -> Result<Lowered, Box<ModelError>> {
        self.lower_test(None)
    }

    /// With a number: that `test` block of the program, whose outputs are both sides of its
    /// expectations.
    ///
    /// # Errors
    /// All mistakes of the program.
    pub fn lower_test(&self, test: Option<usize>) -> Result<Lowered, Box<ModelError>> {
        let mut sources = self.sources.clone();
        let options = LowerOptions {
            dims: self.dims.clone(),
            extra_outputs: self.outputs.clone(),
            function: self.function.clone(),
            test,
            patterns: self.patterns.clone(),
            externals: self.externals.clone(),
            evaluate: Some(&evaluate_constant),
        };
        match lower(&mut sources, self.root, &options, &load_used) {
            Ok(program) => Ok(Lowered { program, sources }),
            Err(diagnostics) => Err(ModelError::new(diagnostics, &sources)),
        }
    }
}

impl Lowered {
    /// The function from inputs and parameters to outputs.
    pub fn function(&self) -> Function {
        let inputs = self.program.inputs.iter().map(|info| Input {
            name: info.name.clone(),
            pattern: info.pattern.clone(),
            is_param: info.is_param,
            symmetric: info.symmetric,
            range: info.range,
            default: info.default.clone(),
            unit: info.unit.clone(),
        });
        let units = self.program.outputs.iter().map(|output| output.unit.clone());
        Function::new(self.program.func.clone(), inputs.collect()).with_units(units.collect())
    }
}

/// Pattern and nonzeros of a constant expression of the language; `name` stands in messages.
///
/// ```
/// let (pattern, values) = nablac::model::constant("x", "[1, 2] / 4", &[])?;
/// assert_eq!((pattern.shape(), values), ((2, 1), vec![0.25, 0.5]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// All mistakes of the expression.
pub fn constant(
    name: &str,
    text: &str,
    dims: &[(String, i64)],
) -> Result<(Pattern, Vec<f64>), Box<ModelError>> {
    let mut sources = SourceMap::new();
    lower_constant(&mut sources, name, text, dims, Some(&evaluate_constant))
        .map_err(|diagnostics| ModelError::new(diagnostics, &sources))
}

/// Reads the text of a program.
///
/// # Errors
/// The file cannot be read, is no text, or is longer than [`MAX_SOURCE_BYTES`].
pub fn read_source(path: &Path) -> std::io::Result<String> {
    if std::fs::metadata(path)?.len() >= MAX_SOURCE_BYTES {
        return Err(std::io::Error::other(format!(
            "the file is longer than {MAX_SOURCE_BYTES} bytes"
        )));
    }
    std::fs::read_to_string(path)
}

/// Reads `path`, used by the file `base`.
fn load_used(base: &str, path: &str) -> Result<(String, String), String> {
    let beside = Path::new(base).parent().unwrap_or(Path::new(""));
    let path = without_detours(&beside.join(path));
    let text = read_source(&path).map_err(|reason| reason.to_string())?;
    Ok((path.to_string_lossy().into_owned(), text))
}

/// The path without `.` and `..` where they can be left out, so that a file has one name.
fn without_detours(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(result.components().next_back(), Some(Component::Normal(_))) =>
            {
                result.pop();
            }
            other => result.push(other),
        }
    }
    result
}

/// Values of a function without inputs.
fn evaluate_constant(func: &Arc<Func>) -> Result<Vec<Vec<f64>>, String> {
    // As written; only powers become products, as in every engine.
    let written = SimplifyOptions { level: 0, math: Math::Strict };
    let kernel = Arc::new(crate::kernel::build(&optimize(func, &written)));
    let mut outputs: Vec<Vec<f64>> =
        func.outputs.iter().map(|port| vec![0.0; port.pattern.nnz()]).collect();
    let mut wanted: Vec<Option<&mut [f64]>> =
        outputs.iter_mut().map(|values| Some(values.as_mut_slice())).collect();
    Interp::new(&kernel)
        .call(&[], &mut wanted, &mut Memory::default())
        .map_err(|reason| reason.to_string())?;
    Ok(outputs)
}
