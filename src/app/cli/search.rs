//! Files that are planned in steps: with the points that a search can propose by now, and with what runs for the best point once that is known.

use std::path::PathBuf;

use super::Failure;
use crate::engine::plan::{Plan, PlanError, Points};
use crate::engine::runs;
use crate::engine::search::{Memo, Outcome, Proposed, Search};
use crate::engine::spec::{Experiment, Method, Objective};
use crate::engine::store::Store;
use crate::stages;

/// How far a sweep is that is planned in steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Whether its points are proposed from results.
    pub searches: bool,
    /// Points that are planned.
    pub planned: usize,
    /// Points that there are to be.
    pub count: usize,
    /// Whether no further point is open.
    pub is_exhausted: bool,
    /// Whether stages wait for the best point to be known.
    pub waits_for_best: bool,
}

impl Progress {
    /// How far it is, in lines for people.
    pub fn text(self) -> String {
        let Self { planned, count, .. } = self;
        let mut text = String::new();
        if self.is_exhausted {
            text += &format!("search: the space has {planned} points, of {count} asked for\n");
        } else if planned < count {
            text += &format!(
                "search: {planned} of {count} points so far; the others are proposed from their results\n"
            );
        }
        if self.waits_for_best {
            text += "what runs for the best point follows when all points are scored\n";
        }
        text
    }
}

/// Whether a file is planned in steps.
pub fn has_steps(experiment: &Experiment) -> bool {
    let is_late = experiment.stages.iter().any(|stage| stage.at_best.is_some());
    let sweep = experiment.sweep.as_ref();
    sweep.is_some_and(|sweep| sweep.method != Method::Grid || is_late)
}

/// A plan of the points that the results in the store allow.
///
/// * `selected`: as of [`Plan::build`]
pub fn plan(
    experiment: &Experiment,
    selected: &[String],
    store: &Store,
) -> Result<Result<(Plan, Progress), PlanError>, Failure> {
    let is_late = experiment.stages.iter().any(|stage| stage.at_best.is_some());
    let objective = experiment.sweep.as_ref().and_then(|sweep| sweep.objective.as_ref());
    let steps = Steps { experiment, selected, store, objective, is_late };
    let Some(search) = Search::of(experiment).map_err(|error| Failure::usage(error.to_string()))?
    else {
        return steps.grid();
    };
    let path = memo_path(&search, store);
    let mut memo = Memo::read(&path);
    let planned = steps.search(&search, &mut memo)?;
    // The folder is not made by a command that only looks.
    if store.cache().is_dir() {
        // Without it, the same is worked out again.
        let _ = memo.write(&path);
    }
    Ok(planned)
}

fn memo_path(search: &Search<'_>, store: &Store) -> PathBuf {
    store.cache().join("search").join(format!("{}.json", search.digest()))
}

/// A file, and what it is planned with.
struct Steps<'a> {
    experiment: &'a Experiment,
    selected: &'a [String],
    store: &'a Store,
    objective: Option<&'a Objective>,
    /// Whether stages run for the best point alone.
    is_late: bool,
}

type Planned = Result<(Plan, Progress), PlanError>;

impl Steps<'_> {
    fn build(&self, points: &Points) -> Result<Plan, PlanError> {
        let digests = self.store.digests();
        Plan::build(self.experiment, stages::ALL, points, digests, self.selected)
    }

    fn outcomes(&self, plan: &Plan) -> Result<Vec<Option<Outcome>>, Failure> {
        let Some(objective) = self.objective else { return Ok(Vec::new()) };
        runs::outcomes(plan, objective, self.store)
            .map_err(|error| Failure::failed(error.to_string()))
    }

    fn grid(&self) -> Result<Planned, Failure> {
        let points = Points::of(self.experiment);
        let plan = match self.build(&points) {
            Ok(plan) => plan,
            Err(error) => return Ok(Err(error)),
        };
        let count = points.list().len();
        let progress = Progress {
            searches: false,
            planned: count,
            count,
            is_exhausted: false,
            waits_for_best: false,
        };
        let best = if count == 1 { Some(0) } else { best(&self.outcomes(&plan)?) };
        self.with_best(plan, points, best, progress)
    }

    /// Proposes points and plans them until no further one can be proposed.
    fn search(&self, search: &Search<'_>, memo: &mut Memo) -> Result<Planned, Failure> {
        let mut tried: Proposed = search.remembered(memo);
        let mut known = Vec::new();
        let mut planned: Option<Plan> = None;
        loop {
            if planned.is_some() || tried.is_empty() {
                let proposed = search.propose(&tried, &known, memo);
                if let Some(plan) = planned.take_if(|_| proposed.is(&tried)) {
                    let progress = Progress {
                        searches: true,
                        planned: proposed.len(),
                        count: search.count(),
                        is_exhausted: proposed.is_exhausted,
                        waits_for_best: false,
                    };
                    let is_whole = proposed.is_exhausted || proposed.len() == search.count();
                    let best = if is_whole { best(&known) } else { None };
                    return self.with_best(plan, proposed.points, best, progress);
                }
                tried = proposed;
            }
            let plan = match self.build(&tried.points) {
                Ok(plan) => plan,
                Err(error) => return Ok(Err(error)),
            };
            known = self.outcomes(&plan)?;
            planned = Some(plan);
        }
    }

    /// The plan with what runs for the best point, where that is known.
    fn with_best(
        &self,
        plan: Plan,
        mut points: Points,
        best: Option<usize>,
        progress: Progress,
    ) -> Result<Planned, Failure> {
        match best {
            _ if !self.is_late => Ok(Ok((plan, progress))),
            None => Ok(Ok((plan, Progress { waits_for_best: true, ..progress }))),
            Some(best) => {
                points.choose(best);
                Ok(self.build(&points).map(|plan| (plan, progress)))
            }
        }
    }
}

/// The place of the point with the best mean, the first of equals; nothing while something of any is unknown.
fn best(known: &[Option<Outcome>]) -> Option<usize> {
    let known: Option<Vec<Outcome>> = known.iter().copied().collect();
    let scored = known?.into_iter().enumerate().filter_map(|(number, outcome)| match outcome {
        Outcome::Scored(score) => Some((number, score.mean)),
        Outcome::Failed => None,
    });
    scored.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(number, _)| number)
}
