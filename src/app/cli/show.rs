//! `pipeline show`: an experiment after `extends`, a run, a trial or a point of one, what made a folder of results, or an entry of the store.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::args::Show;
use super::behind::{Behind, run_behind, trial_behind};
use super::root::Root;
use super::side::{self, Side};
use super::{Failure, project, terminal};
use crate::base::diagnostics::suggest;
use crate::engine::plan::{CacheKey, value_text};
use crate::engine::runs::{
    Changes, Following, MadeBy, NodeStatus, Results, RunFile, RunNode, TrialResults, Unreadable,
    folder_of, list_runs, scores_of,
};
use crate::engine::spec::Experiment;
use crate::engine::stage::{Caveat, Scores};
use crate::engine::store::{Entry, Store};
use crate::stages;
use crate::stages::artifacts::Evaluation;
use crate::view::{self, format};

pub fn run(arguments: &Show) -> Result<(), Failure> {
    if arguments.what.is_dir() {
        return folder(arguments);
    }
    if let Some(word) = arguments.what.to_str()
        && !arguments.what.exists()
        && let (_, Some(_)) = side::split(word)
        && side::run_of(&project::open_store(&Root::here(&arguments.place)?)?, word).is_some()
    {
        return show_part(&Side::of(word, &arguments.place)?, arguments.json);
    }
    // A run and a key are plain names; anything else can only be a file, and reading it says what is wrong with it.
    let name = match arguments.what.to_str() {
        Some(name)
            if !name.contains(['/', '\\'])
                && !name.ends_with(".toml")
                && !arguments.what.exists() =>
        {
            name
        }
        _ => return experiment(arguments),
    };
    let store = project::open_store(&Root::here(&arguments.place)?)?;
    let mut runs = list_runs(&store)?;
    if let Some(place) = runs.iter().position(|run| run.id == name) {
        return show_run(&store, runs.swap_remove(place), arguments.json);
    }
    let digits = name;
    if !digits.is_empty() && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        let keys = store.keys()?;
        let found: Vec<&CacheKey> =
            keys.iter().filter(|key| key.to_string().starts_with(digits)).collect();
        match found.as_slice() {
            [key] => return show_entry(&store, key, arguments.json),
            [] => {}
            several => {
                return Err(Failure::not_found(format!(
                    "{} keys start with `{digits}`",
                    several.len()
                ))
                .with_help("write more of its digits"));
            }
        }
    }
    let failure = Failure::not_found(format!(
        "`{name}` is no experiment file, no run, and no key in `{}`",
        store.outputs().display()
    ));
    Err(match (suggest(name, runs.iter().rev().map(|run| run.id.as_str())), runs.last()) {
        (Some(near), _) => failure.with_help(format!("did you mean `{near}`?")),
        (None, Some(run)) => failure.with_help(format!("the latest run is `{}`", run.id)),
        (None, None) => failure,
    })
}

fn experiment(arguments: &Show) -> Result<(), Failure> {
    let experiment = Experiment::read(&arguments.what, &project::overrides(&arguments.changes)?)?;
    let origins = experiment.origins();
    if arguments.json {
        let origins: Vec<_> = origins
            .iter()
            .map(|origin| json!({"path": origin.path, "value": origin.value, "file": origin.file, "line": origin.line, "column": origin.column}))
            .collect();
        let files: Vec<_> = experiment.chain.iter().map(|file| file.to_string_lossy()).collect();
        return terminal::json(
            &json!({"experiment": experiment.name, "files": files, "values": origins}),
        );
    }
    if !arguments.origins {
        return terminal::print(&experiment.to_toml());
    }
    let width = |text: fn(&crate::engine::spec::Origin) -> usize, most: usize| {
        origins.iter().map(text).max().unwrap_or(0).min(most)
    };
    let (paths, values) = (
        width(|origin| origin.path.chars().count(), 48),
        width(|origin| origin.value.chars().count(), 48),
    );
    let mut text = String::new();
    for origin in &origins {
        writeln!(
            text,
            "{:paths$}  {:values$}  {}:{}:{}",
            origin.path, origin.value, origin.file, origin.line, origin.column
        )
        .expect("a string");
    }
    terminal::print(&text)
}

/// A run's record, or a folder of results, of which the run that made it is shown.
fn folder(arguments: &Show) -> Result<(), Failure> {
    match run_behind(&arguments.what)? {
        Behind::Run(store, run) => match trial_of(&arguments.what, &store, &run)? {
            Some(trial) => {
                show_part(&Side::of(&trial.to_string_lossy(), &arguments.place)?, arguments.json)
            }
            None => show_run(&store, *run, arguments.json),
        },
        Behind::Gone(made) => show_made_by(&made, arguments.json),
        Behind::Nothing => experiment(arguments),
    }
}

/// The folder of the trial whose results lie in a folder: that one, or the one for which it stands by the run's record.
fn trial_of(folder: &Path, store: &Store, run: &RunFile) -> Result<Option<PathBuf>, Failure> {
    if trial_behind(folder).is_some() {
        return Ok(Some(folder.to_owned()));
    }
    // As it was written, where that shows it.
    let places = std::iter::once(folder.to_owned()).chain(folder.canonicalize());
    let place = places.into_iter().find(|folder| view::stands_for_others(folder));
    let Some(results) = place.as_deref().and_then(Path::parent) else { return Ok(None) };
    let label = if run.asked.objective.is_some() {
        run.best.first().cloned()
    } else {
        let trials = Results::read(run.clone(), store, stages::ALL)?.trials;
        trials.first().map(|of| of.label.to_string())
    };
    Ok(label.map(|label| view::folder_of_trial(results, &label)).filter(|it| it.is_dir()))
}

/// What is known of a run whose record is gone.
fn show_made_by(made: &MadeBy, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return terminal::json(&json!(made));
    }
    let mut text = format!("run {} (its record is gone)\n", made.run);
    rows(&mut text, &made.command, &made.overrides);
    row(&mut text, "program", &made.program);
    terminal::print(&text)
}

fn row(text: &mut String, name: &str, value: &str) {
    writeln!(text, "  {name:<12} {value}").expect("a string");
}

/// What was asked of a run.
fn rows(text: &mut String, command: &str, overrides: &Changes) {
    if !command.is_empty() {
        row(text, "command", command);
    }
    let Changes { set, sweep, seeds, objective } = overrides;
    set.iter().for_each(|value| row(text, "set", value));
    sweep.iter().for_each(|value| row(text, "sweep", value));
    seeds.iter().for_each(|value| row(text, "seeds", value));
    objective.iter().for_each(|value| row(text, "objective", value));
}

fn show_run(store: &Store, run: RunFile, as_json: bool) -> Result<(), Failure> {
    let results = Results::read(run, store, stages::ALL)?;
    let (run, shown) = (&results.run, Shown::of(&results)?);
    let warnings = warnings_of(store, &run.id);
    if as_json {
        let mut written = json!(RunFile { outline: None, ..run.clone() });
        if !warnings.is_empty() {
            written["warnings"] = json!(warnings);
        }
        if let (Some(written), serde_json::Value::Object(scores)) =
            (written.as_object_mut(), shown.json())
        {
            written.extend(scores);
        }
        return terminal::json(&written);
    }
    let mut text = format!("run {}\n", run.id);
    rows(&mut text, &run.asked.command, &run.asked.overrides);
    let mut row = |name: &str, value: &str| row(&mut text, name, value);
    row("experiment", &run.experiment);
    row("file", &run.file.display().to_string());
    if !run.asked.results.is_empty() {
        row("results", &format!("outputs/{}", run.asked.results));
    }
    row("program", &run.program);
    row("status", run.status.name());
    row("started", &run.started);
    if let Some(elapsed) = run.elapsed_ms {
        row("took", &format::duration(Duration::from_millis(elapsed)));
    }
    warnings.iter().for_each(|warning| row("warning", warning));
    let unread = |error| Failure::failed(format!("the scores cannot be read: {error}"));
    let nodes: Vec<&RunNode> = run.nodes.iter().collect();
    match view::sweep_table(&results).map_err(unread)? {
        Some(table) => {
            text += &table;
            text += &stages_text(&nodes);
            text += &view::scores_text(&shown.metrics, &super::run::is_detail);
            text += &view::caveat_lines(&shown.caveats);
        }
        None => {
            text += &nodes_text(&nodes);
            text += &shown.text();
        }
    }
    terminal::print(&text)
}

/// What a run said of itself as a whole, each once, as far as its events are still there.
fn warnings_of(store: &Store, run: &str) -> Vec<String> {
    #[derive(Deserialize)]
    struct Said {
        event: String,
        text: Option<String>,
    }
    let mut warnings = Vec::new();
    let read = Following::of(&folder_of(store, run)).lines(|line| {
        if let Ok(Said { event, text: Some(text) }) = serde_json::from_slice(line)
            && event == "warning"
            && !warnings.contains(&text)
        {
            warnings.push(text);
        }
    });
    // A record is shown as far as it can be read.
    drop(read);
    warnings
}

/// What became of the nodes of a sweep, of which there are many: those that have no result, and the others stage by stage.
fn stages_text(nodes: &[&RunNode]) -> String {
    const MOST: usize = 20;
    if nodes.len() <= MOST {
        return nodes_text(nodes);
    }
    let (complete, others): (Vec<&RunNode>, Vec<&RunNode>) =
        nodes.iter().partition(|node| node.outcome.is_complete());
    let mut stages: Vec<&str> = Vec::new();
    for node in &complete {
        if !stages.contains(&&*node.stage) {
            stages.push(&node.stage);
        }
    }
    let width = stages.iter().map(|stage| stage.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for stage in stages {
        let of_stage = || complete.iter().filter(|node| node.stage == stage);
        let mut ends: Vec<(&str, usize)> = Vec::new();
        for name in of_stage().map(|node| node.outcome.name()) {
            match ends.iter_mut().find(|(known, _)| *known == name) {
                Some((_, count)) => *count += 1,
                None => ends.push((name, 1)),
            }
        }
        let ends: Vec<String> =
            ends.iter().map(|(name, count)| format!("{count} {name}")).collect();
        let elapsed: u64 = of_stage().filter_map(|node| node.elapsed_ms).sum();
        let elapsed = match elapsed {
            0 => String::new(),
            elapsed => format!(", {} in all", format::duration(Duration::from_millis(elapsed))),
        };
        writeln!(text, "  {stage:width$}  {}{elapsed}", ends.join(", ")).expect("a string");
    }
    let shown = &others[..others.len().min(MOST)];
    text += &nodes_text(shown);
    if others.len() > shown.len() {
        writeln!(text, "  and {} more without a result: --json", others.len() - shown.len())
            .expect("a string");
    }
    text
}

/// A line for each node, and what went wrong in it.
fn nodes_text(nodes: &[&RunNode]) -> String {
    let mut text = String::new();
    let width = nodes.iter().map(|node| node.title().chars().count()).max().unwrap_or(0);
    for node in nodes {
        let key = node.key.map_or_else(String::new, |key| key.short());
        let elapsed = node
            .elapsed_ms
            .map_or_else(String::new, |elapsed| format::duration(Duration::from_millis(elapsed)));
        let line = format!(
            "  {:width$}  {:<9} {key:<10}  {elapsed:>8}",
            node.title(),
            node.outcome.name()
        );
        writeln!(text, "{}", line.trim_end()).expect("a string");
        for (number, error) in node.earlier_errors.iter().enumerate() {
            writeln!(text, "    attempt {}: {error}", number + 1).expect("a string");
        }
        if let Some(error) = &node.error {
            let because = if node.outcome == NodeStatus::NotRun { "because " } else { "" };
            writeln!(text, "    {because}{error}").expect("a string");
        }
    }
    text
}

/// A trial of a run, or a point with all of its trials.
fn show_part(side: &Side, as_json: bool) -> Result<(), Failure> {
    let (run, trials) = (&side.results.run, side.meant().collect::<Vec<_>>());
    let scores: Vec<Scores> =
        trials.iter().map(|of| side.results.scores(of)).collect::<Result<_, Unreadable>>()?;
    let mut nodes: Vec<&RunNode> = Vec::new();
    for (node, _) in trials.iter().flat_map(|of| side.results.made_with(of)) {
        if !nodes.iter().any(|known| std::ptr::eq(*known, node)) {
            nodes.push(node);
        }
    }
    let caveats = side.results.caveats_of(&trials)?;
    if as_json {
        let of_trial = |(of, metrics): (&&TrialResults, &Scores)| {
            let (label, status) = (&*of.label, of.status.name());
            json!({ "trial": label, "status": status, "seeds": of.seeds, "metrics": metrics })
        };
        let trials: Vec<_> = trials.iter().zip(&scores).map(of_trial).collect();
        return terminal::json(&json!({
            "run": run.id,
            "name": side.name,
            "trials": trials,
            "nodes": nodes,
            "caveats": caveats,
        }));
    }
    let is_trial = matches!(&trials[..], [only] if side.name.ends_with(&*only.label));
    let mut text = format!("{} {}\n", if is_trial { "trial" } else { "point" }, side.name);
    row(&mut text, "experiment", &run.experiment);
    row(&mut text, "file", &run.file.display().to_string());
    row(&mut text, "run", &format!("{}, {}", run.id, run.status.name()));
    for of in trials.iter().filter(|_| !is_trial) {
        row(&mut text, "trial", &format!("{}, {}", of.label, of.status.name()));
    }
    text += &nodes_text(&nodes);
    text += &view::trials_scores_text(&scores, &super::run::is_detail);
    text += &view::caveat_lines(&caveats);
    terminal::print(&text)
}

/// The scores of a run as far as its entries are still there, and what they are to be read with.
struct Shown<'a> {
    /// Without a sweep.
    metrics: Scores,
    /// Of a sweep, by trial in the order of the file.
    trials: Vec<(&'a str, Scores)>,
    /// Names of the scores that say most.
    headlines: Vec<String>,
    /// Scores of some of the texts, without a sweep.
    groups: String,
    caveats: Vec<Caveat>,
}

impl<'a> Shown<'a> {
    fn of(results: &'a Results) -> Result<Self, Unreadable> {
        let (mut metrics, mut trials) = (Scores::new(), Vec::new());
        for of in &results.trials {
            let nodes = results.made_with(of).map(|(node, _)| node);
            // What no axis reaches is the same for all trials.
            let of_all: Vec<&str> = nodes
                .filter(|node| node.label.is_empty())
                .map(|node| node.stage.as_str())
                .collect();
            let stage = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
            let (shared, own): (Scores, Scores) = results
                .scores(of)?
                .into_iter()
                .partition(|(name, _)| of_all.contains(&&*stage(name)));
            metrics.extend(shared);
            if !own.is_empty() {
                trials.push((&*of.label, own));
            }
        }
        let of_run = results.trials.iter().filter(|of| of.label.is_empty());
        let files = of_run.flat_map(|of| results.files(of, false));
        let tables = files.filter(|(_, _, file)| *file == Evaluation::GROUPS);
        let groups: Result<String, Unreadable> =
            tables.map(|(name, entry, _)| groups_table(&name, entry)).collect();
        let (headlines, caveats) = (results.headlines(), results.caveats()?);
        Ok(Self { metrics, trials, headlines, groups: groups?, caveats })
    }

    fn text(&self) -> String {
        view::scores_text(&self.metrics, &super::run::is_detail)
            + &view::trials_table(&self.trials, &self.headlines)
            + &self.groups
            + &view::caveat_lines(&self.caveats)
    }

    fn json(&self) -> serde_json::Value {
        let trial =
            |(label, metrics): &(&str, Scores)| json!({ "trial": label, "metrics": metrics });
        let trials: Vec<_> = self.trials.iter().map(trial).collect();
        json!({ "metrics": self.metrics, "trials": trials, "caveats": self.caveats })
    }
}

/// What an evaluation says of some of the texts.
///
/// * `name`: what the file is called where people find it
fn groups_table(name: &str, entry: &Entry) -> Result<String, Unreadable> {
    let unreadable = |error| Unreadable { key: entry.key(), error };
    let content = entry.read(Evaluation::GROUPS).map_err(unreadable)?;
    let rows = csv::ReaderBuilder::new().has_headers(false).from_reader(content.as_slice());
    let rows: Result<Vec<Vec<String>>, csv::Error> = rows.into_deserialize().collect();
    Ok(view::file_table(&rows.map_err(|error| unreadable(error.into()))?, name))
}

fn show_entry(store: &Store, key: &CacheKey, as_json: bool) -> Result<(), Failure> {
    let entry: Entry = store.get(key)?.ok_or_else(|| {
        Failure::failed(format!("the entry {key} is damaged"))
            .with_help("`pipeline verify` says how; `run` rebuilds it")
    })?;
    let manifest = entry.manifest();
    if as_json {
        return terminal::json(&json!(manifest));
    }
    let mut text = format!("{} {key}\n", manifest.artifact);
    let mut row =
        |name: &str, value: &str| writeln!(text, "  {name:<28} {value}").expect("a string");
    row("folder", &entry.folder().display().to_string());
    row("content", &manifest.content);
    row("kind", &manifest.fingerprint.kind);
    for (name, value) in &manifest.fingerprint.parameters {
        row(name, &value_text(value));
    }
    for (port, input) in &manifest.fingerprint.inputs {
        row(&format!("input {port}"), &input.short());
    }
    for (name, value) in &manifest.made_with {
        row(&format!("made with {name}"), value);
    }
    for file in &manifest.files {
        row(&format!("file {}", file.path), &format::bytes(file.size));
    }
    let kind = stages::ALL.iter().find(|kind| kind.name == manifest.fingerprint.kind);
    if let Some(kind) = kind.and_then(|kind| kind.producing(&manifest.artifact)) {
        let (scores, caveats) = scores_of(&kind.output, kind.name, &entry)
            .map_err(|error| Unreadable { key: *key, error })?;
        text += &view::scores_text(&scores, &super::run::is_detail);
        if entry.file(Evaluation::GROUPS).is_some() {
            text += &groups_table(Evaluation::GROUPS, &entry)?;
        }
        text += &view::caveat_lines(&caveats);
    }
    terminal::print(&text)
}
