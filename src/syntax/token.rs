//! The terminal symbols of the grammar.

use std::fmt;

/// A token with its place in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// The first byte.
    pub start: u32,
    /// One past the last byte; equal to `start` for tokens that are not written.
    pub end: u32,
}

macro_rules! tokens {
    ($($variant:ident $text:literal $class:ident,)*) => {
        /// The kind of a token.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum TokenKind {
            $(#[doc = $text] $variant,)*
        }

        impl TokenKind {
            /// How messages call it; for tokens of one spelling, that spelling.
            pub fn text(self) -> &'static str {
                match self { $(TokenKind::$variant => $text,)* }
            }

            fn class(self) -> Class {
                match self { $(TokenKind::$variant => Class::$class,)* }
            }

            /// The reserved word that is spelled so.
            pub fn reserved(text: &str) -> Option<TokenKind> {
                match text {
                    $($text if TokenKind::$variant.is_reserved() => Some(TokenKind::$variant),)*
                    _ => None,
                }
            }
        }

        /// The words that begin a statement.
        pub fn statement_words() -> impl Iterator<Item = &'static str> {
            [$(TokenKind::$variant),*]
                .into_iter()
                .filter(|kind| kind.is_statement_word())
                .map(TokenKind::text)
        }
    };
}

/// What the newline rule and recovery need to know of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Ends a value, and may begin one.
    Value,
    /// Opens a bracket.
    Open,
    /// Closes a bracket.
    Close,
    /// Cannot begin a statement, nor end one.
    Infix,
    /// Ends a value, cannot begin one.
    Suffix,
    /// A reserved word that begins a statement of the file or of a block.
    Statement,
    /// A reserved word that can begin an expression.
    Prefix,
    /// A reserved word that cannot begin a statement.
    Inner,
    /// The end of a statement.
    Newline,
    /// Made by the driver of the parser.
    Marker,
}

tokens! {
    Number "number" Value,
    Name "name" Value,
    Text "text" Value,
    Bad "an unreadable sign" Value,
    From "from" Value,
    To "to" Value,
    End "end" Value,
    Use "use" Statement,
    Dim "dim" Statement,
    Index "index" Statement,
    Input "input" Statement,
    Param "param" Statement,
    Var "var" Statement,
    Let "let" Statement,
    Fn "fn" Statement,
    Extern "extern" Statement,
    Output "output" Statement,
    Root "root" Statement,
    Ode "ode" Statement,
    State "state" Statement,
    Der "der" Statement,
    Quad "quad" Statement,
    Minimise "minimise" Statement,
    Subject "subject" Statement,
    Test "test" Statement,
    Expect "expect" Statement,
    If "if" Prefix,
    Fold "fold" Prefix,
    Scan "scan" Prefix,
    Not "not" Prefix,
    Within "within" Inner,
    With "with" Inner,
    In "in" Inner,
    For "for" Inner,
    Then "then" Inner,
    Else "else" Inner,
    And "and" Inner,
    Or "or" Inner,
    LeftParenthesis "(" Open,
    RightParenthesis ")" Close,
    LeftBracket "[" Open,
    RightBracket "]" Close,
    LeftBrace "{" Open,
    RightBrace "}" Close,
    Comma "," Infix,
    RowEnd ";" Infix,
    Colon ":" Infix,
    Assign "=" Infix,
    Arrow "->" Infix,
    Tilde "~" Infix,
    Plus "+" Infix,
    Minus "-" Infix,
    Times "*" Infix,
    Over "/" Infix,
    DotTimes ".*" Infix,
    DotOver "./" Infix,
    Backslash "\\" Infix,
    Power "^" Infix,
    DotPower ".^" Infix,
    Less "<" Infix,
    LessEqual "<=" Infix,
    Greater ">" Infix,
    GreaterEqual ">=" Infix,
    Equal "==" Infix,
    NotEqual "!=" Infix,
    Range ".." Infix,
    Dot "." Infix,
    Quote "'" Suffix,
    Newline "the end of the line" Newline,
    BeginStatement "the begin of a statement" Marker,
    BeginExpression "the begin of an expression" Marker,
    BadLine "a line with a mistake" Marker,
}

impl TokenKind {
    /// Whether it is a reserved word of the language.
    pub fn is_reserved(self) -> bool {
        matches!(self.class(), Class::Statement | Class::Prefix | Class::Inner)
            || self == TokenKind::End
    }

    /// Whether it begins a statement of the file or of a block.
    pub fn is_statement_word(self) -> bool {
        self.class() == Class::Statement
    }

    /// Whether it begins a statement that only the file has, never a block.
    pub fn is_file_word(self) -> bool {
        use TokenKind::*;
        self.is_statement_word() && !matches!(self, Dim | Let | State | Der | Quad | Expect)
    }

    /// Whether it is written in letters or digits, or is a text.
    pub fn is_word(self) -> bool {
        self.is_reserved() || (self.class() == Class::Value && self != TokenKind::Bad)
    }

    /// Whether a value may end with it.
    pub fn ends_value(self) -> bool {
        matches!(self.class(), Class::Value | Class::Close | Class::Suffix)
    }

    /// Whether a newline after it may end a statement.
    pub fn ends_statement(self) -> bool {
        self.ends_value() && self != TokenKind::From
    }

    /// Whether a newline before it may end a statement.
    pub fn begins_statement(self) -> bool {
        matches!(self.class(), Class::Value | Class::Statement | Class::Prefix)
            || matches!(self, TokenKind::LeftParenthesis | TokenKind::LeftBracket)
    }

    /// Whether a value may begin with it, a minus apart.
    pub fn begins_value(self) -> bool {
        matches!(self.class(), Class::Value | Class::Prefix)
            || matches!(self, TokenKind::LeftParenthesis | TokenKind::LeftBracket)
    }
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.class() {
            Class::Newline | Class::Marker => f.write_str(self.text()),
            _ if matches!(self, TokenKind::Bad) => f.write_str(self.text()),
            _ if matches!(self, TokenKind::Number | TokenKind::Name | TokenKind::Text) => {
                write!(f, "a {}", self.text())
            }
            _ => write!(f, "`{}`", self.text()),
        }
    }
}
