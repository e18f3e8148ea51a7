//! `nablac fmt`: programs in their standard form.

use std::io::Write;
use std::path::Path;

use super::{Failure, files, put};
use crate::saved;
use crate::syntax::{SourceMap, format};

/// Put a program into its standard form, in place; standard input goes to standard output
#[derive(clap::Args)]
pub struct Args {
    /// Program, or `-` for standard input
    file: String,
    /// Change nothing; fail if the program is not in its standard form
    #[arg(long)]
    check: bool,
}

pub fn run(args: &Args, out: &mut impl Write) -> Result<(), Failure> {
    let (name, text) = files::read(&args.file)?;
    if saved::is_saved(&name, &text) {
        return Err(Failure::plain("a saved model has one form only; `fmt` is for programs"));
    }
    let mut sources = SourceMap::new();
    let file = sources.add(name.as_str(), text.as_str());
    let formatted =
        format(&text, file).map_err(|mistakes| Failure::diagnostics(&mistakes, &sources))?;
    if args.check {
        return if formatted == text {
            Ok(())
        } else {
            Err(Failure::plain(&format!("`{name}` is not in its standard form")))
        };
    }
    if args.file == "-" {
        put(out, &formatted)
    } else if formatted == text {
        Ok(())
    } else {
        files::write_whole(Path::new(&args.file), &formatted)
    }
}
