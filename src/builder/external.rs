//! Functions whose values or derivatives the user supplies.

use std::panic::Location;
use std::sync::Arc;

use super::call::{adapt, check_fits};
use super::{BuildError, BuildErrorKind, check_name};
use crate::function::{Function, Input};
use crate::graph::{Body, External, Func, Port};
use crate::sparsity::Pattern;

impl Function {
    /// A function computed by a Rust closure: nonzeros of the inputs, nonzeros of the outputs to
    /// fill. An error text fails the evaluation, naming the function. Generated C calls
    /// `int name(const double **arg, double **res)` instead.
    ///
    /// It has derivatives if [`Function::with_jvp`] gives them.
    ///
    /// # Errors
    /// A name that is no identifier.
    ///
    /// ```
    /// use nablac::{builder::GraphBuilder, function::{Function, Options}, sparsity::Pattern};
    /// let scalar = Pattern::scalar;
    /// let wave = |x: &[&[f64]], y: &mut [&mut [f64]]| {
    ///     y[0][0] = x[0][0].sin();
    ///     Ok(())
    /// };
    /// let wave = Function::external("wave", &[("x", scalar())], &[("y", scalar())], wave)?;
    /// let g = GraphBuilder::new("dwave");
    /// let (x, dx) = (g.input("x", 1), g.input("dx", 1));
    /// g.output("dy", x.cos() * dx);
    /// let wave = wave.with_jvp(&g.function()?)?;
    ///
    /// let slope = wave.gradient("y", "x")?.compile(&Options::default())?;
    /// assert_eq!(slope.evaluate(&[&[0.0]])?[0], [1.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn external(
        name: &str,
        inputs: &[(&str, Pattern)],
        outputs: &[(&str, Pattern)],
        callback: impl Fn(&[&[f64]], &mut [&mut [f64]]) -> Result<(), String> + Send + Sync + 'static,
    ) -> Result<Function, BuildError> {
        let location = Location::caller();
        let names = inputs.iter().chain(outputs).map(|port| port.0).chain([name]);
        for name in names {
            check_name(name).map_err(|kind| BuildError { location, kind })?;
        }
        let patterns = |ports: &[(&str, Pattern)]| ports.iter().map(|p| p.1.clone()).collect();
        let external = External {
            name: name.to_owned(),
            inputs: patterns(inputs),
            outputs: patterns(outputs),
            callback: Some(Arc::new(callback)),
        };
        let mut func = Func::external(external, None);
        if let Some(func) = Arc::get_mut(&mut func) {
            let rename = |ports: &mut [Port], names: &[(&str, Pattern)]| {
                ports.iter_mut().zip(names).for_each(|(port, name)| port.name = name.0.into());
            };
            rename(&mut func.inputs, inputs);
            rename(&mut func.outputs, outputs);
        }
        let inputs = inputs.iter().map(|(name, p)| Input::new(*name, p.clone())).collect();
        Ok(Function::new(func, inputs))
    }

    /// The same function with a derivative of its own: `jvp` takes the inputs, then a tangent for
    /// each, and gives the tangents of the outputs. It must be linear in the tangents; forward and
    /// reverse mode both use it.
    ///
    /// # Errors
    /// The shapes do not fit, `jvp` has no place for nonzeros of the arguments, or its results may
    /// have nonzeros where those of the function have structural zeros.
    #[track_caller]
    pub fn with_jvp(&self, jvp: &Function) -> Result<Function, BuildError> {
        let location = Location::caller();
        let jvp = fitting(self.func(), jvp.func()).map_err(|kind| BuildError { location, kind })?;
        let func = self.func();
        let func = match &func.body {
            Body::External(external) => {
                let mut new = Func::external((**external).clone(), Some(jvp));
                if let Some(new) = Arc::get_mut(&mut new) {
                    new.inputs.clone_from(&func.inputs);
                    new.outputs.clone_from(&func.outputs);
                }
                new
            }
            Body::Graph { graph, outputs } => {
                let names = func.outputs.iter().map(|p| p.name.clone());
                let named = names.zip(outputs.iter().copied()).collect();
                let ports = func.inputs.clone();
                Func::freeze_with(func.name.clone(), graph, ports, named, Some(jvp))
            }
        };
        let units = self.outputs().iter().map(|o| o.unit.clone()).collect();
        Ok(Function::new(func, self.inputs().to_vec()).with_units(units))
    }
}

/// `jvp` with the patterns that a derivative of `f` has.
fn fitting(f: &Arc<Func>, jvp: &Arc<Func>) -> Result<Arc<Func>, BuildErrorKind> {
    let count = |what: &str, expected: usize, given: usize| {
        let what = format!("{what} of `{}`, a derivative of `{}`", jvp.name, f.name);
        let wrong = given != expected;
        if wrong { Err(BuildErrorKind::Count { what, expected, given }) } else { Ok(()) }
    };
    let what = |kind: &str, port: &Port| {
        format!("{kind} `{}` of `{}`, a derivative of `{}`,", port.name, jvp.name, f.name)
    };
    count("inputs", 2 * f.inputs.len(), jvp.inputs.len())?;
    count("outputs", f.outputs.len(), jvp.outputs.len())?;
    let inputs: Vec<Pattern> =
        f.inputs.iter().chain(&f.inputs).map(|p| p.pattern.clone()).collect();
    for (inner, port) in inputs.iter().zip(&jvp.inputs) {
        check_fits(inner, &port.pattern, || what("input", port))?;
    }
    let mut outputs = Vec::with_capacity(f.outputs.len());
    for (k, (port, own)) in jvp.outputs.iter().zip(&f.outputs).enumerate() {
        check_fits(&port.pattern, &own.pattern, || what("output", port))?;
        outputs.push((k, own.pattern.clone()));
    }
    Ok(adapt(jvp, &inputs, &outputs))
}
