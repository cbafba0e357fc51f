//! What a store knows of the points of a plan: what a search learns from.

use std::collections::HashSet;
use std::sync::Arc;

use rayon::prelude::*;

use super::results::Unreadable;
use super::scores::score_of;
use crate::engine::plan::{CacheKey, Identity, Level, NodeId, Objective, Plan, Point, Trial};
use crate::engine::search::{Outcome, Score};
use crate::engine::stage::Score as Measured;
use crate::engine::store::{Store, StoreError};

/// Why results could not be read.
#[derive(Debug, thiserror::Error)]
pub enum OutcomeError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the scores of {} cannot be read: {}", .0.key.short(), .0.error)]
    Scores(Unreadable),
}

/// What became of a point on one of the levels on which it was tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PointOutcome {
    /// Its place among the points of the plan.
    pub point: usize,
    pub level: Level,
    /// `None` while a trial of it is neither scored nor failed.
    pub outcome: Option<Outcome>,
}

/// The results of so many trials are read on several threads: for fewer it takes longer to start these.
const PARALLEL_TRIALS: usize = 64;

/// What became of each point of a plan, in their order, and level by level.
///
/// # Errors
/// When the store, or the scores in it, cannot be read.
pub fn outcomes(
    plan: &Plan,
    objective: &Objective,
    store: &Store,
) -> Result<Vec<PointOutcome>, OutcomeError> {
    let mut all: Vec<PointOutcome> = Vec::new();
    let mut before: Option<(&Arc<Point>, usize)> = None;
    let read = |trial: &Trial| of_trial(plan, trial, objective, store);
    let known: Vec<Result<Known, OutcomeError>> = if plan.trials.len() < PARALLEL_TRIALS {
        plan.trials.iter().map(read).collect()
    } else {
        plan.trials.par_iter().map(read).collect()
    };
    let mut known = known.into_iter();
    let are_one =
        |one: &Trial, next: &Trial| Arc::ptr_eq(&one.point, &next.point) && one.level == next.level;
    for trials in plan.trials.chunk_by(are_one) {
        let point = match before {
            None => 0,
            Some((known, place)) if Arc::ptr_eq(known, &trials[0].point) => place,
            Some((_, place)) => place + 1,
        };
        before = Some((&trials[0].point, point));
        let mut scores = Some(Vec::with_capacity(trials.len()));
        let mut has_failed = false;
        for known in known.by_ref().take(trials.len()) {
            match known? {
                Known::Score(score) => scores.iter_mut().for_each(|scores| scores.push(score)),
                Known::Failed => has_failed = true,
                Known::Nothing => scores = None,
            }
        }
        let outcome = match scores {
            _ if has_failed => Some(Outcome::Failed),
            Some(scores) => Some(Outcome::Scored(Score::of(&scores))),
            None => None,
        };
        all.push(PointOutcome { point, level: trials[0].level, outcome });
    }
    Ok(all)
}

enum Known {
    /// More is better.
    Score(f64),
    /// A stage of it failed, or the objective is undefined.
    Failed,
    Nothing,
}

fn of_trial(
    plan: &Plan,
    trial: &Trial,
    objective: &Objective,
    store: &Store,
) -> Result<Known, OutcomeError> {
    let (stage, metric) = objective.path();
    let Some(id) = plan.node_of(trial.index, stage) else { return Ok(Known::Nothing) };
    let Identity::Key(key) = &plan.node(id).identity else { return Ok(Known::Nothing) };
    let Some(entry) = store.get(key)? else {
        for key in needed(plan, id) {
            if store.failure(&key).is_some() && store.get(&key)?.is_none() {
                return Ok(Known::Failed);
            }
        }
        return Ok(Known::Nothing);
    };
    let score = score_of(&plan.node(id).kind.output, metric, &entry)
        .map_err(|error| OutcomeError::Scores(Unreadable { key: *key, error }))?;
    let score = score.map(Measured::value);
    Ok(match score.filter(|score| score.is_finite()) {
        Some(score) => Known::Score(if objective.maximize { score } else { -score }),
        None => Known::Failed,
    })
}

/// The keys of a node and of all that it needs.
fn needed(plan: &Plan, id: NodeId) -> Vec<CacheKey> {
    let (mut open, mut seen) = (vec![id], HashSet::from([id]));
    let mut keys = Vec::new();
    while let Some(id) = open.pop() {
        let node = plan.node(id);
        keys.extend(node.identity.key());
        let inputs = node.inputs.iter().map(|(_, input)| *input);
        open.extend(inputs.filter(|input| seen.insert(*input)));
    }
    keys
}
