//! Building functions from Rust: values, loops, derivatives, and mistakes with their places.

use nablac::builder::{
    Arg, BuildErrorKind, Collect, ELEMENTWISE_METHODS, GraphBuilder, MATRIX_METHODS,
};
use nablac::function::{EngineKind, Function, Input, Options};
use nablac::graph::Reduction;
use nablac::lower::functions;
use nablac::model::Model;
use nablac::ops::scalar::ScalarOp;
use nablac::sparsity::Pattern;

/// Outputs of the function, in the interpreter.
fn evaluate(g: &GraphBuilder, inputs: &[&[f64]]) -> Vec<Vec<f64>> {
    evaluate_function(&g.function().unwrap(), inputs)
}

fn evaluate_function(f: &Function, inputs: &[&[f64]]) -> Vec<Vec<f64>> {
    let options = Options { engine: EngineKind::Interp, ..Options::default() };
    f.compile(&options).unwrap().evaluate(inputs).unwrap()
}

/// Ends a closure whose value does not matter.
fn ignore<T>(_: T) {}

/// The mistakes of a builder, without their places.
fn mistakes(g: &GraphBuilder) -> Vec<BuildErrorKind> {
    g.function().unwrap_err().0.into_iter().map(|e| e.kind).collect()
}

fn square() -> Function {
    let g = GraphBuilder::new("square");
    let x = g.input("x", 1);
    g.output("y", x * x);
    g.function().unwrap()
}

/// (state, input) -> next state of two entries.
fn step() -> Function {
    let g = GraphBuilder::new("step");
    let (x, u) = (g.input("x", 2), g.input("u", 1));
    g.output("next", g.vcat(&[x.at(0) + 0.5 * x.at(1), 0.5 * x.at(1) + u]));
    g.function().unwrap()
}

#[test]
fn every_elementwise_function_has_a_method() {
    for &op in ScalarOp::ALL {
        let n = ELEMENTWISE_METHODS.iter().filter(|m| m.1 == op).count();
        assert_eq!(n, 1, "`{}` has {n} methods", op.name());
    }
    let renamed: Vec<&str> =
        ELEMENTWISE_METHODS.iter().filter(|m| m.0 != m.1.name()).map(|m| m.0).collect();
    assert_eq!(renamed, ["modulo"]);
}

#[test]
fn every_matrix_function_has_a_method() {
    let of_builder = ["eye", "zeros", "ones", "linspace", "hcat", "vcat"];
    let of_values = ["rows", "cols", "nnz"];
    let factorisations = ["det", "logdet", "inv", "solve", "chol", "qr", "eigh", "expm"];
    for name in functions::names() {
        let n = MATRIX_METHODS.iter().filter(|m| m.1 == name).count();
        let elsewhere = [&of_builder[..], &of_values, &factorisations].concat().contains(&name);
        assert_eq!(n, usize::from(!elsewhere), "`{name}` has {n} methods");
    }
}

#[test]
fn operators_take_numbers_on_both_sides() {
    let g = GraphBuilder::new("f");
    let x = g.input("x", 2);
    g.output("a", 1.0 + x * 2.0 - 3.0);
    g.output("b", 1.0 - x / 2);
    g.output("c", 6.0 / -x % 4.0);
    let mut sum = x;
    sum += 1.0;
    sum *= x;
    sum -= x;
    sum /= 2.0;
    g.output("d", sum);
    g.output("e", !x.gt(2.0));
    let y = evaluate(&g, &[&[1.0, 3.0]]);
    assert_eq!(y, [[0.0, 4.0], [0.5, -0.5], [-2.0, -2.0], [0.5, 4.5], [1.0, 0.0]]);
}

#[test]
fn matrices_are_sliced_and_put_together() {
    let g = GraphBuilder::new("f");
    let a = g.input("A", (2, 3));
    g.output("row", a.row(1));
    g.output("col", a.col(2));
    g.output("block", a.block(1.., 0..2));
    g.output("slice", a.slice(2..=3));
    g.output("picked", a.entries(&[5, 0, 0]));
    g.output("product", a.matmul(a.t()).trace());
    g.output("stacked", g.hcat(&[a.col(0), g.vector(&[7.0, 8.0])]).reshape(1, 4));
    let y = evaluate(&g, &[&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]);
    let expected: [&[f64]; 7] = [
        &[2.0, 4.0, 6.0],
        &[5.0, 6.0],
        &[2.0, 4.0],
        &[3.0, 4.0],
        &[6.0, 1.0, 1.0],
        &[91.0],
        &[1.0, 2.0, 7.0, 8.0],
    ];
    assert_eq!(y, expected);
}

#[test]
fn a_number_among_zeros_stays_in_its_place() {
    let g = GraphBuilder::new("f");
    let x = g.input("x", 1);
    let (a, zero) = (g.vcat(&[x, g.constant(0.0)]), g.constant(0.0));
    g.output("sum", a + a.sin());
    g.output("difference", a - 2.0 * a);
    g.output("product", a * a.sin());
    g.output("largest", a.max(a.sin()).max(zero));
    g.output("jac", (a + a.sin()).jac(x));
    let (x, sin, cos) = (2.0, 2.0_f64.sin(), 2.0_f64.cos());
    let expected = [x + sin, x - 2.0 * x, x * sin, x, 1.0 + cos];
    let f = g.function().unwrap();
    for (value, output) in expected.iter().zip(f.outputs()) {
        assert_eq!(output.pattern.nnz(), 1, "`{}`", output.name);
        assert_eq!(evaluate_function(&f, &[&[x]])[f.output(&output.name).unwrap()], [*value]);
    }
}

#[test]
fn a_choice_between_sparse_values_keeps_its_pattern_in_derivatives() {
    let g = GraphBuilder::new("f");
    let (x, lower) = (g.input("x", 2), g.input("L", Pattern::lower(3)));
    let one = g.matrix(Pattern::try_from_entries(3, 3, [(2, 0)]).unwrap(), &[1.0]);
    let chosen = one.select(lower, 0.0);
    let y = chosen + (x.sum() * chosen).sin();
    g.output("by_x", y.jac(x));
    g.output("by_L", y.jac(lower));
    let values = evaluate(&g, &[&[0.25, 0.5], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]);
    let cos = (0.75_f64 * 3.0).cos();
    assert_eq!(values, [vec![3.0 * cos, 3.0 * cos], vec![1.0 + 0.75 * cos]]);
}

#[test]
fn derivatives_by_lists_follow_the_list() {
    let g = GraphBuilder::new("f");
    let (x, y) = (g.input("x", 2), g.input("y", 1));
    let f = (x * x).sum() * y;
    g.output("grad", f.grad([x, y]));
    g.output("one", f.grad([x]));
    g.output("hess", f.hess([x, y]));
    g.output("jvp", f.jvp([x, y], g.vector(&[1.0, 0.0, 1.0])));
    g.output("hvp", f.hvp(x, g.vector(&[1.0, 1.0])));
    g.output("vjp", (x * y).vjp([y, x], g.vector(&[1.0, 2.0])));
    let d = evaluate(&g, &[&[1.0, 2.0], &[3.0]]);
    assert_eq!(d[0], [6.0, 12.0, 5.0]);
    assert_eq!(d[1], [6.0, 12.0]);
    assert_eq!(d[2], [6.0, 2.0, 6.0, 4.0, 2.0, 4.0]);
    assert_eq!(d[3], [11.0]);
    assert_eq!(d[4], [6.0, 6.0]);
    assert_eq!(d[5], [5.0, 3.0, 6.0]);
}

#[test]
fn loops_see_what_their_arguments_say() {
    let f = square();
    let g = GraphBuilder::new("f");
    let x = g.input("x", 4);
    let stack = [Collect::Stack];
    g.output("each", f.map(4, &[Arg::Each(x)], &stack).only());
    g.output("window", f.map(2, &[Arg::Windows { of: x, base: 3, step: -2 }], &stack).only());
    let origins = vec![2, 2, 0];
    let table = [Arg::Table { of: x, origins: origins.clone() }];
    g.output("table", f.map(3, &table, &stack).only());
    let shape = (3, 1);
    g.output("segments", f.map(3, &table, &[Collect::Table { shape, origins }]).only());
    let counter = [Arg::Iteration { base: 5, step: -1 }];
    g.output("counter", g.map(&f, 3, &counter, &stack).only());
    g.output("whole", f.map(3, &[Arg::Whole(x.at(1))], &[Collect::Reduce(Reduction::Sum)]).only());
    let slices = [Collect::Windows { shape: (2, 2), base: 3, step: -3 }];
    g.output("placed", f.map(2, &[Arg::Each(x.slice(..2))], &slices).only());
    let y = evaluate(&g, &[&[1.0, 2.0, 3.0, 4.0]]);
    let expected: [&[f64]; 7] = [
        &[1.0, 4.0, 9.0, 16.0],
        &[16.0, 4.0],
        &[9.0, 9.0, 1.0],
        &[1.0, 0.0, 18.0],
        &[25.0, 16.0, 9.0],
        &[12.0],
        &[4.0, 0.0, 0.0, 1.0],
    ];
    assert_eq!(y, expected);
}

#[test]
fn rows_and_columns_are_handed_out() {
    let g = GraphBuilder::new("weigh");
    let x = g.input("x", 2);
    g.output("y", x.at(0) + 10.0 * x.at(1));
    let weigh = g.function().unwrap();
    let g = GraphBuilder::new("f");
    let a = g.input("A", (2, 2));
    g.output("rows", weigh.map(2, &[Arg::Rows(a)], &[Collect::Stack]).only());
    g.output("columns", weigh.map(2, &[Arg::Each(a)], &[Collect::Stack]).only());
    assert_eq!(evaluate(&g, &[&[1.0, 2.0, 3.0, 4.0]]), [[31.0, 42.0], [21.0, 43.0]]);
}

#[test]
fn folds_keep_the_last_state_and_scans_all() {
    let f = step();
    let g = GraphBuilder::new("f");
    let (x, u) = (g.input("x", 2), g.input("u", 3));
    let last = f.fold(3, &[x], &[Arg::Each(u)], &[]).named("next");
    g.output("last", last);
    g.output("all", f.scan(3, &[x], &[Arg::Each(u)]).only());
    g.output("jac", last.jac(u));
    g.output("none", f.fold(0, &[x], &[Arg::Each(g.zeros(0))], &[]).only());
    let y = evaluate(&g, &[&[4.0, 2.0], &[0.0, 1.0, 0.0]]);
    assert_eq!(y[0], [6.25, 0.75]);
    assert_eq!(y[1], [5.0, 1.0, 5.5, 1.5, 6.25, 0.75]);
    assert_eq!(y[3], [4.0, 2.0]);
    assert_eq!(g.function().unwrap().outputs()[2].pattern.shape(), (2, 3));
}

#[test]
fn a_choice_computes_one_branch() {
    let branch = |factor: f64| {
        let g = GraphBuilder::new("branch");
        let x = g.input("x", 2);
        g.output("y", x.log() * factor);
        g.function().unwrap()
    };
    let (a, b) = (branch(2.0), branch(-1.0));
    let g = GraphBuilder::new("f");
    let x = g.input("x", 2);
    let y = x.at(0).ge(1.0).cond(&a, &b, &[x]).only();
    g.output("dy", y.sum().grad(x));
    assert_eq!(evaluate(&g, &[&[1.0, 4.0]])[0], [2.0, 0.5]);
    assert_eq!(evaluate(&g, &[&[0.5, 4.0]])[0], [-2.0, -0.25]);
}

#[test]
fn an_own_derivative_is_used_everywhere() {
    let g = GraphBuilder::new("double_slope");
    let (x, dx) = (g.input("x", 1), g.input("dx", 1));
    g.output("dy", 4.0 * x * dx);
    let own = square().with_jvp(&g.function().unwrap()).unwrap();
    let slope = own.gradient("y", "x").unwrap();
    assert_eq!(evaluate_function(&slope, &[&[3.0]]), [[12.0]]);

    let g = GraphBuilder::new("f");
    let x = g.input("x", 1);
    let y = own.call(&[x]).only();
    g.output("forward", y.jvp(x, 1.0));
    g.output("reverse", y.grad(x));
    g.output("second", y.hess(x));
    assert_eq!(evaluate(&g, &[&[3.0]]), [[12.0], [12.0], [4.0]]);
    assert!(own.with_jvp(&square()).is_err());
}

#[test]
fn an_own_derivative_has_no_entries_besides_those_of_the_function() {
    let g = GraphBuilder::new("f");
    g.output("d", g.input("x", 2).diag());
    let f = g.function().unwrap();
    let g = GraphBuilder::new("df");
    let (x, dx) = (g.input("x", 2), g.input("dx", 2));
    g.output("z", dx.diag() + x.at(0));
    let error = f.with_jvp(&g.function().unwrap()).unwrap_err().to_string();
    let expected = "output `z` of `df`, a derivative of `f`, has entries where the function has \
                    structural zeros: 4 nonzeros, expected 2; the first is [1, 0]";
    assert!(error.ends_with(expected), "{error}");
}

#[test]
fn externals_fail_with_their_name() {
    let scalar = Pattern::scalar;
    let fails = |_: &[&[f64]], _: &mut [&mut [f64]]| Err("out of range".to_owned());
    let f = Function::external("f", &[("x", scalar())], &[("y", scalar())], fails).unwrap();
    let error = f.compile(&Options::default()).unwrap().evaluate(&[&[1.0]]).unwrap_err();
    assert!(error.to_string().contains("`f` failed: out of range"), "{error}");
    let g = GraphBuilder::new("g");
    let x = g.input("x", 1);
    g.output("dy", f.call(&[x]).only().grad(x));
    assert!(matches!(mistakes(&g)[..], [BuildErrorKind::Derivative(_)]));
    let fails = |_: &[&[f64]], _: &mut [&mut [f64]]| Ok(());
    assert!(Function::external("no name", &[], &[], fails).is_err());
}

#[test]
fn a_mistake_has_the_place_of_its_caller() {
    let g = GraphBuilder::new("f");
    let (x, y) = (g.input("x", 3), g.input("y", 4));
    let line = line!() + 1;
    let wrong = x + y;
    g.output("f", (wrong * 2.0).sum().grad(x));
    let errors = g.function().unwrap_err();
    assert_eq!(errors.0.len(), 1, "{errors}");
    assert_eq!(errors.0[0].location.line(), line);
    assert!(errors.0[0].location.file().ends_with("api.rs"));
    assert!(errors.to_string().contains("3x1 and 4x1"), "{errors}");
}

#[test]
fn every_mistake_is_reported_and_none_panics() {
    use BuildErrorKind as K;
    let other = GraphBuilder::new("other");
    let z = other.input("z", 3);
    let (f, step) = (square(), step());
    let check = |wrong: &dyn Fn(&GraphBuilder), wanted: fn(&K) -> bool| {
        let g = GraphBuilder::new("f");
        wrong(&g);
        let found = mistakes(&g);
        assert!(found.len() == 1 && wanted(&found[0]), "{found:?}");
        assert!(!g.function().unwrap_err().to_string().is_empty());
    };
    let stack = [Collect::Stack];
    check(&|g| ignore(g.input("x", 3).matmul(g.input("y", 2))), |k| matches!(k, K::Shapes { .. }));
    check(&|g| ignore(g.input("x", 3) + z), |k| *k == K::Foreign);
    check(&|g| g.output("z", z), |k| *k == K::Foreign);
    check(&|g| ignore((g.input("x", 1), g.input("x", 2))), |k| matches!(k, K::Duplicate { .. }));
    check(&|g| ignore(g.input("3x", 1)), |k| matches!(k, K::Name { .. }));
    check(&|g| ignore(g.input("x", (1 << 20, 1 << 20))), |k| matches!(k, K::TooLarge(_)));
    check(&|g| ignore(g.eye(usize::MAX)), |k| matches!(k, K::TooLarge(_)));
    check(&|g| ignore(g.zeros(usize::MAX)), |k| matches!(k, K::TooLarge(_)));
    check(&|g| ignore(g.matrix((2, 2), &[1.0])), |k| matches!(k, K::Count { .. }));
    check(&|g| ignore(g.input("x", 3).at(3)), |k| matches!(k, K::Index { .. }));
    check(&|g| ignore(g.zeros((0, 3)).at(0)), |k| matches!(k, K::Index { .. }));
    check(&|g| ignore(g.input("x", 3).slice(2..7)), |k| matches!(k, K::Index { .. }));
    check(&|g| ignore(g.input("x", 3).trace()), |k| matches!(k, K::Function { .. }));
    check(&|g| ignore(g.input("x", 3).repmat(usize::MAX, 2)), |k| matches!(k, K::Function { .. }));
    check(&|g| ignore(g.zeros(0).largest()), |k| matches!(k, K::Function { .. }));
    check(&|g| ignore(g.hcat(&[])), |k| matches!(k, K::Count { .. }));
    check(&|g| ignore(g.input("x", 3).apply(ScalarOp::Add, &[])), |k| matches!(k, K::Count { .. }));
    check(
        &|g| {
            let x = g.input("x", 3);
            x.grad(x);
        },
        |k| matches!(k, K::NotAScalar { .. }),
    );
    check(
        &|g| {
            let x = g.input("x", 1);
            x.sin().grad(2.0 * x);
        },
        |k| *k == K::NotATarget,
    );
    check(&|g| ignore(g.input("x", 1).jac([])), |k| matches!(k, K::Empty { .. }));
    check(
        &|g| {
            let x = g.input("x", 3);
            x.jvp(x, 1.0);
        },
        |k| matches!(k, K::Shapes { .. }),
    );
    check(&|g| ignore(f.call(&[g.input("x", 2)])), |k| matches!(k, K::Shapes { .. }));
    check(&|g| ignore(g.call(&f, &[])), |k| matches!(k, K::Count { .. }));
    check(&|g| g.output("y", f.call(&[]).only()), |k| *k == K::Foreign);
    check(&|g| ignore(f.call(&[g.input("x", 1)]).named("z")), |k| matches!(k, K::Unknown { .. }));
    check(&|g| ignore(f.call(&[g.input("x", 1)]).at(1)), |k| matches!(k, K::Index { .. }));
    check(&|g| ignore(f.map(3, &[Arg::Each(g.input("x", 4))], &stack)), |k| {
        matches!(k, K::Shapes { .. })
    });
    check(
        &|g| ignore(f.map(3, &[Arg::Windows { of: g.input("x", 4), base: 2, step: 1 }], &stack)),
        |k| matches!(k, K::Window { .. }),
    );
    check(
        &|g| {
            let of = g.input("x", 4);
            f.map(3, &[Arg::Windows { of, base: i64::MAX, step: i64::MAX }], &stack);
        },
        |k| matches!(k, K::Window { .. }),
    );
    check(
        &|g| ignore(f.map(1, &[Arg::Table { of: g.input("x", 4), origins: vec![4] }], &stack)),
        |k| matches!(k, K::Window { .. }),
    );
    check(&|g| ignore(g.map(&f, u64::MAX, &[Arg::Iteration { base: 0, step: 1 }], &stack)), |k| {
        matches!(k, K::TooLarge(_))
    });
    check(
        &|g| {
            let most = [Collect::Reduce(Reduction::Max)];
            g.map(&f, 0, &[Arg::Iteration { base: 0, step: 1 }], &most);
        },
        |k| matches!(k, K::Empty { .. }),
    );
    check(&|g| ignore(f.map(1, &[Arg::Whole(g.input("x", 1))], &[])), |k| {
        matches!(k, K::Count { .. })
    });
    check(&|g| ignore(step.fold(1, &[g.input("x", 2), g.input("u", 1)], &[], &[])), |k| {
        matches!(k, K::Count { .. })
    });
    check(
        &|g| {
            let x = g.input("x", 2);
            x.cond(&step, &step, &[x, x.at(0)]);
        },
        |k| matches!(k, K::NotAScalar { .. }),
    );
    check(&|g| ignore(g.input("x", 1).cond(&f, &step, &[g.input("y", 1)])), |k| {
        matches!(k, K::Count { .. })
    });
    let sparse = |symmetric| Input { symmetric, ..Input::new("x", Pattern::dense(2, 3)) };
    check(&|g| ignore(g.declare(sparse(true))), |k| matches!(k, K::Shapes { .. }));
    let empty = GraphBuilder::new("empty");
    assert_eq!(mistakes(&empty), [K::NoOutputs]);
}

#[test]
fn entries_at_structural_zeros_are_refused() {
    let g = GraphBuilder::new("sparse");
    let x = g.input("x", Pattern::diagonal(2));
    g.output("y", x.sum());
    let sparse = g.function().unwrap();
    let g = GraphBuilder::new("f");
    let x = g.input("x", (2, 2));
    g.output("whole", sparse.call(&[x.tril(0).triu(0)]).only());
    assert_eq!(evaluate(&g, &[&[1.0, 2.0, 3.0, 4.0]]), [[5.0]]);
    g.output("y", sparse.call(&[x]).only());
    assert!(matches!(mistakes(&g)[..], [BuildErrorKind::Pattern { .. }]));
}

#[test]
fn compiled_functions_are_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    let f = square();
    shared(&f);
    let compiled = f.compile(&Options::default()).unwrap();
    shared(&compiled);
    std::thread::scope(|scope| {
        for k in 0..4 {
            let compiled = &compiled;
            scope.spawn(move || {
                let x = f64::from(k);
                assert_eq!(compiled.evaluate(&[&[x]]).unwrap(), [[x * x]]);
            });
        }
    });
}

/// A join of a million iterations with a million: looking at all pairs would not end.
#[test]
fn filters_join_in_linear_time() -> Result<(), Box<dyn std::error::Error>> {
    let text = "dim A = 1000000, B = 1000000
        index bus[A] = [mod(7*a + 3, B) for a in 0..A]
        input p[A]
        let load = [sum(p[a] for a in 0..A if bus[a] == i) - p[bus[i]] for i in 0..B]
        output load, g = grad(norm2sq(load), p)";
    let f = nablac::model::Model::parse("join.nab", text).function()?;
    let n = 1_000_000;
    let p: Vec<f64> = (0..n).map(|a| (a % 10) as f64).collect();
    let outputs = f.compile(&Options::default())?.evaluate(&[&p])?;
    let mut load: Vec<f64> = (0..n).map(|i| -p[(7 * i + 3) % n]).collect();
    (0..n).for_each(|a| load[(7 * a + 3) % n] += p[a]);
    assert_eq!(outputs[0], load);
    let mut gradient: Vec<f64> = (0..n).map(|a| 2.0 * load[(7 * a + 3) % n]).collect();
    (0..n).for_each(|i| gradient[(7 * i + 3) % n] -= 2.0 * load[i]);
    assert_eq!(outputs[1], gradient);
    Ok(())
}

/// Straight-line code that is too long for elimination, with a dense Hessian.
#[test]
fn too_many_directional_derivatives_are_refused() {
    let g = GraphBuilder::new("long");
    let x = g.input("x", 1000);
    let mut y = x.norm2sq();
    for k in 0..20_000 {
        y = (y * x.at(k % 1000)).sin();
    }
    g.output("H", y.hess(x));
    let message = g.function().unwrap_err().to_string();
    let expected = "1000 directional derivatives of 140007 operations; the limit of their product \
                    is 33554432";
    assert!(message.ends_with(expected), "{message}");
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let source = "dim n = 60000\ninput x[n], t\n\
        fn g(a, b, t) { let s = sin(a * t)\n s * b + exp(-b) }\n\
        let y = [g(x[i], x[i+1], t) for i in 0..n-1]\n\
        output y, s = sum(y[i]^2 for i in 0..n-1), J = jac(y, x), H = hess(s, x)";
    let f = Model::parse("f.nab", source).function().expect("it lowers");
    let x: Vec<f64> = (0..60000).map(|k| f64::from(k % 1000) / 500.0).collect();
    let evaluate = |threads| {
        let options = Options { threads, ..Options::default() };
        let compiled = f.compile(&options).expect("it compiles");
        let outputs = compiled.evaluate(&[&x[..], &[0.7]]).expect("it evaluates");
        outputs.concat().into_iter().map(f64::to_bits).collect::<Vec<_>>()
    };
    let alone = evaluate(1);
    assert!(evaluate(2) == alone && evaluate(5) == alone);
}

/// Bound functions give what calls give, whichever outputs are wanted, and keep inputs.
#[test]
fn bound_functions_evaluate_alike() {
    let f = nablac::model::Model::parse(
        "f.nab",
        "input x[2], p in 0..10\nlet y = p * exp(x[0]) * x[1]\noutput y, g = grad(y, x), z = p + 1",
    );
    let f = f.function().unwrap();
    for engine in [EngineKind::default(), EngineKind::Jit, EngineKind::Interp] {
        let f = f.compile(&Options { engine, ..Options::default() }).unwrap();
        let expected = f.evaluate(&[&[0.5, 2.0], &[3.0]]).unwrap();
        for wanted in (0..8).map(|k| [k & 1 != 0, k & 2 != 0, k & 4 != 0]) {
            let mut bound = f.bind(&wanted).unwrap();
            bound.arg(0).copy_from_slice(&[0.5, 2.0]);
            bound.arg(1)[0] = 3.0;
            for _ in 0..2 {
                bound.call().unwrap();
                for (k, &wanted) in wanted.iter().enumerate() {
                    let zeros = vec![0.0; expected[k].len()];
                    assert_eq!(bound.res(k), if wanted { &expected[k] } else { &zeros });
                }
                assert_eq!(bound.arg(0), [0.5, 2.0]);
            }
            bound.arg(1)[0] = 11.0;
            let error = bound.call().unwrap_err().to_string();
            assert!(error.contains("`p` of `f` is 11, not in 0..10"), "{error}");
        }
        assert!(f.bind(&[true; 2]).is_err());
    }
}
