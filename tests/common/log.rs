//! What a run says, remembered.

use std::sync::Mutex;

use pipeline::engine::exec::{Event, Reporter};

/// Remembers every event, and may do something at one.
pub struct Log<'a> {
    events: Mutex<Vec<Event>>,
    react: &'a (dyn Fn(&Event) + Sync),
}

impl<'a> Log<'a> {
    pub fn new(react: &'a (dyn Fn(&Event) + Sync)) -> Self {
        Self { events: Mutex::default(), react }
    }

    pub fn into_events(self) -> Vec<Event> {
        self.events.into_inner().expect("no panic")
    }
}

impl Reporter for Log<'_> {
    fn event(&self, event: &Event) {
        self.events.lock().expect("no panic").push(event.clone());
        (self.react)(event);
    }
}

/// What the stages said.
pub fn messages(events: &[Event]) -> Vec<String> {
    let message = |event: &Event| {
        if let Event::StageMessage { text, .. } = event { Some(text.clone()) } else { None }
    };
    events.iter().filter_map(message).collect()
}
