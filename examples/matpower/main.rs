//! Turns a MATPOWER case into the data of `examples/acopf.nab`:
//!
//! `cargo run --release --example matpower examples/case3.m > case3.json`

mod case;
mod opf;

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: matpower CASE.m > CASE.json");
        return ExitCode::FAILURE;
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) => {
            eprintln!("{path}: {e}");
            return ExitCode::FAILURE;
        }
    };
    match case::Case::parse(&text).and_then(|case| opf::data(&case)) {
        Ok(json) => {
            println!("{json}");
            ExitCode::SUCCESS
        }
        Err(mistake) => {
            eprintln!("{path}: {mistake}");
            ExitCode::FAILURE
        }
    }
}
