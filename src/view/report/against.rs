//! The best setting against what else there is: the file's own values, the next best, and baselines.

use std::fmt::Write as _;

use super::html::{message, text};
use super::material::Material;
use super::numbers::{difference, spread};
use super::rivals::{Rival, Role};
use crate::view::difference::Comparison;
use crate::view::format;
use crate::view::rows::PointRows;

/// The values of a point alone, to tell points apart.
#[must_use]
pub fn values(point: &PointRows<'_>) -> String {
    let texts = &point.point.texts;
    if texts.is_empty() { "all".to_owned() } else { texts.join(" \u{b7} ") }
}

/// What the best setting beats, and what it does not.
#[must_use]
pub fn html(material: &Material<'_>, metric: &str, best: &PointRows<'_>) -> String {
    let Some(objective) = material.objective() else { return String::new() };
    let rivals = &material.rivals;
    let is_better = |gained: f64| if objective.maximize { gained > 0.0 } else { gained < 0.0 };
    let mut items = String::new();
    if material.own.is_some() && material.own == material.chosen.map(|(place, _)| place) {
        let is_passed = rivals.iter().any(|rival| {
            rival.pair.role == Role::Next && is_better(-gained(material, metric, rival))
        });
        let tried = if is_passed { "." } else { ": nothing that was tried is better." };
        write!(items, "<li>It is what the file says without the sweep{tried}</li>")
            .expect("a string");
    }
    for rival in rivals {
        items += &against(material, metric, rival, &is_better);
    }
    let mut how = String::new();
    if !rivals.is_empty() {
        let lower = if objective.maximize { "" } else { " The lower, the better." };
        write!(how, "<p class=how>A difference is this setting less the other: B \u{2212} A, as <code>pipeline diff A B</code> has it.{lower}</p>").expect("a string");
    }
    items += &baselines(material, metric, best);
    if items.is_empty() {
        return String::new();
    }
    format!("<h3>Against what else there is</h3>{how}<ul class=beats>{items}</ul>")
}

/// B - A as it was compared; where it was not in all trials, of the means.
fn gained(material: &Material<'_>, metric: &str, rival: &Rival) -> f64 {
    let mean = |place: usize| material.points[place].moments(metric).mean.unwrap_or(f64::NAN);
    let of_means = || mean(rival.pair.best) - mean(rival.pair.rival);
    rival.comparison.difference.mean.unwrap_or_else(of_means)
}

fn against(
    material: &Material<'_>,
    metric: &str,
    rival: &Rival,
    is_better: &dyn Fn(f64) -> bool,
) -> String {
    let Rival { pair, comparison, command } = rival;
    let other = &material.points[pair.rival];
    let gained = gained(material, metric, rival);
    let is_equal = gained == 0.0;
    let who = match pair.role {
        Role::Own => "the file\u{2019}s own values",
        Role::Next if is_equal || is_better(gained) => "the next best",
        Role::Next => "the best mean",
    };
    let how = match (is_equal, is_better(gained)) {
        (true, _) => "no better than",
        (_, true) => "better than",
        (_, false) => "worse than",
    };
    let went_no_further = material.chosen.is_some_and(|(chosen, _)| chosen != pair.best);
    let scores = if went_no_further {
        format!(
            "which went no further than rung {}: {} there, and this setting {}",
            other.level.rung + 1,
            spread(&other.moments(metric)),
            spread(&material.points[pair.best].moments(metric))
        )
    } else {
        spread(&other.moments(metric))
    };
    format!(
        "<li><b>{}</b> {how} {who} ({}), {scores} <span class=how>{}</span><span class=how><code>{}</code></span></li>",
        difference(gained),
        text(&values(other)),
        told(comparison),
        text(command)
    )
}

/// How sure a difference is, in the words of `diff`.
fn told(comparison: &Comparison) -> String {
    let Comparison { difference: found, notes } = comparison;
    let mut parts = Vec::new();
    if let Some([low, high]) = found.interval {
        let over = found.over.map_or_else(String::new, |over| {
            format!(", drawn over {}", over.words().replace(", ", " and "))
        });
        let holds_none = if (low..=high).contains(&0.0) { ", 0 among them" } else { "" };
        parts.push(format!(
            "95 % of it from {} to {}{holds_none}{over}",
            difference(low),
            difference(high)
        ));
    }
    // That of a single pair is 1, whatever its difference is.
    let p = found.p.filter(|p| *p < 1.0);
    parts.extend(p.map(|p| format!("p {}", format::number(p))));
    let mut out = parts.join("; ");
    if found.mean.is_none() {
        out = "The score is not defined in every trial: how sure that is, is not known".to_owned();
    }
    for note in notes {
        out += if out.is_empty() { "" } else { ". " };
        let mut characters = message(note).chars().collect::<Vec<_>>();
        if let Some(first) = characters.first_mut() {
            *first = first.to_ascii_uppercase();
        }
        out.extend(characters);
    }
    if !out.is_empty() {
        out += ".";
    }
    out
}

/// The same score of what stands beside.
fn baselines(material: &Material<'_>, metric: &str, best: &PointRows<'_>) -> String {
    let mean = best.moments(metric).mean;
    let beside = material.beside(metric).into_iter();
    let one = |(name, path): (String, String)| {
        let other = best.moments(&path).mean?;
        let gained = mean? - other;
        let word = if gained < 0.0 { "below" } else { "above" };
        Some(format!(
            "<li><b>{}</b> {word} the baseline <code>{}</code>, {}</li>",
            difference(gained),
            text(&name),
            format::number(other)
        ))
    };
    beside.filter_map(one).collect()
}
