//! The actions of the grammar: puts nodes into the arenas and reports what the grammar accepts
//! although the language does not, so that the message can be specific.

use super::ast::*;
use super::codes::Code;
use super::diagnostic::{Diagnostic, did_you_mean};
use super::lexer::MAX_DIAGNOSTICS;
use super::token::Token;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// What one run of the grammar gives.
pub enum Parsed {
    /// A statement of the file.
    Statement(StatementKind),
    /// A lone expression.
    Expr(ExprId),
}

/// A line of the body of a `fn` or a loop.
pub enum BlockLine {
    /// `let a = b`
    Let(Let),
    /// The result.
    Value(ExprId),
}

/// A line of a repeated constraint.
pub enum ForLine {
    /// `let a = b`
    Let(Let),
    /// The constraint.
    Relation(Relation),
}

/// An argument or an entry of a matrix before it is known to be well placed.
pub struct Entry {
    /// `order` in `order = 3`
    pub name: Option<Name>,
    /// The value.
    pub value: ExprId,
    /// The clauses after it.
    pub clauses: Vec<Clause>,
}

/// The state of the parser apart from the grammar's own stack.
pub struct Builder<'source> {
    source: &'source str,
    /// The tokens of the statement at hand; locations of the grammar are positions in it.
    pub tokens: Vec<Token>,
    /// The tree so far.
    pub ast: Ast,
    /// The mistakes so far.
    pub diagnostics: Vec<Diagnostic>,
    /// The depth of each expression.
    depths: Vec<u32>,
    /// Whether the statement at hand has been found too deep, which is said once.
    is_too_deep: bool,
    names: FxHashMap<&'source str, Arc<str>>,
}

/// A state of the builder to return to.
#[derive(Clone, Copy)]
pub struct Checkpoint {
    n_exprs: usize,
    n_diagnostics: usize,
}

impl<'source> Builder<'source> {
    /// For the text of a file.
    pub fn new(source: &'source str, file: FileId) -> Builder<'source> {
        Builder {
            source,
            tokens: Vec::new(),
            ast: Ast { file, ..Ast::default() },
            diagnostics: Vec::new(),
            depths: Vec::new(),
            is_too_deep: false,
            names: FxHashMap::default(),
        }
    }

    /// The present state, before a statement is parsed.
    pub fn checkpoint(&mut self) -> Checkpoint {
        self.is_too_deep = false;
        Checkpoint { n_exprs: self.ast.exprs.len(), n_diagnostics: self.diagnostics.len() }
    }

    /// Forgets what happened since.
    pub fn rollback(&mut self, checkpoint: Checkpoint) {
        self.ast.exprs.truncate(checkpoint.n_exprs);
        self.ast.spans.truncate(checkpoint.n_exprs);
        self.depths.truncate(checkpoint.n_exprs);
        self.diagnostics.truncate(checkpoint.n_diagnostics);
    }

    /// Adds a mistake, up to a limit for the file.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < MAX_DIAGNOSTICS {
            self.diagnostics.push(diagnostic);
        }
    }

    /// The text of a token; empty for those that are not written.
    pub fn token_text(&self, at: usize) -> &'source str {
        let token = self.tokens.get(at);
        token.map_or("", |token| &self.source[token.start as usize..token.end as usize])
    }

    /// Where the line that holds a byte ends.
    pub fn line_end(&self, at: u32) -> u32 {
        let rest = &self.source[at as usize..];
        at + rest.find('\n').unwrap_or(rest.len()) as u32
    }

    /// The span of the tokens from `start` to before `end`.
    pub fn span(&self, start: usize, end: usize) -> Span {
        let first = self.tokens.get(start).or(self.tokens.last());
        let last = self.tokens.get(end.saturating_sub(1).max(start)).or(self.tokens.last());
        Span {
            file: self.ast.file,
            start: first.map_or(0, |token| token.start),
            end: last.map_or(0, |token| token.end),
        }
    }

    pub(super) fn name(&mut self, at: usize) -> Name {
        let text = self.token_text(at);
        Name { text: self.intern(text), span: self.span(at, at + 1) }
    }

    pub(super) fn text(&mut self, at: usize) -> Name {
        let quoted = self.token_text(at);
        let text = quoted.get(1..).unwrap_or("");
        let text = text.strip_suffix(['"', '\'']).unwrap_or(text);
        Name { text: self.intern(text), span: self.span(at, at + 1) }
    }

    /// One copy of each text.
    pub fn intern(&mut self, text: &'source str) -> Arc<str> {
        self.names.entry(text).or_insert_with(|| Arc::from(text)).clone()
    }

    pub(super) fn number(&mut self, at: usize) -> ExprId {
        // The lexer has reported what is no number.
        let value = self.token_text(at).parse().map_or(Expr::Error, Expr::Number);
        self.expr(value, at, at + 1)
    }

    pub(super) fn expr(&mut self, expr: Expr, start: usize, end: usize) -> ExprId {
        let mut depth = 0;
        expr.for_each_operand(|operand| depth = depth.max(self.depths[operand.index()] + 1));
        let span = self.span(start, end);
        if depth < MAX_DEPTH {
            return self.push(expr, span, depth);
        }
        if !std::mem::replace(&mut self.is_too_deep, true) {
            let message = format!("the expression is nested more than {MAX_DEPTH} deep");
            let diagnostic = Diagnostic::new(Code::NestedTooDeeply, span, message);
            self.report(diagnostic.help("name parts of the formula with `let`"));
        }
        self.push(Expr::Error, span, 0)
    }

    fn push(&mut self, expr: Expr, span: Span, depth: u32) -> ExprId {
        let id = ExprId(self.ast.exprs.len() as u32);
        self.ast.exprs.push(expr);
        self.ast.spans.push(span);
        self.depths.push(depth);
        id
    }

    fn error_expr(&mut self, span: Span) -> ExprId {
        self.push(Expr::Error, span, 0)
    }

    fn before(&self, value: ExprId) -> Span {
        let span = self.ast.span(value);
        Span { end: span.start, ..span }
    }

    pub(super) fn first_term(&self, value: ExprId) -> Term {
        Term { negative: false, operator: self.before(value), value }
    }

    pub(super) fn first_factor(&self, value: ExprId) -> Factor {
        Factor { product: ProductOperator::Times, operator: self.before(value), value }
    }

    pub(super) fn compare(
        &mut self,
        start: usize,
        first: ExprId,
        rest: Vec<(Comparison, Span, ExprId)>,
        end: usize,
    ) -> ExprId {
        if let [(comparison, operator, right)] = rest[..] {
            return self.expr(
                Expr::Compare { comparison, operator, left: first, right },
                start,
                end,
            );
        }
        let span = self.span(start, end);
        let second = rest.get(1).map_or(span, |&(_, operator, _)| operator);
        let middle = rest.first().map_or("b", |&(_, _, middle)| {
            let span = self.ast.span(middle);
            &self.source[span.start as usize..span.end as usize]
        });
        let middle = if middle.len() <= 20 { middle } else { "b" };
        let help = format!("join two comparisons: `a < {middle} and {middle} < c`");
        self.report(
            Diagnostic::new(Code::ComparisonChain, second, "comparisons do not chain").help(help),
        );
        self.error_expr(span)
    }

    pub(super) fn matrix(&mut self, start: usize, mut rows: Vec<Vec<Entry>>, end: usize) -> ExprId {
        if let [row] = &mut rows[..]
            && let [_] = row[..]
            && row[0].clauses.first().is_some_and(|clause| matches!(clause, Clause::For(_)))
            && let Some(Entry { value, clauses, .. }) = row.pop()
        {
            return self.expr(Expr::Comprehension { function: None, value, clauses }, start, end);
        }
        self.check_clauses(rows.iter().flatten());
        let rows = rows
            .into_iter()
            .map(|row| row.into_iter().map(|entry| entry.value).collect())
            .collect();
        self.expr(Expr::Matrix { rows }, start, end)
    }

    pub(super) fn call(
        &mut self,
        start: usize,
        function: Name,
        mut entries: Vec<Entry>,
        end: usize,
    ) -> ExprId {
        if let [entry] = &entries[..]
            && entry.clauses.first().is_some_and(|clause| matches!(clause, Clause::For(_)))
            && let Some(Entry { value, clauses, .. }) = entries.pop()
        {
            let function = Some(function);
            return self.expr(Expr::Comprehension { function, value, clauses }, start, end);
        }
        let arguments = self.options(entries);
        self.expr(Expr::Call { function, arguments }, start, end)
    }

    /// Arguments without clauses, those with a name last.
    pub(super) fn options(&mut self, entries: Vec<Entry>) -> Vec<Argument> {
        self.check_clauses(entries.iter());
        let mut named: Vec<Name> = Vec::new();
        for entry in &entries {
            let Some(name) = &entry.name else {
                if !named.is_empty() {
                    let span = self.ast.span(entry.value);
                    self.report(Diagnostic::new(
                        Code::ArgumentOrder,
                        span,
                        "an argument without a name after one with a name",
                    ));
                }
                continue;
            };
            if let Some(first) = named.iter().find(|other| other.text == name.text) {
                let diagnostic = Diagnostic::new(
                    Code::ArgumentOrder,
                    name.span,
                    format!("the argument `{}` is given twice", name.text),
                );
                let diagnostic = diagnostic.secondary(first.span, "first given here");
                self.report(diagnostic);
            } else if named.len() < 100 {
                named.push(name.clone());
            }
        }
        let argument = |entry: Entry| Argument { name: entry.name, value: entry.value };
        entries.into_iter().map(argument).collect()
    }

    /// Reports clauses that do not belong to the only value in its brackets.
    fn check_clauses<'a>(&mut self, entries: impl Iterator<Item = &'a Entry>) {
        for entry in entries {
            let Some(clause) = entry.clauses.first() else { continue };
            let value = self.ast.span(entry.value);
            let mut diagnostic = match clause {
                Clause::If(condition) => Diagnostic::new(
                    Code::MisplacedClause,
                    self.ast.span(*condition),
                    "the first clause of a comprehension is a `for`",
                )
                .help("a choice is `if c then a else b`"),
                Clause::For(iteration) => Diagnostic::new(
                    Code::MisplacedClause,
                    iteration.index.span,
                    "nothing else stands in the brackets of a comprehension",
                )
                .help("give the comprehension brackets of its own"),
            };
            diagnostic = diagnostic.secondary(value, "the value that is repeated");
            self.report(diagnostic);
        }
    }

    pub(super) fn pattern(&mut self, name: Name) -> Option<Pattern> {
        let kind = match &*name.text {
            "sym" => PatternKind::Sym,
            "diag" => PatternKind::Diag,
            "lower" => PatternKind::Lower,
            "upper" => PatternKind::Upper,
            "sparse" => PatternKind::Sparse,
            _ => return self.bad_pattern(name),
        };
        Some(Pattern { kind, span: name.span })
    }

    pub(super) fn pattern_of(
        &mut self,
        start: usize,
        name: Name,
        arguments: Vec<ExprId>,
        end: usize,
    ) -> Option<Pattern> {
        let kind = match (&*name.text, &arguments[..]) {
            ("band", &[lower, upper]) => PatternKind::Band { lower, upper },
            ("entries", &[entries]) => PatternKind::Entries(entries),
            _ => return self.bad_pattern(name),
        };
        Some(Pattern { kind, span: self.span(start, end) })
    }

    pub(super) fn pattern_drawn(
        &mut self,
        start: usize,
        name: Name,
        rows: Vec<Name>,
        end: usize,
    ) -> Option<Pattern> {
        if &*name.text != "pattern" {
            return self.bad_pattern(name);
        }
        Some(Pattern { kind: PatternKind::Drawn(rows), span: self.span(start, end) })
    }

    fn bad_pattern(&mut self, name: Name) -> Option<Pattern> {
        const KNOWN: [&str; 8] =
            ["sym", "diag", "lower", "upper", "band", "entries", "pattern", "sparse"];
        let (message, help) = match &*name.text {
            "band" => ("`band` takes two numbers", "`band(l, u)`".to_string()),
            "entries" => ("`entries` takes one list", "`entries([r, c; r, c])`".to_string()),
            "pattern" => ("`pattern` takes texts", "`pattern(\"x..\", \"xx.\")`".to_string()),
            "sym" | "diag" | "lower" | "upper" | "sparse" => {
                ("this pattern takes no arguments", format!("`{}`", name.text))
            }
            other => (
                "this is no pattern",
                match did_you_mean(other, KNOWN) {
                    Some(near) => format!("`{near}`"),
                    None => "sym, diag, lower, upper, band(l, u), entries([..]), pattern(\"..\") \
                             or sparse"
                        .to_string(),
                },
            ),
        };
        let diagnostic = Diagnostic::new(Code::UnknownPattern, name.span, message);
        self.report(diagnostic.help(format!("write {help}")));
        None
    }

    pub(super) fn let_(
        &mut self,
        start: usize,
        names: Vec<Name>,
        values: Vec<ExprId>,
        end: usize,
    ) -> Let {
        let span = self.span(start, end);
        let is_call =
            |value: &ExprId| matches!(self.ast.expr(*value), Expr::Call { .. } | Expr::Error);
        let fits = names.len() == values.len() || matches!(&values[..], [one] if is_call(one));
        if !fits {
            let count =
                |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
            let message =
                format!("{} for {}", count(values.len(), "value"), count(names.len(), "name"));
            let diagnostic = Diagnostic::new(Code::LetCount, span, message);
            self.report(diagnostic.help(
                "write one expression for each name, or one call of a function with as many results",
            ));
        }
        Let { names, values, span }
    }

    /// The body of a loop; `end` is behind its closing brace.
    pub(super) fn block(&mut self, lines: Vec<Option<BlockLine>>, end: usize) -> Block {
        let has_bad_line = lines.iter().any(Option::is_none);
        let (lets, result) = self.lines(lines);
        let brace = self.span(end.saturating_sub(1), end);
        if result.is_none() && !has_bad_line {
            self.missing_result(brace);
        }
        let result = result.unwrap_or_else(|| self.error_expr(brace));
        Block { lets, result }
    }

    fn missing_result(&mut self, span: Span) {
        self.report(
            Diagnostic::new(Code::BlockResult, span, "the block ends without a result")
                .help("the last line is an expression; one that begins with `-` stands in `(...)`"),
        );
    }

    fn lines(&mut self, lines: Vec<Option<BlockLine>>) -> (Vec<Let>, Option<ExprId>) {
        let mut lets = Vec::new();
        let mut result: Option<ExprId> = None;
        for line in lines.into_iter().flatten() {
            // Only the last line may be a value.
            if let Some(early) = result.take() {
                let span = self.ast.span(early);
                self.report(
                    Diagnostic::new(Code::BlockResult, span, "the block goes on after its result")
                        .help("name a value with `let`; the last line is the result"),
                );
            }
            match line {
                BlockLine::Let(let_) => lets.push(let_),
                BlockLine::Value(value) => result = Some(value),
            }
        }
        (lets, result)
    }

    pub(super) fn function(
        &mut self,
        name: Name,
        parameters: Vec<Declared>,
        results: Results,
        (lines, end): (Vec<Option<BlockLine>>, Option<usize>),
        jvp: Option<(Name, Name)>,
    ) -> StatementKind {
        let has_bad_line = lines.iter().any(Option::is_none);
        let (lets, result) = self.lines(lines);
        let brace = end.map_or(name.span, |end| self.span(end.saturating_sub(1), end));
        match (&results, result) {
            (Results::Names(_), Some(value)) => {
                let span = self.ast.span(value);
                self.report(
                    Diagnostic::new(
                        Code::BlockResult,
                        span,
                        "a function with named results has no result line",
                    )
                    .help("bind each name after `->` with `let`"),
                );
            }
            (Results::Inferred | Results::Shape(_), None) if !has_bad_line => {
                self.missing_result(brace);
            }
            _ => {}
        }
        self.check_parameters(&name, &parameters);
        let jvp = self.jvp(jvp);
        let function = Function { name, parameters, results, lets, result, jvp };
        StatementKind::Fn(Box::new(function))
    }

    pub(super) fn extern_function(
        &mut self,
        name: Name,
        parameters: Vec<Declared>,
        shape: Option<Vec<ExprId>>,
        jvp: Option<(Name, Name)>,
    ) -> StatementKind {
        self.check_parameters(&name, &parameters);
        let jvp = self.jvp(jvp);
        let shape = shape.unwrap_or_default();
        StatementKind::ExternFn(Box::new(ExternFunction { name, parameters, shape, jvp }))
    }

    fn check_parameters(&mut self, name: &Name, parameters: &[Declared]) {
        if parameters.is_empty() {
            self.report(
                Diagnostic::new(
                    Code::NoParameters,
                    name.span,
                    format!("the function `{}` has no parameters", name.text),
                )
                .help(format!("a value without parameters is `let {} = ...`", name.text)),
            );
        }
    }

    fn jvp(&mut self, jvp: Option<(Name, Name)>) -> Option<Name> {
        let (option, function) = jvp?;
        if &*option.text != "jvp" {
            let message = format!("a function has no option `{}`", option.text);
            let diagnostic = Diagnostic::new(Code::UnknownOption, option.span, message);
            self.report(diagnostic.help("a derivative of one's own is `with jvp = g`"));
        }
        Some(function)
    }

    pub(super) fn constraint(
        &mut self,
        name: Name,
        iteration: Iteration,
        lines: Vec<Option<ForLine>>,
    ) -> Constraint {
        let has_bad_line = lines.iter().any(Option::is_none);
        let mut lets = Vec::new();
        let mut relations = Vec::new();
        for line in lines.into_iter().flatten() {
            match line {
                ForLine::Let(let_) if relations.is_empty() => lets.push(let_),
                ForLine::Let(let_) => {
                    let message = "a `let` after the constraint it belongs to";
                    self.report(Diagnostic::new(Code::NotAConstraint, let_.span, message));
                }
                ForLine::Relation(relation) => relations.push(relation),
            }
        }
        if relations.len() != 1 && !has_bad_line {
            let message =
                format!("`{}` repeats one constraint, not {}", name.text, relations.len());
            let diagnostic = Diagnostic::new(Code::NotAConstraint, name.span, message);
            self.report(diagnostic.help("give every constraint a name of its own"));
        }
        let relation = relations
            .into_iter()
            .next()
            .unwrap_or_else(|| Relation { first: self.error_expr(name.span), rest: Vec::new() });
        Constraint { name, iteration: Some(iteration), lets, relation }
    }

    /// Reports relations that are not constraints; an equation has one `==`.
    fn check_relations(&mut self, constraints: &[Constraint], equations_only: bool) {
        use Comparison::{Equal, GreaterEqual, LessEqual};
        for constraint in constraints {
            let rest = &constraint.relation.rest;
            let fits = match rest[..] {
                [] => true,
                [(comparison, ..)] if equations_only => comparison == Equal,
                [(comparison, ..)] => matches!(comparison, Equal | LessEqual | GreaterEqual),
                [(first, ..), (second, ..)] if !equations_only => {
                    first == second && matches!(first, LessEqual | GreaterEqual)
                }
                _ => false,
            };
            if !fits {
                let operator = rest[rest.len() - 1].1;
                let (what, help) = if equations_only {
                    ("an equation", "write `name: a == b`")
                } else {
                    ("a constraint", "write `a == b`, `a <= b`, `a >= b` or `lo <= e <= hi`")
                };
                let message = format!("`{}` is not {what}", constraint.name.text);
                let diagnostic = Diagnostic::new(Code::NotAConstraint, operator, message);
                self.report(diagnostic.help(help));
            }
        }
    }

    pub(super) fn root(
        &mut self,
        unknown: Declared,
        start: ExprId,
        options: Option<Options>,
        equations: Vec<Option<Constraint>>,
    ) -> StatementKind {
        let equations: Vec<Constraint> = equations.into_iter().flatten().collect();
        self.check_relations(&equations, true);
        StatementKind::Root(Box::new(Root { unknown, start, options, equations }))
    }

    pub(super) fn ode(
        &mut self,
        name: Name,
        iteration: Iteration,
        options: Option<Options>,
        items: Vec<Option<OdeItem>>,
    ) -> StatementKind {
        let items = items.into_iter().flatten().collect();
        StatementKind::Ode(Box::new(Ode { name, iteration, options, items }))
    }

    pub(super) fn subject_to(&mut self, lines: Vec<Option<Constraint>>) -> StatementKind {
        let constraints: Vec<Constraint> = lines.into_iter().flatten().collect();
        self.check_relations(&constraints, false);
        StatementKind::SubjectTo(constraints)
    }

    pub(super) fn test(&mut self, name: Name, items: Vec<Option<TestItem>>) -> StatementKind {
        let items = items.into_iter().flatten().collect();
        StatementKind::Test(Box::new(Test { name, items }))
    }
}
