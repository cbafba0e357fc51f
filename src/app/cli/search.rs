//! Files that are planned in steps: with the points that a search can propose by now, and with what runs for the best point once that is known.

use std::path::PathBuf;
use std::sync::Arc;

use super::Failure;
use crate::engine::plan::{Home, Plan, PlanError, Point, Points};
use crate::engine::runs;
use crate::engine::search::{Memo, Outcome, Proposed, Search, Standing, distance, ranked};
use crate::engine::spec::{Choose, Experiment, Method, Objective, Sweep};
use crate::engine::store::Store;
use crate::stages;
use crate::view::format;

/// How far a sweep is that is planned in steps.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Whether all points have come to their end and none has a score.
    pub has_no_best: bool,
    /// What is wrong with points that are no experiments, which count as failed.
    pub refused: Vec<String>,
}

impl Progress {
    /// How far it is, in lines for people.
    pub fn text(&self) -> String {
        let Self { planned, count, refused, .. } = self;
        let mut text = String::new();
        if let Some(ended) = self.ended_early() {
            text += &format!("{ended}\n");
        } else if planned < count {
            text += &format!(
                "search: {planned} of {count} points so far; the others are proposed from their results\n"
            );
        }
        if self.has_no_best {
            text += "nothing runs for the best point: none has a score\n";
        } else if self.waits_for_best {
            text += "what runs for the best point follows when all points are scored\n";
        }
        refused.iter().for_each(|refused| text += &format!("{refused}\n"));
        text
    }

    /// That the space had fewer points than were asked for.
    pub fn ended_early(&self) -> Option<String> {
        let Self { planned, count, .. } = self;
        self.is_exhausted.then(|| {
            let points = format::counted(*planned, "point");
            format!("search: {points} of the {count} asked for: the space has no other")
        })
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
/// * `whole`: a plan of all points that the file lists
/// * `selected`: as of [`Plan::build`]
pub fn plan(
    experiment: &Experiment,
    whole: &Plan,
    selected: &[String],
    store: &Store,
) -> Result<Result<(Plan, Progress), PlanError>, Failure> {
    let is_late = experiment.stages.iter().any(|stage| stage.at_best.is_some());
    let objective = experiment.sweep.as_ref().and_then(|sweep| sweep.objective.as_ref());
    let steps = Steps { experiment, selected, store, objective, is_late };
    let Some(search) = Search::of(experiment).map_err(|error| Failure::usage(error.to_string()))?
    else {
        return steps.grid(whole);
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
    fn build(&self, points: &Points, selected: &[String]) -> Result<Plan, PlanError> {
        Plan::build(self.experiment, stages::ALL, points, self.store.digests(), selected)
    }

    fn outcomes(&self, plan: &Plan) -> Result<Vec<Option<Outcome>>, Failure> {
        let Some(objective) = self.objective else { return Ok(Vec::new()) };
        runs::outcomes(plan, objective, self.store)
            .map_err(|error| Failure::failed(error.to_string()))
    }

    fn grid(&self, whole: &Plan) -> Result<Planned, Failure> {
        let points = Points::of(self.experiment);
        let count = points.list().len();
        let known = if count == 1 { Vec::new() } else { self.outcomes(whole)? };
        let best = if count == 1 { Best::Point(0) } else { self.best(&points, &known) };
        let progress = Progress {
            searches: false,
            planned: count,
            count,
            is_exhausted: false,
            waits_for_best: self.is_late && best == Best::Unknown,
            has_no_best: self.is_late && best == Best::None,
            refused: Vec::new(),
        };
        Ok(self.narrowed(points, best).map(|plan| (plan, progress)))
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
                    return Ok(self.searched(search, proposed, &known, reasons));
                }
                tried = proposed;
            }
            match self.build(&tried.points, &[]) {
                Ok(plan) => {
                    known = self.outcomes(&plan)?;
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
    ) -> Planned {
        let is_whole = proposed.is_exhausted || proposed.len() == search.count();
        let best = if is_whole { self.best(&proposed.points, known) } else { Best::Unknown };
        let progress = Progress {
            searches: true,
            planned: proposed.len(),
            count: search.count(),
            is_exhausted: proposed.is_exhausted,
            waits_for_best: self.is_late && best == Best::Unknown,
            has_no_best: self.is_late && best == Best::None,
            refused,
        };
        self.narrowed(proposed.points, best).map(|plan| (plan, progress))
    }

    /// Which point is the best.
    fn best(&self, points: &Points, known: &[Option<Outcome>]) -> Best {
        let known: Option<Vec<Outcome>> = known.iter().copied().collect();
        let Some(known) = known else { return Best::Unknown };
        let home = Home::of(self.experiment);
        let standing = |(outcome, point): (&Outcome, &Arc<Point>)| {
            let score = match outcome {
                Outcome::Scored(score) => Some(*score),
                Outcome::Failed => None,
            };
            Standing { score, lacks_some: score.is_none(), distance: distance(&home, point) }
        };
        let standings: Vec<Standing> = known.iter().zip(points.list()).map(standing).collect();
        let choose = self.experiment.sweep.as_ref().map_or(Choose::default(), Sweep::choice);
        let places = ranked(choose, &standings);
        let best = places.first().filter(|place| standings[**place].score.is_some());
        best.map_or(Best::None, |place| Best::Point(*place))
    }

    /// The plan of what was selected. What runs for the best point needs all that tells which one that is.
    fn narrowed(&self, mut points: Points, best: Best) -> Result<Plan, PlanError> {
        let mut selected = self.selected.to_vec();
        match (best, self.objective) {
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
