//! A function as formulas in LaTeX: one aligned block a function, called ones first. Elementwise
//! operations are written as their rows of the table say; indices count from 0.

mod loops;

use std::fmt::Write;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::rearrange::{Cell, Rearrangement, blocks_of, entry, gathered, scattered};
use crate::function::Function;
use crate::graph::{Constant, Func, Graph, NodeId, Op, Payload, Port, Reduction, visit};
use crate::ops::scalar::{ScalarOp, Syntax, precedence};
use crate::sparsity::Pattern;

/// Longer formulas get a name, in bytes.
const LONGEST: usize = 240;

/// Constant matrices with more entries are shown by their shape only.
const MOST_ENTRIES: usize = 36;

/// The formulas of a function; they need the package `amsmath`.
///
/// ```
/// let f = nablac::model::Model::parse("f.nab", "input x\noutput y = sqrt(x) / 2").function()?;
/// assert!(nablac::print::latex(&f).contains(r"\sqrt"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn latex(function: &Function) -> String {
    let mut text = String::new();
    let order = visit::callees_first(function.func());
    let names = operator_names(&order);
    for (k, func) in order.iter().enumerate() {
        let is_main = k + 1 == order.len();
        let _ = writeln!(text, "% {}", func.name);
        match func.graph() {
            Some((graph, outputs)) => {
                let formulas = Formulas::new(func, &names, graph, outputs);
                let lines = formulas.lines(outputs, is_main);
                let _ =
                    writeln!(text, "\\begin{{align*}}\n{}\n\\end{{align*}}", lines.join(" \\\\\n"));
            }
            None => text.push_str("% given from outside\n"),
        }
    }
    text
}

/// A name as mathematics: Greek letters, a subscript after `_` or of digits at the end.
fn math_name(name: &str) -> String {
    const GREEK: [&str; 24] = [
        "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa",
        "lambda", "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega",
        "Gamma", "Omega",
    ];
    let word = |part: &str| match part.chars().count() {
        1 => part.to_owned(),
        _ if GREEK.contains(&part) => format!("\\{part}"),
        _ if part.bytes().all(|b| b.is_ascii_digit()) => part.to_owned(),
        _ => format!("\\mathrm{{{}}}", part.replace('_', "\\_")),
    };
    let digits = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let (stem, rest) = match name.split_once('_') {
        Some((stem, rest)) if !stem.is_empty() && !rest.is_empty() => (stem, rest),
        _ if !digits.is_empty() && digits.len() < name.len() => name.split_at(digits.len()),
        _ => return word(name),
    };
    format!("{}_{{{}}}", word(stem), word(rest))
}

/// Names of the inputs, told apart by primes where they are the same.
fn input_names(func: &Func) -> Vec<String> {
    let mut seen: FxHashMap<String, usize> = FxHashMap::default();
    let primed = |port: &Port| {
        let name = math_name(&port.name);
        let n = seen.entry(name.clone()).or_default();
        *n += 1;
        if *n == 1 { name } else { format!("{name}^{{{}}}", "\\prime".repeat(*n - 1)) }
    };
    func.inputs.iter().map(primed).collect()
}

/// Operators for all functions; of the same names the later ones get a number.
fn operator_names(order: &[Arc<Func>]) -> FxHashMap<Arc<Func>, String> {
    let mut seen: FxHashMap<&str, usize> = FxHashMap::default();
    let named = |func: &'_ Arc<Func>, n: usize| match n {
        1 => operator_name(&func.name),
        n => operator_name(&format!("{}_{n}", func.name)),
    };
    let mut names = FxHashMap::default();
    for func in order {
        let n = seen.entry(&func.name).or_default();
        *n += 1;
        names.insert(func.clone(), named(func, *n));
    }
    names
}

fn operator_name(name: &str) -> String {
    format!("\\operatorname{{{}}}", name.replace('_', "\\_"))
}

/// A formula and how tightly its outermost operation binds.
#[derive(Clone)]
struct Formula {
    text: String,
    precedence: u8,
}

impl Formula {
    fn atom(text: impl Into<String>) -> Formula {
        Formula { text: text.into(), precedence: precedence::ATOM }
    }

    fn at_least(&self, precedence: u8) -> String {
        if self.precedence >= precedence {
            self.text.clone()
        } else {
            format!("\\left({}\\right)", self.text)
        }
    }
}

fn number(v: f64) -> Formula {
    let text = match v {
        _ if v.is_nan() => "\\mathrm{NaN}".to_owned(),
        f64::INFINITY => "\\infty".to_owned(),
        f64::NEG_INFINITY => "-\\infty".to_owned(),
        _ => {
            let text = format!("{v:?}");
            match text.split_once('e') {
                Some((digits, exponent)) => {
                    let digits = digits.trim_end_matches(".0");
                    format!("{digits} \\cdot 10^{{{exponent}}}")
                }
                None => text.trim_end_matches(".0").to_owned(),
            }
        }
    };
    let precedence = match text.as_bytes() {
        [b'-', ..] => precedence::NEGATION,
        _ if text.contains("cdot") => precedence::PRODUCT,
        _ => precedence::ATOM,
    };
    Formula { text, precedence }
}

fn matrix<T>(rows: impl Iterator<Item = T>, row: impl Fn(T) -> String) -> Formula {
    let rows: Vec<String> = rows.map(row).collect();
    Formula::atom(format!("\\begin{{bmatrix}} {} \\end{{bmatrix}}", rows.join(" \\\\ ")))
}

/// The template of a row with the operands put in, parenthesised where they stand free.
fn fill(op: ScalarOp, operands: &[Formula]) -> Formula {
    let row = op.row();
    let own = match row.syntax {
        Syntax::Infix { precedence, .. } | Syntax::Prefix { precedence, .. } => precedence,
        Syntax::Call => precedence::PRODUCT,
    };
    let (mut text, mut rest, mut depth) = (String::new(), row.latex, 0usize);
    let mut is_free = false;
    while let Some(c) = rest.chars().next() {
        let hole = ["{a}", "{b}", "{c}"].iter().position(|hole| rest.starts_with(hole));
        if let Some(k) = hole {
            rest = &rest[3..];
            // The braces before an exponent do not show.
            let is_base = rest.starts_with("}^");
            let least = match (depth, is_base) {
                (_, true) => precedence::ATOM,
                (0, _) if k > 0 && !row.commutative => own + 1,
                (0, _) => own,
                _ => 0,
            };
            is_free |= depth == 0 || is_base;
            let operand = operands.get(k).map_or_else(String::new, |f| match f.text.as_bytes() {
                // Two signs do not follow one another.
                [b'-', ..] if k > 0 && depth == 0 => f.at_least(precedence::ATOM),
                _ => f.at_least(least),
            });
            text.push_str(&operand);
            continue;
        }
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ if rest.starts_with("\\left") => depth += 1,
            _ if rest.starts_with("\\right") => depth = depth.saturating_sub(1),
            _ => {}
        }
        text.push(c);
        rest = &rest[c.len_utf8()..];
    }
    // A fraction stands by itself but under a power.
    let precedence = match (is_free, op) {
        (true, _) => own,
        (false, ScalarOp::Div) => precedence::POWER,
        (false, _) => precedence::ATOM,
    };
    Formula { text, precedence }
}

struct Formulas<'g> {
    graph: &'g Graph,
    func: &'g Arc<Func>,
    /// Names of all functions.
    names: &'g FxHashMap<Arc<Func>, String>,
    inputs: Vec<String>,
    formulas: FxHashMap<NodeId, Formula>,
    /// Formulas of the arguments of concatenations and of the conditions of conditionals.
    parts: FxHashMap<NodeId, Vec<Formula>>,
    /// What names of intermediate values begin with.
    letter: &'static str,
    lines: Vec<String>,
    n_names: usize,
}

impl<'g> Formulas<'g> {
    fn new(
        func: &'g Arc<Func>,
        names: &'g FxHashMap<Arc<Func>, String>,
        graph: &'g Graph,
        outputs: &[NodeId],
    ) -> Formulas<'g> {
        let inputs = input_names(func);
        let is_free = |letter: &&&str| !inputs.iter().any(|name| name.starts_with(**letter));
        let mut formulas = Formulas {
            graph,
            func,
            names,
            letter: ["t_", "w_", "v_", "u_", "q_"].iter().find(is_free).unwrap_or(&"\\tau_"),
            inputs,
            formulas: FxHashMap::default(),
            parts: FxHashMap::default(),
            lines: Vec::new(),
            n_names: 0,
        };
        let order = visit::reachable(graph, outputs);
        let uses = visit::use_counts(graph, &order, outputs);
        let mut left = uses.clone();
        // Concatenations that are only seen as matrices of blocks have no formula of their own.
        let mut hidden = vec![0u32; graph.len()];
        for &id in order.iter().filter(|&&id| blocks_of(graph, id).is_some()) {
            hidden[graph.arg(id, 0).index()] += 1;
        }
        for &id in &order {
            let formula = formulas.node(id);
            let is_simple = match graph.op(id) {
                Op::Input | Op::Call | Op::Loop | Op::Cond => true,
                Op::Const => formula.text.len() <= 24,
                Op::Gather | Op::Scatter => {
                    formula.precedence == precedence::ATOM && formula.text.len() <= 24
                }
                Op::Concat => hidden[id.index()] == uses[id.index()],
                _ => false,
            };
            let named = !is_simple && (uses[id.index()] > 1 || formula.text.len() > LONGEST);
            let formula = if named { formulas.name(formula) } else { formula };
            formulas.formulas.insert(id, formula);
            // A formula that has been used for the last time is not kept.
            for a in graph.args(id) {
                left[a.index()] -= 1;
                if left[a.index()] == 0 {
                    formulas.formulas.remove(a);
                    formulas.parts.remove(a);
                }
            }
        }
        formulas
    }

    /// The function of one result.
    fn called(&self, f: &Arc<Func>, k: usize) -> String {
        let name = self.names.get(f).map_or("f", String::as_str);
        match f.outputs.len() {
            1 => name.to_owned(),
            _ => format!("{name}_{{{k}}}"),
        }
    }

    fn name(&mut self, formula: Formula) -> Formula {
        self.n_names += 1;
        let name = format!("{}{{{}}}", self.letter, self.n_names);
        self.lines.push(format!("{name} &= {}", formula.text));
        Formula::atom(name)
    }

    /// A formula that can take an index.
    fn indexable(&mut self, id: NodeId) -> String {
        let formula = self.get(id);
        if formula.precedence == precedence::ATOM && !formula.text.contains(['_', '^', ' ']) {
            return formula.text;
        }
        if formula.text.len() <= 24 && formula.precedence == precedence::ATOM {
            return format!("\\left({}\\right)", formula.text);
        }
        let formula = self.name(formula);
        self.formulas.insert(id, formula.clone());
        format!("\\left({}\\right)", formula.text)
    }

    fn get(&self, id: NodeId) -> Formula {
        self.formulas.get(&id).cloned().unwrap_or_else(|| Formula::atom("?"))
    }

    fn lines(mut self, outputs: &[NodeId], is_main: bool) -> Vec<String> {
        for (k, (port, &output)) in self.func.outputs.iter().zip(outputs).enumerate() {
            let value = self.get(output).text;
            let name = match is_main {
                true => math_name(&port.name),
                false => {
                    format!(
                        "{}\\left({}\\right)",
                        self.called(self.func, k),
                        self.inputs.join(", ")
                    )
                }
            };
            self.lines.push(format!("{name} &= {value}"));
        }
        self.lines
    }

    fn node(&mut self, id: NodeId) -> Formula {
        let graph = self.graph;
        let args = graph.args(id);
        match graph.op(id) {
            Op::Const => constant(graph.pattern(id), graph.as_constant(id)),
            Op::Input => Formula::atom(self.inputs[graph.number(id)].clone()),
            Op::Mark => self.get(args[0]),
            Op::Scalar(op) => {
                let operands: Vec<Formula> = args.iter().map(|&a| self.get(a)).collect();
                let n_matrices = args.iter().filter(|&&a| !graph.pattern(a).is_scalar()).count();
                self.elementwise(op, &operands, n_matrices)
            }
            Op::Gather => self.gather(id),
            Op::Scatter => self.scatter(id),
            Op::Concat => {
                let parts: Vec<Formula> = args.iter().map(|&a| self.get(a)).collect();
                let whole = matrix(parts.iter(), |part| part.text.clone());
                self.parts.insert(id, parts);
                whole
            }
            Op::MatMul => {
                let (a, b) = (self.get(args[0]), self.get(args[1]));
                let p = precedence::PRODUCT;
                let text = format!("{} \\, {}", a.at_least(p), b.at_least(p + 1));
                Formula { text, precedence: p }
            }
            Op::Reduce(reduction) => {
                let x = self.get(args[0]).text;
                let name = match reduction {
                    Reduction::Max => "\\max".to_owned(),
                    Reduction::Min => "\\min".to_owned(),
                    _ => operator_name(reduction.name()),
                };
                Formula::atom(format!("{name}\\left({x}\\right)"))
            }
            // What they give is written at their results.
            Op::Call => Formula::atom(self.list(args)),
            Op::Cond => {
                self.parts.insert(id, vec![self.get(args[0])]);
                Formula::atom(self.list(&args[1..]))
            }
            Op::Loop => Formula::atom(self.recursion(id)),
            Op::Result => self.result(args[0], graph.number(id)),
        }
    }

    fn elementwise(&self, op: ScalarOp, operands: &[Formula], n_matrices: usize) -> Formula {
        let between = match op {
            ScalarOp::Mul if n_matrices > 1 => "\\odot",
            ScalarOp::Div if n_matrices > 1 => "\\oslash",
            ScalarOp::Pow if n_matrices > 0 => {
                let (a, b) = (operands[0].at_least(precedence::ATOM), &operands[1].text);
                let text = format!("{{{a}}}^{{\\circ {b}}}");
                return Formula { text, precedence: precedence::POWER };
            }
            _ => return fill(op, operands),
        };
        let p = precedence::PRODUCT;
        let (a, b) = (operands[0].at_least(p), operands[1].at_least(p + 1));
        Formula { text: format!("{a} {between} {b}"), precedence: p }
    }

    fn list(&self, args: &[NodeId]) -> String {
        let args: Vec<String> = args.iter().map(|&a| self.get(a).text).collect();
        args.join(", ")
    }

    fn gather(&mut self, id: NodeId) -> Formula {
        let graph = self.graph;
        let x = graph.arg(id, 0);
        if let (Some(grid), Some(parts)) = (blocks_of(graph, id), self.parts.get(&x)) {
            let cell = |cell: &Cell| match *cell {
                Cell::Part(k) => parts[k].text.clone(),
                Cell::Zeros { .. } => "0".to_owned(),
            };
            let row = |row: &Vec<Cell>| row.iter().map(cell).collect::<Vec<_>>().join(" & ");
            return matrix(grid.iter(), row);
        }
        let (from, to) = (graph.pattern(x), graph.pattern(id));
        let (n_rows, n_cols) = to.shape();
        let found = graph.map(id).and_then(|map| gathered(from, map, to));
        let of =
            |f: &Formula, name: &str| Formula::atom(format!("{name}\\left({}\\right)", f.text));
        let span = |start: usize, n: usize| match n {
            1 => start.to_string(),
            _ => format!("{start}:{}", start + n),
        };
        match found {
            Some(Rearrangement::Same) => self.get(x),
            Some(Rearrangement::Entry { row, col }) => {
                let index = index_text(from, row, col);
                Formula::atom(format!("{}_{{{index}}}", self.indexable(x)))
            }
            Some(Rearrangement::Block { row, col }) => {
                let index = match from.n_cols() {
                    1 => span(row, n_rows),
                    _ => format!("{}, {}", span(row, n_rows), span(col, n_cols)),
                };
                Formula::atom(format!("{}_{{{index}}}", self.indexable(x)))
            }
            Some(Rearrangement::Range { start }) => {
                let index = span(start, n_rows);
                Formula::atom(format!(
                    "\\operatorname{{vec}}\\left({}\\right)_{{{index}}}",
                    self.get(x).text
                ))
            }
            Some(Rearrangement::TransposedRange { start }) => {
                let (x, index) = (self.get(x).at_least(precedence::ATOM), span(start, n_rows));
                Formula::atom(format!(
                    "\\operatorname{{vec}}\\left({{{x}}}^{{\\top}}\\right)_{{{index}}}"
                ))
            }
            Some(Rearrangement::Transposed) => {
                let x = self.get(x).at_least(precedence::ATOM);
                Formula { text: format!("{{{x}}}^{{\\top}}"), precedence: precedence::POWER }
            }
            Some(Rearrangement::Reshaped) if n_cols == 1 => of(&self.get(x), "\\operatorname{vec}"),
            Some(Rearrangement::Reshaped) => of(
                &self.get(x),
                &format!("\\operatorname{{reshape}}_{{{n_rows} \\times {n_cols}}}"),
            ),
            Some(Rearrangement::OnDiagonal | Rearrangement::Diagonal) => {
                of(&self.get(x), "\\operatorname{diag}")
            }
            Some(Rearrangement::Repeated { down, across }) => {
                of(&self.get(x), &format!("\\operatorname{{repmat}}_{{{down} \\times {across}}}"))
            }
            None if from.is_scalar() && to.numel() <= MOST_ENTRIES => {
                let x = self.get(x).text;
                let cell = |row, col| to.find(row, col).map_or("0", |_| &x);
                let row = |row| (0..n_cols).map(|col| cell(row, col)).collect::<Vec<_>>();
                matrix(0..n_rows, |i| row(i).join(" & "))
            }
            None => {
                let sources = graph.map(id).map(|map| {
                    let place = |k| {
                        let (row, col) = entry(from, k);
                        index_text(from, row, col)
                    };
                    listed(map.iter().map(place), map.len())
                });
                let index = sources.unwrap_or_default();
                Formula::atom(format!("{}_{{[{index}]}}", self.indexable(x)))
            }
        }
    }

    fn scatter(&mut self, id: NodeId) -> Formula {
        let graph = self.graph;
        let x = graph.arg(id, 0);
        let (from, to) = (graph.pattern(x), graph.pattern(id));
        let found = graph.map(id).and_then(|map| scattered(from, map, to));
        let value = self.get(x);
        match found {
            Some(Rearrangement::Same) => value,
            Some(Rearrangement::Entry { row, col }) => {
                let letter = if to.is_vector() { "e" } else { "E" };
                let value = value.at_least(precedence::PRODUCT);
                let text = format!("{value} \\, {letter}_{{{}}}", index_text(to, row, col));
                Formula { text, precedence: precedence::PRODUCT }
            }
            _ => {
                let places = graph.map(id).map(|map| {
                    let place = |k| {
                        let (row, col) = entry(to, k);
                        index_text(to, row, col)
                    };
                    listed(map.iter().map(place), map.len())
                });
                let (n_rows, n_cols) = to.shape();
                Formula::atom(format!(
                    "\\operatorname{{scatter}}_{{{n_rows} \\times {n_cols}}}\\left({}; {}\\right)",
                    value.text,
                    places.unwrap_or_default()
                ))
            }
        }
    }

    fn result(&self, of: NodeId, k: usize) -> Formula {
        let graph = self.graph;
        match graph.payload(of) {
            Some(Payload::Call(f)) => {
                Formula::atom(format!("{}\\left({}\\right)", self.called(f, k), self.get(of).text))
            }
            Some(Payload::Cond(then, otherwise)) => {
                let condition = graph.arg(of, 0);
                let is_test = matches!(graph.op(condition), Op::Scalar(op)
                    if matches!(op.row().syntax, Syntax::Infix { precedence, .. }
                        if precedence <= precedence::COMPARISON));
                let test = self.parts.get(&of).and_then(|c| c.first());
                let test = test.map_or_else(String::new, |c| c.text.clone());
                let test = if is_test { test } else { format!("{test} \\ne 0") };
                let args = self.get(of).text;
                Formula::atom(format!(
                    "\\begin{{cases}} {}\\left({args}\\right) & {test} \\\\ \
                     {}\\left({args}\\right) & \\text{{otherwise}} \\end{{cases}}",
                    self.called(then, k),
                    self.called(otherwise, k)
                ))
            }
            Some(Payload::Loop(spec)) => self.loop_result(of, spec, k),
            _ => Formula::atom("?"),
        }
    }
}

fn index_text(pattern: &Pattern, row: usize, col: usize) -> String {
    match pattern.shape() {
        (_, 1) => row.to_string(),
        (1, _) => col.to_string(),
        _ => format!("{row},{col}"),
    }
}

/// The first few of many.
fn listed(items: impl Iterator<Item = String>, n: usize) -> String {
    const MOST: usize = 8;
    let mut shown: Vec<String> = items.take(MOST).collect();
    if n > MOST {
        shown.push("\\ldots".to_owned());
    }
    shown.join(" \\; ")
}

fn constant(pattern: &Pattern, value: Option<Constant>) -> Formula {
    let (n_rows, n_cols) = pattern.shape();
    let shape = format!("{n_rows} \\times {n_cols}");
    let uniform = match &value {
        Some(Constant::Uniform(v)) => Some(*v),
        _ if pattern.is_zero() => Some(0.0),
        _ => None,
    };
    if (n_rows, n_cols) == (1, 1) {
        return number(value.filter(|_| pattern.nnz() == 1).map_or(0.0, |v| v.get(0)));
    }
    let pattern_name = if pattern.is_diagonal() {
        format!("I_{{{n_rows}}}")
    } else {
        format!("\\mathbf{{1}}_{{{shape}}}")
    };
    match uniform {
        Some(0.0) => Formula::atom(format!("\\mathbf{{0}}_{{{shape}}}")),
        Some(v) if pattern.is_dense() || pattern.is_diagonal() => match v {
            1.0 => Formula::atom(pattern_name),
            v => Formula {
                text: format!("{} \\, {pattern_name}", number(v).text),
                precedence: precedence::PRODUCT,
            },
        },
        _ if pattern.numel() > MOST_ENTRIES => {
            Formula::atom(format!("\\mathrm{{data}}_{{{shape}}}"))
        }
        _ => {
            let entry = |row: usize, col: usize| match (pattern.find(row, col), &value) {
                (Some(k), Some(value)) => number(value.get(k)).text,
                _ => "0".to_owned(),
            };
            matrix(0..n_rows, |row| {
                (0..n_cols).map(|col| entry(row, col)).collect::<Vec<_>>().join(" & ")
            })
        }
    }
}
