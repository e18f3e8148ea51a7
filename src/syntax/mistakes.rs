//! What to say when the grammar does not accept a token.

use super::builder::Builder;
use super::codes::Code;
use super::diagnostic::{Diagnostic, did_you_mean};
use super::token::{TokenKind, statement_words};

/// The message for the token at `at`, where one of `expected` (terminals in quotes) fits.
pub(super) fn explain(builder: &Builder<'_>, at: usize, expected: &[String]) -> Diagnostic {
    Mistake::new(builder, at, expected).explain()
}

struct Mistake<'a, 'source> {
    builder: &'a Builder<'source>,
    at: usize,
    /// The kind of the token; none at the end of the statement.
    found: Option<TokenKind>,
    previous: TokenKind,
    expected: Vec<&'a str>,
}

impl<'a, 'source> Mistake<'a, 'source> {
    fn new(builder: &'a Builder<'source>, at: usize, expected: &'a [String]) -> Self {
        let kind = |at: usize| builder.tokens.get(at).map(|token| token.kind);
        Mistake {
            builder,
            at,
            found: kind(at),
            previous: at.checked_sub(1).and_then(kind).unwrap_or(TokenKind::BeginStatement),
            // The only terminal that is escaped is the backslash.
            expected: expected
                .iter()
                .map(|text| text.trim_matches('"'))
                .map(|text| if text.starts_with('\\') { "\\" } else { text })
                .collect(),
        }
    }

    fn expects(&self, terminal: &str) -> bool {
        self.expected.contains(&terminal)
    }

    fn found_text(&self) -> String {
        let text = self.builder.token_text(self.at);
        match self.found {
            Some(TokenKind::Text) => "a text".to_string(),
            Some(_) if !text.is_empty() && text.len() <= 30 => format!("`{text}`"),
            Some(kind) => kind.to_string(),
            None => String::new(),
        }
    }

    fn new_diagnostic(&self, code: Code, message: impl Into<String>) -> Diagnostic {
        let mut span = self.builder.span(self.at, self.at + 1);
        if self.found.is_none() {
            // Just behind the last token of the statement.
            span.start = span.end;
        }
        Diagnostic::new(code, span, message)
    }

    fn explain(&self) -> Diagnostic {
        let name = self.builder.token_text(self.at);
        if self.previous == TokenKind::BeginStatement {
            return self.not_a_statement(name);
        }
        let begins_line = matches!(self.previous, TokenKind::LeftBrace | TokenKind::Newline);
        if begins_line && self.found.is_some_and(TokenKind::is_statement_word) {
            let message = format!("`{name}` does not belong into this block");
            return self.new_diagnostic(Code::NotAStatement, message);
        }
        if let Some(found) = self.found
            && found.is_reserved()
            && self.expects("name")
            && (found.is_statement_word() || !self.expects("number"))
        {
            let message = format!("`{name}` is a reserved word");
            return self
                .new_diagnostic(Code::ReservedWord, message)
                .help(format!("choose another name, such as `{name}_0`"));
        }
        if let Some(diagnostic) = self.slice().or_else(|| self.missing_comma()) {
            return diagnostic;
        }
        let message = match self.found {
            None => "the statement is not complete".to_string(),
            Some(TokenKind::Newline) => "the line is not complete".to_string(),
            Some(_) => format!("unexpected {}", self.found_text()),
        };
        let diagnostic = self.new_diagnostic(Code::UnexpectedToken, message);
        let diagnostic = diagnostic.label(format!("expected {}", self.expectation()));
        match self.help() {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    }

    fn not_a_statement(&self, name: &str) -> Diagnostic {
        let next = self.builder.tokens.get(self.at + 1).map(|token| token.kind);
        let diagnostic = self.new_diagnostic(
            Code::NotAStatement,
            format!("{} begins no statement", self.found_text()),
        );
        if self.found == Some(TokenKind::Name) {
            if next == Some(TokenKind::Assign) {
                return diagnostic.help(format!("a value is named by `let {name} = ...`"));
            }
            if let Some(word) = did_you_mean(name, statement_words()) {
                return diagnostic.help(format!("did you mean `{word}`?"));
            }
        }
        match self.found {
            Some(TokenKind::State | TokenKind::Der | TokenKind::Quad) => {
                diagnostic.help(format!("`{name}` belongs into an `ode` block"))
            }
            Some(TokenKind::Expect) => diagnostic.help("`expect` belongs into a `test` block"),
            Some(kind) if kind.begins_value() || kind == TokenKind::Minus => {
                diagnostic.help("a value is shown by `output name = ...`")
            }
            _ => diagnostic.help(
                "a statement begins with use, dim, index, input, param, var, let, fn, extern, \
                 output, root, ode, minimise, subject to or test",
            ),
        }
    }

    /// The word that begins the statement.
    fn statement(&self) -> Option<TokenKind> {
        self.builder.tokens.get(1).map(|token| token.kind)
    }

    fn innermost_bracket(&self) -> Option<TokenKind> {
        let mut depth = 0_usize;
        for token in self.builder.tokens[..self.at.min(self.builder.tokens.len())].iter().rev() {
            match token.kind {
                TokenKind::RightParenthesis | TokenKind::RightBracket | TokenKind::RightBrace => {
                    depth += 1;
                }
                TokenKind::LeftParenthesis | TokenKind::LeftBracket | TokenKind::LeftBrace => {
                    if depth == 0 {
                        return Some(token.kind);
                    }
                    depth -= 1;
                }
                _ => {}
            }
        }
        None
    }

    fn slice(&self) -> Option<Diagnostic> {
        let found = self.found?;
        if !matches!(found, TokenKind::Range | TokenKind::Colon)
            || self.innermost_bracket() != Some(TokenKind::LeftBracket)
        {
            return None;
        }
        let after_open = matches!(self.previous, TokenKind::LeftBracket | TokenKind::Comma);
        let (message, help) = match found {
            TokenKind::Colon => ("a slice is not written with `:`", "write `a..b`, or `:` for all"),
            _ if after_open => ("a slice has a lower end", "write `0..b`"),
            _ => ("a slice has no step", "write `a..b`, or `[x[a + s*k] for k in 0..n]`"),
        };
        Some(self.new_diagnostic(Code::BadSlice, message).help(help))
    }

    fn missing_comma(&self) -> Option<Diagnostic> {
        let found = self.found?;
        if !found.begins_value()
            || !self.previous.ends_value()
            || self.innermost_bracket() != Some(TokenKind::LeftBracket)
        {
            return None;
        }
        let message = "entries are separated by commas";
        let previous = self.builder.token_text(self.at - 1);
        let text = self.builder.token_text(self.at);
        let diagnostic = self.new_diagnostic(Code::MissingComma, message);
        Some(if previous.len() + text.len() <= 30 && found.is_word() {
            diagnostic.help(format!("write `{previous}, {text}`, or put an operator between them"))
        } else {
            diagnostic
        })
    }

    /// What may stand here, in words.
    fn expectation(&self) -> String {
        if self.expects("number") && self.expects("(") {
            return "an expression".to_string();
        }
        let mut parts: Vec<String> = Vec::new();
        if self.expects("+") {
            parts.push("an operator".to_string());
        } else if self.expects("<") && self.expects("==") {
            parts.push("a comparison".to_string());
        }
        let operators = [
            "+", "-", "*", "/", ".*", "./", "\\", "^", ".^", "<", "<=", ">", ">=", "==", "!=",
            "and", "or", ".", "'", "[", "bad", "from", "to", "bad line",
        ];
        let words_as_names = ["from", "to"];
        for &terminal in &self.expected {
            let hidden = match terminal {
                "name" | "text" | "number" => {
                    parts.push(format!("a {terminal}"));
                    continue;
                }
                "newline" => {
                    parts.push("the end of the line".to_string());
                    continue;
                }
                word if words_as_names.contains(&word) => self.expects("name"),
                "bad" | "bad line" => true,
                "<" | "<=" | ">" | ">=" | "==" | "!=" => self.expects("<"),
                operator => self.expects("+") && operators.contains(&operator),
            };
            if !hidden {
                parts.push(format!("`{terminal}`"));
            }
        }
        if self.at >= 2 && self.expects("+") && self.innermost_bracket().is_none() {
            parts.push("the end of the statement".to_string());
        }
        parts.truncate(5);
        match parts.pop() {
            None => "the end of the statement".to_string(),
            Some(last) if parts.is_empty() => last,
            Some(last) => format!("{} or {last}", parts.join(", ")),
        }
    }

    fn help(&self) -> Option<&'static str> {
        let found = self.found?;
        let expects_value = self.expects("number");
        let after_point = || self.builder.token_text(self.at - 1).split_once('.').is_some();
        Some(match found {
            _ if self.expects("..") && self.previous == TokenKind::Number && after_point() => {
                "a range is written with two points: `a..b`"
            }
            TokenKind::Plus if expects_value => "there is no unary `+`",
            TokenKind::If | TokenKind::Fold | TokenKind::Scan if expects_value => {
                "as an operand it stands in parentheses"
            }
            TokenKind::Assign if self.expects("==") => "`==` compares, `=` only declares",
            TokenKind::Assign if self.statement() == Some(TokenKind::Input) => {
                "only a `param` has a default"
            }
            TokenKind::Equal if self.expects("=") => "`=` declares, `==` compares",
            TokenKind::LeftParenthesis if self.previous.ends_value() => {
                "only a name can be called; a product needs its `*`"
            }
            TokenKind::In if self.expects("+") => {
                "clauses come in the order `name[shape] pattern in lo..hi`, then `= default` or \
                 `from start`"
            }
            TokenKind::RowEnd => "rows are separated by `;` inside `[...]` only",
            TokenKind::Text => "a text is no value",
            _ if found.begins_value() && self.previous.ends_value() && self.expects("+") => {
                "between two values stands an operator; a product needs its `*`"
            }
            _ => return None,
        })
    }
}
