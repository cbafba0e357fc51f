//! The terminal in which a run is watched: taken over, drawn on, and given back as it was.

use std::io::{self, Stdout, Write as _};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use ratatui_core::terminal::Terminal;
use ratatui_termion::TermionBackend;
use ratatui_termion::termion::event::Key;
use ratatui_termion::termion::input::TermRead as _;
use ratatui_termion::termion::raw::{IntoRawMode as _, RawTerminal};
use ratatui_termion::termion::screen::{AlternateScreen, IntoAlternateScreen as _};

use super::look::{Look, Wish};
use super::screen::Screen;
use super::state::Watched;

/// Between two looks at the record.
const LOOK: Duration = Duration::from_millis(500);
/// How long a signal, or another size of the terminal, waits for its answer.
const MOMENT: Duration = Duration::from_millis(100);
/// By so many rows a page is scrolled.
const PAGE: usize = 10;

/// Why somebody stopped watching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// They have seen enough.
    Quit,
    /// Ctrl-C, or a signal.
    Interrupted,
}

/// A terminal in our hands. Dropped, it is as it was, with its modes, its screen and its cursor: at the end, by an error, by a panic.
struct Taken(Option<Terminal<TermionBackend<AlternateScreen<RawTerminal<Stdout>>>>>);

impl Taken {
    fn take() -> io::Result<Self> {
        let screen = io::stdout().into_raw_mode()?.into_alternate_screen()?;
        Ok(Self(Some(Terminal::new(TermionBackend::new(screen))?)))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        drop(self.0.take());
        // Before anything is said on the screen that was there.
        let _ = io::stdout().flush();
    }
}

/// Shows a run on the terminal behind standard output until somebody has seen enough.
///
/// * `update`: takes in what the record says by now
/// * `elapsed`: since the run began
/// * `is_asked`: whether a signal asks to end
///
/// # Errors
/// When the terminal or the record fails.
pub fn on_screen(
    watched: &mut Watched,
    color: bool,
    update: &mut dyn FnMut(&mut Watched) -> io::Result<()>,
    elapsed: &dyn Fn() -> Duration,
    is_asked: &dyn Fn() -> bool,
) -> io::Result<Left> {
    let mut taken = Taken::take()?;
    let terminal = taken.0.as_mut().expect("until it is dropped");
    let keys = keys()?;
    let mut look = Look::default();
    loop {
        update(watched)?;
        let drawn = terminal.draw(|frame| {
            let screen = Screen { watched, now: elapsed(), color };
            frame.render_stateful_widget(screen, frame.area(), &mut look);
        })?;
        let (size, until) = (drawn.area.as_size(), Instant::now() + LOOK);
        // What is typed, and another size of the terminal, show at once.
        while Instant::now() < until && terminal.size()? == size {
            if is_asked() {
                return Ok(Left::Interrupted);
            }
            match keys.recv_timeout(MOMENT) {
                Err(RecvTimeoutError::Timeout) => {}
                // Ctrl-C is a key where the terminal is not to act on it; without a keyboard nobody is there.
                Ok(Key::Ctrl('c')) | Err(RecvTimeoutError::Disconnected) => {
                    return Ok(Left::Interrupted);
                }
                Ok(key) => match wish(key) {
                    Some(wish) if !look.take(wish, watched) => return Ok(Left::Quit),
                    Some(_) => break,
                    None => {}
                },
            }
        }
    }
}

/// What is typed from here on, as long as the program lives: reading a keyboard cannot be called off.
fn keys() -> io::Result<Receiver<Key>> {
    let (sender, keys) = mpsc::channel();
    let read = move || {
        for key in io::stdin().keys() {
            if !key.is_ok_and(|key| sender.send(key).is_ok()) {
                break;
            }
        }
    };
    std::thread::Builder::new().name("keyboard".to_owned()).spawn(read)?;
    Ok(keys)
}

fn wish(key: Key) -> Option<Wish> {
    Some(match key {
        Key::Char('q') | Key::Esc => Wish::Quit,
        Key::Char('\t') => Wish::NextPane,
        Key::Up | Key::Char('k') => Wish::Back(1),
        Key::Down | Key::Char('j') => Wish::Forth(1),
        Key::PageUp => Wish::Back(PAGE),
        Key::PageDown | Key::Char(' ') => Wish::Forth(PAGE),
        Key::Home => Wish::Begin,
        Key::End => Wish::End,
        Key::Left => Wish::EarlierTraining,
        Key::Right => Wish::LaterTraining,
        Key::Char('m') => Wish::NextScore,
        _ => return None,
    })
}
