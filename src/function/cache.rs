//! Compiled functions of this process: the same function is compiled once.
//!
//! The least recently used ones are forgotten first. Functions are compared as a whole, names of
//! inputs and outputs included, as messages show them.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Compiled, Options};
use crate::graph::{Func, visit};
use crate::kernel::calls::Calls;
use crate::kernel::ir::Kernel;

/// Most functions that are remembered, and most instructions and numbers of their kernels.
const MAX_FUNCTIONS: usize = 64;
const MAX_SIZE: usize = 1 << 21;

/// Functions with their sizes, the most recently used one last.
static REMEMBERED: Mutex<Vec<(usize, Compiled)>> = Mutex::new(Vec::new());

/// A function that was compiled with the same options.
pub(super) fn find(func: &Arc<Func>, options: &Options) -> Option<Compiled> {
    let mut remembered = REMEMBERED.lock().unwrap_or_else(PoisonError::into_inner);
    let is_same =
        |(_, c): &(usize, Compiled)| c.options == *options && is_same(c.function.func(), func);
    let place = remembered.iter().rposition(is_same)?;
    let found = remembered.remove(place);
    remembered.push(found.clone());
    Some(found.1)
}

/// Remembers a function, unless it is very large.
pub(super) fn put(compiled: &Compiled) {
    let kernels = Calls::of(&compiled.kernel).kernels;
    let size: usize = kernels.iter().map(|kernel| size(kernel)).sum();
    if size > MAX_SIZE {
        return;
    }
    let mut remembered = REMEMBERED.lock().unwrap_or_else(PoisonError::into_inner);
    remembered.push((size, compiled.clone()));
    let mut total: usize = remembered.iter().map(|(size, _)| size).sum();
    let mut n_left = remembered.len();
    let forgotten = remembered.iter().take_while(|(size, _)| {
        let is_forgotten = total > MAX_SIZE || n_left > MAX_FUNCTIONS;
        total -= size;
        n_left -= 1;
        is_forgotten
    });
    let n_forgotten = forgotten.count();
    remembered.drain(..n_forgotten);
}

fn size(kernel: &Kernel) -> usize {
    let tables = kernel.tables.iter().map(|table| table.len());
    kernel.insts.len() + kernel.data.iter().map(|data| data.len()).chain(tables).sum::<usize>()
}

/// Whether two functions are equal with the names of all inputs and outputs.
fn is_same(a: &Arc<Func>, b: &Arc<Func>) -> bool {
    if Arc::ptr_eq(a, b) {
        return true;
    }
    if a != b {
        return false;
    }
    let names = |func: &Func| -> Vec<Arc<str>> {
        func.inputs.iter().chain(&func.outputs).map(|port| port.name.clone()).collect()
    };
    let (a, b) = (visit::callees_first(a), visit::callees_first(b));
    a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| names(a) == names(b))
}
