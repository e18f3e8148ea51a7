//! Ranges that depend on outer iteration numbers, and branches that depend on iteration numbers,
//! against programs with every term written out: values, gradients, Jacobians and Hessians, in
//! the reference and in all engines.

use nablac::function::{EngineKind, Function, Options};
use nablac::graph::evaluate::evaluate;
use nablac::model::Model;

const N: usize = 5;

/// Outputs by entry, structural zeros included.
fn dense(f: &Function, values: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let of = |(k, nonzeros): (usize, &Vec<f64>)| {
        let pattern = &f.func().outputs[k].pattern;
        let mut dense = vec![0.0; pattern.numel()];
        for (at, v) in pattern.linear().zip(nonzeros) {
            dense[at as usize] = *v;
        }
        dense
    };
    values.iter().enumerate().map(of).collect()
}

fn close(a: &[Vec<f64>], b: &[Vec<f64>]) -> bool {
    let same = |(x, y): (&f64, &f64)| (x - y).abs() <= 1e-12 * y.abs().max(1.0);
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| a.len() == b.len() && a.iter().zip(b).all(same))
}

fn has_compiler() -> bool {
    std::process::Command::new("cc").arg("--version").output().is_ok()
}

/// A program over `x`, `A` and `c` whose value is `body`, with its derivatives.
fn program(body: &str) -> Function {
    let text = format!(
        "dim n = {N}\ninput x[n], A[n,n], c\nlet y = {body}\nlet f = sum(y .* sin(y))\n\
         output y, f, g = grad(f, x), J = jac(y, x), H = hess(f, x), K = hess(f, [x, c]), \
         D = grad(f, A)"
    );
    Model::parse("ranges.nab", &text).function().unwrap_or_else(|e| panic!("{text}\n{e}"))
}

fn inputs() -> Vec<Vec<f64>> {
    let x = (0..N).map(|k| 0.5 + 0.3 * (k as f64 * 1.7).sin()).collect();
    let a = (0..N * N).map(|k| 0.4 * (k as f64 * 0.9 + 0.2).cos()).collect();
    vec![x, a, vec![0.7]]
}

/// The rolled program has the values and derivatives of the expanded one.
fn check(rolled: &str, expanded: &str) {
    let (rolled_f, expanded_f) = (program(rolled), program(expanded));
    let inputs = inputs();
    let expected = dense(&expanded_f, &evaluate(expanded_f.func(), &inputs).unwrap());
    let reference = dense(&rolled_f, &evaluate(rolled_f.func(), &inputs).unwrap());
    assert!(close(&reference, &expected), "{rolled}\n{reference:?}\n{expected:?}");
    let args: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    for engine in [EngineKind::Interp, EngineKind::default(), EngineKind::Jit, EngineKind::C] {
        if engine == EngineKind::C && !has_compiler() {
            continue;
        }
        let compiled = rolled_f.compile(&Options { engine, ..Options::default() }).unwrap();
        let values = dense(&rolled_f, &compiled.evaluate(&args).unwrap());
        assert!(close(&values, &expected), "{rolled} {engine:?}\n{values:?}\n{expected:?}");
    }
}

fn joined(sign: &str, terms: impl IntoIterator<Item = String>, none: &str) -> String {
    let terms: Vec<String> = terms.into_iter().collect();
    if terms.is_empty() { none.into() } else { format!("({})", terms.join(sign)) }
}

fn sum(terms: impl IntoIterator<Item = String>) -> String {
    joined(" + ", terms, "0")
}

fn column(entries: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", entries.into_iter().collect::<Vec<_>>().join(", "))
}

#[test]
fn pairs_below_and_above_the_diagonal() {
    let term = |i: usize, j: usize| format!("sin(x[{i}]*x[{j}] + c*A[{i},{j}])");
    check(
        "sum(sin(x[i]*x[j] + c*A[i,j]) for i in 0..n for j in 0..i)",
        &sum((0..N).flat_map(|i| (0..i).map(move |j| term(i, j)))),
    );
    check(
        "sum(sin(x[i]*x[j] + c*A[i,j]) for i in 0..n for j in i+1..n)",
        &sum((0..N).flat_map(|i| (i + 1..N).map(move |j| term(i, j)))),
    );
    check(
        "[sum(sin(x[i]*x[j] + c*A[i,j]) for j in i..n) for i in 0..n]",
        &column((0..N).map(|i| sum((i..N).map(|j| term(i, j))))),
    );
    check(
        "[c + sum(A[i,j] * x[j] for j in 0..i) for i in 0..n]",
        &column(
            (0..N).map(|i| format!("c + {}", sum((0..i).map(|j| format!("A[{i},{j}]*x[{j}]"))))),
        ),
    );
}

#[test]
fn both_ends_move() {
    check(
        "[sum(x[j]^2 * j for j in i..n-i) for i in 0..n]",
        &column(
            (0..N).map(|i| sum((i..N.saturating_sub(i).max(i)).map(|j| format!("x[{j}]^2*{j}")))),
        ),
    );
    // Windows of constant length that move.
    check(
        "[sum(x[j] * x[i] * (j - i) for j in i..i+3) for i in 0..n-2]",
        &column((0..N - 2).map(|i| sum((i..i + 3).map(|j| format!("x[{j}]*x[{i}]*{}", j - i))))),
    );
}

#[test]
fn indices_within_the_triangle_only() {
    check(
        "[sum(x[j] * x[i-j] for j in 0..i+1) for i in 0..n]",
        &column((0..N).map(|i| sum((0..=i).map(|j| format!("x[{j}]*x[{}]", i - j))))),
    );
    check(
        "[sum(A[j, i-j] * x[j] for j in 0..i+1) for i in 0..n]",
        &column((0..N).map(|i| sum((0..=i).map(|j| format!("A[{j},{}]*x[{j}]", i - j))))),
    );
    check(
        "sum(x[j-i-1] * c^i for i in 0..n for j in i+1..n)",
        &sum((0..N).flat_map(|i| (i + 1..N).map(move |j| format!("x[{}]*c^{i}", j - i - 1)))),
    );
}

#[test]
fn triangles_within_triangles() {
    let term = |i: usize, j: usize, k: usize| format!("sin(x[{i}] - c*x[{j}]*x[{k}])");
    check(
        "sum(sin(x[i] - c*x[j]*x[k]) for i in 0..n for j in i+1..n for k in j+1..n)",
        &sum((0..N)
            .flat_map(|i| (i + 1..N).flat_map(move |j| (j + 1..N).map(move |k| term(i, j, k))))),
    );
    check(
        "sum(x[k-j] * x[j-i] for i in 0..n for j in i..n for k in j..n)",
        &sum((0..N).flat_map(|i| {
            (i..N).flat_map(move |j| (j..N).map(move |k| format!("x[{}]*x[{}]", k - j, j - i)))
        })),
    );
}

#[test]
fn products_extremes_and_folds() {
    check(
        "[prod(x[j] + c for j in 0..i) for i in 0..n]",
        &column((0..N).map(|i| joined("*", (0..i).map(|j| format!("(x[{j}] + c)")), "1"))),
    );
    let folded = |op: &str, i: usize| {
        (1..=i).fold("x[0]*A[0,0]".to_string(), |all, j| format!("{op}({all}, x[{j}]*A[{j},0])"))
    };
    for op in ["max", "min"] {
        check(
            &format!("[{op}(x[j]*A[j,0] for j in 0..i+1) for i in 0..n]"),
            &column((0..N).map(|i| folded(op, i))),
        );
    }
    let fold = |i: usize, from: usize| {
        (from..i).fold("c".to_string(), |s, j| format!("sin({s} + x[{j}])"))
    };
    check(
        "[fold s = c for j in 0..i { sin(s + x[j]) } for i in 0..n]",
        &column((0..N).map(|i| fold(i, 0))),
    );
    check(
        "[fold s = c for j in i..n { sin(s + x[j]) } for i in 0..n]",
        &column((0..N).map(|i| fold(N, i))),
    );
    // A state too long for registers.
    let long = "sum(fold s = reshape(A, n*n, 1) * c for j in i..n { sin(s + x[j] + i) })";
    check(
        &format!("[{long} for i in 0..n]"),
        &column((0..N).map(|i| {
            let start = "reshape(A, n*n, 1) * c".to_string();
            let all = (i..N).fold(start, |s, j| format!("sin({s} + x[{j}] + {i})"));
            format!("sum({all})")
        })),
    );
}

#[test]
fn ranges_by_quotients_and_in_branches() {
    check(
        "[sum(x[j] for j in 0..div(i, 2)) + sum(x[j]^2 for j in mod(i, 3)..n) for i in 0..n]",
        &column((0..N).map(|i| {
            let (a, b) = (sum((0..i / 2).map(|j| format!("x[{j}]"))), i % 3);
            format!("{a} + {}", sum((b..N).map(|j| format!("x[{j}]^2"))))
        })),
    );
    check(
        "[if x[i] > 0.5 then sum(x[j] for j in 0..i) else sum(x[j-i] for j in i..n) for i in 0..n]",
        &column((0..N).map(|i| {
            let (a, b) = (
                sum((0..i).map(|j| format!("x[{j}]"))),
                sum((i..N).map(|j| format!("x[{}]", j - i))),
            );
            format!("if x[{i}] > 0.5 then {a} else {b}")
        })),
    );
}

#[test]
fn conditions_on_one_counter() {
    let each = |of: &dyn Fn(usize) -> String| column((0..N).map(of));
    check(
        "[if k == 0 then c else x[k-1] for k in 0..n]",
        &each(&|k| if k == 0 { "c".into() } else { format!("x[{}]", k - 1) }),
    );
    check(
        "[if k == n-1 then c*x[0] else x[k+1]^2 for k in 0..n]",
        &each(&|k| if k == N - 1 { "c*x[0]".into() } else { format!("x[{}]^2", k + 1) }),
    );
    check(
        "[if k < 2 then x[k] * x[k+2] else if 3 <= k and k != 4 then A[k-3,k] else x[k-2] \
         for k in 0..n]",
        &each(&|k| match k {
            0 | 1 => format!("x[{k}]*x[{}]", k + 2),
            3 => "A[0,3]".into(),
            _ => format!("x[{}]", k - 2),
        }),
    );
    check(
        "[if mod(k, 2) == 0 then x[div(k, 2)] else if not (k >= 1) then x[k-1] else c \
         for k in 0..n]",
        &each(&|k| if k % 2 == 0 { format!("x[{}]", k / 2) } else { "c".into() }),
    );
    check(
        "[fold s = c for k in 0..n { if k > 0 then sin(s) * x[k-1] else s + x[k] } for i in 0..1]",
        &column([(0..N).fold("c".to_string(), |s, k| match k {
            0 => format!("({s} + x[0])"),
            _ => format!("sin({s})*x[{}]", k - 1),
        })]),
    );
    check(
        "reshape(scan v = [c, x[0]] for k in 0..n { if k < 3 then [v[1], x[k+2]] else sin(v) }, 10, 1)",
        "reshape(hcat([x[0], x[2]], [x[2], x[3]], [x[3], x[4]], sin([x[3], x[4]]), \
         sin(sin([x[3], x[4]]))), 10, 1)",
    );
    // Dims decide at once.
    check("[if n > 7 then x[7] else c, if n == 5 then x[4] else x[n]]", "[c, x[4]]");
}

#[test]
fn conditions_on_two_counters() {
    check(
        "sum(if i == j then c else sin(x[i] - x[j]) for i in 0..n for j in 0..n)",
        &sum((0..N).flat_map(|i| {
            (0..N).map(move |j| match i == j {
                true => "c".into(),
                false => format!("sin(x[{i}] - x[{j}])"),
            })
        })),
    );
    check(
        "[sum(if j < i then x[i-j] else if j == i then c else A[j-i-1,j] * x[i] for j in 0..n) \
         for i in 0..n]",
        &column((0..N).map(|i| {
            sum((0..N).map(|j| match j.cmp(&i) {
                std::cmp::Ordering::Less => format!("x[{}]", i - j),
                std::cmp::Ordering::Equal => "c".into(),
                std::cmp::Ordering::Greater => format!("A[{},{j}]*x[{i}]", j - i - 1),
            }))
        })),
    );
    // A matrix by a condition on both counters: the branch stays a branch.
    check(
        "reshape([[if i <= j then x[j-i] else c * x[i-j-1] for i in 0..n] for j in 0..n], n*n, 1)",
        &column((0..N * N).map(|k| {
            let (i, j) = (k % N, k / N);
            if i <= j { format!("x[{}]", j - i) } else { format!("c*x[{}]", i - j - 1) }
        })),
    );
    check(
        "[max(if j < i then x[j] else x[j] * x[i] for j in 0..n) + \
         (fold s = c for j in 0..n { if j == i then s else sin(s + x[j]) }) for i in 0..n]",
        &column((0..N).map(|i| {
            let term = |j: usize| if j < i { format!("x[{j}]") } else { format!("x[{j}]*x[{i}]") };
            let largest = (1..N).fold(term(0), |all, j| format!("max({all}, {})", term(j)));
            let fold = (0..N)
                .filter(|&j| j != i)
                .fold("c".to_string(), |s, j| format!("sin({s} + x[{j}])"));
            format!("{largest} + {fold}")
        })),
    );
}

#[test]
fn conditions_cut_loops_instead_of_branching() {
    let text = "dim n = 1000\ninput x[n], c\n\
                output y = [if k == 0 then c else if k < 400 then x[k-1] else x[k] for k in 0..n]";
    let f = Model::parse("cut.nab", text).function().unwrap();
    let kernel = nablac::kernel::build(&f.optimized(&Default::default()));
    assert!(kernel.conds.is_empty());
    assert!(kernel.insts.len() < 60, "{} instructions", kernel.insts.len());
    // No zeros are stored around `x`: nothing is read out of range.
    assert!(kernel.work_len <= 1000, "{}", kernel.work_len);
}

#[test]
fn long_triangles_agree_with_a_plain_sum() {
    let text = "dim n\ninput x[n]\nlet f = sum(x[i]*x[j] for i in 0..n for j in i+1..n)\n\
                output f, g = grad(f, x)";
    for n in [100usize, 5_000] {
        let f = Model::parse("long.nab", text).dim("n", n as i64).function().unwrap();
        let x: Vec<f64> = (0..n).map(|k| (k as f64).sin()).collect();
        let all: f64 = x.iter().sum();
        let square: f64 = x.iter().map(|v| v * v).sum();
        for engine in [EngineKind::Interp, EngineKind::default(), EngineKind::Jit] {
            if engine == EngineKind::Interp && n > 1_000 {
                continue;
            }
            let compiled = f.compile(&Options { engine, ..Options::default() }).unwrap();
            let out = compiled.evaluate(&[&x]).unwrap();
            let expected = 0.5 * (all * all - square);
            assert!((out[0][0] - expected).abs() < 1e-9 * square, "{engine:?}");
            for (g, x) in out[1].iter().zip(&x) {
                assert!((g - (all - x)).abs() < 1e-9, "{engine:?}");
            }
        }
    }
}

#[test]
fn checkpoints_store_fewer_states() {
    let expanded =
        column([(0..11).fold("c".to_string(), |s, k| format!("sin({s} + x[{}]*{k})", k % N))]);
    for checkpoint in ["", " with checkpoint(3)", " with checkpoint(4)", " with checkpoint(100)"] {
        let fold = "fold s = c for k in 0..11";
        check(
            &format!("[{fold}{checkpoint} {{ sin(s + x[mod(k, n)]*k) }} for i in 0..1]"),
            &expanded,
        );
    }
    check(
        "[fold s = c for k in 0..5 with checkpoint(2) { sin(s + x[n-1-k]*k) } for i in 0..1]",
        &column([(0..5).fold("c".to_string(), |s, k| format!("sin({s} + x[{}]*{k})", N - 1 - k))]),
    );
    check(
        "[fold s = c for k in 1..9 with checkpoint(2) { if k < 4 then s * x[k] else sin(s) } \
         for i in 0..1]",
        "[sin(sin(sin(sin(sin(c*x[1]*x[2]*x[3])))))]",
    );
    let memory = |checkpoint: &str| {
        let text = format!(
            "input x, c\nlet f = fold s = x for k in 0..10000 {checkpoint} {{ sin(s) * c + k }}\n\
             output g = grad(f, [x, c])"
        );
        let f = Model::parse("long.nab", &text).function().unwrap();
        let g = f.compile(&Options::default()).unwrap();
        let kernel = nablac::kernel::build(&f.optimized(&Default::default()));
        (kernel.work_len, g.evaluate(&[&[0.5], &[0.3]]).unwrap())
    };
    let (all, few) = (memory(""), memory("with checkpoint(100)"));
    assert!(close(&few.1, &all.1));
    assert!(all.0 >= 10_000 && few.0 < 1_000, "{} and {}", all.0, few.0);
    let mistake = |options: &str| {
        let text = format!("output y = fold s = 1 for k in 0..9 with {options} {{ 2*s }}");
        Model::parse("m.nab", &text).function().map(|_| ()).unwrap_err().to_string()
    };
    assert!(mistake("checkpoint(0)").contains("E0206"));
    assert!(mistake("checkpoint(1, 2)").contains("E0206"));
    assert!(mistake("storage(3)").contains("E0110"));
}

#[test]
fn operations_in_triangles_are_counted() {
    let text = "dim n\ninput x[n]\noutput f = sum(exp(x[i] - x[j]) for i in 0..n for j in i+1..n)";
    for n in [300u64, 20_000] {
        let f = Model::parse("count.nab", text).dim("n", n as i64).function().unwrap();
        let kernel = std::sync::Arc::new(nablac::kernel::build(f.func()));
        let counted = nablac::kernel::count::count(&kernel).call as f64;
        let pairs = (n * (n - 1) / 2) as f64;
        assert!((counted - pairs).abs() <= 1e-2 * pairs, "{counted} of {pairs}");
    }
}

#[test]
fn shapes_that_would_change_are_refused() {
    let mistake = |body: &str| {
        let text = format!("input x[5]\noutput y = {body}");
        Model::parse("m.nab", &text).function().map(|_| ()).unwrap_err().to_string()
    };
    assert!(mistake("[[x[j] for j in 0..i] for i in 0..5]").contains("E0217"));
    assert!(
        mistake("[sum(scan s = 0 for j in 0..i { s + x[j] }) for i in 0..5]").contains("E0217")
    );
    assert!(mistake("[max(x[j] for j in 0..i) for i in 0..5]").contains("E0210"));
    assert!(mistake("[sum(x[j+1] for j in 0..i+1) for i in 0..5]").contains("E0205"));
    assert!(mistake("[if k == 0 then x[k] else x[k-2] for k in 0..5]").contains("E0205"));
    assert!(mistake("[if x[k] > 0 then x[k-1] else 0 for k in 0..5]").contains("E0205"));
    assert!(mistake("[if k != 2 then x[k-1] else 0 for k in 0..5]").contains("E0205"));
    assert!(mistake("[if k > 7 then z else 0 for k in 0..5]").contains("E0101"));
    assert!(mistake("[sum(x[j-i-1] for j in i..5) for i in 0..5]").contains("E0205"));
}
