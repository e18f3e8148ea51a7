//! The kernels that a kernel calls, directly or not.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::kernel::ir::{Callee, Kernel};

/// All kernels reachable from one, each once, callees before their callers (so the kernel itself
/// comes last), and the place of each in that list by address.
pub struct Calls {
    pub kernels: Vec<Arc<Kernel>>,
    place: FxHashMap<usize, u32>,
    /// Largest number of kernels active at once.
    pub depth: usize,
}

impl Calls {
    /// Walks the calls depth first, with a stack of its own.
    pub fn of(kernel: &Arc<Kernel>) -> Calls {
        let mut calls = Calls { kernels: Vec::new(), place: FxHashMap::default(), depth: 0 };
        let mut depths: Vec<usize> = Vec::new();
        let mut open: Vec<(&Arc<Kernel>, usize, usize)> = vec![(kernel, 0, 0)];
        while let Some((kernel, next_call, below)) = open.pop() {
            let Some(call) = kernel.calls.get(next_call) else {
                calls.place.insert(Arc::as_ptr(kernel) as usize, calls.kernels.len() as u32);
                calls.kernels.push(kernel.clone());
                depths.push(below + 1);
                calls.depth = below + 1;
                continue;
            };
            match &call.callee {
                Callee::Kernel(callee) => match calls.place(callee) {
                    Some(place) => {
                        open.push((kernel, next_call + 1, below.max(depths[place as usize])))
                    }
                    None => {
                        open.push((kernel, next_call, below));
                        open.push((callee, 0, 0));
                    }
                },
                Callee::External(_) => open.push((kernel, next_call + 1, below)),
            }
        }
        calls
    }

    /// Index of a reachable kernel in [`Calls::kernels`].
    pub fn place(&self, kernel: &Arc<Kernel>) -> Option<u32> {
        self.place.get(&(Arc::as_ptr(kernel) as usize)).copied()
    }
}
