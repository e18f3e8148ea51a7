//! Reading JSON front to back: no tree is made, and every mistake has its place in the text.
//!
//! The caller says what it expects where; nothing here recurses. Entries of an object may stand in
//! any order: [`Scanner::object`] notes where each value begins and skips over it.

use std::borrow::Cow;

use crate::syntax::Code;

/// What is wrong with a saved model, and where in its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    pub code: Code,
    pub message: String,
    /// Bytes of the text.
    pub start: usize,
    pub end: usize,
}

/// A place in a JSON text.
#[derive(Clone)]
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// The entries of an object: names, and scanners that stand before the values.
pub struct Entries<'a> {
    start: usize,
    list: Vec<(Cow<'a, str>, Scanner<'a>)>,
}

type Scanned<T> = Result<T, Mistake>;

impl<'a> Scanner<'a> {
    pub fn new(text: &'a str) -> Scanner<'a> {
        Scanner { text, at: 0 }
    }

    /// A mistake at the value that comes next.
    pub fn mistake(&self, code: Code, message: impl Into<String>) -> Mistake {
        let mut after = self.clone();
        after.blank();
        let start = after.at;
        let end = if after.skip().is_ok() { after.at } else { start };
        // Of a long value the first line is shown.
        let line = self.text[start..end].find('\n');
        let end = line.map_or(end, |n| start + n);
        Mistake { code, message: message.into(), start, end }
    }

    fn malformed(&mut self, expected: &str) -> Mistake {
        self.blank();
        let found = match self.text[self.at..].chars().next() {
            None => "the text ends".to_owned(),
            Some(c) => format!("there is `{}`", c.escape_debug()),
        };
        let (start, code) = (self.at, Code::MalformedModel);
        let end = self.text[start..].chars().next().map_or(start, |c| start + c.len_utf8());
        Mistake { code, message: format!("{found} where {expected} is expected"), start, end }
    }

    fn blank(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        let n = rest.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.at += n;
    }

    /// The first byte of what comes next.
    pub fn peek(&mut self) -> Option<u8> {
        self.blank();
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Scanned<()> {
        if self.eat(byte) {
            return Ok(());
        }
        Err(self.malformed(&format!("`{}`", char::from(byte))))
    }

    /// Nothing but blanks is left.
    pub fn end(&mut self) -> Scanned<()> {
        if self.peek().is_none() { Ok(()) } else { Err(self.malformed("the end")) }
    }

    /// Opens a list.
    pub fn open(&mut self) -> Scanned<()> {
        self.expect(b'[')
    }

    /// Goes on to item number `k` of an open list, or closes it.
    pub fn item(&mut self, k: usize) -> Scanned<bool> {
        if self.eat(b']') {
            return Ok(false);
        }
        if k > 0 && !self.eat(b',') {
            return Err(self.malformed("`,` or `]`"));
        }
        Ok(true)
    }

    /// Goes on to item number `k` of an open list that has to be there.
    pub fn step(&mut self, k: usize) -> Scanned<()> {
        if k > 0 {
            self.expect(b',')?;
        }
        Ok(())
    }

    /// Closes a list that has nothing more.
    pub fn close(&mut self) -> Scanned<()> {
        if self.eat(b']') {
            return Ok(());
        }
        Err(self.malformed("the end of the list"))
    }

    /// Calls `read` for each item of a list.
    pub fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Scanned<T>) -> Scanned<Vec<T>> {
        let mut items = Vec::new();
        self.open()?;
        while self.item(items.len())? {
            items.push(read(self)?);
        }
        Ok(items)
    }

    /// The entries of an object, whose names are among `known`.
    pub fn object(&mut self, known: &[&str]) -> Scanned<Entries<'a>> {
        let entries = self.any_object()?;
        for (k, (name, at)) in entries.list.iter().enumerate() {
            let twice = entries.list[..k].iter().any(|(other, _)| other == name);
            if twice || !known.contains(&&**name) {
                let what = if twice { "stands here twice" } else { "means nothing here" };
                let message = format!("the entry \"{}\" {what}", name.escape_debug());
                return Err(at.mistake(Code::MalformedModel, message));
            }
        }
        Ok(entries)
    }

    /// The entries of an object, whatever their names.
    pub fn any_object(&mut self) -> Scanned<Entries<'a>> {
        self.blank();
        let mut entries = Entries { start: self.at, list: Vec::new() };
        self.expect(b'{')?;
        if self.eat(b'}') {
            return Ok(entries);
        }
        loop {
            let name = self.string()?;
            self.expect(b':')?;
            entries.list.push((name, self.clone()));
            self.skip()?;
            if self.eat(b'}') {
                return Ok(entries);
            }
            if !self.eat(b',') {
                return Err(self.malformed("`,` or `}`"));
            }
        }
    }

    /// The text of a token that starts here, its quotes included.
    fn quoted(&mut self) -> Scanned<&'a str> {
        if self.peek() != Some(b'"') {
            return Err(self.malformed("a text"));
        }
        let bytes = self.text.as_bytes();
        let mut at = self.at + 1;
        loop {
            match bytes.get(at) {
                None | Some(b'\n') => {
                    let (start, code) = (self.at, Code::MalformedModel);
                    let message = "this text has no end".to_owned();
                    return Err(Mistake { code, message, start, end: start + 1 });
                }
                Some(b'"') => break,
                Some(b'\\') => at += 2,
                Some(_) => at += 1,
            }
        }
        let token = &self.text[self.at..=at];
        self.at = at + 1;
        Ok(token)
    }

    pub fn string(&mut self) -> Scanned<Cow<'a, str>> {
        let before = self.clone();
        let token = self.quoted()?;
        let inside = &token[1..token.len() - 1];
        if !inside.bytes().any(|b| b == b'\\' || b < b' ') {
            return Ok(Cow::Borrowed(inside));
        }
        serde_json::from_str::<String>(token)
            .map(Cow::Owned)
            .map_err(|e| before.mistake(Code::MalformedModel, format!("no text: {e}")))
    }

    /// The text of a number or word.
    fn word(&mut self) -> &'a str {
        self.blank();
        let rest = &self.text[self.at..];
        let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        let n = rest.bytes().take_while(|b| is_part(b)).count();
        self.at += n;
        &rest[..n]
    }

    /// A number; not finite ones and those with other bits than usual are texts.
    pub fn number(&mut self) -> Scanned<f64> {
        let before = self.clone();
        let wrong = |what: &str| {
            Err(before.mistake(Code::MalformedModel, format!("{what} is no number of a model")))
        };
        if self.peek() == Some(b'"') {
            let text = self.string()?;
            return match &*text {
                "inf" => Ok(f64::INFINITY),
                "-inf" => Ok(f64::NEG_INFINITY),
                "nan" => Ok(f64::NAN),
                _ => {
                    let bits = text.strip_prefix("nan:").filter(|digits| digits.len() == 16);
                    let bits = bits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
                    match bits.map(f64::from_bits) {
                        Some(value) if value.is_nan() => Ok(value),
                        _ => wrong("this text"),
                    }
                }
            };
        }
        let text = self.word();
        // JSON has no `+1`, `.5`, `1.`, `inf`.
        let starts = |digits: &str| digits.starts_with(|c: char| c.is_ascii_digit());
        let is_json = starts(text.strip_prefix('-').unwrap_or(text))
            && text.split('.').nth(1).is_none_or(starts);
        match text.parse::<f64>() {
            Ok(value) if is_json && value.is_finite() => Ok(value),
            _ => wrong("this"),
        }
    }

    pub fn integer<T: std::str::FromStr>(&mut self) -> Scanned<T> {
        let before = self.clone();
        let text = self.word();
        match text.parse() {
            Ok(value) if !text.starts_with('+') => Ok(value),
            _ => {
                let message = "an integer of fitting size is expected here";
                Err(before.mistake(Code::MalformedModel, message))
            }
        }
    }

    pub fn boolean(&mut self) -> Scanned<bool> {
        let before = self.clone();
        match self.word() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(before.mistake(Code::MalformedModel, "`true` or `false` is expected here")),
        }
    }

    /// Goes past a value; what stands inside is looked at when it is read.
    fn skip(&mut self) -> Scanned<()> {
        let mut depth = 0usize;
        loop {
            match self.peek() {
                Some(b'[' | b'{') => {
                    depth += 1;
                    self.at += 1;
                }
                Some(b']' | b'}') if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                Some(b',' | b':') if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                Some(b'"') => {
                    self.quoted()?;
                }
                _ => {
                    if self.word().is_empty() {
                        return Err(self.malformed("a value"));
                    }
                }
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }
}

impl<'a> Entries<'a> {
    /// A scanner before the value of an entry.
    pub fn get(&self, name: &str) -> Option<Scanner<'a>> {
        self.list.iter().find(|(known, _)| known == name).map(|(_, scanner)| scanner.clone())
    }

    /// [`Entries::get`] of an entry that has to be there.
    pub fn need(&self, name: &str) -> Scanned<Scanner<'a>> {
        self.get(name).ok_or_else(|| Mistake {
            code: Code::MalformedModel,
            message: format!("the entry \"{name}\" is missing"),
            start: self.start,
            end: self.start + 1,
        })
    }

    /// The value of an entry, read by `read`, if it is there.
    pub fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&mut Scanner<'a>) -> Scanned<T>,
    ) -> Scanned<Option<T>> {
        self.get(name).map(|mut scanner| read(&mut scanner)).transpose()
    }
}

/// The way to byte `at` of a JSON text, such as `functions[2].nodes[17]`.
pub fn path_to(text: &str, at: usize) -> String {
    enum Level<'t> {
        List(usize),
        Object(Option<&'t str>),
    }
    let mut levels: Vec<Level<'_>> = Vec::new();
    let mut scanner = Scanner::new(text);
    // The text last seen, which names an entry if a colon follows.
    let mut last = None;
    while let Some(byte) = scanner.peek() {
        if scanner.at >= at {
            break;
        }
        match byte {
            b'"' => {
                let Ok(token) = scanner.quoted() else { break };
                if scanner.at > at {
                    break;
                }
                last = Some(&token[1..token.len() - 1]);
                continue;
            }
            b'[' => levels.push(Level::List(0)),
            b'{' => levels.push(Level::Object(None)),
            b']' | b'}' => {
                levels.pop();
            }
            b',' => match levels.last_mut() {
                Some(Level::List(k)) => *k += 1,
                Some(Level::Object(name)) => *name = None,
                None => {}
            },
            b':' => {
                if let Some(Level::Object(name)) = levels.last_mut() {
                    *name = last;
                }
            }
            _ => {}
        }
        scanner.at += 1;
        while !text.is_char_boundary(scanner.at) {
            scanner.at += 1;
        }
    }
    let mut path = String::new();
    for level in levels {
        match level {
            Level::List(k) => path.push_str(&format!("[{k}]")),
            Level::Object(Some(name)) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
            }
            Level::Object(None) => {}
        }
    }
    path
}
