//! The points of a sweep while it runs: which is best so far, and how long the others will take.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::format;
use super::rows::{PointRows, Row, judged, ranked};
use super::table;
use crate::engine::exec::{Because, Event, NodeName, PointEnded};
use crate::engine::plan::{Level, NodeId, Objective, Plan, SweepShape};
use crate::engine::runs::{TrialStatus, TriedPoint, score_of};
use crate::engine::stage::{Score, Scores};
use crate::engine::store::Store;

/// How the points of a sweep stand, by its objective.
pub struct Standings {
    shape: SweepShape,
    objective: Objective,
    /// Whether points are a search's, which says itself what each came to.
    searches: bool,
    /// The points that there are to be.
    count: usize,
    points: Vec<PlannedPoint>,
    /// How the nodes ended that score trials, by their labels.
    ends: HashMap<Arc<str>, End>,
    /// How many of these took time, and since when.
    worked: usize,
    begun: Instant,
}

struct PlannedPoint {
    point: TriedPoint,
    level: Level,
    /// Of the node that scores it, for each trial.
    labels: Vec<Arc<str>>,
    is_told: bool,
}

impl PlannedPoint {
    fn is(&self, label: &str, level: Level) -> bool {
        self.point.label == label && self.level == level
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Scored(Option<Score>),
    Failed,
}

impl Standings {
    /// `None` without a sweep of several points, and where nothing says which of them is best.
    ///
    /// * `asked`: of a search, how many points there are to be
    #[must_use]
    pub fn of(plan: &Plan, asked: Option<usize>, now: Instant) -> Option<Self> {
        let shape = plan.sweep.as_ref().filter(|_| !plan.of_single_trials)?.clone();
        let mut standings = Self {
            objective: shape.objective.clone()?,
            searches: asked.is_some(),
            count: asked.unwrap_or(shape.points),
            shape,
            points: Vec::new(),
            ends: HashMap::new(),
            worked: 0,
            begun: now,
        };
        standings.plan(plan);
        (standings.count > 1 && !standings.points.is_empty()).then_some(standings)
    }

    /// Takes note of the points that a plan has by now.
    pub fn plan(&mut self, plan: &Plan) {
        let (stage, _) = self.objective.path();
        let mut points: Vec<PlannedPoint> = Vec::new();
        for trial in &plan.trials {
            let Some(node) = plan.node_of(trial.index, stage) else { continue };
            let label = Arc::clone(&plan.node(node).label);
            let (point, level) = (&trial.point, trial.level);
            match points.last_mut() {
                Some(last) if last.is(&point.label, level) => last.labels.push(label),
                _ => {
                    let known = self.points.iter().find(|known| known.is(&point.label, level));
                    let is_told = known.is_some_and(|known| known.is_told);
                    let (point, labels) = (TriedPoint::of(point, &plan.home), vec![label]);
                    points.push(PlannedPoint { point, level, labels, is_told });
                }
            }
        }
        self.points = points;
    }

    /// Takes note of an event; whether the points stand otherwise now.
    pub fn event(&mut self, event: &Event, plan: &Plan, store: &Store) -> bool {
        let (stage, metric) = self.objective.path();
        let end = match event {
            Event::StageCached { name, key }
            | Event::StageReused { name, key, .. }
            | Event::StageFinished { name, key, .. }
                if *name.stage == *stage =>
            {
                let output = &plan.node(node_of(name)).kind.output;
                let entry = store.get(key).ok().flatten();
                let score = entry.and_then(|entry| score_of(output, metric, &entry).ok()?);
                (name, End::Scored(score))
            }
            // What was stopped is to come yet.
            Event::StageFailed { name, .. }
            | Event::StageNotRun { name, because: Because::Failed { .. } }
                if *name.stage == *stage =>
            {
                (name, End::Failed)
            }
            _ => return false,
        };
        let took_time = !matches!(event, Event::StageCached { .. } | Event::StageNotRun { .. });
        let (NodeName { label, .. }, end) = end;
        self.end(label, end, took_time);
        true
    }

    fn end(&mut self, label: &Arc<str>, end: End, took_time: bool) {
        self.worked += usize::from(took_time);
        self.ends.insert(Arc::clone(label), end);
    }

    /// Points of which something is known, with what is known of each.
    fn rows(&self) -> Vec<PointRows<'_>> {
        let row = |label: &Arc<str>| {
            let (status, scores) = match self.ends.get(label)? {
                End::Failed => (TrialStatus::Failed, Scores::new()),
                End::Scored(score) => {
                    (TrialStatus::Done, Scores::from([(self.objective.metric.clone(), *score)]))
                }
            };
            Some(Row { index: 0, label: "", status, seeds: &[], fold: None, scores })
        };
        let point = |of: &PlannedPoint| of.labels.iter().filter_map(row).collect::<Vec<_>>();
        let points = self.points.iter().map(|of| {
            let (level, rows) = (of.level, point(of));
            PointRows { point: &of.point, level, rows }
        });
        points.filter(|point| !point.rows.is_empty()).collect()
    }

    fn is_over(&self, of: &PlannedPoint) -> bool {
        of.labels.iter().all(|label| self.ends.contains_key(label))
    }

    /// How long the trials that are left will take, at the pace of those before.
    fn left(&self, now: Instant) -> Option<Duration> {
        let trials = |of: &PlannedPoint| of.labels.len();
        let known = |of: &PlannedPoint| {
            of.labels.iter().filter(|label| self.ends.contains_key(*label)).count()
        };
        let first = self.points.iter().filter(|of| of.level == Level::default()).count();
        let to_come = self.count.saturating_sub(first) * trials(self.points.first()?);
        let planned: usize = self.points.iter().map(trials).sum();
        let left = planned + to_come - self.points.iter().map(known).sum::<usize>();
        let pace = now.duration_since(self.begun).as_secs_f64() / self.worked as f64;
        Duration::try_from_secs_f64(pace * left as f64).ok().filter(|_| left > 0)
    }

    /// Which points go on to a further rung, or to the finals, nobody knows before.
    fn left_text(&self, now: Instant) -> String {
        let goes_on = self.shape.rungs > 1 || self.shape.has_finalists;
        let least = if goes_on { "at least " } else { "" };
        let text = |left| format!(", {least}{} left", format::duration(left));
        self.left(now).map_or_else(String::new, text)
    }

    /// The best so far as a table, of the last rung that points have come to; `None` as long as nothing is known.
    ///
    /// * `most`: how many rows of points there is room for
    pub(super) fn table(&self, most: usize, now: Instant) -> Option<String> {
        let rows = self.rows();
        let judged = judged(&rows);
        let last = judged.iter().map(|rows| rows.level.rung).max()?;
        let on_it = || self.points.iter().filter(|of| of.level.rung == last && !of.level.is_fresh);
        let over = on_it().filter(|of| self.is_over(of)).count();
        let count = if last == 0 { self.count } else { on_it().count() };
        let rung = match self.shape.rungs {
            0 | 1 => String::new(),
            rungs => format!("rung {} of {rungs}: ", last + 1),
        };
        let head = format!(
            "{rung}{over} of {count} points{}, {} by {}",
            self.left_text(now),
            table::order(&self.shape),
            self.objective
        );
        Some(table::standings(&head, &self.shape, &self.objective, &judged, most))
    }

    /// The points that have come to their end since; those of a search are told by whoever searches.
    pub fn news(&mut self, now: Instant) -> Vec<PointEnded> {
        if self.searches {
            return Vec::new();
        }
        let mut news = Vec::new();
        for place in 0..self.points.len() {
            if self.points[place].is_told || !self.is_over(&self.points[place]) {
                continue;
            }
            self.points[place].is_told = true;
            let number = self.points.iter().filter(|of| of.is_told).count();
            let left = self.left(now).and_then(|left| u64::try_from(left.as_millis()).ok());
            news.push(PointEnded { left_ms: left, ..self.ended(place, number) });
        }
        news
    }

    fn ended(&self, place: usize, number: usize) -> PointEnded {
        let (metric, PlannedPoint { point, level, .. }) =
            (&self.objective.metric, &self.points[place]);
        let told = self.points.iter().filter(|of| of.is_told && self.is_over(of));
        let told: HashSet<&str> = told.map(|of| &*of.point.label).collect();
        let mut rows = self.rows();
        rows.retain(|rows| rows.lost().is_none() && told.contains(&*rows.point.label));
        let is_own =
            |rows: &&PointRows<'_>| rows.point.label == point.label && rows.level == *level;
        let own = rows.iter().find(is_own);
        let moments = own.map(|rows| rows.moments(metric));
        let rows: Vec<&PointRows<'_>> = rows.iter().collect();
        let (places, has_best) = ranked(&self.shape, &self.objective, &rows);
        let best = places.first().filter(|_| has_best).map(|place| rows[*place]);
        PointEnded {
            number,
            count: self.count,
            point: point.label.to_string(),
            rung: (self.shape.rungs > 1 && !level.is_fresh).then_some(level.rung + 1),
            is_finalist: level.is_fresh,
            metric: metric.clone(),
            mean: moments.and_then(|moments| moments.mean),
            sd: moments.and_then(|moments| moments.deviation),
            n: moments.map_or(0, |moments| u32::try_from(moments.count).unwrap_or(u32::MAX)),
            best: best.map(|rows| rows.point.label.to_string()),
            best_mean: best.and_then(|rows| rows.moments(metric).mean),
            left_ms: None,
        }
    }
}

fn node_of(name: &NodeName) -> NodeId {
    NodeId(u32::try_from(name.node).expect("a plan numbers its nodes in 32 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::plan::Choose;

    /// Three points of two trials each.
    fn standings(begun: Instant) -> Standings {
        let objective = Objective { maximize: true, metric: "e.f1".to_owned() };
        let shape = SweepShape {
            axes: vec![("train.x".into(), Vec::new())],
            along: Vec::new(),
            seeds: vec![0, 1],
            rungs: 1,
            has_finalists: false,
            folds: None,
            points: 3,
            objective: Some(objective.clone()),
            choose: Choose::Mean,
        };
        let point = |text: &str| PlannedPoint {
            point: TriedPoint {
                label: format!("x={text}"),
                values: Vec::new(),
                texts: vec![text.into()],
                distance: 0.0,
            },
            level: Level::default(),
            labels: (0..2).map(|seed| format!("x={text},seed={seed}").into()).collect(),
            is_told: false,
        };
        Standings {
            shape,
            objective,
            searches: false,
            count: 3,
            points: ["1", "2", "3"].map(point).into(),
            ends: HashMap::new(),
            worked: 0,
            begun,
        }
    }

    fn scored(standings: &mut Standings, label: &str, score: f64) {
        standings.end(&label.into(), End::Scored(Some(Score::Measured(score))), true);
    }

    #[test]
    fn the_table_has_the_best_so_far_first_and_tells_how_long_the_others_take() {
        let begun = Instant::now();
        let mut standings = standings(begun);
        assert_eq!(standings.table(10, begun), None);
        scored(&mut standings, "x=1,seed=0", 0.5);
        scored(&mut standings, "x=1,seed=1", 0.75);
        scored(&mut standings, "x=2,seed=1", 0.875);
        let later = begun + Duration::from_secs(30);
        assert_eq!(
            standings.table(10, later).expect("a table"),
            "1 of 3 points, 30 s left, best first by max e.f1 (mean ± sd of n trials):\n  \
             train.x  e.f1             n\n  2        0.8750           1\n  1        0.6250 ± 0.1768  2\n"
        );
        assert!(standings.table(1, later).expect("a table").ends_with("  and 1 more\n"));
    }

    #[test]
    fn a_point_is_told_of_once_all_of_its_trials_have_ended() {
        let begun = Instant::now();
        let mut standings = standings(begun);
        scored(&mut standings, "x=3,seed=0", 0.5);
        assert!(standings.news(begun).is_empty());
        standings.end(&"x=3,seed=1".into(), End::Failed, true);
        let news = standings.news(begun);
        assert_eq!((news[0].number, news[0].mean, &news[0].best), (1, None, &None));
        scored(&mut standings, "x=1,seed=0", 0.5);
        scored(&mut standings, "x=1,seed=1", 0.5);
        let ended = &standings.news(begun)[0];
        assert_eq!((ended.number, ended.n, ended.best.as_deref()), (2, 2, Some("x=1")));
        assert!(standings.news(begun).is_empty());
    }
}
