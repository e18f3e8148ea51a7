//! `nablac explain`: the page of a message.

use std::io::Write;

use super::{Failure, put};
use crate::syntax::{Code, did_you_mean};

/// Explain a message, such as E0203
#[derive(clap::Args)]
pub struct Args {
    /// Code of the message; without it, all codes are listed
    code: Option<String>,
}

pub fn run(args: &Args, out: &mut impl Write) -> Result<(), Failure> {
    let Some(id) = &args.code else {
        let lines = Code::ALL.iter().map(|code| format!("{}  {}\n", code.id(), code.title()));
        return put(out, &lines.collect::<String>());
    };
    match Code::from_id(id) {
        Some(code) => put(out, &format!("{}\n", code.explanation().trim_end())),
        None => {
            let failure = Failure::plain(&format!("there is no message `{id}`"));
            let near = did_you_mean(&id.to_uppercase(), Code::ALL.iter().map(|code| code.id()));
            Err(match near {
                Some(near) => failure.help(&format!("did you mean `{near}`?")),
                None => failure.help("`nablac explain` lists all of them"),
            })
        }
    }
}
