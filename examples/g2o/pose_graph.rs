//! Reads pose graphs: poses in the plane (`VERTEX_SE2`, `EDGE_SE2`) or in space
//! (`VERTEX_SE3:QUAT`, `EDGE_SE3:QUAT`), numbered by their ids, with the information of each edge
//! as an upper factor that makes residuals of unit variance.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

/// A mistake in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    /// Counted from 1.
    pub line: usize,
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for Mistake {}

/// Poses and what was measured between them.
#[derive(Clone, Debug, PartialEq)]
pub struct PoseGraph {
    space: Space,
    poses: Vec<Vec<f64>>,
    edges: Vec<Edge>,
}

/// (x, y, angle), or (x, y, z, quaternion with its scalar part last).
#[derive(Clone, Copy, Debug, PartialEq)]
enum Space {
    Plane,
    Solid,
}

#[derive(Clone, Debug, PartialEq)]
struct Edge {
    line: usize,
    /// Ids, then numbers of the poses.
    from: u64,
    to: u64,
    /// The pose `to` as seen from `from`.
    measured: Vec<f64>,
    /// Upper factor R of the information R'R, column by column.
    root: Vec<f64>,
}

impl Space {
    /// Numbers of a pose, and degrees of freedom.
    fn sizes(self) -> (usize, usize) {
        match self {
            Space::Plane => (3, 3),
            Space::Solid => (7, 6),
        }
    }

    fn identity(self) -> Vec<f64> {
        let mut pose = vec![0.0; self.sizes().0];
        if self == Space::Solid {
            pose[6] = 1.0;
        }
        pose
    }

    /// The pose `b`, given as seen from `a`.
    fn compose(self, a: &[f64], b: &[f64]) -> Vec<f64> {
        if self == Space::Plane {
            let (sin, cos) = a[2].sin_cos();
            let place = [a[0] + cos * b[0] - sin * b[1], a[1] + sin * b[0] + cos * b[1]];
            return vec![place[0], place[1], a[2] + b[2]];
        }
        let (p, q) = (&a[3..], &b[3..]);
        // v + 2 u x (u x v + w v)
        let t = cross(&p[..3], &b[..3]);
        let t: Vec<f64> = (0..3).map(|k| t[k] + p[3] * b[k]).collect();
        let t = cross(&p[..3], &t);
        let turn = cross(&p[..3], &q[..3]);
        let mut pose: Vec<f64> = (0..3).map(|k| a[k] + b[k] + 2.0 * t[k]).collect();
        pose.extend((0..3).map(|k| p[3] * q[k] + q[3] * p[k] + turn[k]));
        pose.push(p[3] * q[3] - p[0] * q[0] - p[1] * q[1] - p[2] * q[2]);
        pose
    }
}

impl PoseGraph {
    /// Reads a file. Without vertices the edges from each pose to the next one give the start.
    ///
    /// # Errors
    /// A line is misshapen, a pose is missing, or an information matrix is not positive definite.
    pub fn parse(text: &str) -> Result<PoseGraph, Mistake> {
        let mut space = None;
        let mut poses: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        let mut edges = Vec::new();
        for (k, line) in text.lines().enumerate() {
            let mistake = |message: String| Mistake { line: k + 1, message };
            let mut words = line.split('#').next().unwrap_or("").split_whitespace();
            let Some(tag) = words.next() else { continue };
            let (here, n_ids) = match tag {
                "VERTEX_SE2" => (Space::Plane, 1),
                "EDGE_SE2" => (Space::Plane, 2),
                "VERTEX_SE3:QUAT" => (Space::Solid, 1),
                "EDGE_SE3:QUAT" => (Space::Solid, 2),
                "FIX" => continue,
                _ => {
                    return Err(mistake(format!("`{tag}` is neither a pose nor an edge of poses")));
                }
            };
            if *space.get_or_insert(here) != here {
                return Err(mistake("poses in the plane and in space do not mix".into()));
            }
            let words: Vec<&str> = words.collect();
            let (n_pose, n_free) = here.sizes();
            let n_upper = if n_ids == 2 { n_free * (n_free + 1) / 2 } else { 0 };
            let expected = n_ids + n_pose + n_upper;
            if words.len() != expected {
                let n = words.len();
                return Err(mistake(format!("{tag} has {n} numbers here, expected {expected}")));
            }
            let (ids, numbers) = words.split_at(n_ids);
            let id = |word: &str| {
                word.parse::<u64>().map_err(|_| mistake(format!("`{word}` is no id of a pose")))
            };
            let numbers = numbers.iter().map(|word| match word.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(number),
                _ => Err(mistake(format!("`{word}` is no number"))),
            });
            let mut pose = numbers.collect::<Result<Vec<f64>, Mistake>>()?;
            let upper = pose.split_off(n_pose);
            if here == Space::Solid {
                let length = pose[3..].iter().map(|q| q * q).sum::<f64>().sqrt();
                if length == 0.0 {
                    return Err(mistake("the quaternion is zero".into()));
                }
                pose[3..].iter_mut().for_each(|q| *q /= length);
            }
            if n_ids == 1 {
                let id = id(ids[0])?;
                if poses.insert(id, pose).is_some() {
                    return Err(mistake(format!("pose {id} stands here again")));
                }
                continue;
            }
            let root = factor(&upper, n_free)
                .ok_or_else(|| mistake("the information is not positive definite".into()))?;
            let (from, to) = (id(ids[0])?, id(ids[1])?);
            edges.push(Edge { line: k + 1, from, to, measured: pose, root });
        }
        let Some(space) = space else {
            return Err(Mistake { line: 1, message: "there are no poses".into() });
        };
        if poses.is_empty() {
            poses = chained(space, &edges)?;
        }
        let numbers: BTreeMap<u64, u64> = poses.keys().copied().zip(0..).collect();
        for edge in &mut edges {
            for id in [&mut edge.from, &mut edge.to] {
                let line = edge.line;
                let unknown = || Mistake { line, message: format!("there is no pose {id}") };
                *id = *numbers.get(id).ok_or_else(unknown)?;
            }
        }
        Ok(PoseGraph { space, poses: poses.into_values().collect(), edges })
    }

    /// Whether the poses are in space, for `pose_graph_3d.nab`.
    pub fn is_solid(&self) -> bool {
        self.space == Space::Solid
    }

    /// The data of the programs as JSON, a name a line.
    pub fn data(&self) -> String {
        let of = |f: &dyn Fn(&Edge) -> Value| self.edges.iter().map(f).collect::<Value>();
        let each = |f: &dyn Fn(&Edge) -> Vec<f64>| rows(self.edges.iter().map(f).collect());
        let (first, others) = self.poses.split_at(1);
        let named = [
            ("tail", of(&|e| json!(e.from))),
            ("head", of(&|e| json!(e.to))),
            ("measured", each(&|e| e.measured.clone())),
            ("weight", each(&|e| e.root.clone())),
            ("first", json!(first[0])),
            (if self.is_solid() { "start" } else { "x" }, rows(others.to_vec())),
        ];
        let lines: Vec<String> = named.iter().map(|(k, v)| format!("  \"{k}\": {v}")).collect();
        format!("{{\n{}\n}}", lines.join(",\n"))
    }
}

/// The poses that the edges to the next id lead to, from the identity.
fn chained(space: Space, edges: &[Edge]) -> Result<BTreeMap<u64, Vec<f64>>, Mistake> {
    let next: BTreeMap<u64, &Edge> =
        edges.iter().filter(|e| e.from.checked_add(1) == Some(e.to)).map(|e| (e.from, e)).collect();
    let first = edges.iter().map(|e| e.from.min(e.to)).min().unwrap_or(0);
    let mut poses = BTreeMap::from([(first, space.identity())]);
    let (mut id, mut pose) = (first, space.identity());
    while let Some(edge) = next.get(&id) {
        pose = space.compose(&pose, &edge.measured);
        id = edge.to;
        poses.insert(id, pose.clone());
    }
    Ok(poses)
}

/// Columns of a matrix as its rows.
fn rows(columns: Vec<Vec<f64>>) -> Value {
    let n_rows = columns.first().map_or(0, Vec::len);
    (0..n_rows).map(|i| columns.iter().map(|column| json!(column[i])).collect::<Value>()).collect()
}

/// The upper factor R of a symmetric matrix R'R (Cholesky), column by column, from its upper
/// triangle row by row.
fn factor(upper: &[f64], n: usize) -> Option<Vec<f64>> {
    let mut root = vec![0.0; n * n];
    let mut given = upper.iter();
    for i in 0..n {
        for j in i..n {
            let known: f64 = (0..i).map(|k| root[k + i * n] * root[k + j * n]).sum();
            let rest = given.next()? - known;
            root[i + j * n] = if i < j {
                rest / root[i + i * n]
            } else if rest > 0.0 {
                rest.sqrt()
            } else {
                return None;
            };
        }
    }
    Some(root)
}

fn cross(a: &[f64], b: &[f64]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json_of(text: &str) -> Value {
        serde_json::from_str(&PoseGraph::parse(text).unwrap().data()).unwrap()
    }

    #[test]
    fn ids_become_numbers() {
        let data = json_of(
            "VERTEX_SE2 9 1 2 3\nVERTEX_SE2 2 0 0 0 # begin\n\nEDGE_SE2 2 9 1 0 0.5 4 2 0 5 0 9\n",
        );
        assert_eq!((&data["tail"], &data["head"]), (&json!([0]), &json!([1])));
        assert_eq!(data["first"], json!([0.0, 0.0, 0.0]));
        assert_eq!(data["x"], json!([[1.0], [2.0], [3.0]]));
        let root = [2.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 3.0];
        assert_eq!(data["weight"], root.iter().map(|r| json!([r])).collect::<Value>());
    }

    #[test]
    fn edges_alone_give_the_start() {
        let angle = std::f64::consts::FRAC_PI_2;
        let edge = |i: u32| format!("EDGE_SE2 {i} {} 1 0 {angle} 1 0 0 1 0 1\n", i + 1);
        let graph = PoseGraph::parse(&(edge(4) + &edge(5))).unwrap();
        let last = &graph.poses[2];
        assert!((last[0] - 1.0).abs() + (last[1] - 1.0).abs() < 1e-15, "{last:?}");
        // A quarter turn about z, twice.
        let half = 0.5_f64.sqrt();
        let information = "1 0 0 0 0 0 1 0 0 0 0 1 0 0 0 1 0 0 1 0 1";
        let edge =
            |i: u32| format!("EDGE_SE3:QUAT {i} {} 1 0 3 0 0 {half} {half} {information}\n", i + 1);
        let graph = PoseGraph::parse(&(edge(0) + &edge(1))).unwrap();
        assert!(graph.is_solid());
        for (value, expected) in graph.poses[2].iter().zip([1.0, 1.0, 6.0, 0.0, 0.0, 1.0, 0.0]) {
            assert!((value - expected).abs() < 1e-15, "{:?}", graph.poses[2]);
        }
    }

    #[test]
    fn mistakes_have_lines() {
        let message = |text: &str| PoseGraph::parse(text).unwrap_err().to_string();
        let pose = "VERTEX_SE2 0 0 0 0\n";
        let with = |line: &str| message(&format!("{pose}{line}"));
        assert_eq!(message(""), "line 1: there are no poses");
        assert_eq!(with("VERTEX_SE2 1 0 0"), "line 2: VERTEX_SE2 has 3 numbers here, expected 4");
        assert_eq!(with("VERTEX_SE2 -1 0 0 0"), "line 2: `-1` is no id of a pose");
        assert_eq!(with("VERTEX_SE2 1 0 nan 0"), "line 2: `nan` is no number");
        assert_eq!(with("VERTEX_SE2 0 0 0 0"), "line 2: pose 0 stands here again");
        assert_eq!(
            with("VERTEX_XY 1 0 0"),
            "line 2: `VERTEX_XY` is neither a pose nor an edge of poses"
        );
        assert_eq!(with("EDGE_SE2 0 1 0 0 0 1 0 0 1 0 1"), "line 2: there is no pose 1");
        let indefinite = "line 2: the information is not positive definite";
        assert_eq!(with("EDGE_SE2 0 0 0 0 0 1 2 0 1 0 1"), indefinite);
        let mixed = "line 2: poses in the plane and in space do not mix";
        assert_eq!(with("VERTEX_SE3:QUAT 1 0 0 0 0 0 0 1"), mixed);
        assert_eq!(message("VERTEX_SE3:QUAT 1 0 0 0 0 0 0 0"), "line 1: the quaternion is zero");
    }
}
