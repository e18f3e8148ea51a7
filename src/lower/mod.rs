//! Syntax tree to graph: names, shapes, and the meaning of every construct of the language.
//!
//! The only place that knows both trees and graphs. [`lower`] takes a root file with all that it
//! uses and gives a [`Program`]: one function from inputs and parameters to outputs. All mistakes
//! of a run are reported together; an erroneous value silences what follows from it.
//!
//! Lowering walks expressions by recursion: their depth is bounded by the parser
//! ([`MAX_DEPTH`](crate::syntax::ast::MAX_DEPTH)), the depth through `fn`s and declarations by
//! [`MAX_LEVELS`]. It runs on a thread of its own, whose stack is large enough for that.

mod branch;
mod call;
mod data;
mod declare;
mod derivative;
mod expr;
mod facts;
mod filter;
mod folds;
mod frame;
mod function;
pub mod functions;
mod given;
mod index;
mod indices;
mod int;
mod iterations;
mod load;
mod loops;
mod matrix;
mod misfit;
mod problem;
mod scope;
mod segments;
mod slices;
mod split;
mod statement;
mod test;
mod through;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::data::Data;
pub use crate::data::fitted;
pub use crate::diff::Triangle;
use crate::graph::{Callback, Func, NodeId};
use crate::sparsity::Pattern;
use crate::sparsity::limit::{most_nonzeros, with_most_nonzeros};
use crate::syntax::{Ast, Code, Diagnostic, FileId, SourceMap, Span, parse_expression};
use facts::Fact;
use frame::{Frame, FrameKind};
use function::Function;
pub use given::{Given, lower_given};
use indices::Indices;
use int::{Counter, Int};
use problem::Draft;
pub use problem::{ConstraintInfo, PROBLEM_OUTPUTS, ProblemInfo, VariableInfo};

/// The deepest nesting of expressions, counted through the `fn`s and declarations they use.
pub const MAX_LEVELS: u32 = 20_000;

/// The deepest nesting of loops, branches and calls inside one another.
pub const MAX_NESTING: usize = 200;

/// Address space for the stack of the lowering thread; memory is taken as it is used.
const STACK_BYTES: usize = 512 << 20;

/// Reads the file `path` used by the file of the given name: its name to show, and its text.
pub type Loader<'a> = &'a (dyn Fn(&str, &str) -> Result<(String, String), String> + Sync);

/// Evaluates a function without inputs: the nonzeros of its outputs.
pub type Evaluator<'a> = &'a (dyn Fn(&Arc<Func>) -> Result<Vec<Vec<f64>>, String> + Sync);

/// What is lowered, and with which settings.
#[derive(Default)]
pub struct LowerOptions<'a> {
    /// Values of dims, which replace those of the files.
    pub dims: Vec<(String, i64)>,
    /// Further outputs, such as `J = jac(f, x)`.
    pub extra_outputs: Vec<String>,
    /// The `fn` that becomes the function, instead of the file.
    pub function: Option<String>,
    /// The `test` block that becomes the function, by its place among them.
    pub test: Option<usize>,
    /// Values by name: of dims, index arrays, inputs and parameters. Sparse ones are the patterns
    /// of `sparse` declarations.
    pub data: Data,
    /// The stored triangle of the Hessian of a problem.
    pub triangle: Triangle,
    /// Patterns of `sparse` declarations, before those of the data.
    pub patterns: BTreeMap<String, Pattern>,
    /// What `extern fn`s call.
    pub externals: BTreeMap<String, Callback>,
    /// Evaluates constants that do not fold.
    pub evaluate: Option<Evaluator<'a>>,
}

/// An input or parameter of a program.
#[derive(Clone, Debug)]
pub struct InputInfo {
    pub name: Arc<str>,
    /// Declared as `param`.
    pub is_param: bool,
    pub pattern: Pattern,
    /// Declared `sym`.
    pub symmetric: bool,
    /// The closed range of its entries.
    pub range: Option<(f64, f64)>,
    /// Nonzeros of the data given for it, or else of the declared default, by the pattern.
    pub default: Option<Vec<f64>>,
    /// One unit, or one for each entry; empty if not given.
    pub unit: Vec<Arc<str>>,
    /// The declaration.
    pub span: Span,
}

/// An output of a program.
#[derive(Clone, Debug)]
pub struct OutputInfo {
    pub name: Arc<str>,
    pub unit: Vec<Arc<str>>,
}

/// A dim whose value is the size of an array in the data.
#[derive(Clone, Debug)]
pub struct InferredDim {
    pub name: Arc<str>,
    pub value: i64,
    /// Such as `the rows of `A` in `a.mtx``.
    pub from: String,
}

/// A `fn` of the root file.
#[derive(Clone, Debug)]
pub struct FunctionInfo {
    pub name: Arc<str>,
    /// From the parameters and hidden inputs to the results.
    pub func: Arc<Func>,
    /// Names of the file's values that it reads.
    pub hidden: Vec<Arc<str>>,
}

/// A `test` block of the root file.
#[derive(Clone, Debug)]
pub struct TestInfo {
    pub name: Arc<str>,
    pub span: Span,
}

/// An expectation of a lowered test; `left` and `right` are outputs of the program.
#[derive(Clone, Debug)]
pub struct Expectation {
    pub span: Span,
    /// Number of the output that holds the left side.
    pub left: usize,
    /// Number of the output that holds the right side.
    pub right: usize,
    /// |left - right| <= tolerance * max(1, |right|).
    pub tolerance: f64,
}

/// What a test block adds to a program: inputs by number with their nonzeros, and expectations.
#[derive(Clone, Debug, Default)]
pub struct TestProgram {
    pub name: Arc<str>,
    pub values: Vec<(usize, Vec<f64>)>,
    pub expectations: Vec<Expectation>,
}

/// A lowered file.
#[derive(Clone, Debug)]
pub struct Program {
    /// From the inputs and parameters to the outputs.
    pub func: Arc<Func>,
    /// In the order of the function's inputs.
    pub inputs: Vec<InputInfo>,
    /// In the order of the function's outputs.
    pub outputs: Vec<OutputInfo>,
    /// The `fn`s of the root file.
    pub functions: Vec<FunctionInfo>,
    /// The `test` blocks of the root file.
    pub tests: Vec<TestInfo>,
    /// The dims of the root file.
    pub dims: Vec<(Arc<str>, i64)>,
    /// Those among the dims of all files whose values follow from the shapes of the data.
    pub inferred_dims: Vec<InferredDim>,
    /// Set if the file has a `minimise` or `subject to`, unless a test or a `fn` is chosen.
    pub problem: Option<ProblemInfo>,
    /// Seconds of lowering in which derivatives were made.
    pub derive_s: f64,
    /// Set if [`LowerOptions::test`] is.
    pub test: Option<TestProgram>,
    /// Warnings.
    pub diagnostics: Vec<Diagnostic>,
}

/// Lowers the file `root` and all that it uses.
///
/// ```
/// use nablac::lower::{LowerOptions, lower};
/// use nablac::syntax::SourceMap;
/// let mut sources = SourceMap::new();
/// let root = sources.add("f.nab", "input x\noutput f = x + y");
/// let no_files = |_: &str, path: &str| Err(format!("no {path}"));
/// let mistakes = lower(&mut sources, root, &LowerOptions::default(), &no_files).unwrap_err();
/// assert_eq!(mistakes[0].code.id(), "E0101");
/// ```
///
/// # Errors
/// All mistakes found, warnings among them.
pub fn lower(
    sources: &mut SourceMap,
    root: FileId,
    options: &LowerOptions<'_>,
    loader: Loader<'_>,
) -> Result<Program, Vec<Diagnostic>> {
    let work = || {
        let loaded = load::load(sources, root, options, loader);
        Lowerer::new(&loaded, options).program(&loaded, sources)
    };
    on_large_stack(root, work)
}

/// Lowers a constant expression, such as a value on the command line, with the dims given, and
/// evaluates it: its pattern and nonzeros.
///
/// # Errors
/// All mistakes found.
pub fn lower_constant(
    sources: &mut SourceMap,
    name: &str,
    text: &str,
    dims: &[(String, i64)],
    evaluate: Option<Evaluator<'_>>,
) -> Result<(Pattern, Vec<f64>), Vec<Diagnostic>> {
    let file = sources.add(name, text);
    let work = || {
        let (ast, expr, diagnostics) = parse_expression(text, file);
        let options = LowerOptions { evaluate, ..LowerOptions::default() };
        let loaded = load::Loaded::lone(ast, diagnostics);
        let mut lowerer = Lowerer::new(&loaded, &options);
        for (dim, value) in dims {
            let value = Bound::Int(Int::constant(*value));
            let id = lowerer.new_binding(dim.as_str().into(), Span::default(), 0, value, true);
            lowerer.modules[0].names.insert(dim.as_str().into(), id);
        }
        let constant = expr.and_then(|expr| lowerer.constant(expr));
        match constant {
            Some(constant) if !lowerer.has_errors() => Ok(constant),
            _ => Err(lowerer.diagnostics),
        }
    };
    on_large_stack(file, work)
}

fn on_large_stack<T: Send>(
    file: FileId,
    work: impl FnOnce() -> Result<T, Vec<Diagnostic>> + Send,
) -> Result<T, Vec<Diagnostic>> {
    let internal = |text: &str| {
        let span = Span { file, start: 0, end: 0 };
        Err(vec![Diagnostic::new(Code::TooLarge, span, text.to_string())])
    };
    let most = most_nonzeros();
    let work = move || with_most_nonzeros(most, work);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("lower".into()).stack_size(STACK_BYTES);
        match thread.spawn_scoped(scope, work).map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(_) => internal("there is no memory for the stack of the compiler"),
        }
    })
}

/// A declared value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct BindingId(u32);

struct Binding {
    name: Arc<str>,
    span: Span,
    /// The frame whose graph holds the value.
    frame: usize,
    value: Bound,
    used: bool,
}

/// What a name stands for.
enum Bound {
    /// A value with a mistake that has been reported.
    Error,
    Int(Int),
    Indices(Arc<Indices>),
    Node(NodeId, Pattern),
    /// A value with mistakes that count only if it is used.
    Deferred(Vec<Diagnostic>),
}

/// The value of an expression.
#[derive(Clone, Debug)]
enum Value {
    /// There was a mistake that has been reported.
    Error,
    /// A node of the current frame.
    Node(NodeId),
    /// Known at compile time.
    Int(Int),
    /// An array of integers known at compile time.
    Indices(Arc<Indices>),
}

/// What the names of a file stand for.
#[derive(Default)]
struct Module {
    names: FxHashMap<Arc<str>, BindingId>,
    functions: FxHashMap<Arc<str>, usize>,
    /// Dims not yet evaluated.
    dims: FxHashMap<Arc<str>, declare::Dim>,
    /// Where each name of the file is declared, for names used too early.
    declared: FxHashMap<Arc<str>, Span>,
}

/// The state of a run.
struct Lowerer<'a> {
    options: &'a LowerOptions<'a>,
    modules: Vec<Module>,
    asts: Vec<&'a Ast>,
    functions: Vec<Function<'a>>,
    bindings: Vec<Binding>,
    frames: Vec<Frame<'a>>,
    current: usize,
    returns: Vec<usize>,
    diagnostics: Vec<Diagnostic>,
    /// What `end` is, for each index around.
    ends: Vec<Option<i64>>,
    /// What is known of the integers where the current expression stands.
    facts: Vec<Fact>,
    /// Names that some derivative is taken by.
    targets: FxHashSet<Arc<str>>,
    /// Targets of the derivatives whose formulas are being lowered.
    taken_by: Vec<Arc<str>>,
    /// Values of a given function: no derivative can be taken by them.
    computed: FxHashSet<BindingId>,
    tables: FxHashMap<(Counter, Arc<[i64]>), BindingId>,
    n_counters: u32,
    /// How many loops the loops around have been cut into, all together.
    n_pieces: usize,
    level: u32,
    /// Frames around the function being lowered, and how deep things nest inside it.
    base: usize,
    nesting: usize,
    inputs: Vec<InputInfo>,
    inferred: Vec<InferredDim>,
    draft: Draft,
    /// Time in which derivatives were made.
    derive_time: Duration,
    outputs: Vec<(OutputInfo, NodeId)>,
    tests: Vec<TestInfo>,
}

impl<'a> Lowerer<'a> {
    fn new(loaded: &'a load::Loaded, options: &'a LowerOptions<'a>) -> Lowerer<'a> {
        let asts: Vec<&Ast> = loaded.modules.iter().map(|m| &m.ast).collect();
        let mut targets = FxHashSet::default();
        for ast in asts.iter().copied().chain(loaded.extra.iter()) {
            derivative::collect_targets(ast, &mut targets);
        }
        let modules = loaded.modules.iter().map(|_| Module::default());
        Lowerer {
            options,
            modules: modules.collect(),
            functions: Vec::new(),
            bindings: Vec::new(),
            frames: vec![Frame::new(FrameKind::File, None, asts[0], 0)],
            asts,
            current: 0,
            returns: Vec::new(),
            diagnostics: loaded.diagnostics.clone(),
            ends: Vec::new(),
            facts: Vec::new(),
            targets,
            taken_by: Vec::new(),
            computed: FxHashSet::default(),
            tables: FxHashMap::default(),
            n_counters: 0,
            n_pieces: 1,
            level: 0,
            base: 1,
            nesting: 0,
            inputs: Vec::new(),
            inferred: Vec::new(),
            draft: Draft::default(),
            derive_time: Duration::ZERO,
            outputs: Vec::new(),
            tests: Vec::new(),
        }
    }

    /// Reports a mistake.
    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}
