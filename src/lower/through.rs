//! Derivatives inside a body through values from around it.
//!
//! A body sees an outer value as an input, whose dependence on a target outside would be lost.
//! What depends on a target is therefore made anew in the body; what does not is captured as it
//! is, so that each iteration repeats only what its derivative needs.

use rustc_hash::FxHashMap;

use super::frame::{FrameKind, Source};
use super::{BindingId, Bound, Lowerer};
use crate::graph::{NodeId, Op, visit};
use crate::syntax::Span;

/// Copies of nodes, by their frame.
type Copies = FxHashMap<(usize, NodeId), NodeId>;

impl Lowerer<'_> {
    /// `f`, a node of the current frame, such that every path from `targets` to it lies inside.
    /// None after an error, which is reported at `span`.
    pub fn seen_whole(&mut self, f: NodeId, targets: &[BindingId], span: Span) -> Option<NodeId> {
        if self.frame().kind == FrameKind::File {
            return Some(f);
        }
        let captured = self.captured_by(self.current, f);
        let is_hidden = |&id: &BindingId| {
            targets.iter().any(|&target| id != target && self.depends_on(id, target))
        };
        if !captured.iter().any(is_hidden) {
            return Some(f);
        }
        self.made_anew(self.current, f, targets, span, &mut Copies::default())
    }

    /// A node of `frame` as a function of the targets in the current frame.
    fn made_anew(
        &mut self,
        frame: usize,
        root: NodeId,
        targets: &[BindingId],
        span: Span,
        copies: &mut Copies,
    ) -> Option<NodeId> {
        let is_here = frame == self.current;
        let order = visit::reachable(&self.frames[frame].graph, &[root]);
        // Copying changes the graph that is read, if that is the one of the current frame.
        let own = is_here.then(|| self.frames[frame].graph.clone());
        let mut depends = vec![false; root.index() + 1];
        for id in order {
            if let Some(target) = self.target_at(frame, id, targets) {
                depends[id.index()] = true;
                copies.insert((frame, id), self.node_of(target, span)?);
                continue;
            }
            let graph = own.as_ref().unwrap_or(&self.frames[frame].graph);
            if graph.op(id) == Op::Input {
                let Some(source) = self.source_at(frame, id) else { continue };
                let (Source::Whole(value) | Source::Slice(value, _)) = source else { continue };
                if !targets.iter().any(|&t| value == t || self.depends_on(value, t)) {
                    continue;
                }
                depends[id.index()] = true;
                let whole = self.value_anew(value, targets, span, copies)?;
                let node = match &source {
                    Source::Slice(_, slice) if !slice.offset.parts.is_empty() => {
                        self.select_entries(whole, slice, span)?
                    }
                    Source::Slice(_, slice) => self.static_slice(whole, slice, span)?,
                    _ => whole,
                };
                copies.insert((frame, id), node);
                continue;
            }
            let args = graph.args(id).to_vec();
            if !args.iter().any(|a| depends[a.index()]) {
                continue;
            }
            depends[id.index()] = true;
            let mut copied = Vec::with_capacity(args.len());
            for arg in args {
                copied.push(match copies.get(&(frame, arg)) {
                    Some(&copy) => copy,
                    None if is_here => arg,
                    None => {
                        let outer = self.bind_hidden(frame, arg);
                        let node = self.node_of(outer, span)?;
                        copies.insert((frame, arg), node);
                        node
                    }
                });
            }
            let node = match &own {
                Some(own) => visit::copy_node(own, id, self.graph(), &copied),
                None => {
                    let frames = self.frames.get_disjoint_mut([frame, self.current]);
                    let [from, to] = frames.expect("invariant: both frames are open");
                    visit::copy_node(&from.graph, id, &mut to.graph, &copied)
                }
            };
            copies.insert((frame, id), node);
        }
        copies.get(&(frame, root)).copied()
    }

    /// A declared value that depends on the targets, in the current frame.
    fn value_anew(
        &mut self,
        id: BindingId,
        targets: &[BindingId],
        span: Span,
        copies: &mut Copies,
    ) -> Option<NodeId> {
        if targets.contains(&id) {
            return self.node_of(id, span);
        }
        let binding = &self.bindings[id.0 as usize];
        let Bound::Node(node, _) = &binding.value else { return None };
        let (node, frame) = (*node, binding.frame);
        match copies.get(&(frame, node)) {
            Some(&copy) => Some(copy),
            None => self.made_anew(frame, node, targets, span, copies),
        }
    }

    /// The target whose value is this node of `frame`.
    fn target_at(&self, frame: usize, node: NodeId, targets: &[BindingId]) -> Option<BindingId> {
        targets.iter().copied().find(|target| {
            let binding = &self.bindings[target.0 as usize];
            binding.frame == frame && matches!(binding.value, Bound::Node(n, _) if n == node)
        })
    }

    /// What an input of a frame stands for, if it is captured from around it.
    fn source_at(&self, frame: usize, input: NodeId) -> Option<Source> {
        let frame = &self.frames[frame];
        if frame.kind == FrameKind::File {
            return None;
        }
        let number = frame.graph.number(input).checked_sub(frame.n_fixed)?;
        Some(frame.captures.get(number)?.source.clone())
    }

    /// The outer values that a node of a frame needs.
    fn captured_by(&self, frame: usize, node: NodeId) -> Vec<BindingId> {
        let graph = &self.frames[frame].graph;
        let inputs = visit::reachable(graph, &[node]).into_iter();
        let inputs = inputs.filter(|&id| graph.op(id) == Op::Input);
        let ids = inputs.filter_map(|id| match self.source_at(frame, id)? {
            Source::Whole(id) | Source::Slice(id, _) => Some(id),
            Source::Counter { .. } => None,
        });
        ids.collect()
    }

    /// Whether an outer value is computed from another one.
    fn depends_on(&self, id: BindingId, target: BindingId) -> bool {
        let (value, by) = (&self.bindings[id.0 as usize], &self.bindings[target.0 as usize]);
        let (Bound::Node(node, _), Bound::Node(by_node, _)) = (&value.value, &by.value) else {
            return false;
        };
        if value.frame < by.frame {
            return false;
        }
        if value.frame == by.frame {
            let graph = &self.frames[value.frame].graph;
            return visit::reachable(graph, &[*node]).contains(by_node);
        }
        let captured = self.captured_by(value.frame, *node);
        captured.iter().any(|&c| c == target || self.depends_on(c, target))
    }
}
