//! The question and the answer: which setting is best, how sure that is, and what it beats.

use std::fmt::Write as _;

use super::chart::at;
use super::html::{Section, brief, text};
use super::material::Material;
use super::numbers::{difference, margin, paired, spread};
use super::scale::{Scale, tick_text};
use crate::engine::plan::Choose;
use crate::view::format;
use crate::view::pairs::too_few;
use crate::view::rows::{Moments, PointRows};

/// Points that are drawn beside each other.
const DRAWN: usize = 8;
/// Scores of a single run that are told first.
const TOLD: usize = 4;

pub fn section(material: &Material<'_>) -> Section {
    let html = match (material.metric(), material.best()) {
        (Some(metric), Some(best)) if material.compares() => compared(material, metric, best),
        (Some(_), Some(best)) => single(material, best),
        _ if material.objective().is_some() => {
            "<p class=lead>No trial has a score by which one could be chosen.</p>".to_owned()
        }
        _ => "<p class=lead>Nothing was scored in this run.</p>".to_owned(),
    };
    Section { id: "answer", title: "Answer", html: format!("{}{html}", state(material)) }
}

/// What is missing of a run that did not come to its end.
fn state(material: &Material<'_>) -> String {
    let lost: usize =
        material.points.iter().map(|point| point.rows.len() - point.done().count()).sum();
    let mut out = String::new();
    if !material.missing.is_empty() {
        let names: Vec<String> =
            material.missing.iter().map(|name| format!("<code>{}</code>", text(name))).collect();
        write!(
            out,
            "<p class=alert><b>Not whole:</b> without the results of {}.</p>",
            names.join(", ")
        )
        .expect("a string");
    } else if lost > 0 {
        let all: usize = material.points.iter().map(|point| point.rows.len()).sum();
        write!(
            out,
            "<p class=alert><b>Not whole:</b> {lost} of {} did not come to their end.</p>",
            format::counted(all, "trial")
        )
        .expect("a string");
    }
    out
}

/// The values of a point.
pub fn setting(point: &PointRows<'_>) -> String {
    let value = |(axis, shown): (&(String, _), &String)| {
        format!("<span class=kv><i>{}</i> <b>{}</b></span>", text(&axis.0), brief(shown, 60))
    };
    point.point.values.iter().zip(&point.point.texts).map(value).collect()
}

/// The values alone, to tell points apart.
fn values(point: &PointRows<'_>) -> String {
    let texts = &point.point.texts;
    if texts.is_empty() { "all".to_owned() } else { texts.join(" \u{b7} ") }
}

fn compared(material: &Material<'_>, metric: &str, best: &PointRows<'_>) -> String {
    let Some(objective) = material.objective() else {
        let count = material.settings();
        return format!(
            "<p class=question>How do the {count} settings compare by <code>{}</code>?</p><p>The file names no objective, so none is called the best; they stand in its order.</p>{}",
            text(metric),
            forest(material, metric)
        );
    };
    let which = if objective.maximize { "highest" } else { "lowest" };
    let moments = best.moments(metric);
    let mut out = format!(
        "<p class=question>Which of {} settings has the {which} <code>{}</code>?</p><p class=setting>{}</p><p class=big>{}</p><p class=how>{}</p>",
        material.settings(),
        text(metric),
        setting(best),
        spread(&moments),
        certainty(material, metric, &moments)
    );
    out += &way(material, metric, best);
    if material.shape.is_some_and(|shape| shape.choose == Choose::OneStandardError) {
        out += "<p class=how>Of the settings within one standard error of the best mean, the one nearest to the file\u{2019}s own values was chosen.</p>";
    }
    let mut beats = comparisons(material, metric, best, objective.maximize);
    beats.extend(baselines(material, metric, &moments));
    if !beats.is_empty() {
        write!(out, "<h3>Against what else there is</h3><ul class=beats>{}</ul>", beats.concat())
            .expect("a string");
    }
    out += &others(material, metric, best);
    out += &forest(material, metric);
    out
}

/// How the best came to be judged, where not all were in the same way.
fn way(material: &Material<'_>, metric: &str, best: &PointRows<'_>) -> String {
    let mut out = String::new();
    let dropped = material.settings().saturating_sub(material.order.len());
    if dropped > 0 {
        write!(out, "<p class=how>{} of the settings went no further than an earlier rung, and are not compared here.</p>", dropped).expect("a string");
    }
    out.extend(own_given_up(material, metric, best));
    if best.level.is_fresh {
        out += "<p class=how>It is a finalist: its score is of fresh seeds alone, by which nothing was chosen before.</p>";
    }
    out
}

/// How sure a mean is.
fn certainty(material: &Material<'_>, metric: &str, moments: &Moments) -> String {
    let mut said = Vec::new();
    let number = format::number;
    let interval = material.interval(metric);
    // What texts give an interval of is a share.
    let bounded = |value: f64| if interval.is_some() { value.clamp(0.0, 1.0) } else { value };
    match (moments.count, moments.mean, margin(moments)) {
        (count, Some(mean), Some(margin)) => said.push(format!(
            "mean \u{b1} standard deviation of {count} trials; 95 % interval of the mean {} to {} (Student\u{2019}s t)",
            number(bounded(mean - margin)),
            number(bounded(mean + margin))
        )),
        (1, ..) => said.push("one trial: how much another seed would change is not known".to_owned()),
        _ => {}
    }
    if let Some([low, high]) = interval {
        let (stage, _) = material.stage_of(metric);
        let drawn = material.intervals.get(stage).and_then(|it| it.drawn.as_deref());
        let drawn = drawn.map_or_else(
            || "texts".to_owned(),
            |field| format!("all texts of a <code>{}</code>", text(field)),
        );
        let whose = if moments.count > 1 { "its first trial" } else { "it" };
        said.push(format!(
            "on as many other texts {whose} would score {} to {} (95 % of the draws of {drawn})",
            number(low),
            number(high)
        ));
    }
    let mut out = said.join("; ");
    if let Some(first) = out.get(..1) {
        out = format!("{}{}.", first.to_uppercase(), &out[1..]);
    }
    out
}

/// The best point against the file's own values, and against the next best.
fn comparisons(
    material: &Material<'_>,
    metric: &str,
    best: &PointRows<'_>,
    maximize: bool,
) -> Vec<String> {
    let ranked = &material.order;
    let own = own_point(material);
    let mut out = Vec::new();
    let chosen = material.chosen.map(|(place, _)| place);
    // Scores of fresh seeds compare with each other alone.
    let is_rival = |place: &usize| {
        Some(*place) != chosen
            && Some(*place) != own
            && material.points[*place].level.is_fresh == best.level.is_fresh
    };
    let next = ranked.iter().copied().find(is_rival);
    let mean = |point: &PointRows<'_>| point.moments(metric).mean;
    let is_better = |place: usize| match (mean(&material.points[place]), mean(best)) {
        (Some(other), Some(best)) => {
            if maximize {
                other > best
            } else {
                other < best
            }
        }
        _ => false,
    };
    let is_passed = next.is_some_and(is_better);
    if own.is_some() && own == chosen {
        let tried = if is_passed { "." } else { ": nothing that was tried is better." };
        out.push(format!("<li>It is what the file says without the sweep{tried}</li>"));
    } else if let Some(own) = own {
        out.extend(against(
            &material.points[own],
            "the file\u{2019}s own values",
            metric,
            best,
            maximize,
        ));
    }
    if let Some(next) = next {
        let who = if is_passed { "the best mean" } else { "the next best" };
        out.extend(against(&material.points[next], who, metric, best, maximize));
    }
    out
}

/// The point that is judged and whose values are those that the file gives without a sweep.
pub fn own_point(material: &Material<'_>) -> Option<usize> {
    own_among(material, material.order.iter().copied())
}

fn own_among(material: &Material<'_>, places: impl IntoIterator<Item = usize>) -> Option<usize> {
    let given = |axis: &str| {
        let of_stage = format!("stage.{axis}");
        let mut settings = material.background.settings.iter();
        let setting = settings.find(|it| it.path == of_stage || it.path == axis)?;
        Some(setting.value.trim_matches('"'))
    };
    let is_own = |place: &usize| {
        let point = material.points[*place].point;
        let mut values = point.values.iter().zip(&point.texts);
        let is_given = |((axis, _), shown): (&(String, _), &String)| {
            let number = |text: &str| text.replace('_', "").parse::<f64>().ok();
            let is_same = |given: &str| {
                *given == **shown || number(given).is_some_and(|it| number(shown) == Some(it))
            };
            given(axis).is_some_and(is_same)
        };
        !point.values.is_empty() && values.all(is_given)
    };
    places.into_iter().find(is_own)
}

/// How the file's own values fared, where they were given up on an earlier rung.
fn own_given_up(material: &Material<'_>, metric: &str, best: &PointRows<'_>) -> Option<String> {
    if own_point(material).is_some() {
        return None;
    }
    let places = (0..material.points.len()).rev().filter(|place| !material.order.contains(place));
    let own = &material.points[own_among(material, places)?];
    let of_best =
        |point: &&PointRows<'_>| point.point.label == best.point.label && point.level == own.level;
    let twin = material.points.iter().find(of_best)?;
    let [own_mean, twin_mean] = [own.moments(metric), twin.moments(metric)];
    Some(format!(
        "<p class=how>The file\u{2019}s own values ({}) went no further than rung {}: {} there, and the best {}.</p>",
        text(&values(own)),
        own.level.rung + 1,
        spread(&own_mean),
        spread(&twin_mean)
    ))
}

fn against(
    other: &PointRows<'_>,
    who: &str,
    metric: &str,
    best: &PointRows<'_>,
    maximize: bool,
) -> Option<String> {
    let moments = other.moments(metric);
    let mean = moments.mean?;
    let mut pairs: (Vec<f64>, Vec<f64>) = Default::default();
    for row in best.done() {
        let twin = other.done().find(|twin| twin.seeds == row.seeds && twin.fold == row.fold);
        let score = |row: &crate::view::rows::Row<'_>| row.scores.get(metric).copied().flatten();
        if let (Some(one), Some(two)) = (score(row), twin.and_then(score)) {
            pairs.0.push(one.value());
            pairs.1.push(two.value());
        }
    }
    let sign = if maximize { 1.0 } else { -1.0 };
    let differences = paired(&pairs.0, &pairs.1);
    let gained = differences.mean.or_else(|| Some(best.moments(metric).mean? - mean))? * sign;
    let told = match (differences.count, margin(&differences)) {
        (count, Some(margin)) => {
            let (low, high) = (gained - margin, gained + margin);
            let verdict = match too_few(count) {
                Some(too_few) => format!("but {too_few}"),
                None if low > 0.0 || high < 0.0 => {
                    format!("all of it {} 0", if low > 0.0 { "above" } else { "below" })
                }
                None => format!("which holds 0: {count} pairs of trials do not tell them apart"),
            };
            format!(
                "95 % interval (Student\u{2019}s t over {count} pairs of equal seeds) {} to {}, {verdict}",
                difference(low),
                difference(high)
            )
        }
        (1, None) if moments.count == 1 => "one trial each: that may be luck".to_owned(),
        (1, None) => "one pair of equal seeds: that may be luck".to_owned(),
        _ => "no trial of one has the seed of a trial of the other: how sure that is, is not known"
            .to_owned(),
    };
    let word = if gained < 0.0 { "worse" } else { "better" };
    Some(format!(
        "<li><b>{}</b> {word} than {who} ({}), {} <span class=how>{told}.</span></li>",
        difference(gained),
        text(&values(other)),
        spread(&moments)
    ))
}

/// The same score of what stands beside.
fn baselines(material: &Material<'_>, metric: &str, moments: &Moments) -> Vec<String> {
    let Some(best) = material.best() else { return Vec::new() };
    let beside = material.beside(metric).into_iter();
    beside
        .filter_map(|(name, path)| {
            let other = best.moments(&path).mean?;
            let gained = moments.mean? - other;
            let word = if gained < 0.0 { "below" } else { "above" };
            Some(format!(
                "<li><b>{}</b> {word} the baseline <code>{}</code>, {}</li>",
                difference(gained),
                text(&name),
                format::number(other)
            ))
        })
        .collect()
}

/// What else is scored of the chosen point by the headlines, first of all what the choice has not seen.
fn others(material: &Material<'_>, metric: &str, best: &PointRows<'_>) -> String {
    let (objective, _) = material.stage_of(metric);
    let mut late = String::new();
    let mut seen = String::new();
    for name in material.headlines.iter().filter(|name| *name != metric) {
        let (stage, _) = material.stage_of(name);
        let moments = best.moments(name);
        if moments.mean.is_none() || material.asides.contains(stage) {
            continue;
        }
        let line = format!("<li><code>{}</code> <b>{}</b></li>", text(name), spread(&moments));
        if material.is_late(stage) {
            late += &line;
        } else if stage == objective {
            seen += &line;
        }
    }
    let mut out = String::new();
    if !late.is_empty() {
        let why = if best.level.is_fresh {
            "the texts above have judged every setting"
        } else {
            "the score above was chosen from many by itself, and flatters"
        };
        write!(out, "<h3>On what the choice has not seen</h3><p class=how>Scored for this setting alone, after it was chosen: {why}.</p><ul class=plain>{late}</ul>").expect("a string");
    }
    if !seen.is_empty() {
        write!(out, "<h3>Its other scores</h3><ul class=plain>{seen}</ul>").expect("a string");
    }
    out
}

/// A run of one setting: the scores that say most.
fn single(material: &Material<'_>, point: &PointRows<'_>) -> String {
    let trials = point.shown().count();
    let mut out = match trials {
        1 => "<p class=question>How good is the model?</p>".to_owned(),
        _ => format!("<p class=question>How good is the model, over {trials} trials?</p>"),
    };
    if !point.point.values.is_empty() {
        write!(out, "<p class=setting>{}</p>", setting(point)).expect("a string");
    }
    let names = material.headlines.iter().filter(|name| {
        let (stage, metric) = material.stage_of(name);
        !material.asides.contains(stage)
            && metric.contains('.')
            && point.moments(name).mean.is_some()
    });
    let names: Vec<&String> = names.take(TOLD).collect();
    out += "<div class=tiles>";
    for name in &names {
        let moments = point.moments(name);
        let (stage, metric) = material.stage_of(name);
        let mut notes = Vec::new();
        if let Some([low, high]) = material.interval(name) {
            notes.push(format!(
                "95 % interval over texts {}\u{2013}{}",
                format::number(low),
                format::number(high)
            ));
        }
        if let (Some(mean), Some(margin)) = (moments.mean, margin(&moments)) {
            notes.push(format!(
                "95 % interval of the mean {}\u{2013}{}",
                format::number(mean - margin),
                format::number(mean + margin)
            ));
        }
        for (other, path) in material.beside(name) {
            if let (Some(mean), Some(beside)) = (moments.mean, point.moments(&path).mean) {
                notes.push(format!(
                    "<b>{}</b> against <code>{}</code>, {}",
                    difference(mean - beside),
                    text(&other),
                    format::number(beside)
                ));
            }
        }
        let notes: String = notes.iter().map(|note| format!("<span>{note}</span>")).collect();
        write!(
            out,
            "<div class=tile><span class=metric>{}</span><span class=big>{}</span><span class=of>{}</span>{notes}</div>",
            text(metric),
            spread(&moments),
            text(stage)
        )
        .expect("a string");
    }
    out += "</div>";
    let no_baseline = names.iter().all(|name| material.beside(name).is_empty());
    let mut how = Vec::new();
    if trials == 1 {
        how.push("One training: how much another seed would change is not known; <code>--seeds 3</code> tells.");
    }
    if no_baseline && !names.is_empty() {
        how.push("No baseline stands beside it, which would tell what the score is worth.");
    }
    if !how.is_empty() {
        write!(out, "<p class=how>{}</p>", how.join(" ")).expect("a string");
    }
    out
}

/// Points beside each other: every trial, the mean, and a standard deviation around it.
fn forest(material: &Material<'_>, metric: &str) -> String {
    let own = own_point(material);
    let ranked = &material.order;
    let mut drawn: Vec<usize> = ranked.iter().copied().take(DRAWN).collect();
    drawn.extend(own.filter(|own| !drawn.contains(own)));
    drawn.retain(|place| material.points[*place].moments(metric).count > 0);
    if drawn.len() < 2 {
        return String::new();
    }
    const ROW: f64 = 24.0;
    const NAMES: f64 = 190.0;
    const WIDTH: f64 = 640.0;
    const VALUES: f64 = 120.0;
    let scores = |place: &usize| {
        material.points[*place].scores(metric).into_iter().map(|score| score.value())
    };
    // No share lies beyond 0 and 1, whatever its mean and deviation come to.
    let is_share = material.objective().is_none_or(|objective| objective.maximize)
        && drawn.iter().flat_map(scores).all(|score| (0.0..=1.0).contains(&score));
    let ends = |place: &usize| {
        let moments = material.points[*place].moments(metric);
        let (mean, deviation) =
            (moments.mean.unwrap_or(f64::NAN), moments.deviation.unwrap_or(0.0));
        let ends = [mean - deviation, mean + deviation];
        if is_share { ends.map(|end| end.clamp(0.0, 1.0)) } else { ends }
    };
    let scale = Scale::of(drawn.iter().flat_map(|place| scores(place).chain(ends(place))), false);
    let x = |value: f64| NAMES + scale.place(value) * (WIDTH - NAMES - VALUES);
    let height = ROW * drawn.len() as f64 + 26.0;
    let mut out = String::new();
    for tick in &scale.ticks {
        let place = at(x(*tick));
        write!(out, "<path class=grid d=\"M{place} 4V{}\"/><text class=tick x={place} y={} text-anchor=middle>{}</text>", height - 20.0, height - 6.0, tick_text(*tick)).expect("a string");
    }
    for (row, place) in drawn.iter().enumerate() {
        let point = &material.points[*place];
        let moments = point.moments(metric);
        let middle = ROW * row as f64 + 16.0;
        let is_best = material.objective().is_some()
            && material.chosen.is_some_and(|(chosen, _)| chosen == *place);
        let class = if is_best { "best" } else { "" };
        let mut name: String = values(point).chars().take(26).collect();
        if Some(*place) == own {
            name += " (file)";
        }
        let [low, high] = ends(place);
        write!(
            out,
            "<g class=\"row {class}\"><text class=name x={} y={} text-anchor=end>{}</text>",
            NAMES - 10.0,
            middle + 4.0,
            text(&name)
        )
        .expect("a string");
        write!(out, "<path class=whisker d=\"M{} {middle}H{}\"/>", at(x(low)), at(x(high)))
            .expect("a string");
        for score in scores(place) {
            write!(out, "<circle class=trial cx={} cy={middle} r=3.2 />", at(x(score)))
                .expect("a string");
        }
        let mean = at(x(moments.mean.unwrap_or(f64::NAN)));
        write!(out, "<path class=mean d=\"M{mean} {}v14\"/><text class=value x={WIDTH} y={} text-anchor=end>{}</text></g>", middle - 7.0, middle + 4.0, spread(&moments)).expect("a string");
    }
    let title = format!(
        "{} of {}",
        text(metric),
        if material.objective().is_some() { "the best settings" } else { "the settings" }
    );
    format!(
        "<figure class=forest><figcaption><b>{title}</b><span class=unit>dots: trials; bar: mean; line: \u{b1} standard deviation</span></figcaption><div class=wide tabindex=0><svg viewBox=\"0 0 {WIDTH} {height}\" role=img aria-label=\"{title}, as in the table of trials\">{out}</svg></div></figure>"
    )
}
