//! Which operation loses the digits that a value has lost, and how it reads.

use std::rc::Rc;
use std::sync::Arc;

use super::Twin;
use crate::kernel::ir::{Base, Inst, Kernel, Val};
use crate::ops::scalar::{ScalarOp, Syntax, precedence};

/// Fewer digits than these come from rounding anywhere.
const FEW: f64 = 0.5;
/// Operations of operands that a formula shows.
const DEPTH: usize = 4;

/// An operation that loses digits: its result has fewer than its operands.
#[derive(Debug)]
pub struct Step {
    pub(super) kernel: Arc<Kernel>,
    pub(super) pc: usize,
    /// Decimal digits that it loses.
    pub digits: f64,
    /// Its operands and its result as engines compute them.
    pub args: Vec<f64>,
    pub found: f64,
    /// The exact result, rounded.
    pub exact: f64,
}

/// The operation behind most of the digits that a result has lost: this one, or what the worst
/// operand blames.
pub(super) fn blamed(
    lost: f64,
    args: &[&Twin],
    step: impl FnOnce(f64) -> Rc<Step>,
) -> Option<(f64, Rc<Step>)> {
    if lost < FEW {
        return None;
    }
    let worst = args.iter().max_by(|a, b| a.lost.total_cmp(&b.lost))?;
    let own = lost - worst.lost;
    match &worst.blame {
        // What an operand has lost and the result has not does not matter any more.
        Some((digits, earlier)) if digits.min(lost) >= own => {
            Some((digits.min(lost), earlier.clone()))
        }
        _ if own >= FEW => Some((own, step(own))),
        _ => None,
    }
}

impl Step {
    /// The operation as a formula of the language; `..` for what lies too deep.
    pub fn formula(&self) -> String {
        let (op, args) = match self.kernel.insts[self.pc] {
            Inst::Apply { op, args, .. } => (op, args),
            Inst::Accumulate { src, .. } => return format!(".. + {}", self.value(src, 0, DEPTH)),
            _ => return "..".to_owned(),
        };
        self.apply(op, &args, 0, DEPTH)
    }

    /// The function that it belongs to.
    pub fn function(&self) -> &str {
        &self.kernel.name
    }

    fn apply(&self, op: ScalarOp, args: &[Val; 3], outer: u8, depth: usize) -> String {
        let Some(depth) = depth.checked_sub(1) else { return "..".to_owned() };
        let bracketed =
            |text: String, own: u8| if own < outer { format!("({text})") } else { text };
        match op.row().syntax {
            Syntax::Infix { symbol, precedence: own, right_associative, .. } => {
                let [left, right] = if right_associative { [own + 1, own] } else { [own, own + 1] };
                let (a, b) = (self.value(args[0], left, depth), self.value(args[1], right, depth));
                bracketed(format!("{a} {symbol} {b}"), own)
            }
            Syntax::Prefix { symbol, precedence: own } => {
                bracketed(format!("{symbol}{}", self.value(args[0], own, depth)), own)
            }
            Syntax::Call => {
                let args = args[..op.arity()].iter().map(|&a| self.value(a, 0, depth));
                format!("{}({})", op.name(), args.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// What a value is, as it stands in an operation that binds as strongly as `outer`.
    fn value(&self, value: Val, outer: u8, depth: usize) -> String {
        let made = self.kernel.insts[..self.pc].iter().rev().find(|inst| match **inst {
            Inst::Const { dst, .. }
            | Inst::Load { dst, .. }
            | Inst::Apply { dst, .. }
            | Inst::Counter { dst, .. } => dst == value,
            _ => false,
        });
        match made {
            Some(Inst::Const { value, .. }) if *value < 0.0 && outer > precedence::SUM => {
                format!("({value})")
            }
            Some(Inst::Const { value, .. }) => format!("{value}"),
            Some(Inst::Load { addr, .. }) => self.place(*addr),
            Some(Inst::Apply { op, args, .. }) => self.apply(*op, args, outer, depth),
            _ => "..".to_owned(),
        }
    }

    /// An argument by its name, with the number of the nonzero if there are more.
    fn place(&self, addr: u32) -> String {
        let addr = &self.kernel.addrs[addr as usize];
        let Base::Arg(k) = addr.base else { return "..".to_owned() };
        let port = &self.kernel.args[k as usize];
        let fixed = addr.index.terms.is_empty() && addr.tables.is_empty();
        match (port.nnz, fixed) {
            (1, _) => port.name.clone(),
            (_, true) => format!("{}[{}]", port.name, addr.index.offset),
            _ => format!("{}[..]", port.name),
        }
    }
}
