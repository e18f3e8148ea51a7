//! From the text files of ADBench to values by name for the programs beside this file.
//!
//! Every function takes the name of a file, reads it and gives a JSON object for `--data`. Matrices
//! become lists of rows, and what ADBench stores row after row becomes the columns of a matrix.
//! The formats are those of <https://github.com/microsoft/ADBench>.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

/// The largest number of entries of one array.
const MAX_ENTRIES: usize = 1 << 27;

/// Weights, means and factors of a mixture of Gaussians, and points.
pub fn gmm(file: &str) -> Result<Json, String> {
    let text = read(file)?;
    let mut words = Words::new(file, &text);
    let [d, k, n] = words.counts(["dimensions", "components", "points"])?;
    let t = product(file, d, d + 1)? / 2;
    let alpha = words.numbers("alpha", k)?;
    let mu = words.columns("mu", d, k)?;
    let icf = words.columns("icf", t, k)?;
    let x = words.columns("x", d, n)?;
    let gamma = words.number("gamma")?;
    let m = words.number("m")?;
    words.end()?;
    Ok(json!({
        "D": d, "K": k, "N": n, "alpha": alpha, "mu": mu, "icf": icf, "x": x, "gamma": gamma, "m": m,
    }))
}

/// Cameras, points and observations. A file either has one of each, which stands for all, or all
/// of them, every observation with its camera and its point in front.
pub fn ba(file: &str) -> Result<Json, String> {
    let text = read(file)?;
    let mut words = Words::new(file, &text);
    let [n, m, p] = words.counts(["cameras", "points", "observations"])?;
    let is_short = text.split_whitespace().count() == 3 + 11 + 3 + 1 + 2;
    let (cameras, points, weights, seen, camera, point);
    if is_short {
        cameras = repeated(file, &words.numbers("the camera", 11)?, n)?;
        points = repeated(file, &words.numbers("the point", 3)?, m)?;
        weights = repeated(file, &words.numbers("the weight", 1)?, p)?.swap_remove(0);
        seen = repeated(file, &words.numbers("the feature", 2)?, p)?;
        camera = (0..p).map(|i| i % n.max(1)).collect();
        point = (0..p).map(|i| i % m.max(1)).collect();
    } else {
        cameras = words.columns("the cameras", 11, n)?;
        points = words.columns("the points", 3, m)?;
        let (mut w, mut x, mut y) = (Vec::new(), Vec::new(), Vec::new());
        let (mut of_camera, mut of_point): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
        for _ in 0..p {
            of_camera.push(words.index("a camera", n)?);
            of_point.push(words.index("a point", m)?);
            w.push(words.number("a weight")?);
            x.push(words.number("a feature")?);
            y.push(words.number("a feature")?);
        }
        (camera, point, weights, seen) = (of_camera, of_point, w, vec![x, y]);
    }
    words.end()?;
    Ok(json!({
        "n": n, "m": m, "p": p, "camera": camera, "point": point,
        "C": cameras, "X": points, "w": weights, "seen": seen,
    }))
}

/// Parameters and state of a network, and the sequence it reads.
pub fn lstm(file: &str) -> Result<Json, String> {
    let text = read(file)?;
    let mut words = Words::new(file, &text);
    let [l, chars, b] = words.counts(["layers", "characters", "bits"])?;
    let main = words.columns("the main parameters", product(file, 4, b)?, product(file, 2, l)?)?;
    let extra = words.columns("the extra parameters", b, 3)?;
    let start = words.columns("the state", product(file, 2, b)?, l)?;
    let sequence = words.columns("the sequence", b, chars)?;
    words.end()?;
    Ok(json!({
        "L": l, "chars": chars, "B": b, "main": main, "extra": extra, "start": start,
        "text": sequence,
    }))
}

/// Points, parameters and the part of the model in the folder `model` that the points refer to:
/// vertices of the mesh, or triangles where every point has two coordinates of its own.
pub fn hand(file: &str, model: &str) -> Result<Json, String> {
    let text = read(file)?;
    let mut words = Words::new(file, &text);
    let [n, n_theta] = words.counts(["points", "parameters"])?;
    let coordinates = match text.split_whitespace().count().checked_sub(2) {
        Some(rest) if rest == product(file, 4, n)? + n_theta => 0,
        _ => 2,
    };
    let mesh = Mesh::read(model)?;
    let (mut triangles, mut points) = (Vec::new(), [Vec::new(), Vec::new(), Vec::new()]);
    for _ in 0..n {
        let corners = match coordinates {
            0 => vec![words.index("a vertex", mesh.vertices.len())?],
            _ => mesh.triangles[words.index("a triangle", mesh.triangles.len())?].to_vec(),
        };
        triangles.push(corners);
        for axis in &mut points {
            axis.push(words.number("a point")?);
        }
    }
    let u = words.columns("u", coordinates, n)?;
    let theta = words.numbers("theta", n_theta)?;
    words.end()?;

    // Vertices are counted anew as the points come to them.
    let mut number: HashMap<usize, usize> = HashMap::new();
    let mut used = Vec::new();
    let mut corners: Vec<Vec<usize>> = vec![Vec::new(); if coordinates == 0 { 1 } else { 3 }];
    for triangle in &triangles {
        for (to, &vertex) in corners.iter_mut().zip(triangle) {
            let next = used.len();
            to.push(*number.entry(vertex).or_insert_with(|| {
                used.push(&mesh.vertices[vertex]);
                next
            }));
        }
    }
    let places: Vec<Vec<f64>> =
        (0..3).map(|axis| used.iter().map(|vertex| vertex.place[axis]).collect()).collect();
    let moved = || used.iter().enumerate().flat_map(|(v, of)| of.moved.iter().map(move |b| (v, b)));
    let mut object = json!({
        "N": n, "V": used.len(), "E": moved().count(), "point": points, "theta": theta,
        "mesh": places,
        "vertex": moved().map(|(v, _)| v).collect::<Vec<_>>(),
        "bone": moved().map(|(_, b)| b.0).collect::<Vec<_>>(),
        "weight": moved().map(|(_, b)| b.1).collect::<Vec<_>>(),
        "base": mesh.base, "inverse_base": mesh.inverse_base,
    });
    match corners.as_slice() {
        [at] => object["at"] = json!(at),
        _ => {
            object["u"] = json!(u);
            for (name, corner) in ["a", "b", "c"].into_iter().zip(&corners) {
                object[name] = json!(corner);
            }
        }
    }
    Ok(object)
}

/// The hand itself.
struct Mesh {
    vertices: Vec<Vertex>,
    triangles: Vec<[usize; 3]>,
    /// Rows of 4x4 matrices that stand side by side, one for each bone.
    base: Vec<Vec<f64>>,
    inverse_base: Vec<Vec<f64>>,
}

struct Vertex {
    place: [f64; 3],
    /// Bones that move it, and how much.
    moved: Vec<(usize, f64)>,
}

impl Mesh {
    fn read(folder: &str) -> Result<Mesh, String> {
        let file = format!("{folder}/bones.txt");
        let text = read(&file)?;
        let (mut base, mut inverse_base) = (vec![Vec::new(); 4], vec![Vec::new(); 4]);
        let mut n_bones = 0;
        for (line, bone) in lines(&text) {
            let mut words = Words::of_line(&file, line, bone);
            words.word("the name of a bone")?;
            words.number("the parent of a bone")?;
            for rows in [&mut base, &mut inverse_base] {
                for row in rows.iter_mut() {
                    row.extend(words.numbers("a matrix", 4)?);
                }
            }
            words.end()?;
            n_bones += 1;
        }
        let file = format!("{folder}/vertices.txt");
        let text = read(&file)?;
        let mut vertices = Vec::new();
        for (line, vertex) in lines(&text) {
            let mut words = Words::of_line(&file, line, vertex);
            let place = [words.number("x")?, words.number("y")?, words.number("z")?];
            words.numbers("what is left out", 5)?;
            let [n_moved] = words.counts(["bones of a vertex"])?;
            let moved = (0..n_moved)
                .map(|_| Ok((words.index("a bone", n_bones)?, words.number("a weight")?)))
                .collect::<Result<_, String>>()?;
            words.end()?;
            vertices.push(Vertex { place, moved });
        }
        let file = format!("{folder}/triangles.txt");
        let text = read(&file)?;
        let mut triangles = Vec::new();
        for (line, triangle) in lines(&text) {
            let mut words = Words::of_line(&file, line, triangle);
            let mut corner = || words.index("a vertex", vertices.len());
            triangles.push([corner()?, corner()?, corner()?]);
            words.end()?;
        }
        Ok(Mesh { vertices, triangles, base, inverse_base })
    }
}

/// The words of a file with the lines they stand in.
struct Words<'a> {
    file: &'a str,
    words: Box<dyn Iterator<Item = (usize, &'a str)> + 'a>,
}

impl<'a> Words<'a> {
    fn new(file: &'a str, text: &'a str) -> Words<'a> {
        let words = lines(text).flat_map(|(n, line)| line.split_whitespace().map(move |w| (n, w)));
        Words { file, words: Box::new(words) }
    }

    /// One line of words between colons.
    fn of_line(file: &'a str, line: usize, text: &'a str) -> Words<'a> {
        Words { file, words: Box::new(text.split(':').map(move |w| (line, w.trim()))) }
    }

    fn word(&mut self, what: &str) -> Result<(usize, &'a str), String> {
        self.words.next().ok_or_else(|| format!("{}: it ends before {what}", self.file))
    }

    fn number(&mut self, what: &str) -> Result<f64, String> {
        let (line, word) = self.word(what)?;
        let number = word.parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| format!("{}:{line}: {what}: `{word}` is no number", self.file))
    }

    fn numbers(&mut self, what: &str, n: usize) -> Result<Vec<f64>, String> {
        (0..n).map(|_| self.number(what)).collect()
    }

    fn integer(&mut self, what: &str) -> Result<(usize, usize), String> {
        let (line, word) = self.word(what)?;
        let integer = word.parse::<usize>();
        let integer = integer
            .map_err(|_| format!("{}:{line}: {what}: `{word}` is no number from 0", self.file))?;
        Ok((line, integer))
    }

    fn counts<const N: usize>(&mut self, what: [&str; N]) -> Result<[usize; N], String> {
        let mut counts = [0; N];
        for (count, what) in counts.iter_mut().zip(what) {
            *count = product(self.file, self.integer(&format!("the number of {what}"))?.1, 1)?;
        }
        Ok(counts)
    }

    /// A number that counts one of `n` things from 0.
    fn index(&mut self, what: &str, n: usize) -> Result<usize, String> {
        let (line, index) = self.integer(what)?;
        if index < n {
            return Ok(index);
        }
        Err(format!("{}:{line}: {what} has the number {index}, there are {n}", self.file))
    }

    /// The rows of a matrix that is stored column after column.
    fn columns(&mut self, what: &str, n_rows: usize, n_cols: usize) -> Result<Rows, String> {
        let values = self.numbers(what, product(self.file, n_rows, n_cols)?)?;
        let row = |i| values.iter().skip(i).step_by(n_rows).copied().collect();
        Ok((0..n_rows).map(row).collect())
    }

    fn end(mut self) -> Result<(), String> {
        match self.words.next() {
            None => Ok(()),
            Some((line, word)) => {
                Err(format!("{}:{line}: `{word}` stands after the last value", self.file))
            }
        }
    }
}

type Rows = Vec<Vec<f64>>;

fn read(file: &str) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|reason| format!("{file}: {reason}"))
}

/// The lines that are not blank, counted from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(n, l)| (n + 1, l)).filter(|(_, line)| !line.trim().is_empty())
}

/// A column `n` times, as rows.
fn repeated(file: &str, column: &[f64], n: usize) -> Result<Rows, String> {
    product(file, column.len(), n)?;
    Ok(column.iter().map(|&value| vec![value; n]).collect())
}

fn product(file: &str, a: usize, b: usize) -> Result<usize, String> {
    let product = a.checked_mul(b).filter(|&product| product <= MAX_ENTRIES);
    product.ok_or_else(|| format!("{file}: {a} times {b} numbers are too many"))
}
