//! A run in rounds: a file that searches is planned again as results come, until no further point can be proposed. Any other has one round.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::progress::Progress;
use crate::engine::exec::{self, Event, NodeResult, Options, PointEnded, RunOutcome};
use crate::engine::plan::{CacheKey, Level, NodeId, Objective, Plan};
use crate::engine::runs::{self, OutcomeError, PointOutcome};
use crate::engine::search::Outcome;
use crate::engine::stage::StageError;
use crate::engine::store::{Failure, Store};

/// What the rounds of a run have come to so far.
#[derive(Default)]
pub struct Rounds {
    /// How many have begun.
    begun: usize,
    /// How nodes ended in the round that made them.
    ends: HashMap<CacheKey, exec::Outcome>,
    /// The points that were told of, by their labels and levels.
    points: HashSet<(String, Level)>,
    /// How far points have come.
    level: Level,
    /// The best point on that level, and its mean.
    best: Option<(String, f64)>,
    /// What was said of the search as a whole.
    said: HashSet<String>,
}

/// The nodes whose end was told: later rounds find what earlier ones have made.
#[derive(Default)]
pub struct Told(Mutex<HashSet<String>>);

impl Told {
    /// Whether an event is news.
    pub fn is_news(&self, event: &Event, is_first_round: bool) -> bool {
        let ended = match event {
            Event::RunStarted { .. } => return is_first_round,
            Event::StageCached { name, .. }
            | Event::StageReused { name, .. }
            | Event::StageFailed { name, .. }
            | Event::StageNotRun { name, .. }
            | Event::StageFinished { name, .. } => name.to_string(),
            _ => return true,
        };
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert(ended) || matches!(event, Event::StageFinished { .. })
    }
}

impl Rounds {
    pub fn is_first(&self) -> bool {
        self.begun == 1
    }

    /// How a round is carried out.
    ///
    /// * `searches`: whether points are a search's, of which a failed one stops nothing
    pub fn begin(
        &mut self,
        plan: &Plan,
        store: &Store,
        options: &Options,
        searches: bool,
    ) -> Options {
        self.begun += 1;
        let mut options = options.clone();
        if self.begun > 1 {
            // What was asked for has been made again.
            options.rerun.clear();
        }
        if searches {
            options.keep_going = true;
            let keys = plan.nodes.iter().filter_map(|node| node.identity.key());
            let failed = keys.filter_map(|key| Some((key, store.failure(&key)?.error)));
            options.failed = failed.collect();
        }
        options
    }

    /// Records how a round of a search ended, and says what there is to say of its points.
    ///
    /// * `search`: of what the points are
    ///
    /// # Errors
    /// When the scores cannot be read.
    pub fn end(
        &mut self,
        plan: &Plan,
        outcome: &RunOutcome,
        store: &Store,
        run: &str,
        search: &Progress,
    ) -> Result<Vec<Event>, OutcomeError> {
        for node in &outcome.nodes {
            if let exec::Outcome::Failed { error: error @ StageError::Failed(_), .. } =
                &node.outcome
                && search.searches
                && is_of_points(plan, node)
                && store.failure(&node.key).is_none()
            {
                let failure = Failure { error: error.to_string(), run: run.to_owned() };
                // Where it cannot be written, the point is tried again.
                let _ = store.record_failure(&node.key, &failure);
            }
            if !matches!(node.outcome, exec::Outcome::Cached) {
                self.ends.insert(node.key, node.outcome.clone());
            }
        }
        if search.searches { self.ended(plan, store, search) } else { Ok(Vec::new()) }
    }

    /// What there is to say of a search as a whole, once.
    ///
    /// * `is_last`: no further round follows
    pub fn news(&mut self, search: &Progress, is_last: bool) -> Vec<String> {
        let ended = search.ended_early().filter(|_| is_last);
        let said = search.refused.iter().cloned().chain(ended);
        said.filter(|text| self.said.insert(text.clone())).collect()
    }

    /// The points that have come to their end since.
    fn ended(
        &mut self,
        plan: &Plan,
        store: &Store,
        search: &Progress,
    ) -> Result<Vec<Event>, OutcomeError> {
        let objective = plan.sweep.as_ref().and_then(|sweep| sweep.objective.as_ref());
        // Of single trials nobody knows which of the points they are.
        let Some(objective) = objective.filter(|_| !plan.of_single_trials) else {
            return Ok(Vec::new());
        };
        let known = runs::outcomes(plan, objective, store)?;
        let mut labels: Vec<&str> = plan.trials.iter().map(|trial| &*trial.point.label).collect();
        labels.dedup();
        let levels: BTreeSet<Level> = known.iter().map(|known| known.level).collect();
        let mut events = Vec::new();
        for level in levels {
            let on_it: Vec<_> = known.iter().filter(|known| known.level == level).collect();
            let count = if level == Level::default() { search.count } else { on_it.len() };
            for (number, PointOutcome { point, outcome, .. }) in on_it.into_iter().enumerate() {
                let Some(outcome) = outcome else { break };
                let label = labels[*point].to_owned();
                if self.points.insert((label.clone(), level)) {
                    let told = Ended { number: number + 1, count, label, level };
                    events.push(self.told(told, objective, outcome, search.rung_count));
                }
            }
        }
        Ok(events)
    }

    /// What there is to say of a point that has come to its end on a level.
    fn told(
        &mut self,
        ended: Ended,
        objective: &Objective,
        outcome: &Outcome,
        rung_count: usize,
    ) -> Event {
        let Ended { number, count, label, level } = ended;
        if level > self.level {
            (self.level, self.best) = (level, None);
        }
        let sign = if objective.maximize { 1.0 } else { -1.0 };
        let score = match outcome {
            Outcome::Scored(score) => Some(score),
            Outcome::Failed => None,
        };
        if let Some(score) = score
            && self.best.as_ref().is_none_or(|(_, best)| score.mean > *best)
        {
            self.best = Some((label.clone(), score.mean));
        }
        Event::PointEnded(PointEnded {
            number,
            count,
            point: label,
            rung: (rung_count > 1 && !level.is_fresh).then_some(level.rung + 1),
            is_finalist: level.is_fresh,
            metric: objective.metric.clone(),
            mean: score.map(|score| sign * score.mean),
            sd: score.filter(|score| score.n > 1).map(|score| score.sd),
            n: score.map_or(0, |score| score.n),
            best: self.best.as_ref().map(|(point, _)| point.clone()),
            best_mean: self.best.as_ref().map(|(_, mean)| sign * mean),
            left_ms: None,
        })
    }

    /// The last round's outcome as that of all: what an earlier one made was not there before.
    #[must_use]
    pub fn whole(
        &self,
        plan: &Plan,
        mut last: RunOutcome,
        searches: bool,
        elapsed: Duration,
    ) -> RunOutcome {
        for node in &mut last.nodes {
            if matches!(node.outcome, exec::Outcome::Cached)
                && let Some(end) = self.ends.get(&node.key)
                && end.status().is_complete()
            {
                node.outcome = end.clone();
            }
        }
        let mut lacking = last.nodes.iter().filter(|node| !node.outcome.status().is_complete());
        let lacks_only_points =
            searches && self.best.is_some() && lacking.all(|node| is_of_points(plan, node));
        RunOutcome { lacks_only_points, elapsed, ..last }
    }
}

/// A point on a level: its number among those there, and how many these are to be.
struct Ended {
    number: usize,
    count: usize,
    label: String,
    level: Level,
}

/// Whether a node is one that tells what a point is worth: neither shared by all points, nor for the best one alone.
fn is_of_points(plan: &Plan, node: &NodeResult) -> bool {
    let id = NodeId(u32::try_from(node.name.node).expect("a plan numbers its nodes in 32 bits"));
    !node.name.label.is_empty() && !plan.node(id).is_late
}
