//! The command line, see [`nablac::cli`].

fn main() -> std::process::ExitCode {
    nablac::cli::run(std::env::args_os())
}
