//! Makes data for the programs beside this file of the text files of ADBench.
//!
//! `cargo run --release --example adbench -- gmm gmm_n1k_d10_K25.txt > gmm.json`

mod convert;

const USAGE: &str = "usage: adbench gmm|ba|lstm FILE
       adbench hand FILE MODEL_FOLDER";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let data = match args[..] {
        ["gmm", file] => convert::gmm(file)?,
        ["ba", file] => convert::ba(file)?,
        ["lstm", file] => convert::lstm(file)?,
        ["hand", file, model] => convert::hand(file, model)?,
        _ => return Err(USAGE.into()),
    };
    println!("{data}");
    Ok(())
}
