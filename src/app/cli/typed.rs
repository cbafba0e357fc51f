//! The command line as one would type it.

use crate::base::shell;

/// This process's, so that a shell reads the same again.
pub fn command_line() -> String {
    let rest = std::env::args_os().skip(1);
    let words = rest.map(|word| shell::word(&word.to_string_lossy()));
    std::iter::once("pipeline".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}
