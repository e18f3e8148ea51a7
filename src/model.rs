//! Programs as users hold them: text of the language, settings, and the function they make.
//!
//! A [`Model`] is a file (or a text) with values for its dims, further outputs and the choice of
//! one of its `fn`s; [`Model::function`] lowers it. A saved model (see [`crate::saved`]) is read
//! as well, without dims and `fn`s. Mistakes come back as a [`ModelError`], whose
//! text is what the command line prints.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::backend::abi::{Engine, Memory};
use crate::backend::interp::Interp;
use crate::data::Data;
use crate::function::{Function, Input};
use crate::graph::{Callback, Func};
use crate::lower::{
    Given, InputInfo, LowerOptions, OutputInfo, Program, Triangle, lower, lower_constant,
    lower_given,
};
use crate::problem::Problem;
use crate::saved;
use crate::simplify::rules::Math;
use crate::simplify::{SimplifyOptions, optimize};
use crate::sparsity::Pattern;
use crate::sparsity::limit::{BYTES_OF_NONZERO, with_most_nonzeros};
use crate::syntax::ast::StatementKind;
use crate::syntax::{Code, Diagnostic, FileId, SourceMap, Span, parse, render_all};

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
    data: Data,
    triangle: Triangle,
    patterns: BTreeMap<String, Pattern>,
    externals: BTreeMap<String, Callback>,
    max_memory: u64,
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
            data: Data::new(),
            triangle: Triangle::default(),
            patterns: BTreeMap::new(),
            externals: BTreeMap::new(),
            max_memory: u64::MAX,
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
    ///
    /// ```
    /// use nablac::model::Model;
    /// let text = "fn f(x[2]) = sum(x)\ninput y\noutput z = y";
    /// let model = Model::parse("f.nab", text).output("twice = 2 * y");
    /// assert_eq!(model.function()?.outputs()[1].name, "twice".into());
    /// let f = Model::parse("f.nab", text).select("f").function()?;
    /// assert_eq!(f.inputs()[0].pattern.shape(), (2, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn select(mut self, function: &str) -> Model {
        self.function = Some(function.to_owned());
        self
    }

    /// Values by name: of dims, of index arrays, of inputs and parameters, for which they become
    /// defaults. Those given later count where both have a name. A dim without a value is the
    /// size of an array that is declared with it; the pattern of a value is that of the `sparse`
    /// declaration of its name.
    ///
    /// ```
    /// use nablac::data::Data;
    /// use nablac::function::Options;
    /// use nablac::model::Model;
    ///
    /// let text = "dim E, n\nindex tail[E], head[E]\ninput x[n]\noutput d = x[head] - x[tail]";
    /// let data = Data::from_json("net.json", r#"{"tail": [0, 1], "head": [1, 2]}"#)?;
    /// let data = data.with("x", vec![1.0, 4.0, 9.0]);
    /// let f = Model::parse("net.nab", text).data(data).function()?;
    /// let x = f.inputs()[0].default.clone().unwrap();
    /// assert_eq!(f.compile(&Options::default())?.evaluate(&[&x])?, [vec![3.0, 5.0]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn data(mut self, data: Data) -> Model {
        self.data.extend(data);
        self
    }

    /// Which part of the Hessian of a problem is stored; the lower triangle if not set.
    pub fn triangle(mut self, triangle: Triangle) -> Model {
        self.triangle = triangle;
        self
    }

    /// The pattern of an input or parameter declared `sparse`.
    pub fn pattern(mut self, name: &str, pattern: Pattern) -> Model {
        self.patterns.insert(name.to_owned(), pattern);
        self
    }

    /// What an `extern fn` calls.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use nablac::{function::Options, model::Model};
    /// let text = "extern fn wave(x)\ninput t\noutput y = 2 * wave(t)";
    /// let sine = |x: &[&[f64]], y: &mut [&mut [f64]]| {
    ///     y[0][0] = x[0][0].sin();
    ///     Ok(())
    /// };
    /// let f = Model::parse("f.nab", text).external("wave", Arc::new(sine)).function()?;
    /// assert_eq!(f.compile(&Options::default())?.evaluate(&[&[0.0]])?, [[0.0]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn external(mut self, name: &str, callback: Callback) -> Model {
        self.externals.insert(name.to_owned(), callback);
        self
    }

    /// Refuses derivatives whose nonzeros alone take more than so many bytes, before they are made.
    ///
    /// ```
    /// use nablac::model::Model;
    /// let text = "input x[1000]\noutput J = jac(x * sum(x), x)";
    /// let error = Model::parse("f.nab", text).max_memory(1_000_000).function().unwrap_err();
    /// assert!(error.to_string().contains("this derivative is too large"));
    /// ```
    pub fn max_memory(mut self, bytes: u64) -> Model {
        self.max_memory = bytes;
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

    /// Whether this is a saved model and no program.
    pub fn is_saved(&self) -> bool {
        saved::is_saved(self.sources.name(self.root), self.sources.text(self.root))
    }

    /// Names of the `test` blocks, in their order; a saved model has none.
    pub fn test_names(&self) -> Vec<String> {
        if self.is_saved() {
            return Vec::new();
        }
        let statements = parse(self.sources.text(self.root), self.root).0.statements;
        let name = |kind: StatementKind| match kind {
            StatementKind::Test(test) => Some(test.name.text.to_string()),
            _ => None,
        };
        statements.into_iter().filter_map(|s| name(s.kind)).collect()
    }

    /// The function from inputs and parameters to outputs.
    ///
    /// # Errors
    /// All mistakes of the program.
    pub fn function(&self) -> Result<Function, Box<ModelError>> {
        Ok(self.lower()?.function())
    }

    /// The optimisation problem of the program, if it has one.
    ///
    /// # Errors
    /// All mistakes of the program.
    pub fn problem(&self) -> Result<Option<Problem>, Box<ModelError>> {
        Ok(Problem::new(&self.lower()?.program, self.triangle))
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
            data: self.data.clone(),
            triangle: self.triangle,
            patterns: self.patterns.clone(),
            externals: self.externals.clone(),
            evaluate: Some(&evaluate_constant),
        };
        let lowered =
            with_most_nonzeros(self.max_memory / BYTES_OF_NONZERO, || match self.is_saved() {
                true => self.lower_saved(&mut sources, &options),
                false => lower(&mut sources, self.root, &options, &load_used),
            });
        match lowered {
            Ok(program) => Ok(Lowered { program, sources }),
            Err(diagnostics) => Err(ModelError::new(diagnostics, &sources)),
        }
    }

    fn lower_saved(
        &self,
        sources: &mut SourceMap,
        options: &LowerOptions<'_>,
    ) -> Result<Program, Vec<Diagnostic>> {
        let start = Span { file: self.root, start: 0, end: 0 };
        let mut strangers = Vec::new();
        for (dim, _) in &self.dims {
            let message = format!("a saved model has no dims, such as `{dim}`");
            strangers.push(Diagnostic::new(Code::UnknownName, start, message));
        }
        if let Some(name) = &self.function {
            let message = format!("a saved model has no fns, such as `{name}`");
            strangers.push(Diagnostic::new(Code::UnknownFunction, start, message));
        }
        if !strangers.is_empty() {
            return Err(strangers);
        }
        let function = saved::diagnosed(sources.text(self.root), &self.externals, start)
            .map_err(|diagnostic| vec![*diagnostic])?;
        let inputs = function.inputs().iter().map(|input| InputInfo {
            name: input.name.clone(),
            is_param: input.is_param,
            pattern: input.pattern.clone(),
            symmetric: input.symmetric,
            range: input.range,
            default: input.default.clone(),
            unit: input.unit.clone(),
            span: start,
        });
        let outputs = function.outputs().iter();
        let outputs = outputs.map(|o| OutputInfo { name: o.name.clone(), unit: o.unit.clone() });
        let (inputs, outputs) = (inputs.collect(), outputs.collect());
        let given = Given { func: function.func().clone(), inputs, outputs };
        if self.outputs.is_empty() && self.data.is_empty() {
            return Ok(given.into());
        }
        lower_given(sources, self.root, &given, options)
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
    let written = SimplifyOptions { level: 0, math: Math::Strict, rules: None };
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
