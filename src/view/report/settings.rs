//! The configuration, each value with who gave it, and how the same is made again.

use std::fmt::Write as _;

use super::background::Setting;
use super::html::{Section, brief, table, text};
use super::material::Material;

const LONGEST: usize = 90;
/// What marks a parameter that not every rung has alike.
const SET: &str = " <span class=tag>set by rungs</span>";

pub fn section(material: &Material<'_>) -> Option<Section> {
    let settings = &material.background.settings;
    if settings.is_empty() && material.steps.iter().all(|step| step.parameters.is_empty()) {
        return None;
    }
    let head = ["setting", "value", "from"].map(|name| (name.to_owned(), false));
    let axes: Vec<&str> =
        material.shape.iter().flat_map(|shape| &shape.axes).map(|(axis, _)| &**axis).collect();
    let (rung, rungs) = rungs(material);
    let row = |setting: &Setting| {
        let of_stage = setting.path.strip_prefix("stage.").unwrap_or(&setting.path);
        // What the chosen trial was made with.
        let set = material.set_on(rung, of_stage);
        let note = match axes.contains(&of_stage) {
            true => " <span class=tag>swept</span>",
            false if (0..rungs).any(|rung| material.set_on(rung, of_stage).is_some()) => SET,
            false => "",
        };
        let Setting { value, origin, .. } = set.unwrap_or(setting);
        line(&setting.path, note, value, &brief(origin, LONGEST))
    };
    let rows: String = settings.iter().map(row).collect();
    let mut html = String::new();
    if !settings.is_empty() {
        write!(
            html,
            "<p>What the file says, after all that it extends and what the command line changed; paths are relative to the file that wrote them.</p>{}",
            folded(settings.len(), "values that were given", &table("settings", "", &head, &rows))
        )
        .expect("a string");
    }
    let defaults = defaults(material, &axes);
    if !defaults.is_empty() {
        let rows: String =
            defaults.iter().map(|(path, note, value)| line(path, note, value, "default")).collect();
        let count = defaults.len();
        write!(
            html,
            "<details><summary>{count} parameters at their defaults</summary>{}</details>",
            table("settings", "", &head, &rows)
        )
        .expect("a string");
    }
    Some(Section { id: "configuration", title: "Configuration", html })
}

/// The rung that the chosen trial is of, and how many there are.
fn rungs(material: &Material<'_>) -> (usize, usize) {
    let rungs = material.shape.map_or(0, |shape| shape.rungs);
    let rung = material.best().map_or(rungs.saturating_sub(1), |best| best.level.rung);
    (rung, rungs)
}

fn line(path: &str, note: &str, value: &str, origin: &str) -> String {
    format!(
        "<tr><td><code>{}</code>{note}<td><code>{}</code><td>{origin}",
        text(path),
        brief(value, LONGEST)
    )
}

/// Open where there is little.
fn folded(count: usize, what: &str, table: &str) -> String {
    const OPEN: usize = 16;
    let open = if count <= OPEN { " open" } else { "" };
    format!("<details{open}><summary>{count} {what}</summary>{table}</details>")
}

/// The parameters that entries were made with and nobody gave.
///
/// * `axes`: what is swept
///
/// Each with a tag where a rung sets another value.
fn defaults(material: &Material<'_>, axes: &[&str]) -> Vec<(String, &'static str, String)> {
    let (rung, rungs) = rungs(material);
    let settings = &material.background.settings;
    let is_given = |path: &str| {
        settings.iter().any(|setting| {
            let rest = setting.path.strip_prefix(path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    let mut found = Vec::new();
    for step in &material.steps {
        for (name, value) in &step.parameters {
            let of_stage = format!("{}.{name}", step.name);
            let path = format!("stage.{of_stage}");
            let is_set = |rung| material.set_on(rung, &of_stage).is_some();
            let is_varied = axes.contains(&&*of_stage) || is_set(rung);
            // The experiment's seed is that of every stage.
            let is_seed = name == "seed" && is_given("seed");
            if !value.is_null() && !is_seed && !is_varied && !is_given(&path) {
                let note = if (0..rungs).any(is_set) { SET } else { "" };
                found.push((path, note, value.to_string()));
            }
        }
    }
    found
}

/// How to do it again.
pub fn repeat(material: &Material<'_>) -> Section {
    let run = material.run;
    let results = &run.asked.results;
    let mut html = format!(
        "<p>The same command finds all of this in the cache; elsewhere it makes the same from the start, bit for bit on the same model of CPU.</p><pre><code>{}</code></pre>",
        text(&run.asked.command)
    );
    write!(
        html,
        "<p>The experiment as it was run, with all values in one file, lies beside this page: <a href=\"experiment.toml\">experiment.toml</a>.</p><pre><code>pipeline run {}</code></pre>",
        text(&format!("outputs/{results}/experiment.toml"))
    )
    .expect("a string");
    if let Some(commits) = commits(material) {
        html += &commits;
    }
    let mut facts: Vec<(&str, String)> = vec![
        ("run", format!("<code>{}</code>, {}", text(&run.id), text(run.status.name()))),
        ("started", text(&run.started.replace('T', " ").replace('Z', " UTC"))),
        ("file", format!("<code>{}</code>", text(&run.file.to_string_lossy()))),
        ("program", format!("pipeline {}", text(&run.program))),
    ];
    let pinned = format!(
        "<code>pipeline pin {}</code> keeps its results from <code>gc</code>",
        text(&run.id)
    );
    facts.push(("keep", pinned));
    let facts: String = facts.iter().map(|(name, fact)| format!("<dt>{name}<dd>{fact}")).collect();
    write!(html, "<dl class=facts>{facts}</dl>").expect("a string");
    html += &keys(material);
    Section { id: "repeat", title: "Repeat it", html }
}

/// The commits of what came from a hub.
fn commits(material: &Material<'_>) -> Option<String> {
    let row = |step: &crate::engine::runs::Step| {
        let commit = step.commit.as_ref()?;
        let repo = step.parameters.get("repo").and_then(|repo| repo.as_str()).unwrap_or(&step.name);
        Some(format!(
            "<li><code>{}</code> at commit <code>{}</code></li>",
            text(repo),
            text(commit)
        ))
    };
    let rows: String = material.steps.iter().filter_map(row).collect();
    (!rows.is_empty()).then(|| format!("<p>From the hub:</p><ul class=plain>{rows}</ul>"))
}

fn keys(material: &Material<'_>) -> String {
    const SHOWN: usize = 12;
    let row = |step: &crate::engine::runs::Step| {
        let all = step.keys.len();
        let keys: Vec<String> =
            step.keys.iter().take(SHOWN).map(|key| format!("<code>{}</code>", text(key))).collect();
        let more =
            if all > SHOWN { format!("<br>and {} more", all - SHOWN) } else { String::new() };
        (all > 0).then(|| {
            format!(
                "<tr><td><code>{}</code><td class=keys>{}{more}",
                text(&step.name),
                keys.join("<br>")
            )
        })
    };
    let rows: String = material.steps.iter().filter_map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    let head = ["stage", "key in the store"].map(|name| (name.to_owned(), false));
    format!(
        "<details><summary>Keys of the results</summary><p><code>pipeline show KEY</code> says what one was made from.</p>{}</details>",
        table("settings", "", &head, &rows)
    )
}
