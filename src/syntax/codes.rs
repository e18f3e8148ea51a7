//! The table of all messages: one entry gives a code its name, number, title, explanation, a
//! program that causes it and one that does not. `nablac explain E0203` prints an entry.
//!
//! `E00..` is syntax, `E01..` names, `E02..` shapes and patterns, `E03..` derivatives, `E04..`
//! what is not there yet and limits, `E05..` evaluation and data, `E06..` rules of
//! simplification, `W` warnings.

macro_rules! codes {
    ($($variant:ident $id:literal $title:literal, $text:literal,
        wrong $wrong:literal, right $right:literal;)*) => {
        /// A kind of message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $title] $variant,)*
        }

        impl Code {
            /// All codes, in the order of the table.
            pub const ALL: &'static [Code] = &[$(Code::$variant),*];

            /// The entry of the table.
            pub fn entry(self) -> &'static Entry {
                match self {
                    $(Code::$variant => &Entry {
                        id: $id, title: $title, text: $text, wrong: $wrong, right: $right,
                    },)*
                }
            }
        }
    };
}

/// An entry of the table of codes.
///
/// ```
/// use nablac::syntax::Code;
/// let code = Code::from_id("e0203").unwrap();
/// assert_eq!((code, code.id()), (Code::ShapesMultiply, "E0203"));
/// assert!(code.explanation().contains(code.entry().wrong.lines().next().unwrap()));
/// ```
#[derive(Debug)]
pub struct Entry {
    /// `E0203`
    pub id: &'static str,
    /// A short name of the mistake.
    pub title: &'static str,
    /// What it means and what to do.
    pub text: &'static str,
    /// A program, or a command line after `$`, that causes it.
    pub wrong: &'static str,
    /// The same, put right.
    pub right: &'static str,
}

impl Code {
    /// The number, such as `E0203`.
    pub fn id(self) -> &'static str {
        self.entry().id
    }

    /// A short name of the mistake.
    pub fn title(self) -> &'static str {
        self.entry().title
    }

    /// The code with this number, in upper or lower case.
    pub fn from_id(id: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.id().eq_ignore_ascii_case(id))
    }

    /// The page that `nablac explain` prints.
    pub fn explanation(self) -> String {
        let entry = self.entry();
        let indent =
            |program: &str| program.lines().map(|line| format!("    {line}\n")).collect::<String>();
        format!(
            "{}: {}\n\n{}\n\nWrong:\n\n{}\nRight:\n\n{}",
            entry.id,
            entry.title,
            entry.text,
            indent(entry.wrong),
            indent(entry.right)
        )
    }
}

codes! {
    UnexpectedToken "E0001" "a word or sign that does not fit here",
        "The text is no statement of the language from this place on. The label says what may stand here. Other statements are still checked.",
        wrong "input x\noutput f = (x + ) * 2", right "input x\noutput f = (x + 1) * 2";
    UnknownCharacter "E0002" "a character that the language does not have",
        "Programs are written in ASCII letters, digits and the signs of the reference; other characters may stand only in comments and texts.",
        wrong "input x\noutput f = 2 \u{d7} x", right "input x\noutput f = 2 * x";
    MalformedNumber "E0003" "a number that is not written well",
        "A number is digits, optionally a point with digits on both sides, and optionally `e`, a sign and digits. A product needs its `*`.",
        wrong "input x\noutput f = 2x + .5", right "input x\noutput f = 2*x + 0.5";
    UnclosedText "E0004" "a text without its closing quote",
        "A text stands in double quotes on one line. The single quote is the transpose.",
        wrong "use \"vehicle.nab", right "dim n = 2";
    UnclosedBracket "E0005" "a bracket that is never closed",
        "A statement word inside `(` or `[`, or the end of the file, shows that a closing bracket is missing.",
        wrong "input x\nlet a = (x + 1\noutput f = a", right "input x\nlet a = (x + 1)\noutput f = a";
    UnmatchedBracket "E0006" "a closing bracket that closes nothing",
        "Every `)`, `]` and `}` closes the nearest open bracket of its kind.",
        wrong "input x\noutput f = (x + 1))", right "input x\noutput f = (x + 1)";
    ForeignOperator "E0007" "an operator of another language",
        "The power is `^`, the logical operators are `and`, `or` and `not`, the transpose is `'`; a statement goes on to the next line after an operator, without a sign.",
        wrong "input x\noutput f = x**2", right "input x\noutput f = x^2";
    NestedTooDeeply "E0008" "nested too deeply",
        "Brackets and expressions may be nested 1,000 deep. Chains of `+`, `*`, `and`, `or` and `else if` do not count as nesting, however long. Name parts of the formula with `let`.",
        wrong "input x\noutput f = ((( ...nested )))", right "input x\noutput f = x'";
    ComparisonChain "E0009" "a chain of comparisons",
        "Outside constraints a comparison has two sides; join several by `and`.",
        wrong "input x\noutput f = 0 < x < 1", right "input x\noutput f = 0 < x and x < 1";
    LetCount "E0010" "as many values as names",
        "In `let` all names come first, then one expression each, or one call of a function with as many results.",
        wrong "input x\nlet s, c = sin(x), cos(x), 1\noutput s", right "input x\nlet s, c = sin(x), cos(x)\noutput s";
    ReservedWord "E0011" "a reserved word used as a name",
        "Words of the language, such as `state` or `index`, cannot be names.",
        wrong "input state\noutput f = 1", right "input state_0\noutput f = 1";
    NotAStatement "E0012" "a line that is no statement",
        "A statement of the file begins with a word such as `let` or `output`.",
        wrong "input x\na = x + 1\noutput a", right "input x\nlet a = x + 1\noutput a";
    MissingComma "E0013" "entries without a comma between them",
        "Entries of a matrix are separated by commas, rows by semicolons.",
        wrong "output a = [1 2]", right "output a = [1, 2]";
    BlockResult "E0014" "a block without its result",
        "The last line of a block is its result, and only the last one. A result that starts with a minus stands in parentheses.",
        wrong "fn f(x) {\n  let a = x^2\n}\ninput x\noutput y = f(x)", right "fn f(x) {\n  let a = x^2\n  a\n}\ninput x\noutput y = f(x)";
    UnknownPattern "E0015" "an unknown pattern",
        "The patterns are sym, diag, lower, upper, band(l, u), entries([r, c; r, c]), pattern(\"x..\", \"xx.\") and sparse.",
        wrong "input A[3,3] diagonal\noutput A", right "input A[3,3] diag\noutput A";
    NotAConstraint "E0016" "not a constraint",
        "A constraint is `name: a == b`, `a <= b`, `a >= b` or a chain in one direction, `lo <= e <= hi`. An equation of a `root` is `name: a == b`.",
        wrong "var x from 0\nminimise x\nsubject to { c: 0 <= x >= 1 }", right "var x from 0\nminimise x\nsubject to { c: 0 <= x <= 1 }";
    BadSlice "E0017" "a slice that is not written well",
        "A slice is `a..b`, `a..` or `:`. There is no `..b` (write `0..b`) and no step.",
        wrong "input x[4]\noutput f = x[..2]", right "input x[4]\noutput f = x[0..2]";
    MisplacedClause "E0018" "a comprehension beside something else",
        "`for` and `if` clauses follow one value, the first clause is a `for`, and nothing else stands in the brackets.",
        wrong "input x[4]\noutput f = max(x[k] for k in 0..4, 1)", right "input x[4]\noutput f = max(max(x[k] for k in 0..4), 1)";
    ArgumentOrder "E0019" "arguments in disorder",
        "Arguments without a name come first, and no name is given twice.",
        wrong "input x\noutput f = taylor(sin(x), x, at = 0, 3)", right "input x\noutput f = taylor(sin(x), x, at = 0, order = 3)";
    FileTooLarge "E0020" "a source file of more than 4 GB",
        "Positions in a source file are numbers of 32 bits. Put data into data files.",
        wrong "$ nablac check huge.nab", right "$ nablac check model.nab --data data.json";
    NoParameters "E0021" "a function without parameters",
        "A `fn` has at least one parameter; a value without parameters is a `let`.",
        wrong "fn g() = 9.81\noutput f = g()", right "let g = 9.81\noutput f = g";

    UnknownName "E0101" "an unknown name",
        "No declaration gives this name here. Names are declared before use; only `fn`s and `dim`s may stand anywhere in the file.",
        wrong "input theta\noutput f = sin(thteta)", right "input theta\noutput f = sin(theta)";
    UnknownFunction "E0102" "an unknown function",
        "A name before `(` is a function: one of the language or a `fn` of the file.",
        wrong "input x\noutput f = sine(x)", right "input x\noutput f = sin(x)";
    ArgumentCount "E0103" "the wrong number of arguments",
        "The function takes another number of arguments.",
        wrong "input x\noutput f = atan2(x)", right "input x\noutput f = atan2(x, 1)";
    DefinedTwice "E0104" "a name declared twice",
        "A name is declared once in a scope.",
        wrong "input x\nlet x = 2\noutput f = x", right "input x\nlet x2 = 2\noutput f = x * x2";
    UsedBeforeDeclaration "E0105" "a name used before its declaration",
        "Values are declared before use; move the declaration up.",
        wrong "let a = 2 * b\nlet b = 3\noutput a", right "let b = 3\nlet a = 2 * b\noutput a";
    Recursion "E0106" "a function that calls itself",
        "A `fn` may not call itself, directly or in a circle. Write a `fold`.",
        wrong "fn f(x) = f(x - 1)\ninput x\noutput y = f(x)", right "input x\noutput y = fold s = x for k in 0..5 { s * (x - k) }";
    UseCycle "E0107" "files that use each other in a circle",
        "`use` may not go in circles. Move what both files need into a third one.",
        wrong "use \"self.nab\"", right "dim n = 2";
    FileNotFound "E0108" "a file that cannot be read",
        "The path after `use` is relative to the file that it stands in.",
        wrong "use \"missing.nab\"", right "dim n = 2";
    UseClash "E0109" "a name that two files declare",
        "`use` brings in all dims, indices, params and functions of a file; their names must differ from those of this file.",
        wrong "use \"lib.nab\"\nparam mass = 1", right "use \"lib.nab\"\nparam mass_2 = 1";
    UnknownOption "E0110" "an unknown option",
        "The function or the method has no option of this name.",
        wrong "input x\noutput f = sin(x, order = 3)", right "input x\noutput f = sin(x)";
    UnknownMember "E0111" "an unknown member",
        "Only the solution of an `ode` has members: its states and integrals.",
        wrong "input x\noutput f = x.y", right "input x\noutput f = x";
    NotAValue "E0112" "a name that is no value",
        "The name belongs to a function; call it, or give its name only where a function is asked for.",
        wrong "fn f(x) = x^2\noutput y = f", right "fn f(x) = x^2\noutput y = f(2)";
    NotAFunction "E0113" "a value that is called",
        "Only a name can be called, and a name before `(` is always a function. An entry of a value is `x[i]`.",
        wrong "input x[3]\noutput f = x(0)", right "input x[3]\noutput f = x[0]";
    NoOutput "E0114" "a file without output",
        "A file is a function from its inputs to its outputs; without an output there is nothing to evaluate.",
        wrong "input x\nlet f = x^2", right "input x\nlet f = x^2\noutput f";
    OutputTwice "E0115" "an output given twice",
        "Every output has a name of its own.",
        wrong "input x\noutput f = x, f = x^2", right "input x\noutput f = x, f2 = x^2";
    ResultNotBound "E0116" "a named result without a value",
        "The names after `->` are bound by `let` in the body.",
        wrong "fn polar(x, y) -> (r, phi) {\n  let r = hypot(x, y)\n}\ninput x\nlet r, phi = polar(x, 1)\noutput r", right "fn polar(x, y) -> (r, phi) {\n  let r = hypot(x, y)\n  let phi = atan2(y, x)\n}\ninput x\nlet r, phi = polar(x, 1)\noutput r";
    EndOutsideIndex "E0117" "`end` outside an index",
        "`end` is the last index of the innermost `[...]` that follows a value.",
        wrong "input x[3]\noutput f = x[0] + end", right "input x[3]\noutput f = x[0] + x[end]";
    DerivativeFunction "E0118" "a derivative function that does not fit",
        "The function after `with jvp =` takes the arguments of the function and then one direction for each, and gives the derivative of the result in these directions. Where the result is a structural zero, the derivative is one, too.",
        wrong "fn g(x) = 1\nfn f(x) = x with jvp = g\ninput x\noutput y = f(x)", right "fn g(x, v) = v\nfn f(x) = x with jvp = g\ninput x\noutput y = f(x)";

    ShapesElementwise "E0201" "shapes do not fit in an elementwise operation",
        "Both sides have the same shape, or one is a scalar. There is no other broadcasting: write `repmat(x, 1, n)`.",
        wrong "input x[2], y[3]\noutput f = x + y", right "input x[3], y[3]\noutput f = x + y";
    ShapesDeclared "E0202" "a value of another shape than declared",
        "The value has to have the shape that the declaration says.",
        wrong "param x[3] = [1, 2]\noutput f = sum(x)", right "param x[3] = [1, 2, 3]\noutput f = sum(x)";
    ShapesMultiply "E0203" "shapes do not fit in a product",
        "In `A * B` the columns of A are as many as the rows of B. The product entry by entry is `.*`, the inner product is `dot(x, y)`.",
        wrong "input x[4], Q[4,4]\noutput f = x * Q * x", right "input x[4], Q[4,4]\noutput f = quad_form(x, Q)";
    ShapesStack "E0204" "blocks that do not fit together",
        "Blocks of one row have the same number of rows; all rows have the same number of columns.",
        wrong "input A[2,2], x[3]\noutput f = [A, x; 1, 2]", right "input A[2,2], x[2]\noutput f = [A, x; 1, 2, 3]";
    IndexOutOfRange "E0205" "an index out of range",
        "Indices run from 0 to one less than the number of entries; the last one is `end`.",
        wrong "input x[3]\noutput f = x[3]", right "input x[3]\noutput f = x[2]";
    NotAnInteger "E0206" "not an integer known at compile time",
        "Shapes, indices and ranges are integers made of numbers, dims, iteration numbers, `+ - *`, `div` and `mod`.",
        wrong "input n, x[3]\noutput f = x[n]", right "dim n = 1\ninput x[3]\noutput f = x[n]";
    DimWithoutValue "E0207" "a dim without a value",
        "Give the value in the file, by `--dim n=3` or in the data file.",
        wrong "dim n\ninput x[n]\noutput f = sum(x)", right "dim n = 3\ninput x[n]\noutput f = sum(x)";
    OutsidePattern "E0208" "a value outside its declared pattern",
        "The value has entries that may differ from zero where the declared pattern has none.",
        wrong "param Q[2,2] diag = [1, 2; 3, 4]\noutput f = sum(Q)", right "param Q[2,2] diag = diag([1, 4])\noutput f = sum(Q)";
    EmptyRange "E0209" "a range that runs backwards",
        "The upper end of a range is not below its lower end.",
        wrong "input x[4]\noutput f = x[3..1]", right "input x[4]\noutput f = x[1..3]";
    EmptyExtremum "E0210" "the largest of nothing",
        "`max` and `min` need at least one entry; over an empty range only `sum` is 0 and `prod` is 1.",
        wrong "output f = max(k for k in 0..0)", right "output f = max(k for k in 0..3)";
    NotSquare "E0211" "a matrix that is not square",
        "The operation needs as many rows as columns.",
        wrong "input A[2,3]\noutput f = trace(A)", right "input A[3,3]\noutput f = trace(A)";
    NotAScalar "E0212" "a matrix where a scalar is needed",
        "A condition, an exponent or this argument is a 1x1 value.",
        wrong "input x[2]\noutput f = if x > 0 then 1 else 2", right "input x[2]\noutput f = if x[0] > 0 then 1 else 2";
    IndexCount "E0213" "too many indices",
        "A value takes one index, or a row and a column.",
        wrong "input A[2,2]\noutput f = A[0, 0, 0]", right "input A[2,2]\noutput f = A[0, 0]";
    PatternMismatch "E0214" "a pattern that does not fit the shape",
        "`sym` and `diag` are for square matrices; entries lie inside the shape; a drawn pattern has a text for each row and a sign for each column.",
        wrong "input A[2,3] sym\noutput A", right "input A[3,3] sym\noutput A";
    BranchShapes "E0215" "branches of different shapes",
        "Both branches of an `if` have the same shape.",
        wrong "input x[2]\noutput f = if x[0] > 0 then x else 1", right "input x[2]\noutput f = if x[0] > 0 then x else ones(2)";
    StateShape "E0216" "a state that changes its shape",
        "The body of `fold` and `scan` gives a value of the shape of the start.",
        wrong "output f = fold x = 0 for k in 0..3 { [x, 1] }", right "output f = fold x = 0 for k in 0..3 { x + 1 }";
    BadShape "E0217" "not a shape",
        "A shape has one or two dimensions, integers that are not negative.",
        wrong "input x[2, 2, 2]\noutput x", right "input x[4, 2]\noutput x";
    EmptyBounds "E0218" "bounds without a number between them",
        "The lower bound of a declared range is not above the upper one.",
        wrong "input x in 1..0\noutput x", right "input x in 0..1\noutput x";
    SeveralResults "E0219" "several results used as one value",
        "A function with several results is called in a `let` with as many names.",
        wrong "fn p(x) -> (a, b) {\n  let a = x\n  let b = 2*x\n}\ninput x\noutput f = p(x) + 1", right "fn p(x) -> (a, b) {\n  let a = x\n  let b = 2*x\n}\ninput x\nlet a, b = p(x)\noutput f = a + 1";
    NotAConstant "E0220" "not a constant",
        "The value has to be made of numbers, dims and functions of them.",
        wrong "input x\nparam a = x\noutput f = a", right "input x\nparam a = 2\noutput f = a * x";
    IndexWithoutValue "E0221" "an index array without values",
        "The integers of an index array are known at compile time: from the file or from a data file.",
        wrong "dim E = 2\nindex tail[E]\ninput x[3]\noutput f = x[tail]", right "dim E = 2\nindex tail[E] = [0, 2]\ninput x[3]\noutput f = x[tail]";
    NoVariables "E0222" "a problem without variables",
        "`minimise` and `subject to` seek values of the `var`s of the file.",
        wrong "input x\nminimise x^2", right "var x from 0\nminimise x^2";

    DerivativeOfMatrix "E0301" "a gradient of something that is no scalar",
        "`grad`, `hess` and `hvp` are of a scalar; the derivative of a vector is `jac(y, x)`.",
        wrong "input x[2]\noutput g = grad(2 * x, x)", right "input x[2]\noutput J = jac(2 * x, x)";
    DerivativeByExpression "E0302" "a derivative with respect to an expression",
        "A derivative is with respect to a named value or a list of them. Name the expression with `let` and use the name.",
        wrong "input x\noutput g = grad(sin(2 * x), 2 * x)", right "input x\nlet z = 2 * x\noutput g = grad(sin(z), z)";
    DirectionShape "E0303" "a direction of another shape",
        "The direction of `jvp` and `hvp` has the shape of x, that of `vjp` the shape of y.",
        wrong "input x[2]\noutput f = jvp(sum(x), x, [1, 0, 0])", right "input x[2]\noutput f = jvp(sum(x), x, [1, 0])";
    DerivativeByInteger "E0304" "a derivative with respect to an integer",
        "Dims, indices and iteration numbers are known at compile time and have no derivative.",
        wrong "dim n = 2\noutput g = grad(n^2, n)", right "param n = 2\noutput g = grad(n^2, n)";
    NoDerivative "E0305" "a function without a derivative",
        "An external function has the derivatives that it is given: `extern fn f(x) -> [1] with jvp = g`.",
        wrong "extern fn f(x)\ninput x\noutput g = grad(f(x), x)", right "extern fn f(x) with jvp = df\nextern fn df(x, v)\ninput x\noutput g = grad(f(x), x)";

    NotThereYet "E0401" "a part of the language that is not there yet",
        "The program is well written, but this version cannot evaluate that part of the language.",
        wrong "input q\nroot T from 1 with newton(tol = 1e-12) { balance: T^3 == q }\noutput T", right "input q\noutput T = cbrt(q)";
    TooLarge "E0402" "too large",
        "The size passes a limit of this version; the message states the limit.",
        wrong "dim n = 100000000000\ninput x[n, n]\noutput f = sum(x)", right "dim n = 1000\ninput x[n, n]\noutput f = sum(x)";

    WrongLength "E0501" "a value of the wrong length",
        "The message gives the name, the expected and the given size.",
        wrong "$ nablac eval rosenbrock.nab x='[1, 2, 3]'", right "$ nablac eval rosenbrock.nab x='[1, 2]'";
    MissingInput "E0502" "an input without a value",
        "Every input, and every parameter without a default, needs a value.",
        wrong "$ nablac eval rosenbrock.nab", right "$ nablac eval rosenbrock.nab x='[1, 2]'";
    UnknownInput "E0503" "a value for an unknown input",
        "The file has no input or parameter of this name.",
        wrong "$ nablac eval rosenbrock.nab z='[1, 2]'", right "$ nablac eval rosenbrock.nab x='[1, 2]'";
    UnreadableData "E0504" "data that cannot be read",
        "The data file is missing, or its text does not have the format it should have.",
        wrong "$ nablac eval fit.nab --data missing.json", right "$ nablac eval fit.nab --data data.json";
    RangeViolated "E0505" "a value outside its declared range",
        "`in lo..hi` is a promise that simplification relies on; a value outside, NaN included, is refused.",
        wrong "input m in 0.1..10\noutput f = 1/m\ntest \"t\" { m = -1; expect f ~ -1 }", right "input m in 0.1..10\noutput f = 1/m\ntest \"t\" { m = 1; expect f ~ 1 }";
    NotSymmetric "E0506" "a matrix that is not symmetric",
        "A value declared `sym` equals its transpose.",
        wrong "input P[2,2] sym\noutput f = sum(P)\ntest \"t\" { P = [1, 2; 3, 4]; expect f ~ 10 }", right "input P[2,2] sym\noutput f = sum(P)\ntest \"t\" { P = [1, 2; 2, 4]; expect f ~ 9 }";
    ExternalFailed "E0507" "an external function that failed",
        "The function supplied from outside reported a failure, or is missing.",
        wrong "extern fn f(x)\ninput x\noutput y = f(x)", right "fn f(x) = x^2\ninput x\noutput y = f(x)";
    Cancelled "E0508" "a cancelled evaluation",
        "The evaluation was stopped from outside before it was finished.",
        wrong "$ nablac eval long.nab", right "$ nablac eval long.nab";
    TestFailed "E0509" "an expectation that does not hold",
        "`expect a ~ b within t` means |a - b| <= t*max(1, |b|) in every entry; t is 1e-9 when not given.",
        wrong "input x\noutput f = x^2\ntest \"t\" { x = 2; expect f ~ 5 }", right "input x\noutput f = x^2\ntest \"t\" { x = 2; expect f ~ 4 }";
    TestMissingInput "E0510" "a test that leaves an input without a value",
        "A test gives every input, variable and parameter that has no default.",
        wrong "input x, y\noutput f = x*y\ntest \"t\" { x = 2; expect f ~ 4 }", right "input x, y\noutput f = x*y\ntest \"t\" { x = 2; y = 2; expect f ~ 4 }";
    TestUnknownInput "E0511" "a test that gives a value to something else than an input",
        "A test sets inputs, parameters, variables and, by `dim`, dims.",
        wrong "input x\noutput f = x^2\ntest \"t\" { z = 2; expect f ~ 4 }", right "input x\noutput f = x^2\ntest \"t\" { x = 2; expect f ~ 4 }";
    NoCompiler "E0512" "no C compiler",
        "The engine `c` compiles the emitted source with `cc`, which was not found.",
        wrong "$ nablac eval rosenbrock.nab x='[1, 2]' --engine c", right "$ nablac eval rosenbrock.nab x='[1, 2]' --engine jit";
    UnknownVersion "E0513" "a saved model of an unknown version",
        "The saved model was written by a later version or by another program.",
        wrong "$ nablac eval model_v99.json", right "$ nablac eval model.json";
    PatternData "E0514" "a pattern in the data that is not valid",
        "A sparse value has finite, increasing row numbers in each column, inside its shape.",
        wrong "$ nablac eval model.nab --data nan_pattern.json", right "$ nablac eval model.nab --data pattern.json";
    MalformedModel "E0515" "a saved model that is not written well",
        "A saved model is the JSON that `nablac emit json` writes; the message says what is expected in which place.",
        wrong "$ nablac eval half_a_model.json", right "$ nablac emit json model.nab";
    UnknownOperation "E0516" "an unknown operation in a saved model",
        "The nodes of a saved model name operations of the language and of its graphs; the message says which name is unknown.",
        wrong "$ nablac eval model_with_a_sinn.json", right "$ nablac emit json model.nab";
    InconsistentModel "E0517" "a saved model that contradicts itself",
        "Nodes refer to nodes and functions before them, patterns fit, and indices stay inside their values; the message says where that is not so.",
        wrong "$ nablac eval mended_model.json", right "$ nablac emit json model.nab";
    MissingExternal "E0518" "a model that needs a function from outside",
        "The model calls functions that a program in Rust or C has to supply; on the command line there is nobody who does.",
        wrong "$ nablac eval model_with_external.json", right "$ nablac emit c model_with_external.json";
    NoSpelling "E0519" "a graph without a spelling in the language",
        "`emit nab` writes what makes the same values again, in the same graph where the language can say it. It cannot say functions from outside with several results, and does not write tables of more than 100,000 entries; `emit json` writes every graph.",
        wrong "$ nablac emit nab large_table.nab", right "$ nablac emit json large_table.nab";

    MalformedRule "E0601" "a rule that is not written well",
        "A line of a rules file is `NAME CLASS LEFT => RIGHT [when COND and COND]`, or `!NAME LEFT => RIGHT at x = VALUE` for a rule that is wrong at that point; `#` starts a comment. The classes are exact, finite, real and approx(TOL). The left side binds all variables; the operations are those of the language on scalars.",
        wrong "$ nablac rules check typo.rules", right "$ nablac rules check my.rules";
    WrongRule "E0602" "a rule that breaks its promise",
        "Every rule is tested at special and random numbers by what its class promises: `exact` the same bits for every f64, `finite` the same for finite operands, `real` equal in real arithmetic wherever the left side is defined, `approx(TOL)` within that tolerance. Conditions after `when` restrict the operands to which it is applied; a rule that is applied must hold wherever they do.",
        wrong "$ nablac eval f.nab --rules wrong.rules", right "$ nablac rules check wrong.rules";

    BlankBeforeMinus "W0001" "a minus that looks like a sign",
        "`[a -b]` is the one entry `a - b`. Write `a - b`, or `a, -b` for two entries.",
        wrong "input a, b\noutput f = [a -b]", right "input a, b\noutput f = [a, -b]";
    UnusedValue "W0002" "a value that is never used",
        "Nothing depends on this name; it may be misspelt elsewhere.",
        wrong "input x\nlet a = x^2\noutput f = x", right "input x\nlet a = x^2\noutput f = a";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_in_order() {
        for pair in Code::ALL.windows(2) {
            assert!(pair[0].id() < pair[1].id(), "{} {}", pair[0].id(), pair[1].id());
        }
        for &code in Code::ALL {
            assert_eq!(Code::from_id(code.id()), Some(code));
            assert!(code.explanation().contains("Right:"));
        }
    }
}
