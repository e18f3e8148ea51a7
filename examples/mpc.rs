//! Model predictive control of a cart with a pole: the cost of a sequence of forces, with its
//! gradient and sparse Hessian, built from Rust and evaluated without allocation.
//!
//! `cargo run --release --example mpc`

use std::time::Instant;

use nablac::backend::abi::Memory;
use nablac::builder::{Arg, Collect, GraphBuilder};
use nablac::function::{Function, Options};
use nablac::graph::Reduction;

const HORIZON: usize = 40;
const STEP_S: f64 = 0.05;

/// One step of the symplectic Euler method: (position, angle, their speeds), force.
fn step() -> Result<Function, Box<dyn std::error::Error>> {
    let g = GraphBuilder::new("step");
    let (x, force) = (g.input("x", 4), g.input("force", 1));
    let (angle, speed, turn) = (x.at(1), x.at(2), x.at(3));
    let (cart_kg, pole_kg, pole_m, gravity) = (1.0, 0.1, 0.5, 9.81);
    let (sin, cos) = (angle.sin(), angle.cos());
    let push = (force + pole_kg * pole_m * turn * turn * sin) / (cart_kg + pole_kg);
    let inertia = pole_m * (4.0 / 3.0 - pole_kg / (cart_kg + pole_kg) * cos * cos);
    let turning = (gravity * sin - cos * push) / inertia;
    let acceleration = push - pole_kg * pole_m / (cart_kg + pole_kg) * turning * cos;
    let new_speed = speed + STEP_S * acceleration;
    let new_turn = turn + STEP_S * turning;
    let place = x.at(0) + STEP_S * new_speed;
    g.output("next", g.vcat(&[place, angle + STEP_S * new_turn, new_speed, new_turn]));
    Ok(g.function()?)
}

/// Cost of one stage.
fn stage() -> Result<Function, Box<dyn std::error::Error>> {
    let g = GraphBuilder::new("stage");
    let (x, force) = (g.input("x", 4), g.input("force", 1));
    let weights = g.vector(&[1.0, 10.0, 0.1, 0.1]);
    g.output("cost", (weights * x * x).sum() + 0.01 * force * force);
    Ok(g.function()?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (step, stage) = (step()?, stage()?);
    let n = HORIZON as u64;

    let g = GraphBuilder::new("mpc");
    let (x0, forces) = (g.param("x0", 4), g.input("forces", HORIZON));
    let path = step.scan(n, &[x0], &[Arg::Each(forces)]).only();
    let stages = [Arg::Each(path), Arg::Each(forces)];
    let cost = stage.map(n, &stages, &[Collect::Reduce(Reduction::Sum)]).only();
    g.output("cost", cost);
    g.output("gradient", cost.grad(forces));
    g.output("hessian", cost.hess(forces));
    let mpc = g.function()?;
    let compiled = mpc.compile(&Options::default())?;
    println!(
        "simplified in {:.1} ms, compiled in {:.1} ms, {} bytes of code",
        1e3 * compiled.timing.simplify_s,
        1e3 * compiled.timing.compile_s,
        compiled.code_bytes()
    );

    let (start, mut forces) = ([0.0, 0.2, 0.0, 0.0], [0.0; HORIZON]);
    let (mut cost, mut gradient) = ([0.0], [0.0; HORIZON]);
    let mut hessian = vec![0.0; mpc.outputs()[2].pattern.nnz()];
    let mut memory = Memory::default();
    for iteration in 0..15 {
        let begin = Instant::now();
        let mut outputs = [Some(&mut cost[..]), Some(&mut gradient[..]), Some(&mut hessian[..])];
        compiled.evaluate_into(&[&start, &forces], &mut outputs, &mut memory)?;
        let micros = begin.elapsed().as_secs_f64() * 1e6;
        let steepest = gradient.iter().fold(0.0f64, |m, g| m.max(g.abs()));
        println!("{iteration:2}: cost {:10.6}, gradient {steepest:8.1e}, {micros:6.1} us", cost[0]);
        if steepest < 1e-9 {
            break;
        }
        for (force, change) in forces.iter_mut().zip(newton_step(&hessian, &gradient)) {
            *force -= change;
        }
    }
    Ok(())
}

/// Solves with the dense Hessian by Cholesky factors, regularised until it is positive definite.
fn newton_step(hessian: &[f64], gradient: &[f64]) -> Vec<f64> {
    let n = gradient.len();
    let mut shift = 0.0;
    loop {
        if let Some(step) = cholesky_solve(hessian, gradient, shift) {
            return step;
        }
        shift = if shift == 0.0 { 1e-3 } else { 10.0 * shift };
        assert!(shift < 1e12, "a Hessian of {n} columns that is not finite");
    }
}

fn cholesky_solve(hessian: &[f64], gradient: &[f64], shift: f64) -> Option<Vec<f64>> {
    let n = gradient.len();
    let mut factor = vec![vec![0.0; n]; n];
    for i in 0..n {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| factor[i][k] * factor[j][k]).sum();
            let rest = hessian[i + j * n] + if i == j { shift } else { 0.0 } - known;
            if i == j && (rest <= 0.0 || rest.is_nan()) {
                return None;
            }
            factor[i][j] = if i == j { rest.sqrt() } else { rest / factor[j][j] };
        }
    }
    let mut x = gradient.to_vec();
    for i in 0..n {
        let known: f64 = (0..i).map(|k| factor[i][k] * x[k]).sum();
        x[i] = (x[i] - known) / factor[i][i];
    }
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|k| factor[k][i] * x[k]).sum();
        x[i] = (x[i] - known) / factor[i][i];
    }
    Some(x)
}
