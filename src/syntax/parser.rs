//! The driver of the grammar: statements one at a time, with recovery.
//!
//! The tokens of the file are cut into statements at newlines outside brackets. Each is given to
//! the LR(1) parser; at a mistake the innermost line of a block that holds it is replaced by one
//! token and the statement is parsed again, so that a mistake costs a line and nothing else.

use super::ast::*;
use super::builder::{Builder, Parsed};
use super::codes::Code;
use super::diagnostic::Diagnostic;
use super::lexer::lex;
use super::mistakes;
use super::token::{Token, TokenKind};
use lalrpop_util::ParseError;

#[allow(clippy::all, unused, missing_docs)]
mod grammar {
    include!(concat!(env!("OUT_DIR"), "/nablac.rs"));
}

/// After so many mistakes the rest of a statement is skipped.
const MAX_REPAIRS: usize = 20;

/// Parses the text of a file; the tree holds [`Expr::Error`] and [`StatementKind::Error`] where
/// mistakes were found, and lacks the lines of blocks with mistakes.
///
/// ```
/// use nablac::syntax::{SourceMap, dump, parse};
/// let (mut sources, text) = (SourceMap::new(), "input x\noutput f = (x + 1\noutput g = 2x");
/// let file = sources.add("f.nab", text);
/// // Never fails: all statements that can be read, and all mistakes.
/// let (ast, mistakes) = parse(text, file);
/// assert_eq!(mistakes.iter().map(|m| m.code.id()).collect::<Vec<_>>(), ["E0005", "E0003"]);
/// assert!(dump(&ast).contains("input"));
/// ```
pub fn parse(source: &str, file: FileId) -> (Ast, Vec<Diagnostic>) {
    let mut parser = match Parser::new(source, file) {
        Ok(parser) => parser,
        Err(diagnostic) => return (Ast { file, ..Ast::default() }, vec![*diagnostic]),
    };
    let tokens = std::mem::take(&mut parser.tokens);
    let mut depth = 0_usize;
    let mut start = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            TokenKind::LeftParenthesis | TokenKind::LeftBracket | TokenKind::LeftBrace => {
                depth += 1;
            }
            TokenKind::RightParenthesis | TokenKind::RightBracket | TokenKind::RightBrace => {
                depth = depth.saturating_sub(1);
            }
            TokenKind::Newline if depth == 0 => {
                parser.statement(&tokens[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parser.statement(&tokens[start..]);
    super::units::attach(&mut parser.builder.ast, source);
    parser.finish()
}

/// Parses a lone expression, such as a value on the command line.
pub fn parse_expression(source: &str, file: FileId) -> (Ast, Option<ExprId>, Vec<Diagnostic>) {
    let mut parser = match Parser::new(source, file) {
        Ok(parser) => parser,
        Err(diagnostic) => return (Ast { file, ..Ast::default() }, None, vec![*diagnostic]),
    };
    let tokens = std::mem::take(&mut parser.tokens);
    let parsed = parser.run(TokenKind::BeginExpression, &tokens);
    let (ast, diagnostics) = parser.finish();
    let root = match parsed {
        Some(Parsed::Expr(id)) if diagnostics.iter().all(|d| !d.is_error()) => Some(id),
        _ => None,
    };
    (ast, root, diagnostics)
}

struct Parser<'source> {
    builder: Builder<'source>,
    tokens: Vec<Token>,
    /// The mistakes of the lexer, in the order of the text.
    lexical: Vec<Diagnostic>,
    grammar: grammar::StartParser,
}

impl<'source> Parser<'source> {
    fn new(source: &'source str, file: FileId) -> Result<Parser<'source>, Box<Diagnostic>> {
        if source.len() >= u32::MAX as usize {
            let span = Span { file, start: 0, end: 0 };
            let message = "the file has more than 4 GB";
            return Err(Box::new(Diagnostic::new(Code::FileTooLarge, span, message)));
        }
        let lexed = lex(source, file);
        let mut builder = Builder::new(source, file);
        for span in lexed.comments {
            let text = source[span.start as usize + 1..span.end as usize].trim();
            let text = builder.intern(text);
            builder.ast.comments.push(Comment { text, span });
        }
        let mut lexical = lexed.diagnostics;
        lexical.sort_by_key(|diagnostic| diagnostic.primary.span.start);
        let grammar = grammar::StartParser::new();
        Ok(Parser { builder, tokens: lexed.tokens, lexical, grammar })
    }

    fn finish(self) -> (Ast, Vec<Diagnostic>) {
        let mut diagnostics = self.lexical;
        diagnostics.extend(self.builder.diagnostics);
        diagnostics.sort_by_key(|diagnostic| diagnostic.primary.span.start);
        (self.builder.ast, diagnostics)
    }

    fn statement(&mut self, tokens: &[Token]) {
        let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return };
        let span = Span { file: self.builder.ast.file, start: first.start, end: last.end };
        let kind = match self.run(TokenKind::BeginStatement, tokens) {
            Some(Parsed::Statement(kind)) => kind,
            _ => StatementKind::Error,
        };
        self.builder.ast.statements.push(Statement { kind, span });
    }

    /// Parses `tokens`, replacing lines with mistakes, until it succeeds or cannot.
    fn run(&mut self, begin: TokenKind, tokens: &[Token]) -> Option<Parsed> {
        let at = tokens.first().map_or(0, |token| token.start);
        let marker = Token { kind: begin, start: at, end: at };
        self.builder.tokens.clear();
        self.builder.tokens.push(marker);
        self.builder.tokens.extend_from_slice(tokens);
        let mut reports = Vec::new();
        let mut parsed = None;
        for _ in 0..MAX_REPAIRS {
            let checkpoint = self.builder.checkpoint();
            let stream: Vec<TokenKind> =
                self.builder.tokens.iter().map(|token| token.kind).collect();
            let stream = stream.into_iter().enumerate().map(|(at, kind)| Ok((at, kind, at + 1)));
            let error = match self.grammar.parse(&mut self.builder, stream) {
                Ok(value) => {
                    parsed = Some(value);
                    break;
                }
                Err(error) => error,
            };
            self.builder.rollback(checkpoint);
            let (at, expected) = match error {
                ParseError::UnrecognizedToken { token, expected } => (token.0, expected),
                ParseError::UnrecognizedEof { expected, .. } => {
                    (self.builder.tokens.len(), expected)
                }
                ParseError::ExtraToken { token } => (token.0, Vec::new()),
                ParseError::InvalidToken { location } => (location, Vec::new()),
                ParseError::User { .. } => (self.builder.tokens.len(), Vec::new()),
            };
            let line = line_around(&self.builder.tokens, at);
            let (start, end) = line.unwrap_or((0, self.builder.tokens.len()));
            let reported = self.builder.tokens[start..end.max(start)]
                .iter()
                .any(|token| token.kind == TokenKind::BadLine);
            if !reported && !self.has_lexical_error(start, end, at) {
                reports.push(mistakes::explain(&self.builder, at, &expected));
            }
            let Some((start, end)) = line else { break };
            let span = self.builder.span(start, end);
            let bad = Token { kind: TokenKind::BadLine, start: span.start, end: span.end };
            self.builder.tokens.splice(start..end, [bad]);
        }
        for diagnostic in reports {
            self.builder.report(diagnostic);
        }
        parsed
    }

    /// Whether the lexer has reported a mistake in the line, which then explains this one.
    fn has_lexical_error(&self, start: usize, end: usize, at: usize) -> bool {
        let span = self.builder.span(start, end);
        let until = match self.builder.tokens.get(at) {
            Some(token) => token.end,
            None => self.builder.line_end(span.end),
        };
        let from = self.lexical.partition_point(|d| d.primary.span.start < span.start);
        self.lexical[from..]
            .iter()
            .take_while(|diagnostic| diagnostic.primary.span.start <= until)
            .any(Diagnostic::is_error)
    }
}

/// The line of the innermost block that holds the token at `at`: from after `{` or a newline to
/// before `}` or a newline of the same block. None outside blocks and for empty lines.
fn line_around(tokens: &[Token], at: usize) -> Option<(usize, usize)> {
    let at = at.min(tokens.len());
    let mut depth = 0_usize;
    let mut start = None;
    for position in (0..at).rev() {
        match tokens[position].kind {
            TokenKind::RightBrace => depth += 1,
            TokenKind::LeftBrace | TokenKind::Newline if depth == 0 => {
                start = Some(position + 1);
                break;
            }
            TokenKind::LeftBrace => depth -= 1,
            _ => {}
        }
    }
    let start = start?;
    let mut depth = 0_usize;
    let mut end = tokens.len();
    for (position, token) in tokens.iter().enumerate().skip(at) {
        match token.kind {
            TokenKind::LeftBrace => depth += 1,
            TokenKind::RightBrace | TokenKind::Newline if depth == 0 => {
                end = position;
                break;
            }
            TokenKind::RightBrace => depth -= 1,
            _ => {}
        }
    }
    let is_bad = tokens[start..end].iter().all(|token| token.kind == TokenKind::BadLine);
    (start < end && !is_bad).then_some((start, end))
}
