//! The `pipeline` program; see [`pipeline::cli`].

fn main() -> std::process::ExitCode {
    pipeline::cli::main()
}
