//! Files that are planned in steps: with the points that a search can propose by now, those of them that go on from rung to rung and to the finals, and
//! with what runs for the best point once that is known.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::Failure;
use super::progress::{Finals, Progress};
use crate::base::diagnostics::Diagnostics;
use crate::engine::plan::{Home, Level, Plan, PlanError, Points};
use crate::engine::runs::{self, PointOutcome};
use crate::engine::search::{
    self, Memo, Outcome, Proposed, Search, Standing, best_of, distance, ranked,
};
use crate::engine::spec::{Experiment, Method, Objective, Sweep};
use crate::engine::store::Store;
use crate::stages;

/// Whether a file is planned in steps.
pub fn has_steps(experiment: &Experiment) -> bool {
    let is_late = experiment.stages.iter().any(|stage| stage.at_best.is_some());
    experiment
        .sweep
        .as_ref()
        .is_some_and(|sweep| sweep.method() != Method::Grid || is_late || decides(sweep))
}

/// Whether a sweep tries some of its points again.
fn decides(sweep: &Sweep) -> bool {
    !sweep.rungs.is_empty() || sweep.finalists.is_some()
}

/// A plan of the points that the results in the store allow.
///
/// * `whole`: a plan of all points that the file lists, tried in every way
/// * `selected`: as of [`Plan::build`]
pub fn plan(
    experiment: &Experiment,
    whole: &Plan,
    selected: &[String],
    store: &Store,
) -> Result<Result<(Plan, Progress), PlanError>, Failure> {
    let is_late = experiment.stages.iter().any(|stage| stage.at_best.is_some());
    let sweep = experiment.sweep.as_ref();
    let Some(sweep) = sweep else { return Err(Failure::usage("the file has no sweep")) };
    let steps = Steps { experiment, sweep, selected, store, is_late };
    let Some(search) = Search::of(experiment).map_err(|error| Failure::usage(error.to_string()))?
    else {
        return steps.grid(whole);
    };
    if let Some(diagnostic) = search.all_left_out() {
        return Ok(Err(Diagnostics::new(Arc::clone(&experiment.sources), vec![diagnostic]).into()));
    }
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
    sweep: &'a Sweep,
    selected: &'a [String],
    store: &'a Store,
    /// Whether stages run for the best point alone.
    is_late: bool,
}

type Planned = Result<(Plan, Progress), PlanError>;

impl Steps<'_> {
    fn build(&self, points: &Points, selected: &[String]) -> Result<Plan, PlanError> {
        Plan::build(self.experiment, stages::ALL, points, self.store.digests(), selected)
    }

    fn objective(&self) -> Option<&Objective> {
        self.sweep.objective.as_ref().map(|(objective, _)| objective)
    }

    /// What became of some points on one level; of each, in their order.
    fn outcomes(
        &self,
        plan: &Plan,
        level: Level,
        places: &[usize],
    ) -> Result<Vec<Option<Outcome>>, Failure> {
        let Some(objective) = self.objective() else { return Ok(vec![None; places.len()]) };
        let known = runs::outcomes(plan, objective, self.store)
            .map_err(|error| Failure::failed(error.to_string()))?;
        let on_level = known.iter().filter(|known| known.level == level);
        let of: HashMap<usize, Option<Outcome>> =
            on_level.map(|PointOutcome { point, outcome, .. }| (*point, *outcome)).collect();
        Ok(places.iter().map(|place| of.get(place).copied().flatten()).collect())
    }

    fn grid(&self, whole: &Plan) -> Result<Planned, Failure> {
        let points = Points::of(self.experiment);
        let count = points.list().len();
        if count == 1 && !decides(self.sweep) {
            let progress = Progress { planned: 1, count, ..Progress::default() };
            return Ok(self.narrowed(points, Best::Point(0)).map(|plan| (plan, progress)));
        }
        let places: Vec<usize> = (0..count).collect();
        let known = self.outcomes(whole, Level::default(), &places)?;
        let searches = decides(self.sweep);
        self.decided(
            points,
            &known,
            Progress { searches, planned: count, count, ..Progress::default() },
        )
    }

    /// Proposes points and plans them until no further one can be proposed.
    fn search(&self, search: &Search<'_>, memo: &mut Memo) -> Result<Planned, Failure> {
        let mut tried = search.remembered(memo);
        let (mut known, mut refused, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
        let mut is_planned = false;
        loop {
            if is_planned || tried.is_empty() {
                let proposed = search.propose(&tried, &known, &refused, memo);
                if proposed.is_empty() {
                    return Err(Failure::usage("the sweep leaves no point to try")
                        .with_help("`skip` leaves out all there are: leave out fewer"));
                }
                if is_planned && proposed.is(&tried) {
                    return self.searched(search, proposed, &known, reasons);
                }
                tried = proposed;
            }
            match self.build(&tried.points, &[]) {
                Ok(plan) => {
                    let places: Vec<usize> = (0..tried.points.list().len()).collect();
                    known = self.outcomes(&plan, Level::default(), &places)?;
                    is_planned = true;
                }
                Err(error) => {
                    let before = refused.len();
                    for (point, alone) in search.each(&tried) {
                        if let Err(PlanError::Diagnostics(error)) = self.build(&alone, &[]) {
                            let label = &alone.list()[0].label;
                            reasons.push(format!(
                                "the point {label} counts as failed: {}",
                                error.first()
                            ));
                            refused.push(point);
                        }
                    }
                    if refused.len() == before {
                        return Ok(Err(error));
                    }
                    tried = search.without(&tried, &refused);
                }
            }
        }
    }

    /// What a search has come to.
    fn searched(
        &self,
        search: &Search<'_>,
        proposed: Proposed,
        known: &[Option<Outcome>],
        refused: Vec<String>,
    ) -> Result<Planned, Failure> {
        let is_whole = proposed.is_exhausted || proposed.len() == search.count();
        let progress = Progress {
            searches: true,
            planned: proposed.len(),
            count: search.count(),
            is_exhausted: proposed.is_exhausted,
            skips: !self.sweep.skip.is_empty(),
            refused,
            ..Progress::default()
        };
        let unknown = [None];
        self.decided(proposed.points, if is_whole { known } else { &unknown }, progress)
    }

    /// Lets points go on as far as it is known which do.
    ///
    /// * `known`: what became of all on the first rung
    fn decided(
        &self,
        mut points: Points,
        known: &[Option<Outcome>],
        mut progress: Progress,
    ) -> Result<Planned, Failure> {
        let best = match self.best(&mut points, known, &mut progress)? {
            Ok(best) => best,
            Err(error) => return Ok(Err(error)),
        };
        progress.waits_for_best = self.is_late && best == Best::Unknown;
        progress.has_no_best = self.is_late && best == Best::None;
        Ok(self.narrowed(points, best).map(|plan| (plan, progress)))
    }

    /// Which point is the best, as far as that is known.
    fn best(
        &self,
        points: &mut Points,
        known: &[Option<Outcome>],
        progress: &mut Progress,
    ) -> Result<Result<Best, PlanError>, Failure> {
        let home = Home::of(self.experiment);
        let mut places: Vec<usize> = (0..points.list().len()).collect();
        let mut known = known.to_vec();
        let last = self.sweep.rungs.len().saturating_sub(1);
        progress.rungs = vec![places.len()];
        progress.rung_count = last + 1;
        let finals = self.sweep.finalists.map(|asked| Finals { asked: asked.count, planned: None });
        progress.finals = finals;
        let finals = finals.map(|_| Level { rung: last, is_fresh: true });
        let levels = (1..=last).map(|rung| Level { rung, is_fresh: false }).chain(finals);
        for level in levels {
            let Some(standings) = standings(points, &home, &places, &known) else {
                return Ok(Ok(Best::Unknown));
            };
            let goes_on = match &mut progress.finals {
                Some(finals) if level.is_fresh => {
                    let best = best_of(&standings, finals.asked);
                    finals.planned = Some(best.len());
                    best
                }
                _ => {
                    let share = self.sweep.rungs[level.rung - 1].keep.map_or(1.0, |keep| keep.0);
                    let kept = search::kept(&standings, share);
                    progress.rungs.push(kept.len());
                    kept
                }
            };
            places = goes_on.into_iter().map(|at| places[at]).collect();
            if level.is_fresh {
                points.make_finalists(&places);
            } else {
                points.go_on(level.rung, &places);
            }
            let plan = match self.build(points, &[]) {
                Ok(plan) => plan,
                Err(error) => return Ok(Err(error)),
            };
            known = self.outcomes(&plan, level, &places)?;
        }
        let Some(standings) = standings(points, &home, &places, &known) else {
            return Ok(Ok(Best::Unknown));
        };
        let ranked = ranked(self.sweep.choice(), &standings);
        let best = ranked.first().filter(|place| standings[**place].score.is_some());
        Ok(Ok(best.map_or(Best::None, |place| Best::Point(places[*place]))))
    }

    /// The plan of what was selected. What runs for the best point needs all that tells which one that is.
    fn narrowed(&self, mut points: Points, best: Best) -> Result<Plan, PlanError> {
        let mut selected = self.selected.to_vec();
        match (best, self.objective()) {
            (Best::Point(best), _) => points.choose(best),
            (_, Some(objective)) if self.selects_late(&points)? => {
                selected.push(objective.path().0.to_owned());
            }
            _ => {}
        }
        self.build(&points, &selected)
    }

    /// Whether something was selected that runs for the best point alone.
    fn selects_late(&self, points: &Points) -> Result<bool, PlanError> {
        if self.selected.is_empty() || !self.is_late {
            return Ok(false);
        }
        let mut points = points.clone();
        points.choose(0);
        // What needs something that is late is late itself.
        Ok(self.build(&points, self.selected)?.nodes.iter().any(|node| node.is_late))
    }
}

/// What is known of some points, where all of them have come to their end.
fn standings(
    points: &Points,
    home: &Home,
    places: &[usize],
    known: &[Option<Outcome>],
) -> Option<Vec<Standing>> {
    let standing = |(place, outcome): (&usize, &Option<Outcome>)| {
        let score = match (*outcome)? {
            Outcome::Scored(score) => Some(score),
            Outcome::Failed => None,
        };
        let distance = distance(home, &points.list()[*place]);
        Some(Standing { score, lacks_some: score.is_none(), distance, is_finalist: false })
    };
    // Of a search that goes on, nothing is known of the points to come.
    let is_whole = known.len() == places.len();
    is_whole.then(|| places.iter().zip(known).map(standing).collect())?
}

/// What is known of which point is the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Best {
    /// Its place.
    Point(usize),
    /// Not all points have come to their end.
    Unknown,
    /// No point has a score.
    None,
}
