//! The points of a sweep rung by rung: how each stands among those beside it, and what became of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::html::text;
use super::material::Material;
use super::numbers::spread;
use crate::engine::plan::{Choose, Level, SweepShape};
use crate::view::format;
use crate::view::rows::{PointRows, ranked};

/// What became of a point behind a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was trained further, or again with fresh seeds.
    WentOn,
    /// Others were.
    Dropped,
    /// None has come further.
    Last,
}

/// How a point stands on its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// From 1, by the mean; none where it has no score.
    pub rank: Option<usize>,
    /// How many points there are on the level.
    pub of: usize,
    pub fate: Fate,
}

/// The levels of a sweep that has several, each with the places of its points, the best first.
#[must_use]
pub fn levels(shape: &SweepShape, points: &[PointRows<'_>]) -> Vec<(Level, Vec<usize>)> {
    let Some(objective) = shape.objective.as_ref().filter(|_| has_several(shape)) else {
        return Vec::new();
    };
    // Which go on is a matter of means, whichever of the last is chosen.
    let by_mean = SweepShape { choose: Choose::Mean, ..shape.clone() };
    let known: BTreeSet<Level> = points.iter().map(|point| point.level).collect();
    let level = |level: Level| {
        let places: Vec<usize> =
            (0..points.len()).filter(|place| points[*place].level == level).collect();
        let of: Vec<&PointRows<'_>> = places.iter().map(|place| &points[*place]).collect();
        let (order, _) = ranked(&by_mean, objective, &of);
        (level, order.into_iter().map(|at| places[at]).collect())
    };
    known.into_iter().map(level).collect()
}

#[must_use]
pub fn has_several(shape: &SweepShape) -> bool {
    shape.rungs > 1 || shape.has_finalists
}

/// How each point stands on its level, by place; of a sweep without several, nothing.
#[must_use]
pub fn standings(shape: &SweepShape, points: &[PointRows<'_>]) -> Vec<Option<Standing>> {
    let levels = levels(shape, points);
    let mut standings = vec![None; points.len()];
    for (number, (_, places)) in levels.iter().enumerate() {
        let further: BTreeSet<&str> = levels[number + 1..]
            .iter()
            .flat_map(|(_, places)| places)
            .map(|place| &*points[*place].point.label)
            .collect();
        for (rank, place) in places.iter().enumerate() {
            let point = &points[*place];
            let metric = shape.objective.as_ref().map(|objective| &objective.metric);
            let is_scored = metric.is_some_and(|metric| point.moments(metric).count > 0);
            let fate = match further.contains(&*point.point.label) {
                true => Fate::WentOn,
                false if further.is_empty() => Fate::Last,
                false => Fate::Dropped,
            };
            let rank = is_scored.then_some(rank + 1);
            standings[*place] = Some(Standing { rank, of: places.len(), fate });
        }
    }
    standings
}

/// `rung 1 of 2`, or `finals`.
#[must_use]
pub fn name(shape: &SweepShape, level: Level) -> String {
    match (level.is_fresh, shape.rungs) {
        (true, _) => "finals".to_owned(),
        (false, 0 | 1) => "all".to_owned(),
        (false, rungs) => format!("{} of {rungs}", level.rung + 1),
    }
}

/// How the search came from all settings to the best: which went on from each rung, and which did not.
#[must_use]
pub fn html(material: &Material<'_>) -> String {
    let (Some(shape), Some(objective)) = (material.shape, material.objective()) else {
        return String::new();
    };
    let levels = levels(shape, material.points);
    if levels.len() < 2 {
        return String::new();
    }
    let metric = &objective.metric;
    let standings = standings(shape, material.points);
    let mut items = String::new();
    for (level, places) in &levels {
        let with = |fate: Fate| -> Vec<usize> {
            let is = |place: &usize| standings[*place].is_some_and(|it| it.fate == fate);
            places.iter().copied().filter(is).collect()
        };
        let score = |place: &usize| spread(&material.points[*place].moments(metric));
        let trials: usize = places.iter().map(|place| material.points[*place].rows.len()).sum();
        let title = match (level.is_fresh, shape.rungs) {
            (true, _) => "Finals, with fresh seeds".to_owned(),
            (false, 0 | 1) => "All settings".to_owned(),
            (false, rungs) => format!("Rung {} of {rungs}", level.rung + 1),
        };
        let set = set_by(material, *level);
        write!(
            items,
            "<li><b>{title}</b>{set}: {}, {}. ",
            format::counted(places.len(), "setting"),
            format::counted(trials, "trial")
        )
        .expect("a string");
        let (on, dropped) = (with(Fate::WentOn), with(Fate::Dropped));
        if let Some(last) = on.last() {
            let whither = if levels.iter().any(|(of, _)| of.rung > level.rung) {
                "to the next rung"
            } else {
                "to the finals"
            };
            let best = if on.len() == 1 { String::new() } else { format!(" {}", on.len()) };
            write!(items, "The best{best} went on {whither}, down to {}", score(last))
                .expect("a string");
            match dropped.first() {
                Some(first) => write!(
                    items,
                    "; {} did not, of which the best had {}.",
                    dropped.len(),
                    score(first)
                ),
                None => write!(items, "."),
            }
            .expect("a string");
        } else if let (Some(first), Some(last)) = (places.first(), places.last()) {
            write!(items, "From {} down to {}.", score(first), score(last)).expect("a string");
        }
        items += "</li>";
    }
    format!(
        "<h3>From rung to rung</h3><p class=how>Those of a rung that have the {} mean <code>{}</code> go on.</p><ul class=plain>{items}</ul>",
        if objective.maximize { "highest" } else { "lowest" },
        text(metric)
    )
}

/// What a rung sets, as the file says it.
fn set_by(material: &Material<'_>, level: Level) -> String {
    if level.is_fresh {
        return String::new();
    }
    let prefix = format!("sweep.rung[{}].", level.rung);
    let setting = |setting: &super::background::Setting| {
        let name = setting.path.strip_prefix(&prefix)?;
        let is_parameter = name.contains('.');
        is_parameter.then(|| format!("<code>{} = {}</code>", text(name), text(&setting.value)))
    };
    let set: Vec<String> = material.background.settings.iter().filter_map(setting).collect();
    if set.is_empty() { String::new() } else { format!(" ({})", set.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::plan::Objective;
    use crate::engine::runs::{TrialStatus, TriedPoint};
    use crate::engine::stage::{Score, Scores};
    use crate::view::rows::Row;

    #[test]
    fn points_are_ranked_on_their_rung_and_those_that_went_no_further_were_dropped() {
        let shape = SweepShape {
            axes: Vec::new(),
            along: Vec::new(),
            seeds: Vec::new(),
            rungs: 2,
            has_finalists: true,
            folds: None,
            points: 3,
            objective: Some(Objective { maximize: true, metric: "e.f1".to_owned() }),
            choose: Choose::OneStandardError,
        };
        let tried: Vec<TriedPoint> = ["a", "b", "c"]
            .map(|label| TriedPoint {
                label: label.to_owned(),
                values: Vec::new(),
                texts: Vec::new(),
                distance: 0.0,
            })
            .to_vec();
        let point = |number: usize, rung: usize, is_fresh: bool, score: f64| PointRows {
            point: &tried[number],
            level: Level { rung, is_fresh },
            rows: vec![Row {
                index: 0,
                label: "",
                status: TrialStatus::Done,
                seeds: &[],
                fold: None,
                scores: Scores::from([("e.f1".to_owned(), Some(Score::Measured(score)))]),
            }],
        };
        let points = [
            point(0, 0, false, 0.1),
            point(1, 0, false, 0.3),
            point(1, 1, false, 0.5),
            point(1, 1, true, 0.4),
            point(2, 0, false, 0.2),
            point(2, 1, false, 0.6),
        ];
        let found: Vec<(Option<usize>, usize, Fate)> = standings(&shape, &points)
            .into_iter()
            .map(|it| it.expect("every point stands somewhere"))
            .map(|Standing { rank, of, fate }| (rank, of, fate))
            .collect();
        assert_eq!(
            found,
            [
                (Some(3), 3, Fate::Dropped),
                (Some(1), 3, Fate::WentOn),
                (Some(2), 2, Fate::WentOn),
                (Some(1), 1, Fate::Last),
                (Some(2), 3, Fate::WentOn),
                (Some(1), 2, Fate::Dropped),
            ]
        );
        assert_eq!(
            points.each_ref().map(|point| name(&shape, point.level)),
            ["1 of 2", "1 of 2", "2 of 2", "finals", "1 of 2", "2 of 2"]
        );
    }
}
