//! A function as a picture: the language of Graphviz, each called function in a cluster.

use std::fmt::Write;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::label;
use crate::graph::{Func, Op, visit};

/// The text for `dot -Tsvg`. Solid edges carry values, dashed ones lead from a call, loop or
/// conditional to the functions that it runs.
///
/// ```
/// let f = nablac::model::Model::parse("f.nab", "input x\noutput y = sqrt(x)").function()?;
/// let picture = nablac::print::dot(f.func());
/// assert!(picture.starts_with("digraph") && picture.contains("sqrt"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn dot(func: &Arc<Func>) -> String {
    let order = visit::callees_first(func);
    let numbers: FxHashMap<&Arc<Func>, usize> =
        order.iter().enumerate().map(|(k, f)| (f, k)).collect();
    let mut text = format!("digraph {} {{\n", quoted(&func.name));
    text.push_str("  compound=true; rankdir=TB; node [shape=box, fontname=\"monospace\"];\n");
    for (number, func) in order.iter().enumerate().rev() {
        let _ = writeln!(text, "  subgraph cluster_{number} {{");
        let _ = writeln!(text, "    label={};", quoted(&func.name));
        let calls = body(&mut text, number, func);
        text.push_str("  }\n");
        for (node, callee) in calls {
            if let Some(callee) = numbers.get(&callee) {
                let _ = writeln!(
                    text,
                    "  f{number}_{node} -> f{callee}_out0 [style=dashed, lhead=cluster_{callee}];"
                );
            }
        }
        if let Some(jvp) = func.jvp.as_ref().and_then(|jvp| numbers.get(jvp)) {
            let _ = writeln!(
                text,
                "  f{number}_out0 -> f{jvp}_out0 [style=dotted, label=\"derivative\", \
                 lhead=cluster_{jvp}];"
            );
        }
    }
    text.push_str("}\n");
    text
}

/// The nodes of a function; gives what they call.
fn body(text: &mut String, number: usize, func: &Func) -> Vec<(u32, Arc<Func>)> {
    let mut calls = Vec::new();
    for (k, port) in func.outputs.iter().enumerate() {
        let label = quoted(&format!("{}\n{}", port.name, port.pattern));
        let _ = writeln!(text, "    f{number}_out{k} [label={label}, shape=ellipse];");
    }
    let Some((graph, outputs)) = func.graph() else {
        let _ = writeln!(text, "    f{number}_external [label=\"external\"];");
        for k in 0..func.outputs.len() {
            let _ = writeln!(text, "    f{number}_external -> f{number}_out{k};");
        }
        return calls;
    };
    for id in visit::reachable(graph, outputs) {
        let (op, pattern) = (graph.op(id), graph.pattern(id));
        let what = match op {
            Op::Input => func.inputs[graph.number(id)].name.to_string(),
            _ => label(graph, id),
        };
        let has_results = matches!(op, Op::Call | Op::Loop | Op::Cond);
        let what = if has_results || pattern.is_scalar() && op != Op::Input {
            what
        } else {
            format!("{what}\n{pattern}")
        };
        let shape = match op {
            Op::Input => ", shape=ellipse",
            Op::Const => ", shape=plaintext",
            _ if has_results => ", style=rounded",
            _ => "",
        };
        let _ = writeln!(text, "    f{number}_{} [label={}{shape}];", id.0, quoted(&what));
        let args = graph.args(id);
        for (k, a) in args.iter().enumerate() {
            // Order matters to the reader where there is more than one.
            let place = if args.len() > 1 { format!(" [label={k}]") } else { String::new() };
            let _ = writeln!(text, "    f{number}_{} -> f{number}_{}{place};", a.0, id.0);
        }
        calls.extend(graph.callees(id).map(|f| (id.0, f.clone())));
    }
    for (k, output) in outputs.iter().enumerate() {
        let _ = writeln!(text, "    f{number}_{} -> f{number}_out{k};", output.0);
    }
    calls
}

fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}
