//! The `pipeline` program; see [`pipeline::app::cli`].

fn main() -> std::process::ExitCode {
    pipeline::app::cli::main()
}
