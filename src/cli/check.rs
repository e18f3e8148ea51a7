//! `nablac check`: the signature of a function, or what is wrong with it.

use std::io::Write;
use std::sync::Arc;

use super::open::ModelArgs;
use super::{Failure, print, put};
use crate::function::Function;
use crate::problem::Problem;
use crate::sparsity::Pattern;

/// Show the signature with shapes and patterns, or the mistakes
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
}

pub fn run(args: &Args, out: &mut impl Write) -> Result<(), Failure> {
    let opened = args.model.open()?;
    let mut text = signature(&opened.function, opened.problem.as_ref());
    if let Some(problem) = &opened.problem {
        text.push_str(&format!("  {}\n", problem.summary()));
    }
    for dim in &opened.inferred {
        text.push_str(&format!("  dim {} = {}, {}\n", dim.name, dim.value, dim.from));
    }
    put(out, &text)
}

/// A line for each input and output.
fn signature(function: &Function, problem: Option<&Problem>) -> String {
    let mut rows: Vec<[String; 4]> = Vec::new();
    for input in function.inputs() {
        let mut notes = Vec::new();
        if input.symmetric {
            notes.push("symmetric".to_owned());
        }
        if let Some((lo, hi)) = input.range {
            notes.push(format!("in {}..{}", print::number(lo), print::number(hi)));
        }
        if let Some(default) = &input.default {
            notes.push(default_text(&input.pattern, default));
        }
        notes.extend(unit(&input.unit));
        let kind = match input.is_param {
            true => "param",
            false if problem.is_some_and(|p| p.has_variable(&input.name)) => "var",
            false => "input",
        };
        rows.push([
            kind.into(),
            input.name.to_string(),
            print::pattern(&input.pattern),
            notes.join(", "),
        ]);
    }
    for output in function.outputs() {
        let note = unit(&output.unit).unwrap_or_default();
        rows.push([
            "output".into(),
            output.name.to_string(),
            print::pattern(&output.pattern),
            note,
        ]);
    }
    let width = |k: usize| rows.iter().map(|row| row[k].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let mut text = format!("function {}\n", function.name());
    for [kind, name, shape, note] in &rows {
        let line = format!(
            "  {kind:<a$}  {name:<b$}  {shape:<c$}  {note}",
            a = widths[0],
            b = widths[1],
            c = widths[2]
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn default_text(pattern: &Pattern, default: &[f64]) -> String {
    match default {
        [value] if pattern.is_scalar() => format!("= {}", print::number(*value)),
        [] => "= 0".to_owned(),
        _ => "has a default".to_owned(),
    }
}

fn unit(units: &[Arc<str>]) -> Option<String> {
    (!units.is_empty()).then(|| format!("[{}]", units.join(", ")))
}
