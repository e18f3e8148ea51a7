//! Pictures of sparsity patterns: signs for the terminal, and SVG with the names of the blocks
//! of a problem.

use std::fmt::Write as _;

use rustc_hash::FxHashSet;

use crate::sparsity::Pattern;

/// Widest and highest picture in the terminal, in characters.
const MOST_COLUMNS: usize = 80;
const MOST_ROWS: usize = 60;

/// Most squares of an SVG picture in each direction.
const MOST_SQUARES: usize = 1000;

/// Sides of SVG pictures, in pixels, and the room for names.
const SIDE: f64 = 640.0;
const MARGIN: f64 = 120.0;

/// A color for each block of columns, in turn (Okabe and Ito's, told apart by most eyes).
const COLORS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

/// A pattern with the names of its blocks, each with its number of rows or columns; without
/// names where there are none.
pub struct Picture {
    pub name: String,
    pub pattern: Pattern,
    pub rows: Vec<(String, usize)>,
    pub columns: Vec<(String, usize)>,
}

impl Picture {
    /// A dot for each nonzero, or for each group of entries that has one.
    pub fn text(&self) -> String {
        let (n_rows, n_cols) = self.pattern.shape();
        let scale = n_rows.div_ceil(MOST_ROWS).max(n_cols.div_ceil(MOST_COLUMNS)).max(1);
        let (height, width) = (n_rows.div_ceil(scale), n_cols.div_ceil(scale));
        let mut dots = vec![vec![' '; width]; height];
        for (row, col) in self.pattern.entries() {
            dots[row / scale][col / scale] = '*';
        }
        let mut text = String::new();
        for row in dots {
            let row: String = row.into_iter().collect();
            let _ = writeln!(text, "  |{row}|");
        }
        if scale > 1 {
            let _ = writeln!(text, "  (a sign is {scale}x{scale} entries)");
        }
        for (what, blocks) in [("rows", &self.rows), ("columns", &self.columns)] {
            if !blocks.is_empty() {
                let _ = writeln!(text, "  {what}: {}", ranges(blocks));
            }
        }
        text
    }
}

/// `X 0..164, U 164..204`
fn ranges(blocks: &[(String, usize)]) -> String {
    let mut start = 0;
    let mut texts = Vec::with_capacity(blocks.len());
    for (name, n) in blocks {
        texts.push(format!("{name} {start}..{}", start + n));
        start += n;
    }
    texts.join(", ")
}

/// Text inside SVG.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// All pictures, one below the other.
pub fn svg(pictures: &[Picture]) -> String {
    let mut body = String::new();
    let mut top = 0.0;
    for picture in pictures {
        let height = draw(picture, top, &mut body);
        top += height;
    }
    let width = SIDE + 2.0 * MARGIN;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{top:.0}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

/// Adds a picture below `top`, and gives its height.
fn draw(picture: &Picture, top: f64, body: &mut String) -> f64 {
    let (n_rows, n_cols) = picture.pattern.shape();
    let group = n_rows.max(n_cols).div_ceil(MOST_SQUARES).max(1);
    let (high, wide) = (n_rows.div_ceil(group), n_cols.div_ceil(group));
    let square = SIDE / high.max(wide).max(1) as f64;
    let per_entry = square / group as f64;
    let origin = top + 60.0;
    let _ = writeln!(
        body,
        "<text x=\"{MARGIN}\" y=\"{:.1}\" font-weight=\"bold\">{}: {n_rows} x {n_cols}, {} \
         nonzeros</text>",
        top + 20.0,
        escaped(&picture.name),
        picture.pattern.nnz()
    );
    let mut ends: Vec<usize> = Vec::new();
    for (_, n) in &picture.columns {
        ends.push(ends.last().copied().unwrap_or(0) + n);
    }
    let mut paths = vec![String::new(); COLORS.len()];
    let mut drawn: FxHashSet<(usize, usize)> = FxHashSet::default();
    for (row, col) in picture.pattern.entries() {
        if drawn.insert((row / group, col / group)) {
            let block = ends.partition_point(|&end| end <= col);
            let _ = write!(paths[block % COLORS.len()], "M{} {}h1v1h-1z", col / group, row / group);
        }
    }
    let _ = writeln!(body, "<g transform=\"translate({MARGIN} {origin:.1}) scale({square:.6})\">");
    for (path, color) in paths.iter().zip(COLORS).filter(|(path, _)| !path.is_empty()) {
        let _ = writeln!(body, "<path fill=\"{color}\" d=\"{path}\"/>");
    }
    let _ = writeln!(body, "</g>");
    let (width, height) = (n_cols as f64 * per_entry, n_rows as f64 * per_entry);
    let _ = writeln!(
        body,
        "<rect x=\"{MARGIN}\" y=\"{origin:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
         fill=\"none\" stroke=\"#888\"/>"
    );
    let line = |body: &mut String, from: (f64, f64), to: (f64, f64)| {
        let _ = writeln!(
            body,
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"#ccc\"/>",
            from.0, from.1, to.0, to.1
        );
    };
    let mut at = 0;
    for (name, n) in &picture.columns {
        let x = MARGIN + at as f64 * per_entry;
        line(body, (x, origin), (x, origin + height));
        let middle = x + *n as f64 * per_entry / 2.0;
        let y = origin - 8.0;
        let name = escaped(name);
        let _ = writeln!(
            body,
            "<text x=\"{middle:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{name}</text>"
        );
        at += n;
    }
    at = 0;
    for (name, n) in &picture.rows {
        let y = origin + at as f64 * per_entry;
        line(body, (MARGIN, y), (MARGIN + width, y));
        let middle = y + *n as f64 * per_entry / 2.0 + 4.0;
        let (x, name) = (MARGIN - 8.0, escaped(name));
        let _ = writeln!(
            body,
            "<text x=\"{x:.1}\" y=\"{middle:.1}\" text-anchor=\"end\">{name}</text>"
        );
        at += n;
    }
    height + 100.0
}
