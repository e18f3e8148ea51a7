//! A chain and a random graph of 10^6 scalar nodes: building, reverse mode, kernel, evaluation in
//! the interpreter; nanoseconds and bytes per node. Beside CasADi SX, when its Python package is
//! there, in the same run.
//!
//! `cargo bench --bench million`

mod support;

use std::process::Command;
use std::sync::Arc;

use nablac::backend::abi::{Engine, Memory};
use nablac::backend::interp::Interp;
use nablac::diff;
use nablac::graph::{Func, Graph, NodeId, Port};
use nablac::ops::scalar::ScalarOp;
use nablac::sparsity::{IndexMap, Pattern};
use support::process_seconds;

const N: usize = 1_000_000;
const N_INPUTS: usize = 100;

/// The same numbers as in `peers/million.py`.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, n: usize) -> usize {
        self.0 = (self.0 * 1_103_515_245 + 12_345) % (1 << 31);
        (self.0 as usize * n) >> 31
    }
}

fn inputs(graph: &mut Graph) -> (NodeId, Vec<NodeId>) {
    let x = graph.input(0, Pattern::dense(N_INPUTS, 1));
    let of = |k: usize, g: &mut Graph| g.gather(x, IndexMap::range(k, 1), Pattern::scalar());
    (x, (0..N_INPUTS).map(|k| of(k, graph)).collect())
}

fn chain(graph: &mut Graph) -> (NodeId, NodeId) {
    let (x, elements) = inputs(graph);
    let mut y = elements[0];
    for k in 0..N / 2 {
        let s = graph.unary(ScalarOp::Sin, y);
        y = graph.add(s, elements[k % N_INPUTS]);
    }
    (x, y)
}

fn random(graph: &mut Graph) -> (NodeId, NodeId) {
    let (x, mut nodes) = inputs(graph);
    let mut lcg = Lcg(1);
    let half = graph.constant(0.5);
    // Two operations each time; all values stay in [-1, 1].
    for _ in 0..N / 2 {
        let recent = nodes.len().min(1000);
        let a = nodes[nodes.len() - 1 - lcg.below(recent)];
        let b = nodes[nodes.len() - 1 - lcg.below(recent)];
        nodes.push(match lcg.below(20) {
            0 => {
                let difference = graph.sub(a, b);
                graph.unary(ScalarOp::Cos, difference)
            }
            1..=3 => {
                let square = graph.mul(a, a);
                graph.mul(square, b)
            }
            _ => {
                let difference = graph.sub(a, b);
                graph.mul(half, difference)
            }
        });
    }
    let last = nodes[nodes.len() - 1];
    (x, graph.unary(ScalarOp::Sin, last))
}

/// CPU time of this process in nanoseconds: other work on the machine does not count.
fn cpu_ns() -> f64 {
    process_seconds() * 1e9
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split(' ').nth(1).and_then(|p| p.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

fn measure(name: &str, make: fn(&mut Graph) -> (NodeId, NodeId)) {
    let before = resident_bytes();
    let start = cpu_ns();
    let mut graph = Graph::new();
    let (x, y) = make(&mut graph);
    let build = (cpu_ns() - start) / N as f64;
    let bytes = (resident_bytes() - before) as f64 / graph.len() as f64;
    let n_built = graph.len();
    let start = cpu_ns();
    let gradient = diff::gradient(&mut graph, y, &[x]).expect("differentiable");
    let reverse = (cpu_ns() - start) / N as f64;
    let start = cpu_ns();
    let ports = vec![Port::new("x", Pattern::dense(N_INPUTS, 1))];
    let func = Func::freeze(name, &graph, ports, vec![("y".into(), y), ("g".into(), gradient)]);
    let kernel = Arc::new(nablac::kernel::build(&func));
    let engine = Interp::new(&kernel);
    let compile = (cpu_ns() - start) / N as f64;
    let point = vec![0.5; N_INPUTS];
    let (mut f, mut g) = ([0.0], vec![0.0; graph.nnz(gradient)]);
    let mut memory = Memory::default();
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = cpu_ns();
        let mut res = [Some(&mut f[..]), Some(&mut g[..])];
        engine.call(&[&point], &mut res, &mut memory).expect("evaluates");
        best = best.min((cpu_ns() - start) / N as f64);
    }
    let sum: f64 = g.iter().sum();
    println!(
        "nablac {name}: build {build:.0} ns/node, reverse {reverse:.0} ns/node, freeze and kernel \
         {compile:.0} ns/node, interp value and gradient {best:.1} ns/node, {bytes:.0} bytes/node \
         ({n_built} nodes, {} with gradient), f {:.15}, sum of gradient {sum:.15}",
        graph.len(),
        f[0]
    );
}

fn main() {
    measure("chain", chain);
    measure("random", random);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/million.py");
    match Command::new("python3").arg(script).output() {
        Ok(out) if out.status.success() => print!("{}", String::from_utf8_lossy(&out.stdout)),
        _ => println!("casadi: not measured (pip install casadi)"),
    }
}
