//! `if`: two functions with the same inputs and outputs, of which one runs.

use super::facts::Condition;
use super::frame::{Frame, FrameKind};
use super::misfit::shape_text;
use super::{Lowerer, Value, derivative};
use crate::graph::{Func, NodeId, Port};
use crate::syntax::ast::{Arm, ExprId};
use crate::syntax::{Code, Diagnostic, Span};

/// The longest chain of `else if`.
const MAX_ARMS: usize = 150;

impl<'a> Lowerer<'a> {
    /// `if c then a else if d then b else otherwise`
    pub fn conditional(&mut self, arms: &[Arm], otherwise: ExprId, span: Span) -> Value {
        if arms.len() > MAX_ARMS {
            self.report(
                Diagnostic::new(Code::TooLarge, span, "this chain of `else if` is too long")
                    .label(format!("{} conditions; the limit is {MAX_ARMS}", arms.len())),
            );
            return Value::Error;
        }
        if !self.may_nest(arms.len(), span) {
            return Value::Error;
        }
        self.choose(arms, otherwise).map_or(Value::Error, Value::Node)
    }

    fn choose(&mut self, arms: &[Arm], otherwise: ExprId) -> Option<NodeId> {
        let Some((arm, rest)) = arms.split_first() else { return self.expr_node(otherwise) };
        let integers = self.condition(arm.condition);
        if let Some(integers) = &integers
            && let Some(holds) = self.known_truth(integers)
        {
            return self.known_branch(arm, rest, otherwise, integers, holds);
        }
        let condition = self.expr_node(arm.condition);
        let is_scalar = condition.is_none_or(|node| self.graph().shape(node) == (1, 1));
        if let Some(node) = condition.filter(|_| !is_scalar) {
            self.report_not_scalar("the condition of `if`", arm.condition, node);
        }

        let n_facts = self.facts.len();
        self.open_branch(&[arm.value]);
        integers.iter().for_each(|integers| self.assume_condition(integers, true));
        let then = self.expr_node(arm.value);
        self.forget(n_facts);
        let then_frame = self.pop_frame();
        let others: Vec<ExprId> =
            rest.iter().flat_map(|arm| [arm.condition, arm.value]).chain([otherwise]).collect();
        self.open_branch(&others);
        self.frame().share_captures(&then_frame.captures);
        integers.iter().for_each(|integers| self.assume_condition(integers, false));
        let other = self.choose(rest, otherwise);
        self.forget(n_facts);
        let other_frame = self.pop_frame();
        let (then, other) = (then?, other?);
        let condition = condition.filter(|_| is_scalar)?;

        let (a, b) = (then_frame.graph.shape(then), other_frame.graph.shape(other));
        if a != b {
            self.report_branch_shapes(arm, rest, otherwise, a, b);
            return None;
        }
        let pattern = then_frame.graph.pattern(then).union(other_frame.graph.pattern(other));
        let captures = other_frame.captures.clone();
        let mut ports = Vec::with_capacity(captures.len());
        let mut args = Vec::with_capacity(captures.len());
        for capture in &captures {
            ports.push(Port::new(self.capture_name(capture), capture.pattern.clone()));
            args.push(self.source_value(capture)?);
        }
        let freeze = |name: &str, mut frame: Frame<'a>, node: NodeId| {
            let node = frame.graph.project(node, &pattern);
            Func::freeze(name, &frame.graph, ports.clone(), vec![("y".into(), node)])
        };
        let then = freeze("then", then_frame, then);
        let other = freeze("else", other_frame, other);
        self.graph().cond(condition, &then, &other, &args).first().copied()
    }

    /// An `if` whose condition is known at compile time. The branch that is not taken is looked at
    /// for mistakes, and dropped.
    fn known_branch(
        &mut self,
        arm: &Arm,
        rest: &[Arm],
        otherwise: ExprId,
        condition: &Condition,
        holds: bool,
    ) -> Option<NodeId> {
        let taken = if holds { self.expr_node(arm.value) } else { self.choose(rest, otherwise) };
        let n_facts = self.facts.len();
        self.open_branch(&[]);
        self.assume_condition(condition, !holds);
        let other = if holds { self.choose(rest, otherwise) } else { self.expr_node(arm.value) };
        self.forget(n_facts);
        let frame = self.pop_frame();
        let (taken, other) = (taken?, other?);
        let (a, b) = (self.graph().shape(taken), frame.graph.shape(other));
        if a != b {
            let (a, b) = if holds { (a, b) } else { (b, a) };
            self.report_branch_shapes(arm, rest, otherwise, a, b);
            return None;
        }
        Some(taken)
    }

    fn report_branch_shapes(
        &mut self,
        arm: &Arm,
        rest: &[Arm],
        otherwise: ExprId,
        a: (usize, usize),
        b: (usize, usize),
    ) {
        let ast = self.frame().ast;
        let other_span = rest.first().map_or(ast.span(otherwise), |next| ast.span(next.value));
        self.report(
            Diagnostic::new(
                Code::BranchShapes,
                other_span,
                "the branches of an `if` have the same shape",
            )
            .label(shape_text(b))
            .secondary(ast.span(arm.value), shape_text(a)),
        );
    }

    fn open_branch(&mut self, bodies: &[ExprId]) {
        self.push_frame(FrameKind::Branch);
        if self.targets.is_empty() {
            return;
        }
        let ast = self.frame().ast;
        for &body in bodies {
            derivative::collect_targets_in(ast, body, &mut self.frame().whole);
        }
    }
}
