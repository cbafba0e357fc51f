//! The tables of a sweep: every setting, and every trial with its scores and its curve.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::chart::path;
use super::html::{brief, dotted, number, short, table, text};
use super::levels::{self, Fate, Standing};
use super::material::Material;
use super::numbers::spread;
use crate::engine::plan::SweepShape;
use crate::engine::runs::TrialStatus;
use crate::view::format;
use crate::view::rows::{PointRows, Row};

/// Scores that have a column, beside the objective.
const SCORES: usize = 3;

/// Both tables.
#[must_use]
pub fn html(material: &Material<'_>, shape: &SweepShape) -> String {
    let columns = Columns::of(material, shape);
    let places = columns.places();
    let means = columns.means(&places);
    let rows: String = places.iter().map(|place| columns.rows(*place)).collect();
    let count: usize = material.points.iter().map(|point| point.rows.len()).sum();
    let note = match (columns.has_ranks(), columns.has_levels()) {
        (true, true) => {
            "the best setting first, and those that went no further than an earlier rung last; rows of a setting share its rank"
        }
        (true, false) => "the best setting first; rows of a setting share its rank",
        (false, _) => "in the order of the file",
    };
    format!(
        "{means}<h3>Every trial</h3><p class=how>{} of {}, {note}. <span class=only>Click a heading to sort. <button class=reset hidden>show all</button></span> All scores: <a href=\"trials.csv\">trials.csv</a>, <a href=\"summary.csv\">summary.csv</a>.</p><label class=control hidden>Find <input type=search class=find placeholder=\"a value\"></label>{}",
        format::counted(count, "trial"),
        format::counted(material.settings(), "setting"),
        table("trials", "", &columns.head(), &rows)
    )
}

/// What the tables have columns for, beside values.
struct Columns<'a> {
    material: &'a Material<'a>,
    shape: &'a SweepShape,
    scores: Vec<&'a str>,
    has_courses: bool,
    /// By setting, the place of the point by which it is judged, with its rank.
    judged: BTreeMap<&'a str, (usize, Option<usize>)>,
    /// How each point stands on its rung.
    standings: Vec<Option<Standing>>,
}

impl<'a> Columns<'a> {
    fn of(material: &'a Material<'a>, shape: &'a SweepShape) -> Self {
        let metric = material.metric();
        let is_measured = |name: &&str| {
            let (stage, _) = material.stage_of(name);
            // What was scored for one setting compares none.
            !material.asides.contains(stage)
                && !material.is_late(stage)
                && material.points.iter().any(|point| point.moments(name).count > 0)
        };
        let others = material.headlines.iter().map(String::as_str).filter(is_measured);
        let others = others.filter(|name| Some(*name) != metric).take(SCORES);
        let judged = |(rank, place): (usize, &usize)| {
            let point = &material.points[*place];
            let is_scored = metric.is_some_and(|metric| point.moments(metric).count > 0);
            (&*point.point.label, (*place, is_scored.then_some(rank + 1)))
        };
        Self {
            material,
            shape,
            scores: metric.into_iter().chain(others).collect(),
            has_courses: !material.courses.is_empty(),
            judged: material.order.iter().enumerate().map(judged).collect(),
            standings: levels::standings(shape, material.points),
        }
    }

    fn has_ranks(&self) -> bool {
        self.material.objective().is_some()
    }

    fn has_levels(&self) -> bool {
        levels::has_several(self.shape)
    }

    /// Those that are judged, the best first; then the others, those that came furthest first.
    fn places(&self) -> Vec<usize> {
        let Material { points, order, .. } = self.material;
        let is_judged: BTreeSet<usize> = order.iter().copied().collect();
        let levels = levels::levels(self.shape, points);
        let mut others: Vec<usize> = levels.into_iter().rev().flat_map(|(_, it)| it).collect();
        if others.is_empty() {
            others = self.material.left_behind();
        }
        others.retain(|place| !is_judged.contains(place));
        order.iter().copied().chain(others).collect()
    }

    /// Names of columns, with whether they are of numbers, up to where the tables differ.
    fn head_of_setting(&self) -> Vec<(String, bool)> {
        let mut head: Vec<(String, bool)> =
            self.has_ranks().then(|| ("rank".to_owned(), true)).into_iter().collect();
        head.extend(self.shape.axes.iter().map(|(name, _)| code(name)));
        if self.has_levels() {
            head.extend(["rung", "place on it"].map(|name| (name.to_owned(), false)));
        }
        head
    }

    fn head(&self) -> Vec<(String, bool)> {
        let number = |is_there: bool, name: &str| is_there.then(|| (name.to_owned(), true));
        let mut head = self.head_of_setting();
        head.extend(number(self.shape.folds.is_some(), "fold"));
        head.extend(number(!self.shape.seeds.is_empty(), "seed"));
        head.extend(self.scores.iter().map(|name| code(name)));
        head.extend(self.has_courses.then(|| (text(&self.material.course_name), false)));
        head
    }

    /// The cells that all rows of a point have.
    fn of_setting(&self, place: usize) -> String {
        let material = self.material;
        let point = &material.points[place];
        let mut out = String::new();
        if self.has_ranks() {
            let is_own = material.background.gives(point.point);
            let own = if is_own { " <span class=tag>file</span>" } else { "" };
            let rank = self.judged.get(&*point.point.label).and_then(|(_, rank)| *rank);
            let shown = rank.map_or_else(|| "\u{2013}".to_owned(), |rank| rank.to_string());
            out += &number(rank.map(|rank| rank as f64), &format!("{shown}{own}"));
        }
        out += &values(point);
        if self.has_levels() {
            let name = levels::name(self.shape, point.level);
            let standing = self.standings[place].map_or_else(String::new, on_rung);
            write!(out, "<td>{name}<td>{standing}").expect("a string");
        }
        out
    }

    /// The beginning of a row. Rows of a setting go with the line of it that is drawn.
    fn begin(&self, place: usize) -> String {
        let material = self.material;
        let is_best =
            self.has_ranks() && material.chosen.is_some_and(|(chosen, _)| chosen == place);
        let class = if is_best { " class=best" } else { "" };
        let label = &*material.points[place].point.label;
        let drawn = self.judged.get(label).map_or(place, |(judged, _)| *judged);
        format!("<tr data-p={drawn}{class}>")
    }

    /// The trials of a point.
    fn rows(&self, place: usize) -> String {
        let material = self.material;
        let setting = self.begin(place) + &self.of_setting(place);
        let mut out = String::new();
        for row in &material.points[place].rows {
            out += &setting;
            if self.shape.folds.is_some() {
                out += &number_of(row.fold.map(|fold| fold as u64));
            }
            if !self.shape.seeds.is_empty() {
                out += &number_of(row.seeds.iter().flatten().next().copied());
            }
            out += &self.scores.iter().map(|name| score(row, name)).collect::<String>();
            if self.has_courses {
                let course = material.courses.get(&row.index);
                out += "<td>";
                out += &course.map_or_else(String::new, |course| spark(course));
            }
        }
        out
    }

    /// The points with the means of their trials, where there are several of some.
    fn means(&self, places: &[usize]) -> String {
        let material = self.material;
        let most = material.points.iter().map(|point| point.rows.len()).max().unwrap_or(0);
        if most < 2 || !material.compares() {
            return String::new();
        }
        let mut head = self.head_of_setting();
        head.extend(self.scores.iter().map(|name| code(name)));
        head.push(("n".to_owned(), true));
        let mut rows = String::new();
        for place in places {
            let point = &material.points[*place];
            rows += &self.begin(*place);
            rows += &self.of_setting(*place);
            for name in &self.scores {
                let moments = point.moments(name);
                rows += &number(moments.mean, &spread(&moments));
            }
            let count = self.scores.first().map_or(0, |name| point.moments(name).count);
            rows += &number_of(Some(count as u64));
        }
        let rungs = if self.has_levels() { ", on each rung that it came to" } else { "" };
        format!(
            "<h3>Every setting</h3><p class=how>Mean \u{b1} standard deviation of its trials{rungs}.</p>{}",
            table("trials", "", &head, &rows)
        )
    }
}

/// The heading of a value or a score.
fn code(name: &str) -> (String, bool) {
    (format!("<code>{}</code>", dotted(name)), true)
}

/// How a point stands among those on its rung, and what came of it.
fn on_rung(standing: Standing) -> String {
    let Standing { rank, of, fate } = standing;
    let rank = rank.map_or_else(|| "no score".to_owned(), |rank| format!("{rank} of {of}"));
    match fate {
        Fate::WentOn => format!("{rank}, went on"),
        Fate::Dropped => format!("{rank}, dropped"),
        Fate::Last => rank,
    }
}

fn values(point: &PointRows<'_>) -> String {
    let value = |((_, value), shown): (&(String, serde_json::Value), &String)| {
        number(value.as_f64(), &brief(shown, 30))
    };
    point.point.values.iter().zip(&point.point.texts).map(value).collect()
}

fn number_of(value: Option<u64>) -> String {
    number(
        value.map(|value| value as f64),
        &value.map_or_else(|| "\u{2013}".to_owned(), |value| value.to_string()),
    )
}

fn score(row: &Row<'_>, name: &str) -> String {
    match row.scores.get(name) {
        Some(Some(score)) => number(Some(score.value()), &format::score(*score)),
        Some(None) => number(None, "undefined"),
        None if row.status != TrialStatus::Done => {
            number(None, &row.status.name().replace('_', " "))
        }
        None => number(None, "\u{2013}"),
    }
}

/// A curve as small as a word.
fn spark(course: &[[f64; 2]]) -> String {
    const WIDTH: f64 = 84.0;
    const HEIGHT: f64 = 18.0;
    let ends = |part: usize| {
        let values = || course.iter().map(|point| point[part]).filter(|value| value.is_finite());
        [values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max)]
    };
    let ([left, right], [low, high]) = (ends(0), ends(1));
    let share =
        |value: f64, from: f64, to: f64| if to > from { (value - from) / (to - from) } else { 0.5 };
    let points = course.iter().map(|[x, y]| {
        [
            (1.0 + share(*x, left, right) * WIDTH).round(),
            (HEIGHT - 1.0 - share(*y, low, high) * (HEIGHT - 2.0)).round(),
        ]
    });
    format!(
        "<svg class=spark width=86 height=18><title>{} to {}</title><path d=\"{}\"/></svg>",
        short(high),
        short(low),
        path(points)
    )
}
