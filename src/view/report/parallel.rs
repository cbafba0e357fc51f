//! Parallel coordinates: an axis for each that was varied and for the score, and a line for each point.

use std::fmt::Write as _;

use super::chart::{at, path};
use super::html::text;
use super::material::Material;
use super::scale::{Scale, tick_text};
use crate::engine::plan::Along;
use crate::view::rows::PointRows;

/// More ticks are not named.
const TICKS: usize = 9;
/// Names of choices are cut.
const NAME: usize = 14;

/// What was varied, with the place of each point along it.
pub struct Axis {
    pub name: String,
    pub is_ordered: bool,
    /// By point: the number, or the place of the choice among those there are.
    pub values: Vec<f64>,
    /// The same between 0 and 1.
    pub places: Vec<f64>,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// The axis of a number of the sweep.
    pub fn of(material: &Material<'_>, number: usize) -> Self {
        let name = material
            .shape
            .and_then(|shape| shape.axes.get(number))
            .map(|(name, _)| name.to_string());
        let numbers: Option<Vec<f64>> = material
            .points
            .iter()
            .map(|point| point.point.values.get(number)?.1.as_f64())
            .collect();
        let name = name.unwrap_or_default();
        let along = material.shape.and_then(|shape| shape.along.get(number)).copied();
        if let Some(values) = numbers.filter(|_| along != Some(Along::Choice)) {
            return Self::of_numbers(name, along, values);
        }
        // In the order of the file, in which a search does not try them.
        let listed = material.shape.and_then(|shape| shape.axes.get(number));
        let listed = listed.map_or(&[][..], |(_, values)| values);
        let place = |point: &PointRows<'_>| {
            let (_, value) = point.point.values.get(number)?;
            listed.iter().position(|known| known == value)
        };
        let mut tried: Vec<(usize, &str)> = material
            .points
            .iter()
            .map(|point| (place(point).unwrap_or(listed.len()), shown(point, number)))
            .collect();
        tried.sort_by_key(|(place, _)| *place);
        let mut choices: Vec<&str> = Vec::new();
        for (_, shown) in tried {
            if !choices.contains(&shown) {
                choices.push(shown);
            }
        }
        let value = |point: &PointRows<'_>| {
            let place = choices.iter().position(|known| *known == shown(point, number));
            place.unwrap_or_default() as f64
        };
        let values: Vec<f64> = material.points.iter().map(value).collect();
        let last = (choices.len().max(2) - 1) as f64;
        let tick = |(place, choice): (usize, &&str)| {
            (place as f64 / last, choice.chars().take(NAME).collect())
        };
        let ticks = choices.iter().enumerate().take(TICKS).map(tick).collect();
        Self {
            name,
            is_ordered: false,
            places: values.iter().map(|value| value / last).collect(),
            values,
            ticks,
        }
    }

    /// A range is drawn as it is drawn from; of a list the values themselves say how.
    fn of_numbers(name: String, along: Option<Along>, values: Vec<f64>) -> Self {
        let scale = match along {
            Some(Along::Log) => Scale::logarithmic(values.iter().copied()),
            Some(Along::Uniform | Along::Int) => Scale::of(values.iter().copied(), false),
            Some(Along::List | Along::Choice) | None => Scale::of(values.iter().copied(), true),
        };
        let mut distinct = values.clone();
        distinct.sort_by(f64::total_cmp);
        distinct.dedup();
        // Of few values each is named.
        let named = if distinct.len() <= 4 { &distinct } else { &scale.ticks };
        let ticks = named.iter().map(|value| (scale.place(*value), tick_text(*value))).collect();
        Self {
            name,
            is_ordered: true,
            places: values.iter().map(|value| scale.place(*value)).collect(),
            values,
            ticks,
        }
    }

    /// Names of places, no more than lie well beside each other.
    pub fn few_ticks(&self) -> Vec<(f64, String)> {
        let each = self.ticks.len().div_ceil(5).max(1);
        self.ticks.iter().step_by(each).cloned().collect()
    }
}

/// The value of a point along an axis, as the file spells it.
fn shown<'p>(point: &'p PointRows<'_>, axis: usize) -> &'p str {
    point.point.texts.get(axis).map_or("", |text| &**text)
}

/// * `scored`: the places of the points with a score, the best first
pub fn parallel(material: &Material<'_>, metric: &str, axes: &[Axis], scored: &[usize]) -> String {
    const SIDE: f64 = 70.0;
    const TOP: f64 = 34.0;
    const HEIGHT: f64 = 260.0;
    if scored.len() < 2 {
        return String::new();
    }
    let mean = |place: usize| material.points[place].moments(metric).mean.unwrap_or(f64::NAN);
    let means: Vec<f64> = (0..material.points.len()).map(mean).collect();
    let scale = Scale::of(scored.iter().map(|place| means[*place]), false);
    let ticks = scale.ticks.iter().map(|tick| (scale.place(*tick), tick_text(*tick))).collect();
    let places = means.iter().map(|mean| scale.place(*mean)).collect();
    let last = Axis { name: metric.to_owned(), is_ordered: true, values: means, places, ticks };
    let all: Vec<&Axis> = axes.iter().chain([&last]).collect();
    let gaps = (all.len() - 1) as f64;
    let gap = ((1000.0 - SIDE * 2.0) / gaps).clamp(120.0, 220.0).round();
    let width = SIDE * 2.0 + gap * gaps;
    let x = |axis: usize| SIDE + gap * axis as f64;
    let y = |place: f64| TOP + (1.0 - place) * (HEIGHT - TOP - 16.0);
    let mut svg = String::new();
    let chosen = material.chosen.filter(|_| material.objective().is_some()).map(|(place, _)| place);
    // The best lie on top.
    for (rank, place) in scored.iter().enumerate().rev() {
        // Fifths of the points by rank.
        let fifth = if material.objective().is_some() { rank * 5 / scored.len() } else { 2 };
        let best = if Some(*place) == chosen { " best" } else { "" };
        let line =
            path(all.iter().enumerate().map(|(number, axis)| [x(number), y(axis.places[*place])]));
        write!(svg, "<path class=\"way f{fifth}{best}\" data-p={place} d=\"{line}\"/>")
            .expect("a string");
    }
    for (number, axis) in all.iter().enumerate() {
        let place = at(x(number));
        let (bottom, anchor) = (y(0.0), if number + 1 == all.len() { "start" } else { "end" });
        let beside = x(number) + if anchor == "start" { 7.0 } else { -7.0 };
        let name: String =
            axis.name.chars().rev().take(24).collect::<Vec<_>>().into_iter().rev().collect();
        write!(svg, "<g class=pc data-a={number}><path class=axis d=\"M{place} {TOP}V{bottom}\"/><text class=name x={place} y=16 text-anchor=middle>{}<title>{}</title></text>", text(&name), text(&axis.name)).expect("a string");
        for (tick, name) in &axis.ticks {
            write!(
                svg,
                "<text class=tick x={beside} y={} text-anchor={anchor}>{}</text>",
                at(y(*tick) + 3.5),
                text(name)
            )
            .expect("a string");
        }
        write!(
            svg,
            "<rect class=brush x={} y={TOP} width=28 height={} /></g>",
            at(x(number) - 14.0),
            bottom - TOP
        )
        .expect("a string");
    }
    let how = if material.objective().is_some() {
        "The stronger the line, the better the setting."
    } else {
        ""
    };
    format!(
        "<h3>Settings and their scores</h3><p class=how>A line for each setting. {how} <span class=only>Drag along an axis to keep the lines that pass there; a click on it lets them go. The tables below follow.</span></p><figure class=parallel><div class=wide tabindex=0><svg viewBox=\"0 0 {width} {HEIGHT}\" width={width} role=img aria-label=\"Parallel coordinates of the settings, as in the table of settings\">{svg}</svg></div></figure>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_is_even_in_what_its_values_are_drawn_from() {
        // Over orders of magnitude, by chance.
        let values = vec![0.001, 0.2, 0.4];
        let middle = |along| Axis::of_numbers("x".to_owned(), along, values.clone()).places[1];
        assert!(
            (middle(Some(Along::Uniform)) - 0.5).abs() < 0.01,
            "{}",
            middle(Some(Along::Uniform))
        );
        assert!(middle(Some(Along::Log)) > 0.8);
        assert!(middle(None) > 0.8);
    }
}
