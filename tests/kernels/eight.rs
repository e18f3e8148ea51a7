//! Loops in vectors of eight numbers. Any machine can look at their code; AVX-512 runs it in the
//! other tests, too.

use std::sync::Arc;

use nablac::backend::jit::{JitOptions, Vectors, asm};
use nablac::kernel::ir::*;
use nablac::ops::scalar::ScalarOp;

use crate::builder::Builder;

/// Instructions of general registers, and the end of code with vectors.
const GENERAL: &[&str] = &[
    "add",
    "and",
    "call",
    "cmova",
    "cmp",
    "imul",
    "jae",
    "jb",
    "jmp",
    "jne",
    "lea",
    "mov",
    "pop",
    "push",
    "ret",
    "shl",
    "test",
    "vzeroupper",
];
/// Of AVX-512 F, by the Intel 64 and IA-32 manual; comparisons besides, which have many names.
const F: &[&str] = &[
    "kandw",
    "korw",
    "vaddpd",
    "vblendmpd",
    "vbroadcastsd",
    "vcvtsi2sd",
    "vdivpd",
    "vmaxpd",
    "vminpd",
    "vmovapd",
    "vmovhpd",
    "vmovsd",
    "vmovupd",
    "vmulpd",
    "vrndscalepd",
    "vsqrtpd",
    "vsubpd",
    "vfmadd132pd",
    "vfmadd213pd",
    "vfmadd231pd",
    "vfmsub132pd",
    "vfmsub213pd",
    "vfmsub231pd",
    "vfnmadd132pd",
    "vfnmadd213pd",
    "vfnmadd231pd",
    "vfnmsub132pd",
    "vfnmsub213pd",
    "vfnmsub231pd",
];
/// Of AVX-512 DQ.
const DQ: &[&str] = &["vandpd", "vextractf64x2", "vinsertf64x2", "vorpd", "vpmovm2q", "vxorpd"];
/// Those of one or two numbers, in registers of 16 bytes.
const LOWEST: &[&str] = &["vcvtsi2sd", "vmovhpd", "vmovsd"];

/// What decides for each operation, of those that are instructions.
const TELLTALES: &[(ScalarOp, &str)] = &[
    (ScalarOp::Add, "vaddpd"),
    (ScalarOp::Sub, "vsubpd"),
    (ScalarOp::Mul, "vmulpd"),
    (ScalarOp::Div, "vdivpd"),
    (ScalarOp::Neg, "vxorpd"),
    (ScalarOp::Abs, "vandpd"),
    (ScalarOp::Sqrt, "vsqrtpd"),
    (ScalarOp::Floor, "vrndscalepd"),
    (ScalarOp::Ceil, "vrndscalepd"),
    (ScalarOp::Min, "vminpd"),
    (ScalarOp::Max, "vpmovm2q"),
    (ScalarOp::Copysign, "vandpd"),
    (ScalarOp::Sign, "vblendmpd"),
    (ScalarOp::Select, "vblendmpd"),
    (ScalarOp::And, "kandw"),
    (ScalarOp::Or, "korw"),
    (ScalarOp::Fma, "vfmadd"),
    (ScalarOp::Sin, "call"),
    (ScalarOp::Gamma, "call"),
];

/// The code of a loop in vectors of at most so many numbers, for whatever machine.
fn code(kernel: &Arc<Kernel>, lanes: usize) -> Vec<String> {
    let options = JitOptions { vectors: Vectors::All, lanes, threads: 1, ..JitOptions::default() };
    let text = asm(kernel, &options).expect("it is written");
    let is_loop = |part: &&str| part.contains("zmm") || part.contains("ymm");
    let lines = text.split("\n; ").filter(is_loop).flat_map(|part| part.lines().skip(1));
    lines.map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// The numbers of the registers of a file that a line names.
fn registers(line: &str, file: &str) -> Vec<u32> {
    let digits = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>();
    line.split(file).skip(1).filter_map(|rest| digits(rest).parse().ok()).collect()
}

fn assert_is_avx512(line: &str) {
    let mnemonic = line.split(' ').next().unwrap_or_default();
    if GENERAL.contains(&mnemonic) {
        return assert!(!line.contains("mm"), "{line}");
    }
    let is_compare = mnemonic.starts_with("vcmp") && mnemonic.ends_with("pd");
    assert!(is_compare || F.contains(&mnemonic) || DQ.contains(&mnemonic), "{line}");
    assert!(!line.contains("ymm") && !line.contains("{k0}"), "{line}");
    let is_of_masks = mnemonic.starts_with('k');
    assert_eq!(line.contains("zmm"), !is_of_masks && !LOWEST.contains(&mnemonic), "{line}");
}

/// A loop of an operation on three numbers of each iteration.
fn loop_of(op: ScalarOp) -> Arc<Kernel> {
    let mut b = Builder::new("one", &[60], &[20]);
    let (id, _) = b.begin_loop(Trip::Const(20), true, &[]);
    let args: Vec<Val> = (0..3).map(|k| b.load(Base::Arg(0), k, &[(id, 3)])).collect();
    let y = b.apply(op, &args[..op.arity()]);
    b.store(Base::Res(0), 0, &[(id, 1)], y);
    b.end_loop(id, &[]);
    b.finish()
}

#[test]
fn every_operation_is_avx512() {
    for &op in ScalarOp::ALL {
        let code = code(&loop_of(op), 8);
        assert!(!code.is_empty(), "{op:?}");
        code.iter().for_each(|line| assert_is_avx512(line));
        for &(_, telltale) in TELLTALES.iter().filter(|(of, _)| *of == op) {
            let has = code.iter().any(|line| line.starts_with(telltale));
            assert!(has, "{op:?} without {telltale}: {code:#?}");
        }
    }
}

/// More numbers in use at once than the 30 registers hold, all of them used twice.
fn many_at_once(n: u64) -> Arc<Kernel> {
    let mut b = Builder::new("many", &[n as usize + 46], &[n as usize]);
    let (id, _) = b.begin_loop(Trip::Const(n), true, &[]);
    let x: Vec<Val> = (0..46).map(|k| b.load(Base::Arg(0), k, &[(id, 1)])).collect();
    let products: Vec<Val> =
        x.windows(2).map(|pair| b.apply(ScalarOp::Mul, &[pair[0], pair[1]])).collect();
    let mut y = b.counter(id, 1.0, 0.25);
    for _ in 0..2 {
        for &product in &products {
            y = b.apply(ScalarOp::Max, &[y, product]);
            y = b.apply(ScalarOp::Sub, &[y, product]);
        }
    }
    b.store(Base::Res(0), 0, &[(id, 1)], y);
    b.end_loop(id, &[]);
    b.finish()
}

#[test]
fn registers_are_those_of_the_form() {
    let eight = code(&many_at_once(50), 8);
    eight.iter().for_each(|line| assert_is_avx512(line));
    let mut used: Vec<u32> = eight.iter().flat_map(|line| registers(line, "zmm")).collect();
    used.sort_unstable();
    used.dedup();
    assert_eq!(used, (0..32).collect::<Vec<_>>());
    let four = code(&many_at_once(50), 4);
    for line in &four {
        assert!(!line.contains("zmm") && !line.contains("{k"), "{line}");
        let used = ["ymm", "xmm"].map(|file| registers(line, file)).concat();
        assert!(used.iter().all(|&number| number < 16), "{line}");
    }
    assert!(!four.is_empty());
    assert!(code(&many_at_once(50), 1).is_empty());
}

#[test]
fn spilled_numbers_have_the_bits_of_iterations() {
    for n in [4, 7, 8, 9, 31] {
        let x: Vec<f64> = (0..n + 46).map(|k| (k as f64 * 0.77).sin()).collect();
        crate::evaluate(&many_at_once(n), &[&x]).unwrap();
    }
}

/// The last lane is as far as 32 bits say, whatever stride and offset are taken.
#[test]
fn far_lanes_are_in_reach() {
    let far = |stride: i64| {
        let mut b = Builder::new("far", &[1 << 30], &[16]);
        let (id, _) = b.begin_loop(Trip::Const(16), false, &[]);
        let x = b.load(Base::Arg(0), (1 << 27) - 1, &[(id, stride)]);
        let y = b.apply(ScalarOp::Mul, &[x, x]);
        b.store(Base::Res(0), 0, &[(id, 1)], y);
        b.end_loop(id, &[]);
        code(&b.finish(), 8)
    };
    let stride = (1 << 24) - 1;
    let last = format!("+{:X}h]", 8 * ((1 << 27) - 1 + 7 * stride));
    let code = far(stride);
    assert!(code.iter().any(|line| line.contains(&last)), "{last} {code:#?}");
    assert!(far(stride + 1).is_empty());
}

/// Straight-line code on one number has 32 registers where vectors of eight are allowed.
#[test]
fn straight_code_takes_32_registers() {
    let mut b = Builder::new("many", &[25], &[25]);
    let x: Vec<Val> = (0..25).map(|k| b.load(Base::Arg(0), k, &[])).collect();
    // Each result needs all that were there before.
    let mut y = x.clone();
    for _ in 0..3 {
        y = (0..25).map(|k| b.apply(ScalarOp::Mul, &[y[k], y[(k + 7) % 25]])).collect();
    }
    for (k, &y) in y.iter().enumerate() {
        b.store(Base::Res(0), k as i64, &[], y);
    }
    let kernel = b.finish();
    let highest = |lanes: usize| {
        let options = JitOptions { lanes, threads: 1, ..JitOptions::default() };
        let text = asm(&kernel, &options).expect("it is written");
        text.lines().flat_map(|line| registers(line, "xmm")).max()
    };
    assert!(highest(4) <= Some(15) && highest(8) > Some(20));
}
