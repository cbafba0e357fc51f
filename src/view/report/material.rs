//! What the page is about, gathered from a run's results once: from here on it is laid out, and nothing is read.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::background::{Background, Setting};
use super::chart::thinned;
use super::rivals::{self, Pair, Rival};
use crate::base::shell;
use crate::engine::plan::{Objective, SweepShape};
use crate::engine::runs::{Of, Results, RunFile, Step};
use crate::engine::stage::{BESIDE, CardPart, Caveat, Exhibit, Intervals, Plot, StageError};
use crate::view::difference::Compare;
use crate::view::format;
use crate::view::rows::{Names, PointRows, Row, judged, ranked};

/// Points of a curve that is as small as a word.
const COURSE: usize = 24;

/// What is shown.
pub struct Material<'a> {
    pub run: &'a RunFile,
    pub background: &'a Background,
    pub shape: Option<&'a SweepShape>,
    /// Each on every level that it came to; without a sweep one, of one trial.
    pub points: &'a [PointRows<'a>],
    /// The places of those that are judged by, the best first where there is an objective, else in the order of the file.
    pub order: Vec<usize>,
    /// The place of the point that is shown in full, and its trial that is.
    pub chosen: Option<(usize, &'a Row<'a>)>,
    /// The place of the judged point whose values are those of the file without the sweep.
    pub own: Option<usize>,
    /// What the chosen point is held against, where it is the best in the objective.
    pub rivals: Vec<Rival>,
    /// The scores that say most, the first first.
    pub headlines: Vec<String>,
    pub names: Names<'a>,
    pub steps: Vec<Step>,
    /// Of the chosen point: what each stage measured on the way, in each of its trials.
    pub trainings: Vec<Of<Vec<Vec<Plot>>>>,
    /// By trial: the curve that says most, thinned.
    pub courses: BTreeMap<usize, Vec<[f64; 2]>>,
    /// What that curve is of.
    pub course_name: String,
    /// Of the chosen trial.
    pub exhibits: Vec<Of<Vec<Exhibit>>>,
    pub intervals: BTreeMap<String, Intervals>,
    /// Of the chosen trial: what stages say in the card of a model, where the cards lie, and the key of each stage.
    pub card_parts: Vec<Of<Vec<CardPart>>>,
    pub cards: Vec<String>,
    pub keys: BTreeMap<String, String>,
    /// Stages that are shown beside others, such as baselines.
    pub asides: BTreeSet<String>,
    pub caveats: Vec<Caveat>,
    /// Those of them that are about the scores by which the chosen trial was judged.
    pub judging: Vec<Caveat>,
    /// Stages whose results are not there.
    pub missing: BTreeSet<String>,
}

/// What of a run is to be shown.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub results: &'a Results,
    pub compare: &'a Compare<'a>,
    pub background: &'a Background,
    pub points: &'a [PointRows<'a>],
    /// The number of the trial that stands for the others.
    pub chosen: Option<usize>,
    pub missing: &'a BTreeSet<String>,
}

/// The places of the points that are judged by, the best first where there is an objective.
pub fn order(shape: Option<&SweepShape>, points: &[PointRows<'_>]) -> Vec<usize> {
    let judged = judged(points);
    let is_judged = |place: &usize| judged.iter().any(|of| std::ptr::eq(*of, &points[*place]));
    let places: Vec<usize> = (0..points.len()).filter(is_judged).collect();
    match shape.and_then(|shape| Some((shape, shape.objective.as_ref()?))) {
        Some((shape, objective)) => {
            ranked(shape, objective, &judged).0.into_iter().map(|rank| places[rank]).collect()
        }
        None => places,
    }
}

impl<'a> Material<'a> {
    /// # Errors
    /// When a file of an entry cannot be read, or is not what was written.
    pub fn gather(subject: Subject<'a>) -> Result<Self, StageError> {
        let Subject { results, background, points, chosen, missing, .. } = subject;
        let unreadable = |error: io::Error| StageError::new(format!("scores: {error}"));
        let place = |index: usize| {
            let of = |(place, point): (usize, &'a PointRows<'a>)| {
                Some((place, point.rows.iter().find(|row| row.index == index)?))
            };
            points.iter().enumerate().find_map(of)
        };
        let chosen = chosen.and_then(place);
        let order = order(results.sweep.as_ref(), points);
        let mut material = Self {
            run: &results.run,
            background,
            shape: results.sweep.as_ref(),
            points,
            own: rivals::own(background, points, &order),
            rivals: Vec::new(),
            order,
            chosen,
            headlines: results.headlines(),
            names: Names::of(results, points),
            steps: results.steps(),
            trainings: Vec::new(),
            courses: BTreeMap::new(),
            course_name: String::new(),
            exhibits: Vec::new(),
            intervals: BTreeMap::new(),
            card_parts: Vec::new(),
            cards: Vec::new(),
            keys: BTreeMap::new(),
            asides: results.asides(),
            judging: Vec::new(),
            caveats: results.caveats().map_err(|error| unreadable(error.into()))?,
            missing: missing.clone(),
        };
        for (number, row) in points
            .iter()
            .enumerate()
            .flat_map(|(number, point)| point.shown().map(move |row| (number, row)))
        {
            let curves = results.curves(&results.trials[row.index])?;
            material.add_course(row.index, &curves);
            if chosen.is_some_and(|(place, _)| place == number) {
                material.add_training(curves);
            }
        }
        if let Some((_, row)) = chosen {
            let trial = &results.trials[row.index];
            material.exhibits = results.exhibits(trial)?;
            material.intervals = results.intervals(trial).map_err(unreadable)?;
            material.card_parts = results.card_parts(trial)?;
            material.cards = results.cards(trial);
            material.keys = results.keys(trial);
            // Trials of earlier rungs were made with other parameters.
            for (node, made_with) in results.made_with(trial) {
                let step = material.steps.iter_mut().find(|step| step.name == node.stage);
                if let (Some(step), Some(made_with)) = (step, made_with) {
                    step.parameters.clone_from(&made_with.parameters);
                }
            }
            if let Some(objective) = material.objective() {
                let judging = results.caveats_of_stage(trial, objective.path().0);
                material.judging = judging.map_err(|error| unreadable(error.into()))?;
            }
        }
        material.rivals = material.compared(subject)?;
        Ok(material)
    }

    /// The chosen point and what it is held against.
    fn compared(&self, subject: Subject<'a>) -> Result<Vec<Rival>, StageError> {
        let Subject { results, compare, points, .. } = subject;
        let Some((objective, (chosen, _))) = self.objective().zip(self.chosen) else {
            return Ok(Vec::new());
        };
        let metric = &objective.metric;
        let trials = |place: usize| -> Vec<usize> {
            points[place].rows.iter().map(|row| row.index).collect()
        };
        let name = |trials: &[usize]| {
            let point = trials.first().map(|trial| results.trials[*trial].of_point());
            shell::word(&format!("{}:{}", results.run.id, point.unwrap_or_default()))
        };
        let rival = |pair: Pair| -> Result<Rival, StageError> {
            let (a, b) = (trials(pair.rival), trials(pair.best));
            let comparison = compare(results, [&a, &b], metric)?;
            let command = format!("pipeline diff {} {}", name(&a), name(&b));
            Ok(Rival { pair, comparison, command })
        };
        let pairs = rivals::pairs(self.background, points, &self.order, chosen, metric);
        pairs.into_iter().map(rival).collect()
    }

    fn add_course(&mut self, trial: usize, curves: &[Of<Vec<Plot>>]) {
        let Some(of) = curves.first() else { return };
        let Some((plot, line)) = of.it.first().and_then(|plot| Some((plot, plot.lines.first()?)))
        else {
            return;
        };
        self.course_name = format!("{} ({})", plot.title.to_lowercase(), line.name);
        self.courses.insert(trial, thinned(&line.points, COURSE));
    }

    fn add_training(&mut self, curves: Vec<Of<Vec<Plot>>>) {
        for Of { stage, it } in curves {
            match self.trainings.iter_mut().find(|known| known.stage == stage) {
                Some(known) => known.it.push(it),
                None => self.trainings.push(Of { stage, it: vec![it] }),
            }
        }
    }

    pub fn objective(&self) -> Option<&'a Objective> {
        self.shape?.objective.as_ref()
    }

    /// The score that the page is about: the objective, else the one that says most.
    pub fn metric(&self) -> Option<&str> {
        let objective = self.objective().map(|objective| objective.metric.as_str());
        let is_defined =
            |name: &&str| self.points.iter().any(|point| point.moments(name).count > 0);
        let headlines = || self.headlines.iter().map(String::as_str);
        objective.or_else(|| headlines().find(is_defined))
    }

    pub fn best(&self) -> Option<&'a PointRows<'a>> {
        self.chosen.map(|(place, _)| &self.points[place])
    }

    /// What a rung sets of what stages have otherwise.
    ///
    /// * `parameter`: such as `train.stop_after`
    pub fn set_on(&self, rung: usize, parameter: &str) -> Option<&'a Setting> {
        self.background.setting(&format!("sweep.rung[{rung}].{parameter}"))
    }

    /// Whether points are compared.
    pub fn compares(&self) -> bool {
        self.order.len() > 1
    }

    /// The places of the points that went no further than an earlier level.
    pub fn left_behind(&self) -> Vec<usize> {
        let judged: BTreeSet<&usize> = self.order.iter().collect();
        (0..self.points.len()).filter(|place| !judged.contains(place)).collect()
    }

    /// How many settings were tried.
    pub fn settings(&self) -> usize {
        let labels = self.points.iter().map(|point| &*point.point.label);
        labels.collect::<BTreeSet<_>>().len()
    }

    /// The stage of a score, and its name there.
    pub fn stage_of<'p>(&self, path: &'p str) -> (&'p str, &'p str) {
        path.split_once('.').unwrap_or(("", path))
    }

    /// What stands beside a score: the name and the path of the same score of each.
    pub fn beside(&self, path: &str) -> Vec<(String, String)> {
        let (stage, metric) = self.stage_of(path);
        let begin = format!("{stage}.{BESIDE}.");
        let end = format!(".{metric}");
        let Some(point) = self.best() else { return Vec::new() };
        let named = point.rows.iter().flat_map(|row| row.scores.keys()).filter_map(|name| {
            let inside = name.strip_prefix(&begin)?.strip_suffix(&end)?;
            Some((inside.to_owned(), name.clone()))
        });
        named.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The trial that is shown of several, with its score.
    pub fn first_trial(&self, path: &str) -> String {
        let score = self.chosen.and_then(|(_, row)| *row.scores.get(path)?);
        let score = score.map_or_else(String::new, |it| format!(" ({})", format::score(it)));
        format!("its first trial{score}")
    }

    /// Of which trial that is which is shown of one alone; nothing where there is one.
    pub fn whose(&self) -> String {
        let Some((place, row)) = self.chosen else { return String::new() };
        let trials = self.points[place].shown().count();
        let fold = row.fold.map(|fold| format!("fold {fold}"));
        let seed = row.seeds.iter().flatten().next().map(|seed| format!("seed {seed}"));
        let named: Vec<String> = fold.into_iter().chain(seed).collect();
        let named =
            if named.is_empty() { named.concat() } else { format!(" ({})", named.join(", ")) };
        let setting = if self.compares() { " of the setting above" } else { "" };
        if trials < 2 {
            return String::new();
        }
        format!(" It is of the first of the {trials} trials{setting}{named}.")
    }

    /// Whether a score is of something that is shown beside.
    pub fn is_beside(&self, path: &str) -> bool {
        self.stage_of(path).1.starts_with(&format!("{BESIDE}."))
    }

    pub fn interval(&self, path: &str) -> Option<[f64; 2]> {
        let (stage, metric) = self.stage_of(path);
        self.intervals.get(stage)?.ends.get(metric).copied()
    }

    /// Whether a stage was scored for the chosen point alone.
    pub fn is_late(&self, stage: &str) -> bool {
        let Some((chosen, _)) = self.chosen.filter(|_| self.compares()) else { return false };
        let has = |point: &PointRows<'_>| {
            let mut names = point.rows.iter().flat_map(|row| row.scores.keys());
            names.any(|name| self.stage_of(name).0 == stage)
        };
        let others = self.points.iter().enumerate().filter(|(place, _)| *place != chosen);
        let mut others =
            others.map(|(_, point)| point).filter(|point| point.done().next().is_some());
        others.clone().next().is_some() && !others.any(has)
    }
}
