//! The command line, see [`nablac::cli`].

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    nablac::cli::run(std::env::args_os())
}
