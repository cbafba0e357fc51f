//! The best settings below each other: every trial, the mean, and a standard deviation around it.

use std::fmt::Write as _;

use super::against::values;
use super::chart::at;
use super::html::text;
use super::material::Material;
use super::numbers::spread;
use super::scale::{Scale, tick_text};
use crate::view::rows::PointRows;

/// Settings that are drawn.
const DRAWN: usize = 8;
/// A setting is named above what is drawn of it, so that a phone shows it whole.
const ROW: f64 = 36.0;
const WIDTH: f64 = 400.0;
const SIDE: f64 = 14.0;

/// The settings that are judged, the best first, and what the file says without the sweep.
pub fn html(material: &Material<'_>, metric: &str) -> String {
    let own = material.own;
    let mut drawn: Vec<usize> = material.order.iter().copied().take(DRAWN).collect();
    drawn.extend(own.filter(|own| !drawn.contains(own)));
    drawn.retain(|place| material.points[*place].moments(metric).count > 0);
    if drawn.len() < 2 {
        return String::new();
    }
    let points: Vec<&PointRows<'_>> = drawn.iter().map(|place| &material.points[*place]).collect();
    // No share lies beyond 0 and 1, whatever its mean and deviation come to.
    let is_share = material.objective().is_none_or(|objective| objective.maximize)
        && points.iter().flat_map(|it| scores(it, metric)).all(|it| (0.0..=1.0).contains(&it));
    let ends = |point: &PointRows<'_>| {
        let moments = point.moments(metric);
        let (mean, deviation) =
            (moments.mean.unwrap_or(f64::NAN), moments.deviation.unwrap_or(0.0));
        let ends = [mean - deviation, mean + deviation];
        if is_share { ends.map(|end| end.clamp(0.0, 1.0)) } else { ends }
    };
    let all = points.iter().flat_map(|point| scores(point, metric).into_iter().chain(ends(point)));
    let scale = Scale::of(all, false);
    let x = |value: f64| at(SIDE + scale.place(value) * (WIDTH - 2.0 * SIDE));
    let height = ROW * drawn.len() as f64 + 22.0;
    let mut out = String::new();
    for tick in &scale.ticks {
        let place = x(*tick);
        write!(out, "<path class=grid d=\"M{place} 4V{}\"/><text class=tick x={place} y={} text-anchor=middle>{}</text>", height - 18.0, height - 5.0, tick_text(*tick)).expect("a string");
    }
    for (row, (place, point)) in drawn.iter().zip(&points).enumerate() {
        let is_best = material.objective().is_some()
            && material.chosen.is_some_and(|(chosen, _)| chosen == *place);
        let class = if is_best { "best" } else { "" };
        let name = name(point, Some(*place) == own);
        let (words, middle) = (ROW * row as f64 + 13.0, ROW * row as f64 + 25.0);
        let [low, high] = ends(point).map(x);
        write!(out, "<g class=\"row {class}\"><text class=name x=0 y={words}>{}</text><path class=whisker d=\"M{low} {middle}H{high}\"/>", text(&name)).expect("a string");
        for score in scores(point, metric) {
            write!(out, "<circle class=trial cx={} cy={middle} r=3.2 />", x(score))
                .expect("a string");
        }
        let moments = point.moments(metric);
        let mean = x(moments.mean.unwrap_or(f64::NAN));
        write!(out, "<path class=mean d=\"M{mean} {}v12\"/><text class=value x={WIDTH} y={words} text-anchor=end>{}</text></g>", middle - 6.0, spread(&moments)).expect("a string");
    }
    let whose = if material.objective().is_some() { "the best settings" } else { "the settings" };
    let title = format!("{} of {whose}", text(metric));
    let fresh = if points.iter().any(|point| point.level.is_fresh) {
        "; fresh seeds: those by which nothing was chosen before, whose scores compare with each other alone"
    } else {
        ""
    };
    format!(
        "<figure class=forest><figcaption><b>{title}</b><span class=unit>dots: trials; bar: mean; line: \u{b1} standard deviation{fresh}</span></figcaption><svg viewBox=\"0 0 {WIDTH} {height}\" role=img aria-label=\"{title}, as in the table of trials\">{out}</svg></figure>"
    )
}

fn scores(point: &PointRows<'_>, metric: &str) -> Vec<f64> {
    point.scores(metric).into_iter().map(|score| score.value()).collect()
}

/// The values of a point, cut, with what is particular to it.
fn name(point: &PointRows<'_>, is_own: bool) -> String {
    let mut name: String = values(point).chars().take(26).collect();
    if is_own {
        name += " (file)";
    }
    if point.level.is_fresh {
        name += ", fresh seeds";
    }
    name
}
