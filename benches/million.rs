//! A chain and a random graph of 10^6 scalar nodes: building, reverse mode, kernel, evaluation in
//! the interpreter; nanoseconds and bytes per node. Beside CasADi SX, when its Python package is
//! there, in the same run.
//!
//! `cargo bench --bench million`

use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use nablac::backend::abi::{Engine, Memory};
use nablac::backend::interp::Interp;
use nablac::diff;
use nablac::graph::{Func, Graph, NodeId, Port};
use nablac::ops::scalar::ScalarOp;
use nablac::sparsity::{IndexMap, Pattern};

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
    for _ in 0..N {
        let recent = nodes.len().min(1000);
        let a = nodes[nodes.len() - 1 - lcg.below(recent)];
        let b = nodes[nodes.len() - 1 - lcg.below(recent)];
        nodes.push(match lcg.below(20) {
            0 => graph.unary(ScalarOp::Sin, a),
            1..=9 => graph.mul(a, b),
            _ => graph.sub(a, b),
        });
    }
    let last = nodes[nodes.len() - 1];
    (x, graph.unary(ScalarOp::Sin, last))
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split(' ').nth(1).and_then(|p| p.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

fn measure(name: &str, make: fn(&mut Graph) -> (NodeId, NodeId)) {
    let before = resident_bytes();
    let start = Instant::now();
    let mut graph = Graph::new();
    let (x, y) = make(&mut graph);
    let build = start.elapsed().as_nanos() as f64 / N as f64;
    let bytes = (resident_bytes() - before) as f64 / graph.len() as f64;
    let n_built = graph.len();
    let start = Instant::now();
    let gradient = diff::gradient(&mut graph, y, &[x]).expect("differentiable");
    let reverse = start.elapsed().as_nanos() as f64 / N as f64;
    let start = Instant::now();
    let ports = vec![Port::new("x", Pattern::dense(N_INPUTS, 1))];
    let func = Func::freeze(name, &graph, ports, vec![("y".into(), y), ("g".into(), gradient)]);
    let kernel = Arc::new(nablac::kernel::build(&func));
    let engine = Interp::new(&kernel);
    let compile = start.elapsed().as_nanos() as f64 / N as f64;
    let point = vec![0.5; N_INPUTS];
    let (mut f, mut g) = ([0.0], vec![0.0; N_INPUTS]);
    let mut memory = Memory::default();
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        let mut res = [Some(&mut f[..]), Some(&mut g[..])];
        engine.call(&[&point], &mut res, &mut memory).expect("evaluates");
        best = best.min(start.elapsed().as_nanos() as f64 / N as f64);
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
