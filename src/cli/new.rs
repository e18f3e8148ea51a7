//! `nablac new`: a program to begin with.

use std::io::Write;
use std::path::Path;

use super::{Failure, files, put};

const TEMPLATE: &str = "\
input x[2]                            # [-] the point
param a = 1, b = 100

let f = (a - x[0])^2 + b * (x[1] - x[0]^2)^2

output f, g = grad(f, x), H = hess(f, x)

test \"minimum\" {
  x = [1, 1]
  expect f ~ 0
  expect g ~ zeros(2)
}
";

/// Write a small program NAME.nab to begin with
#[derive(clap::Args)]
pub struct Args {
    /// Name of the program; `-` writes it to standard output
    name: String,
}

pub fn run(args: &Args, out: &mut impl Write) -> Result<(), Failure> {
    if args.name == "-" {
        return put(out, TEMPLATE);
    }
    let stem = args.name.strip_suffix(".nab").unwrap_or(&args.name);
    let file = format!("{stem}.nab");
    let path = Path::new(&file);
    if path.exists() {
        return Err(Failure::plain(&format!("there is a file `{file}` already")));
    }
    files::write_whole(path, TEMPLATE)?;
    put(out, &format!("wrote {file}; try: nablac eval {file} x='[1.2, 1]'\n"))
}
