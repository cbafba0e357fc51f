//! Writing to standard output and standard error: results to the one, all else to the other. What foreign files put into either does nothing
//! to a terminal: see [`visible`].

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Failure;
use super::args::When;
use crate::base::disk::no_room::NoRoom;
use crate::base::visible;
use crate::engine::exec::Cancel;

/// Prints `text` on standard output. A reader that went away, such as `head`, is no failure: what the command found out is its exit code.
///
/// Returns whether somebody still reads.
pub fn print_while_read(text: &str) -> Result<bool, Failure> {
    still_read(&try_print(text))
}

/// As [`print_while_read`], for who has nothing more to say.
pub fn print(text: &str) -> Result<(), Failure> {
    print_while_read(text).map(drop)
}

/// Prints `text` on standard output, for who has something better to do than to end when it cannot be written.
pub fn try_print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(visible::text(text).as_bytes())?;
    out.flush()
}

/// As [`print`], for a text that has colours of ours, and in which all that is foreign is written out already.
pub fn print_styled(text: &str) -> Result<(), Failure> {
    print_styled_while_read(text).map(drop)
}

/// As [`print_while_read`], for such a text.
pub fn print_styled_while_read(text: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    still_read(&out.write_all(visible::styled(text).as_bytes()).and_then(|()| out.flush()))
}

/// Whether what was written was read.
fn still_read(written: &io::Result<()>) -> Result<bool, Failure> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => {
            let help = NoRoom::of(error, Path::new("")).map(NoRoom::help);
            Err(Failure::failed(format!("cannot write to standard output: {}", error.kind()))
                .with_help_of(help))
        }
    }
}

/// Whether standard output takes colours.
pub fn prints_colors(when: When) -> bool {
    takes_colors(when, io::stdout().is_terminal())
}

/// Prints indented JSON on standard output.
pub fn json(value: &Value) -> Result<(), Failure> {
    print(&format!("{value:#}\n"))
}

/// Prints `text` on standard error, where nothing can be done about a failure.
pub fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(visible::text(text).as_bytes());
}

/// Prints what went wrong on standard error.
pub fn complain_of(failure: &Failure, color: bool) {
    let _ = io::stderr().lock().write_all(failure.render(color).as_bytes());
}

/// Prints what clap says of the command line on standard error, or the help that was asked for on standard output.
pub fn usage(error: &clap::Error) {
    if !error.use_stderr() {
        let _ = error.print();
        return;
    }
    let text = error.render();
    let text = if colored(When::Auto) { text.ansi().to_string() } else { text.to_string() };
    let _ = io::stderr().lock().write_all(visible::styled(&visible::narrow(&text)).as_bytes());
}

/// Whether the terminal, where there is one, can do no more than print lines.
pub fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term == "dumb")
}

/// For who waits for a lock: says so once, unless it is over in a moment, and goes on until `cancel` says otherwise.
pub fn waiting(cancel: Option<Cancel>) -> impl Fn(&Path) -> bool + Send + Sync {
    const MOMENT: Duration = Duration::from_millis(300);
    let (begun, said) = (OnceLock::new(), AtomicBool::new(false));
    move |path| {
        if begun.get_or_init(Instant::now).elapsed() >= MOMENT
            && !said.swap(true, Ordering::Relaxed)
        {
            complain(&format!("waiting for another process, which holds `{}`\n", path.display()));
        }
        !cancel.as_ref().is_some_and(Cancel::is_cancelled)
    }
}

/// Whether standard error takes colours.
pub fn colored(when: When) -> bool {
    takes_colors(when, io::stderr().is_terminal())
}

fn takes_colors(when: When, is_terminal: bool) -> bool {
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto => is_terminal && !is_dumb() && !without_colors(),
    }
}

/// Whether the user wants none: <https://no-color.org>.
fn without_colors() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
