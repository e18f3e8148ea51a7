//! `nablac fmt`: the text of a program with even blanks, indentation and comments.
//!
//! Works on the tokens: only blanks, line ends and superfluous `;` change, so the tree stays the
//! same and every comment and line break stays where it is. Blocks are indented by two blanks;
//! continued lines keep their indentation relative to their statement; comments behind
//! neighboring lines are aligned. Blanks that align `=`, or the values behind the names of
//! constraints, stay.

use super::ast::{FileId, Span};
use super::diagnostic::Diagnostic;
use super::lexer::lex;
use super::parser::parse;
use super::token::{Token, TokenKind};

/// Lines longer than this do not move the comments of their neighbors.
const LONGEST_ALIGNED: usize = 60;

/// The formatted text, or the mistakes that keep the text from being formatted.
///
/// Formatting twice gives the same text as formatting once.
///
/// ```
/// use nablac::syntax::{SourceMap, format};
/// let text = "input   x\noutput f = x+1   ";
/// let file = SourceMap::new().add("f.nab", text);
/// assert_eq!(format(text, file).unwrap(), "input x\noutput f = x+1\n");
/// ```
pub fn format(source: &str, file: FileId) -> Result<String, Vec<Diagnostic>> {
    let (_, mut diagnostics) = parse(source, file);
    diagnostics.retain(Diagnostic::is_error);
    if !diagnostics.is_empty() {
        return Err(diagnostics);
    }
    let lexed = lex(source, file);
    let mut formatter = Formatter { source, lines: Vec::new(), levels: vec![Level::default()] };
    let mut comments = lexed.comments.into_iter().peekable();
    let mut before = Before { token: None, is_unary: false, end: 0, separator: None };
    for token in lexed.tokens {
        while let Some(comment) = comments.next_if(|comment| comment.start < token.start) {
            let ends_block = token.kind == TokenKind::RightBrace;
            formatter.comment(comment, ends_block, &mut before);
        }
        formatter.token(token, &mut before);
    }
    for comment in comments {
        formatter.comment(comment, true, &mut before);
    }
    Ok(formatter.finish())
}

struct Formatter<'source> {
    source: &'source str,
    lines: Vec<Line>,
    /// One for the file and one for every open `{`.
    levels: Vec<Level>,
}

#[derive(Default)]
struct Line {
    /// A blank line stands before it.
    is_apart: bool,
    indent: usize,
    code: String,
    comment: Option<String>,
}

/// A block, or the file.
#[derive(Default)]
struct Level {
    /// The indentation, in the source, of the line on which the statement at hand begins.
    source_indent: usize,
    /// The indentation that this line is given.
    indent: usize,
    /// How many `(` and `[` are open in it.
    n_brackets: usize,
}

/// What a line begins with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// What is indented as a statement in any case.
    Statement,
    /// The end of a block.
    Closing,
    /// Anything else.
    Continued,
}

/// What has been written last.
struct Before {
    token: Option<TokenKind>,
    /// A minus that is a sign.
    is_unary: bool,
    end: usize,
    /// The end of a statement that has been read but not written.
    separator: Option<Token>,
}

impl Formatter<'_> {
    /// The number of line ends in the source between two places.
    fn n_newlines(&self, from: usize, to: usize) -> usize {
        self.source[from..to].bytes().filter(|&byte| byte == b'\n').count()
    }

    fn level(&mut self) -> &mut Level {
        if self.levels.is_empty() {
            self.levels.push(Level::default());
        }
        let last = self.levels.len() - 1;
        &mut self.levels[last]
    }

    /// The column in the source, if only blanks stand before it in its line.
    fn column(&self, at: usize) -> usize {
        let line_start = self.source[..at].rfind('\n').map_or(0, |newline| newline + 1);
        self.source[line_start..at].chars().count()
    }

    /// Begins a line for what stands at `start` in the source.
    fn begin_line(&mut self, start: usize, place: Place, before: &Before) {
        let depth = self.levels.len() - 1;
        let closes = place == Place::Closing;
        let at_statement = matches!(before.token, None | Some(TokenKind::LeftBrace))
            || before.separator.is_some()
            || place == Place::Statement;
        let column = self.column(start);
        let indent = if closes {
            2 * depth.saturating_sub(1)
        } else if at_statement && self.level().n_brackets == 0 {
            let indent = 2 * depth;
            let level = self.level();
            (level.source_indent, level.indent) = (column, indent);
            indent
        } else {
            let level = self.level();
            level.indent + column.saturating_sub(level.source_indent).max(2)
        };
        let opened = before.token == Some(TokenKind::LeftBrace)
            && self.lines.last().is_none_or(|line| line.comment.is_none() || !line.code.is_empty());
        let is_apart =
            !self.lines.is_empty() && !closes && !opened && self.n_newlines(before.end, start) > 1;
        self.lines.push(Line { is_apart, indent, ..Line::default() });
    }

    /// Adds a comment, behind the code of its line or on a line of its own.
    fn comment(&mut self, span: Span, ends_block: bool, before: &mut Before) {
        let (start, end) = (span.start as usize, span.end as usize);
        let text = self.source[start..end].to_string();
        if self.lines.is_empty() || self.n_newlines(before.end, start) > 0 {
            let place = if ends_block { Place::Statement } else { Place::Continued };
            self.begin_line(start, place, before);
        }
        if let Some(line) = self.lines.last_mut() {
            line.comment = Some(text);
        }
        before.end = end;
    }

    fn token(&mut self, token: Token, before: &mut Before) {
        let (start, end) = (token.start as usize, token.end as usize);
        if token.kind == TokenKind::Newline {
            before.separator = Some(token);
            return;
        }
        let place = match token.kind {
            TokenKind::RightBrace => Place::Closing,
            TokenKind::LeftBrace => Place::Statement,
            _ => Place::Continued,
        };
        let on_new_line = before.token.is_none() || self.n_newlines(before.end, start) > 0;
        if let Some(separator) = before.separator {
            // A written `;` may end what a newline would not.
            let newline_suffices = before.token.is_some_and(TokenKind::ends_statement)
                && token.kind.begins_statement();
            if (separator.end > separator.start && !newline_suffices) || !on_new_line {
                self.push_separator();
            }
        }
        if on_new_line {
            self.begin_line(start, place, before);
        } else if let Some(previous) = before.token {
            let gap = start - before.end;
            let n_blanks = match before.separator {
                Some(_) => 1,
                None => self.n_blanks(previous, before.is_unary, token.kind, gap, end),
            };
            if let Some(line) = self.lines.last_mut() {
                line.code.extend(std::iter::repeat_n(' ', n_blanks));
            }
        }
        if let Some(line) = self.lines.last_mut() {
            line.code.push_str(&self.source[start..end]);
        }
        match token.kind {
            TokenKind::LeftBrace => {
                let &mut Level { source_indent, indent, .. } = self.level();
                self.levels.push(Level { source_indent, indent, n_brackets: 0 });
            }
            TokenKind::RightBrace => {
                self.levels.pop();
            }
            TokenKind::LeftParenthesis | TokenKind::LeftBracket => self.level().n_brackets += 1,
            TokenKind::RightParenthesis | TokenKind::RightBracket => {
                let level = self.level();
                level.n_brackets = level.n_brackets.saturating_sub(1);
            }
            _ => {}
        }
        let begins = before.separator.is_some() || before.token.is_none_or(|t| !t.ends_value());
        *before = Before {
            is_unary: token.kind == TokenKind::Minus && begins,
            token: Some(token.kind),
            end,
            separator: None,
        };
    }

    /// Writes `;` behind the last code.
    fn push_separator(&mut self) {
        if let Some(line) = self.lines.iter_mut().rev().find(|line| !line.code.is_empty()) {
            line.code.push(';');
        }
    }

    /// How many blanks stand between two tokens of a line with `gap` bytes between them.
    fn n_blanks(
        &mut self,
        left: TokenKind,
        left_is_unary: bool,
        right: TokenKind,
        gap: usize,
        right_end: usize,
    ) -> usize {
        use TokenKind::*;
        let kept = usize::from(gap > 0);
        let in_brackets = self.level().n_brackets > 0;
        match (left, right) {
            (LeftBrace, RightBrace) => 0,
            (_, LeftBrace | RightBrace) | (LeftBrace, _) => 1,
            (_, RightParenthesis | RightBracket | Comma | RowEnd | Quote) => 0,
            (LeftParenthesis | LeftBracket | Dot | Range | Power, _) => 0,
            (Minus, _) if left_is_unary => 0,
            (Number, Dot) => 1,
            (_, Dot | Range | Power) => 0,
            (Colon, _) if !in_brackets => gap.max(1),
            (_, Colon) => usize::from(left == Comma),
            (_, Assign) if !in_brackets => gap.max(1),
            (Name | RightParenthesis | RightBracket | End | Number | Quote, LeftBracket) => 0,
            (Name, LeftParenthesis) => 0,
            (From | To, LeftParenthesis | LeftBracket) => kept,
            (_, Plus | Minus | Times | Over | DotTimes | DotOver | DotPower | Backslash)
                if left.ends_value() =>
            {
                let next = self.source.as_bytes().get(right_end);
                usize::from(gap > 0 || next.is_none_or(u8::is_ascii_whitespace))
            }
            (Plus | Minus | Times | Over | DotTimes | DotOver | DotPower | Backslash, _) => {
                // As on the left of the operator.
                let code = self.lines.last().map_or("", |line| &line.code);
                let operator = left.text().len();
                let before_operator = code.len().checked_sub(operator + 1);
                let byte = before_operator.and_then(|at| code.as_bytes().get(at));
                usize::from(byte.is_none_or(|&byte| byte == b' '))
            }
            _ => 1,
        }
    }

    fn finish(self) -> String {
        let mut text = String::with_capacity(self.source.len());
        let widths: Vec<usize> =
            self.lines.iter().map(|line| line.indent + line.code.chars().count()).collect();
        let is_trailing = |line: &Line| line.comment.is_some() && !line.code.is_empty();
        let mut column = 0;
        for (at, line) in self.lines.iter().enumerate() {
            let continues = at > 0 && !line.is_apart && is_trailing(&self.lines[at - 1]);
            if is_trailing(line) && !continues {
                let run =
                    self.lines[at..].iter().zip(&widths[at..]).enumerate().take_while(
                        |(k, (line, _))| is_trailing(line) && (*k == 0 || !line.is_apart),
                    );
                let aligned = run.map(|(_, (_, &width))| width).filter(|&w| w <= LONGEST_ALIGNED);
                column = aligned.max().unwrap_or(0) + 2;
            }
            if line.is_apart {
                text.push('\n');
            }
            text.extend(std::iter::repeat_n(' ', line.indent));
            text.push_str(&line.code);
            if let Some(comment) = &line.comment {
                if !line.code.is_empty() {
                    let n_blanks = column.saturating_sub(widths[at]).max(2);
                    text.extend(std::iter::repeat_n(' ', n_blanks));
                }
                text.push_str(comment);
            }
            text.push('\n');
        }
        text
    }
}
