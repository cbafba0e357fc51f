//! Writing to standard output and standard error: results to the one, all else to the other.

use std::io::{self, IsTerminal as _, Write as _};

use serde_json::Value;

use super::Failure;
use super::args::When;

/// Prints `text` on standard output. A reader that went away, such as `head`, is no failure: what the command found out is its exit code.
///
/// Returns whether somebody still reads.
pub fn print_while_read(text: &str) -> Result<bool, Failure> {
    match try_print(text) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => {
            Err(Failure::failed(format!("cannot write to standard output: {}", error.kind())))
        }
    }
}

/// As [`print_while_read`], for who has nothing more to say.
pub fn print(text: &str) -> Result<(), Failure> {
    print_while_read(text).map(drop)
}

/// Prints `text` on standard output, for who has something better to do than to end when it cannot be written.
pub fn try_print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Prints indented JSON on standard output.
pub fn json(value: &Value) -> Result<(), Failure> {
    print(&format!("{value:#}\n"))
}

/// Prints `text` on standard error, where nothing can be done about a failure.
pub fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Whether standard error takes colours.
pub fn colored(when: When) -> bool {
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto => {
            io::stderr().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
    }
}
