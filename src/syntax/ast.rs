//! The syntax tree of one `.nab` file: flat arenas addressed by index, with a span for every node.
//!
//! Made by [`parse`](super::parse), read by the lowering to graphs. Expressions live in one vector
//! and refer to each other by [`ExprId`]; operands precede their users. Chains of one precedence
//! level (`a + b - c`, `a * b / c`, `p and q`, `if .. else if ..`) are one node each, so a sum of
//! a million terms is one node deep. The depth of the tree is at most [`MAX_DEPTH`]; the parser
//! reports anything deeper, so later passes may walk the tree by recursion.

use std::sync::Arc;

/// The deepest nesting of expressions that the parser accepts.
pub const MAX_DEPTH: u32 = 1_000;

/// Names a source file within a [`SourceMap`](super::SourceMap).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u32);

/// A range of bytes of a source file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The smallest span that covers both.
    pub fn to(self, other: Span) -> Span {
        Span { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// Names an expression of an [`Ast`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExprId(pub(super) u32);

impl ExprId {
    /// The position of the expression in its arena; operands have smaller positions.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A name or a text where it is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// The name itself, or the text without its quotes.
    pub text: Arc<str>,
    /// Where it is written.
    pub span: Span,
}

/// A parsed file.
#[derive(Clone, Debug, Default)]
pub struct Ast {
    /// The file it was read from.
    pub file: FileId,
    /// The statements in the order of the file.
    pub statements: Vec<Statement>,
    /// The comments in the order of the file.
    pub comments: Vec<Comment>,
    pub(super) exprs: Vec<Expr>,
    pub(super) spans: Vec<Span>,
}

impl Ast {
    /// The expression named by `id`.
    pub fn expr(&self, id: ExprId) -> &Expr {
        &self.exprs[id.index()]
    }

    /// Where the expression is written, without enclosing parentheses.
    pub fn span(&self, id: ExprId) -> Span {
        self.spans[id.index()]
    }

    /// All expressions, operands before their users.
    pub fn exprs(&self) -> &[Expr] {
        &self.exprs
    }

    /// The number of expressions.
    pub fn n_exprs(&self) -> usize {
        self.exprs.len()
    }
}

/// A comment, from `#` to the end of its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// The text after `#`, blanks at both ends removed.
    pub text: Arc<str>,
    /// Where it is written.
    pub span: Span,
}

/// An expression; see [`Ast::expr`].
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A mistake that has been reported.
    Error,
    /// `2.5`
    Number(f64),
    /// A name used as a value.
    Name(Arc<str>),
    /// `end`, the last index of the innermost `[...]`.
    End,
    /// `a + b - c`: at least two terms, the first one is positive.
    Sum(Vec<Term>),
    /// `a * b ./ c`: at least two factors, read from the left; the operator of the first has no meaning.
    Product(Vec<Factor>),
    /// `-a`
    Negate(ExprId),
    /// `a ^ b` or, elementwise, `a .^ b`.
    Power { base: ExprId, exponent: ExprId, elementwise: bool, operator: Span },
    /// `a'`
    Transpose(ExprId),
    /// `a < b`; chains occur only in constraints.
    Compare { comparison: Comparison, operator: Span, left: ExprId, right: ExprId },
    /// `not a`
    Not(ExprId),
    /// `a and b and c`
    And(Vec<ExprId>),
    /// `a or b or c`
    Or(Vec<ExprId>),
    /// `if c then a else if d then b else otherwise`
    If { arms: Vec<Arm>, otherwise: ExprId },
    /// `f(a, b, order = 3)`
    Call { function: Name, arguments: Vec<Argument> },
    /// `sum(e for k in 0..N if c)`; without a function it is `[e for k in 0..N]`.
    Comprehension { function: Option<Name>, value: ExprId, clauses: Vec<Clause> },
    /// `[a, b; c, d]`: a single row is a column of its entries; no rows for `[]`.
    Matrix { rows: Vec<Vec<ExprId>> },
    /// `a[i, 2..]`
    Index { base: ExprId, arguments: Vec<IndexArgument> },
    /// `a.name`
    Member { base: ExprId, name: Name },
    /// `fold x = x0 for k in 0..N { ... }` or `scan ...`
    Fold(Box<Fold>),
}

impl Expr {
    /// Calls `visit` with every operand, in the order of the text as far as it has one.
    pub fn for_each_operand(&self, mut visit: impl FnMut(ExprId)) {
        match self {
            Expr::Error | Expr::Number(_) | Expr::Name(_) | Expr::End => {}
            Expr::Sum(terms) => terms.iter().for_each(|term| visit(term.value)),
            Expr::Product(factors) => factors.iter().for_each(|factor| visit(factor.value)),
            Expr::Negate(operand) | Expr::Transpose(operand) | Expr::Not(operand) => {
                visit(*operand);
            }
            Expr::Power { base, exponent, .. } => {
                visit(*base);
                visit(*exponent);
            }
            Expr::Compare { left, right, .. } => {
                visit(*left);
                visit(*right);
            }
            Expr::And(operands) | Expr::Or(operands) => operands.iter().copied().for_each(visit),
            Expr::If { arms, otherwise } => {
                for arm in arms {
                    visit(arm.condition);
                    visit(arm.value);
                }
                visit(*otherwise);
            }
            Expr::Call { arguments, .. } => {
                arguments.iter().for_each(|argument| visit(argument.value));
            }
            Expr::Comprehension { value, clauses, .. } => {
                visit(*value);
                for clause in clauses {
                    match clause {
                        Clause::For(iteration) => iteration.range.for_each_operand(&mut visit),
                        Clause::If(condition) => visit(*condition),
                    }
                }
            }
            Expr::Matrix { rows } => rows.iter().flatten().copied().for_each(visit),
            Expr::Index { base, arguments } => {
                visit(*base);
                for argument in arguments {
                    match *argument {
                        IndexArgument::At(index) => visit(index),
                        IndexArgument::Range { lo, hi } => {
                            visit(lo);
                            hi.into_iter().for_each(&mut visit);
                        }
                        IndexArgument::All => {}
                    }
                }
            }
            Expr::Member { base, .. } => visit(*base),
            Expr::Fold(fold) => {
                visit(fold.start);
                fold.iteration.range.for_each_operand(&mut visit);
                for argument in fold.options.iter().flat_map(|options| &options.arguments) {
                    visit(argument.value);
                }
                fold.body.lets.iter().flat_map(|let_| &let_.values).for_each(|&value| visit(value));
                visit(fold.body.result);
            }
        }
    }
}

impl Range {
    fn for_each_operand(&self, visit: &mut impl FnMut(ExprId)) {
        visit(self.lo);
        visit(self.hi);
    }
}

/// One term of a sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    /// Whether the term is subtracted.
    pub negative: bool,
    /// The `+` or `-` before it (empty for the first term).
    pub operator: Span,
    /// The term.
    pub value: ExprId,
}

/// One factor of a product.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factor {
    /// The operator before the factor.
    pub product: ProductOperator,
    /// Where that operator is written (empty for the first factor).
    pub operator: Span,
    /// The factor.
    pub value: ExprId,
}

/// The operators of one precedence level with `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProductOperator {
    /// `*`, the matrix product.
    Times,
    /// `/`, division from the right.
    Over,
    /// `.*`
    ElementwiseTimes,
    /// `./`
    ElementwiseOver,
    /// `\`, the solution of a linear system.
    Solve,
}

/// The comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

/// `if condition then value`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arm {
    /// Decides.
    pub condition: ExprId,
    /// The value where the condition holds and no earlier one did.
    pub value: ExprId,
}

/// An argument of a call or an option of a solver.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// `order` in `order = 3`; named arguments follow all others.
    pub name: Option<Name>,
    /// The value.
    pub value: ExprId,
}

/// An argument of `x[...]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum IndexArgument {
    /// `i`, or the name of an index array.
    At(ExprId),
    /// `lo..hi`, or `lo..`
    Range { lo: ExprId, hi: Option<ExprId> },
    /// `:`
    All,
}

/// A half-open range of integers, or the interval of an `ode` or a bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The lower end.
    pub lo: ExprId,
    /// The upper end.
    pub hi: ExprId,
}

/// `k in 0..N`
#[derive(Clone, Debug, PartialEq)]
pub struct Iteration {
    /// The name of the iteration number.
    pub index: Name,
    /// The range it runs over.
    pub range: Range,
}

/// A clause of a comprehension; the first one is a `For`.
#[derive(Clone, Debug, PartialEq)]
pub enum Clause {
    /// `for k in 0..N`
    For(Iteration),
    /// `if c`, which filters the `for`s before it.
    If(ExprId),
}

/// A loop with state.
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    /// `scan`: the states after all iterations as columns; otherwise the last state.
    pub keeps_all: bool,
    /// The name of the state in the body.
    pub state: Name,
    /// The state before the first iteration.
    pub start: ExprId,
    /// The iterations.
    pub iteration: Iteration,
    /// `with checkpoint(100)`
    pub options: Option<Options>,
    /// The next state.
    pub body: Block,
}

/// `let`s and a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// The `let`s in order.
    pub lets: Vec<Let>,
    /// The result.
    pub result: ExprId,
}

/// `newton(tol = 1e-12)` after `with`.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The method.
    pub name: Name,
    /// Its options.
    pub arguments: Vec<Argument>,
}

/// A statement of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// What it is.
    pub kind: StatementKind,
    /// All of its text.
    pub span: Span,
}

/// What a statement is.
#[derive(Clone, Debug, PartialEq)]
pub enum StatementKind {
    /// A mistake that has been reported.
    Error,
    /// `use "vehicle.nab"`
    Use(Name),
    /// `dim N = 40, nx`
    Dim(Vec<DimItem>),
    /// `index tail[E], head[E]`
    Index(Vec<IndexItem>),
    /// `input x[nx], A[n,n] sym`
    Input(Vec<Declared>),
    /// `param dt = 0.1`: the value is the default.
    Param(Vec<ValuedItem>),
    /// `var U[nu, N] in -1..1 from 0`: the value is the start.
    Var(Vec<ValuedItem>),
    /// `let s, c = sin(th), cos(th)`
    Let(Let),
    /// `fn f(x) = ...`
    Fn(Box<Function>),
    /// `extern fn f(x[n]) -> [m]`
    ExternFn(Box<ExternFunction>),
    /// `output f, g = grad(f, x)`
    Output(Vec<OutputItem>),
    /// `root T from T0 { ... }`
    Root(Box<Root>),
    /// `ode sol for t in 0..10 { ... }`
    Ode(Box<Ode>),
    /// `minimise f`
    Minimise(ExprId),
    /// `subject to { ... }`
    SubjectTo(Vec<Constraint>),
    /// `test "name" { ... }`
    Test(Box<Test>),
}

/// One name of a `dim`.
#[derive(Clone, Debug, PartialEq)]
pub struct DimItem {
    /// The name.
    pub name: Name,
    /// Its value, if the file gives one.
    pub value: Option<ExprId>,
}

/// One name of an `index`.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexItem {
    /// The name.
    pub name: Name,
    /// Its shape.
    pub shape: Vec<ExprId>,
    /// Its values, if the file gives them.
    pub value: Option<ExprId>,
}

/// `name[shape] pattern in lo..hi`
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    /// The name.
    pub name: Name,
    /// No dimension for a scalar, one for a column, two for a matrix.
    pub shape: Vec<ExprId>,
    /// The declared pattern.
    pub pattern: Option<Pattern>,
    /// The declared range or bounds.
    pub range: Option<Range>,
    /// The unit from a comment `# [m/s]`; one for each entry after `# [m, rad]`.
    pub unit: Vec<Arc<str>>,
}

/// A declared sparsity pattern.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// What it is.
    pub kind: PatternKind,
    /// Where it is written.
    pub span: Span,
}

/// The kinds of patterns.
#[derive(Clone, Debug, PartialEq)]
pub enum PatternKind {
    /// `sym`, a full matrix that equals its transpose.
    Sym,
    /// `diag`
    Diag,
    /// `lower`
    Lower,
    /// `upper`
    Upper,
    /// `band(l, u)`
    Band { lower: ExprId, upper: ExprId },
    /// `entries([r, c; r, c])`
    Entries(ExprId),
    /// `pattern("x..", "xx.")`, one text a row.
    Drawn(Vec<Name>),
    /// `sparse`: the pattern is taken from the data.
    Sparse,
}

/// A declaration with a value.
#[derive(Clone, Debug, PartialEq)]
pub struct ValuedItem {
    /// The declaration.
    pub declared: Declared,
    /// The default of a `param`, the start of a `var`.
    pub value: Option<ExprId>,
}

/// `let a, b = x, y`: as many values as names, or one call.
#[derive(Clone, Debug, PartialEq)]
pub struct Let {
    /// The names.
    pub names: Vec<Name>,
    /// The values.
    pub values: Vec<ExprId>,
    /// All of its text.
    pub span: Span,
}

/// A `fn`.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Its name.
    pub name: Name,
    /// Its parameters.
    pub parameters: Vec<Declared>,
    /// What stands after `->`.
    pub results: Results,
    /// The `let`s of the body.
    pub lets: Vec<Let>,
    /// The result; none where the results are named.
    pub result: Option<ExprId>,
    /// `g` of `with jvp = g`.
    pub jvp: Option<Name>,
}

/// What stands after `->` of a function.
#[derive(Clone, Debug, PartialEq)]
pub enum Results {
    /// Nothing.
    Inferred,
    /// `[n, m]`
    Shape(Vec<ExprId>),
    /// `(r, phi)`
    Names(Vec<Name>),
}

/// An `extern fn`.
#[derive(Clone, Debug, PartialEq)]
pub struct ExternFunction {
    /// Its name.
    pub name: Name,
    /// Its parameters.
    pub parameters: Vec<Declared>,
    /// The shape of the result; empty for a scalar.
    pub shape: Vec<ExprId>,
    /// `g` of `with jvp = g`.
    pub jvp: Option<Name>,
}

/// One name of an `output`.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputItem {
    /// The name.
    pub name: Name,
    /// Its value; without one the name refers to a value of the file.
    pub value: Option<ExprId>,
    /// The unit from a comment.
    pub unit: Vec<Arc<str>>,
}

/// A `root` block.
#[derive(Clone, Debug, PartialEq)]
pub struct Root {
    /// The unknown.
    pub unknown: Declared,
    /// Where the search begins.
    pub start: ExprId,
    /// The method.
    pub options: Option<Options>,
    /// The equations.
    pub equations: Vec<Constraint>,
}

/// `name: a == b`, or `name: for k in 0..N { lets; a == b }`
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    /// The name.
    pub name: Name,
    /// Repetition.
    pub iteration: Option<Iteration>,
    /// The `let`s before the relation.
    pub lets: Vec<Let>,
    /// Two or three operands.
    pub relation: Relation,
}

/// `a == b`, or a chain in one direction: `lo <= e <= hi`
#[derive(Clone, Debug, PartialEq)]
pub struct Relation {
    /// The leftmost operand.
    pub first: ExprId,
    /// The operators and what follows them.
    pub rest: Vec<(Comparison, Span, ExprId)>,
}

/// An `ode` block.
#[derive(Clone, Debug, PartialEq)]
pub struct Ode {
    /// The name of the solution.
    pub name: Name,
    /// The independent variable and its closed interval.
    pub iteration: Iteration,
    /// The method.
    pub options: Option<Options>,
    /// What the block holds.
    pub items: Vec<OdeItem>,
}

/// A line of an `ode` block.
#[derive(Clone, Debug, PartialEq)]
pub enum OdeItem {
    /// `state x[2] from x0`
    State { declared: Declared, start: ExprId },
    /// `let a = b`
    Let(Let),
    /// `der(x) = e`
    Derivative { state: Name, value: ExprId },
    /// `quad cost = e`
    Quadrature { name: Name, value: ExprId },
}

/// A `test` block.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// Its name.
    pub name: Name,
    /// What the block holds.
    pub items: Vec<TestItem>,
}

/// A line of a `test` block.
#[derive(Clone, Debug, PartialEq)]
pub enum TestItem {
    /// `dim M = 5`
    Dim(Vec<DimItem>),
    /// `x = [1, 1]`
    Assign { name: Name, value: ExprId },
    /// `expect a ~ b within t`
    Expect { left: ExprId, right: ExprId, tolerance: Option<ExprId>, span: Span },
}
