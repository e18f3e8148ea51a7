//! A function from the text of a saved model. Everything is checked: what comes out is as sound as
//! what a builder makes.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::scan::{Entries, Mistake, Scanner};
use super::{FORMAT, VERSION};
use crate::function::{Function, Input};
use crate::graph::{
    ArgMode, Attr, Bound, Callback, External, Func, Graph, IterationRange, LoopSpec, NodeId, Op,
    Origin, Payload, Port, Reduction, ResultMode, Values, Window,
};
use crate::ops::scalar::ScalarOp;
use crate::sparsity::{IndexMap, MAX_NUMEL, Pattern};
use crate::syntax::{Code, did_you_mean};

/// The deepest nesting of functions in one another. Passes recurse over it; programs of the
/// language stay below.
const MAX_NESTING: usize = 400;

/// Operations of nodes besides those of the table of elementwise operations.
const OPERATIONS: [&str; 14] = [
    "const",
    "data",
    "input",
    "gather",
    "scatter",
    "concat",
    "matmul",
    "reduce_sum",
    "reduce_prod",
    "reduce_max",
    "reduce_min",
    "call",
    "cond",
    "loop",
];

const RESULT: &str = "result";

/// The function of a saved model; externals get the callbacks of their names.
pub fn read(text: &str, externals: &BTreeMap<String, Callback>) -> Result<Function, Mistake> {
    let mut scanner = Scanner::new(text);
    header(&scanner)?;
    let document = scanner.object(&["format", "version", "patterns", "functions"])?;
    scanner.end()?;
    let mut reader =
        Reader { externals, patterns: Vec::new(), functions: Vec::new(), depths: Vec::new() };
    reader.patterns = document.need("patterns")?.list(pattern)?;
    let mut functions = document.need("functions")?;
    let mut at = functions.clone();
    functions.open()?;
    let mut main = None;
    while functions.item(reader.functions.len())? {
        at = functions.clone();
        main = Some(reader.function(&mut functions)?);
    }
    let (Some(declared), Some(func)) = (main, reader.functions.pop()) else {
        return Err(inconsistent(&at, "there is no function"));
    };
    check_names(&func).map_err(|message| inconsistent(&at, message))?;
    Ok(Function::new(func, declared.inputs).with_units(declared.units))
}

/// The names of the function of a model become names of files, of C and of programs.
fn check_names(func: &Func) -> Result<(), String> {
    let mut seen = FxHashSet::default();
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    if !is_name(&func.name) {
        return Err(format!("\"{}\" is no name", func.name.escape_debug()));
    }
    for ports in [&func.inputs, &func.outputs] {
        seen.clear();
        for port in ports {
            if !is_name(&port.name) {
                return Err(format!("\"{}\" is no name", port.name.escape_debug()));
            }
            if !seen.insert(&port.name) {
                return Err(format!("there are two `{}`", port.name));
            }
        }
    }
    if func.outputs.is_empty() { Err("the function has no output".to_owned()) } else { Ok(()) }
}

/// Format and version, looked at before all else: another version may have other entries.
fn header(scanner: &Scanner<'_>) -> Result<(), Mistake> {
    let mut scanner = scanner.clone();
    let top = scanner.any_object()?;
    let unknown = |scanner: &Scanner<'_>, message: String| {
        Err(scanner.mistake(Code::UnknownVersion, message))
    };
    let format = top.need("format")?;
    match format.clone().string() {
        Ok(name) if name == FORMAT => {}
        _ => return unknown(&format, "this is no saved model of nablac".to_owned()),
    }
    let version = top.need("version")?;
    match version.clone().integer::<u64>() {
        Ok(VERSION) => Ok(()),
        Ok(given) => unknown(
            &version,
            format!("the model has version {given}; this nablac reads version {VERSION}"),
        ),
        Err(_) => unknown(&version, "this is no version".to_owned()),
    }
}

/// What the function of a model has besides its graph; inner functions have it without need.
struct Declared {
    inputs: Vec<Input>,
    units: Vec<Vec<Arc<str>>>,
}

struct Reader<'e> {
    externals: &'e BTreeMap<String, Callback>,
    patterns: Vec<Pattern>,
    functions: Vec<Arc<Func>>,
    /// How deep other functions nest in each function.
    depths: Vec<usize>,
}

type Read<T> = Result<T, Mistake>;

fn inconsistent(at: &Scanner<'_>, message: impl Into<String>) -> Mistake {
    at.mistake(Code::InconsistentModel, message)
}

fn pattern(scanner: &mut Scanner<'_>) -> Read<Pattern> {
    let before = scanner.clone();
    let entries = scanner.object(&["dense", "zero", "diagonal", "shape", "colptr", "row"])?;
    let broken = |e: String| before.mistake(Code::PatternData, e);
    let sized = |n_rows: u64, n_cols: u64| {
        if n_rows.max(n_cols) > MAX_NUMEL {
            return Err(broken(format!("a matrix has at most {MAX_NUMEL} rows and columns")));
        }
        Ok((n_rows as usize, n_cols as usize))
    };
    if let Some((n_rows, n_cols)) = entries.read("dense", shape)? {
        return Pattern::try_dense(n_rows, n_cols).map_err(|e| broken(e.to_string()));
    }
    if let Some((n_rows, n_cols)) = entries.read("zero", shape)? {
        let (n_rows, n_cols) = sized(n_rows, n_cols)?;
        return Ok(Pattern::zero(n_rows, n_cols));
    }
    if let Some(n) = entries.read("diagonal", Scanner::integer)? {
        return Ok(Pattern::diagonal(sized(n, n)?.0));
    }
    let (n_rows, n_cols) = shape(&mut entries.need("shape")?)?;
    let (n_rows, n_cols) = sized(n_rows, n_cols)?;
    let colptr = entries.need("colptr")?.list(Scanner::integer)?;
    let rows: Vec<u32> = entries.need("row")?.list(Scanner::integer)?;
    if rows.len() as u64 > MAX_NUMEL {
        return Err(broken(format!("there are more than {MAX_NUMEL} nonzeros")));
    }
    Pattern::from_csc(n_rows, n_cols, colptr, rows).map_err(|e| broken(e.to_string()))
}

fn shape(scanner: &mut Scanner<'_>) -> Read<(u64, u64)> {
    scanner.open()?;
    scanner.step(0)?;
    let n_rows = scanner.integer()?;
    scanner.step(1)?;
    let n_cols = scanner.integer()?;
    scanner.close()?;
    Ok((n_rows, n_cols))
}

fn shared(scanner: &mut Scanner<'_>) -> Read<Arc<str>> {
    Ok(scanner.string()?.into())
}

fn index_map(scanner: &mut Scanner<'_>) -> Read<IndexMap> {
    let before = scanner.clone();
    let entries = scanner.object(&["affine", "table"])?;
    if let Some(table) = entries.read("table", |s| s.list(Scanner::integer::<u32>))? {
        return Ok(IndexMap::Table(table.into()));
    }
    let numbers: Vec<i64> = entries.need("affine")?.list(Scanner::integer)?;
    let fits = |v: i64, lo: i64| (lo..=MAX_NUMEL as i64).contains(&v);
    let (Some((&start, counters)), true) = (numbers.split_first(), numbers.len() % 2 == 1) else {
        return Err(inconsistent(&before, "an affine map is its start, then counts and strides"));
    };
    let counters: Vec<(usize, i64)> =
        counters.chunks_exact(2).map(|pair| (pair[0] as usize, pair[1])).collect();
    let sane = counters.iter().all(|&(n, s)| fits(n as i64, 0) && fits(s, -(MAX_NUMEL as i64)));
    let n_entries = counters
        .iter()
        .try_fold(1u64, |n, c| n.checked_mul(c.0 as u64).filter(|&n| n <= MAX_NUMEL));
    if !sane || !fits(start, 0) || counters.len() > 3 || n_entries.is_none() {
        return Err(inconsistent(&before, "this affine map is out of range"));
    }
    Ok(IndexMap::affine(start as usize, &counters))
}

fn origin(scanner: &mut Scanner<'_>) -> Read<Origin> {
    let before = scanner.clone();
    let entries = scanner.object(&["affine", "table"])?;
    if let Some(table) = entries.read("table", |s| s.list(Scanner::integer::<u32>))? {
        return Ok(Origin::Table(table.into()));
    }
    match entries.need("affine")?.list(Scanner::integer)?[..] {
        [base, step] => Ok(Origin::Affine { base, step }),
        _ => Err(inconsistent(&before, "an affine origin is a base and a step")),
    }
}

/// Origin and map, the last items of a list.
fn window(scanner: &mut Scanner<'_>, first: usize) -> Read<Window> {
    scanner.step(first)?;
    let origin = origin(scanner)?;
    scanner.step(first + 1)?;
    let map = index_map(scanner)?;
    scanner.close()?;
    Ok(Window { origin, map })
}

fn reduction(name: &str) -> Option<Reduction> {
    let all = [Reduction::Sum, Reduction::Prod, Reduction::Max, Reduction::Min];
    all.into_iter().find(|reduction| reduction.name() == name)
}

fn unknown(at: &Scanner<'_>, what: &str, name: &str, known: Vec<&str>) -> Mistake {
    let mut message = format!("there is no {what} \"{}\"", name.escape_debug());
    if let Some(near) = did_you_mean(name, known) {
        message.push_str(&format!("; did you mean \"{near}\"?"));
    }
    at.mistake(Code::UnknownOperation, message)
}

impl Reader<'_> {
    fn pattern(&self, scanner: &mut Scanner<'_>) -> Read<Pattern> {
        let before = scanner.clone();
        let number: usize = scanner.integer()?;
        self.patterns.get(number).cloned().ok_or_else(|| {
            inconsistent(&before, format!("there are {} patterns", self.patterns.len()))
        })
    }

    /// A function that stands before.
    fn callee(&self, scanner: &mut Scanner<'_>, depth: &mut usize) -> Read<Arc<Func>> {
        let before = scanner.clone();
        let number: usize = scanner.integer()?;
        let Some(func) = self.functions.get(number) else {
            let message =
                format!("function {number} does not stand before this one, which uses it");
            return Err(inconsistent(&before, message));
        };
        *depth = (*depth).max(self.depths[number] + 1);
        if *depth > MAX_NESTING {
            let message = format!("functions nest in one another more than {MAX_NESTING} deep");
            return Err(inconsistent(&before, message));
        }
        Ok(func.clone())
    }

    /// The next function; appended to those known.
    fn function(&mut self, scanner: &mut Scanner<'_>) -> Read<Declared> {
        let before = scanner.clone();
        let entries = scanner.object(&["name", "inputs", "jvp", "nodes", "outputs", "external"])?;
        let mut depth = 0;
        let jvp = entries.read("jvp", |s| self.callee(s, &mut depth))?;
        let func_name = shared(&mut entries.need("name")?)?;
        let (ports, inputs) = self.inputs(&mut entries.need("inputs")?)?;
        let mut units = Vec::new();
        let restored = if entries.get("external").is_some() {
            self.external(&entries, &ports, jvp)?
        } else {
            let (graph, nodes) = self.nodes(&mut entries.need("nodes")?, &ports, &mut depth)?;
            let mut named = Vec::new();
            for (name, node, unit) in entries.need("outputs")?.list(|s| output(s, &nodes))? {
                named.push((name, node));
                units.push(unit);
            }
            Func::restore(func_name, graph, ports, named, jvp)
        };
        let func = restored.map_err(|e| inconsistent(&before, e))?;
        units.resize(func.outputs.len(), Vec::new());
        self.functions.push(func);
        self.depths.push(depth);
        Ok(Declared { inputs, units })
    }

    fn inputs(&self, scanner: &mut Scanner<'_>) -> Read<(Vec<Port>, Vec<Input>)> {
        let both = scanner.list(|s| self.input(s))?;
        Ok(both.into_iter().unzip())
    }

    fn input(&self, scanner: &mut Scanner<'_>) -> Read<(Port, Input)> {
        let known = ["name", "pattern", "range", "param", "symmetric", "default", "unit"];
        let before = scanner.clone();
        let entries = scanner.object(&known)?;
        let pattern = self.pattern(&mut entries.need("pattern")?)?;
        let mut input = Input::new(shared(&mut entries.need("name")?)?, pattern);
        input.range = match entries.read("range", |s| s.list(Scanner::number))?.as_deref() {
            None => None,
            Some(&[lo, hi]) if lo <= hi => Some((lo, hi)),
            Some(_) => return Err(inconsistent(&before, "a range is two numbers in order")),
        };
        input.is_param = entries.read("param", Scanner::boolean)?.unwrap_or(false);
        input.symmetric = entries.read("symmetric", Scanner::boolean)?.unwrap_or(false);
        input.default = entries.read("default", |s| s.list(Scanner::number))?;
        input.unit = entries.read("unit", |s| s.list(shared))?.unwrap_or_default();
        let (n_rows, n_cols) = input.pattern.shape();
        if let Some(default) = &input.default
            && default.len() != input.pattern.nnz()
        {
            let (n, nnz) = (default.len(), input.pattern.nnz());
            return Err(inconsistent(
                &before,
                format!("the default has {n} values for {nnz} nonzeros"),
            ));
        }
        if input.symmetric && n_rows != n_cols {
            return Err(inconsistent(&before, "a symmetric value is square"));
        }
        let range = input.range;
        Ok((Port { range, ..Port::new(input.name.clone(), input.pattern.clone()) }, input))
    }

    fn external(
        &self,
        entries: &Entries<'_>,
        inputs: &[Port],
        jvp: Option<Arc<Func>>,
    ) -> Read<Result<Arc<Func>, String>> {
        let name = entries.need("external")?.string()?.into_owned();
        let outputs = entries.need("outputs")?.list(|s| {
            let entries = s.object(&["name", "pattern"])?;
            Ok((shared(&mut entries.need("name")?)?, self.pattern(&mut entries.need("pattern")?)?))
        })?;
        let external = External {
            inputs: inputs.iter().map(|port| port.pattern.clone()).collect(),
            outputs: outputs.iter().map(|(_, pattern)| pattern.clone()).collect(),
            callback: self.externals.get(&name).cloned(),
            name,
        };
        let input_names = inputs.iter().map(|port| port.name.clone()).collect();
        let output_names = outputs.into_iter().map(|(name, _)| name).collect();
        Ok(Func::restore_external(external, input_names, output_names, jvp))
    }

    fn nodes(
        &self,
        scanner: &mut Scanner<'_>,
        ports: &[Port],
        depth: &mut usize,
    ) -> Read<(Graph, Vec<NodeId>)> {
        let mut graph = Graph::new();
        for (k, port) in ports.iter().enumerate() {
            graph.input(k, port.pattern.clone());
        }
        let mut nodes: Vec<NodeId> = Vec::new();
        scanner.open()?;
        while scanner.item(nodes.len())? {
            let node = self.node(scanner, &mut graph, &nodes, ports, depth)?;
            nodes.push(node);
        }
        Ok((graph, nodes))
    }

    fn node(
        &self,
        scanner: &mut Scanner<'_>,
        graph: &mut Graph,
        nodes: &[NodeId],
        ports: &[Port],
        depth: &mut usize,
    ) -> Read<NodeId> {
        let start = scanner.clone();
        scanner.open()?;
        scanner.step(0)?;
        let before = scanner.clone();
        let name = scanner.string()?;
        // Items read so far.
        let mut n = 1;
        let mut step = |scanner: &mut Scanner<'_>| {
            n += 1;
            scanner.step(n - 1)
        };
        let nothing = Pattern::zero(0, 0);
        let (op, attr, pattern) = match &*name {
            "const" => {
                step(scanner)?;
                let pattern = self.pattern(scanner)?;
                step(scanner)?;
                (Op::Const, Attr::Uniform(scanner.number()?), Some(pattern))
            }
            "data" => {
                step(scanner)?;
                let pattern = self.pattern(scanner)?;
                step(scanner)?;
                let values = Values(scanner.list(Scanner::number)?.into());
                (Op::Const, Attr::Payload(Payload::Values(values)), Some(pattern))
            }
            "input" => {
                step(scanner)?;
                let k: u32 = scanner.integer()?;
                let pattern = ports.get(k as usize).map(|port| port.pattern.clone());
                (Op::Input, Attr::Number(k), Some(pattern.unwrap_or(nothing)))
            }
            "gather" | "scatter" => {
                step(scanner)?;
                let pattern = self.pattern(scanner)?;
                step(scanner)?;
                let map = Attr::Payload(Payload::Map(index_map(scanner)?));
                (if name == "gather" { Op::Gather } else { Op::Scatter }, map, Some(pattern))
            }
            "concat" => (Op::Concat, Attr::None, None),
            "matmul" => {
                step(scanner)?;
                (Op::MatMul, Attr::None, Some(self.pattern(scanner)?))
            }
            "call" => {
                step(scanner)?;
                let callee = self.callee(scanner, depth)?;
                (Op::Call, Attr::Payload(Payload::Call(callee)), Some(nothing))
            }
            "cond" => {
                step(scanner)?;
                let then = self.callee(scanner, depth)?;
                step(scanner)?;
                let otherwise = self.callee(scanner, depth)?;
                (Op::Cond, Attr::Payload(Payload::Cond(then, otherwise)), Some(nothing))
            }
            "loop" => {
                step(scanner)?;
                let spec = Arc::new(self.loop_spec(scanner, depth)?);
                (Op::Loop, Attr::Payload(Payload::Loop(spec)), Some(nothing))
            }
            RESULT => {
                step(scanner)?;
                (Op::Result, Attr::Number(scanner.integer()?), None)
            }
            _ => {
                match (name.strip_prefix("reduce_").and_then(reduction), ScalarOp::from_name(&name))
                {
                    (Some(reduction), _) => {
                        (Op::Reduce(reduction), Attr::None, Some(Pattern::scalar()))
                    }
                    (_, Some(op)) => {
                        step(scanner)?;
                        (Op::Scalar(op), Attr::None, Some(self.pattern(scanner)?))
                    }
                    _ => {
                        let scalars = ScalarOp::ALL.iter().map(|op| op.name());
                        let known = OPERATIONS.into_iter().chain([RESULT]).chain(scalars).collect();
                        return Err(unknown(&before, "operation", &name, known));
                    }
                }
            }
        };
        let mut args = Vec::new();
        while scanner.item(n)? {
            n += 1;
            let at = scanner.clone();
            let number: usize = scanner.integer()?;
            let Some(&node) = nodes.get(number) else {
                let message = format!(
                    "node {number} does not stand before node {}, which uses it",
                    nodes.len()
                );
                return Err(inconsistent(&at, message));
            };
            args.push(node);
        }
        let pattern = pattern.unwrap_or_else(|| implied(graph, op, &args, &attr));
        graph
            .restore(ports, op, &args, attr, pattern)
            .map_err(|e| inconsistent(&start, format!("node {} (\"{name}\") {e}", nodes.len())))
    }

    fn loop_spec(&self, scanner: &mut Scanner<'_>, depth: &mut usize) -> Read<LoopSpec> {
        let before = scanner.clone();
        let entries = scanner.object(&["body", "n", "states", "args", "results", "range"])?;
        let body = self.callee(&mut entries.need("body")?, depth)?;
        let n = entries.need("n")?.integer()?;
        let n_states: usize = entries.need("states")?.integer()?;
        let args = entries.need("args")?.list(arg_mode)?;
        let n_results = body.outputs.len().checked_sub(n_states);
        let Some(n_results) = n_results else {
            return Err(inconsistent(&before, "the body has fewer outputs than states"));
        };
        let (mut results, mut patterns) = (Vec::new(), Vec::new());
        let mut list = entries.need("results")?;
        list.open()?;
        while list.item(results.len())? {
            let inside = body.outputs[n_states..].get(results.len());
            let Some(inside) = inside else {
                let message = format!("the body has {n_results} results besides its states");
                return Err(inconsistent(&list, message));
            };
            let (mode, pattern) = self.result_mode(&mut list, &inside.pattern)?;
            results.push(mode);
            patterns.push(pattern);
        }
        let range = match entries.get("range") {
            None => None,
            Some(mut at) => {
                let before = at.clone();
                let bounds: Vec<Vec<i64>> = at.list(|at| at.list(Scanner::integer))?;
                let ports = body.inputs.get(n_states..).unwrap_or_default();
                let range = iteration_range(&bounds, &args, ports);
                Some(range.ok_or_else(|| inconsistent(&before, "this is no range of iterations"))?)
            }
        };
        Ok(LoopSpec { body, n, n_states, args, results, patterns, range })
    }

    fn result_mode(
        &self,
        scanner: &mut Scanner<'_>,
        inside: &Pattern,
    ) -> Read<(ResultMode, Pattern)> {
        let before = scanner.clone();
        if scanner.peek() != Some(b'[') {
            let name = scanner.string()?;
            return match reduction(&name) {
                Some(reduction) => Ok((ResultMode::Reduce(reduction), inside.clone())),
                None => Err(unknown(
                    &before,
                    "mode of a result",
                    &name,
                    vec!["sum", "prod", "max", "min"],
                )),
            };
        }
        scanner.open()?;
        keyword(scanner, "window", "mode of a result")?;
        scanner.step(1)?;
        let pattern = self.pattern(scanner)?;
        Ok((ResultMode::Window(window(scanner, 2)?), pattern))
    }
}

/// The first item of a list.
fn keyword(scanner: &mut Scanner<'_>, wanted: &str, what: &str) -> Read<()> {
    scanner.step(0)?;
    let before = scanner.clone();
    let name = scanner.string()?;
    if name == wanted { Ok(()) } else { Err(unknown(&before, what, &name, vec![wanted])) }
}

fn arg_mode(scanner: &mut Scanner<'_>) -> Read<ArgMode> {
    const WHAT: &str = "mode of an argument";
    let known = || vec!["whole", "iteration", "window"];
    let before = scanner.clone();
    if scanner.peek() != Some(b'[') {
        let name = scanner.string()?;
        return match &*name {
            "whole" => Ok(ArgMode::Broadcast),
            _ => Err(unknown(&before, WHAT, &name, known())),
        };
    }
    scanner.open()?;
    scanner.step(0)?;
    let before = scanner.clone();
    let name = scanner.string()?;
    match &*name {
        "iteration" => {
            scanner.step(1)?;
            let base = scanner.integer()?;
            scanner.step(2)?;
            let step = scanner.integer()?;
            scanner.close()?;
            Ok(ArgMode::Iteration { base, step })
        }
        "window" => Ok(ArgMode::Window(window(scanner, 1)?)),
        _ => Err(unknown(&before, WHAT, &name, known())),
    }
}

/// The pattern of a node that follows from its arguments; that of a broken one is refused later.
fn implied(graph: &Graph, op: Op, args: &[NodeId], attr: &Attr) -> Pattern {
    let found = match (op, attr, args) {
        (Op::Concat, ..) => {
            let total = args.iter().map(|&a| graph.nnz(a) as u64).sum();
            Pattern::try_dense(total, 1).ok()
        }
        (Op::Result, Attr::Number(k), &[of, ..]) => match graph.payload(of) {
            Some(Payload::Call(f) | Payload::Cond(f, _)) => {
                f.outputs.get(*k as usize).map(|port| port.pattern.clone())
            }
            Some(Payload::Loop(spec)) => spec.result_patterns().nth(*k as usize).cloned(),
            _ => None,
        },
        _ => None,
    };
    // Not empty, so that the message is about what is wrong.
    found.unwrap_or(Pattern::scalar())
}

/// Name, node and unit of an output.
fn output(scanner: &mut Scanner<'_>, nodes: &[NodeId]) -> Read<(Arc<str>, NodeId, Vec<Arc<str>>)> {
    let entries = scanner.object(&["name", "node", "unit"])?;
    let mut at = entries.need("node")?;
    let before = at.clone();
    let number: usize = at.integer()?;
    let Some(&node) = nodes.get(number) else {
        return Err(inconsistent(&before, format!("there are {} nodes", nodes.len())));
    };
    let unit = entries.read("unit", |s| s.list(shared))?.unwrap_or_default();
    Ok((shared(&mut entries.need("name")?)?, node, unit))
}

/// Two bounds, each a base and then argument and factor of each term; the arguments are whole.
fn iteration_range(
    bounds: &[Vec<i64>],
    args: &[ArgMode],
    ports: &[Port],
) -> Option<IterationRange> {
    let bound = |numbers: &[i64]| {
        let (&base, terms) = numbers.split_first()?;
        let term = |pair: &[i64]| {
            let &[k, factor] = pair else { return None };
            let k = usize::try_from(k).ok()?;
            let is_number = ports.get(k)?.pattern == Pattern::scalar();
            (is_number && args.get(k)? == &ArgMode::Broadcast).then_some((k, factor))
        };
        Some(Bound { base, terms: terms.chunks(2).map(term).collect::<Option<_>>()? })
    };
    let [first, last] = bounds else { return None };
    Some(IterationRange { first: bound(first)?, last: bound(last)? })
}
