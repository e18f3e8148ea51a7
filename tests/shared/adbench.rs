//! The works of ADBench, written in the language as `examples/adbench`, over the public files of
//! `../shared/data/adbench` at ADBench's own tolerance.

#[path = "../../examples/adbench/convert.rs"]
mod convert;

use std::path::{Path, PathBuf};

use nablac::data::Data;
use nablac::function::{EngineKind, Function, Options};
use nablac::model::Model;
use nablac::simplify::SimplifyOptions;
use nablac::sparsity::Pattern;
use serde_json::Value as Json;

use crate::common::shared;

/// ADBench's rule for one number.
fn assert_near(value: f64, reference: f64, what: &str) {
    let scale = (value.abs() + reference.abs()).max(1.0);
    assert!((value - reference).abs() / scale < 1e-8, "{what}: {value} is not {reference}");
}

fn assert_all_near(values: &[f64], reference: &Json, what: &str) {
    let reference = reference.as_array().unwrap_or_else(|| panic!("{what} has no reference"));
    assert!(values.len() >= reference.len(), "{what}: {}", values.len());
    for (k, (&value, reference)) in values.iter().zip(reference).enumerate() {
        assert_near(value, reference.as_f64().unwrap(), &format!("{what}[{k}]"));
    }
}

/// Length, sums, norm and largest magnitude of a list.
fn assert_summary(values: &[f64], reference: &Json, what: &str) {
    let of = |key: &str| reference[key].as_f64().unwrap_or_else(|| panic!("{what} has no {key}"));
    assert_eq!(values.len() as f64, of("n"), "{what}");
    let norm = values.iter().map(|v| v * v).sum::<f64>().sqrt();
    let weighted = values.iter().zip(1..).map(|(v, i)| v * f64::from(i).sin());
    let largest = values.iter().fold(0.0, |max: f64, v| max.max(v.abs()));
    let found = [("norm2", norm), ("sum", values.iter().sum()), ("wsum", weighted.sum())];
    for (key, value) in found.into_iter().chain([("maxabs", largest)]) {
        let error = (value - of(key)).abs();
        assert!(error < 1e-8 * norm.max(1.0), "{what}: {key} {value} is not {}", of(key));
    }
}

/// One file and what is to come of it.
struct Case {
    name: String,
    file: PathBuf,
    reference: Json,
}

/// A public file, unless the folder is not there.
fn case(work: &str, name: &str) -> Option<Case> {
    let folder = shared("data/adbench")?;
    let of = if work.starts_with("hand") { work.replace("hand/", "") + "_" } else { String::new() };
    let reference = folder.join(format!("reference/{of}{name}.json"));
    let reference = std::fs::read_to_string(&reference)
        .unwrap_or_else(|e| panic!("{}: {e}", reference.display()));
    Some(Case {
        name: format!("{of}{name}"),
        file: folder.join(work).join(format!("{name}.txt")),
        reference: serde_json::from_str(&reference).unwrap(),
    })
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The program `examples/adbench/NAME.nab` over data.
fn function(name: &str, data: &Json, further: &[&str]) -> Function {
    let file = format!("{}/examples/adbench/{name}.nab", env!("CARGO_MANIFEST_DIR"));
    let data = Data::from_json("data.json", &data.to_string()).unwrap_or_else(|e| panic!("{e}"));
    let model = Model::load(file).unwrap().data(data);
    let model = further.iter().fold(model, |model, output| model.output(output));
    model.function().unwrap_or_else(|e| panic!("{e}"))
}

/// Values of all outputs. Searching for cheaper forms is left out: it is slow without optimisation
/// of the compiler itself.
fn values(f: &Function) -> Vec<Vec<f64>> {
    let simplify = SimplifyOptions { level: 1, ..SimplifyOptions::default() };
    let options = Options { engine: EngineKind::default(), simplify, ..Options::default() };
    let inputs = f.values(&Data::new()).unwrap_or_else(|e| panic!("{e}"));
    let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    f.compile(&options).unwrap().evaluate(&inputs).unwrap_or_else(|e| panic!("{e}"))
}

/// Entries `(row, column)` of a sparse matrix, 0 where it has none.
fn entries(
    pattern: &Pattern,
    values: &[f64],
    at: impl Iterator<Item = (usize, usize)>,
) -> Vec<f64> {
    at.map(|(row, col)| pattern.find(row, col).map_or(0.0, |k| values[k])).collect()
}

/// The sum over entries of sin(1 + row) J cos(1 + column).
fn row_column_sum(entries: impl Iterator<Item = (usize, usize, f64)>) -> f64 {
    entries.map(|(row, col, v)| (1.0 + row as f64).sin() * v * (1.0 + col as f64).cos()).sum()
}

#[test]
fn gaussian_mixtures() {
    let names = [
        "tiny",
        "n1k_d2_K5",
        "n1k_d10_K5",
        "n1k_d10_K25",
        "n1k_d10_K100",
        "n1k_d20_K10",
        "n1k_d20_K50",
        "n1k_d32_K10",
        "n1k_d32_K50",
        "n1k_d64_K5",
        "n1k_d64_K25",
        "n1k_d128_K10",
        "n10k_d10_K25",
        "n10k_d20_K50",
    ];
    for name in names {
        let Some(case) = case("gmm", &format!("gmm_{name}")) else { return };
        let data = convert::gmm(text(&case.file)).unwrap();
        let further = ["h = likelihood + prior", "gh = grad(h, [alpha, mu, icf])"];
        let f = function("gmm", &data, if name.len() < 10 { &further } else { &[] });
        let found = values(&f);
        let references = [&case.reference["adbench"], &case.reference["logposterior"]];
        for (values, reference) in found.chunks(2).zip(references) {
            let (objective, gradient) = (values[0][0], &values[1]);
            assert_near(objective, reference["objective"].as_f64().unwrap(), &case.name);
            assert_summary(gradient, &reference["gradient_summary"], &case.name);
            if reference["gradient"].is_array() {
                assert_all_near(gradient, &reference["gradient"], &case.name);
            }
        }
    }
}

#[test]
fn bundle_adjustment() {
    // Those with more observations have the pattern of the ones here.
    let names = [
        "ba_tiny",
        "bav1_n6_m100_p400",
        "bav2_n16_m1000_p5000",
        "ba1_n49_m7776_p31843",
        "ba2_n21_m11315_p36455",
        "ba4_n372_m47423_p204472",
    ];
    for name in names {
        let Some(case) = case("ba", name) else { return };
        let data = convert::ba(text(&case.file)).unwrap();
        let count = |key: &str| data[key].as_u64().unwrap() as usize;
        let (n, m, p) = (count("n"), count("m"), count("p"));
        let f = function("ba", &data, &[]);
        let [residual, jacobian] = &values(&f)[..] else { panic!("two outputs") };
        let reference = &case.reference;
        assert_all_near(residual, &reference["residual_head"], name);
        assert_summary(residual, &reference["residual_summary"], name);

        // Row after row with all 15 entries of a reprojection, of which 2 of 31 are no nonzeros.
        let pattern = &f.outputs()[1].pattern;
        assert_eq!(pattern.shape(), (3 * p, 11 * n + 3 * m + p), "{name}");
        assert_eq!(pattern.nnz(), 29 * p, "{name}");
        let integers = |key: &str| {
            let list = data[key].as_array().unwrap();
            list.iter().map(|v| v.as_u64().unwrap() as usize).collect::<Vec<_>>()
        };
        let (camera, point) = (integers("camera"), integers("point"));
        let columns = |i: usize| {
            let (camera, point, weight) =
                (11 * camera[i], 11 * n + 3 * point[i], 11 * n + 3 * m + i);
            (camera..camera + 11).chain(point..point + 3).chain([weight])
        };
        let reprojections =
            (0..2 * p).flat_map(|row| columns(row / 2).map(move |column| (row, column)));
        let weights = (0..p).map(|i| (2 * p + i, 11 * n + 3 * m + i));
        let by_rows = entries(pattern, jacobian, reprojections.chain(weights));
        assert_all_near(&by_rows, &reference["J_vals_first31"], name);
        assert_summary(&by_rows, &reference["J_vals_summary"], name);
        let found = || pattern.entries().zip(jacobian).map(|((row, col), &v)| (row, col, v));
        let sum = row_column_sum(found());
        let expected = reference["rT_J_c"].as_f64().unwrap();
        let scale = jacobian.iter().map(|v| v * v).sum::<f64>().sqrt();
        assert!((sum - expected).abs() < 1e-8 * scale, "{name}: {sum} is not {expected}");
        let mut gradient = vec![0.0; pattern.n_cols()];
        found().for_each(|(row, col, v)| gradient[col] += v * residual[row]);
        assert_summary(&gradient, &reference["grad_half_sumsq_summary"], name);
    }
}

#[test]
fn long_short_term_memory() {
    // lstm_l4_c1024 has no reference; below it is compared with a difference quotient.
    let Some(case) = case("lstm", "lstm_l2_c1024") else { return };
    let data = convert::lstm(text(&case.file)).unwrap();
    let found = values(&function("lstm", &data, &[]));
    assert_near(found[0][0], case.reference["objective"].as_f64().unwrap(), "objective");
    assert_all_near(&found[1], &case.reference["gradient"], "gradient");
}

#[test]
fn graphs_do_not_grow_with_the_sequence() {
    let Some(folder) = shared("data/adbench/lstm") else { return };
    let mut data = convert::lstm(text(&folder.join("lstm_l4_c1024.txt"))).unwrap();
    let size = |data: &Json| function("lstm", data, &[]).func().size();
    let whole = size(&data);
    for row in data["text"].as_array_mut().unwrap() {
        row.as_array_mut().unwrap().truncate(10);
    }
    data["chars"] = Json::from(10);
    assert_eq!(size(&data), whole);
}

#[test]
fn hands() {
    let small = ["hand1_t26_c100", "hand3_t26_c200", "hand5_t26_c800", "hand7_t26_c3200"];
    let works = [
        ("simple_small", small.as_slice()),
        ("simple_big", &["hand1_t26_c100", "hand5_t26_c800"]),
        ("complicated_small", &small),
        ("complicated_big", &["hand1_t26_c100", "hand5_t26_c800"]),
    ];
    for (work, names) in works {
        for name in names {
            let Some(case) = case(&format!("hand/{work}"), name) else { return };
            let model = case.file.parent().unwrap().parent().unwrap();
            let (kind, size) = work.split_once('_').unwrap();
            let model = model.join(format!("model_{size}"));
            let data = convert::hand(text(&case.file), text(&model)).unwrap();
            let n = data["N"].as_u64().unwrap() as usize;
            let f = function(&format!("hand_{kind}"), &data, &[]);
            let [residual, jacobian] = &values(&f)[..] else { panic!("two outputs") };

            // With two coordinates of its own for each point, in the first two columns.
            let pattern = &f.outputs()[1].pattern;
            let own = if kind == "simple" { 0 } else { 2 };
            assert_eq!(pattern.shape(), (3 * n, own * n + 26));
            let column =
                |row: usize, c: usize| if c < own { row / 3 * 2 + c } else { own * n + c - own };
            let at = (0..3 * n).flat_map(|row| (0..own + 26).map(move |c| (row, column(row, c))));
            let by_rows = entries(pattern, jacobian, at);
            let (name, reference) = (&case.name, &case.reference);
            assert_all_near(residual, &reference["residual_head"], name);
            assert_summary(residual, &reference["residual_summary"], name);
            assert_summary(&by_rows, &reference["J_row_major_summary"], name);
            if reference["J_row_major"].is_array() {
                assert_all_near(residual, &reference["residual"], name);
                assert_all_near(&by_rows, &reference["J_row_major"], name);
            }
            let width = own + 26;
            let found = by_rows.iter().enumerate().map(|(k, &v)| (k / width, k % width, v));
            let expected = reference["rT_J_c"].as_f64().unwrap();
            assert_near(row_column_sum(found), expected, name);
        }
    }
}

#[test]
fn converters_name_the_place_of_a_mistake() {
    let folder = std::env::temp_dir().join(format!("nablac_adbench_{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("input.txt");
    let mistake = |convert: fn(&str) -> Result<Json, String>, content: &str| {
        std::fs::write(&file, content).unwrap();
        let message = convert(text(&file)).unwrap_err();
        message.replace(text(&file), "input.txt")
    };
    let expected = "input.txt:2: alpha: `x` is no number";
    assert_eq!(mistake(convert::gmm, "1 2 1\n0.5 x"), expected);
    let expected = "input.txt: it ends before mu";
    assert_eq!(mistake(convert::gmm, "1 2 1\n0.5 1"), expected);
    let expected = "input.txt: 99999999999 times 1 numbers are too many";
    assert_eq!(mistake(convert::lstm, "1 2 99999999999"), expected);
    let camera = "0 0 0 0 0 0 1 0 0 0 0";
    let expected = "input.txt:4: a camera has the number 1, there are 1";
    assert_eq!(mistake(convert::ba, &format!("1 1 1\n{camera}\n0 0 0\n1 0 1 0 0")), expected);
    let expected = "input.txt:5: `7` stands after the last value";
    let whole = format!("1 1 1\n{camera}\n0 0 0\n0 0 1 0 0\n7");
    assert_eq!(mistake(convert::ba, &whole), expected);
    std::fs::remove_dir_all(&folder).unwrap();
}
