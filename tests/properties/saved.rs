//! Random programs are the same after saving and loading; mutated saves do no harm.

use nablac::function::{EngineKind, Function};
use nablac::graph::{Func, Op, visit};
use nablac::saved::LoadError;
use proptest::prelude::*;

use super::{config, evaluate, evaluate_plain, inputs, numbers};
use crate::programs::{program, steps};

fn load(text: &str) -> Result<Function, LoadError> {
    Function::from_json("model.json", text)
}

fn bits(values: &[Vec<f64>]) -> Vec<Vec<u64>> {
    let of = |v: &Vec<f64>| v.iter().map(|x| x.to_bits()).collect();
    values.iter().map(of).collect()
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn saved_programs_come_back(steps in steps(), seed in numbers()) {
        let f = program(&steps);
        let text = f.to_json();
        let back = load(&text).map_err(|e| TestCaseError::fail(format!("{e}")))?;
        prop_assert_eq!(&text, &back.to_json());
        prop_assert_eq!(f.inputs(), back.inputs());
        prop_assert_eq!(f.outputs(), back.outputs());
        prop_assert_eq!(f.func().content_hash(), back.func().content_hash());
        let inputs = inputs(&seed);
        let jit = |f| bits(&evaluate(f, EngineKind::default(), &inputs));
        prop_assert_eq!(jit(&f), jit(&back));
        // Derivatives of what has been loaded.
        let (grad, same) = (f.jacobian("y", "x").unwrap(), back.jacobian("y", "x").unwrap());
        let plain = |f| bits(&evaluate_plain(f, &inputs));
        prop_assert_eq!(plain(&grad), plain(&same));
    }
}

/// Pieces of the text that a mutation exchanges: numbers, words, brackets, the blanks between.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '"');
        let n = match is_word(first) {
            true => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        let (piece, after) = rest.split_at(n);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// Work and memory of one evaluation, roughly.
fn size(func: &Func) -> u64 {
    let Some((graph, roots)) = func.graph() else { return 1 };
    let mut total = 1u64;
    for id in visit::reachable(graph, roots) {
        let n = match graph.op(id) {
            Op::Loop => graph.loop_spec(id).map_or(1, |spec| spec.n),
            _ => 1,
        };
        let inner: u64 = graph.callees(id).map(|f| size(f)).fold(0, u64::saturating_add);
        total = total.saturating_add(n.saturating_mul(inner));
        total = total.saturating_add(graph.nnz(id) as u64);
    }
    total
}

/// What a command does with a file: anything but a panic.
fn use_model(text: &str) {
    let Ok(f) = load(text) else { return };
    if size(f.func()) > 1_000_000 || f.inputs().iter().any(|i| i.pattern.numel() > 10_000) {
        return;
    }
    let inputs: Vec<Vec<f64>> =
        f.inputs().iter().map(|input| vec![0.5; input.pattern.nnz()]).collect();
    let args: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    let run = |f: &Function| {
        for engine in [EngineKind::Interp, EngineKind::default()] {
            let options = nablac::function::Options { engine, ..Default::default() };
            if let Ok(compiled) = f.compile(&options) {
                let _ = compiled.evaluate(&args);
            }
        }
    };
    run(&f);
    for output in f.outputs().iter().take(2) {
        for input in f.inputs().iter().take(2) {
            if let Ok(derivative) = f.jacobian(&output.name, &input.name) {
                run(&derivative);
            }
        }
    }
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn mutated_saves_do_no_harm(
        steps in proptest::collection::vec(crate::programs::step(), 1..5),
        changes in proptest::collection::vec((any::<u32>(), any::<u32>(), 0..8u8), 1..4),
    ) {
        let text = program(&steps).to_json();
        let mut mutated: Vec<&str> = pieces(&text);
        let numbers = ["0", "1", "2", "-1", "7", "4294967295", "9007199254740993", "1e400", "0.5"];
        for (a, b, kind) in changes {
            let n = mutated.len();
            let is_number = |k: &usize| mutated[*k].starts_with(|c: char| c.is_ascii_digit());
            let numbered: Vec<usize> = (0..n).filter(is_number).collect();
            let any = a as usize % n;
            let number = numbered.get(a as usize % numbered.len().max(1)).copied().unwrap_or(any);
            match kind {
                0 => { mutated.remove(any); }
                1 => mutated.swap(any, b as usize % n),
                2 => mutated[any] = mutated[b as usize % n],
                3 | 4 => mutated[number] = numbers[b as usize % numbers.len()],
                _ => mutated[number] = mutated[numbered[b as usize % numbered.len()]],
            }
        }
        use_model(&mutated.concat());
    }
}
