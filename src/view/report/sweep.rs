//! The points of a sweep beside each other: along their axes, by how much each axis matters, and with their curves.

use std::fmt::Write as _;

use super::chart::{at, path};
use super::html::{Section, number, table, text};
use super::material::Material;
use super::numbers::importance;
use super::parallel::{Axis, parallel};
use super::scale::{Scale, tick_text};
use super::{levels, trials};

/// Curves that are drawn over each other.
const CURVES: usize = 60;

pub fn section(material: &Material<'_>) -> Option<Section> {
    let shape = material.shape?;
    let count: usize = material.points.iter().map(|point| point.rows.len()).sum();
    if count < 2 {
        return None;
    }
    let mut html = String::new();
    let metric = material.metric();
    if let Some(metric) = metric.filter(|_| material.compares() && !shape.axes.is_empty()) {
        let axes: Vec<Axis> = (0..shape.axes.len()).map(|axis| Axis::of(material, axis)).collect();
        let ranked = material.order.iter().copied();
        let scored: Vec<usize> =
            ranked.filter(|place| mean(material, *place, metric).is_some()).collect();
        html += &parallel(material, metric, &axes, &scored);
        let tried = tried(material, metric, &scored);
        html += &importances(material, metric, &axes, &tried);
        html += &slices(material, metric, &axes, &tried);
    }
    html += &overlay(material);
    html += &levels::html(material);
    html += &trials::html(material, shape);
    Some(Section { id: "sweep", title: "Trials", html })
}

fn mean(material: &Material<'_>, place: usize, metric: &str) -> Option<f64> {
    material.points[place].moments(metric).mean
}

/// The places of all points that were tried in one way: those that are judged, or more where there are rungs: those of the first.
fn tried(material: &Material<'_>, metric: &str, scored: &[usize]) -> Vec<usize> {
    let is_on_first = |place: &usize| {
        let level = material.points[*place].level;
        level.rung == 0 && !level.is_fresh && mean(material, *place, metric).is_some()
    };
    let first: Vec<usize> = (0..material.points.len()).filter(is_on_first).collect();
    if first.len() > scored.len() { first } else { scored.to_vec() }
}

/// Where points were tried, if that is not where they are judged.
fn on_first_rung(material: &Material<'_>, tried: &[usize]) -> &'static str {
    match tried.iter().all(|place| material.order.contains(place)) {
        true => "",
        false => " on the first rung",
    }
}

fn importances(material: &Material<'_>, metric: &str, axes: &[Axis], scored: &[usize]) -> String {
    let name = |axis: &Axis| axis.name.clone();
    let share = |axis: &Axis| {
        let values: Vec<(f64, f64)> = scored
            .iter()
            .filter_map(|place| Some((axis.values[*place], mean(material, *place, metric)?)))
            .collect();
        importance(&values, axis.is_ordered)
    };
    let mut shares: Vec<(String, Option<f64>)> =
        axes.iter().map(|axis| (name(axis), share(axis))).collect();
    if axes.len() < 2 || shares.iter().all(|(_, share)| share.is_none()) {
        return String::new();
    }
    shares.sort_by(|one, other| other.1.unwrap_or(-1.0).total_cmp(&one.1.unwrap_or(-1.0)));
    let row = |(name, share): &(String, Option<f64>)| {
        let shown = share
            .map_or_else(|| "cannot be told".to_owned(), |share| format!("{:.0} %", share * 100.0));
        let bar = share.map_or_else(String::new, |share| format!("<svg class=bar viewBox=\"0 0 204 12\" width=204 height=12 aria-hidden=true><path class=grid d=\"M2 6H202\"/><rect class=fill x=2 y=2 width={} height=8 rx=2 /></svg>", at(share * 200.0)));
        format!("<tr><td><code>{}</code>{}<td>{bar}", text(name), number(*share, &shown))
    };
    let rows: String = shares.iter().map(row).collect();
    let head = [("axis".to_owned(), false), ("share".to_owned(), true), (String::new(), false)];
    format!(
        "<h3>Which axes matter</h3><p class=how>The share of the variance of the points\u{2019} means that the value along one axis alone explains: \u{3b5}\u{b2}, the correlation ratio less what chance would explain (Kelley, PNAS 21, 1935); more than four values of a number are put into four groups of equal size. It is about the {} points that were tried{}{}, and knows no interaction between axes.</p>{}",
        scored.len(),
        on_first_rung(material, scored),
        if material.shape.is_some_and(|shape| is_grid(material, shape.points)) {
            ""
        } else {
            ", of which a search tries most where it is good"
        },
        table("plain", "", &head, &rows)
    )
}

/// Whether all combinations of the values were tried.
fn is_grid(material: &Material<'_>, points: usize) -> bool {
    let axes = material.shape.map_or(&[][..], |shape| &shape.axes);
    axes.iter().map(|(_, values)| values.len()).product::<usize>() == points
}

/// The score over each axis.
fn slices(material: &Material<'_>, metric: &str, axes: &[Axis], scored: &[usize]) -> String {
    const WIDTH: f64 = 260.0;
    const HEIGHT: f64 = 170.0;
    const LEFT: f64 = 42.0;
    let means: Vec<f64> =
        scored.iter().filter_map(|place| mean(material, *place, metric)).collect();
    let y_scale = Scale::of(means.iter().copied(), false);
    let y = |value: f64| 8.0 + (1.0 - y_scale.place(value)) * (HEIGHT - 40.0);
    let chosen = material.chosen.map(|(place, _)| &material.points[place].point.label);
    let is_chosen = |place: usize| Some(&material.points[place].point.label) == chosen;
    let mut out = String::new();
    for axis in axes {
        let mut svg = String::new();
        for tick in &y_scale.ticks {
            let place = y(*tick);
            write!(svg, "<path class=grid d=\"M{LEFT} {}H{WIDTH}\"/><text class=tick x={} y={} text-anchor=end>{}</text>", at(place), LEFT - 5.0, at(place + 3.5), tick_text(*tick)).expect("a string");
        }
        let x = |place: f64| LEFT + 8.0 + place * (WIDTH - LEFT - 18.0);
        for (place, name) in axis.few_ticks() {
            write!(
                svg,
                "<text class=tick x={} y={} text-anchor=middle>{}</text>",
                at(x(place)),
                HEIGHT - 16.0,
                text(&name)
            )
            .expect("a string");
        }
        // The best lies on top.
        let (best, others): (Vec<_>, Vec<_>) =
            scored.iter().zip(&means).partition(|(place, _)| is_chosen(**place));
        for (place, mean) in others.into_iter().chain(best) {
            let class = if is_chosen(*place) { "best" } else { "point" };
            write!(
                svg,
                "<circle class={class} cx={} cy={} r={} />",
                at(x(axis.places[*place])),
                at(y(*mean)),
                if class == "best" { 5 } else { 3 }
            )
            .expect("a string");
        }
        write!(out, "<figure class=slice><figcaption><b>{}</b></figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img aria-label=\"{} over {}, as in the table of trials\">{svg}</svg></figure>", text(&axis.name), text(metric), text(&axis.name)).expect("a string");
    }
    let aside = match on_first_rung(material, scored) {
        "" => String::new(),
        rung => format!("<p class=how>Of all points,{rung}.</p>"),
    };
    format!("<h3>The score along each axis</h3>{aside}<div class=slices>{out}</div>")
}

/// The curves of the best points over each other.
fn overlay(material: &Material<'_>) -> String {
    const WIDTH: f64 = 640.0;
    const HEIGHT: f64 = 220.0;
    const LEFT: f64 = 46.0;
    let ranked: Vec<usize> = material.order.iter().copied().take(CURVES).collect();
    let of = |place: &usize| {
        material.points[*place].rows.iter().filter_map(|row| material.courses.get(&row.index))
    };
    let all = || ranked.iter().flat_map(of).flatten();
    if ranked.len() < 2 || all().next().is_none() {
        return String::new();
    }
    let x_scale = Scale::of(all().map(|point| point[0]), false);
    let y_scale = Scale::of(all().map(|point| point[1]), true);
    let x = |value: f64| LEFT + x_scale.place(value) * (WIDTH - LEFT - 10.0);
    let y = |value: f64| 8.0 + (1.0 - y_scale.place(value)) * (HEIGHT - 34.0);
    let mut svg = String::new();
    for tick in &y_scale.ticks {
        write!(svg, "<path class=grid d=\"M{LEFT} {}H{WIDTH}\"/><text class=tick x={} y={} text-anchor=end>{}</text>", at(y(*tick)), LEFT - 5.0, at(y(*tick) + 3.5), tick_text(*tick)).expect("a string");
    }
    for tick in &x_scale.ticks {
        write!(
            svg,
            "<text class=tick x={} y={} text-anchor=middle>{}</text>",
            at(x(*tick)),
            HEIGHT - 8.0,
            tick_text(*tick)
        )
        .expect("a string");
    }
    let best = material.chosen.filter(|_| material.objective().is_some()).map(|(place, _)| place);
    for place in ranked.iter().rev() {
        let class = if Some(*place) == best { "course best" } else { "course" };
        for course in of(place) {
            write!(
                svg,
                "<path class=\"{class}\" data-p={place} d=\"{}\"/>",
                path(course.iter().map(|[one, other]| [x(*one), y(*other)]))
            )
            .expect("a string");
        }
    }
    let whose = if best.is_some() { "the best setting stands out" } else { "every trial" };
    format!(
        "<h3>All trainings</h3><figure class=overlay><figcaption><b>{}</b><span class=unit>over steps; {whose}</span></figcaption><div class=wide tabindex=0><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img aria-label=\"{} of every trial over steps\">{svg}</svg></div></figure>",
        text(&capital(&material.course_name)),
        text(&material.course_name)
    )
}

fn capital(name: &str) -> String {
    let mut characters = name.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
