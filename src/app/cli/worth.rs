//! Which events of a run have a line in its record and in `--json`: neither fills with what nobody reads, however many stages run at once.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::exec::Event;

/// Between two lines about how far a run is.
const INTERVAL: Duration = Duration::from_secs(1);

/// What had a line so far.
#[derive(Debug, Default)]
pub struct Worth {
    /// The last line about how far stages are.
    progress: Option<Instant>,
    /// The same of publishing, which comes after them.
    publishing: Option<Instant>,
    /// By stage: a sweep's trainings all say on which device they run, and once is enough.
    notes: HashSet<(Arc<str>, String)>,
}

impl Worth {
    /// Whether an event has its line now: one about progress at most once a second in the whole run, a note of a stage the first time.
    pub fn is_a_line(&mut self, event: &Event, now: Instant) -> bool {
        let last = match event {
            Event::StageProgress { .. } => &mut self.progress,
            Event::Publishing { .. } => &mut self.publishing,
            Event::StageMessage { name, warning: false, text } => {
                return self.notes.insert((Arc::clone(&name.stage), text.clone()));
            }
            _ => return true,
        };
        if last.is_some_and(|last| now.duration_since(last) < INTERVAL) {
            return false;
        }
        *last = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::exec::NodeName;

    fn name(node: usize) -> NodeName {
        NodeName {
            node,
            stage: "train".into(),
            kind: "train".into(),
            label: format!("seed={node}").into(),
        }
    }

    #[test]
    fn of_all_stages_together_progress_has_a_line_a_second() {
        let (mut worth, begun) = (Worth::default(), Instant::now());
        let told = |at: u64| {
            let event = Event::StageProgress {
                name: name(usize::try_from(at / 100 % 4).expect("small")),
                done: at,
                total: 0,
                unit: "steps".into(),
                numbers: Vec::new(),
            };
            worth.is_a_line(&event, begun + Duration::from_millis(at))
        };
        assert_eq!((0..5000).step_by(100).map(told).filter(|told| *told).count(), 5);
        let publishing = Event::Publishing { done: 0, total: 1 };
        assert!(worth.is_a_line(&publishing, begun + Duration::from_secs(5)));
    }

    #[test]
    fn what_every_trial_of_a_stage_notes_has_one_line_and_every_warning_has_its_own() {
        let (mut worth, now) = (Worth::default(), Instant::now());
        let message = |node, warning| Event::StageMessage {
            name: name(node),
            warning,
            text: "on the CPU with 1 thread".to_owned(),
        };
        let mut told = |node, warning| worth.is_a_line(&message(node, warning), now);
        assert_eq!([0, 1, 2].map(|node| told(node, false)), [true, false, false]);
        assert_eq!([0, 1, 2].map(|node| told(node, true)), [true, true, true]);
    }
}
