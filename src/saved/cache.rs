//! Simplified functions in a folder, for later runs: simplification takes most of the time
//! between a formula and machine code.
//!
//! An entry holds all that it was made from (the function as a saved model, the options, the
//! rules, the version of this program) and the simplified function as a saved model. It is taken
//! only if the first part is the same byte for byte, the second one has the length and the hash
//! that the entry states, and is a function of the same inputs and outputs that can be read;
//! anything else is as if it was not there. Machine code is never stored.

use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustc_hash::FxHasher;

use crate::function::Function;
use crate::graph::{Body, Func, visit};
use crate::simplify::SimplifyOptions;
use crate::simplify::rules::built_in;

/// A folder of simplified functions.
///
/// ```
/// use nablac::model::Model;
/// use nablac::saved::Cache;
/// let folder = std::env::temp_dir().join(format!("nablac-doc-cache-{}", std::process::id()));
/// let f = Model::parse("f.nab", "input x\noutput g = grad(exp(-x^2), x)").function()?;
/// let cache = Cache::new(&folder);
/// let made = cache.optimized(&f, &Default::default());
/// assert_eq!(cache.optimized(&f, &Default::default()), made);
/// assert_eq!(std::fs::read_dir(&folder)?.count(), 1);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// The first line of an entry.
const TITLE: &str = "nablac simplified function";

impl Cache {
    /// The folder is made when something is stored.
    pub fn new(folder: impl Into<PathBuf>) -> Cache {
        Cache { folder: folder.into() }
    }

    /// What [`Function::optimized`] gives, from the folder if it is there, else stored in it as
    /// far as the folder can be written. Functions with callbacks are not stored.
    pub fn optimized(&self, function: &Function, options: &SimplifyOptions) -> Arc<Func> {
        let is_external = |f: &Arc<Func>| matches!(f.body, Body::External(_));
        if visit::callees_first(function.func()).iter().any(is_external) {
            return function.optimized(options);
        }
        let source = source(function, options);
        let file = self.folder.join(format!("{:016x}.nablac", hash(&source)));
        if let Some(found) = read(&file, &source, function) {
            return found;
        }
        let optimized = function.optimized(options);
        let model = Function::new(optimized.clone(), function.inputs().to_vec()).to_json();
        let text = format!("{}{source}{model}", head(&source, &model));
        // The cache is a help only: what cannot be stored is made again.
        let _ = self.store(&file, &text);
        optimized
    }

    /// Other processes see an entry whole or not at all.
    fn store(&self, file: &Path, text: &str) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let temporary = file.with_extension(format!("{}.part", std::process::id()));
        std::fs::write(&temporary, text)
            .and_then(|()| std::fs::rename(&temporary, file))
            .inspect_err(|_| drop(std::fs::remove_file(&temporary)))
    }
}

/// All that a simplified function depends on.
fn source(function: &Function, options: &SimplifyOptions) -> String {
    let rules = hash(&format!("{:?}", built_in()));
    let version = env!("CARGO_PKG_VERSION");
    let model = function.to_json();
    format!("{version} {rules:016x}\n{options:?}\n{model}\n")
}

fn head(source: &str, model: &str) -> String {
    format!("{TITLE}\n{} {} {:016x}\n", source.len(), model.len(), hash(model))
}

fn read(file: &Path, source: &str, function: &Function) -> Option<Arc<Func>> {
    let text = std::fs::read_to_string(file).ok()?;
    let begin = text.match_indices('\n').nth(1)?.0 + 1;
    let model = text[begin..].strip_prefix(source)?;
    if text[..begin] != head(source, model) {
        return None;
    }
    let found = Function::from_json("cache", model).ok()?;
    let ports = |func: &Func| -> Vec<_> {
        let ports = func.inputs.iter().map(Some).chain([None]).chain(func.outputs.iter().map(Some));
        ports.map(|port| port.map(|port| (port.name.clone(), port.pattern.clone()))).collect()
    };
    (ports(found.func()) == ports(function.func())).then(|| found.func().clone())
}

fn hash(text: &str) -> u64 {
    let mut hasher = FxHasher::default();
    text.hash(&mut hasher);
    hasher.finish()
}
