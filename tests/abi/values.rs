//! Engine `c` against the interpreter.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nablac::backend::abi::{Engine, EvalError, Memory};
use nablac::backend::c::{CEngine, CEngineError};
use nablac::backend::interp::Interp;
use nablac::kernel::ir::Kernel;

use crate::available;
use crate::kernels::{Case, cases};

fn evaluate(
    engine: &dyn Engine,
    kernel: &Kernel,
    args: &[Vec<f64>],
    wanted: impl Fn(usize) -> bool,
) -> Result<Vec<Vec<f64>>, EvalError> {
    let mut out: Vec<Vec<f64>> = kernel.res.iter().map(|port| vec![-9.75; port.nnz]).collect();
    let args: Vec<&[f64]> = args.iter().map(Vec::as_slice).collect();
    let mut res: Vec<Option<&mut [f64]>> = out
        .iter_mut()
        .enumerate()
        .map(|(idx, out)| wanted(idx).then_some(out.as_mut_slice()))
        .collect();
    let mut memory = Memory::default();
    // work memory is uninitialised
    memory.work = vec![f64::NAN; 64];
    engine.call(&args, &mut res, &mut memory)?;
    Ok(out)
}

fn agree(case: &Case, ours: &[Vec<f64>], reference: &[Vec<f64>]) {
    let ports = case.kernel.res.iter().zip(ours).zip(reference);
    for ((port, ours), reference) in ports {
        for (&ours, &reference) in ours.iter().zip(reference) {
            let same = ours.to_bits() == reference.to_bits() || ours.is_nan() && reference.is_nan();
            let close = (ours - reference).abs() <= 1e-12 * reference.abs();
            assert!(
                same || !case.exact && close,
                "{} of {} at {:?}: {ours} is not {reference}",
                port.name,
                case.kernel.name,
                case.args
            );
        }
    }
}

#[test]
fn kernels_give_the_bits_of_the_interpreter() {
    if !available("cc", &["--version"]) {
        return;
    }
    let mut last: Option<(Arc<Kernel>, CEngine, Interp)> = None;
    for case in cases() {
        let same = last.as_ref().is_some_and(|last| Arc::ptr_eq(&last.0, &case.kernel));
        if !same {
            let engine = CEngine::new(&case.kernel).expect("it compiles");
            last = Some((case.kernel.clone(), engine, Interp::new(&case.kernel)));
        }
        let Some((kernel, engine, interpreter)) = &last else { continue };
        let all = |_| true;
        let reference = evaluate(interpreter, kernel, &case.args, all).expect("it evaluates");
        agree(&case, &evaluate(engine, kernel, &case.args, all).expect("it evaluates"), &reference);
        for unwanted in 0..kernel.res.len().min(3) {
            let some = |idx| idx != unwanted;
            let reference = evaluate(interpreter, kernel, &case.args, some).expect("it evaluates");
            let ours = evaluate(engine, kernel, &case.args, some).expect("it evaluates");
            agree(&case, &ours, &reference);
        }
    }
}

fn case_named(name: &str) -> Case {
    cases().into_iter().find(|case| case.kernel.name == name).expect("there is such a case")
}

#[test]
fn failures_say_what_failed() {
    if !available("cc", &["--version"]) {
        return;
    }
    let case = case_named("calls");
    let engine = CEngine::new(&case.kernel).expect("it compiles");
    let error = |x: f64| {
        evaluate(&engine, &case.kernel, &[vec![1.0, x, 2.0]], |_| true).expect_err("it fails")
    };
    match error(-1000.0) {
        EvalError::RangeViolated { input, value, lo, hi, iteration, .. } => {
            assert_eq!((input.as_str(), value, lo, hi), ("x", -1000.0, -100.0, 100.0));
            assert_eq!(iteration, Some(1));
        }
        other => panic!("{other}"),
    }
    match error(8.0) {
        EvalError::ExternalFailed { function, message, iteration, .. } => {
            assert_eq!((function.as_str(), message.as_str()), ("shift", "too large"));
            assert_eq!(iteration, Some(1));
        }
        other => panic!("{other}"),
    }
    assert!(evaluate(&engine, &case.kernel, &[vec![1.0, f64::NAN, 2.0]], |_| true).is_err());
    assert!(evaluate(&engine, &case.kernel, &[vec![1.0, 2.0]], |_| true).is_err());
}

#[test]
fn a_cancelled_evaluation_stops() {
    if !available("cc", &["--version"]) {
        return;
    }
    let case = case_named("fibonacci");
    let engine = CEngine::new(&case.kernel).expect("it compiles");
    let mut memory = Memory::with_cancel(Arc::new(AtomicBool::new(true)));
    let mut y = [0.0; 4];
    let outcome = engine.call(&[&case.args[0]], &mut [Some(&mut y)], &mut memory);
    assert!(matches!(outcome, Err(EvalError::Cancelled { .. })), "{outcome:?}");
}

#[test]
fn an_engine_serves_several_threads() {
    if !available("cc", &["--version"]) {
        return;
    }
    let case = case_named("blocks");
    let engine = CEngine::new(&case.kernel).expect("it compiles");
    let reference = evaluate(&engine, &case.kernel, &case.args, |_| true).expect("it evaluates");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    let ours = evaluate(&engine, &case.kernel, &case.args, |_| true);
                    agree(&case, &ours.expect("it evaluates"), &reference);
                }
            });
        }
    });
}

#[test]
fn a_missing_compiler_is_named() {
    let case = case_named("blocks");
    let Err(error) = CEngine::with_compiler(&case.kernel, "no-such-compiler") else {
        panic!("there is no such compiler")
    };
    assert!(matches!(error, CEngineError::NoCompiler { .. }));
    let text = error.to_string();
    assert!(text.contains("`no-such-compiler`") && text.contains("`cc`"), "{text}");
}
