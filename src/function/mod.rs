//! What users hold: a function with named inputs and outputs, its derivatives, and its compiled
//! forms.

mod cache;
mod many;

use std::sync::Arc;
use std::time::Instant;

use crate::backend::abi::{Bound, Engine, EngineError, EvalError, Memory};
use crate::backend::c::{CEngine, CEngineError};
use crate::backend::interp::Interp;
use crate::backend::jit::{self, Jit, JitOptions, Vectors};
use crate::data::{Data, DataError, WrongNumber, fitted, to_sprs};
use crate::diff::{self, DiffError};
use crate::graph::{Func, Graph, NodeId, visit};
use crate::kernel::ir::Kernel;
use crate::simplify::{SimplifyOptions, optimize};
use crate::sparsity::Pattern;
use crate::syntax::Code;

pub use many::{Layout, ManyError};

/// A function from named sparse matrices to named sparse matrices. Immutable and cheap to clone.
#[derive(Clone, Debug)]
pub struct Function {
    func: Arc<Func>,
    inputs: Arc<[Input]>,
    outputs: Arc<[Output]>,
}

/// An input of a [`Function`].
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    pub name: Arc<str>,
    pub pattern: Pattern,
    /// Declared by `param`: meant to stay fixed over many calls.
    pub is_param: bool,
    /// Declared `sym`: evaluation refuses a value that is not symmetric.
    pub symmetric: bool,
    /// Closed range that evaluation checks.
    pub range: Option<(f64, f64)>,
    /// Nonzeros that stand for a missing value.
    pub default: Option<Vec<f64>>,
    /// Units, one for all entries or one for each.
    pub unit: Vec<Arc<str>>,
}

impl Input {
    /// An input without declarations.
    pub fn new(name: impl Into<Arc<str>>, pattern: Pattern) -> Input {
        Input {
            name: name.into(),
            pattern,
            is_param: false,
            symmetric: false,
            range: None,
            default: None,
            unit: Vec::new(),
        }
    }
}

impl Input {
    /// The nonzeros from values by name.
    fn values(&self, data: &Data) -> Result<Vec<f64>, DataError> {
        let (name, (r, c)) = (&self.name, self.pattern.shape());
        let Some(entry) = data.get(name) else {
            let missing =
                || DataError::missing(format!("the input `{name}` ({r}x{c}) has no value"));
            return self.default.clone().ok_or_else(missing);
        };
        let value = entry.value.clone().for_shape((r, c));
        let given = value.pattern.shape();
        if given != (r, c) {
            let message =
                format!("`{name}` is {r}x{c}, the value given is {}x{}", given.0, given.1);
            return Err(entry.error(Code::WrongLength, message));
        }
        fitted(&value.pattern, &value.values, &self.pattern).map_err(|(row, col)| {
            let message = format!(
                "the value of `{name}` lies outside its declared pattern: entry [{row}, {col}] is \
                 not zero"
            );
            entry.error(Code::OutsidePattern, message)
        })
    }
}

impl Output {
    /// The nonzeros of this output as a matrix in compressed columns.
    ///
    /// # Errors
    /// The values are not as many as the nonzeros.
    pub fn to_sprs(&self, values: &[f64]) -> Result<sprs::CsMat<f64>, WrongNumber> {
        to_sprs(&self.pattern, values)
    }
}

/// An output of a [`Function`].
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    pub name: Arc<str>,
    pub pattern: Pattern,
    pub unit: Vec<Arc<str>>,
}

/// How a function is compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    pub engine: EngineKind,
    pub simplify: SimplifyOptions,
    /// Most threads that compile machine code, and that share the iterations of its long loops; 0
    /// for as many as the machine runs at once. Results do not depend on it.
    pub threads: usize,
    /// Leave long straight-line code in which a block is repeated as it is; else it becomes loops
    /// (`kernel::roll`), which takes less code and time and changes no bit.
    pub keep_straight: bool,
    /// Compile even what this process has compiled already; else the same function with the same
    /// options is taken as it is, while it is among the last ones used.
    pub again: bool,
}

/// What evaluates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EngineKind {
    /// Machine code: straight-line code and loops in vectors of four or, with AVX-512, eight written
    /// here, what branches by Cranelift. Needs an x86-64 processor with AVX2 and FMA.
    Vector,
    /// Machine code by Cranelift.
    Jit,
    /// The reference interpreter, ready at once.
    Interp,
    /// C compiled by the system's `cc` and loaded.
    C,
}

impl Default for EngineKind {
    /// The fastest machine code that this machine runs.
    fn default() -> EngineKind {
        if jit::has_vectors() { EngineKind::Vector } else { EngineKind::Jit }
    }
}

/// Why a function could not be derived or compiled.
#[derive(Debug)]
pub enum FunctionError {
    /// No input or output of that name.
    Unknown {
        what: &'static str,
        name: String,
        known: Vec<Arc<str>>,
    },
    /// A gradient or Hessian of a matrix.
    NotAScalar {
        output: Arc<str>,
        shape: (usize, usize),
    },
    Derivative(DiffError),
    Engine(EngineError),
    C(CEngineError),
}

impl std::fmt::Display for FunctionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FunctionError::Unknown { what, name, known } => {
                write!(f, "there is no {what} `{name}`; there are: {}", known.join(", "))
            }
            FunctionError::NotAScalar { output, shape: (r, c) } => {
                write!(f, "`{output}` is {r}x{c}; gradients and Hessians are of scalars")
            }
            FunctionError::Derivative(e) => e.fmt(f),
            FunctionError::Engine(e) => e.fmt(f),
            FunctionError::C(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for FunctionError {}

impl From<DiffError> for FunctionError {
    fn from(e: DiffError) -> FunctionError {
        FunctionError::Derivative(e)
    }
}

/// Seconds spent on the way from graph to code.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Timing {
    pub simplify_s: f64,
    /// Kernel and code.
    pub compile_s: f64,
}

/// A function made ready for evaluation. Shared between threads, each with its own [`Memory`].
///
/// ```
/// use nablac::function::{EngineKind, Options};
/// use nablac::model::Model;
/// let f = Model::parse("f.nab", "param a = 2\ninput x[2]\noutput y = a * x").function()?;
/// assert_eq!(f.inputs().iter().map(|i| i.is_param).collect::<Vec<_>>(), [true, false]);
/// assert_eq!(f.outputs()[0].pattern.shape(), (2, 1));
/// for engine in [EngineKind::Interp, EngineKind::Jit, EngineKind::default()] {
///     let compiled = f.compile(&Options { engine, ..Options::default() })?;
///     assert_eq!(compiled.evaluate(&[&[3.0], &[1.0, 2.0]])?, [[3.0, 6.0]]);
///     assert_eq!(compiled.code_bytes() > 0, engine != EngineKind::Interp);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Compiled {
    pub function: Function,
    pub kernel: Arc<Kernel>,
    pub timing: Timing,
    engine: Arc<dyn Engine>,
    options: Options,
    optimized: Arc<Func>,
    chunks: Arc<many::Chunks>,
}

impl Options {
    fn jit(&self) -> JitOptions {
        let jit = JitOptions::default();
        let threads = if self.threads == 0 { jit.threads } else { self.threads };
        let vectors = match self.engine {
            EngineKind::Vector => Vectors::Worthwhile,
            _ => Vectors::Narrow,
        };
        JitOptions { threads, vectors, ..jit }
    }
}

impl Function {
    /// A function of a frozen graph; `inputs` describe its inputs in order.
    pub fn new(func: Arc<Func>, inputs: Vec<Input>) -> Function {
        let outputs = func
            .outputs
            .iter()
            .map(|p| Output { name: p.name.clone(), pattern: p.pattern.clone(), unit: Vec::new() })
            .collect();
        Function { func, inputs: inputs.into(), outputs }
    }

    /// The same function with units of its outputs, in order.
    pub fn with_units(self, units: Vec<Vec<Arc<str>>>) -> Function {
        let outputs =
            self.outputs.iter().zip(units).map(|(o, unit)| Output { unit, ..o.clone() }).collect();
        Function { outputs, ..self }
    }

    pub fn name(&self) -> &str {
        &self.func.name
    }

    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// The graph behind.
    pub fn func(&self) -> &Arc<Func> {
        &self.func
    }

    /// Position of an input.
    ///
    /// # Errors
    /// An unknown name; the message lists the known ones.
    ///
    /// ```
    /// # use nablac::model::Model;
    /// let model = Model::parse("bowl.nab", "input x[2]\noutput f = x[0]^2 + 3*x[0]*x[1]");
    /// let f = model.function()?;
    /// assert_eq!(f.input("x")?, 0);
    /// assert!(f.input("z").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn input(&self, name: &str) -> Result<usize, FunctionError> {
        self.inputs.iter().position(|i| &*i.name == name).ok_or_else(|| FunctionError::Unknown {
            what: "input",
            name: name.to_owned(),
            known: self.inputs.iter().map(|i| i.name.clone()).collect(),
        })
    }

    /// Position of an output.
    ///
    /// # Errors
    /// An unknown name; the message lists the known ones.
    ///
    /// ```
    /// # use nablac::model::Model;
    /// let model = Model::parse("bowl.nab", "input x[2]\noutput f = x[0]^2 + 3*x[0]*x[1]");
    /// let f = model.function()?;
    /// assert_eq!(f.output("f")?, 0);
    /// assert!(f.output("g").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn output(&self, name: &str) -> Result<usize, FunctionError> {
        self.outputs.iter().position(|o| &*o.name == name).ok_or_else(|| FunctionError::Unknown {
            what: "output",
            name: name.to_owned(),
            known: self.outputs.iter().map(|o| o.name.clone()).collect(),
        })
    }

    /// The nonzeros of all inputs, in order, from values by name; defaults stand for missing ones.
    ///
    /// ```
    /// use nablac::data::Data;
    /// use nablac::function::Options;
    /// use nablac::model::Model;
    ///
    /// let mut a = sprs::TriMat::new((2, 2));
    /// a.add_triplet(0, 1, 3.0);
    /// a.add_triplet(1, 1, 4.0);
    /// let data = Data::new().with("A", a.to_csc::<usize>()).with("x", vec![1.0, 2.0]);
    ///
    /// let model = Model::parse("f.nab", "input A[2,2] sparse, x[2]\noutput y = A * x, B = 2*A");
    /// let f = model.data(data.clone()).function()?;
    /// let inputs = f.values(&data)?;
    /// let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    /// let outputs = f.compile(&Options::default())?.evaluate(&inputs)?;
    /// assert_eq!(outputs[0], [6.0, 8.0]);
    /// let b: sprs::CsMat<f64> = f.outputs()[1].to_sprs(&outputs[1])?;
    /// assert_eq!((b.nnz(), b.get(0, 1)), (2, Some(&6.0)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A name that is no input, a missing value, one of another shape or outside the pattern.
    pub fn values(&self, data: &Data) -> Result<Vec<Vec<f64>>, DataError> {
        for (name, entry) in data.iter() {
            if !self.inputs.iter().any(|input| &*input.name == name) {
                return Err(entry.error(Code::UnknownInput, format!("there is no input `{name}`")));
            }
        }
        self.inputs.iter().map(|input| input.values(data)).collect()
    }

    /// The function of the gradient of a scalar output by an input, in the shape of the input.
    /// Its output is called `grad_OUTPUT_INPUT`.
    ///
    /// ```
    /// # use nablac::model::Model;
    /// let model = Model::parse("bowl.nab", "input x[2]\noutput f = x[0]^2 + 3*x[0]*x[1]");
    /// let f = model.function()?;
    /// let g = f.gradient("f", "x")?.compile(&Default::default())?;
    /// assert_eq!(g.evaluate(&[&[1.0, 2.0]])?, [[8.0, 3.0]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// An unknown name, an output that is no scalar, an external without derivative.
    pub fn gradient(&self, output: &str, input: &str) -> Result<Function, FunctionError> {
        self.scalar(output)?;
        self.derived("grad", output, input, |g, y, x| diff::gradient(g, y, &[x]))
    }

    /// The function of the sparse Jacobian of an output by an input, both column-major. Its
    /// output is called `jac_OUTPUT_INPUT`.
    ///
    /// ```
    /// # use nablac::model::Model;
    /// let model = Model::parse("bowl.nab", "input x[2]\noutput y = [x[0]^2, x[1]]");
    /// let y = model.function()?;
    /// let jacobian = y.jacobian("y", "x")?;
    /// assert_eq!(jacobian.outputs()[0].pattern.nnz(), 2); // diagonal
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// An unknown name, an external without derivative.
    pub fn jacobian(&self, output: &str, input: &str) -> Result<Function, FunctionError> {
        self.derived("jac", output, input, |g, y, x| diff::jacobian(g, y, &[x]))
    }

    /// The function of the sparse, symmetric Hessian of a scalar output by an input. Its output
    /// is called `hess_OUTPUT_INPUT`.
    ///
    /// ```
    /// # use nablac::model::Model;
    /// let model = Model::parse("bowl.nab", "input x[2]\noutput f = x[0]^2 + 3*x[0]*x[1]");
    /// let f = model.function()?;
    /// let h = f.hessian("f", "x")?;
    /// assert_eq!(h.outputs()[0].pattern.nnz(), 3); // all but the last on the diagonal
    /// assert_eq!(h.compile(&Default::default())?.evaluate(&[&[1.0, 2.0]])?, [[2.0, 3.0, 3.0]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// An unknown name, an output that is no scalar, an external without derivative.
    pub fn hessian(&self, output: &str, input: &str) -> Result<Function, FunctionError> {
        self.scalar(output)?;
        self.derived("hess", output, input, |g, y, x| diff::hessian(g, y, &[x]))
    }

    fn scalar(&self, output: &str) -> Result<(), FunctionError> {
        let output = &self.outputs[self.output(output)?];
        if output.pattern.is_scalar() {
            return Ok(());
        }
        let (output, shape) = (output.name.clone(), output.pattern.shape());
        Err(FunctionError::NotAScalar { output, shape })
    }

    fn derived(
        &self,
        kind: &str,
        output: &str,
        input: &str,
        derive: impl FnOnce(&mut Graph, NodeId, NodeId) -> Result<NodeId, DiffError>,
    ) -> Result<Function, FunctionError> {
        let (o, i) = (self.output(output)?, self.input(input)?);
        let mut graph = Graph::new();
        let inputs = graph.inputs(&self.func.inputs);
        let outputs = match self.func.graph() {
            // The body of a function with a derivative of its own must not be derived.
            Some((body, outputs)) if self.func.jvp.is_none() => {
                visit::transplant(body, outputs, &mut graph, &inputs)
            }
            _ => graph.call(&self.func, &inputs),
        };
        let value = derive(&mut graph, outputs[o], inputs[i])?;
        let name = format!("{kind}_{output}_{input}");
        let named = vec![(name.as_str().into(), value)];
        let func = Func::freeze(self.func.name.clone(), &graph, self.func.inputs.clone(), named);
        Ok(Function::new(func, self.inputs.to_vec()))
    }

    /// The simplified graph.
    ///
    /// ```
    /// # use nablac::model::Model;
    /// let model = Model::parse("bowl.nab", "input x[2]\noutput f = x[0]^2 + 3*x[0]*x[1]");
    /// let f = model.function()?;
    /// assert!(f.optimized(&Default::default()).size() <= f.func().size());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn optimized(&self, options: &SimplifyOptions) -> Arc<Func> {
        optimize(&self.func, options)
    }

    /// The function with its formulas as people write them; see [`crate::simplify::readable`].
    ///
    /// ```
    /// # use nablac::model::Model;
    /// let f = Model::parse("f.nab", "input x\noutput g = grad(exp(-x^2), x)").function()?;
    /// assert!(nablac::print::nab(&f.readable())?.contains("output g = -2 * x * exp(-x ^ 2)"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn readable(&self) -> Function {
        Function::new(crate::simplify::readable(&self.func), self.inputs.to_vec())
    }

    /// Simplifies and compiles, unless that has been done; see [`Options::again`].
    ///
    /// ```
    /// use nablac::function::{EngineKind, Options};
    /// # use nablac::model::Model;
    /// let model = Model::parse("bowl.nab", "input x[2]\noutput f = x[0]^2 + 3*x[0]*x[1]");
    /// let f = model.function()?;
    /// let options = Options { engine: EngineKind::Interp, ..Options::default() };
    /// assert_eq!(f.compile(&options)?.evaluate(&[&[1.0, 2.0]])?, [[7.0]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The engine is not available here, or a limit of it is exceeded.
    pub fn compile(&self, options: &Options) -> Result<Compiled, FunctionError> {
        self.compiled(options, || optimize(&self.func, &options.simplify))
    }

    /// Compiles what [`Function::optimized`] made of this function with the same options.
    ///
    /// # Errors
    /// As [`Function::compile`].
    pub fn compile_optimized(
        &self,
        optimized: Arc<Func>,
        options: &Options,
    ) -> Result<Compiled, FunctionError> {
        self.compiled(options, || optimized)
    }

    fn compiled(
        &self,
        options: &Options,
        optimize: impl FnOnce() -> Arc<Func>,
    ) -> Result<Compiled, FunctionError> {
        let start = Instant::now();
        if !options.again
            && let Some(found) = cache::find(&self.func, options)
        {
            let timing = Timing { simplify_s: 0.0, compile_s: start.elapsed().as_secs_f64() };
            return Ok(Compiled { function: self.clone(), timing, ..found });
        }
        let optimized = optimize();
        let simplify_s = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let kernel = match options.engine {
            EngineKind::Vector | EngineKind::Jit => crate::kernel::build_in_place(&optimized),
            EngineKind::Interp | EngineKind::C => crate::kernel::build(&optimized),
        };
        let kernel = Arc::new(match options.keep_straight {
            true => kernel,
            false => crate::kernel::roll::rolled(kernel),
        });
        let engine: Arc<dyn Engine> = match options.engine {
            EngineKind::Interp => Arc::new(Interp::new(&kernel)),
            EngineKind::Vector if !jit::has_vectors() => {
                let why = "the engine `vector` needs an x86-64 processor with AVX2 and FMA";
                return Err(FunctionError::Engine(EngineError::Host(why.to_owned())));
            }
            EngineKind::Vector | EngineKind::Jit => {
                let jit = Jit::new(&kernel, &options.jit());
                Arc::new(jit.map_err(FunctionError::Engine)?)
            }
            EngineKind::C => Arc::new(CEngine::new(&kernel).map_err(FunctionError::C)?),
        };
        let timing = Timing { simplify_s, compile_s: start.elapsed().as_secs_f64() };
        let compiled = Compiled {
            function: self.clone(),
            kernel,
            timing,
            engine,
            options: options.clone(),
            optimized,
            chunks: Arc::default(),
        };
        if !options.again {
            cache::put(&compiled);
        }
        Ok(compiled)
    }
}

impl Compiled {
    /// Nonzeros of all outputs for the nonzeros of all inputs.
    ///
    /// ```
    /// # use nablac::model::Model;
    /// let model = Model::parse("bowl.nab", "input x[2]\noutput f = x[0]^2 + 3*x[0]*x[1]");
    /// let f = model.function()?;
    /// let f = f.compile(&Default::default())?;
    /// assert_eq!(f.evaluate(&[&[1.0, 2.0]])?, [[7.0]]);
    /// assert!(f.evaluate(&[&[1.0]]).is_err()); // a wrong length is an error
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Compiled::evaluate_into`].
    pub fn evaluate(&self, inputs: &[&[f64]]) -> Result<Vec<Vec<f64>>, EvalError> {
        let mut outputs: Vec<Vec<f64>> =
            self.function.outputs.iter().map(|o| vec![0.0; o.pattern.nnz()]).collect();
        let mut wanted: Vec<Option<&mut [f64]>> =
            outputs.iter_mut().map(|o| Some(o.as_mut_slice())).collect();
        self.evaluate_into(inputs, &mut wanted, &mut Memory::default())?;
        Ok(outputs)
    }

    /// Evaluates into memory of the caller: `None` for an output that is not wanted. Allocates
    /// nothing once `memory` has been used with this function.
    ///
    /// ```
    /// # use nablac::backend::abi::Memory;
    /// # use nablac::model::Model;
    /// let model = Model::parse("bowl.nab", "input x[2]\noutput f = x[0]^2 + 3*x[0]*x[1]");
    /// let f = model.function()?;
    /// let f = f.compile(&Default::default())?;
    /// let (mut value, mut memory) = ([0.0], Memory::default());
    /// for k in 0..3 {
    ///     f.evaluate_into(&[&[f64::from(k), 1.0]], &mut [Some(&mut value)], &mut memory)?;
    /// }
    /// assert_eq!(value, [10.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A wrong number or length of inputs or outputs, a violated range, a failed external, a
    /// cancelled evaluation. The outputs are then unspecified.
    pub fn evaluate_into(
        &self,
        inputs: &[&[f64]],
        outputs: &mut [Option<&mut [f64]>],
        memory: &mut Memory,
    ) -> Result<(), EvalError> {
        self.engine.call(inputs, outputs, memory)
    }

    /// The function with memory of its own for the nonzeros of inputs and outputs, for evaluations
    /// again and again: a call is then little more than the machine code. `wanted` says for each
    /// output whether it is computed. Each thread binds for itself.
    ///
    /// ```
    /// # use nablac::model::Model;
    /// let f = Model::parse("bowl.nab", "input x[2]\noutput f = x[0]^2, g = grad(f, x)").function()?;
    /// let f = f.compile(&Default::default())?;
    /// let mut bound = f.bind(&[true, true])?;
    /// for k in 0..3 {
    ///     bound.arg(0).copy_from_slice(&[f64::from(k), 1.0]);
    ///     bound.call()?;
    /// }
    /// assert_eq!((bound.res(0), bound.res(1)), (&[4.0][..], &[4.0][..]));
    /// assert!(f.bind(&[true]).is_err()); // there are two outputs
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A wrong number of outputs.
    pub fn bind(&self, wanted: &[bool]) -> Result<Box<dyn Bound>, EvalError> {
        self.engine.clone().bind(wanted)
    }

    /// Bytes of machine code, 0 for the interpreter.
    pub fn code_bytes(&self) -> usize {
        self.engine.code_bytes()
    }
}
