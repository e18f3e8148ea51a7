//! Text to syntax tree: lexer, grammar, formatter, and the messages that all later stages use.
//!
//! [`parse`] takes the text of a `.nab` file and gives its [`Ast`] with all mistakes found; it
//! never fails. This module uses nothing else of the crate.

pub mod ast;
mod builder;
pub mod codes;
pub mod diagnostic;
mod dump;
mod format;
pub mod formula;
mod lexer;
mod mistakes;
mod parser;
mod token;
mod units;

pub use ast::{Ast, ExprId, FileId, Span};
pub use codes::Code;
pub use diagnostic::{Diagnostic, Label, Severity, SourceMap, did_you_mean, render, render_all};
pub use dump::{dump, dump_expr};
pub use format::format;
pub use parser::{parse, parse_expression};

/// Whether a text is a name of the language: letters, digits and `_`, not reserved.
///
/// ```
/// use nablac::syntax::is_name;
/// assert!(is_name("x_1") && !is_name("1x") && !is_name("output"));
/// ```
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && token::TokenKind::reserved(text).is_none()
}

#[cfg(test)]
mod tests;
