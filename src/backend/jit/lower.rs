//! Elementwise operations as Cranelift instructions or calls, as the table of operations says.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::types::{F64, I64};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value};

use super::translate::{Made, Translator};
use super::vector;
use crate::kernel::ir::Val;
use crate::ops::scalar::{Comparison, Eval, Inst, Jit, ScalarOp};

impl Translator<'_> {
    /// Computes an operation.
    pub(super) fn apply(&mut self, op: ScalarOp, args: [Val; 3]) -> Made {
        match op.row().jit {
            Jit::Inst(inst) if inst != Inst::Fma || has_fma() => self.apply_inst(inst, args),
            _ => {
                let address = match op.row().eval {
                    _ if let Some(wide) = op.row().wide.filter(|_| vector::is_supported()) => {
                        wide.on_one.address()
                    }
                    Eval::F1(f) => f as *const () as usize,
                    Eval::F2(f) => f as *const () as usize,
                    Eval::F3(f) => f as *const () as usize,
                };
                let numbers: Vec<_> =
                    args[..op.arity()].iter().map(|&val| (F64, self.number(val))).collect();
                let result = self.call_helper(address, &numbers, Some(F64));
                Made::Number(result.unwrap_or(numbers[0].1))
            }
        }
    }

    fn apply_inst(&mut self, inst: Inst, [a, b, c]: [Val; 3]) -> Made {
        match inst {
            Inst::And | Inst::Or => {
                let (a, b) = (self.truth(a), self.truth(b));
                Made::Truth(match inst {
                    Inst::And => self.cur.ins().band(a, b),
                    _ => self.cur.ins().bor(a, b),
                })
            }
            Inst::Not => {
                let a = self.truth(a);
                Made::Truth(self.cur.ins().bxor_imm_s(a, 1))
            }
            Inst::Select => {
                let (condition, b, c) = (self.truth(a), self.number(b), self.number(c));
                Made::Number(self.cur.ins().select(condition, b, c))
            }
            Inst::Compare(comparison) => {
                let (a, b) = (self.number(a), self.number(b));
                Made::Truth(self.cur.ins().fcmp(condition(comparison), a, b))
            }
            Inst::Step => {
                let (a, zero) = (self.number(a), self.constant(0.0));
                Made::Truth(self.cur.ins().fcmp(FloatCC::GreaterThanOrEqual, a, zero))
            }
            Inst::Sign => {
                let a = self.number(a);
                let [zero, one, minus_one] = [0.0, 1.0, -1.0].map(|value| self.constant(value));
                let above = self.cur.ins().fcmp(FloatCC::GreaterThan, a, zero);
                let below = self.cur.ins().fcmp(FloatCC::LessThan, a, zero);
                let sign = self.cur.ins().select(above, one, a);
                Made::Number(self.cur.ins().select(below, minus_one, sign))
            }
            Inst::Fma => {
                let (a, b, c) = (self.number(a), self.number(b), self.number(c));
                Made::Number(self.cur.ins().fma(a, b, c))
            }
            Inst::Identity => Made::Number(self.number(a)),
            Inst::Neg | Inst::Abs | Inst::Sqrt | Inst::Floor | Inst::Ceil => {
                let a = self.number(a);
                let ins = self.cur.ins();
                Made::Number(match inst {
                    Inst::Neg => ins.fneg(a),
                    Inst::Abs => ins.fabs(a),
                    Inst::Sqrt => ins.sqrt(a),
                    Inst::Floor => ins.floor(a),
                    _ => ins.ceil(a),
                })
            }
            Inst::Add
            | Inst::Sub
            | Inst::Mul
            | Inst::Div
            | Inst::Min
            | Inst::Max
            | Inst::Copysign => {
                let (a, b) = (self.number(a), self.number(b));
                let ins = self.cur.ins();
                Made::Number(match inst {
                    Inst::Add => ins.fadd(a, b),
                    Inst::Sub => ins.fsub(a, b),
                    Inst::Mul => ins.fmul(a, b),
                    Inst::Div => ins.fdiv(a, b),
                    Inst::Min => ins.fmin(a, b),
                    Inst::Max => ins.fmax(a, b),
                    _ => ins.fcopysign(a, b),
                })
            }
        }
    }

    /// 1 or 0, without a branch: the bits of 1 masked.
    pub(super) fn truth_to_number(&mut self, truth: Value) -> Value {
        let wide = self.cur.ins().uextend(I64, truth);
        let mask = self.cur.ins().ineg(wide);
        let one = self.cur.ins().iconst(I64, 1f64.to_bits() as i64);
        let bits = self.cur.ins().band(mask, one);
        self.cur.ins().bitcast(F64, MemFlagsData::new(), bits)
    }
}

/// Whether the machine has an instruction for [`Inst::Fma`].
pub(super) fn has_fma() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("fma")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        true
    }
}

fn condition(comparison: Comparison) -> FloatCC {
    match comparison {
        Comparison::Less => FloatCC::LessThan,
        Comparison::LessEqual => FloatCC::LessThanOrEqual,
        Comparison::Greater => FloatCC::GreaterThan,
        Comparison::GreaterEqual => FloatCC::GreaterThanOrEqual,
        Comparison::Equal => FloatCC::Equal,
        Comparison::NotEqual => FloatCC::NotEqual,
    }
}
