//! Saved models in the place of programs.

use expect_test::expect;

use super::{check, file, nablac};

#[test]
fn saved_models_stand_for_programs() {
    let folder = std::env::temp_dir().join(format!("nablac-saved-{}", std::process::id()));
    let (dir, file) = (folder.to_str().unwrap(), folder.join("rosenbrock.json"));
    let saved = file.to_str().unwrap();
    let (code, out, err) = nablac(&["emit", "json", "examples/rosenbrock.nab", "-o", dir], "");
    assert_eq!((code, out), (0, format!("wrote {saved}\n")), "{err}");
    let same = |args: &dyn Fn(&str) -> Vec<String>| {
        let run = |file: &str| {
            let args = args(file);
            nablac(&args.iter().map(String::as_str).collect::<Vec<_>>(), "")
        };
        let (here, there) = (run("examples/rosenbrock.nab"), run(saved));
        assert_eq!(here, there);
        assert_eq!(here.0, 0, "{}", here.2);
    };
    let owned = |args: &[&str]| args.iter().map(|a| a.to_string()).collect::<Vec<_>>();
    same(&|file| owned(&["check", file]));
    same(&|file| owned(&["eval", file, "x=[1.2, 1]", "--engine", "interp"]));
    same(&|file| owned(&["eval", file, "x=[1.2, 1]", "--output", "G = hess(f, [x, a])"]));
    same(&|file| owned(&["show", "graph", file]));
    same(&|file| owned(&["show", "kernel", file]));
    let text = std::fs::read_to_string(&file).unwrap();
    let (code, out, err) = nablac(&["eval", "-", "x=[1, 1]"], &text);
    assert!(code == 0 && out.starts_with("f = 0\n"), "{out}{err}");
    let (code, _, err) = nablac(&["bench", saved, "--format", "json"], "");
    assert_eq!(code, 0, "{err}");
    let (code, out, err) = nablac(&["emit", "c", saved, "-o", dir], "");
    assert!(code == 0 && out.contains("rosenbrock.c"), "{out}{err}");
    let (code, out, err) = nablac(&["test", saved], "");
    assert!(code == 0 && out.contains(": no tests"), "{out}{err}");
    for args in [["fmt", saved], ["show", "ast"]] {
        let (code, _, err) = nablac(&[&args[..], &[saved]].concat()[..], "");
        assert_ne!(code, 0, "{err}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn saved_models_have_no_dims_and_fns_and_no_derivatives_by_outputs() {
    let args = ["eval", "tests/saved/small.json", "x=[1, 2]", "U=[1, 2; 0, 3]"];
    let with = |more: &[&str]| nablac(&[&args[..], more].concat(), "");
    assert!(with(&["--dim", "n=3"]).2.contains("a saved model has no dims, such as `n`"));
    assert!(with(&["--fn", "square"]).2.contains("a saved model has no fns, such as `square`"));
    assert!(with(&["--output", "J = jac(z, f)"]).2.contains("an output of a saved model"));
    assert!(with(&["--output", "J = jac(z, y)"]).2.contains("unknown name `y`"));
    let (code, out, err) = with(&["--output", "J = jac(z, x)", "--output", "d = 2 * f"]);
    assert!(code == 0 && out.contains("d = 18\n"), "{out}{err}");
}

#[test]
fn saved_models_that_need_externals_say_so() {
    let text = "extern fn wave(x) -> [1, 1]\ninput x\noutput f = wave(x)\n";
    let folder = std::env::temp_dir().join(format!("nablac-external-{}", std::process::id()));
    let dir = folder.to_str().unwrap();
    let (code, _, err) = nablac(&["emit", "json", "-", "-o", dir], text);
    assert_eq!(code, 0, "{err}");
    let saved = folder.join("model.json");
    check(
        &["eval", saved.to_str().unwrap(), "x=1"],
        "",
        expect![[r#"
            error[E0518]: the model needs functions from outside: wave
              = help: supply them from Rust by `Model::load(..).external(..)`, or `emit c` and link them
            exit 1
        "#]],
    );
    let (code, _, err) = nablac(&["check", saved.to_str().unwrap()], "");
    assert_eq!(code, 0, "{err}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn saved_models_take_data() {
    let program = file("saved.nab", "input x[2]\nlet f = norm2sq(x)\noutput f\n");
    let folder = std::path::Path::new(&*program).parent().unwrap().display().to_string();
    let (code, _, err) = nablac(&["emit", "json", &program, "-o", &folder], "");
    assert_eq!(code, 0, "{err}");
    let (model, data) = (format!("{folder}/saved.json"), file("x.json", r#"{"x": [3, 4]}"#));
    let (_, out, err) = nablac(&["eval", &model, "--data", &data], "");
    assert_eq!(out, "f = 25\n", "{err}");
    let data = file("y.json", r#"{"y": [3, 4]}"#);
    let (code, _, err) = nablac(&["eval", &model, "--data", &data, "x=[1, 2]"], "");
    assert!(code == 1 && err.contains("E0503") && err.contains("`y`"), "{err}");
}

#[test]
fn simplified_functions_are_kept() {
    let folder = std::env::temp_dir().join(format!("nablac-kept-{}", std::process::id()));
    let dir = folder.to_str().unwrap();
    let args = ["eval", "examples/rosenbrock.nab", "x=[1.2, 1]", "--cache", dir];
    let (code, out, err) = nablac(&args, "");
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    assert_eq!(nablac(&args, ""), (0, out, String::new()));
    std::fs::remove_dir_all(&folder).unwrap();
}
