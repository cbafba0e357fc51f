//! Events as the process tells them: on the console, or as NDJSON on standard output.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::worth::Worth;
use super::{Failure, terminal};
use crate::engine::exec::{Event, Line, Reporter};
use crate::view::Console;

pub struct Output {
    begun: Instant,
    console: Option<Arc<Console>>,
    json: bool,
    worth: Mutex<Worth>,
    /// Why an event could not be written to standard output.
    unwritten: Mutex<Option<Failure>>,
}

impl Output {
    pub fn new(console: Option<Arc<Console>>, json: bool) -> Self {
        Self {
            begun: Instant::now(),
            console,
            json,
            worth: Mutex::default(),
            unwritten: Mutex::default(),
        }
    }

    /// Where people follow the run, if they do.
    pub fn console(&self) -> Option<&Console> {
        self.console.as_deref()
    }

    /// Since there is anything to tell.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Whether events go to standard output.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Tells an event.
    ///
    /// * `record`: takes the line that it is worth, before anybody else reads it
    pub fn tell(&self, event: &Event, record: impl FnOnce(&Line<&Event>)) {
        if let Some(console) = &self.console {
            console.event(event);
        }
        let mut worth = self.worth.lock().unwrap_or_else(PoisonError::into_inner);
        if !worth.is_a_line(event, Instant::now()) {
            return;
        }
        drop(worth);
        let at_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let line = Line { at_ms, event };
        record(&line);
        if self.json
            && let Ok(text) = serde_json::to_string(&line)
        {
            // Output that cannot be written must not end a training; that is said when it is over.
            if let Err(error) = terminal::print(&format!("{text}\n")) {
                self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        }
    }

    /// Why standard output took not all events.
    pub fn unwritten(&self) -> Option<Failure> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Reporter for Output {
    fn event(&self, event: &Event) {
        self.tell(event, |_| {});
    }
}
