//! A run that is watched without a terminal: a line for each event, as the run itself tells it.

use std::collections::{HashMap, HashSet};

use super::super::words::{point_line, progress, title, words};
use crate::base::visible;
use crate::engine::exec::Event;

/// Between two lines about how far a stage is.
const INTERVAL_MS: u64 = 10_000;

/// What was told.
pub struct Lines {
    /// Width of the column of stage names.
    width: usize,
    notes: HashSet<(String, String)>,
    /// When a stage's progress began, at which count, and when it was last told of.
    running: HashMap<String, (u64, u64, u64)>,
}

impl Lines {
    /// * `stages`: the names that are to come
    #[must_use]
    pub fn new<'a>(stages: impl IntoIterator<Item = &'a str>) -> Self {
        let width = stages.into_iter().map(|name| name.chars().count()).max().unwrap_or(0);
        Self { width: width.clamp(8, 64), notes: HashSet::new(), running: HashMap::new() }
    }

    /// What is said of an event, lines and all.
    ///
    /// * `at_ms`: when it came, since the run began
    #[must_use]
    pub fn of(&mut self, at_ms: u64, event: &Event) -> String {
        let line = |width: usize, title: &str, state: &str, text: &str| {
            let text = visible::message(text).replace('\n', &format!("\n{:1$}", "", width + 11));
            format!("{title:width$}  {state:<8} {text}").trim_end().to_owned() + "\n"
        };
        match event {
            Event::Jobs { text } => format!("{}\n", visible::message(text)),
            Event::Warning { text } => format!("warning: {}\n", visible::message(text)),
            Event::PointEnded(point) => point_line(point) + "\n",
            Event::StageMessage { name, warning: false, text }
                if !self.notes.insert((name.stage.to_string(), text.clone())) =>
            {
                String::new()
            }
            Event::StageProgress { name, done, total, unit, numbers } => {
                let title = title(name);
                let begun = (at_ms, *done, at_ms);
                let (since, at, last) = self.running.entry(title.clone()).or_insert(begun);
                if at_ms.saturating_sub(*last) < INTERVAL_MS {
                    return String::new();
                }
                *last = at_ms;
                let since = std::time::Duration::from_millis(at_ms.saturating_sub(*since));
                let parts = progress(*done, *total, unit, Some((since, *at)), numbers);
                line(self.width, &title, "running", &parts.join("  "))
            }
            event => {
                let Some(words) = words(event) else { return String::new() };
                let title = title(words.name);
                if words.end.is_some() {
                    self.running.remove(&title);
                }
                let mut said = line(self.width, &title, words.state, &words.text);
                for help in words.help.iter().flat_map(|help| help.lines()) {
                    said += &format!("{:1$}help: {help}\n", "", self.width + 11);
                }
                said
            }
        }
    }
}
