//! `nablac rules`: the rewrite rules of simplification, and the check of a user's own.

use std::fmt::Write as _;
use std::io::Write;

use super::{Failure, files, put};
use crate::simplify::rules::{Class, Place, RuleSet, UserRules, built_in, built_in_sources};
use crate::syntax::{FileId, SourceMap, Span};

/// List the rewrite rules of simplification, or check a file of your own
///
/// A file of rules has one rule a line; `#` starts a comment:
///
///   NAME CLASS LEFT => RIGHT [when COND and COND ...]
///
///   sin-double  real  2 * sin(x) * cos(x) => sin(2 * x)
///   log-split   real  log(x * y) => log(x) + log(y)  when x > 0 and y > 0
///   small-angle approx(1e-6)  sin(x) => x  when x in [-1e-3, 1e-3]
///
/// LEFT and RIGHT are formulas of the language on scalars. A variable stands for any expression,
/// and all variables occur on the left. A sum or product on the left has two operands, in either
/// order; the outermost one matches any two operands of a longer one.
///
/// CLASS is what the rule promises, and what it is tested by:
///
///   exact        the same bits for every f64, infinities, NaN and -0 included
///   finite       the same for finite operands, up to the sign of zero
///   real         equal in real arithmetic wherever the left side is defined
///   approx(TOL)  equal within the relative tolerance TOL
///
/// `--math strict` applies exact rules, `real` finite and real ones too, `fast` all.
///
/// COND is what must be known of the operands from declared ranges (`input x in 0..1`) and from
/// the operations; a rule is not applied where it is unknown: `x > 0`, `x >= 0`, `x < 0`,
/// `x <= 0`, `x != 0`, `x in [LO, HI]`, `x < y`, `x <= y`, `integer(x)`, `constant(x)`,
/// `power_of_two(x)`.
///
/// Names that begin with a capital letter stand for matrices, the others in such a rule for numbers:
///
///   gram-trace  real  trace(A' * A) => sum(A .* A)
///
/// Their operations are `+ - * .* '`, division by a number, trace, sum, sum_rows, sum_cols, kron,
/// diag (of a column), vec, and unvec(X, A, B), the column X as a matrix with as many rows as A and
/// as many columns as B has columns; their conditions `symmetric(A)`, `square(A)`, `column(A)`,
/// `fits(A, B)` (A * B is defined) and `same_shape(A, B)`. They are tested at all small sizes.
///
/// A rule is taken where the cost falls: additions, products and comparisons 1, divisions and
/// roots 4, functions 20 and more. `nablac show cost` tells what a function costs.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Test every rule of a file by what its class promises
    ///
    /// A rule that breaks its promise is shown with a point at which it does and the values of
    /// both sides there; the exit code is 1. A line `!NAME LEFT => RIGHT at x = 1, y = 2` keeps a
    /// rule that looks right and is wrong: the test is that it fails there. Files that hold are
    /// for `--rules`, as in `nablac eval f.nab --rules my.rules x=2`.
    Check {
        /// Rules, or `-` for standard input
        file: String,
    },
    /// List the built-in rules by family, with their number in each class
    List {
        /// Only rules with this text in their line, such as `sqrt`
        text: Option<String>,
    },
}

pub fn run(args: &Args, out: &mut impl Write) -> Result<(), Failure> {
    match &args.command {
        Command::Check { file } => {
            let rules = read(file)?;
            put(out, &format!("{}\n", summary(rules.rules())))
        }
        Command::List { text } => put(out, &list(text.as_deref())?),
    }
}

/// The rules of a file, each of which holds.
pub fn read(file: &str) -> Result<UserRules, Failure> {
    let (name, text) = files::read(file)?;
    UserRules::parse(&name, &text).map_err(|e| Failure::diagnostics(&e.diagnostics, &e.sources))
}

fn summary(rules: &RuleSet) -> String {
    let all: Vec<Class> = rules.places().map(|(_, class)| class).collect();
    let mut text = match all.len() {
        0 => "no rules".to_owned(),
        1 => format!("1 rule holds ({})", classes(&all)),
        n => format!("{n} rules hold ({})", classes(&all)),
    };
    match rules.n_refuted() {
        0 => {}
        1 => text.push_str("; 1 wrong one fails at its point"),
        n => {
            let _ = write!(text, "; {n} wrong ones fail at their points");
        }
    }
    text
}

/// `exact 2, real 3`
fn classes(rules: &[Class]) -> String {
    let count = |is: fn(Class) -> bool| rules.iter().filter(|&&class| is(class)).count();
    let counts = [
        ("exact", count(|c| c == Class::Exact)),
        ("finite", count(|c| c == Class::Finite)),
        ("real", count(|c| c == Class::Real)),
        ("approx", count(|c| matches!(c, Class::Approx(_)))),
    ];
    let counts = counts.iter().filter(|(_, n)| *n > 0);
    let parts: Vec<String> = counts.map(|(class, n)| format!("{class} {n}")).collect();
    parts.join(", ")
}

fn list(text: Option<&str>) -> Result<String, Failure> {
    let sources = built_in_sources();
    let wanted =
        |(place, _): &(Place, Class)| text.is_none_or(|text| line(&sources, place).contains(text));
    let rules: Vec<(Place, Class)> = built_in().places().filter(wanted).collect();
    if let (true, Some(text)) = (rules.is_empty(), text) {
        return Err(Failure::plain(&format!("no rule contains `{text}`")));
    }
    let all = |rules: &[(Place, Class)]| -> Vec<Class> { rules.iter().map(|r| r.1).collect() };
    let mut shown = String::new();
    let file_of = |rule: &(Place, Class)| rule.0.name.file;
    for family in rules.chunk_by(|a, b| file_of(a) == file_of(b)) {
        let name = sources.name(file_of(&family[0])).trim_end_matches(".rules");
        let _ = writeln!(shown, "{name}: {} ({})", family.len(), classes(&all(family)));
        for (place, _) in family {
            let _ = writeln!(shown, "  {}", line(&sources, place));
        }
        shown.push('\n');
    }
    let _ = writeln!(shown, "all: {} ({})", rules.len(), classes(&all(&rules)));
    Ok(shown)
}

/// A rule as it is written.
fn line<'s>(sources: &'s SourceMap, place: &Place) -> &'s str {
    let Span { file, start, .. } = place.name;
    let rest = end_of(sources, file).map_or("", |end| sources.slice(Span { file, start, end }));
    rest.lines().next().unwrap_or("").split('#').next().unwrap_or("").trim_end()
}

fn end_of(sources: &SourceMap, file: FileId) -> Option<u32> {
    u32::try_from(sources.text(file).len()).ok()
}
