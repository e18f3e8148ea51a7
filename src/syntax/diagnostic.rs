//! Messages to the user about a source text: what is wrong, where, and what to write instead.
//!
//! A [`Diagnostic`] is made by the parser or the lowering and drawn by [`render`] from a
//! [`SourceMap`] in the manner of rustc.

use super::ast::{FileId, Span};
use super::codes::Code;
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use std::sync::Arc;

/// A message with its place in the source.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// The entry of the table of codes.
    pub code: Code,
    /// One sentence without a full stop.
    pub message: String,
    /// The place of the mistake.
    pub primary: Label,
    /// Other places that explain it.
    pub secondary: Vec<Label>,
    /// What to write instead, one line each.
    pub help: Vec<String>,
    /// Whether the program may run all the same.
    pub severity: Severity,
}

/// A place in the source and what to say about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is said there; may be empty.
    pub text: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The program has no meaning.
    Error,
    /// The program has a meaning that may not be the intended one.
    Warning,
}

impl Diagnostic {
    /// A message at `span`; its severity follows from the code (`W...` is a warning).
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        let severity = if code.id().starts_with('W') { Severity::Warning } else { Severity::Error };
        Diagnostic {
            code,
            message: message.into(),
            primary: Label { span, text: String::new() },
            secondary: Vec::new(),
            help: Vec::new(),
            severity,
        }
    }

    /// Says `text` at the place of the mistake.
    pub fn label(mut self, text: impl Into<String>) -> Diagnostic {
        self.primary.text = text.into();
        self
    }

    /// Adds another place.
    pub fn secondary(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// Adds a line of help.
    pub fn help(mut self, text: impl Into<String>) -> Diagnostic {
        self.help.push(text.into());
        self
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// The source files that spans refer to.
///
/// ```
/// use nablac::syntax::{Code, Diagnostic, SourceMap, Span, render};
/// let mut sources = SourceMap::new();
/// let file = sources.add("f.nab", "input x\noutput f = thteta\n");
/// let span = Span { file, start: 19, end: 25 };
/// assert_eq!((sources.slice(span), sources.line_column(span)), ("thteta", (2, 12)));
/// let diagnostic = Diagnostic::new(Code::UnknownName, span, "unknown name `thteta`")
///     .label("did you mean `theta`?")
///     .help("names are declared before use");
/// assert!(diagnostic.is_error());
/// let text = render(&diagnostic, &sources, false);
/// assert!(text.starts_with("error[E0101]: unknown name `thteta`") && text.contains("f.nab:2:12"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    files: Vec<(Arc<str>, Arc<str>)>,
}

impl SourceMap {
    /// Without files.
    pub fn new() -> SourceMap {
        SourceMap::default()
    }

    /// Adds a file with the name to show and its text.
    pub fn add(&mut self, name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> FileId {
        let id = FileId(self.files.len() as u32);
        self.files.push((name.into(), text.into()));
        id
    }

    /// The name of a file; empty for an unknown one.
    pub fn name(&self, file: FileId) -> &str {
        self.files.get(file.0 as usize).map_or("", |(name, _)| name)
    }

    /// The text of a file; empty for an unknown one.
    pub fn text(&self, file: FileId) -> &str {
        self.files.get(file.0 as usize).map_or("", |(_, text)| text)
    }

    /// The text under a span; empty where the span does not fit the file.
    pub fn slice(&self, span: Span) -> &str {
        self.text(span.file).get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// The line and the column (in characters) of the start of a span, both from 1.
    pub fn line_column(&self, span: Span) -> (usize, usize) {
        let text = self.text(span.file);
        let at = floor_char_boundary(text, span.start as usize);
        let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        (1 + count_newlines(&text[..at]), 1 + text[line_start..at].chars().count())
    }
}

/// Draws messages one after another, with a blank line between them; in color only if asked.
pub fn render_all(diagnostics: &[Diagnostic], sources: &SourceMap, color: bool) -> String {
    let parts: Vec<String> =
        diagnostics.iter().map(|diagnostic| render(diagnostic, sources, color)).collect();
    parts.join("\n")
}

/// Draws one message with the lines it speaks of; the text ends with a newline.
pub fn render(diagnostic: &Diagnostic, sources: &SourceMap, color: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code.id());
    let mut group: Group<'_> = Group::with_title(title);

    let main_file = diagnostic.primary.span.file;
    let mut files = vec![main_file];
    for label in &diagnostic.secondary {
        if !files.contains(&label.span.file) {
            files.push(label.span.file);
        }
    }
    let mut cut = false;
    for file in files {
        let mut labels: Vec<(&Label, AnnotationKind)> = Vec::new();
        if file == main_file {
            labels.push((&diagnostic.primary, AnnotationKind::Primary));
        }
        let others = diagnostic.secondary.iter().filter(|label| label.span.file == file);
        labels.extend(others.map(|label| (label, AnnotationKind::Context)));
        let Some((first, _)) = labels.first() else { continue };
        let excerpt = Excerpt::new(sources.text(file), &labels);
        let mut snippet = Snippet::source(excerpt.text).line_start(excerpt.first_line).fold(true);
        if excerpt.is_cut {
            cut = true;
            // The renderer would count columns from the cut.
            let (line, column) = sources.line_column(first.span);
            let name = sources.name(file).to_string();
            group = group.element(Origin::path(name).line(line).char_column(column));
        } else {
            snippet = snippet.path(sources.name(file));
        }
        for ((label, kind), range) in labels.iter().zip(excerpt.ranges) {
            let mut annotation = kind.span(range);
            if !label.text.is_empty() {
                annotation = annotation.label(label.text.as_str());
            }
            snippet = snippet.annotation(annotation);
        }
        group = group.element(snippet);
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut text = renderer.decor_style(DecorStyle::Ascii).render(&[group]);
    // The renderer draws an empty header for a snippet whose place is given apart.
    if cut && let Some(at) = text.find(" ::: \n") {
        let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        text.replace_range(line_start..at + " ::: \n".len(), "");
    }
    text.push('\n');
    text
}

/// Lines longer than this are shown in part.
const MAX_LINE: usize = 300;
/// How much of a long line is shown before the first label.
const CONTEXT: usize = 100;

/// The lines from the first to the last label, long ones cut, with the labels' places in them.
struct Excerpt {
    text: String,
    first_line: usize,
    is_cut: bool,
    ranges: Vec<std::ops::Range<usize>>,
}

impl Excerpt {
    fn new(source: &str, labels: &[(&Label, AnnotationKind)]) -> Excerpt {
        // A label that runs over several lines is drawn on its first one.
        let clipped: Vec<std::ops::Range<usize>> = labels
            .iter()
            .map(|(label, _)| {
                let start = floor_char_boundary(source, label.span.start as usize);
                let end = floor_char_boundary(source, label.span.end as usize).max(start);
                let line_end = source[start..end].find('\n').map_or(end, |n| start + n);
                start..line_end
            })
            .collect();
        let first = clipped.iter().map(|range| range.start).min().unwrap_or(0);
        let last = clipped.iter().map(|range| range.end).max().unwrap_or(0);
        let begin = source[..first].rfind('\n').map_or(0, |newline| newline + 1);
        let end = source[last..].find('\n').map_or(source.len(), |newline| last + newline);

        let mut excerpt = Excerpt {
            text: String::new(),
            first_line: 1 + count_newlines(&source[..begin]),
            is_cut: false,
            ranges: vec![0..0; clipped.len()],
        };
        let mut line_start = begin;
        for line in source[begin..end].split('\n') {
            let line_end = line_start + line.len();
            let on_line = |range: &std::ops::Range<usize>| {
                range.start >= line_start && range.start <= line_end
            };
            let (mut from, mut to) = (line_start, line_end);
            if line.len() > MAX_LINE {
                excerpt.is_cut = true;
                let label = clipped.iter().filter(|range| on_line(range)).map(|r| r.start).min();
                let near = label.unwrap_or(line_start).saturating_sub(CONTEXT).max(line_start);
                from = floor_char_boundary(source, near);
                to = floor_char_boundary(source, (from + MAX_LINE).min(line_end));
            }
            let before = if from > line_start { "..." } else { "" };
            excerpt.text.push_str(before);
            let shift = excerpt.text.len();
            excerpt.text.push_str(&source[from..to]);
            for (range, place) in clipped.iter().zip(&mut excerpt.ranges) {
                if on_line(range) {
                    let start = range.start.clamp(from, to) - from + shift;
                    let stop = range.end.clamp(from, to) - from + shift;
                    *place = start..stop;
                }
            }
            if to < line_end {
                excerpt.text.push_str("...");
            }
            excerpt.text.push('\n');
            line_start = line_end + 1;
        }
        excerpt
    }
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn count_newlines(text: &str) -> usize {
    text.bytes().filter(|&byte| byte == b'\n').count()
}

/// The candidate nearest to `name`, if it is near enough to be meant.
///
/// Distance is that of Damerau and Levenshtein (optimal string alignment): the least number of
/// insertions, deletions, substitutions and swaps of neighbors; near enough is at most a third of
/// the length of the name, at least one.
///
/// ```
/// use nablac::syntax::did_you_mean;
/// assert_eq!(did_you_mean("thteta", ["x", "theta"]), Some("theta"));
/// assert_eq!(did_you_mean("thteta", ["x", "y"]), None);
/// ```
pub fn did_you_mean<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let name: Vec<char> = name.chars().take(65).collect();
    if name.is_empty() || name.len() > 64 {
        return None;
    }
    let limit = (name.len() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let other: Vec<char> = candidate.chars().take(65).collect();
        // Between one-letter names every pair is near: that would be noise.
        if other.is_empty() || (name.len() == 1 && other.len() == 1) {
            continue;
        }
        if other.len().abs_diff(name.len()) > limit {
            continue;
        }
        let distance = edit_distance(&name, &other);
        let nearer = best.is_none_or(|(least, text)| (distance, candidate) < (least, text));
        if distance <= limit && nearer {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut current = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let substituted = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            current[j] = substituted.min(last[j] + 1).min(current[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                current[j] = current[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn span(start: u32, end: u32) -> Span {
        Span { file: FileId(0), start, end }
    }

    #[test]
    fn shows_all_places_and_help() {
        let mut sources = SourceMap::new();
        sources.add("a.nab", "param Q[4,4]\nlet x = 1\nlet y = 2\nlet f = x * Q\n");
        let diagnostic =
            Diagnostic::new(Code::ShapesMultiply, span(43, 44), "shapes do not fit in `*`")
                .label("2x1 times 4x4")
                .secondary(span(6, 7), "`Q` is 4x4")
                .help("transpose the left operand");
        expect![[r#"
            error[E0203]: shapes do not fit in `*`
             --> a.nab:4:11
              |
            1 | param Q[4,4]
              |       - `Q` is 4x4
            ...
            4 | let f = x * Q
              |           ^ 2x1 times 4x4
              |
              = help: transpose the left operand
        "#]]
        .assert_eq(&render(&diagnostic, &sources, false));
    }

    #[test]
    fn long_lines_are_cut() {
        let mut sources = SourceMap::new();
        let text = format!("let f = {}q\n", "x + ".repeat(1_000_000));
        let at = text.find('q').unwrap() as u32;
        sources.add("a.nab", text);
        let diagnostic = Diagnostic::new(Code::UnknownName, span(at, at + 1), "unknown name `q`");
        let drawn = render(&diagnostic, &sources, false);
        assert!(drawn.len() < 1_000, "{}", drawn.len());
        assert!(drawn.contains("a.nab:1:4000009"), "{drawn}");
    }

    #[test]
    fn suggests_near_names_only() {
        let names = ["theta", "velocity", "vel", "x", "norm2sq"];
        assert_eq!(did_you_mean("thtea", names), Some("theta"));
        assert_eq!(did_you_mean("velocty", names), Some("velocity"));
        assert_eq!(did_you_mean("norm2_sq", names), Some("norm2sq"));
        assert_eq!(did_you_mean("q", names), None);
        assert_eq!(did_you_mean("mass", names), None);
    }
}
