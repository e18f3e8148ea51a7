//! Divisions and square roots done several at once in straight-line code.

use std::sync::Arc;

use nablac::backend::jit::{JitOptions, Vectors, asm};
use nablac::kernel::ir::*;
use nablac::ops::scalar::ScalarOp;
use proptest::prelude::*;

use crate::builder::Builder;
use crate::evaluate;

const N: usize = 40;

/// Mostly quotients and square roots, of numbers in memory, constants and computed numbers.
fn kernel(choices: &[u16]) -> Arc<Kernel> {
    let mut b = Builder::new("together", &[N], &[N]);
    let mut values: Vec<Val> = (0..N).map(|k| b.load(Base::Arg(0), k as i64, &[])).collect();
    values.extend([1.0, 2.5].map(|value| b.constant(value)));
    for &choice in choices {
        let choice = usize::from(choice);
        let args = [choice % values.len(), choice / 5 % values.len()].map(|k| values[k]);
        values.push(match choice % 13 {
            0..=5 => b.apply(ScalarOp::Div, &args),
            6..=8 => b.apply(ScalarOp::Sqrt, &args[..1]),
            9 => b.apply(ScalarOp::Exp, &args[..1]),
            10 => b.apply(ScalarOp::Mul, &args),
            _ => b.apply(ScalarOp::Sub, &args),
        });
    }
    for k in 0..N {
        let value = values[values.len() - 1 - k * 3 % values.len()];
        b.store(Base::Res(0), k as i64, &[], value);
    }
    b.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 30 } else { 300 }))]

    #[test]
    fn engines_agree(
        choices in prop::collection::vec(any::<u16>(), 4..300),
        x in prop::collection::vec(-1.0..9.0f64, N),
    ) {
        prop_assert!(evaluate(&kernel(&choices), &[&x]).is_ok());
    }
}

/// So many square roots, then as many quotients of them, which need nothing of one another.
fn apart(n: usize) -> Arc<Kernel> {
    let mut b = Builder::new("apart", &[n], &[n]);
    let one = b.constant(1.0);
    let x: Vec<Val> = (0..n).map(|k| b.load(Base::Arg(0), k as i64, &[])).collect();
    for (k, &x) in x.iter().enumerate() {
        let root = b.apply(ScalarOp::Sqrt, &[x]);
        let y = b.apply(ScalarOp::Div, &[one, root]);
        b.store(Base::Res(0), k as i64, &[], y);
    }
    b.finish()
}

/// The instructions on vectors that a kernel becomes, in their order.
fn vectors(kernel: &Arc<Kernel>, lanes: usize) -> String {
    let options = JitOptions { vectors: Vectors::Worthwhile, lanes, ..JitOptions::default() };
    let text = asm(kernel, &options).expect("it compiles");
    let names = text.lines().filter_map(|line| line.split_whitespace().next());
    let names: Vec<&str> = names.filter(|name| name.ends_with("pd")).collect();
    names.join(" ")
}

#[test]
fn roots_and_quotients_of_four_are_one_instruction() {
    if !nablac::backend::jit::has_vectors() {
        return;
    }
    let x: Vec<f64> = (1..=7).map(f64::from).collect();
    for lanes in [4, 8] {
        // To memory and back are the roots, the ones, and both on their way to the division.
        let rest = "vsqrtpd vmovupd vmovupd vmovupd vmovupd vdivpd vmovupd";
        let [two, four] = ["", "vmovhpd "].map(|more| format!("{more}vmovhpd {rest}"));
        assert_eq!(vectors(&apart(4), lanes), four);
        // Of three the last one is doubled.
        assert_eq!(vectors(&apart(7), lanes), format!("{four} {two}"));
        assert_eq!(vectors(&apart(2), lanes), two);
    }
    for n in [2, 3, 4, 7] {
        let expected = x[..n].iter().map(|x| 1.0 / x.sqrt()).collect();
        assert_eq!(evaluate(&apart(n), &[&x[..n]]), Ok(vec![expected]));
    }
}

/// Among enough other work it would cost more to fill and to empty vectors.
#[test]
fn few_quotients_stay_alone() {
    let mut b = Builder::new("few", &[4], &[1]);
    let x = [0, 1, 2, 3].map(|k| b.load(Base::Arg(0), k, &[]));
    let quotients = [(0, 1), (1, 2), (2, 3)].map(|(p, q)| b.apply(ScalarOp::Div, &[x[p], x[q]]));
    let mut sum = x[0];
    for k in 0..60 {
        let product = b.apply(ScalarOp::Mul, &[sum, quotients[k % 3]]);
        sum = b.apply(ScalarOp::Sub, &[product, x[k % 4]]);
    }
    b.store(Base::Res(0), 0, &[], sum);
    assert_eq!(vectors(&b.finish(), 4), "");
}
