//! Many directional derivatives through loops with state: a loop over the directions, so that
//! programs do not grow with their number.
//!
//! A loop with state gives its Jacobian by directional derivatives. That of all states by what
//! enters at each stage (block lower triangular) needs one for each stage. Written out, they would
//! be states of one long body. Here an iteration makes [`TOGETHER`] of them, which share the
//! values of the function; a direction is seeded where the color is its number.

use super::{DiffError, forward, reverse};
use crate::graph::{ArgMode, Func, Graph, LoopSpec, NodeId, Op, Port, ResultMode, Window, visit};
use crate::ops::scalar::ScalarOp;
use crate::sparsity::{IndexMap, MAX_NUMEL, Pattern, PatternError};

/// Fewer directions are written out.
const MANY: usize = 32;

/// Directions that one iteration makes.
const TOGETHER: usize = 8;

/// Shorter loops are no reason for a loop over the directions.
const SHORTEST: u64 = 8;

/// Whether `n` directional derivatives of `y` are better made in a loop: many of them, that go
/// through a loop with state.
pub(super) fn are_looped(graph: &Graph, y: NodeId, wrt: &[NodeId], n: usize) -> bool {
    if n < MANY {
        return false;
    }
    let order = visit::reachable(graph, &[y]);
    let active = active(graph, &order, wrt);
    order.iter().any(|&id| {
        let spec = graph.loop_spec(id);
        active[id.index()] && spec.is_some_and(|spec| spec.n_states > 0 && spec.n >= SHORTEST)
    })
}

/// Tangents of `y` as a dense column: nonzero `k` of direction `d` has the number
/// `d * nnz(y) + k`. `groups` are the nonzeros of the targets, one target after the other, that
/// the directions seed.
pub(super) fn tangents<'a>(
    graph: &mut Graph,
    y: NodeId,
    wrt: &[NodeId],
    groups: impl Iterator<Item = &'a [u32]>,
) -> Result<NodeId, DiffError> {
    let n_seeded = wrt.iter().map(|&x| graph.nnz(x)).sum();
    let (colors, n) = colors(n_seeded, groups);
    let mut body = Body::new(graph, y, wrt);
    let mut directions = Vec::new();
    for together in 0..TOGETHER {
        let mut start = 0;
        let mut direction = Vec::new();
        for &x in &body.targets {
            let end = start + body.scratch.nnz(x);
            direction.push((x, colors[start..end].to_vec()));
            start = end;
        }
        let seed = |(x, colors): (NodeId, Vec<f64>)| body.seed(x, &colors, together);
        directions.push(direction.into_iter().map(seed).collect::<Vec<_>>());
    }
    let (y, targets) = (body.y, body.targets.clone());
    let tangents = forward(&mut body.scratch, &[y], &targets, &directions)?;
    let tangents = tangents.into_iter().map(|of| body.column(of[0], y)).collect();
    body.repeat(graph, tangents, n)
}

/// Cotangents of the targets as a dense column: nonzero `k` of the targets, one after the other,
/// of direction `d` has the number `d * nnz(targets) + k`. `groups` are the nonzeros of `y`.
pub(super) fn cotangents<'a>(
    graph: &mut Graph,
    y: NodeId,
    wrt: &[NodeId],
    groups: impl Iterator<Item = &'a [u32]>,
) -> Result<NodeId, DiffError> {
    let (colors, n) = colors(graph.nnz(y), groups);
    let mut body = Body::new(graph, y, wrt);
    let (y, targets) = (body.y, body.targets.clone());
    let directions: Vec<Vec<NodeId>> =
        (0..TOGETHER).map(|together| vec![body.seed(y, &colors, together)]).collect();
    let cotangents = reverse(&mut body.scratch, &[y], &targets, &directions)?;
    let mut columns = Vec::new();
    for of in cotangents {
        columns.extend(of.into_iter().zip(&targets).map(|(c, &x)| body.column(c, x)));
    }
    body.repeat(graph, columns, n)
}

/// One more than the number of the direction that seeds each nonzero, -1 if none does, and the
/// number of directions. No color is 0: that would be a structural zero.
fn colors<'a>(n_seeded: usize, groups: impl Iterator<Item = &'a [u32]>) -> (Vec<f64>, usize) {
    let mut colors = vec![-1.0; n_seeded];
    let mut n = 0;
    for group in groups {
        n += 1;
        for &k in group {
            colors[k as usize] = n as f64;
        }
    }
    (colors, n)
}

/// Which nodes depend on the targets.
fn active(graph: &Graph, order: &[NodeId], wrt: &[NodeId]) -> Vec<bool> {
    let mut active = vec![false; graph.len()];
    for x in wrt {
        active[x.index()] = true;
    }
    for &id in order {
        active[id.index()] |= graph.args(id).iter().any(|a| active[a.index()]);
    }
    active
}

/// The body of the loop over directions: what depends on the targets, made anew.
struct Body {
    scratch: Graph,
    y: NodeId,
    targets: Vec<NodeId>,
    /// Color of the first direction of the iteration.
    first: NodeId,
    /// What stands for the inputs, of which the last one is `first`.
    args: Vec<NodeId>,
    ports: Vec<Port>,
}

impl Body {
    fn new(graph: &Graph, y: NodeId, wrt: &[NodeId]) -> Body {
        let order = visit::reachable(graph, &[y]);
        let active = active(graph, &order, wrt);
        let mut scratch = Graph::new();
        scratch.set_folds_real(true);
        let mut copies: Vec<Option<NodeId>> = vec![None; graph.len()];
        let (mut args, mut ports) = (Vec::new(), Vec::new());
        let mut input = |scratch: &mut Graph, id: NodeId| {
            let pattern = graph.pattern(id).clone();
            let node = scratch.input(args.len(), pattern.clone());
            args.push(id);
            ports.push(Port::new("value", pattern));
            node
        };
        let mut targets = Vec::new();
        for &x in wrt {
            let target = input(&mut scratch, x);
            copies[x.index()] = Some(target);
            targets.push(target);
        }
        for id in order {
            if !active[id.index()] || copies[id.index()].is_some() {
                continue;
            }
            let mut operands = Vec::new();
            for &a in graph.args(id) {
                let copy = match copies[a.index()] {
                    Some(copy) => copy,
                    None if graph.op(a) == Op::Const => {
                        visit::copy_node(graph, a, &mut scratch, &[])
                    }
                    None => input(&mut scratch, a),
                };
                copies[a.index()] = Some(copy);
                operands.push(copy);
            }
            copies[id.index()] = Some(visit::copy_node(graph, id, &mut scratch, &operands));
        }
        let y_copy = copies[y.index()].unwrap_or(NodeId(0));
        let y = scratch.project(y_copy, graph.pattern(y));
        let first = scratch.input(args.len(), Pattern::scalar());
        ports.push(Port::new("first", Pattern::scalar()));
        Body { scratch, y, targets, first, args, ports }
    }

    /// A seed of the value `x`: 1 where the color is that of the direction, which is the
    /// `together`-th one of the iteration.
    fn seed(&mut self, x: NodeId, colors: &[f64], together: usize) -> NodeId {
        let pattern = self.scratch.pattern(x).clone();
        let column = Pattern::dense(colors.len(), 1);
        let colors = self.scratch.constant_matrix(column, colors);
        let offset = self.scratch.constant(together as f64);
        let direction = self.scratch.add(self.first, offset);
        let seed = self.scratch.binary(ScalarOp::Eq, colors, direction);
        self.scratch.gather(seed, IndexMap::identity(pattern.nnz()), pattern)
    }

    /// A derivative as a dense column of the nonzeros of the value that it belongs to.
    fn column(&mut self, derivative: NodeId, of: NodeId) -> NodeId {
        let pattern = self.scratch.pattern(of).clone();
        let whole = self.scratch.project(derivative, &pattern);
        let n = pattern.nnz();
        self.scratch.gather(whole, IndexMap::identity(n), Pattern::dense(n, 1))
    }

    /// The loop over `n` directions, whose derivatives are `columns` one after the other.
    fn repeat(
        mut self,
        graph: &mut Graph,
        columns: Vec<NodeId>,
        n: usize,
    ) -> Result<NodeId, DiffError> {
        let n_iterations = n.div_ceil(TOGETHER);
        let stacked = self.scratch.concat(&columns);
        let n_made = self.scratch.nnz(stacked);
        let n_all = n_iterations as u64 * n_made as u64;
        if n_all > MAX_NUMEL {
            let (n_rows, n_cols) = (n_made as u64, n_iterations as u64);
            return Err(PatternError::TooLarge { n_rows, n_cols, limit: MAX_NUMEL }.into());
        }
        let n_args = self.args.len();
        let outputs = vec![("derivatives".into(), stacked)];
        let body = Func::freeze("directions", &self.scratch, self.ports, outputs);
        let mut args = vec![ArgMode::Broadcast; n_args];
        args.push(ArgMode::Iteration { base: 1, step: TOGETHER as i64 });
        let spec = LoopSpec {
            body,
            n: n_iterations as u64,
            n_states: 0,
            args,
            results: vec![ResultMode::Window(Window::stacked(n_made))],
            patterns: vec![Pattern::dense(n_all as usize, 1)],
            range: None,
        };
        self.args.push(graph.zero(0, 0));
        let values = graph.repeat(spec, &self.args);
        Ok(values[0])
    }
}
