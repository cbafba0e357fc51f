//! What a search is worth: held against Optuna on the same functions, and, on real trainings, stops on the way held against whole trainings.
//!
//! A short version always runs; `PIPELINE_SEARCH_FULL=1 cargo test --release --test search -- --nocapture` works out and prints the tables of
//! BENCHMARKS.md.

mod functions;
mod optuna;
mod rungs;
mod statistics;
mod surface;

/// Whether there is time for everything.
fn is_full() -> bool {
    std::env::var_os("PIPELINE_SEARCH_FULL").is_some()
}

/// Shows a table to who asked for it.
#[expect(clippy::print_stderr, reason = "a person asked for it")]
fn show(table: &str) {
    if is_full() {
        eprintln!("{table}");
    }
}
