//! How far a sweep is that is planned in steps, as people and programs are told.

use serde_json::{Value, json};

use crate::engine::plan::Plan;
use crate::engine::runs::{SavedStates, saved_states};
use crate::engine::store::Store;
use crate::view::format;

/// How far a sweep is that is planned in steps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Whether points are judged as they come, so that one that fails costs one point and stops nothing.
    pub searches: bool,
    /// Points that are planned.
    pub planned: usize,
    /// Points that there are to be.
    pub count: usize,
    /// Whether no further point is open.
    pub is_exhausted: bool,
    /// Whether regions are left out.
    pub skips: bool,
    /// Whether stages wait for the best point to be known.
    pub waits_for_best: bool,
    /// Whether all points have come to their end and none has a score.
    pub has_no_best: bool,
    /// What is wrong with points that are no experiments, which count as failed.
    pub refused: Vec<String>,
    /// How many rungs there are to be.
    pub rung_count: usize,
    /// How many points are on each rung, as far as that is decided.
    pub rungs: Vec<usize>,
    pub finals: Option<Finals>,
}

/// The points that are trained again with fresh seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finals {
    /// How many there are to be.
    pub asked: usize,
    /// How many there are, once that is decided.
    pub planned: Option<usize>,
}

impl Progress {
    /// How far it is, in lines for people.
    pub fn text(&self, plan: &Plan, store: &Store) -> String {
        let Self { planned, count, refused, .. } = self;
        let mut text = String::new();
        if let Some(ended) = self.ended_early() {
            text += &format!("{ended}\n");
        } else if planned < count {
            text += &format!(
                "search: {planned} of {count} points so far; the others are proposed from their results\n"
            );
        }
        if self.rung_count > 1 {
            text += &self.rungs_text();
            text += &states_text(&saved_states(plan, store));
        }
        match self.finals {
            Some(Finals { planned: Some(planned), .. }) => {
                let points = format::counted(planned, "point");
                text += &format!("finals: {points} again with fresh seeds\n");
            }
            Some(Finals { asked, planned: None }) => {
                let best = if asked == 1 {
                    "the best point".to_owned()
                } else {
                    format!("the {asked} best points")
                };
                text +=
                    &format!("finals: {best} again with fresh seeds, when all points are scored\n");
            }
            None => {}
        }
        if self.has_no_best {
            text += "nothing runs for the best point: none has a score\n";
        } else if self.waits_for_best {
            text += "what runs for the best point follows when all points are scored\n";
        }
        refused.iter().for_each(|refused| text += &format!("{refused}\n"));
        text
    }

    fn rungs_text(&self) -> String {
        let Self { rung_count, rungs, .. } = self;
        let decided: Vec<String> = (1..)
            .zip(rungs)
            .map(|(rung, points)| format!("{} on rung {rung}", format::counted(*points, "point")))
            .collect();
        let open = match rungs.len() {
            all if all == *rung_count => String::new(),
            next => format!(
                "; which go on to rung {} of {rung_count} shows when all are scored",
                next + 1
            ),
        };
        format!("rungs: {}{open}\n", decided.join(", "))
    }

    /// The same as data.
    pub fn json(&self) -> Value {
        let mut said = json!({
            "planned": self.planned,
            "points": self.count,
            "exhausted": self.is_exhausted,
            "waits_for_best": self.waits_for_best,
        });
        if self.rung_count > 1 {
            said["rungs"] = json!(self.rungs);
            said["rung_count"] = json!(self.rung_count);
        }
        if let Some(finals) = self.finals {
            said["finalists"] = json!(finals.planned);
        }
        said
    }

    /// That the space had fewer points than were asked for.
    pub fn ended_early(&self) -> Option<String> {
        let Self { planned, count, .. } = self;
        self.is_exhausted.then(|| {
            let points = format::counted(*planned, "point");
            let outside = if self.skips { " outside of what `skip` leaves out" } else { "" };
            format!("search: {points} of the {count} asked for: the space has no other{outside}")
        })
    }
}

/// What the saved states of trainings on rungs take, from which the next rung goes on.
fn states_text(states: &SavedStates) -> String {
    let mut text = String::new();
    if states.kept_bytes > 0 {
        let bytes = format::bytes(states.kept_bytes);
        text += &format!(
            "saved states take {bytes}; those of points that are dropped go when it is known which\n"
        );
    }
    if states.dropped_bytes > 0 {
        let bytes = format::bytes(states.dropped_bytes);
        text += &format!(
            "saved states of points that were dropped take {bytes}; the next run removes them\n"
        );
    }
    text
}
