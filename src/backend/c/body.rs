//! One kernel as static C functions: one local per value, loops as `for`, conditionals as `if`.

use std::fmt::Write;

use super::plan::{Item, Place, Plan, for_each_definition, for_each_use};
use super::source::{Callable, Registry};
use super::text::{comment, number, without_parentheses};
use crate::kernel::ir::{
    Addr, AddrId, Affine, Base, Callee, Inst, Kernel, LoopId, Port, Trip, Val,
};
use crate::ops::scalar::ScalarOp;

/// Deepest indentation; nesting may go on below it.
const MAX_INDENT: usize = 16;

/// Writes `kernel` as the static function `name` (and its pieces) and gives how to call it.
pub fn write(registry: &mut Registry, kernel: &Kernel, name: &str, doc: &str) -> Callable {
    let plan = Plan::new(kernel);
    let spill = kernel.work_len;
    let end = spill + plan.n_slots;
    let mut body = Body {
        registry,
        kernel,
        plan: &plan,
        spill,
        end,
        work_len: if plan.n_slots > 0 { end } else { 0 },
        fallible: false,
        out: String::new(),
        indent: 1,
        arg_names: port_names(&kernel.args, "in"),
        res_names: port_names(&kernel.res, "out"),
        declared: vec![0; kernel.n_values as usize],
        stamps: [0, 0],
        next_stamp: 0,
        uses: Uses::default(),
    };
    let mut functions = Vec::new();
    let mut begin = 0;
    for (piece, &end) in plan.pieces.iter().enumerate() {
        functions.push(body.piece(piece as u32, begin..end));
        begin = end;
    }
    let work_len = body.work_len;
    let fallible = body.fallible;
    let kind = if fallible { "int" } else { "void" };
    let n_pieces = functions.len();
    let mut calls = String::new();
    let mut text = String::new();
    for (piece, function) in functions.into_iter().enumerate() {
        let (qualifier, symbol) = if n_pieces == 1 {
            _ = writeln!(text, "/* {doc} */");
            ("static", name.to_string())
        } else {
            let symbol = registry.names.fresh(&format!("{name}_part{}", piece + 1));
            if fallible {
                _ = writeln!(calls, "  status = {symbol}(arg, res, w);");
                calls.push_str("  if (status) return status;\n");
            } else {
                _ = writeln!(calls, "  {symbol}(arg, res, w);");
            }
            registry.uses_noinline = true;
            ("NABLAC_NOINLINE static", symbol)
        };
        _ = writeln!(
            text,
            "{qualifier} {kind} {symbol}(const double** arg, double** res, double* NABLAC_RESTRICT w) {{"
        );
        text.push_str(&function);
        text.push_str(if fallible { "  return 0;\n}\n\n" } else { "}\n\n" });
    }
    if n_pieces > 1 {
        _ = writeln!(text, "/* {doc} */");
        _ = writeln!(text, "static {kind} {name}(const double** arg, double** res, double* w) {{");
        if fallible {
            text.push_str("  int status;\n");
        }
        text.push_str(&calls);
        text.push_str(if fallible { "  return 0;\n}\n\n" } else { "}\n\n" });
    }
    registry.functions.push_str(&text);
    Callable { name: name.to_string(), work_len: work_len.max(kernel.work_len), fallible, plan }
}

/// Names of the local pointers: `in_x`, or `in0` when the names of the ports do not serve.
fn port_names(ports: &[Port], prefix: &str) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    let usable = ports.iter().all(|port| {
        let name = &port.name;
        super::text::is_identifier(name) && seen.insert(name)
    });
    let name = |(idx, port): (usize, &Port)| {
        if usable { format!("{prefix}_{}", port.name) } else { format!("{prefix}{idx}") }
    };
    ports.iter().enumerate().map(name).collect()
}

/// Which pointers a function uses.
#[derive(Default)]
struct Uses {
    args: Vec<bool>,
    res: Vec<bool>,
    work: bool,
}

struct Body<'a> {
    registry: &'a mut Registry,
    kernel: &'a Kernel,
    plan: &'a Plan,
    /// Where the slots for values that cross pieces begin.
    spill: usize,
    /// One past the slots.
    end: usize,
    work_len: usize,
    fallible: bool,
    out: String,
    indent: usize,
    arg_names: Vec<String>,
    res_names: Vec<String>,
    /// The scope that declares the value, for values of other pieces.
    declared: Vec<u32>,
    /// Scopes that are open: the piece and the guard of a wanted result.
    stamps: [u32; 2],
    next_stamp: u32,
    uses: Uses,
}

impl Body<'_> {
    /// Statements of a piece, its pointer declarations first.
    fn piece(&mut self, piece: u32, items: std::ops::Range<usize>) -> String {
        self.out = String::new();
        self.uses = Uses {
            args: vec![false; self.kernel.args.len()],
            res: vec![false; self.kernel.res.len()],
            work: false,
        };
        self.stamps = [self.stamp(), 0];
        let mut wanted = None;
        let plan = self.plan;
        for item in &plan.items[items] {
            if item.wanted != wanted {
                self.close_guard(wanted);
                self.open_guard(item.wanted);
                wanted = item.wanted;
            }
            self.item(piece, item);
        }
        self.close_guard(wanted);
        self.prologue() + &self.out
    }

    fn stamp(&mut self) -> u32 {
        self.next_stamp += 1;
        self.next_stamp
    }

    fn open_guard(&mut self, wanted: Option<u32>) {
        if let Some(res) = wanted {
            self.uses.res[res as usize] = true;
            let test = format!("if ({}) {{", self.res_names[res as usize]);
            self.line(&test);
            self.indent += 1;
            self.stamps[1] = self.stamp();
        }
    }

    fn close_guard(&mut self, wanted: Option<u32>) {
        if wanted.is_some() {
            self.close();
            self.stamps[1] = 0;
        }
    }

    fn prologue(&self) -> String {
        let mut out = String::new();
        for (idx, name) in self.arg_names.iter().enumerate() {
            if self.uses.args[idx] {
                _ = writeln!(out, "  const double* NABLAC_RESTRICT {name} = arg[{idx}];");
            }
        }
        for (idx, name) in self.res_names.iter().enumerate() {
            if self.uses.res[idx] {
                _ = writeln!(out, "  double* NABLAC_RESTRICT {name} = res[{idx}];");
            }
        }
        if !self.uses.args.contains(&true) {
            out.push_str("  (void)arg;\n");
        }
        if !self.uses.res.contains(&true) {
            out.push_str("  (void)res;\n");
        }
        if !self.uses.work {
            out.push_str("  (void)w;\n");
        }
        out
    }

    fn item(&mut self, piece: u32, item: &Item) {
        let (kernel, plan) = (self.kernel, self.plan);
        let insts = &kernel.insts[item.start..item.end];
        if plan.pieces.len() > 1 {
            for inst in insts {
                for_each_use(kernel, inst, &plan.live, |val| self.fetch(piece, val));
            }
        }
        for inst in insts {
            self.inst(inst);
        }
        for_each_definition(kernel, item, |val, _| {
            if let Place::Slot(slot) = plan.places[val as usize] {
                self.uses.work = true;
                let slot = self.spill + slot;
                self.line(&format!("w[{slot}] = v{val};"));
            }
        });
    }

    /// Declares a value of another piece where the open scopes do not have it yet.
    fn fetch(&mut self, piece: u32, val: Val) {
        let known = self.declared[val as usize];
        if known != 0 && self.stamps.contains(&known) {
            return;
        }
        let source = match self.plan.places[val as usize] {
            Place::Reload(addr) => self.element(addr),
            Place::Slot(slot) if self.plan.piece_of[val as usize] != piece => {
                self.uses.work = true;
                format!("w[{}]", self.spill + slot)
            }
            _ => return,
        };
        let [in_piece, in_guard] = self.stamps;
        self.declared[val as usize] = if in_guard != 0 { in_guard } else { in_piece };
        self.line(&format!("const double v{val} = {source};"));
    }

    fn line(&mut self, text: &str) {
        for _ in 0..self.indent.min(MAX_INDENT) {
            self.out.push_str("  ");
        }
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn close(&mut self) {
        self.indent -= 1;
        self.line("}");
    }

    fn is_live(&self, val: Val) -> bool {
        self.plan.live[val as usize]
    }

    /// Declares the local of `dst`.
    fn define(&mut self, dst: Val, expression: &str) {
        self.line(&format!("const double v{dst} = {expression};"));
    }

    fn val(&self, val: Val) -> String {
        match self.plan.places[val as usize] {
            Place::Literal(value) => number(value),
            _ => format!("v{val}"),
        }
    }

    fn inst(&mut self, inst: &Inst) {
        match *inst {
            Inst::Const { .. } | Inst::IfWanted { .. } | Inst::EndWanted => {}
            Inst::Load { dst, addr } => {
                let here = !matches!(self.plan.places[dst as usize], Place::Reload(_));
                if here && self.is_live(dst) {
                    let element = self.element(addr);
                    self.define(dst, &element);
                }
            }
            Inst::Store { addr, src } => {
                let statement = format!("{} = {};", self.element(addr), self.bare(src));
                self.line(&statement);
            }
            Inst::Accumulate { addr, src } => {
                let statement = format!("{} += {};", self.element(addr), self.bare(src));
                self.line(&statement);
            }
            Inst::Apply { dst, op, args } => {
                if self.is_live(dst) {
                    let expression = self.apply(op, args);
                    self.define(dst, without_parentheses(&expression));
                }
            }
            Inst::Counter { dst, info } => {
                if self.is_live(dst) {
                    let counter = self.kernel.counters[info as usize];
                    let mut text = format!("(double)i{}", counter.loop_id);
                    if counter.step != 1.0 {
                        text = format!("{} * {text}", number(counter.step));
                    }
                    if counter.base != 0.0 {
                        text = format!("{} + {text}", number(counter.base));
                    }
                    self.define(dst, &text);
                }
            }
            Inst::Loop { id } => self.open_loop(id),
            Inst::EndLoop { id } => self.close_loop(id),
            Inst::If { cond, id } => {
                for &(dst, ..) in &self.kernel.conds[id as usize].phis {
                    if self.is_live(dst) {
                        self.line(&format!("double v{dst};"));
                    }
                }
                let test = format!("if ({} != 0.0) {{", self.val(cond));
                self.line(&test);
                self.indent += 1;
            }
            Inst::Else { id } => {
                for &(dst, first, _) in &self.kernel.conds[id as usize].phis {
                    self.assign(dst, first);
                }
                self.indent -= 1;
                self.line("} else {");
                self.indent += 1;
            }
            Inst::EndIf { id } => {
                for &(dst, _, second) in &self.kernel.conds[id as usize].phis {
                    self.assign(dst, second);
                }
                self.close();
            }
            Inst::Call { id } => self.call(id),
            Inst::Check { value, id } => self.check(value, id),
        }
    }

    /// A value where no operator follows.
    fn bare(&self, val: Val) -> String {
        without_parentheses(&self.val(val)).to_string()
    }

    fn assign(&mut self, dst: Val, src: Val) {
        if dst != src && self.is_live(dst) {
            let statement = format!("v{dst} = {};", self.bare(src));
            self.line(&statement);
        }
    }

    fn apply(&mut self, op: ScalarOp, args: [Val; 3]) -> String {
        let row = op.row();
        self.registry.helper(row.c_helper);
        self.registry.uses_fma |= op == ScalarOp::Fma;
        let mut out = String::with_capacity(row.c.len() + 16);
        let mut rest = row.c;
        while let Some(at) = rest.find('{') {
            out.push_str(&rest[..at]);
            let argument = match &rest[at..(at + 3).min(rest.len())] {
                "{a}" => Some(args[0]),
                "{b}" => Some(args[1]),
                "{c}" => Some(args[2]),
                _ => None,
            };
            match argument {
                Some(val) => {
                    out.push_str(&self.val(val));
                    rest = &rest[at + 3..];
                }
                None => {
                    out.push('{');
                    rest = &rest[at + 1..];
                }
            }
        }
        out.push_str(rest);
        out
    }

    fn open_loop(&mut self, id: LoopId) {
        let info = &self.kernel.loops[id as usize];
        for carried in &info.carried {
            if self.is_live(carried.dst) {
                let statement = format!("double v{} = {};", carried.dst, self.bare(carried.init));
                self.line(&statement);
            }
        }
        let bound = match &info.trip {
            Trip::Const(n) => n.to_string(),
            Trip::Rest { limit, total, used } => {
                let rest = Affine {
                    offset: (*total as i64).wrapping_sub(used.offset),
                    terms: used.terms.iter().map(|&(l, stride)| (l, -stride)).collect(),
                };
                let rest = affine(&rest);
                self.line(&format!(
                    "const casadi_int n{id} = {rest} < {limit} ? {rest} : {limit};"
                ));
                format!("n{id}")
            }
        };
        self.line(&format!("for (casadi_int i{id} = 0; i{id} < {bound}; i{id}++) {{"));
        self.indent += 1;
        if info.poll != 0 && self.registry.options.hosted {
            self.fallible = true;
            let status = self.registry.status("cancelled".to_string());
            let due = match info.poll {
                1 => String::new(),
                poll => format!("i{id} % {poll} == 0 && "),
            };
            self.line(&format!("if ({due}nablac_host_poll()) return {status};"));
        }
    }

    fn close_loop(&mut self, id: LoopId) {
        let kernel = self.kernel;
        let carried = &kernel.loops[id as usize].carried;
        let moves: Vec<(Val, Val)> = carried
            .iter()
            .filter(|c| self.is_live(c.dst) && c.dst != c.next)
            .map(|c| (c.dst, c.next))
            .collect();
        let targets: std::collections::HashSet<Val> = moves.iter().map(|m| m.0).collect();
        // a value that is overwritten before it is read needs a copy
        let mut copied = std::collections::HashSet::new();
        for &(_, next) in &moves {
            if targets.contains(&next) && copied.insert(next) {
                self.line(&format!("const double old{next} = v{next};"));
            }
        }
        for &(dst, next) in &moves {
            if copied.contains(&next) {
                self.line(&format!("v{dst} = old{next};"));
            } else {
                self.assign(dst, next);
            }
        }
        self.close();
    }

    fn call(&mut self, id: u32) {
        let kernel = self.kernel;
        let call = &kernel.calls[id as usize];
        let args = self.pointers(&call.args);
        let res = self.pointers(&call.res);
        self.line("{");
        self.indent += 1;
        for (kind, name, pointers) in [("const double*", "a", args), ("double*", "r", res)] {
            let n = pointers.len().max(1);
            let list = if pointers.is_empty() { "0".to_string() } else { pointers.join(", ") };
            self.line(&format!("{kind} {name}{id}[{n}] = {{{list}}};"));
        }
        match &call.callee {
            Callee::Kernel(callee) => {
                let target = self.registry.callable(callee);
                let (name, work_len, fallible) =
                    (target.name.clone(), target.work_len, target.fallible);
                // spilled values of the callee have no room in the memory planned for it
                let at = if work_len > callee.work_len { self.end } else { call.work };
                let work = if work_len == 0 {
                    "0".to_string()
                } else {
                    self.work_len = self.work_len.max(at + work_len);
                    self.uses.work = true;
                    if at == 0 { "w".to_string() } else { format!("w + {at}") }
                };
                if fallible {
                    self.fallible = true;
                    self.line(&format!("const int status = {name}(a{id}, r{id}, {work});"));
                    self.line("if (status) return status;");
                } else {
                    self.line(&format!("{name}(a{id}, r{id}, {work});"));
                }
            }
            Callee::External(external) => {
                self.fallible = true;
                let name = self.registry.external(external);
                let status = self.registry.status(format!("external {} failed", external.name));
                self.line(&format!("if ({name}(a{id}, r{id})) return {status};"));
            }
        }
        self.close();
    }

    fn check(&mut self, value: Val, id: u32) {
        self.fallible = true;
        let check = &self.kernel.checks[id as usize];
        let range = format!("{} in {:?}..{:?}", check.input, check.lo, check.hi);
        let status = self.registry.status(format!("violated: {range} of {}", check.function));
        let text = self.val(value);
        let mut tests = Vec::new();
        if check.lo != f64::NEG_INFINITY {
            tests.push(format!("{text} >= {}", number(check.lo)));
        }
        if check.hi != f64::INFINITY {
            tests.push(format!("{text} <= {}", number(check.hi)));
        }
        if tests.is_empty() {
            tests.push(format!("!isnan({text})"));
        }
        self.line(&format!(
            "if (!({})) return {status}; /* {} */",
            tests.join(" && "),
            comment(&range)
        ));
    }

    fn pointers(&mut self, addrs: &[AddrId]) -> Vec<String> {
        addrs.iter().map(|&addr| self.pointer(addr)).collect()
    }

    fn pointer(&mut self, addr: AddrId) -> String {
        let (base, index) = self.address(addr);
        if index == "0" { base } else { format!("{base} + {index}") }
    }

    fn element(&mut self, addr: AddrId) -> String {
        let (base, index) = self.address(addr);
        format!("{base}[{index}]")
    }

    fn address(&mut self, addr: AddrId) -> (String, String) {
        let kernel = self.kernel;
        let Addr { base, index, tables } = &kernel.addrs[addr as usize];
        let base = match *base {
            Base::Arg(arg) => {
                self.uses.args[arg as usize] = true;
                self.arg_names[arg as usize].clone()
            }
            Base::Res(res) => {
                self.uses.res[res as usize] = true;
                self.res_names[res as usize].clone()
            }
            Base::Work => {
                self.uses.work = true;
                "w".to_string()
            }
            Base::Data(data) => self.registry.data(&kernel.data[data as usize]),
        };
        let mut text = String::new();
        for lookup in tables {
            let table = self.registry.table(&kernel.tables[lookup.table as usize]);
            if !text.is_empty() {
                text.push_str(" + ");
            }
            _ = write!(text, "{table}[{}]", affine(&lookup.index));
        }
        if text.is_empty() {
            text = affine(index);
        } else if index.offset != 0 || !index.terms.is_empty() {
            _ = write!(text, " + {}", affine(index));
        }
        (base, text)
    }
}

/// `3 * i0 - i1 + 2`; the offset comes first when a minus would.
fn affine(index: &Affine) -> String {
    let mut out = String::new();
    let mut offset = index.offset;
    if index.terms.iter().find(|term| term.1 != 0).is_some_and(|term| term.1 < 0) {
        out = if offset == 0 { String::new() } else { offset.to_string() };
        offset = 0;
    }
    for &(id, stride) in index.terms.iter().filter(|term| term.1 != 0) {
        let sign = match (out.is_empty(), stride < 0) {
            (true, false) => "",
            (true, true) => "-",
            (false, false) => " + ",
            (false, true) => " - ",
        };
        out.push_str(sign);
        if stride.unsigned_abs() != 1 {
            _ = write!(out, "{} * ", stride.unsigned_abs());
        }
        _ = write!(out, "i{id}");
    }
    if out.is_empty() {
        return offset.to_string();
    }
    match offset {
        0 => {}
        offset if offset < 0 => _ = write!(out, " - {}", offset.unsigned_abs()),
        offset => _ = write!(out, " + {offset}"),
    }
    out
}
