//! Source text to tokens: the newline rule, matching of brackets, and hints for signs of other
//! languages.
//!
//! The tokens given to the parser have matching brackets, nested at most [`MAX_NESTING`] deep;
//! every repair has been reported. Linear in the length of the text, without recursion.

use super::ast::{FileId, Span};
use super::codes::Code;
use super::diagnostic::Diagnostic;
use super::token::{Token, TokenKind};

/// The deepest nesting of brackets.
pub const MAX_NESTING: usize = 1_000;
/// The most mistakes that are reported for one file.
pub const MAX_DIAGNOSTICS: usize = 100;

/// What the lexer gives.
#[derive(Debug, Default)]
pub struct Lexed {
    /// The tokens, brackets matching.
    pub tokens: Vec<Token>,
    /// The comments, from `#` to the end of the line.
    pub comments: Vec<Span>,
    /// The mistakes.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads all of `source`, which has less than 4 GB.
pub fn lex(source: &str, file: FileId) -> Lexed {
    let mut lexer = Lexer {
        source,
        bytes: source.as_bytes(),
        file,
        at: if source.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 },
        previous: TokenKind::Newline,
        pending_newline: None,
        line_start: 0,
        previous_line_start: None,
        open: Vec::new(),
        n_braces: 0,
        lexed: Lexed::default(),
    };
    lexer.run();
    lexer.lexed
}

struct Lexer<'source> {
    source: &'source str,
    bytes: &'source [u8],
    file: FileId,
    at: usize,
    /// The kind of the token before; a newline at the start.
    previous: TokenKind,
    /// A newline that may still turn out to end a statement.
    pending_newline: Option<usize>,
    line_start: usize,
    /// Where the line of the token before begins.
    previous_line_start: Option<usize>,
    open: Vec<OpenBracket>,
    n_braces: usize,
    lexed: Lexed,
}

#[derive(Clone, Copy)]
struct OpenBracket {
    kind: TokenKind,
    start: usize,
    /// A `[` that begins a matrix, not an index.
    is_matrix: bool,
    /// How many `(` and `[` are open in the block, this one included.
    n_open: [usize; 2],
}

impl<'source> Lexer<'source> {
    fn run(&mut self) {
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\n' => {
                    self.pending_newline.get_or_insert(self.at);
                    self.at += 1;
                    self.line_start = self.at;
                }
                b'#' => {
                    let start = self.at;
                    self.skip_line();
                    let end = start + self.source[start..self.at].trim_end().len();
                    self.lexed.comments.push(self.span(start, end));
                }
                _ => {
                    self.token(byte);
                    self.previous_line_start = Some(self.line_start);
                }
            }
        }
        let end = self.at;
        self.close_brackets(0, end, "the file ends here");
        if self.lexed.tokens.last().is_some_and(|token| token.kind == TokenKind::Newline) {
            self.lexed.tokens.pop();
        }
    }

    fn token(&mut self, first: u8) {
        match first {
            b'0'..=b'9' => self.number(),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.word(),
            b'"' => self.text(),
            b'\'' => self.quote(),
            b'.' => self.dot(),
            _ if first.is_ascii() => self.sign(first),
            _ => self.unknown(),
        }
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span { file: self.file, start: start as u32, end: end as u32 }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        if self.lexed.diagnostics.len() < MAX_DIAGNOSTICS {
            self.lexed.diagnostics.push(diagnostic);
        }
    }

    fn skip_line(&mut self) {
        let rest = &self.bytes[self.at..];
        self.at += rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    }

    fn skip_while(&mut self, accept: impl Fn(u8) -> bool) {
        let rest = &self.bytes[self.at..];
        self.at += rest.iter().position(|&byte| !accept(byte)).unwrap_or(rest.len());
    }

    fn peek(&self, offset: usize) -> u8 {
        self.bytes.get(self.at + offset).copied().unwrap_or(0)
    }

    fn innermost(&self) -> Option<TokenKind> {
        self.open.last().map(|bracket| bracket.kind)
    }

    fn in_round_or_square(&self) -> bool {
        matches!(self.innermost(), Some(TokenKind::LeftParenthesis | TokenKind::LeftBracket))
    }

    /// Adds a token that ends at the present place, and the newline before it if it counts.
    fn push(&mut self, kind: TokenKind, start: usize) {
        if let Some(newline) = self.pending_newline.take()
            && !self.in_round_or_square()
            && (self.previous.ends_statement() && kind.begins_statement() || self.restarts(kind))
        {
            self.emit(TokenKind::Newline, newline, newline);
        }
        self.emit(kind, start, self.at);
    }

    /// Whether a statement begins although the one before is not complete.
    fn restarts(&self, kind: TokenKind) -> bool {
        use TokenKind::{Extern, LeftBrace, Newline};
        kind.is_statement_word() && !matches!(self.previous, Newline | LeftBrace | Extern)
    }

    fn emit(&mut self, kind: TokenKind, start: usize, end: usize) {
        self.previous = kind;
        if self.open.len() <= MAX_NESTING {
            self.lexed.tokens.push(Token { kind, start: start as u32, end: end as u32 });
        }
    }

    fn number(&mut self) {
        let start = self.at;
        self.skip_while(|byte| byte.is_ascii_digit());
        let mut malformed = false;
        if self.peek(0) == b'.' {
            match self.peek(1) {
                b'0'..=b'9' => {
                    self.at += 1;
                    self.skip_while(|byte| byte.is_ascii_digit());
                }
                b'.' | b'*' | b'/' | b'^' | b'\\' | b'\'' => {}
                _ => {
                    self.at += 1;
                    malformed = true;
                }
            }
        }
        let sign = usize::from(matches!(self.peek(1), b'+' | b'-'));
        if self.peek(0) == b'e' && self.peek(1 + sign).is_ascii_digit() {
            self.at += 1 + sign;
            self.skip_while(|byte| byte.is_ascii_digit());
        }
        let number_end = self.at;
        self.skip_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let trailing = &self.source[number_end..self.at];
        let written = &self.source[start..self.at];
        let span = self.span(start, self.at);
        if malformed || !trailing.is_empty() {
            let shown = shorten(written);
            let number = &self.source[start..number_end];
            let mut diagnostic =
                Diagnostic::new(Code::MalformedNumber, span, format!("`{shown}` is no number"));
            let exponent = trailing.strip_prefix('E').is_some_and(|digits| {
                !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
            });
            diagnostic = if malformed {
                let digits = shorten(number.split('.').next().unwrap_or(number));
                let is_exponent = trailing.is_empty() || number.contains('e');
                diagnostic.help(if is_exponent {
                    format!("there are digits on both sides of the point: `{digits}.0`")
                } else {
                    format!("a range is `{digits}..{}`", shorten(trailing))
                })
            } else if exponent || trailing == "E" {
                diagnostic.help(format!(
                    "write the exponent with a small `e`: `{}`",
                    shown.replace('E', "e")
                ))
            } else if number == "0" && trailing.starts_with(['x', 'X', 'b', 'o']) {
                diagnostic.help("numbers are decimal")
            } else {
                diagnostic.help(format!(
                    "a product needs its `*`: `{}*{}`",
                    shorten(number),
                    shorten(trailing)
                ))
            };
            self.report(diagnostic);
        } else if written.parse::<f64>().is_ok_and(f64::is_infinite) {
            let diagnostic = Diagnostic::new(
                Code::MalformedNumber,
                span,
                "the number is larger than the largest double, about 1.8e308",
            );
            self.report(diagnostic.help("for infinity write `inf`"));
        }
        self.push(TokenKind::Number, start);
    }

    fn word(&mut self) {
        let start = self.at;
        self.skip_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let text = &self.source[start..self.at];
        let mut kind = match text {
            "from" => TokenKind::From,
            "to" => TokenKind::To,
            _ => TokenKind::reserved(text).unwrap_or(TokenKind::Name),
        };
        if matches!(text, "minimize" | "maximize" | "maximise") && self.at_statement_start() {
            let rest = self.source[self.at..].trim_start_matches([' ', '\t']);
            if !rest.starts_with('=') {
                kind = TokenKind::Minimise;
                let diagnostic = Diagnostic::new(
                    Code::NotAStatement,
                    self.span(start, self.at),
                    format!("there is no statement `{text}`"),
                );
                let help = if text == "minimize" {
                    "write `minimise`"
                } else {
                    "write `minimise` with the opposite sign"
                };
                self.report(diagnostic.help(help));
            }
        }
        if kind.is_statement_word()
            && !self.open.is_empty()
            && self.previous_line_start != Some(self.line_start)
        {
            let depth = if kind.is_file_word() && start == self.line_start {
                0
            } else {
                let brace = |bracket: &OpenBracket| bracket.kind == TokenKind::LeftBrace;
                self.open.iter().rposition(brace).map_or(0, |brace| brace + 1)
            };
            self.close_brackets(depth, start, "a new statement begins here");
        }
        self.push(kind, start);
    }

    fn at_statement_start(&self) -> bool {
        self.open.is_empty()
            && (self.previous == TokenKind::Newline
                || (self.pending_newline.is_some() && self.previous.ends_statement()))
    }

    fn text(&mut self) {
        let start = self.at;
        self.at += 1;
        self.skip_while(|byte| byte != b'"' && byte != b'\n');
        if self.peek(0) == b'"' {
            self.at += 1;
        } else {
            let span = self.span(start, start + 1);
            self.report(
                Diagnostic::new(Code::UnclosedText, span, "the text is not closed on its line")
                    .help("a text stands in `\"...\"`, without escapes"),
            );
        }
        self.push(TokenKind::Text, start);
    }

    /// A transpose after a value, otherwise a text of another language.
    fn quote(&mut self) {
        let start = self.at;
        self.at += 1;
        if self.previous.ends_value() {
            return self.push(TokenKind::Quote, start);
        }
        let rest = &self.bytes[self.at..];
        let stop = rest.iter().position(|&byte| byte == b'\'' || byte == b'\n');
        let closed = stop.is_some_and(|stop| rest[stop] == b'\'');
        if let Some(stop) = stop.filter(|_| closed) {
            self.at += stop + 1;
        }
        let span = self.span(start, self.at);
        let mut diagnostic =
            Diagnostic::new(Code::UnclosedText, span, "`'` is the transpose of a value");
        if closed {
            diagnostic = diagnostic.help("a text stands in double quotes, `\"...\"`");
        }
        self.report(diagnostic);
        self.push(if closed { TokenKind::Text } else { TokenKind::Bad }, start);
    }

    fn dot(&mut self) {
        let start = self.at;
        match self.peek(1) {
            b'.' => {
                self.skip_while(|byte| byte == b'.');
                if self.at - start == 2 {
                    return self.push(TokenKind::Range, start);
                }
                let help =
                    "a range is `a..b`; a statement goes on to the next line after an operator";
                self.foreign(start, help);
            }
            b'*' => self.long_sign(TokenKind::DotTimes, 2),
            b'/' => self.long_sign(TokenKind::DotOver, 2),
            b'^' => self.long_sign(TokenKind::DotPower, 2),
            b'\'' => {
                self.at += 2;
                self.foreign(start, "the transpose is `'`");
                self.push(TokenKind::Quote, start);
            }
            b'\\' => {
                self.at += 2;
                self.foreign(start, "write the elementwise division as `b ./ a`");
                self.push(TokenKind::Backslash, start);
            }
            b'0'..=b'9' => {
                self.at += 1;
                self.skip_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                let written = shorten(&self.source[start..self.at]);
                let span = self.span(start, self.at);
                self.report(
                    Diagnostic::new(
                        Code::MalformedNumber,
                        span,
                        format!("`{written}` is no number"),
                    )
                    .help(format!("there are digits on both sides of the point: `0{written}`")),
                );
                self.push(TokenKind::Number, start);
            }
            _ => self.long_sign(TokenKind::Dot, 1),
        }
    }

    fn long_sign(&mut self, kind: TokenKind, length: usize) {
        let start = self.at;
        self.at += length;
        self.push(kind, start);
    }

    fn foreign(&mut self, start: usize, help: &str) {
        let sign = &self.source[start..self.at];
        let message = format!("`{}` is not an operator of the language", shorten(sign));
        let span = self.span(start, self.at);
        self.report(Diagnostic::new(Code::ForeignOperator, span, message).help(help));
    }

    fn foreign_sign(&mut self, kind: TokenKind, length: usize, help: &str) {
        let start = self.at;
        self.at += length;
        self.foreign(start, help);
        self.push(kind, start);
    }

    fn sign(&mut self, byte: u8) {
        use TokenKind::*;
        match (byte, self.peek(1)) {
            (b'(', _) => self.open_bracket(LeftParenthesis),
            (b'[', _) => self.open_bracket(LeftBracket),
            (b'{', _) => self.open_bracket(LeftBrace),
            (b')', _) => self.close_bracket(RightParenthesis, LeftParenthesis),
            (b']', _) => self.close_bracket(RightBracket, LeftBracket),
            (b'}', _) => self.close_bracket(RightBrace, LeftBrace),
            (b';', _) => self.semicolon(),
            (b'-', b'>') => self.long_sign(Arrow, 2),
            (b'-', _) => self.minus(),
            (b'<', b'=') => self.long_sign(LessEqual, 2),
            (b'<', b'>') => self.foreign_sign(NotEqual, 2, "write `!=`"),
            (b'>', b'=') => self.long_sign(GreaterEqual, 2),
            (b'=', b'=') => self.long_sign(Equal, 2),
            (b'!', b'=') => self.long_sign(NotEqual, 2),
            (b'!', _) => self.foreign_sign(Not, 1, "write `not`"),
            (b'*', b'*') => self.foreign_sign(Power, 2, "the power is `^`"),
            (b'&', b'&') => self.foreign_sign(And, 2, "write `and`"),
            (b'&', _) => self.foreign_sign(And, 1, "write `and`"),
            (b'|', b'|') => self.foreign_sign(Or, 2, "write `or`"),
            (b'|', _) => self.foreign_sign(Or, 1, "write `or`"),
            (b':', b'=') => self.foreign_sign(Assign, 2, "write `=`"),
            (b'%', _) => self.foreign_sign(Times, 1, "the remainder is `mod(a, b)`"),
            (b'/', b'/') => {
                let start = self.at;
                self.at += 2;
                self.foreign(start, "a comment begins with `#`");
                self.skip_line();
            }
            (b',', _) => self.long_sign(Comma, 1),
            (b':', _) => self.long_sign(Colon, 1),
            (b'=', _) => self.long_sign(Assign, 1),
            (b'~', _) => self.long_sign(Tilde, 1),
            (b'+', _) => self.long_sign(Plus, 1),
            (b'*', _) => self.long_sign(Times, 1),
            (b'/', _) => self.long_sign(Over, 1),
            (b'\\', _) => self.long_sign(Backslash, 1),
            (b'^', _) => self.long_sign(Power, 1),
            (b'<', _) => self.long_sign(Less, 1),
            (b'>', _) => self.long_sign(Greater, 1),
            _ => self.unknown(),
        }
    }

    fn minus(&mut self) {
        let start = self.at;
        let blank = |byte: u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let looks_like_sign = start > 0 && blank(self.bytes[start - 1]) && !blank(self.peek(1));
        if looks_like_sign
            && self.previous.ends_value()
            && self.open.last().is_some_and(|bracket| bracket.is_matrix)
        {
            let span = self.span(start, start + 1);
            self.report(
                Diagnostic::new(
                    Code::BlankBeforeMinus,
                    span,
                    "this `-` subtracts: a blank does not separate entries",
                )
                .help("write `a - b` for a difference, `a, -b` for two entries"),
            );
        }
        self.at += 1;
        self.push(TokenKind::Minus, start);
    }

    /// Ends a row inside brackets, a statement elsewhere.
    fn semicolon(&mut self) {
        let start = self.at;
        self.at += 1;
        if self.in_round_or_square() {
            return self.push(TokenKind::RowEnd, start);
        }
        self.pending_newline = None;
        if !matches!(self.previous, TokenKind::Newline | TokenKind::LeftBrace) {
            self.emit(TokenKind::Newline, start, self.at);
        }
    }

    fn open_bracket(&mut self, kind: TokenKind) {
        let start = self.at;
        self.at += 1;
        let is_matrix = kind == TokenKind::LeftBracket && !self.previous.ends_value();
        if self.open.len() == MAX_NESTING {
            self.push(TokenKind::Bad, start);
            let span = self.span(start, self.at);
            self.report(
                Diagnostic::new(
                    Code::NestedTooDeeply,
                    span,
                    format!("brackets are nested more than {MAX_NESTING} deep"),
                )
                .help("name parts of the formula with `let`"),
            );
        } else {
            self.push(kind, start);
        }
        let outer = self.open.last().filter(|_| kind != TokenKind::LeftBrace);
        let mut n_open = outer.map_or([0; 2], |bracket| bracket.n_open);
        n_open[0] += usize::from(kind == TokenKind::LeftParenthesis);
        n_open[1] += usize::from(kind == TokenKind::LeftBracket);
        self.n_braces += usize::from(kind == TokenKind::LeftBrace);
        self.open.push(OpenBracket { kind, start, is_matrix, n_open });
        self.previous = kind;
    }

    /// Whether such a bracket is open; one inside a block does not reach out of the block.
    fn has_open(&self, opening: TokenKind) -> bool {
        let Some(innermost) = self.open.last() else { return false };
        match opening {
            TokenKind::LeftParenthesis => innermost.n_open[0] > 0,
            TokenKind::LeftBracket => innermost.n_open[1] > 0,
            _ => self.n_braces > 0,
        }
    }

    fn close_bracket(&mut self, kind: TokenKind, opening: TokenKind) {
        let start = self.at;
        self.at += 1;
        let partner = if self.has_open(opening) {
            self.open.iter().rposition(|bracket| bracket.kind == opening)
        } else {
            None
        };
        let Some(depth) = partner else {
            let span = self.span(start, self.at);
            let mut diagnostic = Diagnostic::new(
                Code::UnmatchedBracket,
                span,
                format!("{kind} closes no open bracket"),
            );
            if let Some(&bracket) = self.open.last() {
                let opened = self.span(bracket.start, bracket.start + 1);
                diagnostic = diagnostic.secondary(opened, "the innermost open bracket");
            }
            return self.report(diagnostic);
        };
        self.close_brackets(depth + 1, start, &format!("{kind} closes a bracket further out"));
        if kind == TokenKind::RightBrace
            && self.lexed.tokens.last().is_some_and(|token| token.kind == TokenKind::Newline)
            && self.previous == TokenKind::Newline
        {
            self.lexed.tokens.pop();
        }
        self.pending_newline = None;
        if self.open.len() <= MAX_NESTING {
            self.emit(kind, start, self.at);
        }
        self.pop_bracket();
        self.previous = kind;
    }

    /// Closes all brackets beyond `depth` in front of the token at `at`, with a message.
    fn close_brackets(&mut self, depth: usize, at: usize, reason: &str) {
        let Some(&outermost) = self.open.get(depth) else { return };
        let span = self.span(outermost.start, outermost.start + 1);
        let here = self.span(at, (at + 1).min(self.source.len()));
        let message = format!("{} is never closed", outermost.kind);
        self.report(Diagnostic::new(Code::UnclosedBracket, span, message).secondary(here, reason));
        let end = self.lexed.tokens.last().map_or(at, |token| token.end as usize);
        while self.open.len() > depth {
            let Some(bracket) = self.open.last() else { break };
            let closing = match bracket.kind {
                TokenKind::LeftParenthesis => TokenKind::RightParenthesis,
                TokenKind::LeftBracket => TokenKind::RightBracket,
                _ => TokenKind::RightBrace,
            };
            self.emit(closing, end, end);
            self.pop_bracket();
        }
    }

    fn pop_bracket(&mut self) {
        let popped = self.open.pop();
        self.n_braces -= usize::from(popped.is_some_and(|b| b.kind == TokenKind::LeftBrace));
    }

    /// A run of characters that the language does not have.
    fn unknown(&mut self) {
        let start = self.at;
        let first = self.source[start..].chars().next().unwrap_or(' ');
        let known = |c: char| {
            c.is_ascii_whitespace() || (c.is_ascii_graphic() && !matches!(c, '@' | '$' | '?' | '`'))
        };
        self.at += self.source[start..].find(known).unwrap_or(self.source.len() - start);
        if self.at == start {
            self.at += first.len_utf8();
        }
        let run = &self.source[start..self.at];
        let shown = shorten(&run.escape_debug().to_string());
        let span = self.span(start, start + first.len_utf8());
        let mut diagnostic = Diagnostic::new(
            Code::UnknownCharacter,
            span,
            format!("`{shown}` is not part of the language"),
        );
        if let Some(help) = replacement(first) {
            diagnostic = diagnostic.help(format!("write `{help}`"));
        } else if first.is_alphabetic() {
            diagnostic = diagnostic.help("names are ASCII letters, digits and `_`");
        }
        self.report(diagnostic);
        self.push(TokenKind::Bad, start);
    }
}

/// What a common character of formulas is in the language.
fn replacement(character: char) -> Option<&'static str> {
    Some(match character {
        '×' | '·' | '⋅' | '∗' => "*",
        '÷' => "/",
        '−' | '–' | '—' => "-",
        '≤' => "<=",
        '≥' => ">=",
        '≠' => "!=",
        '²' => "^2",
        '³' => "^3",
        'ᵀ' => "'",
        'π' => "pi",
        '∞' => "inf",
        '“' | '”' | '„' => "\"",
        '√' => "sqrt(...)",
        _ => return None,
    })
}

fn shorten(text: &str) -> String {
    const LONGEST: usize = 40;
    if text.chars().nth(LONGEST).is_none() {
        return text.to_string();
    }
    text.chars().take(LONGEST).chain("...".chars()).collect()
}
