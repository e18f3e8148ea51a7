//! Programs from text, and the folder of shared data.

use std::path::PathBuf;
use std::sync::Arc;

use nablac::backend::abi::{Engine, Memory};
use nablac::backend::interp::Interp;
use nablac::function::{Compiled, EngineKind, Function, Input, Options};
use nablac::graph::Func;
use nablac::lower::{LowerOptions, Program, lower};
use nablac::syntax::{Diagnostic, SourceMap, render_all};

/// The engines of this machine.
pub fn engines() -> [EngineKind; 4] {
    [EngineKind::Interp, EngineKind::default(), EngineKind::Jit, EngineKind::C]
}

/// The folder beside the project, or one of its parts.
pub fn shared(part: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared").join(part);
    if folder.exists() {
        return Some(folder);
    }
    let ci = std::env::var("CI").is_ok_and(|v| v == "true");
    assert!(!ci, "{} is missing in CI", folder.display());
    println!("not run: {} is not there", folder.display());
    None
}

/// Evaluates a function without inputs, for constants that do not fold.
pub fn evaluate(func: &Arc<Func>) -> Result<Vec<Vec<f64>>, String> {
    let engine = Interp::new(&Arc::new(nablac::kernel::build(func)));
    let mut outputs: Vec<Vec<f64>> =
        func.outputs.iter().map(|p| vec![0.0; p.pattern.nnz()]).collect();
    let mut res: Vec<Option<&mut [f64]>> =
        outputs.iter_mut().map(|o| Some(o.as_mut_slice())).collect();
    engine.call(&[], &mut res, &mut Memory::default()).map_err(|e| e.to_string())?;
    Ok(outputs)
}

/// Lowers a program; its mistakes as they are shown.
pub fn program(text: &str, options: LowerOptions<'_>) -> Result<Program, String> {
    let mut sources = SourceMap::default();
    let file = sources.add("program.nab", text);
    let options = LowerOptions { evaluate: Some(&evaluate), ..options };
    lower(&mut sources, file, &options, &|_, path| Err(format!("no file {path}")))
        .map_err(|diagnostics: Vec<Diagnostic>| render_all(&diagnostics, &sources, false))
}

/// The function of a program.
pub fn function(program: &Program) -> Function {
    let inputs = program.inputs.iter().map(|i| Input::new(i.name.clone(), i.pattern.clone()));
    Function::new(program.func.clone(), inputs.collect())
}

pub fn compile(function: &Function, engine: EngineKind) -> Compiled {
    function.compile(&Options { engine, ..Options::default() }).unwrap()
}
