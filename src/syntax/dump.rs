//! The syntax tree as text, one statement a line, in prefix form with every grouping explicit.
//!
//! What `nablac show ast` prints, and what tests compare: two programs with the same text here
//! have the same tree up to spans and comments.

use super::ast::*;
use std::fmt::Write;

/// The text form of a file.
pub fn dump(ast: &Ast) -> String {
    let mut dump = Dump { ast, text: String::new() };
    for statement in &ast.statements {
        dump.statement(&statement.kind);
        dump.text.push('\n');
    }
    dump.text
}

/// The text form of an expression.
pub fn dump_expr(ast: &Ast, id: ExprId) -> String {
    let mut dump = Dump { ast, text: String::new() };
    dump.expr(id);
    dump.text
}

struct Dump<'a> {
    ast: &'a Ast,
    text: String,
}

/// What is still to be written, the next one last.
enum Task<'a> {
    Expr(ExprId),
    Word(&'a str),
}

impl<'a> Dump<'a> {
    fn expr(&mut self, id: ExprId) {
        let mut tasks = vec![Task::Expr(id)];
        while let Some(task) = tasks.pop() {
            match task {
                Task::Word(word) => self.text.push_str(word),
                Task::Expr(id) => {
                    let first = tasks.len();
                    self.node(id, &mut tasks);
                    tasks[first..].reverse();
                }
            }
        }
    }

    /// Writes a leaf, or lists the parts of a node in order.
    fn node(&mut self, id: ExprId, tasks: &mut Vec<Task<'a>>) {
        use Task::Word;
        let ast = self.ast;
        match ast.expr(id) {
            Expr::Error => tasks.push(Word("<error>")),
            Expr::Number(value) => write_number(&mut self.text, *value),
            Expr::Name(name) => tasks.push(Word(name)),
            Expr::End => tasks.push(Word("end")),
            Expr::Sum(terms) => {
                tasks.push(Word("(sum"));
                for term in terms {
                    tasks.push(Word(if term.negative { " -" } else { " +" }));
                    tasks.push(Task::Expr(term.value));
                }
                tasks.push(Word(")"));
            }
            Expr::Product(factors) => {
                tasks.push(Word("(product"));
                for factor in factors {
                    tasks.push(Word(match factor.product {
                        ProductOperator::Times => " *",
                        ProductOperator::Over => " /",
                        ProductOperator::ElementwiseTimes => " .*",
                        ProductOperator::ElementwiseOver => " ./",
                        ProductOperator::Solve => " \\",
                    }));
                    tasks.push(Task::Expr(factor.value));
                }
                tasks.push(Word(")"));
            }
            Expr::Negate(operand) => group(tasks, "-", &[*operand]),
            Expr::Power { base, exponent, elementwise, .. } => {
                group(tasks, if *elementwise { ".^" } else { "^" }, &[*base, *exponent]);
            }
            Expr::Transpose(operand) => group(tasks, "'", &[*operand]),
            Expr::Compare { comparison, left, right, .. } => {
                group(tasks, sign(*comparison), &[*left, *right]);
            }
            Expr::Not(operand) => group(tasks, "not", &[*operand]),
            Expr::And(operands) => group(tasks, "and", operands),
            Expr::Or(operands) => group(tasks, "or", operands),
            Expr::If { arms, otherwise } => {
                let mut operands = Vec::new();
                for arm in arms {
                    operands.extend([arm.condition, arm.value]);
                }
                operands.push(*otherwise);
                group(tasks, "if", &operands);
            }
            Expr::Call { function, arguments } => {
                tasks.extend([Word("(call "), Word(&function.text)]);
                push_arguments(tasks, arguments);
                tasks.push(Word(")"));
            }
            Expr::Comprehension { function, value, clauses } => {
                let name = function.as_ref().map_or("[]", |name| &name.text);
                tasks.extend([Word("(each "), Word(name), Word(" "), Task::Expr(*value)]);
                for clause in clauses {
                    match clause {
                        Clause::For(iteration) => push_iteration(tasks, iteration),
                        Clause::If(condition) => {
                            tasks.extend([Word(" (if "), Task::Expr(*condition), Word(")")]);
                        }
                    }
                }
                tasks.push(Word(")"));
            }
            Expr::Matrix { rows } => {
                tasks.push(Word("(matrix"));
                for row in rows {
                    tasks.push(Word(" "));
                    group(tasks, "row", row);
                }
                tasks.push(Word(")"));
            }
            Expr::Index { base, arguments } => {
                tasks.extend([Word("(index "), Task::Expr(*base)]);
                for argument in arguments {
                    tasks.push(Word(" "));
                    match argument {
                        IndexArgument::At(index) => tasks.push(Task::Expr(*index)),
                        IndexArgument::Range { lo, hi } => {
                            tasks.extend([Word("(.. "), Task::Expr(*lo)]);
                            if let Some(hi) = hi {
                                tasks.extend([Word(" "), Task::Expr(*hi)]);
                            }
                            tasks.push(Word(")"));
                        }
                        IndexArgument::All => tasks.push(Word(":")),
                    }
                }
                tasks.push(Word(")"));
            }
            Expr::Member { base, name } => {
                tasks.extend([Word("(. "), Task::Expr(*base), Word(" "), Word(&name.text)]);
                tasks.push(Word(")"));
            }
            Expr::Fold(fold) => {
                let word = if fold.keeps_all { "(scan " } else { "(fold " };
                tasks.extend([Word(word), Word(&fold.state.text), Word(" ")]);
                tasks.push(Task::Expr(fold.start));
                push_iteration(tasks, &fold.iteration);
                if let Some(options) = &fold.options {
                    push_options(tasks, options);
                }
                for let_ in &fold.body.lets {
                    tasks.push(Word(" "));
                    push_let(tasks, let_);
                }
                tasks.extend([Word(" "), Task::Expr(fold.body.result), Word(")")]);
            }
        }
    }

    fn statement(&mut self, kind: &'a StatementKind) {
        match kind {
            StatementKind::Error => self.text.push_str("<error>"),
            StatementKind::Use(path) => self.quoted("use", path),
            StatementKind::Dim(items) => self.dims(items),
            StatementKind::Index(items) => {
                self.text.push_str("index");
                for item in items {
                    self.word(&item.name);
                    self.list(" shape", &item.shape);
                    self.value(" =", item.value);
                }
            }
            StatementKind::Input(items) => {
                self.text.push_str("input");
                items.iter().for_each(|item| self.declared(item));
            }
            StatementKind::Param(items) => self.valued("param", " =", items),
            StatementKind::Var(items) => self.valued("var", " from", items),
            StatementKind::Let(let_) => self.tasks(|tasks| push_let(tasks, let_)),
            StatementKind::Fn(function) => {
                self.text.push_str("fn");
                self.word(&function.name);
                function.parameters.iter().for_each(|parameter| self.declared(parameter));
                match &function.results {
                    Results::Inferred => {}
                    Results::Shape(shape) => self.list(" ->", shape),
                    Results::Names(names) => {
                        self.text.push_str(" ->");
                        names.iter().for_each(|name| self.word(name));
                    }
                }
                self.text.push(':');
                self.lets(&function.lets);
                self.value("", function.result);
                self.jvp(&function.jvp);
            }
            StatementKind::ExternFn(function) => {
                self.text.push_str("extern fn");
                self.word(&function.name);
                function.parameters.iter().for_each(|parameter| self.declared(parameter));
                self.list(" ->", &function.shape);
                self.jvp(&function.jvp);
            }
            StatementKind::Output(items) => {
                self.text.push_str("output");
                for item in items {
                    self.word(&item.name);
                    self.value(" =", item.value);
                    self.unit(&item.unit);
                }
            }
            StatementKind::Root(root) => {
                self.text.push_str("root");
                self.declared(&root.unknown);
                self.value(" from", Some(root.start));
                self.options(&root.options);
                self.constraints(&root.equations);
            }
            StatementKind::Ode(ode) => {
                self.text.push_str("ode");
                self.word(&ode.name);
                self.iteration(&ode.iteration);
                self.options(&ode.options);
                for item in &ode.items {
                    match item {
                        OdeItem::State { declared, start } => {
                            self.text.push_str(" (state");
                            self.declared(declared);
                            self.value(" from", Some(*start));
                            self.text.push(')');
                        }
                        OdeItem::Let(let_) => self.lets(std::slice::from_ref(let_)),
                        OdeItem::Derivative { state, value } => self.named("der", state, *value),
                        OdeItem::Quadrature { name, value } => self.named("quad", name, *value),
                    }
                }
            }
            StatementKind::Minimise(value) => self.value("minimise", Some(*value)),
            StatementKind::SubjectTo(constraints) => {
                self.text.push_str("subject to");
                self.constraints(constraints);
            }
            StatementKind::Test(test) => {
                self.quoted("test", &test.name);
                for item in &test.items {
                    match item {
                        TestItem::Dim(items) => {
                            self.text.push_str(" (");
                            self.dims(items);
                            self.text.push(')');
                        }
                        TestItem::Assign { name, value } => self.named("=", name, *value),
                        TestItem::Expect { left, right, tolerance, .. } => {
                            self.list(" (expect", &[*left, *right]);
                            self.value(" within", *tolerance);
                            self.text.push(')');
                        }
                    }
                }
            }
        }
    }

    fn word(&mut self, name: &Name) {
        self.text.push(' ');
        self.text.push_str(&name.text);
    }

    fn quoted(&mut self, word: &str, text: &Name) {
        self.text.push_str(word);
        self.text.push_str(" \"");
        self.text.push_str(&text.text);
        self.text.push('"');
    }

    fn value(&mut self, word: &str, value: Option<ExprId>) {
        if let Some(value) = value {
            self.text.push_str(word);
            self.text.push(' ');
            self.expr(value);
        }
    }

    /// Nothing for an empty list.
    fn list(&mut self, word: &str, values: &[ExprId]) {
        if !values.is_empty() {
            self.text.push_str(word);
            for &value in values {
                self.text.push(' ');
                self.expr(value);
            }
        }
    }

    fn named(&mut self, word: &str, name: &Name, value: ExprId) {
        self.text.push_str(" (");
        self.text.push_str(word);
        self.word(name);
        self.value("", Some(value));
        self.text.push(')');
    }

    fn tasks(&mut self, fill: impl FnOnce(&mut Vec<Task<'a>>)) {
        let mut tasks = Vec::new();
        fill(&mut tasks);
        for task in tasks {
            match task {
                Task::Word(word) => self.text.push_str(word),
                Task::Expr(id) => self.expr(id),
            }
        }
    }

    fn lets(&mut self, lets: &'a [Let]) {
        self.tasks(|tasks| {
            for let_ in lets {
                tasks.push(Task::Word(" "));
                push_let(tasks, let_);
            }
        });
    }

    fn iteration(&mut self, iteration: &'a Iteration) {
        self.tasks(|tasks| push_iteration(tasks, iteration));
    }

    fn options(&mut self, options: &'a Option<Options>) {
        self.tasks(|tasks| options.iter().for_each(|options| push_options(tasks, options)));
    }

    fn dims(&mut self, items: &[DimItem]) {
        self.text.push_str("dim");
        for item in items {
            self.word(&item.name);
            self.value(" =", item.value);
        }
    }

    fn declared(&mut self, declared: &Declared) {
        self.text.push_str(" (");
        self.text.push_str(&declared.name.text);
        self.list(" shape", &declared.shape);
        if let Some(pattern) = &declared.pattern {
            match &pattern.kind {
                PatternKind::Sym => self.text.push_str(" sym"),
                PatternKind::Diag => self.text.push_str(" diag"),
                PatternKind::Lower => self.text.push_str(" lower"),
                PatternKind::Upper => self.text.push_str(" upper"),
                PatternKind::Band { lower, upper } => self.list(" band", &[*lower, *upper]),
                PatternKind::Entries(entries) => self.list(" entries", &[*entries]),
                PatternKind::Drawn(rows) => {
                    self.text.push_str(" pattern");
                    rows.iter().for_each(|row| self.quoted("", row));
                }
                PatternKind::Sparse => self.text.push_str(" sparse"),
            }
        }
        if let Some(range) = declared.range {
            self.list(" in", &[range.lo, range.hi]);
        }
        self.unit(&declared.unit);
        self.text.push(')');
    }

    fn unit(&mut self, unit: &[std::sync::Arc<str>]) {
        if !unit.is_empty() {
            let _ = write!(self.text, " #[{}]", unit.join(", "));
        }
    }

    fn valued(&mut self, keyword: &str, word: &str, items: &[ValuedItem]) {
        self.text.push_str(keyword);
        for item in items {
            self.declared(&item.declared);
            self.value(word, item.value);
        }
    }

    fn jvp(&mut self, jvp: &Option<Name>) {
        if let Some(name) = jvp {
            self.text.push_str(" jvp");
            self.word(name);
        }
    }

    fn constraints(&mut self, constraints: &'a [Constraint]) {
        for constraint in constraints {
            self.text.push_str(" (");
            self.text.push_str(&constraint.name.text);
            self.text.push(':');
            if let Some(iteration) = &constraint.iteration {
                self.iteration(iteration);
            }
            self.lets(&constraint.lets);
            self.value("", Some(constraint.relation.first));
            for &(comparison, _, value) in &constraint.relation.rest {
                self.text.push(' ');
                self.value(sign(comparison), Some(value));
            }
            self.text.push(')');
        }
    }
}

fn group<'a>(tasks: &mut Vec<Task<'a>>, word: &'a str, operands: &[ExprId]) {
    tasks.extend([Task::Word("("), Task::Word(word)]);
    for &operand in operands {
        tasks.extend([Task::Word(" "), Task::Expr(operand)]);
    }
    tasks.push(Task::Word(")"));
}

fn push_iteration<'a>(tasks: &mut Vec<Task<'a>>, iteration: &'a Iteration) {
    tasks.extend([Task::Word(" (for "), Task::Word(&iteration.index.text), Task::Word(" ")]);
    tasks.extend([Task::Expr(iteration.range.lo), Task::Word(" ")]);
    tasks.extend([Task::Expr(iteration.range.hi), Task::Word(")")]);
}

fn push_let<'a>(tasks: &mut Vec<Task<'a>>, let_: &'a Let) {
    tasks.push(Task::Word("(let"));
    for name in &let_.names {
        tasks.extend([Task::Word(" "), Task::Word(&name.text)]);
    }
    tasks.push(Task::Word(" ="));
    for &value in &let_.values {
        tasks.extend([Task::Word(" "), Task::Expr(value)]);
    }
    tasks.push(Task::Word(")"));
}

fn push_options<'a>(tasks: &mut Vec<Task<'a>>, options: &'a Options) {
    tasks.extend([Task::Word(" (with "), Task::Word(&options.name.text)]);
    push_arguments(tasks, &options.arguments);
    tasks.push(Task::Word(")"));
}

fn push_arguments<'a>(tasks: &mut Vec<Task<'a>>, arguments: &'a [Argument]) {
    for argument in arguments {
        tasks.push(Task::Word(" "));
        if let Some(name) = &argument.name {
            tasks.extend([Task::Word(&name.text), Task::Word("=")]);
        }
        tasks.push(Task::Expr(argument.value));
    }
}

fn sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Less => "<",
        Comparison::LessEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterEqual => ">=",
        Comparison::Equal => "==",
        Comparison::NotEqual => "!=",
    }
}

fn write_number(text: &mut String, value: f64) {
    // Writing to a string cannot fail.
    let _ = write!(text, "{value:?}");
}
