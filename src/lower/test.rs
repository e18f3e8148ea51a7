//! `test` blocks: values of inputs and expectations.

use super::misfit::shape_text;
use super::{Expectation, Lowerer, OutputInfo, TestProgram};
use crate::data::fitted;
use crate::syntax::ast::{ExprId, Name, StatementKind, Test, TestItem};
use crate::syntax::{Code, Diagnostic, Span, did_you_mean};

/// The tolerance when none is given.
const TOLERANCE: f64 = 1e-9;

impl Lowerer<'_> {
    /// Makes test number `number` of the root file the program: its expectations are the outputs.
    pub fn test(&mut self, number: usize) -> Option<TestProgram> {
        let ast = self.asts[0];
        self.frames[0].ast = ast;
        self.frames[0].module = 0;
        let mut tests = ast.statements.iter().filter_map(|s| match &s.kind {
            StatementKind::Test(test) => Some((test, s.span)),
            _ => None,
        });
        let (test, span) = tests.nth(number)?;
        self.outputs.clear();
        let mut program = TestProgram { name: test.name.text.clone(), ..TestProgram::default() };
        for item in &test.items {
            match item {
                TestItem::Dim(items) => {
                    for item in items {
                        if !self.modules[0].dims.contains_key(&item.name.text) {
                            self.report_unknown_input(&item.name, "dim");
                        }
                    }
                }
                TestItem::Assign { name, value } => self.assign(name, *value, &mut program),
                TestItem::Expect { left, right, tolerance, span } => {
                    self.expect(*left, *right, *tolerance, *span, &mut program);
                }
            }
        }
        self.check_given(test, span, &program);
        Some(program)
    }

    fn assign(&mut self, name: &Name, value: ExprId, program: &mut TestProgram) {
        let Some(number) = self.inputs.iter().position(|input| input.name == name.text) else {
            let is_declared = self.modules[0].declared.contains_key(&name.text);
            let failed = is_declared
                && self.find(&name.text).is_some_and(|id| {
                    matches!(self.bindings[id.0 as usize].value, super::Bound::Error)
                });
            if !failed {
                self.report_unknown_input(name, "input");
            }
            return;
        };
        if program.values.iter().any(|(k, _)| *k == number) {
            let message = format!("`{}` is given twice", name.text);
            self.report(Diagnostic::new(Code::DefinedTwice, name.span, message));
            return;
        }
        let info = self.inputs[number].clone();
        let Some((pattern, values)) = self.constant(value) else { return };
        let span = self.frame().ast.span(value);
        if pattern.shape() != info.pattern.shape() {
            self.report(
                Diagnostic::new(
                    Code::ShapesDeclared,
                    span,
                    format!("the value of `{}` has another shape", name.text),
                )
                .label(format!(
                    "{}, expected {}",
                    shape_text(pattern.shape()),
                    shape_text(info.pattern.shape())
                ))
                .secondary(info.span, "declared here"),
            );
            return;
        }
        match fitted(&pattern, &values, &info.pattern) {
            Ok(values) => program.values.push((number, values)),
            Err((row, col)) => self.report(
                Diagnostic::new(
                    Code::OutsidePattern,
                    span,
                    format!("the value of `{}` lies outside its declared pattern", name.text),
                )
                .label(format!("entry [{row}, {col}] is not zero"))
                .secondary(info.span, "declared here"),
            ),
        }
    }

    fn report_unknown_input(&mut self, name: &Name, what: &str) {
        let known: Vec<&str> = if what == "dim" {
            self.modules[0].dims.keys().map(|k| &**k).collect()
        } else {
            self.inputs.iter().map(|input| &*input.name).collect()
        };
        let suggestion = did_you_mean(&name.text, known).map(str::to_string);
        let mut diagnostic = Diagnostic::new(
            Code::TestUnknownInput,
            name.span,
            format!("there is no {what} `{}`", name.text),
        );
        if let Some(suggestion) = suggestion {
            diagnostic = diagnostic.label(format!("did you mean `{suggestion}`?"));
        }
        self.report(diagnostic);
    }

    fn expect(
        &mut self,
        left: ExprId,
        right: ExprId,
        tolerance: Option<ExprId>,
        span: Span,
        program: &mut TestProgram,
    ) {
        let ast = self.frame().ast;
        let (a, b) = (self.expr_node(left), self.expr_node(right));
        let tolerance = match tolerance {
            Some(expr) => self.constant_number(expr),
            None => Some(TOLERANCE),
        };
        let (Some(a), Some(b), Some(tolerance)) = (a, b, tolerance) else { return };
        let (shape_a, shape_b) = (self.graph().shape(a), self.graph().shape(b));
        if shape_a != shape_b && shape_b != (1, 1) {
            self.report(
                Diagnostic::new(Code::ShapesElementwise, span, "shapes do not fit in `~`")
                    .label(format!("{} and {}", shape_text(shape_a), shape_text(shape_b)))
                    .secondary(ast.span(left), shape_text(shape_a))
                    .secondary(ast.span(right), shape_text(shape_b)),
            );
            return;
        }
        let number = self.outputs.len();
        for (name, node) in [("left", a), ("right", b)] {
            let name = format!("{name}_{}", program.expectations.len()).into();
            self.outputs.push((OutputInfo { name, unit: Vec::new() }, node));
        }
        program.expectations.push(Expectation { span, left: number, right: number + 1, tolerance });
    }

    /// Every input without a default has to have a value.
    fn check_given(&mut self, test: &Test, span: Span, program: &TestProgram) {
        let assigned: Vec<&str> = test
            .items
            .iter()
            .filter_map(|item| match item {
                TestItem::Assign { name, .. } => Some(&*name.text),
                _ => None,
            })
            .collect();
        let missing: Vec<String> = self
            .inputs
            .iter()
            .enumerate()
            .filter(|(k, input)| {
                input.default.is_none()
                    && !program.values.iter().any(|(number, _)| number == k)
                    && !assigned.contains(&&*input.name)
            })
            .map(|(_, input)| format!("`{}`", input.name))
            .collect();
        if missing.is_empty() {
            return;
        }
        let place = if test.name.span == Span::default() { span } else { test.name.span };
        self.report(
            Diagnostic::new(
                Code::TestMissingInput,
                place,
                format!("this test gives no value to {}", missing.join(", ")),
            )
            .help(format!("add a line such as `{} = 0`", missing[0].trim_matches('`'))),
        );
    }
}
