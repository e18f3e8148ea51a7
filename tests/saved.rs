//! Saved models: every version loads, what has been saved comes back, and every mistake has its
//! message. UPDATE_EXPECT=1 writes the expected messages anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use nablac::builder::GraphBuilder;
use nablac::function::{EngineKind, Function, Options};
use nablac::graph::Callback;
use nablac::model::Model;
use nablac::saved::LoadError;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == extension));
    files.sort();
    files
}

fn evaluate(f: &Function, inputs: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let options = Options { engine: EngineKind::Interp, ..Options::default() };
    let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    f.compile(&options).unwrap().evaluate(&inputs).unwrap()
}

/// Defaults, or numbers inside the declared ranges; the same for symmetric entries.
fn point(f: &Function) -> Vec<Vec<f64>> {
    let of = |input: &nablac::function::Input| {
        let (lo, hi) = input.range.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
        let entries = input.pattern.entries();
        let value = |(row, col): (usize, usize)| {
            (1.0 + 0.1 * ((row * col + row + col) as f64).sin()).clamp(lo, hi)
        };
        input.default.clone().unwrap_or_else(|| entries.map(value).collect())
    };
    f.inputs().iter().map(of).collect()
}

fn bits(values: &[Vec<f64>]) -> Vec<Vec<u64>> {
    values.iter().map(|v| v.iter().map(|x| x.to_bits()).collect()).collect()
}

#[test]
fn version_1_loads() {
    let f = Model::load(folder("tests/saved/v1.json")).unwrap().function().unwrap();
    let inputs =
        [vec![1.0, 0.5, 2.0], vec![1.5], vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]];
    let mut inputs = inputs.to_vec();
    inputs.extend(f.inputs()[3..].iter().map(|input| input.default.clone().unwrap()));
    let values = evaluate(&f, &inputs);
    let names: Vec<&str> = f.outputs().iter().map(|o| &*o.name).collect();
    assert_eq!(names, ["f", "g", "H", "path", "S", "limits"]);
    let near = |a: f64, b: f64| assert!((a - b).abs() <= 1e-13 * b.abs(), "{a} {b}");
    near(values[0][0], 29.763808537747785);
    near(values[1][0], 6.527211294226024);
    near(values[2][8], 8.111477536587703);
    assert_eq!(values[4], [3.0, 2.0, 3.0, 6.0, 3.0, 9.0]);
    assert_eq!(
        bits(&values[5..]),
        bits(&[vec![f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 0.1, 1.5]])
    );
    assert_eq!(f.inputs()[1].range, Some((0.1, 10.0)));
    assert_eq!(f.inputs()[1].unit, ["s".into()]);
    assert!(f.inputs()[2].symmetric && f.inputs()[3].is_param);
    let small = Model::load(folder("tests/saved/small.json")).unwrap().function().unwrap();
    let values = evaluate(&small, &[vec![2.0, 3.0], vec![1.0, 10.0, 100.0]]);
    assert_eq!(values, [vec![22.0], vec![22.0, 32.0, 300.0]]);
}

#[test]
fn mistakes_have_their_messages() {
    let update = std::env::var("UPDATE_EXPECT").is_ok_and(|v| v == "1");
    let mut failures = Vec::new();
    for file in files(&folder("tests/saved/bad"), "json") {
        let name = file.file_name().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let message = match Function::from_json(name, &text) {
            Err(e @ LoadError::Model(..)) => format!("{e}\n"),
            other => format!("{other:?}\n"),
        };
        if !message.starts_with(&format!("error[{}]", &name[..5])) {
            failures.push(format!("{name} has another code:\n{message}"));
        }
        let expected = file.with_extension("expected");
        if update {
            std::fs::write(&expected, &message).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != message {
            failures.push(format!("{name} gives\n{message}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Saving and loading, also of derivatives, changes no bit.
fn assert_comes_back(name: &str, f: &Function) {
    let text = f.to_json();
    let back = Function::from_json(name, &text).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(back.to_json(), text, "{name}");
    assert_eq!((f.inputs(), f.outputs()), (back.inputs(), back.outputs()), "{name}");
    let inputs = point(f);
    if inputs.iter().map(Vec::len).sum::<usize>() > 500 {
        return;
    }
    assert_eq!(bits(&evaluate(f, &inputs)), bits(&evaluate(&back, &inputs)), "{name}");
    for output in f.outputs().iter().filter(|o| o.pattern.is_scalar()).take(2) {
        for input in f.inputs().iter().take(2) {
            for derive in [Function::gradient, Function::hessian] {
                let of = |f: &Function| derive(f, &output.name, &input.name).unwrap();
                let (here, there) = (evaluate(&of(f), &inputs), evaluate(&of(&back), &inputs));
                assert_eq!(bits(&here), bits(&there), "{name}: {} by {}", output.name, input.name);
            }
        }
    }
}

#[test]
fn programs_come_back() {
    let mut n_saved = 0;
    let folders = ["examples", "tests/lang", "../shared/programs", "../shared/data/expr"];
    for file in folders.iter().flat_map(|name| files(&folder(name), "nab")) {
        // Some programs of ../shared need parts of the language that are not there yet.
        let Ok(f) = Model::load(&file).unwrap().function() else { continue };
        assert_comes_back(&file.display().to_string(), &f);
        n_saved += 1;
    }
    assert!(n_saved >= 4, "{n_saved}");
}

#[test]
fn numbers_keep_their_bits() {
    let numbers = [
        0.1,
        -0.0,
        5e-324,
        f64::MAX,
        f64::INFINITY,
        f64::NAN,
        f64::from_bits(0xfff8_0000_0000_0001),
        1.0 / 3.0,
    ];
    let g = GraphBuilder::new("numbers");
    let x = g.input("x", numbers.len());
    g.output("y", x + g.matrix((numbers.len(), 1), &numbers));
    let text = g.function().unwrap().to_json();
    for (number, word) in [(0.1, "0.1,"), (5e-324, "5e-324"), (f64::NAN, "\"nan\"")] {
        assert!(text.contains(word), "{number}: {text}");
    }
    assert!(text.contains("\"nan:fff8000000000001\""), "{text}");
    assert_eq!(Function::from_json("numbers.json", &text).unwrap().to_json(), text);
}

#[test]
fn externals_are_supplied_when_a_model_is_loaded() {
    let text = "fn dw(x, dx) = cos(x) * dx\nextern fn wave(x) -> [1] with jvp = dw\n\
                input x\nlet f = 2 * wave(x)\noutput f, g = grad(f, x)";
    let wave: Callback = Arc::new(|arg, res| {
        res[0][0] = arg[0][0].sin();
        Ok(())
    });
    let saved = Model::parse("waves.nab", text).function().unwrap().to_json();
    let model = Model::parse("waves.json", &saved).external("wave", wave);
    let f = model.function().unwrap();
    assert_eq!(evaluate(&f, &[vec![0.5]]), [vec![2.0 * 0.5f64.sin()], vec![2.0 * 0.5f64.cos()]]);
}

/// A graph of `n` scalar nodes.
fn chain(n: usize) -> Function {
    let g = GraphBuilder::new("chain");
    let (x, mut y) = (g.input("x", 1), g.input("y", 1));
    for k in 0..n / 2 {
        y = (y * x + k as f64 * 1e-7).sin();
    }
    g.output("f", y);
    g.function().unwrap()
}

#[test]
fn large_graphs_are_saved_in_linear_time() {
    let mut seconds = Vec::new();
    for n in [60_000, 240_000] {
        let f = chain(n);
        let start = Instant::now();
        let text = f.to_json();
        let back = Function::from_json("chain.json", &text).unwrap();
        seconds.push(start.elapsed().as_secs_f64());

        assert_eq!(back.func().content_hash(), f.func().content_hash());
    }
    assert!(seconds[1] < 16.0 * seconds[0] + 1.0, "{seconds:?}");
}

#[test]
fn deeply_nested_functions_come_back_and_deeper_ones_are_refused() {
    let nested = |n: usize| {
        let f = |k: usize, nodes: &str, last: usize| {
            format!(
                "{{\"name\": \"f{k}\", \"inputs\": [{{\"name\": \"x\", \"pattern\": 0}}], \
                 \"nodes\": [[\"input\", 0], {nodes}], \
                 \"outputs\": [{{\"name\": \"y\", \"node\": {last}}}]}}"
            )
        };
        let mut functions = vec![f(0, "[\"sin\", 0, 0]", 1)];
        functions.extend((1..=n).map(|k| {
            let call = format!("[\"call\", {}, 0], [\"result\", 0, 1], [\"cos\", 0, 2]", k - 1);
            f(k, &call, 3)
        }));
        let functions = functions.join(",\n");
        let text = format!(
            "{{\"format\": \"nablac\", \"version\": 1, \"patterns\": [{{\"dense\": [1, 1]}}], \
             \"functions\": [{functions}]}}"
        );
        Function::from_json("nested.json", &text)
    };
    let f = nested(400).unwrap();
    let hessian = f.hessian("y", "x").unwrap();
    assert!(evaluate(&hessian, &[vec![0.5]])[0][0].is_finite());
    let error = nested(401).unwrap_err().to_string();
    assert!(error.contains("more than 400 deep"), "{error}");
    // Brackets nest as deep as they like: nothing recurses.
    let deep = format!("{{\"format\": {}", "[".repeat(1_000_000));
    assert!(Function::from_json("deep.json", &deep).is_err());
}
