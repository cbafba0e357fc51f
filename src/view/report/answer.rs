//! The question and the answer: which setting is best, how sure that is, and what it beats.

use std::fmt::Write as _;

use super::background::{Background, Searched, Setting};
use super::html::{Section, anchor, brief, message, text};
use super::material::Material;
use super::numbers::{difference, margin, spread};
use super::scores::{self, Weakest};
use super::{against, forest};
use crate::base::shell;
use crate::engine::plan::Choose;
use crate::engine::search::Method;
use crate::engine::stage::{Caveat, Exhibit};
use crate::view::format;
use crate::view::rows::{Moments, PointRows};

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

fn compared(material: &Material<'_>, metric: &str, best: &PointRows<'_>) -> String {
    let Some(objective) = material.objective() else {
        let count = material.settings();
        return format!(
            "<p class=question>How do the {count} settings compare by <code>{}</code>?</p><p>The file names no objective, so none is called the best; they stand in its order.</p>{}",
            text(metric),
            forest::html(material, metric)
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
    out += &judging(material);
    out += &searched(material);
    out += &way(material, best);
    if material.shape.is_some_and(|shape| shape.choose == Choose::OneStandardError) {
        out += "<p class=how>Of the settings within one standard error of the best mean, the one nearest to the file\u{2019}s own values was chosen.</p>";
    }
    out += &late(material, best);
    out += &against::html(material, metric, best);
    out += &others(material, metric, best);
    out += &weakest(material);
    out += &uses(material);
    out += &forest::html(material, metric);
    out
}

/// How the best came to be judged, where not all were in the same way.
fn way(material: &Material<'_>, best: &PointRows<'_>) -> String {
    let mut out = String::new();
    let dropped = material.settings().saturating_sub(material.order.len());
    if dropped > 0 {
        write!(out, "<p class=how>{} of the settings went no further than an earlier rung, and are not compared here.</p>", dropped).expect("a string");
    }
    if best.level.is_fresh {
        out += "<p class=how>It is a finalist: its score is of fresh seeds alone, by which nothing was chosen before.</p>";
    }
    out
}

/// How the settings came to be tried, with who says so.
fn searched(material: &Material<'_>) -> String {
    /// What a sweep says beside its method, its objective and what is varied.
    const KEYS: [&str; 7] =
        ["points", "seeds", "folds", "parallel", "choose", "finalists", "fresh_seeds"];
    let Background { searched, .. } = material.background;
    let by = |searched: &Searched| match searched.by {
        Method::Random => "at random",
        Method::Tpe => "a tree-structured Parzen estimator",
        Method::Gp => "a Gaussian process",
    };
    let why = match searched {
        Some(Searched { by: Method::Gp, is_auto: true }) => ", since every axis is ordered",
        Some(Searched { is_auto: true, .. }) => ", since not every axis is ordered",
        _ => "",
    };
    let by = searched.as_ref().map_or("every combination that is not left out", by);
    let said = |key: &str| {
        let Setting { value, origin, .. } = material.background.setting(&format!("sweep.{key}"))?;
        let said = format!("{key} = {value}");
        Some(format!("<code>{}</code> ({})", brief(&said, 60), brief(origin, 60)))
    };
    let method = said("method").unwrap_or_else(|| "<code>method = \"grid\"</code>".to_owned());
    let keys: String = KEYS.into_iter().filter_map(said).map(|said| format!(", {said}")).collect();
    format!("<p class=how>How the settings were chosen: {method}, {by}{why}{keys}.</p>")
}

/// What the scores that judged the settings are to be read with.
fn judging(material: &Material<'_>) -> String {
    const SHOWN: usize = 2;
    let one = |caveat: &Caveat| {
        format!(
            "<p class=alert><b>To be read with:</b> {}. <a href=\"#caveats\">All caveats</a></p>",
            message(&caveat.message)
        )
    };
    material.judging.iter().take(SHOWN).map(one).collect()
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
        let whose = if moments.count > 1 { material.first_trial(metric) } else { "it".to_owned() };
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

/// The headlines of the chosen point in which the objective is not, of those stages that somebody asks for, as items of a list.
fn headlines(
    material: &Material<'_>,
    best: &PointRows<'_>,
    is_asked: impl Fn(&str, &str) -> bool,
) -> String {
    let item = |name: &String| {
        let (stage, _) = material.stage_of(name);
        let moments = best.moments(name);
        let is_told =
            moments.mean.is_some() && !material.asides.contains(stage) && is_asked(stage, name);
        is_told.then(|| format!("<li><code>{}</code> <b>{}</b></li>", text(name), spread(&moments)))
    };
    material.headlines.iter().filter_map(item).collect()
}

/// What is scored of the chosen point alone, which the choice has not seen.
fn late(material: &Material<'_>, best: &PointRows<'_>) -> String {
    let items = headlines(material, best, |stage, _| material.is_late(stage));
    if items.is_empty() {
        return String::new();
    }
    let why = if best.level.is_fresh {
        "the texts above have judged every setting"
    } else {
        "the score above was chosen from many by itself, and flatters"
    };
    format!(
        "<h3>On what the choice has not seen</h3><p class=how>Scored for this setting alone, after it was chosen: {why}.</p><ul class=plain>{items}</ul>"
    )
}

/// What else the stage of the objective measures.
fn others(material: &Material<'_>, metric: &str, best: &PointRows<'_>) -> String {
    let (objective, _) = material.stage_of(metric);
    let items = headlines(material, best, |stage, name| {
        stage == objective && name != metric && !material.is_late(stage)
    });
    if items.is_empty() {
        return String::new();
    }
    format!("<h3>Its other scores</h3><ul class=plain>{items}</ul>")
}

/// Where the model fails, in a line for each sort of labels, and where to read on.
fn weakest(material: &Material<'_>) -> String {
    const NAMED: usize = 4;
    let (weakest, stage) = (scores::weakest(material), scores::decisive_stage(material));
    let mut links = Vec::new();
    for (is, id, name) in [
        (
            (|it| matches!(it, Exhibit::Matrix(_))) as fn(&Exhibit) -> bool,
            "confusion",
            "what was taken for what",
        ),
        (|it| matches!(it, Exhibit::Mistakes(_)), "mistakes", "the worst mistakes"),
    ] {
        let having: Vec<&String> = material
            .exhibits
            .iter()
            .filter(|of| of.it.iter().any(is))
            .map(|of| &of.stage)
            .collect();
        // A section of one stage has no parts.
        let part = having.iter().find(|of| having.len() > 1 && Some(of.as_str()) == stage);
        let id = part.map_or_else(|| id.to_owned(), |stage| anchor(id, stage));
        if !having.is_empty() {
            links.push(format!("<a href=\"#{id}\">{name}</a>"));
        }
    }
    let mut out = String::new();
    for Weakest { before, labels } in &weakest {
        let named = labels.iter().take(NAMED).map(|(label, score, count)| {
            let count = count.map_or_else(String::new, |it| {
                format!(" ({})", format::grouped(it.round() as u64))
            });
            format!("{} {}{count}", brief(label, 30), format::number(*score))
        });
        write!(
            out,
            "<p>The weakest of <a href=\"#{}\"><code>{}</code></a>, with how many there are: {}.</p>",
            anchor("labels", before),
            text(before),
            named.collect::<Vec<_>>().join(", ")
        )
        .expect("a string");
    }
    if let Some(stage) = stage.filter(|_| weakest.is_empty()) {
        write!(out, "<p>No label of <code>{}</code> has a score below 1.</p>", text(stage))
            .expect("a string");
    }
    if !links.is_empty() {
        write!(out, "<p>To look at: {}.</p>", links.join(", ")).expect("a string");
    }
    if out.is_empty() { out } else { format!("<h3>Where it fails</h3>{out}") }
}

/// How what was chosen is used by itself.
fn uses(material: &Material<'_>) -> String {
    let Some(best) = material.best() else { return String::new() };
    let mut folder = format!("outputs/{}", material.run.asked.results);
    let mut lines = String::new();
    if material.shape.is_some() {
        folder += if material.objective().is_some() { "/best" } else { "/first" };
        let trials = if best.shown().count() > 1 { ", its first trial" } else { "" };
        write!(
            lines,
            "<p class=how>This setting without the others{trials}:</p><pre><code>pipeline run {}</code></pre>",
            text(&shell::word(&format!("{folder}/experiment.toml")))
        )
        .expect("a string");
    }
    for card in &material.cards {
        let Some((model, _)) = card.rsplit_once('/') else { continue };
        write!(
            lines,
            "<p class=how>Its answers to lines of text:</p><pre><code>pipeline predict {} texts.txt</code></pre>",
            text(&shell::word(&format!("{folder}/{model}")))
        )
        .expect("a string");
    }
    if lines.is_empty() { lines } else { format!("<h3>Use it</h3>{lines}") }
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
    out += &weakest(material);
    out += &uses(material);
    out
}
