//! A function as the text of a saved model.

use std::fmt::Write;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{FORMAT, VERSION};
use crate::function::Function;
use crate::graph::{
    ArgMode, Body, Bound, External, Func, Graph, LoopSpec, NodeId, Op, Origin, Payload, Port,
    ResultMode, Window, visit,
};
use crate::sparsity::{IndexMap, Pattern};

/// The text of a saved model.
pub fn write(function: &Function) -> String {
    let mut writer = Writer::default();
    let order = visit::callees_first(function.func());
    for (k, func) in order.iter().enumerate() {
        let is_main = k + 1 == order.len();
        writer.function(func, is_main.then_some(function));
    }
    let mut text = String::new();
    let _ = writeln!(text, "{{\"format\": {FORMAT:?}, \"version\": {VERSION},");
    let _ = writeln!(text, "\"patterns\": [\n{}\n],", writer.patterns.join(",\n"));
    let _ = writeln!(text, "\"functions\": [\n{}\n]}}", writer.functions);
    text
}

#[derive(Default)]
struct Writer {
    functions: String,
    numbers: FxHashMap<Arc<Func>, usize>,
    patterns: Vec<String>,
    pattern_numbers: FxHashMap<Pattern, usize>,
}

/// Items between brackets.
fn list<T>(items: impl IntoIterator<Item = T>, mut item: impl FnMut(T) -> String) -> String {
    let mut text = String::from("[");
    for (k, x) in items.into_iter().enumerate() {
        if k > 0 {
            text.push_str(", ");
        }
        text.push_str(&item(x));
    }
    text.push(']');
    text
}

/// A number of JSON, or a text for what JSON has no number for.
fn number(value: f64) -> String {
    if value.is_finite() {
        return format!("{value:?}");
    }
    match value {
        f64::INFINITY => "\"inf\"".to_owned(),
        f64::NEG_INFINITY => "\"-inf\"".to_owned(),
        _ if value.to_bits() == f64::NAN.to_bits() => "\"nan\"".to_owned(),
        _ => format!("\"nan:{:016x}\"", value.to_bits()),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn index_map(map: &IndexMap) -> String {
    match map {
        IndexMap::Table(table) => format!("{{\"table\": {}}}", list(table.iter(), u32::to_string)),
        IndexMap::Affine(affine) => {
            let n = affine.dims.iter().rposition(|d| d.0 != 1).map_or(0, |k| k + 1);
            let counters = affine.dims[..n].iter();
            let counters: String = counters.map(|(n, s)| format!(", {n}, {s}")).collect();
            format!("{{\"affine\": [{}{counters}]}}", affine.start)
        }
    }
}

fn window(window: &Window) -> String {
    let origin = match &window.origin {
        Origin::Affine { base, step } => format!("{{\"affine\": [{base}, {step}]}}"),
        Origin::Table(table) => format!("{{\"table\": {}}}", list(table.iter(), u32::to_string)),
    };
    format!("{origin}, {}", index_map(&window.map))
}

impl Writer {
    fn pattern(&mut self, pattern: &Pattern) -> usize {
        if let Some(&known) = self.pattern_numbers.get(pattern) {
            return known;
        }
        let (n_rows, n_cols) = pattern.shape();
        let text = if pattern.is_zero() {
            format!("{{\"zero\": [{n_rows}, {n_cols}]}}")
        } else if pattern.is_dense() {
            format!("{{\"dense\": [{n_rows}, {n_cols}]}}")
        } else if pattern.is_diagonal() {
            format!("{{\"diagonal\": {n_rows}}}")
        } else {
            let (colptr, rows) = (pattern.colptr(), pattern.row_idx());
            format!(
                "{{\"shape\": [{n_rows}, {n_cols}], \"colptr\": {}, \"row\": {}}}",
                list(colptr, |p| p.to_string()),
                list(rows, |r| r.to_string())
            )
        };
        self.patterns.push(text);
        self.pattern_numbers.insert(pattern.clone(), self.patterns.len() - 1);
        self.patterns.len() - 1
    }

    /// Number of a function written before.
    fn number_of(&self, func: &Arc<Func>) -> usize {
        self.numbers.get(func).copied().unwrap_or(0)
    }

    fn function(&mut self, func: &Arc<Func>, main: Option<&Function>) {
        let mut text = format!("{{\"name\": {}", quoted(&func.name));
        let inputs: Vec<String> = func
            .inputs
            .iter()
            .enumerate()
            .map(|(k, port)| self.input(port, main.and_then(|f| f.inputs().get(k))))
            .collect();
        let _ = write!(text, ",\n\"inputs\": [{}]", inputs.join(", "));
        if let Some(jvp) = &func.jvp {
            let _ = write!(text, ",\n\"jvp\": {}", self.number_of(jvp));
        }
        match &func.body {
            Body::Graph { graph, outputs } => self.body(&mut text, func, graph, outputs, main),
            Body::External(external) => self.external(&mut text, func, external),
        }
        text.push('}');
        if !self.numbers.is_empty() {
            self.functions.push_str(",\n");
        }
        self.functions.push_str(&text);
        self.numbers.insert(func.clone(), self.numbers.len());
    }

    fn input(&mut self, port: &Port, declared: Option<&crate::function::Input>) -> String {
        let pattern = self.pattern(&port.pattern);
        let mut text = format!("{{\"name\": {}, \"pattern\": {pattern}", quoted(&port.name));
        if let Some((lo, hi)) = port.range {
            let _ = write!(text, ", \"range\": [{}, {}]", number(lo), number(hi));
        }
        if let Some(input) = declared {
            if input.is_param {
                text.push_str(", \"param\": true");
            }
            if input.symmetric {
                text.push_str(", \"symmetric\": true");
            }
            if let Some(default) = &input.default {
                let _ = write!(text, ", \"default\": {}", list(default, |v| number(*v)));
            }
            unit(&mut text, &input.unit);
        }
        text.push('}');
        text
    }

    fn external(&mut self, text: &mut String, func: &Func, external: &External) {
        let outputs = list(&func.outputs, |port| {
            let pattern = self.pattern(&port.pattern);
            format!("{{\"name\": {}, \"pattern\": {pattern}}}", quoted(&port.name))
        });
        let _ = write!(text, ",\n\"external\": {}", quoted(&external.name));
        let _ = write!(text, ",\n\"outputs\": {outputs}");
    }

    fn body(
        &mut self,
        text: &mut String,
        func: &Func,
        graph: &Graph,
        outputs: &[NodeId],
        main: Option<&Function>,
    ) {
        let order = visit::reachable(graph, outputs);
        let mut numbers = vec![0usize; graph.len()];
        text.push_str(",\n\"nodes\": [");
        for (number, &id) in order.iter().enumerate() {
            numbers[id.index()] = number;
            text.push_str(if number > 0 { ",\n" } else { "\n" });
            self.node(text, graph, id, &numbers);
        }
        text.push_str("\n]");
        let described: Vec<String> = func
            .outputs
            .iter()
            .zip(outputs)
            .enumerate()
            .map(|(k, (port, node))| {
                let name = quoted(&port.name);
                let mut text = format!("{{\"name\": {name}, \"node\": {}", numbers[node.index()]);
                if let Some(output) = main.and_then(|f| f.outputs().get(k)) {
                    unit(&mut text, &output.unit);
                }
                text.push('}');
                text
            })
            .collect();
        let _ = write!(text, ",\n\"outputs\": [{}]", described.join(", "));
    }

    /// `[operation, what it needs ..., arguments ...]`
    fn node(&mut self, text: &mut String, graph: &Graph, id: NodeId, numbers: &[usize]) {
        let pattern = |writer: &mut Writer| writer.pattern(graph.pattern(id));
        let _ = match (graph.op(id), graph.payload(id)) {
            (Op::Const, Some(Payload::Values(values))) => {
                let values = list(values.0.iter(), |v| number(*v));
                write!(text, "[\"data\", {}, {values}", pattern(self))
            }
            (Op::Const, _) => {
                let value = graph.as_uniform(id).unwrap_or(0.0);
                write!(text, "[\"const\", {}, {}", pattern(self), number(value))
            }
            (Op::Input, _) => write!(text, "[\"input\", {}", graph.number(id)),
            (Op::Scalar(op), _) => write!(text, "[\"{}\", {}", op.name(), pattern(self)),
            (Op::Gather, Some(Payload::Map(map))) => {
                write!(text, "[\"gather\", {}, {}", pattern(self), index_map(map))
            }
            (Op::Scatter, Some(Payload::Map(map))) => {
                write!(text, "[\"scatter\", {}, {}", pattern(self), index_map(map))
            }
            (Op::Concat, _) => write!(text, "[\"concat\""),
            (Op::MatMul, _) => write!(text, "[\"matmul\", {}", pattern(self)),
            (Op::Reduce(reduction), _) => write!(text, "[\"reduce_{}\"", reduction.name()),
            (Op::Call, Some(Payload::Call(f))) => {
                write!(text, "[\"call\", {}", self.number_of(f))
            }
            (Op::Cond, Some(Payload::Cond(then, other))) => {
                write!(text, "[\"cond\", {}, {}", self.number_of(then), self.number_of(other))
            }
            (Op::Loop, Some(Payload::Loop(spec))) => {
                write!(text, "[\"loop\", {}", self.loop_spec(spec))
            }
            (Op::Result, _) => write!(text, "[\"result\", {}", graph.number(id)),
            // Frozen functions have no marks, and the other operations always have what they need.
            (Op::Mark | Op::Gather | Op::Scatter | Op::Call | Op::Cond | Op::Loop, _) => {
                write!(text, "[\"mark\"")
            }
        };
        for a in graph.args(id) {
            let _ = write!(text, ", {}", numbers[a.index()]);
        }
        text.push(']');
    }

    fn loop_spec(&mut self, spec: &LoopSpec) -> String {
        let args = list(&spec.args, |mode| match mode {
            ArgMode::Broadcast => "\"whole\"".to_owned(),
            ArgMode::Iteration { base, step } => format!("[\"iteration\", {base}, {step}]"),
            ArgMode::Window(w) => format!("[\"window\", {}]", window(w)),
        });
        let results = list(spec.results.iter().zip(&spec.patterns), |(mode, pattern)| match mode {
            ResultMode::Reduce(reduction) => format!("\"{}\"", reduction.name()),
            ResultMode::Window(w) => {
                format!("[\"window\", {}, {}]", self.pattern(pattern), window(w))
            }
        });
        // Base, then argument and factor of each term.
        let bound = |bound: &Bound| {
            let terms = bound.terms.iter().map(|(k, factor)| format!(", {k}, {factor}"));
            format!("[{}{}]", bound.base, terms.collect::<String>())
        };
        let range = spec.range.as_ref().map_or(String::new(), |range| {
            format!(", \"range\": [{}, {}]", bound(&range.first), bound(&range.last))
        });
        format!(
            "{{\"body\": {}, \"n\": {}, \"states\": {}, \"args\": {args}, \"results\": {results}{range}}}",
            self.number_of(&spec.body),
            spec.n,
            spec.n_states
        )
    }
}

fn unit(text: &mut String, unit: &[Arc<str>]) {
    if !unit.is_empty() {
        let _ = write!(text, ", \"unit\": {}", list(unit, |u| quoted(u)));
    }
}
