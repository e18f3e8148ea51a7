//! A function computed by a Rust closure, here a table with linear interpolation, with a
//! derivative of its own, inside a larger formula.
//!
//! `cargo run --release --example external`

use nablac::builder::{Arg, Collect, GraphBuilder};
use nablac::function::{Function, Options};
use nablac::graph::Reduction;
use nablac::sparsity::Pattern;

/// Density of air in kg/m3 at 0, 1000, 2000, ... metres.
const DENSITY: [f64; 6] = [1.225, 1.112, 1.007, 0.909, 0.819, 0.736];

/// Value and slope at a height in metres.
fn interpolate(height: f64) -> Result<(f64, f64), String> {
    let place = height / 1000.0;
    let k = place.floor();
    if !(k >= 0.0 && place < (DENSITY.len() - 1) as f64) {
        return Err(format!("no density at {height} m"));
    }
    let (lower, upper) = (DENSITY[k as usize], DENSITY[k as usize + 1]);
    Ok((lower + (place - k) * (upper - lower), (upper - lower) / 1000.0))
}

fn density() -> Result<Function, Box<dyn std::error::Error>> {
    let scalar = Pattern::scalar;
    let value =
        Function::external("density", &[("height", scalar())], &[("rho", scalar())], |x, y| {
            y[0][0] = interpolate(x[0][0])?.0;
            Ok(())
        })?;
    let tangent = Function::external(
        "density_tangent",
        &[("height", scalar())],
        &[("slope", scalar())],
        |x, y| {
            y[0][0] = interpolate(x[0][0])?.1;
            Ok(())
        },
    )?;
    // The tangent is linear in the tangent of the height, which the graph can see.
    let g = GraphBuilder::new("density_jvp");
    let (height, d_height) = (g.input("height", 1), g.input("d_height", 1));
    g.output("d_rho", tangent.call(&[height]).only() * d_height);
    Ok(value.with_jvp(&g.function()?)?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let density = density()?;

    let g = GraphBuilder::new("drag");
    let (height, speed) = (g.input("height", 1), g.input("speed", 1));
    g.output("force", 0.3 * density.call(&[height]).only() * speed * speed);
    let drag = g.function()?;

    let g = GraphBuilder::new("work");
    let (heights, speeds) = (g.input("heights", 4), g.input("speeds", 4));
    let along = [Arg::Each(heights), Arg::Each(speeds)];
    let work = drag.map(4, &along, &[Collect::Reduce(Reduction::Sum)]).only();
    g.output("work", work);
    g.output("by_height", work.grad(heights));
    g.output("by_speed", work.grad(speeds));
    let work = g.function()?.compile(&Options::default())?;

    let heights = [0.0, 500.0, 1500.0, 3200.0];
    let outputs = work.evaluate(&[&heights, &[100.0, 120.0, 140.0, 160.0]])?;
    println!("work {:?}\nby height {:?}\nby speed {:?}", outputs[0], outputs[1], outputs[2]);
    match work.evaluate(&[&[0.0, 500.0, -1.0, 0.0], &[1.0; 4]]) {
        Err(error) => println!("below the ground: {error}"),
        Ok(_) => return Err("a height below the ground was accepted".into()),
    }
    Ok(())
}
