//! Loops as recursions of their states, sums and lists over the iterations.

use super::{Formula, Formulas, listed};
use crate::graph::{ArgMode, LoopSpec, NodeId, Origin, Reduction, ResultMode, Window};
use crate::ops::scalar::precedence;

impl Formulas<'_> {
    /// Initial states and the step of a loop, as lines; gives what an iteration sees.
    pub(super) fn recursion(&mut self, id: NodeId) -> String {
        let graph = self.graph;
        let Some(spec) = graph.loop_spec(id).cloned() else { return String::new() };
        let args = graph.args(id);
        for (k, &a) in args[..spec.n_states].iter().enumerate() {
            let start = self.get(a).text;
            self.lines.push(format!("{} &= {start}", state(id, k, "0")));
        }
        let inside = self.iteration_args(id, &spec);
        for k in 0..spec.n_states {
            let step = format!("{}\\left({inside}\\right)", self.called(&spec.body, k));
            self.lines.push(format!(
                "{} &= {step}, \\quad k = 0, \\ldots, {}",
                state(id, k, "k+1"),
                spec.n - 1
            ));
        }
        inside
    }

    /// What iteration `k` of a loop sees.
    fn iteration_args(&mut self, id: NodeId, spec: &LoopSpec) -> String {
        let args = self.graph.args(id);
        let mut seen: Vec<String> = (0..spec.n_states).map(|k| state(id, k, "k")).collect();
        for (k, mode) in spec.args.iter().enumerate() {
            let of = args[spec.n_states + k];
            seen.push(match mode {
                ArgMode::Broadcast => self.get(of).text,
                ArgMode::Iteration { base, step } => progression(*base, *step),
                ArgMode::Window(window) => {
                    let n = spec.body.inputs[spec.n_states + k].pattern.nnz();
                    format!("{}_{{{}}}", self.indexable(of), window_text(window, n))
                }
            });
        }
        seen.join(", ")
    }

    pub(super) fn loop_result(&self, id: NodeId, spec: &LoopSpec, k: usize) -> Formula {
        if k < spec.n_states {
            return Formula::atom(state(id, k, &spec.n.to_string()));
        }
        let args = self.get(id).text;
        let body = format!("{}\\left({args}\\right)", self.called(&spec.body, k));
        let last = spec.n - 1;
        match &spec.results[k - spec.n_states] {
            ResultMode::Reduce(reduction) => {
                let sign = match reduction {
                    Reduction::Sum => format!("\\sum_{{k=0}}^{{{last}}}"),
                    Reduction::Prod => format!("\\prod_{{k=0}}^{{{last}}}"),
                    Reduction::Max => format!("\\max_{{0 \\le k \\le {last}}}"),
                    Reduction::Min => format!("\\min_{{0 \\le k \\le {last}}}"),
                };
                Formula { text: format!("{sign} {body}"), precedence: precedence::PRODUCT }
            }
            ResultMode::Window(window) => {
                let whole = &spec.patterns[k - spec.n_states];
                let n = spec.body.outputs[k].pattern.nnz();
                if *window == Window::stacked(n) && whole.nnz() == n * spec.n as usize {
                    let text = format!("\\left[{body}\\right]_{{k=0}}^{{{last}}}");
                    return Formula::atom(text);
                }
                let text = format!(
                    "\\sum_{{k=0}}^{{{last}}} \\operatorname{{scatter}}\\left({body}; {}\\right)",
                    window_text(window, n)
                );
                Formula { text, precedence: precedence::PRODUCT }
            }
        }
    }
}

/// State `k` of a loop node in an iteration.
fn state(id: NodeId, k: usize, iteration: &str) -> String {
    format!("s_{{{},{k}}}^{{({iteration})}}", id.0)
}

fn progression(base: i64, step: i64) -> String {
    let moving = match step {
        1 => "k".to_owned(),
        -1 => "-k".to_owned(),
        _ => format!("{step} k"),
    };
    match (base, step) {
        (_, 0) => base.to_string(),
        (0, _) => moving,
        (_, step) if step < 0 => format!("{base} - {}", progression(0, -step)),
        _ => format!("{base} + {moving}"),
    }
}

/// The nonzeros of iteration `k`.
fn window_text(window: &Window, n: usize) -> String {
    let first = window.map.iter().next().unwrap_or(0) as i64;
    let start = |shift: i64| match &window.origin {
        Origin::Affine { base, step } => progression(base + first + shift, *step),
        Origin::Table(_) => match first + shift {
            0 => "o_k".to_owned(),
            shift => format!("o_k + {shift}"),
        },
    };
    let is_run = window.map.iter().enumerate().all(|(k, at)| at as i64 == first + k as i64);
    match (n, is_run) {
        (1, _) => start(0),
        (_, true) => format!("{}:{}", start(0), start(n as i64)),
        _ => {
            let entries = window.map.iter().map(|k| start(k as i64 - first));
            format!("[{}]", listed(entries, n))
        }
    }
}
