//! The card of a model, `README.md` in its folder: what it is for, what it was made from, how good it is and how sure that is, and how to use it. Hubs for
//! models show it first, and read the fields at its head.
//!
//! It is a function of the material alone, and so of what was run and how: no clock and no run is in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Material;
use super::numbers::spread;
use crate::base::{shell, visible};
use crate::engine::runs::{Changes, RunFile};
use crate::engine::stage::{CardPart, Cell, Table};
use crate::view::format;
use crate::view::rows::PointRows;

/// The parameters of an experiment that say under which licence its models are given on.
const LICENCES: [&str; 2] = ["params.license", "params.licence"];

/// The card of the model that the chosen trial made.
#[must_use]
pub fn card(material: &Material<'_>) -> String {
    let mut out = head(material);
    writeln!(out, "# {}\n", text(&material.run.asked.results)).expect("a string");
    if let Some(about) = &material.background.about {
        writeln!(out, "{}\n", text(about)).expect("a string");
    }
    for Table { title, columns, rows } in parts(material).map(|part| &part.table) {
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(cell).collect()).collect();
        let columns: Vec<String> = columns.iter().map(|column| text(column)).collect();
        out += &section(&text(title), &table(&columns, &rows));
    }
    out += &scores(material);
    out += &caveats(material);
    out += &section("How to use it", USE);
    out += &recipe(material);
    out + &origin(material)
}

const USE: &str = "With `pipeline`, in this folder:\n\n```sh\npipeline predict . texts.txt\n```\n\nWith transformers, a folder for each head, and an example that reads answers as `predict` does:\n\n```sh\npipeline export . --hf hf\npython hf/predict.py < texts.txt\n```\n\nWith ONNX, all heads in one file:\n\n```sh\npipeline export . --onnx model.onnx\npython model.py < texts.txt\n```\n\n`heads.json` says what the heads answer, `digests.json` has the BLAKE3 of every file of the model. The encoder alone loads in transformers as an `AutoModel`.\n";

fn parts<'m>(material: &'m Material<'_>) -> impl Iterator<Item = &'m CardPart> {
    material.card_parts.iter().rev().flat_map(|of| &of.it)
}

/// The fields that hubs read, as YAML: every value is JSON, which is some.
fn head(material: &Material<'_>) -> String {
    let mut fields: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in parts(material).flat_map(|part| &part.fields) {
        let values = fields.entry(name).or_default();
        if !values.contains(&value.as_str()) {
            values.push(value);
        }
    }
    let mut out = "---\n".to_owned();
    let mut line = |name: &str, value: Value| writeln!(out, "{name}: {value}").expect("a string");
    let task = fields.get("pipeline_tag").and_then(|tasks| tasks.first().copied());
    let settings = &material.background.settings;
    let licence = settings.iter().find(|setting| LICENCES.contains(&setting.path.as_str()));
    let licence = licence.and_then(|setting| serde_json::from_str::<String>(&setting.value).ok());
    licence.into_iter().for_each(|licence| line("license", licence.into()));
    task.into_iter().for_each(|task| line("pipeline_tag", task.into()));
    fields.get("tags").into_iter().for_each(|tags| line("tags", json!(tags)));
    let from: Vec<&str> = hub(material).map(|(repo, _)| repo).collect();
    if !from.is_empty() {
        line("base_model", json!(from));
    }
    if let (Some(task), Some(best)) = (task, material.best()) {
        let results = stages(material, best).into_iter().map(|(stage, names)| {
            let metric = |name: &&str| {
                let value = best.moments(name).mean?;
                let (_, metric) = material.stage_of(name);
                Some(json!({"type": metric, "name": metric, "value": value}))
            };
            let name = format!("{}, {stage}", material.run.asked.results);
            json!({
                "task": {"type": task},
                "dataset": {"name": name, "type": material.run.asked.results},
                "metrics": names.iter().filter(|name| is_headline(material, name)).filter_map(metric).collect::<Vec<_>>(),
            })
        });
        let results: Vec<Value> = results.collect();
        let index = json!([{"name": material.run.asked.results, "results": results}]);
        if !results.is_empty() {
            line("model-index", index);
        }
    }
    out + "---\n\n"
}

fn is_headline(material: &Material<'_>, name: &str) -> bool {
    material.headlines.iter().any(|headline| headline == name)
}

/// The scores that are defined, by the stage that measured them: those that say most first, and without what they are held against.
fn stages<'m>(material: &'m Material<'_>, best: &PointRows<'_>) -> Vec<(&'m str, Vec<&'m str>)> {
    let mut stages: Vec<(&str, Vec<&str>)> = Vec::new();
    for name in material.names.plain.iter().copied() {
        let (stage, _) = material.stage_of(name);
        let is_shown = !material.is_beside(name) && !material.asides.contains(stage);
        if is_shown && best.moments(name).mean.is_some() {
            match stages.iter_mut().find(|(known, _)| *known == stage) {
                Some((_, names)) => names.push(name),
                None => stages.push((stage, vec![name])),
            }
        }
    }
    for (_, names) in &mut stages {
        names.sort_by_key(|name| !is_headline(material, name));
    }
    stages
}

fn scores(material: &Material<'_>) -> String {
    let Some(best) = material.best() else { return String::new() };
    let mut out = String::new();
    if let Some(objective) = material.objective() {
        let which = if objective.maximize { "highest" } else { "lowest" };
        let (metric, settings) = (text(&objective.metric), material.settings());
        writeln!(out, "Of {settings} settings the one with the {which} {metric}.\n")
            .expect("a string");
    }
    out += "The interval says within which a score would lie on as many other texts of the same kind, in 95 % of the draws (percentile bootstrap).\n\n";
    for (stage, names) in stages(material, best) {
        let mut beside: Vec<String> =
            names.iter().flat_map(|name| material.beside(name)).map(|(name, _)| name).collect();
        beside.sort_unstable();
        beside.dedup();
        let mut columns = vec![text(stage), "value".to_owned(), "95 % interval".to_owned()];
        columns.extend(beside.iter().map(|name| text(name)));
        let row = |name: &&str| {
            let interval = material.interval(name);
            let ends = interval.map_or_else(String::new, |[low, high]| {
                format!("{} to {}", format::number(low), format::number(high))
            });
            let others = material.beside(name);
            let other = |column: &String| {
                let (_, path) = others.iter().find(|(name, _)| name == column)?;
                best.moments(path).mean.map(format::number)
            };
            let mut row = vec![
                text(material.stage_of(name).1),
                spread(&best.moments(name)).replace('\u{a0}', " "),
                ends,
            ];
            row.extend(beside.iter().map(|column| other(column).unwrap_or_default()));
            row
        };
        let rows: Vec<Vec<String>> = names.iter().map(row).collect();
        writeln!(out, "{}", table(&columns, &rows)).expect("a string");
    }
    section("Scores", out.trim_end())
}

fn caveats(material: &Material<'_>) -> String {
    let one = |caveat: &crate::engine::stage::Caveat| {
        let count = if caveat.count > 1 {
            format!(" ({})", format::grouped(caveat.count))
        } else {
            String::new()
        };
        format!("- {}{count}\n", text(&caveat.message))
    };
    let all: String = material.caveats.iter().map(one).collect();
    if all.is_empty() { all } else { section("What a reader of these scores must know", &all) }
}

fn recipe(material: &Material<'_>) -> String {
    let settings = &material.background.settings;
    if settings.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> =
        settings.iter().map(|it| vec![text(&it.path), text(&it.value)]).collect();
    let body = format!(
        "What the experiment says; all else is at its default.\n\n{}",
        table(&["setting".to_owned(), "value".to_owned()], &rows)
    );
    section("Recipe", &body)
}

fn origin(material: &Material<'_>) -> String {
    let run = material.run;
    let mut out = format!("{}\n", code(&command(run)));
    writeln!(out, "by pipeline {}.\n", text(&run.program)).expect("a string");
    for (repo, commit) in hub(material) {
        writeln!(out, "- from {} at commit {}", text(repo), text(commit)).expect("a string");
    }
    let keys: Vec<Vec<String>> =
        material.keys.iter().map(|(stage, key)| vec![text(stage), text(key)]).collect();
    let columns = ["stage", "key in the store"].map(str::to_owned);
    write!(out, "\n{}", table(&columns, &keys)).expect("a string");
    section("How it was made", &out)
}

/// What makes the same: the experiment, and what the command line changed in it. How it was carried out changes no result.
fn command(run: &RunFile) -> String {
    let Changes { set, sweep, seeds, objective } = &run.asked.overrides;
    let changed = [("--set", set.as_slice()), ("--sweep", sweep.as_slice())]
        .into_iter()
        .chain([("--seeds", seeds.as_slice()), ("--objective", objective.as_slice())]);
    let words = changed.flat_map(|(option, values)| {
        values.iter().map(move |value| format!(" {option} {}", shell::word(value)))
    });
    format!(
        "pipeline run {}{}",
        shell::word(&run.file.to_string_lossy()),
        words.collect::<String>()
    )
}

/// What came from a hub, with its commit.
fn hub<'m>(material: &'m Material<'_>) -> impl Iterator<Item = (&'m str, &'m str)> {
    material.steps.iter().filter_map(|step| {
        let repo = step.parameters.get("repo")?.as_str()?;
        Some((repo, step.commit.as_deref()?))
    })
}

fn section(title: &str, body: &str) -> String {
    format!("## {title}\n\n{}\n\n", body.trim_end())
}

fn table(columns: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = format!("|{}\n", "---|".repeat(columns.len()));
    let rows: String = rows.iter().map(|row| line(row)).collect();
    format!("{}{rule}{rows}", line(columns))
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(foreign) => text(foreign),
        Cell::Count(count) => format::grouped(*count),
        Cell::Score(score) => format::number(*score),
        Cell::Nothing => String::new(),
    }
}

/// Foreign text on one line: nothing in it is read as Markdown or markup.
fn text(foreign: &str) -> String {
    let mut out = String::with_capacity(foreign.len() + 8);
    for character in visible::line(foreign).chars() {
        if "\\`*_[]<>|&~#!:@".contains(character) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

/// Foreign text as a block of code, which nothing in it ends.
fn code(foreign: &str) -> String {
    let lines = visible::text(foreign);
    lines.lines().map(|line| format!("    {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_stays_in_its_cell_and_is_no_markup() {
        let told = text("a | b</script>\n# [x](y) `z`");
        assert!(!told.contains('\n'), "{told}");
        for (at, _) in told.match_indices(['|', '<', '>', '#', '[', '`']) {
            assert!(told[..at].ends_with('\\'), "{told}");
        }
    }
}
